//! The dead man's switch: it hears from postrider as long as the work is really done.

use chrono::TimeDelta;
use postrider::clock::Clock;
use postrider::demo::catcher::Answer;
use postrider::demo::org::{Fault, On, Org, Value};

use crate::alerts::TYPES;
use crate::harness::process::Folder;
use crate::harness::records::{channel, session};
use crate::harness::{HEAD, PATIENCE, TestPostrider};

const RULE: &str = r#"
[rules.waiting]
type = "sessions"
where = "session.Status = 'Waiting'"
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 86400"]]

[[routes]]
to = ["ops-mail"]
"#;

fn config() -> String {
    let beat = "[postrider]\nheartbeat = \"env:HOOK_URL\"\nheartbeat_every = \"5 min\"\n";
    format!("{}{TYPES}{RULE}", HEAD.replace("[postrider]\n", beat))
}

fn fill(org: &Org) {
    let web = channel(org, "Web");
    session(org, &web, "2026-11-23T08:45:00Z", &[("Status", Value::Pick("Active"))]);
}

async fn start() -> TestPostrider {
    let t = TestPostrider::start(&config(), "2026-11-23T09:00:00Z", fill).await;
    t.beat().await;
    t
}

/// Minutes of the app's loops: each turns, then the heartbeat is looked at.
async fn minutes(t: &TestPostrider, count: i64) {
    for _ in 0..count {
        t.advance(TimeDelta::minutes(1)).await;
        let engine = t.app.engine();
        for part in ["rules", "digests", "deliveries", "housekeeping"] {
            engine.turned(part, None);
        }
        std::sync::Arc::clone(engine).heartbeat_due().await.unwrap();
    }
}

fn beats(t: &TestPostrider) -> usize {
    let hooks = t.catcher.hooks();
    hooks.iter().filter(|hook| hook.json()["type"] == "heartbeat").count()
}

fn said(t: &TestPostrider) -> Vec<String> {
    t.ledger("heartbeat").into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn it_beats_in_time_and_is_no_delivery() {
    let t = start().await;
    minutes(&t, 16).await;
    assert_eq!(beats(&t), 4, "at once and every five minutes");
    assert_eq!(t.deliveries().len(), 0, "nothing of it is in the outbox");
    assert_eq!(said(&t), [""; 0], "nothing changed, nothing is told");
    let hook = t.catcher.hooks()[0].json();
    assert_eq!(hook["timestamp"], "2026-11-23T09:01:00Z");
}

#[tokio::test]
async fn a_source_that_is_silent_withholds_it_until_it_is_back() {
    let mut t = start().await;
    t.may_owe = true;
    minutes(&t, 1).await;
    t.org.faults().always(Fault::Unavailable, On::any());
    minutes(&t, 40).await;
    let silent = beats(&t);
    assert!((3..=6).contains(&silent), "{silent} beats: not the first moment, not for long");
    minutes(&t, 20).await;
    assert_eq!(beats(&t), silent, "withheld");
    let lines = said(&t);
    assert_eq!(lines.len(), 1, "told once: {lines:?}");
    assert!(lines[0].starts_with("withheld: ") && lines[0].contains("no data"), "{lines:?}");
    t.org.faults().clear();
    minutes(&t, 15).await;
    assert!(beats(&t) > silent);
    assert_eq!(said(&t).last().unwrap(), "taken");
}

#[tokio::test]
async fn a_loop_that_stands_still_or_fails_withholds_it() {
    let t = start().await;
    minutes(&t, 1).await;
    let engine = t.app.engine();
    t.clock.set(t.clock.now() + TimeDelta::minutes(11));
    for part in ["digests", "deliveries", "housekeeping"] {
        engine.turned(part, None);
    }
    std::sync::Arc::clone(engine).heartbeat_due().await.unwrap();
    assert_eq!(said(&t), ["withheld: rules stand still for 11 min"]);
    engine.turned("rules", Some("disk full"));
    t.advance(TimeDelta::minutes(11)).await;
    for part in ["digests", "deliveries", "housekeeping"] {
        engine.turned(part, None);
    }
    engine.turned("rules", Some("disk full"));
    std::sync::Arc::clone(engine).heartbeat_due().await.unwrap();
    assert_eq!(beats(&t), 1, "the one before");
    minutes(&t, 6).await;
    assert!(beats(&t) > 1, "back: {:?}", said(&t));
}

#[tokio::test]
async fn a_long_turn_that_gets_further_does_not_stand_still() {
    let t = start().await;
    minutes(&t, 1).await;
    let engine = t.app.engine();
    let steps = || engine.turns().into_iter().find(|(part, _)| *part == "rules").unwrap().1;
    let before = steps();
    // Slots are evaluated, and no turn of the loop ends.
    t.advance(TimeDelta::minutes(11)).await;
    assert!(before + 11 <= steps(), "{before}, {}", steps());
    for part in ["digests", "deliveries", "housekeeping"] {
        engine.turned(part, None);
    }
    std::sync::Arc::clone(engine).heartbeat_due().await.unwrap();
    assert_eq!((beats(&t), said(&t)), (2, Vec::<String>::new()));
}

#[tokio::test]
async fn a_state_that_cannot_be_written_withholds_it() {
    let t = start().await;
    minutes(&t, 1).await;
    let state = t.app.config().state.join("state.db");
    let other = rusqlite::Connection::open(state).unwrap();
    other.execute_batch("create trigger full before update on pulse begin select raise(abort, 'disk full'); end").unwrap();
    t.clock.set(t.clock.now() + TimeDelta::minutes(6));
    let engine = t.app.engine();
    for part in ["rules", "digests", "deliveries", "housekeeping"] {
        engine.turned(part, None);
    }
    let failed = std::sync::Arc::clone(engine).heartbeat_due().await;
    assert!(failed.is_err());
    assert_eq!(beats(&t), 1, "the one before");
}

#[tokio::test]
async fn one_that_is_not_taken_is_tried_again_soon_and_told_once() {
    let t = start().await;
    t.catcher.answer(Answer::status(503));
    t.catcher.answer(Answer::status(503));
    minutes(&t, 4).await;
    assert_eq!(beats(&t), 3, "two that were not taken and one that was");
    assert_eq!(said(&t), ["not taken: answered 503", "taken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_beats_by_itself_and_shows_the_address_nowhere() {
    let folder = Folder::fast("2026-11-23T09:00:00Z", 60).await;
    fill(&folder.org);
    folder.write(&config().replace("\"5 min\"", "\"1 min\""));
    let mut daemon = folder.daemon(&["--log", "debug"]);
    daemon.says("postrider runs", 1).await;
    tokio::time::timeout(PATIENCE, folder.catcher.wait_for(3)).await.expect("three beats");
    let status = folder.done(&["status"]);
    assert!(status.contains("heartbeat: taken"), "{status}");
    folder.org.faults().always(Fault::Unavailable, On::any());
    daemon.says("heartbeat withheld: ", 1).await;
    let address = folder.catcher.url();
    assert!(!daemon.log().iter().any(|line| line.contains(&address)), "{:?}", daemon.log());
    assert_eq!(daemon.stop().await.code(), Some(0));
}
