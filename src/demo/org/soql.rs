//! SOQL as far as the org speaks it: text to syntax ([`parse`]), syntax against the property table
//! ([`bind`]), and answers from the tables ([`run`]). What it does not speak (parent-to-child
//! subqueries, ROLLUP and CUBE, FORMAT, toLabel, geolocation) it refuses as a malformed query.

use std::fmt::Write as _;

pub(crate) mod aggregate;
pub(crate) mod bind;
pub(crate) mod filter;
pub(crate) mod groups;
pub(crate) mod lexer;
mod like;
pub(crate) mod literal;
pub(crate) mod parse;
pub(crate) mod part;
pub(crate) mod path;
pub(crate) mod run;
pub(crate) mod syntax;

/// Why a query is refused: the code and text an org answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SoqlError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Byte in the statement the caret points to.
    pub(crate) at: Option<usize>,
}

impl SoqlError {
    pub(crate) fn malformed(at: usize, message: impl Into<String>) -> SoqlError {
        SoqlError { code: "MALFORMED_QUERY", message: message.into(), at: Some(at) }
    }
    pub(crate) fn field(at: usize, message: impl Into<String>) -> SoqlError {
        SoqlError { code: "INVALID_FIELD", message: message.into(), at: Some(at) }
    }
    pub(crate) fn plain(code: &'static str, message: impl Into<String>) -> SoqlError {
        SoqlError { code, message: message.into(), at: None }
    }

    /// The message with the piece of the statement, a caret below the place, and its row and
    /// column, as an org writes it.
    pub(crate) fn render(&self, statement: &str) -> String {
        let Some(at) = self.at.map(|at| at.min(statement.len())) else {
            return self.message.clone();
        };
        let head = statement.get(..at).unwrap_or(statement);
        let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = statement[at..].find('\n').map_or(statement.len(), |end| at + end);
        let before = &statement[line_start..at];
        let column = before.chars().count();
        // Only the surroundings are shown, as long statements would drown the caret.
        let shown_before: String = before.chars().skip(column.saturating_sub(60)).collect();
        let shown_after: String = statement[at..line_end].chars().take(40).collect();
        let row = head.matches('\n').count() + 1;
        let mut text = format!("\n{shown_before}{shown_after}\n");
        let _ = write!(
            text,
            "{:width$}^\nERROR at Row:{row}:Column:{}\n{}",
            "",
            column + 1,
            self.message,
            width = shown_before.chars().count(),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_place() {
        let error = SoqlError::field(11, "No such column 'FullName' on entity 'Account'.");
        assert_eq!(
            error.render("SELECT Id, FullName FROM Account"),
            "\nSELECT Id, FullName FROM Account\n           ^\nERROR at Row:1:Column:12\n\
             No such column 'FullName' on entity 'Account'."
        );
        let second_row = SoqlError::malformed(10, "x").render("SELECT Id\nFORM Account");
        assert_eq!(second_row, "\nFORM Account\n^\nERROR at Row:2:Column:1\nx");
    }
}
