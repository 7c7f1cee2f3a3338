//! Evaluating rules: slots whose data is there become readings, readings move incidents, and what
//! changed is written in one commit with the notices it owes.
//!
//! A round looks at every rule and costs what is due: at most beats the watermarks stand still and
//! nothing is. Slots of one instant are evaluated together over one view of the records, and rules
//! that ask the same of it share the answer. Incidents are moved on the board; whatever fails
//! throws the board away, and the next round begins from what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use super::board::Board;
use super::observe::observe;
use super::occurrences::Seeing;
use super::{Engine, EngineError, Plant, blocking, notify};
use crate::domain::incident::{self, Reason};
use crate::domain::rule::readings::{Group, Observation, cap_groups, overflow_rule};
use crate::domain::rule::slots::{self, Slot, due_slots};
use crate::domain::rule::{Kind, Reading, Rule};
use crate::store::state::incidents;
use crate::store::{Store, StoreError};

mod answers;
mod looks;
mod moves;
mod timetable;

pub(super) use answers::{Answers, Scans};
pub(super) use moves::Moves;
pub(super) use timetable::Timetable;

/// At most so many slots of a rule are evaluated in one round: what it holds in memory until its
/// commit is bounded, however long postrider was away.
const SLOTS_A_ROUND: usize = 120;

/// What evaluating rules has cost since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Slots of rules evaluated.
    pub slots: AtomicU64,
    /// Passes over the records that answered them.
    pub passes: AtomicU64,
}

impl Engine {
    /// Evaluates every rule that has slots due, and tells whom it owes: in one commit. Returns how
    /// many slots were evaluated.
    pub async fn evaluate_due(&self) -> Result<usize, EngineError> {
        let mut kept = self.board.lock().await;
        // Should anything fail, it is read again.
        let board = kept.take();
        let (store, plant, now) = (Arc::clone(&self.store), self.plant(), self.clock.now());
        let (stopping, further) = (self.stopping.subscribe(), self.progress("rules"));
        // Asked before each batch of slots.
        let stop = move || {
            further();
            *stopping.borrow()
        };
        let figures = Arc::clone(&self.rule_figures);
        let outages = self.outages();
        let work = move || {
            let mut board = Board::kept_or_read(board, &store)?;
            let new_plant = !board.timetable.is_of(&plant);
            board.note_blind(&plant, outages, new_plant);
            let mut round = Round::of(&store, &plant, now);
            round.evaluate(&mut board, &stop)?;
            round.look_again(&mut board, &stop)?;
            figures.slots.fetch_add(round.slots as u64, Ordering::Relaxed);
            figures.passes.fetch_add(round.passes, Ordering::Relaxed);
            // What many missed slots came to is told when all of them are dealt with.
            let tell = !round.behind;
            commit(&store, &plant, &mut board, &round.moves, tell, now)?;
            Ok((board, round.slots, round.failed))
        };
        let (board, slots, failed) = blocking(work).await?;
        *kept = Some(board);
        failed.map_or(Ok(slots), Err)
    }

    /// Closes the incidents of rules that are no longer in the config, with that reason.
    pub async fn close_removed_rules(&self) -> Result<(), EngineError> {
        let mut kept = self.board.lock().await;
        let board = kept.take();
        let (store, plant, now) = (Arc::clone(&self.store), self.plant(), self.clock.now());
        let work = move || {
            let mut board = Board::kept_or_read(board, &store)?;
            // Routes may have changed with the config.
            board.moved = true;
            let mut moves = Moves::default();
            let known = board.rules_known();
            // A rule that tells of records now has no incidents any more.
            let is_gone = |name: &String| match plant.rules.get(name) {
                None => true,
                Some(rule) => {
                    rule.kind == Kind::Event && board.open_of(name).values().next().is_some()
                }
            };
            let gone: Vec<String> = known.into_iter().filter(is_gone).collect();
            for rule in &gone {
                let open: Vec<_> = board.open_of(rule).values().cloned().collect();
                for incident in open {
                    let step = incident::close(&incident, Reason::RuleRemoved, now);
                    moves.take(&mut board, rule, &incident.group.key, step, now);
                }
                moves.removed(&mut board, rule);
            }
            commit(&store, &plant, &mut board, &moves, true, now)?;
            Ok(board)
        };
        *kept = Some(blocking(work).await?);
        Ok(())
    }

    /// What evaluating rules has cost since the start.
    pub fn rule_figures(&self) -> &Figures {
        &self.rule_figures
    }
}

