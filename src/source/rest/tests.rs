//! The client against real sockets: what it asks, what it makes of answers, what it never does.

use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;

use super::*;
use crate::domain::dataset::{Cell, Cursor, Field, Purpose};
use server::{Asked, LeapingClock, Reply, Server, reply};

mod auth;
mod faults;
mod pages;
mod samples;
mod server;

const NOW: &str = "2026-03-01T12:00:00Z";
const NOW_HTTP: &str = "Sun, 01 Mar 2026 12:00:00 GMT";
const SECRET: &str = "s3cr3t+/=";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A dataset and how it is read, from lines as in a config: `NAME = SPEC`. The first field is the
/// key, one called `updated` says when a record changed.
fn tickets(lines: &[&str]) -> (Arc<Dataset>, RestDataset) {
    let mut fields = Vec::new();
    let mut readings = Vec::new();
    for line in lines {
        let (name, spec) = line.split_once(" = ").unwrap();
        let (reading, ty) = parse_field_spec(spec, name).unwrap();
        fields.push(Field::new(name, ty));
        readings.push(reading);
    }
    let mut dataset = Dataset::new("desk", "tickets", fields, 0);
    dataset.updated = dataset.field("updated");
    dataset.whole = dataset.updated.is_none();
    let spec = RestDataset {
        path: "/v2/tickets".to_owned(),
        query: vec![],
        records: "/data".to_owned(),
        paging: Paging::None,
        explode: None,
        readings,
        key_of: vec![],
        overlap: TimeDelta::minutes(5),
        window: None,
        pages_max: 1_000,
        bad_share_max: 0.1,
    };
    (Arc::new(dataset), spec)
}

fn settings(url: &str, spec: RestDataset) -> RestSettings {
    RestSettings {
        name: "desk".to_owned(),
        base_url: format!("{url}/api"),
        auth: RestAuth::Bearer(SecretString::from(SECRET)),
        headers: vec![],
        pull_every: TimeDelta::minutes(5),
        history: None,
        rate: None,
        datasets: BTreeMap::from([("tickets".to_owned(), spec)]),
    }
}

/// A source at a server, and a dataset of it.
struct Desk {
    server: Server,
    rest: Rest,
    clock: Arc<LeapingClock>,
    dataset: Arc<Dataset>,
}

impl Desk {
    /// With a dataset of `id` and `updated`.
    async fn new(
        change: impl FnOnce(&mut RestSettings, &mut RestDataset),
        answer: impl Fn(usize, &Asked, &str) -> Reply + Send + Sync + 'static,
    ) -> Desk {
        Desk::of(&["id = text", "updated = timestamp"], change, answer).await
    }

    /// With a dataset of these fields.
    async fn of(
        lines: &[&str],
        change: impl FnOnce(&mut RestSettings, &mut RestDataset),
        answer: impl Fn(usize, &Asked, &str) -> Reply + Send + Sync + 'static,
    ) -> Desk {
        let server = Server::start(move |number, asked, home| {
            let reply = answer(number, asked, home);
            let dated = asked.head.contains("no-date") || format!("{reply:?}").contains("\"date\"");
            if dated { reply } else { reply.with("date", NOW_HTTP) }
        })
        .await;
        let (dataset, mut spec) = tickets(lines);
        let mut settings = settings(&server.url, spec.clone());
        change(&mut settings, &mut spec);
        settings.datasets.insert("tickets".to_owned(), spec);
        let clock = LeapingClock::at(NOW);
        let rest = Rest::new(settings, clock.clone()).unwrap();
        Desk { server, rest, clock, dataset }
    }

    /// The same with little patience for slow answers.
    fn hasty(self) -> Desk {
        let bounds = web::Bounds {
            read: Duration::from_secs(1),
            total: Duration::from_secs(3),
            ..web::Bounds::default()
        };
        let settings = self.rest.settings.clone();
        Desk { rest: Rest::within(settings, self.clock.clone(), bounds).unwrap(), ..self }
    }

