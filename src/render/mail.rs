//! MIME: a rendered mail addressed to one recipient, as bytes that never change.
//!
//! Message-ID, Date and boundaries come from the envelope, so the same arguments give the same
//! bytes. Nothing that came from a record or a config can add a header: values are cleaned of
//! control characters, words that look encoded are encoded again.

use chrono::{DateTime, Utc};
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Rendered;
use super::format::{clean, clipped};
use super::subject::line;

/// Text of one encoded word, in bytes: behind any header's name it fits a line.
const ENCODED_WORD: usize = 30;
/// A longer word of a header is encoded, because it could not be folded.
const WORD_MAX: usize = 50;
/// Longest name of a digest or rule in a header, in characters.
const NAME_MAX: usize = 40;

/// Whom a mail is from and to, and what identifies it. It is kept with a run's messages, so that the
/// same bytes can be made again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Envelope {
    /// `Name <address>` of the sender.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// Message-ID without angle brackets: see [`message_id`].
    pub message_id: String,
    /// Further recipients, named in everybody's mail.
    pub cc: Vec<String>,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// When the mail was made.
    pub date: DateTime<Utc>,
    /// Root of the thread, a Message-ID without angle brackets; the first mail of a thread may be
    /// the root itself.
    pub thread: Option<String>,
    /// Name of the digest or rule: mails of one go into one folder (`List-Id`).
    pub list: Option<String>,
    /// Address that takes people off the list.
    pub owner: Option<String>,
    /// Goes into the subject of the mail that takes the recipient off the list, so that it can be
    /// believed: letters, digits and `.-_+=`.
    pub unsubscribe_token: Option<String>,
    /// An https address that takes the recipient off the list by one POST (RFC 8058).
    pub one_click: Option<String>,
    /// Id of the run, for support.
    pub run: Option<String>,
    /// Name of the rule, for support.
    pub rule: Option<String>,
}

/// Why there are no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Sender or recipient is no mail address.
    #[error("`{0}` is not a mail address")]
    Address(String),
    /// The Message-ID or the thread's root cannot stand in a header.
    #[error("`{0}` is not a message id")]
    Id(String),
}

/// A Message-ID (without angle brackets) from what identifies a message: same parts, same id.
/// `domain` is that of the sender's address.
pub fn message_id(parts: &[&str], domain: &str) -> String {
    let domain: String = domain.chars().filter(|c| is_id_char(*c)).collect();
    let domain = if domain.is_empty() { "postrider.invalid".to_owned() } else { domain };
    format!("{}@{domain}", &fingerprint(parts)[..32])
}

/// A webhook-id from what identifies a message: same parts, same id.
pub fn webhook_id(parts: &[&str]) -> String {
    format!("msg_{}", &fingerprint(parts)[..32])
}

/// The domain of a mail address (`Name <a@b>` too); empty if it is none.
pub fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain.trim_end_matches(['>', ' ']))
}

/// The whole mail: headers and a `multipart/alternative` of text and HTML, quoted-printable, CRLF.
pub fn mail_bytes(envelope: &Envelope, mail: &Rendered) -> Result<Vec<u8>, EnvelopeError> {
    let id = checked_id(&envelope.message_id)?;
    let mut message = Message::builder()
        .from(mailbox(&envelope.from)?)
        .to(mailbox(&envelope.to)?)
        .raw_header(header("Subject", &line(&mail.subject)))
        .date(envelope.date.into())
        .message_id(Some(format!("<{id}>")));
    if let Some(root) = &envelope.thread {
        let root = checked_id(root)?;
        // The root of a thread answers nothing.
        if root != id {
            message = message.in_reply_to(format!("<{root}>")).references(format!("<{root}>"));
        }
    }
    for header in machine_headers(envelope, mail) {
        message = message.raw_header(header);
    }
    let parts = MultiPart::alternative()
        .boundary(boundary(&envelope.message_id))
        .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
        .singlepart(part(ContentType::TEXT_HTML, &mail.html));
    let message =
        message.multipart(parts).map_err(|_| EnvelopeError::Address(clean(&envelope.to)))?;
    Ok(message.formatted())
}

/// Length of a text as a quoted-printable part, in bytes.
pub(super) fn encoded_len(text: &str) -> usize {
    quoted_printable(text).len()
}

