//! The texts a config is made of, and places in them.
//!
//! A place is a file and a range of its bytes. Where a mistake is inside a string, its place is
//! found by comparing the string as written with the string as decoded; where the two disagree
//! (escapes before the piece) the whole string is the place. What looks like a secret written as a
//! literal is never shown: the texts people see have it starred out.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load::NAMED;
use super::problem::closest;
use super::secret::is_reference;

/// One file of the config, as read.
pub(super) struct Source {
    /// Its name for people: the path as given, or as the `include` found it.
    pub(super) name: String,
    /// What is in it.
    pub(super) text: String,
    /// The folder that paths in it are relative to.
    pub(super) base: PathBuf,
}

/// A place: which file of the config, which bytes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl At {
    pub(super) fn new(file: usize, span: Range<usize>) -> At {
        At { file, start: span.start, end: span.end }
    }
}

/// The bytes of `source` that hold the bytes `piece` of a string decoded from `string`, or `None`
/// where raw and decoded text disagree.
pub(super) fn inside(
    source: &str,
    string: Range<usize>,
    decoded: &str,
    piece: Range<usize>,
) -> Option<Range<usize>> {
    let raw = source.get(string.clone())?;
    let opening = opening(raw)?;
    let content = raw.get(opening..)?;
    let piece = clip(decoded, piece);
    let end = string.start + opening;
    if content.get(..piece.end)? == &decoded[..piece.end] {
        return Some(end + piece.start..end + piece.end);
    }
    // Escapes before the piece, none after it: count from the closing quotes.
    let closing = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let content = content.get(..content.len().checked_sub(closing)?)?;
    let tail = &decoded[piece.start..];
    let start = content.len().checked_sub(tail.len())?;
    (content.get(start..)? == tail).then(|| {
        let start = end + start;
        start..start + piece.len()
    })
}

/// Length of what opens a TOML string: quotes, and the newline that does not belong to it.
fn opening(raw: &str) -> Option<usize> {
    for quotes in ["\"\"\"", "'''"] {
        if let Some(rest) = raw.strip_prefix(quotes) {
            let newline = match rest.as_bytes() {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ => 0,
            };
            return Some(quotes.len() + newline);
        }
    }
    (raw.starts_with('"') || raw.starts_with('\'')).then_some(1)
}

/// A range inside the text, on character boundaries, not empty unless the text is.
pub(super) fn clip(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    if start == end {
        match text[start..].chars().next() {
            Some(next) => end += next.len_utf8(),
            None => start -= text[..start].chars().next_back().map_or(0, char::len_utf8),
        }
    }
    start..end
}

/// Line and column, both from 1, the column in characters.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The text with literal secrets starred out, byte for byte, so that places stay the same.
pub(super) fn shown(text: &str) -> String {
    let mut hidden = hidden_in_lines(text);
    hidden.extend(opaque_keys(text));
    let (tree, _) = DeTable::parse_recoverable(text);
    for (section, value) in tree.get_ref() {
        match value.get_ref() {
            // What a table is called says nothing of what is in it: `[reports.password-resets]`.
            DeValue::Table(tables) if NAMED.contains(&section.get_ref().as_ref()) => {
                tables.values().for_each(|table| hide_in_value(table, false, &mut hidden));
            }
            _ => hide_in_value(value, names_a_secret(section.get_ref()), &mut hidden),
        }
    }
    let mut bytes = text.as_bytes().to_vec();
    for range in hidden {
        for byte in bytes.get_mut(range).into_iter().flatten() {
            if !matches!(*byte, b'\n' | b'\r' | b'"' | b'\'' | b' ' | b',' | b'[' | b']') {
                *byte = b'*';
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Words that name a secret when they are part of a key.
const SECRET_WORDS: [&str; 13] = [
    "pass",
    "secret",
    "token",
    "credential",
    "client_id",
    "private",
    "api_key",
    "api-key",
    "apikey",
    "bearer",
    "authorization",
    "cookie",
    "signature",
];

pub(super) fn names_a_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    key == "url"
        || key == "heartbeat"
        || (key.starts_with("x-") && key.ends_with("key"))
        || SECRET_WORDS.iter().any(|word| key.contains(word))
        || closest(&key, ["password", "secrets", "client_secret", "client_id"]).is_some()
}

/// Values of `key` that name nothing: a dataset's key is the name of a field, that of an integration
/// is a long row of letters and digits.
fn opaque_keys(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let before = text[..equals].trim_end().trim_end_matches(['"', '\'']);
        let Some(rest) = before.strip_suffix("key") else { continue };
        if rest.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-') {
            continue;
        }
        let value = text[equals + 1..].trim_start_matches([' ', '\t', '"', '\'']);
        let start = text.len() - value.len();
        let length = value.bytes().take_while(u8::is_ascii_alphanumeric).count();
        if 20 <= length && value[..length].contains(|c: char| c.is_ascii_digit()) {
            hidden.push(start..start + length);
        }
    }
    hidden
}

/// An address with a user before its host.
fn holds_a_login(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn hide_in_table(table: &DeTable<'_>, inside_secret: bool, hidden: &mut Vec<Range<usize>>) {
    // `{ name = "X-Key", value = "..." }`: what an API knows us by, under a name of its own.
    let pair = table.len() == 2 && table.contains_key("name");
    // What mails are signed with.
    let signer = table.contains_key("selector");
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let apart = (pair && name == "value") || (signer && name == "key");
        let secret = inside_secret || names_a_secret(name) || apart;
        hide_in_value(value, secret, hidden);
    }
}

fn hide_in_value(value: &Spanned<DeValue<'_>>, secret: bool, hidden: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => hide_in_table(table, secret, hidden),
        DeValue::Array(array) => {
            array.iter().for_each(|entry| hide_in_value(entry, secret, hidden));
        }
        DeValue::String(text) if is_reference(text) => {}
        DeValue::String(text) if holds_a_login(text) => hidden.push(value.span()),
        _ if secret => hidden.push(value.span()),
        _ => {}
    }
}

