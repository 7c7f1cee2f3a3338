//! `postrider rules eval`: what a rule reads of each group, and what would come of it.

use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};

use super::super::context::{Context, clock};
use super::super::{Done, Failure, print};
use super::stretch::Instant;
use crate::app::looking::Looking;
use crate::domain::report::Format;
use crate::domain::rule::{Kind, Reading, Rule};
use crate::engine::rehearse::{Look, Looked, look};
use crate::render::Locale;
use crate::render::format::plain;
use crate::store::state::State;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider rules eval slow-answer                            at the newest complete slot
  postrider rules eval slow-answer --at \"2026-11-22 08:00\"    at another one, as records are today
  postrider rules eval slow-answer --at 2h

It reads the records that are stored and the incidents that are open, and writes nothing. A slot is
judged when its data is complete: at the end of its window and the rule's `settle`.")]
pub(in crate::cli) struct Eval {
    /// The rule
    rule: String,
    /// At the slot at or before it: an instant, or so long ago; then nothing counts as open yet
    #[arg(long, value_name = "TIME")]
    at: Option<Instant>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Eval {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let rule = super::named(&config, &self.rule)?;
        if rule.kind == Kind::Event {
            return Err(Failure::Failed(anyhow!(
                "`{}` is an event rule: it tells each record once and has no readings",
                rule.name
            )));
        }
        let clock = clock();
        let looking = Looking::open(&config, &config.state, &clock)?;
        let at = self.at.map(|at| at.in_zone(&rule.zone, clock.now()));
        if at.is_some() && rule.window.is_none() {
            return Err(Failure::Failed(anyhow!(
                "`{}` cannot be looked at in the past: {}",
                rule.name,
                super::unfit(&rule).unwrap_or_default()
            )));
        }
        let state = match at {
            None if config.state.join("state.db").is_file() => Some(State::open(&config.state)?),
            _ => None,
        };
        let looked = look(&looking.plant, &looking.store, state.as_ref(), &rule, at)?;
        let shown = Shown { rule: &rule, locale: Locale::named(&config.locale), look: &looked };
        match self.json {
            true => print::json(&shown.facts()),
            false => shown.print()?,
        }
        Ok(())
    }
}

struct Shown<'a> {
    rule: &'a Arc<Rule>,
    locale: Locale,
    look: &'a Look,
}

impl Shown<'_> {
    fn print(&self) -> Result<(), Failure> {
        let (rule, zone) = (self.rule, &self.rule.zone);
        let Some(complete_to) = self.look.complete_to else {
            return Err(Failure::Failed(anyhow!(
                "`{}` reads datasets that are not loaded yet: run the daemon or `postrider pull`",
                rule.name
            )));
        };
        print::line(format!("{}: {}", rule.name, rule.title));
        let Some(slot) = self.look.slot else {
            print::line(format!(
                "nothing is judged: the newest slot (data complete to {}) is outside its hours",
                print::civil(complete_to, zone)
            ));
            return Ok(());
        };
        let window = match slot.window {
            Some(window) => {
                let (from, to) = (print::civil(window.from, zone), print::civil(window.to, zone));
                format!("from {from} to {to}")
            }
            None => format!("as it is at {}", print::civil(slot.at, zone)),
        };
        let complete_to = print::civil(complete_to, zone);
        print::line(format!("{window} ({}), data complete to {complete_to}", zone.name()));
        let levels: Vec<String> =
            rule.levels.iter().map(|level| format!("{} {}", level.name, level.breach)).collect();
        print::line(format!("levels: {}\n", levels.join(", ")));
        if self.look.groups.is_empty() {
            print::line("no records in that window, and no open incident");
            return Ok(());
        }
        let rows: Vec<Vec<String>> = self.look.groups.iter().map(|seen| self.row(seen)).collect();
        print::table(&["group", "value", "records", "usual", "level", "now", "then"], &rows);
        if self.look.left_out > 0 {
            print::line(format!(
                "{} more groups in breach are beyond `max_groups`",
                self.look.left_out
            ));
        }
        print::line("");
        for (receiver, kind, reason) in &self.look.notices {
            print::line(format!("`{receiver}` would be told: {}: {reason}", kind.word()));
        }
        if self.look.notices.is_empty() {
            print::line("nobody would be told anything");
        }
        Ok(())
    }

    fn row(&self, looked: &Looked) -> Vec<String> {
        let seen = &looked.seen;
        let name = seen.group.name();
        vec![
            if name.is_empty() { "(all)".to_owned() } else { name },
            self.reading(looked),
            seen.records.map_or_else(String::new, |records| records.to_string()),
            seen.usual.map_or_else(String::new, |x| self.value(x, self.rule.format_measured)),
            level(self.rule, looked).unwrap_or("").to_owned(),
            looked.before.as_ref().map_or("", |incident| incident.state.word()).to_owned(),
            would(looked),
        ]
    }

    fn value(&self, value: f64, format: Format) -> String {
        plain(&self.locale.number(value, format))
    }

    fn reading(&self, looked: &Looked) -> String {
        match (looked.seen.reading, looked.seen.measured) {
            (Reading::Value(value), None) => self.value(value, self.rule.format),
            (Reading::Value(value), Some(measured)) => {
                let measured = self.value(measured, self.rule.format_measured);
                format!("{} ({measured})", self.value(value, self.rule.format))
            }
            (Reading::Empty, _) => "empty".to_owned(),
            (Reading::Gone, _) => "gone".to_owned(),
            (Reading::Unknown, _) => "unknown".to_owned(),
        }
    }

    fn facts(&self) -> Value {
        let groups = self.look.groups.iter().map(|looked| {
            let value = match looked.seen.reading {
                Reading::Value(value) => Some(value),
                _ => None,
            };
            json!({
                "group": looked.seen.group.shown.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                "reading": looked.seen.reading,
                "value": value,
                "measured": looked.seen.measured,
                "usual": looked.seen.usual,
                "records": looked.seen.records,
                "level": level(self.rule, looked),
                "now": looked.before.as_ref().map(|incident| incident.state.word()),
                "transition": looked.step.transition.as_ref().map(|t| t.word()),
                "why": looked.step.why,
            })
        });
        let notices = self.look.notices.iter().map(|(receiver, kind, reason)| {
            json!({ "receiver": receiver, "kind": kind.word(), "reason": reason })
        });
        json!({
            "rule": self.rule.name,
            "slot": self.look.slot.map(|slot| print::stamp(slot.at)),
            "complete_to": self.look.complete_to.map(print::stamp),
            "groups": groups.collect::<Vec<_>>(),
            "left_out": self.look.left_out,
            "notices": notices.collect::<Vec<_>>(),
        })
    }
}

/// The name of the level its value reaches.
fn level<'r>(rule: &'r Rule, looked: &Looked) -> Option<&'r str> {
    Some(rule.levels.get(looked.level?)?.name.as_str())
}

/// What the reading would do.
fn would(looked: &Looked) -> String {
    match &looked.step.transition {
        Some(transition) => format!("{}: {}", transition.word(), looked.step.why),
        None if looked.step.why.is_empty() => "nothing".to_owned(),
        None => format!("nothing: {}", looked.step.why),
    }
}
