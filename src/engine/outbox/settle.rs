//! What an attempt came to is decided and written down: the row, the receiver, who is told instead
//! and what the owner hears, in one commit with the claim of what comes next.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::attempt::Came;
use super::{SILENT_TOLD, claimable, masked, policy};
use crate::domain::delivery::health::Heard;
use crate::domain::delivery::{self, Next, Outcome};
use crate::engine::fallback::{CameTo, Instead};
use crate::engine::notice::OwnerNotice;
use crate::engine::{Engine, EngineError, Plant};
use crate::store::StoreError;
use crate::store::state::outbox::{self, Delivery, Hold, Kind, News, SMTP, Unit};
use crate::store::state::{StateError, ledger, suppression};

/// After so many attempts in which postrider itself broke down a message is held.
const PANICS_MAX: u32 = 3;

/// An attempt that has ended.
pub(super) struct Tried {
    /// The receiver.
    pub(super) receiver: String,
    deliveries: Vec<Delivery>,
    came: Came,
    at: DateTime<Utc>,
}

impl Tried {
    pub(super) fn new(
        receiver: &str,
        deliveries: Vec<Delivery>,
        came: Came,
        at: DateTime<Utc>,
    ) -> Tried {
        Tried { receiver: receiver.to_owned(), deliveries, came, at }
    }

    /// What was heard for each delivery, and whether postrider itself broke down.
    fn outcomes(&self) -> Vec<(&Delivery, Outcome, bool)> {
        let all = self.deliveries.iter();
        match &self.came {
            Came::Back(outcomes) => {
                all.zip(outcomes).map(|(row, outcome)| (row, outcome.clone(), false)).collect()
            }
            Came::Panicked { words, handed_over } => {
                let said = format!("the attempt broke down: {words}");
                let outcome = match handed_over {
                    true => Outcome::Uncertain(said),
                    false => Outcome::Retry { after: None, reason: said },
                };
                all.map(|row| (row, outcome.clone(), true)).collect()
            }
            Came::NotBegun => Vec::new(),
        }
    }
}

/// How much of what an attempt came to is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// With what follows from it.
    Whole,
    /// The rows alone.
    Bare,
}

/// What becomes of one delivery, ready to be committed.
struct Settled {
    row: Delivery,
    word: &'static str,
    next: Next,
    broken: bool,
    panicked: bool,
    instead: Option<Instead>,
}

