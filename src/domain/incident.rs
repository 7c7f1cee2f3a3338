//! Incidents: one episode of a rule for one group, from its first breach to its end.
//!
//! ```text
//!            breach            held for `for`          clear
//!   (none) ---------> pending ----------------> firing -----> recovering --> resolved
//!                        |                        ^  |  breach    |   clear for `keep_firing_for`
//!                        +--> (none)              +--+------------+
//!                     clear: nobody was told     the same incident
//! ```
//!
//! Promises: the beginning never moves; a new episode is a new incident with a new id; only a
//! reading that proves it ends an incident. What is not known (source down, data incomplete, closed
//! hours, the daemon not running) moves nothing and counts towards no hold: see [`Timer`]. Whom to
//! tell is [`super::notification`]'s.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::calendar::Calendar;
use super::report::Format;
use super::route::Labels;
use super::rule::readings::Group;
use super::rule::slots::Slot;
use super::rule::{Hold, Level, Reading, Rule};

mod step;
pub(crate) mod stored;

pub use step::{Step, Transition, close, step};

/// One episode of a rule for one group, as it is stored (serde; instants and lengths of time in
/// milliseconds).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Stable: a hash of the rule's name, the group's key and the beginning; 16 hex digits.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// The group; its shown values are those last seen.
    pub group: Group,
    /// Where it stands.
    pub state: State,
    /// The slot of the first breach. Never moves.
    #[serde(with = "stored::instant")]
    pub began: DateTime<Utc>,
    /// The slot at which it fired.
    #[serde(default, with = "stored::instant_if_any")]
    pub fired_at: Option<DateTime<Utc>>,
    /// The level it is at; while recovering and after, the last one it was at.
    pub level: Severity,
    /// The slot at which it came to that level.
    #[serde(with = "stored::instant")]
    pub level_since: DateTime<Utc>,
    /// The highest level it was at.
    pub peak: Severity,
    /// The value of the last reading, what levels judge; `None` where that was not a value.
    pub value: Option<f64>,
    /// The value as it was measured, where levels judge how it compares: 12, where `usual` is 48 and
    /// the `value` -0.75.
    #[serde(default)]
    pub measured: Option<f64>,
    /// How many records the last value was computed from.
    #[serde(default)]
    pub records: Option<u64>,
    /// What the last value was compared with. Of a comparison with the previous window it is the one
    /// before the incident began, as long as it is open.
    #[serde(default)]
    pub usual: Option<f64>,
    /// When the clock said that it last moved: the commit of its last transition, which is later than
    /// the slot by what the data took to come.
    #[serde(default, with = "stored::instant_if_any")]
    pub moved_at: Option<DateTime<Utc>>,
    /// The value when it fired.
    pub value_at_fire: Option<f64>,
    /// The worst value so far.
    pub worst: Option<f64>,
    /// How long the breach has lasted, until it fired.
    pub held: Timer,
    /// How long it has been clear, while recovering.
    #[serde(default)]
    pub clear: Option<Timer>,
    /// How long its group has been gone.
    #[serde(default)]
    pub gone: Option<Timer>,
    /// What the last reading was.
    pub last_reading: Reading,
    /// The slot of the last reading.
    #[serde(with = "stored::instant")]
    pub last_read_at: DateTime<Utc>,
    /// Its end.
    #[serde(default)]
    pub resolved: Option<Resolution>,
    /// What its rule said at the last reading. Incidents of one rule share it while they are in memory.
    #[serde(with = "stored::shared")]
    pub about: Arc<About>,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// In breach, not yet for as long as the rule's hold. Nobody is told.
    Pending,
    /// In breach.
    Firing,
    /// Clear, not yet for as long as `keep_firing_for`.
    Recovering,
    /// Over. It never opens again.
    Resolved,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Firing => "firing",
            State::Recovering => "recovering",
            State::Resolved => "resolved",
        }
    }
}

/// A level of a rule as an incident remembers it: a rule may be edited while its incident is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Severity {
    /// Index into the rule's levels at the time.
    pub index: usize,
    /// Its name: what counts when the levels were edited.
    pub name: String,
}

impl Severity {
    /// The index it has among levels with these names: that of its name, else its own, cut to fit.
    pub fn index_among<'a>(&self, names: impl ExactSizeIterator<Item = &'a str>) -> usize {
        let last = names.len().saturating_sub(1);
        let mut names = names;
        names.position(|name| name == self.name).unwrap_or(self.index.min(last))
    }
}

/// Time that was seen to pass, for a hold.
///
/// A reading vouches for the time since the reading before it that counted, but at most for its
/// slot's reach (one `every`; see [`super::rule::slots::Slot::reach`]). So a hold is measured on the
/// time of the data, and a stretch that nobody saw does not count towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// The slot at which it began.
    #[serde(with = "stored::instant")]
    pub since: DateTime<Utc>,
    /// How much counts.
    #[serde(with = "stored::length")]
    pub counted: TimeDelta,
    /// The slot of the last reading that counted.
    #[serde(with = "stored::instant")]
    pub last: DateTime<Utc>,
    /// How many readings counted, the first included. One that was stored before readings were
    /// counted has counted the first.
    #[serde(default = "one")]
    pub evaluations: u32,
}

fn one() -> u32 {
    1
}

impl Timer {
    /// Begins with the reading of a slot. Where a `clock` is given only its open hours count.
    fn start(slot: &Slot, clock: Option<&Calendar>) -> Timer {
        let counts = clock.is_none_or(|clock| clock.contains(slot.at));
        Timer {
            since: slot.at,
            counted: TimeDelta::zero(),
            last: slot.at,
            evaluations: u32::from(counts),
        }
    }

