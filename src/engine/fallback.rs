//! Fallbacks: what a receiver does not take is told to another one, once, and says so.
//!
//! What is told instead is the notice itself, as it is stored, in the other receiver's own shape.
//! It has no fallback of its own: nothing goes in a circle. Who was told the beginning of something
//! instead is told its end too, also where the receiver it was for is back by then.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;

use super::{Engine, EngineError, Plant, blocking, compose, is_due, notify};
use crate::domain::notification::{Kind, Notice};
use crate::store::Store;
use crate::store::state::outbox::{self, Owed, Untaken, UntakenNotice};
use crate::store::state::{StateError, ledger, notices};

/// Notices of one receiver that are prepared in one turn; the others follow in the next.
const TURN: usize = 100;
/// Time between two searches.
const EVERY: TimeDelta = TimeDelta::seconds(15);
/// Longest quotation of what a far side said, in characters.
const SAID_MAX: usize = 200;

/// A notice as it is told to somebody else, ready to be committed.
pub(super) struct Instead {
    /// The notice it stands for.
    of: String,
    notice: Notice,
    letters: Vec<Owed>,
}

impl Instead {
    /// The same notice for the fallback of its receiver; `None` where it has none, where it is told
    /// instead of another itself, or where there is no way to the fallback either.
    fn prepare(
        store: &Store,
        plant: &Plant,
        notice: Notice,
        why: String,
        now: DateTime<Utc>,
    ) -> Result<Option<Instead>, EngineError> {
        let Some((fallback, _)) = fallback_of(plant, &notice.receiver) else { return Ok(None) };
        if notice.instead_of.is_some() {
            return Ok(None);
        }
        let told = Notice {
            key: format!("{}/{fallback}", notice.key),
            receiver: fallback.clone(),
            at: now,
            instead_of: Some((notice.receiver.clone(), why)),
            ..notice.clone()
        };
        let mail = compose::compose(store, plant, &told);
        let letters = notify::messages(plant, &told, &mail);
        Ok((!letters.is_empty()).then_some(Instead { of: notice.key, notice: told, letters }))
    }

    /// Owes it, unless it was before.
    pub(super) fn owe(&self, tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<bool, StateError> {
        let notice = &self.notice;
        if !outbox::fell(tx, &self.of, &notice.receiver)? {
            return Ok(false);
        }
        for letter in &self.letters {
            outbox::owe(tx, letter, now)?;
        }
        let why = notice.instead_of.as_ref().map_or("", |(_, why)| why.as_str());
        let text = format!("{} to `{}` instead: {why}", notice.kind.word(), notice.receiver);
        ledger::note(tx, now, "notification", notice.rule(), &text)?;
        notices::put(tx, notice)?;
        Ok(true)
    }
}

/// Who is told instead of a receiver, and after how long.
fn fallback_of<'p>(plant: &'p Plant, receiver: &str) -> Option<&'p (String, TimeDelta)> {
    plant.receivers.get(receiver)?.fallback.as_ref()
}

/// Why it is told to another one, in a sentence.
fn sentence(untaken: &UntakenNotice, plant: &Plant) -> String {
    let receiver = &untaken.notice.receiver;
    let said = untaken.said.as_deref().filter(|said| !said.is_empty());
    let said: String = said.unwrap_or("no answer").chars().take(SAID_MAX).collect();
    let how = match untaken.state {
        Untaken::Waiting(since) => {
            let since = plant.zone.civil(since).format("%H:%M");
            format!("which has not taken it since {since}")
        }
        Untaken::Refused => "which will not take it".to_owned(),
        Untaken::Broken => "which is broken".to_owned(),
        Untaken::Held => "which may have it or not".to_owned(),
        Untaken::Disabled => "which is disabled".to_owned(),
    };
    format!("This was for `{receiver}`, {how}: {said}")
}

