//! Config: one TOML file to domain types, or every mistake at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::calendar::Calendar;
use crate::domain::dataset::Dataset;
use crate::domain::digest::Digest;
use crate::domain::report::Report;
use crate::domain::route::Route;
use crate::domain::rule::Rule;
use crate::domain::zone::Zone;
use crate::receiver::smtp::SmtpSettings;
use crate::receiver::webhook::WebhookSettings;
use crate::source::salesforce::SalesforceSettings;

/// A whole, valid config.
#[derive(Clone, Debug)]
pub struct Config {
    /// Default zone of schedules, periods and days.
    pub timezone: Zone,
    /// Language and country of numbers and dates in mails, e.g. `en-GB`.
    pub locale: String,
    /// Weekday on which weeks begin, 1 (Monday) to 7.
    pub week_starts: u8,
    /// Folder of `state.db` and `records.db`.
    pub state: PathBuf,
    /// Told about postrider's own troubles.
    pub owner: Option<String>,
    /// The mail server.
    pub smtp: Option<SmtpSettings>,
    /// Salesforce orgs, by name.
    pub sources: BTreeMap<String, SalesforceSettings>,
    /// Datasets of all sources.
    pub datasets: Vec<Arc<Dataset>>,
    /// Hours and holidays, by name.
    pub calendars: BTreeMap<String, Arc<Calendar>>,
    /// Reports, by name.
    pub reports: BTreeMap<String, Arc<Report>>,
    /// Digests, by name.
    pub digests: BTreeMap<String, Arc<Digest>>,
    /// Rules, by name.
    pub rules: BTreeMap<String, Arc<Rule>>,
    /// Routes, in order; the last one is the default.
    pub routes: Vec<Route>,
    /// Receivers, by name.
    pub receivers: BTreeMap<String, ReceiverSettings>,
}

/// One way to reach people, as configured.
#[derive(Clone, Debug)]
pub enum ReceiverSettings {
    /// Mail to each address by itself.
    Email(Vec<String>),
    /// A webhook.
    Webhook(WebhookSettings),
}
