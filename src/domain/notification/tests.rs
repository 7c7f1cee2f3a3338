//! Tables: a string of readings, one a minute, against the notices they owe. What is stored is
//! stored and read back at every decision.

use proptest::prelude::*;

use super::super::incident::{Reason, close, step};
use super::super::route::{Repeat, RouteCondition};
use super::super::rule::readings::{Group, Observation};
use super::super::rule::slots::Slot;
use super::super::rule::{Reading, Rule, sample};
use super::*;

mod groups;
mod hiding;
mod timelines;
mod timing;
mod world;

use self::world::World;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

fn minute(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(n)
}

fn rule(hold: i64, keep: i64) -> Rule {
    let mut rule =
        sample::rule(&[("warning", "> 300", Some("< 240")), ("critical", "> 900", Some("< 700"))]);
    rule.hold = TimeDelta::minutes(hold).into();
    rule.keep_firing_for = TimeDelta::minutes(keep).into();
    rule
}

fn route(when: Option<&str>, to: &[&str], repeat: Option<i64>) -> Route {
    Route {
        when: when.map(|when| RouteCondition::parse(when).expect(when)),
        to: to.iter().map(|receiver| (*receiver).to_owned()).collect(),
        repeat: repeat.map(|repeat| Repeat::every(TimeDelta::minutes(repeat))),
        ..Route::default()
    }
}

/// `A`: everything to mail.
fn everything() -> Vec<Route> {
    vec![route(None, &["mail"], None)]
}

/// `B`: critical to hook and mail, the rest to mail.
fn by_level() -> Vec<Route> {
    vec![route(Some("level = 'critical'"), &["hook", "mail"], None), route(None, &["mail"], None)]
}

/// `C`: nobody.
fn nobody() -> Vec<Route> {
    vec![route(None, &[], None)]
}

/// `D`: everything to desk.
fn elsewhere() -> Vec<Route> {
    vec![route(None, &["desk"], None)]
}

#[track_caller]
fn check(rule: Rule, routes: Vec<Route>, script: &str, expected: &str) -> World {
    let mut world = World::new(rule, routes);
    world.run(script);
    assert_eq!(world.summary(), expected, "for {script}");
    world
}

#[test]
fn an_incident_is_told_once_and_its_end_once() {
    check(rule(0, 0), everything(), "..!!!...", "2Fmail 5Rmail");
    check(rule(2, 0), everything(), "!!.!!!!.", "5Fmail 7Rmail");
    check(rule(0, 2), everything(), "!.!.!...", "0Fmail 7Rmail");
    check(rule(0, 0), everything(), "!.!.", "0Fmail 1Rmail 2Fmail 3Rmail");
    check(rule(0, 0), everything(), "!????????.", "0Fmail 9Rmail");
    check(rule(0, 0), everything(), "!ggggg", "0Fmail 4Rmail");
    check(rule(0, 0), nobody(), "!!..", "");
    check(rule(0, 0), vec![route(None, &["mail", "mail"], None)], "!.", "0Fmail 1Rmail");
}

#[test]
fn a_rise_of_level_is_told_and_a_fall_is_quiet() {
    check(rule(0, 0), everything(), "!#!.", "0Fmail 1Umail 3Rmail");
    // What fell may rise again: that is news again.
    check(rule(0, 0), everything(), "#!#.", "0Fmail 2Umail 3Rmail");
    // A rise brings in the receivers of its route; the end goes to all of them.
    check(rule(0, 0), by_level(), "!#!.", "0Fmail 1Fhook 1Umail 3Rhook 3Rmail");
    check(rule(0, 0), by_level(), "!#!#.", "0Fmail 1Fhook 1Umail 3Uhook 3Umail 4Rhook 4Rmail");
    // While it recovers nothing is told; when it comes back higher, that is.
    check(rule(0, 2), everything(), "!.#...", "0Fmail 2Umail 5Rmail");
}

#[test]
fn whoever_was_told_is_told_the_end_whatever_the_routes_say() {
    check(rule(0, 0), everything(), "!C!.", "0Fmail 2Rmail");
    check(rule(0, 0), everything(), "!D!.", "0Fmail 1Fdesk 2Rdesk 2Rmail");
    check(rule(0, 0), everything(), "!!D.", "0Fmail 2Rmail");
    check(rule(0, 0), everything(), "!!Z", "0Fmail 2Rmail");
    check(rule(0, 0), everything(), "!Z!.", "0Fmail 1Rmail 1Fmail 2Rmail");
    check(rule(3, 0), everything(), "!!Z", "");
    let world = check(rule(0, 0), everything(), "!!Z", "0Fmail 2Rmail");
    assert_eq!(world.notices[1].1.reason, "the rule was removed from the config");
    let world = check(rule(0, 0), everything(), "!gggg", "0Fmail 4Rmail");
    assert_eq!(world.notices[1].1.reason, "no more data");
}

