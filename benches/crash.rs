//! The crash campaign: the daemon is killed with SIGKILL at random moments while it pulls,
//! evaluates, makes digests and delivers, against an org that keeps changing and a mail server and a
//! webhook endpoint that record everything and misbehave. Afterwards the two sides are compared:
//! nothing may be lost, nothing told twice that was not in doubt.
//!
//! ```text
//! cargo bench --bench crash -- --kills 100 --seed 1
//! ```
//!
//! It prints what was counted, and ends with 1 when a promise was broken; the state, the config and
//! the daemon's log are kept then.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

#[path = "crash/campaign.rs"]
mod campaign;

/// Kills the daemon again and again, then checks that nothing was lost.
#[derive(Debug, Parser)]
struct Arguments {
    /// How often it is killed
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Where chance begins: moments of the kills, the org's life, the far sides' manners
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How much faster than real time everybody's clock goes
    #[arg(long, default_value_t = 60)]
    speed: u32,
    /// The longest life of a daemon that is killed, in real milliseconds
    #[arg(long, default_value_t = 2_500)]
    life_ms: u64,
    /// After so many kills in a hundred it stays down for nine seconds
    #[arg(long, default_value_t = 10)]
    down_percent: u64,
    /// The far sides answer at once and rightly: duplicates are those of the kills alone
    #[arg(long)]
    calm: bool,
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
        life_ms: (50, arguments.life_ms.max(51)),
        down_percent: arguments.down_percent,
        calm: arguments.calm,
        ..campaign::Plan::default()
    };
    match campaign(plan) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            let _ = writeln!(io::stderr(), "the campaign could not be run: {err:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs it and prints the counts; whether every promise was kept.
fn campaign(plan: campaign::Plan) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let told = |line: &str| drop(writeln!(io::stderr(), "{line}"));
    let found = runtime.block_on(campaign::run(&plan, told))?;
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
        writeln!(out, "state, config and log: {}", folder.display())?;
    }
    Ok(false)
}
