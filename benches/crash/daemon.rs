//! The real binary as a child process, started, killed and stopped.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use postrider::demo::org;

/// A signing secret that opens nothing.
pub(crate) const HOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What every life of the daemon has in common.
pub(crate) struct Home {
    /// Config, state and log lie here.
    pub(crate) folder: PathBuf,
    /// `ANCHOR,START,SPEED`: all lives are on one timeline.
    pub(crate) clock: String,
    /// Where its webhooks go.
    pub(crate) hooks: String,
}

impl Home {
    /// The folder of its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    /// The end of the log, for whoever has to find out.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

/// One life of the daemon; dropped, it is killed.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts `postrider run`.
    pub(crate) fn start(home: &Home) -> io::Result<Daemon> {
        let log = File::options().create(true).append(true).open(home.log())?;
        let child = Command::new(Path::new(env!("CARGO_BIN_EXE_postrider")))
            .arg("run")
            .arg("--clock")
            .arg(&home.clock)
            .arg("-c")
            .arg(home.folder.join("config.toml"))
            .args(["--log", "info,postrider=debug"])
            .env("SF_ID", org::CLIENT_ID)
            .env("SF_SECRET", org::CLIENT_SECRET)
            .env("HOOK_URL", &home.hooks)
            .env("HOOK_SECRET", HOOK_SECRET)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Daemon(child))
    }

    /// How it ended, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// SIGKILL: nothing of it runs when this returns.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    /// SIGTERM; how it ended, or `None` after `patience`.
    pub(crate) async fn stop(mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        // The shell's own `kill`: not every machine has it as a program.
        let asked =
            Command::new("sh").arg("-c").arg(format!("kill -TERM {}", self.0.id())).status()?;
        if !asked.success() {
            return Err(io::Error::other("the daemon could not be signalled"));
        }
        let waiting = async {
            loop {
                if let Some(status) = self.0.try_wait()? {
                    return Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(patience, waiting).await.ok().transpose()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
