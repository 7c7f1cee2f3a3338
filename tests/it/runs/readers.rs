//! Readers who want no more: what is not owed to them, and what still is.

use chrono::TimeDelta;
use postrider::clock::Clock as _;
use postrider::domain::token::Action;
use postrider::render::Envelope;
use postrider::store::state::outbox;
use postrider::store::state::suppression::{self, Suppression};

use super::{THREE, before_eight, daily};
use crate::harness::{TestPostrider, utc};

const RULE: &str = r#"
[rules.many]
type = "sessions"
group_by = ["channel as Channel"]
value = "count()"
every = "5 min"
levels = [["warning", "> 0"]]

[[routes]]
to = ["ben@example.com"]
"#;

fn suppress(t: &TestPostrider, digest: Option<&str>, until: Option<&str>) {
    let suppression = Suppression {
        address: "Ben@Example.com".into(),
        digest: digest.map(str::to_owned),
        since: t.clock.now(),
        until: until.map(utc),
        reason: "asked for it".into(),
    };
    let state = &t.app.engine().store().state;
    state.write(|tx| suppression::add(tx, &suppression)).unwrap();
}

fn withheld(t: &TestPostrider) -> Vec<(String, String)> {
    let run = t.last_run();
    t.app.engine().store().state.read(|tx| suppression::withheld(tx, &run.id)).unwrap()
}

#[tokio::test]
async fn who_is_on_the_list_is_owed_no_digest_and_still_woken() {
    let t = before_eight(&format!("{}{RULE}", daily(THREE))).await;
    suppress(&t, None, None);
    t.advance_to("2026-11-23T07:10:00Z").await;
    let digests = |to: &str| {
        t.letters_to(to).into_iter().filter(|l| l.subject.starts_with("Traffic")).count()
    };
    assert_eq!([digests("ana@example.com"), digests("ben@example.com")], [1, 0]);
    assert_eq!(withheld(&t), [("ben@example.com".to_owned(), "asked for it".to_owned())]);
    assert!(!t.letters_to("ben@example.com").is_empty(), "alerts are another matter");
}

#[tokio::test]
async fn one_digest_for_some_time_and_another_one_not_at_all() {
    let more = "[digests.other]\nreports = [\"traffic\"]\nschedule = \"5 8 * * *\"\n\
                subject = \"Other\"\nto = [\"ben@example.com\"]\n";
    let t = before_eight(&format!("{}{more}", daily(THREE))).await;
    suppress(&t, Some("daily"), Some("2026-11-24T06:00:00Z"));
    t.advance_to("2026-11-23T07:10:00Z").await;
    let subjects = |t: &TestPostrider| -> Vec<String> {
        t.letters_to("ben@example.com").into_iter().map(|letter| letter.subject).collect()
    };
    assert_eq!(subjects(&t), ["Other"]);
    t.jump_to("2026-11-24T06:59:00Z").await;
    t.advance(TimeDelta::minutes(3)).await;
    assert_eq!(subjects(&t), ["Other", "Traffic of Tue 24 Nov 2026"], "the pause is over");
}

#[tokio::test]
async fn who_leaves_between_a_failure_and_its_resending_is_not_written_to() {
    let t = before_eight(&daily(THREE)).await;
    t.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    t.advance_to("2026-11-23T07:10:00Z").await;
    suppress(&t, Some("daily"), None);
    let (run, now) = (t.last_run(), t.clock.now());
    let state = &t.app.engine().store().state;
    let resent = state.write(|tx| outbox::resend(tx, &run.id, None, now)).unwrap();
    assert_eq!(resent.again.len(), 0);
    assert!(
        resent
            .left
            .iter()
            .any(|(row, why)| { row.recipient == "ben@example.com" && why == "asked for it" })
    );
}

#[tokio::test]
async fn an_address_unknown_three_times_running_is_shown_and_not_taken_off() {
    let t = before_eight(&daily(THREE)).await;
    t.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    t.inbox.refuse("cy@example.com", "550 5.7.1 not wanted");
    let bouncing = || {
        let state = &t.app.engine().store().state;
        state.read(|tx| suppression::bouncing(tx, 3)).unwrap()
    };
    for day in 23..=25 {
        assert_eq!(bouncing(), [], "day {day}");
        t.jump_to(&format!("2026-11-{day}T06:59:00Z")).await;
        t.advance(TimeDelta::minutes(3)).await;
    }
    let all = bouncing();
    let [one] = all.as_slice() else { panic!("{all:?}: being unwanted is not being unknown") };
    assert_eq!((one.address.as_str(), one.runs), ("ben@example.com", 3));
    assert!(one.said.contains("no such user"), "{}", one.said);
    // Known again: it begins anew.
    t.inbox.behave();
    t.jump_to("2026-11-26T06:59:00Z").await;
    t.advance(TimeDelta::minutes(3)).await;
    assert_eq!(bouncing(), []);
    assert_eq!(t.letters_to("ben@example.com").len(), 1);
}

/// The envelope of the newest mail to an address, as it is kept.
fn envelope(t: &TestPostrider, to: &str) -> Envelope {
    let rows = t.deliveries();
    let row = rows.iter().rfind(|row| row.recipient == to).expect("a delivery");
    let state = &t.app.engine().store().state;
    let made_of = state.read(|tx| outbox::made_of(tx, row.id)).unwrap().expect("what it is of");
    serde_json::from_str(&made_of.envelope.expect("an envelope")).unwrap()
}

#[tokio::test]
async fn every_reader_has_a_token_of_his_own_that_outlives_the_process() {
    let config = daily(THREE);
    let mut t = before_eight(&config).await;
    t.advance_to("2026-11-23T07:02:00Z").await;
    let (ana, ben) = (envelope(&t, "ana@example.com"), envelope(&t, "ben@example.com"));
    assert_eq!(ana.one_click, None, "there is no page for it");
    let with_page = config.replace("[smtp]", "public_url = \"https://r.example.com/\"\n\n[smtp]");
    t.restart(&with_page).await;
    let key = t.app.engine().token_key().unwrap();
    let token = key.verify(&ana.unsubscribe_token.clone().unwrap()).unwrap();
    assert_eq!(
        (token.action, token.digest.as_str(), token.recipient.as_str()),
        (Action::Unsubscribe, "daily", "ana@example.com")
    );
    assert_ne!(ana.unsubscribe_token, ben.unsubscribe_token);
    t.jump_to("2026-11-24T06:59:00Z").await;
    t.advance(TimeDelta::minutes(3)).await;
    let next = envelope(&t, "ana@example.com");
    assert_eq!(next.unsubscribe_token, ana.unsubscribe_token);
    let page = format!("https://r.example.com/unsubscribe/{}", ana.unsubscribe_token.unwrap());
    assert_eq!(next.one_click, Some(page));
}
