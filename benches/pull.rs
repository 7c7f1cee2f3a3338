//! Pulling: pages of JSON from a server to stored records, beside the least code that does it: fixed
//! structs, one prepared insert, big transactions, the same columns.
//!
//! ```text
//! cargo bench --bench pull -- [--sessions 100000] [--rounds 3]
//! ```

mod ground;
mod shipped;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;

use ground::figures::{self, Told};
use ground::minimal;
use ground::org::{Object, Org};
use ground::pages::{DATA, Pages};
use ground::server::{self, Server};
use ground::{Arguments, line};
use postrider::engine::pull::Progress;

/// A wide object and a narrow one with six times as many records.
const READ: [Object; 2] = [Object::Session, Object::Metrics];
/// Postrider makes the indexes of the shipped config when all is read: the loop is shown without and
/// with them.
const CONTESTANTS: [&str; 3] = ["postrider", "loop", "loop + indexes"];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    match arguments.text("as") {
        Some("server") => server::serve(arguments.path("folder")?),
        Some("postrider") => pull(&url(&arguments)?, &ground::fresh("pull-postrider")?),
        Some("loop") => least(&url(&arguments)?, &ground::fresh("pull-loop")?, false),
        Some("loop + indexes") => least(&url(&arguments)?, &ground::fresh("pull-loop")?, true),
        Some(other) => anyhow::bail!("there is no contestant `{other}`"),
        None if !arguments.has("bench") => Ok(()),
        None => compare(&arguments),
    }
}

fn url(arguments: &Arguments) -> anyhow::Result<String> {
    arguments.text("url").map(str::to_owned).ok_or_else(|| anyhow::anyhow!("`--url` is missing"))
}

fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let org = Org { sessions: arguments.number("sessions", 100_000)? };
    let rounds = arguments.number("rounds", 3)?.max(1);
    let pages = Pages::of(org)?;
    let bytes: u64 = READ.iter().map(|&object| pages.bytes_of(object)).sum();
    let records: u64 = READ.iter().map(|&object| org.count(object)).sum();
    line(figures::machine());
    line(format!("{records} records, {:.0} MB of pages, best of {rounds}\n", mb(bytes)));
    let server = Server::start(&pages.folder)?;
    let mut best = CONTESTANTS.map(|_| None::<Told>);
    for _ in 0..rounds {
        // In turn, so that a slow minute of the machine is shared.
        for (name, best) in CONTESTANTS.into_iter().zip(&mut best) {
            let mut command = ground::contestant(name)?;
            command.args(["--url", &server.url]);
            let (told, _, _) = ground::run(command)?;
            anyhow::ensure!(told.records == records, "{name} stored {} records", told.records);
            if best.as_ref().is_none_or(|best| told.stored_s < best.stored_s) {
                *best = Some(told);
            }
        }
    }
    let best: Vec<Told> = best.into_iter().flatten().collect();
    let [ours, plain, indexed] = best.as_slice() else { anyhow::bail!("no round was run") };
    line("                  time    records/s     MB/s       CPU    peak memory");
    for (name, told) in CONTESTANTS.into_iter().zip(&best) {
        line(format!(
            "{name:<14} {:6.2} s  {:10.0}  {:7.0}  {:6.2} s  {:8.0} MB",
            told.stored_s,
            told.records as f64 / told.stored_s,
            mb(bytes) / told.stored_s,
            told.cost.cpu_s,
            told.cost.peak_mb,
        ));
    }
    line(format!(
        "\nratio {:.2} of the loop's time (aim: at most 1.3), {:.2} of its time with the same indexes",
        ours.stored_s / plain.stored_s,
        ours.stored_s / indexed.stored_s,
    ));
    Ok(())
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Postrider: the engine's own pull of both datasets.
fn pull(url: &str, folder: &Path) -> anyhow::Result<()> {
    let app = shipped::app(url, folder)?;
    let engine = app.engine();
    let plant = engine.plant();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let started = Instant::now();
    let mut records = 0;
    for object in READ {
        let dataset = plant.datasets.iter().find(|dataset| dataset.name == object.name());
        let dataset = dataset.ok_or_else(|| anyhow::anyhow!("no dataset {}", object.name()))?;
        let (engine, plant, dataset) =
            (Arc::clone(engine), Arc::clone(&plant), Arc::clone(dataset));
        // As the daemon does it: a task of the runtime.
        let pulling = runtime
            .spawn(async move { engine.pull(&plant, &dataset, None, &Progress::default()).await });
        let pulled = runtime.block_on(pulling)??;
        anyhow::ensure!(pulled.misfits == 0, "{:?}", pulled.misfit_samples);
        records += pulled.records;
    }
    ground::tell(records, started.elapsed(), Default::default())
}

/// The loop: ask, parse, insert; next page. In the end, where wanted, the indexes that postrider made
/// before.
fn least(url: &str, folder: &Path, indexes: bool) -> anyhow::Result<()> {
    let mut db = Connection::open(folder.join("loop.db"))?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // TLS is never used, yet the client wants to know by whom.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().tcp_nodelay(true).no_proxy().build()?;
    let fetch = |target: &str| -> anyhow::Result<Vec<u8>> {
        let address = format!("{url}{target}");
        Ok(runtime.block_on(async { http.get(address).send().await?.bytes().await })?.into())
    };
    let started = Instant::now();
    let mut records = 0;
    // The server looks at the object alone.
    let first =
        |object: Object| format!("{DATA}/queryAll?q=SELECT%20Id%20FROM%20{}", object.name());
    records += minimal::session::read(&mut db, first(Object::Session), &fetch)?;
    records += minimal::metric::read(&mut db, first(Object::Metrics), &fetch)?;
    if indexes {
        db.execute_batch(&indexes_of(&ground::folder()?.join("pull-postrider/records.db"))?)?;
    }
    ground::tell(records, started.elapsed(), Default::default())
}

/// The statements that make the indexes of a database again.
fn indexes_of(path: &Path) -> anyhow::Result<String> {
    let db = Connection::open(path)?;
    let names: Vec<String> = READ.iter().map(|object| format!("'{}'", object.name())).collect();
    let mut statements = db.prepare(&format!(
        "SELECT sql || ';' FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL \
         AND tbl_name IN ({})",
        names.join(", ")
    ))?;
    let statements = statements.query_map([], |row| row.get(0))?;
    Ok(statements.collect::<Result<Vec<String>, _>>()?.join("\n"))
}
