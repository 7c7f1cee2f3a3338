//! An edit in the words of the file: which keys of a table are other than they were.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::config::written::Keys;

/// Longer values are cut.
const SHOWN_MAX: usize = 120;

/// One key of a table that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The key; those of tables inside the table with a dot between.
    pub key: String,
    /// What it was; `None`: not written.
    pub old: Option<String>,
    /// What it is; `None`: not written any more.
    pub new: Option<String>,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.key)?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => match (entries(old), entries(new)) {
                (Some(old), Some(new)) => f.write_str(&moved(&old, &new)),
                _ => write!(f, "{} -> {}", short(old), short(new)),
            },
            (None, Some(new)) => write!(f, "now {}", short(new)),
            (Some(old), None) => write!(f, "no longer {}", short(old)),
            (None, None) => Ok(()),
        }
    }
}

/// The keys that differ, in order.
pub(super) fn edits(old: &Keys, new: &Keys) -> Vec<Edit> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    differing
        .map(|key| Edit {
            key: key.clone(),
            old: old.get(key).cloned(),
            new: new.get(key).cloned(),
        })
        .collect()
}

/// The entries of a written list of texts.
fn entries(written: &str) -> Option<Vec<String>> {
    let inner = written.strip_prefix("[\"")?.strip_suffix("\"]")?;
    Some(inner.split("\", \"").map(str::to_owned).collect())
}

/// Who or what joined and left a list.
fn moved(old: &[String], new: &[String]) -> String {
    let missing = |of: &[String], from: &[String]| {
        let gone = of.iter().filter(|entry| !from.contains(entry));
        gone.map(|entry| short(entry)).collect::<Vec<_>>()
    };
    let (joined, left) = (missing(new, old), missing(old, new));
    let joined = (!joined.is_empty()).then(|| format!("with {}", joined.join(", ")));
    let left = (!left.is_empty()).then(|| format!("without {}", left.join(", ")));
    let parts: Vec<String> = joined.into_iter().chain(left).collect();
    if parts.is_empty() { "in another order".to_owned() } else { parts.join(" and ") }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_told_by_key_with_what_was_and_what_is() {
        check("> 300", "> 400", "`k` > 300 -> > 400");
        check("", "10 min", "`k` now 10 min");
        check("10 min", "", "`k` no longer 10 min");
        check("[\"a\", \"b\"]", "[\"b\", \"c\"]", "`k` with c and without a");
        check("[\"a\", \"b\"]", "[\"b\", \"a\"]", "`k` in another order");
        check("[\"a\"]", "[\"a\", \"b\"]", "`k` with b");
        let long = "x".repeat(200);
        check("y", &long, &format!("`k` y -> {} ...", "x".repeat(120)));
    }

    #[track_caller]
    fn check(old: &str, new: &str, expected: &str) {
        let keys = |value: &str| {
            let written = (!value.is_empty()).then(|| ("k".to_owned(), value.to_owned()));
            written.into_iter().chain([("same".to_owned(), "1".to_owned())]).collect::<Keys>()
        };
        let edits = edits(&keys(old), &keys(new));
        let words: Vec<String> = edits.iter().map(Edit::to_string).collect();
        assert_eq!(words, [expected]);
    }
}
