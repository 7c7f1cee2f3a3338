//! Notifications: what each receiver is owed, from what it was last told.
//!
//! Nothing here remembers a transition: an incident as it is now is compared with what each receiver
//! was last told of it ([`Told`]). So a decision that was lost before it was committed is simply made
//! again, the notices of replayed slots collapse to what is true now, and neither a changed route
//! nor a reload repeats anything. The promise: whoever was told of an incident is owed exactly one
//! closing notice, whatever the routes say by then.
//!
//! The caller commits the incidents, the changed [`Told`]s and the outbox rows of the notices in one
//! transaction; then each notice is made exactly once, and [`Notice::key`] is its identity.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use super::incident::{Incident, Severity, State, stored, words};
use super::route::{Labels, Route, pick};
use super::silence::{Ack, Silence};

mod correction;
mod decide;

pub use correction::{Correction, Verdict};
pub use decide::decide;
#[cfg(test)]
use decide::decide_group;

/// What one receiver was last told of one incident, as it is stored (serde; instants in
/// milliseconds). Its key is the incident and the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The incident's id.
    pub incident: String,
    /// The receiver's name.
    pub receiver: String,
    /// The level it takes the incident to be at. Follows the incident down without a notice, so that
    /// the next rise is told.
    pub level: Severity,
    /// When it was last told.
    #[serde(with = "stored::instant")]
    pub last_told_at: DateTime<Utc>,
    /// How often it was told.
    pub times: u32,
    /// Whether it was told the end: nothing follows.
    pub closed: bool,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The first one this receiver gets of this incident, or of this group of incidents.
    Fired,
    /// The incident rose above the level that the receiver was told.
    LevelUp,
    /// Several incidents of a group moved: some began, rose or ended while others go on.
    Changed,
    /// It still fires.
    Reminder,
    /// It is over, all of a group are: the closing one. Also the only one, where it fired and ended
    /// before anybody could be told.
    Resolved,
    /// Late or edited records changed what was told.
    Correction,
    /// New records of an event rule.
    Records,
    /// More changed than the receiver's limit lets through one by one: all of it in short.
    Summary,
}

impl Kind {
    /// The word for it, as in webhooks and the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Fired => "fired",
            Kind::LevelUp => "level_up",
            Kind::Changed => "changed",
            Kind::Reminder => "reminder",
            Kind::Resolved => "resolved",
            Kind::Correction => "correction",
            Kind::Records => "records",
            Kind::Summary => "summary",
        }
    }
}

/// What a notice says of one of its incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// News: this receiver had not been told of it.
    Fired,
    /// It rose above what this receiver was told.
    LevelUp,
    /// It goes on as told.
    Still,
    /// It is over.
    Resolved,
    /// What was told of it turned out wrong.
    Corrected,
}

/// One incident in a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What is said of it.
    pub change: Change,
    /// The incident as it is now: values, levels, times and its rule's words.
    pub incident: Incident,
    /// The level the receiver was told before, where it rose.
    pub from: Option<Severity>,
    /// From its beginning to its end, or to now.
    #[serde(with = "stored::length")]
    pub duration: TimeDelta,
    /// Who took it.
    pub ack: Option<Ack>,
    /// How many incidents of its rule and group fired within a day, this one included: many of them
    /// are flapping.
    pub recent: u32,
    /// What is worth knowing besides, each a sentence: which silence hid it, what was corrected.
    pub remarks: Vec<String>,
}

/// One message to one receiver about one or more incidents, or about records of an event rule: all
/// that rendering needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// `{thread}/{seq}/{receiver}`: never given to two notices.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// The receiver's name.
    pub receiver: String,
    /// What the notices of one thread have in common: the incident's id, or that of the group of
    /// incidents (a hash of the labels it is grouped by, never of a route's words).
    pub thread: String,
    /// Which notice of this thread to this receiver it is, from 1.
    pub seq: u32,
    /// When it was decided.
    #[serde(with = "stored::instant")]
    pub at: DateTime<Utc>,
    /// Why it is sent, for people.
    pub reason: String,
    /// The labels its route groups by, with their values; empty: one incident by itself.
    pub grouped_by: Labels,
    /// Its incidents: those that fire, the worst first, then those that ended. At most
    /// [`ITEMS_MAX`]; none where it is about records.
    pub items: Vec<Item>,
    /// How many more incidents of the group fire.
    pub more_firing: u64,
    /// How many more have just ended.
    pub more_ended: u64,
    /// How late this is told, where that is more than the usual wait: it happened while postrider
    /// was down or could not see the data.
    #[serde(with = "stored::length_if_any")]
    pub late: Option<TimeDelta>,
    /// Earlier incidents of the same rule and group that fired and ended before anybody could be
    /// told, oldest first: this notice is their only one.
    pub passed: Vec<Passed>,
    /// How many more of those there were, earlier than the ones listed.
    pub passed_more: usize,
    /// New records of an event rule, oldest first; at most [`ITEMS_MAX`].
    pub records: Vec<Occurrence>,
    /// How many more there were.
    pub records_more: u64,
    /// The receiver it was for, and why it is told to another one instead.
    pub instead_of: Option<(String, String)>,
}

