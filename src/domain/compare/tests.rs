//! Tables: baselines around the days that are not like the others, and what counts as unusual.

use super::*;
use crate::domain::goal::Goal;

fn utc(text: &str) -> DateTime<Utc> {
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn calendar(zone: &Zone, holidays: &[&str]) -> Calendar {
    let holidays: Vec<NaiveDate> = holidays.iter().map(|date| date.parse().unwrap()).collect();
    Calendar::parse("office", zone.clone(), &[], &holidays).unwrap()
}

/// The baseline of a slot (UTC) in Berlin: its words, then each window in civil time.
#[track_caller]
fn check(period: &str, slot: &str, compare: &str, holidays: &[&str], expected: &[&str]) {
    let zone = Zone::named("Europe/Berlin").unwrap();
    check_from(&zone, period, slot, compare, holidays, None, expected);
}

#[track_caller]
fn check_from(
    zone: &Zone,
    period: &str,
    slot: &str,
    compare: &str,
    holidays: &[&str],
    begins: Option<&str>,
    expected: &[&str],
) {
    let (period, compare) = (period.parse().unwrap(), compare.parse::<Compare>().unwrap());
    compare.fits(&period).unwrap();
    let calendar = calendar(zone, holidays);
    let at = Standpoint {
        period: &period,
        slot: utc(slot),
        zone,
        week_starts: 1,
        calendar: Some(&calendar),
        begins: begins.map(utc),
    };
    let compared = compare.baseline(&at);
    let civil = |at: DateTime<Utc>| at.with_timezone(zone).format("%Y-%m-%d %H:%M").to_string();
    let windows = compared
        .windows
        .iter()
        .map(|window| format!("{} {}", civil(window.from), civil(window.to)));
    let told: Vec<String> = std::iter::once(compared.words.clone()).chain(windows).collect();
    assert_eq!(told, expected);
    assert_eq!(
        compared.windows.len() + compared.left_out.len(),
        compare.count() as usize,
        "each stretch is compared with or told"
    );
}

#[test]
fn whole_periods_follow_each_other_without_a_gap() {
    check(
        "last 7 days",
        "2026-11-18 07:00",
        "previous period",
        &[],
        &["the previous 7 days", "2026-11-04 00:00 2026-11-11 00:00"],
    );
    check(
        "yesterday",
        "2026-11-18 07:00",
        "last 2 periods",
        &[],
        &[
            "the mean of the 2 days before",
            "2026-11-16 00:00 2026-11-17 00:00",
            "2026-11-15 00:00 2026-11-16 00:00",
        ],
    );
    // Months are as long as they are.
    check(
        "last month",
        "2026-04-01 06:00",
        "last 2 periods",
        &[],
        &[
            "the mean of the 2 months before",
            "2026-02-01 00:00 2026-03-01 00:00",
            "2026-01-01 00:00 2026-02-01 00:00",
        ],
    );
    check(
        "last 3 months",
        "2026-04-01 06:00",
        "previous period",
        &[],
        &["the previous 3 months", "2025-10-01 00:00 2026-01-01 00:00"],
    );
}

#[test]
fn a_period_under_way_is_held_against_the_same_part() {
    check(
        "today",
        "2026-11-18 07:30",
        "previous period",
        &[],
        &["yesterday up to the same time", "2026-11-17 00:00 2026-11-17 08:30"],
    );
    check(
        "this week",
        "2026-11-18 07:30",
        "previous period",
        &[],
        &["the same part of last week", "2026-11-09 00:00 2026-11-11 08:30"],
    );
    // Eight in the morning is eight in the morning on either side of the change of clocks.
    check(
        "this month",
        "2026-11-18 07:00",
        "last 2 periods",
        &[],
        &[
            "the mean of the same part of the 2 months before",
            "2026-10-01 00:00 2026-10-18 08:00",
            "2026-09-01 00:00 2026-09-18 08:00",
        ],
    );
    // February has no 31st: it is compared whole, and nothing of March with it.
    check(
        "this month",
        "2026-03-31 06:00",
        "previous period",
        &[],
        &["the same part of last month", "2026-02-01 00:00 2026-03-01 00:00"],
    );
    check(
        "this quarter",
        "2026-11-18 07:00",
        "previous period",
        &[],
        &["the same part of last quarter", "2026-07-01 00:00 2026-08-18 08:00"],
    );
}

#[test]
fn elapsed_time_is_shifted_by_itself() {
    // The clocks were put back on 25 October: 24 hours before 08:00 is 09:00.
    check(
        "last 24 h",
        "2026-10-26 07:00",
        "previous period",
        &[],
        &["the 24 h before", "2026-10-24 09:00 2026-10-25 08:00"],
    );
    let period: Period = "last 24 h".parse().unwrap();
    let zone = Zone::named("Europe/Berlin").unwrap();
    for week in 1..=4 {
        let window = period.weeks_before(week, utc("2026-10-25 08:00"), &zone, 1).unwrap();
        assert_eq!((window.to - window.from).num_hours(), 24);
        assert_eq!(zone.civil(window.to).format("%H:%M").to_string(), "09:00");
    }
}

#[test]
fn weeks_keep_their_weekday_and_days_over_a_change_of_clocks() {
    check(
        "yesterday",
        "2026-04-07 06:00",
        "last 4 weeks",
        &[],
        &[
            "the same weekday of the last 4 weeks",
            "2026-03-30 00:00 2026-03-31 00:00",
            "2026-03-23 00:00 2026-03-24 00:00",
            "2026-03-16 00:00 2026-03-17 00:00",
            "2026-03-09 00:00 2026-03-10 00:00",
        ],
    );
    let hours = |slot: &str| {
        let (zone, period) = (Zone::named("Europe/Berlin").unwrap(), "yesterday".parse().unwrap());
        let at = Standpoint {
            period: &period,
            slot: utc(slot),
            zone: &zone,
            week_starts: 1,
            calendar: None,
            begins: None,
        };
        let compared = Compare::Weeks(2).baseline(&at);
        let each = compared.windows.iter().map(|window| (window.to - window.from).num_hours());
        each.collect::<Vec<_>>()
    };
    // Sundays: 29 March has 23 hours, 25 October 25.
    assert_eq!(hours("2026-04-06 06:00"), [23, 24]);
    assert_eq!(hours("2026-11-02 07:00"), [25, 24]);
}

#[test]
fn holidays_are_left_out_with_the_reason() {
    // Monday after Easter Monday.
    check(
        "yesterday",
        "2026-04-14 06:00",
        "last 2 weeks",
        &["2026-04-06"],
        &[
            "the same weekday of the last 2 weeks (1 left out: 6 Apr is a holiday)",
            "2026-03-30 00:00 2026-03-31 00:00",
        ],
    );
    // Easter Monday itself: the reader learns why it is not like the others.
    check(
        "yesterday",
        "2026-04-07 06:00",
        "last week",
        &["2026-04-06"],
        &[
            "the same weekday of the week before; in this one 6 Apr is a holiday",
            "2026-03-30 00:00 2026-03-31 00:00",
        ],
    );
    check(
        "last 7 days",
        "2027-01-11 07:00",
        "last 4 weeks",
        &["2026-12-25", "2026-12-26", "2027-01-01"],
        &[
            "the same 7 days of the last 4 weeks (2 left out: 25 Dec 2026, 26 Dec 2026 and 1 Jan \
             are holidays)",
            "2026-12-14 00:00 2026-12-21 00:00",
            "2026-12-07 00:00 2026-12-14 00:00",
        ],
    );
    check(
        "yesterday",
        "2026-04-14 06:00",
        "last week",
        &["2026-04-06"],
        &["the same weekday of the week before, which is left out: 6 Apr is a holiday"],
    );
    // Periods are not weekdays: a holiday stays in them.
    check(
        "yesterday",
        "2026-04-07 06:00",
        "previous period",
        &["2026-04-05"],
        &["the day before", "2026-04-05 00:00 2026-04-06 00:00"],
    );
}

#[test]
fn what_was_never_loaded_is_left_out_and_not_read_as_nothing() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let check = |begins: &str, expected: &[&str]| {
        let (period, slot) = ("yesterday", "2026-11-18 07:00");
        check_from(&zone, period, slot, "last 2 weeks", &["2026-11-03"], Some(begins), expected);
    };
    check(
        "2026-11-09 23:00",
        &[
            "the same weekday of the last 2 weeks (1 left out: records reach back to 10 Nov 2026)",
            "2026-11-10 00:00 2026-11-11 00:00",
        ],
    );
    check(
        "2026-11-10 12:00",
        &["the same weekday of the last 2 weeks, all of them left out: records reach back to 10 \
             Nov 2026"],
    );
    check(
        "2026-11-01 12:00",
        &[
            "the same weekday of the last 2 weeks (1 left out: 3 Nov is a holiday)",
            "2026-11-10 00:00 2026-11-11 00:00",
        ],
    );
}

