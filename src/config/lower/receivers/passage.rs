//! The way to a receiver that is reached by HTTP: where it may lead, whom it trusts, through whom.

use std::time::Duration;

use secrecy::SecretString;
use toml::de::DeTable;
use url::Url;

use super::super::super::problem::Findings;
use super::super::super::secret::{Followed, Surroundings, is_reference};
use super::super::super::shape::{Raw, Shaped};
use super::super::super::units;
use super::super::super::wire::{PassageToml, Text};
use super::super::twice;
use super::super::web::resolved;
use crate::receiver::post::{Network, Passage, check_authorities};

/// The keys, in the order of [`PassageToml`].
const KEYS: [&str; 5] = ["private", "allow", "ca", "proxy", "timeout"];
/// An attempt may take at least and at most so long, in seconds.
const TIMEOUT: std::ops::RangeInclusive<u64> = 5..=60;

/// Takes the keys of the way out of a receiver's table. What is wrong is noted; the rest is made
/// without it.
pub(super) fn lower(
    raw: &mut Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Passage {
    let mut table = DeTable::new();
    for key in KEYS {
        if let Some((key, value)) = raw.table.remove_entry(key) {
            table.insert(key, value);
        }
    }
    let (title, name, at) = (raw.title.clone(), raw.name.clone(), raw.at.clone());
    let table = Raw { file: raw.file, title, name, at, table }.shape::<PassageToml>(found, &[]);
    let wire = &table.wire;
    twice(found, table.file, &wire.allow, "network");
    let mut allow = Vec::with_capacity(wire.allow.len());
    for text in &wire.allow {
        allow.extend(found.value(table.at(text), text.get_ref().parse::<Network>()));
    }
    let passage = Passage {
        private: super::webhook::is_on(&wire.private),
        allow,
        ca: wire.ca.as_ref().and_then(|text| authorities(found, &table, surroundings, text)),
        proxy: wire.proxy.as_ref().and_then(|text| proxy(found, &table, surroundings, text)),
        timeout: wire
            .timeout
            .as_ref()
            .and_then(|text| found.value(table.at(text), timeout(text.get_ref()))),
    };
    if let (Some(text), Some(proxy)) = (&wire.proxy, &passage.proxy)
        && resolved(proxy)
        && let Err(why) = passage.check_proxy()
    {
        found.problem(table.at(text), format!("the proxy in `proxy` {why}"), None);
    }
    passage
}

fn timeout(text: &str) -> Result<Duration, String> {
    let seconds = units::duration(text)?.num_seconds();
    match u64::try_from(seconds) {
        Ok(length) if TIMEOUT.contains(&length) => Ok(Duration::from_secs(length)),
        _ => Err(format!("`{text}` is not between {} s and {} s", TIMEOUT.start(), TIMEOUT.end())),
    }
}

fn authorities(
    found: &mut Findings<'_>,
    table: &Shaped<PassageToml>,
    surroundings: Surroundings<'_>,
    text: &Text,
) -> Option<Vec<u8>> {
    if !text.get_ref().starts_with("file:") {
        let message = format!("`{}` is not a file of certificates", text.get_ref());
        found.problem(table.at(text), message, "write e.g. `ca = \"file:ca.pem\"`");
        return None;
    }
    let Followed::Value(pem) = surroundings.follow(found, table.file, text)? else { return None };
    let pem = pem.into_bytes();
    match check_authorities(&pem) {
        Ok(()) => Some(pem),
        Err(why) => {
            found.problem(table.at(text), why, "it must hold certificates in PEM form");
            None
        }
    }
}

/// An address that may be written as it is, unless it holds a password.
fn proxy(
    found: &mut Findings<'_>,
    table: &Shaped<PassageToml>,
    surroundings: Surroundings<'_>,
    text: &Text,
) -> Option<SecretString> {
    let written = text.get_ref();
    let bare = !is_reference(written)
        && Url::parse(written)
            .is_ok_and(|url| url.username().is_empty() && url.password().is_none());
    match bare {
        true => Some(SecretString::from(written.clone())),
        // Whatever else is there is a secret, or a mistake that must not be shown.
        false => surroundings.secret(found, table.file, text),
    }
}

#[cfg(test)]
mod tests {
    use super::timeout;

    #[test]
    fn an_attempt_has_five_seconds_to_a_minute() {
        assert_eq!(timeout("5 s").unwrap().as_secs(), 5);
        assert_eq!(timeout("1 min").unwrap().as_secs(), 60);
        for text in ["4 s", "61 s", "0 s", "1 h", "soon"] {
            timeout(text).unwrap_err();
        }
    }
}
