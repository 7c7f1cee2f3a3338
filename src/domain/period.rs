//! Periods: which stretch of time a report is about, computed in a zone from the slot.
//!
//! A period is words; a [`Window`] is what they mean for one slot. Windows are half-open and made of
//! civil days: a day of 23 or 25 hours is a day, a day whose midnight does not exist begins at its
//! first instant, and a date that does not exist is not counted. Only hours and minutes are elapsed
//! time. Nothing here looks at the clock: the slot is the only "now".

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};

use serde::{Deserialize, Serialize};

use super::zone::Zone;

mod before;

/// `last 7 days`, `yesterday`, `last week`, `this month`, `last 24 h`, `all time`, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    span: Span,
    words: String,
}

/// A half-open stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First instant inside.
    pub from: DateTime<Utc>,
    /// First instant after.
    pub to: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    AllTime,
    /// From the unit's beginning to the slot.
    This(Unit),
    /// So many whole units before the slot's own.
    Last(u32, Unit),
    /// Elapsed time up to the slot.
    Elapsed(TimeDelta),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Period {
    /// The window for a slot; `None` for all time. `week_starts` is 1 (Monday) to 7.
    ///
    /// Periods that run to the slot are empty when the slot is their first instant.
    pub fn window(&self, slot: DateTime<Utc>, zone: &Zone, week_starts: u8) -> Option<Window> {
        let date = zone.date(slot);
        match self.span {
            Span::AllTime => None,
            Span::This(unit) => {
                let from = zone.start_of(unit.first_date(date, week_starts));
                Some(Window { from, to: slot })
            }
            Span::Last(count, unit) => {
                let to = unit.first_date(date, week_starts);
                let from = unit.back(to, count, zone);
                Some(Window { from: zone.start_of(from), to: zone.start_of(to) })
            }
            Span::Elapsed(length) => {
                let from = slot.checked_sub_signed(length).unwrap_or(DateTime::<Utc>::MIN_UTC);
                Some(Window { from, to: slot })
            }
        }
    }

    /// Whether it is made of finished days only: its window ends where the slot's day begins or
    /// earlier. The figures of other periods are of an unfinished day.
    pub fn whole(&self) -> bool {
        matches!(self.span, Span::Last(..))
    }

    /// Its name in words, one way for one meaning: `previous week` and `last 1 week` are `last week`.
    pub fn words(&self) -> &str {
        &self.words
    }
}

impl Unit {
    /// The first date of the unit that holds `date`.
    fn first_date(self, date: NaiveDate, week_starts: u8) -> NaiveDate {
        let first = match self {
            Unit::Day => Some(date),
            Unit::Week => {
                let weekday = date.weekday().number_from_monday();
                let into_week = (weekday + 7 - u32::from(week_starts.clamp(1, 7))) % 7;
                date.checked_sub_days(Days::new(u64::from(into_week)))
            }
            Unit::Month => date.with_day(1),
            Unit::Quarter => NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1),
            Unit::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
        };
        first.unwrap_or(date)
    }

    /// The first date of the unit that lies `count` units before the one that begins on `first`.
    fn back(self, first: NaiveDate, count: u32, zone: &Zone) -> NaiveDate {
        let months = |each: u32| first.checked_sub_months(Months::new(count.saturating_mul(each)));
        let back = match self {
            // Only days are counted one by one: a week, month or year lacking a date is one still.
            Unit::Day => Some((0..count).fold(first, |date, _| zone.date_before(date))),
            Unit::Week => first.checked_sub_days(Days::new(7 * u64::from(count))),
            Unit::Month => months(1),
            Unit::Quarter => months(3),
            Unit::Year => months(12),
        };
        back.unwrap_or(first)
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Quarter => "quarter",
            Unit::Year => "year",
        }
    }
}

/// Reports reach back ten years at most, whatever they count in.
const DAYS_MAX: u32 = 3660;

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let span = match words.as_slice() {
            ["all", "time"] => Span::AllTime,
            ["today"] => Span::This(Unit::Day),
            ["yesterday"] => Span::Last(1, Unit::Day),
            ["this", unit] => Span::This(calendar_unit(unit).ok_or_else(|| unknown(text))?),
            ["last" | "previous", rest @ ..] => last(rest, text)?,
            _ => return Err(unknown(text)),
        };
        Ok(Period { span, words: canonical(span) })
    }
}

