//! The first load of an org with a history: by REST and by the Bulk API, beside the least code that
//! does either, and beside a script with simple-salesforce and pandas. The org is a process of its
//! own, so that its cost is told apart.
//!
//! ```text
//! cargo bench --bench load -- [--sessions 100000] [--rounds 1] [--python PATH] [--kills 0] [--seed 1]
//! ```
//!
//! A session has six metrics. With `--kills 20` the real binary loads by each way and is killed with
//! SIGKILL so often at random moments; then every record must be there once. Without `--python`, a
//! virtual environment is made below `target` at the first run (network needed); `--python none`
//! leaves the scripts out.

mod ground;
#[path = "load/home.rs"]
mod home;
#[path = "load/kills.rs"]
mod kills;
#[path = "load/least.rs"]
mod least;
mod shipped;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use postrider::config::SourceSettings;
use postrider::engine::pull::Progress;

use ground::figures::{self, Told};
use ground::{Arguments, line};

/// What is read.
pub(crate) const READ: [&str; 2] = ["MessagingSession", "MessagingSessionMetrics"];

/// How records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Rest,
    Bulk,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::Rest => "REST",
            Way::Bulk => "Bulk",
        }
    }
}

const CONTESTANTS: [&str; 6] = [
    "postrider, REST",
    "loop, REST",
    "script, REST",
    "postrider, Bulk",
    "loop, Bulk",
    "script, Bulk",
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    let url = || arguments.text("url").context("`--url` is missing");
    match arguments.text("as") {
        Some("org") => home::serve(arguments.number("sessions", 100_000)?),
        Some("postrider, REST") => postrider(url()?, Way::Rest),
        Some("postrider, Bulk") => postrider(url()?, Way::Bulk),
        Some("loop, REST") => least::run(url()?, Way::Rest),
        Some("loop, Bulk") => least::run(url()?, Way::Bulk),
        Some(other) => anyhow::bail!("there is no contestant `{other}`"),
        None if !arguments.has("bench") => Ok(()),
        None => compare(&arguments),
    }
}

fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let sessions = arguments.number("sessions", 100_000)?;
    let rounds = arguments.number("rounds", 1)?.max(1);
    let records = sessions * (1 + home::METRICS.len() as u64);
    let python = python(arguments)?;
    let started = Instant::now();
    let org = Home::start(sessions)?;
    line(figures::machine());
    line(format!(
        "{sessions} sessions, {records} records, best of {rounds}; the org took {:.0} s to fill and \
         has {:.0} MB\n",
        started.elapsed().as_secs_f64(),
        org.cost()?.now_mb,
    ));
    line("                    time  records/s      CPU  CPU of org   peak memory");
    for name in CONTESTANTS {
        let mut best: Option<(Told, f64)> = None;
        for _ in 0..rounds {
            let Some(command) = contestant(name, &org.url, python.as_deref())? else { break };
            let before = org.cost()?.cpu_s;
            let (told, _, _) = ground::run(command)?;
            anyhow::ensure!(told.records == records, "{name} stored {} records", told.records);
            let burned = org.cost()?.cpu_s - before;
            if best.as_ref().is_none_or(|(best, _)| told.stored_s < best.stored_s) {
                best = Some((told, burned));
            }
        }
        let Some((told, burned)) = best else { continue };
        line(format!(
            "{name:<15} {:6.2} s {:10.0} {:6.2} s  {burned:8.2} s  {:9.0} MB",
            told.stored_s,
            told.records as f64 / told.stored_s,
            told.cost.cpu_s,
            told.cost.peak_mb,
        ));
    }
    let kills = arguments.number("kills", 0)?;
    if kills > 0 {
        line("");
        for way in [Way::Rest, Way::Bulk] {
            kills::run(&org.url, way, sessions, kills, arguments.number("seed", 1)?)?;
        }
    }
    Ok(())
}

fn contestant(name: &str, url: &str, python: Option<&Path>) -> anyhow::Result<Option<Command>> {
    let Some(way) = name.strip_prefix("script, ") else {
        let mut command = ground::contestant(name)?;
        command.args(["--url", url]);
        return Ok(Some(command));
    };
    let Some(python) = python else { return Ok(None) };
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/load.py"));
    command.args([url, way, postrider::demo::org::CLIENT_ID, postrider::demo::org::CLIENT_SECRET]);
    command.arg(ground::fresh("load-script")?.join("records.db"));
    Ok(Some(command))
}

/// Postrider: the engine's own first load of both datasets.
fn postrider(url: &str, way: Way) -> anyhow::Result<()> {
    let app = shipped::app_with(url, &ground::fresh("load-postrider")?, |config| {
        for source in config.sources.values_mut() {
            let SourceSettings::Salesforce(source) = source else { continue };
            source.quota_share = 1.0;
            source.bulk_above = match way {
                Way::Rest => None,
                Way::Bulk => Some(0),
            };
        }
    })?;
    let engine = app.engine();
    let plant = engine.plant();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let started = Instant::now();
    let mut records = 0;
    for name in READ {
        let dataset = plant.datasets.iter().find(|dataset| dataset.name == name);
        let dataset = Arc::clone(dataset.with_context(|| format!("no dataset {name}"))?);
        let (engine, plant) = (Arc::clone(engine), Arc::clone(&plant));
        // As the daemon does it: a task of the runtime.
        let pulling = runtime
            .spawn(async move { engine.pull(&plant, &dataset, None, &Progress::default()).await });
        let pulled = runtime.block_on(pulling)??;
        anyhow::ensure!(pulled.misfits == 0, "{:?}", pulled.misfit_samples);
        records += pulled.records;
    }
    ground::tell(records, started.elapsed(), Default::default())
}

/// The org's process; it ends with this value.
struct Home {
    child: Child,
    url: String,
}

impl Home {
    fn start(sessions: u64) -> anyhow::Result<Home> {
        let mut child = ground::contestant("org")?
            .args(["--sessions", &sessions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let out = child.stdout.take().context("the child's output is a pipe")?;
        BufReader::new(out).read_line(&mut url)?;
        Ok(Home { child, url: url.trim().to_owned() })
    }

    fn cost(&self) -> anyhow::Result<figures::Cost> {
        figures::cost_of(&self.child.id().to_string())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python with simple-salesforce and pandas; `None` where none is wanted.
fn python(arguments: &Arguments) -> anyhow::Result<Option<PathBuf>> {
    match arguments.text("python") {
        Some("none") => Ok(None),
        Some(path) => Ok(Some(PathBuf::from(path))),
        None => ground::python("load-python", &["simple-salesforce==1.*", "pandas==3.*"]).map(Some),
    }
}
