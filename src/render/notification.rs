//! Notifications: one incident by itself, a group of them, or records of an event rule.
//!
//! A subject never changes within a thread: the state is in the first line. Whatever goes wrong in
//! writing one, something is always sent: see [`fallback`].

use chrono::{DateTime, TimeDelta, Utc};

use super::digest::HTML_BYTES_MAX;
use super::format::{Locale, clipped};
use super::incident::evidence::{self, Files};
use super::incident::view::{self, Space};
use super::incident::{IncidentMail, IncidentView, group_words, incident_subject};
use super::mail::encoded_len;
use super::subject::line;
use super::{Look, Rendered, html, text};
use crate::domain::notification::{Kind, Occurrence};
use crate::domain::route::Labels;
use crate::domain::zone::Zone;

mod around;
mod fallback;
mod group;
mod occurrences;

/// What a notification says.
#[derive(Clone, Debug)]
pub struct NotificationMail {
    /// What it is about.
    pub kind: Kind,
    /// The notice's key: never given twice.
    pub key: String,
    /// What the notifications of one thread have in common: of one incident its id.
    pub thread: String,
    /// Which notification of this thread to this receiver it is, from 1.
    pub sequence: u32,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Why it is sent now.
    pub reason: String,
    /// The labels its route groups by, with their values; empty: one incident by itself.
    pub grouped_by: Labels,
    /// Its incidents: those that fire, the worst first, then those that ended.
    pub items: Vec<IncidentMail>,
    /// How many more incidents of the group fire.
    pub more_firing: u64,
    /// How many more have just ended.
    pub more_ended: u64,
    /// New records of an event rule.
    pub records: Vec<Occurrence>,
    /// How many more there were.
    pub records_more: u64,
    /// The receiver it was for, and why it is told to another one.
    pub instead_of: Option<(String, String)>,
    /// How late this is told, where it is late.
    pub late: Option<TimeDelta>,
    /// Up to when the data of its rules is known, by source.
    pub data: Vec<SourceState>,
    /// The zone instants are told in.
    pub zone: Zone,
    /// Locale of numbers and dates.
    pub locale: String,
    /// Address of the person who looks after postrider.
    pub owner: Option<String>,
    /// Where the console is.
    pub public_url: Option<String>,
    /// The company's look.
    pub look: Look,
}

/// Up to when the data of a source is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// The source's name.
    pub source: String,
    /// Its data is complete up to here; `None`: it was never read to its end.
    pub complete_to: Option<DateTime<Utc>>,
    /// What the data of the window does not cover, each a sentence.
    pub covers: Vec<String>,
}

/// Writes a notification as a mail. What cannot be written is replaced by a plain text that says
/// so; [`Rendered::problem`] then has the reason.
pub fn render_notification(mail: &NotificationMail) -> Rendered {
    fallback::guarded(mail, drawn)
}

/// How small a mail is made, step by step, until it fits.
const STEPS: [Space; 8] = [
    Space { items: 50, evidence: 5, rows: 10, labels: true },
    Space { items: 50, evidence: 5, rows: 5, labels: true },
    Space { items: 50, evidence: 1, rows: 10, labels: false },
    Space { items: 25, evidence: 1, rows: 5, labels: false },
    Space { items: 25, evidence: 0, rows: 0, labels: false },
    Space { items: 10, evidence: 0, rows: 0, labels: false },
    Space { items: 3, evidence: 0, rows: 0, labels: false },
    Space { items: 0, evidence: 0, rows: 0, labels: false },
];

