//! Postrider itself as a source: its incidents, its notices and its rules as records, so that reports
//! can ask which alerts are worth having. No request is made and no secret needed; what is
//! remembered comes in through [`Memory`].

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::{PullRequest, Pulled, Quota, Source, SourceError, Spent};
use crate::clock::Clock;
use crate::domain::dataset::{Batch, Cell, Dataset, DayCount, Described, DescribedField, Field};
use crate::domain::value::{Type, Value};

/// Rows of one batch.
const BATCH_ROWS: usize = 1_000;

/// `[sources.X]` with `kind = "postrider"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSettings {
    /// The source's name in `[sources]`.
    pub name: String,
    /// How often records are read.
    pub pull_every: TimeDelta,
    /// Folder of the state.
    pub state: PathBuf,
}

/// What postrider remembers of itself.
pub trait Memory: Send + Sync {
    /// All records of one of [`datasets`], by its name; in each row as many values as it has fields.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn rows(&self, dataset: &str) -> Result<Vec<Vec<Value>>, String>;
}

/// The datasets of such a source.
pub fn datasets(source: &str) -> Vec<Dataset> {
    let text = |name| Field::new(name, Type::Text);
    let instant = |name| Field::new(name, Type::Timestamp);
    let count = |name| Field::new(name, Type::Integer);
    let whole = |name: &str, fields: Vec<Field>, visible: &[usize]| Dataset {
        whole: true,
        visible: visible.to_vec(),
        ..Dataset::new(source, name, keyed(fields), 0)
    };
    vec![
        whole(
            "Incident",
            vec![
                text("Id"),
                text("Rule"),
                text("Group"),
                text("Level"),
                text("Peak"),
                instant("Began"),
                instant("FiredAt"),
                instant("ResolvedAt"),
                text("Reason"),
                count("DurationSeconds"),
                instant("AckedAt"),
                text("AckedBy"),
                count("Notices"),
                count("Flaps"),
            ],
            &[6],
        ),
        whole(
            "Notice",
            vec![
                text("Key"),
                text("Rule"),
                text("Receiver"),
                text("Kind"),
                instant("At"),
                instant("DeliveredAt"),
                text("State"),
            ],
            &[4],
        ),
        Dataset {
            dated: false,
            ..whole(
                "AlertRule",
                vec![text("Name"), instant("EvaluatedTo"), instant("LastFiredAt"), count("Fired")],
                &[],
            )
        },
    ]
}

/// The first field identifies a record.
fn keyed(mut fields: Vec<Field>) -> Vec<Field> {
    if let Some(key) = fields.first_mut() {
        key.nullable = false;
    }
    fields
}

/// Postrider as a source.
pub struct Own {
    settings: OwnSettings,
    memory: Arc<dyn Memory>,
    clock: Arc<dyn Clock>,
}

impl Own {
    /// Over what is remembered; nothing is read yet.
    pub fn new(settings: OwnSettings, memory: Arc<dyn Memory>, clock: Arc<dyn Clock>) -> Own {
        Own { settings, memory, clock }
    }

    async fn read(&self, dataset: &Dataset) -> Result<Vec<Vec<Value>>, SourceError> {
        let (memory, name) = (Arc::clone(&self.memory), dataset.name.clone());
        let reading = tokio::task::spawn_blocking(move || memory.rows(&name)).await;
        let down = |reason| SourceError::Down { name: self.settings.name.clone(), reason };
        reading.map_err(|err| down(err.to_string()))?.map_err(down)
    }
}

impl Source for Own {
    fn pull<'a>(
        &'a self,
        request: PullRequest,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        Box::pin(async move {
            // Before it is read: what is written meanwhile comes with the next pull.
            let now = self.clock.now();
            let rows = self.read(&request.dataset).await?;
            for rows in rows.chunks(BATCH_ROWS) {
                into.send(batch(rows)).await.map_err(|_| SourceError::Stopped)?;
            }
            Ok(Pulled { records: rows.len() as u64, ..Pulled::nothing(now) })
        })
    }

    fn describe<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Described, SourceError>> {
        Box::pin(async move {
            let known =
                datasets(&self.settings.name).into_iter().find(|known| known.name == object);
            let fields = known.map(|known| known.fields).unwrap_or_default().into_iter();
            let fields = fields.enumerate().map(|(index, field)| DescribedField {
                name: field.name.clone(),
                path: field.path,
                label: field.label,
                ty: Some(field.ty),
                nullable: field.nullable,
                picklist: None,
                key: index == 0,
                updated: false,
                created: false,
            });
            Ok(Described {
                object: object.to_owned(),
                label: object.to_owned(),
                fields: fields.collect(),
                records: None,
            })
        })
    }

    fn day_counts<'a>(
        &'a self,
        _: &'a Arc<Dataset>,
        _: Range<DateTime<Utc>>,
    ) -> BoxFuture<'a, Result<Option<Vec<DayCount>>, SourceError>> {
        Box::pin(async { Ok(None) })
    }

    fn reread<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        _: Range<DateTime<Utc>>,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        let request = PullRequest {
            dataset: Arc::clone(dataset),
            since: None,
            resume: None,
            from: None,
            purpose: crate::domain::dataset::Purpose::Verify,
        };
        self.pull(request, into)
    }

    fn quota(&self) -> Option<Quota> {
        None
    }

    fn spent(&self) -> Spent {
        Spent::default()
    }

    fn recall(&self, _: Spent) {}

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn batch(rows: &[Vec<Value>]) -> Batch {
    let mut batch = Batch::default();
    for row in rows {
        for value in row {
            let cell = match value {
                Value::Null => Cell::Null,
                Value::Boolean(truth) => Cell::Boolean(*truth),
                Value::Integer(number) => Cell::Integer(*number),
                Value::Real(number) => Cell::Real(*number),
                Value::Timestamp(at) => Cell::Timestamp(at.timestamp_millis()),
                Value::Text(text) => {
                    let at = batch.text.len() as u32;
                    batch.text.push_str(text);
                    Cell::Text(at, text.len() as u32)
                }
            };
            batch.cells.push(cell);
        }
        batch.deleted.push(false);
    }
    batch
}
