//! `postrider rules`: rules looked at, tested and tried over what is stored. Nothing is sent, and
//! nothing of the daemon's is written.

use std::sync::Arc;

use anyhow::anyhow;
use clap::Subcommand;

use super::context::Context;
use super::{Done, Failure};
use crate::config::Config;
use crate::domain::rule::{Kind, Rule};

mod advise;
mod backtest;
mod eval;
pub(super) mod stretch;
pub(super) mod test;

pub(super) use backtest::incident_facts as facts_of;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  postrider rules eval slow-answer               what it reads now, and what would come of it
  postrider rules test                           the tests of all rules
  postrider rules backtest slow-answer --from 30d    what it would have told
  postrider rules advise slow-answer --per-week 2    thresholds that give at most so many alerts
  postrider check --replay 30d new.toml          what a changed config would have told instead")]
pub(super) enum Rules {
    /// Run the tests that the config, or a file, has of its rules
    Test(test::Test),
    /// What a rule reads of each group, and what would come of it
    Eval(eval::Eval),
    /// What a rule would have told over stored records
    Backtest(backtest::Backtest),
    /// Thresholds and holds that give at most so many alerts a week
    Advise(advise::Advise),
}

impl Rules {
    pub(super) fn execute(&self, context: &Context) -> Done {
        match self {
            Rules::Test(test) => test.execute(context),
            Rules::Eval(eval) => eval.execute(context),
            Rules::Backtest(backtest) => backtest.execute(context),
            Rules::Advise(advise) => advise.execute(context),
        }
    }
}

/// A rule by its name.
fn named(config: &Config, name: &str) -> Result<Arc<Rule>, Failure> {
    config.rules.get(name).cloned().ok_or_else(|| {
        let names: Vec<&str> = config.rules.keys().map(String::as_str).collect();
        let there = match names.is_empty() {
            true => "the config has no rules".to_owned(),
            false => format!("there are {}", names.join(", ")),
        };
        Failure::Failed(anyhow!("no rule is called `{name}`; {there}"))
    })
}

/// Why a rule cannot be tried over the past, if it cannot.
pub(super) fn unfit(rule: &Rule) -> Option<&'static str> {
    match (rule.kind, rule.window, rule.query.date) {
        (Kind::Event, _, None) => Some("it has no `date`: nothing says when a record was new"),
        (Kind::State, None, _) => {
            Some("it has no `window` and judges the state as it is, which is not kept")
        }
        _ => None,
    }
}
