//! Every point at which a process can end, one after the other: before each commit of the state
//! (which then never happened, whatever had been sent), in the middle of it, and after it.
//!
//! Time stands still while it does: what can be seen is the same, so what is told must be.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::{Clock, ManualClock};
use postrider::demo::catcher::Signed;
use postrider::demo::org::Org;
use postrider::engine::EngineError;
use rusqlite::Connection;

use super::campaign::compare::{Told, compare};
use super::campaign::config;
use super::campaign::findings::Findings;
use super::campaign::sink::Arrival;
use super::campaign::source::Source;
use super::campaign::state::State;
use super::campaign::timeline::Timeline;
use crate::harness::{Letter, PATIENCE, TestPostrider, utc};

const BEGIN: &str = "2026-11-23T09:00:00Z";

/// More steps than this at one instant lead nowhere.
const BEATS_MAX: usize = 400;

/// Writes that a process can end at: the first one of a slot, of a message, of its first attempt and
/// of its end, of what a receiver was told, of a notice. Each kind with the table, the event and what
/// makes a write one that was not tried before.
const FUSES: [(&str, &str, &str); 6] = [
    ("slot", "update on rule_state", "new.evaluated_until"),
    ("owed", "insert on outbox", "new.message_id"),
    ("told", "insert on told", "new.incident || ' ' || new.receiver || ' ' || new.body"),
    ("notice", "insert on notice", "new.key"),
    ("attempt", "insert on attempt", "new.delivery"),
    ("ended", "update of finished_at on outbox", "new.message_id"),
];

/// Makes every such write fail at its first time, and with it the commit it belongs to.
fn fuses() -> String {
    let mut sql = "create table tried (what text, key text) strict;".to_owned();
    for (what, event, key) in FUSES {
        sql += &format!(
            "create trigger fuse_{what} before {event}
             when not exists (select 1 from tried where what = '{what}' and key = '' || {key})
             begin select raise(abort, 'fuse|{what}|' || {key} || '|'); end;"
        );
    }
    sql
}

/// When the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Never,
    /// After each step of the engine's work that did something.
    AfterSteps,
    /// And before each commit about incidents and messages, and between its writes: at each once.
    Always,
}

/// What came of a life.
struct Lived {
    state: State,
    arrivals: Vec<Arrival>,
    /// How often the process ended at what.
    ends: BTreeMap<&'static str, usize>,
}

struct Life {
    t: TestPostrider,
    config: String,
    ends: Ends,
    count: BTreeMap<&'static str, usize>,
}

impl Life {
    fn files(&self) -> Connection {
        let folder = self.t.app.engine().store().state.folder().to_owned();
        Connection::open(folder.join("state.db")).unwrap()
    }

    /// The process has ended; another one begins, or ends while it does.
    async fn ended(&mut self, what: &'static str) {
        *self.count.entry(what).or_default() += 1;
        loop {
            self.t.hurry(&self.config, PATIENCE);
            let Err(err) = self.t.app.engine().recover().await else { return };
            let fuse = self.allow(err);
            *self.count.entry(fuse).or_default() += 1;
        }
    }

    /// Lets the write through that the process ended at, and says which kind it was of.
    fn allow(&self, err: EngineError) -> &'static str {
        let said = format!("{:#}", anyhow::Error::from(err));
        let mut parts = said.split('|').skip(1);
        let (what, key) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let fuse = FUSES.iter().map(|(fuse, _, _)| *fuse).find(|fuse| *fuse == what);
        let fuse = fuse.unwrap_or_else(|| panic!("it failed by itself: {said}"));
        self.files().execute("insert into tried values (?1, ?2)", [what, key]).unwrap();
        fuse
    }

    /// What a step did; nothing where the process ended in it.
    async fn step(&mut self, done: Result<usize, EngineError>) -> Option<usize> {
        match done {
            Ok(done) => {
                if done > 0 && self.ends != Ends::Never {
                    self.ended("after a step").await;
                }
                Some(done)
            }
            Err(err) => {
                let fuse = self.allow(err);
                self.ended(fuse).await;
                None
            }
        }
    }

    /// All that is due now, with as many processes as it takes.
    async fn beat(&mut self) {
        for _ in 0..BEATS_MAX {
            let engine = Arc::clone(self.t.app.engine());
            let pulled = self.t.patiently(engine.pull_due("lines")).await;
            let pulled = self.step(pulled).await;
            let engine = Arc::clone(self.t.app.engine());
            let evaluated = self.t.patiently(engine.evaluate_due()).await;
            let evaluated = self.step(evaluated).await;
            let engine = Arc::clone(self.t.app.engine());
            let delivered = self.t.patiently(engine.deliver_due()).await;
            let delivered = self.step(delivered).await;
            // A process that has just begun pulls at once, whatever was pulled before.
            if pulled.is_some() && [evaluated, delivered] == [Some(0); 2] {
                return;
            }
        }
        panic!("it comes to no end at {}: {:?}", self.t.clock.now(), self.count);
    }
}

