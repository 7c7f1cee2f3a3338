//! `recipients = "file:owners.csv"`: a table of keys and addresses, one pair a line.
//!
//! The file belongs to the config: it is read when the config is, and every mistake in it is told
//! with its line.

use std::collections::BTreeMap;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::super::super::problem::Findings;
use super::super::super::secret::Environment;
use super::super::super::text::At;
use super::super::super::wire::Text;
use super::split::READERS_MAX;
use crate::domain::digest::Readers;
use crate::domain::digest::split::PARTS_MAX;

/// The largest file.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Beyond so many mistakes the rest is counted.
const TOLD_MAX: usize = 20;

/// Reads it; `None` where a mistake was noted.
pub(super) fn read(
    found: &mut Findings<'_>,
    file: usize,
    text: &Text,
    path: &str,
    env: &dyn Environment,
) -> Option<Readers> {
    let at = At::new(file, text.span());
    let whole = found.sources()[file].base.join(path);
    let bytes = match env.read(&whole, BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(err) => {
            found.problem(at, format!("the file `{path}` cannot be read: {err}"), None);
            return None;
        }
    };
    let Ok(content) = String::from_utf8(bytes) else {
        let help = "save it as `CSV UTF-8`";
        found.problem(at, format!("the file `{path}` is not UTF-8"), help);
        return None;
    };
    match pairs(&content) {
        Ok(readers) => Some(Readers::Named(readers)),
        Err(mistakes) => {
            for (line, message) in mistakes.iter().take(TOLD_MAX) {
                let message = format!("`{path}`, line {line}: {message}");
                found.problem(at.clone(), message, None);
            }
            if mistakes.len() > TOLD_MAX {
                let message = format!("`{path}`: {} more mistakes", mistakes.len() - TOLD_MAX);
                found.problem(at, message, None);
            }
            None
        }
    }
}

/// A mistake and its line.
type Mistaken = (u64, String);

/// Addresses by key. The first line may name the columns.
fn pairs(text: &str) -> Result<BTreeMap<String, Vec<String>>, Vec<Mistaken>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut readers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut mistakes = Vec::new();
    let mut first = true;
    for (line, cells) in records(text) {
        let cells: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
        let heading = std::mem::take(&mut first)
            && cells.get(1).is_some_and(|cell| cell.eq_ignore_ascii_case("address"));
        if heading || cells.iter().all(|cell| cell.is_empty()) {
            continue;
        }
        match pair(&cells) {
            Ok((key, address)) => {
                let known = readers.entry(key.to_owned()).or_default();
                if known.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
                    mistakes.push((line, format!("`{address}` has `{key}` already")));
                } else if known.len() == READERS_MAX {
                    mistakes.push((line, format!("`{key}` has more than {READERS_MAX} addresses")));
                } else {
                    known.push(address);
                }
            }
            Err(message) => mistakes.push((line, message)),
        }
    }
    if mistakes.is_empty() && (readers.is_empty() || readers.len() > PARTS_MAX) {
        mistakes.push((1, format!("a table of recipients has 1 to {PARTS_MAX} keys")));
    }
    if mistakes.is_empty() { Ok(readers) } else { Err(mistakes) }
}

fn pair<'c>(cells: &[&'c str]) -> Result<(&'c str, String), String> {
    let [key, address] = cells else {
        return Err(format!("{} cells instead of a key and an address", cells.len()));
    };
    if key.is_empty() {
        return Err("no key".to_owned());
    }
    match address.parse::<lettre::Address>() {
        Ok(address) => Ok((key, address.to_string())),
        Err(_) => Err(format!("`{address}` is not a mail address")),
    }
}

/// The records of a CSV text (RFC 4180), each with its first line, counted from 1. Cells are parted
/// by semicolons where the first line has those and no comma, as some spreadsheets write them.
fn records(text: &str) -> Vec<(u64, Vec<String>)> {
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains(';') && !first.contains(',') { b';' } else { b',' };
    let mut reader: Reader = ReaderBuilder::new().delimiter(delimiter).build();
    let mut records = Vec::new();
    // No cell is longer than the text, and each ends at a byte of it or at its end.
    let (mut cells, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 2]);
    // How much of both the record under way has filled.
    let (mut filled, mut counted) = (0, 0);
    let mut rest = text.as_bytes();
    let mut line = None;
    loop {
        // Empty lines before a record are skipped and belong to none.
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
        let skipped = blank.filter(|byte| **byte == b'\n').count() as u64;
        let begins = *line.get_or_insert(reader.line() + skipped);
        let (result, read, written, ended) =
            reader.read_record(rest, &mut cells[filled..], &mut ends[counted..]);
        rest = &rest[read..];
        (filled, counted) = (filled + written, counted + ended);
        match result {
            ReadRecordResult::Record => {
                let mut from = 0;
                let cells = ends[..counted].iter().map(|to| {
                    let cell = String::from_utf8_lossy(&cells[from..*to]).into_owned();
                    from = *to;
                    cell
                });
                records.push((begins, cells.collect()));
                (filled, counted, line) = (0, 0, None);
            }
            // Its input is over; the next call, without any, ends the last record.
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull
            | ReadRecordResult::OutputEndsFull
            | ReadRecordResult::End => return records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = [(&'static str, &'static [&'static str])];

    #[track_caller]
    fn check(text: &str, expected: Result<&Pairs, &[(u64, &str)]>) {
        let found = pairs(text);
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                let found: Vec<(&str, Vec<&str>)> = found
                    .iter()
                    .map(|(key, list)| (key.as_str(), list.iter().map(String::as_str).collect()))
                    .collect();
                let expected: Vec<_> =
                    expected.iter().map(|(key, list)| (*key, list.to_vec())).collect();
                assert_eq!(found, expected);
            }
            (Err(found), Err(expected)) => {
                let found: Vec<_> = found.iter().map(|(at, text)| (*at, text.as_str())).collect();
                assert_eq!(found, expected);
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_table_is_read_however_it_was_saved() {
        let plain: &[(&str, &[&str])] =
            &[("Acme", &["a@acme.com", "b@acme.com"]), ("B \"x\", Ltd", &["x@b.org"])];
        check("Acme,a@acme.com\nAcme,b@acme.com\n\"B \"\"x\"\", Ltd\",x@b.org\n", Ok(plain));
        check(
            "key,address\r\nAcme , a@acme.com\r\n\r\nAcme,b@acme.com\r\n\"B \"\"x\"\", Ltd\",x@b.org",
            Ok(plain),
        );
        check("\u{feff}Kunde;Address\n001;ä@b.org\n", Ok(&[("001", &["ä@b.org"])]));
    }

    #[test]
    fn every_mistake_has_its_line() {
        check(
            "key,address\nAcme,a@acme.com\n\nAcme,A@acme.com\nBeta\n,c@c.org\nGamma,nobody\nx,y,z\n",
            Err(&[
                (4, "`A@acme.com` has `Acme` already"),
                (5, "1 cells instead of a key and an address"),
                (6, "no key"),
                (7, "`nobody` is not a mail address"),
                (8, "3 cells instead of a key and an address"),
            ]),
        );
        // A quote that is never closed takes the rest.
        check(
            "A,a@x.com\nB,\"b@x.com\nC,c@x.com",
            Err(&[(2, "`b@x.com\nC,c@x.com` is not a mail address")]),
        );
        let none = "a table of recipients has 1 to 5000 keys";
        check("", Err(&[(1, none)]));
        check("key,address\n", Err(&[(1, none)]));
    }
}
