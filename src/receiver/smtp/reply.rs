//! What a mail server says, read from bytes that may be anything. Pure and bounded.

use crate::receiver::words::words;

/// The longest line of an answer, in bytes (RFC 5321 allows 512).
const LINE_BYTES_MAX: usize = 4_096;
/// The longest answer, in bytes.
const REPLY_BYTES_MAX: usize = 64 * 1024;

/// A server's answer: its code and all its lines, joined by spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits, 200 to 599.
    pub code: u16,
    /// The text after the codes; untrusted, not yet escaped.
    pub text: String,
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

    /// Whether it says that the transaction has recipients enough (RFC 5321, 4.5.3.1.10).
    pub(super) fn is_about_their_number(&self) -> bool {
        match self.enhanced() {
            Some((_, subject, detail)) => (subject, detail) == (5, 3),
            None => matches!(self.code, 452 | 552),
        }
    }

    /// Whether it says no, and the conversation goes on.
    pub(super) fn refuses(&self) -> bool {
        self.code >= 400 && self.code != 421
    }
}

/// What the bytes received so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of an answer: more has to be read. Never more than 64 KiB of it.
    Incomplete,
    /// A whole answer.
    Whole {
        /// The answer.
        reply: Reply,
        /// The text of each of its lines.
        lines: Vec<String>,
        /// How many of the bytes it took.
        length: usize,
    },
    /// Not an answer, and no further byte makes it one; why.
    Garbage(String),
}

/// Reads one answer off the beginning of `bytes`: lines `250-text` and a last one `250 text`, all with
/// the same code. Lines end in LF or CRLF; text that is not UTF-8 is read as far as it is.
pub fn parse_reply(bytes: &[u8]) -> Parsed {
    let (mut lines, mut code, mut begin) = (Vec::new(), None, 0);
    loop {
        let rest = bytes.get(begin..).unwrap_or_default();
        let window = &rest[..rest.len().min(LINE_BYTES_MAX + 1)];
        let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
            return match () {
                () if rest.len() > LINE_BYTES_MAX => {
                    Parsed::Garbage("the answer has an endless line".into())
                }
                () if bytes.len() > REPLY_BYTES_MAX => too_long(),
                () => Parsed::Incomplete,
            };
        };
        begin += end + 1;
        if begin > REPLY_BYTES_MAX {
            return too_long();
        }
        let line = String::from_utf8_lossy(&rest[..=end]);
        let line = line.trim_end();
        let Some((this, last, text)) = parse_line(line) else {
            return Parsed::Garbage(format!("the answer is not SMTP: {line}"));
        };
        if *code.get_or_insert(this) != this {
            return Parsed::Garbage("the answer changes its code midway".into());
        }
        lines.push(text.to_owned());
        if last {
            let reply = Reply { code: this, text: lines.join(" ") };
            return Parsed::Whole { reply, lines, length: begin };
        }
    }
}

fn too_long() -> Parsed {
    Parsed::Garbage("the answer is too long".into())
}

/// Splits a line into its code, whether it is the last one, and its text.
fn parse_line(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()))?;
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    match line.as_bytes().get(3) {
        None => Some((code, true, "")),
        Some(b' ') => Some((code, true, &line[4..])),
        Some(b'-') => Some((code, false, &line[4..])),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
