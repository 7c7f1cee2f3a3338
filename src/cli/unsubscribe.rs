//! `postrider unsubscribe`: what the owner does with the token in the subject of a mail by which
//! somebody leaves a digest.

use anyhow::{Context as _, anyhow};
use chrono::TimeDelta;
use clap::Args;

use super::{Context, Done, print, suppress};
use crate::clock::{Clock, SystemClock};
use crate::domain::token::Action;
use crate::store::state::suppression::Suppression;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider unsubscribe AXUAB21vcm5pbmdhbmFAZXhhbXBsZS5jb20...")]
pub(super) struct Unsubscribe {
    /// The token, from the mail's subject: the last word of `unsubscribe TOKEN`
    token: String,
    /// Say what it stands for, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// How long a pause is.
const PAUSE: TimeDelta = TimeDelta::days(7);

impl Unsubscribe {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let key = app.engine().token_key().ok_or_else(|| anyhow!("there is no key for tokens"))?;
        // The whole subject may be pasted.
        let word = self.token.split_whitespace().last().unwrap_or_default();
        let token = key.verify(word).context("nothing is changed")?;
        let now = SystemClock.now();
        let (until, reason) = match token.action {
            Action::Unsubscribe => (None, "unsubscribed by mail"),
            Action::Pause => (Some(now + PAUSE), "paused for a week"),
        };
        let suppression = Suppression {
            address: token.recipient,
            digest: Some(token.digest),
            since: now,
            until,
            reason: reason.to_owned(),
        };
        if self.dry_run {
            print::line(format!("would be: {} ({reason})", suppress::in_words(&suppression)));
            return Ok(());
        }
        suppress::put(&app.engine().store().state, &suppression)?;
        print::line(format!("{} from now on ({reason})", suppress::in_words(&suppression)));
        Ok(())
    }
}
