//! The state machine: one reading moves one incident by one step.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::rule::levels::{is_worse, level_after};
use super::super::rule::readings::Observation;
use super::super::rule::slots::Slot;
use super::super::rule::{Reading, Rule, WhenEmpty, WhenGone};
use super::{About, Incident, Reason, Resolution, Severity, State, Timer, incident_id, words};

/// What one reading did.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The incident to store; `None`: there is none (any more). A resolved one is given back once,
    /// to be stored and told; it is never stepped again.
    pub incident: Option<Incident>,
    /// What changed; `None`: only values and timers, if anything.
    pub transition: Option<Transition>,
    /// Why, for the ledger.
    pub why: String,
}

/// A change of an incident that is worth a line in the ledger. Which of them anybody is told of is
/// decided by [`super::super::notification::decide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// In breach, within its hold.
    Began,
    /// Cleared or gone within its hold, without anybody having been told. The incident is dropped.
    Forgotten,
    /// The breach has lasted as long as the hold.
    Fired,
    /// To a more severe level.
    LevelUp {
        /// Index of the level before.
        from: usize,
        /// Index of the level now.
        to: usize,
    },
    /// To a less severe level. Quiet.
    LevelDown {
        /// Index of the level before.
        from: usize,
        /// Index of the level now.
        to: usize,
    },
    /// Clear, within `keep_firing_for`. Quiet.
    Recovering,
    /// In breach again at the same level before it had ended: the same incident. Quiet.
    Returned,
    /// Over.
    Resolved(Reason),
}

impl Transition {
    /// The word for it, as in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Transition::Began => "began",
            Transition::Forgotten => "forgotten",
            Transition::Fired => "fired",
            Transition::LevelUp { .. } => "level up",
            Transition::LevelDown { .. } => "level down",
            Transition::Recovering => "recovering",
            Transition::Returned => "returned",
            Transition::Resolved(_) => "resolved",
        }
    }
}

