//! Reports: the definition of a table, not the table and not the mail.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::period::Period;
use super::query::Query;
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
    /// What the records of the datasets it reads cannot cover.
    pub coverage: Vec<Arc<Covering>>,
    /// Fingerprint of the definition's text: a run records what it was made from.
    pub hash: String,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
