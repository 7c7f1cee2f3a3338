//! The commands about runs, as the real binary answers them.

use chrono::TimeDelta;
use serde_json::Value as Json;

use super::daily;
use crate::harness::process::Folder;
use crate::harness::records::{channel, ended};

/// A folder where a digest was sent by hand to two people, of whom one is refused; and its run.
async fn sent() -> (Folder, String) {
    let folder = Folder::new().await;
    let web = channel(&folder.org, "Web");
    ended(&folder.org, &web, &folder.ago(TimeDelta::days(3)), &[]);
    folder.write(&daily(r#""ana@example.com", "ben@example.com""#));
    folder.done(&["pull"]);
    folder.inbox.refuse("ben@example.com", "550 5.1.1 no such user");
    assert_eq!(folder.run(&["send", "daily"]).status.code(), Some(1), "one did not get it");
    let runs = json(&folder.done(&["runs", "--json"]));
    let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();
    (folder, run)
}

#[track_caller]
fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

fn failed(folder: &Folder, arguments: &[&str]) -> String {
    let output = folder.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_listed_shown_made_again_and_sent_again() {
    let (folder, run) = sent().await;
    let listed = folder.done(&["runs", "daily"]);
    assert!(listed.contains(&run) && listed.contains("1 delivered, 1 rejected"), "{listed}");
    let shown = folder.done(&["runs", "show", &run]);
    for said in ["that of today", "sent by hand", "no such user", "250 ", "unpacked"] {
        assert!(shown.contains(said), "`{said}` not in\n{shown}");
    }
    let shown = json(&folder.done(&["runs", "show", &run, "--json"]));
    assert_eq!(shown["definition_is_todays"], true);
    let states: Vec<&Json> =
        shown["recipients"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["delivered", "rejected"]);
    assert!(
        failed(&folder, &["runs", "show", "nosuch"]).contains(&run),
        "it names those there are"
    );

    let replayed = folder.done(&["replay", &run]);
    assert_eq!(replayed.matches("the same, byte for byte").count(), 2, "{replayed}");
    let figures = folder.done(&["replay", &run, "--records"]);
    assert!(figures.contains("all as they were told"), "{figures}");

    folder.inbox.behave();
    let resent = folder.done(&["resend", &run, "--failed"]);
    assert!(resent.contains("ben@example.com: waits again (it was rejected)"), "{resent}");
    assert!(resent.contains("ana@example.com: not sent again: delivered already"), "{resent}");
    assert_eq!(folder.run(&["resend", &run]).status.code(), Some(2), "only with --failed");
    assert!(failed(&folder, &["resend", &run, "--failed", "--to", "x@example.com"]).contains("x@"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_definition_and_a_changed_byte_are_seen() {
    let (folder, run) = sent().await;
    folder.write(&daily(r#""ana@example.com""#).replace("Traffic of", "The traffic of"));
    let shown = folder.done(&["runs", "show", &run]);
    assert!(shown.contains("today's is another one"), "{shown}");
    let state = rusqlite::Connection::open(folder.path("state/state.db")).unwrap();
    let sql = "update outbox set bytes = cast(replace(cast(bytes as text), 'Subject: Tr',
               'Subject: TR') as blob) where recipient = 'ana@example.com'";
    assert_eq!(state.execute(sql, []).unwrap(), 1);
    let output = folder.run(&["replay", &run]);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(out.contains("ana@example.com: differs in the headers, line"), "{out}");
    assert!(out.contains("ben@example.com: the same"), "{out}");
    let (code, shown) = (output.status.code(), json_of(&folder, &["replay", &run, "--json"]));
    assert_eq!((code, &shown["same"]), (Some(1), &Json::Bool(false)));
}

fn mails_to_ana(folder: &Folder) -> usize {
    let mails = folder.inbox.mails().into_iter();
    mails.filter(|mail| mail.recipients.iter().any(|to| to == "ana@example.com")).count()
}

fn json_of(folder: &Folder, arguments: &[&str]) -> Json {
    json(&String::from_utf8_lossy(&folder.run(arguments).stdout))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_leaves_by_token_and_comes_back_by_hand() {
    let (folder, run) = sent().await;
    let state = rusqlite::Connection::open(folder.path("state/state.db")).unwrap();
    let sql = "select json_extract(envelope, '$.unsubscribe_token') from outbox
               where recipient = 'ana@example.com'";
    let token: String = state.query_row(sql, [], |row| row.get(0)).unwrap();
    let mut forged = token.clone();
    forged.replace_range(10..11, if &token[10..11] == "A" { "B" } else { "A" });
    let refused = failed(&folder, &["unsubscribe", &forged]);
    assert!(refused.contains("not signed by this postrider"), "{refused}");
    let dry = folder.done(&["unsubscribe", &token, "--dry-run"]);
    assert!(dry.starts_with("would be: ana@example.com gets no `daily`"), "{dry}");
    assert_eq!(json(&folder.done(&["suppress", "list", "--json"])), serde_json::json!([]));
    let said = folder.done(&["unsubscribe", &format!("unsubscribe {token}")]);
    assert!(said.contains("ana@example.com gets no `daily` from now on"), "{said}");
    let list = json(&folder.done(&["suppress", "list", "--json"]));
    assert_eq!(
        (&list[0]["address"], &list[0]["digest"]),
        (&"ana@example.com".into(), &"daily".into())
    );

    assert_eq!(mails_to_ana(&folder), 1);
    folder.run(&["send", "daily"]);
    assert_eq!(mails_to_ana(&folder), 1);
    let runs = json(&folder.done(&["runs", "--json"]));
    assert_ne!(runs["runs"][0]["run"], run);
    assert_eq!(runs["runs"][0]["suppressed"], 1);
    let shown = folder.done(&["runs", "show", runs["runs"][0]["run"].as_str().unwrap()]);
    assert!(shown.contains("suppressed") && shown.contains("unsubscribed by mail"), "{shown}");

    folder.done(&["suppress", "remove", "ana@example.com"]);
    assert!(
        failed(&folder, &["suppress", "remove", "ana@example.com"]).contains("not on the list")
    );
    folder.run(&["send", "daily"]);
    assert_eq!(mails_to_ana(&folder), 2);
    assert!(failed(&folder, &["suppress", "add", "nobody"]).contains("not a mail address"));
    let unknown = failed(&folder, &["suppress", "add", "a@example.com", "--digest", "x"]);
    assert!(unknown.contains("there are daily"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_days_are_made_later_by_command_once() {
    let (folder, _) = sent().await;
    let (from, to) = (folder.ago(TimeDelta::days(3)), folder.ago(TimeDelta::days(1)));
    let all = ["backfill", "daily", "--from", &from, "--to", &to];
    let dry = folder.done(&[&all[..], &["--dry-run"]].concat());
    assert!(dry.contains("2 to make") || dry.contains("3 to make"), "{dry}");
    let runs = |folder: &Folder| json(&folder.done(&["runs", "--json"]))["runs"].clone();
    let before = runs(&folder).as_array().unwrap().len();
    let only = [&all[..], &["--only", "me@example.com"]].concat();
    let made = folder.done(&only);
    assert!(made.contains(": 1 message") && made.contains(" made\n"), "{made}");
    let count = runs(&folder).as_array().unwrap().len() - before;
    assert!((2..=3).contains(&count), "{count}");
    assert_eq!(runs(&folder)[0]["trigger"], "made later");
    let again = folder.done(&only);
    assert!(again.contains(&format!("{count} made before")), "{again}");
    assert_eq!(runs(&folder).as_array().unwrap().len() - before, count);
    assert!(
        failed(&folder, &["backfill", "daily", "--from", &to, "--to", &from]).contains("before")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_nobody_is_no_success() {
    let (folder, _) = sent().await;
    for command in [
        &["send", "daily", "--only", "me"][..],
        &["backfill", "daily", "--from", "2026-11-01", "--to", "2026-11-02", "--only", "me"],
    ] {
        assert!(failed(&folder, command).contains("`me` is not a mail address"));
    }
    folder.done(&["suppress", "add", "ana@example.com", "--reason", "asked for it"]);
    let output = folder.run(&["send", "daily", "--only", "ana@example.com"]);
    assert_eq!(output.status.code(), Some(1));
    let (out, err) = (output.stdout.as_slice(), output.stderr.as_slice());
    let said = format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    for piece in ["ana@example.com  asked for it", "0 messages", "nobody gets it"] {
        assert!(said.contains(piece), "`{piece}` not in {said}");
    }
}