#[test]
fn reminders_fall_due_so_long_after_the_last_notice() {
    let repeat = |n| vec![route(None, &["mail"], Some(n))];
    check(rule(0, 0), repeat(3), "!!!!!!!!.", "0Fmail 3Mmail 6Mmail 8Rmail");
    // A rise counts as being told.
    check(rule(0, 0), repeat(3), "!!#######.", "0Fmail 2Umail 5Mmail 8Mmail 9Rmail");
    // Not while it recovers; then at once.
    check(rule(0, 9), repeat(3), "!....!", "0Fmail 5Mmail");
    // The clock alone makes them due, and a long silence makes one, not many.
    check(rule(0, 0), repeat(3), "!(??????????)", "0Fmail 10Mmail");
    let mut world = World::new(rule(0, 0), repeat(240));
    world.run("!");
    world.now = 239;
    let decision = world.decide();
    assert_eq!((decision.notices.len(), decision.next), (0, Some(minute(240))));
    world.now = 240;
    let decision = world.decide();
    let reason = "still firing; told every 4 h, last read 4 h ago";
    assert_eq!(decision.notices[0].reason, reason);
    assert_eq!(world.decide().next, Some(minute(480)));
}

#[test]
fn replayed_slots_are_told_as_what_is_true_now() {
    check(rule(0, 0), everything(), "(!!!)!.", "2Fmail 4Rmail");
    check(rule(0, 0), everything(), "(!#!)", "2Fmail");
    check(rule(0, 0), everything(), "!(#!#)", "0Fmail 3Umail");
    check(rule(0, 0), everything(), "!(#!)", "0Fmail");
    check(rule(0, 0), everything(), "!(#.)", "0Fmail 2Rmail");
    check(rule(0, 0), everything(), "!(.!)", "0Fmail 2Rmail 2Fmail");
    // Fired and ended unseen: one closing notice, to those its highest level is for.
    check(rule(0, 0), by_level(), "(!.)", "1Rmail");
    check(rule(0, 0), by_level(), "(!#!.)...", "3Rhook 3Rmail");
    check(rule(2, 0), everything(), "(!!.)", "");
    // Several of them: lines in one notice.
    check(rule(0, 0), everything(), "(!.!.!.)", "5Rmail+2");
    check(rule(0, 0), everything(), "(!.!.!)!.", "4Fmail+2 6Rmail");
    check(rule(0, 0), everything(), "!(.!.!.!)", "0Fmail 6Rmail 6Fmail+2");
    check(rule(0, 0), nobody(), "(!.!.)", "");
    // Not as a line in another incident's end.
    check(rule(0, 0), everything(), "!(.!.)", "0Fmail 3Rmail 3Rmail");
    // A rise that is clear again by now waits until it is in breach again.
    check(rule(0, 2), everything(), "!(#.)#", "0Fmail 3Umail");
}

#[test]
fn a_notice_that_comes_late_says_so() {
    let mut world = World::new(rule(0, 0), everything());
    world.read(Reading::Value(400.0));
    world.now = 90;
    let decision = world.decide();
    assert_eq!(decision.notices[0].late, Some(TimeDelta::minutes(90)));
    assert_eq!(
        decision.notices[0].reason,
        "it fired at level warning; told by the default route, \
         1 h 30 min ago while postrider was down or without data"
    );
    let mut world = World::new(rule(0, 0), everything());
    world.read(Reading::Value(400.0));
    world.now = 9;
    assert_eq!(world.decide().notices[0].late, None);
    // A receiver that a reload brings in is told late, but nothing was missed.
    world.now = 90;
    world.routes = elsewhere();
    let decision = world.decide();
    assert_eq!((decision.notices[0].receiver.as_str(), decision.notices[0].late), ("desk", None));
    assert_eq!(
        decision.notices[0].reason,
        "it fired at level warning; told by the default route, which picked this receiver only now"
    );
}

#[test]
fn passed_incidents_are_listed_up_to_a_bound() {
    let script = format!("({}!)", "!.".repeat(30));
    let mut world = World::new(rule(0, 0), everything());
    world.run(&script);
    assert_eq!(world.notices.len(), 1);
    let notice = &world.notices[0].1;
    assert_eq!((notice.passed.len(), notice.passed_more), (PASSED_MAX, 10));
    assert_eq!(notice.passed[0].began, minute(20));
    assert_eq!(notice.passed[19].ended, Some(minute(59)));
    let rows = world.told.values().flat_map(BTreeMap::values);
    assert_eq!(rows.filter(|told| told.closed).count(), 30);
}

#[test]
fn a_notice_carries_what_rendering_needs() {
    let mut rule = rule(1, 0);
    rule.labels.insert("team".into(), "messaging".into());
    rule.runbook = Some("call the desk".into());
    let world = check(rule, by_level(), "!!#.", "1Fmail 2Fhook 2Umail 3Rhook 3Rmail");
    let notice = &world.notices[2].1;
    assert_eq!(notice.key, format!("{}/2/mail", world.incidents[0].id));
    let item = &notice.items[0];
    let labels = item.incident.labels();
    assert_eq!((item.incident.threshold(), item.duration), ("> 900", MINUTE * 2));
    assert_eq!(labels.get("level").map(String::as_str), Some("critical"));
    assert_eq!(labels.get("team").map(String::as_str), Some("messaging"));
    assert_eq!(notice.reason, "it rose from level warning to critical");
    assert_eq!(item.incident.about.runbook.as_deref(), Some("call the desk"));
    let end = &world.notices[4].1;
    let incident = &end.items[0].incident;
    assert_eq!(
        (incident.value_at_fire, incident.worst, incident.value),
        (Some(400.0), Some(1000.0), Some(100.0))
    );
    assert_eq!((end.kind.word(), end.seq, end.items[0].duration), ("resolved", 3, MINUTE * 3));
    assert_eq!(end.reason, "the value is back to normal");
    let json = serde_json::to_value(end).expect("a notice is written");
    assert_eq!(json["items"][0]["incident"]["about"]["format"], "auto");
}

