//! How pages seem to follow each other.

use serde_json::Value;

use super::Sample;
use super::fields::plain;
use crate::source::rest::paging::linked;
use crate::source::rest::settings::{More, Paging};
use crate::source::rest::spec::escaped;

/// What is said of pages is looked for so deep.
const DEPTH_MAX: usize = 3;

const NEXT_URLS: [&str; 10] = [
    "next",
    "nextpage",
    "nexturl",
    "nextlink",
    "odatanextlink",
    "afterurl",
    "nextpageurl",
    "nextrecordsurl",
    "nexthref",
    "nextpagelink",
];

/// Names of cursors, each with the parameter that usually carries it; empty: its own name.
const CURSORS: [(&str, &str); 14] = [
    ("nextcursor", "cursor"),
    ("endcursor", "after"),
    ("aftercursor", "cursor"),
    ("nextpagetoken", ""),
    ("nexttoken", ""),
    ("continuationtoken", ""),
    ("continuation", ""),
    ("scrollid", ""),
    ("cursor", ""),
    ("after", ""),
    ("pagetoken", ""),
    ("nextpageid", ""),
    ("nextmarker", "marker"),
    ("next", "cursor"),
];

const MORE: [&str; 8] = [
    "hasmore",
    "more",
    "hasnext",
    "hasnextpage",
    "moreavailable",
    "ismore",
    "hasmoreitems",
    "truncated",
];
const END: [&str; 5] = ["endofstream", "islast", "islastpage", "last", "done"];
const SIZES: [&str; 8] =
    ["perpage", "pagesize", "limit", "size", "maxresults", "pagelength", "top", "count"];
const PAGES: [&str; 4] = ["page", "currentpage", "pagenumber", "pageno"];
const OFFSETS: [&str; 4] = ["offset", "startat", "skip", "start"];

/// A value beside the records.
struct Aside<'v> {
    pointer: String,
    /// Its name without what people vary.
    name: String,
    /// Its name as written.
    written: String,
    value: &'v Value,
}

/// The way pages follow, and what to say where it is a guess.
pub(super) fn guess(
    sample: &Sample<'_>,
    records: &str,
    rows: &[&Value],
) -> (Paging, Option<&'static str>) {
    if linked(sample.headers).is_some() {
        return (Paging::LinkHeader, None);
    }
    let mut asides = Vec::new();
    beside(sample.body, String::new(), records, 0, &mut asides);
    let more = more(&asides);
    if let Some(aside) = asides.iter().find(|aside| is_next_url(aside)) {
        return (Paging::NextUrl { pointer: aside.pointer.clone(), more }, None);
    }
    let parameter = "the parameter of the cursor is a guess: see the API's documentation";
    if let Some((aside, carrier)) = cursor(&asides) {
        let paging = Paging::Cursor { pointer: aside.pointer.clone(), parameter: carrier, more };
        return (paging, Some(parameter));
    }
    let last = rows.last().and_then(|row| row.get("id"));
    if let (Some(more), Some(_)) = (more.filter(|more| more.when), last) {
        let paging = Paging::Cursor {
            pointer: format!("{records}/-/id"),
            parameter: "starting_after".to_owned(),
            more: Some(more),
        };
        return (paging, Some(parameter));
    }
    counted(sample, &asides, rows.len())
}

