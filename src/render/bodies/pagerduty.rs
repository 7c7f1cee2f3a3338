//! PagerDuty: one event an incident, by Events API v2. The routing key is put in when it is sent.
//!
//! The key by which PagerDuty knows an incident again is the incident's own id: neither a title that
//! is reworded nor another level makes a second one.

use serde_json::{Map, Value, json};

use super::Trouble;
use super::events::{Pairs, annotations, ended, instant, labels, reading, title};
use crate::domain::notification::{Change, Item, Notice, Occurrence};
use crate::render::format::{Locale, clipped, plain};
use crate::render::notification::NotificationMail;
use crate::render::view::is_link;

/// Longest summary, in characters.
const SUMMARY_MAX: usize = 1_024;
/// Longest key.
const KEY_MAX: usize = 255;

/// The events of a notice, each with the incident it is about.
pub(super) fn events(notice: &Notice, mail: &NotificationMail) -> Vec<(String, Vec<u8>)> {
    let mut events: Vec<(String, Vec<u8>)> = Vec::new();
    for item in &notice.items {
        events.push((item.incident.id.clone(), written(&of_item(item, notice, mail))));
    }
    for record in &notice.records {
        events.push((record.record.clone(), written(&of_record(record, mail))));
    }
    events.extend(rest(notice, mail).map(|event| ("more".to_owned(), written(&event))));
    events
}

fn of_item(item: &Item, notice: &Notice, mail: &NotificationMail) -> Value {
    let incident = &item.incident;
    let key = format!("postrider/{}", incident.id);
    if ended(item).is_some() {
        return short("resolve", &key);
    }
    // Somebody took it: what goes on is no news for those who are called.
    if item.ack.is_some() && item.change == Change::Still {
        return short("acknowledge", &key);
    }
    let locale = Locale::named(&mail.locale);
    let level = &incident.level;
    let highest = level.index + 1 == incident.about.levels.len();
    let mut details = annotations(item, mail, &notice.reason);
    details.extend(labels(incident, &level.name));
    let group: Vec<&str> = incident.group.shown.iter().map(|(_, label)| &**label).collect();
    let payload = json!({
        "summary": clipped(&format!("{} ({})", title(incident), reading(incident, locale)), SUMMARY_MAX),
        "source": source(&group, &incident.rule),
        "severity": severity(&level.name, highest && incident.about.levels.len() > 1),
        "timestamp": instant(incident.began),
        "component": clipped(&incident.rule, 200),
        "class": clipped(&level.name, 200),
        "custom_details": details,
    });
    let mut event = trigger(&key, payload, mail);
    if let Some(runbook) = incident.about.runbook.as_deref().filter(|text| is_link(text)) {
        event["links"] = json!([{ "href": runbook, "text": "What to do" }]);
    }
    event
}

/// A new record: it has no end that anybody would tell.
fn of_record(record: &Occurrence, mail: &NotificationMail) -> Value {
    let shown = record.shown.iter().take(20);
    let details: Pairs =
        shown.map(|(name, value)| (clipped(name, 60), clipped(&plain(value), 1_000))).collect();
    let level = record.labels.get("level").map_or("", String::as_str);
    let payload = json!({
        "summary": clipped(&plain(&format!("{}: {}", record.title, record.record)), SUMMARY_MAX),
        "source": source(&[], &record.rule),
        "severity": severity(level, false),
        "timestamp": instant(record.at),
        "component": clipped(&record.rule, 200),
        "class": clipped(level, 200),
        "custom_details": details,
    });
    let mut event = trigger(&format!("postrider/{}/{}", record.rule, record.record), payload, mail);
    if let Some(link) = record.link.as_deref().filter(|link| is_link(link)) {
        event["links"] = json!([{ "href": link, "text": "Open the record" }]);
    }
    event
}

/// What a notice only counts: one event for all of it, which ends when there are none any more.
fn rest(notice: &Notice, mail: &NotificationMail) -> Option<Value> {
    let key = format!("postrider/{}/more", notice.thread);
    let more = notice.more_firing + notice.records_more;
    if more == 0 {
        let told = notice.seq > 1 && !notice.grouped_by.is_empty();
        return told.then(|| short("resolve", &key));
    }
    let noun = if notice.more_firing > 0 { "incidents fire" } else { "records are new" };
    let payload = json!({
        "summary": clipped(&format!("{more} more {noun}: {}", notice.reason), SUMMARY_MAX),
        "source": source(&[], notice.rule()),
        "severity": "warning",
        "timestamp": instant(notice.at),
        "component": clipped(notice.rule(), 200),
        "custom_details": notice.grouped_by,
    });
    Some(trigger(&key, payload, mail))
}

/// A trouble of postrider's own: one for each thing it can happen to.
pub(super) fn trouble(trouble: &Trouble<'_>) -> Vec<u8> {
    let key = format!("postrider/trouble/{}", trouble.about);
    if trouble.over {
        return written(&short("resolve", &key));
    }
    let mail = trouble.mail;
    let mut details: Map<String, Value> = Map::new();
    for (name, value) in &mail.facts {
        details.insert(clipped(name, 60), clipped(value, 1_000).into());
    }
    details.insert("what to do".to_owned(), clipped(&mail.paragraphs.join("\n"), 4_000).into());
    let summary = clipped(&format!("[postrider] {}", mail.title), SUMMARY_MAX);
    written(&json!({
        "event_action": "trigger",
        "dedup_key": clipped(&key, KEY_MAX),
        "client": "postrider",
        "payload": {
            "summary": summary,
            "source": "postrider",
            "severity": "warning",
            "timestamp": instant(trouble.at),
            "component": clipped(trouble.about, 200),
            "custom_details": details,
        },
    }))
}

fn trigger(key: &str, payload: Value, mail: &NotificationMail) -> Value {
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": dedup(key),
        "client": "postrider",
        "payload": payload,
    });
    if let Some(url) = &mail.public_url {
        event["client_url"] = url.as_str().into();
    }
    event
}

fn short(action: &str, key: &str) -> Value {
    json!({ "event_action": action, "dedup_key": dedup(key) })
}

/// A key that PagerDuty takes: one too long is told from others by its hash.
fn dedup(key: &str) -> String {
    match key.len() <= KEY_MAX {
        true => key.to_owned(),
        false => format!("postrider/{}", crate::render::mail::webhook_id(&[key])),
    }
}

/// What is affected: the group, else the rule.
fn source(group: &[&str], rule: &str) -> String {
    let group = clipped(&plain(&group.join(", ")), 200);
    if group.is_empty() { clipped(rule, 200) } else { group }
}

/// PagerDuty's word for a level: its own words as they are, common ones by what they mean, else by
/// whether it is the highest.
pub(super) fn severity(level: &str, highest: bool) -> &'static str {
    match level.to_lowercase().as_str() {
        "critical" | "fatal" | "emergency" | "disaster" | "page" | "p1" | "sev1" => "critical",
        "error" | "high" | "major" | "severe" | "p2" | "sev2" => "error",
        "warning" | "warn" | "medium" | "average" | "p3" | "sev3" => "warning",
        "info" | "information" | "notice" | "low" | "minor" | "debug" | "p4" | "p5" => "info",
        _ if highest => "critical",
        _ => "warning",
    }
}

fn written(event: &Value) -> Vec<u8> {
    event.to_string().into_bytes()
}
