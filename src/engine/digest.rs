//! Making digests: a slot that is due becomes a run and the messages it owes, in one commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::archive::{made_of, sign};
use super::{Destination, Engine, EngineError, Plant};
use crate::domain::delivery::Message;
use crate::domain::digest::Digest;
use crate::domain::schedule::Slot;
use crate::domain::table::Section;
use crate::domain::token::Key;
use crate::render::{self, DigestMail, Envelope, NoticeMail, Rendered};
use crate::store::state::archive::{self, Snapshot};
use crate::store::state::outbox::{Kind, MadeOf, Owed, SMTP};
use crate::store::state::slots::Run;
use crate::store::state::{ledger, outbox, slots};

/// A digest made for a slot: what is stored and what is owed.
#[derive(Debug)]
pub struct Made {
    /// The run.
    pub run: Run,
    /// The messages, one a recipient.
    pub owed: Vec<Owed>,
    /// The mail as everybody gets it.
    pub mail: Rendered,
    /// The tables as a webhook gets them: JSON.
    pub payload: Vec<u8>,
    /// What the mails were made of, one a part: kept with the run.
    pub snapshots: Vec<Snapshot>,
}

/// What a digest is made for.
#[derive(Clone, Debug, Default)]
pub struct Making {
    /// The slot.
    pub planned_at: DateTime<Utc>,
    /// Slots before it that were missed while postrider was down.
    pub missed: usize,
    /// `None`: by schedule. Otherwise sent by hand, with what makes this sending its own.
    pub by_hand: Option<String>,
    /// Only this address, instead of the digest's recipients.
    pub only: Option<String>,
    /// Of a slot that is filled in: the sentence that says so.
    pub later: Option<String>,
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

