//! Explaining: why it fired, why it did not, who was told and what comes next, beside a running
//! daemon and without writing.

use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::Clock;
use postrider::demo::catcher::Answer;
use postrider::demo::org::{Id, Org, Value};
use postrider::engine::explain::{ExplainError, Explanation};

use crate::alerts::TYPES;
use crate::harness::process::Folder;
use crate::harness::records::{channel, ended, metric, session};
use crate::harness::{HEAD, PATIENCE, TestPostrider, utc};

const LONGEST: &str = r#"
[rules.longest]
title = "A customer waited too long"
type = "metrics"
date = "metric.CreatedDate"
where = "metric.MessagingSessionMetricType = 'MaxAgentResponseTime'"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "10 min"
every = "5 min"
for = "10 min"
levels = [["warning", "> 300"], ["critical", "> 900"]]

[rules.few]
type = "metrics"
date = "metric.CreatedDate"
value = "avg(metric.MessagingSessionMetricValue)"
min_records = 20
window = "30 min"
every = "5 min"
levels = [["warning", "> 1"]]

[[routes]]
when = "level = 'critical'"
to = ["ops-hook"]

[[routes]]
to = ["ops-mail"]
repeat = "1 h"
"#;

struct Story {
    t: TestPostrider,
    session: Id,
}

impl Story {
    async fn begin() -> Story {
        let mut id = None;
        let fill = |org: &Org| {
            let web = channel(org, "Web");
            id = Some(ended(org, &web, "2026-11-20T12:00:00Z", &[]));
        };
        let config = format!("{HEAD}{TYPES}{LONGEST}");
        let t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
        t.beat().await;
        Story { t, session: id.expect("a session") }
    }

    async fn until(&self, at: &str) {
        self.t.advance_to(&format!("2026-11-23T{at}:00Z")).await;
    }

    async fn waited(&self, at: &str, seconds: i64) {
        self.until(at).await;
        metric(&self.t.org, self.session, "MaxAgentResponseTime", seconds);
    }

    fn explain(&self, name: &str, at: Option<DateTime<Utc>>) -> Explanation {
        self.t.app.engine().explain(name, at).unwrap_or_else(|err| panic!("{err}"))
    }
}

#[track_caller]
fn has(lines: &[String], text: &str) {
    assert!(lines.iter().any(|line| line.contains(text)), "no `{text}` in {lines:#?}");
}

#[tokio::test]
async fn a_value_below_the_threshold_and_too_few_records_say_so() {
    let story = Story::begin().await;
    story.waited("09:01", 280).await;
    story.until("09:10").await;
    let explained = story.explain("longest", None);
    let seen = &explained.readings[0];
    assert_eq!((seen.value, seen.records), (Some(280.0), Some(1)), "{explained:#?}");
    assert_eq!(seen.verdict, "clear: not warning (> 300)");
    assert_eq!(seen.group, "Web");
    assert!(explained.incidents.is_empty());
    has(&explained.evaluation, "evaluated up to 2026-11-23 10:05");
    let few = story.explain("few", None);
    assert_eq!(
        few.readings[0].verdict,
        "empty: 1 records, fewer than `min_records` 20; nothing moves"
    );
}

#[tokio::test]
async fn within_its_hold_it_says_until_when_and_then_who_was_told_and_how_it_went() {
    let story = Story::begin().await;
    story.waited("09:01", 400).await;
    story.until("09:08").await;
    let pending = story.explain("longest", None);
    let [incident] = pending.incidents.as_slice() else { panic!("{pending:#?}") };
    assert_eq!(incident.state, "pending");
    has(&incident.why, "told after 10 min");
    let (at, what) = &incident.next[0];
    assert_eq!(
        (*at, what.as_str()),
        (utc("2026-11-23T09:15:00Z"), "it fires, if it is still in breach")
    );
    has(&incident.receivers.iter().map(|of| of.reason.clone()).collect::<Vec<_>>(), "pending");

    story.waited("09:09", 400).await;
    story.until("09:19").await;
    let id = story.t.incidents()[0].id.clone();
    let firing = story.explain(&id[..6], None);
    let [incident] = firing.incidents.as_slice() else { panic!("{firing:#?}") };
    assert_eq!((incident.state, &incident.incident), ("firing", &id));
    has(&incident.why, "firing at level warning (> 300)");
    assert!(incident.route.as_ref().unwrap().contains("ops-mail"), "{:?}", incident.route);
    let [told] = incident.notices.as_slice() else { panic!("{incident:#?}") };
    assert_eq!((told.kind, told.receiver.as_str()), ("fired", "ops-mail"));
    let [sent] = told.deliveries.as_slice() else { panic!("{told:#?}") };
    assert_eq!((sent.to.as_str(), sent.state.as_str()), ("ops@example.com", "delivered"));
    assert!(sent.said.as_ref().is_some_and(|said| said.contains("250")), "{sent:?}");
    let reasons: Vec<String> = incident.receivers.iter().map(|of| of.reason.clone()).collect();
    has(&reasons, "told");
    assert!(incident.receivers.iter().all(|of| !of.told_now), "{:?}", incident.receivers);
    assert!(!incident.next.is_empty(), "a reminder comes");

    // As it was: pending at 09:12, and nobody had been told.
    let then = story.explain(&id, Some(utc("2026-11-23T09:12:00Z")));
    let [incident] = then.incidents.as_slice() else { panic!("{then:#?}") };
    assert_eq!((incident.state, incident.notices.len()), ("pending", 0));
    assert!(then.decisions.iter().all(|decided| decided.at < utc("2026-11-23T09:12:00Z")));
    assert!(then.readings.iter().all(|seen| seen.slot <= utc("2026-11-23T09:12:00Z")));
}

