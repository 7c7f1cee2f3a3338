//! Suppressions: addresses that get no digest, or not a certain one, until somebody takes them off
//! the list or their time is over. Alerts are not concerned: who is to be woken is a matter of
//! routes.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{StateError, instant, millis};

/// An address that its server did not know in so many runs, one after the other, gets no digest
/// more.
pub const UNKNOWN_MAX: u32 = 5;

/// A reason that says that there is no such recipient: the codes of its address (5.1.7 and 5.1.8
/// speak of the sender's). Where there are several servers it begins with the one that said so, and
/// a blank. It is computed from what the index of readers has.
const UNKNOWN: &str = "(reason || ' ' glob 'RCPT TO: 5[0-9][0-9] 5.1.[1236][^0-9.]*'
    or reason || ' ' glob 'RCPT TO: 5[0-9][0-9] 5.1.10[^0-9.]*'
    or substr(reason, instr(reason, ' ') + 1) || ' '
       glob 'RCPT TO: 5[0-9][0-9] 5.1.[1236][^0-9.]*'
    or substr(reason, instr(reason, ' ') + 1) || ' '
       glob 'RCPT TO: 5[0-9][0-9] 5.1.10[^0-9.]*')";

/// Later than everything.
const FOR_EVER: i64 = i64::MAX;

/// An address on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The address, in small letters.
    pub address: String,
    /// The one digest it does not get; `None`: it gets none at all.
    pub digest: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; `None`: until it is taken off the list.
    pub until: Option<DateTime<Utc>>,
    /// Why, in words.
    pub reason: String,
}

/// An address that the server does not know, in every one of its last runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bouncing {
    /// The address.
    pub address: String,
    /// In how many runs, one after the other.
    pub runs: u32,
    /// What the server said last.
    pub said: String,
}

/// Puts an address on the list, or changes what is there.
pub fn add(tx: &Transaction<'_>, suppression: &Suppression) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into suppression (address, digest, since, until, reason)
         values (?1, ?2, ?3, ?4, ?5)
         on conflict (address, digest) do update set since = ?3, until = ?4, reason = ?5",
    )?
    .execute(params![
        suppression.address.to_lowercase(),
        suppression.digest.as_deref().unwrap_or_default(),
        millis(suppression.since),
        suppression.until.map(millis),
        suppression.reason
    ])?;
    Ok(())
}

/// Takes an address off the list: for one digest, or for all of them and each. Returns how many
/// entries went. That it was on the list is remembered: what its server said before counts no more.
pub fn remove(
    tx: &Transaction<'_>,
    address: &str,
    digest: Option<&str>,
    now: DateTime<Utc>,
) -> Result<usize, StateError> {
    let sql = "update suppression set until = ?3 where address = ?1 and (?2 is null or digest = ?2)
               and (until is null or ?3 < until)";
    Ok(tx.prepare_cached(sql)?.execute(params![address.to_lowercase(), digest, millis(now)])?)
}

/// Puts an address on the list that its server called unknown so many runs in a row, since it was
/// last taken off the list. Returns what the server said, if that happened.
pub fn add_if_unknown(
    tx: &Transaction<'_>,
    address: &str,
    now: DateTime<Utc>,
) -> Result<Option<String>, StateError> {
    let found = bouncing_among(tx, UNKNOWN_MAX, Some(address))?;
    let Some(one) = found.into_iter().next() else { return Ok(None) };
    let reason = format!("unknown to its server in {} runs in a row: {}", one.runs, one.said);
    let (address, since) = (one.address, now);
    add(tx, &Suppression { address, digest: None, since, until: None, reason })?;
    Ok(Some(one.said))
}

