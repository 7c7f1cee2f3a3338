//! Digests: scheduled mails made of reports.

use std::sync::Arc;

use super::report::Report;
use super::schedule::Schedule;

/// A scheduled mail.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Its name in `[digests]`: identity.
    pub name: String,
    /// Template of the subject: `{{ period }}`, `{{ headline }}` (the figure with its name),
    /// `{{ digest }}`, `{{ date }}`, `{{ time }}`.
    pub subject: String,
    /// Which figure the subject and the first line carry.
    pub headline: Option<Headline>,
    /// A sentence under the title.
    pub intro: Option<String>,
    /// The reports, in order.
    pub reports: Vec<Arc<Report>>,
    /// When.
    pub schedule: Schedule,
    /// Mail addresses, each told by itself.
    pub to: Vec<String>,
    /// Names of webhook receivers (and the addresses of mail receivers are in `to`).
    pub webhooks: Vec<String>,
    /// Fingerprint of the definition's text.
    pub hash: String,
}

/// A figure of one of the digest's reports: of its total over all rows, or of its only row where
/// nothing is grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// Index into [`Digest::reports`].
    pub report: usize,
    /// Index into the table's columns (grouping columns first).
    pub column: usize,
}
