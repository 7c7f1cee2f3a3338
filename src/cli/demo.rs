//! `postrider demo`: everything at work with nothing set up. A small Salesforce org, a mail inbox
//! with a page and a webhook catcher run in this process, and the daemon on the shipped config;
//! org and daemon share a clock that is sixty times as fast.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Datelike, Days, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::context::runtime;
use super::run::stopped;
use super::{Done, print};
use crate::app::{App, Limits};
use crate::clock::{Clock, ScaledClock, SystemClock};
use crate::config::{self, Config, Given, Mode, Overlay, SourceSettings};
use crate::demo::catcher::Catcher;
use crate::demo::inbox::Inbox;
use crate::demo::inbox::Page;
use crate::demo::org::{self, Incident, Org, Plan, Serving};
use crate::domain::zone::Zone;
use crate::store::state::ledger;
use crate::store::state::outbox::{self, SMTP};

/// The config that ships, as it is.
const CONFIG: &str = include_str!("../../config.toml");
/// The signing secret of the demo's webhooks; it guards nothing.
const HOOK_SECRET: &str = "whsec_cG9zdHJpZGVyLWRlbW8td2ViaG9vay1zZWNyZXQ=";
/// The story begins on a Monday at this time, a quarter of an hour before its digests.
const BEGINS: (u32, u32) = (7, 15);
/// Customers begin to wait so long after the story begins.
const TROUBLE_AFTER: TimeDelta = TimeDelta::minutes(30);
/// Where the page is, if that port is free.
const PORT: u16 = 8025;

#[derive(Debug, Args)]
#[command(after_help = "It needs nothing and leaves nothing behind: Ctrl-C ends it.
What happens within two minutes: the history is loaded, the digests of Monday morning go out, nobody
answers on WhatsApp for a while, the rule for waiting customers fires, rises and resolves.

With --chaos the org answers now and then with lost sessions, pages of HTML, broken bodies, slow
answers, lost locators and timeouts. Nothing else changes: the same mails go out with the same
figures. The same --seed meets the same troubles.")]
pub(super) struct Demo {
    /// Which data is made up
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Sessions on an ordinary weekday
    #[arg(long, default_value_t = 400, value_name = "COUNT")]
    sessions: u32,
    /// How many times as fast as real time
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
    speed: u32,
    /// Port of the inbox page; 0 takes a free one
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The org misbehaves as orgs do: one request in twenty fails, and the figures stay right
    #[arg(long)]
    chaos: bool,
    /// End by itself after so many real seconds
    #[arg(long, value_name = "SECONDS")]
    r#for: Option<u64>,
}

/// What surrounds the daemon in the demo. Dropping it ends it.
struct Surroundings {
    org: Arc<Org>,
    serving: Serving,
    inbox: Arc<Inbox>,
    catcher: Arc<Catcher>,
    page: Page,
    folder: tempfile::TempDir,
}

impl Demo {
    pub(super) fn execute(&self) -> Done {
        runtime()?.block_on(self.play())?;
        Ok(())
    }

    async fn play(&self) -> anyhow::Result<()> {
        let zone = Zone::named("Europe/Berlin").map_err(anyhow::Error::msg)?;
        let begins = story_begins(SystemClock.now(), &zone);
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(begins, self.speed));
        print::line(
            "postrider demo: a small Salesforce org, an inbox and the daemon, in this process",
        );
        let around = self.surround(begins, &clock).await?;
        let (config, replaced) = shipped(&around)?;
        print::line("\nThe shipped config.toml, with these addresses and secrets replaced:");
        for line in replaced {
            print::line(format!("  {line}"));
        }
        print::line(format!("\n  inbox and webhooks: {}", around.page.url()));
        let shown = zone.civil(begins).format("%A %-d %B %Y %H:%M");
        print::line(format!("  it is {shown} in {zone}; a second is {} of them\n", self.speed));
        let limits = Limits { shutdown_grace: Some(Duration::from_secs(3)), ..Limits::default() };
        let app = Arc::new(App::build(config, Arc::clone(&clock), limits)?);
        let told = tokio::spawn(tell(Arc::clone(&app), Arc::clone(&around.org), zone));
        let ended = async {
            match self.r#for {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => stopped().await,
            }
        };
        let done = app.run(ended).await;
        told.abort();
        print::line("\nThe demo is over; nothing of it is left.");
        done
    }

    async fn surround(
        &self,
        begins: DateTime<Utc>,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Surroundings> {
        let mut plan = Plan::new(begins);
        plan.sessions_per_day = f64::from(self.sessions);
        plan.incidents = vec![Incident::on_whatsapp(begins + TROUBLE_AFTER)];
        let org = Org::generate(self.seed, plan, Arc::clone(clock));
        if self.chaos {
            org.chaos(self.seed);
            print::line(
                "with --chaos one request to the org in twenty fails in one way or another",
            );
        }
        let serving = org.start().await.context("the org cannot listen on loopback")?;
        let inbox = Inbox::start(Arc::clone(clock)).await.context("the inbox cannot listen")?;
        let inbox = Arc::new(inbox);
        let any = ([127, 0, 0, 1], 0).into();
        let catcher = Catcher::start(any, vec![HOOK_SECRET.into()], Arc::clone(clock)).await;
        let catcher = Arc::new(catcher.context("the webhook catcher cannot listen")?);
        let page = |at| Page::start(at, Arc::clone(&inbox), Some(Arc::clone(&catcher)));
        let page = match page(([127, 0, 0, 1], self.port).into()).await {
            Ok(page) => page,
            // Somebody else has the usual port: any will do.
            Err(_) => page(any).await.context("the page cannot listen")?,
        };
        let folder = tempfile::Builder::new().prefix("postrider-demo-").tempdir()?;
        Ok(Surroundings { org, serving, inbox, catcher, page, folder })
    }
}

