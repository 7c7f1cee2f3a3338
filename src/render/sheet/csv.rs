//! CSV, for scripts: see [`super::csv`].

use chrono::{DateTime, SecondsFormat, Utc};

use super::SheetError;
use super::layout::{Cell, Layout};
use crate::domain::table::Table;
use crate::domain::zone::Zone;

pub(super) fn written(table: &Table, bom: bool, rows_max: usize) -> Result<Vec<u8>, SheetError> {
    let layout = Layout::new(table, rows_max)?;
    let mut out = String::with_capacity(64 * (layout.len() + 1));
    if bom {
        out.push('\u{feff}');
    }
    let headings = layout.columns.iter().map(|column| Some(guarded(&column.heading)));
    line(&mut out, headings);
    for row in layout.rows() {
        line(&mut out, layout.columns.iter().map(|c| field(&layout.cell(c, row), &table.zone)));
    }
    Ok(out.into_bytes())
}

/// `None` for null.
fn field(cell: &Cell<'_>, zone: &Zone) -> Option<String> {
    Some(match cell {
        Cell::Empty => return None,
        Cell::Boolean(yes) => yes.to_string(),
        Cell::Integer(n) => n.to_string(),
        Cell::Real(x) => number(*x),
        Cell::Text(text) => guarded(text),
        Cell::Date(date) => date.to_string(),
        Cell::Instant(at) => instant(*at, zone),
    })
}

fn line(out: &mut String, fields: impl Iterator<Item = Option<String>>) {
    let begin = out.len();
    for (at, field) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        match field {
            None => {}
            // Other separators are quoted too: a reader that was told another one then still sees
            // one field.
            Some(text)
                if text.is_empty()
                    || text.contains([',', ';', '"', '\r', '\n', '\t'])
                    || text.starts_with(' ')
                    || text.ends_with(' ') =>
            {
                out.push('"');
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            }
            Some(text) => out.push_str(&text),
        }
    }
    // An empty line would be skipped by readers, and with it a row of one null.
    if out.len() == begin {
        out.push_str("\"\"");
    }
    out.push_str("\r\n");
}

/// The shortest text that reads back as the same number.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        a if (1e-5..1e17).contains(&a) => x.to_string(),
        _ => format!("{x:e}"),
    }
}

/// RFC 3339 with the zone's offset at that instant; milliseconds where there are any.
fn instant(at: DateTime<Utc>, zone: &Zone) -> String {
    let format = match at.timestamp_subsec_millis() {
        0 => SecondsFormat::Secs,
        _ => SecondsFormat::Millis,
    };
    match chrono::FixedOffset::east_opt(zone.offset_seconds(at)) {
        // Offsets of whole minutes are all that RFC 3339 can write; older ones are told in UTC.
        Some(offset) if offset.local_minus_utc() % 60 == 0 => {
            at.with_timezone(&offset).to_rfc3339_opts(format, false)
        }
        _ => at.to_rfc3339_opts(format, true),
    }
}

/// A text that no spreadsheet takes for a formula. Control characters other than tabs and line ends
/// are dropped: a NUL ends the file for some readers.
fn guarded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut begins = true;
    let mut blanks = 0;
    for c in text.chars() {
        match c {
            // A cell that begins with one of these is a formula to some after they are trimmed.
            '\t' | '\r' | '\n' => {
                if out.is_empty() {
                    out.push('\'');
                }
                (begins, blanks) = (true, 0);
            }
            ';' => (begins, blanks) = (true, 0),
            c if c.is_control() => continue,
            c if is_blank(c) => blanks += c.len_utf8(),
            c => {
                if begins && is_formula(c) {
                    // Before the blanks, which some readers drop.
                    let at = out.len() - blanks;
                    out.insert(at, '\'');
                }
                begins = false;
                blanks = 0;
            }
        }
        out.push(c);
    }
    out
}

