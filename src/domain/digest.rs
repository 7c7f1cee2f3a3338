//! Digests: scheduled mails made of reports.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::report::Report;
use super::schedule::Schedule;

pub mod condition;
pub mod mask;
#[cfg(test)]
pub(crate) mod samples;
pub mod sending;
pub mod split;

pub use condition::Condition;
pub use mask::MaskOutside;
pub use sending::{SendWhen, Sending};
pub use split::{Readers, Split};

/// A scheduled mail.
#[derive(Clone, Debug)]
pub struct Digest {
    /// Its name in `[digests]`: identity.
    pub name: String,
    /// Template of the subject: `{{ period }}`, `{{ headline }}`, `{{ digest }}`, `{{ date }}`.
    pub subject: String,
    /// Template of the line that inboxes show behind the subject; without one it is the headline.
    pub preheader: Option<String>,
    /// Which figure the subject and the first line carry.
    pub headline: Option<Headline>,
    /// A sentence under the title.
    pub intro: Option<String>,
    /// The reports, in order.
    pub reports: Vec<Arc<Report>>,
    /// Those of them (indexes) without which the mail does not go out: its owner is told instead.
    pub required: BTreeSet<usize>,
    /// When.
    pub schedule: Schedule,
    /// How long a slot waits for records that are late before it goes out without them.
    pub wait_up_to: TimeDelta,
    /// Mail addresses, each told by itself unless `together`.
    pub to: Vec<String>,
    /// Further addresses, named in everybody's mail.
    pub cc: Vec<String>,
    /// Further addresses that nobody else sees.
    pub bcc: Vec<String>,
    /// One mail that names all of `to`, instead of one for each.
    pub together: bool,
    /// Which slots it goes out for.
    pub send_when: SendWhen,
    /// One mail a part instead, to the part's own readers. `to`, `cc` and `bcc` are then empty.
    pub split: Option<Split>,
    /// Columns that readers elsewhere get shortened.
    pub mask_outside: Option<MaskOutside>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// What is attached.
    pub attach: Vec<Attach>,
    /// Locale of numbers and dates, where it is not that of the whole config.
    pub locale: Option<String>,
    /// The user's own template of the HTML.
    pub template: Option<Arc<String>>,
    /// Largest mail, in bytes as it is sent.
    pub bytes_max: usize,
    /// Names of webhook receivers (and the addresses of mail receivers are in `to`).
    pub webhooks: Vec<String>,
    /// Fingerprint of the definition's text.
    pub hash: String,
}

impl Digest {
    /// How long a slot waits where the config says nothing.
    pub const WAIT_UP_TO: TimeDelta = TimeDelta::minutes(10);
    /// Largest mail where the config says nothing, in bytes as it is sent: most servers take 20 MB.
    pub const BYTES_MAX: usize = 10_000_000;

    /// A digest of one report alone, to look at it: it has no recipients and no slots.
    pub fn of_report(report: &Arc<Report>) -> Digest {
        let schedule = Schedule::parse("0 0 * * *", report.zone.clone());
        Digest {
            name: report.name.clone(),
            subject: "{{ digest }}: {{ period }}".to_owned(),
            preheader: None,
            headline: None,
            intro: None,
            reports: vec![Arc::clone(report)],
            required: BTreeSet::new(),
            schedule: schedule.expect("midnight is a pattern"),
            wait_up_to: TimeDelta::zero(),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            together: false,
            send_when: SendWhen::Always,
            split: None,
            mask_outside: None,
            reply_to: None,
            attach: Vec::new(),
            locale: None,
            template: None,
            bytes_max: Digest::BYTES_MAX,
            webhooks: Vec::new(),
            hash: report.hash.clone(),
        }
    }
}

impl Digest {
    /// Everybody its mails go to, each once: readers, those named in all mails, those nobody sees.
    /// Of a digest that is split its parts' readers are not known before it is made.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.to.iter().chain(&self.cc).chain(&self.bcc).map(String::as_str)
    }

    /// Whom it goes to and when it stays away, for people: `a@x.com, cc b@x.com, if any rows`.
    pub fn readers_words(&self) -> String {
        let to = self.to.iter().cloned();
        let cc = self.cc.iter().map(|address| format!("cc {address}"));
        let bcc = self.bcc.iter().map(|address| format!("bcc {address}"));
        let split = self.split.iter().map(|split| match &split.readers {
            Readers::Expression(text) => format!("one mail a {} to `{text}`", split.heading),
            Readers::Named(_) => {
                format!("one mail a {} to {} readers", split.heading, split.readers.named())
            }
        });
        let when = match &self.send_when {
            SendWhen::Always => None,
            when => Some(format!("if {when}")),
        };
        let all = to.chain(cc).chain(bcc).chain(split).chain(self.webhooks.iter().cloned());
        all.chain(when).collect::<Vec<_>>().join(", ")
    }
}

/// A total of one of the digest's reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headline {
    /// Index into [`Digest::reports`].
    pub report: usize,
    /// Index into the table's columns (grouping columns first).
    pub column: usize,
}

/// A file that goes with a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attach {
    /// One CSV file a report.
    Csv {
        /// Whether it begins with a byte order mark, which old spreadsheets need.
        bom: bool,
    },
    /// One workbook, a sheet a report.
    Xlsx,
    /// The tables as JSON, as a webhook gets them.
    Json,
}