    fn request(&self) -> PullRequest {
        PullRequest {
            dataset: self.dataset.clone(),
            since: None,
            resume: None,
            from: None,
            purpose: Purpose::Digest,
        }
    }

    fn since(&self, since: &str) -> PullRequest {
        PullRequest { since: Some(at(since)), ..self.request() }
    }

    async fn pull(&self, request: PullRequest) -> Got {
        let (into, mut batches) = mpsc::channel::<Batch>(2);
        let width = self.dataset.fields.len();
        let read = async move {
            let (mut rows, mut places) = (vec![], vec![]);
            while let Some(batch) = batches.recv().await {
                rows.extend(batch.cells.chunks(width).map(|row| shown(&batch, row)));
                places.extend(batch.cursor);
            }
            (rows, places)
        };
        let (outcome, (rows, places)) = tokio::join!(self.rest.pull(request, into), read);
        Got { outcome, rows, places }
    }

    async fn first(&self) -> Got {
        self.pull(self.request()).await
    }
}

/// What a pull gave: its outcome, its rows as text, the places told.
struct Got {
    outcome: Result<Pulled, SourceError>,
    rows: Vec<String>,
    places: Vec<Cursor>,
}

impl Got {
    #[track_caller]
    fn pulled(&self) -> &Pulled {
        self.outcome.as_ref().unwrap()
    }

    /// The keys, in the order they came.
    #[track_caller]
    fn keys(&self) -> Vec<&str> {
        self.pulled();
        self.rows.iter().map(|row| row.split(' ').next().unwrap()).collect()
    }

    /// Checks that it failed in this way, with this said, and no secret told.
    #[track_caller]
    fn failed(&self, kind: &str, expected: &[&str]) {
        let err = self.outcome.as_ref().unwrap_err();
        let (found, said) = (format!("{err:?}"), err.to_string());
        assert!(found.starts_with(kind), "{found}");
        for expected in expected {
            assert!(said.contains(expected), "{said}");
        }
        assert!(!said.contains("s3cr3t") && !said.contains("t0ken"), "{said}");
    }
}