#[test]
fn a_date_that_never_was_is_no_day() {
    // Samoa went from 29 to 31 December 2011.
    let zone = Zone::named("Pacific/Apia").unwrap();
    check_from(
        &zone,
        "yesterday",
        "2012-01-01 20:00",
        "last 3 periods",
        &[],
        None,
        &[
            "the mean of the 3 days before",
            "2011-12-31 00:00 2012-01-01 00:00",
            "2011-12-29 00:00 2011-12-31 00:00",
            "2011-12-28 00:00 2011-12-29 00:00",
        ],
    );
}

#[test]
fn comparisons_are_told_from_what_only_looks_like_one() {
    let check = |text: &str, expected: Option<Compare>| {
        assert_eq!(text.parse::<Compare>().ok(), expected, "{text}");
    };
    check("previous period", Some(Compare::Periods(1)));
    check("Last 6 Periods", Some(Compare::Periods(6)));
    check("last 4 weeks", Some(Compare::Weeks(4)));
    check("last week", Some(Compare::Weeks(1)));
    check("last 0 weeks", None);
    check("last 13 weeks", None);
    check("last year", None);
    check("yesterday", None);
    let fits = |compare: &str, period: &str| {
        compare.parse::<Compare>().unwrap().fits(&period.parse().unwrap()).is_ok()
    };
    assert!(fits("last 4 weeks", "last 7 days"));
    assert!(fits("last 4 weeks", "this week"));
    assert!(!fits("last 4 weeks", "last 8 days"));
    assert!(!fits("last 4 weeks", "this month"));
    assert!(!fits("previous period", "all time"));
    assert!(fits("previous period", "last year"));
}

