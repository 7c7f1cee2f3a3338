//! Salesforce: client-credentials login, `queryAll` over REST, quota guard, built-in datasets.

use chrono::TimeDelta;
use secrecy::SecretString;

mod instant;
mod mend;
mod misfits;
pub mod objects;
mod page;

/// One org.
#[derive(Clone, Debug)]
pub struct SalesforceSettings {
    /// The source's name in `[sources]`.
    pub name: String,
    /// My Domain address, e.g. `https://acme.my.salesforce.com`.
    pub login_url: String,
    /// Consumer key of the connected app.
    pub client_id: SecretString,
    /// Consumer secret of the connected app.
    pub client_secret: SecretString,
    /// REST version, e.g. `62.0`.
    pub api_version: String,
    /// How often records are pulled.
    pub pull_every: TimeDelta,
    /// Stop when this share of the org's daily requests is used (0 to 1).
    pub quota_share: f64,
    /// How far back the first load reaches.
    pub history: Option<TimeDelta>,
}
pub struct Salesforce;
impl Salesforce { pub fn new(_: SalesforceSettings, _: std::sync::Arc<dyn crate::clock::Clock>) -> Result<Self, super::SourceError> { Ok(Salesforce) } }
impl super::Source for Salesforce {
  fn pull<'a>(&'a self, _: super::PullRequest, _: tokio::sync::mpsc::Sender<crate::domain::dataset::Batch>) -> futures_util::future::BoxFuture<'a, Result<super::Pulled, super::SourceError>> { unimplemented!() }
  fn quota(&self) -> Option<super::Quota> { None }
}
