//! What a rule sees at a slot: its question answered from the records, and what the answer says of
//! each group. It moves nothing; what readings do is [`super::evaluate`]'s.

use std::collections::BTreeMap;

use super::Plant;
use super::evaluate::datasets;
use crate::domain::incident::Incident;
use crate::domain::query::Frame;
use crate::domain::rule::Rule;
use crate::domain::rule::readings::{Observation, observations};
use crate::domain::rule::slots::Slot;
use crate::store::{Store, StoreError};

/// At most so many groups of one rule are read at a slot; beyond it the overflow speaks.
const GROUPS_READ_MAX: usize = 50_000;

/// What is seen of each group of a rule at a slot. `open` are the rule's open incidents by their
/// group's key: their groups are observed also where they have no records any more.
///
/// # Errors
///
/// When the records cannot be asked; [`StoreError::Loading`] where a field is not filled yet: the
/// slot is read again later.
pub(super) fn observe(
    store: &Store,
    plant: &Plant,
    rule: &Rule,
    slot: &Slot,
    open: &BTreeMap<String, Incident>,
) -> Result<Vec<Observation>, StoreError> {
    let answer = store.read_records(|records| {
        // The state as it is, is that of the watermark: records are known up to there.
        let as_of = match slot.window {
            Some(_) => slot.at,
            None => records.complete_to(&datasets(rule)).map_or(slot.at, |to| to.max(slot.at)),
        };
        let frame = Frame {
            bounds: slot.window.map(|window| (window.from, window.to)),
            as_of,
            zone: rule.zone.clone(),
            week_starts: plant.week_starts,
            rows_max: GROUPS_READ_MAX,
            rest_max: 0,
        };
        records.answer(&rule.query, &frame)
    })?;
    Ok(observations(rule, &answer.rows, open.values().map(|incident| &incident.group)))
}
