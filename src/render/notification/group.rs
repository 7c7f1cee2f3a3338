//! The mail of several incidents: how many fire and what is new in the first line, then a table of
//! those that fire, the worst first, then those that ended.

use chrono::{DateTime, Utc};

use super::super::format::{Locale, clean, clipped, isolated};
use super::super::incident::evidence::{self, Files, stacks};
use super::super::incident::view::Space;
use super::super::incident::{
    Fact, IncidentKind, IncidentMail, IncidentView, Runbook, group_words, of_group, told,
};
use super::super::palette::LIGHT;
use super::super::subject::line;
use super::super::view::{Body, Cell, Frame, Mark, SectionView, TableView, moment};
use super::super::words::change::Tone;
use super::super::words::counted;
use super::occurrences::{cell, head};
use super::{NotificationMail, incident_name};
use crate::domain::notification::Kind;

/// Runbooks, remarks and the like are those of so many of the first incidents.
const TOLD: usize = 3;

/// How many of what.
struct Counts {
    firing: u64,
    new: u64,
    worse: u64,
    corrected: u64,
    ended: u64,
}

impl Counts {
    fn of(mail: &NotificationMail) -> Counts {
        let count =
            |kind: IncidentKind| mail.items.iter().filter(|i| i.kind == kind).count() as u64;
        let over = mail.items.iter().filter(|item| item.is_over()).count() as u64;
        Counts {
            firing: mail.items.len() as u64 - over + mail.more_firing,
            new: count(IncidentKind::Fired),
            worse: count(IncidentKind::LevelUp),
            corrected: count(IncidentKind::Corrected),
            ended: over + mail.more_ended,
        }
    }

    /// `3 firing (1 new, 1 worse), 2 ended`.
    fn words(&self, locale: Locale) -> String {
        let n = |count: u64| locale.integer(i64::try_from(count).unwrap_or(i64::MAX));
        let among = [(self.new, "new"), (self.worse, "worse"), (self.corrected, "corrected")];
        let among: Vec<String> = (among.iter().filter(|(count, _)| *count > 0))
            .map(|(count, word)| format!("{} {word}", n(*count)))
            .collect();
        let among = match among.is_empty() {
            true => String::new(),
            false => format!(" ({})", among.join(", ")),
        };
        match (self.firing, self.ended) {
            (0, ended) => format!("none firing{among}, {} ended", n(ended)),
            (firing, 0) => format!("{} firing{among}", n(firing)),
            (firing, ended) => format!("{} firing{among}, {} ended", n(firing), n(ended)),
        }
    }
}

/// A notification about several incidents.
pub(super) fn view(
    mail: &NotificationMail,
    title: &str,
    files: &Files,
    space: Space,
    locale: Locale,
) -> IncidentView {
    let counts = Counts::of(mail);
    let firing: Vec<&IncidentMail> = mail.items.iter().filter(|item| !item.is_over()).collect();
    let ended: Vec<&IncidentMail> = mail.items.iter().filter(|item| item.is_over()).collect();
    let news = news(mail, &counts, firing.first().copied(), locale);
    let mut sections = Vec::new();
    sections.extend(table(mail, &firing, mail.more_firing, false, space, locale));
    sections.extend(table(mail, &ended, mail.more_ended, true, space, locale));
    let with = mail.items.iter().filter(|item| item.context.evidence.is_some());
    let evidence = with.take(space.evidence).filter_map(|item| {
        evidence::section(item, files, space, Some(&name_of(mail, item)), locale)
    });
    sections.extend(evidence);
    let (mark, state, tone, colours) = state(mail, &counts, &firing, locale);
    let first = firing.first().copied();
    IncidentView {
        frame: Frame {
            preheader: line(&news),
            title: clipped(title, 150),
            footer: footer(mail),
            logo: None,
            stacks: stacks(&sections),
            ..Frame::of(&mail.look, locale)
        },
        mark,
        state,
        tone,
        colours,
        banners: Vec::new(),
        group: String::new(),
        value: None,
        since: String::new(),
        detail: Some(news.clone()),
        lines: lines(mail, space, locale),
        news,
        runbook: first.and_then(|first| runbook(mail, first)),
        chart: None,
        chart_of: mail.items.first().map(|first| name_of(mail, first)),
        sections,
        facts: facts(mail, locale),
        commands: first.map(|first| of_group(first, &hidden(mail, first))).unwrap_or_default(),
        reason: clipped(&mail.reason, 500),
        data: Vec::new(),
    }
}

/// What a silence of the group would hide: what it is grouped by; without that the first one's rule.
fn hidden(mail: &NotificationMail, first: &IncidentMail) -> crate::domain::route::Labels {
    match mail.grouped_by.is_empty() {
        true => [("rule".to_owned(), first.rule.clone())].into(),
        false => mail.grouped_by.clone(),
    }
}

