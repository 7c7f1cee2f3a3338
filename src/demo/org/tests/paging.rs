//! Pages, cursors, tokens, deleted records, the shape of answers.

use super::*;

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("Account {number:05}")).collect()
}

const CHANGES: &str = "SELECT Id, Name, SystemModstamp FROM Account \
                       WHERE SystemModstamp >= 2026-03-01T00:00:00Z \
                       AND SystemModstamp < 2026-04-01T00:00:00Z ORDER BY SystemModstamp, Id";

#[tokio::test]
async fn a_tie_of_thousands_is_paged_once_each_in_id_order() {
    let (org, clock, _serving, client) = org().await;
    let names = numbered(4_500);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = accounts(&org, &names[..2_500]);
    clock.advance(TimeDelta::milliseconds(1_700));
    let second = accounts(&org, &names[2_500..]);
    // Touched later, so it goes to the end.
    clock.advance(TimeDelta::seconds(5));
    org.update(first[7], &[("Name", "moved".into())]).unwrap();

    let ids = client.ids(CHANGES).await;
    let mut expected: Vec<String> = first.iter().chain(&second).map(Id::to_string).collect();
    let moved = expected.remove(7);
    expected.push(moved);
    assert_eq!(ids, expected);
    assert_eq!(org.requests_of(Call::QueryAll), 1);
    assert_eq!(org.requests_of(Call::QueryMore), 2);
}

#[tokio::test]
async fn pages_are_as_large_as_asked_for_within_bounds() {
    let (org, _, _serving, client) = org().await;
    let names = numbered(2_300);
    accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for (options, size) in
        [("batchSize=500", 500), ("batchSize=10", 200), ("batchSize=9999", 2_000)]
    {
        let request = client.asking("query", "SELECT Id FROM Account");
        let reply = client.read(request.header("Sforce-Query-Options", options)).await;
        assert_eq!(reply.column("Id").len(), size, "{options}");
        assert_eq!(reply.json()["totalSize"], 2_300);
        let next = reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
        assert!(next.starts_with("/services/data/v67.0/query/01g"), "{next}");
        assert!(next.ends_with(&format!("-{size}")), "{next}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_the_token_that_opened_it() {
    let (org, _, _serving, mut client) = org().await;
    let names = numbered(2_100);
    accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let reply = client.query("SELECT Id FROM Account").await;
    let next = reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
    let old = client.token.clone();
    client.log_in().await;
    assert_ne!(client.token, old);
    let reply = client.get(&next).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "INVALID_QUERY_LOCATOR"));
    client.token = old;
    assert_eq!(client.get(&next).await.column("Id").len(), 100);
}

#[tokio::test]
async fn a_cursor_lives_two_days_and_keeps_ids_not_values() {
    let (org, clock, _serving, mut client) = org().await;
    let names = numbered(2_003);
    let ids = accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let reply = client.query("SELECT Id, Name FROM Account").await;
    let next = reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
    org.update(ids[2_000], &[("Name", "renamed".into())]).unwrap();
    org.delete(ids[2_001]).unwrap();
    // New values show; a record deleted meanwhile leaves the page shorter.
    assert_eq!(client.get(&next).await.column("Name"), ["renamed", "Account 02002"]);
    let token = client.token.clone();
    for _ in 0..30 {
        clock.advance(TimeDelta::minutes(100));
        client.get("/services/data/v67.0/limits").await;
    }
    assert_eq!(client.token, token);
    let reply = client.get(&next).await;
    assert_eq!(reply.code(), "INVALID_QUERY_LOCATOR");
    clock.advance(TimeDelta::hours(3));
    assert_eq!(client.get(&next).await.code(), "INVALID_SESSION_ID");
    client.log_in().await;
    assert_eq!(client.query("SELECT Id FROM Account").await.status, 200);
}

#[tokio::test]
async fn deleted_records_come_through_query_all_until_the_bin_is_emptied() {
    let (org, clock, _serving, mut client) = org().await;
    let session = session(&org, &[]);
    let metric = org
        .insert(
            "MessagingSessionMetrics",
            &[
                ("MessagingSessionId", session.into()),
                ("MessagingSessionMetricType", "AgentMessageCount".into()),
                ("MessagingSessionMetricValue", 3.into()),
            ],
        )
        .unwrap();
    clock.advance(TimeDelta::minutes(5));
    org.delete(session).unwrap();
    let soql = "SELECT Id, IsDeleted FROM MessagingSessionMetrics";
    assert_eq!(client.query(soql).await.column("Id"), Vec::<Json>::new());
    let reply = client.query_all(soql).await;
    assert_eq!(reply.column("IsDeleted"), [true]);
    assert_eq!(reply.column("Id"), [metric.as_str()]);
    let window = "start=2026-03-11T09:00:00Z&end=2026-03-11T11:00:00Z";
    let path = format!("/services/data/v67.0/sobjects/MessagingSession/deleted/?{window}");
    let reply = client.get(&path).await;
    assert_eq!(reply.json()["deletedRecords"][0]["id"], session.as_str());
    assert_eq!(reply.json()["deletedRecords"][0]["deletedDate"], "2026-03-11T10:05:00.000+0000");
    clock.advance(TimeDelta::days(16));
    client.log_in().await;
    assert_eq!(client.query_all(soql).await.column("Id"), Vec::<Json>::new());
    assert_eq!(client.get(&path).await.code(), "INVALID_REPLICATION_DATE");
}

