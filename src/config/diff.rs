//! What a reload changed, by name.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret, SecretString};

use super::{Config, ReceiverSettings, SourceSettings};
use crate::domain::dataset::Dataset;
use crate::receiver::smtp::SmtpSettings;
use crate::source::rest::{RestAuth, RestDataset, RestSettings};
use crate::source::salesforce::SalesforceAuth;

/// One line for each thing that is not as it was, e.g. "rule `slow-answer` changed". Nothing where
/// the two mean the same; comments, order and spelling do not count.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let mut changed = |what: &str, is: bool| lines.extend(is.then(|| format!("{what} changed")));
    changed("the time zone", old.timezone != new.timezone);
    changed("the locale", old.locale != new.locale);
    changed("the first weekday", old.week_starts != new.week_starts);
    changed("the owner", old.owner != new.owner);
    changed("the alarm", old.alarm != new.alarm);
    changed("how long runs are kept", old.archive != new.archive);
    changed("the public address", old.public_url != new.public_url);
    changed("the place of the metrics", old.metrics != new.metrics);
    changed("the look of mails", old.look != new.look);
    changed("the mail server", !same_option(&old.smtp, &new.smtp, same_smtp));
    if old.state != new.state {
        lines.push("the place of the state changed: that takes a restart".to_owned());
    }
    named("source", &old.sources, &new.sources, same_source, &mut lines);
    named("dataset", &datasets(old), &datasets(new), PartialEq::eq, &mut lines);
    named("calendar", &old.calendars, &new.calendars, PartialEq::eq, &mut lines);
    named("report", &old.reports, &new.reports, |a, b| a.hash == b.hash, &mut lines);
    named(
        "digest",
        &old.digests,
        &new.digests,
        |a, b| a.hash == b.hash && a.addresses().eq(b.addresses()),
        &mut lines,
    );
    named("rule", &old.rules, &new.rules, |a, b| a.hash == b.hash, &mut lines);
    named("receiver", &receivers(old), &receivers(new), same_receiver, &mut lines);
    if old.routes != new.routes {
        lines.push("the routes changed".to_owned());
    }
    lines
}

fn named<T>(
    noun: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
    lines: &mut Vec<String>,
) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let word = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if same(old, new) => continue,
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
            (None, _) => "added",
        };
        lines.push(format!("{noun} `{name}` {word}"));
    }
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
    let same_login = same_option(&old.login, &new.login, |old, new| {
        old.0 == new.0 && same_secret(&old.1, &new.1)
    });
    same_login
        && (&old.host, old.port, old.tls, &old.ca) == (&new.host, new.port, new.tls, &new.ca)
        && (&old.from, &old.from_address) == (&new.from, &new.from_address)
}

fn same_source(old: &SourceSettings, new: &SourceSettings) -> bool {
    // Datasets are told by their own names, and secrets are not among what is shown.
    let shown = |source: &SourceSettings| match source {
        SourceSettings::Salesforce(settings) => format!("{settings:?}"),
        SourceSettings::Rest(settings) => {
            format!("{:?}", RestSettings { datasets: BTreeMap::new(), ..settings.clone() })
        }
    };
    shown(old) == shown(new) && secrets_of(old) == secrets_of(new)
}

fn secrets_of(source: &SourceSettings) -> Vec<&str> {
    let secrets = match source {
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
