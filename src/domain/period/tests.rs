//! Tables: what each period means for a slot, around the days that are not like the others.

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn window(period: &str, slot: &str, zone: &str) -> Option<Window> {
    let period: Period = period.parse().unwrap();
    period.window(utc(slot), &Zone::named(zone).unwrap(), 1)
}

/// A period's window for a slot (UTC), both ends in the zone's civil time with offset.
#[track_caller]
fn check(zone: &str, slot: &str, period: &str, expected: &str) {
    let zone_of = Zone::named(zone).unwrap();
    let window = window(period, slot, zone).unwrap();
    let civil = |at: DateTime<Utc>| at.with_timezone(&zone_of).format("%Y-%m-%d %H:%M%:z");
    let actual = format!("{} {}", civil(window.from), civil(window.to));
    assert_eq!(actual, expected, "{period} at {slot} in {zone}");
}

#[test]
fn whole_days_weeks_months_and_years_end_where_the_slots_own_begins() {
    // Wednesday, 08:00 in Berlin.
    let check = |period, expected| check("Europe/Berlin", "2025-11-12 07:00", period, expected);
    check("yesterday", "2025-11-11 00:00+01:00 2025-11-12 00:00+01:00");
    check("last 7 days", "2025-11-05 00:00+01:00 2025-11-12 00:00+01:00");
    check("last 30 days", "2025-10-13 00:00+02:00 2025-11-12 00:00+01:00");
    check("last week", "2025-11-03 00:00+01:00 2025-11-10 00:00+01:00");
    check("last 2 weeks", "2025-10-27 00:00+01:00 2025-11-10 00:00+01:00");
    check("last month", "2025-10-01 00:00+02:00 2025-11-01 00:00+01:00");
    check("last 3 months", "2025-08-01 00:00+02:00 2025-11-01 00:00+01:00");
    check("last quarter", "2025-07-01 00:00+02:00 2025-10-01 00:00+02:00");
    check("last 4 quarters", "2024-10-01 00:00+02:00 2025-10-01 00:00+02:00");
    check("last year", "2024-01-01 00:00+01:00 2025-01-01 00:00+01:00");
    check("last 2 years", "2023-01-01 00:00+01:00 2025-01-01 00:00+01:00");
    check("today", "2025-11-12 00:00+01:00 2025-11-12 08:00+01:00");
    check("this week", "2025-11-10 00:00+01:00 2025-11-12 08:00+01:00");
    check("this month", "2025-11-01 00:00+01:00 2025-11-12 08:00+01:00");
    check("this quarter", "2025-10-01 00:00+02:00 2025-11-12 08:00+01:00");
    check("this year", "2025-01-01 00:00+01:00 2025-11-12 08:00+01:00");
    check("last 24 h", "2025-11-11 08:00+01:00 2025-11-12 08:00+01:00");
    check("last 90 min", "2025-11-12 06:30+01:00 2025-11-12 08:00+01:00");
}

#[test]
fn all_time_has_no_window() {
    assert_eq!(window("all time", "2025-11-12 07:00", "UTC"), None);
}

#[test]
fn the_first_slot_of_a_year_looks_back_over_it() {
    let check = |period, expected| check("UTC", "2026-01-01 00:00", period, expected);
    check("yesterday", "2025-12-31 00:00+00:00 2026-01-01 00:00+00:00");
    check("last month", "2025-12-01 00:00+00:00 2026-01-01 00:00+00:00");
    check("last quarter", "2025-10-01 00:00+00:00 2026-01-01 00:00+00:00");
    check("last year", "2025-01-01 00:00+00:00 2026-01-01 00:00+00:00");
    check("today", "2026-01-01 00:00+00:00 2026-01-01 00:00+00:00");
}

#[test]
fn days_of_23_and_25_hours_are_days() {
    // 30 March 2026 and 26 October 2026 follow the changes in Berlin.
    let hours = |slot: &str, period: &str| {
        let window = window(period, slot, "Europe/Berlin").unwrap();
        (window.to - window.from).num_hours()
    };
    assert_eq!(hours("2026-03-30 06:00", "yesterday"), 23);
    assert_eq!(hours("2026-10-26 07:00", "yesterday"), 25);
    assert_eq!(hours("2026-03-30 06:00", "last 7 days"), 7 * 24 - 1);
    assert_eq!(hours("2026-10-26 07:00", "last week"), 7 * 24 + 1);
    // On the day itself, and elapsed time through it.
    assert_eq!(hours("2026-03-29 06:00", "today"), 7);
    assert_eq!(hours("2026-10-25 07:00", "today"), 9);
    assert_eq!(hours("2026-10-25 07:00", "last 24 h"), 24);
    assert_eq!(hours("2026-10-25 07:00", "last 90 minutes"), 1);
}

