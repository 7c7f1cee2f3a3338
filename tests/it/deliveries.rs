//! Deliveries against servers that refuse, vanish, stall, lose answers and come back: everything
//! owed arrives, once where that is possible, and nobody waits for somebody else.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::demo::catcher::{Answer, Signed};
use postrider::demo::inbox::{Act, Stage};
use postrider::demo::org::Org;

use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC, TestPostrider, utc};

const EIGHT: &str = "2026-11-23T07:00:00Z";
const THREE: &str = r#""ana@example.com", "ben@example.com", "cy@example.com""#;

fn fill(org: &Org) {
    let web = channel(org, "Web");
    ended(org, &web, "2026-11-22T12:00:00Z", &[]);
}

fn daily(to: &str) -> String {
    let digest = format!(
        "[digests.daily]\nsubject = \"Traffic of {{{{ date }}}}\"\nreports = [\"traffic\"]\n\
         schedule = \"0 8 * * *\"\nto = [{to}]\n"
    );
    format!("{HEAD}{TRAFFIC}{digest}")
}

/// Ten minutes before eight in Berlin, everything pulled, a digest for `to` ahead.
async fn before_eight(to: &str) -> TestPostrider {
    let t = TestPostrider::start(&daily(to), "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T06:59:00Z").await;
    t
}

/// The state of each delivery by recipient, with the attempts that counted.
fn outbox(t: &TestPostrider) -> Vec<(String, String, u32)> {
    let rows = t.deliveries().into_iter();
    rows.map(|row| (row.recipient, row.state, row.attempts)).collect()
}

fn row(recipient: &str, state: &str, attempts: u32) -> (String, String, u32) {
    (recipient.to_owned(), state.to_owned(), attempts)
}

fn outcomes(t: &TestPostrider, recipient: &str) -> Vec<String> {
    let rows = t.deliveries();
    let row = rows.iter().find(|row| row.recipient == recipient).expect("a delivery");
    t.attempts(row.id).into_iter().map(|attempt| attempt.outcome.unwrap_or_default()).collect()
}

#[tokio::test]
async fn one_refused_recipient_touches_nobody_else_and_the_owner_is_told() {
    let t = before_eight(THREE).await;
    t.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    t.advance_to("2026-11-23T10:00:00Z").await;
    assert_eq!(t.letters_to("ana@example.com").len(), 1);
    assert_eq!(t.letters_to("cy@example.com").len(), 1);
    assert_eq!(t.letters_to("ben@example.com").len(), 0);
    let told = t.letters_to("owner@example.com");
    let [told] = told.as_slice() else { panic!("{} mails to the owner", told.len()) };
    assert_eq!(told.subject, "[postrider] a digest did not reach ben@example.com");
    assert!(told.words().contains("no such user"), "{}", told.text);
    assert!(told.seen().contains("no such user"), "{}", told.html);
    assert_eq!(
        outbox(&t),
        [
            row("ana@example.com", "delivered", 0),
            row("ben@example.com", "rejected", 0),
            row("cy@example.com", "delivered", 0),
            row("owner@example.com", "delivered", 0),
        ]
    );
    assert_eq!(outcomes(&t, "ben@example.com"), ["rejected"]);
}

#[tokio::test]
async fn a_mail_server_that_was_down_for_an_hour_gets_everything_once() {
    let t = before_eight(THREE).await;
    t.inbox.go_down().await;
    t.advance_to("2026-11-23T08:00:00Z").await;
    assert_eq!(t.inbox.received(), 0);
    let pending: Vec<_> =
        outbox(&t).into_iter().map(|(_, state, counted)| (state, counted)).collect();
    assert_eq!(pending, vec![("pending".to_owned(), 0); 3], "being down counts for nothing");
    let asked: usize = t.deliveries().iter().map(|row| t.attempts(row.id).len()).sum();
    assert!((10..=60).contains(&asked), "asked {asked} times in an hour");
    t.inbox.come_back().await.unwrap();
    t.advance(TimeDelta::minutes(8)).await;
    for to in ["ana@example.com", "ben@example.com", "cy@example.com"] {
        assert_eq!(t.letters_to(to).len(), 1, "{to}");
    }
    assert_eq!(t.inbox.received(), 3);
    t.advance(TimeDelta::hours(2)).await;
    assert_eq!(t.inbox.received(), 3);
}

