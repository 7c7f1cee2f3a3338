//! A dataset of a JSON API: where its records are, how pages follow, what its fields are.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::super::super::problem::Findings;
use super::super::super::shape::{Raw, Shaped};
use super::super::super::units;
use super::super::super::wire::{KeyToml, TableToml, Text};
use super::super::rest::is_secret_parameter;
use super::{FIELDS_MAX, Lowered, field_named, in_order, is_name, keep, paging};
use crate::domain::dataset::{Dataset, Field};
use crate::domain::value::Type;
use crate::source::rest::{
    Format, Paging, Reading, RestDataset, check_pointer, parse_field_spec, placeholders,
};

const OVERLAP: TimeDelta = TimeDelta::minutes(10);
const OVERLAP_MAX: TimeDelta = TimeDelta::days(31);
const PAGES_MAX: u32 = 10_000;
const PAGES_LIMIT: u32 = 1_000_000;
const BAD_SHARE_MAX: f64 = 0.05;
/// The field that is made of several.
const KEY: &str = "key";

/// A dataset's fields with how each is read.
struct Fields {
    fields: Vec<Field>,
    readings: Vec<Reading>,
    key: usize,
    key_of: Vec<usize>,
}

/// Lowers one dataset of a JSON API.
pub(super) fn lower(mut raw: Raw<'_>, found: &mut Findings<'_>, source: &str) -> Lowered {
    raw.table.remove("source");
    let paging = paging::lower(&mut raw, found);
    let table = raw.shape::<TableToml>(found, &["source", "paging"]);
    let wire = &table.wire;
    let before = found.count();
    let fields = fields(found, &table);
    let fields_right = found.count() == before;
    let before = found.count();
    let requests = requests(found, &table, paging);
    let names: Vec<&str> = (fields.as_ref())
        .map(|fields| fields.fields.iter().map(|field| field.name.as_str()).collect())
        .unwrap_or_default();
    let mut role = |key: &str, written: Option<&Text>| {
        let text = written.filter(|_| fields.is_some())?;
        field_named(found, table.at(text), key, text.get_ref(), &names)
    };
    let label = role("label", wire.label.as_ref());
    let updated = role("updated", wire.updated.as_ref());
    let created = role("created", wire.created.as_ref());
    let instant = |index: &usize| {
        fields.as_ref().is_some_and(|fields| fields.fields[*index].ty == Type::Timestamp)
    };
    for (key, text, index) in
        [("updated", &wire.updated, updated), ("created", &wire.created, created)]
    {
        if let (Some(text), Some(index)) = (text, index)
            && !instant(&index)
        {
            let message = format!("`{key}` must be a timestamp, and `{}` is none", text.get_ref());
            let help = format!("write it as `{} = \"timestamp\"` in `fields`", text.get_ref());
            found.problem(table.at(text), message, help);
        }
    }
    let whole = whole(found, &table, updated.is_some() || wire.updated.is_some());
    asked_since(found, &table, whole);
    let (length, written) =
        keep(found, |text| table.at(text), wire.keep.as_ref(), wire.created.is_some());
    let history = (wire.history.as_ref())
        .and_then(|text| found.value(table.at(text), units::reach(text.get_ref())));
    let right = found.count() == before;
    let mut lowered = Lowered { keep: written, ..Lowered::default() };
    let Some(fields) = fields.filter(|_| fields_right) else { return lowered };
    let created = created.filter(instant_of(&fields));
    let updated = updated.filter(instant_of(&fields));
    lowered.rest = requests.filter(|_| right).map(|requests| RestDataset {
        readings: fields.readings,
        key_of: fields.key_of,
        ..requests
    });
    lowered.dataset = Some(Dataset {
        object: wire.path.as_ref().map(|text| text.get_ref().clone()).unwrap_or_default(),
        updated,
        created,
        label: label.unwrap_or(fields.key),
        visible: created.into_iter().collect(),
        whole,
        dated: wire.dated.as_ref().map_or(!whole, |dated| *dated.get_ref()),
        keep: length,
        history,
        ..Dataset::new(source, &table.name, fields.fields, fields.key)
    });
    lowered
}

