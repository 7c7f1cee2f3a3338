//! Holds: for how long something must last before it counts, as a length of time or a number of
//! evaluations.

use std::fmt;

use chrono::TimeDelta;

use super::super::incident::words;

/// For how long a breach must last before it fires, or a clear before it resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So much time, as it was seen to pass in the data.
    Length(TimeDelta),
    /// So many evaluations in a row, the first included: 1 is at once. Those that saw nothing
    /// (source down, data incomplete) are none and break no row.
    Evaluations(u32),
}

impl Hold {
    /// Whether nothing is held: the first reading counts.
    pub fn is_none(self) -> bool {
        match self {
            Hold::Length(length) => length <= TimeDelta::zero(),
            Hold::Evaluations(count) => count <= 1,
        }
    }

    /// How long it takes at least, where an evaluation comes `every` so often.
    pub fn length(self, every: TimeDelta) -> TimeDelta {
        match self {
            Hold::Length(length) => length.max(TimeDelta::zero()),
            Hold::Evaluations(count) => {
                let more = i32::try_from(count.saturating_sub(1)).unwrap_or(i32::MAX);
                every.checked_mul(more).unwrap_or(TimeDelta::MAX)
            }
        }
    }
}

impl Default for Hold {
    fn default() -> Hold {
        Hold::Length(TimeDelta::zero())
    }
}

impl From<TimeDelta> for Hold {
    fn from(length: TimeDelta) -> Hold {
        Hold::Length(length)
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::Length(length) => f.write_str(&words(*length)),
            Hold::Evaluations(1) => f.write_str("1 evaluation"),
            Hold::Evaluations(count) => write!(f, "{count} evaluations"),
        }
    }
}
