//! Why an incident is where it is, who is told of it and what each was told.

use chrono::{DateTime, Utc};
use rusqlite::Transaction;
use serde::Serialize;

use super::{Moment, route_of, state_at};
use crate::domain::incident::{Incident, State, words};
use crate::domain::notification::{Decision, Notice};
use crate::domain::rule::{Hold, Reading, Rule, WhenGone};
use crate::engine::{Destination, Plant};
use crate::store::state::history::{self, Delivered};
use crate::store::state::{StateError, outbox};

/// At most so many notices, the newest.
const NOTICES_MAX: usize = 50;

/// Why an incident is as it is.
#[derive(Clone, Debug, Serialize)]
pub struct OfIncident {
    /// Its id.
    pub incident: String,
    /// Its group as people read it.
    pub group: String,
    /// Where it stands.
    pub state: &'static str,
    /// The level it is at.
    pub level: String,
    /// Its first breach.
    pub began: DateTime<Utc>,
    /// When it fired.
    pub fired: Option<DateTime<Utc>>,
    /// When it ended.
    pub resolved: Option<DateTime<Utc>>,
    /// Why it is there, in sentences.
    pub why: Vec<String>,
    /// The route that picks it; `None`: none does.
    pub route: Option<String>,
    /// Who is told and who is not, and why.
    pub receivers: Vec<OfReceiver>,
    /// What was told, oldest first.
    pub notices: Vec<ToldOnce>,
    /// What comes next if nothing changes: when and what, soonest first.
    pub next: Vec<(DateTime<Utc>, String)>,
}

/// Why a receiver is told, or not.
#[derive(Clone, Debug, Serialize)]
pub struct OfReceiver {
    /// Its name; `None`: all.
    pub receiver: Option<String>,
    /// Whether it is told something now: the daemon is about to.
    pub told_now: bool,
    /// Why.
    pub reason: String,
    /// Until when, where that is known and nothing else happens.
    pub until: Option<DateTime<Utc>>,
}

/// One notice.
#[derive(Clone, Debug, Serialize)]
pub struct ToldOnce {
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// To whom.
    pub receiver: String,
    /// What, in one word.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
    /// What became of its messages; none where the receiver was gone, or they are past their
    /// retention.
    pub deliveries: Vec<Sent>,
}

/// What became of one message.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// The delivery's number, for `outbox show`.
    pub delivery: i64,
    /// To which address, or the receiver's name.
    pub to: String,
    /// Where it stands.
    pub state: String,
    /// Tries so far.
    pub attempts: u32,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What the far side said.
    pub said: Option<String>,
}

/// Explains one incident.
pub(super) fn explain(
    tx: &Transaction<'_>,
    plant: &Plant,
    decision: &Decision,
    incident: &Incident,
    moment: Moment,
) -> Result<OfIncident, StateError> {
    let state = match moment.past {
        true => state_at(incident, moment.now),
        false => incident.state,
    };
    let rule = plant.rules.get(&incident.rule).map(AsRef::as_ref);
    let route = route_of(plant, incident);
    let notices = history::notices_about(tx, incident, NOTICES_MAX)?;
    let until_then = notices.iter().filter(|notice| moment.knows(notice.at));
    let notices =
        until_then.map(|notice| told_once(tx, plant, notice)).collect::<Result<_, _>>()?;
    let shown = |at: Option<DateTime<Utc>>| at.filter(|at| moment.knows(*at));
    Ok(OfIncident {
        incident: incident.id.clone(),
        group: incident.group.name(),
        state: state.word(),
        level: incident.level.name.clone(),
        began: incident.began,
        fired: shown(incident.fired_at),
        resolved: shown(incident.resolved.map(|end| end.at)),
        why: why(plant, rule, incident, state, moment),
        receivers: receivers(decision, incident),
        notices,
        next: match moment.past {
            true => Vec::new(),
            false => next(rule, decision, incident),
        },
        route: route.map(|(words, to)| format!("{words}, to {}", to.join(", "))),
    })
}

fn told_once(tx: &Transaction<'_>, plant: &Plant, notice: &Notice) -> Result<ToldOnce, StateError> {
    // Messages are owed in the commit of their notice; those of one thread and moment are told apart
    // by where they go.
    let of_notice = |delivered: &Delivered| match plant.receivers.get(&notice.receiver) {
        Some(line) => match &line.destination {
            Destination::Mail(to) => {
                delivered.receiver == outbox::SMTP && to.contains(&delivered.recipient)
            }
            Destination::Post(..) => delivered.receiver == notice.receiver,
        },
        None => delivered.receiver == notice.receiver,
    };
    let deliveries = history::deliveries_of(tx, &notice.thread, notice.at)?.into_iter();
    let sent = deliveries.filter(of_notice).map(|delivered| Sent {
        delivery: delivered.id,
        to: delivered.recipient,
        state: delivered.state,
        attempts: delivered.attempts,
        finished_at: delivered.finished_at,
        said: delivered.said,
    });
    Ok(ToldOnce {
        at: notice.at,
        receiver: notice.receiver.clone(),
        kind: notice.kind.word(),
        reason: notice.reason.clone(),
        deliveries: sent.collect(),
    })
}

