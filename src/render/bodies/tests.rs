//! What each vendor is sent, against its published shape; and how far texts may go.
//!
//! The expected bodies lie in `expected/` as they were compared with the vendors' pages:
//!
//! - `slack.json`: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks> and
//!   <https://docs.slack.dev/reference/block-kit/blocks>
//! - `teams.json`: <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#send-adaptive-cards-using-an-incoming-webhook>
//!   and <https://adaptivecards.io/explorer/RichTextBlock.html>
//! - `discord.json`: <https://discord.com/developers/docs/resources/webhook#execute-webhook>
//! - `telegram.json`: <https://core.telegram.org/bots/api#sendmessage> (the chat is put in later)
//! - `pagerduty.json`: <https://developer.pagerduty.com/docs/send-alert-event> (the key is put in later)
//! - `alertmanager.json`: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>
//!   (`postableAlerts`)
//! - `webhook4.json`: <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::brief::{escaped, units};
use super::*;
use crate::domain::incident::Severity;
use crate::domain::notification::{Change, Item, Kind, Occurrence};
use crate::domain::report::Format;
use crate::domain::silence::Ack;
use crate::domain::zone::Zone;
use crate::render::IncidentKind;
use crate::render::Look;
use crate::render::tests::fixtures;
use crate::render::tests::schema::against;

const ALL: [&str; 7] =
    ["slack", "teams", "discord", "telegram", "pagerduty", "alertmanager", "webhook4"];

fn shape(name: &str) -> Shape {
    match name {
        "slack" => Shape::Slack,
        "teams" => Shape::Teams,
        "discord" => Shape::Discord,
        "telegram" => Shape::Telegram,
        "pagerduty" => Shape::PagerDuty,
        "alertmanager" => Shape::Alertmanager,
        "webhook4" => Shape::Alertmanager4 { receiver: "ops".to_owned() },
        other => panic!("{other}"),
    }
}

fn at() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-22T13:15:00Z").unwrap().to_utc()
}

/// A notice of one incident, which fires at its first of two levels.
fn notice() -> Notice {
    let mut notice = sample_notice("ops", at(), false);
    let item = &mut notice.items[0];
    let incident = &mut item.incident;
    incident.id = "a1b2c3d4e5f60718".to_owned();
    incident.rule = "slow-answer".to_owned();
    Arc::make_mut(&mut incident.about).title = "Customers wait <too> long".to_owned();
    Arc::make_mut(&mut incident.about).levels =
        vec![("warning".into(), "> 300".into()), ("critical".into(), "> 900".into())];
    Arc::make_mut(&mut incident.about).format = Format::Duration;
    Arc::make_mut(&mut incident.about).runbook =
        Some("https://wiki.example.com/slow?a=1&b=2".to_owned());
    Arc::make_mut(&mut incident.about).labels.insert("Team Name".into(), "messaging".into());
    incident.group.shown = vec![("Channel".into(), "WhatsApp & *EMEA*".into())];
    (incident.value, incident.worst) = (Some(400.0), Some(400.0));
    notice.thread = incident.id.clone();
    notice.reason = "it fires".to_owned();
    notice
}

/// The same, worse; taken by somebody; over.
fn then(change: Change) -> Notice {
    let mut notice = notice();
    let item = &mut notice.items[0];
    item.change = change;
    let critical = Severity { index: 1, name: "critical".to_owned() };
    match change {
        Change::LevelUp => {
            notice.kind = Kind::LevelUp;
            item.incident.level = critical.clone();
            item.incident.peak = critical;
            item.incident.value = Some(1_000.0);
        }
        Change::Still => {
            notice.kind = Kind::Reminder;
            let until = at() + TimeDelta::hours(4);
            let id = item.incident.id.clone();
            item.ack = Some(Ack { incident: id, by: "Jo".into(), note: None, at: at(), until });
        }
        _ => {
            let over = sample_notice("ops", at(), true);
            (notice.kind, item.incident.peak) = (Kind::Resolved, critical);
            item.incident.state = over.items[0].incident.state;
            item.incident.resolved = over.items[0].incident.resolved;
        }
    }
    notice
}