#[test]
fn trends_name_a_column_and_their_periods() {
    let trend = |column: &str, periods| Ok(Trend { column: column.to_owned(), periods });
    assert_eq!("Sessions over 8 periods".parse(), trend("Sessions", 8));
    assert_eq!("'All over the ''world''' over 2 periods".parse(), trend("All over the 'world'", 2));
    for wrong in ["Sessions", "Sessions over 8", "Sessions over 1 periods", "x over 99 periods"] {
        assert!(wrong.parse::<Trend>().is_err(), "{wrong}");
    }
    let (period, zone) = ("yesterday".parse().unwrap(), Zone::utc());
    let at = Standpoint {
        period: &period,
        slot: utc("2026-11-18 07:00"),
        zone: &zone,
        week_starts: 1,
        calendar: None,
        begins: Some(utc("2026-11-16 00:00")),
    };
    let trend: Trend = "Sessions over 4 periods".parse().unwrap();
    let days: Vec<_> =
        trend.windows(&at).iter().map(|w| w.map(|w| w.from.format("%d").to_string())).collect();
    let day = |day: &str| Some(day.to_owned());
    assert_eq!(days, [None, None, day("16"), day("17")]);
}

/// `value` against a baseline: mean and change, then whether it is unusual.
#[track_caller]
fn flag(value: f64, baseline: &[f64], noise: Noise, unusual: bool) -> Delta {
    let delta = Delta::of(value, baseline, noise, None).expect("a baseline");
    assert_eq!(delta.unusual, unusual, "{value} against {baseline:?}: {delta:?}");
    delta
}

#[test]
fn a_change_is_flagged_outside_the_usual_spread_alone() {
    use Noise::{Count, Measure};
    // Below four stretches nothing is known of the spread.
    let delta = flag(900.0, &[100.0, 101.0, 99.0], Count, false);
    assert_eq!((delta.before, delta.change, delta.relative), (100.0, 800.0, Some(8.0)));
    assert_eq!(delta.usual, None);
    // Mean 100, standard deviation 10, t(3) = 3.182, √1.25: ± 35.6.
    let four = [90.0, 95.0, 105.0, 110.0];
    let (low, high) = flag(100.0, &four, Count, false).usual.unwrap();
    let reach = 3.182 * (250.0_f64 / 3.0).sqrt().max(10.0) * 1.25_f64.sqrt();
    assert!((low - (100.0 - reach)).abs() < 1e-9 && (high - (100.0 + reach)).abs() < 1e-9);
    flag(135.0, &four, Count, false);
    flag(136.0, &four, Count, true);
    flag(64.0, &four, Count, true);
    // A few records more or less are chance, however steady the weeks before were.
    flag(9.0, &[4.0, 4.0, 4.0, 4.0], Count, false);
    flag(12.0, &[4.0, 4.0, 4.0, 4.0], Count, true);
    flag(1.0, &[0.0, 0.0, 0.0, 0.0], Count, false);
    flag(4.0, &[0.0, 0.0, 0.0, 0.0], Count, true);
    // Equal measures scatter by one percent.
    flag(103.0, &[100.0; 4], Measure, false);
    flag(104.0, &[100.0; 4], Measure, true);
    // What has been there is usual; what was never negative is not expected to be.
    let wild = flag(500.0, &[1.0, 2.0, 1.0, 500.0], Measure, false);
    assert_eq!(wild.usual.map(|(low, _)| low), Some(0.0));
    flag(0.0, &[1.0, 2.0, 1.0, 500.0], Measure, false);
}

#[test]
fn a_change_from_nothing_has_no_percentage() {
    let delta = flag(7.0, &[0.0], Noise::Count, false);
    assert_eq!((delta.before, delta.change, delta.relative), (0.0, 7.0, None));
    let delta = flag(-1.0, &[-2.0], Noise::Measure, false);
    assert_eq!((delta.change, delta.relative), (1.0, Some(0.5)));
    assert_eq!(Delta::of(7.0, &[], Noise::Count, None), None);
}

#[test]
fn a_goal_says_which_change_is_for_the_better() {
    let better = |goal: Option<&str>, value: f64| {
        let goal = goal.map(|goal| Goal(goal.parse().unwrap()));
        Delta::of(value, &[10.0], Noise::Measure, goal).unwrap().better
    };
    assert_eq!(better(Some("<= 120"), 11.0), Some(false));
    assert_eq!(better(Some("<= 120"), 9.0), Some(true));
    assert_eq!(better(Some(">= 5"), 11.0), Some(true));
    assert_eq!(better(Some(">= 5"), 10.0), None);
    assert_eq!(better(Some("= 5"), 11.0), None);
    assert_eq!(better(None, 11.0), None);
}
