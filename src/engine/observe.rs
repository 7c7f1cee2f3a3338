//! What a rule sees at a slot: its question answered from the records, over the window and whatever
//! that is compared with, and what the answers say of each group. It moves nothing; what readings do
//! is [`super::evaluate`]'s.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::Plant;
use super::board::Open;
use super::evaluate::{Answers, datasets};
use crate::domain::period::Window;
use crate::domain::query::{Answer, Frame, Row};
use crate::domain::rule::readings::{Asked, Observation, awaits_warming, hold_back, observations};
use crate::domain::rule::slots::Slot;
use crate::domain::rule::usual::{Earlier, earlier};
use crate::domain::rule::{Expect, Rule};
use crate::store::StoreError;

/// At most so many groups of one rule are read at a slot; beyond it the overflow speaks.
const GROUPS_READ_MAX: usize = 50_000;

/// A group without records in so long a stretch is seen for the first time, as far as warming up
/// goes.
const NEW_AFTER: TimeDelta = TimeDelta::days(30);

/// What is seen of each group of a rule at a slot. `open` are the rule's open incidents by their
/// group's key: their groups are observed also where they have no records any more.
///
/// # Errors
///
/// When the records cannot be asked; [`StoreError::Loading`] where a field is not filled yet: the
/// slot is read again later.
pub(super) fn observe(
    records: &Answers<'_>,
    plant: &Plant,
    rule: &Rule,
    slot: &Slot,
    open: Open<'_>,
) -> Result<Vec<Observation>, StoreError> {
    if rule.event.is_some() {
        // Its answer is records, not readings: see [`crate::domain::rule::event`].
        return Ok(Vec::new());
    }
    let asking = Asking { records, rule, slot, week_starts: plant.week_starts };
    let answer = asking.answer(slot.window)?;
    let compared = asking.compared()?;
    let (before, lately) = asking.around(&answer.rows)?;
    let earlier: Vec<&[Row]> = compared.iter().map(|answer| answer.rows.as_slice()).collect();
    let asked = Asked {
        rows: &answer.rows,
        earlier: &earlier,
        before: rows(&before),
        lately: rows(&lately),
    };
    let mut seen = observations(rule, &asked, open.values());
    asking.warm_up(&mut seen, |key| open.get(key).is_some())?;
    Ok(seen)
}

/// The rows of an answer; none where nothing was asked.
fn rows(answer: &Option<Arc<Answer>>) -> &[Row] {
    answer.as_ref().map_or(&[], |answer| &answer.rows)
}

/// What was said of the time before, and lately.
type Around = (Option<Arc<Answer>>, Option<Arc<Answer>>);

/// A rule's question at a slot, to be asked about several stretches of time.
struct Asking<'a> {
    records: &'a Answers<'a>,
    rule: &'a Rule,
    slot: &'a Slot,
    week_starts: u8,
}

impl Asking<'_> {
    /// What is said of a stretch; without one, of the state as it is.
    fn answer(&self, window: Option<Window>) -> Result<Arc<Answer>, StoreError> {
        let (rule, slot) = (self.rule, self.slot);
        let as_of = match (window, slot.window) {
            // An earlier window is seen from its own end, as it was seen then.
            (Some(window), Some(own)) if window.to <= own.to => slot.at - (own.to - window.to),
            (Some(_), _) => slot.at,
            // The state as it is, is that of the watermark: records are known up to there.
            (None, _) => {
                let to = self.records.complete_to(&datasets(rule));
                to.map_or(slot.at, |to| to.max(slot.at))
            }
        };
        let frame = Frame {
            bounds: window.map(|window| (window.from, window.to)),
            as_of,
            zone: rule.zone.clone(),
            week_starts: self.week_starts,
            rows_max: GROUPS_READ_MAX,
            rest_max: 0,
        };
        self.records.answer(&rule.query, &frame)
    }

    /// What is said of the windows that this one is compared with, nearest first.
    fn compared(&self) -> Result<Vec<Arc<Answer>>, StoreError> {
        let (Some(usual), Some(window)) = (&self.rule.usual, self.slot.window) else {
            return Ok(Vec::new());
        };
        match earlier(usual, window, &self.rule.zone, self.known_from()?) {
            Earlier::Windows(windows) => {
                windows.into_iter().map(|window| self.answer(Some(window))).collect()
            }
            Earlier::Holiday => Ok(Vec::new()),
        }
    }

    /// What is said of the time before the window, where groups must be new, and of the time in which
    /// groups were seen that are expected for it.
    fn around(&self, now: &[Row]) -> Result<Around, StoreError> {
        let Some(own) = self.slot.window else { return Ok((None, None)) };
        let before = match self.rule.new_within {
            // Where nothing is there now, nothing is new.
            Some(length) if !now.is_empty() => {
                Some(self.answer(Some(Window { from: own.from - length, to: own.from }))?)
            }
            _ => None,
        };
        let lately = match self.rule.expect {
            Some(Expect::SeenWithin(length)) => {
                Some(self.answer(Some(Window { from: own.to - length, to: own.to }))?)
            }
            _ => None,
        };
        Ok((before, lately))
    }

    /// Holds groups back that are too new to be judged. Asked only where it matters.
    fn warm_up(
        &self,
        seen: &mut [Observation],
        is_open: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let (rule, Some(own)) = (self.rule, self.slot.window) else { return Ok(()) };
        let matters = || seen.iter().any(|seen| awaits_warming(rule, seen, &is_open));
        if rule.warm_up <= TimeDelta::zero() || !matters() {
            return Ok(());
        }
        let to = own.to - rule.warm_up;
        let there_before = self.answer(Some(Window { from: to - NEW_AFTER, to }))?;
        hold_back(rule, seen, &there_before.rows, is_open);
        Ok(())
    }

    /// The first instant from which on the records are known; `None`: there are none.
    fn known_from(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let query = &self.rule.query;
        let Some(date) = query.date else { return Ok(None) };
        let dataset = &query.report_type.tables[date.table].dataset;
        let field = &query.report_type.field(date).name;
        let first = self.records.earliest(&dataset.name, field)?;
        let loaded =
            datasets(self.rule).iter().filter_map(|name| self.records.history_from(name)).max();
        Ok(first.map(|first| loaded.map_or(first, |loaded| loaded.max(first))))
    }
}
