//! Dead man's watch: a slot that is past and of which nothing became, neither a run nor a reason to
//! skip it, is itself a trouble. A mail that nobody gets looks to its readers like one that was
//! never meant to be.

use std::collections::HashMap;
use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};

use super::notice::{OwnerNotice, Trouble};
use super::{Engine, EngineError, Plant, is_due};
use crate::store::state::slots;

/// A slot counts as overdue when it is so long past its own waiting time.
const GRACE: TimeDelta = TimeDelta::minutes(10);
/// It is told when this process has seen it overdue for so long: after a start there is work to
/// catch up with.
const SEEN: TimeDelta = TimeDelta::minutes(10);
/// Time between two looks.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// A slot without an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Overdue {
    /// The digest's name.
    pub digest: String,
    /// The slot.
    pub planned_at: DateTime<Utc>,
}

/// Since when slots have been seen overdue.
pub(super) type Seen = HashMap<Overdue, DateTime<Utc>>;

impl Engine {
    /// Slots that are past, whatever they may wait for, and of which nothing became. Blocks.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn overdue(&self) -> Result<Vec<Overdue>, EngineError> {
        let (plant, now) = (self.plant(), self.clock().now());
        Ok(self.store().state.read(|tx| {
            let mut overdue = Vec::new();
            for digest in plant.digests.values() {
                let pattern = digest.schedule.identity();
                let Some(until) = slots::considered_until(tx, &digest.name, &pattern)? else {
                    continue;
                };
                let late = now - digest.wait_up_to - GRACE;
                let due = digest.schedule.due(until, now).into_iter();
                for slot in due.filter(|slot| slot.skipped.is_none() && slot.planned_at < late) {
                    if slots::claimed(tx, &digest.name, slot.planned_at)?.is_none() {
                        let (digest, planned_at) = (digest.name.clone(), slot.planned_at);
                        overdue.push(Overdue { digest, planned_at });
                    }
                }
            }
            Ok(overdue)
        })?)
    }

    /// Tells the owner of slots that stay overdue while the daemon runs, each once.
    pub(super) async fn watch_slots(self: &std::sync::Arc<Self>) -> Result<(), EngineError> {
        let now = self.clock().now();
        if !is_due(&self.watched, now, EVERY) {
            return Ok(());
        }
        let engine = std::sync::Arc::clone(self);
        let overdue = super::blocking(move || engine.overdue()).await?;
        let told: Vec<Overdue> = {
            let mut seen = self.overdue_seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.retain(|slot, _| overdue.contains(slot));
            let since = |slot: &Overdue| *seen.entry(slot.clone()).or_insert(now);
            let mut since = since;
            overdue.into_iter().filter(|slot| SEEN <= now - since(slot)).collect()
        };
        let plant = self.plant();
        for slot in &told {
            let notice = OwnerNotice::new(&plant, trouble(&plant, slot), now);
            self.write(move |tx| notice.owe(tx, now)).await?;
        }
        Ok(())
    }
}

fn trouble(plant: &Plant, slot: &Overdue) -> Trouble {
    let civil = plant.zone.civil(slot.planned_at).format("%Y-%m-%d %H:%M");
    Trouble {
        identity: vec!["overdue".into(), slot.digest.clone(), slot.planned_at.to_rfc3339()],
        subject: slot.digest.clone(),
        title: format!("digest {} is overdue", slot.digest),
        paragraphs: vec![
            "Its slot is past and nothing became of it: no mail, and no reason to skip it. It is \
             tried again all the time. `postrider status` and the log say what stands in the way."
                .into(),
        ],
        facts: vec![
            ("Digest".into(), slot.digest.clone()),
            ("Planned for".into(), format!("{civil} ({})", plant.zone.name())),
        ],
    }
}
