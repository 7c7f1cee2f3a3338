//! Secrets that open nothing, to be looked for wherever they must not be.

use std::collections::BTreeMap;
use std::path::Path;

/// Fails, with the line that it is in, where one of the secrets stands in a text.
#[track_caller]
pub(crate) fn clean<'s>(what: &str, text: &str, secrets: impl IntoIterator<Item = &'s str>) {
    for canary in secrets {
        let Some(at) = text.find(canary) else { continue };
        let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
        panic!("`{canary}` is in {what}: {}", &text[from..at + canary.len()]);
    }
}

/// Every file below a folder, as text.
pub(crate) fn files(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
