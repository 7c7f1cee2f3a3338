//! Tables: a string of readings, one a minute, against the string of what they do. The incident is
//! stored and read back at every step.

use proptest::prelude::*;

use super::super::rule::readings::{Observation, overflow_rule};
use super::super::rule::{Comparison, WhenEmpty, WhenGone, sample, slots::Slot};
use super::*;

mod holds;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// A step by a reading of which nothing more is known.
fn step(
    rule: &Rule,
    incident: Option<&Incident>,
    group: &Group,
    reading: Reading,
    slot: &Slot,
) -> Step {
    super::step(rule, incident, &Observation::of(group.clone(), reading), slot)
}

fn minute(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + MINUTE * i32::try_from(n).expect("small")
}

fn slot(n: i64) -> Slot {
    Slot { at: minute(n), window: None, reach: MINUTE }
}

/// Warning above 300 until below 240, critical above 900 until below 700.
fn rule(hold: i64, keep: i64) -> Rule {
    let mut rule =
        sample::rule(&[("warning", "> 300", Some("< 240")), ("critical", "> 900", Some("< 700"))]);
    rule.hold = TimeDelta::minutes(hold).into();
    rule.keep_firing_for = TimeDelta::minutes(keep).into();
    rule
}

/// `.` clear, `~` between warning's thresholds, `!` warning, `^` between critical's, `#` critical,
/// `e` empty, `g` gone, `?` unknown; a blank is a slot nobody evaluated.
fn reading(symbol: char) -> Option<Reading> {
    Some(match symbol {
        '.' => Reading::Value(100.0),
        '~' => Reading::Value(260.0),
        '!' => Reading::Value(400.0),
        '^' => Reading::Value(800.0),
        '#' => Reading::Value(1000.0),
        'e' => Reading::Empty,
        'g' => Reading::Gone,
        '?' => Reading::Unknown,
        ' ' => return None,
        other => panic!("no reading `{other}`"),
    })
}

/// A transition in capitals, else the state.
fn symbol(step: &Step) -> char {
    match (step.transition, step.incident.as_ref().map(|incident| incident.state)) {
        (Some(Transition::Began), _) => 'P',
        (Some(Transition::Forgotten), _) => 'X',
        (Some(Transition::Fired), _) => 'F',
        (Some(Transition::LevelUp { .. }), _) => 'U',
        (Some(Transition::LevelDown { .. }), _) => 'D',
        (Some(Transition::Recovering), _) => 'C',
        (Some(Transition::Returned), _) => 'B',
        (Some(Transition::Resolved(Reason::Cleared)), _) => 'R',
        (Some(Transition::Resolved(Reason::Gone)), _) => 'G',
        (Some(Transition::Resolved(Reason::RuleRemoved)), _) => 'Z',
        (None, None) => '-',
        (None, Some(State::Pending)) => 'p',
        (None, Some(State::Firing)) => 'f',
        (None, Some(State::Recovering)) => 'c',
        (None, Some(State::Resolved)) => panic!("resolved without a transition"),
    }
}

fn restart(incident: &Incident) -> Incident {
    let stored = serde_json::to_string(incident).expect("an incident is stored");
    serde_json::from_str(&stored).expect("and read back")
}

/// Runs readings and gives what they did and every incident as it was last.
fn run(rule: &Rule, readings: &str, restarting: bool) -> (String, Vec<Incident>) {
    let group = Group::all();
    let (mut current, mut seen): (Option<Incident>, String) = (None, String::new());
    let mut all: Vec<Incident> = Vec::new();
    for (n, symbol_read) in (0..).zip(readings.chars()) {
        let Some(reading) = reading(symbol_read) else {
            seen.push(' ');
            continue;
        };
        let step = step(rule, current.as_ref(), &group, reading, &slot(n));
        assert!(!step.why.is_empty());
        seen.push(symbol(&step));
        current = if restarting { step.incident.as_ref().map(restart) } else { step.incident };
        if let Some(incident) = &current {
            all.retain(|known| known.id != incident.id);
            all.push(incident.clone());
        }
    }
    (seen, all)
}