fn state(
    mail: &NotificationMail,
    counts: &Counts,
    firing: &[&IncidentMail],
    locale: Locale,
) -> (&'static str, String, &'static str, (&'static str, &'static str)) {
    let words = counts.words(locale);
    let (mark, state) = match mail.kind {
        _ if counts.firing == 0 && mail.kind != Kind::Correction => {
            let closed = mail.items.iter().any(|item| item.closed.is_some());
            let word = if closed { "Over" } else { "Resolved" };
            let ended = counted(counts.ended, "incident", locale);
            let mark = if closed { "\u{25a0}" } else { "\u{2713}" };
            let (tone, colours) = if closed { ("warn", LIGHT.warn) } else { ("ok", LIGHT.ok) };
            return (mark, format!("{word}: {ended}"), tone, colours);
        }
        Kind::Fired => ("\u{25b2}", format!("Firing: {words}")),
        Kind::LevelUp => ("\u{25b2}", format!("Worse: {words}")),
        Kind::Changed => ("\u{25b2}", format!("Changed: {words}")),
        Kind::Reminder => ("\u{25cf}", format!("Still firing: {words}")),
        Kind::Correction => ("\u{25c6}", format!("Correction: {words}")),
        Kind::Summary => ("\u{25cf}", format!("In short: {words}")),
        Kind::Resolved | Kind::Records => ("\u{25cf}", words),
    };
    let (tone, colours) = match firing.iter().any(|item| item.severe) {
        true => ("bad", LIGHT.bad),
        false => ("warn", LIGHT.warn),
    };
    (mark, state, tone, colours)
}

fn news(
    mail: &NotificationMail,
    counts: &Counts,
    worst: Option<&IncidentMail>,
    locale: Locale,
) -> String {
    let mut words = counts.words(locale);
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    match worst {
        Some(worst) => {
            let reading = told::reading(worst, locale);
            let since = moment(worst.began, mail.at, &mail.zone, locale);
            let (name, level) = (name_of(mail, worst), clean(&worst.level));
            format!("{words}. The worst: {name}, {reading} ({level}), since {since}.")
        }
        None => format!("{words}."),
    }
}

/// What an incident is called beside others: by its labels alone where all are of one rule.
fn name_of(mail: &NotificationMail, item: &IncidentMail) -> String {
    let one_rule = mail.items.iter().all(|other| other.rule == item.rule);
    match group_words(item) {
        group if one_rule && !group.is_empty() => group,
        _ => incident_name(item),
    }
}

