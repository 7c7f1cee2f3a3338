//! Every secret that a config can hold, and a config that holds them all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postrider::demo::org::JWT_PRIVATE_KEY;

use crate::harness::{HEAD, HOOK_SECRET, TRAFFIC};

/// A secret: the variable it comes from, and the part of it that must be nowhere.
pub(super) struct Secret {
    pub(super) variable: &'static str,
    /// As the variable has it.
    pub(super) value: String,
    /// What is looked for.
    pub(super) canary: String,
}

/// Where the far sides are.
pub(super) struct Sides {
    /// A webhook catcher's address.
    pub(super) hook: String,
    /// A JSON API's address: a source, and a proxy that connects to nothing.
    pub(super) api: String,
}

/// The token that the API hands out for a client's secret: a secret too, and in no config.
pub(super) const ACCESS_TOKEN: &str = "canaryAccessToken7320";

/// The keys of the config, with what each holds.
pub(super) const KEYS: &str = include_str!("../../../src/config/schema/keys.txt");

/// Whether the config has a table of that name.
fn has(section: &str) -> bool {
    KEYS.contains(&format!("\n> {section}\n"))
}

/// All of them.
pub(super) fn secrets(sides: &Sides) -> Vec<Secret> {
    let Sides { hook, api } = sides;
    let proxy = api.replace("http://", "http://ada:canaryProxy7306@");
    let pair = STANDARD.encode(b"canaryEd25519Seed7304 of 32 byte");
    let plain = |variable, canary: &str| Secret {
        variable,
        value: canary.to_owned(),
        canary: canary.to_owned(),
    };
    let within = |variable, value: String, canary: &str| {
        assert!(value.contains(canary));
        Secret { variable, value, canary: canary.to_owned() }
    };
    let mut all = vec![
        plain("SF_SECRET", "canaryClientSecret7301"),
        within("SF_KEY", JWT_PRIVATE_KEY.to_owned(), JWT_PRIVATE_KEY.lines().nth(5).unwrap()),
        plain("SMTP_PASSWORD", "canaryPassword7302"),
        within("HOOK_URL", format!("{hook}/canaryUrl7303"), "canaryUrl7303"),
        within("HOOK_SECRET", HOOK_SECRET.to_owned(), HOOK_SECRET.trim_start_matches("whsec_")),
        within("HOOK_PAIR", format!("whsk_{pair}"), &pair),
        within(
            "BEHIND_URL",
            "https://hooks.example.com/canaryBehind7321".into(),
            "canaryBehind7321",
        ),
        plain("HOOK_HEADER", "canaryHookHeader7305"),
        within("PROXY", proxy, "canaryProxy7306"),
        within("CHAT_URL", format!("{hook}/canaryChat7307?sig=canarySig7308"), "canaryChat7307"),
        within("CHAT_URL", format!("{hook}/canaryChat7307?sig=canarySig7308"), "canarySig7308"),
        plain("TELEGRAM_TOKEN", "123456789:canaryTelegram7309canary"),
        plain("PAGERDUTY_KEY", "canaryPagerDuty7310canaryPagerDu"),
        plain("AM_PASSWORD", "canaryAmPassword7311"),
        plain("AM_TOKEN", "canaryAmToken7312"),
        within("BEAT_URL", format!("{hook}/canaryBeat7313"), "canaryBeat7313"),
        plain("DESK_BEARER", "canaryBearer7314"),
        plain("DESK_BASIC", "canaryBasic7315"),
        plain("DESK_HEADER", "canaryHeader7316"),
        plain("DESK_QUERY", "canary+Query/7317="),
        plain("DESK_ID", "canaryDeskId7322"),
        plain("DESK_CLIENT", "canaryDeskClient7318"),
        plain("DESK_MORE", "canaryMoreHeader7319"),
    ];
    if has("failover") {
        all.push(plain("XOAUTH2_SECRET", "canaryXoauth2Secret7323"));
        all.push(plain("XOAUTH2_REFRESH", "canaryXoauth2Refresh7324"));
    }
    all
}

