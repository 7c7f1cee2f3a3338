//! A long history, cut into windows of which each is one piece of work for the Bulk API, oldest
//! first. Pure: whoever drives it counts.

use chrono::TimeDelta;

use crate::source::salesforce::soql::{self, Begin, Span};

/// A window has at most so many records: what an interruption costs, and what an org makes ready
/// within minutes.
pub(super) const RECORDS_MAX: u64 = 500_000;

/// So many are aimed at, since records are never spread evenly.
const RECORDS_AIMED: u64 = RECORDS_MAX / 5 * 4;

/// A window is never narrower: so many changes of one moment are one piece of work.
const NARROWEST: TimeDelta = TimeDelta::minutes(1);

/// Where the org does not count.
const UNCOUNTED: TimeDelta = TimeDelta::days(365);

/// What is left of a history.
#[derive(Debug)]
pub(super) struct Windows {
    rest: Span,
    /// How wide the next window is, where the rest is not narrower.
    width: TimeDelta,
    /// How wide any window may be.
    widest: TimeDelta,
}

impl Windows {
    /// All of a span. `records`: how many it has; `None`: the org does not say.
    pub(super) fn new(span: Span, records: Option<u64>) -> Windows {
        let widest = span.width();
        let width = match records {
            Some(records) if records <= RECORDS_MAX => widest,
            // Most of the time since 2000 is empty: nothing is known about how they are spread.
            Some(_) if span.begin == Begin::First => widest / 2,
            Some(records) => part(widest, RECORDS_AIMED, records),
            None => UNCOUNTED,
        };
        Windows { rest: span, width, widest }
    }

    /// The next window, if anything is left.
    pub(super) fn next(&self) -> Option<Span> {
        let left = self.rest.width();
        if left <= TimeDelta::zero() {
            return None;
        }
        let end = match self.width.max(NARROWEST) {
            width if width < left => soql::whole_second(self.rest.end - (left - width)),
            _ => self.rest.end,
        };
        Some(Span { begin: self.rest.begin.clone(), end })
    }

    /// The window has too many records. Says whether a narrower one comes next; else there is none.
    pub(super) fn narrow(&mut self, window: &Span) -> bool {
        let half = window.width() / 2;
        if half < NARROWEST {
            return false;
        }
        self.width = half;
        true
    }

    /// The window was more than the org could do. Says whether it and all others become narrower.
    pub(super) fn narrow_for_good(&mut self, window: &Span) -> bool {
        let narrowed = self.narrow(window);
        if narrowed {
            self.widest = self.width;
        }
        narrowed
    }

    /// The window is done with; it had so many records, where that is known.
    pub(super) fn done(&mut self, window: &Span, records: Option<u64>) {
        let width = window.width();
        self.rest.begin = Begin::At(window.end);
        self.width = match records {
            None => width,
            Some(0) => self.widest,
            Some(records) => part(width, RECORDS_AIMED, records),
        }
        .min(self.widest);
    }
}

/// The width that has `aimed` records where `width` has so many.
fn part(width: TimeDelta, aimed: u64, records: u64) -> TimeDelta {
    let seconds = i128::from(width.num_seconds()) * i128::from(aimed) / i128::from(records.max(1));
    // Far beyond any history, and far from overflow.
    TimeDelta::seconds(seconds.clamp(0, 1 << 40) as i64).max(NARROWEST)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Cuts a history of this many records a day and gives the windows' records and how often it
    /// was counted.
    fn cut(begin: Begin, first: &str, days: i64, a_day: u64) -> (Vec<u64>, usize) {
        let first = at(first);
        let end = first + TimeDelta::days(days);
        let records_of = |span: &Span| {
            let begin = span.begin.stamp().unwrap_or(first).max(first);
            let seconds = (span.end.min(end) - begin).num_seconds().max(0) as u64;
            seconds * a_day / 86_400
        };
        let span = Span { begin, end };
        let mut windows = Windows::new(span.clone(), Some(records_of(&span)));
        let (mut found, mut counted, mut last) = (vec![], 0, None);
        while let Some(window) = windows.next() {
            assert!(last.is_none_or(|last| window.begin == Begin::At(last)), "a gap or an overlap");
            counted += 1;
            assert!(counted < 10_000, "no end");
            let records = records_of(&window);
            if records > RECORDS_MAX && windows.narrow(&window) {
                continue;
            }
            windows.done(&window, Some(records));
            last = Some(window.end);
            found.push(records);
        }
        assert_eq!(last, Some(end));
        (found, counted)
    }

    #[test]
    fn a_history_is_cut_evenly_with_few_counts() {
        let begin = Begin::At(at("2024-01-01T00:00:00Z"));
        let (windows, counted) = cut(begin, "2024-01-01T00:00:00Z", 700, 10_000);
        assert_eq!(windows.iter().sum::<u64>(), 7_000_000);
        assert!(windows.iter().all(|records| *records <= RECORDS_MAX), "{windows:?}");
        assert!(windows.len() <= 19 && counted <= 20, "{} {counted}", windows.len());
    }

    #[test]
    fn a_history_without_a_beginning_is_found() {
        let (windows, counted) = cut(Begin::First, "2023-06-01T00:00:00Z", 1000, 100_000);
        let records: u64 = windows.iter().sum();
        assert!((99_999_000..=100_000_000).contains(&records), "{records}");
        assert!(windows.iter().all(|records| *records <= RECORDS_MAX), "{windows:?}");
        assert!(windows.len() < 300 && counted < 340, "{} {counted}", windows.len());
    }

    #[test]
    fn few_records_are_one_window() {
        let begin = Begin::At(at("2024-01-01T00:00:00Z"));
        assert_eq!(cut(begin, "2024-01-01T00:00:00Z", 10, 40_000), (vec![400_000], 1));
        assert_eq!(cut(Begin::First, "2024-01-01T00:00:00Z", 10, 40_000).1, 1);
    }

    #[test]
    fn a_moment_with_too_many_records_is_taken_as_it_is() {
        let begin = Begin::At(at("2024-01-01T00:00:00Z"));
        // A million a second.
        let (windows, _) = cut(begin, "2024-01-01T00:00:00Z", 1, 86_400_000_000);
        assert!(windows.len() <= 1440, "{}", windows.len());
    }

    #[test]
    fn without_counts_a_window_is_a_year_and_narrows_where_it_must() {
        let (begin, end) = (at("2024-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        let mut windows = Windows::new(Span { begin: Begin::At(begin), end }, None);
        let first = windows.next().unwrap();
        assert_eq!(first.width(), TimeDelta::days(365));
        assert!(windows.narrow_for_good(&first));
        let half = windows.next().unwrap();
        assert_eq!((half.begin.clone(), half.width()), (first.begin.clone(), first.width() / 2));
        windows.done(&half, Some(1));
        assert_eq!(windows.next().unwrap().width(), half.width());
        let minute = Span { begin: Begin::At(begin), end: begin + TimeDelta::minutes(1) };
        assert!(!windows.narrow_for_good(&minute));
    }
}
