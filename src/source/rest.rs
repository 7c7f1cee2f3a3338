//! Any JSON API: records by JSON Pointer, paging by next URL, Link header, cursor, page or offset,
//! typed fields, and every bound a stranger's server needs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::{PullRequest, Pulled, Quota, Source, SourceError, Spent};
use crate::clock::Clock;
use crate::domain::dataset::{Batch, Dataset, DayCount, Described};

/// One JSON API.
#[derive(Clone, Debug)]
pub struct RestSettings {
    /// The source's name in `[sources]`.
    pub name: String,
    /// What paths of datasets are relative to, without a slash at the end.
    pub base_url: String,
    /// How it knows us.
    pub auth: RestAuth,
    /// Headers on every request: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// How often records are pulled.
    pub pull_every: TimeDelta,
    /// How far back the first load reaches.
    pub history: Option<TimeDelta>,
    /// At most so many requests in so much time.
    pub rate: Option<(u32, TimeDelta)>,
    /// Its datasets, by name.
    pub datasets: BTreeMap<String, RestDataset>,
}

/// How an API knows us.
#[derive(Clone, Debug)]
pub enum RestAuth {
    /// It does not.
    None,
    /// `Authorization: Bearer`.
    Bearer(SecretString),
    /// `Authorization: Basic`.
    Basic {
        /// User.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// A header of its own.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretString,
    },
    /// A query parameter.
    Query {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretString,
    },
    /// OAuth 2 client credentials: a token, fetched again before it expires or when it is refused.
    OAuth2 {
        /// Where tokens come from.
        token_url: String,
        /// Client id.
        client_id: SecretString,
        /// Client secret.
        client_secret: SecretString,
        /// Scope to ask for.
        scope: Option<String>,
    },
}

/// How one dataset is read.
#[derive(Clone, Debug, PartialEq)]
pub struct RestDataset {
    /// Path below the base, e.g. `/v2/tickets`; may hold placeholders.
    pub path: String,
    /// Query parameters in order: name and value; values may hold placeholders.
    pub query: Vec<(String, String)>,
    /// JSON Pointer to the array of records (or to an object whose values they are); empty: the body.
    pub records: String,
    /// How pages follow each other.
    pub paging: Paging,
    /// JSON Pointer, within a record, to an array of which each element becomes a record: pointers
    /// of fields that begin with it then mean the element.
    pub explode: Option<String>,
    /// For each field of the dataset, in order, how its value is read.
    pub readings: Vec<Reading>,
    /// Fields whose values, joined by `/`, are the key (a text field that no reading fills).
    pub key_of: Vec<usize>,
    /// How far before the watermark a pull begins.
    pub overlap: TimeDelta,
    /// A pull asks for at most so much time at once, by the placeholders `{from}` and `{to}`.
    pub window: Option<TimeDelta>,
    /// At most so many pages a query.
    pub pages_max: u32,
    /// Above this share of records that cannot be read the pull fails (0 to 1).
    pub bad_share_max: f64,
}

/// How a field's value is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// JSON Pointer within the record; empty: not read (a key made of others).
    pub pointer: String,
    /// How it is written there.
    pub format: Format,
}

/// How a value is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// As JSON of the field's type (a timestamp: RFC 3339).
    Plain,
    /// A timestamp in seconds since 1970 UTC.
    EpochSeconds,
    /// A timestamp in milliseconds since 1970 UTC.
    EpochMillis,
    /// A timestamp in this chrono pattern, in UTC where it has no offset.
    Pattern(String),
    /// An array, its elements joined by this text.
    Joined(String),
    /// How many elements an array has.
    Count,
}

/// How pages follow each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// One page.
    None,
    /// The body names the next page: a JSON Pointer to an address on the same host.
    NextUrl(String),
    /// The header `Link` with `rel="next"`.
    LinkHeader,
    /// The body holds a cursor that the next request repeats.
    Cursor {
        /// JSON Pointer to it.
        pointer: String,
        /// Query parameter that carries it.
        parameter: String,
        /// JSON Pointer to whether there is more (`true`), or to whether this was the end (`false`
        /// by `end`).
        more: Option<String>,
    },
    /// Pages by number, until one is empty or shorter than asked.
    Page {
        /// Query parameter.
        parameter: String,
        /// Number of the first page.
        first: u64,
        /// Records a full page has; `None`: until an empty page.
        size: Option<u64>,
    },
    /// Pages by offset, until one is empty or shorter than asked.
    Offset {
        /// Query parameter.
        parameter: String,
        /// Records a full page has.
        size: u64,
    },
}

/// A JSON API as a source.
pub struct Rest {
    settings: RestSettings,
    clock: Arc<dyn Clock>,
}

impl Rest {
    /// Prepares the source; nothing is sent before the first pull.
    ///
    /// # Errors
    /// [`SourceError::Refused`] where the settings cannot work.
    pub fn new(settings: RestSettings, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        Ok(Rest { settings, clock })
    }

    fn unreadable(&self, reason: String) -> SourceError {
        SourceError::Unreadable { name: self.settings.name.clone(), reason }
    }
}

impl Source for Rest {
    fn pull<'a>(
        &'a self,
        request: PullRequest,
        _into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        let _ = self.clock.now();
        let name = request.dataset.name.clone();
        Box::pin(async move { Err(self.unreadable(format!("`{name}` cannot be read"))) })
    }

    fn describe<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Described, SourceError>> {
        Box::pin(async move { Err(self.unreadable(format!("`{object}` cannot be described"))) })
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
        Box::pin(async move { Err(self.unreadable(format!("`{name}` cannot be read again"))) })
    }

    fn quota(&self) -> Option<Quota> {
        None
    }

    fn spent(&self) -> Spent {
        Spent::default()
    }

    fn recall(&self, _spent: Spent) {}

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
