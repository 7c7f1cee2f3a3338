//! Webhook payloads: the same news as JSON, typed and versioned.
//!
//! `version` rises when a field changes its meaning; new fields may come at any time.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::domain::report::Format;
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;

use super::Rendered;
use super::digest::{DigestMail, figure};
use super::format::{Locale, plain};
use super::incident::{IncidentKind, IncidentMail, PassedIncident};
use super::notice::NoticeMail;

mod beside;
mod several;

pub(super) use several::notification_payload;

use beside::{BesideData, GoalData, NewsData};

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Event<'a, T> {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
    timestamp: String,
    data: &'a T,
}

#[derive(Serialize)]
struct DigestData<'a> {
    digest: &'a str,
    run: &'a str,
    planned_at: String,
    made_at: String,
    timezone: &'a str,
    subject: &'a str,
    headline: Option<HeadlineData>,
    #[serde(flatten)]
    news: NewsData,
    reports: Vec<ReportData<'a>>,
    text: &'a str,
    html: &'a str,
}

#[derive(Serialize)]
struct NoticeData<'a> {
    about: &'a str,
    title: &'a str,
    paragraphs: &'a [String],
    facts: Vec<FactData<'a>>,
}

#[derive(Serialize)]
struct FactData<'a> {
    name: &'a str,
    value: &'a str,
}

/// A trouble of postrider's own as a webhook's body; `about` is the receiver, source or digest it
/// happened to.
pub fn notice_payload(mail: &NoticeMail, about: &str, at: DateTime<Utc>) -> Vec<u8> {
    let facts = mail.facts.iter().map(|(name, value)| FactData { name, value }).collect();
    let data = NoticeData { about, title: &mail.title, paragraphs: &mail.paragraphs, facts };
    written("postrider.trouble".to_owned(), at, &data)
}

#[derive(Serialize)]
struct HeadlineData {
    name: String,
    value: String,
    /// E.g. `+6 %`; empty where nothing is compared.
    change: String,
    /// E.g. `goal ≤ 2 min missed`; empty where it has none.
    goal: String,
}

#[derive(Serialize)]
struct ReportData<'a> {
    report: &'a str,
    title: &'a str,
    /// Why there is no table.
    failed: Option<&'a str>,
    table: Option<TableData<'a>>,
}

#[derive(Serialize)]
struct TableData<'a> {
    period: &'a str,
    from: Option<String>,
    to: Option<String>,
    timezone: &'a str,
    columns: Vec<ColumnData<'a>>,
    rows: Vec<Vec<Cell<'a>>>,
    others: Option<OthersData<'a>>,
    total: Option<Vec<Cell<'a>>>,
    records: u64,
    truncated: bool,
    coverage: &'a [String],
    complete_to: Option<String>,
    provisional: Option<&'a str>,
    #[serde(flatten)]
    beside: BesideData<'a>,
}

#[derive(Serialize)]
struct ColumnData<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    ty: Option<&'static str>,
    unit: Option<&'static str>,
    grouping: bool,
    /// Of a pivoted column the value it is for.
    pivot: Option<&'a str>,
    goal: Option<GoalData>,
}

#[derive(Serialize)]
struct OthersData<'a> {
    rows: u64,
    values: Option<Vec<Cell<'a>>>,
}

/// A value as JSON has it: instants as RFC 3339.
#[derive(Serialize)]
#[serde(untagged)]
enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Timestamp(String),
}

/// The payload `digest.sent`.
pub fn digest_payload(mail: &DigestMail, rendered: &Rendered) -> Vec<u8> {
    let locale = Locale::named(&mail.locale);
    let headline = figure(mail, locale);
    let data = DigestData {
        digest: &mail.name,
        run: &mail.run,
        planned_at: instant(mail.planned_at),
        made_at: instant(mail.made_at),
        timezone: mail.zone.name(),
        subject: &rendered.subject,
        headline: headline.map(|figure| HeadlineData {
            name: figure.name,
            value: plain(&figure.value),
            change: plain(&figure.change),
            goal: plain(&figure.goal),
        }),
        news: beside::news_of(mail, locale),
        reports: mail.sections.iter().map(report).collect(),
        text: &rendered.text,
        html: &rendered.html,
    };
    written("digest.sent".to_owned(), mail.made_at, &data)
}

#[derive(Serialize)]
struct IncidentData<'a> {
    incident: &'a str,
    rule: &'a str,
    title: &'a str,
    /// The same on all notifications of the incident.
    subject: &'a str,
    state: &'static str,
    level: &'a str,
    previous_level: Option<&'a str>,
    group: Vec<GroupData<'a>>,
    labels: &'a std::collections::BTreeMap<String, String>,
    value: Option<f64>,
    value_text: Option<String>,
    unit: Option<&'static str>,
    threshold: Option<String>,
    recover: Option<String>,
    records: Option<u64>,
    from: Option<String>,
    to: Option<String>,
    evaluated_at: String,
    began: String,
    fired: String,
    resolved: Option<String>,
    closed: Option<&'a str>,
    passed: Vec<PassedData<'a>>,
    passed_more: usize,
    worst: Option<f64>,
    value_at_fire: Option<f64>,
    reason: &'a str,
    sequence: u32,
    runbook: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<InsteadOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// The receiver it was for, and why it is told to another one.
