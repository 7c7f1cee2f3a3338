//! Answers are what the naive evaluator says, for questions nobody thought of.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use postrider::domain::expr::ReportType;
use postrider::domain::query::{Answer, Frame, Query, QueryText};
use postrider::domain::value::Value;
use postrider::domain::zone::Zone;
use postrider::store::sql::{AnswerError, answer, indexes, parts, sql};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

mod data;
mod naive;
mod published;
mod random;
mod values;
mod written;

use naive::{G, Outcome, Spec, Table, X};
use values::V;

/// So many rows behind the top are asked for.
const REST_MAX: usize = 3;

fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap()
}

fn frame_of(frame: &naive::Frame) -> Frame {
    Frame {
        bounds: frame.bounds.map(|(from, to)| (instant(from), instant(to))),
        as_of: instant(frame.as_of),
        zone: Zone::named(frame.zone).unwrap(),
        week_starts: frame.week_starts,
        rows_max: 10_000,
        rest_max: REST_MAX,
    }
}

/// The query of a question's texts; `None` where the checker rightly refuses.
fn checked(spec: &Spec) -> Result<Option<Query>, TestCaseError> {
    let texts = written::texts(spec);
    let report_type = ReportType::parse("t", &texts.from, &data::datasets())
        .map_err(|err| TestCaseError::fail(format!("{}: {err:?}", texts.from)))?;
    let all = |texts: &'_ [String]| -> Vec<String> { texts.to_vec() };
    let (per, values) = (all(&texts.per), all(&texts.values));
    let (group_by, columns) = (all(&texts.group_by), all(&texts.columns));
    let text = QueryText {
        date: texts.date.as_deref(),
        filter: texts.filter.as_deref(),
        per: per.iter().map(String::as_str).collect(),
        values: values.iter().map(String::as_str).collect(),
        group_by: group_by.iter().map(String::as_str).collect(),
        pivot_by: texts.pivot_by.as_deref(),
        columns: columns.iter().map(String::as_str).collect(),
        sort: texts.sort.as_deref(),
        top: spec.top,
        total: !spec.list,
        min_values: Some(spec.min_values),
    };
    match Query::check(&Arc::new(report_type), &text) {
        Ok(query) => Ok(Some(query)),
        // A random constant is no group, and a random aggregate may sum what a join repeats.
        Err(mistakes)
            if mistakes.iter().all(|(_, mistake)| {
                mistake.message.contains("would count each")
                    || mistake.message.contains("`share` takes an aggregate")
                    || mistake.message.contains("takes aggregates alone")
            }) =>
        {
            Ok(None)
        }
        Err(mistakes) => {
            let told: Vec<String> = mistakes
                .iter()
                .map(|(part, m)| format!("{part:?}: {} {:?}", m.message, m.at))
                .collect();
            Err(TestCaseError::fail(format!("{text:#?}\n{told:#?}")))
        }
    }
}

fn all_same(what: &str, expected: &[V], found: &[Value]) -> TestCaseResult {
    let fits = expected.len() == found.len()
        && expected.iter().zip(found).all(|(expected, found)| data::same(expected, found));
    prop_assert!(fits, "{what}: expected {expected:?}, found {found:?}");
    Ok(())
}

fn compare(spec: &Spec, expected: &Outcome, found: &Answer) -> TestCaseResult {
    prop_assert_eq!(found.records, expected.records, "records");
    prop_assert!(!found.truncated);
    prop_assert_eq!(found.rows.len(), expected.rows.len(), "rows: {:?}\n{:?}", found, expected);
    prop_assert_eq!(found.rest.len(), expected.rest.len().min(REST_MAX), "rows behind the top");
    all_same("across", &expected.across, &found.across)?;
    let rows = expected.rows.iter().zip(&found.rows);
    for (index, ((keys, shown, values), row)) in
        rows.chain(expected.rest.iter().zip(&found.rest)).enumerate()
    {
        all_same(&format!("keys of row {index}"), keys, &row.keys)?;
        all_same(&format!("names of row {index}"), shown, &row.shown)?;
        all_same(&format!("values of row {index}"), values, &row.values)?;
    }
    match (&expected.others, &found.others) {
        (None, None) => {}
        (Some((rows, None)), Some((count, None))) => prop_assert_eq!(rows, count),
        (Some((rows, Some(values))), Some((count, Some(others)))) => {
            prop_assert_eq!(rows, count);
            all_same("others", values, others)?;
        }
        other => prop_assert!(false, "others: {other:?}"),
    }
    if !spec.list {
        let total = found.total.as_ref().expect("a total was asked for");
        all_same("total", expected.total.as_ref().unwrap(), total)?;
    }
    Ok(())
}

