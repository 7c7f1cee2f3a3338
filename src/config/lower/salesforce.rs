//! `[sources.X]` with `kind = "salesforce"`: how an org is reached, and what it may be asked.

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use url::Url;

use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::{ClientCredentialsToml, CountToml, JwtBearerToml, SalesforceToml, Text};
use super::web::{address_trouble, host_of};
use super::word;
use crate::source::salesforce::{SalesforceAuth, SalesforceSettings};

/// The lowest version that has MessagingSessionMetrics.
const VERSION_MIN: u16 = 62;
/// A bulk read costs some requests of its own: below this it does not pay.
const BULK_ABOVE: u64 = 50_000;
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
const OVERLAP_MAX: TimeDelta = TimeDelta::days(7);

#[derive(Clone, Copy)]
enum Flow {
    ClientCredentials,
    JwtBearer,
}

/// Lowers one org; `kind` is taken out before.
pub(super) fn lower(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<SalesforceSettings> {
    let before = found.count();
    let auth_there = raw.table.contains_key("auth");
    let auth = raw.take(found, "auth");
    let table = raw.shape::<SalesforceToml>(found, &["kind", "auth"]);
    let wire = &table.wire;
    let example = "\"https://acme.my.salesforce.com\"";
    let login_url = table.required(found, "login_url", &wire.login_url, example);
    let login_url = login_url.and_then(|text| bare_address(found, table.at(text), text));
    let api_version =
        wire.api_version.as_ref().map(|text| api_version(found, table.at(text), text));
    let mut length = |text: &Option<Text>, read: fn(&str) -> Result<_, String>| {
        text.as_ref().and_then(|text| found.value(table.at(text), read(text.get_ref())))
    };
    let pull_every = length(&wire.pull_every, units::duration_above_zero);
    let history = length(&wire.history, units::reach);
    let overlap = length(&wire.overlap, units::duration);
    if let (Some(text), Some(length)) = (&wire.overlap, overlap)
        && length > OVERLAP_MAX
    {
        let message = format!("every pull would begin {} back", units::words(length));
        found.problem(table.at(text), message, "write at most `7 days`; `10 min` is usual");
    }
    if let Some(share) = &wire.quota_share
        && !(*share.get_ref() > 0.0 && *share.get_ref() <= 1.0)
    {
        let message = format!("`{}` is not a share", share.get_ref());
        found.problem(table.at(share), message, "write a number above 0 and up to 1, e.g. `0.25`");
    }
    let bulk_above = bulk_above(found, &table);
    if !auth_there {
        let message = format!("{} has no `auth`", table.title);
        let help = "write `auth = { flow = \"client_credentials\", client_id = \
                    \"env:SF_CLIENT_ID\", client_secret = \"env:SF_CLIENT_SECRET\" }`";
        found.problem(table.at.clone(), message, help);
    }
    let auth = auth.and_then(|auth| lower_auth(auth, found, surroundings, login_url.as_deref()));
    (found.count() == before).then_some(())?;
    Some(SalesforceSettings {
        name: table.name,
        login_url: login_url?,
        auth: auth?,
        api_version: match api_version {
            Some(version) => Some(version?),
            None => None,
        },
        pull_every: pull_every.unwrap_or_else(|| TimeDelta::minutes(5)),
        quota_share: wire.quota_share.as_ref().map_or(0.25, |share| *share.get_ref()),
        history,
        overlap: overlap.unwrap_or(OVERLAP),
        bulk_above,
    })
}

fn bulk_above(found: &mut Findings<'_>, table: &Shaped<SalesforceToml>) -> Option<u64> {
    match table.wire.bulk_above.as_ref() {
        None => Some(BULK_ABOVE),
        Some(written) => match written.get_ref() {
            CountToml::Number(records) => Some(*records),
            CountToml::Word(word) if word == "never" => None,
            CountToml::Word(word) => {
                let help = "write a number of records, e.g. `50000`, or `\"never\"`";
                found.problem(table.at(written), format!("`{word}` is not a number"), help);
                None
            }
        },
    }
}

/// `auth`: by secret or by a signed assertion.
fn lower_auth(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    login_url: Option<&str>,
) -> Option<SalesforceAuth> {
    let flows = [("client_credentials", Flow::ClientCredentials), ("jwt_bearer", Flow::JwtBearer)];
    let flow = match raw.text("flow") {
        Some(flow) => word(found, raw.file, &flow, &flows)?,
        // What only one of them has says which was meant.
        None if raw.table.contains_key("private_key") => Flow::JwtBearer,
        None => Flow::ClientCredentials,
    };
    if raw.table.remove("flow").is_some_and(|flow| !flow.get_ref().is_str()) {
        let help = "write `flow = \"client_credentials\"` or `flow = \"jwt_bearer\"`";
        found.problem(raw.at.clone(), format!("`flow` of {} is not text", raw.title), help);
    }
    match flow {
        Flow::ClientCredentials => {
            let auth = raw.shape::<ClientCredentialsToml>(found, &["flow"]);
            let wire = &auth.wire;
            let id = auth.required(found, "client_id", &wire.client_id, "\"env:SF_CLIENT_ID\"");
            let id = id.and_then(|text| surroundings.secret(found, auth.file, text));
            let example = "\"env:SF_CLIENT_SECRET\"";
            let secret = auth.required(found, "client_secret", &wire.client_secret, example);
            let secret = secret.and_then(|text| surroundings.secret(found, auth.file, text));
            Some(SalesforceAuth::ClientCredentials { client_id: id?, client_secret: secret? })
        }
        Flow::JwtBearer => jwt_bearer(raw.shape(found, &["flow"]), found, surroundings, login_url),
    }
}

fn jwt_bearer(
    auth: Shaped<JwtBearerToml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    login_url: Option<&str>,
) -> Option<SalesforceAuth> {
    let wire = &auth.wire;
    let id = auth.required(found, "client_id", &wire.client_id, "\"env:SF_CLIENT_ID\"");
    let id = id.and_then(|text| surroundings.secret(found, auth.file, text));
    let example = "\"postrider@acme.com\"";
    let username = auth.required(found, "username", &wire.username, example);
    let username = username.and_then(|text| surroundings.given(found, auth.file, text));
    let key = auth.required(found, "private_key", &wire.private_key, "\"file:sf.key\"");
    let key = key.and_then(|text| {
        let key = surroundings.secret(found, auth.file, text)?;
        match key_trouble(key.expose_secret()) {
            None => Some(key),
            Some((trouble, help)) => {
                let message = format!("what `{}` holds {trouble}", text.get_ref());
                found.problem(auth.at(text), message, help);
                None
            }
        }
    });
    let audience = match &wire.audience {
        Some(text) => bare_address_of("audience", found, auth.at(text), text),
        None => Some(usual_audience(login_url.unwrap_or_default()).to_owned()),
    };
    Some(SalesforceAuth::JwtBearer {
        client_id: id?,
        username: username?,
        private_key: key?,
        audience: audience?,
    })
}

/// Why a text cannot be the key that assertions are signed with; an empty one could not be resolved
/// and was told before.
fn key_trouble(pem: &str) -> Option<(&'static str, &'static str)> {
    let begins = |what: &str| pem.contains(&format!("-----BEGIN {what}-----"));
    if pem.is_empty() || begins("PRIVATE KEY") || begins("RSA PRIVATE KEY") {
        let locked = pem.contains("Proc-Type: 4,ENCRYPTED");
        return locked.then_some((
            "is a key with a passphrase",
            "write it without one: `openssl pkey -in sf.key -out plain.key`",
        ));
    }
    Some(if begins("ENCRYPTED PRIVATE KEY") {
        (
            "is a key with a passphrase",
            "write it without one: `openssl pkey -in sf.key -out plain.key`",
        )
    } else if begins("CERTIFICATE") {
        (
            "is a certificate",
            "the org has the certificate; write the private key that belongs to it",
        )
    } else if begins("PUBLIC KEY") {
        ("is a public key", "write the private key that belongs to it")
    } else {
        ("is no RSA key in PEM form", "it begins with `-----BEGIN PRIVATE KEY-----`")
    })
}

/// Who an assertion is for: sandboxes have a login of their own.
fn usual_audience(login_url: &str) -> &'static str {
    let sandbox = host_of(login_url).is_some_and(|host| {
        host.ends_with(".sandbox.my.salesforce.com") || host == "test.salesforce.com"
    });
    if sandbox { "https://test.salesforce.com" } else { "https://login.salesforce.com" }
}

