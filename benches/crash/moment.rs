//! What the daemon is doing at a moment, seen from the outside through its files.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension};

use super::audit::open;

/// What a kill hits; it can hit several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    Starting,
    FirstLoad,
    Delivering,
    Owing,
    MakingDigests,
    Evaluating,
    Pulling,
    Resting,
}

impl Moment {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Moment::Starting => "before it asked the org anything",
            Moment::FirstLoad => "in the first load",
            Moment::Delivering => "with messages on the wire",
            Moment::Owing => "with messages due",
            Moment::MakingDigests => "with a digest to make",
            Moment::Evaluating => "with a rule to evaluate",
            Moment::Pulling => "with a dataset to pull",
            Moment::Resting => "with nothing to do",
        }
    }
}

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Messages not ended.
    pub(crate) owed: i64,
    sending: i64,
    due: Option<DateTime<Utc>>,
    /// Digests whose schedules are known.
    pub(crate) digests: Vec<String>,
    /// Up to when all schedules are considered.
    pub(crate) digest_considered: Option<DateTime<Utc>>,
    /// Up to which slot the rule `slow` is evaluated.
    pub(crate) rule_evaluated: Option<DateTime<Utc>>,
    /// Up to when all datasets in use are complete.
    pub(crate) complete_to: Option<DateTime<Utc>>,
}

/// Reads the files and lets go of them: whoever starts after a kill is alone with them.
pub(crate) fn known(folder: &Path) -> anyhow::Result<Known> {
    let mut known = Known::default();
    // Killed before it made them.
    let (state, records) = (folder.join("state.db"), folder.join("records.db"));
    if state.exists() {
        let state = open(&state)?;
        if has_table(&state, "outbox")? {
            known.read_state(&state)?;
        }
    }
    if records.exists() {
        let records = open(&records)?;
        if has_table(&records, "_dataset_state")? {
            known.read_records(&records)?;
        }
    }
    Ok(known)
}

fn has_table(database: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "select 1 from sqlite_master where type = 'table' and name = ?1";
    Ok(database.query_row(sql, [name], |_| Ok(())).optional()?.is_some())
}

fn instant(millis: Option<i64>) -> Option<DateTime<Utc>> {
    millis.and_then(DateTime::from_timestamp_millis)
}

impl Known {
    fn read_state(&mut self, state: &Connection) -> rusqlite::Result<()> {
        let sql = "select coalesce(sum(state in ('pending', 'sending')), 0),
                          coalesce(sum(state = 'sending'), 0),
                          min(case when state = 'pending' then next_attempt_at end) from outbox";
        (self.owed, self.sending, self.due) =
            state.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, instant(row.get(2)?))))?;
        let mut statement = state.prepare("select digest from schedule order by digest")?;
        let names = statement.query_map([], |row| row.get(0))?;
        self.digests = names.collect::<Result<_, _>>()?;
        let first = |sql: &str| state.query_row(sql, [], |row| row.get(0)).optional();
        self.digest_considered =
            instant(first("select min(considered_until) from schedule")?.flatten());
        let sql = "select evaluated_until from rule_state where rule = 'slow'";
        self.rule_evaluated = instant(first(sql)?.flatten());
        Ok(())
    }

    fn read_records(&mut self, records: &Connection) -> rusqlite::Result<()> {
        let sql = "select min(watermark), count(*) = count(watermark) from _dataset_state
                   where dataset in ('MessagingSession', 'MessagingSessionMetrics',
                                     'MessagingChannel', 'MessagingEndUser', 'Account')";
        let (least, all): (Option<i64>, bool) =
            records.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.complete_to = instant(least).filter(|_| all);
        Ok(())
    }

    /// What it is at now, having asked the org so often in this life.
    pub(crate) fn moments(&self, requests: u64, now: DateTime<Utc>) -> Vec<Moment> {
        let minute = TimeDelta::minutes(1);
        if requests == 0 {
            return vec![Moment::Starting];
        }
        let Some(complete) = self.complete_to else { return vec![Moment::FirstLoad] };
        let behind = |done: Option<DateTime<Utc>>, complete: DateTime<Utc>| {
            done.is_some_and(|done| done + minute <= complete)
        };
        let mut found = Vec::new();
        let mut add = |moment, is: bool| found.extend(is.then_some(moment));
        add(Moment::Delivering, self.sending > 0);
        add(Moment::Owing, self.due.is_some_and(|due| due <= now));
        add(Moment::MakingDigests, behind(self.digest_considered, complete));
        add(Moment::Evaluating, behind(self.rule_evaluated, complete - minute * 2));
        // It pulls twice a minute, and its data is a minute behind the org's clock by intent.
        add(Moment::Pulling, complete + minute + TimeDelta::seconds(30) < now);
        if found.is_empty() {
            found.push(Moment::Resting);
        }
        found
    }
}
