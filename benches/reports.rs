//! The shipped reports over a large store, each beside the SQL that a person would write for the same
//! figures on the same database: without totals, others, labels and coverage, with percentiles by
//! window functions, which is what SQLite has.
//!
//! ```text
//! cargo bench --bench reports -- [--sessions 100000] [--rounds 3]
//! ```
//!
//! `--sessions 1000000` is a million sessions and six million metrics.

mod ground;
mod shipped;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::DateTime;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OpenFlags, named_params};

use ground::figures::{self, seconds};
use ground::org::{END, OBJECTS, Org};
use ground::{Arguments, line, timed};
use postrider::app::App;
use postrider::domain::query::{Answer, Frame};
use postrider::domain::report::Report;
use postrider::domain::table::Section;

#[path = "reports/bare.rs"]
mod bare;
#[path = "reports/batches.rs"]
mod batches;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    if !arguments.has("bench") {
        return Ok(());
    }
    let org = Org { sessions: arguments.number("sessions", 100_000)? };
    let rounds = arguments.number("rounds", 3)?.max(1);
    line(figures::machine());
    let folder = ground::fresh("reports")?;
    // The address is never used: nothing is pulled.
    let app = shipped::app("http://127.0.0.1:9", &folder)?;
    let (loaded, took) = timed(|| load(&app, org));
    loaded?;
    line(format!(
        "{} sessions and {} metrics loaded in {}; best of {rounds}, warm",
        org.sessions,
        org.sessions * 6,
        seconds(took)
    ));
    let bare = Bare::open(&folder.join("records.db"))?;
    let reports: BTreeMap<_, _> = app.config().reports.clone();
    let mut wrong = Vec::new();
    for (all_time, title) in [(false, "each over its own period"), (true, "all over all time")] {
        line(format!("\n{title:<26} postrider     bare SQL   ratio     records"));
        let mut sums = [Duration::ZERO; 2];
        for report in reports.values() {
            let frame = frame(&app, report, all_time)?;
            let ours = best(rounds, || ours(&app, report, &frame))?;
            let theirs = best(rounds, || bare.answer(&report.name, &frame))?;
            wrong.extend(check(report, &ours.0, &theirs.0));
            sums[0] += ours.1;
            sums[1] += theirs.1;
            row(&report.name, ours.1, theirs.1, &ours.0.records.to_string());
        }
        row("all, one after the other", sums[0], sums[1], "");
    }
    whole(&app, rounds)?;
    anyhow::ensure!(wrong.is_empty(), "the SQL says otherwise:\n{}", wrong.join("\n"));
    let cost = figures::cost_of("self")?;
    line(format!("\npeak memory {:.0} MB, loading included", cost.peak_mb));
    Ok(())
}

fn row(name: &str, ours: Duration, bare: Duration, records: &str) {
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    line(format!(
        "{name:<24} {:>11}  {:>11}  {ratio:6.2}  {records:>10}",
        seconds(ours),
        seconds(bare)
    ));
}

fn load(app: &App, org: Org) -> anyhow::Result<()> {
    let plant = app.engine().plant();
    for object in OBJECTS {
        let dataset = plant.datasets.iter().find(|dataset| dataset.name == object.name());
        let dataset = dataset.with_context(|| format!("no dataset `{}`", object.name()))?;
        batches::load(app.engine().store(), org, object, dataset)?;
    }
    Ok(())
}

/// What the engine does: sections with totals, coverage and shape, two at a time.
fn whole(app: &App, rounds: u64) -> anyhow::Result<()> {
    let slot = DateTime::from_timestamp_millis(END).context("the instant of the recording")?;
    let reports: Vec<_> = app.config().reports.values().cloned().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (_, took) = best(rounds, || {
        let sections = runtime.block_on(app.engine().sections(&reports, slot));
        for section in &sections {
            if let Section::Failed { report, reason, .. } = section {
                anyhow::bail!("report `{report}` failed: {reason}");
            }
        }
        Ok(())
    })?;
    line(format!(
        "\nthe engine's way, coverage and totals included, two at a time: {}",
        seconds(took)
    ));
    Ok(())
}

fn frame(app: &App, report: &Report, all_time: bool) -> anyhow::Result<Frame> {
    let slot = DateTime::from_timestamp_millis(END).context("the instant of the recording")?;
    let week_starts = app.engine().plant().week_starts;
    let window = report.period.window(slot, &report.zone, week_starts).filter(|_| !all_time);
    Ok(Frame {
        bounds: window.map(|window| (window.from, window.to)),
        as_of: slot,
        zone: report.zone.clone(),
        week_starts,
        rows_max: 200_000,
        rest_max: 0,
    })
}

fn ours(app: &App, report: &Report, frame: &Frame) -> anyhow::Result<Answer> {
    Ok(app.engine().store().read_records(|records| records.answer(&report.query, frame))?)
}

/// The shortest of some rounds after one that warms up.
fn best<T>(
    rounds: u64,
    mut work: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<(T, Duration)> {
    let mut last = work()?;
    let mut shortest = Duration::MAX;
    for _ in 0..rounds {
        let started = Instant::now();
        last = work()?;
        shortest = shortest.min(started.elapsed());
    }
    Ok((last, shortest))
}

/// A person's own connection.
struct Bare(Connection);

impl Bare {
    fn open(path: &Path) -> anyhow::Result<Bare> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Bare(db))
    }

    fn answer(&self, report: &str, frame: &Frame) -> anyhow::Result<Vec<Vec<Cell>>> {
        let sql = bare::sql(report, frame.bounds.is_some());
        let sql = sql.with_context(|| format!("no SQL is written for report `{report}`"))?;
        let mut statement = self.0.prepare_cached(&sql).with_context(|| sql.clone())?;
        let columns = statement.column_count();
        let cells = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        let rows = match frame.bounds {
            Some((from, to)) => statement.query_map(
                named_params! { ":from": from.timestamp_millis(), ":to": to.timestamp_millis() },
                cells,
            )?,
            None => statement.query_map([], cells)?,
        };
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Whether both say the same: as many rows, and the same sums of numbers by column; of a report that
/// is cut short, where ties may be cut differently, the first row's. What differs, if anything does:
/// the config has changed since the SQL was written, or one of them is wrong.
fn check(report: &Report, ours: &Answer, bare: &[Vec<Cell>]) -> Option<String> {
    let name = &report.name;
    if ours.rows.len() != bare.len() {
        return Some(format!("`{name}`: {} rows, by SQL {}", ours.rows.len(), bare.len()));
    }
    let compared = if report.query.top.is_some() { 1 } else { bare.len() };
    let width = ours.rows.first()?.values.len();
    (0..width).find_map(|column| {
        let mut sums = [0.0, 0.0];
        for (row, cells) in ours.rows.iter().zip(bare).take(compared) {
            let Some(mine) = row.values[column].number() else { continue };
            // Groups come first in the SQL.
            let by_sql = match &cells[cells.len() - width + column] {
                Cell::Integer(n) => *n as f64,
                Cell::Real(x) => *x,
                _ => 0.0,
            };
            sums[0] += mine;
            sums[1] += by_sql;
        }
        let [mine, by_sql] = sums;
        let same = (mine - by_sql).abs() <= 1e-9 * by_sql.abs().max(1.0);
        (!same).then(|| format!("`{name}`, column {column}: {mine}, by SQL {by_sql}"))
    })
}
