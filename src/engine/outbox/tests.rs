//! The engine's deliveries with receivers that a test plays: how many at a time, together or apart,
//! what a panic costs, and what happens when nothing can be written down.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::clock::{Clock, ManualClock};
use crate::domain::delivery::{Ambiguous, Message, Outcome};
use crate::domain::zone::Zone;
use crate::engine::{Destination, Engine, Mail, Plant, ReceiverLine};
use crate::receiver::{Handover, Receiver};
use crate::render::{Look, Shape};
use crate::store::Store;
use crate::store::state::outbox::{self, Delivery, Kind, Owed, SMTP};

mod full;
mod health;
mod holds;
mod stop;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// What a played receiver says to a message of this id for this recipient, the n-th time.
type Says = dyn Fn(&Message, usize) -> Outcome + Send + Sync;

/// A receiver that a test plays.
struct Played {
    says: Box<Says>,
    width: usize,
    /// What came: the id and the recipients of each attempt, in order.
    came: Mutex<Vec<(String, Vec<String>)>>,
    /// Those that wait before or after they are handed over, until the test lets them go.
    stalls: Mutex<HashMap<String, Stall>>,
    let_go: watch::Sender<HashSet<String>>,
    /// How many are here, and how many were at most.
    here: watch::Sender<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stall {
    Before,
    After,
}

impl Played {
    fn new(
        width: usize,
        says: impl Fn(&Message, usize) -> Outcome + Send + Sync + 'static,
    ) -> Arc<Played> {
        Arc::new(Played {
            says: Box::new(says),
            width,
            came: Mutex::default(),
            stalls: Mutex::default(),
            let_go: watch::Sender::default(),
            here: watch::Sender::default(),
        })
    }

    fn fine(width: usize) -> Arc<Played> {
        Played::new(width, |_, _| Outcome::Delivered("250 ok".into()))
    }

    fn stall(&self, id: &str, stall: Stall) {
        self.stalls.lock().unwrap().insert(id.into(), stall);
    }

    fn let_go(&self, id: &str) {
        self.let_go.send_modify(|ids| {
            ids.insert(id.to_owned());
        });
    }

    async fn until_here(&self, count: usize) {
        let _ = self.here.subscribe().wait_for(|(here, _)| *here == count).await;
    }

    fn came(&self) -> Vec<(String, Vec<String>)> {
        self.came.lock().unwrap().clone()
    }

    fn ids(&self) -> Vec<String> {
        self.came().into_iter().map(|(id, _)| id).collect()
    }
}

/// Somebody who is here.
struct Here<'a>(&'a Played);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.here.send_modify(|(here, _)| *here -= 1);
    }
}

impl Receiver for Played {
    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        handover: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            self.here.send_modify(|(here, most)| {
                *here += 1;
                *most = (*most).max(*here);
            });
            let _here = Here(self);
            let id = messages[0].id.clone();
            let recipients = messages.iter().map(|message| message.recipient.clone()).collect();
            self.came.lock().unwrap().push((id.clone(), recipients));
            let stall = self.stalls.lock().unwrap().get(&id).copied();
            let mut let_go = self.let_go.subscribe();
            if stall == Some(Stall::Before) {
                let _ = let_go.wait_for(|ids| ids.contains(&id)).await;
            }
            let nth = |message: &Message| {
                let came = self.came.lock().unwrap();
                let same = |(id, to): &&(String, Vec<String>)| {
                    *id == message.id && to.contains(&message.recipient)
                };
                came.iter().filter(same).count()
            };
            let outcomes: Vec<Outcome> =
                messages.iter().map(|message| (self.says)(message, nth(message))).collect();
            handover.begin();
            if stall == Some(Stall::After) {
                let _ = let_go.wait_for(|ids| ids.contains(&id)).await;
            }
            outcomes
        })
    }

    fn concurrency(&self) -> usize {
        assert!(self.width > 0, "it breaks down when it is asked");
        self.width
    }
}

/// An engine whose receivers are played.
struct World {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    folder: Arc<tempfile::TempDir>,
}

fn plant(mail: &Arc<Played>, hooks: &[(&str, &Arc<Played>)], ambiguous: Ambiguous) -> Plant {
    let receiver = |played: &Arc<Played>| Arc::clone(played) as Arc<dyn Receiver>;
    let line = |played| ReceiverLine {
        destination: Destination::Post(Shape::Standard, receiver(played)),
        fallback: None,
        limit: None,
        canary: None,
        together: false,
    };
    Plant {
        ambiguous,
        zone: Zone::utc(),
        locale: "en-GB".into(),
        week_starts: 1,
        owner: Some("owner@example.com".into()),
        alarm: None,
        archive: TimeDelta::days(400),
        public_url: None,
        metrics: None,
        look: Look::default(),
        mail: Some(Mail {
            receiver: receiver(mail),
            from: "P <p@example.com>".into(),
            dkim: Vec::new(),
        }),
        sources: BTreeMap::new(),
        datasets: Vec::new(),
        in_use: Default::default(),
        digests: BTreeMap::new(),
        rules: BTreeMap::new(),
        routes: Vec::new(),
        inhibitions: Vec::new(),
        receivers: hooks.iter().map(|(name, hook)| ((*name).to_owned(), line(hook))).collect(),
        heartbeat: None,
    }
}

