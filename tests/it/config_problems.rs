//! Config: what is right becomes a config, what is wrong is told at once, each mistake at its place
//! and only once, and no secret is ever shown.

use std::path::Path;

use postrider::config::{Config, Given, Mode, Note, Problems, ReceiverSettings, diff, load};
use postrider::config::{Overlay, load_text};
use proptest::prelude::*;
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
    assert_eq!(config.reports.len(), 15);
    assert_eq!(config.digests["weekly"].reports.len(), 15);
    assert_eq!(config.rules.len(), 5);
    assert_eq!(config.routes.len(), 2);
    assert_eq!(config.state, Path::new("/etc/postrider/state"));
    // Metrics and delivery failures are missing by nature for some sessions: reports say so.
    for (report, facts) in [("agent-response-time", 1), ("undelivered-messages", 1), ("users", 0)] {
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
    assert_eq!(config.smtp.unwrap().port, 587);
    let source = &config.sources["salesforce"];
    assert_eq!((source.api_version.as_str(), source.pull_every.num_minutes()), ("62.0", 5));
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
fn one_mistake_is_told_once_and_at_the_very_piece() {
    // [postrider], [smtp], [sources]
    check(
        "locale      = \"en-GB\"",
        "locale = \"english\"",
        "`english` is not a locale",
        "\"english\"",
    );
    check("\"monday\"", "\"mondays\"", "unknown value `mondays`", "\"mondays\"");
    check(
        "\"sqlite:state\"",
        "\"postgres:x\"",
        "`postgres:x` is not a place for the state",
        "\"postgres:x\"",
    );
    check(
        "\"postrider-owner@example.com\"",
        "\"owner\"",
        "`owner` is not a mail address",
        "\"owner\"",
    );
    check(
        "\"smtp.example.com\"",
        "\"smtp.example.com:587\"",
        "`smtp.example.com:587` is not the name of a host",
        "\"smtp.example.com:587\"",
    );
    check(
        "\"Postrider <reports@example.com>\"",
        "\"Postrider\"",
        "`Postrider` is not a sender",
        "\"Postrider\"",
    );
    check("username = \"postrider\"", "", "`password` without `username`", "\"env:SMTP_PASSWORD\"");
    check(
        "host     =",
        "tls = \"none\"\nhost =",
        "the password would go to `smtp.example.com` in clear text",
        "\"none\"",
    );
    check("host     =", "ca = \"pem\"\nhost =", "`pem` is not a certificate", "\"pem\"");
    check(
        "env:SMTP_PASSWORD",
        "env:SMTP_PASSWORT",
        "the variable `SMTP_PASSWORT` is not set",
        "\"env:SMTP_PASSWORT\"",
    );
    check("env:SMTP_PASSWORD", "hunter2", "a secret written into the config", "\"*******\"");
    check(
        "\"https://acme.my.salesforce.com\"",
        "\"https://acme.my.salesforce.com/path\"",
        "`https://acme.my.salesforce.com/path` must be scheme and host alone",
        "\"https://acme.my.salesforce.com/path\"",
    );
    check(
        "\"https://acme.my.salesforce.com\"",
        "\"http://acme.my.salesforce.com\"",
        "`http://acme.my.salesforce.com` must begin with `https://`",
        "\"http://acme.my.salesforce.com\"",
    );
    check(
        "kind        = \"salesforce\"",
        "kind = \"salesfarce\"",
        "unknown value `salesfarce`",
        "\"salesfarce\"",
    );
    check("\"62.0\"", "\"62\"", "`62` is not a version of the API", "\"62\"");
    check("0.25", "25", "`25` is not a share", "25");
    check(
        "\"13 months\"",
        "\"a year\"",
        "`a year` is not a length of time: write e.g. `5 min`",
        "\"a year\"",
    );
    check("\"client_credentials\"", "\"password\"", "unknown value `password`", "\"password\"");
    check(
        "client_id = \"env:SF_CLIENT_ID\", ",
        "",
        "`auth` of [sources.salesforce] has no `client_id`",
        "auth",
    );
    // Shape
    check(
        "pull_every  = \"5 min\"",
        "pull_every = 5",
        "`pull_every` must be text in quotes, not a whole number",
        "5",
    );
    check(
        "pull_every  =",
        "pul_every =",
        "unknown key `pul_every` in [sources.salesforce]",
        "pul_every",
    );
    check("flow = ", "flaw = ", "unknown key `flaw` in `auth` of [sources.salesforce]", "flaw");
    check(
        "[report_types.traffic]",
        "[report_type.traffic]",
        "unknown section `report_type`",
        "report_type",
    );
    check(
        "to   = [\"ops@example.com\"]",
        "to = \"ops@example.com\"",
        "`to` must be a list in brackets, not text",
        "\"ops@example.com\"",
    );
    check(
        "levels      = [[\"warning\", \"> 0.10\"]]",
        "levels = [\"warning\"]",
        "`levels` must be a pair in brackets, not text",
        "\"warning\"",
    );
    check(
        "top      = 25\ntotal    = true\n\n[reports.users-by-account]",
        "top = -1\n[reports.users-by-account]",
        "`top` must be a whole number, 0 or more, not a whole number",
        "-1",
    );
    check(
        "[digests.morning]",
        "[digests.'in the morning']",
        "`in the morning` cannot be a name",
        "'in the morning'",
    );
    // Report types, reports
    check("MessagingEndUser person", "MessagingEndUsr person", "", "MessagingEndUsr");
    check(
        "where   = \"session.Status = 'Ended' and session.AgentType in",
        "where = \"session.Status = 'Closed' and session.AgentType in",
        "",
        "'Closed'",
    );
    check(
        "\"median(sent.MessagingSessionMetricValue) as Typical\"",
        "\"median(sent.MessagingSessionMetricValu) as Typical\"",
        "",
        "MessagingSessionMetricValu",
    );
    check(
        "\"last 7 days\"\ndate    = \"session.StartTime\"\ncolumns = [\n  \"avg(mean",
        "\"last 7 suns\"\ndate = \"session.StartTime\"\ncolumns = [\n  \"avg(mean",
        "",
        "\"last 7 suns\"",
    );
    check(
        "format   = { Longest = \"duration\"",
        "format = { Longst = \"duration\"",
        "the report has no column `Longst`",
        "Longst",
    );
    check(
        "format  = { Waited = \"duration\" }",
        "format = { Waited = \"seconds\" }",
        "unknown format `seconds`",
        "\"seconds\"",
    );
    check("mask    = [\"User\"]", "mask = [\"Usr\"]", "the report has no column `Usr`", "\"Usr\"");
    check(
        "type    = \"people\"\nperiod  = \"all time\"",
        "type = \"people\"\nperiod = \"last week\"",
        "the period `last week` of which field?",
        "\"last week\"",
    );
    // Digests
    check("\"30 7 * * mon-fri\"", "\"30 7 * * mon-fry\"", "", "\"30 7 * * mon-fry\"");
    check(
        "\"agent-response-time.'Mean of session means'\"",
        "\"agent-response-time.Mean\"",
        "the report `agent-response-time` has no column `Mean`",
        "Mean",
    );
    check(
        "\"traffic-by-channel.Sessions\"",
        "\"traffic-by-channel.Type\"",
        "`Type` names the rows of `traffic-by-channel`, it is not a figure",
        "Type",
    );
    check(
        "\"traffic-by-channel.Sessions\"",
        "\"users.Consent\"",
        "the report `users` has no total to take `Consent` from",
        "Consent",
    );
    check(
        "\"traffic-by-channel.Sessions\"",
        "\"traffic.Sessions\"",
        "`traffic` is not one of the digest's reports",
        "traffic",
    );
    check(
        "agents answer in {{ headline }}",
        "agents answer in {{ headine }}",
        "a subject knows no `headine`",
        "headine",
    );
    check(
        "agents answer in {{ headline }}",
        "agents answer in {{ headline",
        "the subject is not a template",
        "Messaging, {{ period }}: agents answer in {{ headline",
    );
    check(
        "headline = \"traffic-by-channel.Sessions\"",
        "",
        "the digest has no `headline`",
        "headline",
    );
    check(
        "\"service-management@example.com\", \"ops-hook\"",
        "\"service-management@example.com\", \"ops-hok\"",
        "`ops-hok` is neither a mail address nor a receiver",
        "\"ops-hok\"",
    );
    check(
        "[\"team-leads@example.com\"]",
        "[\"ops-mail\", \"OPS@example.com\"]",
        "recipient `OPS@example.com` would get it twice",
        "\"OPS@example.com\"",
    );
    check(
        "[\"team-leads@example.com\"]",
        "[\"a@example.com\", \"A@example.com\"]",
        "recipient `A@example.com` is written twice",
        "\"A@example.com\"",
    );
    check("[\"team-leads@example.com\"]", "[]", "nobody to send to", "[]");
    check("missed   = \"latest\"", "missed = \"newest\"", "unknown value `newest`", "\"newest\"");
    // Rules
    check(
        "levels   = [[\"warning\", \"> 300\"], [\"critical\", \"> 900\"]]",
        "levels = [[\"warning\", \"> 1000\"], [\"critical\", \"> 900\"]]",
        "",
        "\"> 900\"",
    );
    check("warning = \"< 240\"", "warning = \"< 400\"", "", "\"< 400\"");
    check("warning = \"< 240\"", "wrning = \"< 240\"", "unknown level `wrning`", "wrning");
    check(
        "levels  = [[\"critical\", \"= 0\"]]",
        "levels = [[\"critical\", \"0\"]]",
        "`0` is not a comparison: write e.g. `> 300`",
        "\"0\"",
    );
    check(
        "levels  = [[\"critical\", \"= 0\"]]",
        "levels = []",
        "a rule without levels never fires",
        "[]",
    );
    check(
        "date     = \"metric.CreatedDate\"",
        "",
        "the window `30 min` of which field?",
        "\"30 min\"",
    );
    check(
        "every    = \"1 min\"",
        "date = \"session.StartTime\"",
        "`date` without `window` bounds nothing",
        "\"session.StartTime\"",
    );
    check(
        "every    = \"1 min\"",
        "every = \"1 s\"",
        "`every` is from 10 s to 1 day, not 1 s",
        "\"1 s\"",
    );
    check(
        "during  = \"office-hours\"",
        "during = \"office-hour\"",
        "unknown calendar `office-hour`",
        "\"office-hour\"",
    );
    check("min_records = 50", "when_empty = \"critcal\"", "unknown value `critcal`", "\"critcal\"");
    check(
        "min_records = 50",
        "when_gone = \"resolve after 5 moons\"",
        "`moons` is not a unit of time: write `s`, `min`, `h` or `days`",
        "\"resolve after 5 moons\"",
    );
    check("value   = \"count()\"", "value = \"session.Status\"", "", "session.Status");
    check(
        "labels      = { team = \"messaging\" }\n\n[rules.undelivered]",
        "labels = { level = \"high\" }\n[rules.undelivered]",
        "the label `level` is set by postrider itself",
        "level",
    );
    // Calendars, routes, receivers
    check("\"08:00-18:00\"", "\"08:00-18:60\"", "", "\"08:00-18:60\"");
    check("\"2027-01-01\"]", "\"2027-02-30\"]", "`2027-02-30` is not a date", "\"2027-02-30\"");
    check("level = 'critical'\"", "level = critical\"", "", "critical");
    check(
        "[[routes]]\nto     = [\"ops-mail\"]",
        "[[routes]]\nwhen = \"rule = 'x'\"\nto = [\"ops-mail\"]",
        "the last route has a `when`: some incidents would go nowhere",
        "\"rule = 'x'\"",
    );
    check(
        "when   = \"level = 'critical'\"\n",
        "",
        "a route without `when` takes everything: those after it are never reached",
        "[[routes]]",
    );
    check(
        "[\"ops-hook\", \"ops-mail\"]",
        "[\"ops-hook\", \"ops-male\"]",
        "unknown receiver `ops-male`",
        "\"ops-male\"",
    );
    check("kind = \"email\"", "kind = \"mail\"", "unknown value `mail`", "\"mail\"");
    check(
        "env:OPS_HOOK_URL",
        "https://hooks.example.com/T0K3N",
        "a secret written into the config",
        "\"*******************************\"",
    );
    check(
        "url     = \"env:OPS_HOOK_URL\"",
        "url = \"env:SF_CLIENT_ID\"",
        "the address in `env:SF_CLIENT_ID` is not an address on the web",
        "\"env:SF_CLIENT_ID\"",
    );
    check(
        "env:OPS_HOOK_SECRET",
        "env:SF_CLIENT_ID",
        "what `env:SF_CLIENT_ID` holds is not a signing secret",
        "\"env:SF_CLIENT_ID\"",
    );
}

/// With `old` replaced by `new`, the shipped config has exactly one problem: one that begins with
/// `message` (empty: any) and underlines `piece`.
#[track_caller]
fn check(old: &str, new: &str, message: &str, piece: &str) {
    assert!(SHIPPED.contains(old), "the shipped config has no {old:?}");
    let problems = match read(&SHIPPED.replacen(old, new, 1)) {
        Ok(_) => panic!("no problem with {new:?}"),
        Err(problems) => problems,
    };
    assert_eq!(problems.0.len(), 1, "{new:?}\n{problems}");
    let problem = &problems.0[0];
    assert!(problem.message.starts_with(message), "{problems}");
    assert_eq!(problem.place.as_ref().unwrap().piece, piece, "{problems}");
    assert!(!format!("{problems}{problems:?}").contains("swordfish"));
}

#[test]
fn a_config_without_source_is_told_so_once() {
    let from = SHIPPED.find("\n[sources.salesforce]\n").unwrap();
    let to = SHIPPED.find("\n[report_types.sessions]\n").unwrap();
    let problems = read(&format!("{}{}", &SHIPPED[..from], &SHIPPED[to..])).unwrap_err();
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
            "the mail server changed",
            "report `people` added",
            "report `users` removed",
            "digest `morning` changed",
            "digest `weekly` changed",
            "rule `unaccepted` changed",
            "receiver `ops-mail` changed",
            "the routes changed",
        ]
    );
    // A report is what it is made from: another join is another report.
    let text = SHIPPED.replace(
        "  left join Account account on account.Id = person.AccountId",
        "  join Account account on account.Id = person.AccountId",
    );
    assert_eq!(
        diff(&old, &valid(&text)),
        ["report `users` changed", "report `users-by-account` changed"]
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
            "the place of the state changed: that takes a restart",
            "source `salesforce` changed",
            "receiver `ops-hook` changed",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in a string of the config, it is a config or it is problems at places of it.
    #[test]
    fn hostile_text_in_any_string_is_a_config_or_a_problem(
        place in 0..strings().len(),
        hostile in hostile(),
    ) {
        let at = &strings()[place];
        let written = toml::Value::String(hostile).to_string();
        let text = format!("{}{written}{}", &SHIPPED[..at.start], &SHIPPED[at.end..]);
        match read(&text) {
            Ok((config, _)) => prop_assert!(!config.reports.is_empty()),
            Err(problems) => {
                prop_assert!(!problems.0.is_empty());
                prop_assert!(!problems.to_string().contains("swordfish"));
            }
        }
    }

    /// Whatever bytes a file holds, nothing panics.
    #[test]
    fn any_text_is_a_config_or_a_problem(text in any::<String>(), cut in 0..SHIPPED.len()) {
        let cut = (0..=cut).rev().find(|at| SHIPPED.is_char_boundary(*at)).unwrap_or(0);
        for text in [&text, &format!("{}{text}", &SHIPPED[..cut])] {
            if let Err(problems) = read(text) {
                prop_assert!(!problems.to_string().is_empty());
            }
        }
    }
}

