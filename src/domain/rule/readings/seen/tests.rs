//! Tables: what answers read for each group.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};

use super::super::super::{Judge, Level, Ratio, Usual, WhenEmpty, WhenGone, sample};
use super::*;
use crate::domain::incident::{State, step};
use crate::domain::query::samples;
use crate::domain::query::{Query, QueryText};
use crate::domain::rule::slots::Slot;

/// A rule that counts sessions by channel.
fn counting(levels: &[(&str, &str, Option<&str>)]) -> Rule {
    let text = QueryText {
        date: Some("session.StartTime"),
        group_by: vec!["channel as Channel"],
        columns: vec!["count()"],
        ..QueryText::default()
    };
    let query = Query::check_rule(&samples::report_type("sessions"), &text).expect("a query");
    Rule { query: Arc::new(query), ..sample::rule(levels) }
}

/// A row of a group with value, records and, where it is a ratio, out of how many.
fn row(key: &str, numbers: &[Option<f64>]) -> Row {
    let name = Value::Text(key.into());
    let number = |number: &Option<f64>| number.map_or(Value::Null, Value::Real);
    Row {
        keys: vec![name.clone()],
        shown: vec![name],
        values: numbers.iter().map(number).collect(),
    }
}

fn rows(rows: &[(&str, f64)]) -> Vec<Row> {
    rows.iter().map(|(key, count)| row(key, &[Some(*count), Some(*count)])).collect()
}

fn slot(minute: i32) -> Slot {
    let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(1) * minute;
    Slot { at, window: None, reach: TimeDelta::minutes(1) }
}

fn name(group: &Group) -> &str {
    group.key.trim_matches(&['[', ']', '"'][..])
}

#[track_caller]
fn check(rule: &Rule, asked: &Asked<'_>, open: &[Incident], expected: &[&str]) {
    let seen = observations(rule, asked, open);
    let seen: Vec<String> =
        seen.iter().map(|seen| format!("{} {:?}", name(&seen.group), seen.reading)).collect();
    assert_eq!(seen, expected);
}

/// The open incident that an observation begins.
#[track_caller]
fn incident(rule: &Rule, seen: &Observation) -> Incident {
    step(rule, None, seen, &slot(0)).incident.expect("a breach")
}

#[test]
fn null_few_records_and_no_row_are_three_readings_beside_the_value_zero() {
    let mut rule = counting(&[("warning", "> 1", None)]);
    rule.min_records = 5;
    let rows = [
        row("zero", &[Some(0.0), Some(5.0)]),
        row("null", &[None, Some(9.0)]),
        row("few", &[Some(7.5), Some(4.0)]),
    ];
    let known = |group: Group| {
        incident(
            &counting(&[("warning", "> 1", None)]),
            &Observation::of(group, Reading::Value(3.0)),
        )
    };
    let open = [
        known(Group::of(["Channel"], &[Value::Text("away".into())], &[])),
        known(Group::overflow()),
    ];
    check(
        &rule,
        &Asked { rows: &rows, ..Asked::default() },
        &open,
        &["away Gone", "few Empty", "null Empty", "zero Value(0.0)"],
    );
}

#[test]
fn a_level_of_a_ratio_is_reached_by_its_bound_and_left_by_the_share() {
    let mut rule = counting(&[("warning", "> 0.10", None)]);
    rule.ratio = Some(Ratio { confidence: 0.95 });
    rule.min_records = 20;
    let state = |failed: f64, all: f64, before: Option<&Incident>| {
        let rows = [row("Web", &[Some(failed), Some(1000.0), Some(all)])];
        let seen =
            observations(&rule, &Asked { rows: &rows, ..Asked::default() }, before).remove(0);
        step(&rule, before, &seen, &slot(1)).incident
    };
    // 15 % of 20 are three: it could as well be 5 %.
    assert_eq!(state(3.0, 20.0, None), None);
    // The same share of two hundred is beyond doubt.
    let firing = state(30.0, 200.0, None).expect("a breach");
    assert_eq!(
        (firing.state, firing.value, firing.records),
        (State::Firing, Some(0.15), Some(200))
    );
    // It is not over because fewer records make it less sure, but when the share is back.
    assert_eq!(state(3.0, 20.0, Some(&firing)).map(|next| next.state), Some(State::Firing));
    assert_eq!(state(2.0, 20.0, Some(&firing)).map(|next| next.state), Some(State::Resolved));
    // `min_records` is about what it is out of.
    let few = [
        row("Web", &[Some(19.0), Some(1000.0), Some(19.0)]),
        row("None", &[Some(0.0), Some(9.0), Some(0.0)]),
    ];
    check(&rule, &Asked { rows: &few, ..Asked::default() }, &[], &["None Empty", "Web Empty"]);
}

