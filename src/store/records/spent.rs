//! What sources were asked: our own requests by the hour, so that a restart does not forget what is
//! spent, and the quota as the source last told it, for whoever looks from outside.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Records, RecordsError};
use crate::domain::quota::{Quota, Spent};

/// Hours are counted since 1970 UTC. `used` and `allowed` are the source's quota as told in that
/// hour.
pub(super) const CREATE: &str = "
    CREATE TABLE IF NOT EXISTS _spent (
        source TEXT NOT NULL,
        hour INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        used INTEGER,
        allowed INTEGER,
        PRIMARY KEY (source, hour)
    ) WITHOUT ROWID;
";

/// Older rows say nothing any more, in hours.
const KEPT: i64 = 26;

/// Requests to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// The source that was asked.
    pub source: String,
    /// Requests beyond those written down already, by hours since 1970 UTC.
    pub hours: Vec<(i64, u64)>,
    /// Its quota, as last told.
    pub quota: Option<Quota>,
}

impl Spending {
    /// Nothing beyond what is written down.
    pub fn nothing(source: &str) -> Spending {
        Spending { source: source.to_owned(), hours: Vec::new(), quota: None }
    }
}

/// What is known of a source's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSpent {
    /// Our own requests of the last day.
    pub spent: Spent,
    /// Its quota as last told: everybody's requests.
    pub quota: Option<Quota>,
}

impl Records {
    /// What sources were asked, by source.
    ///
    /// # Errors
    /// The database fails.
    pub fn spent(&self, now: DateTime<Utc>) -> Result<BTreeMap<String, SourceSpent>, RecordsError> {
        self.read(|tx| all(tx, now))
    }

    /// Writes down what was spent apart from pulls, and forgets what no longer counts.
    ///
    /// # Errors
    /// The database fails.
    pub fn spend(&self, spending: &Spending, now: DateTime<Utc>) -> Result<(), RecordsError> {
        self.write(|tx| {
            prune(tx, now)?;
            add(tx, spending)
        })
    }
}

/// Adds requests to what is written down. Nothing spent, nothing written.
pub(super) fn add(tx: &Connection, spending: &Spending) -> rusqlite::Result<()> {
    let mut add = tx.prepare_cached(
        "INSERT INTO _spent (source, hour, requests, used, allowed) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET requests = requests + ?3, used = coalesce(?4, used),
            allowed = coalesce(?5, allowed)",
    )?;
    for (hour, requests) in &spending.hours {
        let quota = spending.quota;
        add.execute(params![
            spending.source,
            hour,
            *requests as i64,
            quota.map(|quota| quota.used as i64),
            quota.map(|quota| quota.allowed as i64),
        ])?;
    }
    Ok(())
}

/// What is written down of all sources; hours that no longer count are left out.
fn all(
    connection: &Connection,
    now: DateTime<Utc>,
) -> rusqlite::Result<BTreeMap<String, SourceSpent>> {
    let mut select = connection.prepare_cached(
        "SELECT source, hour, requests, used, allowed FROM _spent WHERE hour > ? ORDER BY 1, 2",
    )?;
    let mut rows = select.query([oldest(now)])?;
    let mut hours: BTreeMap<String, Vec<(i64, u64)>> = BTreeMap::new();
    let mut quotas = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let source: String = row.get(0)?;
        let requests = row.get::<_, i64>(2)?.max(0) as u64;
        let count = |at: usize| -> rusqlite::Result<Option<u64>> {
            Ok(row.get::<_, Option<i64>>(at)?.map(|count| count.max(0) as u64))
        };
        if let (Some(used), Some(allowed)) = (count(3)?, count(4)?) {
            quotas.insert(source.clone(), Quota { used, allowed });
        }
        hours.entry(source).or_default().push((row.get(1)?, requests));
    }
    let known = |(source, hours): (String, Vec<(i64, u64)>)| {
        let quota = quotas.get(&source).copied();
        (source, SourceSpent { spent: Spent::of(hours), quota })
    };
    Ok(hours.into_iter().map(known).collect())
}

/// Forgets hours that no longer count.
fn prune(tx: &Connection, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM _spent WHERE hour <= ?", [oldest(now)])?;
    Ok(())
}

fn oldest(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(3_600) - KEPT
}
