//! Delivering: what is due in the outbox is tried, per receiver, and the outcome is written down.
//!
//! Receivers never wait for each other: each has seats of its own, as many as it takes messages at
//! the same time. A seat that is free takes the next message, in the same commit that writes down
//! what the one before came to; a slow attempt holds up nothing but its own seat. A receiver that
//! is down or broken is held as a whole and probed with one message when the hold is over.
//!
//! Who is under way is known by memory alone (`UnderWay`); everything else is in rows.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};

use super::{Destination, Engine, EngineError, Plant};
use crate::domain::delivery::{self, RetryPolicy};
use crate::receiver::Receiver;
use crate::store::state::outbox::{self, Kind, SMTP, Unit};
use crate::store::state::{StateError, ledger};

mod attempt;
mod settle;
#[cfg(test)]
mod tests;
mod told;
mod under_way;
mod upkeep;

use attempt::Came;
use settle::Tried;
use under_way::Seat;
pub(super) use under_way::UnderWay;

/// A receiver that gives no answer for so long is told, by another route than itself.
const SILENT_TOLD: TimeDelta = TimeDelta::minutes(15);

/// Another probe is made after so long where one has not ended yet.
const PROBE: TimeDelta = TimeDelta::minutes(5);

/// A message on a seat.
type Seated = (Seat, Unit);

impl Engine {
    /// Tries everything that is due and not held, until nothing is due any more or the engine
    /// stops. Returns the number of attempts made.
    pub async fn deliver_due(&self) -> Result<usize, EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        // What was tried and could not be written down comes before everything else.
        let written = self.write_down().await;
        let owed = self.prove(&plant).await.and(self.fall_back(&plant).await);
        let due = self.state(move |tx| outbox::receivers_due(tx, now)).await?;
        let rounds = due.into_iter().map(|receiver| self.isolated_round(receiver));
        let results: Vec<_> = rounds.collect::<FuturesUnordered<_>>().collect().await;
        let attempts: Result<usize, EngineError> = results.into_iter().sum();
        written.and(owed).and(attempts)
    }

    /// After the grace of a shutdown: attempts at messages that have not been handed over yet are
    /// cut off and taken back, as if they had never begun. Those handed over are waited for:
    /// cutting them off could repeat them.
    pub fn cut(&self) {
        self.under_way.cut();
    }

    /// One receiver's round. A panic in it costs this round alone, and is counted.
    async fn isolated_round(&self, name: String) -> Result<usize, EngineError> {
        let round = std::panic::AssertUnwindSafe(self.round(&name)).catch_unwind();
        match round.await {
            Ok(done) => done,
            Err(payload) => {
                let words = crate::store::state::commits::words(payload.as_ref());
                tracing::error!(receiver = name, panic = words, "a round of deliveries broke down");
                let (now, text) = (self.clock.now(), format!("a round broke down: {words}"));
                self.write(move |tx| {
                    outbox::panicked(tx)?;
                    ledger::note(tx, now, "delivery", &name, &text)
                })
                .await?;
                Err(EngineError::Panic(words))
            }
        }
    }

    /// Fills the free seats of a receiver and keeps them full until nothing of it is due.
    async fn round(&self, name: &str) -> Result<usize, EngineError> {
        let first = self.fill(name).await?;
        // Each attempt is made with the definitions then in force: a round may be long.
        let work = |seated: Seated| self.work(name, seated);
        let mut running: FuturesUnordered<_> = first.into_iter().map(work).collect();
        let (mut attempts, mut failed) = (0, None);
        while let Some(done) = running.next().await {
            match done {
                Ok((tried, more)) => {
                    attempts += tried;
                    running.extend(more.into_iter().map(work));
                }
                // Those under way end first, so that nothing is tried twice at a time.
                Err(err) => failed = Some(err),
            }
        }
        failed.map_or(Ok(attempts), Err)
    }

    /// Claims a message for each seat that is free, where the receiver takes any.
    async fn fill(&self, name: &str) -> Result<Vec<Seated>, EngineError> {
        let plant = self.plant();
        let seats = self.under_way.take(name, width(&plant, name));
        if seats.free.is_empty() || self.stopping() || self.under_way.owes(name) {
            return Ok(Vec::new());
        }
        let (now, limit, alone) = (self.clock.now(), seats.free.len(), seats.others == 0);
        let receiver = name.to_owned();
        let units = self
            .write(move |tx| {
                if alone {
                    // None is under way here: what is still called so was left by a round that
                    // broke down.
                    upkeep::recover(tx, &plant, Some(&receiver), now)?;
                }
                claimable(tx, &receiver, limit, now)
            })
            .await?;
        Ok(seats.free.into_iter().zip(units).collect())
    }

    /// One attempt and what follows from it: what it came to is written down and the seats that are
    /// free are taken by the next messages. Returns how many attempts were made, and those.
    async fn work(
        &self,
        name: &str,
        (seat, unit): Seated,
    ) -> Result<(usize, Vec<Seated>), EngineError> {
        let plant = self.plant();
        let Unit { deliveries, messages } = unit;
        let came = match (self.stopping(), plant.receiver(name)) {
            (true, _) => Came::NotBegun,
            (false, Some(receiver)) => {
                attempt::isolated(receiver, messages, self.under_way.when_cut()).await
            }
            (false, None) => attempt::nowhere(name, messages.len()),
        };
        let count = usize::from(!matches!(came, Came::NotBegun));
        let tried = Arc::new(Tried::new(name, deliveries, came, self.clock.now()));
        let mut seats = self.under_way.take(name, width(&plant, name));
        seats.free.push(seat);
        let mut limit = seats.free.len();
        if self.stopping() || self.under_way.owes(name) {
            limit = 0;
        }
        let units = match self.settle(&plant, &tried, limit).await {
            Ok(units) => units,
            Err(err) => {
                tracing::warn!(receiver = name, error = %err, "what was tried is written down later");
                self.under_way.keep(tried);
                return Err(err);
            }
        };
        Ok((count, seats.free.into_iter().rev().zip(units).collect()))
    }
}

/// Claims up to `limit` messages, or one as a probe where the receiver was held. What is under way
/// since before it was held may take its time: a probe does not wait for that, and is alone among
/// probes.
fn claimable(
    tx: &rusqlite::Transaction<'_>,
    name: &str,
    limit: usize,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<Unit>, StateError> {
    if limit == 0 || outbox::is_disabled(tx, name)? {
        return Ok(Vec::new());
    }
    match outbox::holds(tx)?.into_iter().find(|hold| hold.receiver == name) {
        Some(hold) if now < hold.until => Ok(Vec::new()),
        Some(_) => {
            let probe = outbox::begin(tx, name, 1, now)?;
            if !probe.is_empty() {
                outbox::probe(tx, name, now + PROBE)?;
            }
            Ok(probe)
        }
        None => outbox::begin(tx, name, limit, now),
    }
}

/// How many messages a receiver takes at the same time.
fn width(plant: &Plant, name: &str) -> usize {
    plant.receiver(name).map_or(1, |receiver| receiver.concurrency()).max(1)
}

/// How long a message of a kind is worth trying.
fn policy(kind: Kind) -> RetryPolicy {
    match kind {
        Kind::Digest => delivery::DIGEST,
        Kind::Notification | Kind::Notice => delivery::NOTIFICATION,
        Kind::Proof => delivery::PROOF,
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
