//! Corrections: what was judged turns out otherwise, because records came late or were edited after
//! their window had been judged.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::incident::stored;

/// A verdict that turned out otherwise. It is about an incident: one that fired, or one that would
/// have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// The incident's id; with the slot its identity.
    pub incident: String,
    /// The rule's name.
    pub rule: String,
    /// The slot that was judged.
    #[serde(with = "stored::instant")]
    pub slot: DateTime<Utc>,
    /// What turned out otherwise.
    pub verdict: Verdict,
    /// The value as it was judged; `None`: there was none.
    pub was: Option<f64>,
    /// The value as the records have it now; `None`: there is none.
    pub now: Option<f64>,
    /// When that was found.
    #[serde(with = "stored::instant")]
    pub found_at: DateTime<Utc>,
}

/// What turned out otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It fired by a value that breaches no threshold any more. The incident is as it was; whoever was
    /// told of it is told this, in its thread.
    NotInBreach,
    /// It was judged clear, or there was nothing to judge, and it would have fired. The incident is one
    /// that was over when it was found: whoever its route picks is told of it once, as late.
    InBreach,
}

impl Correction {
    /// A sentence for people; `value` writes a value as its rule does.
    pub fn sentence(&self, value: impl Fn(f64) -> String) -> String {
        let seen = |seen: Option<f64>| seen.map_or("no value".to_owned(), &value);
        let (was, now) = (seen(self.was), seen(self.now));
        match self.verdict {
            Verdict::NotInBreach => format!(
                "It fired by {was}. Records that came or changed since make that {now}, which is no \
                 breach."
            ),
            Verdict::InBreach => format!(
                "It was judged by {was} and did not fire. Records that came or changed since make \
                 that {now}, by which it would have."
            ),
        }
    }
}
