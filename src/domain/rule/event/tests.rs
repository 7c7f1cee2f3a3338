//! Tables: which records are told, and as what.

use std::sync::Arc;

use chrono::TimeDelta;

use super::super::{EventColumns, Kind, sample};
use super::*;
use crate::domain::dataset::Dataset;
use crate::domain::expr::ReportType;
use crate::domain::query::samples;
use crate::domain::query::{Query, QueryText};

/// An event rule over sessions: record, time, channel, status that changes, name and status.
fn rule(changes: bool) -> Rule {
    let mut columns = vec!["session as '(record)'", "session.StartTime as '(at)'"];
    columns.push("channel.MasterLabel as Channel");
    if changes {
        columns.push("session.Status as '(changes)'");
    }
    columns.extend(["session.Name as Name", "session.AgentType as Agent"]);
    let text = QueryText { date: Some("session.StartTime"), columns, ..QueryText::default() };
    let report_type = linked(&samples::report_type("sessions"));
    let query = Query::check(&report_type, &text).expect("a list");
    let mut rule = sample::rule(&[("critical", "> 0", None)]);
    rule.labels.insert("team".into(), "desk".into());
    rule.zone = Zone::named("Europe/Berlin").expect("a zone");
    let event = Some(EventColumns { dated: true, groups: 1, changes });
    Rule { kind: Kind::Event, event, query: Arc::new(query), ..rule }
}

/// The report type with pages for its records.
fn linked(report_type: &ReportType) -> Arc<ReportType> {
    let mut linked = report_type.clone();
    for table in &mut linked.tables {
        let link = Some("https://desk.example.com/{key}".to_owned());
        table.dataset = Arc::new(Dataset { link, ..(*table.dataset).clone() });
    }
    Arc::new(linked)
}

fn minute(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(n)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A row of the list: the record's key, when, its channel, and the values behind.
fn row(key: Value, at: i64, behind: &[Value]) -> Row {
    let mut values = vec![text("a name"), Value::Timestamp(minute(at)), text("Web")];
    values.extend_from_slice(behind);
    let mut keys = vec![Value::Null; values.len()];
    keys[0] = key;
    Row { keys, shown: Vec::new(), values }
}

#[track_caller]
fn check(rule: &Rule, rows: &[Row], expected: &[&str]) {
    let seen = occurrences(rule, rows, minute(60));
    let seen: Vec<&str> = seen.iter().map(|seen| seen.record.as_str()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_record_is_told_once_with_all_that_people_need() {
    let rule = rule(false);
    let rows = [row(text("0Mw1"), 5, &[text("MS-1"), text("BotToAgent")])];
    let found = occurrences(&rule, &rows, minute(60)).remove(0);
    assert_eq!((found.record.as_str(), found.at, found.seen_at), ("0Mw1", minute(5), minute(60)));
    assert_eq!(found.link.as_deref(), Some("https://desk.example.com/0Mw1"));
    // What a picklist says is shown as people read it.
    let own = |name: &str, shown: &str| (name.to_owned(), shown.to_owned());
    assert_eq!(found.shown, [own("Name", "MS-1"), own("Agent", "Bot and agent")]);
    let labels: Vec<String> =
        found.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["Channel=Web", "level=critical", "rule=slow-answer", "team=desk"]);
}

#[test]
fn rows_of_one_record_are_one_and_rows_of_none_are_none() {
    let rule = rule(false);
    let behind = [text("MS"), Value::Null];
    let rows = [
        row(text("b"), 1, &behind),
        row(text("a"), 2, &behind),
        row(text("b"), 3, &behind),
        row(Value::Null, 4, &behind),
        row(Value::Integer(7), 5, &behind),
    ];
    check(&rule, &rows, &["b", "a", "[7]"]);
    check(&rule, &[], &[]);
    let state = Rule { event: None, ..rule };
    check(&state, &rows, &[]);
}

#[test]
fn each_value_of_what_changes_is_told_once() {
    let rule = rule(true);
    let with =
        |key: &str, status: &str| row(text(key), 1, &[text(status), text("MS"), Value::Null]);
    let rows = [with("a", "New"), with("a", "Ended"), with("a", "New"), with("b", "New")];
    check(&rule, &rows, &[r#"["a","New"]"#, r#"["a","Ended"]"#, r#"["b","New"]"#]);
}

#[test]
fn instants_are_shown_in_the_zone_of_the_rule() {
    let mut rule = rule(false);
    rule.query = Arc::new(
        Query::check(
            &rule.query.report_type,
            &QueryText {
                columns: vec!["session as '(record)'", "session.StartTime as Started"],
                ..QueryText::default()
            },
        )
        .expect("a list"),
    );
    rule.event = Some(EventColumns { dated: false, groups: 0, changes: false });
    let row = Row {
        keys: vec![text("a"), Value::Null],
        shown: Vec::new(),
        values: vec![text("MS"), Value::Timestamp(minute(0))],
    };
    let found = occurrences(&rule, &[row], minute(60)).remove(0);
    // 4 October 2024, summer time.
    assert_eq!(found.shown, [("Started".to_owned(), "2024-10-04 02:00:00".to_owned())]);
    assert_eq!(found.at, minute(60));
}
