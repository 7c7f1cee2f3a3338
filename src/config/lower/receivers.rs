//! `[receivers]`: ways to reach people.

use super::super::ReceiverSettings;
use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::wire::EmailToml;
use super::{address, twice, word};
use crate::domain::zone::Zone;
use crate::receiver::vendor::Vendor;

mod care;
mod passage;
mod vendor;
mod webhook;

pub(super) use care::Cares;

#[derive(Clone, Copy)]
enum Kind {
    Email,
    Webhook,
    Vendor(Vendor),
}

const KINDS: [(&str, Kind); 8] = [
    ("email", Kind::Email),
    ("webhook", Kind::Webhook),
    ("slack", Kind::Vendor(Vendor::Slack)),
    ("teams", Kind::Vendor(Vendor::Teams)),
    ("discord", Kind::Vendor(Vendor::Discord)),
    ("telegram", Kind::Vendor(Vendor::Telegram)),
    ("pagerduty", Kind::Vendor(Vendor::PagerDuty)),
    ("alertmanager", Kind::Vendor(Vendor::Alertmanager)),
];

/// Keys that are taken out before a table is shaped by its kind: of every receiver ...
const CARE: [&str; 5] = ["kind", "fallback", "fallback_after", "limit", "canary"];
/// ... and of those that are reached by HTTP.
const APART: [&str; 10] = [
    "kind",
    "fallback",
    "fallback_after",
    "limit",
    "canary",
    "private",
    "allow",
    "ca",
    "proxy",
    "timeout",
];

/// Lowers one receiver; what is done with it besides is kept in `cares`.
pub(super) fn lower(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    zone: &Zone,
    cares: &mut Cares,
) -> Option<ReceiverSettings> {
    let kind = match raw.text("kind") {
        Some(kind) => word(found, raw.file, &kind, &KINDS)?,
        None => {
            let message = format!("{} has no `kind`", raw.title);
            let kinds = KINDS.map(|(kind, _)| format!("`{kind}`")).join(", ");
            found.problem(raw.at, message, format!("write `kind = ` and one of {kinds}"));
            return None;
        }
    };
    raw.table.remove("kind");
    let before = found.count();
    let name = raw.name.clone();
    let mut care = care::lower(&mut raw, found, zone);
    let settings = match kind {
        Kind::Email => {
            let table = raw.shape::<EmailToml>(found, &CARE);
            care.care.together = together(found, &table);
            email(table, found)
        }
        Kind::Webhook => {
            let passage = passage::lower(&mut raw, found, surroundings);
            let (settings, shape) =
                webhook::lower(raw.shape(found, &APART), found, surroundings, passage);
            care.care.shape = shape;
            settings
        }
        Kind::Vendor(vendor) => {
            let passage = passage::lower(&mut raw, found, surroundings);
            vendor::lower(raw, found, surroundings, vendor, passage).map(ReceiverSettings::Vendor)
        }
    };
    cares.keep(name, care);
    settings.filter(|_| found.count() == before)
}

/// Whether one mail names everybody.
fn together(found: &mut Findings<'_>, table: &Shaped<EmailToml>) -> bool {
    let Some(written) = table.wire.together.as_ref().filter(|written| *written.get_ref()) else {
        return false;
    };
    let to = table.wire.to.as_ref().map_or(&[][..], |to| to.get_ref());
    can_be_named(found, table.at(written), to.iter().map(|text| text.get_ref().as_str()));
    true
}

/// Notes an address that a mail to others as well cannot name: not everybody's server takes it.
pub(super) fn can_be_named<'a>(
    found: &mut Findings<'_>,
    at: At,
    mut addresses: impl Iterator<Item = &'a str>,
) {
    if let Some(address) = addresses.find(|address| !address.is_ascii()) {
        let message = format!("`{address}` cannot be named in everybody's mail");
        found.problem(at, message, "its letters are not ASCII: leave out `together`");
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
