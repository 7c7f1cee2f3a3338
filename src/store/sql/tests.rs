//! Statements, indexes and answers over a few records.

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::{IndexSpec, answer, indexes, install, sql};
use crate::domain::query::samples::{datasets, questions, report_type, rules};
use crate::domain::query::{Answer, Frame, Query, QueryText};
use crate::domain::value::{Type, Value};
use crate::domain::zone::Zone;

mod across;
mod shared;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn week() -> Frame {
    Frame {
        bounds: Some((at("2026-11-15T23:00:00Z"), at("2026-11-22T23:00:00Z"))),
        as_of: at("2026-11-23T07:00:00Z"),
        zone: Zone::named("Europe/Berlin").unwrap(),
        week_starts: 1,
        rows_max: 1000,
        rest_max: 0,
    }
}

/// The datasets' tables, empty.
fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    install(&conn).unwrap();
    for dataset in datasets() {
        let columns = dataset.fields.iter().map(|field| {
            let ty = match field.ty {
                Type::Boolean | Type::Integer | Type::Timestamp => "INTEGER",
                Type::Real => "REAL",
                Type::Text => "TEXT",
            };
            format!(
                "\"{}\" {ty}{}",
                field.name,
                if field.name == "Id" { " PRIMARY KEY" } else { "" }
            )
        });
        let columns: Vec<String> = columns.collect();
        conn.execute_batch(&format!(
            "CREATE TABLE \"{}\" ({}, \"_deleted\" INTEGER NOT NULL DEFAULT 0)",
            dataset.name,
            columns.join(", ")
        ))
        .unwrap();
    }
    conn
}

/// Sessions of the week as (id, channel, account, status, deleted).
fn with_sessions(rows: &[(&str, &str, Option<&str>, &str, bool)]) -> Connection {
    let conn = database();
    conn.execute_batch(
        "INSERT INTO MessagingChannel (Id, MasterLabel, MessageType) VALUES
           ('0Mj0001', 'Web', 'EmbeddedMessaging'), ('0Mj0002', 'Web', 'WhatsApp');
         INSERT INTO Account (Id, Name) VALUES ('0010001', 'Acme');",
    )
    .unwrap();
    for (id, channel, account, status, deleted) in rows {
        conn.execute(
            "INSERT INTO MessagingSession (Id, Name, MessagingChannelId, EndUserAccountId, Status,
             StartTime, AgentType, _deleted) VALUES (?1, ?1, ?2, ?3, ?4, ?5, 'BotToAgent', ?6)",
            (id, channel, account, status, at("2026-11-18T09:00:00Z").timestamp_millis(), deleted),
        )
        .unwrap();
    }
    conn
}

