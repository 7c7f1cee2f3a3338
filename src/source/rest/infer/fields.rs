//! The fields of sampled records: nested objects flattened, types that hold for every record, and
//! which of them mean what.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Datelike, Utc};
use serde_json::{Map, Value};

use super::plain_reading;
use crate::domain::value::Type;
use crate::source::rest::settings::{Format, Reading};
use crate::source::rest::spec::{escaped, read_pattern};
use crate::source::rest::value::{rfc3339, scalar_text};

/// Objects in objects are followed so deep.
const DEPTH_MAX: usize = 3;

/// Fields that are tried together as a key.
const PAIRED_MAX: usize = 16;

/// Ways in which instants are written without a time zone, or unlike the standard.
const PATTERNS: [&str; 6] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y",
];

/// Names of fields that say when a record last changed, likeliest first.
pub(super) const UPDATED: &[&str] = &[
    "updatedat",
    "updated",
    "modifiedat",
    "modified",
    "lastmodified",
    "lastupdated",
    "updatedon",
    "modifiedon",
    "modifieddate",
    "updateddate",
    "lastmodifiedat",
    "lastupdatedat",
    "lastmodifieddate",
    "lastupdate",
    "updatetime",
    "updatedtime",
    "modifiedtime",
    "changedat",
    "changed",
    "changedon",
    "dateupdated",
    "datemodified",
    "mtime",
    "systemmodstamp",
    "generatedtimestamp",
];

/// Names of fields that say when a record came to be, likeliest first.
pub(super) const CREATED: &[&str] = &[
    "createdat",
    "created",
    "createdon",
    "createddate",
    "createdtime",
    "createtime",
    "datecreated",
    "creationdate",
    "creationtime",
    "insertedat",
    "addedat",
    "submittedat",
    "openedat",
    "ctime",
];

/// One field of the sampled records.
#[derive(Debug)]
pub(super) struct Column {
    /// Names from the record to it.
    pub(super) path: Vec<String>,
    pub(super) reading: Reading,
    pub(super) ty: Type,
    pub(super) nullable: bool,
}

/// What was seen of a field.
#[derive(Default)]
struct Seen<'v> {
    values: Vec<&'v Value>,
    /// Objects were seen there: it is flattened.
    objects: bool,
}

/// The fields of the records, in their order. Where records are `keyed`, the first is their name.
pub(super) fn columns(records: &[&Value], keyed: bool) -> Vec<Column> {
    let mut order = Vec::new();
    let mut seen = HashMap::new();
    for record in records.iter().filter_map(|record| record.as_object()) {
        look(record, &mut Vec::new(), &mut order, &mut seen);
    }
    let mut columns: Vec<Column> = Vec::new();
    if keyed {
        columns.push(Column {
            path: vec!["id".to_owned()],
            reading: plain_reading("#".to_owned()),
            ty: Type::Text,
            nullable: false,
        });
    }
    columns.extend(order.into_iter().filter_map(|path| {
        let seen = seen.remove(&path)?;
        // Only objects, or nothing: what is in them are the fields.
        let held: Vec<&Value> =
            seen.values.iter().copied().filter(|value| !value.is_null()).collect();
        if seen.objects && held.is_empty() {
            return None;
        }
        let pointer = path.iter().map(|name| format!("/{}", escaped(name))).collect::<String>();
        let name = path.last().map(String::as_str).unwrap_or_default();
        let (ty, format) = kind(&held, name);
        let reading = Reading { pointer, format };
        Some(Column { reading, ty, nullable: held.len() < records.len(), path })
    }));
    columns
}

fn look<'v>(
    object: &'v Map<String, Value>,
    path: &mut Vec<String>,
    order: &mut Vec<Vec<String>>,
    seen: &mut HashMap<Vec<String>, Seen<'v>>,
) {
    for (name, value) in object {
        path.push(name.clone());
        if !seen.contains_key(path) {
            order.push(path.clone());
        }
        let own = seen.entry(path.clone()).or_default();
        match value {
            Value::Object(inner) => {
                own.objects = true;
                if path.len() <= DEPTH_MAX {
                    look(inner, path, order, seen);
                }
            }
            value => own.values.push(value),
        }
        path.pop();
    }
}

/// What all these values are. None of them is null or an object.
fn kind(values: &[&Value], name: &str) -> (Type, Format) {
    let all = |is: fn(&Value) -> bool| !values.is_empty() && values.iter().all(|value| is(value));
    if all(Value::is_array) {
        let scalars = |value: &&Value| {
            value
                .as_array()
                .is_some_and(|list| list.iter().all(|v| v.is_null() || scalar_text(v).is_some()))
        };
        let filled =
            values.iter().any(|value| value.as_array().is_some_and(|list| !list.is_empty()));
        return match filled && values.iter().all(scalars) {
            true => (Type::Text, Format::Joined(", ".to_owned())),
            false => (Type::Integer, Format::Count),
        };
    }
    if all(Value::is_boolean) {
        return (Type::Boolean, Format::Plain);
    }
    if all(Value::is_number) {
        return number(values, name);
    }
    if all(Value::is_string)
        && let Some(format) = instants(values)
    {
        return (Type::Timestamp, format);
    }
    (Type::Text, Format::Plain)
}

fn number(values: &[&Value], name: &str) -> (Type, Format) {
    let whole = values.iter().all(|value| value.as_i64().is_some());
    if let Some(format) = epoch(values, name) {
        return (Type::Timestamp, format);
    }
    match whole {
        true => (Type::Integer, Format::Plain),
        // Whole numbers beyond 64 bits would lose digits.
        false if values.iter().all(|value| value.is_u64() || value.is_i64()) => {
            (Type::Text, Format::Plain)
        }
        false => (Type::Real, Format::Plain),
    }
}

