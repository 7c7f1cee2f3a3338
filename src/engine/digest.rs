//! Making digests: a slot that is due becomes a run and the messages it owes, in one commit.
//!
//! Whether it goes out is decided on its tables, before anything is written (`send_when`, required
//! reports): a slot that owes nothing is claimed all the same, by a run that says why.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::notice::{OwnerNotice, Trouble};
use super::tables::Wanted;
use super::{Engine, EngineError, Plant, blocking};
use crate::domain::digest::sending::{decide, fingerprint};
use crate::domain::digest::{Attach, Digest, SendWhen, Sending};
use crate::domain::report::Report;
use crate::domain::schedule::Slot;
use crate::domain::table::Section;
use crate::render::{self, DigestMail, Rendered};
use crate::store::state::archive::{self, Snapshot};
use crate::store::state::outbox::Owed;
use crate::store::state::slots::Run;
use crate::store::state::told::{self, Told};
use crate::store::state::{ledger, outbox, slots};

mod burst;
mod letters;

use letters::{Post, lacking};

/// A digest made for a slot: what is stored and what is owed.
#[derive(Debug)]
pub struct Made {
    /// The run.
    pub run: Run,
    /// The messages, one a recipient.
    pub owed: Vec<Owed>,
    /// The mail as everybody gets it; of a digest that is split the first part's.
    pub mail: Rendered,
    /// The tables as a webhook gets them: JSON.
    pub payload: Vec<u8>,
    /// What the mails were made of, one a part and rendering: kept with the run where it goes out.
    pub snapshots: Vec<Snapshot>,
    /// Whether it goes out.
    goes: bool,
    /// What the owner is told of it.
    notices: Vec<OwnerNotice>,
    /// What its mails tell, for the next one to be held against.
    told: Vec<Told>,
}

impl Made {
    /// Why nothing went out although something should have.
    pub fn failure(&self) -> Option<&str> {
        self.run.outcome.strip_prefix(FAILED)
    }
}

/// How the outcome of a run that failed begins.
const FAILED: &str = "failed: ";

/// What a digest is made for.
#[derive(Clone, Debug, Default)]
pub struct Making {
    /// The slot.
    pub planned_at: DateTime<Utc>,
    /// Slots before it that were missed while postrider was down.
    pub missed: usize,
    /// `None`: by schedule. Otherwise sent by hand, with what makes this sending its own; it goes out
    /// whatever `send_when` says.
    pub by_hand: Option<String>,
    /// Only this address, instead of the digest's recipients. Of a digest that is split it gets one
    /// part.
    pub only: Option<String>,
    /// Only this part of a digest that is split, by its name.
    pub part: Option<String>,
    /// Of a slot that is filled in: the sentence that says so.
    pub later: Option<String>,
}

/// Why a digest does not go out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    /// There is nothing to tell.
    Not(String),
    /// It should have, and cannot: the owner is told.
    Failed(String),
}

impl Stop {
    fn outcome(&self) -> String {
        match self {
            Stop::Not(reason) => format!("not sent: {reason}"),
            Stop::Failed(reason) => format!("{FAILED}{reason}"),
        }
    }
}

