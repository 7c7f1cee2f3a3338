//! Reload: people edit the config while postrider runs. A good edit is in force whole, a bad one not
//! at all, and nothing that is known is forgotten.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use postrider::demo::org::{Call, Fault, On, Org};

use crate::harness::process::{Daemon, Folder};
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, Letter, PATIENCE, TRAFFIC, TestPostrider};

const DAILY: &str = r#"
[digests.daily]
reports = ["traffic"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

const ENDED: &str = r#"
[reports.ended]
title = "Who ended the sessions?"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
group_by = ["session.EndedByType as By"]
columns = ["count() as Sessions"]

[reports.work]
title = "How much work was assigned?"
type = "AgentWork"
period = "yesterday"
date = "AgentWork.CreatedDate"
columns = ["count() as Assignments"]
"#;

fn fill(org: &Org) {
    let web = channel(org, "Web");
    ended(org, &web, "2026-11-22T12:00:00Z", &[]);
}

#[tokio::test]
async fn an_added_report_is_in_the_next_digest_with_the_data_it_needs() {
    let config = format!("{HEAD}{TRAFFIC}{DAILY}");
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    let more = DAILY.replace("\"traffic\"", "\"traffic\", \"ended\", \"work\"");
    let edited = t.config(&format!("{HEAD}{TRAFFIC}{ENDED}{more}"));
    let changes = t.app.reload(edited).await.unwrap();
    let expected = [
        "report `ended` added",
        "report `work` added",
        "digest `daily` changed: `reports` with ended, work",
    ];
    assert_eq!(changes, expected);
    t.advance_to("2026-11-23T07:05:00Z").await;
    let letters = t.letters_to("ana@example.com");
    let [letter] = letters.as_slice() else { panic!("{} mails", letters.len()) };
    assert!(letter.words().contains("Who ended the sessions?"), "{}", letter.text);
    assert!(letter.words().contains("How much work was assigned?"), "{}", letter.text);
    assert!(!letter.words().contains("could not be made"), "{}", letter.text);
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_and_who_is_taken_off_gets_nothing() {
    let config = format!("{HEAD}{TRAFFIC}{DAILY}");
    let t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T07:05:00Z").await;
    let other = config.replace("ana@example.com", "ben@example.com");
    let changes = t.app.reload(t.config(&other)).await.unwrap();
    let changed = "digest `daily` changed: `to` with ben@example.com and without ana@example.com";
    assert_eq!(changes, [changed]);
    assert_eq!(t.app.reload(t.config(&other)).await.unwrap(), [""; 0], "no change, no word");
    t.advance(TimeDelta::minutes(30)).await;
    assert_eq!(t.inbox.received(), 1, "today's slot was dealt with");
    t.jump_to("2026-11-24T07:02:00Z").await;
    assert_eq!(t.letters_to("ana@example.com").len(), 1);
    assert_eq!(t.letters_to("ben@example.com").len(), 1);
}

#[tokio::test]
async fn a_config_that_cannot_be_taken_over_changes_nothing() {
    let config = format!("{HEAD}{TRAFFIC}{DAILY}");
    let t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    let mut moved = t.config(&config.replace("ana@example.com", "ben@example.com"));
    moved.state = moved.state.join("elsewhere");
    let refused = t.app.reload(moved).await.unwrap_err();
    assert!(refused.to_string().contains("takes a restart"), "{refused}");
    t.advance_to("2026-11-23T07:05:00Z").await;
    assert_eq!(t.letters_to("ana@example.com").len(), 1);
    assert_eq!(t.letters_to("ben@example.com").len(), 0);
}

/// A digest a minute, on a clock that makes that a second.
fn every_minute(reports: &str) -> String {
    format!(
        "[digests.often]\nreports = [{reports}]\nschedule = \"* * * * *\"\n\
         to = [\"ana@example.com\"]\n"
    )
}

/// Waits for a mail that comes after the first `seen` ones.
async fn next_letter(folder: &Folder, seen: usize) -> Letter {
    let waiting = tokio::time::timeout(PATIENCE, folder.inbox.wait_for(seen + 1)).await;
    let mails = waiting.expect("a mail");
    Letter::read(mails.last().expect("a mail"))
}

async fn running(config: &str) -> (Folder, Daemon) {
    let folder = Folder::fast("2026-11-23T09:00:00Z", 60).await;
    fill(&folder.org);
    folder.write(config);
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider runs", 1).await;
    (folder, daemon)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_reloads_on_sighup_and_stops_on_sigterm() {
    let config =
        |extra: &str, reports: &str| format!("{HEAD}{TRAFFIC}{extra}{}", every_minute(reports));
    let (folder, mut daemon) = running(&config("", "\"traffic\"")).await;
    let first = next_letter(&folder, 0).await;
    assert!(first.words().contains("How many sessions came in?"), "{}", first.text);
    assert!(!first.words().contains("Who ended"), "{}", first.text);

    folder.write(&config(ENDED, "\"traffic\", \"ended\""));
    daemon.signal("HUP");
    daemon.says("config reloaded: report `ended` added", 1).await;
    let seen = folder.inbox.received();
    // One that was being made when the edit came may still be the old one.
    next_letter(&folder, seen).await;
    let letter = next_letter(&folder, seen + 1).await;
    assert!(letter.words().contains("Who ended the sessions?"), "{}", letter.text);

    folder.write(&config(ENDED, "\"traffic\", \"endedd\"").replace("count()", "cnt()"));
    daemon.signal("HUP");
    daemon.says("config not reloaded, the old one stays in force", 1).await;
    daemon.says(" problems", 1).await;
    daemon.says("did you mean `ended`", 1).await;
    let seen = folder.inbox.received();
    next_letter(&folder, seen).await;
    let letter = next_letter(&folder, seen + 1).await;
    assert!(letter.words().contains("Who ended the sessions?"), "{}", letter.text);

    let asked = Instant::now();
    let status = daemon.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_hangs_does_not_hold_up_the_end() {
    let folder = Folder::fast("2026-11-23T09:00:00Z", 60).await;
    fill(&folder.org);
    let slow = Fault::Slow(Duration::from_secs(600));
    folder.org.faults().always(slow, On::call(Call::QueryAll));
    folder.write(&format!("{HEAD}{TRAFFIC}{}", every_minute("\"traffic\"")));
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider runs", 1).await;
    let asked = async {
        while folder.org.requests_of(Call::Token) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it logs in");
    let asked = Instant::now();
    assert_eq!(daemon.stop().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_goes_on_where_it_was() {
    let config = format!("{HEAD}{TRAFFIC}{}", every_minute("\"traffic\""));
    let (folder, daemon) = running(&config).await;
    next_letter(&folder, 1).await;
    daemon.signal("KILL");
    assert!(!daemon.ended().await.success());
    let seen = folder.inbox.received();
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider runs", 1).await;
    next_letter(&folder, seen + 1).await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    let mut mails: Vec<_> = folder.inbox.mails().iter().map(|mail| Letter::read(mail)).collect();
    mails.sort_by(|a, b| a.message_id.cmp(&b.message_id));
    for pair in mails.windows(2) {
        let same = pair[0].message_id == pair[1].message_id;
        assert!(!same || pair[0].text == pair[1].text, "one id, two mails");
    }
}
