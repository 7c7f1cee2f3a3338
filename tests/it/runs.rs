//! Runs after the fact: sent again to those who did not get them and to nobody else, made again to
//! the byte, made later, compared with what the records say now; and readers who want no more.

use chrono::TimeDelta;
use postrider::clock::Clock as _;
use postrider::demo::org::Org;
use postrider::domain::table::Section;
use postrider::domain::value::Value;
use postrider::engine::archive::later::Later;
use postrider::engine::archive::replay::Verdict;
use postrider::engine::archive::unpack;
use postrider::render::DigestMail;
use postrider::store::state::slots::Run;
use postrider::store::state::{archive, outbox, slots};

use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC, TestPostrider, utc};

mod alarm;
mod commands;
mod keys;
mod readers;

const THREE: &str = r#""ana@example.com", "ben@example.com", "cy@example.com""#;

fn fill(org: &Org) {
    let web = channel(org, "Web");
    for day in 16..=22 {
        ended(org, &web, &format!("2026-11-{day}T12:00:00Z"), &[]);
    }
}

fn daily(to: &str) -> String {
    let digest = format!(
        "[digests.daily]\nsubject = \"Traffic of {{{{ date }}}}\"\nreports = [\"traffic\"]\n\
         schedule = \"0 8 * * *\"\nto = [{to}]\n"
    );
    format!("{HEAD}{TRAFFIC}{digest}")
}

/// Ten minutes before eight in Berlin, everything pulled, a digest for `to` ahead.
async fn before_eight(config: &str) -> TestPostrider {
    let t = TestPostrider::start(config, "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T06:59:00Z").await;
    t
}

impl TestPostrider {
    /// The newest run.
    fn last_run(&self) -> Run {
        let state = &self.app.engine().store().state;
        let runs = state.read(|tx| slots::runs(tx, None, 1)).unwrap();
        runs.into_iter().next().expect("a run")
    }

    /// What the newest run's mails were made of.
    fn last_kept(&self) -> DigestMail {
        let run = self.last_run();
        let state = &self.app.engine().store().state;
        let kept = state.read(|tx| archive::find(tx, &run.id, "")).unwrap();
        unpack(kept.expect("a snapshot")).unwrap().mail
    }

    fn verdicts(&self) -> Vec<(String, Verdict)> {
        let replayed = self.app.engine().replay(&self.last_run()).unwrap();
        replayed.into_iter().map(|one| (one.recipient, one.verdict)).collect()
    }

    fn sql(&self, sql: &str) -> usize {
        let state = &self.app.engine().store().state;
        state.write(|tx| Ok(tx.execute(sql, [])?)).unwrap()
    }
}

#[tokio::test]
async fn who_was_refused_gets_the_same_mail_again_and_nobody_else_gets_anything() {
    let t = before_eight(&daily(THREE)).await;
    t.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    t.advance_to("2026-11-23T07:10:00Z").await;
    let before = t.deliveries();
    let first = before.iter().find(|row| row.recipient == "ben@example.com").unwrap().clone();
    assert_eq!(first.state, "rejected");
    t.inbox.behave();
    let (run, now) = (t.last_run(), t.clock.now());
    let state = &t.app.engine().store().state;
    let resent = state.write(|tx| outbox::resend(tx, &run.id, None, now)).unwrap();
    assert_eq!(resent.again.iter().map(|row| row.id).collect::<Vec<_>>(), [first.id]);
    let left: Vec<_> = resent.left.iter().map(|(row, why)| (&*row.recipient, &**why)).collect();
    let delivered = "delivered already";
    assert_eq!(left, [("ana@example.com", delivered), ("cy@example.com", delivered)]);
    t.advance(TimeDelta::minutes(2)).await;
    for to in ["ana@example.com", "ben@example.com", "cy@example.com"] {
        assert_eq!(t.letters_to(to).len(), 1, "{to}");
    }
    assert_eq!(t.letters_to("ben@example.com")[0].message_id, first.message_id);
    // A second time there is nothing left to send.
    let resent = state.write(|tx| outbox::resend(tx, &run.id, None, t.clock.now())).unwrap();
    assert_eq!(resent.again.len(), 0);
    assert_eq!(t.verdicts().iter().filter(|(_, verdict)| *verdict == Verdict::Same).count(), 3);
}

