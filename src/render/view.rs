//! Views: the only types templates see. Everything is text already; templates decide where it
//! stands, not what it says.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use crate::domain::expr::Unit;
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;
use crate::domain::zone::Zone;

use super::format::{Locale, clean, clipped, isolated};
use super::words::counted;

/// Longest text of one cell, in characters.
const CELL_MAX: usize = 120;
/// Width of the longest bar of a column of shares, in pixels.
const BAR_MAX: f64 = 56.0;
/// Longer words may be broken, in characters.
const LONG_WORD: usize = 24;
/// Tables with more columns than this are set smaller.
const WIDE: usize = 6;

/// What stands around every mail.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) lang: &'static str,
    pub(super) title: String,
    pub(super) preheader: String,
    pub(super) footer: Vec<String>,
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    /// Stands for a null.
    pub(super) muted: bool,
    pub(super) numeric: bool,
    /// Has words too long for a narrow screen: they may be broken.
    pub(super) long: bool,
    /// Width of a bar below the figure, in pixels.
    pub(super) bar: Option<u8>,
}

/// A column's heading.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) text: String,
    pub(super) numeric: bool,
}

/// One report of a digest.
#[derive(Debug)]
pub(super) struct SectionView {
    pub(super) title: String,
    pub(super) about: Option<String>,
    /// The period with its dates and zone; empty for a report that failed.
    pub(super) caption: String,
    pub(super) body: Body,
    /// Why the figures may still change.
    pub(super) provisional: Option<String>,
    /// What the figures cover.
    pub(super) notes: Vec<String>,
}

/// What a section shows.
#[derive(Debug)]
pub(super) enum Body {
    Table(TableView),
    /// Nothing to show, in a sentence.
    Empty(String),
    /// Why there is no table.
    Failed(String),
    /// Left out, so that the mail stays small enough.
    LeftOut(String),
}

/// A table's rows.
#[derive(Debug)]
pub(super) struct TableView {
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// One row of figures, set large.
    pub(super) figures: bool,
    pub(super) wide: bool,
    /// Cells behind the first are short enough to stay on one line where there is room.
    pub(super) narrow_cells: bool,
    /// How many rows this mail leaves out, in a sentence.
    pub(super) cut: Option<String>,
    /// What `top` left out: taken together, or in a sentence.
    pub(super) others: Option<Vec<Cell>>,
    pub(super) others_line: Option<String>,
    pub(super) total: Option<Vec<Cell>>,
}

/// How much of the tables a mail has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Rows shown of each table.
    pub(super) rows: usize,
    /// Whether shares have bars.
    pub(super) bars: bool,
    /// Sections shown with their figures.
    pub(super) sections: usize,
}

impl Room {
    /// As much as there is.
    pub(super) const ALL: Room = Room { rows: usize::MAX, bars: true, sections: usize::MAX };
}

/// Sections as they are shown in this much room. `today` is the civil date of the slot in its zone:
/// times of the same day are told without their date.
pub(super) fn sections(
    sections: &[Section],
    room: Room,
    locale: Locale,
    slot: DateTime<Utc>,
) -> Vec<SectionView> {
    let views = sections.iter().enumerate().map(|(i, section)| match section {
        Section::Failed { title, reason, .. } => SectionView {
            title: clean(title),
            about: None,
            caption: String::new(),
            body: Body::Failed(clipped(reason, 500)),
            provisional: None,
            notes: Vec::new(),
        },
        Section::Table(table) if i < room.sections => {
            let body = body(table, room, locale);
            let notes = notes(table, locale, slot);
            let about = table.about.as_deref().map(|about| clipped(about, 500));
            let provisional = table.provisional.as_deref().map(|why| clipped(why, 500));
            SectionView {
                title: clipped(&table.title, 200),
                about,
                caption: caption(table, locale),
                body,
                provisional,
                notes,
            }
        }
        Section::Table(table) => SectionView {
            title: clipped(&table.title, 200),
            about: None,
            caption: caption(table, locale),
            body: Body::LeftOut("Left out, because this mail would be too large.".to_owned()),
            provisional: None,
            notes: Vec::new(),
        },
    });
    views.collect()
}

/// `last 7 days: Mon 16 Nov to Sun 22 Nov 2026, Europe/Berlin`.
fn caption(table: &Table, locale: Locale) -> String {
    let zone = table.zone.name();
    match table.window {
        None => format!("{}, {zone}", clean(&table.period)),
        Some(window) => {
            let range = locale.window(window, &table.zone);
            format!("{}: {range}, {zone}", clean(&table.period))
        }
    }
}

