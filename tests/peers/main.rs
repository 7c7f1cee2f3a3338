//! Postrider beside Prometheus and Alertmanager: the same timelines and the same scenarios through
//! the real programs and through postrider's own code, and every difference listed.
//!
//! `tests/peers/run` fetches the programs and starts this. It ends with 1 where a difference is not
//! one of those that are declared.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

mod alertmanager;
#[path = "../../benches/crash/chance.rs"]
mod chance;
mod notifier;
mod scenarios;
mod timelines;

/// Compares postrider's alerting with that of Prometheus and Alertmanager.
#[derive(Debug, Parser)]
struct Arguments {
    /// Prometheus' promtool
    #[arg(long)]
    promtool: PathBuf,
    /// Alertmanager
    #[arg(long)]
    alertmanager: PathBuf,
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

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match compare(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            let _ = writeln!(io::stderr(), "the comparison could not be made: {err:#}");
            ExitCode::from(2)
        }
    }
}

/// Makes all comparisons and prints their tables; whether all is as declared.
async fn compare(arguments: &Arguments) -> anyhow::Result<bool> {
    // The peers are on this machine and speak plain HTTP; a client wants a provider all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let drawn = timelines::draw(arguments.timelines, arguments.seed);
    let firing = timelines::against(&arguments.promtool, &arguments.folder, &drawn)?;
    writeln!(io::stdout(), "{firing}")?;
    let told = scenarios::against(&arguments.alertmanager, &arguments.folder).await?;
    writeln!(io::stdout(), "{told}")?;
    Ok(firing.is_equal() && told.is_as_declared())
}
