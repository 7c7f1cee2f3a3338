//! Answering: reports to tables, for a slot. One report that fails costs its section, no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;

use super::{Engine, EngineError, Plant, blocking, labels};
use crate::domain::period::Window;
use crate::domain::query::Frame;
use crate::domain::report::{Covering, Report};
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;
use crate::render::{self, Locale};
use crate::store::{Store, StoreError, View};

mod baseline;
mod parts;
mod remarks;

pub(super) use parts::ReportParts;

/// Less than this part of what should have a counterpart is told before the figures, not only under
/// them.
const COVERAGE_LOW: f64 = 0.8;
/// At most so many groups or list rows are read for one report.
pub(super) const ROWS_MAX: usize = 200_000;
/// Reports answered at the same time: scans run on both cores of a small machine.
const AT_ONCE: usize = 2;

/// What else is wanted of a table than what a mail shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// At most so many of the rows that `top` leaves out: see [`Table::rest`].
    pub rest_max: usize,
    /// How its sentences write figures and dates, if not as the whole config says.
    pub locale: Option<Locale>,
}

impl Wanted {
    /// All rows that were read, for files.
    pub const ROWS: Wanted = Wanted { rest_max: ROWS_MAX, locale: None };

    pub(super) fn locale(self, plant: &Plant) -> Locale {
        self.locale.unwrap_or_else(|| Locale::named(&plant.locale))
    }
}

impl Engine {
    /// The sections of some reports for a slot, in order, as a mail shows them.
    pub async fn sections(&self, reports: &[Arc<Report>], slot: DateTime<Utc>) -> Vec<Section> {
        self.sections_with(reports, slot, Wanted::default()).await
    }

