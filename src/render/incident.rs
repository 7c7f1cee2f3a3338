//! The mails of an incident: one thread, one subject, the state in the first line.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::period::Window;
use crate::domain::report::Format;
use crate::domain::rule::Comparison;
use crate::domain::zone::Zone;

use super::format::{Locale, clipped, isolated};
use super::subject::line;
use super::view::{Frame, Picture, SectionView};
use super::{Look, Rendered, html, text};

mod commands;
mod context;
pub(super) mod evidence;
pub(super) mod told;
pub(super) mod view;

pub(super) use commands::{Command, of_group};
pub use context::{Context, Evidence};

/// What is told about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentKind {
    /// It began.
    Fired,
    /// Its level rose.
    LevelUp,
    /// It is over.
    Resolved,
    /// It goes on.
    Reminder,
    /// What was told of it turned out wrong.
    Corrected,
}

impl IncidentKind {
    /// The word for payloads and headers.
    pub fn word(self) -> &'static str {
        match self {
            IncidentKind::Fired => "fired",
            IncidentKind::LevelUp => "level_up",
            IncidentKind::Resolved => "resolved",
            IncidentKind::Reminder => "reminder",
            IncidentKind::Corrected => "correction",
        }
    }
}

/// One notification about one incident.
#[derive(Clone, Debug)]
pub struct IncidentMail {
    /// What is told.
    pub kind: IncidentKind,
    /// Id of the incident.
    pub incident: String,
    /// The rule's name.
    pub rule: String,
    /// The rule's title: what is wrong.
    pub title: String,
    /// Which group: headings with labels; empty for an ungrouped rule.
    pub group: Vec<(String, String)>,
    /// Its level now; of a resolved one the last level.
    pub level: String,
    /// Whether that is the highest level of a rule that has several.
    pub severe: bool,
    /// The level before, where it rose.
    pub previous_level: Option<String>,
    /// The value last read.
    pub value: Option<f64>,
    /// How values are written.
    pub format: Format,
    /// The level's threshold.
    pub threshold: Option<Comparison>,
    /// Left when the value compares so; `None`: as soon as the threshold no longer holds.
    pub recover: Option<Comparison>,
    /// How long a clear must last before it resolves.
    pub keep_firing_for: TimeDelta,
    /// How many records the value was computed from.
    pub records: Option<u64>,
    /// The stretch of data the value is about; `None`: the state at `at`.
    pub window: Option<Window>,
    /// The slot that was evaluated.
    pub at: DateTime<Utc>,
    /// The first breach.
    pub began: DateTime<Utc>,
    /// When it fired.
    pub fired: DateTime<Utc>,
    /// When it resolved.
    pub resolved: Option<DateTime<Utc>>,
    /// Why it was closed without a recovery having been seen, e.g. `no more data`; `None`: the
    /// value came back.
    pub closed: Option<String>,
    /// The worst value so far.
    pub worst: Option<f64>,
    /// The value when it fired.
    pub value_at_fire: Option<f64>,
    /// Why this is told now.
    pub reason: String,
    /// How many notifications this receiver got about this incident, this one included.
    pub sequence: u32,
    /// Earlier incidents of the same rule and group that came and went before anybody could be
    /// told, oldest first.
    pub passed: Vec<PassedIncident>,
    /// How many more of those there were.
    pub passed_more: usize,
    /// The rule's labels.
    pub labels: BTreeMap<String, String>,
    /// What to do: a line or an address.
    pub runbook: Option<String>,
    /// The zone instants are told in.
    pub zone: Zone,
    /// Locale of numbers and dates.
    pub locale: String,
    /// Which postrider sent it.
    pub instance: Option<String>,
    /// Address of the person who looks after it.
    pub owner: Option<String>,
    /// The company's look; alarms leave its logo out.
    pub look: Look,
    /// What stands beside the reading.
    pub context: Context,
}

impl IncidentMail {
    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.kind == IncidentKind::Resolved || self.resolved.is_some()
    }
}

/// An incident that fired and ended before anybody could be told.
#[derive(Clone, Debug, PartialEq)]
pub struct PassedIncident {
    /// Its beginning.
    pub began: DateTime<Utc>,
    /// Its end.
    pub ended: Option<DateTime<Utc>>,
    /// The highest level it was at.
    pub level: String,
    /// Its worst value.
    pub worst: Option<f64>,
}

/// A notification as its templates see it.
#[derive(Debug)]
pub(super) struct IncidentView {
    pub(super) frame: Frame,
    /// The state as shape and word.
    pub(super) mark: &'static str,
    pub(super) state: String,
    /// Class of the state's colours, and those for light.
    pub(super) tone: &'static str,
    pub(super) colours: (&'static str, &'static str),
    /// What to know before all else: that it is late, or was meant for somebody else.
    pub(super) banners: Vec<String>,
    pub(super) group: String,
    /// The news in a sentence.
    pub(super) news: String,
    /// The value, large; none once it is over.
    pub(super) value: Option<String>,
    /// What the value is compared with, and since when.
    pub(super) since: String,
    /// What the value alone does not tell.
    pub(super) detail: Option<String>,
    /// What else there is to know, a paragraph each.
    pub(super) lines: Vec<String>,
    pub(super) runbook: Option<Runbook>,
    /// The course of the value.
    pub(super) chart: Option<Picture>,
    /// Among several incidents, whose value that is.
    pub(super) chart_of: Option<String>,
    /// Tables: the incidents of a group, the records behind a value.
    pub(super) sections: Vec<SectionView>,
    pub(super) facts: Vec<Fact>,
    pub(super) commands: Vec<Command>,
    pub(super) reason: String,
    /// Up to when the data is known, a sentence each.
    pub(super) data: Vec<String>,
}

/// A name and a value.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
}

/// What to do.
#[derive(Debug)]
pub(super) struct Runbook {
    pub(super) text: String,
    pub(super) link: bool,
}

/// Writes one incident by itself. Subject and title are the same for all of one incident.
pub fn render_incident(mail: &IncidentMail) -> Rendered {
    let locale = Locale::named(&mail.locale);
    let view = view::of_one(mail, &evidence::Files::default(), view::Space::ALL, locale);
    Rendered {
        subject: incident_subject(mail),
        html: html::incident(&view),
        text: text::incident(&view),
        language: locale.language(),
        images: Vec::new(),
        attachments: Vec::new(),
        problem: None,
    }
}

/// The labels of the group in one line.
pub(super) fn group_words(mail: &IncidentMail) -> String {
    let labels: Vec<String> =
        mail.group.iter().map(|(_, label)| isolated(clipped(label, 60))).collect();
    labels.join(", ")
}

/// `[postrider] Customers wait too long: WhatsApp EMEA`: constant, so that mail clients keep the
/// incident in one thread.
pub(super) fn incident_subject(mail: &IncidentMail) -> String {
    let group = group_words(mail);
    let title = clipped(&mail.title, 100);
    match group.is_empty() {
        true => line(&format!("[postrider] {title}")),
        false => line(&format!("[postrider] {title}: {group}")),
    }
}
