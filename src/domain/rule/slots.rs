//! Slots of a rule: which of them are due, and why the others are not.
//!
//! The grid of a rule is the multiples of its `every` since 1970 UTC, so it does not depend on when
//! the daemon started. A rule is judged on data time: a slot waits until the source is known to be
//! complete up to it, however late that is, and is then judged on its own window. A windowed rule
//! replays the slots it missed, in order and within a bound; a rule on the state as it is cannot
//! (the past state is not kept) and takes the newest alone.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::period::Window;
use super::Rule;

/// Missed slots older than this, counted back from the newest one due, are left out.
pub const CATCH_UP: TimeDelta = TimeDelta::hours(24);

/// At most so many slots are planned at once; older ones are left out.
pub const SLOTS_MAX: usize = 1440;

/// One slot to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The planned instant: the end of the window.
    pub at: DateTime<Utc>,
    /// The stretch of time the value is computed over; `None`: the state as it is.
    pub window: Option<Window>,
    /// How far back a reading of this slot vouches for: holds count at most so much time between
    /// one reading and the next, so that nothing unseen counts.
    pub reach: TimeDelta,
}

/// Slots that are passed over, with nothing evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: DateTime<Utc>,
    /// The last of them.
    pub last: DateTime<Utc>,
}

/// What is due for a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To evaluate, in this order.
    pub slots: Vec<Slot>,
    /// Not wholly inside the `during` calendar's hours: an open incident stays as it is.
    pub outside: Option<Skipped>,
    /// Beyond the catch-up bound: never evaluated, which has to be told.
    pub left_out: Option<Skipped>,
    /// What to store as `evaluated_to` together with the outcome of `slots`; `None`: nothing is due.
    pub evaluated_to: Option<DateTime<Utc>>,
    /// The oldest slot whose time has come by the clock while the data has not.
    pub waiting: Option<DateTime<Utc>>,
}

/// Plans the slots of a rule that are due.
///
/// `evaluated_to` is what the last plan left to store (`None`: a new rule, which starts at the newest
/// slot and never backfills). `watermark` is the instant up to which every dataset the rule reads is
/// complete (`None`: one was never pulled). `cadence` is how often those datasets are pulled at
/// best: a rule without window cannot see more often than that.
pub fn due_slots(
    rule: &Rule,
    evaluated_to: Option<DateTime<Utc>>,
    watermark: Option<DateTime<Utc>>,
    cadence: TimeDelta,
    now: DateTime<Utc>,
) -> Due {
    plan(rule, evaluated_to, watermark, cadence, now, |from, to| {
        rule.during.as_ref().is_none_or(|hours| hours.covers(from, to))
    })
}

fn plan(
    rule: &Rule,
    evaluated_to: Option<DateTime<Utc>>,
    watermark: Option<DateTime<Utc>>,
    cadence: TimeDelta,
    now: DateTime<Utc>,
    covers: impl Fn(DateTime<Utc>, DateTime<Utc>) -> bool,
) -> Due {
    let grid = Grid { every: rule.every.max(TimeDelta::seconds(1)) };
    let settle = rule.window.map_or(TimeDelta::zero(), |_| rule.settle);
    let mut due = Due::default();
    let newest = watermark.map(|watermark| grid.at_or_before(watermark - settle));
    // What the clock says could be judged by now, had the data come.
    let by_clock = grid.at_or_before(now - settle);
    let done = newest.max(evaluated_to);
    let next = done.map_or(by_clock, |done| grid.after(done));
    due.waiting = (next <= by_clock).then_some(next);

    let Some(newest) = newest.filter(|newest| evaluated_to.is_none_or(|done| *newest > done))
    else {
        return due;
    };
    due.evaluated_to = Some(newest);
    let first = match evaluated_to {
        Some(done) if rule.window.is_some() => {
            let missed = grid.after(done);
            let kept = grid.first_kept(newest).max(missed);
            due.left_out = grid.skipped(missed, kept);
            kept
        }
        _ => newest,
    };
    let reach = match rule.window {
        Some(_) => grid.every,
        // Twice, so that a pull which comes a little late costs a hold nothing.
        None => grid.every.max(cadence * 2),
    };
    let mut at = first;
    while at <= newest {
        let window = rule.window.map(|length| Window { from: at - length, to: at });
        // A state has no stretch: it counts where its instant does.
        let (from, to) = window.map_or((at, at + TimeDelta::milliseconds(1)), |w| (w.from, w.to));
        if covers(from, to) {
            due.slots.push(Slot { at, window, reach });
        } else {
            let skipped = due.outside.get_or_insert(Skipped { count: 0, first: at, last: at });
            skipped.count += 1;
            skipped.last = at;
        }
        at += grid.every;
    }
    due
}

/// The multiples of `every` since 1970 UTC.
struct Grid {
    every: TimeDelta,
}