fn body(table: &Table, room: Room, locale: Locale) -> Body {
    if table.rows.is_empty() {
        let words = if table.window.is_some() { "Nothing in this period." } else { "Nothing yet." };
        return Body::Empty(words.to_owned());
    }
    let writer = Writer { table, locale, bars: bar_scales(table, room.bars) };
    let shown = table.rows.len().min(room.rows);
    let hidden = (table.rows.len() - shown) as u64;
    let (others, others_line) = match &table.others {
        Some(others) if others.rows > 0 => match &others.values {
            Some(values) => {
                let count = locale.integer(i64::try_from(others.rows).unwrap_or(i64::MAX));
                (Some(writer.whole(values, &format!("Others ({count})"))), None)
            }
            None => (None, Some(format!("and {}", counted(others.rows, "more row", locale)))),
        },
        _ => (None, None),
    };
    Body::Table(TableView {
        heads: table
            .columns
            .iter()
            .map(|column| Head { text: clipped(&column.name, 60), numeric: column.numeric })
            .collect(),
        rows: table.rows[..shown].iter().map(|row| writer.row(row)).collect(),
        figures: table.is_figures(),
        wide: table.columns.len() > WIDE,
        narrow_cells: table.columns.iter().skip(1).all(|column| column.numeric),
        cut: (hidden > 0).then(|| {
            format!("and {}, left out to keep this mail small", counted(hidden, "more row", locale))
        }),
        others,
        others_line,
        total: table.total.as_ref().map(|values| writer.whole(values, "Total")),
    })
}

/// For each column the share that gets the longest bar; `None`: no bars.
fn bar_scales(table: &Table, bars: bool) -> Vec<Option<f64>> {
    let scale = |column: usize| {
        let shares = table.rows.iter().filter_map(|row| row.get(column)?.number());
        shares.fold(0.0, f64::max)
    };
    let columns = table.columns.iter().enumerate();
    let wanted = bars && table.columns.len() <= WIDE && table.rows.len() > 1;
    columns
        .map(|(i, c)| (wanted && c.share).then(|| scale(i)).filter(|scale| *scale > 0.0))
        .collect()
}

struct Writer<'a> {
    table: &'a Table,
    locale: Locale,
    bars: Vec<Option<f64>>,
}

impl Writer<'_> {
    /// Whether all days of the table are of one year.
    fn one_year(&self) -> bool {
        self.table.window.is_some_and(|window| {
            let last = window.to - TimeDelta::milliseconds(1);
            let year = |at| self.table.zone.civil(at).year();
            year(window.from) == year(last)
        })
    }

    fn row(&self, row: &[Value]) -> Vec<Cell> {
        let cells = row.iter().take(self.table.columns.len()).enumerate();
        cells.map(|(i, value)| self.cell(i, value, self.bars[i])).collect()
    }

    /// A row about many: its name in the first cell, the other grouping cells blank.
    fn whole(&self, values: &[Value], name: &str) -> Vec<Cell> {
        let mut cells: Vec<Cell> = values
            .iter()
            .take(self.table.columns.len())
            .enumerate()
            .map(|(i, value)| match self.table.columns[i].grouping {
                true => Cell::plain(""),
                false => self.cell(i, value, None),
            })
            .collect();
        if self.table.columns.first().is_some_and(|column| column.grouping)
            && let Some(first) = cells.first_mut()
        {
            *first = Cell::plain(name);
        }
        cells
    }

    fn cell(&self, column: usize, value: &Value, scale: Option<f64>) -> Cell {
        let heading = &self.table.columns[column];
        let numeric = heading.numeric;
        let text = match (heading.unit, value) {
            // The caption has the year.
            (Some(Unit::Day), Value::Timestamp(day)) if self.one_year() => {
                let day = self.table.zone.civil(*day).date();
                Some(self.locale.day_of_year(day))
            }
            _ => self.locale.value(value, heading, &self.table.zone),
        };
        match text {
            Some(text) => {
                let text = clipped(&text, CELL_MAX);
                let bar = scale.zip(value.number()).map(|(scale, share)| {
                    (share.max(0.0) / scale * BAR_MAX).round().clamp(0.0, BAR_MAX) as u8
                });
                let bar = bar.filter(|width| *width > 0);
                let long = text.split(' ').any(|word| word.chars().count() > LONG_WORD);
                Cell { text: isolated(text), muted: false, numeric, long, bar }
            }
            None => {
                let text = self.table.empty.as_deref().map_or("\u{2013}".to_owned(), clean);
                Cell { text, muted: true, numeric, long: false, bar: None }
            }
        }
    }
}

impl Cell {
    fn plain(text: &str) -> Cell {
        Cell { text: text.to_owned(), muted: false, numeric: false, long: false, bar: None }
    }
}

fn notes(table: &Table, locale: Locale, slot: DateTime<Utc>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if table.records > 0 || !table.rows.is_empty() {
        notes.push(format!("Based on {}.", counted(table.records, "record", locale)));
    }
    if table.truncated {
        notes.push("There are more rows than are read: totals are of those read.".to_owned());
    }
    notes.extend(table.coverage.iter().map(|sentence| clipped(sentence, 500)));
    notes.push(match table.complete_to {
        Some(at) => format!("Data complete to {}.", moment(at, slot, &table.zone, locale)),
        None => "The data has never been read to its end.".to_owned(),
    });
    notes
}

/// An instant in a zone, without its date when that is the day of the slot.
pub(super) fn moment(
    at: DateTime<Utc>,
    slot: DateTime<Utc>,
    zone: &Zone,
    locale: Locale,
) -> String {
    let civil = zone.civil(at);
    match civil.date() == zone.civil(slot).date() {
        true => locale.time(civil.time()),
        false => locale.stamp(civil),
    }
}
