//! Silences and acknowledgements: what people say about incidents, and what it hides.
//!
//! Both hide notifications and nothing else: rules go on being evaluated, incidents go on moving,
//! and whoever was told of an incident is told its end.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::incident::{Incident, Severity, stored};
use super::rule::Comparison;

/// No silence is longer: what is to be quiet for longer is a matter of the rule.
pub const LENGTH_MAX: TimeDelta = TimeDelta::days(30);

/// How long an acknowledgement holds where neither it nor the route says.
pub const ACK_FOR: TimeDelta = TimeDelta::hours(4);

/// Hides the incidents that its condition picks until it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Stable: 8 hex digits.
    pub id: String,
    /// A route condition over the labels of an incident, as it was written.
    pub condition: String,
    /// Who wrote it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it was written.
    #[serde(with = "stored::instant")]
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    #[serde(with = "stored::instant")]
    pub ends_at: DateTime<Utc>,
    /// Ends earlier, as soon as no incident that it hides is open.
    #[serde(default)]
    pub until_resolved: bool,
    /// When it was ended by hand, or because what it hid was over.
    #[serde(default, with = "stored::instant_if_any")]
    pub ended_at: Option<DateTime<Utc>>,
    /// What it does not hide: an incident that got worse.
    #[serde(default)]
    pub unless: Worse,
}

/// When an incident is worse than it was when a silence began to hide it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worse {
    /// At a higher level.
    pub level: bool,
    /// So many times as far beyond the threshold.
    pub factor: Option<f64>,
}

impl Default for Worse {
    fn default() -> Worse {
        Worse { level: true, factor: Some(2.0) }
    }
}

impl Worse {
    /// Nothing is: it hides whatever comes.
    pub const NEVER: Worse = Worse { level: false, factor: None };

    /// In words, for lists; `never`, `at a higher level or 2 times the excess`.
    pub fn words(self) -> String {
        match (self.level, self.factor) {
            (false, None) => "never".to_owned(),
            (true, None) => "at a higher level".to_owned(),
            (false, Some(factor)) => format!("at {factor} times the excess"),
            (true, Some(factor)) => format!("at a higher level or {factor} times the excess"),
        }
    }
}

/// What a silence did to one incident, as it is stored (serde; instants in milliseconds). Its key is
/// the silence and the incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hidden {
    /// The silence's id.
    pub silence: String,
    /// The incident's id, or the rule and key of a record.
    pub incident: String,
    /// Since when it is hidden.
    #[serde(with = "stored::instant")]
    pub at: DateTime<Utc>,
    /// The level it had then.
    pub level: Severity,
    /// How far its value was beyond the lowest threshold then; `None`: not a value.
    #[serde(default)]
    pub excess: Option<f64>,
    /// By receiver, how many notices were hidden, and up to which level.
    #[serde(default)]
    pub notices: BTreeMap<String, (u32, Severity)>,
    /// When it got worse, and was hidden no longer.
    #[serde(default, with = "stored::instant_if_any")]
    pub broken_at: Option<DateTime<Utc>>,
}

impl Silence {
    /// When it ends or ended.
    pub fn end(&self) -> DateTime<Utc> {
        self.ended_at.map_or(self.ends_at, |ended| ended.min(self.ends_at))
    }

    /// Whether it hides anything at an instant.
    pub fn is_live(&self, at: DateTime<Utc>) -> bool {
        at < self.end()
    }
}

/// How far an incident's value is beyond its rule's lowest threshold; `None`: it has no value.
pub fn excess(incident: &Incident) -> Option<f64> {
    let (_, threshold) = incident.about.levels.first()?;
    Some(threshold.parse::<Comparison>().ok()?.excess(incident.value?))
}

/// What a silence hid in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HiddenSum {
    /// Notices that would have been sent.
    pub notices: u64,
    /// Incidents they were about.
    pub incidents: u64,
    /// How many of those got worse than they were, and so were told.
    pub worse: u64,
}

/// Somebody took an incident: no reminders and no escalation until it runs out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The incident's id.
    pub incident: String,
    /// Who.
    pub by: String,
    /// What they said.
    #[serde(default)]
    pub note: Option<String>,
    /// When.
    #[serde(with = "stored::instant")]
    pub at: DateTime<Utc>,
    /// Until when it holds.
    #[serde(with = "stored::instant")]
    pub until: DateTime<Utc>,
}
