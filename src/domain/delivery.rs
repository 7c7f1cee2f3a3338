//! Deliveries: what an attempt's outcome means and when the next attempt is due.
//!
//! A receiver makes one attempt and says what its failure means; everything else about retrying is
//! decided here, purely, from the stored row and the outcome.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The far side took the message; its words.
    Delivered(String),
    /// This recipient or endpoint cannot take it now.
    Retry {
        /// How long the far side asked us to wait.
        after: Option<Duration>,
        /// What it said.
        reason: String,
    },
    /// The server as a whole cannot be reached or is busy: costs the message no attempt.
    ServerDown(String),
    /// The far side will never take this message for this recipient.
    Rejected(String),
    /// Credentials, certificate or address of the receiver are wrong: nothing will go through until
    /// somebody mends it. Costs the message no attempt; the owner is told once.
    ReceiverBroken(String),
    /// The message was handed over and the answer was lost: it may have arrived.
    Uncertain(String),
}

/// A message as the outbox holds it: identity and bytes were made once and never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Message-ID without angle brackets, or webhook-id. The same on every attempt.
    pub id: String,
    /// The address of one recipient, or the name of the receiver for a webhook.
    pub recipient: String,
    /// The whole mail with headers, or the webhook's body.
    pub bytes: Vec<u8>,
}

/// How long a message is worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Waits after the first, second, ... failed attempt, in seconds; the last one repeats.
    pub waits: &'static [u32],
    /// After this long without success the message expires.
    pub give_up: TimeDelta,
}

/// Mails of digests: a server that is down for days still gets them.
pub const DIGEST: RetryPolicy =
    RetryPolicy { waits: &[60, 120, 300, 600, 900, 1800, 3600, 7200], give_up: TimeDelta::days(5) };

/// Notifications: after a day the news is stale.
pub const NOTIFICATION: RetryPolicy =
    RetryPolicy { waits: &[5, 30, 60, 120, 300, 600, 1800, 3600], give_up: TimeDelta::hours(24) };

/// The longest Retry-After that is honoured.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// What happens to an outbox row after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Done, with the far side's words.
    Delivered(String),
    /// Try again then.
    Retry {
        /// When.
        at: DateTime<Utc>,
        /// Whether this attempt counts against the message.
        counts: bool,
        /// Why.
        reason: String,
        /// Whether the whole receiver waits until then, not only this message.
        hold_receiver: bool,
    },
    /// Over, without success.
    Ended {
        /// `rejected` or `expired`.
        rejected: bool,
        /// Why.
        reason: String,
    },
}

/// Decides what becomes of a message. `attempts` counts those that failed before this one and
/// counted; `jitter` is in `-1.0..=1.0` and moves the wait by up to a fifth.
pub fn after_attempt(
    policy: RetryPolicy,
    created: DateTime<Utc>,
    attempts: u32,
    outcome: Outcome,
    now: DateTime<Utc>,
    jitter: f64,
) -> Next {
    let wait = |index: u32| {
        let last = policy.waits.len() - 1;
        let base = f64::from(policy.waits[(index as usize).min(last)]);
        TimeDelta::milliseconds((base * 1000.0 * (1.0 + 0.2 * jitter)) as i64)
    };
    let retry = |after: TimeDelta, counts: bool, reason: String, hold_receiver: bool| {
        if now - created >= policy.give_up {
            return Next::Ended { rejected: false, reason };
        }
        // The last try is at the deadline itself, never beyond it.
        let at = (now + after).min(created + policy.give_up).max(now + TimeDelta::seconds(1));
        Next::Retry { at, counts, reason, hold_receiver }
    };
    match outcome {
        Outcome::Delivered(words) => Next::Delivered(words),
        Outcome::Rejected(reason) => Next::Ended { rejected: true, reason },
        Outcome::Retry { after, reason } => {
            let asked = after.unwrap_or_default().min(RETRY_AFTER_MAX);
            let asked = TimeDelta::from_std(asked).unwrap_or_default();
            retry(wait(attempts).max(asked), true, reason, false)
        }
        Outcome::Uncertain(reason) => retry(wait(attempts), true, reason, false),
        Outcome::ServerDown(reason) => retry(wait(attempts.min(2)), false, reason, true),
        Outcome::ReceiverBroken(reason) => retry(TimeDelta::minutes(5), false, reason, true),
    }
}
