//! Tables shaped from answers: columns, totals, what goes across, links, what is shortened.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::domain::expr::{Expr, Function, ReportType};
use crate::domain::query::{self, Answer, Group, Query, Row};
use crate::domain::report::Report;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn group(name: &str, expr: Expr, ty: Type) -> Group {
    Group { name: name.to_owned(), expr, ty, alias: None, labels: Vec::new(), origin: None }
}

fn value(name: &str, ty: Type) -> query::Column {
    query::Column {
        name: name.to_owned(),
        expr: Expr::Aggregate(0),
        ty: Some(ty),
        alias: None,
        share: false,
        labels: Vec::new(),
        origin: None,
    }
}

fn report(groups: Vec<Group>, columns: Vec<query::Column>, list: bool) -> Report {
    let query = Query {
        split: 0,
        pivot: false,
        percentile_min: 0,
        report_type: Arc::new(ReportType { name: "sessions".to_owned(), tables: Vec::new() }),
        date: None,
        filter: None,
        fold: None,
        groups,
        carried: Vec::new(),
        aggregates: Vec::new(),
        columns,
        list,
        sort: Vec::new(),
        top: None,
        total: true,
        texts: Arc::default(),
    };
    Report {
        name: "r".to_owned(),
        title: "How many?".to_owned(),
        about: None,
        period: "all time".parse().unwrap(),
        zone: Zone::utc(),
        query: Arc::new(query),
        formats: BTreeMap::from([("Wait".to_owned(), Format::Duration)]),
        empty: None,
        mask: vec!["User".to_owned()],
        goals: BTreeMap::new(),
        compare: None,
        trend: None,
        calendar: None,
        chart: None,
        drill: None,
        only: None,
        restate_above: Report::RESTATE_ABOVE,
        tests: Vec::new(),
        coverage: Vec::new(),
        hash: String::new(),
    }
}

fn shape(report: &Report, rows: Vec<Row>, total: Option<Vec<Value>>) -> Table {
    let others = total.clone().map(|total| (3, Some(total)));
    let answer = Answer { rows, others, total, records: 9, truncated: true, ..Answer::default() };
    Table::shape(report, &answer, None, vec!["All.".to_owned()], None, None)
}

#[test]
fn groups_stand_before_values_and_totals_have_none() {
    let mut share = value("Share", Type::Real);
    share.share = true;
    let mut channel = group("Channel", Expr::AsOf, Type::Integer);
    channel.alias = Some(0);
    let day = Expr::Call(Function::Calendar(Unit::Weekday), Vec::new());
    let groups = vec![channel, group("Day", day, Type::Integer)];
    let report = report(groups, vec![value("Wait", Type::Real), share], false);
    let row = Row {
        keys: vec![text("0Mw"), Value::Integer(1)],
        shown: vec![text("Web chat"), Value::Integer(1)],
        values: vec![Value::Real(3.5), Value::Real(0.5)],
    };
    let table = shape(&report, vec![row], Some(vec![Value::Real(7.0), Value::Real(1.0)]));
    let told: Vec<_> = table
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.format, c.grouping, c.numeric, c.unit))
        .collect();
    assert_eq!(
        told,
        [
            ("Channel", Format::Auto, true, false, None),
            ("Day", Format::Auto, true, false, Some(Unit::Weekday)),
            ("Wait", Format::Duration, false, true, None),
            ("Share", Format::Percent, false, true, None),
        ]
    );
    assert_eq!(
        table.rows,
        [vec![text("Web chat"), Value::Integer(1), Value::Real(3.5), Value::Real(0.5)]]
    );
    let whole = vec![Value::Null, Value::Null, Value::Real(7.0), Value::Real(1.0)];
    assert_eq!(table.total, Some(whole.clone()));
    let others = table.others.as_ref().unwrap();
    assert_eq!((others.rows, others.values.as_ref()), (3, Some(&whole)));
    assert_eq!((table.records, table.truncated), (9, true));
    assert_eq!(table.figure(2), Some(&Value::Real(7.0)));
    assert_eq!(table.figure(0), Some(&Value::Null));
    assert_eq!(table.figure(4), None);
}

#[test]
fn without_groups_the_only_row_speaks_for_the_table() {
    let report = report(Vec::new(), vec![value("Wait", Type::Real)], false);
    let row = Row { keys: Vec::new(), shown: Vec::new(), values: vec![Value::Real(4.0)] };
    let table = shape(&report, vec![row], None);
    assert!(table.is_figures());
    assert_eq!(table.figure(0), Some(&Value::Real(4.0)));
    assert_eq!(shape(&report, Vec::new(), None).figure(0), None);
}

#[test]
fn a_list_shows_labels_and_shortens_what_is_personal() {
    let mut consent = value("Consent", Type::Text);
    consent.labels = vec![("OptIn".to_owned(), "Opted in".to_owned())];
    let report = report(Vec::new(), vec![value("User", Type::Text), consent], true);
    let row = |user: Value, consent: &str| Row {
        keys: Vec::new(),
        shown: Vec::new(),
        values: vec![user, text(consent)],
    };
    let rows = vec![
        row(text("Émile Zola"), "OptIn"),
        row(Value::Integer(491_701), "New"),
        row(Value::Null, ""),
        row(text(""), ""),
    ];
    let table = shape(&report, rows, None);
    assert_eq!(
        table.rows,
        [
            vec![text("É…"), text("Opted in")],
            vec![text("…"), text("New")],
            vec![Value::Null, text("")],
            vec![text(""), text("")],
        ]
    );
    assert!(!table.is_figures());
    assert_eq!(table.figure(0), None);
}

