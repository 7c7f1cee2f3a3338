//! Calendars: business hours and holidays in a zone.
//!
//! Hours are civil; each opening is resolved to instants by itself, so that a night shift over a DST
//! change is as long as the clocks on the wall make it. A holiday closes what begins on its date: a
//! shift that began the evening before still ends in the morning.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};

use super::holidays::Holidays;
use super::zone::Zone;

mod open;

/// Hours of the week in a zone, without holidays.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Its name in `[calendars]`.
    pub name: String,
    zone: Zone,
    /// Openings by weekday from Monday, in order; `None` where no hours are given at all: then
    /// every day that is no holiday is open from its beginning to its end.
    hours: Option<[Vec<Opening>; 7]>,
    holidays: BTreeSet<NaiveDate>,
    country: Option<Holidays>,
}

/// Minutes since the midnight of the date an opening belongs to; the end may lie on the next date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Opening {
    from: u16,
    to: u16,
}

const DAY: u16 = 24 * 60;

impl Calendar {
    /// Makes one. `hours` are pairs such as (`mon-fri`, `08:00-18:00`); a range may wrap midnight,
    /// `24:00` is legal, several ranges are separated by commas. Mistakes come as (index, message).
    ///
    /// Without any hours it is open on all days but its holidays.
    pub fn parse(
        name: &str,
        zone: Zone,
        hours: &[(&str, &str)],
        holidays: &[NaiveDate],
    ) -> Result<Calendar, Vec<(usize, String)>> {
        let (mut week, mut problems) = (<[Vec<Opening>; 7]>::default(), Vec::new());
        let mut given_by: [Option<&str>; 7] = [None; 7];
        for (index, (days, ranges)) in hours.iter().enumerate() {
            let (days_of_key, openings) = (weekdays(days), openings(ranges));
            match (&days_of_key, &openings) {
                (Ok(list), Ok(openings)) => {
                    for &day in list {
                        let place = day.num_days_from_monday() as usize;
                        match given_by[place].replace(days) {
                            Some(other) => problems.push((index, given_twice(day, other))),
                            None => week[place].clone_from(openings),
                        }
                    }
                }
                (days, openings) => {
                    let both = [days.as_ref().err(), openings.as_ref().err()];
                    problems.extend(both.into_iter().flatten().map(|why| (index, why.clone())));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Calendar {
            name: name.to_owned(),
            zone,
            hours: (!hours.is_empty()).then_some(week),
            holidays: holidays.iter().copied().collect(),
            country: None,
        })
    }

    /// The same with the holidays of a country beside its own.
    pub fn in_country(self, country: Option<Holidays>) -> Calendar {
        Calendar { country, ..self }
    }

    /// Its zone: hours and holidays are civil time there.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether it states hours; without them it is open on all days but its holidays.
    pub fn has_hours(&self) -> bool {
        self.hours.is_some()
    }

    /// Whether an instant is inside the hours.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.open_until(at).is_some()
    }

    /// Whether the half-open stretch lies wholly inside the hours. Hours that touch are one; an
    /// empty stretch lies where its first instant does.
    pub fn covers(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        let mut reached = from;
        loop {
            match self.open_until(reached) {
                None => return false,
                Some(end) if to <= end => return true,
                Some(end) => reached = end,
            }
        }
    }

    /// Whether a civil date is a holiday.
    pub fn is_holiday(&self, date: NaiveDate) -> bool {
        self.holidays.contains(&date)
            || self.country.as_ref().is_some_and(|country| country.on(date).is_some())
    }

    /// Why nothing opens on a civil date, as a phrase; `None` if something does.
    pub fn closed_on(&self, date: NaiveDate) -> Option<String> {
        if self.holidays.contains(&date) {
            return Some(format!("{date} is a holiday in calendar `{}`", self.name));
        }
        if let Some(country) = &self.country
            && let Some(name) = country.on(date)
        {
            return Some(format!("{date} is {name} in {}", country.country()));
        }
        let weekday = date.weekday();
        let hours = self.hours.as_ref()?;
        hours[weekday.num_days_from_monday() as usize].is_empty().then(|| {
            let day = LONG_NAMES[weekday.num_days_from_monday() as usize];
            format!("calendar `{}` has no hours on {day}s", self.name)
        })
    }

    /// The end of the opening that holds an instant; of several, the latest. Another may begin there.
    pub(super) fn open_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let date = self.zone.date(at);
        // An opening of the day before may wrap; one of the day after has begun already where
        // clocks were put back over midnight.
        [date.checked_sub_days(Days::new(1)), Some(date), date.checked_add_days(Days::new(1))]
            .into_iter()
            .flatten()
            .flat_map(|date| self.openings_on(date))
            .filter(|(from, to)| *from <= at && at < *to)
            .map(|(_, to)| to)
            .max()
    }

