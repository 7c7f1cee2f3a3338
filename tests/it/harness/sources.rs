//! Plants with other sources in place of their own: two orgs in one config, or a source that also
//! says what the org's own answers prove.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, NaiveDate, Utc};
use futures_util::future::BoxFuture;
use postrider::domain::dataset::{
    Batch, Cell, Dataset, DayCount, Described, DescribedField, PickValue, Picklist, PullRequest,
    Pulled, Purpose,
};
use postrider::domain::value::Type;
use postrider::engine::{Destination, Engine, Mail, Plant, SourceLine};
use postrider::source::{Quota, Source, SourceError, Spent};
use tokio::sync::mpsc;

/// Puts a plant in force that is the one in force with its sources changed.
pub(crate) fn wrap(engine: &Engine, mut with: impl FnMut(Arc<dyn Source>) -> Arc<dyn Source>) {
    let old = engine.plant();
    let line = |line: &SourceLine, source| SourceLine {
        source,
        pull_every: line.pull_every,
        history: line.history,
        labels: line.labels,
    };
    let mut sources = BTreeMap::new();
    for (name, known) in &old.sources {
        sources.insert(name.clone(), line(known, with(Arc::clone(&known.source))));
    }
    let receivers = old.receivers.iter().map(|(name, receiver)| {
        let receiver = match receiver {
            Destination::Mail(to) => Destination::Mail(to.clone()),
            Destination::Webhook(hook) => Destination::Webhook(Arc::clone(hook)),
        };
        (name.clone(), receiver)
    });
    let mail = old.mail.as_ref();
    engine.replace_plant(Plant {
        zone: old.zone.clone(),
        locale: old.locale.clone(),
        week_starts: old.week_starts,
        owner: old.owner.clone(),
        metrics: old.metrics.clone(),
        mail: mail.map(|m| Mail { receiver: Arc::clone(&m.receiver), from: m.from.clone() }),
        sources,
        datasets: old.datasets.clone(),
        digests: old.digests.clone(),
        rules: old.rules.clone(),
        routes: old.routes.clone(),
        receivers: receivers.collect(),
    });
}

/// A source over another one: pulls are those of the real one, and everything else is worked out from
/// real pulls of everything there is.
pub(crate) struct Telling {
    pub(crate) inner: Arc<dyn Source>,
    /// Labels to describe: field, value, label.
    pub(crate) labels: Vec<(&'static str, &'static str, &'static str)>,
    pub(crate) log: Mutex<Log>,
}

/// What a [`Telling`] was asked.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) purposes: Vec<(String, Purpose)>,
    pub(crate) described: Vec<String>,
    pub(crate) reread: Vec<NaiveDate>,
    pub(crate) spent: Spent,
    pub(crate) closed: usize,
    /// Counts nothing, as a source does whose user lost sight of the records.
    pub(crate) blind: bool,
}

impl Telling {
    pub(crate) fn over(inner: Arc<dyn Source>) -> Telling {
        Telling { inner, labels: Vec::new(), log: Mutex::default() }
    }

    pub(crate) fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// Every record of the span that exists, with when it came to be.
    async fn all(
        &self,
        dataset: &Arc<Dataset>,
        span: &Range<DateTime<Utc>>,
    ) -> Result<(Batch, Pulled), SourceError> {
        let (into, mut batches) = mpsc::channel(4);
        let request = PullRequest {
            dataset: Arc::clone(dataset),
            since: None,
            resume: None,
            from: None,
            purpose: Purpose::Verify,
        };
        let (done, found) = tokio::join!(self.inner.pull(request, into), async {
            let mut found = Batch::default();
            while let Some(batch) = batches.recv().await {
                take(&mut found, &batch, dataset, span);
            }
            found
        });
        Ok((found, done?))
    }
}

/// Adds the rows of a batch that exist and came to be in the span.
fn take(found: &mut Batch, batch: &Batch, dataset: &Dataset, span: &Range<DateTime<Utc>>) {
    let created = dataset.created.unwrap();
    let bounds = span.start.timestamp_millis()..span.end.timestamp_millis();
    for (row, deleted) in batch.cells.chunks(dataset.fields.len()).zip(&batch.deleted) {
        let Cell::Timestamp(at) = row[created] else { continue };
        if *deleted || !bounds.contains(&at) {
            continue;
        }
        for cell in row {
            found.cells.push(match *cell {
                Cell::Text(at, len) => {
                    let text = batch.text_of(at, len);
                    let place = found.text.len() as u32;
                    found.text.push_str(text);
                    Cell::Text(place, len)
                }
                other => other,
            });
        }
        found.deleted.push(false);
    }
}

impl Source for Telling {
    fn pull<'a>(
        &'a self,
        request: PullRequest,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        Box::pin(async move {
            self.log().purposes.push((request.dataset.name.clone(), request.purpose));
            self.inner.pull(request, into).await
        })
    }

    fn describe<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Described, SourceError>> {
        self.log().described.push(object.to_owned());
        let field = |name: &'static str| DescribedField {
            name: name.to_owned(),
            path: name.to_owned(),
            label: name.to_owned(),
            ty: Some(Type::Text),
            nullable: true,
            picklist: Some(Picklist {
                values: (self.labels.iter())
                    .filter(|(field, ..)| *field == name)
                    .map(|(_, value, label)| PickValue {
                        value: value.to_string(),
                        label: label.to_string(),
                    })
                    .collect(),
                open: true,
                mistaken: Vec::new(),
            }),
            key: false,
            updated: false,
            created: false,
        };
        let fields = self.labels.iter().map(|(name, ..)| field(name)).collect();
        let object = object.to_owned();
        Box::pin(async move { Ok(Described { object, fields, ..Described::default() }) })
    }

    fn day_counts<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        span: Range<DateTime<Utc>>,
    ) -> BoxFuture<'a, Result<Option<Vec<DayCount>>, SourceError>> {
        Box::pin(async move {
            if self.log().blind {
                return Ok(Some(Vec::new()));
            }
            let (found, _) = self.all(dataset, &span).await?;
            let mut days: BTreeMap<NaiveDate, u64> = BTreeMap::new();
            for row in found.cells.chunks(dataset.fields.len()) {
                let Cell::Timestamp(at) = row[dataset.created.unwrap()] else { unreachable!() };
                let at = DateTime::from_timestamp_millis(at).unwrap();
                *days.entry(at.date_naive()).or_default() += 1;
            }
            Ok(Some(days.into_iter().map(|(day, records)| DayCount { day, records }).collect()))
        })
    }

    fn reread<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        span: Range<DateTime<Utc>>,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        self.log().reread.push(span.start.date_naive());
        Box::pin(async move {
            let (found, done) = self.all(dataset, &span).await?;
            let _ = into.send(found).await;
            Ok(done)
        })
    }

    fn quota(&self) -> Option<Quota> {
        self.inner.quota()
    }

    fn spent(&self) -> Spent {
        self.log().spent.clone()
    }

    fn recall(&self, spent: Spent) {
        self.log().spent = spent;
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.log().closed += 1;
            self.inner.close().await;
        })
    }
}
