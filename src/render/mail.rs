//! MIME: a rendered mail addressed to one recipient, as bytes that never change.
//!
//! Message-ID, Date and boundaries come from the envelope, so the same arguments give the same
//! bytes. Nothing that came from a record or a config can add a header: values are cleaned of
//! control characters, words that look encoded are encoded again.

use chrono::{DateTime, Utc};
use lettre::message::header::HeaderValue;
use lettre::message::{Mailbox, Message};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use self::header::{addresses, header, list_headers};
use super::Rendered;
use super::format::clean;
use super::subject::line;

pub mod dkim;
mod header;
mod part;

pub use part::cid;
pub(crate) use part::file_len;

/// Whom a mail is from and to, and what identifies it. It is kept with a run's messages, so that the
/// same bytes can be made again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Envelope {
    /// `Name <address>` of the sender.
    pub from: String,
    /// The recipient's address.
    pub to: String,
    /// Of one mail for several recipients: the others, named beside `to`.
    pub together: Vec<String>,
    /// Message-ID without angle brackets: see [`message_id`].
    pub message_id: String,
    /// Further recipients, named in everybody's mail; who gets this mail is not named twice.
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

/// The whole mail: headers; text and HTML, quoted-printable; the pictures that the HTML shows as
/// `cid:NAME@postrider` (see [`cid`]) and the files, base64; lines end in CRLF. Recipients that
/// nobody else sees have a mail of their own: there is no `Bcc`.
pub fn mail_bytes(envelope: &Envelope, mail: &Rendered) -> Result<Vec<u8>, EnvelopeError> {
    let id = checked_id(&envelope.message_id)?;
    let to = mailbox(&envelope.to)?;
    let mut all = vec![to.clone()];
    for address in &envelope.together {
        all.push(named(address)?);
    }
    let mut message = Message::builder()
        .from(mailbox(&envelope.from)?)
        .raw_header(addresses("To", &all))
        .raw_header(header("Subject", &line(&mail.subject)))
        .date(envelope.date.into())
        .message_id(Some(format!("<{id}>")));
    let mut cc = Vec::new();
    for address in &envelope.cc {
        let named = named(address)?;
        if all.iter().all(|other| other.email != named.email) {
            cc.push(named);
        }
    }
    if !cc.is_empty() {
        message = message.raw_header(addresses("Cc", &cc));
    }
    if let Some(address) = &envelope.reply_to {
        message = message.reply_to(mailbox(address)?);
    }
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
    let body = part::body(id, mail);
    let message =
        message.multipart(body).map_err(|_| EnvelopeError::Address(clean(&envelope.to)))?;
    Ok(message.formatted())
}

/// Length of a text as a quoted-printable part, in bytes.
pub(super) fn encoded_len(text: &str) -> usize {
    part::quoted_printable(text).len()
}

fn machine_headers(envelope: &Envelope, mail: &Rendered) -> Vec<HeaderValue> {
    let mut headers = vec![
        header("Content-Language", mail.language),
        // Keeps answering machines quiet.
        header("Auto-Submitted", "auto-generated"),
        header("X-Auto-Response-Suppress", "All"),
    ];
    if let Some(name) = &envelope.list {
        headers.extend(list_headers(envelope, name));
    }
    let run = envelope.run.iter().map(|run| header("X-Postrider-Run", run));
    let rule = envelope.rule.iter().map(|rule| header("X-Postrider-Rule", rule));
    headers.extend(run.chain(rule));
    headers
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

/// Somebody whom others' mails name too: not every server of theirs takes other letters than ASCII.
fn named(address: &str) -> Result<Mailbox, EnvelopeError> {
    let named = mailbox(address)?;
    match named.email.to_string().is_ascii() {
        true => Ok(named),
        false => Err(EnvelopeError::Address(clean(address))),
    }
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

fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
