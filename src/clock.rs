//! The clock: the one file that asks what time it is.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

/// Where the time comes from and how to wait for it.
pub trait Clock: Send + Sync {
    /// Now, by this clock.
    fn now(&self) -> DateTime<Utc>;
    /// Done when this clock has reached `at`.
    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'_, ()>;
}
