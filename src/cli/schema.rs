//! `postrider schema`: the config's keys for editors, or as a page.

use clap::Args;

use super::{Done, print};
use crate::config::schema;

#[derive(Debug, Args)]
#[command(after_help = "An editor with TOML support then completes and checks as you write:
  postrider schema > postrider.schema.json
and at the top of config.toml:
  #:schema ./postrider.schema.json")]
pub(super) struct Schema {
    /// As a page of reference in Markdown
    #[arg(long)]
    markdown: bool,
}

impl Schema {
    pub(super) fn execute(&self) -> Done {
        match self.markdown {
            true => print::bytes(schema::reference().as_bytes()),
            false => print::json(&schema::json_schema()),
        }
        Ok(())
    }
}
