//! Sources: where records come from. A source reads; what is stored and when it becomes visible is
//! the engine's business.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::domain::dataset::{Batch, Dataset, DayCount, Described};
pub use crate::domain::dataset::{PullRequest, Pulled};
pub use crate::domain::quota::{Quota, Spent};

pub use web::Bounds;

pub mod own;
mod pause;
pub mod rest;
pub mod salesforce;
mod web;

/// A place records come from.
pub trait Source: Send + Sync {
    /// Reads what changed. Batches go into `into` as they come, in the order of changes where the
    /// dataset is not `whole`; when the returned future is done, the pull is complete or it failed:
    /// the rows sent before a failure prove nothing but may be kept (they are true).
    fn pull<'a>(
        &'a self,
        request: PullRequest,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>>;

    /// What the source says of one of its objects (what a dataset's `object` holds), for a person
    /// who writes a config or checks one.
    fn describe<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Described, SourceError>>;

    /// How many records of each UTC day of the span there are by the dataset's `created`, days
    /// without any left out. `None`: the source cannot count.
    fn day_counts<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        span: Range<DateTime<Utc>>,
    ) -> BoxFuture<'a, Result<Option<Vec<DayCount>>, SourceError>>;

    /// Reads all records again that came to be in the span (by the dataset's `created`) and exist.
    fn reread<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        span: Range<DateTime<Utc>>,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>>;

    /// How much of the source's request quota is used, as last seen.
    fn quota(&self) -> Option<Quota>;

    /// How many requests a day may be ours, where that is known.
    fn allowance(&self) -> Option<u64> {
        None
    }

    /// Our own requests of the last day, failed ones too.
    fn spent(&self) -> Spent;

    /// Tells what an earlier process has spent.
    fn recall(&self, spent: Spent);

    /// Ends what is open at the source and would outlive us. Called once, before the process ends.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Why a pull failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    /// Transient trouble outlasted the retries.
    #[error("source `{name}` is down: {reason}")]
    Down {
        /// The source's name.
        name: String,
        /// What it said.
        reason: String,
    },
    /// Credentials, permissions or addresses are wrong; a person must mend it.
    #[error("source `{name}` refuses us: {reason}")]
    Refused {
        /// The source's name.
        name: String,
        /// What it said and what to do.
        reason: String,
    },
    /// It answered something that cannot be read as records.
    #[error("source `{name}` answered something unreadable: {reason}")]
    Unreadable {
        /// The source's name.
        name: String,
        /// What, with the first characters.
        reason: String,
    },
    /// The share of the daily requests that postrider may use is spent, or everybody together has
    /// left too few.
    #[error("source `{name}`: {used} of {allowed} daily requests used, {reason}")]
    QuotaSpent {
        /// The source's name.
        name: String,
        /// Requests used.
        used: u64,
        /// Requests allowed.
        allowed: u64,
        /// What stopped it and when it goes on.
        reason: String,
    },
    /// The reader of the batches went away.
    #[error("the pull was stopped")]
    Stopped,
}
