//! `postrider replay`: the mails of a run made again and compared, or its figures asked of the
//! records again. Sends nothing.

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::context::{Context, runtime};
use super::{Done, print, runs};
use crate::app::App;
use crate::engine::archive::replay::{Recounted, Replayed, Verdict, shown};
use crate::store::state::slots::Run;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  postrider replay morning-20261123T070000Z             the same bytes, made again?
  postrider replay morning-20261123T070000Z --records   do the records still say so?

Exit codes: 0 the same, 1 not the same.")]
pub(super) struct Replay {
    /// The run, from `runs`
    run: String,
    /// Ask the records as they are now, and show the figures that differ
    #[arg(long)]
    records: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Figures shown at most.
const SHOWN_MAX: usize = 200;

impl Replay {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let app = context.app()?;
        let run = runs::find(&app.engine().store().state, &self.run)?;
        match self.records {
            true => self.records(&app, &run),
            false => self.bytes(&app, &run),
        }
    }

    fn bytes(&self, app: &App, run: &Run) -> Done {
        let replayed = app.engine().replay(run)?;
        let same = replayed.iter().filter(|one| one.verdict == Verdict::Same).count();
        if self.json {
            print::json(&json!({
                "run": run.id,
                "same": same == replayed.len(),
                "messages": replayed.iter().map(as_json).collect::<Vec<_>>(),
            }));
        } else {
            for one in &replayed {
                print::line(in_words(one));
            }
        }
        if replayed.is_empty() {
            return Err(anyhow!("run `{}` has no messages that are kept", run.id).into());
        }
        if same < replayed.len() {
            let not = replayed.len() - same;
            return Err(anyhow!("{not} of {} messages are not the same", replayed.len()).into());
        }
        Ok(())
    }

    fn records(&self, app: &App, run: &Run) -> Done {
        let recounted = runtime()?.block_on(app.engine().recount(run))?;
        if self.json {
            print::json(&json!({
                "run": run.id,
                "compared": recounted.compared,
                "left_out": recounted.left_out,
                "changed": recounted.changed.iter().map(|one| json!({
                    "report": one.report, "row": one.row, "column": one.column,
                    "told": shown(&one.told), "now": shown(&one.now),
                })).collect::<Vec<_>>(),
            }));
        } else {
            figures(&recounted);
        }
        match recounted.changed.len() {
            0 => Ok(()),
            n => Err(anyhow!("{n} of {} figures are others now", recounted.compared).into()),
        }
    }
}

fn figures(recounted: &Recounted) {
    for line in &recounted.left_out {
        print::line(line);
    }
    let rows: Vec<Vec<String>> = recounted
        .changed
        .iter()
        .take(SHOWN_MAX)
        .map(|one| {
            let (told, now) = (shown(&one.told), shown(&one.now));
            vec![one.report.clone(), one.row.clone(), one.column.clone(), told, now]
        })
        .collect();
    if rows.is_empty() {
        print::line(format!(
            "{}, all as they were told",
            print::count(recounted.compared, "figure")
        ));
        return;
    }
    print::table(&["report", "row", "figure", "told", "now"], &rows);
    if let beyond @ 1.. = recounted.changed.len().saturating_sub(SHOWN_MAX) {
        print::line(format!("and {beyond} more"));
    }
}

fn in_words(one: &Replayed) -> String {
    match &one.verdict {
        Verdict::Same => format!("{}: the same, byte for byte", one.recipient),
        Verdict::Impossible(why) => format!("{}: cannot be made again: {why}", one.recipient),
        Verdict::Different(place) => format!(
            "{}: differs in {}, line {}, column {}\n  sent  {}\n  made  {}",
            one.recipient, place.part, place.line, place.column, place.sent, place.made
        ),
    }
}

fn as_json(one: &Replayed) -> serde_json::Value {
    match &one.verdict {
        Verdict::Same => json!({ "to": one.recipient, "verdict": "same" }),
        Verdict::Impossible(why) => {
            json!({ "to": one.recipient, "verdict": "impossible", "reason": why })
        }
        Verdict::Different(place) => json!({
            "to": one.recipient, "verdict": "different", "part": place.part, "line": place.line,
            "column": place.column, "sent": place.sent, "made": place.made,
        }),
    }
}
