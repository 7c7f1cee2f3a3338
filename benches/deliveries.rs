//! Ten thousand mails and ten thousand webhooks that are owed: how fast the daemon gets them out of
//! its outbox, each attempt written down and synced before it begins and after it ends, beside
//! programs that write nothing down.
//!
//! ```text
//! cargo bench --bench deliveries -- --postfix DIR [--wrk PROGRAM] [--python none]
//!     [--mails 10000] [--bytes 20000] [--sessions 8] [--rounds 2]
//! ```
//!
//! `DIR` holds Postfix's `smtp-sink` and `smtp-source` (`/usr/sbin` where Postfix is installed). Every
//! contestant sends as many mails of the same size over as many sessions to the same sink. Webhooks go
//! to an endpoint in a process of its own, beside `wrk` posting the same body.

mod ground;

use std::path::Path;
use std::time::Duration;

use ground::figures::{self, seconds};
use ground::{Arguments, line};

#[path = "deliveries/commits.rs"]
mod commits;
#[path = "deliveries/endpoint.rs"]
mod endpoint;
#[path = "deliveries/others.rs"]
mod others;
#[path = "deliveries/outbox.rs"]
mod outbox;
#[path = "deliveries/sink.rs"]
mod sink;

/// What all contestants send.
#[derive(Clone, Copy, Debug)]
struct Load {
    messages: u64,
    bytes: usize,
    sessions: u64,
}

/// What a contestant needed.
#[derive(Clone, Copy, Debug)]
struct Took {
    wall: Duration,
    cpu_s: f64,
    /// Not known of all of them.
    peak_mb: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    match arguments.text("as") {
        Some("endpoint") => return endpoint::serve(),
        Some(other) => anyhow::bail!("there is no contestant `{other}`"),
        None if !arguments.has("bench") => return Ok(()),
        None => {}
    }
    let load = Load {
        messages: arguments.number("mails", 10_000)?.max(1),
        bytes: usize::try_from(arguments.number("bytes", 20_000)?)?,
        sessions: arguments.number("sessions", 8)?.max(1),
    };
    let rounds = arguments.number("rounds", 2)?.max(1);
    line(figures::machine());
    let bare = commits::bare(load.messages)?;
    line(format!(
        "bare SQLite: {:.0} commits a second, one row changed and one added in each, synced",
        per_second(load.messages, bare)
    ));
    if let Some(postfix) = arguments.text("postfix") {
        let python = arguments.text("python") != Some("none");
        mails(load, rounds, Path::new(postfix), python, bare)?;
    }
    webhooks(load, rounds, arguments.text("wrk"), bare)
}

fn mails(
    load: Load,
    rounds: u64,
    postfix: &Path,
    python: bool,
    bare: Duration,
) -> anyhow::Result<()> {
    let Load { messages, bytes, sessions } = load;
    line(format!("{messages} mails of {bytes} bytes over {sessions} sessions to smtp-sink"));
    let sink = sink::Sink::start(postfix)?;
    let source = best(rounds, || others::smtp_source(postfix, load, &sink.address()))?;
    told("Postfix's smtp-source", load, source, None);
    let ours = best(rounds, || outbox::mails(load, &sink.address()))?;
    told("postrider", load, ours, Some(source));
    against_commits(ours, bare);
    if python {
        for how in ["smtplib", "aiosmtplib"] {
            let took = best(rounds, || others::python(how, load, &sink.address()))?;
            told(how, load, took, Some(source));
        }
    }
    Ok(())
}

fn webhooks(load: Load, rounds: u64, wrk: Option<&str>, bare: Duration) -> anyhow::Result<()> {
    line(format!("{} webhooks of {} bytes", load.messages, load.bytes));
    let endpoint = endpoint::Endpoint::start()?;
    let peer = match wrk {
        Some(wrk) => {
            let took = best(rounds, || others::wrk(Path::new(wrk), load, &endpoint.url()))?;
            told("wrk", load, took, None);
            Some(took)
        }
        None => None,
    };
    let ours = best(rounds, || outbox::webhooks(load, &endpoint.url()))?;
    told("postrider", load, ours, peer);
    against_commits(ours, bare);
    Ok(())
}

/// The fastest of some rounds: what the machine allows, others' work left out.
fn best(rounds: u64, work: impl Fn() -> anyhow::Result<Took>) -> anyhow::Result<Took> {
    let mut best: Option<Took> = None;
    for _ in 0..rounds {
        let took = work()?;
        if best.is_none_or(|best| took.wall < best.wall) {
            best = Some(took);
        }
    }
    best.ok_or_else(|| anyhow::anyhow!("no round was run"))
}

fn told(who: &str, load: Load, took: Took, beside: Option<Took>) {
    let ratio = beside.map_or_else(String::new, |beside| {
        format!("; {:.2} of the rate", beside.wall.as_secs_f64() / took.wall.as_secs_f64())
    });
    let memory = took.peak_mb.map_or_else(String::new, |mb| format!(", {mb:.0} MB at most"));
    line(format!(
        "  {who}: {}, {:.0} a second, {:.2} s of processor time{memory}{ratio}",
        seconds(took.wall),
        per_second(load.messages, took.wall),
        took.cpu_s,
    ));
}

/// A delivery is two writes that are synced before anything else happens to it.
fn against_commits(ours: Took, bare: Duration) {
    line(format!(
        "    {:.2} deliveries, {:.2} synced writes for each commit of bare SQLite",
        bare.as_secs_f64() / ours.wall.as_secs_f64(),
        2.0 * bare.as_secs_f64() / ours.wall.as_secs_f64(),
    ));
}

fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
