//! The org's life: sessions begin in a daily rhythm and their stories are told step by step, each
//! at its own second. How far life is told at once never changes what happens.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::id::Id;
use super::names;
use super::plan::{self, CHANNELS, Plan, edges, hourly_share};
use super::rng::Rng;
use super::story::{Circumstances, Fate, Story, story};
use super::value::Value;
use super::world::{World, object};

mod setup;
mod tell;

/// An hour in seconds.
const HOUR: i64 = 3_600;

/// What happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A step of a story, by its number.
    Step(u64, Step),
    /// Many sessions are touched in one second.
    MassUpdate,
    /// A channel gets a new label.
    Rename,
    /// A channel takes no more traffic.
    Retire(usize),
}

/// One step of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Arrive,
    Consent,
    Handover,
    Assign(u8),
    Accept(u8),
    Pause,
    Resume,
    Reopen,
    Idle,
    End,
    /// An assignment is over, however it went.
    Settle(u8),
    TabClosed,
    Erase,
}

/// A story being told.
#[derive(Debug)]
struct Told {
    story: Story,
    channel: usize,
    session: Option<Id>,
    works: Vec<Option<Id>>,
    steps_left: usize,
}

/// A messaging user who may come back.
#[derive(Clone, Copy, Debug)]
struct Person {
    id: Id,
    account: Option<Id>,
}

/// The life of a generated org.
#[derive(Debug)]
pub(crate) struct Life {
    seed: u64,
    plan: Plan,
    /// By instant, then in the order things were decided.
    ahead: BinaryHeap<Reverse<(i64, u64, Happening)>>,
    decided: u64,
    stories: HashMap<u64, Told>,
    /// Arrivals before this instant are decided.
    next_hour: i64,
    history_start: i64,
    accounts: Vec<(Id, f64)>,
    channels: Vec<Id>,
    people: Vec<Vec<Person>>,
    reps: Vec<Id>,
    queue: Id,
    messaging_work: Id,
    case_work: Id,
}

impl Life {
    /// Sets the org up as it was when the history begins.
    pub(crate) fn begin(seed: u64, plan: Plan, world: &mut World) -> Life {
        let start = (plan.now - plan.history).timestamp().div_euclid(HOUR) * HOUR;
        let mut make = |name: &str, fields: &[(&str, Value)]| {
            world.insert(object(name), start, fields).expect("the set-up is complete")
        };
        let profile = make("Profile", &[("Name", "Standard User".into())]);
        let role =
            make("UserRole", &[("Name", "Service".into()), ("DeveloperName", "Service".into())]);
        let mut reps: Vec<Id> = Vec::new();
        for (rank, rep) in names::REPS.iter().enumerate() {
            // The first leads the others.
            let mut fields = setup::rep(rank, *rep, reps.first().copied());
            fields.extend([("ProfileId", profile.into()), ("UserRoleId", role.into())]);
            reps.push(make("User", &fields));
        }
        let queue = make(
            "Group",
            &[
                ("Name", "Messaging Queue".into()),
                ("DeveloperName", "Messaging_Queue".into()),
                ("Type", Value::Pick("Queue")),
            ],
        );
        let mut service_channel = |label: &'static str, developer: &'static str| {
            let fields =
                [("MasterLabel", Value::Pick(label)), ("DeveloperName", Value::Pick(developer))];
            make("ServiceChannel", &fields)
        };
        let messaging_work = service_channel("Messaging", "sfdc_livemessage");
        let case_work = service_channel("Cases", "Cases");
        let accounts = names::ACCOUNTS
            .iter()
            .enumerate()
            .map(|(rank, name)| {
                (make("Account", &setup::account(rank, name)), 1.0 / (rank + 2) as f64)
            })
            .collect();
        let channels = CHANNELS
            .iter()
            .map(|one| make("MessagingChannel", &setup::channel(one, queue)))
            .collect();
        let mut life = Life {
            seed,
            ahead: BinaryHeap::new(),
            decided: 0,
            stories: HashMap::new(),
            next_hour: start,
            history_start: start,
            accounts,
            channels,
            people: vec![Vec::new(); CHANNELS.len()],
            reps,
            queue,
            messaging_work,
            case_work,
            plan,
        };
        life.set_dates();
        life
    }

    /// What happens at fixed instants.
    fn set_dates(&mut self) {
        let now = self.plan.now.timestamp();
        let middle = self.history_start + (now - self.history_start) / 2;
        let days_ago = |days: i64| (now - days * 86_400).max(middle);
        if self.plan.mass_update > 0 {
            self.at(days_ago(2), Happening::MassUpdate);
        }
        self.at(days_ago(10), Happening::Rename);
        for channel in 0..CHANNELS.len() {
            match self.closes(channel) {
                i64::MAX => {}
                at => self.at(at.max(self.history_start), Happening::Retire(channel)),
            }
        }
        for incident in self.plan.incidents.clone() {
            let Some(channel) = CHANNELS.iter().position(|one| one.label == incident.channel)
            else {
                continue;
            };
            let starts = incident.starts.timestamp();
            for (place, after) in [(0, 4), (1, 22), (2, 41), (3, 75), (4, 130), (5, 260)] {
                let rng = Rng::new(&[self.seed, starts as u64, 99, place]);
                self.arrival(channel, starts + after, rng);
            }
        }
    }

    /// When a channel stops taking traffic.
    fn closes(&self, channel: usize) -> i64 {
        match CHANNELS[channel].life {
            plan::Life::Open => i64::MAX,
            plan::Life::Replaced => {
                self.history_start + (self.plan.now.timestamp() - self.history_start) / 10
            }
            plan::Life::Retired => plan::SMS_RETIRED,
        }
    }

