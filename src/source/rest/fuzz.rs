//! Doors for fuzzers: what any JSON API answers, read as it is read in a pull.

use chrono::TimeDelta;
use reqwest::header::{HeaderMap, HeaderValue, LINK};
use url::Url;

use super::infer::{Sample, infer};
use super::paging::{Pages, Turned, asides};
use super::record::Reader;
use super::settings::{More, Paging, RestDataset};
use super::spec::{parse_field_spec, tokens};
use super::{body, settings::Reading};
use crate::domain::dataset::{Dataset, Field};
use crate::source::salesforce::fuzz::is_whole;

/// Name and field line of each field; the first is the key.
const FIELDS: [(&str, &str); 9] = [
    ("id", "text"),
    ("at", "timestamp"),
    ("seconds", "/times/seconds timestamp epoch_s"),
    ("millis", "/times/millis timestamp epoch_ms"),
    ("written", "/times/written timestamp %d.%m.%Y %H:%M"),
    ("value", "real"),
    ("count", "integer"),
    ("tags", "/tags text joined ', '"),
    ("open", "boolean"),
];

/// The first byte says how pages follow and where records are, the rest is a body.
pub fn page(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let paging = paging(first);
    let (dataset, spec) = dataset(first, paging.clone());
    let reader = Reader::new(&dataset, &spec).expect("of the dataset's shape");
    let wanted = body::Wanted { records: tokens(&spec.records), asides: asides(&paging) };
    let charset = (first & 64 != 0).then_some("iso-8859-1");
    let walk = || {
        let take = |rows: &mut super::record::Rows<'_>, handed: body::Handed<'_>| rows.take(handed);
        body::walk(body, charset, &wanted, || reader.page(), take)
    };
    let (read, again) = (walk(), walk());
    assert_eq!(read.is_ok(), again.is_ok(), "read once and not again");
    if let (Ok((rows, found, _)), Ok((others, ..))) = (read, again) {
        let (page, other) = (rows.done(), others.done());
        assert_eq!((page.records, page.print), (other.records, other.print));
        page.batches.iter().for_each(|batch| is_whole(batch, &dataset));
        follow(&paging, &found, page.records, page.print, body);
    }
    inferred(body);
}

/// Pages end, and stay at home.
fn follow(
    paging: &Paging,
    asides: &[Option<serde_json::Value>],
    records: u64,
    print: u64,
    body: &[u8],
) {
    let home = Url::parse("https://api.example.com/v1/").expect("an address");
    let first = home.join("tickets?size=2").expect("an address");
    let mut headers = HeaderMap::new();
    if let Ok(link) = HeaderValue::from_bytes(&body[..body.len().min(300)]) {
        headers.insert(LINK, link);
    }
    let mut pages = Pages::new(paging, &home, first.clone(), 5);
    let mut url = pages.first();
    for turn in 0..10 {
        // An API that never says anything new.
        let page = Turned { url: &url, headers: &headers, asides, records, print };
        match pages.after(&page) {
            Ok(Some(next)) => {
                assert_eq!(next.host_str(), home.host_str(), "a page elsewhere");
                assert_eq!(next.scheme(), home.scheme(), "a page elsewhere");
                url = next;
            }
            Ok(None) => return,
            Err(why) => {
                assert!(!why.trim().is_empty(), "refused without a reason");
                return;
            }
        }
        assert!(turn < 6, "pages without end");
    }
}

/// A sample becomes a dataset, or says why not.
fn inferred(body: &[u8]) {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else { return };
    let url = Url::parse("https://api.example.com/v1/tickets?page=1").expect("an address");
    let sample = Sample { url: &url, headers: &HeaderMap::new(), body: &value };
    match infer(&sample, "tickets") {
        Ok(inferred) => assert!(!inferred.fields.is_empty(), "a dataset without fields"),
        Err(why) => assert!(!why.trim().is_empty(), "refused without a reason"),
    }
}

fn paging(first: u8) -> Paging {
    let more = Some(More { pointer: "/more".to_owned(), when: true });
    match first % 6 {
        0 => Paging::None,
        1 => Paging::NextUrl { pointer: "/next".to_owned(), more },
        2 => Paging::LinkHeader,
        3 => Paging::Cursor {
            pointer: "/data/-/id".to_owned(),
            parameter: "after".to_owned(),
            more: None,
        },
        4 => Paging::Page { parameter: "page".to_owned(), first: 1, size: None },
        _ => Paging::Offset { parameter: "offset".to_owned(), size: 2 },
    }
}

fn dataset(first: u8, paging: Paging) -> (Dataset, RestDataset) {
    let (mut fields, mut readings): (Vec<Field>, Vec<Reading>) = (Vec::new(), Vec::new());
    for (name, line) in FIELDS {
        let (reading, ty) = parse_field_spec(line, name).expect("a field's line");
        fields.push(Field { nullable: name != "id", ..Field::new(name, ty) });
        readings.push(reading);
    }
    let explode = (first & 32 != 0).then(|| "/lines".to_owned());
    let spec = RestDataset {
        path: "/tickets".to_owned(),
        query: Vec::new(),
        records: if first & 16 == 0 { "/data" } else { "" }.to_owned(),
        paging,
        explode,
        readings,
        key_of: Vec::new(),
        overlap: TimeDelta::zero(),
        window: None,
        pages_max: 5,
        bad_share_max: 1.0,
    };
    (Dataset::new("api", "tickets", fields, 0), spec)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every seed, and each of its beginnings.
    #[track_caller]
    fn check(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files = std::fs::read_dir(folder).unwrap();
        let mut count = 0;
        for file in files {
            let seed = std::fs::read(file.unwrap().path()).unwrap();
            (0..=seed.len()).for_each(|end| run(&seed[..end]));
            count += 1;
        }
        assert!(count >= 5, "{target} has {count} seeds");
    }

    #[test]
    fn whatever_comes_is_read_or_refused_with_a_reason() {
        check("rest_page", page);
    }
}
