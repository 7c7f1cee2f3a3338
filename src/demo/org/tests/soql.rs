//! Groups by parts of dates, conditions on groups, and what depends on the type of a reference.

use serde_json::json;

use super::*;

/// Accounts made at these instants.
fn made_at(org: &Org, instants: &[&str]) {
    for at in instants {
        let at: DateTime<Utc> = at.parse().unwrap();
        org.insert("Account", &[("Name", "a".into()), ("CreatedDate", at.into())]).unwrap();
    }
}

#[tokio::test]
async fn groups_are_made_by_parts_of_dates_in_utc_or_the_users_zone() {
    let (org, _, _serving, client) = org().await;
    // Around midnight in Berlin, on both sides of the change of its clocks.
    made_at(
        &org,
        &[
            "2026-03-27T22:59:59Z",
            "2026-03-27T23:00:00Z",
            "2026-03-29T21:59:59Z",
            "2026-03-29T22:00:00Z",
            "2026-03-29T23:30:00Z",
        ],
    );
    let days = async |group: &str| {
        let soql =
            format!("SELECT {group} d, COUNT(Id) n FROM Account GROUP BY {group} ORDER BY {group}");
        let reply = client.query(&soql).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let pairs = reply.column("d").into_iter().zip(reply.column("n"));
        pairs.map(|(day, count)| format!("{day} {count}").replace('"', "")).collect::<Vec<_>>()
    };
    assert_eq!(days("DAY_ONLY(CreatedDate)").await, ["2026-03-27 2", "2026-03-29 3"]);
    let converted = "DAY_ONLY(convertTimezone(CreatedDate))";
    assert_eq!(days(converted).await, ["2026-03-27 2", "2026-03-29 3"], "the user lives in GMT");
    org.update(org.api_user(), &[("TimeZoneSidKey", "Europe/Berlin".into())]).unwrap();
    let berlin = ["2026-03-27 1", "2026-03-28 1", "2026-03-29 1", "2026-03-30 2"];
    assert_eq!(days(converted).await, berlin);
    assert_eq!(days("DAY_ONLY(CreatedDate)").await, ["2026-03-27 2", "2026-03-29 3"]);
    assert_eq!(days("HOUR_IN_DAY(CreatedDate)").await, ["21 1", "22 2", "23 2"]);
    assert_eq!(
        days("DAY_IN_WEEK(convertTimezone(CreatedDate))").await,
        ["1 1", "2 2", "6 1", "7 1"]
    );
    assert_eq!(days("CALENDAR_MONTH(CreatedDate)").await, ["3 5"]);
    // Date literals follow the user as well: the clock says 11 March.
    let reply =
        client.query("SELECT COUNT() FROM Account WHERE CreatedDate > NEXT_N_DAYS:16").await;
    assert_eq!(reply.json()["totalSize"], 4);
}

#[tokio::test]
async fn parts_of_dates_are_named_filtered_and_checked() {
    let (org, _, _serving, client) = org().await;
    made_at(&org, &["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"]);
    let soql = "SELECT CALENDAR_YEAR(CreatedDate), COUNT(Id) FROM Account \
                WHERE CALENDAR_YEAR(CreatedDate) IN (2025, 2027) AND DAY_ONLY(CreatedDate) = 2025-12-31 \
                GROUP BY CALENDAR_YEAR(CreatedDate)";
    let record = &client.query(soql).await.json()["records"][0];
    assert_eq!((&record["expr0"], &record["expr1"]), (&json!(2025), &json!(1)));
    for (soql, part) in [
        ("SELECT DAY_ONLY(CreatedDate) FROM Account", "must be grouped or aggregated: CreatedDate"),
        (
            "SELECT COUNT(Id) FROM Account GROUP BY DAY_ONLY(Name)",
            "does not support this date function",
        ),
        ("SELECT Id FROM Account ORDER BY DAY_ONLY(CreatedDate)", "need a GROUP BY"),
        ("SELECT COUNT(Id) FROM Account GROUP BY CreatedDate", "can not be grouped"),
        ("SELECT Id FROM Account WHERE COUNT(Id) > 1", "use HAVING"),
        ("SELECT COUNT(Id) FROM Account GROUP BY COUNT(Id)", "not allowed in GROUP BY"),
    ] {
        let reply = client.query(soql).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_QUERY"), "{soql}");
        assert!(reply.message().contains(part), "{soql}: {}", reply.message());
    }
}

