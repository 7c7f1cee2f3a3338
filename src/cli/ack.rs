//! `postrider ack` and `unack`: somebody takes an incident. Works beside the daemon, which hears of it
//! at its next beat.

use anyhow::anyhow;
use chrono::TimeDelta;
use clap::Args;
use serde_json::json;

use super::{Context, Done, print};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::domain::incident::Incident;
use crate::domain::route::pick;
use crate::domain::silence::{ACK_FOR, Ack};
use crate::store::state::{State, acks, incidents, ledger};

/// Nobody is at it for longer without saying so again.
const LENGTH_MAX: TimeDelta = TimeDelta::days(30);

#[derive(Debug, Args)]
#[command(after_help = "\
Whoever was told is not reminded, and nothing escalates, until it runs out; a rise of level and the
end are told all the same. When it runs out while the incident still fires, that is told with a
reminder.

Examples:
  postrider ack 6e0f6b8a1c2d3e4f --note \"on it\"
  postrider ack 6e0f --for 1h --by Jo         (the beginning of an id is enough)")]
pub(super) struct AckCommand {
    /// The incident's id, or the beginning of it; without one, those that can be taken are listed
    incident: Option<String>,
    /// Who. Default: the user's name
    #[arg(long, value_name = "NAME", env = "USER", default_value = "")]
    by: String,
    /// How long, e.g. 1h, "30 min". Default: what the route says, else 4 h
    #[arg(long = "for", value_name = "LENGTH")]
    length: Option<String>,
    /// A word for the others
    #[arg(long)]
    note: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Reminders and escalation go on as if it had never been taken.

Example:
  postrider unack 6e0f6b8a1c2d3e4f")]
pub(super) struct Unack {
    /// The incident's id, or the beginning of it
    incident: String,
}

impl AckCommand {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        let open = open(&state)?;
        let Some(id) = &self.incident else { return list(&state, &open, &config, self.json) };
        let incident = meant(id, &open)?;
        let now = SystemClock.now();
        let length = match &self.length {
            Some(length) => config::length(length).map_err(|why| anyhow!(why))?,
            None => route_says(&config, incident),
        };
        if length > LENGTH_MAX {
            return Err(anyhow!("an acknowledgement lasts 30 days at most").into());
        }
        if self.by.trim().is_empty() {
            return Err(anyhow!("say who takes it: --by NAME").into());
        }
        let ack = Ack {
            incident: incident.id.clone(),
            by: self.by.trim().to_owned(),
            note: self.note.clone(),
            at: now,
            until: now + length,
        };
        let note = ack.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
        let until = print::stamp(ack.until);
        let text = format!("acknowledged {} by {} until {until}{note}", ack.incident, ack.by);
        state.write(|tx| {
            acks::put(tx, &ack)?;
            ledger::note(tx, now, "acknowledgement", &incident.rule, &text)
        })?;
        if self.json {
            print::json(&facts(incident, Some(&ack)));
            return Ok(());
        }
        print::line(format!(
            "{} has {} ({}) until {}",
            ack.by,
            ack.incident,
            words(incident),
            print::civil(ack.until, &config.timezone)
        ));
        Ok(())
    }
}

impl Unack {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        let open = open(&state)?;
        let incident = meant(&self.incident, &open)?;
        let now = SystemClock.now();
        let gone = state.write(|tx| {
            let gone = acks::remove(tx, &incident.id)?.filter(|ack| now < ack.until);
            if let Some(ack) = &gone {
                let text = format!("{} is not with {} any more", incident.id, ack.by);
                ledger::note(tx, now, "acknowledgement", &incident.rule, &text)?;
            }
            Ok(gone)
        })?;
        match gone {
            Some(ack) => {
                print::line(format!("{} does not have {} any more", ack.by, incident.id));
                Ok(())
            }
            None => Err(anyhow!("nobody has {}", incident.id).into()),
        }
    }
}

/// Incidents that can be taken.
fn open(state: &State) -> anyhow::Result<Vec<Incident>> {
    let open = state.read(incidents::open)?;
    Ok(open.into_iter().filter(|incident| incident.fired_at.is_some()).collect())
}

/// The open incident that an id, or the beginning of one, names.
fn meant<'a>(id: &str, open: &'a [Incident]) -> anyhow::Result<&'a Incident> {
    let named: Vec<&Incident> =
        open.iter().filter(|incident| !id.is_empty() && incident.id.starts_with(id)).collect();
    match named.as_slice() {
        [one] => Ok(one),
        [] => {
            let ids = open.iter().map(|incident| incident.id.as_str());
            let near = config::nearest(id, ids).unwrap_or_else(|| "nothing fires".to_owned());
            Err(anyhow!("no incident that fires is called `{id}`: {near}"))
        }
        several => {
            let ids: Vec<&str> =
                several.iter().take(8).map(|incident| incident.id.as_str()).collect();
            Err(anyhow!("`{id}` could be {}", ids.join(" or ")))
        }
    }
}

fn route_says(config: &Config, incident: &Incident) -> TimeDelta {
    let route = pick(&config.routes, &incident.labels());
    route.and_then(|index| config.routes[index].ack_for).unwrap_or(ACK_FOR)
}

fn list(state: &State, open: &[Incident], config: &Config, as_json: bool) -> Done {
    let now = SystemClock.now();
    let acks = state.read(|tx| acks::live(tx, now))?;
    let ack = |incident: &Incident| acks.get(&incident.id).filter(|ack| now < ack.until);
    if as_json {
        print::json(&open.iter().map(|incident| facts(incident, ack(incident))).collect());
        return Ok(());
    }
    if open.is_empty() {
        print::line("nothing fires");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = open
        .iter()
        .map(|incident| {
            let taken = ack(incident).map(|ack| {
                format!("{} until {}", ack.by, print::civil(ack.until, &config.timezone))
            });
            vec![
                incident.id.clone(),
                incident.level.name.clone(),
                words(incident),
                print::civil(incident.began, &config.timezone),
                taken.unwrap_or_default(),
            ]
        })
        .collect();
    print::table(&["incident", "level", "what", "since", "acknowledged"], &rows);
    Ok(())
}

fn words(incident: &Incident) -> String {
    match incident.group.name() {
        name if name.is_empty() => incident.rule.clone(),
        name => format!("{}: {name}", incident.rule),
    }
}

fn facts(incident: &Incident, ack: Option<&Ack>) -> serde_json::Value {
    json!({
        "incident": incident.id,
        "rule": incident.rule,
        "group": incident.group.name(),
        "level": incident.level.name,
        "began": print::stamp(incident.began),
        "acknowledged": ack.map(|ack| json!({
            "by": ack.by,
            "note": ack.note,
            "at": print::stamp(ack.at),
            "until": print::stamp(ack.until),
        })),
    })
}
