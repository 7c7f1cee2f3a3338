//! `postrider check`: the same code as the daemon reads its config with.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::{Done, Failure, print};
use crate::config::{self, Mode};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0: the config is right. 2: every mistake is shown, with place and mend.
A secret from an environment variable that is not set here is a remark; `run` refuses it."
)]
pub(super) struct Check {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let path = context.path()?;
        match config::load(&path, &config::Process, Mode::Check) {
            Ok((config, notes)) => {
                if self.json {
                    print::json(&json!({
                        "problems": [],
                        "notes": notes,
                    }));
                    return Ok(());
                }
                for note in notes {
                    print::remark(format!("note: {note}"));
                }
                let counts = [
                    print::count(config.reports.len(), "report"),
                    print::count(config.digests.len(), "digest"),
                    print::count(config.rules.len(), "rule"),
                    print::count(config.receivers.len(), "receiver"),
                ];
                print::line(format!("{} is right: {}", path.display(), counts.join(", ")));
                Ok(())
            }
            Err(problems) => {
                if self.json {
                    print::json(&json!({ "problems": problems, "notes": [] }));
                } else {
                    print::remark(problems.to_string());
                }
                Err(Failure::Config(None))
            }
        }
    }
}
