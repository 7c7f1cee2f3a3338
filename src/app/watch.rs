//! Watching the config: an edit of any file it is read from is put in force by itself, whole or not
//! at all.
//!
//! Files are looked at every two seconds rather than watched by the system: that holds over network
//! folders, over editors that write a new file and rename it, and over a whole tree that is swapped
//! by a link. An edit counts when two looks saw the same: nobody reads half of it. What is broken
//! keeps the old config in force; that is logged with every problem, told to the owner once, and
//! once more when it is mended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::App;
use crate::config::{self, Config, Environment, Mode, Note, Problems, Recording, Seen};
use crate::engine::EngineError;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// What a reading of the config came to.
pub type Read = Result<(Config, Vec<Note>), Problems>;

/// Reads a config and remembers what it was read from.
pub fn read(path: &std::path::Path, env: &(dyn Environment + Sync), mode: Mode) -> (Read, Seen) {
    let recording = Recording::over(env);
    let read = config::load(path, &recording, mode);
    (read, recording.seen())
}

/// What one look, or one wish to reload, came to.
#[derive(Debug)]
pub enum Reloaded {
    /// It is in force; what changed and what that means, a line each.
    Changed(Vec<String>, Vec<Note>),
    /// It means what it meant.
    Same,
    /// It has problems, and the old one stays in force.
    Broken(Problems),
    /// It is right, and cannot be put in force while postrider runs.
    Refused(anyhow::Error),
}

/// Watches the files of one app's config.
pub struct Watch {
    app: Arc<App>,
    path: PathBuf,
    env: Arc<dyn Environment + Send + Sync>,
    /// What the last reading saw.
    read: Seen,
    /// What the last look saw, where that was something else.
    edited: Option<Seen>,
    /// Since when the file has not been what is in force.
    broken: Option<DateTime<Utc>>,
}

impl Watch {
    /// Of the config at `path`, which was read from `seen` when `app` was built.
    pub fn new(
        app: Arc<App>,
        path: PathBuf,
        env: Arc<dyn Environment + Send + Sync>,
        seen: Seen,
    ) -> Watch {
        Watch { app, path, env, read: seen, edited: None, broken: None }
    }

    /// Done when an edit has settled; never where the config in force says so.
    pub async fn edited(&mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            if self.look().await {
                return;
            }
        }
    }

    /// Looks once. Whether there is an edit that two looks saw alike.
    pub async fn look(&mut self) -> bool {
        if !self.app.config().watch {
            return false;
        }
        let read = self.read.clone();
        let Ok(now) = tokio::task::spawn_blocking(move || read.now()).await else { return false };
        if now == self.read {
            self.edited = None;
            return false;
        }
        let settled = self.edited.as_ref() == Some(&now);
        self.edited = Some(now);
        settled
    }

    /// Reads the config again and puts it in force.
    pub async fn reload(&mut self) -> Reloaded {
        self.app.notify().reloading();
        let reloaded = self.read_again().await;
        self.app.notify().ready(match &reloaded {
            Reloaded::Changed(..) | Reloaded::Same => "the config is in force",
            Reloaded::Broken(_) | Reloaded::Refused(_) => {
                "an edit of the config is broken; the one before it is in force"
            }
        });
        if let Err(err) = self.tell(&reloaded).await {
            tracing::error!(error = %err, "the owner cannot be told of the edit");
        }
        reloaded
    }

    async fn read_again(&mut self) -> Reloaded {
        let (path, env) = (self.path.clone(), Arc::clone(&self.env));
        let reading = tokio::task::spawn_blocking(move || read(&path, &*env, Mode::Run)).await;
        let (read, seen) = match reading {
            Ok(reading) => reading,
            Err(err) => return Reloaded::Refused(err.into()),
        };
        self.edited = None;
        let before = std::mem::take(&mut self.read);
        match read {
            Err(problems) => {
                // What it includes may not have been reached.
                self.read = seen.and(before);
                Reloaded::Broken(problems)
            }
            Ok((config, notes)) => {
                self.read = seen;
                match self.app.reload(config).await {
                    Ok(changes) if changes.is_empty() => Reloaded::Same,
                    Ok(changes) => Reloaded::Changed(changes, notes),
                    Err(err) => Reloaded::Refused(err),
                }
            }
        }
    }

    /// Tells the owner of the first broken edit, and that it is mended.
    async fn tell(&mut self, reloaded: &Reloaded) -> Result<(), EngineError> {
        let engine = self.app.engine();
        let said = match reloaded {
            Reloaded::Broken(problems) => problems.0.iter().map(ToString::to_string).collect(),
            Reloaded::Refused(err) => vec![format!("{err:#}")],
            Reloaded::Changed(..) | Reloaded::Same => {
                return match self.broken.take() {
                    Some(since) => engine.tell_edit_mended(since).await,
                    None => Ok(()),
                };
            }
        };
        if self.broken.is_none() {
            let since = engine.clock().now();
            self.broken = Some(since);
            engine.tell_edit_broken(&self.path.display().to_string(), said, since).await?;
        }
        Ok(())
    }
}
