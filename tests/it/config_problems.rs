//! Config: what is right becomes a config, what is wrong is told at once, each mistake at its place
//! and only once, and no secret is ever shown.

mod beside;
mod hostile;
mod pieces;
mod routes;
mod rules;
mod when;

use std::path::Path;

use postrider::config::{Config, Given, Mode, Note, Problems, ReceiverSettings, load};
use postrider::config::{Overlay, SourceSettings, load_text};
use secrecy::{ExposeSecret, SecretString};

const SHIPPED: &str = include_str!("../../config.toml");

const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the shipped config asks of its surroundings.
fn surroundings() -> Given {
    let variables = [
        ("SMTP_PASSWORD", "swordfish-smtp"),
        ("SF_CLIENT_ID", "swordfish-id"),
        ("SF_CLIENT_SECRET", "swordfish-secret"),
        ("OPS_HOOK_URL", "https://hooks.example.com/swordfish-hook"),
        ("OPS_HOOK_SECRET", SIGNING_SECRET),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Given { variables, ..Given::default() }
}

fn read(text: &str) -> Result<(Config, Vec<Note>), Problems> {
    load_text("config.toml", text, Path::new("/etc/postrider"), &surroundings(), Mode::Run)
}

#[track_caller]
fn valid(text: &str) -> Config {
    match read(text) {
        Ok((config, _)) => config,
        Err(problems) => panic!("{problems}"),
    }
}

#[test]
fn the_shipped_config_has_no_problem_and_nothing_to_note() {
    let (config, notes) = read(SHIPPED).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(notes.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(config.reports.len(), 19);
    assert_eq!(config.digests["weekly"].reports.len(), 16);
    assert_eq!(config.rules.len(), 5);
    assert_eq!(config.routes.len(), 2);
    assert_eq!(config.state, Path::new("/etc/postrider/state"));
    // Metrics and delivery failures are missing by nature for some sessions: reports say so.
    for (report, facts) in [
        ("agent-response-time", 2),
        ("undelivered-messages", 1),
        // Its report type joins metrics; it reads none.
        ("sessions-by-account", 0),
        ("users", 0),
    ] {
        assert_eq!(config.reports[report].coverage.len(), facts, "{report}");
    }
}

#[test]
fn a_check_elsewhere_notes_secrets_that_are_not_there_and_a_run_refuses_them() {
    let nothing = Given::default();
    let base = Path::new("/etc/postrider");
    let (_, notes) = load_text("config.toml", SHIPPED, base, &nothing, Mode::Check).unwrap();
    let told: Vec<String> = notes.iter().map(|note| note.0.message.clone()).collect();
    let names =
        ["SMTP_PASSWORD", "SF_CLIENT_ID", "SF_CLIENT_SECRET", "OPS_HOOK_URL", "OPS_HOOK_SECRET"];
    assert_eq!(told, names.map(|name| format!("the variable `{name}` is not set")));

    let problems = load_text("config.toml", SHIPPED, base, &nothing, Mode::Run).unwrap_err();
    assert_eq!(
        problems.0.iter().map(|problem| &problem.message).collect::<Vec<_>>(),
        told.iter().collect::<Vec<_>>()
    );
}

#[test]
fn ten_lines_are_a_config() {
    let config = valid(TEN_LINES);
    let report = &config.reports["sessions"];
    assert_eq!(report.title, "Sessions");
    assert_eq!(report.period.words(), "all time");
    let digest = &config.digests["daily"];
    assert_eq!(digest.subject, "{{ digest }} {{ date }}");
    assert_eq!(digest.to, ["lead@example.com"]);
    assert_eq!(config.timezone.name(), "UTC");
    assert_eq!(config.smtp.unwrap().servers[0].port, 587);
    let SourceSettings::Salesforce(source) = &config.sources["salesforce"] else {
        panic!("an org")
    };
    assert_eq!((source.api_version.as_deref(), source.pull_every.num_minutes()), (None, 5));
}

const TEN_LINES: &str = r#"
[smtp]
host = "smtp.example.com"
from = "reports@example.com"
[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "env:SF_CLIENT_ID", client_secret = "env:SF_CLIENT_SECRET" }
[reports]
sessions = { type = "MessagingSession", columns = ["count() as Sessions"] }
[digests]
daily = { reports = ["sessions"], schedule = "0 8 * * *", to = ["lead@example.com"] }
"#;

#[test]
fn every_mistake_is_told_at_once_at_its_place() {
    let problems = read(MISTAKES).unwrap_err();
    insta::assert_snapshot!(problems);
}

/// Mistakes of shape and of meaning, side by side.
const MISTAKES: &str = r#"
[postrider]
timezone = "Europe/Berlln"
local = "en-GB"

[smtp]
host = "smtp.example.com"
port = "587"
username = "postrider"
password = "hunter2"
from = "Postrider <reports@example.com>"

[sources.salesforce]
kind = "salesforce"
login_url = "http://acme.my.salesforce.com"
auth = { client_id = "env:SF_CLIENT_ID", client_secret = "env:SF_CLIENT_SECRETS" }
pull_every = "5 m"

[report_types.sessions]
from = '''
  MessagingSession session
  join MessagingChanel channel on channel.Id = session.MessagingChannelId
'''
[report_types.channels]
from = "MessagingChannel channel"

[reports.ended]
type = "sesions"
columns = ["count() as Sessions"]

[reports.channels]
type = "channels"
where = "channel.PlatformType = 'Standart' and channel.IsActiv"
columns = ["count() as Channels"]
top = 0
total = "yes"

[digests.morning]
reports = ["channels", "endet"]
schedule = "0 25 * * mon-fri"
subject = "Channels: {{ headlin }}"
to = ["lead@example.com", "lead@example.com", "nobody"]

[rules.few-channels]
type = "channels"
value = "count()"
levels = [["warning", "< 5"], ["critical", "< 9"]]
recover = { critcal = "> 6" }
during = "office-hours"
for = 5

[rules.no-levels]
type = "channels"
value = "count()"
window = "30 min"

[calendars.office-hour]
hours = { mon-fri = "08:00-25:00" }
holidays = ["25.12.2026"]

[[routes]]
when = "level = critical"
to = ["ops"]

[receivers.hook]
kind = "webhok"
"#;

#[test]
fn a_config_without_source_is_told_so_once() {
    let from = SHIPPED.find("\n[sources.salesforce]\n").unwrap();
    let to = SHIPPED.find("\n[report_types.sessions]\n").unwrap();
    let mut text = format!("{}{}", &SHIPPED[..from], &SHIPPED[to..]);
    // What postrider remembers of itself went with its source.
    for begin in ["# What postrider remembers of its alerts.", "# Which alerts are worth having?"] {
        let from = text.find(begin).unwrap();
        let to = from + text[from..].find("# ---").unwrap();
        text.replace_range(from..to, "");
    }
    let problems = read(&text).unwrap_err();
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert_eq!(problems.0[0].message, "there are no records: the config has no source");
}

#[test]
fn text_that_is_not_toml_is_told_without_guesses_about_the_rest() {
    let problems =
        read("[smtp]\nhost = \"a\nport = \n[reports.x]\ntype = \"nothing\"\n").unwrap_err();
    let places: Vec<_> = problems.0.iter().map(|p| p.place.as_ref().unwrap().line).collect();
    assert_eq!(places, [2, 3], "{problems}");
    assert!(problems.0.iter().all(|problem| problem.message.starts_with("this is not TOML")));
}

#[test]
fn a_secret_is_not_shown_whatever_is_wrong_around_it() {
    for text in [
        "[smtp]\nhost = 5\npassword = \"hunter2\"",
        "[smtp]\npassword = [\"hunter2\"]",
        "[smtp]\npassword = { value = \"hunter2\" }",
        "[smtp]\npasword = \"hunter2\"",
        "[smtp]\npassword = \"hunter2",
        "smtp = { password = \"hunter2\", host = 5 }",
        "[receivers.a]\nkind = \"webhook\"\nurl = \"http://hunter2\"\nsecrets = \"hunter2\"",
        "[sources.a]\nkind = \"salesforce\"\nauth = { client_id = \"hunter2\", client_secret = 1 }",
    ] {
        let problems = read(text).unwrap_err();
        let json = serde_json::to_string(&problems).unwrap();
        assert!(!format!("{problems}{problems:?}{json}").contains("hunter2"), "{problems}");
    }
    let config = valid(SHIPPED);
    assert!(!format!("{config:?}").contains("swordfish"));
}

#[test]
fn problems_are_data_too() {
    let problems = read("[postrider]\nlocale = \"x\"\n").unwrap_err();
    let json = serde_json::to_value(&problems).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{
            "file": "config.toml",
            "place": { "line": 2, "column": 10, "piece": "\"x\"" },
            "message": "`x` is not a locale",
            "help": "write a language and a country, e.g. `en-GB`",
        }])
    );
}

