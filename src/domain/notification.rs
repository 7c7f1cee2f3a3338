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

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::incident::{Incident, Severity, stored, words};
use super::route::{Inhibition, Labels, Route};
use super::silence::{Ack, Hidden, Silence};

mod decide;

pub use decide::decide;

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
    /// How often it was told. 0: not yet, and it is owed (others were told); with `closed`: it is not
    /// owed either, since the incident was hidden from its beginning to its end.
    pub times: u32,
    /// Whether it was told the end: nothing follows but corrections.
    pub closed: bool,
    /// The thread it was told in, where that is not the incident's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// How many reminders it got since there was news.
    #[serde(default)]
    pub reminders: u32,
    /// The number of the last correction it was told.
    #[serde(default)]
    pub corrected: u32,
}

impl Told {
    /// Whether it was told at all.
    pub fn knows(&self) -> bool {
        self.times > 0
    }
}

/// What one receiver got in a thread of several incidents, of records, or of summaries, as it is
/// stored (serde; instants in milliseconds). Its key is the thread and the receiver; it is kept when
/// all that was told in it is over, so that no notice gets the key of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The thread's id.
    pub thread: String,
    /// The receiver's name.
    pub receiver: String,
    /// How many notices it got.
    pub seq: u32,
    /// When it got the last one.
    #[serde(with = "stored::instant")]
    pub at: DateTime<Utc>,
    /// How many reminders it got since there was news.
    #[serde(default)]
    pub reminders: u32,
}

/// That late or edited records changed what was told of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// The incident's id.
    pub incident: String,
    /// Which correction of this incident it is, from 1.
    pub number: u32,
    /// When it was found.
    #[serde(with = "stored::instant")]
    pub at: DateTime<Utc>,
    /// What was told and what is true now, a sentence.
    pub words: String,
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
    /// Why, with who or what is the cause.
    pub reason: String,
    /// Until when, where that is known and nothing else happens.
    pub until: Option<DateTime<Utc>>,
}

/// What is owed now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// To send.
    pub notices: Vec<Notice>,
    /// The rows to store: new and changed ones only.
    pub told: Vec<Told>,
    /// The threads to store: new and changed ones only.
    pub threads: Vec<Thread>,
    /// What silences hid: new and changed rows only.
    pub hidden: Vec<Hidden>,
    /// Silences that are over because nothing that they hide is open: their ids.
    pub ended_silences: Vec<String>,
    /// Ended incidents of which nobody is owed anything any more.
    pub done: Vec<String>,
    /// Records of event rules that now have been told to everybody: rule and key.
    pub told_records: Vec<(String, String)>,
    /// Records that have been told to one receiver while others wait: rule, key, receiver.
    pub told_in_part: Vec<(String, String, String)>,
    /// Corrections that everybody has been told who is concerned: incident and number.
    pub told_corrections: Vec<(String, u32)>,
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
    /// Who has been told of those already: by rule and key, receivers.
    pub told_in_part: &'a BTreeMap<(String, String), BTreeSet<String>>,
    /// Corrections of which somebody may still be to be told.
    pub corrections: &'a [Correction],
    /// Silences that have not ended, and those that have lately.
    pub silences: &'a [Silence],
    /// What they hid: by silence, then by incident.
    pub hidden: &'a BTreeMap<String, BTreeMap<String, Hidden>>,
    /// Acknowledgements by incident.
    pub acks: &'a BTreeMap<String, Ack>,
    /// What was told in threads of several incidents: by thread, then by receiver.
    pub threads: &'a BTreeMap<String, BTreeMap<String, Thread>>,
    /// The routes.
    pub routes: &'a [Route],
    /// Which incidents hide which.
    pub inhibitions: &'a [Inhibition],
    /// By rule, the rules it depends on.
    pub depends_on: &'a BTreeMap<String, Vec<String>>,
    /// Rules that cannot see their data, with the reason.
    pub blind: &'a BTreeMap<String, String>,
    /// By receiver, how many notices it takes in which time.
    pub limits: &'a BTreeMap<String, (u32, TimeDelta)>,
    /// By receiver, when it was sent notices lately, in order.
    pub sent: &'a BTreeMap<String, Vec<DateTime<Utc>>>,
}

impl<'a> World<'a> {
    /// A world of incidents, what was told of them, and routes; nothing else in it.
    pub fn of(
        incidents: &'a BTreeMap<String, Incident>,
        told: &'a BTreeMap<String, BTreeMap<String, Told>>,
        routes: &'a [Route],
    ) -> World<'a> {
        static IN_PART: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        static HIDDEN: BTreeMap<String, BTreeMap<String, Hidden>> = BTreeMap::new();
        static ACKS: BTreeMap<String, Ack> = BTreeMap::new();
        static THREADS: BTreeMap<String, BTreeMap<String, Thread>> = BTreeMap::new();
        static DEPENDS_ON: BTreeMap<String, Vec<String>> = BTreeMap::new();
        static BLIND: BTreeMap<String, String> = BTreeMap::new();
        static LIMITS: BTreeMap<String, (u32, TimeDelta)> = BTreeMap::new();
        static SENT: BTreeMap<String, Vec<DateTime<Utc>>> = BTreeMap::new();
        World {
            incidents,
            told,
            occurrences: &[],
            told_in_part: &IN_PART,
            corrections: &[],
            silences: &[],
            hidden: &HIDDEN,
            acks: &ACKS,
            threads: &THREADS,
            routes,
            inhibitions: &[],
            depends_on: &DEPENDS_ON,
            blind: &BLIND,
            limits: &LIMITS,
            sent: &SENT,
        }
    }
}

/// The id of a thread that is not one incident's: a hash of labels and their values, never of a
/// route's words, so that a route written anew repeats nothing. 16 hexadecimal digits.
fn group_id(kind: &str, labels: &Labels) -> String {
    let mut hash = Sha256::new();
    let pairs = labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for part in std::iter::once(kind).chain(pairs) {
        // Lengths first: no two lists give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut id = String::with_capacity(16);
    for byte in &hash.finalize()[..8] {
        write!(id, "{byte:02x}").expect("writing to a string");
    }
    id
}

/// What the threads of summaries are made of.
const SUMMARY: &str = "summary";

/// `, 2 h 5 min ago while postrider was down or without data`, or nothing.
fn late_words(late: Option<TimeDelta>) -> String {
    late.map_or(String::new(), |late| {
        format!(", {} ago while postrider was down or without data", words(late))
    })
}

#[cfg(test)]
mod tests;
