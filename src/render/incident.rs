//! The mails of an incident: one thread, one subject, the state in the first line.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::period::Window;
use crate::domain::report::Format;
use crate::domain::rule::Comparison;
use crate::domain::zone::Zone;

use super::format::{Locale, clean, clipped, isolated};
use super::html;
use super::palette::LIGHT;
use super::subject::line;
use super::text;
use super::view::{Frame, is_link, moment};
use super::words::{comparison, counted};
use super::{Look, Rendered};

/// Longest value of one fact, in characters.
const FACT_MAX: usize = 500;
/// Incidents that passed unseen and are listed one by one.
const PASSED_MAX: usize = 20;

/// What is told about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentKind {
    /// It began.
    Fired,
    /// Its level rose.
    LevelUp,
    /// It is over.
    Resolved,
    /// It goes on.
    Reminder,
}

impl IncidentKind {
    /// The word for payloads and headers.
    pub fn word(self) -> &'static str {
        match self {
            IncidentKind::Fired => "fired",
            IncidentKind::LevelUp => "level_up",
            IncidentKind::Resolved => "resolved",
            IncidentKind::Reminder => "reminder",
        }
    }
}

/// One notification about one incident.
#[derive(Clone, Debug)]
pub struct IncidentMail {
    /// What is told.
    pub kind: IncidentKind,
    /// Id of the incident.
    pub incident: String,
    /// The rule's name.
    pub rule: String,
    /// The rule's title: what is wrong.
    pub title: String,
    /// Which group: headings with labels; empty for an ungrouped rule.
    pub group: Vec<(String, String)>,
    /// Its level now; of a resolved one the last level.
    pub level: String,
    /// Whether that is the highest level of a rule that has several.
    pub severe: bool,
    /// The level before, where it rose.
    pub previous_level: Option<String>,
    /// The value last read.
    pub value: Option<f64>,
    /// How values are written.
    pub format: Format,
    /// The level's threshold.
    pub threshold: Option<Comparison>,
    /// Left when the value compares so; `None`: as soon as the threshold no longer holds.
    pub recover: Option<Comparison>,
    /// How long a clear must last before it resolves.
    pub keep_firing_for: TimeDelta,
    /// How many records the value was computed from.
    pub records: Option<u64>,
    /// The stretch of data the value is about; `None`: the state at `at`.
    pub window: Option<Window>,
    /// The slot that was evaluated.
    pub at: DateTime<Utc>,
    /// The first breach.
    pub began: DateTime<Utc>,
    /// When it fired.
    pub fired: DateTime<Utc>,
    /// When it resolved.
    pub resolved: Option<DateTime<Utc>>,
    /// Why it was closed without a recovery having been seen, e.g. `no more data`; `None`: the
    /// value came back.
    pub closed: Option<String>,
    /// The worst value so far.
    pub worst: Option<f64>,
    /// The value when it fired.
    pub value_at_fire: Option<f64>,
    /// Why this is told now.
    pub reason: String,
    /// How many notifications this receiver got about this incident, this one included.
    pub sequence: u32,
    /// Earlier incidents of the same rule and group that came and went before anybody could be
    /// told, oldest first.
    pub passed: Vec<PassedIncident>,
    /// How many more of those there were.
    pub passed_more: usize,
    /// The rule's labels.
    pub labels: BTreeMap<String, String>,
    /// What to do: a line or an address.
    pub runbook: Option<String>,
    /// The zone instants are told in.
    pub zone: Zone,
    /// Locale of numbers and dates.
    pub locale: String,
    /// Which postrider sent it.
    pub instance: Option<String>,
    /// Address of the person who looks after it.
    pub owner: Option<String>,
    /// The company's look; alarms leave its logo out.
    pub look: Look,
}

/// An incident that fired and ended before anybody could be told.
#[derive(Clone, Debug, PartialEq)]
pub struct PassedIncident {
    /// Its beginning.
    pub began: DateTime<Utc>,
    /// Its end.
    pub ended: Option<DateTime<Utc>>,
    /// The highest level it was at.
    pub level: String,
    /// Its worst value.
    pub worst: Option<f64>,
}

/// A notification as its templates see it.
#[derive(Debug)]
pub(super) struct IncidentView {
    pub(super) frame: Frame,
    /// The state as shape and word.
    pub(super) mark: &'static str,
    pub(super) state: String,
    /// Class of the state's colours, and those for light.
    pub(super) tone: &'static str,
    pub(super) colours: (&'static str, &'static str),
    pub(super) group: String,
    /// The news in a sentence.
    pub(super) news: String,
    /// The value, large; none once it is over.
    pub(super) value: Option<String>,
    /// What the value is compared with, and since when.
    pub(super) since: String,
    /// What the value alone does not tell.
    pub(super) detail: Option<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) runbook: Option<Runbook>,
    pub(super) reason: String,
}

/// A name and a value.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
}

/// What to do.
#[derive(Debug)]
pub(super) struct Runbook {
    pub(super) text: String,
    pub(super) link: bool,
}

/// Writes a notification. Subject and title are the same for all of one incident.
pub fn render_incident(mail: &IncidentMail) -> Rendered {
    let locale = Locale::named(&mail.locale);
    let view = view(mail, locale);
    Rendered {
        subject: incident_subject(mail),
        html: html::incident(&view),
        text: text::incident(&view),
        language: locale.language(),
        images: Vec::new(),
        attachments: Vec::new(),
        problem: None,
    }
}

fn group_words(mail: &IncidentMail) -> String {
    let labels: Vec<String> =
        mail.group.iter().map(|(_, label)| isolated(clipped(label, 60))).collect();
    labels.join(", ")
}

