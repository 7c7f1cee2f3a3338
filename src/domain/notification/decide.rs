//! The decision: incidents as they are against what was told of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::super::incident::{Incident, Reason, State, words};
use super::super::route::{Route, pick};
use super::{
    Change, Decision, Item, Kind, Notice, PASSED_MAX, Passed, Quiet, Told, World, late_words,
    lateness, next_reminder,
};

/// Decides what is owed to whom now.
pub fn decide(world: &World<'_>, now: DateTime<Utc>) -> Decision {
    let mut groups: BTreeMap<(&str, &str), Vec<Incident>> = BTreeMap::new();
    for incident in world.incidents.values() {
        let key = (incident.rule.as_str(), incident.group.key.as_str());
        groups.entry(key).or_default().push(incident.clone());
    }
    let mut all = Decision::default();
    for incidents in groups.values_mut() {
        // Oldest first: one group's incidents are told together.
        incidents.sort_by_key(|incident| incident.began);
        let of = |incident: &Incident| world.told.get(&incident.id).into_iter().flatten();
        let told: Vec<Told> = incidents.iter().flat_map(of).map(|(_, told)| told.clone()).collect();
        let mut decision = decide_group(incidents, &told, world.routes, now);
        for told in told {
            let same = |new: &Told| new.incident == told.incident && new.receiver == told.receiver;
            if !decision.told.iter().any(same) {
                decision.told.push(told);
            }
        }
        for incident in incidents.iter() {
            let owed = decision.told.iter().any(|t| t.incident == incident.id && !t.closed);
            if !incident.is_open() && !owed {
                all.done.push(incident.id.clone());
            }
            let next = next_reminder(incident, &decision.told, world.routes);
            all.next = [all.next, next].into_iter().flatten().min();
        }
        all.notices.append(&mut decision.notices);
        all.told.append(&mut decision.told);
        all.quiet.append(&mut decision.quiet);
    }
    all
}

/// Decides what is owed about the incidents of one rule and one group, oldest first: those that
/// moved since the last decision (after one slot or after many replayed ones) and the open one.
/// `told` is what was told of them; rows of other incidents are not looked at. Call it also without
/// any new reading: reminders fall due by the clock.
///
/// - Pending: nobody is told.
/// - Firing or recovering: receivers of the route for the level it is at now. One that was not told of
///   this incident gets *fired* (also when a rise of level, or a reload, has only now picked it); one
///   that was told a lower level gets *level up*; one that was told `repeat` ago gets a *reminder*,
///   but not while it recovers. A fall of level is quiet.
/// - Resolved: everybody who was told and not yet told the end, whatever the routes say now.
/// - Resolved before anybody was told: the receivers of the route for its highest level get one
///   message that says so: a line in the notice of the incident that is open now, if there is
///   one for them, else a closing notice of the newest with the others as lines.
pub(super) fn decide_group(
    incidents: &[Incident],
    told: &[Told],
    routes: &[Route],
    now: DateTime<Utc>,
) -> Decision {
    let mut work = Work { told, routes, now, decision: Decision::default() };
    let mut passed: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        match incident.state {
            State::Pending => work.quiet(incident, None, "pending: its hold is not over"),
            State::Firing | State::Recovering => work.open(incident),
            State::Resolved => {
                let known = told.iter().any(|told| told.incident == incident.id);
                if known {
                    work.close(incident);
                } else if incident.fired_at.is_some() {
                    match pick(routes, &incident.labels_at(&incident.peak)) {
                        Some(route) => {
                            for receiver in &routes[route].to {
                                passed.entry(receiver).or_default().push(incident);
                            }
                        }
                        None => work.quiet(incident, None, "no route picks it"),
                    }
                }
            }
        }
    }
    for (receiver, incidents) in passed {
        work.tell_passed(receiver, &incidents);
    }
    work.decision
}

struct Work<'a> {
    told: &'a [Told],
    routes: &'a [Route],
    now: DateTime<Utc>,
    decision: Decision,
}

impl<'a> Work<'a> {
    fn quiet(&mut self, incident: &Incident, receiver: Option<&str>, reason: impl Into<String>) {
        self.decision.quiet.push(Quiet {
            incident: incident.id.clone(),
            receiver: receiver.map(str::to_owned),
            reason: reason.into(),
            until: None,
        });
    }

