//! One attempt, on a task of its own: a panic in it is an outcome, and it can be cut off as long as
//! nothing was handed over.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::domain::delivery::{Message, Outcome};
use crate::engine::panic_text;
use crate::receiver::{Handover, Receiver};

/// What is said of a recipient for whom an attempt has no outcome.
const NO_OUTCOME: &str = "the attempt said nothing of this recipient";

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// With an outcome for each message, in their order.
    Back(Vec<Outcome>),
    /// It broke down with these words, after the messages were handed over or before.
    Panicked {
        /// What it said.
        words: String,
        /// Whether the messages may have arrived.
        handed_over: bool,
    },
    /// It never really began: nothing was handed over.
    NotBegun,
}

/// Makes an attempt; `cut` tells when it is not to be waited for any longer.
pub(super) async fn isolated(
    receiver: Arc<dyn Receiver>,
    messages: Vec<Message>,
    mut cut: watch::Receiver<bool>,
) -> Came {
    let (handover, count) = (Arc::new(Handover::default()), messages.len());
    // Dropped with this future, it is aborted: nobody would write down what it came to.
    let mut attempt = JoinSet::new();
    let seen = Arc::clone(&handover);
    attempt.spawn(async move { receiver.attempt(&messages, &seen).await });
    // Where the sender is gone, so is the engine.
    let told = async { cut.wait_for(|cut| *cut).await.is_ok() };
    let ended = tokio::select! {
        biased;
        ended = attempt.join_next() => ended,
        _ = told => {
            if !handover.has_begun() {
                attempt.abort_all();
            }
            attempt.join_next().await
        }
    };
    // Its end is certain now, and with it whether something was handed over.
    let handed_over = handover.has_begun();
    match ended {
        Some(Ok(outcomes)) => Came::Back(one_each(outcomes, count, handed_over)),
        Some(Err(err)) if err.is_panic() => Came::Panicked { words: panic_text(err), handed_over },
        _ if handed_over => {
            let lost = Outcome::Uncertain("cut off while its answer was awaited".to_owned());
            Came::Back(vec![lost; count])
        }
        _ => Came::NotBegun,
    }
}

/// An attempt at a receiver that is not there.
pub(super) fn nowhere(name: &str, count: usize) -> Came {
    let broken = Outcome::ReceiverBroken(format!("no receiver is called `{name}` any more"));
    Came::Back(vec![broken; count])
}

/// One outcome for each message, whatever the receiver returned.
fn one_each(mut outcomes: Vec<Outcome>, count: usize, handed_over: bool) -> Vec<Outcome> {
    if outcomes.len() != count {
        tracing::error!(outcomes = outcomes.len(), messages = count, "outcomes do not fit");
    }
    let missing = match handed_over {
        true => Outcome::Uncertain(NO_OUTCOME.to_owned()),
        false => Outcome::Retry { after: None, reason: NO_OUTCOME.to_owned() },
    };
    outcomes.resize(count, missing);
    outcomes
}
