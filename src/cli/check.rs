//! `postrider check`: the same code as the daemon reads its config with, and with `--online` the
//! sources asked whether they agree with it.

use clap::Args;
use serde_json::json;

use self::online::Online;
use self::replay::{Replay, ReplayArguments};
use super::context::{Context, runtime};
use super::{Done, Failure, print, rules, test};
use crate::config::{self, Config, Mode};

mod online;
mod replay;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider check                    is config.toml right? reaches nothing
  postrider check --online           and do the sources agree with it?
  postrider check --replay 30d new.toml    what new.toml would have told instead of config.toml
  postrider check --replay 2w --against old.toml

With --online each source is logged in to, and each dataset that reports or rules read is compared
with what its source says of it: fields that are not shown to us, with the reports and rules that
read them, types that differ, values that a condition names and the source does not have.

Tests of reports ([[reports.NAME.test]]) and of rules ([[rules.NAME.test]]) are run.

With --replay the rules of the config in force (-c) and of the changed one go over the stored
records: notices before and after by rule and receiver, incidents that would be gained and lost.
Nothing is sent or written.

Exit code 0: the config is right. 1: a test failed, or a source disagrees or cannot be reached. 2: every mistake is
shown, with place and mend. A secret that is not set here is a remark; `run` and --online refuse it.")]
pub(super) struct Check {
    /// Log in to every source and compare its datasets with the config
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    replay: ReplayArguments,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let path = match &self.replay.new {
            Some(new) => new.clone(),
            None => context.path()?,
        };
        let mode = if self.online { Mode::Run } else { Mode::Check };
        let (config, notes) = match config::load(&path, &config::Process, mode) {
            Ok(right) => right,
            Err(problems) => {
                if self.json {
                    print::json(&json!({ "problems": problems, "notes": [] }));
                } else {
                    print::remark(problems.to_string());
                }
                return Err(Failure::Config(None));
            }
        };
        if !self.json {
            for note in &notes {
                print::remark(format!("note: {note}"));
            }
            let counts = [
                print::count(config.reports.len(), "report"),
                print::count(config.digests.len(), "digest"),
                print::count(config.rules.len(), "rule"),
                print::count(config.receivers.len(), "receiver"),
            ];
            print::line(format!("{} is right: {}", path.display(), counts.join(", ")));
        }
        let replayed = self.replayed(context, &config)?;
        let trials = rules::test::run(&config, &config.rule_tests, None)?;
        let tested = test::run(&config, None)?;
        let failed: Vec<_> = tested.iter().filter(|tested| !tested.lines.is_empty()).collect();
        if !self.json && !tested.is_empty() {
            let passed = print::count(tested.len() - failed.len(), "test");
            print::line(format!("{passed} of reports passed, {} failed", failed.len()));
            for tested in &failed {
                print::line(format!("FAILED  {} / {}", tested.report, tested.test));
                test::show(tested);
            }
        }
        let wrong: Vec<_> = trials.iter().filter(|trial| !trial.lines.is_empty()).collect();
        if !self.json && !trials.is_empty() {
            let passed = print::count(trials.len() - wrong.len(), "test");
            print::line(format!("{passed} of rules passed, {} failed", wrong.len()));
            for trial in &wrong {
                trial.show();
            }
        }
        if let Some(replayed) = replayed.as_ref().filter(|_| !self.json) {
            replayed.show();
        }
        let online = match self.online {
            true => Some(runtime()?.block_on(Online::ask(&config, |source| {
                if !self.json {
                    source.show();
                }
            }))),
            false => None,
        };
        if self.json {
            let differences = failed.iter().map(|tested| {
                json!({ "report": tested.report, "test": tested.test, "differences": tested.lines })
            });
            let mut facts = json!({
                "problems": [],
                "notes": notes,
                "tests": { "run": tested.len(), "failed": differences.collect::<Vec<_>>() },
            });
            if !trials.is_empty() {
                let failed: Vec<_> = wrong.iter().map(|trial| trial.facts()).collect();
                facts["rule_tests"] = json!({ "run": trials.len(), "failed": failed });
            }
            if let Some(replayed) = &replayed {
                facts["replay"] = replayed.facts();
            }
            if let Some(online) = &online {
                facts["online"] = online.facts();
            }
            print::json(&facts);
        }
        if !failed.is_empty() {
            let failed = print::count(failed.len(), "test");
            return Err(Failure::Failed(anyhow::anyhow!("{failed} of reports failed")));
        }
        if !wrong.is_empty() {
            let failed = print::count(wrong.len(), "test");
            return Err(Failure::Failed(anyhow::anyhow!("{failed} of rules failed")));
        }
        match online.map_or(0, |online| online.troubles()) {
            0 => Ok(()),
            count => Err(Failure::Failed(anyhow::anyhow!(
                "{} with the sources",
                print::count(count, "trouble")
            ))),
        }
    }

    /// What the config would have told beside the one in force, where that is asked for.
    fn replayed(&self, context: &Context, config: &Config) -> Result<Option<Replay>, Failure> {
        let ReplayArguments { new, replay, against } = &self.replay;
        let Some(back) = replay else { return Ok(None) };
        if new.is_none() && against.is_none() {
            return Err(Failure::Config(Some(anyhow::anyhow!(
                "which config is the changed one? Write `check --replay 30d new.toml`, or name the \
                 old one with --against"
            ))));
        }
        let in_force = Context { config: against.clone().or_else(|| context.config.clone()) };
        Ok(Some(Replay::of(&in_force.check()?, config, *back)?))
    }
}
