//! What was counted, and which promises were broken.

use std::fmt::Display;

/// At most so many broken promises are told one by one.
const TOLD_MAX: usize = 40;

/// What was counted, and which promises were broken.
#[derive(Default)]
pub(crate) struct Findings {
    /// Heading, or label and count, in the order of the table.
    lines: Vec<(String, Option<String>)>,
    broken: Vec<String>,
}

impl Findings {
    pub(crate) fn heading(&mut self, text: &str) {
        self.lines.push((text.to_owned(), None));
    }

    pub(crate) fn count(&mut self, label: &str, count: impl Display) {
        self.lines.push((label.to_owned(), Some(count.to_string())));
    }

    /// A promise that was not kept.
    pub(crate) fn broken(&mut self, what: String) {
        self.broken.push(what);
    }

    /// The table, and the promises that were not kept: the first of many.
    pub(crate) fn into_parts(mut self) -> (String, Vec<String>) {
        let width = self.lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (label, count) in &self.lines {
            match count {
                None => text += &format!("\n{label}\n"),
                Some(count) => text += &format!("  {label:width$}  {count:>8}\n"),
            }
        }
        let more = self.broken.len().saturating_sub(TOLD_MAX);
        self.broken.truncate(TOLD_MAX);
        if more > 0 {
            self.broken.push(format!("... and {more} more"));
        }
        (text, self.broken)
    }
}
