//! Looking: deliveries, one of them, and whether all add up.

use clap::Args;
use serde_json::{Value, json};

use super::{Selection, as_json, one, table};
use crate::cli::{Done, print};
use crate::config::Config;
use crate::store::state::State;
use crate::store::state::outbox::{self, Shown};

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    which: Selection,
    /// How many, the newest
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
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
pub(in crate::cli) struct Balance {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn execute(&self, state: &State, config: &Config) -> Done {
        let wanted = self.which.wanted(self.limit)?;
        let rows = state.read(|tx| outbox::find(tx, &wanted))?;
        if self.json {
            print::json(&rows.iter().map(as_json).collect());
            return Ok(());
        }
        table(&rows, config);
        Ok(())
    }
}

impl Show {
    pub(super) fn execute(&self, state: &State, config: &Config) -> Done {
        let Shown { delivery: row, bytes, attempts } = one(state, self.id)?;
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
        print::line(format!("origin      {}", row.origin));
        if let (None, Some(reason)) = (row.finished_at, &row.reason) {
            print::line(format!("waits       {reason}"));
        }
        for attempt in attempts {
            print::line(format!(
                "attempt {}   {}  {}  {}",
                attempt.n,
                print::civil(attempt.started_at, &config.timezone),
                attempt.outcome.as_deref().unwrap_or("running"),
                attempt.words.unwrap_or_default(),
            ));
        }
        print::line("");
        print::bytes(&bytes);
        Ok(())
    }
}

impl Balance {
    pub(super) fn execute(&self, state: &State) -> Done {
        let balance = state.read(outbox::balance)?;
        match self.json {
            true => print::json(&facts(&balance)),
            false => print::line(balance.equation()),
        }
        match balance.missing() {
            0 => Ok(()),
            _ => Err(anyhow::anyhow!(
                "the outbox does not add up: the state file was changed by something else, or this \
                 is a mistake of postrider; please report it"
            )
            .into()),
        }
    }
}

/// The balance for machines.
pub(in crate::cli) fn facts(balance: &crate::domain::delivery::Balance) -> Value {
    let counts = |pairs: &[(String, u64)]| {
        pairs
            .iter()
            .map(|(state, count)| (state.clone(), json!(count)))
            .collect::<serde_json::Map<_, _>>()
    };
    json!({
        "owed": balance.owed,
        "there": counts(&balance.states),
        "forgotten": counts(&balance.forgotten),
        "missing": balance.missing(),
    })
}
