//! One slot, one run, and in each run each recipient once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rusqlite::{Connection, OptionalExtension};

use super::super::sink::REFUSED;
use super::deliveries::Row;
use super::{Evidence, Findings, instant};

/// The digests of the config: name, time between slots, recipients.
const DIGESTS: &[(&str, TimeDelta, &[&str])] = &[
    (
        "every-minute",
        TimeDelta::minutes(1),
        &["hook", "one@example.com", "three@example.com", "two@example.com"],
    ),
    ("third-minute", TimeDelta::minutes(3), &["gone@example.com", "one@example.com"]),
];

/// Compares slots, runs and messages of each digest.
pub(super) fn audit(
    state: &Connection,
    rows: &[Row],
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let mut recipients: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind == "digest") {
        recipients.entry(&row.origin).or_default().push(&row.recipient);
    }
    // Who is known to no server gets no digest any more, which the run says.
    let withheld = withheld(state)?;
    for (run, recipient) in &withheld {
        findings.check(recipient == REFUSED, || format!("run {run} was withheld from {recipient}"));
        recipients.entry(run).or_default().push(recipient);
    }
    let (mut slots, mut late) = (0, 0);
    for (digest, step, to) in DIGESTS {
        let claimed = claims(state, digest)?;
        slots += claimed.len();
        audit_slots(state, digest, *step, &claimed, evidence, findings)?;
        let mut seen = BTreeSet::new();
        for (planned, run) in &claimed {
            let Some(run) = run else { continue };
            findings.check(seen.insert(run), || format!("run {run} stands for two slots"));
            let stored: Option<(i64, i64)> = state
                .query_row("select planned_at, made_at from run where id = ?1", [run], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            findings.check(stored.is_some_and(|stored| stored.0 == *planned), || {
                format!("run {run} of slot {} is not there", instant(*planned))
            });
            late += usize::from(stored.is_some_and(|(planned, made)| made - planned > 300_000));
            let mut got = recipients.remove(run.as_str()).unwrap_or_default();
            got.sort_unstable();
            findings.check(got == *to, || format!("run {run} went to {got:?} instead of {to:?}"));
        }
    }
    for run in recipients.keys() {
        findings.broken(format!("messages of run {run}, which no slot has"));
    }
    let count = |sql: &str| state.query_row(sql, [], |row| row.get::<_, i64>(0));
    let runs = count("select count(*) from run")?;
    findings.check(runs == slots as i64, || format!("{runs} runs for {slots} slots"));
    findings.heading("digests");
    findings.count("slots, none missing", slots);
    findings.count("runs, one a slot", runs);
    findings.count("  without the address that nobody knows", withheld.len());
    findings.count("  more than five minutes late, by the scaled clock", late);
    findings.count("  with a report that had no data yet", count(FAULTS)?);
    Ok(())
}

/// Runs and recipients for whom no message was made.
fn withheld(state: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = state.prepare("select run, recipient from withheld order by run")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

const FAULTS: &str = "select count(*) from run where outcome <> 'made'";

/// Slots in order: planned instant and run.
fn claims(state: &Connection, digest: &str) -> rusqlite::Result<Vec<(i64, Option<String>)>> {
    let sql = "select planned_at, case when skipped is null then run end from slot
               where digest = ?1 order by planned_at";
    let mut statement = state.prepare(sql)?;
    let rows = statement.query_map([digest], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// From the first slot to the last one considered none is missing, and each has a run.
fn audit_slots(
    state: &Connection,
    digest: &str,
    step: TimeDelta,
    claimed: &[(i64, Option<String>)],
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let (Some((first, _)), Some((last, _))) = (claimed.first(), claimed.last()) else {
        findings.broken(format!("digest {digest} has no slot at all"));
        return Ok(());
    };
    let step = step.num_milliseconds();
    for pair in claimed.windows(2) {
        findings.check(pair[1].0 - pair[0].0 == step, || {
            format!(
                "{digest}: slots missing between {} and {}",
                instant(pair[0].0),
                instant(pair[1].0)
            )
        });
    }
    for (planned, run) in claimed {
        findings
            .check(run.is_some(), || format!("{digest}: slot {} has no run", instant(*planned)));
    }
    let sql = "select considered_until from schedule where digest = ?1";
    let considered: i64 = state.query_row(sql, [digest], |row| row.get(0))?;
    findings.check(*last <= considered && considered < last + step, || {
        format!("{digest}: considered to {}, last slot {}", instant(considered), instant(*last))
    });
    if let Some(seen) = evidence.digests_seen.get(digest) {
        findings.check(*first <= seen.timestamp_millis() + step, || {
            format!("{digest}: known at {seen}, first slot {}", instant(*first))
        });
    }
    findings.check(evidence.frozen.timestamp_millis() - step <= *last, || {
        format!("{digest}: the last slot is {}", instant(*last))
    });
    Ok(())
}