fn holds(tables: &[Table], spec: &Spec, frame: &naive::Frame, indexed: bool) -> TestCaseResult {
    let Some(query) = checked(spec)? else { return Err(TestCaseError::reject("refused")) };
    let wanted = if indexed { indexes(&query) } else { vec![] };
    let conn = data::database(tables, &wanted);
    let frame_asked = frame_of(frame);
    let found = answer(&conn, &query, &frame_asked)
        .map_err(|err| TestCaseError::fail(format!("{err:?}\n{}", sql(&query, &frame_asked))))?;
    let expected = naive::answer(tables, spec, frame);
    compare(spec, &expected, &found)
        .map_err(|err| TestCaseError::fail(format!("{err}\n{}", sql(&query, &frame_asked))))
}

/// Each part is what the question would find of its records alone, and together they have all.
fn parts_hold(
    tables: &[Table],
    (spec, split, only): &(Spec, G, Option<X>),
    frame: &naive::Frame,
) -> TestCaseResult {
    let Some(query) = checked(spec)? else { return Err(TestCaseError::reject("refused")) };
    let conn = data::database(tables, &[]);
    let frame_asked = frame_of(frame);
    let only_text = only.as_ref().map(|only| written::text(only, spec));
    let split_text = written::group(split, spec);
    let with = |split: &[&str]| {
        query.with(only_text.as_deref(), split).map_err(|mistakes| {
            TestCaseError::fail(format!("{split_text} {only_text:?}: {mistakes:?}"))
        })
    };
    let fails = |err: AnswerError| TestCaseError::fail(format!("{err:?}"));
    let whole = answer(&conn, &with(&[])?, &frame_asked).map_err(fails)?;
    let found = parts(&conn, &with(&[&split_text])?, &frame_asked).map_err(fails)?;
    let filter = match (spec.filter.clone(), only.clone()) {
        (Some(a), Some(b)) => Some(X::Op("and", Box::new(a), Box::new(b))),
        (a, b) => a.or(b),
    };
    let spec = &Spec { filter, ..spec.clone() };
    compare(spec, &naive::answer(tables, spec, frame), &whole)?;
    let expected = naive::parts(tables, spec, split, frame);
    prop_assert_eq!(found.len(), expected.len(), "parts: {:?}", found);
    for ((key, name, outcome), part) in expected.iter().zip(&found) {
        all_same("keys of the part", std::slice::from_ref(key), &part.keys)?;
        all_same("name of the part", std::slice::from_ref(name), &part.shown)?;
        compare(spec, outcome, &part.answer)
            .map_err(|err| TestCaseError::fail(format!("part {key:?} by {split_text}: {err}")))?;
    }
    let records: u64 = found.iter().map(|part| part.answer.records).sum();
    prop_assert_eq!(records, whole.records, "records of the parts");
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        max_global_rejects: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn case(
    spec: BoxedStrategy<Spec>,
) -> impl Strategy<Value = (Vec<Table>, Spec, naive::Frame, bool)> {
    (data::tables(), spec, random::frame(), any::<bool>())
}

impl std::fmt::Debug for naive::Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {} in {} from {}", self.bounds, self.as_of, self.zone, self.week_starts)
    }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn groups_are_as_the_oracle_says((tables, spec, frame, indexed) in case(random::grouped())) {
        holds(&tables, &spec, &frame, indexed)?;
    }

    #[test]
    fn folds_are_as_the_oracle_says((tables, spec, frame, indexed) in case(random::folded())) {
        holds(&tables, &spec, &frame, indexed)?;
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn pivots_are_as_the_oracle_says((tables, spec, frame, indexed) in case(random::pivoted())) {
        holds(&tables, &spec, &frame, indexed)?;
    }

    #[test]
    fn parts_add_up_to_the_whole(
        tables in data::tables(),
        asked in prop_oneof![
            3 => random::split(random::grouped()),
            2 => random::split(random::folded()),
            1 => random::split(random::lists()),
            2 => random::split(random::pivoted()),
        ],
        frame in random::frame(),
    ) {
        parts_hold(&tables, &asked, &frame)?;
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn lists_are_as_the_oracle_says((tables, spec, frame, indexed) in case(random::lists())) {
        holds(&tables, &spec, &frame, indexed)?;
    }
}

/// Statements are made of these words, quoted names of datasets and fields, and places for values.
fn made_of_known_pieces(sql: &str) -> TestCaseResult {
    let names: BTreeSet<&str> = data::SHAPES
        .iter()
        .flat_map(|(name, fields, ..)| fields.iter().map(|(field, _)| *field).chain([*name]))
        .chain(["_deleted"])
        .collect();
    let words = "SELECT FROM WHERE ON AS AND OR NOT IN IS NULL BETWEEN CASE WHEN THEN ELSE END CAST \
                 REAL COALESCE LEFT CROSS JOIN ORDER BY postrider_like postrider_lower \
                 postrider_civil postrider_bucket";
    let words: BTreeSet<&str> = words.split_whitespace().collect();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let len = if first == '"' {
            let end = rest[1..].find('"').map(|at| at + 2);
            let end = end.ok_or_else(|| TestCaseError::fail(format!("an open name in {sql}")))?;
            prop_assert!(names.contains(&rest[1..end - 1]), "{} in {}", &rest[..end], sql);
            end
        } else if first.is_ascii_alphabetic() || first == '?' || first.is_ascii_digit() {
            let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let end = 1 + rest[1..].find(|c| !part(c)).unwrap_or(rest.len() - 1);
            let word = rest[..end].trim_end_matches('.');
            let place = |prefix: char| {
                word.strip_prefix(prefix).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
            };
            let number = word == "1000.0" || (word.len() < 3 && word.parse::<u8>().is_ok());
            prop_assert!(
                words.contains(word) || place('t') || place('?') || number,
                "{word} in {sql}"
            );
            end
        } else {
            prop_assert!(" (),.=<>+-*/".contains(first), "{first} in {sql}");
            1
        };
        rest = &rest[len..];
    }
    Ok(())
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "s.Status",
        "s.Start",
        "c",
        "'",
        "\"",
        "`",
        "[",
        "]",
        ";",
        "--",
        "/*",
        "*/",
        "x'41'",
        "\0",
        "\n",
        "drop table Session",
        "' or 1=1 --",
        "'; attach 'x' as y; --",
        "union select",
        "count()",
        "sum(s.Moves)",
        "(",
        ")",
        " as ",
        "'a'",
        "1",
        "9999999999999999999",
        "1e999",
        "0x10",
        "=",
        " in ",
        " and ",
        " or ",
        " not ",
        " like ",
        "null",
        "case when",
        " then ",
        " end",
        "?1",
        ":x",
        "$x",
        "@x",
        "sqlite_master",
        "load_extension('x')",
        "randomblob(1e9)",
        "postrider_like(s.Status, 'x')",
        "ä",
        "日",
        "\u{202e}",
        ",",
        ".",
        "::text",
        "{d '2020-01-01'}",
        "cast(s.Moves as text)",
        " between ",
        " over ()",
        "first(s.Id order by s.Moves)",
        " filter (where s.Open)",
        "e'\\''",
        "N'x'",
        "s.*",
        "*",
        "as_of()",
        "day(s.Start)",
        "bucket(s.Moves, 1, 2)",
        " is null",
        " collate nocase",
        " escape '\\'",
        "'a''b'",
        "s.\"Status\"",
        "\"s\".Status",
        "''",
        " desc",
        " nulls first",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop_oneof![
        prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat()),
        // Any text at all as a constant.
        any::<String>().prop_map(|text| format!("s.Status = '{}'", text.replace('\'', "''"))),
        any::<String>().prop_map(|text| format!("s.Status like '{}'", text.replace('\'', "''"))),
        any::<String>().prop_map(|text| format!("count() as '{}'", text.replace('\'', "''"))),
    ]
}