#[derive(Serialize)]
struct InsteadOf<'a> {
    receiver: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct GroupData<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct PassedData<'a> {
    began: String,
    ended: Option<String>,
    level: &'a str,
    worst: Option<f64>,
}

fn passed(incident: &PassedIncident) -> PassedData<'_> {
    PassedData {
        began: instant(incident.began),
        ended: incident.ended.map(instant),
        level: &incident.level,
        worst: finite(incident.worst),
    }
}

/// The payload `incident.fired`, `incident.level_up`, `incident.resolved` or `incident.reminder`.
pub fn incident_payload(mail: &IncidentMail, rendered: &Rendered) -> Vec<u8> {
    let data = incident(mail, &rendered.subject, Some(&rendered.text));
    written(format!("incident.{}", mail.kind.word()), mail.at, &data)
}

/// One incident; without its own text among several.
fn incident<'a>(
    mail: &'a IncidentMail,
    subject: &'a str,
    text: Option<&'a str>,
) -> IncidentData<'a> {
    let locale = Locale::named(&mail.locale);
    let window = mail.window;
    IncidentData {
        incident: &mail.incident,
        rule: &mail.rule,
        title: &mail.title,
        subject,
        instead_of: None,
        state: if mail.kind == IncidentKind::Resolved { "resolved" } else { "firing" },
        level: &mail.level,
        previous_level: mail.previous_level.as_deref(),
        group: mail.group.iter().map(|(name, value)| GroupData { name, value }).collect(),
        labels: &mail.labels,
        value: finite(mail.value),
        value_text: mail.value.map(|value| plain(&locale.number(value, mail.format))),
        unit: unit(mail.format),
        threshold: mail.threshold.map(|threshold| threshold.to_string()),
        recover: mail.recover.map(|recover| recover.to_string()),
        records: mail.records,
        from: window.map(|window| instant(window.from)),
        to: window.map(|window| instant(window.to)),
        evaluated_at: instant(mail.at),
        began: instant(mail.began),
        fired: instant(mail.fired),
        resolved: mail.resolved.map(instant),
        closed: mail.closed.as_deref(),
        passed: mail.passed.iter().map(passed).collect(),
        passed_more: mail.passed_more,
        worst: finite(mail.worst),
        value_at_fire: finite(mail.value_at_fire),
        reason: &mail.reason,
        sequence: mail.sequence,
        runbook: mail.runbook.as_deref(),
        text,
    }
}

fn written<T: Serialize>(kind: String, at: DateTime<Utc>, data: &T) -> Vec<u8> {
    let event = Event { kind, version: VERSION, timestamp: instant(at), data };
    serde_json::to_vec(&event).expect("payloads hold text, numbers and lists alone")
}

fn report(section: &Section) -> ReportData<'_> {
    match section {
        Section::Failed { report, title, reason } => {
            ReportData { report, title, failed: Some(reason), table: None }
        }
        Section::Table(found) => ReportData {
            report: &found.report,
            title: &found.title,
            failed: None,
            table: Some(table(found)),
        },
    }
}

fn table(table: &Table) -> TableData<'_> {
    TableData {
        period: &table.period,
        from: table.window.map(|window| instant(window.from)),
        to: table.window.map(|window| instant(window.to)),
        timezone: table.zone.name(),
        columns: table
            .columns
            .iter()
            .map(|column| ColumnData {
                name: &column.name,
                ty: column.ty.map(|ty| ty.word()),
                unit: unit(column.format),
                grouping: column.grouping,
                pivot: column.pivot.as_deref(),
                goal: beside::goal(column),
            })
            .collect(),
        rows: table.rows.iter().map(|row| cells(row)).collect(),
        others: table.others.as_ref().map(|others| OthersData {
            rows: others.rows,
            values: others.values.as_deref().map(cells),
        }),
        total: table.total.as_deref().map(cells),
        records: table.records,
        truncated: table.truncated,
        coverage: &table.coverage,
        complete_to: table.complete_to.map(instant),
        provisional: table.provisional.as_deref(),
        beside: beside::beside(table),
    }
}

fn cells(values: &[Value]) -> Vec<Cell<'_>> {
    let cell = |value: &'_ Value| match value {
        Value::Null => Cell::Null,
        Value::Boolean(yes) => Cell::Boolean(*yes),
        Value::Integer(n) => Cell::Integer(*n),
        Value::Real(x) if x.is_finite() => Cell::Real(*x),
        Value::Real(_) => Cell::Null,
        Value::Text(_) => Cell::Null,
        Value::Timestamp(at) => Cell::Timestamp(instant(*at)),
    };
    values
        .iter()
        .map(|value| match value {
            Value::Text(text) => Cell::Text(text),
            other => cell(other),
        })
        .collect()
}

fn unit(format: Format) -> Option<&'static str> {
    match format {
        Format::Duration => Some("seconds"),
        Format::Percent => Some("fraction"),
        Format::Auto | Format::Decimals(_) => None,
    }
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
