//! What goes across, what splits, what is withheld, over a few records.

use rusqlite::Connection;

use super::{answer, ask, at, database, shown, text as word, week, with_sessions};
use crate::domain::query::samples::report_type;
use crate::domain::query::{Frame, Query, QueryText};
use crate::domain::value::Value;
use crate::store::sql::parts;

/// Sessions as (account, channel, how often it was passed on): two channels, `Acme` and nobody.
fn with_transfers(rows: &[(Option<&str>, &str, Option<i64>)]) -> Connection {
    let conn = with_sessions(&[]);
    for (number, (account, channel, transfers)) in rows.iter().enumerate() {
        conn.execute(
            "INSERT INTO MessagingSession (Id, Name, MessagingChannelId, EndUserAccountId, Status,
             StartTime, Transfers) VALUES (?1, ?1, ?2, ?3, 'Ended', ?4, ?5)",
            (
                format!("s{number}"),
                channel,
                account,
                at("2026-11-18T09:00:00Z").timestamp_millis() + number as i64 * 3_600_000,
                transfers,
            ),
        )
        .unwrap();
    }
    conn
}

fn across<'a>(pivot: &'a str, group_by: &[&'a str], columns: &[&'a str]) -> QueryText<'a> {
    QueryText {
        date: Some("session.StartTime"),
        group_by: group_by.to_vec(),
        pivot_by: Some(pivot),
        columns: columns.to_vec(),
        total: true,
        ..QueryText::default()
    }
}

const ACME: Option<&str> = Some("0010001");
const WEB: &str = "0Mj0001";
const WHATSAPP: &str = "0Mj0002";

#[test]
fn values_go_across_and_every_cell_is_computed_from_its_records() {
    let conn = with_transfers(&[
        (ACME, WEB, Some(1)),
        (ACME, WEB, Some(2)),
        (ACME, WHATSAPP, Some(9)),
        (None, WHATSAPP, Some(4)),
        (None, WHATSAPP, None),
    ]);
    let columns = ["count() as Sessions", "median(session.Transfers) as Typical"];
    let text = across("channel.MessageType as Type", &["account as Account"], &columns);
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let found = answer(&conn, &query, &week()).unwrap();
    // Largest by sessions first, and picklist values by their labels.
    assert_eq!(found.across, [word("WhatsApp"), word("Enhanced Chat")]);
    let (n, x) = (Value::Integer, Value::Real);
    let rows = [
        (vec![word("(no account)")], vec![n(2), x(4.0), n(0), Value::Null, n(2), x(4.0)]),
        (vec![word("Acme")], vec![n(1), x(9.0), n(2), x(1.5), n(3), x(2.0)]),
    ];
    assert_eq!(shown(&found), [rows[1].clone(), rows[0].clone()]);
    assert_eq!(found.rows[0].keys, [word("0010001")]);
    assert_eq!(found.total, Some(vec![n(3), x(6.5), n(2), x(1.5), n(5), x(3.0)]));
    assert_eq!((found.across_others, found.records), (0, 5));
    // Rows are ordered by their columns over everything.
    let text = QueryText { sort: Some("Typical desc"), top: Some(1), ..text };
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let found = answer(&conn, &query, &Frame { rest_max: 9, ..week() }).unwrap();
    assert_eq!(shown(&found), [rows[0].clone()]);
    assert_eq!(found.rest.len(), 1);
    assert_eq!(found.others, Some((1, Some(rows[1].1.clone()))));
}

#[test]
fn what_follows_from_the_keys_is_known_in_the_cells_and_where_it_is_one() {
    let conn = with_transfers(&[(ACME, WEB, None), (None, WHATSAPP, None)]);
    let columns = ["count()", "channel.MessageType as Type", "account.Name as Name"];
    let text = across("channel as Channel", &["account as Account"], &columns);
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let found = answer(&conn, &query, &week()).unwrap();
    let (one, none, null) = (Value::Integer(1), Value::Integer(0), Value::Null);
    let (web, whatsapp, acme) = (word("Enhanced Chat"), word("WhatsApp"), word("Acme"));
    let row = |cells: &[&Value]| -> Vec<Value> { cells.iter().map(|v| (*v).clone()).collect() };
    let acmes = row(&[&one, &web, &acme, &none, &whatsapp, &acme, &one, &null, &acme]);
    assert_eq!(found.rows[0].values, acmes);
    let two = Value::Integer(2);
    let total = row(&[&one, &web, &null, &one, &whatsapp, &null, &two, &null, &null]);
    assert_eq!(found.total, Some(total));
}

#[test]
fn more_values_than_fit_across_are_taken_together() {
    let hours: Vec<_> = (0..15).map(|_| (ACME, WEB, None)).collect();
    let conn = with_transfers(&hours);
    let text = across("hour(session.StartTime) as Hour", &[], &["count()"]);
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let found = answer(&conn, &query, &week()).unwrap();
    // Of equals the first, in the order of hours: from 10 in the morning to midnight is 14 hours.
    let mut hours: Vec<Value> = (0..1).chain(10..21).map(Value::Integer).collect();
    hours.push(word("Others (3)"));
    assert_eq!((&found.across, found.across_others), (&hours, 3));
    let mut cells = vec![Value::Integer(1); 12];
    cells.extend([Value::Integer(3), Value::Integer(15)]);
    assert_eq!((found.rows.len(), &found.rows[0].values), (1, &cells));
    // Over nothing there is one row, and nothing across.
    let found = answer(&database(), &query, &week()).unwrap();
    assert_eq!((found.across.len(), found.rows.len()), (0, 1));
    assert_eq!(found.rows[0].values, [Value::Integer(0)]);
}

