//! A rehearsal: rules, routes and receivers over a stretch of time, on a virtual clock and in memory.
//!
//! It walks the very path of a beat: the slots that [`due_slots`] plans, what `observe` sees at
//! them, [`incident::step`], [`notification::decide`] over the same board. So what it says would have
//! been told is what would have been told. What it leaves out on purpose: nothing is written,
//! composed or sent, nobody silences or acknowledges, and no delivery fails. Records are read as they
//! are stored now: a field that was changed since is read as it is today.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::board::Board;
use super::evaluate::{Answers, Scans, datasets};
use super::observe::observe;
use super::occurrences::Seeing;
use super::{EngineError, Plant};
use crate::domain::incident::{self, Transition};
use crate::domain::notification;
use crate::domain::rule::readings::{Group, Observation, cap_groups, overflow_rule};
use crate::domain::rule::slots::{Slot, due_slots};
use crate::domain::rule::{Kind, Reading, Rule};
use crate::store::state::occurrences;
use crate::store::{Store, StoreError};

mod advice;
mod look;
mod memory;
mod timeline;
mod track;

pub use advice::{Advice, Choice, advise};
pub use look::{Look, Looked, look};
pub use timeline::{Counts, Notified, Timeline};
pub use track::{Run, Track, Tracks};

use memory::Memory;

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

/// Brings what is visible by an instant of the virtual clock.
pub type Bringing<'s> = dyn FnMut(&Store, DateTime<Utc>) -> Result<(), StoreError> + 's;

