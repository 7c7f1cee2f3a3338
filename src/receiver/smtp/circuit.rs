//! A server that cannot be used rests while others are asked, and is asked again after a growing
//! wait. Pure: instants come in.

use std::time::Duration;

use tokio::time::Instant;

/// The first rest.
const REST_MIN: Duration = Duration::from_secs(5);
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(300);

/// How a server stands.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// When it may be asked again.
    until: Option<Instant>,
}

/// How an attempt finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// As far as known it works.
    Good,
    /// Its rest is over: whoever asks now finds out for all others, who still see it rest.
    Trial,
    /// It rests until then.
    Rests(Instant),
}

impl Circuit {
    /// How it stands for an attempt that begins now.
    pub(super) fn enter(&mut self, now: Instant) -> Standing {
        match self.until {
            None => Standing::Good,
            Some(until) if now < until => Standing::Rests(until),
            Some(_) => {
                self.until = Some(now + rest(self.failures));
                Standing::Trial
            }
        }
    }

    /// It could not be used. Whether that is news.
    pub(super) fn failed(&mut self, found: Standing, now: Instant) -> bool {
        let news = self.failures == 0;
        // Attempts that ran together fail together: that is one failure.
        if news || found == Standing::Trial {
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now + rest(self.failures));
        }
        news
    }

    /// It was used. Whether that is news.
    pub(super) fn worked(&mut self) -> bool {
        let news = self.failures > 0;
        *self = Circuit::default();
        news
    }
}

/// The rest after so many failures in a row.
fn rest(failures: u32) -> Duration {
    REST_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rests_grow_and_one_attempt_finds_out_for_all() {
        let (mut circuit, mut now) = (Circuit::default(), Instant::now());
        assert_eq!(circuit.enter(now), Standing::Good);
        assert!(circuit.failed(Standing::Good, now));
        // Those that ran together with the first one.
        assert!(!circuit.failed(Standing::Good, now));
        for rest in [5, 10, 20, 40, 80, 160, 300, 300] {
            let until = now + seconds(rest);
            assert_eq!(circuit.enter(until - seconds(1)), Standing::Rests(until));
            assert_eq!(circuit.enter(until), Standing::Trial);
            assert!(matches!(circuit.enter(until), Standing::Rests(_)));
            assert!(!circuit.failed(Standing::Trial, until));
            now = until;
        }
        assert!(circuit.worked());
        assert!(!circuit.worked());
        assert_eq!(circuit.enter(now), Standing::Good);
        assert!(circuit.failed(Standing::Good, now));
        assert_eq!(circuit.enter(now), Standing::Rests(now + seconds(5)));
    }

    #[test]
    fn a_trial_that_nobody_ends_is_followed_by_another() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        circuit.failed(Standing::Good, now);
        let later = now + seconds(5);
        assert_eq!(circuit.enter(later), Standing::Trial);
        assert_eq!(circuit.enter(later + seconds(5)), Standing::Trial);
    }
}
