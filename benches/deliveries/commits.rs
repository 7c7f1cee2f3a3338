//! The limit: SQLite's own commits on the same disk, each synced, with nothing around them.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::ground::{self, timed};

/// How long so many commits take, one after the other: a row changed and a row added in each.
pub(crate) fn bare(count: u64) -> anyhow::Result<Duration> {
    let folder = ground::fresh("deliveries-bare")?;
    let mut connection = Connection::open(folder.join("bare.db"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(
        "create table message (id integer primary key, state text not null) strict;
         create table attempt (message integer not null, at integer not null) strict;",
    )?;
    let fill = connection.transaction()?;
    for id in 0..count as i64 {
        fill.prepare_cached("insert into message values (?1, 'pending')")?.execute([id])?;
    }
    fill.commit()?;
    let (done, took) = timed(|| -> rusqlite::Result<()> {
        for id in 0..count as i64 {
            let each = connection.transaction()?;
            each.prepare_cached("update message set state = 'sending' where id = ?1")?
                .execute([id])?;
            each.prepare_cached("insert into attempt values (?1, ?2)")?.execute(params![id, 0])?;
            each.commit()?;
        }
        Ok(())
    });
    done?;
    Ok(took)
}
