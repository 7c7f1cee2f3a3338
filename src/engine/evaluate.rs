//! Evaluating rules: slots whose data is there become readings, readings move incidents, and what
//! changed is written in one commit with the notices it owes.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Engine, EngineError, Plant, blocking};
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
    /// Open incidents by their group's key.
    pub(super) open: BTreeMap<String, Incident>,
    /// Incidents that ended, in order.
    pub(super) ended: Vec<Incident>,
    /// Ids of incidents that cleared before they fired.
    forgotten: Vec<String>,
    /// Lines for the ledger.
    lines: Vec<String>,
    /// Up to which slot the rule has now been evaluated.
    evaluated_to: Option<DateTime<Utc>>,
}

impl Engine {
    /// Evaluates every rule that has slots due, and tells whom it owes. Returns how many slots were
    /// evaluated.
    pub async fn evaluate_due(&self) -> Result<usize, EngineError> {
        let _one_at_a_time = self.evaluating.lock().await;
        let plant = self.plant();
        let now = self.clock.now();
        let mut evaluated = 0;
        let mut failed = None;
        for rule in plant.rules.values() {
            if self.stopping() {
                break;
            }
            // One rule that cannot be evaluated never stops the others.
            match self.evaluate(&plant, rule, now).await {
                Ok(slots) => evaluated += slots,
                Err(err) => failed = Some(err),
            }
        }
        failed.map_or(Ok(evaluated), Err)
    }

    async fn evaluate(
        &self,
        plant: &Arc<Plant>,
        rule: &Arc<Rule>,
        now: DateTime<Utc>,
    ) -> Result<usize, EngineError> {
        let store = Arc::clone(&self.store);
        let cadence = self.slowest_cadence(plant, rule);
        let (rule_, plant_) = (Arc::clone(rule), Arc::clone(plant));
        let work = move || {
            let rule = &rule_;
            let (until, open, owed) = store.state.read(|tx| {
                Ok((
                    incidents::evaluated_until(tx, &rule.name)?,
                    incidents::open_of(tx, &rule.name)?,
                    incidents::owed(tx, &rule.name)?,
                ))
            })?;
            let watermark = store.complete_to(&datasets(rule))?;
            let due = due_slots(rule, until, watermark, cadence, now);
            let slots = due.slots.len();
            if due.evaluated_to.is_none() && open.is_empty() && owed.is_empty() {
                return Ok(0);
            }
            let mut outcome = Outcome::default();
            for incident in open {
                outcome.open.insert(incident.group.key.clone(), incident);
            }
            run_slots(&store, &plant_, rule, &due, &mut outcome)?;
            outcome.ended.extend(owed);
            // Looked at every second, written when there is something to write: each commit is synced.
            if due.evaluated_to.is_none()
                && store.state.read(|tx| super::notify::nothing_owed(tx, &plant_, &outcome, now))?
            {
                return Ok(0);
            }
            store.state.write(|tx| {
                outcome.store(tx, &rule.name, now)?;
                super::notify::owe(tx, &plant_, &outcome, now)
            })?;
            Ok(slots)
        };
        blocking(work).await
    }

    /// How often the slowest of a rule's datasets is pulled.
    fn slowest_cadence(&self, plant: &Plant, rule: &Rule) -> TimeDelta {
        let read = datasets(rule);
        let used = plant.datasets.iter().filter(|dataset| read.contains(&dataset.name));
        used.map(|dataset| plant.cadence(dataset)).max().unwrap_or(rule.every)
    }

    /// Closes the incidents of rules that are no longer in the config, with that reason.
    pub async fn close_removed_rules(&self) -> Result<(), EngineError> {
        let _one_at_a_time = self.evaluating.lock().await;
        let plant = self.plant();
        let now = self.clock.now();
        self.write(move |tx| {
            for name in incidents::rules_known(tx)? {
                if plant.rules.contains_key(&name) {
                    continue;
                }
                // Should it come back it is a new rule, which fills nothing in.
                incidents::forget_rule(tx, &name)?;
                let mut outcome = Outcome::default();
                for incident in incidents::open_of(tx, &name)? {
                    let step = incident::close(&incident, Reason::RuleRemoved, now);
                    outcome.take(&incident.group.key.clone(), Some(incident), step);
                }
                outcome.store(tx, &name, now)?;
                super::notify::owe(tx, &plant, &outcome, now)?;
            }
            Ok(())
        })
        .await
    }
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
        }
        match step.incident {
            Some(incident) if incident.is_open() => {
                self.open.insert(key.to_owned(), incident);
            }
            Some(ended) => self.ended.push(ended),
            None => {
                if let (Some(before), Some(Transition::Forgotten)) = (before, step.transition) {
                    self.forgotten.push(before.id);
                }
            }
        }
    }

    fn store(
        &self,
        tx: &rusqlite::Transaction<'_>,
        rule: &str,
        now: DateTime<Utc>,
    ) -> Result<(), crate::store::state::StateError> {
        for id in &self.forgotten {
            incidents::forget(tx, id)?;
        }
        // The ended first: an open one may have the same group.
        for incident in self.ended.iter().chain(self.open.values()) {
            incidents::put(tx, incident)?;
        }
        for line in &self.lines {
            ledger::note(tx, now, "incident", rule, line)?;
        }
        if let Some(until) = self.evaluated_to {
            incidents::evaluated(tx, rule, until)?;
        }
        Ok(())
    }
}
