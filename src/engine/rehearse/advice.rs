//! Advice: which threshold and hold give at most so many alerts a week, and what each choice would
//! have missed of what fires at present. Tried on readings that are there already, by the state
//! machine itself.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::track::{Run, Track, Tracks};
use crate::domain::incident::{self, Incident};
use crate::domain::rule::levels::level_after;
use crate::domain::rule::readings::Observation;
use crate::domain::rule::slots::Slot;
use crate::domain::rule::{Hold, Level, Reading, Rule};

/// Where thresholds are looked for: parts of all values, the highest to look at last.
const PARTS: [f64; 16] = [
    0.5, 0.75, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.996, 0.998, 0.999, 0.9995, 0.9998,
    0.9999, 1.0,
];

/// At most so many heights that incidents went to are tried.
const PEAKS_MAX: usize = 40;

/// What fires more of the time than this is no alert any more.
const FIRING_MAX: f64 = 0.2;

/// Holds that are tried beside the rule's own, where they are longer than one evaluation.
const HOLDS: [TimeDelta; 6] = [
    TimeDelta::zero(),
    TimeDelta::minutes(5),
    TimeDelta::minutes(10),
    TimeDelta::minutes(15),
    TimeDelta::minutes(30),
    TimeDelta::minutes(60),
];

/// A threshold of the lowest level, and a hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The threshold.
    pub than: f64,
    /// The hold.
    pub hold: Hold,
    /// How many incidents fire.
    pub alerts: usize,
    /// How many of those that fire at present are caught: one of this choice overlaps them.
    pub caught: usize,
    /// Those that fire at present and are not: which group, and when they fired.
    pub missed: Vec<(String, DateTime<Utc>)>,
    /// How many overlap none that fires at present.
    pub new: usize,
    /// How much later those caught fire, in the middle; negative: earlier.
    pub later: TimeDelta,
    /// For which part of the time it fires, of the group that fires most.
    pub firing: f64,
}

/// What comes of the present rule, and the choices that give at most so many alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The rule as it is.
    pub present: Choice,
    /// For each hold the threshold that says most within the bound, what misses least first.
    pub choices: Vec<Choice>,
    /// How many values were looked at.
    pub values: u64,
}

/// Tries thresholds and holds on readings. `alerts_max` is for the whole stretch. `None`: the rule's
/// lowest level does not compare with `<` or `>`, or there are no values.
pub fn advise(rule: &Rule, tracks: &Tracks, alerts_max: usize) -> Option<Advice> {
    let upward = rule.levels.first()?.breach.upward()?;
    let present = fired(rule, tracks);
    let thresholds = thresholds(rule, tracks, &present, upward)?;
    let length = match (tracks.slots.first(), tracks.slots.last()) {
        (Some(first), Some(last)) => *last - *first,
        _ => return None,
    };
    let judge = |rule: &Rule| judged(rule, &fired(rule, tracks), &present, length);
    let mut choices: Vec<Choice> = Vec::new();
    for hold in holds(rule) {
        let tried = |than: &f64| judge(&with(rule, *than, hold));
        // From the one that says nothing, as far as the bound holds: far below, where all runs into
        // one alert that never ends, it would hold again.
        let fits = |choice: &Choice| choice.alerts <= alerts_max && choice.firing <= FIRING_MAX;
        choices.extend(thresholds.iter().rev().map(tried).take_while(fits).last());
    }
    choices.sort_by_key(|choice| (choice.missed.len(), choice.later, choice.new));
    let values = tracks.groups.values().flat_map(Track::values);
    Some(Advice {
        present: judge(rule),
        choices,
        values: values.map(|(_, count)| u64::from(count)).sum(),
    })
}

/// Thresholds from the one that says most to the one that says nothing, the present one among them.
fn thresholds(
    rule: &Rule,
    tracks: &Tracks,
    present: &[Incident],
    upward: bool,
) -> Option<Vec<f64>> {
    let mut values: Vec<(f64, u64)> = (tracks.groups.values())
        .flat_map(Track::values)
        .map(|(value, count)| (if upward { value } else { -value }, u64::from(count)))
        .collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: u64 = values.iter().map(|(_, count)| count).sum();
    let last = values.last()?.0;
    let mut found = vec![rule.levels.first()?.breach.than * if upward { 1.0 } else { -1.0 }];
    for part in PARTS {
        let (wanted, mut seen) = ((part * all as f64).ceil() as u64, 0);
        let value = values.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted
        });
        found.extend(value.map(|(value, _)| rounded(*value)));
    }
    found.push(last);
    // How far each incident went is where thresholds tell them apart.
    let mut peaks: Vec<f64> = (present.iter())
        .filter_map(|incident| incident.worst)
        .map(|worst| rounded(if upward { worst } else { -worst }))
        .collect();
    peaks.sort_by(f64::total_cmp);
    peaks.dedup();
    found.extend(peaks.iter().step_by(peaks.len().div_ceil(PEAKS_MAX).max(1)));
    found.sort_by(f64::total_cmp);
    found.dedup();
    Some(found.into_iter().map(|value| if upward { value } else { -value }).collect())
}

