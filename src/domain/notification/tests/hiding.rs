//! What hides: silences, inhibitions, dependencies; and that nothing is lost by it.

use super::*;
use crate::domain::silence::Worse;

fn world(routes: Vec<Route>) -> World {
    World::new(rule(0, 0), routes)
}

fn silence(condition: &str, from: i64, to: i64) -> Silence {
    Silence {
        id: "5117e9ce".into(),
        condition: condition.into(),
        author: "Jo".into(),
        reason: "drill".into(),
        created_at: minute(from),
        ends_at: minute(to),
        until_resolved: false,
        ended_at: None,
        unless: Default::default(),
    }
}

#[test]
fn a_silence_hides_beginnings_and_tells_the_difference_when_it_ends() {
    let mut w = world(everything());
    w.silences = vec![silence("Channel = 'a'", 0, 60)];
    w.step("a! b!");
    assert_eq!(w.said(), ["0 fired mail: b+"]);
    let why = ("silenced by Jo (5117e9ce: drill)".to_owned(), Some(60));
    assert_eq!(w.why("a", "mail"), why);
    w.wait_to(120);
    assert_eq!(w.said()[1..], ["60 fired mail: a+"]);
    assert!(w.notices[1].1.reason.ends_with("silenced by Jo (5117e9ce) until now"));
    assert_eq!(w.notices[1].1.late, None, "nothing was late");
    let hidden = &w.hidden["5117e9ce"][&w.id("a")];
    assert_eq!(hidden.notices["mail"].0, 1, "one notice was hidden, however often it was asked");
}

#[test]
fn the_end_is_told_to_whoever_was_told_the_beginning_whatever_is_silenced() {
    let mut w = world(everything());
    w.step("a!");
    w.now = 1;
    w.silences = vec![silence("rule = 'slow-answer'", 1, 60)];
    w.step("");
    w.now = 2;
    w.step("a.");
    assert_eq!(w.said(), ["0 fired mail: a+", "2 resolved mail: a-"]);
    // E2b: it fires again as soon as the silence is gone.
    w.silences[0].ended_at = Some(minute(3));
    w.now = 3;
    w.step("a!");
    assert_eq!(w.said()[2..], ["3 fired mail: a+"]);
}

#[test]
fn what_came_and_went_under_a_silence_is_counted_and_not_told() {
    let mut w = world(by_level());
    w.silences = vec![silence("rule = 'slow-answer'", 0, 60)];
    w.step("a!");
    w.now = 5;
    let decision = w.step("a.");
    assert_eq!(decision.done.len(), 1);
    w.wait_to(120);
    assert_eq!(w.said(), [""; 0]);
    let hidden = w.hidden["5117e9ce"].values().next().expect("it is counted");
    assert_eq!(hidden.notices["mail"].0, 1);
}

#[test]
fn a_silence_breaks_when_it_gets_worse() {
    let check = |unless: Worse, values: &[f64], expected: &[&str]| {
        let mut w = world(everything());
        w.silences = vec![Silence { unless, ..silence("rule = 'slow-answer'", 0, 600) }];
        for (at, value) in (0..).zip(values) {
            w.now = at;
            w.see("slow-answer", "a", *value);
            w.decide();
        }
        assert_eq!(w.said(), expected, "{unless:?} {values:?}");
    };
    let factor = |factor| Worse { level: false, factor: Some(factor) };
    check(Worse::NEVER, &[400.0, 9000.0, 100.0], &[]);
    check(Worse::default(), &[400.0, 490.0], &[]);
    check(Worse::default(), &[400.0, 500.0], &["1 fired mail: a+"]);
    check(Worse { level: true, factor: None }, &[400.0, 890.0], &[]);
    check(Worse { level: true, factor: None }, &[400.0, 1000.0], &["1 fired mail: a+"]);
    check(
        factor(3.0),
        &[400.0, 599.0, 600.0, 400.0, 100.0],
        &["2 fired mail: a+", "4 resolved mail: a-"],
    );
    // Of one that was told before it was silenced, that it is worse is news though its level is not.
    let mut w = world(everything());
    w.step("a!");
    w.silences = vec![silence("rule = 'slow-answer'", 1, 600)];
    w.now = 1;
    w.step("");
    w.now = 2;
    w.see("slow-answer", "a", 800.0);
    w.decide();
    w.now = 3;
    w.step("");
    assert_eq!(w.said(), ["0 fired mail: a+", "2 reminder mail: a="]);
    assert_eq!(w.notices[1].1.reason, "it is much worse than when it was silenced");
}

#[test]
fn a_silence_until_resolved_ends_with_what_it_hides() {
    let mut w = world(everything());
    w.silences = vec![Silence { until_resolved: true, ..silence("Channel in ('a', 'b')", 0, 600) }];
    w.step("");
    assert_eq!(w.silences[0].ended_at, None, "nothing to hide yet");
    w.step("a! b!");
    w.now = 5;
    w.step("a.");
    assert_eq!(w.silences[0].ended_at, None);
    w.now = 6;
    w.step("b.");
    assert_eq!(w.silences[0].ended_at, Some(minute(6)));
    w.now = 7;
    w.step("a!");
    assert_eq!(w.said(), ["7 fired mail: a+"]);
}

fn inhibition(when: &str, hides: &str, equal: &[&str]) -> Inhibition {
    Inhibition {
        when: RouteCondition::parse(when).expect(when),
        hides: RouteCondition::parse(hides).expect(hides),
        equal: equal.iter().map(|label| (*label).to_owned()).collect(),
    }
}

