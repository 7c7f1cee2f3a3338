//! A message for people before it has any vendor's markup: plain text in parts, the most important
//! first.

use chrono::{DateTime, Utc};

use super::Trouble;
use crate::domain::incident::{Incident, Reason, State};
use crate::domain::notification::{Change, Item, Kind, Notice, Occurrence};
use crate::domain::rule::Comparison;
use crate::domain::table::{Section, Table};
use crate::render::Rendered;
use crate::render::digest::{DigestMail, figure};
use crate::render::format::{Locale, clipped, plain};
use crate::render::notification::NotificationMail;
use crate::render::view::{is_link, moment};
use crate::render::words::{comparison, counted};

/// Rows of a report that are shown.
const ROWS_SHOWN: usize = 5;
/// Remarks of one incident that are shown.
const REMARKS_MAX: usize = 10;
/// Longest text of one line, in characters.
const LINE_MAX: usize = 500;

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Brief {
    /// What it is about, in a line.
    pub(super) title: String,
    pub(super) tone: Tone,
    /// The state in a few words.
    pub(super) state: String,
    /// What stands before the parts: why it is told to another one.
    pub(super) lead: Vec<String>,
    /// Incidents, records or reports: those that matter most first.
    pub(super) parts: Vec<Part>,
    /// How many more there are than parts, each with its noun: `12 more fire`.
    pub(super) more: Vec<String>,
    /// Why it is sent, and how to ask for more.
    pub(super) foot: Vec<String>,
}

/// One thing of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) heading: String,
    pub(super) lines: Vec<String>,
    /// Where more is to be read: words and address.
    pub(super) link: Option<(String, String)>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Bad,
    Warn,
    Good,
    Quiet,
}

impl Tone {
    /// Its colour, as a number.
    pub(super) fn colour(self) -> u32 {
        match self {
            Tone::Bad => 0x00B4_2318,
            Tone::Warn => 0x00B5_4708,
            Tone::Good => 0x0006_7647,
            Tone::Quiet => 0x0047_5467,
        }
    }

    /// Its shape, so that nobody needs the colour.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Tone::Bad | Tone::Warn => "\u{25b2}",
            Tone::Good => "\u{2713}",
            Tone::Quiet => "\u{25cf}",
        }
    }
}

impl Brief {
    /// The news in one line, for lists and lock screens.
    pub(super) fn line(&self) -> String {
        match self.state.is_empty() {
            true => self.title.clone(),
            false => format!("{} {} \u{2014} {}", self.tone.mark(), self.state, self.title),
        }
    }

    /// As many parts as fit into a number and a size, each written with what it costs; and what is
    /// said of the others.
    pub(super) fn fitting<T>(
        &self,
        count_max: usize,
        mut room: usize,
        write: impl Fn(&Part) -> (T, usize),
    ) -> (Vec<T>, Option<String>) {
        let mut written = Vec::new();
        for part in self.parts.iter().take(count_max) {
            let (text, cost) = write(part);
            let Some(left) = room.checked_sub(cost) else { break };
            room = left;
            written.push(text);
        }
        let left_out = self.left_out(written.len());
        (written, left_out)
    }

    /// What is said of parts that had no room.
    fn left_out(&self, shown: usize) -> Option<String> {
        let left = self.parts.len().saturating_sub(shown);
        let mut said: Vec<String> = Vec::new();
        match left {
            0 => {}
            1 => said.push("1 more is not shown here".to_owned()),
            more => said.push(format!("{more} more are not shown here")),
        }
        said.extend(self.more.iter().cloned());
        (!said.is_empty()).then(|| format!("\u{2026} and {}", said.join(", ")))
    }
}

