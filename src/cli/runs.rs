//! `postrider runs`: what was made, and what became of it with each recipient. All of it is read
//! from rows; nothing is a flag that somebody set.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Done, print};
use crate::config::Config;
use crate::store::state::outbox::{self, Delivery};
use crate::store::state::slots::{self, Claimed, Run};
use crate::store::state::{State, StateError, archive, suppression};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  postrider runs
  postrider runs morning --limit 5
  postrider runs show morning-20261123T070000Z"
)]
pub(super) struct Runs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    /// Only those of this digest
    digest: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// One run: its slot, its definition, and each recipient with what the server said
    Show(Show),
}

#[derive(Debug, Args)]
struct Show {
    /// The run, from `runs`
    run: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Runs {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let state = State::open(&config.state)?;
        match &self.command {
            Some(RunsCommand::Show(show)) => show.execute(&state, &config),
            None => self.list(&state, &config),
        }
    }

    fn list(&self, state: &State, config: &Config) -> Done {
        let (runs, skipped) = state.read(|tx| {
            let mut runs = Vec::new();
            for run in slots::runs(tx, self.digest.as_deref(), self.limit)? {
                let counts = outbox::counts_of_run(tx, &run.id)?;
                let withheld = suppression::withheld(tx, &run.id)?;
                runs.push((run, counts, withheld));
            }
            Ok((runs, slots::skipped(tx, self.digest.as_deref(), self.limit)?))
        })?;
        if self.json {
            let runs = runs.iter().map(|(run, counts, withheld)| {
                let mut value = as_json(run);
                value["deliveries"] = counts.iter().cloned().collect();
                value["suppressed"] = withheld.len().into();
                value
            });
            let skipped = skipped.iter().map(|slot| {
                json!({
                    "digest": slot.digest,
                    "planned_at": print::stamp(slot.planned_at),
                    "reason": slot.skipped,
                })
            });
            print::json(&json!({
                "runs": runs.collect::<Vec<_>>(),
                "skipped": skipped.collect::<Vec<_>>(),
            }));
            return Ok(());
        }
        let zone = &config.timezone;
        let mut rows: Vec<(chrono::DateTime<chrono::Utc>, Vec<String>)> = Vec::new();
        // A slot that was skipped stands among the runs, as far back as they go.
        let oldest = runs.iter().map(|(run, ..)| run.planned_at).min();
        let within = |slot: &&Claimed| {
            runs.len() < self.limit || oldest.is_none_or(|oldest| oldest <= slot.planned_at)
        };
        for (run, counts, withheld) in &runs {
            let outcome = outcome(run, counts, withheld.len());
            let cells = vec![
                run.id.clone(),
                print::civil(run.planned_at, zone),
                print::civil(run.made_at, zone),
                run.trigger.clone(),
                outcome,
                run.subject.clone(),
            ];
            rows.push((run.planned_at, cells));
        }
        for slot in skipped.iter().filter(within) {
            let reason = slot.skipped.as_deref().unwrap_or_default();
            let cells = vec![
                format!("({})", slot.digest),
                print::civil(slot.planned_at, zone),
                String::new(),
                String::new(),
                format!("skipped: {reason}"),
                String::new(),
            ];
            rows.push((slot.planned_at, cells));
        }
        rows.sort_by_key(|(planned_at, _)| std::cmp::Reverse(*planned_at));
        rows.truncate(self.limit);
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, cells)| cells).collect();
        print::table(&["run", "slot", "made", "trigger", "outcome", "subject"], &rows);
        Ok(())
    }
}

/// A run by its id, or the ids there are.
pub(super) fn find(state: &State, id: &str) -> anyhow::Result<Run> {
    let (run, newest) = state.read(|tx| Ok((slots::run(tx, id)?, slots::runs(tx, None, 3)?)))?;
    run.ok_or_else(|| {
        let newest: Vec<&str> = newest.iter().map(|run| run.id.as_str()).collect();
        match newest.as_slice() {
            [] => anyhow!("no run is called `{id}`; there are none yet"),
            newest => anyhow!("no run is called `{id}`; the newest are {}", newest.join(", ")),
        }
    })
}

/// What became of a run, from its messages.
fn outcome(run: &Run, counts: &[(String, u64)], suppressed: usize) -> String {
    let mut parts: Vec<String> =
        counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if suppressed > 0 {
        parts.push(format!("{suppressed} suppressed"));
    }
    let made = match run.outcome.as_str() {
        "made" => None,
        other => Some(other.to_owned()),
    };
    let said = run.detail.iter().filter(|_| counts.is_empty()).cloned();
    let all: Vec<String> = made.into_iter().chain(said).chain(parts).collect();
    if all.is_empty() { "made for nobody".to_owned() } else { all.join(", ") }
}

