//! `postrider version`: what this binary is made of.

use clap::Args;

use super::{Done, print};
use crate::domain::zone::Zone;

#[derive(Debug, Args)]
pub(super) struct Version {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Version {
    pub(super) fn execute(&self) -> Done {
        let (zones, from) = Zone::database();
        let sqlite = rusqlite::version();
        let version = env!("CARGO_PKG_VERSION");
        if self.json {
            print::json(&serde_json::json!({
                "postrider": version,
                "time_zones": zones,
                "time_zones_from": from,
                "sqlite": sqlite,
            }));
        } else {
            print::line(format!("postrider {version}"));
            print::line(format!("time zones {zones} ({from})"));
            print::line(format!("SQLite {sqlite}"));
        }
        Ok(())
    }
}
