//! Bodies and answers no client should have to read, and what becomes of them: one clear failure,
//! a bounded number of requests, no memory without end.

use super::*;
use crate::domain::dataset::Field;
use crate::domain::value::Type;

#[track_caller]
fn unreadable(got: Got) -> String {
    match got.outcome {
        Err(SourceError::Unreadable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_org_that_works_on_a_query_for_two_minutes_is_heard_out() {
    // Else a query that is too much is never told from an org that is down, and never made smaller.
    let org = std::time::Duration::from_secs(120);
    assert!(org < BOUNDS.read && org < BOUNDS.total);
}

#[tokio::test]
async fn an_org_that_asks_for_time_gets_it() {
    let (server, salesforce, clock) = scripted(|n, _| match n {
        0 => reply(429, "").with("retry-after", "20"),
        1 => error(503, "SERVER_UNAVAILABLE", "Server too busy")
            .with("retry-after", "Sun, 01 Mar 2026 12:00:40 GMT"),
        _ => reply(200, one_record()),
    })
    .await;
    pull(&salesforce, request("User")).await.outcome.unwrap();
    let waited = clock.now() - at(NOW);
    // The second answer's own clock still shows noon.
    assert_eq!(waited, TimeDelta::seconds(20 + 40));
    assert_eq!(server.queries().len(), 3);
}

#[tokio::test]
async fn an_org_that_asks_for_more_time_than_a_request_has_is_left_alone_for_it() {
    let (server, salesforce, clock) =
        scripted(|_, _| reply(503, "").with("retry-after", "86400")).await;
    for name in ["User", "Account", "User"] {
        let outcome = pull(&salesforce, request(name)).await.outcome;
        assert!(matches!(outcome, Err(SourceError::Down { .. })), "{outcome:?}");
    }
    assert_eq!((server.queries().len(), clock.now()), (1, at(NOW)));
    // A day is more than an org may ask for.
    clock.advance(TimeDelta::minutes(15));
    pull(&salesforce, request("User")).await.outcome.unwrap_err();
    assert_eq!(server.queries().len(), 2);
}

#[tokio::test]
async fn a_wait_that_is_nonsense_is_our_own_wait() {
    for odd in ["soon", "-5", "", "99999999999999999999"] {
        let (server, salesforce, clock) = scripted(move |n, _| match n {
            0 => reply(503, "").with("retry-after", odd),
            _ => reply(200, one_record()),
        })
        .await;
        pull(&salesforce, request("User")).await.outcome.unwrap();
        assert!(clock.now() - at(NOW) <= TimeDelta::seconds(1), "{odd}");
        assert_eq!(server.queries().len(), 2);
    }
}

#[tokio::test]
async fn a_page_in_utf8_is_read_whatever_it_claims_to_be() {
    let (_server, salesforce, _) = scripted(|_, _| {
        reply(200, one_record().replace("0Mw1", "Müller"))
            .with("content-type", "application/json;charset=ISO-8859-1")
    })
    .await;
    assert_eq!(pull(&salesforce, request("User")).await.keys, ["Müller"]);
}

#[tokio::test]
async fn a_body_that_is_no_json_shows_its_beginning() {
    let (server, salesforce, _) =
        scripted(|_, _| reply(200, format!("Sorry! {}", "é ".repeat(1000)))).await;
    let told = unreadable(pull(&salesforce, request("User")).await);
    assert!(told.starts_with("Sorry! é é") && told.chars().count() <= 203, "{told}");
    assert_eq!(server.queries().len(), 5);
}

#[tokio::test]
async fn json_nested_without_end_fails_cleanly() {
    for depth in [128, 100_000] {
        for name in ["Name", "Other", "attributes"] {
            let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
            let body = format!(r#"{{"done":true,"records":[{{"Id":"a","{name}":{deep}}}]}}"#);
            let (server, salesforce, _) = scripted(move |_, _| reply(200, body.clone())).await;
            let got = pull(&salesforce, request("User")).await;
            // What nobody asked for is skipped, however deep it is, or refused; never half of it.
            match got.outcome {
                Ok(pulled) => assert_eq!(pulled.records, 1),
                Err(SourceError::Unreadable { reason, .. }) => {
                    assert!(reason.contains("recursion limit"), "{reason}");
                    assert_eq!(got.keys.len(), 0);
                }
                Err(other) => panic!("{other:?}"),
            }
            assert!(server.queries().len() <= 5);
        }
    }
}

#[tokio::test]
async fn a_page_without_an_end_of_its_own_ends_and_one_without_records_is_none() {
    let bare = |records: &str| format!(r#"{{"totalSize":1,{records}}}"#);
    let whole = bare(&format!(r#""records":[{}]"#, record("a", at(NOW) - TimeDelta::hours(1))));
    let (server, salesforce, _) = scripted(move |_, _| reply(200, whole.clone())).await;
    assert_eq!(pull(&salesforce, request("User")).await.pulled().records, 1);
    assert_eq!(server.queries().len(), 1);
    for (body, says) in [
        (bare(r#""done":true"#), "no `records`"),
        (bare(r#""done":false,"records":[]"#), "no `nextRecordsUrl`"),
        (String::new(), "an empty answer"),
    ] {
        let (server, salesforce, _) = scripted(move |_, _| reply(200, body.clone())).await;
        let told = unreadable(pull(&salesforce, request("User")).await);
        assert!(told.contains(says), "{told}");
        assert_eq!(server.queries().len(), 5);
    }
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_not_kept() {
    let (server, salesforce, _) = scripted(|n, _| match n {
        0 => reply(200, " ".repeat((64 << 20) + 1)),
        _ => reply(200, one_record()),
    })
    .await;
    pull(&salesforce, request("User")).await.outcome.unwrap();
    assert_eq!(server.queries().len(), 2);
}

#[tokio::test]
async fn secrets_that_come_back_are_not_shown_in_part_either() {
    // Longer than what an error shows of a body.
    let long = "t0ps3cret".repeat(30);
    let server = Server::start(move |asked, home| match asked.is_login() {
        true => token(home, &long),
        false => reply(400, format!("echo {}", asked.token())),
    })
    .await;
    let (salesforce, _) = org(&server);
    let told = pull(&salesforce, request("User")).await.outcome.unwrap_err().to_string();
    assert!(told.contains("echo") && !told.contains("t0ps3cret"), "{told}");
}

#[tokio::test]
async fn a_dataset_with_hundreds_of_fields_fits_and_one_with_too_many_is_never_sent() {
    let wide = |count: usize| {
        let mut dataset = (*dataset("User")).clone();
        for n in 0..count {
            let name = format!("A_Custom_Field_Number_{n:04}__c");
            dataset.fields.push(Field::new(&name, Type::Text));
        }
        PullRequest { dataset: Arc::new(dataset), ..request("User") }
    };
    let (server, salesforce, _) = scripted(|_, _| reply(200, one_record())).await;
    pull(&salesforce, wide(380)).await.outcome.unwrap();
    assert!(server.asked()[1].path.len() < 16_384);
    let told = pull(&salesforce, wide(600)).await.outcome.unwrap_err().to_string();
    assert!(told.contains("limit of 16384: name fewer fields"), "{told}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn statements_arrive_as_they_were_meant() {
    let mut odd = (*dataset("User")).clone();
    odd.object = "Uß+%&=#?'\"<>\u{1f600}".to_owned();
    let (server, salesforce, _) = scripted(|_, _| reply(200, page(&[], None))).await;
    let span = at("2026-02-01T00:00:00Z")..at("2026-02-02T00:00:00Z");
    let (into, _batches) = mpsc::channel::<Batch>(2);
    salesforce.reread(&Arc::new(odd.clone()), span, into).await.unwrap();
    let soql = &server.queries()[0];
    assert!(soql.contains(&format!("FROM {} WHERE", odd.object)), "{soql}");
}
