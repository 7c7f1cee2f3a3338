//! Hours: when a route may tell, and time that counts in open hours alone.

use std::sync::Arc;

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::super::calendar::Calendar;
use super::Route;

/// So far ahead openings are looked for: a calendar that is shut for longer is shut for good.
const DAYS_AHEAD: u64 = 800;

/// A route that does not tell now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    /// Why, e.g. "outside the hours of `office`".
    pub why: String,
    /// When it tells again; `None`: not within two years.
    pub until: Option<DateTime<Utc>>,
}

impl Route {
    /// Whether it does not tell at an instant, why and until when.
    pub fn shut(&self, at: DateTime<Utc>) -> Option<Shut> {
        let why = why_shut(self.hours.as_ref(), &self.mute, at)?;
        let mut reached = Some(at);
        // Each turn reaches the next beginning or end of some hours; they alternate.
        for _ in 0..4 * DAYS_AHEAD {
            let Some(tried) = reached else { break };
            if why_shut(self.hours.as_ref(), &self.mute, tried).is_none() {
                return Some(Shut { why, until: Some(tried) });
            }
            reached = next_try(self.hours.as_ref(), &self.mute, tried)
                .filter(|next| *next - at < TimeDelta::days(DAYS_AHEAD as i64));
        }
        Some(Shut { why, until: None })
    }
}

fn why_shut(
    hours: Option<&Arc<Calendar>>,
    mute: &[Arc<Calendar>],
    at: DateTime<Utc>,
) -> Option<String> {
    if let Some(mute) = mute.iter().find(|mute| mute.contains(at)) {
        return Some(format!("muted by `{}`", mute.name));
    }
    let hours = hours.filter(|hours| !hours.contains(at))?;
    Some(format!("outside the hours of `{}`", hours.name))
}

/// The next instant at which a shut route may be open.
fn next_try(
    hours: Option<&Arc<Calendar>>,
    mute: &[Arc<Calendar>],
    at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    match mute.iter().filter_map(|mute| mute.open_until(at)).max() {
        Some(end) => Some(end),
        None => opens(hours?, at),
    }
}

/// The first instant from `at` on that lies inside the hours; `None`: not within two years.
pub(crate) fn opens(calendar: &Calendar, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    openings(calendar, at).next().map(|(from, _)| from.max(at))
}

/// The instant at which so much time has passed since `from`: of a calendar its open hours alone.
/// `None`: not within two years of them.
pub(crate) fn after(
    clock: Option<&Calendar>,
    from: DateTime<Utc>,
    length: TimeDelta,
) -> Option<DateTime<Utc>> {
    let Some(calendar) = clock else { return from.checked_add_signed(length) };
    let mut left = length;
    let mut reached = from;
    for (begins, ends) in openings(calendar, from) {
        // Openings may overlap where clocks were put back: no stretch counts twice.
        reached = reached.max(begins);
        if ends <= reached {
            continue;
        }
        if left <= ends - reached {
            return Some(reached + left);
        }
        left -= ends - reached;
        reached = ends;
    }
    None
}

/// The openings that end after an instant, in order.
fn openings(
    calendar: &Calendar,
    at: DateTime<Utc>,
) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
    // One of the day before may wrap midnight.
    let first = calendar.zone().date(at).checked_sub_days(Days::new(1));
    let dates = (0..DAYS_AHEAD).filter_map(move |n| first?.checked_add_days(Days::new(n)));
    dates.flat_map(|date| calendar.openings_on(date)).filter(move |(_, ends)| at < *ends)
}

#[cfg(test)]
mod tests {
    use super::super::super::zone::Zone;
    use super::*;

