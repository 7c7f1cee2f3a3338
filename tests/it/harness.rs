//! The real app on loopback: a real org, a real mail server, a real webhook endpoint, a clock that
//! the test turns and a heart that it beats. Nothing of postrider is replaced.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::app::{App, Limits};
use postrider::clock::{Clock, ManualClock};
use postrider::config::{self, Config, Given, Mode, Overlay};
use postrider::demo::catcher::Catcher;
use postrider::demo::inbox::{Inbox, Mail};
use postrider::demo::org::{self, Org, Serving};
use postrider::domain::incident::Incident;
use postrider::source::Bounds;
use postrider::store::state::outbox::{self, Attempt, Delivery};
use postrider::store::state::{incidents, ledger};
use secrecy::SecretString;
use tempfile::TempDir;

pub(crate) mod canaries;
pub(crate) mod letter;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod records;
pub(crate) mod sources;

pub(crate) use letter::Letter;

/// A signing secret that opens nothing.
pub(crate) const HOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The head of every test's config: one org, one mail server, one mail receiver, one webhook.
pub(crate) const HEAD: &str = r#"
[postrider]
timezone = "Europe/Berlin"
owner = "owner@example.com"

[smtp]
host = "127.0.0.1"
tls = "none"
from = "Postrider <reports@example.com>"

[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = { flow = "client_credentials", client_id = "env:SF_ID", client_secret = "env:SF_SECRET" }
pull_every = "5 min"

[receivers.ops-mail]
kind = "email"
to = ["ops@example.com"]

[receivers.ops-hook]
kind = "webhook"
url = "env:HOOK_URL"
secrets = ["env:HOOK_SECRET"]
"#;

/// One report and its report type: yesterday's sessions by channel.
pub(crate) const TRAFFIC: &str = r#"
[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[reports.traffic]
title = "How many sessions came in?"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
group_by = ["channel as Channel"]
columns = ["count() as Sessions"]
sort = "Sessions desc"
total = true
"#;

/// Postrider with its surroundings.
pub(crate) struct TestPostrider {
    pub(crate) org: Arc<Org>,
    pub(crate) inbox: Inbox,
    pub(crate) catcher: Catcher,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) app: App,
    serving: Serving,
    folder: TempDir,
    /// Whether the outbox may hold something when the test ends.
    pub(crate) may_owe: bool,
}

impl TestPostrider {
    /// Starts everything at an instant (RFC 3339); `fill` puts records into the org first.
    pub(crate) async fn start(config: &str, at: &str, fill: impl FnOnce(&Org)) -> TestPostrider {
        let clock = Arc::new(ManualClock::new(utc(at)));
        let org = Org::empty(Arc::clone(&clock) as Arc<dyn Clock>);
        fill(&org);
        TestPostrider::over(config, clock, org).await
    }

    /// The same over an org that is there already.
    pub(crate) async fn over(
        config: &str,
        clock: Arc<ManualClock>,
        org: Arc<Org>,
    ) -> TestPostrider {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dynamic = Arc::clone(&clock) as Arc<dyn Clock>;
        let inbox = Inbox::start(Arc::clone(&dynamic)).await.unwrap();
        let secrets = vec![SecretString::from(HOOK_SECRET)];
        let catcher = Catcher::start(([127, 0, 0, 1], 0).into(), secrets, Arc::clone(&dynamic))
            .await
            .unwrap();
        let serving = org.start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = loaded(config, folder.path(), &inbox, &catcher, &serving);
        let app = App::build(config, dynamic, limits()).unwrap();
        TestPostrider { org, inbox, catcher, clock, app, serving, folder, may_owe: false }
    }

    /// The config of a text, its addresses and secrets those of this test.
    pub(crate) fn config(&self, text: &str) -> Config {
        loaded(text, self.folder.path(), &self.inbox, &self.catcher, &self.serving)
    }

    /// The org's address.
    pub(crate) fn my_domain(&self) -> String {
        self.serving.url()
    }

    /// A process that ends and starts again on the same state.
    pub(crate) async fn restart(&mut self, config: &str) {
        let config = self.config(config);
        self.app = App::build(config, Arc::clone(&self.clock) as Arc<dyn Clock>, limits()).unwrap();
        self.app.engine().recover().await.unwrap();
    }

    /// The same process where an exchange with a source may take so long and no longer.
    pub(crate) fn hurry(&mut self, config: &str, exchange: Duration) {
        let mut limits = limits();
        let bounds = Bounds { total: exchange, ..Bounds::default() };
        limits.source = Some(bounds);
        let (config, clock) = (self.config(config), Arc::clone(&self.clock) as Arc<dyn Clock>);
        self.app = App::build(config, clock, limits).unwrap();
    }

    /// Beats the heart until nothing is due any more.
    pub(crate) async fn beat(&self) {
        loop {
            let mut done = 0;
            for source in self.app.engine().plant().sources.keys() {
                done += self.patiently(self.app.engine().pull_due(source)).await.unwrap();
            }
            done += self.patiently(self.app.engine().evaluate_due()).await.unwrap();
            done += self.patiently(self.app.engine().digests_due()).await.unwrap();
            done += self.patiently(self.app.engine().deliver_due()).await.unwrap();
            if done == 0 {
                return;
            }
        }
    }

    /// Turns the clock minute by minute and beats at each.
    pub(crate) async fn advance(&self, by: TimeDelta) {
        let until = self.clock.now() + by;
        while self.clock.now() < until {
            self.clock.set((self.clock.now() + TimeDelta::minutes(1)).min(until));
            self.beat().await;
        }
    }

    /// Turns the clock minute by minute to an instant (RFC 3339), beating at each.
    pub(crate) async fn advance_to(&self, at: &str) {
        self.advance(utc(at) - self.clock.now()).await;
    }

    /// Waits for work; what waits on the clock inside it (a retry's pause) is let go on.
    pub(crate) async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        let turning = async {
            loop {
                self.clock.parked(1).await;
                if let Some(wake) = self.clock.next_wake() {
                    self.clock.set(wake.max(self.clock.now()));
                }
                tokio::task::yield_now().await;
            }
        };
        let both = async {
            tokio::select! {
                done = work => done,
                () = turning => unreachable!("it turns for ever"),
            }
        };
        tokio::time::timeout(PATIENCE, both).await.expect("within the test's patience")
    }

    /// Turns the clock straight to an instant (RFC 3339), as if the machine had slept, and beats.
    pub(crate) async fn jump_to(&self, at: &str) {
        self.clock.set(utc(at));
        self.beat().await;
    }

    /// The mails one address got, oldest first, as their reader sees them.
    pub(crate) fn letters_to(&self, address: &str) -> Vec<Letter> {
        self.mails_to(address).iter().map(|mail| Letter::read(mail)).collect()
    }

    /// The ledger's lines of one subject, oldest first: kind and text.
    pub(crate) fn ledger(&self, subject: &str) -> Vec<(String, String)> {
        let state = &self.app.engine().store().state;
        let entries = state.read(|tx| ledger::latest(tx, Some(subject), 10_000)).unwrap();
        entries.into_iter().rev().map(|entry| (entry.kind, entry.text)).collect()
    }

    /// A number asked of the records as they lie on disk.
    #[track_caller]
    pub(crate) fn rows(&self, sql: &str) -> i64 {
        let records = self.folder.path().join("state/records.db");
        let db = rusqlite::Connection::open(records).unwrap();
        db.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|err| panic!("{sql}: {err}"))
    }

    /// Open incidents.
    pub(crate) fn incidents(&self) -> Vec<Incident> {
        self.app.engine().store().state.read(incidents::open).unwrap()
    }

    /// The attempts at one delivery.
    pub(crate) fn attempts(&self, id: i64) -> Vec<Attempt> {
        let state = &self.app.engine().store().state;
        state.read(|tx| outbox::show(tx, id)).unwrap().expect("a delivery").attempts
    }

    /// The mails one address got, oldest first.
    pub(crate) fn mails_to(&self, address: &str) -> Vec<Arc<Mail>> {
        let to = |mail: &Arc<Mail>| mail.recipients.iter().any(|to| to == address);
        self.inbox.mails().into_iter().filter(to).collect()
    }

    /// All deliveries, oldest first.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let state = &self.app.engine().store().state;
        let mut rows = state.read(|tx| outbox::list(tx, None, None, 100_000)).unwrap();
        rows.reverse();
        rows
    }
}

