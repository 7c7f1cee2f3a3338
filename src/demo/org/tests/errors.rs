//! Refusals, limits and trouble switched on.

use super::*;

#[tokio::test]
async fn illegal_queries_fail_as_in_an_org() {
    let (org, _, _serving, client) = org().await;
    org.faults().hide_field("Account", "Industry");
    org.faults().hide_object("ConversationEntry");
    for (soql, code, part) in [
        (
            "SELECT Id, FullName FROM Account",
            "INVALID_FIELD",
            "^\nERROR at Row:1:Column:12\nNo such column 'FullName' on entity 'Account'.",
        ),
        ("SELECT Industry FROM Account", "INVALID_FIELD", "No such column 'Industry'"),
        ("SELECT Id FROM Acount", "INVALID_TYPE", "sObject type 'Acount' is not supported"),
        (
            "SELECT Id FROM ConversationEntry",
            "INVALID_TYPE",
            "'ConversationEntry' is not supported",
        ),
        (
            "SELECT Id FROM MessagingSession WHERE AgentMessageCount > 5",
            "INVALID_FIELD",
            "can not be filtered",
        ),
        (
            "SELECT Id FROM MessagingSession ORDER BY PreviewDetails",
            "MALFORMED_QUERY",
            "can not be sorted",
        ),
        (
            "SELECT COUNT(Id) FROM MessagingSession GROUP BY StartTime",
            "MALFORMED_QUERY",
            "field 'StartTime' can not be grouped",
        ),
        (
            "SELECT Name, COUNT(Id) FROM MessagingSession GROUP BY Status",
            "MALFORMED_QUERY",
            "must be grouped or aggregated: Name",
        ),
        (
            "SELECT WorkItem.StartTime FROM AgentWork",
            "INVALID_FIELD",
            "No such column 'StartTime' on entity 'Name'",
        ),
        ("SELECT IsTransfer FROM AgentWork", "INVALID_FIELD", "'IsTransfer' on entity 'AgentWork'"),
        (
            "SELECT Id FROM MessagingSession WHERE StartTime >= 2026-03-01",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM MessagingSession WHERE StartTime >= '2026-03-01T00:00:00Z'",
            "INVALID_FIELD",
            "must be of type dateTime",
        ),
        (
            "SELECT Id FROM MessagingSession WHERE Status = 5",
            "INVALID_FIELD",
            "must be of type string and should be enclosed in quotes",
        ),
        (
            "SELECT Id FROM AgentWork WHERE HandleTime LIKE '5%'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on int field",
        ),
        (
            "SELECT Id FROM Account WHERE Id = 'nobody'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: nobody",
        ),
        (
            "SELECT SUM(Name) FROM Account",
            "MALFORMED_QUERY",
            "does not support aggregate operator SUM",
        ),
        ("SELECT COUNT(Id) FROM Account LIMIT 5", "MALFORMED_QUERY", "cannot also use LIMIT"),
        (
            "SELECT Name a, Owner.Name a, COUNT(Id) FROM Account GROUP BY Name, Owner.Name",
            "MALFORMED_QUERY",
            "duplicate alias: a",
        ),
        ("SELECT Id, Id FROM Account", "MALFORMED_QUERY", "duplicate field selected: Id"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT IsDeleted FROM User", "INVALID_FIELD", "'IsDeleted' on entity 'User'"),
        ("SELECT CampaignId FROM MessagingSession", "200", ""),
    ] {
        let reply = client.query(soql).await;
        if code == "200" {
            assert_eq!(reply.status, 200, "{soql}: {}", reply.text);
            continue;
        }
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{soql}: {}", reply.text);
        assert!(reply.message().contains(part), "{soql}: {}", reply.message());
    }
}

#[tokio::test]
async fn values_are_matched_as_an_org_matches_them() {
    let (org, _, _serving, client) = org().await;
    let odd = "O'Brien \\ \"Ltd\" 100%_x\n😀";
    accounts(&org, &[odd, "Plain"]);
    session(&org, &[("Status", Value::Pick("Ended"))]);
    check(&client, r#"Account WHERE Name = 'O\'Brien \\ \"Ltd\" 100%_x\n😀'"#, 1).await;
    check(&client, r"Account WHERE Name LIKE '%100\%\_x%'", 1).await;
    check(&client, r"Account WHERE Name LIKE '%100\%\_y%'", 0).await;
    check(&client, r"Account WHERE Name = '\' OR Id != \''", 0).await;
    check(&client, "MessagingSession WHERE Status = 'ended'", 1).await;
    check(&client, "MessagingSession WHERE Status = 'Closed'", 0).await;
    check(&client, "MessagingSession WHERE EndedByType != 'Agent'", 1).await;
    check(&client, "MessagingSession WHERE EndUserAccount.Name = null", 1).await;
    check(&client, "MessagingSession WHERE CreatedDate = TODAY", 1).await;
    check(&client, "MessagingSession WHERE CreatedDate < LAST_N_DAYS:3", 0).await;
    check(&client, "MessagingSession WHERE CreatedDate = 2026-03-11T11:00:00+01:00", 1).await;
    check(&client, "MessagingSession s WHERE NOT (s.Status IN ('Ended', 'Error'))", 0).await;
    check(&client, "MessagingSession WHERE Owner.Type = 'User' AND IsDeleted = false", 1).await;
    let channels = "SELECT MessagingChannelId FROM MessagingSession WHERE Status = 'Ended'";
    check(&client, &format!("MessagingChannel WHERE Id IN ({channels})"), 1).await;
    check(&client, &format!("MessagingChannel WHERE Id NOT IN ({channels})"), 0).await;
}

async fn check(client: &Client, from: &str, expected: usize) {
    let reply = client.query(&format!("SELECT Id FROM {from}")).await;
    assert_eq!(reply.status, 200, "{from}: {}", reply.text);
    assert_eq!(reply.column("Id").len(), expected, "{from}");
}

#[tokio::test]
async fn logins_take_body_or_basic_and_refuse_with_an_object() {
    let (org, _, _serving, client) = org().await;
    assert_eq!(client.basic().await.status, 200);
    let token = client.token_with(CLIENT_ID, CLIENT_SECRET, "client_credentials").await;
    for field in ["access_token", "instance_url", "id", "token_type", "issued_at"] {
        assert!(token.json()[field].is_string(), "{field}");
    }
    assert!(token.json().get("expires_in").is_none());
    assert_eq!(token.header("sforce-limit-info"), None);
    let wrong = client.token_with(CLIENT_ID, "wrong", "client_credentials").await;
    assert_eq!((wrong.status, wrong.json()["error"].as_str()), (400, Some("invalid_client")));
    let wrong = client.token_with("nobody", CLIENT_SECRET, "client_credentials").await;
    assert_eq!(wrong.json()["error"], "invalid_client_id");
    let wrong = client.token_with(CLIENT_ID, CLIENT_SECRET, "password").await;
    assert_eq!(wrong.json()["error"], "unsupported_grant_type");
    let bare = Fault::Error { status: 400, code: "invalid_client", message: "" };
    org.faults().next(bare, On::call(Call::Token), 1);
    let wrong = client.basic().await;
    assert!(wrong.json().get("error_description").is_none());
    assert!(!format!("{org:?}").contains(CLIENT_SECRET));
}

#[tokio::test]
async fn every_answer_tells_usage_and_the_orgs_own_time_but_the_version_list() {
    let (org, _, _serving, client) = org().await;
    let reply = client.query("SELECT Id FROM Account").await;
    assert_eq!(reply.header("sforce-limit-info"), Some("api-usage=1/100000; api-bursts=1/750"));
    assert_eq!(reply.header("date"), Some("Wed, 11 Mar 2026 10:00:00 GMT"));
    let reply = client.query("SELECT Nothing FROM Account").await;
    assert_eq!(reply.header("sforce-limit-info"), Some("api-usage=2/100000; api-bursts=1/750"));
    let reply = client.get("/services/data").await;
    assert_eq!(reply.header("sforce-limit-info"), None);
    let newest = reply.json().as_array().unwrap().last().unwrap().clone();
    assert_eq!(newest["version"], "68.0");
    assert_eq!(newest["label"], "Winter '27");
    org.use_requests(7);
    let reply = client.get("/services/data/v67.0/limits").await;
    assert_eq!(reply.json()["DailyApiRequests"]["Remaining"], 99_990);
    org.faults().limit_info(Some("api-usage=25/5000; per-app-api-usage=17/250(appName=a; b=c)"));
    let reply = client.query("SELECT Id FROM Account").await;
    assert!(reply.header("sforce-limit-info").unwrap().starts_with("api-usage=25/5000;"));
    org.faults().limit_info(None);
    let reply = client.query("SELECT Id FROM Account").await;
    assert_eq!(reply.header("sforce-limit-info"), None);
    org.use_requests(200_000);
    let reply = client.query("SELECT Id FROM Account").await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "REQUEST_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn the_head_of_a_request_has_16_kilobytes() {
    let (_, _, _serving, client) = org().await;
    let list = |count: usize| format!("'{}'", vec!["001D000000IqhSLIAZ"; count].join("','"));
    let soql = |count| format!("SELECT Id FROM Account WHERE Id IN ({})", list(count));
    assert_eq!(client.query(&soql(400)).await.status, 200);
    let reply = client.query(&soql(1_500)).await;
    assert_eq!(reply.status, 414);
    assert!(reply.text.starts_with("<html>"), "{}", reply.text);
    let request = client.asking("query", &soql(400)).header("X-Long", "x".repeat(9_000));
    assert_eq!(client.read(request).await.status, 431);
}

#[tokio::test]
async fn tokens_expire_by_time_by_calls_and_on_demand() {
    let (org, clock, _serving, mut client) = org().await;
    let soql = "SELECT Id FROM Account";
    clock.advance(TimeDelta::minutes(119));
    assert_eq!(client.query(soql).await.status, 200);
    clock.advance(TimeDelta::minutes(119));
    assert_eq!(client.query(soql).await.status, 200);
    clock.advance(TimeDelta::minutes(121));
    let reply = client.query(soql).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "INVALID_SESSION_ID"));
    assert_eq!(reply.header("www-authenticate"), Some("Token"));
    org.faults().token_calls(Some(2));
    client.log_in().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(client.query(soql).await.status);
    }
    assert_eq!(seen, [200, 200, 401]);
    org.faults().clear();
    client.log_in().await;
    org.faults().next(Fault::TokenExpired, On::any(), 1);
    assert_eq!(client.query(soql).await.status, 401);
    assert_eq!(client.query(soql).await.status, 401);
    org.faults().always(Fault::SessionRefused, On::any());
    client.log_in().await;
    let reply = client.query(soql).await;
    assert_eq!(reply.message(), "This session is not valid for use with the REST API");
    client.log_in().await;
    assert_eq!(client.query(soql).await.status, 401);
    client.token.clear();
    org.faults().clear();
    assert_eq!(client.query(soql).await.code(), "INVALID_SESSION_ID");
}

