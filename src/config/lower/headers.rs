//! `headers` of whatever makes requests: a source, a webhook.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::super::problem::Findings;
use super::super::secret::{Surroundings, is_reference};
use super::super::shape::Shaped;
use super::super::text::{At, names_a_secret};
use super::super::wire::Text;

/// Headers that nobody may write, in small letters.
pub(super) struct Reserved<'a> {
    /// Those that are made anew each time.
    pub(super) made: &'a [&'a str],
    /// For each what: a request, a message.
    pub(super) of: &'a str,
    /// The one that `auth` makes.
    pub(super) by_auth: Option<String>,
}

/// Lowers headers; what names a secret must be a reference.
pub(super) fn lower<T>(
    found: &mut Findings<'_>,
    table: &Shaped<T>,
    written: &BTreeMap<Text, Text>,
    surroundings: Surroundings<'_>,
    reserved: &Reserved<'_>,
) -> Vec<(String, SecretString)> {
    let mut headers = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, value) in written {
        let at = table.at(name);
        if !is_header(found, at.clone(), name) {
            continue;
        }
        let small = name.get_ref().to_lowercase();
        if reserved.made.contains(&small.as_str()) {
            let message =
                format!("the header `{}` is made for each {}", name.get_ref(), reserved.of);
            found.problem(at, message, "leave it out");
            continue;
        }
        let by_auth = reserved.by_auth.as_ref() == Some(&small);
        if by_auth || !seen.insert(small.clone()) {
            let message = format!("the header `{}` is there twice", name.get_ref());
            let help = if by_auth { "`auth` makes it" } else { "remove one of them" };
            found.problem(at, message, help);
            continue;
        }
        let secret = match names_a_secret(&small) || is_reference(value.get_ref()) {
            true => surroundings.secret(found, table.file, value),
            false => Some(SecretString::from(value.get_ref().clone())),
        };
        let secret = secret.filter(|secret| can_be_sent(found, table.at(value), value, secret));
        headers.extend(secret.map(|secret| (name.get_ref().clone(), secret)));
    }
    headers
}

/// Whether a text is the name of a header.
pub(super) fn is_header(found: &mut Findings<'_>, at: At, name: &Text) -> bool {
    let written = name.get_ref();
    let right = HeaderName::from_bytes(written.as_bytes()).is_ok();
    if !right {
        let message = format!("`{}` is not the name of a header", written.escape_debug());
        found.problem(at, message, "letters, digits and `-`, e.g. `X-Api-Key`");
    }
    right
}

/// Whether a value fits into a header; it is never shown.
pub(super) fn can_be_sent(
    found: &mut Findings<'_>,
    at: At,
    text: &Text,
    value: &SecretString,
) -> bool {
    let fits = HeaderValue::from_str(value.expose_secret()).is_ok();
    if !fits {
        let what = if is_reference(text.get_ref()) { text.get_ref() } else { "the header" };
        let message = format!("what `{what}` holds cannot stand in a header");
        found.problem(at, message, "it must be one line of text");
    }
    fits
}