#[test]
fn the_level_of_a_low_ratio_is_reached_from_above() {
    let mut rule = counting(&[("low", "< 0.90", None)]);
    rule.ratio = Some(Ratio { confidence: 0.95 });
    let seen = |good: f64, all: f64| {
        let rows = [row("Web", &[Some(good), Some(all), Some(all)])];
        let seen = observations(&rule, &Asked { rows: &rows, ..Asked::default() }, None).remove(0);
        step(&rule, None, &seen, &slot(1)).incident.is_some()
    };
    assert_eq!((seen(17.0, 20.0), seen(170.0, 200.0)), (false, true));
}

fn against(baseline: Baseline, judge: Judge, levels: &[(&str, &str, Option<&str>)]) -> Rule {
    let usual = Usual { baseline, judge, min_baseline: 10.0, calendar: None };
    Rule { usual: Some(usual), ..counting(levels) }
}

#[test]
fn a_group_that_fell_silent_is_zero_beside_what_is_usual() {
    let rule = against(Baseline::MedianOfWeeks(4), Judge::Chance, &[("warning", "< 0.001", None)]);
    let weeks = [
        rows(&[("Web", 30.0), ("SMS", 40.0), ("Rare", 2.0)]),
        rows(&[("Web", 34.0), ("SMS", 40.0)]),
        rows(&[("Web", 30.0), ("Old", 50.0)]),
        rows(&[("Web", 30.0)]),
    ];
    let earlier: Vec<&[Row]> = weeks.iter().map(Vec::as_slice).collect();
    let now = rows(&[("SMS", 38.0), ("New", 5.0)]);
    let seen =
        observations(&rule, &Asked { rows: &now, earlier: &earlier, ..Asked::default() }, None);
    let found: Vec<(&str, Option<f64>, Option<f64>, bool)> = seen
        .iter()
        .map(|seen| {
            let value = match seen.reading {
                Reading::Value(value) => Some(value < 0.001),
                _ => None,
            };
            (name(&seen.group), seen.measured, seen.usual, value.unwrap_or(false))
        })
        .collect();
    assert_eq!(
        found,
        [
            // Nothing to compare it with: it was not there.
            ("New", Some(5.0), None, false),
            // Two weeks without a record and one with fifty: usually there is nothing.
            ("Old", Some(0.0), Some(0.0), false),
            ("Rare", Some(0.0), Some(2.0), false),
            // The weeks before its first are not read as nothing.
            ("SMS", Some(38.0), Some(40.0), false),
            ("Web", Some(0.0), Some(30.0), true),
        ]
    );
}

#[test]
fn a_breach_never_becomes_what_is_usual() {
    let rule = against(Baseline::PreviousWindow, Judge::Change, &[("warning", "< -0.5", None)]);
    let ask = |now: f64, before: f64, open: Option<&Incident>, minute| {
        let (now, before) = (rows(&[("Web", now)]), rows(&[("Web", before)]));
        let earlier = [before.as_slice()];
        let asked = Asked { rows: &now, earlier: &earlier, ..Asked::default() };
        let seen = observations(&rule, &asked, open).remove(0);
        step(&rule, open, &seen, &slot(minute)).incident
    };
    assert_eq!(ask(90.0, 100.0, None, 0), None);
    let began = ask(20.0, 100.0, None, 1).expect("a breach");
    assert_eq!((began.value, began.measured, began.usual), (Some(-0.8), Some(20.0), Some(100.0)));
    // The window before is now as low as this one: nothing changed for the better.
    let next = ask(20.0, 20.0, Some(&began), 2).expect("still");
    assert_eq!((next.state, next.usual), (State::Firing, Some(100.0)));
    let next = ask(0.0, 20.0, Some(&next), 3).expect("still");
    assert_eq!((next.state, next.value), (State::Firing, Some(-1.0)));
    let over = ask(60.0, 0.0, Some(&next), 4).expect("its end");
    assert_eq!((over.state, over.measured), (State::Resolved, Some(60.0)));
}

#[test]
fn a_floor_a_holiday_and_a_first_week_leave_nothing_to_judge() {
    let rule = against(Baseline::LastWeek, Judge::Change, &[("warning", "< -0.5", None)]);
    let (now, last_week) = (rows(&[("Web", 1.0), ("SMS", 1.0)]), rows(&[("Web", 9.0)]));
    check(
        &rule,
        &Asked { rows: &now, earlier: &[&last_week], ..Asked::default() },
        &[],
        &["SMS Empty", "Web Empty"],
    );
    check(&rule, &Asked { rows: &now, ..Asked::default() }, &[], &["SMS Empty", "Web Empty"]);
}

#[test]
fn only_new_groups_count_and_one_that_is_no_longer_new_is_over() {
    let mut rule = counting(&[("warning", "> 0", None)]);
    rule.new_within = Some(TimeDelta::days(30));
    let (now, before) = (rows(&[("Web", 5.0), ("Fax", 2.0)]), rows(&[("Web", 99.0), ("SMS", 1.0)]));
    let asked = Asked { rows: &now, before: &before, ..Asked::default() };
    check(&rule, &asked, &[], &["Fax Value(2.0)"]);
    let fax = incident(&rule, &observations(&rule, &asked, None)[0]);
    let before = rows(&[("Web", 99.0), ("Fax", 2.0)]);
    let asked = Asked { rows: &now, before: &before, ..Asked::default() };
    check(&rule, &asked, &[fax], &["Fax Value(0.0)"]);
}

