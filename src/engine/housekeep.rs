//! Housekeeping: what is past its retention goes, once an hour.

use chrono::TimeDelta;

use super::{Engine, EngineError};
use crate::store::state::{ledger, outbox};

/// Ended messages are kept this long, for `outbox show` and for questions.
const OUTBOX_KEPT: TimeDelta = TimeDelta::days(30);
/// Decisions are kept this long.
const LEDGER_KEPT: TimeDelta = TimeDelta::days(400);
/// Time between two rounds.
const EVERY: TimeDelta = TimeDelta::hours(1);

impl Engine {
    /// At start: deliveries that a crash cut off become due again, and incidents of rules that left
    /// the config meanwhile are closed. Returns how many deliveries.
    pub async fn recover(&self) -> Result<usize, EngineError> {
        let now = self.clock.now();
        self.close_removed_rules().await?;
        self.write(move |tx| outbox::recover(tx, None, now)).await
    }

    /// Forgets what is past its retention, if the last round is an hour ago.
    pub async fn housekeep(&self) -> Result<usize, EngineError> {
        let now = self.clock.now();
        if !self.housekeeping_due(now, EVERY) {
            return Ok(0);
        }
        self.write(move |tx| {
            outbox::prune(tx, now - OUTBOX_KEPT)?;
            ledger::prune(tx, now - LEDGER_KEPT)
        })
        .await?;
        Ok(0)
    }
}
