//! Backfill: the mails of slots that are past, made later. Each is a run of its own with ids of its
//! own, says that it was made later, and is made once.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::domain::digest::Digest;
use crate::engine::digest::{Making, run_id};
use crate::engine::{Engine, EngineError, Plant};
use crate::render::Locale;
use crate::store::state::slots;

/// What became of a past slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Later {
    /// It is made now, and so many messages are owed.
    Made {
        /// The run.
        run: String,
        /// How many messages.
        messages: usize,
    },
    /// It was made by schedule.
    Sent(String),
    /// It was made later before.
    Before(String),
    /// It cannot be made, and why. Nothing is written down: it can be tried again.
    Failed(String),
}

/// At most so many slots are made later at a time.
pub const SLOTS_MAX: usize = 1_000;

impl Engine {
    /// The slots of a digest in `[from, to]` that are not skipped and past, oldest first, at most
    /// [`SLOTS_MAX`].
    pub fn past_slots(
        &self,
        digest: &Digest,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Vec<DateTime<Utc>> {
        let before = from - chrono::TimeDelta::milliseconds(1);
        let slots = digest.schedule.slots(before, to.min(self.clock().now()), SLOTS_MAX);
        let slots = slots.into_iter().filter(|slot| slot.skipped.is_none());
        slots.map(|slot| slot.planned_at).collect()
    }

    /// What would become of a past slot: nothing where it was made before. A mail to one address
    /// `only` is another one than that to everybody.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn was_made(
        &self,
        digest: &Digest,
        slot: DateTime<Utc>,
        only: Option<&str>,
    ) -> Result<Option<Later>, EngineError> {
        let id =
            run_id(&digest.name, &making(&self.plant(), digest, self.clock().now(), slot, only));
        let (name, everybody) = (digest.name.clone(), only.is_none());
        self.state(move |tx| {
            if slots::run(tx, &id)?.is_some() {
                return Ok(Some(Later::Before(id)));
            }
            let sent = slots::claimed(tx, &name, slot)?.and_then(|claimed| claimed.run);
            Ok(sent.filter(|_| everybody).map(Later::Sent))
        })
        .await
    }

    /// Makes the mail of a past slot and owes it, unless that was done before.
    ///
    /// # Errors
    /// The state cannot be written.
    pub async fn make_later(
        &self,
        digest: &Digest,
        slot: DateTime<Utc>,
        only: Option<&str>,
    ) -> Result<Later, EngineError> {
        if let Some(before) = self.was_made(digest, slot, only).await? {
            return Ok(before);
        }
        let making = making(&self.plant(), digest, self.clock().now(), slot, only);
        let plant = self.plant();
        let made = self.make(&plant, digest, &making).await;
        if let Some(reason) = made.failure() {
            return Ok(Later::Failed(reason.to_owned()));
        }
        let made = self.owe(made).await?;
        Ok(Later::Made { run: made.run.id, messages: made.owed.len() })
    }
}

fn making(
    plant: &Plant,
    digest: &Digest,
    now: DateTime<Utc>,
    slot: DateTime<Utc>,
    only: Option<&str>,
) -> Making {
    let occasion = match only {
        None => "later".to_owned(),
        Some(address) => {
            let hash = Sha256::digest(address.to_lowercase());
            format!("later-{}", hash.iter().take(4).map(|b| format!("{b:02x}")).collect::<String>())
        }
    };
    let locale = Locale::named(digest.locale.as_deref().unwrap_or(&plant.locale));
    let stamp = |at| locale.stamp(digest.schedule.zone.civil(at));
    Making {
        planned_at: slot,
        by_hand: Some(occasion),
        only: only.map(str::to_owned),
        later: Some(format!("Made later, on {}, for {}.", stamp(now), stamp(slot))),
        ..Making::default()
    }
}
