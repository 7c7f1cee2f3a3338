//! Secrets stay secret: whatever happens, none of them is in a log, a mail, a webhook, a file of the
//! state or anything a command says, as it is or encoded. One config holds a secret in every place
//! that takes one; far sides fail in every way and repeat what they were told; then all works.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use postrider::config::{self, Given, Mode};
use postrider::demo::catcher::{Answer, Hook};
use postrider::demo::inbox::{Act, InboxSettings, Stage};
use postrider::demo::org::{CLIENT_ID, Call, Fault, On, Org, Settings, Value};
use serde_json::json;

use self::table::{ACCESS_TOKEN, LOGINS, RECEIVERS, Secret, Sides};
use crate::harness::canaries;
use crate::harness::process::{Daemon, Folder, Trial};
use crate::harness::records::{channel, ended, session};
use crate::harness::sources::{Api, Reply};
use crate::harness::{Letter, PATIENCE};

mod table;

/// A daemon's world, and what must be nowhere in it.
struct World {
    folder: Folder,
    api: Api,
    sides: Sides,
    secrets: Vec<Secret>,
}

impl World {
    /// A trial of two dozen minutes on a clock sixty times as fast.
    async fn new() -> World {
        let trial = Trial::new("2026-11-23T09:00:00Z", 60);
        let api = Api::start(trial.clock()).await;
        let named = |secrets: &[Secret], name: &str| {
            let found = secrets.iter().find(|secret| secret.variable == name);
            found.expect("a secret").value.clone()
        };
        let some = table::secrets(&Sides { hook: String::new(), api: api.url() });
        let settings = Settings { client_secret: named(&some, "SF_SECRET"), ..Settings::default() };
        let org = Org::with(settings, trial.clock());
        let account = Some(("postrider".to_owned(), named(&some, "SMTP_PASSWORD")));
        let inbox = InboxSettings { account, ..InboxSettings::default() };
        let mut folder = Folder::over(org, inbox, trial.clock(), Some(trial.argument())).await;
        let sides = Sides { hook: folder.catcher.url(), api: api.url() };
        let secrets = table::secrets(&sides);
        for secret in &secrets {
            folder.variables.retain(|(known, _)| known != secret.variable);
            folder.variables.push((secret.variable.to_owned(), secret.value.clone()));
        }
        folder.variables.push(("BASE_URL".to_owned(), folder.catcher.url()));
        // A proxy of the environment is not asked: nothing would arrive.
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            folder.variables.push((name.to_owned(), "http://127.0.0.1:1".to_owned()));
        }
        folder.write(&table::config(&sides));
        World { folder, api, sides, secrets }
    }

    /// Far sides that fail, and repeat what they were told; each of them works later.
    fn trouble(&self) {
        let all: Vec<&str> = self.secrets.iter().map(|secret| secret.value.as_str()).collect();
        let all = all.join(" ");
        let leaked: &'static str = Box::leak(self.secrets[0].canary.clone().into_boxed_str());
        let echo = Fault::Error { status: 400, code: "invalid_client", message: leaked };
        self.folder.org.faults().next(echo, On::call(Call::Token), 1);
        let echo = Fault::Error { status: 500, code: "UNKNOWN_EXCEPTION", message: leaked };
        self.folder.org.faults().next(echo, On::any(), 2);
        // Each repeats what it was told; a server cannot know the others' secrets.
        let password = self.secrets.iter().find(|secret| secret.variable == "SMTP_PASSWORD");
        let echo = format!("535 5.7.8 no such login: postrider {}", password.unwrap().value);
        self.folder.inbox.misbehave(Stage::Auth, Act::Answer(echo), 2);
        for status in [400, 401, 404, 429, 500, 503] {
            let answer = Answer::Status { status, headers: Vec::new(), body: all.clone() };
            self.folder.catcher.answer(answer);
        }
        self.folder.catcher.answer(Answer::Close);
        for (name, _) in LOGINS {
            let (asked, all) = (AtomicUsize::new(0), all.clone());
            let page = json!([{ "id": "1", "minutes": 1 }]);
            self.api.tells(&format!("/{name}"), move |_| {
                match asked.fetch_add(1, Ordering::Relaxed) {
                    0 => Reply::of(500, &all),
                    1 => Reply::of(200, &format!("{{\"{}\": 1}}", all.replace(['\n', '"'], ""))),
                    _ => Reply::json(&page),
                }
            });
        }
        let asked = AtomicUsize::new(0);
        self.api.tells("/token", move |_| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::of(
                400,
                &format!("{{\"error\": \"invalid_client\", \"as\": \"{ACCESS_TOKEN}\"}}"),
            ),
            _ => Reply::json(&json!({
                "access_token": ACCESS_TOKEN, "token_type": "bearer", "expires_in": 3600,
            })),
        });
    }

    #[track_caller]
    fn clean(&self, what: &str, text: &str) {
        let canaries = self.secrets.iter().map(|secret| secret.canary.as_str());
        canaries::clean(what, text, canaries.chain([ACCESS_TOKEN]));
    }

    /// What commands say, on both outputs.
    fn said(&self, commands: &[&[&str]]) -> String {
        let mut said = String::new();
        for command in commands {
            let output = self.folder.run(command);
            for part in [&output.stdout, &output.stderr] {
                let part = String::from_utf8_lossy(part);
                self.clean(&format!("what {command:?} says"), &part);
                said += &part;
            }
        }
        said
    }

    /// Reads the log until everything has worked once.
    async fn until_all_works(&self, daemon: &mut Daemon) {
        daemon.says("postrider runs", 1).await;
        let waiting = async {
            self.folder.inbox.wait_for(14).await;
            self.folder.catcher.wait_for(30).await;
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        let (mails, hooks) = (self.folder.inbox.mails().len(), self.folder.catcher.received());
        assert!(waited.is_ok(), "{mails} mails, {hooks} webhooks\n{}", daemon.log().join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_itself_anywhere_while_everything_fails_and_works() {
    let w = World::new().await;
    let web = channel(&w.folder.org, "Web");
    ended(&w.folder.org, &web, "2026-11-22T12:00:00Z", &[]);
    let waiting = [("Status", Value::Pick("Waiting"))];
    session(&w.folder.org, &web, "2026-11-23T08:50:00Z", &waiting);
    w.trouble();
    let mut daemon = w.folder.daemon(&["--log", "trace"]);
    w.until_all_works(&mut daemon).await;

    let mut said = w.said(&[
        &["status"],
        &["status", "--json"],
        &["outbox", "list"],
        &["outbox", "list", "--json"],
        &["check"],
        &["check", "--json"],
        &["check", "--online"],
        &["plan"],
        &["preview", "often", "--format", "eml"],
        &["explain", "waiting"],
        &["explain", "waiting", "--json"],
        &["incidents"],
        &["ledger"],
        &["runs"],
        &["receiver", "list"],
        &["receiver", "list", "--json"],
        &["rules", "list"],
        &["diff", "config.toml", "config.toml"],
        &["--log", "trace", "pull"],
        &["run", "--log", "trace"],
        &["outbox", "show", "nonsense"],
    ]);
    for name in RECEIVERS {
        said += &w.said(&[&["--log", "trace", "receiver", "test", name]]);
    }
    for (name, _) in LOGINS {
        said += &w.said(&[&["source", "test", &format!("calls_{name}")]]);
    }
    for id in 1..=24 {
        said += &w.said(&[&["outbox", "show", &id.to_string(), "--json"]]);
    }
    for trouble in ["withheld", "token endpoint"] {
        assert!(said.contains(trouble), "`{trouble}` is told: {said}");
    }

    // A config full of mistakes around its secrets, refused by the running daemon and by `check`.
    daemon.signal("HUP");
    daemon.says("config reloaded", 1).await;
    let right = std::fs::read_to_string(w.folder.config()).unwrap();
    let mut wrong = right.clone();
    for secret in &w.secrets {
        let reference = format!("\"env:{}\"", secret.variable);
        let literal = serde_json::Value::from(secret.value.as_str()).to_string();
        wrong = wrong.replacen(&reference, &literal, 1);
    }
    std::fs::write(w.folder.path("wrong.toml"), &wrong).unwrap();
    w.said(&[&["check", "-c", "wrong.toml"], &["diff", "config.toml", "wrong.toml"]]);
    std::fs::write(w.folder.config(), &wrong).unwrap();
    daemon.signal("HUP");
    daemon.says("a secret written into the config", 1).await;
    std::fs::write(w.folder.config(), &right).unwrap();

    let log = daemon.log();
    assert_eq!(daemon.stop().await.code(), Some(0));
    w.clean("the log", &log.join("\n"));
    w.what_went_out_is_clean();
    let mut files = BTreeMap::new();
    canaries::files(&w.folder.path("state"), &mut files);
    let metrics = std::fs::read_to_string(w.folder.path("metrics.prom")).unwrap();
    files.insert("the metrics".to_owned(), metrics);
    for name in ["state.db", "records.db"] {
        assert!(files.keys().any(|found| found.ends_with(name)), "{:?}", files.keys());
    }
    for (name, text) in files {
        w.clean(&name, &text);
    }
}

impl World {
    /// Mails hold no secret; a webhook holds its own receiver's alone.
    fn what_went_out_is_clean(&self) {
        for mail in self.folder.inbox.mails() {
            let letter = Letter::read(&mail);
            self.clean("a mail", &format!("{}\n{}\n{}", letter.subject, letter.text, letter.html));
            self.clean("a mail's bytes", &String::from_utf8_lossy(&mail.bytes));
        }
        let mut arrived = String::new();
        for hook in self.folder.catcher.hooks() {
            let own = own_secret(&hook);
            let headers: Vec<String> =
                hook.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let whole = format!("{}\n{}", headers.join("\n"), String::from_utf8_lossy(&hook.body));
            let others = self.secrets.iter().filter(|secret| Some(secret.variable) != own);
            canaries::clean("a webhook", &whole, others.map(|secret| secret.canary.as_str()));
            arrived += &whole;
        }
        // What is looked for is really sent: to whom it belongs.
        let asked: Vec<String> =
            self.api.asked().iter().map(|asked| format!("{asked:?}")).collect();
        let arrived = arrived + &asked.join("\n");
        for name in [
            "HOOK_HEADER",
            "PAGERDUTY_KEY",
            "AM_TOKEN",
            "AM_PASSWORD",
            "PROXY",
            "DESK_BEARER",
            "DESK_BASIC",
            "DESK_HEADER",
            "DESK_QUERY",
            "DESK_MORE",
        ] {
            let secret = self.secrets.iter().find(|secret| secret.variable == name).unwrap();
            let forms = canaries::forms(&secret.canary);
            assert!(forms.iter().any(|form| arrived.contains(form.as_str())), "{name} is not sent");
        }
        assert!(arrived.contains(ACCESS_TOKEN), "the token is used");
        assert!(self.sides.hook.starts_with("http://127.0.0.1:"));
    }
}

/// Which secret a webhook may hold: that of the receiver it went to.
fn own_secret(hook: &Hook) -> Option<&'static str> {
    let bears = |what| hook.header("authorization").is_some_and(|text| text.starts_with(what));
    match hook {
        _ if hook.header("x-api-key").is_some() => Some("HOOK_HEADER"),
        _ if !hook.json()["routing_key"].is_null() => Some("PAGERDUTY_KEY"),
        _ if bears("Bearer ") => Some("AM_TOKEN"),
        _ if bears("Basic ") => Some("AM_PASSWORD"),
        _ => None,
    }
}

#[test]
fn a_config_does_not_show_its_secrets_and_neither_do_its_problems() {
    let hook = "https://hooks.example.com".to_owned();
    let sides = Sides { hook, api: "http://127.0.0.1:1".to_owned() };
    let secrets = table::secrets(&sides);
    let mut env = Given::default();
    env.variables.insert("SF_ID".into(), CLIENT_ID.into());
    env.variables.insert("BASE_URL".into(), "https://api.example.com".into());
    for secret in &secrets {
        env.variables.insert(secret.variable.into(), secret.value.clone());
    }
    let by_key = "auth = { flow = \"jwt_bearer\", client_id = \"env:SF_ID\", \
                  username = \"reports@example.com\", private_key = \"env:SF_KEY\" }";
    let text = table::config(&sides);
    let login = text.lines().find(|line| line.contains("client_credentials")).unwrap();
    let with_key = text.replace(login, by_key);
    let read = |text: &str| config::load_text("c.toml", text, Path::new("."), &env, Mode::Run);
    let clean = |what: &str, text: &str| {
        canaries::clean(what, text, secrets.iter().map(|secret| secret.canary.as_str()));
    };
    for text in [&text, &with_key] {
        let (config, notes) = read(text).unwrap_or_else(|problems| panic!("{problems}"));
        clean("a config", &format!("{config:?}{config:#?}"));
        clean("notes", &format!("{notes:?}"));
    }
    // Secrets in the wrong place, and mistakes around them.
    for secret in &secrets {
        let reference = format!("\"env:{}\"", secret.variable);
        let written = [&text, &with_key].into_iter().find(|text| text.contains(&reference));
        let written = written.unwrap_or_else(|| panic!("no place for {}", secret.variable));
        let literal = serde_json::Value::from(secret.value.as_str()).to_string();
        let problems = read(&written.replace(&reference, &literal)).unwrap_err();
        clean("problems", &format!("{problems}\n{problems:?}"));
        clean("problems as JSON", &serde_json::to_string(&problems).unwrap());
    }
}

/// A new key that takes a secret belongs into the table.
#[test]
fn every_key_that_takes_a_secret_is_in_the_proof() {
    let config = table::config(&Sides { hook: String::new(), api: String::new() });
    let mut section = "";
    for line in table::KEYS.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("> ") {
            section = name;
        }
        let mut cells = line.split(" | ");
        let (Some(name), Some(ty)) = (cells.next(), cells.next()) else { continue };
        let name = name.trim_end_matches(" *");
        // An authority's certificate is no secret; it is only written as one is.
        if !ty.contains("secret") || name == "ca" {
            continue;
        }
        let written = [format!("{name} = \"env:"), format!("{name} = [\"env:")];
        let there = written.iter().any(|written| config.contains(written));
        assert!(there, "`{name}` of `{section}` takes a secret, and no canary is put there");
    }
}