fn expecting(expect: Expect) -> Rule {
    let mut rule = counting(&[("warning", "> 1000", None)]);
    rule.when_gone = WhenGone::Level(0);
    rule.expect = Some(expect);
    rule
}

#[test]
fn an_expected_group_is_missed_though_it_was_never_seen() {
    let names = || vec!["Web".to_owned(), "WhatsApp".to_owned()];
    let rule = expecting(Expect::Groups(names()));
    let now = rows(&[("Web", 5.0)]);
    let asked = Asked { rows: &now, ..Asked::default() };
    let stand_in = r#"expected:"WhatsApp"#;
    check(&rule, &asked, &[], &["Web Value(5.0)", &format!("{stand_in} Gone")]);
    let missing = observations(&rule, &asked, None).remove(1);
    let missing = incident(&rule, &missing);
    assert_eq!((missing.state, missing.group.name().as_str()), (State::Firing, "WhatsApp"));
    // It turns up, under a key of its own: the incident about it goes on, and ends.
    let mut now = rows(&[("Web", 5.0), ("0Mj1", 3.0)]);
    now[1].shown = vec![Value::Text("WhatsApp".into())];
    let asked = Asked { rows: &now, ..Asked::default() };
    check(
        &rule,
        &asked,
        std::slice::from_ref(&missing),
        &["Web Value(5.0)", &format!("{stand_in} Value(3.0)")],
    );
    let found = observations(&rule, &asked, [&missing]).remove(1);
    let over = step(&rule, Some(&missing), &found, &slot(1)).incident.expect("its end");
    assert_eq!((over.state, over.group.shown[0].1.as_str()), (State::Resolved, "WhatsApp"));
    // From then on it goes by its own key.
    check(&rule, &asked, &[], &["0Mj1 Value(3.0)", "Web Value(5.0)"]);
    // By key it is expected as well.
    let by_key = expecting(Expect::Groups(vec!["0Mj1".to_owned()]));
    check(&by_key, &asked, &[], &["0Mj1 Value(3.0)", "Web Value(5.0)"]);
    // Nobody expects it any more: there is nothing to wait for.
    let unexpecting = expecting(Expect::Groups(vec!["Web".to_owned()]));
    let now = rows(&[("Web", 5.0)]);
    let seen = observations(&unexpecting, &Asked { rows: &now, ..Asked::default() }, [&missing]);
    let end = step(&unexpecting, Some(&missing), &seen[1], &slot(1)).incident.expect("its end");
    assert_eq!(end.state, State::Resolved);
}

#[test]
fn groups_seen_lately_are_expected_until_that_is_long_ago() {
    let rule = expecting(Expect::SeenWithin(TimeDelta::days(7)));
    let (now, lately) = (rows(&[("Web", 5.0)]), rows(&[("Web", 100.0), ("SMS", 70.0)]));
    let asked = Asked { rows: &now, lately: &lately, ..Asked::default() };
    check(&rule, &asked, &[], &["SMS Gone", "Web Value(5.0)"]);
    let missing = incident(&rule, &observations(&rule, &asked, None)[0]);
    assert_eq!(missing.state, State::Firing);
    let lately = rows(&[("Web", 100.0)]);
    let asked = Asked { rows: &now, lately: &lately, ..Asked::default() };
    let seen = observations(&rule, &asked, [&missing]).remove(0);
    let end = step(&rule, Some(&missing), &seen, &slot(1)).incident.expect("its end");
    assert_eq!(end.state, State::Resolved);
}

#[test]
fn a_group_seen_for_the_first_time_is_not_judged_before_it_is_warm() {
    let mut rule = counting(&[("warning", "> 3", None)]);
    rule.when_empty = WhenEmpty::Hold;
    let now = rows(&[("New", 9.0), ("Old", 9.0), ("Open", 9.0), ("Calm", 1.0)]);
    let mut seen = observations(&rule, &Asked { rows: &now, ..Asked::default() }, None);
    let awaiting: Vec<bool> =
        seen.iter().map(|seen| awaits_warming(&rule, seen, |key| key == r#"["Open"]"#)).collect();
    assert_eq!(awaiting, [false, true, true, false]);
    hold_back(&rule, &mut seen, &rows(&[("Old", 1.0)]), |key| key == r#"["Open"]"#);
    let readings: Vec<Reading> = seen.iter().map(|seen| seen.reading).collect();
    use Reading::{Unknown, Value};
    assert_eq!(readings, [Value(1.0), Unknown, Value(9.0), Value(9.0)]);
}

#[test]
fn levels_are_not_needed_to_read() {
    let rule = Rule { levels: Vec::<Level>::new(), ..counting(&[]) };
    check(&rule, &Asked::default(), &[], &[]);
}
