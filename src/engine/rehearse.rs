//! A rehearsal: rules, routes and receivers over a stretch of time, on a virtual clock and in memory.
//!
//! It walks the very path of a beat: the slots that [`due_slots`] plans, what [`observe`] sees at
//! them, [`incident::step`], [`notification::decide`] over the same board. So what it says would have
//! been told is what would have been told. What it leaves out on purpose: nothing is written,
//! composed or sent, nobody silences or acknowledges, and no delivery fails. Records are read as they
//! are stored now: a field that was changed since is read as it is today.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::board::Board;
use super::evaluate::datasets;
use super::observe::observe;
use super::{EngineError, Plant};
use crate::domain::incident::{self, Incident, Transition};
use crate::domain::notification;
use crate::domain::rule::readings::{Group, Observation, cap_groups, overflow_rule};
use crate::domain::rule::slots::{Slot, due_slots};
use crate::domain::rule::{Reading, Rule};
use crate::store::{Store, StoreError};

mod timeline;
mod track;

pub use timeline::{Counts, Notified, Timeline};
pub use track::{Run, Track, Tracks};

/// What is rehearsed.
pub struct Rehearsal<'a> {
    /// Routes, receivers and datasets. Its rules need not be those rehearsed.
    pub plant: &'a Plant,
    /// The rules.
    pub rules: Vec<Arc<Rule>>,
    /// The first slots are at or after it.
    pub from: DateTime<Utc>,
    /// The last slots are at or before it.
    pub to: DateTime<Utc>,
    /// The readings of this rule are kept.
    pub follow: Option<String>,
}

/// What is seen of a rule's groups at a slot, when the virtual clock says the second argument;
/// `None`: nothing can be known. The last are the rule's open incidents by their group's key.
pub type Observer<'o> = dyn FnMut(
        &Rule,
        DateTime<Utc>,
        &Slot,
        &BTreeMap<String, Incident>,
    ) -> Result<Option<Vec<Observation>>, StoreError>
    + 'o;

/// Sees what is stored.
pub fn stored<'o>(
    store: &'o Store,
    plant: &'o Plant,
) -> impl FnMut(
    &Rule,
    DateTime<Utc>,
    &Slot,
    &BTreeMap<String, Incident>,
) -> Result<Option<Vec<Observation>>, StoreError>
+ 'o {
    move |rule, _, slot, open| match observe(store, plant, rule, slot, open) {
        Ok(seen) => Ok(Some(seen)),
        Err(StoreError::Loading(_)) => Ok(None),
        Err(err) => Err(err),
    }
}

impl Rehearsal<'_> {
    /// How many slots it has.
    pub fn slots(&self) -> u64 {
        let of = |rule: &Arc<Rule>| {
            let (first, every) = (first_slot(rule, self.from), every(rule));
            let length = (self.to - first).num_milliseconds();
            if length < 0 { 0 } else { length / every.num_milliseconds() + 1 }
        };
        self.rules.iter().map(|rule| of(rule).unsigned_abs()).sum()
    }

    /// Runs it. `progress` is told how many slots are done, from time to time.
    ///
    /// # Errors
    /// The observer fails.
    pub fn run(
        &self,
        observer: &mut Observer<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Timeline, EngineError> {
        let acts = self.rules.iter().map(|rule| Act::of(self.plant, rule, self.from));
        let mut stage = Stage {
            rehearsal: self,
            acts: acts.collect(),
            board: Board::default(),
            timeline: Timeline::new(self.from, self.to),
        };
        stage.timeline.counts = stage.acts.iter().map(Act::counts).collect();
        let mut done = 0;
        while let Some(now) = stage.next() {
            done += stage.beat(observer, now)?;
            progress(done);
        }
        Ok(stage.end())
    }
}

/// A rule on its way through the stretch.
struct Act {
    rule: Arc<Rule>,
    /// Stands for the groups beyond the rule's cap.
    overflow: Rule,
    /// Up to which slot it has been evaluated.
    evaluated_to: DateTime<Utc>,
    /// How often the slowest of its datasets is pulled.
    cadence: TimeDelta,
    /// Open incidents by their group's key.
    open: BTreeMap<String, Incident>,
}

fn every(rule: &Rule) -> TimeDelta {
    rule.every.max(TimeDelta::seconds(1))
}

/// The first slot at or after an instant: the grid is the multiples of `every` since 1970 UTC.
fn first_slot(rule: &Rule, from: DateTime<Utc>) -> DateTime<Utc> {
    let every = every(rule).num_milliseconds();
    let over = from.timestamp_millis().rem_euclid(every);
    let from = DateTime::from_timestamp_millis(from.timestamp_millis()).unwrap_or(from);
    if over == 0 { from } else { from + TimeDelta::milliseconds(every - over) }
}

impl Act {
    fn of(plant: &Plant, rule: &Arc<Rule>, from: DateTime<Utc>) -> Act {
        let read = datasets(rule);
        let used = plant.datasets.iter().filter(|dataset| read.contains(&dataset.name));
        Act {
            overflow: overflow_rule(rule),
            evaluated_to: first_slot(rule, from) - every(rule),
            cadence: used.map(|dataset| plant.cadence(dataset)).max().unwrap_or(rule.every),
            open: BTreeMap::new(),
            rule: Arc::clone(rule),
        }
    }

    fn counts(&self) -> (String, Counts) {
        (self.rule.name.clone(), Counts::default())
    }

