//! `postrider status`: what runs, what waits, what failed. Derived from rows; works beside the
//! daemon and without it.

use chrono::TimeDelta;
use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::{Done, print};
use crate::app::App;
use crate::domain::zone::Zone;
use crate::engine::health::{self, Health};
use crate::store::records::DatasetState;
use crate::store::state::{history, incidents, ledger, outbox, pulse, slots, suppression};

/// An address that its server does not know in so many runs, one after the other, is shown.
const BOUNCES: u32 = 3;

#[derive(Debug, Args)]
pub(super) struct Status {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// As metrics for Prometheus
    #[arg(long, conflicts_with = "json")]
    metrics: bool,
}

impl Status {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let running = app.engine().store().state.is_served();
        let health = app.engine().health(running)?;
        if self.metrics {
            print::bytes(health::exposition(&health).as_bytes());
            return Ok(());
        }
        let value = facts(&app, &health)?;
        if self.json {
            print::json(&value);
        } else {
            show(&value, &app.config().timezone);
        }
        Ok(())
    }
}

fn facts(app: &App, health: &Health) -> anyhow::Result<Value> {
    let store = app.engine().store();
    let datasets = health.datasets.iter();
    let datasets: Vec<Value> =
        datasets.map(|(source, state)| dataset_facts(health, source, state)).collect();
    let sources = health.sources.iter().map(|(name, known)| {
        let quota = known.quota;
        json!({
            "source": name,
            "spent": known.spent.total(health.at),
            "used": quota.map(|quota| quota.used),
            "allowed": quota.map(|quota| quota.allowed),
        })
    });
    let sources: Vec<Value> = sources.collect();
    let overdue = app.engine().overdue()?;
    let (beat, taken, (silences, acks)) = store.state.read(|tx| {
        Ok((pulse::last(tx)?, history::last_delivered(tx)?, history::quiet(tx, health.at)?))
    })?;
    let (balance, endpoints) =
        store.state.read(|tx| Ok((outbox::balance(tx)?, outbox::endpoints(tx)?)))?;
    let (proofs, holds, runs, open, troubles, bouncing) = store.state.read(|tx| {
        Ok((
            outbox::proofs(tx)?,
            outbox::holds(tx)?,
            slots::runs(tx, None, 5)?,
            incidents::open(tx)?,
            ledger::latest(tx, None, 8)?,
            suppression::bouncing(tx, BOUNCES)?,
        ))
    })?;
    let next = app.engine().planned(7).into_iter().filter(|planned| planned.slot.skipped.is_none());
    Ok(json!({
        "daemon": if health.running { "running" } else { "not running" },
        "state_trouble": health.trouble,
        "datasets": datasets,
        "sources": sources,
        "outbox": balance.states.iter().map(|(state, count)| (state.clone(), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
        "balance": { "equation": balance.equation(), "missing": balance.missing() },
        "receivers_disabled": endpoints.iter().filter_map(|endpoint| {
            let (at, why) = endpoint.disabled.as_ref()?;
            Some(json!({
                "receiver": endpoint.receiver, "since": print::stamp(*at), "why": why,
                "way_out": format!("postrider receiver enable {}", endpoint.receiver),
            }))
        }).collect::<Vec<_>>(),
        "receivers_held": holds.into_iter().map(|hold| json!({
            "receiver": hold.receiver, "until": print::stamp(hold.until),
            "reason": hold.reason, "broken": hold.broken,
        })).collect::<Vec<_>>(),
        "proofs": proofs.iter().map(|proof| json!({
            "receiver": proof.receiver, "taken_at": proof.taken_at.map(print::stamp),
            "lost_at": proof.lost_at.map(print::stamp),
        })).collect::<Vec<_>>(),
        "overdue": overdue.iter().map(|slot| json!({
            "digest": slot.digest, "planned_at": print::stamp(slot.planned_at),
        })).collect::<Vec<_>>(),
        "unknown_addresses": bouncing.iter().map(|one| json!({
            "address": one.address, "runs": one.runs, "said": one.said,
            "proposal": format!("postrider suppress add {}", one.address),
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
        "blind_rules": blind(app, health),
        "silences": silences.iter().map(|silence| json!({
            "silence": silence.id, "hides": silence.condition, "author": silence.author,
            "reason": silence.reason, "until": print::stamp(silence.ends_at),
        })).collect::<Vec<_>>(),
        "acknowledged": acks.iter().map(|ack| json!({
            "incident": ack.incident, "by": ack.by, "note": ack.note,
            "until": print::stamp(ack.until),
        })).collect::<Vec<_>>(),
        "heartbeat": beat.map(|beat| json!({
            "at": print::stamp(beat.at), "said": beat.said,
            "taken_at": beat.taken_at.map(print::stamp),
        })),
        "last_taken": taken.iter().map(|proof| json!({
            "receiver": proof.receiver, "to": proof.recipient,
            "taken_at": proof.finished_at.map(print::stamp), "said": proof.said,
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

/// Rules that cannot see their data, with the dataset that gives none.
fn blind(app: &App, health: &Health) -> Vec<Value> {
    let config = app.config();
    let failing =
        health.datasets.iter().filter_map(|(_, state)| Some((state, state.failing_since?)));
    let of = |(state, since): (&DatasetState, _)| {
        let reads =
            config.rules.values().filter(|rule| rule.query.reads().contains_key(&state.dataset));
        let why = state.failure.as_ref().map(|(_, reason)| reason.clone());
        reads
            .map(|rule| {
                json!({
                    "rule": rule.name, "dataset": state.dataset,
                    "since": print::stamp(since), "said": why,
                })
            })
            .collect::<Vec<_>>()
    };
    failing.flat_map(of).collect()
}

fn dataset_facts(health: &Health, source: &str, state: &DatasetState) -> Value {
    let seconds = |length: TimeDelta| length.as_seconds_f64();
    let loading = (!state.ready || state.load_records > 0).then(|| {
        json!({
            "records": state.load_records,
            "expected": state.load_expected,
            "share": health::load_share(state),
        })
    });
    json!({
        "dataset": state.dataset,
        "source": source,
        "ready": state.ready,
        "loading": loading,
        "complete_to": state.watermark.map(print::stamp),
        "lag_seconds": health.lag(state).map(seconds),
        "records": state.records,
        "pulled_at": state.pulled_at.map(print::stamp),
        "pull_seconds": state.took.map(seconds),
        "requests": state.requests,
        "requests_day": state.asked.total(health.at),
        "left_out_records": state.lost_records,
        "left_out_values": state.lost_values,
        "hidden": state.hidden,
        "reaches_back_to": state.history_start.map(print::stamp),
        "verified_at": state.verified.as_ref().map(|(at, _)| print::stamp(*at)),
        "verified": state.verified.as_ref().map(|(_, finding)| finding),
        "failures": state.failures,
        "failing_since": state.failing_since.map(print::stamp),
        "error": state.failure.as_ref().map(|(_, reason)| reason),
    })
}

fn show(facts: &Value, zone: &Zone) {
    print::line(format!("daemon: {}   zone: {}", text(&facts["daemon"], zone), zone.name()));
    if let Some(trouble) = facts["state_trouble"].as_str() {
        print::line(format!("the state cannot be written: {trouble}"));
    }
    let parts: &[(&str, &str, &[&str])] = &[
        (
            "datasets",
            "no dataset has been pulled yet",
            &[
                "dataset",
                "ready",
                "complete_to",
                "lag_seconds",
                "records",
                "pull_seconds",
                "requests_day",
                "verified_at",
                "failing_since",
                "error",
            ],
        ),
        ("sources", "there is no source", &["source", "spent", "used", "allowed"]),
        (
            "incidents",
            "no incident is open",
            &["incident", "rule", "group", "state", "level", "value", "began"],
        ),
        ("blind_rules", "every rule sees its data", &["rule", "dataset", "since", "said"]),
        ("silences", "nothing is silenced", &["silence", "hides", "until", "author", "reason"]),
        ("acknowledged", "nobody has taken an incident", &["incident", "by", "until", "note"]),
        ("overdue", "no digest is overdue", &["digest", "planned_at"]),
        ("runs", "no digest has been made yet", &["run", "made_at", "outcome", "subject"]),
        ("next", "no digest is planned this week", &["digest", "planned_at"]),
        (
            "receivers_held",
            "every receiver takes messages",
            &["receiver", "until", "broken", "reason"],
        ),
        ("receivers_disabled", "no receiver is disabled", &["receiver", "since", "why", "way_out"]),
        ("proofs", "no receiver has a canary yet", &["receiver", "taken_at", "lost_at"]),
        (
            "last_taken",
            "no receiver has taken a notification yet",
            &["receiver", "to", "taken_at", "said"],
        ),
        (
            "unknown_addresses",
            "no address is unknown to its server",
            &["address", "runs", "said", "proposal"],
        ),
        ("decisions", "no decision yet", &["at", "kind", "subject", "text"]),
    ];
    for (part, none, headings) in parts {
        print::line("");
        let rows: Vec<Vec<String>> = facts[part]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| headings.iter().map(|heading| cell(row, heading, zone)).collect())
            .collect();
        if rows.is_empty() {
            print::line(none);
        } else {
            let headings: Vec<String> = headings.iter().map(|h| shown(h)).collect();
            if *part == "overdue" {
                print::line("OVERDUE: nothing became of these slots, and nothing says why");
            }
            print::table(&headings.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
        }
    }
    for row in facts["datasets"].as_array().into_iter().flatten() {
        remarks(row);
    }
    if let Some(said) = facts["heartbeat"]["said"].as_str() {
        let at = text(&facts["heartbeat"]["at"], zone);
        let taken = text(&facts["heartbeat"]["taken_at"], zone);
        let taken = if taken.is_empty() { "never".to_owned() } else { taken };
        print::line("");
        print::line(format!("heartbeat: {said} ({at}); last taken: {taken}"));
    }
    outbox_line(facts);
}

/// What is in the outbox, and the equation where it does not hold.
fn outbox_line(facts: &Value) {
    let counts = facts["outbox"].as_object().into_iter().flatten();
    let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {state}")).collect();
    let counts = if counts.is_empty() { "empty".to_owned() } else { counts.join(", ") };
    print::line("");
    print::line(format!("outbox: {counts}"));
    if facts["balance"]["missing"].as_i64() != Some(0) {
        let equation = facts["balance"]["equation"].as_str().unwrap_or_default();
        print::line(format!("OUTBOX DOES NOT ADD UP: {equation}"));
    }
    if facts["outbox"]["held"].as_u64().is_some_and(|held| held > 0) {
        print::line("held messages wait for you: `postrider outbox list --state held`");
    }
}

/// What is worth a line of its own about a dataset.
fn remarks(row: &Value) {
    let name = row["dataset"].as_str().unwrap_or_default();
    let (records, values) = (&row["left_out_records"], &row["left_out_values"]);
    if (records.as_u64(), values.as_u64()) != (Some(0), Some(0)) {
        let text = "records could not be read and are left out";
        print::line(format!("{name}: {records} {text}, and {values} values of others"));
    }
    let hidden: Vec<&str> =
        row["hidden"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !hidden.is_empty() {
        print::line(format!("{name}: not shown to postrider: {}", hidden.join(", ")));
    }
    if let Some(finding) = row["verified"].as_str().filter(|found| *found != "no day differed") {
        print::line(format!("{name}: {finding}"));
    }
}

/// A heading as people read it.
fn shown(key: &str) -> String {
    match key {
        "lag_seconds" => "lag".to_owned(),
        "pull_seconds" => "pull took".to_owned(),
        "requests_day" => "requests a day".to_owned(),
        "verified_at" => "verified".to_owned(),
        "taken_at" => "last proof taken".to_owned(),
        "lost_at" => "last proof lost".to_owned(),
        other => other.replace('_', " "),
    }
}

/// One fact of a row as people read it.
fn cell(row: &Value, key: &str, zone: &Zone) -> String {
    let value = &row[key];
    let loading = &row["loading"];
    if key == "ready" && !loading.is_null() {
        return match (loading["share"].as_f64(), loading["records"].as_u64()) {
            (Some(share), _) => format!("loading, {:.0} %", share * 100.0),
            (None, Some(records @ 1..)) => format!("loading, {records} records"),
            _ => "no".to_owned(),
        };
    }
    match value.as_f64().filter(|_| key.ends_with("_seconds")) {
        Some(seconds) => length(seconds),
        None => text(value, zone),
    }
}

/// A length of time in its largest unit.
fn length(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3_600.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3_600.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
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
