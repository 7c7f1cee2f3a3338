//! What a round moved: incidents are moved on the board as their readings come, and what of it must
//! survive is gathered here, to be written in the round's one commit.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;

use crate::domain::incident::{Incident, Step, Transition};
use crate::domain::notification::{Correction, Told};
use crate::domain::rule::{Reading, Rule};
use crate::engine::board::Board;
use crate::engine::occurrences::Seen;
use crate::store::state::{StateError, corrections, incidents, ledger, occurrences};

/// An open incident is written down again when its last writing is so old, whatever happened.
const FRESHENED_EVERY: TimeDelta = TimeDelta::minutes(10);

/// What has to be written.
#[derive(Debug, Default)]
pub(in crate::engine) struct Moves {
    /// Ids of incidents to write.
    changed: BTreeSet<String>,
    /// Ids of incidents that cleared before they fired.
    forgotten: Vec<String>,
    /// Lines for the ledger: rule and text.
    lines: Vec<(String, String)>,
    /// Up to which slot rules have now been evaluated.
    evaluated: BTreeMap<String, DateTime<Utc>>,
    /// Up to which slot the windows of rules have been looked at again.
    looked: BTreeMap<String, (DateTime<Utc>, String)>,
    /// Verdicts that turned out otherwise.
    corrections: Vec<Correction>,
    /// What event rules saw: rule and what.
    seen: Vec<(String, Seen)>,
    /// Rules that are no longer in the config.
    removed: Vec<String>,
}

impl Moves {
    /// Whether there is nothing to write.
    pub(super) fn is_nothing(&self) -> bool {
        let Moves { changed, forgotten, lines, evaluated, looked, corrections, seen, removed } =
            self;
        changed.is_empty()
            && seen.is_empty()
            && looked.is_empty()
            && corrections.is_empty()
            && forgotten.is_empty()
            && lines.is_empty()
            && evaluated.is_empty()
            && removed.is_empty()
    }

    /// A line for the ledger.
    pub(in crate::engine) fn say(&mut self, rule: &str, text: String) {
        self.lines.push((rule.to_owned(), text));
    }

    /// A rule has been evaluated up to a slot.
    pub(super) fn evaluated(&mut self, board: &mut Board, rule: &str, until: DateTime<Utc>) {
        board.evaluated(rule, until);
        self.evaluated.insert(rule.to_owned(), until);
    }

    /// The windows of a rule have been looked at again up to a slot.
    pub(in crate::engine) fn looked(
        &mut self,
        board: &mut Board,
        rule: &Rule,
        until: DateTime<Utc>,
    ) {
        board.looked(&rule.name, until, &rule.hash);
        self.looked.insert(rule.name.clone(), (until, rule.hash.clone()));
    }

    /// A verdict turned out otherwise. Its incident is put on the board again, where it had been
    /// forgotten, with what was told of it.
    pub(in crate::engine) fn correct(
        &mut self,
        board: &mut Board,
        correction: Correction,
        incident: Incident,
        told: Vec<Told>,
    ) {
        if board.incident(&incident.id).is_none() {
            self.changed.insert(incident.id.clone());
            board.put(incident);
            told.into_iter().for_each(|told| board.remember(told));
        }
        board.moved = true;
        board.corrections.push(correction.clone());
        self.corrections.push(correction);
    }

    /// What an event rule saw.
    pub(super) fn saw(&mut self, board: &mut Board, rule: &str, seen: Seen) {
        if !seen.new.is_empty() {
            self.say(rule, format!("{} new records", seen.new.len()));
            board.moved = true;
            board.occurrences.extend(seen.new.iter().cloned());
        }
        self.seen.push((rule.to_owned(), seen));
    }

    /// A rule is gone: should it come back it is a new rule, which fills nothing in.
    pub(super) fn removed(&mut self, board: &mut Board, rule: &str) {
        board.forget_rule(rule);
        self.removed.push(rule.to_owned());
    }

