//! `postrider rules test`: the tests that the config, or a file beside it, has of its rules.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::super::context::Context;
use super::super::{Done, Failure, print};
use crate::app::rule_tests;
use crate::config::{self, Config};
use crate::domain::rule::trial::RuleTest;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider rules test                       the tests of all rules of the config
  postrider rules test slow-answer           those of one rule
  postrider rules test trials.toml           those of a file, for the rules of the config

A test stands below its rule. It is given readings, one a slot:

  [[rules.slow-answer.test]]
  name      = \"fires after ten minutes\"
  from      = \"2026-11-23 09:00\"
  series    = { \"Web\" = \"100x2 400x4 gone\" }
  incidents = [ { group = [\"Web\"], fired = \"09:20\", level = \"warning\" } ]
  notices   = [ { at = \"09:22\", to = \"ops-mail\", kind = \"fired\" } ]

or records, some of them late:

  from       = \"2026-11-23 09:00\"
  to         = \"10:30\"
  records    = { MessagingSession = [ { Status = \"Ended\", EndTime = \"2026-11-23T08:01:00Z\" } ] }
  records_at = { \"09:40\" = { MessagingSession = [ { ... } ] } }

Times are of the rule's zone; one without a date is of the day of `from`. What is not listed must
not come: `incidents = []` says that it stays quiet. An incident without `resolved` is still open at
the end. `check` runs the tests of the config too. More: docs/rule-tests.md.

Exit code 0: all passed. 1: one did not. 2: the config or the file is wrong.")]
pub(in crate::cli) struct Test {
    /// A file of tests (TOML), or a rule
    #[arg(value_name = "FILE or RULE")]
    first: Option<String>,
    /// The tests of this rule alone
    rule: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Test {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let (file, rule) = self.meant(&config)?;
        if let Some(rule) = &rule {
            super::named(&config, rule)?;
        }
        let tests = match &file {
            None => config.rule_tests.clone(),
            Some(path) => match config::rule_tests(path, &config, &config::Process) {
                Ok(tests) => tests,
                Err(problems) => {
                    print::remark(problems.to_string());
                    return Err(Failure::Config(None));
                }
            },
        };
        let tested = run(&config, &tests, rule.as_deref())?;
        if self.json {
            print::json(&tested.iter().map(Tested::facts).collect());
        } else {
            for tested in &tested {
                tested.show();
            }
        }
        match tested.iter().filter(|tested| !tested.lines.is_empty()).count() {
            0 if tested.is_empty() => {
                print::remark("no rule has a test; see `postrider rules test --help`");
                Ok(())
            }
            0 => Ok(()),
            failed => Err(Failure::Failed(anyhow!(
                "{failed} of {} failed",
                print::count(tested.len(), "test")
            ))),
        }
    }

    /// The file and the rule that are meant.
    fn meant(&self, config: &Config) -> Result<(Option<PathBuf>, Option<String>), Failure> {
        let Some(first) = &self.first else { return Ok((None, None)) };
        let path = PathBuf::from(first);
        match (&self.rule, config.rules.contains_key(first)) {
            (Some(rule), _) => Ok((Some(path), Some(rule.clone()))),
            (None, true) => Ok((None, Some(first.clone()))),
            (None, false) if path.exists() => Ok((Some(path), None)),
            (None, false) if first.ends_with(".toml") => {
                Err(Failure::Failed(anyhow!("there is no file `{first}`")))
            }
            (None, false) => super::named(config, first).map(|_| (None, None)),
        }
    }
}

/// A test that was run.
pub(in crate::cli) struct Tested {
    test: Arc<RuleTest>,
    /// What differs; none: it passed.
    pub(in crate::cli) lines: Vec<String>,
}

/// Runs tests of rules, those of one rule or all.
pub(in crate::cli) fn run(
    config: &Config,
    tests: &BTreeMap<String, Vec<Arc<RuleTest>>>,
    rule: Option<&str>,
) -> Result<Vec<Tested>, Failure> {
    let mut tested = Vec::new();
    let wanted = tests.iter().filter(|(name, _)| rule.is_none_or(|rule| rule == *name));
    for test in wanted.flat_map(|(_, tests)| tests) {
        let rule = super::named(config, &test.rule)?;
        let lines = rule_tests::run(config, &rule, test)?;
        tested.push(Tested { test: Arc::clone(test), lines });
    }
    Ok(tested)
}

impl Tested {
    /// Its name, and what differs below.
    pub(in crate::cli) fn show(&self) {
        let word = if self.lines.is_empty() { "passed" } else { "FAILED" };
        print::line(format!("{word}  {} / {}", self.test.rule, self.test.name));
        if !self.lines.is_empty() {
            print::line(format!("        {}", self.test.place));
        }
        for line in &self.lines {
            print::line(format!("          {line}"));
        }
    }

    /// For machines.
    pub(in crate::cli) fn facts(&self) -> serde_json::Value {
        json!({
            "rule": self.test.rule,
            "test": self.test.name,
            "place": self.test.place,
            "passed": self.lines.is_empty(),
            "differences": self.lines,
        })
    }
}
