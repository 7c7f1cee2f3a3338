//! The mails of the set: each shows one thing that must not break a mail.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use postrider::domain::chart::ChartKind;
use postrider::domain::digest::{Attach, Headline};
use postrider::domain::period::Window;
use postrider::domain::report::Format;
use postrider::domain::table::{Section, Table};
use postrider::render::subject::default_template;
use postrider::render::{
    DigestMail, Envelope, IncidentKind, IncidentMail, Logo, Look, NoticeMail, Rendered, mail,
    mail_bytes, render_digest, render_incident, render_notice,
};

use super::tables::{self, at, berlin};

/// One mail of the set.
pub(crate) struct Golden {
    /// Its name, which its files have.
    pub(crate) name: String,
    /// Its parts.
    pub(crate) rendered: Rendered,
    /// As it is sent.
    pub(crate) bytes: Vec<u8>,
}

/// The whole set.
pub(crate) fn all() -> Vec<Golden> {
    let mut set = Vec::new();
    let mut add = |name: &str, rendered: Rendered, rule: Option<&str>| {
        let number = set.len() + 1;
        let name = format!("{number:02}-{name}");
        let bytes = mail_bytes(&envelope(&name, rule), &rendered).unwrap();
        set.push(Golden { name, rendered, bytes });
    };
    for (name, mail) in digests() {
        add(name, render_digest(&mail), None);
    }
    for (name, mail) in incidents() {
        add(name, render_incident(&mail), Some("longest-response"));
    }
    add("notice", render_notice(&notice()), None);
    set
}

fn digests() -> Vec<(&'static str, DigestMail)> {
    let of = |tables: Vec<Table>| DigestMail {
        sections: tables.into_iter().map(Section::Table).collect(),
        ..digest()
    };
    let in_locale =
        |locale: &str, table: Table| DigestMail { locale: locale.to_owned(), ..of(vec![table]) };
    let headline = || Some(Headline { report: 0, column: 1 });
    let provisional = |table: Table| Table {
        provisional: Some("the data does not yet reach the end of the period".to_owned()),
        ..table
    };
    let kinds = [ChartKind::Bars, ChartKind::Stacked, ChartKind::Line, ChartKind::Histogram];
    vec![
        ("empty", of(vec![tables::empty()])),
        ("one-row", of(vec![tables::channels(&["WhatsApp EMEA"]), tables::figures()])),
        ("fifty-rows", DigestMail { headline: headline(), ..of(vec![tables::many(50)]) }),
        (
            "five-thousand-rows",
            DigestMail { headline: headline(), ..of(vec![tables::many(5_000), tables::usual()]) },
        ),
        ("long-words", of(vec![tables::long_words()])),
        ("right-to-left", in_locale("he-IL", tables::right_to_left())),
        ("right-to-left-digits", in_locale("ar-EG", tables::right_to_left())),
        ("cjk", in_locale("ja-JP", tables::cjk())),
        ("emoji", in_locale("de-DE", tables::emoji())),
        ("nulls", of(vec![tables::nulls()])),
        (
            "partial-failure",
            DigestMail { sections: vec![Section::Table(tables::usual()), failed()], ..digest() },
        ),
        (
            "late",
            DigestMail {
                made_at: digest().planned_at + TimeDelta::minutes(72),
                missed: Some(
                    "2 earlier mails were missed while postrider was not running.".to_owned(),
                ),
                ..of(vec![tables::usual()])
            },
        ),
        ("provisional", of(vec![provisional(tables::usual()), tables::days()])),
        (
            "part",
            DigestMail {
                part: Some("Acme GmbH".to_owned()),
                remarks: vec!["This is the part of Acme GmbH: 12 of 1,310 sessions.".to_owned()],
                ..of(vec![Table {
                    only: Some("account.Name = 'Acme GmbH'".to_owned()),
                    ..tables::usual()
                }])
            },
        ),
        ("compared", DigestMail { headline: headline(), ..of(vec![tables::compared()]) }),
        ("compared-indian", in_locale("hi-IN", tables::compared())),
        ("pivot", of(vec![tables::pivoted()])),
        ("charts", of(kinds.map(tables::charted).into())),
        (
            "look",
            DigestMail {
                look: look(),
                headline: headline(),
                ..of(vec![tables::compared(), tables::charted(ChartKind::Bars)])
            },
        ),
        (
            "digest-of-everything",
            DigestMail {
                subject: default_template(true).to_owned(),
                look: look(),
                headline: headline(),
                made_at: digest().planned_at + TimeDelta::minutes(72),
                part: Some("Acme GmbH".to_owned()),
                attach: vec![Attach::Xlsx],
                sections: vec![
                    Section::Table(provisional(Table {
                        chart: tables::charted(ChartKind::Bars).chart,
                        ..tables::compared()
                    })),
                    Section::Table(tables::pivoted()),
                    failed(),
                ],
                ..digest()
            },
        ),
        (
            "own-template",
            DigestMail {
                look: look(),
                headline: headline(),
                template: Some(example()),
                ..of(vec![tables::compared(), tables::charted(ChartKind::Bars)])
            },
        ),
        (
            "attachments",
            DigestMail {
                attach: vec![Attach::Xlsx, Attach::Csv { bom: true }, Attach::Json],
                ..of(vec![tables::usual(), tables::days()])
            },
        ),
    ]
}

