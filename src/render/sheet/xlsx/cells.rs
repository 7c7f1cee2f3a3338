//! Cells: how each column's values are written, and how wide they are.

use chrono::{NaiveDate, NaiveDateTime};
use rust_xlsxwriter::{Format as Style, Worksheet};
use unicode_width::UnicodeWidthStr;

use crate::domain::expr::Unit;
use crate::domain::report::Format;
use crate::domain::table::Column;
use crate::domain::value::Value;
use crate::domain::zone::Zone;
use crate::render::format::Locale;
use crate::render::sheet::SheetError;
use crate::render::sheet::layout::{Cell, FileColumn, Kind, is_duration};

pub(super) const SECONDS_A_DAY: f64 = 86_400.0;
/// Longest text of a cell, in UTF-16 units: a spreadsheet takes 32,767.
const TEXT_MAX: usize = 32_000;
/// Whole numbers up to here are exact in a spreadsheet.
const EXACT: u64 = 1 << 53;
/// Widths of columns, in characters.
const WIDTHS: std::ops::RangeInclusive<usize> = 9..=60;

/// In which unit a column's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// As they are.
    Plain,
    /// Seconds as fractions of a day.
    Days,
}

/// A column of a sheet.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    pub(super) of: FileColumn,
    pub(super) heading: String,
    pub(super) scale: Scale,
    weekday: Option<Column>,
    style: Style,
    width: usize,
}

impl Measure {
    /// Looks at all cells of a column: lengths of time below zero cannot be shown as times.
    pub(super) fn new<'c>(
        of: FileColumn,
        column: &Column,
        cells: impl Iterator<Item = Cell<'c>>,
    ) -> Measure {
        let mut seen = Seen::default();
        cells.for_each(|cell| seen.add(&cell));
        let number = !matches!(of.kind, Kind::Goal | Kind::Link);
        let length = is_duration(column) && number;
        let days = length && of.kind != Kind::Change && !seen.negative;
        let scale = if days { Scale::Days } else { Scale::Plain };
        let mut heading = of.heading.clone();
        if length && !days {
            heading.push_str(" (s)");
        }
        let style = Style::new().set_num_format(number_format(column, of.kind, scale, &seen));
        let weekday = column.unit == Some(Unit::Weekday) && of.kind == Kind::Value;
        let width = heading.width() + 3;
        Measure { of, heading, scale, weekday: weekday.then(|| column.clone()), style, width }
    }

    pub(super) fn widen(&mut self, cell: &Cell<'_>, zone: &Zone) {
        self.width = self.width.max(self.words(cell, zone).width() + 2);
    }

    pub(super) fn width(&self) -> f64 {
        self.width.clamp(*WIDTHS.start(), *WIDTHS.end()) as f64
    }

    /// The same column as a row of totals has it.
    pub(super) fn bold(&self) -> Measure {
        Measure { style: self.style.clone().set_bold(), ..self.clone() }
    }

    /// Whether it is the column of the words of another one's goal.
    pub(super) fn is_goal_of(&self, other: &Measure) -> bool {
        self.of.kind == Kind::Goal && self.of.of == other.of.of
    }

    /// A cell as text, about as wide as it is shown.
    pub(super) fn words(&self, cell: &Cell<'_>, zone: &Zone) -> String {
        match cell {
            Cell::Empty => String::new(),
            Cell::Boolean(_) => "FALSE".to_owned(),
            Cell::Integer(n) => {
                self.weekday(*n).unwrap_or_else(|| Locale::named("en-GB").integer(*n))
            }
            Cell::Real(_) => "1,234.56".to_owned(),
            Cell::Text(found) => text(found),
            Cell::Date(date) => date.to_string(),
            Cell::Instant(at) => zone.civil(*at).format("%Y-%m-%d %H:%M:%S").to_string(),
        }
    }

    /// Writes a cell with the type of its value; never as a formula.
    pub(super) fn write(
        &self,
        page: &mut Worksheet,
        row: u32,
        at: u16,
        cell: &Cell<'_>,
        zone: &Zone,
    ) -> Result<(), SheetError> {
        let number = |x: f64| match self.scale {
            Scale::Plain => x,
            Scale::Days => x / SECONDS_A_DAY,
        };
        match cell {
            Cell::Empty => {}
            Cell::Boolean(yes) => {
                page.write_boolean_with_format(row, at, *yes, &self.style)?;
            }
            Cell::Integer(n) => match self.weekday(*n) {
                Some(name) => {
                    page.write_string_with_format(row, at, name, &self.style)?;
                }
                // Rounded in silence it would be another number.
                None if n.unsigned_abs() > EXACT => {
                    page.write_string_with_format(row, at, n.to_string(), &self.style)?;
                }
                None => {
                    page.write_number_with_format(row, at, number(*n as f64), &self.style)?;
                }
            },
            Cell::Real(x) => {
                page.write_number_with_format(row, at, number(*x), &self.style)?;
            }
            Cell::Text(found) => {
                page.write_string_with_format(row, at, text(found), &self.style)?;
            }
            Cell::Date(date) => {
                let words = || date.to_string();
                self.date(page, row, at, date.and_time(Default::default()), words)?;
            }
            Cell::Instant(instant) => {
                let civil = zone.civil(*instant);
                let words = || civil.format("%Y-%m-%dT%H:%M:%S").to_string();
                self.date(page, row, at, civil, words)?;
            }
        }
        Ok(())
    }

    /// A civil instant as a date; as text where a spreadsheet's calendar does not reach.
    fn date(
        &self,
        page: &mut Worksheet,
        row: u32,
        at: u16,
        civil: NaiveDateTime,
        words: impl Fn() -> String,
    ) -> Result<(), SheetError> {
        match serial(civil) {
            Some(serial) => page.write_number_with_format(row, at, serial, &self.style)?,
            None => page.write_string_with_format(row, at, words(), &self.style)?,
        };
        Ok(())
    }

    /// The name of a day of the week, where that is what the column has.
    fn weekday(&self, n: i64) -> Option<String> {
        let column = self.weekday.as_ref()?;
        Locale::named("en-GB").value(&Value::Integer(n), column, &Zone::utc())
    }
}