fn instant_of(fields: &Fields) -> impl Fn(&usize) -> bool {
    |index| fields.fields[*index].ty == Type::Timestamp
}

/// Fields and key; `None` where one of them cannot be told.
fn fields(found: &mut Findings<'_>, table: &Shaped<TableToml>) -> Option<Fields> {
    let wire = &table.wire;
    let example = "{ id = \"text\", created_at = \"timestamp\", user = \"/user/name text\" }";
    let written = table.required(found, "fields", &wire.fields, example);
    let (mut fields, mut readings) = (Vec::<Field>::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let before = found.count();
    for (name, spec) in written.map(|fields| in_order(fields.get_ref())).unwrap_or_default() {
        let text = name.get_ref().as_str();
        let named = is_name(found, &table.at(name), text, "a field");
        if !seen.insert(text.to_lowercase()) {
            let message = format!("field `{text}` is there twice");
            found.problem(table.at(name), message, "remove one of them");
        }
        let parsed = found.value(table.at(spec), parse_field_spec(spec.get_ref(), text));
        if let (true, Some((reading, ty))) = (named, parsed) {
            let path = path_of(text, spec.get_ref());
            let label = text.replace('_', " ");
            fields.push(Field { path, label, ..Field::new(text, ty) });
            readings.push(reading);
        }
    }
    if let Some(written) = written {
        let count = written.get_ref().len();
        if count == 0 || count > FIELDS_MAX {
            let message = format!("a dataset has 1 to {FIELDS_MAX} fields, not {count}");
            found.problem(table.at(written), message, None);
        }
    }
    let example = match seen.contains("id") {
        true => "\"id\"",
        false => "\"id\"` or `key = [\"order\", \"line\"]",
    };
    let key = table.required(found, "key", &wire.key, example);
    let right = found.count() == before;
    let (key, written) = (key?, written?);
    (right && !written.get_ref().is_empty()).then_some(())?;
    let mut fields = Fields { fields, readings, key: 0, key_of: Vec::new() };
    fields.identify(found, table, key)?;
    Some(fields)
}

/// Where a field is and how it is written there, one way for one meaning.
fn path_of(name: &str, spec: &str) -> String {
    let spec = spec.trim();
    match spec.starts_with(['/', '#', '\'']) {
        true => spec.to_owned(),
        false => format!("/{name} {spec}"),
    }
}

impl Fields {
    /// Finds the key among the fields, or makes it of several.
    fn identify(
        &mut self,
        found: &mut Findings<'_>,
        table: &Shaped<TableToml>,
        key: &toml::Spanned<KeyToml>,
    ) -> Option<()> {
        let names: Vec<String> = self.fields.iter().map(|field| field.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let parts = match key.get_ref() {
            KeyToml::One(name) => {
                self.key = field_named(found, table.at(key), "key", name, &names)?;
                return self.identifying(found, table.at(key), self.key);
            }
            KeyToml::Several(parts) => parts,
        };
        super::super::twice(found, table.file, parts, "field");
        let named: Option<Vec<usize>> = (parts.iter())
            .map(|part| field_named(found, table.at(part), "key", part.get_ref(), &names))
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        let named = named?;
        match named.as_slice() {
            [] => {
                let help = "write the field that identifies a record, e.g. `key = \"id\"`";
                found.problem(table.at(key), "a key of no fields", help);
                return None;
            }
            [only] => {
                self.key = *only;
                return self.identifying(found, table.at(key), *only);
            }
            _ => {}
        }
        if let Some(there) = names.iter().find(|name| name.eq_ignore_ascii_case(KEY)) {
            let message = format!("a key of several fields is itself the field `{KEY}`");
            let help =
                format!("give the field `{there}` another name, e.g. `key_ = \"/key text\"`");
            found.problem(table.at(key), message, help);
            return None;
        }
        for (index, part) in named.iter().zip(parts) {
            self.identifying(found, table.at(part), *index)?;
        }
        let path =
            format!("{} together", named.iter().map(|i| names[*i]).collect::<Vec<_>>().join("/"));
        self.key = self.fields.len();
        self.key_of = named;
        self.fields.push(Field { path, nullable: false, ..Field::new(KEY, Type::Text) });
        self.readings.push(Reading { pointer: String::new(), format: Format::Plain });
        Some(())
    }

    /// Whether a field can identify records; told if not.
    fn identifying(&mut self, found: &mut Findings<'_>, at: super::At, index: usize) -> Option<()> {
        let field = &mut self.fields[index];
        field.nullable = false;
        if matches!(field.ty, Type::Real | Type::Boolean) {
            let message = format!(
                "a key is text, a whole number or a timestamp, and `{}` is {}",
                field.name,
                field.ty.word()
            );
            found.problem(at, message, None);
            return None;
        }
        Some(())
    }
}

/// What is asked: everything but the fields. `None` where a mistake was noted.
fn requests(
    found: &mut Findings<'_>,
    table: &Shaped<TableToml>,
    paging: Option<Paging>,
) -> Option<RestDataset> {
    let wire = &table.wire;
    let before = found.count();
    let path = table.required(found, "path", &wire.path, "\"/v2/tickets\"");
    if let Some(path) = path {
        self::path(found, table, path);
    }
    for (name, value) in &wire.query {
        if is_secret_parameter(name.get_ref()) && !value.get_ref().contains('{') {
            let message =
                format!("`{}` looks like a secret written into the config", name.get_ref());
            let help = format!(
                "write it into the source: `auth = {{ query = {{ name = \"{}\", value = \
                 \"env:API_KEY\" }} }}`",
                name.get_ref().escape_debug()
            );
            found.problem(table.at(value), message, help);
        } else {
            found.value(table.at(value), placeholders(value.get_ref()));
        }
    }
    let pointer = |found: &mut Findings<'_>, text: &Option<Text>| {
        let text = text.as_ref()?;
        found.value(table.at(text), check_pointer(text.get_ref()))?;
        Some(text.get_ref().clone())
    };
    let records = pointer(found, &wire.records);
    let explode = pointer(found, &wire.explode);
    if let Some(text) = wire.explode.as_ref().filter(|text| text.get_ref().is_empty()) {
        let help = "write where the array is within a record, e.g. `explode = \"/lines\"`";
        found.problem(table.at(text), "a record itself is no array", help);
    }
    let mut length = |text: &Option<Text>, read: fn(&str) -> Result<TimeDelta, String>| {
        text.as_ref().and_then(|text| found.value(table.at(text), read(text.get_ref())))
    };
    let overlap = length(&wire.overlap, units::duration);
    let window = length(&wire.window, units::duration_above_zero);
    if let (Some(text), Some(length)) = (&wire.overlap, overlap)
        && length > OVERLAP_MAX
    {
        let message = format!("every pull would begin {} back", units::words(length));
        found.problem(table.at(text), message, "write at most `31 days`; `10 min` is usual");
    }
    if let Some(text) = &wire.window {
        windowed(found, table, text);
    }
    let pages_max = wire.max_pages.as_ref().map_or(PAGES_MAX, |pages| *pages.get_ref());
    if let Some(text) = wire.max_pages.as_ref().filter(|_| !(1..=PAGES_LIMIT).contains(&pages_max))
    {
        let message = format!("`max_pages` must be from 1 to {PAGES_LIMIT}");
        found.problem(table.at(text), message, "leave it out for 10000");
    }
    let bad_share_max = wire.max_bad.as_ref().map_or(BAD_SHARE_MAX, |share| *share.get_ref());
    if let Some(text) = wire.max_bad.as_ref().filter(|_| !(0.0..=1.0).contains(&bad_share_max)) {
        let message = format!("`{}` is not a share", text.get_ref());
        found.problem(table.at(text), message, "write a number from 0 to 1, e.g. `0.05`");
    }
    (found.count() == before).then_some(())?;
    Some(RestDataset {
        path: path?.get_ref().clone(),
        query: (in_order(&wire.query).into_iter())
            .map(|(name, value)| (name.get_ref().clone(), value.get_ref().clone()))
            .collect(),
        records: records.unwrap_or_default(),
        paging: paging?,
        explode,
        readings: Vec::new(),
        key_of: Vec::new(),
        overlap: overlap.unwrap_or(OVERLAP),
        window,
        pages_max,
        bad_share_max,
    })
}

/// A path below the base.
fn path(found: &mut Findings<'_>, table: &Shaped<TableToml>, text: &Text) {
    let (written, at) = (text.get_ref(), table.at(text));
    if written.contains("://") {
        let help = "the address of the API is `base_url` of its source";
        found.problem(at, "`path` is not a path", help);
    } else if !written.is_empty() && !written.starts_with('/') {
        found.problem(at, "`path` must begin with `/`", format!("write `/{written}`"));
    } else if written.contains(['?', '#']) {
        let help = "write what follows as `query = { name = \"value\" }`";
        found.problem(at, "`path` ends where the query begins", help);
    } else if written.contains(char::is_whitespace) || written.contains(char::is_control) {
        found.problem(at, "`path` holds a space", "write it as `%20`");
    } else {
        found.value(at, placeholders(written));
    }
}

/// The placeholders of path and query; a broken one was told.
fn asked(table: &Shaped<TableToml>) -> BTreeSet<&'static str> {
    let texts = table.wire.path.iter().chain(table.wire.query.values());
    texts.flat_map(|text| placeholders(text.get_ref()).unwrap_or_default()).collect()
}