#[test]
fn included_files_are_one_config_and_a_name_in_two_files_is_told_with_both() {
    let mut given = surroundings();
    let mut file = |path: &str, text: &str| {
        given.files.insert(path.into(), text.to_owned());
    };
    let report = "type = \"MessagingSession\"\ncolumns = [\"count() as Sessions\"]\n";
    file("/etc/p/config.toml", &format!("include = [\"conf.d/*.toml\"]\n{TEN_LINES}"));
    file("/etc/p/conf.d/a.toml", &format!("[reports.more]\n{report}"));
    file("/etc/p/conf.d/notes.txt", "not for us");
    file("/etc/p/conf.d/.hidden.toml", "not for us");
    let path = Path::new("/etc/p/config.toml");
    let (config, _) = load(path, &given, Mode::Run).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.reports.keys().collect::<Vec<_>>(), ["more", "sessions"]);

    let text =
        format!("include = [\"x.toml\"]\n[reports.sessions]\n{report}[smtp]\nhost = \"b\"\n");
    given.files.insert("/etc/p/conf.d/b.toml".into(), text);
    let problems = load(path, &given, Mode::Run).unwrap_err();
    let told: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "/etc/p/conf.d/b.toml:1:1: an included file includes others (include them from the main file)",
            "/etc/p/conf.d/b.toml:2:10: `[reports.sessions]` is there twice, the first time at /etc/p/config.toml:11 (give one of them another name)",
            "/etc/p/conf.d/b.toml:5:2: `[smtp]` is there twice, the first time at /etc/p/config.toml:3 (write it in one file)",
        ]
    );

    given
        .files
        .insert(path.into(), format!("include = [\"none.toml\", \"*/x.toml\"]\n{TEN_LINES}"));
    let problems = load(path, &given, Mode::Run).unwrap_err();
    let told: Vec<&str> = problems.0.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "`/etc/p/none.toml` cannot be read: entity not found",
            "`*` stands for file names only, not for folders",
        ]
    );
    let problems = load(Path::new("/none.toml"), &given, Mode::Run).unwrap_err();
    assert_eq!(problems.0[0].message, "the config cannot be read: entity not found");
}

