//! Bursting: what splits a digest, and who gets which part.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::super::problem::Findings;
use super::super::super::secret::Surroundings;
use super::super::super::shape::{Raw, Shaped};
use super::super::super::text::At;
use super::super::super::wire::{DigestToml, Text};
use super::super::address;
use super::table;
use crate::domain::digest::split::PARTS_MAX;
use crate::domain::digest::{Readers, Split};
use crate::domain::expr::Mistake;
use crate::domain::query::{Part, Query};
use crate::domain::report::Report;
use crate::domain::value::Type;

/// At most so many readers of one part.
pub(super) const READERS_MAX: usize = 50;

/// `recipients` as written, taken out of its table.
pub(super) enum Written {
    /// An expression, or `file:...`.
    Text(Text),
    /// Addresses by key.
    Table(At, Vec<(Text, Vec<Text>)>),
}

/// Takes `recipients` out of a digest's table; what has a wrong shape is told.
pub(super) fn take(raw: &mut Raw<'_>, found: &mut Findings<'_>) -> Option<Written> {
    let value = raw.table.remove("recipients")?;
    let (file, span) = (raw.file, value.span());
    match value.into_inner() {
        DeValue::String(text) => Some(Written::Text(Spanned::new(span, text.into_owned()))),
        DeValue::Table(table) => {
            Some(Written::Table(At::new(file, span), by_key(found, file, table)))
        }
        _ => {
            let message = "`recipients` must be an expression, a table or a file";
            let help = "write e.g. `\"account.OwnerMail__c\"`, `{ \"Acme\" = [\"a@acme.com\"] }` or \
                        `\"file:owners.csv\"`";
            found.problem(At::new(file, span), message, help);
            None
        }
    }
}

fn by_key(found: &mut Findings<'_>, file: usize, table: DeTable<'_>) -> Vec<(Text, Vec<Text>)> {
    let mut rows = Vec::new();
    for (key, value) in table {
        let (span, mut list) = (value.span(), Vec::new());
        match value.into_inner() {
            DeValue::String(text) => list.push(Spanned::new(span.clone(), text.into_owned())),
            DeValue::Array(texts) => {
                for text in texts {
                    let span = text.span();
                    match text.into_inner() {
                        DeValue::String(text) => list.push(Spanned::new(span, text.into_owned())),
                        _ => found.problem(At::new(file, span), "an address is text", None),
                    }
                }
            }
            _ => {
                let help = "write e.g. `{ \"Acme\" = [\"a@acme.com\"] }`";
                found.problem(At::new(file, span.clone()), "an address is text", help);
                continue;
            }
        }
        if list.is_empty() || list.len() > READERS_MAX {
            let message = format!("a part has 1 to {READERS_MAX} recipients");
            found.problem(At::new(file, span), message, None);
        }
        rows.push((Spanned::new(key.span(), key.into_inner().into_owned()), list));
    }
    rows
}

/// How a digest is split; `None` where it is not, or where a mistake was noted. The texts of a file
/// are added to `read`, the place that asks for mail to `mails`.
pub(super) fn lower(
    found: &mut Findings<'_>,
    digest: &Shaped<DigestToml>,
    written: Option<Written>,
    reports: Option<&[Arc<Report>]>,
    surroundings: Surroundings<'_>,
    mails: &mut Vec<(At, String)>,
) -> Option<Split> {
    let file = digest.file;
    let Some(split_by) = &digest.wire.split_by else {
        if let Some(written) = written {
            let at = match &written {
                Written::Text(text) => At::new(file, text.span()),
                Written::Table(at, _) => at.clone(),
            };
            let help = "write what splits it, e.g. `split_by = \"account as Account\"`";
            found.problem(at, "`recipients` of what parts?", help);
        }
        return None;
    };
    only_parts(found, digest);
    let Some(written) = written else {
        let help = "write e.g. `recipients = \"account.OwnerMail__c\"`, a table or a file";
        found.problem(digest.at(split_by), "parts without `recipients`", help);
        return None;
    };
    mails.push((digest.at(split_by), format!("the readers of digest `{}`", digest.name)));
    let before = found.count();
    let (readers, expression) = match &written {
        Written::Table(at, rows) => (named(found, file, at, rows), None),
        Written::Text(text) => match text.get_ref().strip_prefix("file:") {
            Some(path) => (table::read(found, file, text, path, surroundings.env), None),
            None => (Some(Readers::Expression(text.get_ref().clone())), Some(text)),
        },
    };
    let queries = queries(found, file, split_by, expression, reports?);
    (found.count() == before).then_some(())?;
    let (queries, readers) = (queries?, readers?);
    Some(Split { heading: heading(&queries), queries, readers })
}

