//! Silences and acknowledgements: what people say about incidents, and what it hides.
//!
//! Both hide notifications and nothing else: rules go on being evaluated, incidents go on moving,
//! and whoever was told of an incident is told its end.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::incident::stored;

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
