//! Config: one TOML file to domain types, or every mistake at once.
//!
//! [`load()`] reads a file and what it includes, [`load_text`] a text that is no file. Both give a
//! [`Config`] that cannot be wrong, with [`Note`]s worth knowing, or [`Problems`] with every mistake
//! of shape and meaning in one go. Nothing downstream checks again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;

use crate::domain::calendar::Calendar;
use crate::domain::dataset::Dataset;
use crate::domain::delivery::Ambiguous;
use crate::domain::digest::Digest;
use crate::domain::report::Report;
use crate::domain::route::{Inhibition, Route};
use crate::domain::rule::Rule;
use crate::domain::rule::trial::RuleTest;
use crate::domain::schedule::Schedule;
use crate::domain::zone::Zone;
use crate::receiver::smtp::SmtpSettings;
use crate::receiver::vendor::VendorSettings;
use crate::receiver::webhook::WebhookSettings;
use crate::render::mail::dkim::Signer;
use crate::render::{Look, Shape};
use crate::source::own::OwnSettings;
use crate::source::rest::RestSettings;
use crate::source::salesforce::SalesforceSettings;

mod diff;
mod load;
mod lower;
mod overlay;
mod problem;
pub mod schema;
mod secret;
mod seen;
mod shape;
mod text;
mod units;
mod wire;
mod written;

pub use self::diff::{Change, Edit, How, diff};
pub use self::overlay::Overlay;
pub(crate) use self::problem::suggestion;
pub use self::problem::{Note, Place, Problem, Problems};
pub use self::secret::{Environment, Given, Process};
pub use self::seen::{Recording, Seen};
pub use self::written::Written;

/// What a config is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To say whether it is right, perhaps on another machine: a reference to a secret that leads
    /// nowhere is a note, and the secret is empty.
    Check,
    /// To act on it: a reference that leads nowhere is a problem.
    Run,
}

/// Reads the config at `path` and what it includes. Relative paths in a file are relative to that
/// file's folder.
pub fn load(
    path: &Path,
    env: &dyn Environment,
    mode: Mode,
) -> Result<(Config, Vec<Note>), Problems> {
    load_source(load::read(path, env)?, env, mode)
}

/// Reads a config from a text: `name` is what problems call it, `base` the folder that relative
/// paths in it are relative to.
pub fn load_text(
    name: &str,
    text: &str,
    base: &Path,
    env: &dyn Environment,
    mode: Mode,
) -> Result<(Config, Vec<Note>), Problems> {
    let source =
        text::Source { name: name.to_owned(), text: text.to_owned(), base: base.to_owned() };
    load_source(source, env, mode)
}

fn load_source(
    main: text::Source,
    env: &dyn Environment,
    mode: Mode,
) -> Result<(Config, Vec<Note>), Problems> {
    let (sources, lost) = load::read_included(main, env);
    let mut found = problem::Findings::new(&sources);
    let config = load::draft(&sources, lost, &mut found)
        .and_then(|draft| lower::lower(draft, &mut found, secret::Surroundings { env, mode }));
    let name = sources.first().map(|source| source.name.clone()).unwrap_or_default();
    let notes = found.finish()?;
    match config {
        Some(config) => Ok((Config { written: written::Written::of(&sources), ..config }, notes)),
        // Every `None` above is noted; should one ever not be, it must not pass for a config.
        None => {
            let message = "the config cannot be read, and no reason was noted".to_owned();
            Err(Problems(vec![Problem::of_file(&name, message, None)]))
        }
    }
}

/// Reads a file of tests for the rules of a config: `[[rules.NAME.test]]` and nothing else.
///
/// # Errors
/// Every mistake in the file; a rule or receiver that the config does not have is one.
pub fn rule_tests(
    path: &Path,
    config: &Config,
    env: &dyn Environment,
) -> Result<BTreeMap<String, Vec<Arc<RuleTest>>>, Problems> {
    let sources = [load::read(path, env)?];
    let mut found = problem::Findings::new(&sources);
    let tests = load::draft(&sources, Vec::new(), &mut found)
        .map(|draft| lower::rule_tests::of_file(draft, &mut found, config));
    found.finish()?;
    Ok(tests.unwrap_or_default())
}

/// A length of time as people write it, longer than nothing: `2h`, `30 min`, `3 days`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn length(text: &str) -> Result<TimeDelta, String> {
    units::duration_above_zero(text)
}

