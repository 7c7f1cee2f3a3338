//! Rendering: tables and notifications to mails and payloads.
//!
//! Pure: no clock, no network, no randomness. What is made depends on the arguments alone, ids and
//! instants included, so that a preview is byte for byte what would be sent. Nothing here fails a
//! mail: a subject template that cannot be used and a report that could not be made are told in
//! it; only an address that is none refuses to become an envelope.

pub mod bodies;
pub mod chart;
pub mod custom;
mod digest;
pub mod format;
mod html;
mod incident;
pub mod look;
pub mod mail;
mod notice;
mod notification;
mod palette;
pub mod payload;
pub mod sheet;
pub mod subject;
mod template;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod view;
pub mod words;

pub use bodies::{
    OwnBody, Shape, Trouble, bodies, digest_body, proof_body, sample_notice, trouble_body,
};
pub use digest::{DigestMail, HTML_BYTES_MAX, render_digest};
pub use format::{Locale, UnknownLocale};
pub use incident::{
    Context, Evidence, IncidentKind, IncidentMail, PassedIncident, render_incident,
};
pub use look::{Logo, Look};
pub use mail::{Envelope, EnvelopeError, mail_bytes};
pub use notice::{NoticeMail, render_notice};
pub use notification::{NotificationMail, SourceState, render_notification};
pub use payload::{digest_payload, incident_payload, notice_payload};

/// A mail's content, before it is given to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One header-safe line.
    pub subject: String,
    /// The whole HTML document.
    pub html: String,
    /// The same in plain text, lines of at most 78 columns where a word allows it.
    pub text: String,
    /// The language of the words: for `Content-Language`.
    pub language: &'static str,
    /// Pictures that the HTML shows, as `cid:` of their names.
    pub images: Vec<Image>,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
    /// What was wrong with the definition (a subject template that failed), for the log and the
    /// owner; the mail is complete without it.
    pub problem: Option<String>,
}

/// A picture in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name within the mail: letters, digits, `-`.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A file that goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its file name: safe on every system.
    pub name: String,
    /// Its media type.
    pub kind: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}
