//! What machines are told of an incident: names and values that do not depend on anybody's words.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::domain::incident::Incident;
use crate::domain::notification::{Change, Item, Occurrence};
use crate::domain::rule::Comparison;
use crate::render::format::{Locale, clipped, plain};
use crate::render::notification::NotificationMail;
use crate::render::view::is_link;
use crate::render::words::comparison;

/// Longest value of a label or an annotation, in characters.
pub(super) const VALUE_MAX: usize = 1_000;

/// Names and values.
pub(super) type Pairs = BTreeMap<String, String>;

/// `2026-11-22T13:55:00.000Z`.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `Customers wait too long: WhatsApp EMEA`.
pub(super) fn title(incident: &Incident) -> String {
    let group: Vec<&str> = incident.group.shown.iter().map(|(_, label)| &**label).collect();
    let title = &incident.about.title;
    let whole =
        if group.is_empty() { title.clone() } else { format!("{title}: {}", group.join(", ")) };
    clipped(&plain(&whole), 500)
}

/// `16 min 2 s, above 15 min`.
pub(super) fn reading(incident: &Incident, locale: Locale) -> String {
    let format = incident.about.format;
    let value = incident.value.map(|value| locale.number(value, format));
    let value = value.unwrap_or_else(|| "no value".to_owned());
    let than: Option<Comparison> = incident.threshold().parse().ok();
    let than = than.map(|than| format!(", {}", comparison(than, format, locale)));
    plain(&format!("{value}{}", than.unwrap_or_default()))
}

/// What an incident is told by to programs, for its level or another of its rule's.
pub(super) fn labels(incident: &Incident, level: &str) -> Pairs {
    let shown = incident.group.shown.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    named(&incident.rule, level, &incident.about.labels, shown)
}

/// The same of a record of an event rule.
pub(super) fn record_labels(record: &Occurrence) -> Pairs {
    let level = record.labels.get("level").map_or("", String::as_str);
    let kept = |(name, _): &(&String, &String)| !matches!(name.as_str(), "rule" | "level");
    let own: Pairs =
        record.labels.iter().filter(kept).map(|(n, v)| (n.clone(), v.clone())).collect();
    named(&record.rule, level, &own, [("record", record.record.as_str())])
}

fn named<'a>(
    rule: &str,
    level: &str,
    own: &Pairs,
    shown: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Pairs {
    let mut labels = Pairs::new();
    for (name, value) in own {
        labels.insert(label_name(name), clipped(value, VALUE_MAX));
    }
    for (name, value) in shown {
        labels.insert(label_name(name), clipped(value, VALUE_MAX));
    }
    labels.insert("alertname".to_owned(), rule.to_owned());
    labels.insert("level".to_owned(), level.to_owned());
    labels.entry("severity".to_owned()).or_insert_with(|| level.to_owned());
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// A heading as the name of a label: letters, digits and underscores.
fn label_name(heading: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = heading.trim().chars().take(60).map(fits).collect();
    match name.chars().next() {
        Some(first) if !first.is_ascii_digit() => name,
        _ => format!("_{name}"),
    }
}

/// What people read of it there.
pub(super) fn annotations(item: &Item, mail: &NotificationMail, reason: &str) -> Pairs {
    let incident = &item.incident;
    let locale = Locale::named(&mail.locale);
    let mut annotations = Pairs::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            annotations.insert(name.to_owned(), clipped(&plain(&value), VALUE_MAX));
        }
    };
    add("summary", title(incident));
    add("description", reading(incident, locale));
    add("reason", reason.to_owned());
    add("incident", incident.id.clone());
    add("value", incident.value.map(|value| value.to_string()).unwrap_or_default());
    add("owner", incident.about.owner.clone().unwrap_or_default());
    add("acknowledged_by", item.ack.as_ref().map(|ack| ack.by.clone()).unwrap_or_default());
    add("remarks", item.remarks.join(" "));
    let runbook = incident.about.runbook.clone().unwrap_or_default();
    add(if is_link(&runbook) { "runbook_url" } else { "runbook" }, runbook);
    annotations
}

/// The same of a record.
pub(super) fn record_annotations(record: &Occurrence) -> Pairs {
    let mut annotations = Pairs::new();
    annotations.insert("summary".to_owned(), clipped(&plain(&record.title), VALUE_MAX));
    for (name, value) in record.shown.iter().take(20) {
        annotations.insert(label_name(name), clipped(&plain(value), VALUE_MAX));
    }
    annotations.extend(record.link.iter().map(|link| ("link".to_owned(), link.clone())));
    annotations
}

/// When an incident ended, if it has; never before or at its beginning.
pub(super) fn ended(item: &Item) -> Option<DateTime<Utc>> {
    let incident = &item.incident;
    let end = incident.resolved.map(|resolved| resolved.at);
    let end = end.or((item.change == Change::Resolved).then_some(incident.last_read_at));
    end.map(|end| end.max(incident.began + TimeDelta::milliseconds(1)))
}
