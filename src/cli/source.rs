//! `postrider source`: looking at a source before anything is built on it. Nothing is stored.

use std::sync::Arc;

use clap::Subcommand;

use super::Done;
use super::context::{Context, clock};
use crate::app;
use crate::config::SourceSettings;
use crate::source::{Source, SourceError};

mod infer;
pub(super) mod sample;
mod write;

#[derive(Debug, Subcommand)]
pub(super) enum SourceCommand {
    /// Propose a `[datasets]` block from what an API or an org shows
    Infer(infer::Infer),
    /// Read the first records of a dataset and show them; nothing is stored
    Test(sample::Test),
}

impl SourceCommand {
    pub(super) fn execute(&self, context: &Context) -> Done {
        match self {
            SourceCommand::Infer(infer) => infer.execute(context),
            SourceCommand::Test(test) => test.execute(context),
        }
    }
}

/// Opens one source by itself, on the machine's clock. Nothing is sent before it is asked.
pub(super) fn open(settings: &SourceSettings) -> Result<Arc<dyn Source>, SourceError> {
    app::source(settings, &clock(), None)
}

/// How many requests this command made.
pub(super) fn requests(source: &dyn Source) -> u64 {
    source.spent().total(clock().now())
}
