//! Explaining: why a rule or an incident is as it is, who is told and who is not, and what comes
//! next. It reads and writes nothing: the rule is read again over the stored records, and the same
//! decision that notifies is made over what is stored, for the reasons in it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::board::Board;
use super::evaluate::{Answers, Scans, datasets};
use super::observe::observe;
use super::{Engine, EngineError, Plant, notify};
use crate::domain::incident::{Incident, State, words};
use crate::domain::notification::Decision;
use crate::domain::route::pick;
use crate::domain::rule::slots::{Slot, due_slots};
use crate::domain::rule::{Kind, Rule};
use crate::store::StoreError;
use crate::store::state::{StateError, history, incidents, ledger};

mod incident;
mod readings;

pub use incident::{OfIncident, OfReceiver, Sent, ToldOnce};
pub use readings::Seen;

/// So many of the newest slots are read again.
const SLOTS_SHOWN: i32 = 6;
/// At most so many incidents of a rule, those that began last.
const INCIDENTS_MAX: usize = 20;
/// At most so many decisions of the ledger.
const DECISIONS_MAX: usize = 30;

/// Why something is as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The rule it is about.
    pub rule: String,
    /// Its title; `None`: it is not in the config.
    pub title: Option<String>,
    /// When it is about.
    pub at: DateTime<Utc>,
    /// How the rule is evaluated: up to where, what it waits for, when it comes next.
    pub evaluation: Vec<String>,
    /// What the newest slots see, newest first, the worst groups of each first.
    pub readings: Vec<Seen>,
    /// Its incidents, those that began last first; or the one that was asked for.
    pub incidents: Vec<OfIncident>,
    /// What the ledger says, oldest first.
    pub decisions: Vec<Decided>,
}

/// A line of the ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Decided {
    /// When.
    pub at: DateTime<Utc>,
    /// What kind of decision.
    pub kind: String,
    /// What and why.
    pub text: String,
}

/// What a name stands for.
enum Subject {
    Rule(String),
    Incident(Box<Incident>),
}

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// No rule and no incident is called so.
    #[error("there is no rule and no incident `{name}`")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// All names there are.
        names: Vec<String>,
    },
    /// Several incidents begin so.
    #[error("several incidents begin with `{name}`: {}", ids.join(", "))]
    Several {
        /// As it was asked for.
        name: String,
        /// Their ids.
        ids: Vec<String>,
    },
    /// What is stored cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StateError> for ExplainError {
    fn from(err: StateError) -> Self {
        ExplainError::Engine(err.into())
    }
}

impl Engine {
    /// Explains a rule by its name or an incident by its id, or the beginning of it, as it is now or
    /// as far as is known was `at` an instant. Blocks.
    ///
    /// # Errors
    /// The name is unknown, or what is stored cannot be read.
    pub fn explain(
        &self,
        name: &str,
        at: Option<DateTime<Utc>>,
    ) -> Result<Explanation, ExplainError> {
        let (plant, now) = (self.plant(), self.clock.now());
        let board = self.store.state.read(Board::read)?;
        let subject = self.subject(&plant, &board, name)?;
        let (rule_name, only) = match &subject {
            Subject::Rule(name) => (name.clone(), None),
            Subject::Incident(incident) => (incident.rule.clone(), Some(incident.id.clone())),
        };
        let rule = plant.rules.get(&rule_name).map(AsRef::as_ref);
        let decision = match at {
            None => notify::looked_at(&self.store, &plant, &board, now)?,
            // What was decided then is in the ledger.
            Some(_) => Decision::default(),
        };
        let moment = Moment { now: at.unwrap_or(now), past: at.is_some() };
        let readings = match (rule, &only) {
            (Some(rule), _) if rule.kind == Kind::State => {
                let group = match &subject {
                    Subject::Incident(incident) => Some(incident.group.key.as_str()),
                    Subject::Rule(_) => None,
                };
                self.readings(&plant, &board, rule, group, moment)?
            }
            _ => Vec::new(),
        };
        Ok(Explanation {
            title: rule.map(|rule| rule.title.clone()),
            at: moment.now,
            evaluation: self.evaluation(&plant, rule, &rule_name, moment)?,
            readings,
            incidents: self.incidents(&plant, &decision, &subject, moment)?,
            decisions: self.decisions(&rule_name, only.as_deref(), moment)?,
            rule: rule_name,
        })
    }

