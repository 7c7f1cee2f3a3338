//! Tables: what a pattern means around the changes people know, policies, and mistakes.

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn schedule(pattern: &str, zone: &str) -> Schedule {
    Schedule::parse(pattern, Zone::named(zone).unwrap()).unwrap()
}

/// The slots from a civil date's beginning to another's, in civil time with offset; skipped ones in
/// brackets.
#[track_caller]
fn check(zone: &str, pattern: &str, from: &str, to: &str, expected: &[&str]) {
    let schedule = schedule(pattern, zone);
    let start = |date: &str| schedule.zone.start_of(date.parse().unwrap());
    let before = start(from) - TimeDelta::nanoseconds(1);
    let slots = schedule.slots(before, start(to) - TimeDelta::nanoseconds(1), 1000);
    let written: Vec<String> = slots
        .iter()
        .map(|slot| {
            let at = slot.planned_at.with_timezone(&schedule.zone).format("%d %H:%M%:z");
            slot.skipped.as_ref().map_or(at.to_string(), |why| format!("[{at} {why}]"))
        })
        .collect();
    assert_eq!(written, expected, "{zone} `{pattern}`");
}

#[test]
fn a_time_inside_a_gap_runs_right_after_it() {
    let expected = ["28 02:30+01:00", "29 03:00+02:00", "30 02:30+02:00"];
    check("Europe/Berlin", "30 2 * * *", "2026-03-28", "2026-03-31", &expected);
    let expected = ["23 00:00+02:00", "24 01:00+03:00", "25 00:00+03:00"];
    check("Africa/Cairo", "0 0 * * *", "2026-04-23", "2026-04-26", &expected);
    let expected = ["03 02:10+10:30", "04 02:30+11:00", "05 02:10+11:00"];
    check("Australia/Lord_Howe", "10 2 * * *", "2026-10-03", "2026-10-06", &expected);
    let expected = ["29 03:00+02:00", "29 13:30+02:00"];
    check("Europe/Berlin", "30 2,13 * * *", "2026-03-29", "2026-03-30", &expected);
}

#[test]
fn all_times_of_one_gap_run_once_together() {
    let expected = ["29 01:30+01:00", "29 03:00+02:00", "29 03:30+02:00"];
    check("Europe/Berlin", "0,30 2,3 * * *", "2026-03-29", "2026-03-30", &expected[1..]);
    check("Europe/Berlin", "30 1-3 * * *", "2026-03-29", "2026-03-30", &expected);
    check("Europe/Berlin", "* 2 * * *", "2026-03-29", "2026-03-30", &expected[1..2]);
}

#[test]
fn a_time_that_happens_twice_runs_the_first_time() {
    let expected = ["24 02:30+02:00", "25 02:30+02:00", "26 02:30+01:00"];
    check("Europe/Berlin", "30 2 * * *", "2026-10-24", "2026-10-27", &expected);
    let expected = ["01 01:30-04:00", "01 13:30-05:00"];
    check("America/New_York", "30 1,13 * * *", "2026-11-01", "2026-11-02", &expected);
    // The whole evening of the 29th happens twice.
    let expected = ["29 23:30+03:00", "30 23:30+02:00"];
    check("Africa/Cairo", "30 23 * * *", "2026-10-29", "2026-10-31", &expected);
    // St John's went from 00:01 of the 4th back to 23:01 of the 3rd: both midnights are behind.
    let midnight = schedule("0 0 * * *", "America/St_Johns");
    let slots = midnight.slots(utc("2007-11-04 02:00"), utc("2007-11-04 03:00"), 10);
    assert_eq!(slots, [Slot { planned_at: utc("2007-11-04 02:30"), skipped: None, missed: false }]);
    assert!(midnight.slots(utc("2007-11-04 02:30"), utc("2007-11-05 03:29"), 10).is_empty());
    // British Columbia no longer changes.
    let expected = ["01 01:30-07:00", "02 01:30-07:00"];
    check("America/Vancouver", "30 1 * * *", "2026-11-01", "2026-11-03", &expected);
}