/// Where the strings of the shipped config are, quotes included.
fn strings() -> &'static [std::ops::Range<usize>] {
    static STRINGS: std::sync::OnceLock<Vec<std::ops::Range<usize>>> = std::sync::OnceLock::new();
    STRINGS.get_or_init(|| {
        fn collect(
            value: &toml::Spanned<toml::de::DeValue<'_>>,
            into: &mut Vec<std::ops::Range<usize>>,
        ) {
            match value.get_ref() {
                toml::de::DeValue::String(_) => into.push(value.span()),
                toml::de::DeValue::Array(list) => {
                    list.iter().for_each(|entry| collect(entry, into))
                }
                toml::de::DeValue::Table(table) => {
                    table.values().for_each(|entry| collect(entry, into))
                }
                _ => {}
            }
        }
        let mut strings = Vec::new();
        let tree = toml::de::DeTable::parse(SHIPPED).unwrap();
        tree.get_ref().values().for_each(|value| collect(value, &mut strings));
        strings
    })
}

fn hostile() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "",
        " ",
        "\0",
        "'",
        "\"",
        "\\",
        "\r\n",
        "env:",
        "env:\0",
        "file:",
        "file:/",
        "file:..",
        "../../x",
        "{{",
        "{% for x in y %}",
        "{{ a.b.c }}",
        "{{ [1] * 99999 }}",
        "(((((((",
        "))))",
        "a as b as c",
        "count(",
        "sum(sum(x))",
        "> ",
        "> 1e999",
        "< NaN",
        "99999999999999999999 min",
        "-1 min",
        "* * * * *",
        "0 0 30 2 *",
        "*/0 * * * *",
        "@",
        "a@b",
        "<>",
        "http://",
        "https://[",
        "https://user:pass@host",
        "ü",
        "👩‍👩‍👧‍👧",
        "\u{202e}",
        "\u{feff}",
        "%",
        "resolve after ",
        ".",
        "..",
        "x.",
        ".'",
        "x.'y",
        "q.''",
        "select 1; drop table x",
        "-- comment",
        "/* open",
        "mon-fri",
        "24:00-24:00",
        "2026-02-29",
        "Europe/",
        "UTC\0",
    ]);
    prop_oneof![
        known.prop_map(str::to_owned),
        any::<String>(),
        "[a-zA-Z0-9 .,'()<>=*/+-]{0,60}",
        (0..2000usize).prop_map(|depth| "(".repeat(depth)),
        (0..500usize).prop_map(|length| "not ".repeat(length)),
    ]
}
