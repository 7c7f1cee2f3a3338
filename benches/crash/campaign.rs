//! The story: an org that lives, far sides that record, a daemon that is killed again and again and
//! at last left to finish, and the audit of what they all say afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::{Clock, ScaledClock, SystemClock};
use postrider::demo::catcher::Catcher;
use postrider::demo::inbox::Inbox;
use postrider::demo::org::{Fault, On};
use secrecy::SecretString;
use tempfile::TempDir;

mod audit;
mod chance;
mod daemon;
mod life;
mod moment;
mod sink;

use audit::{Evidence, Findings};
use chance::Chance;
use daemon::{Daemon, HOOK_SECRET, Home};
use life::Life;
use moment::{Known, Moment};
use sink::Sink;

/// When the story begins, by the scaled clock.
const BEGIN: &str = "2026-03-02T07:00:00Z";
/// Real time between two moments of the world's life.
const TICK: Duration = Duration::from_millis(100);
/// How long the daemon may take to finish everything once nobody kills it, in real time.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it may be stopped with something still owed, because a minute began in that moment.
const STOPS_MAX: u32 = 40;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How often the daemon is killed.
    pub(crate) kills: u32,
    /// Where chance begins.
    pub(crate) seed: u64,
    /// How much faster than real time everybody's clock goes.
    pub(crate) speed: u32,
    /// The shortest and the longest life of a daemon that is killed, in real milliseconds.
    pub(crate) life_ms: (u64, u64),
    /// After so many kills in a hundred it is not started again at once.
    pub(crate) down_percent: u64,
    /// But after so much real time: incidents come and go meanwhile.
    pub(crate) down: Duration,
    /// Whether the org and the far sides do everything right.
    pub(crate) calm: bool,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            kills: 100,
            seed: 1,
            speed: 60,
            life_ms: (50, 2_500),
            down_percent: 10,
            down: Duration::from_secs(9),
            calm: false,
        }
    }
}

/// What came of it.
pub(crate) struct Found {
    /// What was counted.
    pub(crate) table: String,
    /// The promises that were not kept.
    pub(crate) broken: Vec<String>,
    /// Where the daemon's files are, if they were kept because a promise was not.
    pub(crate) kept: Option<PathBuf>,
}

/// Runs a campaign; `told` hears how far it is.
pub(crate) async fn run(plan: &Plan, told: impl Fn(&str)) -> anyhow::Result<Found> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir()?;
    let mut campaign = Campaign::begin(plan, folder.path()).await?;
    campaign.kill_again_and_again(plan, &told).await?;
    told("left alone now: it finishes what it owes");
    campaign.finish().await?;
    let mut findings = std::mem::take(&mut campaign.findings);
    campaign.counts(plan, &mut findings);
    let org = campaign.life.org.clone();
    audit::audit(
        &Evidence {
            state: &campaign.home.state(),
            arrivals: &campaign.sink.arrivals,
            org: &org,
            frozen: campaign.frozen,
            digests_seen: &campaign.digests_seen,
            rule_seen: campaign.rule_seen,
            lives: &campaign.lives,
            speed: i32::try_from(plan.speed)?,
            kills: campaign.kills,
        },
        &mut findings,
    )?;
    let table = findings.table();
    let broken = findings.into_broken();
    let kept = (!broken.is_empty()).then(|| TempDir::keep(folder));
    Ok(Found { table, broken, kept })
}

struct Campaign {
    home: Home,
    clock: Arc<dyn Clock>,
    life: Life,
    sink: Sink,
    chance: Chance,
    /// Serves the org as long as it is there.
    _serving: postrider::demo::org::Serving,
    findings: Findings,
    moments: BTreeMap<Moment, u32>,
    digests_seen: BTreeMap<String, DateTime<Utc>>,
    rule_seen: Option<DateTime<Utc>>,
    frozen: DateTime<Utc>,
    /// When each life of the daemon began and ended.
    lives: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    kills: u32,
    downtimes: u32,
    stops: u32,
}

