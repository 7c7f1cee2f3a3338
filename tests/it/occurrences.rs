//! Event rules: each record that matches is seen once, whatever restarts, is pulled again or comes
//! late; what was there before the rule is not told.

use std::sync::Arc;

use postrider::app::{App, Limits};
use postrider::clock::Clock;
use postrider::config::Config;
use postrider::demo::org::{Org, Value};
use postrider::domain::query::{Query, QueryText};
use postrider::domain::rule::{EventColumns, Kind, Rule};
use postrider::store::state::occurrences;

use crate::alerts::TYPES;
use crate::harness::records::{Channel, channel, session};
use crate::harness::{HEAD, TestPostrider, utc};

const RULE: &str = r#"
[rules.failed]
title = "A session failed"
type = "sessions"
date = "session.CreatedDate"
value = "count()"
window = "30 min"
every = "1 min"
levels = [["warning", "> 1000"]]

[[routes]]
to = ["ops-hook"]
"#;

const FAILED: &str = "session.Status = 'Error'";

/// The config with the rule as one on each failed session.
fn config(t: &TestPostrider, changes: bool) -> Config {
    let mut config = t.config(&format!("{HEAD}{TYPES}{RULE}"));
    let rule = Rule::clone(&config.rules["failed"]);
    let mut columns = vec!["session", "session.CreatedDate", "channel as Channel"];
    if changes {
        columns.push("session.Status");
    }
    columns.push("session.Name as Name");
    let text = QueryText {
        date: Some("session.CreatedDate"),
        filter: Some(FAILED),
        columns,
        ..QueryText::default()
    };
    let query = Query::check(&rule.query.report_type, &text).expect("a list");
    let event = Some(EventColumns { dated: true, groups: 1, changes });
    let rule = Rule { kind: Kind::Event, query: Arc::new(query), event, ..rule };
    config.rules.insert("failed".into(), Arc::new(rule));
    config
}

struct Story {
    t: TestPostrider,
    web: Channel,
}

impl Story {
    /// From 08:50 on a Monday, with two failed sessions that were there before the rule.
    async fn begin() -> Story {
        let mut web = None;
        let fill = |org: &Org| {
            let channel = channel(org, "Web");
            for at in ["2026-11-20T12:00:00Z", "2026-11-23T08:40:00Z"] {
                failed(org, &channel, at);
            }
            web = Some(channel);
        };
        let text = format!("{HEAD}{TYPES}[[routes]]\nto = [\"ops-hook\"]\n");
        let t = TestPostrider::start(&text, "2026-11-23T08:50:00Z", fill).await;
        let with_rule = config(&t, false);
        t.app.reload(with_rule).await.unwrap();
        t.beat().await;
        let story = Story { t, web: web.expect("a channel") };
        story.until("09:00").await;
        story
    }

    async fn until(&self, at: &str) {
        self.t.advance_to(&stamp(at)).await;
    }

    fn fails(&self, made: &str) {
        failed(&self.t.org, &self.web, &stamp(made));
    }

    /// The process ends and starts again, at once.
    async fn restart(&mut self) {
        let clock = Arc::clone(&self.t.clock) as Arc<dyn Clock>;
        self.t.app = App::build(config(&self.t, false), clock, Limits::default()).unwrap();
        self.t.app.engine().recover().await.unwrap();
    }

    /// How often the ledger says that something was seen, and how many are known.
    fn seen(&self) -> (usize, i64) {
        let lines = self.t.ledger("failed");
        let state = &self.t.app.engine().store().state;
        let known = "select count(*) from occurrence";
        let known = state.read(|tx| Ok(tx.query_row(known, [], |row| row.get(0))?)).unwrap();
        (lines.iter().filter(|(_, text)| text.contains("new records")).count(), known)
    }
}

fn failed(org: &Org, channel: &Channel, made: &str) {
    session(org, channel, made, &[("Status", Value::Pick("Error"))]);
}

fn stamp(at: &str) -> String {
    format!("2026-11-23T{at}:00Z")
}

#[tokio::test]
async fn each_record_is_seen_once_whatever_restarts_and_is_pulled_anew() {
    let mut story = Story::begin().await;
    // One of the two before the rule lies in the half hour it reads back; neither is told.
    assert_eq!(story.seen(), (0, 1));
    story.until("09:05").await;
    story.fails("09:05");
    story.until("09:12").await;
    assert_eq!(story.seen(), (1, 2));
    story.restart().await;
    story.until("09:20").await;
    assert_eq!(story.seen(), (1, 2), "a restart repeats nothing");
    // The records are lost and pulled again.
    let records = story.t.app.engine().store().records().path().to_owned();
    for end in ["", "-wal", "-shm"] {
        let mut name = records.clone().into_os_string();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
    story.restart().await;
    story.until("09:25").await;
    assert_eq!(story.seen(), (1, 2), "records that are pulled anew are known");
    story.fails("09:25");
    story.until("09:32").await;
    assert_eq!(story.seen(), (2, 3));
}

#[tokio::test]
async fn one_that_becomes_visible_late_is_seen_and_what_it_looks_like_is_kept() {
    let story = Story::begin().await;
    story.until("09:20").await;
    // It says that it was made a while ago, and changed now.
    let id = session(&story.t.org, &story.web, &stamp("09:08"), &[]);
    let now = utc(&stamp("09:20"));
    let late = [("Status", Value::Pick("Error")), ("SystemModstamp", now.into())];
    story.t.org.update(id, &late).unwrap();
    story.until("09:30").await;
    assert_eq!(story.seen().0, 1);
    let state = &story.t.app.engine().store().state;
    let untold = state.read(occurrences::untold).unwrap();
    if let Some(seen) = untold.first() {
        assert_eq!(seen.at, utc(&stamp("09:08")));
        assert_eq!(seen.labels["Channel"], "Web");
        assert_eq!(
            (seen.labels["rule"].as_str(), seen.labels["level"].as_str()),
            ("failed", "warning")
        );
        assert_eq!(seen.shown.len(), 1);
        assert_eq!(seen.shown[0].0, "Name");
    }
}

#[tokio::test]
async fn more_at_once_than_can_be_listed_are_counted_and_none_is_lost() {
    let story = Story::begin().await;
    story.until("09:10").await;
    for _ in 0..1100 {
        story.fails("09:10");
    }
    story.until("09:20").await;
    let state = &story.t.app.engine().store().state;
    let counted = "select count(*) from occurrence where told = 1 and record not like 'more%'";
    let passed: i64 = state.read(|tx| Ok(tx.query_row(counted, [], |row| row.get(0))?)).unwrap();
    let (_, known) = story.seen();
    // One was there before; the line that counts the rest is one of its own.
    assert!(passed >= 101, "{passed}");
    assert_eq!(known, 1 + 1100 + 1);
}
