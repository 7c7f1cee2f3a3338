//! A day of an org with 10 000 sessions, on a clock that is turned by hand: how many requests the
//! shipped config costs, what share of the org's quota that is, and how far behind the records are at
//! most, while other clients of the org use it in three ways.
//!
//! ```text
//! cargo bench --bench day -- [--sessions 10000] [--share 25]
//! ```

mod ground;
mod shipped;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use postrider::app::App;
use postrider::clock::{Clock, ManualClock};
use postrider::config::SourceSettings;
use postrider::demo::inbox::Inbox;
use postrider::demo::org::{Call, Org, Plan, Settings};

use ground::{Arguments, line};

/// A Monday in Berlin, before anybody works.
const BEGINS: &str = "2026-09-07T22:00:00Z";
/// Rules look at these; how far behind they are is how late an alarm is.
const WATCHED: &str = "MessagingSession";

/// How the others use the org.
struct Shape {
    name: &'static str,
    /// Requests the org allows a day.
    allowed: u64,
    /// Requests of others in this hour of the day (UTC).
    others: fn(u32) -> u64,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "a quiet org of 100 000", allowed: 100_000, others: |_| 1_000 },
    Shape {
        name: "a busy office, 100 000",
        allowed: 100_000,
        others: |hour| if (7..17).contains(&hour) { 7_000 } else { 200 },
    },
    Shape {
        name: "a small org of 15 000, at its wall",
        allowed: 15_000,
        others: |hour| if (8..14).contains(&hour) { 2_000 } else { 50 },
    },
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    if !arguments.has("bench") {
        return Ok(());
    }
    let sessions = arguments.number("sessions", 10_000)?;
    let share = arguments.number("share", 25)? as f64 / 100.0;
    line(format!("{sessions} sessions a day, quota_share = {share}\n"));
    line(
        "                                     requests  of ours  of the org's   peak use  refused   behind: half  at most",
    );
    for shape in SHAPES {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(day(&shape, sessions, share))?;
    }
    Ok(())
}

async fn day(shape: &Shape, sessions: u64, share: f64) -> anyhow::Result<()> {
    let begins: DateTime<Utc> = BEGINS.parse()?;
    let clock = Arc::new(ManualClock::new(begins));
    let dynamic = Arc::clone(&clock) as Arc<dyn Clock>;
    let mut plan = Plan::new(begins);
    plan.sessions_per_day = sessions as f64;
    plan.history = TimeDelta::days(3);
    let settings = Settings { daily_requests: shape.allowed, ..Settings::default() };
    let org = Org::generate_with(1, plan, settings, Arc::clone(&dynamic));
    let serving = org.start().await?;
    let inbox = Inbox::start(Arc::clone(&dynamic)).await?;
    let folder = ground::fresh("day")?;
    let app = shipped::app_on(&serving.url(), &folder, dynamic, |config| {
        for server in config.smtp.iter_mut().flat_map(|smtp| &mut smtp.servers) {
            server.host = inbox.address().ip().to_string();
            server.port = inbox.address().port();
        }
        for source in config.sources.values_mut() {
            let SourceSettings::Salesforce(source) = source else { continue };
            source.quota_share = share;
        }
    })?;
    let started = Instant::now();
    let mut behind = Vec::new();
    let (mut peak, mut refused) = (0.0_f64, 0);
    beat(&app, &clock).await?;
    org.forget_requests();
    for minute in 1..=24 * 60 {
        clock.set(begins + TimeDelta::minutes(minute));
        let hour = clock.now().hour();
        org.use_requests((shape.others)(hour) / 60);
        beat(&app, &clock).await?;
        let states = app.engine().store().dataset_states()?;
        let watched = states.iter().find(|state| state.dataset == WATCHED);
        let watched = watched.context("the sessions are not known")?;
        behind.push(clock.now() - watched.watermark.unwrap_or(begins));
        refused += u64::from(watched.failure.is_some());
        let quota = app.engine().plant().sources.values().find_map(|line| line.source.quota());
        peak = peak.max(quota.map_or(0.0, |quota| quota.used as f64 / quota.allowed as f64));
    }
    let counted = org.requests();
    let ours: u64 =
        counted.iter().filter(|(call, _)| **call != Call::Token).map(|(_, count)| count).sum();
    behind.sort();
    line(format!(
        "{:<36} {ours:9}  {:6.1} %  {:11.1} %  {:7.0} %  {refused:7}  {:8} min  {:3} min   ({:.0} s)",
        shape.name,
        100.0 * ours as f64 / (shape.allowed as f64 * share),
        100.0 * ours as f64 / shape.allowed as f64,
        100.0 * peak,
        behind[behind.len() / 2].num_minutes(),
        behind[behind.len() - 1].num_minutes(),
        started.elapsed().as_secs_f64(),
    ));
    anyhow::ensure!(ours as f64 <= shape.allowed as f64 * share, "more than the share was used");
    Ok(())
}

/// Everything that is due, until nothing is; what waits on the clock is let go on.
async fn beat(app: &App, clock: &ManualClock) -> anyhow::Result<()> {
    let engine = app.engine();
    loop {
        let mut done = 0;
        for source in engine.plant().sources.keys() {
            done += patiently(clock, engine.pull_due(source)).await?;
        }
        done += patiently(clock, engine.evaluate_due()).await?;
        done += patiently(clock, engine.digests_due()).await?;
        done += patiently(clock, engine.deliver_due()).await?;
        if done == 0 {
            return Ok(());
        }
    }
}

async fn patiently<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    let turning = async {
        loop {
            clock.parked(1).await;
            if let Some(wake) = clock.next_wake() {
                clock.set(wake.max(clock.now()));
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = work => done,
        () = turning => unreachable!("it turns for ever"),
    }
}
