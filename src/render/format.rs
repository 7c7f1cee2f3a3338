//! Numbers, lengths of time and dates by locale.
//!
//! The words of a mail are English; figures follow the reader's country. An unknown locale is
//! written as `en-GB`.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use crate::domain::expr::Unit;
use crate::domain::period::Window;
use crate::domain::report::Format;
use crate::domain::table::Column;
use crate::domain::value::Value;
use crate::domain::zone::Zone;

const NBSP: &str = "\u{a0}";
const NARROW: &str = "\u{202f}";
const MINUS: char = '\u{2212}';
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// How a language and country write figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locale {
    language: &'static str,
    group: &'static str,
    decimal: &'static str,
    percent_gap: &'static str,
    dates: Dates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dates {
    /// `Mon 16 Nov 2026`, 24 hours.
    DayMonth,
    /// `Mon, Nov 16, 2026`, 12 hours.
    MonthDay,
    /// `16.11.2026` with this separator, 24 hours.
    Numeric(&'static str),
    /// `2026-11-16`.
    Iso,
}

impl Locale {
    /// The locale of a tag such as `de-DE`; an unknown one is written as `en-GB`.
    pub fn named(tag: &str) -> Locale {
        let mut parts = tag.split(['-', '_']);
        let language = parts.next().unwrap_or_default().to_ascii_lowercase();
        let country = parts.next().unwrap_or_default().to_ascii_uppercase();
        // Mails are in English whatever the figures look like, and say so.
        let make = |group, decimal, percent_gap, dates| Locale {
            language: "en",
            group,
            decimal,
            percent_gap,
            dates,
        };
        match (language.as_str(), country.as_str()) {
            ("en", "US") => Locale { language: "en-US", ..make(",", ".", "", Dates::MonthDay) },
            ("de", "CH" | "LI") => make("\u{2019}", ".", "", Dates::Numeric(".")),
            ("de", _) => make(".", ",", NBSP, Dates::Numeric(".")),
            ("fr", _) => make(NARROW, ",", NARROW, Dates::Numeric("/")),
            ("es", _) => make(".", ",", NBSP, Dates::Numeric("/")),
            ("it" | "pt", _) => make(".", ",", "", Dates::Numeric("/")),
            ("nl", _) => make(".", ",", "", Dates::Numeric("-")),
            ("da", _) => make(".", ",", NBSP, Dates::Numeric(".")),
            ("sv", _) => make(NBSP, ",", NBSP, Dates::Iso),
            ("pl" | "cs" | "sk" | "fi" | "nb" | "no" | "uk", _) => {
                make(NBSP, ",", NBSP, Dates::Numeric("."))
            }
            _ => Locale { language: "en-GB", ..make(",", ".", "", Dates::DayMonth) },
        }
    }

    /// The language of the mail's words, for `lang` and `Content-Language`.
    pub fn language(self) -> &'static str {
        self.language
    }

    /// A whole number, grouped: `1,204`.
    pub fn integer(self, n: i64) -> String {
        let digits = self.grouped(&n.unsigned_abs().to_string());
        if n < 0 { format!("{MINUS}{digits}") } else { digits }
    }

    /// A number with exactly so many decimals: `12.50`.
    pub fn decimals(self, x: f64, decimals: u8) -> String {
        if x.abs() >= 1e15 {
            return format!("{x:.3e}").replace('.', self.decimal);
        }
        let text = format!("{:.*}", usize::from(decimals.min(12)), x.abs());
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let mut out = self.grouped(whole);
        if !fraction.is_empty() {
            out.push_str(self.decimal);
            out.push_str(fraction);
        }
        // What rounds to zero has no sign.
        let zero = !text.bytes().any(|b| b.is_ascii_digit() && b != b'0');
        if x < 0.0 && !zero { format!("{MINUS}{out}") } else { out }
    }

    /// A number to at most two decimals, more where it would vanish: `12.5`, `0.0012`.
    pub fn real(self, x: f64) -> String {
        let decimals = match x.abs() {
            a if a == 0.0 || a >= 0.01 => 2,
            a => (1.0 - a.log10().floor()).clamp(2.0, 12.0) as u8,
        };
        let text = self.decimals(x, decimals);
        match text.contains(self.decimal) && !text.contains('e') {
            true => text.trim_end_matches('0').trim_end_matches(self.decimal).to_owned(),
            false => text,
        }
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
        format!("{sign}{}{}%", self.decimals(shown, 1), self.percent_gap)
    }

    /// Seconds as `3 min 20 s`: the two largest units that say something.
    pub fn duration(self, seconds: f64) -> String {
        let sign = if seconds < 0.0 { "\u{2212}" } else { "" };
        let x = seconds.abs();
        let two = |large: u64, small: u64, names: (&str, &str)| match small {
            0 => format!("{sign}{}{NBSP}{}", self.integer(large as i64), names.0),
            _ => format!(
                "{sign}{}{NBSP}{} {small}{NBSP}{}",
                self.integer(large as i64),
                names.0,
                names.1
            ),
        };
        if x < 59.95 {
            let text = if x < 0.95 { self.real(x) } else { self.trimmed(x) };
            let sign = if text == "0" { "" } else { sign };
            return format!("{sign}{text}{NBSP}s");
        }
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

    fn trimmed(self, x: f64) -> String {
        let text = self.decimals(x, 1);
        text.strip_suffix(&format!("{}0", self.decimal)).map_or(text.clone(), str::to_owned)
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
                Some(format!("{} {}", MONTHS[date.month0() as usize], date.year()))
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
        let (d, m, y) = (date.day(), MONTHS[date.month0() as usize], date.year());
        match self.dates {
            Dates::DayMonth => format!("{d} {m} {y}"),
            Dates::MonthDay => format!("{m} {d}, {y}"),
            Dates::Numeric(sep) => format!("{d:02}{sep}{:02}{sep}{y}", date.month()),
            Dates::Iso => format!("{y}-{:02}-{d:02}", date.month()),
        }
    }

    /// A date with its weekday where the locale's dates have words: `Mon 16 Nov 2026`.
    pub fn day(self, date: NaiveDate) -> String {
        let name = weekday(date);
        match self.dates {
            Dates::DayMonth => format!("{name} {}", self.date(date)),
            Dates::MonthDay => format!("{name}, {}", self.date(date)),
            Dates::Numeric(_) | Dates::Iso => self.date(date),
        }
    }

    /// A date with its weekday and without its year, for the beginning of a range.
    pub fn day_of_year(self, date: NaiveDate) -> String {
        let (d, m) = (date.day(), MONTHS[date.month0() as usize]);
        match self.dates {
            Dates::DayMonth => format!("{} {d} {m}", weekday(date)),
            Dates::MonthDay => format!("{}, {m} {d}", weekday(date)),
            Dates::Numeric(_) | Dates::Iso => self.date(date),
        }
    }

    /// A time of day: `08:05`.
    pub fn time(self, time: NaiveTime) -> String {
        match self.dates {
            Dates::MonthDay => {
                let (afternoon, hour) = time.hour12();
                let half = if afternoon { "PM" } else { "AM" };
                format!("{hour}:{:02}{NBSP}{half}", time.minute())
            }
            _ => format!("{:02}:{:02}", time.hour(), time.minute()),
        }
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
                (_, true) => format!("{} to {}", self.day_of_year(from.date()), self.day(last)),
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
            true => self.day_of_year(from.date()),
            false => self.day(from.date()),
        };
        format!("{first}, {begin} to {}, {end}", self.day(to.date()))
    }

    fn grouped(self, digits: &str) -> String {
        let mut out = String::with_capacity(digits.len() * 2);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push_str(self.group);
            }
            out.push(digit);
        }
        out
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

/// Text from records and configs made safe to show: control characters become spaces, marks that
/// turn the direction of what follows are dropped.
pub fn clean(text: &str) -> String {
    let keep = text.chars().filter(|c| !turns_text(*c));
    let spaced =
        keep.map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    let out: String = spaced.collect();
    out.trim().to_owned()
}

/// [`clean`], and cut to so many characters.
pub fn clipped(text: &str, max: usize) -> String {
    let text = clean(text);
    match text.char_indices().nth(max) {
        None => text,
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}

fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a text has letters written from right to left.
fn right_to_left(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    })
}

/// A text between isolates where its letters run from right to left, so that they leave the order
/// of what stands around them alone.
pub fn isolated(text: String) -> String {
    if right_to_left(&text) { format!("\u{2068}{text}\u{2069}") } else { text }
}

/// A text in the letters that every plain-text reader and header has: fixed spaces and the minus
/// sign become their ASCII kin.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{a0}' | '\u{202f}' => ' ',
            MINUS => '-',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests;