    fn subject(&self, plant: &Plant, board: &Board, name: &str) -> Result<Subject, ExplainError> {
        let state = &self.store.state;
        let mut rules: Vec<String> = board.rules_known().into_iter().collect();
        rules.extend(plant.rules.keys().cloned());
        if rules.iter().any(|rule| rule == name) {
            return Ok(Subject::Rule(name.to_owned()));
        }
        let found = match name.is_empty() {
            true => Vec::new(),
            false => state.read(|tx| history::begins_with(tx, name, 10))?,
        };
        match <[Incident; 1]>::try_from(found) {
            Ok([only]) => Ok(Subject::Incident(Box::new(only))),
            Err(several) if several.is_empty() => {
                let wanted = history::Wanted { limit: INCIDENTS_MAX, ..Default::default() };
                let ids = state.read(|tx| history::incidents(tx, &wanted))?;
                rules.extend(ids.into_iter().map(|past| past.incident.id));
                rules.sort();
                rules.dedup();
                Err(ExplainError::Unknown { name: name.to_owned(), names: rules })
            }
            Err(several) => Err(ExplainError::Several {
                name: name.to_owned(),
                ids: several.into_iter().map(|incident| incident.id).collect(),
            }),
        }
    }

    /// Up to where a rule is evaluated, what it waits for and when it comes next, in sentences.
    fn evaluation(
        &self,
        plant: &Plant,
        rule: Option<&Rule>,
        name: &str,
        moment: Moment,
    ) -> Result<Vec<String>, EngineError> {
        let civil = |at: DateTime<Utc>| plant.zone.civil(at).format("%Y-%m-%d %H:%M").to_string();
        let Some(rule) = rule else {
            return Ok(vec![format!("rule `{name}` is not in the config: nothing evaluates it")]);
        };
        let mut lines = Vec::new();
        if rule.kind == Kind::Event {
            lines.push("an event rule: each new record that matches is told once".to_owned());
        }
        if moment.past {
            lines.push(format!("as of {}; records are read as they are today", civil(moment.now)));
            return Ok(lines);
        }
        let read = datasets(rule);
        let until = self.store.state.read(|tx| incidents::evaluated_until(tx, name))?;
        lines.push(match until {
            Some(until) => format!("evaluated up to {}", civil(until)),
            None => "not evaluated yet: it begins with the first slot its data reaches".to_owned(),
        });
        let watermark = self.store.complete_to(&read)?;
        match watermark {
            Some(to) => lines.push(format!(
                "its data ({}) is complete to {}, {} behind",
                read.join(", "),
                civil(to),
                words(moment.now - to)
            )),
            None => lines.push(format!("its data ({}) is not loaded yet", read.join(", "))),
        }
        let used = plant.datasets.iter().filter(|dataset| read.contains(&dataset.name));
        let cadence = used.map(|dataset| plant.cadence(dataset)).max().unwrap_or(rule.every);
        let due = due_slots(rule, until, watermark, cadence, moment.now);
        if let Some(slot) = due.waiting {
            let settle = rule.window.map_or(TimeDelta::zero(), |_| rule.settle);
            lines.push(format!(
                "the slot of {} waits for its data: it is judged when the source is complete to {}",
                civil(slot),
                civil(slot + settle)
            ));
        }
        if let Some(hours) = &rule.during
            && !hours.contains(moment.now)
        {
            lines.push(
                "outside the hours of `during`: nothing is judged, open incidents stay as \
                        they are"
                    .to_owned(),
            );
        }
        for state in self.store.dataset_states()? {
            if let (true, Some(since)) = (read.contains(&state.dataset), state.failing_since) {
                let why = state.failure.map(|(_, why)| why).unwrap_or_default();
                let name = &state.dataset;
                lines.push(format!("blind: `{name}` gives no data since {}: {why}", civil(since)));
            }
        }
        Ok(lines)
    }

