//! Slots: downtime, clock changes, new digests, holidays, and data that comes late.

use chrono::TimeDelta;
use postrider::demo::org::{Fault, On, Org};

use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, Letter, TRAFFIC, TestPostrider};

fn fill(org: &Org) {
    let web = channel(org, "Web");
    for day in 16..=26 {
        ended(org, &web, &format!("2026-11-{day}T12:00:00Z"), &[]);
    }
}

fn digest(lines: &str) -> String {
    format!(
        "{HEAD}{TRAFFIC}\n[digests.daily]\nsubject = \"Traffic of {{{{ date }}}}\"\n\
         reports = [\"traffic\"]\nto = [\"ana@example.com\"]\n{lines}\n"
    )
}

/// Started and pulled at an instant.
async fn started(lines: &str, at: &str) -> TestPostrider {
    let t = TestPostrider::start(&digest(lines), at, fill).await;
    t.beat().await;
    t
}

fn letters(t: &TestPostrider) -> Vec<Letter> {
    t.letters_to("ana@example.com")
}

/// Not running until an instant; then started again and given a few minutes.
async fn down_until(t: &mut TestPostrider, lines: &str, at: &str) {
    t.clock.set(crate::harness::utc(at));
    t.restart(&digest(lines)).await;
    t.beat().await;
    t.advance(TimeDelta::minutes(3)).await;
}

const EVERY_DAY: &str = "schedule = \"0 8 * * *\"";

#[tokio::test]
async fn after_three_missed_slots_one_late_digest_goes_out_and_says_so() {
    let mut t = started(EVERY_DAY, "2026-11-19T06:00:00Z").await;
    t.jump_to("2026-11-19T07:02:00Z").await;
    assert_eq!(letters(&t).len(), 1);
    down_until(&mut t, EVERY_DAY, "2026-11-22T10:30:00Z").await;
    let all = letters(&t);
    let [_, late] = all.as_slice() else { panic!("{} mails", all.len()) };
    assert_eq!(late.subject, "Traffic of Sun 22 Nov 2026");
    for told in [
        "This mail is late by 3 h 30 min",
        "planned for 08:00",
        "2 earlier mails were missed while postrider was not running",
    ] {
        assert!(late.words().contains(told), "`{told}` not in\n{}", late.text);
        assert!(late.seen().contains(told), "`{told}` not in\n{}", late.seen());
    }
    // Its period is that of the slot.
    assert!(late.words().contains("Sat 21 Nov 2026"), "{}", late.text);
    let skipped: Vec<_> =
        t.ledger("daily").into_iter().filter(|(kind, _)| kind == "slot").collect();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    t.jump_to("2026-11-23T07:02:00Z").await;
    assert_eq!(letters(&t).len(), 3, "and on as always");
    assert!(!letters(&t)[2].words().contains("missed"));
}

#[tokio::test]
async fn all_missed_slots_go_out_where_that_is_asked_for() {
    let all = "schedule = \"0 8 * * *\"\nmissed = \"all\"";
    let mut t = started(all, "2026-11-19T06:00:00Z").await;
    down_until(&mut t, all, "2026-11-22T10:30:00Z").await;
    let subjects: Vec<String> = letters(&t).into_iter().map(|letter| letter.subject).collect();
    let days = ["Thu 19", "Fri 20", "Sat 21", "Sun 22"];
    assert_eq!(subjects, days.map(|day| format!("Traffic of {day} Nov 2026")));
}

#[tokio::test]
async fn no_missed_slot_goes_out_where_that_is_asked_for() {
    for lines in [
        "schedule = \"0 8 * * *\"\nmissed = \"none\"",
        "schedule = \"0 8 * * *\"\nmax_lateness = \"2 h\"",
    ] {
        let mut t = started(lines, "2026-11-19T06:00:00Z").await;
        down_until(&mut t, lines, "2026-11-22T10:30:00Z").await;
        assert_eq!(letters(&t).len(), 0, "{lines}");
        let skipped: Vec<_> =
            t.ledger("daily").into_iter().filter(|(kind, _)| kind == "slot").collect();
        assert_eq!(skipped.len(), 4, "{lines}: each with its reason: {skipped:?}");
        t.jump_to("2026-11-23T07:02:00Z").await;
        assert_eq!(letters(&t).len(), 1, "{lines}");
    }
}

#[tokio::test]
async fn a_new_digest_and_an_edited_schedule_fill_nothing_in() {
    let t = started(EVERY_DAY, "2026-11-23T09:00:00Z").await;
    t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(letters(&t).len(), 0, "today's slot was before it existed");
    let earlier = digest("schedule = \"0 9 * * *\"");
    t.app.reload(t.config(&earlier)).await.unwrap();
    t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(letters(&t).len(), 0, "nine o'clock was before the edit");
    t.jump_to("2026-11-24T08:02:00Z").await;
    assert_eq!(letters(&t).len(), 1);
}