impl Engine {
    /// Writes down what could not be written before, oldest first. What still cannot is kept.
    pub(in crate::engine) async fn write_down(&self) -> Result<(), EngineError> {
        // Another turn does.
        let Ok(_one) = self.under_way.writing.try_lock() else { return Ok(()) };
        let (plant, mut failed) = (self.plant(), None);
        for tried in self.under_way.unwritten() {
            match self.settle(&plant, &tried, 0).await {
                Ok(_) => self.under_way.written(&tried),
                Err(err) => failed = Some(err),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Decides what becomes of what was tried, writes it down, and claims up to `limit` messages
    /// more. That they cannot be claimed does not keep it from being written, nor does a mistake of
    /// ours in what should follow from it.
    pub(super) async fn settle(
        &self,
        plant: &Arc<Plant>,
        tried: &Arc<Tried>,
        limit: usize,
    ) -> Result<Vec<Unit>, EngineError> {
        let mut done = self.settle_and_claim(plant, tried, limit, How::Whole).await;
        if done.is_err() && limit > 0 {
            done = self.settle_and_claim(plant, tried, 0, How::Whole).await;
        }
        if let Err(EngineError::Panic(words)) = &done {
            let receiver = tried.receiver.as_str();
            tracing::error!(receiver, panic = words, "what follows from an attempt broke down");
            done = self.settle_and_claim(plant, tried, 0, How::Bare).await;
        }
        done
    }

    async fn settle_and_claim(
        &self,
        plant: &Arc<Plant>,
        tried: &Arc<Tried>,
        limit: usize,
        how: How,
    ) -> Result<Vec<Unit>, EngineError> {
        let (now, mut settled) = (tried.at, Vec::new());
        for (row, outcome, panicked) in tried.outcomes() {
            settled.push(self.decide(plant, row, outcome, panicked, now).await?);
        }
        let (plant, tried, claimed_at) = (Arc::clone(plant), Arc::clone(tried), self.clock.now());
        self.write(move |tx| {
            match tried.came {
                Came::NotBegun => {
                    let ids: Vec<i64> = tried.deliveries.iter().map(|row| row.id).collect();
                    for id in &ids {
                        outbox::probed(tx, &tried.receiver, *id, claimed_at)?;
                    }
                    outbox::put_back(tx, &ids)?;
                }
                _ => commit(tx, &plant, &tried, &settled, how)?,
            }
            claimable(tx, &tried.receiver, limit, claimed_at)
        })
        .await
    }

    /// What becomes of one delivery.
    async fn decide(
        &self,
        plant: &Arc<Plant>,
        row: &Delivery,
        outcome: Outcome,
        panicked: bool,
        now: DateTime<Utc>,
    ) -> Result<Settled, EngineError> {
        let (word, broken) = (word(&outcome), matches!(outcome, Outcome::ReceiverBroken(_)));
        let (policy, jitter) = (policy(row.kind), self.jitter());
        let next = delivery::after_attempt(
            policy,
            row.created_at,
            row.attempts,
            outcome,
            plant.ambiguous,
            now,
            jitter,
        );
        let next = match next {
            Next::Retry { reason, .. } if panicked && row.panics + 1 >= PANICS_MAX => {
                Next::Held { reason: format!("{reason} ({PANICS_MAX} times)") }
            }
            next => next,
        };
        tracing::info!(
            delivery = row.id,
            kind = row.kind.word(),
            receiver = row.receiver,
            recipient = %masked(&row.recipient),
            outcome = word,
            "attempt ended"
        );
        let instead = match row.kind {
            Kind::Notification => {
                let came_to = match &next {
                    Next::Delivered(_) => CameTo::Taken,
                    Next::Ended { reason, .. } => CameTo::Refused(reason.clone()),
                    Next::Retry { reason, .. } if broken => CameTo::Broken(reason.clone()),
                    Next::Retry { reason, .. } => CameTo::Waits(reason.clone()),
                    Next::Held { reason } => CameTo::Held(reason.clone()),
                    Next::Disabled { reason } => CameTo::Disabled(reason.clone()),
                };
                match self.instead_of_attempt(plant, row.id, came_to, now).await {
                    Ok(instead) => instead,
                    Err(err @ EngineError::Store(StoreError::State(StateError::Database(_)))) => {
                        return Err(err);
                    }
                    // It cannot be read or made, now or later: what came of the attempt counts.
                    Err(err) => {
                        tracing::error!(delivery = row.id, error = %err, "nobody is told instead");
                        None
                    }
                }
            }
            Kind::Digest | Kind::Notice | Kind::Proof => None,
        };
        Ok(Settled { row: row.clone(), word, next, broken, panicked, instead })
    }
}

/// Writes everything down: a crash must not come between.
fn commit(
    tx: &Transaction<'_>,
    plant: &Plant,
    tried: &Tried,
    settled: &[Settled],
    how: How,
) -> Result<(), StateError> {
    let now = tried.at;
    // Before anybody says something else.
    for one in settled {
        outbox::probed(tx, &tried.receiver, one.row.id, now)?;
    }
    for one in settled {
        let first_held = !outbox::has_held(tx, &tried.receiver)?;
        outbox::finish(tx, one.row.id, one.word, &one.next, one.panicked, now)?;
        if how == How::Bare {
            continue;
        }
        if let Some(instead) = &one.instead {
            instead.owe(tx, now)?;
        }
        if let Some(notice) = follow(tx, plant, one, first_held, now)? {
            notice.owe(tx, now)?;
        }
        suppress(tx, plant, one, now)?;
    }
    let Some((heard, said)) = heard(settled).filter(|_| how == How::Whole) else { return Ok(()) };
    let fares = outbox::heard(tx, &tried.receiver, heard, said, now)?;
    if fares.is_hopeless() && tried.receiver != SMTP {
        let days = delivery::health::HOPELESS_AFTER.num_days();
        let why = format!("every attempt of {days} days failed, lastly: {said}");
        if let Some(notice) = disable(tx, plant, &tried.receiver, &why, now)? {
            notice.owe(tx, now)?;
        }
    }
    Ok(())
}

/// What a delivery's end means for its receiver, and what the owner is told of it.
fn follow(
    tx: &Transaction<'_>,
    plant: &Plant,
    one: &Settled,
    first_held: bool,
    now: DateTime<Utc>,
) -> Result<Option<OwnerNotice>, StateError> {
    let Settled { row, next, broken, panicked, .. } = one;
    let receiver = row.receiver.as_str();
    match next {
        Next::Retry { at, reason, hold_receiver: true, .. } => {
            let (until, reason) = (*at, reason.clone());
            let hold = Hold { receiver: row.receiver.clone(), until, reason, broken: *broken };
            let news = outbox::hold(tx, &hold, row.id, now, SILENT_TOLD)?;
            let reason = &hold.reason;
            Ok(match news {
                News::Nothing => None,
                News::Broken => Some(OwnerNotice::of_receiver(plant, receiver, reason, now)),
                News::Silent(since) => {
                    Some(OwnerNotice::of_silence(plant, receiver, reason, since, now))
                }
            })
        }
        Next::Retry { .. } => Ok(None),
        Next::Held { reason } => {
            let text = format!("`{}` held: {reason}", row.subject);
            ledger::note(tx, now, "delivery", receiver, &text)?;
            Ok(match (panicked, first_held) {
                (true, _) => Some(OwnerNotice::of_poison(plant, row, reason, now)),
                (false, true) => Some(OwnerNotice::of_held(plant, receiver, 1, reason, now)),
                (false, false) => None,
            })
        }
        Next::Disabled { reason } => disable(tx, plant, receiver, reason, now),
        Next::Delivered(_) => Ok(outbox::release(tx, receiver, row.id, now)?
            .map(|since| OwnerNotice::of_answer(plant, receiver, since, now))),
        Next::Ended { rejected, reason } => {
            let state = if *rejected { "rejected" } else { "expired" };
            let text = format!("`{}` {state}: {reason}", row.subject);
            ledger::note(tx, now, "delivery", receiver, &text)?;
            // A notice that cannot be delivered is not told by another one.
            let told = row.kind != Kind::Notice;
            Ok(told.then(|| OwnerNotice::of_delivery(plant, row, reason, now)))
        }
    }
}

/// An address that its server does not know, again and again, gets no digest any more.
fn suppress(
    tx: &Transaction<'_>,
    plant: &Plant,
    one: &Settled,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    let mail = one.row.kind == Kind::Digest && one.row.receiver == SMTP;
    if !mail || !matches!(one.next, Next::Ended { rejected: true, .. }) {
        return Ok(());
    }
    let address = &one.row.recipient;
    let Some(said) = suppression::add_if_unknown(tx, address, now)? else { return Ok(()) };
    let text = format!("{address} suppressed: its server does not know it: {said}");
    ledger::note(tx, now, "suppression", "digests", &text)?;
    OwnerNotice::of_suppressed(plant, address, &said, now).owe(tx, now)
}

/// A receiver gets nothing from now on; told where that is news.
fn disable(
    tx: &Transaction<'_>,
    plant: &Plant,
    receiver: &str,
    why: &str,
    now: DateTime<Utc>,
) -> Result<Option<OwnerNotice>, StateError> {
    if !outbox::disable(tx, receiver, why, now)? {
        return Ok(None);
    }
    ledger::note(tx, now, "delivery", receiver, &format!("disabled: {why}"))?;
    Ok(Some(OwnerNotice::of_disabled(plant, receiver, why, now)))
}

/// What an attempt says about the receiver as a whole: the best of what its deliveries say. That we
/// broke down ourselves says nothing of it.
fn heard(settled: &[Settled]) -> Option<(Heard, &str)> {
    let of = |one: &Settled| match (&one.next, one.word, one.row.receiver.as_str()) {
        (Next::Delivered(_), ..) => Heard::Taken,
        // A mail server that refuses a recipient takes others.
        (_, "rejected" | "retry", SMTP) => Heard::Works,
        _ => Heard::Failed,
    };
    let best = settled.iter().filter(|one| !one.panicked).min_by_key(|one| match of(one) {
        Heard::Taken => 0,
        Heard::Works => 1,
        Heard::Failed => 2,
    })?;
    let words = match &best.next {
        Next::Delivered(words) => words,
        Next::Retry { reason, .. }
        | Next::Held { reason }
        | Next::Disabled { reason }
        | Next::Ended { reason, .. } => reason,
    };
    Some((of(best), words))
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
