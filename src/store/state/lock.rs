//! The daemon's place on a state folder: one file, locked for as long as the daemon lives, that says
//! who it is.
//!
//! The lock is the system's, so a daemon that was killed holds nothing. What is written in the file
//! is for people and for the next start: the process, and up to when it is known to have worked. It
//! is overwritten in place and has a fixed size, so that it can be written where the disk is full.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chrono::{DateTime, Utc};

use super::StateError;

/// The file's name in the folder.
const NAME: &str = "daemon.lock";
/// How large it is, in bytes.
const SIZE: usize = 512;
/// Whoever only looks whether a daemon runs holds the lock for a moment: tried again so often.
const TRIES: u32 = 10_000;

/// Held by the one daemon of a state folder, for as long as it lives.
#[derive(Debug)]
pub struct DaemonLock {
    file: File,
    said: Mutex<Said>,
}

/// What a daemon says of itself in its lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its process.
    pub pid: Option<u32>,
    /// Up to when its state is known to have been written.
    pub seen: Option<DateTime<Utc>>,
    /// Why its state cannot be written now, with the instant since when.
    pub trouble: Option<String>,
}

impl DaemonLock {
    /// Takes the daemon's place on a folder, which exists. What the daemon before it said of itself
    /// comes with it.
    ///
    /// # Errors
    /// Another daemon has it ([`StateError::Locked`], with its process), or the file cannot be used.
    pub fn take(folder: &Path) -> Result<(DaemonLock, Said), StateError> {
        let path = folder.join(NAME);
        let failed = |err| StateError::Folder(folder.to_owned(), err);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => {
                    let before = read(&file);
                    let said = Said { pid: Some(std::process::id()), ..before.clone() };
                    let lock = DaemonLock { file, said: Mutex::new(said.clone()) };
                    lock.say(|new| *new = Said { trouble: None, ..said });
                    return Ok((lock, before));
                }
                Err(TryLockError::Error(err)) => return Err(failed(err)),
                Err(TryLockError::WouldBlock) => {}
            }
            // A look shares its lock with other looks, a daemon with nobody.
            match file.try_lock_shared() {
                Ok(()) => file.unlock().map_err(failed)?,
                Err(TryLockError::Error(err)) => return Err(failed(err)),
                Err(TryLockError::WouldBlock) => break,
            }
            std::thread::yield_now();
        }
        Err(StateError::Locked { folder: folder.to_owned(), pid: read(&file).pid })
    }

    /// Changes what it says of itself, as far as that can be written: nothing depends on it.
    pub fn say(&self, change: impl FnOnce(&mut Said)) {
        let mut said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut said);
        let _ = self.file.write_all_at(&written(&said), 0);
    }
}

/// What the daemon on a folder says of itself; `None`: there is none.
///
/// # Errors
/// The lock file is there and cannot be opened.
pub fn holder(folder: &Path) -> Result<Option<Said>, StateError> {
    let file = match File::open(folder.join(NAME)) {
        Ok(file) => file,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(StateError::Folder(folder.to_owned(), err)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read(&file))),
        Err(TryLockError::Error(err)) => Err(StateError::Folder(folder.to_owned(), err)),
    }
}

/// Whether a daemon has ever worked on the folder of this state.
pub(super) fn has_served(state: &Path) -> bool {
    let path = state.parent().map_or_else(|| PathBuf::from(NAME), |folder| folder.join(NAME));
    File::open(path).is_ok_and(|file| read(&file).seen.is_some())
}

fn written(said: &Said) -> Vec<u8> {
    let mut text = said.pid.map_or(String::new(), |pid| format!("pid {pid}\n"));
    if let Some(seen) = said.seen {
        text.push_str(&format!("seen {}\n", seen.timestamp_millis()));
    }
    if let Some(trouble) = &said.trouble {
        text.push_str(&format!("trouble {}\n", trouble.replace('\n', " ")));
    }
    let mut end = text.len().min(SIZE - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    let mut bytes = text.into_bytes();
    bytes.resize(SIZE - 1, b' ');
    bytes.push(b'\n');
    bytes
}

fn read(file: &File) -> Said {
    let mut bytes = vec![0; SIZE];
    let length = file.read_at(&mut bytes, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..length]);
    let line = |word: &str| text.lines().find_map(|line| line.strip_prefix(word));
    Said {
        pid: line("pid ").and_then(|pid| pid.trim().parse().ok()),
        seen: line("seen ")
            .and_then(|at| at.trim().parse().ok())
            .and_then(DateTime::from_timestamp_millis),
        trouble: line("trouble ").map(|text| text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_hears_who_is_the_first_and_looks_disturb_nobody() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(holder(folder.path()).unwrap(), None);
        let (lock, before) = DaemonLock::take(folder.path()).unwrap();
        assert_eq!(before, Said::default());
        let own = Some(std::process::id());
        match DaemonLock::take(folder.path()) {
            Err(StateError::Locked { pid, .. }) => assert_eq!(pid, own),
            other => panic!("{other:?}"),
        }
        assert_eq!(holder(folder.path()).unwrap().unwrap().pid, own);
        lock.say(|said| said.trouble = Some("no space ".repeat(99)));
        lock.say(|said| said.seen = Some(DateTime::UNIX_EPOCH));
        let said = holder(folder.path()).unwrap().unwrap();
        assert!(said.trouble.unwrap().starts_with("no space no space"));
        let length = folder.path().join(NAME).metadata().unwrap().len();
        assert_eq!(length, SIZE as u64, "it never grows");
        drop(lock);
        assert_eq!(holder(folder.path()).unwrap(), None);
        let (_lock, before) = DaemonLock::take(folder.path()).unwrap();
        assert_eq!((before.pid, before.seen), (own, Some(DateTime::UNIX_EPOCH)));
        assert!(has_served(&folder.path().join("state.db")));
    }

    #[test]
    fn looks_at_the_same_moment_do_not_refuse_a_daemon() {
        let folder = tempfile::tempdir().unwrap();
        drop(DaemonLock::take(folder.path()).unwrap());
        let going = std::sync::atomic::AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while going.load(std::sync::atomic::Ordering::Relaxed) {
                    holder(folder.path()).unwrap();
                }
            });
            for _ in 0..200 {
                DaemonLock::take(folder.path()).unwrap();
            }
            going.store(false, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
