//! Coverage: what a report's figures cover, computed and never typed.
//!
//! A [`CoverageFact`] is declared on a dataset whose records are missing by nature for some records
//! of another one (metrics exist only for enhanced channels and since October 2024). It is written
//! in the report language, so that it is counted by the same path as the report itself.

/// A sentence such as "1 204 of 1 310 ended sessions have metrics (81 on standard channels)".
#[derive(Clone, Debug, PartialEq)]
pub struct CoverageFact {
    /// FROM clause whose primary dataset is the one counted; it left-joins the facts' own dataset.
    pub from: String,
    /// The field the period is about.
    pub date: String,
    /// Which of the counted records should have a counterpart.
    pub filter: String,
    /// Aggregate: how many have one.
    pub have: String,
    /// Aggregates: how many have none, each with the reason as a phrase ("on standard channels").
    pub missing: Vec<(String, String)>,
    /// What is counted, as a plural ("ended sessions").
    pub noun: String,
    /// What those counted have ("have metrics").
    pub verb: String,
}
