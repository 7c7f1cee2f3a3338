//! Cases about statements: what is sent means what it says, what an org refuses is told in its own
//! words and not asked again and again.

use std::sync::Arc;

use chrono::TimeDelta;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postrider::demo::org::{CLIENT_ID, CLIENT_SECRET, Call, Fault, On, Org, Value};
use postrider::domain::dataset::{Batch, Cursor, Dataset, Field, Purpose};
use postrider::domain::value::Type;
use postrider::source::{PullRequest, SourceError};

use super::{SESSIONS, World};
use crate::harness::records::{account, channel, ended};
use crate::harness::utc;

const ODD: &str = "O'Brien \\ \"Ltd\" 100%_x 😀\nsecond line, =1+1";

const ACCOUNTS: &str = r#"
[report_types.accounts]
from = "Account account"

[reports.accounts]
title = "Accounts"
type = "accounts"
period = "all time"
columns = ["account.Name as Account"]

[digests.daily]
reports = ["accounts"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

/// Asks an org as any client would: status, first error code and message, or the ids found.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

struct Reply {
    status: u16,
    body: serde_json::Value,
}

impl Client {
    async fn of(w: &World) -> Client {
        let url = w.t.my_domain();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT_ID),
            ("client_secret", CLIENT_SECRET),
        ];
        let login = http.post(format!("{url}/services/oauth2/token")).form(&form);
        let body = login.send().await.unwrap().bytes().await.unwrap();
        let token: serde_json::Value = serde_json::from_slice(&body).unwrap();
        Client { http, url, token: token["access_token"].as_str().unwrap().to_owned() }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        Reply { status, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// A query, its statement encoded by `encode`.
    async fn query_as(&self, soql: &str, encode: impl Fn(&str) -> String) -> Reply {
        let path = "services/data/v62.0/query?q=";
        self.send(self.http.get(format!("{}/{path}{}", self.url, encode(soql)))).await
    }

    async fn query(&self, soql: &str) -> Reply {
        self.query_as(soql, |soql| utf8_percent_encode(soql, NON_ALPHANUMERIC).to_string()).await
    }

    async fn bulk(&self, soql: &str) -> Reply {
        let job = serde_json::json!({ "operation": "query", "query": soql }).to_string();
        let url = format!("{}/services/data/v62.0/jobs/query", self.url);
        let request = self.http.post(url).header("content-type", "application/json");
        self.send(request.body(job)).await
    }

    async fn found(&self, soql: &str) -> usize {
        let reply = self.query(soql).await;
        assert_eq!(reply.status, 200, "{soql}: {}", reply.body);
        reply.body["records"].as_array().unwrap().len()
    }
}

impl Reply {
    fn code(&self) -> &str {
        self.body[0]["errorCode"].as_str().unwrap_or_default()
    }
    fn message(&self) -> &str {
        self.body[0]["message"].as_str().unwrap_or_default()
    }
}

/// Pulls straight from the source: the outcome, and how many rows came.
async fn straight(w: &World, request: PullRequest) -> (Result<u64, SourceError>, usize) {
    let source = Arc::clone(&w.t.app.engine().plant().sources["salesforce"].source);
    let (into, mut batches) = tokio::sync::mpsc::channel::<Batch>(2);
    let read = async {
        let mut rows = 0;
        while let Some(batch) = batches.recv().await {
            rows += batch.rows();
        }
        rows
    };
    let both = async { tokio::join!(source.pull(request, into), read) };
    let (outcome, rows) = w.t.patiently(both).await;
    (outcome.map(|pulled| pulled.records), rows)
}

fn request(dataset: Arc<Dataset>) -> PullRequest {
    PullRequest { dataset, since: None, resume: None, from: None, purpose: Purpose::Digest }
}

fn built_in(w: &World, name: &str) -> Arc<Dataset> {
    let config = w.t.app.config();
    Arc::clone(config.datasets.iter().find(|dataset| dataset.name == name).unwrap())
}

#[tokio::test]
async fn truth_of_q() {
    let noon = "2026-11-22T12:00:00Z";
    let w = World::start(ACCOUNTS, noon, |org| {
        account(org, ODD);
        account(org, "Plain");
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T10:00:00Z", &[]);
    })
    .await;
    // The name comes whole, whatever stands in it.
    w.pull().await;
    let names: Vec<String> = w.stored("SELECT Name FROM Account ORDER BY Name");
    assert_eq!(names, [ODD, "Plain"]);

    let client = Client::of(&w).await;
    let escaped = r#"O\'Brien \\ \"Ltd\" 100%_x 😀\nsecond line, =1+1"#;
    let named = |name: &str| format!("SELECT Id FROM Account WHERE Name = '{name}'");
    assert_eq!(client.found(&named(escaped)).await, 1);
    // `%` and `_` are themselves but under LIKE, where they are escaped.
    assert_eq!(client.found(&named("%")).await, 0);
    assert_eq!(client.found(r"SELECT Id FROM Account WHERE Name LIKE '%100\%\_x%'").await, 1);
    assert_eq!(client.found(r"SELECT Id FROM Account WHERE Name LIKE '%100\%\_y%'").await, 0);
    // An injection, escaped, is a name that nobody has; unescaped it would be everybody.
    assert_eq!(client.found(&named(r"\' OR Name != \'")).await, 0);
    assert_eq!(client.found(&named("' OR Name != '")).await, 2);
    assert_eq!(client.found(&named(r"\' OR Id != \'")).await, 0);
    // An offset must be percent-encoded: a plus in an address is a space.
    let since = "SELECT Id FROM MessagingSession WHERE StartTime >= 2026-11-22T12:00:00+02:00";
    assert_eq!(client.found(since).await, 1);
    let raw = client.query_as(since, |soql| soql.replace(' ', "%20")).await;
    assert_eq!((raw.status, raw.code()), (400, "MALFORMED_QUERY"));
}

#[tokio::test]
async fn a_place_that_is_no_id_reads_nothing_else() {
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T10:00:00Z", &[]);
    };
    let w = World::start(SESSIONS, "2026-11-22T12:00:00Z", fill).await;
    let mut asked = request(built_in(&w, "MessagingSession"));
    let stamp = utc("2026-11-22T11:00:00Z");
    asked.resume = Some(Cursor { stamp, key: "' OR Id != '".to_owned() });
    let (outcome, _) = straight(&w, asked).await;
    let statements = w.statements("MessagingSession");
    let last = statements.last().unwrap();
    assert!(last.contains(r"Id > '\' OR Id != \'')"), "{last}");
    assert!(matches!(&outcome, Err(SourceError::Refused { .. }) | Ok(0 | 1)), "{outcome:?}");
    // Our own statements never hold an offset, a literal of a relative date, or a plus.
    for seen in w.queries() {
        assert!(!seen.target.contains('+'), "{}", seen.target);
        let soql = seen.soql.unwrap();
        assert!(!soql.contains("TODAY") && !soql.contains("LAST_N"), "{soql}");
    }
}

