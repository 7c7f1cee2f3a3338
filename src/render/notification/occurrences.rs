//! The mail of an event rule: the new records that match, as tables with links.

use super::super::format::{Locale, clipped, isolated};
use super::super::incident::evidence::stacks;
use super::super::incident::view::Space;
use super::super::incident::{Fact, IncidentView};
use super::super::palette::LIGHT;
use super::super::subject::line;
use super::super::view::{Body, Cell, Frame, Head, SectionView, TableView, is_link, moment};
use super::super::words::counted;
use super::{NotificationMail, around};
use crate::domain::notification::Occurrence;

/// Columns of a table in a mail, the instant included.
const COLUMNS_MAX: usize = 6;
/// Longest cell, in characters.
const CELL_MAX: usize = 120;

/// A notification about records.
pub(super) fn view(
    mail: &NotificationMail,
    title: &str,
    space: Space,
    locale: Locale,
) -> IncidentView {
    let all = mail.records.len() as u64 + mail.records_more;
    let news = match mail.records.first() {
        Some(first) if all == 1 => format!("A new record: {}.", name(first)),
        Some(first) => {
            format!("{}, the first {}.", counted(all, "new record", locale), name(first))
        }
        None => "No record.".to_owned(),
    };
    let sections = sections(mail, space, locale);
    let levels = mail.records.iter().filter_map(|record| record.labels.get("level"));
    let level = levels.map(String::as_str).next().unwrap_or("");
    IncidentView {
        frame: Frame {
            preheader: line(&news),
            title: clipped(title, 150),
            footer: footer(mail),
            logo: None,
            stacks: stacks(&sections),
            ..Frame::of(&mail.look, locale)
        },
        mark: "\u{25b2}",
        state: match level {
            "" => counted(all, "new record", locale),
            level => format!("{}: {}", counted(all, "new record", locale), clipped(level, 40)),
        },
        tone: "warn",
        colours: LIGHT.warn,
        banners: Vec::new(),
        group: String::new(),
        value: None,
        since: String::new(),
        detail: Some(news.clone()),
        lines: Vec::new(),
        news,
        runbook: None,
        chart: None,
        chart_of: None,
        sections,
        facts: facts(mail),
        commands: Vec::new(),
        reason: clipped(&mail.reason, 500),
        data: around::data(mail, locale),
    }
}

/// What a record is called: its first shown value.
fn name(record: &Occurrence) -> String {
    let shown =
        record.shown.iter().map(|(_, value)| value.as_str()).find(|value| !value.is_empty());
    isolated(clipped(shown.unwrap_or(&record.record), 80))
}

/// One table a rule, in the order the rules come.
fn sections(mail: &NotificationMail, space: Space, locale: Locale) -> Vec<SectionView> {
    let mut rules: Vec<&str> = Vec::new();
    for record in &mail.records {
        if !rules.contains(&record.rule.as_str()) {
            rules.push(&record.rule);
        }
    }
    let last = rules.last().copied();
    let several = rules.len() > 1;
    let sections = rules.iter().map(|rule| {
        let of: Vec<&Occurrence> =
            mail.records.iter().filter(|record| record.rule == *rule).collect();
        // Those that are not listed may be of any of the rules: they are counted once.
        let more = if Some(*rule) == last { mail.records_more } else { 0 };
        let title = match several {
            true => clipped(&of[0].title, 150),
            false => "New records".to_owned(),
        };
        section(mail, title, &of, more, space, locale)
    });
    sections.collect()
}

fn section(
    mail: &NotificationMail,
    title: String,
    records: &[&Occurrence],
    more: u64,
    space: Space,
    locale: Locale,
) -> SectionView {
    let shown = records.len().min(space.items);
    let hidden = (records.len() - shown) as u64 + more;
    let headings: Vec<&str> = records[0].shown.iter().map(|(name, _)| name.as_str()).collect();
    let headings = &headings[..headings.len().min(COLUMNS_MAX - 1)];
    let heads = headings.iter().copied().chain(["When"]).enumerate();
    let rows = records[..shown].iter().map(|record| row(mail, record, headings, locale));
    let table = TableView {
        heads: heads.map(|(i, name)| head(name, i == 0)).collect(),
        rows: rows.collect(),
        figures: false,
        labels: space.labels,
        cut: None,
        others: None,
        others_line: (hidden > 0)
            .then(|| format!("and {}", counted(hidden, "more record", locale))),
        total: None,
        block: None,
    };
    SectionView {
        title,
        about: None,
        only: None,
        caption: "Oldest first; each is told once".to_owned(),
        chart: None,
        chart_lost: None,
        body: match table.rows.is_empty() {
            true => Body::LeftOut("Left out, because this mail would be too large.".to_owned()),
            false => Body::Table(Box::new(table)),
        },
        provisional: None,
        restated: Vec::new(),
        drill: None,
        notes: Vec::new(),
    }
}

fn row(
    mail: &NotificationMail,
    record: &Occurrence,
    headings: &[&str],
    locale: Locale,
) -> Vec<Cell> {
    let value = |heading: &&str| {
        let found = record.shown.iter().find(|(name, _)| name == heading);
        found.map_or("", |(_, value)| value.as_str())
    };
    let mut cells: Vec<Cell> = headings.iter().map(|heading| cell(value(heading))).collect();
    let when = Cell::plain(&moment(record.at, mail.at, &mail.zone, locale));
    cells.push(when);
    let link = record.link.clone().filter(|link| is_link(link));
    // A link without words leads nowhere.
    if let Some(first) = cells.first_mut() {
        if first.muted {
            *first = cell(&record.record);
        }
        first.href = link;
    }
    cells
}

/// A cell of a text that comes from records.
pub(super) fn cell(text: &str) -> Cell {
    let text = clipped(text, CELL_MAX);
    match text.is_empty() {
        true => Cell { text: "\u{2013}".to_owned(), muted: true, ..Cell::default() },
        false => Cell {
            long: text.split(' ').any(|word| word.chars().count() > 20),
            own_direction: true,
            text: isolated(text),
            ..Cell::default()
        },
    }
}

/// A heading.
pub(super) fn head(name: &str, grouping: bool) -> Head {
    let text = isolated(clipped(name, 60));
    Head {
        long: text.split(' ').any(|word| word.chars().count() > 20),
        joined: text.clone(),
        text,
        numeric: false,
        grouping,
        goal: None,
        over: None,
    }
}

fn facts(mail: &NotificationMail) -> Vec<Fact> {
    let Some(first) = mail.records.first() else { return Vec::new() };
    let same = |name: &str, value: &str| {
        mail.records.iter().all(|record| record.labels.get(name).is_some_and(|v| v == value))
    };
    let labels = first.labels.iter().filter(|(name, value)| same(name, value));
    let fact = |(name, value): (&String, &String)| Fact {
        name: clipped(name, 60),
        value: isolated(clipped(value, 500)),
    };
    labels.filter(|(_, value)| !value.is_empty()).take(20).map(fact).collect()
}

fn footer(mail: &NotificationMail) -> Vec<String> {
    let mut footer = vec![format!(
        "You get this mail because a route sends these records to your address, by postrider. Times \
         are of {}.",
        mail.zone.name()
    )];
    footer.extend(super::group::contact(mail));
    footer
}
