//! Numbers, lengths of time and dates by locale.
//!
//! The words of a mail are English; figures follow the reader's country, by the data of CLDR:
//! digits, groups, signs of decimals and percentages, the order and the signs of dates and times.
//! Units, weekdays, months and halves of the day are words, and stay English; a date of a locale
//! that is not English is therefore written in figures, behind its weekday. The minus is the sign
//! U+2212 everywhere. All dates are Gregorian, as the periods of reports are.
//!
//! A mail runs from left to right as its words do. CLDR's own marks of direction, which are made for
//! texts that run the other way, are left out; figures in Arabic-Indic digits stand in isolates
//! (U+2068, U+2069), so that two of them beside each other keep their order. An unknown locale is
//! written as `en-GB`.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use crate::domain::expr::Unit;
use crate::domain::period::Window;
use crate::domain::report::Format;
use crate::domain::table::Column;
use crate::domain::value::Value;
use crate::domain::zone::Zone;

mod facts;
mod known;
mod safe;

use facts::{Facts, Piece};
use known::Tag;

pub use known::UnknownLocale;
pub use safe::{clean, clipped, isolated, plain, shortened};

const NBSP: &str = "\u{a0}";
const MINUS: char = '\u{2212}';
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// How a language and country write figures. Cheap to copy: the data of each are read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locale(&'static Facts);

impl Locale {
    /// The locale of a tag such as `de-DE`; an unknown one is written as `en-GB`.
    pub fn named(tag: &str) -> Locale {
        Locale(Facts::of(&Tag::or_english(Tag::read(tag))))
    }