fn mail() -> NotificationMail {
    let notice = notice();
    NotificationMail {
        kind: notice.kind,
        key: notice.key,
        thread: notice.thread,
        sequence: 1,
        at: at(),
        reason: notice.reason,
        grouped_by: Default::default(),
        items: Vec::new(),
        more_firing: 0,
        more_ended: 0,
        records: Vec::new(),
        records_more: 0,
        instead_of: None,
        late: None,
        data: Vec::new(),
        zone: Zone::named("Europe/Berlin").unwrap(),
        locale: "en-GB".to_owned(),
        owner: None,
        public_url: Some("https://postrider.example.com".to_owned()),
        look: Look::default(),
    }
}

fn rendered() -> Rendered {
    Rendered {
        subject: "[postrider] Customers wait <too> long: WhatsApp & *EMEA*".to_owned(),
        html: String::new(),
        text: "Firing: warning".to_owned(),
        language: "en",
        images: Vec::new(),
        attachments: Vec::new(),
        problem: None,
    }
}

fn made(name: &str, notice: &Notice) -> Vec<(String, Value)> {
    let bodies = bodies(&shape(name), notice, &mail(), &rendered());
    let read = |(suffix, body): (String, Vec<u8>)| {
        (suffix, serde_json::from_slice(&body).expect("every body is JSON"))
    };
    bodies.into_iter().map(read).collect()
}

fn one(name: &str, notice: &Notice) -> Value {
    let mut made = made(name, notice);
    assert_eq!(made.len(), 1, "{made:?}");
    made.remove(0).1
}

