//! `/query`, `/queryAll` and their further pages.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use std::io::Write as _;

use super::Asked;
use super::answer::Answer;
use super::broken;
use crate::demo::org::Org;
use crate::demo::org::faults::{Fault, Oddities};
use crate::demo::org::json::{Writer, group};
use crate::demo::org::schema::Kind;
use crate::demo::org::soql::bind::{Binder, Query, Shape};
use crate::demo::org::soql::path::Scope;
use crate::demo::org::soql::{SoqlError, aggregate, parse, run};
use crate::demo::org::table::{Tables, is_deleted};

/// The first page of a query.
pub(crate) fn first(org: &Org, asked: &Asked, with_deleted: bool, now: DateTime<Utc>) -> Answer {
    let Some(statement) = asked.parameter("q") else {
        return Answer::error(400, "MALFORMED_QUERY", "A query string has to be specified");
    };
    let refused = |error: SoqlError| Answer::error(400, error.code, &error.render(statement));
    let parsed = match parse::parse(statement) {
        Ok(parsed) => parsed,
        Err(error) => return refused(error),
    };
    let (hidden, timeout_over, widest) = {
        let faults = org.faults();
        (faults.hidden.clone(), faults.timeout_over, faults.widest(&parsed.from.text))
    };
    let world = org.world();
    let tables = &world.tables;
    let scope = Scope { version: asked.version_number(), hidden: &hidden };
    let zone = world.user_zone();
    let query = match (Binder { zone: &zone, scope, tables, now }).bind(&parsed) {
        Ok(query) => query,
        Err(error) => return refused(error),
    };
    // The first by an index takes no time, however many there are.
    let first_alone = query.limit == Some(1);
    if widest.is_some_and(|widest| !first_alone && is_wider(&query, widest, now)) {
        return broken::timeout();
    }
    if let Shape::Groups(groups) = &query.shape {
        return match aggregate::aggregate(tables, &query, groups, with_deleted) {
            Err(error) => refused(error),
            Ok(rows) => {
                let mut body = head(rows.len(), None, None);
                for (place, figures) in rows.iter().enumerate() {
                    if place > 0 {
                        body.push(b',');
                    }
                    group(&mut body, groups, figures);
                }
                body.extend_from_slice(b"]}");
                Answer::raw(200, body)
            }
        };
    }
    let slots = run::select(tables, &query, with_deleted);
    if timeout_over.is_some_and(|most| slots.len() > most) {
        return broken::timeout();
    }
    if matches!(query.shape, Shape::Count) {
        let mut body = head(slots.len(), None, None);
        body.extend_from_slice(b"]}");
        return Answer::raw(200, body);
    }
    let page = Page { query: &query, slots: &slots, with_deleted, from: 0 };
    let end = page.end(org, asked);
    let next = page.next(asked, end).map(|place| {
        let (query, slots) = (Arc::new(query.clone()), slots.as_slice().into());
        let name = org.traffic().open(&asked.token, now, query, slots, with_deleted);
        next_url(&asked.version, &name, place)
    });
    Answer::raw(200, page.body(tables, asked, end, next.as_deref()))
}

/// A further page: `/query/01g...-2000`.
pub(crate) fn more(org: &Org, asked: &Asked, now: DateTime<Utc>) -> Answer {
    let gone = || Answer::error(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    let Some((name, from)) = asked.path.get(1).and_then(|locator| locator.split_once('-')) else {
        return gone();
    };
    if asked.fault == Some(Fault::LocatorExpired) {
        org.traffic().close(name);
    }
    let cursor = org.traffic().cursor(name, &asked.token, now);
    let (Some(cursor), Ok(from)) = (cursor, from.parse::<usize>()) else { return gone() };
    let from = match asked.fault {
        Some(Fault::EndlessPages) => from % cursor.slots.len().max(1),
        _ if from > cursor.slots.len() => return gone(),
        _ => from,
    };
    let page = Page {
        query: &cursor.query,
        slots: &cursor.slots,
        with_deleted: cursor.with_deleted,
        from,
    };
    let end = page.end(org, asked);
    let next = page.next(asked, end).map(|place| next_url(&asked.version, name, place));
    let world = org.world();
    Answer::raw(200, page.body(&world.tables, asked, end, next.as_deref()))
}

fn next_url(version: &str, name: &str, from: usize) -> String {
    format!("/services/data/v{version}/query/{name}-{from}")
}

/// One page of a found list.
struct Page<'a> {
    query: &'a Query,
    slots: &'a [u32],
    with_deleted: bool,
    from: usize,
}

