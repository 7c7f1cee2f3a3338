//! Tables: what is open when, and what is wrong with hours.

use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn calendar(zone: &str, hours: &[(&str, &str)], holidays: &[&str]) -> Calendar {
    let holidays: Vec<NaiveDate> = holidays.iter().map(|text| date(text)).collect();
    Calendar::parse("office", Zone::named(zone).unwrap(), hours, &holidays).unwrap()
}

fn at(calendar: &Calendar, civil: &str) -> DateTime<Utc> {
    let civil = chrono::NaiveDateTime::parse_from_str(civil, "%Y-%m-%d %H:%M").unwrap();
    calendar.zone().first_instant(civil)
}

/// Asks at civil times of a calendar: `+` open, `-` closed.
#[track_caller]
fn check(calendar: &Calendar, day: &str, times: &[(&str, char)]) {
    for (time, expected) in times {
        let open = calendar.contains(at(calendar, &format!("{day} {time}")));
        assert_eq!(if open { '+' } else { '-' }, *expected, "{day} {time}");
    }
}

#[test]
fn hours_are_half_open_and_of_their_weekdays() {
    let office =
        calendar("Europe/Berlin", &[("mon-fri", "08:00-18:00"), ("sat", "9:00-13:00")], &[]);
    // Monday, 2 November 2026.
    check(&office, "2026-11-02", &[("07:59", '-'), ("08:00", '+'), ("17:59", '+'), ("18:00", '-')]);
    check(&office, "2026-11-06", &[("08:00", '+'), ("17:59", '+')]);
    check(&office, "2026-11-07", &[("08:59", '-'), ("09:00", '+'), ("12:59", '+'), ("13:00", '-')]);
    check(&office, "2026-11-08", &[("09:00", '-'), ("12:00", '-')]);
    assert!(office.has_hours());
}

#[test]
fn ranges_are_listed_and_may_wrap_midnight() {
    let shifts =
        calendar("UTC", &[("fri", "20:00-02:00, 08:00-12:00"), ("sun", "22:00-24:00")], &[]);
    // Friday, 6 November 2026; the night belongs to it.
    check(&shifts, "2026-11-06", &[("00:30", '-'), ("08:00", '+'), ("12:00", '-'), ("20:00", '+')]);
    check(&shifts, "2026-11-07", &[("00:00", '+'), ("01:59", '+'), ("02:00", '-'), ("20:00", '-')]);
    check(&shifts, "2026-11-08", &[("22:00", '+'), ("23:59", '+')]);
    check(&shifts, "2026-11-09", &[("00:00", '-')]);
}

#[test]
fn days_may_run_over_the_end_of_the_week() {
    let open = |days: &str| {
        let calendar = calendar("UTC", &[(days, "00:00-24:00")], &[]);
        // 2 November 2026 is a Monday.
        let on = |day: u64| date("2026-11-02") + Days::new(day);
        let noon = |day| on(day).and_hms_opt(12, 0, 0).unwrap().and_utc();
        (0..7).map(|day| if calendar.contains(noon(day)) { 'x' } else { '.' }).collect::<String>()
    };
    assert_eq!(open("mon-fri"), "xxxxx..");
    assert_eq!(open("sat-mon"), "x....xx");
    assert_eq!(open("sun-mon"), "x.....x");
    assert_eq!(open("fri-thu"), "xxxxxxx");
    assert_eq!(open("mon-sun"), "xxxxxxx");
    assert_eq!(open("mon, wed,fri-sat"), "x.x.xx.");
    assert_eq!(open("Wednesday"), "..x....");
}

#[test]
fn a_holiday_closes_what_begins_on_its_date() {
    let hours = [("mon-fri", "08:00-12:00,22:00-06:00")];
    // Friday, 25 December 2026.
    let office = calendar("Europe/Berlin", &hours, &["2026-12-25"]);
    check(&office, "2026-12-24", &[("08:00", '+'), ("23:00", '+')]);
    check(&office, "2026-12-25", &[("05:59", '+'), ("06:00", '-'), ("08:00", '-'), ("23:00", '-')]);
    check(&office, "2026-12-26", &[("05:59", '-')]);
    assert!(office.is_holiday(date("2026-12-25")) && !office.is_holiday(date("2026-12-24")));
    let closed = |day| office.closed_on(date(day));
    assert_eq!(closed("2026-12-24"), None);
    let holiday = "2026-12-25 is a holiday in calendar `office`";
    assert_eq!(closed("2026-12-25").as_deref(), Some(holiday));
    let weekend = "calendar `office` has no hours on Saturdays";
    assert_eq!(closed("2026-12-26").as_deref(), Some(weekend));
}

