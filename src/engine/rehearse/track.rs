//! The readings of a rule over a stretch of time: equal ones in a row take the room of one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::rule::Reading;
use crate::domain::rule::readings::{Group, Observation};

/// At most so many runs of equal readings are kept, of all groups together: 40 MB.
const RUNS_MAX: usize = 1_000_000;

/// The readings of each group of a rule.
#[derive(Clone, Debug, Default)]
pub struct Tracks {
    /// By the group's key.
    pub groups: BTreeMap<String, Track>,
    /// Slots at which anything was seen, in order.
    pub slots: Vec<DateTime<Utc>>,
    /// Whether there were more readings than are kept: the later ones are missing.
    pub cut: bool,
    runs: usize,
}

/// The readings of one group.
#[derive(Clone, Debug)]
pub struct Track {
    /// The group.
    pub group: Group,
    /// Equal readings in a row, in order.
    pub runs: Vec<Run>,
}

/// Equal readings in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Index of the first of them into [`Tracks::slots`].
    pub first: u32,
    /// How many slots in a row.
    pub count: u32,
    /// What each of them is.
    pub reading: Reading,
    /// Between what each of them lies for sure, where that is not exact.
    pub bounds: Option<(f64, f64)>,
}

impl Tracks {
    /// What was seen at one more slot.
    pub(super) fn add(&mut self, at: DateTime<Utc>, seen: &[Observation]) {
        let Ok(slot) = u32::try_from(self.slots.len()) else {
            self.cut = true;
            return;
        };
        self.slots.push(at);
        for observation in seen {
            let group = &observation.group;
            if !self.groups.contains_key(&group.key) {
                let track = Track { group: group.clone(), runs: Vec::new() };
                self.groups.insert(group.key.clone(), track);
            }
            let Some(track) = self.groups.get_mut(&group.key) else { continue };
            match track.runs.last_mut() {
                Some(run)
                    if run.first + run.count == slot
                        && run.reading == observation.reading
                        && run.bounds == observation.bounds =>
                {
                    run.count += 1;
                }
                _ if self.runs < RUNS_MAX => {
                    let Observation { reading, bounds, .. } = *observation;
                    track.runs.push(Run { first: slot, count: 1, reading, bounds });
                    self.runs += 1;
                }
                _ => self.cut = true,
            }
        }
    }

    /// The readings of a group around an instant, at most so many slots before and after it.
    pub fn around(
        &self,
        track: &Track,
        at: DateTime<Utc>,
        slots: usize,
    ) -> Vec<(DateTime<Utc>, Reading)> {
        let middle = self.slots.partition_point(|slot| *slot < at);
        let (first, end) =
            (middle.saturating_sub(slots), (middle + slots + 1).min(self.slots.len()));
        let known = (first..end).filter_map(|slot| Some((self.slots[slot], track.at(slot)?)));
        known.collect()
    }
}

impl Track {
    /// The reading at a slot (an index into [`Tracks::slots`]); `None`: nothing was seen of it.
    pub fn at(&self, slot: usize) -> Option<Reading> {
        let slot = u32::try_from(slot).ok()?;
        let after = self.runs.partition_point(|run| run.first <= slot);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (slot < run.first + run.count).then_some(run.reading)
    }

    /// The values, each with how many slots it was seen at.
    pub fn values(&self) -> impl Iterator<Item = (f64, u32)> + '_ {
        self.runs.iter().filter_map(|run| match run.reading {
            Reading::Value(value) if value.is_finite() => Some((value, run.count)),
            _ => None,
        })
    }
}
