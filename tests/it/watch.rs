//! The config is edited while postrider runs: what is right is in force by itself, what is not is
//! told and changes nothing, and what an edit changed is said in its own words.

use chrono::TimeDelta;
use postrider::demo::org::{Org, Value};
use serde_json::Value as Json;

use crate::alerts::TYPES;
use crate::harness::process::{Daemon, Folder};
use crate::harness::records::{channel, session};
use crate::harness::{HEAD, Letter, PATIENCE, TestPostrider};

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
"#;

const ROUTES: &str = "[[routes]]\nto = [\"ops-mail\", \"ops-hook\"]\n";

fn fill(org: &Org) {
    let web = channel(org, "Web");
    session(org, &web, "2026-11-23T08:45:00Z", &[("Status", Value::Pick("Waiting"))]);
}

/// A daemon whose rule stands in a file that the config includes.
async fn running(general: &str) -> (Folder, Daemon) {
    let folder = Folder::fast("2026-11-23T09:00:00Z", 60).await;
    fill(&folder.org);
    std::fs::create_dir(folder.path("conf.d")).unwrap();
    std::fs::write(folder.path("conf.d/rules.toml"), WAITING).unwrap();
    write(&folder, general, ROUTES);
    let mut daemon = folder.daemon(&[]);
    daemon.says("postrider runs", 1).await;
    (folder, daemon)
}

fn write(folder: &Folder, general: &str, routes: &str) {
    let head = HEAD.replace("[postrider]\n", &format!("[postrider]\n{general}"));
    folder.write(&format!("include = [\"conf.d/*.toml\"]\n{head}{TYPES}{routes}"));
}

/// Mails to the owner whose subject holds a text.
fn to_owner(folder: &Folder, text: &str) -> Vec<Letter> {
    let mails = folder.inbox.mails();
    let letters = mails.iter().filter(|mail| mail.recipients == ["owner@example.com"]);
    letters.map(|mail| Letter::read(mail)).filter(|letter| letter.subject.contains(text)).collect()
}

