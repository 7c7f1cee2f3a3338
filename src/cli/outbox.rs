//! `postrider outbox`: what is owed, what became of it, and what a person does about it. Works beside
//! the daemon, which acts on it at its next beat.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Done, Failure, print};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::state::State;
use crate::store::state::outbox::{self, Delivery, Wanted};

mod change;
mod export;
mod show;

use change::{Cancel, Hold, Purge, Release, Retry};

#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// Deliveries, newest first
    #[command(after_help = "Examples:
  postrider outbox list --state pending --receiver smtp
  postrider outbox list --to ana@example.com --since 7d
  postrider outbox list --state held --json")]
    List(show::List),
    /// One delivery: its attempts and the message as it was sent
    Show(show::Show),
    /// Try deliveries again now, with the same bytes and ids, also those that were rejected or
    /// expired
    #[command(after_help = "Examples:
  postrider outbox retry 17
  postrider outbox retry --receiver hook --state expired --since 2d --yes
  postrider outbox retry --receiver hook --since 2d --delivered --yes

What was delivered goes again only with --delivered: it arrives twice then, with the same id.")]
    Retry(Retry),
    /// End deliveries that wait or are held: nobody gets them
    #[command(
        alias = "drop",
        after_help = "Examples:
  postrider outbox cancel 17 --reason \"sent by hand\"
  postrider outbox cancel --origin morning-20261123T070000Z --yes"
    )]
    Cancel(Cancel),
    /// Keep deliveries that wait from being sent until they are released
    #[command(after_help = "Examples:
  postrider outbox hold --receiver hook --kind digest --yes")]
    Hold(Hold),
    /// Send deliveries that are held
    #[command(after_help = "Examples:
  postrider outbox release 17
  postrider outbox release --receiver smtp --yes")]
    Release(Release),
    /// Write messages as they are sent into a folder, a file each, with a list of them
    #[command(after_help = "Examples:
  postrider outbox export kept --origin morning-20261123T070000Z
  postrider outbox export kept --to ana@example.com --since 30d")]
    Export(export::Export),
    /// Forget deliveries that have ended, before their time
    #[command(after_help = "Examples:
  postrider outbox purge --state delivered --ended 7d --yes
  postrider outbox purge --to ana@example.com --yes

What waits, is under way or held is never forgotten, nor what ended less than a day ago.")]
    Purge(Purge),
    /// What was ever owed, and where it is
    Balance(show::Balance),
}

/// Which deliveries are meant.
#[derive(Debug, Default, Args)]
pub(super) struct Selection {
    /// Only those in this state
    #[arg(long, value_parser = STATES)]
    state: Option<String>,
    /// Only those to this receiver; every mail goes to `smtp`
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Only those to this address
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// Only those of this kind
    #[arg(long, value_parser = ["digest", "notification", "notice", "proof"])]
    kind: Option<String>,
    /// Only those of this run, incident or other origin
    #[arg(long)]
    origin: Option<String>,
    /// Owed not before: an instant (RFC 3339), or so long ago, e.g. `24h`, `7 days`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Owed before: as --since
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

const STATES: [&str; 7] =
    ["pending", "sending", "held", "delivered", "rejected", "expired", "cancelled"];

impl Selection {
    /// What is asked of the store: at most so many, the newest.
    fn wanted(&self, limit: usize) -> Result<Wanted, Failure> {
        Ok(Wanted {
            state: self.state.clone(),
            receiver: self.receiver.clone(),
            to: self.to.clone(),
            kind: self.kind.clone(),
            origin: self.origin.clone(),
            since: super::ledger::when(self.since.as_deref())?,
            until: super::ledger::when(self.until.as_deref())?,
            ended_before: None,
            limit,
        })
    }

    /// Whether it narrows nothing.
    fn is_everything(&self) -> bool {
        let Selection { state, receiver, to, kind, origin, since, until } = self;
        [state, receiver, to, kind, origin, since, until].iter().all(|one| one.is_none())
    }
}

impl Outbox {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        match self {
            Outbox::List(list) => list.execute(&state, &config),
            Outbox::Show(show) => show.execute(&state, &config),
            Outbox::Retry(retry) => retry.execute(&state),
            Outbox::Cancel(cancel) => cancel.execute(&state),
            Outbox::Hold(hold) => hold.execute(&state),
            Outbox::Release(release) => release.execute(&state),
            Outbox::Export(export) => export.execute(&state),
            Outbox::Purge(purge) => purge.execute(&state),
            Outbox::Balance(balance) => balance.execute(&state),
        }
    }
}

/// One delivery by its number.
fn one(state: &State, id: i64) -> anyhow::Result<outbox::Shown> {
    let found = state.read(|tx| outbox::show(tx, id))?;
    found.ok_or_else(|| {
        anyhow!("no delivery has the number {id}: `postrider outbox list` shows the numbers")
    })
}

fn now() -> chrono::DateTime<chrono::Utc> {
    SystemClock.now()
}

/// Deliveries for people.
fn table(rows: &[Delivery], config: &Config) {
    let zone = &config.timezone;
    let cells = rows.iter().map(|row| {
        vec![
            row.id.to_string(),
            row.state.clone(),
            row.recipient.clone(),
            row.subject.clone(),
            print::civil(row.created_at, zone),
            row.next_attempt_at.map(|at| print::civil(at, zone)).unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
        ]
    });
    let headings = ["id", "state", "to", "subject", "owed", "next attempt", "said"];
    print::table(&headings, &cells.collect::<Vec<_>>());
}

fn as_json(row: &Delivery) -> serde_json::Value {
    json!({
        "id": row.id,
        "message_id": row.message_id,
        "kind": row.kind.word(),
        "origin": row.origin,
        "receiver": row.receiver,
        "to": row.recipient,
        "subject": row.subject,
        "state": row.state,
        "attempts": row.attempts,
        "owed_at": print::stamp(row.created_at),
        "next_attempt_at": row.next_attempt_at.map(print::stamp),
        "finished_at": row.finished_at.map(print::stamp),
        "said": row.reason,
    })
}
