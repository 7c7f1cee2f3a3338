//! What a slot sees, and what that means for the levels of a rule.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::rule::levels::badness;
use crate::domain::rule::readings::Observation;
use crate::domain::rule::slots::Slot;
use crate::domain::rule::{Reading, Rule, WhenEmpty, WhenGone};

/// At most so many groups of a slot, the worst.
const GROUPS_SHOWN: usize = 10;

/// What one slot sees of one group.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// The slot.
    pub slot: DateTime<Utc>,
    /// From when on records count; `None`: the state as it is.
    pub window_from: Option<DateTime<Utc>>,
    /// The group as people read it; empty for a rule without groups.
    pub group: String,
    /// What the levels judge, where it is a value.
    pub value: Option<f64>,
    /// What that is compared with.
    pub usual: Option<f64>,
    /// How many records it comes from.
    pub records: Option<u64>,
    /// What it means.
    pub verdict: String,
}

impl Seen {
    /// A slot of which nothing can be known.
    pub(super) fn unknown(slot: &Slot) -> Seen {
        Seen {
            slot: slot.at,
            window_from: slot.window.map(|window| window.from),
            group: String::new(),
            value: None,
            usual: None,
            records: None,
            verdict: "unknown: a field it reads is still loading; nothing moves".to_owned(),
        }
    }
}

/// What a slot sees, the worst groups first; of one group alone where its key is given.
pub(super) fn of_slot(
    rule: &Rule,
    slot: &Slot,
    mut observed: Vec<Observation>,
    group: Option<&str>,
) -> Vec<Seen> {
    let window_from = slot.window.map(|window| window.from);
    let blank = || Seen {
        slot: slot.at,
        window_from,
        group: String::new(),
        value: None,
        usual: None,
        records: None,
        verdict: "no group has records".to_owned(),
    };
    observed.retain(|seen| group.is_none_or(|group| seen.group.key == group));
    if observed.is_empty() {
        return vec![blank()];
    }
    let rank = |seen: &Observation| match seen.reading {
        Reading::Value(value) => badness(&rule.levels, value),
        _ => (0, f64::NEG_INFINITY),
    };
    observed.sort_by(|a, b| {
        let (a, b) = (rank(a), rank(b));
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    let more = observed.len().saturating_sub(GROUPS_SHOWN);
    let mut seen: Vec<Seen> = (observed.into_iter().take(GROUPS_SHOWN))
        .map(|seen| Seen {
            slot: slot.at,
            window_from,
            value: match seen.reading {
                Reading::Value(value) => Some(value),
                _ => None,
            },
            usual: seen.usual,
            records: seen.records,
            verdict: verdict(rule, &seen),
            group: seen.group.name(),
        })
        .collect();
    if more > 0 {
        seen.push(Seen { verdict: format!("{more} more groups, none of them worse"), ..blank() });
    }
    seen
}

/// What a reading means for the levels.
fn verdict(rule: &Rule, seen: &Observation) -> String {
    let level = |index: usize| rule.levels.get(index).map_or("", |level| level.name.as_str());
    match seen.reading {
        Reading::Value(value) => of_value(rule, value, seen.bounds),
        Reading::Empty => {
            let what = match seen.records {
                Some(records) if records < rule.min_records => {
                    format!(
                        "empty: {records} records, fewer than `min_records` {}",
                        rule.min_records
                    )
                }
                _ => "empty: there is no value".to_owned(),
            };
            match rule.when_empty {
                WhenEmpty::Hold => format!("{what}; nothing moves"),
                WhenEmpty::Ok => format!("{what}; counts as clear"),
                WhenEmpty::Level(index) => format!("{what}; counts as {}", level(index)),
            }
        }
        Reading::Gone => match rule.when_gone {
            WhenGone::ResolveAfter(after) => format!(
                "gone: no records in a complete window; closed as no more data after {}",
                crate::domain::incident::words(after)
            ),
            WhenGone::Hold => "gone: no records in a complete window; nothing moves".to_owned(),
            WhenGone::Level(index) => format!("gone; counts as {}", level(index)),
        },
        Reading::Unknown => "unknown: nothing moves".to_owned(),
    }
}

fn of_value(rule: &Rule, value: f64, bounds: Option<(f64, f64)>) -> String {
    let reached = badness(&rule.levels, value).0;
    let sure = bounds.map_or(reached, |(low, high)| {
        let at = |bound| badness(&rule.levels, bound).0;
        reached.min(at(low)).min(at(high))
    });
    let named = |index: usize| {
        let level = &rule.levels[index];
        format!("{} ({})", level.name, level.breach)
    };
    match (sure, reached) {
        (0, 0) => match rule.levels.first() {
            Some(_) => format!("clear: not {}", named(0)),
            None => "clear".to_owned(),
        },
        (0, reached) => {
            format!("clear: {} by the value, but not beyond chance", named(reached - 1))
        }
        (sure, _) => format!("breach of {}", named(sure - 1)),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::rule::readings::Group;
    use crate::domain::rule::sample;

    #[test]
    fn a_reading_says_what_it_means() {
        let mut rule = sample::rule(&[("warning", "> 300", None), ("critical", "> 900", None)]);
        rule.min_records = 20;
        check(&rule, Reading::Value(280.0), None, None, "clear: not warning (> 300)");
        check(&rule, Reading::Value(301.0), None, None, "breach of warning (> 300)");
        check(&rule, Reading::Value(901.0), None, None, "breach of critical (> 900)");
        let bounds = Some((250.0, 400.0));
        check(
            &rule,
            Reading::Value(301.0),
            bounds,
            None,
            "clear: warning (> 300) by the value, but not beyond chance",
        );
        check(
            &rule,
            Reading::Empty,
            None,
            Some(3),
            "empty: 3 records, fewer than `min_records` 20; nothing moves",
        );
        rule.when_empty = WhenEmpty::Level(1);
        check(&rule, Reading::Empty, None, None, "empty: there is no value; counts as critical");
        rule.when_gone = WhenGone::ResolveAfter(TimeDelta::minutes(30));
        let gone = "gone: no records in a complete window; closed as no more data after 30 min";
        check(&rule, Reading::Gone, None, None, gone);
        check(&rule, Reading::Unknown, None, None, "unknown: nothing moves");
    }

    #[track_caller]
    fn check(
        rule: &Rule,
        reading: Reading,
        bounds: Option<(f64, f64)>,
        records: Option<u64>,
        expected: &str,
    ) {
        let seen = Observation { bounds, records, ..Observation::of(Group::all(), reading) };
        assert_eq!(verdict(rule, &seen), expected);
    }
}