impl World {
    fn new(plant: Plant) -> World {
        let folder = tempfile::tempdir().unwrap();
        World::on(plant, Arc::new(folder), DateTime::UNIX_EPOCH + TimeDelta::days(20_000))
    }

    fn on(plant: Plant, folder: Arc<tempfile::TempDir>, at: DateTime<Utc>) -> World {
        let clock = Arc::new(ManualClock::new(at));
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let engine = Engine::new(plant, store, Arc::clone(&clock) as Arc<dyn Clock>, 7);
        World { engine: Arc::new(engine), clock, folder }
    }

    /// The same state in a new process.
    async fn restarted(self, plant: Plant) -> World {
        let world = World::on(plant, Arc::clone(&self.folder), self.clock.now());
        world.engine.recover().await.unwrap();
        world
    }

    fn owe(&self, kind: Kind, receiver: &str, id: &str, recipient: &str) {
        self.owe_bytes(kind, receiver, id, recipient, b"the same".to_vec());
    }

    fn owe_bytes(&self, kind: Kind, receiver: &str, id: &str, recipient: &str, bytes: Vec<u8>) {
        let message = Message { id: id.into(), recipient: recipient.into(), bytes };
        let (receiver, subject, origin) = (receiver.into(), id.into(), id.into());
        let owed = Owed { kind, origin, receiver, subject, message, made_of: None };
        let now = self.clock.now();
        let state = &self.engine.store().state;
        assert!(state.write(|tx| outbox::owe(tx, &owed, now)).unwrap(), "{id} is owed already");
    }

    async fn deliver(&self) -> usize {
        self.engine.deliver_due().await.unwrap()
    }

    fn rows(&self) -> Vec<Delivery> {
        let state = &self.engine.store().state;
        let mut rows = state.read(|tx| outbox::list(tx, None, None, usize::MAX)).unwrap();
        rows.reverse();
        rows
    }

    /// `id>recipient state` of all but the owner's.
    fn states(&self) -> Vec<String> {
        let rows = self.rows().into_iter().filter(|row| row.recipient != "owner@example.com");
        rows.map(|row| format!("{}>{} {}", row.subject, row.recipient, row.state)).collect()
    }

    fn outcomes(&self, id: i64) -> Vec<String> {
        let shown = self.engine.store().state.read(|tx| outbox::show(tx, id)).unwrap().unwrap();
        shown.attempts.into_iter().map(|one| one.outcome.unwrap_or("open".into())).collect()
    }

    /// The subjects of what the owner was told.
    fn told(&self) -> Vec<String> {
        let rows = self.rows().into_iter().filter(|row| row.recipient == "owner@example.com");
        rows.map(|row| row.subject).collect()
    }

    #[track_caller]
    fn adds_up(&self) {
        let balance = self.engine.store().state.read(outbox::balance).unwrap();
        assert_eq!(balance.missing(), 0, "{}", balance.equation());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.adds_up();
        }
    }
}

fn later(said: &str) -> Outcome {
    Outcome::Retry { after: None, reason: said.into() }
}

#[tokio::test]
async fn recipients_of_one_message_go_together_and_each_has_its_own_end() {
    let mail = Played::new(8, |message, nth| match message.recipient.as_str() {
        "b@example.com" if nth == 1 => later("451 busy"),
        "c@example.com" => Outcome::Rejected("550 no".into()),
        _ => Outcome::Delivered("250 ok".into()),
    });
    let world = World::new(plant(&mail, &[], Ambiguous::Resend));
    for to in ["a", "b", "c"] {
        world.owe(Kind::Notice, SMTP, "one", &format!("{to}@example.com"));
    }
    world.owe(Kind::Notice, SMTP, "two", "a@example.com");
    // The same id with other bytes is another mail.
    world.owe_bytes(Kind::Notice, SMTP, "one", "d@example.com", b"another".to_vec());
    assert_eq!(world.deliver().await, 3);
    let all = |to: &[&str]| to.iter().map(|to| format!("{to}@example.com")).collect::<Vec<_>>();
    let first = mail.came();
    assert!(first.contains(&("one".into(), all(&["a", "b", "c"]))), "{first:?}");
    assert!(first.contains(&("one".into(), all(&["d"]))), "{first:?}");
    assert_eq!(
        world.states(),
        [
            "one>a@example.com delivered",
            "one>b@example.com pending",
            "one>c@example.com rejected",
            "two>a@example.com delivered",
            "one>d@example.com delivered",
        ]
    );
    world.clock.advance(MINUTE);
    assert_eq!(world.deliver().await, 1);
    assert_eq!(mail.came().last(), Some(&("one".into(), all(&["b"]))), "alone this time");
    assert_eq!(world.outcomes(2), ["retry", "delivered"]);
}

