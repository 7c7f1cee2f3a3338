//! The simulator: the real engine on its real databases, lived through under a clock, a source and far
//! sides that are drawn from a seed, with faults at every step: the process dies before and after any
//! row it writes and any message it sends, its disk refuses, its clock is set, its config changes.
//! After each step, and after a quiet end, its promises are looked at from outside.
//!
//! ```text
//! cargo bench --bench sim -- --seeds 10000 --steps 100
//! cargo bench --bench sim -- --seed 4711 --seeds 1 --all
//! cargo bench --bench sim -- --breaks
//! ```
//!
//! It ends with 1 when a promise was broken, and prints the seed, which gives the same life again.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[path = "sim/campaign.rs"]
mod campaign;

/// A broken build must be caught within so many seeds.
const CAUGHT_WITHIN: u64 = 500;

/// Lives through seeds and looks at what was promised.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// Steps of each
    #[arg(long, default_value_t = 100)]
    steps: u32,
    /// A build that is broken in this way: must be caught
    #[arg(long = "break")]
    breaks: Option<campaign::Break>,
    /// Every broken build, one after the other
    #[arg(long)]
    breaks_all: bool,
    /// Each seed is lived twice and must leave the same trace
    #[arg(long)]
    twice: bool,
    /// Show every event of the last seed
    #[arg(long)]
    all: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            let _ = writeln!(io::stderr(), "the simulation could not be run: {err:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs it and prints what was counted; whether everything came out as it should.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let told = |line: &str| drop(writeln!(io::stderr(), "{line}"));
    let mut out = io::stdout().lock();
    if arguments.breaks_all {
        let (table, all) = breaks(arguments.steps, told)?;
        write!(out, "{table}")?;
        return Ok(all);
    }
    let plan = campaign::Plan {
        first: arguments.seed,
        seeds: arguments.seeds,
        steps: arguments.steps,
        breaks: arguments.breaks,
        twice: arguments.twice,
        all: arguments.all,
    };
    let found = campaign::run(&plan, told)?;
    if arguments.all {
        for event in &found.events {
            writeln!(out, "{event}")?;
        }
    }
    let seconds = found.took.as_secs_f64();
    write!(out, "{}", found.tally)?;
    let each = seconds * 1000.0 / found.tally.steps.max(1) as f64;
    writeln!(out, "{seconds:.1} s, {each:.3} ms a step with all that belongs to it")?;
    for broken in &found.broken {
        writeln!(out, "{broken}")?;
    }
    Ok(found.broken.is_empty() != plan.breaks.is_some())
}

/// Every broken build, and after how many seeds it was caught: a table, and whether all were.
fn breaks(steps: u32, told: impl Fn(&str)) -> anyhow::Result<(String, bool)> {
    let mut table = String::new();
    let mut all = true;
    for &breaks in campaign::Break::value_variants() {
        let name = breaks.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        told(&name);
        let plan = campaign::Plan {
            first: 1,
            seeds: CAUGHT_WITHIN,
            steps,
            breaks: Some(breaks),
            twice: false,
            all: false,
        };
        let found = campaign::run(&plan, |_| {})?;
        all &= !found.broken.is_empty();
        let how = found.broken.first().map_or("NOT CAUGHT", String::as_str);
        let _ = writeln!(table, "{name:<24} {:>4} seeds  {how}", found.tally.seeds);
    }
    Ok((table, all))
}
