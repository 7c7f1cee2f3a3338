//! An org and an API in one config: whatever the API does, the org's records come, and everybody is
//! told exactly what is blind.

use std::sync::Arc;

use chrono::TimeDelta;
use postrider::clock::{Clock, ManualClock};
use postrider::demo::org::{Org, Value};
use postrider::engine::pull::Lane;
use serde_json::json;

use super::{NOW, World, says};
use crate::harness::records::{channel, ended, session};
use crate::harness::sources::Api;
use crate::harness::{HEAD, PATIENCE, TestPostrider, utc};

const BOTH: &str = r#"
[sources.desk]
kind = "rest"
base_url = "API"
pull_every = "5 min"

[datasets.tickets]
source = "desk"
path = "/tickets"
query = { since = "{watermark}" }
key = "id"
updated = "changed"
created = "opened"
fields = { id = "integer", opened = "timestamp", changed = "timestamp", state = "text" }

[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[reports.sessions]
title = "Sessions of the day"
type = "sessions"
period = "last 24 h"
date = "session.StartTime"
columns = ["count() as Sessions"]

[reports.tickets]
title = "Tickets of the day"
type = "tickets"
period = "last 24 h"
date = "tickets.opened"
columns = ["count() as Tickets"]

[digests.both]
reports = ["sessions", "tickets"]
schedule = "0 8 * * *"
wait_up_to = "30 min"
to = ["both@example.com"]

[digests.org]
reports = ["sessions"]
schedule = "0 8 * * *"
to = ["org@example.com"]

[rules.backlog]
title = "Tickets come in a burst"
type = "tickets"
date = "tickets.opened"
value = "count()"
window = "10 min"
every = "5 min"
levels = [["warning", "> 2"]]

[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
value = "count()"
every = "5 min"
levels = [["warning", "> 0"]]

[[routes]]
to = ["ops-mail"]
"#;

fn ticket(id: u32, opened: &str) -> serde_json::Value {
    json!({ "id": id, "opened": opened, "changed": opened, "state": "open" })
}

/// At 07:30 in Berlin, everything pulled: three sessions and two tickets of the last day.
async fn world() -> World {
    let w = start(false).await;
    assert!(w.state("tickets").ready && w.state("MessagingSession").ready);
    w
}

/// The same, with the API dead or alive.
async fn start(dead: bool) -> World {
    let clock = Arc::new(ManualClock::new(utc(NOW)));
    let api = Api::start(Arc::clone(&clock) as Arc<dyn Clock>).await;
    let tickets = [ticket(1, "2026-11-22T10:00:00Z"), ticket(2, "2026-11-22T11:00:00Z")];
    api.gives("/tickets", json!(tickets));
    let org = Org::empty(Arc::clone(&clock) as Arc<dyn Clock>);
    let web = channel(&org, "Web");
    for hour in 10..13 {
        ended(&org, &web, &format!("2026-11-22T{hour}:00:00Z"), &[]);
    }
    let config = format!("{HEAD}{BOTH}").replace("API", &api.url());
    api.dead(dead);
    let t = TestPostrider::over(&config, clock, org).await;
    t.beat().await;
    World { t, api }
}

#[tokio::test]
async fn an_api_that_hangs_holds_up_nothing_of_the_org() {
    let w = world().await;
    w.api.asked();
    w.api.answers_only(0);
    let engine = w.t.app.engine();
    w.t.clock.advance(TimeDelta::minutes(6));
    let hanging = engine.take_turn("desk", Lane::Fresh);
    tokio::pin!(hanging);
    tokio::select! {
        _ = &mut hanging => panic!("it hangs"),
        () = w.api.has_been_asked(1) => {}
    }
    for _ in 0..4 {
        // All the engine does beside it.
        let beside = async {
            let pulled = w.t.patiently(engine.take_turn("salesforce", Lane::Fresh)).await.unwrap();
            w.t.patiently(engine.evaluate_due()).await.unwrap();
            w.t.patiently(engine.digests_due()).await.unwrap();
            w.t.patiently(engine.deliver_due()).await.unwrap();
            pulled
        };
        let pulled = tokio::select! {
            _ = &mut hanging => panic!("it hangs"),
            pulled = tokio::time::timeout(PATIENCE, beside) => pulled.unwrap(),
        };
        assert_eq!(pulled, 2, "sessions and channels");
        assert_eq!(engine.take_turn("desk", Lane::Fresh).await.unwrap(), 0, "one at a time");
        w.t.clock.advance(TimeDelta::minutes(12));
    }
    assert_eq!(w.api.asked().len(), 1);
    // At eight it was due, and was made of what the org gave.
    let letters = w.t.letters_to("org@example.com");
    assert_eq!(letters.len(), 1);
    says(&letters[0].words(), &["3 Based on 3 records"]);
    assert_eq!(w.t.letters_to("both@example.com").len(), 0, "it waits");
    w.api.answers();
    assert_eq!(hanging.await.unwrap(), 1);
    w.t.beat().await;
}

#[tokio::test]
async fn what_is_blind_is_named_once_and_the_rest_goes_on() {
    let w = world().await;
    let web = w.t.org.records("MessagingChannel")[0].id();
    let person = w.t.org.records("MessagingEndUser")[0].id();
    let web = crate::harness::records::Channel { id: web, person };
    w.api.dead(true);
    w.minutes(10).await;
    // A customer waits: the org's rule sees it while the API is away.
    session(&w.t.org, &web, "2026-11-23T06:41:00Z", &[("Status", Value::Pick("Waiting"))]);
    w.t.advance_to("2026-11-23T06:58:00Z").await;
    let alarms = w.t.letters_to("ops@example.com");
    assert_eq!(alarms.len(), 1);
    says(&alarms[0].subject, &["A customer is waiting"]);
    let told = w.t.letters_to("owner@example.com");
    let [told] = told.as_slice() else { panic!("{} notices", told.len()) };
    says(&told.subject, &["source desk gives no tickets"]);
    // One fact a line: nothing else is blind.
    for (fact, value) in [
        ("Datasets", "tickets"),
        ("Digests affected", "both"),
        ("Rules blind", "backlog"),
        ("Since", "2026-11-23 07:3"),
    ] {
        let line = told.text.lines().find_map(|line| line.trim().strip_prefix(fact));
        let line = line.unwrap_or_else(|| panic!("no `{fact}` in\n{}", told.text));
        let line = line.trim_start_matches([':', ' ']);
        match fact {
            "Since" => assert!(line.starts_with(value), "{line}"),
            _ => assert_eq!(line, value, "{}", told.text),
        }
    }

    // The digest of the org alone waits for nobody; that of both waits, then says what is missing.
    w.t.advance_to("2026-11-23T07:25:00Z").await;
    assert_eq!(w.t.letters_to("org@example.com").len(), 1);
    assert_eq!(w.t.letters_to("both@example.com").len(), 0);
    w.t.advance_to("2026-11-23T07:35:00Z").await;
    let both = w.t.letters_to("both@example.com");
    let [both] = both.as_slice() else { panic!("{} mails", both.len()) };
    let words = both.words();
    says(
        &words,
        &[
            "Provisional: the figures of 1 of 2 reports may still change; they are marked.",
            "the data does not yet reach the end of the period",
            "Source desk has given nothing of tickets since 23 Nov 2026 07:3",
        ],
    );
    let (sessions, tickets) = words.split_once("Tickets of the day").expect("both reports");
    says(sessions, &["4 Based on 4 records"]);
    assert!(!sessions.contains("has given nothing"), "{words}");
    says(tickets, &["Tickets ------- 2 !"]);
}

#[tokio::test]
async fn what_was_missed_is_replayed_when_the_api_is_back_and_told_once() {
    let w = world().await;
    w.api.dead(true);
    w.t.advance_to("2026-11-23T07:35:00Z").await;
    assert_eq!(w.t.letters_to("owner@example.com").len(), 1);
    // Three tickets came at 08:10 and were long there when anybody could see them.
    let late = [3, 4, 5].map(|id| ticket(id, "2026-11-23T07:10:00Z"));
    w.api.gives("/tickets", json!(late));
    assert!(w.t.letters_to("ops@example.com").is_empty());
    w.api.dead(false);
    w.minutes(12).await;
    let told = w.t.letters_to("owner@example.com");
    assert_eq!(told.len(), 2);
    says(&told[1].subject, &["source desk gives data again"]);
    says(&told[1].words(), &["It gave nothing since 2026-11-23 07:3", "evaluated now, in order"]);
    // It fired on its own slot, and what followed it is over by now.
    let ledger = w.t.ledger("backlog");
    let lines: Vec<&str> = ledger.iter().map(|(_, text)| text.as_str()).collect();
    assert!(lines.iter().any(|line| line.starts_with("fired")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("resolved")), "{lines:?}");
    assert!(w.t.incidents().is_empty());
    let alarms = w.t.letters_to("ops@example.com");
    let first = alarms.first().expect("an alarm");
    says(&first.subject, &["Tickets come in a burst"]);
    says(&first.words(), &["08:15"]);
    w.minutes(10).await;
    assert_eq!(w.t.letters_to("owner@example.com").len(), 2, "once");
}

#[tokio::test]
async fn what_never_came_is_missing_since_the_first_try() {
    let w = start(true).await;
    w.t.advance_to("2026-11-23T07:35:00Z").await;
    assert_eq!(w.t.letters_to("org@example.com").len(), 1);
    let both = w.t.letters_to("both@example.com");
    let [both] = both.as_slice() else { panic!("{} mails", both.len()) };
    let words = both.words();
    says(
        &words,
        &[
            "3 Based on 3 records",
            "tickets is still being loaded. Source desk has given nothing of tickets since 23 Nov \
             2026 07:3",
        ],
    );
    assert!(!words.contains("the next mail will have it"), "nobody knows that: {words}");
    assert!(w.t.incidents().is_empty(), "what was never seen is not an incident");
}
