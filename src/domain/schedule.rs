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

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

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
    /// What becomes of slots on days that the calendar skips.
    pub on_closed: OnClosed,
    /// The first and the last civil date of its slots; there are none outside.
    pub dates: (Option<NaiveDate>, Option<NaiveDate>),
    /// Whether its slots are skipped for the time being.
    pub paused: Paused,
    read: Pattern,
}

/// What becomes of a slot on a closed day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnClosed {
    /// It is skipped.
    Skip,
    /// It moves to the next open day, at the same time; with what that day has by itself it is one.
    Next,
    /// It moves to the open day before.
    Previous,
}

/// Whether slots are skipped for the time being. What was skipped is not made later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// They run.
    No,
    /// None runs.
    Yes,
    /// Those before this civil date do not run.
    Until(NaiveDate),
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
    /// Whether it does not run because it was missed: it was due while nobody looked, or is too late.
    pub missed: bool,
}

/// A slot considered this late or later was missed, not merely picked up late: `missed = "none"`
/// skips it.
pub const MISSED_AFTER: TimeDelta = TimeDelta::minutes(5);

/// A slot on a closed day moves by so many days at most.
const MOVED_DAYS_MAX: u64 = 31;

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
        Ok(Schedule {
            pattern,
            zone,
            missed,
            max_lateness: None,
            calendar: None,
            on_closed: OnClosed::Skip,
            dates: (None, None),
            paused: Paused::No,
            read,
        })
    }

    /// Whether it runs on elapsed time: its hour field begins with a star.
    pub fn is_elapsed(&self) -> bool {
        self.read.is_elapsed()
    }

    /// What makes it the same schedule: a schedule that was edited is a new one and fills nothing in.
    pub fn identity(&self) -> String {
        format!("{} {}", self.pattern, self.zone.name())
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
                slot.missed = slot.skipped.is_some();
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
            let paused = || self.paused_on(self.zone.date(planned_at));
            let skipped = missing.map(no_date).or_else(paused).or_else(closed);
            Slot { planned_at, skipped, missed: false }
        })
    }

    /// Why nothing runs on a civil date although the pattern says so.
    fn paused_on(&self, date: NaiveDate) -> Option<String> {
        match self.paused {
            Paused::No => None,
            Paused::Yes => Some("paused".to_owned()),
            Paused::Until(open) => (date < open).then(|| format!("paused until {open}")),
        }
    }

    /// The date on which a date's slots run: itself, or the open day its calendar moves them to.
    /// Where no day near it is open it stays, and is skipped.
    fn runs_on(&self, date: NaiveDate) -> NaiveDate {
        let Some(calendar) = &self.calendar else { return date };
        let time = self.read.times().first().copied().unwrap_or(NaiveTime::MIN);
        let open = |date: &NaiveDate| {
            let at = self.zone.first_instant(date.and_time(time));
            self.zone.has_date(*date) && calendar.closed_on(calendar.zone().date(at)).is_none()
        };
        let days = 0..=MOVED_DAYS_MAX;
        let found = match self.on_closed {
            OnClosed::Skip => None,
            OnClosed::Next => {
                days.filter_map(|days| date.checked_add_days(Days::new(days))).find(open)
            }
            OnClosed::Previous => {
                days.filter_map(|days| date.checked_sub_days(Days::new(days))).find(open)
            }
        };
        found.unwrap_or(date)
    }

    /// The dates on which slots of fixed hours run, in order, each once.
    fn running_dates(
        &self,
        first: NaiveDate,
        last: Option<NaiveDate>,
    ) -> impl Iterator<Item = NaiveDate> {
        // What is moved may come from some way off.
        let reach = Days::new(if self.on_closed == OnClosed::Skip { 0 } else { MOVED_DAYS_MAX });
        let from = first.checked_sub_days(reach).unwrap_or(first);
        let to = last.and_then(|last| last.checked_add_days(reach));
        let mut before = None;
        self.named_dates(from, to)
            .map(|date| self.runs_on(date))
            // Dates are moved to dates in order, so that equal ones are neighbours.
            .filter(move |date| before.replace(*date) != Some(*date))
            .filter(move |date| first <= *date && last.is_none_or(|last| *date <= last))
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
            .running_dates(passed.date(), last)
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
            .filter(|date| self.dates.0.is_none_or(|start| start <= *date))
            .filter(|date| self.dates.1.is_none_or(|end| *date <= end))
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