/// Slots in Berlin between two instants (UTC), in civil time with offset.
fn schedule_slots(pattern: &str, after: &str, until: &str) -> Vec<String> {
    let schedule = schedule(pattern, "Europe/Berlin");
    let slots = schedule.slots(utc(after), utc(until), 100);
    let civil = |slot: Slot| slot.planned_at.with_timezone(&schedule.zone).format("%d %H:%M%:z");
    slots.into_iter().map(|slot| civil(slot).to_string()).collect()
}

#[test]
fn a_star_in_the_hours_runs_on_elapsed_time() {
    let expected =
        ["25 00:30+02:00", "25 01:30+02:00", "25 02:30+02:00", "25 02:30+01:00", "25 03:30+01:00"];
    assert_eq!(schedule_slots("30 * * * *", "2026-10-24 22:00", "2026-10-25 03:00"), expected);
    // 02:15 falls into the gap: nothing runs in its place.
    let night = schedule_slots("15 */2 * * *", "2026-03-28 22:00", "2026-03-29 05:00");
    assert_eq!(night, ["29 00:15+01:00", "29 04:15+02:00", "29 06:15+02:00"]);
    // Written out, the same hours are fixed: each once a date.
    let expected = ["25 00:30+02:00", "25 01:30+02:00", "25 02:30+02:00", "25 03:30+01:00"];
    check("Europe/Berlin", "30 0-3 * * *", "2026-10-25", "2026-10-26", &expected);
}

#[test]
fn a_date_that_does_not_exist_is_skipped_with_that_reason() {
    let skip = "[31 00:00+14:00 2011-12-30 does not exist in Pacific/Apia]";
    let expected = ["29 08:00-10:00", skip, "31 08:00+14:00"];
    check("Pacific/Apia", "0 8 * * *", "2011-12-29", "2012-01-01", &expected);
    // One skip a date, however many times it had.
    let expected = ["29 08:00-10:00", "29 20:00-10:00", skip, "31 08:00+14:00", "31 20:00+14:00"];
    check("Pacific/Apia", "0 8,20 * * *", "2011-12-29", "2012-01-01", &expected);
    // One instant has one slot: the run of the 31st stands there.
    let expected = ["29 00:00-10:00", "31 00:00+14:00"];
    check("Pacific/Apia", "0 0 * * *", "2011-12-29", "2012-01-01", &expected);
    // The 30th was a Friday.
    check("Pacific/Apia", "0 8 * * fri", "2011-12-29", "2012-01-01", &[skip]);
    check("Pacific/Apia", "0 8 * * sat", "2011-12-29", "2012-01-01", &["31 08:00+14:00"]);
}

#[test]
fn days_are_named_as_in_cron() {
    let check = |pattern: &str, from: &str, to: &str, expected: &[u32]| {
        use chrono::Datelike;
        let schedule = schedule(pattern, "UTC");
        let start = |date: &str| schedule.zone.start_of(date.parse().unwrap());
        let slots = schedule.slots(start(from), start(to), 100);
        let days: Vec<u32> = slots.iter().map(|slot| slot.planned_at.day()).collect();
        assert_eq!(days, expected, "`{pattern}`");
    };
    // November 2026 begins on a Sunday.
    let november = |pattern, expected| check(pattern, "2026-11-01", "2026-12-01", expected);
    november(
        "0 8 * * mon-fri",
        &[2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27, 30],
    );
    november("0 8 * * 0", &[1, 8, 15, 22, 29]);
    november("0 8 * * 7", &[1, 8, 15, 22, 29]);
    november("0 8 L * *", &[30]);
    november("0 8 15W * *", &[16]);
    november("0 8 1W * *", &[2]);
    november("0 8 LW * *", &[30]);
    november("0 8 * * mon#1", &[2]);
    november("0 8 * * fri#2,fri#4", &[13, 27]);
    november("0 8 * * friL", &[27]);
    november("0 8 * * 5l", &[27]);
    november("0 8 1,15 nov *", &[1, 15]);
    november("0 8 1 1-10,12 *", &[]);
    // Both fields: either, unless one begins with a star.
    november("0 8 13 * fri", &[6, 13, 20, 27]);
    november("0 8 */10 * sun", &[1]);
    november("0 8 1-7 * */3", &[1, 4, 7]);
    check("0 8 29 2 *", "2024-01-01", "2033-01-01", &[29, 29, 29]);
    check("0 8 31 * *", "2026-01-01", "2026-07-01", &[31, 31, 31]);
}

