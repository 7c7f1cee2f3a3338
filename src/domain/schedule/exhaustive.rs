//! Every slot over years of clock changes, against an oracle that knows only offsets.
//!
//! The oracle walks a zone's offset, closes in on each change, and lays civil time over the
//! stretches between: what a civil time means then follows by looking, not by resolving.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, NaiveTime, Timelike};
use proptest::prelude::*;

use super::*;

/// Zones with what happens in those years: changes by an hour, by half an hour and by two, at night,
/// at midnight and in the evening, a fast inside summer, no change at all, a date left out.
const ZONES: [(&str, i32, i32); 19] = [
    ("Europe/Berlin", 2025, 2027),
    ("America/New_York", 2025, 2027),
    ("Australia/Lord_Howe", 2025, 2027),
    ("Africa/Casablanca", 2024, 2027),
    ("America/Vancouver", 2025, 2027),
    ("Asia/Kathmandu", 2025, 2027),
    ("Pacific/Apia", 2010, 2013),
    ("America/Asuncion", 2022, 2025),
    ("Africa/Cairo", 2024, 2027),
    ("America/Havana", 2025, 2027),
    ("Asia/Beirut", 2025, 2027),
    ("Antarctica/Troll", 2025, 2027),
    ("America/St_Johns", 2005, 2008),
    ("America/Nuuk", 2022, 2025),
    ("America/Scoresbysund", 2023, 2025),
    ("Pacific/Kwajalein", 1992, 1994),
    ("America/Caracas", 2007, 2008),
    ("Asia/Pyongyang", 2015, 2018),
    ("UTC", 2026, 2026),
];

/// Stretches of time with one offset, without a hole between them.
struct Walk(Vec<Stretch>);

struct Stretch {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    offset: TimeDelta,
}

impl Walk {
    fn through(zone: &Zone, from: DateTime<Utc>, to: DateTime<Utc>) -> Walk {
        let offset = |at| zone.offset_seconds(at);
        let (mut stretches, mut began, mut at) = (Vec::new(), from, from);
        let mut close = |began, to| {
            let offset = TimeDelta::seconds(i64::from(offset(began)));
            stretches.push(Stretch { from: began, to, offset });
        };
        while at < to {
            let next = at + TimeDelta::hours(3);
            if offset(at) != offset(next) {
                let (mut same, mut other) = (at, next);
                while other - same > TimeDelta::seconds(1) {
                    let middle = same + (other - same) / 2;
                    let middle = DateTime::from_timestamp(middle.timestamp(), 0).unwrap();
                    *(if offset(middle) == offset(at) { &mut same } else { &mut other }) = middle;
                }
                close(began, other);
                began = other;
            }
            at = next;
        }
        close(began, at);
        Walk(stretches)
    }

    /// All instants with this civil time.
    fn instants(&self, civil: NaiveDateTime) -> Vec<DateTime<Utc>> {
        let in_stretch = |stretch: &Stretch| {
            let at = civil.and_utc() - stretch.offset;
            (stretch.from <= at && at < stretch.to).then_some(at)
        };
        self.0.iter().filter_map(in_stretch).collect()
    }

    /// The first of those, or else the first instant that shows a later civil time.
    fn first(&self, civil: NaiveDateTime) -> DateTime<Utc> {
        let after_gap = || {
            let begins_later = |s: &&Stretch| s.from.naive_utc() + s.offset > civil;
            self.0.iter().find(begins_later).expect("the walk goes on").from
        };
        self.instants(civil).first().copied().unwrap_or_else(after_gap)
    }

    fn shows(&self, date: NaiveDate) -> bool {
        let midnight = date.and_time(NaiveTime::MIN);
        self.0.iter().any(|stretch| {
            let (from, to) = (
                stretch.from.naive_utc() + stretch.offset,
                stretch.to.naive_utc() + stretch.offset,
            );
            from < midnight + TimeDelta::days(1) && midnight < to
        })
    }
}