/// The list, by address; those whose time is over are not on it.
pub fn list(tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<Vec<Suppression>, StateError> {
    let mut statement = tx.prepare_cached(
        "select address, digest, since, until, reason from suppression
         where until is null or ?1 < until order by address, digest",
    )?;
    let rows = statement.query_map([millis(now)], |row| {
        Ok(Suppression {
            address: row.get(0)?,
            digest: Some(row.get(1)?).filter(|digest: &String| !digest.is_empty()),
            since: instant(row.get(2)?),
            until: row.get::<_, Option<i64>>(3)?.map(instant),
            reason: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Why a recipient of a run is owed nothing; `None` where nothing speaks against it.
pub(super) fn against(
    tx: &Transaction<'_>,
    run: &str,
    recipient: &str,
    now: DateTime<Utc>,
) -> Result<Option<String>, StateError> {
    let found = tx
        .prepare_cached(
            "select reason from suppression
             where address = ?1 and (until is null or ?3 < until)
               and digest in ('', (select digest from run where id = ?2))
             order by digest limit 1",
        )?
        .query_row(params![recipient.to_lowercase(), run, millis(now)], |row| row.get(0))
        .optional()?;
    Ok(found)
}

/// Records that a recipient of a run is owed nothing.
pub(super) fn withhold(
    tx: &Transaction<'_>,
    run: &str,
    recipient: &str,
    reason: &str,
) -> Result<(), StateError> {
    tx.prepare_cached(
        "insert into withheld (run, recipient, reason) values (?1, ?2, ?3) on conflict do nothing",
    )?
    .execute([run, recipient, reason])?;
    Ok(())
}

/// The recipients of a run that were owed nothing, each with the reason.
pub fn withheld(tx: &Transaction<'_>, run: &str) -> Result<Vec<(String, String)>, StateError> {
    let mut statement = tx.prepare_cached(
        "select recipient, reason from withheld where run = ?1 order by recipient",
    )?;
    let rows = statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Addresses not on the list that the server called unknown in their last runs, at least so many
/// one after the other: somebody should look at them.
pub fn bouncing(tx: &Transaction<'_>, runs_min: u32) -> Result<Vec<Bouncing>, StateError> {
    bouncing_among(tx, runs_min, None)
}

fn bouncing_among(
    tx: &Transaction<'_>,
    runs_min: u32,
    only: Option<&str>,
) -> Result<Vec<Bouncing>, StateError> {
    let narrowed = only.map_or("?2 is null", |_| "recipient = ?2");
    let sql = format!(
        "with listed as (
             select address, max(coalesce(until, {FOR_EVER})) as until
             from suppression where digest = '' group by address
         ), ended as (
             select recipient, id, state, coalesce(reason, '') as said,
                    state = 'rejected' and {UNKNOWN} as unknown
             from outbox
             where kind = 'digest' and receiver = 'smtp' and finished_at is not null and {narrowed}
               and finished_at > coalesce(
                       (select until from listed where address = lower(recipient)), 0)
         ), good as (
             select recipient, max(id) as last from ended where not unknown group by recipient
         )
         select ended.recipient, count(*), max(ended.id), ended.said
         from ended left join good on good.recipient = ended.recipient
         where ended.unknown and ended.id > coalesce(good.last, 0)
         group by ended.recipient having count(*) >= ?1 order by ended.recipient"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![runs_min, only], |row| {
        Ok(Bouncing { address: row.get(0)?, runs: row.get(1)?, said: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reason: &str, expected: bool) {
        let db = rusqlite::Connection::open_in_memory().expect("a database in memory");
        let sql = format!("select coalesce({UNKNOWN}, 0) from (select ?1 as reason)");
        let unknown: bool = db.query_row(&sql, [reason], |row| row.get(0)).expect("a row");
        assert_eq!(unknown, expected, "{reason}");
    }

    #[test]
    fn only_what_is_said_of_the_recipient_makes_an_address_unknown() {
        for code in ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"] {
            check(&format!("RCPT TO: 550 {code} no such user"), true);
            check(&format!("RCPT TO: 550 {code}"), true);
            check(&format!("mx.example.com:587: RCPT TO: 553 {code} no"), true);
            check(&format!("[2001:db8::1]:25: RCPT TO: 553 {code}"), true);
            check(&format!("RCPT TO: 450 {code} not now"), false);
            check(&format!("MAIL FROM: 550 {code} whatever"), false);
            check(&format!("mx.example.com:587: end of message: 550 {code} whatever"), false);
            // Somebody else's words.
            check(&format!("DATA: 554 mx said: RCPT TO: 550 {code} no"), false);
            check(&format!("mx:25: DATA: 554 RCPT TO: 550 {code} no"), false);
        }
        for code in
            ["5.1.0", "5.1.7", "5.1.8", "5.1.11", "5.1.100", "5.1.1.1", "5.2.1", "5.7.1", ""]
        {
            check(&format!("RCPT TO: 550 {code} no"), false);
            check(&format!("mx.example.com:587: RCPT TO: 550 {code} no"), false);
        }
    }
}
