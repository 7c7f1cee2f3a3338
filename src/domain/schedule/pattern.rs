//! Cron patterns: which dates and which times of day one names. Only what a pattern *says* is here,
//! as croner reads it; what that means in a zone is the schedule's business.

use std::fmt;
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate, NaiveTime};
use croner::parser::{CronParser, Seconds, Year};

/// A five-field pattern that names at least one date.
#[derive(Clone)]
pub(super) struct Pattern {
    days: Arc<croner::CronPattern>,
    /// In the order of the day.
    times: Arc<[NaiveTime]>,
    elapsed: bool,
}

impl Pattern {
    /// Reads `minute hour day month weekday`, with names, lists, ranges, steps, `L`, `W` and `#`.
    /// The error names the field and what belongs there.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        if let Some(nickname) = text.trim().strip_prefix('@') {
            return Err(no_nicknames(nickname));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let Ok(fields) = <[&str; 5]>::try_from(fields.as_slice()) else {
            return Err(format!(
                "a schedule has five fields (minute hour day month weekday), `{text}` has {}",
                fields.len()
            ));
        };
        for (place, field) in fields.iter().enumerate() {
            check_field(place, field)?;
        }
        let [_, hour, day, _, weekday] = fields;
        // As in Vixie cron a day matches either field, unless one of them begins with a star.
        let both = day.starts_with('*') || weekday.starts_with('*');
        let days = read(&fields, both).map_err(|_| format!("`{text}` is no cron pattern"))?;
        let (hours, minutes) = (days.hours.values(), days.minutes.values());
        let times = hours
            .iter()
            .flat_map(|hour| minutes.iter().map(move |minute| (*hour, *minute)))
            .filter_map(|(h, m)| NaiveTime::from_hms_opt(u32::from(h), u32::from(m), 0))
            .collect();
        let pattern = Pattern { days: Arc::new(days), times, elapsed: hour.starts_with('*') };
        match pattern.ever_matches() {
            true => Ok(pattern),
            false => Err(format!("`{text}` names no date that exists")),
        }
    }

    /// Whether it names a date.
    pub(super) fn names(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_sunday();
        let weekday = croner::Weekday::from_days_from_sunday(weekday);
        // Both fail only for months and days outside the calendar.
        self.days.month_match(date.month()).unwrap_or(false)
            && self.days.day_match(date.year(), date.month(), date.day(), weekday).unwrap_or(false)
    }

    /// Its times of day, in order, to the minute.
    pub(super) fn times(&self) -> &[NaiveTime] {
        &self.times
    }

    /// Whether it runs on elapsed time (its hour field begins with a star) rather than once for each
    /// of its civil times.
    pub(super) fn is_elapsed(&self) -> bool {
        self.elapsed
    }

    /// Whether any date of a calendar cycle matches: after 28 years dates and weekdays repeat.
    fn ever_matches(&self) -> bool {
        let cycle = NaiveDate::from_ymd_opt(2000, 1, 1)
            .into_iter()
            .flat_map(|start| start.iter_days().take(28 * 366));
        !self.times.is_empty() && { cycle }.any(|date| self.names(date))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.days)
    }
}

/// A date far enough for any pattern that matches at all: a leap day on a weekday recurs after 40
/// years at most (over a century without a leap day).
pub(super) const RECURS_WITHIN: Days = Days::new(41 * 366);

/// What a field is called and what belongs in it.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59, e.g. `30`, `0,30` or `*/15`"),
    ("hour", "0-23, e.g. `8`, `8-18` or `*/6`"),
    ("day", "1-31, `L` (the last) or `15W` (the weekday nearest the 15th)"),
    ("month", "1-12 or `jan`-`dec`"),
    ("weekday", "0-7 (0 and 7 are Sunday) or `sun`-`sat`, `mon#1` (the first), `friL` (the last)"),
];

/// Reads one field by itself among stars, so that a mistake can be told of that field.
fn check_field(place: usize, field: &str) -> Result<(), String> {
    let mut fields = ["*"; 5];
    fields[place] = field;
    let (name, belongs) = FIELDS[place];
    let wrong = || format!("`{field}` is no {name}: {belongs}");
    let known = |c: char| c.is_ascii_alphanumeric() || "*/,-#".contains(c);
    let parts_fit = field.split(',').all(|part| part_fits(place, part));
    if !field.chars().all(known) || !parts_fit {
        return Err(wrong());
    }
    read(&fields, false).map(drop).map_err(|_| wrong())
}

/// What croner would take without a word: names of another field, steps past the field's end (which
/// leave one value), a weekday `L` (which names no day), and nothing at all.
fn part_fits(place: usize, part: &str) -> bool {
    let step_max = [59, 23, 31, 12, 7][place];
    let step_fits = match part.split_once('/') {
        Some((_, step)) => step.parse::<u32>().is_ok_and(|step| step <= step_max),
        None => true,
    };
    let lower = part.to_ascii_lowercase();
    let mut names = lower.split(|c: char| !c.is_ascii_alphabetic()).filter(|name| !name.is_empty());
    let names_fit = names.all(|name| match place {
        2 => ["l", "w", "lw"].contains(&name),
        3 => MONTHS.contains(&name),
        4 => name == "l" || WEEKDAYS.contains(&name.strip_suffix('l').unwrap_or(name)),
        _ => false,
    });
    !part.is_empty() && step_fits && names_fit && !(place == 4 && lower == "l")
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn read(fields: &[&str; 5], both: bool) -> Result<croner::CronPattern, croner::errors::CronError> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(both)
        .build();
    Ok(parser.parse(&fields.join(" "))?.pattern)
}

fn no_nicknames(nickname: &str) -> String {
    let pattern = match nickname.to_ascii_lowercase().as_str() {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * sun",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => return format!("`@{nickname}` is no cron pattern; write e.g. `0 8 * * mon-fri`"),
    };
    format!("`@{nickname}` is written `{pattern}` here")
}