impl Page<'_> {
    /// Where the page ends.
    fn end(&self, org: &Org, asked: &Asked) -> usize {
        let size = match asked.fault {
            Some(Fault::Page(size)) => size.min(2_000),
            _ => org.faults().page_size(asked.batch),
        };
        self.slots.len().min(self.from + size)
    }

    /// Where the next page begins, if there is one.
    fn next(&self, asked: &Asked, end: usize) -> Option<usize> {
        match asked.fault {
            Some(Fault::EndlessPages) => {
                // Always another address, whatever came before.
                let asked_for = asked.path.get(1).and_then(|locator| locator.split_once('-'));
                let place = asked_for.and_then(|(_, place)| place.parse().ok()).unwrap_or(0);
                Some(end.max(place) + 1)
            }
            Some(Fault::PagesInCircle) => Some(self.from),
            _ => (end < self.slots.len()).then_some(end),
        }
    }

    /// The page. Records are read now, not when the query was made; those deleted or purged since
    /// leave the page shorter.
    fn body(&self, tables: &Tables, asked: &Asked, end: usize, next: Option<&str>) -> Vec<u8> {
        let mut body = head(self.slots.len(), next, asked.fault.as_ref());
        if asked.fault == Some(Fault::NoRecords) {
            return body;
        }
        let Shape::Rows(nodes) = &self.query.shape else {
            body.extend_from_slice(b"]}");
            return body;
        };
        body.reserve((end - self.from) * nodes.len() * 32);
        let odd = Oddities::of(asked.fault.as_ref());
        let writer = Writer { tables, version: &asked.version, odd };
        let table = tables.of(self.query.object);
        let mut any = false;
        for &slot in &self.slots[self.from..end] {
            let Some(row) = table.row(slot).filter(|row| self.with_deleted || !is_deleted(row))
            else {
                continue;
            };
            if any {
                body.push(b',');
            }
            any = true;
            writer.record(&mut body, self.query.object, nodes, row);
        }
        body.extend_from_slice(b"]}");
        body
    }
}

/// The answer up to the records; all of it where they are left out.
fn head(total: usize, next: Option<&str>, fault: Option<&Fault>) -> Vec<u8> {
    let mut body = Vec::new();
    let _ = write!(body, "{{\"totalSize\":{total}");
    if fault != Some(&Fault::NoDone) {
        let _ = write!(body, ",\"done\":{}", next.is_none());
    }
    if let Some(next) = next {
        let _ = write!(body, ",\"nextRecordsUrl\":\"{next}\"");
    }
    if fault == Some(&Fault::NoRecords) {
        body.push(b'}');
    } else {
        body.extend_from_slice(b",\"records\":[");
    }
    body
}

/// Whether no condition on any date of the object keeps the query within this width.
fn is_wider(query: &Query, widest: TimeDelta, now: DateTime<Utc>) -> bool {
    let Some(filter) = &query.filter else { return true };
    let fields = query.object.fields.iter().enumerate();
    let spans = fields
        .filter(|(_, field)| field.kind == Kind::DateTime)
        .map(|(ix, _)| filter.span(ix))
        .map(|(from, to)| to.min(now.timestamp_millis()).saturating_sub(from));
    spans.min().is_none_or(|narrowest| narrowest > widest.num_milliseconds())
}