/// What was probably meant by a name that is not known, in words; `None`: there is nothing.
pub fn nearest<'c>(
    written: &str,
    names: impl IntoIterator<Item = &'c str> + Clone,
) -> Option<String> {
    problem::suggestion(written, names)
}

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
    /// The receiver that is told of them too.
    pub alarm: Option<String>,
    /// How long runs are kept, with what their mails were made of and their bytes.
    pub archive: TimeDelta,
    /// Where the console is, for addresses in mails.
    pub public_url: Option<String>,
    /// Where postrider's own figures are written, for a collector of metrics.
    pub metrics: Option<PathBuf>,
    /// Whether edits of its files are put in force by themselves.
    pub watch: bool,
    /// What work under way gets after a stop signal, in real time.
    pub shutdown_grace: std::time::Duration,
    /// Told again and again that all is well, as long as it is.
    pub heartbeat: Option<HeartbeatSettings>,
    /// What becomes of a message that may have arrived.
    pub ambiguous: Ambiguous,
    /// Its tables as they were written.
    pub written: Written,
    /// The company's look of mails.
    pub look: Look,
    /// The mail servers.
    pub smtp: Option<SmtpSettings>,
    /// What every mail is signed with.
    pub dkim: Vec<Signer>,
    /// Sources, by name.
    pub sources: BTreeMap<String, SourceSettings>,
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
    /// Tests of rules, by rule.
    pub rule_tests: BTreeMap<String, Vec<Arc<RuleTest>>>,
    /// Routes, in order; the last one is the default.
    pub routes: Vec<Route>,
    /// Which incidents hide which.
    pub inhibitions: Vec<Inhibition>,
    /// Receivers, by name.
    pub receivers: BTreeMap<String, ReceiverSettings>,
    /// What is done besides with those of them that have something of the kind, by name.
    pub care: BTreeMap<String, Care>,
}

/// A dead man's switch: who is told that postrider works, and raises the alarm when that stops.
#[derive(Clone, Debug)]
pub struct HeartbeatSettings {
    /// The address that is asked; it can hold a token, so it is a secret.
    pub url: secrecy::SecretString,
    /// How often.
    pub every: TimeDelta,
}

/// One place records come from, as configured.
#[derive(Clone, Debug)]
pub enum SourceSettings {
    /// A Salesforce org.
    Salesforce(SalesforceSettings),
    /// Any JSON API.
    Rest(RestSettings),
    /// Postrider itself.
    Own(OwnSettings),
}

impl SourceSettings {
    /// Its address.
    pub fn address(&self) -> &str {
        match self {
            SourceSettings::Salesforce(settings) => &settings.login_url,
            SourceSettings::Rest(settings) => &settings.base_url,
            SourceSettings::Own(_) => "postrider",
        }
    }

    /// How often its records are pulled.
    pub fn pull_every(&self) -> TimeDelta {
        match self {
            SourceSettings::Salesforce(settings) => settings.pull_every,
            SourceSettings::Rest(settings) => settings.pull_every,
            SourceSettings::Own(settings) => settings.pull_every,
        }
    }

    /// How far back first loads reach.
    pub fn history(&self) -> Option<TimeDelta> {
        match self {
            SourceSettings::Salesforce(settings) => settings.history,
            SourceSettings::Rest(settings) => settings.history,
            SourceSettings::Own(_) => None,
        }
    }
}

/// One way to reach people, as configured.
#[derive(Clone, Debug)]
pub enum ReceiverSettings {
    /// Mail to each address by itself.
    Email(Vec<String>),
    /// A webhook.
    Webhook(WebhookSettings),
    /// A vendor's endpoint.
    Vendor(VendorSettings),
}

/// What is done with a receiver, whatever its kind.
#[derive(Clone, Debug, Default)]
pub struct Care {
    /// What a webhook's body is, if not postrider's own payload.
    pub shape: Option<Shape>,
    /// Who is told instead, once it has not taken a message for so long.
    pub fallback: Option<(String, TimeDelta)>,
    /// At most so many notices in so long; beyond it they become summaries.
    pub limit: Option<(u32, TimeDelta)>,
    /// When it is proved that messages reach it.
    pub canary: Option<Schedule>,
    /// Of mail: one that names everybody, instead of one for each.
    pub together: bool,
}
