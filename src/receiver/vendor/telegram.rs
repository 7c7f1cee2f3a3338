//! What Telegram's Bot API answers: always JSON with `ok`, a description, sometimes parameters.

use serde::Deserialize;

use super::super::post::Answer;
use super::super::post::classify::{classify as by_status, reason};
use super::discord::seconds;
use crate::domain::delivery::Outcome;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    ok: bool,
    description: String,
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    retry_after: Option<f64>,
    migrate_to_chat_id: Option<i64>,
}

/// Descriptions of a message that cannot be taken; every other 400 is about the chat or our rights
/// in it.
const MESSAGE: [&str; 5] = [
    "can't parse entities",
    "message is too long",
    "message text is empty",
    "text must be non-empty",
    "can't parse message",
];

/// Sorts an answer.
pub(super) fn classify(answer: &Answer) -> Outcome {
    let said: Option<Said> = serde_json::from_str(&answer.said).ok();
    let Some(said) = said else {
        return match answer.status {
            404 => Outcome::ReceiverBroken(reason(answer)),
            _ => by_status(answer),
        };
    };
    let about_message = MESSAGE.iter().any(|text| said.description.contains(text));
    match answer.status {
        200..=299 if !said.ok => Outcome::Rejected(reason(answer)),
        429 => {
            let own = said.parameters.retry_after.map(seconds);
            Outcome::Retry { after: own.max(answer.after), reason: reason(answer) }
        }
        400 if said.parameters.migrate_to_chat_id.is_some() => {
            Outcome::ReceiverBroken(reason(answer))
        }
        400 if about_message => Outcome::Rejected(reason(answer)),
        // Wrong token: 401, or 404 where it does not even look like one.
        400 | 401 | 403 | 404 => Outcome::ReceiverBroken(reason(answer)),
        _ => by_status(answer),
    }
}
