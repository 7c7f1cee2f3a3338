//! `[rules]`: conditions on values computed from records, and records that are told one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::problem::Findings;
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::wire::{RuleToml, Text};
use super::{Names, fingerprint, reports, title_of, types, word, zone};
use crate::domain::calendar::Calendar;
use crate::domain::expr::{Mistake, ReportType};
use crate::domain::query::{Part, Query, QueryText};
use crate::domain::report::Format;
use crate::domain::rule::{Hold, Kind, Rule, WhenEmpty, WhenGone};

mod dated;
pub(super) mod depends;
mod event;
mod evidence;
mod expect;
mod lengths;
mod levels;
mod usual;

use self::depends::Dependencies;
use self::lengths::Lengths;

const GROUPS_MAX: u32 = 10_000;

/// Lowers one rule.
pub(super) fn lower(
    raw: Raw<'_>,
    found: &mut Findings<'_>,
    names: &Names,
    dependencies: &mut Dependencies,
) -> Option<Rule> {
    let canonical = raw.canonical();
    let table = raw.shape::<RuleToml>(found, &["test"]);
    let before = found.count();
    let kinds = [("state", Kind::State), ("event", Kind::Event)];
    let kind = table.wire.kind.as_ref().map(|text| word(found, table.file, text, &kinds));
    let common = Common::lower(found, &table, names, dependencies);
    let rule = match kind.unwrap_or(Some(Kind::State))? {
        Kind::State => state(found, &table, names, common)?,
        Kind::Event => event::lower(found, &table, common)?,
    };
    (found.count() == before).then_some(())?;
    let (from, week_starts) = (rule.from, names.general.week_starts.to_string());
    let hash = fingerprint(&[&canonical, &from, rule.rule.zone.name(), &week_starts]);
    Some(Rule { hash, ..rule.rule })
}

/// A rule whose fingerprint is not taken yet.
struct Unmarked {
    rule: Rule,
    /// The FROM clause of its report type.
    from: String,
}

/// What rules of both kinds have.
struct Common {
    report_type: Option<(Arc<ReportType>, String)>,
    lengths: Lengths,
    zone: Option<crate::domain::zone::Zone>,
    labels: BTreeMap<String, String>,
    depends_on: Vec<String>,
}

