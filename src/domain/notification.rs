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

use super::incident::{Incident, Severity, State, stored, words};
use super::route::{Labels, Route, pick};

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
    /// How often it was told.
    pub times: u32,
    /// Whether it was told the end: nothing follows.
    pub closed: bool,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The first one this receiver gets of this incident.
    Fired,
    /// The incident rose above the level that the receiver was told.
    LevelUp,
    /// It still fires.
    Reminder,
    /// It is over: the closing one. Also the only one, where it fired and ended before anybody could
    /// be told.
    Resolved,
}

impl Kind {
    /// The word for it, as in webhooks and the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Fired => "fired",
            Kind::LevelUp => "level_up",
            Kind::Reminder => "reminder",
            Kind::Resolved => "resolved",
        }
    }
}

/// One message to one receiver about one incident: all that rendering needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// `{incident}/{seq}/{receiver}`: never given to two notices.
    pub key: String,
    /// What it is about.
    pub kind: Kind,
    /// The receiver's name.
    pub receiver: String,
    /// Which notice of this incident to this receiver it is, from 1. Those of one incident are one
    /// thread.
    pub seq: u32,
    /// Why it is sent, for people.
    pub reason: String,
    /// The incident as it is now: values, levels, times and its rule's words.
    pub incident: Incident,
    /// The incident's labels.
    pub labels: Labels,
    /// The breach of the level it is at, e.g. `> 300`.
    pub threshold: String,
    /// From its beginning to its end, or to now.
    #[serde(with = "stored::length")]
    pub duration: TimeDelta,
    /// How late this is told, where that is more than the usual wait: it happened while postrider
    /// was down or could not see the data.
    #[serde(with = "late")]
    pub late: Option<TimeDelta>,
    /// Earlier incidents of the same rule and group that fired and ended before anybody could be
    /// told, oldest first: this notice is their only one.
    pub passed: Vec<Passed>,
    /// How many more of those there were, earlier than the ones listed.
    pub passed_more: usize,
}

/// At most so many passed incidents are listed in one notice.
pub const PASSED_MAX: usize = 20;

/// Told later than this is told as late. More than the settling of a rule and a pull take together.
pub const LATE_AFTER: TimeDelta = TimeDelta::minutes(15);

/// An incident that fired and ended before anybody could be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Who is told nothing, and why: for `explain`, not for a ledger line at each slot.
    pub quiet: Vec<Quiet>,
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

mod late {
    //! A length of time in milliseconds, or nothing.

    use chrono::TimeDelta;
    use serde::{Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        late: &Option<TimeDelta>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        late.map(|late| late.num_milliseconds()).serialize(to)
    }
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