    fn advance(&mut self, slot: &Slot, clock: Option<&Calendar>) {
        if slot.at <= self.last {
            return;
        }
        // What lies further back than the slot vouches for was seen by nobody.
        let from = self.last.max(slot.at - slot.reach.max(TimeDelta::zero()));
        let (seen, counts) = match clock {
            Some(clock) => (clock.open_between(from, slot.at), clock.contains(slot.at)),
            None => (slot.at - from, true),
        };
        self.counted += seen;
        self.evaluations = self.evaluations.saturating_add(u32::from(counts));
        self.last = slot.at;
    }

    /// Whether it has lasted as long as it must.
    fn has_lasted(&self, hold: Hold) -> bool {
        match hold {
            Hold::Length(length) => self.counted >= length,
            Hold::Evaluations(count) => self.evaluations >= count,
        }
    }

    /// How long it has lasted, as the hold counts: `10 min`, `2 evaluations`.
    fn lasted(&self, hold: Hold) -> String {
        match hold {
            Hold::Length(_) => words(self.counted),
            Hold::Evaluations(_) => Hold::Evaluations(self.evaluations).to_string(),
        }
    }
}

/// The end of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// When.
    #[serde(with = "stored::instant")]
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Reason,
}

/// Why an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The value was clear for long enough.
    Cleared,
    /// Its group had no records for long enough: nothing says that all is well.
    Gone,
    /// Its rule is no longer in the config.
    RuleRemoved,
}

impl Reason {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Cleared => "the value is back to normal",
            Reason::Gone => "no more data",
            Reason::RuleRemoved => "the rule was removed from the config",
        }
    }
}

/// What a notice says of the rule. Kept with the incident, so that one whose rule was removed can
/// still be told to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The rule's title.
    pub title: String,
    /// The rule's labels.
    pub labels: BTreeMap<String, String>,
    /// Name and breach of each level, e.g. (`warning`, `> 300`).
    pub levels: Vec<(String, String)>,
    /// How the value is written.
    #[serde(with = "stored::format")]
    pub format: Format,
    /// How what was measured and what is usual are written; `None`: as the value.
    #[serde(default, with = "stored::format_if_any")]
    pub format_measured: Option<Format>,
    /// What to do.
    pub runbook: Option<String>,
    /// Who looks after the rule.
    #[serde(default)]
    pub owner: Option<String>,
}

impl About {
    /// What a rule says now: as it was known, where it says the same.
    fn known_or_of(known: &Arc<About>, rule: &Rule) -> Arc<About> {
        let about = About::of(rule);
        if **known == about { Arc::clone(known) } else { Arc::new(about) }
    }

    fn of(rule: &Rule) -> About {
        let text = |level: &Level| (level.name.clone(), level.breach.to_string());
        About {
            title: rule.title.clone(),
            labels: rule.labels.clone(),
            levels: rule.levels.iter().map(text).collect(),
            format: rule.format,
            format_measured: rule.usual.as_ref().map(|_| rule.format_measured),
            runbook: rule.runbook.clone(),
            owner: rule.owner.clone(),
        }
    }
}

impl Incident {
    /// Whether it has not ended: what the engine keeps stepping, and what is never cleaned up.
    pub fn is_open(&self) -> bool {
        self.state != State::Resolved
    }

    /// From its beginning to its end, or to `now`.
    pub fn duration(&self, now: DateTime<Utc>) -> TimeDelta {
        let end = self.resolved.map_or(now, |resolved| resolved.at);
        (end - self.began).max(TimeDelta::zero())
    }

    /// What routes see: the rule's labels, under them each group heading with its shown value, and
    /// before all `rule` and `level` (the level it is at).
    pub fn labels(&self) -> Labels {
        self.labels_at(&self.level)
    }

    /// The labels it would have at another of its levels.
    pub(super) fn labels_at(&self, level: &Severity) -> Labels {
        let mut labels = self.about.labels.clone();
        labels.extend(self.group.shown.iter().cloned());
        labels.insert("rule".into(), self.rule.clone());
        labels.insert("level".into(), level.name.clone());
        labels
    }

    /// The index a level has among the levels its rule had at the last reading.
    pub(super) fn level_index(&self, level: &Severity) -> usize {
        level.index_among(self.about.levels.iter().map(|(name, _)| name.as_str()))
    }

    /// The breach of the level it is at, e.g. `> 300`.
    pub fn threshold(&self) -> &str {
        let index = self.level_index(&self.level);
        self.about.levels.get(index).map_or("", |(_, threshold)| threshold)
    }
}

/// The id of the incident of a rule and a group that began then.
fn incident_id(rule: &str, group: &str, began: DateTime<Utc>) -> String {
    let mut hash = Sha256::new();
    // Lengths first: no two triples give the same bytes.
    for part in [rule, group] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(began.timestamp_millis().to_be_bytes());
    let mut id = String::with_capacity(16);
    for byte in &hash.finalize()[..8] {
        write!(id, "{byte:02x}").expect("writing to a string");
    }
    id
}

/// A length of time for people: its two largest units, e.g. `2 h 5 min`.
pub(crate) fn words(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let shown = parts[first..].iter().take(2).filter(|(n, _)| *n > 0 || first == 3);
    shown.map(|(n, unit)| format!("{n} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
