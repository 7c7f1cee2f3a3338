//! Labels: picklist values are shown in mails as the source's users see them. The source is asked
//! once a day; what it has not described keeps the label of the config, and a value that nobody has
//! described is shown as it is. Expressions know values alone.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Engine, EngineError, SourceLine, blocking};
use crate::domain::dataset::{Dataset, Described};
use crate::domain::expr::{FieldRef, ReportType};
use crate::domain::query::Query;
use crate::domain::report::Report;
use crate::source::SourceError;
use crate::store::records::Labels;

/// Labels are asked for so often.
const EVERY: TimeDelta = TimeDelta::days(1);

impl Engine {
    /// Asks the source how it calls the values of a dataset, if that is a day ago. A source that does
    /// not say is asked again the next day.
    pub(super) async fn describe_due(
        &self,
        line: &SourceLine,
        dataset: &Arc<Dataset>,
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let known = self.memo(&dataset.name, |memo| memo.described);
        if known.is_some_and(|at| now - at < EVERY) {
            return Ok(());
        }
        self.memo(&dataset.name, |memo| memo.described = Some(now));
        let described = tokio::select! {
            described = line.source.describe(&dataset.object) => described,
            () = self.stopped() => Err(SourceError::Stopped),
        };
        let labels = match described {
            Ok(described) => labels(dataset, &described),
            Err(err) => {
                tracing::debug!(dataset = %dataset.name, error = %err, "labels not known");
                Vec::new()
            }
        };
        let spending = self.spending(&dataset.source, line);
        let (store, name) = (Arc::clone(&self.store), dataset.name.clone());
        blocking(move || {
            store.records().put_labels(&name, &labels)?;
            Ok(store.records().spend(&spending, now)?)
        })
        .await
    }
}

/// Field, value and label of what a source described.
fn labels(dataset: &Dataset, described: &Described) -> Vec<(String, String, String)> {
    let of = |field: &crate::domain::dataset::Field| {
        let known = described.fields.iter().find(|known| known.path == field.path);
        let values = known.and_then(|known| known.picklist.clone()).map(|list| list.values);
        let name = field.name.clone();
        values
            .unwrap_or_default()
            .into_iter()
            .map(move |pick| (name.clone(), pick.value, pick.label))
    };
    dataset.fields.iter().flat_map(of).collect()
}

/// The report with labels as the source has them; `None`: it shows none of their fields.
pub(super) fn overlaid(report: &Report, labels: &Labels) -> Option<Report> {
    let query = &report.query;
    let shown = query.groups.iter().map(|group| group.origin);
    let mut shown = shown.chain(query.columns.iter().map(|column| column.origin)).flatten();
    if labels.is_empty() || !shown.any(|field| known(&query.report_type, field, labels).is_some()) {
        return None;
    }
    let mut query = Query::clone(query);
    let report_type = Arc::clone(&query.report_type);
    let groups = query.groups.iter_mut().map(|group| (group.origin, &mut group.labels));
    let columns = query.columns.iter_mut().map(|column| (column.origin, &mut column.labels));
    for (origin, of_config) in groups.chain(columns) {
        if let Some(known) = origin.and_then(|field| known(&report_type, field, labels)) {
            of_config.retain(|(value, _)| known.iter().all(|(other, _)| other != value));
            of_config.extend(known.iter().cloned());
        }
    }
    Some(Report { query: Arc::new(query), ..report.clone() })
}

fn known<'a>(
    report_type: &ReportType,
    field: FieldRef,
    labels: &'a Labels,
) -> Option<&'a Vec<(String, String)>> {
    let dataset = &report_type.tables[field.table].dataset;
    labels.get(&(dataset.name.clone(), dataset.fields[field.field].name.clone()))
}
