//! Routes and inhibitions: every key with a mistake in it is one problem at the piece, and what is
//! right is read.

use chrono::TimeDelta;

use super::pieces::check;
use super::{SHIPPED, read};

const LAST: &str = "[[routes]]\nto     = [\"ops-mail\"]\nrepeat = \"1 day\"";

/// One more line in the last route.
#[track_caller]
fn wrong(line: &str, message: &str, piece: &str) {
    check(LAST, &format!("[[routes]]\nto = [\"ops-mail\"]\n{line}"), message, piece);
}

#[test]
fn mistakes_in_the_timing_of_routes_are_told_at_the_piece() {
    wrong("wait = \"5\"", "a number without a unit", "\"5\"");
    wrong("wait = \"2 days\"", "`2 days` is too long to wait", "\"2 days\"");
    wrong("interval = \"5 m\"", "`m` could be minutes or months", "\"5 m\"");
    wrong("repeat = \"0 min\"", "`0 min` is no time at all", "\"0 min\"");
    wrong("repeat = \"30 s\"", "a reminder every 30 s is too many", "\"30 s\"");
    wrong("repeat = { every = \"1 h\", growth = 0.5 }", "`0.5` is no growth", "0.5");
    wrong("repeat = { every = \"1 h\", max = \"30 min\" }", "`max` is shorter", "\"30 min\"");
    wrong("repeat = { every = \"1 h\", times = 0 }", "no reminders at all", "0");
    wrong("repeat = { growth = 2.0 }", "`repeat` of route 2 has no `every`", "repeat");
    wrong("repeat = { every = \"1 h\", evry = 1 }", "unknown key `evry`", "evry");
    wrong("repeat = 5", "`repeat` must be text in quotes, not a whole number", "5");
    wrong("ack_for = \"never\"", "`never` is not a length of time", "\"never\"");
}

#[test]
fn mistakes_in_whom_and_where_are_told_at_the_piece() {
    wrong("hours = \"ofice\"", "unknown calendar `ofice`", "\"ofice\"");
    wrong("mute = [\"maintenance\"]", "unknown calendar `maintenance`", "\"maintenance\"");
    wrong("group_by = [\"rule\", \"rule\"]", "label `rule` is written twice", "\"rule\"");
    wrong("group_by = [\" \"]", "a label without a name", "\" \"");
    let step = "{ after = \"30 min\", to = [\"ops-male\"] }";
    wrong(&format!("escalate = [{step}]"), "unknown receiver `ops-male`", "\"ops-male\"");
    wrong("escalate = [{ after = \"30 min\", to = [] }]", "an escalation to nobody", "[]");
    wrong(
        "escalate = [{ to = [\"ops-hook\"] }]",
        "step 1 of `escalate` has no `after`",
        "{ to = [\"ops-hook\"] }",
    );
    wrong(
        "escalate = [{ after = \"2 h\", to = [\"ops-hook\"] }, { after = \"1 h\", to = [\"ops-mail\"] }]",
        "a step that is not later than the one before it",
        "\"1 h\"",
    );
}

#[test]
fn mistakes_in_inhibitions_are_told_at_the_piece() {
    let wrong = |table: &str, message: &str, piece: &str| {
        check(LAST, &format!("[[inhibitions]]\n{table}\n{LAST}"), message, piece);
    };
    let when = "when = \"level = 'critical'\"";
    let hides = "hides = \"level = 'warning'\"";
    wrong(when, "inhibition 1 has no `hides`", "[[inhibitions]]");
    wrong(hides, "inhibition 1 has no `when`", "[[inhibitions]]");
    wrong(
        &format!("{when}\nhides = \"level = 'critical'\""),
        "what hides is what is hidden",
        "[[inhibitions]]",
    );
    wrong(
        &format!("{when}\nhides = \"level > 'x'\""),
        "`level > 'x'` asks for an order",
        "level > 'x'",
    );
    wrong(&format!("{when}\n{hides}\nequals = []"), "unknown key `equals`", "equals");
}

#[test]
fn what_is_written_is_read() {
    let text = SHIPPED.replacen(
        LAST,
        "[[inhibitions]]\nwhen = \"level = 'critical'\"\nhides = \"level = 'warning'\"\n\
         [[routes]]\nto = [\"ops-mail\"]\ngroup_by = [\"rule\"]\n\
         repeat = { every = \"1 h\", growth = 2.0, max = \"24 h\", times = 10 }\n\
         escalate = [{ after = \"30 min\", to = [\"boss@example.com\"] }]\nack_for = \"2 h\"",
        1,
    );
    let (config, _) = read(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let route = config.routes.last().expect("a route");
    assert_eq!((route.wait, route.interval), (TimeDelta::seconds(30), TimeDelta::minutes(5)));
    let repeat = route.repeat.expect("it repeats");
    let delays: Vec<i64> = (0..6).filter_map(|n| repeat.delay(n)).map(|d| d.num_hours()).collect();
    assert_eq!((delays, repeat.delay(10)), (vec![1, 2, 4, 8, 16, 24], None));
    assert_eq!(route.escalate[0].to, ["boss@example.com"]);
    assert!(config.receivers.contains_key("boss@example.com"));
    assert_eq!((config.inhibitions.len(), route.ack_for), (1, Some(TimeDelta::hours(2))));
    // Without groups nothing waits unless it says so.
    assert!(config.routes[0].wait.is_zero() && config.routes[0].interval.is_zero());
}
