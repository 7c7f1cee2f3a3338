//! A dataset of a JSON API: where its records are, how pages follow, what its fields are.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::super::super::problem::Findings;
use super::super::super::shape::{Raw, Shaped};
use super::super::super::text::At;
use super::super::super::units;
use super::super::super::wire::{KeyToml, TableToml, Text};
use super::super::rest::is_secret_parameter;
use super::super::twice;
use super::{FIELDS_MAX, Lowered, field_named, in_order, is_name, keep, link, paging};
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

/// The fields as far as they are known: one that is broken has a name and no type.
struct Fields {
    names: Vec<String>,
    types: Vec<Option<Type>>,
    fields: Vec<Field>,
    readings: Vec<Reading>,
}

/// What identifies a record: a field, or a field made of several.
enum Key {
    Field(usize),
    Of(Vec<usize>),
}

/// Lowers one dataset of a JSON API.
pub(super) fn lower(mut raw: Raw<'_>, found: &mut Findings<'_>, source: &str) -> Lowered {
    raw.table.remove("source");
    let before = found.count();
    let paging = paging::lower(&mut raw, found);
    let table = raw.shape::<TableToml>(found, &["source", "paging"]);
    let wire = &table.wire;
    let requests = requests(found, &table, paging);
    let before_fields = found.count();
    let Fields { names, types, mut fields, mut readings } = fields(found, &table);
    let fields_known = found.count() == before_fields;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let known = Known { names: &names, types: &types };
    let key = known.key(found, &table);
    let label = known.role(found, &table, "label", wire.label.as_ref());
    let updated = known.instant(found, &table, "updated", wire.updated.as_ref());
    let created = known.instant(found, &table, "created", wire.created.as_ref());
    let whole = whole(found, &table, wire.updated.is_some());
    let before_since = found.count();
    asked_since(found, &table, whole);
    // One that is read whole by mistake was told.
    let meant = whole && found.count() == before_since;
    let (length, written) =
        keep(found, |text| table.at(text), wire.keep.as_ref(), wire.created.is_some(), meant);
    let history = (wire.history.as_ref())
        .and_then(|text| found.value(table.at(text), units::reach(text.get_ref())));
    let link = wire.link.as_ref().and_then(|text| link(found, |text| table.at(text), text));
    let right = found.count() == before;
    let mut lowered = Lowered { keep: written, ..Lowered::default() };
    if !fields_known || fields.is_empty() {
        return lowered;
    }
    // With a broken key what the fields are is known all the same, and reports can be checked.
    let (key, key_of) = match key.unwrap_or(Key::Field(0)) {
        Key::Field(key) => (key, Vec::new()),
        Key::Of(several) => {
            let path: Vec<&str> = several.iter().map(|index| names[*index]).collect();
            let path = format!("{} together", path.join("/"));
            fields.push(Field { path, ..Field::new(KEY, Type::Text) });
            readings.push(Reading { pointer: String::new(), format: Format::Plain });
            (fields.len() - 1, several)
        }
    };
    for index in key_of.iter().chain([&key]) {
        fields[*index].nullable = false;
    }
    lowered.rest =
        (requests.filter(|_| right)).map(|requests| RestDataset { readings, key_of, ..requests });
    lowered.dataset = Some(Dataset {
        object: object(wire),
        updated,
        created,
        label: label.unwrap_or(key),
        visible: created.into_iter().collect(),
        whole,
        dated: wire.dated.as_ref().map_or(!whole, |dated| *dated.get_ref()),
        keep: length,
        history,
        link,
        ..Dataset::new(source, &table.name, fields, key)
    });
    lowered
}

/// What is asked for and where its records are, in one text: whoever changes it changes what is loaded.
fn object(wire: &TableToml) -> String {
    let written = |text: &Option<Text>| text.as_ref().map(|text| text.get_ref().clone());
    let mut object = written(&wire.path).unwrap_or_default();
    for (place, (name, value)) in in_order(&wire.query).into_iter().enumerate() {
        let joint = if place == 0 { '?' } else { '&' };
        object += &format!("{joint}{}={}", name.get_ref(), value.get_ref());
    }
    for pointer in [written(&wire.records), written(&wire.explode)].into_iter().flatten() {
        object += &format!("#{pointer}");
    }
    object
}

