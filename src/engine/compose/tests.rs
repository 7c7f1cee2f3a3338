//! What the records say beside a notice, over a real store: the worst records of the incident's
//! group, the course of its value, how complete the data is; and what happens where they cannot be
//! asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::app::{App, Limits};
use crate::clock::ManualClock;
use crate::config::{self, Config, Given, Mode};
use crate::domain::dataset::{Batch, Cell, Pulled};
use crate::domain::query::{Query, QueryText};
use crate::domain::value::Value;
use crate::render;

const CONFIG: &str = r#"
[postrider]
timezone = "Europe/Berlin"
owner = "owner@example.com"
[smtp]
host = "127.0.0.1"
tls = "none"
from = "Postrider <reports@example.com>"
[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = { flow = "client_credentials", client_id = "env:ID", client_secret = "env:SECRET" }
[receivers.ops]
kind = "email"
to = ["ops@example.com"]
[report_types.metrics]
from = """
  MessagingSessionMetrics metric
  join MessagingSession session on session.Id = metric.MessagingSessionId
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""
[rules.longest]
title = "A customer waited too long"
type = "metrics"
date = "metric.CreatedDate"
where = "metric.MessagingSessionMetricType = 'MaxAgentResponseTime'"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "30 min"
every = "5 min"
levels = [["warning", "> 300"], ["critical", "> 900"]]
format = "duration"
[[routes]]
to = ["ops"]
"#;

/// The slot of the last reading: 10:42 in Berlin is a few minutes later.
const SLOT: &str = "2026-11-23T09:40:00Z";
const WEB: &str = "0Mj000000000001";
const CHAT: &str = "0Mj000000000002";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A record: field and value; fields not named are null.
type Record = BTreeMap<&'static str, Value>;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

struct Bench {
    app: App,
    _folder: TempDir,
}

impl Bench {
    /// With the rule showing these columns of its worst records.
    fn new(columns: &[&str]) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mut env = Given::default();
        for name in ["ID", "SECRET"] {
            env.variables.insert(name.into(), "x".into());
        }
        let read = config::load_text("config.toml", CONFIG, Path::new("."), &env, Mode::Run);
        let (mut config, _) = read.unwrap_or_else(|problems| panic!("{problems}"));
        let rule = Rule::clone(&config.rules["longest"]);
        let evidence = QueryText {
            date: Some("metric.CreatedDate"),
            filter: Some("metric.MessagingSessionMetricType = 'MaxAgentResponseTime'"),
            columns: columns.to_vec(),
            sort: Some("Wait desc"),
            ..QueryText::default()
        };
        let evidence = Query::check(&rule.query.report_type, &evidence).unwrap();
        let rule = Rule { evidence: Some(Arc::new(evidence)), ..rule };
        config.rules.insert("longest".into(), Arc::new(rule));
        let config = Config { state: folder.path().to_owned(), ..config };
        let clock = Arc::new(ManualClock::new(at("2026-11-23T09:45:12Z")));
        let app = App::build(config, clock, Limits::default()).unwrap();
        Bench { app, _folder: folder }
    }

    fn load(&self, dataset: &str, records: &[Record]) {
        let plant = self.app.engine().plant();
        let dataset = plant.datasets.iter().find(|known| known.name == dataset).unwrap();
        let now = at("2026-11-23T09:42:00Z");
        let mut load = self.app.engine().store().begin_load(&dataset.name, now).unwrap();
        let mut batch = Batch::default();
        for record in records {
            for field in &dataset.fields {
                let cell = match record.get(field.name.as_str()) {
                    None => Cell::Null,
                    Some(Value::Real(x)) => Cell::Real(*x),
                    Some(Value::Timestamp(at)) => Cell::Timestamp(at.timestamp_millis()),
                    Some(Value::Text(text)) => {
                        let at = batch.text.len() as u32;
                        batch.text.push_str(text);
                        Cell::Text(at, text.len() as u32)
                    }
                    Some(other) => panic!("{other:?}"),
                };
                batch.cells.push(cell);
            }
            batch.deleted.push(false);
        }
        load.append(&batch).unwrap();
        let records = batch.rows() as u64;
        load.finish(&Pulled { records, ..Pulled::nothing(now) }, now).unwrap();
    }

    /// 33 sessions of the channel Web in the window, the n-th having waited n times 30 s, one in each
    /// of the three windows before, and one of another channel that waited longer than all.
    fn fill(&self) {
        let channel =
            |id: &str, name: &str| Record::from([("Id", text(id)), ("MasterLabel", text(name))]);
        self.load("MessagingChannel", &[channel(WEB, "Web"), channel(CHAT, "Chat")]);
        let (mut sessions, mut metrics) = (Vec::new(), Vec::new());
        let mut add = |n: i64, channel: &str, wait: f64, created: DateTime<Utc>| {
            let id = format!("0Mw{n:012}");
            sessions.push(Record::from([
                ("Id", text(&id)),
                ("Name", text(&format!("S-{n}"))),
                ("MessagingChannelId", text(channel)),
            ]));
            metrics.push(Record::from([
                ("Id", text(&format!("1Mm{n:012}"))),
                ("MessagingSessionId", text(&id)),
                ("MessagingSessionMetricType", text("MaxAgentResponseTime")),
                ("MessagingSessionMetricValue", Value::Real(wait)),
                ("CreatedDate", Value::Timestamp(created)),
            ]));
        };
        let slot = at(SLOT);
        for n in 1..=33 {
            add(n, WEB, n as f64 * 30.0, slot - TimeDelta::minutes(1));
        }
        add(100, CHAT, 5_000.0, slot - TimeDelta::minutes(1));
        for back in 1..=3 {
            add(100 + back, WEB, 60.0 * back as f64, slot - TimeDelta::minutes(30 * back + 1));
        }
        self.load("MessagingSession", &sessions);
        self.load("MessagingSessionMetrics", &metrics);
    }

    fn compose(&self, notice: &Notice) -> NotificationMail {
        let engine = self.app.engine();
        compose(engine.store(), &engine.plant(), notice)
    }

    fn compose_all(&self, notices: &[Notice]) -> Vec<NotificationMail> {
        let engine = self.app.engine();
        each(engine.store(), &engine.plant(), notices, |_, mail| mail.clone())
    }
}

fn incident(channel: &str) -> Incident {
    let ms = at(SLOT).timestamp_millis();
    serde_json::from_value(json!({
        "id": "1f3a5c7e9b2d4f60",
        "rule": "longest",
        "group": { "key": format!("[\"{channel}\"]"), "shown": [["Channel", "Web"]] },
        "state": "firing",
        "began": ms,
        "fired_at": ms,
        "level": { "index": 1, "name": "critical" },
        "level_since": ms,
        "peak": { "index": 1, "name": "critical" },
        "value": 990.0,
        "records": 33,
        "value_at_fire": 990.0,
        "worst": 990.0,
        "held": { "since": ms, "counted": 0, "last": ms },
        "last_reading": { "value": 990.0 },
        "last_read_at": ms,
        "about": {
            "title": "A customer waited too long",
            "labels": {},
            "levels": [["warning", "> 300"], ["critical", "> 900"]],
            "format": "duration",
            "runbook": null,
        },
    }))
    .unwrap()
}

fn notice(kind: Kind, change: Change, incident: Incident) -> Notice {
    Notice {
        key: "1f3a5c7e9b2d4f60/1/ops".into(),
        kind,
        receiver: "ops".into(),
        thread: incident.id.clone(),
        seq: 1,
        at: at("2026-11-23T09:45:12Z"),
        reason: "it fired".into(),
        grouped_by: Default::default(),
        items: vec![Item {
            change,
            incident,
            from: None,
            duration: TimeDelta::zero(),
            ack: None,
            recent: 1,
            remarks: Vec::new(),
        }],
        more_firing: 0,
        more_ended: 0,
        late: None,
        passed: Vec::new(),
        passed_more: 0,
        records: Vec::new(),
        records_more: 0,
        instead_of: None,
    }
}

const COLUMNS: [&str; 2] = ["session as Session", "metric.MessagingSessionMetricValue as Wait"];

#[test]
fn the_worst_records_of_the_group_are_shown_with_links_and_totals() {
    let bench = Bench::new(&COLUMNS);
    bench.fill();
    let mail = bench.compose(&notice(Kind::Fired, Change::Fired, incident(WEB)));
    let context = &mail.items[0].context;
    let evidence = context.evidence.as_ref().unwrap();
    let waits: Vec<f64> = evidence.table.rows.iter().map(|row| row[1].number().unwrap()).collect();
    assert_eq!(waits, (1..=33).rev().map(|n| f64::from(n) * 30.0).collect::<Vec<_>>());
    assert_eq!(evidence.records(), 33);
    // Above 900 s by themselves: those of 930, 960 and 990 s.
    assert_eq!((evidence.sum, evidence.beyond), (Some(16_830.0), Some(3)));
    let link = evidence.table.beside[0].links[0].as_deref().unwrap();
    assert!(link.contains("/0Mw000000000033/"), "{link}");

    let rendered = render::render_notification(&mail);
    let told = render::format::plain(&rendered.text);
    for said in [
        "and 23 more records, together 2 h 18 min",
        "3 of 33 records are above 15 min (9.1%).",
        "The 10 shown have 50.8% of all \u{201c}Wait\u{201d}.",
        "Data: salesforce complete through 10:42, 3 min 12 s ago.",
        "postrider ack 1f3a5c7e9b2d4f60",
    ] {
        let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(said), "{said}: {told}");
    }
    assert!(rendered.html.contains(&format!("<a href=\"{link}\"")));
    let [file] = rendered.attachments.as_slice() else { panic!("one file") };
    let csv = String::from_utf8(file.bytes.clone()).unwrap();
    assert_eq!(csv.lines().count(), 1 + 33);
    assert_eq!(csv.matches("/lightning/r/MessagingSession/0Mw").count(), 33, "{csv}");
    assert!(csv.lines().nth(1).unwrap().starts_with("S-33,https://"), "{csv}");
    assert!(!csv.contains("S-100"), "of another channel");
}

#[test]
fn the_course_of_the_value_is_that_of_the_group_with_its_levels() {
    let bench = Bench::new(&COLUMNS);
    bench.fill();
    let mail = bench.compose(&notice(Kind::Fired, Change::Fired, incident(WEB)));
    let course = mail.items[0].context.course.as_ref().unwrap();
    let known: Vec<f64> = course.points.iter().filter_map(|(_, value)| *value).collect();
    assert_eq!(known, [180.0, 120.0, 60.0, 990.0]);
    assert_eq!(course.points.last().unwrap().0, at(SLOT));
    assert_eq!(course.levels.len(), 2);
    let rendered = render::render_notification(&mail);
    assert_eq!(rendered.images.len(), 1);
    assert!(rendered.html.contains("alt=\"Line: the value in the last 24 windows of 30"));
}

#[test]
fn reminders_and_ends_ask_the_records_for_no_evidence() {
    let bench = Bench::new(&COLUMNS);
    bench.fill();
    for (kind, change) in [(Kind::Reminder, Change::Still), (Kind::Resolved, Change::Resolved)] {
        let mail = bench.compose(&notice(kind, change, incident(WEB)));
        let context = &mail.items[0].context;
        assert!(context.evidence.is_none() && context.course.is_none());
        assert_eq!(mail.data.len(), 1, "how complete the data is, is told always");
    }
}

#[test]
fn evidence_of_the_first_incidents_only() {
    let bench = Bench::new(&COLUMNS);
    bench.fill();
    let mut many = notice(Kind::Changed, Change::Fired, incident(WEB));
    many.items = vec![many.items[0].clone(); 8];
    let mail = bench.compose(&many);
    let with = mail.items.iter().filter(|item| item.context.evidence.is_some()).count();
    let courses = mail.items.iter().filter(|item| item.context.course.is_some()).count();
    assert_eq!((with, courses), (EVIDENCE_MAX, 1));
}

#[test]
fn of_very_many_that_are_told_at_once_the_first_come_with_their_records() {
    let bench = Bench::new(&COLUMNS);
    bench.fill();
    let of = |number: usize, receiver: &str| {
        let mut notice = notice(Kind::Fired, Change::Fired, incident(WEB));
        notice.items[0].incident.id = format!("{number:016x}");
        notice.receiver = receiver.to_owned();
        notice
    };
    let each = |number: usize| [of(number, "ops"), of(number, "hook")];
    let notices: Vec<Notice> = (0..EVIDENCES_MAX + 20).flat_map(each).collect();
    let mails = bench.compose_all(&notices);
    assert_eq!(mails.len(), notices.len());
    let context = |mail: &NotificationMail| mail.items[0].context.clone();
    let with = mails.iter().filter(|mail| context(mail).evidence.is_some()).count();
    let courses = mails.iter().filter(|mail| context(mail).course.is_some()).count();
    // Whatever the second receiver is told of, the first one's answers serve.
    assert_eq!((with, courses), (2 * EVIDENCES_MAX, 2 * COURSES_MAX));
    let last = context(&mails[mails.len() - 1]).evidence_lost.unwrap();
    assert!(last.contains("more than 100 incidents are told at once"), "{last}");
}

#[test]
fn records_that_cannot_be_read_cost_the_evidence_and_not_the_notice() {
    // Nothing was ever loaded.
    let bench = Bench::new(&COLUMNS);
    let mail = bench.compose(&notice(Kind::Fired, Change::Fired, incident(WEB)));
    let context = &mail.items[0].context;
    assert!(context.evidence.is_none() && context.course.is_none());
    let rendered = render::render_notification(&mail);
    let said = "The worst records are missing here: MessagingChannel is still being loaded.";
    assert!(rendered.text.contains(said), "{}", rendered.text);
    assert!(rendered.html.contains(said));
    assert!(rendered.text.contains("16 min 30 s"), "{}", rendered.text);
}

#[test]
fn groups_that_the_rule_has_no_more_have_no_evidence() {
    let bench = Bench::new(&COLUMNS);
    bench.fill();
    for key in ["[]", "[\"a\",\"b\"]", "overflow"] {
        let mut incident = incident(WEB);
        incident.group.key = key.to_owned();
        let mail = bench.compose(&notice(Kind::Fired, Change::Fired, incident));
        assert!(mail.items[0].context.evidence.is_none(), "{key}");
    }
}

#[test]
fn a_defect_in_asking_is_told_and_goes_no_further() {
    let failed: Result<(), String> = guarded(|| panic!("a defect"));
    assert_eq!(failed, Err("a defect of postrider, which its log tells of".to_owned()));
    let failed: Result<(), String> = guarded(|| Err(StoreError::Loading("Account".into())));
    assert_eq!(failed, Err("Account is still being loaded".to_owned()));
}
