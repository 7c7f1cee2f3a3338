//! What the owner is told of the outbox itself.

use chrono::{DateTime, Utc};

use crate::domain::delivery::Balance;
use crate::engine::Plant;
use crate::engine::notice::{OwnerNotice, Trouble};
use crate::store::state::outbox::Delivery;
use crate::store::state::suppression;

fn civil(plant: &Plant, at: DateTime<Utc>) -> String {
    format!("{} ({})", plant.zone.civil(at).format("%Y-%m-%d %H:%M"), plant.zone.name())
}

impl OwnerNotice {
    /// Messages that may have arrived are held: told when it is the first of a receiver.
    pub(super) fn of_held(
        plant: &Plant,
        receiver: &str,
        count: usize,
        reason: &str,
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let title = match count {
            1 => format!("a message to {receiver} is held: it may have arrived"),
            count => format!("{count} messages to {receiver} are held: they may have arrived"),
        };
        let trouble = Trouble {
            identity: vec!["held".into(), receiver.into(), now.to_rfc3339()],
            subject: receiver.to_owned(),
            title,
            paragraphs: vec![
                "It was handed over and nobody knows whether it was taken. With `ambiguous = \
                 \"hold\"` such a message is not sent again by itself. It is told once: others may \
                 be held after it."
                    .into(),
                format!(
                    "`postrider outbox list --state held --receiver {receiver}` shows them. \
                     `postrider outbox release NUMBER` sends one again, `postrider outbox cancel \
                     NUMBER` ends it."
                ),
            ],
            facts: vec![
                ("Receiver".into(), receiver.into()),
                ("Why".into(), reason.into()),
                ("Since".into(), civil(plant, now)),
            ],
        };
        OwnerNotice::new(plant, trouble, now)
    }

    /// A message breaks postrider down whenever it is tried.
    pub(super) fn of_poison(
        plant: &Plant,
        row: &Delivery,
        reason: &str,
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let trouble = Trouble {
            identity: vec!["poison".into(), row.message_id.clone(), row.recipient.clone()],
            subject: row.receiver.clone(),
            title: format!("a {} to {} is held", row.kind.word(), row.recipient),
            paragraphs: vec![
                "postrider itself broke down each time it was tried, which is a mistake in \
                 postrider: please report it. Other messages are not affected."
                    .into(),
                format!(
                    "`postrider outbox show {0}` shows it, `postrider outbox release {0}` tries it \
                     again, `postrider outbox cancel {0}` ends it.",
                    row.id
                ),
            ],
            facts: vec![
                ("Subject".into(), row.subject.clone()),
                ("Recipient".into(), row.recipient.clone()),
                ("Why".into(), reason.into()),
            ],
        };
        OwnerNotice::new(plant, trouble, now)
    }

    /// A receiver gets nothing any more.
    pub(super) fn of_disabled(
        plant: &Plant,
        receiver: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let trouble = Trouble {
            identity: vec!["disabled".into(), receiver.into(), now.to_rfc3339()],
            subject: receiver.to_owned(),
            title: format!("receiver {receiver} is disabled"),
            paragraphs: vec![
                "Nothing is sent to it any more. Its notifications are told by its fallback, where \
                 it has one; what is owed to it waits, and expires by its age."
                    .into(),
                format!("After mending it, `postrider receiver enable {receiver}`."),
            ],
            facts: vec![
                ("Receiver".into(), receiver.into()),
                ("Why".into(), why.into()),
                ("Since".into(), civil(plant, now)),
            ],
        };
        OwnerNotice::new(plant, trouble, now)
    }

    /// An address gets no digest any more.
    pub(super) fn of_suppressed(
        plant: &Plant,
        address: &str,
        said: &str,
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let runs = suppression::UNKNOWN_MAX;
        let trouble = Trouble {
            identity: vec!["suppressed".into(), address.into(), now.to_rfc3339()],
            subject: "digests".to_owned(),
            title: format!("{address} gets no digest any more"),
            paragraphs: vec![
                format!(
                    "Its server called it unknown in {runs} runs in a row. Writing to unknown \
                     addresses costs the good name of the sender. Alerts are not concerned."
                ),
                format!(
                    "Take it out of the config, or, if it is right, `postrider suppress remove \
                     {address}`: then it is tried again."
                ),
            ],
            facts: vec![
                ("Address".into(), address.into()),
                ("The far side said".into(), said.into()),
            ],
        };
        OwnerNotice::new(plant, trouble, now)
    }

    /// The outbox does not add up: told once for each difference.
    pub(super) fn of_balance(plant: &Plant, balance: &Balance, now: DateTime<Utc>) -> OwnerNotice {
        let missing = balance.missing();
        let trouble = Trouble {
            identity: vec!["balance".into(), missing.to_string()],
            subject: "outbox".to_owned(),
            title: "the outbox does not add up".to_owned(),
            paragraphs: vec![
                "Every message that was ever owed should be there, with what became of it, or have \
                 been forgotten after its time. The state file was changed by something else, or \
                 postrider has a mistake: please report it."
                    .into(),
            ],
            facts: vec![("Counted".into(), balance.equation())],
        };
        OwnerNotice::new(plant, trouble, now)
    }
}
