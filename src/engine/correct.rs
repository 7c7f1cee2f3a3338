//! Corrections: windows that were judged are looked at again once, an hour later, when records have
//! had time to come late or to be edited.
//!
//! What it costs is bounded. Of a rule's windows, which may overlap, only those that lie side by side
//! are looked at again, so that each record is in exactly one of them; the windows by which incidents
//! fired are looked at besides. A rule over 30 minutes that is evaluated every minute is so evaluated
//! 2 times an hour more, not 60, and rules that ask the same share the answer here too. Where a window
//! turns out to be in breach that was not, the slots around it are gone through by the same steps as
//! ever, and only what would have fired by them is told. (A sum that reaches its threshold in a
//! window between two of those looked at is not found: this is a second look, not a second
//! evaluation.)

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::Plant;
use super::board::{Board, Open};
use super::evaluate::{Answers, Moves};
use super::observe::observe;
use crate::domain::incident::{self, Incident, Reason, Resolution, State};
use crate::domain::notification::Correction;
use crate::domain::period::Window;
use crate::domain::rule::levels::level_after;
use crate::domain::rule::readings::Observation;
use crate::domain::rule::slots::Slot;
use crate::domain::rule::{Kind, Reading, Rule};
use crate::store::state::{corrections, incidents};
use crate::store::{Store, StoreError};

/// A window is looked at again when it was judged so long ago.
pub(super) const LOOK_AFTER: TimeDelta = TimeDelta::hours(1);
/// What was judged longer ago is left as it is.
const LOOK_BACK: TimeDelta = TimeDelta::hours(24);
/// At most so many groups of a rule are gone through at one look; more are counted.
const GROUPS_MAX: usize = 20;
/// At most so many slots are gone through for a group.
const SLOTS_MAX: i32 = 240;

/// A look that is due: a slot of a rule whose window is looked at again.
pub(super) struct Look {
    pub(super) slot: Slot,
    /// The rule's windows have been looked at up to here when it is done.
    pub(super) until: DateTime<Utc>,
    /// Incidents that fired by it.
    fired: Vec<Incident>,
    /// Whether it is looked at for what did not fire.
    whole: bool,
}

/// The next look that is due for a rule, if one is. `evaluated_until` and `looked_until` are how far
/// it has come; `fired` are its incidents that fired after the last look, oldest first.
pub(super) fn next_look(
    rule: &Rule,
    evaluated_until: DateTime<Utc>,
    looked_until: DateTime<Utc>,
    fired: &[Incident],
) -> Option<Look> {
    let length = rule.window.filter(|_| rule.kind == Kind::State)?;
    let horizon = evaluated_until - LOOK_AFTER;
    let from = looked_until.max(horizon - LOOK_BACK);
    let side_by_side = side_by_side(rule.every, length);
    let at = next_multiple(from, side_by_side);
    let by_fire = fired.iter().filter_map(|incident| incident.fired_at).find(|at| *at > from);
    let slot_at = by_fire.map_or(at, |fire| fire.min(at));
    if slot_at > horizon {
        return None;
    }
    let window = Window { from: slot_at - length, to: slot_at };
    let open = rule.during.as_ref().is_none_or(|hours| hours.covers(window.from, window.to));
    let of_slot = |incident: &&Incident| incident.fired_at == Some(slot_at);
    Some(Look {
        slot: Slot { at: slot_at, window: Some(window), reach: rule.every },
        until: slot_at,
        fired: fired.iter().filter(of_slot).cloned().collect(),
        whole: slot_at == at && open,
    })
}

/// The distance of slots whose windows lie side by side: whole steps of the rule's grid.
fn side_by_side(every: TimeDelta, window: TimeDelta) -> TimeDelta {
    let (every, window) = (every.num_milliseconds().max(1000), window.num_milliseconds().max(1));
    TimeDelta::milliseconds(every * ((window + every - 1) / every))
}

/// The first multiple (since 1970 UTC) after an instant.
fn next_multiple(after: DateTime<Utc>, step: TimeDelta) -> DateTime<Utc> {
    let step = step.num_milliseconds();
    let next = (after.timestamp_millis().div_euclid(step) + 1) * step;
    DateTime::from_timestamp_millis(next).unwrap_or(after)
}

/// A verdict that turned out otherwise.
struct Found {
    /// The incident that fired, or one that would have.
    incident: Incident,
    verdict: Verdict,
}

enum Verdict {
    /// It fired by a value that is no breach any more. The incident stays as it was; whoever was told
    /// of it is told this, in its thread.
    NotInBreach { was: f64, now: Option<f64> },
    /// It was judged clear, or there was nothing to judge, and would have fired. The incident is over
    /// when it is found; whoever its route picks is told of it once, as late.
    InBreach { now: f64 },
}

