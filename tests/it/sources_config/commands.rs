//! `check --online`, `source test` and `source infer` through the real binary, against an org and
//! a small JSON API.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::HEAD;
use crate::harness::process::Folder;
use crate::harness::records::{channel, ended};

/// A helpdesk with five tickets, two a page, for those who know the token.
struct Desk {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Desk {
    async fn open() -> Desk {
        let asked = Arc::new(AtomicUsize::new(0));
        let router =
            Router::new().route("/api/v2/tickets", get(tickets)).with_state(Arc::clone(&asked));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving =
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap_or_default() });
        Desk { address, asked, serving }
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    /// The source and its dataset, with this line for the owner's field.
    fn config(&self, owner: &str) -> String {
        format!(
            "{HEAD}
[sources.desk]
kind = \"rest\"
base_url = \"http://{}/api\"
auth = {{ bearer = \"env:DESK_TOKEN\" }}

[datasets.tickets]
source = \"desk\"
path = \"/v2/tickets\"
records = \"/data\"
paging = {{ next_url = \"/links/next\" }}
key = \"id\"
created = \"opened\"
fields = {{ id = \"integer\", state = \"text\", opened = \"/opened timestamp\", owner = \"{owner}\" }}

[reports.tickets]
type = \"tickets\"
columns = [\"count(tickets.owner) as Owned\", \"count() filter (where tickets.state = 'open') as Open\"]
",
            self.address
        )
    }
}

async fn tickets(
    State(asked): State<Arc<AtomicUsize>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    asked.fetch_add(1, Ordering::SeqCst);
    if headers.get("authorization").is_none_or(|value| value != "Bearer swordfish") {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "no" }))).into_response();
    }
    let page: usize = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let ticket = |number: usize| {
        json!({
            "id": number,
            "state": if number.is_multiple_of(2) { "open" } else { "done" },
            "opened": format!("2026-03-0{number}T10:00:00Z"),
            "owner": { "name": format!("Agent {number}") },
        })
    };
    let data: Vec<Value> = (2 * page - 1..=(2 * page).min(5)).map(ticket).collect();
    let next = (page < 3).then(|| format!("/api/v2/tickets?page={}", page + 1));
    Json(json!({ "data": data, "links": { "next": next } })).into_response()
}

async fn folder() -> (Folder, Desk) {
    let mut folder = Folder::new().await;
    folder.variables.push(("DESK_TOKEN".to_owned(), "swordfish".to_owned()));
    let web = channel(&folder.org, "Web");
    for days in [3, 4] {
        ended(&folder.org, &web, &folder.ago(TimeDelta::days(days)), &[]);
    }
    (folder, Desk::open().await)
}

fn said(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_records_of_an_api_are_shown_and_nothing_is_stored() {
    let (folder, desk) = folder().await;
    folder.write(&desk.config("/owner/name text"));
    let (code, out, err) = said(&folder.run(&["source", "test", "tickets"]));
    assert_eq!(code, Some(0), "{err}");
    insta::assert_snapshot!(out);
    assert_eq!(desk.asked(), 3);

    let out = folder.done(&["source", "test", "tickets", "--rows", "2", "--json"]);
    let facts: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(facts["rows"].as_array().map(Vec::len), Some(2), "{facts}");
    assert_eq!(facts["rows"][0]["owner"], "Agent 1");
    assert_eq!(facts["types"]["opened"], "timestamp");
    assert_eq!(facts["all"], false);
    // It stops when it has enough; a page may have been on its way.
    assert!(desk.asked() <= 2);
    assert!(!folder.path("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_nowhere_is_seen_in_the_first_records() {
    let (folder, desk) = folder().await;
    folder.write(&desk.config("/agent/name text").replace("\"integer\"", "\"boolean\""));
    let (code, _, err) = said(&folder.run(&["source", "test", "tickets"]));
    assert_eq!(code, Some(2), "a boolean is no key: {err}");
    folder.write(&desk.config("/agent/name text"));
    let (code, out, err) = said(&folder.run(&["source", "test", "tickets"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("5 records, all there are"), "{out}");
    assert!(err.contains("owner is empty in every record"), "{err}");

    let (code, _, err) = said(&folder.run(&["source", "test", "ticket"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("no dataset is called `ticket`"), "{err}");
    let (_, _, err) = said(&folder.run(&["source", "test", "desk"]));
    assert!(err.contains("`desk` is a source; its datasets are tickets"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_records_of_an_object_are_shown_one_by_one_where_they_are_wide() {
    let (folder, desk) = folder().await;
    folder.write(&desk.config("/owner/name text"));
    let (code, out, err) = said(&folder.run(&["source", "test", "MessagingSession"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("record 2") && out.contains("2 records, all there are"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("Id ") && line.contains("text key")), "{out}");
    assert!(!folder.path("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_agree_with_the_config_are_told_so() {
    let (folder, desk) = folder().await;
    let report = "[reports.sessions]\ntype = \"MessagingSession\"\ncolumns = [\"count() as Sessions\"]\nwhere = \"MessagingSession.Status = 'Ended'\"\n";
    folder.write(&format!("{}{report}", desk.config("/owner/name text")));
    let (code, out, err) = said(&folder.run(&["check", "--online"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("is right: 2 reports"), "{out}");
    assert!(out.contains("MessagingSession  2 records, as the config says"), "{out}");
    assert!(out.contains("daily requests used"), "{out}");
    assert!(out.contains("tickets  5 records, as the config says"), "{out}");
    let facts: Value =
        serde_json::from_str(&folder.done(&["check", "--online", "--json"])).unwrap();
    assert_eq!(facts["online"][0]["source"], "desk", "{facts}");
    assert_eq!(facts["online"][1]["datasets"][0]["differences"], json!([]));
    assert!(!folder.path("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_does_not_show_is_told_with_who_reads_it() {
    let (folder, desk) = folder().await;
    let report = "[reports.ended]\ntype = \"MessagingSession\"\ngroup_by = [\"MessagingSession.EndedByType as Who\"]\ncolumns = [\"count() as Sessions\"]\n";
    folder.write(&format!("{}{report}", desk.config("/agent/name text")));
    folder.org.faults().hide_field("MessagingSession", "EndedByType");
    folder.org.faults().hide_field("MessagingSession", "Origin");
    let (code, out, err) = said(&folder.run(&["check", "--online"]));
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(
        out.contains("the source does not show us `EndedByType`: read by report `ended`"),
        "{out}"
    );
    assert!(out.contains("the source does not show us `Origin`: nobody reads it"), "{out}");
    assert!(
        out.contains(
            "the source does not show us `owner` (`/agent/name`): read by report `tickets`"
        ),
        "{out}"
    );
    assert!(err.contains("2 troubles with the sources"), "{err}");
    let (code, out, _) = said(&folder.run(&["check", "--online", "--json"]));
    assert_eq!(code, Some(1));
    let facts: Value = serde_json::from_str(&out).unwrap();
    let told = &facts["online"][0]["datasets"][0]["differences"][0];
    assert_eq!(told["readers"], json!(["report `tickets`"]), "{facts}");
    // Offline nothing of it can be known.
    assert_eq!(folder.run(&["check"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_refuses_us_is_told_without_its_secrets() {
    let (mut folder, desk) = folder().await;
    folder.write(&desk.config("/owner/name text"));
    for (name, value) in &mut folder.variables {
        if name == "DESK_TOKEN" {
            "hunter2".clone_into(value);
        }
    }
    let (code, out, err) = said(&folder.run(&["check", "--online"]));
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("source `desk` refuses us"), "{out}");
    assert!(out.contains("as the config says"), "the org is asked all the same: {out}");
    assert!(!out.contains("hunter2") && !err.contains("hunter2"));
    folder.variables.retain(|(name, _)| name != "DESK_TOKEN");
    let (code, _, err) = said(&folder.run(&["check", "--online"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("`DESK_TOKEN` is not set"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_for_an_address_loads_and_pulls_as_it_stands() {
    let (folder, desk) = folder().await;
    let address = format!("http://{}/api/v2/tickets", desk.address);
    let header = ["--header", "Authorization: Bearer swordfish"];
    let infer = ["source", "infer", &address, "--source", "desk", header[0], header[1]];
    let block = folder.done(&infer);
    assert!(block.contains("[sources.desk]") && block.contains("[datasets.tickets]"), "{block}");
    assert!(!block.contains("swordfish"), "{block}");
    // What the block names instead of the token is set here.
    let variable = block.split("env:").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let mut folder = folder;
    let value = match block.contains("bearer") {
        true => "swordfish",
        false => "Bearer swordfish",
    };
    folder.variables.push((variable.to_owned(), value.to_owned()));
    folder.write(&format!("{HEAD}{block}"));
    let facts: Value =
        serde_json::from_str(&folder.done(&["source", "test", "tickets", "--json"])).unwrap();
    assert_eq!(facts["rows"].as_array().map(Vec::len), Some(5), "{block}\n{facts}");
    assert_eq!((&facts["empty"], &facts["misfits"]), (&json!([]), &json!(0)), "{facts}");

    // A further dataset of a source that the config has.
    folder.write(&desk.config("/owner/name text"));
    let block = folder.done(&["source", "infer", "desk:/v2/tickets", "--name", "again"]);
    assert!(block.starts_with("[datasets.again]") && !block.contains("[sources"), "{block}");
    folder.write(&format!("{}{block}", desk.config("/owner/name text")));
    assert!(folder.done(&["source", "test", "again"]).contains("5 records, all there are"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_for_an_object_loads_and_pulls_as_it_stands() {
    let (folder, desk) = folder().await;
    let config = desk.config("/owner/name text");
    folder.write(&config);
    let block = folder.done(&["source", "infer", "salesforce:Account", "--name", "Customer"]);
    assert!(block.contains("[datasets.Customer]\nsource = \"salesforce\""), "{block}");
    assert!(block.contains("object = \"Account\""), "{block}");
    folder.write(&format!("{config}{block}"));
    folder.done(&["check"]);
    folder.done(&["source", "test", "Customer"]);

    let (code, _, err) = said(&folder.run(&["source", "infer", "salesforce"]));
    assert_eq!(code, Some(1));
    assert!(
        err.contains("of which object? write e.g. `postrider source infer salesforce:Case`"),
        "{err}"
    );
    let (code, _, err) = said(&folder.run(&["source", "infer", "salesforce:Nothing"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("`Nothing`"), "{err}");
    let (code, _, err) = said(&folder.run(&["source", "infer", "shop:Case"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("no source is called `shop`; there are desk, salesforce"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn help_teaches_with_examples() {
    let (folder, _desk) = folder().await;
    let commands =
        [&["check"][..], &["source"], &["source", "test"], &["source", "infer"], &["demo"]];
    let help: Vec<String> =
        commands.iter().map(|command| folder.done(&[command, &["--help"][..]].concat())).collect();
    insta::assert_snapshot!(help.join("\n----------\n"));
}
