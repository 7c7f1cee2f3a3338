//! Results of Bulk jobs as text: a header and a line a record, written piece by piece, so that
//! millions of records never lie in memory as text.

use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::Org;
use super::bulk::{Dialect, Job};
use super::faults::Oddities;
use super::json::{day, decimal, instant};
use super::soql::bind::Query;
use super::table::Row;
use super::value::Cell;

/// A piece is handed on when it is at least so long.
const PIECE_BYTES: usize = 64 * 1_024;

/// A stretch of a job's results, being written.
pub(crate) struct Csv {
    org: Arc<Org>,
    rows: Arc<[Row]>,
    query: Arc<Query>,
    dialect: Dialect,
    left: Range<usize>,
    begun: bool,
    odd: Oddities,
    /// Ends in the middle of a line.
    torn: bool,
}

impl Csv {
    pub(crate) fn new(org: Arc<Org>, job: &Job, stretch: Range<usize>, odd: Oddities) -> Csv {
        let (rows, query) = (Arc::clone(&job.rows), Arc::clone(&job.query));
        let dialect = job.dialect;
        let begun = rows.is_empty() && org.faults().no_header_when_empty;
        Csv { org, rows, query, dialect, left: stretch, begun, odd, torn: false }
    }

    /// Leaves only the first half, which ends in the middle of a line.
    pub(crate) fn halve(&mut self) {
        self.left.end = self.left.start + self.left.len() / 2;
        self.torn = true;
    }

    fn header(&self, out: &mut Vec<u8>) {
        for (place, (name, _)) in self.query.columns.iter().enumerate() {
            if place > 0 {
                out.push(self.dialect.delimiter.1);
            }
            quoted(out, name.as_bytes());
        }
        self.end_line(out);
    }

    fn end_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.dialect.crlf { b"\r\n" } else { b"\n" });
    }

    fn cell(&self, out: &mut Vec<u8>, name: &str, cell: Cell<'_>) {
        if let Some(json) = self.odd.instead(name) {
            return quoted(out, json.trim_matches('"').as_bytes());
        }
        out.push(b'"');
        match cell {
            Cell::Null => {}
            Cell::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
            Cell::Int(number) => {
                let _ = write!(out, "{number}");
                if self.odd.decimals {
                    out.extend_from_slice(b".0");
                }
            }
            Cell::Hundredths(number) => decimal(out, number as f64 / 100.0),
            Cell::Text(text) => {
                escaped(out, text.as_bytes());
                if self.odd.nul {
                    out.push(0);
                }
            }
            Cell::Id(id) => out.extend_from_slice(id.as_str().as_bytes()),
            Cell::Day(days) => day(out, days),
            Cell::At(seconds) => instant(out, seconds, "Z"),
        }
        out.push(b'"');
    }
}

impl Iterator for Csv {
    type Item = Vec<u8>;

    /// The next piece; values of parents are those of now.
    fn next(&mut self) -> Option<Vec<u8>> {
        if self.begun && self.left.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(PIECE_BYTES + 4_096);
        if !self.begun {
            self.begun = true;
            self.header(&mut out);
        }
        let world = self.org.world();
        while out.len() < PIECE_BYTES {
            let Some(at) = self.left.next() else { break };
            let row = &self.rows[at];
            for (place, (name, column)) in self.query.columns.iter().enumerate() {
                if place > 0 {
                    out.push(self.dialect.delimiter.1);
                }
                self.cell(&mut out, name, column.cell(&world.tables, row));
            }
            self.end_line(&mut out);
        }
        drop(world);
        if self.torn && self.left.is_empty() {
            out.truncate(out.len().saturating_sub(7));
        }
        let now = self.org.clock.now();
        self.org.traffic().result_bytes(now, out.len() as u64);
        Some(out)
    }
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    if !text.contains(&b'"') {
        return out.extend_from_slice(text);
    }
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
}
