//! Which rules explain which: names that exist, and no circles.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::problem::{Findings, suggestion};
use super::super::super::shape::{Raw, Shaped};
use super::super::super::text::At;
use super::super::super::wire::RuleToml;
use super::super::twice;

/// Who depends on whom, with the places where that is written.
#[derive(Default)]
pub(in super::super) struct Dependencies {
    declared: BTreeSet<String>,
    of: BTreeMap<String, Vec<(String, At)>>,
}

impl Dependencies {
    /// Among the rules of a config.
    pub(in super::super) fn among(rules: &BTreeMap<String, Raw<'_>>) -> Dependencies {
        Dependencies { declared: rules.keys().cloned().collect(), of: BTreeMap::new() }
    }

    /// The rules that one depends on; unknown ones are noted.
    pub(super) fn lower(
        &mut self,
        found: &mut Findings<'_>,
        table: &Shaped<RuleToml>,
    ) -> Vec<String> {
        let list = &table.wire.depends_on;
        twice(found, table.file, list, "rule");
        let mut known = Vec::new();
        for text in list {
            let name = text.get_ref();
            if *name == table.name {
                let message = format!("rule `{name}` cannot explain itself");
                found.problem(table.at(text), message, "name the rule that explains it");
            } else if self.declared.contains(name) {
                known.push((name.clone(), table.at(text)));
            } else {
                let help = suggestion(name, self.declared.iter().map(String::as_str))
                    .unwrap_or_else(|| format!("there is no `[rules.{name}]`"));
                found.problem(table.at(text), format!("unknown rule `{name}`"), help);
            }
        }
        let names = known.iter().map(|(name, _)| name.clone()).collect();
        self.of.insert(table.name.clone(), known);
        names
    }

    /// Notes every circle once, where it closes.
    pub(in super::super) fn circles(&self, found: &mut Findings<'_>) {
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for start in self.of.keys() {
            // A way through the rules: each with the next of its dependencies to look at.
            let mut way: Vec<(&str, usize)> = vec![(start, 0)];
            while let Some((rule, next)) = way.last_mut() {
                let (rule, place) = (*rule, *next);
                *next += 1;
                let dependency = self.of.get(rule).and_then(|list| list.get(place));
                let Some((name, at)) = dependency else {
                    done.insert(rule);
                    way.pop();
                    continue;
                };
                if let Some(first) = way.iter().position(|(on_way, _)| on_way == name) {
                    let chain: Vec<&str> = way[first..].iter().map(|(rule, _)| *rule).collect();
                    let message = format!(
                        "rules explain each other in a circle: {} -> {name}",
                        chain.join(" -> ")
                    );
                    found.problem(at.clone(), message, "remove one of them from `depends_on`");
                } else if !done.contains(name.as_str()) {
                    way.push((name, 0));
                }
            }
        }
    }
}