#[tokio::test]
async fn both_changes_of_the_clocks_keep_one_mail_a_day() {
    // 2026-03-29 has no 02:30 in Berlin, 2026-10-25 has it twice.
    for (from, days) in [("2026-03-27", 4), ("2026-10-23", 4)] {
        let t = started("schedule = \"30 2 * * *\"", &format!("{from}T12:00:00Z")).await;
        let mut clock = crate::harness::utc(&format!("{from}T12:00:00Z"));
        for _ in 0..days * 48 {
            clock += TimeDelta::minutes(30);
            t.jump_to(&clock.to_rfc3339()).await;
        }
        t.advance(TimeDelta::minutes(2)).await;
        let subjects: Vec<String> = letters(&t).into_iter().map(|letter| letter.subject).collect();
        let mut once = subjects.clone();
        once.dedup();
        assert_eq!((subjects.len(), once.len()), (days, days), "{subjects:?}");
    }
}

#[tokio::test]
async fn a_mail_at_eight_stays_at_eight_by_the_wall_clock() {
    let t = started(EVERY_DAY, "2026-10-24T05:58:00Z").await;
    t.advance(TimeDelta::minutes(5)).await;
    assert_eq!(letters(&t).len(), 1, "summer: 06:00 in UTC");
    t.jump_to("2026-10-25T05:58:00Z").await;
    t.advance(TimeDelta::minutes(10)).await;
    assert_eq!(letters(&t).len(), 1, "winter has begun");
    t.jump_to("2026-10-25T06:58:00Z").await;
    t.advance(TimeDelta::minutes(5)).await;
    assert_eq!(letters(&t).len(), 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_sends_nothing_twice() {
    let t = started(EVERY_DAY, "2026-11-23T06:58:00Z").await;
    t.advance(TimeDelta::minutes(5)).await;
    assert_eq!(letters(&t).len(), 1);
    t.jump_to("2026-11-23T05:30:00Z").await;
    t.advance(TimeDelta::hours(2)).await;
    assert_eq!(letters(&t).len(), 1, "eight o'clock came a second time");
    t.jump_to("2026-11-24T06:58:00Z").await;
    t.advance(TimeDelta::minutes(5)).await;
    assert_eq!(letters(&t).len(), 2);
}

#[tokio::test]
async fn holidays_are_skipped_and_the_reason_is_kept() {
    let lines = "schedule = \"0 8 * * *\"\ncalendar = \"office\"\n[calendars.office]\n\
                 hours = { mon-fri = \"08:00-18:00\" }\nholidays = [\"2026-11-24\"]";
    let t = started(lines, "2026-11-21T06:00:00Z").await;
    for day in 21..=25 {
        t.jump_to(&format!("2026-11-{day}T06:55:00Z")).await;
        t.advance(TimeDelta::minutes(8)).await;
    }
    let subjects: Vec<String> = letters(&t).into_iter().map(|letter| letter.subject).collect();
    assert_eq!(subjects, ["Mon 23", "Wed 25"].map(|day| format!("Traffic of {day} Nov 2026")));
    let skipped: Vec<String> = t
        .ledger("daily")
        .into_iter()
        .filter_map(|(kind, text)| (kind == "slot").then_some(text))
        .collect();
    assert_eq!(skipped.len(), 3, "{skipped:?}");
    assert!(skipped[2].contains("2026-11-24") && skipped[2].contains("holiday"), "{skipped:?}");
}

/// A digest about the hours up to its slot, which the data never reaches at once.
const UP_TO_NOW: &str = "last 24 h";

#[tokio::test]
async fn a_digest_waits_for_its_data_and_is_not_provisional() {
    let config = digest(EVERY_DAY).replace("yesterday", UP_TO_NOW);
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    t.org.faults().always(Fault::Html(503), On::any());
    t.advance_to("2026-11-23T07:04:00Z").await;
    assert_eq!(letters(&t).len(), 0, "its data is not there");
    t.org.faults().clear();
    t.advance_to("2026-11-23T07:09:30Z").await;
    let all = letters(&t);
    let [letter] = all.as_slice() else { panic!("{} mails", all.len()) };
    assert!(!letter.words().contains("rovisional"), "{}", letter.text);
    assert!(!letter.words().contains("late by"), "{}", letter.text);
    assert!(letter.words().contains("Web 1"), "{}", letter.text);
}

#[tokio::test]
async fn a_digest_that_waits_survives_a_restart() {
    let config = digest(EVERY_DAY).replace("yesterday", UP_TO_NOW);
    let mut t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    t.org.faults().always(Fault::Html(503), On::any());
    t.advance_to("2026-11-23T07:04:00Z").await;
    t.restart(&config).await;
    t.org.faults().clear();
    t.advance_to("2026-11-23T07:15:00Z").await;
    assert_eq!(letters(&t).len(), 1);
}

#[tokio::test]
async fn a_digest_waits_as_long_as_it_is_told_to() {
    let lines = format!("{EVERY_DAY}\nwait_up_to = \"3 min\"");
    let config = digest(&lines).replace("yesterday", UP_TO_NOW);
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    t.org.faults().always(Fault::Html(503), On::any());
    t.advance_to("2026-11-23T07:02:00Z").await;
    assert_eq!(letters(&t).len(), 0);
    t.advance_to("2026-11-23T07:04:00Z").await;
    assert_eq!(letters(&t).len(), 1);
    assert!(letters(&t)[0].words().contains("Provisional"), "{}", letters(&t)[0].text);
}