#[tokio::test]
async fn dates_are_dates() {
    let (org, _, _serving, client) = org().await;
    let day = |text: &str| {
        let date: chrono::NaiveDate = text.parse().unwrap();
        Value::Day(date.signed_duration_since(chrono::NaiveDate::default()).num_days())
    };
    org.insert("Case", &[("Subject", "a".into()), ("Due__c", day("2026-03-11"))]).unwrap();
    org.insert("Case", &[("Subject", "b".into()), ("Due__c", day("2026-04-01"))]).unwrap();
    org.insert("Case", &[("Subject", "c".into())]).unwrap();
    let reply = client.query("SELECT Due__c FROM Case ORDER BY Due__c NULLS LAST").await;
    assert_eq!(reply.column("Due__c"), [json!("2026-03-11"), json!("2026-04-01"), Json::Null]);
    for (bound, count) in [("= TODAY", 1), (">= 2026-03-12", 1), ("= NEXT_MONTH", 1), ("= null", 1)]
    {
        let reply = client.query(&format!("SELECT COUNT() FROM Case WHERE Due__c {bound}")).await;
        assert_eq!(reply.json()["totalSize"], count, "{bound}");
    }
    let wrong = client.query("SELECT Id FROM Case WHERE Due__c > 2026-03-12T00:00:00Z").await;
    assert_eq!(wrong.code(), "INVALID_FIELD");
}

#[tokio::test]
async fn having_keeps_groups_by_keys_and_figures() {
    let (org, _, _serving, client) = org().await;
    accounts(&org, &["a", "b", "b", "c", "c", "c"]);
    for (having, kept) in [
        ("COUNT(Id) > 1", vec!["b", "c"]),
        ("COUNT(Id) > 1 AND Name != 'c'", vec!["b"]),
        ("COUNT(Id) = 1 OR (NOT Name IN ('a', 'b'))", vec!["a", "c"]),
        ("AVG(NumberOfEmployees) = null", vec!["a", "b", "c"]),
        ("MIN(CreatedDate) < TODAY", vec![]),
        ("Name LIKE '_' AND COUNT_DISTINCT(Id) NOT IN (3, 4)", vec!["a", "b"]),
    ] {
        let soql = format!("SELECT Name FROM Account GROUP BY Name HAVING {having}");
        let reply = client.query(&soql).await;
        assert_eq!(reply.status, 200, "{having}: {}", reply.text);
        assert_eq!(reply.column("Name"), kept, "{having}");
    }
    for soql in [
        "SELECT COUNT(Id) FROM Account HAVING COUNT(Id) > 1",
        "SELECT COUNT(Id) FROM Account GROUP BY Name HAVING Type = 'Customer'",
        "SELECT COUNT(Id) FROM Account GROUP BY Name HAVING SUM(Name) > 1",
        "SELECT Name FROM Account GROUP BY Name HAVING Id IN (SELECT AccountId FROM Contact)",
    ] {
        assert_eq!(client.query(soql).await.code(), "MALFORMED_QUERY", "{soql}");
    }
}

#[tokio::test]
async fn having_is_applied_before_the_limit_of_groups() {
    let (org, _, _serving, client) = org().await;
    let names: Vec<String> = (0..2_005).map(|number| format!("Account {number}")).collect();
    accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    accounts(&org, &["Account 7"]);
    let soql = "SELECT Name, COUNT(Id) n FROM Account GROUP BY Name";
    let reply = client.query(soql).await;
    assert_eq!(reply.code(), "EXCEEDED_ID_LIMIT");
    assert_eq!(
        reply.message(),
        "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a \
         single batch"
    );
    assert_eq!(client.query(&format!("{soql} LIMIT 2000")).await.column("n").len(), 2_000);
    assert_eq!(client.query(&format!("{soql} HAVING COUNT(Id) > 1")).await.column("n"), [2]);
}

/// Work on a session, on a case and on a call.
fn works(org: &Org) -> (Id, Id) {
    let session = session(org, &[("Status", Value::Pick("Ended"))]);
    let case = org.insert("Case", &[("Subject", "It broke".into())]).unwrap();
    let channel = [("MasterLabel", "M".into()), ("DeveloperName", "M".into())];
    let channel = org.insert("ServiceChannel", &channel).unwrap();
    let call = Id::parse("0LQ5g000000000A").unwrap();
    for item in [session, case, call] {
        let fields = [
            ("Status", Value::Pick("Closed")),
            ("WorkItemId", item.into()),
            ("UserId", org.api_user().into()),
            ("ServiceChannelId", channel.into()),
        ];
        org.insert("AgentWork", &fields).unwrap();
    }
    (session, case)
}

