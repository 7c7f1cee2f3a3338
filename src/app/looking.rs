//! Looking: what a config would do over stored records, beside a running daemon and without writing
//! anything where that lives.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tempfile::TempDir;

use super::{Limits, plant};
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::Plant;
use crate::store::Store;

/// A config over stored records.
pub struct Looking {
    /// Its definitions.
    pub plant: Plant,
    /// The records, which are only read, and a state that is thrown away.
    pub store: Store,
    _scratch: TempDir,
}

impl Looking {
    /// Opens the records in `folder` as `config` sees them.
    ///
    /// # Errors
    /// There are no records there, or they cannot be read.
    pub fn open(config: &Config, folder: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<Looking> {
        let plant = plant::build(config, clock, &Limits::default())?;
        let scratch = tempfile::tempdir().context("a place for what is thrown away is needed")?;
        if !folder.join("records.db").is_file() {
            anyhow::bail!(
                "there are no records in `{}` yet: run the daemon or `postrider pull` first",
                folder.display()
            );
        }
        let store = Store::look(folder, scratch.path(), &config.datasets)
            .with_context(|| format!("the records in `{}` cannot be read", folder.display()))?;
        Ok(Looking { plant, store, _scratch: scratch })
    }
}
