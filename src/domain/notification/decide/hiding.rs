//! What hides an incident: another incident that explains it, or a silence. Everything is read from
//! states as they are stored, so that there is nothing to warm up after a start.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::super::super::incident::{Incident, State};
use super::super::super::route::{Inhibition, Labels, RouteCondition};
use super::super::super::silence::Silence;
use super::super::World;

/// Incidents that explain others, found by what must be equal.
pub(super) struct Causes<'a> {
    depends_on: &'a BTreeMap<String, Vec<String>>,
    /// Incidents of the rules that others depend on.
    by_rule: BTreeMap<&'a str, Vec<&'a Incident>>,
    /// By rule, asked headings and their values; made when first asked.
    shared: BTreeMap<(&'a str, Vec<String>), Shared<'a>>,
    inhibitions: Vec<(&'a Inhibition, BTreeMap<Vec<String>, Pair<'a>>)>,
}

/// Causes of one rule by the values that some headings have in them.
#[derive(Default)]
struct Shared<'a> {
    index: BTreeMap<Vec<Option<String>>, Slot<'a>>,
    /// Which of the headings they have: few, mostly one.
    shapes: BTreeSet<Vec<bool>>,
}

/// Of several incidents that explain the same, the one that does so longest, and the one that did.
#[derive(Clone, Copy, Default)]
struct Slot<'a> {
    open: Option<&'a Incident>,
    ended: Option<&'a Incident>,
}

/// Causes of an inhibition: all of them, and those that are not hidden by their own kind.
#[derive(Default)]
struct Pair<'a> {
    any: Slot<'a>,
    apart: Slot<'a>,
}

impl<'a> Slot<'a> {
    fn take(&mut self, cause: &'a Incident) {
        match cause.resolved {
            None if self.open.is_none_or(|known| cause.fired_at < known.fired_at) => {
                self.open = Some(cause);
            }
            Some(end)
                if self.ended.and_then(|known| known.resolved).is_none_or(|e| e.at < end.at) =>
            {
                self.ended = Some(cause);
            }
            _ => {}
        }
    }

    /// The one that fires now, or for an incident that has ended: that fired at its end.
    fn hides(&self, target: &Incident) -> Option<&'a Incident> {
        let Some(end) = target.resolved else { return self.open };
        let fired = |cause: &&'a Incident| cause.fired_at.is_some_and(|fired| fired <= end.at);
        self.open.filter(fired).or_else(|| {
            let lasted = |cause: &&'a Incident| cause.resolved.is_some_and(|r| end.at <= r.at);
            self.ended.filter(fired).filter(lasted)
        })
    }
}

