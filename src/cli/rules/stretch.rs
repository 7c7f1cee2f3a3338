//! The stretch of time that a trial goes over, as the command line says it, within what is stored.

use std::str::FromStr;

use anyhow::{anyhow, bail};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::print;
use crate::domain::rule::Rule;
use crate::domain::zone::Zone;
use crate::engine::rehearse::Rehearsal;
use crate::store::{Store, StoreError};

/// Without `--from` a trial goes over so much.
const DEFAULT: TimeDelta = TimeDelta::days(30);

/// An instant as the command line takes it: `30d` ago, a day, a day and a time, or RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cli) enum Instant {
    At(DateTime<Utc>),
    Civil(NaiveDateTime),
    Ago(TimeDelta),
}

impl Instant {
    /// When that is, in a zone, seen from `now`.
    pub(in crate::cli) fn in_zone(self, zone: &Zone, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Instant::At(at) => at,
            Instant::Civil(civil) => zone.first_instant(civil),
            Instant::Ago(length) => now - length,
        }
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Instant, String> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Instant::At(at.to_utc()));
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Instant::Civil(day.and_time(chrono::NaiveTime::MIN)));
        }
        for form in ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"] {
            if let Ok(civil) = NaiveDateTime::parse_from_str(text, form) {
                return Ok(Instant::Civil(civil));
            }
        }
        length(text).map(Instant::Ago).map_err(|_| {
            format!("`{text}` is no instant: write 30d, 2026-11-01, `2026-11-01 08:00` or RFC 3339")
        })
    }
}

/// A length of time: `30d`, `2w`, `12 h`, `90 min`.
///
/// # Errors
/// It is none.
pub(in crate::cli) fn length(text: &str) -> Result<TimeDelta, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[end..].trim() {
        "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        _ => return Err(format!("`{text}` is no length of time: write e.g. 30d, 2w or 12h")),
    };
    let count = text[..end].parse::<i64>().ok().filter(|count| (1..=5_000_000).contains(count));
    let seconds = count.and_then(|count| count.checked_mul(unit));
    let seconds = seconds.filter(|seconds| *seconds <= 10 * 366 * 86_400);
    seconds
        .map(TimeDelta::seconds)
        .ok_or_else(|| format!("`{text}` is no length of time up to ten years"))
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cli) struct Stretch {
    pub(in crate::cli) from: DateTime<Utc>,
    pub(in crate::cli) to: DateTime<Utc>,
}

/// What is stored of what a rule reads.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct History {
    /// The first record, by the field that the rule's window is about.
    pub(in crate::cli) first: Option<DateTime<Utc>>,
    /// Everything is there up to here.
    pub(in crate::cli) complete_to: Option<DateTime<Utc>>,
    /// Datasets that are not loaded.
    pub(in crate::cli) missing: Vec<String>,
}

impl History {
    pub(in crate::cli) fn of(store: &Store, rule: &Rule) -> Result<History, StoreError> {
        let reads: Vec<String> = rule.query.reads().into_keys().collect();
        store.read_records(|view| {
            let ready = |name: &&String| view.state(name).is_some_and(|state| state.ready);
            let missing: Vec<String> = reads.iter().filter(|name| !ready(name)).cloned().collect();
            let first = match rule.query.date {
                Some(date) if missing.is_empty() => {
                    let dataset = &rule.query.report_type.tables[date.table].dataset;
                    view.earliest(&dataset.name, &dataset.fields[date.field].name)?
                }
                _ => None,
            };
            Ok(History { first, complete_to: view.complete_to(&reads), missing })
        })
    }
}

impl Stretch {
    /// What is asked for, cut to what is stored; with a remark where it was cut.
    ///
    /// # Errors
    /// Nothing is stored of it: what there is instead.
    pub(in crate::cli) fn within(
        rule: &Rule,
        history: &History,
        from: Option<Instant>,
        to: Option<Instant>,
        now: DateTime<Utc>,
    ) -> anyhow::Result<(Stretch, Option<String>)> {
        let zone = &rule.zone;
        if !history.missing.is_empty() {
            bail!(
                "the rule `{}` reads {}, which is not loaded yet: run the daemon or `postrider pull`",
                rule.name,
                history.missing.join(", ")
            );
        }
        let (Some(first), Some(end)) = (history.first, history.complete_to) else {
            bail!("there is no record of what the rule `{}` reads", rule.name);
        };
        let last = end - rule.settle;
        let there = format!(
            "the records it reads go from {} to {} ({})",
            print::civil(first, zone),
            print::civil(end, zone),
            zone.name()
        );
        let asked_to = to.map_or(last, |to| to.in_zone(zone, now));
        let asked_from =
            from.map_or_else(|| (asked_to - DEFAULT).max(first), |from| from.in_zone(zone, now));
        if asked_to < asked_from {
            bail!("the stretch ends before it begins: {}", print::civil(asked_to, zone));
        }
        if asked_to < first || last < asked_from {
            return Err(anyhow!("there are no records of that stretch: {there}"));
        }
        let stretch = Stretch { from: asked_from.max(first), to: asked_to.min(last) };
        let cut = from.is_some() && asked_from < first || to.is_some() && last < asked_to;
        Ok((stretch, cut.then_some(there)))
    }

    /// In words: `2026-11-01 00:00 to 2026-11-22 08:00 (Europe/Berlin)`.
    pub(in crate::cli) fn words(self, zone: &Zone) -> String {
        let (from, to) = (print::civil(self.from, zone), print::civil(self.to, zone));
        format!("{from} to {to} ({})", zone.name())
    }

    /// How many weeks it has, at least a day's part of one.
    pub(in crate::cli) fn weeks(self) -> f64 {
        let week = TimeDelta::weeks(1).as_seconds_f64();
        ((self.to - self.from).as_seconds_f64() / week).max(1.0 / 7.0)
    }

    /// The same for a table.
    pub(in crate::cli) fn rate(self, count: usize) -> String {
        match self.to - self.from >= TimeDelta::weeks(1) {
            true => format!("{:.1}", count as f64 / self.weeks()),
            false => "-".to_owned(),
        }
    }

    /// So many over the whole of it, a week: `0.7 a week`, and nothing of less than a week.
    pub(in crate::cli) fn a_week(self, count: usize) -> String {
        match self.to - self.from >= TimeDelta::weeks(1) {
            true => format!("{:.1} a week", count as f64 / self.weeks()),
            false => "less than a week was looked at".to_owned(),
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
pub(in crate::cli) fn bar(rehearsal: &Rehearsal<'_>) -> ProgressBar {
    let bar = ProgressBar::new(rehearsal.slots());
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} slots, {eta} to go")
    {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_people_do() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let now = "2026-11-22T12:00:00Z".parse().expect("an instant");
        let check = |text: &str, expected: Option<&str>| {
            let at = text.parse::<Instant>().map(|instant| instant.in_zone(&berlin, now));
            assert_eq!(at.ok().map(print::stamp).as_deref(), expected, "{text}");
        };
        check("30d", Some("2026-10-23T12:00:00.000Z"));
        check("2 weeks", Some("2026-11-08T12:00:00.000Z"));
        check("12h", Some("2026-11-22T00:00:00.000Z"));
        check("2026-11-01", Some("2026-10-31T23:00:00.000Z"));
        check("2026-11-01 08:00", Some("2026-11-01T07:00:00.000Z"));
        check("2026-11-01T08:00:00Z", Some("2026-11-01T08:00:00.000Z"));
        check("yesterday", None);
        check("0d", None);
        check("30", None);
        check("99999999999d", None);
    }
}
