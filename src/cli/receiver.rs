//! `postrider receiver`: the ways to reach people, and whether they work.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::runtime;
use super::{Context, Done, print};
use crate::app::App;
use crate::config::{Config, ReceiverSettings};
use crate::domain::delivery::Outcome;
use crate::engine::proof::Trial;
use crate::store::state::outbox;

#[derive(Debug, Subcommand)]
pub(super) enum Receiver {
    /// The receivers, what is done when they do not answer, and when messages last reached them
    List(List),
    /// Send an incident that fires and its end, and say what was answered
    #[command(
        after_help = "Two messages go out at once, by the way every other one goes, but not \
through the outbox: nothing is tried again. On PagerDuty this calls whoever is on duty, and ends at \
once.

Exit code 0: both were taken. 1: one was not. 2: the config is wrong."
    )]
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// The receiver
    name: String,
}

impl Receiver {
    pub(super) fn execute(&self, context: &Context) -> Done {
        match self {
            Receiver::List(list) => list.execute(context),
            Receiver::Test(test) => test.execute(context),
        }
    }
}

impl List {
    fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let rows = facts(&app)?;
        if self.json {
            print::json(&Value::Array(rows));
            return Ok(());
        }
        if rows.is_empty() {
            print::line("there is no receiver");
            return Ok(());
        }
        const HEADINGS: [&str; 7] =
            ["receiver", "kind", "fallback", "limit", "canary", "proved_at", "waits"];
        let zone = app.config().timezone.clone();
        let cell = |row: &Value, heading: &str| match (&row[heading], heading) {
            (Value::String(text), "proved_at") => chrono::DateTime::parse_from_rfc3339(text)
                .map_or_else(|_| text.clone(), |at| print::civil(at.to_utc(), &zone)),
            (Value::String(text), _) => text.clone(),
            _ => String::new(),
        };
        let table: Vec<Vec<String>> =
            rows.iter().map(|row| HEADINGS.iter().map(|h| cell(row, h)).collect()).collect();
        print::table(&HEADINGS.map(|heading| heading.split('_').next().unwrap_or(heading)), &table);
        Ok(())
    }
}

fn facts(app: &App) -> anyhow::Result<Vec<Value>> {
    let config = app.config();
    let state = &app.engine().store().state;
    let (proofs, holds) = state.read(|tx| Ok((outbox::proofs(tx)?, outbox::holds(tx)?)))?;
    let rows = config.receivers.iter().map(|(name, settings)| {
        let care = config.care.get(name).cloned().unwrap_or_default();
        let proved = proofs.iter().find(|proof| proof.receiver == *name);
        let way = way(name, settings);
        let held = holds.iter().find(|hold| hold.receiver == way);
        json!({
            "receiver": name,
            "kind": kind(&config, name, settings),
            "fallback": care.fallback.map(|(name, after)| {
                format!("{name} after {} min", after.num_minutes())
            }),
            "limit": care.limit.map(|(count, time)| format!("{count} in {} min", time.num_minutes())),
            "canary": care.canary.map(|schedule| schedule.pattern),
            "proved_at": proved.and_then(|proof| proof.taken_at).map(print::stamp),
            "waits": held.map(|hold| hold.reason.clone()),
        })
    });
    Ok(rows.collect())
}

/// What the outbox calls the way to a receiver.
fn way<'n>(name: &'n str, settings: &ReceiverSettings) -> &'n str {
    match settings {
        ReceiverSettings::Email(_) => outbox::SMTP,
        ReceiverSettings::Webhook(_) | ReceiverSettings::Vendor(_) => name,
    }
}

fn kind(config: &Config, name: &str, settings: &ReceiverSettings) -> String {
    match settings {
        ReceiverSettings::Email(to) => format!("email to {}", to.join(", ")),
        ReceiverSettings::Webhook(_) => {
            let shape = config.care.get(name).and_then(|care| care.shape.as_ref());
            match shape {
                Some(crate::render::Shape::Own(_)) => "webhook with a body of your own".to_owned(),
                Some(_) => "webhook as Alertmanager's".to_owned(),
                None => "webhook".to_owned(),
            }
        }
        ReceiverSettings::Vendor(settings) => settings.vendor.word().to_owned(),
    }
}

impl Test {
    fn execute(&self, context: &Context) -> Done {
        let app = context.acting_app()?;
        let config = app.config();
        if !config.receivers.contains_key(&self.name) {
            let names: Vec<&str> = config.receivers.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return Err(anyhow!("no receiver is called `{}`; there are {names}", self.name).into());
        }
        let trials = runtime()?.block_on(app.engine().try_receiver(&self.name))?;
        let Some(trials) = trials.filter(|trials| !trials.is_empty()) else {
            return Err(anyhow!("there is no way to `{}`", self.name).into());
        };
        for trial in &trials {
            print::line(in_words(trial));
        }
        let taken = |trial: &&Trial| matches!(trial.outcome, Outcome::Delivered(_));
        let lost = trials.len() - trials.iter().filter(taken).count();
        match lost {
            0 => Ok(()),
            lost => Err(anyhow!("{lost} of {} messages were not taken", trials.len()).into()),
        }
    }
}

/// What an attempt came to, and what that means.
fn in_words(trial: &Trial) -> String {
    let Trial { what, recipient, outcome } = trial;
    let (word, said, means) = match outcome {
        Outcome::Delivered(said) => ("taken", said, ""),
        Outcome::Retry { reason, .. } => {
            ("not taken now", reason, "the daemon would try again by itself")
        }
        Outcome::ServerDown(reason) => {
            ("not reached", reason, "is the address right, and is it up?")
        }
        Outcome::Rejected(reason) => (
            "refused",
            reason,
            "this message would never be taken; the daemon would tell the owner",
        ),
        Outcome::ReceiverBroken(reason) => {
            ("refused as a whole", reason, "its address, key or certificate must be mended")
        }
        Outcome::Uncertain(reason) => {
            ("perhaps taken", reason, "the answer was lost; the daemon would send it again")
        }
        Outcome::Gone(reason) => (
            "gone",
            reason,
            "the endpoint wants no message any more; the daemon would send it none until it is enabled",
        ),
    };
    let means = if means.is_empty() { String::new() } else { format!("\n    {means}") };
    format!("{what} to {recipient}: {word} ({said}){means}")
}