/// A report over the sample sessions, every record of which has a page.
fn sampled(text: &query::QueryText<'_>) -> Report {
    let mut report_type = ReportType::clone(&query::samples::report_type("sessions"));
    for table in &mut report_type.tables {
        let link = format!("https://acme.example.com/{}/{{key}}", table.alias);
        Arc::make_mut(&mut table.dataset).link = Some(link);
    }
    let query = Query::check(&Arc::new(report_type), text).unwrap();
    Report { query: Arc::new(query), ..report(Vec::new(), Vec::new(), false) }
}

fn shaped(report: &Report, answer: Answer) -> Table {
    Table::shape(report, &answer, None, Vec::new(), None, None)
}

fn links(table: &Table) -> Vec<Vec<Option<&str>>> {
    let of = |beside: &Beside| beside.links.iter().map(|link| link.as_deref()).collect();
    table.beside.iter().map(of).collect()
}

#[test]
fn what_goes_across_becomes_columns_with_the_total_behind() {
    let mut report = sampled(&query::QueryText {
        group_by: vec!["channel as Channel"],
        pivot_by: Some("session.EndedByType as By"),
        columns: vec!["count() as Wait", "share(count()) as Share"],
        ..query::QueryText::default()
    });
    report.empty = Some("not recorded".to_owned());
    let row = Row {
        keys: vec![text("0Mj1")],
        shown: vec![text("Web")],
        values: (0..8).map(Value::Integer).collect(),
    };
    let across = vec![text("Agent"), text("Agent"), Value::Null];
    let answer = Answer { rows: vec![row], across: across.clone(), ..Answer::default() };
    let table = shaped(&report, answer.clone());
    let names: Vec<_> =
        table.columns.iter().map(|c| (c.name.as_str(), c.pivot.as_deref(), c.format)).collect();
    let (wait, share) = (Format::Duration, Format::Percent);
    assert_eq!(
        names,
        [
            ("Channel", None, Format::Auto),
            ("Agent: Wait", Some("Agent"), wait),
            ("Agent: Share", Some("Agent"), share),
            // Two labels may read the same; a file needs two names.
            ("Agent: Wait (2)", Some("Agent"), wait),
            ("Agent: Share (2)", Some("Agent"), share),
            ("not recorded: Wait", Some("not recorded"), wait),
            ("not recorded: Share", Some("not recorded"), share),
            ("Total: Wait", Some("Total"), wait),
            ("Total: Share", Some("Total"), share),
        ]
    );
    assert_eq!(table.rows[0].len(), 9);
    assert_eq!(links(&table)[0][0], Some("https://acme.example.com/channel/0Mj1"));
    // As the report counts its columns: the group, what goes across, the two figures.
    let places: Vec<_> = (0..4).map(|shown| table.place(shown)).collect();
    assert_eq!(places, [Some(0), None, Some(7), Some(8)]);
    // What is personal is short in headings too.
    report.mask = vec!["By".to_owned()];
    let table = shaped(&report, answer);
    assert_eq!(table.columns[1].name, "A…: Wait");
    assert_eq!(table.columns[5].name, "not recorded: Wait");
}

#[test]
fn cells_that_name_a_record_lead_to_it() {
    let list = sampled(&query::QueryText {
        columns: vec!["session", "account", "session.Id as Id", "session.Status as Status"],
        ..query::QueryText::default()
    });
    let row = |keys: [Value; 4], values: [&str; 4]| Row {
        keys: keys.to_vec(),
        shown: vec![],
        values: values.map(text).to_vec(),
    };
    let none = || Value::Null;
    let rows = vec![
        row([text("s/1"), text("a1"), none(), none()], ["MS-1", "Acme", "s/1", "Ended"]),
        row([text("s2"), none(), none(), none()], ["MS-2", "(no account)", "s2", "Ended"]),
    ];
    let answer = Answer { rows, ..Answer::default() };
    let session = |key: &str| format!("https://acme.example.com/session/{key}");
    let (first, second) = (session("s%2F1"), session("s2"));
    let table = shaped(&list, answer.clone());
    let account = Some("https://acme.example.com/account/a1");
    assert_eq!(
        links(&table),
        [
            vec![Some(&*first), account, Some(&*first), None],
            vec![Some(&*second), None, Some(&*second), None],
        ]
    );
    let masked = Report { mask: vec!["account".to_owned(), "Id".to_owned()], ..list };
    let table = shaped(&masked, answer);
    assert_eq!(links(&table)[0], [Some(&*first), None, None, None]);
}

#[test]
fn percentiles_of_too_few_values_are_said_to_be_missing() {
    let report = sampled(&query::QueryText {
        columns: vec!["p95(sent.MessagingSessionMetricValue) as P"],
        min_values: Some(20),
        ..query::QueryText::default()
    });
    let said = |withheld| shaped(&report, Answer { withheld, ..Answer::default() }).coverage;
    assert!(said(0).is_empty());
    assert_eq!(said(1), ["One percentile of fewer than 20 values is not shown."]);
    assert_eq!(said(7), ["7 percentiles of fewer than 20 values are not shown."]);
}
