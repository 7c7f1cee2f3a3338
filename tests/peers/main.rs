//! Postrider beside Prometheus and Alertmanager: the same timelines and the same scenarios through
//! the real programs and through postrider's own code, and every difference listed.
//!
//! `tests/peers/run` fetches the programs and starts this. It ends with 1 where a difference is not
//! one of those that are declared.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

#[path = "../../benches/crash/chance.rs"]
mod chance;
mod timelines;

/// Compares postrider's alerting with that of Prometheus and Alertmanager.
#[derive(Debug, Parser)]
struct Arguments {
    /// Prometheus' promtool
    #[arg(long)]
    promtool: PathBuf,
    /// How many random timelines
    #[arg(long, default_value_t = 400)]
    timelines: usize,
    /// Where chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the files for the other programs are written
    #[arg(long)]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match compare(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            let _ = writeln!(io::stderr(), "the comparison could not be made: {err:#}");
            ExitCode::from(2)
        }
    }
}

/// Makes all comparisons and prints their tables; whether all is as declared.
fn compare(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    let drawn = timelines::draw(arguments.timelines, arguments.seed);
    let found = timelines::against(&arguments.promtool, &arguments.folder, &drawn)?;
    writeln!(out, "{found}")?;
    Ok(found.is_equal())
}
