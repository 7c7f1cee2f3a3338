//! Housekeeping: what is past its retention goes, once an hour.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Engine, EngineError, blocking, is_due};
use crate::store::state::{archive, corrections, history, ledger, occurrences, outbox};

/// Ended messages are kept this long, for `outbox show` and for questions.
const OUTBOX_KEPT: TimeDelta = TimeDelta::days(30);
/// Decisions are kept this long.
const LEDGER_KEPT: TimeDelta = TimeDelta::days(400);
/// Ended incidents, with what was told of them, and notices are kept this long.
const ALERTS_KEPT: TimeDelta = TimeDelta::days(400);
/// A digest's message is packed so long after it ended.
const PACKED_AFTER: TimeDelta = TimeDelta::days(1);
/// Messages packed in one transaction.
const PACKED_BATCH: usize = 40;
/// Rows deleted in one transaction, of each table.
const BATCH: usize = 200;
/// Transactions of one round: 9 600 messages packed and 48 000 deleted a day at most.
const BATCHES: usize = 10;
/// Time between two rounds.
const EVERY: TimeDelta = TimeDelta::hours(1);

/// Time between two deletions of records: finding them reads a dataset.
const EXPIRE_EVERY: TimeDelta = TimeDelta::days(1);

impl Engine {
    /// At start: deliveries that a crash cut off become due again (or are held, where the config
    /// wants that), incidents of rules that left the config meanwhile are closed, and the outbox is
    /// counted. Returns how many deliveries are due again.
    pub async fn recover(&self) -> Result<usize, EngineError> {
        self.close_removed_rules().await?;
        self.check_balance().await?;
        self.recover_outbox().await
    }

    /// Forgets what is past its retention, if the last round is an hour ago.
    /// Between those rounds it looks for slots of which nothing became.
    pub async fn housekeep(self: &Arc<Self>) -> Result<usize, EngineError> {
        let now = self.clock.now();
        self.watch_slots().await?;
        if !is_due(&self.housekept, now, EVERY) {
            return Ok(0);
        }
        self.forget(now).await?;
        self.expire_for_disabled().await?;
        self.check_balance().await?;
        if is_due(&self.expired, now, EXPIRE_EVERY) {
            self.expire(now).await?;
        }
        Ok(0)
    }

    /// Deletes what is past its retention from the state, in small transactions: nothing that is
    /// owed waits long for one. What is left after some of them goes in the next round.
    async fn forget(&self, now: DateTime<Utc>) -> Result<(), EngineError> {
        let runs_before = now - self.plant().archive;
        // A digest's messages are kept with their runs.
        let messages_before = now - OUTBOX_KEPT;
        let further = self.progress("housekeeping");
        for _ in 0..BATCHES {
            further();
            let gone = self
                .write(move |tx| {
                    let packed = outbox::pack(tx, now - PACKED_AFTER, PACKED_BATCH)?;
                    let messages = outbox::prune(tx, messages_before, runs_before, BATCH)?;
                    let seen = occurrences::prune(tx, now - occurrences::KEPT, BATCH)?;
                    let alerts = history::prune(tx, now - ALERTS_KEPT, BATCH)?;
                    let runs = archive::prune(tx, runs_before, BATCH)?;
                    Ok(packed + messages + seen + alerts + runs)
                })
                .await?;
            if gone == 0 || self.stopping() {
                break;
            }
        }
        self.write(move |tx| {
            corrections::prune(tx, now - LEDGER_KEPT)?;
            ledger::prune(tx, now - LEDGER_KEPT)
        })
        .await?;
        Ok(())
    }

    /// Deletes records that are older than their datasets keep them. Open incidents stay as they
    /// are: what they were told from is written down with them.
    async fn expire(&self, now: DateTime<Utc>) -> Result<(), EngineError> {
        let plant = self.plant();
        for dataset in plant.datasets.iter().filter(|dataset| dataset.keep.is_some()) {
            let (store, name) = (Arc::clone(&self.store), dataset.name.clone());
            let (stopping, further) = (self.stopping.subscribe(), self.progress("housekeeping"));
            further();
            // Asked before each batch.
            let go_on = move || {
                further();
                !*stopping.borrow()
            };
            let deleted = blocking(move || Ok(store.records().expire(&name, now, go_on)?)).await?;
            if deleted > 0 {
                tracing::info!(dataset = %dataset.name, deleted, "records past their retention");
            }
        }
        Ok(())
    }
}