#[tokio::test]
async fn greylisted_mails_come_again_and_arrive_once() {
    let t = before_eight(THREE).await;
    let later = Act::Answer("451 4.7.1 greylisted, come back".into());
    t.inbox.misbehave(Stage::Rcpt, later, 3);
    t.advance_to("2026-11-23T07:00:30Z").await;
    assert_eq!(t.inbox.received(), 0);
    t.advance_to("2026-11-23T07:05:00Z").await;
    assert_eq!(t.inbox.received(), 3);
    for to in ["ana@example.com", "ben@example.com", "cy@example.com"] {
        assert_eq!(t.letters_to(to).len(), 1, "{to}");
        assert_eq!(outcomes(&t, to), ["retry", "delivered"]);
    }
}

/// When each webhook arrived.
fn arrivals(t: &TestPostrider) -> Vec<DateTime<Utc>> {
    t.catcher.hooks().iter().map(|hook| hook.received).collect()
}

#[tokio::test]
async fn a_webhook_that_asks_for_time_gets_it() {
    let t = before_eight(r#""ops-hook", "ana@example.com""#).await;
    t.catcher.answer(Answer::with_header(429, "retry-after", "1800"));
    t.advance_to("2026-11-23T08:00:00Z").await;
    let [first, second] = arrivals(&t)[..] else { panic!("{:?}", arrivals(&t)) };
    let waited = second - first;
    assert!(waited >= TimeDelta::seconds(1800), "after {waited} already");
    assert!(waited <= TimeDelta::seconds(1800 + 120), "only after {waited}");
    assert_eq!(t.inbox.received(), 1, "mail waits for no webhook");
    assert_eq!(outcomes(&t, "ops-hook"), ["retry", "delivered"]);
}

#[tokio::test]
async fn a_webhook_that_fails_and_then_works_sees_one_id_and_one_body() {
    let t = before_eight(r#""ops-hook""#).await;
    t.catcher.answer(Answer::status(500));
    t.catcher.answer(Answer::Close);
    t.advance_to("2026-11-23T07:30:00Z").await;
    let hooks = t.catcher.hooks();
    assert_eq!(hooks.len(), 3);
    let ids: BTreeSet<_> = hooks.iter().map(|hook| hook.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(hooks.iter().all(|hook| hook.body == hooks[0].body));
    assert!(hooks.iter().all(|hook| hook.signed == Signed::Verified));
    let stamps: BTreeSet<_> = hooks.iter().map(|hook| hook.header("webhook-timestamp")).collect();
    assert_eq!(stamps.len(), 3, "each attempt is signed at its own time");
    assert_eq!(outbox(&t), [row("ops-hook", "delivered", 2)]);
}

#[tokio::test]
async fn a_server_that_never_greets_costs_one_bounded_round_and_delays_nobody_else() {
    let many: Vec<String> = (0..40).map(|n| format!("\"p{n}@example.com\"")).collect();
    let t = before_eight(&format!("{}, \"ops-hook\"", many.join(", "))).await;
    t.inbox.misbehave(Stage::Banner, Act::Stall, 10_000);
    t.clock.set(utc(EIGHT));
    t.patiently(t.app.engine().digests_due()).await.unwrap();
    let delivering = t.app.engine().deliver_due();
    tokio::pin!(delivering);
    // The webhook is there while the mail server still keeps its connections waiting.
    tokio::select! {
        biased;
        hooks = t.catcher.wait_for(1) => assert_eq!(hooks.len(), 1),
        done = &mut delivering => panic!("the mail server was waited for first: {done:?}"),
    }
    delivering.await.unwrap();
    assert_eq!(t.inbox.received(), 0);
    let tried = t.deliveries().iter().filter(|row| !t.attempts(row.id).is_empty()).count();
    assert!(tried <= 1 + 8, "a server that answers nothing was asked for {tried} recipients");
    // While it is held, one message asks for all.
    let before = t.inbox.connections();
    t.advance_to("2026-11-23T07:10:00Z").await;
    let asked = t.inbox.connections() - before;
    assert!((1..=10).contains(&asked), "{asked} connections in ten minutes");
    t.inbox.behave();
    t.advance(TimeDelta::minutes(7)).await;
    assert_eq!(t.inbox.received(), 40);
    let reached: BTreeSet<_> = t.inbox.mails().iter().map(|mail| mail.recipients.clone()).collect();
    assert_eq!(reached.len(), 40, "each once");
}

#[tokio::test]
async fn an_answer_lost_after_the_final_dot_repeats_the_same_mail() {
    let t = before_eight(r#""ana@example.com""#).await;
    t.inbox.misbehave(Stage::Dot, Act::Close, 1);
    t.advance_to("2026-11-23T07:10:00Z").await;
    let mails = t.mails_to("ana@example.com");
    let [first, second] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    assert_eq!(first.bytes, second.bytes, "the second one is the first one, byte for byte");
    let letters = t.letters_to("ana@example.com");
    assert_eq!(letters[0].message_id, letters[1].message_id);
    assert_eq!(outcomes(&t, "ana@example.com"), ["uncertain", "delivered"]);
}

#[tokio::test]
async fn a_crash_with_a_mail_on_the_wire_repeats_the_same_mail() {
    let mut t = before_eight(THREE).await;
    t.inbox.misbehave(Stage::Dot, Act::Stall, 1);
    t.clock.set(utc(EIGHT));
    t.patiently(t.app.engine().digests_due()).await.unwrap();
    {
        let delivering = t.app.engine().deliver_due();
        tokio::pin!(delivering);
        tokio::select! {
            _ = &mut delivering => panic!("the server never answered"),
            // All three are with the server, and one of them was never answered for.
            _ = t.inbox.wait_for(3) => {}
        }
    }
    t.restart(&daily(THREE)).await;
    t.advance(TimeDelta::minutes(5)).await;
    let mut bytes = BTreeSet::new();
    for to in ["ana@example.com", "ben@example.com", "cy@example.com"] {
        let mails = t.mails_to(to);
        assert!((1..=2).contains(&mails.len()), "{} mails to {to}", mails.len());
        bytes.extend(mails.iter().map(|mail| mail.bytes.clone()));
    }
    assert_eq!(bytes.len(), 3, "whatever came twice is the same");
    assert!(outbox(&t).iter().all(|(_, state, _)| state == "delivered"));
}

#[tokio::test]
async fn an_attempt_whose_end_cannot_be_written_down_is_not_made_again() {
    let t = before_eight(THREE).await;
    t.clock.set(utc(EIGHT));
    t.patiently(t.app.engine().digests_due()).await.unwrap();
    let state = &t.app.engine().store().state;
    let full = "create trigger full before update on attempt
                begin select raise(abort, 'database or disk is full'); end";
    state.write(|tx| Ok(tx.execute_batch(full)?)).unwrap();
    for _ in 0..3 {
        t.patiently(t.app.engine().deliver_due()).await.unwrap_err();
    }
    state.write(|tx| Ok(tx.execute_batch("drop trigger full")?)).unwrap();
    t.advance(TimeDelta::minutes(5)).await;
    assert!(outbox(&t).iter().all(|(_, state, _)| state == "delivered"), "{:?}", outbox(&t));
    for to in ["ana@example.com", "ben@example.com", "cy@example.com"] {
        assert_eq!(outcomes(&t, to), ["delivered"]);
        assert_eq!(t.mails_to(to).len(), 1, "{to}");
    }
}

#[tokio::test]
async fn a_webhook_that_refuses_us_is_held_without_counting_and_the_owner_is_told_once() {
    let t = before_eight(r#""ops-hook", "ana@example.com""#).await;
    for _ in 0..7 {
        t.catcher.answer(Answer::status(401));
    }
    t.advance_to("2026-11-23T07:32:00Z").await;
    assert_eq!(t.letters_to("ana@example.com").len(), 1, "mail is not touched");
    let told = t.letters_to("owner@example.com");
    let [told] = told.as_slice() else { panic!("{} mails to the owner", told.len()) };
    assert_eq!(told.subject, "[postrider] receiver ops-hook is broken");
    assert!(told.words().contains("answered 401"), "{}", told.text);
    let hook = t.deliveries().into_iter().find(|row| row.recipient == "ops-hook").unwrap();
    assert_eq!((hook.state.as_str(), hook.attempts), ("pending", 0));
    assert_eq!(t.catcher.received(), 7, "once and then every five minutes");
    t.advance_to("2026-11-23T07:40:00Z").await;
    assert!(outbox(&t).contains(&row("ops-hook", "delivered", 0)), "{:?}", outbox(&t));
    // It breaks again another day: that is news.
    t.catcher.answer(Answer::status(403));
    t.jump_to("2026-11-24T06:59:00Z").await;
    t.advance_to("2026-11-24T07:10:00Z").await;
    assert_eq!(t.letters_to("owner@example.com").len(), 2);
}

#[tokio::test]
async fn a_mail_server_that_refuses_us_holds_all_mail_and_blocks_no_webhook() {
    let t = before_eight(&format!("{THREE}, \"ops-hook\"")).await;
    let refused = Act::Answer("530 5.7.0 authentication required".into());
    t.inbox.misbehave(Stage::Mail, refused, 10_000);
    t.advance_to("2026-11-23T07:30:00Z").await;
    assert_eq!((t.inbox.received(), t.catcher.received()), (0, 1));
    let counted: u32 = t.deliveries().iter().map(|row| row.attempts).sum();
    assert_eq!(counted, 0);
    t.inbox.behave();
    t.advance(TimeDelta::minutes(7)).await;
    for to in ["ana@example.com", "ben@example.com", "cy@example.com"] {
        assert_eq!(t.letters_to(to).len(), 1, "{to}");
    }
    assert_eq!(t.letters_to("owner@example.com").len(), 1);
    let decided = t.ledger("smtp");
    assert_eq!(decided.len(), 1, "{decided:?}");
}

#[tokio::test]
async fn a_broken_receiver_that_is_also_away_for_a_while_is_told_once() {
    let t = before_eight(r#""ana@example.com""#).await;
    let refused = || Act::Answer("530 5.7.0 authentication required".into());
    t.inbox.misbehave(Stage::Mail, refused(), 10_000);
    t.advance_to("2026-11-23T07:10:00Z").await;
    t.inbox.go_down().await;
    t.advance_to("2026-11-23T07:30:00Z").await;
    t.inbox.come_back().await.unwrap();
    t.advance_to("2026-11-23T07:50:00Z").await;
    assert_eq!(t.inbox.received(), 0);
    t.inbox.behave();
    t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(t.letters_to("ana@example.com").len(), 1);
    assert_eq!(t.letters_to("owner@example.com").len(), 1);
}

#[tokio::test]
async fn what_is_owed_to_a_receiver_that_a_reload_took_away_blocks_nobody() {
    let mut t = before_eight(r#""ops-hook", "ana@example.com""#).await;
    t.may_owe = true;
    t.catcher.answer(Answer::with_header(503, "retry-after", "600"));
    t.advance_to("2026-11-23T07:05:00Z").await;
    let hook = "[receivers.ops-hook]\nkind = \"webhook\"\nurl = \"env:HOOK_URL\"\n\
                secrets = [\"env:HOOK_SECRET\"]\n";
    let without = daily(r#""ana@example.com""#).replace(hook, "");
    t.app.reload(t.config(&without)).await.unwrap();
    t.jump_to("2026-11-24T07:00:00Z").await;
    t.advance(TimeDelta::minutes(3)).await;
    assert_eq!((t.letters_to("ana@example.com").len(), t.catcher.received()), (2, 1));
    let told = t.letters_to("owner@example.com");
    assert!(told.iter().all(|letter| letter.words().contains("ops-hook")), "{told:?}");
    // It comes back with another edit, and gets what it is owed.
    t.app.reload(t.config(&daily(r#""ana@example.com""#))).await.unwrap();
    t.advance(TimeDelta::minutes(6)).await;
    assert_eq!(t.catcher.received(), 2);
}

#[tokio::test]
async fn what_cannot_be_delivered_in_its_time_ends_and_says_so() {
    let mut t = before_eight(r#""ana@example.com""#).await;
    t.may_owe = true;
    t.inbox.misbehave(Stage::Rcpt, Act::Answer("452 4.2.2 mailbox full".into()), 10_000);
    for day in 24..=29 {
        for hour in 0..24 {
            t.jump_to(&format!("2026-11-{day}T{hour:02}:30:00Z")).await;
        }
    }
    let rows = t.deliveries();
    let first = rows.iter().find(|row| row.recipient == "ana@example.com").unwrap();
    assert_eq!(first.state, "expired", "{first:?}");
    let age = first.finished_at.unwrap() - first.created_at;
    assert!(age >= TimeDelta::days(5) && age <= TimeDelta::days(5) + TimeDelta::hours(2), "{age}");
    let told = rows.iter().filter(|row| row.recipient == "owner@example.com");
    assert!(told.clone().any(|row| row.subject.contains("did not reach ana@example.com")));
}
