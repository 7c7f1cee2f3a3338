//! The board: the live incidents and what was told of them, as the state has them. Read once, and
//! from then on kept in step with what is committed; whenever a commit fails it is thrown away and
//! read again. Rules and notifications work on it instead of asking the state at every beat.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use crate::domain::incident::Incident;
use crate::domain::notification::{Decision, Occurrence, Told, World};
use crate::domain::silence::{Ack, Silence};
use crate::engine::Plant;
use crate::store::state::{StateError, incidents};

/// What is live.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Incidents that are open, or have ended and somebody may still be owed something; by id.
    incidents: BTreeMap<String, Incident>,
    /// Ids of the open ones: by rule, then by the group's key.
    open: BTreeMap<String, BTreeMap<String, String>>,
    /// What was told of them: by incident, then by receiver.
    told: BTreeMap<String, BTreeMap<String, Told>>,
    /// Records of event rules of which somebody is still to be told.
    pub(super) occurrences: Vec<Occurrence>,
    /// Silences that have not ended.
    pub(super) silences: Vec<Silence>,
    /// Acknowledgements by incident.
    pub(super) acks: BTreeMap<String, Ack>,
    /// Rules that cannot see their data, with the reason.
    pub(super) blind: BTreeMap<String, String>,
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
        Ok(board)
    }

    /// An incident as it now is.
    pub(super) fn put(&mut self, incident: Incident) {
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

    fn remember(&mut self, told: Told) {
        let of_incident = self.told.entry(told.incident.clone()).or_default();
        of_incident.insert(told.receiver.clone(), told);
    }

    /// The open incidents of a rule.
    pub(super) fn open_of<'a>(
        &'a self,
        rule: &str,
    ) -> impl Iterator<Item = &'a Incident> + use<'a> {
        let ids = self.open.get(rule).into_iter().flatten();
        ids.filter_map(|(_, id)| self.incidents.get(id))
    }

    /// What decisions are made from.
    pub(super) fn world<'a>(&'a self, plant: &'a Plant) -> World<'a> {
        World {
            occurrences: &self.occurrences,
            silences: &self.silences,
            acks: &self.acks,
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
        for id in &decision.done {
            self.forget(id);
        }
        self.moved = false;
        self.next = decision.next;
    }
}
