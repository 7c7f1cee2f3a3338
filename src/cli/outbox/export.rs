//! Exporting: messages as they are sent, a file each.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::{Selection, as_json};
use crate::cli::{Done, print};
use crate::store::state::State;
use crate::store::state::outbox::{self, SMTP};

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The folder, made if it is missing
    folder: PathBuf,
    #[command(flatten)]
    which: Selection,
    /// At most so many, the newest
    #[arg(long, default_value_t = 10_000)]
    limit: usize,
}

impl Export {
    pub(super) fn execute(&self, state: &State) -> Done {
        let wanted = self.which.wanted(self.limit)?;
        let rows = state.read(|tx| outbox::find(tx, &wanted))?;
        if rows.is_empty() {
            return Err(anyhow!("no delivery is like that: nothing is written").into());
        }
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make `{}`", self.folder.display()))?;
        let mut list = Vec::new();
        for row in &rows {
            // One at a time: they are not all in memory.
            let Some(shown) = state.read(|tx| outbox::show(tx, row.id))? else { continue };
            let kind = if row.receiver == SMTP { "eml" } else { "json" };
            let name = format!("{}.{kind}", row.id);
            let path = self.folder.join(&name);
            fs::write(&path, &shown.bytes)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
            let mut value = as_json(row);
            value["file"] = name.into();
            list.push(value);
        }
        let path = self.folder.join("list.json");
        let text = serde_json::to_string_pretty(&list)?;
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        let messages = print::count(list.len(), "message");
        print::line(format!("{messages} in `{}`", self.folder.display()));
        Ok(())
    }
}
