//! What was lived through, counted.

use std::fmt;

/// Counts over many lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
    pub(crate) quiet_beats: u64,
    pub(crate) calls: u64,
    pub(crate) deaths: u64,
    pub(crate) refusals: u64,
    pub(crate) jumps: u64,
    pub(crate) reloads: u64,
    attempts: u64,
    taken: u64,
    duplicates: u64,
    pub(crate) incidents: u64,
    pub(crate) notices: u64,
    pub(crate) runs: u64,
    pub(crate) messages: u64,
    pub(crate) records: u64,
}

impl Tally {
    /// What the far sides of one life saw.
    pub(crate) fn far(&mut self, (attempts, taken, duplicates): (u64, u64, u64)) {
        self.attempts += attempts;
        self.taken += taken;
        self.duplicates += duplicates;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("seeds", self.seeds),
            ("steps", self.steps),
            ("beats in the quiet at their ends", self.quiet_beats),
            ("calls of the engine", self.calls),
            ("deaths of the process", self.deaths),
            ("calls in which the disk refused", self.refusals),
            ("times the clock was set", self.jumps),
            ("configs put in force", self.reloads),
            ("records", self.records),
            ("incidents told", self.incidents),
            ("notices", self.notices),
            ("runs of digests", self.runs),
            ("messages owed", self.messages),
            ("attempts", self.attempts),
            ("messages taken by far sides", self.taken),
            ("  of those again, answer lost or cut off", self.duplicates),
        ];
        for (what, count) in lines {
            writeln!(f, "{what:<44} {count:>10}")?;
        }
        Ok(())
    }
}
