//! `postrider resend`: messages of a run that did not reach their recipient wait again, with the
//! same bytes and ids. Who has it gets nothing.

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::{Context, Done, print, runs};
use crate::clock::{Clock, SystemClock};
use crate::store::state::{State, ledger, outbox};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider resend morning-20261123T070000Z --failed
  postrider resend morning-20261123T070000Z --failed --to ben@example.com")]
pub(super) struct Resend {
    /// The run, from `runs`
    run: String,
    /// Those that were rejected, given up or are waiting; there is no way to send twice what arrived
    #[arg(long, required = true)]
    failed: bool,
    /// To this address alone
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Resend {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        let run = runs::find(&state, &self.run)?;
        let now = SystemClock.now();
        let resent = state.write(|tx| {
            let resent = outbox::resend(tx, &run.id, self.to.as_deref(), now)?;
            if !resent.again.is_empty() {
                let text = format!("{}: {} sent again by hand", run.id, resent.again.len());
                ledger::note(tx, now, "run", &run.digest, &text)?;
            }
            Ok(resent)
        })?;
        if self.json {
            let left = resent.left.iter();
            print::json(&json!({
                "run": run.id,
                "again": resent.again.iter().map(|row| &row.recipient).collect::<Vec<_>>(),
                "left": left.map(|(row, why)| json!({ "to": row.recipient, "reason": why }))
                    .collect::<Vec<_>>(),
            }));
        } else {
            for row in &resent.again {
                print::line(format!("{}: waits again (it was {})", row.recipient, row.state));
            }
            for (row, why) in &resent.left {
                print::line(format!("{}: not sent again: {why}", row.recipient));
            }
            let messages = print::count(resent.again.len(), "message");
            print::line(format!("{messages} due now; the running daemon sends them"));
        }
        match (&self.to, resent.again.is_empty() && resent.left.is_empty()) {
            (Some(to), true) => Err(anyhow!("run `{}` owed nothing to {to}", run.id).into()),
            _ => Ok(()),
        }
    }
}
