//! `postrider receiver`: the ways to reach people, and whether they work.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;

use super::context::runtime;
use super::{Context, Done, print};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ReceiverSettings};
use crate::domain::delivery::{Ambiguous, Outcome};
use crate::engine::proof::Trial;
use crate::receiver::webhook::public_key;
use crate::store::state::outbox::{self, SMTP};
use crate::store::state::{State, ledger};

mod list;

#[derive(Debug, Subcommand)]
pub(super) enum Receiver {
    /// The receivers, what is done when they do not answer, and when messages last reached them
    List(list::List),
    /// Send an incident that fires and its end, and say what was answered
    #[command(
        after_help = "Two messages go out at once, by the way every other one goes, but not \
through the outbox: nothing is tried again. On PagerDuty this calls whoever is on duty, and ends at \
once.

Exit code 0: both were taken. 1: one was not. 2: the config is wrong."
    )]
    Test(Test),
    /// Send a receiver that is disabled what waits for it
    #[command(
        after_help = "A receiver is disabled when its endpoint says that it is gone (HTTP 410), \
when every attempt of five days failed, or by hand. Nothing is sent to it until it is enabled."
    )]
    Enable(Enable),
    /// Send a receiver nothing until it is enabled; its fallback is told its notifications
    #[command(after_help = "Example:
  postrider receiver disable hook --reason \"moves on Monday\"")]
    Disable(Disable),
    /// The public keys of a webhook's key pairs (`whsk_`), to be given to its endpoint
    #[command(
        after_help = "One line for each, in the order of `secrets`: whpk_... A shared secret \
(`whsec_`) has no public half and is not shown."
    )]
    Key(Key),
}

#[derive(Debug, Args)]
pub(super) struct Key {
    /// The receiver
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Enable {
    /// The receiver; `smtp` is the mail server
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Disable {
    /// The receiver; `smtp` is the mail server
    name: String,
    /// Why, for those who ask later
    #[arg(long, default_value = "by hand")]
    reason: String,
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
            Receiver::Enable(enable) => enable.execute(context),
            Receiver::Disable(disable) => disable.execute(context),
            Receiver::Key(key) => key.execute(context),
        }
    }
}

/// What the outbox calls the way to a receiver.
fn way<'n>(name: &'n str, settings: &ReceiverSettings) -> &'n str {
    match settings {
        ReceiverSettings::Email(_) => SMTP,
        ReceiverSettings::Webhook(_) | ReceiverSettings::Vendor(_) => name,
    }
}

/// The way to a receiver that is named, as the outbox calls it; mail has one for all.
fn named<'n>(config: &Config, name: &'n str) -> anyhow::Result<&'n str> {
    if name == SMTP {
        return Ok(name);
    }
    match config.receivers.get(name) {
        Some(settings) if way(name, settings) == SMTP => Err(anyhow!(
            "`{name}` is reached by mail, as others are: `{SMTP}` is the mail server for all of them"
        )),
        Some(_) => Ok(name),
        None => {
            let names: Vec<&str> = config.receivers.keys().map(String::as_str).collect();
            Err(anyhow!("no receiver is called `{name}`; there are {}", names.join(", ")))
        }
    }
}

impl Enable {
    fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        // One that left the config may still have something waiting.
        let known = state.read(|tx| outbox::endpoint_of(tx, &self.name))?.is_some();
        let name = if known { self.name.as_str() } else { named(&config, &self.name)? };
        let now = SystemClock.now();
        let (enabled, waiting) = state.write(|tx| {
            let enabled = outbox::enable(tx, name)?;
            if enabled {
                ledger::note(tx, now, "delivery", name, "enabled by hand")?;
            }
            let waiting = outbox::waiting(tx)?.into_iter();
            let waiting = waiting.filter(|(to, state, _)| to == name && state == "pending");
            Ok((enabled, waiting.map(|(.., count)| count).sum::<u64>()))
        })?;
        if !enabled {
            print::line(format!("{name} is not disabled"));
            return Ok(());
        }
        print::line(format!("{name} is enabled; {waiting} waiting, sent by the running daemon"));
        Ok(())
    }
}

impl Disable {
    fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        let (name, now) = (named(&config, &self.name)?, SystemClock.now());
        let disabled = state.write(|tx| {
            let disabled = outbox::disable(tx, name, &self.reason, now)?;
            if disabled {
                ledger::note(tx, now, "delivery", name, &format!("disabled: {}", self.reason))?;
            }
            Ok(disabled)
        })?;
        print::line(match disabled {
            true => format!("{name} gets nothing before `postrider receiver enable {name}`"),
            false => format!("{name} is disabled already"),
        });
        Ok(())
    }
}

impl Key {
    fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        named(&config, &self.name)?;
        let Some(ReceiverSettings::Webhook(settings)) = config.receivers.get(&self.name) else {
            return Err(anyhow!("`{}` is no webhook, and signs nothing", self.name).into());
        };
        let mut found = false;
        for secret in &settings.secrets {
            let key =
                public_key(secret.expose_secret()).map_err(|why| anyhow!("a secret {why}"))?;
            if let Some(key) = key {
                found = true;
                print::line(key);
            }
        }
        match found {
            true => Ok(()),
            false => Err(anyhow!("`{}` has no key pair (`whsk_`)", self.name).into()),
        }
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
            print::line(in_words(trial, config.ambiguous));
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
fn in_words(trial: &Trial, ambiguous: Ambiguous) -> String {
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
            let means = match ambiguous {
                Ambiguous::Resend => "the answer was lost; the daemon would send it again",
                Ambiguous::Hold => "the answer was lost; the daemon would hold it",
            };
            ("perhaps taken", reason, means)
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
