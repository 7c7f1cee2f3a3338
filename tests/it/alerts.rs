//! Alerts from the first breach to the end: who is told what, when, in which words, once.

use chrono::TimeDelta;
use postrider::demo::catcher::Signed;
use postrider::demo::org::{Id, Org, Value};
use serde_json::Value as Json;

use crate::harness::records::{channel, ended, metric, metric_at, session};
use crate::harness::{HEAD, Letter, TestPostrider};

pub(crate) const TYPES: &str = r#"
[report_types.metrics]
from = """
  MessagingSessionMetrics metric
  join MessagingSession session on session.Id = metric.MessagingSessionId
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""
"#;

const LONGEST: &str = r#"
[rules.longest]
title = "A customer waited too long"
runbook = "Look at the channel's sessions."
type = "metrics"
date = "metric.CreatedDate"
where = "metric.MessagingSessionMetricType = 'MaxAgentResponseTime'"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "30 min"
every = "5 min"
levels = [["warning", "> 300"], ["critical", "> 900"]]
recover = { warning = "< 240", critical = "< 700" }
format = "duration"
"#;

const TO_BOTH: &str = "[[routes]]\nto = [\"ops-mail\", \"ops-hook\"]\n";

/// A running postrider, a channel called Web and a session of it to hang metrics on.
struct Story {
    t: TestPostrider,
    config: String,
    session: Id,
}

impl Story {
    /// From 08:50 on a Monday.
    async fn begin(rule: &str, routes: &str) -> Story {
        let config = format!("{HEAD}{TYPES}{rule}{routes}");
        let mut id = None;
        let fill = |org: &Org| {
            let web = channel(org, "Web");
            id = Some(ended(org, &web, "2026-11-20T12:00:00Z", &[]));
        };
        let t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
        t.beat().await;
        Story { t, config, session: id.expect("a session") }
    }

    /// At `hh:mm` (UTC) that morning: what happened before, then a longest wait of so many seconds.
    async fn waited(&self, at: &str, seconds: i64) {
        self.until(at).await;
        metric(&self.t.org, self.session, "MaxAgentResponseTime", seconds);
    }

    async fn until(&self, at: &str) {
        self.t.advance_to(&stamp(at)).await;
    }

    fn letters(&self) -> Vec<Letter> {
        self.t.letters_to("ops@example.com")
    }

    /// Types of the webhooks, oldest first; each is signed.
    fn told(&self) -> Vec<String> {
        let hooks = self.t.catcher.hooks();
        assert!(hooks.iter().all(|hook| hook.signed == Signed::Verified));
        hooks.iter().map(|hook| hook.json()["type"].as_str().unwrap().to_owned()).collect()
    }

    /// What the newest webhook says.
    fn last(&self) -> Json {
        self.t.catcher.hooks().last().expect("a webhook").json()["data"].clone()
    }
}

fn stamp(at: &str) -> String {
    format!("2026-11-23T{at}:00Z")
}

fn instant(at: &str) -> String {
    format!("2026-11-23T{at}:00.000Z")
}

#[tokio::test]
async fn a_windowed_rule_fires_rises_and_resolves_in_one_thread_and_at_the_webhook() {
    let story = Story::begin(LONGEST, TO_BOTH).await;
    story.waited("09:01", 400).await;
    story.until("09:15").await;
    assert_eq!(story.told(), ["incident.fired"]);
    assert_eq!(
        (&story.last()["level"], &story.last()["value"]),
        (&"warning".into(), &400.0.into())
    );
    assert_eq!(story.last()["began"], instant("09:05"));
    story.waited("09:16", 1000).await;
    story.waited("09:47", 100).await;
    assert_eq!(story.told(), ["incident.fired", "incident.level_up"]);
    assert_eq!(story.last()["level"], "critical");
    story.until("11:00").await;
    assert_eq!(story.told(), ["incident.fired", "incident.level_up", "incident.resolved"]);
    let last = story.last();
    assert_eq!((&last["state"], &last["worst"]), (&"resolved".into(), &1000.0.into()));
    assert_eq!((&last["resolved"], &last["sequence"]), (&instant("09:50").into(), &3.into()));

    let letters = story.letters();
    assert_eq!(letters.len(), 3);
    for (letter, words) in letters.iter().zip(["6 min 40 s", "16 min 40 s", "Resolved"]) {
        assert_eq!(letter.subject, "[postrider] A customer waited too long: Web");
        assert_eq!(letter.references, letters[0].references, "one thread");
        assert!(letter.words().contains(words), "`{words}` not in\n{}", letter.text);
        assert!(letter.seen().contains(words), "`{words}` not in\n{}", letter.html);
    }
    assert!(!letters[0].references.is_empty());
    let mut ids: Vec<&str> = letters.iter().map(|letter| letter.message_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "mails of their own");
}

#[tokio::test]
async fn between_breach_and_recovery_nothing_changes() {
    let story = Story::begin(LONGEST, TO_BOTH).await;
    story.waited("09:01", 400).await;
    story.waited("09:28", 280).await;
    story.until("09:55").await;
    assert_eq!(story.told(), ["incident.fired"], "280 s is no breach and no recovery");
    story.waited("09:56", 200).await;
    story.until("10:30").await;
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"]);
    assert_eq!(story.last()["resolved"], instant("10:00"));
}

#[tokio::test]
async fn a_breach_must_last_and_so_must_its_end() {
    let rule = LONGEST.replace("window = \"30 min\"", "window = \"5 min\"");
    let rule = format!("{rule}for = \"10 min\"\nkeep_firing_for = \"10 min\"\n");
    let story = Story::begin(&rule, TO_BOTH).await;
    story.waited("09:01", 400).await;
    story.until("09:20").await;
    assert_eq!(story.t.incidents().len(), 0, "it was gone before its hold was over");
    for at in ["09:21", "09:26", "09:31"] {
        assert_eq!(story.told(), [""; 0], "before {at}");
        story.waited(at, 400).await;
    }
    story.waited("09:36", 100).await;
    story.waited("09:41", 400).await;
    assert_eq!(story.told(), ["incident.fired"]);
    let last = story.last();
    assert_eq!(
        (&last["began"], &last["fired"]),
        (&instant("09:25").into(), &instant("09:35").into())
    );
    for at in ["09:46", "09:51", "09:56"] {
        story.waited(at, 100).await;
    }
    story.until("10:10").await;
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"], "it came back for a while");
    assert_eq!(story.last()["resolved"], instant("10:00"));
}

#[tokio::test]
async fn a_group_without_records_is_told_as_no_more_data() {
    let story = Story::begin(LONGEST, TO_BOTH).await;
    story.waited("09:01", 400).await;
    story.until("10:00").await;
    assert_eq!(story.told(), ["incident.fired"], "no records are no recovery");
    story.until("10:30").await;
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"]);
    assert!(story.last()["reason"].as_str().unwrap().contains("no more data"), "{}", story.last());
    let last = &story.letters()[1];
    assert!(last.words().contains("no more data"), "{}", last.text);
}

#[tokio::test]
async fn too_few_records_say_nothing() {
    let rule = r#"
[rules.unaccepted]
type = "sessions"
date = "session.EndTime"
where = "session.Status = 'Ended'"
value = "count() filter (where session.AcceptTime is null) / count()"
min_records = 3
window = "10 min"
every = "5 min"
levels = [["warning", "> 0.5"]]
format = "percent"
"#;
    let story = Story::begin(rule, TO_BOTH).await;
    let web = channel(&story.t.org, "Second");
    let end = |start: &str, accepted: bool| {
        let nobody = [("AcceptTime", Value::Null)];
        ended(&story.t.org, &web, &stamp(start), if accepted { &[] } else { &nobody });
    };
    story.until("09:01").await;
    end("08:46", false);
    end("08:46", false);
    story.until("09:30").await;
    assert_eq!(story.told(), [""; 0], "two of two are too few to say anything");
    for _ in 0..3 {
        end("09:15", false);
    }
    story.until("09:45").await;
    assert_eq!(story.told(), ["incident.fired"]);
    end("09:30", true);
    story.until("10:30").await;
    assert_eq!(story.told(), ["incident.fired"], "one good session, then none: nothing is known");
    for _ in 0..3 {
        end("10:15", true);
    }
    story.until("10:45").await;
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"]);
}

const WAITING: &str = r#"
[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 180"], ["critical", "> 600"]]
format = "duration"
labels = { team = "messaging" }
"#;

const BY_LEVEL: &str = r#"
[[routes]]
when = "level = 'critical' and team = 'messaging'"
to = ["ops-hook", "ops-mail"]
[[routes]]
to = ["ops-mail"]
"#;

#[tokio::test]
async fn a_rule_on_the_sessions_as_they_are_fires_within_minutes_and_routes_follow_the_level() {
    let story = Story::begin(WAITING, BY_LEVEL).await;
    let web = channel(&story.t.org, "Text");
    story.until("09:00").await;
    let waiting =
        session(&story.t.org, &web, &stamp("09:00"), &[("Status", Value::Pick("Waiting"))]);
    story.until("09:10").await;
    let fired = story.t.mails_to("ops@example.com");
    let [fired] = fired.as_slice() else { panic!("{} mails", fired.len()) };
    let took = fired.received - crate::harness::utc(&stamp("09:03"));
    assert!(took <= TimeDelta::minutes(3), "told {took} after the breach");
    assert_eq!(story.told(), [""; 0], "the webhook hears of what is critical alone");
    story.until("09:15").await;
    assert_eq!(story.letters().len(), 2);
    assert!(story.letters()[1].words().contains("critical"));
    assert_eq!(story.told(), ["incident.fired"], "to it, this is the beginning");
    story.t.org.update(waiting, &[("Status", Value::Pick("Active"))]).unwrap();
    story.until("09:20").await;
    assert_eq!(story.letters().len(), 3);
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"]);
    assert_eq!(story.t.incidents().len(), 0);
}

#[tokio::test]
async fn a_removed_rule_closes_what_it_opened_and_says_so() {
    let story = Story::begin(LONGEST, TO_BOTH).await;
    story.waited("09:01", 400).await;
    story.until("09:15").await;
    let without = format!("{HEAD}{TYPES}{WAITING}{TO_BOTH}");
    let changes = story.t.app.reload(story.t.config(&without)).await.unwrap();
    assert!(changes.contains(&"rule `longest` removed".to_owned()), "{changes:?}");
    story.until("09:17").await;
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"]);
    let reason = "the rule was removed from the config";
    assert!(story.last()["reason"].as_str().unwrap().contains(reason), "{}", story.last());
    assert!(story.letters()[1].words().contains(reason), "{}", story.letters()[1].text);
    // It comes back: a new incident of its own if it still breaches, nothing of the old one.
    story.t.app.reload(story.t.config(&story.config)).await.unwrap();
    story.until("09:25").await;
    assert_eq!(story.told()[2..], ["incident.fired"]);
}

#[tokio::test]
async fn a_rule_that_is_taken_out_and_put_back_at_once_tells_its_incident_anew_and_its_end() {
    let story = Story::begin(LONGEST, TO_BOTH).await;
    story.waited("09:01", 400).await;
    // The slot at which it began is the newest one.
    story.until("09:11").await;
    assert_eq!(story.told(), ["incident.fired"]);
    let first = story.last()["incident"].clone();
    let without = format!("{HEAD}{TYPES}{WAITING}{TO_BOTH}");
    story.t.app.reload(story.t.config(&without)).await.unwrap();
    story.t.app.reload(story.t.config(&story.config)).await.unwrap();
    story.until("11:00").await;
    let twice = ["incident.fired", "incident.resolved", "incident.fired", "incident.resolved"];
    assert_eq!(story.told(), twice);
    assert_ne!(story.last()["incident"], first);
}

/// Not running until an instant, then started again.
async fn down_until(story: &mut Story, at: &str) {
    story.t.clock.set(crate::harness::utc(&stamp(at)));
    let config = story.config.clone();
    story.t.restart(&config).await;
    story.t.beat().await;
    story.t.advance(TimeDelta::minutes(6)).await;
}

#[tokio::test]
async fn what_came_and_went_while_postrider_was_down_is_told_once_with_its_own_times() {
    let mut story = Story::begin(LONGEST, TO_BOTH).await;
    story.until("09:00").await;
    let at = |at: &str, value| {
        let (org, session) = (&story.t.org, story.session);
        metric_at(org, session, "MaxAgentResponseTime", value, &stamp(at));
    };
    at("09:31", 400);
    at("10:31", 100);
    down_until(&mut story, "11:30").await;
    assert_eq!(story.told(), ["incident.resolved"], "one message for what is over");
    let last = story.last();
    assert_eq!((&last["began"], &last["worst"]), (&instant("09:35").into(), &400.0.into()));
    assert!(last["reason"].as_str().unwrap().contains("before anybody was told"), "{last}");
    assert_eq!(story.letters().len(), 1);
}

#[tokio::test]
async fn what_began_while_postrider_was_down_is_told_with_its_beginning() {
    let mut story = Story::begin(WAITING, TO_BOTH).await;
    let web = channel(&story.t.org, "Text");
    story.until("09:00").await;
    let status = [("Status", Value::Pick("Waiting"))];
    session(&story.t.org, &web, &stamp("09:00"), &status);
    down_until(&mut story, "11:00").await;
    assert_eq!(story.told(), ["incident.fired"]);
    assert_eq!(story.last()["level"], "critical", "it is told at the level it has now");
}

#[tokio::test]
async fn a_rule_removed_while_postrider_was_down_is_closed_at_the_start() {
    let mut story = Story::begin(LONGEST, TO_BOTH).await;
    story.waited("09:01", 400).await;
    story.until("09:15").await;
    let without = format!("{HEAD}{TYPES}{WAITING}{TO_BOTH}");
    story.t.restart(&without).await;
    story.until("09:17").await;
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"]);
    assert_eq!(story.t.incidents().len(), 0);
}

#[tokio::test]
async fn a_restart_in_the_middle_of_an_incident_repeats_nothing() {
    let mut story = Story::begin(LONGEST, TO_BOTH).await;
    story.waited("09:01", 400).await;
    story.until("09:15").await;
    let config = story.config.clone();
    story.t.restart(&config).await;
    story.until("09:25").await;
    assert_eq!((story.letters().len(), story.told()), (1, vec!["incident.fired".to_owned()]));
    story.waited("09:26", 100).await;
    story.until("09:29").await;
    story.t.restart(&config).await;
    story.until("10:00").await;
    assert_eq!(story.told(), ["incident.fired", "incident.resolved"]);
    assert_eq!(story.letters()[0].references, story.letters()[1].references);
}

#[tokio::test]
async fn reminders_come_while_it_lasts_and_not_after() {
    let routes = "[[routes]]\nto = [\"ops-mail\", \"ops-hook\"]\nrepeat = \"1 h\"\n";
    let story = Story::begin(WAITING, routes).await;
    let web = channel(&story.t.org, "Text");
    story.until("09:00").await;
    let waiting = [("Status", Value::Pick("Waiting"))];
    let waiting = session(&story.t.org, &web, &stamp("09:00"), &waiting);
    story.until("11:30").await;
    let expected =
        ["incident.fired", "incident.level_up", "incident.reminder", "incident.reminder"];
    assert_eq!(story.told(), expected);
    story.t.org.update(waiting, &[("Status", Value::Pick("Ended"))]).unwrap();
    story.until("13:00").await;
    assert_eq!(story.told()[4..], ["incident.resolved"]);
}