/// The ways to log in to a JSON API.
pub(super) const LOGINS: [(&str, &str); 5] = [
    ("bearer", "{ bearer = \"env:DESK_BEARER\" }"),
    ("basic", "{ basic = { username = \"ada\", password = \"env:DESK_BASIC\" } }"),
    ("header", "{ header = { name = \"X-Key\", value = \"env:DESK_HEADER\" } }"),
    ("query", "{ query = { name = \"api_key\", value = \"env:DESK_QUERY\" } }"),
    (
        "oauth2",
        "{ oauth2 = { token_url = \"API/token\", client_id = \"env:DESK_ID\", \
         client_secret = \"env:DESK_CLIENT\" } }",
    ),
];

/// Receivers of every kind, by name.
pub(super) const RECEIVERS: [&str; 9] =
    ["ops-hook", "behind", "chat", "teams", "discord", "telegram", "duty", "inside", "alerts"];

const REST: &str = r#"
[receivers.behind]
kind = "webhook"
url = "env:BEHIND_URL"
secrets = ["env:HOOK_SECRET"]
proxy = "env:PROXY"
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
token = "env:TELEGRAM_TOKEN"
chat = "-100123"
url = "env:BASE_URL"
[receivers.duty]
kind = "pagerduty"
key = "env:PAGERDUTY_KEY"
url = "env:BASE_URL"
[receivers.inside]
kind = "alertmanager"
url = "env:BASE_URL"
username = "ada"
password = "env:AM_PASSWORD"
[receivers.alerts]
kind = "alertmanager"
url = "env:BASE_URL"
token = "env:AM_TOKEN"

[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 60"]]

[digests.often]
reports = ["traffic"]
schedule = "*/2 * * * *"
to = ["ana@example.com", "ben@example.com", "ops-hook"]
"#;

/// A server that is asked where the first one is down, and what mails are signed with.
const MAIL: &str = r#"
dkim = [{ domain = "example.com", selector = "s1", key = "env:SF_KEY" }]
failover = [{ host = "localhost", port = 1, tls = "none", username = "spare", auth = { kind = "xoauth2", token_url = "http://localhost:1/token", client_id = "spare", client_secret = "env:XOAUTH2_SECRET", refresh_token = "env:XOAUTH2_REFRESH" } }]"#;

/// A config with all of them.
pub(super) fn config(sides: &Sides) -> String {
    let mail = if has("failover") && has("dkim") { MAIL } else { "" };
    let head = HEAD
        .replace(
            "[postrider]\n",
            "[postrider]\nheartbeat = \"env:BEAT_URL\"\nheartbeat_every = \"1 min\"\n\
             metrics = \"file:metrics.prom\"\n",
        )
        .replace(
            "from = \"Postrider <reports@example.com>\"",
            &format!(
                "from = \"Postrider <reports@example.com>\"\nusername = \"postrider\"\n\
                 password = \"env:SMTP_PASSWORD\"{mail}"
            ),
        )
        .replace(
            "secrets = [\"env:HOOK_SECRET\"]",
            "secrets = [\"env:HOOK_SECRET\", \"env:HOOK_PAIR\"]\n\
             headers = { X-Api-Key = \"env:HOOK_HEADER\" }",
        );
    let mut text = format!("{head}{TRAFFIC}{REST}");
    for (name, auth) in LOGINS {
        text += &format!(
            "\n[sources.{name}]\nkind = \"rest\"\nbase_url = \"{api}\"\npull_every = \"1 min\"\n\
             auth = {auth}\nheaders = {{ X-Api-Secret = \"env:DESK_MORE\" }}\n\
             [datasets.calls_{name}]\nsource = \"{name}\"\npath = \"/{name}\"\nkey = \"id\"\n\
             fields = {{ id = \"text\", minutes = \"integer\" }}\n\
             [report_types.calls_{name}]\nfrom = \"calls_{name}\"\n\
             [reports.calls-{name}]\ntitle = \"Calls\"\ntype = \"calls_{name}\"\n\
             columns = [\"count() as Calls\"]\n\
             [digests.calls-{name}]\nreports = [\"calls-{name}\"]\nschedule = \"*/2 * * * *\"\n\
             to = [\"ana@example.com\"]\n",
            api = sides.api,
            auth = auth.replace("API", &sides.api),
        );
    }
    let to: Vec<String> = RECEIVERS.iter().map(|name| format!("\"{name}\"")).collect();
    text + &format!("\n[[routes]]\nto = [\"ops-mail\", {}]\n", to.join(", "))
}
