//! Corrections: whoever was told what turned out wrong is told so, in the same thread.

use std::collections::BTreeMap;

use super::super::super::incident::Incident;
use super::super::super::route::pick;
use super::super::{Change, Correction, Kind, Thread, Told};
use super::Work;
use super::draft::Line;

pub(super) fn decide(work: &mut Work<'_>) {
    let mut by_incident: BTreeMap<&str, Vec<&Correction>> = BTreeMap::new();
    for correction in work.world.corrections {
        by_incident.entry(&correction.incident).or_default().push(correction);
    }
    for (id, mut corrections) in by_incident {
        corrections.sort_by_key(|correction| correction.number);
        let mut waits = false;
        if let Some(incident) = work.world.incidents.get(id) {
            let known: Vec<&Told> = work.told(id).filter(|told| told.knows()).collect();
            for told in known {
                let news = corrections.iter().filter(|c| c.number > told.corrected);
                let news: Vec<&Correction> = news.copied().collect();
                if !news.is_empty() {
                    waits |= !tell(work, incident, told, &news);
                }
            }
        }
        if !waits {
            let told = corrections.iter().map(|c| (c.incident.clone(), c.number));
            work.decision.told_corrections.extend(told);
        }
    }
}

/// Whether the receiver is told now.
fn tell<'a>(
    work: &mut Work<'a>,
    incident: &'a Incident,
    told: &Told,
    news: &[&Correction],
) -> bool {
    let receiver = told.receiver.as_str();
    let route = pick(work.world.routes, &incident.labels());
    let route = route.filter(|index| work.world.routes[*index].reaches(receiver));
    if let Some(shut) = route.and_then(|index| work.shut[index].clone()) {
        let why = format!("{}: its correction is told when it opens", shut.why);
        work.quiet(incident, Some(receiver), why, shut.until);
        return false;
    }
    let words: Vec<&str> = news.iter().map(|correction| correction.words.as_str()).collect();
    let number = news.last().map_or(told.corrected, |correction| correction.number);
    let thread = told.thread.clone().unwrap_or_else(|| incident.id.clone());
    // What is told anyway says it with the rest.
    let same = work.drafts.iter_mut().find(|draft| {
        draft.notice.thread == thread
            && draft.notice.receiver == receiver
            && draft.notice.items.iter().any(|item| item.incident.id == incident.id)
    });
    if let Some(draft) = same
        && let Some(row) = draft.told.iter_mut().find(|row| row.incident == incident.id)
    {
        row.corrected = number;
        for item in draft.notice.items.iter_mut().filter(|item| item.incident.id == incident.id) {
            item.remarks.extend(words.iter().map(|words| (*words).to_owned()));
        }
        return true;
    }
    let single = thread == incident.id;
    // A group may be told something else at the same moment: this follows on it.
    let before = (work.drafts.iter())
        .filter(|draft| draft.notice.thread == thread && draft.notice.receiver == receiver)
        .max_by_key(|draft| draft.notice.seq);
    let drafted = before.map(|draft| draft.notice.seq);
    let stored = work.world.threads.get(&thread).and_then(|by| by.get(receiver));
    let known = before.and_then(|draft| draft.threads.last()).or(stored).cloned();
    let seq = if single { told.times } else { known.as_ref().map_or(0, |row| row.seq) };
    let seq = drafted.unwrap_or(seq) + 1;
    let mut line = Line::new(incident, Change::Corrected);
    line.remarks = words.iter().map(|words| (*words).to_owned()).collect();
    let reason = format!("late or edited records changed what was told: {}", words.join(" "));
    let place = (thread.as_str(), seq, receiver);
    let mut draft = work.draft(Kind::Correction, place, vec![line], reason);
    let times = if single { seq } else { told.times };
    draft.told = vec![Told { corrected: number, times, ..told.clone() }];
    if !single {
        draft.threads.push(Thread {
            thread: thread.clone(),
            receiver: receiver.to_owned(),
            seq,
            // What was corrected is no reminder: those count on from the notice before it.
            at: known.as_ref().map_or(work.now, |row| row.at),
            reminders: known.as_ref().map_or(0, |row| row.reminders),
        });
    }
    work.drafts.push(draft);
    true
}
