//! Answering part by part: for a digest that is split, each report is read once and answered for
//! every part, and its records are counted apart from that, so that the parts can be held against
//! the whole.
//!
//! What a part does not get: sentences on coverage and comparisons, which are of the whole.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;

use super::{AT_ONCE, ROWS_MAX, Wanted, provisional, reason, remarks};
use crate::domain::digest::split::{PartCount, Parted};
use crate::domain::expr::Expr;
use crate::domain::period::Window;
use crate::domain::query::{Answer, Frame, Query};
use crate::domain::report::Report;
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;
use crate::engine::{Engine, EngineError, Plant, blocking, labels};
use crate::store::{Store, StoreError};

/// One report of a digest that is split, answered for all its parts.
pub(in crate::engine) struct ReportParts {
    /// How many records there are: as a whole, and in each part.
    pub(in crate::engine) counted: Parted,
    answers: Vec<Answer>,
    /// What the report says of no records.
    nothing: Answer,
    report: Report,
    window: Option<Window>,
    remarks: Vec<String>,
    complete_to: Option<DateTime<Utc>>,
    provisional: Option<String>,
}

impl ReportParts {
    /// The section of one part, by its place in `counted`; `None` is a part without records.
    pub(in crate::engine) fn section(&self, place: Option<usize>) -> Section {
        let answer = place.and_then(|place| self.answers.get(place)).unwrap_or(&self.nothing);
        let (remarks, provisional) = (self.remarks.clone(), self.provisional.clone());
        let table =
            Table::shape(&self.report, answer, self.window, remarks, self.complete_to, provisional);
        Section::Table(table)
    }
}

impl Engine {
    /// The parts of some reports for a slot, in order; `queries` are theirs, split. One that cannot be
    /// made is a section that says so.
    pub(in crate::engine) async fn parts(
        &self,
        reports: &[Arc<Report>],
        queries: &[Arc<Query>],
        slot: DateTime<Utc>,
        wanted: Wanted,
    ) -> Vec<Result<ReportParts, Section>> {
        let plant = self.plant();
        let each: Vec<(Arc<Report>, Arc<Query>)> =
            reports.iter().cloned().zip(queries.iter().cloned()).collect();
        futures_util::stream::iter(each)
            .map(|(report, query)| {
                let (store, plant) = (Arc::clone(&self.store), Arc::clone(&plant));
                let (name, title) = (report.name.clone(), report.title.clone());
                let failed = move |reason| Section::Failed { report: name, title, reason };
                let work = move || {
                    let parts = parts(&store, &plant, &report, &query, slot, wanted);
                    Ok(parts.map_err(|err| reason(&store, &plant, &report, wanted, &err)))
                };
                async move {
                    let done = blocking(work).await;
                    match done.map_err(|err: EngineError| err.to_string()) {
                        Ok(Ok(parts)) => Ok(parts),
                        Ok(Err(reason)) | Err(reason) => Err(failed(reason)),
                    }
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }
}

fn parts(
    store: &Store,
    plant: &Plant,
    report: &Report,
    query: &Query,
    slot: DateTime<Utc>,
    wanted: Wanted,
) -> Result<ReportParts, StoreError> {
    let window = report.period.window(slot, &report.zone, plant.week_starts);
    let frame = Frame {
        bounds: window.map(|window| (window.from, window.to)),
        as_of: slot,
        zone: report.zone.clone(),
        week_starts: plant.week_starts,
        rows_max: ROWS_MAX,
        rest_max: wanted.rest_max,
    };
    // One view: what is counted is what is split.
    store.read_records(|records| {
        // What splits may read more than the report does: all of it must be there.
        let datasets: Vec<String> = query.reads().into_keys().collect();
        let complete_to = records.complete_to(&datasets);
        let known = records.labels()?;
        let overlaid = labels::overlaid(report, &known).unwrap_or_else(|| report.clone());
        let split = Report { query: Arc::new(query.clone()), ..report.clone() };
        let split = labels::overlaid(&split, &known).unwrap_or(split);
        let whole = records.answer(&count_of(&report.query), &frame)?.records;
        let parts = records.parts(&split.query, &frame)?;
        let nothing = records.answer(&none_of(&overlaid.query), &frame)?;
        let (mut counts, mut answers) = (Vec::new(), Vec::new());
        for part in parts {
            let records = part.answer.records;
            counts.push(PartCount { keys: part.keys, shown: part.shown, records });
            answers.push(part.answer);
        }
        Ok(ReportParts {
            counted: Parted { records: whole, parts: counts },
            answers,
            nothing,
            window,
            remarks: remarks::remarks(records, plant, &overlaid, window, wanted.locale(plant)),
            report: overlaid,
            complete_to,
            provisional: provisional(window, complete_to, slot),
        })
    })
}

/// The same records, only counted.
fn count_of(query: &Query) -> Query {
    Query {
        fold: None,
        groups: Vec::new(),
        carried: Vec::new(),
        aggregates: Vec::new(),
        columns: Vec::new(),
        sort: Vec::new(),
        pivot: false,
        list: false,
        top: None,
        total: false,
        ..query.clone()
    }
}

/// The same question of no records.
fn none_of(query: &Query) -> Query {
    Query { filter: Some(Expr::Literal(Value::Boolean(false))), ..query.clone() }
}
