//! Small datasets, random rows of them, and a database that holds them as the store does.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use postrider::domain::dataset::{Dataset, Field};
use postrider::domain::value::{Type, Value};
use postrider::store::sql::{IndexSpec, install};
use proptest::prelude::*;
use rusqlite::Connection;

use super::naive::Table;
use super::values::{Ty, V};

/// Name, fields (`Id` first), label, further unique sets.
type Shape = (&'static str, &'static [(&'static str, Ty)], usize, &'static [&'static [usize]]);

pub(super) const SHAPES: &[Shape] = &[
    (
        "Session",
        &[
            ("Id", Ty::Text),
            ("ChannelId", Ty::Text),
            ("AccountId", Ty::Text),
            ("Start", Ty::Time),
            ("End", Ty::Time),
            ("Status", Ty::Text),
            ("Moves", Ty::Int),
            ("Score", Ty::Real),
            ("Open", Ty::Bool),
            ("Big", Ty::Int),
        ],
        0,
        &[],
    ),
    ("Channel", &[("Id", Ty::Text), ("Name", Ty::Text), ("Kind", Ty::Text)], 1, &[]),
    ("Account", &[("Id", Ty::Text), ("Name", Ty::Text)], 1, &[]),
    (
        "Metric",
        &[
            ("Id", Ty::Text),
            ("SessionId", Ty::Text),
            ("Type", Ty::Text),
            ("Value", Ty::Real),
            ("At", Ty::Time),
        ],
        0,
        &[&[1, 2]],
    ),
    (
        "Work",
        &[
            ("Id", Ty::Text),
            ("SessionId", Ty::Text),
            ("Handle", Ty::Int),
            ("At", Ty::Time),
            ("Kind", Ty::Text),
        ],
        0,
        &[],
    ),
];

pub(super) fn datasets() -> Vec<Arc<Dataset>> {
    let dataset = |(name, fields, label, unique): &Shape| {
        let field = |(name, ty): &(&str, Ty)| {
            let ty = match ty {
                Ty::Bool => Type::Boolean,
                Ty::Int => Type::Integer,
                Ty::Real => Type::Real,
                Ty::Text => Type::Text,
                Ty::Time => Type::Timestamp,
            };
            Field { nullable: *name != "Id", ..Field::new(name, ty) }
        };
        let unique = unique.iter().map(|set| set.to_vec()).collect();
        let fields = fields.iter().map(field).collect();
        Arc::new(Dataset { label: *label, unique, ..Dataset::new("test", name, fields, 0) })
    };
    SHAPES.iter().map(dataset).collect()
}

/// Hours around the days on which clocks change in the zones of the tests.
pub(super) fn time() -> impl Strategy<Value = i64> {
    let bases = [
        "2026-03-28T22:00:00Z",
        "2026-10-24T21:30:00Z",
        "2026-09-05T22:00:00Z",
        "2026-04-04T12:00:00Z",
        "2026-12-30T20:00:00Z",
    ];
    let base = prop::sample::select(bases.to_vec());
    (base, 0..56i64, prop::sample::select(vec![0, 1, -1, 30 * 60_000, 123])).prop_map(
        |(base, hours, ms)| {
            let base: DateTime<Utc> = base.parse().unwrap();
            base.timestamp_millis() + hours * 3_600_000 + ms
        },
    )
}

pub(super) fn word() -> impl Strategy<Value = String> {
    let words = ["", "a", "A", "ab", "Ä", "ä", "ß", "日本", "a%b", "_", "x'y", "İ"];
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn cell(name: &'static str, ty: Ty) -> BoxedStrategy<V> {
    let value = match (name, ty) {
        ("SessionId", _) => (0..8usize).prop_map(|i| V::Text(id("Session", i))).boxed(),
        ("ChannelId", _) => (0..4usize).prop_map(|i| V::Text(id("Channel", i))).boxed(),
        ("AccountId", _) => (0..4usize).prop_map(|i| V::Text(id("Account", i))).boxed(),
        ("Type", _) => {
            prop::sample::select(vec!["mean", "max"]).prop_map(|t| V::Text(t.into())).boxed()
        }
        ("Big", _) => prop::sample::select(vec![i64::MAX, i64::MIN, 1, 0]).prop_map(V::Int).boxed(),
        (_, Ty::Bool) => any::<bool>().prop_map(V::Bool).boxed(),
        (_, Ty::Int) => (-3..9i64).prop_map(V::Int).boxed(),
        // Quarters: sums and products of them are exact.
        (_, Ty::Real) => (-8..40i64).prop_map(|n| V::Real(n as f64 / 4.0)).boxed(),
        (_, Ty::Text) => word().prop_map(V::Text).boxed(),
        (_, Ty::Time) => time().prop_map(V::Time).boxed(),
    };
    prop_oneof![4 => value, 1 => Just(V::Null)].boxed()
}

/// Keys whose ends are alike, so that telling labels apart needs more than four characters.
pub(super) fn id(table: &str, index: usize) -> String {
    format!("{}{}-0001", &table[..2], index)
}

fn table(shape: &'static Shape) -> impl Strategy<Value = Table> {
    let (name, fields, _, unique) = shape;
    let cells: Vec<BoxedStrategy<V>> =
        fields[1..].iter().map(|(name, ty)| cell(name, *ty)).collect();
    let rows = match *name {
        "Channel" | "Account" => 0..4usize,
        _ => 0..8usize,
    };
    prop::collection::vec((cells, prop::bool::weighted(0.15)), rows).prop_map(move |rows| {
        let mut table = Table { name, fields: fields.to_vec(), rows: vec![], deleted: vec![] };
        for (index, (cells, deleted)) in rows.into_iter().enumerate() {
            let mut row = vec![V::Text(id(name, index))];
            row.extend(cells);
            let same = |set: &[usize], other: &Vec<V>| {
                set.iter().all(|i| other[*i] == row[*i] && row[*i] != V::Null)
            };
            // What a dataset declares unique is.
            if !unique.iter().any(|set| table.rows.iter().any(|other| same(set, other))) {
                table.rows.push(row);
                table.deleted.push(deleted);
            }
        }
        table
    })
}

pub(super) fn tables() -> impl Strategy<Value = Vec<Table>> {
    let all: Vec<_> = SHAPES.iter().map(|shape| table(shape).boxed()).collect();
    all
}

/// The tables as the store keeps them.
pub(super) fn database(tables: &[Table], indexes: &[IndexSpec]) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    install(&conn).unwrap();
    for table in tables {
        let columns: Vec<String> = table
            .fields
            .iter()
            .map(|(name, ty)| {
                let ty = match ty {
                    Ty::Bool | Ty::Int | Ty::Time => "INTEGER",
                    Ty::Real => "REAL",
                    Ty::Text => "TEXT",
                };
                format!("\"{name}\" {ty}{}", if *name == "Id" { " PRIMARY KEY" } else { "" })
            })
            .collect();
        let name = table.name;
        conn.execute_batch(&format!(
            "CREATE TABLE \"{name}\" ({}, \"_deleted\" INTEGER NOT NULL DEFAULT 0)",
            columns.join(", ")
        ))
        .unwrap();
        let places: Vec<&str> = (0..=columns.len()).map(|_| "?").collect();
        let insert = format!("INSERT INTO \"{name}\" VALUES ({})", places.join(","));
        let mut insert = conn.prepare(&insert).unwrap();
        for (row, deleted) in table.rows.iter().zip(&table.deleted) {
            let mut cells: Vec<rusqlite::types::Value> = row.iter().map(sqlite).collect();
            cells.push(i64::from(*deleted).into());
            insert.execute(rusqlite::params_from_iter(cells)).unwrap();
        }
    }
    for (index, spec) in indexes.iter().enumerate() {
        let fields: Vec<String> = spec.fields.iter().map(|name| format!("\"{name}\"")).collect();
        conn.execute_batch(&format!(
            "CREATE INDEX i{index} ON \"{}\" ({}) WHERE \"_deleted\" = 0",
            spec.dataset,
            fields.join(", ")
        ))
        .unwrap();
    }
    conn
}

fn sqlite(value: &V) -> rusqlite::types::Value {
    match value {
        V::Null => rusqlite::types::Value::Null,
        V::Bool(truth) => i64::from(*truth).into(),
        V::Int(n) | V::Time(n) => (*n).into(),
        V::Real(x) => (*x).into(),
        V::Text(text) => text.clone().into(),
    }
}

/// Whether an answer's value is the one expected; reals up to rounding.
pub(super) fn same(expected: &V, found: &Value) -> bool {
    match (expected, found) {
        (V::Null, Value::Null) => true,
        (V::Bool(a), Value::Boolean(b)) => a == b,
        (V::Int(a), Value::Integer(b)) => a == b,
        (V::Real(a), Value::Real(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
        (V::Text(a), Value::Text(b)) => a == b,
        (V::Time(a), Value::Timestamp(b)) => *a == b.timestamp_millis(),
        _ => false,
    }
}
