//! Up to when the data of a notice is known, and what it does not cover.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::Plant;
use super::{datasets, window};
use crate::domain::coverage::CoverageFact;
use crate::domain::expr::ReportType;
use crate::domain::notification::Notice;
use crate::domain::period::Window;
use crate::domain::query::{Frame, Query, QueryText};
use crate::domain::report::Covering;
use crate::domain::rule::Rule;
use crate::domain::value::Value;
use crate::render::{self, Locale, SourceState};
use crate::store::{StoreError, View};

/// Windows of which it is counted what the data lacks, of all notices that are decided together.
const COUNTED_MAX: usize = 100;

/// What is known of sources, for notices that are decided together.
#[derive(Default)]
pub(super) struct Known {
    /// By rules, and the window whose data was counted.
    told: HashMap<(BTreeSet<String>, Option<Window>), Vec<SourceState>>,
    counted: usize,
}

impl Known {
    /// The sources of the rules of a notice, by name; with `covers`, what the window of the first
    /// one's data lacks.
    pub(super) fn of(
        &mut self,
        records: &View<'_>,
        plant: &Plant,
        notice: &Notice,
        covers: bool,
    ) -> Result<Vec<SourceState>, StoreError> {
        let items = notice.items.iter().map(|item| item.incident.rule.as_str());
        let events = notice.records.iter().map(|record| record.rule.as_str());
        let names: BTreeSet<String> = items.chain(events).map(str::to_owned).collect();
        let first = notice.first().filter(|_| covers && self.counted < COUNTED_MAX);
        let first = first.and_then(|incident| {
            let rule = plant.rules.get(&incident.rule)?;
            Some((rule, window(rule, incident)?))
        });
        let key = (names, first.map(|(_, window)| window));
        if let Some(told) = self.told.get(&key) {
            return Ok(told.clone());
        }
        let mut told = sources(records, plant, &key.0);
        if let (Some((rule, window)), Some(source)) = (first, told.first_mut()) {
            self.counted += 1;
            source.covers = lacking(records, plant, rule, window)?;
        }
        self.told.insert(key, told.clone());
        Ok(told)
    }
}

/// The sources of some rules, by name.
fn sources(records: &View<'_>, plant: &Plant, names: &BTreeSet<String>) -> Vec<SourceState> {
    let rules = names.iter().filter_map(|name| plant.rules.get(name));
    let read: BTreeSet<String> = rules.flat_map(|rule| datasets(rule)).collect();
    let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for dataset in plant.datasets.iter().filter(|dataset| read.contains(&dataset.name)) {
        sources.entry(&dataset.source).or_default().push(dataset.name.clone());
    }
    (sources.into_iter())
        .map(|(source, datasets)| SourceState {
            source: source.to_owned(),
            complete_to: records.complete_to(&datasets),
            covers: Vec::new(),
        })
        .collect()
}

/// `2 of 41 ended sessions have metrics (..)`, where not all have in a window.
fn lacking(
    records: &View<'_>,
    plant: &Plant,
    rule: &Rule,
    window: Window,
) -> Result<Vec<String>, StoreError> {
    let frame = Frame {
        bounds: Some((window.from, window.to)),
        as_of: window.to,
        zone: rule.zone.clone(),
        week_starts: plant.week_starts,
        rows_max: 1,
        rest_max: 0,
    };
    let mut sentences = Vec::new();
    for covering in facts(rule).into_iter().filter_map(|fact| covering(plant, fact)) {
        let counted = match records.answer(&covering.query, &frame) {
            Err(StoreError::Loading(_)) => continue,
            counted => counted?,
        };
        let counts = counted.rows.first().map_or(&[][..], |row| &row.values);
        let count = |index: usize| counts.get(index).and_then(Value::number).unwrap_or(0.0);
        if count(1) < count(0) {
            let locale = Locale::named(&plant.locale);
            sentences.extend(render::words::coverage(&covering, counts, locale));
        }
    }
    Ok(sentences)
}

/// What the datasets that a rule reads say of their own gaps.
fn facts(rule: &Rule) -> Vec<&CoverageFact> {
    let reads = rule.query.reads();
    let tables = rule.query.report_type.tables.iter();
    let read = tables.filter(|table| reads.contains_key(&table.dataset.name));
    let mut seen = BTreeSet::new();
    read.filter(|table| seen.insert(table.dataset.name.as_str()))
        .flat_map(|table| table.dataset.coverage.iter())
        .collect()
}

/// A fact as a question. The sources declare facts, not the config: one that cannot be asked is left
/// out.
fn covering(plant: &Plant, fact: &CoverageFact) -> Option<Covering> {
    let report_type = ReportType::parse("coverage", &fact.from, &plant.datasets).ok()?;
    let aggregates = ["count()", fact.have.as_str()].into_iter();
    let aggregates = aggregates.chain(fact.missing.iter().map(|(aggregate, _)| aggregate.as_str()));
    let named: Vec<String> =
        aggregates.enumerate().map(|(index, text)| format!("{text} as c{index}")).collect();
    let text = QueryText {
        date: Some(&fact.date),
        filter: Some(&fact.filter),
        columns: named.iter().map(String::as_str).collect(),
        ..QueryText::default()
    };
    Some(Covering {
        noun: fact.noun.clone(),
        verb: fact.verb.clone(),
        query: Query::check(&Arc::new(report_type), &text).ok()?,
        reasons: fact.missing.iter().map(|(_, reason)| reason.clone()).collect(),
    })
}
