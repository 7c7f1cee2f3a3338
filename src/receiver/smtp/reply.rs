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
