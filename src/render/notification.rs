//! Notifications: one incident by itself, or a group of them.

use chrono::{DateTime, Utc};

use super::incident::{IncidentMail, render_incident};
use super::{Look, Rendered};
use crate::domain::notification::{Kind, Occurrence};
use crate::domain::route::Labels;
use crate::domain::zone::Zone;

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

/// Writes a notification as a mail.
pub fn render_notification(mail: &NotificationMail) -> Rendered {
    render_incident(&mail.items[0])
}