    /// Puts what a step made of a group's incident on the board.
    pub(super) fn take(
        &mut self,
        board: &mut Board,
        rule: &str,
        key: &str,
        step: Step,
        now: DateTime<Utc>,
    ) {
        let before = board.open_in(rule, key);
        if let Some(transition) = &step.transition {
            let about = step.incident.as_ref().or(before);
            let name = about.map(|incident| incident.group.name()).unwrap_or_default();
            let id = about.map_or("", |incident| incident.id.as_str());
            self.lines.push((
                rule.to_owned(),
                format!("{} {id} {name}: {}", transition.word(), step.why),
            ));
        }
        match step.incident {
            Some(mut incident) => {
                if step.transition.is_some() {
                    incident.moved_at = Some(now);
                }
                if must_survive(before, &mut incident) {
                    self.changed.insert(incident.id.clone());
                }
                board.put(incident);
            }
            None => {
                if let (Some(before), Some(Transition::Forgotten)) = (before, step.transition) {
                    let id = before.id.clone();
                    board.forget(&id);
                    // One that began and cleared in one round was never written.
                    self.changed.remove(&id);
                    self.forgotten.push(id);
                }
            }
        }
        board.moved |= step.transition.is_some();
    }

    /// Writes it all.
    pub(super) fn store(
        &self,
        tx: &Transaction<'_>,
        board: &Board,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        for rule in &self.removed {
            incidents::forget_rule(tx, rule)?;
        }
        for id in &self.forgotten {
            incidents::forget(tx, id)?;
        }
        let changed = || self.changed.iter().filter_map(|id| board.incident(id));
        // The ended first: an open one may have the same group.
        for incident in changed().filter(|incident| !incident.is_open()) {
            incidents::put(tx, incident)?;
        }
        for incident in changed().filter(|incident| incident.is_open()) {
            incidents::put(tx, incident)?;
        }
        for (rule, text) in &self.lines {
            ledger::note(tx, now, "incident", rule, text)?;
        }
        for (rule, until) in &self.evaluated {
            incidents::evaluated(tx, rule, *until)?;
        }
        for (rule, (until, hash)) in &self.looked {
            incidents::looked(tx, rule, *until, hash)?;
        }
        for (rule, seen) in &self.seen {
            for occurrence in &seen.new {
                occurrences::put(tx, occurrence)?;
            }
            for key in &seen.passed {
                occurrences::pass(tx, rule, key, now)?;
            }
            for key in &seen.kept {
                occurrences::keep(tx, rule, key, now)?;
            }
        }
        for correction in &self.corrections {
            corrections::put(tx, correction)?;
        }
        Ok(())
    }
}

/// Whether an incident must be written down with the commit of its reading.
///
/// The commit stores up to which slot its rule was evaluated: that slot is never read again, so all
/// that later steps and decisions build on must be in the same commit. A step builds on the state,
/// the levels, the running timers and the worst value, and each of them is compared here. What the
/// last reading showed (its value, what that was compared with, its time) is looked at by no step: it
/// is for people, and the next reading shows it anew. (Of an incident that is compared with what was
/// usual before it began, that is fixed, and written when it began.) An incident that keeps firing with one value
/// after the other is therefore not written at every slot. After a crash it shows a reading that is
/// at most [`FRESHENED_EVERY`] older than the last one, with that reading's own time, until the next.
fn must_survive(before: Option<&Incident>, after: &mut Incident) -> bool {
    let Some(before) = before.filter(|before| before.id == after.id) else { return true };
    grows_old(before, after) || differs(before, after)
}