#[test]
fn without_hours_all_days_but_holidays_are_open() {
    let feasts = calendar("Europe/Berlin", &[], &["2026-12-25"]);
    assert!(!feasts.has_hours());
    check(&feasts, "2026-12-24", &[("00:00", '+'), ("23:59", '+')]);
    check(&feasts, "2026-12-25", &[("00:00", '-'), ("12:00", '-'), ("23:59", '-')]);
    check(&feasts, "2026-12-26", &[("00:00", '+')]);
    assert_eq!(feasts.closed_on(date("2026-12-27")), None);
    let covers = |from, to| feasts.covers(at(&feasts, from), at(&feasts, to));
    assert!(covers("2026-01-01 00:00", "2026-12-25 00:00"));
    assert!(!covers("2026-12-24 00:00", "2026-12-25 00:01"));
}

#[test]
fn a_stretch_is_covered_when_no_moment_of_it_is_closed() {
    let office = calendar("Europe/Berlin", &[("mon-thu", "08:00-12:00, 12:00-18:00")], &[]);
    let covers = |from: &str, to: &str| office.covers(at(&office, from), at(&office, to));
    assert!(covers("2026-11-02 08:00", "2026-11-02 18:00"));
    assert!(!covers("2026-11-02 07:59", "2026-11-02 09:00"));
    assert!(!covers("2026-11-02 17:00", "2026-11-02 18:01"));
    assert!(!covers("2026-11-02 17:00", "2026-11-03 09:00"));
    assert!(covers("2026-11-02 09:00", "2026-11-02 09:00"));
    assert!(!covers("2026-11-02 18:00", "2026-11-02 18:00"));

    // Around the clock in pieces: nights touch the days.
    let always = calendar("Europe/Berlin", &[("mon-sun", "06:00-22:00, 22:00-06:00")], &[]);
    let covers = |from: &str, to: &str| always.covers(at(&always, from), at(&always, to));
    assert!(covers("2026-01-01 00:00", "2027-01-01 00:00"));
    // Midnights touch as well, over both changes of the clocks.
    let whole = calendar("Africa/Cairo", &[("mon-sun", "00:00-24:00")], &[]);
    assert!(whole.covers(at(&whole, "2026-01-01 00:00"), at(&whole, "2027-01-01 00:00")));
    // A year with a hole.
    let feast = calendar("Europe/Berlin", &[("mon-sun", "00:00-24:00")], &["2026-05-01"]);
    assert!(!feast.covers(at(&feast, "2026-01-01 00:00"), at(&feast, "2027-01-01 00:00")));
}

#[test]
fn hours_follow_the_clock_on_the_wall() {
    let night = calendar("Europe/Berlin", &[("sat-sun", "22:00-06:00")], &[]);
    let length = |day: &str, to: &str| {
        let (from, to) = (at(&night, day), at(&night, to));
        assert!(night.covers(from, to) && !night.contains(to));
        assert!(!night.contains(from - TimeDelta::nanoseconds(1)));
        (to - from).num_hours()
    };
    assert_eq!(length("2026-03-21 22:00", "2026-03-22 06:00"), 8);
    assert_eq!(length("2026-03-28 22:00", "2026-03-29 06:00"), 7);
    assert_eq!(length("2026-10-24 22:00", "2026-10-25 06:00"), 9);

    // Both passes of 02:00 to 03:00 are one opening; of an end inside, the first pass counts.
    let early = calendar("Europe/Berlin", &[("sun", "01:00-02:30, 02:30-04:00")], &[]);
    assert!(early.covers(at(&early, "2026-10-25 01:00"), at(&early, "2026-10-25 04:00")));
    // In spring 02:30 does not exist; what lies inside the gap is empty.
    assert!(early.covers(at(&early, "2026-03-29 01:00"), at(&early, "2026-03-29 04:00")));
    let gap = calendar("Europe/Berlin", &[("sun", "02:00-03:00")], &[]);
    assert!(!gap.contains(at(&gap, "2026-03-29 02:30")));
    assert!(gap.contains(at(&gap, "2026-04-05 02:30")));
}

