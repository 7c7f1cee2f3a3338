//! `[datasets]`: tables of a JSON API, objects of an org, and what is added to the built-in ones.
//!
//! A dataset with a mistake that leaves its fields known is built on all the same, so that one run
//! tells what is wrong with the reports over it too. One whose fields are not known is broken: what
//! refers to it is passed over in silence, since it was told where it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use url::Url;

use super::super::SourceSettings;
use super::super::problem::{Findings, suggestion};
use super::super::shape::Raw;
use super::super::text::At;
use super::super::units;
use super::super::wire::Text;
use super::sources::{Kind, Sources};
use crate::domain::dataset::{Dataset, LINK_KEY};
use crate::domain::expr::ReportType;
use crate::domain::query::{Query, QueryText};
use crate::source::own;
use crate::source::rest::RestDataset;
use crate::source::salesforce::objects;

pub(super) mod keep;
mod object;
mod paging;
mod table;

/// At most so many fields a dataset.
const FIELDS_MAX: usize = 400;
/// Longest address of a record, in bytes without its key.
const LINK_MAX: usize = 1000;
/// What the store calls its own column.
const RESERVED: &str = "_deleted";

/// All datasets of the config.
pub(super) struct Datasets {
    /// Those that can be built on, built-in ones first.
    pub(super) all: Vec<Arc<Dataset>>,
    /// Those whose fields are not known.
    pub(super) broken: BTreeSet<String>,
    /// Where a retention is written, by dataset.
    pub(super) keeps: BTreeMap<String, (At, String)>,
}

/// What became of one table.
#[derive(Default)]
struct Lowered {
    dataset: Option<Dataset>,
    rest: Option<RestDataset>,
    keep: Option<(At, String)>,
}

/// Lowers the section. What concerns the reading of a JSON API is put into its source's settings.
pub(super) fn lower(
    tables: BTreeMap<String, Raw<'_>>,
    found: &mut Findings<'_>,
    sources: &mut Sources,
) -> Datasets {
    let built_in = sources.built_in.as_deref().map(objects::datasets).unwrap_or_default();
    let mut all = Datasets { all: Vec::new(), broken: BTreeSet::new(), keeps: BTreeMap::new() };
    let mut made: Vec<Dataset> = built_in;
    let own = sources.kinds.iter().find(|(_, (_, kind))| *kind == Some(Kind::Own));
    let own = own.map(|(name, _)| name.clone());
    made.extend(own.as_deref().map(own::datasets).unwrap_or_default());
    let mut read_from: BTreeSet<String> = sources.built_in.iter().cloned().chain(own).collect();
    for (name, raw) in tables {
        let at = raw.at.clone();
        let known = is_name(found, &at, &name, "a dataset");
        let Some((source, kind)) = source_of(&raw, found, sources) else {
            all.broken.insert(name);
            continue;
        };
        read_from.insert(source.clone());
        // The built-in one itself, or one that would be mistaken for it.
        let extended = made.iter().position(|dataset| dataset.name.eq_ignore_ascii_case(&name));
        let clash = extended
            .is_some_and(|extended| taken(found, &at, (&name, &source), &made[extended], sources));
        let lowered = match kind {
            Kind::Salesforce => object::lower(raw, found, &source, extended.is_some() && !clash),
            Kind::Rest => table::lower(raw, found, &source),
            Kind::Own => {
                let message = format!("{} cannot be written: its source has its own", raw.title);
                let help = "its datasets are `Incident`, `Notice` and `AlertRule`, as they are";
                found.problem(at.clone(), message, help);
                Lowered::default()
            }
        };
        let Some(dataset) = lowered.dataset.filter(|_| known) else {
            all.broken.insert(name);
            continue;
        };
        speakable(found, &at, &dataset);
        endless(found, &at, &dataset, lowered.rest.as_ref(), sources);
        all.keeps.extend(lowered.keep.map(|keep| (name.clone(), keep)));
        if let (Some(rest), Some(SourceSettings::Rest(settings))) =
            (lowered.rest, sources.known.made.get_mut(&source))
        {
            settings.datasets.insert(name.clone(), rest);
        }
        match extended {
            _ if clash => {}
            Some(extended) => made[extended] = dataset,
            None => made.push(dataset),
        }
    }
    unread(found, sources, &read_from);
    object::cover(&mut made);
    for dataset in &mut made {
        if let Some(source) = sources.known.made.get(&dataset.source) {
            source.address().clone_into(&mut dataset.home);
            if dataset.link.is_none() && matches!(source, SourceSettings::Salesforce(_)) {
                dataset.link = object::page(dataset);
            }
        }
    }
    all.all = made.into_iter().map(Arc::new).collect();
    all
}

