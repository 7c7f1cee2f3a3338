//! Groups: who is told together, how long the first notice waits, how far apart they are.

use super::*;

fn grouped(wait: i64, interval: i64) -> Route {
    Route {
        group_by: vec!["rule".into()],
        wait: TimeDelta::minutes(wait),
        interval: TimeDelta::minutes(interval),
        ..route(None, &["mail"], None)
    }
}

fn world(route: Route) -> World {
    World::new(rule(0, 0), vec![route])
}

#[test]
fn a_group_waits_for_others_and_then_tells_what_changed_after_its_interval() {
    let mut w = world(grouped(2, 5));
    w.step("a!");
    assert_eq!(w.why("a", "mail"), ("its group waits for others to join".into(), Some(2)));
    w.now = 1;
    w.step("b#");
    w.wait_to(3);
    w.step("c!");
    w.wait_to(4);
    w.step("a.");
    assert_eq!(w.why("c", "mail"), ("told when the interval of its group is over".into(), Some(7)));
    w.wait_to(20);
    w.step("b. c.");
    w.wait_to(30);
    assert_eq!(
        w.said(),
        ["2 fired mail: b+ a+", "7 changed mail: b= c+ a-", "20 resolved mail: b- c-",]
    );
    let threads: BTreeSet<&str> = w.notices.iter().map(|(_, n)| n.thread.as_str()).collect();
    assert_eq!(threads.len(), 1);
    assert_eq!(w.notices[0].1.grouped_by, Labels::from([("rule".into(), "slow-answer".into())]));
    assert_eq!(w.notices[0].1.reason, "2 fired; told by the default route");
    // The next one is a new beginning in the same thread, with a key of its own.
    w.now = 40;
    w.step("a!");
    w.wait_to(50);
    assert_eq!(w.said()[3], "42 fired mail: a+");
    assert_eq!(w.notices[3].1.seq, 4);
}

#[test]
fn what_lived_shorter_than_the_wait_is_told_once_as_such() {
    let mut w = world(grouped(3, 5));
    w.step("a!");
    w.now = 1;
    w.step("a.");
    w.wait_to(10);
    assert_eq!(w.said(), ["4 resolved mail: a-"]);
    assert_eq!(w.notices[0].1.items[0].remarks, ["It fired and ended before anybody was told."]);
    assert!(w.notices[0].1.reason.contains("before anybody was told"));
    // Born and dead between two notices of a group.
    w.now = 20;
    w.step("a!");
    w.wait_to(23);
    w.step("b!");
    w.now = 24;
    w.step("b.");
    w.wait_to(40);
    assert_eq!(w.said()[1..], ["23 fired mail: a+", "28 changed mail: a= b-"]);
    w.wait_to(60);
    assert_eq!(w.notices.len(), 3, "and never again");
}

#[test]
fn a_route_written_anew_repeats_nothing() {
    let mut w = world(grouped(0, 5));
    w.step("a! b#");
    let when = RouteCondition::parse("team in ('desk') or team = 'desk'").expect("a condition");
    w.routes.insert(0, Route { when: Some(when), ..w.routes[0].clone() });
    w.now = 30;
    assert!(w.step("").notices.is_empty());
    // Nor does grouping otherwise: what was told in a thread ends in it.
    w.routes = vec![Route { group_by: vec!["Channel".into()], ..grouped(0, 5) }];
    w.now = 31;
    assert!(w.step("").notices.is_empty());
    w.step("a. b. c!");
    assert_eq!(w.said(), ["0 fired mail: b+ a+", "31 fired mail: c+", "31 resolved mail: b- a-"]);
    let end = w.notices.iter().find(|(_, notice)| notice.kind == Kind::Resolved).expect("an end");
    assert_eq!((end.1.thread.as_str(), end.1.seq), (w.notices[0].1.thread.as_str(), 2));
}

#[test]
fn a_rise_alone_is_a_rise_and_a_fall_is_quiet() {
    let mut w = world(grouped(0, 0));
    w.step("a! b!");
    w.now = 1;
    w.step("a#");
    w.now = 2;
    w.step("a!");
    w.now = 3;
    w.step("a#");
    assert_eq!(
        w.said(),
        ["0 fired mail: b+ a+", "1 level_up mail: a^ b=", "3 level_up mail: a^ b=",]
    );
    assert_eq!(w.notices[1].1.items[0].from.as_ref().map(|l| l.name.as_str()), Some("warning"));
}

#[test]
fn reminders_of_a_group_count_from_its_last_notice() {
    let mut w =
        world(Route { repeat: Some(Repeat::every(TimeDelta::minutes(10))), ..grouped(0, 0) });
    w.step("a!");
    w.wait_to(5);
    w.step("b!");
    w.wait_to(26);
    w.step("a. b.");
    w.wait_to(60);
    assert_eq!(
        w.said(),
        [
            "0 fired mail: a+",
            "5 changed mail: b+ a=",
            "15 reminder mail: a= b=",
            "25 reminder mail: a= b=",
            "26 resolved mail: a- b-",
        ]
    );
}

#[test]
fn a_hundred_thousand_incidents_of_a_group_are_one_message() {
    let mut w = world(grouped(0, 5));
    w.see("slow-answer", "0", 400.0);
    let one = w.live.values().next().cloned().expect("one");
    w.live.clear();
    for n in 0..100_000_i32 {
        let id = format!("{n:016x}");
        let value = Some(f64::from(n) + 301.0);
        w.live.insert(id.clone(), Incident { id, value, ..one.clone() });
    }
    let decision = decide(&w.view(), minute(0));
    let [notice] = decision.notices.as_slice() else { panic!("{}", decision.notices.len()) };
    assert_eq!((notice.items.len(), notice.more_firing), (ITEMS_MAX, 99_950));
    assert_eq!(notice.items[0].incident.value, Some(100_300.0), "the worst first");
    assert_eq!(decision.told.len(), 100_000);
}

#[test]
fn records_are_told_once_to_each_receiver_in_batches() {
    let record = |n: i64, key: &str| Occurrence {
        rule: "failed".into(),
        title: "Failed".into(),
        record: key.into(),
        at: minute(n),
        seen_at: minute(n),
        shown: Vec::new(),
        link: None,
        labels: Labels::from([
            ("rule".into(), "failed".into()),
            ("level".into(), "warning".into()),
        ]),
    };
    let mut w = world(Route { to: vec!["hook".into(), "mail".into()], ..grouped(2, 5) });
    w.limits.insert("hook".into(), (1, TimeDelta::minutes(20)));
    w.sent.insert("hook".into(), vec![minute(-10)]);
    w.occurrences = vec![record(0, "r1")];
    w.decide();
    w.now = 1;
    w.occurrences.push(record(1, "r2"));
    w.decide();
    w.wait_to(2);
    assert_eq!(w.said(), ["2 records mail: r1 r2"]);
    assert_eq!(w.occurrences.len(), 2, "the hook is still to be told");
    w.wait_to(3);
    w.occurrences.push(record(3, "r3"));
    w.wait_to(30);
    assert_eq!(w.said()[1..], ["7 records mail: r3", "10 records hook: r1 r2 r3"]);
    assert!(w.occurrences.is_empty());
    w.wait_to(90);
    assert_eq!(w.notices.len(), 3);
}