impl Grid {
    fn at_or_before(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let every = self.every.num_milliseconds();
        at - TimeDelta::milliseconds(at.timestamp_millis().rem_euclid(every))
            - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos() % 1_000_000))
    }

    fn after(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.at_or_before(at) + self.every
    }

    /// The oldest slot that is still worth catching up.
    fn first_kept(&self, newest: DateTime<Utc>) -> DateTime<Utc> {
        let slots = CATCH_UP.num_milliseconds() / self.every.num_milliseconds();
        let slots = slots.clamp(1, SLOTS_MAX as i64) as i32;
        newest - self.every * (slots - 1)
    }

    /// The slots from `first` up to and without `end`.
    fn skipped(&self, first: DateTime<Utc>, end: DateTime<Utc>) -> Option<Skipped> {
        let count = (end - first).num_milliseconds() / self.every.num_milliseconds();
        (count > 0).then(|| Skipped { count: count as u64, first, last: end - self.every })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    const MINUTE: TimeDelta = TimeDelta::minutes(1);

    fn minute(n: f64) -> DateTime<Utc> {
        // A whole day, so that grids of hours and minutes begin at 0.
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds((n * 60.0) as i64)
    }

    fn minutes(at: DateTime<Utc>) -> i64 {
        (at - minute(0.0)).num_minutes()
    }

    /// Plans with the hours open except in minutes 30 to 40; gives the minutes of the slots.
    fn plan_minutes(
        rule: &Rule,
        evaluated_to: Option<f64>,
        watermark: Option<f64>,
        now: f64,
    ) -> (Vec<i64>, Due) {
        let open = |from, to| to <= minute(30.0) || from >= minute(40.0);
        let due = plan(
            rule,
            evaluated_to.map(minute),
            watermark.map(minute),
            MINUTE * 5,
            minute(now),
            open,
        );
        (due.slots.iter().map(|slot| minutes(slot.at)).collect(), due)
    }

    fn windowed() -> Rule {
        let mut rule = sample::rule(&[("warning", "> 1", None)]);
        rule.window = Some(MINUTE * 2);
        rule
    }

    #[track_caller]
    fn check(evaluated_to: Option<f64>, watermark: Option<f64>, now: f64, expected: &[i64]) {
        assert_eq!(plan_minutes(&windowed(), evaluated_to, watermark, now).0, expected);
    }

    #[test]
    fn a_slot_is_due_when_the_watermark_has_passed_its_end_and_settle() {
        check(Some(10.0), None, 20.0, &[]);
        check(Some(10.0), Some(12.9), 20.0, &[]);
        check(Some(10.0), Some(13.0), 20.0, &[11]);
        check(Some(10.0), Some(17.5), 20.0, &[11, 12, 13, 14, 15]);
        check(Some(15.0), Some(17.5), 20.0, &[]);
        // A watermark that goes back (a dataset pulled again) repeats nothing.
        check(Some(15.0), Some(4.0), 20.0, &[]);
        // A new rule does not backfill.
        check(None, Some(17.5), 20.0, &[15]);
    }

    #[test]
    fn a_slot_knows_its_window_and_reach() {
        let (_, due) = plan_minutes(&windowed(), Some(10.0), Some(13.0), 13.0);
        let window = Window { from: minute(9.0), to: minute(11.0) };
        assert_eq!(due.slots, [Slot { at: minute(11.0), window: Some(window), reach: MINUTE }]);
        assert_eq!(due.evaluated_to, Some(minute(11.0)));
    }

    #[test]
    fn windows_that_touch_closed_hours_are_passed_over() {
        let (slots, due) = plan_minutes(&windowed(), Some(27.0), Some(46.0), 46.0);
        assert_eq!(slots, [28, 29, 30, 42, 43, 44]);
        let skipped = Skipped { count: 11, first: minute(31.0), last: minute(41.0) };
        assert_eq!(due.outside, Some(skipped));
        assert_eq!(due.evaluated_to, Some(minute(44.0)));
        assert_eq!(due.left_out, None);
    }

    #[test]
    fn missed_slots_beyond_the_bound_are_left_out_and_counted() {
        let rule = windowed();
        let (slots, due) = plan_minutes(&rule, Some(100.0), Some(2002.0), 2010.0);
        assert_eq!(slots.len(), SLOTS_MAX);
        assert_eq!((slots[0], slots[slots.len() - 1]), (561, 2000));
        let left_out = Skipped { count: 460, first: minute(101.0), last: minute(560.0) };
        assert_eq!(due.left_out, Some(left_out));
        let mut hourly = rule;
        hourly.every = TimeDelta::hours(1);
        let (slots, due) = plan_minutes(&hourly, Some(60.0), Some(6002.0), 6010.0);
        assert_eq!((slots.len(), slots[0] / 60), (24, 77));
        assert_eq!(due.left_out.map(|skipped| skipped.count), Some(75));
    }

    #[test]
    fn a_rule_on_the_state_as_it_is_takes_the_newest_slot_alone() {
        let mut rule = windowed();
        rule.window = None;
        let (slots, due) = plan_minutes(&rule, Some(10.0), Some(17.5), 18.0);
        assert_eq!(slots, [17]);
        assert_eq!(due.left_out, None);
        // Pulls come every five minutes: a reading vouches for more than one minute.
        assert_eq!((due.slots[0].window, due.slots[0].reach), (None, MINUTE * 10));
        assert!(plan_minutes(&rule, Some(17.0), Some(17.9), 18.0).0.is_empty());
        assert_eq!(plan_minutes(&rule, Some(17.0), Some(29.0), 30.0).0, [29]);
        // Closed hours: the newest slot is passed over, no older one is taken instead.
        let (slots, due) = plan_minutes(&rule, Some(17.0), Some(35.0), 36.0);
        assert_eq!((slots, due.evaluated_to), (vec![], Some(minute(35.0))));
    }

    #[test]
    fn a_slot_that_waits_for_data_is_named() {
        let waiting = |done, watermark, now| {
            plan_minutes(&windowed(), done, watermark, now).1.waiting.map(minutes)
        };
        assert_eq!(waiting(Some(10.0), Some(12.5), 12.9), None);
        assert_eq!(waiting(Some(10.0), Some(12.5), 13.0), Some(11));
        assert_eq!(waiting(Some(10.0), Some(12.5), 19.0), Some(11));
        assert_eq!(waiting(Some(10.0), Some(15.0), 19.0), Some(14));
        assert_eq!(waiting(Some(10.0), None, 19.0), Some(11));
        assert_eq!(waiting(None, None, 19.0), Some(17));
    }
}