/// Scheme and host alone: the paths are ours.
fn bare_address(found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    bare_address_of("login_url", found, at, text)
}

fn bare_address_of(key: &str, found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let trouble = address_trouble(written).or_else(|| {
        let url = Url::parse(written).ok()?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none();
        let bare = bare && url.fragment().is_none() && url.username().is_empty();
        // A site's address as audience may have a path.
        (!bare && key == "login_url").then_some("must be scheme and host alone")
    });
    match trouble {
        None => Some(written.trim_end_matches('/').to_owned()),
        Some(trouble) => {
            let help = match key {
                "login_url" => "write the org's My Domain, e.g. `https://acme.my.salesforce.com`",
                _ => {
                    "write `https://login.salesforce.com`, or `https://test.salesforce.com` for a sandbox"
                }
            };
            // Without the address itself: somebody may have written a password into it.
            found.problem(at, format!("`{key}` {trouble}"), help);
            None
        }
    }
}

fn api_version(found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let number = written.strip_suffix(".0").and_then(|number| number.parse::<u16>().ok());
    let (message, help) = match number {
        Some(number) if number >= VERSION_MIN => return Some(written.clone()),
        Some(40..) => (
            format!("API version `{written}` has no MessagingSessionMetrics"),
            "write `62.0` or higher, or leave it out for the newest of the org",
        ),
        _ => (
            format!("`{written}` is not a version of the API"),
            "write e.g. `62.0`, or leave it out for the newest of the org",
        ),
    };
    found.problem(at, message, help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_has_an_audience_of_its_own() {
        for (login_url, audience) in [
            ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
            ("https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
            ("https://test.salesforce.com", "https://test.salesforce.com"),
            ("https://sandbox.my.salesforce.com.evil.example", "https://login.salesforce.com"),
            ("", "https://login.salesforce.com"),
        ] {
            assert_eq!(usual_audience(login_url), audience, "{login_url}");
        }
    }

    #[test]
    fn what_is_no_plain_private_key_is_told_for_what_it_is() {
        for (pem, expected) in [
            ("-----BEGIN PRIVATE KEY-----\nMII", None),
            ("-----BEGIN RSA PRIVATE KEY-----\nMII", None),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED", Some("passphrase")),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", Some("passphrase")),
            ("-----BEGIN CERTIFICATE-----", Some("certificate")),
            ("-----BEGIN PUBLIC KEY-----", Some("public key")),
            ("swordfish", Some("no RSA key")),
            ("", None),
        ] {
            let trouble = key_trouble(pem).map(|(trouble, _)| trouble);
            match expected {
                None => assert_eq!(trouble, None, "{pem}"),
                Some(part) => assert!(trouble.is_some_and(|t| t.contains(part)), "{pem}"),
            }
        }
    }
}
