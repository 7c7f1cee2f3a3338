//! What goes wrong: each fault has one outcome, bounded in time, memory and requests.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn always(answer: impl Fn() -> Reply + Send + Sync + 'static) -> Desk {
    Desk::new(|_, _| {}, move |_, _, _| answer()).await
}

/// Answers so many times with the fault and then well.
async fn after(faults: usize, fault: impl Fn() -> Reply + Send + Sync + 'static) -> Desk {
    let answer = move |number, _: &Asked, _: &str| match number {
        number if number < faults => fault(),
        _ => reply(200, body(0..1, "")),
    };
    Desk::new(|_, _| {}, answer).await
}

/// Checks that a fault is outlived, with this many requests.
async fn outlived(faults: usize, fault: impl Fn() -> Reply + Send + Sync + 'static) -> Desk {
    let desk = after(faults, fault).await;
    let got = desk.first().await;
    assert_eq!(got.keys(), ["0"]);
    assert_eq!(got.pulled().requests, faults as u64 + 1);
    desk
}

/// Checks that a fault that stays fails in this way, after this many requests.
async fn fatal(
    fault: impl Fn() -> Reply + Send + Sync + 'static,
    kind: &str,
    expected: &[&str],
    requests: usize,
) -> Desk {
    let desk = always(fault).await;
    let got = desk.first().await;
    got.failed(kind, expected);
    assert!(got.rows.is_empty());
    assert_eq!(desk.server.asked().len(), requests, "{expected:?}");
    assert!(desk.clock.now() - at(NOW) <= TimeDelta::minutes(17));
    desk
}

#[tokio::test]
async fn transient_answers_are_outlived_or_the_source_is_down() {
    for status in [408, 420, 429, 500, 502, 503, 504] {
        outlived(2, move || reply(status, "x")).await;
    }
    fatal(|| reply(503, "<html>busy</html>"), "Down", &["503 (`<html>busy</html>`)"], 6).await;
}

#[tokio::test]
async fn a_source_that_asks_for_patience_gets_it_up_to_a_quarter_of_an_hour() {
    let desk = outlived(2, || reply(429, "").with("retry-after", "300")).await;
    let waited = desk.clock.now() - at(NOW);
    assert!(waited >= TimeDelta::minutes(10) && waited < TimeDelta::minutes(11), "{waited}");
    outlived(1, || reply(503, "").with("retry-after", "Sun, 01 Mar 2026 12:05:00 GMT")).await;
    let spent = || {
        let spent = reply(403, "limit").with("x-ratelimit-remaining", "0");
        spent.with("x-ratelimit-reset", "1772367000")
    };
    let desk = outlived(1, spent).await;
    assert!(desk.clock.now() >= at("2026-03-01T12:10:00Z"));

    let far = || reply(429, "").with("retry-after", "7200");
    let desk = fatal(far, "Down", &["asks to wait until 2026-03-01 14:00:00 UTC"], 1).await;
    // It is left alone then, but not believed for ever.
    desk.first().await.failed("Down", &["left alone until 2026-03-01 13:00:00 UTC"]);
    assert_eq!(desk.server.asked().len(), 1);
    desk.clock.advance(TimeDelta::minutes(61));
    desk.first().await.failed("Down", &["asks to wait until"]);
    assert_eq!(desk.server.asked().len(), 2);
    // Many short waits are a long one.
    let often = || reply(429, "").with("retry-after", "400");
    fatal(often, "Down", &["longer than 15 minutes in all"], 3).await;
}

