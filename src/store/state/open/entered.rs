//! Which databases this process has open.
//!
//! The locks that SQLite takes on a file belong to the process, and the system drops all of them as soon
//! as the process closes any descriptor of that file. So a file that a connection is open on must never
//! be opened in another way, were it for a moment: other processes would take it for one that nobody
//! uses, and delete its log.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::store::state::StateError;

/// A file by its device and inode, whatever it is called.
type Key = (u64, u64);

/// How many connections are open on each file.
static OPEN: Mutex<BTreeMap<Key, usize>> = Mutex::new(BTreeMap::new());

/// A connection, known to this process for as long as it lives.
pub struct Opened {
    // Closed before it is forgotten.
    connection: Connection,
    _entered: Entered,
}

impl Opened {
    pub(super) fn new(connection: Connection, entered: Entered) -> Opened {
        Opened { connection, _entered: entered }
    }
}

impl Deref for Opened {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// That a file is open here, or is about to be.
pub(super) struct Entered(Option<Key>);

impl Entered {
    /// Says that a connection to a file is about to be opened. `prepare` runs first, and nobody else
    /// enters meanwhile; it is told whether the file is open here already, and must not open it then.
    pub(super) fn enter(
        path: &Path,
        prepare: impl FnOnce(bool) -> Result<(), StateError>,
    ) -> Result<Entered, StateError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        prepare(key(path).is_some_and(|key| open.contains_key(&key)))?;
        let key = key(path);
        if let Some(key) = key {
            *open.entry(key).or_default() += 1;
        }
        Ok(Entered(key))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(key) = self.0 else { return };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&key);
            }
        }
    }
}

fn key(path: &Path) -> Option<Key> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}
