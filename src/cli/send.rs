//! `postrider send`: makes a digest now and sends it, beside a running daemon or without one.

use std::time::Duration;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::Args;

use super::context::{Context, runtime};
use super::suppress::is_address;
use super::{Done, print};
use crate::app::App;
use crate::engine::digest::Making;
use crate::store::state::outbox::{self, Delivery};
use crate::store::state::suppression;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider send morning
  postrider send morning --only me@example.com
  postrider send morning --at 2026-11-02T08:00:00Z --only me@example.com
  postrider send accounts --part Acme                        the part of Acme to its readers
  postrider send accounts --part Acme --only me@example.com  the same to me

Sent by hand a digest goes out whatever its `send_when` says. Of a digest that is split (`split_by`)
--only gets one part: the first, or that of --part.

Exit code 0: everything was taken by the mail server. 1: it could not be made, or somebody did not
get it.")]
pub(super) struct Send {
    /// The digest
    digest: String,
    /// To this address alone
    #[arg(long, value_name = "ADDRESS")]
    only: Option<String>,
    /// Only this part of a digest that is split
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
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
        if self.part.is_some() && digest.split.is_none() {
            return Err(anyhow!("digest `{}` is not split: leave out --part", digest.name).into());
        }
        if let Some(only) = self.only.as_deref().filter(|only| !is_address(only)) {
            return Err(anyhow!("`{only}` is not a mail address").into());
        }
        runtime()?.block_on(async {
            let now = app.engine().clock().now();
            let making = Making {
                planned_at: self.at.unwrap_or(now),
                missed: 0,
                by_hand: Some(now.format("%Y%m%dT%H%M%S%3f").to_string()),
                only: self.only.clone(),
                part: self.part.clone(),
                later: None,
            };
            let made = app.engine().send(digest, making).await?;
            if let Some(failure) = made.failure() {
                anyhow::bail!("digest `{}` was not sent: {failure}", digest.name);
            }
            let state = &app.engine().store().state;
            let withheld = state.read(|tx| suppression::withheld(tx, &made.run.id))?;
            let owed = made.owed.len().saturating_sub(withheld.len());
            print::remark(format!("{}: {}", made.run.subject, print::count(owed, "message")));
            print::remark(made.run.outcome.clone());
            for (recipient, reason) in &withheld {
                print::line(format!("suppressed  {recipient}  {reason}"));
            }
            if owed == 0 && !withheld.is_empty() {
                anyhow::bail!("nobody gets it: `postrider suppress list` says who wants none");
            }
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
