//! `postrider run`: the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::DateTime;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::context::{Context, clock, runtime};
use super::{Done, print};
use crate::app::{App, Limits};
use crate::clock::{Clock, ScaledClock, SystemClock};
use crate::config::{self, Mode};

#[derive(Debug, Args)]
#[command(after_help = "Signals:
  SIGHUP            reload the config: whole, or not at all
  SIGTERM, Ctrl-C   stop: finish what is under way, then exit 0; a second one exits at once")]
pub(super) struct Run {
    /// For trials: run on a clock that stood at START (ms since 1970) when the real one stood at
    /// ANCHOR, and goes SPEED times as fast
    #[arg(long, hide = true, value_name = "ANCHOR,START,SPEED", value_parser = trial_clock)]
    clock: Option<ScaledClock>,
}

impl Run {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.run()?;
        let clock: Arc<dyn Clock> = match &self.clock {
            Some(scaled) => Arc::new(*scaled),
            None => clock(),
        };
        let (digests, rules) = (config.digests.len(), config.rules.len());
        let app = Arc::new(App::build(config, clock, Limits::default())?);
        let path = context.path()?;
        runtime()?.block_on(async {
            tracing::info!(config = %path.display(), digests, rules, "postrider runs");
            let reloads = tokio::spawn(reload_on_hup(Arc::clone(&app), path));
            let done = app.run(stopped()).await;
            reloads.abort();
            tracing::info!("postrider stopped");
            done
        })?;
        Ok(())
    }
}

/// A clock that several runs of one trial share: it goes on while none of them runs.
fn trial_clock(text: &str) -> Result<ScaledClock, String> {
    let numbers: Vec<i64> = text.split(',').filter_map(|number| number.parse().ok()).collect();
    let [anchor, start, speed] = numbers.as_slice() else {
        return Err("three whole numbers are needed: ANCHOR,START,SPEED".to_owned());
    };
    let passed = SystemClock.now().timestamp_millis() - anchor;
    let start = DateTime::from_timestamp_millis(start + passed * speed);
    let speed = u32::try_from(*speed).map_err(|_| "SPEED must be at least 0")?;
    Ok(ScaledClock::new(start.ok_or("START is out of range")?, speed))
}

/// Done at the first SIGTERM or Ctrl-C; a second one ends the process at once.
pub(super) async fn stopped() {
    wait_for_stop().await;
    tokio::spawn(async {
        wait_for_stop().await;
        std::process::exit(130);
    });
}

async fn wait_for_stop() {
    let Ok(mut term) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// At every SIGHUP reads the config again; one that has a problem changes nothing.
async fn reload_on_hup(app: Arc<App>, path: PathBuf) {
    let Ok(mut hup) = signal(SignalKind::hangup()) else { return };
    while hup.recv().await.is_some() {
        match config::load(&path, &config::Process, Mode::Run) {
            Err(problems) => {
                tracing::error!("config not reloaded, the old one stays in force");
                print::remark(problems.to_string());
            }
            Ok((config, notes)) => {
                for note in notes {
                    tracing::warn!("{note}");
                }
                match app.reload(config).await {
                    Ok(changes) if changes.is_empty() => {
                        tracing::info!("config reloaded: no change")
                    }
                    Ok(changes) => {
                        for change in changes {
                            tracing::info!("config reloaded: {change}");
                        }
                    }
                    Err(err) => tracing::error!(
                        error = %format!("{err:#}"),
                        "config not reloaded, the old one stays in force"
                    ),
                }
            }
        }
    }
}
