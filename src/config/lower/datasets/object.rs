//! A dataset of an org: an object with its fields, or what is added to a built-in one.

use std::collections::BTreeMap;

use super::super::super::problem::{Findings, closest, suggestion};
use super::super::super::shape::{Raw, Shaped};
use super::super::super::units;
use super::super::super::wire::ObjectToml;
use super::{FIELDS_MAX, Lowered, field_named, in_order, is_name, keep, link};
use crate::domain::coverage::CoverageFact;
use crate::domain::dataset::{Dataset, Field, LINK_KEY};
use crate::domain::expr::Mistake;
use crate::domain::value::Type;
use crate::source::salesforce::objects;

/// Salesforce follows at most so many parents in one path.
const PARENTS_MAX: usize = 5;

/// Words people write for types, with ours.
const SYNONYMS: [(&str, &str); 17] = [
    ("string", "text"),
    ("str", "text"),
    ("varchar", "text"),
    ("picklist", "text"),
    ("id", "text"),
    ("reference", "text"),
    ("number", "real"),
    ("double", "real"),
    ("float", "real"),
    ("decimal", "real"),
    ("currency", "real"),
    ("percent", "real"),
    ("int", "integer"),
    ("bool", "boolean"),
    ("checkbox", "boolean"),
    ("datetime", "timestamp"),
    ("date", "timestamp"),
];

const TYPES: [Type; 5] = [Type::Text, Type::Integer, Type::Real, Type::Boolean, Type::Timestamp];

/// Lowers one dataset of an org; `adds` where it adds to a built-in one.
pub(super) fn lower(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    source: &str,
    adds: bool,
) -> Lowered {
    raw.table.remove("source");
    let table = raw.shape::<ObjectToml>(found, &["source"]);
    let wire = &table.wire;
    let object = object(found, &table, adds);
    let before = found.count();
    let base = object.as_deref().map(|object| base(source, object));
    let extra = fields(found, &table, base.as_ref());
    let fields_right = found.count() == before;
    let mut lowered = Lowered::default();
    let whole = wire.whole.as_ref().map(|whole| *whole.get_ref());
    let whole = whole.or(base.as_ref().map(|base| base.whole)).unwrap_or(false);
    let (length, written) = keep(found, |text| table.at(text), wire.keep.as_ref(), true, whole);
    lowered.keep = written;
    let history = (wire.history.as_ref())
        .and_then(|text| found.value(table.at(text), units::reach(text.get_ref())));
    let link = wire.link.as_ref().and_then(|text| link(found, |text| table.at(text), text));
    // A name that is no object's would make every report on its fields a mistake.
    let Some(mut dataset) = base.filter(|_| fields_right) else { return lowered };
    dataset.name.clone_from(&table.name);
    dataset.fields.extend(extra);
    let names: Vec<&str> = dataset.fields.iter().map(|field| field.name.as_str()).collect();
    let label = wire
        .label
        .as_ref()
        .and_then(|text| field_named(found, table.at(text), "label", text.get_ref(), &names));
    let usual = dataset.field("Name").unwrap_or(dataset.label);
    dataset.label =
        label.unwrap_or(if dataset.label == dataset.key { usual } else { dataset.label });
    dataset.whole = whole;
    if let Some(dated) = &wire.dated {
        dataset.dated = *dated.get_ref();
    }
    dataset.keep = length;
    dataset.history = history;
    dataset.link = link;
    lowered.dataset = Some(dataset);
    lowered
}

/// The page of a record in the org itself. The common login page is no org's.
pub(super) fn page(dataset: &Dataset) -> Option<String> {
    let home = dataset.home.trim_end_matches('/');
    let shared = ["https://login.salesforce.com", "https://test.salesforce.com"];
    let known = !home.is_empty() && !shared.contains(&home);
    known.then(|| format!("{home}/lightning/r/{}/{LINK_KEY}/view", dataset.object))
}