#[test]
fn every_vendor_is_sent_what_it_publishes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/render/bodies/expected");
    let mut wrong = Vec::new();
    for name in ALL {
        let expected = std::fs::read_to_string(folder.join(format!("{name}.json")));
        let expected: Value =
            serde_json::from_str(&expected.unwrap_or_default()).unwrap_or_default();
        let body = one(name, &notice());
        if body != expected {
            wrong.push(format!("{name}.json should be\n{body:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    for name in ALL {
        let bytes = || bodies(&shape(name), &notice(), &mail(), &rendered());
        assert_eq!(bytes(), bytes(), "{name}");
    }
}

#[test]
fn pagerduty_knows_an_incident_by_its_id_alone() {
    let key = "postrider/a1b2c3d4e5f60718";
    let mut reworded = then(Change::LevelUp);
    Arc::make_mut(&mut reworded.items[0].incident.about).title = "Answers take too long".to_owned();
    for (notice, action, severity) in [
        (notice(), "trigger", json!("warning")),
        (reworded, "trigger", json!("critical")),
        (then(Change::Still), "acknowledge", Value::Null),
        (then(Change::Resolved), "resolve", Value::Null),
    ] {
        let event = one("pagerduty", &notice);
        assert_eq!(event["dedup_key"], key);
        assert_eq!(event["event_action"], action);
        assert_eq!(event["payload"]["severity"], severity);
        assert_eq!(made("pagerduty", &notice)[0].0, "a1b2c3d4e5f60718");
    }
    let long = json!({ "about": "x".repeat(400) });
    let mail = notice_mail("t");
    let about = long["about"].as_str().unwrap();
    let trouble = Trouble { mail: &mail, about, at: at(), over: false };
    let event: Value = serde_json::from_slice(&trouble_body(&Shape::PagerDuty, &trouble)).unwrap();
    assert!(event["dedup_key"].as_str().unwrap().chars().count() <= 255);
}

#[test]
fn levels_are_words_that_pagerduty_knows() {
    for (level, highest, expected) in [
        ("Critical", false, "critical"),
        ("error", true, "error"),
        ("warning", true, "warning"),
        ("notice", true, "info"),
        ("orange", false, "warning"),
        ("red", true, "critical"),
    ] {
        assert_eq!(pagerduty::severity(level, highest), expected, "{level}");
    }
}

#[test]
fn alertmanager_is_told_of_each_level_that_no_longer_holds() {
    // Level and end of each alert, relative to now.
    let told = |notice: &Notice| -> Vec<(String, i64)> {
        let alerts = one("alertmanager", notice);
        let read = |alert: &Value| {
            let ends = DateTime::parse_from_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap();
            let starts = DateTime::parse_from_rfc3339(alert["startsAt"].as_str().unwrap()).unwrap();
            assert!(starts < ends, "{alert}");
            let level = alert["labels"]["level"].as_str().unwrap().to_owned();
            (level, (ends.to_utc() - at()).num_seconds().signum())
        };
        alerts.as_array().unwrap().iter().map(read).collect()
    };
    let alert = |level: &str, end: i64| (level.to_owned(), end);
    assert_eq!(told(&notice()), [alert("warning", 1)]);
    assert_eq!(told(&then(Change::LevelUp)), [alert("critical", 1), alert("warning", 0)]);
    // It rose, fell quietly and is over: nothing is left firing there.
    assert_eq!(told(&then(Change::Resolved)), [alert("warning", 0), alert("critical", 0)]);
}

#[test]
fn alertmanagers_webhook_says_firing_or_resolved() {
    let over = one("webhook4", &then(Change::Resolved));
    assert_eq!((&over["status"], &over["version"]), (&json!("resolved"), &json!("4")));
    assert_eq!(over["alerts"][0]["endsAt"], "2026-11-22T13:15:00.000Z");
    let mut group = then(Change::Resolved);
    group.items.push(notice().items.remove(0));
    group.grouped_by.insert("rule".into(), "slow-answer".into());
    group.more_ended = 3;
    let group = one("webhook4", &group);
    assert_eq!((&group["status"], &group["truncatedAlerts"]), (&json!("firing"), &json!(3)));
    assert_eq!(group["groupLabels"], json!({ "rule": "slow-answer" }));
    assert_eq!(group["commonLabels"]["team_name"], "messaging");
}

/// A notice with more of everything than any vendor takes.
fn huge(symbols: &str) -> Notice {
    let mut notice = notice();
    notice.grouped_by.insert("rule".into(), "slow-answer".into());
    notice.seq = 2;
    let item = notice.items.remove(0);
    let long = symbols.repeat(700);
    let grown = |n: usize| {
        let mut item: Item = item.clone();
        item.incident.id = format!("{n:016x}");
        Arc::make_mut(&mut item.incident.about).title = format!("{n} {long}");
        item.incident.group.shown = vec![(long.clone(), long.clone())];
        Arc::make_mut(&mut item.incident.about).runbook =
            Some(format!("https://e.example/{}", "x".repeat(380)));
        item.remarks = vec![long.clone(); 20];
        item
    };
    notice.items = (0..50).map(grown).collect();
    let record = |n: usize| Occurrence {
        rule: "new-complaint".into(),
        title: long.clone(),
        record: format!("{n} {long}"),
        at: at(),
        seen_at: at(),
        shown: vec![(long.clone(), long.clone()); 25],
        link: Some("https://e.example/r".into()),
        labels: Default::default(),
    };
    notice.records = (0..50).map(record).collect();
    (notice.more_firing, notice.more_ended, notice.records_more) = (7_000, 3, 12);
    notice.reason = long.clone();
    notice.instead_of = Some(("other".into(), long));
    notice
}

#[test]
fn vendors_limits_are_kept_whatever_the_records_say() {
    for symbols in ["x", "&<>", "*_`|", "\"\\\u{1}", "\u{1f6a8}", "\u{4e2d}\n"] {
        let notice = huge(symbols);
        let rendered = Rendered { subject: symbols.repeat(1_000), ..rendered() };
        for name in ALL {
            for (_, body) in bodies(&shape(name), &notice, &mail(), &rendered) {
                let value: Value = serde_json::from_slice(&body).expect("JSON");
                limits(name, &value, body.len());
                let text = value.to_string();
                if !matches!(name, "alertmanager" | "pagerduty" | "webhook4") {
                    assert!(text.contains("7,000 more incidents"), "{name} {symbols:?}: {text}");
                    assert!(text.contains("more are not shown here"), "{name} {symbols:?}");
                }
            }
        }
    }
    let suffixes: Vec<String> =
        made("pagerduty", &huge("x")).into_iter().map(|(suffix, _)| suffix).collect();
    let mut once = suffixes.clone();
    once.dedup();
    assert_eq!((suffixes.len(), once), (101, suffixes.clone()), "each message has its own id");
}

#[track_caller]
fn limits(name: &str, body: &Value, bytes: usize) {
    let length = |value: &Value| units(value.as_str().expect("a text"));
    match name {
        "slack" => {
            let blocks = body["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50, "{} blocks", blocks.len());
            assert!(length(&body["text"]) <= 3_000);
            for block in blocks {
                let (text, max) = match block["type"].as_str().unwrap() {
                    "header" => (&block["text"]["text"], 150),
                    "section" => (&block["text"]["text"], 3_000),
                    _ => (&block["elements"][0]["text"], 2_000),
                };
                assert!(length(text) <= max, "{} > {max}", length(text));
                assert_ne!(text, "");
            }
        }
        "teams" => assert!(bytes <= 28 * 1_024, "{bytes} bytes"),
        "discord" => {
            let embed = &body["embeds"][0];
            let (title, text) = (length(&embed["title"]), length(&embed["description"]));
            let footer = length(&embed["footer"]["text"]);
            assert!(length(&body["content"]) <= 2_000 && title <= 256 && text <= 4_096, "{text}");
            assert!(title + text + footer <= 6_000);
            assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
        }
        "telegram" => {
            let text = body["text"].as_str().unwrap();
            assert!(units(text) <= 4_096, "{}", units(text));
            for tag in ["b", "i"] {
                let count = |tag: String| text.matches(&tag).count();
                assert_eq!(count(format!("<{tag}>")), count(format!("</{tag}>")), "{text}");
            }
        }
        "pagerduty" => {
            assert!(bytes <= 512 * 1_024);
            assert!(body["dedup_key"].as_str().unwrap().chars().count() <= 255);
            let summary = body["payload"]["summary"].as_str().unwrap_or_default();
            assert!(summary.chars().count() <= 1_024);
        }
        _ => assert!(bytes <= 4_000_000, "{bytes}"),
    }
}

#[test]
fn markup_in_records_stays_text() {
    let mut notice = notice();
    let nasty = "<!channel> <@U1> @everyone [a](https://evil.example) **b** <b>c</b> `d`";
    Arc::make_mut(&mut notice.items[0].incident.about).title = nasty.to_owned();
    let rendered = Rendered { subject: nasty.to_owned(), ..rendered() };
    let text = |name: &str| {
        let bodies = bodies(&shape(name), &notice, &mail(), &rendered);
        let body: Value = serde_json::from_slice(&bodies[0].1).unwrap();
        body.to_string()
    };
    let slack = text("slack");
    assert!(slack.contains("&lt;!channel&gt;") && !slack.contains("<@U1>\\n"), "{slack}");
    assert!(text("telegram").contains("&lt;b&gt;c&lt;/b&gt;"));
    let discord = text("discord");
    assert!(discord.contains("\\\\[a\\\\]\\\\(https") && discord.contains("\\\\@everyone"));
    // Rich text has no markup to escape.
    assert!(text("teams").contains("RichTextBlock"));
}

#[test]
fn what_is_cut_keeps_whole_characters_and_says_so() {
    for (text, max, expected) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab\u{2026}"),
        ("a<b", 5, "a\u{2026}"),
        ("a<", 5, "a&lt;"),
        ("\u{1f6a8}\u{1f6a8}", 3, "\u{1f6a8}\u{2026}"),
        ("\u{1f6a8}\u{1f6a8}", 4, "\u{1f6a8}\u{1f6a8}"),
    ] {
        assert_eq!(escaped(text, max, brief::angles), expected, "{text} {max}");
    }
}

#[test]
fn what_webhooks_get_is_as_its_schema_says() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/notification.schema.json")).unwrap();
    let check = |notice: &Notice, mail: &NotificationMail, kind: &str| {
        let bodies = bodies(&Shape::Standard, notice, mail, &rendered());
        let body: Value = serde_json::from_slice(&bodies[0].1).unwrap();
        assert_eq!(body["type"], kind);
        let branch = match kind.split_once('.') {
            Some(("incident", _)) => "one",
            Some(("incidents", _)) => "several",
            _ => "records",
        };
        let mut alone = schema["$defs"][branch].clone();
        alone["$defs"] = schema["$defs"].clone();
        assert_eq!(against(&alone, &body), Vec::<String>::new(), "{body:#}");
    };
    let one = |kind| NotificationMail { items: vec![fixtures::incident(kind)], ..mail() };
    check(&notice(), &one(IncidentKind::Fired), "incident.fired");
    let instead = Some(("ops-chat".to_owned(), "it is broken".to_owned()));
    let told = NotificationMail { instead_of: instead, ..one(IncidentKind::Resolved) };
    check(&then(Change::Resolved), &told, "incident.resolved");
    let mut group = one(IncidentKind::Fired);
    group.items.push(fixtures::incident(IncidentKind::Resolved));
    group.grouped_by.insert("rule".into(), "slow-answer".into());
    (group.more_firing, group.more_ended) = (3, 1);
    let changed = Notice { kind: Kind::Changed, ..notice() };
    check(&changed, &group, "incidents.changed");
    let records = Notice { kind: Kind::Records, items: Vec::new(), ..huge("x") };
    let of_records = NotificationMail { records: records.records.clone(), ..mail() };
    check(&records, &of_records, "records.new");
    let trouble = notice_mail("t");
    let trouble = Trouble { mail: &trouble, about: "smtp", at: at(), over: false };
    let body: Value = serde_json::from_slice(&trouble_body(&Shape::Standard, &trouble)).unwrap();
    assert_eq!(against(&schema, &body), Vec::<String>::new());
    assert_ne!(against(&schema, &json!({ "type": "incident.fired" })), Vec::<String>::new());
}

#[test]
fn the_sample_that_bodies_are_tried_on_is_a_payload() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/notification.schema.json")).unwrap();
    let samples: Vec<Value> = serde_json::from_str(include_str!("sample.json")).unwrap();
    for sample in samples {
        assert_eq!(against(&schema, &sample), Vec::<String>::new(), "{}", sample["type"]);
    }
}