/// Up to two digits that count: nobody writes `> 312.748`.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let unit = 10f64.powf(value.abs().log10().floor() - 1.0);
    // Away from what is usual, so that a value is not beyond its own threshold.
    let steps = (value / unit).ceil();
    // Through text, so that 0.1 + 0.2 is written 0.3.
    format!("{:.6e}", steps * unit).parse().unwrap_or(value)
}

fn holds(rule: &Rule) -> Vec<Hold> {
    let mut holds = vec![rule.hold];
    for length in HOLDS {
        let known = holds.iter().any(|hold| hold.length(rule.every) == length);
        if !known && (length.is_zero() || rule.every < length) {
            holds.push(Hold::Length(length));
        }
    }
    holds
}

/// The rule with another lowest threshold and hold. The way back stays as far away as it was, and
/// higher levels that would not be higher any more are left out.
fn with(rule: &Rule, than: f64, hold: Hold) -> Rule {
    let mut levels: Vec<Level> = rule.levels.clone();
    let upward = levels[0].breach.upward().unwrap_or(true);
    let before = std::mem::replace(&mut levels[0].breach.than, than);
    if let Some(recover) = &mut levels[0].recover {
        // As far away as it was, in proportion.
        recover.than = match before * recover.than > 0.0 && before * than > 0.0 {
            true => recover.than * (than / before),
            false => recover.than + (than - before),
        };
    }
    let higher = |level: &Level| match upward {
        true => level.breach.than > than,
        false => level.breach.than < than,
    };
    let first = levels[0].clone();
    levels.retain(|level| *level == first || higher(level));
    Rule { levels, hold, ..rule.clone() }
}

/// The incidents that fire on these readings.
fn fired(rule: &Rule, tracks: &Tracks) -> Vec<Incident> {
    tracks.groups.values().flat_map(|track| fired_of(rule, tracks, track)).collect()
}

fn fired_of(rule: &Rule, tracks: &Tracks, track: &Track) -> Vec<Incident> {
    let mut ended: Vec<Incident> = Vec::new();
    let mut open: Option<Incident> = None;
    for run in &track.runs {
        if open.is_none() && is_clear(rule, run) {
            continue;
        }
        let (mut seen, range) = (observed(track, run), run.first..run.first + run.count);
        for slot in range {
            let Some(at) = tracks.slots.get(slot as usize) else { break };
            seen.group = track.group.clone();
            let slot = Slot { at: *at, window: None, reach: rule.every };
            let step = incident::step(rule, open.as_ref(), &seen, &slot);
            open = step.incident;
            if let Some(over) = open.take_if(|incident| !incident.is_open()) {
                ended.push(over);
            }
            if open.is_none() && is_clear(rule, run) {
                break;
            }
        }
    }
    ended.extend(open);
    ended.retain(|incident| incident.fired_at.is_some());
    ended
}

fn observed(track: &Track, run: &Run) -> Observation {
    Observation { bounds: run.bounds, ..Observation::of(track.group.clone(), run.reading) }
}

/// Whether a reading begins nothing.
fn is_clear(rule: &Rule, run: &Run) -> bool {
    match run.reading {
        Reading::Value(value) => level_after(&rule.levels, None, value, run.bounds).is_none(),
        Reading::Unknown => true,
        Reading::Empty | Reading::Gone => false,
    }
}

