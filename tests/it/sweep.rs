//! A conversation broken at every byte, in both directions, by closing and by reset: what each break
//! is taken for, and how often the message arrives in the end.
//!
//! Every point goes through the engine and its outbox: a message is owed, the first connection is
//! broken after k bytes, the clock goes on, and the message is tried again. Each test prints a table
//! of its points (`cargo nextest run sweep --no-capture`).

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use postrider::app::{App, Limits};
use postrider::clock::{Clock as _, ManualClock};
use postrider::config::{self, Given, Mode};
use postrider::domain::delivery::Message;
use postrider::store::state::outbox::{self, Kind, Owed};
use tempfile::TempDir;

use crate::harness::proxy::{Act, Direction, Edit, Fault, Passed, Proxy};
use crate::harness::{HOOK_SECRET, PATIENCE, utc};

mod hooks;
pub(crate) mod mail;
mod slow;

/// Postrider between two ends: its receivers lead to the proxy, the proxy to the far side.
pub(crate) struct Line {
    pub(crate) app: App,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) proxy: Proxy,
    _folder: TempDir,
}

impl Line {
    /// With the receivers of a config and files beside it; `{port}` in it is the proxy's.
    async fn to(far: SocketAddr, config: &str, limits: Limits, files: &[(&str, &str)]) -> Line {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Arc::new(ManualClock::new(utc("2026-11-23T07:00:00Z")));
        let proxy = Proxy::start(([127, 0, 0, 1], 0).into(), far).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[postrider]\ntimezone = \"UTC\"\nstate = \"sqlite:{}\"\n{}",
            folder.path().join("state").display(),
            config.replace("{port}", &proxy.address().port().to_string())
        );
        let mut env = Given::default();
        env.variables.insert("SMTP_PASSWORD".into(), "s3cret".into());
        env.variables.insert("HOOK_SECRET".into(), HOOK_SECRET.into());
        let hook = format!("http://{}/hook", proxy.address());
        env.variables.insert("HOOK_URL".into(), hook);
        for (name, text) in files {
            env.files.insert(Path::new(".").join(name), (*text).into());
        }
        let loaded = config::load_text("config.toml", &text, Path::new("."), &env, Mode::Run);
        let (config, _) = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        let app = App::build(config, Arc::clone(&clock) as _, limits).unwrap();
        Line { app, clock, proxy, _folder: folder }
    }

    /// Owes a message to a receiver; the number of its delivery.
    pub(crate) fn owe(&self, receiver: &str, message: Message) -> i64 {
        let (now, id) = (self.clock.now(), message.id.clone());
        let owed = Owed {
            kind: Kind::Notice,
            origin: "sweep".to_owned(),
            receiver: receiver.to_owned(),
            subject: "sweep".to_owned(),
            message,
            made_of: None,
        };
        let state = &self.app.engine().store().state;
        state
            .write(|tx| {
                assert!(outbox::owe(tx, &owed, now)?, "{id} was owed before");
                Ok(tx.last_insert_rowid())
            })
            .unwrap()
    }

    /// Delivers what is due; returns when no connection is open any more.
    pub(crate) async fn deliver(&self) {
        let work = async {
            self.app.engine().deliver_due().await.unwrap();
            self.proxy.quiet().await;
        };
        tokio::time::timeout(PATIENCE, work).await.expect("within the test's patience");
    }

    /// The outcome of each attempt at a delivery.
    pub(crate) fn outcomes(&self, delivery: i64) -> Vec<String> {
        let state = &self.app.engine().store().state;
        let shown = state.read(|tx| outbox::show(tx, delivery)).unwrap().expect("a delivery");
        let outcome = |attempt: outbox::Attempt| attempt.outcome.unwrap_or_default();
        shown.attempts.into_iter().map(outcome).collect()
    }

    /// One point: the message's first connection is broken, then it is tried again until it is
    /// delivered.
    async fn point(&self, receiver: &str, message: Message, fault: Fault) -> (Vec<String>, Passed) {
        self.proxy.forget();
        self.proxy.plan(fault, 1);
        let delivery = self.owe(receiver, message);
        self.deliver().await;
        let passed = self.proxy.passed().into_iter().next().unwrap_or_default();
        for _ in 0..3 {
            if self.outcomes(delivery).last().is_some_and(|outcome| outcome == "delivered") {
                break;
            }
            self.clock.advance(TimeDelta::minutes(10));
            self.deliver().await;
        }
        (self.outcomes(delivery), passed)
    }
}

/// What was seen at one point of a sweep.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    /// How the first attempt ended.
    first: String,
    /// How often the message had arrived after it.
    then: usize,
    /// How often after all attempts.
    in_all: usize,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} {:>7} {:>7}", self.first, self.then, self.in_all)
    }
}

/// The points of a sweep in order, for people.
#[derive(Default)]
struct Table(Vec<(u64, Seen)>);

impl Table {
    fn add(&mut self, at: u64, seen: Seen) {
        self.0.push((at, seen));
    }

    /// How many points were so.
    fn count(&self, which: impl Fn(&Seen) -> bool) -> usize {
        self.0.iter().filter(|(_, seen)| which(seen)).count()
    }

    /// A whole sweep meets each outcome, and the one case in which a message arrives twice.
    #[track_caller]
    fn has_everything(&self) {
        for outcome in ["delivered", "uncertain", "server down"] {
            assert!(self.count(|seen| seen.first == outcome) > 0, "no point is {outcome}");
        }
        assert!(self.count(|seen| seen.in_all == 2) > 0, "no point arrives twice");
    }

    /// Neighbours that are alike in one line.
    fn print(&self, what: &str) {
        eprintln!("{what}: {} points", self.0.len());
        eprintln!("{:>11}  {:<12} {:>7} {:>7}", "after byte", "attempt 1", "arrived", "in all");
        for alike in self.0.chunk_by(|(_, one), (_, other)| one == other) {
            let ((from, seen), (to, _)) = (&alike[0], &alike[alike.len() - 1]);
            eprintln!("{:>11}  {seen}", format!("{from}..{to}"));
        }
    }
}

/// What holds whatever the bytes mean.
fn check_unseen(at: u64, seen: &Seen) {
    match seen.first.as_str() {
        "delivered" => assert_eq!((seen.then, seen.in_all), (1, 1), "byte {at}: {seen}"),
        "uncertain" => assert!((1..=2).contains(&seen.in_all), "byte {at}: {seen}"),
        "server down" => assert_eq!((seen.then, seen.in_all), (0, 1), "byte {at}: {seen}"),
        _ => panic!("byte {at}: {seen}"),
    }
}
