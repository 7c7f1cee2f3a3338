//! The dead man's switch: an address outside is told again and again that postrider works, and
//! raises the alarm when that stops. What nobody here can tell any more, it tells.
//!
//! A beat goes out only while the work is really being done: each loop turns, the state can be
//! written, no source is silent, no rule waits for its data and no digest for its slot, and the owner
//! can be reached. It is the one thing that leaves beside the outbox: a beat that waits and comes
//! later would say what was true then. It is no delivery, is counted nowhere as one, and carries
//! nothing of what is mailed.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Engine, EngineError, Plant};
use crate::domain::delivery::{Message, Outcome};
use crate::domain::incident::words;
use crate::domain::rule::slots::due_slots;
use crate::receiver::Receiver;
use crate::store::state::outbox::SMTP;
use crate::store::state::{incidents, ledger, pulse};

/// A loop that has got no further for so long stands still.
const STALLED: TimeDelta = TimeDelta::minutes(10);
/// What fails, or waits beyond its usual time, for so long, withholds the beat.
const LATE: TimeDelta = TimeDelta::minutes(15);
/// A beat that was not taken is tried again so soon.
const AGAIN: TimeDelta = TimeDelta::seconds(30);
/// At most so many reasons are told at once.
const REASONS_MAX: usize = 5;

/// Where beats go and how often.
pub struct Heartbeat {
    /// Makes the requests.
    pub to: Arc<dyn Receiver>,
    /// Time between two beats.
    pub every: TimeDelta,
}

/// What is known of the loops and of the beats.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// The first look.
    began: Option<DateTime<Utc>>,
    /// When each loop last got further, and since when its turns fail, with the reason.
    turns: BTreeMap<String, Turn>,
    /// When the next beat is due.
    next: Option<DateTime<Utc>>,
    /// How the last beat went: told when it changes.
    last: Option<Beat>,
}

impl Pulse {
    /// The clock was set back: nothing is measured against an instant of before.
    pub(super) fn clock_set_back(&mut self, now: DateTime<Utc>) {
        self.next = None;
        self.began = self.began.map(|began| began.min(now));
        for turn in self.turns.values_mut() {
            turn.at = turn.at.min(now);
            if let Some((since, _)) = &mut turn.failing {
                *since = now.min(*since);
            }
        }
    }
}

#[derive(Debug)]
struct Turn {
    at: DateTime<Utc>,
    /// How many it has ended, and steps within them.
    count: u64,
    failing: Option<(DateTime<Utc>, String)>,
}

/// How one beat went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It was taken.
    Taken,
    /// It was not sent, for these reasons.
    Withheld(Vec<String>),
    /// It was sent and not taken.
    Lost(String),
}

impl Beat {
    /// In words, for the log and for `status`.
    pub fn words(&self) -> String {
        match self {
            Beat::Taken => "taken".to_owned(),
            Beat::Withheld(why) => format!("withheld: {}", why.join("; ")),
            Beat::Lost(why) => format!("not taken: {why}"),
        }
    }
}

impl Engine {
    /// A loop has ended a turn; `failing`: why it could not be done.
    pub fn turned(&self, part: &str, failing: Option<&str>) {
        let now = self.clock.now();
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let turn =
            pulse.turns.entry(part.to_owned()).or_insert(Turn { at: now, count: 0, failing: None });
        (turn.at, turn.count) = (now, turn.count + 1);
        turn.failing = failing.map(|why| {
            let since = turn.failing.as_ref().map_or(now, |(since, _)| *since);
            (since, why.to_owned())
        });
    }

    /// To be called within a long turn of a loop, whenever it has got further: it does not stand still.
    /// Whether its turns fail is not touched by it.
    pub(super) fn progress(&self, part: &'static str) -> impl Fn() + Send + Sync + 'static {
        let (pulse, clock) = (Arc::clone(&self.pulse), Arc::clone(&self.clock));
        move || {
            let now = clock.now();
            let mut pulse = pulse.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Turn { at: now, count: 0, failing: None };
            let turn = pulse.turns.entry(part.to_owned()).or_insert_with(new);
            (turn.at, turn.count) = (now, turn.count + 1);
        }
    }

    /// How far those loops are whose standing still means that the work is not done: turns they have
    /// ended, and steps within them.
    pub fn turns(&self) -> Vec<(&'static str, u64)> {
        let pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |part: &str| pulse.turns.get(part).map_or(0, |turn| turn.count);
        PARTS.iter().map(|part| (*part, count(part))).collect()
    }

    /// Sends a beat, or withholds it, if one is due.
    ///
    /// # Errors
    /// The state cannot be read or written; then no beat was sent.
    pub async fn heartbeat_due(self: Arc<Self>) -> Result<usize, EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        let Some(line) = &plant.heartbeat else { return Ok(0) };
        {
            let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
            pulse.began.get_or_insert(now);
            if pulse.next.is_some_and(|next| now < next) {
                return Ok(0);
            }
            pulse.next = Some(now + line.every);
        }
        let engine = Arc::clone(&self);
        let found = super::blocking(move || engine.amiss(now)).await?;
        // It is sent when this is on disk, and not otherwise.
        self.write(move |tx| pulse::looked(tx, now)).await?;
        let beat = match found.is_empty() {
            true => send(line, now).await,
            false => Beat::Withheld(found),
        };
        self.remember_beat(beat, line.every, now).await?;
        Ok(0)
    }