#[tokio::test]
async fn sixteen_kilobyte_wall() {
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T10:00:00Z", &[]);
    };
    let w = World::start(SESSIONS, "2026-11-22T12:00:00Z", fill).await;
    // Fields enough for three addresses.
    let built_in = built_in(&w, "MessagingSession");
    let mut wide = (*built_in).clone();
    for at in 0..900 {
        wide.fields.push(Field::new(&format!("Field_With_A_Long_Name_{at:04}__c"), Type::Text));
    }
    let (outcome, rows) = straight(&w, request(Arc::new(wide))).await;
    assert_eq!(rows, 0);
    let Err(SourceError::Refused { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("16384"), "{reason}");
    let seen = w.t.org.seen();
    assert!(seen.iter().all(|seen| seen.target.len() < 16_384), "none is sent over the limit");
    assert!(seen.iter().all(|seen| !matches!(seen.status, 414 | 431)));
    // Should the org's own count differ from ours, its page of HTML is told readably, at once.
    for status in [414, 431] {
        w.t.org.forget_requests();
        w.t.org.faults().next(Fault::Html(status), On::soql("FROM MessagingSession "), 1);
        let (outcome, _) = straight(&w, request(Arc::clone(&built_in))).await;
        let Err(SourceError::Refused { reason, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(&status.to_string()), "{reason}");
        assert!(reason.contains("too large"), "{reason}");
        assert_eq!(w.asked(Call::QueryAll), 1, "{status}");
    }
}

/// Statements that an org refuses, with code and words.
const MISUSES: &[(&str, &str, &str)] = &[
    ("SELECT WorkItem.StartTime FROM AgentWork", "INVALID_FIELD", "'StartTime' on entity 'Name'"),
    (
        "SELECT Id FROM MessagingSession WHERE AgentMessageCount > 5",
        "INVALID_FIELD",
        "can not be filtered",
    ),
    (
        "SELECT StartTime, COUNT(Id) FROM MessagingSession GROUP BY StartTime",
        "MALFORMED_QUERY",
        "can not be grouped",
    ),
    (
        "SELECT Id FROM MessagingSession ORDER BY PreviewDetails",
        "MALFORMED_QUERY",
        "can not be sorted",
    ),
];

#[tokio::test]
async fn polymorphic_misuse() {
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T10:00:00Z", &[]);
    };
    let w = World::start(SESSIONS, "2026-11-22T12:00:00Z", fill).await;
    w.pull().await;
    let client = Client::of(&w).await;
    for (soql, code, words) in MISUSES {
        let reply = client.query(soql).await;
        assert_eq!((reply.status, reply.code()), (400, *code), "{soql}: {}", reply.body);
        assert!(reply.message().contains(words), "{soql}: {}", reply.message());
        assert!(reply.message().contains("ERROR at Row:1:Column:"), "{}", reply.message());
    }
    let grouped =
        client.bulk("SELECT Status, COUNT(Id) FROM MessagingSession GROUP BY Status").await;
    assert_eq!((grouped.status, grouped.code()), (400, "API_ERROR"), "{}", grouped.body);

    // The same refusals met by a pull: told with their place, and not tried again and again.
    let broken = "\nSELECT Id, PreviewDetails FROM MessagingSession ORDER BY PreviewDetails\n       \
                  ^\nERROR at Row:1:Column:61\nfield 'PreviewDetails' can not be sorted";
    for code in ["MALFORMED_QUERY", "INVALID_FIELD"] {
        let refusal = Fault::Error { status: 400, code, message: broken };
        w.t.org.faults().always(refusal, On::soql("FROM MessagingSession "));
        let before = w.state("MessagingSession");
        w.t.clock.advance(TimeDelta::minutes(6));
        w.t.org.forget_requests();
        w.pull().await;
        let why = w.failure("MessagingSession");
        for part in ["refuses us", code, "ERROR at Row:1:Column:61", "can not be sorted"] {
            assert!(why.contains(part), "`{part}` not in `{why}`");
        }
        assert_eq!(w.asked(Call::QueryAll), 1, "{code}: asked once");
        w.t.advance(TimeDelta::minutes(60)).await;
        assert!(w.asked(Call::QueryAll) <= 18, "{code}: {}", w.asked(Call::QueryAll));
        let after = w.state("MessagingSession");
        assert_eq!((after.records, after.watermark), (before.records, before.watermark), "{code}");
        w.t.org.faults().clear();
        w.t.advance(TimeDelta::minutes(10)).await;
        assert_eq!(w.state("MessagingSession").failure, None, "{code}: it passes");
    }
}

#[tokio::test]
async fn a_value_nobody_knows_in_a_restricted_picklist_is_empty_in_an_org() {
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T10:00:00Z", &[("Origin", Value::Pick("Help"))]);
    };
    let w = World::start(SESSIONS, "2026-11-22T12:00:00Z", fill).await;
    let client = Client::of(&w).await;
    let status = |value: &str| format!("SELECT Id FROM MessagingSession WHERE Status = '{value}'");
    assert_eq!(client.found(&status("Closed")).await, 0, "legal, and silently nothing");
    assert_eq!(client.found(&status("ended")).await, 1, "whatever the case");
}
