//! The board: the live incidents and what was told of them, as the state has them. Read once, and
//! from then on kept in step with what is committed; whenever a commit fails it is thrown away and
//! read again. Rules and notifications work on it instead of asking the state at every beat: a round
//! moves incidents right here and commits afterwards what moved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use crate::domain::incident::{About, Incident};
use crate::domain::notification::{Correction, Decision, Occurrence, Thread, Told, World};
use crate::engine::Plant;
use crate::engine::blind::Outages;
use crate::engine::evaluate::Timetable;
use crate::store::Store;
use crate::store::state::incidents::RuleState;
use crate::store::state::{StateError, corrections, incidents, notices, occurrences};

/// What is live.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Incidents that are open, or have ended and somebody may still be owed something; by id.
    incidents: BTreeMap<String, Incident>,
    /// Ids of the open ones: by rule, then by the group's key.
    open: BTreeMap<String, BTreeMap<String, String>>,
    /// What was told of them: by incident, then by receiver.
    told: BTreeMap<String, BTreeMap<String, Told>>,
    /// What several incidents' threads have come to: by thread, then by receiver.
    threads: BTreeMap<String, BTreeMap<String, Thread>>,
    /// What a rule says, as its last incident has it: thousands of incidents share one.
    abouts: BTreeMap<String, Arc<About>>,
    /// Records of event rules of which somebody is still to be told.
    pub(super) occurrences: Vec<Occurrence>,
    /// Corrections of which somebody may still be to be told.
    pub(super) corrections: Vec<Correction>,
    /// Rules that cannot see their data, with the reason.
    pub(super) blind: BTreeMap<String, String>,
    /// The datasets because of which they cannot.
    pub(super) outages: Outages,
    /// How far each rule has come.
    rules: BTreeMap<String, RuleState>,
    /// What the rounds need of the config.
    pub(super) timetable: Timetable,
    /// Whether something moved since the last decision.
    pub(super) moved: bool,
    /// When a decision is due though nothing moves.
    pub(super) next: Option<DateTime<Utc>>,
}

impl Board {
    /// As the state has it.
    pub(super) fn read(tx: &Transaction<'_>) -> Result<Board, StateError> {
        // Not known when the next decision is due: now.
        let mut board = Board { moved: true, ..Board::default() };
        for incident in incidents::live(tx)? {
            board.put(incident);
        }
        for told in incidents::told_live(tx)? {
            board.remember(told);
        }
        board.threads = notices::threads(tx)?;
        board.rules = incidents::rule_states(tx)?;
        board.corrections = corrections::untold(tx)?;
        board.occurrences = occurrences::untold(tx)?;
        Ok(board)
    }

    /// The one that was kept, else as the state has it.
    pub(super) fn kept_or_read(kept: Option<Board>, store: &Store) -> Result<Board, StateError> {
        kept.map_or_else(|| store.state.read(Board::read), Ok)
    }

    /// An incident as it now is.
    pub(super) fn put(&mut self, mut incident: Incident) {
        match self.abouts.get_mut(&incident.rule) {
            Some(known) if **known == *incident.about => incident.about = Arc::clone(known),
            Some(known) => *known = Arc::clone(&incident.about),
            None => {
                self.abouts.insert(incident.rule.clone(), Arc::clone(&incident.about));
            }
        }
        let (rule, group) = (incident.rule.clone(), incident.group.key.clone());
        if incident.is_open() {
            self.open.entry(rule).or_default().insert(group, incident.id.clone());
        } else if let Some(groups) = self.open.get_mut(&rule)
            && groups.get(&group) == Some(&incident.id)
        {
            groups.remove(&group);
        }
        self.incidents.insert(incident.id.clone(), incident);
    }

    /// One that nobody was told of, or is owed anything about.
    pub(super) fn forget(&mut self, id: &str) {
        if let Some(incident) = self.incidents.remove(id)
            && let Some(groups) = self.open.get_mut(&incident.rule)
            && groups.get(&incident.group.key).is_some_and(|open| open == id)
        {
            groups.remove(&incident.group.key);
        }
        self.told.remove(id);
    }

    /// What a receiver was told.
    pub(super) fn remember(&mut self, told: Told) {
        let of_incident = self.told.entry(told.incident.clone()).or_default();
        of_incident.insert(told.receiver.clone(), told);
    }

    /// An incident.
    pub(super) fn incident(&self, id: &str) -> Option<&Incident> {
        self.incidents.get(id)
    }

