//! Salesforce: login by client credentials or JWT bearer, `queryAll` over REST, quota guard, built-in
//! datasets and any other object.
//!
//! A pull reads records in the order of their changes, up to a minute before the org's own clock,
//! and ten minutes back from where the last one ended, because long transactions commit late. It
//! follows pages until the org says that there are no more, logs in again once where a token dies,
//! asks again from the last record read where a locator is lost, asks for less where the org is too
//! slow, and stops where postrider's share of the daily requests is spent. It never gives less than
//! everything without an error.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::{PullRequest, Pulled, Quota, Source, SourceError, Spent, web};
use crate::clock::Clock;
use crate::domain::dataset::{Batch, Dataset, DayCount, Described};

mod bulk;
mod count;
mod describe;
mod estimate;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod http;
mod instant;
mod jwt;
mod login;
pub(in crate::source) mod mend;
mod misfits;
pub mod objects;
mod page;
mod patience;
mod pull;
mod quota;
mod request;
mod soql;
mod version;

/// One org.
#[derive(Clone, Debug)]
pub struct SalesforceSettings {
    /// The source's name in `[sources]`.
    pub name: String,
    /// My Domain address, e.g. `https://acme.my.salesforce.com`.
    pub login_url: String,
    /// How we log in.
    pub auth: SalesforceAuth,
    /// REST version, e.g. `62.0`; `None`: the newest that the org has and we know.
    pub api_version: Option<String>,
    /// How often records are pulled.
    pub pull_every: TimeDelta,
    /// Never make more requests a day than this share of what the org allows (0 to 1).
    pub quota_share: f64,
    /// How far back the first load reaches.
    pub history: Option<TimeDelta>,
    /// A pull begins this far before the watermark.
    pub overlap: TimeDelta,
    /// Reads expected to have more records than this go by the Bulk API; `None`: none do.
    pub bulk_above: Option<u64>,
}

/// How we log in.
#[derive(Clone, Debug)]
pub enum SalesforceAuth {
    /// OAuth 2 client credentials.
    ClientCredentials {
        /// Consumer key of the connected app.
        client_id: SecretString,
        /// Its secret.
        client_secret: SecretString,
    },
    /// OAuth 2 JWT bearer, signed with RS256.
    JwtBearer {
        /// Consumer key of the connected app.
        client_id: SecretString,
        /// The user we act as.
        username: String,
        /// RSA key in PEM (PKCS #8 or PKCS #1).
        private_key: SecretString,
        /// Who the assertion is for: `https://login.salesforce.com`, `https://test.salesforce.com`
        /// or a site's address.
        audience: String,
    },
}

/// An org works on a query for two minutes before it says that it was too much. That must be heard:
/// only then is less asked for, and silence before it would be taken for an org that is down.
const BOUNDS: web::Bounds = web::Bounds {
    connect: Duration::from_secs(10),
    read: Duration::from_secs(130),
    total: Duration::from_secs(180),
    body_bytes: 64 * 1024 * 1024,
};

/// A Salesforce org as a source.
pub struct Salesforce {
    settings: SalesforceSettings,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    login: login::Login,
    versions: version::Versions,
    seen: Mutex<Seen>,
    bulk: Mutex<bulk::Known>,
}

/// What the org's answers have told so far.
#[derive(Default)]
struct Seen {
    quota: quota::Guard,
    /// Our own requests of the last day.
    spent: Spent,
    /// The org's clock minus ours.
    ahead: Option<TimeDelta>,
    /// The org asked us to stay away until then, by our clock.
    away_until: Option<DateTime<Utc>>,
    /// Fields of datasets that the org does not show us, and since when we know.
    hidden: HashMap<String, (DateTime<Utc>, Arc<request::Hidden>)>,
}

impl Salesforce {
    /// Prepares the source; nothing is sent before the first pull.
    ///
    /// # Errors
    /// [`SourceError::Refused`] where the settings cannot work: no `https` address, an API version
    /// below 62, a key that cannot sign, TLS that cannot be set up.
    pub fn new(settings: SalesforceSettings, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        Salesforce::within(settings, clock, BOUNDS)
    }

    /// The same with other bounds on each exchange; those on bodies stay.
    ///
    /// # Errors
    /// As [`Salesforce::new`].
    pub fn within(
        settings: SalesforceSettings,
        clock: Arc<dyn Clock>,
        bounds: web::Bounds,
    ) -> Result<Self, SourceError> {
        let refused = |reason: String| SourceError::Refused { name: settings.name.clone(), reason };
        settings.api_version.as_deref().map_or(Ok(()), version::check).map_err(refused)?;
        let login = login::Login::new(&settings).map_err(refused)?;
        let http = web::client(bounds).map_err(refused)?;
        Ok(Salesforce {
            settings,
            clock,
            http,
            login,
            versions: version::Versions::default(),
            seen: Mutex::default(),
            bulk: Mutex::default(),
        })
    }

    /// The lock is held for moments and never across a wait.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Salesforce {
    fn pull<'a>(
        &'a self,
        request: PullRequest,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        Box::pin(async move { pull::pull(self, &request, &into).await })
    }

    fn describe<'a>(&'a self, object: &'a str) -> BoxFuture<'a, Result<Described, SourceError>> {
        Box::pin(describe::describe(self, object))
    }

    fn day_counts<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        span: Range<DateTime<Utc>>,
    ) -> BoxFuture<'a, Result<Option<Vec<DayCount>>, SourceError>> {
        Box::pin(count::day_counts(self, dataset, span))
    }

    fn reread<'a>(
        &'a self,
        dataset: &'a Arc<Dataset>,
        span: Range<DateTime<Utc>>,
        into: mpsc::Sender<Batch>,
    ) -> BoxFuture<'a, Result<Pulled, SourceError>> {
        Box::pin(async move { count::reread(self, dataset, span, &into).await })
    }

    fn quota(&self) -> Option<Quota> {
        self.seen().quota.quota()
    }

    fn allowance(&self) -> Option<u64> {
        let quota = self.quota()?;
        Some((quota.allowed as f64 * self.settings.quota_share) as u64)
    }

    fn spent(&self) -> Spent {
        self.seen().spent.clone()
    }

    fn recall(&self, spent: Spent) {
        let mut seen = self.seen();
        for (hour, requests) in spent.hours() {
            if let Some(at) = DateTime::from_timestamp(hour * 3600, 0) {
                seen.spent.add(at, requests);
            }
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.close_jobs())
    }
}

#[cfg(test)]
mod tests;
