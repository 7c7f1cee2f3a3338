//! Config to plant: settings become sources and receivers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;

use super::Limits;
use super::own::OwnState;
use crate::clock::Clock;
use crate::config::{Care, Config, HeartbeatSettings, ReceiverSettings, SourceSettings};
use crate::domain::delivery::{Ambiguous, Message, Outcome};
use crate::engine::heartbeat::Heartbeat;
use crate::engine::{Destination, Mail, Plant, ReceiverLine, SourceLine};
use crate::receiver::smtp::Smtp;
use crate::receiver::vendor::{Vendor, VendorHook};
use crate::receiver::webhook::{self, Webhook, WebhookSettings};
use crate::receiver::{Handover, Receiver};
use crate::render::Shape;
use crate::source::own::Own;
use crate::source::rest::Rest;
use crate::source::salesforce::Salesforce;
use crate::source::{Bounds, Source, SourceError};

/// A receiver whose address or key is a reference that leads nowhere.
struct Unset;

impl Receiver for Unset {
    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        _: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        let unset = Outcome::ReceiverBroken("its address or key is not set".to_owned());
        Box::pin(async move { vec![unset; messages.len()] })
    }
}

/// Wires one receiver.
fn receiver(
    name: &str,
    config: &Config,
    settings: &ReceiverSettings,
    clock: &Arc<dyn Clock>,
    limits: &Limits,
) -> anyhow::Result<ReceiverLine> {
    let care = config.care.get(name).cloned().unwrap_or_default();
    let cannot = || format!("receiver `{name}` cannot be used");
    let destination = match settings {
        ReceiverSettings::Email(to) => Destination::Mail(to.clone()),
        ReceiverSettings::Webhook(settings) => {
            // Only looking: `check` notes that something is not set, `run` refuses it.
            let unset = settings.all_secrets().iter().any(|text| text.expose_secret().is_empty());
            let shape = care.shape.unwrap_or(Shape::Standard);
            Destination::Post(
                shape,
                match unset {
                    true => Arc::new(Unset),
                    false => Arc::new(
                        Webhook::with_bounds(settings.clone(), Arc::clone(clock), limits.webhook)
                            .with_context(cannot)?,
                    ),
                },
            )
        }
        ReceiverSettings::Vendor(settings) => Destination::Post(
            shape_of(settings.vendor),
            match settings.is_unset() {
                true => Arc::new(Unset),
                false => Arc::new(
                    VendorHook::new(settings, Arc::clone(clock), limits.webhook)
                        .with_context(cannot)?,
                ),
            },
        ),
    };
    let Care { fallback, limit, canary, together, .. } = care;
    Ok(ReceiverLine { destination, fallback, limit, canary, together })
}

/// What a vendor's endpoint understands.
fn shape_of(vendor: Vendor) -> Shape {
    match vendor {
        Vendor::Slack => Shape::Slack,
        Vendor::Teams => Shape::Teams,
        Vendor::Discord => Shape::Discord,
        Vendor::Telegram => Shape::Telegram,
        Vendor::PagerDuty => Shape::PagerDuty,
        Vendor::Alertmanager => Shape::Alertmanager,
    }
}

