//! What is learned from a body alone.

use serde_json::json;

use super::*;

fn inferred(body: Value) -> Result<Inferred, String> {
    let url = Url::parse("https://api.desk.example.com/v2/tickets").unwrap();
    infer(&Sample { url: &url, headers: &HeaderMap::new(), body: &body }, "tickets")
}

#[track_caller]
fn records(body: Value, expected: &str) {
    assert_eq!(inferred(body).unwrap().records, expected);
}

#[test]
fn the_longest_list_of_objects_has_the_records() {
    let rows = |count: u64| (0..count).map(|id| json!({"id": id, "n": 1})).collect::<Value>();
    records(rows(2), "");
    records(json!({"data": rows(2), "included": rows(1)}), "/data");
    records(json!({"warnings": rows(1), "a/b": {"c": {"d": rows(3)}}}), "/a~1b/c/d");
    records(json!({"tags": ["a", "b", "c"], "data": rows(1)}), "/data");
    // Lists within records are theirs.
    records(json!({"data": [{"id": 1, "lines": rows(9)}]}), "/data");
    records(json!({"x": {"a": {"id": 1, "l": rows(9)}, "b": {"id": 2, "l": rows(8)}}}), "/x");
    // Links are no records, a list is likelier than a table.
    let links = json!({"self": {"href": "/1", "x": 1}, "next": {"href": "/2", "x": 1}});
    records(json!({"_links": links, "data": rows(1)}), "/data");
    // Deeper than anybody looks.
    let deep = json!({"a": {"b": {"c": {"d": {"e": {"f": rows(2)}}}}}});
    assert!(inferred(deep).unwrap_err().contains("no list of records"));
}

#[track_caller]
fn key(rows: Value, expected: &[&str], sure: bool) {
    let inferred = inferred(rows).unwrap();
    assert_eq!(inferred.key, expected);
    let doubted = inferred.notes.iter().any(|note| note.contains("for sure"));
    assert_eq!(doubted, !sure, "{:?}", inferred.notes);
}

#[test]
fn the_key_is_what_no_two_records_share() {
    key(json!([{"a": 1, "id": 1}, {"a": 2, "id": 2}]), &["id"], true);
    key(json!([{"id": 1, "uuid": "x"}, {"id": 1, "uuid": "y"}]), &["uuid"], true);
    key(
        json!([{"id": null, "ticketNumber": "x"}, {"id": 1, "ticketNumber": "y"}]),
        &["ticketNumber"],
        true,
    );
    key(
        json!([{"user": {"id": 1}, "slug": "b"}, {"user": {"id": 1}, "slug": "c"}]),
        &["slug"],
        false,
    );
    key(json!([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}]), &["a", "b"], false);
    key(json!([{"a": 1.5}, {"a": 1.5}]), &["a"], false);
    key(json!([{"id": ""}, {"id": "x"}]), &["id"], false);
    let many: Value = (0..25).map(|at| json!({"order": at / 2, "line": at % 2})).collect();
    key(many, &["line", "order"], true);
}

#[test]
fn fields_are_typed_by_every_record_and_called_what_expressions_can_say() {
    let inferred = inferred(json!([
        {"id": 1, "select": "x", "Id": 1, "a b": 1, "a-b": 2, "12": true, "mixed": 1,
         "n": 1, "due_on": 1767225600, "amount": 1767225600, "at": {"time": "2026-01-01"},
         "list": [], "lists": [[1]], "big": 1e300, "day": "2026-01-01", "naive": "2026-01-01T10:00:00",
         "rfc": "Thu, 01 Jan 2026 10:00:00 +0100", "deep": {"a": {"b": {"c": {"d": 1}}}}},
        {"id": 2, "select": "x", "Id": 2, "a b": null, "a-b": 2, "12": false, "mixed": "x",
         "n": 1.5, "due_on": 1767225600, "amount": 5, "at": null,
         "list": [], "lists": [], "big": 1, "day": "", "naive": "2026-01-01T10:00:00.5",
         "rfc": "Thu, 01 Jan 2026 10:00:00 +0000"},
    ]))
    .unwrap();
    let mut lines: Vec<String> = inferred
        .fields
        .iter()
        .map(|field| {
            let null = if field.nullable { "?" } else { "" };
            format!("{}{null} = {}", field.name, write::spec(field, true))
        })
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "Id = integer",
            "a_b? = '/a b' integer",
            "a_b_2 = /a-b integer",
            "amount = integer",
            "at_time? = /at/time timestamp",
            "big = real",
            "day = timestamp",
            "due_on = timestamp epoch_s",
            "f_12 = /12 boolean",
            "id_2 = /id integer",
            "list = integer count",
            "lists = integer count",
            "mixed = text",
            "n = real",
            "naive = timestamp %Y-%m-%dT%H:%M:%S%.f",
            "rfc = timestamp %a, %d %b %Y %H:%M:%S %z",
            "select = text",
        ]
    );
}

