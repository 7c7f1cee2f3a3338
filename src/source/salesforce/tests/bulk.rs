//! The Bulk API against real sockets: what is asked in which order, what is made of its traps, what
//! is left behind at the org.

use super::*;
use crate::domain::dataset::Batch;
use org::{Bulk, Far, Route, counted, job, start};

mod demo;
mod org;
mod trouble;

/// What a pull gave: its outcome, keys in the order they came (deleted ones with a mark), every
/// place, every expectation, the most rows of a batch.
struct Read {
    outcome: Result<Pulled, SourceError>,
    keys: Vec<String>,
    places: Vec<Cursor>,
    expected: Vec<u64>,
    rows_max: usize,
}

impl Read {
    fn distinct(&self) -> usize {
        self.keys.iter().collect::<BTreeSet<_>>().len()
    }

    #[track_caller]
    fn down(&self) -> &str {
        match &self.outcome {
            Err(SourceError::Down { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn unreadable(&self) -> &str {
        match &self.outcome {
            Err(SourceError::Unreadable { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }
}

async fn read(far: &Far, request: PullRequest) -> Read {
    let (into, mut batches) = mpsc::channel::<Batch>(2);
    let dataset = request.dataset.clone();
    let collect = async move {
        let (mut keys, mut places, mut expected, mut rows_max) = (vec![], vec![], vec![], 0);
        while let Some(batch) = batches.recv().await {
            for (row, deleted) in batch.cells.chunks(dataset.fields.len()).zip(&batch.deleted) {
                let Cell::Text(at, len) = row[dataset.key] else { panic!("no key") };
                let mark = if *deleted { "!" } else { "" };
                keys.push(format!("{mark}{}", batch.text_of(at, len)));
            }
            rows_max = rows_max.max(batch.rows());
            expected.extend(batch.expected);
            places.extend(batch.cursor);
        }
        (keys, places, expected, rows_max)
    };
    let (outcome, (keys, places, expected, rows_max)) =
        tokio::join!(far.salesforce.pull(request, into), collect);
    Read { outcome, keys, places, expected, rows_max }
}

/// So many records, one every hour before noon.
fn hourly(count: usize) -> Vec<(String, DateTime<Utc>)> {
    let newest = at("2026-03-01T11:00:00Z");
    let record = |n| (format!("0Mw{n:05}"), newest - TimeDelta::hours(n as i64));
    (0..count).map(record).collect()
}

fn sessions() -> PullRequest {
    request("MessagingSession")
}

#[tokio::test]
async fn a_long_history_is_read_by_bulk() {
    let mut bulk = Bulk::new(hourly(25));
    bulk.deleted = vec!["0Mw00007".to_owned()];
    let far = start(bulk, |_, _, _| None).await;
    let got = read(&far, sessions()).await;
    let pulled = got.outcome.as_ref().unwrap();
    assert_eq!(far.story(), "count create look*3 results*3 delete query");
    assert_eq!((pulled.records, pulled.requests, got.keys.len()), (25, 10, 25));
    assert_eq!((got.distinct(), got.expected.as_slice()), (25, [25].as_slice()));
    assert!(got.keys.contains(&"!0Mw00007".to_owned()), "{:?}", got.keys);
    // Read to the end at the beginning, and what was committed during the job by pages.
    assert_eq!(pulled.watermark, at("2026-03-01T11:59:00Z"));
    assert_eq!(got.places.len(), 1);
    assert_eq!(got.places[0].stamp, at("2026-03-01T11:58:59.999Z"));
    let statement = &far.statements()[0];
    assert!(statement.starts_with("SELECT Id, "), "{statement}");
    let condition = "IsDeleted FROM MessagingSession WHERE SystemModstamp < 2026-03-01T11:59:00Z";
    assert!(statement.ends_with(condition), "{statement}");
    let Some(Route::Query(tail)) = far.routes().pop() else { panic!() };
    assert!(
        tail.contains(">= 2026-03-01T11:49:00Z AND SystemModstamp < 2026-03-01T11:59:0"),
        "{tail}"
    );
    let Route::Results(_, Some(locator)) = &far.routes()[7] else { panic!() };
    assert_eq!(locator, "20");
}

#[tokio::test]
async fn few_records_are_read_by_pages_and_nothing_new_costs_one_request() {
    let far = start(Bulk::new(hourly(10)), |_, _, _| None).await;
    let got = read(&far, sessions()).await;
    assert_eq!((far.story().as_str(), got.keys.len()), ("count query", 10));
    assert_eq!(got.expected, [10]);
    assert_eq!(got.outcome.unwrap().requests, 2);

    let far = start(Bulk::new(hourly(10)), |_, _, _| None).await;
    let since = |text| PullRequest { since: Some(at(text)), ..sessions() };
    let got = read(&far, since("2026-03-01T11:55:00Z")).await;
    assert_eq!((far.story().as_str(), got.keys.len()), ("query", 0));
    assert_eq!((got.places, got.expected), (vec![], vec![]));
    assert_eq!(got.outcome.unwrap().requests, 1);
    // A day and no more: not counted.
    let got = read(&far, since("2026-02-28T11:59:00Z")).await;
    assert_eq!((far.story().as_str(), got.keys.len()), ("query*2", 10));
}

#[tokio::test]
async fn a_wide_gap_is_counted_first() {
    let far = start(Bulk::new(hourly(500)), |_, _, _| None).await;
    let wide = PullRequest { since: Some(at("2026-02-27T10:00:00Z")), ..sessions() };
    let got = read(&far, wide.clone()).await;
    assert_eq!(far.story(), "count create look*3 results delete query");
    let since = "SystemModstamp >= 2026-02-27T09:50:00Z";
    assert!(far.statements()[0].contains(since), "{}", far.statements()[0]);
    assert_eq!((got.keys.len(), got.distinct()), (50, 50));
    assert_eq!(got.outcome.unwrap().watermark, at("2026-03-01T11:59:00Z"));

    let far = start(Bulk::new(vec![]), |_, _, _| None).await;
    let got = read(&far, wide).await;
    let pulled = got.outcome.unwrap();
    // Asked for all the same: which fields are shown is known by that alone.
    assert_eq!((far.story().as_str(), pulled.requests), ("count query", 2));
    assert_eq!(pulled.watermark, at("2026-03-01T11:59:00Z"));
}

#[tokio::test]
async fn without_bulk_the_first_page_says_how_much_is_coming() {
    let far = start(Bulk::new(hourly(30)), |_, _, _| None).await;
    let mut settings = settings(&far.server.url);
    settings.bulk_above = None;
    settings.overlap = TimeDelta::minutes(25);
    let far = Far { salesforce: Salesforce::new(settings, far.clock.clone()).unwrap(), ..far };
    let got = read(&far, sessions()).await;
    assert_eq!((far.story().as_str(), got.keys.len()), ("query", 30));
    assert_eq!(got.expected, [30]);
    read(&far, PullRequest { since: Some(at("2026-03-01T11:30:00Z")), ..sessions() }).await;
    let Some(Route::Query(soql)) = far.routes().pop() else { panic!() };
    assert!(soql.contains("SystemModstamp >= 2026-03-01T11:05:00Z"), "{soql}");
}

/// Counts as if there were so many records an hour.
fn dense(an_hour: u64) -> impl Fn(&Bulk, &Route, usize) -> Option<Reply> {
    move |_, route, _| {
        let Route::Count(soql) = route else { return None };
        let instant = |mark: &str| Some(at(&soql.split_once(mark)?.1[..20]));
        let begin = instant(">= ").or(instant("> 2").map(|_| at("2026-02-01T00:00:00Z")));
        let begin = begin.unwrap_or(at("2026-02-01T00:00:00Z")).max(at("2026-02-01T00:00:00Z"));
        let hours = (instant(" < ").unwrap() - begin).num_hours().max(0) as u64;
        Some(counted(hours * an_hour))
    }
}

#[tokio::test]
async fn a_history_is_read_in_windows_and_a_kill_costs_one() {
    let far = start(Bulk::new(hourly(600)), dense(3_000)).await;
    let from = PullRequest { from: Some(at("2026-02-01T00:00:00Z")), ..sessions() };
    let got = read(&far, from.clone()).await;
    assert_eq!((got.keys.len(), got.distinct()), (600, 600));
    let windows: Vec<_> = far.statements().iter().map(|soql| bounds(soql)).collect();
    assert!((5..=7).contains(&windows.len()), "{windows:?}");
    assert_eq!(windows[0].0, at("2026-02-01T00:00:00Z"));
    assert_eq!(windows[windows.len() - 1].1, at("2026-03-01T11:59:00Z"));
    for (window, next) in windows.iter().zip(&windows[1..]) {
        assert_eq!(window.1, next.0, "a gap or an overlap");
    }
    // A place for each window, and none for a row.
    let places: Vec<_> = got.places.iter().map(|place| place.stamp).collect();
    let ends: Vec<_> = windows.iter().map(|(_, end)| *end - TimeDelta::milliseconds(1)).collect();
    assert_eq!(places, ends);
    assert!(got.places.iter().all(|place| place.key.is_empty()));

    // Killed in the third window: the next one begins with it, not before and not behind.
    let far = start(Bulk::new(hourly(600)), dense(3_000)).await;
    let resumed = PullRequest { resume: Some(got.places[1].clone()), ..from };
    let rest = read(&far, resumed).await;
    assert_eq!(bounds(&far.statements()[0]).0, windows[2].0);
    let first: BTreeSet<_> = hourly(600)
        .into_iter()
        .filter(|(_, stamp)| *stamp < windows[1].1)
        .map(|(key, _)| key)
        .collect();
    let mut both = first.clone();
    both.extend(rest.keys.iter().cloned());
    assert_eq!(both.len(), 600);
    // What was committed late before it was looked for.
    let Route::Query(late) = &far.routes()[0] else { panic!() };
    assert_eq!(bounds(late).0, windows[2].0 - TimeDelta::minutes(10) - TimeDelta::seconds(1));
}

/// The instants a statement asks for.
fn bounds(soql: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    let instant = |mark: &str| at(soql.split_once(mark).unwrap().1.split(' ').next().unwrap());
    (instant("SystemModstamp >= "), instant("SystemModstamp < "))
}

#[tokio::test]
async fn a_history_without_a_beginning_ends_and_skips_what_is_empty() {
    let far = start(Bulk::new(hourly(600)), dense(3_000)).await;
    let got = read(&far, sessions()).await;
    assert_eq!((got.keys.len(), got.distinct()), (600, 600));
    let counts = far.routes().iter().filter(|route| route.kind() == "count").count();
    assert!(counts < 40 && far.statements().len() < 12, "{}", far.story());
}

#[tokio::test]
async fn a_pull_that_is_dropped_leaves_its_job_to_be_closed() {
    let far = start(Bulk::new(hourly(25)), |_, route, _| match route {
        // Nobody reads on, so the pull waits with its job open.
        Route::Look(id) => Some(job(id, "JobComplete", "")),
        _ => None,
    })
    .await;
    {
        let (into, mut batches) = mpsc::channel::<Batch>(1);
        let pull = far.salesforce.pull(sessions(), into);
        let first_rows =
            async { while batches.recv().await.is_some_and(|batch| batch.rows() == 0) {} };
        tokio::select! {
            done = pull => panic!("{done:?}"),
            () = first_rows => {}
        }
    }
    assert!(!far.story().contains("delete"), "{}", far.story());
    far.salesforce.close().await;
    assert!(far.story().ends_with("abort delete"), "{}", far.story());
    // Once is enough.
    let asked = far.routes().len();
    far.salesforce.close().await;
    assert_eq!(far.routes().len(), asked);
}

#[tokio::test]
async fn batches_stay_small_whatever_a_page_holds() {
    let mut bulk = Bulk::new(hourly(4_500));
    bulk.page = 100_000;
    let far = start(bulk, |_, _, _| None).await;
    let got = read(&far, sessions()).await;
    assert_eq!((got.keys.len(), got.distinct(), got.rows_max), (4_500, 4_500, 2_000));
}

/// A statement for every column, of all records.
fn soql_of_everything() -> String {
    let dataset = dataset("MessagingSession");
    let paths: Vec<_> = dataset.fields.iter().map(|field| field.path.as_str()).collect();
    format!("SELECT {}, IsDeleted FROM MessagingSession", paths.join(", "))
}
