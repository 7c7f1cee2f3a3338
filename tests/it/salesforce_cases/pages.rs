//! Cases about pages: ties, tokens and locators that die between them, sizes nobody asked for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use postrider::demo::org::{Call, Fault, Id, On, Org, Value};

use super::{SESSIONS, World, ended_row};
use crate::harness::records::channel;
use crate::harness::utc;

const NOON: &str = "2026-03-01T12:00:00Z";

/// So many ended sessions whose stamps `stamp` gives.
fn sessions(org: &Org, count: usize, stamp: impl Fn(usize) -> DateTime<Utc>) -> Vec<Id> {
    let web = channel(org, "Web");
    org.load("MessagingSession", (0..count).map(|at| ended_row(&web, stamp(at)))).unwrap()
}

/// The pages of the next reading have these sizes, whatever is asked for.
fn sizes(w: &World, sizes: &[usize]) {
    let mut faults = w.t.org.faults();
    for (at, size) in sizes.iter().enumerate() {
        let on = match at {
            0 => On::soql("ORDER BY SystemModstamp"),
            _ => On::call(Call::QueryMore),
        };
        faults.next(Fault::Page(*size), on, 1);
    }
}

#[tokio::test]
async fn tie_wall() {
    let tie = utc("2026-03-01T10:00:00Z");
    let mut ids = Vec::new();
    let fill = |org: &Org| ids = sessions(org, 2_500, |_| tie);
    let mut w = World::start(SESSIONS, NOON, fill).await;
    ids.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));

    // Three pages of 200 come; the fourth never does, and the process is killed while it waits.
    sizes(&w, &[200; 3]);
    w.t.org.faults().next(Fault::Slow(Duration::from_secs(3_600)), On::call(Call::QueryMore), 1);
    w.t.org.faults().always(Fault::Page(200), On::any());
    let killed = async {
        while w.state("MessagingSession").load_records < 600 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = w.pull() => panic!("the fourth page came"),
        () = killed => {}
    }
    assert!(!w.state("MessagingSession").ready, "nothing is shown of a load that is half done");
    let place = "SELECT load_stamp || ' ' || load_key FROM _dataset_state \
                 WHERE dataset = 'MessagingSession'";
    let six_hundredth = format!("{} {}", tie.timestamp_millis(), ids[599]);
    assert_eq!(w.stored::<String>(place), [six_hundredth]);

    // The fourth page may not have been asked for yet when the process was killed.
    w.t.org.faults().clear();
    w.t.org.faults().always(Fault::Page(200), On::any());
    w.restart().await;
    w.t.org.forget_requests();
    w.pull().await;
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records, &state.failure), (true, 2_500, &None));
    assert_eq!(w.count("MessagingSession"), 2_500);
    let stored: Vec<String> = w.stored("SELECT Id FROM MessagingSession ORDER BY Id");
    assert!(stored.iter().eq(ids.iter().map(|id| id.as_str())));
    // It went on inside the tie, behind the last record stored, and asked nothing twice: what was
    // committed late before the tie, then 1 900 records by 200.
    let asked = w.statements("MessagingSession");
    let inside = format!("SystemModstamp = 2026-03-01T10:00:00Z AND Id > '{}'", ids[599]);
    assert!(asked.last().unwrap().contains(&inside), "{asked:?}");
    assert!(asked.len() <= 2, "{asked:?}");
    // The request of the killed process may arrive only now.
    let more = w.asked(Call::QueryMore);
    assert!((9..=10).contains(&more), "{more}");
    assert_eq!(state.watermark, Some(utc("2026-03-01T11:59:00Z")));
}

