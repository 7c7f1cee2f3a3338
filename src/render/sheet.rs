//! Files: tables as CSV, XLSX and JSON, to go with a mail or to be written by `preview`.
//!
//! CSV is for scripts: raw values, rows only. XLSX is for people: typed cells with formats, totals
//! below the table, a sheet that says what it is about. Neither ever holds a formula: text that a
//! spreadsheet would take for one stays text. The same digest gives the same bytes.

mod budget;
mod csv;
mod layout;
mod name;
#[cfg(test)]
mod tests;
mod xlsx;

use crate::domain::table::{Section, Table};

use super::digest::DigestMail;
use super::{Attachment, Rendered, payload};

pub use budget::attached;
pub use name::file_name;

/// Media type of CSV files.
pub const CSV: &str = "text/csv; charset=utf-8";
/// Media type of XLSX files.
pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Media type of JSON files.
pub const JSON: &str = "application/json";

/// The files of a mail, within its budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// What goes with it.
    pub files: Vec<Attachment>,
    /// What does not, and why: whole sentences for the mail.
    pub notices: Vec<String>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// A defect: the file would put values under wrong headings.
    #[error("a row of `{report}` has {found} cells, its table {expected} columns")]
    Width {
        /// The report's name.
        report: String,
        /// Cells of the row.
        found: usize,
        /// Columns of the table.
        expected: usize,
    },
    /// The workbook's format cannot hold it.
    #[error("the workbook cannot be written")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
}

/// One table as CSV (RFC 4180, UTF-8, CRLF), with at most `rows_max` rows.
///
/// It is made to be summed and pivoted: the first line has the headings, each further line is one
/// row of the table, those behind `top` included where they are known. There are no total and no
/// `Others` lines, because a sum over the file would count them twice; the workbook has them.
/// Values are raw: instants as `2026-11-16T08:05:00+01:00` in the report's zone, days, weeks and
/// months as the date of their first day, weekdays as 1 (Monday) to 7, numbers with a dot, lengths
/// of time in seconds, shares as fractions of one. Nulls are empty, empty text is `""`. Columns that
/// are compared are followed by `NAME before` and `NAME change`, those with a goal by `NAME goal`
/// (`met` or `missed`), those with links by `NAME link`.
///
/// Text that a spreadsheet would read as a formula (`=`, `+`, `-`, `@` or their wide forms, behind
/// blanks too; also behind `;`, a tab or a line's end within the text, where another separator
/// would begin a cell) gets an apostrophe before that character. Numbers never do.
pub fn csv(table: &Table, bom: bool, rows_max: usize) -> Result<Vec<u8>, SheetError> {
    csv::written(table, bom, rows_max)
}

/// A digest as a workbook: a sheet `About`, then one a report with at most `rows_max` rows.
///
/// Cells are typed. Lengths of time are fractions of a day shown as `[h]:mm:ss`, which add up
/// beyond 24 hours; columns of them that can be negative are seconds, with `(s)` in the heading.
/// Shares are fractions shown as percent. Instants are civil time in the report's zone. Whole
/// numbers that a spreadsheet would round (beyond 2^53) are text. `Others` and the total stand below
/// the table object, so that sums and pivots over it leave them out.
pub fn xlsx(mail: &DigestMail, rows_max: usize) -> Result<Vec<u8>, SheetError> {
    xlsx::written(mail, rows_max)
}

/// The tables as a webhook gets them, with at most `rows_max` rows each. The mail's own text and
/// HTML are left empty: they are what this goes with.
fn json(mail: &DigestMail, rows_max: usize) -> Vec<u8> {
    let mut mail = mail.clone();
    for section in &mut mail.sections {
        if let Section::Table(table) = section {
            table.rows.truncate(rows_max);
        }
    }
    let nothing = Rendered {
        subject: String::new(),
        html: String::new(),
        text: String::new(),
        language: "en",
        images: Vec::new(),
        attachments: Vec::new(),
        problem: None,
    };
    payload::digest_payload(&mail, &nothing)
}
