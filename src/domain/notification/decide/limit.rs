//! Limits: a receiver takes so many notices in so long. What is beyond it becomes one summary, or
//! waits until the next one may go: nothing is dropped, since what a receiver does not know stays
//! owed.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::super::incident::words;
use super::super::super::route::Labels;
use super::super::{ITEMS_MAX, Kind, PASSED_MAX, SUMMARY, group_id};
use super::Work;
use super::draft::Draft;
use super::unit::row;

/// At most so many notices are made by one decision: what it holds in memory is bounded, whatever
/// begins at once. The rest stays owed, and the decision that follows makes the next.
pub(super) const NOTICES_MAX: usize = 2_000;

/// Drafts become notices, in order: the oldest incident first.
pub(super) fn apply(work: &mut Work<'_>) {
    let mut by_receiver: BTreeMap<String, Vec<Draft<'_>>> = BTreeMap::new();
    for draft in std::mem::take(&mut work.drafts) {
        by_receiver.entry(draft.notice.receiver.clone()).or_default().push(draft);
    }
    let mut sent = Vec::new();
    for (receiver, drafts) in by_receiver {
        match work.world.limits.get(&receiver) {
            Some((limit, per)) => sent.extend(within(work, &receiver, (*limit, *per), drafts)),
            None => sent.extend(drafts),
        }
    }
    // Those of one thread in their own order, whichever incident each begins with: what is stored of
    // the thread last is its last notice.
    let began = |draft: &Draft<'_>| draft.notice.first().map(|incident| incident.began);
    let mut oldest: BTreeMap<String, Option<DateTime<Utc>>> = BTreeMap::new();
    for draft in &sent {
        let known = oldest.entry(draft.notice.thread.clone()).or_insert_with(|| began(draft));
        *known = (*known).min(began(draft));
    }
    sent.sort_by_cached_key(|draft| {
        let thread = &draft.notice.thread;
        (oldest.get(thread).copied().flatten(), thread.clone(), draft.notice.seq)
    });
    let rest = sent.split_off(sent.len().min(NOTICES_MAX));
    for draft in &rest {
        hold(work, draft, "others are told first: too many at once", None);
    }
    if !rest.is_empty() {
        work.decision.next = Some(work.now);
    }
    let mut records: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for draft in sent {
        for record in draft.records {
            records.entry(record).or_default().push(draft.notice.receiver.clone());
        }
        work.decision.told.extend(draft.told);
        work.decision.threads.extend(draft.threads);
        work.decision.notices.push(draft.notice);
    }
    // What is stored of a thread is its last notice, whatever else of it was told beside.
    work.decision.threads.sort_by_key(|row| row.seq);
    settle_records(work, records);
}

fn within<'a>(
    work: &mut Work<'a>,
    receiver: &str,
    (limit, per): (u32, TimeDelta),
    mut drafts: Vec<Draft<'a>>,
) -> Vec<Draft<'a>> {
    let since = work.now - per;
    let sent = work.world.sent.get(receiver).map_or(&[][..], Vec::as_slice);
    let recent: Vec<DateTime<Utc>> = sent.iter().copied().filter(|at| *at > since).collect();
    let free = (limit as usize).saturating_sub(recent.len());
    if drafts.len() <= free {
        return drafts;
    }
    if free == 0 {
        // The next may go when enough of those sent are old enough.
        let freed = recent.len().checked_sub(limit.max(1) as usize);
        let until = freed.and_then(|index| recent.get(index)).map(|at| *at + per);
        let why = format!("the limit of {limit} notices in {} is reached", words(per));
        for draft in drafts {
            hold(work, &draft, &why, until);
        }
        return Vec::new();
    }
    drafts.sort_by_cached_key(|draft| {
        let firing = draft.lines.iter().filter(|line| line.incident.is_open());
        let worst = firing.map(|line| line.incident.level_index(&line.incident.level)).max();
        (std::cmp::Reverse(worst), draft.notice.thread.clone(), draft.notice.seq)
    });
    let rest = drafts.split_off(free - 1);
    drafts.push(summary(work, receiver, (limit, per), rest));
    drafts
}

