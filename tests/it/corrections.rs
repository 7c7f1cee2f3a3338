//! Records that come late or are edited after their window was judged: what was told is corrected,
//! once, and what was missed is told as late.

use postrider::demo::org::{Id, Org};

use crate::alerts::TYPES;
use crate::harness::records::{channel, ended, metric};
use crate::harness::{HEAD, TestPostrider, utc};

const RULE: &str = r#"
[rules.longest]
title = "A customer waited too long"
type = "metrics"
date = "metric.CreatedDate"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "30 min"
every = "5 min"
levels = [["warning", "> 300"]]

[[routes]]
to = ["ops-hook"]
"#;

struct Story {
    t: TestPostrider,
    session: Id,
}

impl Story {
    /// From 08:50 on a Monday.
    async fn begin(rule: &str) -> Story {
        let mut id = None;
        let fill = |org: &Org| {
            let web = channel(org, "Web");
            id = Some(ended(org, &web, "2026-11-20T12:00:00Z", &[]));
        };
        let config = format!("{HEAD}{TYPES}{rule}");
        let t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
        t.beat().await;
        Story { t, session: id.expect("a session") }
    }

    async fn until(&self, at: &str) {
        self.t.advance_to(&stamp(at)).await;
    }

    fn wait(&self, seconds: i64) -> Id {
        metric(&self.t.org, self.session, "MaxAgentResponseTime", seconds)
    }

    /// Makes a record now that says it was made earlier.
    fn late(&self, at: &str, seconds: i64) {
        let made = [("CreatedDate", utc(&stamp(at)).into())];
        self.t.org.update(self.wait(seconds), &made).unwrap();
    }

    fn corrected(&self) -> Vec<String> {
        let lines = self.t.ledger("longest").into_iter().map(|(_, text)| text);
        lines.filter(|text| text.starts_with("corrected")).collect()
    }

    /// The webhooks: type, and when the incident began.
    fn told(&self) -> Vec<(String, String)> {
        let text = |json: &serde_json::Value| json.as_str().unwrap_or_default().to_owned();
        let hooks = self.t.catcher.hooks();
        let told = hooks.iter().map(|hook| {
            let json = hook.json();
            (text(&json["type"]), text(&json["data"]["began"]))
        });
        told.collect()
    }
}

fn stamp(at: &str) -> String {
    format!("2026-11-23T{at}:00Z")
}

#[tokio::test]
async fn what_fired_by_a_value_that_was_edited_is_corrected_once() {
    let story = Story::begin(RULE).await;
    story.until("09:01").await;
    let record = story.wait(400);
    story.until("09:20").await;
    assert_eq!(story.told().len(), 1);
    let fields = [("MessagingSessionMetricValue", 100.into())];
    story.t.org.update(record, &fields).unwrap();
    story.until("10:05").await;
    assert_eq!(story.corrected(), [""; 0], "it is looked at an hour later");
    let config = format!("{HEAD}{TYPES}{RULE}");
    let mut story = story;
    story.until("10:12").await;
    let corrected = story.corrected();
    assert_eq!(corrected.len(), 1, "{corrected:?}");
    assert!(corrected[0].contains("fired by 400"), "{corrected:?}");
    assert!(corrected[0].contains("make it 100, which is no breach"), "{corrected:?}");
    story.t.restart(&config).await;
    story.until("12:00").await;
    assert_eq!(story.corrected(), corrected, "said once");
}

#[tokio::test]
async fn what_would_have_fired_is_told_as_late_once() {
    let story = Story::begin(RULE).await;
    story.until("10:20").await;
    story.late("09:31", 400);
    story.until("10:58").await;
    assert_eq!(story.told(), []);
    story.until("11:10").await;
    let began = "2026-11-23T09:35:00.000Z".to_owned();
    let told = story.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, began);
    assert_eq!(story.corrected().len(), 1);
    story.until("12:30").await;
    assert_eq!(story.told().len(), 1);
    assert_eq!(story.t.incidents().len(), 0);
}

#[tokio::test]
async fn a_late_breach_too_short_for_its_hold_is_nothing_to_tell() {
    let held = RULE.replace("every = \"5 min\"", "every = \"5 min\"\nfor = \"45 min\"");
    let story = Story::begin(&held).await;
    story.until("10:20").await;
    story.late("09:31", 400);
    story.until("11:30").await;
    assert_eq!((story.told(), story.corrected()), (vec![], vec![]));
}

#[tokio::test]
async fn what_stands_is_not_corrected() {
    let story = Story::begin(RULE).await;
    story.until("09:01").await;
    story.wait(400);
    story.until("09:20").await;
    // Edited, and still in breach; and a late one in a window that was in breach anyway.
    story.late("09:10", 350);
    story.until("11:30").await;
    assert_eq!(story.corrected(), [""; 0]);
    assert_eq!(story.told().len(), 2, "its beginning and its end");
}
