//! Receivers: one attempt at reaching people, its failure classified. When to try again is the
//! outbox's business.

use futures_util::future::BoxFuture;

use crate::domain::delivery::{Message, Outcome};

pub mod post;
pub mod smtp;
mod tls;
pub mod vendor;
pub mod webhook;
mod words;

/// One way to reach people.
pub trait Receiver: Send + Sync {
    /// Makes one attempt, bounded in time.
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome>;
}

/// A TLS configuration for HTTP clients of tests, which speak none.
#[cfg(test)]
pub(crate) fn test_tls() -> rustls::ClientConfig {
    tls::nobody().expect("the TLS library takes its own defaults")
}
