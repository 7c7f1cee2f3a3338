//! Tests that a config has of its rules, as the command line runs them.

use crate::harness::HEAD;
use crate::harness::process::Folder;

const RULES: &str = r#"
[rules.busy]
title = "Many sessions ended"
type = "MessagingSession"
date = "MessagingSession.EndTime"
where = "MessagingSession.Status = 'Ended'"
value = "count()"
window = "30 min"
every = "5 min"
levels = [["warning", "> 1"], ["critical", "> 10"]]

[[rules.busy.test]]
name = "two within half an hour"
from = "2026-11-23 10:00"
to = "11:00"
records = { MessagingSession = [
  { Status = "Ended", EndTime = "2026-11-23T09:01:00Z" },
  { Status = "Ended", EndTime = "2026-11-23T09:03:00Z" },
  { Status = "Waiting", EndTime = "2026-11-23T09:03:00Z" },
] }
incidents = [ { fired = "10:05", level = "warning", resolved = "10:35", because = "normal" } ]
notices = [
  { at = "10:07", to = "ops-mail", kind = "fired" },
  { at = "10:37", to = "ops-mail", kind = "resolved" },
]

[rules.waits]
type = "MessagingSession"
date = "MessagingSession.EndTime"
group_by = ["MessagingSession.Status as Status"]
value = "count()"
window = "5 min"
every = "5 min"
for = "10 min"
levels = [["warning", "> 300"], ["critical", "> 900"]]
recover = { warning = "< 240" }

[[rules.waits.test]]
name = "held, up, and back"
from = "2026-11-23 09:00"
series = { "Ended" = "100 400x3 1000 280x2 100x2", "Open" = "400 100x8" }
incidents = [ { group = ["Ended"], began = "09:05", fired = "09:15", level = "critical", resolved = "09:35" } ]
notices = [
  { at = "09:17", to = "ops-mail", kind = "fired" },
  { at = "09:22", to = "ops-mail", kind = "level_up", because = "from level warning to critical" },
  { at = "09:37", to = "ops-mail", kind = "resolved" },
]

[[routes]]
to = ["ops-mail"]
"#;

