//! demo
use clap::Args;
#[derive(Debug, Args)]
pub(super) struct Demo {}
impl Demo { pub(super) fn execute(&self) -> super::Done { Ok(()) } }
