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

pub mod event;
pub mod hold;
pub mod levels;
pub mod poisson;
pub mod readings;
pub mod slots;
pub mod trial;
pub mod usual;
pub mod wilson;

pub use hold::Hold;

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
    /// Of a state rule grouped by the rule's groups: column 0 is the value, column 1 the count of
    /// records, column 2 of a ratio what it is out of. [`readings`] makes of a row what levels judge.
    /// Of an event rule a list: see [`EventColumns`].
    pub query: Arc<Query>,
    /// Of an event rule what its list's columns are.
    pub event: Option<EventColumns>,
    /// The value is a share of what `out_of` counts.
    pub ratio: Option<Ratio>,
    /// What the value is compared with; `None`: levels judge the value itself.
    pub usual: Option<Usual>,
    /// A group counts only if it had no records in so long a stretch before the window.
    pub new_within: Option<TimeDelta>,
    /// Groups that must be there: those missing are *gone* although they were never seen.
    pub expect: Option<Expect>,
    /// A group is not judged before so long after it was first seen.
    pub warm_up: TimeDelta,
    /// Evaluate over `[end - window, end)`; `None`: the state as it is at the slot.
    pub window: Option<TimeDelta>,
    /// The grid of slots: multiples of it since 1970 UTC.
    pub every: TimeDelta,
    /// Wait so long after a window's end before it is judged.
    pub settle: TimeDelta,
    /// Rising levels.
    pub levels: Vec<Level>,
    /// How long a breach must last before it fires.
    pub hold: Hold,
    /// How long a clear must last before it resolves.
    pub keep_firing_for: Hold,
    /// The lengths of time of this rule count only the open hours of this calendar.
    pub clock: Option<Arc<Calendar>>,
    /// Fewer records than this (of a ratio: a smaller `out_of`) is an *empty* reading.
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
    /// How what the levels judge is written.
    pub format: super::report::Format,
    /// How the value itself is written, and what it is compared with; the same as `format` unless
    /// there is a comparison.
    pub format_measured: super::report::Format,
    /// The zone of calendar functions.
    pub zone: Zone,
    /// A line for the reader: what to do.
    pub runbook: Option<String>,
    /// Fingerprint of the definition's text.
    pub hash: String,
}

impl Rule {
    /// How far back from a slot it reads records; `None`: the state as it is, however old.
    pub fn reach(&self) -> Option<TimeDelta> {
        let window = self.window?;
        let compared = match self.usual.as_ref().map(|usual| usual.baseline) {
            None => TimeDelta::zero(),
            Some(Baseline::PreviousWindow) => window,
            Some(Baseline::LastWeek) => TimeDelta::days(7),
            Some(Baseline::MedianOfWeeks(weeks)) => TimeDelta::days(7 * i64::from(weeks)),
        };
        let lately = match self.expect {
            Some(Expect::SeenWithin(length)) => length,
            _ => TimeDelta::zero(),
        };
        let before = self.new_within.unwrap_or_default();
        Some((window + compared).max(window + before).max(lately))
    }
}

/// What the columns of an event rule's list are, in this order: the record (an alias: the row's first
/// key is the record's), when it became visible (if `dated`), `groups` labels, the value that
/// `changes`, and then what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventColumns {
    /// Whether the second column is when the record became visible.
    pub dated: bool,
    /// How many columns are labels.
    pub groups: usize,
    /// Whether a record is told once for each value of the column behind the labels, instead of once.
    pub changes: bool,
}

/// The value is how many of how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// How sure a level must be reached: the confidence of the two-sided Wilson score interval, from
    /// 0.5 to 0.9999; 0: the ratio alone decides.
    pub confidence: f64,
}

/// What the value is compared with, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Usual {
    /// Which earlier windows.
    pub baseline: Baseline,
    /// What levels judge.
    pub judge: Judge,
    /// Compared with less than this, a reading is *empty*.
    pub min_baseline: f64,
    /// Weeks that touch one of its holidays are left out.
    pub calendar: Option<Arc<Calendar>>,
}

/// Which earlier windows a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The one right before; while an incident is open, the one before it began.
    PreviousWindow,
    /// The same local time of the week before.
    LastWeek,
    /// The same local time of so many weeks before, their median.
    MedianOfWeeks(u32),
}

/// What levels judge of a value and its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// `value / baseline - 1`: -0.5 is half of it.
    Change,
    /// `value - baseline`.
    Difference,
    /// How many robust standard deviations (1.4826 MAD) above the median of the weeks.
    Deviations,
    /// The probability of so few or fewer, where the baseline is usual (Poisson).
    Chance,
}

/// Groups that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// These, by what people read or by key.
    Groups(Vec<String>),
    /// Those with records in so long a stretch up to the window's end.
    SeenWithin(TimeDelta),
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
            event: None,
            ratio: None,
            usual: None,
            new_within: None,
            expect: None,
            warm_up: TimeDelta::zero(),
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
            hold: Hold::default(),
            keep_firing_for: Hold::default(),
            clock: None,
            min_records: 0,
            during: None,
            when_empty: WhenEmpty::Hold,
            when_gone: WhenGone::ResolveAfter(TimeDelta::minutes(3)),
            max_groups: 1000,
            labels: BTreeMap::new(),
            format: Format::Auto,
            format_measured: Format::Auto,
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