/// The same from the letters alone, for text that is not TOML: whatever stands between a key that
/// names a secret and the end of its string or line.
fn hidden_in_lines(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let key = text[..equals].trim_end().trim_end_matches(['"', '\'']);
        let word = key.rfind(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        let key =
            &key[word.map_or(0, |at| at + key[at..].chars().next().map_or(1, char::len_utf8))..];
        let line_start = text[..equals].rfind('\n').map_or(0, |newline| newline + 1);
        let beside = |other: &str| text[line_start..equals].contains(other);
        let apart = (key == "value" && beside("name")) || (key == "key" && beside("selector"));
        if !names_a_secret(key) && !apart {
            continue;
        }
        let rest = &text[equals + 1..];
        let value = rest.trim_start_matches([' ', '\t']);
        let start = text.len() - value.len();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        if is_reference(value.trim_start_matches(['"', '\'', '[', ' '])) {
            continue;
        }
        let line = value.find('\n').unwrap_or(value.len());
        let end = quote
            .and_then(|quote| value.get(1..line)?.find(quote))
            .map_or(line, |closing| closing + 1);
        hidden.push(start..start + end);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_string_is_found_where_raw_and_decoded_text_agree() {
        check(r#"a = "max(x)""#, "x", Some("x"));
        check("a = 'max(x)'", "max", Some("max"));
        check("a = '''\n  max(x)\n'''", "max(x)", Some("max(x)"));
        check("a = \"\"\"\r\nmax(x)\"\"\"", "x", Some("x"));
        check("a = '''max(ä, x)'''", "x", Some("x"));
        // Escapes behind the piece do not matter, nor do escapes before it.
        check(r#"a = "x = \"y\"""#, "x", Some("x"));
        check(r#"a = "\"y\" = zebra""#, "zebra", Some("zebra"));
        // Between two escapes neither count helps.
        check(r#"a = "\"y\" = zebra \"""#, "zebra", None);
    }

    #[track_caller]
    fn check(source: &str, piece: &str, expected: Option<&str>) {
        let tree = DeTable::parse(source).unwrap();
        let value = tree.get_ref().get("a").unwrap();
        let DeValue::String(decoded) = value.get_ref() else { panic!("not a string") };
        let start = decoded.find(piece).unwrap();
        let found = inside(source, value.span(), decoded, start..start + piece.len());
        assert_eq!(found.map(|range| &source[range]), expected);
    }

    #[test]
    fn a_range_is_brought_inside_the_text() {
        assert_eq!(clip("abc", 1..2), 1..2);
        assert_eq!(clip("abc", 3..3), 2..3);
        assert_eq!(clip("abc", 7..9), 2..3);
        assert_eq!(clip("aä", 2..2), 1..3);
        assert_eq!(clip("", 4..5), 0..0);
    }

    #[test]
    fn literal_secrets_are_starred_out_even_where_the_text_is_not_toml() {
        for text in [
            "password = \"hunter2\"",
            "password = 'hunter2",
            "pasword = \"hunter2\"",
            "password = hunter2",
            "auth = { flow = \"x\", client_secret = \"hunter2\" }",
            "secrets = [\n \"hunter2\",\n]",
            "secrets = [\"hunter2\"",
            "client_secret = { value = \"hunter2\" }",
            "\"password\" = \"hunter2\"",
            "smtp.password = \"\"\"hunter2\"\"\"",
            "login_url = \"https://me:hunter2@example.com/\"",
            "auth = { header = { name = \"X-Key\", value = \"hunter2\" } }",
            "auth = { header = { name = \"X-Key\", value = \"hunter2",
            "auth = { bearer = \"hunter2\" }",
            "headers = { Authorization = \"Bearer hunter2\" }",
            "key = \"hunter2hunter2hunter2hunter2hunt\"",
            "key='hunter2hunter2hunter2hunter2hunt",
            "\"key\" = hunter2hunter2hunter2hunter2hunt",
            "heartbeat = \"https://example.com/hunter2\"",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.len(), text.len());
        }
        let names =
            "key = \"id\"\nkey = \"SomeObject__c.SomeVeryLongFieldName__c\"\nkey = [\"a\", \"b\"]";
        assert_eq!(shown(names), names);
        let references = "password = \"env:MAIL\"\nsecrets = [\"file:a\"]\nwhere = \"a = 'b'\"";
        assert_eq!(shown(references), references);
    }
}
