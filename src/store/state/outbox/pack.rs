//! Bytes that were sent are deflated after a while, to the byte what they were when they are read.

use std::io::Read as _;

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use rusqlite::types::Type;
use rusqlite::{Row, Transaction, params};

use crate::store::state::{StateError, millis};

/// Largest message that is read back, in bytes.
const PLAIN_BYTES_MAX: u64 = 1 << 30;

/// Deflates the bytes of up to `limit` messages of digests that ended before an instant. Returns
/// how many.
pub fn pack(
    tx: &Transaction<'_>,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize, StateError> {
    let mut statement = tx.prepare_cached(
        "select id, bytes from outbox
         where finished_at < ?1 and kind = 'digest' and not packed limit ?2",
    )?;
    let rows = statement.query_map(params![millis(before), limit as i64], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    let ended: Vec<(i64, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
    for (id, bytes) in &ended {
        let mut packed = Vec::new();
        ZlibEncoder::new(bytes.as_slice(), Compression::default())
            .read_to_end(&mut packed)
            .expect("memory takes every byte");
        tx.prepare_cached("update outbox set bytes = ?2, packed = 1 where id = ?1")?
            .execute(params![id, packed])?;
    }
    Ok(ended.len())
}

/// The bytes in a column as they were sent; the column behind it says whether they are packed.
pub(super) fn plain(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    let bytes: Vec<u8> = row.get(column)?;
    if !row.get::<_, bool>(column + 1)? {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let read = ZlibDecoder::new(bytes.as_slice()).take(PLAIN_BYTES_MAX).read_to_end(&mut plain);
    read.map_err(|err| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(err))
    })?;
    Ok(plain)
}
