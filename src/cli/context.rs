//! Where a command finds its config, and what it opens with it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;

use super::{Failure, print};
use crate::app::{App, Limits, watch};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Mode, Seen};

/// Looked for where `-c` is not given.
const PLACES: &[&str] = &["config.toml", "/etc/postrider/config.toml"];

/// Where a command finds its config.
pub(super) struct Context {
    pub(super) config: Option<PathBuf>,
}

impl Context {
    /// The file that is read.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.config {
            return Ok(path.clone());
        }
        PLACES.iter().map(PathBuf::from).find(|path| path.exists()).ok_or_else(|| {
            let places = PLACES.join(" or ");
            Failure::Config(Some(anyhow!(
                "no config file: looked for {places}; name one with -c, or see `postrider demo`"
            )))
        })
    }

    /// The config as `check` sees it: an unset environment variable is no problem.
    pub(super) fn check(&self) -> Result<Config, Failure> {
        self.load(Mode::Check)
    }

    /// The config as the daemon needs it: every secret is there.
    pub(super) fn run(&self) -> Result<Config, Failure> {
        self.load(Mode::Run)
    }

    /// As [`Context::run`], with what it was read from.
    pub(super) fn run_and_seen(&self) -> Result<(Config, Seen), Failure> {
        self.load_and_seen(Mode::Run)
    }

    fn load(&self, mode: Mode) -> Result<Config, Failure> {
        self.load_and_seen(mode).map(|(config, _)| config)
    }

    fn load_and_seen(&self, mode: Mode) -> Result<(Config, Seen), Failure> {
        let (read, seen) = watch::read(&self.path()?, &config::Process, mode);
        match read {
            Ok((config, notes)) => {
                if mode == Mode::Run {
                    for note in notes {
                        tracing::warn!("{note}");
                    }
                }
                Ok((config, seen))
            }
            Err(problems) => {
                print::remark(problems.to_string());
                Err(Failure::Config(None))
            }
        }
    }

    /// An app that looks and plans but need not reach anything: secrets may be unset.
    pub(super) fn app(&self) -> Result<App, Failure> {
        Ok(App::build(self.check()?, clock(), Limits::default())?)
    }

    /// An app that acts: every secret is there.
    pub(super) fn acting_app(&self) -> Result<App, Failure> {
        Ok(App::build(self.run()?, clock(), Limits::default())?)
    }
}

/// The machine's clock.
pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A runtime for one command.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
