//! The relaxed forms of headers and bodies (RFC 6376, 3.4.2 and 3.4.4): what a mail server may change
//! on the way makes no difference in them.

/// One header field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    /// What is behind the colon, its folds included.
    value: &'a [u8],
    /// All of it, with the line end.
    pub(super) whole: &'a [u8],
}

impl Field<'_> {
    /// Whether this is its name, in any case of letters.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The header fields of a mail, in order. Lines that are none are left out.
pub(super) fn fields_of(mail: &[u8]) -> Vec<Field<'_>> {
    let (mut fields, mut rest) = (Vec::new(), mail);
    while !rest.is_empty() && !rest.starts_with(b"\r\n") {
        let mut end = line_end(rest);
        // What begins with white space goes on with the line before.
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end += line_end(&rest[end..]);
        }
        let (whole, after) = rest.split_at(end);
        rest = after;
        let colon = whole.iter().position(|byte| *byte == b':');
        if let Some(colon) = colon
            && let Ok(name) = std::str::from_utf8(&whole[..colon])
        {
            fields.push(Field { name: name.trim_end(), value: &whole[colon + 1..], whole });
        }
    }
    fields
}

/// What is behind the first empty line.
pub(super) fn body_of(mail: &[u8]) -> &[u8] {
    let mut rest = mail;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(line_end(rest));
        rest = after;
        if line == b"\r\n" {
            break;
        }
    }
    rest
}

/// `name:value` with its line end: small letters, one line, single spaces.
pub(super) fn relaxed_field(field: &Field<'_>) -> Vec<u8> {
    let mut text = field.name.to_lowercase().into_bytes();
    text.push(b':');
    let begin = text.len();
    let unfolded = field.value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n'));
    for byte in unfolded {
        push_relaxed(&mut text, byte);
    }
    // White space at both ends is none.
    if text.get(begin) == Some(&b' ') {
        text.remove(begin);
    }
    if text.len() > begin && text.last() == Some(&b' ') {
        text.pop();
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// A body with single spaces, none at the ends of lines and no empty lines at its end.
pub(super) fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len() + 2);
    let (mut rest, mut filled) = (body, 0);
    while !rest.is_empty() {
        let (line, after) = rest.split_at(line_end(rest));
        rest = after;
        for byte in line.strip_suffix(b"\r\n").unwrap_or(line) {
            push_relaxed(&mut text, *byte);
        }
        if text.last() == Some(&b' ') {
            text.pop();
        }
        if !text.is_empty() && text.last() != Some(&b'\n') {
            filled = text.len() + 2;
        }
        text.extend_from_slice(b"\r\n");
    }
    text.truncate(filled);
    text
}

/// Adds a byte; of white space one space for all of it.
fn push_relaxed(text: &mut Vec<u8>, byte: u8) {
    match byte {
        b' ' | b'\t' if text.last() == Some(&b' ') => {}
        b' ' | b'\t' => text.push(b' '),
        _ => text.push(byte),
    }
}

/// Where the first line ends, its CRLF included.
fn line_end(bytes: &[u8]) -> usize {
    bytes.windows(2).position(|pair| pair == b"\r\n").map_or(bytes.len(), |at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6376, 3.4.5.
    const EXAMPLE: &[u8] = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n";

    #[test]
    fn the_example_of_the_standard_comes_out_as_it_says() {
        let header: Vec<u8> = fields_of(EXAMPLE).iter().flat_map(relaxed_field).collect();
        assert_eq!(header, b"a:X\r\nb:Y Z\r\n");
        assert_eq!(relaxed_body(body_of(EXAMPLE)), b" C\r\nD E\r\n");
    }

    #[test]
    fn bodies_end_in_one_line_end_or_are_nothing() {
        for (body, expected) in [
            ("", ""),
            ("\r\n", ""),
            ("\r\n\r\n \t\r\n", ""),
            ("a", "a\r\n"),
            ("a\r\n", "a\r\n"),
            ("a \t b  \r\n\r\n", "a b\r\n"),
            ("\r\na\r\n\r\nb\r\n\r\n", "\r\na\r\n\r\nb\r\n"),
            ("  \r\na", "\r\na\r\n"),
            (" a\r\n", " a\r\n"),
        ] {
            let made = String::from_utf8(relaxed_body(body.as_bytes())).unwrap();
            assert_eq!(made, expected, "{body:?}");
        }
    }

    #[test]
    fn fields_keep_their_folds_and_the_body_is_none_of_them() {
        let fields = fields_of(b"To: a,\r\n b\r\nno field\r\nSUBJECT:x\r\n\r\nBody: y\r\n");
        let whole: Vec<&[u8]> = fields.iter().map(|field| field.whole).collect();
        assert_eq!(whole, [&b"To: a,\r\n b\r\n"[..], b"SUBJECT:x\r\n"]);
        assert_eq!(relaxed_field(&fields[0]), b"to:a, b\r\n");
        assert_eq!(relaxed_field(&fields_of(b"X-Empty:  \r\n")[0]), b"x-empty:\r\n");
        assert!(fields_of(b"\r\nA: b\r\n").is_empty());
        assert_eq!(body_of(b"A: b\r\n"), b"");
    }
}