/// The incidents that fire, or those that ended.
fn table(
    mail: &NotificationMail,
    items: &[&IncidentMail],
    more: u64,
    over: bool,
    space: Space,
    locale: Locale,
) -> Option<SectionView> {
    if items.is_empty() && more == 0 {
        return None;
    }
    let shown = items.len().min(space.items);
    let hidden = (items.len() - shown) as u64 + more;
    let names: &[&str] = match over {
        false => &["Incident", "Level", "Value", "Since"],
        true => &["Incident", "Ended", "After", "At worst"],
    };
    let numeric = if over { 3 } else { 2 };
    let heads = names.iter().enumerate().map(|(i, name)| {
        let mut head = head(name, i == 0);
        head.numeric = i == numeric;
        head
    });
    let rows = items[..shown].iter().map(|item| match over {
        false => firing_row(mail, item, locale),
        true => ended_row(mail, item, locale),
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let others_line =
        (hidden > 0).then(|| format!("and {}", counted(hidden, "more incident", locale)));
    let body = match rows.is_empty() {
        true => Body::LeftOut(format!("{} not listed here.", counted(hidden, "incident", locale))),
        false => Body::Table(Box::new(TableView {
            heads: heads.collect(),
            rows,
            figures: false,
            labels: space.labels,
            cut: None,
            others: None,
            others_line,
            total: None,
            block: None,
        })),
    };
    Some(SectionView {
        title: if over { "Ended" } else { "Firing" }.to_owned(),
        about: None,
        only: None,
        caption: if over { "Ended since you were last told" } else { "The worst first" }.to_owned(),
        chart: None,
        chart_lost: None,
        body,
        provisional: None,
        restated: Vec::new(),
        drill: None,
        notes: Vec::new(),
    })
}

fn name_cell(mail: &NotificationMail, item: &IncidentMail, locale: Locale) -> Cell {
    let mut named = cell(&name_of(mail, item));
    named.marks.push(Mark::new(Tone::Quiet, clipped(&item.incident, 40)));
    named.marks.extend(told::taken(item, locale).map(|taken| Mark::new(Tone::Quiet, taken)));
    named
}

fn firing_row(mail: &NotificationMail, item: &IncidentMail, locale: Locale) -> Vec<Cell> {
    let change = match (item.kind, &item.previous_level) {
        (IncidentKind::Fired, _) => Some("new".to_owned()),
        (IncidentKind::LevelUp, Some(before)) => Some(format!("worse, was {}", clean(before))),
        (IncidentKind::LevelUp, None) => Some("worse".to_owned()),
        (IncidentKind::Corrected, _) => Some("corrected".to_owned()),
        (IncidentKind::Reminder | IncidentKind::Resolved, _) => None,
    };
    let mut level = cell(&item.level);
    level.marks.extend(change.map(|change| Mark::new(Tone::Quiet, change)));
    let mut value = Cell::plain(&told::value(item, item.value, locale));
    value.numeric = true;
    let since = Cell::plain(&moment(item.began, mail.at, &mail.zone, locale));
    vec![name_cell(mail, item, locale), level, value, since]
}

fn ended_row(mail: &NotificationMail, item: &IncidentMail, locale: Locale) -> Vec<Cell> {
    let end: DateTime<Utc> = item.resolved.unwrap_or(item.at);
    let mut worst = Cell::plain(&told::value(item, item.worst, locale));
    worst.numeric = true;
    let how = match (&item.closed, item.kind) {
        (Some(why), _) => format!("closed: {}", clipped(why, 80)),
        (None, IncidentKind::Corrected) => "corrected".to_owned(),
        (None, _) => format!("cleared at {}", told::value(item, item.value, locale)),
    };
    let mut name = name_cell(mail, item, locale);
    name.marks.push(Mark::new(Tone::Quiet, how));
    let end = Cell::plain(&moment(end, mail.at, &mail.zone, locale));
    vec![name, end, Cell::plain(&told::lasted(item, locale)), worst]
}

/// Remarks, takers and flapping of the first few, each with its incident's name.
fn lines(mail: &NotificationMail, space: Space, locale: Locale) -> Vec<String> {
    let of = |item: &IncidentMail| {
        let name = name_of(mail, item);
        let lines = told::lines(item, locale).into_iter();
        lines.map(move |said| format!("{name}: {said}")).collect::<Vec<_>>()
    };
    let with = mail.items.iter().map(of).filter(|lines| !lines.is_empty());
    let mut lines: Vec<String> = with.take(TOLD).flatten().collect();
    lines.extend(evidence::unshown(&mail.items, space, locale));
    lines
}

/// The runbook, where all that fire have the same; else the first one's, by name.
fn runbook(mail: &NotificationMail, first: &IncidentMail) -> Option<Runbook> {
    let runbook = told::runbook(first)?;
    let open = mail.items.iter().filter(|item| !item.is_over());
    match runbook.link || open.clone().all(|item| item.runbook == first.runbook) {
        true => Some(runbook),
        false => Some(Runbook {
            text: format!("{} ({})", runbook.text, clipped(&first.title, 100)),
            link: false,
        }),
    }
}

fn facts(mail: &NotificationMail, locale: Locale) -> Vec<Fact> {
    let mut facts: Vec<(String, String)> = (mail.grouped_by.iter().filter(|(_, v)| !v.is_empty()))
        .map(|(name, value)| (clipped(name, 60), clipped(value, 500)))
        .collect();
    if let Some(first) = mail.items.iter().map(|item| item.began).min() {
        let began = locale.stamp(mail.zone.civil(first));
        facts.push(("The first began".to_owned(), began));
    }
    let mut owners: Vec<&str> =
        mail.items.iter().filter_map(|item| item.context.rule_owner.as_deref()).collect();
    owners.sort_unstable();
    owners.dedup();
    if !owners.is_empty() {
        owners.truncate(5);
        facts.push(("Owner".to_owned(), clipped(&owners.join(", "), 300)));
    }
    facts.into_iter().map(|(name, value)| Fact { name, value: isolated(value) }).collect()
}

fn footer(mail: &NotificationMail) -> Vec<String> {
    let mut footer = vec![format!(
        "You get this mail because a route sends these incidents to your address, by postrider. \
         Times are of {}.",
        mail.zone.name()
    )];
    footer.extend(contact(mail));
    footer
}

/// Whom to write to, and which message of the thread it is.
pub(super) fn contact(mail: &NotificationMail) -> Vec<String> {
    let owner = mail.owner.as_deref();
    let owner = owner.map(|owner| format!("To stop or change it, write to {}.", clean(owner)));
    let thread = format!("Thread {}, message {}.", clipped(&mail.thread, 60), mail.sequence);
    owner.into_iter().chain([thread]).collect()
}
