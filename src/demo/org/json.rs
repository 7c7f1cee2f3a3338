//! Records as an org writes them: straight into the body, in the order of the SELECT list.

use std::io::Write as _;

use chrono::{DateTime, Datelike, Timelike};

use super::faults::Oddities;
use super::schema::{self, Kind, Object};
use super::soql::aggregate::Figure;
use super::soql::bind::Node;
use super::soql::groups::{Groups, Output};
use super::soql::part::date;
use super::soql::path::naming;
use super::table::{Row, Tables, id_of};
use super::value::{Cell, Value};

/// A decimal number as an org writes it: always with a point, from ten million on with an exponent
/// (`3.5E8`).
pub(crate) fn decimal(out: &mut Vec<u8>, number: f64) {
    let text = if number.abs() >= 1e7 || (number != 0.0 && number.abs() < 1e-3) {
        let text = format!("{number:E}");
        if text.contains('.') { text } else { text.replace('E', ".0E") }
    } else {
        format!("{number:?}")
    };
    out.extend_from_slice(text.as_bytes());
}

/// The compound billing address, from its parts.
fn address(out: &mut Vec<u8>, object: &Object, row: &Row) {
    const PARTS: [(&str, &str); 3] =
        [("city", "BillingCity"), ("country", "BillingCountry"), ("state", "BillingState")];
    let part = |field| object.position(field).map_or(Cell::Null, |ix| row[ix].cell());
    if PARTS.iter().all(|(_, field)| part(field) == Cell::Null) {
        return out.extend_from_slice(b"null");
    }
    out.push(b'{');
    for (name, field) in PARTS {
        key(out, name);
        cell(out, part(field));
        out.push(b',');
    }
    out.extend_from_slice(
        b"\"geocodeAccuracy\":null,\"latitude\":null,\"longitude\":null,\"postalCode\":null,\"street\":null}",
    );
}

/// The offset of instants in JSON: no colon.
pub(crate) const UTC: &str = "+0000";

/// Writes records of one answer.
pub(crate) struct Writer<'a> {
    pub(crate) tables: &'a Tables,
    /// E.g. `62.0`.
    pub(crate) version: &'a str,
    pub(crate) odd: Oddities,
}