/// `[postrider] Customers wait too long: WhatsApp EMEA`: constant, so that mail clients keep the
/// incident in one thread.
fn incident_subject(mail: &IncidentMail) -> String {
    let group = group_words(mail);
    let title = clipped(&mail.title, 100);
    match group.is_empty() {
        true => line(&format!("[postrider] {title}")),
        false => line(&format!("[postrider] {title}: {group}")),
    }
}

fn view(mail: &IncidentMail, locale: Locale) -> IncidentView {
    let level = clean(&mail.level);
    let (mark, state) = match mail.kind {
        // The end of the data is not the end of the trouble.
        IncidentKind::Resolved if mail.closed.is_some() => ("\u{25a0}", "Closed".to_owned()),
        IncidentKind::Fired => ("\u{25b2}", format!("Firing: {level}")),
        IncidentKind::LevelUp => ("\u{25b2}", format!("Worse: now {level}")),
        IncidentKind::Reminder => ("\u{25cf}", format!("Still firing: {level}")),
        IncidentKind::Resolved => ("\u{2713}", "Resolved".to_owned()),
    };
    let (tone, colours) = match (mail.kind, mail.severe) {
        (IncidentKind::Resolved, _) if mail.closed.is_some() => ("warn", LIGHT.warn),
        (IncidentKind::Resolved, _) => ("ok", LIGHT.ok),
        (_, true) => ("bad", LIGHT.bad),
        (_, false) => ("warn", LIGHT.warn),
    };
    let news = news(mail, locale);
    let group = group_words(mail);
    let title = clipped(&mail.title, 150);
    IncidentView {
        frame: Frame {
            preheader: line(&match group.is_empty() {
                true => news.clone(),
                false => format!("{group}: {news}"),
            }),
            title,
            footer: footer(mail),
            // The state stands first, and an alarm is small.
            logo: None,
            ..Frame::of(&mail.look, locale)
        },
        mark,
        state,
        tone,
        colours,
        group,
        value: (mail.kind != IncidentKind::Resolved).then(|| told(mail, mail.value, locale)),
        since: since(mail, locale),
        detail: match (mail.kind, &mail.previous_level) {
            (IncidentKind::Resolved, _) => Some(news.clone()),
            (_, Some(before)) => Some(format!("From {} to {level}.", clean(before))),
            (_, None) => None,
        },
        news,
        facts: facts(mail, locale),
        runbook: runbook(mail),
        reason: clipped(&mail.reason, FACT_MAX),
    }
}

/// What to do, as long as there is something to do.
fn runbook(mail: &IncidentMail) -> Option<Runbook> {
    let text = mail.runbook.as_deref().filter(|_| mail.kind != IncidentKind::Resolved)?;
    let text = clipped(text, 1_000);
    Some(Runbook { link: is_link(&text), text })
}

/// `above 15 min since 13:55`.
fn since(mail: &IncidentMail, locale: Locale) -> String {
    let since = moment(mail.began, mail.at, &mail.zone, locale);
    let since = match mail.kind {
        IncidentKind::Fired => format!("since {since}"),
        _ => format!("since {since}, for {}", lasted(mail, locale)),
    };
    match against(mail, locale) {
        against if against.is_empty() => since,
        against => format!("{against}, {since}"),
    }
}

/// The news in a sentence: the first line of the mail.
fn news(mail: &IncidentMail, locale: Locale) -> String {
    let value = told(mail, mail.value, locale);
    let against = against(mail, locale);
    let reading = if against.is_empty() { value } else { format!("{value}, {against}") };
    let since = moment(mail.began, mail.at, &mail.zone, locale);
    let level = clean(&mail.level);
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
        IncidentKind::Resolved => {
            let end = mail.resolved.unwrap_or(mail.at);
            let end = moment(end, mail.at, &mail.zone, locale);
            let worst = mail
                .worst
                .map(|worst| format!(" The worst was {}.", locale.number(worst, mail.format)));
            let (lasted, worst) = (lasted(mail, locale), worst.unwrap_or_default());
            match &mail.closed {
                None => format!("Over at {end} after {lasted}.{worst}"),
                Some(why) => format!(
                    "Closed at {end} after {lasted}: {}. No recovery was seen.{worst}",
                    clipped(why, 200)
                ),
            }
        }
    }
}

fn told(mail: &IncidentMail, value: Option<f64>, locale: Locale) -> String {
    value.map_or_else(|| "no value".to_owned(), |value| locale.number(value, mail.format))
}

fn against(mail: &IncidentMail, locale: Locale) -> String {
    mail.threshold.map(|than| comparison(than, mail.format, locale)).unwrap_or_default()
}

fn lasted(mail: &IncidentMail, locale: Locale) -> String {
    let end = mail.resolved.unwrap_or(mail.at);
    locale.duration((end - mail.began).num_seconds().max(0) as f64)
}

fn facts(mail: &IncidentMail, locale: Locale) -> Vec<Fact> {
    let stamp = |at: DateTime<Utc>| locale.stamp(mail.zone.civil(at));
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| facts.push((clipped(name, 60), value));
    for (heading, label) in &mail.group {
        add(heading, clipped(label, FACT_MAX));
    }
    if mail.kind == IncidentKind::Resolved {
        add("Value now", told(mail, mail.value, locale));
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
        let name = if mail.kind == IncidentKind::Resolved { "Worst" } else { "Worst so far" };
        add(name, locale.number(worst, mail.format));
    }
    add(
        "Data of",
        match mail.window {
            Some(window) => locale.window(window, &mail.zone),
            None => format!("the state at {}", stamp(mail.at)),
        },
    );
    if let Some(records) = mail.records {
        add("Computed from", counted(records, "record", locale));
    }
    if mail.kind != IncidentKind::Resolved
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

fn footer(mail: &IncidentMail) -> Vec<String> {
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
