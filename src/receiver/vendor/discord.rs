//! What Discord answers to an executed webhook: 204, or JSON with a code of its own.

use std::time::Duration;

use serde::Deserialize;

use super::super::post::Answer;
use super::super::post::classify::{classify as by_status, reason};
use crate::domain::delivery::{Outcome, RETRY_AFTER_MAX};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    code: i64,
    /// Seconds, with a fraction.
    retry_after: Option<f64>,
}

/// Unknown channel, unknown guild, unknown webhook, missing access, invalid webhook token.
const GONE: [i64; 5] = [10_003, 10_004, 10_015, 50_001, 50_027];

/// Sorts an answer.
pub(super) fn classify(answer: &Answer) -> Outcome {
    let said: Said = serde_json::from_str(&answer.said).unwrap_or_default();
    match answer.status {
        429 => {
            let own = said.retry_after.map(seconds);
            Outcome::Retry { after: own.max(answer.after), reason: reason(answer) }
        }
        404 => Outcome::ReceiverBroken(reason(answer)),
        400..=499 if GONE.contains(&said.code) => Outcome::ReceiverBroken(reason(answer)),
        _ => by_status(answer),
    }
}

/// Seconds as a vendor writes them, bounded.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX)
}
