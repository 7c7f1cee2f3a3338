//! Sources: where records come from. A source reads; what is stored and when it becomes visible is
//! the engine's business.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::domain::dataset::{Batch, Cursor, Dataset};

pub mod salesforce;

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

    /// How much of the source's request quota is used, as last seen.
    fn quota(&self) -> Option<Quota>;
}

/// What to read.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// Of which dataset.
    pub dataset: Arc<Dataset>,
    /// Everything up to here has been stored; `None`: read from `from` on.
    pub since: Option<DateTime<Utc>>,
    /// Where an interrupted first load stopped: read on behind it.
    pub resume: Option<Cursor>,
    /// Bound of the first load: records changed before it are left out.
    pub from: Option<DateTime<Utc>>,
}

/// What a complete pull proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The source is complete up to here (its own clock, minus a margin).
    pub watermark: DateTime<Utc>,
    /// Records read.
    pub records: u64,
    /// API requests made.
    pub requests: u64,
    /// Values that did not fit their field's type: how many, and the first few told.
    pub misfits: u64,
    /// The first few misfits, for people.
    pub misfit_samples: Vec<String>,
    /// Fields that the source does not have or does not show us; they stay null.
    pub hidden: Vec<String>,
}

/// A source's request quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests used in the rolling day.
    pub used: u64,
    /// Requests allowed.
    pub allowed: u64,
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
    /// The share of the daily requests that postrider may use is spent.
    #[error(
        "source `{name}`: {used} of {allowed} daily requests used, the share for postrider is spent"
    )]
    QuotaSpent {
        /// The source's name.
        name: String,
        /// Requests used.
        used: u64,
        /// Requests allowed.
        allowed: u64,
    },
    /// The reader of the batches went away.
    #[error("the pull was stopped")]
    Stopped,
}
