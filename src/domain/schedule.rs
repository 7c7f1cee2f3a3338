//! Schedules: cron patterns on civil time in a zone, and the slots they plan.
//!
//! A pattern with fixed hours gives each civil date that exists each of its times exactly once: a
//! time that falls into a gap runs at the first instant after it (all times of one gap together, as
//! one slot), a time that happens twice runs the first time. A pattern whose hour field begins with
//! a star runs on elapsed time: at every instant whose civil time matches, through both passes of an
//! overlap, and not at all inside a gap. A date the zone left out is a slot that is skipped with that
//! reason, unless the next date has a slot at that same instant.
//!
//! One instant has one slot, slots are in order, and the slots of two adjacent stretches are those
//! of the whole. Nothing is stored here: who claims a slot is decided by a row.

#[cfg(test)]
mod exhaustive;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use self::pattern::{Pattern, RECURS_WITHIN};
use super::calendar::Calendar;
use super::zone::Zone;

/// A cron pattern in a zone with its policies.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The pattern as written.
    pub pattern: String,
    /// Its zone.
    pub zone: Zone,
    /// What happens to slots missed while down.
    pub missed: Missed,
    /// A slot later than this is skipped.
    pub max_lateness: Option<TimeDelta>,
    /// Slots on its holidays and, if it states hours, on days without any are skipped. The hours
    /// themselves do not matter: a morning mail goes out before the office opens. The day is the
    /// one the calendar's zone has at the slot.
    pub calendar: Option<Arc<Calendar>>,
    read: Pattern,
}

/// What happens to slots missed while down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The newest one runs, once.
    Latest,
    /// All of them run.
    All,
    /// None runs.
    None,
}

/// One planned instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When.
    pub planned_at: DateTime<Utc>,
    /// Why it does not run; `None` if it does.
    pub skipped: Option<String>,
}

/// A slot considered this late or later was missed, not merely picked up late: `missed = "none"`
/// skips it.
pub const MISSED_AFTER: TimeDelta = TimeDelta::minutes(5);

/// [`Schedule::due`] looks no further back than this and returns no more slots than this many, the
/// newest: a clock that was years off must not plan a million mails.
pub const DUE_DAYS_MAX: i64 = 366;
/// See [`DUE_DAYS_MAX`].
pub const DUE_SLOTS_MAX: usize = 1000;

impl Schedule {
    /// Parses a five-field pattern (plus `L`, `W`, `#`). The policies are the defaults: the latest
    /// missed slot runs, however late, on all days.
    pub fn parse(pattern: &str, zone: Zone) -> Result<Schedule, String> {
        let read = Pattern::parse(pattern)?;
        let pattern = pattern.split_whitespace().collect::<Vec<_>>().join(" ");
        let missed = Missed::Latest;
        Ok(Schedule { pattern, zone, missed, max_lateness: None, calendar: None, read })
    }

    /// The planned slots in `(after, until]`, in order, with those that the calendar skips and the
    /// reason; at most `max` of them.
    pub fn slots(&self, after: DateTime<Utc>, until: DateTime<Utc>, max: usize) -> Vec<Slot> {
        self.planned(after, until).take(max).collect()
    }

    /// The next slot after an instant that is not skipped; `None` if the calendar skips all those of
    /// more than a year.
    pub fn next(&self, after: DateTime<Utc>) -> Option<Slot> {
        let until = after.checked_add_days(RECURS_WITHIN).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let patience = after.checked_add_signed(TimeDelta::days(400)).unwrap_or(until);
        // Rare patterns get a number of chances, frequent ones a stretch of time.
        self.planned(after, until)
            .enumerate()
            .take_while(|(place, slot)| *place < 1000 || slot.planned_at < patience)
            .map(|(_, slot)| slot)
            .find(|slot| slot.skipped.is_none())
    }

