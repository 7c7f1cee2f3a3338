//! Receivers: told in their own shape, in order, at most as fast as they like; another one is told
//! where they take nothing; and somebody knows whether they can be reached.

use chrono::TimeDelta;
use postrider::demo::catcher::Answer;
use postrider::demo::org::{Id, Org};

use crate::alerts::TYPES;
use crate::harness::records::{channel, ended, metric};
use crate::harness::{HEAD, TestPostrider};

mod commands;
mod config;

const LONGEST: &str = r#"
[rules.longest]
title = "A customer waited too long"
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

[[routes]]
to = ["ops-hook"]
"#;

/// The webhook with keys of its own.
fn hook(keys: &str) -> String {
    let secrets = "secrets = [\"env:HOOK_SECRET\"]";
    let head = HEAD.replace(secrets, &format!("{secrets}\n{keys}"));
    assert_ne!(head, HEAD, "the head has a webhook");
    format!("{head}{TYPES}{LONGEST}")
}

struct Story {
    t: TestPostrider,
    session: Id,
}

impl Story {
    /// From 08:50 on a Monday, with a channel called Web and a session of it.
    async fn begin(config: &str) -> Story {
        let mut id = None;
        let fill = |org: &Org| {
            let web = channel(org, "Web");
            id = Some(ended(org, &web, "2026-11-20T12:00:00Z", &[]));
        };
        let t = TestPostrider::start(config, "2026-11-23T08:50:00Z", fill).await;
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

    /// What the webhook was told, oldest first, refused messages included.
    fn hooks(&self) -> Vec<String> {
        let hooks = self.t.catcher.hooks();
        hooks.iter().map(|hook| hook.json()["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Subjects and texts of the mails to the team.
    fn letters(&self) -> Vec<String> {
        let letters = self.t.letters_to("ops@example.com");
        letters.into_iter().map(|letter| format!("{}\n{}", letter.subject, letter.text)).collect()
    }
}

fn refused(times: usize, story: &Story, answer: &Answer) {
    for _ in 0..times {
        story.t.catcher.answer(answer.clone());
    }
}

#[tokio::test]
async fn a_message_that_is_refused_for_good_is_told_to_the_fallback_once() {
    let story = Story::begin(&hook("fallback = \"ops-mail\"")).await;
    refused(1, &story, &Answer::status(422));
    story.waited("09:01", 400).await;
    story.until("09:20").await;
    let letters = story.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains("A customer waited too long: Web"), "{}", letters[0]);
    let ledger = story.t.ledger("longest");
    let told = ledger.iter().filter(|(_, text)| text.contains("instead"));
    assert_eq!(told.count(), 1, "{ledger:?}");
    // The end is taken by the webhook; who was told the beginning instead is told the end too.
    story.until("11:00").await;
    assert_eq!(story.hooks(), ["incident.fired", "incident.resolved"]);
    assert_eq!(story.letters().len(), 2);
    // And nothing more, ever.
    story.until("13:00").await;
    assert_eq!(story.letters().len(), 2);
}

#[tokio::test]
async fn a_broken_receiver_falls_back_at_once_and_a_silent_one_after_its_time() {
    let broken = Story::begin(&hook("fallback = \"ops-mail\"")).await;
    refused(60, &broken, &Answer::status(401));
    broken.waited("09:01", 400).await;
    broken.until("09:20").await;
    assert_eq!(broken.letters().len(), 1, "at once");

    let mut silent =
        Story::begin(&hook("fallback = \"ops-mail\"\nfallback_after = \"20 min\"")).await;
    refused(60, &silent, &Answer::status(503));
    silent.waited("09:01", 400).await;
    silent.until("09:20").await;
    assert_eq!(silent.letters().len(), 0, "not before its time");
    silent.until("09:40").await;
    assert_eq!(silent.letters().len(), 1);
    silent.t.may_owe = true;
    drop(silent);
    let mut broken = broken;
    broken.t.may_owe = true;
}

#[tokio::test]
async fn what_is_taken_in_time_is_told_to_nobody_else() {
    let story = Story::begin(&hook("fallback = \"ops-mail\"")).await;
    refused(2, &story, &Answer::status(503));
    story.waited("09:01", 400).await;
    story.until("11:00").await;
    assert_eq!(story.letters(), Vec::<String>::new());
    assert_eq!(story.hooks()[2..], ["incident.fired", "incident.resolved"]);
}

#[tokio::test]
async fn two_that_fall_back_on_each_other_do_not_go_in_a_circle() {
    let second = concat!(
        "\n[receivers.second]\nkind = \"webhook\"\nurl = \"env:HOOK_URL\"\n",
        "secrets = [\"env:HOOK_SECRET\"]\nfallback = \"ops-hook\"\n",
    );
    let config =
        hook("fallback = \"second\"").replace("\n[[routes]]", &format!("{second}\n[[routes]]"));
    let mut story = Story::begin(&config).await;
    refused(50, &story, &Answer::status(422));
    story.waited("09:01", 400).await;
    story.until("09:30").await;
    assert_eq!(story.hooks(), ["incident.fired", "incident.fired"], "each was told once");
    let reasons: Vec<String> = story
        .t
        .catcher
        .hooks()
        .iter()
        .map(|hook| hook.json()["data"]["instead_of"]["receiver"].to_string())
        .collect();
    assert_eq!(reasons, ["null", "\"ops-hook\""]);
    story.t.may_owe = true;
}

/// The measured failure E3c: an alert that has cleared when the wait that the far side asked for is
/// over is told all the same, its beginning first.
#[tokio::test]
async fn a_wait_that_was_asked_for_is_kept_by_all_and_a_cleared_incident_is_told_in_order() {
    let story = Story::begin(&hook("")).await;
    refused(1, &story, &Answer::with_header(429, "retry-after", "7200"));
    story.waited("09:01", 400).await;
    story.until("10:50").await;
    assert_eq!(story.hooks(), ["incident.fired"], "nothing is sent while it asks for a pause");
    let states: Vec<String> = story.t.deliveries().into_iter().map(|row| row.state).collect();
    assert_eq!(states.iter().filter(|state| *state == "pending").count(), 2, "{states:?}");
    story.until("11:20").await;
    assert_eq!(story.hooks(), ["incident.fired", "incident.fired", "incident.resolved"]);
    let ids: Vec<String> = story
        .t
        .catcher
        .hooks()
        .iter()
        .map(|hook| hook.header("webhook-id").unwrap().to_owned())
        .collect();
    assert_eq!(ids[0], ids[1], "a repeated message has the same id");
}

#[tokio::test]
async fn the_end_waits_for_the_beginning() {
    let story = Story::begin(&hook("")).await;
    // The beginning is refused for a while by an answer that is about this message alone.
    refused(7, &story, &Answer::status(500));
    story.waited("09:01", 400).await;
    story.until("11:00").await;
    let hooks = story.hooks();
    assert_eq!(hooks.len(), 9, "{hooks:?}");
    assert!(hooks[..8].iter().all(|kind| kind == "incident.fired"), "{hooks:?}");
    assert_eq!(hooks[8], "incident.resolved");
}

#[tokio::test]
async fn a_canary_proves_at_each_slot_that_messages_arrive_and_says_when_they_do_not() {
    let story = Story::begin(&hook("canary = \"0 * * * *\"")).await;
    story.until("11:05").await;
    let hooks = story.t.catcher.hooks();
    let titles: Vec<String> =
        hooks.iter().map(|hook| hook.json()["data"]["title"].to_string()).collect();
    // 10:00, 11:00 and 12:00 in Berlin.
    assert_eq!(titles, vec!["\"messages reach ops-hook\""; 3]);
    let state = &story.t.app.engine().store().state;
    let proofs = || state.read(postrider::store::state::outbox::proofs).unwrap();
    assert_eq!(proofs()[0].receiver, "ops-hook");
    let taken = proofs()[0].taken_at.expect("a proof");
    assert!(taken >= crate::harness::utc("2026-11-23T11:00:00Z"), "{taken}");
    assert_eq!(proofs()[0].lost_at, None);
    // One that is lost is told to the owner.
    refused(1, &story, &Answer::status(404));
    story.until("12:05").await;
    assert!(proofs()[0].lost_at.is_some());
    let told = story.t.letters_to("owner@example.com");
    assert!(told.iter().any(|letter| letter.subject.contains("a proof did not reach")), "{told:?}");
}

#[tokio::test]
async fn a_restart_repeats_no_proof_and_no_fallback() {
    let config = hook("fallback = \"ops-mail\"\ncanary = \"0 * * * *\"");
    let mut story = Story::begin(&config).await;
    story.until("09:00").await;
    assert_eq!(story.t.catcher.hooks().len(), 1);
    refused(1, &story, &Answer::status(422));
    story.waited("09:01", 400).await;
    story.until("09:10").await;
    for _ in 0..3 {
        story.t.restart(&config).await;
        story.t.beat().await;
    }
    assert_eq!((story.t.catcher.hooks().len(), story.letters().len()), (2, 1));
    story.t.advance(TimeDelta::hours(2)).await;
    assert_eq!(story.letters().len(), 2, "its end");
}