/// Pages that are counted: by what the address asks for, or by what the body says.
fn counted(
    sample: &Sample<'_>,
    asides: &[Aside<'_>],
    rows: usize,
) -> (Paging, Option<&'static str>) {
    let pairs: Vec<(String, String)> = sample.url.query_pairs().into_owned().collect();
    let asked = |names: &[&str]| {
        let known = |(name, _): &&(String, String)| names.contains(&plain(name).as_str());
        pairs.iter().find(known).map(|(name, value)| (name.clone(), value.parse::<u64>().ok()))
    };
    let said = |names: &[&str]| {
        let known = |aside: &&Aside<'_>| names.contains(&aside.name.as_str());
        let aside = asides.iter().filter(|aside| aside.value.is_u64()).find(known)?;
        Some((aside.written.clone(), aside.value.as_u64()))
    };
    let size = asked(&SIZES).or_else(|| said(&SIZES)).and_then(|(_, size)| size);
    let size = size.filter(|size| *size > 0);
    let total = said(&["total", "totalcount", "totalresults", "totalrecords", "totalitems"]);
    let guess = Some("how pages follow is a guess: see the API's documentation");
    if let Some((parameter, number)) = asked(&PAGES) {
        let first = number.unwrap_or(1).min(1);
        return (Paging::Page { parameter, first, size }, guess);
    }
    if let Some((parameter, _)) = asked(&OFFSETS) {
        return (Paging::Offset { parameter, size: size.unwrap_or(rows.max(1) as u64) }, guess);
    }
    // A body that counts its pages, and has more than this one.
    let pages = said(&["totalpages", "pagecount", "pages", "lastpage", "totalpage"]);
    if let (Some((_, number)), Some(_)) = (said(&PAGES), pages) {
        let parameter = "page".to_owned();
        return (Paging::Page { parameter, first: number.unwrap_or(1).min(1), size }, guess);
    }
    if let (Some((parameter, _)), Some(_)) = (said(&OFFSETS), total.or_else(|| said(&SIZES))) {
        let size = size.unwrap_or(rows.max(1) as u64);
        return (Paging::Offset { parameter, size }, guess);
    }
    (Paging::None, Some("no sign of further pages: see the API's documentation for `paging`"))
}

/// Everything beside the records that is no list.
fn beside<'v>(
    value: &'v Value,
    pointer: String,
    records: &str,
    depth: usize,
    asides: &mut Vec<Aside<'v>>,
) {
    let Value::Object(map) = value else { return };
    if depth > DEPTH_MAX {
        return;
    }
    for (name, value) in map {
        let below = format!("{pointer}/{}", escaped(name));
        if below == records {
            continue;
        }
        match value {
            Value::Object(_) => {
                // `_links.next.href`: the link is called what it is in.
                if let Some(href) = value.get("href").filter(|href| href.is_string()) {
                    let pointer = format!("{below}/href");
                    asides.push(Aside {
                        pointer,
                        name: plain(name),
                        written: name.clone(),
                        value: href,
                    });
                }
                beside(value, below, records, depth + 1, asides);
            }
            Value::Array(_) => {}
            value => asides.push(Aside {
                pointer: below,
                name: plain(name),
                written: name.clone(),
                value,
            }),
        }
    }
}

fn is_next_url(aside: &Aside<'_>) -> bool {
    NEXT_URLS.contains(&aside.name.as_str())
        && match aside.value {
            Value::String(text) => {
                text.is_empty()
                    || ["http://", "https://", "/", "?"].iter().any(|begin| text.starts_with(begin))
            }
            // The last page: what stands there otherwise is most often an address.
            Value::Null => true,
            _ => false,
        }
}

fn cursor<'a>(asides: &'a [Aside<'a>]) -> Option<(&'a Aside<'a>, String)> {
    CURSORS.iter().find_map(|(name, carrier)| {
        let aside = asides.iter().find(|aside| {
            let held = match aside.value {
                Value::String(text) => !text.is_empty(),
                value => value.is_number() && *name != "after",
            };
            aside.name == *name && held
        })?;
        let own = aside.written.strip_prefix("next").unwrap_or(&aside.written);
        let mut own = own.trim_start_matches('_').to_owned();
        // nextPageToken -> pageToken
        if let Some(first) = own.get(..1) {
            own = first.to_lowercase() + &own[1..];
        }
        Some((aside, if carrier.is_empty() { own } else { (*carrier).to_owned() }))
    })
}

/// What says whether there is more.
fn more(asides: &[Aside<'_>]) -> Option<More> {
    let flag = |names: &[&str], when| {
        let aside = asides
            .iter()
            .find(|aside| aside.value.is_boolean() && names.contains(&aside.name.as_str()))?;
        Some(More { pointer: aside.pointer.clone(), when })
    };
    flag(&MORE, true).or_else(|| flag(&END, false))
}