    /// The sections of some reports for a slot, in order, with more than a mail shows.
    pub async fn sections_with(
        &self,
        reports: &[Arc<Report>],
        slot: DateTime<Utc>,
        wanted: Wanted,
    ) -> Vec<Section> {
        let plant = self.plant();
        let counted = Arc::new(Counted::default());
        futures_util::stream::iter(reports.to_vec())
            .map(|report| {
                let (store, plant) = (Arc::clone(&self.store), Arc::clone(&plant));
                let counted = Arc::clone(&counted);
                let (name, title) = (report.name.clone(), report.title.clone());
                let work = move || Ok(section(&store, &plant, &report, slot, wanted, &counted));
                async move {
                    blocking(work).await.unwrap_or_else(|err: EngineError| Section::Failed {
                        report: name,
                        title,
                        reason: err.to_string(),
                    })
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    /// The datasets that must be complete up to an instant for these reports to be final: their
    /// period's end, or the slot where there is no period.
    pub(super) fn needed(
        &self,
        plant: &Plant,
        reports: &[Arc<Report>],
        slot: DateTime<Utc>,
    ) -> Vec<(String, DateTime<Utc>)> {
        let mut needed: Vec<(String, DateTime<Utc>)> = Vec::new();
        for report in reports {
            let window = report.period.window(slot, &report.zone, plant.week_starts);
            // A report over all time is as of its watermark; nothing is waited for.
            let Some(window) = window else { continue };
            for dataset in report.query.reads().into_keys() {
                match needed.iter_mut().find(|(name, _)| *name == dataset) {
                    Some((_, until)) => *until = (*until).max(window.to),
                    None => needed.push((dataset, window.to)),
                }
            }
        }
        needed
    }
}

/// Coverage counted for one mail: its reports share facts and periods, and what was counted on the
/// same records need not be counted again. By fact, period and the watermark of the records.
#[derive(Default)]
struct Counted(Mutex<HashMap<CountedKey, Option<Covered>>>);

/// What a report's records cover.
#[derive(Clone)]
struct Covered {
    sentence: String,
    /// Whether that is too little to go unseen.
    low: bool,
}

type CountedKey = (String, String, Option<Window>, Option<DateTime<Utc>>);

impl Counted {
    fn covered(
        &self,
        records: &View<'_>,
        covering: &Covering,
        frame: &Frame,
        window: Option<Window>,
        locale: Locale,
    ) -> Result<Option<Covered>, StoreError> {
        let datasets: Vec<String> = covering.query.reads().into_keys().collect();
        let complete_to = records.complete_to(&datasets);
        let key = (covering.noun.clone(), covering.verb.clone(), window, complete_to);
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(covered) = known().get(&key) {
            return Ok(covered.clone());
        }
        let counted = records.answer(&covering.query, frame)?;
        let counts = counted.rows.first().map_or(&[][..], |row| &row.values);
        let count = |index: usize| counts.get(index).and_then(Value::number).unwrap_or(0.0);
        let low = count(1) < count(0) * COVERAGE_LOW;
        let covered = render::words::coverage(covering, counts, locale)
            .map(|sentence| Covered { sentence, low });
        known().insert(key, covered.clone());
        Ok(covered)
    }
}

fn section(
    store: &Store,
    plant: &Plant,
    report: &Report,
    slot: DateTime<Utc>,
    wanted: Wanted,
    counted: &Counted,
) -> Section {
    table(store, plant, report, slot, wanted, counted).map_or_else(
        |err| Section::Failed {
            report: report.name.clone(),
            title: report.title.clone(),
            reason: reason(store, plant, report, wanted, &err),
        },
        Section::Table,
    )
}

fn table(
    store: &Store,
    plant: &Plant,
    report: &Report,
    slot: DateTime<Utc>,
    wanted: Wanted,
    counted: &Counted,
) -> Result<Table, StoreError> {
    let window = report.period.window(slot, &report.zone, plant.week_starts);
    let frame = Frame {
        bounds: window.map(|window| (window.from, window.to)),
        as_of: slot,
        zone: report.zone.clone(),
        week_starts: plant.week_starts,
        rows_max: ROWS_MAX,
        rest_max: wanted.rest_max,
    };
    let locale = wanted.locale(plant);
    store.read_records(|records| {
        let datasets: Vec<String> = report.query.reads().into_keys().collect();
        let complete_to = records.complete_to(&datasets);
        let overlaid = labels::overlaid(report, &records.labels()?);
        let report = overlaid.as_ref().unwrap_or(report);
        let answer = records.answer(&report.query, &frame)?;
        let (mut lines, mut low) = (Vec::new(), Vec::new());
        for covering in &report.coverage {
            let covered = counted.covered(records, covering, &frame, window, locale)?;
            if let Some(covered) = covered {
                low.extend(covered.low.then(|| covered.sentence.clone()));
                lines.push(covered.sentence);
            }
        }
        lines.extend(remarks::remarks(records, plant, report, window, locale));
        let provisional = provisional(window, complete_to, slot);
        let mut table = Table::shape(report, &answer, window, lines, complete_to, provisional);
        table.coverage_low = low;
        baseline::fill(records, report, &answer, &frame, window, &mut table)?;
        Ok(table)
    })
}

/// Why the figures may still change, if they may: the data ends before the period does.
fn provisional(
    window: Option<Window>,
    complete_to: Option<DateTime<Utc>>,
    slot: DateTime<Utc>,
) -> Option<String> {
    let until = window.map_or(slot - TimeDelta::hours(1), |window| window.to);
    match complete_to {
        Some(complete) if until <= complete => None,
        Some(_) => Some("the data does not yet reach the end of the period".into()),
        None => Some("the first load of the data is still under way".into()),
    }
}

/// A failure as the reader of a mail should see it: no paths, no SQL.
fn reason(
    store: &Store,
    plant: &Plant,
    report: &Report,
    wanted: Wanted,
    err: &StoreError,
) -> String {
    let StoreError::Loading(what) = err else { return err.to_string() };
    // What a source does not give will hardly be in the next mail.
    let locale = wanted.locale(plant);
    let down =
        store.read_records(|records| Ok(remarks::sources_down(records, plant, report, locale)));
    match down.unwrap_or_default().join(" ") {
        down if down.is_empty() => {
            format!("{what} is still being loaded; the next mail will have it")
        }
        down => format!("{what} is still being loaded. {down}"),
    }
}
