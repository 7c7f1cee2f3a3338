//! What sources were asked, kept across restarts: a restart cannot spend a share twice.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Engine, EngineError, Plant, SourceLine, blocking};
use crate::source::Spent;
use crate::store::StoreError;
use crate::store::records::Spending;

impl Engine {
    /// Tells every source what earlier processes spent. To be called once, before the first pull.
    /// Blocks.
    pub fn recall(&self) -> Result<(), EngineError> {
        let known = self.store.records().spent(self.clock.now()).map_err(StoreError::from)?;
        let mut written = self.written();
        *written = known.into_iter().map(|(source, known)| (source, known.spent)).collect();
        for (name, line) in &self.plant().sources {
            if let Some(spent) = written.get(name) {
                line.source.recall(spent.clone());
            }
        }
        Ok(())
    }

    /// Tells the sources of a new plant what those of the one in force have spent, and keeps those
    /// until what is under way has ended.
    pub(super) fn hand_over(&self, next: &Plant) {
        let old = self.plant();
        {
            let mut retired = self.retired();
            // Nobody else holds it: nothing is under way there.
            retired.retain(|source| Arc::strong_count(source) > 1);
            retired.extend(old.sources.values().map(|line| Arc::clone(&line.source)));
        }
        for (name, line) in &next.sources {
            let spent = match old.sources.get(name) {
                Some(old) => Some(old.source.spent()),
                None => self.written().get(name).cloned(),
            };
            if let Some(spent) = spent {
                line.source.recall(spent);
            }
        }
    }

    /// What a source was asked beyond what is written down. The caller writes it.
    pub(super) fn spending(&self, source: &str, line: &SourceLine) -> Spending {
        let spent = line.source.spent();
        let mut written = self.written();
        let hours = beyond(written.get(source), &spent);
        written.insert(source.to_owned(), spent);
        Spending { source: source.to_owned(), hours, quota: line.source.quota() }
    }

    /// Writes down what a source was asked beyond what is written down, if anything: a pull that takes
    /// hours may be cut off.
    pub(super) async fn keep_spent(&self, source: &str, line: &SourceLine) {
        let before = self.written().get(source).cloned().unwrap_or_default();
        let spending = self.spending(source, line);
        if spending.hours.is_empty() {
            return;
        }
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        let kept = blocking(move || Ok(store.records().spend(&spending, now)?)).await;
        if let Err(err) = kept {
            tracing::debug!(source, error = %err, "what was spent is not written down; tried again");
            self.written().insert(source.to_owned(), before);
        }
    }

    fn written(&self) -> MutexGuard<'_, BTreeMap<String, Spent>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests by the hour beyond those known.
fn beyond(known: Option<&Spent>, spent: &Spent) -> Vec<(i64, u64)> {
    let known: BTreeMap<i64, u64> = known.into_iter().flat_map(Spent::hours).collect();
    let more = |(hour, requests): (i64, u64)| {
        (hour, requests.saturating_sub(known.get(&hour).copied().unwrap_or(0)))
    };
    spent.hours().map(more).filter(|(_, requests)| *requests > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_written() {
        let known = Spent::of([(10, 5), (11, 2)]);
        assert_eq!(beyond(None, &known), [(10, 5), (11, 2)]);
        assert_eq!(beyond(Some(&known), &Spent::of([(11, 6), (12, 1)])), [(11, 4), (12, 1)]);
        assert_eq!(beyond(Some(&known), &known), []);
    }
}
