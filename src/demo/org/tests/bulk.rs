//! The Bulk API 2.0.

use std::io::Read as _;
use std::time::Duration;

use serde_json::json;

use super::*;

const JOBS: &str = "/services/data/v67.0/jobs/query";

impl Client {
    async fn create(&self, soql: &str) -> Reply {
        self.send("POST", JOBS, &json!({ "operation": "query", "query": soql })).await
    }
    /// Makes a job and looks at it until it has ended.
    async fn job(&self, soql: &str) -> String {
        let reply = self.create(soql).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let path = format!("{JOBS}/{}", reply.json()["id"].as_str().unwrap());
        for _ in 0..50 {
            let state = self.get(&path).await.json()["state"].as_str().unwrap().to_owned();
            if !matches!(state.as_str(), "UploadComplete" | "InProgress") {
                return path;
            }
        }
        panic!("the job does not end");
    }
    /// All lines of a job's results but the headers, page by page.
    async fn lines(&self, job: &str, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut locator = String::new();
        loop {
            let reply = self.get(&format!("{job}/results?maxRecords={most}{locator}")).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            let mut page = reply.text.lines();
            assert_eq!(page.next(), Some("\"Id\",\"Name\""));
            let page: Vec<String> = page.map(str::to_owned).collect();
            assert_eq!(reply.header("sforce-numberofrecords"), Some(&*page.len().to_string()));
            lines.extend(page);
            match reply.header("sforce-locator") {
                Some("null") => return lines,
                Some(next) => locator = format!("&locator={next}"),
                None => panic!("no locator"),
            }
        }
    }
}

