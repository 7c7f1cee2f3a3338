//! The daemon with nothing to do: the shipped config, an org that has been read, no new records. How
//! soon it runs, what it holds and what it burns.
//!
//! ```text
//! cargo bench --bench idle -- [--sessions 20000] [--seconds 10]
//! ```

mod ground;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use ground::figures::{self, cost_of, seconds};
use ground::org::Org;
use ground::pages::Pages;
use ground::server::{self, Server};
use ground::{Arguments, line};

/// What the daemon does right after its start is not idleness.
const SETTLE: Duration = Duration::from_secs(8);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    match arguments.text("as") {
        Some("server") => server::serve(arguments.path("folder")?),
        Some(other) => anyhow::bail!("there is no contestant `{other}`"),
        None if !arguments.has("bench") => Ok(()),
        None => watch(&arguments),
    }
}

fn watch(arguments: &Arguments) -> anyhow::Result<()> {
    let org = Org { sessions: arguments.number("sessions", 20_000)? };
    let watched = Duration::from_secs(arguments.number("seconds", 10)?.max(1));
    let pages = Pages::of(org)?;
    let server = Server::start(&pages.folder)?;
    let config = config(&server.url)?;
    line(figures::machine());

    let started = Instant::now();
    let status = postrider(&config, &server.url).arg("pull").stdout(Stdio::null()).status()?;
    anyhow::ensure!(status.success(), "the first load failed");
    line(format!("{} records loaded in {}", pages.records, seconds(started.elapsed())));

    let started = Instant::now();
    let mut daemon = Daemon::start(postrider(&config, &server.url).arg("run"))?;
    line(format!("running after {}", seconds(started.elapsed())));
    pause(SETTLE);
    let before = cost_of(&daemon.pid())?;
    pause(watched);
    let after = cost_of(&daemon.pid())?;
    line(format!(
        "idle for {} s: {:.0} MB resident (peak {:.0} MB), {:.2} % of a core",
        watched.as_secs(),
        after.now_mb,
        after.peak_mb,
        (after.cpu_s - before.cpu_s) / watched.as_secs_f64() * 100.0,
    ));
    let binary = fs::metadata(env!("CARGO_BIN_EXE_postrider"))?.len() as f64 / 1e6;
    line(format!("the binary has {binary:.1} MB"));
    line(
        "aims: running within 0.5 s, less than 40 MB, less than 0.3 % of a core; binary below 40 MB",
    );
    daemon.stop()
}

/// The shipped config with another address of the org, in a folder of its own, where its state goes.
fn config(url: &str) -> anyhow::Result<PathBuf> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let text = fs::read_to_string(shipped)?;
    let changed = text
        .replace("https://acme.my.salesforce.com", url)
        // Nobody shall be written to.
        .replace("\"smtp.example.com\"", "\"127.0.0.1\"");
    anyhow::ensure!(changed.contains(url), "the shipped config names another org");
    let path = ground::fresh("idle")?.join("config.toml");
    fs::write(&path, changed)?;
    Ok(path)
}

fn postrider(config: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command.arg("-c").arg(config);
    command.env("SMTP_PASSWORD", "bench");
    command.env("SF_CLIENT_ID", "bench").env("SF_CLIENT_SECRET", "bench");
    command.env("OPS_HOOK_URL", format!("{url}/hook"));
    command.env("OPS_HOOK_SECRET", "whsec_YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNo");
    command
}

/// A running daemon; it does not outlive this value.
struct Daemon(Child);

impl Daemon {
    /// Done when it says that it runs.
    fn start(command: &mut Command) -> anyhow::Result<Daemon> {
        let mut daemon = Daemon(command.stderr(Stdio::piped()).spawn()?);
        let mut log = BufReader::new(daemon.0.stderr.take().context("its log is a pipe")?);
        let mut said = String::new();
        loop {
            let before = said.len();
            anyhow::ensure!(log.read_line(&mut said)? > 0, "the daemon did not start: {said}");
            if said[before..].contains("postrider runs") {
                break;
            }
        }
        // Read on, or it would wait for us.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(daemon)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the passing of time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