#[test]
fn mistakes_are_told_of_their_field() {
    let check = |pattern: &str, expected: &str| {
        let told = Schedule::parse(pattern, Zone::utc()).map(|s| s.pattern).unwrap_err();
        assert!(told.contains(expected), "`{pattern}`: {told}");
    };
    let five = "a schedule has five fields (minute hour day month weekday), ";
    check("0 0 8 * * *", &format!("{five}`0 0 8 * * *` has 6"));
    check("0 8 * *", &format!("{five}`0 8 * *` has 4"));
    check("", &format!("{five}`` has 0"));
    check("@daily", "`@daily` is written `0 0 * * *` here");
    check("@Weekly", "is written `0 0 * * sun` here");
    check("@reboot", "`@reboot` is no cron pattern; write e.g. `0 8 * * mon-fri`");
    check("60 8 * * *", "`60` is no minute: 0-59");
    check("0 24 * * *", "`24` is no hour: 0-23");
    check("0 8 32 * *", "`32` is no day: 1-31");
    check("0 8 0 * *", "`0` is no day: 1-31");
    check("0 8 * 13 *", "`13` is no month: 1-12");
    check("0 8 * * 8", "`8` is no weekday: 0-7");
    check("0 8 * * montag", "`montag` is no weekday");
    check("0 8 * * monday", "`monday` is no weekday");
    check("0 mon * * *", "`mon` is no hour");
    check("0 8 * mon *", "`mon` is no month");
    check("0 8 * * L", "`L` is no weekday");
    check("0 8 * * L,mon", "`L,mon` is no weekday");
    check("0 8 * * mon#6", "`mon#6` is no weekday");
    check("0 8 * * +mon", "`+mon` is no weekday");
    check("0 8 ? * mon", "`?` is no day");
    check("0 8 W * *", "`W` is no day");
    check("*/90 * * * *", "`*/90` is no minute");
    check("*/0 * * * *", "`*/0` is no minute");
    check("5/15 * * * *", "`5/15` is no minute");
    check("0 18-8 * * *", "`18-8` is no hour");
    check("0, 8 * * *", "`0,` is no minute");
    check(", 8 * * *", "`,` is no minute");
    check("-5 8 * * *", "`-5` is no minute");
    check("0 8 99999999999 * *", "is no day");
    check("0 8 30 2 *", "`0 8 30 2 *` names no date that exists");
    check("0 8 31 4,6,9,11 *", "names no date that exists");
    check("0 8 30W 2 *", "names no date that exists");
}

#[test]
fn the_pattern_is_kept_with_single_spaces() {
    assert_eq!(schedule("  0  8 *\t* MON-FRI ", "UTC").pattern, "0 8 * * MON-FRI");
}

#[test]
fn the_next_slot_is_found_however_rare() {
    let next = |pattern: &str, after: &str| {
        let found = schedule(pattern, "Europe/Berlin").next(utc(after)).unwrap();
        found.planned_at.format("%Y-%m-%d %H:%M").to_string()
    };
    assert_eq!(next("0 8 * * *", "2026-07-01 05:59"), "2026-07-01 06:00");
    assert_eq!(next("0 8 * * *", "2026-07-01 06:00"), "2026-07-02 06:00");
    assert_eq!(next("0 8 29 2 *", "2097-01-01 00:00"), "2104-02-29 07:00");
    // A leap day that is a Wednesday, over the century without one.
    let leap_wednesdays = schedule("0 8 */28 2 3", "UTC")
        .slots(utc("2090-01-01 00:00"), utc("2125-01-01 00:00"), 100)
        .into_iter()
        .map(|slot| slot.planned_at.format("%Y-%m-%d").to_string())
        .filter(|date| date.ends_with("29"));
    assert_eq!(leap_wednesdays.collect::<Vec<_>>(), ["2096-02-29", "2108-02-29"]);
}