/// What a choice's incidents are beside those that fire at present.
fn judged(rule: &Rule, incidents: &[Incident], present: &[Incident], length: TimeDelta) -> Choice {
    let end = |incident: &Incident| incident.resolved.map_or(incident.last_read_at, |end| end.at);
    let overlap = |a: &Incident, b: &Incident| {
        a.group.key == b.group.key && a.began <= end(b) && b.began <= end(a)
    };
    let (mut missed, mut later, mut known) = (Vec::new(), Vec::new(), BTreeSet::new());
    for before in present {
        let found = incidents.iter().filter(|after| overlap(before, after));
        let first = found.min_by_key(|after| after.fired_at);
        match (first.and_then(|after| after.fired_at), before.fired_at) {
            (Some(after), Some(before)) => later.push(after - before),
            (_, fired) => missed.push((before.group.name(), fired.unwrap_or(before.began))),
        }
    }
    for (index, after) in incidents.iter().enumerate() {
        if present.iter().any(|before| overlap(before, after)) {
            known.insert(index);
        }
    }
    let mut firing: BTreeMap<&str, f64> = BTreeMap::new();
    for incident in incidents {
        let lasted = end(incident) - incident.fired_at.unwrap_or(incident.began);
        *firing.entry(&incident.group.key).or_default() += lasted.as_seconds_f64();
    }
    let most = firing.into_values().fold(0.0, f64::max);
    later.sort_unstable();
    missed.sort_by_key(|(_, at)| *at);
    Choice {
        than: rule.levels.first().map_or(f64::NAN, |level| level.breach.than),
        hold: rule.hold,
        alerts: incidents.len(),
        caught: present.len() - missed.len(),
        missed,
        new: incidents.len() - known.len(),
        later: later.get(later.len() / 2).copied().unwrap_or_default(),
        firing: most / length.as_seconds_f64().max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule::readings::Group;
    use crate::domain::rule::sample;
    use crate::domain::rule::trial::series;

    fn tracks(text: &str) -> Tracks {
        let mut tracks = Tracks::default();
        for (minute, reading) in (0..).zip(series(text).expect("a series")) {
            let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
            tracks.add(at, &[Observation::of(Group::all(), reading)]);
        }
        tracks
    }

    #[test]
    fn a_choice_says_what_it_misses_and_how_much_later_it_fires() {
        // Three short peaks and one long one, over quiet minutes.
        let tracks = tracks("10x100 400x3 10x100 350x2 10x100 500x30 10x100 320x4 10x100");
        let rule = sample::rule(&[("warning", "> 300", Some("< 240"))]);
        let advice = advise(&rule, &tracks, 1).expect("advice");
        assert_eq!((advice.present.alerts, advice.present.missed.len()), (4, 0));
        assert_eq!(advice.values, 539);
        assert!(!advice.choices.is_empty());
        for choice in &advice.choices {
            assert!(choice.alerts <= 1 && choice.firing < 0.1, "{choice:?}");
            assert_eq!(choice.caught + choice.missed.len(), 4, "{choice:?}");
        }
        // At once, only the highest peak alone is above a threshold.
        let at_once = advice.choices.iter().find(|choice| choice.hold.is_none()).expect("one");
        assert!((400.0..500.0).contains(&at_once.than), "{at_once:?}");
        assert_eq!((at_once.caught, at_once.later), (1, TimeDelta::zero()));
        // Held for ten minutes, the present threshold would do.
        let held = Hold::Length(TimeDelta::minutes(10));
        let held = advice.choices.iter().find(|choice| choice.hold == held).expect("held");
        assert!(held.than <= 300.0, "{held:?}");
        assert_eq!((held.caught, held.later), (1, TimeDelta::minutes(10)));
    }

    #[test]
    fn low_is_bad_where_levels_say_so_and_nothing_is_advised_without_values() {
        let rule = sample::rule(&[("low", "< 5", None)]);
        let advice = advise(&rule, &tracks("50x50 4x2 50x50 2x2 50x50"), 1).expect("advice");
        assert_eq!(advice.present.alerts, 2);
        let first = &advice.choices[0];
        assert!(first.than < 5.0 && first.alerts <= 1, "{first:?}");
        assert_eq!(advise(&rule, &tracks("emptyx9"), 1), None);
        assert_eq!(advise(&sample::rule(&[("odd", "!= 5", None)]), &tracks("4x9"), 1), None);
    }

    #[test]
    fn thresholds_are_written_with_two_digits() {
        let check = |value: f64, expected: f64| assert_eq!(rounded(value), expected);
        check(312.7, 320.0);
        check(0.0312, 0.032);
        check(1.0, 1.0);
        check(0.0, 0.0);
        check(-312.7, -310.0);
        check(99.5, 100.0);
    }
}