#[test]
fn an_incident_that_explains_others_hides_them_while_it_fires() {
    let mut w = world(everything());
    w.inhibitions = vec![inhibition("rule = 'down'", "rule = 'slow'", &["Channel"])];
    w.step("down/a! slow/a! slow/b!");
    assert_eq!(w.said(), ["0 fired mail: a+", "0 fired mail: b+"]);
    let (why, _) = w.why("a", "mail");
    assert!(why.starts_with("hidden by incident ") && why.ends_with("which fires"), "{why}");
    w.now = 1;
    w.step("down/a.");
    assert_eq!(w.said()[2..], ["1 fired mail: a+", "1 resolved mail: a-"]);
    // Both end at once: what was hidden to its end is told to nobody.
    w.now = 10;
    w.step("slow/a. slow/b.");
    w.now = 11;
    w.step("down/a! slow/a!");
    w.now = 12;
    w.step("down/a. slow/a.");
    let said = w.said();
    assert_eq!(said.iter().filter(|line| line.contains("mail: a")).count(), 6, "{said:#?}");
}

#[test]
fn incidents_of_one_kind_never_hide_each_other() {
    let mut w = world(everything());
    w.inhibitions = vec![inhibition("team = 'desk'", "team = 'desk'", &["Channel"])];
    w.step("x/a! y/a!");
    assert_eq!(w.notices.len(), 2);
    let mut w = world(everything());
    w.inhibitions = vec![inhibition("level = 'critical'", "team = 'desk'", &["Channel"])];
    w.step("x/a# y/a!");
    assert_eq!(w.said(), ["0 fired mail: a+"]);
    assert_eq!(w.notices[0].1.rule(), "x");
}

#[test]
fn a_rule_is_not_told_while_one_it_depends_on_fires_for_the_same() {
    let mut w = world(everything());
    w.depends_on = BTreeMap::from([("slow".into(), vec!["down".into()])]);
    w.step("down/a! slow/a! slow/b!");
    assert_eq!(w.said(), ["0 fired mail: a+", "0 fired mail: b+"]);
    // One without groups explains all of them.
    let mut w = world(everything());
    w.depends_on = BTreeMap::from([("slow".into(), vec!["slow-answer".into()])]);
    w.read(Reading::Value(1000.0));
    w.step("slow/a! slow/b!");
    assert_eq!(w.notices.len(), 1);
}

#[test]
fn a_restart_tells_nothing_that_is_hidden() {
    // From stored states alone, whatever the order in which they are looked at.
    for (cause, target) in [("a-down", "z-slow"), ("z-down", "a-slow")] {
        let mut w = world(everything());
        let (when, hides) = (format!("rule = '{cause}'"), format!("rule = '{target}'"));
        w.inhibitions = vec![inhibition(&when, &hides, &[])];
        w.see(cause, "a", 400.0);
        w.see(target, "b", 400.0);
        w.decide();
        let before = w.notices.len();
        w.now = 500;
        let decision = w.ask();
        assert_eq!((before, decision.notices.len()), (1, 0));
    }
}

#[test]
fn a_correction_goes_to_those_who_were_told_in_the_same_thread() {
    let mut w = world(by_level());
    w.step("a!");
    let id = w.id("a");
    let correction = |number| Correction {
        incident: id.clone(),
        number,
        at: minute(1),
        words: "It was 250 and no breach.".into(),
    };
    w.now = 1;
    w.corrections = vec![correction(1)];
    w.step("");
    w.step("");
    assert_eq!(w.said(), ["0 fired mail: a+", "1 correction mail: a~"]);
    assert_eq!((w.notices[1].1.thread.as_str(), w.notices[1].1.seq), (id.as_str(), 2));
    assert!(w.corrections.is_empty());
    // What is told anyway says it with the rest.
    w.now = 2;
    w.corrections = vec![correction(2)];
    w.step("a.");
    assert_eq!(w.said()[2..], ["2 resolved mail: a-"]);
    assert_eq!(w.notices[2].1.items[0].remarks, ["It was 250 and no breach."]);
    assert!(w.corrections.is_empty());
}

#[test]
fn a_correction_that_a_limit_holds_back_is_told_later() {
    let mut w = world(by_level());
    w.limits.insert("mail".into(), (1, TimeDelta::minutes(60)));
    w.step("a!");
    w.now = 1;
    w.corrections = vec![Correction {
        incident: w.id("a"),
        number: 1,
        at: minute(1),
        words: "It was 250 and no breach.".into(),
    }];
    w.decide();
    assert_eq!((w.notices.len(), w.corrections.len()), (1, 1), "it waits");
    w.wait_to(100);
    assert_eq!(w.said()[1..], ["60 correction mail: a~"]);
    assert!(w.corrections.is_empty());
}

#[test]
fn a_correction_in_a_group_follows_on_what_is_told_at_the_same_moment() {
    let route = Route {
        group_by: vec!["rule".into()],
        interval: TimeDelta::minutes(5),
        ..route(None, &["mail"], Some(10))
    };
    let mut w = world(vec![route]);
    w.step("a! b!");
    w.now = 9;
    let incident = w.id("a");
    let words = "It was 250 and no breach.".into();
    w.corrections = vec![Correction { incident, number: 1, at: minute(9), words }];
    w.step("c!");
    assert_eq!(w.said()[1..], ["9 changed mail: c+ b= a=", "9 correction mail: a~"]);
    w.wait_to(18);
    assert_eq!(w.notices.len(), 3, "the reminder counts from the news");
    w.wait_to(19);
    assert_eq!(w.said()[3..], ["19 reminder mail: b= a= c="]);
    assert_eq!(w.notices[3].1.seq, 4);
}
