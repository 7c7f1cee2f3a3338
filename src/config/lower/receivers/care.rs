//! What every receiver may have, whatever its kind: a fallback, a limit, a canary.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use toml::de::DeTable;

use super::super::super::problem::Findings;
use super::super::super::shape::Raw;
use super::super::super::text::At;
use super::super::super::wire::{CareToml, Text};
use super::super::super::{Care, ReceiverSettings, units};
use super::super::{Known, rest};
use crate::domain::schedule::Schedule;
use crate::domain::zone::Zone;
use crate::receiver::vendor::Vendor;
use crate::render::Shape;

/// How long a receiver may take nothing before its fallback is told, if the config does not say.
const FALLBACK_AFTER: TimeDelta = TimeDelta::minutes(10);

/// One receiver's care, its fallback not looked up yet.
pub(super) struct Lowered {
    pub(super) care: Care,
    /// The file, the name and for how long.
    fallback: Option<(usize, Text, TimeDelta)>,
}

/// The care of all receivers, until their names are known.
#[derive(Default)]
pub(in crate::config::lower) struct Cares(BTreeMap<String, Lowered>);

impl Cares {
    pub(super) fn keep(&mut self, name: String, lowered: Lowered) {
        self.0.insert(name, lowered);
    }

    /// Receivers that understand incidents and nothing else: no digest goes there.
    pub(in crate::config::lower) fn of_incidents(
        &self,
        known: &Known<ReceiverSettings>,
    ) -> BTreeSet<String> {
        let alone = |(name, settings): &(&String, &ReceiverSettings)| match settings {
            ReceiverSettings::Email(_) => false,
            ReceiverSettings::Webhook(_) => self
                .0
                .get(*name)
                .and_then(|lowered| lowered.care.shape.as_ref())
                .is_some_and(|shape| !shape.takes_digests()),
            ReceiverSettings::Vendor(settings) => {
                matches!(settings.vendor, Vendor::PagerDuty | Vendor::Alertmanager)
            }
        };
        known.made.iter().filter(alone).map(|(name, _)| name.clone()).collect()
    }

    /// The care of all receivers, with the fallbacks looked up.
    pub(in crate::config::lower) fn settled(
        self,
        found: &mut Findings<'_>,
        known: &Known<ReceiverSettings>,
    ) -> BTreeMap<String, Care> {
        let mut settled = BTreeMap::new();
        for (name, Lowered { mut care, fallback }) in self.0 {
            if let Some((file, text, after)) = fallback {
                let other = text.get_ref();
                if *other == name {
                    let message = format!("`{name}` is its own fallback");
                    let help = "name a receiver that is reached by another way";
                    found.problem(At::new(file, text.span()), message, help);
                } else if known.find(found, file, &text).is_some() {
                    care.fallback = Some((other.clone(), after));
                }
            }
            settled.insert(name, care);
        }
        settled
    }
}

/// Takes the keys of care out of a receiver's table.
pub(super) fn lower(raw: &mut Raw<'_>, found: &mut Findings<'_>, zone: &Zone) -> Lowered {
    let mut table = DeTable::new();
    for key in &super::CARE[1..] {
        if let Some((key, value)) = raw.table.remove_entry(*key) {
            table.insert(key, value);
        }
    }
    let (title, name, at) = (raw.title.clone(), raw.name.clone(), raw.at.clone());
    let table = Raw { file: raw.file, title, name, at, table }.shape::<CareToml>(found, &[]);
    let wire = &table.wire;
    let mut value = |text: &Text, read: fn(&str) -> Result<TimeDelta, String>| {
        found.value(table.at(text), read(text.get_ref()))
    };
    let after = wire.fallback_after.as_ref().and_then(|text| value(text, units::duration));
    let limit = wire.limit.as_ref().and_then(|text| {
        let rate = rest::rate(text.get_ref()).map_err(|why| why.replace("60 / min", "20 / h"));
        found.value(table.at(text), rate)
    });
    let canary = wire.canary.as_ref().and_then(|text| {
        let schedule = Schedule::parse(text.get_ref(), zone.clone());
        found.value(table.at(text), schedule)
    });
    if let (Some(text), None) = (&wire.fallback_after, &wire.fallback) {
        let help = "write e.g. `fallback = \"ops-mail\"`";
        found.problem(table.at(text), "`fallback_after` without a `fallback`", help);
    }
    let after = after.unwrap_or(FALLBACK_AFTER);
    let fallback = wire.fallback.as_ref().map(|text| (table.file, text.clone(), after));
    Lowered { care: Care { limit, canary, ..Care::default() }, fallback }
}

/// Whether a shape other than postrider's own was asked for.
pub(super) fn shape_of(word: &str, receiver: &str) -> Option<Shape> {
    match word {
        "alertmanager" => Some(Shape::Alertmanager4 { receiver: receiver.to_owned() }),
        _ => None,
    }
}
