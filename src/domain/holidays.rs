//! Public holidays of the common countries, from rules: which days offices are closed on.
//!
//! The rules (`holidays/rules.txt`) were compared, weekday by weekday, for 2018 to 2035 with the
//! tables of an independent program; where a country's offices close on more days than its law
//! names (Swedish eves), those are in. A country whose days are decided year by year, or state by
//! state in ways that rules do not tell, is not here: a config lists its days.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use chrono::{Datelike, Days, NaiveDate, Weekday};

const RULES: &str = include_str!("holidays/rules.txt");

/// The holidays of one country, or of one part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holidays {
    code: String,
    country: &'static Country,
    part: Option<&'static str>,
    /// Those of [`READY`], worked out once: rules ask at every evaluation.
    ready: Arc<BTreeMap<NaiveDate, &'static str>>,
}

/// The years whose holidays are worked out when a config is read.
const READY: std::ops::RangeInclusive<i32> = 2000..=2060;

#[derive(Debug, PartialEq, Eq)]
struct Country {
    code: &'static str,
    name: &'static str,
    parts: Vec<&'static str>,
    rules: Vec<Rule>,
}

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    /// Those who have it; `None`: all.
    parts: Option<Vec<&'static str>>,
    day: Day,
    years: (i32, i32),
    moved: Option<Moved>,
    name: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Fixed(u32, u32),
    /// So many days after Easter Sunday.
    Easter(i64),
    /// The n-th weekday of a month; -1 is the last.
    Nth(i8, Weekday, u32),
    /// The first such weekday on or after a date.
    OnOrAfter(Weekday, u32, u32),
    /// The last such weekday on or before a date.
    OnOrBefore(Weekday, u32, u32),
}

/// Which day is free as well where the holiday itself falls on a weekend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    /// The next weekday that is no holiday.
    Next,
    /// The Friday before a Saturday, the Monday after a Sunday.
    Near,
}

impl Holidays {
    /// Those of a country (`AT`) or of a part of it (`DE-BE`), by ISO 3166 codes in any case. The
    /// error says which there are.
    pub fn of(code: &str) -> Result<Holidays, String> {
        let upper = code.trim().to_ascii_uppercase();
        let (country, part) = upper.split_once('-').map_or((&*upper, None), |(c, p)| (c, Some(p)));
        let Some(known) = countries().iter().find(|known| known.code == country) else {
            let codes: Vec<&str> = countries().iter().map(|country| country.code).collect();
            return Err(format!(
                "the holidays of `{code}` are not built in; there are {}",
                codes.join(", ")
            ));
        };
        let part = match part {
            None => None,
            Some(part) => match known.parts.iter().find(|known| **known == part) {
                Some(part) => Some(*part),
                None if known.parts.is_empty() => {
                    return Err(format!(
                        "the parts of {} are not told apart: write `{country}`",
                        known.name
                    ));
                }
                None => {
                    let parts = known.parts.join(", ");
                    return Err(format!(
                        "{} has no part `{part}` here; there are {parts}",
                        known.name
                    ));
                }
            },
        };
        let mut holidays =
            Holidays { code: upper.clone(), country: known, part, ready: Arc::default() };
        let mut ready = BTreeMap::new();
        for year in READY {
            ready.extend(holidays.around(year).into_iter().filter(|(day, _)| day.year() == year));
        }
        holidays.ready = Arc::new(ready);
        Ok(holidays)
    }

    /// Its code, e.g. `DE-BE`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The country's name, e.g. `Germany`.
    pub fn country(&self) -> &'static str {
        self.country.name
    }

    /// The name of the holiday on a date, if it is one.
    pub fn on(&self, date: NaiveDate) -> Option<&'static str> {
        if READY.contains(&date.year()) {
            return self.ready.get(&date).copied();
        }
        self.around(date.year()).get(&date).copied()
    }

    /// All holidays of a year, and those of the years beside it: what is moved from the days around
    /// the turn of the year belongs to either.
    fn around(&self, year: i32) -> BTreeMap<NaiveDate, &'static str> {
        let years = year.saturating_sub(1)..=year.saturating_add(1);
        let each = years.flat_map(|year| self.rules(year).map(move |rule| (rule, year)));
        let dated: Vec<(NaiveDate, &Rule)> =
            each.filter_map(|(rule, year)| Some((rule.day.of(year)?, rule))).collect();
        let mut days: BTreeMap<NaiveDate, &'static str> =
            dated.iter().map(|(date, rule)| (*date, rule.name)).collect();
        let mut moved: Vec<_> = dated
            .into_iter()
            .filter_map(|(date, rule)| Some((date, rule.moved?, rule.name)))
            .collect();
        moved.sort_unstable_by_key(|(date, ..)| *date);
        for (date, moved, name) in moved {
            if let Some(free) = free_instead(date, moved, &days) {
                days.entry(free).or_insert(name);
            }
        }
        days
    }

    fn rules(&self, year: i32) -> impl Iterator<Item = &'static Rule> + use<'_> {
        let part = self.part;
        self.country.rules.iter().filter(move |rule| {
            let here = match (&rule.parts, part) {
                (None, _) => true,
                (Some(parts), Some(part)) => parts.contains(&part),
                (Some(_), None) => false,
            };
            here && (rule.years.0..=rule.years.1).contains(&year)
        })
    }
}

