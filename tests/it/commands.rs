//! The command line as people and scripts use it: exit codes, JSON, and all of it beside a daemon.

use chrono::TimeDelta;
use postrider::demo::org::{Call, Fault, On};
use serde_json::Value as Json;

use crate::harness::process::Folder;
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, Letter, PATIENCE, TRAFFIC, TestPostrider};

const DAILY: &str = r#"
[digests.daily]
subject = "Traffic of {{ date }}"
reports = ["traffic"]
schedule = "0 8 * * *"
to = ["ana@example.com", "ben@example.com", "ops-hook"]
"#;

fn config() -> String {
    format!("{HEAD}{TRAFFIC}{DAILY}")
        .replace("yesterday", "all time")
        .replace("date = \"session.StartTime\"\n", "")
}

/// A folder with a config; an org with three sessions of some days ago.
async fn folder() -> Folder {
    let folder = Folder::new().await;
    let (web, text) = (channel(&folder.org, "Web"), channel(&folder.org, "Text"));
    for (channel, days) in [(&web, 3), (&web, 4), (&text, 5)] {
        ended(&folder.org, channel, &folder.ago(TimeDelta::days(days)), &[]);
    }
    folder.write(&config());
    folder
}

#[track_caller]
fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

fn said(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_right_or_every_mistake_by_exit_code_and_json() {
    let folder = folder().await;
    let out = folder.done(&["check"]);
    assert!(out.contains("config.toml is right: 1 report, 1 digest, 0 rules"), "{out}");
    assert_eq!(json(&folder.done(&["check", "--json"]))["problems"], serde_json::json!([]));

    folder.write(&config().replace("count()", "cnt()").replace("\"0 8 * * *\"", "\"0 25 * * *\""));
    let (code, out, err) = said(&folder.run(&["check"]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("cnt") && err.contains("0 25 * * *") && err.contains("2 problems"),
        "{err}"
    );
    let (code, out, _) = said(&folder.run(&["check", "--json"]));
    assert_eq!(code, Some(2));
    let problems = &json(&out)["problems"];
    assert_eq!(problems.as_array().map(Vec::len), Some(2), "{problems}");
    assert!(problems[0]["place"]["line"].as_u64().is_some_and(|line| line > 20), "{problems}");

    for arguments in [&["check", "-c", "none.toml"][..], &["check", "--nonsense"], &["nonsense"]] {
        assert_eq!(folder.run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_a_note_for_check_and_the_end_for_run() {
    let mut folder = folder().await;
    folder.variables.retain(|(name, _)| name != "SF_SECRET");
    let (code, _, err) = said(&folder.run(&["check"]));
    assert_eq!(code, Some(0));
    assert!(err.contains("`SF_SECRET` is not set"), "{err}");
    for command in [&["run"][..], &["pull"], &["send", "daily"]] {
        let (code, _, err) = said(&folder.run(command));
        assert_eq!(code, Some(2), "{command:?}: {err}");
        assert!(err.contains("`SF_SECRET` is not set"), "{command:?}: {err}");
    }
    // What only looks needs no secrets.
    for command in [&["plan"][..], &["status"], &["outbox", "list"]] {
        folder.done(command);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pull_preview_send_and_look() {
    let folder = folder().await;
    let (code, out, _) = said(&folder.run(&["preview", "daily", "--format", "text"]));
    assert_eq!(code, Some(0));
    assert!(out.contains("still being loaded"), "before a pull nothing is known: {out}");

    let out = folder.done(&["pull"]);
    assert!(out.contains("MessagingSession: 3 records"), "{out}");
    assert!(folder.done(&["pull", "MessagingChannel"]).contains("2 records"));
    let (code, _, err) = said(&folder.run(&["pull", "Messages"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("MessagingSession"), "it names those there are: {err}");

    let text = folder.done(&["preview", "daily", "--format", "text"]);
    assert!(text.contains("Total") && text.contains('3'), "{text}");
    folder.done(&["preview", "daily", "-o", "daily.html"]);
    let html = std::fs::read_to_string(folder.path("daily.html")).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>"));
    let body = json(&folder.done(&["preview", "traffic", "--format", "json"]));
    assert_eq!(body["data"]["reports"][0]["table"]["total"][1], 3);
    assert!(
        folder.done(&["preview", "daily", "--format", "eml"]).contains("To: <ana@example.com>")
    );
    let (code, _, err) = said(&folder.run(&["preview", "dayly"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("daily, traffic"), "{err}");
    assert_eq!(folder.inbox.connections(), 0, "a preview speaks to nobody");

    let out = folder.done(&["send", "daily", "--only", "me@example.com"]);
    assert!(out.contains("delivered") && out.contains("me@example.com"), "{out}");
    assert_eq!((folder.inbox.received(), folder.catcher.received()), (1, 0));
    assert_eq!(Letter::read(&folder.inbox.mails()[0]).to, "me@example.com");
    folder.done(&["send", "daily"]);
    assert_eq!((folder.inbox.received(), folder.catcher.received()), (3, 1));

    let rows = json(&folder.done(&["outbox", "list", "--json"]));
    assert_eq!(rows.as_array().map(Vec::len), Some(4), "{rows}");
    assert!(rows.as_array().unwrap().iter().all(|row| row["state"] == "delivered"), "{rows}");
    let id = rows[0]["id"].to_string();
    let shown = json(&folder.done(&["outbox", "show", &id, "--json"]));
    assert_eq!(shown["tries"][0]["outcome"], "delivered");
    assert_eq!(folder.run(&["outbox", "retry", &id]).status.code(), Some(1), "it has arrived");
    assert_eq!(folder.run(&["outbox", "show", "999"]).status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_a_failed_send_that_can_be_retried() {
    let folder = folder().await;
    folder.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    let (code, out, err) = said(&folder.run(&["send", "daily"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("no such user"), "{out}");
    assert!(err.contains("1 of 3 messages are not delivered"), "{err}");
    let rejected = json(&folder.done(&["outbox", "list", "--state", "rejected", "--json"]));
    assert_eq!(rejected.as_array().map(Vec::len), Some(1));
    assert!(folder.done(&["outbox", "retry", "--state", "rejected"]).contains("1 due now"));
    let pending = json(&folder.done(&["outbox", "list", "--state", "pending", "--json"]));
    let waiting: Vec<&str> =
        pending.as_array().unwrap().iter().filter_map(|row| row["to"].as_str()).collect();
    assert!(waiting.contains(&"ben@example.com"), "{waiting:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_version_answer_without_anything_there() {
    let folder = folder().await;
    let slots = json(&folder.done(&["plan", "--days", "7", "--json"]));
    assert_eq!(slots.as_array().map(Vec::len), Some(7), "{slots}");
    assert_eq!(slots[0]["digest"], "daily");
    assert!(folder.done(&["plan"]).contains("Europe/Berlin"));
    assert_eq!(folder.run(&["plan", "--days", "0"]).status.code(), Some(2));
    let version = json(&folder.done(&["version", "--json"]));
    assert_eq!(version["postrider"], env!("CARGO_PKG_VERSION"));
    assert!(version["time_zones"].as_str().is_some_and(|zones| zones >= "2025"), "{version}");
    let status = json(&folder.done(&["status", "--json"]));
    assert_eq!(status["daemon"], "not running");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_beside_a_running_daemon() {
    let folder = folder().await;
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider runs", 1).await;
    let ready = async {
        loop {
            let status = json(&folder.done(&["status", "--json"]));
            let datasets = status["datasets"].as_array().cloned().unwrap_or_default();
            let ready = datasets.iter().filter(|dataset| dataset["ready"] == true).count();
            if status["daemon"] == "running" && ready >= 2 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("the daemon pulls");
    for command in [
        &["check"][..],
        &["plan", "--json"],
        &["status"],
        &["outbox", "list", "--json"],
        &["preview", "daily"],
        &["pull", "MessagingChannel"],
        &["version"],
    ] {
        folder.done(command);
    }
    let out = folder.done(&["send", "daily", "--only", "me@example.com"]);
    assert!(out.contains("delivered"), "{out}");
    assert_eq!(folder.inbox.received(), 1);

    let (code, _, err) = said(&folder.run(&["run"]));
    assert_eq!(code, Some(75));
    assert!(err.contains("one state folder serves one daemon"), "{err}");
    assert_eq!(json(&folder.done(&["status", "--json"]))["daemon"], "running");
    assert_eq!(daemon.stop().await.code(), Some(0));
    assert_eq!(json(&folder.done(&["status", "--json"]))["daemon"], "not running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_beside_the_daemons_own_first_load_leaves_the_right_records() {
    let folder = folder().await;
    // One record a page, and the daemon's second page takes its time.
    folder.org.faults().next(Fault::Page(1), On::soql("FROM MessagingSession "), 1);
    let slow = Fault::Slow(std::time::Duration::from_secs(4));
    folder.org.faults().next(slow, On::call(Call::QueryMore), 1);
    let mut daemon = folder.daemon(&["--log", "postrider=debug"]);
    daemon.says("postrider runs", 1).await;
    let loading = async {
        while folder.org.requests_of(Call::QueryMore) == 0 && folder.org.faults().waiting() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, loading).await.expect("the daemon loads");
    let beside = said(&folder.run(&["pull", "MessagingSession"]));
    daemon.says("dataset=\"MessagingSession\" records=", 1).await;
    let text = folder.done(&["preview", "daily", "--format", "text"]);
    assert!(text.contains("Total"), "{beside:?}\n{text}\n{}", daemon.log().join("\n"));
    let body = json(&folder.done(&["preview", "traffic", "--format", "json"]));
    let total = &body["data"]["reports"][0]["table"]["total"][1];
    assert_eq!(total, 3, "{beside:?}\n{}", daemon.log().join("\n"));
    assert_eq!(daemon.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn help_says_what_there_is() {
    let folder = folder().await;
    insta::assert_snapshot!("help", folder.done(&["--help"]));
    let mut all = String::new();
    for command in ["run", "check", "demo", "preview", "send", "pull", "plan", "status", "outbox"] {
        all += &format!("=== {command}\n{}\n", folder.done(&[command, "--help"]));
    }
    insta::assert_snapshot!("help-of-commands", all);
}

#[tokio::test]
async fn a_preview_of_a_past_slot_does_not_call_itself_late() {
    let daily = format!("{HEAD}{TRAFFIC}{DAILY}");
    let fill = |org: &postrider::demo::org::Org| {
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T12:00:00Z", &[]);
    };
    let t = TestPostrider::start(&daily, "2026-11-23T06:58:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T07:00:00Z").await;
    let sent = t.letters_to("ana@example.com").remove(0);
    t.clock.set(crate::harness::utc("2026-11-23T19:00:00Z"));
    let slot = crate::harness::utc("2026-11-23T07:00:00Z");
    let plant = t.app.engine().plant();
    let made = t.app.engine().preview(&plant, &plant.digests["daily"], slot).await;
    assert!(sent.html.trim_end() == made.mail.html.trim_end(), "{}", made.mail.html);
}

/// Who only looks needs no secrets: the shipped config, with none of its variables set.
#[test]
fn looking_at_the_shipped_config_needs_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), include_str!("../../config.toml")).unwrap();
    let postrider = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(arguments).current_dir(folder.path()).env_clear();
        said(&command.output().unwrap())
    };
    let (code, slots, errors) = postrider(&["plan", "--days", "14", "--json"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(json(&slots).as_array().unwrap().len() >= 10, "{slots}");
    let (code, status, _) = postrider(&["status", "--json"]);
    assert_eq!((code, json(&status)["daemon"].as_str()), (Some(0), Some("not running")));
    let (code, text, _) = postrider(&["preview", "morning", "--format", "text"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("still being loaded"), "{text}");
    let (code, _, errors) = postrider(&["run"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("OPS_HOOK_URL"), "{errors}");
}
