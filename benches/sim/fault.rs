//! Faults: where the process dies or its disk refuses, counted in rows written, so that every place
//! within and between transactions is met. Temporary triggers on the daemon's own connection ask
//! here before each row.

use postrider::store::Store;
use postrider::store::state::StateError;
use rusqlite::Transaction;
use rusqlite::functions::FunctionFlags;

use super::shared::Sim;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The process is gone: from here on it writes nothing and sends nothing.
    Death,
    /// The disk refuses this one row.
    Refusal,
    /// The disk is full until the end of the call.
    Full,
}

/// When the process dies at a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtSend {
    /// The far side has got nothing.
    Before,
    /// The far side has taken it, and its answer finds nobody.
    After,
}

/// What is to go wrong in the call under way.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    /// Rows until it does, and what.
    at_row: Option<(u64, Kind)>,
    at_send: Option<(u64, AtSend)>,
    in_pull: bool,
    dead: bool,
    full: bool,
    /// Whether something was refused in this call.
    pub(crate) met: bool,
}

impl Fault {
    /// Something goes wrong at the row after so many.
    pub(crate) fn at_row(&mut self, rows: u64, kind: Kind) {
        self.at_row = Some((rows, kind));
    }

    /// The process dies at the send after so many.
    pub(crate) fn at_send(&mut self, sends: u64, when: AtSend) {
        self.at_send = Some((sends, when));
    }

    /// The process dies in the middle of a pull.
    pub(crate) fn in_pull(&mut self) {
        self.in_pull = true;
    }

    /// The call is over, or another process begins. Returns whether it was met.
    pub(crate) fn clear(&mut self) -> bool {
        std::mem::take(self).met
    }

    /// Whether the process is gone.
    pub(crate) fn dead(&self) -> bool {
        self.dead
    }

    pub(crate) fn dies_in_pull(&self) -> bool {
        self.in_pull
    }

    pub(crate) fn die_if_in_pull(&mut self) {
        if std::mem::take(&mut self.in_pull) {
            self.die();
        }
    }

    pub(crate) fn die(&mut self) {
        (self.dead, self.met) = (true, true);
    }

    /// Whether the process dies at this send.
    pub(crate) fn send(&mut self) -> Option<AtSend> {
        match &mut self.at_send {
            Some((0, when)) => {
                let when = *when;
                self.at_send = None;
                Some(when)
            }
            Some((sends, _)) => {
                *sends -= 1;
                None
            }
            None => None,
        }
    }

    /// Whether this row is written.
    fn row(&mut self) -> bool {
        if self.dead || self.full {
            self.met = true;
            return false;
        }
        match &mut self.at_row {
            Some((0, kind)) => {
                match kind {
                    Kind::Death => self.dead = true,
                    Kind::Full => self.full = true,
                    Kind::Refusal => {}
                }
                (self.at_row, self.met) = (None, true);
                false
            }
            Some((rows, _)) => {
                *rows -= 1;
                true
            }
            None => true,
        }
    }
}

/// Puts the triggers on a store's connection.
pub(crate) fn install(store: &Store, sim: &Sim, eager: bool) -> Result<(), StateError> {
    store.state.write(|tx| {
        let (asked, life) = (sim.clone(), sim.lock().life);
        tx.create_scalar_function("sim_row", 0, FunctionFlags::SQLITE_UTF8, move |_| {
            let mut sim = asked.lock();
            // What an earlier process left behind writes nothing any more.
            match sim.life == life && sim.fault.row() {
                true => Ok(0),
                false => Err(rusqlite::Error::UserFunctionError("the disk is full".into())),
            }
        })?;
        let mut names = tx.prepare("select name from sqlite_schema where type = 'table'")?;
        let names = names.query_map([], |row| row.get::<_, String>(0))?;
        let mut sql = String::new();
        for table in names.collect::<Result<Vec<_>, _>>()? {
            if table.starts_with("sqlite_") {
                continue;
            }
            for verb in ["insert", "update", "delete"] {
                sql += &format!(
                    "create temp trigger sim_{verb}_{table} before {verb} on main.\"{table}\"
                     begin select sim_row(); end;\n"
                );
            }
        }
        tx.execute_batch(&sql)?;
        if eager { send_at_once(tx, sim) } else { Ok(()) }
    })
}

/// A broken build: what is owed leaves with the row, before the commit.
fn send_at_once(tx: &Transaction<'_>, sim: &Sim) -> Result<(), StateError> {
    let sim = sim.clone();
    tx.create_scalar_function("sim_send", 3, FunctionFlags::SQLITE_UTF8, move |args| {
        let (id, to): (String, String) = (args.get(0)?, args.get(1)?);
        let bytes: Vec<u8> = args.get(2)?;
        sim.lock().arrives(&id, &to, &bytes);
        Ok(0)
    })?;
    tx.execute_batch(
        "create temp trigger sim_send after insert on main.outbox
         begin select sim_send(new.message_id, new.recipient, new.bytes); end;",
    )?;
    Ok(())
}
