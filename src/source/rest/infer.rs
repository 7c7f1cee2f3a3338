//! From a sample of an API's answers to a dataset that can be pulled: where the records are, what
//! their fields hold, which of them identify a record, how pages follow. Pure; a guess is told as
//! one where it cannot be known.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::body::find;
use super::settings::{Format, Paging, Reading};
use super::spec::tokens;
use crate::domain::dataset::{Dataset, Described, DescribedField, Field};
use crate::domain::expr::ReportType;
use crate::domain::query::{Query, QueryText};
use crate::domain::value::Type;

mod fields;
mod paging;
mod places;
mod write;

pub(super) use fields::plain;
pub(super) use write::{header_lines, text};

/// Records looked at.
const RECORDS_MAX: usize = 1_000;

/// Fields of a dataset.
const FIELDS_MAX: usize = 200;

/// Characters of a name.
const NAME_MAX: usize = 60;

/// What was asked to get a sample.
#[derive(Clone, Debug)]
pub(super) struct Sample<'a> {
    /// Where.
    pub(super) url: &'a Url,
    /// The headers of the answer.
    pub(super) headers: &'a HeaderMap,
    /// Its body.
    pub(super) body: &'a Value,
}

/// A dataset as a sample shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// A good name for the source.
    pub source: String,
    /// A good name for the dataset.
    pub name: String,
    /// The API's origin, where the sample came from a bare address: a source must be written too.
    pub base_url: Option<String>,
    /// How the API knew us, as a line of the source; secrets are named and not shown.
    pub auth: Option<String>,
    /// Path below the base.
    pub path: String,
    /// Query parameters; one that says since when holds `{watermark}`.
    pub query: Vec<(String, String)>,
    /// JSON Pointer to the records.
    pub records: String,
    /// How pages follow each other.
    pub paging: Paging,
    /// The fields, those of the key first.
    pub fields: Vec<InferredField>,
    /// Names of the fields that identify a record together.
    pub key: Vec<String>,
    /// Name of the field that says when a record last changed.
    pub updated: Option<String>,
    /// Name of the field that says when a record came to be.
    pub created: Option<String>,
    /// Whether all records are read at every pull: nothing in the query says since when.
    pub whole: bool,
    /// Records looked at.
    pub sampled: usize,
    /// What a person should know, each a sentence without its full stop.
    pub notes: Vec<String>,
}

/// A field as a sample shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct InferredField {
    /// Its name in the config.
    pub name: String,
    /// Where a record has it, and how it is written there.
    pub reading: Reading,
    /// What it holds.
    pub ty: Type,
    /// Whether some record of the sample lacks it.
    pub nullable: bool,
}

/// Infers a dataset from a sample. `name` is what the dataset will be called; names of fields are
/// made so that expressions can say them.
///
/// # Errors
/// The sample has no records; told with what it has.
pub(super) fn infer(sample: &Sample<'_>, name: &str) -> Result<Inferred, String> {
    let place = places::records(sample.body)?;
    let found = find(sample.body, &tokens(&place.pointer)).unwrap_or(&Value::Null);
    let (records, keyed): (Vec<&Value>, bool) = match found {
        Value::Array(list) => (list.iter().filter(|record| record.is_object()).collect(), false),
        Value::Object(map) => (map.values().filter(|record| record.is_object()).collect(), true),
        _ => (vec![], false),
    };
    let records = &records[..records.len().min(RECORDS_MAX)];
    let mut notes = Vec::new();
    let columns = fields::columns(records, keyed);
    if columns.len() > FIELDS_MAX {
        notes.push(format!(
            "the records have {} fields, the first {FIELDS_MAX} are here",
            columns.len()
        ));
    }
    let columns = &columns[..columns.len().min(FIELDS_MAX)];
    let fields = named(columns, &dataset_name(name));
    let key = fields::key(columns, records, keyed);
    if key.is_sure {
        notes.extend(
            (key.columns.len() > 1).then(|| "no single field identifies a record".to_owned()),
        );
    } else {
        notes.push("nothing identifies a record for sure: check `key`".to_owned());
    }
    let role = |role| fields::role(columns, role).map(|at| fields[at].name.clone());
    let (updated, created) = (role(fields::UPDATED), role(fields::CREATED));
    let (paging, guessed) = paging::guess(sample, &place.pointer, records);
    notes.extend(guessed.map(str::to_owned));
    let (path, mut query) = asked(sample.url, &paging);
    let since = updated.is_some() && write_watermark(&mut query);
    if !since && updated.is_some() {
        notes.push(
            "every pull reads all of it; if the API can filter, add its parameter, such as \
             `updated_since = \"{watermark}\"`, to `query` and remove `whole`"
                .to_owned(),
        );
    }
    notes.extend(
        fields::zoneless(columns)
            .map(|at| format!("`{}` has no time zone and is taken for UTC", fields[at].name)),
    );
    let key: Vec<String> = key.columns.iter().map(|at| fields[*at].name.clone()).collect();
    let mut fields = fields;
    fields.sort_by_key(|field| !key.contains(&field.name));
    Ok(Inferred {
        source: source_name(sample.url),
        name: dataset_name(name),
        base_url: None,
        auth: None,
        path,
        query,
        records: place.pointer,
        paging,
        key,
        fields,
        updated,
        created,
        whole: !since,
        sampled: records.len(),
        notes,
    })
}

