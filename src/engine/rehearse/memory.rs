//! What decisions are made from beside the board: in earnest the state has it, here it is kept in
//! memory. Nobody silences or acknowledges in a rehearsal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::notification::{Decision, Thread, World};
use crate::domain::rule::Rule;
use crate::engine::Plant;
use crate::engine::board::Board;

/// What was told so far.
#[derive(Default)]
pub(super) struct Memory {
    threads: BTreeMap<String, BTreeMap<String, Thread>>,
    told_in_part: BTreeMap<(String, String), BTreeSet<String>>,
    limits: BTreeMap<String, (u32, TimeDelta)>,
    sent: BTreeMap<String, Vec<DateTime<Utc>>>,
    depends_on: BTreeMap<String, Vec<String>>,
}

impl Memory {
    /// Of a beginning.
    pub(super) fn of(plant: &Plant, rules: &[Arc<Rule>]) -> Memory {
        let limits = plant.receivers.iter();
        let limits = limits.filter_map(|(name, line)| Some((name.clone(), line.limit?)));
        let depending = rules.iter().filter(|rule| !rule.depends_on.is_empty());
        Memory {
            limits: limits.collect(),
            depends_on: depending
                .map(|rule| (rule.name.clone(), rule.depends_on.clone()))
                .collect(),
            ..Memory::default()
        }
    }

    /// What decisions are made from.
    pub(super) fn world<'a>(&'a self, board: &'a Board, plant: &'a Plant) -> World<'a> {
        World {
            threads: &self.threads,
            told_in_part: &self.told_in_part,
            limits: &self.limits,
            sent: &self.sent,
            depends_on: &self.depends_on,
            inhibitions: &plant.inhibitions,
            ..board.world(plant)
        }
    }

    /// Remembers a decision.
    pub(super) fn follow(&mut self, decision: &Decision, now: DateTime<Utc>) {
        for thread in &decision.threads {
            let of_thread = self.threads.entry(thread.thread.clone()).or_default();
            of_thread.insert(thread.receiver.clone(), thread.clone());
        }
        for (rule, record, receiver) in &decision.told_in_part {
            let told = self.told_in_part.entry((rule.clone(), record.clone())).or_default();
            told.insert(receiver.clone());
        }
        for record in &decision.told_records {
            self.told_in_part.remove(record);
        }
        for notice in &decision.notices {
            if let Some((_, per)) = self.limits.get(&notice.receiver) {
                let sent = self.sent.entry(notice.receiver.clone()).or_default();
                sent.retain(|at| now - *per < *at);
                sent.push(now);
            }
        }
    }
}
