//! The outbox as the daemon and people use it: stopping with mails on the wire, messages that may
//! have arrived, addresses that nobody knows, and the commands.

use std::time::Duration;

use chrono::TimeDelta;
use postrider::clock::Clock as _;
use postrider::demo::catcher::Answer;
use postrider::demo::inbox::{Act, Stage};
use postrider::demo::org::{Id, Org};
use postrider::store::state::{outbox, suppression};

use crate::alerts::TYPES;
use crate::harness::records::{channel, ended, metric};
use crate::harness::{HEAD, TRAFFIC, TestPostrider, utc};

mod commands;

const EIGHT: &str = "2026-11-23T07:00:00Z";

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

fn held(config: &str) -> String {
    config.replace("[postrider]\n", "[postrider]\nambiguous = \"hold\"\n")
}

async fn before_eight(config: &str) -> TestPostrider {
    let t = TestPostrider::start(config, "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T06:59:00Z").await;
    t
}

fn states(t: &TestPostrider) -> Vec<String> {
    let rows = t.deliveries().into_iter();
    rows.map(|row| format!("{} {}", row.recipient, row.state)).collect()
}

/// Where the answer to a mail stays away until the test has stopped the daemon: what was told about
/// it then, and how many attempts are written down.
async fn stopped_while(stage: Stage, act: Act) -> (TestPostrider, String, usize) {
    let mut t = before_eight(&daily(r#""ana@example.com""#)).await;
    t.may_owe = true;
    t.inbox.misbehave(stage, act, 1);
    t.clock.set(utc(EIGHT));
    t.patiently(t.app.engine().digests_due()).await.unwrap();
    {
        let delivering = t.app.engine().deliver_due();
        tokio::pin!(delivering);
        let kept = stage == Stage::Dot;
        let under_way = async {
            match kept {
                true => drop(t.inbox.wait_for(1).await),
                false => {
                    while t.inbox.connections() == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            }
        };
        tokio::select! {
            done = &mut delivering => panic!("it is stalled: {done:?}"),
            () = under_way => {}
        }
        t.app.engine().stop();
        t.app.engine().cut();
        delivering.await.unwrap();
    }
    let row = t.deliveries().remove(0);
    let tries = t.attempts(row.id).len();
    (t, row.state, tries)
}

#[tokio::test]
async fn a_stop_takes_back_what_was_not_handed_over_and_awaits_the_answer_to_the_final_dot() {
    let (mut t, state, tries) = stopped_while(Stage::Data, Act::Stall).await;
    assert_eq!((state.as_str(), tries, t.inbox.received()), ("pending", 0, 0));
    // At the next start it goes, once.
    t.restart(&daily(r#""ana@example.com""#)).await;
    t.inbox.behave();
    t.beat().await;
    assert_eq!(t.mails_to("ana@example.com").len(), 1);

    let late = Act::Late(Duration::from_millis(300));
    let (mut t, state, tries) = stopped_while(Stage::Dot, late).await;
    assert_eq!((state.as_str(), tries, t.inbox.received()), ("delivered", 1, 1));
    t.restart(&daily(r#""ana@example.com""#)).await;
    t.beat().await;
    assert_eq!(t.mails_to("ana@example.com").len(), 1);
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_is_held_where_that_is_wanted() {
    let mut t = before_eight(&held(&daily(r#""ana@example.com", "ben@example.com""#))).await;
    t.may_owe = true;
    t.inbox.misbehave(Stage::Dot, Act::Close, 1);
    t.advance_to("2026-11-23T12:00:00Z").await;
    let held: Vec<String> = states(&t).into_iter().filter(|row| row.ends_with("held")).collect();
    assert_eq!(held.len(), 1, "{:?}", states(&t));
    assert_eq!(t.mails_to("ana@example.com").len() + t.mails_to("ben@example.com").len(), 2);
    let told = t.letters_to("owner@example.com");
    let [told] = told.as_slice() else { panic!("{} mails to the owner", told.len()) };
    assert_eq!(told.subject, "[postrider] a message to smtp is held: it may have arrived");
}

const LONGEST: &str = r#"
[rules.longest]
type = "metrics"
date = "metric.CreatedDate"
where = "metric.MessagingSessionMetricType = 'MaxAgentResponseTime'"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "30 min"
every = "5 min"
levels = [["warning", "> 300"]]

[[routes]]
to = ["ops-hook"]
"#;

/// A rule about a webhook whose fallback is the team's mail, ten minutes before something is wrong.
async fn alerting(change: impl Fn(&str) -> String) -> (TestPostrider, Id) {
    let secrets = "secrets = [\"env:HOOK_SECRET\"]";
    let head = HEAD.replace(secrets, &format!("{secrets}\nfallback = \"ops-mail\""));
    let mut session = None;
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        session = Some(ended(org, &web, "2026-11-20T12:00:00Z", &[]));
    };
    let config = change(&format!("{head}{TYPES}{LONGEST}"));
    let mut t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
    t.may_owe = true;
    t.beat().await;
    (t, session.expect("a session"))
}

/// What the team was told once something is wrong.
async fn told(t: &TestPostrider, session: Id) -> String {
    t.advance_to("2026-11-23T09:01:00Z").await;
    metric(&t.org, session, "MaxAgentResponseTime", 400);
    t.advance_to("2026-11-23T09:12:00Z").await;
    let letters = t.letters_to("ops@example.com");
    let [letter] = letters.as_slice() else { panic!("{} mails", letters.len()) };
    letter.text.clone()
}

#[tokio::test]
async fn an_alert_that_may_have_arrived_is_told_to_the_fallback_at_once() {
    let (t, session) = alerting(held).await;
    t.catcher.answer(Answer::Close);
    let text = told(&t, session).await;
    assert!(text.contains("which may have it or not"), "{text}");
    assert_eq!(t.catcher.received(), 1, "not sent again by itself");
}

#[tokio::test]
async fn an_alert_for_a_disabled_receiver_is_told_to_the_fallback_at_once() {
    let (t, session) = alerting(str::to_owned).await;
    let (state, now) = (&t.app.engine().store().state, t.clock.now());
    state.write(|tx| outbox::disable(tx, "ops-hook", "by hand", now)).unwrap();
    let text = told(&t, session).await;
    assert!(text.contains("which is disabled"), "{text}");
    assert_eq!(t.catcher.received(), 0);
    // Enabled, it gets what waited, and the end of it.
    state.write(|tx| outbox::enable(tx, "ops-hook")).unwrap();
    t.advance_to("2026-11-23T09:14:00Z").await;
    assert_eq!(t.catcher.received(), 1);
}

#[tokio::test]
async fn an_address_unknown_five_times_running_gets_nothing_until_it_is_taken_off_the_list() {
    let t = before_eight(&daily(r#""ana@example.com", "ben@example.com""#)).await;
    t.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    for day in 23..=28 {
        t.jump_to(&format!("2026-11-{day}T06:59:00Z")).await;
        t.advance(TimeDelta::minutes(3)).await;
    }
    let tried = || t.deliveries().iter().filter(|row| row.recipient == "ben@example.com").count();
    assert_eq!(tried(), 5);
    let told = t.letters_to("owner@example.com");
    let told = told.iter().filter(|letter| letter.subject.contains("gets no digest any more"));
    assert_eq!(told.count(), 1);
    let (state, now) = (&t.app.engine().store().state, t.clock.now());
    let list = || state.read(|tx| suppression::list(tx, t.clock.now())).unwrap();
    assert_eq!(list().len(), 1);
    assert!(list()[0].reason.contains("5 runs in a row: RCPT TO: 550 5.1.1"), "{:?}", list());
    // Off the list it is tried again, and what was before counts no more.
    let off =
        |tx: &rusqlite::Transaction<'_>| suppression::remove(tx, "Ben@example.com", None, now);
    assert_eq!(state.write(off).unwrap(), 1);
    assert_eq!(state.write(off).unwrap(), 0);
    for day in 29..=30 {
        t.jump_to(&format!("2026-11-{day}T06:59:00Z")).await;
        t.advance(TimeDelta::minutes(3)).await;
    }
    assert_eq!((tried(), list().len()), (7, 0));
}
