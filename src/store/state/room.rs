//! Room for the state on its disk: what is known when it cannot be written, and a reserve.
//!
//! The reserve is a file of some megabytes beside the state. When the disk is full it is deleted, so
//! that what was already handed over can be written down as delivered, and made again when there is
//! room.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rusqlite::ErrorCode;

use super::{State, lock};

/// The reserve's name in the folder.
const BALLAST: &str = "ballast";
/// How large it is, in bytes.
pub const BALLAST_BYTES: u64 = 8 * 1024 * 1024;
/// It is made where so many times its size is free.
const ROOM_FOR_BALLAST: u64 = 4;
/// A disk on which less is free is full, in bytes.
const SLACK: u64 = 512 * 1024;

/// Why the state cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// The disk is full.
    Full,
    /// The disk may only be read.
    ReadOnly,
    /// The disk fails.
    Disk,
    /// What is in the file makes no sense any more.
    Damaged,
}

impl Failing {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Failing::Full => "the disk is full",
            Failing::ReadOnly => "the disk is read-only",
            Failing::Disk => "the disk fails",
            Failing::Damaged => "the file is damaged",
        }
    }

    /// What an error of SQLite says of the disk; `None`: nothing.
    pub fn of(err: &rusqlite::Error) -> Option<Failing> {
        match err.sqlite_error_code()? {
            ErrorCode::DiskFull => Some(Failing::Full),
            ErrorCode::ReadOnly => Some(Failing::ReadOnly),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Some(Failing::Disk),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(Failing::Damaged),
            _ => None,
        }
    }

    /// The same of an error that has one of SQLite among its causes.
    pub fn among(err: &(dyn std::error::Error + 'static)) -> Option<Failing> {
        let mut cause = Some(err);
        while let Some(err) = cause {
            if let Some(failing) = err.downcast_ref().and_then(Failing::of) {
                return Some(failing);
            }
            cause = err.source();
        }
        None
    }
}

/// Room on the disk of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that we may still write.
    pub free: u64,
    /// Whether nothing may be written.
    pub read_only: bool,
}

impl Space {
    /// Of the disk that a folder lies on; `None`: the system does not say.
    pub fn of(folder: &Path) -> Option<Space> {
        let found = rustix::fs::statvfs(folder).ok()?;
        let read_only = found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Space { total: bytes(found.f_blocks), free: bytes(found.f_bavail), read_only })
    }
}

/// Gives the reserve's room back to the disk; whether there was one.
pub(super) fn free_ballast(folder: &Path) -> bool {
    let freed = std::fs::remove_file(folder.join(BALLAST)).is_ok();
    if freed {
        tracing::warn!("the disk is full: the reserve beside the state is freed");
    }
    freed
}

impl State {
    /// What an error says of the state's disk is remembered until a write succeeds again. A full disk
    /// gets the reserve back at once.
    pub fn note_failing(&self, failing: Failing) {
        let space = Space::of(&self.folder);
        let failing = match (failing, space) {
            // Where a file cannot grow, some of SQLite's writes just fail.
            (Failing::Disk, Some(space)) if space.free < 64 * 1024 => Failing::Full,
            (Failing::Disk, Some(space)) if space.read_only => Failing::ReadOnly,
            (failing, _) => failing,
        };
        let mut known = self.failing();
        if *known != Some(failing) {
            tracing::error!(why = failing.words(), "the state cannot be written");
            *known = Some(failing);
        }
        if failing == Failing::Full && free_ballast(&self.folder) {
            self.reserve_spent.store(true, Ordering::Relaxed);
        }
    }

    /// Why the state cannot be written; `None`: it can, as far as is known.
    pub fn is_failing(&self) -> Option<Failing> {
        *self.failing()
    }

    /// Why the state cannot be written, as far as this process or the daemon knows.
    pub fn trouble(&self) -> Option<String> {
        let own = self.is_failing().map(|failing| failing.words().to_owned());
        own.or_else(|| lock::holder(&self.folder).ok().flatten()?.trouble)
    }

