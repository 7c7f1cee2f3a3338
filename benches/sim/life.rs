//! One life: a seed, its steps, and the promises that are looked at after each of them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::{Clock, ManualClock};
use postrider::domain::silence::{Ack, Silence, Worse};
use postrider::engine::{Engine, EngineError};
use postrider::store::Store;
use postrider::store::state::{acks, incidents, silences};
use rusqlite::{Connection, OpenFlags};

use super::broken::Break;
use super::chance::Chance;
use super::check;
use super::far::{Far, Manner};
use super::fault::{self, AtSend, Fault, Kind};
use super::lines::{Answers, Lines};
use super::machine::{Called, Machine};
use super::plants::Plants;
use super::shared::{Shared, Sim};
use super::tally::Tally;
use super::trace::Trace;

/// The source of the config.
const SOURCE: &str = "lines";
/// The far sides of the config.
const FAR: [&str; 3] = ["smtp", "hook", "chat"];
/// The calls of a process.
const CALLS: [Call; 5] =
    [Call::Pull, Call::Evaluate, Call::Digests, Call::Deliver, Call::Housekeep];
/// In the quiet at the end everything that is owed has to leave within so many beats.
const BEATS_MAX: u32 = 400;

/// What the engine is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Pull,
    Evaluate,
    Digests,
    Deliver,
    Housekeep,
    /// Two daemons' worth of digests at once.
    DigestsTwice,
    EvaluateTwice,
}

/// One life under way.
pub(crate) struct Life<'a> {
    machine: &'a Machine,
    plants: &'a Plants,
    folder: &'a Path,
    sim: Sim,
    clock: Arc<ManualClock>,
    chance: Chance,
    engine: Option<Arc<Engine>>,
    /// Which config is in force.
    plant: usize,
    silences: u32,
    tally: &'a mut Tally,
    seed: u64,
}

/// How a life ended.
pub(crate) struct Ended {
    /// The number of the broken promise and what happened; `None`: all were kept.
    pub(crate) broken: Option<(u8, String)>,
    /// At which step.
    pub(crate) step: u32,
    /// The trace's sum and how many events it has.
    pub(crate) sum: (u64, u64),
    /// The last events.
    pub(crate) events: Vec<String>,
}

/// Where and how lives are lived.
pub(crate) struct Place<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) plants: &'a Plants,
    /// The life's own folder, with the databases it begins with.
    pub(crate) folder: &'a Path,
    pub(crate) begin: DateTime<Utc>,
    pub(crate) breaks: Option<Break>,
    /// Every event is kept.
    pub(crate) all: bool,
}

/// Lives a seed.
pub(crate) fn live(
    place: &Place<'_>,
    seed: u64,
    steps: u32,
    tally: &mut Tally,
) -> anyhow::Result<Ended> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let witness = Connection::open_with_flags(place.folder.join("state.db"), flags)?;
    let records = Connection::open_with_flags(place.folder.join("records.db"), flags)?;
    let sim = Sim::new(Shared {
        trace: Trace::new(place.all),
        fault: Fault::default(),
        lines: Lines::new(seed, place.begin),
        far: Far::new(seed),
        chance: Chance::new(seed, 4),
        witness,
        records,
        breaks: place.breaks,
        owed: (0, 0),
        life: 0,
        found: None,
    });
    let mut life = Life {
        machine: place.machine,
        plants: place.plants,
        folder: place.folder,
        sim: sim.clone(),
        clock: Arc::new(ManualClock::new(place.begin)),
        chance: Chance::new(seed, 1),
        engine: None,
        plant: 0,
        silences: 0,
        tally,
        seed,
    };
    let step = life.run(steps)?;
    life.engine = None;
    drop(life);
    let mut shared = sim.lock();
    let trace = std::mem::replace(&mut shared.trace, Trace::new(false));
    let far = (shared.far.attempts, shared.far.taken, shared.far.duplicates);
    tally.far(far);
    let sum = trace.sum();
    Ok(Ended { broken: shared.found.take(), step, sum, events: trace.told() })
}

