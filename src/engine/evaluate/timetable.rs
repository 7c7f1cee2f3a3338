//! What of a config the rounds of rules need at every beat, made once a config: which datasets each
//! rule reads, how often those are pulled, and which rules share a pass over the records.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::answers::Scans;
use crate::domain::rule::Rule;
use crate::engine::Plant;

/// The rules of a config, in the order in which they are evaluated.
#[derive(Default)]
pub(in crate::engine) struct Timetable {
    plant: Option<Arc<Plant>>,
    pub(super) entries: Vec<Entry>,
    pub(super) scans: Scans,
    /// Sets of datasets that rules read.
    sets: Vec<Vec<String>>,
}

/// One rule.
pub(super) struct Entry {
    pub(super) rule: Arc<Rule>,
    /// Place of the set of datasets it reads.
    pub(super) set: usize,
    /// The watermark up to which nothing more is due: what is due depends on the watermark alone.
    pub(super) done_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for Timetable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timetable").field("rules", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Timetable {
    /// Whether it is of this config.
    pub(super) fn is_of(&self, plant: &Arc<Plant>) -> bool {
        self.plant.as_ref().is_some_and(|own| Arc::ptr_eq(own, plant))
    }

    pub(super) fn of(plant: &Arc<Plant>) -> Timetable {
        let mut sets: Vec<Vec<String>> = Vec::new();
        let asked: Vec<_> = plant.rules.values().map(|rule| Arc::clone(&rule.query)).collect();
        let scans = Scans::of(&asked);
        let mut entries: Vec<Entry> = Vec::with_capacity(plant.rules.len());
        for rule in plant.rules.values() {
            let read = super::datasets(rule);
            let set = sets.iter().position(|set| *set == read).unwrap_or_else(|| {
                sets.push(read);
                sets.len() - 1
            });
            entries.push(Entry { rule: Arc::clone(rule), set, done_at: None });
        }
        // An answer is let go when the next scan comes.
        entries.sort_by_key(|entry| scans.scan_of(&entry.rule.query));
        Timetable { plant: Some(Arc::clone(plant)), entries, scans, sets }
    }

    /// The instant up to which each set of datasets is complete.
    pub(super) fn watermarks(
        &self,
        complete_to: impl Fn(&[String]) -> Option<DateTime<Utc>>,
    ) -> Vec<Option<DateTime<Utc>>> {
        self.sets.iter().map(|set| complete_to(set)).collect()
    }

    /// How often the slowest dataset of each set is pulled; `None` where none of them is known.
    pub(super) fn cadences(&self, plant: &Plant) -> Vec<Option<TimeDelta>> {
        let slowest = |set: &Vec<String>| {
            let used = plant.datasets.iter().filter(|dataset| set.contains(&dataset.name));
            used.map(|dataset| plant.cadence(dataset)).max()
        };
        self.sets.iter().map(slowest).collect()
    }
}
