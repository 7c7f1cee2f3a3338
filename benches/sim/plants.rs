//! The configs that come into force: the whole one, and those without a rule, without a route, or
//! without both. What is outside postrider is put in place here.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use chrono::{DateTime, Utc};
use postrider::app::{App, Limits};
use postrider::clock::{Clock, ManualClock};
use postrider::config::{self, Given, Mode};
use postrider::engine::{Destination, Mail, Plant, ReceiverLine, SourceLine};
use postrider::store::state::outbox::SMTP;

use super::far::Door;
use super::lines::Well;
use super::shared::Sim;

const CONFIG: &str = include_str!("config.toml");
/// Signs what nobody checks here.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Which sections each config is without.
const WITHOUT: [&[&str]; 4] = [&[], &["held"], &["critical"], &["held", "critical"]];

/// The configs, as the app makes them.
pub(crate) struct Plants(Vec<Arc<Plant>>);

impl Plants {
    /// Reads them, and makes the databases of the first one in `folder`.
    pub(crate) fn prepare(folder: &Path, begin: DateTime<Utc>) -> anyhow::Result<Plants> {
        let mut plants = Vec::new();
        for without in WITHOUT {
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(begin));
            let mut env = Given::default();
            env.variables.insert("HOOK_URL".into(), "https://hook.example.com/".into());
            env.variables.insert("HOOK_SECRET".into(), SECRET.into());
            let text = section_less(without);
            let loaded = config::load_text("config.toml", &text, folder, &env, Mode::Run);
            let (mut config, _) = loaded.map_err(|problems| anyhow::anyhow!("{problems}"))?;
            config.state = folder.to_owned();
            let app = App::build(config, clock, Limits::default())
                .with_context(|| format!("the config without {without:?}"))?;
            plants.push(app.engine().plant());
        }
        Ok(Plants(plants))
    }

    /// How many there are; the first one is whole.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// One of them, in these surroundings.
    pub(crate) fn fresh(&self, which: usize, sim: &Sim) -> Plant {
        let plant = &self.0[which];
        let life = sim.lock().life;
        let door = |name: &str| Arc::new(Door { name: name.to_owned(), sim: sim.clone(), life });
        let receivers = plant.receivers.iter().map(|(name, line)| {
            let destination = match &line.destination {
                Destination::Mail(to) => Destination::Mail(to.clone()),
                Destination::Post(shape, _) => Destination::Post(shape.clone(), door(name)),
            };
            let (fallback, limit) = (line.fallback.clone(), line.limit);
            let (canary, together) = (line.canary.clone(), line.together);
            let line = ReceiverLine { destination, fallback, limit, canary, together };
            (name.clone(), line)
        });
        let sources = plant.sources.iter().map(|(name, line)| {
            let line = SourceLine {
                source: Arc::new(Well(sim.clone())),
                pull_every: line.pull_every,
                history: line.history,
                labels: line.labels,
            };
            (name.clone(), line)
        });
        Plant {
            zone: plant.zone.clone(),
            locale: plant.locale.clone(),
            week_starts: plant.week_starts,
            owner: plant.owner.clone(),
            alarm: plant.alarm.clone(),
            archive: plant.archive,
            public_url: plant.public_url.clone(),
            metrics: None,
            look: plant.look.clone(),
            mail: plant.mail.as_ref().map(|mail| Mail {
                receiver: door(SMTP),
                from: mail.from.clone(),
                dkim: mail.dkim.clone(),
            }),
            sources: sources.collect(),
            datasets: plant.datasets.clone(),
            in_use: OnceLock::new(),
            digests: plant.digests.clone(),
            rules: plant.rules.clone(),
            routes: plant.routes.clone(),
            inhibitions: plant.inhibitions.clone(),
            receivers: receivers.collect(),
            ambiguous: plant.ambiguous,
            heartbeat: None,
        }
    }
}

/// The config without some of its sections.
fn section_less(without: &[&str]) -> String {
    let mut text = String::new();
    let mut left_out = false;
    for line in CONFIG.lines() {
        match line.strip_prefix("#< ") {
            Some(name) => left_out = without.contains(&name),
            None if line == "#>" => left_out = false,
            None if left_out => {}
            None => text.extend([line, "\n"]),
        }
    }
    text
}
