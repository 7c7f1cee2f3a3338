//! Upkeep of the outbox: what a crash cut off, what waits for receivers that get nothing, and
//! whether everything adds up.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::policy;
use crate::engine::notice::OwnerNotice;
use crate::engine::{Engine, EngineError, Plant};
use crate::store::state::outbox::{self, Kind};
use crate::store::state::{StateError, ledger};

/// Messages of one receiver that expire in one commit.
const EXPIRED_MAX: usize = 500;

/// Attempts that were cut off become due again, or are held and told. To be called while none is
/// under way. Returns how many become due again.
pub(super) fn recover(
    tx: &Transaction<'_>,
    plant: &Plant,
    receiver: Option<&str>,
    now: DateTime<Utc>,
) -> Result<usize, StateError> {
    let cut_off = outbox::recover(tx, receiver, &HashSet::new(), plant.ambiguous, now)?;
    for (receiver, (count, first)) in &cut_off.held {
        let text = format!("{count} held: cut off, they may have arrived");
        ledger::note(tx, now, "delivery", receiver, &text)?;
        if *first {
            let reason = "cut off: it may have arrived";
            OwnerNotice::of_held(plant, receiver, *count, reason, now).owe(tx, now)?;
        }
    }
    Ok(cut_off.again)
}

impl Engine {
    /// At start: what a crash cut off is due again, or held. Returns how many are due again.
    pub(in crate::engine) async fn recover_outbox(&self) -> Result<usize, EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        self.write(move |tx| recover(tx, &plant, None, now)).await
    }

    /// Whether everything that was ever owed is somewhere. What is not is told, once.
    pub(in crate::engine) async fn check_balance(&self) -> Result<(), EngineError> {
        let balance = self.state(outbox::balance).await?;
        if balance.missing() == 0 {
            return Ok(());
        }
        let equation = balance.equation();
        tracing::error!(outbox = equation, "the outbox does not add up");
        let now = self.clock.now();
        let notice = OwnerNotice::of_balance(&self.plant(), &balance, now);
        self.write(move |tx| notice.owe(tx, now)).await
    }

    /// What waits for a receiver that is disabled ends by its age. Returns how many messages did.
    pub(in crate::engine) async fn expire_for_disabled(&self) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let disabled = self
            .state(|tx| {
                let all = outbox::endpoints(tx)?.into_iter();
                Ok(all.filter(|one| one.disabled.is_some()).map(|one| one.receiver).collect())
            })
            .await?;
        let disabled: Vec<String> = disabled;
        let mut count = 0;
        for receiver in disabled {
            count += self
                .write(move |tx| {
                    let before = |kind: Kind| now - policy(kind).give_up;
                    let expired = outbox::expire_waiting(tx, &receiver, before, now, EXPIRED_MAX)?;
                    if expired > 0 {
                        let text = format!("{expired} expired: the receiver is disabled");
                        ledger::note(tx, now, "delivery", &receiver, &text)?;
                    }
                    Ok(expired)
                })
                .await?;
        }
        Ok(count)
    }
}
