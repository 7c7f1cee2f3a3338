//! What PagerDuty's Events API answers: 202, or JSON with what is wrong with the event.

use super::super::post::Answer;
use super::super::post::classify::{classify as by_status, reason};
use crate::domain::delivery::Outcome;

/// Sorts an answer.
pub(super) fn classify(answer: &Answer) -> Outcome {
    match answer.status {
        // The event is refused for its key: so will be all others.
        400 if answer.said.contains("routing_key") || answer.said.contains("Routing key") => {
            Outcome::ReceiverBroken(reason(answer))
        }
        404 => Outcome::ReceiverBroken(reason(answer)),
        _ => by_status(answer),
    }
}
