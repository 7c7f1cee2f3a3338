//! Whether a digest goes out: decided once, on typed tables, before anything is written.
//!
//! An error is never silence and never a zero: where a report could not be made, where its data does
//! not reach the end of the period, or where a figure that decides is null, the mail goes out and
//! says so.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::condition::Condition;
use crate::domain::goal::GoalState;
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;

/// When a digest goes out.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SendWhen {
    /// For every slot.
    #[default]
    Always,
    /// A report has something to show.
    AnyRows,
    /// No report has.
    NoRows,
    /// A value of a column with a goal is not as it should be.
    AnyGoalMissed,
    /// The tables are others than those of the last mail.
    Changed,
    /// A condition over its figures.
    Condition(Condition),
}

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It goes out.
    Send,
    /// It does not, with the reason in a few words.
    Not(&'static str),
}

/// Decides. `before` is the [`fingerprint`] of the last mail that went out, if there was one and
/// all its tables were there.
pub fn decide(when: &SendWhen, sections: &[Section], before: Option<&str>) -> Sending {
    let known = |section: &Section| match section {
        Section::Table(table) => table.provisional.is_none(),
        Section::Failed { .. } => false,
    };
    if !sections.iter().all(known) {
        return Sending::Send;
    }
    let mut tables = sections.iter().filter_map(|section| match section {
        Section::Table(table) => Some(table),
        Section::Failed { .. } => None,
    });
    let (holds, otherwise) = match when {
        SendWhen::Always => (true, ""),
        SendWhen::AnyRows => (tables.any(has_rows), "no rows"),
        SendWhen::NoRows => (!tables.any(has_rows), "there are rows"),
        SendWhen::AnyGoalMissed => (tables.any(misses_a_goal), "no goal is missed"),
        SendWhen::Changed => {
            let now = fingerprint(sections);
            (before.is_none() || before != now.as_deref(), "nothing changed")
        }
        SendWhen::Condition(condition) => {
            (condition.holds(sections) != Some(false), "its condition does not hold")
        }
    };
    if holds { Sending::Send } else { Sending::Not(otherwise) }
}

/// Whether a table has something to show. Figures about everything are one row even over nothing:
/// there the records count.
fn has_rows(table: &Table) -> bool {
    if table.is_figures() { table.records > 0 } else { !table.rows.is_empty() }
}

fn misses_a_goal(table: &Table) -> bool {
    let rows = table.rows.iter().chain(&table.rest);
    let others = table.others.as_ref().and_then(|others| others.values.as_ref());
    let whole = table.total.iter().chain(others);
    rows.chain(whole).any(|row| {
        let cells = row.iter().zip(&table.columns);
        cells
            .filter_map(|(value, column)| column.goal?.state(value))
            .any(|s| s == GoalState::Missed)
    })
}

/// What a reader sees of the tables, as 32 hexadecimal digits: headings, rows, others and totals.
/// Not when they were made, and not what only says how complete they are. `None` where one of them
/// is not there.
pub fn fingerprint(sections: &[Section]) -> Option<String> {
    let mut hash = Sha256::new();
    for section in sections {
        let Section::Table(table) = section else { return None };
        text(&mut hash, &table.report);
        count(&mut hash, table.columns.len());
        table.columns.iter().for_each(|column| text(&mut hash, &column.name));
        count(&mut hash, table.rows.len());
        table.rows.iter().for_each(|values| row(&mut hash, values));
        if let Some(others) = &table.others {
            hash.update(others.rows.to_be_bytes());
            others.values.iter().for_each(|values| row(&mut hash, values));
        }
        count(&mut hash, table.total.iter().len());
        table.total.iter().for_each(|values| row(&mut hash, values));
    }
    let mut digits = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Some(digits)
}

fn row(hash: &mut Sha256, values: &[Value]) {
    for value in values {
        match value {
            Value::Null => hash.update([0]),
            Value::Boolean(truth) => hash.update([1, u8::from(*truth)]),
            // As a number: 2 and 2.0 are read the same.
            Value::Integer(_) | Value::Real(_) => {
                hash.update([2]);
                hash.update(value.number().unwrap_or_default().to_be_bytes());
            }
            Value::Text(words) => {
                hash.update([3]);
                text(hash, words);
            }
            Value::Timestamp(at) => {
                hash.update([4]);
                hash.update(at.timestamp_millis().to_be_bytes());
            }
        }
    }
}

fn text(hash: &mut Sha256, text: &str) {
    count(hash, text.len());
    hash.update(text.as_bytes());
}

