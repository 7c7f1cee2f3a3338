//! `postrider state`: the file that everything owed is in: what it holds, whether it is whole, copies
//! of it, and putting one back.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Done, print};
use crate::clock::{Clock, SystemClock};
use crate::domain::zone::Zone;
use crate::store::state::backup::{self, BackupError};
use crate::store::state::check::{self, Found};
use crate::store::state::room::Space;
use crate::store::state::{FILE, lock};

#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// What it holds, how large it is, and who uses it
    Info(Info),
    /// Read it through, page by page and value by value; exit 1 if something is wrong
    Check(Check),
    /// Copy it, also while the daemon runs; the copy is read through
    #[command(after_help = "Examples:
  postrider state backup /var/backups/postrider/
  postrider state backup monday.db

Into a folder it gets a name with the date. The records are not in it: they can be pulled again.")]
    Backup(Backup),
    /// Put a copy in its place while no daemon runs; what was there is kept beside it
    #[command(
        after_help = "What was sent after the copy was made is not in it: messages that waited then are \
sent again
with the same ids, and digests of the time in between are made again as `missed` says."
    )]
    Restore(Restore),
}

#[derive(Debug, Args)]
pub(super) struct Info {
    /// A copy instead of the state in use
    file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// A copy instead of the state in use
    file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// A file, or a folder that is there
    #[arg(value_name = "FILE|FOLDER")]
    to: PathBuf,
    /// Overwrite a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A copy that `state backup` made
    file: PathBuf,
}

impl StateCommand {
    pub(super) fn execute(&self, context: &Context) -> Done {
        let config = context.check()?;
        let folder = config.state.as_path();
        match self {
            StateCommand::Info(info) => info.execute(folder, &config.timezone),
            StateCommand::Check(check) => check.execute(folder),
            StateCommand::Backup(backup) => backup.execute(folder),
            StateCommand::Restore(restore) => restore.execute(folder, &config.timezone),
        }
    }
}

/// The file that is looked at.
fn file(given: Option<&PathBuf>, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = given.cloned().unwrap_or_else(|| folder.join(FILE));
    match path.exists() {
        true => Ok(path),
        false => Err(anyhow!("there is no `{}`", path.display())),
    }
}

impl Info {
    fn execute(&self, folder: &Path, zone: &Zone) -> Done {
        let found = check::info(&file(self.file.as_ref(), folder)?)?;
        let holder = match &self.file {
            Some(_) => None,
            None => lock::holder(folder)?,
        };
        let space = found.path.parent().and_then(Space::of);
        if self.json {
            let mut value = facts(&found);
            value["daemon"] = json!(holder.as_ref().map(|said| said.pid));
            value["trouble"] = json!(holder.and_then(|said| said.trouble));
            value["disk_free_bytes"] = json!(space.map(|space| space.free));
            print::json(&value);
            return Ok(());
        }
        for line in lines(&found, zone) {
            print::line(line);
        }
        if let Some(space) = space {
            let read_only = if space.read_only { ", read-only" } else { "" };
            print::line(format!("disk: {} free{read_only}", size(space.free)));
        }
        match holder {
            Some(said) => {
                let pid = said.pid.map_or(String::new(), |pid| format!(", process {pid}"));
                print::line(format!("daemon: running{pid}"));
                if let Some(trouble) = said.trouble {
                    print::line(format!("cannot be written: {trouble}"));
                }
            }
            None if self.file.is_none() => print::line("daemon: not running"),
            None => {}
        }
        Ok(())
    }
}

