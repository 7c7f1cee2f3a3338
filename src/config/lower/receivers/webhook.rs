//! `kind = "webhook"`.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use toml::Spanned;

use super::super::super::ReceiverSettings;
use super::super::super::problem::Findings;
use super::super::super::secret::Surroundings;
use super::super::super::shape::Shaped;
use super::super::super::wire::{Text, WebhookToml};
use super::super::headers::{self, Reserved};
use super::super::web::resolved;
use super::super::{twice, word};
use super::care::shape_of;
use crate::receiver::post::Passage;
use crate::receiver::webhook::{WebhookSettings, check_secret};
use crate::render::{OwnBody, Shape};

/// Headers that are made for each request.
const MADE: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Lowers a webhook, and what its body is where it is not postrider's own payload.
pub(super) fn lower(
    table: Shaped<WebhookToml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    passage: Passage,
) -> (Option<ReceiverSettings>, Option<Shape>) {
    let wire = &table.wire;
    let before = found.count();
    let url = table.required(found, "url", &wire.url, "\"env:OPS_HOOK_URL\"");
    let url = url.and_then(|text| address(found, &table, surroundings, text, &passage));
    let secrets = secrets(found, &table, surroundings);
    let reserved = Reserved { made: &MADE, of: "message", by_auth: None };
    let headers = headers::lower(found, &table, &table.wire.headers, surroundings, &reserved);
    let shape = shape(found, &table, surroundings);
    if wire.secrets.is_empty() && found.count() == before {
        let message = format!("{} has no `secrets`: its messages are not signed", table.title);
        found.note(table.at.clone(), message, "write e.g. `secrets = [\"env:OPS_HOOK_SECRET\"]`");
    }
    let settings =
        url.map(|url| WebhookSettings { name: table.name, url, secrets, headers, passage });
    (settings.map(ReceiverSettings::Webhook), shape)
}

/// An address that is a secret, and may be called.
pub(super) fn address<T>(
    found: &mut Findings<'_>,
    table: &Shaped<T>,
    surroundings: Surroundings<'_>,
    text: &Text,
    passage: &Passage,
) -> Option<SecretString> {
    let url = surroundings.secret(found, table.file, text)?;
    if resolved(&url)
        && let Err(why) = passage.check(url.expose_secret())
    {
        let message = format!("the address in `{}` {why}", text.get_ref());
        found.problem(table.at(text), message, None);
    }
    Some(url)
}

fn secrets(
    found: &mut Findings<'_>,
    table: &Shaped<WebhookToml>,
    surroundings: Surroundings<'_>,
) -> Vec<SecretString> {
    twice(found, table.file, &table.wire.secrets, "secret");
    let mut secrets = Vec::new();
    for text in &table.wire.secrets {
        let Some(secret) = surroundings.secret(found, table.file, text) else { continue };
        if resolved(&secret) && !is_signing_secret(&secret) {
            let message = format!("what `{}` holds is not a signing secret", text.get_ref());
            let help = "it must be `whsec_` and the Base64 of 24 to 64 random bytes, or `whsk_` and \
                        that of an Ed25519 key";
            found.problem(table.at(text), message, help);
        }
        secrets.push(secret);
    }
    secrets
}

fn is_signing_secret(secret: &SecretString) -> bool {
    check_secret(secret.expose_secret()).is_ok()
}

/// What the body is: `shape` or a template of the user's own, not both.
fn shape(
    found: &mut Findings<'_>,
    table: &Shaped<WebhookToml>,
    surroundings: Surroundings<'_>,
) -> Option<Shape> {
    let wire = &table.wire;
    let words = [("postrider", "postrider"), ("alertmanager", "alertmanager")];
    let shape = wire.shape.as_ref().and_then(|text| {
        let known = word(found, table.file, text, &words)?;
        shape_of(known, &table.name)
    });
    let Some(text) = &wire.body else { return shape };
    if wire.shape.is_some() {
        let help = "a body of your own has no other shape: remove one of them";
        found.problem(table.at(text), format!("{} has `shape` and `body`", table.title), help);
    }
    let Some(path) = text.get_ref().strip_prefix("file:") else {
        let help = "write e.g. `body = \"file:ticket.json\"`";
        found.problem(table.at(text), "`body` is not a file", help);
        return None;
    };
    let own = read(found, table.file, path, surroundings).and_then(|template| {
        let named = |why| format!("the body `{path}` cannot be used: {why}");
        OwnBody::new(template).map_err(named)
    });
    found.value(table.at(text), own).map(|own| Shape::Own(Arc::new(own)))
}

fn read(
    found: &Findings<'_>,
    file: usize,
    path: &str,
    surroundings: Surroundings<'_>,
) -> Result<String, String> {
    let whole = found.sources()[file].base.join(path);
    let bytes = surroundings.env.read(&whole, OwnBody::BYTES_MAX as u64);
    let bytes = bytes.map_err(|err| format!("the body `{path}` cannot be read: {err}"))?;
    String::from_utf8(bytes).map_err(|_| format!("the body `{path}` is not UTF-8"))
}

/// Whether a switch is on.
pub(super) fn is_on(switch: &Option<Spanned<bool>>) -> bool {
    switch.as_ref().is_some_and(|switch| *switch.get_ref())
}
