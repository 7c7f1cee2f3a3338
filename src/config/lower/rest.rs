//! `[sources.X]` with `kind = "rest"`: where a JSON API is, and how it knows us.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use secrecy::SecretString;
use url::Url;

use super::super::problem::{Findings, closest};
use super::super::secret::{Surroundings, is_reference};
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::{BasicToml, OAuth2Toml, PairToml, RestAuthToml, RestToml, Text};
use super::headers::{self, Reserved, can_be_sent, is_header};
use super::web::{host_of, is_loopback};
use crate::source::rest::{RestAuth, RestSettings};

/// The ways an API can know us, as keys of `auth`.
const FORMS: [&str; 5] = ["bearer", "basic", "header", "query", "oauth2"];
/// Headers that are made for each request.
const MADE: [&str; 7] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "accept-encoding",
    "if-none-match",
];
const AUTH_EXAMPLE: &str = "write e.g. `auth = { bearer = \"env:API_TOKEN\" }`";

/// Lowers one API; `kind` is taken out before. Its datasets are added later.
pub(super) fn lower(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<RestSettings> {
    let before = found.count();
    let auth = match raw.text("auth") {
        Some(text) => {
            raw.table.remove("auth");
            without_auth(found, raw.file, &text)
        }
        None if !raw.table.contains_key("auth") => Some(RestAuth::None),
        None => raw.take(found, "auth").and_then(|auth| lower_auth(auth, found, surroundings)),
    };
    let table = raw.shape::<RestToml>(found, &["kind", "auth"]);
    let wire = &table.wire;
    let example = "\"https://desk.example.com/api\"";
    let base_url = table.required(found, "base_url", &wire.base_url, example);
    let base_url = base_url.and_then(|text| base_address(found, table.at(text), text));
    let headers = headers(found, &table, surroundings, auth.as_ref());
    if let (Some(url), Some(text), Some(auth)) = (&base_url, &wire.base_url, &auth) {
        clear_text(found, table.at(text), url, auth, wire);
    }
    let rate = wire.rate.as_ref().map(|text| found.value(table.at(text), rate(text.get_ref())));
    let mut length = |text: &Option<Text>, read: fn(&str) -> Result<_, String>| {
        text.as_ref().and_then(|text| found.value(table.at(text), read(text.get_ref())))
    };
    let pull_every = length(&wire.pull_every, units::duration_above_zero);
    let history = length(&wire.history, units::reach);
    (found.count() == before).then_some(())?;
    Some(RestSettings {
        name: table.name,
        base_url: base_url?,
        auth: auth?,
        headers,
        pull_every: pull_every.unwrap_or_else(|| TimeDelta::minutes(5)),
        history,
        rate: match rate {
            Some(rate) => Some(rate?),
            None => None,
        },
        datasets: BTreeMap::new(),
    })
}

fn without_auth(found: &mut Findings<'_>, file: usize, text: &Text) -> Option<RestAuth> {
    if text.get_ref() == "none" {
        return Some(RestAuth::None);
    }
    // Never the text itself: it may be the token.
    let at = At::new(file, text.span());
    found.problem(at, "`auth` must be a table, or `\"none\"`", AUTH_EXAMPLE);
    None
}

/// An address that paths are put behind: no query, no user.
fn base_address(found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    let url = Url::parse(text.get_ref()).ok().filter(|url| url.host_str().is_some());
    let trouble = match &url {
        None => Some("is not an address on the web"),
        Some(url) if !matches!(url.scheme(), "https" | "http") => {
            Some("is not an address on the web")
        }
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("holds a login, which belongs into `auth`")
        }
        Some(url) if url.query().is_some() || url.fragment().is_some() => {
            Some("ends with its path: what follows belongs into the `query` of datasets")
        }
        Some(_) => None,
    };
    match (trouble, text.get_ref().contains(['{', '}'])) {
        (None, false) => Some(text.get_ref().trim_end_matches('/').to_owned()),
        (None, true) => {
            let help = "placeholders stand in the `path` and the `query` of datasets";
            found.problem(at, "`base_url` holds a placeholder", help);
            None
        }
        (Some(trouble), _) => {
            let help = "write e.g. `https://desk.example.com/api`";
            found.problem(at, format!("`base_url` {trouble}"), help);
            None
        }
    }
}

