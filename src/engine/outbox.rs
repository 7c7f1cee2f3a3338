//! Delivering: what is due in the outbox is tried, per receiver, and the outcome is written down.
//!
//! Receivers never wait for each other: each has its own round of attempts with its own bound on
//! concurrency. A receiver that is down or broken is held as a whole and probed with one message
//! when the hold is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::fallback::CameTo;
use super::notice::OwnerNotice;
use super::{Destination, Engine, EngineError, Plant};
use crate::domain::delivery::{self, Message, Next, Outcome, RetryPolicy};
use crate::receiver::Receiver;
use crate::store::state::ledger;
use crate::store::state::outbox::{self, Delivery, Kind, News, SMTP};

/// Attempts at one receiver that run at the same time.
const CONCURRENCY: usize = 8;
/// A receiver that gives no answer for so long is told, by another route than itself.
const SILENT_TOLD: TimeDelta = TimeDelta::minutes(15);
/// Messages of one receiver in memory at a time.
const CLAIM: usize = 64;

impl Engine {
    /// Tries everything that is due and not held, until nothing is due any more or the engine stops.
    /// Returns the number of attempts made.
    pub async fn deliver_due(&self) -> Result<usize, EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        self.prove(&plant).await?;
        self.fall_back(&plant).await?;
        let due = self.state(move |tx| outbox::receivers_due(tx, now)).await?;
        let rounds = due.into_iter().map(|receiver| self.round(Arc::clone(&plant), receiver));
        let results: Vec<_> = rounds.collect::<FuturesUnordered<_>>().collect().await;
        results.into_iter().sum()
    }

    /// One receiver's round: claim, attempt, record, until it has nothing due or is held.
    async fn round(&self, plant: Arc<Plant>, name: String) -> Result<usize, EngineError> {
        match self.begin_round(&name) {
            Some(_round) => self.round_of(&plant, &name).await,
            None => Ok(0),
        }
    }

    async fn round_of(&self, plant: &Arc<Plant>, name: &str) -> Result<usize, EngineError> {
        let mut attempts = 0;
        while !self.stopping() {
            let now = self.clock.now();
            let claimed = {
                let name = name.to_owned();
                self.write(move |tx| {
                    // None is under way here: what is still called so was left by a round that
                    // could not write down how it ended.
                    outbox::recover(tx, Some(&name), now)?;
                    // A receiver that was held is probed with one message first.
                    let held = outbox::holds(tx)?.into_iter().find(|hold| hold.receiver == name);
                    match held {
                        Some(hold) if now < hold.until => Ok(Vec::new()),
                        Some(_) => outbox::begin(tx, &name, 1, now),
                        None => outbox::begin(tx, &name, CLAIM, now),
                    }
                })
                .await?
            };
            if claimed.is_empty() {
                break;
            }
            let (tried, untried) = self.try_all(plant, name, claimed).await?;
            attempts += tried;
            if !untried.is_empty() {
                self.write(move |tx| outbox::put_back(tx, &untried)).await?;
            }
        }
        Ok(attempts)
    }

    /// Attempts what was claimed. From the moment the receiver is held, or the engine stops, nothing
    /// more of it is begun. Returns how many attempts were made and which deliveries had none.
    async fn try_all(
        &self,
        plant: &Arc<Plant>,
        name: &str,
        claimed: Vec<(Delivery, Message)>,
    ) -> Result<(usize, Vec<i64>), EngineError> {
        let over = AtomicBool::new(false);
        let attempt = |(row, message): (Delivery, Message)| {
            let (id, over) = (row.id, &over);
            async move {
                if over.load(Ordering::Relaxed) || self.stopping() {
                    return Ok(Some(id));
                }
                let held = self.attempt(plant, name, row, message).await?;
                over.fetch_or(held, Ordering::Relaxed);
                Ok::<_, EngineError>(None)
            }
        };
        let mut running =
            futures_util::stream::iter(claimed).map(attempt).buffer_unordered(CONCURRENCY);
        let (mut tried, mut untried, mut failed) = (0, Vec::new(), None);
        while let Some(done) = running.next().await {
            match done {
                Ok(Some(id)) => untried.push(id),
                Ok(None) => tried += 1,
                // Those under way end first, so that nothing is tried twice at a time.
                Err(err) => {
                    over.store(true, Ordering::Relaxed);
                    failed = Some(err);
                }
            }
        }
        failed.map_or(Ok((tried, untried)), Err)
    }

    /// One attempt and what follows from it. Returns whether the receiver is held now.
    async fn attempt(
        &self,
        plant: &Arc<Plant>,
        name: &str,
        row: Delivery,
        message: Message,
    ) -> Result<bool, EngineError> {
        let outcome = match plant.receiver(name) {
            // A panic costs one attempt, not the loop.
            Some(receiver) => isolated(receiver, message).await,
            None => Outcome::ReceiverBroken(format!("no receiver is called `{name}` any more")),
        };
        let word = word(&outcome);
        let broken = matches!(outcome, Outcome::ReceiverBroken(_));
        let policy = policy(row.kind);
        let now = self.clock.now();
        let next = delivery::after_attempt(
            policy,
            row.created_at,
            row.attempts,
            outcome,
            plant.ambiguous,
            now,
            self.jitter(),
        );
        tracing::info!(
            delivery = row.id,
            kind = row.kind.word(),
            receiver = name,
            recipient = %masked(&row.recipient),
            outcome = word,
            "attempt ended"
        );
        let reason = match &next {
            Next::Retry { reason, .. }
            | Next::Held { reason }
            | Next::Disabled { reason }
            | Next::Ended { reason, .. } => reason.clone(),
            Next::Delivered(_) => String::new(),
        };
        let instead = match row.kind {
            Kind::Notification => {
                let came_to = match &next {
                    Next::Delivered(_) => CameTo::Taken,
                    Next::Ended { reason, .. } => CameTo::Refused(reason.clone()),
                    Next::Retry { reason, .. } if broken => CameTo::Broken(reason.clone()),
                    Next::Retry { reason, .. } | Next::Held { reason } => {
                        CameTo::Waits(reason.clone())
                    }
                    Next::Disabled { reason } => CameTo::Broken(reason.clone()),
                };
                self.instead_of_attempt(plant, row.id, came_to, now).await?
            }
            Kind::Digest | Kind::Notice | Kind::Proof => None,
        };
        // Told in the same transaction: a crash must not come between.
        let about = match (&next, broken) {
            // A notice that cannot be delivered is not told by another one.
            (Next::Ended { .. }, _) if row.kind == Kind::Notice => None,
            (Next::Ended { .. }, _) => Some(OwnerNotice::of_delivery(plant, &row, &reason, now)),
            (_, true) => Some(OwnerNotice::of_receiver(plant, name, &reason, now)),
            (_, false) => None,
        };
        let held = matches!(next, Next::Retry { hold_receiver: true, .. });
        let (id, subject, receiver) = (row.id, row.subject, name.to_owned());
        let plant = Arc::clone(plant);
        self.write(move |tx| {
            outbox::finish(tx, id, word, &next, now)?;
            if let Some(instead) = &instead {
                instead.owe(tx, now)?;
            }
            let notice = match &next {
                Next::Retry { at, reason, hold_receiver: true, .. } => {
                    match outbox::hold(tx, &receiver, *at, reason, broken, now, SILENT_TOLD)? {
                        News::Nothing => None,
                        News::Broken => about,
                        News::Silent(since) => {
                            Some(OwnerNotice::of_silence(&plant, &receiver, reason, since, now))
                        }
                    }
                }
                Next::Retry { .. } | Next::Held { .. } | Next::Disabled { .. } => None,
                Next::Delivered(_) => outbox::release(tx, &receiver)?
                    .map(|since| OwnerNotice::of_answer(&plant, &receiver, since, now)),
                Next::Ended { rejected, reason } => {
                    let state = if *rejected { "rejected" } else { "expired" };
                    let text = format!("`{subject}` {state}: {reason}");
                    ledger::note(tx, now, "delivery", &receiver, &text)?;
                    about
                }
            };
            notice.map_or(Ok(()), |notice| notice.owe(tx, now))
        })
        .await?;
        Ok(held)
    }
}

