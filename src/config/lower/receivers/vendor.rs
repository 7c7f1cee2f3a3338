//! Vendors' endpoints: what each kind must have.

use secrecy::{ExposeSecret, SecretString};

use super::super::super::problem::Findings;
use super::super::super::secret::Surroundings;
use super::super::super::shape::{Raw, Shaped};
use super::super::super::wire::{AlertmanagerToml, ChatToml, PagerDutyToml, TelegramToml, Text};
use super::super::web::resolved;
use super::APART;
use super::webhook::address;
use crate::receiver::post::Passage;
use crate::receiver::vendor::{Access, Vendor, VendorSettings};

/// Lowers a vendor's endpoint.
pub(super) fn lower(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    vendor: Vendor,
    passage: Passage,
) -> Option<VendorSettings> {
    match vendor {
        Vendor::Slack | Vendor::Teams | Vendor::Discord => {
            chat(raw.shape(found, &APART), found, surroundings, vendor, passage)
        }
        Vendor::Telegram => telegram(raw.shape(found, &APART), found, surroundings, passage),
        Vendor::PagerDuty => pagerduty(raw.shape(found, &APART), found, surroundings, passage),
        Vendor::Alertmanager => {
            alertmanager(raw.shape(found, &APART), found, surroundings, passage)
        }
    }
}

fn chat(
    table: Shaped<ChatToml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    vendor: Vendor,
    passage: Passage,
) -> Option<VendorSettings> {
    let example = format!("\"env:{}_URL\"", vendor.word().to_uppercase());
    let url = table.required(found, "url", &table.wire.url, &example)?;
    let url = Some(address(found, &table, surroundings, url, &passage)?);
    let name = table.name;
    Some(VendorSettings { name, vendor, url, access: Access::Open, chat: None, passage })
}

fn telegram(
    table: Shaped<TelegramToml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    passage: Passage,
) -> Option<VendorSettings> {
    let wire = &table.wire;
    let token = table.required(found, "token", &wire.token, "\"env:TELEGRAM_TOKEN\"");
    let token = token.and_then(|text| {
        let shape = "it must be as BotFather gave it: digits, a colon, letters";
        key(found, &table, surroundings, text, is_bot_token, "a bot's token", shape)
    });
    let chat = table.required(found, "chat", &wire.chat, "\"-1001234567890\"");
    let chat = chat.and_then(|text| surroundings.given(found, table.file, text));
    let url = own_url(found, &table, surroundings, &wire.url, &passage);
    Some(VendorSettings {
        vendor: Vendor::Telegram,
        url: url?,
        access: Access::Key(token?),
        chat: Some(chat?),
        passage,
        name: table.name,
    })
}

fn pagerduty(
    table: Shaped<PagerDutyToml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    passage: Passage,
) -> Option<VendorSettings> {
    let wire = &table.wire;
    let routing = table.required(found, "key", &wire.key, "\"env:PAGERDUTY_KEY\"");
    let routing = routing.and_then(|text| {
        let shape = "it is the integration key of a service: 32 letters and digits";
        key(found, &table, surroundings, text, is_routing_key, "a routing key", shape)
    });
    let url = own_url(found, &table, surroundings, &wire.url, &passage);
    Some(VendorSettings {
        vendor: Vendor::PagerDuty,
        url: url?,
        access: Access::Key(routing?),
        chat: None,
        passage,
        name: table.name,
    })
}

fn alertmanager(
    table: Shaped<AlertmanagerToml>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    passage: Passage,
) -> Option<VendorSettings> {
    let wire = &table.wire;
    let url = table.required(found, "url", &wire.url, "\"env:ALERTMANAGER_URL\"");
    let url = url.and_then(|text| address(found, &table, surroundings, text, &passage));
    let token = wire.token.as_ref().map(|text| surroundings.secret(found, table.file, text));
    let token = optional(token);
    let login = match (&wire.username, &wire.password) {
        (Some(name), Some(password)) => {
            let name = surroundings.given(found, table.file, name);
            let password = surroundings.secret(found, table.file, password);
            name.zip(password).map(Some)
        }
        (None, None) => Some(None),
        (Some(one), None) | (None, Some(one)) => {
            let help = "a login is `username` and `password`";
            found.problem(table.at(one), format!("half a login in {}", table.title), help);
            None
        }
    };
    let access = match (token?, login?) {
        (None, None) => Access::Open,
        (Some(token), None) => Access::Key(token),
        (None, Some((name, password))) => Access::Login(name, password),
        (Some(_), Some(_)) => {
            let message = format!("{} has both `token` and a login", table.title);
            found.problem(table.at, message, "it knows us in one way: remove one of them");
            return None;
        }
    };
    let (vendor, chat) = (Vendor::Alertmanager, None);
    Some(VendorSettings { vendor, url: Some(url?), access, chat, passage, name: table.name })
}

/// The address of a vendor that has one of its own: `Some(None)` where nothing else is written.
fn own_url<T>(
    found: &mut Findings<'_>,
    table: &Shaped<T>,
    surroundings: Surroundings<'_>,
    url: &Option<Text>,
    passage: &Passage,
) -> Option<Option<SecretString>> {
    optional(url.as_ref().map(|text| address(found, table, surroundings, text, passage)))
}

/// A key of a known form.
fn key<T>(
    found: &mut Findings<'_>,
    table: &Shaped<T>,
    surroundings: Surroundings<'_>,
    text: &Text,
    fits: fn(&str) -> bool,
    noun: &str,
    help: &str,
) -> Option<SecretString> {
    let key = surroundings.secret(found, table.file, text)?;
    if resolved(&key) && !fits(key.expose_secret()) {
        let message = format!("what `{}` holds is not {noun}", text.get_ref());
        found.problem(table.at(text), message, help);
    }
    Some(key)
}

/// `123456789:AAH...`: what stands in a path must not be able to leave it.
fn is_bot_token(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, rest)| {
        !id.is_empty()
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && rest.len() >= 20
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    })
}

fn is_routing_key(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What is read of a key that need not be there: nothing written is no mistake.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}
