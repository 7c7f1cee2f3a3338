//! FROM clauses to report types.

use std::ops::Range;
use std::sync::Arc;

use sqlparser::ast;

use super::names::name_help;
use super::parse::{bytes, place};
use super::types::condition;
use super::{Join, Lowerer, Mistake, Place, ReportType, TableRef, Text};
use crate::domain::dataset::Dataset;

/// Most datasets of one report type. SQLite joins at most 64 tables.
const TABLES_MAX: usize = 32;

/// One table as written.
struct Written<'a> {
    factor: &'a ast::TableFactor,
    join: Join,
    on: Option<&'a ast::Expr>,
}

pub(super) fn report_type(
    name: &str,
    text: &str,
    datasets: &[Arc<Dataset>],
) -> Result<ReportType, Vec<Mistake>> {
    let from = Text::new(text).and_then(Text::from).map_err(|mistake| vec![mistake])?;
    let whole = 0..text.len();
    let mut mistakes = Vec::new();
    let mut written = vec![Written { factor: &from.relation, join: Join::Primary, on: None }];
    for join in &from.joins {
        match how(join, &whole) {
            Ok((how, on)) => written.push(Written { factor: &join.relation, join: how, on }),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if written.len() > TABLES_MAX {
        mistakes.push(Mistake::new(whole.clone(), format!("more than {TABLES_MAX} datasets")));
        return Err(mistakes);
    }

    let mut report_type = ReportType { name: name.to_owned(), tables: Vec::new() };
    let mut complete = true;
    for table in &written {
        match named_table(table.factor, datasets, &report_type, &whole) {
            Ok((alias, dataset)) => {
                report_type.tables.push(TableRef { alias, dataset, join: table.join, on: None });
            }
            Err(mistake) => {
                mistakes.push(mistake);
                complete = false;
            }
        }
    }
    // Conditions name tables by position: with one missing they cannot be judged.
    if complete {
        for (index, table) in written.iter().enumerate() {
            if let Some(on) = table.on {
                let mut lowerer = Lowerer::rows(&report_type, index + 1, Place::Row("a join"));
                let node = lowerer.lower(on, &whole);
                let on = node.and_then(|node| condition(node, &mut lowerer.mistakes));
                mistakes.append(&mut lowerer.mistakes);
                report_type.tables[index].on = on;
            }
        }
    }
    if mistakes.is_empty() { Ok(report_type) } else { Err(mistakes) }
}

fn how<'a>(
    join: &'a ast::Join,
    whole: &Range<usize>,
) -> Result<(Join, Option<&'a ast::Expr>), Mistake> {
    use ast::JoinOperator as Op;
    let at = place(&join.relation, whole);
    let (how, constraint) = match &join.join_operator {
        Op::Join(constraint) | Op::Inner(constraint) => (Join::Inner, constraint),
        Op::Left(constraint) | Op::LeftOuter(constraint) => (Join::Left, constraint),
        _ => {
            return Err(Mistake::new(at, "only `join` and `left join` are known")
                .with_help("write `join DATASET alias on ..` or `left join DATASET alias on ..`"));
        }
    };
    match constraint {
        ast::JoinConstraint::On(on) if !join.global => Ok((how, Some(on))),
        _ => Err(Mistake::new(at, "the join has no `on`")
            .with_help("write what makes records belong together, e.g. `on a.Id = b.AId`")),
    }
}

fn named_table(
    factor: &ast::TableFactor,
    datasets: &[Arc<Dataset>],
    so_far: &ReportType,
    whole: &Range<usize>,
) -> Result<(String, Arc<Dataset>), Mistake> {
    let at = place(factor, whole);
    let plain = match factor {
        ast::TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
        } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
            match (name.0.as_slice(), alias) {
                ([ast::ObjectNamePart::Identifier(name)], None) => Some((name, name)),
                ([ast::ObjectNamePart::Identifier(name)], Some(alias))
                    if alias.columns.is_empty() && alias.at.is_none() =>
                {
                    Some((name, &alias.name))
                }
                _ => None,
            }
        }
        _ => None,
    };
    let Some((name, alias)) = plain else {
        return Err(Mistake::new(at, "only datasets can be joined")
            .with_help("write `DATASET alias`, e.g. `MessagingSession session`"));
    };
    let Some(dataset) = datasets.iter().find(|dataset| dataset.name == name.value) else {
        let help = name_help(&name.value, datasets.iter().map(|dataset| dataset.name.as_str()));
        let message = format!("unknown dataset `{}`", name.value);
        return Err(Mistake::new(bytes(name.span), message).with_help(help));
    };
    if so_far.tables.iter().any(|table| table.alias == alias.value) {
        let message = format!("two datasets are called `{}`", alias.value);
        return Err(Mistake::new(bytes(alias.span), message)
            .with_help(format!("write `{} another_name`", name.value)));
    }
    Ok((alias.value.clone(), dataset.clone()))
}
