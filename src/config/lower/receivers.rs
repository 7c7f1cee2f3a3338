//! `[receivers]`: ways to reach people.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::super::ReceiverSettings;
use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::wire::{EmailToml, WebhookToml};
use super::web::{address_trouble, resolved};
use super::{address, twice, word};
use crate::receiver::webhook::WebhookSettings;

#[derive(Clone, Copy)]
enum Kind {
    Email,
    Webhook,
}

/// Lowers one receiver.
pub(super) fn lower(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<ReceiverSettings> {
    let kinds = [("email", Kind::Email), ("webhook", Kind::Webhook)];
    let kind = match raw.text("kind") {
        Some(kind) => word(found, raw.file, &kind, &kinds)?,
        None => {
            let message = format!("{} has no `kind`", raw.title);
            found.problem(raw.at, message, "write `kind = \"email\"` or `kind = \"webhook\"`");
            return None;
        }
    };
    raw.table.remove("kind");
    match kind {
        Kind::Email => email(raw.shape(found, &["kind"]), found),
        Kind::Webhook => webhook(raw.shape(found, &["kind"]), found, surroundings),
    }
}

fn email(table: Shaped<EmailToml>, found: &mut Findings<'_>) -> Option<ReceiverSettings> {
    let to = table.required(found, "to", &table.wire.to, "[\"ops@example.com\"]")?;
    let before = found.count();
    if to.get_ref().is_empty() {
        found.problem(table.at(to), "nobody to send to", "write e.g. `to = [\"ops@example.com\"]`");
    }
    twice(found, table.file, to.get_ref(), "recipient");
    let addresses: Vec<String> =
        to.get_ref().iter().filter_map(|text| address(found, table.file, text)).collect();
    (found.count() == before).then_some(ReceiverSettings::Email(addresses))
}

fn webhook(
    table: Shaped<WebhookToml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> Option<ReceiverSettings> {
    let wire = &table.wire;
    let before = found.count();
    let url = table.required(found, "url", &wire.url, "\"env:OPS_HOOK_URL\"");
    let secret_url = url.and_then(|text| surroundings.secret(found, table.file, text));
    if let (Some(text), Some(url)) = (url, secret_url.as_ref().filter(|url| resolved(url)))
        && let Some(trouble) = address_trouble(url.expose_secret())
    {
        let message = format!("the address in `{}` {trouble}", text.get_ref());
        found.problem(table.at(text), message, None);
    }
    twice(found, table.file, &wire.secrets, "secret");
    let mut secrets = Vec::new();
    for text in &wire.secrets {
        let Some(secret) = surroundings.secret(found, table.file, text) else { continue };
        if resolved(&secret) && !is_signing_secret(&secret) {
            let message = format!("what `{}` holds is not a signing secret", text.get_ref());
            let help = "it must be `whsec_` and the Base64 of 24 to 64 random bytes";
            found.problem(table.at(text), message, help);
        }
        secrets.push(secret);
    }
    if wire.secrets.is_empty() && found.count() == before {
        let message = format!("{} has no `secrets`: its messages are not signed", table.title);
        found.note(table.at.clone(), message, "write e.g. `secrets = [\"env:OPS_HOOK_SECRET\"]`");
    }
    (found.count() == before).then_some(())?;
    Some(ReceiverSettings::Webhook(WebhookSettings { name: table.name, url: secret_url?, secrets }))
}

fn is_signing_secret(secret: &SecretString) -> bool {
    secret
        .expose_secret()
        .strip_prefix("whsec_")
        .and_then(|text| STANDARD.decode(text).ok())
        .is_some_and(|bytes| (24..=64).contains(&bytes.len()))
}
