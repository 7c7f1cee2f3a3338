//! Cases about Bulk jobs: slow ones, failed and aborted ones, results with everything in them that a
//! careless reader of CSV trips over, and what is left behind at the org.

use std::sync::Arc;

use chrono::TimeDelta;
use postrider::clock::{Clock, ManualClock};
use postrider::demo::org::{Call, Fault, On, Org, Settings};

use super::{SESSIONS, World, ended_row};
use crate::harness::records::channel;
use crate::harness::{HEAD, TestPostrider, utc};

const NOON: &str = "2026-11-22T12:00:00Z";

/// More than 100 records are read by the Bulk API; accounts are few but for this test.
const ACCOUNTS: &str = r#"
[report_types.accounts]
from = "Account account"

[reports.accounts]
title = "Accounts"
type = "accounts"
period = "all time"
columns = ["account.Name as Account"]

[digests.daily]
reports = ["accounts"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

/// 300 sessions, one a minute; a page of a job's results has at most `page` records.
async fn sessions(page: usize, count: usize) -> World {
    let clock = Arc::new(ManualClock::new(utc(NOON)));
    let settings = Settings { bulk_page: page, ..Settings::default() };
    let org = Org::with(settings, Arc::clone(&clock) as Arc<dyn Clock>);
    let web = channel(&org, "Web");
    let first = utc("2026-11-21T08:00:00Z");
    let rows = (0..count).map(|at| {
        let mut row = ended_row(&web, first + TimeDelta::minutes(at as i64));
        row.push(("ChannelName", text(at).as_str().into()));
        row
    });
    org.load("MessagingSession", rows).unwrap();
    let config = format!("{HEAD}{SESSIONS}").replace("pull_every", "bulk_above = 100\npull_every");
    let t = TestPostrider::over(&config, clock, org).await;
    World { t, config }
}

/// Quotes, line ends inside them, commas, what looks like numbers, emoji.
fn text(at: usize) -> String {
    let odd = ["say \"hi\"", "two\r\nlines", "a,b", "0.0", "😀", " \"\"\" ", "=1+1", "null"];
    format!("{} #{at}", odd[at % odd.len()])
}

#[tokio::test]
async fn bulk_traps_exact_rows_in_three_pages() {
    let w = sessions(120, 300).await;
    // NUL bytes behind texts, whole numbers as `3.0`; a body that breaks off in the middle.
    w.t.org.faults().next(Fault::NulBytes, On::call(Call::BulkResults), 1);
    w.t.org.faults().next(Fault::TruncatedGzip, On::call(Call::BulkResults), 1);
    w.t.org.faults().next(Fault::DecimalInts, On::call(Call::BulkResults), 1);
    w.pull().await;
    assert_eq!(w.t.org.faults().waiting(), 0);
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records, &state.failure), (true, 300, &None));
    assert_eq!(w.count("MessagingSession"), 300, "header rows are not counted");
    // One page was asked for again, by its locator.
    assert!(w.asked(Call::BulkResults) >= 4, "{}", w.asked(Call::BulkResults));
    assert_eq!(w.asked(Call::BulkCreate), 1);
    let names: Vec<String> =
        w.stored("SELECT ChannelName FROM MessagingSession ORDER BY StartTime");
    for (at, name) in names.iter().enumerate() {
        assert_eq!(*name, text(at), "row {at}");
    }
    // An empty cell is no value.
    let empty = "SELECT count(*) FROM MessagingSession WHERE AcceptTime IS NULL";
    assert_eq!(w.stored::<i64>(empty), [300]);
    // Nothing is left behind.
    assert_eq!(w.asked(Call::BulkDelete), 1);
}

#[tokio::test]
async fn bulk_traps_rows_that_were_announced_and_do_not_come() {
    let w = sessions(120, 300).await;
    w.t.org.faults().always(Fault::WrongCount(1), On::call(Call::BulkResults));
    w.pull().await;
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records), (false, 0));
    assert!(
        w.failure("MessagingSession").contains("unreadable"),
        "{}",
        w.failure("MessagingSession")
    );
}