fn machine_headers(envelope: &Envelope, mail: &Rendered) -> Vec<HeaderValue> {
    let mut headers = vec![
        header("Content-Language", mail.language),
        // Keeps answering machines quiet.
        header("Auto-Submitted", "auto-generated"),
        header("X-Auto-Response-Suppress", "All"),
    ];
    if let Some(name) = &envelope.list {
        let label: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(NAME_MAX)
            .collect();
        let domain: String =
            domain_of(&envelope.from).chars().filter(|c| is_id_char(*c)).take(100).collect();
        headers.push(header("List-Id", &format!("<{label}.postrider.{domain}>")));
        if let Some(owner) = envelope.owner.as_deref().filter(|owner| mailbox(owner).is_ok()) {
            let topic = format!("unsubscribe {}", clipped(name, NAME_MAX));
            let topic = utf8_percent_encode(&topic, NON_ALPHANUMERIC);
            headers.push(header("List-Unsubscribe", &format!("<mailto:{owner}?subject={topic}>")));
        }
    }
    let run = envelope.run.iter().map(|run| header("X-Postrider-Run", run));
    let rule = envelope.rule.iter().map(|rule| header("X-Postrider-Rule", rule));
    headers.extend(run.chain(rule));
    headers
}

/// A part whose bytes are those [`encoded_len`] counts.
fn part(kind: ContentType, text: &str) -> SinglePart {
    let body = Body::dangerous_pre_encoded(
        quoted_printable(text).into_bytes(),
        ContentTransferEncoding::QuotedPrintable,
    );
    SinglePart::builder().header(kind).body(body)
}

fn mailbox(text: &str) -> Result<Mailbox, EnvelopeError> {
    let refused = || EnvelopeError::Address(clean(text));
    // A control character in an address is an attack or a mistake, not something to repair.
    if text.chars().any(char::is_control) {
        return Err(refused());
    }
    let mut mailbox: Mailbox = text.parse().map_err(|_| refused())?;
    mailbox.name = mailbox.name.map(|name| line(&name)).filter(|name| !name.is_empty());
    Ok(mailbox)
}

fn checked_id(id: &str) -> Result<&str, EnvelopeError> {
    let one_at = id
        .split_once('@')
        .is_some_and(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains('@'));
    let fits = id.len() <= 200 && id.chars().all(|c| c == '@' || is_id_char(c));
    if one_at && fits { Ok(id) } else { Err(EnvelopeError::Id(clean(id))) }
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '=')
}

fn boundary(id: &str) -> String {
    format!("=_{}", &fingerprint(&["boundary", id])[..32])
}

fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A header with an unstructured value of any text: one line after unfolding, ASCII, folded at 76.
fn header(name: &'static str, value: &str) -> HeaderValue {
    let value = clean(value);
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    let plain = |word: &&str| {
        word.bytes().all(|b| b.is_ascii_graphic()) && word.len() <= WORD_MAX && !word.contains("=?")
    };
    // Addresses and ids of machines must not be encoded, however long: they have no spaces.
    let machine = name.starts_with("List-");
    let pieces: Vec<String> = match machine || words.iter().all(plain) {
        true => words.iter().map(|word| (*word).to_owned()).collect(),
        false => encoded_words(&words.join(" ")),
    };
    let mut folded = String::new();
    let mut used = name.len() + 1;
    for piece in &pieces {
        if used + 1 + piece.len() > 76 && !folded.is_empty() {
            folded.push_str("\r\n");
            used = 0;
        }
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(piece);
        used += piece.len() + 1;
    }
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value, folded)
}

/// RFC 2047 words: text in pieces of whole characters, base64.
fn encoded_words(text: &str) -> Vec<String> {
    use base64::Engine as _;
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let fits = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = fits.take_while(|end| *end <= ENCODED_WORD).last().unwrap_or(rest.len());
        let piece = base64::engine::general_purpose::STANDARD.encode(&rest[..end]);
        words.push(format!("=?utf-8?B?{piece}?="));
        rest = &rest[end..];
    }
    words
}

/// Quoted-printable: lines of at most 76 characters, CRLF, no blank before a line's end. Control
/// characters other than line ends and tabs are dropped.
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines() {
        let mut used = 0;
        // Dropped first: what then stands last on the line must not be a blank.
        let dropped = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        let bytes: Vec<u8> = line.bytes().filter(|byte| !dropped(byte)).collect();
        for (at, byte) in bytes.iter().enumerate() {
            let last = at + 1 == bytes.len();
            let plain = match byte {
                b'=' => false,
                b' ' | b'\t' => !last,
                // A lone dot, or `From ` at a line's beginning, means something to mail servers.
                b'.' => used > 0,
                b'F' => used > 0 || !bytes[at..].starts_with(b"From "),
                0x21..=0x7e => true,
                _ => false,
            };
            let width = if plain { 1 } else { 3 };
            if used + width > 75 && !(last && used + width <= 76) {
                out.push_str("=\r\n");
                used = 0;
            }
            match plain {
                true => out.push(char::from(*byte)),
                false => out.push_str(&format!("={byte:02X}")),
            }
            used += width;
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests;