#[track_caller]
fn check(rule: &Rule, readings: &str, expected: &str) {
    let (seen, _) = run(rule, readings, true);
    assert_eq!(seen, expected, "for {readings}");
}

#[test]
fn a_breach_fires_after_its_hold() {
    check(&rule(0, 0), "!", "F");
    check(&rule(0, 0), ".!!.", "-FfR");
    check(&rule(2, 0), "!!.!", "PpXP");
    check(&rule(2, 0), "!!!!.", "PpFfR");
    // A value between the thresholds holds a level that fired, but does not make one.
    check(&rule(2, 0), "!~!!!~~.", "PXPpFffR");
    check(&rule(0, 0), "~!~~.", "-FffR");
}

#[test]
fn what_is_not_known_moves_nothing() {
    check(&rule(2, 0), "!!!?.", "PpFfR");
    check(&rule(2, 0), "!???!!", "PppppF");
    check(&rule(0, 2), "!.??...", "FCcccR-");
    check(&rule(0, 0), "???", "---");
    check(&rule(0, 0), "!???????????.", "FfffffffffffR");
    // Slots that nobody evaluated (closed hours, the daemon down) count no more than that.
    check(&rule(2, 0), "!         !!", "P         pF");
    check(&rule(0, 2), "!.         ..", "FC         cR");
}

#[test]
fn a_clear_must_last_for_keep_firing_for() {
    check(&rule(0, 2), "!...!", "FCcRF");
    check(&rule(0, 2), "!..!..!...", "FCcBCcBCcR");
    check(&rule(0, 2), "!.~~", "FCcR");
    check(&rule(2, 1), "!!!..", "PpFCR");
    // Worse or better than before when it comes back: still the same incident.
    check(&rule(0, 2), "!.#.!...", "FCUCDCcR");
}

#[test]
fn levels_rise_at_once_and_fall_by_their_recovery() {
    check(&rule(0, 0), "!#^!~.", "FUfDfR");
    check(&rule(0, 0), "#!#!#.", "FDUDUR");
    check(&rule(0, 0), "#^^^^.", "FffffR");
    check(&rule(0, 0), "#.", "FR");
    // It fires at the level of the reading that completes the hold.
    let (_, all) = run(&rule(2, 0), "#!#", true);
    assert_eq!((all[0].level.name.as_str(), all[0].level.index), ("critical", 1));
    let (_, all) = run(&rule(2, 0), "#!!", true);
    assert_eq!((all[0].level.name.as_str(), all[0].peak.name.as_str()), ("warning", "critical"));
}

#[test]
fn levels_work_downwards_too() {
    let rule = sample::rule(&[("low", "< 10", Some("> 15")), ("none", "<= 0", Some("> 5"))]);
    let mut incident = None;
    let mut seen = String::new();
    for (n, value) in (0..).zip([20.0, 9.0, 12.0, 0.0, 4.0, 6.0, 0.0, 15.5]) {
        let step = step(&rule, incident.as_ref(), &Group::all(), Reading::Value(value), &slot(n));
        seen.push(symbol(&step));
        incident = step.incident;
    }
    assert_eq!(seen, "-FfUfDUR");
    let incident = incident.expect("the resolved one is given back");
    assert_eq!((incident.worst, incident.value_at_fire), (Some(0.0), Some(9.0)));
}

#[test]
fn an_empty_reading_does_what_the_rule_says() {
    let mut rule = rule(2, 0);
    check(&rule, "!e!!e.", "PppFfR");
    rule.when_empty = WhenEmpty::Ok;
    check(&rule, "e!e!!!e", "-PXPpFR");
    rule.when_empty = WhenEmpty::Level(0);
    check(&rule, "eee.", "PpFR");
    check(&rule, "###eee!.", "PpFfffDR");
    rule.when_empty = WhenEmpty::Level(1);
    check(&rule, "!!!e.", "PpFUR");
}

