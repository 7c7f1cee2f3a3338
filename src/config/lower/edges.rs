//! `[smtp]` and `[sources]`: what the edges need to reach the world.

use std::sync::Arc;

use lettre::message::Mailbox;
use secrecy::ExposeSecret;
use url::{Host, Url};

use super::super::problem::Findings;
use super::super::secret::{Followed, Surroundings};
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::{SalesforceAuthToml, SalesforceToml, SmtpToml, Text};
use super::{Names, word};
use crate::domain::dataset::Dataset;
use crate::receiver::smtp::{SmtpSettings, SmtpTls};
use crate::source::salesforce::{SalesforceAuth, SalesforceSettings, objects};

/// Lowers `[smtp]`.
pub(super) fn smtp(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<SmtpSettings> {
    let table = raw.shape::<SmtpToml>(found, &[]);
    let wire = &table.wire;
    let host = table.required(found, "host", &wire.host, "\"smtp.example.com\"");
    let host = host.and_then(|text| smtp_host(found, &table, text));
    let from = table.required(found, "from", &wire.from, "\"Postrider <reports@example.com>\"");
    let from = from.and_then(|text| sender(found, table.at(text), text));
    let tls = match &wire.tls {
        Some(text) => word(
            found,
            table.file,
            text,
            &[
                ("starttls", SmtpTls::StartTls),
                ("implicit", SmtpTls::Implicit),
                ("none", SmtpTls::None),
            ],
        ),
        None if wire.port.as_ref().is_some_and(|port| *port.get_ref() == 465) => {
            Some(SmtpTls::Implicit)
        }
        None => Some(SmtpTls::StartTls),
    };
    let port = match (&wire.port, tls) {
        (Some(port), _) => *port.get_ref(),
        (None, Some(SmtpTls::Implicit)) => 465,
        (None, Some(SmtpTls::None)) => 25,
        (None, _) => 587,
    };
    if let Some(port) = wire.port.as_ref().filter(|port| *port.get_ref() == 0) {
        found.problem(table.at(port), "port 0 is no port", "leave it out for 587");
    }
    let login = login(found, &table, surroundings);
    let ca = wire.ca.as_ref().map(|text| authority(found, &table, surroundings, text));
    if let (Some(SmtpTls::None), Some(host)) = (tls, &host) {
        clear_text(found, &table, host, port);
    }
    let (from, from_address) = from?;
    Some(SmtpSettings {
        host: host?,
        port,
        tls: tls?,
        login: login?,
        ca: match ca {
            Some(ca) => ca?,
            None => None,
        },
        from,
        from_address,
    })
}

fn smtp_host(found: &mut Findings<'_>, table: &Shaped<SmtpToml>, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let host = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(written);
    let bare = host.parse::<std::net::IpAddr>().is_ok()
        || (!written.contains(':') && Host::parse(written).is_ok());
    if bare {
        return Some(host.to_owned());
    }
    let message = format!("`{written}` is not the name of a host");
    found.problem(
        table.at(text),
        message,
        "write it without scheme and port; the port goes into `port`",
    );
    None
}

/// `Name <address>` or a bare address: as the header has it, and the address alone.
fn sender(found: &mut Findings<'_>, at: At, text: &Text) -> Option<(String, String)> {
    let written = text.get_ref();
    match written.parse::<Mailbox>() {
        Ok(mailbox) if !written.contains(char::is_control) => {
            Some((written.clone(), mailbox.email.to_string()))
        }
        _ => {
            let message = format!("`{written}` is not a sender");
            found.problem(at, message, "write e.g. `Postrider <reports@example.com>`");
            None
        }
    }
}

type Login = Option<(String, secrecy::SecretString)>;

fn login(
    found: &mut Findings<'_>,
    table: &Shaped<SmtpToml>,
    surroundings: Surroundings<'_>,
) -> Option<Login> {
    match (&table.wire.username, &table.wire.password) {
        (None, None) => Some(None),
        (Some(user), Some(password)) => {
            let user = match user.get_ref() {
                reference if reference.starts_with("env:") || reference.starts_with("file:") => {
                    match surroundings.follow(found, table.file, user)? {
                        Followed::Value(value) => value,
                        Followed::Unresolved => String::new(),
                    }
                }
                name => name.clone(),
            };
            Some(Some((user, surroundings.secret(found, table.file, password)?)))
        }
        (Some(user), None) => {
            let help = "write e.g. `password = \"env:SMTP_PASSWORD\"`";
            found.problem(table.at(user), "`username` without `password`", help);
            None
        }
        (None, Some(password)) => {
            let help = "write e.g. `username = \"postrider\"`";
            found.problem(table.at(password), "`password` without `username`", help);
            None
        }
    }
}

fn authority(
    found: &mut Findings<'_>,
    table: &Shaped<SmtpToml>,
    surroundings: Surroundings<'_>,
    text: &Text,
) -> Option<Option<Vec<u8>>> {
    if !text.get_ref().starts_with("file:") {
        let message = format!("`{}` is not a certificate", text.get_ref());
        found.problem(table.at(text), message, "write e.g. `ca = \"file:ca.pem\"`");
        return None;
    }
    match surroundings.follow(found, table.file, text)? {
        Followed::Value(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => {
            Some(Some(pem.into_bytes()))
        }
        Followed::Value(_) => {
            let message = format!("`{}` holds no certificate in PEM form", text.get_ref());
            found.problem(table.at(text), message, None);
            None
        }
        Followed::Unresolved => Some(None),
    }
}

/// Clear text goes over loopback, or to a relay on port 25 that asks for no credentials.
fn clear_text(found: &mut Findings<'_>, table: &Shaped<SmtpToml>, host: &str, port: u16) {
    let at = table.wire.tls.as_ref().map_or(table.at.clone(), |text| table.at(text));
    if is_loopback(host) {
        return;
    }
    if table.wire.password.is_some() {
        let message = format!("the password would go to `{host}` in clear text");
        found.problem(at, message, "remove `tls = \"none\"`");
    } else if port == 25 {
        let message = format!("mail goes to `{host}` in clear text");
        found.note(at, message, "use a server that offers STARTTLS where there is one");
    } else {
        let message = format!("mail would go to `{host}` in clear text");
        let help = "`tls = \"none\"` is only for loopback, or for a relay on port 25 without login";
        found.problem(at, message, help);
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why an address on the web cannot be used, without the address itself: it may hold a token.
pub(super) fn address_trouble(address: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(address) else { return Some("is not an address on the web") };
    let Some(host) = url.host_str() else { return Some("is not an address on the web") };
    match url.scheme() {
        "https" => None,
        "http" if is_loopback(host) => None,
        "http" => Some("must begin with `https://`"),
        _ => Some("is not an address on the web"),
    }
}

/// Mail is to be sent, and there is no `[smtp]`: told once, where the first mail is asked for.
pub(super) fn smtp_missing(found: &mut Findings<'_>, names: &Names) {
    let owner = names.general.owner_at.clone().map(|at| (at, "the owner".to_owned()));
    if let Some((at, who)) =
        names.mails.iter().cloned().chain(owner).min_by_key(|(at, _)| at.clone())
    {
        let message = format!("mail goes to {who}, but there is no `[smtp]`");
        let help = "write `[smtp]` with `host = \"smtp.example.com\"` and \
                    `from = \"Postrider <reports@example.com>\"`";
        found.problem(at, message, help);
    }
}

/// Lowers one source and adds its datasets, also those of a source that is broken: the rest of the
/// config is checked against them all the same.
pub(super) fn source(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    datasets: &mut Vec<Arc<Dataset>>,
) -> Option<SalesforceSettings> {
    if let Some(other) = datasets.first() {
        let message = format!("`{}` reads the same datasets as `{}`", raw.name, other.source);
        found.problem(raw.at, message, "one Salesforce org a config");
        return None;
    }
    datasets.extend(built_in(&raw.name));
    match raw.text("kind") {
        Some(kind) => word(found, raw.file, &kind, &[("salesforce", ())])?,
        None => {
            let message = format!("{} has no `kind`", raw.title);
            found.problem(raw.at, message, "write `kind = \"salesforce\"`");
            return None;
        }
    }
    let auth = raw.take(found, "auth").map(|auth| auth.shape::<SalesforceAuthToml>(found, &[]));
    raw.table.remove("kind");
    salesforce(raw.shape::<SalesforceToml>(found, &["kind", "auth"]), auth, found, surroundings)
}

/// There is no source at all: told once, at the first table that wants records.
pub(super) fn source_missing(found: &mut Findings<'_>, at: At) -> Vec<Arc<Dataset>> {
    let help = "write `[sources.salesforce]` with `kind = \"salesforce\"`, `login_url` and `auth`";
    found.problem(at, "there are no records: the config has no source", help);
    built_in("salesforce").collect()
}

fn built_in(source: &str) -> impl Iterator<Item = Arc<Dataset>> {
    objects::datasets(source).into_iter().map(Arc::new)
}

fn salesforce(
    table: Shaped<SalesforceToml>,
    auth: Option<Shaped<SalesforceAuthToml>>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<SalesforceSettings> {
    let wire = &table.wire;
    let before = found.count();
    let example = "\"https://acme.my.salesforce.com\"";
    let login_url = table.required(found, "login_url", &wire.login_url, example);
    let login_url = login_url.and_then(|text| login_address(found, table.at(text), text));
    let api_version =
        wire.api_version.as_ref().map(|text| api_version(found, table.at(text), text));
    let mut length = |text: &Option<Text>, read: fn(&str) -> Result<_, String>| {
        text.as_ref().and_then(|text| found.value(table.at(text), read(text.get_ref())))
    };
    let pull_every = length(&wire.pull_every, units::duration_above_zero);
    let history = length(&wire.history, units::reach);
    if let Some(share) = &wire.quota_share
        && !(*share.get_ref() > 0.0 && *share.get_ref() <= 1.0)
    {
        let message = format!("`{}` is not a share", share.get_ref());
        found.problem(table.at(share), message, "write a number above 0 and up to 1, e.g. `0.25`");
    }
    let credentials = match &auth {
        Some(auth) => credentials(found, auth, surroundings),
        None => {
            if found.count() == before || wire.login_url.is_some() {
                let message = format!("{} has no `auth`", table.title);
                let help = "write `auth = { flow = \"client_credentials\", \
                            client_id = \"env:SF_CLIENT_ID\", \
                            client_secret = \"env:SF_CLIENT_SECRET\" }`";
                found.problem(table.at.clone(), message, help);
            }
            None
        }
    };
    let (client_id, client_secret) = credentials?;
    (found.count() == before).then_some(())?;
    Some(SalesforceSettings {
        name: table.name,
        login_url: login_url?,
        auth: SalesforceAuth::ClientCredentials { client_id, client_secret },
        api_version: match api_version {
            Some(version) => Some(version?),
            None => None,
        },
        pull_every: pull_every.unwrap_or_else(|| chrono::TimeDelta::minutes(5)),
        quota_share: wire.quota_share.as_ref().map_or(0.25, |share| *share.get_ref()),
        history,
        overlap: chrono::TimeDelta::minutes(10),
        bulk_above: Some(50_000),
    })
}

fn credentials(
    found: &mut Findings<'_>,
    auth: &Shaped<SalesforceAuthToml>,
    surroundings: Surroundings<'_>,
) -> Option<(secrecy::SecretString, secrecy::SecretString)> {
    let wire = &auth.wire;
    let flow = match &wire.flow {
        Some(flow) => word(found, auth.file, flow, &[("client_credentials", ())]),
        None => Some(()),
    };
    let id = auth.required(found, "client_id", &wire.client_id, "\"env:SF_CLIENT_ID\"");
    let id = id.and_then(|text| surroundings.secret(found, auth.file, text));
    let secret =
        auth.required(found, "client_secret", &wire.client_secret, "\"env:SF_CLIENT_SECRET\"");
    let secret = secret.and_then(|text| surroundings.secret(found, auth.file, text));
    flow?;
    Some((id?, secret?))
}

/// Scheme and host alone: the paths are ours.
fn login_address(found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let trouble = address_trouble(written).or_else(|| {
        let url = Url::parse(written).ok()?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none();
        let bare = bare && url.fragment().is_none() && url.username().is_empty();
        (!bare).then_some("must be scheme and host alone")
    });
    match trouble {
        None => Some(written.trim_end_matches('/').to_owned()),
        Some(trouble) => {
            let help = "write the org's My Domain, e.g. `https://acme.my.salesforce.com`";
            // Without the address itself: somebody may have written a password into it.
            found.problem(at, format!("`login_url` {trouble}"), help);
            None
        }
    }
}

fn api_version(found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let number = written.strip_suffix(".0").and_then(|number| number.parse::<u16>().ok());
    match number {
        Some(number @ 40..) => {
            if number < 62 {
                let message = format!("API version `{written}` has no MessagingSessionMetrics");
                found.note(at, message, "write `62.0` or higher");
            }
            Some(written.clone())
        }
        _ => {
            let message = format!("`{written}` is not a version of the API");
            found.problem(at, message, "write e.g. `62.0`");
            None
        }
    }
}

/// Whether a resolved secret is there; it is empty where a check could not resolve it.
pub(super) fn resolved(secret: &secrecy::SecretString) -> bool {
    !secret.expose_secret().is_empty()
}