impl Campaign {
    async fn begin(plan: &Plan, folder: &Path) -> anyhow::Result<Campaign> {
        let start: DateTime<Utc> = BEGIN.parse()?;
        let anchor = SystemClock.now();
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(start, plan.speed));
        let chance = |stream| Chance::new(plan.seed, stream);
        let life = Life::begin(Arc::clone(&clock), chance(1))?;
        life.org.faults().random_pages(plan.seed);
        let serving = life.org.start().await?;
        let inbox = Inbox::start(Arc::clone(&clock)).await?;
        let secrets = vec![SecretString::from(HOOK_SECRET)];
        let catcher =
            Catcher::start(([127, 0, 0, 1], 0).into(), secrets, Arc::clone(&clock)).await?;
        let config = include_str!("config.toml")
            .replace("{smtp_port}", &inbox.address().port().to_string())
            .replace("{org_url}", &serving.url())
            .replace("{refused}", sink::REFUSED);
        std::fs::write(folder.join("config.toml"), config)?;
        let (anchor, start) = (anchor.timestamp_millis(), start.timestamp_millis());
        let home = Home {
            folder: folder.to_owned(),
            clock: format!("{anchor},{start},{}", plan.speed),
            hooks: catcher.url(),
        };
        Ok(Campaign {
            home,
            frozen: clock.now(),
            clock,
            life,
            sink: Sink::new(inbox, catcher, chance(2)),
            chance: chance(3),
            _serving: serving,
            findings: Findings::default(),
            moments: BTreeMap::new(),
            digests_seen: BTreeMap::new(),
            rule_seen: None,
            lives: Vec::new(),
            kills: 0,
            downtimes: 0,
            stops: 0,
        })
    }

    async fn kill_again_and_again(
        &mut self,
        plan: &Plan,
        told: &impl Fn(&str),
    ) -> anyhow::Result<()> {
        for kill in 1..=plan.kills {
            let lives = Duration::from_millis(self.chance.between(plan.life_ms.0, plan.life_ms.1));
            let requests = self.requests();
            let begun = self.clock.now();
            let mut daemon = self.start()?;
            self.live_for(lives, plan.calm).await?;
            let moments = self.look(requests)?;
            self.still_runs(&mut daemon)?;
            daemon.kill()?;
            self.lives.push((begun, self.clock.now()));
            self.kills += 1;
            for moment in moments {
                *self.moments.entry(moment).or_default() += 1;
            }
            if self.chance.percent(plan.down_percent) {
                self.downtimes += 1;
                self.live_for(plan.down, plan.calm).await?;
            }
            if kill % 10 == 0 {
                let arrived = self.sink.arrivals.len();
                told(&format!("{kill} of {} kills, {arrived} messages arrived", plan.kills));
            }
        }
        Ok(())
    }

    fn start(&self) -> anyhow::Result<Daemon> {
        Daemon::start(&self.home).context("the daemon cannot be started")
    }

    /// The world goes on for a while of real time; unless it is `calm`, some of it goes wrong.
    async fn live_for(&mut self, long: Duration, calm: bool) -> anyhow::Result<()> {
        let until = tokio::time::Instant::now() + long;
        loop {
            self.life.tick()?;
            if !calm {
                self.sink.misbehave();
                self.trouble_the_org();
            }
            self.sink.write_down()?;
            let next = tokio::time::Instant::now() + TICK;
            if until <= next {
                tokio::time::sleep_until(until).await;
                return Ok(());
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// Perhaps the org's next answer is late, broken or none.
    fn trouble_the_org(&mut self) {
        let fault = match self.chance.between(0, 99) {
            0..=19 => Fault::Slow(Duration::from_millis(self.chance.between(20, 250))),
            20 => Fault::Disconnect,
            21 => Fault::Html(503),
            22 => Fault::TokenExpired,
            23 => Fault::LocatorExpired,
            24 => Fault::QueryTimeout,
            // Long enough for the owner to be told, and perhaps for a kill.
            25 => Fault::SessionRefused,
            _ => return,
        };
        let mut faults = self.life.org.faults();
        if faults.waiting() < 3 {
            let times = if fault == Fault::SessionRefused { 8 } else { 1 };
            faults.next(fault, On::any(), times);
        }
    }

    fn requests(&self) -> u64 {
        self.life.org.requests().values().sum()
    }

    /// What the daemon seems to be doing, from the outside.
    fn look(&mut self, requests_before: u64) -> anyhow::Result<Vec<Moment>> {
        let now = self.clock.now();
        let requests = self.requests();
        let known = moment::known(&self.home.state())?;
        self.note(&known, now);
        Ok(known.moments(requests - requests_before, now))
    }

    /// Remembers what the daemon is seen to know for the first time: what came before it began is
    /// none of its business.
    fn note(&mut self, known: &Known, now: DateTime<Utc>) {
        for digest in &known.digests {
            self.digests_seen.entry(digest.clone()).or_insert(now);
        }
        self.rule_seen = self.rule_seen.or(known.rule_evaluated);
    }

    fn still_runs(&self, daemon: &mut Daemon) -> anyhow::Result<()> {
        if let Some(status) = daemon.ended()? {
            bail!("the daemon ended by itself with {status}: {}", self.home.last_words());
        }
        Ok(())
    }

    /// Nothing changes any more and everybody behaves; the daemon runs until it owes nothing, and
    /// is stopped as one stops it.
    async fn finish(&mut self) -> anyhow::Result<()> {
        self.life.org.faults().clear();
        self.sink.behave();
        self.frozen = self.clock.now();
        for _ in 0..STOPS_MAX {
            let begun = self.clock.now();
            let mut daemon = self.start()?;
            let idle = tokio::time::timeout(PATIENCE, self.until_idle(&mut daemon)).await;
            if idle.is_err() {
                let left = moment::known(&self.home.state())?;
                bail!("the daemon does not come to an end: {left:?}: {}", self.home.last_words());
            }
            idle??;
            let status = daemon.stop(PATIENCE).await?;
            self.lives.push((begun, self.clock.now()));
            self.stops += 1;
            let said = || format!("SIGTERM ended it with {status:?}: {}", self.home.last_words());
            ensure!(status.is_some_and(|status| status.success()), said());
            self.sink.write_down()?;
            if moment::known(&self.home.state())?.owed == 0 {
                return Ok(());
            }
        }
        bail!("the outbox was never empty after {STOPS_MAX} stops");
    }

    /// Done when nothing is owed, all data is there, and the rules have seen that all is quiet.
    async fn until_idle(&mut self, daemon: &mut Daemon) -> anyhow::Result<()> {
        let quiet = self.frozen + TimeDelta::minutes(8);
        loop {
            tokio::time::sleep(Duration::from_millis(15)).await;
            self.still_runs(daemon)?;
            self.sink.write_down()?;
            let known = moment::known(&self.home.state())?;
            self.note(&known, self.clock.now());
            let seen = known.complete_to.is_some_and(|to| quiet < to)
                && known.rule_evaluated.is_some_and(|to| quiet < to)
                && known.digest_considered.is_some_and(|to| quiet < to);
            if seen && known.owed == 0 {
                return Ok(());
            }
        }
    }

    fn counts(&self, plan: &Plan, findings: &mut Findings) {
        let passed = self.clock.now() - BEGIN.parse::<DateTime<Utc>>().unwrap_or_default();
        findings.heading(&format!("campaign with seed {}", plan.seed));
        findings.count("kills by SIGKILL", self.kills);
        for (moment, count) in &self.moments {
            findings.count(format!("  {}", moment.words()), count);
        }
        findings.count("  after which it stayed down for minutes", self.downtimes);
        findings.count("stops by SIGTERM", self.stops);
        findings.count("minutes by the scaled clock", passed.num_minutes());
        findings.count("requests the org answered", self.requests());
        findings.count("messages the far sides saw", self.sink.arrivals.len());
        findings.count("  different ones", self.sink.ids().len());
    }
}
