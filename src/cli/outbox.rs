//! `postrider outbox`: what is owed, what became of it, and trying again.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Done, print};
use crate::clock::{Clock, SystemClock};
use crate::domain::zone::Zone;
use crate::store::state::State;
use crate::store::state::outbox::{self, Delivery};

#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// The newest deliveries
    List(List),
    /// One delivery: its attempts and the message as it was sent
    Show(Show),
    /// Try deliveries again now, also those that were rejected or expired
    #[command(after_help = "Examples:
  postrider outbox retry 17
  postrider outbox retry --state rejected")]
    Retry(Retry),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those in this state
    #[arg(long, value_parser = ["pending", "sending", "delivered", "rejected", "expired"])]
    state: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The delivery's number, from `outbox list`
    id: i64,
    /// The message's bytes alone, e.g. to save as .eml
    #[arg(long)]
    raw: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Retry {
    /// Numbers, from `outbox list`
    #[arg(required_unless_present = "state")]
    ids: Vec<i64>,
    /// All in this state
    #[arg(long, value_parser = ["pending", "rejected", "expired"])]
    state: Option<String>,
}

impl Outbox {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        match self {
            Outbox::List(list) => list.execute(&state, &config.timezone),
            Outbox::Show(show) => show.execute(&state, &config.timezone),
            Outbox::Retry(retry) => retry.execute(&state),
        }
    }
}

impl List {
    fn execute(&self, state: &State, zone: &Zone) -> Done {
        let rows = state.read(|tx| outbox::list(tx, self.state.as_deref(), None, self.limit))?;
        if self.json {
            print::json(&rows.iter().map(as_json).collect());
            return Ok(());
        }
        let table: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                vec![
                    row.id.to_string(),
                    row.state.clone(),
                    row.recipient.clone(),
                    row.subject.clone(),
                    print::civil(row.created_at, zone),
                    row.next_attempt_at.map(|at| print::civil(at, zone)).unwrap_or_default(),
                    row.reason.clone().unwrap_or_default(),
                ]
            })
            .collect();
        print::table(&["id", "state", "to", "subject", "owed", "next attempt", "said"], &table);
        Ok(())
    }
}

impl Show {
    fn execute(&self, state: &State, zone: &Zone) -> Done {
        let found = state.read(|tx| outbox::show(tx, self.id))?;
        let outbox::Shown { delivery: row, bytes, attempts } =
            found.ok_or_else(|| anyhow!("no delivery has the number {}", self.id))?;
        if self.raw {
            print::bytes(&bytes);
            return Ok(());
        }
        if self.json {
            let mut value = as_json(&row);
            value["message"] = json!(String::from_utf8_lossy(&bytes));
            value["tries"] = attempts
                .iter()
                .map(|attempt| {
                    json!({
                        "n": attempt.n,
                        "started_at": print::stamp(attempt.started_at),
                        "finished_at": attempt.finished_at.map(print::stamp),
                        "outcome": attempt.outcome,
                        "said": attempt.words,
                    })
                })
                .collect();
            print::json(&value);
            return Ok(());
        }
        print::line(format!("{} {} to {}: {}", row.kind.word(), row.id, row.recipient, row.state));
        print::line(format!("subject     {}", row.subject));
        print::line(format!("message id  {}", row.message_id));
        for attempt in attempts {
            print::line(format!(
                "attempt {}   {}  {}  {}",
                attempt.n,
                print::civil(attempt.started_at, zone),
                attempt.outcome.as_deref().unwrap_or("running"),
                attempt.words.unwrap_or_default(),
            ));
        }
        print::line("");
        print::bytes(&bytes);
        Ok(())
    }
}

impl Retry {
    fn execute(&self, state: &State) -> Done {
        let now = SystemClock.now();
        let mut ids = self.ids.clone();
        if let Some(word) = &self.state {
            let rows = state.read(|tx| outbox::list(tx, Some(word), None, usize::MAX >> 1))?;
            ids.extend(rows.iter().map(|row| row.id));
        }
        for id in &ids {
            if !state.write(|tx| outbox::retry(tx, *id, now))? {
                return Err(anyhow!(
                    "delivery {id} cannot be retried: none such, delivered or under way"
                )
                .into());
            }
        }
        print::line(format!("{} due now; the running daemon sends them", ids.len()));
        Ok(())
    }
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