fn notice_mail(title: &str) -> NoticeMail {
    NoticeMail {
        title: title.to_owned(),
        paragraphs: vec!["It takes no message.".to_owned()],
        facts: vec![("It said".to_owned(), "535 <no>".to_owned())],
        locale: "en-GB".to_owned(),
        ..NoticeMail::default()
    }
}

#[test]
fn troubles_and_digests_are_told_in_every_shape_that_has_a_way() {
    let mail = notice_mail("receiver mail is broken");
    let digest = fixtures::digest();
    let rendered = crate::render::render_digest(&digest);
    for name in ALL {
        let trouble = Trouble { mail: &mail, about: "mail", at: at(), over: false };
        let body = trouble_body(&shape(name), &trouble);
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("receiver mail is broken"), "{name}: {text}");
        let sent = digest_body(&shape(name), &digest, &rendered);
        assert_eq!(sent.is_some(), shape(name).takes_digests(), "{name}");
        let Some(sent) = sent else { continue };
        let text = String::from_utf8(sent.clone()).unwrap();
        assert!(text.contains("WhatsApp EMEA") && text.contains("Total: "), "{name}: {text}");
        limits(name, &serde_json::from_slice(&sent).unwrap(), sent.len());
    }
    // A proof wakes nobody, and what is over ends what was told.
    let trouble = Trouble { mail: &mail, about: "mail", at: at(), over: false };
    let event: Value = serde_json::from_slice(&proof_body(&Shape::PagerDuty, &trouble)).unwrap();
    assert_eq!(event["event_action"], "resolve");
    let alerts: Value =
        serde_json::from_slice(&proof_body(&Shape::Alertmanager, &trouble)).unwrap();
    assert_eq!(alerts[0]["endsAt"], "2026-11-22T13:15:00.000Z");
}

