//! The commands, with the real binary beside no daemon.

use chrono::TimeDelta;
use serde_json::Value as Json;

use crate::harness::process::Folder;
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC};

const DAILY: &str = r#"
[digests.daily]
subject = "Traffic of {{ date }}"
reports = ["traffic"]
schedule = "0 8 * * *"
to = ["ana@example.com", "ben@example.com", "cy@example.com", "ops-hook"]
"#;

async fn folder() -> Folder {
    let folder = Folder::new().await;
    let web = channel(&folder.org, "Web");
    ended(&folder.org, &web, &folder.ago(TimeDelta::days(3)), &[]);
    let config = format!("{HEAD}{TRAFFIC}{DAILY}")
        .replace("yesterday", "all time")
        .replace("date = \"session.StartTime\"\n", "");
    folder.write(&config);
    folder.done(&["pull"]);
    folder
}

#[track_caller]
fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

/// The numbers of the deliveries that a list shows.
#[track_caller]
fn listed(folder: &Folder, which: &[&str]) -> Vec<i64> {
    let rows = json(&folder.done(&[&["outbox", "list", "--json"], which].concat()));
    rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// Exit code and what was said, of a command that is refused.
#[track_caller]
fn refused(folder: &Folder, arguments: &[&str], code: i32, part: &str) {
    let output = folder.run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(part), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_chosen_held_released_cancelled_and_sent_again() {
    let folder = folder().await;
    folder.done(&["send", "daily", "--no-wait"]);
    assert_eq!(listed(&folder, &[]).len(), 4);
    assert_eq!(listed(&folder, &["--receiver", "smtp"]).len(), 3);
    assert_eq!(listed(&folder, &["--to", "ANA@example.com", "--since", "1h"]).len(), 1);
    assert_eq!(listed(&folder, &["--until", "1h"]).len(), 0);
    assert_eq!(listed(&folder, &["--kind", "notice"]).len(), 0);
    let [ana] = listed(&folder, &["--to", "ana@example.com"])[..] else { panic!("one to Ana") };
    let [ben] = listed(&folder, &["--to", "ben@example.com"])[..] else { panic!("one to Ben") };
    let (ana, ben) = (ana.to_string(), ben.to_string());

    folder.done(&["outbox", "cancel", &ana, "--reason", "told by phone"]);
    folder.done(&["outbox", "hold", &ben]);
    refused(&folder, &["outbox", "hold", &ben], 1, "cannot be held: held already");
    refused(&folder, &["outbox", "drop", &ana], 1, "cannot be cancelled: ended already");
    refused(&folder, &["outbox", "retry", "999"], 1, "no delivery has the number 999");
    refused(&folder, &["outbox", "retry"], 2, "say which deliveries");
    let shown = json(&folder.done(&["outbox", "show", &ana, "--json"]));
    assert_eq!((&shown["state"], &shown["said"]), (&"cancelled".into(), &"told by phone".into()));
    let status = json(&folder.done(&["status", "--json"]));
    assert_eq!(status["outbox"]["held"], 1, "{status}");
    assert_eq!(status["balance"]["missing"], 0, "{status}");
    assert!(folder.done(&["status"]).contains("held messages wait for you"));

    let out = folder.done(&["outbox", "balance"]);
    assert_eq!(out.trim(), "4 owed = 1 cancelled + 1 held + 2 pending");
    assert!(folder.done(&["outbox", "release", "--state", "held"]).contains("1 due now"));
    let dry = folder.done(&["outbox", "cancel", "--receiver", "smtp", "--dry-run"]);
    assert!(dry.contains("2 messages would be cancelled"), "{dry}");

    // Sent by the next command that sends; what was delivered goes again only where that is said.
    folder.done(&["send", "daily", "--only", "dora@example.com"]);
    assert_eq!(folder.inbox.received(), 3);
    refused(&folder, &["outbox", "retry", &ben], 1, "cannot be retried: delivered already");
    assert!(folder.done(&["outbox", "retry", "--to", "ben@example.com"]).contains("0 due now"));
    let again = &["outbox", "retry", "--to", "ben@example.com", "--delivered"];
    assert!(folder.done(again).contains("1 due now"));
    folder.done(&["send", "daily", "--only", "dora@example.com"]);
    let mails = folder.inbox.mails();
    let to = |address: &str| {
        mails.iter().filter(|mail| mail.recipients == [address]).collect::<Vec<_>>()
    };
    let bens = to("ben@example.com");
    assert_eq!((bens.len(), to("ana@example.com").len()), (2, 0));
    assert_eq!(bens[0].bytes, bens[1].bytes, "the same bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_changed_only_where_somebody_says_yes() {
    let folder = folder().await;
    for _ in 0..3 {
        folder.done(&["send", "daily", "--no-wait"]);
    }
    refused(&folder, &["outbox", "hold", "--state", "pending"], 1, "`--yes` does it");
    assert_eq!(listed(&folder, &["--state", "held"]).len(), 0);
    let some = &["outbox", "hold", "--state", "pending", "--limit", "5"];
    assert!(folder.done(some).contains("5 held"));
    assert!(folder.done(&["outbox", "hold", "--state", "pending", "--yes"]).contains("7 held"));
    let out = json(&folder.done(&["outbox", "cancel", "--state", "held", "--yes", "--json"]));
    assert_eq!(out["changed"], 12);

    folder.done(&["outbox", "export", "kept", "--receiver", "smtp"]);
    let kept = json(&std::fs::read_to_string(folder.path("kept/list.json")).unwrap());
    assert_eq!(kept.as_array().map(Vec::len), Some(9));
    let file = folder.path("kept").join(kept[0]["file"].as_str().unwrap());
    assert!(std::fs::read_to_string(file).unwrap().contains("Message-ID: <"));
    refused(&folder, &["outbox", "export", "none", "--state", "rejected"], 1, "nothing is written");

    // What ended just now keeps the same from being owed twice.
    assert!(folder.done(&["outbox", "purge", "--state", "cancelled"]).contains("0 forgotten"));
    let db = rusqlite::Connection::open(folder.path("state/state.db")).unwrap();
    db.execute("update outbox set finished_at = finished_at - 2 * 86400000", []).unwrap();
    refused(&folder, &["outbox", "purge", "--state", "cancelled"], 1, "12 messages would be");
    refused(&folder, &["outbox", "purge", "--yes"], 2, "say which deliveries");
    let purge = &["outbox", "purge", "--state", "cancelled", "--ended", "1d", "--yes"];
    assert!(folder.done(purge).contains("12 forgotten"));
    let out = folder.done(&["outbox", "balance"]);
    assert_eq!(out.trim(), "12 owed = 12 forgotten (cancelled)");
    db.execute("update outbox_total set count = 13 where what = 'owed'", []).unwrap();
    refused(&folder, &["outbox", "balance"], 1, "does not add up");
    assert!(folder.done(&["status"]).contains("OUTBOX DOES NOT ADD UP: 13 owed, but"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_disabled_and_enabled_by_hand() {
    let folder = folder().await;
    refused(&folder, &["receiver", "disable", "hook"], 1, "there are ops-hook, ops-mail");
    refused(&folder, &["receiver", "disable", "ops-mail"], 1, "`smtp` is the mail server");
    folder.done(&["receiver", "disable", "ops-hook", "--reason", "it moves"]);
    folder.done(&["send", "daily", "--no-wait"]);
    folder.done(&["send", "daily", "--only", "dora@example.com"]);
    assert_eq!((folder.inbox.received(), folder.catcher.received()), (4, 0));
    let list = json(&folder.done(&["receiver", "list", "--json"]));
    let hook = list.as_array().unwrap().iter().find(|row| row["receiver"] == "ops-hook").unwrap();
    assert_eq!((&hook["waiting"], &hook["disabled_why"]), (&1.into(), &"it moves".into()));
    let mail = list.as_array().unwrap().iter().find(|row| row["receiver"] == "ops-mail").unwrap();
    assert!(mail["taken_at"].is_string(), "{mail}");
    let text = folder.done(&["receiver", "list"]);
    assert!(text.contains("(it moves): `postrider receiver enable ops-hook` ends that"), "{text}");
    assert!(folder.done(&["status"]).contains("postrider receiver enable ops-hook"));
    let metrics = folder.done(&["status", "--metrics"]);
    assert!(metrics.contains("postrider_receiver_disabled{receiver=\"ops-hook\"} 1"), "{metrics}");

    let out = folder.done(&["receiver", "enable", "ops-hook"]);
    assert!(out.contains("1 waiting"), "{out}");
    assert!(folder.done(&["receiver", "enable", "ops-hook"]).contains("is not disabled"));
    folder.done(&["send", "daily", "--only", "dora@example.com"]);
    assert_eq!(folder.catcher.received(), 1);
}