/// What follows `last`: a unit, or a count and a unit with or without a space between them.
fn last(words: &[&str], text: &str) -> Result<Span, String> {
    let (count, unit) = match words {
        [one] => {
            let unit_at = one.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| unknown(text))?;
            one.split_at(unit_at)
        }
        [count, unit] if !count.is_empty() => (*count, *unit),
        _ => return Err(unknown(text)),
    };
    let count: u32 = match count {
        "" => 1,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().unwrap_or(u32::MAX),
        _ => return Err(unknown(text)),
    };
    let elapsed = match unit {
        "h" | "hour" | "hours" => Some(60),
        "min" | "minute" | "minutes" => Some(1),
        _ => None,
    };
    let (calendar, count_max) = match (elapsed, calendar_unit(unit)) {
        (Some(minutes), _) => (None, DAYS_MAX * 24 * 60 / minutes),
        (None, Some(unit)) => (Some(unit), DAYS_MAX / days_about(unit)),
        (None, None) => return Err(unknown(text)),
    };
    if count == 0 {
        return Err(format!("`{text}` is no time at all: the count starts at 1"));
    }
    if count > count_max {
        return Err(format!("`{text}` is too long: at most `last {count_max} {unit}`"));
    }
    Ok(match calendar {
        Some(unit) => Span::Last(count, unit),
        None => Span::Elapsed(TimeDelta::minutes(i64::from(count * elapsed.unwrap_or(1)))),
    })
}

fn calendar_unit(word: &str) -> Option<Unit> {
    [Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year]
        .into_iter()
        .find(|unit| word.strip_suffix('s').unwrap_or(word) == unit.name())
}

fn days_about(unit: Unit) -> u32 {
    match unit {
        Unit::Day => 1,
        Unit::Week => 7,
        Unit::Month => 30,
        Unit::Quarter => 91,
        Unit::Year => 366,
    }
}

fn canonical(span: Span) -> String {
    match span {
        Span::AllTime => "all time".to_owned(),
        Span::This(Unit::Day) => "today".to_owned(),
        Span::This(unit) => format!("this {}", unit.name()),
        Span::Last(1, Unit::Day) => "yesterday".to_owned(),
        Span::Last(1, unit) => format!("last {}", unit.name()),
        Span::Last(count, unit) => format!("last {count} {}s", unit.name()),
        Span::Elapsed(length) if length.num_minutes() % 60 == 0 => {
            format!("last {} h", length.num_hours())
        }
        Span::Elapsed(length) => format!("last {} min", length.num_minutes()),
    }
}

const POSSIBILITIES: &str = "`today`, `yesterday`, `last 7 days` (or weeks, months, quarters, \
    years), `last week` (or month, quarter, year), `this week` (or month, quarter, year), \
    `last 24 h`, `last 90 min`, `all time`";

fn unknown(text: &str) -> String {
    match nearest(&text.to_lowercase()) {
        Some(near) => format!("`{text}` is not a period; did you mean `{near}`?"),
        None => format!("`{text}` is not a period; a period is one of {POSSIBILITIES}"),
    }
}

/// The period meant by a misspelt one.
fn nearest(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    // Counts are taken as they are; only the words around them can be misspelt.
    let count = if digits.is_empty() { "7" } else { digits.as_str() };
    let fixed = ["all time", "today", "yesterday"].map(str::to_owned);
    let units = ["week", "month", "quarter", "year"];
    let named = ["this", "last"].iter().flat_map(|which| units.map(|u| format!("{which} {u}")));
    let counted = ["days", "weeks", "months", "quarters", "years", "h", "min"];
    fixed
        .into_iter()
        .chain(named)
        .chain(counted.map(|unit| format!("last {count} {unit}")))
        .map(|known| {
            let like = |known: &str| strsim::normalized_damerau_levenshtein(known, text);
            // `7 days` lacks no letter but a word.
            let bare = known.strip_prefix("last ").map_or(0.0, like);
            (like(&known).max(bare), known)
        })
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}

impl Window {
    /// Whether an instant is inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.to
    }

    /// What it covers, for people: `Mon 3 Nov to Sun 9 Nov 2025` for whole days of the zone, else
    /// with times, e.g. `Sun 9 Nov 2025, 00:00 to 08:00`; with the offsets where they differ.
    pub fn describe(&self, zone: &Zone) -> String {
        let (from, to) = (zone.civil(self.from), zone.civil(self.to));
        let starts_a_day = |at: DateTime<Utc>| zone.start_of(zone.date(at)) == at;
        let day = "%a %-d %b";
        if self.from < self.to && starts_a_day(self.from) && starts_a_day(self.to) {
            let (first, last) = (from.date(), zone.date(self.to - TimeDelta::nanoseconds(1)));
            let last_day = last.format("%a %-d %b %Y");
            return match (first == last, first.year() == last.year()) {
                (true, _) => last_day.to_string(),
                (_, true) => format!("{} to {last_day}", first.format(day)),
                (_, false) => format!("{} to {last_day}", first.format("%a %-d %b %Y")),
            };
        }
        let offset = |at| match zone.offset_seconds(self.from) == zone.offset_seconds(self.to) {
            true => String::new(),
            false => format!(" ({})", zone.offset_words(at)),
        };
        let start_day = match from.year() == to.year() && from.date() != to.date() {
            true => from.format(day),
            false => from.format("%a %-d %b %Y"),
        };
        let start = format!("{start_day}, {}{}", from.format("%H:%M"), offset(self.from));
        match from.date() == to.date() {
            true => format!("{start} to {}{}", to.format("%H:%M"), offset(self.to)),
            false => format!("{start} to {}{}", to.format("%a %-d %b %Y, %H:%M"), offset(self.to)),
        }
    }
}

#[cfg(test)]
mod tests;
