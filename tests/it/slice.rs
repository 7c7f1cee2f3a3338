//! The whole way once: records in the org, a pull, a digest on Monday morning, mails and a webhook.

use chrono::TimeDelta;
use postrider::demo::catcher::Signed;
use postrider::demo::org::{Org, Value};
use serde_json::json;

use crate::harness::records::{Channel, account, channel, ended, metric_at, session};
use crate::harness::{HEAD, Letter, TestPostrider, utc};

const REPORTS: &str = r#"
[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
  left join Account account on account.Id = session.EndUserAccountId
  left join MessagingSessionMetrics sent on sent.MessagingSessionId = session.Id
        and sent.MessagingSessionMetricType = 'AgentMessageCount'
  left join MessagingSessionMetrics mean on mean.MessagingSessionId = session.Id
        and mean.MessagingSessionMetricType = 'AverageAgentResponseTime'
"""

[report_types.traffic]
from = """
  MessagingChannel channel
  left join MessagingSession session on session.MessagingChannelId = channel.Id
"""

[reports.answers]
title = "On average, how many seconds does it take for agents to respond?"
type = "sessions"
period = "last 7 days"
date = "session.StartTime"
columns = [
  "avg(mean.MessagingSessionMetricValue) as 'Mean of session means'",
  "median(mean.MessagingSessionMetricValue) as Median",
  "count(mean.MessagingSessionMetricValue) as Measured",
  "count() as Sessions",
]
format = { "Mean of session means" = "duration", Median = "duration" }

[reports.traffic]
title = "Which channels are generating the most and least traffic?"
type = "traffic"
period = "last 7 days"
date = "session.StartTime"
group_by = ["channel as Channel"]
columns = ["count(session.Id) as Sessions", "share(count(session.Id)) as Share"]
sort = "Sessions desc"
total = true

[reports.accounts]
title = "How many sessions did each of our accounts generate this month?"
type = "sessions"
period = "this month"
date = "session.StartTime"
group_by = ["account as Account"]
columns = ["count() as Sessions"]
sort = "Sessions desc"
total = true

[digests.morning]
subject = "Messaging, {{ period }}: {{ headline }}"
headline = "answers.'Mean of session means'"
reports = ["answers", "traffic", "accounts"]
schedule = "0 8 * * mon-fri"
to = ["ana@example.com", "ben@example.com", "ops-hook"]
"#;

/// Four sessions in the last seven days of Monday 23 November 2026 in Berlin, two just outside.
fn fill(org: &Org) {
    let (web, sms) = (channel(org, "Web"), channel(org, "Text"));
    channel(org, "Quiet");
    let acme = account(org, "Acme");
    let of = |channel: &Channel, start: &str, mean: Option<i64>, more: &[(&str, Value)]| {
        let id = ended(org, channel, start, more);
        if let Some(mean) = mean {
            let end = (utc(start) + TimeDelta::minutes(15)).to_rfc3339();
            metric_at(org, id, "AverageAgentResponseTime", mean, &end);
        }
    };
    let acme = [("EndUserAccountId", acme.into())];
    // The last second of the Sunday before: outside.
    of(&web, "2026-11-15T22:59:59Z", Some(9_999), &acme);
    of(&web, "2026-11-15T23:00:00Z", Some(30), &acme);
    of(&web, "2026-11-18T12:00:00Z", Some(60), &acme);
    of(&sms, "2026-11-20T12:00:00Z", None, &[]);
    of(&web, "2026-11-22T22:59:59Z", Some(210), &[]);
    // Monday has begun in Berlin: not in the last seven days, but in this month.
    session(org, &sms, "2026-11-22T23:00:00Z", &[]);
}

/// Started on Monday at 07:50 in Berlin and brought to 08:05.
async fn monday_morning() -> TestPostrider {
    let config = format!("{HEAD}{REPORTS}");
    let t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T06:59:00Z").await;
    assert_eq!((t.inbox.received(), t.catcher.received()), (0, 0), "nothing before its time");
    t.advance_to("2026-11-23T07:05:00Z").await;
    t
}

#[tokio::test]
async fn a_digest_of_what_was_pulled_reaches_everybody_once_with_the_right_figures() {
    let t = monday_morning().await;
    assert_eq!(t.inbox.received(), 2);
    for to in ["ana@example.com", "ben@example.com"] {
        let mails = t.mails_to(to);
        let [mail] = mails.as_slice() else { panic!("{} mails to {to}", mails.len()) };
        assert_eq!(mail.recipients, [to]);
        let minutes = (mail.received - utc("2026-11-23T07:00:00Z")).num_minutes();
        assert!((0..=2).contains(&minutes), "{} min after eight", minutes);
        let letter = Letter::read(mail);
        assert_eq!(letter.to, to);
        // (30 + 60 + 210) / 3 of four sessions.
        let subject = "Messaging, last 7 days: Mean of session means 1 min 40 s";
        assert_eq!(letter.subject, subject);
        let figures = [
            "Mean of session means Median Measured Sessions",
            "1 min 40 s 1 min 3 4",
            "Web 3 75.0",
            "Text 1 25.0",
            "Quiet 0 0.0",
            "Total 4 100.0",
            "last 7 days: Mon 16 Nov to Sun 22 Nov 2026, Europe/Berlin",
            "Acme 3",
            "Total 6",
        ];
        for figure in figures {
            let unruled = letter.words().replace('-', "").replace("  ", " ");
            let unruled = unruled.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(unruled.contains(figure), "`{figure}` not in the text:\n{}", letter.text);
            assert!(letter.seen().contains(figure), "`{figure}` not in: {}", letter.seen());
        }
        assert!(!letter.text.contains("rovisional"), "{}", letter.text);
    }
    let ids: Vec<_> = t.deliveries().into_iter().map(|row| row.message_id).collect();
    assert_eq!(ids.len(), 3);
    // A day later there is one more for each, and no second one of Monday's.
    t.jump_to("2026-11-24T06:55:00Z").await;
    t.advance_to("2026-11-24T07:05:00Z").await;
    assert_eq!((t.inbox.received(), t.catcher.received()), (4, 2));
}

#[tokio::test]
async fn the_webhook_gets_the_tables_under_a_signature_that_holds() {
    let t = monday_morning().await;
    let hooks = t.catcher.hooks();
    let [hook] = hooks.as_slice() else { panic!("{} webhooks", hooks.len()) };
    assert_eq!(hook.signed, Signed::Verified);
    let body = hook.json();
    assert_eq!(body["type"], "digest.sent");
    assert_eq!(body["data"]["planned_at"], "2026-11-23T07:00:00.000Z");
    let tables = &body["data"]["reports"];
    assert_eq!(tables[0]["table"]["rows"], json!([[100.0, 60.0, 3, 4]]));
    let rows = json!([["Web", 3, 0.75], ["Text", 1, 0.25], ["Quiet", 0, 0.0]]);
    assert_eq!(tables[1]["table"]["rows"], rows);
    assert_eq!(tables[1]["table"]["from"], "2026-11-15T23:00:00.000Z");
    assert_eq!(tables[2]["table"]["total"][1], 6);
}

#[tokio::test]
async fn the_preview_of_the_slot_is_byte_for_byte_what_was_sent() {
    let config = format!("{HEAD}{REPORTS}");
    let t = TestPostrider::start(&config, "2026-11-23T06:58:00Z", fill).await;
    while t.inbox.received() == 0 {
        t.advance(TimeDelta::minutes(1)).await;
    }
    let sent = &t.letters_to("ana@example.com")[0];
    let plant = t.app.engine().plant();
    let planned_at = utc("2026-11-23T07:00:00Z");
    let made = t.app.engine().preview(&plant, &plant.digests["morning"], planned_at).await;
    // The last line's end is the mail's own.
    assert!(sent.html.trim_end() == made.mail.html.trim_end(), "{}", made.mail.html);
    assert_eq!(sent.text.trim_end(), made.mail.text.trim_end());
    assert_eq!(t.deliveries().len(), 3, "a preview owes nothing");
}

#[tokio::test]
async fn a_digest_that_waited_does_not_make_pulls_more_frequent_for_ever() {
    let t = monday_morning().await;
    t.org.forget_requests();
    t.advance(TimeDelta::minutes(60)).await;
    let requests: u64 = t.org.requests().values().sum();
    // Four datasets, every five minutes.
    assert!(requests <= 4 * 13, "{requests} requests in an hour");
}
