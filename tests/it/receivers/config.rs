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

/// An authority's certificate.
fn authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.self_signed(&key).unwrap().pem()
}

fn read(receivers: &str) -> Result<Config, Problems> {
    let variables = [
        ("URL", "https://hooks.example.com/CANARY"),
        ("INSIDE", "http://10.1.2.3:9093/CANARY"),
        ("TOKEN", TOKEN),
        ("KEY", KEY),
        ("SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("PAIR", "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="),
        ("PROXY", "http://ada:CANARY@proxy:3128"),
        ("WRONG", "CANARY"),
    ];
    let env = Given {
        variables: variables.map(|(name, value)| (name.into(), value.into())).into(),
        files: [
            ("/etc/postrider/ticket.json".into(), "{\"t\": {{ data.title | tojson }}}".into()),
            ("/etc/postrider/wrong.json".into(), "{\"t\": {{ data.titel | tojson }}}".into()),
            ("/etc/postrider/ca.pem".into(), authority()),
            ("/etc/postrider/torn.pem".into(), "-----BEGIN CERTIFICATE-----\nCANARY".into()),
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
fn the_way_to_a_receiver_is_read() {
    let config = read(
        r#"
[receivers.hook]
kind = "webhook"
url = "env:INSIDE"
secrets = ["env:PAIR", "env:SECRET"]
allow = ["10.1.0.0/16", "fd00:12::7"]
ca = "file:ca.pem"
timeout = "30 s"
[receivers.chat]
kind = "slack"
url = "env:URL"
proxy = "env:PROXY"
[receivers.duty]
kind = "pagerduty"
key = "env:KEY"
proxy = "http://proxy:3128"
"#,
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    let ReceiverSettings::Webhook(hook) = &config.receivers["hook"] else { panic!() };
    let allow: Vec<String> = hook.passage.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["10.1.0.0/16", "fd00:12::7/128"]);
    assert!(!hook.passage.private && hook.passage.ca.is_some());
    assert_eq!(hook.passage.timeout.map(|time| time.as_secs()), Some(30));
    assert_eq!(hook.secrets.len(), 2);
    for name in ["chat", "duty"] {
        let ReceiverSettings::Vendor(settings) = &config.receivers[name] else { panic!("{name}") };
        assert!(settings.passage.proxy.is_some(), "{name}");
    }
    let shown = format!("{config:?}");
    assert!(!shown.contains("CANARY") && !shown.contains("nWGxne"), "{shown}");
}

#[test]
fn mistakes_on_the_way_to_a_receiver_are_told_where_they_are() {
    let hook = |keys: &str| {
        let head = "[receivers.x]\nkind = \"webhook\"\nsecrets = [\"env:SECRET\"]\n";
        format!("{head}{keys}\n")
    };
    let inside = |keys: &str| hook(&format!("url = \"env:INSIDE\"\n{keys}"));
    let outside = |keys: &str| hook(&format!("url = \"env:URL\"\n{keys}"));
    check(&inside("allow = [\"10.2.0.0/16\"]"), &[("\"env:INSIDE\"", "a private address")]);
    check(&outside("allow = [\"ten\"]"), &[("\"ten\"", "is not a network")]);
    let metadata = [("\"169.254.0.0/16\"", "is not a private network")];
    check(&outside("allow = [\"169.254.0.0/16\"]"), &metadata);
    let all = [("\"0.0.0.0/0\"", "is not a private network")];
    check(&outside("allow = [\"0.0.0.0/0\"]"), &all);
    check(&outside("ca = \"ca.pem\""), &[("\"ca.pem\"", "is not a file of certificates")]);
    check(&outside("ca = \"file:torn.pem\""), &[("\"file:torn.pem\"", "cannot be read")]);
    check(&outside("ca = \"file:ticket.json\""), &[("\"file:ticket.json\"", "no certificate")]);
    check(&outside("timeout = \"2 s\""), &[("\"2 s\"", "is not between 5 s and 60 s")]);
    check(&outside("timeout = \"2 min\""), &[("\"2 min\"", "is not between 5 s and 60 s")]);
    let literal = "proxy = \"http://ada:CANARY@proxy:3128\"";
    let problems = read(&outside(literal)).unwrap_err();
    assert!(problems.0[0].message.contains("a secret written into the config"), "{problems}");
    let socks = [("\"socks5://proxy:1080\"", "is not spoken to by `http`")];
    check(&outside("proxy = \"socks5://proxy:1080\""), &socks);
    let private = [("\"http://10.9.9.9:3128\"", "in a private network")];
    check(&outside("proxy = \"http://10.9.9.9:3128\""), &private);
    let clear = "private = true\nproxy = \"http://proxy:3128\"";
    check(&inside(clear), &[("\"env:INSIDE\"", "through a proxy `https` is needed")]);
    let mail = "[receivers.x]\nkind = \"email\"\nto = [\"a@example.com\"]\ntimeout = \"9 s\"\n";
    check(mail, &[("timeout", "unknown key `timeout`")]);
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
