//! Troubles that are switched on, as a client sees them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;

use super::*;

const SOQL: &str = "SELECT Id, Name FROM Account";

async fn with_accounts(count: usize) -> (Arc<Org>, Arc<Standing>, Serving, Client) {
    let (org, clock, serving, client) = org().await;
    org.load("Account", (0..count).map(|n| vec![("Name", format!("Müller {n}").into())])).unwrap();
    (org, clock, serving, client)
}

#[tokio::test]
async fn busy_answers_say_when_to_come_again() {
    let (org, _, _serving, client) = with_accounts(1).await;
    org.faults().next(Fault::Busy { status: 429, retry_after: "7" }, On::any(), 1);
    let reply = client.query(SOQL).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("7")));
    for status in [406, 420, 502] {
        org.faults().next(Fault::Html(status), On::any(), 1);
        let reply = client.query(SOQL).await;
        assert_eq!((reply.status, reply.text.starts_with("<html>")), (status, true));
    }
    org.faults().next(Fault::Busy { status: 503, retry_after: "1" }, On::call(Call::Token), 1);
    let reply = client.token_with(CLIENT_ID, CLIENT_SECRET, "client_credentials").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
}

#[tokio::test]
async fn logins_fail_in_every_shape() {
    let (org, _, _serving, client) = with_accounts(0).await;
    let login = || client.token_with(CLIENT_ID, CLIENT_SECRET, "client_credentials");
    let token = On::call(Call::Token);
    org.faults().next(Fault::login_host(), token.clone(), 1);
    let description = "request not supported on this domain";
    let expected = json!({ "error": "invalid_grant", "error_description": description });
    assert_eq!(login().await.json(), expected);
    org.faults().next(Fault::invalid_client(), token.clone(), 1);
    assert_eq!(login().await.json(), json!({ "error": "invalid_client" }));
    org.faults().next(Fault::Html(503), token, 1);
    assert!(login().await.text.starts_with("<html>"));
    let body = login().await.json();
    assert_eq!((&body["expires_in"], &body["refresh_token"]), (&Json::Null, &Json::Null));
}

#[tokio::test]
async fn pages_that_never_end_have_new_addresses_or_lead_in_a_circle() {
    let (org, _, _serving, client) = with_accounts(450).await;
    org.faults().always(Fault::EndlessPages, On::any());
    let options =
        |soql| client.asking("query", soql).header("Sforce-Query-Options", "batchSize=200");
    let mut reply = client.read(options(SOQL)).await;
    let mut addresses = BTreeSet::new();
    for _ in 0..12 {
        let next = reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
        assert!(addresses.insert(next.clone()), "{next} twice");
        reply = client.get(&next).await;
        assert!(!reply.column("Id").is_empty());
        assert_eq!(reply.json()["done"], false);
    }
    org.faults().clear();
    org.faults().always(Fault::PagesInCircle, On::any());
    let reply = client.read(options(SOQL)).await;
    let next = reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        let reply = client.get(&next).await;
        assert_eq!(reply.json()["nextRecordsUrl"], next.as_str());
        assert!(!reply.column("Id").is_empty());
    }
}

#[tokio::test]
async fn answers_lack_keys_nest_deeply_or_speak_latin() {
    let (org, _, _serving, client) = with_accounts(2).await;
    org.faults().next(Fault::NoDone, On::any(), 1);
    let body = client.query(SOQL).await.json();
    assert_eq!((body.get("done"), body["records"].as_array().unwrap().len()), (None, 2));
    org.faults().next(Fault::NoRecords, On::any(), 1);
    assert_eq!(client.query(SOQL).await.json(), json!({ "totalSize": 2, "done": true }));
    org.faults().next(Fault::DeepJson(128), On::any(), 1);
    let reply = client.query(SOQL).await;
    assert_eq!(reply.text.matches('[').count(), 129);
    assert!(serde_json::from_str::<Json>(&reply.text).is_err());
    org.faults().next(Fault::WrongCharset, On::any(), 1);
    let response = client.asking("query", SOQL).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json;charset=ISO-8859-1");
    let bytes = response.bytes().await.unwrap();
    assert!(std::str::from_utf8(&bytes).is_err());
    assert!(bytes.windows(6).any(|part| part == b"M\xfcller"));
    org.faults().next(Fault::NulBytes, On::any(), 1);
    assert_eq!(client.query(SOQL).await.column("Name")[0], "Müller 0\0");
}

#[tokio::test]
async fn whole_numbers_can_have_a_point() {
    let (org, _, _serving, client) = org().await;
    session(&org, &[("AgentMessageCount", 4.into())]);
    org.faults().next(Fault::DecimalInts, On::any(), 1);
    let reply = client.query("SELECT AgentMessageCount FROM MessagingSession").await;
    assert!(reply.text.contains("\"AgentMessageCount\":4.0"), "{}", reply.text);
}

