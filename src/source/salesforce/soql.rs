//! The few SOQL statements a pull needs. Instants are absolute and in UTC, text is escaped;
//! relative date literals are never sent, because they follow the API user's own settings.

use std::fmt::Write as _;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

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

    /// Behind a place a batch has told.
    pub(super) fn behind(place: &Cursor) -> Begin {
        if place.key.is_empty() {
            // Of a whole span, see `last_place`: there is no record to go on behind.
            return Begin::At(place.stamp + TimeDelta::milliseconds(1));
        }
        Begin::Behind(place.clone())
    }

    /// The same or a little earlier, not inside a tie.
    pub(super) fn before_ties(self) -> Begin {
        match self {
            Begin::Behind(cursor) => Begin::At(cursor.stamp),
            begin => begin,
        }
    }
}

impl Span {
    /// How long it is, counted from 2000 on where it begins with the first change there is.
    pub(super) fn width(&self) -> TimeDelta {
        self.end - self.begin.stamp().unwrap_or_else(beginning_of_time)
    }

    /// Behind everything of it, as a place; a reading that goes on behind that goes on at its end.
    pub(super) fn last_place(&self) -> Cursor {
        Cursor { stamp: self.end - TimeDelta::milliseconds(1), key: String::new() }
    }
}

/// The second an instant lies in: the org stamps in whole seconds.
pub(super) fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::seconds(1)).unwrap_or(at)
}

/// No org has records from before.
pub(super) fn beginning_of_time() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(365 * 30 + 7)
}

/// The query for these fields of the dataset: of the span in the order of changes, or of all
/// records there are.
pub(super) fn query(
    dataset: &Dataset,
    asked: &[usize],
    deleted_flag: bool,
    span: Option<&Span>,
) -> String {
    let mut soql = select(dataset, asked, deleted_flag);
    let key = path(dataset, dataset.key);
    let _ = match span {
        None => write!(soql, " ORDER BY {key}"),
        Some(span) => {
            let updated = updated(dataset);
            write!(soql, " WHERE {} ORDER BY {updated}, {key}", condition(dataset, span))
        }
    };
    soql
}

/// The query for these fields of the dataset of a span, in no order: an order would keep the Bulk
/// API from cutting the work into pieces.
pub(super) fn unordered(
    dataset: &Dataset,
    asked: &[usize],
    deleted_flag: bool,
    span: &Span,
) -> String {
    let select = select(dataset, asked, deleted_flag);
    format!("{select} WHERE {}", condition(dataset, span))
}

/// How many changes a span has, deleted records among them.
pub(super) fn count(dataset: &Dataset, span: &Span) -> String {
    format!("SELECT COUNT() FROM {} WHERE {}", dataset.object, condition(dataset, span))
}

/// The first change there is. An org reads it off an index.
pub(super) fn first(dataset: &Dataset) -> String {
    let updated = updated(dataset);
    format!("SELECT {updated} FROM {} ORDER BY {updated} LIMIT 1", dataset.object)
}

/// Where the first change stands in the answer to [`first`].
pub(super) fn first_pointer(dataset: &Dataset) -> String {
    format!("/records/0/{}", updated(dataset))
}

fn select(dataset: &Dataset, asked: &[usize], deleted_flag: bool) -> String {
    let mut names: Vec<&str> = asked.iter().map(|&at| path(dataset, at)).collect();
    if deleted_flag {
        names.push(DELETED);
    }
    format!("SELECT {} FROM {}", names.join(", "), dataset.object)
}

fn condition(dataset: &Dataset, span: &Span) -> String {
    let (updated, key) = (updated(dataset), path(dataset, dataset.key));
    let end = instant::literal(span.end);
    match &span.begin {
        Begin::First => format!("{updated} < {end}"),
        Begin::At(at) => {
            format!("{updated} >= {} AND {updated} < {end}", instant::literal(*at))
        }
        Begin::Behind(Cursor { stamp, key: last }) => {
            let (stamp, last) = (instant::literal(*stamp), text(last));
            format!(
                "(({updated} = {stamp} AND {key} > {last}) OR {updated} > {stamp}) \
                 AND {updated} < {end}"
            )
        }
    }
}

fn path(dataset: &Dataset, at: usize) -> &str {
    &dataset.fields[at].path
}

fn updated(dataset: &Dataset) -> &str {
    dataset.updated.map_or("SystemModstamp", |at| path(dataset, at))
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
    fn objects_and_fields_are_called_what_the_org_calls_them() {
        let mut dataset = datasets("org")[1].clone();
        dataset.name = "figures".to_owned();
        dataset.object = "Figure__c".to_owned();
        dataset.fields[0].path = "Key__c".to_owned();
        dataset.fields[1].path = "Owner.Name".to_owned();
        let begin = Begin::At(at("2026-03-01T00:00:00Z"));
        let span = Span { begin, end: at("2026-03-02T00:00:00Z") };
        let condition = "SystemModstamp >= 2026-03-01T00:00:00Z \
                         AND SystemModstamp < 2026-03-02T00:00:00Z";
        assert_eq!(
            query(&dataset, &[0, 1], false, Some(&span)),
            format!(
                "SELECT Key__c, Owner.Name FROM Figure__c WHERE {condition} \
                 ORDER BY SystemModstamp, Key__c"
            )
        );
        assert_eq!(
            unordered(&dataset, &[0, 1], true, &span),
            format!("SELECT Key__c, Owner.Name, IsDeleted FROM Figure__c WHERE {condition}")
        );
        assert_eq!(
            count(&dataset, &span),
            format!("SELECT COUNT() FROM Figure__c WHERE {condition}")
        );
    }

    #[test]
    fn a_reading_goes_on_at_the_end_of_a_span_behind_its_last_place() {
        let span = Span { begin: Begin::First, end: at("2026-03-02T00:00:00Z") };
        let place = span.last_place();
        assert!(place.stamp < span.end);
        assert_eq!(Begin::behind(&place), Begin::At(span.end));
        let place = Cursor { stamp: at("2026-03-01T10:00:00Z"), key: "0Mw1".to_owned() };
        assert_eq!(Begin::behind(&place), Begin::Behind(place.clone()));
        assert_eq!(Begin::behind(&place).before_ties(), Begin::At(place.stamp));
        assert_eq!(Begin::First.before_ties(), Begin::First);
    }

    #[test]
    fn time_begins_with_the_year_2000() {
        assert_eq!(beginning_of_time(), at("2000-01-01T00:00:00Z"));
        let span = Span { begin: Begin::First, end: at("2000-01-02T00:00:00Z") };
        assert_eq!(span.width(), TimeDelta::days(1));
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