/// Names for the columns: what expressions can say, no two the same.
fn named(columns: &[fields::Column], dataset: &str) -> Vec<InferredField> {
    let mut taken = BTreeSet::new();
    let fields = columns.iter().map(|column| {
        let mut name = identifier(&column.path.join("_"));
        let stem = name.clone();
        let free = |name: &str| {
            // `key` is what a key of several fields is called.
            !taken.contains(&name.to_lowercase())
                && !name.eq_ignore_ascii_case("key")
                && speakable(dataset, name)
        };
        for number in 2..=FIELDS_MAX + 2 {
            if free(&name) {
                break;
            }
            name = format!("{stem}_{number}");
        }
        taken.insert(name.to_lowercase());
        InferredField {
            name,
            reading: column.reading.clone(),
            ty: column.ty,
            nullable: column.nullable,
        }
    });
    fields.collect()
}

/// A text as a name: letters, digits and `_`.
fn identifier(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => name.push(letter),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
    }
    name.truncate(NAME_MAX - 6);
    let name = name.trim_end_matches('_');
    match name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => name.to_owned(),
        false => format!("f_{name}"),
    }
}

/// A name for a dataset that expressions can say.
pub(super) fn dataset_name(text: &str) -> String {
    let name = identifier(text);
    let datasets = [Arc::new(Dataset::new("x", &name, vec![], 0))];
    let parses = |from: &str| ReportType::parse("x", from, &datasets).is_ok();
    match parses(&name) && parses(&format!("{name} x")) {
        true => name,
        false => format!("{name}_records"),
    }
}

/// A name for the source, after its host: `github` for `api.github.com`.
pub(super) fn source_name(url: &Url) -> String {
    let host = url.domain().unwrap_or("api");
    let labels: Vec<&str> = host.split('.').collect();
    // The last is the country or the like; short ones before it too.
    let before = labels.len().saturating_sub(1).max(1);
    let own = labels[..before].iter().rev().find(|label| label.len() > 3).unwrap_or(&labels[0]);
    identifier(&own.to_lowercase())
}

/// Whether expressions can say the field's name.
fn speakable(dataset: &str, field: &str) -> bool {
    let datasets = [Arc::new(Dataset::new("x", dataset, vec![Field::new(field, Type::Text)], 0))];
    let Ok(report_type) = ReportType::parse("x", &format!("{dataset} x"), &datasets) else {
        return false;
    };
    let column = format!("x.{field} as c");
    let text = QueryText { columns: vec![&column], ..QueryText::default() };
    Query::check(&Arc::new(report_type), &text).is_ok() && !field.eq_ignore_ascii_case("_deleted")
}

/// What was asked, without what the paging adds itself.
fn asked(url: &Url, paging: &Paging) -> (String, Vec<(String, String)>) {
    let own = match paging {
        Paging::Page { parameter, .. }
        | Paging::Offset { parameter, .. }
        | Paging::Cursor { parameter, .. } => parameter.as_str(),
        _ => "",
    };
    let braced = |text: &str| text.replace('{', "{{").replace('}', "}}");
    let query = url.query_pairs().filter(|(name, _)| name != own);
    let query = query.map(|(name, value)| (name.into_owned(), braced(&value)));
    (url.path().to_owned(), query.collect())
}

/// Puts the watermark where the query says since when; whether it does.
fn write_watermark(query: &mut [(String, String)]) -> bool {
    let since = |name: &str| {
        let name = fields::plain(name);
        let words = [
            "since",
            "after",
            "starttime",
            "modifiedfrom",
            "updatedfrom",
            "changedfrom",
            "updatedatmin",
        ];
        words.iter().any(|word| name.ends_with(word)) && !name.contains("created")
    };
    for (_, value) in query.iter_mut().filter(|(name, _)| since(name)) {
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let style = match value.len() {
            8..=10 if digits => ":epoch_s",
            13 if digits => ":epoch_ms",
            10 if super::value::rfc3339(value).is_some() => ":date",
            _ if super::value::rfc3339(value).is_some() => "",
            _ if value.contains("{{watermark") => {
                *value = value.replace("{{", "{").replace("}}", "}");
                return true;
            }
            _ => continue,
        };
        *value = format!("{{watermark{style}}}");
        return true;
    }
    false
}

impl Inferred {
    /// The same as what a source says of one of its objects.
    pub(super) fn described(&self, object: &str) -> Described {
        let is = |role: &Option<String>, name: &str| role.as_deref() == Some(name);
        let fields = self.fields.iter().map(|field| DescribedField {
            name: field.name.clone(),
            path: write::spec(field, false),
            label: field.name.replace('_', " "),
            ty: Some(field.ty),
            nullable: field.nullable,
            picklist: None,
            key: self.key.contains(&field.name),
            updated: is(&self.updated, &field.name),
            created: is(&self.created, &field.name),
        });
        Described {
            object: object.to_owned(),
            label: object.to_owned(),
            fields: fields.collect(),
            records: None,
        }
    }
}

/// A reading of the plain kind.
fn plain_reading(pointer: String) -> Reading {
    Reading { pointer, format: Format::Plain }
}

#[cfg(test)]
mod tests;
