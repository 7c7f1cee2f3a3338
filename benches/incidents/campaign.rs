//! The story: one timeline, two daemons with far sides of their own, one of which is killed again
//! and again; and the comparison of what both have told and stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::{Clock, ScaledClock, SystemClock};
use postrider::demo::catcher::Catcher;
use postrider::demo::inbox::Inbox;
use secrecy::SecretString;
use tempfile::TempDir;

#[path = "../crash/chance.rs"]
mod chance;
pub(crate) mod compare;
#[path = "../crash/daemon.rs"]
mod daemon;
pub(crate) mod findings;
mod moment;
#[path = "../crash/sink.rs"]
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod state;
pub(crate) mod timeline;

use chance::Chance;
use daemon::{Daemon, HOOK_SECRET, Home};
use findings::Findings;
use moment::Moment;
use sink::Sink;
use source::Source;
use timeline::{REPEAT, Timeline};

/// When the story begins, by the scaled clock.
const BEGIN: &str = "2026-03-02T07:00:00Z";
/// Real time between two looks at the far sides.
const LOOK: Duration = Duration::from_millis(20);
/// How long a daemon may take to come as far as it has to, in real time.
const PATIENCE: Duration = Duration::from_secs(90);
/// Minutes at the beginning and at the end without kills: to see the lines for the first time, and
/// for everything to end in.
const HEAD: f64 = 3.0;
const END: f64 = 12.0;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How often the daemon is killed.
    pub(crate) kills: u32,
    /// Where chance begins.
    pub(crate) seed: u64,
    /// How much faster than real time everybody's clock goes.
    pub(crate) speed: u32,
    /// Whether the state of the one that is killed forgets what receivers were told: proves that it
    /// would be noticed.
    pub(crate) forgetful: bool,
}

impl Plan {
    /// So many minutes long is the timeline: there is a kill every 2 s of real time.
    fn minutes(&self) -> u32 {
        let between = f64::from(self.kills * self.speed) * 2.0 / 60.0;
        ((HEAD + END + between) as u32).max(50)
    }
}

/// What came of it.
pub(crate) struct Found {
    /// What was counted.
    pub(crate) table: String,
    /// The promises that were not kept.
    pub(crate) broken: Vec<String>,
    /// Where the daemons' files are, if they were kept because a promise was not.
    pub(crate) kept: Option<PathBuf>,
}

/// Runs a campaign; `told` hears how far it is.
pub(crate) async fn run(plan: &Plan, told: impl Fn(&str)) -> anyhow::Result<Found> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir()?;
    let mut campaign = Campaign::begin(plan, folder.path()).await?;
    let lived = async {
        campaign.kill_again_and_again(plan, &told).await?;
        told("left alone now: both finish what they owe");
        campaign.finish().await
    };
    if let Err(err) = lived.await {
        let kept = TempDir::keep(folder);
        return Err(err.context(format!("states, configs and logs: {}", kept.display())));
    }
    let mut findings = Findings::default();
    campaign.counts(plan, &mut findings);
    let side = |side: &Side| state::State::read(&side.home.state());
    let (alone, killed) = (side(&campaign.alone)?, side(&campaign.killed)?);
    let told_alone = compare::Told { state: &alone, arrivals: &campaign.alone.sink.arrivals };
    let told_killed = compare::Told { state: &killed, arrivals: &campaign.killed.sink.arrivals };
    compare::compare(&told_alone, &told_killed, &mut findings);
    let (table, broken) = findings.into_parts();
    let kept = (!broken.is_empty()).then(|| TempDir::keep(folder));
    Ok(Found { table, broken, kept })
}

/// The config of a timeline, but for the port of the mail server.
pub(crate) fn config(timeline: &Timeline, source: &Source) -> String {
    include_str!("config.toml")
        .replace("{source_url}", &source.url())
        .replace("{hold}", &timeline.holds.hold.to_string())
        .replace("{keep}", &timeline.holds.keep.to_string())
        .replace("{gone}", &timeline.holds.gone.to_string())
        .replace("{repeat}", &REPEAT.to_string())
}