impl Found {
    /// For people.
    fn words(&self) -> String {
        match self.verdict {
            Verdict::NotInBreach { was, now } => {
                let now = now.map_or("leave no value".to_owned(), |now| format!("make it {now}"));
                format!(
                    "It fired by {was}. Records that came or changed since {now}, which is no breach."
                )
            }
            Verdict::InBreach { now } => format!(
                "When its window was judged it was not in breach. Records that came or changed since \
                 make the value {now}, by which it would have fired."
            ),
        }
    }
}

/// What one look needs.
pub(super) struct Looking<'a> {
    pub(super) store: &'a Store,
    pub(super) plant: &'a Plant,
    pub(super) answers: &'a Answers<'a>,
    pub(super) rule: &'a Rule,
    pub(super) now: DateTime<Utc>,
}

impl Looking<'_> {
    /// Looks at a window again, and puts on the board what turned out otherwise.
    ///
    /// # Errors
    /// The records or the state cannot be read: nothing is moved then.
    pub(super) fn look(
        &self,
        look: &Look,
        board: &mut Board,
        moves: &mut Moves,
    ) -> Result<(), StoreError> {
        let mut found = Vec::new();
        if !look.fired.is_empty() {
            let seen = self.seen(&look.slot, look.fired.iter().cloned())?;
            for incident in &look.fired {
                found.extend(self.not_in_breach(incident, &seen));
            }
        }
        if look.whole {
            found.extend(self.in_breach(look, board, moves)?);
        }
        for found in found {
            let id = found.incident.id.clone();
            let (number, told) = self
                .store
                .state
                .read(|tx| Ok((corrections::count(tx, &id)? + 1, incidents::told(tx, &id)?)))?;
            let words = found.words();
            moves.say(&self.rule.name, format!("corrected {id}: {words}"));
            let correction = Correction { incident: id, number, at: self.now, words };
            moves.correct(board, correction, found.incident, told);
        }
        moves.looked(board, self.rule, look.until);
        Ok(())
    }

    /// What is seen at a slot with these incidents open.
    fn seen(
        &self,
        slot: &Slot,
        open: impl IntoIterator<Item = Incident>,
    ) -> Result<Vec<Observation>, StoreError> {
        let incidents: BTreeMap<String, Incident> =
            open.into_iter().map(|incident| (incident.id.clone(), incident)).collect();
        let groups =
            incidents.values().map(|incident| (incident.group.key.clone(), incident.id.clone()));
        let groups = groups.collect();
        observe(self.answers, self.plant, self.rule, slot, Open::of(&groups, &incidents))
    }

    /// An incident that fired by a slot, where nothing at that slot breaches any more.
    fn not_in_breach(&self, incident: &Incident, seen: &[Observation]) -> Option<Found> {
        // One that fired by policy and not by a value has none to be corrected.
        let was = incident.value_at_fire?;
        let seen = seen.iter().find(|seen| seen.group.key == incident.group.key);
        let now = match seen.map(|seen| (seen.reading, seen.bounds)) {
            // The records say what they said: whatever else changed is no correction.
            Some((Reading::Value(value), _)) if value == was => return None,
            Some((Reading::Value(value), bounds)) => {
                if level_after(&self.rule.levels, None, value, bounds).is_some() {
                    return None;
                }
                Some(value)
            }
            // Its records were deleted, or belong to another group or window now.
            None | Some((Reading::Gone | Reading::Empty, _)) => None,
            Some((Reading::Unknown, _)) => return None,
        };
        let verdict = Verdict::NotInBreach { was, now };
        Some(Found { incident: incident.clone(), verdict })
    }

    /// Incidents that would have fired around a slot.
    fn in_breach(
        &self,
        look: &Look,
        board: &Board,
        moves: &mut Moves,
    ) -> Result<Vec<Found>, StoreError> {
        let seen = self.seen(&look.slot, [])?;
        let breaches = seen.into_iter().filter(|seen| self.breaches(seen).is_some());
        let mut unknown = Vec::new();
        for seen in breaches {
            if !self.was_known(&seen, &look.slot, board)? {
                unknown.push(seen);
            }
        }
        if unknown.len() > GROUPS_MAX {
            let more = unknown.len() - GROUPS_MAX;
            let text = format!(
                "corrected: {more} more groups are in breach at {} than can be gone through",
                look.slot.at
            );
            moves.say(&self.rule.name, text);
            unknown.truncate(GROUPS_MAX);
        }
        let mut found = Vec::new();
        for seen in unknown {
            let Some(now) = self.breaches(&seen) else { continue };
            if let Some(incident) = self.gone_through(&seen, look)? {
                found.push(Found { incident, verdict: Verdict::InBreach { now } });
            }
        }
        Ok(found)
    }

    /// The value by which a group is in breach, if it is.
    fn breaches(&self, seen: &Observation) -> Option<f64> {
        let Reading::Value(value) = seen.reading else { return None };
        level_after(&self.rule.levels, None, value, seen.bounds).map(|_| value)
    }

    /// Whether an incident of the group was there when the window was judged, or right beside it.
    fn was_known(
        &self,
        seen: &Observation,
        slot: &Slot,
        board: &Board,
    ) -> Result<bool, StoreError> {
        let (rule, group) = (&self.rule.name, &seen.group.key);
        let near = self.rule.window.unwrap_or_default() + self.span();
        let around = |incident: &Incident| incident.began <= slot.at + near;
        if board.open_in(rule, group).is_some_and(around) {
            return Ok(true);
        }
        let since = slot.at - near;
        let ended =
            self.store.state.read(|tx| incidents::of_group_since(tx, rule, group, since))?;
        Ok(ended.iter().any(around))
    }

    /// How long a breach takes to fire.
    fn span(&self) -> TimeDelta {
        self.rule.hold.length(self.rule.every)
    }

    /// Steps a group through the slots around a look as if they had just come; gives the incident that
    /// fires by them, ended.
    fn gone_through(
        &self,
        seen: &Observation,
        look: &Look,
    ) -> Result<Option<Incident>, StoreError> {
        let (rule, length) = (self.rule, self.rule.window.unwrap_or_default());
        let around = length + self.span();
        let every = rule.every.max(TimeDelta::seconds(1));
        let steps = (around.num_milliseconds() / every.num_milliseconds()).clamp(0, 1 << 20) as i32;
        let steps = steps.min(SLOTS_MAX / 2);
        let mut shadow: Option<Incident> = None;
        let mut fired = None;
        for step in -steps..=steps {
            let at = look.slot.at + every * step;
            let window = Window { from: at - length, to: at };
            if rule.during.as_ref().is_some_and(|hours| !hours.covers(window.from, window.to)) {
                continue;
            }
            let slot = Slot { at, window: Some(window), reach: every };
            let all = self.seen(&slot, shadow.clone())?;
            let Some(now) = all.into_iter().find(|now| now.group.key == seen.group.key) else {
                continue;
            };
            shadow = incident::step(rule, shadow.as_ref(), &now, &slot).incident;
            match &shadow {
                Some(incident) if incident.fired_at.is_some() => {
                    fired = Some(incident.clone());
                    if !incident.is_open() {
                        break;
                    }
                }
                _ => {}
            }
        }
        Ok(fired.map(|incident| ended(incident, self.now)))
    }
}

