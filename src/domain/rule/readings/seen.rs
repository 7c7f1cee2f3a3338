//! From the answers of the records to what is seen of each group.
//!
//! A group that has no records is one of three things: *zero*, where it is compared with what is
//! usual and its value counts; *gone*, where it is known or expected; and nothing at all otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::compare::{Noise, noise, of_absent};
use super::super::super::incident::Incident;
use super::super::super::query::Row;
use super::super::super::value::Value;
use super::super::usual::judged;
use super::super::{Baseline, Expect, Reading, Rule, wilson};
use super::{Group, Observation, rank};

/// What the records answered for one slot; every answer is complete.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The rows of the window, or of the state as it is.
    pub rows: &'a [Row],
    /// The rows of the windows it is compared with, nearest first: none where each was left out.
    pub earlier: &'a [&'a [Row]],
    /// The rows of the stretch in which a group must have had no records to be a new one.
    pub before: &'a [Row],
    /// The rows of the stretch in which groups were seen that must be there.
    pub lately: &'a [Row],
}

/// One group while answers are put together.
struct Seen {
    group: Group,
    /// Its row; `None`: there is none, or it does not count.
    now: Option<Numbers>,
    /// Its row in each of the earlier windows.
    earlier: Vec<Option<Numbers>>,
}

/// Value, records, and out of how many, of one row.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    value: Option<f64>,
    records: f64,
    out_of: Option<f64>,
}

impl Numbers {
    fn of(values: impl IntoIterator<Item = Option<f64>>) -> Numbers {
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        Numbers { value: next(), records: next().unwrap_or(0.0), out_of: next() }
    }

    fn of_row(row: &Row) -> Numbers {
        Numbers::of(row.values.iter().map(Value::number))
    }

    /// How many records stand behind it: of a ratio, out of how many.
    fn behind(&self, rule: &Rule) -> f64 {
        if rule.ratio.is_some() { self.out_of.unwrap_or(0.0) } else { self.records }
    }

    /// The value, unless it is null or of too few records.
    fn measured(&self, rule: &Rule) -> Option<f64> {
        let behind = self.behind(rule);
        let value = self.value.filter(|_| behind >= rule.min_records as f64)?;
        match rule.ratio {
            Some(_) => (behind > 0.0).then(|| value / behind),
            None => Some(value),
        }
    }
}

/// What is seen of each group: those with rows, those that are expected, and those of the `open`
/// incidents of the rule; by their keys.
///
/// - A null value, fewer records than `min_records`, and a value without anything to compare it with
///   are *empty*.
/// - A group without rows is *gone*; compared with what is usual, and as a new value, it is worth what
///   its value is over no records, if that is anything: a count is 0.
/// - While an incident is open, the previous window is the one before it began: its own breach never
///   becomes what is usual.
pub fn observations<'a>(
    rule: &Rule,
    asked: &Asked<'_>,
    open: impl IntoIterator<Item = &'a Incident>,
) -> Vec<Observation> {
    let open: BTreeMap<&str, &Incident> =
        open.into_iter().map(|incident| (incident.group.key.as_str(), incident)).collect();
    let nothing = Numbers::of(of_absent(&rule.query, !asked.rows.is_empty()));
    let noise = match (&rule.ratio, rule.query.columns.first()) {
        (None, Some(column)) => noise(&rule.query, column),
        _ => Noise::Measure,
    };
    let lately: BTreeSet<String> = asked.lately.iter().map(|row| group(rule, row).key).collect();
    let seen = gather(rule, asked, &open);
    let mut found = Vec::with_capacity(seen.len());
    for seen in seen.values() {
        let incident = open.get(seen.group.key.as_str()).copied();
        let mut observation = reading(rule, seen, incident, nothing, noise);
        if let (Some(Expect::SeenWithin(_)), Reading::Gone) = (&rule.expect, observation.reading) {
            observation.unexpected = !lately.contains(&seen.group.key);
        }
        found.push(observation);
    }
    stand_in(rule, &open, &mut found);
    found
}

/// Puts in the groups that are expected by name and were never seen, each under a key that stands
/// for its name. An incident that began so goes on under that key when the group turns up.
fn stand_in(rule: &Rule, open: &BTreeMap<&str, &Incident>, found: &mut Vec<Observation>) {
    let names: &[String] = match &rule.expect {
        Some(Expect::Groups(names)) => names,
        _ => &[],
    };
    let heading = rule.query.groups.first().map_or("", |group| group.name.as_str());
    let waited_for = open.values().filter(|incident| incident.group.is_expected());
    let waited_for: Vec<&Group> = waited_for.map(|incident| &incident.group).collect();
    let own = found.len();
    for name in names {
        let group = Group::expected(heading, name);
        let met = found[..own].iter().any(|seen| goes_by(&seen.group, name));
        if !met || waited_for.iter().any(|waited| waited.key == group.key) {
            let twin = found[..own].iter().find(|seen| goes_by(&seen.group, name)).cloned();
            found.push(match twin {
                Some(twin) => Observation { group: Group { key: group.key, ..twin.group }, ..twin },
                None => Observation::of(group, Reading::Gone),
            });
        }
    }
    for group in waited_for {
        if !found[own..].iter().any(|seen| seen.group.key == group.key) {
            let seen = Observation::of(group.clone(), Reading::Gone);
            found.push(Observation { unexpected: true, ..seen });
        }
    }
    // What goes on under the key that stood for it begins nothing under its own.
    let (own, stood_in) = found.split_at(own);
    let twins: BTreeSet<&str> = (own.iter())
        .filter(|seen| !open.contains_key(seen.group.key.as_str()))
        .filter(|seen| {
            let mut names = names.iter().filter(|name| goes_by(&seen.group, name));
            names.any(|name| {
                let key = Group::expected(heading, name).key;
                stood_in.iter().any(|other| other.group.key == key)
            })
        })
        .map(|seen| seen.group.key.as_str())
        .collect();
    let twins: BTreeSet<String> = twins.into_iter().map(str::to_owned).collect();
    found.retain(|seen| !twins.contains(&seen.group.key));
}

