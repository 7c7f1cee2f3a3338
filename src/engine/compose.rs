//! Composing: a notice and what the records say beside it become the content of a message.

use chrono::TimeDelta;

use super::{EngineError, Plant};
use crate::domain::incident::Reason;
use crate::domain::notification::{self, Change, Item, Notice};
use crate::domain::period::Window;
use crate::render::{Context, IncidentKind, IncidentMail, NotificationMail, PassedIncident};
use crate::store::Store;

/// The content of a notice. A record store that cannot be read costs the evidence, not the notice.
pub(super) fn compose(
    _store: &Store,
    plant: &Plant,
    notice: &Notice,
) -> Result<NotificationMail, EngineError> {
    Ok(NotificationMail {
        kind: notice.kind,
        key: notice.key.clone(),
        thread: notice.thread.clone(),
        sequence: notice.seq,
        at: notice.at,
        reason: notice.reason.clone(),
        grouped_by: notice.grouped_by.clone(),
        items: notice.items.iter().map(|item| incident_mail(plant, notice, item)).collect(),
        more_firing: notice.more_firing,
        more_ended: notice.more_ended,
        records: notice.records.clone(),
        records_more: notice.records_more,
        instead_of: notice.instead_of.clone(),
        late: notice.late,
        data: Vec::new(),
        zone: plant.zone.clone(),
        locale: plant.locale.clone(),
        owner: plant.owner.clone(),
        public_url: plant.public_url.clone(),
        look: plant.look.clone(),
    })
}

/// What is told, from the incident as it is and its rule as it is configured (a removed rule leaves
/// what the incident remembers of it).
fn incident_mail(plant: &Plant, notice: &Notice, item: &Item) -> IncidentMail {
    let incident = &item.incident;
    let rule = plant.rules.get(&incident.rule);
    // An incident is over when its lowest level is left.
    let lowest = rule.and_then(|rule| rule.levels.first());
    let levels = incident.about.levels.len();
    IncidentMail {
        kind: match item.change {
            Change::Fired => IncidentKind::Fired,
            Change::LevelUp => IncidentKind::LevelUp,
            Change::Still => IncidentKind::Reminder,
            Change::Corrected => IncidentKind::Corrected,
            Change::Resolved => IncidentKind::Resolved,
        },
        incident: incident.id.clone(),
        rule: incident.rule.clone(),
        title: incident.about.title.clone(),
        group: incident.group.shown.clone(),
        level: incident.level.name.clone(),
        severe: levels > 1 && incident.level.index + 1 == levels,
        previous_level: item.from.as_ref().map(|level| level.name.clone()),
        value: incident.value,
        format: incident.about.format,
        threshold: incident.threshold().parse().ok(),
        recover: lowest.map(|level| level.recover.unwrap_or(level.breach.negation())),
        keep_firing_for: rule
            .map_or(TimeDelta::zero(), |rule| rule.keep_firing_for.length(rule.every)),
        records: incident.records,
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
        context: Context {
            usual: incident.usual,
            usual_is: None,
            rule_owner: incident.about.owner.clone(),
            ack: item.ack.clone(),
            recent: item.recent,
            remarks: item.remarks.clone(),
            evidence: None,
            evidence_lost: None,
            course: None,
        },
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