/// What a column's cells are like.
#[derive(Clone, Debug, Default)]
struct Seen {
    negative: bool,
    /// Some have a fraction.
    fractions: bool,
    /// Some are not nothing and would read `0.00`.
    tiny: bool,
    largest: f64,
}

impl Seen {
    fn add(&mut self, cell: &Cell<'_>) {
        let x = match cell {
            Cell::Integer(n) => *n as f64,
            Cell::Real(x) => *x,
            _ => return,
        };
        self.negative |= x < 0.0;
        self.fractions |= x.fract() != 0.0;
        self.tiny |= x != 0.0 && x.abs() < 0.005;
        self.largest = self.largest.max(x.abs());
    }
}

/// Days since the spreadsheet's beginning of time; `None` before March 1900, where it has a day too
/// many, and after 9999.
fn serial(civil: NaiveDateTime) -> Option<f64> {
    let zero = NaiveDate::from_ymd_opt(1899, 12, 30)?.and_time(Default::default());
    let days = (civil - zero).num_milliseconds() as f64 / (SECONDS_A_DAY * 1_000.0);
    (61.0..2_958_466.0).contains(&days).then_some(days)
}

fn number_format(column: &Column, kind: Kind, scale: Scale, seen: &Seen) -> String {
    match column.unit {
        Some(Unit::Day | Unit::Week) if kind == Kind::Value => return "yyyy-mm-dd".to_owned(),
        Some(Unit::Month) if kind == Kind::Value => return "mmm yyyy".to_owned(),
        Some(Unit::Hour | Unit::Weekday) => return "General".to_owned(),
        _ => {}
    }
    if matches!(kind, Kind::Goal | Kind::Link) {
        return "General".to_owned();
    }
    if column.ty == Some(crate::domain::value::Type::Timestamp) {
        return "yyyy-mm-dd hh:mm:ss".to_owned();
    }
    let number = match column.format {
        Format::Duration if scale == Scale::Days => {
            // Short lengths show their tenths, which an average of seconds lives on.
            let short = seen.fractions && seen.largest < 600.0;
            return if short { "[m]:ss.0" } else { "[h]:mm:ss" }.to_owned();
        }
        Format::Duration => "#,##0.0".to_owned(),
        Format::Percent => "0.0%".to_owned(),
        Format::Decimals(0) => "#,##0".to_owned(),
        Format::Decimals(decimals) => format!("#,##0.{}", "0".repeat(decimals.min(12).into())),
        Format::Auto if !column.numeric => return "General".to_owned(),
        Format::Auto if !seen.fractions => "#,##0".to_owned(),
        Format::Auto if seen.tiny || seen.largest >= 1e15 => return "General".to_owned(),
        Format::Auto => "#,##0.00".to_owned(),
    };
    match kind {
        Kind::Change => format!("+{number};-{number};{number}"),
        _ => number,
    }
}

/// A text as a cell can hold it: control characters other than tabs and line ends dropped, one kind
/// of line end, what is too long cut with an ellipsis. `_x0041_`, which spreadsheets read as an
/// escape, keeps its letters.
pub(super) fn text(found: &str) -> String {
    let mut out = String::with_capacity(found.len());
    let mut used = 0;
    let mut characters = found.chars().peekable();
    while let Some(c) = characters.next() {
        let c = match c {
            '\r' if characters.peek() == Some(&'\n') => continue,
            '\r' => '\n',
            '\n' | '\t' => c,
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => continue,
            c => c,
        };
        used += c.len_utf16();
        if used > TEXT_MAX {
            out.push('\u{2026}');
            break;
        }
        out.push(c);
    }
    out
}
