//! Drafts: notices that are due, with the rows that are stored once they are sent.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::super::incident::{Incident, Severity};
use super::super::super::route::{Labels, Route};
use super::super::{Change, ITEMS_MAX, Kind, LATE_AFTER, Notice, Passed, Thread, Told};
use super::{Item, Work};

/// Of the incidents of a full notice so many may be ended ones.
const ENDED_LEAST: usize = 10;

/// A notice that is due.
pub(super) struct Draft<'a> {
    pub(super) notice: Notice,
    /// What the receiver knows by it.
    pub(super) told: Vec<Told>,
    /// The threads it is told in, where they are not one incident's.
    pub(super) threads: Vec<Thread>,
    /// What it is about, beyond those that are listed.
    pub(super) lines: Vec<Line<'a>>,
    /// Records it tells of: rule and key.
    pub(super) records: Vec<(String, String)>,
    /// Beginnings in it: should it wait, they are owed.
    pub(super) beginnings: Vec<&'a Incident>,
}

/// An incident in a draft.
#[derive(Clone)]
pub(super) struct Line<'a> {
    pub(super) incident: &'a Incident,
    pub(super) change: Change,
    pub(super) from: Option<Severity>,
    pub(super) remarks: Vec<String>,
}

impl<'a> Line<'a> {
    pub(super) fn new(incident: &'a Incident, change: Change) -> Line<'a> {
        Line { incident, change, from: None, remarks: Vec::new() }
    }

    fn ended(&self) -> bool {
        !self.incident.is_open()
    }
}

impl<'a> Work<'a> {
    /// A notice of some incidents: the worst first, then those that ended, up to the bound.
    pub(super) fn draft(
        &self,
        kind: Kind,
        (thread, seq, receiver): (&str, u32, &str),
        lines: Vec<Line<'a>>,
        reason: String,
    ) -> Draft<'a> {
        let mut notice = self.empty(kind, (thread, seq, receiver), reason);
        let lines = self.list(&mut notice, lines);
        Draft {
            notice,
            told: Vec::new(),
            threads: Vec::new(),
            lines,
            records: Vec::new(),
            beginnings: Vec::new(),
        }
    }

    pub(super) fn empty(
        &self,
        kind: Kind,
        (thread, seq, receiver): (&str, u32, &str),
        reason: String,
    ) -> Notice {
        Notice {
            key: format!("{thread}/{seq}/{receiver}"),
            kind,
            receiver: receiver.to_owned(),
            thread: thread.to_owned(),
            seq,
            at: self.now,
            reason,
            grouped_by: Labels::new(),
            items: Vec::new(),
            more_firing: 0,
            more_ended: 0,
            late: None,
            passed: Vec::new(),
            passed_more: 0,
            records: Vec::new(),
            records_more: 0,
            instead_of: None,
        }
    }

    /// Puts incidents into a notice, in order, up to the bound. Gives all of them back in that order.
    pub(super) fn list(&self, notice: &mut Notice, mut lines: Vec<Line<'a>>) -> Vec<Line<'a>> {
        lines.sort_by_cached_key(|line| {
            let incident = line.incident;
            (
                line.ended(),
                Reverse(incident.level_index(&incident.level)),
                line.change == Change::Still,
                Reverse(Ordered(beyond(incident))),
                incident.began,
                incident.id.as_str(),
            )
        });
        let firing = lines.iter().take_while(|line| !line.ended()).count();
        let ended = lines.len() - firing;
        let firing_listed = firing.min(ITEMS_MAX - ended.min(ENDED_LEAST));
        let ended_listed = ended.min(ITEMS_MAX - firing_listed);
        let listed = lines[..firing_listed].iter().chain(&lines[firing..firing + ended_listed]);
        notice.items = listed.map(|line| self.item(line)).collect();
        notice.more_firing = (firing - firing_listed) as u64;
        notice.more_ended = (ended - ended_listed) as u64;
        lines
    }

    fn item(&self, line: &Line<'_>) -> Item {
        let incident = line.incident;
        let key = (incident.rule.as_str(), incident.group.key.as_str());
        let day = self.now - TimeDelta::days(1);
        let fired = self.recent.get(&key).map_or(&[][..], Vec::as_slice);
        let recent = fired.iter().filter(|at| **at > day).count().max(1);
        Item {
            change: line.change,
            incident: incident.clone(),
            from: line.from.clone(),
            duration: incident.duration(self.now),
            ack: self.world.acks.get(&incident.id).filter(|ack| self.now < ack.until).cloned(),
            recent: u32::try_from(recent).unwrap_or(u32::MAX),
            remarks: line.remarks.clone(),
        }
    }

    /// What a receiver knows of an incident after it is told now.
    pub(super) fn knows(
        &self,
        incident: &Incident,
        receiver: &str,
        thread: &str,
        before: Option<&Told>,
        closed: bool,
    ) -> Told {
        let corrections = self.world.corrections.iter().filter(|c| c.incident == incident.id);
        Told {
            incident: incident.id.clone(),
            receiver: receiver.to_owned(),
            level: incident.level.clone(),
            last_told_at: self.now,
            times: before.map_or(0, |told| told.times) + 1,
            closed,
            thread: (thread != incident.id).then(|| thread.to_owned()),
            reminders: 0,
            // Who hears of it only now hears what is true.
            corrected: match before {
                Some(told) => told.corrected,
                None => corrections.map(|c| c.number).max().unwrap_or(0),
            },
        }
    }

    /// How late something is told that happened then, because postrider learned of it late. What was
    /// held back for another reason is not late.
    pub(super) fn late(
        &self,
        incident: &Incident,
        happened: Option<DateTime<Utc>>,
        route: Option<&Route>,
    ) -> Option<TimeDelta> {
        let learned = incident.moved_at.unwrap_or(self.now);
        let waits = route.map_or(TimeDelta::zero(), |route| route.wait.max(route.interval));
        let held = if waits < LATE_AFTER { waits } else { TimeDelta::zero() };
        if self.now - learned > held {
            return None;
        }
        happened.map(|at| learned - at).filter(|late| *late > LATE_AFTER)
    }
}

/// A number in the order of [`f64::total_cmp`].
struct Ordered(f64);

impl Ord for Ordered {
    fn cmp(&self, other: &Ordered) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Ordered) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Ordered) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

/// How far a value is beyond the threshold of its level, as a share of it: so that incidents of
/// several rules can be put in order.
fn beyond(incident: &Incident) -> f64 {
    let threshold = incident.threshold().parse::<super::super::super::rule::Comparison>();
    match (threshold, incident.value) {
        (Ok(threshold), Some(value)) => threshold.excess(value) / threshold.than.abs().max(1e-9),
        _ => 0.0,
    }
}

pub(super) fn passed(incident: &Incident) -> Passed {
    Passed {
        incident: incident.id.clone(),
        began: incident.began,
        ended: incident.resolved.map(|resolved| resolved.at),
        peak: incident.peak.clone(),
        worst: incident.worst,
    }
}

/// Drafts of single incidents by rule, group and receiver: what carries lines about earlier ones.
pub(super) fn carriers(drafts: &[Draft<'_>]) -> BTreeMap<(String, String, String), usize> {
    let single = drafts.iter().enumerate().filter_map(|(index, draft)| {
        let [line] = draft.lines.as_slice() else { return None };
        let incident = line.incident;
        let own = draft.notice.thread == incident.id && incident.is_open();
        let key =
            (incident.rule.clone(), incident.group.key.clone(), draft.notice.receiver.clone());
        own.then_some((key, index))
    });
    single.collect()
}
