//! What the engine does about the ground it stands on: a state that cannot be written is told by a
//! path that needs no disk, and a clock that was set back holds nothing up.

use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::notice::{OwnerNotice, Trouble, civil};
use super::{Engine, EngineError, Plant};
use crate::domain::delivery::{Outcome, RETRY_AFTER_MAX};
use crate::store::state::life;
use crate::store::state::room::Failing;

/// A message that tells of it may take so long.
const TELLING: Duration = Duration::from_secs(60);

impl Engine {
    /// Tells the owner and the alarm's receiver that the state cannot be written: from memory, past
    /// the outbox, which lies on the disk in question. It is the one message that does so; its id is
    /// the same for all that is told of one hour, so that a receiver sees through a repetition.
    /// Whether somebody has it now, or there is nobody to tell.
    pub async fn tell_unwritable(&self, failing: Failing, since: DateTime<Utc>) -> bool {
        let (plant, now) = (self.plant(), self.clock.now());
        let messages = unwritable(&plant, self.store.state.folder(), failing, since, now).owed();
        if messages.is_empty() {
            tracing::error!(
                "nobody is told: there is no `owner` with a mail server, and no `alarm`"
            );
            return true;
        }
        let mut taken = false;
        for owed in messages {
            let Some(receiver) = plant.receiver(&owed.receiver) else { continue };
            let message = owed.message;
            let attempt = tokio::spawn(async move { receiver.deliver(&message).await });
            match tokio::time::timeout(TELLING, attempt).await {
                // It may have arrived: not told again.
                Ok(Ok(Outcome::Delivered(_) | Outcome::Uncertain(_))) | Err(_) => taken = true,
                Ok(Ok(other)) => {
                    tracing::warn!(receiver = owed.receiver, outcome = ?other, "not told");
                }
                Ok(Err(_)) => tracing::warn!(receiver = owed.receiver, "telling it broke down"),
            }
        }
        taken
    }

    /// The state can be written again: told through the outbox like everything else.
    ///
    /// # Errors
    /// It cannot after all.
    pub async fn tell_writable(
        &self,
        failing: Failing,
        since: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        let trouble = Trouble {
            identity: vec!["state writable".into(), since.to_rfc3339()],
            subject: "state".into(),
            title: "the state can be written again".into(),
            paragraphs: vec![
                "What was owed goes out now, late. Digests of that time are made as `missed` says, \
                 and rules are evaluated for the slots they missed, in order."
                    .into(),
            ],
            facts: vec![
                ("It was".into(), failing.words().into()),
                ("From".into(), civil(&plant, since)),
                ("To".into(), civil(&plant, now)),
            ],
        };
        let notice = OwnerNotice::new(&plant, trouble, now);
        self.write(move |tx| notice.owe(tx, now)).await
    }

    /// The clock cannot be believed, or could not.
    ///
    /// # Errors
    /// The state cannot be written.
    pub async fn tell_clock(
        &self,
        title: &str,
        text: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        let trouble = Trouble {
            identity: vec!["clock".into(), from.to_rfc3339(), to.to_rfc3339()],
            subject: "clock".into(),
            title: title.to_owned(),
            paragraphs: vec![text.to_owned()],
            facts: vec![
                ("It showed".into(), civil(&plant, from)),
                ("Then".into(), civil(&plant, to)),
            ],
        };
        let notice = OwnerNotice::new(&plant, trouble, now);
        self.write(move |tx| notice.owe(tx, now)).await
    }

    /// The clock was set back by so much: nothing waits for an instant of before.
    ///
    /// # Errors
    /// The state cannot be written.
    pub async fn clock_set_back(&self, by: TimeDelta) -> Result<(), EngineError> {
        let now = self.clock.now();
        for memo in self.memos().values_mut() {
            memo.clock_set_back();
        }
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner).clock_set_back(now);
        let moved = self.write(move |tx| life::set_back(tx, by, now)).await?;
        tracing::warn!(waiting = moved, "the clock was set back: what waits is brought along");
        Ok(())
    }

    /// At start: nothing waits longer than anything ever does, whatever the clock did meanwhile.
    ///
    /// # Errors
    /// The state cannot be written.
    pub async fn shorten_waits(&self) -> Result<(), EngineError> {
        let now = self.clock.now();
        let most = TimeDelta::from_std(RETRY_AFTER_MAX).unwrap_or_default() + TimeDelta::hours(1);
        let moved = self.write(move |tx| life::shorten_waits(tx, most, now)).await?;
        if moved > 0 {
            tracing::warn!(waiting = moved, "the clock was set back: what waits is due now");
        }
        Ok(())
    }
}

fn unwritable(
    plant: &Plant,
    folder: &std::path::Path,
    failing: Failing,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> OwnerNotice {
    let hour = since.timestamp() / 3600;
    let help = match failing {
        Failing::Full => "Make room on it.",
        Failing::ReadOnly => "Make it writable again.",
        Failing::Disk => "Look at the system's log for what it says of the disk.",
        Failing::Damaged => "Stop postrider and run `postrider state check`.",
    };
    let trouble = Trouble {
        identity: vec!["state unwritable".into(), folder.display().to_string(), hour.to_string()],
        subject: "state".into(),
        title: "the state cannot be written".into(),
        paragraphs: vec![
            format!(
                "Until it can, nothing is sent and no rule is evaluated: nothing may leave that is \
                 not written down first. What is due is late, not lost. {help}"
            ),
            "It goes on by itself within seconds, and that is told too. This message comes once, \
             past the outbox."
                .into(),
        ],
        facts: vec![
            ("Why".into(), failing.words().into()),
            ("Folder".into(), folder.display().to_string()),
            ("Since".into(), civil(plant, since)),
        ],
    };
    OwnerNotice::new(plant, trouble, now)
}
