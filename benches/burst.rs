//! Bursting: one report among the accounts of a large store, a mail each: how often the records are
//! read, how long it takes, how much memory, and whether what is sent is exactly the whole.
//!
//! ```text
//! cargo bench --bench burst -- [--sessions 200000] [--rounds 3]
//! ```
//!
//! Two hundred sessions make an account: `--sessions 200000` is a burst of 1000 recipients.

mod ground;
mod shipped;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::DateTime;
use rusqlite::{Connection, OpenFlags};

use ground::figures::{self, seconds};
use ground::org::{END, Object, Org};
use ground::{Arguments, line, timed};
use postrider::app::App;
use postrider::domain::digest::{Digest, Readers, Split};
use postrider::domain::query::{Frame, PartAnswer};
use postrider::domain::report::Report;
use postrider::engine::digest::{Made, Making};

#[path = "reports/batches.rs"]
mod batches;

/// The report that is split, of the shipped config.
const REPORT: &str = "sessions-by-account";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    if !arguments.has("bench") {
        return Ok(());
    }
    let org = Org { sessions: arguments.number("sessions", 200_000)? };
    let rounds = arguments.number("rounds", 3)?.max(1);
    line(figures::machine());
    let folder = ground::fresh("burst")?;
    // The address is never used: nothing is pulled.
    let app = shipped::app("http://127.0.0.1:9", &folder)?;
    let plant = app.engine().plant();
    for object in [Object::Session, Object::EndUser, Object::Channel, Object::Account, Object::User]
    {
        let dataset = plant.datasets.iter().find(|dataset| dataset.name == object.name());
        let dataset = dataset.with_context(|| format!("no dataset `{}`", object.name()))?;
        batches::load(app.engine().store(), org, object, dataset)?;
    }
    line(format!("{} sessions of {} accounts", org.sessions, org.count(Object::Account)));
    let loaded_mb = figures::cost_of("self")?.now_mb;

    let by_sql = by_sql(&folder.join("records.db"))?;
    let digest = digest(&app, &by_sql)?;
    let (report, split) =
        (&digest.reports[0], digest.split.as_ref().context("the digest is split")?);
    let frame = frame(&app, report)?;

    // What a pass costs: the whole once, the same part by part.
    let store = app.engine().store();
    let whole = best(rounds, || {
        Ok(store.read_records(|records| records.answer(&report.query, &frame))?.records)
    })?;
    let parts = best(rounds, || {
        Ok(store.read_records(|records| records.parts(&split.queries[0], &frame))?)
    })?;
    check_parts(&parts.0, &by_sql)?;
    line(format!(
        "one answer {}, in {} parts {}: {:.2} of it",
        seconds(whole.1),
        parts.0.len(),
        seconds(parts.1),
        parts.1.as_secs_f64() / whole.1.as_secs_f64()
    ));

    // The burst itself: answered, rendered, encoded; then owed in one transaction.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let slot = DateTime::from_timestamp_millis(END).context("the instant of the recording")?;
    let making = |occasion: u64| Making {
        planned_at: slot,
        by_hand: Some(occasion.to_string()),
        ..Making::default()
    };
    let made =
        best(rounds, || Ok(runtime.block_on(app.engine().make(&plant, &digest, &making(0)))))?;
    let (sent, committed) = timed(|| runtime.block_on(app.engine().send(&digest, making(1))));
    let sent = sent?;
    check_mails(&made.0, &by_sql)?;
    anyhow::ensure!(sent.owed.len() == made.0.owed.len(), "another number of mails is owed");
    let bytes: usize = sent.owed.iter().map(|owed| owed.message.bytes.len()).sum();
    line(format!(
        "{}: {} of {} each",
        sent.run.outcome,
        seconds(made.1 / u32::try_from(sent.owed.len().max(1))?),
        figures_of_bytes(bytes / sent.owed.len().max(1)),
    ));
    line(format!("made in {}, made and owed in {}", seconds(made.1), seconds(committed)));
    let cost = figures::cost_of("self")?;
    line(format!(
        "peak memory {:.0} MB, {:.0} MB before; {} are owed twice in it",
        cost.peak_mb,
        loaded_mb,
        figures_of_bytes(bytes)
    ));
    line("the parts are the whole, by SQL too; each account has one mail, to its own reader");
    Ok(())
}

/// A digest of the report, split among the accounts there are.
fn digest(app: &App, accounts: &BTreeMap<Option<String>, u64>) -> anyhow::Result<Digest> {
    let report = app.config().reports.get(REPORT).cloned().context("the report is shipped")?;
    // All time: every session is in it.
    let mut all = Report::clone(&report);
    all.period = "all time".parse().map_err(|err: String| anyhow::anyhow!(err))?;
    let report = std::sync::Arc::new(all);
    let split = report.query.with(None, &["account as Account"]);
    let query = split.map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))?;
    let readers = accounts.keys().flatten().enumerate();
    let readers = readers.map(|(n, account)| (account.clone(), vec![format!("r{n}@example.com")]));
    let mut digest = Digest::of_report(&report);
    digest.split = Some(Split {
        heading: "Account".to_owned(),
        queries: vec![std::sync::Arc::new(query)],
        readers: Readers::Named(readers.collect()),
    });
    Ok(digest)
}

fn frame(app: &App, report: &Report) -> anyhow::Result<Frame> {
    Ok(Frame {
        bounds: None,
        as_of: DateTime::from_timestamp_millis(END).context("the instant of the recording")?,
        zone: report.zone.clone(),
        week_starts: app.engine().plant().week_starts,
        rows_max: 200_000,
        rest_max: 0,
    })
}

/// Sessions by account, asked of the database by itself.
fn by_sql(path: &Path) -> anyhow::Result<BTreeMap<Option<String>, u64>> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = db.prepare(
        "select account.Id, count(*) from MessagingSession session
         left join Account account on account.Id = session.EndUserAccountId and account._deleted = 0
         where session._deleted = 0 group by 1",
    )?;
    let rows =
        statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether each part has exactly the records that the database counts for its key.
fn check_parts(parts: &[PartAnswer], by_sql: &BTreeMap<Option<String>, u64>) -> anyhow::Result<()> {
    let ours: BTreeMap<Option<String>, u64> = parts
        .iter()
        .map(|part| {
            let key = part.keys.first().and_then(|key| key.text()).map(str::to_owned);
            (key, part.answer.records)
        })
        .collect();
    anyhow::ensure!(ours.len() == parts.len(), "a key has two parts");
    anyhow::ensure!(ours == *by_sql, "the parts are not what the database counts");
    Ok(())
}

/// Whether every account has one mail, to its own reader.
fn check_mails(made: &Made, by_sql: &BTreeMap<Option<String>, u64>) -> anyhow::Result<()> {
    let readers: BTreeMap<&str, usize> = made.owed.iter().fold(BTreeMap::new(), |mut all, owed| {
        *all.entry(owed.message.recipient.as_str()).or_default() += 1;
        all
    });
    let accounts = by_sql.keys().flatten().count();
    anyhow::ensure!(readers.len() == accounts, "{} readers of {accounts}", readers.len());
    anyhow::ensure!(readers.values().all(|mails| *mails == 1), "somebody has two mails");
    let ids: std::collections::BTreeSet<&str> =
        made.owed.iter().map(|owed| owed.message.id.as_str()).collect();
    anyhow::ensure!(ids.len() == made.owed.len(), "two mails have one id");
    Ok(())
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

fn figures_of_bytes(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.0} MB", bytes as f64 / 1e6),
    }
}