/// The last Monday that is not in the future, a quarter of an hour before the digests go out.
fn story_begins(now: DateTime<Utc>, zone: &Zone) -> DateTime<Utc> {
    let today = zone.date(now);
    let monday = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
    let (hour, minute) = BEGINS;
    let civil = monday.and_hms_opt(hour, minute, 0).expect("a time of day");
    zone.first_instant(civil)
}

/// The shipped config with the addresses and secrets of the demo, and what was replaced.
fn shipped(around: &Surroundings) -> anyhow::Result<(Config, Vec<String>)> {
    let mut env = Given::default();
    for name in ["SMTP_PASSWORD", "SF_CLIENT_ID", "SF_CLIENT_SECRET"] {
        env.variables.insert(name.into(), "demo".into());
    }
    env.variables.insert("OPS_HOOK_URL".into(), "https://hooks.example.com/postrider".into());
    env.variables.insert("OPS_HOOK_SECRET".into(), HOOK_SECRET.into());
    let loaded = config::load_text("config.toml", CONFIG, Path::new("."), &env, Mode::Run);
    let (mut config, _) = loaded.map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let replaced = config.overlay(&Overlay {
        smtp: (around.inbox.address().ip().to_string(), around.inbox.address().port()),
        login_url: around.serving.url(),
        credentials: (org::CLIENT_ID.into(), org::CLIENT_SECRET.into()),
        webhooks: around.catcher.url(),
        webhook_secret: HOOK_SECRET.into(),
        state: around.folder.path().join("state"),
    });
    Ok((config, replaced))
}

/// Shows the first load as a bar, then tells each mail and webhook as it is delivered.
async fn tell(app: Arc<App>, org: Arc<Org>, zone: Zone) {
    if let Err(err) = load_bar(&app, &org).await {
        print::remark(format!("the load cannot be watched: {err:#}"));
    }
    let mut seen = HashSet::new();
    let mut told = 0;
    loop {
        let state = &app.engine().store().state;
        let news = state.read(|tx| {
            let decided = ledger::latest(tx, None, 10_000)?;
            Ok((decided, outbox::list(tx, Some("delivered"), None, 1000)?))
        });
        let (mut decided, delivered) = news.unwrap_or_default();
        decided.retain(|entry| entry.kind == "incident");
        for entry in decided.iter().rev().skip(told) {
            let at = zone.civil(entry.at).format("%H:%M");
            print::line(format!("  {at}  rule     {}: {}", entry.subject, entry.text));
        }
        told = decided.len();
        for row in delivered.iter().rev() {
            if seen.insert(row.id) {
                let at = zone.civil(row.finished_at.unwrap_or(row.created_at)).format("%H:%M");
                let way = if row.receiver == SMTP { "mail   " } else { "webhook" };
                print::line(format!("  {at}  {way}  {}  ->  {}", row.subject, row.recipient));
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Records loaded of those the org has, until every dataset in use is there.
async fn load_bar(app: &App, org: &Org) -> anyhow::Result<()> {
    let datasets = app.engine().plant().datasets_in_use().to_vec();
    let of_org = |source: &str| {
        matches!(app.config().sources.get(source), Some(SourceSettings::Salesforce(_)))
    };
    let datasets: Vec<_> = datasets.into_iter().filter(|dataset| of_org(&dataset.source)).collect();
    let all: usize = datasets.iter().map(|dataset| org.records(&dataset.name).len()).sum();
    let bar = ProgressBar::new(all as u64);
    bar.set_style(ProgressStyle::with_template(
        "  loading  {bar:40}  {human_pos} of {human_len} records",
    )?);
    loop {
        let states = app.engine().store().dataset_states()?;
        let used = |name: &str| datasets.iter().any(|dataset| dataset.name == name);
        let states: Vec<_> = states.into_iter().filter(|state| used(&state.dataset)).collect();
        let loaded: u64 = states.iter().map(|state| state.records.max(state.load_records)).sum();
        bar.set_position(loaded);
        if states.len() == datasets.len() && states.iter().all(|state| state.ready) {
            bar.finish_and_clear();
            print::line(format!("  loaded   {loaded} records of {} datasets", datasets.len()));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