/// 6 000 sessions, one a second; the second page meets the fault.
async fn dies_between_pages(fault: Fault, tokens: u64) {
    let told = format!("{fault:?}");
    let first = utc("2026-03-01T08:00:00Z");
    let fill = |org: &Org| {
        sessions(org, 6_000, |at| first + chrono::TimeDelta::seconds(at as i64));
    };
    let w = World::start(SESSIONS, NOON, fill).await;
    w.t.org.faults().next(fault, On::call(Call::QueryMore), 1);
    w.pull().await;
    assert_eq!(w.t.org.faults().waiting(), 0, "{told}: it was met");
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records, &state.failure), (true, 6_000, &None), "{told}");
    assert_eq!(w.count("MessagingSession"), 6_000, "{told}");
    assert_eq!(w.asked(Call::Token), tokens, "{told}");
    // The query began again behind the last record of the first page.
    let asked = w.statements("MessagingSession");
    assert_eq!(asked.len(), 2, "{told}: {asked:?}");
    let last = first + chrono::TimeDelta::seconds(1_999);
    let behind = format!("SystemModstamp = {} AND Id > '", last.format("%Y-%m-%dT%H:%M:%SZ"));
    assert!(asked[1].contains(&behind), "{told}: {}", asked[1]);
    // No locator of the first session is shown to the second.
    let seen = w.t.org.seen();
    let again = seen.iter().rposition(|seen| seen.call == Call::QueryAll).unwrap();
    let old: Vec<_> = seen[..again].iter().filter(|seen| seen.call == Call::QueryMore).collect();
    assert_eq!(old.len(), 1, "{told}");
    let name = |target: &str| target.rsplit_once('-').unwrap().0.to_owned();
    let dead = name(&old[0].target);
    assert!(seen[again..].iter().all(|seen| !seen.target.starts_with(&dead)), "{told}");
}

#[tokio::test]
async fn token_dies_between_pages() {
    dies_between_pages(Fault::TokenExpired, 2).await;
}

#[tokio::test]
async fn locator_expires_between_pages() {
    dies_between_pages(Fault::LocatorExpired, 1).await;
    let bad = "invalid query locator";
    let other = Fault::Error { status: 404, code: "NOT_FOUND", message: bad };
    dies_between_pages(other, 1).await;
}

#[tokio::test]
async fn short_and_shrinking_pages() {
    let first = utc("2026-03-01T08:00:00Z");
    let fill = |org: &Org| {
        sessions(org, 3_000, |at| first + chrono::TimeDelta::seconds(at as i64 / 3));
    };
    let w = World::start(SESSIONS, NOON, fill).await;
    // The rest, 749, comes with `done`.
    sizes(&w, &[250, 2_000, 1, 0]);
    w.pull().await;
    let state = w.state("MessagingSession");
    assert_eq!((state.ready, state.records, &state.failure), (true, 3_000, &None));
    assert_eq!(w.count("MessagingSession"), 3_000);
    assert_eq!((w.statements("MessagingSession").len(), w.asked(Call::QueryMore)), (1, 4));
}

#[tokio::test]
async fn pages_smaller_than_any_that_may_be_asked_for() {
    let first = utc("2026-03-01T08:00:00Z");
    let fill = |org: &Org| {
        sessions(org, 40, |_| first);
    };
    let w = World::start(SESSIONS, NOON, fill).await;
    sizes(&w, &[1; 39]);
    w.pull().await;
    assert_eq!(w.count("MessagingSession"), 40);
    assert_eq!(w.asked(Call::QueryMore), 39);
}

#[tokio::test]
async fn rows_that_change_while_pages_are_read_come_once_and_as_they_are() {
    let first = utc("2026-03-01T08:00:00Z");
    let mut ids = Vec::new();
    let fill = |org: &Org| ids = sessions(org, 400, |_| first);
    let w = World::start(SESSIONS, NOON, fill).await;
    sizes(&w, &[200]);
    w.t.org.faults().next(Fault::Slow(Duration::from_millis(1)), On::call(Call::QueryMore), 1);
    let changing = async {
        while w.asked(Call::QueryAll) == 0 {
            tokio::task::yield_now().await;
        }
        // One that was read, one that is still to come, one that goes.
        w.t.org.update(ids[0], &[("Status", Value::Pick("Error"))]).unwrap();
        w.t.org.update(ids[399], &[("Status", Value::Pick("Error"))]).unwrap();
        w.t.org.delete(ids[398]).unwrap();
    };
    tokio::join!(w.pull(), changing);
    w.pull_again().await;
    assert_eq!(w.count("MessagingSession"), 399);
    let sql = "SELECT count(*) FROM MessagingSession WHERE Status = 'Error' AND _deleted = 0";
    assert_eq!(w.stored::<i64>(sql), [2]);
}