#[test]
fn a_group_that_is_gone_does_what_the_rule_says() {
    let mut rule = rule(0, 0);
    check(&rule, "ggg", "---");
    check(&rule, "!ggggg", "FfffG-");
    check(&rule, "!ggg!gggg.", "FfffffffG-");
    check(&rule, "!g?g?gg.", "FfffffG-");
    rule.keep_firing_for = (MINUTE * 9).into();
    check(&rule, "!.gggg", "FCcccG");
    rule.hold = (MINUTE * 2).into();
    check(&rule, "!gg!.", "PpppX");
    check(&rule, "!gg!!.", "PpppFC");
    check(&rule, "!gggg!", "PpppXP");
    rule.when_gone = WhenGone::ResolveAfter(TimeDelta::zero());
    rule.hold = Hold::default();
    check(&rule, "!g", "FG");
    rule.when_gone = WhenGone::Hold;
    check(&rule, "!gggggggg", "Fffffffff");
    rule.when_gone = WhenGone::Level(1);
    check(&rule, "ggg.", "FffC");
    check(&rule, "!g", "FU");
}

#[test]
fn the_beginning_never_moves_and_a_new_episode_is_a_new_incident() {
    let (seen, all) = run(&rule(1, 2), "!!#.!...!!", true);
    assert_eq!(seen, "PFUCDCcRPF");
    assert_eq!(all.len(), 2);
    let first = &all[0];
    assert_eq!((first.began, first.fired_at), (minute(0), Some(minute(1))));
    assert_eq!(first.resolved, Some(Resolution { at: minute(7), reason: Reason::Cleared }));
    assert_eq!(first.duration(minute(99)), MINUTE * 7);
    assert_eq!(
        (first.value_at_fire, first.worst, first.value),
        (Some(400.0), Some(1000.0), Some(100.0))
    );
    assert_eq!((first.level.name.as_str(), first.peak.name.as_str()), ("warning", "critical"));
    assert_eq!(all[1].began, minute(8));
    assert_ne!(all[0].id, all[1].id);
    assert_eq!(all[0].id, incident_id("slow-answer", "[]", minute(0)));
    assert_eq!(all[0].id.len(), 16);
    assert_ne!(incident_id("a", "bc", minute(0)), incident_id("ab", "c", minute(0)));
}

#[test]
fn a_reading_that_is_not_a_number_is_empty() {
    let rule = rule(0, 0);
    let fired = step(&rule, None, &Group::all(), Reading::Value(1000.0), &slot(0)).incident;
    let next = step(&rule, fired.as_ref(), &Group::all(), Reading::Value(f64::NAN), &slot(1));
    assert_eq!(symbol(&next), 'f');
    assert_eq!(next.incident.map(|incident| incident.last_reading), Some(Reading::Empty));
}

#[test]
fn the_reason_says_how_far_a_hold_has_come() {
    let rule = rule(5, 0);
    let first = step(&rule, None, &Group::all(), Reading::Value(400.0), &slot(0));
    assert_eq!(first.why, "400 at level warning (> 300), held for 0 s of 5 min");
    let second =
        step(&rule, first.incident.as_ref(), &Group::all(), Reading::Value(950.0), &slot(1));
    assert_eq!(second.why, "950 at level critical (> 900), held for 1 min of 5 min");
    let third = step(&rule, second.incident.as_ref(), &Group::all(), Reading::Value(9.0), &slot(2));
    assert_eq!(third.why, "9 is clear after 1 min of 5 min");
}

#[test]
fn editing_a_rule_keeps_its_incident_and_follows_levels_by_name() {
    let mut rule = rule(0, 0);
    let fired = step(&rule, None, &Group::all(), Reading::Value(1000.0), &slot(0)).incident;
    // A level below: critical is now the third.
    let notice = Level {
        name: "notice".into(),
        breach: "> 100".parse::<Comparison>().expect("a comparison"),
        recover: None,
    };
    rule.levels.insert(0, notice);
    let next = step(&rule, fired.as_ref(), &Group::all(), Reading::Value(1000.0), &slot(1));
    assert_eq!(symbol(&next), 'f');
    let next = next.incident.expect("still open");
    assert_eq!(
        (next.level.index, next.level.name.as_str(), next.began),
        (2, "critical", minute(0))
    );
    assert_eq!(next.threshold(), "> 900");
    // Levels taken away, thresholds out of reach: no panic, an end by the new rule.
    rule.levels.truncate(1);
    rule.hold = (MINUTE * 60).into();
    let next = step(&rule, Some(&next), &Group::all(), Reading::Value(101.0), &slot(2));
    assert_eq!(symbol(&next), 'f');
    assert_eq!(next.incident.as_ref().map(|i| i.level.name.as_str()), Some("notice"));
    let next = step(&rule, next.incident.as_ref(), &Group::all(), Reading::Value(5.0), &slot(3));
    assert_eq!(symbol(&next), 'R');
    rule.levels.clear();
    assert_eq!(symbol(&step(&rule, None, &Group::all(), Reading::Value(5.0), &slot(4))), '-');
}