    /// Whether anything happens up to this instant.
    pub(crate) fn is_due(&self, until: i64) -> bool {
        self.next_hour <= until || self.ahead.peek().is_some_and(|next| next.0.0 <= until)
    }

    /// Lets everything happen up to this instant, which is included.
    pub(crate) fn live(&mut self, until: i64, world: &mut World) {
        loop {
            // Arrivals of an hour are decided just before it, so that chance is asked in one
            // order, however far each call goes.
            let next = self.ahead.peek().map(|next| next.0.0);
            if self.next_hour <= until && next.is_none_or(|at| at >= self.next_hour) {
                let hour = self.next_hour;
                self.next_hour += HOUR;
                self.decide_hour(hour);
                continue;
            }
            match self.ahead.pop() {
                Some(Reverse((at, _, happening))) if at <= until => {
                    self.happen(at, happening, world);
                }
                Some(later) => {
                    self.ahead.push(later);
                    return;
                }
                None => return,
            }
        }
    }

    fn at(&mut self, at: i64, happening: Happening) {
        self.decided += 1;
        self.ahead.push(Reverse((at, self.decided, happening)));
    }

    /// Decides who comes within an hour.
    fn decide_hour(&mut self, hour: i64) {
        for (place, at) in (0_u64..).zip(edges(hour)) {
            let rng = Rng::new(&[self.seed, at as u64, 77, place]);
            self.arrival(0, at, rng);
        }
        let expected = self.plan.sessions_per_day * hourly_share(hour);
        for (number, channel) in CHANNELS.iter().enumerate() {
            let mut rng = Rng::new(&[self.seed, hour as u64, number as u64]);
            let closes = self.closes(number);
            for place in 0..rng.poisson(expected * channel.share) {
                let at = hour + rng.between(0, HOUR - 1);
                if at < closes {
                    let own = Rng::new(&[self.seed, hour as u64, number as u64, place as u64]);
                    self.arrival(number, at, own);
                }
            }
        }
    }

    /// Decides one session and puts its steps ahead.
    fn arrival(&mut self, channel: usize, at: i64, rng: Rng) {
        let held = self.plan.incidents.iter().filter_map(|one| one.holds(&CHANNELS[channel], at));
        let around = Circumstances {
            held_until: held.max(),
            reopened_share: self.plan.reopened_share,
            reps: self.reps.len(),
        };
        let story = story(&CHANNELS[channel], at, rng, around);
        let number = self.decided;
        let steps = steps(&story);
        let works = vec![None; story.works.len()];
        for (at, step) in &steps {
            self.at(*at, Happening::Step(number, *step));
        }
        let told = Told { story, channel, session: None, works, steps_left: steps.len() };
        self.stories.insert(number, told);
    }

    fn happen(&mut self, at: i64, happening: Happening, world: &mut World) {
        match happening {
            Happening::Step(number, step) => {
                let Some(mut told) = self.stories.remove(&number) else { return };
                self.tell(&mut told, step, at, world);
                told.steps_left -= 1;
                if told.steps_left > 0 {
                    self.stories.insert(number, told);
                }
            }
            Happening::MassUpdate => {
                let sessions = world.tables.of(object("MessagingSession"));
                let all: Vec<Id> = sessions
                    .slots()
                    .filter_map(|slot| sessions.row(slot))
                    .filter(|row| !super::table::is_deleted(row))
                    .map(super::table::id_of)
                    .collect();
                let from = all.len().saturating_sub(self.plan.mass_update);
                for id in &all[from..] {
                    change(world, *id, at, &[("ChannelGroup", Value::Pick("Europe"))]);
                }
            }
            Happening::Rename => {
                let line = CHANNELS.iter().position(|one| one.kind == "Line");
                if let Some(line) = line {
                    let label = Value::Pick(plan::LINE_RENAMED);
                    change(world, self.channels[line], at, &[("MasterLabel", label)]);
                }
            }
            Happening::Retire(channel) => {
                change(world, self.channels[channel], at, &[("IsActive", false.into())]);
            }
        }
    }
}

/// Changes a record the generator made; one a test has purged meanwhile is left alone.
fn change(world: &mut World, id: Id, at: i64, fields: &[(&str, Value)]) {
    // The only failure left is a record that is gone.
    let _ = world.update(id, at, fields);
}

/// The steps of a story with their instants.
fn steps(story: &Story) -> Vec<(i64, Step)> {
    let mut steps = vec![(story.start, Step::Arrive)];
    steps.extend(story.consent.map(|at| (at, Step::Consent)));
    steps.extend(story.handover.map(|at| (at, Step::Handover)));
    for (place, work) in (0_u8..).zip(&story.works) {
        steps.push((work.assigned, Step::Assign(place)));
        match work.fate {
            Fate::Declined(at) | Fate::TimedOut(at) | Fate::Canceled(at) => {
                steps.push((at, Step::Settle(place)));
            }
            Fate::Done { accepted, closed, .. } => {
                steps.push((accepted, Step::Accept(place)));
                steps.push((closed, Step::Settle(place)));
            }
        }
    }
    if let Some((from, to)) = story.paused {
        steps.extend([(from, Step::Pause), (to, Step::Resume)]);
    }
    steps.extend(story.idle.map(|at| (at, Step::Idle)));
    steps.extend(story.reopened.map(|at| (at, Step::Reopen)));
    steps.push((story.end, Step::End));
    steps.push((story.tab_closed, Step::TabClosed));
    steps.extend(story.erased.map(|at| (at, Step::Erase)));
    // Within one second the order of the list holds.
    steps.sort_by_key(|(at, _)| *at);
    steps
}
