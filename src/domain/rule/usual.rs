//! What is usual: which earlier windows a value is compared with, and what of that levels judge.

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::super::calendar::Calendar;
use super::super::compare::Noise;
use super::super::period::Window;
use super::super::zone::Zone;
use super::{Baseline, Judge, Usual, poisson};

/// The median absolute deviation of a normal distribution, times this, is its standard deviation.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// Measures that happen to be equal are taken to scatter by this part of their median.
const SPREAD_MIN: f64 = 0.01;
/// At most so many weeks are looked back.
pub const WEEKS_MAX: u32 = 104;

impl Baseline {
    /// In words, as in the config.
    pub fn words(self) -> String {
        match self {
            Baseline::PreviousWindow => "previous window".to_owned(),
            Baseline::LastWeek => "same time last week".to_owned(),
            Baseline::MedianOfWeeks(weeks) => format!("median of {weeks} weeks"),
        }
    }
}

/// What a window is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// These windows, nearest first; none where each of them was left out.
    Windows(Vec<Window>),
    /// Nothing: the window itself lies on a holiday, where nothing is usual.
    Holiday,
}

/// The windows that the one of a slot is compared with. Those that begin before `known_from` (the
/// first record there is) are left out, not read as nothing; so are those that touch a holiday of the
/// calendar.
///
/// Weeks are civil: the same time of the wall clock in `zone`, on the same weekday. A time that
/// does not exist there is the first instant after it, one that comes twice is its first. Each
/// window is as long as the slot's own, whatever the clocks did inside.
pub fn earlier(
    usual: &Usual,
    window: Window,
    zone: &Zone,
    known_from: Option<DateTime<Utc>>,
) -> Earlier {
    let length = window.to - window.from;
    let by_week = !matches!(usual.baseline, Baseline::PreviousWindow);
    let calendar = usual.calendar.as_deref().filter(|_| by_week);
    if calendar.is_some_and(|calendar| on_holiday(calendar, window)) {
        return Earlier::Holiday;
    }
    let candidates: Vec<Window> = match usual.baseline {
        Baseline::PreviousWindow => vec![Window { from: window.from - length, to: window.from }],
        Baseline::LastWeek => vec![weeks_before(window, 1, zone)],
        Baseline::MedianOfWeeks(weeks) => {
            (1..=weeks.min(WEEKS_MAX)).map(|week| weeks_before(window, week, zone)).collect()
        }
    };
    let kept = candidates.into_iter().filter(|earlier| {
        known_from.is_some_and(|first| first <= earlier.from)
            && !calendar.is_some_and(|calendar| on_holiday(calendar, *earlier))
    });
    Earlier::Windows(kept.collect())
}

fn weeks_before(window: Window, weeks: u32, zone: &Zone) -> Window {
    let civil = zone.civil(window.to).checked_sub_days(Days::new(7 * u64::from(weeks)));
    let to = civil.map_or(window.to, |civil| zone.first_instant(civil));
    Window { from: to - (window.to - window.from), to }
}

/// Whether one of the civil dates a window touches is a holiday, in the calendar's own zone.
fn on_holiday(calendar: &Calendar, window: Window) -> bool {
    let last = calendar.zone().date(window.to - TimeDelta::milliseconds(1));
    let mut date = calendar.zone().date(window.from);
    loop {
        if calendar.is_holiday(date) {
            return true;
        }
        match date.checked_add_days(Days::new(1)) {
            Some(next) if next <= last => date = next,
            _ => return false,
        }
    }
}

/// What levels judge of a value, and what it was compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// What levels judge; `None`: what is there gives no such number.
    pub value: Option<f64>,
    /// What it was compared with; `None`: nothing is usual here.
    pub usual: Option<f64>,
}

/// Compares a value with those of the earlier windows, which may be in any order. Without any, or
/// with less than `min_baseline` in their median, there is nothing to judge.
///
/// With `chance`, of a value that is no count: nothing.
pub fn judged(usual: &Usual, noise: Noise, value: f64, earlier: &[f64]) -> Judged {
    let Some(baseline) = median(earlier) else { return Judged { value: None, usual: None } };
    let enough = baseline >= usual.min_baseline;
    let value = match usual.judge {
        _ if !enough => None,
        Judge::Change => (baseline > 0.0).then(|| value / baseline - 1.0),
        Judge::Difference => Some(value - baseline),
        Judge::Chance => poisson::at_most(value, baseline),
        Judge::Deviations => {
            let spread = spread(earlier, baseline, noise);
            match value == baseline {
                true => Some(0.0),
                false => (spread > 0.0).then(|| (value - baseline) / spread),
            }
        }
    };
    Judged { value, usual: Some(baseline) }
}

/// The robust standard deviation: 1.4826 times the median of the distances to the median. A count
/// scatters by the root of its median at least, other values by one percent of it, so that a few
/// weeks that happen to be alike make nothing of a trifle.
fn spread(values: &[f64], median_of_values: f64, noise: Noise) -> f64 {
    let distances: Vec<f64> = values.iter().map(|value| (value - median_of_values).abs()).collect();
    let least = match noise {
        Noise::Count => median_of_values.max(0.0).sqrt(),
        Noise::Measure => SPREAD_MIN * median_of_values.abs(),
    };
    median(&distances).map_or(least, |mad| (MAD_TO_DEVIATION * mad).max(least))
}

/// The middle value; of an even number the mean of the two in the middle. `None` of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(match values.len() % 2 {
        1 => upper,
        _ => f64::midpoint(values[middle - 1], upper),
    })
}

#[cfg(test)]
mod tests;
