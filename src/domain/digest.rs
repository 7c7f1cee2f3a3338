//! Digests: scheduled mails made of reports.

use std::sync::Arc;

use chrono::TimeDelta;

use super::report::Report;
use super::schedule::Schedule;

/// A scheduled mail.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Its name in `[digests]`: identity.
    pub name: String,
    /// Template of the subject: `{{ period }}`, `{{ headline }}`, `{{ digest }}`, `{{ date }}`.
    pub subject: String,
    /// Which figure the subject and the first line carry.
    pub headline: Option<Headline>,
    /// A sentence under the title.
    pub intro: Option<String>,
    /// The reports, in order.
    pub reports: Vec<Arc<Report>>,
    /// When.
    pub schedule: Schedule,
    /// How long a slot waits for records that are late before it goes out without them.
    pub wait_up_to: TimeDelta,
    /// Mail addresses, each told by itself.
    pub to: Vec<String>,
    /// Names of webhook receivers (and the addresses of mail receivers are in `to`).
    pub webhooks: Vec<String>,
    /// Fingerprint of the definition's text.
    pub hash: String,
}

impl Digest {
    /// How long a slot waits where the config says nothing.
    pub const WAIT_UP_TO: TimeDelta = TimeDelta::minutes(10);

    /// A digest of one report alone, to look at it: it has no recipients and no slots.
    pub fn of_report(report: &Arc<Report>) -> Digest {
        let schedule = Schedule::parse("0 0 * * *", report.zone.clone());
        Digest {
            name: report.name.clone(),
            subject: "{{ digest }}: {{ period }}".to_owned(),
            headline: None,
            intro: None,
            reports: vec![Arc::clone(report)],
            schedule: schedule.expect("midnight is a pattern"),
            wait_up_to: TimeDelta::zero(),
            to: Vec::new(),
            webhooks: Vec::new(),
            hash: report.hash.clone(),
        }
    }
}

/// A total of one of the digest's reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// Index into [`Digest::reports`].
    pub report: usize,
    /// Index into the table's columns (grouping columns first).
    pub column: usize,
}
