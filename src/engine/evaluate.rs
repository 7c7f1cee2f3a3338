//! Evaluating rules: slots whose data is there become readings, readings move incidents, and what
//! changed is written in one commit with the notices it owes.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::board::Board;
use super::{Engine, EngineError, Plant, blocking, notify};
use crate::domain::incident::{self, Incident, Reason, Step, Transition};
use crate::domain::query::Frame;
use crate::domain::rule::readings::{Group, Observation, cap_groups, observations, overflow_rule};
use crate::domain::rule::slots::{Due, Slot, due_slots};
use crate::domain::rule::{Reading, Rule};
use crate::store::state::{incidents, ledger};
use crate::store::{Store, StoreError};

/// At most so many groups of one rule are read at a slot; beyond it the overflow speaks.
const GROUPS_READ_MAX: usize = 50_000;

/// What evaluating some slots of a rule came to, before it is stored.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The rule's name.
    rule: String,
    /// Open incidents by their group's key.
    open: BTreeMap<String, Incident>,
    /// Incidents that ended, in order.
    ended: Vec<Incident>,
    /// Ids of incidents that cleared before they fired.
    forgotten: Vec<String>,
    /// Lines for the ledger.
    lines: Vec<String>,
    /// Up to which slot the rule has now been evaluated.
    evaluated_to: Option<DateTime<Utc>>,
    /// Whether an incident made a transition.
    moved: bool,
    /// Whether the rule is no longer in the config.
    removed: bool,
}

impl Engine {
    /// Evaluates every rule that has slots due, and tells whom it owes: in one commit. Returns how
    /// many slots were evaluated.
    pub async fn evaluate_due(&self) -> Result<usize, EngineError> {
        let mut kept = self.board.lock().await;
        // Should anything fail, it is read again.
        let board = kept.take();
        let (store, plant, now) = (Arc::clone(&self.store), self.plant(), self.clock.now());
        let cadences: BTreeMap<String, TimeDelta> = (plant.rules.values())
            .map(|rule| (rule.name.clone(), self.slowest_cadence(&plant, rule)))
            .collect();
        let stopping = self.stopping.subscribe();
        let work = move || {
            let mut board = match board {
                Some(board) => board,
                None => store.state.read(Board::read)?,
            };
            let mut round = Round::default();
            for rule in plant.rules.values() {
                if *stopping.borrow() {
                    break;
                }
                // One rule that cannot be evaluated never stops the others.
                match evaluate(&store, &plant, &board, rule, cadences[&rule.name], now) {
                    Ok(Some((slots, outcome))) => {
                        round.slots += slots;
                        round.outcomes.push(outcome);
                    }
                    Ok(None) => {}
                    Err(err) => round.failed = Some(err),
                }
            }
            commit(&store, &plant, &mut board, &mut round.outcomes, now)?;
            Ok((board, round))
        };
        let (board, round) = blocking(work).await?;
        *kept = Some(board);
        round.failed.map_or(Ok(round.slots), Err)
    }

    /// How often the slowest of a rule's datasets is pulled.
    fn slowest_cadence(&self, plant: &Plant, rule: &Rule) -> TimeDelta {
        let read = datasets(rule);
        let used = plant.datasets.iter().filter(|dataset| read.contains(&dataset.name));
        used.map(|dataset| plant.cadence(dataset)).max().unwrap_or(rule.every)
    }