fn hold<'a>(work: &mut Work<'a>, draft: &Draft<'a>, why: &str, until: Option<DateTime<Utc>>) {
    work.wake(until);
    let receiver = draft.notice.receiver.as_str();
    // What would have been corrected by it is still to be.
    let corrected = &mut work.decision.told_corrections;
    corrected.retain(|(id, _)| draft.told.iter().all(|told| told.incident != *id));
    for line in &draft.lines {
        work.quiet(line.incident, Some(receiver), why, until);
    }
    for incident in &draft.beginnings {
        // The receiver's name lives as long as the routes; a draft only says it.
        let named = work.world.routes.iter().flat_map(|route| {
            route.to.iter().chain(route.escalate.iter().flat_map(|step| &step.to))
        });
        if let Some(receiver) = named.map(String::as_str).find(|name| *name == receiver) {
            work.waiting.push((incident, receiver));
        }
    }
}

/// All of them in one.
fn summary<'a>(
    work: &Work<'a>,
    receiver: &str,
    (limit, per): (u32, TimeDelta),
    drafts: Vec<Draft<'a>>,
) -> Draft<'a> {
    let thread = group_id(SUMMARY, &Labels::new());
    let known = work.world.threads.get(&thread).and_then(|by| by.get(receiver));
    let seq = known.map_or(0, |row| row.seq) + 1;
    let reason = format!(
        "{} notices in one: the limit of {limit} notices in {} is reached",
        drafts.len(),
        words(per)
    );
    let notice = work.empty(Kind::Summary, (&thread, seq, receiver), reason);
    let mut all = Draft {
        notice,
        told: Vec::new(),
        threads: vec![row(&thread, receiver, seq, work.now, 0)],
        lines: Vec::new(),
        records: Vec::new(),
        beginnings: Vec::new(),
    };
    let mut more_records = 0;
    for mut draft in drafts {
        all.told.append(&mut draft.told);
        all.lines.append(&mut draft.lines);
        all.records.append(&mut draft.records);
        all.beginnings.append(&mut draft.beginnings);
        all.notice.late = all.notice.late.max(draft.notice.late);
        all.notice.passed.append(&mut draft.notice.passed);
        all.notice.passed_more += draft.notice.passed_more;
        all.notice.records.append(&mut draft.notice.records);
        more_records += draft.notice.records_more;
        // Its own thread was not written to; but what was told, was told now.
        for mut thread in draft.threads {
            thread.seq -= 1;
            all.threads.push(thread);
        }
    }
    all.lines = work.list(&mut all.notice, std::mem::take(&mut all.lines));
    let notice = &mut all.notice;
    notice.passed.sort_by_key(|passed| passed.began);
    let too_many = notice.passed.len().saturating_sub(PASSED_MAX);
    notice.passed.drain(..too_many);
    notice.passed_more += too_many;
    notice.records.sort_by_key(|record| record.at);
    notice.records_more = more_records + notice.records.len().saturating_sub(ITEMS_MAX) as u64;
    notice.records.truncate(ITEMS_MAX);
    all
}

/// Records that all receivers of their route have now been told are done with.
fn settle_records(work: &mut Work<'_>, told: BTreeMap<(String, String), Vec<String>>) {
    for record in work.world.occurrences {
        let key = (record.rule.clone(), record.record.clone());
        let Some(now) = told.get(&key) else { continue };
        let before = work.world.told_in_part.get(&key);
        let route = super::pick(work.world.routes, &record.labels);
        let to = route.map_or(&[][..], |index| work.world.routes[index].to.as_slice());
        let knows = |to: &String| now.contains(to) || before.is_some_and(|b| b.contains(to));
        if to.iter().all(knows) {
            work.decision.told_records.push(key);
        } else {
            let part = now.iter().map(|to| (key.0.clone(), key.1.clone(), to.clone()));
            work.decision.told_in_part.extend(part);
        }
    }
}
