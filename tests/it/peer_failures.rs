//! What was measured to go wrong in Prometheus 2.42 with Alertmanager 0.25, each scenario played
//! through the whole of postrider: a real API, mail server and webhook endpoint on loopback. Every
//! test says what the peer does there; ours loses nothing and repeats nothing.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use postrider::demo::catcher::Answer;
use postrider::demo::inbox::{Act, Stage};

use crate::harness::{HEAD, utc};

mod story;

use story::{LINES, Story, TO_BOTH, TO_HOOK, at, instant, minutes, of};

fn sorted(mut told: Vec<(String, String)>) -> Vec<(String, String)> {
    told.sort();
    told
}

/// E1. Alertmanager killed after it notified: the same alert, posted again after its start, is
/// notified once more.
#[tokio::test]
async fn a_kill_after_a_notice_repeats_nothing() {
    let mut story = Story::begin("", TO_BOTH).await;
    story.shows("A", "09:01", &[minutes(20, 50.0), minutes(5, 1.0)].concat());
    story.until("09:06").await;
    assert_eq!(story.told(), of(&["fired"], "A"));
    for again in ["09:07", "09:08", "09:12"] {
        story.killed_until(again).await;
        assert_eq!(story.told(), of(&["fired"], "A"), "after the start at {again}");
    }
    story.until("09:40").await;
    assert_eq!(story.told(), of(&["fired", "resolved"], "A"));
    assert_eq!(story.letters().len(), 2);
    story.nothing_twice();
}

/// E1, the only case in which a message may come twice: the far side took it, and the process died
/// before it knew. It has the same id and the same bytes then, so the far side can tell.
#[tokio::test]
async fn a_kill_before_the_answer_was_known_repeats_the_same_id_and_bytes() {
    let mut story = Story::begin("", TO_BOTH).await;
    story.shows("A", "09:01", &[minutes(20, 50.0), minutes(5, 1.0)].concat());
    story.t.catcher.answer(Answer::Close);
    story.t.inbox.misbehave(Stage::Dot, Act::Close, 1);
    story.until("09:04").await;
    story.killed_until("09:05").await;
    story.until("09:40").await;
    let hooks = story.t.catcher.hooks();
    let id = |number: usize| hooks[number].header("webhook-id").unwrap();
    assert_eq!(hooks.len(), 3, "the lost answer, its repetition, the end");
    assert_eq!((id(0), &hooks[0].body), (id(1), &hooks[1].body));
    assert_ne!(id(1), id(2));
    let mails = story.t.mails_to("ops@example.com");
    assert_eq!(mails.len(), 3);
    assert_eq!(mails[0].bytes, mails[1].bytes);
    assert_ne!(mails[1].bytes, mails[2].bytes);
}

/// E2. Fired and notified, silenced, over, and the silence deleted: Alertmanager never says that it is
/// over.
#[tokio::test]
async fn a_silence_between_beginning_and_end_hides_no_end() {
    let story = Story::begin("", TO_BOTH).await;
    story.shows("A", "09:01", &[minutes(10, 50.0), minutes(30, 1.0)].concat());
    story.until("09:05").await;
    assert_eq!(story.told(), of(&["fired"], "A"));
    let id = story.silenced("09:05");
    story.until("09:25").await;
    let before = story.told();
    story.heard(&id);
    story.until("10:00").await;
    assert_eq!(story.told(), of(&["fired", "resolved"], "A"), "with the silence {before:?}");
    assert_eq!(story.letters().len(), 2);
    story.nothing_twice();
}

/// E2b. The same, and it fires again at once: Alertmanager takes it for what it has notified already,
/// until `repeat_interval` is over.
#[tokio::test]
async fn what_fires_again_after_a_silence_is_news() {
    let routes = "[[routes]]\nto = [\"ops-mail\", \"ops-hook\"]\nrepeat = \"1 h\"\n";
    let mut story = Story::begin("", routes).await;
    let again = [minutes(10, 50.0), minutes(9, 1.0), minutes(10, 50.0), minutes(15, 1.0)];
    story.shows("A", "09:01", &again.concat());
    story.until("09:05").await;
    let id = story.silenced("09:05");
    story.until("09:18").await;
    story.heard(&id);
    // The process has no memory of its own either.
    story.killed_until("09:19").await;
    story.until("09:24").await;
    assert_eq!(story.told(), of(&["fired", "resolved", "fired"], "A"));
    story.until("10:00").await;
    assert_eq!(story.told(), of(&["fired", "resolved", "fired", "resolved"], "A"));
    assert_eq!(story.letters().len(), 4);
    story.nothing_twice();
}