/// One making under way: what every piece of it needs.
#[derive(Clone, Copy)]
struct Occasion<'a> {
    plant: &'a Arc<Plant>,
    digest: &'a Digest,
    making: &'a Making,
    run: &'a str,
    made_at: DateTime<Utc>,
    /// Nothing is to be sent: it is only looked at.
    preview: bool,
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
        let further = self.progress("digests");
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
            further();
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
        let needed = self.needed(plant, &asked(digest), slot);
        let missing = self.incomplete(needed).await?;
        self.want(&missing);
        Ok(missing.is_empty())
    }

    /// A digest as it is sent for a slot by one who is in time, from the data there is now, whatever
    /// `send_when` says; of one that is split the first part. Stores and sends nothing.
    pub async fn preview(&self, plant: &Arc<Plant>, digest: &Digest, slot: DateTime<Utc>) -> Made {
        let making = Making { planned_at: slot, ..Making::default() };
        self.make_at(plant, digest, &making, slot, true).await
    }

    /// Makes a digest now: answers its reports and renders. Stores and sends nothing.
    pub async fn make(&self, plant: &Arc<Plant>, digest: &Digest, making: &Making) -> Made {
        self.make_at(plant, digest, making, self.clock.now(), false).await
    }

    async fn make_at(
        &self,
        plant: &Arc<Plant>,
        digest: &Digest,
        making: &Making,
        made_at: DateTime<Utc>,
        preview: bool,
    ) -> Made {
        let run = run_id(&digest.name, making);
        let occasion = Occasion { plant, digest, making, run: &run, made_at, preview };
        let made = match &digest.split {
            None => self.make_whole(occasion).await,
            Some(split) => self.make_parts(occasion, split).await,
        };
        made.unwrap_or_else(|err| occasion.stopped(&Stop::Failed(err.to_string())))
    }

    async fn make_whole(&self, occasion: Occasion<'_>) -> Result<Made, EngineError> {
        let Occasion { plant, digest, making, .. } = occasion;
        let (reports, slot) = (&digest.reports, making.planned_at);
        let mut sections = self.sections_with(reports, slot, occasion.wanted()).await;
        self.restate(plant, &digest.name, reports, &mut sections, slot).await;
        let before = self.told_before(occasion).await?;
        let stop = occasion.stop(&sections, before.get("").map(String::as_str));
        keep_rest(&digest.attach, &mut sections);
        let told = Told { part: String::new(), fingerprint: fingerprint(&sections) };
        let mail = occasion.mail(sections, None);
        let post = Post::new(occasion, self.token_key());
        let readers = match &making.only {
            Some(only) => vec![only.clone()],
            None => digest.addresses().map(str::to_owned).collect(),
        };
        let wrong: Vec<String> = lacking(&mail.sections).collect();
        let letters = blocking(move || Ok(post.letters(mail, None, &readers))).await?;
        let wrong: Vec<String> = letters.problem.iter().cloned().chain(wrong).collect();
        let outcome = match &stop {
            Some(stop) => stop.outcome(),
            None if wrong.is_empty() => "made".to_owned(),
            None => "made with faults".to_owned(),
        };
        // A preview shows what it would be.
        let goes = stop.is_none() || occasion.preview;
        Ok(Made {
            run: occasion.run(letters.mail.subject.clone(), outcome, &wrong),
            owed: if goes { letters.owed } else { Vec::new() },
            mail: letters.mail,
            payload: letters.payload,
            snapshots: letters.snapshots,
            goes,
            notices: occasion
                .notice_of(stop.as_ref())
                .into_iter()
                .chain(letters.problem.as_deref().and_then(|problem| occasion.faulty(problem)))
                .collect(),
            told: if goes && occasion.is_news() { vec![told] } else { Vec::new() },
        })
    }

    /// What the last mails of a digest told, by part, where that decides about the next ones.
    async fn told_before(
        &self,
        occasion: Occasion<'_>,
    ) -> Result<BTreeMap<String, String>, EngineError> {
        let Digest { name, send_when, .. } = occasion.digest;
        if *send_when != SendWhen::Changed || !occasion.obeys() {
            return Ok(BTreeMap::new());
        }
        let name = name.clone();
        self.state(move |tx| told::last(tx, &name)).await
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
        self.owe(made).await
    }

    /// Stores a run with all that it owes.
    pub(super) async fn owe(&self, made: Made) -> Result<Made, EngineError> {
        let now = self.clock.now();
        self.write(move |tx| {
            store_run(tx, &made, now)?;
            Ok(made)
        })
        .await
    }
}

