//! When: hours, mutes, reminders, acknowledgements, escalation, limits.

use std::sync::Arc;

use super::super::super::calendar::Calendar;
use super::super::super::zone::Zone;
use super::*;
use crate::domain::route::Escalation;

/// Open so many minutes of the day; the tests begin at a midnight.
fn calendar(ranges: &str) -> Arc<Calendar> {
    let hours = [("mon-sun", ranges)];
    Arc::new(Calendar::parse("office", Zone::utc(), &hours, &[]).expect("a calendar"))
}

fn repeat(every: i64) -> Option<Repeat> {
    Some(Repeat::every(TimeDelta::minutes(every)))
}

fn to(receivers: &[&str]) -> Route {
    route(None, receivers, None)
}

#[test]
fn outside_the_hours_nothing_is_told_and_when_they_open_the_difference_once() {
    let hours = Some(calendar("01:00-02:00"));
    let mut w = World::new(rule(0, 0), vec![Route { hours, ..to(&["mail"]) }]);
    w.step("a! b!");
    let why = ("outside the hours of `office`: told when it opens".to_owned(), Some(60));
    assert_eq!(w.why("a", "mail"), why);
    w.now = 10;
    w.step("b.");
    w.now = 20;
    w.step("b!");
    w.now = 30;
    w.step("b. a#");
    w.wait_to(90);
    // What goes on, and what came and went: one message for both times.
    assert_eq!(w.said(), ["60 fired mail: a+", "60 resolved mail: b-"]);
    assert!(w.notices[0].1.reason.contains("held back until now: outside the hours of `office`"));
    assert_eq!(w.notices[1].1.passed.len(), 1);
    w.now = 130;
    w.step("a.");
    assert_eq!(w.notices.len(), 2, "an end waits as well");
    w.wait_to(24 * 60 + 90);
    assert_eq!(w.said()[2..], ["1500 resolved mail: a-"]);
}

#[test]
fn a_mute_holds_back_one_route_alone() {
    let mut w = World::new(
        rule(0, 0),
        vec![
            Route {
                mute: vec![calendar("00:00-00:30")],
                ..route(Some("level = 'warning'"), &["mail"], None)
            },
            to(&["hook", "mail"]),
        ],
    );
    w.step("a! b#");
    assert_eq!(w.said(), ["0 fired hook: b+", "0 fired mail: b+"]);
    w.wait_to(40);
    assert_eq!(w.said()[2..], ["30 fired mail: a+"]);
}