impl Check {
    fn execute(&self, folder: &Path) -> Done {
        let path = file(self.file.as_ref(), folder)?;
        let problems = check::check(&path)?;
        let found = check::info(&path)?;
        if self.json {
            let mut value = facts(&found);
            value["problems"] = json!(problems);
            print::json(&value);
        } else {
            for problem in &problems {
                print::line(problem);
            }
            if problems.is_empty() {
                let rows: u64 = found.rows.iter().map(|(_, count)| count).sum();
                let (path, size) = (found.path.display(), size(found.bytes));
                print::line(format!("`{path}` is whole: {rows} rows, {size}"));
                if found.schema.0 < found.schema.1 {
                    print::line(
                        "an earlier postrider wrote it: the next start brings it up to date",
                    );
                }
            }
        }
        match problems.len() {
            0 => Ok(()),
            count => {
                let count = print::count(count, "problem");
                let path = path.display();
                Err(anyhow!(
                    "{count} in `{path}`: restore a backup with `postrider state restore FILE`"
                )
                .into())
            }
        }
    }
}

impl Backup {
    fn execute(&self, folder: &Path) -> Done {
        file(None, folder)?;
        let to = match self.to.is_dir() {
            true => {
                let now = SystemClock.now().format("%Y-%m-%d-%H%M%S");
                self.to.join(format!("state-{now}.db"))
            }
            false => self.to.clone(),
        };
        let found = backup::backup(folder, &to, self.force).map_err(flat)?;
        let messages: u64 = found.messages.iter().map(|(_, count)| count).sum();
        print::line(format!(
            "{}: {}, {messages} messages, read through",
            to.display(),
            size(found.bytes)
        ));
        Ok(())
    }
}

impl Restore {
    fn execute(&self, folder: &Path, zone: &Zone) -> Done {
        let (found, aside) = backup::restore(folder, &self.file).map_err(flat)?;
        if let Some(aside) = aside {
            print::line(format!("what was there is now `{}`", aside.display()));
        }
        for line in lines(&found, zone) {
            print::line(line);
        }
        let waiting: u64 = (found.messages.iter())
            .filter(|(state, _)| ["pending", "sending"].contains(&state.as_str()))
            .map(|(_, count)| count)
            .sum();
        if waiting > 0 {
            print::line(format!(
                "{waiting} messages wait in it: the next `postrider run` sends them"
            ));
        }
        Ok(())
    }
}

/// The exit code goes by the state's own error.
fn flat(err: BackupError) -> anyhow::Error {
    match err {
        BackupError::State(err) => err.into(),
        other => other.into(),
    }
}

fn facts(found: &Found) -> Value {
    let map = |pairs: &[(String, u64)]| {
        let pairs = pairs.iter().map(|(name, count)| (name.clone(), json!(count)));
        Value::Object(pairs.collect())
    };
    json!({
        "path": found.path,
        "bytes": found.bytes,
        "log_bytes": found.log_bytes,
        "free_bytes": found.free_bytes,
        "schema": found.schema.0,
        "schema_known": found.schema.1,
        "seen_at": found.seen.map(print::stamp),
        "messages": map(&found.messages),
        "rows": map(&found.rows),
    })
}

fn lines(found: &Found, zone: &Zone) -> Vec<String> {
    let mut lines = vec![
        format!("state: {}", found.path.display()),
        format!(
            "size: {}, log {}, {} free in it",
            size(found.bytes),
            size(found.log_bytes),
            size(found.free_bytes)
        ),
        format!("schema: {} (this postrider knows {})", found.schema.0, found.schema.1),
    ];
    if let Some(seen) = found.seen {
        lines.push(format!("a daemon worked on it until {}", print::civil(seen, zone)));
    }
    if let Some((first, last)) = found.owed {
        let (first, last) = (print::civil(first, zone), print::civil(last, zone));
        lines.push(format!("messages owed from {first} to {last}"));
    }
    let messages: Vec<String> =
        found.messages.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if !messages.is_empty() {
        lines.push(format!("messages: {}", messages.join(", ")));
    }
    let rows: Vec<String> = (found.rows.iter())
        .filter(|(_, count)| *count > 0)
        .map(|(table, count)| format!("{table} {count}"))
        .collect();
    lines.push(format!(
        "rows: {}",
        if rows.is_empty() { "none".to_owned() } else { rows.join(", ") }
    ));
    lines
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / (1024 * 1024)),
    }
}
