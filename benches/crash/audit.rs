//! The audit: what the daemon's files say against what the far sides got and the org holds. It reads
//! the files by itself, with its own SQL, and believes no counter of the daemon's.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use postrider::demo::org::Org;
use rusqlite::{Connection, OpenFlags};

use super::sink::Arrival;

mod deliveries;
mod incidents;
mod records;
mod recovery;
mod runs;

/// At most so many broken promises are told one by one.
const TOLD_MAX: usize = 40;

/// What was counted, and which promises were broken.
#[derive(Default)]
pub(crate) struct Findings {
    /// Heading, or label and count, in the order of the table.
    lines: Vec<(String, Option<String>)>,
    broken: Vec<String>,
}

impl Findings {
    pub(crate) fn heading(&mut self, text: &str) {
        self.lines.push((text.to_owned(), None));
    }

    pub(crate) fn count(&mut self, label: impl Into<String>, count: impl std::fmt::Display) {
        self.lines.push((label.into(), Some(count.to_string())));
    }

    /// A promise that was not kept.
    pub(crate) fn broken(&mut self, what: impl Into<String>) {
        self.broken.push(what.into());
    }

    /// Notes a broken promise unless `kept`.
    pub(crate) fn check(&mut self, kept: bool, what: impl FnOnce() -> String) {
        if !kept {
            self.broken(what());
        }
    }

    /// What was counted, as a table.
    pub(crate) fn table(&self) -> String {
        let width = self.lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (label, count) in &self.lines {
            match count {
                None => text += &format!("\n{label}\n"),
                Some(count) => text += &format!("  {label:width$}  {count:>8}\n"),
            }
        }
        text
    }

    /// The promises that were not kept, the first of many.
    pub(crate) fn into_broken(mut self) -> Vec<String> {
        let more = self.broken.len().saturating_sub(TOLD_MAX);
        self.broken.truncate(TOLD_MAX);
        if more > 0 {
            self.broken.push(format!("... and {more} more"));
        }
        self.broken
    }
}

/// All there is to compare.
pub(crate) struct Evidence<'a> {
    /// The folder of the daemon's state; no daemon runs on it.
    pub(crate) state: &'a Path,
    /// What the far sides got.
    pub(crate) arrivals: &'a [Arrival],
    /// The org, in which nothing changes any more.
    pub(crate) org: &'a Org,
    /// When the org's last record changed.
    pub(crate) frozen: DateTime<Utc>,
    /// When each digest's schedule was first seen to be known to the daemon.
    pub(crate) digests_seen: &'a BTreeMap<String, DateTime<Utc>>,
    /// Up to which slot the windowed rule was evaluated when that was first seen.
    pub(crate) rule_seen: Option<DateTime<Utc>>,
    /// When each life of the daemon began and ended.
    pub(crate) lives: &'a [(DateTime<Utc>, DateTime<Utc>)],
    /// How much faster than real time all these instants go.
    pub(crate) speed: i32,
    /// How often it was killed.
    pub(crate) kills: u32,
}

/// Compares everything.
pub(crate) fn audit(evidence: &Evidence<'_>, findings: &mut Findings) -> anyhow::Result<()> {
    let state = open(&evidence.state.join("state.db"))?;
    let records = open(&evidence.state.join("records.db"))?;
    for (name, database) in [("state.db", &state), ("records.db", &records)] {
        let said: String = database.query_row("pragma integrity_check", [], |row| row.get(0))?;
        findings.check(said == "ok", || format!("{name} is damaged: {said}"));
    }
    let rows = deliveries::rows(&state).context("the outbox cannot be read")?;
    deliveries::audit(&state, &rows, evidence, findings)?;
    recovery::audit(&state, evidence, findings)?;
    runs::audit(&state, &rows, evidence, findings)?;
    incidents::audit(&state, &rows, evidence, findings)?;
    records::audit(&records, evidence, findings)
}

/// A file of the daemon's, to read.
pub(crate) fn open(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(connection)
}

/// A stored instant.
fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::UNIX_EPOCH)
}