fn new_year(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap()
}

fn times(hours: &[u32], minutes: &[u32]) -> Vec<NaiveTime> {
    let at = |hour: &u32, minute: &u32| NaiveTime::from_hms_opt(*hour, *minute, 0).unwrap();
    hours.iter().flat_map(|hour| minutes.iter().map(move |minute| at(hour, minute))).collect()
}

fn runs(slots: &[Slot]) -> Vec<DateTime<Utc>> {
    slots.iter().filter(|slot| slot.skipped.is_none()).map(|slot| slot.planned_at).collect()
}

#[test]
fn each_civil_date_that_exists_is_served_exactly_once() {
    for (name, first_year, last_year) in ZONES {
        let zone = Zone::named(name).unwrap();
        let (first, end) = (new_year(first_year), new_year(last_year + 1));
        let (from, to) = (zone.start_of(first), zone.start_of(end));
        let walk = Walk::through(&zone, from - TimeDelta::days(3), to + TimeDelta::days(3));
        let dates: Vec<NaiveDate> = first.iter_days().take_while(|date| *date < end).collect();
        let existing: Vec<NaiveDate> =
            dates.iter().copied().filter(|date| walk.shows(*date)).collect();
        let fixed: [(&str, &[u32], &[u32]); 9] = [
            ("30 2 * * *", &[2], &[30]),
            ("0 0 * * *", &[0], &[0]),
            ("30 1,13 * * *", &[1, 13], &[30]),
            ("0 2,3 * * *", &[2, 3], &[0]),
            ("0,30 0-3 * * *", &[0, 1, 2, 3], &[0, 30]),
            ("15 23 * * *", &[23], &[15]),
            ("59 23 * * *", &[23], &[59]),
            ("5 0,12,23 * * *", &[0, 12, 23], &[5]),
            ("*/20 22-23 * * *", &[22, 23], &[0, 20, 40]),
        ];
        for (pattern, hours, minutes) in fixed {
            let schedule = Schedule::parse(pattern, zone.clone()).unwrap();
            let before = from - TimeDelta::nanoseconds(1);
            let slots = schedule.slots(before, to - TimeDelta::nanoseconds(1), usize::MAX);
            let actual = runs(&slots);

            // Each existing date, each of its times, at the instant the walk shows; times of one gap
            // fall on one instant.
            let times = times(hours, minutes);
            let expected: BTreeSet<DateTime<Utc>> = existing
                .iter()
                .flat_map(|date| times.iter().map(|time| walk.first(date.and_time(*time))))
                .filter(|at| from <= *at && *at < to)
                .collect();
            same(&actual, &expected, &format!("{name} `{pattern}`"));

            // Said again without resolving anything: one time a day runs once on each date, where
            // the clock did not jump over midnight from before it.
            if let [time] = times[..] {
                let over_midnight = |date: &NaiveDate| {
                    OVER_MIDNIGHT.contains(&(name, &date.to_string())) && time.hour() == 23
                };
                let date_of = |at: &DateTime<Utc>| match zone.date(*at - TimeDelta::seconds(1)) {
                    jumped if over_midnight(&jumped) => jumped,
                    _ => zone.date(*at),
                };
                let served: Vec<NaiveDate> = actual.iter().map(date_of).collect();
                let differ = existing.iter().zip(&served).find(|(date, served)| date != served);
                assert_eq!((differ, served.len()), (None, existing.len()), "{name} `{pattern}`");
            }

            // What does not exist is told, unless the next date runs at that very instant.
            let skips = slots.iter().filter(|slot| slot.skipped.is_some()).count();
            let missing = dates.iter().filter(|date| !walk.shows(**date)).count();
            let told = if times[0] == NaiveTime::MIN { 0 } else { missing };
            assert_eq!(skips, told, "{name} `{pattern}`");
        }
    }
}