impl Common {
    fn lower(
        found: &mut Findings<'_>,
        table: &Shaped<RuleToml>,
        names: &Names,
        dependencies: &mut Dependencies,
    ) -> Common {
        let wire = &table.wire;
        let report_type = table.required(found, "type", &wire.r#type, "\"sessions\"");
        let common = Common {
            report_type: report_type.and_then(|name| types::find(found, names, table.file, name)),
            lengths: Lengths::lower(found, table),
            zone: zone(found, table.file, wire.timezone.as_ref(), &names.general.zone),
            labels: labels(found, table),
            depends_on: dependencies.lower(found, table),
        };
        dated::dated(found, table);
        common
    }

    /// A rule with nothing but this, to be filled in.
    fn rule(self, table: &Shaped<RuleToml>, kind: Kind, query: Query) -> Option<Unmarked> {
        let (wire, own) = (&table.wire, |text: &Text| text.get_ref().clone());
        let (_, from) = self.report_type?;
        let rule = Rule {
            name: table.name.clone(),
            kind,
            owner: wire.owner.as_ref().map(own),
            depends_on: self.depends_on,
            evidence: None,
            title: wire.title.as_ref().map_or_else(|| title_of(&table.name), own),
            query: Arc::new(query),
            event: None,
            ratio: None,
            usual: None,
            new_within: None,
            expect: None,
            warm_up: self.lengths.warm_up,
            window: self.lengths.window,
            every: self.lengths.every,
            settle: self.lengths.settle,
            levels: Vec::new(),
            hold: Hold::default(),
            keep_firing_for: Hold::default(),
            clock: None,
            min_records: 0,
            during: None,
            when_empty: WhenEmpty::Hold,
            when_gone: WhenGone::Hold,
            max_groups: 1,
            labels: self.labels,
            format: Format::Auto,
            format_measured: Format::Auto,
            zone: self.zone?,
            runbook: wire.runbook.as_ref().map(own),
            hash: String::new(),
        };
        Some(Unmarked { rule, from })
    }
}

/// A rule about a value.
fn state(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    names: &Names,
    common: Common,
) -> Option<Unmarked> {
    let wire = &table.wire;
    event::of_no_use_in_a_state_rule(found, table);
    let value = table.required(found, "value", &wire.value, "\"count()\"");
    let levels = levels::levels(found, table);
    let during = calendar(found, table, names, wire.during.as_ref());
    let clock = calendar(found, table, names, wire.clock.as_ref());
    let when_empty = levels::when_empty(found, table, &levels);
    let when_gone = levels::when_gone(found, table, &levels, common.lengths.window);
    let max_groups = max_groups(found, table);
    let format = wire.format.as_ref().and_then(|t| reports::format(found, table.at(t), t));
    let expect = expect::expect(found, table, when_gone);
    expect::newness(found, table);
    let usual = usual::usual(found, table, names, (common.lengths.window, during.as_ref()));
    let query = common.report_type.as_ref().zip(value).and_then(|((report_type, _), value)| {
        let columns = [Some(value), wire.out_of.as_ref()].into_iter().flatten();
        let text = QueryText {
            columns: columns.map(|text| text.get_ref().as_str()).collect(),
            group_by: wire.group_by.iter().map(|text| text.get_ref().as_str()).collect(),
            ..of_all(wire)
        };
        let query = Query::check_rule(report_type, &text);
        query
            .map_err(|mistakes| {
                misplaced(found, table, mistakes, &|index| {
                    [&wire.value, &wire.out_of].get(index).copied().and_then(Option::as_ref)
                })
            })
            .ok()
    });
    let ratio = usual::ratio(found, table, query.as_ref());
    if let (Some(query), Some((report_type, _))) = (&query, &common.report_type) {
        dated::invisible(found, table, report_type, query);
        if let Some(usual) = &usual {
            usual::fits(found, table, usual, query, &levels);
        }
    }
    let evidence = (common.report_type.as_ref())
        .and_then(|(report_type, _)| evidence::evidence(found, table, report_type, &levels));
    let (format, format_measured) = usual::formats(format, ratio, usual.as_ref());
    let (hold, keep_firing_for) = (common.lengths.hold, common.lengths.keep_firing_for);
    let new_within = common.lengths.new_within;
    let Unmarked { rule, from } = common.rule(table, Kind::State, query?)?;
    let rule = Rule {
        evidence: evidence.map(Arc::new),
        ratio,
        usual,
        new_within,
        expect,
        levels,
        hold,
        keep_firing_for,
        clock,
        min_records: wire.min_records.as_ref().map_or(0, |count| u64::from(*count.get_ref())),
        during,
        when_empty,
        when_gone,
        max_groups,
        format,
        format_measured,
        ..rule
    };
    Some(Unmarked { rule, from })
}

/// What queries of rules have in common.
fn of_all(wire: &RuleToml) -> QueryText<'_> {
    QueryText {
        date: wire.date.as_ref().map(|text| text.get_ref().as_str()),
        filter: wire.r#where.as_ref().map(|text| text.get_ref().as_str()),
        ..QueryText::default()
    }
}

/// The calendar of this name; where there is none, that was noted.
fn calendar(
    found: &mut Findings<'_>,
    table: &Shaped<RuleToml>,
    names: &Names,
    name: Option<&Text>,
) -> Option<Arc<Calendar>> {
    name.and_then(|name| names.calendars.find(found, table.file, name))
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

/// Notes each mistake of a query in the text it is in; `column` finds that of a column.
fn misplaced<'t>(
    found: &mut Findings<'_>,
    table: &'t Shaped<RuleToml>,
    mistakes: Vec<(Part, Mistake)>,
    column: &dyn Fn(usize) -> Option<&'t Text>,
) {
    let wire = &table.wire;
    for (part, mistake) in mistakes {
        let text = match part {
            Part::Date => wire.date.as_ref(),
            Part::Filter => wire.r#where.as_ref(),
            Part::GroupBy(index) => wire.group_by.get(index),
            Part::Column(index) => column(index),
            Part::Per(_) | Part::Values(_) | Part::Sort => None,
            Part::Pivot | Part::Only | Part::Split(_) => None,
        };
        if let Some(text) = text.or(wire.r#type.as_ref()) {
            found.mistake(table.file, text, mistake);
        }
    }
}

/// The places of keys that are there.
fn places(keys: &[(&'static str, Option<At>)]) -> Vec<(&'static str, At)> {
    keys.iter().filter_map(|(key, at)| Some((*key, at.clone()?))).collect()
}