#[test]
fn a_day_without_its_midnight_begins_at_its_first_instant() {
    // Cairo skipped 00:00 to 01:00 on Friday, 24 April 2026, and repeated the evening of 29 October.
    let check = |slot, period, expected| check("Africa/Cairo", slot, period, expected);
    check("2026-04-25 05:00", "yesterday", "2026-04-24 01:00+03:00 2026-04-25 00:00+03:00");
    check("2026-04-24 05:00", "today", "2026-04-24 01:00+03:00 2026-04-24 08:00+03:00");
    check("2026-04-24 05:00", "yesterday", "2026-04-23 00:00+02:00 2026-04-24 01:00+03:00");
    check("2026-10-30 06:00", "yesterday", "2026-10-29 00:00+03:00 2026-10-30 00:00+02:00");
    // A slot in the second pass of the evening is still on that evening.
    check("2026-10-29 21:30", "today", "2026-10-29 00:00+03:00 2026-10-29 23:30+02:00");
    check("2026-10-29 21:30", "yesterday", "2026-10-28 00:00+03:00 2026-10-29 00:00+03:00");
}

#[test]
fn a_date_that_does_not_exist_is_not_counted() {
    // Apia went from 29 to 31 December 2011.
    let check = |slot, period, expected| check("Pacific/Apia", slot, period, expected);
    check("2011-12-30 18:00", "yesterday", "2011-12-29 00:00-10:00 2011-12-31 00:00+14:00");
    check("2011-12-31 18:00", "last 2 days", "2011-12-29 00:00-10:00 2012-01-01 00:00+14:00");
    check("2012-01-02 18:00", "last 7 days", "2011-12-26 00:00-10:00 2012-01-03 00:00+14:00");
    check("2012-01-02 18:00", "last week", "2011-12-26 00:00-10:00 2012-01-02 00:00+14:00");
    check("2011-12-30 18:00", "this week", "2011-12-26 00:00-10:00 2011-12-31 08:00+14:00");
}

#[test]
fn weeks_begin_where_they_are_said_to() {
    let slot = utc("2025-11-12 07:00"); // a Wednesday
    let first_day = |period: &str, week_starts: u8| {
        let window = period.parse::<Period>().unwrap().window(slot, &Zone::utc(), week_starts);
        window.unwrap().from.format("%a %d").to_string()
    };
    assert_eq!(first_day("this week", 1), "Mon 10");
    assert_eq!(first_day("this week", 3), "Wed 12");
    assert_eq!(first_day("this week", 4), "Thu 06");
    assert_eq!(first_day("this week", 6), "Sat 08");
    assert_eq!(first_day("this week", 7), "Sun 09");
    assert_eq!(first_day("last week", 7), "Sun 02");
    assert_eq!(first_day("last 3 weeks", 6), "Sat 18");
}

#[test]
fn one_meaning_has_one_name() {
    let check = |text: &str, words: &str| {
        assert_eq!(text.parse::<Period>().unwrap().words(), words);
        assert_eq!(words.parse::<Period>().unwrap(), text.parse::<Period>().unwrap());
    };
    check("last 7 days", "last 7 days");
    check("  Last  7  Days ", "last 7 days");
    check("last 7days", "last 7 days");
    check("last 1 day", "yesterday");
    check("last day", "yesterday");
    check("previous week", "last week");
    check("last 1 week", "last week");
    check("previous quarter", "last quarter");
    check("previous 2 quarters", "last 2 quarters");
    check("this day", "today");
    check("last 24 hours", "last 24 h");
    check("last 24h", "last 24 h");
    check("last hour", "last 1 h");
    check("last 120 minutes", "last 2 h");
    check("last 45 min", "last 45 min");
    check("ALL TIME", "all time");
    check("last 3660 days", "last 3660 days");
    check("last 10 years", "last 10 years");
}

#[test]
fn mistakes_say_what_to_write() {
    let check = |text: &str, expected: &str| {
        let told = text.parse::<Period>().unwrap_err();
        assert_eq!(told, format!("`{text}` {expected}"));
    };
    check("last 7 dyas", "is not a period; did you mean `last 7 days`?");
    check("last 14 day s", "is not a period; did you mean `last 14 days`?");
    check("yesteday", "is not a period; did you mean `yesterday`?");
    check("last weak", "is not a period; did you mean `last week`?");
    check("alltime", "is not a period; did you mean `all time`?");
    check("past 30 days", "is not a period; did you mean `last 30 days`?");
    check("7 days", "is not a period; did you mean `last 7 days`?");
    check("this hour", "is not a period; did you mean `this year`?");
    check("last 0 days", "is no time at all: the count starts at 1");
    check("last 3661 days", "is too long: at most `last 3660 days`");
    check("last 99999999999 weeks", "is too long: at most `last 522 weeks`");
    check("last 11 years", "is too long: at most `last 10 years`");
    let told = "whenever".parse::<Period>().unwrap_err();
    assert!(told.starts_with("`whenever` is not a period; a period is one of `today`"), "{told}");
    for wrong in
        ["", "last", "last 7", "last x days", "last -1 days", "last 1.5 days", "last 7 7 days"]
    {
        assert!(wrong.parse::<Period>().is_err(), "{wrong}");
    }
}

