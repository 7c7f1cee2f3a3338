//! Postrider: the built binary, with an outbox that somebody has filled before.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use postrider::clock::{Clock, SystemClock};
use postrider::domain::delivery::Message;
use postrider::store::state::State;
use postrider::store::state::outbox::{self, Kind, Owed, SMTP};

use super::{Load, Took};
use crate::ground::{self, figures::cost_of};

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(10);
/// The longest a round may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A mail as digests have them: quoted-printable HTML, lines of 76.
pub(crate) fn mail(id: &str, bytes: usize) -> Vec<u8> {
    let mut text = format!(
        "From: Postrider <reports@example.com>\r\nTo: reader@example.com\r\n\
         Subject: Messaging: 42 sessions\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    );
    while text.len() < bytes {
        let _ = write!(text, "<td style=3D\"padding:4px 8px\">A customer waited {} s</td>\r\n", 42);
    }
    text.into_bytes()
}

/// Sends as many mails as asked for to a mail server.
pub(crate) fn mails(load: Load, to: &str) -> anyhow::Result<Took> {
    let port = to.rsplit_once(':').context("an address has a port")?.1;
    let config = format!(
        "[smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
         from = \"Postrider <reports@example.com>\"\n"
    );
    drained(&config, load, |n| {
        let id = format!("bench-{n}@example.com");
        let bytes = mail(&id, load.bytes);
        (SMTP, Message { id, recipient: "reader@example.com".to_owned(), bytes })
    })
}

/// Posts as many webhooks as asked for to an endpoint, signed.
pub(crate) fn webhooks(load: Load, url: &str) -> anyhow::Result<Took> {
    let config = "[receivers.hook]\nkind = \"webhook\"\nurl = \"env:HOOK_URL\"\n\
                  secrets = [\"env:HOOK_SECRET\"]\nprivate = true\n";
    std::fs::write(ground::folder()?.join("hook-url"), url)?;
    drained(config, load, |n| {
        let bytes = vec![b'x'; load.bytes];
        ("hook", Message { id: format!("msg_bench{n}"), recipient: "hook".to_owned(), bytes })
    })
}

/// Fills an outbox, starts the daemon on it, and waits until nothing is owed: the time from its first
/// words to the last outcome written down.
fn drained(
    config: &str,
    load: Load,
    message: impl Fn(u64) -> (&'static str, Message),
) -> anyhow::Result<Took> {
    let folder = ground::fresh("deliveries")?;
    let path = folder.join("config.toml");
    std::fs::write(&path, format!("[postrider]\nstate = \"sqlite:state\"\n{config}"))?;
    let state = State::open(&folder.join("state"))?;
    let now = SystemClock.now();
    state.write(|tx| {
        for n in 0..load.messages {
            let (receiver, message) = message(n);
            let owed = Owed {
                kind: Kind::Notice,
                origin: "bench".to_owned(),
                receiver: receiver.to_owned(),
                subject: "bench".to_owned(),
                message,
                made_of: None,
            };
            outbox::owe(tx, &owed, now)?;
        }
        Ok(())
    })?;
    let mut daemon = Daemon::start(&path)?;
    let started = Instant::now();
    let count = |state: &str, counts: &[(String, u64)]| {
        counts.iter().find(|(word, _)| word == state).map_or(0, |(_, count)| *count)
    };
    loop {
        // A count by index: it costs the daemon nothing, and ten milliseconds are what is not seen.
        let counts = state.read(outbox::counts)?;
        if count("delivered", &counts) >= load.messages {
            break;
        }
        anyhow::ensure!(started.elapsed() < PATIENCE, "not delivered in time: {counts:?}");
        daemon.still_runs()?;
        pause(LOOK);
    }
    let wall = started.elapsed();
    let cost = cost_of(&daemon.0.id().to_string())?;
    Ok(Took { wall, cpu_s: cost.cpu_s, peak_mb: Some(cost.peak_mb) })
}

/// A running daemon; it does not outlive this value.
struct Daemon(Child);

impl Daemon {
    fn start(config: &Path) -> anyhow::Result<Daemon> {
        let log: PathBuf = ground::folder()?.join("deliveries.log");
        let url = std::fs::read_to_string(ground::folder()?.join("hook-url")).unwrap_or_default();
        let child = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .arg("run")
            .arg("-c")
            .arg(config)
            .env("HOOK_URL", url)
            .env("HOOK_SECRET", "whsec_YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNo")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log)?)
            .spawn()?;
        Ok(Daemon(child))
    }

    fn still_runs(&mut self) -> anyhow::Result<()> {
        let ended = self.0.try_wait()?;
        anyhow::ensure!(ended.is_none(), "the daemon ended: see deliveries.log");
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "it looks at a process from outside")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
