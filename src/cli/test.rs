//! `postrider test`: the tests that the config has of its reports.

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::context::{Context, runtime};
use super::{Done, Failure, print};
use crate::app::report_tests;
use crate::config::Config;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider test                     all tests of all reports
  postrider test sessions-by-day     those of one report

A test stands below its report:

  [[reports.sessions-by-day.test]]
  name    = \"two days\"
  at      = \"2026-11-23T08:00:00Z\"
  records = { MessagingSession = [
    { Status = \"Ended\", StartTime = \"2026-11-21T10:00:00Z\" },
    { Status = \"Ended\", StartTime = \"2026-11-22T10:00:00Z\" },
  ] }
  rows    = [[\"Sat 21 Nov 2026\", 1], [\"Sun 22 Nov 2026\", 1]]
  total   = [\"\", 2]

A number is compared as a number, a text with what the mail writes; \"\" is an empty cell. Fields
that are not named are null, keys are made. `check` runs the tests too.

Exit code 0: all passed. 1: one did not. 2: the config is wrong.")]
pub(super) struct Test {
    /// The tests of this report alone
    report: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Test {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        if let Some(name) = &self.report
            && !config.reports.contains_key(name)
        {
            let names: Vec<&str> = config.reports.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return Err(Failure::Failed(anyhow!(
                "no report is called `{name}`; there are {names}"
            )));
        }
        let tested = run(&config, self.report.as_deref())?;
        if self.json {
            let facts = tested.iter().map(|tested| {
                json!({
                    "report": tested.report,
                    "test": tested.test,
                    "place": tested.place,
                    "passed": tested.lines.is_empty(),
                    "differences": tested.lines,
                })
            });
            print::json(&facts.collect());
        } else {
            for tested in &tested {
                let word = if tested.lines.is_empty() { "passed" } else { "FAILED" };
                print::line(format!("{word}  {} / {}", tested.report, tested.test));
                show(tested);
            }
        }
        match tested.iter().filter(|tested| !tested.lines.is_empty()).count() {
            0 if tested.is_empty() => {
                print::remark("no report has a test; see `postrider test --help`");
                Ok(())
            }
            0 => Ok(()),
            failed => Err(Failure::Failed(anyhow!(
                "{failed} of {} failed",
                print::count(tested.len(), "test")
            ))),
        }
    }
}

/// A test that was run.
pub(super) struct Tested {
    pub(super) report: String,
    pub(super) test: String,
    pub(super) place: String,
    /// What differs; none: it passed.
    pub(super) lines: Vec<String>,
}

/// Runs the tests of one report, or of all.
pub(super) fn run(config: &Config, report: Option<&str>) -> Result<Vec<Tested>, Failure> {
    let wanted =
        config.reports.values().filter(|known| report.is_none_or(|name| known.name == name));
    let each = wanted.flat_map(|report| report.tests.iter().map(move |test| (report, test)));
    let each: Vec<_> = each.collect();
    if each.is_empty() {
        return Ok(Vec::new());
    }
    runtime()?.block_on(async {
        let mut tested = Vec::new();
        for (report, test) in each {
            let lines = report_tests::run(config, report, test).await?;
            let (report, name, place) =
                (report.name.clone(), test.name.clone(), test.place.clone());
            tested.push(Tested { report, test: name, place, lines });
        }
        Ok(tested)
    })
}

/// What differs, below the test's name.
pub(super) fn show(tested: &Tested) {
    for line in &tested.lines {
        print::line(format!("        {line} ({})", tested.place));
    }
}
