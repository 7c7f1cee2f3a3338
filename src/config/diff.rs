//! What an edit of the config changed: each thing by name, with the keys that are other than they
//! were, old and new values beside each other.
//!
//! What counts is the meaning: comments, order and spelling change nothing. How it is told is the
//! file's: the keys as they were written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::written::{Keys, Written};
use super::{Config, HeartbeatSettings, ReceiverSettings, SourceSettings};
use crate::domain::dataset::Dataset;
use crate::receiver::smtp::{Login, ServerSettings, SmtpSettings};
use crate::source::rest::{RestAuth, RestDataset, RestSettings};
use crate::source::salesforce::SalesforceAuth;

mod words;

pub use self::words::Edit;

/// One thing that is not as it was. Its `Display` is a line for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What a person calls it: "rule `slow-answer`", "the mail server".
    pub what: String,
    /// What became of it.
    pub how: How,
    /// The keys that are other than they were, where it was changed.
    pub edits: Vec<Edit>,
    /// What it is changed through, where nothing of its own is: "report type `sessions`".
    pub through: Vec<String>,
}

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is other than it was.
    Changed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Added => "added",
            How::Removed => "removed",
            How::Changed => "changed",
        };
        write!(f, "{} {how}", self.what)?;
        if !self.edits.is_empty() {
            let edits: Vec<String> = self.edits.iter().map(Edit::to_string).collect();
            write!(f, ": {}", edits.join("; "))?;
        }
        if !self.through.is_empty() {
            write!(f, " through {}", self.through.join(", "))?;
        }
        Ok(())
    }
}

/// Each thing that is not as it was. Nothing where the two mean the same.
pub fn diff(old: &Config, new: &Config) -> Vec<Change> {
    let mut found = Found { old: &old.written, new: &new.written, changes: Vec::new() };
    found.general(old, new);
    found.named("source", "sources", &old.sources, &new.sources, same_source);
    found.named("dataset", "datasets", &datasets(old), &datasets(new), PartialEq::eq);
    found.named("calendar", "calendars", &old.calendars, &new.calendars, PartialEq::eq);
    found.named("report", "reports", &old.reports, &new.reports, |a, b| a.hash == b.hash);
    found.named("digest", "digests", &old.digests, &new.digests, |a, b| {
        a.hash == b.hash && a.addresses().eq(b.addresses())
    });
    found.named("rule", "rules", &old.rules, &new.rules, |a, b| a.hash == b.hash);
    found.named("receiver", "receivers", &receivers(old), &receivers(new), same_receiver);
    found.list("route", "routes");
    found.list("inhibition", "inhibitions");
    found.changes
}

/// Sections whose tables others refer to by name, with the word for one.
const REFERRED: [(&str, &str); 5] = [
    ("report_types", "report type"),
    ("calendars", "calendar"),
    ("reports", "report"),
    ("datasets", "dataset"),
    ("receivers", "receiver"),
];

/// What was found to be other than it was.
struct Found<'a> {
    old: &'a Written,
    new: &'a Written,
    changes: Vec<Change>,
}

