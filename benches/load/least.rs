//! The least code that loads the org: by REST one page after the other, by Bulk one job an object.
//! Columns and their order are those postrider pulls. No retries, no quota, no place to go on from.

use std::time::{Duration, Instant};

use chrono::DateTime;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::{Value as Json, json};

use super::ground::minimal::{self, create};
use super::{Way, ground};
use postrider::demo::org::{CLIENT_ID, CLIENT_SECRET};

const DATA: &str = "/services/data/v62.0";
const POLL: Duration = Duration::from_millis(200);
const RESULTS: u32 = 100_000;

/// An object and its columns.
const TABLES: [(&str, &[&str]); 2] = [
    ("MessagingSession", minimal::session::COLUMNS),
    ("MessagingSessionMetrics", minimal::metric::COLUMNS),
];

/// Loads both objects.
pub(crate) fn run(url: &str, way: Way) -> anyhow::Result<()> {
    let mut db = Connection::open(ground::fresh("load-loop")?.join("loop.db"))?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let http = reqwest::Client::builder().tcp_nodelay(true).no_proxy().build()?;
    let started = Instant::now();
    let token = runtime.block_on(login(&http, url))?;
    let mut records = 0;
    match way {
        Way::Rest => {
            let fetch = |target: &str| -> anyhow::Result<Vec<u8>> {
                let request = http.get(format!("{url}{target}")).bearer_auth(&token);
                let answer = async { request.send().await?.error_for_status()?.bytes().await };
                Ok(runtime.block_on(answer)?.into())
            };
            let first = |(object, columns): (&str, &[&str])| {
                let soql = format!("{} ORDER BY SystemModstamp, Id", select(object, columns));
                format!("{DATA}/queryAll?q={}", utf8_percent_encode(&soql, NON_ALPHANUMERIC))
            };
            records += minimal::session::read(&mut db, first(TABLES[0]), &fetch)?;
            records += minimal::metric::read(&mut db, first(TABLES[1]), &fetch)?;
        }
        Way::Bulk => {
            for (object, columns) in TABLES {
                let org = Org { http: &http, url, token: &token };
                records += runtime.block_on(org.bulk(&mut db, object, columns))?;
            }
        }
    }
    ground::tell(records, started.elapsed(), Default::default())
}

fn select(object: &str, columns: &[&str]) -> String {
    format!("SELECT {} FROM {object}", columns.join(", "))
}

async fn login(http: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
    ];
    let request = http.post(format!("{url}/services/oauth2/token")).form(&form);
    let body = request.send().await?.error_for_status()?.bytes().await?;
    let answer: Json = serde_json::from_slice(&body)?;
    Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
}

struct Org<'a> {
    http: &'a reqwest::Client,
    url: &'a str,
    token: &'a str,
}

impl Org<'_> {
    async fn bulk(
        &self,
        db: &mut Connection,
        object: &str,
        columns: &[&str],
    ) -> anyhow::Result<u64> {
        let insert = create(db, object, columns)?;
        let jobs = format!("{}{DATA}/jobs/query", self.url);
        let job = json!({ "operation": "queryAll", "query": select(object, columns) });
        let request = self.http.post(&jobs).bearer_auth(self.token);
        let request = request.header("content-type", "application/json").body(job.to_string());
        let made: Json = json_of(request).await?;
        let job = format!("{jobs}/{}", made["id"].as_str().unwrap_or_default());
        while json_of(self.http.get(&job).bearer_auth(self.token)).await?["state"] != "JobComplete"
        {
            tokio::time::sleep(POLL).await;
        }
        let mut records = 0;
        let mut locator = String::new();
        loop {
            let page = format!("{job}/results?maxRecords={RESULTS}{locator}");
            let request = self.http.get(page).bearer_auth(self.token).header("accept", "text/csv");
            let mut answer = request.send().await?.error_for_status()?;
            let next = answer.headers().get("sforce-locator").map(|l| l.to_str()).transpose()?;
            let next = next.filter(|next| *next != "null").map(str::to_owned);
            let mut rows =
                Rows { csv: csv_core::Reader::new(), ends: vec![], text: vec![], row: 0 };
            let transaction = db.transaction()?;
            let mut statement = transaction.prepare_cached(&insert)?;
            while let Some(chunk) = answer.chunk().await? {
                rows.feed(&chunk, columns, &mut |values| statement.execute(values).map(drop))?;
            }
            rows.feed(&[], columns, &mut |values| statement.execute(values).map(drop))?;
            records += rows.row.saturating_sub(1);
            drop(statement);
            transaction.commit()?;
            match next {
                Some(next) => locator = format!("&locator={next}"),
                None => return Ok(records),
            }
        }
    }
}

async fn json_of(request: reqwest::RequestBuilder) -> anyhow::Result<Json> {
    let body = request.send().await?.error_for_status()?.bytes().await?;
    Ok(serde_json::from_slice(&body)?)
}

type Insert<'a> = dyn FnMut(rusqlite::ParamsFromIter<Vec<Value>>) -> rusqlite::Result<()> + 'a;

/// CSV as it comes, to rows.
struct Rows {
    csv: csv_core::Reader,
    ends: Vec<usize>,
    text: Vec<u8>,
    row: u64,
}

impl Rows {
    /// An empty piece is the end.
    fn feed(
        &mut self,
        mut piece: &[u8],
        columns: &[&str],
        insert: &mut Insert<'_>,
    ) -> anyhow::Result<()> {
        let end = piece.is_empty();
        let mut out = [0; 16 * 1024];
        // An empty piece would mean the end to the reader.
        while end || !piece.is_empty() {
            let (result, read, written) = self.csv.read_field(piece, &mut out);
            piece = &piece[read..];
            self.text.extend_from_slice(&out[..written]);
            match result {
                csv_core::ReadFieldResult::Field { record_end } => {
                    self.ends.push(self.text.len());
                    if record_end {
                        self.store(columns, insert)?;
                    }
                }
                csv_core::ReadFieldResult::OutputFull | csv_core::ReadFieldResult::InputEmpty => {}
                csv_core::ReadFieldResult::End => break,
            }
        }
        Ok(())
    }

    fn store(&mut self, columns: &[&str], insert: &mut Insert<'_>) -> anyhow::Result<()> {
        self.row += 1;
        if self.row > 1 {
            let text = std::str::from_utf8(&self.text)?;
            let mut begin = 0;
            let values = self.ends.iter().zip(columns).map(|(&end, column)| {
                let field = &text[std::mem::replace(&mut begin, end)..end];
                value(column, field)
            });
            insert(rusqlite::params_from_iter(values.collect::<Vec<_>>()))?;
        }
        self.text.clear();
        self.ends.clear();
        Ok(())
    }
}

fn value(column: &str, field: &str) -> Value {
    match column {
        _ if field.is_empty() => Value::Null,
        "IsDeleted" => Value::Integer((field == "true").into()),
        "MessagingSessionMetricValue" => field.parse().map_or(Value::Null, Value::Integer),
        _ if column.ends_with("Time")
            || column.ends_with("Date")
            || column.ends_with("Modstamp") =>
        {
            let at = DateTime::parse_from_rfc3339(field);
            at.map_or(Value::Null, |at| Value::Integer(at.timestamp_millis()))
        }
        _ => Value::Text(field.to_owned()),
    }
}