    fn calendar(
        name: &str,
        zone: &str,
        hours: &[(&str, &str)],
        holidays: &[&str],
    ) -> Arc<Calendar> {
        let zone = Zone::named(zone).expect("a zone");
        let holidays: Vec<_> = holidays.iter().map(|day| day.parse().expect("a date")).collect();
        Arc::new(Calendar::parse(name, zone, hours, &holidays).expect("a calendar"))
    }

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("{text}:00Z")).expect("an instant").to_utc()
    }

    #[track_caller]
    fn check(route: &Route, at: &str, expected: Option<(&str, &str)>) {
        let shut = route.shut(utc(at)).map(|shut| (shut.why, shut.until));
        let expected = expected.map(|(why, until)| (why.to_owned(), Some(utc(until))));
        assert_eq!(shut, expected, "at {at}");
    }

    #[test]
    fn hours_open_in_their_zone_over_midnight_the_week_and_holidays() {
        let office =
            calendar("office", "Europe/Berlin", &[("mon-fri", "08:00-18:00")], &["2026-11-25"]);
        let route = Route { hours: Some(office), ..Route::default() };
        check(&route, "2026-11-23T07:00", None);
        check(
            &route,
            "2026-11-23T06:59",
            Some(("outside the hours of `office`", "2026-11-23T07:00")),
        );
        check(
            &route,
            "2026-11-24T17:00",
            Some(("outside the hours of `office`", "2026-11-26T07:00")),
        );
        check(
            &route,
            "2026-11-27T17:00",
            Some(("outside the hours of `office`", "2026-11-30T07:00")),
        );
        // The clocks change in between.
        check(
            &route,
            "2026-10-23T16:00",
            Some(("outside the hours of `office`", "2026-10-26T07:00")),
        );
        let night = calendar("night", "Europe/Berlin", &[("sun-thu", "22:00-06:00")], &[]);
        let route = Route { mute: vec![night], ..Route::default() };
        check(&route, "2026-11-23T20:59", None);
        check(&route, "2026-11-23T21:00", Some(("muted by `night`", "2026-11-24T05:00")));
        check(&route, "2026-11-24T04:59", Some(("muted by `night`", "2026-11-24T05:00")));
    }

    #[test]
    fn hours_and_mutes_are_taken_together() {
        let office = calendar("office", "UTC", &[("mon-fri", "08:00-18:00")], &[]);
        let lunch = calendar("lunch", "UTC", &[("mon-sun", "12:00-13:00")], &[]);
        let early = calendar("early", "UTC", &[("mon-sun", "07:00-09:00")], &[]);
        let route = Route { hours: Some(office), mute: vec![lunch, early], ..Route::default() };
        check(&route, "2026-11-23T10:00", None);
        check(&route, "2026-11-23T12:30", Some(("muted by `lunch`", "2026-11-23T13:00")));
        check(
            &route,
            "2026-11-23T18:00",
            Some(("outside the hours of `office`", "2026-11-24T09:00")),
        );
        check(
            &route,
            "2026-11-27T19:00",
            Some(("outside the hours of `office`", "2026-11-30T09:00")),
        );
    }

    #[test]
    fn what_never_opens_has_no_end() {
        let never = calendar("always", "UTC", &[("mon-sun", "00:00-24:00")], &[]);
        let route = Route { mute: vec![never], ..Route::default() };
        let shut = route.shut(utc("2026-11-23T10:00")).expect("it is shut");
        assert_eq!(shut.until, None);
    }

    #[test]
    fn business_time_counts_open_hours_alone() {
        let office =
            calendar("office", "Europe/Berlin", &[("mon-fri", "08:00-18:00")], &["2026-11-25"]);
        let check = |from: &str, hours: i64, expected: &str| {
            let at = after(Some(&office), utc(from), TimeDelta::hours(hours));
            assert_eq!(at, Some(utc(expected)), "{hours} h from {from}");
        };
        check("2026-11-23T08:00", 4, "2026-11-23T12:00");
        check("2026-11-23T15:00", 4, "2026-11-24T09:00");
        check("2026-11-24T16:00", 1, "2026-11-24T17:00");
        check("2026-11-24T16:00", 2, "2026-11-26T08:00");
        check("2026-11-28T10:00", 0, "2026-11-30T07:00");
        check("2026-11-27T16:30", 20, "2026-12-01T16:30");
        assert_eq!(
            after(None, utc("2026-11-23T08:00"), TimeDelta::hours(4)),
            Some(utc("2026-11-23T12:00"))
        );
    }
}
