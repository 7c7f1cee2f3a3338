//! `[rules]`: conditions on values computed from records.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use super::super::problem::{Findings, suggestion};
use super::super::shape::{Raw, Shaped};
use super::super::units;
use super::super::wire::{RuleToml, Text};
use super::{Names, fingerprint, reports, title_of, types, zone};
use crate::domain::expr::{Mistake, ReportType};
use crate::domain::query::{Part, Query, QueryText};
use crate::domain::report::Format;
use crate::domain::rule::levels::mistakes as level_mistakes;
use crate::domain::rule::{Comparison, Kind, Level, Rule, WhenEmpty, WhenGone};

const GROUPS_MAX: u32 = 10_000;

/// Lowers one rule.
pub(super) fn lower(raw: Raw<'_>, found: &mut Findings<'_>, names: &Names) -> Option<Rule> {
    let canonical = raw.canonical();
    let table = raw.shape::<RuleToml>(found, &[]);
    let wire = &table.wire;
    let before = found.count();
    let report_type = table.required(found, "type", &wire.r#type, "\"sessions\"");
    let report_type = report_type.and_then(|name| types::find(found, names, table.file, name));
    let value = table.required(found, "value", &wire.value, "\"count()\"");
    let lengths = Lengths::lower(found, &table);
    let levels = levels(found, &table);
    let zone = zone(found, table.file, wire.timezone.as_ref(), &names.general.zone);
    let during = wire.during.as_ref().map(|name| names.calendars.find(found, table.file, name));
    let when_empty = when_empty(found, &table, &levels);
    let when_gone = when_gone(found, &table, &levels, lengths.window);
    let max_groups = max_groups(found, &table);
    let format = wire.format.as_ref().and_then(|t| reports::format(found, table.at(t), t));
    let labels = labels(found, &table);
    dated(found, &table);
    let (report_type, from) = report_type?;
    let text = QueryText {
        date: wire.date.as_ref().map(|text| text.get_ref().as_str()),
        filter: wire.r#where.as_ref().map(|text| text.get_ref().as_str()),
        group_by: wire.group_by.iter().map(|text| text.get_ref().as_str()).collect(),
        columns: vec![value?.get_ref().as_str()],
        ..QueryText::default()
    };
    let query = Query::check_rule(&report_type, &text);
    let query = query.map_err(|mistakes| misplaced(found, &table, mistakes)).ok();
    if let Some(query) = &query {
        invisible(found, &table, &report_type, query);
    }
    (found.count() == before).then_some(())?;
    let (zone, week_starts) = (zone?, names.general.week_starts.to_string());
    Some(Rule {
        kind: Kind::State,
        owner: None,
        depends_on: Vec::new(),
        evidence: None,
        title: wire.title.as_ref().map_or_else(|| title_of(&table.name), |t| t.get_ref().clone()),
        query: Arc::new(query?),
        event: None,
        ratio: None,
        usual: None,
        new_within: None,
        expect: None,
        warm_up: TimeDelta::zero(),
        window: lengths.window,
        every: lengths.every,
        settle: lengths.settle,
        levels,
        hold: lengths.hold.into(),
        keep_firing_for: lengths.keep_firing_for.into(),
        clock: None,
        min_records: wire.min_records.as_ref().map_or(0, |count| u64::from(*count.get_ref())),
        during: match during {
            Some(calendar) => Some(calendar?),
            None => None,
        },
        when_empty,
        when_gone,
        max_groups,
        labels,
        format: format.unwrap_or(Format::Auto),
        format_measured: format.unwrap_or(Format::Auto),
        runbook: wire.runbook.as_ref().map(|text| text.get_ref().clone()),
        hash: fingerprint(&[&canonical, &from, zone.name(), &week_starts]),
        zone,
        name: table.name,
    })
}

struct Lengths {
    window: Option<TimeDelta>,
    every: TimeDelta,
    settle: TimeDelta,
    hold: TimeDelta,
    keep_firing_for: TimeDelta,
}

impl Lengths {
    fn lower(found: &mut Findings<'_>, table: &Shaped<RuleToml>) -> Lengths {
        let wire = &table.wire;
        let mut read = |text: &Option<Text>, parse: fn(&str) -> Result<TimeDelta, String>| {
            text.as_ref().and_then(|text| found.value(table.at(text), parse(text.get_ref())))
        };
        let window = read(&wire.window, units::duration_above_zero);
        let every = read(&wire.every, units::duration_above_zero);
        let settle = read(&wire.settle, units::duration);
        let hold = read(&wire.r#for, units::duration);
        let keep_firing_for = read(&wire.keep_firing_for, units::duration);
        if let (Some(text), Some(length)) = (&wire.every, every)
            && (length < TimeDelta::seconds(10) || length > TimeDelta::days(1))
        {
            let message = format!("`every` is from 10 s to 1 day, not {}", units::words(length));
            found.problem(table.at(text), message, None);
        }
        Lengths {
            window,
            every: every.unwrap_or_else(|| TimeDelta::minutes(5)),
            // A rule without window reads the state as it is: nothing has to settle.
            settle: settle
                .unwrap_or_else(|| TimeDelta::minutes(if wire.window.is_some() { 2 } else { 0 })),
            hold: hold.unwrap_or_default(),
            keep_firing_for: keep_firing_for.unwrap_or_default(),
        }
    }
}

/// A window wants a field to lie on; without one a `date` would do nothing.
fn dated(found: &mut Findings<'_>, table: &Shaped<RuleToml>) {
    match (&table.wire.window, &table.wire.date) {
        (Some(window), None) => {
            let message = format!("the window `{}` of which field?", window.get_ref());
            let help = "write when records became visible, e.g. `date = \"metric.CreatedDate\"`";
            found.problem(table.at(window), message, help);
        }
        (None, Some(date)) => {
            let help =
                "write e.g. `window = \"30 min\"`, or remove `date` to judge the state as it is";
            found.problem(table.at(date), "`date` without `window` bounds nothing", help);
        }
        _ => {}
    }
}

/// A rule that windows on when things happened misses what is recorded later: worth knowing.
fn invisible(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    report_type: &ReportType,
    query: &Query,
) {
    let (Some(date), Some(text), Some(_)) = (query.date, &table.wire.date, &table.wire.window)
    else {
        return;
    };
    let dataset = &report_type.tables[date.table].dataset;
    if dataset.visible.contains(&date.field) {
        return;
    }
    let better: Vec<String> = (dataset.visible.iter())
        .map(|field| {
            format!("`{}.{}`", report_type.tables[date.table].alias, dataset.fields[*field].name)
        })
        .collect();
    let message = format!(
        "`{}` is not when a record of `{}` became visible: what is recorded later than the window \
         is never seen",
        text.get_ref(),
        dataset.name
    );
    let help = (!better.is_empty()).then(|| format!("window on {}", better.join(" or ")));
    found.note(table.at(text), message, help);
}

/// The levels, rising, with what leaves them.
fn levels(found: &mut Findings<'_>, table: &Shaped<RuleToml>) -> Vec<Level> {
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
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let word = name.get_ref();
        if word.is_empty() || !word.chars().all(plain) || ["hold", "ok"].contains(&word.as_str()) {
            let message = format!("`{word}` cannot be the name of a level");
            found.problem(table.at(name), message, "write e.g. `warning` or `critical`");
        }
        let comparison = found.value(table.at(breach), breach.get_ref().parse::<Comparison>());
        let written = wire.recover.iter().find(|(level, _)| level.get_ref() == word);
        let recover = written.and_then(|(_, text)| {
            found.value(table.at(text), text.get_ref().parse::<Comparison>())
        });
        let Some(breach_at) = comparison else { continue };
        levels.push(Level { name: word.clone(), breach: breach_at, recover });
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

/// The level of this name, among the words that also stand there.
fn level(
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

fn when_empty(found: &mut Findings<'_>, table: &Shaped<RuleToml>, levels: &[Level]) -> WhenEmpty {
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
fn when_gone(
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

fn max_groups(found: &mut Findings<'_>, table: &Shaped<RuleToml>) -> usize {
    let Some(count) = &table.wire.max_groups else { return 200 };
    match *count.get_ref() {
        groups @ 1..=GROUPS_MAX => usize::try_from(groups).unwrap_or(usize::MAX),
        _ => {
            let message = format!("`max_groups` must be from 1 to {GROUPS_MAX}");
            found.problem(table.at(count), message, None);
            200
        }
    }
}

/// Labels for routes; those that postrider sets itself cannot be set.
fn labels(found: &mut Findings<'_>, table: &Shaped<RuleToml>) -> BTreeMap<String, String> {
    for name in table.wire.labels.keys() {
        if ["level", "rule"].contains(&name.get_ref().as_str()) {
            let message = format!("the label `{}` is set by postrider itself", name.get_ref());
            found.problem(table.at(name), message, "give it another name");
        }
    }
    (table.wire.labels.iter())
        .map(|(name, value)| (name.get_ref().clone(), value.get_ref().clone()))
        .collect()
}

/// Notes each mistake of a query in the text it is in.
fn misplaced(found: &mut Findings<'_>, table: &Shaped<RuleToml>, mistakes: Vec<(Part, Mistake)>) {
    let wire = &table.wire;
    for (part, mistake) in mistakes {
        let text = match part {
            Part::Date => wire.date.as_ref(),
            Part::Filter => wire.r#where.as_ref(),
            Part::GroupBy(index) => wire.group_by.get(index),
            Part::Column(_) => wire.value.as_ref(),
            Part::Per(_) | Part::Values(_) | Part::Sort => None,
            Part::Pivot | Part::Only | Part::Split(_) => None,
        };
        if let Some(text) = text.or(wire.r#type.as_ref()) {
            found.mistake(table.file, text, mistake);
        }
    }
}