/// Whoever gets the whole beside the parts would get what is not his.
fn only_parts(found: &mut Findings<'_>, digest: &Shaped<DigestToml>) {
    let wire = &digest.wire;
    let to = wire.to.as_ref().map_or(&[][..], |list| list.get_ref());
    for (key, list) in [("to", to), ("cc", &wire.cc[..]), ("bcc", &wire.bcc[..])] {
        if let Some(first) = list.first() {
            let message = format!("`{key}` of a digest that is split");
            let help = "a part goes to its `recipients`; who may see the whole gets a digest of \
                        its own";
            found.problem(digest.at(first), message, help);
        }
    }
}

fn named(
    found: &mut Findings<'_>,
    file: usize,
    at: &At,
    rows: &[(Text, Vec<Text>)],
) -> Option<Readers> {
    let before = found.count();
    if rows.is_empty() || rows.len() > PARTS_MAX {
        found.problem(at.clone(), format!("a table of recipients has 1 to {PARTS_MAX} keys"), None);
    }
    let mut readers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, list) in rows {
        super::super::twice(found, file, list, "recipient");
        let addresses = list.iter().filter_map(|text| address(found, file, text));
        readers.insert(key.get_ref().clone(), addresses.collect());
    }
    (found.count() == before).then_some(Readers::Named(readers))
}

/// Each report's query, split. An expression that one of them does not know, or that means
/// something else there, is a mistake.
fn queries(
    found: &mut Findings<'_>,
    file: usize,
    split_by: &Text,
    address: Option<&Text>,
    reports: &[Arc<Report>],
) -> Option<Vec<Arc<Query>>> {
    let mut texts = vec![split_by.get_ref().as_str()];
    texts.extend(address.map(|text| text.get_ref().as_str()));
    let mut queries: Vec<Arc<Query>> = Vec::new();
    let before = found.count();
    for report in reports {
        match report.query.with(None, &texts) {
            Ok(query) => queries.push(Arc::new(query)),
            Err(mistakes) => {
                for (part, mistake) in mistakes {
                    let text = match part {
                        Part::Split(1..) => address.unwrap_or(split_by),
                        _ => split_by,
                    };
                    let message = format!("{} (in report `{}`)", mistake.message, report.name);
                    found.mistake(file, text, Mistake { message, ..mistake });
                }
            }
        }
    }
    // One report's word for the others: the first that is right.
    for (index, text) in [(0, Some(split_by)), (1, address)] {
        let (Some(text), Some(first)) = (text, queries.first()) else { continue };
        let meant = meaning(first, index);
        let strange = queries.iter().zip(reports).find(|(query, _)| meaning(query, index) != meant);
        if let (Some((_, report)), true) = (strange, found.count() == before) {
            let (first, other) = (&reports[0].name, &report.name);
            let message = format!(
                "`{}` is one thing in report `{first}`, another in `{other}`",
                text.get_ref()
            );
            let help = "the same parts of all reports must be meant: name the same field";
            found.problem(At::new(file, text.span()), message, help);
        }
        if index == 1 && meant.as_ref().is_some_and(|meant| meant.0 != Type::Text) {
            let message = format!("`{}` is no text, and so no address", text.get_ref());
            found.problem(At::new(file, text.span()), message, None);
        }
    }
    (found.count() == before).then_some(queries)
}

/// What a split of a query is: its type, and the dataset and field it is, where it is one.
fn meaning(query: &Query, index: usize) -> Option<(Type, Option<(String, String)>)> {
    let (ty, alias, origin) = if query.list {
        let column = query.columns.get(index)?;
        (column.ty?, column.alias, column.origin)
    } else {
        let group = query.groups.get(index)?;
        (group.ty, group.alias, group.origin)
    };
    let tables = &query.report_type.tables;
    let origin = match (alias, origin) {
        (Some(table), _) => Some((tables[table].dataset.name.clone(), String::new())),
        (None, Some(field)) => {
            let dataset = &tables[field.table].dataset;
            Some((dataset.name.clone(), dataset.fields[field.field].name.clone()))
        }
        (None, None) => None,
    };
    Some((ty, origin))
}

/// What the parts are named by.
fn heading(queries: &[Arc<Query>]) -> String {
    let first = queries.first();
    let name = first.and_then(|query| match query.list {
        true => query.columns.first().map(|column| column.name.clone()),
        false => query.groups.first().map(|group| group.name.clone()),
    });
    name.unwrap_or_default()
}