    /// What withholds the beat, most telling first. Blocks.
    fn amiss(&self, now: DateTime<Utc>) -> Result<Vec<String>, EngineError> {
        let plant = self.plant();
        let mut found = self.stalled(now);
        let failing = self.store.state.is_failing();
        found.extend(failing.map(|why| format!("the state cannot be written: {}", why.words())));
        for state in self.store.dataset_states()? {
            let used = plant.datasets_in_use().iter().any(|used| used.name == state.dataset);
            if let (true, Some(since)) = (used, state.failing_since.filter(|at| LATE < now - *at)) {
                let length = words(now - since);
                found.push(format!("`{}` gives no data for {length}", state.dataset));
            }
        }
        found.extend(self.waiting_rules(&plant, now)?);
        for slot in self.overdue()? {
            found.push(format!("digest `{}` is overdue since {}", slot.digest, slot.planned_at));
        }
        // The owner is told of all else; who tells that the owner cannot be told?
        let held = |name: &str| self.store.state.read(|tx| pulse::held(tx, name, now - LATE));
        let by_alarm = match &plant.alarm {
            Some(alarm) => held(alarm)?.is_none(),
            None => false,
        };
        if let (false, Some(reason)) = (by_alarm, held(SMTP)?) {
            found.push(format!("the owner cannot be told: {reason}"));
        }
        let more = found.len().saturating_sub(REASONS_MAX);
        found.truncate(REASONS_MAX);
        found.extend((more > 0).then(|| format!("{more} more")));
        Ok(found)
    }

    /// Loops that stand still or fail.
    fn stalled(&self, now: DateTime<Utc>) -> Vec<String> {
        let pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let began = pulse.began.unwrap_or(now);
        let mut found = Vec::new();
        for part in PARTS {
            let turn = pulse.turns.get(part);
            let last = turn.map_or(began, |turn| turn.at);
            if STALLED < now - last {
                found.push(format!("{part} stand still for {}", words(now - last)));
            }
            if let Some((since, why)) = turn.and_then(|turn| turn.failing.as_ref())
                && STALLED < now - *since
            {
                found.push(format!("{part} fail for {}: {why}", words(now - *since)));
            }
        }
        found
    }

    /// Rules with a slot that waits for data beyond its usual time.
    fn waiting_rules(&self, plant: &Plant, now: DateTime<Utc>) -> Result<Vec<String>, EngineError> {
        let mut found = Vec::new();
        for rule in plant.rules.values() {
            let read = super::evaluate::datasets(rule);
            let until = self.store.state.read(|tx| incidents::evaluated_until(tx, &rule.name))?;
            // One that was never evaluated begins with the newest slot: its source speaks for it.
            let (Some(until), watermark) = (until, self.store.complete_to(&read)?) else {
                continue;
            };
            let used = plant.datasets.iter().filter(|dataset| read.contains(&dataset.name));
            let cadence = used.map(|dataset| plant.cadence(dataset)).max().unwrap_or(rule.every);
            let due = due_slots(rule, Some(until), watermark, cadence, now);
            let patience = LATE + rule.settle + rule.every + cadence * 2;
            if let Some(slot) = due.waiting.filter(|slot| patience < now - *slot) {
                let length = words(now - slot);
                found.push(format!("rule `{}` waits for data for {length}", rule.name));
            }
        }
        Ok(found)
    }

    /// Writes down how a beat went; a change is told in the log and the ledger.
    async fn remember_beat(
        &self,
        beat: Beat,
        every: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let changed = {
            let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(beat, Beat::Lost(_)) {
                pulse.next = Some(now + AGAIN.min(every));
            }
            // Lengths of time grow: the same trouble is told once.
            let changed = match (&pulse.last, &beat) {
                (None, Beat::Taken) => false,
                (Some(last), beat) => std::mem::discriminant(last) != std::mem::discriminant(beat),
                (None, _) => true,
            };
            pulse.last = Some(beat.clone());
            changed
        };
        if changed {
            match &beat {
                Beat::Taken => tracing::info!("heartbeats are sent and taken again"),
                Beat::Withheld(_) => tracing::error!("heartbeat {}", beat.words()),
                Beat::Lost(_) => tracing::warn!("heartbeat {}", beat.words()),
            }
        }
        self.write(move |tx| {
            if changed {
                ledger::note(tx, now, "heartbeat", "heartbeat", &beat.words())?;
            }
            pulse::put(tx, now, &beat.words(), beat == Beat::Taken)
        })
        .await
    }
}

/// The loops whose standing still means that the work is not done. Pulls are not among them: one may
/// rightly take hours, and what it holds up shows by the rules and digests that wait for it.
const PARTS: [&str; 4] = ["rules", "digests", "deliveries", "housekeeping"];

async fn send(line: &Heartbeat, now: DateTime<Utc>) -> Beat {
    let at = now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let message = Message {
        id: format!("heartbeat-{}", now.timestamp_millis()),
        recipient: "heartbeat".to_owned(),
        bytes: serde_json::json!({ "type": "heartbeat", "timestamp": at }).to_string().into_bytes(),
    };
    match line.to.deliver(&message).await {
        Outcome::Delivered(_) => Beat::Taken,
        Outcome::Retry { reason, .. } => Beat::Lost(reason),
        Outcome::ServerDown(why)
        | Outcome::Rejected(why)
        | Outcome::ReceiverBroken(why)
        | Outcome::Uncertain(why)
        | Outcome::Gone(why) => Beat::Lost(why),
    }
}
