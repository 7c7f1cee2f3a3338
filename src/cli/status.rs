//! `postrider status`: what runs, what waits, what failed. Derived from rows; works beside the
//! daemon and without it.

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::{Done, print};
use crate::app::App;
use crate::domain::zone::Zone;
use crate::store::state::{incidents, ledger, outbox, slots};

#[derive(Debug, Args)]
pub(super) struct Status {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let value = facts(&app)?;
        if self.json {
            print::json(&value);
        } else {
            show(&value, &app.config().timezone);
        }
        Ok(())
    }
}

fn facts(app: &App) -> anyhow::Result<Value> {
    let store = app.engine().store();
    let running = store.state.lock().is_err();
    let datasets: Vec<Value> = store
        .dataset_states()?
        .into_iter()
        .map(|state| {
            json!({
                "dataset": state.dataset,
                "ready": state.ready,
                "complete_to": state.watermark.map(print::stamp),
                "records": state.records,
                "pulled_at": state.pulled_at.map(print::stamp),
                "error": state.failure.map(|(_, reason)| reason),
            })
        })
        .collect();
    let (counts, holds, runs, open, troubles) = store.state.read(|tx| {
        Ok((
            outbox::counts(tx)?,
            outbox::holds(tx)?,
            slots::runs(tx, None, 5)?,
            incidents::open(tx)?,
            ledger::latest(tx, None, 8)?,
        ))
    })?;
    let next = app.engine().planned(7).into_iter().filter(|planned| planned.slot.skipped.is_none());
    Ok(json!({
        "daemon": if running { "running" } else { "not running" },
        "datasets": datasets,
        "outbox": counts.into_iter().map(|(state, count)| (state, json!(count))).collect::<serde_json::Map<_, _>>(),
        "receivers_held": holds.into_iter().map(|hold| json!({
            "receiver": hold.receiver, "until": print::stamp(hold.until),
            "reason": hold.reason, "broken": hold.broken,
        })).collect::<Vec<_>>(),
        "incidents": open.iter().map(|incident| json!({
            "incident": incident.id,
            "rule": incident.rule,
            "group": incident.group.name(),
            "state": incident.state.word(),
            "level": incident.level.name,
            "began": print::stamp(incident.began),
            "value": incident.value,
        })).collect::<Vec<_>>(),
        "runs": runs.iter().map(|run| json!({
            "run": run.id, "made_at": print::stamp(run.made_at), "subject": run.subject,
            "outcome": run.outcome, "detail": run.detail,
        })).collect::<Vec<_>>(),
        "next": next.take(3).map(|planned| json!({
            "digest": planned.digest, "planned_at": print::stamp(planned.slot.planned_at),
        })).collect::<Vec<_>>(),
        "decisions": troubles.iter().map(|entry| json!({
            "at": print::stamp(entry.at), "kind": entry.kind, "subject": entry.subject, "text": entry.text,
        })).collect::<Vec<_>>(),
    }))
}

fn show(facts: &Value, zone: &Zone) {
    print::line(format!("daemon: {}   zone: {}", text(&facts["daemon"], zone), zone.name()));
    let parts: &[(&str, &str, &[&str])] = &[
        (
            "datasets",
            "no dataset has been pulled yet",
            &["dataset", "ready", "complete_to", "records", "pulled_at", "error"],
        ),
        (
            "incidents",
            "no incident is open",
            &["rule", "group", "state", "level", "value", "began"],
        ),
        ("runs", "no digest has been made yet", &["run", "made_at", "outcome", "subject"]),
        ("next", "no digest is planned this week", &["digest", "planned_at"]),
        (
            "receivers_held",
            "every receiver takes messages",
            &["receiver", "until", "broken", "reason"],
        ),
        ("decisions", "no decision yet", &["at", "kind", "subject", "text"]),
    ];
    for (part, none, headings) in parts {
        print::line("");
        let rows: Vec<Vec<String>> = facts[part]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| headings.iter().map(|heading| text(&row[heading], zone)).collect())
            .collect();
        if rows.is_empty() {
            print::line(none);
        } else {
            let headings: Vec<String> = headings.iter().map(|h| h.replace('_', " ")).collect();
            print::table(&headings.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
        }
    }
    let counts = facts["outbox"].as_object().into_iter().flatten();
    let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {state}")).collect();
    print::line("");
    print::line(format!(
        "outbox: {}",
        if counts.is_empty() { "empty".into() } else { counts.join(", ") }
    ));
}

/// A fact as people read it: instants in the config's zone, nothing for null.
fn text(value: &Value, zone: &Zone) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(at) => print::civil(at.to_utc(), zone),
            Err(_) => text.clone(),
        },
        other => other.to_string(),
    }
}