/// E2b with the silence still there when it fires again: hidden, and told once when the silence ends.
#[tokio::test]
async fn what_a_silence_hid_is_told_once_when_it_ends() {
    let story = Story::begin("", TO_BOTH).await;
    let again = [minutes(5, 50.0), minutes(5, 1.0), minutes(20, 50.0), minutes(15, 1.0)];
    story.shows("A", "09:01", &again.concat());
    story.until("09:04").await;
    let id = story.silenced("09:04");
    story.until("09:20").await;
    assert_eq!(story.told(), of(&["fired", "resolved"], "A"), "the second is hidden");
    story.heard(&id);
    story.until("09:25").await;
    assert_eq!(story.told(), of(&["fired", "resolved", "fired"], "A"));
    story.until("10:00").await;
    assert_eq!(story.told(), of(&["fired", "resolved", "fired", "resolved"], "A"));
    story.nothing_twice();
}

/// E3c. An alert that lives 1.8 s while the webhook answers one 429: Alertmanager retries at its next
/// flush only, by when the alert is gone, and never says anything.
#[tokio::test]
async fn a_refusal_that_outlives_the_incident_costs_no_notice() {
    let story = Story::begin("", TO_HOOK).await;
    story.t.catcher.answer(Answer::with_header(429, "retry-after", "600"));
    story.shows("A", "09:01", &[minutes(1, 50.0), minutes(5, 1.0)].concat());
    story.until("09:10").await;
    let hooks = story.t.catcher.hooks();
    let refused = hooks[0].header("webhook-id").expect("an id");
    assert!(story.t.incidents().is_empty(), "it is over, and the wait is not");
    story.until("09:30").await;
    assert_eq!(sorted(story.told()), of(&["fired", "resolved"], "A"));
    let hooks = story.t.catcher.hooks();
    assert_eq!(hooks.len(), 3, "one attempt more than messages");
    let again = hooks.iter().filter(|hook| hook.header("webhook-id") == Some(refused));
    assert_eq!(again.count(), 2, "the refused one, in the end");
}

/// E4. A reload with the same matcher in other words: Alertmanager's group has another key, so what
/// was notified is notified again.
#[tokio::test]
async fn a_route_in_other_words_repeats_nothing() {
    let to = "to = [\"ops-mail\", \"ops-hook\"]\n";
    let other = "[[routes]]\nto = [\"elsewhere\"]\n\
                 [receivers.elsewhere]\nkind = \"email\"\nto = [\"elsewhere@example.com\"]\n";
    let config = |when: &str| format!("[[routes]]\nwhen = \"{when}\"\n{to}{other}");
    let mut story = Story::begin("", &config("level = 'warning' and rule = 'slow'")).await;
    story.shows("A", "09:01", &[minutes(20, 50.0), minutes(5, 1.0)].concat());
    story.until("09:05").await;
    assert_eq!(story.told(), of(&["fired"], "A"));
    for (time, when) in [
        ("09:07", "rule = 'slow' and level = 'warning'"),
        ("09:09", "rule in ('slow') and not level != 'warning'"),
        ("09:11", "level in ('critical', 'warning')"),
    ] {
        let text = format!("{HEAD}{LINES}{}", config(when)).replace("API", &story.api.url());
        story.t.app.reload(story.t.config(&text)).await.unwrap();
        story.until(time).await;
        story.config = text;
        story.killed_until(time).await;
        assert_eq!(story.told(), of(&["fired"], "A"), "after `{when}`");
    }
    story.until("09:40").await;
    assert_eq!(story.told(), of(&["fired", "resolved"], "A"));
    assert_eq!(story.letters().len(), 2);
    assert_eq!(story.t.mails_to("elsewhere@example.com").len(), 0, "it was always this route");
    story.nothing_twice();
}