/// Lives through a timeline, with a state that is broken by some SQL.
async fn live(timeline: &Timeline, ends: Ends, broken: &str) -> Lived {
    let clock = Arc::new(ManualClock::new(utc(BEGIN)));
    let dynamic = Arc::clone(&clock) as Arc<dyn Clock>;
    let begin: DateTime<Utc> = utc(BEGIN);
    let source = Source::start(timeline.clone(), begin, Arc::clone(&dynamic)).await.unwrap();
    let config = config(timeline, &source).replace("{smtp_port}", "25");
    let t = TestPostrider::over(&config, clock, Org::empty(dynamic)).await;
    let mut life = Life { t, config, ends, count: BTreeMap::new() };
    // A rule begins with what it sees first: there is no point before that.
    life.t.clock.set(begin + TimeDelta::minutes(4));
    life.t.beat().await;
    if ends == Ends::Always {
        life.files().execute_batch(&fuses()).unwrap();
    }
    life.files().execute_batch(broken).unwrap();
    let end = begin + TimeDelta::minutes(i64::from(timeline.minutes) + 3);
    while life.t.clock.now() < end {
        life.t.clock.advance(TimeDelta::seconds(30));
        life.beat().await;
    }
    let state = State::read(life.t.app.engine().store().state.folder()).unwrap();
    Lived { state, arrivals: arrivals(&life.t), ends: life.count }
}

/// What the far sides took.
fn arrivals(t: &TestPostrider) -> Vec<Arrival> {
    let (mails, hooks) = (t.inbox.mails(), t.catcher.hooks());
    let kept = (mails.len(), hooks.len());
    assert_eq!(kept, (t.inbox.received(), t.catcher.received()), "none was forgotten");
    let mails = mails.iter().map(|mail| Arrival {
        id: Letter::read(mail).message_id,
        recipient: mail.recipients.first().cloned(),
        bytes: mail.bytes.clone(),
        taken: true,
    });
    let hooks = hooks.iter().map(|hook| {
        assert_eq!(hook.signed, Signed::Verified);
        let id = hook.header("webhook-id").expect("an id").to_owned();
        Arrival { id, recipient: None, bytes: hook.body.clone(), taken: true }
    });
    mails.chain(hooks).collect()
}

/// One line of each rule: each kind of step is there.
fn timeline(minutes: u32) -> Timeline {
    let mut timeline = Timeline::of(3, minutes);
    timeline.lines.retain(|line| ["A", "all"].contains(&line.name));
    timeline
}

/// What differs, and the counts.
fn compared(alone: &Lived, killed: &Lived) -> (String, Vec<String>) {
    let mut findings = Findings::default();
    compare(
        &Told { state: &alone.state, arrivals: &alone.arrivals },
        &Told { state: &killed.state, arrivals: &killed.arrivals },
        &mut findings,
    );
    findings.into_parts()
}

#[tokio::test]
async fn whatever_commit_a_process_ends_at_what_is_told_is_the_same() {
    let timeline = timeline(75);
    let alone = live(&timeline, Ends::Never, "").await;
    let messages = alone.arrivals.len();
    assert!(messages > 30, "a story of {messages} messages proves little");
    let killed = live(&timeline, Ends::Always, "").await;
    let (table, broken) = compared(&alone, &killed);
    assert!(broken.is_empty(), "{broken:#?}\n{:?}\n{table}", killed.ends);
    let ended = |what: &str| killed.ends.get(what).copied().unwrap_or(0);
    assert!(ended("slot") > 50 && ended("after a step") > 50, "{:?}", killed.ends);
    // Each message: when it was owed, when it was begun, when it was taken.
    for what in ["owed", "attempt", "ended"] {
        assert_eq!(ended(what), messages, "{what}: {:?}", killed.ends);
    }
    assert!(ended("told") >= ended("notice") && ended("notice") > 0, "{:?}", killed.ends);
    assert!(killed.arrivals.len() >= 2 * messages, "taken, and not known to be");
}

#[tokio::test]
async fn a_state_that_forgets_would_be_noticed() {
    let timeline = timeline(62);
    let alone = live(&timeline, Ends::Never, "").await;
    // Without ends nobody would see it: the living process remembers.
    for forgets in ["insert on told", "update on incident"] {
        let broken =
            format!("create trigger forgets before {forgets} begin select raise(ignore); end;");
        let killed = live(&timeline, Ends::AfterSteps, &broken).await;
        let (table, broken) = compared(&alone, &killed);
        assert!(!broken.is_empty(), "{forgets}:\n{table}");
    }
}