#[test]
fn a_rule_that_windows_on_when_things_happened_is_noted() {
    let text = SHIPPED
        .replace("date     = \"metric.CreatedDate\"", "date = \"session.MessagingChannelId\"");
    assert!(read(&text).is_err(), "a window lies on instants");
    let text = SHIPPED.replace("date        = \"entry.CreatedDate\"", "date = \"entry.EntryTime\"");
    let (_, notes) = read(&text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].0.place.as_ref().unwrap().piece, "\"entry.EntryTime\"");
    assert_eq!(notes[0].0.help.as_deref(), Some("window on `entry.CreatedDate`"));
}

#[test]
fn what_is_legal_but_doubtful_is_noted() {
    let note = |old: &str, new: &str| -> Vec<String> {
        let (_, notes) =
            read(&SHIPPED.replacen(old, new, 1)).unwrap_or_else(|problems| panic!("{problems}"));
        notes.into_iter().map(|note| note.0.message).collect()
    };
    assert_eq!(
        note("secrets = [\"env:OPS_HOOK_SECRET\"]", ""),
        ["[receivers.ops-hook] has no `secrets`: its messages are not signed"]
    );
}

#[test]
fn mail_in_clear_text_is_for_this_machine_or_a_relay_without_login() {
    let smtp = |lines: &str| TEN_LINES.replace("host = \"smtp.example.com\"", lines);
    for (lines, expected) in [
        ("host = \"127.0.0.1\"\nport = 1025\ntls = \"none\"", Ok(0)),
        ("host = \"localhost\"\nport = 1025\ntls = \"none\"", Ok(0)),
        ("host = \"::1\"\nport = 1025\ntls = \"none\"", Ok(0)),
        ("host = \"relay.example.com\"\nport = 25\ntls = \"none\"", Ok(1)),
        ("host = \"relay.example.com\"\ntls = \"none\"", Ok(1)),
        ("host = \"relay.example.com\"\nport = 1025\ntls = \"none\"", Err(1)),
        ("host = \"relay.example.com\"\nport = 465\ntls = \"implicit\"", Ok(0)),
    ] {
        let counts = read(&smtp(lines)).map(|(_, notes)| notes.len());
        assert_eq!(counts.map_err(|problems| problems.0.len()), expected, "{lines}");
    }
}

