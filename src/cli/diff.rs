//! `postrider diff`: what an edit of the config changes, before it is in force.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::{Done, Failure, print};
use crate::app;
use crate::config::{self, Config, Mode};
use crate::store::state::State;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider diff config.toml new.toml       what would new.toml change?
  git show HEAD~1:config.toml > old.toml && postrider diff old.toml

Thresholds, holds, windows, schedules and recipients are shown as they were and as they are; comments,
order and spelling are no change. Nothing is written, and no source is reached. The same is logged
when a running daemon takes an edit over.")]
pub(super) struct Diff {
    /// The config as it was
    old: PathBuf,
    /// The config as it is to be. Default: the one of -c
    new: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let old = load(&self.old)?;
        let new = load(&self.new.clone().map_or_else(|| context.path(), Ok)?)?;
        // Looking at a config makes no state for it.
        let state = match old.state.join("state.db").exists() {
            true => Some(State::open(&old.state)?),
            false => None,
        };
        if self.json {
            let lines = app::told(state.as_ref(), &old, &new)?;
            print::json(&json!({ "changes": config::diff(&old, &new), "lines": lines }));
            return Ok(());
        }
        let lines = app::told(state.as_ref(), &old, &new)?;
        if lines.is_empty() {
            print::line("no change");
        }
        lines.iter().for_each(print::line);
        Ok(())
    }
}

fn load(path: &Path) -> Result<Config, Failure> {
    match config::load(path, &config::Process, Mode::Check) {
        Ok((config, _)) => Ok(config),
        Err(problems) => {
            print::remark(problems.to_string());
            Err(Failure::Config(None))
        }
    }
}