/// What begins a formula, in its wide and small forms too.
fn is_formula(c: char) -> bool {
    matches!(
        c,
        '=' | '+'
            | '-'
            | '@'
            | '\u{ff1d}'
            | '\u{ff0b}'
            | '\u{ff0d}'
            | '\u{ff20}'
            | '\u{fe66}'
            | '\u{fe62}'
            | '\u{fe63}'
            | '\u{fe6b}'
            | '\u{2212}'
    )
}

/// Blanks, and what is not seen at all.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_formula_is_guarded() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(guarded(text), expected);
        }
        check("plain", "plain");
        check("", "");
        check("a=b", "a=b");
        check("=1+1", "'=1+1");
        check("+49 30 1234", "'+49 30 1234");
        check("-5", "'-5");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "'\t'=1");
        check("\rx", "'\rx");
        check("\nx", "'\nx");
        check("  =1", "'  =1");
        check("\u{a0}\u{200b}=1", "'\u{a0}\u{200b}=1");
        check("\u{feff}@x", "'\u{feff}@x");
        check("\u{ff1d}1", "'\u{ff1d}1");
        check("\u{fe62}1", "'\u{fe62}1");
        check("x\r\n- item", "x\r\n'- item");
        check("a; =cmd|' /C calc'!A0", "a;' =cmd|' /C calc'!A0");
        check("a\0b\u{7}c", "abc");
        check("\0=1", "'=1");
        check("'=1", "'=1");
        check("\u{1f600}=1", "\u{1f600}=1");
    }

    #[test]
    fn numbers_read_back_as_they_were() {
        #[track_caller]
        fn check(x: f64, expected: &str) {
            assert_eq!(number(x), expected);
            assert_eq!(expected.parse::<f64>().unwrap(), x);
        }
        check(0.0, "0");
        check(-0.0, "0");
        check(0.1 + 0.2, "0.30000000000000004");
        check(-412.3, "-412.3");
        check(1e16, "10000000000000000");
        check(1e300, "1e300");
        check(-1.5e-9, "-1.5e-9");
        check(f64::MAX, "1.7976931348623157e308");
        check(f64::MIN_POSITIVE, "2.2250738585072014e-308");
    }

    #[test]
    fn nulls_and_empty_text_differ_and_no_line_is_empty() {
        #[track_caller]
        fn check(fields: &[Option<&str>], expected: &str) {
            let mut out = String::new();
            line(&mut out, fields.iter().map(|field| field.map(str::to_owned)));
            assert_eq!(out, expected);
        }
        check(&[Some("a"), None, Some("")], "a,,\"\"\r\n");
        check(&[None], "\"\"\r\n");
        check(&[None, None], ",\r\n");
        check(&[Some("a,b"), Some("say \"no\"")], "\"a,b\",\"say \"\"no\"\"\"\r\n");
        check(&[Some("x\r\ny"), Some(" x")], "\"x\r\ny\",\" x\"\r\n");
        check(&[Some("a;b"), Some("a\tb")], "\"a;b\",\"a\tb\"\r\n");
    }

    #[test]
    fn instants_carry_the_offset_of_their_zone() {
        #[track_caller]
        fn check(at: &str, zone: &str, expected: &str) {
            let at = DateTime::parse_from_rfc3339(at).unwrap().to_utc();
            assert_eq!(instant(at, &Zone::named(zone).unwrap()), expected);
        }
        check("2026-03-29T00:59:59Z", "Europe/Berlin", "2026-03-29T01:59:59+01:00");
        check("2026-03-29T01:00:00Z", "Europe/Berlin", "2026-03-29T03:00:00+02:00");
        check("2026-10-25T00:30:00Z", "Europe/Berlin", "2026-10-25T02:30:00+02:00");
        check("2026-10-25T01:30:00Z", "Europe/Berlin", "2026-10-25T02:30:00+01:00");
        check("2026-10-25T01:30:00.250Z", "UTC", "2026-10-25T01:30:00.250+00:00");
        check("1890-01-01T00:00:00Z", "Europe/Berlin", "1890-01-01T00:00:00Z");
    }
}
