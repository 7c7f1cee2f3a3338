//! How soon what a kill cut off goes on: the time that the daemon was up between the kill and the next
//! attempt. The time it was down is not its own doing.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use super::{Evidence, Findings, instant};

/// Measures it for every attempt that was cut off.
pub(super) fn audit(
    state: &Connection,
    evidence: &Evidence<'_>,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let mut took: Vec<TimeDelta> = cut_off(state)?
        .into_iter()
        .map(|(cut, next)| up_between(evidence.lives, cut, next) / evidence.speed)
        .collect();
    took.sort();
    let at = |share: f64| {
        let index = ((took.len().max(1) - 1) as f64 * share).ceil() as usize;
        took.get(index).map_or_else(|| "-".to_owned(), |t| format!("{} ms", t.num_milliseconds()))
    };
    findings.heading("recovery: real time from the next start to the next attempt");
    findings.count("attempts that a kill cut off and that were made again", took.len());
    findings.count("  half of them within", at(0.5));
    findings.count("  99 % within", at(0.99));
    findings.count("  the longest", at(1.0));
    Ok(())
}

/// When each attempt that was cut off began, and when the next one at the same message did.
fn cut_off(state: &Connection) -> rusqlite::Result<Vec<(DateTime<Utc>, DateTime<Utc>)>> {
    let mut statement = state.prepare(
        "select cut.started_at, next.started_at from attempt cut
         join attempt next on next.delivery = cut.delivery and next.n = cut.n + 1
         where cut.words like 'cut off%'",
    )?;
    let rows = statement.query_map([], |row| Ok((instant(row.get(0)?), instant(row.get(1)?))))?;
    rows.collect()
}

/// How long the daemon was up from the end of the life in which `cut` lies until `next`.
fn up_between(
    lives: &[(DateTime<Utc>, DateTime<Utc>)],
    cut: DateTime<Utc>,
    next: DateTime<Utc>,
) -> TimeDelta {
    let later = lives.iter().filter(|(begun, _)| cut < *begun && *begun < next);
    later.map(|(begun, ended)| (*ended).min(next) - *begun).sum()
}
