//! Coverage: what a report's figures cover, computed and never typed.
//!
//! A [`CoverageFact`] is declared on a dataset whose records are missing by nature for some records
//! of another one (metrics exist only for enhanced channels and since October 2024). It is written
//! in the report language, so that it is counted by the same path as the report itself.

/// A sentence such as "1 204 of 1 310 ended sessions have metrics (81 on standard channels)".
#[derive(Clone, Debug, PartialEq)]
pub struct CoverageFact {
    /// FROM clause whose primary dataset is the one counted; it left-joins the facts' own dataset.
    pub from: String,
    /// The field the period is about.
    pub date: String,
    /// Which of the counted records should have a counterpart.
    pub filter: String,
    /// Aggregate: how many have one.
    pub have: String,
    /// Aggregates: how many have none, each with the reason as a phrase ("on standard channels").
    pub missing: Vec<(String, String)>,
    /// What is counted, as a plural ("ended sessions").
    pub noun: String,
    /// What those counted have ("have metrics").
    pub verb: String,
}

/// The sentence for one fact: `counts` are all, those that have, then those missing for each of the
/// reasons. `None` where nothing is missing, or nothing was counted: then there is nothing to say.
pub fn sentence(noun: &str, verb: &str, counts: &[u64], reasons: &[String]) -> Option<String> {
    let (all, have) = (*counts.first()?, *counts.get(1)?);
    if all == 0 || have == all {
        return None;
    }
    let missing = counts.iter().skip(2).zip(reasons).filter(|(count, _)| **count > 0);
    let missing: Vec<String> =
        missing.map(|(count, reason)| format!("{} {reason}", grouped(*count))).collect();
    let because =
        if missing.is_empty() { String::new() } else { format!(" ({})", missing.join(", ")) };
    Some(format!("{} of {} {noun} {verb}{because}.", grouped(have), grouped(all)))
}

/// Digits in groups of three, apart by a no-break space: read the same in every language.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let first = digits.len() % 3;
    let mut groups = Vec::new();
    if first > 0 {
        groups.push(&digits[..first]);
    }
    groups.extend((first..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    groups.join("\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(counts: &[u64], expected: Option<&str>) {
        let reasons = ["on standard channels".to_owned(), "began before October 2024".to_owned()];
        let said = sentence("ended sessions", "have metrics", counts, &reasons);
        assert_eq!(said.map(|text| text.replace('\u{a0}', " ")).as_deref(), expected);
    }

    #[test]
    fn what_is_missing_is_said_with_its_reasons() {
        check(
            &[1310, 1204, 81, 25],
            Some("1 204 of 1 310 ended sessions have metrics (81 on standard channels, 25 began before October 2024)."),
        );
        check(&[10, 8, 2, 0], Some("8 of 10 ended sessions have metrics (2 on standard channels)."));
        check(&[1_234_567, 0, 0, 0], Some("0 of 1 234 567 ended sessions have metrics."));
    }

    #[test]
    fn nothing_missing_is_nothing_said() {
        check(&[10, 10, 0, 0], None);
        check(&[0, 0, 0, 0], None);
    }
}
