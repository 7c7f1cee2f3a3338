//! No key and no address of a receiver shows itself anywhere, while everything fails and works.

use std::collections::BTreeMap;

use postrider::demo::catcher::Answer;
use postrider::demo::inbox::InboxSettings;
use postrider::demo::org::{Org, Settings, Value};

use crate::alerts::TYPES;
use crate::harness::canaries;
use crate::harness::process::{Folder, Trial};
use crate::harness::records::{channel, session};
use crate::harness::{HEAD, PATIENCE};

const TOKEN: &str = "123456789:canaryToken7401canaryToken";
const KEY: &str = "canaryKey7402canaryKey7402canary";
const PATH: &str = "canaryPath7403";
const PASSWORD: &str = "canaryPassword7404";
const HEADER: &str = "canaryHeader7405";

const CONFIG: &str = r#"
[receivers.chat]
kind = "slack"
url = "env:CHAT_URL"
[receivers.teams]
kind = "teams"
url = "env:CHAT_URL"
[receivers.discord]
kind = "discord"
url = "env:CHAT_URL"
[receivers.telegram]
kind = "telegram"
token = "env:TOKEN"
chat = "-100123"
url = "env:BASE_URL"
[receivers.duty]
kind = "pagerduty"
key = "env:KEY"
url = "env:BASE_URL"
[receivers.inside]
kind = "alertmanager"
url = "env:BASE_URL"
username = "ada"
password = "env:PASSWORD"
[receivers.desk]
kind = "webhook"
url = "env:CHAT_URL"
secrets = ["env:HOOK_SECRET"]
headers = { X-Api-Key = "env:HEADER" }

[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 60"]]

[[routes]]
to = ["chat", "teams", "discord", "telegram", "duty", "inside", "desk"]
"#;

#[track_caller]
fn clean(what: &str, text: &str) {
    let secrets = [TOKEN, KEY, PATH, PASSWORD, HEADER, "YWRhOmNhbmFyeVBhc3N3b3Jk"];
    canaries::clean(what, text, secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_addresses_are_in_no_log_no_command_and_no_file() {
    let trial = Trial::new("2026-11-23T09:00:00Z", 60);
    let org = Org::with(Settings::default(), trial.clock());
    let inbox = InboxSettings::default();
    let mut folder = Folder::over(org, inbox, trial.clock(), Some(trial.argument())).await;
    let base = folder.catcher.url();
    let chat = format!("{base}/{PATH}?sig={PATH}");
    for (name, value) in [
        ("CHAT_URL", chat.as_str()),
        ("BASE_URL", &base),
        ("TOKEN", TOKEN),
        ("KEY", KEY),
        ("PASSWORD", PASSWORD),
        ("HEADER", HEADER),
    ] {
        folder.variables.push((name.to_owned(), value.to_owned()));
    }
    folder.write(&format!("{HEAD}{TYPES}{CONFIG}"));
    let web = channel(&folder.org, "Web");
    session(&folder.org, &web, "2026-11-23T08:50:00Z", &[("Status", Value::Pick("Waiting"))]);
    // Far sides that repeat what they were told.
    for status in [400, 401, 404, 429, 500, 503] {
        let body = format!("{TOKEN} {KEY} {PATH} {PASSWORD} {HEADER}");
        folder.catcher.answer(Answer::Status { status, headers: Vec::new(), body });
    }
    folder.catcher.answer(Answer::Close);

    let mut daemon = folder.daemon(&["--log", "trace"]);
    daemon.says("postrider runs", 1).await;
    tokio::time::timeout(PATIENCE, folder.catcher.wait_for(11)).await.expect("webhooks");
    let mut said = String::new();
    for command in [
        &["status"][..],
        &["outbox", "list", "--json"],
        &["receiver", "list"],
        &["receiver", "test", "duty"],
        &["check", "--json"],
    ] {
        let output = folder.run(command);
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    for id in 1..=8 {
        let output = folder.run(&["outbox", "show", &id.to_string(), "--json"]);
        said += &String::from_utf8_lossy(&output.stdout);
    }
    clean("what commands say", &said);
    assert!(said.contains("withheld"), "the troubles are told: {said}");
    let log = daemon.log();
    assert_eq!(daemon.stop().await.code(), Some(0));
    clean("the log", &log.join("\n"));
    let hooks = folder.catcher.hooks();
    let keys = hooks.iter().filter(|hook| hook.json()["routing_key"] == KEY).count();
    assert!(keys > 0, "the key is sent");
    let mut state = BTreeMap::new();
    canaries::files(&folder.path("state"), &mut state);
    assert!(state.keys().any(|name| name.ends_with("state.db")), "{:?}", state.keys());
    for (name, text) in state {
        clean(&name, &text);
    }
}
