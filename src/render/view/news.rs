//! What changed: the few lines of a mail's first screen that say whether to worry.
//!
//! A line is a goal that is missed or a figure outside its usual spread, those of totals before
//! those of rows, bad news before good. Where there is none, one calm sentence says so, and claims
//! no more than is known.

use crate::domain::compare::{Beside, Delta};
use crate::domain::goal::GoalState;
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;

use super::super::format::{Locale, clipped};
use super::super::words::change::{self, Tone};
use super::super::words::listed;
use super::cells::{name_of, written};
use super::{is_link, restated, table_of};

/// Lines of the first screen.
const LINES_MAX: usize = 5;
/// Changes told where nobody knows what is usual.
const PLAIN_MAX: usize = 3;
/// Rows named in one line.
const ROWS_NAMED: usize = 3;

/// What changed, and how much of it there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::render) struct News {
    pub(in crate::render) lines: Vec<NewsLine>,
    /// How many lines more there would be.
    pub(in crate::render) more: usize,
    /// What all of them are compared with, if that is one thing.
    pub(in crate::render) against: Option<String>,
    /// What there is to say where there are no lines.
    pub(in crate::render) calm: Option<String>,
    /// Goals missed: by totals, or where a table has none by its rows.
    pub(in crate::render) missed: usize,
    /// Figures outside their usual spread.
    pub(in crate::render) unusual: usize,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct NewsLine {
    pub(in crate::render) tone: Tone,
    /// A shape that says the same as the tone.
    pub(in crate::render) mark: &'static str,
    pub(in crate::render) text: String,
    /// The report it is of.
    pub(in crate::render) title: String,
    /// Whether the next line is of another report.
    pub(in crate::render) last: bool,
    /// Where the records behind it are.
    pub(in crate::render) href: Option<String>,
}

/// A line and how much it matters.
struct Found {
    /// Smaller comes first.
    rank: u8,
    size: f64,
    line: NewsLine,
}

/// What is new in these reports.
pub(in crate::render) fn news(sections: &[Section], locale: Locale) -> News {
    let mut news = News::default();
    let (mut found, mut plain) = (Vec::new(), Vec::new());
    let (mut goals, mut spreads) = (false, false);
    let against = common_baseline(sections);
    for table in sections.iter().filter_map(table_of) {
        let reader = Reader { table, locale, tell_against: against.is_none() };
        reader.read(&mut found, &mut plain, &mut news);
        goals |= table.columns.iter().any(|column| column.goal.is_some()) && !table.rows.is_empty();
        spreads |= reader
            .besides()
            .any(|(_, beside)| beside.deltas.iter().flatten().any(|delta| delta.usual.is_some()));
    }
    if found.is_empty() {
        found = largest(plain);
    }
    found
        .extend(sections.iter().filter_map(table_of).filter_map(|table| told_again(table, locale)));
    let order = |a: &Found, b: &Found| a.rank.cmp(&b.rank).then(b.size.total_cmp(&a.size));
    found.sort_by(order);
    news.more = found.len().saturating_sub(LINES_MAX);
    news.lines = found.into_iter().take(LINES_MAX).map(|found| found.line).collect();
    // A title stands once, below the last of its lines.
    for i in 1..news.lines.len() {
        if news.lines[i - 1].title == news.lines[i].title {
            news.lines[i - 1].last = false;
        }
    }
    news.against = against.filter(|_| !news.lines.is_empty()).map(|words| clipped(words, 100));
    let quiet = news.missed == 0 && news.unusual == 0 && news.lines.is_empty();
    news.calm = match (goals, spreads) {
        _ if !quiet => None,
        (true, true) => {
            Some("Nothing unusual: figures are within their usual spread, and every goal is met.")
        }
        (false, true) => Some("Nothing unusual: figures are within their usual spread."),
        (true, false) => Some("Every goal is met."),
        (false, false) => None,
    }
    .map(str::to_owned);
    news
}

