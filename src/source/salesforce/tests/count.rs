//! Counting records by day and reading them again.

use super::*;
use crate::domain::dataset::DayCount;
use crate::domain::value::Type;

fn span(from: &str, to: &str) -> Range<DateTime<Utc>> {
    at(from)..at(to)
}

/// The bounds of a statement on when records came to be.
fn bounds(soql: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    let after = |mark: &str| at(soql.split_once(mark).unwrap().1.split(' ').next().unwrap());
    (after("CreatedDate >= "), after("CreatedDate < "))
}

fn groups(groups: &[(&str, u64)]) -> String {
    let records: Vec<_> = groups
        .iter()
        .map(|(day, n)| {
            format!(r#"{{"attributes":{{"type":"AggregateResult"}},"day":"{day}","n":{n}}}"#)
        })
        .collect();
    format!(r#"{{"totalSize":{},"done":true,"records":[{}]}}"#, groups.len(), records.join(","))
}

#[tokio::test]
async fn records_are_counted_by_the_day_in_utc_without_deleted_ones() {
    let (server, salesforce, _) =
        scripted(|_, _| reply(200, groups(&[("2026-02-02", 7), ("2026-02-01", 12)]))).await;
    let counts = salesforce
        .day_counts(&dataset("AgentWork"), span("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z"))
        .await
        .unwrap()
        .unwrap();
    let day = |day: &str, records| DayCount { day: day.parse().unwrap(), records };
    assert_eq!(counts, [day("2026-02-01", 12), day("2026-02-02", 7)]);
    assert_eq!(
        server.queries(),
        ["SELECT DAY_ONLY(CreatedDate) day, COUNT(Id) n FROM AgentWork WHERE CreatedDate >= \
          2026-02-01T00:00:00Z AND CreatedDate < 2026-02-03T00:00:00Z GROUP BY \
          DAY_ONLY(CreatedDate)"]
    );
    assert!(server.asked()[1].path.starts_with("/services/data/v62.0/query?q="));
}

#[tokio::test]
async fn a_long_span_is_counted_in_parts_the_org_can_group() {
    let (server, salesforce, _) = scripted(|_, asked| {
        let (begin, _) = bounds(&asked.soql().unwrap());
        reply(200, groups(&[(&begin.format("%Y-%m-%d").to_string(), 1)]))
    })
    .await;
    let counts = salesforce
        .day_counts(&dataset("Account"), DateTime::<Utc>::MIN_UTC..DateTime::<Utc>::MAX_UTC)
        .await
        .unwrap()
        .unwrap();
    // From 1970 to tomorrow, each part beginning where the last one ends.
    let asked: Vec<_> = server.queries().iter().map(|soql| bounds(soql)).collect();
    assert_eq!(asked[0].0, at("1970-01-01T00:00:00Z"));
    assert_eq!(asked.last().unwrap().1, at("2026-03-02T12:00:00Z"));
    assert!(asked.windows(2).all(|two| two[0].1 == two[1].0));
    assert!(asked.iter().all(|(begin, end)| *end - *begin <= TimeDelta::days(1500)));
    assert_eq!((asked.len(), counts.len()), (14, 14));
}

#[tokio::test]
async fn what_is_too_much_for_one_answer_is_counted_in_halves() {
    for trouble in ["timeout", "groups", "not done"] {
        let (_server, salesforce, _) = scripted(move |_, asked| {
            let (begin, end) = bounds(&asked.soql().unwrap());
            match (end - begin > TimeDelta::hours(36), trouble) {
                (false, _) => reply(200, groups(&[(&begin.format("%Y-%m-%d").to_string(), 3)])),
                (_, "timeout") => error(400, "QUERY_TIMEOUT", "too long"),
                (_, "groups") => error(400, "EXCEEDED_ID_LIMIT", "does not support queryMore()"),
                _ => reply(200, r#"{"done":false,"nextRecordsUrl":"/x","records":[]}"#),
            }
        })
        .await;
        let span = span("2026-02-01T00:00:00Z", "2026-02-05T00:00:00Z");
        let counts = salesforce.day_counts(&dataset("Account"), span).await.unwrap().unwrap();
        // Four days in four quarters, each of which told one day.
        assert_eq!(counts.iter().map(|day| day.records).collect::<Vec<_>>(), [3, 3, 3, 3]);
    }
}

#[tokio::test]
async fn what_cannot_be_counted_is_none_and_what_fails_is_an_error() {
    let day = || span("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");
    for code in ["MALFORMED_QUERY", "INVALID_FIELD", "EXCEEDED_ID_LIMIT"] {
        let (_server, salesforce, _) = scripted(move |_, _| error(400, code, "no")).await;
        let counts = salesforce.day_counts(&dataset("User"), day()).await;
        assert_eq!(counts, Ok(None), "{code}");
    }
    let (server, salesforce, _) = scripted(|_, _| error(503, "SERVER_UNAVAILABLE", "busy")).await;
    let counts = salesforce.day_counts(&dataset("User"), day()).await;
    assert!(matches!(counts, Err(SourceError::Down { .. })), "{counts:?}");
    let uncounted = Arc::new(Dataset { created: None, ..(*dataset("User")).clone() });
    let before = server.asked().len();
    assert_eq!(salesforce.day_counts(&uncounted, day()).await, Ok(None));
    assert_eq!(server.asked().len(), before);
    let mut wrong = (*dataset("User")).clone();
    let created = wrong.created.unwrap();
    wrong.fields[created].ty = Type::Text;
    assert_eq!(salesforce.day_counts(&Arc::new(wrong), day()).await, Ok(None));
}

/// What reading a span again gave.
async fn reread(org: &Salesforce, name: &str, span: Range<DateTime<Utc>>) -> Got {
    let (into, mut batches) = mpsc::channel::<Batch>(2);
    let dataset = dataset(name);
    let (width, key) = (dataset.fields.len(), dataset.key);
    let read = async move {
        let (mut keys, mut place) = (vec![], None);
        while let Some(batch) = batches.recv().await {
            for row in batch.cells.chunks(width) {
                let Cell::Text(at, len) = row[key] else { panic!("no key") };
                keys.push(batch.text_of(at, len).to_owned());
            }
            place = batch.cursor.or(place);
        }
        (keys, place)
    };
    let (outcome, (keys, place)) = tokio::join!(org.reread(&dataset, span, into), read);
    Got { outcome, keys, place }
}

#[tokio::test]
async fn existing_records_of_a_span_are_read_again_to_the_last_page() {
    let (server, salesforce, _) = scripted(|n, _| {
        let next = format!("/services/data/v62.0/query/01g-{n}");
        let records = [record(&format!("0Mw{n}"), at("2026-02-01T03:00:00Z"))];
        reply(200, page(&records, (n < 2).then_some(&next)))
    })
    .await;
    let day = span("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");
    let got = reread(&salesforce, "AgentWork", day).await;
    let pulled = got.pulled();
    assert_eq!((pulled.records, pulled.requests, pulled.misfits), (3, 3, 0));
    assert_eq!(pulled.watermark, at("2026-02-02T00:00:00Z"));
    assert_eq!(got.keys, ["0Mw0", "0Mw1", "0Mw2"]);
    assert_eq!(got.place, None);
    let soql = &server.queries()[0];
    assert!(soql.starts_with("SELECT Id, Name,") && !soql.contains("IsDeleted"), "{soql}");
    assert!(
        soql.ends_with(
            "FROM AgentWork WHERE CreatedDate >= 2026-02-01T00:00:00Z AND CreatedDate < \
             2026-02-02T00:00:00Z"
        ),
        "{soql}"
    );
    assert!(server.asked()[1].path.contains("/query?q="));
}

#[tokio::test]
async fn archived_activities_exist() {
    let (server, salesforce, _) = scripted(|n, _| match n {
        0 => reply(200, groups(&[("2026-02-01", 1)])),
        _ => reply(200, page(&[record("00T1", at("2026-02-01T03:00:00Z"))], None)),
    })
    .await;
    let day = || span("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");
    let task = Dataset { object: "Task".to_owned(), ..(*dataset("AgentWork")).clone() };
    let task = Arc::new(task);
    salesforce.day_counts(&task, day()).await.unwrap();
    let (into, _batches) = mpsc::channel::<Batch>(2);
    assert_eq!(salesforce.reread(&task, day(), into).await.unwrap().records, 1);
    for asked in server.asked().iter().filter(|asked| !asked.is_login()) {
        assert!(asked.path.contains("/queryAll?q="), "{}", asked.path);
        let soql = asked.soql().unwrap();
        assert!(soql.contains("FROM Task WHERE IsDeleted = false AND CreatedDate >= "), "{soql}");
    }
    assert_eq!(server.queries().len(), 2);
}

#[tokio::test]
async fn reading_again_meets_hidden_fields_timeouts_and_lost_locators_as_a_pull_does() {
    let (server, salesforce, _) = scripted(|n, asked| match asked.soql() {
        Some(soql) if soql.contains("Industry") => error(400, "INVALID_FIELD", "No such column"),
        Some(soql) => {
            let (begin, end) = bounds(&soql);
            if end - begin > TimeDelta::hours(12) {
                return error(400, "QUERY_TIMEOUT", "too long");
            }
            let key = format!("k{}", begin.format("%H"));
            let next = "/services/data/v62.0/query/01g-1";
            reply(200, page(&[record(&key, begin)], (n == 4).then_some(next)))
        }
        None if asked.path.ends_with("/describe") => {
            let fields: Vec<_> = dataset("Account")
                .fields
                .iter()
                .filter(|field| field.name != "Industry")
                .map(|field| format!(r#"{{"name":"{}"}}"#, field.name))
                .collect();
            reply(200, format!(r#"{{"name":"Account","fields":[{}]}}"#, fields.join(",")))
        }
        None => error(400, "INVALID_QUERY_LOCATOR", "invalid query locator"),
    })
    .await;
    let day = span("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");
    let got = reread(&salesforce, "Account", day).await;
    let pulled = got.pulled();
    assert_eq!(pulled.hidden, ["Industry"]);
    assert_eq!(pulled.records, 2);
    assert_eq!(got.keys.iter().collect::<BTreeSet<_>>().len(), 2);
    assert!(server.queries().len() <= 6, "{:?}", server.queries());
}

#[tokio::test]
async fn reading_again_ends_where_nothing_helps() {
    let day = || span("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");
    let (server, salesforce, _) = scripted(|_, _| error(400, "QUERY_TIMEOUT", "too long")).await;
    let outcome = reread(&salesforce, "Account", day()).await.outcome;
    assert!(matches!(outcome, Err(SourceError::Down { .. })), "{outcome:?}");
    assert!(server.queries().len() < 20, "{}", server.queries().len());

    let (server, salesforce, _) =
        scripted(|_, _| error(400, "INVALID_QUERY_LOCATOR", "invalid")).await;
    let outcome = reread(&salesforce, "Account", day()).await.outcome;
    assert!(matches!(outcome, Err(SourceError::Down { .. })), "{outcome:?}");
    assert_eq!(server.queries().len(), 3);

    let again = "/services/data/v62.0/query/01g-1";
    let (_server, salesforce, _) = scripted(|_, _| reply(200, page(&[], Some(again)))).await;
    let outcome = reread(&salesforce, "Account", day()).await.outcome;
    assert!(matches!(outcome, Err(SourceError::Unreadable { .. })), "{outcome:?}");
}
