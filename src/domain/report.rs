//! Reports: the definition of a table, not the table and not the mail.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::chart::Chart;
use super::compare::{Compare, Trend};
use super::goal::Goal;
use super::period::Period;
use super::query::Query;
use super::value::Value;
use super::zone::Zone;

/// A named table computed from a report type.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its name in `[reports]`: identity.
    pub name: String,
    /// The question it answers.
    pub title: String,
    /// An explanatory line under the title.
    pub about: Option<String>,
    /// Which stretch of time it is about, computed from the slot.
    pub period: Period,
    /// The zone of its days.
    pub zone: Zone,
    /// What is asked of the records.
    pub query: Arc<Query>,
    /// How columns are written, by column name.
    pub formats: BTreeMap<String, Format>,
    /// The text of a null cell.
    pub empty: Option<String>,
    /// Columns whose personal values are shortened, by name.
    pub mask: Vec<String>,
    /// What columns should be, by column name.
    pub goals: BTreeMap<String, Goal>,
    /// What its figures are compared with.
    pub compare: Option<Compare>,
    /// The column whose earlier values stand beside each row.
    pub trend: Option<Trend>,
    /// Its holidays are left out of a comparison by weeks.
    pub calendar: Option<Arc<Calendar>>,
    /// Its chart.
    pub chart: Option<Chart>,
    /// Where the reader finds the records behind it: an address of the source's own pages.
    pub drill: Option<String>,
    /// A further condition that one digest asks for, as written; it is part of the query already.
    pub only: Option<String>,
    /// Told again where a figure of the mail before has since changed by more than this fraction of
    /// itself.
    pub restate_above: f64,
    /// Records and what the report must say of them.
    pub tests: Vec<Arc<ReportTest>>,
    /// What the records of the datasets it reads cannot cover.
    pub coverage: Vec<Arc<Covering>>,
    /// Fingerprint of the definition's text: a run records what it was made from.
    pub hash: String,
}

impl Report {
    /// A change of an earlier figure up to this fraction of it is not told, where the config says
    /// nothing.
    pub const RESTATE_ABOVE: f64 = 0.01;
}

/// A test of a report: small records in, cells out.
#[derive(Clone, Debug)]
pub struct ReportTest {
    /// Its name, or its number.
    pub name: String,
    /// The slot.
    pub at: DateTime<Utc>,
    /// Records by dataset, each a value a field; fields that are not named are null.
    pub records: BTreeMap<String, Vec<BTreeMap<String, Value>>>,
    /// The rows that must come, in order; a cell is compared as the mail writes it, or as the value.
    pub rows: Option<Vec<Vec<Value>>>,
    /// The total that must come, grouping columns included as null.
    pub total: Option<Vec<Value>>,
    /// Where it is in the config: file and line.
    pub place: String,
}

/// A checked [`super::coverage::CoverageFact`].
#[derive(Clone, Debug)]
pub struct Covering {
    /// What is counted, as a plural.
    pub noun: String,
    /// What those counted have.
    pub verb: String,
    /// Columns: all, those that have, then one for each reason.
    pub query: Query,
    /// The reasons, in the order of the query's further columns.
    pub reasons: Vec<String>,
}

/// How a column's values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// By its type: whole numbers grouped, reals to two decimals, shares as percent.
    Auto,
    /// Seconds as `3 min 20 s`.
    Duration,
    /// A fraction of one as `12.5 %`.
    Percent,
    /// A number with so many decimals.
    Decimals(u8),
}