#[tokio::test]
async fn one_address_can_be_sent_to_again_alone_and_a_second_failure_is_told_again() {
    let t = before_eight(&daily(THREE)).await;
    t.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    t.inbox.refuse("cy@example.com", "550 5.7.1 not wanted");
    t.advance_to("2026-11-23T07:10:00Z").await;
    let told = t.letters_to("owner@example.com");
    let [told] = told.as_slice() else { panic!("{} mails: once a run", told.len()) };
    let run = t.last_run();
    assert!(told.words().contains(&run.id), "{}", told.text);
    assert!(told.words().contains(&format!("postrider resend {} --failed", run.id)));
    let state = &t.app.engine().store().state;
    let resend = |to| state.write(|tx| outbox::resend(tx, &run.id, Some(to), t.clock.now()));
    let resent = resend("BEN@example.com").unwrap();
    assert_eq!((resent.again.len(), resent.left.len()), (1, 0));
    t.advance(TimeDelta::minutes(2)).await;
    assert_eq!(t.letters_to("owner@example.com").len(), 2);
    assert_eq!(resend("nobody@example.com").unwrap(), outbox::Resent::default());
}

#[tokio::test]
async fn what_waits_for_a_server_that_is_down_goes_at_once_when_it_is_asked_for() {
    let t = before_eight(&daily(THREE)).await;
    t.inbox.go_down().await;
    t.advance_to("2026-11-23T09:00:00Z").await;
    t.inbox.come_back().await.unwrap();
    let (run, now) = (t.last_run(), t.clock.now());
    let state = &t.app.engine().store().state;
    let resent = state.write(|tx| outbox::resend(tx, &run.id, None, now)).unwrap();
    assert_eq!(resent.again.len(), 3);
    // The clock stands still: nothing waits for the end of a hold.
    t.beat().await;
    assert_eq!(t.letters_to("ana@example.com").len(), 1);
}

#[tokio::test]
async fn a_run_is_made_again_to_the_byte_also_after_a_restart_and_under_another_config() {
    let config = daily(&format!("{THREE}, \"ops-hook\""));
    let mut t = before_eight(&config).await;
    t.advance_to("2026-11-23T07:02:00Z").await;
    let hour_later = "2026-11-23T08:00:00Z";
    t.clock.set(utc(hour_later));
    // Nothing of today's config is in yesterday's mail.
    let other = config
        .replace("How many sessions", "How very many sessions")
        .replace("owner@example.com", "boss@example.com")
        .replace("Postrider <reports@example.com>", "Reports <r@example.org>");
    t.restart(&other).await;
    let verdicts = t.verdicts();
    assert_eq!(verdicts.len(), 4);
    assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Same), "{verdicts:?}");
}

#[tokio::test]
async fn one_changed_byte_is_found_and_named() {
    let t = before_eight(&daily(r#""ana@example.com", "ops-hook""#)).await;
    t.advance_to("2026-11-23T07:02:00Z").await;
    let changed = t.sql(
        "update outbox set bytes = cast(replace(cast(bytes as text), 'Subject: Traffic',
             'Subject: Tariffs') as blob) where recipient = 'ana@example.com'",
    );
    assert_eq!(changed, 1);
    let verdicts = t.verdicts();
    let [(_, Verdict::Different(place)), (_, Verdict::Same)] = verdicts.as_slice() else {
        panic!("{verdicts:?}")
    };
    assert_eq!((place.part.as_str(), place.column), ("the headers", 11));
    assert!(place.sent.contains("Tariffs") && place.made.contains("Traffic"), "{place:?}");
    // And what was kept is what is compared: a damaged snapshot is told.
    t.sql("update archive set snapshot = zeroblob(10)");
    assert!(t.verdicts().iter().all(|(_, one)| matches!(one, Verdict::Impossible(_))));
    t.sql("delete from archive");
    assert!(t.verdicts().iter().all(|(_, one)| matches!(one, Verdict::Impossible(_))));
}

/// A session of a day that is told already, written down only now.
fn comes_late(t: &TestPostrider, start: &str) {
    let (web, now) = (channel(&t.org, "Web"), t.clock.now());
    let stamps = ["CreatedDate", "LastModifiedDate", "SystemModstamp"];
    let stamps: Vec<_> = stamps.into_iter().map(|name| (name, now.into())).collect();
    ended(&t.org, &web, start, &stamps);
}