/// A notice of incidents or records.
pub(super) fn of_notice(notice: &Notice, mail: &NotificationMail, rendered: &Rendered) -> Brief {
    let say = Say { locale: Locale::named(&mail.locale), mail, now: notice.at };
    let firing = notice.items.iter().filter(|item| item.change != Change::Resolved).count() as u64
        + notice.more_firing;
    let mut parts: Vec<Part> = notice.items.iter().map(|item| say.item(item)).collect();
    parts.extend(notice.records.iter().map(|record| say.record(record)));
    if let ([one], true) = (parts.as_mut_slice(), notice.grouped_by.is_empty())
        && notice.records.is_empty()
    {
        // Title and state say it already.
        one.heading.clear();
    }
    let title = rendered.subject.trim_start_matches("[postrider]").trim();
    let mut lead: Vec<String> = notice.instead_of.iter().map(|(_, why)| why.clone()).collect();
    lead.extend(notice.late.map(|late| {
        let late = say.locale.duration(late.num_seconds() as f64);
        format!("Told {late} late: postrider was down or could not see the data.")
    }));
    let noun = |n: u64, noun: &str| (n > 0).then(|| counted(n, noun, say.locale));
    let more = [
        noun(notice.more_firing, "more incident").map(|n| format!("{n} firing")),
        noun(notice.more_ended, "more incident").map(|n| format!("{n} over")),
        noun(notice.records_more, "more record"),
    ];
    let state = match (notice.items.as_slice(), notice.records.len()) {
        ([one], _) => say.state(one),
        ([], n) => counted(n as u64 + notice.records_more, "new record", say.locale),
        (many, _) => {
            let ended = many.len() as u64 + notice.more_firing - firing + notice.more_ended;
            format!("{} firing, {} over", counted(firing, "incident", say.locale), ended)
        }
    };
    let mut foot = vec![notice.reason.clone()];
    if let [one] = notice.items.as_slice() {
        foot.push(format!("postrider explain {}", one.incident.id));
    }
    Brief {
        title: plain(title),
        tone: tone(notice, firing),
        state: plain(&state),
        lead,
        parts,
        more: more.into_iter().flatten().collect(),
        foot,
    }
}

fn tone(notice: &Notice, firing: u64) -> Tone {
    let worst = |item: &Item| {
        let levels = item.incident.about.levels.len();
        levels > 1 && item.incident.level.index + 1 == levels
    };
    let fires = |item: &&Item| item.change != Change::Resolved;
    match notice.kind {
        Kind::Records => Tone::Quiet,
        _ if firing == 0 && notice.items.iter().all(|item| !is_closed(&item.incident)) => {
            Tone::Good
        }
        _ if notice.items.iter().filter(fires).any(worst) => Tone::Bad,
        _ => Tone::Warn,
    }
}

/// Whether it ended without a recovery having been seen.
fn is_closed(incident: &Incident) -> bool {
    incident.resolved.is_some_and(|resolved| resolved.reason != Reason::Cleared)
}

/// How things are said in one notice.
struct Say<'a> {
    locale: Locale,
    mail: &'a NotificationMail,
    now: DateTime<Utc>,
}

