//! Comparing: the figures of a period with those of earlier ones like it.
//!
//! A baseline is one or several stretches of time of the same shape as the report's own: the period
//! before, several before, or the same weekdays of earlier weeks. A stretch that would mislead (a
//! holiday, or before the records begin) is left out and told. A change is flagged only when it lies
//! outside what those stretches have shown: see [`Delta::of`].

use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::period::{Period, Window};
use super::zone::Zone;

mod delta;
mod earlier;
#[cfg(test)]
mod tests;

pub use delta::Noise;
pub use earlier::{Earlier, beside, noise, of_absent};

/// What a report's figures are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// So many periods before it, the mean of them; of a period that is under way, the same part
    /// of each.
    Periods(u32),
    /// The same stretch so many weeks back, each week once: the same weekdays.
    Weeks(u32),
}

/// A column's values over earlier periods, drawn small in each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trend {
    /// The column's name.
    pub column: String,
    /// How many periods, the report's own included; at least 2.
    pub periods: u32,
}

/// What a table was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// In words, with what was left out: `the previous 7 days`, `the same weekday of the last 4
    /// weeks (1 left out: 25 Dec is a holiday)`.
    pub words: String,
    /// The stretches, newest first.
    pub windows: Vec<Window>,
    /// Stretches that were left out, each with the reason.
    pub left_out: Vec<(Window, String)>,
}

/// A figure beside its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// The mean of the baseline.
    pub before: f64,
    /// The figure less the baseline.
    pub change: f64,
    /// The change as a part of the baseline's size; `None` where the baseline is zero.
    pub relative: Option<f64>,
    /// The usual spread, where the baseline has stretches enough to know one.
    pub usual: Option<(f64, f64)>,
    /// Whether the figure lies outside its usual spread.
    pub unusual: bool,
    /// Whether the change is for the better, where the column's goal says which way that is.
    pub better: Option<bool>,
}

/// What stands beside the values of one row (or total).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// For each column its change; empty where nothing is compared.
    pub deltas: Vec<Option<Delta>>,
    /// The trend's values, oldest first, this period last; empty where there is no trend.
    pub trend: Vec<Option<f64>>,
    /// For each column the address of the record that its cell names; empty where none has one.
    pub links: Vec<Option<String>>,
}

/// A figure of an earlier mail that is another one now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restated {
    /// The slot of the mail that told it.
    pub slot: DateTime<Utc>,
    /// The stretch of time it was about.
    pub window: Window,
    /// Index of the column.
    pub column: usize,
    /// As it was told.
    pub before: f64,
    /// As it is now.
    pub now: f64,
}

/// A slot of a report, as far as it decides what is compared.
#[derive(Clone, Copy, Debug)]
pub struct Standpoint<'a> {
    /// The report's period.
    pub period: &'a Period,
    /// The slot.
    pub slot: DateTime<Utc>,
    /// The zone of its days.
    pub zone: &'a Zone,
    /// Weekday on which weeks begin, 1 (Monday) to 7.
    pub week_starts: u8,
    /// Stretches with one of its holidays are left out of a comparison by weeks.
    pub calendar: Option<&'a Calendar>,
    /// The records reach back to here; `None`: to their beginning. What begins before is left out,
    /// since what was never loaded would count as nothing.
    pub begins: Option<DateTime<Utc>>,
}

impl Compare {
    /// At most so many stretches: each is a reading of the records of its own.
    pub const STRETCHES_MAX: u32 = 12;

    /// How many stretches it has.
    pub fn count(self) -> u32 {
        match self {
            Compare::Periods(count) | Compare::Weeks(count) => count,
        }
    }

    /// Why a report of this period cannot be compared so; the reason says after a semicolon what to
    /// write instead.
    pub fn fits(self, period: &Period) -> Result<(), String> {
        match self {
            _ if period.days_about().is_none() => {
                Err("all time has nothing before it to compare with; write a period, e.g. `last 7 \
                 days`"
                    .to_owned())
            }
            Compare::Weeks(_) if !period.at_most_a_week() => Err(format!(
                "earlier weeks overlap `{}`, which is longer than a week; write `previous period`",
                period.words()
            )),
            _ => Ok(()),
        }
    }

    /// The baseline of a slot.
    pub fn baseline(self, at: &Standpoint<'_>) -> Compared {
        let all = (1..=self.count()).filter_map(|back| match self {
            Compare::Periods(_) => at.before(back),
            Compare::Weeks(_) => at.period.weeks_before(back, at.slot, at.zone, at.week_starts),
        });
        let (mut windows, mut left_out) = (Vec::new(), Vec::new());
        let (mut holidays, mut early) = (Vec::new(), false);
        for window in all {
            if at.begins.is_some_and(|begins| window.from < begins) {
                early = true;
                left_out.push((window, at.begin_words()));
                continue;
            }
            let closed = match self {
                Compare::Weeks(_) => at.holidays(window),
                Compare::Periods(_) => Vec::new(),
            };
            if closed.is_empty() {
                windows.push(window);
            } else {
                left_out.push((window, at.holiday_words(&closed)));
                holidays.extend(closed);
            }
        }
        let mut reasons = Vec::new();
        if !holidays.is_empty() {
            reasons.push(at.holiday_words(&holidays));
        }
        reasons.extend(early.then(|| at.begin_words()));
        let mut words = match self {
            Compare::Periods(count) => at.period.words_before(count),
            Compare::Weeks(count) => at.period.words_weeks(count),
        };
        let reasons = reasons.join("; ");
        match (left_out.len(), windows.len()) {
            (0, _) => {}
            (1, 0) => words += &format!(", which is left out: {reasons}"),
            (_, 0) => words += &format!(", all of them left out: {reasons}"),
            (count, _) => words += &format!(" ({count} left out: {reasons})"),
        }
        let own = match (self, at.before(0)) {
            (Compare::Weeks(_), Some(own)) => at.holidays(own),
            _ => Vec::new(),
        };
        if !own.is_empty() && !windows.is_empty() {
            words += &format!("; in this one {}", at.holiday_words(&own));
        }
        Compared { words, windows, left_out }
    }
}

