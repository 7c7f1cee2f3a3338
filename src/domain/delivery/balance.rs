//! The balance of the outbox: every message that was ever owed is in a state that says what became
//! of it, or was forgotten on purpose after it had ended.

/// What was owed, counted when it was, beside what is there and what was forgotten, counted apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Messages that were ever owed, one a recipient.
    pub owed: u64,
    /// Those that are there, by their state.
    pub states: Vec<(String, u64)>,
    /// Those that were forgotten, by the state in which they ended.
    pub forgotten: Vec<(String, u64)>,
}

impl Balance {
    /// How many are missing; fewer than none: so many are there that nobody owed. 0 is right.
    pub fn missing(&self) -> i64 {
        let there: u64 = self.states.iter().chain(&self.forgotten).map(|(_, count)| count).sum();
        self.owed as i64 - there as i64
    }

    /// The equation: `12 owed = 9 delivered + 1 held + 2 forgotten (delivered)`, with `, 1 missing`
    /// where it does not hold.
    pub fn equation(&self) -> String {
        let there = self.states.iter().map(|(state, count)| format!("{count} {state}"));
        let gone = self.forgotten.iter().map(|(state, n)| format!("{n} forgotten ({state})"));
        let parts: Vec<String> = there.chain(gone).collect();
        let sum = if parts.is_empty() { "0".to_owned() } else { parts.join(" + ") };
        match self.missing() {
            0 => format!("{} owed = {sum}", self.owed),
            missing @ 1.. => format!("{} owed, but {sum}: {missing} missing", self.owed),
            extra => format!("{} owed, but {sum}: {} never owed", self.owed, -extra),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(owed: u64, states: &[(&str, u64)], forgotten: &[(&str, u64)], expected: &str) {
        let list = |pairs: &[(&str, u64)]| {
            pairs.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect()
        };
        let balance = Balance { owed, states: list(states), forgotten: list(forgotten) };
        assert_eq!(balance.equation(), expected);
        assert_eq!(balance.missing() == 0, expected.contains('='), "{expected}");
    }

    #[test]
    fn what_is_owed_is_somewhere_or_it_is_said() {
        check(0, &[], &[], "0 owed = 0");
        check(3, &[("delivered", 1), ("held", 2)], &[], "3 owed = 1 delivered + 2 held");
        let gone = &[("expired", 4)][..];
        check(5, &[("pending", 1)], gone, "5 owed = 1 pending + 4 forgotten (expired)");
        check(5, &[("pending", 3)], &[], "5 owed, but 3 pending: 2 missing");
        check(1, &[("pending", 3)], &[], "1 owed, but 3 pending: 2 never owed");
    }
}