impl Say<'_> {
    fn when(&self, at: DateTime<Utc>) -> String {
        moment(at, self.now, &self.mail.zone, self.locale)
    }

    fn value(&self, incident: &Incident, value: Option<f64>) -> String {
        let written = value.map(|value| self.locale.number(value, incident.about.format));
        written.unwrap_or_else(|| "no value".to_owned())
    }

    fn state(&self, item: &Item) -> String {
        let incident = &item.incident;
        let level = &incident.level.name;
        match item.change {
            Change::Fired if incident.state == State::Resolved => "Fired and over".to_owned(),
            Change::Fired => format!("Firing: {level}"),
            Change::LevelUp => format!("Worse: now {level}"),
            Change::Still => format!("Still firing: {level}"),
            Change::Corrected => "Corrected".to_owned(),
            Change::Resolved if is_closed(incident) => "Closed".to_owned(),
            Change::Resolved => "Resolved".to_owned(),
        }
    }

    fn item(&self, item: &Item) -> Part {
        let incident = &item.incident;
        let group: Vec<&str> = incident.group.shown.iter().map(|(_, label)| &**label).collect();
        let name = match group.is_empty() {
            true => incident.about.title.clone(),
            false => format!("{}: {}", incident.about.title, group.join(", ")),
        };
        let lasted = self.locale.duration(item.duration.num_seconds().max(0) as f64);
        let mut lines = Vec::new();
        match (item.change, incident.resolved) {
            (Change::Resolved, Some(end)) => {
                let (at, word) =
                    (self.when(end.at), if is_closed(incident) { "Closed" } else { "Over" });
                let worst = incident.worst.map(|worst| self.value(incident, Some(worst)));
                let worst = worst.map(|worst| format!(", worst {worst}")).unwrap_or_default();
                lines.push(format!("{word} at {at} after {lasted}{worst}"));
                if is_closed(incident) {
                    lines.push(format!("No recovery was seen: {}", end.reason.words()));
                }
            }
            _ => {
                let than: Option<Comparison> = incident.threshold().parse().ok();
                let than = than.map(|than| comparison(than, incident.about.format, self.locale));
                let value = self.value(incident, incident.value);
                let since = self.when(incident.began);
                let than = than.map(|than| format!(", {than}")).unwrap_or_default();
                lines.push(format!("{value}{than}, since {since} ({lasted})"));
            }
        }
        if item.recent > 2 {
            lines.push(format!("The {} time within a day", ordinal(item.recent)));
        }
        lines.extend(
            item.ack
                .iter()
                .map(|ack| format!("Taken by {} until {}", ack.by, self.when(ack.until))),
        );
        lines.extend(item.remarks.iter().take(REMARKS_MAX).cloned());
        let runbook = incident.about.runbook.as_deref().filter(|_| incident.is_open());
        let link = runbook.filter(|text| is_link(text));
        if let (Some(text), None) = (runbook, link) {
            lines.push(format!("What to do: {text}"));
        }
        Part {
            heading: self.line(&format!("{} \u{2014} {name}", self.state(item))),
            lines: lines.iter().map(|line| self.line(line)).collect(),
            link: link.map(|link| ("What to do".to_owned(), link.to_owned())),
        }
    }

    fn record(&self, record: &Occurrence) -> Part {
        let shown = record.shown.iter();
        let shown: Vec<String> = shown.map(|(name, value)| format!("{name}: {value}")).collect();
        let link = record.link.as_deref().filter(|link| is_link(link));
        Part {
            heading: self.line(&format!("{} \u{2014} {}", record.title, self.when(record.at))),
            lines: shown.iter().map(|line| self.line(line)).collect(),
            link: link.map(|link| ("Open the record".to_owned(), link.to_owned())),
        }
    }

    fn line(&self, text: &str) -> String {
        clipped(&plain(text), LINE_MAX)
    }
}

/// `3rd`.
fn ordinal(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// A trouble of postrider's own.
pub(super) fn of_trouble(trouble: &Trouble<'_>) -> Brief {
    let mail = trouble.mail;
    let fact = |(name, value): &(String, String)| clipped(&format!("{name}: {value}"), LINE_MAX);
    let facts = Part { lines: mail.facts.iter().map(fact).collect(), ..Part::default() };
    let said = Part {
        lines: mail.paragraphs.iter().map(|text| clipped(text, 2 * LINE_MAX)).collect(),
        ..Part::default()
    };
    let parts = [facts, said].into_iter().filter(|part| !part.lines.is_empty());
    Brief {
        title: clipped(&format!("[postrider] {}", mail.title), LINE_MAX),
        tone: if trouble.over { Tone::Quiet } else { Tone::Warn },
        state: "postrider itself".to_owned(),
        lead: Vec::new(),
        parts: parts.collect(),
        more: Vec::new(),
        foot: Vec::new(),
    }
}

/// A digest: its headline, and of each report its totals and first rows.
pub(super) fn of_digest(mail: &DigestMail, rendered: &Rendered) -> Brief {
    let locale = Locale::named(&mail.locale);
    let headline = figure(mail, locale).map(|figure| {
        let rest = [figure.period, figure.change, figure.goal];
        let rest: Vec<String> = rest.into_iter().filter(|text| !text.is_empty()).collect();
        let rest = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join(", ")) };
        plain(&format!("{}: {}{rest}", figure.name, figure.value))
    });
    let lead = mail.intro.iter().chain(&mail.missed).chain(&mail.remarks);
    Brief {
        title: plain(&rendered.subject),
        tone: Tone::Quiet,
        state: headline.unwrap_or_default(),
        lead: lead.map(|text| clipped(text, LINE_MAX)).collect(),
        parts: mail.sections.iter().map(|section| report(section, locale)).collect(),
        more: Vec::new(),
        foot: vec![format!("Digest {}, {}, {}", mail.name, mail.schedule, mail.zone.name())],
    }
}

