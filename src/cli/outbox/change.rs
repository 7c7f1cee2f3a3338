//! Changing: trying again, cancelling, holding, releasing, forgetting. One by number, or many by
//! what they are; many take a `--yes`.

use std::collections::BTreeMap;

use anyhow::anyhow;
use chrono::TimeDelta;
use clap::Args;
use serde_json::json;

use super::{Selection, now, one};
use crate::cli::{Done, Failure, print};
use crate::domain::delivery::{Action, may};
use crate::store::state::outbox::{self, Delivery};
use crate::store::state::{State, ledger};

/// More than so many are not changed without `--yes`.
const UNASKED_MAX: usize = 10;
/// Rows of one commit: the daemon waits for none for long.
const BATCH: usize = 500;
/// What ended more recently is not forgotten: it keeps the same message from being owed twice.
const PURGED_AFTER: TimeDelta = TimeDelta::days(1);

/// Which deliveries to change.
#[derive(Debug, Args)]
pub(super) struct Change {
    /// Numbers, from `outbox list`
    #[arg(conflicts_with_all = ["state", "receiver", "to", "kind", "origin", "since", "until"])]
    ids: Vec<i64>,
    #[command(flatten)]
    which: Selection,
    /// At most so many, the newest
    #[arg(long)]
    limit: Option<usize>,
    /// Also where many are meant
    #[arg(long)]
    yes: bool,
    /// Only say which ones
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Retry {
    #[command(flatten)]
    change: Change,
    /// Also those that were delivered: they arrive twice
    #[arg(long)]
    delivered: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Cancel {
    #[command(flatten)]
    change: Change,
    /// Why, for those who ask later
    #[arg(long, default_value = "cancelled by hand")]
    reason: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Hold {
    #[command(flatten)]
    change: Change,
    /// Why, for those who ask later
    #[arg(long, default_value = "held by hand")]
    reason: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Release {
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Purge {
    #[command(flatten)]
    change: Change,
    /// Only those that ended before: an instant, or so long ago
    #[arg(long, value_name = "WHEN")]
    ended: Option<String>,
}

impl Retry {
    pub(super) fn execute(&self, state: &State) -> Done {
        let action = Action::Retry { delivered: self.delivered };
        let said = Said { verb: "retried", done: "due now; the running daemon sends them" };
        self.change.act(state, action, "", &said)
    }
}

impl Cancel {
    pub(super) fn execute(&self, state: &State) -> Done {
        let said = Said { verb: "cancelled", done: "cancelled: nobody gets them" };
        self.change.act(state, Action::Cancel, &self.reason, &said)
    }
}

impl Hold {
    pub(super) fn execute(&self, state: &State) -> Done {
        let done = "held; `postrider outbox release` sends them";
        self.change.act(state, Action::Hold, &self.reason, &Said { verb: "held", done })
    }
}

impl Release {
    pub(super) fn execute(&self, state: &State) -> Done {
        let said = Said { verb: "released", done: "due now; the running daemon sends them" };
        self.change.act(state, Action::Release, "", &said)
    }
}

/// How a change is talked of.
struct Said {
    verb: &'static str,
    done: &'static str,
}

impl Change {
    /// Does it to each, or says why not.
    fn act(&self, state: &State, action: Action, reason: &str, said: &Said) -> Done {
        let rows = self.rows(state, |row| may(action, &row.state), said.verb)?;
        if self.is_only_said(&rows, said.verb)? {
            return Ok(());
        }
        let now = now();
        let mut changed = 0;
        for batch in rows.chunks(BATCH) {
            changed += state.write(|tx| {
                let mut of: BTreeMap<&str, usize> = BTreeMap::new();
                for row in batch {
                    if outbox::act(tx, row.id, action, reason, now)?.is_none() {
                        *of.entry(&row.receiver).or_default() += 1;
                    }
                }
                for (receiver, count) in &of {
                    let text = format!("{} {} by hand", print::count(*count, "message"), said.verb);
                    ledger::note(tx, now, "delivery", receiver, &text)?;
                }
                Ok(of.values().sum::<usize>())
            })?;
        }
        match self.json {
            true => print::json(&json!({ "changed": changed })),
            false => print::line(format!("{changed} {}", said.done)),
        }
        disabled(state, &rows, action)
    }

    /// The rows that are meant and of which this may be done. A number of which it may not is a
    /// mistake; by selection it is left out.
    fn rows(
        &self,
        state: &State,
        may: impl Fn(&Delivery) -> Result<(), &'static str>,
        verb: &str,
    ) -> Result<Vec<Delivery>, Failure> {
        let mut rows = Vec::new();
        for id in &self.ids {
            let row = one(state, *id)?.delivery;
            if let Err(why) = may(&row) {
                return Err(anyhow!("delivery {id} cannot be {verb}: {why}").into());
            }
            rows.push(row);
        }
        if !self.ids.is_empty() {
            return Ok(rows);
        }
        if self.which.is_everything() {
            let what =
                "say which deliveries: their numbers, or e.g. `--state`, `--receiver`, `--to`";
            return Err(Failure::Config(Some(anyhow!("{what}"))));
        }
        let wanted = self.which.wanted(usize::MAX)?;
        let found = state.read(|tx| outbox::find(tx, &wanted))?;
        let limit = self.limit.unwrap_or(usize::MAX);
        rows.extend(found.into_iter().filter(|row| may(row).is_ok()).take(limit));
        Ok(rows)
    }

    /// Says what would be done, where that was asked for; refuses many that nobody said yes to.
    fn is_only_said(&self, rows: &[Delivery], verb: &str) -> Result<bool, Failure> {
        let messages = print::count(rows.len(), "message");
        if self.dry_run {
            for row in rows {
                let text = format!("{}  {}  {}  {}", row.id, row.state, row.recipient, row.subject);
                print::line(text);
            }
            print::line(format!("{messages} would be {verb}"));
            return Ok(true);
        }
        if rows.len() > UNASKED_MAX && !self.yes && self.ids.is_empty() {
            let help = "`--yes` does it, `--dry-run` shows them";
            return Err(anyhow!("{messages} would be {verb}: {help}").into());
        }
        Ok(false)
    }
}

/// What waits for a receiver that is disabled waits on: said, with the way out.
fn disabled(state: &State, rows: &[Delivery], action: Action) -> Done {
    if !matches!(action, Action::Retry { .. } | Action::Release) {
        return Ok(());
    }
    let endpoints = state.read(outbox::endpoints)?;
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.disabled.is_some()) {
        let name = &endpoint.receiver;
        if rows.iter().any(|row| row.receiver == *name) {
            let way = format!("`postrider receiver enable {name}`");
            print::remark(format!("receiver `{name}` is disabled and gets nothing before {way}"));
        }
    }
    Ok(())
}

impl Purge {
    pub(super) fn execute(&self, state: &State) -> Done {
        let youngest = now() - PURGED_AFTER;
        let before = crate::cli::ledger::when(self.ended.as_deref())?;
        let before = before.map_or(youngest, |at| at.min(youngest));
        let may = |row: &Delivery| match row.finished_at {
            None => Err("it has not ended"),
            Some(at) if at >= before => Err("it ended too recently"),
            Some(_) => Ok(()),
        };
        let rows = self.change.rows(state, may, "forgotten")?;
        if self.change.is_only_said(&rows, "forgotten")? {
            return Ok(());
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let now = now();
        let mut gone = 0;
        for batch in ids.chunks(BATCH) {
            gone += state.write(|tx| {
                let gone = outbox::forget(tx, batch)?;
                let text = format!("{} forgotten by hand", print::count(gone, "message"));
                ledger::note(tx, now, "delivery", "outbox", &text)?;
                Ok(gone)
            })?;
        }
        match self.change.json {
            true => print::json(&json!({ "changed": gone })),
            false => print::line(format!("{gone} forgotten")),
        }
        Ok(())
    }
}