#[test]
fn ranges_stand_in_their_order() {
    let transfers = [900, 10, 61, 62, 301, 302, 303];
    let rows: Vec<_> = transfers.iter().map(|n| (ACME, WEB, Some(*n))).collect();
    let conn = with_transfers(&rows);
    let range = "bucket(session.Transfers, 60, 300, 900) as Range";
    let names = ["< 60", "60 to < 300", "300 to < 900", ">= 900"].map(word);
    let found = answer(&conn, &ask("sessions", &[range], &["count()"]), &week()).unwrap();
    let rows: Vec<Value> = found.rows.iter().map(|row| row.shown[0].clone()).collect();
    assert_eq!(rows, names);
    let text = across(range, &["account"], &["count()"]);
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let found = answer(&conn, &query, &week()).unwrap();
    assert_eq!(found.across, names);
    assert_eq!(found.rows[0].values, [1, 2, 3, 1, 7].map(Value::Integer));
}

#[test]
fn percentiles_of_few_values_are_withheld_and_that_is_told() {
    let mut rows: Vec<_> = (0..20).map(|n| (ACME, WEB, Some(n))).collect();
    rows.extend((0..19).map(|n| (None, WEB, Some(n))));
    rows.push((None, WHATSAPP, None));
    let conn = with_transfers(&rows);
    let text = QueryText {
        date: Some("session.StartTime"),
        group_by: vec!["account", "channel"],
        columns: vec!["p90(session.Transfers)", "median(session.Transfers)", "count()"],
        total: true,
        min_values: Some(20),
        ..QueryText::default()
    };
    let query = Query::check(&report_type("sessions"), &text).unwrap();
    let found = answer(&conn, &query, &week()).unwrap();
    let cells: Vec<&Value> = found.rows.iter().map(|row| &row.values[0]).collect();
    assert_eq!(cells, [&Value::Real(17.1), &Value::Null, &Value::Null]);
    assert_eq!(found.rows[1].values[1], Value::Real(9.0), "a median is of any number");
    assert!(found.total.as_ref().is_some_and(|total| !total[0].is_null()));
    // Of no values there is nothing to withhold.
    assert_eq!(found.withheld, 1);
    let all = Query { percentile_min: 0, ..query };
    assert_eq!(answer(&conn, &all, &week()).unwrap().withheld, 0);
}

#[test]
fn cells_of_a_list_know_their_records() {
    let conn = with_transfers(&[(ACME, WEB, None), (None, WHATSAPP, None)]);
    let columns = ["session", "account as Account", "session.Status", "channel"];
    let found = answer(&conn, &ask("sessions", &[], &columns), &week()).unwrap();
    let keys: Vec<&[Value]> = found.rows.iter().map(|row| row.keys.as_slice()).collect();
    let first = [word("s0"), word("0010001"), Value::Null, word(WEB)];
    let second = [word("s1"), Value::Null, Value::Null, word(WHATSAPP)];
    assert_eq!(keys, [first, second]);
    let folded = QueryText {
        per: vec!["account as Account", "session"],
        columns: vec!["Account as A", "session as S"],
        ..QueryText::default()
    };
    let query = Query::check(&report_type("sessions"), &folded).unwrap();
    let found = answer(&conn, &query, &week()).unwrap();
    assert_eq!(found.rows[0].keys, [word("0010001"), word("s0")]);
}

#[test]
fn parts_have_their_readers_and_share_one_bound() {
    let conn = with_transfers(&[
        (ACME, WEB, Some(1)),
        (None, WEB, Some(2)),
        (ACME, WHATSAPP, Some(3)),
        (ACME, WHATSAPP, Some(3)),
    ]);
    let query = ask("sessions", &["channel"], &["count()", "share(count())"]);
    let split = query.with(None, &["account as Account", "account.Name as Reader"]).unwrap();
    let found = parts(&conn, &split, &week()).unwrap();
    let told: Vec<_> = found.iter().map(|part| (part.keys.clone(), part.shown.clone())).collect();
    let expected = [
        (vec![word("0010001"), word("Acme")], vec![word("Acme"), word("Acme")]),
        (vec![Value::Null, Value::Null], vec![word("(no account)"), Value::Null]),
    ];
    assert_eq!(told, expected);
    let records: Vec<u64> = found.iter().map(|part| part.answer.records).collect();
    assert_eq!(records, [3, 1]);
    // Labels are told apart within a part, and shares are of its total.
    let third = Value::Real(1.0 / 3.0);
    assert_eq!(found[0].answer.rows[0].values, [Value::Integer(1), third]);
    assert_eq!(found[1].answer.rows[0].shown, [word("Web")]);

    let frame = Frame { rows_max: 2, ..week() };
    let found = parts(&conn, &split, &frame).unwrap();
    let cut: Vec<bool> = found.iter().map(|part| part.answer.truncated).collect();
    assert_eq!(cut, [true, false]);
    assert_eq!(found[0].answer.total, Some(vec![Value::Integer(3), Value::Real(1.0)]));
    let lists = ask("sessions", &[], &["session"]).with(None, &["account"]).unwrap();
    let found = parts(&conn, &lists, &frame).unwrap();
    assert_eq!(found[0].answer.others, Some((2, None)));
    assert!(found[0].answer.truncated);
    let err = parts(&conn, &split, &Frame { rows_max: 1, ..week() }).unwrap_err();
    assert_eq!(err.to_string(), "report type `sessions` is split into more than 1 parts");
    // Without splits it is one part, also over nothing.
    let found = parts(&database(), &query, &week()).unwrap();
    assert_eq!((found.len(), found[0].answer.rows.len()), (1, 0));
    assert!(parts(&database(), &split, &week()).unwrap().is_empty());
}
