//! Making digests: a slot that is due becomes a run and the messages it owes, in one commit.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Destination, Engine, EngineError, Plant};
use crate::domain::delivery::Message;
use crate::domain::digest::Digest;
use crate::domain::schedule::Slot;
use crate::domain::table::Section;
use crate::render::{self, DigestMail, Envelope};
use crate::store::state::outbox::{Kind, Owed, SMTP};
use crate::store::state::slots::Run;
use crate::store::state::{ledger, outbox, slots};

/// A digest waits this long past its slot for its data to be complete, then goes out marked
/// provisional.
const WAIT_UP_TO: TimeDelta = TimeDelta::minutes(10);

/// A digest made for a slot: what is stored and what is owed.
#[derive(Debug)]
pub struct Made {
    /// The run.
    pub run: Run,
    /// The messages, one a recipient.
    pub owed: Vec<Owed>,
    /// The mail as everybody gets it.
    pub mail: render::Rendered,
    /// The sections behind it.
    pub sections: Vec<Section>,
}

/// What a digest is made for.
#[derive(Clone, Debug)]
pub struct Making {
    /// The slot.
    pub planned_at: DateTime<Utc>,
    /// Slots before it that were missed while postrider was down.
    pub missed: usize,
    /// `None`: by schedule. Otherwise sent by hand, with what makes this sending its own.
    pub by_hand: Option<String>,
    /// Only this address, instead of the digest's recipients.
    pub only: Option<String>,
}

impl Engine {
    /// Makes every digest whose slot is due and whose data is there. Returns how many were made.
    pub async fn digests_due(&self) -> Result<usize, EngineError> {
        let plant = self.plant();
        let mut made = 0;
        let mut failed = None;
        for digest in plant.digests.values() {
            if self.stopping() {
                break;
            }
            // One digest that cannot be made never stops the others.
            match self.digest_due(&plant, digest).await {
                Ok(count) => made += count,
                Err(err) => failed = Some(err),
            }
        }
        failed.map_or(Ok(made), Err)
    }

