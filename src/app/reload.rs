//! Reload: a new config in force, whole or not at all, and what that means for what is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use super::{App, plant, prepare};
use crate::config::{self, Config};
use crate::domain::incident::{Incident, State};
use crate::domain::notification::Told;
use crate::store::state::{State as StateDb, StateError, incidents};

impl App {
    /// Puts a new config in force, whole or not at all, and returns what changed and what that means
    /// for open incidents, a line each. Moving the state folder or changing a dataset's fields takes
    /// a restart.
    ///
    /// # Errors
    /// Why it cannot be put in force; then the old one still is.
    pub async fn reload(&self, new: Config) -> anyhow::Result<Vec<String>> {
        let old = self.config();
        anyhow::ensure!(
            old.state == new.state,
            "`state` moved from `{}` to `{}`: that takes a restart",
            old.state.display(),
            new.state.display()
        );
        let plant = plant::build(&new, &self.clock, &self.limits)?;
        let engine = self.engine();
        prepare(engine.store(), &plant)?;
        let (store, before, after) = (Arc::clone(engine.store()), Arc::clone(&old), new.clone());
        let lines = move || Ok(told(Some(&store.state), &before, &after)?);
        let lines = crate::engine::blocking(lines).await?;
        engine.replace_plant(plant);
        // What cannot be closed now is closed by housekeeping: the new config is in force already.
        if let Err(err) = engine.close_removed_rules().await {
            tracing::error!(error = %format!("{:#}", anyhow::Error::from(err)), "closed later");
        }
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(lines)
    }
}

/// What putting `new` in force instead of `old` changes, and what that means for what is open in this
/// state: a line each, nothing where the two mean the same.
///
/// # Errors
/// The state cannot be read.
pub fn told(
    state: Option<&StateDb>,
    old: &Config,
    new: &Config,
) -> Result<Vec<String>, StateError> {
    let changes = config::diff(old, new);
    let mut lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    if let (false, Some(state)) = (lines.is_empty(), state) {
        let (open, told) =
            state.read(|tx| Ok((incidents::open(tx)?, incidents::told_live(tx)?)))?;
        lines.extend(meaning(old, new, &open, &told));
    }
    Ok(lines)
}

/// What becomes of open incidents.
fn meaning(old: &Config, new: &Config, open: &[Incident], told: &[Told]) -> Vec<String> {
    let mut of_rules: BTreeMap<&str, usize> = BTreeMap::new();
    for incident in open.iter().filter(|incident| incident.state != State::Pending) {
        *of_rules.entry(&incident.rule).or_default() += 1;
    }
    let mut lines = Vec::new();
    for (rule, count) in of_rules {
        let (incidents, are) = words(count);
        match (old.rules.get(rule), new.rules.get(rule)) {
            (_, None) => {
                lines.push(format!("{incidents} of `{rule}` {are} closed: the rule is removed"));
            }
            (Some(old), Some(new)) if old.hash != new.hash => {
                lines.push(format!("{incidents} of `{rule}` {are} kept"));
            }
            _ => {}
        }
    }
    let gone: BTreeSet<&String> = (told.iter())
        .filter(|told| !told.closed && !new.receivers.contains_key(&told.receiver))
        .map(|told| &told.receiver)
        .filter(|receiver| old.receivers.contains_key(*receiver))
        .collect();
    for receiver in gone {
        let owed = told.iter().filter(|told| told.receiver == *receiver && !told.closed).count();
        let (incidents, _) = words(owed);
        lines.push(format!(
            "`{receiver}` was told of {incidents} and is removed: nobody tells it the end"
        ));
    }
    lines
}

fn words(count: usize) -> (String, &'static str) {
    match count {
        1 => ("1 open incident".to_owned(), "is"),
        _ => (format!("{count} open incidents"), "are"),
    }
}