#[test]
fn removing_a_rule_ends_what_fired_and_drops_what_did_not() {
    let (_, fired) = run(&rule(0, 0), "!", false);
    let closed = close(&fired[0], Reason::RuleRemoved, minute(7));
    assert_eq!(symbol(&closed), 'Z');
    let end = closed.incident.and_then(|incident| incident.resolved);
    assert_eq!(end, Some(Resolution { at: minute(7), reason: Reason::RuleRemoved }));
    let (_, pending) = run(&rule(2, 0), "!", false);
    let dropped = close(&pending[0], Reason::RuleRemoved, minute(7));
    assert_eq!((dropped.transition, dropped.incident), (Some(Transition::Forgotten), None));
}

#[test]
fn groups_beyond_the_bound_are_an_incident_of_their_own() {
    let mut rule = rule(5, 1);
    rule.max_groups = 2;
    let overflow = overflow_rule(&rule);
    assert_eq!(overflow.title, "More than 2 groups: Customers wait too long");
    let (mut incident, mut seen) = (None, String::new());
    for (n, left_out) in (0..).zip([0.0, 3.0, 40.0, 0.0, 0.0]) {
        let group = Group::overflow();
        let reading = Reading::Value(left_out);
        let step = step(&overflow, incident.as_ref(), &group, reading, &slot(n));
        seen.push(symbol(&step));
        incident = step.incident;
    }
    assert_eq!(seen, "-FfCR");
    let incident = incident.expect("the resolved one is given back");
    assert_eq!((incident.worst, incident.group.name().as_str()), (Some(40.0), "all other groups"));
    assert_eq!(incident.labels().get("overflow").map(String::as_str), Some("true"));
    assert_ne!(incident.id, incident_id(&rule.name, "[]", incident.began));
}

#[test]
fn labels_are_the_rules_under_the_groups_under_rule_and_level() {
    let mut rule = rule(0, 0);
    for (label, value) in [("team", "messaging"), ("Channel", "x"), ("level", "x"), ("rule", "x")] {
        rule.labels.insert(label.into(), value.into());
    }
    let shown = [super::super::value::Value::Text("Web".into())];
    let group = Group::of(["Channel"], &shown, &shown);
    let incident = step(&rule, None, &group, Reading::Value(400.0), &slot(0)).incident;
    let labels = incident.expect("it fired").labels();
    let expected =
        [("Channel", "Web"), ("level", "warning"), ("rule", "slow-answer"), ("team", "messaging")];
    assert!(labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).eq(expected));
}

