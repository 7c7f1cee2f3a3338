//! What Alertmanager answers to `POST /api/v2/alerts`: 200, or a text in quotes.

use super::super::post::Answer;
use super::super::post::classify::{classify as by_status, reason};
use crate::domain::delivery::Outcome;

/// Sorts an answer.
pub(super) fn classify(answer: &Answer) -> Outcome {
    match answer.status {
        // Another program, or another path in front of it.
        404 | 405 => Outcome::ReceiverBroken(reason(answer)),
        _ => by_status(answer),
    }
}
