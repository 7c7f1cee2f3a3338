//! Holds: in evaluations, in business time, and as they were stored before either was known.

use std::sync::Arc;

use super::*;
use crate::domain::calendar::Calendar;
use crate::domain::zone::Zone;

fn evaluations(hold: u32, keep: u32) -> Rule {
    let mut rule = rule(0, 0);
    (rule.hold, rule.keep_firing_for) = (Hold::Evaluations(hold), Hold::Evaluations(keep));
    rule
}

#[test]
fn a_hold_counts_evaluations_in_a_row() {
    check(&evaluations(1, 1), ".!!.", "-FfR");
    check(&evaluations(3, 1), "!!.!!!!.", "PpXPpFfR");
    check(&evaluations(1, 3), "!..!...", "FCcBCcR");
    // What saw nothing is no evaluation, however long it took; neither is a slot nobody evaluated.
    check(&evaluations(3, 1), "!??!??!", "PpppppF");
    check(&evaluations(3, 1), "!e!    !", "Ppp    F");
}

#[test]
fn the_reason_counts_in_the_words_of_the_hold() {
    let rule = evaluations(3, 1);
    let first = step(&rule, None, &Group::all(), Reading::Value(400.0), &slot(0));
    assert_eq!(first.why, "400 at level warning (> 300), held for 1 evaluation of 3 evaluations");
    let next = step(&rule, first.incident.as_ref(), &Group::all(), Reading::Value(1.0), &slot(1));
    assert_eq!(next.why, "1 is clear after 1 evaluation of 3 evaluations");
}

/// Minute 0 is a Friday midnight in UTC; the office is open from 00:02 to 00:05 on weekdays.
fn in_office(hold: i64, keep: i64) -> Rule {
    let hours = [("mon-fri", "00:02-00:05")];
    let office = Calendar::parse("office", Zone::utc(), &hours, &[]).expect("a calendar");
    Rule { clock: Some(Arc::new(office)), ..rule(hold, keep) }
}

#[test]
fn only_open_hours_count_towards_a_hold() {
    assert_eq!(minute(0).format("%a %H:%M").to_string(), "Fri 00:00");
    // Open from minute 2 to minute 5: the third minute of business time is over at minute 5.
    check(&in_office(3, 0), "!!!!!!", "PppppF");
    check(&in_office(2, 0), "!!!!!", "PpppF");
    // What is left when the office closes goes on when it opens: nothing counts meanwhile.
    check(&in_office(4, 0), "!!!!!!!!!!!!", "Pppppppppppp");
    check(&in_office(0, 2), "!.....", "FCccR-");
    // Closed at midnight, a hold of no time is none.
    check(&in_office(0, 0), "!.", "FR");
}

#[test]
fn evaluations_outside_the_hours_are_none_of_a_hold_in_business_time() {
    let mut rule = in_office(0, 0);
    rule.hold = Hold::Evaluations(2);
    check(&rule, "!!!!", "PppF");
}

#[test]
fn a_hold_in_business_time_is_over_on_monday() {
    let hours = [("mon-fri", "08:00-18:00")];
    let berlin = Zone::named("Europe/Berlin").expect("a zone");
    let office = Calendar::parse("office", berlin, &hours, &[]).expect("a calendar");
    let mut rule = rule(0, 0);
    rule.hold = TimeDelta::hours(4).into();
    rule.clock = Some(Arc::new(office));
    // Friday, 23 October 2026, 16:00 in Berlin; clocks go back on Sunday.
    let friday = "2026-10-23T14:00:00Z".parse::<DateTime<Utc>>().expect("an instant");
    let (mut at, mut incident) = (friday, None);
    let half_hour = TimeDelta::minutes(30);
    loop {
        let slot = Slot { at, window: None, reach: half_hour };
        let seen = step(&rule, incident.as_ref(), &Group::all(), Reading::Value(400.0), &slot);
        incident = seen.incident.map(|incident| restart(&incident));
        if seen.transition == Some(Transition::Fired) {
            break;
        }
        at += half_hour;
    }
    // Two hours on Friday, two on Monday: 10:00 is 09:00 UTC by then.
    assert_eq!(at.to_rfc3339(), "2026-10-26T09:00:00+00:00");
    assert_eq!(incident.map(|incident| incident.began), Some(friday));
}

#[test]
fn an_incident_stored_before_all_this_is_read_and_goes_on() {
    let rule = rule(2, 0);
    let began = step(&rule, None, &Group::all(), Reading::Value(400.0), &slot(0)).incident;
    let mut stored = serde_json::to_value(began.expect("a breach")).expect("it is stored");
    let body = stored.as_object_mut().expect("an object");
    for key in ["measured", "usual", "records"] {
        assert!(body.remove(key).is_some(), "{key}");
    }
    let held = body.get_mut("held").and_then(serde_json::Value::as_object_mut).expect("a timer");
    assert!(held.remove("evaluations").is_some());
    let about = body.get_mut("about").and_then(serde_json::Value::as_object_mut).expect("words");
    assert!(about.remove("format_measured").is_some());
    let read: Incident = serde_json::from_value(stored).expect("it is read back");
    assert_eq!((read.held.evaluations, read.measured), (1, None));
    let next = step(&rule, Some(&read), &Group::all(), Reading::Value(400.0), &slot(1)).incident;
    let next = step(&rule, next.as_ref(), &Group::all(), Reading::Value(400.0), &slot(2));
    assert_eq!(next.transition, Some(Transition::Fired));
    assert_eq!(next.incident.map(|incident| incident.held.evaluations), Some(3));
}

proptest! {
    /// What receivers are told of hangs on these: the beginning never moves, a return is no new
    /// incident, and what is unknown leaves all but the last reading as it was.
    #[test]
    fn an_incident_keeps_its_beginning_its_id_and_its_timers(
        rule in rules(), readings in "[.~!^#eg?]{0,60}",
    ) {
        let mut current: Option<Incident> = None;
        for (n, symbol_read) in (0..).zip(readings.chars()) {
            let Some(reading) = reading(symbol_read) else { continue };
            let before = current.clone().filter(Incident::is_open);
            let step = step(&rule, before.as_ref(), &Group::all(), reading, &slot(n));
            current = step.incident;
            let (Some(before), Some(after)) = (before, &current) else { continue };
            prop_assert_eq!((&before.id, before.began), (&after.id, after.began));
            prop_assert!(before.fired_at.is_none() || before.fired_at == after.fired_at);
            prop_assert!(after.peak.index >= after.level.index);
            if before.state == State::Recovering && after.state == State::Firing {
                prop_assert!(step.transition != Some(Transition::Fired));
            }
            if reading == Reading::Unknown {
                let (last_reading, last_read_at) = (after.last_reading, after.last_read_at);
                let frozen = Incident { last_reading, last_read_at, ..before };
                prop_assert_eq!(&frozen, after);
            }
        }
    }
}
