//! Which windows a round looks at again, beside what it evaluates: see [`crate::engine::correct`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Round;
use super::answers::Answers;
use super::timetable::Timetable;
use crate::domain::rule::Kind;
use crate::engine::EngineError;
use crate::engine::board::Board;
use crate::engine::correct::{self, Look, Looking};
use crate::store::StoreError;
use crate::store::state::incidents;

/// By the slot looked at, the place of each rule in the timetable and its look.
type LooksDue = BTreeMap<DateTime<Utc>, Vec<(usize, Look)>>;

impl Round<'_> {
    /// Looks at windows again that were judged an hour ago. It is in no hurry: only in rounds that
    /// evaluated something and are not behind, and of each rule one window at a time.
    pub(super) fn look_again(
        &mut self,
        board: &mut Board,
        stop: impl Fn() -> bool,
    ) -> Result<(), EngineError> {
        if self.slots == 0 || self.behind {
            return Ok(());
        }
        let timetable = std::mem::take(&mut board.timetable);
        // One window of a rule a round: what was found is stored before the next one is looked at,
        // which would find it again.
        for looks in self.looks_due(&timetable, board)?.into_values() {
            if stop() {
                break;
            }
            self.looks(&timetable, &looks, board)?;
        }
        board.timetable = timetable;
        Ok(())
    }

    /// The next look of each rule that has one due, by the slot looked at.
    fn looks_due(
        &mut self,
        timetable: &Timetable,
        board: &mut Board,
    ) -> Result<LooksDue, EngineError> {
        let mut due = LooksDue::new();
        let mut new = Vec::new();
        self.store.state.read(|tx| {
            for (place, entry) in timetable.entries.iter().enumerate() {
                let rule = &entry.rule;
                let Some(state) = board.rule_state(&rule.name) else { continue };
                let same = state.hash.as_ref() == Some(&rule.hash);
                let Some(looked) = state.looked_until.filter(|_| same) else {
                    new.push((rule, state.evaluated_until));
                    continue;
                };
                let horizon = state.evaluated_until - correct::LOOK_AFTER;
                if horizon <= looked || rule.window.is_none() || rule.kind == Kind::Event {
                    continue;
                }
                let fired = incidents::fired_between(tx, &rule.name, looked, horizon)?;
                let look = correct::next_look(rule, state.evaluated_until, looked, &fired);
                if let Some(look) = look {
                    due.entry(look.slot.at).or_default().push((place, look));
                }
            }
            Ok(())
        })?;
        // A new rule has judged nothing before, an edited one by other words.
        for (rule, until) in new {
            self.moves.looked(board, rule, until);
        }
        Ok(due)
    }

    fn looks(
        &mut self,
        timetable: &Timetable,
        looks: &[(usize, Look)],
        board: &mut Board,
    ) -> Result<(), EngineError> {
        Ok(self.store.read_records(|view| {
            let answers = Answers::new(view, &timetable.scans);
            for (place, look) in looks {
                let (store, plant, now) = (self.store, self.plant, self.now);
                let rule = &timetable.entries[*place].rule;
                let looking = Looking { store, plant, answers: &answers, rule, now };
                match looking.look(look, board, &mut self.moves) {
                    // Looked at later.
                    Ok(()) | Err(StoreError::Loading(_)) => {}
                    Err(err) => self.failed = Some(err.into()),
                }
            }
            self.passes += answers.passes();
            Ok(())
        })?)
    }
}