#[test]
fn why_nobody_is_told_is_said() {
    let quiet = |rule: Rule, routes, script: &str| {
        let mut world = World::new(rule, routes);
        world.run(script);
        world.decide().quiet.into_iter().map(|quiet| quiet.reason).collect::<Vec<_>>()
    };
    assert_eq!(quiet(rule(5, 0), everything(), "!"), ["pending: its hold is not over"]);
    assert_eq!(quiet(rule(0, 0), nobody(), "!"), ["the default route has no receivers"]);
    assert_eq!(quiet(rule(0, 0), vec![], "!"), ["no route picks it"]);
    assert_eq!(quiet(rule(0, 0), everything(), "!"), ["told at level warning; no reminders"]);
    let repeat = vec![route(None, &["mail"], Some(60))];
    assert_eq!(quiet(rule(0, 0), repeat, "!"), ["told at level warning; reminded in 59 min"]);
    let recovering = ["told; it is clear, not yet long enough to be over"];
    assert_eq!(quiet(rule(0, 9), everything(), "!."), recovering);
    assert_eq!(
        quiet(rule(0, 0), everything(), "!C!"),
        [
            "the default route has no receivers",
            "the route does not pick it any more; it is owed the end alone"
        ]
    );
}

#[test]
fn a_decision_made_again_before_it_was_committed_is_the_same() {
    let mut world = World::new(rule(0, 0), by_level());
    world.read(Reading::Value(1000.0));
    world.settle();
    let first = world.ask();
    assert_eq!(first, world.ask());
    assert_eq!(first.notices.len(), 2);
    // And once it is committed, nothing more is owed.
    world.commit(&first);
    assert!(world.ask().notices.is_empty());
}

fn scripts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[.!#?g]{1,5}",
        2 => "\\([.!#?g]{1,8}\\)",
        1 => "[ABCDZ]",
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_receiver_hears_one_beginning_and_one_end(
        script in scripts(),
        hold in 0i64..3,
        keep in 0i64..3,
        repeat in prop::option::of(1i64..5),
    ) {
        let mut world = World::new(rule(hold, keep), vec![route(None, &["mail"], repeat)]);
        world.run(&script);
        let mut keys = std::collections::BTreeSet::new();
        let mut open: std::collections::BTreeMap<&str, &str> = Default::default();
        for (_, notice) in &world.notices {
            prop_assert!(keys.insert(&notice.key), "{} twice in {}", notice.key, script);
            let incident = notice.thread.as_str();
            let receiver = notice.receiver.as_str();
            match notice.kind {
                Kind::Fired => {
                    let before = open.insert(receiver, incident);
                    prop_assert!(before.is_none(), "fired twice without an end: {}", script);
                }
                Kind::LevelUp | Kind::Reminder => {
                    prop_assert_eq!(open.get(receiver), Some(&incident));
                }
                Kind::Resolved => {
                    let before = open.remove(receiver);
                    prop_assert!(before.is_none_or(|before| before == incident), "{}", script);
                    prop_assert!(before.is_some() || notice.seq == 1, "{}", script);
                }
                other => prop_assert!(false, "{:?} of a single incident in {}", other, script),
            }
        }
        // Owed: of every incident that ended, each receiver that was told was told the end, once.
        for incident in world.incidents.iter().filter(|incident| !incident.is_open()) {
            for told in world.told.get(&incident.id).into_iter().flat_map(BTreeMap::values) {
                prop_assert!(told.closed, "{} not closed in {}", told.receiver, script);
            }
        }
        for told in world.told.values().flat_map(BTreeMap::values) {
            let ends = world.notices.iter().filter(|(_, notice)| {
                notice.kind == Kind::Resolved
                    && notice.thread == told.incident
                    && notice.receiver == told.receiver
            });
            let lines = world.notices.iter().filter(|(_, notice)| {
                notice.receiver == told.receiver
                    && notice.passed.iter().any(|passed| passed.incident == told.incident)
            });
            prop_assert_eq!(ends.count() + lines.count(), usize::from(told.closed), "{}", script);
        }
    }

    #[test]
    fn unknown_readings_never_tell_an_end(script in "[.!#g]{0,12}") {
        let mut world = World::new(rule(0, 1), everything());
        world.run(&script);
        let before = world.notices.len();
        world.run(&"?".repeat(500));
        prop_assert_eq!(world.notices.len(), before);
    }
}
