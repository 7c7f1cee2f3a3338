//! Rules: a condition on a value computed from records, with levels and holds.
//!
//! Here is what a rule *is*, which slots of it are due ([`slots`]), what an answer of the records
//! reads for each group ([`readings`]) and which level a value reaches ([`levels`]). What readings
//! do to an incident is [`super::incident`]'s.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::query::Query;
use super::zone::Zone;

pub mod levels;
pub mod readings;
pub mod slots;
pub mod trial;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value per group, evaluated slot by slot: incidents with a beginning and an end.
    State,
    /// Each new record that matches, told exactly once.
    Event,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in `[rules]`: identity.
    pub name: String,
    /// What it is about.
    pub kind: Kind,
    /// Who looks after it: a name or an address, for people.
    pub owner: Option<String>,
    /// Rules that explain this one: while an incident of one of them fires, those of this rule are
    /// not told.
    pub depends_on: Vec<String>,
    /// The worst records behind the value, as a list, worst first.
    pub evidence: Option<Arc<Query>>,
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The operator.
    pub op: Op,
    /// The right side.
    pub than: f64,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Whether it asks for large values; `None` where it asks for one value, or for any other.
    pub fn upward(self) -> Option<bool> {
        match self.op {
            Op::Greater | Op::GreaterOrEqual => Some(true),
            Op::Less | Op::LessOrEqual => Some(false),
            Op::Equal | Op::Different => None,
        }
    }

    /// What holds exactly where this does not.
    pub fn negation(self) -> Comparison {
        let op = match self.op {
            Op::Less => Op::GreaterOrEqual,
            Op::LessOrEqual => Op::Greater,
            Op::Greater => Op::LessOrEqual,
            Op::GreaterOrEqual => Op::Less,
            Op::Equal => Op::Different,
            Op::Different => Op::Equal,
        };
        Comparison { op, than: self.than }
    }

    /// How far a value is beyond the threshold: larger is worse, whatever the direction. Negative
    /// when the value is on the good side.
    pub fn excess(self, value: f64) -> f64 {
        match self.op {
            Op::Greater | Op::GreaterOrEqual => value - self.than,
            Op::Less | Op::LessOrEqual => self.than - value,
            Op::Equal => -(value - self.than).abs(),
            Op::Different => (value - self.than).abs(),
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

#[cfg(test)]
pub(crate) mod sample {
    //! Rules for tests.

    use super::super::expr::ReportType;
    use super::super::report::Format;
    use super::*;

    /// A rule without hold, one slot a minute, over 30 minutes, with the given levels as
    /// (name, breach, recover).
    pub(crate) fn rule(levels: &[(&str, &str, Option<&str>)]) -> Rule {
        let parse = |text: &str| text.parse::<Comparison>().expect("a comparison");
        let query = Query {
            split: 0,
            pivot: false,
            percentile_min: 0,
            report_type: Arc::new(ReportType { name: "waits".into(), tables: Vec::new() }),
            date: None,
            filter: None,
            fold: None,
            groups: Vec::new(),
            carried: Vec::new(),
            aggregates: Vec::new(),
            columns: Vec::new(),
            list: false,
            sort: Vec::new(),
            top: None,
            total: false,
            texts: Arc::default(),
        };
        Rule {
            name: "slow-answer".into(),
            kind: Kind::State,
            owner: None,
            depends_on: Vec::new(),
            evidence: None,
            title: "Customers wait too long".into(),
            query: Arc::new(query),
            window: Some(TimeDelta::minutes(30)),
            every: TimeDelta::minutes(1),
            settle: TimeDelta::minutes(2),
            levels: levels
                .iter()
                .map(|(name, breach, recover)| Level {
                    name: (*name).into(),
                    breach: parse(breach),
                    recover: recover.map(parse),
                })
                .collect(),
            hold: TimeDelta::zero(),
            keep_firing_for: TimeDelta::zero(),
            min_records: 0,
            during: None,
            when_empty: WhenEmpty::Hold,
            when_gone: WhenGone::ResolveAfter(TimeDelta::minutes(3)),
            max_groups: 1000,
            labels: BTreeMap::new(),
            format: Format::Auto,
            zone: Zone::utc(),
            runbook: None,
            hash: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_read_and_written() {
        for text in ["> 300", ">= 0.5", "< 10", "<= -3", "= 0", "!= 1"] {
            assert_eq!(text.parse::<Comparison>().map(|c| c.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("<>2".parse::<Comparison>().map(|c| c.to_string()), Ok("!= 2".to_owned()));
        for text in ["", "300", "=> 3", "> ", "> x", "> nan", "> inf", ">> 3", "> 3 4"] {
            let message = text.parse::<Comparison>().expect_err(text);
            assert!(message.contains("write e.g. `> 300`"), "{message}");
        }
    }

    #[test]
    fn excess_is_larger_the_worse_the_value_whatever_the_direction() {
        check("> 300", 900.0, 400.0);
        check(">= 300", 301.0, 300.0);
        check("< 10", 2.0, 9.0);
        check("<= 10", -5.0, 0.0);
        check("= 0", 0.0, 7.0);
        check("!= 100", 90.0, 101.0);
        check("!= 100", 110.0, 99.0);
    }

    #[track_caller]
    fn check(comparison: &str, worse: f64, better: f64) {
        let comparison: Comparison = comparison.parse().expect("a comparison");
        assert!(comparison.excess(worse) > comparison.excess(better));
    }
}
