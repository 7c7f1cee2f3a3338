//! Every notice as it was decided: what explains itself later, and is told again elsewhere.

use rusqlite::{Transaction, params};

use super::{StateError, millis};
use crate::domain::notification::Notice;

/// Keeps a notice.
pub fn put(tx: &Transaction<'_>, notice: &Notice) -> Result<(), StateError> {
    let body = serde_json::to_string(notice)
        .map_err(|source| StateError::Unreadable { what: "notice", source })?;
    tx.prepare_cached(
        "insert or ignore into notice (key, receiver, thread, rule, kind, at, reason, body)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        notice.key,
        notice.receiver,
        notice.thread,
        notice.rule(),
        notice.kind.word(),
        millis(notice.at),
        notice.reason,
        body,
    ])?;
    Ok(())
}
