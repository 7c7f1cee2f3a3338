//! Sources and datasets in the config: what is right becomes exact settings, what is wrong is told
//! at once at its place, and no secret is ever shown.

mod commands;
mod edits;
mod mistakes;

use std::path::Path;

use chrono::TimeDelta;
use postrider::config::{Config, Given, Mode, Note, Overlay, Problems, SourceSettings};
use postrider::config::{diff, load_text};
use postrider::domain::dataset::Dataset;
use postrider::domain::value::Type;
use postrider::source::rest::{Format, More, Paging, RestAuth, RestDataset, RestSettings};
use postrider::source::salesforce::{SalesforceAuth, SalesforceSettings};
use secrecy::ExposeSecret;

/// Two orgs and an API, with datasets of each kind.
pub(crate) const GOOD: &str = r#"
[sources.salesforce]
kind = "salesforce"
login_url = "https://acme--uat.sandbox.my.salesforce.com"
auth = { flow = "jwt_bearer", client_id = "env:SF_CLIENT_ID", username = "reports@acme.com", private_key = "file:sf.key" }
overlap = "20 min"
bulk_above = "never"

[sources.emea]
kind = "salesforce"
login_url = "https://emea.my.salesforce.com"
auth = { client_id = "env:SF_CLIENT_ID", client_secret = "credential:emea" }
bulk_above = 2000

[sources.desk]
kind = "rest"
base_url = "https://desk.example.com/api/"
auth = { bearer = "env:DESK_TOKEN" }
headers = { Accept = "application/json", X-Tenant-Key = "env:DESK_TENANT" }
rate = "60 / min"
pull_every = "2 min"
history = "6 months"

[datasets.MessagingSession]
source = "salesforce"
fields = { Priority__c = "text", owner = "Owner.Name text" }
keep = "24 months"

[datasets.EmeaSession]
source = "emea"
object = "MessagingSession"

[datasets.Case]
source = "emea"
fields = { Subject = "text", Name = "CaseNumber text", IsClosed = "boolean" }
dated = false

[datasets.tickets]
source = "desk"
path = "/v2/tickets"
query = { updated_since = "{watermark}", per_page = "500" }
records = "/data"
paging = { next_url = "/links/next", end = "/end_of_stream" }
key = "id"
updated = "updated_at"
created = "created_at"
label = "subject"
keep = "12 months"
history = "2 months"
overlap = "5 min"
max_pages = 50
max_bad = 0.2

[datasets.tickets.fields]
id = "integer"
subject = "text"
updated_at = "timestamp"
created_at = "/created timestamp epoch_s"
assignee = "/user/name text"
tags = "text joined ', '"
comments = "integer count"

[datasets.lines]
source = "desk"
path = "/orders"
explode = "/lines"
key = ["order", "line"]
fields = { order = "/id text", line = "/lines/number integer", price = "/lines/price real" }
paging = { page = "page", first = 0, size = 100 }
"#;

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nswordfish-key\n-----END PRIVATE KEY-----";

fn surroundings() -> Given {
    let variables = [
        ("SF_CLIENT_ID", "swordfish-id"),
        ("SF_CLIENT_SECRET", "swordfish-secret"),
        ("DESK_TOKEN", "swordfish-token"),
        ("DESK_TENANT", "swordfish-tenant"),
        ("TWO_LINES", "swordfish\nline"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials/postrider"),
    ];
    let files = [
        ("/etc/postrider/sf.key", KEY),
        ("/etc/postrider/sf.crt", "-----BEGIN CERTIFICATE-----\nswordfish"),
        ("/run/credentials/postrider/emea", "swordfish-emea\n"),
    ];
    Given {
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        files: files.map(|(path, text)| (path.into(), text.to_owned())).into(),
    }
}

pub(crate) fn read(text: &str) -> Result<(Config, Vec<Note>), Problems> {
    load_text("config.toml", text, Path::new("/etc/postrider"), &surroundings(), Mode::Run)
}

#[track_caller]
fn valid(text: &str) -> (Config, Vec<String>) {
    match read(text) {
        Ok((config, notes)) => (config, notes.iter().map(ToString::to_string).collect()),
        Err(problems) => panic!("{problems}"),
    }
}

#[track_caller]
fn org<'c>(config: &'c Config, name: &str) -> &'c SalesforceSettings {
    match &config.sources[name] {
        SourceSettings::Salesforce(settings) => settings,
        _ => panic!("`{name}` is no org"),
    }
}

