//! The owner is told by a way that does not depend on what broke.

use chrono::TimeDelta;
use postrider::clock::Clock as _;
use postrider::demo::inbox::{Act, Stage};

use super::{THREE, before_eight, daily};
use crate::harness::TestPostrider;

fn with_alarm(config: &str) -> String {
    config.replace("[smtp]", "alarm = \"ops-hook\"\n\n[smtp]")
}

/// The troubles the alarm was told of: title and what it is about.
fn troubles(t: &TestPostrider) -> Vec<(String, String)> {
    let hooks = t.catcher.hooks();
    let bodies = hooks.iter().map(|hook| hook.json());
    let troubles = bodies.filter(|body| body["type"] == "postrider.trouble");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    troubles.map(|body| (text(&body["data"]["title"]), text(&body["data"]["about"]))).collect()
}

fn pair(title: &str, about: &str) -> (String, String) {
    (title.to_owned(), about.to_owned())
}

#[tokio::test]
async fn a_mail_server_that_is_down_is_told_by_webhook_once_and_so_is_its_return() {
    let t = before_eight(&with_alarm(&daily(THREE))).await;
    t.inbox.go_down().await;
    t.advance_to("2026-11-23T07:10:00Z").await;
    assert_eq!(troubles(&t), [], "a short pause is no news");
    t.advance_to("2026-11-23T08:00:00Z").await;
    assert_eq!(troubles(&t), [pair("the mail server gives no answer", "smtp")]);
    t.inbox.come_back().await.unwrap();
    t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(troubles(&t)[1..], [pair("the mail server answers again", "smtp")]);
    assert_eq!(t.letters_to("ana@example.com").len(), 1);
    // No mail about mail.
    assert_eq!(t.letters_to("owner@example.com").len(), 0);
    // The next outage is news.
    t.inbox.go_down().await;
    t.jump_to("2026-11-24T07:00:00Z").await;
    t.advance(TimeDelta::minutes(30)).await;
    assert_eq!(troubles(&t).len(), 3);
    t.inbox.come_back().await.unwrap();
    t.advance(TimeDelta::minutes(10)).await;
}

#[tokio::test]
async fn a_mail_server_that_refuses_us_is_told_by_webhook_while_the_mail_waits() {
    let t = before_eight(&with_alarm(&daily(THREE))).await;
    let refused = Act::Answer("530 5.7.0 authentication required".into());
    t.inbox.misbehave(Stage::Mail, refused, 10_000);
    t.advance_to("2026-11-23T07:40:00Z").await;
    assert_eq!(troubles(&t), [pair("receiver smtp is broken", "smtp")]);
    t.inbox.behave();
    t.advance(TimeDelta::minutes(7)).await;
    assert_eq!(t.letters_to("owner@example.com").len(), 1);
}

#[tokio::test]
async fn a_refused_recipient_is_told_by_both_ways_once_a_run() {
    let t = before_eight(&with_alarm(&daily(THREE))).await;
    t.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    t.inbox.refuse("cy@example.com", "550 5.1.1 no such user");
    t.advance_to("2026-11-23T07:10:00Z").await;
    assert_eq!(t.letters_to("owner@example.com").len(), 1);
    let [(title, _)] = &troubles(&t)[..] else { panic!("{:?}", troubles(&t)) };
    assert!(title.starts_with("a digest did not reach "), "{title}");
    let hook = t.catcher.hooks()[0].json();
    let facts = hook["data"]["facts"].to_string();
    assert!(facts.contains("daily-20261123T070000Z") && facts.contains("no such user"), "{facts}");
}

#[tokio::test]
async fn a_broken_alarm_is_told_by_mail_and_not_by_itself() {
    let t = before_eight(&with_alarm(&daily(r#""ops-hook""#))).await;
    for _ in 0..3 {
        t.catcher.answer(postrider::demo::catcher::Answer::status(401));
    }
    t.advance_to("2026-11-23T07:30:00Z").await;
    let told = t.letters_to("owner@example.com");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subject, "[postrider] receiver ops-hook is broken");
    assert_eq!(troubles(&t), []);
}

#[tokio::test]
async fn a_slot_of_which_nothing_becomes_is_told_once() {
    let t = before_eight(&with_alarm(&daily(THREE))).await;
    t.sql("create trigger full before insert on run begin select raise(abort, 'disk full'); end");
    let until = t.clock.now() + TimeDelta::minutes(60);
    while t.clock.now() < until {
        t.clock.set(t.clock.now() + TimeDelta::minutes(1));
        t.patiently(t.app.engine().digests_due()).await.ok();
        t.app.engine().housekeep().await.unwrap();
        t.patiently(t.app.engine().deliver_due()).await.unwrap();
    }
    assert_eq!(troubles(&t), [pair("digest daily is overdue", "daily")]);
    assert_eq!(t.letters_to("owner@example.com").len(), 1);
    assert_eq!(t.app.engine().overdue().unwrap().len(), 1);
    t.sql("drop trigger full");
    t.beat().await;
    assert_eq!(t.app.engine().overdue().unwrap(), []);
    assert_eq!(t.letters_to("ana@example.com").len(), 1, "it went out after all");
}

#[tokio::test]
async fn a_process_that_was_down_catches_up_and_calls_nothing_overdue() {
    let mut t = before_eight(&with_alarm(&daily(THREE))).await;
    t.clock.set(crate::harness::utc("2026-11-23T12:00:00Z"));
    t.restart(&with_alarm(&daily(THREE))).await;
    assert_eq!(t.app.engine().overdue().unwrap().len(), 1, "it is, until it is made up for");
    t.app.engine().housekeep().await.unwrap();
    t.beat().await;
    t.clock.set(t.clock.now() + TimeDelta::minutes(30));
    t.app.engine().housekeep().await.unwrap();
    t.beat().await;
    assert_eq!(troubles(&t), []);
}
