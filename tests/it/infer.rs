//! `source infer` on five differently shaped answers: what it prints is the config, not a letter is
//! changed, and the real binary checks it, pulls it twice and counts the records.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value, json};

use super::harness::HEAD;
use super::harness::process::Folder;

/// Records of every sample.
const RECORDS: u64 = 23;
/// Records of a page, where there are pages.
const PAGE: u64 = 10;

/// The n-th instant, as GitHub and Zendesk write it.
fn stamp(n: u64) -> String {
    at(n).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn at(n: u64) -> DateTime<chrono::Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_500) + TimeDelta::hours(n as i64)
}

/// A list with a `Link` header, as of issues.
fn issue(n: u64) -> Value {
    json!({
        "id": 10_000 + n, "number": n, "title": format!("No. {n}"), "state": "open",
        "user": { "login": "ada", "id": 1 }, "labels": [{ "name": "bug" }], "comments": n % 3,
        "closed_at": null, "created_at": stamp(n), "updated_at": stamp(n + 1),
    })
}

/// An incremental export with a cursor and its end.
fn ticket(n: u64) -> Value {
    json!({
        "id": n, "subject": format!("Help {n}"), "status": "open", "priority": null,
        "tags": ["a", "b"], "created_at": stamp(n), "updated_at": stamp(n),
    })
}

/// An object of records by their key, nested deep.
fn agent(n: u64) -> Value {
    json!({ "name": format!("Agent {n}"), "team": { "name": "North", "size": 4 }, "active": n.is_multiple_of(2) })
}

/// A list far inside, whose next page is a relative address.
fn order(n: u64) -> Value {
    json!({ "orderId": format!("A-{n}"), "total": 3.5 * n as f64, "lines": [1, 2], "placed": stamp(n) })
}

/// A bare list with epoch times and nothing that says what changed.
fn call(n: u64) -> Value {
    json!({ "uuid": format!("c{n}"), "started_at": at(n).timestamp(), "duration": n, "ok": true })
}

async fn answer(
    State(address): State<Arc<SocketAddr>>,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let number = |name: &str, default: u64| -> u64 {
        query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let page = number("page", 1);
    let of_page = |from: u64| (from + 1)..=(from + PAGE).min(RECORDS);
    let last = page * PAGE >= RECORDS;
    let list = |page: u64, record: fn(u64) -> Value| -> Vec<Value> {
        of_page((page - 1) * PAGE).map(record).collect()
    };
    let (body, link) = match uri.path() {
        "/repos/acme/shop/issues" => {
            let next = format!("<http://{address}/repos/acme/shop/issues?page={}>", page + 1);
            let link = (!last).then(|| format!("{next}; rel=\"next\""));
            (Value::Array(list(page, issue)), link)
        }
        "/incremental/tickets.json" => {
            let from = number("cursor", 0);
            let next = (from + PAGE).min(RECORDS);
            let tickets: Vec<Value> = of_page(from).map(ticket).collect();
            let end = next == RECORDS;
            (
                json!({ "tickets": tickets, "after_cursor": next.to_string(), "end_of_stream": end }),
                None,
            )
        }
        "/agents" => {
            let agents: Map<String, Value> =
                (1..=RECORDS).map(|n| (format!("agent-{n}"), agent(n))).collect();
            (json!({ "agents": agents, "version": 3 }), None)
        }
        "/orders" => {
            let next = if last { Value::Null } else { json!(format!("/orders?page={}", page + 1)) };
            (json!({ "result": { "items": list(page, order), "next": next } }), None)
        }
        "/calls" => (Value::Array((1..=RECORDS).map(call).collect()), None),
        other => panic!("nobody asks for {other}"),
    };
    let json = ([("content-type", "application/json")], body.to_string());
    match link {
        Some(link) => ([("link", link)], json).into_response(),
        None => json.into_response(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_shapes_are_proposed_so_that_they_load_and_pull_unchanged() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(Arc::new(address));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
    let folder = Folder::new().await;
    let samples = [
        ("/repos/acme/shop/issues", "issues", "link_header"),
        ("/incremental/tickets.json", "tickets", "cursor"),
        ("/agents", "agents", "records = \"/agents\""),
        ("/orders", "orders", "next_url"),
        ("/calls", "calls", "epoch_s"),
    ];
    for (path, dataset, shows) in samples {
        let url = format!("http://{address}{path}");
        folder.write(HEAD);
        let block = folder.done(&["source", "infer", &url, "--source", "api", "--name", dataset]);
        assert!(block.contains(shows), "{block}");
        let report = format!(
            "\n[reports]\nall = {{ type = \"{dataset}\", columns = [\"count() as Records\"] }}\n"
        );
        folder.write(&format!("{HEAD}{block}{report}"));
        folder.done(&["check"]);
        for round in ["the first pull", "the next"] {
            let said = folder.done(&["pull", dataset]);
            assert!(said.starts_with(&format!("{dataset}: ")), "{round}: {said}");
        }
        let db = rusqlite::Connection::open(folder.path("state/records.db")).unwrap();
        let count = format!("SELECT count(*) FROM {dataset} WHERE _deleted = 0");
        let count: i64 = db.query_row(&count, [], |row| row.get(0)).unwrap();
        assert_eq!(count, RECORDS as i64, "{dataset}: {block}");
        std::fs::remove_dir_all(folder.path("state")).unwrap();
    }
}