/// Decides what is owed after some moves, and commits both together.
fn commit(
    store: &Store,
    plant: &Plant,
    board: &mut Board,
    moves: &Moves,
    tell: bool,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    let due = tell
        && (board.moved
            || board.next.is_some_and(|next| next <= now)
            || notify::is_spoken_to(store)?);
    let owed = due.then(|| notify::decide(store, plant, board, now)).transpose()?;
    let owes = owed.as_ref().is_some_and(|owed| !owed.is_nothing());
    // Looked at every second, written when there is something to write: each commit is synced.
    if owes || !moves.is_nothing() {
        store.state.write(|tx| {
            moves.store(tx, board, now)?;
            owed.as_ref().map_or(Ok(()), |owed| owed.commit(tx, now))
        })?;
    }
    if let Some(owed) = owed {
        board.follow(&owed.decision);
    }
    Ok(())
}

/// The datasets a rule reads.
pub(super) fn datasets(rule: &Rule) -> Vec<String> {
    rule.query.reads().into_keys().collect()
}

/// One look at all rules.
struct Round<'a> {
    store: &'a Store,
    plant: &'a Arc<Plant>,
    now: DateTime<Utc>,
    moves: Moves,
    /// Slots evaluated.
    slots: usize,
    /// Passes over the records.
    passes: u64,
    /// Whether some rule has more slots due than one round takes.
    behind: bool,
    failed: Option<EngineError>,
}

/// The slots of one rule that a round takes.
struct Planned {
    /// The rule's place in the timetable.
    entry: usize,
    slots: Vec<Slot>,
    /// Up to which slot it is evaluated when all of them are.
    evaluated_to: DateTime<Utc>,
    /// What it was planned by; `None`: there is more.
    watermark: Option<DateTime<Utc>>,
    /// Slots that are never evaluated.
    left_out: Option<slots::Skipped>,
    /// Whether one of its slots could not be evaluated: the later ones wait.
    stopped: bool,
}

