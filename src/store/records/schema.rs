//! The SQL of tables, upserts and indexes, written from a dataset's own names.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension};

use crate::domain::dataset::{Dataset, Field};
use crate::domain::value::Type;

/// The column that says whether a record exists.
const DELETED: &str = "_deleted";

/// Names of columns are compared by SQLite without regard to case.
pub(super) fn is_reserved(field: &str) -> bool {
    field.eq_ignore_ascii_case(DELETED)
}

/// A name as SQL.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The earliest value of a timestamp among the records of a dataset that exist. The field that a
/// period is about has an index.
///
/// # Errors
/// The database fails, or has no such field.
pub fn earliest(
    connection: &Connection,
    dataset: &str,
    field: &str,
) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let (table, field) = (ident(dataset), ident(field));
    let sql = format!(
        "SELECT {field} FROM {table} WHERE {} = 0 AND {field} IS NOT NULL ORDER BY {field} LIMIT 1",
        ident(DELETED)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let millis: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(millis.and_then(DateTime::from_timestamp_millis))
}

/// The table a load is written into before it takes the dataset's place.
pub(super) fn loading_table(dataset: &str) -> String {
    format!("{dataset} (loading)")
}

/// The temporary table a pull is gathered in, with its schema.
pub(super) fn gathering_table(dataset: &str) -> String {
    format!("temp.{}", ident(&format!("{dataset} (pull)")))
}

/// `CREATE TABLE`, for a table of this name.
pub(super) fn create_table(table: &str, dataset: &Dataset) -> String {
    create_quoted(&ident(table), dataset)
}

/// `CREATE TABLE`, for a table of this name as SQL.
pub(super) fn create_quoted(table: &str, dataset: &Dataset) -> String {
    let mut sql = format!("CREATE TABLE {table} (");
    for (at, field) in dataset.fields.iter().enumerate() {
        let key = if at == dataset.key { " PRIMARY KEY NOT NULL" } else { "" };
        let _ = write!(sql, "{} {}{key}, ", ident(&field.name), declared(field.ty));
    }
    let _ = write!(sql, "{DELETED} INTEGER NOT NULL DEFAULT 0)");
    sql
}

fn declared(ty: Type) -> &'static str {
    match ty {
        Type::Boolean | Type::Integer | Type::Timestamp => "INTEGER",
        Type::Real => "REAL",
        Type::Text => "TEXT",
    }
}

/// All columns, in the order of the dataset's fields, `_deleted` last.
pub(super) fn columns(dataset: &Dataset) -> String {
    let mut names: Vec<String> = dataset.fields.iter().map(|field| ident(&field.name)).collect();
    names.push(DELETED.to_owned());
    names.join(", ")
}

/// Upserts one row of bound values: the newer record wins, the later one where it does not say when it
/// changed, and one that says nothing new writes nothing.
pub(super) fn upsert_row(table: &str, dataset: &Dataset) -> String {
    let marks = vec!["?"; dataset.fields.len() + 1].join(", ");
    let columns = columns(dataset);
    format!("INSERT INTO {table} AS old ({columns}) VALUES ({marks}) {}", on_conflict(dataset))
}

/// Upserts all rows of another table with the same columns.
pub(super) fn merge(from: &str, table: &str, dataset: &Dataset) -> String {
    let columns = columns(dataset);
    // `WHERE true` keeps SQLite from reading ON as a join's.
    format!(
        "INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM {from} WHERE true {}",
        on_conflict(dataset)
    )
}

fn on_conflict(dataset: &Dataset) -> String {
    let name_of = |at: usize| ident(&dataset.fields[at].name);
    let key = name_of(dataset.key);
    // What is read whole is as it is now, whatever it says of when it changed.
    let updated = dataset.updated.filter(|_| !dataset.whole);
    let newer = updated.map_or_else(String::new, |updated| {
        let updated = name_of(updated);
        format!("coalesce(excluded.{updated} >= old.{updated}, true) AND ")
    });
    let others: Vec<String> = (0..dataset.fields.len())
        .filter(|&at| at != dataset.key)
        .map(name_of)
        .chain([DELETED.to_owned()])
        .collect();
    let sets: Vec<String> = others.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let differs: Vec<String> =
        others.iter().map(|name| format!("old.{name} IS NOT excluded.{name}")).collect();
    format!(
        "ON CONFLICT ({key}) DO UPDATE SET {} WHERE {newer}({})",
        sets.join(", "),
        differs.join(" OR ")
    )
}