#[test]
fn holidays_and_days_without_hours_are_skipped() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let christmas = ["2026-12-25".parse().unwrap(), "2026-12-26".parse().unwrap()];
    let office =
        Calendar::parse("office", berlin.clone(), &[("mon-fri", "09:00-17:00")], &christmas);
    let mut schedule = schedule("0 7 * * *", "Europe/Berlin");
    schedule.calendar = Some(Arc::new(office.unwrap()));
    let slots = schedule.slots(utc("2026-12-24 00:00"), utc("2026-12-29 00:00"), 10);
    let reasons: Vec<Option<&str>> = slots.iter().map(|slot| slot.skipped.as_deref()).collect();
    let expected = [
        None,
        Some("2026-12-25 is a holiday in calendar `office`"),
        Some("2026-12-26 is a holiday in calendar `office`"),
        Some("calendar `office` has no hours on Sundays"),
        None,
    ];
    assert_eq!(reasons, expected);
    let next = schedule.next(utc("2026-12-24 07:00")).unwrap();
    assert_eq!(next, Slot { planned_at: utc("2026-12-28 06:00"), skipped: None, missed: false });

    // The holiday is the calendar's: late on Christmas Eve in Los Angeles it has begun in Berlin.
    let only_holidays = Calendar::parse("feast", berlin, &[], &christmas).unwrap();
    schedule.zone = Zone::named("America/Los_Angeles").unwrap();
    schedule.calendar = Some(Arc::new(only_holidays));
    let slots = schedule.slots(utc("2026-12-24 12:00"), utc("2026-12-27 16:00"), 10);
    let skipped: Vec<bool> = slots.iter().map(|slot| slot.skipped.is_some()).collect();
    // 07:00 in Los Angeles is 16:00 in Berlin, the same date.
    assert_eq!(skipped, [false, true, true, false]);
}

#[test]
fn a_calendar_that_is_never_open_ends_the_search() {
    let mut schedule = schedule("* * * * *", "UTC");
    let year: Vec<NaiveDate> =
        NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().iter_days().take(500).collect();
    let closed = Calendar::parse("closed", Zone::utc(), &[], &year).unwrap();
    schedule.calendar = Some(Arc::new(closed));
    assert_eq!(schedule.next(utc("2026-01-01 00:00")), None);
    // A weekend of minutes is not too long.
    let open = Calendar::parse("office", Zone::utc(), &[("mon-fri", "09:00-17:00")], &[]).unwrap();
    schedule.calendar = Some(Arc::new(open));
    let monday = schedule.next(utc("2026-11-06 23:59")).unwrap();
    assert_eq!(monday.planned_at, utc("2026-11-09 00:00"));
}

