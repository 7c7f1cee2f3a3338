//! Where two messages differ: the first line that is not the same, and which part of the mail it is
//! in. Bytes are compared, not meanings.

/// The first difference of two messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `the headers`, or the content type of a part, e.g. `text/plain`.
    pub part: String,
    /// The line within it, counted from 1.
    pub line: usize,
    /// The first byte of it that differs, counted from 1.
    pub column: usize,
    /// What was sent, around that place.
    pub sent: String,
    /// What is made now, around that place.
    pub made: String,
}

/// Characters shown before and after the place.
const AROUND: usize = 30;

/// The first difference; `None` where every byte is the same. `sent` says in which part it is.
pub fn difference(sent: &[u8], made: &[u8]) -> Option<Difference> {
    if sent == made {
        return None;
    }
    let at = sent.iter().zip(made).take_while(|(a, b)| a == b).count();
    let begin = sent[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (part, line) = place(&sent[..begin], line_at(sent, begin));
    let column = at - begin + 1;
    let around = |bytes: &[u8]| {
        let line = line_at(bytes, begin);
        let at = (at - begin).min(line.len());
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND).min(line.len()));
        String::from_utf8_lossy(&line[from..to]).into_owned()
    };
    Some(Difference { part, line, column, sent: around(sent), made: around(made) })
}

/// The line that begins at a byte, without its end.
fn line_at(bytes: &[u8], begin: usize) -> &[u8] {
    let rest = bytes.get(begin..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])
}

/// The part that a line is in, and its number there, from everything before it.
fn place(before: &[u8], line: &[u8]) -> (String, usize) {
    let (mut part, mut number, mut headers) = ("the headers".to_owned(), 0, true);
    let lines = before.split(|byte| *byte == b'\n');
    // The piece behind the last line end is the line itself.
    let count = before.iter().filter(|byte| **byte == b'\n').count();
    for line in lines.take(count).chain([line]) {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        number += 1;
        if line.starts_with("--=_") {
            (part, number, headers) = ("a part's headers".to_owned(), 0, true);
        } else if headers && line.is_empty() {
            (number, headers) = (0, false);
        } else if headers && part != "the headers" {
            let kind = line.get(..13).filter(|name| name.eq_ignore_ascii_case("content-type:"));
            if kind.is_some() {
                let kind = line[13..].split(';').next().unwrap_or_default();
                part = kind.trim().to_owned();
            }
        }
    }
    (part, number.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: a\r\nSubject: Traffic\r\n\r\n--=_1\r\nContent-Type: text/plain; \
                        charset=utf-8\r\n\r\nfirst\r\n412 sessions\r\n--=_1\r\nContent-Type: \
                        text/html\r\n\r\n<p>412</p>\r\n--=_1--\r\n";

    #[track_caller]
    fn check(from: &str, to: &str, part: &str, line: usize, column: usize) {
        assert!(MAIL.contains(from));
        let found = difference(MAIL.as_bytes(), MAIL.replacen(from, to, 1).as_bytes()).unwrap();
        assert_eq!((found.part.as_str(), found.line, found.column), (part, line, column));
    }

    #[test]
    fn the_same_bytes_do_not_differ() {
        assert_eq!(difference(MAIL.as_bytes(), MAIL.as_bytes()), None);
    }

    #[test]
    fn the_first_difference_is_named_by_part_line_and_column() {
        check("Traffic", "Tariffs", "the headers", 2, 11);
        check("412 s", "431 s", "text/plain", 2, 2);
        check("<p>412", "<p>431", "text/html", 1, 5);
        check("first\r\n", "", "text/plain", 1, 1);
    }

    #[test]
    fn what_is_shown_is_the_place_itself() {
        let found = difference(b"a\n0123 is 412\n", b"a\n0123 is 43\n").unwrap();
        assert_eq!((found.sent.as_str(), found.made.as_str()), ("0123 is 412", "0123 is 43"));
        let longer = difference(b"abc", b"abcdef").unwrap();
        assert_eq!((longer.sent.as_str(), longer.made.as_str()), ("abc", "abcdef"));
        let shorter = difference(b"abc\n\n", b"abc").unwrap();
        assert_eq!((shorter.line, shorter.column), (1, 4));
    }
}