impl Writer<'_> {
    /// One record.
    pub(crate) fn record(&self, out: &mut Vec<u8>, object: &Object, nodes: &[Node], row: &Row) {
        self.attributes(out, object.name, id_of(row).as_str());
        for node in nodes {
            out.push(b',');
            match node {
                Node::Field { ix } => {
                    let name = object.fields[*ix].name;
                    key(out, name);
                    match self.odd.instead(name) {
                        Some(json) => out.extend_from_slice(json.as_bytes()),
                        None if object.fields[*ix].kind == Kind::Address => {
                            address(out, object, row);
                        }
                        None => self.cell(out, row[*ix].cell()),
                    }
                }
                Node::Parent { step, children } => {
                    key(out, relation(object, *step));
                    match row[*step] {
                        Value::Id(id) => match self.tables.find(id) {
                            Some((table, slot)) => match table.row(slot) {
                                Some(parent) => self.record(out, table.object, children, parent),
                                None => out.extend_from_slice(b"null"),
                            },
                            None => out.extend_from_slice(b"null"),
                        },
                        _ => out.extend_from_slice(b"null"),
                    }
                }
                Node::Choice { step, whens, otherwise } => {
                    key(out, relation(object, *step));
                    self.choice(out, row, *step, whens, otherwise);
                }
                Node::Naming { step, fields } => {
                    key(out, relation(object, *step));
                    self.naming(out, row, *step, fields);
                }
            }
        }
        out.push(b'}');
    }

    fn choice(
        &self,
        out: &mut Vec<u8>,
        row: &Row,
        step: usize,
        whens: &[(&'static Object, Vec<Node>)],
        otherwise: &[&'static str],
    ) {
        let target = match row[step] {
            Value::Id(id) => self.tables.find(id),
            _ => None,
        };
        let target = target.and_then(|(table, slot)| Some((table.object, table.row(slot)?)));
        let chosen = target.and_then(|(object, row)| {
            let (_, nodes) = whens.iter().find(|(own, _)| *own == object)?;
            Some((object, row, nodes))
        });
        match chosen {
            Some((object, row, nodes)) => self.record(out, object, nodes, row),
            None if otherwise.is_empty() => out.extend_from_slice(b"null"),
            None => self.naming(out, row, step, otherwise),
        }
    }

    fn naming(&self, out: &mut Vec<u8>, row: &Row, step: usize, fields: &[&'static str]) {
        let Value::Id(id) = row[step] else {
            out.extend_from_slice(b"null");
            return;
        };
        self.attributes(out, schema::type_of(id.prefix()).unwrap_or("Name"), id.as_str());
        for field in fields {
            out.push(b',');
            key(out, field);
            self.cell(out, naming(self.tables, row, step, field));
        }
        out.push(b'}');
    }

    fn cell(&self, out: &mut Vec<u8>, value: Cell<'_>) {
        match value {
            Cell::Int(_) if self.odd.decimals => {
                cell(out, value);
                out.extend_from_slice(b".0");
            }
            Cell::Text(text) if self.odd.nul => cell(out, Cell::Text(&format!("{text}\0"))),
            _ => cell(out, value),
        }
    }

    /// The opening brace and the attributes.
    fn attributes(&self, out: &mut Vec<u8>, object: &str, id: &str) {
        for part in [
            "{\"attributes\":{\"type\":\"",
            object,
            "\",\"url\":\"/services/data/v",
            self.version,
            "/sobjects/",
            object,
            "/",
            id,
            "\"}",
        ] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// One row of an aggregate answer.
pub(crate) fn group(out: &mut Vec<u8>, groups: &Groups, figures: &[Figure]) {
    out.extend_from_slice(b"{\"attributes\":{\"type\":\"AggregateResult\"}");
    for ((name, output), figure) in groups.outputs.iter().zip(figures) {
        out.push(b',');
        key(out, name);
        match figure {
            Figure::Value(value) => cell(out, value.cell()),
            Figure::Decimal(number) => {
                debug_assert!(matches!(output, Output::Measure(_)));
                decimal(out, *number);
            }
        }
    }
    out.push(b'}');
}

fn relation(object: &Object, step: usize) -> &'static str {
    object.fields[step].relation.expect("a step is a relation")
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn cell(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Cell::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Cell::Hundredths(number) => decimal(out, number as f64 / 100.0),
        // Writing into memory cannot fail.
        Cell::Text(text) => drop(serde_json::to_writer(&mut *out, text)),
        Cell::Id(id) => {
            out.push(b'"');
            out.extend_from_slice(id.as_str().as_bytes());
            out.push(b'"');
        }
        Cell::Day(days) => {
            out.push(b'"');
            day(out, days);
            out.push(b'"');
        }
        Cell::At(seconds) => {
            out.push(b'"');
            instant(out, seconds, UTC);
            out.push(b'"');
        }
    }
}

/// `2024-10-01`.
pub(crate) fn day(out: &mut Vec<u8>, days: i64) {
    let _ = write!(out, "{}", date(days).unwrap_or_default());
}

/// `2024-10-01T00:00:00.000` and the offset: milliseconds always.
pub(crate) fn instant(out: &mut Vec<u8>, seconds: i64, offset: &str) {
    let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let year = at.year().clamp(0, 9_999) as u32;
    let two = |number: u32| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
    out.extend(two(year / 100));
    out.extend(two(year % 100));
    for (mark, number) in [
        (b'-', at.month()),
        (b'-', at.day()),
        (b'T', at.hour()),
        (b':', at.minute()),
        (b':', at.second()),
    ] {
        out.push(mark);
        out.extend(two(number));
    }
    out.extend_from_slice(b".000");
    out.extend_from_slice(offset.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_an_org_writes_them() {
        for (number, expected) in [
            (0.0, "0.0"),
            (12.5, "12.5"),
            (9_999_999.0, "9999999.0"),
            (3.5e8, "3.5E8"),
            (1e7, "1.0E7"),
        ] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn instants_have_milliseconds_and_no_colon_in_the_offset() {
        let mut out = Vec::new();
        instant(&mut out, 1_727_740_800, UTC);
        assert_eq!(out, b"2024-10-01T00:00:00.000+0000");
    }
}