/// The object's name; the table's own where it is not written. A built-in dataset keeps its object.
fn object(found: &mut Findings<'_>, table: &Shaped<ObjectToml>, adds: bool) -> Option<String> {
    match &table.wire.object {
        None => table.is_whole("object").then(|| table.name.clone()),
        Some(text) if adds && *text.get_ref() != table.name => {
            let message =
                format!("the built-in dataset `{}` is the object of that name", table.name);
            let help = format!("give a dataset of `{}` another name", text.get_ref());
            found.problem(table.at(text), message, help);
            None
        }
        Some(text) => {
            let known = objects::datasets("");
            let name = text.get_ref();
            if !is_api_name(name) {
                let message = format!("`{}` is not the name of an object", name.escape_debug());
                found.problem(
                    table.at(text),
                    message,
                    "write its API name, e.g. `Case` or `Order__c`",
                );
                return None;
            }
            let slip = (!known.iter().any(|dataset| dataset.name == *name))
                .then(|| closest(name, known.iter().map(|dataset| dataset.name.as_str())))
                .flatten()
                .filter(|meant| meant.len().abs_diff(name.len()) <= 1);
            if let Some(meant) = slip {
                let message = format!("`{name}` is nearly the built-in object `{meant}`");
                found.note(table.at(text), message, format!("did you mean `{meant}`?"));
            }
            Some(name.clone())
        }
    }
}

fn is_api_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 80
}

/// What an object has by itself: all fields of a built-in one, else those that every object has.
fn base(source: &str, object: &str) -> Dataset {
    if let Some(known) = objects::datasets(source).into_iter().find(|known| known.name == object) {
        return known;
    }
    let sure = |name: &str, ty| Field { nullable: false, ..Field::new(name, ty) };
    let fields = vec![
        sure("Id", Type::Text),
        sure("CreatedDate", Type::Timestamp),
        sure("SystemModstamp", Type::Timestamp),
    ];
    Dataset {
        created: Some(1),
        updated: Some(2),
        visible: vec![1],
        ..Dataset::new(source, object, fields, 0)
    }
}

/// The fields that the config adds.
fn fields(
    found: &mut Findings<'_>,
    table: &Shaped<ObjectToml>,
    base: Option<&Dataset>,
) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for (name, spec) in in_order(&table.wire.fields) {
        let at = table.at(name);
        let written = name.get_ref().as_str();
        let named = is_name(found, &at, written, "a field");
        let same = |known: &&Field| known.name.eq_ignore_ascii_case(written);
        if let Some(there) = base.and_then(|base| base.fields.iter().find(same)) {
            let message = format!("`{}` has `{}` by itself", table.name, there.name);
            found.problem(at, message, "leave it out, or give yours another name");
        } else if fields.iter().any(|known| same(&known)) {
            found.problem(at, format!("field `{written}` is there twice"), "remove one of them");
        }
        if !named {
            continue;
        }
        let parsed = spec_of(written, spec.get_ref());
        let parsed = parsed.map_err(|mistake| found.mistake(table.file, spec, mistake)).ok();
        if let Some((path, ty)) = parsed {
            let label = written.strip_suffix("__c").unwrap_or(written).replace('_', " ");
            fields.push(Field { path, label, ..Field::new(written, ty) });
        }
    }
    if let Some(first) = table.wire.fields.keys().next().filter(|_| FIELDS_MAX < fields.len()) {
        let message = format!("more than {FIELDS_MAX} fields");
        found.problem(table.at(first), message, "name those that reports read");
    }
    fields
}

/// `TYPE`, or `PATH TYPE` where the path is not the field's name: `Owner.Name text`.
fn spec_of(name: &str, text: &str) -> Result<(String, Type), Mistake> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = |word: &str| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    };
    let (path, word) = match words.as_slice() {
        [] => {
            let help = "write what it holds: `text`, `integer`, `real`, `boolean` or `timestamp`";
            return Err(
                Mistake::new(0..text.len(), format!("field `{name}` has no type")).with_help(help)
            );
        }
        [word] => (name, *word),
        [path, word] => (*path, *word),
        [_, _, third, ..] => {
            let help = "write a path and a type, e.g. `Owner.Name text`";
            return Err(Mistake::new(at(third), "a field of an object has a path and a type")
                .with_help(help));
        }
    };
    let parts: Vec<&str> = path.split('.').collect();
    if !parts.iter().all(|part| is_api_name(part)) {
        let place = if words.len() == 2 { at(path) } else { 0..text.len() };
        let message = format!("`{path}` is not a field of an object");
        let help = "write its API name, or through parents, e.g. `Owner.Name`";
        return Err(Mistake::new(place, message).with_help(help));
    }
    if parts.len() > PARENTS_MAX + 1 {
        let message = format!("`{path}` goes through more than {PARENTS_MAX} parents");
        return Err(Mistake::new(at(path), message));
    }
    match TYPES.into_iter().find(|ty| ty.word() == word) {
        Some(ty) => Ok((path.to_owned(), ty)),
        None => {
            let lower = word.to_lowercase();
            let synonym = SYNONYMS.iter().find(|(theirs, _)| *theirs == lower);
            let help = match synonym {
                Some((_, ours)) => Some(format!("write `{ours}`")),
                None => suggestion(word, TYPES.map(Type::word)),
            };
            let message = format!("unknown type `{word}`");
            Err(Mistake { at: at(word), message, help })
        }
    }
}

