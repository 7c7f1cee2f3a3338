//! Planning: which slots of which digest are due, and which ones are to come.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Engine, EngineError};
use crate::domain::schedule::Slot;
use crate::store::state::slots;

/// A slot of the future: who gets what, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The digest's name.
    pub digest: String,
    /// When, and why it is skipped if it is.
    pub slot: Slot,
    /// How many recipients it has; of a digest that is split those that the config names.
    pub recipients: usize,
}

/// At most so many slots of one digest are listed.
const SLOTS_MAX: usize = 1000;

impl Engine {
    /// The slots of all digests in the next `days`, in order of time.
    pub fn planned(&self, days: u32) -> Vec<Planned> {
        let now = self.clock.now();
        let until = now + TimeDelta::days(i64::from(days));
        let plant = self.plant();
        let mut planned: Vec<Planned> = plant
            .digests
            .values()
            .flat_map(|digest| {
                let of_parts = digest.split.as_ref().map_or(0, |split| split.readers.named());
                let recipients = digest.addresses().count() + digest.webhooks.len() + of_parts;
                digest.schedule.slots(now, until, SLOTS_MAX).into_iter().map(move |slot| Planned {
                    digest: digest.name.clone(),
                    slot,
                    recipients,
                })
            })
            .collect();
        planned.sort_by(|a, b| (a.slot.planned_at, &a.digest).cmp(&(b.slot.planned_at, &b.digest)));
        planned
    }

    /// The slots of one digest that became due since they were last considered. A digest never seen
    /// before, or whose pattern changed, starts now and fills nothing in.
    pub(super) async fn due_slots(
        &self,
        digest: &crate::domain::digest::Digest,
        now: DateTime<Utc>,
    ) -> Result<Vec<Slot>, EngineError> {
        let name = digest.name.clone();
        let pattern = digest.schedule.identity();
        let considered = self
            .write(move |tx| match slots::considered_until(tx, &name, &pattern)? {
                Some(until) => Ok(Some(until)),
                None => {
                    slots::consider(tx, &name, &pattern, now)?;
                    Ok(None)
                }
            })
            .await?;
        Ok(match considered {
            Some(until) if until < now => digest.schedule.due(until, now),
            _ => Vec::new(),
        })
    }
}