#[tokio::test]
async fn a_slow_attempt_holds_up_its_own_seat_alone() {
    let hook = Played::fine(2);
    hook.stall("slow", Stall::After);
    let mail = Played::fine(8);
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Resend));
    world.owe(Kind::Notice, "hook", "slow", "hook");
    for n in 0..20 {
        world.owe(Kind::Notice, "hook", &format!("m{n}"), "hook");
    }
    let delivering = world.engine.deliver_due();
    tokio::pin!(delivering);
    let all = async {
        while hook.came().len() < 21 {
            tokio::task::yield_now().await;
        }
        hook.until_here(1).await;
    };
    tokio::select! {
        _ = &mut delivering => panic!("one is stalled"),
        () = all => {}
    }
    // What comes meanwhile takes the seat that is free, by another turn.
    world.owe(Kind::Notice, "hook", "late", "hook");
    let turn = async {
        while !hook.ids().contains(&"late".to_owned()) {
            world.deliver().await;
        }
    };
    tokio::select! {
        _ = &mut delivering => panic!("one is stalled"),
        () = turn => {}
    }
    hook.let_go("slow");
    delivering.await.unwrap();
    assert!(world.states().iter().all(|row| row.ends_with("delivered")), "{:?}", world.states());
    assert_eq!(hook.here.borrow().1, 2, "never more than it takes at a time");
    let ids: HashSet<String> = hook.ids().into_iter().collect();
    assert_eq!((hook.ids().len(), ids.len()), (22, 22), "each once");
}

#[tokio::test]
async fn notifications_come_before_notices_and_those_before_digests() {
    let hook = Played::fine(1);
    let mail = Played::fine(1);
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Resend));
    for (kind, id) in [
        (Kind::Digest, "digest"),
        (Kind::Proof, "proof"),
        (Kind::Notice, "notice"),
        (Kind::Notification, "notification"),
    ] {
        world.owe(kind, "hook", id, "hook");
        world.clock.advance(MINUTE);
    }
    assert_eq!(world.deliver().await, 4);
    assert_eq!(hook.ids(), ["notification", "proof", "notice", "digest"]);
}

#[tokio::test]
async fn a_message_that_breaks_us_down_is_held_after_three_times_and_the_others_go_on() {
    let hook = Played::new(8, |message, _| match message.id.as_str() {
        "bad" => panic!("cannot bear it"),
        _ => Outcome::Delivered("200".into()),
    });
    let mail = Played::fine(8);
    let world = World::new(plant(&mail, &[("hook", &hook)], Ambiguous::Resend));
    world.owe(Kind::Notice, "hook", "good", "hook");
    world.owe(Kind::Notice, "hook", "bad", "hook");
    for _ in 0..10 {
        world.deliver().await;
        world.clock.advance(TimeDelta::minutes(10));
    }
    assert_eq!(world.states(), ["good>hook delivered", "bad>hook held"]);
    assert_eq!(world.outcomes(2), ["retry"; 3]);
    let reason = world.rows()[1].reason.clone().unwrap_or_default();
    assert_eq!(reason, "the attempt broke down: cannot bear it (3 times)");
    assert_eq!(world.told(), ["[postrider] a notice to hook is held"]);
}

#[tokio::test]
async fn a_recipient_that_breaks_us_down_is_held_alone() {
    let mail = Played::new(8, |message, _| match message.recipient.as_str() {
        "bad@example.com" => panic!("cannot bear it"),
        _ => Outcome::Delivered("250".into()),
    });
    let world = World::new(plant(&mail, &[], Ambiguous::Resend));
    for to in ["good", "bad", "fair"] {
        world.owe(Kind::Digest, SMTP, "one", &format!("{to}@example.com"));
    }
    for _ in 0..10 {
        world.deliver().await;
        world.clock.advance(TimeDelta::minutes(10));
    }
    assert_eq!(
        world.states(),
        [
            "one>good@example.com delivered",
            "one>bad@example.com held",
            "one>fair@example.com delivered"
        ]
    );
}

#[tokio::test]
async fn a_round_that_breaks_down_costs_that_receiver_alone_and_is_counted() {
    let (broken, hook, mail) = (Played::fine(0), Played::fine(8), Played::fine(8));
    let hooks = [("broken", &broken), ("hook", &hook)];
    let world = World::new(plant(&mail, &hooks, Ambiguous::Resend));
    world.owe(Kind::Notice, "broken", "one", "broken");
    world.owe(Kind::Notice, "hook", "two", "hook");
    let failed = world.engine.deliver_due().await.unwrap_err();
    assert!(failed.to_string().contains("it breaks down when it is asked"), "{failed}");
    assert_eq!(world.states(), ["one>broken pending", "two>hook delivered"]);
    let state = &world.engine.store().state;
    assert_eq!(state.read(outbox::panics).unwrap(), 1);
}
