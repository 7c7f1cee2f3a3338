//! What the process and its surroundings share: the trace, the faults, the source, the far sides, and
//! the witness, a connection of its own that sees what is committed and nothing else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::broken::Break;
use super::chance::Chance;
use super::far::Far;
use super::fault::Fault;
use super::lines::Lines;
use super::trace::Trace;

/// Everything outside the process.
pub(crate) struct Shared {
    pub(crate) trace: Trace,
    pub(crate) fault: Fault,
    pub(crate) lines: Lines,
    pub(crate) far: Far,
    pub(crate) chance: Chance,
    pub(crate) witness: Connection,
    /// The same of the records.
    pub(crate) records: Connection,
    pub(crate) breaks: Option<Break>,
    /// The last row of the outbox that was seen, and how many there were.
    pub(crate) owed: (i64, i64),
    /// Which process is the living one, counted from 1.
    pub(crate) life: u32,
    /// The first promise that was broken: its number and what happened.
    pub(crate) found: Option<(u8, String)>,
}

/// A handle on it.
#[derive(Clone)]
pub(crate) struct Sim(Arc<Mutex<Shared>>);

impl Sim {
    pub(crate) fn new(shared: Shared) -> Sim {
        Sim(Arc::new(Mutex::new(shared)))
    }

    /// Held for a moment only, and never while the process is waited for.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A committed row of the outbox.
pub(crate) struct Row {
    pub(crate) state: String,
    pub(crate) bytes: Vec<u8>,
}

impl Shared {
    /// Whether the build under test is broken in this way.
    pub(crate) fn broken(&self, what: Break) -> bool {
        self.breaks == Some(what)
    }

    /// A promise was broken; the first one counts.
    pub(crate) fn found(&mut self, invariant: u8, what: String) {
        self.trace.note(format_args!("BROKEN {invariant}: {what}"));
        self.found.get_or_insert((invariant, what));
    }

    /// The committed row of a message.
    pub(crate) fn row(&self, id: &str, to: &str) -> rusqlite::Result<Option<Row>> {
        let mut statement = self.witness.prepare_cached(
            "select state, bytes from outbox where message_id = ?1 and recipient = ?2",
        )?;
        let row =
            statement.query_row([id, to], |row| Ok(Row { state: row.get(0)?, bytes: row.get(1)? }));
        row.optional()
    }
}