#[track_caller]
fn api<'c>(config: &'c Config, name: &str) -> &'c RestSettings {
    match &config.sources[name] {
        SourceSettings::Rest(settings) => settings,
        _ => panic!("`{name}` is no API"),
    }
}

#[track_caller]
fn dataset<'c>(config: &'c Config, name: &str) -> &'c Dataset {
    let found = config.datasets.iter().find(|dataset| dataset.name == name);
    found.unwrap_or_else(|| panic!("no dataset `{name}`"))
}

/// Name, path and type of each field.
fn fields(dataset: &Dataset) -> Vec<(&str, &str, Type)> {
    let fields = dataset.fields.iter();
    fields.map(|field| (field.name.as_str(), field.path.as_str(), field.ty)).collect()
}

#[test]
fn orgs_become_exactly_what_is_written() {
    let (config, notes) = valid(GOOD);
    assert_eq!(notes, Vec::<String>::new());
    let uat = org(&config, "salesforce");
    assert_eq!(uat.login_url, "https://acme--uat.sandbox.my.salesforce.com");
    assert_eq!((uat.api_version.as_deref(), uat.bulk_above), (None, None));
    assert_eq!((uat.overlap, uat.pull_every), (TimeDelta::minutes(20), TimeDelta::minutes(5)));
    match &uat.auth {
        SalesforceAuth::JwtBearer { client_id, username, private_key, audience } => {
            assert_eq!(client_id.expose_secret(), "swordfish-id");
            assert_eq!(username, "reports@acme.com");
            assert_eq!(private_key.expose_secret(), KEY);
            assert_eq!(audience, "https://test.salesforce.com");
        }
        other => panic!("{other:?}"),
    }
    let emea = org(&config, "emea");
    assert_eq!((emea.overlap, emea.bulk_above), (TimeDelta::minutes(10), Some(2000)));
    match &emea.auth {
        SalesforceAuth::ClientCredentials { client_secret, .. } => {
            assert_eq!(client_secret.expose_secret(), "swordfish-emea");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_api_becomes_exactly_what_is_written() {
    let (config, _) = valid(GOOD);
    let desk = api(&config, "desk");
    assert_eq!(desk.base_url, "https://desk.example.com/api");
    assert_eq!(desk.rate, Some((60, TimeDelta::minutes(1))));
    assert_eq!(desk.pull_every, TimeDelta::minutes(2));
    assert_eq!(desk.history, Some(TimeDelta::days(6 * 31)));
    let headers: Vec<_> =
        desk.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(headers, [("Accept", "application/json"), ("X-Tenant-Key", "swordfish-tenant")]);
    match &desk.auth {
        RestAuth::Bearer(token) => assert_eq!(token.expose_secret(), "swordfish-token"),
        other => panic!("{other:?}"),
    }
    assert_eq!(desk.datasets.keys().collect::<Vec<_>>(), ["lines", "tickets"]);
    let RestDataset { readings, key_of, .. } = &desk.datasets["tickets"];
    assert_eq!(key_of, &[] as &[usize]);
    let readings: Vec<_> =
        readings.iter().map(|reading| (reading.pointer.as_str(), &reading.format)).collect();
    assert_eq!(
        readings,
        [
            ("/id", &Format::Plain),
            ("/subject", &Format::Plain),
            ("/updated_at", &Format::Plain),
            ("/created", &Format::EpochSeconds),
            ("/user/name", &Format::Plain),
            ("/tags", &Format::Joined(", ".to_owned())),
            ("/comments", &Format::Count),
        ]
    );
    let tickets = RestDataset { readings: Vec::new(), ..desk.datasets["tickets"].clone() };
    assert_eq!(
        tickets,
        RestDataset {
            path: "/v2/tickets".into(),
            query: vec![
                ("updated_since".into(), "{watermark}".into()),
                ("per_page".into(), "500".into())
            ],
            records: "/data".into(),
            paging: Paging::NextUrl {
                pointer: "/links/next".into(),
                more: Some(More { pointer: "/end_of_stream".into(), when: false }),
            },
            explode: None,
            readings: Vec::new(),
            key_of: Vec::new(),
            overlap: TimeDelta::minutes(5),
            window: None,
            pages_max: 50,
            bad_share_max: 0.2,
        }
    );
}

#[test]
fn datasets_of_an_api_know_their_key_their_times_and_their_label() {
    let (config, _) = valid(GOOD);
    let tickets = dataset(&config, "tickets");
    assert_eq!(tickets.source, "desk");
    // All that decides which records come: whoever changes it loads again.
    assert_eq!(tickets.object, "/v2/tickets?updated_since={watermark}&per_page=500#/data");
    assert_eq!(
        fields(tickets),
        [
            ("id", "/id integer", Type::Integer),
            ("subject", "/subject text", Type::Text),
            ("updated_at", "/updated_at timestamp", Type::Timestamp),
            ("created_at", "/created timestamp epoch_s", Type::Timestamp),
            ("assignee", "/user/name text", Type::Text),
            ("tags", "/tags text joined ', '", Type::Text),
            ("comments", "/comments integer count", Type::Integer),
        ]
    );
    assert_eq!((tickets.key, tickets.updated, tickets.created), (0, Some(2), Some(3)));
    assert_eq!((tickets.label, &tickets.visible), (1, &vec![3]));
    assert_eq!((tickets.whole, tickets.dated), (false, true));
    assert_eq!(tickets.keep, Some(TimeDelta::days(12 * 31)));
    assert_eq!(tickets.history, Some(TimeDelta::days(2 * 31)));
    assert!(!tickets.fields[0].nullable && tickets.fields[1].nullable);

    // Without a field that says what changed it is read whole; its key is made of two fields.
    let lines = dataset(&config, "lines");
    assert_eq!(lines.object, "/orders#/lines");
    assert_eq!((lines.whole, lines.dated, lines.updated), (true, false, None));
    assert_eq!((lines.key, lines.fields[3].name.as_str()), (3, "key"));
    let read = &api(&config, "desk").datasets["lines"];
    assert_eq!((read.key_of.as_slice(), read.explode.as_deref()), (&[0, 1][..], Some("/lines")));
    assert_eq!(read.readings[3].pointer, "");
    assert_eq!(read.paging, Paging::Page { parameter: "page".into(), first: 0, size: Some(100) });
    assert_eq!((read.pages_max, read.bad_share_max), (10_000, 0.05));
}

#[test]
fn a_load_of_windows_from_the_beginning_of_time_is_noted() {
    let windowed = GOOD.replace(
        "query = { updated_since = \"{watermark}\", per_page = \"500\" }",
        "query = { since = \"{from}\", until = \"{to}\" }\nwindow = \"1 day\"",
    );
    let told = |text: &str| {
        let (_, notes) = valid(text);
        notes.into_iter().filter(|note| note.contains("begins in 1970")).collect::<Vec<_>>()
    };
    assert!(told(&windowed).is_empty());
    let without =
        windowed.replace("history = \"2 months\"\n", "").replace("keep = \"12 months\"\n", "");
    assert!(told(&without).is_empty(), "as far as the source goes");
    let without = without.replace("history = \"6 months\"\n", "");
    let notes = told(&without);
    assert!(notes[0].contains("365 requests or more for each year"), "{notes:?}");
    assert!(notes[0].contains("history = "), "{notes:?}");
}

#[test]
fn objects_have_what_every_object_has_and_built_in_ones_all_of_theirs() {
    let (config, _) = valid(GOOD);
    let built_in = postrider::source::salesforce::objects::datasets("salesforce");
    let session = dataset(&config, "MessagingSession");
    let own = built_in.iter().find(|known| known.name == "MessagingSession").unwrap();
    assert_eq!(session.fields[..own.fields.len()], own.fields[..]);
    assert_eq!(
        fields(session)[own.fields.len()..],
        [("Priority__c", "Priority__c", Type::Text), ("owner", "Owner.Name", Type::Text)]
    );
    assert_eq!(session.fields[own.fields.len()].label, "Priority");
    assert_eq!((session.label, session.keep), (own.label, Some(TimeDelta::days(24 * 31))));

    let emea = dataset(&config, "EmeaSession");
    assert_eq!((emea.source.as_str(), emea.object.as_str()), ("emea", "MessagingSession"));
    assert_eq!((&emea.fields, emea.whole, emea.dated), (&own.fields, own.whole, own.dated));

    let case = dataset(&config, "Case");
    assert_eq!(
        fields(case),
        [
            ("Id", "Id", Type::Text),
            ("CreatedDate", "CreatedDate", Type::Timestamp),
            ("SystemModstamp", "SystemModstamp", Type::Timestamp),
            ("Subject", "Subject", Type::Text),
            ("Name", "CaseNumber", Type::Text),
            ("IsClosed", "IsClosed", Type::Boolean),
        ]
    );
    assert_eq!((case.key, case.updated, case.created), (0, Some(2), Some(1)));
    assert_eq!((case.label, case.whole, case.dated), (4, false, false));
    // The built-in datasets are there once, of the org called `salesforce`.
    assert_eq!(config.datasets.len(), built_in.len() + 4);
}

#[test]
fn of_several_orgs_one_has_the_built_in_datasets_and_is_named() {
    let orgs = |names: &[&str]| -> String {
        let one = |name: &&str| {
            format!(
                "[sources.{name}]\nkind = \"salesforce\"\nlogin_url = \"https://{name}.my.salesforce.com\"\n\
                 auth = {{ client_id = \"env:SF_CLIENT_ID\", client_secret = \"env:SF_CLIENT_SECRET\" }}\n"
            )
        };
        names.iter().map(one).collect()
    };
    let source_of = |config: &Config| dataset(config, "Account").source.clone();
    let (config, notes) = valid(&orgs(&["only"]));
    assert_eq!((source_of(&config).as_str(), notes.len()), ("only", 0));
    let (config, notes) = valid(&orgs(&["emea", "apac"]));
    assert_eq!(source_of(&config), "apac");
    assert!(notes[0].contains("nothing is read from `emea`"), "{notes:?}");
    assert!(notes[1].contains("of several orgs `apac` has the built-in datasets"), "{notes:?}");
    let (config, notes) = valid(&orgs(&["apac", "salesforce"]));
    assert_eq!((source_of(&config).as_str(), notes.len()), ("salesforce", 1));
}

#[test]
fn every_way_an_api_can_know_us_is_read() {
    let auth = |written: &str| {
        let text = GOOD.replace("auth = { bearer = \"env:DESK_TOKEN\" }", written);
        api(&valid(&text).0, "desk").auth.clone()
    };
    assert!(matches!(auth(""), RestAuth::None));
    assert!(matches!(auth("auth = \"none\""), RestAuth::None));
    match auth("auth = { basic = { username = \"me\", password = \"env:DESK_TOKEN\" } }") {
        RestAuth::Basic { username, password } => {
            assert_eq!((username.as_str(), password.expose_secret()), ("me", "swordfish-token"));
        }
        other => panic!("{other:?}"),
    }
    match auth("auth = { header = { name = \"X-Api-Key\", value = \"env:DESK_TOKEN\" } }") {
        RestAuth::Header { name, value } => {
            assert_eq!((name.as_str(), value.expose_secret()), ("X-Api-Key", "swordfish-token"));
        }
        other => panic!("{other:?}"),
    }
    match auth("auth = { query = { name = \"api_key\", value = \"env:DESK_TOKEN\" } }") {
        RestAuth::Query { name, value } => {
            assert_eq!((name.as_str(), value.expose_secret()), ("api_key", "swordfish-token"));
        }
        other => panic!("{other:?}"),
    }
    let oauth2 = "auth = { oauth2 = { token_url = \"https://id.example.com/token\", client_id = \
                  \"env:SF_CLIENT_ID\", client_secret = \"env:SF_CLIENT_SECRET\", scope = \"read\" } }";
    match auth(oauth2) {
        RestAuth::OAuth2 { token_url, client_id, client_secret, scope } => {
            assert_eq!(token_url, "https://id.example.com/token");
            assert_eq!(client_id.expose_secret(), "swordfish-id");
            assert_eq!(client_secret.expose_secret(), "swordfish-secret");
            assert_eq!(scope.as_deref(), Some("read"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_way_pages_follow_is_read() {
    let paging = |written: &str| {
        let text = GOOD.replace("{ page = \"page\", first = 0, size = 100 }", written);
        api(&valid(&text).0, "desk").datasets["lines"].paging.clone()
    };
    assert_eq!(paging("\"none\""), Paging::None);
    assert_eq!(paging("{ link_header = true }"), Paging::LinkHeader);
    assert_eq!(
        paging("{ cursor = \"/after\", parameter = \"after\", more = \"/has_more\" }"),
        Paging::Cursor {
            pointer: "/after".into(),
            parameter: "after".into(),
            more: Some(More { pointer: "/has_more".into(), when: true }),
        }
    );
    assert_eq!(
        paging("{ next_url = \"/next\" }"),
        Paging::NextUrl { pointer: "/next".into(), more: None }
    );
    assert_eq!(
        paging("{ page = \"p\" }"),
        Paging::Page { parameter: "p".into(), first: 1, size: None }
    );
    assert_eq!(
        paging("{ offset = \"skip\", size = 50 }"),
        Paging::Offset { parameter: "skip".into(), size: 50 }
    );
}

const READERS: &str = r#"
[reports.old]
type = "MessagingSession"
columns = ["count() as Sessions"]
[reports.decade]
type = "MessagingSession"
period = "last 120 months"
date = "MessagingSession.StartTime"
columns = ["count() as Sessions"]
[reports.recent]
type = "MessagingSession"
period = "last 12 months"
date = "MessagingSession.StartTime"
columns = ["count() as Sessions"]
[reports.tickets]
type = "tickets"
period = "this year"
date = "tickets.created_at"
columns = ["count() as Tickets"]
[rules.waiting]
type = "tickets"
value = "count()"
levels = [["warning", "> 3"]]
[rules.rush]
type = "tickets"
value = "count()"
date = "tickets.created_at"
window = "30 min"
levels = [["warning", "> 3"]]
[[routes]]
to = ["ops"]
[receivers.ops]
kind = "email"
to = ["ops@example.com"]
[smtp]
host = "smtp.example.com"
from = "reports@example.com"
"#;

#[test]
fn a_retention_names_the_figures_it_changes() {
    let text = format!("{READERS}{GOOD}").replace("12 months\"\nhistory", "6 months\"\nhistory");
    let (_, notes) = valid(&text);
    let told: Vec<&str> =
        notes.iter().filter_map(|note| note.splitn(4, ':').nth(3)).map(str::trim).collect();
    assert_eq!(
        told,
        [
            "report `decade` over last 120 months will only see 24 months of `MessagingSession`",
            "report `old` over all time will only see 24 months of `MessagingSession`",
            "report `tickets` over this year will only see 6 months of `tickets`",
            "rule `waiting`, which has no window, will only see 6 months of `tickets`",
        ]
    );
}

#[test]
fn a_digest_waits_ten_minutes_for_records_unless_it_says_otherwise() {
    let digest = |more: &str| {
        let digest =
            "[digests.d]\nreports = [\"old\"]\nschedule = \"0 8 * * *\"\nto = [\"a@example.com\"]";
        let (config, _) = valid(&format!("{READERS}{digest}\n{more}\n{GOOD}"));
        config.digests["d"].wait_up_to
    };
    assert_eq!(digest(""), TimeDelta::minutes(10));
    assert_eq!(digest("wait_up_to = \"30 min\""), TimeDelta::minutes(30));
    assert_eq!(digest("wait_up_to = \"0 s\""), TimeDelta::zero());
    let metrics = format!("[postrider]\nmetrics = \"file:m/postrider.prom\"\n{GOOD}");
    let (config, _) = valid(&metrics);
    assert_eq!(config.metrics.as_deref(), Some(Path::new("/etc/postrider/m/postrider.prom")));
}

#[test]
fn a_note_says_when_an_api_is_read_whole_though_it_need_not() {
    let (config, notes) = valid(&GOOD.replace("updated_since = \"{watermark}\", ", ""));
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("`tickets` is read whole at every pull"), "{notes:?}");
    assert!(!dataset(&config, "tickets").whole);
}

#[test]
fn no_secret_is_shown_by_what_was_read() {
    let (config, _) = valid(GOOD);
    assert!(!format!("{config:?}").contains("swordfish"));
    let literals = GOOD
        .replace("env:DESK_TOKEN", "swordfish")
        .replace("env:DESK_TENANT", "swordfish")
        .replace("file:sf.key", "swordfish")
        .replace("credential:emea", "swordfish")
        .replace("{ updated_since", "{ api_key = \"swordfish\", updated_since");
    let problems = read(&literals).unwrap_err();
    assert_eq!(problems.0.len(), 5, "{problems}");
    assert!(!format!("{problems}{problems:?}").contains("swordfish"), "{problems}");
    let header = "auth = { header = { name = \"X-Key\", value = \"swordfish\" } }";
    let problems =
        read(&GOOD.replace("auth = { bearer = \"env:DESK_TOKEN\" }", header)).unwrap_err();
    assert!(!format!("{problems}{problems:?}").contains("swordfish"), "{problems}");
    // Nor where the text breaks off, and the tree of it is a guess.
    let broken = read(&format!("{}\n[", GOOD.replace("env:DESK_TOKEN", "swordfish"))).unwrap_err();
    assert!(!format!("{broken}{broken:?}").contains("swordfish"), "{broken}");
}

#[test]
fn a_reload_names_the_datasets_that_changed() {
    let (old, _) = valid(GOOD);
    let changed = |old_text: &str, new_text: &str| {
        assert!(GOOD.contains(old_text), "{old_text}");
        let changes = diff(&old, &valid(&GOOD.replacen(old_text, new_text, 1)).0);
        changes.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    assert_eq!(
        changed("per_page", "page_size"),
        ["dataset `tickets` changed: `query.page_size` now 500; `query.per_page` no longer 500"]
    );
    assert_eq!(
        changed("\"24 months\"", "\"30 months\""),
        ["dataset `MessagingSession` changed: `keep` 24 months -> 30 months"]
    );
    assert_eq!(
        changed("/user/name text", "/agent/name text"),
        ["dataset `tickets` changed: `fields.assignee` /user/name text -> /agent/name text"]
    );
    assert_eq!(
        changed("[datasets.Case]", "[datasets.Order]"),
        ["dataset `Case` removed", "dataset `Order` added"]
    );
    assert_eq!(
        changed("\"60 / min\"", "\"90 / min\""),
        ["source `desk` changed: `rate` 60 / min -> 90 / min"]
    );
    assert_eq!(
        changed("env:DESK_TOKEN", "env:DESK_TENANT"),
        ["source `desk` changed: `auth.bearer` env:DESK_TOKEN -> env:DESK_TENANT"]
    );
    assert_eq!(changed("\"20 min\"", "\"20min\""), Vec::<String>::new());
}

#[test]
fn the_demo_takes_the_place_of_orgs_and_leaves_apis_alone() {
    let (mut config, _) = valid(GOOD);
    let before = format!("{:?}", api(&config, "desk"));
    let lines = config.overlay(&Overlay {
        smtp: ("127.0.0.1".into(), 25),
        login_url: "http://127.0.0.1:1".into(),
        credentials: ("id".into(), "secret".into()),
        webhooks: "http://127.0.0.1:2".into(),
        webhook_secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
        state: "/tmp/state".into(),
    });
    assert!(lines.iter().any(|line| line.contains("[sources.salesforce]")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("[sources.desk]")), "{lines:?}");
    assert_eq!(format!("{:?}", api(&config, "desk")), before);
    for name in ["salesforce", "emea"] {
        let settings = org(&config, name);
        assert_eq!(settings.login_url, "http://127.0.0.1:1");
        assert!(matches!(settings.auth, SalesforceAuth::ClientCredentials { .. }));
    }
}

#[test]
fn the_examples_in_the_comments_of_the_shipped_config_load() {
    let shipped = include_str!("../../config.toml");
    let examples: Vec<&str> = (shipped.lines())
        .skip_while(|line| !line.starts_with("#   ["))
        .take_while(|line| !line.starts_with("# ---"))
        .filter_map(|line| line.strip_prefix("#   "))
        .collect();
    assert!(examples.contains(&"[sources.desk]"), "{examples:?}");
    let text = format!("{shipped}\n{}\n", examples.join("\n"));
    let (config, _) =
        load_text("config.toml", &text, Path::new("."), &Given::default(), Mode::Check)
            .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(api(&config, "desk").datasets.len(), 1);
    assert!(dataset(&config, "MessagingSession").field("owner").is_some());
}
