//! Health as Prometheus reads it: text exposition, version 0.0.4.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{Health, load_share};
use crate::store::records::DatasetState;

/// One family of samples after the other, each with its help and type.
struct Writer {
    text: String,
}

impl Writer {
    /// Begins a family; samples follow.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let begin = if at == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{begin}{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// A label's value: backslash, quote and line feed are what the format escapes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// One family about datasets: name, type, help, and what of a dataset, if it has it.
type Family = (&'static str, &'static str, &'static str, fn(&Health, &DatasetState) -> Option<f64>);

const DATASETS: &[Family] = &[
    ("ready", "gauge", "Whether the dataset has been loaded once.", |_, state| {
        Some(f64::from(u8::from(state.ready)))
    }),
    ("load_ratio", "gauge", "How far a load under way is, where it can be known.", |_, state| {
        load_share(state)
    }),
    (
        "watermark_timestamp_seconds",
        "gauge",
        "The records are complete up to this time.",
        |_, state| Some(state.watermark?.timestamp_millis() as f64 / 1000.0),
    ),
    ("lag_seconds", "gauge", "How far the watermark is behind.", |health, state| {
        Some(health.lag(state)?.as_seconds_f64())
    }),
    ("records", "gauge", "Records that exist.", |_, state| Some(state.records as f64)),
    ("pull_duration_seconds", "gauge", "How long the last complete pull took.", |_, state| {
        Some(state.took?.as_seconds_f64())
    }),
    ("pull_requests_total", "counter", "Requests of all complete pulls.", |_, state| {
        Some(state.requests as f64)
    }),
    ("pull_failures_total", "counter", "Pulls that failed.", |_, state| {
        Some(state.failures as f64)
    }),
    ("failing", "gauge", "Whether the last pull failed.", |_, state| {
        Some(f64::from(u8::from(state.failure.is_some())))
    }),
    (
        "left_out",
        "gauge",
        "Records and values that could not be read since the last load.",
        |_, state| Some((state.lost_records + state.lost_values) as f64),
    ),
    (
        "verified_timestamp_seconds",
        "gauge",
        "When the records were last held against the source.",
        |_, state| Some(state.verified.as_ref()?.0.timestamp_millis() as f64 / 1000.0),
    ),
];

/// Writes it all.
pub fn exposition(health: &Health) -> String {
    let mut out = Writer { text: String::new() };
    out.family("postrider_up", "gauge", "Whether the daemon runs.");
    out.sample("postrider_up", &[], f64::from(u8::from(health.running)));
    out.family("postrider_build_info", "gauge", "The version in a label; the value is 1.");
    out.sample("postrider_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let writable = health.trouble.is_none();
    out.family("postrider_state_writable", "gauge", "Whether the state can be written.");
    out.sample("postrider_state_writable", &[], f64::from(u8::from(writable)));
    let help = "Bytes free on the disk of the state.";
    out.family("postrider_state_disk_free_bytes", "gauge", help);
    if let Some(free) = health.disk_free {
        out.sample("postrider_state_disk_free_bytes", &[], free as f64);
    }
    for (name, kind, help, of) in DATASETS {
        let name = format!("postrider_dataset_{name}");
        out.family(&name, kind, help);
        for (source, state) in &health.datasets {
            if let Some(value) = of(health, state) {
                out.sample(&name, &[("source", source), ("dataset", &state.dataset)], value);
            }
        }
    }
    sources(&mut out, health);
    outbox(&mut out, health);
    receivers(&mut out, health);
    out.family("postrider_incidents_open", "gauge", "Open incidents by level.");
    for (level, count) in &health.incidents {
        out.sample("postrider_incidents_open", &[("level", level)], *count as f64);
    }
    out.text
}

/// States that are told also where nothing is in them: what is asked for must not be missing.
const STATES: [&str; 7] =
    ["pending", "sending", "held", "delivered", "rejected", "expired", "cancelled"];

fn outbox(out: &mut Writer, health: &Health) {
    let balance = &health.outbox;
    out.family("postrider_outbox_deliveries", "gauge", "Deliveries in the outbox by state.");
    for state in STATES {
        let count = balance.states.iter().find(|(is, _)| is == state).map_or(0, |(_, n)| *n);
        out.sample("postrider_outbox_deliveries", &[("state", state)], count as f64);
    }
    out.family("postrider_outbox_owed_total", "counter", "Deliveries that were ever owed.");
    out.sample("postrider_outbox_owed_total", &[], balance.owed as f64);
    let help = "Deliveries past their retention by the state in which they ended.";
    out.family("postrider_outbox_forgotten_total", "counter", help);
    for (state, count) in &balance.forgotten {
        out.sample("postrider_outbox_forgotten_total", &[("state", state)], *count as f64);
    }
    out.family("postrider_outbox_missing", "gauge", "Deliveries owed and nowhere: 0 is right.");
    out.sample("postrider_outbox_missing", &[], balance.missing() as f64);
    out.family("postrider_outbox_panics_total", "counter", "Rounds of deliveries that broke down.");
    out.sample("postrider_outbox_panics_total", &[], health.panics as f64);
}

fn receivers(out: &mut Writer, health: &Health) {
    let seconds = |at: DateTime<Utc>| at.timestamp_millis() as f64 / 1000.0;
    out.family(
        "postrider_receiver_taken_timestamp_seconds",
        "gauge",
        "When it last took a message.",
    );
    for one in &health.endpoints {
        if let Some(at) = one.fares.taken_at {
            let labels = [("receiver", one.receiver.as_str())];
            out.sample("postrider_receiver_taken_timestamp_seconds", &labels, seconds(at));
        }
    }
    out.family("postrider_receiver_failures", "gauge", "Failed attempts since it last took one.");
    for one in &health.endpoints {
        let labels = [("receiver", one.receiver.as_str())];
        out.sample("postrider_receiver_failures", &labels, f64::from(one.fares.failures));
    }
    out.family("postrider_receiver_disabled", "gauge", "Whether it gets nothing until enabled.");
    for one in &health.endpoints {
        let labels = [("receiver", one.receiver.as_str())];
        let disabled = f64::from(u8::from(one.disabled.is_some()));
        out.sample("postrider_receiver_disabled", &labels, disabled);
    }
}

fn sources(out: &mut Writer, health: &Health) {
    let quotas = || health.sources.iter().filter_map(|(name, known)| Some((name, known.quota?)));
    out.family("postrider_source_quota_used", "gauge", "Requests of everybody, as last told.");
    for (source, quota) in quotas() {
        out.sample("postrider_source_quota_used", &[("source", source)], quota.used as f64);
    }
    out.family("postrider_source_quota_allowed", "gauge", "Requests allowed a day.");
    for (source, quota) in quotas() {
        out.sample("postrider_source_quota_allowed", &[("source", source)], quota.allowed as f64);
    }
    out.family("postrider_source_quota_spent", "gauge", "Our own requests of the last day.");
    for (source, known) in &health.sources {
        let spent = known.spent.total(health.at) as f64;
        out.sample("postrider_source_quota_spent", &[("source", source)], spent);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::delivery::Balance;
    use crate::domain::delivery::health::Fares;
    use crate::domain::quota::{Quota, Spent};
    use crate::store::records::SourceSpent;
    use crate::store::state::outbox::Endpoint;

    #[test]
    fn labels_are_escaped_and_families_are_told_once() {
        let at: chrono::DateTime<chrono::Utc> = "2026-11-23T07:30:00Z".parse().unwrap();
        let mut spent = Spent::default();
        spent.add(at, 7);
        let quota = Some(Quota { used: 40, allowed: 100 });
        let odd = "a\"b\\c\nd";
        let health = Health {
            at,
            running: true,
            datasets: Vec::new(),
            sources: BTreeMap::from([(odd.to_owned(), SourceSpent { spent, quota })]),
            outbox: Balance {
                owed: 5,
                states: vec![("pending".to_owned(), 3)],
                forgotten: vec![("expired".to_owned(), 1)],
            },
            panics: 2,
            endpoints: vec![Endpoint {
                receiver: "hook".to_owned(),
                fares: Fares { taken_at: Some(at), failures: 4, ..Fares::default() },
                said: None,
                disabled: Some((at, "410".to_owned())),
            }],
            incidents: BTreeMap::from([("critical".to_owned(), 1)]),
            trouble: Some("the disk is full".to_owned()),
            disk_free: Some(4096),
        };
        let text = exposition(&health);
        for line in [
            "postrider_up 1",
            "postrider_state_writable 0",
            "postrider_state_disk_free_bytes 4096",
            "postrider_source_quota_used{source=\"a\\\"b\\\\c\\nd\"} 40",
            "postrider_source_quota_allowed{source=\"a\\\"b\\\\c\\nd\"} 100",
            "postrider_source_quota_spent{source=\"a\\\"b\\\\c\\nd\"} 7",
            "postrider_outbox_deliveries{state=\"pending\"} 3",
            "postrider_outbox_deliveries{state=\"held\"} 0",
            "postrider_outbox_owed_total 5",
            "postrider_outbox_forgotten_total{state=\"expired\"} 1",
            "postrider_outbox_missing 1",
            "postrider_outbox_panics_total 2",
            "postrider_receiver_taken_timestamp_seconds{receiver=\"hook\"} 1795419000",
            "postrider_receiver_failures{receiver=\"hook\"} 4",
            "postrider_receiver_disabled{receiver=\"hook\"} 1",
            "postrider_incidents_open{level=\"critical\"} 1",
            "# TYPE postrider_dataset_pull_failures_total counter",
        ] {
            assert_eq!(text.lines().filter(|known| *known == line).count(), 1, "{line}\n{text}");
        }
    }
}