async fn owner_hears(folder: &Folder, text: &str) -> Letter {
    let mut seen = 0;
    let heard = async {
        loop {
            if let Some(letter) = to_owner(folder, text).pop() {
                return letter;
            }
            seen = folder.inbox.wait_for(seen + 1).await.len();
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("no mail of `{text}`"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_in_force_by_itself_also_of_an_included_file() {
    let (folder, mut daemon) = running("").await;
    let edited =
        WAITING.replace("> 180", "> 240").replace("every = \"1 min\"", "every = \"2 min\"");
    std::fs::write(folder.path("conf.d/rules.toml"), edited).unwrap();
    daemon
        .says("rule `waiting` changed: `every` 1 min -> 2 min; `levels.warning` > 180 -> > 240", 1)
        .await;
    // A file that was not there before, as an editor writes it: beside, then renamed.
    let more = WAITING.replace("rules.waiting", "rules.second");
    std::fs::write(folder.path("conf.d/.more.toml"), more).unwrap();
    std::fs::rename(folder.path("conf.d/.more.toml"), folder.path("conf.d/more.toml")).unwrap();
    daemon.says("config reloaded: rule `second` added", 1).await;
    std::fs::remove_file(folder.path("conf.d/more.toml")).unwrap();
    daemon.says("config reloaded: rule `second` removed", 1).await;
    write(&folder, "", "[[routes]]\nto = [\"ops-mail\"]\nrepeat = \"1 h\"\n");
    daemon.says("route for the rest changed: `repeat` now 1 h; `to` without ops-hook", 1).await;
    assert_eq!(daemon.stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_changes_nothing_and_is_told_once_and_once_more_when_mended() {
    let (folder, mut daemon) = running("").await;
    let path = folder.path("conf.d/rules.toml");
    std::fs::write(&path, WAITING.replace("max(", "maxx(")).unwrap();
    daemon.says("config not reloaded, the old one stays in force", 1).await;
    daemon.says("1 problem", 1).await;
    let told = owner_hears(&folder, "edited and is not in force").await;
    assert!(told.words().contains("unknown function `maxx`"), "{}", told.text);
    // Still broken, in another way: the log has it, the owner knows.
    std::fs::write(&path, WAITING.replace("[[\"warning\"", "[\"warning\"")).unwrap();
    daemon.says("config not reloaded, the old one stays in force", 2).await;
    // The rule of before goes on being evaluated.
    tokio::time::timeout(PATIENCE, folder.catcher.wait_for(1)).await.expect("the alert");
    std::fs::write(&path, WAITING.replace("> 600", "> 900")).unwrap();
    daemon.says("rule `waiting` changed: `levels.critical` > 600 -> > 900", 1).await;
    owner_hears(&folder, "mended and in force").await;
    assert_eq!(daemon.stop().await.code(), Some(0));
    assert_eq!(to_owner(&folder, "edited and is not in force").len(), 1);
    assert_eq!(to_owner(&folder, "mended and in force").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_watching_an_edit_waits_for_the_signal() {
    let (folder, mut daemon) = running("watch = false\n").await;
    std::fs::write(folder.path("conf.d/rules.toml"), WAITING.replace("> 180", "> 240")).unwrap();
    // Longer than watching would take: the alert comes a minute of the trial at a time.
    tokio::time::timeout(PATIENCE, folder.catcher.wait_for(1)).await.expect("the alert");
    assert_eq!(daemon.log().iter().filter(|line| line.contains("reloaded")).count(), 0);
    daemon.signal("HUP");
    daemon.says("`levels.warning` > 180 -> > 240", 1).await;
    assert_eq!(daemon.stop().await.code(), Some(0));
}

#[tokio::test]
async fn incidents_are_kept_by_id_over_edits_and_closed_with_their_rule() {
    let config = format!("{HEAD}{TYPES}{WAITING}{ROUTES}");
    let t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-23T08:52:00Z").await;
    let [open] = t.incidents().try_into().expect("one incident");
    assert_eq!(t.catcher.received(), 1);

    // Another expression, another filter, other levels and holds, now over a window.
    let edits = [
        ("max(seconds", "1 + max(seconds"),
        ("= 'Waiting'", "in ('Waiting', 'New')"),
        ("> 180", "> 120"),
        ("title = ", "for = \"3 min\"\ntitle = "),
    ];
    let mut edited = config.clone();
    for (old, new) in edits {
        edited = edited.replace(old, new);
        let lines = t.app.reload(t.config(&edited)).await.unwrap();
        let kept = "1 open incident of `waiting` is kept";
        assert_eq!(lines.last().map(String::as_str), Some(kept), "{lines:?}");
        t.advance(TimeDelta::minutes(2)).await;
        let ids: Vec<String> = t.incidents().into_iter().map(|incident| incident.id).collect();
        assert_eq!(ids, std::slice::from_ref(&open.id), "after {new}");
    }
    let firing = |hooks: usize| {
        let hooks = t.catcher.hooks().into_iter().skip(hooks);
        hooks.map(|hook| hook.json()["type"].clone()).collect::<Vec<Json>>()
    };
    assert!(!firing(0)[1..].contains(&"incident.fired".into()), "it is told once: {:?}", firing(0));

    let before = t.catcher.received();
    let without =
        format!("{HEAD}{TYPES}{}{ROUTES}", WAITING.replace("rules.waiting", "rules.other"));
    let lines = t.app.reload(t.config(&without)).await.unwrap();
    let expected = [
        "rule `other` added",
        "rule `waiting` removed",
        "1 open incident of `waiting` is closed: the rule is removed",
    ];
    assert_eq!(lines, expected);
    t.beat().await;
    let ended = t.catcher.hooks()[before].json();
    assert_eq!(ended["type"], "incident.resolved");
    assert_eq!(ended["data"]["incident"], open.id.as_str());
    let reason = ended["data"]["reason"].as_str().unwrap();
    assert!(reason.contains("the rule was removed from the config"), "{reason}");
}

#[tokio::test]
async fn a_removed_receiver_that_is_owed_an_end_is_named() {
    let config = format!("{HEAD}{TYPES}{WAITING}{ROUTES}");
    let t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
    t.advance_to("2026-11-23T08:52:00Z").await;
    let head = HEAD.split("[receivers.ops-hook]").next().unwrap();
    let without = format!("{head}{TYPES}{WAITING}[[routes]]\nto = [\"ops-mail\"]\n");
    let lines = t.app.reload(t.config(&without)).await.unwrap();
    let expected = [
        "receiver `ops-hook` removed",
        "route for the rest changed: `to` without ops-hook",
        "`ops-hook` was told of 1 open incident and is removed: nobody tells it the end",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edit_would_change_can_be_asked_before() {
    let folder = Folder::new().await;
    write(&folder, "", ROUTES);
    std::fs::create_dir(folder.path("conf.d")).unwrap();
    std::fs::write(folder.path("conf.d/rules.toml"), WAITING).unwrap();
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let comments = text.replace("[smtp]", "# the mail server\n[smtp]");
    std::fs::write(folder.path("same.toml"), comments).unwrap();
    assert_eq!(folder.done(&["diff", "same.toml"]), "no change\n");
    let other = text.replace("host = ", "password = \"env:P\"\nusername = \"u\"\nhost = ");
    let other = other.replace("  join MessagingChannel", "  left join MessagingChannel");
    std::fs::write(folder.path("other.toml"), other).unwrap();
    let said = folder.done(&["diff", "config.toml", "other.toml"]);
    assert_eq!(
        said,
        "the mail server changed: `password` now env:P; `username` now u\n\
         rule `waiting` changed through report type `sessions`\n"
    );
    assert!(!folder.path("state").exists(), "looking makes nothing");
    let json = folder.done(&["diff", "config.toml", "other.toml", "--json"]);
    let json: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(json["changes"][0]["edits"][1]["new"], "u");
}
