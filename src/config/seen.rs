//! What a config was read from: every file and folder that was looked at, as it was then, so that an
//! edit of any of them can be noticed later.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::Environment;

/// Files and folders with what tells an edit of them. Two are equal if nothing was edited between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files; `None`: not there.
    files: BTreeMap<PathBuf, Option<Stamp>>,
    /// Folders with the names in them; `None`: cannot be listed.
    folders: BTreeMap<PathBuf, Option<BTreeSet<OsString>>>,
}

/// What tells an edit of a file, on local disks and over the network: its time, its length, and
/// which file it is (most editors write a new one and rename it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    file: u64,
}

impl Seen {
    /// The same files and folders as they are now.
    pub fn now(&self) -> Seen {
        Seen {
            files: self.files.keys().map(|path| (path.clone(), stamp(path))).collect(),
            folders: self.folders.keys().map(|path| (path.clone(), names(path))).collect(),
        }
    }

    /// With what only the other one looked at: after a reading that failed half-way both may matter.
    #[must_use]
    pub fn and(mut self, other: Seen) -> Seen {
        for (path, stamp) in other.files {
            self.files.entry(path).or_insert(stamp);
        }
        for (path, names) in other.folders {
            self.folders.entry(path).or_insert(names);
        }
        self
    }
}

/// An environment that remembers what was read in it, as it was just before.
pub struct Recording<'a> {
    inner: &'a (dyn Environment + Sync),
    seen: Mutex<Seen>,
}

impl<'a> Recording<'a> {
    /// Over another environment, whose files are those of this machine.
    pub fn over(inner: &'a (dyn Environment + Sync)) -> Recording<'a> {
        Recording { inner, seen: Mutex::default() }
    }

    /// What was read.
    pub fn seen(self) -> Seen {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment for Recording<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.inner.variable(name)
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        // Before it is read: an edit that comes between is noticed, at the price of a second look.
        let stamp = stamp(path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.files.entry(path.to_owned()).or_insert(stamp);
        drop(seen);
        self.inner.read(path, bytes_max)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let names = names(folder);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.folders.entry(folder.to_owned()).or_insert(names);
        drop(seen);
        self.inner.list(folder)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let file = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let file = 0;
    Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len(), file })
}

/// The names in a folder that a pattern may stand for: an editor's hidden files come and go.
fn names(folder: &Path) -> Option<BTreeSet<OsString>> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.file_name()));
    Some(names.filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect())
}

#[cfg(test)]
mod tests {
    use super::super::Process;
    use super::*;

    #[test]
    fn an_edit_of_what_was_read_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("read"), "1").unwrap();
        std::fs::write(at("unread"), "1").unwrap();
        let recording = Recording::over(&Process);
        recording.read(&at("read"), 10).unwrap();
        recording.read(&at("missing"), 10).unwrap_err();
        let seen = recording.seen();
        std::fs::write(at("unread"), "22").unwrap();
        assert_eq!(seen.now(), seen);
        std::fs::write(at("read"), "22").unwrap();
        let edited = seen.now();
        assert_ne!(edited, seen);
        std::fs::write(at("missing"), "now there").unwrap();
        assert_ne!(seen.now(), edited);
    }

    #[test]
    fn a_file_that_comes_or_goes_in_a_listed_folder_is_seen_unless_it_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let recording = Recording::over(&Process);
        recording.list(folder.path()).unwrap();
        let seen = recording.seen();
        std::fs::write(folder.path().join(".a.toml.swp"), "").unwrap();
        assert_eq!(seen.now(), seen);
        std::fs::write(folder.path().join("a.toml"), "").unwrap();
        assert_ne!(seen.now(), seen);
    }

    #[test]
    fn a_file_replaced_by_one_of_the_same_length_and_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&old, "1").unwrap();
        std::fs::write(&new, "2").unwrap();
        let recording = Recording::over(&Process);
        recording.read(&old, 10).unwrap();
        let seen = recording.seen();
        let time = std::fs::metadata(&old).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&new).unwrap().set_modified(time).unwrap();
        std::fs::rename(&new, &old).unwrap();
        assert_ne!(seen.now(), seen);
    }
}