/// The source a dataset names, with its kind; told if there is none. A broken source was told.
fn source_of(raw: &Raw<'_>, found: &mut Findings<'_>, sources: &Sources) -> Option<(String, Kind)> {
    let names = sources.kinds.keys().map(String::as_str);
    let Some(text) = raw.text("source") else {
        let (message, help) = match raw.table.contains_key("source") {
            true => (format!("`source` of {} is not text", raw.title), None),
            false => {
                let only = suggestion("", names.clone());
                let example = names.clone().next().unwrap_or("salesforce");
                let help = format!("write e.g. `source = \"{example}\"`");
                let help = only.map_or(help.clone(), |only| format!("{help}; {only}"));
                (format!("{} has no `source`", raw.title), Some(help))
            }
        };
        found.problem(raw.at.clone(), message, help);
        return None;
    };
    let written = text.get_ref();
    match sources.kinds.get(written) {
        Some((_, kind)) => kind.map(|kind| (written.clone(), kind)),
        None => {
            let help = suggestion(written, names)
                .unwrap_or_else(|| format!("there is no `[sources.{written}]`"));
            let at = At::new(raw.file, text.span());
            found.problem(at, format!("unknown source `{written}`"), help);
            None
        }
    }
}

/// Whether the name belongs to another dataset already; told. Adding to a built-in one is no clash.
fn taken(
    found: &mut Findings<'_>,
    at: &At,
    (name, source): (&str, &str),
    other: &Dataset,
    sources: &Sources,
) -> bool {
    let built_in = sources.built_in.as_deref() == Some(other.source.as_str())
        && objects::datasets(&other.source).iter().any(|known| known.name == other.name);
    if other.name != *name {
        let what = if built_in { "the built-in dataset" } else { "the dataset" };
        let message = format!("`{name}` differs from {what} `{}` in capitals only", other.name);
        let help = match built_in && other.source == source {
            true => format!("write `[datasets.{}]` to add to it", other.name),
            false => "give it another name".to_owned(),
        };
        found.problem(at.clone(), message, help);
        return true;
    }
    if other.source == source {
        return false;
    }
    let message = format!("`{name}` is a built-in dataset of `{}`", other.source);
    let help = match sources.kinds.get(source) {
        Some((_, Some(Kind::Salesforce))) => {
            format!("give it another name and write `object = \"{name}\"`")
        }
        _ => "give it another name".to_owned(),
    };
    found.problem(at.clone(), message, help);
    true
}

/// Notes a dataset that is loaded window by window from the beginning of time on.
fn endless(
    found: &mut Findings<'_>,
    at: &At,
    dataset: &Dataset,
    rest: Option<&RestDataset>,
    sources: &Sources,
) {
    let Some(window) = rest.and_then(|rest| rest.window) else { return };
    let of_source = sources.known.made.get(&dataset.source).and_then(SourceSettings::history);
    if dataset.reach(of_source).is_none() {
        let a_year = TimeDelta::days(365).num_seconds() / window.num_seconds().max(1);
        let message = format!(
            "the first load of `{}` begins in 1970, with {} requests or more for each year since",
            dataset.name,
            a_year.max(1)
        );
        found.note(at.clone(), message, "write how far back it goes, e.g. `history = \"2 years\"`");
    }
}

/// Notes sources that nothing is read from.
fn unread(found: &mut Findings<'_>, sources: &Sources, read_from: &BTreeSet<String>) {
    for (name, (at, kind)) in &sources.kinds {
        if kind.is_some() && !read_from.contains(name) {
            let help = format!("write `[datasets.NAME]` with `source = \"{name}\"`");
            found.note(at.clone(), format!("nothing is read from `{name}`"), help);
        }
    }
}

