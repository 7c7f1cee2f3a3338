//! Copies of the state: made while the daemon works, and put back while it does not.
//!
//! A copy is what one moment saw, in one file, read through before it gets its name. What was in the
//! place of a restored one is kept beside it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::check::{self, Found};
use super::lock::DaemonLock;
use super::{FILE, StateError, open};

/// Why a copy was not made or not put back; nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The state or the copy cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is something where the copy should be.
    #[error("`{0}` is there already: name another file, or overwrite it with --force")]
    Exists(PathBuf),
    /// The copy would take the place of what is copied, or of what belongs to it.
    #[error("`{0}` is a file of the state itself: name another file")]
    Itself(PathBuf),
    /// A file cannot be written or moved.
    #[error("`{path}` cannot be written")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The copy is not whole.
    #[error("the copy of `{path}` is not whole: {what}")]
    NotWhole {
        /// What was copied.
        path: PathBuf,
        /// What was found.
        what: String,
    },
}

/// Copies the state in a folder to a file, as it is at this moment, and reads the copy through. It is
/// readable by its owner alone. Blocks; the daemon goes on meanwhile.
///
/// # Errors
/// There is no state, it is damaged, something is in the way, or the disk fails. Nothing is left then.
pub fn backup(folder: &Path, to: &Path, overwrite: bool) -> Result<Found, BackupError> {
    if is_of_state(folder, to) {
        return Err(BackupError::Itself(to.to_owned()));
    }
    if to.exists() && !overwrite {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let copy = copied(&folder.join(FILE), to)?;
    let failed = |source| BackupError::File { path: to.to_owned(), source };
    match overwrite {
        true => copy.persist(to).map_err(|err| failed(err.error))?,
        false => copy.persist_noclobber(to).map_err(|err| failed(err.error))?,
    };
    synced(to).map_err(failed)?;
    Ok(check::info(to)?)
}

/// Puts a copy in the place of the state in a folder, which no daemon uses. What was there is moved
/// aside, beside it; its new name comes back. Blocks.
///
/// # Errors
/// A daemon runs, the copy is not one of a state or damaged, or the disk fails. The old state is in its
/// place then.
pub fn restore(folder: &Path, from: &Path) -> Result<(Found, Option<PathBuf>), BackupError> {
    super::make_private(folder).map_err(|err| StateError::Folder(folder.to_owned(), err))?;
    let (lock, _) = DaemonLock::take(folder)?;
    let place = folder.join(FILE);
    let copy = copied(from, &place)?;
    let about = check::info(copy.path())?;
    let failed = |source| BackupError::File { path: place.clone(), source };
    merge_log(&place);
    let aside = move_aside(&place).map_err(failed)?;
    if let Err(err) = copy.persist_noclobber(&place) {
        if let Some(aside) = &aside {
            let _ = moved(aside, &place);
        }
        return Err(failed(err.error));
    }
    synced(&place).map_err(failed)?;
    // The next daemon must not take it for a state that has lost something.
    lock.say(|said| said.seen = about.seen);
    Ok((Found { path: place, ..about }, aside))
}

/// What lies in the folder of a state.
const OWN: [&str; 10] = [
    FILE,
    "state.db-wal",
    "state.db-shm",
    "state.db-journal",
    "records.db",
    "records.db-wal",
    "records.db-shm",
    "records.db-journal",
    "daemon.lock",
    "ballast",
];

/// Whether a path leads to a file of the state in a folder, whatever it is called, or to the place of
/// one.
fn is_of_state(folder: &Path, path: &Path) -> bool {
    let same = |one: &Path, other: &Path| {
        let key = |path: &Path| std::fs::metadata(path).map(|about| (about.dev(), about.ino()));
        matches!((key(one), key(other)), (Ok(one), Ok(other)) if one == other)
    };
    let named = path.file_name().is_some_and(|name| OWN.iter().any(|own| name == *own));
    (named && same(&parent(path), folder)) || OWN.iter().any(|own| same(path, &folder.join(own)))
}

fn parent(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// A copy in the folder of its later place, read through and on disk.
fn copied(from: &Path, to: &Path) -> Result<NamedTempFile, BackupError> {
    let failed = |source| BackupError::File { path: to.to_owned(), source };
    let source = open::look(from)?;
    let copy =
        tempfile::Builder::new().prefix(".state-copy-").tempfile_in(parent(to)).map_err(failed)?;
    let name = copy.path().to_string_lossy();
    source.execute("vacuum into ?1", [&name]).map_err(|err| open::told(from, err))?;
    let looked = open::look(copy.path())?;
    let problems = check::pages(copy.path(), &looked)?;
    drop(looked);
    if let Some(what) = problems.into_iter().next() {
        return Err(BackupError::NotWhole { path: from.to_owned(), what });
    }
    copy.as_file().sync_all().map_err(failed)?;
    Ok(copy)
}

/// A name is on disk when its folder is.
fn synced(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

/// Brings the log of a state into its file, as far as it can be opened: what is moved after is one file,
/// and whatever cuts that off leaves it whole.
fn merge_log(place: &Path) {
    let merged = open::look(place).and_then(|connection| {
        let merge = "pragma wal_checkpoint(truncate)";
        Ok(connection.query_row(merge, [], |row| row.get::<_, bool>(0))?)
    });
    match merged {
        Ok(false) => {}
        Ok(true) => tracing::debug!("somebody reads the state: its log is moved with it"),
        Err(err) => tracing::debug!(error = %err, "the log of the state is moved with it"),
    }
}

/// Renames the state and what belongs to it; `None`: there is none.
fn move_aside(place: &Path) -> io::Result<Option<PathBuf>> {
    if !place.exists() {
        return Ok(None);
    }
    let names = (1..10_000).map(|number| open::beside(place, &format!(".aside-{number}")));
    let free = names.into_iter().find(|name| !name.exists());
    let aside = free.ok_or_else(|| io::Error::other("too many states were moved aside"))?;
    moved(place, &aside)?;
    Ok(Some(aside))
}

fn moved(from: &Path, to: &Path) -> io::Result<()> {
    // The log first: a file without its log is worse than a log without its file.
    for suffix in ["-wal", "-shm", ""] {
        match std::fs::rename(open::beside(from, suffix), open::beside(to, suffix)) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    Ok(())
}