/// Without TLS everybody on the way reads along: never a secret, and records only with a note.
fn clear_text(found: &mut Findings<'_>, at: At, url: &str, auth: &RestAuth, wire: &RestToml) {
    let host = host_of(url).unwrap_or_default();
    if url.starts_with("https:") || is_loopback(&host) {
        return;
    }
    let secret = wire.headers.values().any(|value| is_reference(value.get_ref()));
    if secret || !matches!(auth, RestAuth::None) {
        let message = format!("secrets would go to `{host}` in clear text");
        found.problem(at, message, "`base_url` must begin with `https://`");
    } else {
        found.note(at, format!("records come from `{host}` in clear text"), None);
    }
}

/// Exactly one of the forms.
fn lower_auth(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<RestAuth> {
    let given: Vec<&str> = FORMS.into_iter().filter(|form| raw.table.contains_key(*form)).collect();
    let before = found.count();
    let (at, title) = (raw.at.clone(), raw.title.clone());
    if let [first, second, ..] = given.as_slice() {
        let message = format!("{title} has both `{first}` and `{second}`");
        found.problem(at.clone(), message, "an API knows us in one way: remove one of them");
    }
    let mut lowered = None;
    for form in given.iter().copied().filter(|form| *form != "bearer") {
        let Some(table) = raw.take(found, form) else { continue };
        lowered = lower_form(form, table, found, surroundings);
    }
    let empty = raw.table.is_empty() && given.is_empty();
    let table = raw.shape::<RestAuthToml>(found, &FORMS[1..]);
    if let Some(bearer) = &table.wire.bearer {
        lowered = surroundings.secret(found, table.file, bearer).map(RestAuth::Bearer);
    }
    if empty || (given.is_empty() && found.count() == before) {
        let forms = FORMS.map(|form| format!("`{form}`")).join(", ");
        found.problem(at, format!("{title} says nothing"), format!("write one of {forms}"));
    }
    lowered.filter(|_| found.count() == before)
}

fn lower_form(
    form: &str,
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<RestAuth> {
    match form {
        "basic" => {
            let table = raw.shape::<BasicToml>(found, &[]);
            let wire = &table.wire;
            let user = table.required(found, "username", &wire.username, "\"postrider\"");
            let user = user.and_then(|text| surroundings.given(found, table.file, text));
            let example = "\"env:API_PASSWORD\"";
            let password = table.required(found, "password", &wire.password, example);
            let password = password.and_then(|t| surroundings.secret(found, table.file, t));
            let username = user?;
            if username.contains(':') {
                let message = "a user name with a colon cannot be sent";
                found.problem(table.at.clone(), message, None);
            }
            Some(RestAuth::Basic { username, password: password? })
        }
        "oauth2" => oauth2(raw.shape(found, &[]), found, surroundings),
        _ => {
            let table = raw.shape::<PairToml>(found, &[]);
            let wire = &table.wire;
            let (example, header) = match form {
                "header" => ("\"X-Api-Key\"", true),
                _ => ("\"api_key\"", false),
            };
            let name = table.required(found, "name", &wire.name, example);
            let name = name.filter(|text| !header || is_header(found, table.at(text), text));
            let value = table.required(found, "value", &wire.value, "\"env:API_KEY\"");
            let value = value.and_then(|text| {
                let value = surroundings.secret(found, table.file, text)?;
                (!header || can_be_sent(found, table.at(text), text, &value)).then_some(value)
            });
            let (name, value) = (name?.get_ref().clone(), value?);
            Some(if header {
                RestAuth::Header { name, value }
            } else {
                RestAuth::Query { name, value }
            })
        }
    }
}

fn oauth2(
    table: Shaped<OAuth2Toml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<RestAuth> {
    let wire = &table.wire;
    let example = "\"https://desk.example.com/oauth/token\"";
    let url = table.required(found, "token_url", &wire.token_url, example);
    let url = url.filter(|text| match super::web::address_trouble(text.get_ref()) {
        None => true,
        Some(trouble) => {
            found.problem(table.at(text), format!("`token_url` {trouble}"), None);
            false
        }
    });
    let id = table.required(found, "client_id", &wire.client_id, "\"env:API_CLIENT_ID\"");
    let id = id.and_then(|text| surroundings.secret(found, table.file, text));
    let example = "\"env:API_CLIENT_SECRET\"";
    let secret = table.required(found, "client_secret", &wire.client_secret, example);
    let secret = secret.and_then(|text| surroundings.secret(found, table.file, text));
    Some(RestAuth::OAuth2 {
        token_url: url?.get_ref().clone(),
        client_id: id?,
        client_secret: secret?,
        scope: wire.scope.as_ref().map(|text| text.get_ref().clone()),
    })
}

/// Headers of every request; what names a secret must be a reference.
fn headers(
    found: &mut Findings<'_>,
    table: &Shaped<RestToml>,
    surroundings: Surroundings<'_>,
    auth: Option<&RestAuth>,
) -> Vec<(String, SecretString)> {
    let by_auth = match auth {
        Some(RestAuth::Bearer(_) | RestAuth::Basic { .. } | RestAuth::OAuth2 { .. }) => {
            Some("authorization".to_owned())
        }
        Some(RestAuth::Header { name, .. }) => Some(name.to_lowercase()),
        _ => None,
    };
    let reserved = Reserved { made: &MADE, of: "request", by_auth };
    headers::lower(found, table, &table.wire.headers, surroundings, &reserved)
}

/// `60 / min`, `10 / s`, `1000 / 15 min`.
pub(super) fn rate(text: &str) -> Result<(u32, TimeDelta), String> {
    let wrong = || format!("`{text}` is not a rate: write e.g. `60 / min`");
    let (count, time) = text.split_once('/').ok_or_else(wrong)?;
    let count: u32 = count.trim().parse().map_err(|_| wrong())?;
    let time = time.trim();
    let time = match time.starts_with(|c: char| c.is_ascii_digit()) {
        true => time.to_owned(),
        false => format!("1 {time}"),
    };
    let length = units::duration_above_zero(&time)?;
    match count {
        0 => Err("a rate of 0 lets nothing through".to_owned()),
        _ => Ok((count, length)),
    }
}

/// Whether a query parameter of this name usually holds a secret.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "api_key",
        "apikey",
        "access_token",
        "auth_token",
        "token",
        "password",
        "secret",
        "client_secret",
        "private_token",
    ];
    let name = name.to_lowercase().replace('-', "_");
    NAMES.contains(&name.as_str())
        || closest(&name, ["api_key", "access_token", "password"]).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_so_many_in_so_much_time() {
        check("60 / min", Ok((60, 60)));
        check("10/s", Ok((10, 1)));
        check("1000 / 15 min", Ok((1000, 900)));
        check("60", Err("`60` is not a rate: write e.g. `60 / min`"));
        check("x / min", Err("`x / min` is not a rate: write e.g. `60 / min`"));
        check("0 / min", Err("a rate of 0 lets nothing through"));
        check("5 / m", Err("`m` could be minutes or months: write `min`"));
        check("5 / 0 s", Err("`0 s` is no time at all"));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(u32, i64), &str>) {
        let got = rate(text).map(|(count, length)| (count, length.num_seconds()));
        assert_eq!(got.as_ref().map_err(String::as_str), expected.as_ref().map_err(|err| *err));
    }
}
