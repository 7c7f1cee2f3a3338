//! The notifications of the set: incidents by themselves and in groups, records, corrections, and
//! what is sent where a mail cannot be drawn.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use postrider::domain::notification::{Kind, Occurrence};
use postrider::domain::period::Window;
use postrider::domain::report::Format;
use postrider::domain::silence::Ack;
use postrider::domain::table::{Others, Table};
use postrider::domain::value::{Type, Value};
use postrider::render::chart::Course;
use postrider::render::{
    Context, Evidence, IncidentKind, IncidentMail, Look, NotificationMail, SourceState,
};

use super::mails::look;
use super::tables::{at, berlin, column, table, text};

const GROUPS: [&str; 5] = ["WhatsApp EMEA", "Web chat", "Facebook Messenger", "SMS", "Line"];

/// The notifications, by name.
pub(super) fn all() -> Vec<(&'static str, NotificationMail)> {
    let fired = incident(IncidentKind::Fired, 0);
    let context = Context {
        usual: Some(140.0),
        rule_owner: Some("Jo".to_owned()),
        evidence: Some(evidence(38)),
        course: Some(course()),
        ..Context::default()
    };
    let fired = IncidentMail { look: look(), context, ..fired };
    vec![
        ("alert-fired", NotificationMail { look: look(), ..of(Kind::Fired, vec![fired.clone()]) }),
        ("alert-level-up", of(Kind::LevelUp, vec![foreign()])),
        ("alert-reminder", elsewhere()),
        ("alert-resolved", of(Kind::Resolved, vec![incident(IncidentKind::Resolved, 0)])),
        ("alert-group", group()),
        ("alert-group-over", over()),
        ("alert-fifty", fifty()),
        ("alert-summary", summary()),
        ("alert-records", records()),
        ("alert-correction", correction()),
        ("alert-fallback", fallback(fired)),
    ]
}

/// A notification of these incidents.
fn of(kind: Kind, items: Vec<IncidentMail>) -> NotificationMail {
    NotificationMail {
        kind,
        key: "1f3a5c7e9b2d4f60/2/ops".to_owned(),
        thread: "1f3a5c7e9b2d4f60".to_owned(),
        sequence: 2,
        at: at("2026-11-23T13:33:12Z"),
        reason: items.first().map_or_else(String::new, |item| item.reason.clone()),
        grouped_by: BTreeMap::new(),
        items,
        more_firing: 0,
        more_ended: 0,
        records: Vec::new(),
        records_more: 0,
        instead_of: None,
        late: None,
        data: vec![SourceState {
            source: "salesforce".to_owned(),
            complete_to: Some(at("2026-11-23T13:31:00Z")),
            covers: vec![
                "39 of 41 ended sessions have metrics (2 not yet in the source).".to_owned(),
            ],
        }],
        zone: berlin(),
        locale: "en-GB".to_owned(),
        owner: Some("ops@example.com".to_owned()),
        public_url: None,
        look: Look::default(),
    }
}

fn incident(kind: IncidentKind, number: usize) -> IncidentMail {
    let resolved = kind == IncidentKind::Resolved;
    IncidentMail {
        kind,
        incident: format!("1f3a5c7e9b2d4f{:02x}", 0x60 + number),
        rule: "longest-response".to_owned(),
        title: "Customers wait too long for an answer".to_owned(),
        group: vec![("Channel".to_owned(), GROUPS[number % GROUPS.len()].to_owned())],
        level: "critical".to_owned(),
        severe: true,
        previous_level: (kind == IncidentKind::LevelUp).then(|| "warning".to_owned()),
        value: Some(if resolved { 142.0 } else { 962.0 - number as f64 }),
        format: Format::Duration,
        threshold: Some("> 900".parse().unwrap()),
        recover: Some("< 700".parse().unwrap()),
        keep_firing_for: TimeDelta::minutes(5),
        records: Some(38),
        window: Some(Window { from: at("2026-11-23T13:00:00Z"), to: at("2026-11-23T13:30:00Z") }),
        at: at("2026-11-23T13:30:00Z"),
        began: at("2026-11-23T12:55:00Z") - TimeDelta::minutes(number as i64),
        fired: at("2026-11-23T13:00:00Z"),
        resolved: resolved.then(|| at("2026-11-23T13:30:00Z")),
        closed: None,
        worst: Some(1_201.0),
        value_at_fire: Some(915.5),
        reason: "it has been above its threshold for 5 min".to_owned(),
        sequence: 2,
        passed: Vec::new(),
        passed_more: 0,
        labels: BTreeMap::from([("team".to_owned(), "messaging".to_owned())]),
        runbook: Some("https://wiki.example.com/messaging/slow-answers".to_owned()),
        zone: berlin(),
        locale: "en-GB".to_owned(),
        instance: None,
        owner: Some("ops@example.com".to_owned()),
        look: Look::default(),
        context: Context::default(),
    }
}

