//! The whole: recorded pages from a static server, stored durably, every report of the shipped config
//! answered; beside a script with polars that reads the same pages and answers the same, and stores
//! nothing.
//!
//! ```text
//! cargo bench --bench whole -- [--sessions 20000] [--python PATH] [--rounds 1]
//! ```
//!
//! `--sessions 360000` is 2.4 GB. Without `--python`, a virtual environment with polars is made below
//! `target` at the first run (network needed); `--python none` leaves the script out.

mod ground;
mod shipped;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::DateTime;

use ground::figures::{self, Told};
use ground::org::{END, Org};
use ground::pages::Pages;
use ground::server::{self, Server};
use ground::{Arguments, line};
use postrider::domain::table::Section;
use postrider::engine::pull::Progress;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    match arguments.text("as") {
        Some("server") => server::serve(arguments.path("folder")?),
        Some("postrider") => {
            let url = arguments.text("url").context("`--url` is missing")?;
            whole(url, &ground::fresh("whole-postrider")?)
        }
        Some(other) => anyhow::bail!("there is no contestant `{other}`"),
        None if !arguments.has("bench") => Ok(()),
        None => compare(&arguments),
    }
}

fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let org = Org { sessions: arguments.number("sessions", 20_000)? };
    let rounds = arguments.number("rounds", 1)?.max(1);
    let pages = Pages::of(org)?;
    line(figures::machine());
    line(format!(
        "{} sessions, {} records, {:.0} MB of pages, best of {rounds}\n",
        org.sessions,
        pages.records,
        pages.bytes as f64 / 1e6,
    ));
    let python = python(arguments)?;
    let server = Server::start(&pages.folder)?;
    let mut best: [Option<(Told, Duration)>; 2] = [None, None];
    for _ in 0..rounds {
        let mut ours = ground::contestant("postrider")?;
        ours.args(["--url", &server.url]);
        let script = python.as_ref().map(|python| {
            let mut script = Command::new(python);
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/whole.py");
            script.arg(file).arg(&server.url);
            script
        });
        for (best, command) in best.iter_mut().zip([Some(ours), script]) {
            let Some(command) = command else { continue };
            let (told, wall, said) = ground::run(command)?;
            said.iter().for_each(line);
            if best.as_ref().is_none_or(|(_, best)| wall < *best) {
                *best = Some((told, wall));
            }
        }
    }
    line("            in all     read   answer      CPU   peak memory");
    let [ours, script] = best;
    for (name, best) in [("postrider", &ours), ("polars", &script)] {
        let Some((told, wall)) = best else { continue };
        line(format!(
            "{name:<10} {:5.2} s  {:5.2} s  {:5.2} s  {:5.2} s  {:8.0} MB",
            wall.as_secs_f64(),
            told.stored_s,
            told.answered_s,
            told.cost.cpu_s,
            told.cost.peak_mb,
        ));
    }
    let served = figures::cost_of(&server.pid().to_string())?.cpu_s;
    line(format!("(the server burned {served:.2} s of CPU for all of them)"));
    if let (Some((ours, our_wall)), Some((script, wall))) = (ours, script) {
        line(format!(
            "\nratio {:.2} of the script's time, {:.2} of its memory",
            our_wall.as_secs_f64() / wall.as_secs_f64(),
            ours.cost.peak_mb / script.cost.peak_mb,
        ));
    }
    Ok(())
}

/// Everything once: pull what the reports and rules read, then answer each report for the instant
/// the org was recorded at.
fn whole(url: &str, folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    let app = shipped::app(url, folder)?;
    let engine = app.engine();
    let plant = engine.plant();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut records = 0;
    for dataset in plant.datasets_in_use() {
        let (before, name) = (Instant::now(), dataset.name.clone());
        let (engine, plant) = (Arc::clone(engine), Arc::clone(&plant));
        // As the daemon does it: a task of the runtime.
        let pulling = runtime
            .spawn(async move { engine.pull(&plant, &dataset, None, &Progress::default()).await });
        let pulled = runtime.block_on(pulling)??;
        anyhow::ensure!(pulled.misfits == 0, "{:?}", pulled.misfit_samples);
        records += pulled.records;
        line(format!("{name} {}", figures::seconds(before.elapsed())));
    }
    let stored = started.elapsed();
    let slot = DateTime::from_timestamp_millis(END).context("the instant of the recording")?;
    let reports: Vec<_> = app.config().reports.values().cloned().collect();
    let sections = runtime.block_on(engine.sections(&reports, slot));
    for section in &sections {
        if let Section::Failed { report, reason, .. } = section {
            anyhow::bail!("report `{report}` failed: {reason}");
        }
    }
    ground::tell(records, stored, started.elapsed() - stored)
}

/// A Python with polars; `None` where none is wanted.
fn python(arguments: &Arguments) -> anyhow::Result<Option<PathBuf>> {
    match arguments.text("python") {
        Some("none") => Ok(None),
        Some(path) => Ok(Some(PathBuf::from(path))),
        None => ground::python("python", &["polars==2.*"]).map(Some),
    }
}
