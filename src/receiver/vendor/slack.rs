//! What Slack answers to an incoming webhook: a status and one word of plain text.

use super::super::post::Answer;
use super::super::post::classify::{classify as by_status, reason};
use crate::domain::delivery::Outcome;

/// Words of Slack that mean that the webhook leads nowhere any more.
const GONE: [&str; 12] = [
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "posting_to_general_channel_denied",
    "team_disabled",
    "team_not_found",
    "user_not_found",
];

/// Sorts an answer.
pub(super) fn classify(answer: &Answer) -> Outcome {
    let word = answer.said.trim();
    match answer.status {
        400..=404 | 410 if GONE.contains(&word) => Outcome::ReceiverBroken(reason(answer)),
        // A message that Slack does not understand says so; any other 404 is a wrong address.
        404 => Outcome::ReceiverBroken(reason(answer)),
        _ => by_status(answer),
    }
}
