//! One look: what a rule reads of each group at one slot, and what would come of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;

use crate::domain::incident::{self, Incident, Step};
use crate::domain::notification::{self, Thread, World};
use crate::domain::rule::levels::level_after;
use crate::domain::rule::readings::{Observation, cap_groups};
use crate::domain::rule::slots::{Slot, due_slots};
use crate::domain::rule::{Reading, Rule};
use crate::domain::silence::{Ack, Hidden, Silence};
use crate::engine::board::Board;
use crate::engine::evaluate::{Answers, Scans, datasets};
use crate::engine::observe::observe;
use crate::engine::{EngineError, Plant};
use crate::store::Store;
use crate::store::state::{State, StateError, acks, notices, silences};

/// What a look at a rule came to.
#[derive(Clone, Debug)]
pub struct Look {
    /// The slot that was looked at; `None`: it is outside the rule's hours, or nothing is there yet.
    pub slot: Option<Slot>,
    /// The data is complete up to here.
    pub complete_to: Option<DateTime<Utc>>,
    /// What was seen of each group, as the records have it.
    pub groups: Vec<Looked>,
    /// How many groups in breach are beyond the rule's cap.
    pub left_out: u64,
    /// Who would be told: receiver and kind, with the reason.
    pub notices: Vec<(String, notification::Kind, String)>,
}

/// What was seen of a group, and what would come of it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// What was seen.
    pub seen: Observation,
    /// The level it would come to, by its value alone.
    pub level: Option<usize>,
    /// The incident as it is.
    pub before: Option<Incident>,
    /// What the reading would do.
    pub step: Step,
}

/// Looks at a rule at the newest slot, or at the one at or before an instant. `state` says what is
/// open and told already; without it nothing is.
///
/// # Errors
/// The records or the state cannot be read.
pub fn look(
    plant: &Plant,
    store: &Store,
    state: Option<&State>,
    rule: &Arc<Rule>,
    at: Option<DateTime<Utc>>,
) -> Result<Look, EngineError> {
    let mut board = state.map_or_else(|| Ok(Board::default()), |state| state.read(Board::read))?;
    let complete_to = store.complete_to(&datasets(rule))?;
    let settle = rule.window.map_or(TimeDelta::zero(), |_| rule.settle);
    // Judged as soon as its data is there.
    let known = match at {
        Some(at) => complete_to.map(|to| to.min(at + settle)),
        None => complete_to,
    };
    let now = known.unwrap_or_default();
    let due = due_slots(rule, None, known, rule.every, now);
    let mut look = Look {
        slot: due.slots.last().copied(),
        complete_to,
        groups: Vec::new(),
        left_out: 0,
        notices: Vec::new(),
    };
    let Some(slot) = look.slot else { return Ok(look) };
    let scans = Scans::of(&[Arc::clone(&rule.query)]);
    let seen = store.read_records(|view| {
        observe(&Answers::new(view, &scans), plant, rule, &slot, board.open_of(&rule.name))
    })?;
    let capped = cap_groups(rule, seen, |key| board.open_in(&rule.name, key).is_some());
    look.left_out = capped.left_out;
    for seen in capped.kept {
        let before = board.open_in(&rule.name, &seen.group.key).cloned();
        let step = incident::step(rule, before.as_ref(), &seen, &slot);
        let level = match seen.reading {
            Reading::Value(value) => level_after(&rule.levels, None, value, seen.bounds),
            _ => None,
        };
        if let Some(mut incident) = step.incident.clone() {
            incident.moved_at = incident.moved_at.or(Some(now));
            board.put(incident);
        }
        look.groups.push(Looked { seen, level, before, step });
    }
    let said = state.map(|state| state.read(|tx| Said::read(tx, now))).transpose()?;
    let said = said.unwrap_or_default();
    let world = World {
        silences: &said.silences,
        hidden: &said.hidden,
        acks: &said.acks,
        threads: &said.threads,
        ..board.world(plant)
    };
    let decision = notification::decide(&world, now);
    let ours = decision.notices.into_iter().filter(|notice| notice.rule() == rule.name);
    look.notices = ours.map(|notice| (notice.receiver, notice.kind, notice.reason)).collect();
    Ok(look)
}

/// What people have said, and what threads have come to.
#[derive(Default)]
struct Said {
    silences: Vec<Silence>,
    hidden: BTreeMap<String, BTreeMap<String, Hidden>>,
    acks: BTreeMap<String, Ack>,
    threads: BTreeMap<String, BTreeMap<String, Thread>>,
}

impl Said {
    fn read(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Said, StateError> {
        Ok(Said {
            silences: silences::lately(tx, now)?,
            hidden: silences::hidden_live(tx, now)?,
            acks: acks::live(tx, now)?,
            threads: notices::threads(tx)?,
        })
    }
}
