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

/// The state in a folder, opened anew for each reading: it is read every few minutes at most, and
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
        let state = State::open(&self.folder)?;
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