impl Drop for TestPostrider {
    fn drop(&mut self) {
        if std::thread::panicking() || self.may_owe {
            return;
        }
        let open: Vec<_> =
            self.deliveries().into_iter().filter(|row| row.finished_at.is_none()).collect();
        assert!(open.is_empty(), "the outbox still owes {open:#?}");
    }
}

/// Short bounds: a server that stalls costs a test a moment, not a minute.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.smtp.banner = Duration::from_millis(300);
    limits
}

fn loaded(
    text: &str,
    folder: &Path,
    inbox: &Inbox,
    catcher: &Catcher,
    serving: &Serving,
) -> Config {
    let mut env = Given::default();
    for (name, value) in [
        ("SF_ID", org::CLIENT_ID),
        ("SF_SECRET", org::CLIENT_SECRET),
        ("HOOK_URL", "https://hooks.example.com/1"),
        ("HOOK_SECRET", HOOK_SECRET),
        ("SMTP_PASSWORD", "secret"),
        // Of the shipped config.
        ("SF_CLIENT_ID", org::CLIENT_ID),
        ("SF_CLIENT_SECRET", org::CLIENT_SECRET),
        ("OPS_HOOK_URL", "https://hooks.example.com/1"),
        ("OPS_HOOK_SECRET", HOOK_SECRET),
        // Of the recipes.
        ("GITHUB_TOKEN", "secret"),
        ("ZENDESK_TOKEN", "secret"),
    ] {
        env.variables.insert(name.into(), value.into());
    }
    let loaded = config::load_text("config.toml", text, Path::new("."), &env, Mode::Run);
    let (mut config, _) = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    config.overlay(&Overlay {
        smtp: (inbox.address().ip().to_string(), inbox.address().port()),
        login_url: serving.url(),
        credentials: (org::CLIENT_ID.into(), org::CLIENT_SECRET.into()),
        webhooks: catcher.url(),
        webhook_secret: HOOK_SECRET.into(),
        state: folder.join("state"),
    });
    config
}

/// An instant in RFC 3339.
pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|err| panic!("`{text}`: {err}")).to_utc()
}