/// An incident that is found when it is over.
fn ended(mut incident: Incident, now: DateTime<Utc>) -> Incident {
    if incident.is_open() {
        incident.state = State::Resolved;
        let at = incident.last_read_at;
        incident.resolved = Some(Resolution { at, reason: Reason::Cleared });
    }
    incident.moved_at = Some(now);
    incident
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule::sample;

    fn minute(n: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(n)
    }

    /// The minutes looked at, one look after the other, when a rule over 30 minutes has been evaluated
    /// up to `evaluated` and looked at up to `looked`.
    fn looks(rule: &Rule, evaluated: i64, looked: i64, fired: &[i64]) -> Vec<(i64, bool)> {
        let incident = |fired_at: &i64| {
            let slot = Slot { at: minute(*fired_at), window: None, reach: TimeDelta::minutes(1) };
            let group = crate::domain::rule::readings::Group::all();
            let seen = Observation::of(group, Reading::Value(1e6));
            incident::step(rule, None, &seen, &slot).incident.expect("it fires")
        };
        let fired: Vec<Incident> = fired.iter().map(incident).collect();
        let (mut looked, mut looks) = (minute(looked), Vec::new());
        while let Some(look) = next_look(rule, minute(evaluated), looked, &fired) {
            looked = look.until;
            let count = look.fired.len();
            assert_eq!(count > 0, fired.iter().any(|i| i.fired_at == Some(look.slot.at)));
            looks.push(((look.slot.at - minute(0)).num_minutes(), look.whole));
        }
        looks
    }

    #[test]
    fn windows_are_looked_at_once_side_by_side_an_hour_later_and_where_something_fired() {
        let rule = sample::rule(&[("warning", "> 10", None)]);
        assert_eq!(looks(&rule, 60, 0, &[]), []);
        assert_eq!(looks(&rule, 89, 0, &[]), []);
        assert_eq!(looks(&rule, 150, 0, &[]), [(30, true), (60, true), (90, true)]);
        let by_fire = [(30, true), (47, false), (60, true), (90, true)];
        assert_eq!(looks(&rule, 150, 0, &[47, 60, 120]), by_fire);
        // However long ago: a day back and no further.
        assert_eq!(looks(&rule, 60 * 100, 0, &[]).len(), 48);
        let mut sparse = rule.clone();
        sparse.every = TimeDelta::minutes(45);
        assert_eq!(looks(&sparse, 160, 0, &[]), [(45, true), (90, true)]);
        let mut as_it_is = rule;
        as_it_is.window = None;
        assert_eq!(looks(&as_it_is, 500, 0, &[]), []);
    }
}