    /// A write has succeeded. Whether that ends what is known to fail: a full disk must have room for
    /// the reserve again, or the write has only used up some of it; and one write proves nothing of a
    /// damaged file.
    pub fn note_writable(&self) -> bool {
        let mut known = self.failing();
        let over = match *known {
            None | Some(Failing::ReadOnly | Failing::Disk) => true,
            Some(Failing::Damaged) => false,
            Some(Failing::Full) => {
                let spent = self.reserve_spent.load(Ordering::Relaxed);
                let needed = SLACK + if spent { BALLAST_BYTES } else { 0 };
                Space::of(&self.folder).is_none_or(|space| space.free >= needed)
            }
        };
        if over {
            *known = None;
            self.reserve_spent.store(false, Ordering::Relaxed);
        }
        over
    }

    /// Makes the reserve where there is none and room enough. Blocks. Whether there is one now.
    pub fn stock_ballast(&self) -> bool {
        let path = self.ballast();
        if path.metadata().is_ok_and(|about| about.len() == BALLAST_BYTES) {
            return true;
        }
        let room = Space::of(&self.folder).is_some_and(|space| {
            !space.read_only && space.free >= ROOM_FOR_BALLAST * BALLAST_BYTES
        });
        if !room {
            return false;
        }
        let made = fill(&path);
        if made.is_err() {
            // Half a reserve is none, and takes room.
            let _ = std::fs::remove_file(&path);
        }
        made.is_ok()
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join(BALLAST)
    }
}

/// Blocks that are really there, also on disks that store nothing for zeros.
fn fill(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    let flags = rustix::fs::FallocateFlags::empty();
    if rustix::fs::fallocate(&file, flags, 0, BALLAST_BYTES).is_ok() {
        return Ok(());
    }
    let mut block = vec![0u8; 64 * 1024];
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    for bytes in block.chunks_exact_mut(8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.copy_from_slice(&x.to_le_bytes());
    }
    for _ in 0..BALLAST_BYTES / block.len() as u64 {
        file.write_all(&block)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn errors_of_the_disk_are_told_from_all_others() {
        use rusqlite::ffi;
        for (code, expected) in [
            (ffi::SQLITE_FULL, Some(Failing::Full)),
            (ffi::SQLITE_READONLY, Some(Failing::ReadOnly)),
            (ffi::SQLITE_READONLY_DBMOVED, Some(Failing::ReadOnly)),
            (ffi::SQLITE_IOERR_FSYNC, Some(Failing::Disk)),
            (ffi::SQLITE_CANTOPEN, Some(Failing::Disk)),
            (ffi::SQLITE_CORRUPT, Some(Failing::Damaged)),
            (ffi::SQLITE_BUSY, None),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, None),
        ] {
            assert_eq!(Failing::of(&sqlite(code)), expected, "{code}");
            let deep = super::super::StateError::Database(sqlite(code));
            assert_eq!(Failing::among(&deep), expected, "{code}");
        }
        assert_eq!(Failing::among(&std::io::Error::other("no")), None);
    }

    #[test]
    fn a_full_disk_gets_the_reserve_and_a_write_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let reserve = folder.path().join(BALLAST);
        assert!(state.stock_ballast() && state.stock_ballast());
        assert_eq!(reserve.metadata().unwrap().len(), BALLAST_BYTES);
        state.note_failing(Failing::ReadOnly);
        assert!(reserve.exists());
        state.note_failing(Failing::Full);
        assert!(!reserve.exists());
        assert_eq!(state.is_failing(), Some(Failing::Full));
        assert!(state.note_writable(), "there is room again");
        assert_eq!(state.is_failing(), None);
        state.note_failing(Failing::Damaged);
        assert!(!state.note_writable(), "one write proves nothing");
    }
}
