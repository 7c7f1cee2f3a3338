//! Incidents that fired and ended before somebody who was owed their beginning was told, each by
//! itself: one message that says so.

use super::super::super::incident::Incident;
use super::super::{Change, Kind, PASSED_MAX, Told, late_words};
use super::Work;
use super::draft::{Line, carriers, passed};
use super::unit::{ended, moved};

/// Those of one rule and group are lines in the notice of the incident that is open now, if there is
/// one for the receiver; else one closing notice of the newest, with the others as lines.
pub(super) fn decide(work: &mut Work<'_>) {
    let carriers = carriers(&work.drafts);
    for ((rule, group, receiver), mut incidents) in std::mem::take(&mut work.passed) {
        incidents.sort_by_key(|(incident, _)| (incident.began, &incident.id));
        let Some((newest, index)) = incidents.last().copied() else { continue };
        let route = &work.world.routes[index];
        let key = (rule.to_owned(), group.to_owned(), receiver.to_owned());
        let carrier = carriers.get(&key).copied();
        let first = incidents.iter().map(|(incident, _)| moved(incident)).min();
        let due = first.map_or(work.now, |first| first + route.wait);
        if carrier.is_none() && due > work.now {
            for (incident, _) in &incidents {
                work.waiting.push((incident, receiver));
                work.quiet(
                    incident,
                    Some(receiver),
                    "it waits as long as its route says",
                    Some(due),
                );
            }
            continue;
        }
        let (at, lines) = match carrier {
            Some(at) => (at, incidents.as_slice()),
            None => {
                let late = work.late(newest, newest.fired_at, Some(route));
                let (end, words) = (ended(newest), late_words(late));
                let mut line = Line::new(newest, Change::Resolved);
                let found = work.world.corrections.iter().filter(|c| c.incident == newest.id);
                line.remarks = found.map(|correction| correction.words.clone()).collect();
                let reason = match line.remarks.is_empty() {
                    true => format!("it fired and ended before anybody was told: {end}{words}"),
                    // It would have fired, had its records come in time.
                    false => format!(
                        "late or edited records changed what was judged: {}",
                        line.remarks.join(" ")
                    ),
                };
                let place = (newest.id.as_str(), 1, receiver);
                let mut draft = work.draft(Kind::Resolved, place, vec![line], reason);
                draft.notice.late = late;
                draft.told = vec![once(work, newest, receiver)];
                draft.beginnings = vec![newest];
                work.drafts.push(draft);
                (work.drafts.len() - 1, &incidents[..incidents.len() - 1])
            }
        };
        let told: Vec<Told> =
            lines.iter().map(|(incident, _)| once(work, incident, receiver)).collect();
        let draft = &mut work.drafts[at];
        draft.told.extend(told);
        draft.beginnings.extend(lines.iter().map(|(incident, _)| *incident));
        let notice = &mut draft.notice;
        notice.passed_more = lines.len().saturating_sub(PASSED_MAX);
        notice.passed =
            lines[notice.passed_more..].iter().map(|(incident, _)| passed(incident)).collect();
        if !lines.is_empty() {
            notice.reason += &format!("; {} more fired and ended before it", lines.len());
        }
    }
}

/// Told once, and with that to its end.
fn once(work: &Work<'_>, incident: &Incident, receiver: &str) -> Told {
    work.knows(incident, receiver, &incident.id, None, true)
}
