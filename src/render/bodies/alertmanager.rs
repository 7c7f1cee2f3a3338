//! Alertmanager: alerts for its API, and the payload its own webhooks have (version 4).
//!
//! An alert there is its labels. So the level is one of them, and when it changes, or the incident
//! ends, those of its other levels are ended with it. Every alert carries an end: Alertmanager would
//! else take it for over five minutes after it was last told.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::Trouble;
use super::events::{
    Pairs, annotations, ended, instant, labels, record_annotations, record_labels,
};
use crate::domain::notification::{Change, Item, Notice};
use crate::render::Rendered;
use crate::render::format::clipped;
use crate::render::notification::NotificationMail;

/// How long an alert that is not told again goes on firing there: longer than any sensible `repeat`.
const FIRES_FOR: TimeDelta = TimeDelta::days(7);

/// One alert as `POST /api/v2/alerts` takes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: Pairs,
    annotations: Pairs,
    starts_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<String>,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

/// The alerts of a notice.
pub(super) fn alerts(notice: &Notice, mail: &NotificationMail) -> Vec<u8> {
    let mut alerts: Vec<Alert> = Vec::new();
    for item in &notice.items {
        let incident = &item.incident;
        let alert = |level: &str, ends_at: DateTime<Utc>| Alert {
            labels: labels(incident, level),
            annotations: annotations(item, mail, &notice.reason),
            starts_at: instant(incident.began),
            ends_at: Some(instant(ends_at)),
            generator_url: mail.public_url.clone(),
        };
        let end = ended(item);
        alerts.push(alert(&incident.level.name, end.unwrap_or(notice.at + FIRES_FOR)));
        let past = end.unwrap_or(notice.at.max(incident.began + TimeDelta::milliseconds(1)));
        alerts.extend(others(item).map(|level| alert(level, past)));
    }
    alerts.extend(notice.records.iter().map(|record| Alert {
        labels: record_labels(record),
        annotations: record_annotations(record),
        starts_at: instant(record.at),
        ends_at: None,
        generator_url: record.link.clone(),
    }));
    written(&alerts)
}

/// Levels that may have been told before and do not hold any more.
fn others(item: &Item) -> impl Iterator<Item = &str> {
    let incident = &item.incident;
    let told = item.change != Change::Fired;
    let levels = incident.about.levels.iter().map(|(name, _)| name.as_str());
    levels.take(incident.peak.index + 1).filter(move |name| told && *name != incident.level.name)
}

/// A trouble of postrider's own as an alert.
pub(super) fn trouble(trouble: &Trouble<'_>) -> Vec<u8> {
    let (at, after) = (trouble.at, trouble.at + TimeDelta::hours(24));
    let (starts, ends) = match trouble.over {
        true => (at - TimeDelta::seconds(1), at),
        false => (at, after),
    };
    written(&[Alert {
        labels: trouble_labels(trouble),
        annotations: trouble_annotations(trouble),
        starts_at: instant(starts),
        ends_at: Some(instant(ends)),
        generator_url: None,
    }])
}

fn trouble_labels(trouble: &Trouble<'_>) -> Pairs {
    let pairs =
        [("alertname", "PostriderTrouble"), ("about", trouble.about), ("severity", "warning")];
    pairs.map(|(name, value)| (name.to_owned(), clipped(value, 200))).into()
}

fn trouble_annotations(trouble: &Trouble<'_>) -> Pairs {
    let said = trouble.mail.paragraphs.join("\n");
    let pairs = [("summary", &trouble.mail.title), ("description", &said)];
    pairs.map(|(name, value)| (name.to_owned(), clipped(value, 2_000))).into()
}

/// What Alertmanager posts to a webhook, in the order it has there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhook<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<Told>,
    group_labels: Pairs,
    common_labels: Pairs,
    common_annotations: Pairs,
    #[serde(rename = "externalURL")]
    external_url: String,
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    status: &'static str,
    labels: Pairs,
    annotations: Pairs,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

/// The end of what has none.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The payload of a notice.
pub(super) fn webhook(
    receiver: &str,
    notice: &Notice,
    mail: &NotificationMail,
    rendered: &Rendered,
) -> Vec<u8> {
    let external = mail.public_url.clone().unwrap_or_default();
    let mut alerts: Vec<Told> = notice
        .items
        .iter()
        .map(|item| {
            let end = ended(item);
            let incident = &item.incident;
            Told {
                status: if end.is_some() { "resolved" } else { "firing" },
                labels: labels(incident, &incident.level.name),
                annotations: annotations(item, mail, &notice.reason),
                starts_at: instant(incident.began),
                ends_at: end.map_or_else(|| NEVER.to_owned(), instant),
                generator_url: external.clone(),
                fingerprint: incident.id.clone(),
            }
        })
        .collect();
    alerts.extend(notice.records.iter().map(|record| Told {
        status: "firing",
        labels: record_labels(record),
        annotations: record_annotations(record),
        starts_at: instant(record.at),
        ends_at: NEVER.to_owned(),
        generator_url: record.link.clone().unwrap_or_default(),
        fingerprint:
            crate::render::mail::webhook_id(&[&record.rule, &record.record])[4..20].to_owned(),
    }));
    let mut payload = Webhook {
        group_labels: notice.grouped_by.clone(),
        group_key: notice.thread.clone(),
        truncated_alerts: notice.more_firing + notice.more_ended + notice.records_more,
        ..around(receiver, external, alerts)
    };
    if notice.more_firing > 0 {
        payload.status = "firing";
    }
    payload.common_annotations.insert("subject".to_owned(), clipped(&rendered.subject, 500));
    written(&payload)
}

/// The payload of a trouble of postrider's own.
pub(super) fn trouble_webhook(receiver: &str, trouble: &Trouble<'_>) -> Vec<u8> {
    let alert = Told {
        status: if trouble.over { "resolved" } else { "firing" },
        labels: trouble_labels(trouble),
        annotations: trouble_annotations(trouble),
        starts_at: instant(trouble.at),
        ends_at: if trouble.over { instant(trouble.at) } else { NEVER.to_owned() },
        generator_url: String::new(),
        fingerprint: crate::render::mail::webhook_id(&["trouble", trouble.about])[4..20].to_owned(),
    };
    written(&around(receiver, String::new(), vec![alert]))
}

fn around(receiver: &str, external_url: String, alerts: Vec<Told>) -> Webhook<'_> {
    let firing = alerts.iter().any(|alert| alert.status == "firing");
    Webhook {
        receiver,
        status: if firing { "firing" } else { "resolved" },
        group_labels: Pairs::new(),
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url,
        version: "4",
        group_key: String::new(),
        truncated_alerts: 0,
        alerts,
    }
}

/// What all of them have in common.
fn common<'a>(mut all: impl Iterator<Item = &'a Pairs>) -> Pairs {
    let Some(first) = all.next() else { return Pairs::new() };
    let mut kept: BTreeSet<(&String, &String)> = first.iter().collect();
    for pairs in all {
        kept.retain(|(name, value)| pairs.get(*name) == Some(value));
    }
    kept.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn written<T: Serialize + ?Sized>(body: &T) -> Vec<u8> {
    serde_json::to_vec(body).expect("alerts hold text alone")
}
