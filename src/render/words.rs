//! Sentences around figures: thresholds, schedules, counts.

use crate::domain::report::{Covering, Format};
use crate::domain::rule::{Comparison, Op};
use crate::domain::table::Column;
use crate::domain::value::Value;

use super::format::{Locale, clean};

pub(super) mod change;

/// A threshold in words, e.g. `above 5 min`.
pub fn comparison(comparison: Comparison, format: Format, locale: Locale) -> String {
    let word = match comparison.op {
        Op::Less => "below",
        Op::LessOrEqual => "at or below",
        Op::Greater => "above",
        Op::GreaterOrEqual => "at or above",
        Op::Equal => "equal to",
        Op::Different => "other than",
    };
    format!("{word} {}", locale.number(comparison.than, format))
}

/// Of a column that became of a pivot's value: the value and what is measured. `None` for others,
/// and where one thing is measured: then the column is named by the value alone.
pub(super) fn pivoted(column: &Column) -> Option<(&str, &str)> {
    let pivot = column.pivot.as_deref()?;
    let measure = column.name.strip_prefix(pivot)?.strip_prefix(": ")?;
    Some((pivot, measure))
}

/// A five-field cron pattern in words where it is a plain one (`weekdays at 08:00`), else the
/// pattern itself.
pub fn schedule(pattern: &str) -> String {
    plain_schedule(pattern).unwrap_or_else(|| format!("on schedule {}", pattern.trim()))
}

fn plain_schedule(pattern: &str) -> Option<String> {
    let fields: Vec<&str> = pattern.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else { return None };
    if *month != "*" {
        return None;
    }
    let minute: u32 = minute.parse().ok().filter(|m| *m < 60)?;
    if *hour == "*" {
        let every = *day == "*" && *weekday == "*";
        return every.then(|| format!("every hour at :{minute:02}"));
    }
    let hours: Option<Vec<u32>> =
        hour.split(',').map(|hour| hour.parse().ok().filter(|h| *h < 24)).collect();
    let times: Vec<String> = hours?.iter().map(|hour| format!("{hour:02}:{minute:02}")).collect();
    let times = listed(&times);
    let weekday = weekday.to_ascii_lowercase();
    match (*day, weekday.as_str()) {
        ("*", "*") => Some(format!("every day at {times}")),
        ("*", "mon-fri" | "1-5") => Some(format!("weekdays at {times}")),
        ("*", names) => {
            let names: Option<Vec<String>> = names.split(',').map(weekday_name).collect();
            Some(format!("every {} at {times}", listed(&names?)))
        }
        ("L", "*") => Some(format!("on the last day of each month at {times}")),
        (day, "*") => {
            let day: u32 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
            Some(format!("on day {day} of each month at {times}"))
        }
        _ => None,
    }
}

fn weekday_name(word: &str) -> Option<String> {
    let name = match word {
        "mon" | "1" => "Monday",
        "tue" | "2" => "Tuesday",
        "wed" | "3" => "Wednesday",
        "thu" | "4" => "Thursday",
        "fri" | "5" => "Friday",
        "sat" | "6" => "Saturday",
        "sun" | "0" | "7" => "Sunday",
        _ => return None,
    };
    Some(name.to_owned())
}

