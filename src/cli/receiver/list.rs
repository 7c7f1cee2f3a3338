//! `postrider receiver list`: the ways to reach people, what is done when they do not answer, and how
//! they fare.

use clap::Args;
use serde_json::{Value, json};

use super::way;
use crate::app::App;
use crate::cli::{Context, Done, print};
use crate::config::{Config, ReceiverSettings};
use crate::domain::zone::Zone;
use crate::store::state::outbox::{self, Endpoint};

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is shown, and the fact it is.
const COLUMNS: [(&str, &str); 10] = [
    ("receiver", "receiver"),
    ("kind", "kind"),
    ("fallback", "fallback"),
    ("limit", "limit"),
    ("canary", "canary"),
    ("proved", "proved_at"),
    ("last taken", "taken_at"),
    ("failing since", "failing_since"),
    ("waiting", "waiting"),
    ("waits", "waits"),
];

impl List {
    pub(super) fn execute(&self, context: &Context) -> Done {
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
        let zone = app.config().timezone.clone();
        let row = |row: &Value| COLUMNS.map(|(_, fact)| cell(&row[fact], &zone)).to_vec();
        let table: Vec<Vec<String>> = rows.iter().map(row).collect();
        print::table(&COLUMNS.map(|(heading, _)| heading), &table);
        for row in &rows {
            if let (Some(name), Some(why)) = (row["way"].as_str(), row["disabled_why"].as_str()) {
                let since = cell(&row["disabled_at"], &zone);
                let way = format!("`postrider receiver enable {name}`");
                print::line(format!("{name} is disabled since {since} ({why}): {way} ends that"));
            }
        }
        Ok(())
    }
}

/// A fact as people read it.
fn cell(value: &Value, zone: &Zone) -> String {
    match value {
        Value::String(text) => chrono::DateTime::parse_from_rfc3339(text)
            .map_or_else(|_| text.clone(), |at| print::civil(at.to_utc(), zone)),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn facts(app: &App) -> anyhow::Result<Vec<Value>> {
    let config = app.config();
    let state = &app.engine().store().state;
    let (proofs, holds, endpoints, waiting) = state.read(|tx| {
        Ok((outbox::proofs(tx)?, outbox::holds(tx)?, outbox::endpoints(tx)?, outbox::waiting(tx)?))
    })?;
    let rows = config.receivers.iter().map(|(name, settings)| {
        let care = config.care.get(name).cloned().unwrap_or_default();
        let proved = proofs.iter().find(|proof| proof.receiver == *name);
        let way = way(name, settings);
        let held = holds.iter().find(|hold| hold.receiver == way);
        let endpoint = endpoints.iter().find(|endpoint| endpoint.receiver == way);
        let count = |state: &str| -> u64 {
            let of = waiting.iter().filter(|(to, is, _)| to == way && is == state);
            of.map(|(.., count)| count).sum()
        };
        let mut row = json!({
            "receiver": name,
            "way": way,
            "kind": kind(&config, name, settings),
            "fallback": care.fallback.map(|(name, after)| {
                format!("{name} after {} min", after.num_minutes())
            }),
            "limit": care.limit.map(|(count, time)| format!("{count} in {} min", time.num_minutes())),
            "canary": care.canary.map(|schedule| schedule.pattern),
            "proved_at": proved.and_then(|proof| proof.taken_at).map(print::stamp),
            "waits": held.map(|hold| hold.reason.clone()),
            "waiting": count("pending") + count("sending"),
            "held": count("held"),
        });
        if let (Some(row), Value::Object(health)) = (row.as_object_mut(), health(endpoint)) {
            row.extend(health);
        }
        row
    });
    Ok(rows.collect())
}

/// What attempts say of a receiver.
pub(in crate::cli) fn health(endpoint: Option<&Endpoint>) -> Value {
    let fares = endpoint.map(|endpoint| endpoint.fares).unwrap_or_default();
    let disabled = endpoint.and_then(|endpoint| endpoint.disabled.as_ref());
    json!({
        "taken_at": fares.taken_at.map(print::stamp),
        "failing_since": fares.failing_since.map(print::stamp),
        "failures": fares.failures,
        "said": endpoint.and_then(|endpoint| endpoint.said.clone()),
        "disabled_at": disabled.map(|(at, _)| print::stamp(*at)),
        "disabled_why": disabled.map(|(_, why)| why.clone()),
    })
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