#[tokio::test]
async fn figures_that_changed_after_they_were_told_are_told_again_once() {
    let t = before_eight(&daily(r#""ana@example.com""#)).await;
    t.advance_to("2026-11-23T07:02:00Z").await;
    let told = t.last_run();
    t.jump_to("2026-11-23T12:00:00Z").await;
    comes_late(&t, "2026-11-22T13:00:00Z");
    t.advance(TimeDelta::minutes(20)).await;
    let recounted = t.app.engine().recount(&told).await.unwrap();
    let total = recounted.changed.iter().find(|one| one.row == "Total").expect("another total");
    let (one, two) = (Value::Integer(1), Value::Integer(2));
    assert_eq!((total.column.as_str(), &total.told, &total.now), ("Sessions", &one, &two));
    assert!(recounted.left_out.is_empty(), "{:?}", recounted.left_out);
    t.jump_to("2026-11-24T06:55:00Z").await;
    t.advance_to("2026-11-24T07:05:00Z").await;
    let [Section::Table(table)] = &t.last_kept().sections[..] else { panic!("one table") };
    let [restated] = &table.restated[..] else { panic!("{:?}", table.restated) };
    assert_eq!((restated.before, restated.now), (1.0, 2.0));
    assert_eq!(table.columns[restated.column].name, "Sessions");
    assert_eq!(restated.slot, utc("2026-11-23T07:00:00Z"));
    assert_eq!(restated.window.from, utc("2026-11-21T23:00:00Z"));
    // The mail after it was told of a day that did not change.
    t.jump_to("2026-11-25T06:55:00Z").await;
    t.advance_to("2026-11-25T07:05:00Z").await;
    let [Section::Table(table)] = &t.last_kept().sections[..] else { panic!("one table") };
    assert_eq!(table.restated, []);
}

#[tokio::test]
async fn a_mail_of_long_ago_is_not_compared_again() {
    let t = before_eight(&daily(r#""ana@example.com""#)).await;
    t.advance_to("2026-11-23T07:02:00Z").await;
    comes_late(&t, "2026-11-22T13:00:00Z");
    t.advance(TimeDelta::minutes(20)).await;
    t.sql("update run set planned_at = planned_at - 41 * 86400000");
    t.jump_to("2026-11-24T06:55:00Z").await;
    t.advance_to("2026-11-24T07:05:00Z").await;
    let [Section::Table(table)] = &t.last_kept().sections[..] else { panic!("one table") };
    assert_eq!(table.restated, []);
}

#[tokio::test]
async fn a_past_slot_that_could_not_be_made_can_be_tried_again() {
    let text = daily(r#""ana@example.com""#).replace(
        "reports = [\"traffic\"]",
        "reports = [{ report = \"traffic\", required = true }]",
    );
    let t = TestPostrider::start(&text, "2026-11-23T06:50:00Z", fill).await;
    let (engine, slot) = (t.app.engine(), utc("2026-11-22T07:00:00Z"));
    let digest = engine.plant().digests["daily"].clone();
    let later = engine.make_later(&digest, slot, None).await.unwrap();
    assert!(matches!(&later, Later::Failed(why) if why.contains("being loaded")), "{later:?}");
    t.beat().await;
    let later = engine.make_later(&digest, slot, None).await.unwrap();
    assert!(matches!(later, Later::Made { messages: 1, .. }), "{later:?}");
    t.beat().await;
}

#[tokio::test]
async fn a_report_that_asks_for_something_else_now_has_no_corrections_to_tell() {
    let config = daily(r#""ana@example.com""#);
    let mut t = before_eight(&config).await;
    t.advance_to("2026-11-23T07:02:00Z").await;
    let told = t.last_run();
    // The column is called what it was called, and counts nothing any more.
    let other = config.replace("count() as Sessions", "count(session.EndTime) * 0 as Sessions");
    assert_ne!(other, config);
    t.restart(&other).await;
    let recounted = t.app.engine().recount(&told).await.unwrap();
    assert!(recounted.left_out[0].contains("definition is another one"), "{recounted:?}");
    t.jump_to("2026-11-24T06:55:00Z").await;
    t.advance_to("2026-11-24T07:05:00Z").await;
    let [Section::Table(table)] = &t.last_kept().sections[..] else { panic!("one table") };
    assert_eq!(table.restated, []);
}

#[tokio::test]
async fn past_slots_are_filled_in_once_and_say_so() {
    let t = before_eight(&daily(r#""ana@example.com""#)).await;
    t.advance_to("2026-11-23T07:02:00Z").await;
    let engine = t.app.engine();
    let digest = engine.plant().digests["daily"].clone();
    let (from, to) = (utc("2026-11-21T00:00:00Z"), utc("2026-11-30T00:00:00Z"));
    let past = engine.past_slots(&digest, from, to);
    let days = ["2026-11-21", "2026-11-22", "2026-11-23"];
    assert_eq!(past, days.map(|day| utc(&format!("{day}T07:00:00Z"))), "none of the future");
    for round in 0..2 {
        for (slot, day) in past.iter().zip(days) {
            t.clock.set(t.clock.now() + TimeDelta::seconds(1));
            let before = engine.was_made(&digest, *slot, None).await.unwrap();
            let later = engine.make_later(&digest, *slot, None).await.unwrap();
            match (day, round) {
                ("2026-11-23", _) => assert!(matches!(later, Later::Sent(_)), "{later:?}"),
                (_, 0) => {
                    assert_eq!(before, None);
                    assert!(matches!(later, Later::Made { messages: 1, .. }), "{later:?}");
                    let run = t.last_run();
                    assert_eq!((run.planned_at, run.trigger.as_str()), (*slot, "made later"));
                    let said = &t.last_kept().remarks[0];
                    assert!(said.starts_with("Made later, on "), "{said}");
                }
                _ => assert!(matches!(later, Later::Before(_)), "{later:?}"),
            }
        }
        t.beat().await;
    }
    let letters = t.letters_to("ana@example.com");
    assert_eq!(letters.len(), 3);
    assert!(letters[1].words().contains("Fri 20 Nov 2026"), "{}", letters[1].text);
    // What somebody wants for himself alone is another matter.
    let only = Some("me@example.com");
    let own = engine.make_later(&digest, past[2], only).await.unwrap();
    assert!(matches!(own, Later::Made { .. }), "{own:?}");
    let again = engine.make_later(&digest, past[2], Some("ME@example.com")).await.unwrap();
    assert!(matches!(again, Later::Before(_)), "{again:?}");
    t.beat().await;
    assert_eq!(t.letters_to("me@example.com").len(), 1);
    assert_eq!(t.letters_to("ana@example.com").len(), 3);
}

#[tokio::test]
async fn runs_are_kept_as_long_as_is_asked_for_and_a_rule_no_longer_than_before() {
    let config = daily(r#""ana@example.com""#).replace(
        "owner = \"owner@example.com\"",
        "owner = \"owner@example.com\"\narchive = \"40 days\"",
    );
    let t = before_eight(&config).await;
    t.inbox.refuse("ana@example.com", "550 5.1.1 no such user");
    t.advance_to("2026-11-23T07:02:00Z").await;
    let kept = |sql: &str| -> i64 {
        let state = &t.app.engine().store().state;
        state.read(|tx| Ok(tx.query_row(sql, [], |row| row.get(0))?)).unwrap()
    };
    assert_eq!((kept("select count(*) from outbox"), kept("select count(*) from archive")), (2, 1));
    // After a day its bytes are packed, and what goes out again is what was to go out then.
    t.clock.set(utc("2026-11-25T07:00:00Z"));
    t.app.engine().housekeep().await.unwrap();
    assert_eq!(kept("select count(*) from outbox where packed"), 1);
    assert!(matches!(&t.verdicts()[..], [(_, Verdict::Same)]), "{:?}", t.verdicts());
    t.inbox.behave();
    let (run, now) = (t.last_run(), t.clock.now());
    let state = &t.app.engine().store().state;
    state.write(|tx| outbox::resend(tx, &run.id, None, now)).unwrap();
    t.patiently(t.app.engine().deliver_due()).await.unwrap();
    assert_eq!(t.letters_to("ana@example.com")[0].subject, "Traffic of Mon 23 Nov 2026");

    t.clock.set(utc("2026-12-30T07:00:00Z"));
    t.app.engine().housekeep().await.unwrap();
    assert_eq!(kept("select count(*) from outbox"), 1, "the notice went, the digest is kept");
    assert_eq!(kept("select count(*) from run"), 1);
    assert_eq!(t.verdicts().len(), 1);
    t.clock.set(utc("2027-01-06T07:00:00Z"));
    t.app.engine().housekeep().await.unwrap();
    for table in ["outbox", "attempt", "archive", "run", "slot"] {
        assert_eq!(kept(&format!("select count(*) from {table}")), 0, "{table}");
    }
}
