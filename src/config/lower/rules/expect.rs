//! Groups that must be there, that must be new, and that are new.

use super::super::super::problem::Findings;
use super::super::super::shape::Shaped;
use super::super::super::units;
use super::super::super::wire::{ExpectToml, RuleToml};
use super::super::twice;
use crate::domain::rule::{Expect, WhenGone};

/// At most so many groups are expected by name.
const EXPECTED_MAX: usize = 1000;

/// The groups that must be there.
pub(super) fn expect(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    when_gone: WhenGone,
) -> Option<Expect> {
    let wire = &table.wire;
    let written = wire.expect.as_ref()?;
    let at = || table.at(written);
    let expect = match written.get_ref() {
        ExpectToml::Groups(names) => {
            twice(found, table.file, names, "group");
            if names.is_empty() || names.len() > EXPECTED_MAX {
                let message = format!("from 1 to {EXPECTED_MAX} groups can be expected");
                found.problem(at(), message, "write e.g. `expect = [\"Web\", \"WhatsApp\"]`");
            }
            if wire.group_by.len() > 1 {
                let message = "groups are expected by one name each, and here they have several";
                found.problem(at(), message, "write one `group_by`, or `\"seen within 7 days\"`");
            }
            Some(Expect::Groups(names.iter().map(|name| name.get_ref().clone()).collect()))
        }
        ExpectToml::Learned(text) => {
            let length = match text.trim().strip_prefix("seen within ") {
                Some(length) => found.value(at(), units::duration_above_zero(length)),
                None => {
                    let help = "write e.g. `seen within 7 days`, or a list of groups";
                    found.problem(at(), format!("unknown value `{text}`"), help);
                    None
                }
            };
            if wire.window.is_none() {
                let message = "who was seen lately is known of windows only";
                found.problem(at(), message, "write `date` and e.g. `window = \"1 h\"`");
            }
            length.map(Expect::SeenWithin)
        }
    };
    if wire.group_by.is_empty() {
        let message = "without groups there is none to expect";
        found.problem(at(), message, "write e.g. `group_by = [\"channel as Channel\"]`");
    }
    if !matches!(when_gone, WhenGone::Level(_)) {
        let message = "a group that is missing tells nobody";
        found.problem(at(), message, "say at which level, e.g. `when_gone = \"critical\"`");
    }
    expect
}

/// `new_within` and `warm_up` are about groups and their past.
pub(super) fn newness(found: &mut Findings<'_>, table: &Shaped<RuleToml>) {
    let wire = &table.wire;
    for (key, text) in [("new_within", &wire.new_within), ("warm_up", &wire.warm_up)] {
        let Some(text) = text else { continue };
        if wire.group_by.is_empty() {
            let help = "write e.g. `group_by = [\"entry.MessageStatusCode as Code\"]`";
            found.problem(table.at(text), format!("`{key}` is about groups"), help);
        }
        if wire.window.is_none() {
            let message = format!("`{key}` asks what was there before, which windows alone know");
            found.problem(table.at(text), message, "write `date` and e.g. `window = \"1 h\"`");
        }
    }
}