/// E5. A bad template: Alertmanager sends an empty mail with the right subject at every group interval,
/// for ever. Ours sends what it would have filled in, once, and says what is wrong.
#[tokio::test]
async fn a_bad_template_costs_its_looks_and_nothing_else() {
    let broken = "{% if data.group and data.group[0].value == 'A' %}{{ data.no.such.thing }}{% endif %}{\"title\": \"{{ subject }}\"}";
    let receivers = "[receivers.broken]\nkind = \"webhook\"\nurl = \"env:HOOK_URL\"\n\
                     secrets = [\"env:HOOK_SECRET\"]\nbody = \"file:broken.json\"\n";
    let routes = "[[routes]]\nto = [\"ops-mail\", \"broken\"]\nrepeat = \"1 h\"\n";
    let story = Story::begin("", TO_BOTH).await;
    let text = format!("{HEAD}{LINES}{receivers}{routes}").replace("API", &story.api.url());
    // A template that never works is refused when the config is read.
    let never =
        story.read(&text, "broken.json", "{{ no.such.thing }}").expect_err("a bad template");
    assert!(never.contains("`broken.json` cannot be used"), "{never}");
    story.t.app.reload(story.read(&text, "broken.json", broken).unwrap()).await.unwrap();
    story.shows("A", "09:01", &[minutes(30, 50.0), minutes(5, 1.0)].concat());
    story.until("09:55").await;
    let hooks = story.t.catcher.hooks();
    assert_eq!(hooks.len(), 2, "fired and resolved, once each");
    for (hook, kind) in hooks.iter().zip(["incident.fired", "incident.resolved"]) {
        let said = hook.json();
        assert_eq!((&said["type"], &said["data"]["rule"]), (&kind.into(), &"slow".into()));
        assert!(said["template_error"].as_str().unwrap().contains("undefined"), "{said}");
        assert!(said["data"]["text"].as_str().unwrap().contains("A line is slow"), "{said}");
    }
    assert_eq!(story.letters().len(), 2, "the mail is another matter");
    story.nothing_twice();
}

/// E6. One of two recipients is refused with 550: Alertmanager gives the good one nothing and asks
/// for the bad one six times in eight seconds.
#[tokio::test]
async fn a_refused_recipient_costs_the_other_one_nothing() {
    const BAD: &str = "gone@example.com";
    let both = format!(
        "[receivers.two]\nkind = \"email\"\nto = [\"good@example.com\", \"{BAD}\"]\n\
         [[routes]]\nto = [\"two\"]\n"
    );
    let story = Story::begin("", &both).await;
    story.t.inbox.refuse(BAD, "550 5.1.1 nobody of this name");
    story.shows("A", "09:01", &[minutes(10, 50.0), minutes(5, 1.0)].concat());
    story.until("09:30").await;
    let letters = story.t.letters_to("good@example.com");
    assert_eq!(letters.len(), 2, "fired and resolved, once each");
    assert!(letters[1].words().contains("Resolved"), "{}", letters[1].text);
    assert_eq!(story.t.mails_to(BAD).len(), 0);
    let rows = story.t.deliveries();
    let bad: Vec<_> = rows.iter().filter(|row| row.recipient == BAD).collect();
    assert_eq!(bad.len(), 2);
    for row in bad {
        assert_eq!(story.t.attempts(row.id).len(), 1, "asked once: {row:?}");
    }
    let told = story.t.letters_to("owner@example.com");
    assert!(!told.is_empty(), "somebody is told that a recipient gets nothing");
    story.nothing_twice();
}

/// E8. Prometheus restarted while a rule with `for` fires: it says *resolved* nine seconds later and
/// *firing* again after its hold.
#[tokio::test]
async fn a_restart_while_it_fires_is_no_end_and_no_beginning() {
    for down in [1, 14, 16, 45] {
        let mut story = Story::begin("for = \"15 min\"\n", TO_BOTH).await;
        story.shows("A", "09:01", &[minutes(80, 50.0), minutes(5, 1.0)].concat());
        story.until("09:25").await;
        assert_eq!(story.told(), of(&["fired"], "A"), "down for {down} min");
        let (began, fired) = (story.last()["began"].clone(), story.last()["fired"].clone());
        assert_eq!((&began, &fired), (&instant("09:02"), &instant("09:17")));
        let back = at("09:25") + TimeDelta::minutes(down);
        story.killed_until(&back.format("%H:%M").to_string()).await;
        story.until("10:15").await;
        assert_eq!(story.told(), of(&["fired"], "A"), "down for {down} min");
        story.until("10:40").await;
        assert_eq!(story.told(), of(&["fired", "resolved"], "A"), "down for {down} min");
        assert_eq!((&story.last()["began"], &story.last()["fired"]), (&began, &fired));
        assert_eq!(story.letters().len(), 2);
        story.nothing_twice();
    }
}

