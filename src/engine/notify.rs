//! Notifying: notices become messages, in the transaction that stores what they are about.

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::evaluate::Outcome;
use super::{Destination, Plant};
use crate::domain::delivery::Message;
use crate::domain::incident::Incident;
use crate::domain::notification::{self, Notice};
use crate::render::{self, Envelope, IncidentMail};
use crate::store::state::outbox::{Kind, Owed, SMTP};
use crate::store::state::{StateError, incidents, ledger, outbox};

/// Decides who is owed what about some incidents and owes it.
pub(super) fn owe(
    tx: &Transaction<'_>,
    plant: &Plant,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    let about: Vec<Incident> =
        outcome.ended.iter().chain(outcome.open.values()).cloned().collect();
    let mut told = Vec::new();
    for incident in &about {
        told.extend(incidents::told(tx, &incident.id)?);
    }
    let decision = notification::decide(&about, &told, &plant.routes, now);
    for notice in &decision.notices {
        for message in messages(plant, notice, now) {
            outbox::owe(tx, &message, now)?;
        }
        let text = format!("{} to `{}`: {}", notice.kind.word(), notice.receiver, notice.reason);
        ledger::note(tx, now, "notification", &notice.incident.rule, &text)?;
    }
    for told in &decision.told {
        incidents::put_told(tx, told)?;
    }
    Ok(())
}

/// One message a recipient of the notice's receiver, each with an id and bytes that never change.
fn messages(plant: &Plant, notice: &Notice, now: DateTime<Utc>) -> Vec<Owed> {
    let mail = incident_mail(plant, notice);
    let rendered = render::render_incident(&mail);
    let owe = |receiver: &str, message: Message| Owed {
        kind: Kind::Notification,
        origin: notice.incident.id.clone(),
        receiver: receiver.to_owned(),
        subject: rendered.subject.clone(),
        message,
    };
    match (plant.receivers.get(&notice.receiver), &plant.mail) {
        (Some(Destination::Webhook(_)), _) => {
            let id = render::webhook_id(&[&notice.key]);
            let bytes = render::incident_payload(&mail, &rendered);
            vec![owe(&notice.receiver, Message { id, recipient: notice.receiver.clone(), bytes })]
        }
        (Some(Destination::Mail(addresses)), Some(line)) => addresses
            .iter()
            .filter_map(|to| {
                let domain = render::domain_of(&line.from);
                let id = render::message_id(&[&notice.key, to], domain);
                let thread = render::message_id(&[&notice.incident.id, to], domain);
                let envelope = Envelope {
                    from: line.from.clone(),
                    to: to.clone(),
                    message_id: id.clone(),
                    date: now,
                    thread: Some(thread),
                    list: Some(notice.incident.rule.clone()),
                    owner: plant.owner.clone(),
                    run: None,
                    rule: Some(notice.incident.rule.clone()),
                };
                let bytes = super::notice::bytes_or_told(&envelope, &rendered)?;
                Some(owe(SMTP, Message { id, recipient: to.clone(), bytes }))
            })
            .collect(),
        // A receiver that a reload took away: nobody is there to be told.
        _ => Vec::new(),
    }
}

fn incident_mail(plant: &Plant, notice: &Notice) -> IncidentMail {
    todo!()
}
