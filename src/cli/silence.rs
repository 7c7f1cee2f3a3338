//! `postrider silence`: incidents that nobody is to be told of for a while. Works beside the daemon,
//! which hears of it at its next beat.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use rusqlite::Transaction;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Context, Done, print};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::domain::incident::Incident;
use crate::domain::route::RouteCondition;
use crate::domain::silence::{LENGTH_MAX, Silence, Worse};
use crate::store::state::{State, StateError, incidents, ledger, silences};

#[derive(Debug, Subcommand)]
pub(super) enum SilenceCommand {
    /// Tell nobody of the incidents that a condition picks, until it ends
    #[command(after_help = "\
The condition is that of a route: labels compared with texts. Labels are `rule`, `level`, the
headings of the rule's groups, and its own `labels`.

A silence hides beginnings, rises and reminders. It never hides an end from those who were told of
the beginning, and it does not hide what gets worse (see --unless-worse). When it ends while its
incident still fires, whoever should know is told then, once. What it hid is told once a week.

Examples:
  postrider silence add \"rule = 'slow-answer'\" --for 2h --reason \"new routing is being rolled out\"
  postrider silence add \"Channel = 'Web' and level = 'warning'\" --for \"3 days\" --reason \"known\" \\
      --until-resolved
  postrider silence add \"team = 'messaging'\" --for 1h --reason drill --unless-worse never")]
    Add(Add),
    /// Those that have not ended, with what they hide and have hidden
    List(List),
    /// End a silence now
    #[command(after_help = "What fires and was hidden is told at once.

Example:
  postrider silence expire 3f2a90c1")]
    Expire(Expire),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Which incidents, e.g. "rule = 'slow-answer'"
    condition: String,
    /// How long, e.g. 2h, "30 min", "3 days"; at most 30 days
    #[arg(long = "for", value_name = "LENGTH")]
    length: String,
    /// Why, for those who wonder
    #[arg(long)]
    reason: String,
    /// Who; an address gets the weekly line about what it hid. Default: the user's name
    #[arg(long, value_name = "NAME", env = "USER", default_value = "")]
    by: String,
    /// End it as soon as nothing that it hides is open
    #[arg(long)]
    until_resolved: bool,
    /// What breaks through: `level` (a higher level), `2x` (so many times as far beyond the
    /// threshold), both with a comma, or `never`
    #[arg(long, value_name = "WHAT", default_value = "level,2x")]
    unless_worse: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// With those that ended within so long, e.g. "7 days"
    #[arg(long, value_name = "LENGTH")]
    ended: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Expire {
    /// Its id, or the beginning of it
    id: String,
}

impl SilenceCommand {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        match self {
            SilenceCommand::Add(add) => add.execute(&state, &config),
            SilenceCommand::List(list) => list.execute(&state, &config),
            SilenceCommand::Expire(expire) => expire.execute(&state),
        }
    }
}

impl Add {
    fn execute(&self, state: &State, config: &Config) -> Done {
        let now = SystemClock.now();
        let condition = read_condition(&self.condition, config)?;
        let length = config::length(&self.length).map_err(|why| anyhow!(why))?;
        if length > LENGTH_MAX {
            let help = "change the rule or its route if it is to be quiet for longer";
            return Err(anyhow!("a silence lasts 30 days at most; {help}").into());
        }
        for (what, text) in [("reason", &self.reason), ("name", &self.by)] {
            if text.trim().is_empty() {
                return Err(anyhow!("an empty {what} helps nobody who wonders").into());
            }
        }
        let silence = Silence {
            id: silence_id(&self.condition, &self.by, now),
            condition: self.condition.trim().to_owned(),
            author: self.by.trim().to_owned(),
            reason: self.reason.trim().to_owned(),
            created_at: now,
            ends_at: now + length,
            until_resolved: self.until_resolved,
            ended_at: None,
            unless: worse(&self.unless_worse).map_err(|why| anyhow!(why))?,
        };
        let text = format!(
            "silence {} by {} until {}: {} ({})",
            silence.id,
            silence.author,
            print::stamp(silence.ends_at),
            silence.condition,
            silence.reason
        );
        let open = state.write(|tx| {
            silences::put(tx, &silence)?;
            ledger::note(tx, now, "silence", &silence.id, &text)?;
            incidents::open(tx)
        })?;
        let hides = open.iter().filter(|incident| condition.holds(&incident.labels())).count();
        if self.json {
            print::json(&facts(&silence, hides, None, now));
            return Ok(());
        }
        print::line(format!(
            "silence {} until {}: it hides {} now",
            silence.id,
            print::civil(silence.ends_at, &config.timezone),
            print::count(hides, "open incident")
        ));
        print::line(format!("to end it: postrider silence expire {}", silence.id));
        Ok(())
    }
}

