//! Secrets stay secret: whatever happens, none of them is in a log, a mail, a webhook, a file of the
//! state or anything a command says.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postrider::config::{self, Given, Mode};
use postrider::demo::catcher::Answer;
use postrider::demo::inbox::{Act, InboxSettings, Stage};
use postrider::demo::org::{CLIENT_ID, Call, Fault, On, Org, Settings, Value};

use crate::harness::canaries;
use crate::harness::process::Folder;
use crate::harness::records::{channel, ended, session};
use crate::harness::{HEAD, HOOK_SECRET, Letter, PATIENCE, TRAFFIC};

const CLIENT_SECRET: &str = "canaryClientSecret7301";
const PASSWORD: &str = "canaryPassword7302";
const URL_TOKEN: &str = "canaryUrlToken7303";

const REST: &str = r#"
[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 60"]]

[[routes]]
to = ["ops-mail", "ops-hook"]

[digests.often]
reports = ["traffic"]
schedule = "*/2 * * * *"
to = ["ana@example.com", "ben@example.com", "ops-hook"]
"#;

/// Every secret, as it is and as it travels.
fn secrets() -> Vec<String> {
    let plain = format!("\0postrider\0{PASSWORD}");
    vec![
        CLIENT_SECRET.to_owned(),
        PASSWORD.to_owned(),
        STANDARD.encode(PASSWORD),
        STANDARD.encode(plain),
        URL_TOKEN.to_owned(),
        HOOK_SECRET.to_owned(),
        HOOK_SECRET.trim_start_matches("whsec_").to_owned(),
    ]
}

#[track_caller]
fn clean(what: &str, text: &str) {
    canaries::clean(what, text, secrets().iter().map(String::as_str));
}

/// A trial of two dozen minutes on a clock sixty times as fast, with everything failing once.
async fn troubled() -> Folder {
    let trial = crate::harness::process::Trial::new("2026-11-23T09:00:00Z", 60);
    let settings = Settings { client_secret: CLIENT_SECRET.to_owned(), ..Settings::default() };
    let org = Org::with(settings, trial.clock());
    let account = Some(("postrider".to_owned(), PASSWORD.to_owned()));
    let inbox = InboxSettings { account, ..InboxSettings::default() };
    let mut folder = Folder::over(org, inbox, trial.clock(), Some(trial.argument())).await;
    let url = format!("{}/{URL_TOKEN}", folder.catcher.url());
    for (name, value) in
        [("SF_SECRET", CLIENT_SECRET), ("HOOK_URL", &url), ("SMTP_PASSWORD", PASSWORD)]
    {
        folder.variables.retain(|(known, _)| known != name);
        folder.variables.push((name.to_owned(), value.to_owned()));
    }
    let login = "from = \"Postrider <reports@example.com>\"\nusername = \"postrider\"\n\
                 password = \"env:SMTP_PASSWORD\"";
    let head = HEAD.replace("from = \"Postrider <reports@example.com>\"", login);
    folder.write(&format!("{head}{TRAFFIC}{REST}"));
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_itself_anywhere_while_everything_fails_and_works() {
    let folder = troubled().await;
    let web = channel(&folder.org, "Web");
    ended(&folder.org, &web, "2026-11-22T12:00:00Z", &[]);
    let waiting = [("Status", Value::Pick("Waiting"))];
    session(&folder.org, &web, "2026-11-23T08:50:00Z", &waiting);
    // Far sides that repeat what they were told.
    let echo = Fault::Error { status: 400, code: "invalid_client", message: CLIENT_SECRET };
    folder.org.faults().next(echo, On::call(Call::Token), 1);
    let echo = Fault::Error { status: 500, code: "UNKNOWN_EXCEPTION", message: CLIENT_SECRET };
    folder.org.faults().next(echo, On::any(), 2);
    let echo = format!("535 5.7.8 no such login: postrider {PASSWORD}");
    folder.inbox.misbehave(Stage::Auth, Act::Answer(echo), 2);
    folder.catcher.answer(Answer::Status {
        status: 401,
        headers: Vec::new(),
        body: format!("nobody is at /hook/{URL_TOKEN} with {HOOK_SECRET}"),
    });
    folder.catcher.answer(Answer::Close);

    let mut daemon = folder.daemon(&["--log", "trace"]);
    daemon.says("postrider runs", 1).await;
    // Two digests and the alert, after all that trouble.
    tokio::time::timeout(PATIENCE, folder.inbox.wait_for(6)).await.expect("mails");
    tokio::time::timeout(PATIENCE, folder.catcher.wait_for(5)).await.expect("webhooks");
    let mut said = String::new();
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["outbox", "list"],
        &["outbox", "list", "--json"],
        &["check", "--json"],
        &["plan"],
        &["preview", "often", "--format", "eml"],
    ] {
        let output = folder.run(command);
        said += &String::from_utf8_lossy(&output.stdout);
        said += &String::from_utf8_lossy(&output.stderr);
    }
    for id in 1..=12 {
        let output = folder.run(&["outbox", "show", &id.to_string(), "--json"]);
        said += &String::from_utf8_lossy(&output.stdout);
    }
    clean("what commands say", &said);
    assert!(said.contains("535") && said.contains("401"), "the troubles are told: {said}");
    let refused = folder.run(&["run", "--log", "trace"]);
    clean("a second daemon", &String::from_utf8_lossy(&refused.stderr));

    daemon.signal("HUP");
    daemon.says("config reloaded", 1).await;
    let log = daemon.log();
    assert_eq!(daemon.stop().await.code(), Some(0));
    clean("the log", &log.join("\n"));
    for mail in folder.inbox.mails() {
        let letter = Letter::read(&mail);
        clean("a mail", &format!("{}\n{}\n{}", letter.subject, letter.text, letter.html));
        clean("a mail's bytes", &String::from_utf8_lossy(&mail.bytes));
    }
    for hook in folder.catcher.hooks() {
        clean("a webhook", &String::from_utf8_lossy(&hook.body));
        let headers: Vec<String> =
            hook.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        clean("a webhook's headers", &headers.join("\n"));
    }
    let mut state = BTreeMap::new();
    canaries::files(&folder.path("state"), &mut state);
    assert!(state.keys().any(|name| name.ends_with("state.db")), "{:?}", state.keys());
    for (name, text) in state {
        clean(&name, &text);
    }
}

#[test]
fn a_config_does_not_show_its_secrets_and_neither_do_its_problems() {
    let mut env = Given::default();
    for (name, value) in [
        ("SF_ID", CLIENT_ID),
        ("SF_SECRET", CLIENT_SECRET),
        ("HOOK_URL", &format!("https://hooks.example.com/{URL_TOKEN}")),
        ("HOOK_SECRET", HOOK_SECRET),
        ("SMTP_PASSWORD", PASSWORD),
    ] {
        env.variables.insert(name.into(), value.into());
    }
    let login = "from = \"Postrider <reports@example.com>\"\nusername = \"postrider\"\n\
                 password = \"env:SMTP_PASSWORD\"";
    let head = HEAD.replace("from = \"Postrider <reports@example.com>\"", login);
    let text = format!("{head}{TRAFFIC}{REST}");
    let read = |text: &str| config::load_text("c.toml", text, Path::new("."), &env, Mode::Run);
    let (config, notes) = read(&text).unwrap_or_else(|problems| panic!("{problems}"));
    clean("a config", &format!("{config:?}{config:#?}"));
    clean("notes", &format!("{notes:?}"));
    // Secrets in the wrong place, and mistakes around them.
    for (reference, value) in [
        ("env:SMTP_PASSWORD", PASSWORD),
        ("env:SF_SECRET", CLIENT_SECRET),
        ("env:HOOK_SECRET", HOOK_SECRET),
        ("env:HOOK_URL", &format!("https://hooks.example.com/{URL_TOKEN}")),
    ] {
        let wrong = text.replace(reference, value);
        let problems = read(&wrong).unwrap_err();
        clean("problems", &format!("{problems}\n{problems:?}"));
        clean("problems as JSON", &serde_json::to_string(&problems).unwrap());
    }
}