/// The worst ten of so many records, worst first.
fn evidence(records: usize) -> Evidence {
    let columns = vec![
        column("Session", Type::Text, Format::Auto),
        column("Account", Type::Text, Format::Auto),
        column("Wait", Type::Real, Format::Duration),
    ];
    let wait = |n: usize| 1_201.0 - 31.0 * n as f64;
    let row = |n: usize| {
        let account = if n == 2 { Value::Null } else { text(&format!("Acme GmbH {}", n % 3)) };
        vec![text(&format!("S-{:05}", 1_000 + n)), account, Value::Real(wait(n))]
    };
    let link = |n: usize| format!("https://acme.lightning.force.com/S-{:05}/view", 1_000 + n);
    let beside = (0..10).map(|n| postrider::domain::compare::Beside {
        links: vec![Some(link(n)), None, None],
        ..Default::default()
    });
    Evidence {
        table: Table {
            list: true,
            window: Some(Window {
                from: at("2026-11-23T13:00:00Z"),
                to: at("2026-11-23T13:30:00Z"),
            }),
            rest: (10..records).map(row).collect(),
            others: Some(Others { rows: records as u64 - 10, values: None }),
            beside: beside.collect(),
            records: records as u64,
            ..table("Customers wait too long", columns, (0..10).map(row).collect())
        },
        measure: Some(2),
        sum: Some((0..records).map(wait).sum()),
        beyond: Some((0..records).filter(|n| wait(*n) > 900.0).count() as u64),
    }
}

fn course() -> Course {
    let end = at("2026-11-23T13:30:00Z");
    let value = |n: i32| match n {
        9 => None,
        n if n < 18 => Some(120.0 + f64::from(n * 37 % 90)),
        n => Some(120.0 + f64::from(n - 17) * 140.0),
    };
    let point = |n: i32| (end - TimeDelta::minutes(30) * (23 - n), value(n));
    Course {
        points: (0..24).map(point).collect(),
        window: TimeDelta::minutes(30),
        levels: vec![
            ("warning".to_owned(), "> 300".parse().unwrap()),
            ("critical".to_owned(), "> 900".parse().unwrap()),
        ],
        format: Format::Duration,
    }
}

/// A reader whose labels run from right to left, of an incident that somebody took and that flaps.
fn foreign() -> IncidentMail {
    IncidentMail {
        group: vec![("ערוץ".to_owned(), "שירות לקוחות".to_owned())],
        title: "לקוחות ממתינים זמן רב מדי".to_owned(),
        locale: "he-IL".to_owned(),
        context: Context {
            ack: Some(Ack {
                incident: "1f3a5c7e9b2d4f60".to_owned(),
                by: "Jo".to_owned(),
                note: Some("looking at the bot".to_owned()),
                at: at("2026-11-23T13:10:00Z"),
                until: at("2026-11-23T15:00:00Z"),
            }),
            recent: 6,
            remarks: vec!["Silence 4fa1c0de hid it until 13:20.".to_owned()],
            ..Context::default()
        },
        ..incident(IncidentKind::LevelUp, 0)
    }
}

/// Told late and to somebody else; a rule without groups.
fn elsewhere() -> NotificationMail {
    let ungrouped = IncidentMail {
        group: Vec::new(),
        severe: false,
        level: "warning".to_owned(),
        runbook: None,
        ..incident(IncidentKind::Reminder, 0)
    };
    let why = "it has not answered since 12:10".to_owned();
    NotificationMail {
        instead_of: Some(("ops-hook".to_owned(), why)),
        late: Some(TimeDelta::minutes(125)),
        ..of(Kind::Reminder, vec![ungrouped])
    }
}