impl Standpoint<'_> {
    /// The period `count` before the slot's own.
    pub fn before(&self, count: u32) -> Option<Window> {
        self.period.before(count, self.slot, self.zone, self.week_starts)
    }

    /// The holidays inside a window.
    fn holidays(&self, window: Window) -> Vec<NaiveDate> {
        let Some(calendar) = self.calendar else { return Vec::new() };
        let last = self.zone.date(window.to - TimeDelta::nanoseconds(1));
        let dates = self.zone.date(window.from).iter_days().take_while(|date| *date <= last);
        dates.filter(|date| calendar.is_holiday(*date)).collect()
    }

    /// `25 Dec is a holiday`, `25 and 26 Dec are holidays` written out.
    fn holiday_words(&self, dates: &[NaiveDate]) -> String {
        let mut dates = dates.to_vec();
        dates.sort_unstable();
        dates.dedup();
        let each: Vec<String> = dates.iter().map(|date| self.date_words(*date)).collect();
        match each.as_slice() {
            [one] => format!("{one} is a holiday"),
            [first @ .., last] => format!("{} and {last} are holidays", first.join(", ")),
            [] => String::new(),
        }
    }

    fn begin_words(&self) -> String {
        let begins = self.begins.unwrap_or(self.slot);
        format!("records reach back to {}", self.zone.date(begins).format("%-d %b %Y"))
    }

    /// The year only where it is not the slot's own.
    fn date_words(&self, date: NaiveDate) -> String {
        let same = date.year() == self.zone.date(self.slot).year();
        date.format(if same { "%-d %b" } else { "%-d %b %Y" }).to_string()
    }
}

impl Trend {
    /// At most so many periods: each is a reading of the records of its own.
    pub const PERIODS_MAX: u32 = 31;

    /// The stretches of a slot, oldest first, its own last. `None` for those before the records
    /// begin: nothing is known of them.
    pub fn windows(&self, at: &Standpoint<'_>) -> Vec<Option<Window>> {
        let known = |window: &Window| at.begins.is_none_or(|begins| begins <= window.from);
        let each = (0..self.periods).rev();
        each.map(|back| match back {
            0 => at.before(0),
            _ => at.before(back).filter(known),
        })
        .collect()
    }
}

impl FromStr for Compare {
    type Err = String;

    /// `previous period`, `last 6 periods`, `last 4 weeks`; the error says after a semicolon what to
    /// write.
    fn from_str(text: &str) -> Result<Compare, String> {
        const HELP: &str = "write `previous period`, e.g. `last 6 periods`, or e.g. `last 4 weeks` \
            for the same weekdays of earlier weeks";
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let unknown = || format!("`{text}` is nothing to compare with; {HELP}");
        let (count, unit) = match words.as_slice() {
            ["previous" | "last", unit] => (1, *unit),
            ["previous" | "last", count, unit] => {
                (count.parse::<u32>().map_err(|_| unknown())?, *unit)
            }
            _ => return Err(unknown()),
        };
        if !(1..=Compare::STRETCHES_MAX).contains(&count) {
            let max = Compare::STRETCHES_MAX;
            return Err(format!("`{text}` is not from 1 to {max} stretches; {HELP}"));
        }
        match unit {
            "period" | "periods" => Ok(Compare::Periods(count)),
            "week" | "weeks" => Ok(Compare::Weeks(count)),
            _ => Err(unknown()),
        }
    }
}

impl FromStr for Trend {
    type Err = String;

    /// `Sessions over 8 periods`, the column in quotes or not; the error says after a semicolon what
    /// to write.
    fn from_str(text: &str) -> Result<Trend, String> {
        const HELP: &str = "write e.g. `Sessions over 8 periods`";
        let unknown = || format!("`{text}` is no trend; {HELP}");
        let (column, over) = text.trim().rsplit_once(" over ").ok_or_else(unknown)?;
        let words: Vec<&str> = over.split_whitespace().collect();
        let [count, "periods"] = words.as_slice() else { return Err(unknown()) };
        let column = column.trim();
        let quoted = column.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let column = quoted.map_or_else(|| column.to_owned(), |quoted| quoted.replace("''", "'"));
        match count.parse::<u32>() {
            Ok(periods @ 2..=Trend::PERIODS_MAX) => Ok(Trend { column, periods }),
            _ => Err(format!("a trend is over 2 to {} periods; {HELP}", Trend::PERIODS_MAX)),
        }
    }
}