/// Whether a name is what people read of a group, or its key.
fn goes_by(group: &Group, name: &str) -> bool {
    group.shown.first().is_some_and(|(_, shown)| shown == name)
        || group.key == format!("[{}]", serde_json::Value::from(name))
}

/// Every group of its own that anything is known of, by its key.
fn gather(
    rule: &Rule,
    asked: &Asked<'_>,
    open: &BTreeMap<&str, &Incident>,
) -> BTreeMap<String, Seen> {
    let windows = asked.earlier.len();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut place = |group: Group, put: &dyn Fn(&mut Seen)| {
        let new = || Seen { group: group.clone(), now: None, earlier: vec![None; windows] };
        put(seen.entry(group.key.clone()).or_insert_with(new));
    };
    for row in asked.rows {
        place(group(rule, row), &|seen| seen.now = Some(Numbers::of_row(row)));
    }
    for (index, rows) in asked.earlier.iter().enumerate() {
        for row in *rows {
            place(group(rule, row), &|seen| seen.earlier[index] = Some(Numbers::of_row(row)));
        }
    }
    for row in asked.lately {
        place(group(rule, row), &|_| {});
    }
    let known = open.values().map(|incident| &incident.group);
    for group in known.filter(|group| !group.is_overflow() && !group.is_expected()) {
        place(group.clone(), &|_| {});
    }
    if rule.new_within.is_some() {
        for row in asked.before {
            let key = group(rule, row).key;
            // Not new: its records do not count. Where nobody was told of it, it is nothing.
            if !open.contains_key(key.as_str()) {
                seen.remove(&key);
            } else if let Some(seen) = seen.get_mut(&key) {
                seen.now = None;
            }
        }
    }
    seen
}

fn group(rule: &Rule, row: &Row) -> Group {
    let headings = rule.query.groups.iter().map(|group| group.name.as_str());
    Group::of(headings, &row.keys, &row.shown)
}

/// What is seen of one group.
fn reading(
    rule: &Rule,
    seen: &Seen,
    incident: Option<&Incident>,
    nothing: Numbers,
    noise: Noise,
) -> Observation {
    let compared = rule.usual.is_some() || rule.new_within.is_some();
    let absent = (compared && nothing.measured(rule).is_some()).then_some(nothing);
    let mut observation = Observation::of(seen.group.clone(), Reading::Gone);
    let Some(numbers) = seen.now.or(absent) else { return observation };
    observation.records = Some(numbers.behind(rule).max(0.0) as u64);
    observation.reading = Reading::Empty;
    let Some(value) = numbers.measured(rule) else { return observation };
    let Some(usual) = &rule.usual else {
        observation.reading = Reading::Value(value);
        if let (Some(ratio), Some(x), Some(n)) = (rule.ratio, numbers.value, numbers.out_of) {
            observation.bounds = wilson::bounds(x, n, ratio.confidence);
        }
        return observation;
    };
    let frozen = incident
        .filter(|_| usual.baseline == Baseline::PreviousWindow)
        .and_then(|incident| incident.usual);
    let earlier = match frozen {
        Some(before) => vec![before],
        None => baseline(rule, usual.baseline, &seen.earlier, nothing),
    };
    let judged = judged(usual, noise, value, &earlier);
    observation.measured = Some(value);
    observation.usual = judged.usual;
    if let Some(judged) = judged.value {
        observation.reading = Reading::Value(judged);
    }
    observation
}

/// The values of the earlier windows that say something. A week before the group's first is none of
/// them: it was not there yet, which is not nothing.
fn baseline(
    rule: &Rule,
    baseline: Baseline,
    earlier: &[Option<Numbers>],
    nothing: Numbers,
) -> Vec<f64> {
    let since = match baseline {
        Baseline::PreviousWindow => earlier.len(),
        _ => earlier.iter().rposition(Option::is_some).map_or(0, |oldest| oldest + 1),
    };
    let numbers = earlier[..since].iter().map(|numbers| numbers.unwrap_or(nothing));
    numbers.filter_map(|numbers| numbers.measured(rule)).collect()
}

/// Whether a group that has no incident yet is in breach: then it matters whether it is a new one.
pub fn awaits_warming(rule: &Rule, seen: &Observation, is_open: impl Fn(&str) -> bool) -> bool {
    !is_open(&seen.group.key) && rank(rule, seen.reading).0 > 0 && seen.reading != Reading::Gone
}

/// Judges no group without incident that is not among the rows of those that were there before: it
/// is too new. Its reading becomes *unknown*.
pub fn hold_back(
    rule: &Rule,
    observations: &mut [Observation],
    there_before: &[Row],
    is_open: impl Fn(&str) -> bool,
) {
    let before: BTreeSet<String> = there_before.iter().map(|row| group(rule, row).key).collect();
    for seen in observations.iter_mut().filter(|seen| awaits_warming(rule, seen, &is_open)) {
        if !before.contains(&seen.group.key) {
            seen.reading = Reading::Unknown;
        }
    }
}

#[cfg(test)]
mod tests;