/// Runs an attempt on a task of its own, so that a panic in it is an outcome.
async fn isolated(receiver: Arc<dyn Receiver>, message: Message) -> Outcome {
    let attempt = tokio::spawn(async move { receiver.deliver(&message).await });
    match attempt.await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Retry { after: None, reason: "the attempt panicked".to_owned() },
    }
}

fn policy(kind: Kind) -> RetryPolicy {
    match kind {
        Kind::Digest => delivery::DIGEST,
        Kind::Notification | Kind::Notice => delivery::NOTIFICATION,
        Kind::Proof => delivery::PROOF,
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Retry { .. } => "retry",
        Outcome::ServerDown(_) => "server down",
        Outcome::Rejected(_) => "rejected",
        Outcome::ReceiverBroken(_) => "receiver broken",
        Outcome::Uncertain(_) => "uncertain",
        Outcome::Gone(_) => "gone",
    }
}

/// An address as logs may show it: `a…@example.com`.
pub(crate) fn masked(recipient: &str) -> String {
    match recipient.split_once('@') {
        Some((name, domain)) => {
            let first: String = name.chars().take(1).collect();
            format!("{first}…@{domain}")
        }
        None => recipient.to_owned(),
    }
}

impl Plant {
    /// The receiver of an outbox row: the mail server, or a webhook by name.
    pub(super) fn receiver(&self, name: &str) -> Option<Arc<dyn Receiver>> {
        if name == SMTP {
            return self.mail.as_ref().map(|mail| Arc::clone(&mail.receiver));
        }
        match &self.receivers.get(name)?.destination {
            Destination::Post(_, receiver) => Some(Arc::clone(receiver)),
            Destination::Mail(_) => None,
        }
    }
}