impl Engine {
    /// Owes to fallbacks what their receivers have not taken, which attempts alone do not tell:
    /// those that wait while their receiver is held. Returns how many notices.
    pub(super) async fn fall_back(&self, plant: &Arc<Plant>) -> Result<usize, EngineError> {
        let now = self.clock.now();
        let mut count = 0;
        if !is_due(&self.swept, now, EVERY) {
            return Ok(0);
        }
        for (name, line) in &plant.receivers {
            let Some((_, after)) = &line.fallback else { continue };
            let (name, before) = (name.clone(), now - *after);
            let untaken = self.state(move |tx| outbox::untaken(tx, &name, before, TURN)).await?;
            if untaken.is_empty() {
                continue;
            }
            let instead = self.instead(plant, untaken, now).await?;
            count += self
                .write(move |tx| {
                    let mut owed = 0;
                    for one in &instead {
                        owed += usize::from(one.owe(tx, now)?);
                    }
                    Ok(owed)
                })
                .await?;
        }
        Ok(count)
    }

    async fn instead(
        &self,
        plant: &Arc<Plant>,
        untaken: Vec<UntakenNotice>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Instead>, EngineError> {
        let (store, plant) = (Arc::clone(&self.store), Arc::clone(plant));
        blocking(move || {
            let prepared = untaken.into_iter().map(|untaken| {
                let why = sentence(&untaken, &plant);
                Instead::prepare(&store, &plant, untaken.notice, why, now)
            });
            prepared.filter_map(Result::transpose).collect()
        })
        .await
    }

    /// What an attempt at a notification owes to the fallback of its receiver: the notice, where
    /// the attempt was in vain for good; the end of what it was told instead, where that was taken.
    pub(super) async fn instead_of_attempt(
        &self,
        plant: &Arc<Plant>,
        delivery: i64,
        came_to: CameTo,
        now: DateTime<Utc>,
    ) -> Result<Option<Instead>, EngineError> {
        if plant.receivers.values().all(|line| line.fallback.is_none()) {
            return Ok(None);
        }
        let (store, plant) = (Arc::clone(&self.store), Arc::clone(plant));
        blocking(move || {
            let Some(notice) = store.state.read(|tx| outbox::notice_of(tx, delivery))? else {
                return Ok(None);
            };
            let Some((fallback, after)) = fallback_of(&plant, &notice.receiver) else {
                return Ok(None);
            };
            let (state, said) = match came_to {
                CameTo::Taken => {
                    let (thread, receiver) = (notice.thread.clone(), notice.receiver.clone());
                    let told = store
                        .state
                        .read(|tx| outbox::told_instead(tx, &thread, &receiver, fallback))?;
                    if notice.kind != Kind::Resolved || !told {
                        return Ok(None);
                    }
                    let why = format!(
                        "This is the end of what you were told instead of `{receiver}`, which \
                         takes messages again"
                    );
                    return Instead::prepare(&store, &plant, notice, why, now);
                }
                CameTo::Refused(said) => (Untaken::Refused, said),
                CameTo::Broken(said) => (Untaken::Broken, said),
                CameTo::Held(said) => (Untaken::Held, said),
                CameTo::Disabled(said) => (Untaken::Disabled, said),
                CameTo::Waits(said) if notice.at + *after <= now => {
                    (Untaken::Waiting(notice.at), said)
                }
                CameTo::Waits(_) => return Ok(None),
            };
            let untaken = UntakenNotice { notice, state, said: Some(said) };
            let why = sentence(&untaken, &plant);
            Instead::prepare(&store, &plant, untaken.notice, why, now)
        })
        .await
    }
}

/// What an attempt at a notification came to, with what the far side said.
#[derive(Clone, Debug)]
pub(super) enum CameTo {
    /// It was taken.
    Taken,
    /// It never will be.
    Refused(String),
    /// The receiver is broken.
    Broken(String),
    /// It may have been taken, and is not tried again by itself.
    Held(String),
    /// The receiver gets nothing any more.
    Disabled(String),
    /// It is tried again.
    Waits(String),
}