fn digest() -> DigestMail {
    DigestMail {
        name: "morning".to_owned(),
        subject: "Messaging {{ period }}{% if headline %}: {{ headline }}{% endif %}".to_owned(),
        preheader: None,
        intro: Some("How the messaging team did, before the stand-up.".to_owned()),
        headline: None,
        sections: Vec::new(),
        planned_at: at("2026-11-23T07:00:00Z"),
        made_at: at("2026-11-23T07:00:04Z"),
        zone: berlin(),
        schedule: "weekdays at 08:00".to_owned(),
        missed: None,
        run: "morning-20261123T070000Z".to_owned(),
        locale: "en-GB".to_owned(),
        instance: Some("reports-1".to_owned()),
        owner: Some("ops@example.com".to_owned()),
        part: None,
        remarks: Vec::new(),
        attach: Vec::new(),
        bytes_max: 10_000_000,
        look: Look::default(),
        template: None,
    }
}

/// The template that the documentation shows.
fn example() -> String {
    let page = include_str!("../../../docs/templates.md");
    let (_, rest) = page.split_once("```html\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn failed() -> Section {
    Section::Failed {
        report: "handle-time".to_owned(),
        title: "How long does a session keep an agent busy?".to_owned(),
        reason: "field `AgentWork.HandleTime` is still loading (41 % of its history is here)"
            .to_owned(),
    }
}

fn look() -> Look {
    // Any picture will do.
    let chart = render_digest(&DigestMail {
        sections: vec![Section::Table(tables::charted(ChartKind::Bars))],
        ..digest()
    });
    let logo = chart.images[0].bytes.clone();
    Look {
        logo: Some(Logo::read(logo, "Acme".to_owned()).unwrap()),
        accent: Some("#0f766e".to_owned()),
        footer: Some("Acme GmbH, Musterstra\u{df}e 1, 10115 Berlin".to_owned()),
    }
}

fn incidents() -> Vec<(&'static str, IncidentMail)> {
    let fired = IncidentMail { look: look(), ..incident(IncidentKind::Fired) };
    let ungrouped = IncidentMail {
        group: Vec::new(),
        severe: false,
        level: "warning".to_owned(),
        runbook: None,
        ..incident(IncidentKind::Reminder)
    };
    let foreign = IncidentMail {
        group: vec![("ערוץ".to_owned(), "שירות לקוחות".to_owned())],
        title: "לקוחות ממתינים זמן רב מדי".to_owned(),
        locale: "he-IL".to_owned(),
        ..incident(IncidentKind::LevelUp)
    };
    vec![
        ("alert-fired", fired),
        ("alert-level-up", foreign),
        ("alert-reminder", ungrouped),
        ("alert-resolved", incident(IncidentKind::Resolved)),
    ]
}

fn incident(kind: IncidentKind) -> IncidentMail {
    let resolved = kind == IncidentKind::Resolved;
    IncidentMail {
        kind,
        incident: "longest-response/7".to_owned(),
        rule: "longest-response".to_owned(),
        title: "Customers wait too long for an answer".to_owned(),
        group: vec![("Channel".to_owned(), "WhatsApp EMEA".to_owned())],
        level: "critical".to_owned(),
        severe: true,
        previous_level: (kind == IncidentKind::LevelUp).then(|| "warning".to_owned()),
        value: Some(if resolved { 142.0 } else { 962.0 }),
        format: Format::Duration,
        threshold: Some("> 900".parse().unwrap()),
        recover: Some("< 700".parse().unwrap()),
        keep_firing_for: TimeDelta::minutes(5),
        records: Some(38),
        window: Some(Window { from: at("2026-11-23T13:00:00Z"), to: at("2026-11-23T13:30:00Z") }),
        at: at("2026-11-23T13:30:00Z"),
        began: at("2026-11-23T12:55:00Z"),
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
        instance: Some("reports-1".to_owned()),
        owner: Some("ops@example.com".to_owned()),
        look: Look::default(),
    }
}

fn notice() -> NoticeMail {
    NoticeMail {
        title: "receiver `ops-hook` no longer takes messages".to_owned(),
        paragraphs: vec![
            "It answered 410 (gone). Nothing is sent to it until the config changes; 12 messages \
             wait."
                .to_owned(),
        ],
        facts: vec![
            ("Receiver".to_owned(), "ops-hook".to_owned()),
            ("Messages".to_owned(), "12".to_owned()),
        ],
        why: None,
        instance: Some("reports-1".to_owned()),
        locale: "en-GB".to_owned(),
        look: look(),
    }
}

fn envelope(name: &str, rule: Option<&str>) -> Envelope {
    Envelope {
        one_click: None,
        unsubscribe_token: None,
        from: "Postrider <reports@example.com>".to_owned(),
        to: "lead@example.com".to_owned(),
        message_id: mail::message_id(&[name, "lead@example.com"], "example.com"),
        cc: Vec::new(),
        reply_to: None,
        date: at("2026-11-23T07:00:04Z"),
        thread: rule.map(|rule| mail::message_id(&[rule], "example.com")),
        list: Some("morning".to_owned()),
        owner: Some("ops@example.com".to_owned()),
        run: Some("morning-20261123T070000Z".to_owned()),
        rule: rule.map(str::to_owned),
    }
}