impl Life<'_> {
    /// Its steps, and the quiet at the end. Returns how far it came.
    fn run(&mut self, steps: u32) -> anyhow::Result<u32> {
        self.start(false)?;
        for step in 0..steps {
            self.step()?;
            self.tally.steps += 1;
            if self.is_broken() {
                return Ok(step);
            }
        }
        self.end_in_quiet()?;
        if !self.is_broken() {
            check::at_the_end(&self.sim, self.tally)?;
        }
        Ok(steps)
    }

    fn is_broken(&self) -> bool {
        self.sim.lock().found.is_some()
    }

    fn note(&self, event: impl std::fmt::Display) {
        self.sim.lock().trace.note(event);
    }

    /// One thing that happens.
    fn step(&mut self) -> anyhow::Result<()> {
        match self.chance.between(0, 99) {
            0..=21 => {
                let seconds = self.chance.between(20, 200) as i64;
                self.pass(TimeDelta::seconds(seconds));
            }
            22..=35 => self.call(Call::Pull)?,
            36..=50 => self.call(Call::Evaluate)?,
            51..=59 => self.call(Call::Digests)?,
            60..=77 => self.call(Call::Deliver)?,
            78 => self.call(Call::Housekeep)?,
            79 => self.call(Call::DigestsTwice)?,
            80 => self.call(Call::EvaluateTwice)?,
            81..=88 => {
                let said = self.sim.lock().lines.shift();
                self.note(said);
            }
            89..=91 => self.manner(),
            92 => self.answers(),
            93..=94 => self.people()?,
            95..=96 => self.reload()?,
            97 => self.jump(),
            _ => self.kill()?,
        }
        Ok(())
    }

    /// Time passes.
    fn pass(&mut self, by: TimeDelta) {
        self.clock.advance(by);
        let now = self.clock.now();
        let mut sim = self.sim.lock();
        sim.lines.grow(now);
        sim.trace.note(now.timestamp_millis());
    }

    /// The machine's clock is set.
    fn jump(&mut self) {
        let by = match self.chance.percent(60) {
            true => TimeDelta::minutes(self.chance.between(10, 180) as i64),
            false => -TimeDelta::minutes(self.chance.between(1, 60) as i64),
        };
        self.tally.jumps += 1;
        self.pass(by);
    }

    /// A far side behaves otherwise.
    fn manner(&mut self) {
        let name = *self.chance.one_of(&FAR);
        let manner = *self.chance.one_of(&[
            Manner::Kind,
            Manner::Moody,
            Manner::Moody,
            Manner::Moody,
            Manner::Down,
            Manner::Broken,
        ]);
        let mut sim = self.sim.lock();
        sim.far.manners.insert(name.to_owned(), manner);
        sim.trace.note(format_args!("{name} is {manner:?}"));
    }

    /// The source answers otherwise.
    fn answers(&mut self) {
        let answers = *self.chance.one_of(&[Answers::Well, Answers::Not, Answers::InPart]);
        let mut sim = self.sim.lock();
        sim.lines.answers = answers;
        sim.trace.note(format_args!("the source answers {answers:?}"));
    }

    /// Another config comes into force.
    fn reload(&mut self) -> anyhow::Result<()> {
        let Some(engine) = self.engine.clone() else { return Ok(()) };
        self.plant = self.chance.between(0, self.plants.count() as u64 - 1) as usize;
        self.note(format_args!("config {} comes into force", self.plant));
        engine.replace_plant(self.plants.fresh(self.plant, &self.sim));
        self.tally.reloads += 1;
        self.arm(Call::Evaluate);
        let called = self.machine.drive(&self.sim, false, engine.close_removed_rules());
        self.called("reload", called)
    }

    /// Somebody says something: a silence, its end, an acknowledgement.
    fn people(&mut self) -> anyhow::Result<()> {
        let Some(engine) = self.engine.clone() else { return Ok(()) };
        let now = self.clock.now();
        let state = &engine.store().state;
        let id = format!("{:08x}", self.silences);
        if self.chance.percent(50) {
            self.silences += 1;
            let length = TimeDelta::minutes(self.chance.between(2, 60) as i64);
            let condition = *self.chance.one_of(&[
                "rule = 'plain'",
                "rule = 'held'",
                "rule = 'vanishing'",
                "level = 'warning'",
            ]);
            let unless = *self.chance.one_of(&[Worse::default(), Worse::NEVER]);
            let id = format!("{:08x}", self.silences);
            self.note(format_args!("silence {id} of {condition}"));
            let silence = Silence {
                id,
                condition: condition.to_owned(),
                author: "somebody".to_owned(),
                reason: "simulated".to_owned(),
                created_at: now,
                ends_at: now + length,
                until_resolved: self.chance.percent(30),
                ended_at: None,
                unless,
            };
            state.write(|tx| silences::put(tx, &silence))?;
        } else if self.chance.percent(40) {
            let ended = state.write(|tx| silences::end(tx, &id, now))?;
            self.note(format_args!("silence {id} is ended: {}", ended.is_some()));
        } else {
            let open = state.read(incidents::open)?;
            if open.is_empty() {
                return Ok(());
            }
            let incident = self.chance.one_of(&open).id.clone();
            self.note(format_args!("{incident} is taken"));
            let until = now + TimeDelta::minutes(self.chance.between(2, 60) as i64);
            let ack = check::ack(incident, now, until);
            let _: &Ack = &ack;
            state.write(|tx| acks::put(tx, &ack))?;
        }
        Ok(())
    }

    /// The process is killed while nothing is under way.
    fn kill(&mut self) -> anyhow::Result<()> {
        self.note("killed");
        self.restart()
    }

    /// Something may go wrong in the next call.
    fn arm(&mut self, call: Call) {
        if !self.chance.percent(22) {
            return;
        }
        let mut sim = self.sim.lock();
        let what = self.chance.between(0, 9);
        match (call, what) {
            (Call::Pull, 0..=4) => sim.fault.in_pull(),
            (Call::Deliver, 0..=2) => {
                sim.fault.at_send(self.chance.between(0, 3), AtSend::Before);
            }
            (Call::Deliver, 3..=5) => {
                sim.fault.at_send(self.chance.between(0, 3), AtSend::After);
            }
            _ => {
                let kinds = [Kind::Death, Kind::Death, Kind::Refusal, Kind::Full];
                // Short calls write few rows.
                let most = *self.chance.one_of(&[3, 12, 60]);
                let (rows, kind) = (self.chance.between(0, most), *self.chance.one_of(&kinds));
                sim.fault.at_row(rows, kind);
            }
        }
    }

    /// Asks the engine to do something, with something going wrong perhaps.
    fn call(&mut self, call: Call) -> anyhow::Result<()> {
        self.arm(call);
        self.calls(call)
    }

    fn calls(&mut self, call: Call) -> anyhow::Result<()> {
        let Some(engine) = self.engine.clone() else { return Ok(()) };
        let (machine, sim) = (self.machine, self.sim.clone());
        let drive = |lockstep, call: Work| machine.drive(&sim, lockstep, call);
        let called = match call {
            Call::Pull => drive(false, Box::pin(async move { engine.pull_due(SOURCE).await })),
            Call::Evaluate => drive(true, Box::pin(async move { engine.evaluate_due().await })),
            Call::Digests => drive(true, Box::pin(async move { engine.digests_due().await })),
            Call::Deliver => drive(true, Box::pin(async move { engine.deliver_due().await })),
            Call::Housekeep => drive(true, Box::pin(async move { engine.housekeep().await })),
            Call::DigestsTwice => drive(
                true,
                Box::pin(async move {
                    let both = (engine.digests_due(), engine.digests_due());
                    let (one, other) = futures_util::join!(both.0, both.1);
                    Ok(one? + other?)
                }),
            ),
            Call::EvaluateTwice => drive(
                true,
                Box::pin(async move {
                    let both = (engine.evaluate_due(), engine.evaluate_due());
                    let (one, other) = futures_util::join!(both.0, both.1);
                    Ok(one? + other?)
                }),
            ),
        };
        self.tally.calls += 1;
        self.called(&format!("{call:?}"), called)
    }

    /// What a call came to: everything it promised is looked at.
    fn called<T: std::fmt::Debug>(
        &mut self,
        name: &str,
        called: Called<Result<T, EngineError>>,
    ) -> anyhow::Result<()> {
        let met = self.sim.lock().fault.clear();
        let died = matches!(called, Called::Died);
        {
            let mut sim = self.sim.lock();
            match &called {
                Called::Done(Ok(done)) => sim.trace.note(format_args!("{name}: {done:?}")),
                Called::Done(Err(err)) if met => sim.trace.note(format_args!("{name}: {err}")),
                Called::Done(Err(err)) => {
                    let err = anyhow::anyhow!("{err}").context(name.to_owned());
                    sim.found(0, format!("an error that nobody caused: {err:#}"));
                }
                Called::Died => sim.trace.note(format_args!("{name}: dies")),
            }
            sim.call_ended(met);
        }
        self.tally.refusals += u64::from(met && !died);
        check::after_call(&self.sim)?;
        if died {
            self.restart()?;
        }
        Ok(())
    }

    /// The process is gone; after a while there is another one.
    fn restart(&mut self) -> anyhow::Result<()> {
        self.engine = None;
        self.tally.deaths += 1;
        if self.chance.percent(30) {
            let seconds = self.chance.between(10, 2400) as i64;
            self.pass(TimeDelta::seconds(seconds));
        }
        if self.chance.percent(15) {
            self.plant = self.chance.between(0, self.plants.count() as u64 - 1) as usize;
        }
        self.start(true)
    }

    /// A process begins, and may die at once.
    fn start(&mut self, again: bool) -> anyhow::Result<()> {
        for dies in [true, false] {
            if dies && !(again && self.chance.percent(15)) {
                continue;
            }
            let breaks = {
                let mut sim = self.sim.lock();
                sim.fault.clear();
                sim.life += 1;
                sim.breaks
            };
            self.note(format_args!("begins with config {}", self.plant));
            let store = Store::open(self.folder).context("the store cannot be opened")?;
            if let (true, Some(breaks)) = (again, breaks) {
                check::break_at_start(&store, breaks, self.clock.now())?;
            }
            fault::install(&store, &self.sim, breaks == Some(Break::SendBeforeCommit))?;
            let plant = self.plants.fresh(self.plant, &self.sim);
            for dataset in &plant.datasets {
                let history = plant.sources.get(&dataset.source).and_then(|line| line.history);
                store.ensure(dataset, dataset.reach(history))?;
            }
            store.ensure_indexes(&plant.queries())?;
            let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
            let engine = Arc::new(Engine::new(plant, Arc::new(store), clock, self.seed));
            engine.recall()?;
            if dies {
                let rows = self.chance.between(0, 6);
                self.sim.lock().fault.at_row(rows, Kind::Death);
            }
            let called = self.machine.drive(&self.sim, false, engine.recover());
            let met = self.sim.lock().fault.clear();
            check::after_call(&self.sim)?;
            match called {
                Called::Done(Ok(cut_off)) => {
                    self.note(format_args!("recovers {cut_off}"));
                    self.engine = Some(engine);
                    if !dies {
                        return Ok(());
                    }
                    self.engine = None;
                }
                Called::Done(Err(err)) if !met => return Err(err).context("recover"),
                Called::Done(Err(_)) | Called::Died => {
                    self.tally.deaths += 1;
                    self.note("dies at its start");
                }
            }
        }
        Ok(())
    }

    /// Everybody behaves, every line is well: what is owed leaves, and incidents end.
    fn end_in_quiet(&mut self) -> anyhow::Result<()> {
        self.plant = 0;
        {
            let mut sim = self.sim.lock();
            sim.far.manners.clear();
            sim.lines.calm();
            sim.trace.note("quiet");
            let now = sim.lines.now;
            drop(sim);
            self.clock.set(now.max(self.clock.now()));
        }
        if let Some(engine) = &self.engine {
            engine.replace_plant(self.plants.fresh(0, &self.sim));
        }
        for beat in 0..BEATS_MAX {
            for call in CALLS {
                self.calls(call)?;
            }
            if self.is_broken() {
                return Ok(());
            }
            let waits = check::waits(&self.sim)?;
            // Whoever got well is told so after a while.
            if beat >= 8 && waits.is_nothing() {
                self.tally.quiet_beats += u64::from(beat);
                return Ok(());
            }
            let now = self.clock.now();
            let soonest = now + check::QUIET_STEP;
            let next = waits.until.filter(|_| !waits.live).unwrap_or(soonest).max(soonest);
            self.pass(next - now);
        }
        let what = format!("after {BEATS_MAX} quiet beats: {}", check::waits(&self.sim)?.words());
        self.sim.lock().found(9, what);
        Ok(())
    }
}

type Work = futures_util::future::BoxFuture<'static, Result<usize, EngineError>>;