#[test]
fn a_body_of_ones_own_is_tried_at_once_and_never_costs_a_message() {
    let own = |template: &str| OwnBody::new(template.to_owned());
    let template = r#"{"summary": {{ data.title | tojson }}, "state": {{ data.state | tojson }}
        {%- for one in data.group %}, "{{ one.name | lower }}": {{ one.value | tojson }}{% endfor %}}"#;
    let made = own(template).unwrap();
    let payload = br#"{"type":"incident.fired","data":{"title":"a \"b\"\n<c>","state":"firing","group":[{"name":"Channel","value":"W"}]}}"#;
    let body: Value = serde_json::from_slice(&made.body(payload, &rendered())).unwrap();
    assert_eq!(body, json!({ "summary": "a \"b\"\n<c>", "state": "firing", "channel": "W" }));
    // What it was not made for is told as postrider tells it, with the reason.
    let body: Value =
        serde_json::from_slice(&made.body(br#"{"type":"digest.sent","data":{}}"#, &rendered()))
            .unwrap();
    assert_eq!(body["type"], "digest.sent");
    assert!(body["template_error"].as_str().unwrap().contains("undefined"), "{body}");
    for (template, why) in [
        ("{{ data.titel | tojson }}", "undefined value (line 1) (for `incident.fired`)"),
        ("{\"a\": {{ data.title }}}", "is not JSON"),
        ("{% set a = 1 %}", "`set` has no place in a body"),
        ("{{ data.title | nothing }}", "filter"),
        ("{\"a\":", "is not JSON"),
    ] {
        let failed = own(template).unwrap_err();
        assert!(failed.contains(why), "{template}: {failed}");
    }
    assert!(!format!("{made:?}").contains("summary"));
}