    /// The language of the mail's words, for `lang` and `Content-Language`.
    pub fn language(self) -> &'static str {
        &self.0.language
    }

    /// A whole number, grouped: `1,204`.
    pub fn integer(self, n: i64) -> String {
        let digits = self.grouped(&n.unsigned_abs().to_string());
        self.whole(if n < 0 { format!("{MINUS}{digits}") } else { digits })
    }

    /// A number with exactly so many decimals: `12.50`.
    pub fn decimals(self, x: f64, decimals: u8) -> String {
        self.whole(self.bare_decimals(x, decimals))
    }

    /// A number to at most two decimals, more where it would vanish: `12.5`, `0.0012`.
    pub fn real(self, x: f64) -> String {
        self.whole(self.bare_real(x))
    }

    /// A fraction of one as percent with one decimal. What is not nothing, or not all, never reads
    /// as if it were: `<0.1%`, `>99.9%`.
    pub fn percent(self, share: f64) -> String {
        let percent = share * 100.0;
        let (sign, shown) = match percent {
            p if p > 0.0 && p < 0.05 => ("<", 0.1),
            p if (99.95..100.0).contains(&p) => (">", 99.9),
            p => ("", p),
        };
        let (before, after) = &self.0.percent;
        self.whole(format!("{sign}{before}{}{after}", self.bare_decimals(shown, 1)))
    }

    /// Seconds as `3 min 20 s`: the two largest units that say something.
    pub fn duration(self, seconds: f64) -> String {
        let x = seconds.abs();
        if x < 59.95 {
            let text = if x < 0.95 { self.bare_real(x) } else { self.trimmed(x) };
            let negative = seconds < 0.0 && text != self.digits("0");
            let text = if negative { format!("{MINUS}{text}") } else { text };
            return format!("{}{NBSP}s", self.whole(text));
        }
        let two = |large: u64, small: u64, names: (&str, &str)| {
            let large = i64::try_from(large).unwrap_or(i64::MAX);
            let large = self.integer(if seconds < 0.0 { -large } else { large });
            match small {
                0 => format!("{large}{NBSP}{}", names.0),
                _ => {
                    let small = self.whole(self.digits(&small.to_string()));
                    format!("{large}{NBSP}{} {small}{NBSP}{}", names.0, names.1)
                }
            }
        };
        // Rounded first, so that 59 min 59.7 s becomes an hour and not 60 minutes.
        let (s, m, h) = (x.round() as u64, (x / 60.0).round() as u64, (x / 3600.0).round() as u64);
        if s < 3600 {
            two(s / 60, s % 60, ("min", "s"))
        } else if m < 24 * 60 {
            two(m / 60, m % 60, ("h", "min"))
        } else {
            two(h / 24, h % 24, ("d", "h"))
        }
    }

    /// A number as its format says.
    pub fn number(self, x: f64, format: Format) -> String {
        match format {
            Format::Auto if x.fract() == 0.0 && x.abs() < 1e15 => self.integer(x as i64),
            Format::Auto => self.real(x),
            Format::Duration => self.duration(x),
            Format::Percent => self.percent(x),
            Format::Decimals(decimals) => self.decimals(x, decimals),
        }
    }

    /// A value of a column; `None` for null, whose text is the table's.
    pub fn value(self, value: &Value, column: &Column, zone: &Zone) -> Option<String> {
        if let Some(unit) = column.unit
            && let Some(text) = self.calendar(value, unit, zone)
        {
            return Some(text);
        }
        match value {
            Value::Null => None,
            Value::Boolean(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
            Value::Integer(n) if matches!(column.format, Format::Auto) => Some(self.integer(*n)),
            Value::Integer(n) => Some(self.number(*n as f64, column.format)),
            Value::Real(x) if matches!(column.format, Format::Auto) => Some(self.real(*x)),
            Value::Real(x) => Some(self.number(*x, column.format)),
            Value::Text(text) => Some(clean(text)),
            Value::Timestamp(at) => Some(self.stamp(zone.civil(*at))),
        }
    }

    /// A calendar unit in words: the first instant of a day as its date, 1 as Monday.
    fn calendar(self, value: &Value, unit: Unit, zone: &Zone) -> Option<String> {
        match (unit, value) {
            (Unit::Day, Value::Timestamp(at)) => Some(self.day(zone.civil(*at).date())),
            (Unit::Week, Value::Timestamp(at)) => {
                Some(format!("week of {}", self.date(zone.civil(*at).date())))
            }
            (Unit::Month, Value::Timestamp(at)) => {
                let date = zone.civil(*at).date();
                let year = self.whole(self.digits(&date.year().to_string()));
                Some(format!("{} {year}", MONTHS[date.month0() as usize]))
            }
            (Unit::Hour, Value::Integer(hour)) => {
                let time = NaiveTime::from_hms_opt(u32::try_from(*hour).ok()?, 0, 0)?;
                Some(self.time(time))
            }
            (Unit::Weekday, Value::Integer(day)) => {
                let index = usize::try_from(day - 1).ok()?;
                DAYS.get(index).map(|name| (*name).to_owned())
            }
            _ => None,
        }
    }

    /// A date: `16 Nov 2026`.
    pub fn date(self, date: NaiveDate) -> String {
        self.pieces(&self.0.date, date.and_time(NaiveTime::MIN))
    }

    /// A date with its weekday: `Mon 16 Nov 2026`.
    pub fn day(self, date: NaiveDate) -> String {
        format!("{}{}{}", weekday(date), self.0.after_weekday, self.date(date))
    }

    /// A date with its weekday and without its year.
    pub fn day_of_year(self, date: NaiveDate) -> String {
        let day = self.pieces(&self.0.day_of_year, date.and_time(NaiveTime::MIN));
        format!("{}{}{day}", weekday(date), self.0.after_weekday)
    }

    /// The first day of a range whose last one has the year, unless that stands first.
    fn first_day(self, date: NaiveDate) -> String {
        if self.0.year_first { self.day(date) } else { self.day_of_year(date) }
    }

    /// A time of day: `08:05`.
    pub fn time(self, time: NaiveTime) -> String {
        self.pieces(&self.0.time, NaiveDate::default().and_time(time))
    }

    /// A civil instant: `16 Nov 2026 08:05`.
    pub fn stamp(self, at: NaiveDateTime) -> String {
        format!("{} {}", self.date(at.date()), self.time(at.time()))
    }

    /// A stretch of time in words: whole days of the zone by their dates, the last one included;
    /// else with times, and with offsets where the clocks changed between.
    pub fn window(self, window: Window, zone: &Zone) -> String {
        let (from, to) = (zone.civil(window.from), zone.civil(window.to));
        let starts_a_day = |at, civil: NaiveDateTime| {
            zone.first_instant(civil.date().and_time(NaiveTime::MIN)) == at
        };
        if window.from < window.to && starts_a_day(window.from, from) && starts_a_day(window.to, to)
        {
            let last = zone.civil(window.to - TimeDelta::milliseconds(1)).date();
            return match (from.date() == last, from.year() == last.year()) {
                (true, _) => self.day(last),
                (_, true) => format!("{} to {}", self.first_day(from.date()), self.day(last)),
                _ => format!("{} to {}", self.day(from.date()), self.day(last)),
            };
        }
        let offsets = [window.from, window.to].map(|at| zone.offset_seconds(at));
        let time = |civil: NaiveDateTime, offset: i32| match offsets[0] == offsets[1] {
            true => self.time(civil.time()),
            false => format!("{} (UTC{})", self.time(civil.time()), offset_words(offset)),
        };
        let (begin, end) = (time(from, offsets[0]), time(to, offsets[1]));
        if from.date() == to.date() {
            return format!("{}, {begin} to {end}", self.day(from.date()));
        }
        let first = match from.year() == to.year() {
            true => self.first_day(from.date()),
            false => self.day(from.date()),
        };
        format!("{first}, {begin} to {}, {end}", self.day(to.date()))
    }

    fn bare_decimals(self, x: f64, decimals: u8) -> String {
        let negative = if x < 0.0 { MINUS.to_string() } else { String::new() };
        if x.abs() >= 1e15 {
            let text = self.digits(&format!("{:.3e}", x.abs()));
            return format!("{negative}{}", text.replace('.', &self.0.decimal));
        }
        let text = format!("{:.*}", usize::from(decimals.min(12)), x.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let mut out = self.grouped(whole);
        if !fraction.is_empty() {
            out.push_str(&self.0.decimal);
            out.push_str(&self.digits(fraction));
        }
        // What rounds to zero has no sign.
        let zero = !text.bytes().any(|b| b.is_ascii_digit() && b != b'0');
        if zero { out } else { negative + &out }
    }

    fn bare_real(self, x: f64) -> String {
        let decimals = match x.abs() {
            a if a == 0.0 || a >= 0.01 => 2,
            a => (1.0 - a.log10().floor()).clamp(2.0, 12.0) as u8,
        };
        let text = self.bare_decimals(x, decimals);
        match text.contains(&self.0.decimal) && !text.contains('e') {
            true => self.untailed(&text),
            false => text,
        }
    }

    /// One decimal, none if it is zero.
    fn trimmed(self, x: f64) -> String {
        self.untailed(&self.bare_decimals(x, 1))
    }

    /// Without zeros at the end of its decimals.
    fn untailed(self, text: &str) -> String {
        text.trim_end_matches(self.0.digits[0]).trim_end_matches(self.0.decimal.as_str()).to_owned()
    }

    /// ASCII digits as the locale's.
    fn digits(self, text: &str) -> String {
        let digit = |c: char| c.to_digit(10).map_or(c, |digit| self.0.digits[digit as usize]);
        text.chars().map(digit).collect()
    }

    fn grouped(self, digits: &str) -> String {
        let (last, before) = self.0.sizes;
        let grouped = digits.len() >= self.0.grouped_from;
        let mut out = String::with_capacity(digits.len() * 2);
        for (i, digit) in digits.char_indices() {
            let left = digits.len() - i;
            let boundary = left == last || left > last && (left - last).is_multiple_of(before);
            if i > 0 && grouped && boundary {
                out.push_str(&self.0.group);
            }
            out.push(digit.to_digit(10).map_or(digit, |d| self.0.digits[d as usize]));
        }
        out
    }

    /// A figure that leaves the order of what stands beside it alone.
    fn whole(self, text: String) -> String {
        if self.0.turns() { format!("\u{2068}{text}\u{2069}") } else { text }
    }

    fn pieces(self, pieces: &[Piece], at: NaiveDateTime) -> String {
        let mut out = String::new();
        let figure = |n: u32, padded: bool| {
            self.digits(&if padded { format!("{n:02}") } else { n.to_string() })
        };
        for piece in pieces {
            match piece {
                Piece::Day(padded) => out.push_str(&figure(at.day(), *padded)),
                Piece::Month(padded) => out.push_str(&figure(at.month(), *padded)),
                Piece::MonthName => out.push_str(MONTHS[at.month0() as usize]),
                Piece::Year => out.push_str(&self.digits(&at.year().to_string())),
                Piece::Hour(padded) => {
                    let hour = if self.0.twelve { at.hour12().1 } else { at.hour() };
                    out.push_str(&figure(hour, *padded));
                }
                Piece::Minute => out.push_str(&figure(at.minute(), true)),
                Piece::Half(am, pm) => out.push_str(if at.hour12().0 { pm } else { am }),
                Piece::Between(text) => out.push_str(text),
            }
        }
        self.whole(out)
    }
}

fn offset_words(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn weekday(date: NaiveDate) -> &'static str {
    &DAYS[date.weekday().num_days_from_monday() as usize][..3]
}

#[cfg(test)]
mod tests;