/// Whether a name can stand in expressions as it is; told if not.
fn is_name(found: &mut Findings<'_>, at: &At, name: &str, what: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let right = letters && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !right || name.len() > 60 {
        let mended: String = (name.chars())
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .take(60)
            .collect();
        let mended = if mended.starts_with(|c: char| c.is_ascii_digit()) || mended.is_empty() {
            format!("_{mended}")
        } else {
            mended
        };
        let message = format!("`{}` cannot be the name of {what}", name.escape_debug());
        let help = format!("letters, digits and `_`, at most 60: e.g. `{mended}`");
        found.problem(at.clone(), message, help);
        return false;
    }
    if what == "a field" && name.eq_ignore_ascii_case(RESERVED) {
        found.problem(at.clone(), format!("`{name}` is a name of postrider's own"), None);
        return false;
    }
    true
}

/// The entries of a table of fields in the order they are written.
fn in_order(fields: &BTreeMap<Text, Text>) -> Vec<(&Text, &Text)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| name.span().start);
    fields
}

/// Whether the names of a dataset and its fields can be written in expressions; words that mean
/// something in SQL are told.
fn speakable(found: &mut Findings<'_>, at: &At, dataset: &Dataset) {
    let name = dataset.name.as_str();
    let datasets = [Arc::new(dataset.clone())];
    if ReportType::parse(name, name, &datasets).is_err() {
        let message = format!("`{name}` means something in SQL and cannot name a dataset");
        found.problem(at.clone(), message, format!("write e.g. `{name}_records`"));
        return;
    }
    let Ok(report_type) = ReportType::parse("x", &format!("{name} x"), &datasets) else { return };
    let report_type = Arc::new(report_type);
    for field in &dataset.fields {
        let column = format!("x.{} as c", field.name);
        let text = QueryText { columns: vec![&column], ..QueryText::default() };
        if Query::check(&report_type, &text).is_err() {
            let message = format!("`{}` of `{name}` cannot be written in expressions", field.name);
            found.problem(at.clone(), message, "give the field another name");
        }
    }
}

/// `link`: where a person finds a record. Whatever a key holds, it leads to the host that is written.
fn link(found: &mut Findings<'_>, at: impl Fn(&Text) -> At, written: &Text) -> Option<String> {
    let link = written.get_ref().as_str();
    let of_key = |key: &str| Url::parse(&link.replace(LINK_KEY, key)).ok();
    let blank = |c: char| c.is_whitespace() || c.is_control();
    let message = match (of_key("a"), of_key("b")) {
        (Some(a), Some(b)) if matches!(a.scheme(), "http" | "https") && !link.contains(blank) => {
            match () {
                () if !link.contains(LINK_KEY) => "`link` has no `{key}`: all records would be one",
                () if a.origin() != b.origin() || a.username() != b.username() => {
                    "`link` has `{key}` in the place of the host"
                }
                () if link.len() > LINK_MAX => "`link` is too long for an address",
                () => return Some(link.to_owned()),
            }
        }
        _ => "`link` is not an address on the web",
    };
    let help = "write e.g. `link = \"https://desk.example.com/tickets/{key}\"`";
    found.problem(at(written), message, help);
    None
}

/// The index of the field a key names; told if there is none.
fn field_named(
    found: &mut Findings<'_>,
    at: At,
    key: &str,
    name: &str,
    names: &[&str],
) -> Option<usize> {
    let index = names.iter().position(|known| *known == name);
    if index.is_none() {
        let message = format!("`{key}` names no field: there is no `{name}`");
        found.problem(at, message, suggestion(name, names.iter().copied()));
    }
    index
}

/// `keep`, which counts from when a record came to be. What is read whole at every pull cannot be
/// kept for a time: what is removed would come back.
fn keep(
    found: &mut Findings<'_>,
    at: impl Fn(&Text) -> At,
    written: Option<&Text>,
    created: bool,
    whole: bool,
) -> (Option<TimeDelta>, Option<(At, String)>) {
    let Some(text) = written else { return (None, None) };
    let length = found.value(at(text), units::reach(text.get_ref()));
    if length.is_some() && !created {
        let message = "`keep` counts from when a record came to be, and no field says that";
        found.problem(at(text), message, "name it, e.g. `created = \"created_at\"`");
    } else if length.is_some() && whole {
        let message = "`keep` in a dataset that is read whole: what it removes comes back at once";
        found.problem(at(text), message, "leave it out");
    }
    (length, Some((at(text), text.get_ref().clone())))
}
