//! Readings: what an answer of the records says about each group of a rule, and how many groups a
//! rule may follow.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::value::Value;
use super::levels::badness;
mod seen;

pub use seen::{Asked, awaits_warming, hold_back, observations};

use super::{Comparison, Hold, Level, Op, Reading, Rule, WhenEmpty, WhenGone};

/// One group of a rule: its identity and what people read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Identity: the keys in a canonical text, e.g. `["0Mjxx","web"]`; `[]` for a rule without
    /// groups. Never a label, so that renaming a channel keeps its incident.
    pub key: String,
    /// Heading and shown value of each grouping expression, in order.
    pub shown: Vec<(String, String)>,
}

/// The key of the incident that says that a rule has too many groups. Not a key that
/// [`Group::of`] makes.
const OVERFLOW: &str = "overflow";

impl Group {
    /// The group with these keys; headings and shown values as people read them.
    pub fn of<'a>(
        headings: impl IntoIterator<Item = &'a str>,
        keys: &[Value],
        shown: &[Value],
    ) -> Group {
        let keys: Vec<String> = keys.iter().map(canonical).collect();
        let shown = headings.into_iter().zip(shown.iter().chain(std::iter::repeat(&Value::Null)));
        Group {
            key: format!("[{}]", keys.join(",")),
            shown: shown.map(|(heading, value)| (heading.to_owned(), text(value))).collect(),
        }
    }

    /// The one group of a rule without groups.
    pub fn all() -> Group {
        Group { key: "[]".into(), shown: Vec::new() }
    }

    /// Stands for all groups beyond `max_groups`: see [`overflow_rule`].
    pub fn overflow() -> Group {
        Group { key: OVERFLOW.into(), shown: Vec::new() }
    }

    /// Stands for a group that must be there and was never seen, by the name it is expected under.
    /// Not a key that [`Group::of`] makes.
    pub fn expected(heading: &str, name: &str) -> Group {
        let key = format!("expected:{}", serde_json::Value::from(name));
        Group { key, shown: vec![(heading.to_owned(), name.to_owned())] }
    }

    /// Whether it is one that was expected before it was seen.
    pub fn is_expected(&self) -> bool {
        self.key.starts_with("expected:")
    }

    /// Whether it stands for the groups beyond `max_groups`.
    pub fn is_overflow(&self) -> bool {
        self.key == OVERFLOW
    }

    /// The shown values in one line, e.g. `Web, EMEA`; empty for a rule without groups.
    pub fn name(&self) -> String {
        if self.is_overflow() {
            return "all other groups".into();
        }
        let shown: Vec<&str> = self.shown.iter().map(|(_, value)| value.as_str()).collect();
        shown.join(", ")
    }
}

/// A value as identity: type and value, exactly.
fn canonical(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Real(x) => format!("{x:?}"),
        Value::Timestamp(at) => format!("@{}", at.timestamp_millis()),
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
    }
}

/// A value as a label.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        Value::Timestamp(at) => at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        Value::Boolean(_) | Value::Integer(_) | Value::Real(_) => canonical(value),
    }
}

/// What one evaluation saw of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The group.
    pub group: Group,
    /// What was seen: a value is what levels judge.
    pub reading: Reading,
    /// Between what the value lies for sure: a level is reached only by both. `None`: it is exact.
    pub bounds: Option<(f64, f64)>,
    /// The value as it was measured, where levels judge how it compares.
    pub measured: Option<f64>,
    /// What that was compared with.
    pub usual: Option<f64>,
    /// How many records it was computed from; of a ratio, out of how many.
    pub records: Option<u64>,
    /// Nobody expects the group any more: that it is gone is its end, whatever the rule says.
    pub unexpected: bool,
}

impl Observation {
    /// A reading, and nothing more known of it.
    pub fn of(group: Group, reading: Reading) -> Observation {
        Observation {
            group,
            reading,
            bounds: None,
            measured: None,
            usual: None,
            records: None,
            unexpected: false,
        }
    }
}

/// The observations a rule follows, and how many it cannot.
#[derive(Clone, Debug, PartialEq)]
pub struct Capped {
    /// Those to step with: of every open incident, and the worst of the others.
    pub kept: Vec<Observation>,
    /// How many groups in breach were left out. Groups that are clear and have no incident have
    /// nothing to lose and are not counted.
    pub left_out: u64,
}

/// Keeps the groups with an open incident and of the others the worst, up to `max_groups` in all.
/// `is_open` answers for a group's key.
pub fn cap_groups(
    rule: &Rule,
    observations: Vec<Observation>,
    is_open: impl Fn(&str) -> bool,
) -> Capped {
    let (mut kept, mut others): (Vec<_>, Vec<_>) =
        observations.into_iter().partition(|seen| is_open(&seen.group.key));
    let room = rule.max_groups.saturating_sub(kept.len());
    if others.len() > room {
        // By key where equally bad, so that one and the same groups are kept at every slot.
        others.sort_by(|a, b| {
            let (bad_a, bad_b) = (rank(rule, a.reading), rank(rule, b.reading));
            let by_badness = bad_b.partial_cmp(&bad_a).unwrap_or(Ordering::Equal);
            by_badness.then_with(|| a.group.key.cmp(&b.group.key))
        });
    }
    let left_out = others.split_off(room.min(others.len()));
    kept.append(&mut others);
    let in_breach = left_out.iter().filter(|seen| rank(rule, seen.reading).0 > 0).count();
    Capped { kept, left_out: in_breach as u64 }
}

