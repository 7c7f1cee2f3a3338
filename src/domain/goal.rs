//! Goals: what a column's values should be, and whether they are.

use serde::{Deserialize, Serialize};

use super::rule::Comparison;
use super::value::Value;

/// What the values of a column should be, e.g. `<= 120`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal(pub Comparison);

/// Whether a goal is met. In a mail it is a word, a shape and a colour, never a colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GoalState {
    /// The value is as it should be.
    Met,
    /// It is not.
    Missed,
}

impl Goal {
    /// Whether a value meets it; `None` for what is no number.
    pub fn state(self, value: &Value) -> Option<GoalState> {
        let number = value.number()?;
        Some(if self.0.holds(number) { GoalState::Met } else { GoalState::Missed })
    }

    /// Whether larger values are better; `None` where the goal is one number.
    pub fn more_is_better(self) -> Option<bool> {
        self.0.upward()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_missed_or_has_no_say() {
        let goal = Goal("<= 120".parse().unwrap());
        assert_eq!(goal.state(&Value::Integer(120)), Some(GoalState::Met));
        assert_eq!(goal.state(&Value::Real(120.5)), Some(GoalState::Missed));
        assert_eq!(goal.state(&Value::Null), None);
        assert_eq!(goal.more_is_better(), Some(false));
        assert_eq!(Goal(">= 0.9".parse().unwrap()).more_is_better(), Some(true));
        assert_eq!(Goal("= 0".parse().unwrap()).more_is_better(), None);
    }
}
