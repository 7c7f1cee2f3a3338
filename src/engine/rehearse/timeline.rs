//! What came of a rehearsal.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::track::Tracks;
use crate::domain::incident::Incident;
use crate::domain::notification::{Change, Kind, Notice};

/// At most so many incidents, and so many notices, are kept; the others are counted.
const KEPT_MAX: usize = 100_000;

/// What came of a rehearsal.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when.
    pub to: DateTime<Utc>,
    /// Incidents that fired, by their beginning: those that ended and those still open at the end.
    pub incidents: Vec<Incident>,
    /// How many more there were than are kept.
    pub incidents_more: u64,
    /// What receivers would have been told, in order.
    pub notices: Vec<Notified>,
    /// How many more there were than are kept.
    pub notices_more: u64,
    /// The readings of the rule that was followed.
    pub tracks: Tracks,
    /// What became of each rule's slots.
    pub counts: BTreeMap<String, Counts>,
}

/// What became of a rule's slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Slots that were evaluated.
    pub evaluated: u64,
    /// Slots outside the rule's hours.
    pub outside: u64,
    /// Slots of which nothing could be known.
    pub unknown: u64,
    /// Breaches that were over before they had lasted long enough to fire.
    pub forgotten: u64,
    /// New records, of an event rule.
    pub records: u64,
}

/// A notice that would have been sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Notified {
    /// Its identity, the very one that it would have in earnest.
    pub key: String,
    /// When.
    pub at: DateTime<Utc>,
    /// To which receiver.
    pub receiver: String,
    /// What it is about.
    pub kind: Kind,
    /// Why it is sent.
    pub reason: String,
    /// The rule it is about, of several that of the first incident.
    pub rule: String,
    /// Its thread.
    pub thread: String,
    /// Ids of the incidents in it and what is said of each.
    pub incidents: Vec<(String, Change)>,
    /// The groups of its incidents, as people read them.
    pub groups: Vec<String>,
    /// Keys of the records in it, of an event rule.
    pub records: Vec<String>,
}

impl Notified {
    fn of(notice: &Notice) -> Notified {
        let items = || notice.items.iter();
        Notified {
            key: notice.key.clone(),
            at: notice.at,
            receiver: notice.receiver.clone(),
            kind: notice.kind,
            reason: notice.reason.clone(),
            rule: notice.rule().to_owned(),
            thread: notice.thread.clone(),
            incidents: items().map(|item| (item.incident.id.clone(), item.change)).collect(),
            groups: items().map(|item| item.incident.group.name()).collect(),
            records: notice.records.iter().map(|record| record.record.clone()).collect(),
        }
    }
}

impl Timeline {
    pub(super) fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Timeline {
        Timeline {
            from,
            to,
            incidents: Vec::new(),
            incidents_more: 0,
            notices: Vec::new(),
            notices_more: 0,
            tracks: Tracks::default(),
            counts: BTreeMap::new(),
        }
    }

    /// What becomes of a rule's slots.
    pub(super) fn count(&mut self, rule: &str) -> &mut Counts {
        self.counts.entry(rule.to_owned()).or_default()
    }

    /// An incident that ended, or is open at the end.
    pub(super) fn ended(&mut self, incident: Incident) {
        if self.incidents.len() < KEPT_MAX {
            self.incidents.push(incident);
        } else {
            self.incidents_more += 1;
        }
    }

    pub(super) fn told(&mut self, notice: &Notice) {
        if self.notices.len() < KEPT_MAX {
            self.notices.push(Notified::of(notice));
        } else {
            self.notices_more += 1;
        }
    }

    pub(super) fn sorted(mut self) -> Timeline {
        self.incidents.sort_by(|a, b| {
            let of = |i: &Incident| (i.began, i.rule.clone(), i.group.key.clone());
            of(a).cmp(&of(b))
        });
        self
    }

    /// The incidents of a rule.
    pub fn incidents_of<'t>(&'t self, rule: &str) -> impl Iterator<Item = &'t Incident> {
        self.incidents.iter().filter(move |incident| incident.rule == rule)
    }

    /// How many notices each receiver would have got about a rule.
    pub fn notices_by_receiver(&self, rule: &str) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for notice in self.notices.iter().filter(|notice| notice.rule == rule) {
            *counts.entry(notice.receiver.as_str()).or_default() += 1;
        }
        counts
    }
}
