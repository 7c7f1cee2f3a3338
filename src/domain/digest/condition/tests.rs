use super::super::samples::{failed, figures};
use super::*;
use crate::domain::value::Value;

/// `q1` has Sessions and `95 % under`, `q-2` has a column `n'th`; nothing else exists.
fn named(name: &FigureName) -> Result<Headline, Mistake> {
    let known = [("q1", "Sessions", 0, 0), ("q1", "95 % under", 0, 1), ("q-2", "n'th", 1, 0)];
    known
        .into_iter()
        .find(|(report, column, ..)| (*report, *column) == (&name.report, &name.column))
        .map(|(_, _, report, column)| Headline { report, column })
        .ok_or_else(|| Mistake::new(name.column_at.clone(), "no such column"))
}

#[track_caller]
fn check(text: &str, expected: Option<bool>) {
    let condition = Condition::parse(text, &mut named).unwrap_or_else(|err| panic!("{err:?}"));
    let sections = [
        figures("q1", &[("Sessions", Value::Integer(120)), ("95 % under", Value::Real(60.5))]),
        figures("q-2", &[("n'th", Value::Null)]),
    ];
    assert_eq!(condition.holds(&sections), expected, "{text}");
    // What could not be made has no figures.
    assert_eq!(condition.holds(&[failed("q1"), failed("q-2")]), None, "{text}");
}

#[test]
fn conditions_compare_figures_with_numbers_and_each_other() {
    check("q1.Sessions > 100", Some(true));
    check("q1.Sessions > 100 and q1.'95 % under' > 60", Some(true));
    check("q1.Sessions > 100 AND q1.'95 % under' > 61", Some(false));
    check("q1.Sessions < 100 or q1.'95 % under' >= 60.5", Some(true));
    check("not q1.Sessions <= 119.5", Some(true));
    check("not (q1.Sessions = 120 and 1 < q1.'95 % under')", Some(false));
    check("q1.Sessions != q1.'95 % under'", Some(true));
    check("q1.Sessions <> 120", Some(false));
    check("-3 < q1.Sessions", Some(true));
    // `and` binds closer than `or`.
    check("q1.Sessions = 120 or q1.Sessions = 120 and q1.Sessions = 0", Some(true));
}

#[test]
fn a_figure_that_is_null_makes_unknown_what_it_decides() {
    check("q-2.'n''th' > 0", None);
    check("not q-2.'n''th' > 0", None);
    check("q-2.'n''th' > 0 or q1.Sessions = 120", Some(true));
    check("q-2.'n''th' > 0 or q1.Sessions = 0", None);
    check("q-2.'n''th' > 0 and q1.Sessions = 120", None);
    check("q1.Sessions = 0 and q-2.'n''th' > 0", Some(false));
}

#[track_caller]
fn refused(text: &str, pieces: &[&str]) {
    let mistakes = Condition::parse(text, &mut named).expect_err(text);
    let found: Vec<&str> = mistakes.iter().map(|mistake| &text[mistake.at.clone()]).collect();
    assert_eq!(found, pieces, "{mistakes:?}");
}

#[test]
fn mistakes_are_told_where_they_are() {
    refused("q1.Nothing > 1 and q1.'none' < 2", &["Nothing", "'none'"]);
    refused("q1.Sessions", &["s"]);
    refused("q1.Sessions > ", &[">"]);
    refused("q1.Sessions > 1 q1", &["q1"]);
    refused("q1.Sessions > 1 > 2", &[">"]);
    refused("(q1.Sessions > 1", &["1"]);
    refused("q1.Sessions > 1)", &[")"]);
    refused("q1. > 1", &["q1."]);
    refused("q1.'open > 1", &["q1."]);
    refused("sessions > 1", &["sessions"]);
    refused("q1.Sessions > 1.2.3", &["1.2.3"]);
    refused("q1.Sessions > nan", &["nan"]);
    refused("ä", &["ä"]);
    refused("", &[""]);
    let deep = format!("{}q1.Sessions > 1{}", "(".repeat(40), ")".repeat(40));
    refused(&deep, &[&deep]);
    let long = "q1.Sessions > 1 and ".repeat(300);
    refused(&long, &[&long]);
}

#[test]
fn one_figure_alone_is_read_with_its_places() {
    let name = FigureName::parse("agent-time#2.'Mean of ''x'''").unwrap();
    assert_eq!((name.report.as_str(), name.column.as_str()), ("agent-time#2", "Mean of 'x'"));
    assert_eq!((name.report_at, name.column_at), (0..12, 13..28));
    for text in ["q1", "q1.", "q1.A B", "1.5", "", "q1.A > 1"] {
        let mistake = FigureName::parse(text).expect_err(text);
        assert_eq!(mistake.at, 0..text.len());
    }
}