#[test]
fn periods_of_finished_days_are_known() {
    let whole = |text: &str| text.parse::<Period>().unwrap().whole();
    for text in ["yesterday", "last 7 days", "last week", "last 2 months", "last year"] {
        assert!(whole(text), "{text}");
    }
    for text in ["today", "this week", "this year", "last 24 h", "last 5 min", "all time"] {
        assert!(!whole(text), "{text}");
    }
}

#[test]
fn adjacent_periods_tile_time() {
    // Every day's `yesterday` begins where the one before ended, in zones with every kind of day.
    for name in ["Europe/Berlin", "Africa/Cairo", "America/Asuncion", "Pacific/Apia", "UTC"] {
        let zone = Zone::named(name).unwrap();
        for period in ["yesterday", "last week", "last month"] {
            let period: Period = period.parse().unwrap();
            let mut slot = utc("2011-01-01 12:00");
            let mut end = period.window(slot, &zone, 1).unwrap().to;
            while slot < utc("2013-01-01 00:00") {
                slot += TimeDelta::hours(12);
                let window = period.window(slot, &zone, 1).unwrap();
                assert!(window.to == end || window.from == end, "{name} {} {slot}", period.words());
                assert!(window.from < window.to && window.to <= slot);
                end = window.to;
            }
        }
    }
}

#[test]
fn windows_are_described_for_people() {
    let check = |zone: &str, slot: &str, period: &str, expected: &str| {
        let window = window(period, slot, zone).unwrap();
        assert_eq!(window.describe(&Zone::named(zone).unwrap()), expected);
    };
    let berlin = "Europe/Berlin";
    check(berlin, "2025-11-12 07:00", "last week", "Mon 3 Nov to Sun 9 Nov 2025");
    check(berlin, "2025-11-12 07:00", "yesterday", "Tue 11 Nov 2025");
    check(berlin, "2026-01-05 07:00", "last week", "Mon 29 Dec 2025 to Sun 4 Jan 2026");
    check(berlin, "2025-11-12 07:00", "today", "Wed 12 Nov 2025, 00:00 to 08:00");
    check(berlin, "2025-11-12 07:00", "last 90 min", "Wed 12 Nov 2025, 06:30 to 08:00");
    let day = "Tue 11 Nov, 08:00 to Wed 12 Nov 2025, 08:00";
    check(berlin, "2025-11-12 07:00", "last 24 h", day);
    let new_year = "Wed 31 Dec 2025, 18:00 to Thu 1 Jan 2026, 06:00";
    check(berlin, "2026-01-01 05:00", "last 12 h", new_year);
    // Over a change the offsets say why the hours do not add up.
    let long = "Sat 24 Oct, 09:00 (UTC+02:00) to Sun 25 Oct 2026, 08:00 (UTC+01:00)";
    check(berlin, "2026-10-25 07:00", "last 24 h", long);
    let twice = "Sun 25 Oct 2026, 02:30 (UTC+02:00) to 02:30 (UTC+01:00)";
    check(berlin, "2026-10-25 01:30", "last 1 h", twice);
    // Days that are not like the others are days.
    check(berlin, "2026-10-26 07:00", "yesterday", "Sun 25 Oct 2026");
    check("Africa/Cairo", "2026-04-25 05:00", "yesterday", "Fri 24 Apr 2026");
    check("Pacific/Apia", "2011-12-30 18:00", "yesterday", "Thu 29 Dec 2011");
    check(berlin, "2025-11-11 23:00", "today", "Wed 12 Nov 2025, 00:00 to 00:00");
}

#[test]
fn a_window_holds_its_beginning_and_not_its_end() {
    let window = window("yesterday", "2025-11-12 07:00", "UTC").unwrap();
    assert!(window.contains(window.from) && !window.contains(window.to));
    assert!(window.contains(window.to - TimeDelta::nanoseconds(1)));
    assert!(!window.contains(window.from - TimeDelta::nanoseconds(1)));
}

#[test]
fn the_edges_of_time_do_not_panic() {
    for slot in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        for text in ["today", "last 3660 days", "last 500 weeks", "last 10 years", "last 24 h"] {
            let period: Period = text.parse().unwrap();
            for zone in ["Europe/Berlin", "America/New_York"] {
                let zone = Zone::named(zone).unwrap();
                if let Some(window) = period.window(slot, &zone, 7) {
                    window.describe(&zone);
                }
            }
        }
    }
}
