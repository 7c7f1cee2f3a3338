//! The incident campaign: a random timeline of incidents is lived through twice at the same time, by
//! a daemon that is left alone and by one that is killed with SIGKILL again and again, at random
//! moments and at chosen ones. Afterwards every receiver must have seen the same sequence from both,
//! and both states must agree.
//!
//! ```text
//! cargo bench --bench incidents -- --kills 100 --seed 1
//! ```
//!
//! It prints what was counted, and ends with 1 when a promise was broken; states, configs and logs
//! are kept then.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

#[path = "incidents/campaign.rs"]
mod campaign;

/// Kills the daemon again and again, then compares it with one that was left alone.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often it is killed
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Where chance begins: the incidents, the kills, the far sides' manners
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much faster than real time everybody's clock goes
    #[arg(long, default_value_t = 60)]
    speed: u32,
    /// Make the killed daemon's state forget what receivers were told: the campaign must notice
    #[arg(long)]
    forgetful: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = campaign::Plan {
        kills: arguments.kills,
        seed: arguments.seed,
        speed: arguments.speed,
        forgetful: arguments.forgetful,
    };
    match run(&plan) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            let _ = writeln!(io::stderr(), "the campaign could not be run: {err:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs it and prints the counts; whether every promise was kept.
fn run(plan: &campaign::Plan) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let told = |line: &str| drop(writeln!(io::stderr(), "{line}"));
    let found = runtime.block_on(campaign::run(plan, told))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", found.table)?;
    if found.broken.is_empty() {
        return Ok(true);
    }
    writeln!(out, "{} promises broken with seed {}:", found.broken.len(), plan.seed)?;
    for line in &found.broken {
        writeln!(out, "  {line}")?;
    }
    if let Some(folder) = &found.kept {
        writeln!(out, "states, configs and logs: {}", folder.display())?;
    }
    Ok(false)
}
