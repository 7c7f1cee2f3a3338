//! The decision: incidents as they are against what was told of them.
//!
//! Each incident is looked at once ([`Work::look`]): who should be told of it, and what stands in the
//! way. What a receiver should be told in one thread is a unit ([`unit`]), which waits for its time
//! and becomes one draft of a notice. Records of event rules ([`records`]) and corrections
//! ([`corrections`]) make drafts as well; the receivers' limits ([`limit`]) make notices of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};

use super::super::incident::{Incident, Severity, State};
use super::super::route::{Labels, Route, Shut, hours, pick};
use super::super::silence::{Hidden, Silence, excess};
use super::{Decision, Item, Quiet, Told, World};

mod corrections;
mod draft;
mod hiding;
mod limit;
mod passed;
mod records;
mod unit;

use self::draft::Draft;
use self::hiding::{Causes, Silences};

/// Decides what is owed to whom now.
///
/// - Pending: nobody is told.
/// - Firing or recovering: receivers of the route for the level it is at now, and those that it
///   escalates to. One that was not told of this incident gets *fired* (also when a rise of level, or
///   a reload, has only now picked it); one that was told a lower level gets *level up*; a fall of
///   level is quiet. When nothing is news, *reminders* fall due, but not while it recovers.
/// - Resolved: everybody who was told and not yet told the end, whatever the routes say now.
/// - Resolved before somebody who was owed a beginning was told: one message that says so.
///
/// Inhibitions and silences hide beginnings, rises and reminders, never an end. Hours, mutes, waits
/// and limits delay everything and hide nothing: what is told then is the difference from what the
/// receiver knew.
pub fn decide(world: &World<'_>, now: DateTime<Utc>) -> Decision {
    let mut work = Work::new(world, now);
    for incident in world.incidents.values() {
        work.look(incident);
    }
    unit::decide(&mut work);
    passed::decide(&mut work);
    records::decide(&mut work);
    corrections::decide(&mut work);
    limit::apply(&mut work);
    work.finish()
}

/// What a receiver should hear of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// It began.
    Fired,
    /// It rose.
    LevelUp,
    /// It got so much worse that its silence does not hide it any more.
    Worse,
    /// It is over.
    Ended,
    /// It began and is over.
    Passed,
    /// Nothing new.
    Still,
}

/// One incident in one thread to one receiver.
struct Member<'a> {
    incident: &'a Incident,
    /// What the receiver knows; `None`: nothing.
    told: Option<&'a Told>,
    want: Want,
    /// The route that picks the receiver (index).
    route: Option<usize>,
    /// Why it is told at all, where that is not the route alone.
    because: Option<String>,
    /// Why it is not to be reminded now, and until when.
    stop: Option<(String, Option<DateTime<Utc>>)>,
}

/// The members of a thread by thread and receiver.
type Units<'a> = BTreeMap<(String, &'a str), Vec<Member<'a>>>;

/// Incidents that passed untold, by rule, group and receiver, each with its route.
type PassedBy<'a> = BTreeMap<(&'a str, &'a str, &'a str), Vec<(&'a Incident, usize)>>;

struct Work<'a> {
    world: World<'a>,
    now: DateTime<Utc>,
    /// By route, why it does not tell now.
    shut: Vec<Option<Shut>>,
    causes: Causes<'a>,
    silences: Silences<'a>,
    /// Rows of what silences hid that are new or changed, by silence and incident.
    hidden: BTreeMap<(String, String), Hidden>,
    /// Incidents that some silence covers: by silence.
    covered: BTreeSet<&'a str>,
    units: Units<'a>,
    passed: PassedBy<'a>,
    drafts: Vec<Draft<'a>>,
    /// Ended incidents, and whom they are owed to.
    ended: Vec<&'a str>,
    owing: Vec<(&'a str, &'a str)>,
    /// Beginnings that wait: incident and receiver.
    waiting: Vec<(&'a Incident, &'a str)>,
    /// By rule and group, how many of its incidents are in the world.
    recent: BTreeMap<(&'a str, &'a str), Vec<DateTime<Utc>>>,
    decision: Decision,
}