    /// Closes the incidents of rules that are no longer in the config, with that reason.
    pub async fn close_removed_rules(&self) -> Result<(), EngineError> {
        let mut kept = self.board.lock().await;
        let board = kept.take();
        let (store, plant, now) = (Arc::clone(&self.store), self.plant(), self.clock.now());
        let work = move || {
            let mut board = match board {
                Some(board) => board,
                None => store.state.read(Board::read)?,
            };
            // Routes may have changed with the config.
            board.moved = true;
            let known = store.state.read(incidents::rules_known)?;
            let removed = known.into_iter().filter(|name| !plant.rules.contains_key(name));
            let mut outcomes: Vec<Outcome> = removed
                .map(|name| {
                    let mut outcome = Outcome { removed: true, ..Outcome::of(&board, &name) };
                    for incident in std::mem::take(&mut outcome.open).into_values() {
                        let step = incident::close(&incident, Reason::RuleRemoved, now);
                        outcome.take(&incident.group.key.clone(), Some(incident), step);
                    }
                    outcome
                })
                .collect();
            commit(&store, &plant, &mut board, &mut outcomes, now)?;
            Ok(board)
        };
        *kept = Some(blocking(work).await?);
        Ok(())
    }
}

/// What all rules came to at a beat.
#[derive(Default)]
struct Round {
    outcomes: Vec<Outcome>,
    slots: usize,
    failed: Option<EngineError>,
}