    fn told_of(&self, incident: &'a Incident) -> impl Iterator<Item = &'a Told> + use<'a> {
        self.told.iter().filter(|told| told.incident == incident.id)
    }

    fn open(&mut self, incident: &'a Incident) {
        let route = pick(self.routes, &incident.labels()).map(|index| &self.routes[index]);
        match route {
            None => self.quiet(incident, None, "no route picks it"),
            Some(route) if route.to.is_empty() => {
                self.quiet(incident, None, format!("{} has no receivers", route.words()));
            }
            Some(route) => {
                let nobody_knows = self.told_of(incident).next().is_none();
                for (index, receiver) in route.to.iter().enumerate() {
                    if route.to[..index].contains(receiver) {
                        continue;
                    }
                    match self.told_of(incident).find(|told| told.receiver == *receiver) {
                        None => self.tell_first(incident, receiver, route, nobody_knows),
                        Some(told) => self.tell_again(incident, told, route),
                    }
                }
            }
        }
        // They stay owed the end; until then the route decides who hears of it.
        let to = route.map_or(&[][..], |route| &route.to);
        for told in self.told_of(incident).filter(|told| !to.contains(&told.receiver)) {
            self.follow_down(incident, told);
            let reason = "the route does not pick it any more; it is owed the end alone";
            self.quiet(incident, Some(&told.receiver), reason);
        }
    }

    fn tell_first(
        &mut self,
        incident: &Incident,
        receiver: &str,
        route: &Route,
        nobody_knows: bool,
    ) {
        let level = &incident.level.name;
        let mut reason = format!("it fired at level {level}; told by {}", route.words());
        let mut late = None;
        if nobody_knows {
            late = lateness(incident.fired_at, self.now);
            reason += &late_words(late);
        } else {
            reason += ", which picked this receiver only now";
        }
        if let (State::Recovering, Some(clear)) = (incident.state, incident.clear) {
            let seen = words(clear.counted);
            reason += &format!("; clear for {seen}, not yet long enough to be over");
        }
        let mut notice = self.notice(Kind::Fired, incident, receiver, 1, reason);
        notice.late = late;
        self.owe(notice, false);
    }

    /// To a receiver that was told before, while it is picked.
    fn tell_again(&mut self, incident: &Incident, told: &Told, route: &Route) {
        if told.closed {
            return self.quiet(incident, Some(&told.receiver), "told the end already");
        }
        let (from, to) = (incident.level_index(&told.level), incident.level_index(&incident.level));
        if to > from && incident.state == State::Firing {
            let late = lateness(Some(incident.level_since), self.now);
            let reason = format!(
                "it rose from level {} to {}{}",
                told.level.name,
                incident.level.name,
                late_words(late)
            );
            let seq = told.times + 1;
            let mut notice = self.notice(Kind::LevelUp, incident, &told.receiver, seq, reason);
            notice.late = late;
            return self.owe(notice, false);
        }
        let since = self.now - told.last_told_at;
        let repeat = route.repeat.map(|repeat| repeat.every);
        let due = repeat.filter(|repeat| since >= *repeat);
        if let (State::Firing, Some(repeat)) = (incident.state, due) {
            let mut reason = format!("still firing; told every {}", words(repeat));
            let unread = self.now - incident.last_read_at;
            if unread > super::LATE_AFTER {
                reason += &format!(", last read {} ago", words(unread));
            }
            let seq = told.times + 1;
            let notice = self.notice(Kind::Reminder, incident, &told.receiver, seq, reason);
            return self.owe(notice, false);
        }
        self.follow_down(incident, told);
        let reason = match (repeat, incident.state) {
            (_, State::Recovering) => {
                "told; it is clear, not yet long enough to be over".to_owned()
            }
            (Some(repeat), _) => {
                let left = words(repeat - since);
                format!("told at level {}; reminded in {left}", told.level.name)
            }
            (None, _) => format!("told at level {}; no reminders", told.level.name),
        };
        self.quiet(incident, Some(&told.receiver), reason);
    }

