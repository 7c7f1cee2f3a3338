//! `paging` of a JSON API's dataset: exactly one of its shapes.

use super::super::super::problem::Findings;
use super::super::super::shape::{Raw, Shaped};
use super::super::super::text::At;
use super::super::super::wire::{PagingToml, Text};
use crate::source::rest::{More, Paging, check_pointer};

/// Each shape with what else it takes.
const SHAPES: [(&str, &[&str]); 5] = [
    ("next_url", &["more", "end"]),
    ("link_header", &[]),
    ("cursor", &["parameter", "more", "end"]),
    ("page", &["first", "size"]),
    ("offset", &["size"]),
];
const EXAMPLES: &str = "write one of `next_url = \"/links/next\"`, `link_header = true`, `cursor = \
                        \"/meta/cursor\"` with `parameter`, `page = \"page\"`, `offset = \"offset\"`";

/// Takes `paging` out of a dataset and lowers it; `None` where a mistake was noted.
pub(super) fn lower(raw: &mut Raw<'_>, found: &mut Findings<'_>) -> Option<Paging> {
    match (raw.text("paging"), raw.table.contains_key("paging")) {
        (_, false) => return Some(Paging::None),
        (Some(text), _) => {
            raw.table.remove("paging");
            if text.get_ref() == "none" {
                return Some(Paging::None);
            }
            let at = At::new(raw.file, text.span());
            found.problem(at, "`paging` must be a table, or `\"none\"`", EXAMPLES);
            return None;
        }
        (None, true) => {}
    }
    let before = found.count();
    let table = raw.take(found, "paging")?.shape::<PagingToml>(found, &[]);
    // One that is misspelt or in a wrong shape was told.
    let shape = shape(found, &table, found.count() == before)?;
    let wire = &table.wire;
    let before = found.count();
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.get_ref().clone());
    let paging = match shape {
        "link_header" => Some(Paging::LinkHeader),
        "next_url" => {
            let pointer = pointer(found, &table, wire.next_url.as_ref());
            let more = more(found, &table);
            pointer.map(|pointer| Paging::NextUrl { pointer, more })
        }
        "cursor" => {
            let pointer = pointer(found, &table, wire.cursor.as_ref());
            let parameter = table.required(found, "parameter", &wire.parameter, "\"cursor\"");
            let more = more(found, &table);
            let parameter = parameter.map(|text| text.get_ref().clone());
            pointer.zip(parameter).map(|(pointer, parameter)| Paging::Cursor {
                pointer,
                parameter,
                more,
            })
        }
        "page" => {
            let size = size(found, &table);
            let first = wire.first.as_ref().map_or(1, |first| u64::from(*first.get_ref()));
            text(&wire.page).map(|parameter| Paging::Page { parameter, first, size })
        }
        _ => {
            table.required(found, "size", &wire.size, "100");
            let size = size(found, &table);
            text(&wire.offset).zip(size).map(|(parameter, size)| Paging::Offset { parameter, size })
        }
    };
    for name in [&wire.page, &wire.offset, &wire.parameter].into_iter().flatten() {
        if name.get_ref().trim().is_empty() {
            let message = "a query parameter without a name";
            found.problem(table.at(name), message, "write the name that the API documents");
        }
    }
    paging.filter(|_| found.count() == before)
}

/// The keys that are written, each with its place.
fn written(table: &Shaped<PagingToml>) -> Vec<(&'static str, At)> {
    let wire = &table.wire;
    let at = |text: &Option<Text>| text.as_ref().map(|text| table.at(text));
    [
        ("next_url", at(&wire.next_url)),
        ("link_header", wire.link_header.as_ref().map(|value| table.at(value))),
        ("cursor", at(&wire.cursor)),
        ("page", at(&wire.page)),
        ("offset", at(&wire.offset)),
        ("parameter", at(&wire.parameter)),
        ("more", at(&wire.more)),
        ("end", at(&wire.end)),
        ("first", wire.first.as_ref().map(|value| table.at(value))),
        ("size", wire.size.as_ref().map(|value| table.at(value))),
    ]
    .into_iter()
    .filter_map(|(key, at)| at.map(|at| (key, at)))
    .collect()
}

/// Which shape it is, with nothing that belongs to another.
fn shape(
    found: &mut Findings<'_>,
    table: &Shaped<PagingToml>,
    right: bool,
) -> Option<&'static str> {
    let written = written(table);
    let mut shapes = SHAPES.iter().filter(|(shape, _)| written.iter().any(|(key, _)| key == shape));
    let Some((shape, further)) = shapes.next() else {
        if right {
            let message = format!("{} does not say how pages follow each other", table.title);
            found.problem(table.at.clone(), message, EXAMPLES);
        }
        return None;
    };
    if let Some((other, _)) = shapes.next() {
        let message = format!("{} has both `{shape}` and `{other}`", table.title);
        found.problem(table.at.clone(), message, "pages follow in one way: remove one of them");
        return None;
    }
    if let Some(no) = table.wire.link_header.as_ref().filter(|header| !*header.get_ref()) {
        found.problem(table.at(no), "`link_header = false` says nothing", "leave `paging` out");
        return None;
    }
    let mut alone = true;
    for (key, at) in written.into_iter().filter(|(key, _)| key != shape && !further.contains(key)) {
        let of: Vec<String> = (SHAPES.iter())
            .filter(|(_, further)| further.contains(&key))
            .map(|(shape, _)| format!("`{shape}`"))
            .collect();
        let message = format!("`{key}` does not go with `{shape}`");
        found.problem(at, message, format!("it belongs to {}", of.join(" and ")));
        alone = false;
    }
    alone.then_some(*shape)
}

fn pointer(
    found: &mut Findings<'_>,
    table: &Shaped<PagingToml>,
    text: Option<&Text>,
) -> Option<String> {
    let text = text?;
    found.value(table.at(text), check_pointer(text.get_ref()))?;
    if text.get_ref().is_empty() {
        found.problem(table.at(text), "the whole body is no place", "write e.g. `/meta/next`");
    }
    Some(text.get_ref().clone())
}

/// `more` or `end`: a truth value in the body.
fn more(found: &mut Findings<'_>, table: &Shaped<PagingToml>) -> Option<More> {
    let wire = &table.wire;
    if let (Some(_), Some(end)) = (&wire.more, &wire.end) {
        let message = "`more` and `end` say the same";
        found.problem(table.at(end), message, "remove one of them");
    }
    let (text, when) = match (&wire.more, &wire.end) {
        (Some(more), _) => (more, true),
        (None, Some(end)) => (end, false),
        (None, None) => return None,
    };
    pointer(found, table, Some(text)).map(|pointer| More { pointer, when })
}

fn size(found: &mut Findings<'_>, table: &Shaped<PagingToml>) -> Option<u64> {
    let size = table.wire.size.as_ref()?;
    if *size.get_ref() == 0 {
        found.problem(table.at(size), "a page of no records", "write how many a full page has");
    }
    Some(u64::from(*size.get_ref()))
}