#[tokio::test]
async fn type_of_reads_what_a_reference_points_to() {
    let (org, _, _serving, client) = org().await;
    let (session, _) = works(&org);
    let soql = "SELECT Id, TYPEOF WorkItem WHEN MessagingSession THEN Status, \
                MessagingChannel.MasterLabel WHEN Case THEN Subject END FROM AgentWork";
    let items = client.query(soql).await.column("WorkItem");
    assert_eq!(items[0]["attributes"]["type"], "MessagingSession");
    let url = format!("/services/data/v67.0/sobjects/MessagingSession/{session}");
    assert_eq!(items[0]["attributes"]["url"], url);
    assert_eq!((&items[0]["Status"], &items[0]["Subject"]), (&json!("Ended"), &Json::Null));
    assert_eq!(items[0]["MessagingChannel"]["MasterLabel"], "SMS");
    assert_eq!((&items[1]["Subject"], items[1].get("Status")), (&json!("It broke"), None));
    assert_eq!(items[2], Json::Null);
    let soql = "SELECT TYPEOF WorkItem WHEN Case THEN Subject ELSE Name END FROM AgentWork";
    let items = client.query(soql).await.column("WorkItem");
    assert!(items[0]["Name"].as_str().unwrap().starts_with("MS-"), "{items:?}");
    assert_eq!(items[1]["Subject"], "It broke");
}

#[tokio::test]
async fn polymorphic_misuse_is_refused() {
    let (org, _, _serving, client) = org().await;
    works(&org);
    let choice = "TYPEOF WorkItem WHEN MessagingSession THEN StartTime END";
    for (soql, code) in [
        ("SELECT WorkItem.StartTime FROM AgentWork".to_owned(), "INVALID_FIELD"),
        (format!("SELECT {choice}, COUNT(Id) FROM AgentWork GROUP BY Status"), "MALFORMED_QUERY"),
        (format!("SELECT Id, {choice} FROM AgentWork GROUP BY Id"), "MALFORMED_QUERY"),
        ("SELECT TYPEOF User WHEN User THEN Name END FROM AgentWork".to_owned(), "MALFORMED_QUERY"),
        (
            "SELECT TYPEOF WorkItem WHEN Account THEN Name END FROM AgentWork".to_owned(),
            "MALFORMED_QUERY",
        ),
        (
            "SELECT TYPEOF WorkItem WHEN Case THEN Nonsense END FROM AgentWork".to_owned(),
            "INVALID_FIELD",
        ),
        (
            "SELECT TYPEOF WorkItem WHEN Case THEN Id ELSE Subject END FROM AgentWork".to_owned(),
            "INVALID_FIELD",
        ),
        ("SELECT Id FROM MessagingSession WHERE AgentMessageCount > 5".to_owned(), "INVALID_FIELD"),
        ("SELECT COUNT(Id) FROM MessagingSession GROUP BY StartTime".to_owned(), "MALFORMED_QUERY"),
        ("SELECT Id FROM MessagingSession ORDER BY PreviewDetails".to_owned(), "MALFORMED_QUERY"),
    ] {
        let reply = client.query(&soql).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{soql}: {}", reply.text);
    }
    let body = json!({ "operation": "query", "query": format!("SELECT {choice} FROM AgentWork") });
    let reply = client.send("POST", "/services/data/v67.0/jobs/query", &body).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "API_ERROR"));
    assert_eq!(reply.message(), "TYPEOF not supported in Bulk Query");
}

#[tokio::test]
async fn semi_joins_go_through_polymorphic_references_too() {
    let (org, _, _serving, client) = org().await;
    let (session, case) = works(&org);
    for (from, id) in [("MessagingSession", session), ("Case", case)] {
        let soql = format!("SELECT Id FROM {from} WHERE Id IN (SELECT WorkItemId FROM AgentWork)");
        assert_eq!(client.query(&soql).await.column("Id"), [id.as_str()]);
        let soql = soql.replace("Id IN", "Id NOT IN");
        assert_eq!(client.query(&soql).await.column("Id").len(), 0);
    }
}