#[tokio::test]
async fn a_job_goes_its_way_and_says_so() {
    let (org, _, _serving, client) = org().await;
    accounts(&org, &["a"]);
    org.faults().bulk_polls(2);
    let body = json!({ "operation": "queryAll", "query": "SELECT Id FROM Account",
                       "contentType": "CSV", "columnDelimiter": "PIPE", "lineEnding": "CRLF" });
    let made = client.send("POST", JOBS, &body).await.json();
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("750"));
    assert_eq!(made["state"], "UploadComplete");
    assert_eq!((&made["operation"], &made["object"]), (&json!("queryAll"), &json!("Account")));
    assert_eq!(made["apiVersion"].to_string(), "67.0");
    assert_eq!((&made["columnDelimiter"], &made["lineEnding"]), (&json!("PIPE"), &json!("CRLF")));
    let path = format!("{JOBS}/{id}");
    let early = client.get(&format!("{path}/results")).await;
    assert_eq!((early.status, early.code().as_str()), (412, "JOB_NOT_COMPLETE"));
    org.faults().early_results(409);
    assert_eq!(client.get(&format!("{path}/results")).await.status, 409);
    let mut states = Vec::new();
    for _ in 0..4 {
        let body = client.get(&path).await.json();
        assert_eq!(body["jobType"], "V2Query");
        states.push(body["state"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["InProgress", "InProgress", "JobComplete", "JobComplete"]);
    assert_eq!(client.get(&path).await.json()["numberRecordsProcessed"], 1);
    assert_eq!(client.get(JOBS).await.column("id"), [id]);
    let other = client.get(&path.replace("v67", "v66")).await;
    assert_eq!(other.status, 409);
    assert_eq!(org.requests_of(Call::BulkCreate), 1);
    assert_eq!(org.requests_of(Call::BulkResults), 2);
    let limits = client.get("/services/data/v67.0/limits").await.json();
    assert_eq!(limits["DailyBulkV2QueryJobs"], json!({ "Max": 10_000, "Remaining": 9_999 }));
}

#[tokio::test]
async fn results_are_quoted_and_keep_the_order_of_the_select_list() {
    let (org, _, _serving, client) = org().await;
    let start: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
    session(&org, &[("StartTime", start.into()), ("AgentMessageCount", 3.into())]);
    accounts(&org, &["say \"hi\",\r\nthere"]);
    let soql = "select owner.Name, id, StartTime, EndTime, Owner.Type, AgentMessageCount, \
                IsDeleted, MessagingChannel.MasterLabel from MessagingSession";
    let job = client.job(soql).await;
    let reply = client.get(&format!("{job}/results")).await;
    assert_eq!(reply.header("content-type"), Some("text/csv;charset=UTF-8"));
    let id = org.records("MessagingSession")[0].id();
    let expected = format!(
        "\"Owner.Name\",\"Id\",\"StartTime\",\"EndTime\",\"Owner.Type\",\"AgentMessageCount\",\
         \"IsDeleted\",\"MessagingChannel.MasterLabel\"\n\
         \"Automated Process\",\"{id}\",\"2026-03-01T10:00:00.000Z\",\"\",\"User\",\"3\",\
         \"false\",\"SMS\"\n"
    );
    assert_eq!(reply.text, expected);
    let job = client.job("SELECT Name FROM Account").await;
    let reply = client.get(&format!("{job}/results")).await;
    assert_eq!(reply.text, "\"Name\"\n\"say \"\"hi\"\",\r\nthere\"\n");
    let job = client.job("SELECT Name FROM Account WHERE Name = 'nobody'").await;
    let reply = client.get(&format!("{job}/results")).await;
    assert_eq!((reply.text.as_str(), reply.header("sforce-locator")), ("\"Name\"\n", Some("null")));
    org.faults().no_header_when_empty(true);
    let reply = client.get(&format!("{job}/results")).await;
    assert_eq!((reply.text.as_str(), reply.header("sforce-numberofrecords")), ("", Some("0")));
}

#[tokio::test]
async fn pages_have_headers_and_locators_that_can_be_read_again() {
    let (org, _, _serving, client) = org().await;
    let names: Vec<String> = (0..2_505).map(|number| format!("Account {number:05}")).collect();
    let ids = accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let job = client.job("SELECT Id, Name FROM Account").await;
    let lines = client.lines(&job, 1_000).await;
    let expected: Vec<String> =
        ids.iter().zip(&names).map(|(id, name)| format!("\"{id}\",\"{name}\"")).collect();
    assert_eq!(lines, expected);
    assert_eq!(client.lines(&job, 1_000).await, expected, "read again");
    assert_eq!(client.lines(&job, 2_505).await, expected);
    assert_eq!(client.get(&format!("{job}/results?locator=bm9uc2Vuc2U")).await.status, 400);
    let pages = client.get(&format!("{job}/resultPages")).await.json();
    let first = pages["resultPages"][0]["resultUrl"].as_str().unwrap();
    assert_eq!(client.get(first).await.text.lines().count(), 2_506);
    assert_eq!((&pages["done"], pages["resultPages"].as_array().unwrap().len()), (&json!(true), 1));
}

#[tokio::test]
async fn result_pages_come_in_fives() {
    let clock = Standing::at("2026-03-11T10:00:00Z");
    let org = Org::with(Settings { bulk_page: 10, ..Settings::default() }, clock);
    accounts(&org, &["a"; 57]);
    let serving = org.start().await.unwrap();
    let client = Client::of(&serving).await;
    let job = client.job("SELECT Id FROM Account").await;
    let first = client.get(&format!("{job}/resultPages")).await.json();
    assert_eq!(
        (&first["done"], first["resultPages"].as_array().unwrap().len()),
        (&json!(false), 5)
    );
    let second = client.get(first["nextRecordsUrl"].as_str().unwrap()).await.json();
    assert_eq!(
        (&second["done"], second["resultPages"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
    let last = client.get(second["resultPages"][0]["resultUrl"].as_str().unwrap()).await;
    assert_eq!(last.header("sforce-numberofrecords"), Some("7"));
}

#[tokio::test]
async fn a_job_keeps_what_it_found_when_it_was_made() {
    let (org, clock, _serving, client) = org().await;
    let ids = accounts(&org, &["first", "second", "third"]);
    let made = client.create("SELECT Id, Name FROM Account").await.json();
    let job = format!("{JOBS}/{}", made["id"].as_str().unwrap());
    clock.advance(TimeDelta::minutes(1));
    org.update(ids[0], &[("Name", "renamed".into())]).unwrap();
    org.delete(ids[1]).unwrap();
    org.purge(ids[2]).unwrap();
    accounts(&org, &["fourth"]);
    client.get(&job).await;
    client.get(&job).await;
    let names: Vec<String> =
        client.lines(&job, 9).await.iter().map(|line| line[21..].to_owned()).collect();
    assert_eq!(names, ["\"first\"", "\"second\"", "\"third\""]);
    let all = json!({ "operation": "queryAll", "query": "SELECT Name, IsDeleted FROM Account" });
    let made = client.send("POST", JOBS, &all).await.json();
    let job = format!("{JOBS}/{}", made["id"].as_str().unwrap());
    client.get(&job).await;
    client.get(&job).await;
    let reply = client.get(&format!("{job}/results")).await;
    let expected = "\"Name\",\"IsDeleted\"\n\"renamed\",\"false\"\n\"second\",\"true\"\n\
                    \"fourth\",\"false\"\n";
    assert_eq!(reply.text, expected);
}

#[tokio::test]
async fn what_bulk_does_not_do_is_refused() {
    let (org, _, _serving, client) = org().await;
    for (soql, message) in [
        ("SELECT Name, COUNT(Id) FROM Account GROUP BY Name", "GROUP BY"),
        ("SELECT Name FROM Account GROUP BY Name", "GROUP BY"),
        ("SELECT Id FROM Account OFFSET 5", "OFFSET"),
        ("SELECT COUNT() FROM Account", "COUNT()"),
        ("SELECT MAX(Name) FROM Account", "Aggregate functions"),
        ("SELECT BillingAddress FROM Account", "Selecting compound data"),
    ] {
        let reply = client.create(soql).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "API_ERROR"), "{soql}");
        assert_eq!(reply.message(), format!("{message} not supported in Bulk Query"));
    }
    let codes = [
        ("SELECT Id FORM Account", "MALFORMED_QUERY"),
        ("SELECT Nonsense FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
        ("SELECT Id FROM AgentWork", "INVALIDENTITY"),
        ("", "INVALIDJOB"),
    ];
    org.faults().refuse_bulk("AgentWork");
    for (soql, code) in codes {
        let reply = client.create(soql).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{soql}");
    }
    assert_eq!(client.query("SELECT Id FROM AgentWork").await.status, 200);
    let update = json!({ "operation": "update", "query": "SELECT Id FROM Account" });
    assert_eq!(client.send("POST", JOBS, &update).await.code(), "INVALIDJOB");
    assert_eq!(client.get(JOBS).await.column("id").len(), 0);
}

#[tokio::test]
async fn jobs_end_badly_and_are_aborted_and_deleted() {
    let (org, _, _serving, client) = org().await;
    accounts(&org, &["a"]);
    let soql = "SELECT Id, Name FROM Account";
    org.faults().next(Fault::JobFails("Retried more than fifteen times"), On::soql("Account"), 1);
    let failed = client.job(soql).await;
    let body = client.get(&failed).await.json();
    assert_eq!(
        (&body["state"], &body["errorMessage"]),
        (&json!("Failed"), &json!("Retried more than fifteen times"))
    );
    assert_eq!(client.get(&format!("{failed}/results")).await.status, 400);
    org.faults().next(Fault::JobAborted(3), On::call(Call::BulkCreate), 1);
    let aborted = client.job(soql).await;
    assert_eq!(client.get(&aborted).await.json()["state"], "Aborted");

    let made = client.create(soql).await.json();
    let path = format!("{JOBS}/{}", made["id"].as_str().unwrap());
    assert_eq!(client.send("DELETE", &path, &Json::Null).await.code(), "API_ERROR");
    let abort = json!({ "state": "Aborted" });
    assert_eq!(client.send("PATCH", &path, &abort).await.json()["state"], "Aborted");
    let again = client.send("PATCH", &path, &abort).await;
    assert_eq!((again.status, again.code().as_str()), (400, "INVALIDJOBSTATE"));
    assert_eq!(again.message(), "Aborting already Completed Job not allowed");
    let gone = client.send("DELETE", &path, &Json::Null).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.send("DELETE", &path, &Json::Null).await.status, 404);
    assert_eq!(org.requests_of(Call::BulkAbort), 2);
    assert_eq!(org.requests_of(Call::BulkDelete), 3);
}

#[tokio::test]
async fn results_can_be_broken_in_every_way() {
    let (org, _, _serving, client) = org().await;
    let names: Vec<String> = (0..5_000).map(|number| format!("Account {number:05}")).collect();
    accounts(&org, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let job = client.job("SELECT Id, Name FROM Account").await;
    let path = format!("{job}/results");
    let whole = client.get(&path).await.text;
    assert_eq!(whole.lines().count(), 5_001);

    org.faults().next(Fault::NulBytes, On::call(Call::BulkResults), 1);
    assert!(client.get(&path).await.text.contains("Account 00007\0\""));
    org.faults().next(Fault::WrongCount(-3), On::any(), 1);
    let reply = client.get(&path).await;
    assert_eq!(
        (reply.text.len(), reply.header("sforce-numberofrecords")),
        (whole.len(), Some("4997"))
    );
    let value = Fault::Value { field: "Name", json: "\"x\"" };
    org.faults().next(value, On::any(), 1);
    assert!(client.get(&path).await.text.ends_with("\",\"x\"\n"));

    org.faults().next(Fault::Disconnect, On::call(Call::BulkResults), 1);
    let response = client.request(&path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());

    // Raw bytes, as a client that unpacks by itself would hide where they end.
    let bare = reqwest::Client::builder().no_proxy().gzip(false).build().unwrap();
    let url = client.request(&path).build().unwrap().url().clone();
    let raw = async || {
        let request = bare.get(url.clone()).bearer_auth(&client.token);
        let response = request.header("Accept-Encoding", "gzip").send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let bytes = response.bytes().await.unwrap();
        let mut text = String::new();
        let outcome = flate2::read::GzDecoder::new(bytes.as_ref()).read_to_string(&mut text);
        (text, outcome.is_ok())
    };
    assert_eq!(raw().await, (whole.clone(), true));
    org.faults().next(Fault::TruncatedGzip, On::any(), 1);
    let (part, complete) = raw().await;
    assert!(!complete && whole.starts_with(&part) && part.len() > 1_000, "{}", part.len());

    org.faults().next(Fault::Drip(Duration::from_micros(1)), On::any(), 1);
    let few = client.get(&format!("{path}?maxRecords=3")).await;
    assert_eq!(few.text.lines().count(), 4);
}

#[tokio::test]
async fn limits_tell_what_a_day_has_left() {
    let (org, _, _serving, client) = org().await;
    org.load("Account", (0..9_000).map(|_| vec![("Name", "x".repeat(120).into())])).unwrap();
    let job = client.job("SELECT Id, Name FROM Account").await;
    client.get(&format!("{job}/results")).await;
    org.use_requests(500);
    let limits = client.get("/services/data/v67.0/limits").await.json();
    assert_eq!(limits["DailyApiRequests"], json!({ "Max": 100_000, "Remaining": 99_495 }));
    assert_eq!(limits["DailyBulkV2QueryJobs"]["Remaining"], 9_999);
    let storage = json!({ "Max": 976_562, "Remaining": 976_560 });
    assert_eq!(limits["DailyBulkV2QueryFileStorageMB"], storage);
}

#[tokio::test]
async fn a_day_has_so_many_jobs() {
    let clock = Standing::at("2026-03-11T10:00:00Z");
    let org = Org::with(Settings { daily_bulk_jobs: 2, ..Settings::default() }, clock);
    let serving = org.start().await.unwrap();
    let client = Client::of(&serving).await;
    let soql = "SELECT Id FROM Account";
    assert_eq!(client.create(soql).await.status, 200);
    assert_eq!(client.create(soql).await.status, 200);
    assert_eq!(client.create(soql).await.code(), "LIMIT_EXCEEDED");
}
