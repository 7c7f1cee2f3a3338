//! `dkim`: the keys that mails are signed with.

use url::Host;

use super::super::super::problem::Findings;
use super::super::super::secret::{Followed, Surroundings};
use super::super::super::shape::{Raw, Shaped};
use super::super::super::wire::{DkimToml, Text};
use crate::render::mail::dkim::{KeyError, Signer};

/// Lowers the keys. Mistakes are noted; a key that cannot be read here is left out. `from` is the
/// sender's domain.
pub(super) fn lower(
    raws: Vec<Raw<'_>>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    from: Option<&str>,
) -> Vec<Signer> {
    let mut names: Vec<(String, String)> = Vec::new();
    let mut signers = Vec::new();
    for raw in raws {
        let table = raw.shape::<DkimToml>(found, &[]);
        let wire = &table.wire;
        let domain = table.required(found, "domain", &wire.domain, "\"example.com\"");
        let domain = domain.and_then(|text| domain_name(found, &table, text));
        let selector = table.required(found, "selector", &wire.selector, "\"s1\"");
        let selector = selector.and_then(|text| selector_name(found, &table, text));
        let key = table.required(found, "key", &wire.key, "\"file:dkim.pem\"");
        if let (Some(domain), Some(from), Some(text)) = (&domain, from, &wire.domain) {
            aligned(found, &table, text, domain, from);
        }
        let key = key.and_then(|text| Some((text, surroundings.follow(found, table.file, text)?)));
        let (Some(domain), Some(selector), Some((text, key))) = (domain, selector, key) else {
            continue;
        };
        let name = (domain, selector);
        if names.contains(&name) {
            let message = format!("two keys at `{}._domainkey.{}`", name.1, name.0);
            found.problem(table.at.clone(), message, "give each a `selector` of its own");
        }
        let Followed::Value(pem) = key else { continue };
        match Signer::new(&name.0, &name.1, &pem) {
            Ok(signer) => signers.push(signer),
            Err(why) => {
                let message = format!("what `{}` holds {why}", text.get_ref());
                found.problem(table.at(text), message, help_for(why));
            }
        }
        names.push(name);
    }
    signers
}

fn help_for(why: KeyError) -> &'static str {
    match why {
        KeyError::Public => {
            "write the private key that belongs to it; the public one goes into the DNS"
        }
        KeyError::Locked => {
            "write it without a passphrase: `openssl pkey -in dkim.pem -out plain.pem`"
        }
        KeyError::NoKey => "it begins with `-----BEGIN PRIVATE KEY-----`",
        KeyError::Kind => {
            "make one: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out dkim.pem`"
        }
    }
}

fn domain_name(found: &mut Findings<'_>, table: &Shaped<DkimToml>, text: &Text) -> Option<String> {
    let written = text.get_ref();
    match Host::parse(written) {
        Ok(Host::Domain(domain)) if domain.contains('.') && !domain.ends_with('.') => Some(domain),
        _ => {
            let message = format!("`{written}` is not a domain");
            found.problem(table.at(text), message, "write e.g. `example.com`");
            None
        }
    }
}

/// Labels as the DNS has them, with dots between.
fn selector_name(
    found: &mut Findings<'_>,
    table: &Shaped<DkimToml>,
    text: &Text,
) -> Option<String> {
    let written = text.get_ref();
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len()) && label.chars().all(fits)
    };
    if written.len() <= 190 && written.split('.').all(label) {
        return Some(written.to_lowercase());
    }
    let message = format!("`{written}` is not a selector");
    found.problem(table.at(text), message, "write letters, digits and `-`, e.g. `s1`");
    None
}

/// A signature counts for the sender where it is by the sender's domain, or by one above it.
fn aligned(
    found: &mut Findings<'_>,
    table: &Shaped<DkimToml>,
    text: &Text,
    domain: &str,
    from: &str,
) {
    let from = from.to_lowercase();
    if from != domain && !from.ends_with(&format!(".{domain}")) {
        let message = format!("the domain is not that of `from`, which is `{from}`");
        let help = "DMARC asks for a signature by the sender's own domain";
        found.note(table.at(text), message, help);
    }
}
