//! Event rules: each record that matches is told once. What a rule has seen is remembered by the
//! record's key, in the commit that owes the telling; so neither a restart nor a window that is read
//! again tells anything twice, nor do records that are pulled anew.
//!
//! A rule reads back beyond what it has read before, by its window: what became visible
//! late is found as long as that. A new rule tells nothing of what was there before it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Plant;
use super::evaluate::Answers;
use crate::domain::notification::Occurrence;
use crate::domain::query::{Answer, Frame};
use crate::domain::rule::{Rule, event};
use crate::store::state::occurrences;
use crate::store::{Store, StoreError};

/// At most so many rows are held at once; where a stretch of time has more, it is read in halves.
const ROWS_MAX: usize = 10_000;
/// A stretch is not halved any more.
const STRETCH_MIN: TimeDelta = TimeDelta::seconds(1);
/// Of at most so many new records at once it is kept what they look like; more are counted.
const NEW_MAX: usize = 1_000;

/// What an event rule saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// New records to tell, oldest first.
    pub(super) new: Vec<Occurrence>,
    /// Keys of records that are not told one by one.
    pub(super) passed: Vec<String>,
    /// Keys of records seen long ago that are still there.
    pub(super) kept: Vec<String>,
    /// Records that could not even be looked at, since one second had too many.
    pub(super) unread: u64,
}

/// What one look at an event rule needs.
pub(super) struct Seeing<'a> {
    pub(super) store: &'a Store,
    pub(super) plant: &'a Plant,
    pub(super) answers: &'a Answers<'a>,
    pub(super) rule: &'a Rule,
    pub(super) now: DateTime<Utc>,
}

impl Seeing<'_> {
    /// What is new up to an instant. `until` is how far the rule has read; `None`: it is new, and all
    /// there is has been there before it.
    ///
    /// # Errors
    /// The records or the state cannot be read.
    pub(super) fn see(
        &self,
        until: Option<DateTime<Utc>>,
        to: DateTime<Utc>,
    ) -> Result<Seen, StoreError> {
        if self.rule.event.is_none() {
            return Ok(Seen::default());
        }
        // Where nothing says when a record became visible, all that match are looked at.
        let from = self.rule.window.map(|back| until.unwrap_or(to) - back);
        let (mut seen, mut keys) = (Seen::default(), BTreeSet::new());
        let mut open = vec![from.map(|from| (from, to))];
        while let Some(stretch) = open.pop() {
            let answer = self.answers.list(&self.rule.query, &self.frame(stretch, to))?;
            let more = unread(&answer);
            if more > 0
                && let Some((from, to)) = stretch.filter(|(from, to)| *to - *from > STRETCH_MIN)
            {
                let middle = from + (to - from) / 2;
                open.extend([Some((middle, to)), Some((from, middle))]);
                continue;
            }
            seen.unread += more;
            self.sort_out(&answer, until.is_none(), &mut keys, &mut seen)?;
        }
        self.count_the_rest(&mut seen, to)?;
        seen.new.sort_by(|a, b| (a.at, &a.record).cmp(&(b.at, &b.record)));
        Ok(seen)
    }

    fn frame(&self, bounds: Option<(DateTime<Utc>, DateTime<Utc>)>, as_of: DateTime<Utc>) -> Frame {
        Frame {
            bounds,
            as_of,
            zone: self.rule.zone.clone(),
            week_starts: self.plant.week_starts,
            rows_max: ROWS_MAX,
            rest_max: 0,
        }
    }

    /// Takes what is new of an answer.
    fn sort_out(
        &self,
        answer: &Answer,
        before_it: bool,
        keys: &mut BTreeSet<String>,
        seen: &mut Seen,
    ) -> Result<(), StoreError> {
        // A record may stand in several rows.
        let rows: Vec<Occurrence> = (answer.rows.iter())
            .filter_map(|row| event::occurrence(self.rule, row, self.now))
            .filter(|found| keys.insert(found.record.clone()))
            .collect();
        let known = self.store.state.read(|tx| {
            occurrences::known(tx, &self.rule.name, rows.iter().map(|found| found.record.as_str()))
        })?;
        for (found, seen_at) in rows.into_iter().zip(known) {
            match seen_at {
                None if before_it || seen.new.len() >= NEW_MAX => seen.passed.push(found.record),
                None => seen.new.push(found),
                Some(at) if self.now - at > occurrences::KEPT / 2 => seen.kept.push(found.record),
                Some(_) => {}
            }
        }
        // What was there before the rule is nothing that happened.
        if before_it {
            seen.unread = 0;
        }
        Ok(())
    }

    /// More at once than can be told one by one are told as a number.
    fn count_the_rest(&self, seen: &mut Seen, to: DateTime<Utc>) -> Result<(), StoreError> {
        let counted = if seen.new.is_empty() { 0 } else { seen.passed.len() as u64 };
        let more = counted + seen.unread;
        if more == 0 {
            return Ok(());
        }
        // What could not be looked at cannot be told from what was there at the last look: it is
        // told once a day.
        let record = match counted {
            0 => format!("more of {}", to.date_naive()),
            _ => format!("more {}", to.timestamp_millis()),
        };
        let name = &self.rule.name;
        let known = self.store.state.read(|tx| occurrences::known(tx, name, [record.as_str()]))?;
        if known.into_iter().flatten().next().is_some() {
            return Ok(());
        }
        let mut labels = self.rule.labels.clone();
        labels.insert("rule".into(), self.rule.name.clone());
        if let Some(level) = self.rule.levels.first() {
            labels.insert("level".into(), level.name.clone());
        }
        seen.new.push(Occurrence {
            rule: self.rule.name.clone(),
            title: self.rule.title.clone(),
            record,
            at: to,
            seen_at: self.now,
            shown: vec![("More".into(), format!("{more} more records at once"))],
            link: None,
            labels,
        });
        Ok(())
    }
}

/// How many rows an answer does not hold.
fn unread(answer: &Answer) -> u64 {
    let left_out = answer.others.as_ref().map_or(0, |(count, _)| *count);
    left_out.max(u64::from(answer.truncated))
}
