//! The levels of a rule, and what readings without a value do.

use chrono::TimeDelta;

use super::super::super::problem::{Findings, suggestion};
use super::super::super::shape::Shaped;
use super::super::super::units;
use super::super::super::wire::{RuleToml, Text};
use crate::domain::rule::levels::mistakes as level_mistakes;
use crate::domain::rule::{Comparison, Level, WhenEmpty, WhenGone};

/// The levels, rising, with what leaves them.
pub(super) fn levels(found: &mut Findings<'_>, table: &Shaped<RuleToml>) -> Vec<Level> {
    let wire = &table.wire;
    let example = "[[\"warning\", \"> 300\"]]";
    let Some(list) = table.required(found, "levels", &wire.levels, example) else {
        return Vec::new();
    };
    if list.get_ref().is_empty() {
        let help = format!("write e.g. `levels = {example}`");
        found.problem(table.at(list), "a rule without levels never fires", help);
    }
    let mut levels = Vec::new();
    let mut places = Vec::new();
    for (name, breach) in list.get_ref() {
        let word = level_name(found, table, name);
        let comparison = found.value(table.at(breach), breach.get_ref().parse::<Comparison>());
        let written = wire.recover.iter().find(|(level, _)| level.get_ref() == word);
        let recover = written.and_then(|(_, text)| {
            found.value(table.at(text), text.get_ref().parse::<Comparison>())
        });
        let Some(breach_at) = comparison else { continue };
        levels.push(Level { name: word.to_owned(), breach: breach_at, recover });
        places.push((table.at(breach), written.map(|(_, text)| table.at(text))));
    }
    for level in wire.recover.keys() {
        let names = || list.get_ref().iter().map(|(name, _)| name.get_ref().as_str());
        if !names().any(|name| name == level.get_ref()) {
            let help = suggestion(level.get_ref(), names().collect::<Vec<_>>());
            found.problem(table.at(level), format!("unknown level `{}`", level.get_ref()), help);
        }
    }
    // Levels that cannot be read were told; the others are not compared across the gap.
    if levels.len() == list.get_ref().len() {
        for mistake in level_mistakes(&levels) {
            let (breach, recover) = &places[mistake.level];
            let at = recover.as_ref().filter(|_| mistake.in_recover).unwrap_or(breach).clone();
            found.problem(at, mistake.message, mistake.help);
        }
    }
    levels
}

/// The name of a level, which routes and people will read.
pub(super) fn level_name<'t>(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    name: &'t Text,
) -> &'t str {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let word = name.get_ref().as_str();
    if word.is_empty() || !word.chars().all(plain) || ["hold", "ok"].contains(&word) {
        let message = format!("`{word}` cannot be the name of a level");
        found.problem(table.at(name), message, "write e.g. `warning` or `critical`");
    }
    word
}

/// The level of this name, among the words that also stand there.
pub(super) fn level(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    text: &Text,
    levels: &[Level],
    words: &[&'static str],
) -> Option<usize> {
    let written = text.get_ref();
    let index = levels.iter().position(|level| level.name == *written);
    // Where the levels themselves are broken, a level is not called unknown.
    if index.is_none() && !levels.is_empty() {
        let names = words.iter().copied().chain(levels.iter().map(|level| level.name.as_str()));
        let help = suggestion(written, names.collect::<Vec<_>>());
        found.problem(table.at(text), format!("unknown value `{written}`"), help);
    }
    index
}

pub(super) fn when_empty(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    levels: &[Level],
) -> WhenEmpty {
    let Some(text) = &table.wire.when_empty else { return WhenEmpty::Hold };
    match text.get_ref().as_str() {
        "hold" => WhenEmpty::Hold,
        "ok" => WhenEmpty::Ok,
        _ => level(found, table, text, levels, &["hold", "ok"])
            .map_or(WhenEmpty::Hold, WhenEmpty::Level),
    }
}

/// `resolve after 30 min`, `hold` or a level; without it a group that is gone is closed after one
/// window, in a rule without window at once.
pub(super) fn when_gone(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    levels: &[Level],
    window: Option<TimeDelta>,
) -> WhenGone {
    let default = WhenGone::ResolveAfter(window.unwrap_or_default());
    let Some(text) = &table.wire.when_gone else { return default };
    let written = text.get_ref().as_str();
    if let Some(length) = written.strip_prefix("resolve after ") {
        let length = found.value(table.at(text), units::duration(length));
        return length.map_or(default, WhenGone::ResolveAfter);
    }
    match written {
        "resolve" => WhenGone::ResolveAfter(TimeDelta::zero()),
        "hold" => WhenGone::Hold,
        _ => level(found, table, text, levels, &["hold", "resolve", "resolve after 30 min"])
            .map_or(default, WhenGone::Level),
    }
}
