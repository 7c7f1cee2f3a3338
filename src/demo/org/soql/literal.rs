//! Date literals as half-open ranges of dates. The querying user's weeks begin on Monday.

use chrono::{Datelike, Days, Months, NaiveDate};

const PLAIN: &[&str] = &[
    "TODAY",
    "YESTERDAY",
    "TOMORROW",
    "THIS_WEEK",
    "LAST_WEEK",
    "NEXT_WEEK",
    "THIS_MONTH",
    "LAST_MONTH",
    "NEXT_MONTH",
    "THIS_QUARTER",
    "LAST_QUARTER",
    "THIS_YEAR",
    "LAST_YEAR",
    "LAST_90_DAYS",
    "NEXT_90_DAYS",
];
const NUMBERED: &[&str] = &[
    "LAST_N_DAYS",
    "NEXT_N_DAYS",
    "N_DAYS_AGO",
    "LAST_N_WEEKS",
    "LAST_N_MONTHS",
    "LAST_N_QUARTERS",
    "LAST_N_YEARS",
];

/// Whether a word in capitals is a date literal.
pub(crate) fn is_range(word: &str) -> bool {
    PLAIN.contains(&word) || NUMBERED.contains(&word)
}

/// Whether the literal is followed by `:n`.
pub(crate) fn takes_number(word: &str) -> bool {
    NUMBERED.contains(&word)
}

/// First and one past the last date the literal covers; `None` beyond the calendar.
pub(crate) fn range(
    word: &str,
    n: Option<i64>,
    today: NaiveDate,
) -> Option<(NaiveDate, NaiveDate)> {
    let n = n.unwrap_or(0);
    let week = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
    let month = today.with_day(1)?;
    let quarter = month.with_month(month.month0() / 3 * 3 + 1)?;
    let year = month.with_month(1)?;
    let range = match word {
        "TODAY" => (today, days(today, 1)?),
        "YESTERDAY" => (days(today, -1)?, today),
        "TOMORROW" => (days(today, 1)?, days(today, 2)?),
        // Today is included: n + 1 calendar days.
        "LAST_N_DAYS" => (days(today, -n)?, days(today, 1)?),
        "LAST_90_DAYS" => (days(today, -90)?, days(today, 1)?),
        "NEXT_N_DAYS" => (days(today, 1)?, days(today, n + 1)?),
        "NEXT_90_DAYS" => (days(today, 1)?, days(today, 91)?),
        "N_DAYS_AGO" => (days(today, -n)?, days(today, 1 - n)?),
        "THIS_WEEK" => (week, days(week, 7)?),
        "LAST_WEEK" => (days(week, -7)?, week),
        "NEXT_WEEK" => (days(week, 7)?, days(week, 14)?),
        "LAST_N_WEEKS" => (days(week, -7 * n)?, week),
        "THIS_MONTH" => (month, months(month, 1)?),
        "LAST_MONTH" => (months(month, -1)?, month),
        "NEXT_MONTH" => (months(month, 1)?, months(month, 2)?),
        "LAST_N_MONTHS" => (months(month, -n)?, month),
        "THIS_QUARTER" => (quarter, months(quarter, 3)?),
        "LAST_QUARTER" => (months(quarter, -3)?, quarter),
        "LAST_N_QUARTERS" => (months(quarter, -3 * n)?, quarter),
        "THIS_YEAR" => (year, months(year, 12)?),
        "LAST_YEAR" => (months(year, -12)?, year),
        "LAST_N_YEARS" => (months(year, -12 * n)?, year),
        _ => return None,
    };
    Some(range)
}

fn days(date: NaiveDate, by: i64) -> Option<NaiveDate> {
    let span = Days::new(by.unsigned_abs());
    if by < 0 { date.checked_sub_days(span) } else { date.checked_add_days(span) }
}

fn months(date: NaiveDate, by: i64) -> Option<NaiveDate> {
    let span = Months::new(u32::try_from(by.unsigned_abs()).ok()?);
    if by < 0 { date.checked_sub_months(span) } else { date.checked_add_months(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cover_what_the_reference_says() {
        check("TODAY", None, "2026-03-11", "2026-03-12");
        check("YESTERDAY", None, "2026-03-10", "2026-03-11");
        check("LAST_N_DAYS", Some(7), "2026-03-04", "2026-03-12");
        check("N_DAYS_AGO", Some(2), "2026-03-09", "2026-03-10");
        check("THIS_WEEK", None, "2026-03-09", "2026-03-16");
        check("LAST_N_MONTHS", Some(2), "2026-01-01", "2026-03-01");
        check("LAST_QUARTER", None, "2025-10-01", "2026-01-01");
    }

    #[track_caller]
    fn check(word: &str, n: Option<i64>, from: &str, to: &str) {
        let today = "2026-03-11".parse().unwrap();
        let expected = (from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(range(word, n, today), Some(expected), "{word}");
    }
}