fn report(section: &Section, locale: Locale) -> Part {
    match section {
        Section::Failed { title, reason, .. } => Part {
            heading: clipped(title, LINE_MAX),
            lines: vec![clipped(&format!("could not be made: {reason}"), LINE_MAX)],
            link: None,
        },
        Section::Table(table) => {
            let mut lines: Vec<String> = Vec::new();
            lines.extend(table.provisional.iter().map(|why| clipped(why, LINE_MAX)));
            if let Some(total) = &table.total {
                lines.push(format!("Total: {}", row(table, total, locale)));
            }
            lines.extend(table.rows.iter().take(ROWS_SHOWN).map(|cells| row(table, cells, locale)));
            if table.rows.is_empty() {
                lines.push(table.empty.clone().unwrap_or_else(|| "No records.".to_owned()));
            }
            let others = table.others.as_ref().map_or(0, |others| others.rows);
            let more = table.rows.len().saturating_sub(ROWS_SHOWN) as u64 + others;
            if more > 0 {
                lines.push(format!("\u{2026} and {}", counted(more, "more row", locale)));
            }
            Part {
                heading: clipped(&format!("{} \u{2014} {}", table.title, table.period), LINE_MAX),
                lines: lines.iter().map(|line| clipped(&plain(line), LINE_MAX)).collect(),
                link: None,
            }
        }
    }
}

/// `Web: 12, 3 min 20 s`: what it is grouped by, then each figure with its heading.
fn row(table: &Table, cells: &[crate::domain::value::Value], locale: Locale) -> String {
    let (mut names, mut figures) = (Vec::new(), Vec::new());
    for (column, value) in table.columns.iter().zip(cells) {
        let Some(text) = locale.value(value, column, &table.zone) else { continue };
        match column.grouping {
            true => names.push(text),
            false => figures.push(format!("{} {text}", column.name)),
        }
    }
    let figures = figures.join(", ");
    match names.is_empty() {
        true => figures,
        false => format!("{}: {figures}", names.join(", ")),
    }
}

/// Writes a text with what `escape` makes of each character, cut where it would be longer than so
/// many UTF-16 units: what vendors count.
pub(super) fn escaped(
    text: &str,
    units_max: usize,
    escape: impl Fn(char) -> Option<&'static str>,
) -> String {
    let mut written = String::with_capacity(text.len());
    let mut left = units_max;
    let mut symbols = text.chars().peekable();
    while let Some(symbol) = symbols.next() {
        let mut buffer = [0; 4];
        let piece = escape(symbol).unwrap_or_else(|| symbol.encode_utf8(&mut buffer));
        let cost = units(piece);
        // One unit is held back for the mark that something is missing.
        let spare = usize::from(symbols.peek().is_some());
        if cost + spare > left {
            written.push('\u{2026}');
            break;
        }
        left -= cost;
        written.push_str(piece);
    }
    written
}

/// The length of a text in UTF-16 units.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// `&`, `<` and `>` as Slack and Telegram want them.
pub(super) fn angles(symbol: char) -> Option<&'static str> {
    match symbol {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}
