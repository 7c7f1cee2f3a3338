//! The few SOQL statements a pull needs. Instants are absolute and in UTC, text is escaped;
//! relative date literals are never sent, because they follow the API user's own settings.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::instant;
use super::page::DELETED;
use crate::domain::dataset::{Cursor, Dataset};

/// A stretch of a dataset's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Where it begins.
    pub(super) begin: Begin,
    /// Changes at or after it are left out.
    pub(super) end: DateTime<Utc>,
}

/// Where a [`Span`] begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// At the first change there is.
    First,
    /// At this instant.
    At(DateTime<Utc>),
    /// Behind this record, in the middle of its tie if need be.
    Behind(Cursor),
}

impl Begin {
    /// The earliest change it includes; `None` is the first there is.
    pub(super) fn stamp(&self) -> Option<DateTime<Utc>> {
        match self {
            Begin::First => None,
            Begin::At(at) => Some(*at),
            Begin::Behind(cursor) => Some(cursor.stamp),
        }
    }
}

/// The query for these fields of the dataset: of the span in the order of changes, or of all
/// records there are.
pub(super) fn query(
    dataset: &Dataset,
    asked: &[usize],
    deleted_flag: bool,
    span: Option<&Span>,
) -> String {
    let name_of = |at: &usize| dataset.fields[*at].name.as_str();
    let mut names: Vec<&str> = asked.iter().map(name_of).collect();
    if deleted_flag {
        names.push(DELETED);
    }
    let updated = dataset.updated.as_ref().map_or("SystemModstamp", |at| name_of(at));
    let key = name_of(&dataset.key);
    let mut soql = format!("SELECT {} FROM {}", names.join(", "), dataset.name);
    match span {
        None => {
            let _ = write!(soql, " ORDER BY {key}");
        }
        Some(span) => {
            soql.push_str(" WHERE ");
            match &span.begin {
                Begin::First => {}
                Begin::At(at) => {
                    let _ = write!(soql, "{updated} >= {} AND ", instant::literal(*at));
                }
                Begin::Behind(Cursor { stamp, key: last }) => {
                    let (stamp, last) = (instant::literal(*stamp), text(last));
                    let _ = write!(
                        soql,
                        "(({updated} = {stamp} AND {key} > {last}) OR {updated} > {stamp}) AND "
                    );
                }
            }
            let end = instant::literal(span.end);
            let _ = write!(soql, "{updated} < {end} ORDER BY {updated}, {key}");
        }
    }
    soql
}

/// A text literal.
fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('\'');
    for c in value.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::salesforce::objects::datasets;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(begin: Begin, condition: &str) {
        let dataset = &datasets("org")[1];
        let span = Span { begin, end: at("2026-03-02T00:00:00Z") };
        assert_eq!(
            query(dataset, &[0, 9], true, Some(&span)),
            format!(
                "SELECT Id, SystemModstamp, IsDeleted FROM MessagingSessionMetrics WHERE \
                 {condition}SystemModstamp < 2026-03-02T00:00:00Z ORDER BY SystemModstamp, Id"
            )
        );
    }

    #[test]
    fn a_span_is_half_open_and_goes_on_inside_a_tie() {
        check(Begin::First, "");
        check(Begin::At(at("2026-03-01T10:00:00Z")), "SystemModstamp >= 2026-03-01T10:00:00Z AND ");
        let cursor = Cursor { stamp: at("2026-03-01T10:00:00.250Z"), key: "0Mw'\\x".to_owned() };
        check(
            Begin::Behind(cursor),
            "((SystemModstamp = 2026-03-01T10:00:00.250Z AND Id > '0Mw\\'\\\\x') \
             OR SystemModstamp > 2026-03-01T10:00:00.250Z) AND ",
        );
    }

    #[test]
    fn a_dataset_read_whole_has_no_bounds() {
        let dataset = &datasets("org")[3];
        assert_eq!(
            query(dataset, &[0, 1], false, None),
            "SELECT Id, MasterLabel FROM MessagingChannel ORDER BY Id"
        );
    }
}