impl Found<'_> {
    fn general(&mut self, old: &Config, new: &Config) {
        let mut changed = |what: &str, is: bool, keys: &[&str]| {
            if is {
                let of = |written: &Written| {
                    let (section, keys) = keys.split_first()?;
                    let table = written.single.get(*section)?.iter();
                    let wanted = |key: &str| keys.is_empty() || keys.contains(&key);
                    let pairs = table.filter(|(key, _)| wanted(key));
                    Some(pairs.map(|(key, value)| (key.clone(), value.clone())).collect::<Keys>())
                };
                let (old, new) =
                    (of(self.old).unwrap_or_default(), of(self.new).unwrap_or_default());
                let edits = words::edits(&old, &new);
                self.changes.push(changed_thing(what.to_owned(), edits, Vec::new()));
            }
        };
        let general = |key| ["postrider", key];
        changed("the time zone", old.timezone != new.timezone, &general("timezone"));
        changed("the locale", old.locale != new.locale, &general("locale"));
        changed("the first weekday", old.week_starts != new.week_starts, &general("week_starts"));
        changed("the owner", old.owner != new.owner, &general("owner"));
        changed("the alarm", old.alarm != new.alarm, &general("alarm"));
        changed("how long runs are kept", old.archive != new.archive, &general("archive"));
        changed("the public address", old.public_url != new.public_url, &general("public_url"));
        changed("the place of the metrics", old.metrics != new.metrics, &general("metrics"));
        let grace = old.shutdown_grace != new.shutdown_grace;
        changed("the grace of a stop", grace, &general("shutdown_grace"));
        changed(
            "what becomes of messages that may have arrived",
            old.ambiguous != new.ambiguous,
            &general("ambiguous"),
        );
        changed("watching for edits", old.watch != new.watch, &general("watch"));
        let same_beat = |old: &HeartbeatSettings, new: &HeartbeatSettings| {
            same_secret(&old.url, &new.url) && old.every == new.every
        };
        changed(
            "the heartbeat",
            !same_option(&old.heartbeat, &new.heartbeat, same_beat),
            &["postrider", "heartbeat", "heartbeat_every"],
        );
        changed("the look of mails", old.look != new.look, &["look"]);
        let same_mail = same_option(&old.smtp, &new.smtp, same_smtp) && old.dkim == new.dkim;
        changed("the mail server", !same_mail, &["smtp"]);
        if old.state != new.state {
            let what = "the place of the state, which takes a restart,".to_owned();
            self.changes.push(changed_thing(what, Vec::new(), Vec::new()));
        }
    }

    fn named<T>(
        &mut self,
        noun: &str,
        section: &str,
        old: &BTreeMap<String, T>,
        new: &BTreeMap<String, T>,
        same: impl Fn(&T, &T) -> bool,
    ) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let what = format!("{noun} `{name}`");
            let thing =
                |how| Change { what: what.clone(), how, edits: Vec::new(), through: Vec::new() };
            match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) if same(old, new) => {}
                (Some(_), Some(_)) => {
                    let written = self.new.of_name(section, name);
                    let edits = words::edits(&self.old.of_name(section, name), &written);
                    let through = self.through(section, &written);
                    self.changes.push(changed_thing(what, edits, through));
                }
                (Some(_), None) => self.changes.push(thing(How::Removed)),
                (None, _) => self.changes.push(thing(How::Added)),
            }
        }
    }

    /// What a table refers to that was changed itself.
    fn through(&self, section: &str, keys: &Keys) -> Vec<String> {
        let mut through = Vec::new();
        for (referred, noun) in REFERRED.iter().filter(|(referred, _)| *referred != section) {
            let tables = self.new.named.get(*referred).into_iter().flatten();
            for (name, table) in tables {
                let quoted = format!("\"{name}\"");
                let refers = keys.iter().any(|(key, value)| {
                    matches!(key.as_str(), "type" | "calendar" | "during" | "clock" | "reports")
                        && (value == name || value.contains(&quoted))
                });
                let was = self.old.named.get(*referred).and_then(|tables| tables.get(name));
                let what = format!("{noun} `{name}`");
                let told = self.changes.iter().any(|change| change.what == what);
                if refers && was.is_some_and(|was| told || was != table) {
                    through.push(what);
                }
            }
        }
        through
    }

    /// Tables without names: they are told apart by their condition.
    fn list(&mut self, noun: &str, section: &str) {
        let of = |written: &Written| written.lists.get(section).cloned().unwrap_or_default();
        let (old, new) = (of(self.old), of(self.new));
        let conditions = |list: &[Keys]| list.iter().map(condition).collect::<Vec<_>>();
        let (were, are) = (conditions(&old), conditions(&new));
        for (was, table) in were.iter().zip(&old) {
            let what = format!("{noun} {was}");
            match are.iter().position(|is| is == was) {
                Some(at) => {
                    let edits = words::edits(table, &new[at]);
                    if !edits.is_empty() {
                        self.changes.push(changed_thing(what, edits, Vec::new()));
                    }
                }
                None => self.changes.push(Change {
                    what,
                    how: How::Removed,
                    edits: Vec::new(),
                    through: Vec::new(),
                }),
            }
        }
        for (is, table) in are.iter().zip(&new).filter(|(is, _)| !were.contains(is)) {
            self.changes.push(Change {
                what: format!("{noun} {is}"),
                how: How::Added,
                edits: words::edits(&Keys::new(), table),
                through: Vec::new(),
            });
        }
        let kept = |list: &[String], other: &[String]| {
            list.iter().filter(|one| other.contains(one)).cloned().collect::<Vec<_>>()
        };
        if kept(&were, &are) != kept(&are, &were) {
            self.changes.push(changed_thing(
                format!("the order of {noun}s"),
                Vec::new(),
                Vec::new(),
            ));
        }
    }
}

/// What a route or an inhibition is known by.
fn condition(table: &Keys) -> String {
    let when = |key: &str| table.get(key).map(|when| format!("`{when}`"));
    match (when("when"), when("hides")) {
        (Some(when), Some(hides)) => format!("{when} hides {hides}"),
        (Some(when), None) => when,
        (None, _) => "for the rest".to_owned(),
    }
}

