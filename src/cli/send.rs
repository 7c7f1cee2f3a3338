//! `postrider send`: makes a digest now and sends it, beside a running daemon or without one.

use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::Args;

use super::context::{Context, runtime};
use super::{Done, print};
use crate::app::App;
use crate::engine::digest::Making;
use crate::store::state::outbox::{self, Delivery};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider send morning
  postrider send morning --only me@example.com
  postrider send morning --at 2026-11-02T08:00:00Z --only me@example.com")]
pub(super) struct Send {
    /// The digest
    digest: String,
    /// To this address alone
    #[arg(long, value_name = "ADDRESS")]
    only: Option<String>,
    /// For this slot (RFC 3339). Default: now
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// Leave it in the outbox and return at once
    #[arg(long)]
    no_wait: bool,
}

/// How long a sending is watched before the rest is left to the daemon.
const WATCHED: Duration = Duration::from_secs(60);

impl Send {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.acting_app()?;
        let config = app.config();
        let digest = config.digests.get(&self.digest).ok_or_else(|| {
            let names: Vec<&str> = config.digests.keys().map(String::as_str).collect();
            anyhow!("no digest is called `{}`; there are {}", self.digest, names.join(", "))
        })?;
        runtime()?.block_on(async {
            let now = app.engine().clock().now();
            let making = Making {
                planned_at: self.at.unwrap_or(now),
                missed: 0,
                by_hand: Some(now.format("%Y%m%dT%H%M%S%3f").to_string()),
                only: self.only.clone(),
                later: None,
            };
            let made = app.engine().send(digest, making).await?;
            let messages = print::count(made.owed.len(), "message");
            print::remark(format!("{}: {messages}", made.run.subject));
            if self.no_wait {
                return Ok(());
            }
            watch(&app, &made.run.id).await
        })?;
        Ok(())
    }
}

/// Delivers, or watches the daemon deliver, until every message of a run has ended or its time is up.
async fn watch(app: &App, run: &str) -> anyhow::Result<()> {
    let state = &app.engine().store().state;
    let until = tokio::time::Instant::now() + WATCHED;
    // Without a daemon this command does its work; with one it only looks.
    let alone = state.lock().ok();
    loop {
        if alone.is_some() {
            app.engine().deliver_due().await?;
        }
        let rows = state.read(|tx| outbox::list(tx, None, Some(run), usize::MAX >> 1))?;
        let waiting = rows.iter().filter(|row| row.finished_at.is_none()).count();
        if waiting == 0 || tokio::time::Instant::now() >= until {
            return report(&rows);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn report(rows: &[Delivery]) -> anyhow::Result<()> {
    for row in rows {
        let said = row.reason.as_deref().unwrap_or_default();
        print::line(format!("{}  {}  {said}", row.state, row.recipient));
    }
    let lost = rows.iter().filter(|row| row.state != "delivered").count();
    anyhow::ensure!(lost == 0, "{lost} of {} messages are not delivered", rows.len());
    Ok(())
}