/// The weekday that is free because a holiday falls on a weekend.
fn free_instead(
    date: NaiveDate,
    moved: Moved,
    days: &BTreeMap<NaiveDate, &'static str>,
) -> Option<NaiveDate> {
    let weekend = |date: NaiveDate| matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
    if !weekend(date) {
        return None;
    }
    match (moved, date.weekday()) {
        (Moved::Near, Weekday::Sat) => date.pred_opt(),
        (Moved::Near, _) => date.succ_opt(),
        (Moved::Next, _) => {
            date.iter_days().skip(1).take(14).find(|day| !weekend(*day) && !days.contains_key(day))
        }
    }
}

impl Day {
    fn of(self, year: i32) -> Option<NaiveDate> {
        match self {
            Day::Fixed(month, day) => NaiveDate::from_ymd_opt(year, month, day),
            Day::Easter(after) => {
                let days = Days::new(after.unsigned_abs());
                let easter = easter(year)?;
                if after < 0 {
                    easter.checked_sub_days(days)
                } else {
                    easter.checked_add_days(days)
                }
            }
            Day::Nth(n @ 1.., weekday, month) => {
                NaiveDate::from_weekday_of_month_opt(year, month, weekday, n.unsigned_abs())
            }
            Day::Nth(_, weekday, month) => (4..=5)
                .rev()
                .find_map(|n| NaiveDate::from_weekday_of_month_opt(year, month, weekday, n)),
            Day::OnOrAfter(weekday, month, day) => NaiveDate::from_ymd_opt(year, month, day)?
                .iter_days()
                .take(7)
                .find(|date| date.weekday() == weekday),
            Day::OnOrBefore(weekday, month, day) => {
                let last = NaiveDate::from_ymd_opt(year, month, day)?;
                let first = last.checked_sub_days(Days::new(6))?;
                first.iter_days().take(7).find(|date| date.weekday() == weekday)
            }
        }
    }
}

/// Easter Sunday of the Gregorian calendar (Butcher's method).
fn easter(year: i32) -> Option<NaiveDate> {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
}

fn countries() -> &'static [Country] {
    static COUNTRIES: OnceLock<Vec<Country>> = OnceLock::new();
    COUNTRIES.get_or_init(|| read(RULES))
}

/// Reads the rules' file; a test reads every line of it.
fn read(text: &'static str) -> Vec<Country> {
    let mut countries: Vec<Country> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some((code, name)) = heading(line) {
            countries.push(Country { code, name, parts: Vec::new(), rules: Vec::new() });
            continue;
        }
        let country = countries.last_mut().expect("the file begins with a country");
        match line.strip_prefix("parts ") {
            Some(parts) => country.parts = parts.split(' ').collect(),
            None => country.rules.push(rule(line).expect("a rule of the file can be read")),
        }
    }
    countries
}

/// `DE Germany`.
fn heading(line: &'static str) -> Option<(&'static str, &'static str)> {
    let (code, name) = line.split_once(' ')?;
    (code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())).then_some((code, name))
}

fn rule(line: &'static str) -> Option<Rule> {
    let (parts, line) = match line.split_once(": ") {
        Some((parts, rest)) => (Some(parts.split(',').collect()), rest),
        None => (None, line),
    };
    let (written, mut rest) = line.split_once(' ')?;
    let (mut years, mut moved) = ((i32::MIN, i32::MAX), None);
    while let Some((word, after)) = rest.split_once(' ') {
        match word.split_once(':') {
            Some(("since", year)) => years.0 = year.parse().ok()?,
            Some(("until", year)) => years.1 = year.parse().ok()?,
            Some(("in", year)) => years = (year.parse().ok()?, year.parse().ok()?),
            _ if word == "~next" => moved = Some(Moved::Next),
            _ if word == "~near" => moved = Some(Moved::Near),
            _ => break,
        }
        rest = after;
    }
    Some(Rule { parts, day: day(written)?, years, moved, name: rest })
}

fn day(text: &str) -> Option<Day> {
    if let Some(after) = text.strip_prefix("easter") {
        return after.parse().ok().map(Day::Easter);
    }
    if let Some((weekday, date)) = text.split_once(">=") {
        let (month, day) = month_day(date)?;
        return Some(Day::OnOrAfter(weekday.parse().ok()?, month, day));
    }
    if let Some((weekday, date)) = text.split_once("<=") {
        let (month, day) = month_day(date)?;
        return Some(Day::OnOrBefore(weekday.parse().ok()?, month, day));
    }
    if let [n, weekday, month] = text.split('.').collect::<Vec<_>>()[..] {
        return Some(Day::Nth(n.parse().ok()?, weekday.parse().ok()?, month.parse().ok()?));
    }
    month_day(text).map(|(month, day)| Day::Fixed(month, day))
}

fn month_day(text: &str) -> Option<(u32, u32)> {
    let (month, day) = text.split_once('-')?;
    Some((month.parse().ok()?, day.parse().ok()?))
}

#[cfg(test)]
mod tests;