/// Whether its ten minutes are over since the last reading. Each incident has its own: not all of
/// them are written in one commit.
fn grows_old(before: &Incident, after: &Incident) -> bool {
    let phase = after.id.bytes().fold(0, |sum: i64, byte| (sum * 31 + i64::from(byte)) % 600);
    let every = FRESHENED_EVERY.num_milliseconds();
    let mark = |at: DateTime<Utc>| (at.timestamp_millis() + phase * 1000).div_euclid(every);
    mark(before.last_read_at) != mark(after.last_read_at)
}

/// Whether anything differs but what the last reading showed.
fn differs(before: &Incident, after: &mut Incident) -> bool {
    let (earlier, seen) = (Shown::of(before), Shown::of(after));
    earlier.put(after);
    let differs = *after != *before || seen.usual.is_some() != earlier.usual.is_some();
    seen.put(after);
    differs
}

/// What a reading shows.
struct Shown {
    value: Option<f64>,
    measured: Option<f64>,
    records: Option<u64>,
    usual: Option<f64>,
    reading: Reading,
    at: DateTime<Utc>,
}

impl Shown {
    fn of(of: &Incident) -> Shown {
        Shown {
            value: of.value,
            measured: of.measured,
            records: of.records,
            usual: of.usual,
            reading: of.last_reading,
            at: of.last_read_at,
        }
    }

    fn put(&self, into: &mut Incident) {
        into.value = self.value;
        into.measured = self.measured;
        into.records = self.records;
        into.usual = self.usual;
        into.last_reading = self.reading;
        into.last_read_at = self.at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::incident::step;
    use crate::domain::rule::readings::{Group, Observation};
    use crate::domain::rule::sample;
    use crate::domain::rule::slots::Slot;

    /// A rule's readings one a minute, and of each whether its incident must be written for what it
    /// is, and whether for its age.
    fn written(hold: i64, keep: i64, readings: &[f64]) -> (String, usize) {
        let mut rule = sample::rule(&[("warning", "> 10", None), ("critical", "> 100", None)]);
        (rule.hold, rule.keep_firing_for) =
            (TimeDelta::minutes(hold).into(), TimeDelta::minutes(keep).into());
        let (mut board, mut written, mut old) = (Board::default(), String::new(), 0);
        for (minute, value) in (0..).zip(readings) {
            let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
            let slot = Slot { at, window: None, reach: TimeDelta::minutes(1) };
            let seen = Observation::of(Group::all(), Reading::Value(*value));
            let before = board.open_in(&rule.name, &seen.group.key).cloned();
            let step = step(&rule, before.as_ref(), &seen, &slot);
            let mut after = step.incident.clone();
            let by_itself = match (&before, &mut after) {
                (Some(before), Some(after)) => differs(before, after),
                (None, None) => false,
                _ => true,
            };
            let mut moves = Moves::default();
            moves.take(&mut board, &rule.name, &seen.group.key, step, at);
            written.push(if by_itself { 'w' } else { '.' });
            old += usize::from(!by_itself && !moves.changed.is_empty());
        }
        (written, old)
    }

    #[track_caller]
    fn check(hold: i64, keep: i64, readings: &[f64], expected: &str) {
        assert_eq!(written(hold, keep, readings).0, expected);
    }

    #[test]
    fn what_later_steps_build_on_is_written_at_once() {
        // Fires, a lower value, the same, a worse one, a higher level, the end.
        check(0, 0, &[20.0, 15.0, 15.0, 30.0, 200.0, 1.0], "w..www");
        // The timers of a hold and of a recovery.
        check(3, 0, &[20.0, 19.0, 18.0, 17.0, 16.0], "wwww.");
        check(0, 3, &[20.0, 5.0, 5.0, 12.0, 12.0], "wwww.");
    }

    #[test]
    fn a_mere_value_is_written_every_ten_minutes() {
        let mut steady = vec![50.0];
        steady.extend([40.0; 30]);
        let (by_itself, for_age) = written(0, 0, &steady);
        assert_eq!(by_itself.matches('w').count(), 1, "{by_itself}");
        assert_eq!(for_age, 3);
    }
}
