//! Rules: a condition on a value computed from records, with levels and holds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::TimeDelta;

use super::calendar::Calendar;
use super::query::Query;
use super::zone::Zone;

/// A `state` rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in `[rules]`: identity.
    pub name: String,
    /// What is wrong when it fires.
    pub title: String,
    /// Grouped by the rule's groups; column 0 is the value, column 1 the count of records.
    pub query: Arc<Query>,
    /// Evaluate over `[end - window, end)`; `None`: the state as it is at the slot.
    pub window: Option<TimeDelta>,
    /// The grid of slots: multiples of it since 1970 UTC.
    pub every: TimeDelta,
    /// Wait so long after a window's end before it is judged.
    pub settle: TimeDelta,
    /// Rising levels.
    pub levels: Vec<Level>,
    /// How long a breach must last before it fires.
    pub hold: TimeDelta,
    /// How long a clear must last before it resolves.
    pub keep_firing_for: TimeDelta,
    /// Fewer records than this is an *empty* reading.
    pub min_records: u64,
    /// Evaluate only windows wholly inside these hours.
    pub during: Option<Arc<Calendar>>,
    /// What an empty reading does.
    pub when_empty: WhenEmpty,
    /// What a group without rows in a complete window does.
    pub when_gone: WhenGone,
    /// At most so many groups; the worst are kept and the overflow is an incident of its own.
    pub max_groups: usize,
    /// For routes and for people.
    pub labels: BTreeMap<String, String>,
    /// How the value is written.
    pub format: super::report::Format,
    /// The zone of calendar functions.
    pub zone: Zone,
    /// A line for the reader: what to do.
    pub runbook: Option<String>,
    /// Fingerprint of the definition's text.
    pub hash: String,
}

/// One severity step.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// `warning`, `critical`, ...
    pub name: String,
    /// Reached when the value compares so.
    pub breach: Comparison,
    /// Left when the value compares so; `None`: as soon as `breach` no longer holds.
    pub recover: Option<Comparison>,
}

/// A comparison whose left side is the value, e.g. `> 300`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The operator.
    pub op: Op,
    /// The right side.
    pub than: f64,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the operators")]
pub enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Different,
}

impl Comparison {
    /// Whether a value satisfies it.
    pub fn holds(self, value: f64) -> bool {
        match self.op {
            Op::Less => value < self.than,
            Op::LessOrEqual => value <= self.than,
            Op::Greater => value > self.than,
            Op::GreaterOrEqual => value >= self.than,
            Op::Equal => value == self.than,
            Op::Different => value != self.than,
        }
    }
}

impl FromStr for Comparison {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|c: char| !"<>=!".contains(c)).unwrap_or(text.len());
        let op = match &text[..end] {
            "<" => Op::Less,
            "<=" => Op::LessOrEqual,
            ">" => Op::Greater,
            ">=" => Op::GreaterOrEqual,
            "=" => Op::Equal,
            "!=" | "<>" => Op::Different,
            _ => return Err(format!("`{text}` is not a comparison: write e.g. `> 300`")),
        };
        match text[end..].trim().parse::<f64>() {
            Ok(than) if than.is_finite() => Ok(Comparison { op, than }),
            _ => Err(format!("`{}` is not a number: write e.g. `> 300`", text[end..].trim())),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            Op::Less => "<",
            Op::LessOrEqual => "<=",
            Op::Greater => ">",
            Op::GreaterOrEqual => ">=",
            Op::Equal => "=",
            Op::Different => "!=",
        };
        write!(f, "{op} {}", self.than)
    }
}

/// What an empty reading does to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenEmpty {
    /// Nothing moves, timers neither.
    Hold,
    /// It counts as clear.
    Ok,
    /// It counts as a breach of this level (index into the rule's levels).
    Level(usize),
}

/// What a known group without rows in a complete window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenGone {
    /// Closed, told as "no more data", after so long.
    ResolveAfter(TimeDelta),
    /// Nothing moves.
    Hold,
    /// It counts as a breach of this level.
    Level(usize),
}

/// What one evaluation saw for one group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// A value.
    Value(f64),
    /// The value is null, or there are fewer records than `min_records`.
    Empty,
    /// A known group without rows in a complete window.
    Gone,
    /// Source down, data incomplete, field still loading.
    Unknown,
}
