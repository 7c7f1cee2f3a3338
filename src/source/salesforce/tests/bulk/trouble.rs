//! Everything that goes wrong with jobs and their results.

use super::*;

fn error(status: u16, code: &str, message: &str) -> Option<Reply> {
    Some(super::super::error(status, code, message))
}

#[tokio::test]
async fn a_job_that_is_aborted_ends_with_that_reason() {
    let far = start(Bulk::new(hourly(25)), |_, route, before| match route {
        Route::Look(id) if before < 40 => Some(job(id, "InProgress", "")),
        Route::Look(id) => Some(job(id, "Aborted", "")),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(got.down().contains("aborted"), "{}", got.down());
    // Ended already: only removed.
    assert_eq!(far.story(), "count create look*41 delete");
    let waited = far.clock.now() - at(NOW);
    assert!(waited >= TimeDelta::seconds(31 + 34 * 30), "{waited}");
}

#[tokio::test]
async fn a_job_that_failed_ends_with_its_message() {
    let far = start(Bulk::new(hourly(25)), |_, route, _| match route {
        Route::Look(id) => {
            Some(job(id, "Failed", r#","errorMessage":"InternalServerError : Node down""#))
        }
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(got.down().contains("InternalServerError : Node down"), "{}", got.down());
    assert_eq!(far.story(), "count create look delete");
}

#[tokio::test]
async fn a_job_that_never_ends_is_given_up() {
    let far = start(Bulk::new(hourly(25)), |_, route, _| match route {
        Route::Look(id) => Some(job(id, "SomethingNew", "")),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(got.down().contains("within 12 hours"), "{}", got.down());
    assert!(far.story().ends_with("abort delete"));
    assert!(far.routes().len() < 1_500, "{}", far.routes().len());
    assert!(far.clock.now() - at(NOW) < TimeDelta::hours(13));
}

#[tokio::test]
async fn results_asked_early_are_asked_again() {
    let far = start(Bulk::new(hourly(25)), |_, route, before| match (route, before) {
        (Route::Results(..), 0) => error(409, "JOB_NOT_COMPLETE", "not yet"),
        (Route::Results(..), 1) => error(412, "", ""),
        (Route::Results(..), 2) => Some(reply(204, "")),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert_eq!((got.keys.len(), got.distinct()), (25, 25));
    let story = "count create look*3 results look results look results look results*3 delete query";
    assert_eq!(far.story(), story);
}

#[tokio::test]
async fn no_records_at_all_are_a_header_or_nothing() {
    for empty in ["\"Id\",\"SystemModstamp\"\n", ""] {
        let far = start(Bulk::new(vec![]), move |bulk, route, _| match route {
            Route::Count(_) => Some(counted(11)),
            Route::Results(..) if empty.is_empty() => Some(reply(200, "")),
            Route::Results(..) => Some(bulk.results("SELECT Id FROM X", None)).map(|mut reply| {
                reply.body = all_columns().into_bytes();
                reply
            }),
            _ => None,
        })
        .await;
        let got = read(&far, sessions()).await;
        assert_eq!(got.outcome.unwrap().records, 0);
        assert_eq!(far.story(), "count create look*3 results delete query");
    }
}

fn all_columns() -> String {
    let names =
        dataset("MessagingSession").fields.iter().map(|f| f.path.clone()).collect::<Vec<_>>();
    names.join(",") + ",IsDeleted\n"
}

#[tokio::test]
async fn the_traps_of_its_csv_are_known() {
    let far = start(Bulk::new(vec![]), |_, route, _| match route {
        Route::Count(_) => Some(counted(11)),
        Route::Look(id) => Some(job(id, "JobComplete", r#","numberRecordsProcessed":3"#)),
        Route::Results(_, None) => {
            let csv = "\"IsDeleted\",\"SystemModstamp\",\"MessagingSessionMetricValue\",\"Name\",\
                       \"Id\",\"MessagingSessionId\",\"MessagingSessionMetricType\",\
                       \"CreatedDate\",\"CreatedById\",\"LastModifiedDate\",\"LastModifiedById\"\n\
                       \"false\",\"2026-01-01T00:00:00.000Z\",\"0.0\",\"a \"\"b\"\"\r\nc\0\",\"k1\",\
                       \"\",\"\",\"\",\"\",\"\",\"\"\n\
                       \"true\",\"2026-01-01T00:00:00.000+0000\",\"many\",\"\",\"k2\",\
                       \"\",\"\",\"\",\"\",\"\",\"\"\n\
                       \"false\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"\n";
            Some(reply(200, csv).with("sforce-numberofrecords", "3").gzipped())
        }
        _ => None,
    })
    .await;
    let metrics = request("MessagingSessionMetrics");
    let (into, mut batches) = mpsc::channel::<Batch>(8);
    let outcome = far.salesforce.pull(metrics.clone(), into).await;
    let pulled = outcome.unwrap();
    assert_eq!((pulled.records, pulled.misfits), (2, 2), "{:?}", pulled.misfit_samples);
    batches.recv().await.unwrap();
    let batch = batches.recv().await.unwrap();
    let width = metrics.dataset.fields.len();
    let cell =
        |row: usize, name: &str| batch.cells[row * width + metrics.dataset.field(name).unwrap()];
    assert_eq!(cell(0, "MessagingSessionMetricValue"), Cell::Integer(0));
    let Cell::Text(from, len) = cell(0, "Name") else { panic!() };
    assert_eq!(batch.text_of(from, len), "a \"b\"\r\nc");
    assert_eq!(cell(1, "SystemModstamp"), cell(0, "SystemModstamp"));
    assert_eq!(cell(1, "MessagingSessionMetricValue"), Cell::Null);
    assert_eq!(batch.deleted, [false, true]);
}

#[tokio::test]
async fn a_body_that_breaks_is_asked_again_by_its_locator() {
    for gzip in [false, true] {
        let far = start(Bulk::new(hourly(35)), move |bulk, route, before| match (route, before) {
            (Route::Results(_, locator), 1 | 2) => {
                let soql = "SELECT Id, SystemModstamp, IsDeleted FROM X";
                let whole = bulk.results(soql, locator.as_deref());
                let whole = if gzip { whole.gzipped() } else { whole };
                // Cut in the middle; gzip also with a body that says it is whole.
                let cut = whole.body.len() / 2;
                Some(match (gzip, before) {
                    (true, 2) => {
                        let body = whole.body[..cut].to_vec();
                        Reply { body, ..whole }
                    }
                    _ => whole.cut_at(cut),
                })
            }
            _ => None,
        })
        .await;
        let mut wanted = sessions();
        // As many columns as the cut pages have.
        let dataset = Arc::make_mut(&mut wanted.dataset);
        dataset.fields.retain(|field| ["Id", "SystemModstamp"].contains(&field.name.as_str()));
        (dataset.key, dataset.updated) = (0, Some(1));
        (dataset.created, dataset.label, dataset.visible) = (None, 0, vec![]);
        let got = read(&far, wanted).await;
        assert_eq!(got.distinct(), 35);
        assert_eq!(got.outcome.unwrap().records, 35);
        assert_eq!(far.story(), "count create look*3 results*6 delete query");
        let locators: Vec<_> = far
            .routes()
            .into_iter()
            .filter_map(|route| match route {
                Route::Results(_, locator) => Some(locator.unwrap_or_default()),
                _ => None,
            })
            .collect();
        assert_eq!(locators, ["", "10", "10", "10", "20", "30"]);
    }
}

#[tokio::test]
async fn pages_are_counted_and_asked_again() {
    let says = |number: &'static str, wrong: fn(usize) -> bool| {
        move |bulk: &Bulk, route: &Route, before: usize| match route {
            Route::Results(_, locator) if wrong(before) => {
                let soql = super::soql_of_everything();
                let mut reply = bulk.results(&soql, locator.as_deref());
                reply.headers.retain(|(name, _)| *name != "sforce-numberofrecords");
                Some(reply.with("sforce-numberofrecords", number))
            }
            _ => None,
        }
    };
    for number in ["9", "11"] {
        let far = start(Bulk::new(hourly(20)), says(number, |before| before == 1)).await;
        let got = read(&far, sessions()).await;
        assert_eq!((got.distinct(), got.outcome.unwrap().records), (20, 20));
        assert_eq!(far.story(), "count create look*3 results*3 delete query");
    }
    let far = start(Bulk::new(hourly(20)), says("11", |_| true)).await;
    let got = read(&far, sessions()).await;
    assert!(got.unreadable().contains("10 records came of 11"), "{}", got.unreadable());
    // Five tries of the page, and once more from the beginning.
    let once = "create look*3 results*5 delete";
    assert_eq!(far.story(), format!("count {once} {once}"));
}

#[tokio::test]
async fn a_job_that_gives_less_than_it_says_is_begun_anew_once() {
    let more = r#","numberRecordsProcessed":26"#;
    let far = start(Bulk::new(hourly(25)), move |_, route, before| match route {
        Route::Look(id) if before == 0 => Some(job(id, "JobComplete", more)),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert_eq!(got.distinct(), 25);
    assert_eq!(got.outcome.unwrap().watermark, at("2026-03-01T11:59:00Z"));
    assert_eq!(
        far.story(),
        "count create look results*3 delete create look*3 results*3 delete query"
    );

    let far = start(Bulk::new(hourly(25)), move |_, route, _| match route {
        Route::Look(id) => Some(job(id, "JobComplete", more)),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(got.unreadable().contains("25 records came of 26"), "{}", got.unreadable());
    assert!(got.places.is_empty(), "nothing is told to be complete");
    assert_eq!(far.statements().len(), 2);
}

#[tokio::test]
async fn a_lost_job_is_begun_anew_once() {
    let far = start(Bulk::new(hourly(25)), |_, route, before| match (route, before) {
        (Route::Look(_), 1) => error(404, "NOT_FOUND", "The requested resource does not exist"),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert_eq!((got.keys.len(), got.distinct()), (25, 25));
    assert_eq!(far.statements().len(), 2);

    let far = start(Bulk::new(hourly(25)), |_, route, _| match route {
        Route::Results(..) => error(400, "InvalidJob", "no such job"),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(got.down().contains("no such job"), "{}", got.down());
    assert_eq!(far.statements().len(), 2);
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_or_have_no_key_are_told() {
    let far = start(Bulk::new(hourly(25)), |bulk, route, _| match route {
        Route::Results(..) => Some(bulk.results(&super::soql_of_everything(), Some("10"))),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(got.unreadable().contains("circle"), "{}", got.unreadable());
    assert_eq!(far.story(), "count create look*3 results*2 delete");

    let far = start(Bulk::new(hourly(25)), |_, route, _| match route {
        Route::Results(..) => Some(reply(200, "Name,SystemModstamp\nx,\n")),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(got.unreadable().contains("no column `Id`"), "{}", got.unreadable());
    assert_eq!(far.story(), "count create look*3 results*5 delete");
}

#[tokio::test]
async fn what_bulk_refuses_is_read_by_pages_and_remembered_for_a_day() {
    for (code, message) in [
        ("INVALIDENTITY", "Entity 'MessagingSession' is not supported by the Bulk API."),
        ("API_ERROR", "Selecting compound data not supported in Bulk Query"),
        ("FeatureNotEnabled", "no Bulk"),
        ("LIMIT_EXCEEDED", "too many jobs"),
        ("ExceededQuota", "ExceededQuota"),
    ] {
        let far = start(Bulk::new(hourly(25)), move |_, route, _| match route {
            Route::Create(_) => error(400, code, message),
            _ => None,
        })
        .await;
        let got = read(&far, sessions()).await;
        assert_eq!((got.keys.len(), got.distinct()), (25, 25));
        assert_eq!(far.story(), "count create query", "{code}");
        far.clock.advance(TimeDelta::hours(23));
        read(&far, sessions()).await;
        assert_eq!(far.story(), "count create query*2");
        far.clock.advance(TimeDelta::hours(2));
        read(&far, sessions()).await;
        assert_eq!(far.story(), "count create query*2 count create query");
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_keeps_what_was_read() {
    let far = start(Bulk::new(hourly(600)), |bulk, route, before| match (route, before) {
        (Route::Create(_), 2) => error(400, "LIMIT_EXCEEDED", "too many jobs"),
        _ => dense(3_000)(bulk, route, before),
    })
    .await;
    let from = PullRequest { from: Some(at("2026-02-01T00:00:00Z")), ..sessions() };
    let got = read(&far, from).await;
    assert_eq!((got.keys.len(), got.distinct()), (600, 600));
    let begins = |soql: &str| bounds(soql).0;
    let Some(Route::Query(rest)) = far.routes().pop() else { panic!() };
    assert_eq!(begins(&rest), begins(&far.statements()[2]));
    // The places of the pages go on where those of the windows ended.
    assert!(got.places.is_sorted());
}

#[tokio::test]
async fn a_window_that_is_too_much_is_halved() {
    let far = start(Bulk::new(hourly(48)), |_, route, before| match (route, before) {
        (Route::Look(id), 0) => {
            Some(job(id, "Failed", r#","errorMessage":"Retried more than fifteen times""#))
        }
        _ => None,
    })
    .await;
    let from = PullRequest { from: Some(at("2026-02-27T12:00:00Z")), ..sessions() };
    let got = read(&far, from).await;
    assert_eq!((got.keys.len(), got.distinct()), (48, 48));
    let windows: Vec<_> = far.statements().iter().map(|soql| bounds(soql)).collect();
    assert_eq!(windows.len(), 3, "{windows:?}");
    assert_eq!((windows[1].0, windows[2].1), windows[0]);
    assert_eq!(windows[1].1, windows[2].0);

    let far = start(Bulk::new(hourly(48)), |_, route, _| match route {
        Route::Look(id) => Some(job(id, "Failed", r#","errorMessage":"QUERY_TIMEOUT""#)),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    got.down();
    assert!(far.statements().len() < 30, "{}", far.statements().len());
}

#[tokio::test]
async fn what_cannot_be_counted_is_taken_for_much_where_it_is_dated() {
    for code in ["QUERY_TIMEOUT", "MALFORMED_QUERY"] {
        let far = start(Bulk::new(hourly(25)), move |_, route, before| match route {
            Route::Count(_) if before == 0 || code != "QUERY_TIMEOUT" => error(400, code, "no"),
            _ => None,
        })
        .await;
        let from = PullRequest { from: Some(at("2026-02-01T00:00:00Z")), ..sessions() };
        let got = read(&far, from).await;
        assert_eq!((got.keys.len(), got.distinct()), (25, 25), "{code}");
        assert!(!far.statements().is_empty(), "{}", far.story());
        assert_eq!(got.expected, Vec::<u64>::new());

        let far = start(Bulk::new(hourly(25)), move |_, route, _| match route {
            Route::Count(_) => error(400, code, "no"),
            _ => None,
        })
        .await;
        let got = read(&far, request("Account")).await;
        assert_eq!((got.keys.len(), far.story().as_str()), (25, "count query"));
    }
}

#[tokio::test]
async fn a_token_that_dies_while_waiting_costs_one_login() {
    let far = start(Bulk::new(hourly(25)), |_, route, before| match (route, before) {
        (Route::Look(_) | Route::Results(..), 1) => {
            error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        }
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert_eq!((got.keys.len(), got.distinct()), (25, 25));
    assert_eq!(far.server.logins(), 3);
    assert_eq!(far.story(), "count create look*4 results*4 delete query");

    let far = start(Bulk::new(hourly(25)), |_, route, _| match route {
        Route::Look(_) => error(401, "INVALID_SESSION_ID", "Session expired or invalid"),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert!(matches!(got.outcome, Err(SourceError::Refused { .. })), "{:?}", got.outcome);
    assert_eq!(far.server.logins(), 2);
}

#[tokio::test]
async fn passing_trouble_with_a_job_is_waited_out() {
    let far = start(Bulk::new(hourly(25)), |_, route, before| match (route, before) {
        (Route::Create(_), 0) | (Route::Look(_), 1) => error(503, "SERVER_UNAVAILABLE", "busy"),
        (Route::Results(..), 1) => Some(reply(502, "<html>bad gateway</html>")),
        (Route::Look(_), 2) => Some(reply(200, "<html>wait</html>")),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert_eq!((got.keys.len(), got.distinct()), (25, 25));
    assert_eq!(far.story(), "count create*2 look*5 results*4 delete query");
}

#[tokio::test]
async fn a_field_the_org_hides_is_left_out() {
    let far = start(Bulk::new(hourly(25)), |_, route, _| match route {
        Route::Create(soql) if soql.contains("Origin") => {
            error(400, "INVALID_FIELD", "No such column 'Origin'")
        }
        Route::Other => {
            let fields: Vec<_> = dataset("MessagingSession")
                .fields
                .iter()
                .map(|field| field.path.clone())
                .chain(["IsDeleted".to_owned()])
                .filter(|path| path != "Origin")
                .map(|path| format!(r#"{{"name":"{path}","type":"string"}}"#))
                .collect();
            Some(reply(200, format!(r#"{{"name":"X","fields":[{}]}}"#, fields.join(","))))
        }
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    assert_eq!(got.outcome.unwrap().hidden, ["Origin"]);
    assert_eq!(far.story(), "count create other create look*3 results*3 delete query");
}

#[tokio::test]
async fn what_cannot_be_removed_is_tried_again_at_the_end() {
    let far = start(Bulk::new(hourly(25)), |_, route, before| match (route, before) {
        (Route::Delete(_), 0) => error(503, "SERVER_UNAVAILABLE", "busy"),
        _ => None,
    })
    .await;
    let got = read(&far, sessions()).await;
    got.outcome.unwrap();
    assert_eq!(far.story(), "count create look*3 results*3 delete query");
    far.salesforce.close().await;
    assert!(far.story().ends_with("query abort delete"), "{}", far.story());
}