impl Occasion<'_> {
    /// Whether `send_when` has a say.
    fn obeys(self) -> bool {
        self.making.by_hand.is_none() && !self.preview
    }

    /// What is read beside the rows a mail shows: all of them for files, and where a goal missed in
    /// any row decides.
    fn wanted(self) -> Wanted {
        let decides = self.obeys() && self.digest.send_when == SendWhen::AnyGoalMissed;
        let rest = decides || !self.digest.attach.is_empty();
        let wanted = if rest { Wanted::ROWS } else { Wanted::default() };
        Wanted { locale: self.digest.locale.as_deref().map(render::Locale::named), ..wanted }
    }

    /// Whether its readers know the newest figures from it: who looks at it alone takes nothing from
    /// the others, and what is made later is of a past slot.
    fn is_news(self) -> bool {
        self.making.only.is_none() && self.making.later.is_none()
    }

    /// Why a mail of these sections does not go out, if it does not. `before` is what the last one
    /// told.
    fn stop(self, sections: &[Section], before: Option<&str>) -> Option<Stop> {
        let required = self.digest.required.iter().filter_map(|index| sections.get(*index));
        for section in required {
            if let Section::Failed { report, reason, .. } = section {
                return Some(Stop::Failed(format!("report `{report}`: {reason}")));
            }
        }
        match decide(&self.digest.send_when, sections, before) {
            Sending::Not(reason) if self.obeys() => Some(Stop::Not(reason.to_owned())),
            Sending::Not(_) | Sending::Send => None,
        }
    }

    /// All that a mail is made of.
    fn mail(self, sections: Vec<Section>, part: Option<String>) -> DigestMail {
        let Occasion { plant, digest, making, .. } = self;
        DigestMail {
            name: digest.name.clone(),
            subject: digest.subject.clone(),
            preheader: digest.preheader.clone(),
            intro: digest.intro.clone(),
            headline: digest.headline,
            sections,
            planned_at: making.planned_at,
            made_at: self.made_at,
            zone: digest.schedule.zone.clone(),
            schedule: render::words::schedule(&digest.schedule.pattern),
            missed: missed_words(making.missed),
            run: self.run.to_owned(),
            locale: digest.locale.clone().unwrap_or_else(|| plant.locale.clone()),
            instance: None,
            owner: plant.owner.clone(),
            part,
            remarks: making.later.iter().cloned().collect(),
            attach: digest.attach.clone(),
            bytes_max: digest.bytes_max,
            look: plant.look.clone(),
            template: digest.template.as_deref().cloned(),
        }
    }

    fn run(self, subject: String, outcome: String, wrong: &[String]) -> Run {
        Run {
            id: self.run.to_owned(),
            digest: self.digest.name.clone(),
            planned_at: self.making.planned_at,
            made_at: self.made_at,
            definition_hash: self.digest.hash.clone(),
            subject,
            trigger: match (&self.making.later, &self.making.by_hand) {
                (Some(_), _) => "made later",
                (None, Some(_)) => "sent by hand",
                (None, None) => "schedule",
            }
            .to_owned(),
            outcome,
            detail: (!wrong.is_empty()).then(|| wrong.join("; ")),
        }
    }

    /// A run that owes its readers nothing and has no mail to show.
    fn stopped(self, stop: &Stop) -> Made {
        let mail = render::render_notice(&render::NoticeMail {
            title: format!("digest {}: {}", self.digest.name, stop.outcome()),
            paragraphs: Vec::new(),
            facts: vec![("Run".into(), self.run.to_owned())],
            why: None,
            instance: None,
            locale: self.plant.locale.clone(),
            look: self.plant.look.clone(),
        });
        Made {
            run: self.run(mail.subject.clone(), stop.outcome(), &[]),
            owed: Vec::new(),
            mail,
            payload: b"{}".to_vec(),
            snapshots: Vec::new(),
            goes: false,
            notices: self.notice_of(Some(stop)).into_iter().collect(),
            told: Vec::new(),
        }
    }

    /// What the owner is told where a digest that should have gone out does not. Who sends by hand
    /// sees it himself.
    fn notice_of(self, stop: Option<&Stop>) -> Option<OwnerNotice> {
        let Some(Stop::Failed(reason)) = stop else { return None };
        if self.making.by_hand.is_some() {
            return None;
        }
        Some(self.notice(
            "failed",
            format!("digest {} was not sent", self.digest.name),
            vec![
                "Its readers got nothing. The next slot is tried as usual; `postrider send` makes \
                 this one again."
                    .into(),
            ],
            vec![("Why".into(), reason.clone())],
        ))
    }

    /// What the owner is told where a mail went out plainer than its definition asks: its readers
    /// cannot mend a template or a chart.
    fn faulty(self, problem: &str) -> Option<OwnerNotice> {
        if self.making.by_hand.is_some() {
            return None;
        }
        Some(self.notice(
            "faulty",
            format!("digest {} went out with a fault", self.digest.name),
            vec![
                "Its readers got the figures; what failed was left out or written plainly.".into(),
            ],
            vec![("What".into(), problem.to_owned())],
        ))
    }

    fn notice(
        self,
        kind: &str,
        title: String,
        paragraphs: Vec<String>,
        facts: Vec<(String, String)>,
    ) -> OwnerNotice {
        let mut all = vec![
            ("Run".to_owned(), self.run.to_owned()),
            ("Planned for".to_owned(), {
                let zone = &self.digest.schedule.zone;
                let civil = zone.civil(self.making.planned_at).format("%Y-%m-%d %H:%M");
                format!("{civil} ({})", zone.name())
            }),
        ];
        all.extend(facts);
        let trouble = Trouble {
            identity: vec!["digest".into(), kind.to_owned(), self.run.to_owned()],
            subject: self.digest.name.clone(),
            title,
            paragraphs,
            facts: all,
        };
        OwnerNotice::new(self.plant, trouble, self.made_at)
    }
}

/// What a digest asks: its reports, or those with what splits them.
fn asked(digest: &Digest) -> Vec<Arc<Report>> {
    let Some(split) = &digest.split else { return digest.reports.clone() };
    let split = digest.reports.iter().zip(&split.queries).map(|(report, query)| {
        Arc::new(Report { query: Arc::clone(query), ..Report::clone(report) })
    });
    split.collect()
}

/// Rows behind `top` are kept for files alone; what else they were read for is decided.
fn keep_rest(attach: &[Attach], sections: &mut [Section]) {
    if !attach.is_empty() {
        return;
    }
    for section in sections {
        if let Section::Table(table) = section {
            table.rest = Vec::new();
        }
    }
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
    for snapshot in made.snapshots.iter().filter(|_| made.goes) {
        archive::keep(tx, snapshot)?;
    }
    for owed in &made.owed {
        outbox::owe(tx, owed, now)?;
    }
    told::remember(tx, &made.run.digest, &made.run.id, &made.told)?;
    for notice in &made.notices {
        notice.owe(tx, now)?;
    }
    let text = format!("{} for slot {}: {}", made.run.id, made.run.planned_at, made.run.outcome);
    ledger::note(tx, now, "run", &made.run.digest, &text)
}

/// The same digest, slot and occasion have the same run id, whoever makes it.
pub(super) fn run_id(digest: &str, making: &Making) -> String {
    let slot = making.planned_at.format("%Y%m%dT%H%M%SZ");
    match &making.by_hand {
        None => format!("{digest}-{slot}"),
        Some(occasion) => format!("{digest}-{slot}-{occasion}"),
    }
}
