//! A test of a rule as the config has it: records or readings in, incidents and notices out, on a
//! virtual clock. Here is what a test is and how a series of readings is written; the rehearsal that
//! runs it is the engine's.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::notification::Kind;
use super::super::value::Value;
use super::Reading;

/// At most so many slots in one test.
pub const SLOTS_MAX: usize = 50_000;

/// Records by dataset, each a value a field.
pub type Records = BTreeMap<String, Vec<BTreeMap<String, Value>>>;

/// A test of a rule.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// The rule's name.
    pub rule: String,
    /// Its own name, or its number.
    pub name: String,
    /// The first slots are at or after it.
    pub from: DateTime<Utc>,
    /// The last slots are at or before it.
    pub to: DateTime<Utc>,
    /// What the rule sees.
    pub given: Given,
    /// The incidents that must fire, and no others; `None`: whichever.
    pub incidents: Option<Vec<ExpectedIncident>>,
    /// The notices that must be told, and no others; `None`: whichever.
    pub notices: Option<Vec<ExpectedNotice>>,
    /// Where it is in the config: file and line.
    pub place: String,
}

/// What a rule sees in a test.
#[derive(Clone, Debug)]
pub enum Given {
    /// Records, each lot visible from an instant on (`None`: from the beginning). A record of a later
    /// lot takes the place of an earlier one with its key.
    Records(Vec<(Option<DateTime<Utc>>, Records)>),
    /// For each group, by its shown values, the reading at each slot, from the first one on.
    Series(Vec<(Vec<String>, Vec<Reading>)>),
}

/// An incident that a test expects.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedIncident {
    /// The shown values of its group; none of a rule without groups.
    pub group: Vec<String>,
    /// Its beginning, if it matters.
    pub began: Option<When>,
    /// When it fires.
    pub fired: When,
    /// The highest level it comes to, if it matters.
    pub level: Option<String>,
    /// When it is over; `None`: it is still open at the end of the test.
    pub resolved: Option<When>,
    /// Words of why it is over, if they matter.
    pub because: Option<String>,
}

/// A notice that a test expects.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedNotice {
    /// When.
    pub at: When,
    /// To which receiver.
    pub to: String,
    /// What about.
    pub kind: Kind,
    /// Words of its reason, if they matter.
    pub because: Option<String>,
}

/// An instant as exactly as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The instant.
    pub at: DateTime<Utc>,
    /// How much later still counts: less than a minute where no seconds were written.
    pub within: TimeDelta,
}

impl When {
    /// Whether an instant is meant by it.
    pub fn is(self, at: DateTime<Utc>) -> bool {
        self.at <= at && at < self.at + self.within.max(TimeDelta::seconds(1))
    }
}

/// Reads a series: readings one after the other, each a number, `empty`, `gone` or `unknown`, and
/// with `xN` behind it N times.
///
/// # Errors
/// What is wrong, with what to write instead.
pub fn series(text: &str) -> Result<Vec<Reading>, String> {
    let mut readings = Vec::new();
    for word in text.split_whitespace() {
        let (value, times) = match word.rsplit_once('x') {
            Some((value, times))
                if times.chars().all(|c| c.is_ascii_digit()) && !times.is_empty() =>
            {
                let times =
                    times.parse::<usize>().ok().filter(|times| (1..=SLOTS_MAX).contains(times));
                (value, times.ok_or_else(|| format!("`{word}`: from 1 to {SLOTS_MAX} times"))?)
            }
            _ => (word, 1),
        };
        let reading = match value {
            "empty" => Reading::Empty,
            "gone" => Reading::Gone,
            "unknown" => Reading::Unknown,
            number => match number.parse::<f64>() {
                Ok(value) if value.is_finite() => Reading::Value(value),
                _ => {
                    return Err(format!(
                        "`{word}` is no reading: write a number, `empty`, `gone` or `unknown`, and \
                         `x5` behind it for five in a row"
                    ));
                }
            },
        };
        if readings.len() + times > SLOTS_MAX {
            return Err(format!("more than {SLOTS_MAX} readings"));
        }
        readings.extend(std::iter::repeat_n(reading, times));
    }
    match readings.is_empty() {
        true => Err("a series without readings: write e.g. `100x5 400x10 gone`".to_owned()),
        false => Ok(readings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_says_each_reading_and_how_often_it_comes() {
        use Reading::{Empty, Gone, Unknown, Value};
        check("100x2 4.5 gone", Ok(vec![Value(100.0), Value(100.0), Value(4.5), Gone]));
        check(" unknownx2\nempty -3", Ok(vec![Unknown, Unknown, Empty, Value(-3.0)]));
        check("1e3", Ok(vec![Value(1000.0)]));
        check("", Err("a series without readings"));
        check("100x0", Err("from 1 to 50000 times"));
        check("100x99999999999999999999", Err("from 1 to 50000 times"));
        check("7x", Err("`7x` is no reading"));
        check("x3", Err("`x3` is no reading"));
        check("nan", Err("`nan` is no reading"));
        check("1x50000 2", Err("more than 50000 readings"));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<Vec<Reading>, &str>) {
        match (series(text), expected) {
            (Ok(readings), Ok(expected)) => assert_eq!(readings, expected),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (came, expected) => panic!("`{text}`: {came:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn an_instant_is_meant_as_exactly_as_it_was_written() {
        let at = DateTime::UNIX_EPOCH;
        let minute = When { at, within: TimeDelta::minutes(1) };
        assert!(minute.is(at) && minute.is(at + TimeDelta::seconds(59)));
        assert!(!minute.is(at + TimeDelta::minutes(1)) && !minute.is(at - TimeDelta::seconds(1)));
        let second = When { at, within: TimeDelta::zero() };
        assert!(second.is(at) && !second.is(at + TimeDelta::seconds(1)));
    }
}
