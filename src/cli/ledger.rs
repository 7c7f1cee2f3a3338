//! `postrider ledger`: what was decided and why, asked for by a person.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::context::clock;
use super::{Context, Done, Failure, print};
use crate::config;
use crate::store::state::State;
use crate::store::state::ledger::{self, Wanted};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider ledger                              the newest decisions
  postrider ledger slow-answer                  about one rule, digest, receiver or source
  postrider ledger 5d0c1f9a2b3c4d5e             about one incident
  postrider ledger --kind notification --since 24h
  postrider ledger --since 2026-11-22T00:00:00Z --until 2026-11-23T00:00:00Z --json")]
pub(super) struct Ledger {
    /// What it is about: a rule, digest, receiver, source, or an incident's id
    subject: Option<String>,
    /// Only decisions of this kind, e.g. `incident`, `notification`, `delivery`, `trouble`
    #[arg(long)]
    kind: Option<String>,
    /// Not before: an instant (RFC 3339), or so long ago, e.g. `24h`, `7 days`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Before: as --since
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// How many, the newest
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// As JSON, one object a decision, with the whole text
    #[arg(long)]
    json: bool,
}

impl Ledger {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        let wanted = Wanted {
            subject: self.subject.clone(),
            kind: self.kind.clone(),
            since: when(self.since.as_deref())?,
            until: when(self.until.as_deref())?,
            limit: self.limit,
        };
        let found = state.read(|tx| ledger::find(tx, &wanted))?;
        if found.is_empty() {
            self.known(&state)?;
        }
        if self.json {
            let lines = found.iter().rev().map(|entry| {
                json!({
                    "at": print::stamp(entry.at),
                    "kind": entry.kind,
                    "subject": entry.subject,
                    "text": entry.text,
                })
            });
            print::json(&lines.collect());
            return Ok(());
        }
        let zone = &config.timezone;
        let rows: Vec<Vec<String>> = (found.iter().rev())
            .map(|entry| {
                let at = zone.civil(entry.at).format("%Y-%m-%d %H:%M:%S").to_string();
                vec![at, entry.kind.clone(), entry.subject.clone(), entry.text.clone()]
            })
            .collect();
        match rows.is_empty() {
            true => print::line("no decision"),
            false => print::table(&["at", "kind", "subject", "text"], &rows),
        }
        Ok(())
    }

    /// Nothing was found: was a name misspelt?
    fn known(&self, state: &State) -> Result<(), Failure> {
        let (kinds, subjects) = state.read(ledger::known)?;
        for (what, written, names) in
            [("kind", &self.kind, kinds), ("subject", &self.subject, subjects)]
        {
            let Some(written) = written.as_ref().filter(|written| !names.contains(written)) else {
                continue;
            };
            let names = names.iter().map(String::as_str);
            let help = config::suggestion(written, names).unwrap_or_default();
            print::remark(format!("no decision of {what} `{written}`; {help}"));
        }
        Ok(())
    }
}

/// An instant: RFC 3339, or so long ago.
pub(super) fn when(text: Option<&str>) -> Result<Option<DateTime<Utc>>, Failure> {
    let Some(text) = text else { return Ok(None) };
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Some(at.to_utc()));
    }
    match config::length(text) {
        Ok(length) => Ok(Some(clock().now() - length)),
        Err(_) => Err(Failure::Config(Some(anyhow!(
            "`{text}` is no instant: write e.g. `2026-11-22T08:00:00Z`, or `24 h` for so long ago"
        )))),
    }
}
