//! Tests that a config has of its reports, as the command line runs them.

use crate::harness::process::Folder;
use crate::harness::{HEAD, TRAFFIC};

const DAILY: &str = r#"
[digests.daily]
reports = ["traffic", "calls"]
schedule = "0 8 * * *"
to = ["ana@example.com"]

[reports.calls]
type = "MessagingSession"
date = "MessagingSession.StartTime"
period = "yesterday"
group_by = ["MessagingSession.Status as Status"]
columns = ["count() as Sessions", "avg(seconds(MessagingSession.StartTime, MessagingSession.EndTime)) as Lasted"]
total = true
format = { Lasted = "duration" }
empty = "none"

[[reports.calls.test]]
name = "two of yesterday, one of today"
at = "2026-03-02T08:00:00Z"
records = { MessagingSession = [
  { Status = "Ended", StartTime = "2026-03-01T10:00:00Z", EndTime = "2026-03-01T10:03:20Z" },
  { Status = "Waiting", StartTime = "2026-03-01T11:00:00Z" },
  { Status = "Ended", StartTime = "2026-03-02T07:00:00Z", EndTime = "2026-03-02T07:10:00Z" },
] }
rows = [["Ended", 1, "3 min 20 s"], ["Waiting", 1, ""]]
total = ["", 2, 200]
"#;

fn said(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_tested_by_its_config_and_what_differs_is_shown() {
    let folder = Folder::new().await;
    folder.write(&format!("{HEAD}{TRAFFIC}{DAILY}"));
    let out = folder.done(&["test"]);
    assert_eq!(out.trim(), "passed  calls / two of yesterday, one of today");
    assert!(folder.done(&["check"]).contains("1 test of reports passed, 0 failed"));

    // The definition changes its meaning, and the test says where.
    let other = DAILY
        .replace("period = \"yesterday\"", "period = \"today\"")
        .replace("[\"Waiting\", 1, \"\"]", "[\"Waiting\", 1, \"none\"]");
    folder.write(&format!("{HEAD}{TRAFFIC}{other}"));
    let (code, out, err) = said(&folder.run(&["test", "calls"]));
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("FAILED  calls / two of yesterday"), "{out}");
    assert!(out.contains("2 rows expected, 1 came"), "{out}");
    assert!(out.contains("row 1, `Lasted`: expected \"3 min 20 s\", came \"10 min\""), "{out}");
    assert!(out.contains("total, `Sessions`: expected 2, came \"1\""), "{out}");
    assert!(out.contains("config.toml:"), "{out}");
    let (code, out, err) = said(&folder.run(&["check"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("0 tests of reports passed, 1 failed"), "{out}");
    assert!(err.contains("1 test of reports failed"), "{err}");
    let json: serde_json::Value =
        serde_json::from_slice(&folder.run(&["test", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["passed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_a_test_are_mistakes_of_the_config() {
    let folder = Folder::new().await;
    let wrong = DAILY
        .replace("Status = \"Waiting\", S", "Statsu = \"Waiting\", S")
        .replace("StartTime = \"2026-03-02T07:00:00Z\"", "StartTime = 7")
        .replace("at = \"2026-03-02T08:00:00Z\"", "at = \"monday\"");
    folder.write(&format!("{HEAD}{TRAFFIC}{wrong}"));
    let (code, _, err) = said(&folder.run(&["test"]));
    assert_eq!(code, Some(2));
    for said in [
        "MessagingSession has no field `Statsu`",
        "did you mean `Status`?",
        "`StartTime` of MessagingSession is a timestamp",
        "`monday` is not an instant",
    ] {
        assert!(err.contains(said), "{said}\n{err}");
    }
}