fn shown(batch: &Batch, row: &[Cell]) -> String {
    let cells = row.iter().map(|cell| match *cell {
        Cell::Null => "_".to_owned(),
        Cell::Boolean(truth) => truth.to_string(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => format!("{number:?}"),
        Cell::Timestamp(millis) => DateTime::from_timestamp_millis(millis)
            .unwrap()
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        Cell::Text(at, len) => batch.text_of(at, len).to_owned(),
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// A body of records with these ids, and further members.
fn body(ids: std::ops::Range<u64>, more: &str) -> String {
    let records = ids.map(|id| format!(r#"{{"id":{id},"updated":"2026-03-01T11:00:00Z"}}"#));
    format!(r#"{{"data":[{}]{more}}}"#, records.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_pull_asks_from_the_watermark_on_and_says_how_far_it_is_complete() {
    let desk = Desk::new(
        |settings, spec| {
            settings.headers.push(("X-Tenant".to_owned(), SecretString::from("acme")));
            spec.query = vec![
                ("updated_since".to_owned(), "{watermark}".to_owned()),
                ("until".to_owned(), "{now:epoch_s}".to_owned()),
                ("per page".to_owned(), "a&b".to_owned()),
            ];
        },
        |_, _, _| reply(200, body(1..3, "")),
    )
    .await;
    let got = desk.pull(desk.since("2026-03-01T11:50:00.700Z")).await;
    assert_eq!(got.rows, ["1 2026-03-01T11:00:00Z", "2 2026-03-01T11:00:00Z"]);
    let pulled = got.pulled();
    assert_eq!(pulled.watermark, at("2026-03-01T11:59:00Z"));
    assert_eq!((pulled.records, pulled.requests, pulled.misfits, pulled.left_out), (2, 1, 0, 0));
    assert!(!pulled.unchanged && got.places.is_empty());
    let asked = &desk.server.asked()[0];
    assert_eq!(
        asked.path,
        "/api/v2/tickets?updated_since=2026-03-01T11%3A45%3A00Z&until=1772366400&per+page=a%26b"
    );
    assert_eq!(asked.header("authorization"), Some("Bearer s3cr3t+/="));
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!(asked.header("x-tenant"), Some("acme"));
    assert!(asked.header("accept-encoding").unwrap().contains("gzip"));
    assert_eq!(desk.rest.spent().total(at(NOW)), 1);
}

#[tokio::test]
async fn a_first_load_begins_with_its_history_or_with_everything() {
    let desk = Desk::new(
        |_, spec| spec.path = "tickets/{watermark:date}/changes?x=1".to_owned(),
        |_, _, _| reply(200, body(0..0, "")),
    )
    .await;
    desk.first().await.outcome.unwrap();
    let from = Some(at("2025-02-01T00:00:00Z"));
    desk.pull(PullRequest { from, ..desk.request() }).await.outcome.unwrap();
    assert_eq!(
        desk.server.paths(),
        ["/api/tickets/1970-01-01/changes?x=1", "/api/tickets/2025-02-01/changes?x=1"]
    );
}

#[tokio::test]
async fn the_watermark_follows_the_sources_clock_but_not_into_the_future() {
    let dates = ["Sun, 01 Mar 2026 11:30:00 GMT", "Sun, 01 Mar 2026 20:00:00 GMT"];
    let desk = Desk::new(
        |_, _| {},
        move |number, _, _| reply(200, body(0..1, "")).with("date", dates[number.min(1)]),
    )
    .await;
    assert_eq!(desk.first().await.pulled().watermark, at("2026-03-01T11:29:00Z"));
    assert_eq!(desk.first().await.pulled().watermark, at("2026-03-01T12:04:00Z"));
    // It never falls behind what is known already.
    let got = desk.pull(desk.since("2026-03-01T12:30:00Z")).await;
    assert_eq!(got.pulled().watermark, at("2026-03-01T12:30:00Z"));
}

#[tokio::test]
async fn what_lies_behind_the_end_of_a_query_is_not_taken_for_read() {
    let desk = Desk::new(
        |_, spec| spec.query = vec![("until".to_owned(), "{to}".to_owned())],
        |_, _, _| reply(200, body(0..1, "")).with("date", "Sun, 01 Mar 2026 12:04:00 GMT"),
    )
    .await;
    // Our clock is behind the source's: it was asked until noon only.
    assert_eq!(desk.first().await.pulled().watermark, at(NOW));
}

#[tokio::test]
async fn a_pull_in_windows_goes_oldest_first_and_can_be_gone_on_with() {
    let windowed = |_: &mut RestSettings, spec: &mut RestDataset| {
        spec.window = Some(TimeDelta::days(1));
        spec.query = vec![
            ("from".to_owned(), "{from:date}".to_owned()),
            ("to".to_owned(), "{to:date}".to_owned()),
        ];
    };
    let desk = Desk::new(windowed, |number, _, _| match number {
        2 => reply(500, ""),
        number if number < 8 => reply(200, body(number as u64..number as u64 + 1, "")),
        _ => reply(404, ""),
    })
    .await;
    let from = Some(at("2026-02-26T12:00:00Z"));
    let got = desk.pull(PullRequest { from, ..desk.request() }).await;
    assert_eq!(got.keys(), ["0", "1", "3"]);
    let place = |text: &str| Cursor { stamp: at(text), key: String::new() };
    assert_eq!(got.places, [place("2026-02-27T12:00:00Z"), place("2026-02-28T12:00:00Z")]);
    let asked: Vec<_> = desk.server.paths();
    assert_eq!(asked[0], "/api/v2/tickets?from=2026-02-26&to=2026-02-28");
    assert_eq!(asked[3], "/api/v2/tickets?from=2026-02-28&to=2026-03-02");
    assert_eq!(asked.len(), 4);
    // Gone on with from its second place: five minutes before it, and no place falls behind it.
    let resume = Some(place("2026-02-28T12:00:00Z"));
    let got = desk.pull(PullRequest { from, resume, ..desk.request() }).await;
    assert_eq!(got.keys(), ["4", "5"]);
    assert_eq!(got.places, [place("2026-03-01T11:55:00Z")]);
    assert_eq!(desk.server.paths()[4], "/api/v2/tickets?from=2026-02-28&to=2026-03-02");
    assert_eq!(got.pulled().watermark, at("2026-03-01T11:59:00Z"));
    // Changes since are cut as well, and tell no place: they become visible in one go.
    let got = desk.pull(desk.since("2026-02-28T10:00:00Z")).await;
    assert_eq!((got.keys(), got.places.len()), (vec!["6", "7"], 0));
}

#[tokio::test]
async fn a_page_that_has_not_changed_is_not_read_again() {
    let desk = Desk::of(
        &["id = text", "closed = timestamp"],
        |_, _| {},
        |number, asked, _| match asked.header("if-none-match") {
            Some("\"v1\"") => {
                let date = format!("Sun, 01 Mar 2026 12:0{number}:00 GMT");
                reply(304, "").with("date", date)
            }
            _ => reply(200, r#"{"data":[{"id":1,"closed":"soon"}]}"#)
                .with("etag", "\"v1\"")
                .with("last-modified", "Sun, 01 Mar 2026 11:00:00 GMT"),
        },
    )
    .await;
    let first = desk.first().await;
    let kept = first.pulled().watermark;
    assert_eq!((first.rows.len(), first.pulled().misfits), (1, 1));
    desk.clock.advance(TimeDelta::minutes(1));
    let again = PullRequest { since: Some(kept), ..desk.request() };
    let got = desk.pull(again).await;
    assert!(got.pulled().unchanged && got.rows.is_empty());
    // What did not fit is still there and still does not.
    assert_eq!((got.pulled().misfits, got.pulled().requests), (1, 1));
    let modified = Some("Sun, 01 Mar 2026 11:00:00 GMT");
    assert_eq!(desk.server.asked()[1].header("if-modified-since"), modified);
    // And again, from where that ended.
    desk.clock.advance(TimeDelta::minutes(1));
    let again = PullRequest { since: Some(got.pulled().watermark), ..desk.request() };
    let got = desk.pull(again).await;
    assert!(got.pulled().unchanged && got.pulled().misfits == 1);
    // Rows that were not kept are read again: a pull from elsewhere asks for everything.
    let got = desk.pull(desk.since("2026-03-01T11:00:00Z")).await;
    assert_eq!((got.rows.len(), got.pulled().unchanged), (1, false));
    assert_eq!(desk.server.asked()[3].header("if-none-match"), None);
    let got = desk.first().await;
    assert_eq!((got.rows.len(), desk.server.asked()[4].header("if-none-match")), (1, None));
}

#[tokio::test]
async fn a_page_that_was_modified_right_now_may_be_so_again_within_the_second() {
    let desk = Desk::of(
        &["id = text"],
        |_, _| {},
        |number, asked, _| match asked.header("if-modified-since") {
            Some(_) => reply(304, ""),
            // The second record came after the first answer and in the same second.
            None if number > 0 => reply(200, r#"{"data":[{"id":1},{"id":2}]}"#),
            None => reply(200, r#"{"data":[{"id":1}]}"#).with("last-modified", NOW_HTTP),
        },
    )
    .await;
    let kept = desk.first().await.pulled().watermark;
    desk.clock.advance(TimeDelta::minutes(1));
    let got = desk.pull(PullRequest { since: Some(kept), ..desk.request() }).await;
    assert_eq!(got.keys(), ["1", "2"]);
}

#[tokio::test]
async fn records_that_cannot_be_read_are_counted_and_too_many_fail_the_pull() {
    let desk = Desk::of(
        &["id = text", "updated = timestamp", "size = integer"],
        |_, spec| spec.bad_share_max = 0.5,
        |number, _, _| {
            let bad = if number == 0 { "" } else { ",{\"x\":\"private text\"},[1],null" };
            reply(200, format!(r#"{{"data":[{{"id":"a","size":"big"}},{{"id":"b"}},7{bad}]}}"#))
        },
    )
    .await;
    let got = desk.first().await;
    assert_eq!(got.rows, ["a _ _", "b _ _"]);
    let pulled = got.pulled();
    assert_eq!((pulled.records, pulled.left_out, pulled.misfits), (3, 1, 1));
    assert_eq!(
        pulled.misfit_samples,
        ["record 3 of a page is no object but `7`", "`size` of `a`: expected integer, found `big`"]
    );
    let got = desk.first().await;
    got.failed("Unreadable", &["4 of 6 records of `tickets`", "no key `id`: `{x}`"]);
    assert!(!got.outcome.unwrap_err().to_string().contains("private"));
}

#[tokio::test]
async fn the_quota_is_what_the_source_tells_and_requests_are_recalled() {
    let desk = Desk::new(
        |_, _| {},
        |_, _, _| {
            reply(200, body(0..1, ""))
                .with("x-ratelimit-limit", "5000")
                .with("x-ratelimit-remaining", "4900")
        },
    )
    .await;
    assert_eq!(desk.rest.quota(), None);
    desk.first().await.outcome.unwrap();
    assert_eq!(desk.rest.quota(), Some(Quota { used: 100, allowed: 5_000 }));
    let mut earlier = Spent::default();
    earlier.add(at(NOW) - TimeDelta::hours(2), 7);
    earlier.add(at(NOW), 2);
    desk.rest.recall(earlier);
    assert_eq!(desk.rest.spent().total(at(NOW)), 10);
    let days = desk.rest.day_counts(&desk.dataset, at(NOW)..at(NOW)).await;
    assert_eq!(days, Ok(None));
}

#[tokio::test]
async fn requests_keep_to_the_rate_of_their_source() {
    let desk = Desk::new(
        |settings, spec| {
            settings.rate = Some((30, TimeDelta::minutes(1)));
            spec.paging = Paging::Page { parameter: "page".to_owned(), first: 1, size: None };
        },
        |number, _, _| {
            let number = number as u64;
            reply(200, if number < 9 { body(number..number + 1, "") } else { body(0..0, "") })
        },
    )
    .await;
    assert_eq!(desk.first().await.pulled().requests, 10);
    assert_eq!(desk.clock.now(), at("2026-03-01T12:00:18Z"));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let check = |change: &dyn Fn(&mut RestSettings), expected: &str| {
        let mut settings = settings("https://desk.example.com", tickets(&["id = text"]).1);
        change(&mut settings);
        let Err(err) = Rest::new(settings, LeapingClock::at(NOW)) else { panic!("{expected}") };
        let said = err.to_string();
        assert!(said.contains(expected) && !said.contains("s3cr3t"), "{said}");
    };
    let mut open = settings("http://desk.example.com", tickets(&["id = text"]).1);
    open.auth = RestAuth::None;
    assert!(Rest::new(open, LeapingClock::at(NOW)).is_ok());
    let header = |name: &str, value: &str| (name.to_owned(), SecretString::from(value));
    check(&|settings| settings.base_url = "http://desk.example.com".to_owned(), "https://");
    check(&|settings| settings.headers = vec![header("X Y", "a")], "`X Y` is no name");
    check(&|settings| settings.headers = vec![header("X", "s3cr3t\nb")], "cannot be sent");
    check(
        &|settings| settings.auth = RestAuth::Bearer(SecretString::from("s3cr3t\nb")),
        "cannot be sent",
    );
    check(
        &|settings| settings.datasets.get_mut("tickets").unwrap().path = "/{since}".to_owned(),
        "dataset `tickets`: unknown placeholder `{since}`",
    );
    check(
        &|settings| settings.datasets.get_mut("tickets").unwrap().records = "data".to_owned(),
        "`data` is no JSON Pointer: write `/data`",
    );
}