/// E8 inside the hold: it is neither lost nor begun anew, it is measured on the data.
#[tokio::test]
async fn a_restart_inside_the_hold_fires_when_the_hold_is_over() {
    let mut story = Story::begin("for = \"15 min\"\n", TO_BOTH).await;
    story.shows("A", "09:01", &[minutes(40, 50.0), minutes(5, 1.0)].concat());
    story.until("09:06").await;
    story.killed_until("09:10").await;
    story.until("09:13").await;
    story.killed_until("09:13").await;
    story.until("09:17").await;
    assert_eq!(story.told(), []);
    story.until("09:21").await;
    assert_eq!(story.told(), of(&["fired"], "A"));
    assert_eq!(
        (&story.last()["began"], &story.last()["fired"]),
        (&instant("09:02"), &instant("09:17"))
    );
    story.until("10:00").await;
    assert_eq!(story.told(), of(&["fired", "resolved"], "A"));
    story.nothing_twice();
}

/// E9. Prometheus restarted inside `keep_firing_for`: *resolved* 20 s early.
#[tokio::test]
async fn a_restart_while_it_recovers_ends_nothing_early() {
    let mut story = Story::begin("keep_firing_for = \"20 min\"\n", TO_BOTH).await;
    story.shows("A", "09:01", &[minutes(5, 50.0), minutes(40, 1.0)].concat());
    story.until("09:12").await;
    story.killed_until("09:13").await;
    story.until("09:18").await;
    story.killed_until("09:22").await;
    story.until("09:26").await;
    assert_eq!(story.told(), of(&["fired"], "A"));
    story.until("09:35").await;
    assert_eq!(story.told(), of(&["fired", "resolved"], "A"));
    // The first clear window ends at 09:07.
    assert_eq!(story.last()["resolved"], instant("09:27"));
    assert_eq!(story.letters().len(), 2);
    story.nothing_twice();
}

/// E11. An alert lives shorter than `group_wait`: Alertmanager says nothing of it. A second one of
/// the group, born and dead between two flushes, is then listed as resolved though it was never
/// announced.
#[tokio::test]
async fn what_fires_and_ends_before_anybody_is_told_is_told_once_as_that() {
    let mut story = Story::begin("", TO_BOTH).await;
    story.shows("A", "09:01", &[minutes(2, 50.0), minutes(8, 1.0)].concat());
    story.shows("B", "09:04", &[minutes(2, 200.0), minutes(5, 1.0)].concat());
    // Both live and die while nobody looks.
    story.killed_until("09:15").await;
    story.until("09:40").await;
    assert_eq!(sorted(story.told()), [of(&["resolved"], "A"), of(&["resolved"], "B")].concat());
    for hook in story.t.catcher.hooks() {
        let said = hook.json()["data"].clone();
        let reason = said["reason"].as_str().unwrap();
        assert!(reason.contains("before anybody was told"), "{said}");
        assert!(said["fired"].is_string() && said["resolved"].is_string(), "{said}");
    }
    assert_eq!(story.letters().len(), 2);
    story.nothing_twice();
}

/// E11 with a group that waits, as the peer does: one message about both, in which each is said to have
/// fired and to be over.
#[tokio::test]
async fn a_group_that_is_over_before_its_wait_is_told_once_and_whole() {
    let routes =
        "[[routes]]\nto = [\"ops-mail\", \"ops-hook\"]\ngroup_by = [\"rule\"]\nwait = \"5 min\"\n";
    let story = Story::begin("", routes).await;
    story.shows("A", "09:01", &[minutes(1, 50.0), minutes(8, 1.0)].concat());
    story.shows("B", "09:02", &[minutes(1, 200.0), minutes(7, 1.0)].concat());
    story.until("09:40").await;
    let hooks = story.t.catcher.hooks();
    assert_eq!((hooks.len(), story.letters().len()), (1, 1), "{}", hooks[0].json());
    let said = hooks[0].json();
    assert_eq!(said["type"], "incidents.resolved");
    let items = said["data"]["items"].as_array().unwrap();
    let lines: BTreeSet<_> = items.iter().map(|item| item["group"][0]["value"].as_str()).collect();
    assert_eq!((items.len(), lines.len()), (2, 2), "{said}");
    for item in items {
        assert_eq!(item["state"], "resolved", "{said}");
        assert!(item["fired"].is_string() && item["resolved"].is_string(), "{said}");
    }
    assert!(said["data"]["reason"].as_str().unwrap().contains("before anybody was told"), "{said}");
    story.nothing_twice();
}