    /// The slots that became due in `(considered_until, now]`, with `missed` and `max_lateness`
    /// applied: each is to run or is skipped with the reason. Bounded by [`DUE_DAYS_MAX`] and
    /// [`DUE_SLOTS_MAX`], of which the newest are kept.
    pub fn due(&self, considered_until: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Slot> {
        let earliest = now.checked_sub_signed(TimeDelta::days(DUE_DAYS_MAX));
        let after = earliest.map_or(considered_until, |earliest| considered_until.max(earliest));
        let mut due = VecDeque::new();
        for slot in self.planned(after, now) {
            if due.len() == DUE_SLOTS_MAX {
                due.pop_front();
            }
            due.push_back(slot);
        }
        let newest = due.iter().rfind(|slot| slot.skipped.is_none()).map(|slot| slot.planned_at);
        for slot in &mut due {
            if slot.skipped.is_none() {
                slot.skipped = self.too_late(slot.planned_at, newest, now);
            }
        }
        due.into()
    }

    /// Why a due slot does not run although its day is fine. `newest` is the last of those due.
    fn too_late(
        &self,
        planned_at: DateTime<Utc>,
        newest: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let late = now - planned_at;
        if let Some(most) = self.max_lateness.filter(|most| late > *most) {
            return Some(format!("{} late: `max_lateness` is {}", in_words(late), in_words(most)));
        }
        match self.missed {
            Missed::All => None,
            Missed::Latest if newest == Some(planned_at) => None,
            Missed::Latest => Some("missed: only the latest missed slot runs".to_owned()),
            Missed::None if late < MISSED_AFTER => None,
            Missed::None => Some(format!("missed by {}: missed slots do not run", in_words(late))),
        }
    }

    /// All slots in `(after, until]`, lazily, with what the zone and the calendar skip.
    fn planned(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = Slot> {
        let (elapsed, fixed) = match self.read.is_elapsed() {
            true => (Some(self.elapsed_times(after, until)), None),
            false => (None, Some(self.fixed_times(after, until))),
        };
        let instants = elapsed.into_iter().flatten().map(|at| (at, None));
        instants.chain(fixed.into_iter().flatten()).map(|(planned_at, missing)| {
            let no_date = |date: NaiveDate| format!("{date} does not exist in {}", self.zone);
            let closed = || {
                let calendar = self.calendar.as_ref()?;
                calendar.closed_on(calendar.zone().date(planned_at))
            };
            Slot { planned_at, skipped: missing.map(no_date).or_else(closed) }
        })
    }

    /// The instants at which a pattern with fixed hours runs, each with the date it stands for if
    /// that date does not exist.
    fn fixed_times(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> impl Iterator<Item = (DateTime<Utc>, Option<NaiveDate>)> {
        // A civil time later than `after`'s is the only kind that can resolve to a later instant.
        let passed = self.zone.civil(after);
        // Where clocks are put back over midnight `until` can show the day before the last one.
        let last = self.zone.date(until).checked_add_days(Days::new(1));
        let mut instants = self
            .named_dates(passed.date(), last)
            .flat_map(move |date| {
                let exists = self.zone.has_date(date);
                let times = if exists { self.read.times() } else { &self.read.times()[..1] };
                times
                    .iter()
                    .map(move |time| date.and_time(*time))
                    .filter(move |civil| passed < *civil)
                    .map(move |civil| (self.zone.first_instant(civil), (!exists).then_some(date)))
            })
            // Later civil times never resolve to earlier instants, so these ends are final.
            .skip_while(move |(at, _)| *at <= after)
            .take_while(move |(at, _)| *at <= until)
            .peekable();
        std::iter::from_fn(move || {
            let (at, mut missing) = instants.next()?;
            while let Some((_, other)) = instants.next_if(|(next, _)| *next == at) {
                missing = missing.and(other);
            }
            Some((at, missing))
        })
    }

    /// The instants at which a pattern on elapsed time runs.
    fn elapsed_times(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> impl Iterator<Item = DateTime<Utc>> {
        let zone = &self.zone;
        let stretches = std::iter::successors(Some(after), move |from| {
            zone.next_change(*from).filter(|change| *change <= until)
        });
        stretches.flat_map(move |from| {
            // The offset is the same from here to the next change, where the next stretch begins.
            let offset = TimeDelta::seconds(i64::from(zone.offset_seconds(from)));
            let end = zone.next_change(from);
            let last = end.map_or(until, |end| end.min(until));
            let last_civil = last.naive_utc().checked_add_signed(offset);
            self.named_dates(zone.date(from), last_civil.map(|civil| civil.date()))
                .flat_map(move |date| self.read.times().iter().map(move |t| date.and_time(*t)))
                .filter_map(move |civil| civil.checked_sub_signed(offset))
                .map(|utc| utc.and_utc())
                .filter(move |at| from <= *at && *at <= last && end.is_none_or(|end| *at < end))
                .filter(move |at| after < *at)
        })
    }

    /// The dates the pattern names, from one to another, both included.
    fn named_dates(
        &self,
        first: NaiveDate,
        last: Option<NaiveDate>,
    ) -> impl Iterator<Item = NaiveDate> {
        let last = last.unwrap_or(NaiveDate::MAX);
        first
            .iter_days()
            .take_while(move |date| *date <= last)
            .filter(|date| self.read.names(*date))
    }
}

/// A length of time in its two largest units: `3 days 2 h`, `1 h 5 min`, `40 s`.
fn in_words(length: TimeDelta) -> String {
    let (days, hours, minutes) =
        (length.num_days(), length.num_hours() % 24, length.num_minutes() % 60);
    let parts = [(days, if days == 1 { "day" } else { "days" }), (hours, "h"), (minutes, "min")];
    let words: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count != 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if words.is_empty() { format!("{} s", length.num_seconds()) } else { words.join(" ") }
}