/// Evenings from which the clock jumped into the next date.
const OVER_MIDNIGHT: [(&str, &str); 4] = [
    ("America/Nuuk", "2024-03-30"),
    ("America/Nuuk", "2025-03-29"),
    ("America/Scoresbysund", "2025-03-29"),
    ("Asia/Pyongyang", "2018-05-04"),
];

/// Compares long lists without printing them.
#[track_caller]
fn same(actual: &[DateTime<Utc>], expected: &BTreeSet<DateTime<Utc>>, what: &str) {
    let actual_set: BTreeSet<_> = actual.iter().copied().collect();
    let extra: Vec<_> = actual_set.difference(expected).take(5).collect();
    let lacking: Vec<_> = expected.difference(&actual_set).take(5).collect();
    assert!(extra.is_empty() && lacking.is_empty(), "{what}: too many {extra:?}, not {lacking:?}");
    assert!(actual.is_sorted() && actual.len() == expected.len(), "{what}: out of order or twice");
}

#[test]
fn patterns_on_elapsed_time_run_at_every_instant_that_shows_them() {
    for (name, first_year, last_year) in ZONES {
        let zone = Zone::named(name).unwrap();
        let (from, to) =
            (zone.start_of(new_year(first_year)), zone.start_of(new_year(last_year + 1)));
        let walk = Walk::through(&zone, from - TimeDelta::days(3), to + TimeDelta::days(3));
        let dates = || new_year(first_year - 1).iter_days();
        let elapsed: [(&str, u32, &[u32]); 4] = [
            ("15 */6 * * *", 6, &[15]),
            ("0 * * * *", 1, &[0]),
            ("0,45 */2 * * *", 2, &[0, 45]),
            ("30 */1 * * *", 1, &[30]),
        ];
        for (pattern, step, minutes) in elapsed {
            let schedule = Schedule::parse(pattern, zone.clone()).unwrap();
            let slots = schedule.slots(from, to, usize::MAX);
            let hours: Vec<u32> = (0..24).step_by(step as usize).collect();
            let times = times(&hours, minutes);
            let expected: BTreeSet<DateTime<Utc>> = dates()
                .take_while(|date| *date < new_year(last_year + 2))
                .flat_map(|date| times.iter().map(move |time| date.and_time(*time)))
                .flat_map(|civil| walk.instants(civil))
                .filter(|at| from < *at && *at <= to)
                .collect();
            same(&runs(&slots), &expected, &format!("{name} `{pattern}`"));
            assert_eq!(slots.len(), runs(&slots).len(), "{name} `{pattern}`");
        }
    }
}

#[test]
fn in_every_zone_of_the_world_each_date_is_served_once() {
    let (first, end) = (new_year(2026), new_year(2028));
    let dates: Vec<NaiveDate> = first.iter_days().take_while(|date| *date < end).collect();
    for name in Zone::names() {
        let Ok(zone) = Zone::named(name) else { continue };
        let (from, to) = (zone.start_of(first), zone.start_of(end));
        let mut times_run: BTreeMap<NaiveDate, usize> = BTreeMap::new();
        let schedule = Schedule::parse("30 1,13 * * *", zone.clone()).unwrap();
        for slot in schedule.slots(from, to, usize::MAX) {
            *times_run.entry(zone.date(slot.planned_at)).or_default() += 1;
        }
        assert_eq!(times_run.len(), dates.len(), "{name}");
        assert!(times_run.values().all(|times| *times == 2), "{name}");
    }
}

/// A pattern with what it means, put together from parts.
#[derive(Clone, Debug)]
struct Rule {
    pattern: String,
    times: Vec<NaiveTime>,
    elapsed: bool,
    day: Option<u32>,
    weekday: Option<u32>,
}

