//! What goes to a receiver that is reached by a POST: the same news in the shape that its other end
//! understands.
//!
//! No body holds a secret: those are the receiver's, put in at each attempt. Each shape keeps its
//! vendor's limits by leaving out what weighs least, saying how much that is; what comes from records
//! is escaped, so that no name can become a link, a mention or a tag.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::digest::DigestMail;
use super::notice::NoticeMail;
use super::notification::NotificationMail;
use super::{Rendered, payload};
use crate::domain::notification::Notice;

mod alertmanager;
mod brief;
mod discord;
mod events;
mod own;
mod pagerduty;
mod sample;
mod slack;
mod teams;
mod telegram;
#[cfg(test)]
mod tests;

pub use own::OwnBody;
pub use sample::sample_notice;

use brief::Brief;

/// The shape a receiver's other end understands.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Standard Webhooks: postrider's own payload.
    Standard,
    /// The payload of Alertmanager's webhooks, version 4.
    Alertmanager4 {
        /// The receiver's name, which the payload carries.
        receiver: String,
    },
    /// A body of the user's own.
    Own(Arc<OwnBody>),
    /// Blocks of Slack.
    Slack,
    /// An Adaptive Card of Microsoft Teams.
    Teams,
    /// An embed of Discord.
    Discord,
    /// HTML of Telegram.
    Telegram,
    /// Events of PagerDuty, one an incident.
    PagerDuty,
    /// Alerts for Alertmanager.
    Alertmanager,
}

/// Something of postrider's own to say: no incident and no report.
#[derive(Clone, Copy, Debug)]
pub struct Trouble<'a> {
    /// The words.
    pub mail: &'a NoticeMail,
    /// The receiver, source or digest it happened to.
    pub about: &'a str,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it tells that a trouble is over.
    pub over: bool,
}

impl Shape {
    /// Whether a digest can be told in it.
    pub fn takes_digests(&self) -> bool {
        match self {
            Shape::Alertmanager4 { .. } | Shape::PagerDuty | Shape::Alertmanager => false,
            Shape::Standard
            | Shape::Own(_)
            | Shape::Slack
            | Shape::Teams
            | Shape::Discord
            | Shape::Telegram => true,
        }
    }

    /// Whether its other end keeps each incident by itself, and must be told of every one.
    pub fn keeps_incidents(&self) -> bool {
        matches!(self, Shape::PagerDuty | Shape::Alertmanager)
    }

    /// A message for people, in the vendor's markup; `None`: the shape is for machines.
    fn chat(&self, brief: &Brief) -> Option<Vec<u8>> {
        Some(match self {
            Shape::Slack => slack::body(brief),
            Shape::Teams => teams::body(brief),
            Shape::Discord => discord::body(brief),
            Shape::Telegram => telegram::body(brief),
            Shape::Standard
            | Shape::Alertmanager4 { .. }
            | Shape::Own(_)
            | Shape::PagerDuty
            | Shape::Alertmanager => return None,
        })
    }
}

/// The messages a notice makes: each with what tells its id from the others' (nothing where there is
/// one) and its body.
pub fn bodies(
    shape: &Shape,
    notice: &Notice,
    mail: &NotificationMail,
    rendered: &Rendered,
) -> Vec<(String, Vec<u8>)> {
    let one = |body: Vec<u8>| vec![(String::new(), body)];
    match shape {
        Shape::Standard => one(payload::notification_payload(notice, mail, rendered)),
        Shape::Own(own) => {
            one(own.body(&payload::notification_payload(notice, mail, rendered), rendered))
        }
        Shape::Alertmanager4 { receiver } => {
            one(alertmanager::webhook(receiver, notice, mail, rendered))
        }
        Shape::Alertmanager => one(alertmanager::alerts(notice, mail)),
        Shape::PagerDuty => pagerduty::events(notice, mail),
        chat => {
            let brief = brief::of_notice(notice, mail, rendered);
            one(chat.chat(&brief).expect("what is not for machines is for people"))
        }
    }
}

/// A trouble of postrider's own.
pub fn trouble_body(shape: &Shape, trouble: &Trouble<'_>) -> Vec<u8> {
    let Trouble { mail, about, at, .. } = *trouble;
    match shape {
        Shape::Standard => payload::notice_payload(mail, about, at),
        Shape::Own(own) => {
            let rendered = super::render_notice(mail);
            own.body(&payload::notice_payload(mail, about, at), &rendered)
        }
        Shape::Alertmanager4 { receiver } => alertmanager::trouble_webhook(receiver, trouble),
        Shape::Alertmanager => alertmanager::trouble(trouble),
        Shape::PagerDuty => pagerduty::trouble(trouble),
        chat => {
            chat.chat(&brief::of_trouble(trouble)).expect("what is not for machines is for people")
        }
    }
}

/// A digest; `None` where the shape has no way to tell it.
pub fn digest_body(shape: &Shape, mail: &DigestMail, rendered: &Rendered) -> Option<Vec<u8>> {
    match shape {
        Shape::Standard => Some(payload::digest_payload(mail, rendered)),
        Shape::Own(own) => Some(own.body(&payload::digest_payload(mail, rendered), rendered)),
        chat => chat.chat(&brief::of_digest(mail, rendered)),
    }
}

/// A proof that messages arrive, which wakes nobody: the events for machines end what never began.
pub fn proof_body(shape: &Shape, trouble: &Trouble<'_>) -> Vec<u8> {
    trouble_body(shape, &Trouble { over: true, ..*trouble })
}
