//! Sources: where records come from. A source reads; what is stored and when it becomes visible is
//! the engine's business.

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::domain::dataset::Batch;
pub use crate::domain::dataset::{PullRequest, Pulled};

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