impl List {
    fn execute(&self, state: &State, config: &Config) -> Done {
        let now = SystemClock.now();
        let since = match &self.ended {
            Some(length) => now - config::length(length).map_err(|why| anyhow!(why))?,
            None => now,
        };
        let list = state.read(|tx| {
            let open = incidents::open(tx)?;
            let list = silences::since(tx, since)?.into_iter();
            list.map(|silence| listed(tx, silence, &open, now)).collect::<Result<Vec<_>, _>>()
        })?;
        if self.json {
            let all = list
                .iter()
                .map(|(silence, hides, hidden)| facts(silence, *hides, Some(*hidden), now));
            print::json(&all.collect());
            return Ok(());
        }
        if list.is_empty() {
            print::line("no silences");
            return Ok(());
        }
        let zone = &config.timezone;
        let rows: Vec<Vec<String>> = list
            .iter()
            .map(|(silence, hides, (notices, worse))| {
                let ends = print::civil(silence.end(), zone);
                vec![
                    silence.id.clone(),
                    silence.condition.clone(),
                    if silence.until_resolved { format!("{ends} or resolved") } else { ends },
                    hides.to_string(),
                    notices.to_string(),
                    worse.to_string(),
                    silence.author.clone(),
                    silence.reason.clone(),
                ]
            })
            .collect();
        let headings = ["id", "condition", "until", "hides", "hid", "worse", "by", "reason"];
        print::table(&headings, &rows);
        Ok(())
    }
}

/// A silence, how many open incidents it picks, and how many notices it hid, with how many incidents
/// that got worse.
type Listed = (Silence, usize, (u64, u64));

fn listed(
    tx: &Transaction<'_>,
    silence: Silence,
    open: &[Incident],
    now: DateTime<Utc>,
) -> Result<Listed, StateError> {
    let condition = RouteCondition::parse(&silence.condition).ok();
    let picks = |incident: &&Incident| {
        condition.as_ref().is_some_and(|condition| condition.holds(&incident.labels()))
    };
    let hides = open.iter().filter(picks).count();
    let hides = if silence.is_live(now) { hides } else { 0 };
    let sum = silences::hidden(tx, &silence.id, silence.created_at, DateTime::<Utc>::MAX_UTC)?;
    Ok((silence, hides, (sum.notices, sum.worse)))
}

fn facts(silence: &Silence, hides: usize, hid: Option<(u64, u64)>, now: DateTime<Utc>) -> Value {
    json!({
        "id": silence.id,
        "condition": silence.condition,
        "author": silence.author,
        "reason": silence.reason,
        "created": print::stamp(silence.created_at),
        "until": print::stamp(silence.end()),
        "until_resolved": silence.until_resolved,
        "unless_worse": silence.unless.words(),
        "live": silence.is_live(now),
        "hides": hides,
        "hid_notices": hid.map(|(notices, _)| notices),
        "got_worse": hid.map(|(_, worse)| worse),
    })
}