    async fn digest_due(&self, plant: &Arc<Plant>, digest: &Digest) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let due = self.due_slots(digest, now).await?;
        let mut made = 0;
        let mut skipped: Vec<Slot> = Vec::new();
        for slot in due {
            if slot.skipped.is_some() {
                skipped.push(slot);
                continue;
            }
            if now < slot.planned_at + digest.wait_up_to
                && !self.data_is_there(plant, digest, slot.planned_at).await?
            {
                // Slots after this one wait behind it.
                return Ok(made);
            }
            let missed = skipped.iter().filter(|slot| slot.missed).count();
            let making = Making { planned_at: slot.planned_at, missed, ..Making::default() };
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

    /// A digest as it is sent for a slot by one who is in time, from the data there is now. Stores
    /// and sends nothing.
    pub async fn preview(&self, plant: &Arc<Plant>, digest: &Digest, slot: DateTime<Utc>) -> Made {
        let making = Making { planned_at: slot, ..Making::default() };
        self.make_at(plant, digest, &making, slot).await
    }

    /// Makes a digest now: answers its reports and renders. Stores and sends nothing.
    pub async fn make(&self, plant: &Arc<Plant>, digest: &Digest, making: &Making) -> Made {
        self.make_at(plant, digest, making, self.clock.now()).await
    }

    async fn make_at(
        &self,
        plant: &Arc<Plant>,
        digest: &Digest,
        making: &Making,
        made_at: DateTime<Utc>,
    ) -> Made {
        let id = run_id(&digest.name, making);
        let mut sections = self.sections(&digest.reports, making.planned_at).await;
        let slot = making.planned_at;
        self.restate(plant, &digest.name, &digest.reports, &mut sections, slot).await;
        let mail = DigestMail {
            name: digest.name.clone(),
            subject: digest.subject.clone(),
            preheader: digest.preheader.clone(),
            intro: digest.intro.clone(),
            headline: digest.headline.clone(),
            sections,
            planned_at: making.planned_at,
            made_at,
            zone: digest.schedule.zone.clone(),
            schedule: render::words::schedule(&digest.schedule.pattern),
            missed: missed_words(making.missed),
            run: id.clone(),
            locale: digest.locale.clone().unwrap_or_else(|| plant.locale.clone()),
            instance: None,
            owner: plant.owner.clone(),
            part: None,
            remarks: making.later.iter().cloned().collect(),
            attach: digest.attach.clone(),
            bytes_max: digest.bytes_max,
            look: plant.look.clone(),
            template: digest.template.as_deref().cloned(),
        };
        let rendered = rendered(&mail);
        let mut wrong: Vec<String> = rendered.problem.iter().cloned().collect();
        wrong.extend(mail.sections.iter().filter_map(|section| match section {
            Section::Failed { title, reason, .. } => Some(format!("{title}: {reason}")),
            Section::Table(_) => None,
        }));
        let run = Run {
            id,
            digest: digest.name.clone(),
            planned_at: making.planned_at,
            made_at,
            definition_hash: digest.hash.clone(),
            subject: rendered.subject.clone(),
            trigger: match (&making.later, &making.by_hand) {
                (Some(_), _) => "made later",
                (None, Some(_)) => "sent by hand",
                (None, None) => "schedule",
            }
            .to_owned(),
            outcome: if wrong.is_empty() { "made" } else { "made with faults" }.to_owned(),
            detail: (!wrong.is_empty()).then(|| wrong.join("; ")),
        };
        let payload = render::digest_payload(&mail, &rendered);
        let key = self.token_key();
        let owed = owed(plant, key.as_ref(), digest, making, &run, &rendered, &payload);
        let snapshots = vec![super::archive::pack(&run, mail)];
        Made { run, owed, mail: rendered, payload, snapshots }
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
    pub async fn send(&self, digest: &Digest, making: Making) -> Result<Made, EngineError> {
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

/// One message a recipient, each with an id and bytes of its own that never change.
fn owed(
    plant: &Plant,
    key: Option<&Key>,
    digest: &Digest,
    making: &Making,
    run: &Run,
    rendered: &Rendered,
    payload: &[u8],
) -> Vec<Owed> {
    let owe = |receiver: &str, message: Message, made_of: MadeOf| Owed {
        kind: Kind::Digest,
        origin: run.id.clone(),
        receiver: receiver.to_owned(),
        subject: rendered.subject.clone(),
        message,
        made_of: Some(made_of),
    };
    let only = making.only.as_ref();
    let addresses = only.map_or(digest.to.as_slice(), std::slice::from_ref);
    let mut owed = Vec::new();
    if let Some(line) = &plant.mail {
        for to in addresses {
            let id = render::mail::message_id(&[&run.id, to], render::mail::domain_of(&line.from));
            let mut envelope = Envelope {
                cc: digest.cc.clone(),
                reply_to: digest.reply_to.clone(),
                unsubscribe_token: None,
                one_click: None,
                from: line.from.clone(),
                to: to.clone(),
                message_id: id.clone(),
                date: run.made_at,
                thread: None,
                list: Some(digest.name.clone()),
                owner: plant.owner.clone(),
                run: Some(run.id.clone()),
                ..Envelope::default()
            };
            if let Some(key) = key {
                sign(&mut envelope, key, plant.public_url.as_deref(), &digest.name);
            }
            if let Some(bytes) = super::notice::bytes_or_told(&envelope, rendered) {
                let made_of = made_of(None, Some(&envelope));
                owed.push(owe(SMTP, Message { id, recipient: to.clone(), bytes }, made_of));
            }
        }
    }
    for name in digest.webhooks.iter().filter(|_| only.is_none()) {
        if let Some(Destination::Webhook(_)) = plant.receivers.get(name) {
            let id = render::mail::webhook_id(&[&run.id, name]);
            let message = Message { id, recipient: name.clone(), bytes: payload.to_vec() };
            owed.push(owe(name, message, made_of(None, None)));
        }
    }
    owed
}

/// The sentence about slots that were missed before this one.
fn missed_words(missed: usize) -> Option<String> {
    match missed {
        0 => None,
        1 => Some("One earlier mail was missed while postrider was not running.".into()),
        n => Some(format!("{n} earlier mails were missed while postrider was not running.")),
    }
}

fn store_run(
    tx: &rusqlite::Transaction<'_>,
    made: &Made,
    now: DateTime<Utc>,
) -> Result<(), crate::store::state::StateError> {
    slots::insert_run(tx, &made.run)?;
    for snapshot in &made.snapshots {
        archive::keep(tx, snapshot)?;
    }
    for owed in &made.owed {
        outbox::owe(tx, owed, now)?;
    }
    let text = format!("{} for slot {}: {}", made.run.id, made.run.planned_at, made.run.outcome);
    ledger::note(tx, now, "run", &made.run.digest, &text)
}

/// The mail as everybody gets it. A defect in the rendering must not cost the mail: then it is a
/// plain one that says so.
fn rendered(mail: &DigestMail) -> Rendered {
    let drawn = std::panic::catch_unwind(AssertUnwindSafe(|| render::render_digest(mail)));
    drawn.unwrap_or_else(|_| {
        let title = format!("digest {} could not be written", mail.name);
        let plain = NoticeMail {
            title: title.clone(),
            paragraphs: vec![
                "Its reports were answered, but writing them as a mail failed. This is a defect of \
                 postrider; the log says more. The next digest is tried as usual."
                    .into(),
            ],
            facts: vec![("Run".into(), mail.run.clone())],
            instance: mail.instance.clone(),
            locale: mail.locale.clone(),
        };
        Rendered { problem: Some(title), ..render::render_notice(&plain) }
    })
}

/// The same digest, slot and occasion have the same run id, whoever makes it.
pub(super) fn run_id(digest: &str, making: &Making) -> String {
    let slot = making.planned_at.format("%Y%m%dT%H%M%SZ");
    match &making.by_hand {
        None => format!("{digest}-{slot}"),
        Some(occasion) => format!("{digest}-{slot}-{occasion}"),
    }
}
