//! Words of a statement.

use chrono::{DateTime, NaiveDate};

use super::SoqlError;

/// One word, with the byte where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) word: Word,
    pub(crate) at: usize,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    Name(String),
    /// Decoded text; `\%` and `\_` keep their backslash, for LIKE to tell them apart.
    Text(String),
    Number(f64),
    Date(NaiveDate),
    /// Milliseconds since 1970.
    DateTime(i64),
    Symbol(&'static str),
    End,
}

const SYMBOLS: &[&str] = &["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ",", ".", ":"];
/// Longest text a filter may hold.
const TEXT_CHARS_MAX: usize = 4_000;

/// Splits a statement into words; the last one is [`Word::End`].
pub(crate) fn words(statement: &str) -> Result<Vec<Token>, SoqlError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = statement[at..].chars().next() {
        let rest = &statement[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (word, length) = if first == '\'' {
            text(statement, at)?
        } else if first.is_ascii_digit()
            || (matches!(first, '-' | '+')
                && rest[1..].starts_with(|next: char| next.is_ascii_digit() || next == '.'))
        {
            number_or_instant(rest, at)?
        } else if first.is_alphabetic() || first == '_' {
            let length =
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Word::Name(rest[..length].to_owned()), length)
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (Word::Symbol(symbol), symbol.len())
        } else {
            return Err(SoqlError::malformed(at, format!("unexpected token: '{first}'")));
        };
        tokens.push(Token { word, at });
        at += length;
    }
    tokens.push(Token { word: Word::End, at: statement.len() });
    Ok(tokens)
}

/// A quoted text from its quote on, decoded; the length includes the quotes.
fn text(statement: &str, start: usize) -> Result<(Word, usize), SoqlError> {
    let bad_escape =
        |at: usize| SoqlError::malformed(start + at, "Illegal escape sequence in string literal");
    let quoted = &statement[start..];
    let mut decoded = String::new();
    let mut chars = quoted.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' if decoded.chars().count() > TEXT_CHARS_MAX => {
                return Err(SoqlError::malformed(start, "string literal is too long"));
            }
            '\'' => return Ok((Word::Text(decoded), at + 1)),
            '\\' => {
                let (_, escaped) = chars.next().ok_or_else(|| bad_escape(at))?;
                match escaped.to_ascii_lowercase() {
                    'n' => decoded.push('\n'),
                    'r' => decoded.push('\r'),
                    't' => decoded.push('\t'),
                    'b' => decoded.push('\u{8}'),
                    'f' => decoded.push('\u{c}'),
                    '"' | '\'' => decoded.push(escaped),
                    '\\' => decoded.push_str("\\\\"),
                    '%' | '_' => decoded.extend(['\\', escaped]),
                    'u' => {
                        let digits: String =
                            chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16).ok();
                        let code = code.filter(|_| digits.len() == 4).and_then(char::from_u32);
                        decoded.push(code.ok_or_else(|| bad_escape(at))?);
                    }
                    _ => return Err(bad_escape(at)),
                }
            }
            plain => decoded.push(plain),
        }
    }
    Err(SoqlError::malformed(start, "unterminated string literal"))
}

/// A number, a date or a datetime with `Z` or an offset.
fn number_or_instant(rest: &str, at: usize) -> Result<(Word, usize), SoqlError> {
    let length = rest
        .char_indices()
        .skip(1)
        .find(|(_, c)| !c.is_ascii_alphanumeric() && !matches!(c, ':' | '.' | '+' | '-'))
        .map_or(rest.len(), |(end, _)| end);
    let run = &rest[..length];
    let looks_like_a_date =
        run.len() >= 10 && run.as_bytes()[4] == b'-' && run.as_bytes()[7] == b'-';
    if !looks_like_a_date {
        return match run.parse() {
            Ok(number) => Ok((Word::Number(number), length)),
            Err(_) => Err(SoqlError::malformed(at, format!("unexpected token: '{run}'"))),
        };
    }
    let invalid = || SoqlError::malformed(at, format!("invalid date or datetime: {run}"));
    let word = if run.contains(['T', 't']) {
        let instant = DateTime::parse_from_rfc3339(run).map_err(|_| invalid())?;
        (1700..=4000)
            .contains(&chrono::Datelike::year(&instant))
            .then_some(())
            .ok_or_else(invalid)?;
        Word::DateTime(instant.timestamp_millis())
    } else {
        Word::Date(run.parse().map_err(|_| invalid())?)
    };
    Ok((word, length))
}

/// A text as `=` and `IN` compare it: escapes kept for LIKE are undone.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => plain.extend(chars.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded_and_wrong_escapes_refused() {
        check(r"'it\'s'", "it's");
        check(r#"'\\ \"Ltd\" \u00e9\n'"#, "\\ \"Ltd\" é\n");
        check(r"'100\% x\_y'", "100% x_y");
        for wrong in [r"'\x'", "'open", r"'\u00'", r"'\"] {
            assert_eq!(words(wrong).unwrap_err().code, "MALFORMED_QUERY", "{wrong}");
        }
    }

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let tokens = words(source).unwrap();
        let Word::Text(text) = &tokens[0].word else { panic!("{tokens:?}") };
        assert_eq!(plain(text), expected);
    }

    #[test]
    fn instants_take_z_or_an_offset_and_dates_stand_alone() {
        let word = |source: &str| words(source).map(|tokens| tokens[0].word.clone());
        let noon = Word::DateTime(1_727_784_000_000);
        assert_eq!(word("2024-10-01T12:00:00Z"), Ok(noon.clone()));
        assert_eq!(word("2024-10-01T12:00:00.000Z"), Ok(noon.clone()));
        assert_eq!(word("2024-10-01T14:00:00+02:00"), Ok(noon));
        assert_eq!(
            word("2024-10-01"),
            Ok(Word::Date(NaiveDate::from_ymd_opt(2024, 10, 1).unwrap()))
        );
        assert_eq!(word("-2.5"), Ok(Word::Number(-2.5)));
        // A `+` that became a space on the way leaves no valid instant.
        assert!(word("2024-10-01T14:00:00 02:00").is_err());
        assert!(word("2024-13-01").is_err());
        assert!(word("12abc").is_err());
    }
}