impl Notice {
    /// The incident it is about, or the first of them; `None`: it is about records.
    pub fn first(&self) -> Option<&Incident> {
        self.items.first().map(|item| &item.incident)
    }

    /// The rule it is about; of a group of several rules' incidents that of the first.
    pub fn rule(&self) -> &str {
        let of_records = self.records.first().map_or("", |record| record.rule.as_str());
        self.first().map_or(of_records, |incident| incident.rule.as_str())
    }
}

/// At most so many incidents or records are listed in one notice; the others are counted.
pub const ITEMS_MAX: usize = 50;

/// A new record that an event rule matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The rule's name.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// The record's key: with the rule its identity.
    pub record: String,
    /// When the record became visible.
    #[serde(with = "stored::instant")]
    pub at: DateTime<Utc>,
    /// When the rule saw it.
    #[serde(with = "stored::instant")]
    pub seen_at: DateTime<Utc>,
    /// Headings and shown values of the rule's columns.
    pub shown: Vec<(String, String)>,
    /// The record's page.
    pub link: Option<String>,
    /// What routes see: the rule's labels, `rule` and `level`, and its groups.
    pub labels: Labels,
}

/// At most so many passed incidents are listed in one notice.
pub const PASSED_MAX: usize = 20;

/// Told later than this is told as late. More than the settling of a rule and a pull take together.
pub const LATE_AFTER: TimeDelta = TimeDelta::minutes(15);

/// An incident that fired and ended before anybody could be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// Its id.
    pub incident: String,
    /// Its beginning.
    #[serde(with = "stored::instant")]
    pub began: DateTime<Utc>,
    /// Its end.
    #[serde(with = "stored::instant_if_any")]
    pub ended: Option<DateTime<Utc>>,
    /// The highest level it was at.
    pub peak: Severity,
    /// Its worst value.
    pub worst: Option<f64>,
}

/// Why a receiver is not told anything now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The incident's id.
    pub incident: String,
    /// The receiver's name; `None`: all.
    pub receiver: Option<String>,
    /// Why.
    pub reason: String,
}

/// What is owed now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// To send, oldest incident first.
    pub notices: Vec<Notice>,
    /// The rows to store: new and changed ones only.
    pub told: Vec<Told>,
    /// Ended incidents of which nobody is owed anything any more.
    pub done: Vec<String>,
    /// Records of event rules that now have been told to everybody: rule and key.
    pub told_records: Vec<(String, String)>,
    /// Corrections that now have been told to everybody, or that nobody is owed: incident and slot.
    pub told_corrections: Vec<(String, DateTime<Utc>)>,
    /// Who is told nothing, and why: for `explain`, not for a ledger line at each slot.
    pub quiet: Vec<Quiet>,
    /// If nothing changes, nothing becomes due before; `None`: never.
    pub next: Option<DateTime<Utc>>,
}

/// What decisions are made from.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Incidents that are open, or have ended and somebody may still be owed something; by id.
    pub incidents: &'a BTreeMap<String, Incident>,
    /// What was told of them: by incident, then by receiver.
    pub told: &'a BTreeMap<String, BTreeMap<String, Told>>,
    /// Records of event rules of which somebody is still to be told.
    pub occurrences: &'a [Occurrence],
    /// Verdicts that turned out otherwise, of which somebody is still to be told. Their incidents are
    /// among `incidents`.
    pub corrections: &'a [Correction],
    /// Silences that have not ended.
    pub silences: &'a [Silence],
    /// Acknowledgements by incident.
    pub acks: &'a BTreeMap<String, Ack>,
    /// The routes.
    pub routes: &'a [Route],
    /// Rules that cannot see their data, with the reason.
    pub blind: &'a BTreeMap<String, String>,
}

/// The next instant at which [`decide`] would remind somebody of this incident, if nothing else
/// happens. An absolute deadline: so long after the receiver was last told.
pub fn next_reminder(
    incident: &Incident,
    told: &[Told],
    routes: &[Route],
) -> Option<DateTime<Utc>> {
    if incident.state != State::Firing {
        return None;
    }
    let route = &routes[pick(routes, &incident.labels())?];
    let repeat = route.repeat?;
    let picked = told.iter().filter(|told| {
        told.incident == incident.id && !told.closed && route.to.contains(&told.receiver)
    });
    picked.map(|told| told.last_told_at + repeat).min()
}

/// How late something that happened then is told now, where it is late at all.
fn lateness(happened: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<TimeDelta> {
    happened.map(|at| now - at).filter(|late| *late > LATE_AFTER)
}

/// `, 2 h 5 min ago while postrider was down or without data`, or nothing.
fn late_words(late: Option<TimeDelta>) -> String {
    late.map_or(String::new(), |late| {
        format!(", {} ago while postrider was down or without data", words(late))
    })
}

#[cfg(test)]
mod tests;
