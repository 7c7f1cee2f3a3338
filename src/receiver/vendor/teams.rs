//! What a workflow of Power Automate answers, and the older connectors of Teams.

use super::super::post::Answer;
use super::super::post::classify::{classify as by_status, reason};
use crate::domain::delivery::Outcome;

/// Codes of Power Automate that mean that the workflow does not run.
const OFF: [&str; 5] = [
    "WorkflowTriggerIsNotEnabled",
    "WorkflowNotFound",
    "WorkflowTriggerNotFound",
    "DirectApiAuthorizationRequired",
    "DirectApiInvalidAuthorizationScheme",
];

/// Sorts an answer. A workflow says 202 as soon as it has begun.
pub(super) fn classify(answer: &Answer) -> Outcome {
    let off = OFF.iter().any(|code| answer.said.contains(code));
    match answer.status {
        400..=499 if off => Outcome::ReceiverBroken(reason(answer)),
        404 => Outcome::ReceiverBroken(reason(answer)),
        // A connector of the older kind says 200 and tells in words that Teams took nothing.
        200 if answer.said.contains("HTTP error 429") => {
            Outcome::Retry { after: answer.after, reason: reason(answer) }
        }
        200 if answer.said.contains("delivery failed") => Outcome::Rejected(reason(answer)),
        _ => by_status(answer),
    }
}