impl Show {
    fn execute(&self, state: &State, config: &Config) -> Done {
        let run = find(state, &self.run)?;
        let told = state.read(|tx| Told::read(tx, &run))?;
        let today =
            config.digests.get(&run.digest).map(|digest| digest.hash == run.definition_hash);
        if self.json {
            print::json(&told.as_json(&run, today));
        } else {
            told.print(&run, today, config);
        }
        Ok(())
    }
}

/// What is known of a run beside its row.
struct Told {
    deliveries: Vec<(Delivery, u32)>,
    withheld: Vec<(String, String)>,
    kept: Vec<archive::Snapshot>,
}

impl Told {
    fn read(tx: &rusqlite::Transaction<'_>, run: &Run) -> Result<Told, StateError> {
        let mut deliveries = Vec::new();
        for delivery in outbox::of_run(tx, &run.id)? {
            let tries = outbox::tries(tx, delivery.id)?;
            deliveries.push((delivery, tries));
        }
        let mut kept = Vec::new();
        for part in archive::parts(tx, &run.id)? {
            kept.extend(archive::find(tx, &run.id, &part)?);
        }
        Ok(Told { deliveries, withheld: suppression::withheld(tx, &run.id)?, kept })
    }

    fn as_json(&self, run: &Run, today: Option<bool>) -> Value {
        let mut value = as_json(run);
        value["definition_is_todays"] = json!(today);
        value["recipients"] = self
            .deliveries
            .iter()
            .map(|(row, tries)| {
                json!({
                    "to": row.recipient,
                    "delivery": row.id,
                    "message_id": row.message_id,
                    "state": row.state,
                    "attempts": tries,
                    "next_attempt_at": row.next_attempt_at.map(print::stamp),
                    "finished_at": row.finished_at.map(print::stamp),
                    "said": row.reason,
                })
            })
            .chain(
                self.withheld
                    .iter()
                    .map(|(to, reason)| json!({ "to": to, "state": "suppressed", "said": reason })),
            )
            .collect();
        value["kept"] = self
            .kept
            .iter()
            .map(|kept| {
                json!({
                    "part": kept.part,
                    "bytes": kept.packed.len(),
                    "plain_bytes": kept.plain_bytes,
                })
            })
            .collect();
        value
    }

    fn print(&self, run: &Run, today: Option<bool>, config: &Config) {
        let zone = &config.timezone;
        let fact = |name: &str, value: &str| print::line(format!("{name:<12}{value}"));
        fact("run", &run.id);
        fact("digest", &run.digest);
        fact("slot", &format!("{} ({})", print::civil(run.planned_at, zone), zone.name()));
        fact("made", &format!("{}, {}", print::civil(run.made_at, zone), run.trigger));
        fact("subject", &run.subject);
        fact("outcome", &run.outcome);
        if let Some(detail) = &run.detail {
            fact("detail", detail);
        }
        let same = match today {
            Some(true) => "that of today",
            Some(false) => "today's is another one",
            None => "the digest is not in the config any more",
        };
        fact("definition", &format!("{} ({same})", run.definition_hash));
        let (packed, plain) = self.kept.iter().fold((0, 0), |(packed, plain), kept| {
            (packed + kept.packed.len() as u64, plain + kept.plain_bytes)
        });
        match self.kept.len() {
            0 => fact("kept", "nothing: it cannot be made again"),
            1 => fact("kept", &format!("{packed} bytes ({plain} unpacked)")),
            parts => fact("kept", &format!("{packed} bytes in {parts} parts ({plain} unpacked)")),
        }
        print::line("");
        let mut rows: Vec<Vec<String>> = self
            .deliveries
            .iter()
            .map(|(row, tries)| {
                let at = row.finished_at.or(row.next_attempt_at);
                vec![
                    row.recipient.clone(),
                    row.state.clone(),
                    tries.to_string(),
                    at.map(|at| print::civil(at, zone)).unwrap_or_default(),
                    row.reason.clone().unwrap_or_default(),
                ]
            })
            .collect();
        rows.extend(self.withheld.iter().map(|(to, reason)| {
            vec![to.clone(), "suppressed".into(), "0".into(), String::new(), reason.clone()]
        }));
        if rows.is_empty() {
            print::line("nobody was owed anything");
        } else {
            print::table(&["to", "state", "attempts", "at", "said"], &rows);
        }
    }
}

fn as_json(run: &Run) -> Value {
    json!({
        "run": run.id,
        "digest": run.digest,
        "planned_at": print::stamp(run.planned_at),
        "made_at": print::stamp(run.made_at),
        "trigger": run.trigger,
        "definition_hash": run.definition_hash,
        "subject": run.subject,
        "outcome": run.outcome,
        "detail": run.detail,
    })
}