/// A window must be asked for.
fn windowed(found: &mut Findings<'_>, table: &Shaped<TableToml>, text: &Text) {
    let asked = asked(table);
    let missing: Vec<&str> =
        ["from", "to"].into_iter().filter(|name| !asked.contains(name)).collect();
    if !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(|name| format!("`{{{name}}}`")).collect();
        let message = format!("a `window` without {} in `path` or `query`", missing.join(" and "));
        let help = "write e.g. `query = { since = \"{from}\", until = \"{to}\" }`";
        found.problem(table.at(text), message, help);
    }
}

/// Whether it is read whole at every pull.
fn whole(found: &mut Findings<'_>, table: &Shaped<TableToml>, updated: bool) -> bool {
    match &table.wire.whole {
        None => !updated && table.is_whole("updated"),
        Some(whole) => {
            if !*whole.get_ref() && !updated && table.is_whole("updated") {
                let message = "without `updated` nobody knows what changed";
                let help = "name the field, e.g. `updated = \"updated_at\"`, or leave `whole` out";
                found.problem(table.at(whole), message, help);
            }
            *whole.get_ref()
        }
    }
}

/// Whether what is asked for fits to what is kept: all records, or those changed since.
fn asked_since(found: &mut Findings<'_>, table: &Shaped<TableToml>, whole: bool) {
    let wire = &table.wire;
    let asked = asked(table);
    let since = asked.iter().copied().find(|name| *name != "now");
    match (whole, since, &wire.updated) {
        (true, Some(name), updated) => {
            let holds = |text: &&Text| {
                placeholders(text.get_ref()).is_ok_and(|names| names.contains(&name))
            };
            let texts = wire.path.iter().chain(wire.query.values());
            let at = texts.filter(holds).map(|text| table.at(text)).next();
            let message = format!(
                "`{{{name}}}` in a dataset that is read whole: what it leaves out would be taken \
                 for deleted"
            );
            let help = match updated {
                Some(_) => "remove `whole = true`",
                None => "name the field it is about, e.g. `updated = \"updated_at\"`",
            };
            found.problem(at.unwrap_or_else(|| table.at.clone()), message, help);
        }
        (false, None, Some(updated)) if wire.path.is_some() => {
            let message = format!(
                "`{}` is read whole at every pull: nothing in `path` or `query` says since when",
                table.name
            );
            let help = "write e.g. `query = { updated_since = \"{watermark}\" }`, if the API can";
            found.note(table.at(updated), message, help);
        }
        _ => {}
    }
}
