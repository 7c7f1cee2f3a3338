//! Tables: which windows stand for what is usual, and what a value is beside them.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};
use proptest::prelude::*;

use super::*;

fn usual(baseline: Baseline, judge: Judge) -> Usual {
    Usual { baseline, judge, min_baseline: 0.0, calendar: None }
}

fn zone(name: &str) -> Zone {
    Zone::named(name).expect("a zone")
}

fn instant(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time").and_utc()
}

/// The earlier windows of `[to - minutes, to)`, as UTC.
#[track_caller]
fn check(usual: &Usual, zone_name: &str, to: &str, minutes: i64, expected: &[&str]) {
    let to = instant(to);
    let window = Window { from: to - TimeDelta::minutes(minutes), to };
    let first = instant("2000-01-01 00:00");
    let Earlier::Windows(windows) = earlier(usual, window, &zone(zone_name), Some(first)) else {
        panic!("a holiday")
    };
    let seen: Vec<String> = windows
        .iter()
        .map(|window| {
            assert_eq!((window.to - window.from).num_minutes(), minutes, "as long as its own");
            window.to.format("%Y-%m-%d %H:%M").to_string()
        })
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn the_previous_window_ends_where_its_own_begins() {
    let previous = usual(Baseline::PreviousWindow, Judge::Change);
    check(&previous, "Europe/Berlin", "2026-11-02 10:00", 30, &["2026-11-02 09:30"]);
}

#[test]
fn weeks_keep_the_time_on_the_wall_over_a_change_of_clocks() {
    let week = usual(Baseline::LastWeek, Judge::Change);
    // Berlin goes back on 25 October 2026: 10:00 is 09:00 UTC after and 08:00 UTC before.
    check(&week, "Europe/Berlin", "2026-10-28 09:00", 60, &["2026-10-21 08:00"]);
    check(&week, "UTC", "2026-10-28 09:00", 60, &["2026-10-21 09:00"]);
    // It goes forward on 28 March 2027: what ended at 02:30 a week later has no like that night.
    check(&week, "Europe/Berlin", "2027-04-04 00:30", 30, &["2027-03-28 01:00"]);
    // What comes twice is compared with the first.
    check(&week, "Europe/Berlin", "2026-11-01 01:30", 30, &["2026-10-25 00:30"]);
    let weeks = usual(Baseline::MedianOfWeeks(3), Judge::Deviations);
    check(
        &weeks,
        "Europe/Berlin",
        "2026-11-04 09:00",
        60,
        &["2026-10-28 09:00", "2026-10-21 08:00", "2026-10-14 08:00"],
    );
}

#[test]
fn holidays_and_weeks_before_the_first_record_are_left_out() {
    let date = |text: &str| text.parse::<NaiveDate>().expect("a date");
    let holidays = [date("2026-10-21"), date("2026-11-25")];
    let calendar = Calendar::parse("office", zone("Europe/Berlin"), &[], &holidays);
    let weeks = Usual {
        calendar: Some(Arc::new(calendar.expect("a calendar"))),
        ..usual(Baseline::MedianOfWeeks(4), Judge::Change)
    };
    let berlin = zone("Europe/Berlin");
    let ask = |to: &str, known_from: Option<&str>| {
        let to = instant(to);
        let window = Window { from: to - TimeDelta::hours(1), to };
        match earlier(&weeks, window, &berlin, known_from.map(instant)) {
            Earlier::Windows(windows) => {
                windows.iter().map(|window| window.to.format("%m-%d").to_string()).collect()
            }
            Earlier::Holiday => vec!["holiday".to_owned()],
        }
    };
    assert_eq!(ask("2026-11-04 09:00", Some("2020-01-01 00:00")), ["10-28", "10-14", "10-07"]);
    // The first record came within the third week back: that week is not whole.
    assert_eq!(ask("2026-11-04 09:00", Some("2026-10-14 07:30")), ["10-28"]);
    assert_eq!(ask("2026-11-04 09:00", Some("2026-10-14 07:00")), ["10-28", "10-14"]);
    assert_eq!(ask("2026-11-04 09:00", None), Vec::<String>::new());
    // On a holiday nothing is usual. One that begins at midnight is no part of what ends there.
    assert_eq!(ask("2026-11-25 12:00", Some("2020-01-01 00:00")), ["holiday"]);
    assert_eq!(ask("2026-11-24 23:00", Some("2020-01-01 00:00")).len(), 4);
    assert_eq!(ask("2026-11-24 23:30", Some("2020-01-01 00:00")), ["holiday"]);
}

#[track_caller]
fn check_judged(usual: &Usual, noise: Noise, value: f64, earlier: &[f64], expected: Option<f64>) {
    let judged = judged(usual, noise, value, earlier);
    let near = match (judged.value, expected) {
        (Some(a), Some(b)) => (a - b).abs() < 5e-4,
        (a, b) => a == b,
    };
    assert!(near, "{judged:?}, not {expected:?}");
}

#[test]
fn levels_judge_what_was_asked() {
    use Judge::{Chance, Change, Deviations, Difference};
    use Noise::{Count, Measure};
    let weeks = |judge| usual(Baseline::MedianOfWeeks(8), judge);
    check_judged(&weeks(Change), Count, 12.0, &[48.0], Some(-0.75));
    check_judged(&weeks(Change), Count, 96.0, &[48.0], Some(1.0));
    check_judged(&weeks(Change), Count, 5.0, &[0.0], None);
    check_judged(&weeks(Change), Count, 5.0, &[], None);
    check_judged(&weeks(Difference), Measure, 5.0, &[0.0, -4.0, 2.0], Some(5.0));
    // C. Leys et al., Detecting outliers, J. Exp. Soc. Psychology 49 (2013): of 1, 3, 3, 6, 8, 10,
    // 10, 1000 the median is 7 and the MAD 5.1891.
    let leys = [1.0, 3.0, 3.0, 6.0, 8.0, 10.0, 10.0, 1000.0];
    check_judged(&weeks(Deviations), Measure, 7.0 + 5.1891, &leys, Some(1.0));
    check_judged(&weeks(Deviations), Measure, 1000.0, &leys, Some(993.0 / 5.1891));
    // Eight quiet weeks of a steady count: 90 is one root of 100 away, not infinitely far.
    check_judged(&weeks(Deviations), Count, 90.0, &[100.0; 8], Some(-1.0));
    check_judged(&weeks(Deviations), Measure, 98.0, &[100.0; 8], Some(-2.0));
    check_judged(&weeks(Deviations), Count, 0.0, &[0.0; 8], Some(0.0));
    check_judged(&weeks(Deviations), Count, 1.0, &[0.0; 8], None);
    check_judged(&weeks(Chance), Count, 2.0, &[4.0, 5.0, 9.0], Some(0.1247));
    check_judged(&weeks(Chance), Count, 0.0, &[0.5], Some(0.6065));
    check_judged(&weeks(Chance), Measure, -1.0, &[5.0], None);
}

#[test]
fn below_its_floor_a_baseline_says_nothing() {
    let floor = Usual { min_baseline: 20.0, ..usual(Baseline::LastWeek, Judge::Change) };
    assert_eq!(
        judged(&floor, Noise::Count, 1.0, &[19.0]),
        Judged { value: None, usual: Some(19.0) }
    );
    assert_eq!(
        judged(&floor, Noise::Count, 10.0, &[20.0]),
        Judged { value: Some(-0.5), usual: Some(20.0) }
    );
}

#[test]
fn the_median_is_the_middle_whatever_the_order() {
    for (values, expected) in [
        (vec![], None),
        (vec![3.0], Some(3.0)),
        (vec![9.0, 1.0], Some(5.0)),
        // From the definition's usual example: its MAD is 1.
        (vec![9.0, 1.0, 6.0, 2.0, 4.0, 1.0, 2.0], Some(2.0)),
        (vec![f64::NAN, 7.0, f64::INFINITY], Some(7.0)),
    ] {
        assert_eq!(median(&values), expected);
    }
}

proptest! {
    #[test]
    fn earlier_windows_never_overlap_nor_lie_in_the_future(
        minute in 0_i64..60 * 24 * 800, length in 1_i64..60 * 24 * 7, name in prop::sample::select(
            vec!["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
    ) {
        let to = instant("2025-01-01 00:00") + TimeDelta::minutes(minute);
        let window = Window { from: to - TimeDelta::minutes(length), to };
        let weeks = usual(Baseline::MedianOfWeeks(4), Judge::Change);
        let first = Some(DateTime::UNIX_EPOCH);
        let Earlier::Windows(windows) = earlier(&weeks, window, &zone(name), first) else {
            return Err(TestCaseError::fail("no holiday"));
        };
        prop_assert_eq!(windows.len(), 4);
        let mut after = window.to;
        for earlier in windows {
            prop_assert_eq!(earlier.to - earlier.from, window.to - window.from);
            let apart = after - earlier.to;
            prop_assert!((apart - TimeDelta::days(7)).abs() <= TimeDelta::hours(2));
            after = earlier.to;
        }
    }
}
