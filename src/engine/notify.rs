//! Notifying: notices become messages, in the transaction that stores what they are about.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;

use super::evaluate::Outcome;
use super::{Destination, Plant};
use crate::domain::delivery::Message;
use crate::domain::incident::{Incident, Reason};
use crate::domain::notification::{self, Decision, Notice};
use crate::domain::period::Window;
use crate::render::{self, Envelope, IncidentKind, IncidentMail, PassedIncident};
use crate::store::state::outbox::{Kind, Owed, SMTP};
use crate::store::state::{StateError, incidents, ledger, outbox};

/// Decides who is owed what about some incidents and owes it.
pub(super) fn owe(
    tx: &Transaction<'_>,
    plant: &Plant,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    for decision in decisions(tx, plant, outcome, now)? {
        commit(tx, plant, &decision, now)?;
    }
    Ok(())
}

/// Whether nobody is owed anything about some incidents: then nothing has to be written.
pub(super) fn nothing_owed(
    tx: &Transaction<'_>,
    plant: &Plant,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<bool, StateError> {
    let decisions = decisions(tx, plant, outcome, now)?;
    Ok(decisions.iter().all(|decision| decision.notices.is_empty() && decision.told.is_empty()))
}

fn decisions(
    tx: &Transaction<'_>,
    plant: &Plant,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<Vec<Decision>, StateError> {
    let mut groups: BTreeMap<&str, Vec<Incident>> = BTreeMap::new();
    // Oldest first: one group's incidents are told together.
    for incident in outcome.ended.iter().chain(outcome.open.values()) {
        groups.entry(&incident.group.key).or_default().push(incident.clone());
    }
    let mut decisions = Vec::with_capacity(groups.len());
    for about in groups.values_mut() {
        about.sort_by_key(|incident| incident.began);
        let mut told = Vec::new();
        for incident in about.iter() {
            told.extend(incidents::told(tx, &incident.id)?);
        }
        decisions.push(notification::decide(about, &told, &plant.routes, now));
    }
    Ok(decisions)
}

fn commit(
    tx: &Transaction<'_>,
    plant: &Plant,
    decision: &Decision,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    for notice in &decision.notices {
        let messages = messages(plant, notice, now);
        for message in &messages {
            outbox::owe(tx, message, now)?;
        }
        let lost = if messages.is_empty() { " (not sent: the receiver is gone)" } else { "" };
        let (word, receiver, why) = (notice.kind.word(), &notice.receiver, &notice.reason);
        let text = format!("{word} to `{receiver}`: {why}{lost}");
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
        made_of: None,
    };
    match (plant.receivers.get(&notice.receiver), &plant.mail) {
        (Some(Destination::Webhook(_)), _) => {
            let id = render::mail::webhook_id(&[&notice.key]);
            let bytes = render::incident_payload(&mail, &rendered);
            vec![owe(&notice.receiver, Message { id, recipient: notice.receiver.clone(), bytes })]
        }
        (Some(Destination::Mail(addresses)), Some(line)) => addresses
            .iter()
            .filter_map(|to| {
                let domain = render::mail::domain_of(&line.from);
                let id = render::mail::message_id(&[&notice.key, to], domain);
                let thread = render::mail::message_id(&[&notice.incident.id, to], domain);
                let envelope = Envelope {
                    cc: Vec::new(),
                    reply_to: None,
                    unsubscribe_token: None,
                    one_click: None,
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

/// What is told, from the incident as it is and its rule as it is configured (a removed rule leaves
/// what the incident remembers of it).
fn incident_mail(plant: &Plant, notice: &Notice) -> IncidentMail {
    let incident = &notice.incident;
    let rule = plant.rules.get(&incident.rule);
    // An incident is over when its lowest level is left.
    let lowest = rule.and_then(|rule| rule.levels.first());
    let levels = incident.about.levels.len();
    IncidentMail {
        kind: match notice.kind {
            notification::Kind::Fired => IncidentKind::Fired,
            notification::Kind::LevelUp => IncidentKind::LevelUp,
            notification::Kind::Reminder => IncidentKind::Reminder,
            notification::Kind::Resolved => IncidentKind::Resolved,
        },
        incident: incident.id.clone(),
        rule: incident.rule.clone(),
        title: incident.about.title.clone(),
        group: incident.group.shown.clone(),
        level: incident.level.name.clone(),
        severe: levels > 1 && incident.level.index + 1 == levels,
        previous_level: None,
        value: incident.value,
        format: incident.about.format,
        threshold: notice.threshold.parse().ok(),
        recover: lowest.map(|level| level.recover.unwrap_or(level.breach.negation())),
        keep_firing_for: rule.map_or(TimeDelta::zero(), |rule| rule.keep_firing_for),
        records: None,
        window: rule.and_then(|rule| rule.window).map(|length| Window {
            from: incident.last_read_at - length,
            to: incident.last_read_at,
        }),
        at: incident.last_read_at,
        began: incident.began,
        fired: incident.fired_at.unwrap_or(incident.began),
        resolved: incident.resolved.map(|resolved| resolved.at),
        closed: incident
            .resolved
            .filter(|resolved| resolved.reason != Reason::Cleared)
            .map(|resolved| resolved.reason.words().to_owned()),
        passed: notice.passed.iter().map(passed).collect(),
        passed_more: notice.passed_more,
        worst: incident.worst,
        value_at_fire: incident.value_at_fire,
        reason: notice.reason.clone(),
        sequence: notice.seq,
        labels: incident.about.labels.clone(),
        runbook: incident.about.runbook.clone(),
        zone: plant.zone.clone(),
        locale: plant.locale.clone(),
        instance: None,
        owner: plant.owner.clone(),
        look: plant.look.clone(),
    }
}

fn passed(passed: &notification::Passed) -> PassedIncident {
    PassedIncident {
        began: passed.began,
        ended: passed.ended,
        level: passed.peak.name.clone(),
        worst: passed.worst,
    }
}