#[test]
fn clocks_put_back_over_midnight_leave_no_hole() {
    // Cairo shows 23:00 to 24:00 of 29 October twice: Thursday ends after the second.
    let thursday = calendar("Africa/Cairo", &[("thu", "20:00-24:00")], &[]);
    let (from, to) = (at(&thursday, "2026-10-29 20:00"), at(&thursday, "2026-10-30 00:00"));
    assert_eq!((to - from).num_hours(), 5);
    assert!(thursday.covers(from, to));
    // St John's went from 00:01 back to 23:01: the day had begun and stays open.
    let day = calendar("America/St_Johns", &[("sun", "00:00-24:00")], &[]);
    let (from, to) = (at(&day, "2007-11-04 00:00"), at(&day, "2007-11-05 00:00"));
    assert_eq!((to - from).num_hours(), 25);
    assert!(day.covers(from, to));
    let saturday_again = from + TimeDelta::minutes(30);
    assert_eq!(day.zone().date(saturday_again), date("2007-11-03"));
    assert!(day.contains(saturday_again));
}

#[test]
fn a_date_that_does_not_exist_has_no_hours() {
    // Apia went from Thursday, 29 December 2011 to Saturday, the 31st.
    let apia = calendar("Pacific/Apia", &[("thu", "20:00-02:00"), ("fri", "22:00-06:00")], &[]);
    check(&apia, "2011-12-29", &[("20:00", '+'), ("23:59", '+')]);
    check(&apia, "2011-12-31", &[("00:00", '-'), ("05:00", '-')]);
    check(&apia, "2012-01-06", &[("01:59", '+'), ("22:00", '+')]);
}

#[test]
fn mistakes_come_all_at_once_with_their_places() {
    let parse = |hours: &[(&str, &str)]| {
        Calendar::parse("office", Zone::utc(), hours, &[]).map(|calendar| calendar.name)
    };
    let told = |hours: &[(&str, &str)]| parse(hours).unwrap_err();
    let one = |days: &str, ranges: &str| match told(&[(days, ranges)]).as_slice() {
        [(0, why)] => why.clone(),
        more => panic!("{more:?}"),
    };
    assert_eq!(one("mo-fr", "08:00-18:00"), "`mo` is no weekday; did you mean `mon`?");
    assert_eq!(one("mon-fry", "08:00-18:00"), "`fry` is no weekday; did you mean `fri`?");
    let weekdays = "`weekdays` is no weekday; did you mean `mon-fri`?";
    assert_eq!(one("weekdays", "08:00-18:00"), weekdays);
    let no_days = "`open` is no list of weekdays; write e.g. `mon-fri` or `sat`";
    assert_eq!(one("open", "08:00-18:00"), no_days);
    assert_eq!(one("", "08:00-18:00"), no_days.replace("open", ""));
    let time =
        |text: &str| format!("`{text}` is no time of day; write e.g. `08:00` (`24:00` at most)");
    assert_eq!(one("mon", "8-18"), time("8"));
    assert_eq!(one("mon", "08:00-24:01"), time("24:01"));
    assert_eq!(one("mon", "08:60-10:00"), time("08:60"));
    assert_eq!(one("mon", "+8:00-10:00"), time("+8:00"));
    assert_eq!(one("mon", "08:0-10:00"), time("08:0"));
    assert_eq!(one("mon", "closed"), "`closed` is no range of hours; write e.g. `08:00-18:00`");
    assert_eq!(one("mon", ""), "`` is no range of hours; write e.g. `08:00-18:00`");
    let empty = "`08:00-08:00` is empty; the whole day is `00:00-24:00`";
    assert_eq!(one("mon", "08:00-08:00"), empty);
    assert_eq!(one("mon", "24:00-08:00"), "`24:00-08:00` begins at the end of the day");
    let overlap = "the ranges of `08:00-12:00, 11:00-13:00` overlap";
    assert_eq!(one("mon", "08:00-12:00, 11:00-13:00"), overlap);

    let all = told(&[("mon-fri", "08:00-18:00"), ("tues", "9:00"), ("fri-sat", "09:00-13:00")]);
    let expected = [
        (1, "`tues` is no weekday; did you mean `tue`?"),
        (1, "`9:00` is no range of hours; write e.g. `08:00-18:00`"),
        (2, "Friday has its hours in `mon-fri` already; put all its ranges there, with commas"),
    ];
    assert_eq!(all, expected.map(|(index, why)| (index, why.to_owned())));
}