fn changed_thing(what: String, edits: Vec<Edit>, through: Vec<String>) -> Change {
    Change { what, how: How::Changed, edits, through }
}

/// What is kept and how it is read, by name.
fn datasets(config: &Config) -> BTreeMap<String, (&Dataset, Option<&RestDataset>)> {
    let read = |dataset: &Dataset| match config.sources.get(&dataset.source) {
        Some(SourceSettings::Rest(settings)) => settings.datasets.get(&dataset.name),
        _ => None,
    };
    (config.datasets.iter())
        .map(|dataset| (dataset.name.clone(), (&**dataset, read(dataset))))
        .collect()
}

fn same_option<T>(old: &Option<T>, new: &Option<T>, same: impl Fn(&T, &T) -> bool) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => same(old, new),
        (None, None) => true,
        _ => false,
    }
}

fn same_secret(old: &SecretString, new: &SecretString) -> bool {
    old.expose_secret() == new.expose_secret()
}

fn same_smtp(old: &SmtpSettings, new: &SmtpSettings) -> bool {
    let secrets = |settings: &SmtpSettings| -> Vec<String> {
        let of_server = |server: &ServerSettings| match &server.login {
            None => vec![],
            Some(Login::Password { password, .. }) => vec![password.expose_secret().to_owned()],
            Some(Login::XOAuth2 { token, .. }) => {
                let secrets = [&token.client_secret, &token.refresh_token].into_iter().flatten();
                let secrets = secrets.map(|secret| secret.expose_secret().to_owned());
                secrets.chain([token.url.clone()]).collect()
            }
        };
        settings.servers.iter().flat_map(of_server).collect()
    };
    // Secrets are not among what is shown.
    format!("{old:?}") == format!("{new:?}") && secrets(old) == secrets(new)
}

fn same_source(old: &SourceSettings, new: &SourceSettings) -> bool {
    // Datasets are told by their own names, and secrets are not among what is shown.
    let shown = |source: &SourceSettings| match source {
        SourceSettings::Salesforce(settings) => format!("{settings:?}"),
        // Moving the state takes a restart, and is told by itself.
        SourceSettings::Own(settings) => format!("{:?}", settings.pull_every),
        SourceSettings::Rest(settings) => {
            format!("{:?}", RestSettings { datasets: BTreeMap::new(), ..settings.clone() })
        }
    };
    shown(old) == shown(new) && secrets_of(old) == secrets_of(new)
}

fn secrets_of(source: &SourceSettings) -> Vec<&str> {
    let secrets = match source {
        SourceSettings::Own(_) => vec![],
        SourceSettings::Salesforce(settings) => match &settings.auth {
            SalesforceAuth::ClientCredentials { client_id, client_secret } => {
                vec![client_id, client_secret]
            }
            SalesforceAuth::JwtBearer { client_id, private_key, .. } => {
                vec![client_id, private_key]
            }
        },
        SourceSettings::Rest(settings) => {
            let headers = settings.headers.iter().map(|(_, value)| value);
            let auth = match &settings.auth {
                RestAuth::None => vec![],
                RestAuth::Bearer(value) => vec![value],
                RestAuth::Basic { password, .. } => vec![password],
                RestAuth::Header { value, .. } | RestAuth::Query { value, .. } => vec![value],
                RestAuth::OAuth2 { client_id, client_secret, .. } => vec![client_id, client_secret],
            };
            headers.chain(auth).collect()
        }
    };
    secrets.into_iter().map(|secret| secret.expose_secret()).collect()
}

/// Receivers with what is done with them, by name. Of that nothing is a secret.
fn receivers(config: &Config) -> BTreeMap<String, (&ReceiverSettings, String)> {
    let care = |name: &String| format!("{:?}", config.care.get(name));
    let named = config.receivers.iter();
    named.map(|(name, settings)| (name.clone(), (settings, care(name)))).collect()
}

fn same_receiver(old: &(&ReceiverSettings, String), new: &(&ReceiverSettings, String)) -> bool {
    let same = |old: Vec<&SecretString>, new: Vec<&SecretString>| {
        old.len() == new.len() && old.into_iter().zip(new).all(|(old, new)| same_secret(old, new))
    };
    let settings = match (old.0, new.0) {
        (ReceiverSettings::Webhook(old), ReceiverSettings::Webhook(new)) => {
            same(old.all_secrets(), new.all_secrets())
        }
        (ReceiverSettings::Vendor(old), ReceiverSettings::Vendor(new)) => {
            same(old.secrets(), new.secrets())
        }
        _ => true,
    };
    // Everything but secrets is in what is shown.
    settings && format!("{old:?}") == format!("{new:?}")
}
