//! A process may end between any two steps of its work: what people get is the same, once each.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use postrider::clock::Clock;
use postrider::demo::org::{Org, Value};

use crate::harness::records::{channel, ended, metric, session};
use crate::harness::{HEAD, TRAFFIC, TestPostrider, utc};

const CONFIG: &str = r#"
[report_types.metrics]
from = """
  MessagingSessionMetrics metric
  join MessagingSession session on session.Id = metric.MessagingSessionId
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[rules.longest]
type = "metrics"
date = "metric.CreatedDate"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "5 min"
every = "1 min"
levels = [["warning", "> 300"], ["critical", "> 900"]]
for = "2 min"

[rules.waiting]
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 180"]]

[[routes]]
to = ["ops-mail", "ops-hook"]

[digests.often]
reports = ["traffic"]
schedule = "*/10 * * * *"
missed = "all"
to = ["ana@example.com", "ops-hook"]
"#;

/// Messages by recipient and id, with how often each arrived.
type Arrived = BTreeMap<(String, String), usize>;

/// Plays half an hour; after step `n` of the engine's work the process ends if `ends(n)`.
async fn play(ends: impl Fn(usize) -> bool) -> (Arrived, usize) {
    let config = format!("{HEAD}{TRAFFIC}{CONFIG}");
    let mut ids = Vec::new();
    let fill = |org: &Org| {
        for label in ["Web", "Text"] {
            let channel = channel(org, label);
            ids.push((channel, ended(org, &channel, "2026-11-22T12:00:00Z", &[])));
        }
    };
    let mut t = TestPostrider::start(&config, "2026-11-23T08:55:00Z", fill).await;
    t.beat().await;
    let (web, text) = (ids[0], ids[1]);
    let mut step = 0;
    let mut waiting = None;
    for minute in 0..30 {
        t.clock.set(utc("2026-11-23T08:55:00Z") + TimeDelta::minutes(minute));
        let now = t.clock.now().to_rfc3339();
        match minute {
            3 | 5 => drop(metric(&t.org, web.1, "MaxAgentResponseTime", 400)),
            8 => drop(metric(&t.org, text.1, "MaxAgentResponseTime", 5000)),
            9 => drop(metric(&t.org, web.1, "MaxAgentResponseTime", 1000)),
            10 => {
                let status = [("Status", Value::Pick("Waiting"))];
                waiting = Some(session(&t.org, &text.0, &now, &status));
            }
            15 => drop(metric(&t.org, web.1, "MaxAgentResponseTime", 10)),
            20 => {
                let status = [("Status", Value::Pick("Active"))];
                t.org.update(waiting.expect("it waits"), &status).unwrap();
            }
            _ => {}
        }
        for turn in 0..8 {
            let engine = t.app.engine();
            match turn % 4 {
                0 => t.patiently(engine.pull_due("salesforce")).await.unwrap(),
                1 => t.patiently(engine.evaluate_due()).await.unwrap(),
                2 => t.patiently(engine.digests_due()).await.unwrap(),
                _ => t.patiently(engine.deliver_due()).await.unwrap(),
            };
            if ends(step) {
                t.restart(&config).await;
            }
            step += 1;
        }
    }
    let mut arrived = Arrived::new();
    for mail in t.inbox.mails() {
        let letter = crate::harness::Letter::read(&mail);
        *arrived.entry((mail.recipients.join(" "), letter.message_id)).or_default() += 1;
    }
    for hook in t.catcher.hooks() {
        let id = hook.header("webhook-id").expect("an id").to_owned();
        *arrived.entry(("ops-hook".to_owned(), id)).or_default() += 1;
    }
    (arrived, step)
}

#[tokio::test]
async fn ending_between_any_two_steps_changes_no_message() {
    let (expected, steps) = play(|_| false).await;
    assert!(expected.len() > 12, "a story without messages proves nothing: {expected:#?}");
    assert!(expected.values().all(|times| *times == 1), "{expected:#?}");
    let (always, _) = play(|_| true).await;
    assert_eq!(always, expected, "a restart after every step");
    // Some of the steps, other ones each time.
    for seed in 1..=3_u64 {
        let ends = |step: usize| {
            let mixed =
                (step as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(seed as u32 * 7);
            mixed.wrapping_mul(seed) >> 61 == 0
        };
        let restarts = (0..steps).filter(|step| ends(*step)).count();
        assert!(restarts > 5, "seed {seed}: {restarts} restarts");
        let (arrived, _) = play(ends).await;
        assert_eq!(arrived, expected, "seed {seed}");
    }
}
