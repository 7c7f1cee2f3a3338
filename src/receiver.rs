//! Receivers: one attempt at reaching people, its failure classified. When to try again is the
//! outbox's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use crate::domain::delivery::{Message, Outcome};

pub mod post;
pub mod smtp;
mod tls;
pub mod vendor;
pub mod webhook;
mod words;

/// Whether the far side may have a message already: from here on cutting the attempt off could
/// repeat it, before it could not. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Handover(Arc<AtomicBool>);

impl Handover {
    /// The last byte that matters is about to leave.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether that was said.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One way to reach people.
pub trait Receiver: Send + Sync {
    /// Makes one attempt, bounded in time, at messages that share one id and the same bytes: one for
    /// each recipient. Returns an outcome for each, in their order. Endpoints that are reached by HTTP
    /// are given one at a time.
    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        handover: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>>;

    /// How many attempts may be made at the same time.
    fn concurrency(&self) -> usize {
        8
    }

    /// One attempt at one message, which nothing cuts off.
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let handover = Handover::default();
            let outcomes = self.attempt(std::slice::from_ref(message), &handover).await;
            outcomes.into_iter().next().expect("every message has an outcome")
        })
    }
}

/// A TLS configuration for HTTP clients of tests, which speak none.
#[cfg(test)]
pub(crate) fn test_tls() -> rustls::ClientConfig {
    tls::nobody().expect("the TLS library takes its own defaults")
}