impl<'a> Work<'a> {
    fn new(world: &World<'a>, now: DateTime<Utc>) -> Work<'a> {
        let mut recent: BTreeMap<(&str, &str), Vec<DateTime<Utc>>> = BTreeMap::new();
        for incident in world.incidents.values() {
            let key = (incident.rule.as_str(), incident.group.key.as_str());
            recent.entry(key).or_default().extend(incident.fired_at);
        }
        Work {
            world: *world,
            now,
            shut: world.routes.iter().map(|route| route.shut(now)).collect(),
            causes: Causes::of(world),
            silences: Silences::of(world.silences),
            hidden: BTreeMap::new(),
            covered: BTreeSet::new(),
            units: BTreeMap::new(),
            passed: BTreeMap::new(),
            drafts: Vec::new(),
            ended: Vec::new(),
            owing: Vec::new(),
            waiting: Vec::new(),
            recent,
            decision: Decision::default(),
        }
    }

    fn quiet(
        &mut self,
        incident: &Incident,
        receiver: Option<&str>,
        reason: impl Into<String>,
        until: Option<DateTime<Utc>>,
    ) {
        self.wake(until);
        self.decision.quiet.push(Quiet {
            incident: incident.id.clone(),
            receiver: receiver.map(str::to_owned),
            reason: reason.into(),
            until,
        });
    }

    /// Something may fall due then.
    fn wake(&mut self, at: Option<DateTime<Utc>>) {
        let at = at.filter(|at| *at > self.now);
        self.decision.next = [self.decision.next, at].into_iter().flatten().min();
    }

    fn told(&self, incident: &str) -> impl Iterator<Item = &'a Told> + use<'a> {
        self.world.told.get(incident).into_iter().flat_map(BTreeMap::values)
    }

    fn told_to(&self, incident: &str, receiver: &str) -> Option<&'a Told> {
        self.world.told.get(incident)?.get(receiver)
    }

    fn look(&mut self, incident: &'a Incident) {
        match incident.state {
            State::Pending => self.quiet(incident, None, "pending: its hold is not over", None),
            State::Firing | State::Recovering => self.open(incident),
            State::Resolved => self.ended(incident),
        }
    }