impl Expire {
    fn execute(&self, state: &State) -> Done {
        let now = SystemClock.now();
        let live = state.read(|tx| silences::live(tx, now))?;
        let meant: Vec<&Silence> =
            live.iter().filter(|silence| silence.id.starts_with(&self.id)).collect();
        let id = match meant.as_slice() {
            [one] => one.id.clone(),
            [] => {
                let ids = live.iter().map(|silence| silence.id.as_str());
                let near =
                    config::nearest(&self.id, ids).unwrap_or_else(|| "there are none".to_owned());
                return Err(anyhow!("no silence is called `{}`: {near}", self.id).into());
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|silence| silence.id.as_str()).collect();
                return Err(anyhow!("`{}` could be {}", self.id, ids.join(" or ")).into());
            }
        };
        state.write(|tx| {
            silences::end(tx, &id, now)?;
            ledger::note(tx, now, "silence", &id, &format!("silence {id} ended by hand"))
        })?;
        print::line(format!("silence {id} is over; what it hid and still fires is told now"));
        Ok(())
    }
}

/// Reads a condition, and refuses labels, rules and levels that no rule has.
fn read_condition(text: &str, config: &Config) -> anyhow::Result<RouteCondition> {
    let condition = RouteCondition::parse(text.trim()).map_err(|mistake| {
        let help = mistake.help.map(|help| format!("; {help}")).unwrap_or_default();
        anyhow!("{}{help}", mistake.message)
    })?;
    let known = known_labels(config);
    for (label, texts) in condition.asked() {
        let Some(values) = known.get(label) else {
            let near = config::nearest(label, known.keys().map(String::as_str));
            let near = near.unwrap_or_else(|| "there are no rules".to_owned());
            return Err(anyhow!("no incident has a label `{label}`: {near}"));
        };
        // Of headings nobody knows the values before they come.
        let Some(values) = values else { continue };
        if let Some(text) = texts.into_iter().find(|text| !values.contains(*text)) {
            let near = config::nearest(text, values.iter().map(String::as_str));
            let near = near.unwrap_or_else(|| "there are none".to_owned());
            return Err(anyhow!("no rule has the {label} `{text}`: {near}"));
        }
    }
    Ok(condition)
}

/// Every label that some rule's incidents have, with its values where those are known.
fn known_labels(config: &Config) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut known: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    for rule in config.rules.values() {
        let mut value = |label: &str, value: &str| {
            let values = known.entry(label.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
            if let Some(values) = values {
                values.insert(value.to_owned());
            }
        };
        value("rule", &rule.name);
        for level in &rule.levels {
            value("level", &level.name);
        }
        for (label, text) in &rule.labels {
            value(label, text);
        }
        for group in &rule.query.groups {
            known.insert(group.name.clone(), None);
        }
    }
    known
}

/// `level`, `2x`, `level,1.5x`, `never`.
fn worse(text: &str) -> Result<Worse, String> {
    let mut worse = Worse::NEVER;
    if text.trim() == "never" {
        return Ok(worse);
    }
    for piece in text.split(',').map(str::trim) {
        let factor = piece.strip_suffix('x').and_then(|number| number.trim().parse::<f64>().ok());
        match (piece, factor) {
            ("level", _) => worse.level = true,
            (_, Some(factor)) if factor > 1.0 && factor.is_finite() => worse.factor = Some(factor),
            _ => {
                return Err(format!(
                    "`{piece}` says nothing about getting worse: write `level`, `2x`, `level,2x` or \
                     `never`"
                ));
            }
        }
    }
    Ok(worse)
}

fn silence_id(condition: &str, author: &str, now: DateTime<Utc>) -> String {
    let mut hash = Sha256::new();
    for part in [condition, author] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(now.timestamp_nanos_opt().unwrap_or_default().to_be_bytes());
    hash.finalize()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_through_is_read() {
        assert_eq!(worse("level,2x"), Ok(Worse::default()));
        assert_eq!(worse("never"), Ok(Worse::NEVER));
        assert_eq!(worse(" 1.5x "), Ok(Worse { level: false, factor: Some(1.5) }));
        assert_eq!(worse("level"), Ok(Worse { level: true, factor: None }));
        for text in ["", "1x", "x", "-2x", "sometimes", "infx", "level;2x"] {
            assert!(worse(text).is_err(), "{text}");
        }
    }
}