    async fn digest_due(&self, plant: &Plant, digest: &Digest) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let due = self.due_slots(digest, now).await?;
        let mut made = 0;
        let mut skipped: Vec<Slot> = Vec::new();
        for slot in due {
            if slot.skipped.is_some() {
                skipped.push(slot);
                continue;
            }
            if now < slot.planned_at + WAIT_UP_TO && !self.data_is_there(plant, digest, slot.planned_at).await? {
                // Slots after this one wait behind it.
                return Ok(made);
            }
            let missed = skipped.iter().filter(|skipped| skipped.is_missed()).count();
            let making =
                Making { planned_at: slot.planned_at, missed, by_hand: None, only: None };
            let done = self.make(plant, digest, &making).await;
            self.commit(digest, std::mem::take(&mut skipped), Some(done), slot.planned_at).await?;
            made += 1;
        }
        if let Some(last) = skipped.last() {
            let until = last.planned_at;
            self.commit(digest, skipped, None, until).await?;
        }
        Ok(made)
    }

    async fn data_is_there(
        &self,
        plant: &Plant,
        digest: &Digest,
        slot: DateTime<Utc>,
    ) -> Result<bool, EngineError> {
        let needed = self.needed(plant, &digest.reports, slot);
        let missing = self.incomplete(needed).await?;
        self.want(&missing);
        Ok(missing.is_empty())
    }

    /// Makes a digest: answers its reports and renders. Stores and sends nothing.
    pub async fn make(&self, plant: &Plant, digest: &Digest, making: &Making) -> Made {
        let made_at = self.clock.now();
        let sections = self.sections(&digest.reports, making.planned_at).await;
        let id = run_id(&digest.name, making);
        let mail = DigestMail {
            digest,
            planned_at: making.planned_at,
            made_at,
            missed_slots: making.missed,
            by_hand: making.by_hand.is_some(),
            sections: &sections,
            run: &id,
            locale: &plant.locale,
            owner: plant.owner.as_deref(),
        };
        let rendered = render::render_digest(&mail);
        let failed: Vec<&str> = sections
            .iter()
            .filter_map(|section| match section {
                Section::Failed { reason, .. } => Some(reason.as_str()),
                Section::Table(_) => None,
            })
            .collect();
        let run = Run {
            id: id.clone(),
            digest: digest.name.clone(),
            planned_at: making.planned_at,
            made_at,
            definition_hash: digest.hash.clone(),
            subject: rendered.subject.clone(),
            trigger: making.by_hand.as_ref().map_or("schedule", |_| "sent by hand").to_owned(),
            outcome: if failed.is_empty() { "made" } else { "made with failed reports" }.to_owned(),
            detail: (!failed.is_empty()).then(|| failed.join("; ")),
        };
        let owed = self.owed(plant, digest, making, &mail, &rendered, &id);
        Made { run, owed, mail: rendered, sections }
    }

    /// One message a recipient, each with an id and bytes of its own that never change.
    fn owed(
        &self,
        plant: &Plant,
        digest: &Digest,
        making: &Making,
        mail: &DigestMail<'_>,
        rendered: &render::Rendered,
        run: &str,
    ) -> Vec<Owed> {
        let owe = |receiver: &str, message: Message| Owed {
            kind: Kind::Digest,
            origin: run.to_owned(),
            receiver: receiver.to_owned(),
            subject: rendered.subject.clone(),
            message,
        };
        let addresses = match &making.only {
            Some(only) => vec![only.clone()],
            None => digest.to.clone(),
        };
        let mut owed = Vec::new();
        if let Some(line) = &plant.mail {
            for to in &addresses {
                let id = render::message_id(&[run, to], &line.from_address);
                let envelope = Envelope {
                    from: &line.from,
                    to,
                    message_id: &id,
                    date: mail.made_at,
                    thread: None,
                    list: Some(&digest.name),
                    owner: plant.owner.as_deref(),
                    locale: &plant.locale,
                    origin: ("Run", run),
                };
                let bytes = render::mail_bytes(&envelope, rendered);
                owed.push(owe(SMTP, Message { id, recipient: to.clone(), bytes }));
            }
        }
        let webhooks = digest.webhooks.iter().filter(|_| making.only.is_none());
        for name in webhooks {
            if let Some(Destination::Webhook(_)) = plant.receivers.get(name) {
                let id = render::webhook_id(&[run, name]);
                let bytes = render::digest_payload(mail, rendered);
                owed.push(owe(name, Message { id, recipient: name.clone(), bytes }));
            }
        }
        owed
    }

    /// One transaction: the slots' claims, the run, the messages, and how far the schedule has been
    /// considered. Who finds the slot claimed already, owes nothing.
    async fn commit(
        &self,
        digest: &Digest,
        skipped: Vec<Slot>,
        made: Option<Made>,
        until: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let (name, pattern) = (digest.name.clone(), digest.schedule.identity());
        self.write(move |tx| {
            for slot in &skipped {
                let reason = slot.skipped.as_deref().unwrap_or_default();
                if slots::claim(tx, &name, slot.planned_at, None, Some(reason))? {
                    let text = format!("slot {} skipped: {reason}", slot.planned_at);
                    ledger::note(tx, now, "slot", &name, &text)?;
                }
            }
            if let Some(made) = &made {
                let (planned, run) = (made.run.planned_at, &made.run);
                if slots::claim(tx, &name, planned, Some(&run.id), None)? {
                    store_run(tx, made, now)?;
                }
            }
            slots::consider(tx, &name, &pattern, until)
        })
        .await
    }

    /// Makes a digest by hand and owes it. Returns the run's id.
    pub async fn send(&self, digest: &Arc<Digest>, making: Making) -> Result<Made, EngineError> {
        let plant = self.plant();
        let made = self.make(&plant, digest, &making).await;
        let now = self.clock.now();
        self.write(move |tx| {
            store_run(tx, &made, now)?;
            Ok(made)
        })
        .await
    }
}

fn store_run(
    tx: &rusqlite::Transaction<'_>,
    made: &Made,
    now: DateTime<Utc>,
) -> Result<(), crate::store::state::StateError> {
    slots::insert_run(tx, &made.run)?;
    for owed in &made.owed {
        outbox::owe(tx, owed, now)?;
    }
    let text = format!("{} for slot {}: {}", made.run.id, made.run.planned_at, made.run.outcome);
    ledger::note(tx, now, "run", &made.run.digest, &text)
}

/// The same digest, slot and occasion have the same run id, whoever makes it.
fn run_id(digest: &str, making: &Making) -> String {
    let slot = making.planned_at.format("%Y%m%dT%H%M%SZ");
    match &making.by_hand {
        None => format!("{digest}-{slot}"),
        Some(occasion) => format!("{digest}-{slot}-{occasion}"),
    }
}
