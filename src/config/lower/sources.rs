//! `[sources]`: which kind each is, and whose the built-in datasets are.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;

use super::super::SourceSettings;
use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::Raw;
use super::super::text::At;
use super::super::units;
use super::super::wire::OwnToml;
use super::{Known, rest, salesforce, word};
use crate::source::own::OwnSettings;

/// The name that gives a Salesforce source the built-in datasets where there are several.
const USUAL: &str = "salesforce";

/// Time between readings of postrider's own records where nothing is written.
const OWN_EVERY: TimeDelta = TimeDelta::minutes(5);

/// What stands behind a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Salesforce,
    Rest,
    Own,
}

/// All sources, broken ones too: what is built on a broken one is checked all the same.
pub(super) struct Sources {
    /// The settings of those that are right.
    pub(super) known: Known<SourceSettings>,
    /// Where each is written, and its kind unless that is what is broken.
    pub(super) kinds: BTreeMap<String, (At, Option<Kind>)>,
    /// The Salesforce source that the built-in datasets belong to.
    pub(super) built_in: Option<String>,
}

/// Lowers all sources.
pub(super) fn lower(
    tables: BTreeMap<String, Raw<'_>>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
    state: &Path,
) -> Sources {
    let mut kinds = BTreeMap::new();
    let known = Known::lower("source", "sources", tables, |mut raw| {
        let kind = kind(&raw, found);
        kinds.insert(raw.name.clone(), (raw.at.clone(), kind));
        raw.table.remove("kind");
        match kind? {
            Kind::Salesforce => {
                salesforce::lower(raw, found, surroundings).map(SourceSettings::Salesforce)
            }
            Kind::Rest => rest::lower(raw, found, surroundings).map(SourceSettings::Rest),
            Kind::Own => own(raw, found, state).map(SourceSettings::Own),
        }
    });
    once(&kinds, found);
    let built_in = built_in(&kinds, found);
    Sources { known, kinds, built_in }
}

fn kind(raw: &Raw<'_>, found: &mut Findings<'_>) -> Option<Kind> {
    match (raw.text("kind"), raw.table.contains_key("kind")) {
        (Some(kind), _) => {
            let kinds =
                [("salesforce", Kind::Salesforce), ("rest", Kind::Rest), ("postrider", Kind::Own)];
            word(found, raw.file, &kind, &kinds)
        }
        (None, there) => {
            let message = match there {
                true => format!("`kind` of {} is not text", raw.title),
                false => format!("{} has no `kind`", raw.title),
            };
            let help = "write `kind = \"salesforce\"`, or `kind = \"rest\"` for any JSON API";
            found.problem(raw.at.clone(), message, help);
            None
        }
    }
}

/// Postrider's own memory: nothing to log in to.
fn own(raw: Raw<'_>, found: &mut Findings<'_>, state: &Path) -> Option<OwnSettings> {
    let table = raw.shape::<OwnToml>(found, &["kind"]);
    let every = match &table.wire.pull_every {
        None => Some(OWN_EVERY),
        Some(text) => found.value(table.at(text), units::duration_above_zero(text.get_ref())),
    };
    Some(OwnSettings { name: table.name, pull_every: every?, state: state.to_owned() })
}

/// There is one memory, and its datasets have their names from it.
fn once(kinds: &BTreeMap<String, (At, Option<Kind>)>, found: &mut Findings<'_>) {
    let mut own = kinds.iter().filter(|(_, (_, kind))| *kind == Some(Kind::Own));
    if let (Some((first, _)), Some((_, (at, _)))) = (own.next(), own.next()) {
        let message = format!("`{first}` reads postrider's own records already");
        found.problem(at.clone(), message, "one source of this kind is enough");
    }
}

/// The only Salesforce source; of several the one that is called so, or else the first by name.
fn built_in(
    kinds: &BTreeMap<String, (At, Option<Kind>)>,
    found: &mut Findings<'_>,
) -> Option<String> {
    let mut orgs = kinds.iter().filter(|(_, (_, kind))| *kind == Some(Kind::Salesforce));
    let Some((first, (at, _))) = orgs.next() else {
        // A source whose kind is broken may have been meant as one: what reads it is judged so.
        return kinds.iter().find(|(_, (_, kind))| kind.is_none()).map(|(name, _)| name.clone());
    };
    let others: Vec<&String> = orgs.map(|(name, _)| name).collect();
    if kinds.get(USUAL).is_some_and(|(_, kind)| *kind == Some(Kind::Salesforce)) {
        return Some(USUAL.to_owned());
    }
    if let Some(other) = others.first() {
        let message = format!("of several orgs `{first}` has the built-in datasets");
        let help = format!(
            "read those of `{other}` by `[datasets.NAME]` with `source = \"{other}\"` and e.g. \
             `object = \"MessagingSession\"`; an org called `{USUAL}` would have the built-in ones"
        );
        found.note(at.clone(), message, help);
    }
    Some(first.clone())
}

/// There is no source at all: told once, at the first table that wants records.
pub(super) fn missing(found: &mut Findings<'_>, at: At) {
    let help = "write `[sources.salesforce]` with `kind = \"salesforce\"`, `login_url` and `auth`";
    found.problem(at, "there are no records: the config has no source", help);
}