#[tokio::test]
async fn records_have_attributes_parents_nulls_and_datetimes_as_an_org_writes_them() {
    let (org, _, _serving, client) = org().await;
    let start: DateTime<Utc> = "2024-10-01T00:00:00Z".parse().unwrap();
    let id = session(&org, &[("StartTime", start.into())]);
    let soql = "SELECT Id, StartTime, EndTime, MessagingChannel.MasterLabel, EndUserAccount.Name, \
                Owner.Type, Owner.Name FROM MessagingSession";
    let reply = client.query(soql).await;
    let record = &reply.json()["records"][0];
    assert_eq!(record["attributes"]["type"], "MessagingSession");
    let url = format!("/services/data/v67.0/sobjects/MessagingSession/{id}");
    assert_eq!(record["attributes"]["url"], url);
    assert_eq!(record["StartTime"], "2024-10-01T00:00:00.000+0000");
    assert_eq!(record["EndTime"], Json::Null);
    assert_eq!(record["MessagingChannel"]["MasterLabel"], "SMS");
    assert_eq!(record["MessagingChannel"]["attributes"]["type"], "MessagingChannel");
    assert_eq!(record["EndUserAccount"], Json::Null);
    assert_eq!(record["Owner"]["Type"], "User");
    assert_eq!(record["Owner"]["attributes"]["type"], "User");
    assert_eq!(record["Owner"]["Name"], "Automated Process");
}

#[tokio::test]
async fn groups_count_and_cannot_be_paged() {
    let (org, _, _serving, client) = org().await;
    accounts(&org, &["b", "a", "b", "c"]);
    let soql = "SELECT Name n, COUNT(Id), COUNT_DISTINCT(Name) d FROM Account GROUP BY Name \
                ORDER BY COUNT(Id) DESC, Name";
    let reply = client.query(soql).await;
    assert_eq!(reply.column("n"), ["b", "a", "c"]);
    assert_eq!(reply.column("expr0"), [2, 1, 1]);
    assert_eq!(reply.column("d"), [1, 1, 1]);
    assert_eq!(reply.json()["records"][0]["attributes"]["type"], "AggregateResult");
    let names = numbered(2_001);
    accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(client.query(soql).await.code(), "EXCEEDED_ID_LIMIT");
    let count = client.query("SELECT COUNT() FROM Account WHERE Name LIKE 'account%'").await;
    assert_eq!(count.json()["totalSize"], 2_001);
    assert_eq!(count.column("Id"), Vec::<Json>::new());
}

#[tokio::test]
async fn aggregates_ignore_nulls_and_keep_decimals() {
    let (org, _, _serving, client) = org().await;
    let session = session(&org, &[]);
    for value in [1, 1, 2] {
        let fields: [(&str, Value); 3] = [
            ("MessagingSessionId", session.into()),
            ("MessagingSessionMetricType", "AverageAgentResponseTime".into()),
            ("MessagingSessionMetricValue", value.into()),
        ];
        org.insert("MessagingSessionMetrics", &fields).unwrap();
    }
    let reply = client
        .query(
            "SELECT AVG(MessagingSessionMetricValue) a, SUM(MessagingSessionMetricValue) s, \
             MIN(MessagingSession.StartTime) m FROM MessagingSessionMetrics",
        )
        .await;
    assert!((reply.column("a")[0].as_f64().unwrap() - 4.0 / 3.0).abs() < 1e-12);
    assert_eq!(reply.column("s"), [4]);
    assert_eq!(reply.column("m"), [Json::Null]);
}

#[tokio::test]
async fn gzip_is_sent_to_those_who_take_it() {
    let (org, _, _serving, client) = org().await;
    let names = numbered(300);
    accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    // The client unpacks by itself and drops the header; a raw look shows the encoding.
    let plain = client.query("SELECT Name FROM Account").await;
    assert_eq!(plain.column("Name").len(), 300);
    let bare = reqwest::Client::builder().no_proxy().gzip(false).build().unwrap();
    let request = client.asking("query", "SELECT Name FROM Account").build().unwrap();
    let raw = bare.get(request.url().clone()).bearer_auth(&client.token);
    let raw = raw.header("Accept-Encoding", "gzip");
    let response = raw.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let body = response.bytes().await.unwrap();
    assert_eq!(body[..2], [0x1f, 0x8b]);
    let identity =
        client.asking("query", "SELECT Name FROM Account").header("Accept-Encoding", "identity");
    assert_eq!(client.read(identity).await.text, plain.text);
}

#[tokio::test]
async fn pages_of_odd_sizes_lose_nothing() {
    let (org, _, _serving, client) = org().await;
    let names = numbered(3_000);
    let ids = accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let expected: Vec<String> = ids.iter().map(Id::to_string).collect();
    org.faults().page_sizes(&[250, 2_000, 1, 0, 749]);
    assert_eq!(client.ids(CHANGES).await, expected);
    assert_eq!(org.requests_of(Call::QueryMore), 4);
    assert_eq!(org.faults().waiting(), 0);
    org.faults().random_pages(3);
    assert_eq!(client.ids(CHANGES).await, expected);
}

#[tokio::test]
async fn a_row_committed_late_has_the_stamp_it_was_given() {
    let (org, _, _serving, client) = org().await;
    let early: DateTime<Utc> = "2026-03-11T09:50:00Z".parse().unwrap();
    accounts(&org, &["on time"]);
    org.insert("Account", &[("Name", "late".into()), ("SystemModstamp", early.into())]).unwrap();
    let reply = client.query(&CHANGES.replace("SELECT Id, ", "SELECT ")).await;
    assert_eq!(reply.column("Name"), ["late", "on time"]);
    let seen: BTreeSet<String> = client.ids(CHANGES).await.into_iter().collect();
    assert_eq!(seen.len(), 2);
}