/// Evaluates the slots of a rule that are due; `None`: there are none.
fn evaluate(
    store: &Store,
    plant: &Plant,
    board: &Board,
    rule: &Rule,
    cadence: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Option<(usize, Outcome)>, EngineError> {
    let until = store.state.read(|tx| incidents::evaluated_until(tx, &rule.name))?;
    let watermark = store.complete_to(&datasets(rule))?;
    let due = due_slots(rule, until, watermark, cadence, now);
    if due.evaluated_to.is_none() {
        return Ok(None);
    }
    let mut outcome = Outcome::of(board, &rule.name);
    run_slots(store, plant, rule, &due, &mut outcome)?;
    Ok(Some((due.slots.len(), outcome)))
}

/// Decides what is owed after some outcomes, and commits both together.
fn commit(
    store: &Store,
    plant: &Plant,
    board: &mut Board,
    outcomes: &mut [Outcome],
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    for outcome in outcomes.iter_mut() {
        outcome.follow(board, now);
    }
    let due = board.moved
        || board.next.is_some_and(|next| next <= now)
        || notify::is_spoken_to(store)?;
    let owed = due.then(|| notify::decide(store, plant, board, now)).transpose()?;
    if outcomes.is_empty() && owed.as_ref().is_none_or(notify::Owing::is_nothing) {
        if let Some(owed) = owed {
            board.follow(&owed.decision);
        }
        // Looked at every second, written when there is something to write: each commit is synced.
        return Ok(());
    }
    store.state.write(|tx| {
        for outcome in outcomes.iter() {
            outcome.store(tx, now)?;
        }
        owed.as_ref().map_or(Ok(()), |owed| owed.commit(tx, now))
    })?;
    if let Some(owed) = owed {
        board.follow(&owed.decision);
    }
    Ok(())
}

/// The datasets a rule reads.
pub(super) fn datasets(rule: &Rule) -> Vec<String> {
    rule.query.reads().into_keys().collect()
}

/// Evaluates the slots that are due, in order.
fn run_slots(
    store: &Store,
    plant: &Plant,
    rule: &Rule,
    due: &Due,
    outcome: &mut Outcome,
) -> Result<(), EngineError> {
    outcome.evaluated_to = due.evaluated_to;
    if let Some(left) = &due.left_out {
        outcome.lines.push(format!(
            "{} slots from {} to {} were left out: older than a day",
            left.count, left.first, left.last
        ));
    }
    let overflow = overflow_rule(rule);
    for slot in &due.slots {
        let seen = match observe(store, plant, rule, slot, outcome) {
            Ok(seen) => seen,
            // Data that cannot be read is unknown: nothing moves, the slot is read again later.
            Err(StoreError::Loading(_)) => {
                outcome.evaluated_to = None;
                return Ok(());
            }
            Err(err) => return Err(err.into()),
        };
        let capped = cap_groups(rule, seen, |key| outcome.open.contains_key(key));
        for observation in capped.kept {
            outcome.step(rule, &observation, slot);
        }
        let group = Group::overflow();
        if capped.left_out > 0 || outcome.open.contains_key(&group.key) {
            let reading = Reading::Value(capped.left_out as f64);
            outcome.step(&overflow, &Observation { group, reading }, slot);
        }
    }
    Ok(())
}

fn observe(
    store: &Store,
    plant: &Plant,
    rule: &Rule,
    slot: &Slot,
    outcome: &Outcome,
) -> Result<Vec<Observation>, StoreError> {
    let answer = store.read_records(|records| {
        // The state as it is, is that of the watermark: records are known up to there.
        let as_of = match slot.window {
            Some(_) => slot.at,
            None => records.complete_to(&datasets(rule)).map_or(slot.at, |to| to.max(slot.at)),
        };
        let frame = Frame {
            bounds: slot.window.map(|window| (window.from, window.to)),
            as_of,
            zone: rule.zone.clone(),
            week_starts: plant.week_starts,
            rows_max: GROUPS_READ_MAX,
            rest_max: 0,
        };
        records.answer(&rule.query, &frame)
    })?;
    let known = outcome.open.values().map(|incident| &incident.group);
    Ok(observations(rule, &answer.rows, known))
}

impl Outcome {
    /// Of a rule, as the board has it.
    fn of(board: &Board, rule: &str) -> Outcome {
        let open = board.open_of(rule);
        let open = open.map(|incident| (incident.group.key.clone(), incident.clone()));
        Outcome { rule: rule.to_owned(), open: open.collect(), ..Outcome::default() }
    }

    fn step(&mut self, rule: &Rule, seen: &Observation, slot: &Slot) {
        let before = self.open.remove(&seen.group.key);
        let step = incident::step(rule, before.as_ref(), &seen.group, seen.reading, slot);
        self.take(&seen.group.key, before, step);
    }

    fn take(&mut self, key: &str, before: Option<Incident>, step: Step) {
        if let Some(transition) = &step.transition {
            let about = step.incident.as_ref().or(before.as_ref());
            let name = about.map(|incident| incident.group.name()).unwrap_or_default();
            let id = about.map_or("", |incident| incident.id.as_str());
            self.lines.push(format!("{} {id} {name}: {}", transition.word(), step.why));
            self.moved = true;
        }
        let stamp = step.transition.is_some();
        match step.incident {
            Some(mut incident) => {
                if stamp {
                    // The clock's time is put in when it is committed.
                    incident.moved_at = None;
                }
                if incident.is_open() {
                    self.open.insert(key.to_owned(), incident);
                } else {
                    self.ended.push(incident);
                }
            }
            None => {
                if let (Some(before), Some(Transition::Forgotten)) = (before, step.transition) {
                    self.forgotten.push(before.id);
                }
            }
        }
    }

    /// Puts what came out on the board.
    fn follow(&mut self, board: &mut Board, now: DateTime<Utc>) {
        for incident in self.ended.iter_mut().chain(self.open.values_mut()) {
            incident.moved_at.get_or_insert(now);
            board.put(incident.clone());
        }
        for id in &self.forgotten {
            board.forget(id);
        }
        board.moved |= self.moved;
    }

    fn store(
        &self,
        tx: &rusqlite::Transaction<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), crate::store::state::StateError> {
        if self.removed {
            // Should it come back it is a new rule, which fills nothing in.
            incidents::forget_rule(tx, &self.rule)?;
        }
        for id in &self.forgotten {
            incidents::forget(tx, id)?;
        }
        // The ended first: an open one may have the same group.
        for incident in self.ended.iter().chain(self.open.values()) {
            incidents::put(tx, incident)?;
        }
        for line in &self.lines {
            ledger::note(tx, now, "incident", &self.rule, line)?;
        }
        if let Some(until) = self.evaluated_to {
            incidents::evaluated(tx, &self.rule, until)?;
        }
        Ok(())
    }
}