/// Wires one config. Opens no connection.
pub(super) fn build(
    config: &Config,
    clock: &Arc<dyn Clock>,
    limits: &Limits,
) -> anyhow::Result<Plant> {
    let limits = &careful(config.ambiguous, limits);
    let mail = match &config.smtp {
        Some(settings) => {
            let smtp = Smtp::with_bounds(settings.clone(), limits.smtp)
                .context("the mail server cannot be used")?;
            let receiver: Arc<dyn Receiver> = Arc::new(smtp);
            Some(Mail { receiver, from: settings.from.clone(), dkim: config.dkim.clone() })
        }
        None => None,
    };
    let mut plant = Plant {
        zone: config.timezone.clone(),
        locale: config.locale.clone(),
        week_starts: config.week_starts,
        owner: config.owner.clone(),
        alarm: config.alarm.clone(),
        archive: config.archive,
        public_url: config.public_url.clone(),
        metrics: config.metrics.clone(),
        look: config.look.clone(),
        mail,
        sources: Default::default(),
        datasets: config.datasets.clone(),
        in_use: Default::default(),
        digests: config.digests.clone(),
        rules: config.rules.clone(),
        routes: config.routes.clone(),
        inhibitions: config.inhibitions.clone(),
        receivers: Default::default(),
        ambiguous: config.ambiguous,
        heartbeat: config
            .heartbeat
            .as_ref()
            .map(|settings| heartbeat(settings, clock, limits))
            .transpose()?,
    };
    for (name, settings) in &config.sources {
        let (pull_every, history) = (settings.pull_every(), settings.history());
        let labels = matches!(settings, SourceSettings::Salesforce(_));
        let source = source(settings, clock, limits.source)
            .with_context(|| format!("source `{name}` cannot be used"))?;
        plant.sources.insert(name.clone(), SourceLine { source, pull_every, history, labels });
    }
    for (name, settings) in &config.receivers {
        let line = receiver(name, config, settings, clock, limits)?;
        plant.receivers.insert(name.clone(), line);
    }
    Ok(plant)
}

/// Where a message whose answer was lost is held, no webhook goes over a connection that was kept: the
/// far side may close it just then, and whether it had read the message is not to be told.
fn careful(ambiguous: Ambiguous, limits: &Limits) -> Limits {
    match ambiguous {
        Ambiguous::Resend => *limits,
        Ambiguous::Hold => Limits {
            webhook: webhook::Bounds { idle: Duration::ZERO, ..limits.webhook },
            ..*limits
        },
    }
}

/// Beats are unsigned POSTs: the address alone says whose they are.
fn heartbeat(
    settings: &HeartbeatSettings,
    clock: &Arc<dyn Clock>,
    limits: &Limits,
) -> anyhow::Result<Heartbeat> {
    let webhook = WebhookSettings {
        name: "heartbeat".to_owned(),
        url: settings.url.clone(),
        secrets: Vec::new(),
        headers: Vec::new(),
        passage: Default::default(),
    };
    let to = Webhook::with_bounds(webhook, Arc::clone(clock), limits.webhook)
        .context("the heartbeat cannot be sent")?;
    Ok(Heartbeat { to: Arc::new(to), every: settings.every })
}

/// Prepares one source; nothing is sent before it is asked. `bounds`: `None` is what its kind needs.
///
/// # Errors
/// The source refuses its settings.
pub fn source(
    settings: &SourceSettings,
    clock: &Arc<dyn Clock>,
    bounds: Option<Bounds>,
) -> Result<Arc<dyn Source>, SourceError> {
    let clock = Arc::clone(clock);
    Ok(match (settings, bounds) {
        (SourceSettings::Salesforce(settings), None) => {
            Arc::new(Salesforce::new(settings.clone(), clock)?)
        }
        (SourceSettings::Salesforce(settings), Some(bounds)) => {
            Arc::new(Salesforce::within(settings.clone(), clock, bounds)?)
        }
        (SourceSettings::Rest(settings), None) => Arc::new(Rest::new(settings.clone(), clock)?),
        (SourceSettings::Rest(settings), Some(bounds)) => {
            Arc::new(Rest::within(settings.clone(), clock, bounds)?)
        }
        (SourceSettings::Own(settings), _) => {
            let memory = OwnState { folder: settings.state.clone() };
            Arc::new(Own::new(settings.clone(), Arc::new(memory), clock))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_kept_only_where_a_lost_answer_costs_nothing() {
        let limits = Limits::default();
        assert!(!careful(Ambiguous::Resend, &limits).webhook.idle.is_zero());
        let hold = careful(Ambiguous::Hold, &limits);
        assert!(hold.webhook.idle.is_zero());
        assert_eq!(hold.webhook.overall, limits.webhook.overall);
    }
}