/// A daemon, its files and its far sides.
struct Side {
    home: Home,
    sink: Sink,
    daemon: Option<Daemon>,
}

impl Side {
    async fn begin(
        folder: &Path,
        config: &str,
        clock: &Arc<dyn Clock>,
        argument: &str,
        chance: Chance,
    ) -> anyhow::Result<Side> {
        std::fs::create_dir_all(folder)?;
        let inbox = Inbox::start(Arc::clone(clock)).await?;
        let secrets = vec![SecretString::from(HOOK_SECRET)];
        let catcher =
            Catcher::start(([127, 0, 0, 1], 0).into(), secrets, Arc::clone(clock)).await?;
        let config = config.replace("{smtp_port}", &inbox.address().port().to_string());
        std::fs::write(folder.join("config.toml"), config)?;
        let home =
            Home { folder: folder.to_owned(), clock: argument.to_owned(), hooks: catcher.url() };
        Ok(Side { home, sink: Sink::new(inbox, catcher, chance), daemon: None })
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let daemon = Daemon::start(&self.home).context("the daemon cannot be started")?;
        self.daemon = Some(daemon);
        Ok(())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.still_runs()?;
        self.daemon.take().map_or(Ok(()), Daemon::kill)?;
        Ok(())
    }

    fn still_runs(&mut self) -> anyhow::Result<()> {
        if let Some(daemon) = &mut self.daemon
            && let Some(status) = daemon.ended()?
        {
            bail!("the daemon ended by itself with {status}: {}", self.home.last_words());
        }
        Ok(())
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(daemon) = self.daemon.take() else { return Ok(()) };
        let status = daemon.stop(PATIENCE).await?;
        let well = status.is_some_and(|status| status.success());
        ensure!(well, "SIGTERM ended it with {status:?}: {}", self.home.last_words());
        self.sink.write_down()
    }
}

struct Campaign {
    clock: Arc<dyn Clock>,
    begin: DateTime<Utc>,
    timeline: Timeline,
    alone: Side,
    killed: Side,
    chance: Chance,
    /// Shows the timeline as long as it is there.
    _source: Source,
    moments: BTreeMap<Moment, u32>,
    kills: u32,
}