    /// The open incident of a rule and a group, by the group's key.
    pub(super) fn open_in(&self, rule: &str, group: &str) -> Option<&Incident> {
        self.open_of(rule).get(group)
    }

    /// The open incidents of a rule.
    pub(super) fn open_of<'a>(&'a self, rule: &str) -> Open<'a> {
        Open { groups: self.open.get(rule), incidents: &self.incidents }
    }

    /// Rules that were evaluated once, or have open incidents.
    pub(super) fn rules_known(&self) -> BTreeSet<String> {
        let open = self.open.iter().filter(|(_, groups)| !groups.is_empty());
        open.map(|(rule, _)| rule).chain(self.rules.keys()).cloned().collect()
    }

    /// How far a rule has come; `None`: it was never evaluated.
    pub(super) fn rule_state(&self, rule: &str) -> Option<&RuleState> {
        self.rules.get(rule)
    }

    /// Up to which slot a rule has been evaluated; `None`: never.
    pub(super) fn evaluated_until(&self, rule: &str) -> Option<DateTime<Utc>> {
        self.rules.get(rule).map(|state| state.evaluated_until)
    }

    /// A rule has been evaluated up to a slot.
    pub(super) fn evaluated(&mut self, rule: &str, until: DateTime<Utc>) {
        match self.rules.get_mut(rule) {
            Some(state) => state.evaluated_until = until,
            None => {
                let state = RuleState { evaluated_until: until, looked_until: None, hash: None };
                self.rules.insert(rule.to_owned(), state);
            }
        }
    }

    /// The windows of a rule have been looked at again up to a slot; those after it are judged by the
    /// definition with this fingerprint.
    pub(super) fn looked(&mut self, rule: &str, until: DateTime<Utc>, hash: &str) {
        if let Some(state) = self.rules.get_mut(rule) {
            state.looked_until = Some(until);
            state.hash = Some(hash.to_owned());
        }
    }

    /// A rule is gone from the config.
    pub(super) fn forget_rule(&mut self, rule: &str) {
        self.rules.remove(rule);
        self.abouts.remove(rule);
    }

    /// What decisions are made from.
    pub(super) fn world<'a>(&'a self, plant: &'a Plant) -> World<'a> {
        World {
            threads: &self.threads,
            occurrences: &self.occurrences,
            corrections: &self.corrections,
            blind: &self.blind,
            inhibitions: &plant.inhibitions,
            ..World::of(&self.incidents, &self.told, &plant.routes)
        }
    }

    /// Follows a decision that is about to be committed.
    pub(super) fn follow(&mut self, decision: &Decision) {
        for told in &decision.told {
            self.remember(told.clone());
        }
        for thread in &decision.threads {
            let of_thread = self.threads.entry(thread.thread.clone()).or_default();
            of_thread.insert(thread.receiver.clone(), thread.clone());
        }
        for id in &decision.done {
            self.forget(id);
        }
        for (incident, number) in &decision.told_corrections {
            self.corrections.retain(|known| known.incident != *incident || known.number != *number);
        }
        if !decision.told_records.is_empty() {
            let told: BTreeSet<(&str, &str)> = (decision.told_records.iter())
                .map(|(rule, record)| (rule.as_str(), record.as_str()))
                .collect();
            self.occurrences
                .retain(|known| !told.contains(&(known.rule.as_str(), known.record.as_str())));
        }
        self.moved = false;
        self.next = decision.next;
    }
}

/// The open incidents of a rule.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    groups: Option<&'a BTreeMap<String, String>>,
    incidents: &'a BTreeMap<String, Incident>,
}

impl<'a> Open<'a> {
    /// Of a rule that is not followed on the board.
    pub(super) fn of(
        groups: &'a BTreeMap<String, String>,
        incidents: &'a BTreeMap<String, Incident>,
    ) -> Open<'a> {
        Open { groups: Some(groups), incidents }
    }

    /// That of a group, by the group's key.
    pub(super) fn get(&self, group: &str) -> Option<&'a Incident> {
        self.incidents.get(self.groups?.get(group)?)
    }

    /// All of them, by their group's key.
    pub(super) fn values(&self) -> impl Iterator<Item = &'a Incident> + use<'a> {
        let incidents = self.incidents;
        self.groups.into_iter().flatten().filter_map(|(_, id)| incidents.get(id))
    }
}
