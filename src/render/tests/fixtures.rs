//! A digest of a messaging team, and an incident, with the awkward cases real records have.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::digest::Headline;
use crate::domain::expr::Unit;
use crate::domain::period::Window;
use crate::domain::report::Format;
use crate::domain::table::{Column, Others, Section, Table};
use crate::domain::value::{Type, Value};
use crate::domain::zone::Zone;
use crate::render::{DigestMail, Envelope, IncidentKind, IncidentMail, Look};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(crate) fn berlin() -> Zone {
    Zone::named("Europe/Berlin").unwrap()
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn int(n: i64) -> Value {
    Value::Integer(n)
}

fn real(x: f64) -> Value {
    Value::Real(x)
}

/// A column: `*name` is a grouping one; the type decides the alignment.
pub(crate) fn column(name: &str, ty: Type, format: Format) -> Column {
    Column {
        goal: None,
        pivot: None,
        name: name.trim_start_matches('*').to_owned(),
        format,
        grouping: name.starts_with('*'),
        numeric: ty.is_number(),
        share: matches!(format, Format::Percent),
        ty: Some(ty),
        unit: None,
    }
}

pub(crate) fn table(name: &str, title: &str, columns: Vec<Column>, rows: Vec<Vec<Value>>) -> Table {
    Table {
        rest: vec![],
        compared: None,
        trend: None,
        beside: vec![],
        beside_total: None,
        chart: None,
        drill: None,
        only: None,
        restated: vec![],
        report: name.to_owned(),
        definition: String::new(),
        title: title.to_owned(),
        about: None,
        window: Some(Window { from: at("2026-11-15T23:00:00Z"), to: at("2026-11-22T23:00:00Z") }),
        period: "last 7 days".to_owned(),
        zone: berlin(),
        columns,
        rows,
        others: None,
        total: None,
        empty: None,
        list: false,
        records: 1310,
        truncated: false,
        coverage: Vec::new(),
        coverage_low: Vec::new(),
        complete_to: Some(at("2026-11-23T06:55:00Z")),
        provisional: None,
    }
}

/// One row about everything.
pub(crate) fn typical() -> Table {
    let columns = vec![
        column("Typical", Type::Real, Format::Auto),
        column("Mean", Type::Real, Format::Auto),
        column("90 % under", Type::Real, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
    ];
    let row = vec![real(6.0), real(7.416), real(15.5), int(18_204)];
    Table {
        window: None,
        period: "all time".to_owned(),
        records: 18_204,
        about: Some("Sessions with people, bots left out.".to_owned()),
        ..table(
            "agent-messages",
            "How many messages do agents send in a session?",
            columns,
            vec![row],
        )
    }
}

/// Grouped, with lengths of time, others and a total.
pub(crate) fn waits() -> Table {
    let columns = vec![
        column("*Channel", Type::Text, Format::Auto),
        column("Mean of session means", Type::Real, Format::Duration),
        column("95 % under", Type::Real, Format::Duration),
        column("Measured", Type::Integer, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
    ];
    let rows = vec![
        vec![text("WhatsApp EMEA"), real(412.3), real(1_803.0), int(402), int(431)],
        vec![text("Web chat"), real(183.27), real(640.5), int(655), int(702)],
        vec![text("Facebook Messenger"), real(59.97), real(121.0), int(97), int(97)],
        vec![text("SMS (standard)"), Value::Null, Value::Null, int(0), int(80)],
    ];
    Table {
        others: Some(Others {
            rows: 37,
            values: Some(vec![Value::Null, real(88.0), real(300.0), int(50), int(53)]),
        }),
        total: Some(vec![Value::Null, real(200.4), real(912.0), int(1_204), int(1_363)]),
        coverage: vec![
            "1,204 of 1,310 ended sessions have metrics (81 on standard channels, 25 began before \
             October 2024)."
                .to_owned(),
        ],
        ..table(
            "agent-response-time",
            "On average, how many seconds do agents take to respond?",
            columns,
            rows,
        )
    }
}

/// Shares with bars.
pub(crate) fn shares() -> Table {
    let columns = vec![
        column("*Account", Type::Text, Format::Auto),
        column("Sessions", Type::Integer, Format::Auto),
        column("Share", Type::Real, Format::Percent),
    ];
    let rows = vec![
        vec![text("<script>alert('x')</script>"), int(5_120), real(0.51)],
        vec![text("=HYPERLINK(\"http://evil.example\",\"Acme\")"), int(2_048), real(0.204)],
        vec![text("شركة الأمل"), int(1_024), real(0.102)],
        vec![text("חברת שלום"), int(512), real(0.051)],
        vec![text("株式会社テスト"), int(300), real(0.0299)],
        vec![text("Žluťoučký kůň & synové \u{1f600}"), int(28), real(0.0028)],
        vec![text("turned\u{202e}txt.exe\r\nBcc: victim@example.com"), int(2), real(0.0002)],
        vec![text("(no account)"), int(1_004), real(0.1)],
    ];
    Table {
        total: Some(vec![Value::Null, int(10_038), real(1.0)]),
        records: 10_038,
        ..table("accounts", "Which accounts write most?", columns, rows)
    }
}

/// A list of records with a date and shortened names.
pub(crate) fn people() -> Table {
    let columns = vec![
        column("Account", Type::Text, Format::Auto),
        column("User", Type::Text, Format::Auto),
        column("Started", Type::Timestamp, Format::Auto),
        column("Consent", Type::Boolean, Format::Auto),
    ];
    let row = |account: &str, user: &str, hour: i64, consent: bool| {
        let started = at("2026-11-20T07:05:09Z") + TimeDelta::hours(hour);
        vec![text(account), text(user), Value::Timestamp(started), Value::Boolean(consent)]
    };
    Table {
        list: true,
        others: Some(Others { rows: 1_237, values: None }),
        empty: Some("not recorded".to_owned()),
        provisional: Some("data is complete to 07:40 only.".to_owned()),
        records: 1_240,
        ..table(
            "consents",
            "Who may we write to?",
            columns,
            vec![
                row("Acme GmbH", "A\u{2026}", 0, true),
                row("Beispiel & Söhne", "ع\u{2026}", 5, false),
                vec![text("Acme GmbH"), text("Z\u{2026}"), Value::Null, Value::Null],
            ],
        )
    }
}

/// Days, more columns than fit a narrow screen.
pub(crate) fn days() -> Table {
    let mut day = column("*Day", Type::Timestamp, Format::Auto);
    day.unit = Some(Unit::Day);
    let mut columns = vec![day];
    let names =
        ["Sessions", "Answered", "Missed", "Typical", "Mean", "95 % under", "Declined offers"];
    for (i, name) in names.iter().enumerate() {
        let format = if (3..6).contains(&i) { Format::Duration } else { Format::Auto };
        columns.push(column(name, Type::Integer, format));
    }
    let rows = (0..7).map(|n| {
        let first = Value::Timestamp(at("2026-11-15T23:00:00Z") + TimeDelta::days(n));
        let n = n + 1;
        let figures = [1_200 * n, 1_100 * n, 100 * n, 42 * n, 66 * n, 700 * n, n];
        std::iter::once(first).chain(figures.map(Value::Integer)).collect()
    });
    table("days", "How did the week go?", columns, rows.collect())
}

pub(crate) fn failed() -> Section {
    Section::Failed {
        report: "handle-time".to_owned(),
        title: "How long does a session keep an agent busy?".to_owned(),
        reason: "field `AgentWork.HandleTime` is still loading (41 % of its history is here)"
            .to_owned(),
    }
}

/// Everything at once.
pub(crate) fn digest() -> DigestMail {
    let nothing = vec![column("*Channel", Type::Text, Format::Auto)];
    let nothing =
        Table { records: 0, ..table("undelivered", "What was not delivered?", nothing, vec![]) };
    DigestMail {
        preheader: None,
        part: None,
        remarks: vec![],
        attach: vec![],
        bytes_max: 10_000_000,
        look: Default::default(),
        template: None,
        name: "morning".to_owned(),
        subject: "Messaging {{ period }}: {{ headline }}".to_owned(),
        intro: Some("How the messaging team did, before the stand-up.".to_owned()),
        headline: Some(Headline { report: 1, column: 1 }),
        sections: vec![
            Section::Table(typical()),
            Section::Table(waits()),
            Section::Table(shares()),
            Section::Table(people()),
            Section::Table(days()),
            Section::Table(nothing),
            failed(),
        ],
        planned_at: at("2026-11-23T07:00:00Z"),
        made_at: at("2026-11-23T07:00:04Z"),
        zone: berlin(),
        schedule: "weekdays at 08:00".to_owned(),
        missed: None,
        run: "morning/2026-11-23T07:00Z".to_owned(),
        locale: "en-GB".to_owned(),
        instance: Some("reports-1".to_owned()),
        owner: Some("ops@example.com".to_owned()),
    }
}

/// What a team gets on a good day.
pub(crate) fn calm() -> DigestMail {
    let mut mail = digest();
    mail.sections = vec![Section::Table(waits()), Section::Table(shares())];
    mail.headline = Some(Headline { report: 0, column: 1 });
    mail
}

pub(crate) fn incident(kind: IncidentKind) -> IncidentMail {
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
        passed: Vec::new(),
        passed_more: 0,
        worst: Some(1_201.0),
        value_at_fire: Some(915.5),
        reason: match kind {
            IncidentKind::Fired => "it has been above its threshold for 5 min".to_owned(),
            IncidentKind::LevelUp => "its level rose".to_owned(),
            IncidentKind::Resolved => "it has been below its threshold for 5 min".to_owned(),
            IncidentKind::Corrected => "records that came later changed it".to_owned(),
            IncidentKind::Reminder => "it still fires, 4 h after you were last told".to_owned(),
        },
        sequence: 2,
        labels: BTreeMap::from([("team".to_owned(), "messaging".to_owned())]),
        runbook: Some("https://wiki.example.com/messaging/slow-answers".to_owned()),
        zone: berlin(),
        locale: "en-GB".to_owned(),
        instance: Some("reports-1".to_owned()),
        owner: Some("ops@example.com".to_owned()),
        look: Look::default(),
        context: crate::render::Context::default(),
    }
}

pub(crate) fn envelope() -> Envelope {
    Envelope {
        cc: Vec::new(),
        reply_to: None,
        unsubscribe_token: None,
        one_click: None,
        from: "Postrider <reports@example.com>".to_owned(),
        to: "lead@example.com".to_owned(),
        together: Vec::new(),
        message_id: crate::render::mail::message_id(
            &["morning", "lead@example.com"],
            "example.com",
        ),
        date: at("2026-11-23T07:00:04Z"),
        thread: None,
        list: Some("morning".to_owned()),
        owner: Some("ops@example.com".to_owned()),
        run: Some("morning/2026-11-23T07:00Z".to_owned()),
        rule: None,
    }
}
