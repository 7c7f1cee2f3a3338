//! Postrider's own memory as records: see [`crate::source::own`].

use std::collections::HashMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::incident::Incident;
use crate::domain::value::Value;
use crate::source::own::Memory;
use crate::store::state::history::{self, KeptAlert, KeptNotice};
use crate::store::state::{State, StateError};

/// How far back an incident's own past is looked at for flapping.
const FLAPPING: TimeDelta = TimeDelta::days(1);

/// The state in a folder, opened once more for each reading: it is read every few minutes at most, and
/// nobody waits for the connection that everything else is written by.
pub(super) struct OwnState {
    pub(super) folder: PathBuf,
}

impl Memory for OwnState {
    fn rows(&self, dataset: &str) -> Result<Vec<Vec<Value>>, String> {
        self.read(dataset).map_err(|err| format!("{:#}", anyhow::Error::from(err)))
    }
}

impl OwnState {
    fn read(&self, dataset: &str) -> Result<Vec<Vec<Value>>, StateError> {
        let state = State::beside(&self.folder)?;
        match dataset {
            "Incident" => Ok(incidents(state.read(history::alerts)?)),
            "Notice" => {
                let notices = state.read(history::kept_notices)?;
                Ok(notices.into_iter().map(notice).collect())
            }
            "AlertRule" => {
                let rules = state.read(history::rules)?;
                let row = |rule: history::KeptRule| {
                    vec![
                        Value::Text(rule.name),
                        instant(rule.evaluated_to),
                        instant(rule.last_fired_at),
                        Value::Integer(rule.fired),
                    ]
                };
                Ok(rules.into_iter().map(row).collect())
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn instant(at: Option<DateTime<Utc>>) -> Value {
    at.map_or(Value::Null, Value::Timestamp)
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::Text(text.to_owned()) }
}

/// The incidents that fired, in the order of the dataset's fields.
fn incidents(mut kept: Vec<KeptAlert>) -> Vec<Vec<Value>> {
    kept.retain(|kept| kept.incident.fired_at.is_some());
    kept.sort_by_key(|kept| kept.incident.fired_at);
    let mut fired: HashMap<(String, String), Vec<DateTime<Utc>>> = HashMap::new();
    kept.into_iter()
        .filter_map(|kept| {
            let at = kept.incident.fired_at?;
            let key = (kept.incident.rule.clone(), kept.incident.group.key.clone());
            let times = fired.entry(key).or_default();
            times.retain(|earlier| at - *earlier < FLAPPING);
            times.push(at);
            let flaps = times.len() as i64;
            Some(incident(kept, flaps))
        })
        .collect()
}

fn incident(kept: KeptAlert, flaps: i64) -> Vec<Value> {
    let Incident { id, rule, group, level, peak, began, fired_at, resolved, .. } = &kept.incident;
    let lasted = resolved.map(|end| (end.at - fired_at.unwrap_or(*began)).num_seconds().max(0));
    vec![
        text(id),
        text(rule),
        text(&group.name()),
        text(&level.name),
        text(&peak.name),
        instant(Some(*began)),
        instant(*fired_at),
        instant(resolved.map(|end| end.at)),
        text(resolved.map_or("", |end| end.reason.words())),
        // What is open has no length yet: it would pull every median down.
        lasted.map_or(Value::Null, Value::Integer),
        instant(kept.acked_at),
        text(kept.acked_by.as_deref().unwrap_or_default()),
        Value::Integer(kept.notices),
        Value::Integer(flaps),
    ]
}

fn notice(kept: KeptNotice) -> Vec<Value> {
    vec![
        text(&kept.key),
        text(&kept.rule),
        text(&kept.receiver),
        text(&kept.kind),
        instant(Some(kept.at)),
        instant(kept.delivered_at),
        text(&kept.state),
    ]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::process::Command;

    use super::*;

    /// The test's own binary is run once more as the process beside, told the folder by this.
    const BESIDE: &str = "POSTRIDER_TEST_BESIDE";

    #[test]
    #[expect(clippy::disallowed_methods, reason = "how a test tells its own binary what to be")]
    fn reading_ones_own_memory_keeps_the_log_that_others_would_delete() {
        if let Some(folder) = std::env::var_os(BESIDE) {
            // As a command beside the daemon: the last to close deletes the log.
            let state = State::open(folder.as_ref()).unwrap();
            state.checkpoint().unwrap();
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let note = |subject: &str| {
            let subject = subject.to_owned();
            let at = DateTime::UNIX_EPOCH;
            state
                .write(move |tx| crate::store::state::ledger::note(tx, at, "k", &subject, "t"))
                .unwrap();
        };
        note("before");
        let own = OwnState { folder: folder.path().to_owned() };
        for dataset in ["Incident", "Notice", "AlertRule"] {
            own.rows(dataset).unwrap();
        }
        let log = folder.path().join("state.db-wal");
        let inode = log.metadata().unwrap().ino();
        let name =
            "app::own::tests::reading_ones_own_memory_keeps_the_log_that_others_would_delete";
        let beside = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(BESIDE, folder.path())
            .output()
            .unwrap();
        assert!(beside.status.success(), "{beside:?}");
        assert!(String::from_utf8_lossy(&beside.stdout).contains("1 passed"), "{beside:?}");
        assert_eq!(log.metadata().map(|about| about.ino()).ok(), Some(inode));
        note("after");
        let reader = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
        let count = |sql| reader.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("select count(*) from ledger where subject = 'after'"), 1);
    }
}