/// Coverage facts speak of the built-in datasets by name. Those of another org, or under another
/// name, get facts that speak of its own; a fact about something it does not have is left out.
pub(super) fn cover(datasets: &mut [Dataset]) {
    let mut by_source: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for dataset in datasets.iter() {
        let names = by_source.entry(&dataset.source).or_default();
        // A dataset called as its object comes before others of the same object.
        if dataset.name == dataset.object || !names.contains_key(dataset.object.as_str()) {
            names.insert(&dataset.object, &dataset.name);
        }
    }
    let objects: Vec<String> = objects::datasets("").into_iter().map(|known| known.name).collect();
    let facts: Vec<Vec<CoverageFact>> = datasets
        .iter()
        .map(|dataset| {
            let mut names = by_source.get(dataset.source.as_str()).cloned().unwrap_or_default();
            names.insert(&dataset.object, &dataset.name);
            let facts = dataset.coverage.iter();
            facts.filter_map(|fact| renamed(fact, &objects, &names)).collect()
        })
        .collect();
    for (dataset, facts) in datasets.iter_mut().zip(facts) {
        dataset.coverage = facts;
    }
}

/// The fact with the objects of its FROM clause under their names as datasets.
fn renamed(
    fact: &CoverageFact,
    objects: &[String],
    names: &BTreeMap<&str, &str>,
) -> Option<CoverageFact> {
    let words: Option<Vec<&str>> = (fact.from.split(' '))
        .map(|word| match objects.iter().any(|object| object == word) {
            true => names.get(word).copied(),
            false => Some(word),
        })
        .collect();
    Some(CoverageFact { from: words?.join(" "), ..fact.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_an_object_is_a_type_with_a_path_before_it_where_it_differs() {
        check("Priority__c", "text", Ok(("Priority__c", Type::Text)));
        check("owner", "Owner.Name text", Ok(("Owner.Name", Type::Text)));
        check("x", "  A__r.B__r.C__c   real ", Ok(("A__r.B__r.C__c", Type::Real)));
        check("x", "", Err("field `x` has no type"));
        check("x", "string", Err("unknown type `string`"));
        check("x", "Owner..Name text", Err("`Owner..Name` is not a field of an object"));
        check("x", "/user/name text", Err("`/user/name` is not a field of an object"));
        check("x", "A.B.C.D.E.F.G text", Err("`A.B.C.D.E.F.G` goes through more than 5 parents"));
        check(
            "x",
            "CreatedDate timestamp epoch_s",
            Err("a field of an object has a path and a type"),
        );
    }

    #[track_caller]
    fn check(name: &str, text: &str, expected: Result<(&str, Type), &str>) {
        let got = spec_of(name, text);
        let got = got.as_ref().map(|(path, ty)| (path.as_str(), *ty));
        assert_eq!(got.map_err(|mistake| mistake.message.as_str()), expected);
    }

    #[test]
    fn synonyms_of_types_lead_to_ours() {
        for (_, ours) in SYNONYMS {
            assert!(TYPES.iter().any(|ty| ty.word() == ours), "{ours}");
        }
    }

    #[test]
    fn facts_speak_of_the_datasets_of_their_own_org() {
        let mut datasets = objects::datasets("salesforce");
        let mut other = objects::datasets("emea");
        other.retain(|dataset| dataset.name.starts_with("MessagingSession"));
        other.iter_mut().for_each(|dataset| dataset.name = format!("Emea{}", dataset.name));
        datasets.extend(other);
        cover(&mut datasets);
        let facts = |name: &str| {
            let dataset = datasets.iter().find(|dataset| dataset.name == name).unwrap();
            dataset.coverage.iter().map(|fact| fact.from.clone()).collect::<Vec<_>>()
        };
        assert_eq!(facts("MessagingSessionMetrics").len(), 2);
        // The fact about channels falls away: no dataset holds those of that org.
        assert_eq!(facts("EmeaMessagingSessionMetrics"), ["EmeaMessagingSession session"]);
    }
}