#[track_caller]
fn paged(aside: Value, expected: &Paging) {
    let mut body = aside;
    body["data"] = json!([{"name": "x"}]);
    assert_eq!(inferred(body).unwrap().paging, *expected);
}

#[test]
fn what_stands_beside_the_records_tells_how_pages_follow() {
    let next = |pointer: &str| Paging::NextUrl { pointer: pointer.to_owned(), more: None };
    paged(json!({"next": "https://x/?page=2", "previous": null}), &next("/next"));
    paged(json!({"next": null, "count": 1}), &next("/next"));
    paged(json!({"links": {"self": "/1", "next": "/2"}}), &next("/links/next"));
    paged(json!({"_links": {"next": {"href": "/2"}}}), &next("/_links/next/href"));
    paged(json!({"@odata.nextLink": "https://x/2"}), &next("/@odata.nextLink"));
    paged(
        json!({"paging": {"next": {"link": "?after=1", "after": "1"}}}),
        &Paging::Cursor {
            pointer: "/paging/next/after".to_owned(),
            parameter: "after".to_owned(),
            more: None,
        },
    );
    let cursor = |pointer: &str, parameter: &str, more: Option<(&str, bool)>| Paging::Cursor {
        pointer: pointer.to_owned(),
        parameter: parameter.to_owned(),
        more: more
            .map(|(pointer, when)| crate::source::rest::More { pointer: pointer.to_owned(), when }),
    };
    paged(json!({"nextPageToken": "t"}), &cursor("/nextPageToken", "pageToken", None));
    paged(json!({"next_page_token": "t"}), &cursor("/next_page_token", "page_token", None));
    paged(
        json!({"pageInfo": {"endCursor": "x", "hasNextPage": true}}),
        &cursor("/pageInfo/endCursor", "after", Some(("/pageInfo/hasNextPage", true))),
    );
    paged(
        json!({"next": "abc", "is_last": false}),
        &cursor("/next", "cursor", Some(("/is_last", false))),
    );
    let page = |first| Paging::Page { parameter: "page".to_owned(), first, size: Some(50) };
    paged(json!({"meta": {"current_page": 1, "last_page": 3, "per_page": 50}}), &page(1));
    paged(json!({"page": 0, "total_pages": 3, "per_page": 50}), &page(0));
    paged(
        json!({"offset": 0, "limit": 20, "total": 70}),
        &Paging::Offset { parameter: "offset".to_owned(), size: 20 },
    );
    paged(json!({"total": 1}), &Paging::None);
}

#[test]
fn a_query_that_says_since_when_gets_the_watermark() {
    let check = |query: &str, expected: &str| {
        let url = Url::parse(&format!("https://x/v1/items?{query}")).unwrap();
        let body = json!([{"id": 1, "updated": "2026-01-01T00:00:00Z"}]);
        let sample = Sample { url: &url, headers: &HeaderMap::new(), body: &body };
        let inferred = infer(&sample, "items").unwrap();
        let (name, value) = inferred.query[0].clone();
        assert_eq!(format!("{name}={value} {}", inferred.whole), expected);
    };
    check("since=2026-01-01T00:00:00Z", "since={watermark} false");
    check("updated_after=2026-01-01", "updated_after={watermark:date} false");
    check("start_time=1332034771", "start_time={watermark:epoch_s} false");
    check("modifiedSince=1332034771000", "modifiedSince={watermark:epoch_ms} false");
    check("created_since=2026-01-01", "created_since=2026-01-01 true");
    check("since=yesterday", "since=yesterday true");
    check("filter=%7B%22a%22:1%7D", "filter={{\"a\":1}} true");
}

#[test]
fn names_are_made_for_sources_and_datasets() {
    let source = |url: &str| source_name(&Url::parse(url).unwrap());
    assert_eq!(source("https://api.github.com/x"), "github");
    assert_eq!(source("https://acme.zendesk.com/x"), "zendesk");
    assert_eq!(source("https://www.shop.co.uk/x"), "shop");
    assert_eq!(source("http://127.0.0.1:80/x"), "api");
    assert_eq!(dataset_name("order-lines"), "order_lines");
    for word in ["select", "where", "join", "values", "lateral"] {
        let name = dataset_name(word);
        let dataset = Arc::new(Dataset::new("x", &name, vec![], 0));
        assert!(ReportType::parse("x", &format!("{name} x"), &[dataset]).is_ok(), "{name}");
        assert!(speakable(&name, "id"), "{name}");
    }
    assert_eq!(dataset_name("2fa"), "f_2fa");
    assert_eq!(dataset_name(&"x".repeat(100)).len(), NAME_MAX - 6);
}