#[test]
fn mail_wants_a_server_and_rules_want_somebody_to_tell() {
    let without = TEN_LINES
        .replace("[smtp]\nhost = \"smtp.example.com\"\nfrom = \"reports@example.com\"\n", "");
    let problems = read(&without).unwrap_err();
    let message = "mail goes to the readers of digest `daily`, but there is no `[smtp]`";
    assert_eq!(problems.0[0].message, message);

    let rule = "[rules.quiet]\ntype = \"MessagingSession\"\nvalue = \"count()\"\nlevels = [[\"warning\", \"= 0\"]]\n";
    let problems = read(&format!("{TEN_LINES}{rule}")).unwrap_err();
    assert_eq!(problems.0[0].message, "rule `quiet` would fire and nobody be told");
    let owned = format!("{TEN_LINES}{rule}[postrider]\nowner = \"me@example.com\"\n");
    let config = valid(&owned);
    assert_eq!(config.routes[0].to, ["me@example.com"]);
    assert!(
        matches!(&config.receivers["me@example.com"], ReceiverSettings::Email(to) if to.len() == 1)
    );
    let routed = valid(&format!("{TEN_LINES}{rule}[[routes]]\nto = [\"you@example.com\"]\n"));
    assert!(routed.receivers.contains_key("you@example.com"));
}

fn diff(old: &Config, new: &Config) -> Vec<String> {
    postrider::config::diff(old, new).iter().map(ToString::to_string).collect()
}

#[test]
fn a_reload_says_what_changed_by_name() {
    let old = valid(SHIPPED);
    assert_eq!(diff(&old, &valid(&format!("# a comment\n{SHIPPED}"))), Vec::<String>::new());
    let text = SHIPPED
        .replace("[reports.users]", "[reports.people]")
        .replace("\"users\"", "\"people\"")
        .replace(
            "levels      = [[\"warning\", \"> 0.10\"]]",
            "levels = [[\"warning\", \"> 0.20\"]]",
        )
        .replace("30 7 * * mon-fri", "0 7 * * mon-fri")
        .replace("[\"ops@example.com\"]", "[\"ops@example.com\", \"night@example.com\"]")
        .replace("repeat = \"4 h\"", "repeat = \"2 h\"")
        .replace("\"smtp.example.com\"", "\"mail.example.com\"");
    assert_eq!(
        diff(&old, &valid(&text)),
        [
            "the mail server changed: `host` smtp.example.com -> mail.example.com",
            "report `people` added",
            "report `users` removed",
            "digest `morning` changed: `schedule` 30 7 * * mon-fri -> 0 7 * * mon-fri",
            "digest `weekly` changed: `reports` with people and without users",
            "rule `unaccepted` changed: `levels.warning` > 0.10 -> > 0.20",
            "receiver `ops-mail` changed: `to` with night@example.com",
            "route `level = 'critical'` changed: `repeat` 4 h -> 2 h",
        ]
    );
    // A report is what it is made from: another join is another report, and a digest is what its
    // reports are.
    let text = SHIPPED.replace(
        "  left join Account account on account.Id = person.AccountId",
        "  join Account account on account.Id = person.AccountId",
    );
    assert_eq!(
        diff(&old, &valid(&text)),
        [
            "report `users` changed through report type `people`",
            "report `users-by-account` changed through report type `people`",
            "digest `weekly` changed through report `users`, report `users-by-account`",
        ]
    );
}

#[test]
fn the_demo_replaces_addresses_and_secrets_and_says_so() {
    let before = valid(SHIPPED);
    let mut config = before.clone();
    let lines = config.overlay(&Overlay {
        smtp: ("127.0.0.1".to_owned(), 2525),
        login_url: "http://127.0.0.1:8081".to_owned(),
        credentials: (SecretString::from("id"), SecretString::from("hush")),
        webhooks: "http://127.0.0.1:8082/hooks".to_owned(),
        webhook_secret: SecretString::from(SIGNING_SECRET),
        state: "/tmp/demo".into(),
    });
    assert_eq!(
        lines,
        [
            "[smtp] smtp.example.com:587 is 127.0.0.1:2525, in clear text and without login",
            "[sources.salesforce] https://acme.my.salesforce.com is http://127.0.0.1:8081, with its own credentials",
            "[receivers.ops-hook] the webhook is http://127.0.0.1:8082/hooks/ops-hook, with its own secret",
            "[postrider] the state is in /tmp/demo",
        ]
    );
    let ReceiverSettings::Webhook(hook) = &config.receivers["ops-hook"] else { panic!("no hook") };
    assert_eq!(hook.url.expose_secret(), "http://127.0.0.1:8082/hooks/ops-hook");
    assert_eq!(
        diff(&before, &config),
        [
            "the mail server changed",
            "the place of the state, which takes a restart, changed",
            "source `salesforce` changed",
            "receiver `ops-hook` changed",
        ]
    );
}