impl Campaign {
    async fn begin(plan: &Plan, folder: &Path) -> anyhow::Result<Campaign> {
        let begin: DateTime<Utc> = BEGIN.parse()?;
        let timeline = Timeline::of(plan.seed, plan.minutes());
        let anchor = SystemClock.now().timestamp_millis();
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(begin, plan.speed));
        let argument = format!("{anchor},{},{}", begin.timestamp_millis(), plan.speed);
        let source = Source::start(timeline.clone(), begin, Arc::clone(&clock)).await?;
        let config = config(&timeline, &source);
        let chance = |stream| Chance::new(plan.seed, stream);
        let alone =
            Side::begin(&folder.join("alone"), &config, &clock, &argument, chance(1)).await?;
        let killed =
            Side::begin(&folder.join("killed"), &config, &clock, &argument, chance(2)).await?;
        Ok(Campaign {
            clock,
            begin,
            timeline,
            alone,
            killed,
            chance: chance(3),
            _source: source,
            moments: BTreeMap::new(),
            kills: 0,
        })
    }

    /// The minute of the story.
    fn minute(&self) -> f64 {
        (self.clock.now() - self.begin).num_milliseconds() as f64 / 60_000.0
    }

    fn end(&self) -> DateTime<Utc> {
        self.begin + TimeDelta::minutes(i64::from(self.timeline.minutes))
    }

    async fn kill_again_and_again(
        &mut self,
        plan: &Plan,
        told: &impl Fn(&str),
    ) -> anyhow::Result<()> {
        self.alone.start()?;
        self.killed.start()?;
        if plan.forgetful {
            self.live_until(HEAD - 1.0).await?;
            state::forget(&self.killed.home.state())?;
        }
        let span = f64::from(self.timeline.minutes) - HEAD - END;
        while self.kills < plan.kills {
            ensure!(
                self.clock.now() < self.end(),
                "the timeline was over after {} kills",
                self.kills
            );
            let share = self.chance.between(0, 99) as f64 / 100.0;
            let due = HEAD + span * (f64::from(self.kills) + share) / f64::from(plan.kills);
            self.live_until(due).await?;
            self.killed_is_up_to_date().await?;
            let moment = Moment::draw(&mut self.chance);
            let hit = moment.wait(&mut self.killed, &mut self.chance).await?;
            self.kill_at(hit)?;
            // Perhaps once more before it has come to anything.
            if self.kills < plan.kills && self.chance.percent(25) {
                let lives = Duration::from_millis(self.chance.between(5, 250));
                tokio::time::sleep(lives).await;
                self.kill_at(Moment::Starting)?;
            }
            self.killed.sink.behave();
            self.killed.sink.misbehave();
            if self.kills / 10 > (self.kills - 1) / 10 {
                let arrived = self.killed.sink.arrivals.len();
                told(&format!("{} of {} kills, {arrived} messages", self.kills, plan.kills));
            }
        }
        Ok(())
    }

    /// Kills it and starts it again.
    fn kill_at(&mut self, moment: Moment) -> anyhow::Result<()> {
        self.killed.kill()?;
        self.kills += 1;
        *self.moments.entry(moment).or_default() += 1;
        self.killed.sink.write_down()?;
        self.killed.start()
    }

    fn look(&mut self) -> anyhow::Result<()> {
        for side in [&mut self.alone, &mut self.killed] {
            side.still_runs()?;
            side.sink.write_down()?;
        }
        Ok(())
    }

    async fn live_until(&mut self, minute: f64) -> anyhow::Result<()> {
        while self.minute() < minute {
            self.look()?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until the daemon that is killed has caught up, so that it is never blind for long.
    async fn killed_is_up_to_date(&mut self) -> anyhow::Result<()> {
        let up_to_date = |campaign: &Campaign| {
            let seen = state::seen_to(&campaign.killed.home.state())?;
            // The data is a minute behind by intent, a pull comes twice a minute, slots once.
            Ok(seen.is_some_and(|to| campaign.clock.now() - to < TimeDelta::seconds(225)))
        };
        self.until(up_to_date).await
    }

    /// Waits until something is so, while both sides live.
    async fn until(
        &mut self,
        done: impl Fn(&Campaign) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let patience = tokio::time::Instant::now() + PATIENCE;
        while !done(self)? {
            if patience <= tokio::time::Instant::now() {
                let words = [&self.alone, &self.killed].map(|side| side.home.last_words());
                bail!("a daemon does not come as far as it should: {}", words.join(" || "));
            }
            self.look()?;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The rest of the timeline is lived in peace, and both are stopped as one stops them.
    async fn finish(&mut self) -> anyhow::Result<()> {
        self.live_until(f64::from(self.timeline.minutes)).await?;
        let idle = |campaign: &Campaign| {
            for side in [&campaign.alone, &campaign.killed] {
                let folder = side.home.state();
                let seen = state::seen_to(&folder)?.is_some_and(|to| campaign.end() <= to);
                if !seen || state::owed(&folder)? > 0 {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        self.until(idle).await?;
        self.alone.stop().await?;
        self.killed.stop().await
    }

    fn counts(&self, plan: &Plan, findings: &mut Findings) {
        let holds = self.timeline.holds;
        findings.heading(&format!(
            "seed {}: for {} min, keep_firing_for {} min, gone after {} min, repeat {REPEAT} min",
            plan.seed, holds.hold, holds.keep, holds.gone
        ));
        findings.count("minutes of the timeline", self.timeline.minutes);
        findings.count("lines", self.timeline.lines.len());
        findings.count("kills by SIGKILL", self.kills);
        for (moment, count) in &self.moments {
            findings.count(&format!("  {}", moment.words()), count);
        }
        let sink = &self.killed.sink;
        let came = format!("{} {:>6}", sink.ids().len(), sink.arrivals.len());
        findings.count("different messages it sent, times they came", came);
    }
}