#[tokio::test]
async fn refusals_say_what_to_check_and_are_not_repeated() {
    fatal(|| reply(403, r#"{"message":"no"}"#), "Refused", &["403 (`no`)", "may see"], 1).await;
    let said = ["404", "/api/v2/tickets`; check `base_url` and `path`"];
    fatal(|| reply(404, ""), "Refused", &said, 1).await;
    fatal(|| reply(406, ""), "Refused", &["406", "`headers`"], 1).await;
    fatal(|| reply(400, r#"{"errors":["since"]}"#), "Refused", &["400 (`since`)"], 1).await;
    fatal(|| reply(304, ""), "Refused", &["304"], 1).await;
}

#[tokio::test]
async fn credentials_do_not_travel_to_another_host() {
    let other = Server::start(|_, _, _| reply(200, body(0..1, ""))).await;
    let away = format!("{}/login?back=1", other.url);
    let (origin, to) = (other.url.clone(), away.clone());
    let desk = always(move || reply(302, "").with("location", to.clone())).await;
    desk.first().await.failed("Refused", &["another host", &origin]);
    assert!(other.asked().is_empty());
    // On the same host they are followed, but not for ever.
    let desk = Desk::new(
        |_, _| {},
        |_, asked, _| match asked.path.as_str() {
            "/api/v2/tickets" => reply(301, "").with("location", "/new"),
            _ => reply(200, body(0..1, "")),
        },
    )
    .await;
    assert_eq!(desk.first().await.keys(), ["0"]);
    assert_eq!(desk.server.asked()[1].header("authorization"), Some("Bearer s3cr3t+/="));
    let desk = always(|| reply(302, "").with("location", "/api/v2/tickets")).await;
    desk.first().await.failed("Refused", &["redirects in a circle"]);
    assert!(desk.server.asked().len() <= 5);
}

#[tokio::test]
async fn connections_that_break_or_drip_are_tried_again() {
    outlived(2, || reply(200, body(0..1, "")).cut_at(20)).await;
    for pause in [Duration::from_secs(2), Duration::from_millis(100)] {
        // Its pieces come too late, or each of them in time and the whole does not.
        let drip = move || reply(200, body(0..9, "")).dripping(pause);
        let desk = after(1, drip).await.hasty();
        let got = desk.first().await;
        assert_eq!((got.keys(), got.pulled().requests), (vec!["0"], 2));
    }
    let packed = gzip(body(0..500, "").as_bytes());
    let half = packed.len() / 2;
    let broken = move || {
        let reply = reply(200, packed[..half].to_vec());
        reply.with("content-encoding", "gzip")
    };
    outlived(1, broken.clone()).await;
    fatal(broken, "Down", &["broke off"], 6).await;
    let nobody = always(|| reply(200, "")).await;
    let mut settings = nobody.rest.settings.clone();
    settings.base_url = "http://127.0.0.1:1".to_owned();
    let rest = Rest::new(settings, nobody.clock.clone()).unwrap();
    let gone = Desk { rest, ..nobody };
    gone.first().await.failed("Down", &["cannot connect"]);
}

#[tokio::test]
async fn bodies_that_are_cut_are_tried_again_and_others_told() {
    let whole = body(0..3, "");
    let cut = whole[..30].to_owned();
    outlived(1, {
        let cut = cut.clone();
        move || reply(200, cut.clone())
    })
    .await;
    let said = ["breaks off in the middle", r#"`{"data":[{"id":0"#];
    fatal(move || reply(200, cut.clone()), "Unreadable", &said, 6).await;
    let login = || {
        let page = format!("<!doctype html>\n<title>Sign in</title>{}", " x".repeat(400));
        reply(200, page).with("content-type", "text/html; charset=utf-8")
    };
    let said = ["a page and no JSON, `<!doctype html> <title>Sign in</title> x", "(a login page?)"];
    let desk = fatal(login, "Unreadable", &said, 1).await;
    let shown = desk.first().await.outcome.unwrap_err().to_string();
    assert!(shown.len() < 500, "{shown}");
    let csv = || reply(200, "id;name\n1;x").with("content-type", "text/csv");
    let said = ["type `text/csv` that is no JSON", "id;name 1;x"];
    fatal(csv, "Unreadable", &said, 1).await;
    fatal(|| reply(200, " \n"), "Unreadable", &["an empty body (status 200)"], 1).await;
    fatal(|| reply(200, r#"{"items":[]}"#), "Unreadable", &["no `/data` in it; it has `items`"], 1)
        .await;
    fatal(|| reply(200, r#"{"data":"none"}"#), "Unreadable", &["`/data` is neither"], 1).await;
    let deep = || reply(200, format!(r#"{{"data":[{}1{}]}}"#, "[".repeat(200), "]".repeat(200)));
    fatal(deep, "Unreadable", &["recursion limit"], 1).await;
}

#[tokio::test]
async fn nothing_new_has_no_body_or_none_of_json() {
    let desk = always(|| reply(204, "")).await;
    let got = desk.first().await;
    assert_eq!((got.keys().len(), got.pulled().requests), (0, 1));
    assert_eq!(got.pulled().watermark, at("2026-03-01T11:59:00Z"));
    let plain = always(|| reply(200, body(0..1, "")).with("content-type", "text/plain")).await;
    assert_eq!(plain.first().await.keys(), ["0"]);
}

#[tokio::test]
async fn text_in_the_wrong_encoding_is_mended_and_told() {
    let named = |name: &'static [u8]| {
        let mut body = br#"{"data":[{"id":""#.to_vec();
        body.extend_from_slice(name);
        body.extend_from_slice(br#""}]}"#);
        body
    };
    let latin = move || {
        reply(200, named(b"J\xfcrgen")).with("content-type", "application/json; charset=ISO-8859-1")
    };
    let got = always(latin).await.first().await;
    assert_eq!((got.keys(), got.pulled().misfits), (vec!["Jürgen"], 0));
    let got = always(move || reply(200, named(b"J\xfcrgen"))).await.first().await;
    assert_eq!((got.keys(), got.pulled().misfits), (vec!["J\u{fffd}rgen"], 1));
    assert_eq!(got.pulled().misfit_samples, ["1 broken characters of a page were replaced"]);
    let got = always(move || reply(200, named(b"\\ud83dx"))).await.first().await;
    assert_eq!(got.keys(), ["\u{fffd}x"]);
    let marked = || reply(200, format!("\u{feff}{}", body(0..1, "")));
    assert_eq!(always(marked).await.first().await.keys(), ["0"]);
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    // 200 MB that travel as 1.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let spaces = vec![b' '; 1024 * 1024];
    for _ in 0..200 {
        encoder.write_all(&spaces).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let desk = always(move || reply(200, bomb.clone()).with("content-encoding", "gzip")).await;
    desk.first().await.failed("Unreadable", &["more than 64 MB"]);
    assert_eq!(desk.server.asked().len(), 1);
}

#[tokio::test]
async fn rows_that_multiply_what_they_repeat_are_bounded() {
    let text = "x".repeat(60_000);
    let lines = vec!["{}"; 5_000].join(",");
    let body = format!(r#"{{"data":[{{"id":1,"text":"{text}","lines":[{lines}]}}]}}"#);
    let desk = Desk::of(
        &["id = /lines/# text", "text = text"],
        |_, spec| spec.explode = Some("/lines".to_owned()),
        move |_, _, _| reply(200, body.clone()),
    )
    .await;
    desk.first().await.failed("Unreadable", &["smaller pages"]);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_pull() {
    let desk = Desk::new(
        |_, spec| spec.paging = Paging::Page { parameter: "page".to_owned(), first: 0, size: None },
        |number, _, _| reply(200, body(number as u64..number as u64 + 1, "")),
    )
    .await;
    let (into, batches) = mpsc::channel::<Batch>(1);
    drop(batches);
    assert_eq!(desk.rest.pull(desk.request(), into).await, Err(SourceError::Stopped));
    assert_eq!(desk.server.asked().len(), 1);
}
