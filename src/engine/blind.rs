//! Blind rules: those that cannot see their data, because a source of it is down. Nothing of them
//! moves meanwhile; who hears of them hears that they are blind, and since when. When the source is
//! back their missed slots are evaluated in order, and what fired and ended in between is told so.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::board::Board;
use super::evaluate::datasets;
use super::{Engine, Plant};

/// Datasets that give nothing, with since when.
pub(super) type Outages = BTreeMap<String, DateTime<Utc>>;

impl Engine {
    /// Datasets of which the owner has been told that their source gives nothing, and not yet that it
    /// does again.
    pub(super) fn outages(&self) -> Outages {
        let memos = self.memos();
        let down = memos.iter().filter_map(|(name, memo)| Some((name.clone(), memo.down_since()?)));
        down.collect()
    }
}

impl Board {
    /// Notes which rules are blind; a change of it is something that moved.
    pub(super) fn note_blind(&mut self, plant: &Plant, outages: Outages, new_plant: bool) {
        if outages == self.outages && !new_plant {
            return;
        }
        let blind = blind(plant, &outages);
        self.moved |= blind != self.blind;
        self.blind = blind;
        self.outages = outages;
    }
}

/// The rules that read a dataset that gives nothing, each with its reason.
fn blind(plant: &Plant, outages: &Outages) -> BTreeMap<String, String> {
    if outages.is_empty() {
        return BTreeMap::new();
    }
    let reason = |name: &String| {
        let since = outages.get(name)?;
        let civil = plant.zone.civil(*since).format("%Y-%m-%d %H:%M");
        let zone = plant.zone.name();
        Some(format!("no data of {name} since {civil} ({zone})"))
    };
    let rules = plant.rules.values().filter_map(|rule| {
        let reasons: Vec<String> = datasets(rule).iter().filter_map(reason).collect();
        (!reasons.is_empty()).then(|| (rule.name.clone(), reasons.join("; ")))
    });
    rules.collect()
}

/// How many rules are blind, since when, for the owner: `12 rules are blind since 10:42`.
pub(super) fn sentence(plant: &Plant, rules: usize, since: DateTime<Utc>) -> Option<String> {
    let at = plant.zone.civil(since).format("%H:%M");
    match rules {
        0 => None,
        1 => Some(format!("1 rule is blind since {at}")),
        rules => Some(format!("{rules} rules are blind since {at}")),
    }
}