/// What a report's figures cover, e.g. `1,204 of 1,310 ended sessions have metrics (81 on standard
/// channels, 25 began before October 2024).`; `None` if there is nothing to cover. `values` is the
/// row of [`Covering::query`]: all, those that have, then one count for each reason.
pub fn coverage(covering: &Covering, values: &[Value], locale: Locale) -> Option<String> {
    let count = |i: usize| match values.get(i) {
        Some(Value::Integer(n)) => u64::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    let number = |n: u64| locale.integer(i64::try_from(n).unwrap_or(i64::MAX));
    let (all, have) = (count(0), count(1));
    let (noun, verb) = (clean(&covering.noun), clean(&covering.verb));
    if all == 0 {
        return None;
    }
    if have >= all {
        return Some(format!("All {} {noun} {verb}.", number(all)));
    }
    let known = covering.reasons.iter().enumerate().map(|(i, reason)| (count(i + 2), reason));
    let mut reasons: Vec<String> = known
        .clone()
        .filter(|(n, _)| *n > 0)
        .map(|(n, reason)| format!("{} {}", number(n), clean(reason)))
        .collect();
    // What no reason explains is told too.
    let unexplained = (all - have).saturating_sub(known.map(|(n, _)| n).sum());
    if unexplained > 0 {
        reasons.push(format!("{} for unknown reasons", number(unexplained)));
    }
    let (have, all) = (number(have), number(all));
    Some(format!("{have} of {all} {noun} {verb} ({}).", reasons.join(", ")))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A count with its noun: `1 record`, `1,204 records`.
pub(super) fn counted(n: u64, noun: &str, locale: Locale) -> String {
    let count = locale.integer(i64::try_from(n).unwrap_or(i64::MAX));
    if n == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::expr::ReportType;
    use crate::domain::query::Query;

    #[test]
    fn plain_patterns_are_told_in_words() {
        #[track_caller]
        fn check(pattern: &str, words: &str) {
            assert_eq!(schedule(pattern), words);
        }
        check("0 8 * * mon-fri", "weekdays at 08:00");
        check("30 7,16 * * *", "every day at 07:30 and 16:30");
        check("0 8 * * MON", "every Monday at 08:00");
        check("0 8 * * 1,3,5", "every Monday, Wednesday and Friday at 08:00");
        check("15 6 1 * *", "on day 1 of each month at 06:15");
        check("0 18 L * *", "on the last day of each month at 18:00");
        check("5 * * * *", "every hour at :05");
        check("0 8 1-7 * mon", "on schedule 0 8 1-7 * mon");
        check("*/5 * * * *", "on schedule */5 * * * *");
        check("0 25 * * *", "on schedule 0 25 * * *");
    }

    #[test]
    fn coverage_is_told_with_its_reasons() {
        let query = Query {
            split: 0,
            pivot: false,
            percentile_min: 0,
            report_type: Arc::new(ReportType { name: String::new(), tables: Vec::new() }),
            date: None,
            filter: None,
            fold: None,
            groups: Vec::new(),
            carried: Vec::new(),
            aggregates: Vec::new(),
            columns: Vec::new(),
            list: false,
            sort: Vec::new(),
            top: None,
            total: false,
            texts: Arc::default(),
        };
        let covering = Covering {
            noun: "ended sessions".into(),
            verb: "have metrics".into(),
            query,
            reasons: vec!["on standard channels".into(), "began before October 2024".into()],
        };
        #[track_caller]
        fn check(covering: &Covering, counts: &[i64], expected: Option<&str>) {
            let row: Vec<Value> = counts.iter().copied().map(Value::Integer).collect();
            let told = coverage(covering, &row, Locale::named("en-GB"));
            assert_eq!(told.as_deref(), expected);
        }
        check(
            &covering,
            &[1310, 1204, 81, 25],
            Some(
                "1,204 of 1,310 ended sessions have metrics (81 on standard channels, 25 began \
                 before October 2024).",
            ),
        );
        check(
            &covering,
            &[10, 7, 2, 0],
            Some(
                "7 of 10 ended sessions have metrics (2 on standard channels, 1 for unknown reasons).",
            ),
        );
        check(&covering, &[12, 12, 0, 0], Some("All 12 ended sessions have metrics."));
        check(&covering, &[0, 0, 0, 0], None);
        check(&covering, &[], None);
    }

    #[test]
    fn a_threshold_is_told_in_the_units_of_its_value() {
        let than = |text: &str| text.parse().unwrap();
        let (gb, de) = (Locale::named("en-GB"), Locale::named("de-DE"));
        assert_eq!(comparison(than("> 300"), Format::Duration, gb), "above 5\u{a0}min");
        assert_eq!(comparison(than("<= 0.02"), Format::Percent, de), "at or below 2,0\u{a0}%");
        assert_eq!(comparison(than("= 0"), Format::Auto, gb), "equal to 0");
    }
}
