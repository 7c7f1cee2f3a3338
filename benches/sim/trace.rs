//! The trace: every event of a life, folded into one number, and the last ones kept for people. Two
//! lives of one seed have the same trace, to the last event.

use std::collections::VecDeque;
use std::fmt::Display;

/// So many of the last events are shown of a life that broke a promise.
const KEPT: usize = 40;

/// What has happened.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    events: u64,
    last: VecDeque<String>,
    /// All of them, where somebody wants to read them.
    all: Option<Vec<String>>,
}

impl Trace {
    /// Nothing yet; `all`: every event is kept.
    pub(crate) fn new(all: bool) -> Trace {
        let last = VecDeque::with_capacity(KEPT);
        Trace { hash: 0xcbf2_9ce4_8422_2325, events: 0, last, all: all.then(Vec::new) }
    }

    /// One more.
    pub(crate) fn note(&mut self, event: impl Display) {
        let text = event.to_string();
        for byte in text.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.events += 1;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        if let Some(all) = &mut self.all {
            all.push(text.clone());
        }
        self.last.push_back(text);
    }

    /// The number that all of them come to, and how many there were.
    pub(crate) fn sum(&self) -> (u64, u64) {
        (self.hash, self.events)
    }

    /// The last ones, or all where they were kept.
    pub(crate) fn told(self) -> Vec<String> {
        self.all.unwrap_or_else(|| self.last.into())
    }
}
