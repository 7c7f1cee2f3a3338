//! `postrider explain`: why a rule or an incident is as it is, who is told, who is not, and what
//! comes next.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::ledger::when;
use super::{Context, Done, Failure, print};
use crate::config;
use crate::domain::zone::Zone;
use crate::engine::explain::{ExplainError, Explanation, OfIncident, Seen};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider explain slow-answer                why does it fire, or why does it not?
  postrider explain 5d0c1f9a                   one incident, by the beginning of its id
  postrider explain slow-answer --at 3h        as far as is known, what was so three hours ago

It reads the rule again over the stored records and makes the daemon's own decision over what is
stored, for the reasons in it. Nothing is written and nobody is told; it works beside the daemon.")]
pub(super) struct Explain {
    /// A rule's name, or an incident's id or the beginning of it
    name: String,
    /// As it was: an instant (RFC 3339), or so long ago, e.g. `3h`
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let at = when(self.at.as_deref())?;
        let app = context.app()?;
        let explained = match app.engine().explain(&self.name, at) {
            Ok(explained) => explained,
            Err(ExplainError::Engine(err)) => return Err(err.into()),
            Err(err) => return Err(unknown(&err)),
        };
        let config = app.config();
        let written = config.written.table("rules", &explained.rule);
        if self.json {
            let mut value = serde_json::to_value(&explained)?;
            value["definition"] = json!(written.collect::<std::collections::BTreeMap<_, _>>());
            print::json(&value);
            return Ok(());
        }
        let zone = &config.timezone;
        let title = explained.title.as_deref().unwrap_or("not in the config");
        print::line(format!("rule {}: {title}", explained.rule));
        for (key, value) in written.filter(|(key, _)| TOLD.iter().any(|told| key.starts_with(told)))
        {
            print::line(format!("  {key:<18} {value}"));
        }
        show(&explained, zone);
        Ok(())
    }
}

/// Keys of a rule that decide whether it fires.
const TOLD: [&str; 22] = [
    "type",
    "where",
    "group_by",
    "value",
    "out_of",
    "confidence",
    "baseline",
    "judge",
    "min_",
    "new_within",
    "window",
    "every",
    "settle",
    "levels",
    "recover",
    "for",
    "keep_firing_for",
    "during",
    "clock",
    "expect",
    "warm_up",
    "depends_on",
];

fn unknown(err: &ExplainError) -> Failure {
    let help = match err {
        ExplainError::Unknown { name, names } => {
            config::suggestion(name, names.iter().map(String::as_str))
        }
        _ => None,
    };
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    Failure::Config(Some(anyhow!("{err}{help}")))
}

fn show(explained: &Explanation, zone: &Zone) {
    heading("Evaluation");
    explained.evaluation.iter().for_each(|line| print::line(format!("  {line}")));
    if !explained.readings.is_empty() {
        heading("What it sees");
        let rows: Vec<Vec<String>> =
            explained.readings.iter().map(|seen| reading(seen, zone)).collect();
        print::table(&["slot", "group", "value", "usual", "records", "means"], &rows);
    }
    if explained.incidents.is_empty() {
        heading("Incidents");
        print::line("  none");
    }
    explained.incidents.iter().for_each(|incident| of_incident(incident, zone));
    if !explained.decisions.is_empty() {
        heading("Decided");
        for decided in &explained.decisions {
            let at = print::civil(decided.at, zone);
            print::line(format!("  {at}  {:<13} {}", decided.kind, decided.text));
        }
    }
}

fn heading(text: &str) {
    print::line("");
    print::line(text);
}

fn reading(seen: &Seen, zone: &Zone) -> Vec<String> {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    vec![
        print::civil(seen.slot, zone),
        seen.group.clone(),
        number(seen.value),
        number(seen.usual),
        seen.records.map(|records| records.to_string()).unwrap_or_default(),
        seen.verdict.clone(),
    ]
}

fn of_incident(incident: &OfIncident, zone: &Zone) {
    let civil = |at: DateTime<Utc>| print::civil(at, zone);
    let group = match incident.group.is_empty() {
        true => String::new(),
        false => format!(" of {}", incident.group),
    };
    heading(&format!("Incident {}{group}: {}", incident.incident, incident.state));
    incident.why.iter().for_each(|line| print::line(format!("  {line}")));
    print::line(match &incident.route {
        Some(route) => format!("  picked by {route}"),
        None => "  no route picks it: nobody is told".to_owned(),
    });
    for of in &incident.receivers {
        let who = of.receiver.as_deref().unwrap_or("nobody");
        let word = if of.told_now { "is told now" } else { "is not told now" };
        let until = of.until.map(|at| format!(" (until {})", civil(at))).unwrap_or_default();
        print::line(match &of.receiver {
            Some(_) => format!("  {who} {word}: {}{until}", of.reason),
            None => format!("  nobody is told: {}{until}", of.reason),
        });
    }
    for told in &incident.notices {
        print::line(format!(
            "  {}  {} {}: {}",
            civil(told.at),
            told.receiver,
            told.kind,
            told.reason
        ));
        for sent in &told.deliveries {
            let at = sent.finished_at.map(|at| format!(" at {}", civil(at))).unwrap_or_default();
            let said = sent.said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            let tries = print::count(sent.attempts as usize, "attempt");
            let (to, state, id) = (&sent.to, &sent.state, sent.delivery);
            print::line(format!("    to {to}: {state}{at}, {tries}{said} (delivery {id})"));
        }
    }
    for (at, what) in &incident.next {
        print::line(format!("  next, {}: {what}", civil(*at)));
    }
}
