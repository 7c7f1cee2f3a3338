//! What a mail server says: answers and, in the answer to EHLO, offers.

use lettre::transport::smtp::authentication::Mechanism;

use crate::receiver::words::words;

/// A server's answer: its code and all its lines, joined by spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Three digits, 200 to 599.
    pub(super) code: u16,
    /// The text after the codes; untrusted, not yet escaped.
    pub(super) text: String,
}

impl Reply {
    /// Code and text for people, escaped and cut.
    pub(super) fn words(&self) -> String {
        words(&format!("{} {}", self.code, self.text))
    }

    /// The enhanced status code (`5.1.1`) the text begins with, if any.
    pub(super) fn enhanced(&self) -> Option<(u16, u16, u16)> {
        let mut parts = self.text.split_whitespace().next()?.split('.');
        let mut part = || parts.next().filter(|digits| digits.len() <= 3)?.parse::<u16>().ok();
        let (class, subject, detail) = (part()?, part()?, part()?);
        (parts.next().is_none() && matches!(class, 2 | 4 | 5)).then_some((class, subject, detail))
    }

    /// 2 to 5. An enhanced code may soften a permanent refusal, never harden a passing one.
    pub(super) fn class(&self) -> u16 {
        match (self.code / 100, self.enhanced()) {
            (5, Some((4, _, _))) => 4,
            (class, _) => class,
        }
    }
}

/// What the server offered in its answer to EHLO.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub(super) starttls: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    /// `Some(0)`: sizes are understood, without a limit. Bytes.
    pub(super) size_max: Option<usize>,
    /// Ways to log in that we speak too.
    pub(super) logins: Vec<Mechanism>,
}

impl Offers {
    /// Reads the lines after the greeting.
    pub(super) fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Offers {
        let mut offers = Offers::default();
        for line in lines {
            let mut parts = line.split_whitespace();
            match parts.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "STARTTLS" => offers.starttls = true,
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "SIZE" => {
                    offers.size_max = Some(parts.next().and_then(|n| n.parse().ok()).unwrap_or(0));
                }
                "AUTH" => offers.logins.extend(parts.filter_map(mechanism)),
                _ => {}
            }
        }
        offers
    }
}

/// Splits a line into its code, whether it is the last one, and its text.
pub(super) fn parse_line(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?;
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    match line.as_bytes().get(3) {
        None => Some((code, true, "")),
        Some(b' ') => Some((code, true, &line[4..])),
        Some(b'-') => Some((code, false, &line[4..])),
        Some(_) => None,
    }
}

fn mechanism(name: &str) -> Option<Mechanism> {
    match name.to_ascii_uppercase().as_str() {
        "PLAIN" => Some(Mechanism::Plain),
        "LOGIN" => Some(Mechanism::Login),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::authentication::Mechanism;

    use super::{Offers, Reply, parse_line};

    #[test]
    fn lines_are_code_separator_and_text() {
        for (line, expected) in [
            ("250 ok", Some((250, true, "ok"))),
            ("250-more to come", Some((250, false, "more to come"))),
            ("250", Some((250, true, ""))),
            ("250 ", Some((250, true, ""))),
            ("250x", None),
            ("25", None),
            ("+50 ok", None),
            ("199 ok", None),
            ("600 ok", None),
            ("é50 ok", None),
            ("", None),
        ] {
            assert_eq!(parse_line(line), expected, "{line:?}");
        }
    }

    #[test]
    fn enhanced_codes_are_read_only_where_they_are_ones() {
        for (text, expected) in [
            ("5.1.1 no", Some((5, 1, 1))),
            ("4.7.650 wait", Some((4, 7, 650))),
            ("5.1.1", Some((5, 1, 1))),
            ("1.2.3 version", None),
            ("5.1 no", None),
            ("5.1.1.1 no", None),
            ("5.1.1000 no", None),
            ("", None),
        ] {
            let reply = Reply { code: 550, text: text.into() };
            assert_eq!(reply.enhanced(), expected, "{text:?}");
        }
    }

    #[test]
    fn offers_are_read_in_any_case() {
        let lines = ["STARTTLS", "size 1000", "Auth PLAIN login CRAM-MD5", "8bitmime", "X-OTHER 1"];
        let expected = Offers {
            starttls: true,
            eight_bit: true,
            utf8: false,
            size_max: Some(1_000),
            logins: vec![Mechanism::Plain, Mechanism::Login],
        };
        assert_eq!(Offers::read(lines.into_iter()), expected);
        assert_eq!(Offers::read(["SIZE"].into_iter()).size_max, Some(0));
        assert_eq!(Offers::read([].into_iter()), Offers::default());
    }
}
