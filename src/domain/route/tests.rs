//! Conditions: what they hold for, how they are written, and what is said of those that cannot be
//! read.

use proptest::prelude::*;

use super::*;

fn labels(text: &str) -> Labels {
    let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
    pairs.map(|(label, value)| (label.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn check(condition: &str, holds_for: &str, expected: bool) {
    let read = RouteCondition::parse(condition).expect(condition);
    assert_eq!(read.holds(&labels(holds_for)), expected, "{condition} for {holds_for}");
    // What is written reads as the same.
    assert_eq!(RouteCondition::parse(&read.to_string()), Ok(read.clone()), "{read}");
}

#[test]
fn conditions_compare_labels_with_texts() {
    check("level = 'critical'", "level=critical", true);
    check("level = 'critical'", "level=Critical", false);
    check("level != 'critical'", "level=warning", true);
    check("level <> 'critical'", "level=critical", false);
    check("'critical' = level", "level=critical", true);
    check("rule in ('a', 'b')", "rule=b", true);
    check("rule in ('a', 'b')", "rule=c", false);
    check("rule not in ('a', 'b')", "rule=c", true);
    check("team = 'messaging' and not level = 'warning'", "team=messaging level=critical", true);
    check("team = 'messaging' and not level = 'warning'", "team=messaging level=warning", false);
    check("a = '1' or b = '1' and c = '1'", "a=1", true);
    check("(a = '1' or b = '1') and c = '1'", "a=1", false);
    check("not (a = '1' or b = '1')", "c=1", true);
    check("NOT a = '1' AND b = '1'", "b=1", true);
    check("\"Kanal für Web\" = 'x'", "a=1", false);
    check("Channel = 'it''s'", "Channel=it's", true);
    check("\"group\" = 'x'", "group=x", true);
}

#[test]
fn a_label_that_is_missing_is_the_empty_text() {
    check("team = ''", "level=critical", true);
    check("team != 'a'", "level=critical", true);
    check("team in ('', 'b')", "", true);
}

#[test]
fn a_condition_names_what_it_asks_for() {
    let read = RouteCondition::parse("a = '1' or not (rule in ('x', 'y') and b != '2')");
    let read = read.expect("it is well formed");
    assert_eq!(read.asked(), [("a", vec!["1"]), ("rule", vec!["x", "y"]), ("b", vec!["2"])]);
}

#[test]
fn the_first_route_that_holds_is_picked() {
    let route = |when: Option<&str>| Route {
        when: when.map(|when| RouteCondition::parse(when).expect(when)),
        ..Route::default()
    };
    let mut routes =
        vec![route(Some("level = 'critical'")), route(Some("team = 'a'")), route(None)];
    assert_eq!(pick(&routes, &labels("level=critical team=a")), Some(0));
    assert_eq!(pick(&routes, &labels("level=warning team=a")), Some(1));
    assert_eq!(pick(&routes, &labels("level=warning")), Some(2));
    assert_eq!(routes[0].words(), "the route `level = 'critical'`");
    assert_eq!(routes[2].words(), "the default route");
    routes.pop();
    assert_eq!(pick(&routes, &labels("level=warning")), None);
}

/// The mistake, with the piece it points at.
#[track_caller]
fn check_mistake(condition: &str, piece: &str, message: &str, help: &str) {
    let mistake = RouteCondition::parse(condition).expect_err(condition);
    let found = (&condition[mistake.at.clone()], mistake.message.as_str());
    assert_eq!(found, (piece, message), "for {condition}");
    assert_eq!(mistake.help.as_deref(), Some(help), "for {condition}");
}

const EXAMPLE: &str = "write e.g. `level = 'critical'` or `rule in ('slow-answer', 'no-agents')`";

#[test]
fn what_cannot_be_read_is_pointed_at_and_mended() {
    check_mistake("  ", "  ", "the condition is empty", EXAMPLE);
    check_mistake(
        "team = 'a' and level = \"critical\"",
        "\"critical\"",
        "`\"critical\"` is a label where a text should stand",
        "write 'critical' in single quotes",
    );
    check_mistake(
        "level = critical",
        "critical",
        "`critical` is a label where a text should stand",
        "write 'critical' in single quotes",
    );
    check_mistake("priority = 1", "1", "`1` is not a text", "write `'1'`: labels are texts");
    check_mistake(
        "'Channel' in ('a')",
        "'Channel'",
        "'Channel' is a text, not a label",
        "write the label without quotes or as \"Channel\"",
    );
    check_mistake(
        "level >= 'warning'",
        "level >= 'warning'",
        "`level >= 'warning'` asks for an order, and labels have none",
        "name the levels, e.g. `level in ('warning', 'critical')`",
    );
    check_mistake(
        "a = '1' or urgent",
        "urgent",
        "`urgent` is compared with nothing",
        "write e.g. `urgent = 'some text'`",
    );
    check_mistake(
        "session.Status = 'Ended'",
        "session.Status",
        "`session.Status` is a field, not a label",
        "labels are `rule`, `level`, the headings of the rule's groups and its `labels`",
    );
    check_mistake(
        "level = 'a'; drop",
        "; drop",
        "`; drop` is too much",
        "join conditions by `and` or `or`",
    );
    check_mistake(
        "team like 'a%'",
        "team like 'a%'",
        "`team like 'a%'` cannot stand in a route",
        EXAMPLE,
    );
    check_mistake("team in ()", "team", "`team` is in an empty list", EXAMPLE);
    check_mistake("ä = 'b' and", "and", "expected an expression, found: eof", EXAMPLE);
    check_mistake("ä = 'b' and )", ")", "expected an expression, found: )", EXAMPLE);
    check_mistake("ä = 'b", "'b", "unterminated string literal", EXAMPLE);
    check_mistake("a = 'b'\n and ,", ",", "expected an expression, found: ,", EXAMPLE);
}

#[test]
fn conditions_are_bounded() {
    let long = vec!["a = 'b'"; 1000].join(" and ");
    let mistake = RouteCondition::parse(&long).expect_err("it is too long");
    assert_eq!(mistake.message, "the condition is longer than 4096 bytes");
    let deep = format!("{}a = 'b'{}", "(".repeat(1000), ")".repeat(1000));
    let mistake = RouteCondition::parse(&deep).expect_err("it is too deep");
    assert_eq!(mistake.message, "the condition is nested too deeply");
}

fn conditions() -> impl Strategy<Value = RouteCondition> {
    let label = prop_oneof!["[a-zA-Z ]{1,6}", Just("level".into()), Just("select".into())];
    let text = "[a-z'\" ü]{0,3}";
    let leaf = prop_oneof![
        (label.clone(), any::<bool>(), text).prop_map(|(l, e, t)| RouteCondition::Label(l, e, t)),
        (label, prop::collection::vec(text, 1..3)).prop_map(|(l, t)| RouteCondition::In(l, t)),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone().prop_map(|(a, b)| RouteCondition::And(Box::new(a), Box::new(b))),
            pair.prop_map(|(a, b)| RouteCondition::Or(Box::new(a), Box::new(b))),
            inner.prop_map(|a| RouteCondition::Not(Box::new(a))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_as_the_same(condition in conditions()) {
        let text = condition.to_string();
        prop_assert_eq!(RouteCondition::parse(&text), Ok(condition), "{}", text);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[a-z'\"()=!<>,.;ü\n\\\\-]{0,30}") {
        if let Err(mistake) = RouteCondition::parse(&text) {
            prop_assert!(text.get(mistake.at.clone()).is_some(), "{:?} in {:?}", mistake, text);
        }
    }
}
