//! Which alerts are worth having: postrider's own incidents, notices and rules, asked like any other
//! records.

use chrono::TimeDelta;
use postrider::demo::org::{Id, Org, Value};

use crate::alerts::TYPES;
use crate::harness::records::{channel, session};
use crate::harness::{HEAD, TestPostrider};

const RULES: &str = r#"
[rules.waiting]
title = "A customer is waiting"
type = "sessions"
where = "session.Status = 'Waiting'"
group_by = ["channel as Channel"]
value = "max(seconds(session.StartTime, as_of()))"
every = "1 min"
levels = [["warning", "> 180"]]
when_gone = "resolve after 1 min"

[rules.never]
type = "sessions"
where = "session.Status = 'Error'"
value = "count()"
every = "1 min"
levels = [["warning", "> 100"]]

[[routes]]
to = ["ops-mail", "ops-hook"]
"#;

/// The shipped reports and their digest, at another hour.
fn hygiene() -> String {
    let shipped = include_str!("../../config.toml");
    let block = |from: &str, to: &str| {
        let start = shipped.find(from).expect(from);
        let length = shipped[start..].find(to).expect(to);
        shipped[start..start + length].to_owned()
    };
    let source = block("[sources.postrider]", "# ---");
    let types = block("[report_types.alerts]", "# ---");
    let reports = block("[reports.alerts-by-rule]", "# ---");
    let daily = reports.replace("0 9 * * mon", "0 9 * * *");
    format!("{source}{types}{daily}").replace("postrider-owner@example.com", "owner@example.com")
}

async fn start() -> (TestPostrider, Id) {
    let config = format!("{HEAD}{TYPES}{RULES}{}", hygiene());
    let mut waiting = None;
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        let more = [("Status", Value::Pick("Waiting"))];
        waiting = Some(session(org, &web, "2026-11-23T10:00:00Z", &more));
    };
    let t = TestPostrider::start(&config, "2026-11-23T10:00:00Z", fill).await;
    t.beat().await;
    (t, waiting.expect("a session"))
}

#[tokio::test]
async fn the_shipped_digest_says_which_rules_fired_which_never_and_what_arrived() {
    let (t, waiting) = start().await;
    t.advance(TimeDelta::minutes(20)).await;
    assert_eq!(t.incidents().len(), 1);
    t.org.update(waiting, &[("Status", Value::Pick("Active"))]).unwrap();
    t.advance(TimeDelta::minutes(20)).await;
    assert_eq!(t.incidents().len(), 0);
    assert_eq!(t.letters_to("owner@example.com").len(), 0);
    // The next morning, 09:00 in Berlin.
    t.jump_to("2026-11-24T07:55:00Z").await;
    t.advance_to("2026-11-24T08:06:00Z").await;
    let letters = t.letters_to("owner@example.com");
    let [letter] = letters.as_slice() else { panic!("{} mails", letters.len()) };
    assert_eq!(letter.subject, "Alerts of the week");
    let words = letter.words();
    for text in
        ["Which rules fired, and was it worth it?", "waiting", "never", "ops-mail", "ops-hook"]
    {
        assert!(words.contains(text), "no `{text}` in\n{}", letter.text);
    }
    assert!(!words.contains("could not be made"), "{}", letter.text);
}

#[tokio::test]
async fn its_datasets_are_pulled_like_any_other_and_follow_the_state() {
    let (t, waiting) = start().await;
    t.advance(TimeDelta::minutes(15)).await;
    let open =
        "select count(*) from \"Incident\" where \"ResolvedAt\" is null and not \"_deleted\"";
    assert_eq!(t.rows(open), 1);
    t.org.update(waiting, &[("Status", Value::Pick("Active"))]).unwrap();
    t.advance(TimeDelta::minutes(20)).await;
    assert_eq!(t.rows(open), 0);
    let ended = "select \"DurationSeconds\" from \"Incident\" where not \"_deleted\"";
    assert!(t.rows(ended) >= 600, "{}", t.rows(ended));
    let delivered = "select count(*) from \"Notice\" where \"State\" = 'delivered'";
    assert_eq!(t.rows(delivered), 4);
    let fired = "select \"Fired\" from \"AlertRule\" where \"Name\" = 'never'";
    assert_eq!(t.rows(fired), 0);
}