    /// What the newest slots of a rule see; of one group where that is named.
    fn readings(
        &self,
        plant: &Plant,
        board: &Board,
        rule: &Rule,
        group: Option<&str>,
        moment: Moment,
    ) -> Result<Vec<Seen>, EngineError> {
        let watermark = self.store.complete_to(&datasets(rule))?;
        let Some(watermark) = watermark else { return Ok(Vec::new()) };
        let (scans, open) = (Scans::default(), board.open_of(&rule.name));
        let mut seen = Vec::new();
        for slot in slots(rule, watermark, moment) {
            let observed = self.store.read_records(|view| {
                observe(&Answers::new(view, &scans), plant, rule, &slot, open)
            });
            match observed {
                Ok(observed) => seen.extend(readings::of_slot(rule, &slot, observed, group)),
                Err(StoreError::Loading(_)) => seen.push(Seen::unknown(&slot)),
                Err(err) => return Err(err.into()),
            }
        }
        Ok(seen)
    }

    fn incidents(
        &self,
        plant: &Plant,
        decision: &Decision,
        subject: &Subject,
        moment: Moment,
    ) -> Result<Vec<OfIncident>, EngineError> {
        let of_rule = |rule: &String| {
            let wanted = history::Wanted {
                rule: Some(rule.clone()),
                limit: INCIDENTS_MAX,
                ..Default::default()
            };
            self.store.state.read(|tx| history::incidents(tx, &wanted))
        };
        let all: Vec<Incident> = match subject {
            Subject::Incident(incident) => vec![(**incident).clone()],
            Subject::Rule(rule) => of_rule(rule)?.into_iter().map(|past| past.incident).collect(),
        };
        let known = all.into_iter().filter(|incident| moment.knows(incident.began));
        Ok(self.store.state.read(|tx| {
            known.map(|known| incident::explain(tx, plant, decision, &known, moment)).collect()
        })?)
    }

    fn decisions(
        &self,
        rule: &str,
        incident: Option<&str>,
        moment: Moment,
    ) -> Result<Vec<Decided>, EngineError> {
        let wanted = ledger::Wanted {
            subject: Some(incident.unwrap_or(rule).to_owned()),
            until: moment.past.then_some(moment.now),
            limit: DECISIONS_MAX,
            ..Default::default()
        };
        let found = self.store.state.read(|tx| ledger::find(tx, &wanted))?;
        let decided = found.into_iter().rev();
        Ok(decided
            .map(|entry| Decided { at: entry.at, kind: entry.kind, text: entry.text })
            .collect())
    }
}

/// When something is explained.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: DateTime<Utc>,
    /// Whether it is not the present: what changes without a trace is not known.
    past: bool,
}

impl Moment {
    /// Whether something of then was known. At present everything is that is stored, whatever the
    /// clock of this machine says.
    fn knows(self, at: DateTime<Utc>) -> bool {
        !self.past || at <= self.now
    }
}

/// The newest slots whose data is there, newest first. The past of a state is not kept: of a rule
/// without window there is the newest alone, and none of a past moment.
fn slots(rule: &Rule, watermark: DateTime<Utc>, moment: Moment) -> Vec<Slot> {
    let every = rule.every.max(TimeDelta::seconds(1));
    let settle = rule.window.map_or(TimeDelta::zero(), |_| rule.settle);
    let newest = watermark - settle;
    let newest = if moment.past { newest.min(moment.now) } else { newest };
    let past = newest.timestamp_millis().rem_euclid(every.num_milliseconds());
    let whole = DateTime::from_timestamp_millis(newest.timestamp_millis() - past);
    let newest = whole.unwrap_or(newest);
    let count = match rule.window {
        Some(_) => SLOTS_SHOWN,
        None if moment.past => 0,
        None => 1,
    };
    let slot = |back: i32| {
        let at = newest - every * back;
        let window =
            rule.window.map(|length| crate::domain::period::Window { from: at - length, to: at });
        Slot { at, window, reach: every }
    };
    (0..count).map(slot).collect()
}

/// The route an incident is told by, in words.
fn route_of(plant: &Plant, incident: &Incident) -> Option<(String, Vec<String>)> {
    let route = &plant.routes[pick(&plant.routes, &incident.labels())?];
    Some((route.words(), route.to.clone()))
}

/// Where an incident stood at an instant, as far as its own times say.
fn state_at(incident: &Incident, at: DateTime<Utc>) -> State {
    match (incident.fired_at, incident.resolved) {
        (_, Some(end)) if end.at <= at => State::Resolved,
        (Some(fired), _) if fired <= at => match incident.state {
            // When it began to recover is not kept once it is over.
            State::Recovering if incident.clear.is_some_and(|clear| clear.since <= at) => {
                State::Recovering
            }
            _ => State::Firing,
        },
        _ => State::Pending,
    }
}