    /// A fall of level is not told, but remembered: the next rise is news again.
    fn follow_down(&mut self, incident: &Incident, told: &Told) {
        let down = incident.level_index(&incident.level) < incident.level_index(&told.level);
        if down && !told.closed {
            self.decision.told.push(Told { level: incident.level.clone(), ..told.clone() });
        }
    }

    /// What is owed at the end to everybody who was told.
    fn close(&mut self, incident: &'a Incident) {
        for told in self.told_of(incident) {
            if told.closed {
                self.quiet(incident, Some(&told.receiver), "told the end already");
                continue;
            }
            let end = incident.resolved.map(|resolved| resolved.at);
            let late = lateness(end, self.now);
            let reason = format!("{}{}", ended(incident), late_words(late));
            let seq = told.times + 1;
            let mut notice = self.notice(Kind::Resolved, incident, &told.receiver, seq, reason);
            notice.late = late;
            self.owe(notice, true);
        }
    }

    /// Incidents that fired and ended with nobody told, oldest first.
    fn tell_passed(&mut self, receiver: &str, incidents: &[&Incident]) {
        let carrier = self.decision.notices.iter().rposition(|notice| {
            notice.receiver == receiver && notice.first().is_some_and(Incident::is_open)
        });
        let (carrier, lines) = match (carrier, incidents.split_last()) {
            (Some(carrier), _) => (carrier, incidents),
            (None, Some((newest, earlier))) => {
                let late = lateness(newest.fired_at, self.now);
                let reason = format!(
                    "it fired and ended before anybody was told: {}{}",
                    ended(newest),
                    late_words(late)
                );
                let mut notice = self.notice(Kind::Resolved, newest, receiver, 1, reason);
                notice.late = late;
                self.owe(notice, true);
                (self.decision.notices.len() - 1, earlier)
            }
            (None, None) => return,
        };
        let notice = &mut self.decision.notices[carrier];
        notice.passed_more = lines.len().saturating_sub(PASSED_MAX);
        notice.passed = lines[notice.passed_more..].iter().map(|line| passed(line)).collect();
        if !lines.is_empty() {
            notice.reason += &format!("; {} more fired and ended before it", lines.len());
        }
        for line in lines {
            self.remember(line, receiver, 1, true);
        }
    }

    fn notice(
        &self,
        kind: Kind,
        incident: &Incident,
        receiver: &str,
        seq: u32,
        reason: String,
    ) -> Notice {
        let change = match kind {
            Kind::Fired => Change::Fired,
            Kind::LevelUp => Change::LevelUp,
            Kind::Resolved => Change::Resolved,
            _ => Change::Still,
        };
        let item = Item {
            change,
            incident: incident.clone(),
            from: None,
            duration: incident.duration(self.now),
            ack: None,
            recent: 1,
            remarks: Vec::new(),
        };
        Notice {
            key: format!("{}/{seq}/{receiver}", incident.id),
            kind,
            receiver: receiver.to_owned(),
            thread: incident.id.clone(),
            seq,
            at: self.now,
            reason,
            grouped_by: BTreeMap::new(),
            items: vec![item],
            more_firing: 0,
            more_ended: 0,
            late: None,
            passed: Vec::new(),
            passed_more: 0,
            records: Vec::new(),
            records_more: 0,
            instead_of: None,
        }
    }

    fn owe(&mut self, notice: Notice, closed: bool) {
        if let Some(incident) = notice.first() {
            self.remember(&incident.clone(), &notice.receiver, notice.seq, closed);
        }
        self.decision.notices.push(notice);
    }

    fn remember(&mut self, incident: &Incident, receiver: &str, times: u32, closed: bool) {
        self.decision.told.push(Told {
            incident: incident.id.clone(),
            receiver: receiver.to_owned(),
            level: incident.level.clone(),
            last_told_at: self.now,
            times,
            closed,
            thread: None,
            reminders: 0,
            corrected: 0,
        });
    }
}

fn ended(incident: &Incident) -> &'static str {
    incident.resolved.map_or(Reason::Cleared.words(), |resolved| resolved.reason.words())
}

fn passed(incident: &Incident) -> Passed {
    Passed {
        incident: incident.id.clone(),
        began: incident.began,
        ended: incident.resolved.map(|resolved| resolved.at),
        peak: incident.peak.clone(),
        worst: incident.worst,
    }
}
