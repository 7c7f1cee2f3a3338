//! An endless mix of troubles that a good client survives: none of them makes an answer wrong, and
//! none meets the same kind of request twice in a row.

use std::collections::BTreeSet;
use std::time::Duration;

use super::faults::Fault;
use super::rng::Rng;
use super::traffic::Call;

/// Share of requests that meet trouble.
const SHARE: f64 = 0.05;

/// The dice, and what they did last.
#[derive(Clone, Debug)]
pub(crate) struct Chaos {
    rng: Rng,
    /// Kinds of requests whose last one met trouble: the next one is left alone.
    spared: BTreeSet<Call>,
}

impl Chaos {
    /// The same seed and the same requests meet the same troubles.
    pub(crate) fn new(seed: u64) -> Chaos {
        Chaos { rng: Rng::new(&[seed, 0xc4a0]), spared: BTreeSet::new() }
    }

    /// The trouble this request meets, if any.
    pub(crate) fn meet(&mut self, call: Call) -> Option<Fault> {
        // Drawn for every request, so that one that is spared changes nothing for the others.
        let is_met = self.rng.chance(SHARE);
        if self.spared.remove(&call) || !is_met {
            return None;
        }
        self.spared.insert(call);
        Some(self.trouble(call))
    }

    fn trouble(&mut self, call: Call) -> Fault {
        if matches!(call, Call::Token | Call::Versions) {
            return Fault::Html(503);
        }
        let pages = matches!(call, Call::Query | Call::QueryAll | Call::QueryMore);
        match self.rng.below(12) {
            0 => Fault::Unavailable,
            1 => Fault::Html(502),
            2 => Fault::Html(503),
            3 => Fault::Busy { status: 429, retry_after: "1" },
            4 => Fault::Html(420),
            5 => Fault::TokenExpired,
            6 => Fault::Disconnect,
            7 => Fault::TruncatedGzip,
            8 if call == Call::QueryMore => Fault::LocatorExpired,
            8 if call == Call::BulkCreate => Fault::JobPolls(4),
            9 | 10 if pages => Fault::Page(self.rng.below(700)),
            11 if pages => Fault::TruncatedJson,
            _ => Fault::Slow(Duration::from_millis(self.rng.between(50, 800) as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chaos_is_rare_the_same_every_time_and_never_twice_in_a_row() {
        let run = |seed| {
            let mut chaos = Chaos::new(seed);
            (0..4_000).map(|_| chaos.meet(Call::QueryMore)).collect::<Vec<_>>()
        };
        let once = run(7);
        assert_eq!(once, run(7));
        assert_ne!(once, run(8));
        let met = once.iter().flatten().count();
        assert!((120..260).contains(&met), "{met}");
        assert!(once.windows(2).all(|two| two[0].is_none() || two[1].is_none()));
        assert!(once.contains(&Some(Fault::LocatorExpired)));
        let mut chaos = Chaos::new(7);
        let logins: Vec<_> = (0..500).filter_map(|_| chaos.meet(Call::Token)).collect();
        assert!(logins.len() > 5 && logins.iter().all(|fault| *fault == Fault::Html(503)));
    }
}