#[track_caller]
fn check_open(calendar: &Calendar, from: &str, to: &str, minutes: i64) {
    let (from, to) = (at(calendar, from), at(calendar, to));
    assert_eq!(calendar.open_between(from, to).num_minutes(), minutes);
    // Deadlines are the other side of it: the first instant at which so much was open.
    if minutes > 0 {
        let reached = calendar.after_open(from, TimeDelta::minutes(minutes)).unwrap();
        assert!(reached <= to, "{reached} is after {to}");
        assert_eq!(calendar.open_between(from, reached).num_minutes(), minutes);
        let before = reached - TimeDelta::seconds(1);
        assert!(calendar.open_between(from, before) < TimeDelta::minutes(minutes));
    }
}

#[test]
fn only_open_hours_count_in_business_time() {
    let office = calendar("Europe/Berlin", &[("mon-fri", "08:00-18:00")], &["2026-11-04"]);
    // Monday, 2 November 2026; Wednesday is a holiday.
    check_open(&office, "2026-11-02 09:00", "2026-11-02 09:30", 30);
    check_open(&office, "2026-11-02 06:00", "2026-11-02 09:30", 90);
    check_open(&office, "2026-11-02 17:00", "2026-11-03 09:00", 120);
    check_open(&office, "2026-11-03 17:00", "2026-11-05 09:00", 120);
    check_open(&office, "2026-11-06 17:00", "2026-11-09 08:01", 61);
    check_open(&office, "2026-11-07 00:00", "2026-11-09 08:00", 0);
    check_open(&office, "2026-11-02 12:00", "2026-11-02 11:00", 0);
    check_open(&office, "2026-10-05 00:00", "2026-11-02 00:00", 20 * 600);
    let nothing = office.after_open(at(&office, "2026-11-07 12:00"), TimeDelta::zero());
    assert_eq!(nothing, Some(at(&office, "2026-11-07 12:00")));
    let next = office.after_open(at(&office, "2026-11-06 17:30"), TimeDelta::hours(4));
    assert_eq!(next, Some(at(&office, "2026-11-09 11:30")));
}

#[test]
fn business_time_follows_the_clocks_and_wraps_midnight_and_week() {
    let nights = calendar("Europe/Berlin", &[("sat-sun", "22:00-06:00")], &[]);
    // On 25 October 2026 an hour comes twice, on 29 March 2026 one is missing.
    check_open(&nights, "2026-10-24 12:00", "2026-10-25 12:00", 9 * 60);
    check_open(&nights, "2026-03-28 12:00", "2026-03-29 12:00", 7 * 60);
    // From Sunday into Monday: the end of the week is no end.
    check_open(&nights, "2026-11-01 23:00", "2026-11-02 12:00", 7 * 60);
    // Shifts that overlap count once.
    let both = calendar("UTC", &[("mon", "20:00-08:00"), ("tue", "06:00-10:00")], &[]);
    check_open(&both, "2026-11-02 00:00", "2026-11-04 00:00", 14 * 60);
    let always = calendar("America/New_York", &[], &[]);
    check_open(&always, "2026-10-31 00:00", "2026-11-02 00:00", 49 * 60);
}

#[test]
fn a_calendar_that_is_hardly_ever_open_has_no_deadline() {
    let never = calendar("UTC", &[("mon", "00:00-00:01")], &[]);
    let from = at(&never, "2026-11-01 00:00");
    assert_eq!(never.after_open(from, TimeDelta::days(2)), None);
    assert!(never.after_open(from, TimeDelta::minutes(52)).is_some());
}

proptest::proptest! {
    #[test]
    fn business_time_adds_up(a in 0_i64..60 * 24 * 60, b in 0_i64..60 * 24 * 60, c in 0_i64..60 * 24 * 60) {
        let mut minutes = [a, b, c];
        minutes.sort_unstable();
        let shifts = calendar(
            "Europe/Berlin",
            &[("mon-fri", "06:00-14:00, 22:00-05:00"), ("sat", "20:00-12:00")],
            &["2026-10-06"],
        );
        let start = at(&shifts, "2026-10-01 00:00");
        let [a, b, c] = minutes.map(|minute| start + TimeDelta::minutes(minute));
        proptest::prop_assert_eq!(
            shifts.open_between(a, b) + shifts.open_between(b, c),
            shifts.open_between(a, c)
        );
        // A minute is open where its first instant is: ranges begin at whole minutes.
        let open = shifts.open_between(a, a + TimeDelta::minutes(1));
        proptest::prop_assert_eq!(open == TimeDelta::minutes(1), shifts.contains(a));
    }
}