#[tokio::test]
async fn a_bomb_is_small_on_the_wire_and_made_while_it_is_read() {
    let (org, _, _serving, client) = with_accounts(1).await;
    org.faults().next(Fault::GzipBomb(4 << 20), On::any(), 1);
    let bare = reqwest::Client::builder().no_proxy().gzip(false).build().unwrap();
    let url = client.asking("query", SOQL).build().unwrap().url().clone();
    let request = bare.get(url).bearer_auth(&client.token).header("Accept-Encoding", "gzip");
    let wire = request.send().await.unwrap().bytes().await.unwrap();
    assert!(wire.len() < (4 << 20) / 50, "{}", wire.len());
    org.faults().next(Fault::GzipBomb(4 << 20), On::any(), 1);
    let reply = client.query(SOQL).await;
    assert!(reply.text.len() > 4 << 20);
    assert_eq!(reply.json()["records"], json!([]));
    // A terabyte that nobody reads to its end costs nothing.
    org.faults().next(Fault::GzipBomb(1 << 40), On::any(), 1);
    let identity = client.asking("query", SOQL).header("Accept-Encoding", "identity");
    let mut body = identity.send().await.unwrap().bytes_stream();
    assert!(!body.next().await.unwrap().unwrap().is_empty());
    drop(body);
    assert_eq!(client.query(SOQL).await.status, 200);
}

#[tokio::test]
async fn windows_wider_than_allowed_time_out() {
    let (org, _, _serving, client) = with_accounts(1).await;
    org.faults().timeout_wider("Account", TimeDelta::days(1));
    let since = |bound: &str| format!("{SOQL} WHERE {bound}");
    for (soql, code) in [
        (SOQL.to_owned(), "QUERY_TIMEOUT"),
        (since("SystemModstamp >= 2026-03-09T10:00:00Z"), "QUERY_TIMEOUT"),
        (since("SystemModstamp >= 2026-03-11T09:00:00Z"), ""),
        (since("CreatedDate >= 2026-03-10T00:00:00Z AND CreatedDate < 2026-03-11T00:00:00Z"), ""),
        (since("CreatedDate < 2026-03-11T00:00:00Z"), "QUERY_TIMEOUT"),
        ("SELECT Id FROM Contact".to_owned(), ""),
    ] {
        let reply = client.query(&soql).await;
        let seen = if reply.status == 200 { String::new() } else { reply.code() };
        assert_eq!(seen, code, "{soql}");
    }
}

#[tokio::test]
async fn a_slow_drip_comes_whole_in_the_end() {
    let (org, _, _serving, client) = with_accounts(1).await;
    let whole = client.query(SOQL).await.text;
    org.faults().next(Fault::Drip(Duration::from_micros(1)), On::any(), 1);
    assert_eq!(client.query(SOQL).await.text, whole);
}

#[tokio::test]
async fn a_patient_client_survives_chaos_without_a_loss() {
    let (org, _, _serving, mut client) = with_accounts(1_500).await;
    org.chaos(11);
    let mut met = 0;
    for round in 0..40 {
        // Six tries are more than chaos can spoil.
        let mut outcome = None;
        for _ in 0..6 {
            match pages(&client).await {
                Ok(ids) => outcome = Some(ids),
                Err(401) => client.log_in_again().await,
                Err(_) => {}
            }
            if outcome.is_some() {
                break;
            }
            met += 1;
        }
        assert_eq!(outcome.map(|ids| ids.len()), Some(1_500), "round {round}");
    }
    assert!(met > 3, "{met}");
    org.faults().chaos(None);
    assert_eq!(client.query(SOQL).await.status, 200);
}

/// All ids of a query in pages, or the status it failed with (0: the body).
async fn pages(client: &Client) -> Result<BTreeSet<String>, u16> {
    let options = "batchSize=500";
    let mut request = client.asking("query", SOQL).header("Sforce-Query-Options", options);
    let mut ids = BTreeSet::new();
    loop {
        let response = request.send().await.map_err(|_| 0_u16)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(status);
        }
        let body: Json = serde_json::from_slice(&response.bytes().await.map_err(|_| 0_u16)?)
            .map_err(|_| 0_u16)?;
        let records = body["records"].as_array().ok_or(0_u16)?;
        ids.extend(records.iter().map(|record| record["Id"].as_str().unwrap().to_owned()));
        match body["nextRecordsUrl"].as_str() {
            Some(next) => request = client.request(next),
            None => return Ok(ids),
        }
    }
}

impl Client {
    /// Logs in, once more where the login meets trouble.
    async fn log_in_again(&mut self) {
        for _ in 0..2 {
            let reply = self.token_with(CLIENT_ID, CLIENT_SECRET, "client_credentials").await;
            if reply.status == 200 {
                self.token = reply.json()["access_token"].as_str().unwrap().to_owned();
                return;
            }
        }
        panic!("two logins in a row met trouble");
    }
}