#[test]
fn reminders_grow_and_end_and_count_open_hours() {
    let growing = Repeat {
        every: TimeDelta::minutes(10),
        growth: 2.0,
        max: Some(TimeDelta::minutes(30)),
        times: Some(4),
    };
    let reminders = |route: Route, until: i64| {
        let mut w = World::new(rule(0, 0), vec![route]);
        w.step("a!");
        w.wait_to(until);
        w.notices.iter().skip(1).map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let route = Route { repeat: Some(growing), ..to(&["mail"]) };
    assert_eq!(reminders(route, 900), [10, 30, 60, 90]);
    let clock = Some(calendar("00:00-00:15,01:00-02:00"));
    let route = Route { repeat: repeat(10), clock, ..to(&["mail"]) };
    assert_eq!(reminders(route, 80), [10, 65, 75]);
    assert_eq!(reminders(to(&["mail"]), 9000), [0; 0]);
}

fn ack(w: &World, channel: &str, at: i64, until: i64) -> Ack {
    let (at, until) = (minute(at), minute(until));
    Ack { incident: w.id(channel), by: "Jo".into(), note: None, at, until }
}

#[test]
fn whoever_took_it_is_not_reminded_until_it_runs_out() {
    let mut w = World::new(rule(0, 0), vec![Route { repeat: repeat(10), ..to(&["mail"]) }]);
    w.step("a!");
    w.wait_to(5);
    w.acks.insert(w.id("a"), ack(&w, "a", 5, 60));
    assert_eq!(w.why("a", "mail"), ("told at level warning; acknowledged by Jo".into(), Some(60)));
    w.wait_to(30);
    w.step("a#");
    w.wait_to(75);
    assert_eq!(
        w.said(),
        [
            "0 fired mail: a+",
            "30 level_up mail: a^",
            "60 reminder mail: a=",
            "70 reminder mail: a=",
        ]
    );
    assert!(w.notices[1].1.items[0].ack.is_some() && w.notices[2].1.items[0].ack.is_none());
    let reason = &w.notices[2].1.reason;
    assert!(reason.starts_with("still firing; the acknowledgement of Jo ran out"), "{reason}");
    assert!(w.notices[3].1.reason.starts_with("still firing; told every 10 min"));
    // That it ran out is told also where nobody is reminded.
    let mut w = World::new(rule(0, 0), vec![to(&["mail"])]);
    w.step("a!");
    w.acks.insert(w.id("a"), ack(&w, "a", 0, 60));
    w.wait_to(900);
    assert_eq!(w.said(), ["0 fired mail: a+", "60 reminder mail: a="]);
}

#[test]
fn what_nobody_takes_escalates_step_by_step() {
    let step = |after: i64, to: &str| Escalation {
        after: TimeDelta::minutes(after),
        to: vec![to.to_owned()],
    };
    let route = Route { escalate: vec![step(30, "boss"), step(60, "ceo")], ..to(&["mail"]) };
    let mut w = World::new(rule(0, 0), vec![route.clone()]);
    w.step("a!");
    assert_eq!(w.why("a", "boss"), ("it is not escalated yet".into(), Some(30)));
    w.wait_to(40);
    w.acks.insert(w.id("a"), ack(&w, "a", 40, 100));
    w.wait_to(99);
    assert_eq!(w.said(), ["0 fired mail: a+", "30 fired boss: a+"]);
    assert!(w.notices[1].1.reason.ends_with("nobody acknowledged it within 30 min"));
    // A rise is told to all who know; then it runs out, and the time counts anew.
    w.step("a#");
    w.wait_to(159);
    assert_eq!(
        w.said()[2..],
        [
            "99 level_up boss: a^",
            "99 level_up mail: a^",
            "100 reminder boss: a=",
            "100 reminder mail: a=",
        ]
    );
    w.wait_to(160);
    assert_eq!(w.said()[6..], ["160 fired ceo: a+"]);
    w.now = 161;
    w.step("a.");
    let ends: Vec<String> = w.said()[7..].to_vec();
    assert_eq!(ends, ["161 resolved boss: a-", "161 resolved ceo: a-", "161 resolved mail: a-"]);
    // In open hours alone.
    let clock = Some(calendar("00:00-00:10,02:00-03:00"));
    let mut w = World::new(rule(0, 0), vec![Route { clock, ..route }]);
    w.step("a!");
    w.wait_to(180);
    assert_eq!(w.said()[1..], ["140 fired boss: a+", "170 fired ceo: a+"]);
}

#[test]
fn beyond_its_limit_a_receiver_gets_a_summary_and_loses_nothing() {
    let mut w = World::new(rule(0, 0), vec![to(&["mail"])]);
    w.limits.insert("mail".into(), (3, TimeDelta::minutes(60)));
    w.step("a! b! c# d! e!");
    let said = w.said().join("\n");
    assert!(said.contains("fired mail: c+"), "the worst by itself: {said}");
    assert_eq!(w.notices.iter().filter(|(_, n)| n.kind == Kind::Summary).count(), 1);
    let listed: usize = w.notices.iter().map(|(_, n)| n.items.len()).sum();
    assert_eq!(listed, 5);
    w.now = 1;
    w.step("a. b. f!");
    assert_eq!(w.notices.len(), 3, "the limit is reached");
    let (why, until) = w.why("f", "mail");
    assert_eq!((why.as_str(), until), ("the limit of 3 notices in 1 h is reached", Some(60)));
    w.now = 2;
    w.step("f.");
    w.wait_to(200);
    // What came and went meanwhile, and both ends: once.
    let last: Vec<String> = w.said()[3..].to_vec();
    let text = last.join(" ");
    for item in ["a-", "b-", "f-"] {
        assert_eq!(text.matches(item).count(), 1, "{item} in {last:#?}");
    }
    w.step("c. d. e.");
    w.wait_to(400);
    let known = w.told.values().flat_map(BTreeMap::values).filter(|told| told.knows());
    assert!(known.clone().count() == 6 && known.clone().all(|told| told.closed));
    assert!(w.live.is_empty());
}

#[test]
fn of_very_many_at_once_a_decision_tells_so_many_and_the_next_the_rest() {
    let mut w = World::new(rule(0, 0), vec![to(&["mail"])]);
    w.see("slow-answer", "0", 400.0);
    let one = w.live.values().next().cloned().expect("one");
    w.live.clear();
    for n in 0..4_500 {
        let id = format!("{n:016x}");
        w.live.insert(id.clone(), Incident { id, ..one.clone() });
    }
    let (mut told, mut keys) = (Vec::new(), BTreeSet::new());
    for _ in 0..4 {
        let decision = decide(&w.view(), minute(0));
        told.push(decision.notices.len());
        keys.extend(decision.notices.iter().map(|notice| notice.key.clone()));
        let more = decision.next == Some(minute(0));
        assert_eq!(more, keys.len() < 4_500, "it says that there is more");
        for row in decision.told {
            w.told.entry(row.incident.clone()).or_default().insert(row.receiver.clone(), row);
        }
    }
    assert_eq!((told.as_slice(), keys.len()), ([2_000, 2_000, 500, 0].as_slice(), 4_500));
}

#[test]
fn a_rule_that_sees_nothing_reminds_nobody() {
    let mut w = World::new(rule(0, 0), vec![Route { repeat: repeat(10), ..to(&["mail"]) }]);
    w.step("a!");
    w.blind.insert("slow-answer".into(), "source down".into());
    w.wait_to(60);
    assert_eq!(w.notices.len(), 1);
    assert!(w.why("a", "mail").0.contains("not reminded while its rule sees nothing: source down"));
    w.blind.clear();
    w.step("");
    assert_eq!(w.said()[1..], ["60 reminder mail: a="]);
}

#[test]
fn rows_of_before_are_read() {
    let row = r#"{"incident":"1","receiver":"mail","level":{"index":0,"name":"warning"},
                  "last_told_at":0,"times":2,"closed":false}"#;
    let told: Told = serde_json::from_str(row).expect("a row of before");
    assert_eq!((told.thread.as_deref(), told.reminders, told.corrected), (None, 0, 0));
}