#[test]
fn lengths_of_time_are_two_units() {
    for (seconds, expected) in [
        (-5, "0 s"),
        (0, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (7500, "2 h 5 min"),
        (7201, "2 h"),
        (180_000, "2 d 2 h"),
    ] {
        assert_eq!(words(TimeDelta::seconds(seconds)), expected);
    }
}

#[test]
fn what_is_stored_is_milliseconds_and_short_words() {
    let mut rule = rule(0, 0);
    for (format, stored) in [
        (Format::Auto, "auto"),
        (Format::Duration, "duration"),
        (Format::Percent, "percent"),
        (Format::Decimals(2), "decimals 2"),
    ] {
        rule.format = format;
        let fired = step(&rule, None, &Group::all(), Reading::Value(400.0), &slot(0)).incident;
        let fired = fired.expect("it fired");
        let json = serde_json::to_value(&fired).expect("an incident is stored");
        assert_eq!(json["about"]["format"], stored);
        assert_eq!(json["began"], minute(0).timestamp_millis());
        assert_eq!((&json["state"], &json["held"]["counted"]), (&"firing".into(), &0.into()));
        assert_eq!(restart(&fired), fired);
    }
    let broken = serde_json::from_str::<Timer>(r#"{"since":9e18,"counted":0,"last":0}"#);
    assert!(broken.is_err());
    let far = format!(r#"{{"since":{},"counted":0,"last":0}}"#, i64::MAX);
    let message = serde_json::from_str::<Timer>(&far).expect_err("no such instant").to_string();
    assert!(message.contains("is not an instant"), "{message}");
}

fn rules() -> impl Strategy<Value = Rule> {
    let empty = prop_oneof![
        Just(WhenEmpty::Hold),
        Just(WhenEmpty::Ok),
        (0usize..2).prop_map(WhenEmpty::Level)
    ];
    let gone = prop_oneof![
        (0i64..4).prop_map(|n| WhenGone::ResolveAfter(TimeDelta::minutes(n))),
        Just(WhenGone::Hold),
        (0usize..2).prop_map(WhenGone::Level),
    ];
    (0i64..4, 0i64..4, empty, gone, any::<bool>()).prop_map(
        |(hold, keep, when_empty, when_gone, count)| {
            let mut rule = rule(hold, keep);
            if count {
                let evaluations =
                    |count: i64| Hold::Evaluations(u32::try_from(count).expect("few"));
                (rule.hold, rule.keep_firing_for) = (evaluations(hold), evaluations(keep));
            }
            (rule.when_empty, rule.when_gone) = (when_empty, when_gone);
            rule
        },
    )
}

proptest! {
    #[test]
    fn a_restart_at_every_step_changes_nothing(rule in rules(), readings in "[.~!^#eg? ]{0,40}") {
        prop_assert_eq!(run(&rule, &readings, true), run(&rule, &readings, false));
    }

    #[test]
    fn unknown_readings_anywhere_change_nothing_else(rule in rules(), readings in "[.~!^#eg?]{0,40}") {
        let (seen, _) = run(&rule, &readings, false);
        let known: String = readings.chars().filter(|symbol| *symbol != '?').collect();
        let (of_known, _) = run(&rule, &known, false);
        let mut rest = String::new();
        for (read, did) in readings.chars().zip(seen.chars()) {
            if read == '?' {
                prop_assert!("-pfc".contains(did), "unknown did {} in {}", did, seen);
            } else {
                rest.push(did);
            }
        }
        prop_assert_eq!(rest, of_known);
    }

    #[test]
    fn slots_that_nobody_evaluated_count_no_more_than_unknown_ones(
        rule in rules(),
        readings in "[.~!^#eg?]{0,40}",
    ) {
        let unseen = readings.replace('?', " ");
        let (a, _) = run(&rule, &readings, false);
        let (b, _) = run(&rule, &unseen, false);
        let known = |did: &str| -> String {
            did.chars().zip(readings.chars()).filter(|(_, read)| *read != '?').map(|(d, _)| d).collect()
        };
        prop_assert_eq!(known(&a), known(&b));
    }

    #[test]
    fn every_incident_fires_once_and_ends_at_most_once(rule in rules(), readings in "[.~!^#eg? ]{0,60}") {
        let (seen, all) = run(&rule, &readings, false);
        let mut firing = false;
        for did in seen.chars() {
            match did {
                'F' => { prop_assert!(!firing, "{}", seen); firing = true; }
                'R' | 'G' => { prop_assert!(firing, "{}", seen); firing = false; }
                'U' | 'D' | 'B' | 'C' | 'c' | 'f' => prop_assert!(firing, "{}", seen),
                '-' | 'P' | 'p' | 'X' => prop_assert!(!firing, "{}", seen),
                _ => {}
            }
        }
        let mut ids: Vec<&str> = all.iter().map(|incident| incident.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), all.len());
        for incident in &all {
            let held = rule.hold.length(rule.every);
            prop_assert!(incident.fired_at.is_none_or(|fired| fired - incident.began >= held));
            prop_assert_eq!(incident.resolved.is_some(), !incident.is_open());
        }
    }
}