fn largest(mut plain: Vec<Found>) -> Vec<Found> {
    plain.sort_by(|a, b| b.size.total_cmp(&a.size));
    plain.truncate(PLAIN_MAX);
    plain
}

/// What all tables that are compared are compared with; `None` where they differ.
fn common_baseline(sections: &[Section]) -> Option<&str> {
    let tables = sections.iter().filter_map(table_of);
    let mut all = tables.filter_map(|table| Some(table.compared.as_ref()?.words.as_str()));
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

struct Reader<'a> {
    table: &'a Table,
    locale: Locale,
    /// Whether each change says what it is against.
    tell_against: bool,
}

impl Reader<'_> {
    /// The rows with what stands beside each.
    fn besides(&self) -> impl Iterator<Item = (Option<usize>, &Beside)> {
        let total = self.table.beside_total.iter().map(|beside| (None, beside));
        total.chain(self.table.beside.iter().enumerate().map(|(i, beside)| (Some(i), beside)))
    }

    /// The values of a row, or of the total.
    fn values(&self, row: Option<usize>) -> Option<&[Value]> {
        match row {
            Some(row) => self.table.rows.get(row).map(Vec::as_slice),
            None => self.table.total.as_deref(),
        }
    }

    fn read(&self, found: &mut Vec<Found>, plain: &mut Vec<Found>, news: &mut News) {
        for column in 0..self.table.columns.len() {
            self.goal(column, found, news);
        }
        for (row, beside) in self.besides() {
            for (column, delta) in beside.deltas.iter().enumerate() {
                let Some(delta) = delta else { continue };
                let Some(value) = self.values(row).and_then(|values| values.get(column)) else {
                    continue;
                };
                if self.table.columns.get(column).is_none_or(|column| column.grouping) {
                    continue;
                }
                if delta.unusual {
                    news.unusual += 1;
                    // A goal that is missed has its line already, with the change in it.
                    if self.state(column, value) != Some(GoalState::Missed) || row.is_some() {
                        found.push(self.unusual(row, column, value, delta));
                    }
                } else if delta.usual.is_none() && (row.is_none() || self.table.is_figures()) {
                    plain.extend(self.changed(row, column, value, delta));
                }
            }
        }
    }

    fn state(&self, column: usize, value: &Value) -> Option<GoalState> {
        self.table.columns.get(column)?.goal?.state(value)
    }

    /// Lines about the goal of a column: one for the total, one for all rows that miss it.
    fn goal(&self, column: usize, found: &mut Vec<Found>, news: &mut News) {
        let heading = &self.table.columns[column];
        let Some(goal) = heading.goal else { return };
        let missed = |row: &[Value]| {
            row.get(column).is_some_and(|value| goal.state(value) == Some(GoalState::Missed))
        };
        let words = change::goal(goal, heading, self.locale);
        let total = self.table.total.as_deref();
        if let Some(value) = total.filter(|total| missed(total)).and_then(|total| total.get(column))
        {
            let delta =
                self.table.beside_total.as_ref().and_then(|b| b.deltas.get(column)?.as_ref());
            let told = delta.map(|delta| {
                let word = change::unusual(delta).and_then(|(words, _)| words.split_once('\u{a0}'));
                let word = word.map(|(_, word)| format!("{word}, ")).unwrap_or_default();
                format!(", {word}{}", self.against(delta, column))
            });
            let text = format!(
                "{}: {words} missed{}",
                self.figure(None, column, value),
                told.unwrap_or_default()
            );
            found.push(self.found(0, f64::MAX, Tone::Bad, "\u{2717}", text));
        }
        let rows: Vec<&Vec<Value>> = self.table.rows.iter().filter(|row| missed(row)).collect();
        news.missed += match total {
            Some(total) => usize::from(missed(total)),
            None => usize::from(!rows.is_empty()),
        };
        let text = match rows.as_slice() {
            [] => return,
            [row] => {
                let index = self.table.rows.iter().position(|other| std::ptr::eq(other, *row));
                format!("{}: {words} missed", self.figure(index, column, &row[column]))
            }
            rows => {
                let names = rows.iter().take(ROWS_NAMED);
                let mut names: Vec<String> =
                    names.map(|row| name_of(self.table, row, self.locale)).collect();
                if rows.len() > ROWS_NAMED {
                    names.push(format!("{} more", rows.len() - ROWS_NAMED));
                }
                format!(
                    "{}: {words} missed in {} of {} rows: {}",
                    clipped(&heading.name, 60),
                    rows.len(),
                    self.table.rows.len(),
                    listed(&names)
                )
            }
        };
        found.push(self.found(2, rows.len() as f64, Tone::Bad, "\u{2717}", text));
    }

    /// `WhatsApp EMEA: Sessions 431`.
    fn figure(&self, row: Option<usize>, column: usize, value: &Value) -> String {
        let table = self.table;
        let heading = &table.columns[column];
        let value = written(table, column, value, self.locale).unwrap_or_else(|| "none".to_owned());
        let name = clipped(&heading.name, 60);
        let row =
            row.and_then(|row| table.rows.get(row)).map(|row| name_of(table, row, self.locale));
        match row.filter(|name| !name.is_empty()) {
            Some(row) => format!("{row}: {name} {value}"),
            None => format!("{name} {value}"),
        }
    }

    /// `+42 % against the previous 7 days`.
    fn against(&self, delta: &Delta, column: usize) -> String {
        let told = change::change(delta, &self.table.columns[column], self.locale);
        match &self.table.compared {
            Some(compared) if self.tell_against => {
                format!("{told} against {}", clipped(&compared.words, 100))
            }
            _ => told,
        }
    }

    fn unusual(&self, row: Option<usize>, column: usize, value: &Value, delta: &Delta) -> Found {
        let (words, tone) = change::unusual(delta).unwrap_or(("unusual", Tone::Care));
        let (mark, words) = words.split_once('\u{a0}').unwrap_or(("\u{25b2}", words));
        let usual = change::usual(delta, &self.table.columns[column], self.locale);
        let text = format!(
            "{}: {words}, {}{}",
            self.figure(row, column, value),
            self.against(delta, column),
            usual.map(|usual| format!(" ({usual})")).unwrap_or_default()
        );
        let good = u8::from(tone == Tone::Good) * 2;
        let rank = if row.is_none() || self.table.is_figures() { 1 } else { 3 };
        let mark = if mark == "\u{25bc}" { "\u{25bc}" } else { "\u{25b2}" };
        let size = delta.relative.map_or(f64::MAX, f64::abs);
        self.found(rank + good, size, tone, mark, text)
    }

    /// A change of which nobody knows whether it is usual; `None` where nothing changed.
    fn changed(
        &self,
        row: Option<usize>,
        column: usize,
        value: &Value,
        delta: &Delta,
    ) -> Option<Found> {
        (delta.change != 0.0 && !matches!(value, Value::Null)).then_some(())?;
        let text = format!("{}: {}", self.figure(row, column, value), self.against(delta, column));
        let size = delta.relative.map_or(f64::MAX, f64::abs);
        Some(self.found(6, size, Tone::Quiet, "\u{2022}", text))
    }

    fn found(&self, rank: u8, size: f64, tone: Tone, mark: &'static str, text: String) -> Found {
        let title = clipped(&self.table.title, 80);
        let href = self.table.drill.clone().filter(|address| is_link(address));
        Found { rank, size, line: NewsLine { tone, mark, text, title, last: true, href } }
    }
}

/// The line about figures of an earlier mail that are others now.
fn told_again(table: &Table, locale: Locale) -> Option<Found> {
    let lines = restated(table, locale);
    let more = match lines.len() {
        0 | 1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    let text = format!("Restated {}{more}", lines.first()?);
    let reader = Reader { table, locale, tell_against: false };
    Some(reader.found(7, 0.0, Tone::Care, "\u{25cf}", text))
}