impl<'a> Round<'a> {
    fn of(store: &'a Store, plant: &'a Arc<Plant>, now: DateTime<Utc>) -> Round<'a> {
        let moves = Moves::default();
        Round { store, plant, now, moves, slots: 0, passes: 0, behind: false, failed: None }
    }

    fn evaluate(&mut self, board: &mut Board, stop: impl Fn() -> bool) -> Result<(), EngineError> {
        let mut timetable = std::mem::take(&mut board.timetable);
        if !timetable.is_of(self.plant) {
            timetable = Timetable::of(self.plant);
        }
        let mut planned = self.plan(&mut timetable, board)?;
        // Instant by instant; within one in the order of the timetable.
        let mut order: BTreeMap<DateTime<Utc>, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, plan) in planned.iter().enumerate() {
            for (index, slot) in plan.slots.iter().enumerate() {
                order.entry(slot.at).or_default().push((place, index));
            }
        }
        for due in order.values() {
            if stop() {
                break;
            }
            self.instant(&timetable, &mut planned, due, board)?;
        }
        for plan in &planned {
            let entry = &mut timetable.entries[plan.entry];
            let done = board.evaluated_until(&entry.rule.name) == Some(plan.evaluated_to);
            entry.done_at = plan.watermark.filter(|_| done);
            self.behind |= done && plan.watermark.is_none();
        }
        board.timetable = timetable;
        Ok(())
    }

    /// What is due of each rule.
    fn plan(
        &mut self,
        timetable: &mut Timetable,
        board: &mut Board,
    ) -> Result<Vec<Planned>, EngineError> {
        let known = self.store.watermarks()?;
        let watermarks = timetable.watermarks(|set| known.complete_to(set));
        let mut cadences = None;
        let mut planned = Vec::new();
        for place in 0..timetable.entries.len() {
            let entry = &timetable.entries[place];
            let watermark = watermarks[entry.set];
            if watermark.is_none() || watermark == entry.done_at {
                continue;
            }
            let cadences = cadences.get_or_insert_with(|| timetable.cadences(self.plant));
            let (rule, cadence) = (&entry.rule, cadences[entry.set].unwrap_or(entry.rule.every));
            let until = board.evaluated_until(&rule.name);
            let due = due_slots(rule, until, watermark, cadence, self.now);
            // A rule that was removed and is back judges no slot that it judged before: an incident
            // that begins there again would have the id of the one that was closed.
            if until.is_none()
                && let Some(slot) = due.slots.first()
                && let Some(removed) =
                    self.store.state.read(|tx| incidents::removed_at(tx, &rule.name))?
                && slot.at <= removed
            {
                timetable.entries[place].done_at = watermark;
                continue;
            }
            let Some(plan) = planned_of(place, rule, due, watermark) else {
                timetable.entries[place].done_at = watermark;
                continue;
            };
            // Nothing to look at: closed hours are passed over.
            if plan.slots.is_empty() {
                let rule = Arc::clone(rule);
                self.done(board, &rule, &plan, plan.evaluated_to);
            }
            planned.push(plan);
        }
        Ok(planned)
    }

    /// A rule has been evaluated up to a slot.
    fn done(&mut self, board: &mut Board, rule: &Rule, plan: &Planned, until: DateTime<Utc>) {
        let before = board.evaluated_until(&rule.name);
        if let Some(left) = plan.left_out.filter(|left| before.is_none_or(|at| at < left.last)) {
            let text = format!(
                "{} slots from {} to {} were left out: older than a day",
                left.count, left.first, left.last
            );
            self.moves.say(&rule.name, text);
        }
        self.moves.evaluated(board, &rule.name, until);
    }

    /// Evaluates the slots of one instant, over one view of the records.
    fn instant(
        &mut self,
        timetable: &Timetable,
        planned: &mut [Planned],
        due: &[(usize, usize)],
        board: &mut Board,
    ) -> Result<(), EngineError> {
        Ok(self.store.read_records(|view| {
            let answers = Answers::new(view, &timetable.scans);
            for (place, index) in due {
                let plan = &mut planned[*place];
                if plan.stopped {
                    continue;
                }
                let (rule, slot) = (&timetable.entries[plan.entry].rule, &plan.slots[*index]);
                let evaluated = match rule.kind {
                    Kind::State => self.state(&answers, rule, slot, board),
                    Kind::Event => self.events(&answers, rule, slot, board),
                };
                match evaluated {
                    Ok(()) => {
                        let last = *index + 1 == plan.slots.len();
                        let until = if last { plan.evaluated_to } else { slot.at };
                        self.done(board, rule, plan, until);
                        self.slots += 1;
                    }
                    // Data that cannot be read is unknown: nothing moves, the slot is read again
                    // later.
                    Err(StoreError::Loading(_)) => plan.stopped = true,
                    // One rule that cannot be evaluated never stops the others.
                    Err(err) => {
                        plan.stopped = true;
                        self.failed = Some(err.into());
                    }
                }
            }
            self.passes += answers.passes();
            Ok(())
        })?)
    }

    /// Reads a state rule at a slot.
    fn state(
        &mut self,
        answers: &Answers<'_>,
        rule: &Rule,
        slot: &Slot,
        board: &mut Board,
    ) -> Result<(), StoreError> {
        let seen = observe(answers, self.plant, rule, slot, board.open_of(&rule.name))?;
        self.step(board, rule, slot, seen);
        Ok(())
    }

    /// Reads an event rule up to a slot.
    fn events(
        &mut self,
        answers: &Answers<'_>,
        rule: &Rule,
        slot: &Slot,
        board: &mut Board,
    ) -> Result<(), StoreError> {
        let (store, plant, now) = (self.store, self.plant, self.now);
        let seeing = Seeing { store, plant, answers, rule, now };
        let seen = seeing.see(board.evaluated_until(&rule.name), slot.at)?;
        self.moves.saw(board, &rule.name, seen);
        Ok(())
    }

    /// Moves the incidents of a rule by what was seen at a slot.
    fn step(&mut self, board: &mut Board, rule: &Rule, slot: &Slot, seen: Vec<Observation>) {
        let capped = cap_groups(rule, seen, |key| board.open_in(&rule.name, key).is_some());
        for seen in capped.kept {
            self.step_one(board, rule, slot, &seen);
        }
        let group = Group::overflow();
        if capped.left_out > 0 || board.open_in(&rule.name, &group.key).is_some() {
            let reading = Reading::Value(capped.left_out as f64);
            self.step_one(board, &overflow_rule(rule), slot, &Observation::of(group, reading));
        }
    }

    fn step_one(&mut self, board: &mut Board, rule: &Rule, slot: &Slot, seen: &Observation) {
        let before = board.open_in(&rule.name, &seen.group.key);
        let step = incident::step(rule, before, seen, slot);
        self.moves.take(board, &rule.name, &seen.group.key, step, self.now);
    }
}

/// What a round takes of what is due of a rule.
fn planned_of(
    entry: usize,
    rule: &Rule,
    mut due: slots::Due,
    watermark: Option<DateTime<Utc>>,
) -> Option<Planned> {
    let evaluated_to = due.evaluated_to?;
    if rule.kind == Kind::Event {
        // Its records are read in one go, however long ago it read last, and in closed hours too.
        due.slots = vec![Slot { at: evaluated_to, window: None, reach: rule.every }];
        due.left_out = None;
    }
    let more = due.slots.len() > SLOTS_A_ROUND;
    due.slots.truncate(SLOTS_A_ROUND);
    let last = due.slots.last().filter(|_| more).map(|slot| slot.at);
    Some(Planned {
        entry,
        slots: due.slots,
        evaluated_to: last.unwrap_or(evaluated_to),
        watermark: watermark.filter(|_| !more),
        left_out: due.left_out,
        stopped: false,
    })
}
