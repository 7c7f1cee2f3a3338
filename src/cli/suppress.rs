//! `postrider suppress`: addresses that get no digest. Alerts are not concerned.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Done, print};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::state::suppression::{self, Suppression};
use crate::store::state::{State, ledger};

#[derive(Debug, Subcommand)]
pub(super) enum Suppress {
    /// From now on an address gets no digest, or not this one
    #[command(after_help = "Examples:
  postrider suppress add ana@example.com --reason \"left the company\"
  postrider suppress add ana@example.com --digest morning")]
    Add(Add),
    /// The list
    List(List),
    /// An address gets its digests again
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The address
    address: String,
    /// This digest alone
    #[arg(long)]
    digest: Option<String>,
    /// Why, for those who ask later
    #[arg(long, default_value = "by hand")]
    reason: String,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The address
    address: String,
    /// For this digest alone; otherwise everything that is noted for the address
    #[arg(long)]
    digest: Option<String>,
}

impl Suppress {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        match self {
            Suppress::Add(add) => add.execute(&state, &config),
            Suppress::List(list) => list.execute(&state, &config),
            Suppress::Remove(remove) => remove.execute(&state),
        }
    }
}

/// Whether a text is the address of somebody.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}

impl Add {
    fn execute(&self, state: &State, config: &Config) -> Done {
        if !is_address(&self.address) {
            return Err(anyhow!("`{}` is not a mail address", self.address).into());
        }
        if let Some(digest) =
            self.digest.as_ref().filter(|name| !config.digests.contains_key(*name))
        {
            let names: Vec<&str> = config.digests.keys().map(String::as_str).collect();
            return Err(
                anyhow!("no digest is called `{digest}`; there are {}", names.join(", ")).into()
            );
        }
        let suppression = Suppression {
            address: self.address.clone(),
            digest: self.digest.clone(),
            since: SystemClock.now(),
            until: None,
            reason: self.reason.clone(),
        };
        put(state, &suppression)?;
        print::line(in_words(&suppression));
        Ok(())
    }
}

/// Puts an address on the list and writes it down.
pub(super) fn put(state: &State, suppression: &Suppression) -> anyhow::Result<()> {
    let subject = suppression.digest.as_deref().unwrap_or("digests");
    let at = suppression.since;
    let text = format!("{} suppressed: {}", suppression.address, suppression.reason);
    state.write(|tx| {
        suppression::add(tx, suppression)?;
        ledger::note(tx, at, "suppression", subject, &text)
    })?;
    Ok(())
}

/// What the list says of an address.
pub(super) fn in_words(suppression: &Suppression) -> String {
    match &suppression.digest {
        Some(digest) => format!("{} gets no `{digest}`", suppression.address),
        None => format!("{} gets no digest", suppression.address),
    }
}

impl List {
    fn execute(&self, state: &State, config: &Config) -> Done {
        let list = state.read(|tx| suppression::list(tx, SystemClock.now()))?;
        if self.json {
            let entries = list.iter().map(|entry| {
                json!({
                    "address": entry.address,
                    "digest": entry.digest,
                    "since": print::stamp(entry.since),
                    "until": entry.until.map(print::stamp),
                    "reason": entry.reason,
                })
            });
            print::json(&entries.collect());
            return Ok(());
        }
        let zone = &config.timezone;
        let rows: Vec<Vec<String>> = list
            .iter()
            .map(|entry| {
                vec![
                    entry.address.clone(),
                    entry.digest.clone().unwrap_or_else(|| "all".into()),
                    print::civil(entry.since, zone),
                    entry.until.map(|until| print::civil(until, zone)).unwrap_or_default(),
                    entry.reason.clone(),
                ]
            })
            .collect();
        print::table(&["address", "digest", "since", "until", "reason"], &rows);
        Ok(())
    }
}

impl Remove {
    fn execute(&self, state: &State) -> Done {
        let now = SystemClock.now();
        let (address, digest) = (&self.address, self.digest.as_deref());
        let gone = state.write(|tx| {
            let gone = suppression::remove(tx, address, digest, now)?;
            if gone > 0 {
                let subject = digest.unwrap_or("digests");
                let text = format!("{address} not suppressed any more");
                ledger::note(tx, now, "suppression", subject, &text)?;
            }
            Ok(gone)
        })?;
        if gone == 0 {
            return Err(anyhow!("{address} is not on the list").into());
        }
        print::line(format!("{address} gets its digests again"));
        Ok(())
    }
}