fn ask(of: &str, group_by: &[&str], columns: &[&str]) -> Query {
    let text = QueryText {
        date: Some("session.StartTime"),
        group_by: group_by.to_vec(),
        columns: columns.to_vec(),
        total: true,
        ..QueryText::default()
    };
    Query::check(&report_type(of), &text).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn shown(answer: &Answer) -> Vec<(Vec<Value>, Vec<Value>)> {
    answer.rows.iter().map(|row| (row.shown.clone(), row.values.clone())).collect()
}

#[test]
fn the_shipped_questions_are_answered_over_nothing() {
    let conn = database();
    for bounds in [week().bounds, None] {
        let frame = Frame { bounds, ..week() };
        for (name, of, text) in questions() {
            let query = Query::check(&report_type(of), &text).unwrap();
            let answer =
                answer(&conn, &query, &frame).unwrap_or_else(|err| panic!("{name}: {err:?}"));
            let ungrouped = query.groups.is_empty() && !query.list;
            assert_eq!(answer.rows.len(), usize::from(ungrouped), "{name}");
        }
        for (name, of, text) in rules() {
            let query = Query::check_rule(&report_type(of), &text).unwrap();
            let answer =
                answer(&conn, &query, &frame).unwrap_or_else(|err| panic!("{name}: {err:?}"));
            if query.groups.is_empty() {
                assert_eq!(answer.rows[0].values[1], Value::Integer(0), "{name}");
            }
        }
    }
}

#[test]
fn people_read_labels_and_deleted_records_are_gone() {
    let conn = with_sessions(&[
        ("s1", "0Mj0001", Some("0010001"), "Ended", false),
        ("s2", "0Mj0002", None, "Ended", false),
        ("s3", "0Mj0002", None, "Ended", true),
    ]);
    let query = ask("sessions", &["channel", "account", "session.AgentType"], &["count()"]);
    let answer = answer(&conn, &query, &week()).unwrap();
    let one = vec![Value::Integer(1)];
    let row = |channel, account| vec![text(channel), text(account), text("Bot and agent")];
    let expected =
        [(row("Web (0001)", "Acme"), one.clone()), (row("Web (0002)", "(no account)"), one)];
    assert_eq!(shown(&answer), expected);
    assert_eq!(answer.rows[1].keys, [text("0Mj0002"), Value::Null, text("BotToAgent")]);
    assert_eq!(answer.records, 2);
    assert_eq!(answer.total, Some(vec![Value::Integer(2)]));
}

#[test]
fn bounds_of_a_left_join_keep_what_has_no_partner() {
    let conn = with_sessions(&[("s1", "0Mj0001", None, "Ended", false)]);
    let query = ask("traffic", &["channel"], &["count(session.Id)", "share(count(session.Id))"]);
    let counts = |frame: &Frame| -> Vec<Vec<Value>> {
        answer(&conn, &query, frame).unwrap().rows.into_iter().map(|row| row.values).collect()
    };
    let one = vec![Value::Integer(1), Value::Real(1.0)];
    assert_eq!(counts(&week()), [one, vec![Value::Integer(0), Value::Real(0.0)]]);
    let bounds = Some((at("2020-01-01T00:00:00Z"), at("2020-01-02T00:00:00Z")));
    let none = vec![Value::Integer(0), Value::Null];
    assert_eq!(counts(&Frame { bounds, ..week() }), [none.clone(), none]);
}

#[test]
fn groups_beyond_the_bound_are_told_and_stay_in_the_totals() {
    let sessions: Vec<(String, bool)> = (0..7).map(|i| (format!("s{i}"), false)).collect();
    let rows: Vec<_> = sessions
        .iter()
        .map(|(id, deleted)| (id.as_str(), "0Mj0001", None, "Ended", *deleted))
        .collect();
    let conn = with_sessions(&rows);
    let frame = Frame { rows_max: 3, rest_max: 0, ..week() };
    let grouped = answer(&conn, &ask("sessions", &["session"], &["count()"]), &frame).unwrap();
    assert!(grouped.truncated);
    assert_eq!(grouped.rows.len(), 3);
    assert_eq!(grouped.others, Some((4, Some(vec![Value::Integer(4)]))));
    assert_eq!(grouped.total, Some(vec![Value::Integer(7)]));
    let listed = answer(&conn, &ask("sessions", &[], &["session.Id"]), &frame).unwrap();
    assert!(listed.truncated);
    let ids: Vec<&Value> = listed.rows.iter().map(|row| &row.values[0]).collect();
    assert_eq!(ids, [&text("s0"), &text("s1"), &text("s2")]);
    assert_eq!(listed.others, Some((4, None)));
}

#[test]
fn a_constant_that_the_filter_fixes_is_there_even_over_nothing() {
    let text = QueryText {
        filter: Some("session.Status = 'Waiting'"),
        columns: vec!["session.Status", "count()"],
        ..QueryText::default()
    };
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let answer = answer(&database(), &query, &week()).unwrap();
    assert_eq!(answer.rows[0].values, [Value::Null, Value::Integer(0)]);
}

#[test]
fn a_table_that_is_not_there_is_an_error_that_names_the_report_type() {
    let conn = Connection::open_in_memory().unwrap();
    install(&conn).unwrap();
    let err = answer(&conn, &ask("sessions", &[], &["count()"]), &week()).unwrap_err();
    assert_eq!(err.to_string(), "the records of report type `sessions` cannot be read");
}

#[track_caller]
fn check_indexes(name: &str, expected: &[&str]) {
    let (_, of, text) =
        questions().into_iter().chain(rules()).find(|(known, ..)| *known == name).unwrap();
    let query = Query::check(&report_type(of), &text).unwrap();
    let spec = |spec: IndexSpec| format!("{}: {}", spec.dataset, spec.fields.join(" "));
    let found: Vec<String> = indexes(&query).into_iter().map(spec).collect();
    assert_eq!(found, expected, "{name}");
}

#[test]
fn each_table_is_found_by_what_is_known_when_it_is_read() {
    check_indexes(
        "q3",
        &[
            "MessagingSession: StartTime",
            "MessagingSessionMetrics: MessagingSessionId MessagingSessionMetricType",
        ],
    );
    check_indexes("q10", &["MessagingSession: MessagingChannelId StartTime"]);
    check_indexes("waiting-now", &["MessagingSession: Status"]);
    check_indexes("undelivered", &["ConversationEntry: CreatedDate"]);
    // The period bounds the session, so assignments are found from there; they are read wide.
    check_indexes("q6", &["AgentWork: WorkItemId", "MessagingSession: EndTime"]);
}

#[test]
fn the_database_uses_those_indexes() {
    let (_, of, text) = questions().into_iter().find(|(name, ..)| *name == "q3").unwrap();
    let query = Query::check(&report_type(of), &text).unwrap();
    let conn = database();
    for (number, spec) in indexes(&query).iter().enumerate() {
        let fields: Vec<String> = spec.fields.iter().map(|field| format!("\"{field}\"")).collect();
        conn.execute_batch(&format!(
            "CREATE INDEX i{number} ON \"{}\" ({}) WHERE \"_deleted\" = 0",
            spec.dataset,
            fields.join(", ")
        ))
        .unwrap();
    }
    let mut explain =
        conn.prepare(&format!("EXPLAIN QUERY PLAN {}", sql(&query, &week()))).unwrap();
    let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
    let steps = explain.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3)).unwrap();
    let steps: Vec<String> = steps.map(Result::unwrap).collect();
    let begins = [
        "SEARCH t0 USING INDEX i0 (StartTime>? AND StartTime<?)",
        "SEARCH t1 USING INDEX sqlite_autoindex_MessagingChannel_1 (Id=?)",
        "SEARCH t6 USING INDEX i1",
    ];
    assert_eq!(steps.len(), begins.len(), "{steps:?}");
    for (step, begin) in steps.iter().zip(begins) {
        assert!(step.starts_with(begin), "{step}");
    }
}