/// How numbers of this name are instants: by name, and by being of our time.
fn epoch(values: &[&Value], name: &str) -> Option<Format> {
    let ends = ["_at", "At", "_on", "On", "_ts", "Ts"].iter().any(|end| name.ends_with(end));
    let name = plain(name);
    let words =
        ["time", "date", "timestamp", "created", "updated", "modified", "changed", "closed"];
    if !ends && name != "ts" && !words.iter().any(|word| name.ends_with(word)) {
        return None;
    }
    // From 2001 on; before that the numbers are too short to be told from others.
    let within = |unit: f64| {
        let (from, to) = (1_000_000_000.0 * unit, 4_102_444_800.0 * unit);
        values.iter().all(|value| value.as_f64().is_some_and(|x| (from..to).contains(&x)))
    };
    match (within(1.0), within(1_000.0)) {
        (true, _) => Some(Format::EpochSeconds),
        (_, true) => Some(Format::EpochMillis),
        _ => None,
    }
}

/// How all these texts are instants.
fn instants(values: &[&Value]) -> Option<Format> {
    let texts: Vec<&str> = values
        .iter()
        .filter_map(|v| v.as_str())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    let ours = |at: Option<DateTime<Utc>>| at.is_some_and(|at| (1..=9999).contains(&at.year()));
    if texts.is_empty() {
        return None;
    }
    if texts.iter().all(|text| ours(rfc3339(text))) {
        return Some(Format::Plain);
    }
    let reads = |pattern: &&str| texts.iter().all(|text| ours(read_pattern(text, pattern)));
    PATTERNS
        .iter()
        .find(|pattern| reads(pattern))
        .map(|pattern| Format::Pattern((*pattern).to_owned()))
}

/// The columns whose instants do not say in which zone they are.
pub(super) fn zoneless(columns: &[Column]) -> impl Iterator<Item = usize> + '_ {
    (0..columns.len()).filter(|at| {
        matches!(&columns[*at].reading.format, Format::Pattern(pattern) if !pattern.contains("%z"))
    })
}

/// A name without what people vary: capitals, `_`, `-` and the like.
pub(in crate::source::rest) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The timestamp that has the likeliest of these names; of two the one that is nested less.
pub(super) fn role(columns: &[Column], names: &[&str]) -> Option<usize> {
    let candidates = columns.iter().enumerate().filter_map(|(at, column)| {
        let name = plain(column.path.last()?);
        let rank = names.iter().position(|known| *known == name)?;
        (column.ty == Type::Timestamp).then_some((column.path.len(), rank, at))
    });
    candidates.min().map(|(.., at)| at)
}

/// What identifies a record.
pub(super) struct Key {
    pub(super) columns: Vec<usize>,
    /// Whether no two records of the sample share it.
    pub(super) is_sure: bool,
}

/// The column, or the columns together, of which no two records share the values.
pub(super) fn key(columns: &[Column], records: &[&Value], keyed: bool) -> Key {
    if keyed {
        return Key { columns: vec![0], is_sure: true };
    }
    let fit = |at: &usize| {
        let column = &columns[*at];
        let scalar = matches!(
            column.reading.format,
            Format::Plain | Format::EpochSeconds | Format::EpochMillis
        );
        scalar
            && !column.nullable
            && matches!(column.ty, Type::Text | Type::Integer | Type::Timestamp)
    };
    let mut fit: Vec<usize> = (0..columns.len()).filter(fit).collect();
    // Stable: those of one rank stay in the order of the records.
    fit.sort_by_key(|at| rank(&columns[*at]));
    let unique = |set: &[usize]| {
        let mut seen = HashSet::new();
        records.iter().all(|record| {
            let values = set
                .iter()
                .map(|at| record.pointer(&columns[*at].reading.pointer).and_then(scalar_text));
            // An empty text identifies nothing.
            values.collect::<Option<Vec<_>>>().is_some_and(|values| {
                values.iter().all(|value| !value.is_empty() && value.len() < 200)
                    && seen.insert(values)
            })
        })
    };
    if let Some(at) = fit.iter().find(|at| unique(&[**at])) {
        // Of a few records everything is unique: only a good name makes sure.
        let is_sure = rank(&columns[*at]).0 < 3 || records.len() >= 20;
        return Key { columns: vec![*at], is_sure };
    }
    let few = &fit[..fit.len().min(PAIRED_MAX)];
    for (place, first) in few.iter().enumerate() {
        if let Some(second) = few[place + 1..].iter().find(|second| unique(&[*first, **second])) {
            return Key { columns: vec![*first, *second], is_sure: records.len() >= 20 };
        }
    }
    let some = if few.is_empty() { vec![0] } else { few[..few.len().min(4)].to_vec() };
    Key { columns: some, is_sure: false }
}

/// How much a column looks like an identifier: name, depth, type.
fn rank(column: &Column) -> (u8, usize, u8) {
    let name = plain(column.path.last().map(String::as_str).unwrap_or_default());
    let by_name = match name.as_str() {
        "id" | "uuid" | "guid" => 0,
        "key" | "uid" | "sysid" | "number" | "nodeid" | "ref" | "reference" => 1,
        name if name.ends_with("id") || name.ends_with("key") || name.ends_with("number") => 2,
        "code" | "slug" | "email" | "url" | "href" => 3,
        _ => 4,
    };
    let by_type = if column.ty == Type::Timestamp { 1 } else { 0 };
    (by_name + by_type * 4, column.path.len(), by_type)
}
