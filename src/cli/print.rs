//! Printing: to standard output for people or as JSON. A closed pipe ends the command quietly.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use unicode_width::UnicodeWidthStr;

use crate::domain::zone::Zone;

/// Writes one line.
pub(super) fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{}", text.as_ref()).is_err() {
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
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Writes rows under headings in aligned columns.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.width()).collect();
    for row in rows {
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
    for row in rows {
        line(aligned(row));
    }
}

/// An error with its causes, on standard error.
pub(super) fn error(err: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {err:#}");
}

/// A remark on standard error, out of the way of what is piped on.
pub(super) fn remark(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// An instant as people read it, in a zone: `2026-11-22 08:00`.
pub(super) fn civil(at: DateTime<Utc>, zone: &Zone) -> String {
    zone.civil(at).format("%Y-%m-%d %H:%M").to_string()
}

/// An instant for machines.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