fn drawn(mail: &NotificationMail) -> Rendered {
    let locale = Locale::named(&mail.locale);
    let subject = subject(mail);
    let (files, attachments) = evidence::files(&mail.items);
    let course = mail.items.first().map(|first| picture(first, locale));
    let (course, problem) = course.unwrap_or((None, None));
    let draw = |space: Space| {
        let mut view = content(mail, &subject, &files, space, locale);
        let picture = course.as_ref().map(|(_, picture)| picture.clone());
        // Among several incidents it stands with the records of the one it is about.
        let with_records = match mail.items.first() {
            Some(first) if view.chart_of.is_some() && first.context.evidence.is_some() => {
                view.sections.iter_mut().find(|section| evidence::is_evidence(section))
            }
            _ => None,
        };
        match with_records {
            Some(section) => section.chart = picture,
            None => view.chart = picture,
        }
        view.lines.extend(problem.clone());
        around::put(mail, &mut view, locale);
        let html = html::incident(&view);
        (view, html)
    };
    let mut steps = STEPS.iter();
    let (view, html) = loop {
        let (Some(space), last) = (steps.next(), steps.len() == 0) else {
            unreachable!("the last step is taken whatever its size")
        };
        let (view, html) = draw(*space);
        if last || fits(&html) {
            break (view, html);
        }
    };
    Rendered {
        subject,
        text: text::incident(&view),
        html,
        language: locale.language(),
        images: course.into_iter().map(|(image, _)| image).collect(),
        attachments,
        problem,
    }
}

type Drawn = Option<(super::Image, super::view::Picture)>;

/// The picture of the first incident's value; one that cannot be drawn costs itself alone.
fn picture(first: &IncidentMail, locale: Locale) -> (Drawn, Option<String>) {
    match fallback::caught(|| view::course(first, locale)) {
        Ok(drawn) => (drawn, None),
        Err(_) => (None, Some("The chart of its value could not be drawn.".to_owned())),
    }
}

fn content(
    mail: &NotificationMail,
    subject: &str,
    files: &Files,
    space: Space,
    locale: Locale,
) -> IncidentView {
    let title = subject.trim_start_matches("[postrider] ");
    match mail.items.as_slice() {
        [] => occurrences::view(mail, title, space, locale),
        [one] if mail.more_firing == 0 && mail.more_ended == 0 && mail.records.is_empty() => {
            let mut view = view::of_one(one, files, space, locale);
            if !mail.grouped_by.is_empty() {
                // The thread is the group's.
                view.group = incident_name(one);
                view.frame.title = clipped(title, 150);
            }
            view.lines.extend(evidence::unshown(&mail.items, space, locale));
            view
        }
        _ => group::view(mail, title, files, space, locale),
    }
}

/// `Customers wait too long: WhatsApp EMEA`.
fn incident_name(mail: &IncidentMail) -> String {
    let title = clipped(&mail.title, 100);
    match group_words(mail) {
        group if group.is_empty() => title,
        group => format!("{title}: {group}"),
    }
}

/// The same for all notifications of a thread: mail clients keep together what is called the same.
fn subject(mail: &NotificationMail) -> String {
    let first = mail.items.first();
    let title = match first {
        Some(first) => clipped(&first.title, 100),
        None => mail.records.first().map_or_else(String::new, |r| clipped(&r.title, 100)),
    };
    if mail.grouped_by.is_empty() {
        return match (mail.kind, first) {
            (Kind::Summary, _) => {
                line("[postrider] In short: more incidents than are told one by one")
            }
            (_, Some(first)) => incident_subject(first),
            (_, None) => line(&format!("[postrider] {title}")),
        };
    }
    let by_rule = mail.grouped_by.contains_key("rule");
    let labels = mail.grouped_by.iter().filter(|(name, _)| *name != "rule");
    let labels: Vec<String> = labels
        .map(|(name, value)| match (by_rule, value.is_empty()) {
            (_, true) => format!("no {}", clipped(name, 40)),
            (true, false) => clipped(value, 60),
            (false, false) => format!("{} {}", clipped(name, 40), clipped(value, 60)),
        })
        .collect();
    line(&match (by_rule, labels.is_empty()) {
        (true, true) => format!("[postrider] {title}"),
        (true, false) => format!("[postrider] {title}: {}", labels.join(", ")),
        (false, _) => format!("[postrider] {}", labels.join(", ")),
    })
}

/// Whether HTML is small enough, for clients as it is and for servers as it is sent.
fn fits(html: &str) -> bool {
    html.len() + html.lines().count() <= HTML_BYTES_MAX && encoded_len(html) <= 2 * HTML_BYTES_MAX
}