/// What becomes of the slots of `0 8 * * *` (UTC) due on three days at 09:30 on the third: `r`uns or
/// skipped as `m`issed or too `l`ate.
#[track_caller]
fn check_due(missed: Missed, max_lateness: Option<i64>, expected: &str) {
    let mut schedule = schedule("0 8 * * *", "UTC");
    schedule.missed = missed;
    schedule.max_lateness = max_lateness.map(TimeDelta::hours);
    let due = schedule.due(utc("2026-11-01 08:00"), utc("2026-11-04 09:30"));
    let seen: String = due
        .iter()
        .map(|slot| match slot.skipped.as_deref() {
            None => 'r',
            Some(why) if why.contains("late: `max_lateness` is") => 'l',
            Some(why) if why.starts_with("missed") => 'm',
            Some(why) => panic!("{why}"),
        })
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn missed_slots_follow_the_policy() {
    check_due(Missed::Latest, None, "mmr");
    check_due(Missed::All, None, "rrr");
    check_due(Missed::None, None, "mmm");
    check_due(Missed::Latest, Some(2), "llr");
    check_due(Missed::Latest, Some(1), "lll");
    check_due(Missed::All, Some(30), "lrr");
    check_due(Missed::All, Some(26), "lrr");
    check_due(Missed::All, Some(25), "llr");
    check_due(Missed::None, Some(25), "llm");
}

#[test]
fn a_slot_picked_up_in_time_is_not_missed() {
    let mut schedule = schedule("0 8 * * *", "UTC");
    schedule.missed = Missed::None;
    let due = |now: &str| schedule.due(utc("2026-11-04 07:59"), utc(now));
    assert!(due("2026-11-04 07:59").is_empty());
    assert_eq!(due("2026-11-04 08:00")[0].skipped, None);
    assert_eq!(due("2026-11-04 08:04")[0].skipped, None);
    let why = due("2026-11-04 09:05")[0].skipped.clone();
    assert_eq!(why.as_deref(), Some("missed by 1 h 5 min: missed slots do not run"));
    // Considered once is considered: the clock set back plans nothing again.
    assert!(schedule.due(utc("2026-11-04 08:00"), utc("2026-11-04 07:00")).is_empty());
    assert!(schedule.due(utc("2026-11-04 08:00"), utc("2026-11-04 08:30")).is_empty());
}

#[test]
fn the_latest_is_the_latest_that_may_run() {
    let mut schedule = schedule("0 8 * * *", "UTC");
    let holiday = ["2026-11-04".parse().unwrap()];
    let calendar = Calendar::parse("feasts", Zone::utc(), &[], &holiday).unwrap();
    schedule.calendar = Some(Arc::new(calendar));
    let due = schedule.due(utc("2026-11-01 12:00"), utc("2026-11-04 12:00"));
    let reasons: Vec<Option<&str>> = due.iter().map(|slot| slot.skipped.as_deref()).collect();
    let missed = "missed: only the latest missed slot runs";
    let feast = "2026-11-04 is a holiday in calendar `feasts`";
    assert_eq!(reasons, [Some(missed), None, Some(feast)]);
}

#[test]
fn a_clock_that_was_years_off_plans_a_bounded_number_of_slots() {
    let mut schedule = schedule("* * * * *", "UTC");
    schedule.missed = Missed::All;
    let now = utc("2026-11-04 12:00");
    let due = schedule.due(DateTime::UNIX_EPOCH, now);
    assert_eq!(due.len(), DUE_SLOTS_MAX);
    assert_eq!(due.last().map(|slot| slot.planned_at), Some(now));
    let daily = self::schedule("0 8 * * *", "UTC").due(DateTime::UNIX_EPOCH, now);
    assert_eq!(daily.len() as i64, DUE_DAYS_MAX);
}

#[test]
fn lengths_are_written_in_two_units() {
    let check =
        |seconds: i64, words: &str| assert_eq!(in_words(TimeDelta::seconds(seconds)), words);
    check(0, "0 s");
    check(59, "59 s");
    check(60, "1 min");
    check(3_900, "1 h 5 min");
    check(7_200, "2 h");
    check(86_400, "1 day");
    check(2 * 86_400 + 7_260, "2 days 2 h");
}

/// A calendar of Berlin: Monday to Friday, with the holidays of Germany.
fn office() -> Option<Arc<Calendar>> {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let office = Calendar::parse("office", zone, &[("mon-fri", "08:00-18:00")], &[]).unwrap();
    let holidays = crate::domain::holidays::Holidays::of("DE").unwrap();
    Some(Arc::new(office.in_country(Some(holidays))))
}

#[track_caller]
fn check_with(change: impl Fn(&mut Schedule), pattern: &str, from: &str, to: &str, days: &[&str]) {
    let mut schedule = schedule(pattern, "Europe/Berlin");
    schedule.calendar = office();
    change(&mut schedule);
    let start = |date: &str| schedule.zone.start_of(date.parse().unwrap());
    let before = start(from) - TimeDelta::nanoseconds(1);
    let until = start(to) - TimeDelta::nanoseconds(1);
    let slots = schedule.slots(before, until, 1000);
    // Slots of two adjacent stretches are those of the whole, also where they move over the seam.
    let (seam, mut parts) = (before + (until - before) / 2, Vec::new());
    parts.extend(schedule.slots(before, seam, 1000));
    parts.extend(schedule.slots(seam, until, 1000));
    assert_eq!(parts, slots);
    let written: Vec<String> = slots
        .iter()
        .map(|slot| {
            let at = slot.planned_at.with_timezone(&schedule.zone).format("%a %d %b %H:%M");
            slot.skipped.as_ref().map_or(at.to_string(), |why| format!("[{at} {why}]"))
        })
        .collect();
    assert_eq!(written, days);
}

#[test]
fn slots_on_closed_days_move_where_they_are_told_to() {
    let next = |schedule: &mut Schedule| schedule.on_closed = OnClosed::Next;
    let previous = |schedule: &mut Schedule| schedule.on_closed = OnClosed::Previous;
    // Easter: Good Friday and Easter Monday are closed.
    let moved = ["Tue 07 Apr 08:00", "Mon 13 Apr 08:00"];
    check_with(next, "0 8 * * mon", "2026-04-01", "2026-04-14", &moved);
    check_with(
        previous,
        "0 8 * * mon",
        "2026-04-01",
        "2026-04-14",
        &["Thu 02 Apr 08:00", moved[1]],
    );
    // Days that move onto one that has its slot already are one.
    let daily = ["Wed 01 Apr 08:00", "Thu 02 Apr 08:00", "Tue 07 Apr 08:00", "Wed 08 Apr 08:00"];
    check_with(next, "0 8 * * *", "2026-04-01", "2026-04-09", &daily);
    // The first of the month, or the first open day after it; the last open day of a month.
    let firsts = ["Mon 04 May 08:00", "Mon 01 Jun 08:00", "Wed 01 Jul 08:00", "Mon 03 Aug 08:00"];
    check_with(next, "0 8 1 * *", "2026-05-01", "2026-08-31", &firsts);
    let lasts = ["Thu 30 Apr 17:00", "Fri 29 May 17:00", "Tue 30 Jun 17:00", "Fri 31 Jul 17:00"];
    check_with(previous, "0 17 L * *", "2026-04-03", "2026-08-01", &lasts);
    // Without being told to, they are skipped, with the holiday's name.
    let skip = |_: &mut Schedule| {};
    let good_friday = "[Fri 03 Apr 08:00 2026-04-03 is Good Friday in Germany]";
    check_with(skip, "0 8 * * fri", "2026-04-01", "2026-04-11", &[good_friday, "Fri 10 Apr 08:00"]);
}

#[test]
fn a_schedule_begins_ends_and_pauses() {
    let date = |text: &str| Some(text.parse().unwrap());
    let some = |schedule: &mut Schedule| schedule.dates = (date("2026-06-09"), date("2026-06-10"));
    check_with(
        some,
        "0 8 * * *",
        "2026-06-01",
        "2026-06-30",
        &["Tue 09 Jun 08:00", "Wed 10 Jun 08:00"],
    );
    let until =
        |schedule: &mut Schedule| schedule.paused = Paused::Until(date("2026-06-10").unwrap());
    let paused = ["[Tue 09 Jun 08:00 paused until 2026-06-10]", "Wed 10 Jun 08:00"];
    check_with(until, "0 8 * * *", "2026-06-09", "2026-06-11", &paused);
    let whole = |schedule: &mut Schedule| schedule.paused = Paused::Yes;
    check_with(whole, "0 8 * * *", "2026-06-09", "2026-06-10", &["[Tue 09 Jun 08:00 paused]"]);
}
