//! The tests that a config has of its rules: records or readings in, on a virtual clock; incidents
//! and notices out, through the very path that makes the alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::report_tests::fill;
use super::{App, Limits};
use crate::clock::ManualClock;
use crate::config::Config;
use crate::domain::dataset::Dataset;
use crate::domain::rule::readings::{Group, Observation};
use crate::domain::rule::slots::Slot;
use crate::domain::rule::trial::{Given, Records, RuleTest};
use crate::domain::rule::{Reading, Rule};
use crate::domain::value::Value;
use crate::engine::rehearse::{Rehearsal, Sight, Timeline};
use crate::store::{Store, StoreError};

mod differ;

/// Runs one test of a rule. What differs comes as lines for people; none means that it passed.
///
/// # Errors
/// The test could not be run at all.
pub fn run(config: &Config, rule: &Arc<Rule>, test: &RuleTest) -> anyhow::Result<Vec<String>> {
    let timeline = rehearsed(config, rule, test)?;
    Ok(differ::differences(rule, test, &timeline))
}

/// What comes of a test.
///
/// # Errors
/// The test could not be run at all.
pub fn rehearsed(config: &Config, rule: &Arc<Rule>, test: &RuleTest) -> anyhow::Result<Timeline> {
    let folder = tempfile::tempdir().context("a test needs a folder for its records")?;
    let config = Config { state: folder.path().to_owned(), ..config.clone() };
    let app = App::build(config, Arc::new(ManualClock::new(test.from)), Limits::default())?;
    let plant = app.engine().plant();
    let mut rehearsal = Rehearsal {
        plant: &plant,
        rules: vec![Arc::clone(rule)],
        from: test.from,
        to: test.to,
        follow: Some(rule.name.clone()),
    };
    let timeline = match &test.given {
        Given::Series(series) => {
            let played = Played::of(rule, test.from, series);
            let mut given = |_: &Rule, slot: &Slot| Some(played.at(slot));
            rehearsal.run(&mut Sight::Given(&mut given), &mut |_| ())?
        }
        Given::Records(lots) => {
            // Rules that explain this one see the same records.
            let explaining = rule.depends_on.iter().filter_map(|name| plant.rules.get(name));
            rehearsal.rules.extend(explaining.cloned());
            let store = app.engine().store();
            let mut lots = Lots::of(&rehearsal.rules, &plant.datasets, lots);
            lots.come(store, test.from)?;
            let mut bring = |store: &Store, now| lots.come(store, now);
            rehearsal.run(&mut Sight::Coming(store, &mut bring), &mut |_| ())?
        }
    };
    Ok(timeline)
}

/// Records that become visible one lot after the other.
struct Lots<'t> {
    datasets: Vec<&'t Arc<Dataset>>,
    /// Those that are visible, by dataset and key.
    visible: BTreeMap<&'t str, BTreeMap<String, &'t BTreeMap<String, Value>>>,
    waiting: std::iter::Peekable<std::slice::Iter<'t, (Option<DateTime<Utc>>, Records)>>,
    begun: bool,
}

impl<'t> Lots<'t> {
    fn of(
        rules: &[Arc<Rule>],
        datasets: &'t [Arc<Dataset>],
        lots: &'t [(Option<DateTime<Utc>>, Records)],
    ) -> Lots<'t> {
        let queries = rules.iter().flat_map(|rule| rule.evidence.iter().chain([&rule.query]));
        let read: BTreeSet<String> = queries.flat_map(|query| query.reads().into_keys()).collect();
        Lots {
            datasets: datasets.iter().filter(|dataset| read.contains(&dataset.name)).collect(),
            visible: BTreeMap::new(),
            waiting: lots.iter().peekable(),
            begun: false,
        }
    }

    /// Brings what is visible by now.
    fn come(&mut self, store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut news = !std::mem::replace(&mut self.begun, true);
        while let Some((_, records)) = self.waiting.next_if(|(at, _)| at.is_none_or(|at| at <= now))
        {
            news = true;
            for dataset in &self.datasets {
                let key = &dataset.fields[dataset.key].name;
                for record in records.get(&dataset.name).into_iter().flatten() {
                    let key = record.get(key).map(|key| format!("{key:?}")).unwrap_or_default();
                    self.visible.entry(&dataset.name).or_default().insert(key, record);
                }
            }
        }
        if !news {
            return Ok(());
        }
        for dataset in &self.datasets {
            let records = self.visible.get(dataset.name.as_str()).into_iter().flatten();
            // All of them each time: a dataset that is read whole loses what does not come again.
            fill(store, dataset, records.map(|(_, record)| *record), now)?;
        }
        Ok(())
    }
}

/// Readings that are given themselves.
struct Played<'t> {
    groups: Vec<(Group, &'t [Reading])>,
    from: DateTime<Utc>,
    every: i64,
}

impl<'t> Played<'t> {
    fn of(
        rule: &Rule,
        from: DateTime<Utc>,
        series: &'t [(Vec<String>, Vec<Reading>)],
    ) -> Played<'t> {
        let headings: Vec<&str> =
            rule.query.groups.iter().map(|group| group.name.as_str()).collect();
        let groups = series.iter().map(|(shown, readings)| {
            let shown: Vec<Value> = shown.iter().cloned().map(Value::Text).collect();
            (Group::of(headings.iter().copied(), &shown, &shown), readings.as_slice())
        });
        let every = rule.every.num_milliseconds().max(1);
        let over = from.timestamp_millis().rem_euclid(every);
        let wait = chrono::TimeDelta::milliseconds(if over == 0 { 0 } else { every - over });
        Played { groups: groups.collect(), from: from + wait, every }
    }

    fn at(&self, slot: &Slot) -> Vec<Observation> {
        let index = (slot.at - self.from).num_milliseconds() / self.every;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let known = self.groups.iter().filter_map(|(group, readings)| {
            Some(Observation::of(group.clone(), *readings.get(index)?))
        });
        known.collect()
    }
}
