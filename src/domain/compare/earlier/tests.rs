//! Tables: rows of this period and what earlier ones have for them.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::*;
use crate::domain::query::{QueryText, samples};

fn utc(text: &str) -> DateTime<Utc> {
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn window(from: &str, to: &str) -> Window {
    Window { from: utc(from), to: utc(to) }
}

fn query(group_by: &[&str], columns: &[&str]) -> Arc<Query> {
    let text = QueryText {
        date: Some("session.StartTime"),
        group_by: group_by.to_vec(),
        columns: columns.to_vec(),
        ..QueryText::default()
    };
    Arc::new(Query::check(&samples::report_type("sessions"), &text).unwrap())
}

fn row(key: Value, values: &[Value]) -> Row {
    Row { keys: vec![key.clone()], shown: vec![key], values: values.to_vec() }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn answer(rows: Vec<Row>, records: u64) -> Answer {
    Answer { rows, records, ..Answer::default() }
}

const MEAN: &str = "avg(sent.MessagingSessionMetricValue) as Mean";

#[test]
fn a_group_that_was_not_there_counts_as_none_and_measures_nothing() {
    let columns = [
        "count() as Sessions",
        MEAN,
        "share(count()) as Share",
        "sum(sent.MessagingSessionMetricValue) as Sum",
        "count(sent.MessagingSessionMetricValue) / count() as Part",
    ];
    let query = query(&["channel as Channel"], &columns);
    let values = [5, 1, 1, 1, 1].map(Value::Integer);
    let now = answer(vec![row(text("web"), &values), row(text("sms"), &values)], 10);
    let own = window("2026-11-16 00:00", "2026-11-23 00:00");
    let before = window("2026-11-09 00:00", "2026-11-16 00:00");
    let check = |earlier: &Answer, expected: [Option<f64>; 5]| {
        let found = Earlier::of(&query, &Zone::utc(), 1, (&now, own), (earlier, before));
        assert_eq!(found.rows[0], vec![Some(5.0), Some(1.0), Some(1.0), Some(1.0), Some(1.0)]);
        assert_eq!(found.rows[1], expected);
    };
    let zero = Some(0.0);
    let there = answer(vec![row(text("web"), &values)], 5);
    check(&there, [zero, None, zero, None, None]);
    // Where not all groups were read, it may have been there.
    check(&Answer { truncated: true, ..there }, [None; 5]);
    // A share of nothing is nothing.
    let empty = Earlier::of(&query, &Zone::utc(), 1, (&now, own), (&answer(vec![], 0), before));
    assert_eq!(empty.rows[0], [zero, None, None, None, None]);
}

#[test]
fn days_are_matched_by_their_place_in_the_period() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let query = query(&["day(session.StartTime) as Day"], &["count() as Sessions"]);
    let day = |at: &str, count: i64| row(Value::Timestamp(utc(at)), &[Value::Integer(count)]);
    // Over the end of summer time: Berlin's days begin at 22:00 and then at 23:00 UTC.
    let own = window("2026-10-25 23:00", "2026-11-01 23:00");
    let before = window("2026-10-18 22:00", "2026-10-25 23:00");
    let now = answer(vec![day("2026-10-25 23:00", 1), day("2026-10-31 23:00", 7)], 8);
    let earlier = answer(vec![day("2026-10-18 22:00", 10), day("2026-10-24 22:00", 70)], 80);
    let found = Earlier::of(&query, &zone, 1, (&now, own), (&earlier, before));
    assert_eq!(found.rows, [vec![Some(10.0)], vec![Some(70.0)]]);
}

#[test]
fn weeks_and_months_are_held_against_whole_ones_alone() {
    let zone = Zone::utc();
    let count = |unit: &str, now: (&str, Window), earlier: (&str, Window)| {
        let query =
            query(&[&format!("{unit}(session.StartTime) as Unit")], &["count() as Sessions"]);
        let of = |at: &str| answer(vec![row(Value::Timestamp(utc(at)), &[Value::Integer(3)])], 3);
        let found = Earlier::of(&query, &zone, 1, (&of(now.0), now.1), (&of(earlier.0), earlier.1));
        found.rows[0][0]
    };
    // The third of the weeks from Mondays on.
    let weeks = (
        ("2026-11-16 00:00", window("2026-11-02 00:00", "2026-11-23 00:00")),
        ("2026-10-26 00:00", window("2026-10-12 00:00", "2026-11-02 00:00")),
    );
    assert_eq!(count("week", weeks.0, weeks.1), Some(3.0));
    // Weeks cut on a Sunday here and on a Thursday there are not alike.
    let cut = (
        ("2026-10-26 00:00", window("2026-11-01 00:00", "2026-12-01 00:00")),
        ("2026-09-28 00:00", window("2026-10-01 00:00", "2026-11-01 00:00")),
    );
    assert_eq!(count("week", cut.0, cut.1), None);
    let months = (
        ("2026-10-01 00:00", window("2026-07-01 00:00", "2026-11-01 00:00")),
        ("2026-06-01 00:00", window("2026-03-01 00:00", "2026-07-01 00:00")),
    );
    assert_eq!(count("month", months.0, months.1), Some(3.0));
    // The instant of another field is no place in the period: it is the same or not.
    let query = query(&["day(session.EndTime) as Day"], &["count() as Sessions"]);
    let of = |at: &str| answer(vec![row(Value::Timestamp(utc(at)), &[Value::Integer(3)])], 3);
    let found = Earlier::of(
        &query,
        &zone,
        1,
        (&of("2026-11-16 00:00"), weeks.0.1),
        (&of("2026-11-16 00:00"), weeks.1.1),
    );
    assert_eq!(found.rows[0], [Some(3.0)]);
}

#[test]
fn columns_that_count_are_told_from_others() {
    let columns = [
        "count() as A",
        "count(distinct channel.Id) + count() as B",
        MEAN,
        "sum(sent.MessagingSessionMetricValue) as D",
        "count() / 7 as E",
        "case when count() > 5 then count(session.EndTime) else 0 end as F",
        "coalesce(count(session.EndTime), 0) as G",
    ];
    let query = query(&[], &columns);
    let noises: Vec<Noise> = query.columns.iter().map(|column| noise(&query, column)).collect();
    use Noise::{Count, Measure};
    assert_eq!(noises, [Count, Count, Measure, Measure, Measure, Count, Count]);
}