impl Rule {
    fn names(&self, date: NaiveDate) -> bool {
        use chrono::Datelike;
        let day = self.day.map(|day| date.day() == day);
        let weekday = self.weekday.map(|day| date.weekday().num_days_from_sunday() == day);
        match (day, weekday) {
            (Some(day), Some(weekday)) => day || weekday,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => true,
        }
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let listed =
        |values: &BTreeSet<u32>| values.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let hours = prop_oneof![
        prop::collection::btree_set(0u32..24, 1..5).prop_map(Ok),
        (1u32..12).prop_map(Err),
    ];
    let minutes = prop::collection::btree_set(0u32..60, 1..4);
    let day = prop::option::of(1u32..32);
    let weekday = prop::option::of(0u32..7);
    (hours, minutes, day, weekday).prop_map(move |(hours, minutes, day, weekday)| {
        let (hour, hours, elapsed) = match hours {
            Ok(hours) => (listed(&hours), Vec::from_iter(hours), false),
            Err(step) => (format!("*/{step}"), (0..24).step_by(step as usize).collect(), true),
        };
        let or_star = |field: Option<u32>| field.map_or("*".to_owned(), |value| value.to_string());
        let pattern =
            format!("{} {hour} {} * {}", listed(&minutes), or_star(day), or_star(weekday));
        let minutes = Vec::from_iter(minutes);
        Rule { pattern, times: times(&hours, &minutes), elapsed, day, weekday }
    })
}

fn stretch() -> impl Strategy<Value = (Zone, DateTime<Utc>, TimeDelta, TimeDelta)> {
    (0..ZONES.len(), 0.0..1.0f64, 0i64..40 * 86_400, 0i64..40 * 86_400).prop_map(
        |(place, into, first, second)| {
            let (name, from, to) = ZONES[place];
            let zone = Zone::named(name).unwrap();
            let (from, to) = (zone.start_of(new_year(from)), zone.start_of(new_year(to + 1)));
            let after = from + TimeDelta::seconds(((to - from).num_seconds() as f64 * into) as i64);
            (zone, after, TimeDelta::seconds(first), TimeDelta::seconds(second))
        },
    )
}

proptest! {
    #[test]
    fn slots_are_in_order_and_a_stretch_is_the_sum_of_its_parts(
        rule in rule(), (zone, a, first, second) in stretch(), max in 1usize..50,
    ) {
        let (b, c) = (a + first, a + first + second);
        let schedule = Schedule::parse(&rule.pattern, zone).unwrap();
        let whole = schedule.slots(a, c, usize::MAX);
        prop_assert!(whole.windows(2).all(|pair| pair[0].planned_at < pair[1].planned_at));
        prop_assert!(whole.iter().all(|slot| a < slot.planned_at && slot.planned_at <= c));
        let mut parts = schedule.slots(a, b, usize::MAX);
        parts.extend(schedule.slots(b, c, usize::MAX));
        prop_assert_eq!(&whole, &parts);
        prop_assert_eq!(schedule.slots(a, c, max), whole[..max.min(whole.len())].to_vec());
        if let Some(next) = whole.iter().find(|slot| slot.skipped.is_none()) {
            prop_assert_eq!(schedule.next(a), Some(next.clone()));
        }
    }

    #[test]
    fn slots_are_those_of_the_oracle(rule in rule(), (zone, after, length, _) in stretch()) {
        let until = after + length;
        let margin = TimeDelta::days(4);
        let walk = Walk::through(&zone, after - margin, until + margin);
        let schedule = Schedule::parse(&rule.pattern, zone).unwrap();
        let expected: BTreeSet<DateTime<Utc>> = (after - TimeDelta::days(2))
            .date_naive()
            .iter_days()
            .take_while(|date| *date <= (until + TimeDelta::days(2)).date_naive())
            .filter(|date| rule.names(*date) && walk.shows(*date))
            .flat_map(|date| rule.times.iter().map(move |time| date.and_time(*time)))
            .flat_map(|civil| match rule.elapsed {
                true => walk.instants(civil),
                false => vec![walk.first(civil)],
            })
            .filter(|at| after < *at && *at <= until)
            .collect();
        prop_assert_eq!(runs(&schedule.slots(after, until, usize::MAX)), Vec::from_iter(expected));
    }
}
