//! Pulling: pages of JSON from a server to stored records, beside the least code that does it: fixed
//! structs, one prepared insert, big transactions, the same columns.
//!
//! ```text
//! cargo bench --bench pull -- [--sessions 100000] [--rounds 3]
//! ```

mod ground;

use std::fmt;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, ToSql, params};
use serde::de::{Deserializer, Error, Visitor};
use serde::Deserialize;

use ground::figures::{self, Told};
use ground::org::{Object, Org};
use ground::pages::{DATA, Pages};
use ground::server::{self, Server};
use ground::{Arguments, line};
use postrider::engine::pull::Progress;

/// A wide object and a narrow one with six times as many records.
const READ: [Object; 2] = [Object::Session, Object::Metrics];
/// Pages of one transaction of the loop.
const PAGES_A_TRANSACTION: usize = 100;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    match arguments.text("as") {
        Some("server") => server::serve(arguments.path("folder")?),
        Some("postrider") => pull(&url(&arguments)?, &ground::fresh("pull-postrider")?),
        Some("loop") => minimal(&url(&arguments)?, &ground::fresh("pull-loop")?),
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
    line(format!("{}", figures::machine()));
    line(format!("{records} records, {:.0} MB of pages, best of {rounds}\n", mb(bytes)));
    let server = Server::start(&pages.folder)?;
    let mut best = [None::<Told>, None];
    for _ in 0..rounds {
        // In turn, so that a slow minute of the machine is shared.
        for (name, best) in ["loop", "postrider"].into_iter().zip(&mut best) {
            let mut command = ground::contestant(name)?;
            command.args(["--url", &server.url]);
            let (told, _, _) = ground::run(command)?;
            anyhow::ensure!(told.records == records, "{name} stored {} records", told.records);
            if best.as_ref().is_none_or(|best| told.stored_s < best.stored_s) {
                *best = Some(told);
            }
        }
    }
    let [Some(plain), Some(ours)] = best else { anyhow::bail!("no round was run") };
    line("              time    records/s     MB/s      CPU    peak memory");
    for (name, told) in [("the loop", &plain), ("postrider", &ours)] {
        line(format!(
            "{name:<10} {:6.2} s  {:10.0}  {:7.0}  {:5.2} s  {:8.0} MB",
            told.stored_s,
            told.records as f64 / told.stored_s,
            mb(bytes) / told.stored_s,
            told.cost.cpu_s,
            told.cost.peak_mb,
        ));
    }
    line(format!(
        "\nratio {:.2} of the loop's time, {:.2} of its CPU (aim: at most 1.3 of its time)",
        ours.stored_s / plain.stored_s,
        ours.cost.cpu_s / plain.cost.cpu_s,
    ));
    Ok(())
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Postrider: the engine's own pull of both datasets.
fn pull(url: &str, folder: &Path) -> anyhow::Result<()> {
    let app = ground::app(url, folder)?;
    let engine = app.engine();
    let plant = engine.plant();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let started = Instant::now();
    let mut records = 0;
    for object in READ {
        let dataset = plant.datasets.iter().find(|dataset| dataset.name == object.name());
        let dataset = dataset.ok_or_else(|| anyhow::anyhow!("no dataset {}", object.name()))?;
        let progress = Progress::default();
        let pulled = runtime.block_on(engine.pull(&plant, dataset, None, &progress))?;
        anyhow::ensure!(pulled.misfits == 0, "{:?}", pulled.misfit_samples);
        records += pulled.records;
    }
    ground::tell(records, started.elapsed(), Default::default())
}

/// The loop: ask, parse, insert; next page.
fn minimal(url: &str, folder: &Path) -> anyhow::Result<()> {
    let mut db = Connection::open(folder.join("loop.db"))?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // TLS is never used, yet the client wants to know by whom.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().tcp_nodelay(true).no_proxy().build()?;
    let fetch = |target: &str| {
        let address = format!("{url}{target}");
        runtime.block_on(async { http.get(address).send().await?.bytes().await })
    };
    let started = Instant::now();
    let mut records = 0;
    records += read::<Session<'_>>(&mut db, Object::Session, &fetch)?;
    records += read::<Metric<'_>>(&mut db, Object::Metrics, &fetch)?;
    ground::tell(records, started.elapsed(), Default::default())
}

fn read<'r, R: Row>(
    db: &mut Connection,
    object: Object,
    fetch: &dyn Fn(&str) -> reqwest::Result<Bytes>,
) -> anyhow::Result<u64> {
    R::create(db, object.name())?;
    let insert = R::insert(object.name());
    let mut next = Some(format!("{DATA}/queryAll?q=SELECT%20Id%20FROM%20{}", object.name()));
    let mut records = 0;
    while next.is_some() {
        let transaction = db.transaction()?;
        {
            let mut insert = transaction.prepare(&insert)?;
            for _ in 0..PAGES_A_TRANSACTION {
                let Some(target) = next.take() else { break };
                let body = fetch(&target)?;
                let page: Page<'_, R::Of<'_>> = serde_json::from_slice(&body)?;
                for record in &page.records {
                    R::bind(record, &mut insert)?;
                }
                records += page.records.len() as u64;
                next = page.next.map(str::to_owned);
            }
        }
        transaction.commit()?;
    }
    Ok(records)
}
