//! The real binary in a folder of its own, against an org, an inbox and a webhook catcher of the
//! test. All of them share one clock, which may run faster than real time.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;

use chrono::TimeDelta;
use postrider::clock::{Clock, ScaledClock, SystemClock};
use postrider::demo::catcher::Catcher;
use postrider::demo::inbox::{Inbox, InboxSettings};
use postrider::demo::org::{self, Org, Serving};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{HOOK_SECRET, PATIENCE, utc};

/// A clock for the processes of one trial and for what surrounds them.
pub(crate) struct Trial {
    clock: Arc<dyn Clock>,
    argument: String,
}

impl Trial {
    /// It stands at `start` (RFC 3339) now and goes `speed` times as fast.
    pub(crate) fn new(start: &str, speed: u32) -> Trial {
        let (start, anchor) = (utc(start), SystemClock.now().timestamp_millis());
        let argument = format!("{anchor},{},{speed}", start.timestamp_millis());
        Trial { clock: Arc::new(ScaledClock::new(start, speed)), argument }
    }

    /// For the test's own side.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// For the daemon's `--clock`.
    pub(crate) fn argument(&self) -> String {
        self.argument.clone()
    }
}

/// What a real postrider lives in.
pub(crate) struct Folder {
    pub(crate) org: Arc<Org>,
    pub(crate) inbox: Inbox,
    pub(crate) catcher: Catcher,
    pub(crate) clock: Arc<dyn Clock>,
    /// Variables of the processes.
    pub(crate) variables: Vec<(String, String)>,
    trial: Option<String>,
    serving: Serving,
    folder: TempDir,
}

impl Folder {
    /// On the machine's clock.
    pub(crate) async fn new() -> Folder {
        let org = Org::empty(Arc::new(SystemClock));
        Folder::over(org, InboxSettings::default(), Arc::new(SystemClock), None).await
    }

    /// On a clock that stands at `start` (RFC 3339) and goes `speed` times as fast.
    pub(crate) async fn fast(start: &str, speed: u32) -> Folder {
        let trial = Trial::new(start, speed);
        let (org, argument) = (Org::empty(trial.clock()), Some(trial.argument()));
        Folder::over(org, InboxSettings::default(), trial.clock(), argument).await
    }

    /// With an org and an inbox of one's own.
    pub(crate) async fn over(
        org: Arc<Org>,
        inbox: InboxSettings,
        clock: Arc<dyn Clock>,
        trial: Option<String>,
    ) -> Folder {
        let inbox = Inbox::open(inbox, Arc::clone(&clock)).await.unwrap();
        let secrets = vec![SecretString::from(HOOK_SECRET)];
        let listen = ([127, 0, 0, 1], 0).into();
        let catcher = Catcher::start(listen, secrets, Arc::clone(&clock)).await.unwrap();
        let serving = org.start().await.unwrap();
        let variables = [
            ("SF_ID", org::CLIENT_ID.to_owned()),
            ("SF_SECRET", org::CLIENT_SECRET.to_owned()),
            ("HOOK_URL", catcher.url()),
            ("HOOK_SECRET", HOOK_SECRET.to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let folder = tempfile::tempdir().unwrap();
        Folder { org, inbox, catcher, clock, variables, trial, serving, folder }
    }

    /// Writes the config: a text that begins with [`super::HEAD`], its addresses those of here.
    pub(crate) fn write(&self, config: &str) {
        let smtp = format!("host = \"127.0.0.1\"\nport = {}", self.inbox.address().port());
        let config = config
            .replace("host = \"127.0.0.1\"", &smtp)
            .replace("https://acme.my.salesforce.com", &self.serving.url());
        std::fs::write(self.config(), config).unwrap();
    }

    /// Where the config is.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// A file beside the config.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An instant of its clock, as commands take it.
    pub(crate) fn ago(&self, length: TimeDelta) -> String {
        (self.clock.now() - length).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command.args(arguments).env_clear().current_dir(self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs one command to its end. Needs a runtime of several threads, which serves meanwhile.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        tokio::task::block_in_place(|| self.command(arguments).output().unwrap())
    }

    /// Runs one command that must succeed; its standard output.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} ended {}: {said}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts one command and does not wait for it.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Daemon {
        Daemon::start(self.command(arguments))
    }

    /// Starts the daemon by a command that ends with running what is behind it: `sh -c '...; exec "$@"'
    /// sh`, `unshare -rm`.
    pub(crate) fn daemon_by(&self, before: &[&str]) -> Daemon {
        let mut command = Command::new(before[0]);
        command.args(&before[1..]).arg(env!("CARGO_BIN_EXE_postrider"));
        command.args(["run", "-c", "config.toml"]);
        command.args(self.trial.iter().flat_map(|trial| ["--clock", trial]));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path());
        Daemon::start(command)
    }

    /// Starts the daemon.
    pub(crate) fn daemon(&self, arguments: &[&str]) -> Daemon {
        let mut all = vec!["run", "-c", "config.toml"];
        if let Some(trial) = &self.trial {
            all.extend(["--clock", trial]);
        }
        all.extend(arguments);
        Daemon::start(self.command(&all))
    }
}

/// A running daemon; dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    log: watch::Receiver<Vec<String>>,
}

impl Daemon {
    fn start(mut command: Command) -> Daemon {
        command.stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let said = child.stderr.take().unwrap();
        let (sender, log) = watch::channel(Vec::new());
        std::thread::spawn(move || gather(said, &sender));
        Daemon { child, log }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Waits until `count` lines of the log hold a text.
    pub(crate) async fn says(&mut self, text: &str, count: usize) {
        let there =
            |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).count() >= count;
        let waiting = tokio::time::timeout(PATIENCE, self.log.wait_for(there)).await;
        let ended = waiting.is_ok_and(|there| there.is_err());
        let heard = there(&self.log.borrow());
        assert!(heard, "no `{text}` (ended: {ended}) in\n{}", self.log().join("\n"));
    }

    /// Sends a signal, e.g. `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it as a service manager does.
    pub(crate) async fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let mut log = self.log.clone();
        // The log closes when the process has ended.
        let closing = async { while log.changed().await.is_ok() {} };
        let closed = tokio::time::timeout(PATIENCE, closing).await;
        assert!(closed.is_ok(), "it does not end:\n{}", self.log().join("\n"));
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(from: impl Read, into: &watch::Sender<Vec<String>>) {
    for line in BufReader::new(from).lines() {
        let Ok(line) = line else { return };
        into.send_modify(|lines| lines.push(line));
    }
}