/// What is seen in a rehearsal. A store's state must be one that is thrown away: what event rules
/// have seen is remembered there.
pub enum Sight<'s> {
    /// What is stored.
    Records(&'s Store),
    /// What is stored, more of it as time goes on: what is called with the virtual clock's time
    /// before each look may bring more.
    Coming(&'s Store, &'s mut Bringing<'s>),
    /// What is seen itself, of each rule at each slot; `None`: nothing can be known.
    Given(&'s mut dyn FnMut(&Rule, &Slot) -> Option<Vec<Observation>>),
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
    /// The records cannot be asked.
    pub fn run(
        &self,
        sight: &mut Sight<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Timeline, EngineError> {
        let acts = self.rules.iter().map(|rule| Act::of(self.plant, rule, self.from));
        let states = self.rules.iter().filter(|rule| rule.kind == Kind::State);
        let asked: Vec<_> = states.map(|rule| Arc::clone(&rule.query)).collect();
        let mut stage = Stage {
            rehearsal: self,
            scans: Scans::of(&asked),
            acts: acts.collect(),
            board: Board::default(),
            memory: Memory::of(self.plant, &self.rules),
            timeline: Timeline::new(self.from, self.to),
        };
        stage.timeline.counts = stage.acts.iter().map(Act::counts).collect();
        let mut done = 0;
        while let Some(now) = stage.next() {
            done += stage.beat(sight, now)?;
            progress(done);
        }
        Ok(stage.end())
    }
}

/// A rule on its way through the stretch.
struct Act {
    rule: Arc<Rule>,
    /// Stands for the groups beyond the rule's cap.
    overflow: Arc<Rule>,
    /// Up to which slot it has been evaluated.
    evaluated_to: DateTime<Utc>,
    /// How often the slowest of its datasets is pulled.
    cadence: TimeDelta,
    /// Of an event rule: what was there before it is known.
    begun: bool,
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
            overflow: Arc::new(overflow_rule(rule)),
            evaluated_to: first_slot(rule, from) - every(rule),
            cadence: used.map(|dataset| plant.cadence(dataset)).max().unwrap_or(rule.every),
            begun: false,
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
    /// Rules that ask the same share the answer, as they do in earnest.
    scans: Scans,
    board: Board,
    memory: Memory,
    timeline: Timeline,
}

/// What was seen of a rule at a slot; `None`: nothing can be known.
type Seen = Option<Vec<Observation>>;

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
    fn beat(&mut self, sight: &mut Sight<'_>, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let mut done = 0;
        // Instant by instant, as a round does: rules that explain others stand as they did then.
        let mut due: BTreeMap<DateTime<Utc>, Vec<(usize, Slot)>> = BTreeMap::new();
        for (index, act) in self.acts.iter_mut().enumerate() {
            let (slot, ready) = act.next();
            if slot > self.rehearsal.to || ready > now {
                continue;
            }
            // The source is complete up to the virtual now.
            let until = Some(act.evaluated_to);
            let mut planned = due_slots(&act.rule, until, Some(now), act.cadence, now);
            if let (Kind::Event, Some(at)) = (act.rule.kind, planned.evaluated_to) {
                // Its records are read in one go, in closed hours too.
                planned.slots = vec![Slot { at, window: None, reach: act.rule.every }];
                planned.outside = None;
            }
            let outside = planned.outside.map_or(0, |outside| outside.count);
            self.timeline.count(&act.rule.name).outside += outside;
            done += outside;
            for slot in planned.slots.into_iter().filter(|slot| slot.at <= self.rehearsal.to) {
                due.entry(slot.at).or_default().push((index, slot));
            }
            act.evaluated_to = planned.evaluated_to.unwrap_or(act.evaluated_to);
        }
        for slots in due.values() {
            self.instant(sight, slots, now)?;
            done += slots.len() as u64;
        }
        if self.board.moved || self.board.next.is_some_and(|next| next <= now) {
            self.decide(now);
        }
        Ok(done)
    }

    /// The slots of one instant, over one view of the records.
    fn instant(
        &mut self,
        sight: &mut Sight<'_>,
        slots: &[(usize, Slot)],
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let store = match sight {
            Sight::Given(given) => {
                for (index, slot) in slots {
                    let seen = given(&self.acts[*index].rule, slot);
                    self.slot(*index, slot, seen, now);
                }
                return Ok(());
            }
            Sight::Coming(store, bring) => {
                bring(store, now)?;
                *store
            }
            Sight::Records(store) => *store,
        };
        // Held apart, so that answers and incidents can be had at the same time.
        let scans = std::mem::take(&mut self.scans);
        let done = store.read_records(|view| {
            let answers = Answers::new(view, &scans);
            for (index, slot) in slots {
                let rule = Arc::clone(&self.acts[*index].rule);
                if rule.kind == Kind::Event {
                    self.events(store, &answers, *index, slot, now)?;
                    continue;
                }
                let open = self.board.open_of(&rule.name);
                let seen = match observe(&answers, self.rehearsal.plant, &rule, slot, open) {
                    Ok(seen) => Some(seen),
                    Err(StoreError::Loading(_)) => None,
                    Err(err) => return Err(err),
                };
                self.slot(*index, slot, seen, now);
            }
            Ok(())
        });
        self.scans = scans;
        Ok(done?)
    }

    /// What an event rule sees up to a slot.
    fn events(
        &mut self,
        store: &Store,
        answers: &Answers<'_>,
        index: usize,
        slot: &Slot,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let act = &mut self.acts[index];
        let rule = Arc::clone(&act.rule);
        let before = slot.at - every(&rule);
        let seeing = Seeing { store, plant: self.rehearsal.plant, answers, rule: &rule, now };
        let mut looks = vec![(Some(before), slot.at)];
        if !std::mem::replace(&mut act.begun, true) {
            // What was there before it is nothing that happened.
            looks.insert(0, (None, before));
        }
        for (until, to) in looks {
            let seen = match seeing.see(until, to) {
                Ok(seen) => seen,
                Err(StoreError::Loading(_)) => {
                    self.timeline.count(&rule.name).unknown += 1;
                    return Ok(());
                }
                Err(err) => return Err(err),
            };
            store.state.write(|tx| {
                for occurrence in &seen.new {
                    occurrences::put(tx, occurrence)?;
                }
                seen.passed
                    .iter()
                    .try_for_each(|key| occurrences::pass(tx, &rule.name, key, now))?;
                seen.kept.iter().try_for_each(|key| occurrences::keep(tx, &rule.name, key, now))
            })?;
            self.board.moved |= !seen.new.is_empty();
            self.timeline.count(&rule.name).records += seen.new.len() as u64;
            self.board.occurrences.extend(seen.new);
        }
        self.timeline.count(&rule.name).evaluated += 1;
        Ok(())
    }

    fn slot(&mut self, index: usize, slot: &Slot, seen: Seen, now: DateTime<Utc>) {
        let rule = Arc::clone(&self.acts[index].rule);
        let counts = self.timeline.count(&rule.name);
        let Some(seen) = seen else {
            counts.unknown += 1;
            return;
        };
        counts.evaluated += 1;
        if self.rehearsal.follow.as_deref() == Some(rule.name.as_str()) {
            self.timeline.tracks.add(slot.at, &seen);
        }
        let capped = cap_groups(&rule, seen, |key| self.board.open_in(&rule.name, key).is_some());
        for observation in &capped.kept {
            self.step(&rule, observation, slot, now);
        }
        let group = Group::overflow();
        if capped.left_out > 0 || self.board.open_in(&rule.name, &group.key).is_some() {
            let reading = Reading::Value(capped.left_out as f64);
            let overflow = Arc::clone(&self.acts[index].overflow);
            self.step(&overflow, &Observation::of(group, reading), slot, now);
        }
    }

    fn step(&mut self, rule: &Rule, seen: &Observation, slot: &Slot, now: DateTime<Utc>) {
        let before = self.board.open_in(&rule.name, &seen.group.key);
        let step = incident::step(rule, before, seen, slot);
        let moved = step.transition.is_some();
        match step.incident {
            Some(mut incident) => {
                if moved {
                    incident.moved_at = Some(now);
                }
                if !incident.is_open() {
                    self.timeline.ended(incident.clone());
                }
                self.board.put(incident);
            }
            None => {
                if let (Some(before), Some(Transition::Forgotten)) = (before, step.transition) {
                    let id = before.id.clone();
                    self.board.forget(&id);
                    self.timeline.count(&rule.name).forgotten += 1;
                }
            }
        }
        self.board.moved |= moved;
    }

    fn decide(&mut self, now: DateTime<Utc>) {
        let world = self.memory.world(&self.board, self.rehearsal.plant);
        let decision = notification::decide(&world, now);
        for notice in &decision.notices {
            self.timeline.told(notice);
        }
        self.memory.follow(&decision, now);
        self.board.follow(&decision);
        // What is told now has deadlines of its own, which the next beat finds. And a deadline that
        // is over was dealt with: the clock goes on whatever a decision says.
        let beat = now + TimeDelta::seconds(1);
        let told = !decision.notices.is_empty() || !decision.told.is_empty();
        let next = decision.next.map(|next| next.max(beat));
        self.board.next = if told { Some(beat) } else { next };
    }

    /// What is still open at the end belongs to it too.
    fn end(mut self) -> Timeline {
        for act in &self.acts {
            let open = self.board.open_of(&act.rule.name).values();
            for incident in open.filter(|open| open.fired_at.is_some()) {
                self.timeline.ended(incident.clone());
            }
        }
        self.timeline.sorted()
    }
}

#[cfg(test)]
mod tests;