/// How many records of the table that exist are also in the other one.
pub(super) fn count_touched(from: &str, table: &str, dataset: &Dataset) -> String {
    let key = ident(&dataset.fields[dataset.key].name);
    format!(
        "SELECT count(*) FROM {from} AS new JOIN {table} AS old ON old.{key} = new.{key} \
         WHERE old.{DELETED} = 0"
    )
}

/// How many records of the table exist.
pub(super) fn count_existing(table: &str) -> String {
    format!("SELECT count(*) FROM {table} WHERE {DELETED} = 0")
}

/// Marks what is not in the other table as deleted.
pub(super) fn delete_missing(from: &str, table: &str, dataset: &Dataset) -> String {
    let key = ident(&dataset.fields[dataset.key].name);
    format!(
        "UPDATE {table} SET {DELETED} = 1 WHERE {DELETED} = 0 \
         AND {key} NOT IN (SELECT {key} FROM {from})"
    )
}

/// What a table must be made from anew when it changes: names, types, key and updated-at, and where
/// at the source it comes from. The order of fields does not matter.
pub(super) fn fingerprint(dataset: &Dataset) -> String {
    let mut lines: Vec<String> = dataset
        .fields
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let role = match at {
                at if at == dataset.key => " key",
                at if Some(at) == dataset.updated => " updated",
                _ => "",
            };
            format!("{} {}{role}", field.name, field.ty.word())
        })
        .collect();
    lines.extend(dataset.fields.iter().filter_map(place_of));
    lines.extend(place_of_dataset(dataset));
    lines.extend(home_of(dataset));
    lines.sort();
    lines.join("\n")
}

/// Begins a line of a fingerprint that tells where something comes from. No field is called like that.
const MOVED: char = '\u{1}';

/// The line that tells where a field comes from, where its name alone does not.
fn place_of(field: &Field) -> Option<String> {
    (field.path != field.name).then(|| format!("{MOVED}{} {}", field.path, field.name))
}

/// The same for the dataset.
fn place_of_dataset(dataset: &Dataset) -> Option<String> {
    (dataset.object != dataset.name).then(|| format!("{MOVED}{}", dataset.object))
}

/// Begins the line that tells which source a table is of.
const HOME: &str = "\u{1}home ";

fn home_of(dataset: &Dataset) -> Option<String> {
    (!dataset.home.is_empty()).then(|| format!("{HOME}{}", dataset.home))
}

/// The fingerprint of a table of the dataset from before it told which source it is of.
pub(super) fn homeless(dataset: &Dataset) -> String {
    fingerprint(&Dataset { home: String::new(), ..dataset.clone() })
}

/// Fields of the dataset that a table with this fingerprint does not have as they are wanted: not at
/// all, of another type, or from another place at the source. Those are all where the dataset itself
/// is from another place.
pub(super) fn missing_fields(dataset: &Dataset, fingerprint: &str) -> Vec<String> {
    let (places, types): (Vec<&str>, Vec<&str>) =
        fingerprint.lines().partition(|line| line.starts_with(MOVED));
    let (homes, places): (Vec<&str>, Vec<&str>) =
        places.into_iter().partition(|line| line.starts_with(HOME));
    let same_home = homes.first().is_none_or(|home| home_of(dataset).as_deref() == Some(*home));
    let has: BTreeSet<(&str, &str)> = types
        .into_iter()
        .filter_map(|line| {
            // A name may hold spaces; a type never does.
            let line = line.strip_suffix(" key").unwrap_or(line);
            line.strip_suffix(" updated").unwrap_or(line).rsplit_once(' ')
        })
        .collect();
    let same_object = match place_of_dataset(dataset) {
        Some(place) => places.contains(&place.as_str()),
        // Behind a field's place stands its name.
        None => places.iter().all(|place| place.contains(' ')),
    };
    let same_place = |field: &Field| match place_of(field) {
        Some(place) => places.contains(&place.as_str()),
        None => {
            let own = format!(" {}", field.name);
            !places.iter().any(|place| place.ends_with(&own))
        }
    };
    let fields = dataset.fields.iter();
    fields
        .filter(|field| {
            let known = has.contains(&(field.name.as_str(), field.ty.word()));
            !(known && same_home && same_object && same_place(field))
        })
        .map(|field| field.name.clone())
        .collect()
}