    fn settle(&self) -> TimeDelta {
        self.rule.window.map_or(TimeDelta::zero(), |_| self.rule.settle)
    }

    /// The next slot, and when the clock has come so far that it is judged: at the pull that brings
    /// its data, where those come less often than slots.
    fn next(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let at = self.evaluated_to + every(&self.rule);
        let settled = at + self.settle();
        if self.cadence <= every(&self.rule) {
            return (at, settled);
        }
        let cadence = self.cadence.num_milliseconds();
        let over = settled.timestamp_millis().rem_euclid(cadence);
        let wait = if over == 0 { 0 } else { cadence - over };
        (at, settled + TimeDelta::milliseconds(wait))
    }
}

struct Stage<'a, 'p> {
    rehearsal: &'a Rehearsal<'p>,
    acts: Vec<Act>,
    board: Board,
    timeline: Timeline,
}

impl Stage<'_, '_> {
    /// The next instant at which something happens; `None`: the stretch is over.
    fn next(&self) -> Option<DateTime<Utc>> {
        let to = self.rehearsal.to;
        let slots = self.acts.iter().map(Act::next).filter(|(slot, _)| *slot <= to);
        let slot = slots.map(|(_, ready)| ready).min();
        let deadline = self.board.next.filter(|next| *next <= to);
        [slot, deadline].into_iter().flatten().min()
    }

    /// What one beat of the engine does; how many slots it dealt with.
    fn beat(
        &mut self,
        observer: &mut Observer<'_>,
        now: DateTime<Utc>,
    ) -> Result<u64, EngineError> {
        let mut done = 0;
        for index in 0..self.acts.len() {
            let act = &self.acts[index];
            let (slot, ready) = act.next();
            if slot > self.rehearsal.to || ready > now {
                continue;
            }
            // The source is complete up to the virtual now.
            let (rule, until) = (Arc::clone(&act.rule), act.evaluated_to);
            let due = due_slots(&rule, Some(until), Some(now), act.cadence, now);
            let counts = self.timeline.counts.entry(rule.name.clone()).or_default();
            counts.outside += due.outside.map_or(0, |outside| outside.count);
            for slot in &due.slots {
                self.slot(observer, index, slot, now)?;
                done += 1;
            }
            if let Some(until) = due.evaluated_to {
                done += due.outside.map_or(0, |outside| outside.count);
                self.acts[index].evaluated_to = until;
            }
        }
        if self.board.moved || self.board.next.is_some_and(|next| next <= now) {
            self.decide(now);
        }
        Ok(done)
    }

    fn slot(
        &mut self,
        observer: &mut Observer<'_>,
        index: usize,
        slot: &Slot,
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let act = &mut self.acts[index];
        let rule = Arc::clone(&act.rule);
        let counts = self.timeline.counts.entry(rule.name.clone()).or_default();
        let Some(seen) = observer(&rule, now, slot, &act.open)? else {
            counts.unknown += 1;
            return Ok(());
        };
        counts.evaluated += 1;
        if self.rehearsal.follow.as_deref() == Some(rule.name.as_str()) {
            self.timeline.tracks.add(slot.at, &seen);
        }
        let capped = cap_groups(&rule, seen, |key| act.open.contains_key(key));
        for observation in &capped.kept {
            self.step(index, false, observation, slot, now);
        }
        let group = Group::overflow();
        if capped.left_out > 0 || self.acts[index].open.contains_key(&group.key) {
            let reading = Reading::Value(capped.left_out as f64);
            self.step(index, true, &Observation::of(group, reading), slot, now);
        }
        Ok(())
    }

    fn step(
        &mut self,
        index: usize,
        overflow: bool,
        seen: &Observation,
        slot: &Slot,
        now: DateTime<Utc>,
    ) {
        let act = &mut self.acts[index];
        let rule = if overflow { &act.overflow } else { &*act.rule };
        let before = act.open.remove(&seen.group.key);
        let step = incident::step(rule, before.as_ref(), seen, slot);
        let moved = step.transition.is_some();
        self.board.moved |= moved;
        match step.incident {
            Some(mut incident) => {
                if moved {
                    incident.moved_at = Some(now);
                }
                self.board.put(incident.clone());
                if incident.is_open() {
                    act.open.insert(seen.group.key.clone(), incident);
                } else {
                    self.timeline.ended(incident);
                }
            }
            None => {
                if let (Some(before), Some(Transition::Forgotten)) = (before, step.transition) {
                    self.board.forget(&before.id);
                    let counts = self.timeline.counts.entry(act.rule.name.clone()).or_default();
                    counts.forgotten += 1;
                }
            }
        }
    }

    fn decide(&mut self, now: DateTime<Utc>) {
        let decision = notification::decide(&self.board.world(self.rehearsal.plant), now);
        for notice in &decision.notices {
            self.timeline.told(notice);
        }
        self.board.follow(&decision);
        // A deadline that is over was dealt with: the clock goes on whatever a decision says.
        let next = self.board.next;
        self.board.next = next.map(|next| next.max(now + TimeDelta::seconds(1)));
    }

    /// What is still open at the end belongs to it too.
    fn end(mut self) -> Timeline {
        for act in self.acts {
            for incident in act.open.into_values().filter(|open| open.fired_at.is_some()) {
                self.timeline.ended(incident);
            }
        }
        self.timeline.sorted()
    }
}

#[cfg(test)]
mod tests;