fn said(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_tested_by_its_config_over_records_and_over_readings() {
    let folder = Folder::new().await;
    folder.write(&format!("{HEAD}{RULES}"));
    let out = folder.done(&["rules", "test"]);
    let expected = "passed  busy / two within half an hour\npassed  waits / held, up, and back\n";
    assert_eq!(out, expected);
    assert_eq!(folder.done(&["rules", "test", "waits"]).lines().count(), 1);
    let out = folder.done(&["check"]);
    assert!(out.contains("2 tests of rules passed, 0 failed"), "{out}");
    assert!(!folder.path("state").exists(), "a test leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_expectation_fails_and_the_readings_around_it_are_shown() {
    let folder = Folder::new().await;
    let wrong = RULES
        .replace("fired = \"10:05\"", "fired = \"10:10\"")
        .replace("group = [\"Ended\"]", "group = [\"Open\"]")
        .replace("at = \"09:22\"", "at = \"09:27\"");
    folder.write(&format!("{HEAD}{wrong}"));
    let (code, out, err) = said(&folder.run(&["rules", "test"]));
    assert_eq!(code, Some(1), "{out}{err}");
    for part in [
        "FAILED  busy / two within half an hour",
        "expected  the incident, fired 10:10, level warning, resolved 10:35, because ... normal ...",
        "came      the incident, began 10:05, fired 10:05, level warning, resolved 10:35, because \
         the value is back to normal",
        "readings  10:00 0  10:05 2  10:10 2  10:15 2  10:20 2",
        "levels    warning > 1, critical > 10",
        "FAILED  waits / held, up, and back",
        "expected  Open, began 09:05, fired 09:15, level critical, resolved 09:35",
        "came      nothing",
        "expected  nothing",
        "came      Ended, began 09:05, fired 09:15, level critical, resolved 09:35",
        "levels    warning > 300, critical > 900, for 10 min",
        "expected  09:27 level_up to `ops-mail`: ... from level warning to critical ...",
        "came      09:22 level_up to `ops-mail` of Ended: it rose from level warning to critical",
        "config.toml:",
    ] {
        assert!(out.contains(part), "no `{part}` in\n{out}");
    }
    assert!(err.contains("2 of 2 tests failed"), "{err}");
    let (code, out, err) = said(&folder.run(&["check"]));
    assert_eq!(code, Some(1), "{out}");
    assert!(err.contains("2 tests of rules failed"), "{err}");
    let json: serde_json::Value =
        serde_json::from_slice(&folder.run(&["rules", "test", "--json"]).stdout).unwrap();
    assert_eq!((&json[0]["rule"], &json[0]["passed"]), (&"busy".into(), &false.into()));
}

/// A rule that should keep quiet and does not, and one that should fire and does not.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_expected_is_an_expectation_too() {
    let folder = Folder::new().await;
    let test = |incidents: &str, series: &str| {
        let test = format!(
            "[[rules.waits.test]]\nseries = {{ \"Ended\" = \"{series}\" }}\nincidents = {incidents}\n"
        );
        folder.write(&format!("{HEAD}{RULES}{test}"));
        let (code, out, _) = said(&folder.run(&["rules", "test", "waits", "--json"]));
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        let lines: Vec<String> =
            json[1]["differences"].as_array().unwrap().iter().map(|l| l.to_string()).collect();
        assert_eq!(code == Some(0), lines.is_empty(), "{out}");
        lines.join("\n")
    };
    assert_eq!(test("[]", "400x2 100x5"), "");
    assert!(test("[]", "400x3").contains("still open"));
    let fired = "[ { group = [\"Ended\"], fired = \"00:10\" } ]";
    assert_eq!(test(fired, "400x5"), "");
    assert!(test(fired, "400 unknown 400x3").contains("fired 00:15"), "what is unknown is no hold");
    assert!(test(fired, "400x4 100").contains("resolved 00:20"), "it should still be open");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_come_late_are_seen_when_they_are_there() {
    let folder = Folder::new().await;
    let late = r#"
[[rules.busy.test]]
name = "one is late, one changes"
from = "2026-11-23 10:00"
to = "11:00"
records = { MessagingSession = [
  { Id = "1", Status = "Ended", EndTime = "2026-11-23T09:01:00Z" },
  { Id = "2", Status = "Waiting", EndTime = "2026-11-23T09:03:00Z" },
] }
records_at = { "10:20" = { MessagingSession = [ { Id = "2", Status = "Ended", EndTime = "2026-11-23T09:03:00Z" } ] } }
incidents = [ { fired = "10:20", resolved = "10:35" } ]
"#;
    folder.write(&format!("{HEAD}{RULES}{late}"));
    let out = folder.done(&["rules", "test", "busy"]);
    assert!(out.contains("passed  busy / one is late, one changes"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_rule_is_tested_by_the_records_that_it_tells() {
    let folder = Folder::new().await;
    let event = r#"
[rules.each]
kind = "event"
level = "warning"
type = "MessagingSession"
date = "MessagingSession.EndTime"
window = "10 min"
where = "MessagingSession.Status = 'Ended'"
columns = ["MessagingSession.Status as Status"]

[[rules.each.test]]
from = "2026-11-23 10:00"
to = "11:00"
records = { MessagingSession = [
  { Status = "Ended", EndTime = "2026-11-23T08:30:00Z" },
  { Status = "Ended", EndTime = "2026-11-23T09:12:00Z" },
  { Status = "Ended", EndTime = "2026-11-23T09:41:00Z" },
] }
notices = [
  { at = "10:17", to = "ops-mail", kind = "records" },
  { at = "10:47", to = "ops-mail", kind = "records" },
]
"#;
    folder.write(&format!("{HEAD}{event}{RULES}"));
    assert_eq!(folder.done(&["rules", "test", "each"]), "passed  each / 1\n");
    folder.write(&format!("{HEAD}{}{RULES}", event.replace("\"10:47\"", "\"10:52\"")));
    let (code, out, _) = said(&folder.run(&["rules", "test", "each"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("expected  10:52 records to `ops-mail`"), "{out}");
    assert!(out.contains("came      10:47 records to `ops-mail`"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_may_stand_in_a_file_of_their_own() {
    let folder = Folder::new().await;
    folder.write(&format!("{HEAD}{RULES}"));
    let file = |text: &str| std::fs::write(folder.path("trials.toml"), text).unwrap();
    file("[[rules.waits.test]]\nseries = { \"Ended\" = \"100x9\" }\nincidents = []\n");
    assert_eq!(folder.done(&["rules", "test", "trials.toml"]), "passed  waits / 1\n");
    assert_eq!(folder.done(&["rules", "test", "trials.toml", "waits"]), "passed  waits / 1\n");
    file(
        "[smtp]\nhost = \"x\"\n[rules.wait]\ntitle = \"x\"\n[rules.busy]\nevery = \"1 min\"\n\
         [[rules.busy.test]]\nseries = { \"\" = \"fast\" }\nnotices = []\n",
    );
    let (code, out, err) = said(&folder.run(&["rules", "test", "trials.toml"]));
    assert_eq!(code, Some(2), "{out}{err}");
    for part in [
        "[smtp] in a file of tests",
        "the config has no rule `wait`",
        "did you mean `waits`?",
        "`every` of a rule in a file of tests",
        "`fast` is no reading",
    ] {
        assert!(err.contains(part), "no `{part}` in\n{err}");
    }
    let (code, _, err) = said(&folder.run(&["rules", "test", "other.toml"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no file `other.toml`"), "{err}");
    let (code, _, err) = said(&folder.run(&["rules", "test", "bussy"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("no rule is called `bussy`; there are busy, waits"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_a_test_are_mistakes_of_the_config() {
    let folder = Folder::new().await;
    let wrong = RULES
        .replace("to = \"11:00\"", "to = \"soon\"")
        .replace("{ Status = \"Waiting\", E", "{ Statsu = \"Waiting\", E")
        .replace(
            "to = \"ops-mail\", kind = \"fired\" },\n  { at = \"10",
            "to = \"ops-mial\", kind = \"fierd\" },\n  { at = \"10",
        )
        .replace("level = \"critical\", res", "level = \"critcal\", res")
        .replace("[ { group = [\"Ended\"], began", "[ { began")
        .replace("\"400 100x8\"", "\"400 1oo\"");
    let empty = "[[rules.busy.test]]\nname = \"empty\"\n[[rules.busy.test]]\nat = \"2026-11-23 10:00\"\n\
                 records = { Account = [] }\nincidents = [{ group = [\"x\"] }]\n";
    folder.write(&format!("{HEAD}{wrong}{empty}"));
    let (code, _, err) = said(&folder.run(&["rules", "test"]));
    assert_eq!(code, Some(2));
    for part in [
        "`soon` is not an instant",
        "MessagingSession has no field `Statsu`",
        "unknown receiver `ops-mial`",
        "unknown kind `fierd`",
        "unknown level `critcal`",
        "which group? It has a value for each of: Status",
        "`1oo` is no reading",
        "a test that is given nothing",
        "a test that expects nothing",
        "the rule reads no dataset `Account`",
        "the rule has no groups",
        "when does it fire?",
    ] {
        assert!(err.contains(part), "no `{part}` in\n{err}");
    }
}
