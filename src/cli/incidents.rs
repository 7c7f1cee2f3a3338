//! `postrider incidents`: those that are open and those that were.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};

use super::context::clock;
use super::ledger::when;
use super::{Context, Done, print};
use crate::config;
use crate::domain::incident::words;
use crate::domain::zone::Zone;
use crate::store::state::State;
use crate::store::state::history::{self, Past, Wanted};

/// Ended ones are shown so far back where nothing is said.
const LATELY: TimeDelta = TimeDelta::days(7);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider incidents                       open ones, and those that ended within a week
  postrider incidents --open
  postrider incidents --rule slow-answer --since 30d
  postrider explain 5d0c1f9a                all about one of them")]
pub(super) struct Incidents {
    /// Only those that are open
    #[arg(long)]
    open: bool,
    /// Also those that ended since: an instant (RFC 3339), or so long ago. Default: 7 days
    #[arg(long, value_name = "WHEN", conflicts_with = "open")]
    since: Option<String>,
    /// Only those of this rule
    #[arg(long)]
    rule: Option<String>,
    /// How many, those that began last
    #[arg(long, default_value_t = 200)]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Incidents {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        let now = clock().now();
        let wanted = Wanted {
            rule: self.rule.clone(),
            open: self.open,
            since: Some(when(self.since.as_deref())?.unwrap_or(now - LATELY)),
            limit: self.limit,
        };
        let found = state.read(|tx| history::incidents(tx, &wanted))?;
        if let Some(rule) = self.rule.as_ref().filter(|rule| !config.rules.contains_key(*rule))
            && found.is_empty()
        {
            let names = config.rules.keys().map(String::as_str);
            let help = config::suggestion(rule, names).unwrap_or_default();
            print::remark(format!("no rule `{rule}`; {help}"));
        }
        if self.json {
            print::json(&found.iter().map(|past| as_json(past, now)).collect());
            return Ok(());
        }
        let rows: Vec<Vec<String>> =
            found.iter().map(|past| row(past, now, &config.timezone)).collect();
        match rows.is_empty() {
            true if self.open => print::line("no incident is open"),
            true => print::line("no incident is open, and none has ended since"),
            false => print::table(
                &["id", "rule", "group", "state", "level", "began", "lasted", "told", "end"],
                &rows,
            ),
        }
        Ok(())
    }
}

fn row(past: &Past, now: DateTime<Utc>, zone: &Zone) -> Vec<String> {
    let incident = &past.incident;
    vec![
        incident.id.clone(),
        incident.rule.clone(),
        incident.group.name(),
        incident.state.word().to_owned(),
        incident.level.name.clone(),
        print::civil(incident.began, zone),
        words(incident.duration(now)),
        past.notices.to_string(),
        incident.resolved.map(|end| end.reason.words().to_owned()).unwrap_or_default(),
    ]
}

/// One incident for machines.
pub(super) fn as_json(past: &Past, now: DateTime<Utc>) -> Value {
    let incident = &past.incident;
    json!({
        "incident": incident.id,
        "rule": incident.rule,
        "group": incident.group.shown.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "state": incident.state.word(),
        "level": incident.level.name,
        "peak": incident.peak.name,
        "value": incident.value,
        "worst": incident.worst,
        "began": print::stamp(incident.began),
        "fired": incident.fired_at.map(print::stamp),
        "resolved": incident.resolved.map(|end| print::stamp(end.at)),
        "reason": incident.resolved.map(|end| end.reason.words()),
        "seconds": incident.duration(now).num_seconds(),
        "notices": past.notices,
    })
}
