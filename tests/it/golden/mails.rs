//! The mails of the set: each shows one thing that must not break a mail.

use chrono::TimeDelta;
use postrider::domain::chart::ChartKind;
use postrider::domain::digest::{Attach, Headline};
use postrider::domain::table::{Section, Table};
use postrider::render::subject::default_template;
use postrider::render::{
    DigestMail, Envelope, Logo, Look, NoticeMail, Rendered, mail, mail_bytes, render_digest,
    render_notice, render_notification,
};

use super::notifications;
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
    for (name, mail) in notifications::all() {
        add(name, render_notification(&mail), Some("longest-response"));
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

pub(super) fn look() -> Look {
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
        together: Vec::new(),
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