/// A rule that looks every half hour, and a route that tells nobody inside a calendar's hours.
fn muted(hours: &str) -> String {
    let lines = LINES.replace("every = \"1 min\"", "every = \"30 min\"");
    let lines = lines.replace("window = \"1 min\"", "window = \"30 min\"");
    format!(
        "{lines}[calendars.quiet]\nhours = {hours}\n\
         [[routes]]\nto = [\"ops-mail\", \"ops-hook\"]\nmute = [\"quiet\"]\n"
    )
}

/// What `amtool check-config` rejects: a mute time from 22:00 to 06:00. Ours wraps midnight; what was
/// missed is told when it is over, and the end of what was told is not lost.
#[tokio::test]
async fn a_night_is_muted_and_what_it_hid_is_told_in_the_morning() {
    let half = TimeDelta::minutes(30);
    // In Berlin it is an hour later.
    let config = muted("{ mon-sun = \"22:00-06:00\" }");
    let story = Story::begin_at(utc("2026-11-23T19:30:00Z"), &config).await;
    let values = |before: usize, breach: usize| {
        [minutes(before, 1.0), minutes(breach, 50.0), minutes(30 - before - breach, 1.0)].concat()
    };
    let begin = utc("2026-11-23T19:30:00Z");
    // From 20:30 to 22:30, from 23:30 to 01:30, and from 02:30 to 07:30.
    story.shows_every(half, "A", begin, &values(0, 4));
    story.shows_every(half, "B", begin, &values(6, 4));
    story.shows_every(half, "C", begin, &values(12, 10));
    story.steps_to(half, "2026-11-23T20:59:00Z").await;
    assert_eq!(story.told(), of(&["fired"], "A"));
    story.steps_to(half, "2026-11-24T04:59:00Z").await;
    let before = story.told();
    assert!(before.iter().all(|(_, line)| line == "A"), "told at night: {before:?}");
    story.steps_to(TimeDelta::minutes(1), "2026-11-24T05:02:00Z").await;
    let expected = [of(&["fired", "resolved"], "A"), of(&["resolved"], "B"), of(&["fired"], "C")];
    assert_eq!(sorted(story.told()), sorted(expected.concat()));
    story.steps_to(half, "2026-11-24T09:00:00Z").await;
    assert_eq!(story.told().last(), Some(&("resolved".to_owned(), "C".to_owned())));
    assert_eq!((story.told().len(), story.letters().len()), (5, 5));
    story.nothing_twice();
}

/// The other one that `amtool check-config` rejects: the days from saturday to monday, over the end
/// of the week.
#[tokio::test]
async fn a_long_weekend_is_muted_over_the_end_of_the_week() {
    let half = TimeDelta::minutes(30);
    let begin = utc("2026-11-20T21:30:00Z");
    let story = Story::begin_at(begin, &muted("{ sat-mon = \"00:00-24:00\" }")).await;
    // From 23:30 on Friday to 00:30 on Saturday, and from 01:30 on Sunday to 03:30 on Tuesday.
    let quiet = minutes(200, 1.0);
    story.shows_every(
        half,
        "A",
        begin,
        &[minutes(2, 1.0), minutes(2, 50.0), quiet.clone()].concat(),
    );
    let long = minutes(2 * 50, 50.0);
    story.shows_every(half, "B", begin, &[minutes(2 * 26, 1.0), long, quiet].concat());
    story.steps_to(half, "2026-11-23T22:59:00Z").await;
    assert_eq!(story.told(), [], "told on the weekend");
    story.steps_to(TimeDelta::minutes(1), "2026-11-23T23:02:00Z").await;
    let told = story.told();
    assert_eq!(sorted(told), sorted([of(&["resolved"], "A"), of(&["fired"], "B")].concat()));
    story.steps_to(half, "2026-11-24T06:00:00Z").await;
    assert_eq!(story.told().last(), Some(&("resolved".to_owned(), "B".to_owned())));
    assert_eq!((story.told().len(), story.letters().len()), (3, 3));
    story.nothing_twice();
}
