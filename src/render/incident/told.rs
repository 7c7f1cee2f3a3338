//! An incident in words: the news in a sentence, the facts by name.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::period::Window;
use crate::domain::report::Format;

use super::super::format::{Locale, clean, clipped, isolated};
use super::super::view::{is_link, moment};
use super::super::words::{comparison, counted};
use super::{Fact, IncidentKind, IncidentMail, PassedIncident, Runbook};

/// Longest value of one fact, in characters.
pub(super) const FACT_MAX: usize = 500;
/// Incidents that passed unseen and are listed one by one.
const PASSED_MAX: usize = 20;
/// So many incidents of one rule and group within a day are flapping.
const FLAPPING: u32 = 4;
/// Remarks that are told.
const REMARKS_MAX: usize = 10;

/// What to do, as long as there is something to do.
pub(in crate::render) fn runbook(mail: &IncidentMail) -> Option<Runbook> {
    let text = mail.runbook.as_deref().filter(|_| !mail.is_over())?;
    let text = clipped(text, 1_000);
    Some(Runbook { link: is_link(&text), text })
}

/// `usually 2 min 20 s, above 15 min, since 13:55`.
pub(in crate::render) fn since(mail: &IncidentMail, locale: Locale) -> String {
    let since = moment(mail.began, mail.at, &mail.zone, locale);
    let since = match mail.kind {
        IncidentKind::Fired => format!("since {since}"),
        _ => format!("since {since}, for {}", lasted(mail, locale)),
    };
    let against = Some(against(mail, locale)).filter(|against| !against.is_empty());
    let measured = measured(mail, locale);
    let parts = [measured, usual(mail, locale), against, Some(since)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The news in a sentence: the first line of the mail.
pub(in crate::render) fn news(mail: &IncidentMail, locale: Locale) -> String {
    let since = moment(mail.began, mail.at, &mail.zone, locale);
    let level = clean(&mail.level);
    let reading = reading(mail, locale);
    match mail.kind {
        IncidentKind::Fired => format!("{reading} ({level}), since {since}."),
        IncidentKind::Reminder => {
            let lasted = lasted(mail, locale);
            format!("Still {reading} ({level}), since {since}, for {lasted}.")
        }
        IncidentKind::LevelUp => match &mail.previous_level {
            Some(before) => format!("From {} to {level}: {reading}.", clean(before)),
            None => format!("Now {level}: {reading}."),
        },
        IncidentKind::Resolved => ended(mail, locale),
        IncidentKind::Corrected => match mail.context.remarks.first() {
            Some(what) => clipped(what, FACT_MAX),
            None => "What was told of it has changed.".to_owned(),
        },
    }
}

/// `16 min 2 s, usually 2 min 20 s, above 15 min`; where it is judged how the value compares:
/// `12, usually 48: −75.0%, below −50.0%`.
pub(in crate::render) fn reading(mail: &IncidentMail, locale: Locale) -> String {
    let against = Some(against(mail, locale)).filter(|against| !against.is_empty());
    let value = value(mail, mail.value, locale);
    let judged = against.map_or_else(|| value.clone(), |against| format!("{value}, {against}"));
    match (measured(mail, locale), usual(mail, locale)) {
        (Some(measured), usual) => {
            let usual = usual.map(|usual| format!(", {usual}")).unwrap_or_default();
            format!("{measured}{usual}: {judged}")
        }
        (None, Some(usual)) => judged.replacen(&value, &format!("{value}, {usual}"), 1),
        (None, None) => judged,
    }
}

/// What was measured, where that is not what is judged.
fn measured(mail: &IncidentMail, locale: Locale) -> Option<String> {
    let format = mail.context.format_measured.unwrap_or(mail.format);
    mail.context.measured.map(|measured| locale.number(measured, format))
}

/// `Over at 14:30 after 35 min: 15 min 16 s when it fired, 20 min 1 s at worst, 2 min 22 s now.`
fn ended(mail: &IncidentMail, locale: Locale) -> String {
    let end = mail.resolved.unwrap_or(mail.at);
    let end = moment(end, mail.at, &mail.zone, locale);
    let lasted = lasted(mail, locale);
    let written = |value: Option<f64>, what: &str| {
        value.map(|value| format!("{} {what}", locale.number(value, mail.format)))
    };
    let now = mail.value.filter(|_| mail.closed.is_none());
    let values = [
        written(mail.value_at_fire, "when it fired"),
        written(mail.worst, "at worst"),
        written(now, "when it cleared"),
    ];
    let values: Vec<String> = values.into_iter().flatten().collect();
    match (&mail.closed, values.join(", ")) {
        (None, values) if values.is_empty() => format!("Over at {end} after {lasted}."),
        (None, values) => format!("Over at {end} after {lasted}: {values}."),
        (Some(why), values) => {
            let why = clipped(why, 200);
            let values = if values.is_empty() { values } else { format!(" It was {values}.") };
            format!("Closed at {end} after {lasted}: {why}. No recovery was seen.{values}")
        }
    }
}

/// `usually 2 min 20 s at this hour`.
fn usual(mail: &IncidentMail, locale: Locale) -> Option<String> {
    let format = mail.context.format_measured.unwrap_or(mail.format);
    let usual = locale.number(mail.context.usual?, format);
    Some(match &mail.context.usual_is {
        Some(words) => format!("{} {usual}", clipped(words, 60)),
        None => format!("usually {usual}"),
    })
}

/// What else there is to know: what was corrected, who took it, whether it flaps.
pub(in crate::render) fn lines(mail: &IncidentMail, locale: Locale) -> Vec<String> {
    let context = &mail.context;
    // Of a correction the first one is the news.
    let told = usize::from(mail.kind == IncidentKind::Corrected);
    let remarks = context.remarks.iter().skip(told).take(REMARKS_MAX);
    let mut lines: Vec<String> = remarks.map(|remark| clipped(remark, FACT_MAX)).collect();
    lines.extend(taken(mail, locale).map(|taken| format!("{taken}.")));
    if context.recent >= FLAPPING {
        let times = locale.integer(i64::from(context.recent));
        lines.push(format!(
            "Flapping: fired {times} times within 24 h; consider a recovery threshold or \
             `keep_firing_for`."
        ));
    }
    lines.extend(context.evidence_lost.as_deref().map(|why| clipped(why, FACT_MAX)));
    lines
}

/// `Taken by Jo until 14:00`, with what they said.
pub(in crate::render) fn taken(mail: &IncidentMail, locale: Locale) -> Option<String> {
    let ack = mail.context.ack.as_ref().filter(|ack| mail.at < ack.until && !mail.is_over())?;
    let until = moment(ack.until, mail.at, &mail.zone, locale);
    let note = ack.note.as_deref().map(|note| format!(": {}", clipped(note, 300)));
    let by = isolated(clipped(&ack.by, 80));
    Some(format!("Taken by {by} until {until}{}", note.unwrap_or_default()))
}

pub(in crate::render) fn value(mail: &IncidentMail, value: Option<f64>, locale: Locale) -> String {
    value.map_or_else(|| "no value".to_owned(), |value| locale.number(value, mail.format))
}

pub(in crate::render) fn against(mail: &IncidentMail, locale: Locale) -> String {
    mail.threshold.map(|than| comparison(than, mail.format, locale)).unwrap_or_default()
}

pub(in crate::render) fn lasted(mail: &IncidentMail, locale: Locale) -> String {
    let end = mail.resolved.unwrap_or(mail.at);
    locale.duration((end - mail.began).num_seconds().max(0) as f64)
}

pub(in crate::render) fn facts(mail: &IncidentMail, locale: Locale) -> Vec<Fact> {
    let stamp = |at: DateTime<Utc>| locale.stamp(mail.zone.civil(at));
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| facts.push((clipped(name, 60), value));
    for (heading, label) in &mail.group {
        add(heading, clipped(label, FACT_MAX));
    }
    if mail.is_over() {
        add("Value now", value(mail, mail.value, locale));
        add("Last level", clean(&mail.level));
        add("Threshold", against(mail, locale));
    }
    add("Since", stamp(mail.began));
    if mail.fired != mail.began {
        add("Fired", stamp(mail.fired));
    }
    if let Some(at) = mail.resolved {
        add("Resolved", stamp(at));
    }
    if mail.kind != IncidentKind::Fired {
        add("Lasted", lasted(mail, locale));
        if let Some(value) = mail.value_at_fire {
            add("When it fired", locale.number(value, mail.format));
        }
    }
    if let Some(worst) = mail.worst.filter(|worst| Some(*worst) != mail.value) {
        let name = if mail.is_over() { "Worst" } else { "Worst so far" };
        add(name, locale.number(worst, mail.format));
    }
    add(
        "Data of",
        match mail.window {
            Some(window) => locale.window(window, &mail.zone),
            None => format!("the state at {}", stamp(mail.at)),
        },
    );
    if let Some((part, whole)) = mail.context.counts {
        let [part, whole] = [part, whole].map(|n| locale.number(n, Format::Auto));
        add("Share", format!("{part} of {whole}"));
    }
    if let Some(records) = mail.records {
        add("Computed from", counted(records, "record", locale));
    }
    if let Some(measured) = measured(mail, locale) {
        add("Measured", measured);
    }
    if let Some(usual) = usual(mail, locale) {
        add("Compared with", usual);
    }
    if !mail.is_over()
        && let Some(ends) = ends(mail, locale)
    {
        add("Resolves when", ends);
    }
    for passed in mail.passed.iter().take(PASSED_MAX) {
        add("Before", came_and_went(passed, mail, locale));
    }
    let more = mail.passed_more + mail.passed.len().saturating_sub(PASSED_MAX);
    if more > 0 {
        add("Before", format!("and {}", counted(more as u64, "more incident", locale)));
    }
    if let Some(owner) = &mail.context.rule_owner {
        add("Owner", clipped(owner, 200));
    }
    for (name, value) in mail.labels.iter().take(20) {
        add(name, clipped(value, FACT_MAX));
    }
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    facts.map(|(name, value)| Fact { name, value: isolated(value) }).collect()
}

/// `Sun 22 Nov 2026, 13:00 to 13:20, critical, worst 16 min 2 s`.
fn came_and_went(passed: &PassedIncident, mail: &IncidentMail, locale: Locale) -> String {
    let when = match passed.ended {
        Some(to) => locale.window(Window { from: passed.began, to }, &mail.zone),
        None => format!("from {}", locale.stamp(mail.zone.civil(passed.began))),
    };
    let worst = passed.worst.map(|worst| format!(", worst {}", locale.number(worst, mail.format)));
    format!("{when}, {}{}", clean(&passed.level), worst.unwrap_or_default())
}

/// `the value is below 4 min for 5 min`.
fn ends(mail: &IncidentMail, locale: Locale) -> Option<String> {
    let until = match (mail.recover, mail.threshold) {
        (Some(recover), _) => format!("is {}", comparison(recover, mail.format, locale)),
        (None, Some(than)) => format!("is no longer {}", comparison(than, mail.format, locale)),
        (None, None) => return None,
    };
    let held = mail.keep_firing_for;
    Some(match held > TimeDelta::zero() {
        true => {
            format!("the value {until} for {}", locale.duration(held.num_seconds() as f64))
        }
        false => format!("the value {until}"),
    })
}

pub(in crate::render) fn footer(mail: &IncidentMail) -> Vec<String> {
    let by = mail.instance.as_deref().map(|name| format!(" on {}", clean(name)));
    let mut footer = vec![format!(
        "You get this mail because a route sends the incidents of rule \u{201c}{}\u{201d} to your \
         address, by postrider{}. Times are of {}.",
        clean(&mail.rule),
        by.unwrap_or_default(),
        mail.zone.name()
    )];
    if let Some(owner) = &mail.owner {
        footer.push(format!("To stop or change it, write to {}.", clean(owner)));
    }
    footer.push(format!("Incident {}, message {}.", clean(&mail.incident), mail.sequence));
    footer
}