    /// The openings that belong to a civil date, as instants.
    pub(super) fn openings_on(&self, date: NaiveDate) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        if self.is_holiday(date) || !self.zone.has_date(date) {
            return Vec::new();
        }
        let whole_day = [Opening { from: 0, to: DAY }];
        let openings = match &self.hours {
            Some(week) => week[date.weekday().num_days_from_monday() as usize].as_slice(),
            None => whole_day.as_slice(),
        };
        let midnight = date.and_time(NaiveTime::MIN);
        let instant = |minutes: u16| {
            let civil = midnight.checked_add_signed(TimeDelta::minutes(i64::from(minutes)));
            self.zone.first_instant(civil.unwrap_or(midnight))
        };
        openings.iter().map(|opening| (instant(opening.from), instant(opening.to))).collect()
    }
}

const LONG_NAMES: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const WEEK: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

fn given_twice(day: Weekday, other: &str) -> String {
    let day = LONG_NAMES[day.num_days_from_monday() as usize];
    format!("{day} has its hours in `{other}` already; put all its ranges there, with commas")
}

/// The weekdays of a key: `mon`, `mon-fri`, `sun-mon` (over the end of the week), `mon,wed`.
fn weekdays(key: &str) -> Result<Vec<Weekday>, String> {
    let mut days = Vec::new();
    for piece in key.split(',').map(str::trim) {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (first, last) = (weekday(first.trim(), key)?, weekday(last.trim(), key)?);
        let length = (last.num_days_from_monday() + 7 - first.num_days_from_monday()) % 7 + 1;
        let from_first = WEEK.iter().cycle().skip_while(|day| **day != first);
        days.extend(from_first.take(length as usize));
    }
    Ok(days)
}

fn weekday(word: &str, key: &str) -> Result<Weekday, String> {
    let lower = word.to_ascii_lowercase();
    let named = |name: &str| lower == name[..3] || lower == name;
    LONG_NAMES
        .iter()
        .position(|name| named(&name.to_ascii_lowercase()))
        .map(|place| WEEK[place])
        .ok_or_else(|| {
            let short = LONG_NAMES.map(|name| name[..3].to_ascii_lowercase());
            let near = match lower.as_str() {
                "weekday" | "weekdays" | "workdays" => Some("mon-fri"),
                "weekend" | "weekends" => Some("sat-sun"),
                "daily" | "everyday" | "all" => Some("mon-sun"),
                _ => short.iter().map(String::as_str).find(|name| lower.starts_with(&name[..2])),
            };
            match near {
                Some(near) => format!("`{word}` is no weekday; did you mean `{near}`?"),
                None => format!("`{key}` is no list of weekdays; write e.g. `mon-fri` or `sat`"),
            }
        })
}

/// The openings of a day's text: `08:00-12:00, 13:00-18:00`, in the order of the day.
fn openings(text: &str) -> Result<Vec<Opening>, String> {
    let mut openings = Vec::new();
    for range in text.split(',').map(str::trim) {
        let Some((from, to)) = range.split_once('-') else {
            return Err(format!("`{range}` is no range of hours; write e.g. `08:00-18:00`"));
        };
        let (from, to) = (minutes(from.trim())?, minutes(to.trim())?);
        let opening = match () {
            () if from == DAY => return Err(format!("`{range}` begins at the end of the day")),
            () if from == to => {
                return Err(format!("`{range}` is empty; the whole day is `00:00-24:00`"));
            }
            () if from < to => Opening { from, to },
            () => Opening { from, to: to + DAY },
        };
        openings.push(opening);
    }
    openings.sort_unstable();
    match openings.windows(2).find(|pair| pair[1].from < pair[0].to) {
        Some(_) => Err(format!("the ranges of `{text}` overlap")),
        None => Ok(openings),
    }
}

/// Minutes since midnight of `8:00`, `08:00` or `24:00`.
fn minutes(text: &str) -> Result<u16, String> {
    let not_a_time = || format!("`{text}` is no time of day; write e.g. `08:00` (`24:00` at most)");
    let (hour, minute) = text.split_once(':').ok_or_else(not_a_time)?;
    let number = |digits: &str, length: std::ops::RangeInclusive<usize>| {
        let plain = length.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    match (number(hour, 1..=2), number(minute, 2..=2)) {
        (Some(24), Some(0)) => Ok(DAY),
        (Some(hour @ 0..=23), Some(minute @ 0..=59)) => Ok(hour * 60 + minute),
        _ => Err(not_a_time()),
    }
}

#[cfg(test)]
mod tests;
