//! Any JSON API: records by JSON Pointer, paging by next URL, Link header, cursor, page or offset,
//! typed fields, and every bound a stranger's server needs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use url::Url;

use super::{PullRequest, Pulled, Quota, Source, SourceError, Spent, web};
use crate::clock::Clock;
use crate::domain::dataset::{Batch, Dataset, DayCount, Described};

mod auth;
mod body;
mod door;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod http;
mod infer;
mod learn;
mod paging;
mod pull;
mod record;
mod request;
mod settings;
mod spec;
mod template;
mod value;

pub use infer::{Inferred, InferredField};
pub use learn::infer_url;
pub use settings::{Format, More, Paging, Reading, RestAuth, RestDataset, RestSettings};
pub use spec::{check_pointer, parse_field_spec};
pub use template::{check_template, placeholders};

/// A JSON API as a source.
pub struct Rest {
    settings: RestSettings,
    clock: Arc<dyn Clock>,
    base: Url,
    http: reqwest::Client,
    bounds: web::Bounds,
    auth: auth::Auth,
    door: door::Door,
    seen: Mutex<Seen>,
}

/// What the source's answers have told so far.
#[derive(Default)]
struct Seen {
    spent: Spent,
    quota: Option<Quota>,
    /// Pages that may not have changed, by dataset.
    known: HashMap<String, pull::Known>,
}

impl Rest {
    /// Prepares the source; nothing is sent before the first pull.
    ///
    /// # Errors
    /// [`SourceError::Refused`] where the settings cannot work: credentials without `https`, headers that
    /// cannot be sent, placeholders or pointers that mean nothing, TLS that cannot be set up.
    pub fn new(settings: RestSettings, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        Rest::within(settings, clock, web::Bounds::default())
    }

    /// The same with other bounds on each exchange.
    ///
    /// # Errors
    /// As [`Rest::new`].
    pub fn within(
        settings: RestSettings,
        clock: Arc<dyn Clock>,
        bounds: web::Bounds,
    ) -> Result<Self, SourceError> {
        let refused = |reason: String| SourceError::Refused { name: settings.name.clone(), reason };
        let base = match settings.auth {
            RestAuth::None => http::web_url(&settings.base_url),
            _ => http::safe_url(&settings.base_url),
        };
        let base = base.map_err(refused)?;
        check(&settings).map_err(refused)?;
        let auth = auth::Auth::new(&settings).map_err(refused)?;
        let http = web::client(bounds).map_err(refused)?;
        let door = door::Door::new(settings.rate);
        Ok(Rest { settings, clock, base, http, bounds, auth, door, seen: Mutex::default() })
    }

    /// The lock is held for moments and never across a wait.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, failure: failure::Failure) -> SourceError {
        failure.told(&self.settings.name, |text| self.auth.clean(text))
    }
}

/// Checks what can be checked before anything is sent.
fn check(settings: &RestSettings) -> Result<(), String> {
    for (name, value) in &settings.headers {
        auth::header_name(name)?;
        auth::sensitive(value.expose_secret())?;
    }
    for (name, dataset) in &settings.datasets {
        let in_dataset = |why: String| format!("dataset `{name}`: {why}");
        let values = dataset.query.iter().map(|(_, value)| value);
        for template in std::iter::once(&dataset.path).chain(values) {
            check_template(template).map_err(in_dataset)?;
        }
        let pointers = dataset.readings.iter().map(|reading| reading.pointer.as_str());
        let pointers = pointers.filter(|pointer| *pointer != "#");
        for pointer in pointers.chain([dataset.records.as_str()]).chain(dataset.explode.as_deref())
        {
            check_pointer(pointer).map_err(in_dataset)?;
        }
    }
    Ok(())
}

impl Source for Rest {
    fn pull<'a>(
        &'a self,
        request: PullRequest,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        Box::pin(async move {
            pull::pull(self, &request, &into).await.map_err(|failure| self.told(failure))
        })
    }

    fn describe<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Described, SourceError>> {
        Box::pin(async move { Ok(self.infer(object).await?.described(object)) })
    }

    fn day_counts<'a>(
        &'a self,
        _dataset: &'a Arc<Dataset>,
        _span: Range<DateTime<Utc>>,
    ) -> BoxFuture<'a, Result<Option<Vec<DayCount>>, SourceError>> {
        Box::pin(async move { Ok(None) })
    }

    fn reread<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        _span: Range<DateTime<Utc>>,
        _into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        let name = &dataset.name;
        Box::pin(async move {
            let reason = format!("a part of `{name}` cannot be read again: pull it whole");
            Err(self.told(failure::Failure::Unreadable(reason)))
        })
    }

    fn quota(&self) -> Option<Quota> {
        self.seen().quota
    }

    fn spent(&self) -> Spent {
        self.seen().spent.clone()
    }

    fn recall(&self, spent: Spent) {
        let mut seen = self.seen();
        // Earlier requests, and those made since the start.
        let hours =
            seen.spent.hours().chain(spent.hours()).fold(BTreeMap::new(), |mut sum, hour| {
                *sum.entry(hour.0).or_insert(0) += hour.1;
                sum
            });
        seen.spent = Spent::of(hours);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[cfg(test)]
mod tests;
