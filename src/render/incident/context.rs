//! What stands beside a reading: what is usual, who took it, which records are behind it, how the
//! value came here.

use crate::domain::report::Format;
use crate::domain::silence::Ack;
use crate::domain::table::Table;

use super::super::chart::Course;

/// What stands beside a reading. Nothing of it is needed to tell an incident.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The value as it was measured, where what is judged is how it compares with `usual`.
    pub measured: Option<f64>,
    /// How what was measured and what is usual are written; `None`: as the value.
    pub format_measured: Option<Format>,
    /// Of a value that is a share: how many of how many.
    pub counts: Option<(f64, f64)>,
    /// What the value was compared with, or is usual at that time of the week.
    pub usual: Option<f64>,
    /// What that is, e.g. `a week before`; `None`: what is usual.
    pub usual_is: Option<String>,
    /// Who looks after the rule.
    pub rule_owner: Option<String>,
    /// Who took the incident.
    pub ack: Option<Ack>,
    /// How many incidents of this rule and group fired within a day, this one included.
    pub recent: u32,
    /// What is worth knowing besides, each a sentence.
    pub remarks: Vec<String>,
    /// The worst records behind the value.
    pub evidence: Option<Evidence>,
    /// Why there are none though there should be: a sentence.
    pub evidence_lost: Option<String>,
    /// The value of the windows before.
    pub course: Option<Course>,
}

/// The worst records behind a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The records as a list, worst first: the first few of `rows` are shown in a mail, `rows` and
    /// `rest` are for the file, `others` counts what is behind `rows`.
    pub table: Table,
    /// The column that says how bad a record is.
    pub measure: Option<usize>,
    /// The sum of that column over all records read; `None` where a sum says nothing.
    pub sum: Option<f64>,
    /// How many records are beyond the threshold by themselves; `None` where the threshold is not
    /// about single records.
    pub beyond: Option<u64>,
}

impl Evidence {
    /// How many records there are, as far as they were read.
    pub fn records(&self) -> u64 {
        let others = self.table.others.as_ref().map_or(0, |others| others.rows);
        self.table.rows.len() as u64 + others
    }
}
