//! What a receiver's config may say, and how its mistakes are told.

use std::path::Path;

use postrider::config::{Config, Given, Mode, Problems, ReceiverSettings, load_text};
use postrider::receiver::vendor::Vendor;

const BASE: &str = r#"
[smtp]
host = "127.0.0.1"
tls = "none"
from = "reports@example.com"

[receivers.ops-mail]
kind = "email"
to = ["ops@example.com"]
"#;

const TOKEN: &str = "123456789:CANARYtokenCANARYtoken";
const KEY: &str = "CANARY7890CANARY7890CANARY789012";

fn read(receivers: &str) -> Result<Config, Problems> {
    let variables = [
        ("URL", "https://hooks.example.com/CANARY"),
        ("INSIDE", "http://10.1.2.3:9093/CANARY"),
        ("TOKEN", TOKEN),
        ("KEY", KEY),
        ("SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("WRONG", "CANARY"),
    ];
    let env = Given {
        variables: variables.map(|(name, value)| (name.into(), value.into())).into(),
        files: [
            ("/etc/postrider/ticket.json".into(), "{\"t\": {{ data.title | tojson }}}".into()),
            ("/etc/postrider/wrong.json".into(), "{\"t\": {{ data.titel | tojson }}}".into()),
        ]
        .into(),
    };
    let text = format!("{BASE}{receivers}");
    load_text("c.toml", &text, Path::new("/etc/postrider"), &env, Mode::Run)
        .map(|(config, _)| config)
}

/// Exactly these problems: the piece underlined and the beginning of what is said.
#[track_caller]
fn check(receivers: &str, expected: &[(&str, &str)]) {
    let problems = match read(receivers) {
        Ok(_) => panic!("no problem with {receivers}"),
        Err(problems) => problems,
    };
    let told = format!("{problems}{problems:?}");
    assert!(!told.contains("CANARY"), "{told}");
    let found: Vec<(&str, &str)> = problems
        .0
        .iter()
        .map(|problem| {
            let piece = problem.place.as_ref().map_or("", |place| place.piece.as_str());
            (piece, problem.message.as_str())
        })
        .collect();
    assert_eq!(found.len(), expected.len(), "{problems}");
    for ((piece, message), (at, said)) in found.iter().zip(expected) {
        assert!(piece == at && message.contains(said), "{found:#?}\ninstead of\n{expected:#?}");
    }
}

#[test]
fn every_kind_is_read() {
    let config = read(
        r#"
[receivers.chat]
kind = "slack"
url = "env:URL"
fallback = "ops-mail"
fallback_after = "5 min"
limit = "20 / h"
canary = "0 7 * * mon-fri"
[receivers.teams]
kind = "teams"
url = "env:URL"
[receivers.discord]
kind = "discord"
url = "env:URL"
[receivers.telegram]
kind = "telegram"
token = "env:TOKEN"
chat = "-100123"
[receivers.duty]
kind = "pagerduty"
key = "env:KEY"
[receivers.inside]
kind = "alertmanager"
url = "env:INSIDE"
private = true
username = "ada"
password = "env:TOKEN"
[receivers.desk]
kind = "webhook"
url = "env:URL"
secrets = ["env:SECRET"]
headers = { X-Api-Key = "env:KEY", X-Team = "messaging" }
body = "file:ticket.json"
[receivers.old]
kind = "webhook"
url = "env:URL"
shape = "alertmanager"
"#,
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    for (name, vendor) in [
        ("chat", Vendor::Slack),
        ("teams", Vendor::Teams),
        ("discord", Vendor::Discord),
        ("telegram", Vendor::Telegram),
        ("duty", Vendor::PagerDuty),
        ("inside", Vendor::Alertmanager),
    ] {
        let ReceiverSettings::Vendor(settings) = &config.receivers[name] else { panic!("{name}") };
        assert_eq!(settings.vendor, vendor);
    }
    let care = &config.care["chat"];
    let (fallback, after) = care.fallback.clone().unwrap();
    assert_eq!((fallback.as_str(), after.num_minutes()), ("ops-mail", 5));
    assert_eq!(care.limit.map(|(count, time)| (count, time.num_minutes())), Some((20, 60)));
    assert_eq!(care.canary.as_ref().unwrap().pattern, "0 7 * * mon-fri");
    assert!(config.care["desk"].shape.as_ref().unwrap().takes_digests());
    assert!(!config.care["old"].shape.as_ref().unwrap().takes_digests());
    let shown = format!("{config:?}");
    assert!(!shown.contains("CANARY") && !shown.contains("MfKQ9"), "{shown}");
}

#[test]
fn mistakes_are_told_where_they_are_without_the_secret() {
    let one = |kind: &str, keys: &str| format!("[receivers.x]\nkind = \"{kind}\"\n{keys}\n");
    check(&one("slak", ""), &[("\"slak\"", "unknown value `slak`")]);
    check(&one("slack", ""), &[("x", "has no `url`")]);
    check(
        &one("slack", "url = \"env:URL\"\ntoken = \"env:TOKEN\""),
        &[("token", "unknown key `token`")],
    );
    check(&one("slack", "url = \"env:INSIDE\""), &[("\"env:INSIDE\"", "names a private address")]);
    check(
        &one("telegram", "token = \"env:WRONG\"\nchat = \"1\""),
        &[("\"env:WRONG\"", "is not a bot's token")],
    );
    check(&one("telegram", "token = \"env:TOKEN\""), &[("x", "has no `chat`")]);
    check(&one("pagerduty", "key = \"env:WRONG\""), &[("\"env:WRONG\"", "is not a routing key")]);
    let half = one("alertmanager", "url = \"env:URL\"\nusername = \"ada\"");
    check(&half, &[("\"ada\"", "half a login")]);
    let both = "url = \"env:URL\"\nusername = \"ada\"\npassword = \"env:KEY\"\ntoken = \"env:KEY\"";
    check(&one("alertmanager", both), &[("x", "both `token` and a login")]);
    let hook = |keys: &str| {
        one("webhook", &format!("url = \"env:URL\"\nsecrets = [\"env:SECRET\"]\n{keys}"))
    };
    check(&hook("body = \"ticket.json\""), &[("\"ticket.json\"", "`body` is not a file")]);
    check(&hook("body = \"file:none.json\""), &[("\"file:none.json\"", "cannot be read")]);
    check(&hook("body = \"file:wrong.json\""), &[("\"file:wrong.json\"", "(line 1)")]);
    check(&hook("headers = { Webhook-Id = \"a\" }"), &[("Webhook-Id", "is made for each message")]);
    check(&hook("shape = \"slack\""), &[("\"slack\"", "unknown value `slack`")]);
    check(&hook("fallback = \"x\""), &[("\"x\"", "`x` is its own fallback")]);
    check(&hook("fallback = \"ops-male\""), &[("\"ops-male\"", "unknown receiver `ops-male`")]);
    check(&hook("fallback_after = \"5 min\""), &[("\"5 min\"", "without a `fallback`")]);
    check(&hook("limit = \"many\""), &[("\"many\"", "`20 / h`")]);
    check(&hook("canary = \"daily\""), &[("\"daily\"", "")]);
}

#[test]
fn receivers_of_incidents_take_no_digest() {
    let text = r#"
[receivers.duty]
kind = "pagerduty"
key = "env:KEY"
[receivers.chat]
kind = "slack"
url = "env:URL"
[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "env:KEY", client_secret = "env:KEY" }
[report_types.channels]
from = "MessagingChannel channel"
[reports.q]
type = "channels"
columns = ["count() as Channels"]
[digests.d]
reports = ["q"]
schedule = "0 8 * * *"
to = ["chat", "duty"]
"#;
    check(text, &[("\"duty\"", "`duty` takes incidents, not digests")]);
}