/// Why it is where it is.
fn why(
    plant: &Plant,
    rule: Option<&Rule>,
    incident: &Incident,
    state: State,
    moment: Moment,
) -> Vec<String> {
    let civil = |at: DateTime<Utc>| plant.zone.civil(at).format("%Y-%m-%d %H:%M").to_string();
    let mut lines = vec![format!("its first breach was at {}", civil(incident.began))];
    if let Some(fired) = incident.fired_at.filter(|at| moment.knows(*at)) {
        let value =
            incident.value_at_fire.map(|value| format!(" with {value}")).unwrap_or_default();
        let held = words(incident.held.counted);
        lines.push(format!("it fired at {}{value}: in breach for {held}", civil(fired)));
    }
    match state {
        State::Pending => lines.push(match rule {
            Some(rule) => format!(
                "pending: in breach for {}, and told after {}",
                words(incident.held.counted),
                hold_words(rule.hold)
            ),
            None => "pending: nobody is told".to_owned(),
        }),
        State::Firing if !moment.past => lines.push(format!(
            "firing at level {} ({}) since {}",
            incident.level.name,
            incident.threshold(),
            civil(incident.level_since)
        )),
        State::Firing => lines.push("firing".to_owned()),
        State::Recovering => {
            let clear = incident.clear.map(|clear| words(clear.counted)).unwrap_or_default();
            let keep = rule.map(|rule| hold_words(rule.keep_firing_for)).unwrap_or_default();
            lines.push(format!("recovering: clear for {clear}, and over after {keep}"));
        }
        State::Resolved => {
            let end = incident.resolved;
            let at = end.map(|end| civil(end.at)).unwrap_or_default();
            let reason = end.map_or("", |end| end.reason.words());
            lines.push(format!("over since {at}: {reason}"));
        }
    }
    if !moment.past && incident.is_open() {
        lines.push(format!(
            "last read at {}: {}",
            civil(incident.last_read_at),
            last_reading(incident)
        ));
        if let (Some(gone), Some(WhenGone::ResolveAfter(after))) =
            (incident.gone, rule.map(|rule| rule.when_gone))
        {
            let (counted, after) = (words(gone.counted), words(after));
            lines.push(format!("its group is gone for {counted}: closed after {after}"));
        }
    }
    lines
}

fn last_reading(incident: &Incident) -> String {
    match incident.last_reading {
        Reading::Value(value) => match incident.records {
            Some(records) => format!("{value} of {records} records"),
            None => value.to_string(),
        },
        Reading::Empty => "empty: no value, or too few records".to_owned(),
        Reading::Gone => "gone: no records in a complete window".to_owned(),
        Reading::Unknown => "unknown: its data could not be seen".to_owned(),
    }
}

fn hold_words(hold: Hold) -> String {
    match hold {
        Hold::Length(length) => words(length),
        Hold::Evaluations(count) => format!("{count} evaluations"),
    }
}

/// Who is told now and who is not.
fn receivers(decision: &Decision, incident: &Incident) -> Vec<OfReceiver> {
    let about = |notice: &&Notice| {
        notice.items.iter().any(|item| item.incident.id == incident.id)
            || notice.passed.iter().any(|passed| passed.incident == incident.id)
    };
    let told = decision.notices.iter().filter(about).map(|notice| OfReceiver {
        receiver: Some(notice.receiver.clone()),
        told_now: true,
        reason: format!("{}: {}", notice.kind.word(), notice.reason),
        until: None,
    });
    let quiet = decision.quiet.iter().filter(|quiet| quiet.incident == incident.id);
    let quiet = quiet.map(|quiet| OfReceiver {
        receiver: quiet.receiver.clone(),
        told_now: false,
        reason: quiet.reason.clone(),
        until: quiet.until,
    });
    told.chain(quiet).collect()
}

/// What comes next if every reading stays as it is.
fn next(
    rule: Option<&Rule>,
    decision: &Decision,
    incident: &Incident,
) -> Vec<(DateTime<Utc>, String)> {
    let mut next = Vec::new();
    let over = |hold: Hold, counted, last: DateTime<Utc>| match hold {
        // Lengths are counted by what readings vouch for: without a gap this is when it is over.
        Hold::Length(length) => Some(last + (length - counted)),
        Hold::Evaluations(_) => None,
    };
    if let Some(rule) = rule {
        match (incident.state, incident.clear) {
            (State::Pending, _) => {
                let held = incident.held;
                let at = over(rule.hold, held.counted, held.last);
                next.extend(at.map(|at| (at, "it fires, if it is still in breach".to_owned())));
            }
            (State::Recovering, Some(clear)) => {
                let at = over(rule.keep_firing_for, clear.counted, clear.last);
                next.extend(at.map(|at| (at, "it is over, if it is still clear".to_owned())));
            }
            _ => {}
        }
    }
    for quiet in decision.quiet.iter().filter(|quiet| quiet.incident == incident.id) {
        let who = quiet.receiver.as_deref().unwrap_or("every receiver");
        next.extend(quiet.until.map(|at| (at, format!("{who} is decided about anew"))));
    }
    next.sort();
    next
}
