//! Rules that cannot see their data: it is said once which, nothing of them moves, and what they
//! missed is told when they see again.

use postrider::demo::org::{Fault, Id, On, Org};

use crate::alerts::TYPES;
use crate::harness::records::{channel, ended, metric_at};
use crate::harness::{HEAD, TestPostrider};

const RULES: &str = r#"
[rules.longest]
title = "A customer waited too long"
type = "metrics"
date = "metric.CreatedDate"
group_by = ["channel as Channel"]
value = "max(metric.MessagingSessionMetricValue)"
window = "10 min"
every = "5 min"
levels = [["warning", "> 300"]]

[rules.many]
title = "Many sessions"
type = "sessions"
date = "session.StartTime"
value = "count()"
window = "10 min"
every = "5 min"
levels = [["warning", "> 1000"]]

[[routes]]
to = ["ops-hook"]
"#;

fn stamp(at: &str) -> String {
    format!("2026-11-23T{at}:00Z")
}

#[tokio::test]
async fn one_notice_says_which_rules_are_blind_and_what_they_missed_is_told_collapsed() {
    let mut session: Option<Id> = None;
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        session = Some(ended(org, &web, "2026-11-20T12:00:00Z", &[]));
    };
    let config = format!("{HEAD}{TYPES}{RULES}");
    let mut t = TestPostrider::start(&config, "2026-11-23T08:50:00Z", fill).await;
    let session = session.expect("a session");
    t.beat().await;
    t.advance_to(&stamp("09:42")).await;
    t.org.faults().always(Fault::Html(503), On::any());
    t.advance_to(&stamp("10:10")).await;
    let owner = t.letters_to("owner@example.com");
    assert_eq!(owner.len(), 1, "one for all of them");
    let words = owner[0].words();
    assert!(words.contains("2 rules are blind since 10:4"), "{words}");
    assert!(words.contains("longest, many"), "{words}");
    // Two breaches come and go, unseen; the process is started again in between.
    for (at, value) in [("10:01", 400), ("10:16", 10), ("10:31", 500), ("10:46", 10)] {
        metric_at(&t.org, session, "MaxAgentResponseTime", value, &stamp(at));
    }
    t.restart(&config).await;
    t.advance_to(&stamp("11:20")).await;
    assert_eq!(t.catcher.hooks().len(), 0, "what is not seen moves nothing");
    assert_eq!(t.letters_to("owner@example.com").len(), 1, "told once, whatever restarts");
    t.org.faults().clear();
    t.advance_to(&stamp("11:45")).await;
    let hooks = t.catcher.hooks();
    assert_eq!(hooks.len(), 1, "what fired and ended is told in one");
    let told = hooks[0].json();
    assert_eq!(told["type"], "incident.resolved");
    assert_eq!(told["data"]["began"], "2026-11-23T10:35:00.000Z");
    assert_eq!(told["data"]["passed"].as_array().map(Vec::len), Some(1), "{told}");
    let owner = t.letters_to("owner@example.com");
    assert_eq!(owner.len(), 2);
    assert!(owner[1].subject.contains("gives data again"), "{}", owner[1].subject);
}