    fn open(&mut self, incident: &'a Incident) {
        let labels = incident.labels();
        let index = pick(self.world.routes, &labels);
        let route = index.map(|index| &self.world.routes[index]);
        let (silence, broken) = self.silenced(incident, &labels);
        let explained = self.causes.hiding(incident, &labels);
        let hides = explained.is_some() || silence.is_some();
        let mut to: Vec<(&'a str, Option<String>)> = Vec::new();
        match route {
            None => self.quiet(incident, None, "no route picks it", None),
            Some(route) => {
                to = self.picked(incident, route, hides);
                if to.is_empty() {
                    let reason = format!("{} has no receivers", route.words());
                    self.quiet(incident, None, reason, None);
                }
            }
        }
        let stop = match (&explained, silence) {
            (Some(words), _) => Some((words.clone(), None)),
            (None, Some(silence)) => Some((silenced_by(silence), Some(silence.end()))),
            (None, None) => None,
        };
        let shut = index.and_then(|index| self.shut[index].clone());
        let shut = shut.map(|shut| (shut.why, shut.until));
        for (receiver, because) in &to {
            let told = self.told_to(&incident.id, receiver).filter(|told| told.knows());
            let want = want(incident, told, broken);
            if told.is_some_and(|told| told.closed) {
                self.quiet(incident, Some(receiver), "told the end already", None);
                continue;
            }
            if let (Some((reason, until)), false) = (&stop, want == Want::Still) {
                if let (None, Some(silence)) = (&explained, silence) {
                    self.count(silence, incident, receiver);
                }
                if told.is_none() {
                    self.quiet(incident, Some(receiver), reason.clone(), *until);
                }
            } else if let (Some((reason, until)), Want::Fired) = (&shut, want) {
                self.waiting.push((incident, receiver));
                let reason = format!("{reason}: told when it opens");
                self.quiet(incident, Some(receiver), reason, *until);
            }
            let held = stop.clone().or(shut.clone());
            let news = want != Want::Still && held.is_none();
            if !news && told.is_none() {
                continue;
            }
            let thread = self.thread_of(incident, &labels, told, route);
            self.units.entry((thread, receiver)).or_default().push(Member {
                incident,
                told,
                want: if news { want } else { Want::Still },
                route: index,
                because: because.clone(),
                stop: held,
            });
        }
        // They stay owed the end; until then the route decides who hears of it.
        let known: Vec<&'a Told> = self.told(&incident.id).filter(|told| told.knows()).collect();
        for told in known {
            if to.iter().all(|(receiver, _)| *receiver != told.receiver) {
                self.follow_down(incident, told);
                let reason = "the route does not pick it any more; it is owed the end alone";
                self.quiet(incident, Some(&told.receiver), reason, None);
            }
        }
    }

    /// The receivers of a route for an incident, each with the reason where it is another than the
    /// route: those it escalated to.
    fn picked(
        &mut self,
        incident: &Incident,
        route: &'a Route,
        hides: bool,
    ) -> Vec<(&'a str, Option<String>)> {
        let mut to: Vec<(&'a str, Option<String>)> = Vec::new();
        let add = |to: &mut Vec<(&'a str, Option<String>)>, name: &'a str, why: Option<String>| {
            if to.iter().all(|(known, _)| *known != name) {
                to.push((name, why));
            }
        };
        for receiver in &route.to {
            add(&mut to, receiver, None);
        }
        let ack = self.world.acks.get(&incident.id);
        let taken = ack.is_some_and(|ack| self.now < ack.until);
        let fired = incident.fired_at.unwrap_or(incident.began);
        // What was acknowledged and then was not any more counts anew.
        let since = ack.map_or(fired, |ack| fired.max(ack.until));
        for step in &route.escalate {
            let due = hours::after(route.clock.as_deref(), since, step.after);
            let is_due = incident.state == State::Firing
                && !taken
                && !hides
                && due.is_some_and(|due| due <= self.now);
            for receiver in &step.to {
                let knows = self.told_to(&incident.id, receiver).is_some_and(Told::knows);
                if is_due || knows {
                    let after = super::super::incident::words(step.after);
                    let why = format!("nobody acknowledged it within {after}");
                    add(&mut to, receiver, Some(why));
                } else if !taken && !hides && incident.state == State::Firing {
                    self.quiet(incident, Some(receiver), "it is not escalated yet", due);
                } else if taken {
                    let until = ack.map(|ack| ack.until);
                    self.quiet(incident, Some(receiver), "acknowledged: not escalated", until);
                }
            }
        }
        to
    }

    fn ended(&mut self, incident: &'a Incident) {
        self.ended.push(&incident.id);
        let labels = incident.labels();
        let index = pick(self.world.routes, &labels);
        let route = index.map(|index| &self.world.routes[index]);
        let known: Vec<&'a Told> = self.told(&incident.id).filter(|told| told.knows()).collect();
        for told in &known {
            let receiver = told.receiver.as_str();
            if told.closed {
                self.quiet(incident, Some(receiver), "told the end already", None);
                continue;
            }
            self.owing.push((&incident.id, receiver));
            let picks = route.is_some_and(|route| route.reaches(receiver));
            let shut = index.filter(|_| picks).and_then(|index| self.shut[index].clone());
            if let Some(shut) = shut {
                let reason = format!("{}: the end is told when it opens", shut.why);
                self.quiet(incident, Some(receiver), reason, shut.until);
                continue;
            }
            let thread = self.thread_of(incident, &labels, Some(told), route);
            self.units.entry((thread, receiver)).or_default().push(Member {
                incident,
                told: Some(told),
                want: Want::Ended,
                route: index.filter(|_| picks),
                because: None,
                stop: None,
            });
        }
        self.untold(incident, &known);
    }

    /// Of an incident that has ended, those who were owed its beginning.
    fn untold(&mut self, incident: &'a Incident, known: &[&'a Told]) {
        if incident.fired_at.is_none() {
            return;
        }
        let labels = incident.labels_at(&incident.peak);
        let Some(index) = pick(self.world.routes, &labels) else {
            if known.is_empty() {
                self.quiet(incident, None, "no route picks it", None);
            }
            return;
        };
        let route = &self.world.routes[index];
        let peak = incident.level_index(&incident.peak);
        let unheard = known.iter().all(|told| incident.level_index(&told.level) < peak);
        let mut owed: Vec<&'a str> = Vec::new();
        for receiver in &route.to {
            let row = self.told_to(&incident.id, receiver);
            // Somebody else was told: then only those who were owed it, or where its highest level
            // was never told.
            let owes = row.map_or(unheard, |row| !row.knows() && !row.closed);
            if owes && !owed.contains(&receiver.as_str()) {
                owed.push(receiver);
            }
        }
        if owed.is_empty() {
            return;
        }
        let (silence, _) = self.silenced(incident, &labels);
        let explained = self.causes.hiding(incident, &labels);
        for receiver in owed {
            if explained.is_some() || silence.is_some() {
                let reason = match (&explained, silence) {
                    (Some(words), _) => words.clone(),
                    (None, Some(silence)) => {
                        self.count(silence, incident, receiver);
                        silenced_by(silence)
                    }
                    (None, None) => String::new(),
                };
                self.quiet(incident, Some(receiver), format!("{reason}; it is over"), None);
                if let Some(row) = self.told_to(&incident.id, receiver) {
                    self.decision.told.push(Told { closed: true, ..row.clone() });
                }
                continue;
            }
            self.owing.push((&incident.id, receiver));
            if let Some(shut) = &self.shut[index] {
                let (reason, until) = (format!("{}: told when it opens", shut.why), shut.until);
                self.waiting.push((incident, receiver));
                self.quiet(incident, Some(receiver), reason, until);
            } else if route.group_by.is_empty() {
                let key = (incident.rule.as_str(), incident.group.key.as_str(), receiver);
                self.passed.entry(key).or_default().push((incident, index));
            } else {
                let thread = self.thread_of(incident, &labels, None, Some(route));
                self.units.entry((thread, receiver)).or_default().push(Member {
                    incident,
                    told: None,
                    want: Want::Passed,
                    route: Some(index),
                    because: None,
                    stop: None,
                });
            }
        }
    }

    /// The silence that hides an incident, and when one that covers it stopped to, since it is worse.
    fn silenced(
        &mut self,
        incident: &Incident,
        labels: &Labels,
    ) -> (Option<&'a Silence>, Option<DateTime<Utc>>) {
        let covering: Vec<&'a Silence> = self.silences.covering(labels, self.now).collect();
        let (mut hides, mut broken) = (None, None);
        for silence in covering {
            if incident.is_open() {
                self.covered.insert(&silence.id);
            }
            self.wake(Some(silence.end()));
            let known = self.world.hidden.get(&silence.id).and_then(|by| by.get(&incident.id));
            let mut row = known.cloned().unwrap_or_else(|| Hidden {
                silence: silence.id.clone(),
                incident: incident.id.clone(),
                at: self.now,
                level: incident.level.clone(),
                excess: excess(incident),
                notices: BTreeMap::new(),
                broken_at: None,
            });
            if row.broken_at.is_none() && incident.is_open() && is_worse(silence, &row, incident) {
                row.broken_at = Some(self.now);
            }
            match row.broken_at {
                Some(at) => broken = broken.max(Some(at)),
                None => hides = hides.or(Some(silence)),
            }
            if known != Some(&row) {
                self.hidden.insert((silence.id.clone(), incident.id.clone()), row);
            }
        }
        // One that still hides it hides it, whatever another one does.
        (hides, broken.filter(|_| hides.is_none()))
    }

    /// A notice that a silence hides: once for each level.
    fn count(&mut self, silence: &Silence, incident: &Incident, receiver: &str) {
        let key = (silence.id.clone(), incident.id.clone());
        let known = || self.world.hidden.get(&key.0)?.get(&key.1).cloned();
        let Some(mut row) = self.hidden.get(&key).cloned().or_else(known) else { return };
        let level = incident.level_index(&incident.level);
        match row.notices.get_mut(receiver) {
            Some((_, hid)) if level <= incident.level_index(hid) => return,
            Some((times, hid)) => (*times, *hid) = (*times + 1, incident.level.clone()),
            None => {
                row.notices.insert(receiver.to_owned(), (1, incident.level.clone()));
            }
        }
        self.hidden.insert(key, row);
    }

    /// Where a receiver is told of an incident: where it was, or where its route says.
    fn thread_of(
        &self,
        incident: &Incident,
        labels: &Labels,
        told: Option<&Told>,
        route: Option<&Route>,
    ) -> String {
        match (told, route) {
            (Some(told), _) => told.thread.clone().unwrap_or_else(|| incident.id.clone()),
            (None, Some(route)) if !route.group_by.is_empty() => {
                super::group_id("group", &route.grouped(labels))
            }
            (None, _) => incident.id.clone(),
        }
    }

    /// A fall of level is not told, but remembered: the next rise is news again.
    fn follow_down(&mut self, incident: &Incident, told: &Told) {
        let down = incident.level_index(&incident.level) < incident.level_index(&told.level);
        if down && !told.closed {
            self.decision.told.push(Told { level: incident.level.clone(), ..told.clone() });
        }
    }

    fn finish(mut self) -> Decision {
        self.mark_waiting();
        let closed: HashSet<(&str, &str)> = (self.decision.told.iter())
            .filter(|told| told.closed)
            .map(|told| (told.incident.as_str(), told.receiver.as_str()))
            .collect();
        let mut open: HashSet<&str> =
            self.owing.iter().filter(|owed| !closed.contains(*owed)).map(|(id, _)| *id).collect();
        let told: HashSet<(&str, u32)> =
            self.decision.told_corrections.iter().map(|(id, n)| (id.as_str(), *n)).collect();
        open.extend(
            (self.world.corrections.iter())
                .filter(|c| !told.contains(&(c.incident.as_str(), c.number)))
                .map(|c| c.incident.as_str()),
        );
        let done = self.ended.iter().filter(|id| !open.contains(*id));
        self.decision.done = done.map(|id| (*id).to_owned()).collect();
        self.end_silences();
        self.decision.hidden = std::mem::take(&mut self.hidden).into_values().collect();
        self.decision
    }

    /// Whoever waits for a beginning that others know is owed it even if it ends before.
    fn mark_waiting(&mut self) {
        let known: HashSet<&str> = (self.decision.told.iter())
            .filter(|told| told.knows())
            .map(|told| told.incident.as_str())
            .collect();
        let mut marks = Vec::new();
        for (incident, receiver) in &self.waiting {
            let others = self.told(&incident.id).any(Told::knows);
            let unmarked = self.told_to(&incident.id, receiver).is_none();
            if unmarked && (others || known.contains(incident.id.as_str())) {
                marks.push(Told {
                    incident: incident.id.clone(),
                    receiver: (*receiver).to_owned(),
                    level: incident.level.clone(),
                    last_told_at: self.now,
                    times: 0,
                    closed: false,
                    thread: None,
                    reminders: 0,
                    corrected: 0,
                });
            }
        }
        self.decision.told.append(&mut marks);
    }

    fn end_silences(&mut self) {
        for silence in self.world.silences {
            let hid = self.world.hidden.contains_key(&silence.id);
            if silence.until_resolved
                && silence.is_live(self.now)
                && hid
                && !self.covered.contains(silence.id.as_str())
            {
                self.decision.ended_silences.push(silence.id.clone());
            }
        }
    }
}

fn want(incident: &Incident, told: Option<&Told>, broken: Option<DateTime<Utc>>) -> Want {
    let Some(told) = told else { return Want::Fired };
    let (from, to) = (incident.level_index(&told.level), incident.level_index(&incident.level));
    let firing = incident.state == State::Firing;
    match () {
        () if to > from && firing => Want::LevelUp,
        () if firing && broken.is_some_and(|at| at > told.last_told_at) => Want::Worse,
        () => Want::Still,
    }
}

fn is_worse(silence: &Silence, row: &Hidden, incident: &Incident) -> bool {
    let level = |level: &Severity| incident.level_index(level);
    let farther = |factor: f64| {
        let (was, is) = (row.excess?, excess(incident)?);
        Some(was > 0.0 && is >= was * factor)
    };
    (silence.unless.level && level(&incident.level) > level(&row.level))
        || silence.unless.factor.and_then(farther).unwrap_or(false)
}

fn silenced_by(silence: &Silence) -> String {
    format!("silenced by {} ({}: {})", silence.author, silence.id, silence.reason)
}