/// Gives a table exactly these indexes, as far as its fields allow.
pub(super) fn make_indexes(
    tx: &Connection,
    table: &str,
    wanted: &BTreeSet<Vec<String>>,
) -> rusqlite::Result<()> {
    let wanted = possible(tx, table, wanted)?;
    let there = there(tx, table)?;
    for (name, list) in &there {
        if !wanted.contains(list) {
            tx.execute_batch(&format!("DROP INDEX {}", ident(name)))?;
        }
    }
    for list in wanted {
        if !there.iter().any(|(_, known)| *known == list) {
            make_index(tx, table, table, &list)?;
        }
    }
    Ok(())
}

/// The lists of columns, as SQL, that a table lacks an index of.
pub(super) fn lacking(
    tx: &Connection,
    table: &str,
    wanted: &BTreeSet<Vec<String>>,
) -> rusqlite::Result<Vec<String>> {
    let there = there(tx, table)?;
    let lacks = |list: &String| there.iter().all(|(_, known)| known != list);
    Ok(possible(tx, table, wanted)?.into_iter().filter(lacks).collect())
}

/// Of the lists of columns wanted those, as SQL, that a table has the columns for.
fn possible(
    tx: &Connection,
    table: &str,
    wanted: &BTreeSet<Vec<String>>,
) -> rusqlite::Result<BTreeSet<String>> {
    let mut columns = tx.prepare("SELECT lower(name) FROM pragma_table_info(?)")?;
    let columns: BTreeSet<String> =
        columns.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let possible = wanted.iter().filter(|fields| {
        !fields.is_empty() && fields.iter().all(|field| columns.contains(&field.to_lowercase()))
    });
    let list = |fields: &Vec<String>| {
        fields.iter().map(|field| ident(field)).collect::<Vec<_>>().join(", ")
    };
    Ok(possible.map(list).collect())
}

/// The indexes of a table: names, and the lists of columns as SQL.
fn there(tx: &Connection, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut there = tx.prepare(
        "SELECT name, sql FROM sqlite_master
         WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY name",
    )?;
    let on = on(table);
    let there = there.query_map([table], |row| {
        let sql: String = row.get(1)?;
        let list = sql.strip_suffix(EXISTING).and_then(|sql| sql.rsplit_once(&on));
        Ok((row.get(0)?, list.map_or(String::new(), |(_, list)| list.to_owned())))
    })?;
    there.collect()
}

/// The part of an index's statement before its columns. When a table is renamed, SQLite writes the
/// new name there.
fn on(table: &str) -> String {
    format!(" ON {} (", ident(table))
}

/// The part after them.
const EXISTING: &str = ") WHERE _deleted = 0";

/// Makes one index of a table that is or will be the dataset's.
pub(super) fn make_index(
    tx: &Connection,
    table: &str,
    dataset: &str,
    list: &str,
) -> rusqlite::Result<()> {
    // Names are of the whole file: while a dataset is loaded again the old table has its own.
    let plain = format!("{dataset}: {}", list.replace('"', ""));
    let taken = |name: &String| {
        let known = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?";
        tx.prepare_cached(known)?.exists([name])
    };
    let mut name = plain.clone();
    let mut number = 2;
    while taken(&name)? {
        name = format!("{plain} ({number})");
        number += 1;
    }
    tx.execute_batch(&format!("CREATE INDEX {}{}{list}{EXISTING}", ident(&name), on(table)))
}