fn schema(conn: &rusqlite::Connection) -> Vec<String> {
    let mut select = conn.prepare("SELECT name FROM sqlite_master ORDER BY 1").unwrap();
    let names = select.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(config(3000))]

    /// Whatever stands in the config, it is a mistake or it is answered; it is never SQL.
    #[test]
    fn no_text_of_the_config_is_ever_sql(
        text in hostile(), place in 0..8usize, tables in data::tables(), frame in random::frame(),
    ) {
        let from = "Session s join Channel c on c.Id = s.ChannelId";
        let from = if place == 7 { format!("{from} left join Metric m on {text}") } else { from.to_owned() };
        let parsed = ReportType::parse("t", &from, &data::datasets());
        let report_type = match (parsed, place) {
            (Ok(report_type), _) => Arc::new(report_type),
            (Err(mistakes), 7) => {
                for mistake in mistakes {
                    prop_assert!(from.get(mistake.at.clone()).is_some(), "{mistake:?}");
                }
                return Ok(());
            }
            (Err(mistakes), _) => return Err(TestCaseError::fail(format!("{mistakes:?}"))),
        };
        let mut asked = QueryText {
            date: Some("s.Start"),
            group_by: vec!["c as Channel"],
            columns: vec!["count() as Sessions"],
            total: true,
            ..QueryText::default()
        };
        match place {
            0 => asked.filter = Some(&text),
            1 => asked.columns.push(&text),
            2 => asked.group_by.push(&text),
            3 => asked.sort = Some(&text),
            4 => asked.date = Some(&text),
            5 => { asked.per = vec![&text, "c as Channel"]; asked.group_by = vec!["Channel"]; }
            6 => {
                asked.per = vec!["c as Channel"];
                asked.values = vec![&text];
                asked.group_by = vec!["Channel"];
            }
            _ => {}
        }
        match Query::check(&report_type, &asked) {
            Err(mistakes) => for (_, mistake) in mistakes {
                prop_assert!(text.get(mistake.at.clone()).is_some(), "{mistake:?} in {text:?}");
            },
            Ok(query) => {
                let frame = frame_of(&frame);
                made_of_known_pieces(&sql(&query, &frame))?;
                let conn = data::database(&tables, &[]);
                let before = schema(&conn);
                let answered = answer(&conn, &query, &frame);
                prop_assert!(answered.is_ok(), "{text:?}: {answered:?}");
                prop_assert_eq!(schema(&conn), before);
            }
        }
    }
}