#[tokio::test]
async fn bulk_traps_an_abort_after_forty_looks_ends_with_its_reason() {
    let w = sessions(120, 300).await;
    w.t.org.faults().always(Fault::JobAborted(40), On::call(Call::BulkCreate));
    w.pull().await;
    let why = w.failure("MessagingSession");
    assert!(why.contains("aborted"), "{why}");
    assert!(w.asked(Call::BulkJob) >= 40, "it waited: {}", w.asked(Call::BulkJob));
    assert_eq!(w.asked(Call::BulkResults), 0);
    // Looks are further and further apart: forty take many minutes, not seconds.
    assert!(w.t.clock.now() - utc(NOON) > TimeDelta::minutes(5));
}

#[tokio::test]
async fn bulk_traps_a_failed_job_says_why() {
    let w = sessions(120, 300).await;
    let why = Fault::JobFails("InvalidBatch : the query is not one of ours");
    w.t.org.faults().always(why, On::call(Call::BulkCreate));
    w.pull().await;
    let why = w.failure("MessagingSession");
    assert!(why.contains("the query is not one of ours"), "{why}");
    assert_eq!(w.asked(Call::BulkResults), 0);
}

#[tokio::test]
async fn bulk_traps_results_asked_for_too_early() {
    for status in [412, 409, 204] {
        let w = sessions(120, 300).await;
        w.t.org.faults().early_results(status);
        w.t.org.faults().bulk_polls(3);
        w.pull().await;
        assert_eq!(w.count("MessagingSession"), 300, "{status}");
    }
}

#[tokio::test]
async fn bulk_traps_a_job_without_rows() {
    // What was counted is gone when the job looks for it.
    let w = sessions(120, 300).await;
    let ids: Vec<_> = w.t.org.records("MessagingSession").iter().map(|one| one.id()).collect();
    let purging = async {
        while w.queries().is_empty() {
            tokio::task::yield_now().await;
        }
        for id in ids {
            w.t.org.purge(id).unwrap();
        }
    };
    tokio::join!(w.pull(), purging);
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records, &state.failure), (true, 0, &None));
}

#[tokio::test]
async fn bulk_traps_a_stop_leaves_no_job_behind() {
    let w = sessions(120, 300).await;
    w.t.org.faults().always(Fault::JobPolls(1_000_000), On::call(Call::BulkCreate));
    let stop = async {
        while w.asked(Call::BulkJob) < 3 {
            tokio::task::yield_now().await;
        }
        w.t.app.engine().stop();
    };
    tokio::join!(w.pull(), stop);
    let plant = w.t.app.engine().plant();
    w.t.patiently(plant.sources["salesforce"].source.close()).await;
    assert_eq!(w.asked(Call::BulkAbort), 1);
    assert_eq!(w.asked(Call::BulkDelete), 1);
    assert!(!w.state("MessagingSession").ready);
}

#[tokio::test]
async fn an_object_that_bulk_refuses_comes_by_pages() {
    let w = sessions(120, 300).await;
    w.t.org.faults().refuse_bulk("MessagingSession");
    w.pull().await;
    assert_eq!(w.count("MessagingSession"), 300);
    assert_eq!((w.asked(Call::BulkCreate), w.asked(Call::BulkResults)), (1, 0));
}

#[tokio::test]
async fn what_is_read_whole_needs_no_job() {
    let fill = |org: &Org| {
        let rows = (0..300).map(|at| vec![("Name", text(at).as_str().into())]);
        org.load("Account", rows).unwrap();
    };
    let w = World::start(ACCOUNTS, NOON, fill).await;
    w.pull_again().await;
    assert_eq!(w.count("Account"), 300);
    assert_eq!(w.asked(Call::BulkCreate), 0);
}