impl<'a> Causes<'a> {
    pub(super) fn of(world: &World<'a>) -> Causes<'a> {
        let fired = || {
            let all = world.incidents.values();
            all.filter(|incident| incident.state != State::Pending && incident.fired_at.is_some())
        };
        let mut by_rule: BTreeMap<&'a str, Vec<&'a Incident>> = BTreeMap::new();
        if !world.depends_on.is_empty() {
            for name in world.depends_on.values().flatten() {
                by_rule.entry(name).or_default();
            }
            for incident in fired() {
                if let Some(list) = by_rule.get_mut(incident.rule.as_str()) {
                    list.push(incident);
                }
            }
        }
        let mut inhibitions: Vec<_> =
            world.inhibitions.iter().map(|inhibition| (inhibition, BTreeMap::new())).collect();
        if !inhibitions.is_empty() {
            for incident in fired() {
                let labels = incident.labels();
                for (inhibition, causes) in &mut inhibitions {
                    if inhibition.when.holds(&labels) {
                        let pair: &mut Pair<'a> =
                            causes.entry(values(&inhibition.equal, &labels)).or_default();
                        pair.any.take(incident);
                        if !inhibition.hides.holds(&labels) {
                            pair.apart.take(incident);
                        }
                    }
                }
            }
        }
        Causes { depends_on: world.depends_on, by_rule, shared: BTreeMap::new(), inhibitions }
    }

    /// Why an incident is not told, if others explain it.
    pub(super) fn hiding(&mut self, incident: &Incident, labels: &Labels) -> Option<String> {
        let headings = incident.group.shown.iter().cloned().collect();
        if let Some(cause) = self.dependency(&incident.rule, &headings, Some(incident)) {
            return Some(because(&format!("`{}` depends on", incident.rule), cause));
        }
        self.inhibition(labels, Some(incident))
    }

    /// The same for a record of an event rule.
    pub(super) fn hiding_record(&mut self, rule: &str, labels: &Labels) -> Option<String> {
        if let Some(cause) = self.dependency(rule, labels, None) {
            return Some(because(&format!("`{rule}` depends on"), cause));
        }
        self.inhibition(labels, None)
    }

    fn dependency(
        &mut self,
        rule: &str,
        headings: &Labels,
        target: Option<&Incident>,
    ) -> Option<&'a Incident> {
        for name in self.depends_on.get(rule)? {
            let Some((name, causes)) = self.by_rule.get_key_value(name.as_str()) else { continue };
            let asked: Vec<String> = headings.keys().cloned().collect();
            let shared = self.shared.entry((name, asked)).or_insert_with_key(|(_, asked)| {
                let mut shared = Shared::default();
                for cause in causes {
                    let shown: BTreeMap<&str, &str> = cause
                        .group
                        .shown
                        .iter()
                        .map(|(heading, value)| (heading.as_str(), value.as_str()))
                        .collect();
                    let key = asked.iter().map(|h| shown.get(h.as_str()).map(|v| (*v).to_owned()));
                    let key: Vec<Option<String>> = key.collect();
                    shared.shapes.insert(key.iter().map(Option::is_some).collect());
                    shared.index.entry(key).or_default().take(cause);
                }
                shared
            });
            // A heading that a cause does not have agrees with any value.
            for shape in &shared.shapes {
                let key = headings.values().zip(shape);
                let key = key.map(|(value, has)| has.then(|| value.clone())).collect::<Vec<_>>();
                let slot = shared.index.get(&key);
                let found = slot.and_then(|slot| match target {
                    Some(target) => slot.hides(target),
                    None => slot.open,
                });
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    fn inhibition(&self, labels: &Labels, target: Option<&Incident>) -> Option<String> {
        for (inhibition, causes) in &self.inhibitions {
            if !inhibition.hides.holds(labels) {
                continue;
            }
            let Some(pair) = causes.get(&values(&inhibition.equal, labels)) else { continue };
            // What is cause and consequence at once is hidden by causes of the other kind alone:
            // two incidents never hide each other.
            let slot = if inhibition.when.holds(labels) { &pair.apart } else { &pair.any };
            let cause = match target {
                Some(target) => slot.hides(target).filter(|cause| cause.id != target.id),
                None => slot.open,
            };
            if let Some(cause) = cause {
                return Some(because("hidden by", cause));
            }
        }
        None
    }
}

fn values(names: &[String], labels: &Labels) -> Vec<String> {
    names.iter().map(|name| labels.get(name).cloned().unwrap_or_default()).collect()
}

fn because(words: &str, cause: &Incident) -> String {
    let group = match cause.group.name() {
        name if name.is_empty() => String::new(),
        name => format!(" ({name})"),
    };
    format!("{words} incident {} of `{}`{group}, which fires", cause.id, cause.rule)
}

/// Silences with their conditions read.
pub(super) struct Silences<'a> {
    list: Vec<(&'a Silence, RouteCondition)>,
}

impl<'a> Silences<'a> {
    pub(super) fn of(silences: &'a [Silence]) -> Silences<'a> {
        let read = silences.iter().filter_map(|silence| {
            // It was read when it was written; a newer postrider may have written it.
            Some((silence, RouteCondition::parse(&silence.condition).ok()?))
        });
        Silences { list: read.collect() }
    }

    /// The live silences that pick these labels.
    pub(super) fn covering(
        &self,
        labels: &Labels,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = &'a Silence> {
        let live = self.list.iter().filter(move |(s, _)| s.created_at <= now && s.is_live(now));
        live.filter(|(_, condition)| condition.holds(labels)).map(|(silence, _)| *silence)
    }
}