/// How bad a reading is: see [`badness`]. A reading that counts as a level by policy comes behind the
/// values of that level.
pub(super) fn rank(rule: &Rule, reading: Reading) -> (usize, f64) {
    let by_policy =
        |level: usize| (level.min(rule.levels.len().saturating_sub(1)) + 1, f64::NEG_INFINITY);
    match (reading, rule.when_empty, rule.when_gone) {
        (Reading::Value(value), ..) if value.is_finite() => badness(&rule.levels, value),
        (Reading::Value(_) | Reading::Empty, WhenEmpty::Level(level), _) => by_policy(level),
        (Reading::Gone, _, WhenGone::Level(level)) => by_policy(level),
        _ => (0, f64::NEG_INFINITY),
    }
}

/// The rule behind the incident of [`Group::overflow`]: step it with the value of
/// [`Capped::left_out`] at each slot (at least 1 where the answer itself was cut short).
///
/// It fires at once, at the rule's first level, and ends when all groups in breach are followed.
pub fn overflow_rule(rule: &Rule) -> Rule {
    let mut labels: BTreeMap<String, String> = rule.labels.clone();
    labels.insert("overflow".into(), "true".into());
    let first = rule.levels.first().map_or("warning", |level| level.name.as_str());
    Rule {
        title: format!("More than {} groups: {}", rule.max_groups, rule.title),
        levels: vec![Level {
            name: first.into(),
            breach: Comparison { op: Op::Greater, than: 0.0 },
            recover: None,
        }],
        hold: Hold::default(),
        min_records: 0,
        format: super::super::report::Format::Decimals(0),
        labels,
        ..rule.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use chrono::{DateTime, TimeDelta};

    fn group(key: &str) -> Group {
        Group::of([], &[Value::Text(key.into())], &[])
    }

    #[test]
    fn a_group_is_its_keys_and_never_its_labels() {
        let keys = [
            Value::Text("a\",\"b".into()),
            Value::Null,
            Value::Integer(1),
            Value::Real(1.0),
            Value::Boolean(true),
            Value::Timestamp(DateTime::UNIX_EPOCH + TimeDelta::milliseconds(5)),
        ];
        let shown = [Value::Text("Web".into()), Value::Text("(no account)".into())];
        let group = Group::of(["Channel", "Account"], &keys, &shown);
        assert_eq!(group.key, r#"["a\",\"b",null,1,1.0,true,@5]"#);
        assert_eq!(group.name(), "Web, (no account)");
        assert_eq!(group.shown[0], ("Channel".to_owned(), "Web".to_owned()));
        assert_eq!(Group::of([], &[], &[]), Group::all());
        // A group whose only key is the text `overflow` is not the overflow.
        assert!(!Group::of([], &[Value::Text("overflow".into())], &[]).is_overflow());
        assert!(Group::overflow().is_overflow());
    }

    #[track_caller]
    fn check(
        rule: &Rule,
        readings: &[(&str, Reading)],
        open: &[&str],
        kept: &[&str],
        left_out: u64,
    ) {
        let observations =
            readings.iter().map(|(key, reading)| Observation::of(group(key), *reading)).collect();
        let open: Vec<String> = open.iter().map(|key| group(key).key).collect();
        let capped = cap_groups(rule, observations, |key| open.iter().any(|open| open == key));
        let names: Vec<&str> =
            capped.kept.iter().map(|o| o.group.key.trim_matches(&['[', ']', '"'][..])).collect();
        assert_eq!((names.as_slice(), capped.left_out), (kept, left_out));
    }

    #[test]
    fn the_worst_groups_are_kept_and_open_incidents_always() {
        use Reading::{Empty, Unknown, Value};
        let mut rule = sample::rule(&[("warning", "> 10", None), ("critical", "> 100", None)]);
        rule.max_groups = 2;
        let all = [("a", Value(5.0)), ("b", Value(500.0)), ("c", Value(50.0)), ("d", Value(60.0))];
        check(&rule, &all[..2], &[], &["a", "b"], 0);
        check(&rule, &all, &[], &["b", "d"], 1);
        check(&rule, &all, &["a"], &["a", "b"], 2);
        check(&rule, &all, &["a", "c", "d"], &["a", "c", "d"], 1);
        // Clear groups without incident are not missed.
        check(&rule, &[("x", Value(1.0)), ("y", Value(2.0)), ("z", Empty)], &[], &["y", "x"], 0);
        check(&rule, &[("x", Unknown), ("y", Value(20.0)), ("z", Empty)], &[], &["y", "x"], 0);
        // Equally bad: by key, so that one and the same groups stay.
        check(
            &rule,
            &[("c", Value(20.0)), ("b", Value(20.0)), ("a", Value(20.0))],
            &[],
            &["a", "b"],
            1,
        );
        rule.when_empty = WhenEmpty::Level(1);
        check(&rule, &[("x", Value(50.0)), ("y", Empty), ("z", Value(101.0))], &[], &["z", "y"], 1);
    }

    #[test]
    fn the_worst_is_the_lowest_where_low_is_bad() {
        let mut rule = sample::rule(&[("low", "< 10", None)]);
        rule.max_groups = 1;
        let readings =
            [("a", Reading::Value(5.0)), ("b", Reading::Value(1.0)), ("c", Reading::Value(50.0))];
        check(&rule, &readings, &[], &["b"], 1);
    }
}
