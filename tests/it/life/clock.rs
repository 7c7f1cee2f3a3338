//! A clock that jumps, under the daemon's own loops: what is made of it cannot be taken back, so it
//! is doubted first, and no slot ever comes twice.

use std::future::Future;
use std::time::Duration;

use chrono::TimeDelta;
use postrider::clock::Clock as _;
use postrider::demo::inbox::{Act, Stage};

use super::fill;
use crate::harness::{HEAD, Letter, PATIENCE, TRAFFIC, TestPostrider, utc};

const DAILY: &str = r#"
[digests.daily]
subject = "Traffic of {{ date }}"
reports = ["traffic"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

const TENTH: &str = r#"
[digests.tenth]
reports = ["traffic"]
schedule = "*/10 * * * *"
to = ["ana@example.com"]
"#;

async fn start(digest: &str, at: &str) -> TestPostrider {
    let config = format!("{HEAD}{TRAFFIC}{digest}").replace("Europe/Berlin", "UTC");
    let mut t = TestPostrider::start(&config, at, fill).await;
    // What was told at the very end may wait.
    t.may_owe = true;
    t
}

/// Runs the daemon while the script goes on, then stops it.
async fn beside(t: &TestPostrider, script: impl Future<Output = ()>) {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let running = t.app.run(async {
        let _ = stopped.await;
    });
    let script = async {
        tokio::time::timeout(PATIENCE, script).await.expect("within the test's patience");
        let _ = stop.send(());
    };
    let (ran, ()) = tokio::join!(running, script);
    ran.unwrap();
}

/// So many of the daemon's own beats.
async fn beats(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Waits until the state says so.
async fn until(t: &TestPostrider, what: &str, holds: impl Fn(&TestPostrider) -> bool) {
    let waiting = async {
        while !holds(t) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE / 4, waiting).await;
    assert!(waited.is_ok(), "no {what} at {}: {:#?}", t.clock.now(), t.deliveries());
}

fn considered(t: &TestPostrider) -> bool {
    let state = &t.app.engine().store().state;
    let sql = "select count(*) from schedule";
    state.read(|tx| Ok(tx.query_row(sql, [], |row| row.get::<_, i64>(0))?)).unwrap() > 0
}

#[tokio::test]
async fn ten_days_forward_and_back_again_cost_nothing() {
    let t = start(DAILY, "2026-11-23T07:00:00Z").await;
    let script = async {
        until(&t, "slot", considered).await;
        t.clock.set(utc("2026-12-03T09:00:00Z"));
        beats(3).await;
        assert_eq!(t.deliveries().len(), 0, "nothing is made of it");
        t.clock.set(utc("2026-11-23T07:01:00Z"));
        beats(2).await;
        t.clock.set(utc("2026-11-23T08:01:00Z"));
        until(&t, "the mail", |t| t.mails_to("ana@example.com").len() == 1).await;
    };
    beside(&t, script).await;
    let subjects: Vec<String> =
        t.letters_to("ana@example.com").into_iter().map(|letter| letter.subject).collect();
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains("23"), "today's: {subjects:?}");
    assert_eq!(t.ledger("clock").len(), 1, "{:?}", t.ledger("clock"));
}

#[tokio::test]
async fn an_hour_back_repeats_no_slot_and_makes_nothing_wait_longer() {
    let t = start(TENTH, "2026-11-23T08:59:00Z").await;
    let script = async {
        until(&t, "slot", considered).await;
        t.clock.set(utc("2026-11-23T09:00:10Z"));
        until(&t, "first mail", |t| t.mails_to("ana@example.com").len() == 1).await;
        // A server that asks for patience: the next mail waits for a while.
        t.inbox.misbehave(Stage::Rcpt, Act::Answer("451 4.7.1 come again".into()), 1);
        t.clock.set(utc("2026-11-23T09:10:10Z"));
        let waits = |t: &TestPostrider| {
            let rows = t.deliveries();
            rows.iter().any(|row| row.state == "pending" && row.reason.is_some())
        };
        until(&t, "wait", waits).await;
        t.clock.set(utc("2026-11-23T08:10:10Z"));
        until(&t, "word of the clock", |t| !t.ledger("clock").is_empty()).await;
        // Six minutes later, by a clock that is an hour behind what it was.
        t.clock.advance(TimeDelta::minutes(6));
        let sent = |t: &TestPostrider| t.mails_to("ana@example.com").len() == 2;
        until(&t, "second mail", sent).await;
        // Through the same hour again.
        for minute in 17..65 {
            t.clock.set(utc("2026-11-23T08:00:10Z") + TimeDelta::minutes(minute));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        beats(2).await;
        assert_eq!(t.mails_to("ana@example.com").len(), 2, "no slot comes twice");
        t.clock.set(utc("2026-11-23T09:20:10Z"));
        until(&t, "third mail", |t| t.mails_to("ana@example.com").len() == 3).await;
    };
    beside(&t, script).await;
    let mut ids: Vec<String> =
        t.mails_to("ana@example.com").iter().map(|mail| Letter::read(mail).message_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_dead_clock_is_waited_for() {
    let t = start(TENTH, "1970-01-01T00:05:00Z").await;
    let script = async {
        beats(2).await;
        t.clock.set(utc("1970-01-01T00:20:00Z"));
        beats(2).await;
        assert!(!considered(&t), "nothing was begun");
        t.clock.set(utc("2026-11-23T08:59:00Z"));
        until(&t, "slot", considered).await;
        t.clock.set(utc("2026-11-23T09:00:10Z"));
        until(&t, "mail", |t| t.mails_to("ana@example.com").len() == 1).await;
    };
    beside(&t, script).await;
    assert!(t.clock.now() > utc("2026-01-01T00:00:00Z"));
}
