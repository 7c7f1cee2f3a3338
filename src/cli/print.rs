//! Printing: to standard output for people or as JSON. A closed pipe ends the command quietly.

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use unicode_width::UnicodeWidthStr;

use crate::domain::zone::Zone;

/// Writes one line, or several. What a terminal would obey is escaped: words of records and of
/// servers are in it.
pub(super) fn line(text: impl AsRef<str>) {
    raw_line(&escaped(text.as_ref(), |c| c == '\n' || c == '\t'));
}

fn raw_line(text: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{text}").is_err() {
        // Nobody reads any more (`| head`): that is no failure.
        std::process::exit(0);
    }
}

/// `1 report`, `2 reports`.
pub(super) fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Writes bytes as they are.
pub(super) fn bytes(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Writes a value as indented JSON.
pub(super) fn json(value: &serde_json::Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    // They stand in strings alone, where JSON has an escape for them too.
    let safe = |c: char| match c {
        '\n' => "\n".to_owned(),
        c if is_obeyed(c) => {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
        c => c.to_string(),
    };
    match text.contains(|c| c != '\n' && is_obeyed(c)) {
        true => raw_line(&text.chars().map(safe).collect::<String>()),
        false => raw_line(&text),
    }
}

/// What moves a terminal's cursor, changes its looks or turns text around.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with that escaped, but for what may stay.
fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |c: char| is_obeyed(c) && !stays(c);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match bad(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Writes rows under headings in aligned columns.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let one_line = |cell: &String| escaped(cell, |_| false).into_owned();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(one_line).collect()).collect();
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let aligned = |cells: &[String]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    line(aligned(&headings.iter().map(|heading| heading.to_uppercase()).collect::<Vec<_>>()));
    for row in &rows {
        line(aligned(row));
    }
}

/// An error with its causes, on standard error.
pub(super) fn error(err: &anyhow::Error) {
    let text = format!("error: {err:#}");
    let _ = writeln!(io::stderr(), "{}", escaped(&text, |c| c == '\n' || c == '\t'));
}

/// A remark on standard error, out of the way of what is piped on.
pub(super) fn remark(text: impl AsRef<str>) {
    let text = text.as_ref();
    let _ = writeln!(io::stderr(), "{}", escaped(text, |c| c == '\n' || c == '\t'));
}

/// An instant as people read it, in a zone: `2026-11-22 08:00`.
pub(super) fn civil(at: DateTime<Utc>, zone: &Zone) -> String {
    zone.civil(at).format("%Y-%m-%d %H:%M").to_string()
}

/// An instant for machines.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        let check = |text: &str, expected: &str| {
            assert_eq!(escaped(text, |c| c == '\n'), expected);
        };
        check("plain ü 日本\nnext", "plain ü 日本\nnext");
        check("\u{1b}[31mred\u{7}\r", "\\u{1b}[31mred\\u{7}\\r");
        check("a\u{9b}b\u{202e}c\u{2028}d", "a\\u{9b}b\\u{202e}c\\u{2028}d");
        assert_eq!(escaped("a\nb", |_| false), "a\\nb");
    }
}
