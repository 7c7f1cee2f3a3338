//! The payloads of notifications: one incident as it always was, several as `incidents.*`, records as
//! `records.new`.

use serde::Serialize;

use super::super::Rendered;
use super::super::notification::NotificationMail;
use super::super::view::is_link;
use super::{IncidentData, InsteadOf, incident, instant, written};
use crate::domain::notification::{Kind, Notice, Occurrence};
use crate::domain::route::Labels;

#[derive(Serialize)]
struct SeveralData<'a> {
    /// What the notifications of one group have in common.
    thread: &'a str,
    subject: &'a str,
    reason: &'a str,
    sequence: u32,
    grouped_by: &'a Labels,
    /// How many fire, those that are not listed included; and how many have just ended.
    firing: u64,
    ended: u64,
    /// Those that fire, the worst first, then those that ended.
    items: Vec<IncidentData<'a>>,
    more_firing: u64,
    more_ended: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<InsteadOf<'a>>,
    text: &'a str,
}

#[derive(Serialize)]
struct RecordsData<'a> {
    thread: &'a str,
    rule: &'a str,
    subject: &'a str,
    reason: &'a str,
    sequence: u32,
    records: Vec<RecordData<'a>>,
    more: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    instead_of: Option<InsteadOf<'a>>,
    text: &'a str,
}

#[derive(Serialize)]
struct RecordData<'a> {
    rule: &'a str,
    title: &'a str,
    record: &'a str,
    at: String,
    shown: Vec<ShownData<'a>>,
    link: Option<&'a str>,
    labels: &'a Labels,
}

#[derive(Serialize)]
struct ShownData<'a> {
    name: &'a str,
    value: &'a str,
}

/// The payload of any notification.
pub(in crate::render) fn notification_payload(
    notice: &Notice,
    mail: &NotificationMail,
    rendered: &Rendered,
) -> Vec<u8> {
    let subject = rendered.subject.as_str();
    let text = rendered.text.as_str();
    let instead_of =
        mail.instead_of.as_ref().map(|(receiver, reason)| InsteadOf { receiver, reason });
    let alone = mail.grouped_by.is_empty() && mail.more_firing + mail.more_ended == 0;
    match mail.items.as_slice() {
        [] if notice.kind == Kind::Records || !mail.records.is_empty() => {
            let data = RecordsData {
                thread: &mail.thread,
                rule: notice.rule(),
                subject,
                reason: &mail.reason,
                sequence: mail.sequence,
                records: mail.records.iter().map(record).collect(),
                more: mail.records_more,
                instead_of,
                text,
            };
            written("records.new".to_owned(), mail.at, &data)
        }
        [one] if alone && notice.kind != Kind::Summary => {
            let data = IncidentData { instead_of, ..incident(one, subject, Some(text)) };
            written(format!("incident.{}", one.kind.word()), one.at, &data)
        }
        items => {
            let is_over = |item: &&super::IncidentMail| item.resolved.is_some();
            let over = items.iter().filter(is_over).count() as u64;
            let data = SeveralData {
                thread: &mail.thread,
                subject,
                reason: &mail.reason,
                sequence: mail.sequence,
                grouped_by: &mail.grouped_by,
                firing: items.len() as u64 - over + mail.more_firing,
                ended: over + mail.more_ended,
                items: items.iter().map(|item| incident(item, subject, None)).collect(),
                more_firing: mail.more_firing,
                more_ended: mail.more_ended,
                instead_of,
                text,
            };
            written(format!("incidents.{}", notice.kind.word()), mail.at, &data)
        }
    }
}

fn record(record: &Occurrence) -> RecordData<'_> {
    let shown = record.shown.iter().map(|(name, value)| ShownData { name, value });
    RecordData {
        rule: &record.rule,
        title: &record.title,
        record: &record.record,
        at: instant(record.at),
        shown: shown.collect(),
        link: record.link.as_deref().filter(|link| is_link(link)),
        labels: &record.labels,
    }
}