/// What a reading means under the rule's policies.
enum Verdict {
    /// Nothing moves; why.
    Hold(&'static str),
    /// In breach, at this level.
    Breach { level: usize, value: Option<f64> },
    /// Clear.
    Clear { value: Option<f64> },
    /// The group has no records; the incident ends after so long.
    Gone { after: chrono::TimeDelta },
}

/// Moves the incident of a group by one reading. `incident` is the open one, if there is one (a
/// resolved one counts as none: what follows is a new incident). The caller stores the outcome, and
/// in the same transaction what it owes.
///
/// - A breach must last `for` before it fires, on data time ([`Timer`]); while pending, every value
///   has to be in breach: recovery thresholds begin to count when the incident fires. It fires at the
///   level of the reading that completes the hold.
/// - While firing, a higher level is reached at once, and left by its recovery threshold only.
/// - Clear for `keep_firing_for` ends it. While recovering, a breach is needed to return; the timer
///   then starts again from nothing.
/// - *Unknown*, and *empty* or *gone* where the rule says hold: nothing moves, timers neither.
pub fn step(rule: &Rule, incident: Option<&Incident>, seen: &Observation, slot: &Slot) -> Step {
    let open = incident.filter(|incident| incident.is_open());
    let reading = match seen.reading {
        // Not a number a threshold could say anything about.
        Reading::Value(value) if !value.is_finite() => Reading::Empty,
        reading => reading,
    };
    let verdict = judge(rule, open, reading, seen);
    let Some(open) = open else {
        return match verdict {
            Verdict::Breach { level, value } => begin(rule, seen, reading, level, value, slot),
            Verdict::Hold(why) => quiet(None, why),
            Verdict::Clear { .. } => quiet(None, "clear"),
            Verdict::Gone { .. } => quiet(None, "no records"),
        };
    };
    let mut next = open.clone();
    next.last_reading = reading;
    next.last_read_at = slot.at;
    next.about = About::known_or_of(&open.about, rule);
    if reading != Reading::Gone && !seen.group.shown.is_empty() {
        next.group.shown.clone_from(&seen.group.shown);
    }
    if !matches!(verdict, Verdict::Hold(_)) {
        next.measured = seen.measured;
        next.records = seen.records;
        // A reading without one leaves what was usual: it is what the incident began with.
        next.usual = seen.usual.or(next.usual);
    }
    match verdict {
        Verdict::Hold(why) => quiet(Some(next), why),
        Verdict::Breach { level, value } => breach(rule, next, level, value, slot),
        Verdict::Clear { value } => clear(rule, next, value, slot),
        Verdict::Gone { after } => gone(rule, next, after, slot),
    }
}

/// Ends an open incident for a reason that is not a reading. One that has not fired is dropped.
pub fn close(incident: &Incident, reason: Reason, at: DateTime<Utc>) -> Step {
    end(incident.clone(), reason, at, reason.words().to_owned())
}

/// The level of an open incident among the rule's levels of today; `None` where it is at none, which
/// is also so before it fired and while it recovers.
fn level_now(rule: &Rule, incident: &Incident) -> Option<usize> {
    let names = rule.levels.iter().map(|level| level.name.as_str());
    (incident.state == State::Firing).then(|| incident.level.index_among(names))
}

fn judge(rule: &Rule, open: Option<&Incident>, reading: Reading, seen: &Observation) -> Verdict {
    let current = open.and_then(|incident| level_now(rule, incident));
    // Without a value nothing says that a higher level was left.
    let by_policy = |level: usize| {
        let level = level.min(rule.levels.len().saturating_sub(1));
        Verdict::Breach { level: current.map_or(level, |current| current.max(level)), value: None }
    };
    match reading {
        Reading::Unknown => Verdict::Hold("unknown: nothing moves"),
        Reading::Value(value) => match level_after(&rule.levels, current, value, seen.bounds) {
            Some(level) => Verdict::Breach { level, value: Some(value) },
            None => Verdict::Clear { value: Some(value) },
        },
        Reading::Empty => match rule.when_empty {
            WhenEmpty::Hold => Verdict::Hold("empty: nothing moves"),
            WhenEmpty::Ok => Verdict::Clear { value: None },
            WhenEmpty::Level(level) => by_policy(level),
        },
        Reading::Gone if seen.unexpected => Verdict::Gone { after: chrono::TimeDelta::zero() },
        Reading::Gone => match rule.when_gone {
            WhenGone::Hold => Verdict::Hold("no records: nothing moves"),
            // The state as it is shows no such record: that is an answer, not a lack of one.
            WhenGone::ResolveAfter(after) if rule.window.is_none() && after.is_zero() => {
                Verdict::Clear { value: None }
            }
            WhenGone::ResolveAfter(after) => Verdict::Gone { after },
            WhenGone::Level(level) => by_policy(level),
        },
    }
}

fn begin(
    rule: &Rule,
    seen: &Observation,
    reading: Reading,
    level: usize,
    value: Option<f64>,
    slot: &Slot,
) -> Step {
    let level = severity(rule, level);
    let incident = Incident {
        id: incident_id(&rule.name, &seen.group.key, slot.at),
        rule: rule.name.clone(),
        group: seen.group.clone(),
        state: State::Pending,
        began: slot.at,
        fired_at: None,
        level: level.clone(),
        level_since: slot.at,
        peak: level,
        value,
        measured: seen.measured,
        records: seen.records,
        usual: seen.usual,
        moved_at: None,
        value_at_fire: None,
        worst: value,
        held: Timer::start(slot, rule.clock.as_deref()),
        clear: None,
        gone: None,
        last_reading: reading,
        last_read_at: slot.at,
        resolved: None,
        about: Arc::new(About::of(rule)),
    };
    fire_if_held(rule, incident, Transition::Began, slot)
}

fn breach(rule: &Rule, mut next: Incident, level: usize, value: Option<f64>, slot: &Slot) -> Step {
    let names = || rule.levels.iter().map(|level| level.name.as_str());
    let from = next.level.index_among(names());
    if level != from {
        next.level_since = slot.at;
    }
    next.level = severity(rule, level);
    if level >= next.peak.index_among(names()) {
        next.peak = next.level.clone();
    }
    next.value = value;
    next.gone = None;
    if let Some(value) = value
        && next.worst.is_none_or(|worst| is_worse(&rule.levels, value, worst))
    {
        next.worst = Some(value);
    }
    let was = next.state;
    if was == State::Pending {
        next.held.advance(slot, rule.clock.as_deref());
        return fire_if_held(rule, next, None, slot);
    }
    next.state = State::Firing;
    next.clear = None;
    let why = describe(rule, level, value);
    let transition = match level.cmp(&from) {
        std::cmp::Ordering::Greater => Some(Transition::LevelUp { from, to: level }),
        std::cmp::Ordering::Less => Some(Transition::LevelDown { from, to: level }),
        std::cmp::Ordering::Equal if was == State::Recovering => Some(Transition::Returned),
        std::cmp::Ordering::Equal => None,
    };
    Step { incident: Some(next), transition, why }
}

fn fire_if_held(
    rule: &Rule,
    mut next: Incident,
    otherwise: impl Into<Option<Transition>>,
    slot: &Slot,
) -> Step {
    let mut why = describe(rule, next.level.index, next.value);
    if !rule.hold.is_none() {
        why += &format!(", held for {} of {}", next.held.lasted(rule.hold), rule.hold);
    }
    let transition = if next.held.has_lasted(rule.hold) {
        next.state = State::Firing;
        next.fired_at = Some(slot.at);
        next.value_at_fire = next.value;
        Some(Transition::Fired)
    } else {
        otherwise.into()
    };
    Step { incident: Some(next), transition, why }
}

fn clear(rule: &Rule, mut next: Incident, value: Option<f64>, slot: &Slot) -> Step {
    next.value = value;
    next.gone = None;
    let seen = match (value, next.last_reading) {
        (Some(value), _) => format!("{value} is clear"),
        (None, Reading::Gone) => "there is none any more".to_owned(),
        (None, _) => "empty counts as clear".to_owned(),
    };
    if next.state == State::Pending {
        let why = format!("{seen} after {} of {}", next.held.lasted(rule.hold), rule.hold);
        return end(next, Reason::Cleared, slot.at, why);
    }
    let clock = rule.clock.as_deref();
    let timer = next.clear.get_or_insert(Timer::start(slot, clock));
    timer.advance(slot, clock);
    let timer = *timer;
    if timer.has_lasted(rule.keep_firing_for) {
        return end(next, Reason::Cleared, slot.at, seen);
    }
    let began = next.state == State::Firing;
    next.state = State::Recovering;
    let why =
        format!("{seen}, for {} of {}", timer.lasted(rule.keep_firing_for), rule.keep_firing_for);
    Step { incident: Some(next), transition: began.then_some(Transition::Recovering), why }
}

fn gone(rule: &Rule, mut next: Incident, after: chrono::TimeDelta, slot: &Slot) -> Step {
    next.value = None;
    let clock = rule.clock.as_deref();
    let timer = next.gone.get_or_insert(Timer::start(slot, clock));
    timer.advance(slot, clock);
    let counted = timer.counted;
    if counted >= after {
        let why = format!("no records for {}", words(counted));
        return end(next, Reason::Gone, slot.at, why);
    }
    quiet(Some(next), format!("no records for {} of {}", words(counted), words(after)))
}

fn end(mut incident: Incident, reason: Reason, at: DateTime<Utc>, why: String) -> Step {
    if incident.state == State::Pending {
        return Step { incident: None, transition: Some(Transition::Forgotten), why };
    }
    incident.state = State::Resolved;
    incident.resolved = Some(Resolution { at: at.max(incident.began), reason });
    Step { incident: Some(incident), transition: Some(Transition::Resolved(reason)), why }
}

fn quiet(incident: Option<Incident>, why: impl Into<String>) -> Step {
    Step { incident, transition: None, why: why.into() }
}

fn severity(rule: &Rule, index: usize) -> Severity {
    let name = rule.levels.get(index).map_or(String::new(), |level| level.name.clone());
    Severity { index, name }
}

/// E.g. `312 at level warning (> 300)`.
fn describe(rule: &Rule, level: usize, value: Option<f64>) -> String {
    let seen: &dyn fmt::Display = match &value {
        Some(value) => value,
        None => &"no value",
    };
    match rule.levels.get(level) {
        Some(level) => format!("{seen} at level {} ({})", level.name, level.breach),
        None => seen.to_string(),
    }
}