#[tokio::test]
async fn a_webhook_that_refuses_shows_its_words_and_a_silent_source_its_lag() {
    let mut story = Story::begin().await;
    story.t.may_owe = true;
    for _ in 0..20 {
        story.t.catcher.answer(Answer::status(503));
    }
    story.waited("09:01", 1000).await;
    story.waited("09:09", 1000).await;
    story.until("09:19").await;
    let explained = story.explain("longest", None);
    let told = &explained.incidents[0].notices[0];
    assert_eq!(told.receiver, "ops-hook");
    let sent = &told.deliveries[0];
    assert_eq!(sent.state, "pending");
    assert!(sent.attempts > 0 && sent.said.as_ref().unwrap().contains("503"), "{sent:?}");

    story
        .t
        .org
        .faults()
        .always(postrider::demo::org::Fault::Unavailable, postrider::demo::org::On::any());
    story.until("09:50").await;
    let explained = story.explain("longest", None);
    has(&explained.evaluation, "waits for its data");
    has(&explained.evaluation, "blind: ");
}

#[tokio::test]
async fn it_writes_nothing_and_an_unknown_name_gets_the_nearest() {
    let story = Story::begin().await;
    story.waited("09:01", 400).await;
    story.until("09:08").await;
    let state = story.t.app.config().state.join("state.db");
    let other = rusqlite::Connection::open(&state).unwrap();
    let version =
        || -> i64 { other.query_row("pragma data_version", [], |row| row.get(0)).unwrap() };
    let before = version();
    story.explain("longest", None);
    story.explain("longest", Some(story.t.clock.now() - TimeDelta::minutes(5)));
    assert_eq!(version(), before, "nothing was written");
    let unknown = story.t.app.engine().explain("longst", None).unwrap_err();
    assert!(
        matches!(&unknown, ExplainError::Unknown { names, .. } if names.contains(&"longest".to_owned()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_answer_beside_a_running_daemon() {
    let folder = Folder::fast("2026-11-23T09:00:00Z", 60).await;
    let web = channel(&folder.org, "Web");
    session(&folder.org, &web, "2026-11-23T08:45:00Z", &[("Status", Value::Pick("Waiting"))]);
    let rule = r#"
[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 180"]]
[[routes]]
to = ["ops-mail", "ops-hook"]
"#;
    folder.write(&format!("{HEAD}{TYPES}{rule}"));
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider runs", 1).await;
    tokio::time::timeout(PATIENCE, folder.inbox.wait_for(1)).await.expect("the alert");
    tokio::time::timeout(PATIENCE, folder.catcher.wait_for(1)).await.expect("the alert");
    let said = folder.done(&["explain", "waiting"]);
    for text in
        ["levels.warning", "> 180", "breach of warning (> 180)", "ops-hook fired", "answered 200"]
    {
        assert!(said.contains(text), "no `{text}` in\n{said}");
    }
    let json = folder.done(&["explain", "waiting", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["definition"]["every"], "1 min");
    let id = json["incidents"][0]["incident"].as_str().unwrap().to_owned();
    assert!(folder.done(&["explain", &id[..8]]).contains("Incident"));
    let wrong = folder.run(&["explain", "waitng"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("did you mean `waiting`?"), "{said}");

    let listed = folder.done(&["incidents", "--open"]);
    assert!(listed.contains(&id) && listed.contains("firing"), "{listed}");
    let found = folder.done(&["ledger", "waiting", "--kind", "notification"]);
    assert!(found.contains("fired to `ops-mail`"), "{found}");
    assert!(!found.contains("  incident  "), "{found}");
    let of_incident = folder.done(&["ledger", &id, "--json"]);
    let lines: serde_json::Value = serde_json::from_str(&of_incident).unwrap();
    assert!(
        lines.as_array().unwrap().iter().all(|line| line["text"].as_str().unwrap().contains(&id))
    );
    let none = folder.run(&["ledger", "waitng"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("did you mean `waiting`?"));
    let status = folder.done(&["status"]);
    assert!(status.contains("ops@example.com"), "the last one that arrived: {status}");
    assert_eq!(daemon.stop().await.code(), Some(0));
}