fn team() -> BTreeMap<String, String> {
    BTreeMap::from([("team".to_owned(), "messaging".to_owned())])
}

/// Several that fire and two that ended, with the worst records of one.
fn group() -> NotificationMail {
    let kinds = [IncidentKind::Fired, IncidentKind::LevelUp, IncidentKind::Reminder];
    let mut items: Vec<IncidentMail> =
        kinds.iter().enumerate().map(|(n, kind)| incident(*kind, n)).collect();
    items[0].context.evidence = Some(evidence(38));
    items[0].context.course = Some(course());
    items[2].title = "Messages are not delivered".to_owned();
    items[2].rule = "undelivered".to_owned();
    items[2].format = Format::Percent;
    items[2].value = Some(0.125);
    items[1].context.ack = foreign().context.ack;
    items.extend([3, 4].map(|n| incident(IncidentKind::Resolved, n)));
    NotificationMail {
        grouped_by: team(),
        reason: "2 of 3 that fire are news".to_owned(),
        ..of(Kind::Changed, items)
    }
}

fn over() -> NotificationMail {
    let items = (0..3).map(|n| incident(IncidentKind::Resolved, n)).collect();
    let by_rule = BTreeMap::from([("rule".to_owned(), "longest-response".to_owned())]);
    NotificationMail { grouped_by: by_rule, ..of(Kind::Resolved, items) }
}

/// As many as a notice lists, with long names, and all the evidence there can be.
fn fifty() -> NotificationMail {
    let items = (0..50).map(|n| {
        let mut item = incident(IncidentKind::Fired, n);
        item.group[0].1 = format!("Kanal für Größe & Maß {n} <{}>", "ü".repeat(40));
        item.context.evidence = (n < 5).then(|| evidence(1_200));
        item
    });
    NotificationMail { grouped_by: team(), more_firing: 12, ..of(Kind::Fired, items.collect()) }
}

fn summary() -> NotificationMail {
    let items = (0..4).map(|n| incident(IncidentKind::Fired, n)).collect();
    NotificationMail {
        more_firing: 31,
        more_ended: 4,
        reason: "more changed than the 20 an hour that `ops` takes one by one".to_owned(),
        ..of(Kind::Summary, items)
    }
}

fn records() -> NotificationMail {
    let record = |n: i64| Occurrence {
        rule: "failed-sessions".to_owned(),
        title: "A session ended with an error".to_owned(),
        record: format!("0Mw00000000{n:04}"),
        at: at("2026-11-23T13:00:00Z") + TimeDelta::minutes(n),
        seen_at: at("2026-11-23T13:31:00Z"),
        shown: vec![
            ("Session".to_owned(), format!("S-{n}")),
            ("Account".to_owned(), if n == 2 { String::new() } else { "شركة الأمل".to_owned() }),
            ("Error".to_owned(), "Agent <b>disconnected</b>".to_owned()),
        ],
        link: Some(format!("https://acme.example.com/S-{n}")),
        labels: BTreeMap::from([("level".to_owned(), "warning".to_owned())]),
    };
    NotificationMail {
        records: (1..=9).map(record).collect(),
        records_more: 28,
        reason: "new records since 14:25".to_owned(),
        ..of(Kind::Records, Vec::new())
    }
}

fn correction() -> NotificationMail {
    let what = "What was told at 10:42 was 15 min 16 s; by records that came or changed later it is \
                12 min 3 s, by which it would not have fired.";
    let mut item = incident(IncidentKind::Corrected, 0);
    item.value = Some(723.0);
    item.context.remarks = vec![what.to_owned()];
    of(Kind::Correction, vec![item])
}

/// A mail that cannot be drawn: its evidence has not the column that it says it has.
fn fallback(mut broken: IncidentMail) -> NotificationMail {
    if let Some(evidence) = &mut broken.context.evidence {
        evidence.measure = Some(99);
    }
    of(Kind::Fired, vec![broken])
}