#[tokio::test]
async fn trouble_comes_as_switched_on() {
    let (org, _, _serving, client) = org().await;
    accounts(&org, &["a", "b", "c"]);
    let soql = "SELECT Id, Name, Type FROM Account";
    org.faults().next(Fault::Html(503), On::any(), 1);
    let reply = client.query(soql).await;
    assert!(reply.status == 503 && reply.text.starts_with("<html>"));
    org.faults().next(Fault::HtmlOk, On::any(), 1);
    let reply = client.query(soql).await;
    assert!(reply.status == 200 && reply.text.starts_with("<html>"));
    org.faults().next(Fault::TruncatedJson, On::any(), 1);
    let reply = client.query(soql).await;
    assert!(serde_json::from_str::<Json>(&reply.text).is_err());
    org.faults().next(Fault::Disconnect, On::any(), 1);
    let response = client.asking("query", soql).send().await.unwrap();
    assert!(response.text().await.is_err());
    org.faults().next(Fault::QueryTimeout, On::soql("FROM Account"), 1);
    assert_eq!(client.query("SELECT Id FROM User").await.status, 200);
    assert_eq!(client.query(soql).await.code(), "QUERY_TIMEOUT");
    org.faults().timeout_over(Some(2));
    assert_eq!(client.query(soql).await.code(), "QUERY_TIMEOUT");
    assert_eq!(client.query(&format!("{soql} LIMIT 2")).await.status, 200);
    org.faults().timeout_over(None);
    org.faults().next(Fault::Value { field: "Name", json: "17" }, On::any(), 1);
    assert_eq!(client.query(soql).await.column("Name"), [17, 17, 17]);
    org.faults().next(Fault::Value { field: "Type", json: "\"Telepathy\"" }, On::any(), 1);
    assert_eq!(client.query(soql).await.column("Type")[0], "Telepathy");
    assert_eq!(client.query(soql).await.column("Name"), ["a", "b", "c"]);
    let faulty = org.seen().iter().filter(|seen| seen.fault.is_some()).count();
    assert_eq!(faulty, 7);
}