fn count(hash: &mut Sha256, count: usize) {
    hash.update((count as u64).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::Headline;
    use super::super::samples::{column, failed, figures, table};
    use super::*;

    fn grouped(rows: &[(&str, f64)], goal: Option<&str>) -> Section {
        let columns = vec![column("Channel", true, None), column("Wait", false, goal)];
        let rows = rows
            .iter()
            .map(|(name, wait)| vec![Value::Text((*name).into()), Value::Real(*wait)])
            .collect();
        Section::Table(table("waits", columns, rows, None))
    }

    fn condition() -> SendWhen {
        let mut first = |_: &_| Ok(Headline { report: 0, column: 0 });
        SendWhen::Condition(Condition::parse("a.B > 100", &mut first).unwrap())
    }

    /// Which of the six go out over these sections, in the order always, rows, none, missed,
    /// changed, condition; the last mail was `before`.
    #[track_caller]
    fn check(sections: &[Section], before: &[Section], expected: &str) {
        let all = [
            SendWhen::Always,
            SendWhen::AnyRows,
            SendWhen::NoRows,
            SendWhen::AnyGoalMissed,
            SendWhen::Changed,
            condition(),
        ];
        let before = if before.is_empty() { None } else { fingerprint(before) };
        let told: String = (all.iter().zip("arnmci".chars()))
            .filter(|(when, _)| decide(when, sections, before.as_deref()) == Sending::Send)
            .map(|(_, letter)| letter)
            .collect();
        assert_eq!(told, expected);
    }

    fn provisional(section: Section) -> Section {
        let Section::Table(table) = section else { return section };
        Section::Table(Table { provisional: Some("the data ends early".into()), ..table })
    }

    #[test]
    fn the_truth_table_of_sending() {
        let one = || figures("f", &[("B", Value::Integer(150))]);
        let low = || figures("f", &[("B", Value::Integer(50))]);
        let null = || figures("f", &[("B", Value::Null)]);
        let nothing = || match figures("f", &[("B", Value::Integer(0))]) {
            Section::Table(table) => Section::Table(Table { records: 0, ..table }),
            failed @ Section::Failed { .. } => failed,
        };
        let met = || grouped(&[("Web", 90.0)], Some("<= 120"));
        let missed = || grouped(&[("Web", 90.0), ("SMS", 121.0)], Some("<= 120"));
        let empty = || grouped(&[], Some("<= 120"));

        check(&[one()], &[], "arci");
        check(&[one()], &[one()], "ari");
        check(&[low()], &[one()], "arc");
        // A null figure decides nothing: it goes out.
        check(&[null()], &[null()], "ari");
        // Figures over nothing are a row, but of no records.
        check(&[nothing()], &[nothing()], "an");
        check(&[nothing(), met()], &[], "arc");
        check(&[low(), empty()], &[low(), empty()], "ar");
        check(&[nothing(), empty()], &[low(), met()], "anc");
        check(&[low(), missed()], &[low(), missed()], "arm");
        check(&[low(), met()], &[low(), missed()], "arc");
        // An error is never silence, whatever is asked.
        check(&[low(), failed("x")], &[low(), failed("x")], "arnmci");
        check(&[failed("x")], &[low()], "arnmci");
        // Nor is what may still come.
        check(&[provisional(nothing())], &[provisional(nothing())], "arnmci");
        // After a mail with a gap the next one is news.
        check(&[low()], &[failed("x")], "arc");
        // A text alone always goes out.
        check(&[], &[], "anci");
    }

    #[test]
    fn a_goal_missed_behind_top_or_in_the_total_counts() {
        let columns = || vec![column("Channel", true, None), column("Wait", false, Some("< 5"))];
        let row = |wait: f64| vec![Value::Text("Web".into()), Value::Real(wait)];
        let goal = |table: Table| decide(&SendWhen::AnyGoalMissed, &[Section::Table(table)], None);
        let plain = || table("t", columns(), vec![row(1.0)], None);
        assert_eq!(goal(plain()), Sending::Not("no goal is missed"));
        assert_eq!(goal(Table { total: Some(row(9.0)), ..plain() }), Sending::Send);
        assert_eq!(goal(Table { rest: vec![row(9.0)], ..plain() }), Sending::Send);
    }

    #[test]
    fn a_fingerprint_is_of_what_is_seen() {
        let base = || match grouped(&[("Web", 1.0)], None) {
            Section::Table(table) => table,
            Section::Failed { .. } => unreachable!(),
        };
        let of = |table: Table| fingerprint(&[Section::Table(table)]).unwrap();
        let first = of(base());
        assert_eq!(first.len(), 32);
        // How complete it is, and until when, is no change.
        let later = Table { coverage: vec!["9 of 10".into()], complete_to: None, ..base() };
        assert_eq!(of(Table { provisional: Some("early".into()), ..later }), first);
        let others = super::super::super::table::Others { rows: 2, values: None };
        for changed in [
            Table { total: Some(vec![Value::Null, Value::Real(1.0)]), ..base() },
            Table { rows: vec![vec![Value::Text("Web".into()), Value::Null]], ..base() },
            Table { rows: Vec::new(), ..base() },
            Table { others: Some(others), ..base() },
            Table { report: "other".into(), ..base() },
        ] {
            assert_ne!(of(changed), first);
        }
    }
}
