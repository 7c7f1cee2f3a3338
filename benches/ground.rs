//! What the benches stand on: a made-up org, its recorded pages, a server of them, a way to run a
//! contestant in a process of its own, and figures.
//!
//! A bench starts itself again as server and as each contestant (`--as NAME`), so that memory and
//! processor time are each one's own.

#![allow(dead_code, reason = "each bench stands on a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

pub(crate) mod figures;
pub(crate) mod minimal;
pub(crate) mod org;
pub(crate) mod pages;
pub(crate) mod server;

use figures::Told;

/// Arguments of a bench: `--name value`, after the `--` of `cargo bench`.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn of_process() -> Arguments {
        Arguments(std::env::args().skip(1).collect())
    }

    /// The text behind `--name`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|arg| arg.strip_prefix("--") == Some(name))?;
        self.0.get(at + 1).map(String::as_str)
    }

    /// The number behind `--name`.
    pub(crate) fn number(&self, name: &str, default: u64) -> anyhow::Result<u64> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let text = text.replace('_', "");
        text.parse().with_context(|| format!("`--{name}` must be a whole number, not `{text}`"))
    }

    /// Whether `--name` is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|arg| arg.strip_prefix("--") == Some(name))
    }

    /// The path behind `--name`.
    pub(crate) fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.text(name).map(PathBuf::from).with_context(|| format!("`--{name}` is missing"))
    }
}

/// Below `target`: pages and databases.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// An empty folder for a contestant's database.
pub(crate) fn fresh(name: &str) -> anyhow::Result<PathBuf> {
    let path = folder()?.join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path)?;
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// One line of the bench's output.
#[expect(clippy::print_stdout, reason = "what a bench is for")]
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// How long something takes, and what it gives.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

/// This program again, as one of the contestants.
pub(crate) fn contestant(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--as", name]);
    Ok(command)
}

/// Runs a contestant to its end: the last line it prints says what it did.
pub(crate) fn run(mut command: Command) -> anyhow::Result<(Told, Duration, Vec<String>)> {
    let (output, wall) = timed(|| command.stderr(Stdio::inherit()).output());
    let output = output.with_context(|| format!("cannot start {:?}", command.get_program()))?;
    anyhow::ensure!(output.status.success(), "{:?} failed", command.get_program());
    let text = String::from_utf8(output.stdout)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let told = lines.pop().context("a contestant said nothing")?;
    let told = serde_json::from_str(&told).with_context(|| format!("unreadable: `{told}`"))?;
    Ok((told, wall, lines))
}

/// The last line of a contestant.
pub(crate) fn tell(records: u64, stored: Duration, answered: Duration) -> anyhow::Result<()> {
    let told = Told {
        records,
        stored_s: stored.as_secs_f64(),
        answered_s: answered.as_secs_f64(),
        cost: figures::cost_of("self")?,
    };
    line(serde_json::to_string(&told)?);
    Ok(())
}

/// A Python with some packages, made below `target` at the first run (network needed).
pub(crate) fn python(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = folder()?.join(name);
    let python = folder.join("bin/python");
    if !python.exists() {
        let done = |command: &mut Command| -> anyhow::Result<()> {
            let status = command.status().context("Python cannot be started")?;
            anyhow::ensure!(status.success(), "{command:?} failed");
            Ok(())
        };
        done(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    }
    Ok(python)
}