/// The fields; what is wrong with one is told.
fn fields(found: &mut Findings<'_>, table: &Shaped<TableToml>) -> Fields {
    let mut all =
        Fields { names: Vec::new(), types: Vec::new(), fields: Vec::new(), readings: Vec::new() };
    let example = "{ id = \"text\", created_at = \"timestamp\", user = \"/user/name text\" }";
    let Some(written) = table.required(found, "fields", &table.wire.fields, example) else {
        return all;
    };
    let mut seen = BTreeSet::new();
    for (name, spec) in in_order(written.get_ref()) {
        let text = name.get_ref().as_str();
        let named = is_name(found, &table.at(name), text, "a field");
        if !seen.insert(text.to_lowercase()) {
            let message = format!("field `{text}` is there twice");
            found.problem(table.at(name), message, "remove one of them");
        }
        let parsed = found.mended(table.at(spec), parse_field_spec(spec.get_ref(), text));
        all.names.push(text.to_owned());
        all.types.push(parsed.as_ref().map(|(_, ty)| *ty));
        if let (true, Some((reading, ty))) = (named, parsed) {
            let path = path_of(text, spec.get_ref());
            let label = text.replace('_', " ");
            all.fields.push(Field { path, label, ..Field::new(text, ty) });
            all.readings.push(reading);
        }
    }
    let count = all.names.len();
    if !(1..=FIELDS_MAX).contains(&count) {
        let message = format!("a dataset has 1 to {FIELDS_MAX} fields, not {count}");
        found.problem(table.at(written), message, format!("write e.g. `fields = {example}`"));
    }
    all
}

/// Where a field is and how it is written there, one way for one meaning.
fn path_of(name: &str, spec: &str) -> String {
    let spec = spec.trim();
    match spec.starts_with(['/', '#', '\'']) {
        true => spec.to_owned(),
        false => format!("/{name} {spec}"),
    }
}

/// What other keys of the table refer to.
struct Known<'f> {
    names: &'f [&'f str],
    types: &'f [Option<Type>],
}

impl Known<'_> {
    /// The field that a key of the table names.
    fn role(
        &self,
        found: &mut Findings<'_>,
        table: &Shaped<TableToml>,
        key: &str,
        written: Option<&Text>,
    ) -> Option<usize> {
        // Where there are no fields at all, that was told.
        let text = written.filter(|_| !self.names.is_empty())?;
        field_named(found, table.at(text), key, text.get_ref(), self.names)
    }

    /// The same for a key that wants a timestamp.
    fn instant(
        &self,
        found: &mut Findings<'_>,
        table: &Shaped<TableToml>,
        key: &str,
        written: Option<&Text>,
    ) -> Option<usize> {
        let index = self.role(found, table, key, written)?;
        let other = self.types[index].filter(|ty| *ty != Type::Timestamp);
        if let (Some(ty), Some(text)) = (other, written) {
            let name = text.get_ref();
            let message = format!("`{key}` must be a timestamp, and `{name}` is {}", ty.word());
            let help = format!("write it as `{name} = \"timestamp\"` in `fields`");
            found.problem(table.at(text), message, help);
            return None;
        }
        Some(index)
    }

    /// The key, one field or several.
    fn key(&self, found: &mut Findings<'_>, table: &Shaped<TableToml>) -> Option<Key> {
        let id = self.names.iter().find(|name| name.eq_ignore_ascii_case("id"));
        let example = format!("\"{}\"", id.or(self.names.first()).unwrap_or(&"id"));
        let key = table.required(found, "key", &table.wire.key, &example)?;
        (!self.names.is_empty()).then_some(())?;
        let parts = match key.get_ref() {
            KeyToml::One(name) => {
                let index = field_named(found, table.at(key), "key", name, self.names)?;
                return self.identifying(found, table.at(key), index).map(Key::Field);
            }
            KeyToml::Several(parts) => parts,
        };
        twice(found, table.file, parts, "field");
        let each: Vec<Option<usize>> = (parts.iter())
            .map(|part| {
                let index = field_named(found, table.at(part), "key", part.get_ref(), self.names)?;
                self.identifying(found, table.at(part), index)
            })
            .collect();
        let several = each.into_iter().collect::<Option<Vec<usize>>>()?;
        match several.as_slice() {
            [] => {
                let help = "write the field that identifies a record, e.g. `key = \"id\"`";
                found.problem(table.at(key), "a key of no fields", help);
                return None;
            }
            [only] => return Some(Key::Field(*only)),
            _ => {}
        }
        if let Some(there) = self.names.iter().find(|name| name.eq_ignore_ascii_case(KEY)) {
            let message = format!("a key of several fields is itself the field `{KEY}`");
            let help =
                format!("give your `{there}` another name, e.g. `own_key = \"/{there} text\"`");
            found.problem(table.at(key), message, help);
            return None;
        }
        Some(Key::Of(several))
    }

    /// The field, if it can identify records; told if not.
    fn identifying(&self, found: &mut Findings<'_>, at: At, index: usize) -> Option<usize> {
        if let Some(ty @ (Type::Real | Type::Boolean)) = self.types[index] {
            let name = self.names[index];
            let message = format!(
                "a key is text, a whole number or a timestamp, and `{name}` is {}",
                ty.word()
            );
            found.problem(at, message, None);
            return None;
        }
        Some(index)
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
            found.mended(table.at(value), placeholders(value.get_ref()));
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
        found.mended(at, placeholders(written));
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
