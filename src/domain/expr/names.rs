//! Names: aliases, fields and picklist values, with what was probably meant.

use std::ops::Range;

use super::{FieldRef, Mistake, ReportType};
use crate::domain::dataset::{Dataset, Picklist};

/// How many names a message lists at most.
const LISTED_MAX: usize = 12;

/// The name closest to a wrong one, if one is close at all.
pub(crate) fn closest<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    names
        .into_iter()
        .map(|name| {
            let other = name.to_lowercase();
            // A name written short (`Start` for `StartTime`) is as close as a slip of the finger.
            let within = lower.len() >= 4 && other.contains(&lower);
            let likeness = strsim::jaro_winkler(&lower, &other);
            let edits = strsim::damerau_levenshtein(&lower, &other);
            let near =
                other == lower || within || (lower.len() >= 3 && edits <= 1 + lower.len() / 5);
            (name, if near { 1.0 + likeness } else { likeness })
        })
        .filter(|(_, likeness)| *likeness >= 0.88)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, _)| name)
}

/// Names as a list for a message.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>, quote: char) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> =
        names.iter().take(LISTED_MAX).map(|name| format!("{quote}{name}{quote}")).collect();
    let more = if names.len() > LISTED_MAX { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Help for a name that is wrong: the one probably meant, or all there are.
pub(crate) fn name_help<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match closest(wrong, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are {}", listed(names, '`')),
    }
}

/// Help for a word that names no alias of a report type.
pub(crate) fn alias_help(report_type: &ReportType, visible: usize, wrong: &str) -> String {
    name_help(wrong, report_type.tables[..visible].iter().map(|table| table.alias.as_str()))
}

/// Resolves `alias.Field` among the first `visible` tables of a report type.
pub(crate) fn resolve(
    report_type: &ReportType,
    visible: usize,
    alias: (&str, Range<usize>),
    field: (&str, Range<usize>),
) -> Result<FieldRef, Mistake> {
    let tables = &report_type.tables[..visible];
    let Some(table) = tables.iter().position(|table| table.alias == alias.0) else {
        let message = match report_type.tables.iter().any(|table| table.alias == alias.0) {
            true => format!("`{}` is joined later", alias.0),
            false => format!("unknown dataset alias `{}`", alias.0),
        };
        return Err(Mistake::new(alias.1, message).with_help(alias_help(
            report_type,
            visible,
            alias.0,
        )));
    };
    match tables[table].dataset.field(field.0) {
        Some(field) => Ok(FieldRef { table, field }),
        None => Err(unknown_field(&tables[table].dataset, field)),
    }
}

fn unknown_field(dataset: &Dataset, (field, at): (&str, Range<usize>)) -> Mistake {
    let help = name_help(field, dataset.fields.iter().map(|field| field.name.as_str()));
    Mistake::new(at, format!("dataset `{}` has no field `{field}`", dataset.name)).with_help(help)
}

/// Help for a field written without its alias: where it is.
pub(crate) fn bare_field_help(report_type: &ReportType, visible: usize, word: &str) -> String {
    let tables = &report_type.tables[..visible];
    if let Some(table) = tables.iter().find(|table| table.alias == word) {
        let dataset = &table.dataset;
        let label = &dataset.fields[dataset.label].name;
        return format!("`{word}` is a dataset: write one of its fields, e.g. `{word}.{label}`");
    }
    if let Some(table) = tables.iter().find(|table| table.dataset.field(word).is_some()) {
        return format!("write `{}.{word}`", table.alias);
    }
    let near = tables.iter().find_map(|table| {
        let names = table.dataset.fields.iter().map(|field| field.name.as_str());
        closest(word, names).map(|name| format!("{}.{name}", table.alias))
    });
    match near {
        Some(name) => format!("did you mean `{name}`?"),
        None => "write `alias.Field`; text goes in single quotes".to_owned(),
    }
}

/// What is wrong with comparing a field with this text, if anything is.
pub(crate) fn picklist_mistake(
    report_type: &ReportType,
    field: FieldRef,
    value: &str,
    at: &Range<usize>,
) -> Option<Mistake> {
    let Some(list) = &report_type.field(field).picklist else { return None };
    if list.values.iter().any(|known| known.value == value) {
        return None;
    }
    let help = value_help(list, value)?;
    let table = &report_type.tables[field.table];
    let name = &report_type.field(field).name;
    let message = format!("no such value: `{}.{name}` is never '{value}'", table.alias);
    Some(Mistake::new(at.clone(), message).with_help(help))
}

/// Help for a value that a picklist does not have. An open list may have gained it meanwhile, so
/// there only what is plainly a slip is a mistake (`None`: let it pass).
fn value_help(list: &Picklist, value: &str) -> Option<String> {
    if let Some((_, help)) = list.mistaken.iter().find(|(wrong, _)| wrong == value) {
        return Some(help.clone());
    }
    if let Some(known) = list.values.iter().find(|known| known.label == value) {
        return Some(format!("'{value}' is its label: write '{}'", known.value));
    }
    let values = || list.values.iter().map(|known| known.value.as_str());
    if list.open {
        let slip = |known: &&str| {
            known.to_lowercase() == value.to_lowercase()
                || (value.len() >= 5 && strsim::damerau_levenshtein(known, value) == 1)
        };
        return values().find(slip).map(|known| format!("did you mean '{known}'?"));
    }
    Some(match closest(value, values()) {
        Some(known) => format!("did you mean '{known}'?"),
        None => format!("it can be {}", listed(values(), '\'')),
    })
}
