//! The campaign: many seeds, each a life of its own, and what became of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Utc};
use tempfile::TempDir;

mod broken;
#[path = "../crash/chance.rs"]
mod chance;
mod check;
mod far;
mod fault;
mod life;
mod lines;
mod machine;
mod plants;
mod shared;
mod tally;
mod trace;

pub(crate) use broken::Break;
use life::{Ended, Place, live};
use machine::Machine;
use plants::Plants;
use tally::Tally;

/// When every life begins.
const BEGIN: &str = "2026-03-02T07:00:30Z";
/// Where databases are fast, if it is there.
const FAST: &str = "/dev/shm";

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The first seed, and how many.
    pub(crate) first: u64,
    pub(crate) seeds: u64,
    /// Steps of each.
    pub(crate) steps: u32,
    /// A build that is broken in this way.
    pub(crate) breaks: Option<Break>,
    /// Each seed is lived twice and must leave the same trace.
    pub(crate) twice: bool,
    /// Every event is shown.
    pub(crate) all: bool,
}

/// What became of it.
pub(crate) struct Found {
    pub(crate) tally: Tally,
    /// Seeds that broke a promise, in words.
    pub(crate) broken: Vec<String>,
    pub(crate) took: Duration,
    /// Events of the last life, where all were asked for.
    pub(crate) events: Vec<String>,
}

/// A place where lives are lived one after the other.
struct Ground {
    machine: Machine,
    plants: Plants,
    begin: DateTime<Utc>,
    root: TempDir,
}

impl Ground {
    fn new() -> anyhow::Result<Ground> {
        // A second campaign in one process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let fast = Path::new(FAST);
        let root = match fast.is_dir() {
            true => tempfile::Builder::new().prefix("postrider-sim").tempdir_in(fast)?,
            false => tempfile::tempdir()?,
        };
        let begin = BEGIN.parse().context("the beginning")?;
        let machine = Machine::new()?;
        let plants = Plants::prepare(&root.path().join("first"), begin)?;
        Ok(Ground { machine, plants, begin, root })
    }

    /// A folder with the databases that a life begins with.
    fn folder(&self, breaks: Option<Break>) -> anyhow::Result<PathBuf> {
        let folder = self.root.path().join("life");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir(&folder)?;
        for name in ["state.db", "records.db"] {
            std::fs::copy(self.root.path().join("first").join(name), folder.join(name))?;
        }
        if let Some(breaks) = breaks {
            check::break_databases(&folder, breaks)?;
        }
        Ok(folder)
    }

    fn live(&self, plan: &Plan, seed: u64, tally: &mut Tally) -> anyhow::Result<Ended> {
        let folder = self.folder(plan.breaks)?;
        let place = Place {
            machine: &self.machine,
            plants: &self.plants,
            folder: &folder,
            begin: self.begin,
            breaks: plan.breaks,
            all: plan.all,
        };
        live(&place, seed, plan.steps, tally).with_context(|| format!("seed {seed}"))
    }
}

/// Lives the seeds of a plan; stops early where the build is meant to be broken and was caught.
pub(crate) fn run(plan: &Plan, told: impl Fn(&str)) -> anyhow::Result<Found> {
    let (ground, began) = (Ground::new()?, Instant::now());
    let mut found = Found {
        tally: Tally::default(),
        broken: Vec::new(),
        took: Duration::ZERO,
        events: Vec::new(),
    };
    for seed in plan.first..plan.first + plan.seeds {
        let ended = ground.live(plan, seed, &mut found.tally)?;
        found.tally.seeds += 1;
        if plan.twice {
            let again = ground.live(plan, seed, &mut Tally::default())?;
            if again.sum != ended.sum {
                found.broken.push(differ(seed, &ended, &again));
            }
        }
        if let Some((invariant, what)) = &ended.broken {
            found.broken.push(words(plan, seed, &ended, *invariant, what));
        }
        found.events = ended.events;
        if !found.broken.is_empty() && (plan.breaks.is_some() || found.broken.len() >= 5) {
            break;
        }
        if found.tally.seeds.is_multiple_of(500) {
            told(&format!("{} seeds, {:.0} s", found.tally.seeds, began.elapsed().as_secs_f64()));
        }
    }
    found.took = began.elapsed();
    Ok(found)
}

fn words(plan: &Plan, seed: u64, ended: &Ended, invariant: u8, what: &str) -> String {
    let mut text = format!("seed {seed}, step {}, invariant {invariant}: {what}", ended.step);
    if plan.breaks.is_none() {
        let shown = if plan.all { 0 } else { ended.events.len() };
        for event in ended.events.iter().take(shown) {
            let _ = write!(text, "\n    {event}");
        }
        let _ = write!(
            text,
            "\n  again: cargo bench --bench sim -- --seed {seed} --seeds 1 --steps {}",
            plan.steps
        );
    }
    text
}

/// Where two lives of one seed part.
fn differ(seed: u64, one: &Ended, other: &Ended) -> String {
    let parted = one.events.iter().zip(&other.events).find(|(one, other)| one != other);
    format!(
        "seed {seed} was lived twice and left two traces: {:?} and {:?}; {parted:?}",
        one.sum, other.sum
    )
}
