//! How far a pull is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How far a pull is, for whoever watches.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    records: AtomicU64,
    /// Zero: nobody knows.
    expected: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { began: Instant::now(), records: AtomicU64::new(0), expected: AtomicU64::new(0) }
    }
}

impl Progress {
    /// Records stored so far.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// How many there will be, where the source has an idea. Never fewer than there are.
    pub fn expected(&self) -> Option<u64> {
        let expected = self.expected.load(Ordering::Relaxed);
        (expected > 0).then(|| expected.max(self.records()))
    }

    pub(super) fn add(&self, rows: u64, expected: Option<u64>) {
        self.records.fetch_add(rows, Ordering::Relaxed);
        if let Some(expected) = expected {
            self.expected.store(expected, Ordering::Relaxed);
        }
    }

    /// `43 %, 12 min left`, where it can be known.
    pub(super) fn words(&self) -> String {
        words(self.records(), self.expected(), self.began.elapsed().as_secs())
    }
}

/// How far `records` of `expected` are after so many seconds.
fn words(records: u64, expected: Option<u64>, seconds: u64) -> String {
    let Some(expected) = expected.filter(|expected| *expected > 0) else { return String::new() };
    let share = records.saturating_mul(100) / expected;
    let left = (expected.saturating_sub(records) as u128 * u128::from(seconds))
        .checked_div(u128::from(records))
        .filter(|_| seconds > 0);
    match left {
        None => format!("{share} %"),
        Some(left) if left < 60 => format!("{share} %, {left} s left"),
        Some(left) if left < 3 * 3_600 => format!("{share} %, {} min left", left / 60),
        Some(left) => format!("{share} %, {} h left", left / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_is_said_as_well_as_it_is_known() {
        check(500, None, 10, "");
        check(0, Some(1_000), 10, "0 %");
        check(250, Some(1_000), 10, "25 %, 30 s left");
        check(10, Some(1_000), 10, "1 %, 16 min left");
        check(1, Some(10_000_000), 60, "0 %, 166666 h left");
        check(1_000, Some(1_000), 10, "100 %, 0 s left");
        check(7, Some(0), 10, "");
    }

    #[track_caller]
    fn check(records: u64, expected: Option<u64>, seconds: u64, said: &str) {
        assert_eq!(words(records, expected, seconds), said);
    }

    #[test]
    fn more_records_than_expected_are_the_whole() {
        let progress = Progress::default();
        assert_eq!(progress.expected(), None);
        progress.add(5, Some(4));
        assert_eq!((progress.records(), progress.expected()), (5, Some(5)));
        progress.add(1, None);
        assert_eq!(progress.expected(), Some(6));
    }
}
