//! Every way in which pages follow each other.

use super::*;

fn paged(paging: Paging) -> impl FnOnce(&mut RestSettings, &mut RestDataset) {
    |_, spec| spec.paging = paging
}

fn next_url(more: Option<More>) -> Paging {
    Paging::NextUrl { pointer: "/links/next".to_owned(), more }
}

fn cursor(more: Option<More>) -> Paging {
    let (pointer, parameter) = ("/meta/after".to_owned(), "cursor".to_owned());
    Paging::Cursor { pointer, parameter, more }
}

fn more(pointer: &str, when: bool) -> Option<More> {
    Some(More { pointer: pointer.to_owned(), when })
}

/// Answers with these bodies, one after the other, `HOME` standing for the server's address.
async fn desk(paging: Paging, bodies: &[&str]) -> Desk {
    let bodies: Vec<String> = bodies.iter().map(|&body| body.to_owned()).collect();
    Desk::new(paged(paging), move |number, _, home| match bodies.get(number) {
        Some(body) => reply(200, body.replace("HOME", home)),
        None => reply(404, ""),
    })
    .await
}

#[tokio::test]
async fn next_addresses_are_followed_relative_and_absolute() {
    let pages = [
        &body(0..2, r#","links":{"next":"?page=2"}"#),
        &body(2..4, r#","links":{"next":"/api/v2/tickets?page=3"}"#),
        &body(4..5, r#","links":{"next":"HOME/elsewhere?page=4#top"}"#),
        &body(5..6, r#","links":{"next":null}"#) as &str,
    ];
    let desk = desk(next_url(None), &pages).await;
    let got = desk.first().await;
    assert_eq!(got.keys(), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(got.pulled().requests, 4);
    let paths = desk.server.paths();
    assert_eq!(
        paths[1..],
        ["/api/v2/tickets?page=2", "/api/v2/tickets?page=3", "/elsewhere?page=4"]
    );
    let known = |asked: &Asked| asked.header("authorization") == Some("Bearer s3cr3t+/=");
    assert!(desk.server.asked().iter().all(known));
}

#[tokio::test]
async fn next_addresses_end_where_they_are_empty_or_the_body_says_so() {
    for end in [r#","links":{"next":""}"#, r#","links":{}"#, "", r#","links":{"next":false}"#] {
        assert_eq!(desk(next_url(None), &[&body(0..1, end)]).await.first().await.keys(), ["0"]);
    }
    let pages = [
        &body(0..1, r#","links":{"next":"?c=2"},"end_of_stream":false"#) as &str,
        &body(1..2, r#","links":{"next":"?c=2"},"end_of_stream":true"#),
    ];
    let desk = desk(next_url(more("/end_of_stream", false)), &pages).await;
    assert_eq!(desk.first().await.keys(), ["0", "1"]);
}

#[tokio::test]
async fn pages_elsewhere_or_in_a_circle_or_without_end_are_refused() {
    let away = r#","links":{"next":"https://evil.example.com/x?token=1"}"#;
    let got = desk(next_url(None), &[&body(0..1, away)]).await.first().await;
    got.failed("Unreadable", &["`https://evil.example.com/x`, which is not `http://127.0.0.1"]);
    let number = r#","links":{"next":7}"#;
    let got = desk(next_url(None), &[&body(0..1, number)]).await.first().await;
    got.failed("Unreadable", &["no address but `7`"]);

    let circle = body(0..1, r#","links":{"next":"?page=2"}"#);
    let round = desk(next_url(None), &[&circle, &circle, &circle]).await;
    round.first().await.failed("Unreadable", &["circle: page 2"]);
    assert_eq!(round.server.asked().len(), 2);

    let endless = Desk::new(
        |_, spec| (spec.paging, spec.pages_max) = (next_url(None), 50),
        |number, _, _| reply(200, body(0..1, &format!(r#","links":{{"next":"?n={number}"}}"#))),
    )
    .await;
    endless.first().await.failed("Unreadable", &["more than 50 pages", "`max_pages`"]);
    assert_eq!(endless.server.asked().len(), 50);
}

#[tokio::test]
async fn link_headers_are_followed() {
    let desk = Desk::new(
        |_, spec| (spec.paging, spec.records) = (Paging::LinkHeader, String::new()),
        |number, _, home| {
            let body = format!(r#"[{{"id":{number}}}]"#);
            let links = match number {
                0 => format!(
                    "<{home}/api/x?page=2>; rel=\"next\", <{home}/api/x?page=9>; rel=\"last\""
                ),
                1 => format!("<{home}/api/x?page=1>; rel=\"prev\""),
                _ => unreachable!(),
            };
            reply(200, body).with("link", links)
        },
    )
    .await;
    assert_eq!(desk.first().await.keys(), ["0", "1"]);
    assert_eq!(desk.server.paths()[1], "/api/x?page=2");
}

#[tokio::test]
async fn cursors_are_repeated_until_there_is_none_or_no_more() {
    let pages = [
        &body(0..1, r#","meta":{"after":"a+b/c="}"#) as &str,
        &body(1..2, r#","meta":{"after":17}"#),
        &body(2..3, r#","meta":{"after":null}"#),
    ];
    let by_cursor = desk(cursor(None), &pages).await;
    assert_eq!(by_cursor.first().await.keys(), ["0", "1", "2"]);
    let asked = by_cursor.server.asked();
    assert_eq!(asked[0].parameter("cursor"), None);
    assert_eq!(asked[1].parameter("cursor").as_deref(), Some("a+b/c="));
    assert_eq!(asked[2].path, "/api/v2/tickets?cursor=17");

    let pages = [
        &body(0..1, r#","meta":{"after":"a","has_more":true}"#) as &str,
        &body(1..2, r#","meta":{"after":"b","has_more":false}"#),
    ];
    let has_more = desk(cursor(more("/meta/has_more", true)), &pages).await;
    assert_eq!(has_more.first().await.keys(), ["0", "1"]);

    let pages = [&body(0..1, r#","meta":{"after":null,"has_more":true}"#) as &str];
    let lost = desk(cursor(more("/meta/has_more", true)), &pages).await;
    lost.first().await.failed("Unreadable", &["there is more, but gives no cursor"]);

    let same = body(0..1, r#","meta":{"after":"a"}"#);
    let round = desk(cursor(None), &[&same, &same, &same]).await;
    round.first().await.failed("Unreadable", &["circle"]);
    assert_eq!(round.server.asked().len(), 2);
}

#[tokio::test]
async fn the_last_record_can_be_the_cursor() {
    let pages = [&body(0..3, r#","has_more":true"#) as &str, &body(3..5, r#","has_more":false"#)];
    let paging = Paging::Cursor {
        pointer: "/data/-/id".to_owned(),
        parameter: "starting_after".to_owned(),
        more: more("/has_more", true),
    };
    let desk = desk(paging, &pages).await;
    assert_eq!(desk.first().await.keys(), ["0", "1", "2", "3", "4"]);
    assert_eq!(desk.server.paths()[1], "/api/v2/tickets?starting_after=2");
}

/// A server with so many records that gives them by number of page or by offset, at most `most` at
/// once whatever is asked.
async fn counted(paging: Paging, records: u64, most: u64) -> Desk {
    Desk::new(paged(paging), move |_, asked, _| {
        let number = |name| asked.parameter(name).map(|text| text.parse::<u64>().unwrap());
        let begin = match (number("page"), number("offset")) {
            (Some(page), _) => (page - 1) * most,
            (_, Some(offset)) => offset,
            _ => unreachable!(),
        };
        reply(200, body(begin.min(records)..(begin + most).min(records), ""))
    })
    .await
}

fn by_page(size: Option<u64>) -> Paging {
    Paging::Page { parameter: "page".to_owned(), first: 1, size }
}

fn by_offset(size: u64) -> Paging {
    Paging::Offset { parameter: "offset".to_owned(), size }
}

#[tokio::test]
async fn counted_pages_are_read_until_one_is_empty_or_short() {
    for (paging, records, most, requests) in [
        (by_page(None), 7, 3, 4),
        (by_page(Some(3)), 7, 3, 3),
        (by_page(Some(3)), 6, 3, 3),
        (by_page(Some(3)), 0, 3, 1),
        (by_offset(3), 7, 3, 3),
        // The server gives fewer than asked: its pages are not taken for the last one.
        (by_page(Some(100)), 7, 3, 3),
        (by_offset(100), 7, 3, 3),
        (by_page(Some(100)), 2, 3, 2),
    ] {
        let desk = counted(paging.clone(), records, most).await;
        let got = desk.first().await;
        let keys: Vec<String> = (0..records).map(|id| id.to_string()).collect();
        assert_eq!(got.keys(), keys, "{paging:?}");
        assert_eq!(got.pulled().requests, requests, "{paging:?} {records}");
    }
    let desk = counted(by_offset(100), 7, 3).await;
    desk.first().await.outcome.unwrap();
    let offsets: Vec<_> = desk.server.paths();
    assert_eq!(offsets[2], "/api/v2/tickets?offset=6");
}

#[tokio::test]
async fn a_source_that_does_not_count_pages_is_found_out() {
    let same = body(0..3, "");
    let ignored = desk(by_page(Some(3)), &[&same, &same, &same]).await;
    ignored.first().await.failed("Unreadable", &["know the parameter `page`"]);
    assert_eq!(ignored.server.asked().len(), 2);
    // All of it on one page, and the last page for whatever lies behind.
    let last = desk(by_page(Some(100)), &[&same, &same]).await;
    assert_eq!(last.first().await.pulled().requests, 2);
}

#[tokio::test]
async fn records_can_be_exploded_keyed_by_name_and_keyed_together() {
    let desk = Desk::of(
        &["key = text", "order = /id text", "line = /lines/# integer", "sku = /lines/sku text"],
        |_, spec| {
            spec.explode = Some("/lines".to_owned());
            spec.readings[0].pointer = String::new();
            spec.key_of = vec![1, 2];
        },
        |_, _, _| {
            let orders = r#"{"data":[
                {"id":7,"lines":[{"sku":"a"},{"sku":"b"}]},{"id":8,"lines":[]},{"id":9}]}"#;
            reply(200, orders)
        },
    )
    .await;
    assert_eq!(desk.first().await.rows, ["7/0 7 0 a", "7/1 7 1 b"]);

    let desk = Desk::of(
        &["id = # text", "n = integer"],
        |_, _| {},
        |_, _, _| reply(200, r#"{"data":{"T-1":{"n":1},"T-2":{"n":"2"}}}"#),
    )
    .await;
    assert_eq!(desk.first().await.rows, ["T-1 1", "T-2 2"]);
}
