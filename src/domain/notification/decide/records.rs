//! New records of event rules: each is told once to every receiver, together with those that came
//! beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::incident::Severity;
use super::super::super::route::{Labels, pick};
use super::super::super::silence::Hidden;
use super::super::{ITEMS_MAX, Kind, Occurrence, Quiet, group_id};
use super::draft::Draft;
use super::unit::row;
use super::{Work, silenced_by};

/// Records that one receiver is to be told in one thread.
struct Batch<'a> {
    records: Vec<&'a Occurrence>,
    route: usize,
    grouped: Labels,
}

pub(super) fn decide(work: &mut Work<'_>) {
    let mut batches: BTreeMap<(String, &str), Batch<'_>> = BTreeMap::new();
    for record in work.world.occurrences {
        let Some(index) = pick(work.world.routes, &record.labels) else {
            hide(work, record, "no route picks it");
            continue;
        };
        let route = &work.world.routes[index];
        let silence = work.silences.covering(&record.labels, work.now).next();
        if let Some(silence) = silence {
            count(work, &silence.id, record, &route.to);
            hide(work, record, &silenced_by(silence));
            continue;
        }
        if let Some(why) = work.causes.hiding_record(&record.rule, &record.labels) {
            quiet(work, record, None, &why, None);
            continue;
        }
        let key = (record.rule.clone(), record.record.clone());
        let told = work.world.told_in_part.get(&key);
        let owed: BTreeSet<&str> = (route.to.iter().map(String::as_str))
            .filter(|to| told.is_none_or(|told| !told.contains(*to)))
            .collect();
        if owed.is_empty() {
            work.decision.told_records.push(key);
            continue;
        }
        let grouped = route.grouped(&record.labels);
        let of_rule = Labels::from([("rule".to_owned(), record.rule.clone())]);
        let by = if route.group_by.is_empty() { &of_rule } else { &grouped };
        let thread = group_id("records", by);
        for receiver in owed {
            let batch = batches.entry((thread.clone(), receiver));
            let grouped = grouped.clone();
            let batch =
                batch.or_insert_with(|| Batch { records: Vec::new(), route: index, grouped });
            batch.records.push(record);
        }
    }
    for ((thread, receiver), batch) in batches {
        tell(work, &thread, receiver, batch);
    }
}

fn tell<'a>(work: &mut Work<'a>, thread: &str, receiver: &'a str, mut batch: Batch<'a>) {
    batch.records.sort_by_key(|record| (record.at, &record.rule, &record.record));
    let route = &work.world.routes[batch.route];
    let known = work.world.threads.get(thread).and_then(|by| by.get(receiver));
    let first = batch.records.iter().map(|record| record.seen_at).min().unwrap_or(work.now);
    let due =
        known.map_or(first + route.wait, |row| (row.at + route.interval).max(first + route.wait));
    let held = match &work.shut[batch.route] {
        Some(shut) => Some((format!("{}: told when it opens", shut.why), shut.until)),
        None if due > work.now => Some(("it waits for others".to_owned(), Some(due))),
        None => None,
    };
    if let Some((why, until)) = held {
        for record in batch.records {
            quiet(work, record, Some(receiver), &why, until);
        }
        return;
    }
    let seq = known.map_or(0, |row| row.seq) + 1;
    let count = batch.records.len();
    let records =
        if count == 1 { "one new record".to_owned() } else { format!("{count} new records") };
    let reason = format!("{records}; told by {}", route.words());
    let mut notice = work.empty(Kind::Records, (thread, seq, receiver), reason);
    notice.grouped_by = batch.grouped;
    notice.records = batch.records.iter().take(ITEMS_MAX).map(|record| (*record).clone()).collect();
    notice.records_more = count.saturating_sub(ITEMS_MAX) as u64;
    let keys = batch.records.iter().map(|record| (record.rule.clone(), record.record.clone()));
    work.drafts.push(Draft {
        notice,
        told: Vec::new(),
        threads: vec![row(thread, receiver, seq, work.now, 0)],
        lines: Vec::new(),
        records: keys.collect(),
        beginnings: Vec::new(),
    });
}

/// Not told to anybody, now or later.
fn hide(work: &mut Work<'_>, record: &Occurrence, why: &str) {
    quiet(work, record, None, why, None);
    work.decision.told_records.push((record.rule.clone(), record.record.clone()));
}

fn quiet(
    work: &mut Work<'_>,
    record: &Occurrence,
    receiver: Option<&str>,
    why: &str,
    until: Option<chrono::DateTime<chrono::Utc>>,
) {
    work.wake(until);
    work.decision.quiet.push(Quiet {
        incident: name(record),
        receiver: receiver.map(str::to_owned),
        reason: why.to_owned(),
        until,
    });
}

/// How a record stands where otherwise an incident's id does.
fn name(record: &Occurrence) -> String {
    format!("{}/{}", record.rule, record.record)
}

fn count(work: &mut Work<'_>, silence: &str, record: &Occurrence, to: &[String]) {
    let level = record.labels.get("level").cloned().unwrap_or_default();
    let level = Severity { index: 0, name: level };
    let row = Hidden {
        silence: silence.to_owned(),
        incident: name(record),
        at: work.now,
        level: level.clone(),
        excess: None,
        notices: to.iter().map(|to| (to.clone(), (1, level.clone()))).collect(),
        broken_at: None,
    };
    work.hidden.insert((silence.to_owned(), name(record)), row);
}
