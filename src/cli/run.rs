//! `postrider run`: the daemon.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::DateTime;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::{Context, clock, runtime};
use super::{Done, print};
use crate::app::notify::Notify;
use crate::app::watch::{Reloaded, Watch};
use crate::app::{App, Limits};
use crate::clock::{Clock, ScaledClock, SystemClock};
use crate::config::{self, Environment as _};

#[derive(Debug, Args)]
#[command(
    after_help = "An edit of the config, or of a file it is read from, is put in force by itself within a few
seconds, whole or not at all ([postrider] watch = false turns that off).

Signals:
  SIGHUP            reload the config now
  SIGTERM, Ctrl-C   stop: finish what is under way ([postrider] shutdown_grace) and wait for the
                    answer to what was handed over; a second one exits at once

Under systemd (Type=notify-reload) it tells when it is ready, reloads and stops, asks for more time
while an answer is waited for, and feeds the watchdog while its loops turn.

Exit codes: 0 stopped, 2 bad arguments or config, 74 the state cannot be used, 75 another daemon
holds the state folder, 130 stopped at once by a second signal, 1 any other failure."
)]
pub(super) struct Run {
    /// For trials: run on a clock that stood at START (ms since 1970) when the real one stood at
    /// ANCHOR, and goes SPEED times as fast
    #[arg(long, hide = true, value_name = "ANCHOR,START,SPEED", value_parser = trial_clock)]
    clock: Option<ScaledClock>,
}

const NO_SIGNALS: &str = "signals cannot be listened for";

impl Run {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let (config, seen) = context.run_and_seen()?;
        let clock: Arc<dyn Clock> = match &self.clock {
            Some(scaled) => Arc::new(*scaled),
            None => clock(),
        };
        let (digests, rules) = (config.digests.len(), config.rules.len());
        let notify = Notify::of(|name| config::Process.variable(name));
        let app = Arc::new(App::daemon(config, clock, Limits::default(), notify)?);
        let path = context.path()?;
        let runtime = runtime()?;
        let done = runtime.block_on(async {
            // Heard from here on, before anybody is told that we are ready.
            let (stop, hup) = (stopped(), signal(SignalKind::hangup()).context(NO_SIGNALS)?);
            tracing::info!(config = %path.display(), digests, rules, "postrider runs");
            let watch = Watch::new(Arc::clone(&app), path, Arc::new(config::Process), seen);
            let reloads = tokio::spawn(reload_when_edited(watch, hup));
            let done = app.run(stop).await;
            reloads.abort();
            tracing::info!("postrider stopped");
            done
        });
        // What still reads a file is not waited for.
        runtime.shutdown_timeout(Duration::from_secs(5));
        Ok(done?)
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

/// Done at the first SIGTERM or Ctrl-C from now on; a second one ends the process at once. To be called
/// within a runtime: the signals are heard from this call on, not from the first wait.
pub(super) fn stopped() -> impl Future<Output = ()> {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async move {
        let [Ok(mut term), Ok(mut interrupt)] = signals else {
            // Without handlers the system's own are in force: they end the process.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(130);
        });
    }
}

/// At every SIGHUP, and whenever its files were edited, reads the config again; one that has a
/// problem changes nothing.
async fn reload_when_edited(mut watch: Watch, mut hup: Signal) {
    loop {
        let asked = tokio::select! {
            heard = hup.recv() => match heard {
                Some(()) => true,
                None => return,
            },
            () = watch.edited() => false,
        };
        match watch.reload().await {
            Reloaded::Changed(changes, notes) => {
                for note in notes {
                    tracing::warn!("{note}");
                }
                for change in changes {
                    tracing::info!("config reloaded: {change}");
                }
            }
            // An edit of a comment, or of a file beside those that count.
            Reloaded::Same if !asked => tracing::debug!("config reloaded: no change"),
            Reloaded::Same => tracing::info!("config reloaded: no change"),
            Reloaded::Broken(problems) => {
                tracing::error!("config not reloaded, the old one stays in force");
                print::remark(problems.to_string());
            }
            Reloaded::Refused(err) => tracing::error!(
                error = %format!("{err:#}"),
                "config not reloaded, the old one stays in force"
            ),
        }
    }
}