#[tokio::test]
async fn a_cursor_can_die_between_pages() {
    let (org, _, _serving, client) = org().await;
    let names: Vec<String> = (0..2_500).map(|number| format!("n{number}")).collect();
    accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    org.faults().next(Fault::LocatorExpired, On::any(), 1);
    let reply = client.query("SELECT Id FROM Account").await;
    let next = reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&next).await.code(), "INVALID_QUERY_LOCATOR");
    assert_eq!(client.get(&next).await.code(), "INVALID_QUERY_LOCATOR");
    org.faults().after(1, Fault::TokenExpired, On::any(), 1);
    let reply = client.query("SELECT Id FROM Account").await;
    let next = reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
    assert_eq!(client.get(&next).await.code(), "INVALID_SESSION_ID");
}

#[tokio::test]
async fn describes_show_what_the_version_and_the_user_may_see() {
    let (org, _, _serving, client) = org().await;
    org.faults().hide_field("MessagingSession", "AcceptTime");
    let names = |reply: &Reply| -> Vec<String> {
        let body = reply.json();
        let fields = body["fields"].as_array().unwrap().iter();
        fields.map(|field| field["name"].as_str().unwrap().to_owned()).collect()
    };
    let new = client.get("/services/data/v67.0/sobjects/MessagingSession/describe").await;
    let old = client.get("/services/data/v62.0/sobjects/MessagingSession/describe").await;
    assert!(names(&new).contains(&"CampaignId".to_owned()));
    assert!(!names(&old).contains(&"CampaignId".to_owned()));
    assert!(!names(&new).contains(&"AcceptTime".to_owned()));
    let path = "/services/data/v61.0/sobjects/MessagingSessionMetrics/describe";
    assert_eq!(client.get(path).await.code(), "NOT_FOUND");
    assert_eq!(client.get("/services/data/v12.0/sobjects").await.code(), "NOT_FOUND");
    let status = new.json();
    let status =
        status["fields"].as_array().unwrap().iter().find(|field| field["name"] == "Status");
    let status = status.unwrap();
    assert_eq!(status["picklistValues"].as_array().unwrap().len(), 8);
    assert_eq!(status["restrictedPicklist"], true);
    let all = client.get("/services/data/v67.0/sobjects").await;
    let body = all.json();
    let session =
        body["sobjects"].as_array().unwrap().iter().find(|o| o["name"] == "MessagingSession");
    assert_eq!(session.unwrap()["keyPrefix"], "0Mw");
}
