//! Rules at scale: what a round of many rules costs, one rule with many groups, and many groups in
//! breach at once while nobody takes the messages.
//!
//! ```text
//! cargo bench --bench alerts -- [--rules 1000] [--shapes 100] [--sessions 100000] [--minutes 20]
//! cargo bench --bench alerts -- --groups 10000
//! cargo bench --bench alerts -- --breaching 100000 [--grouped]
//! cargo bench --bench alerts -- --prometheus PATH [--rules 1000] [--shapes 100] [--minutes 20] [--seconds 5]
//! ```
//!
//! A minute is sixty beats, as the daemon has them, on a clock that is turned by hand: one pull that
//! brings what the org makes in a minute, one round that has slots due, and fifty-nine that look and
//! find nothing. The share of a core is the processor time of all of it over the minutes it stands
//! for; pulls are measured by themselves and left out.

mod ground;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use postrider::demo::catcher::Catcher;
use postrider::store::state::{incidents, outbox};

use ground::figures::{self, cost_of, seconds};
use ground::org::Org;
use ground::{Arguments, line, timed};

#[path = "reports/batches.rs"]
mod batches;
#[path = "alerts/prometheus.rs"]
mod prometheus;
#[path = "alerts/world.rs"]
mod world;

use world::World;

/// So many rules have the groups that are in breach.
const BREACHING_RULES: u64 = 10;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::of_process();
    if !arguments.has("bench") {
        return Ok(());
    }
    let org = Org { sessions: arguments.number("sessions", 100_000)? };
    let minutes = arguments.number("minutes", 20)?.max(1);
    line(figures::machine());
    let folder = ground::fresh("alerts")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(program) = arguments.text("prometheus") {
            let rules = arguments.number("rules", 1000)?;
            let shapes = arguments.number("shapes", 100)?.clamp(1, rules);
            let seconds = arguments.number("seconds", 5)?.max(1);
            let (program, rounds) = (Path::new(program), (minutes, seconds));
            return prometheus::beside(program, (rules, shapes), rounds, &folder);
        }
        if arguments.has("breaching") {
            let groups = arguments.number("breaching", 100_000)?;
            let grouped = arguments.has("grouped");
            return breaching(org, groups, grouped, &folder).await;
        }
        let text = if arguments.has("groups") {
            let groups = arguments.number("groups", 10_000)?;
            line(format!("1 rule, {groups} groups"));
            world::many_groups(1, groups, org, arguments.text("level").unwrap_or("> 1000000"), "")
        } else {
            let rules = arguments.number("rules", 1000)?;
            let shapes = arguments.number("shapes", 100)?.clamp(1, rules);
            line(format!("{rules} rules of {shapes} shapes, each evaluated every minute"));
            world::many_rules(rules, shapes)
        };
        rounds(&text, org, minutes, &folder).await
    })
}

/// Minute by minute: what the rounds cost.
async fn rounds(text: &str, org: Org, minutes: u64, folder: &Path) -> anyhow::Result<()> {
    let mut world = loaded(text, org, folder)?;
    // Caches are warm and the first incidents have fired.
    for _ in 0..2 {
        minute(&mut world).await?;
    }
    let engine = world.engine().clone();
    let figures = engine.rule_figures();
    let counts = || (figures.slots.load(Ordering::Relaxed), figures.passes.load(Ordering::Relaxed));
    let before = counts();
    let (mut took, mut busy) = (Vec::new(), 0.0);
    for _ in 0..minutes {
        let (round, cpu) = minute(&mut world).await?;
        took.push(round);
        busy += cpu;
    }
    let after = counts();
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share).ceil() as usize];
    line(format!(
        "{minutes} minutes: {:.2} % of a core; a round {} (median), {} (p99)",
        100.0 * busy / (60.0 * minutes as f64),
        seconds(at(0.5)),
        seconds(at(0.99)),
    ));
    line(format!(
        "{} evaluations by {} passes over the records",
        after.0 - before.0,
        after.1 - before.1
    ));
    tell_state(&world)?;
    Ok(())
}

fn loaded(text: &str, org: Org, folder: &Path) -> anyhow::Result<World> {
    let (world, took) = timed(|| World::load(text, org, folder));
    let memory = cost_of("self")?.now_mb;
    line(format!(
        "{} sessions and {} metrics loaded in {}; {memory:.0} MB resident",
        org.sessions,
        org.sessions * 6,
        seconds(took)
    ));
    world
}

/// One minute of beats: how long the round took that had slots due, and the processor time of all.
async fn minute(world: &mut World) -> anyhow::Result<(Duration, f64)> {
    let now = world.turn(TimeDelta::seconds(1));
    world.pull(now)?;
    let started_cpu = cost_of("self")?.cpu_s;
    let started = Instant::now();
    world.engine().evaluate_due().await?;
    let took = started.elapsed();
    for _ in 0..59 {
        world.turn(TimeDelta::seconds(1));
        world.engine().evaluate_due().await?;
    }
    Ok((took, cost_of("self")?.cpu_s - started_cpu))
}

fn tell_state(world: &World) -> anyhow::Result<u64> {
    let state = &world.engine().store().state;
    let open = state.read(incidents::open)?.len();
    let told = state.read(incidents::told_live)?.iter().filter(|told| told.knows()).count();
    let counts = state.read(outbox::counts)?;
    let messages: u64 = counts.iter().map(|(_, count)| count).sum();
    let cost = cost_of("self")?;
    line(format!(
        "{open} incidents open, {told} of them told, {messages} messages in the outbox; {:.0} MB resident, {:.0} MB at most",
        cost.now_mb, cost.peak_mb
    ));
    Ok(messages)
}

/// Many groups breach at once while the receiver is down; then it returns.
async fn breaching(org: Org, groups: u64, grouped: bool, folder: &Path) -> anyhow::Result<()> {
    let each = groups / BREACHING_RULES;
    let route = if grouped { "group_by = [\"rule\"]\n" } else { "" };
    let text = world::many_groups(BREACHING_RULES, each, org, "> 0", route);
    line(format!("{BREACHING_RULES} rules, {each} groups each, all in breach; grouped: {grouped}"));
    let mut world = loaded(&text, org, folder)?;
    for round in 1..=3 {
        let (took, cpu) = minute(&mut world).await?;
        line(format!(
            "minute {round}: the round took {}, the minute {cpu:.1} s of processor time",
            seconds(took)
        ));
        let (tried, took) = {
            let started = Instant::now();
            (world.engine().deliver_due().await?, started.elapsed())
        };
        line(format!("  {tried} attempts at deliveries, in vain, in {}", seconds(took)));
    }
    let owed = tell_state(&world)?;
    let clock = std::sync::Arc::clone(&world.clock) as std::sync::Arc<dyn postrider::clock::Clock>;
    let catcher = Catcher::start(([127, 0, 0, 1], 0).into(), Vec::new(), clock).await?;
    world.with_receivers(&text, folder, &catcher.url())?;
    let started = Instant::now();
    // What began in the last minutes waits for the interval of its group.
    for _ in 0..50 {
        world.turn(TimeDelta::minutes(10));
        world.engine().evaluate_due().await?;
        world.engine().deliver_due().await?;
        let counts = world.engine().store().state.read(outbox::counts)?;
        if counts.iter().all(|(state, _)| state == "delivered") {
            break;
        }
    }
    line(format!(
        "the receiver is back: {owed} messages were owed then; after {} it has taken {}",
        seconds(started.elapsed()),
        catcher.received()
    ));
    tell_state(&world)?;
    Ok(())
}
