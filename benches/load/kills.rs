//! First loads of the real binary, killed with SIGKILL at random moments, until they are complete:
//! then every record must be there once, with the value the org has.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use postrider::demo::org;
use rusqlite::Connection;

use super::{Way, ground, home};
use ground::line;

/// Longest life of a killed pull: the moments fall all over a load of some seconds.
const LIFE_MS_MAX: u64 = 4_000;
const LIFE_MS_MIN: u64 = 150;

/// Pulls both datasets until they are there, killing `kills` times on the way.
pub(crate) fn run(url: &str, way: Way, sessions: u64, kills: u64, seed: u64) -> anyhow::Result<()> {
    let folder = ground::fresh(&format!("kills-{}", way.name()))?;
    let config = folder.join("config.toml");
    std::fs::File::create(&config)?.write_all(text(url, way).as_bytes())?;
    let mut chance = seed | 1;
    let mut draw = |below: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % below
    };
    let mut done = 0;
    let mut completed = 0;
    let started = Instant::now();
    while done < kills {
        let mut child = pull(&config)?.spawn().context("the binary cannot be started")?;
        let until =
            Instant::now() + Duration::from_millis(LIFE_MS_MIN + draw(LIFE_MS_MAX - LIFE_MS_MIN));
        let ended = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() >= until {
                break None;
            }
            pause();
        };
        match ended {
            None => {
                child.kill()?;
                child.wait()?;
                done += 1;
            }
            Some(status) => {
                anyhow::ensure!(status.success(), "a pull failed: {status}");
                check(&folder, sessions)?;
                completed += 1;
                std::fs::remove_dir_all(folder.join("state"))?;
            }
        }
    }
    let status = pull(&config)?.status()?;
    anyhow::ensure!(status.success(), "the last pull failed: {status}");
    check(&folder, sessions)?;
    line(format!(
        "{}: {done} kills in {:.0} s; loads that became complete: {}, each with {sessions} sessions and {} \
         metrics, every key once, every value the org's",
        way.name(),
        started.elapsed().as_secs_f64(),
        completed + 1,
        sessions * home::METRICS.len() as u64,
    ));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a process is waited for, in real time")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn pull(config: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_postrider")));
    command
        .args(["pull", "-c"])
        .arg(config)
        .env("SF_ID", org::CLIENT_ID)
        .env("SF_SECRET", org::CLIENT_SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Ok(command)
}

/// Two reports, so that both datasets are in use.
fn text(url: &str, way: Way) -> String {
    format!(
        r#"
[sources.salesforce]
kind = "salesforce"
login_url = "{url}"
auth = {{ flow = "client_credentials", client_id = "env:SF_ID", client_secret = "env:SF_SECRET" }}
bulk_above = {}
[smtp]
host = "127.0.0.1"
tls = "none"
from = "reports@example.com"
[reports]
sessions = {{ type = "MessagingSession", columns = ["count() as Sessions"] }}
metrics = {{ type = "MessagingSessionMetrics", columns = ["count() as Metrics"] }}
[digests]
daily = {{ reports = ["sessions", "metrics"], schedule = "0 8 * * *", to = ["lead@example.com"] }}
"#,
        match way {
            Way::Rest => u32::MAX,
            Way::Bulk => 1,
        }
    )
}

/// Every record there once, with the org's values.
fn check(folder: &Path, sessions: u64) -> anyhow::Result<()> {
    let db = Connection::open(folder.join("state/records.db"))?;
    let ask = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let metrics = sessions * home::METRICS.len() as u64;
    let expected: i64 = (0..sessions)
        .flat_map(|session| (0..home::METRICS.len() as u64).map(move |m| home::value(session, m)))
        .sum();
    for (what, sql, expected) in [
        ("sessions", "SELECT count(*) FROM MessagingSession WHERE _deleted = 0", sessions as i64),
        ("session keys", "SELECT count(DISTINCT Id) FROM MessagingSession", sessions as i64),
        (
            "metrics",
            "SELECT count(*) FROM MessagingSessionMetrics WHERE _deleted = 0",
            metrics as i64,
        ),
        ("metric keys", "SELECT count(DISTINCT Id) FROM MessagingSessionMetrics", metrics as i64),
        (
            "sessions with six metrics",
            "SELECT count(*) FROM (SELECT MessagingSessionId FROM MessagingSessionMetrics \
             GROUP BY 1 HAVING count(*) = 6)",
            sessions as i64,
        ),
        (
            "the sum of the metrics",
            "SELECT sum(MessagingSessionMetricValue) FROM MessagingSessionMetrics",
            expected,
        ),
    ] {
        let found = ask(sql)?;
        anyhow::ensure!(found == expected, "{what}: {found} instead of {expected}");
    }
    Ok(())
}
