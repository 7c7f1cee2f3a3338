//! Proofs that messages reach a receiver: scheduled ones through the outbox, and a trial by hand.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Destination, Engine, EngineError, Plant, blocking, compose, notice, notify};
use crate::domain::delivery::{Message, Outcome};
use crate::receiver::{Handover, Receiver};
use crate::render::{self, Envelope, NoticeMail, Trouble, sample_notice};
use crate::store::state::ledger;
use crate::store::state::outbox::{self, Kind, Owed, SMTP};

/// A slot that passed so long ago is not made up for: the next one proves as much.
const LATE_MAX: TimeDelta = TimeDelta::minutes(15);
/// Slots looked at: a pattern cannot have more in that time.
const SLOTS_MAX: usize = 20;

/// One message of a trial and what it came to.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it says.
    pub what: &'static str,
    /// The address, or the receiver's name.
    pub recipient: String,
    /// What the attempt came to.
    pub outcome: Outcome,
}

impl Engine {
    /// Owes the proofs whose slot has come. Returns how many messages.
    pub(super) async fn prove(&self, plant: &Arc<Plant>) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let mut count = 0;
        for (name, line) in &plant.receivers {
            let Some(schedule) = &line.canary else { continue };
            let slots = schedule.slots(now - LATE_MAX, now, SLOTS_MAX);
            let Some(slot) = slots.last().map(|slot| slot.planned_at) else { continue };
            let letters = proofs(plant, name, slot);
            let known: Vec<String> = letters.iter().map(|owed| owed.message.id.clone()).collect();
            let owed = self
                .state(move |tx| {
                    let mut all = true;
                    for id in &known {
                        all &= outbox::is_owed(tx, id)?;
                    }
                    Ok(all)
                })
                .await?;
            if owed {
                continue;
            }
            let receiver = name.clone();
            count += self
                .write(move |tx| {
                    let mut new = 0;
                    for letter in &letters {
                        new += usize::from(outbox::owe(tx, letter, now)?);
                    }
                    ledger::note(tx, now, "proof", &receiver, "a proof of delivery is sent")?;
                    Ok(new)
                })
                .await?;
        }
        Ok(count)
    }

    /// Tries a receiver now: an incident that fires and its end, each by a real attempt and none
    /// through the outbox. `None`: there is no such receiver, or no mail server for it.
    pub async fn try_receiver(&self, name: &str) -> Result<Option<Vec<Trial>>, EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        let Some(line) = plant.receivers.get(name) else { return Ok(None) };
        let receiver: Arc<dyn Receiver> = match (&line.destination, &plant.mail) {
            (Destination::Post(_, receiver), _) => Arc::clone(receiver),
            (Destination::Mail(_), Some(mail)) => Arc::clone(&mail.receiver),
            (Destination::Mail(_), None) => return Ok(None),
        };
        let mut trials = Vec::new();
        for (what, over) in [("an incident that fires", false), ("its end", true)] {
            let sample = sample_notice(name, now, over);
            let (store, of) = (Arc::clone(&self.store), Arc::clone(&plant));
            let letters = blocking(move || {
                let mail = compose::compose(&store, &of, &sample);
                Ok(notify::messages(&of, &sample, &mail))
            })
            .await?;
            let messages: Vec<Message> = letters.into_iter().map(|owed| owed.message).collect();
            // What has one id is one mail to several recipients.
            for of_one_mail in messages.chunk_by(|one, next| one.id == next.id) {
                let outcomes = receiver.attempt(of_one_mail, &Handover::default()).await;
                for (message, outcome) in of_one_mail.iter().zip(outcomes) {
                    trials.push(Trial { what, recipient: message.recipient.clone(), outcome });
                }
            }
        }
        Ok(Some(trials))
    }
}

/// The proofs of one slot: one for each way to the receiver.
fn proofs(plant: &Plant, name: &str, slot: DateTime<Utc>) -> Vec<Owed> {
    let Some(line) = plant.receivers.get(name) else { return Vec::new() };
    let mail = NoticeMail {
        title: format!("messages reach {name}"),
        paragraphs: vec![
            "This proves that what postrider has to tell can be delivered here. There is nothing \
             to do."
                .to_owned(),
        ],
        facts: vec![(
            "Planned".to_owned(),
            format!("{} ({})", plant.zone.civil(slot).format("%Y-%m-%d %H:%M"), plant.zone.name()),
        )],
        why: Some(format!("You get this mail because `{name}` has a `canary`.")),
        instance: None,
        locale: plant.locale.clone(),
        look: plant.look.clone(),
    };
    let stamp = slot.to_rfc3339();
    let subject = render::render_notice(&mail).subject;
    let owe = |receiver: &str, message: Message| Owed {
        kind: Kind::Proof,
        origin: name.to_owned(),
        receiver: receiver.to_owned(),
        subject: subject.clone(),
        message,
        made_of: None,
    };
    match (&line.destination, &plant.mail) {
        (Destination::Post(shape, _), _) => {
            let trouble = Trouble { mail: &mail, about: name, at: slot, over: true };
            let bytes = render::proof_body(shape, &trouble);
            let id = render::mail::webhook_id(&["proof", name, &stamp]);
            vec![owe(name, Message { id, recipient: name.to_owned(), bytes })]
        }
        (Destination::Mail(addresses), Some(server)) => {
            let rendered = render::render_notice(&mail);
            let domain = render::mail::domain_of(&server.from);
            let letter = |to: &[String]| {
                let (first, others) = to.split_first()?;
                let identity = notify::identity(&["proof", name, &stamp], to);
                let id = render::mail::message_id(&identity, domain);
                let envelope = Envelope {
                    from: server.from.clone(),
                    to: first.clone(),
                    together: others.to_vec(),
                    message_id: id.clone(),
                    date: slot,
                    ..Envelope::default()
                };
                let bytes = notice::bytes_or_told(&server.dkim, &envelope, &rendered)?;
                let message = |to: &String| {
                    let (id, recipient, bytes) = (id.clone(), to.clone(), bytes.clone());
                    owe(SMTP, Message { id, recipient, bytes })
                };
                Some(to.iter().map(message).collect::<Vec<_>>())
            };
            notify::letters_to(line.together, addresses).filter_map(letter).flatten().collect()
        }
        (Destination::Mail(_), None) => Vec::new(),
    }
}
