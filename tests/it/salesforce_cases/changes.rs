//! Cases about changes: what is deleted, comes back, was committed late or hidden, and whose clock
//! counts.

use chrono::TimeDelta;
use postrider::clock::Clock as _;
use postrider::demo::org::{Call, Id, Org, Value};

use super::{SESSIONS, World};
use crate::harness::records::{account, channel, ended, metric};
use crate::harness::utc;

/// Sessions with their metrics and accounts.
const JOINED: &str = r#"
[report_types.sessions]
from = """
  MessagingSession session
  left join Account account on account.Id = session.EndUserAccountId
  left join MessagingSessionMetrics sent on sent.MessagingSessionId = session.Id
        and sent.MessagingSessionMetricType = 'AgentMessageCount'
"""

[reports.sessions]
title = "Sessions"
type = "sessions"
period = "all time"
group_by = ["account as Account"]
columns = ["count() as Sessions", "sum(sent.MessagingSessionMetricValue) as Sent"]
total = true

[digests.daily]
reports = ["sessions"]
schedule = "0 8 * * *"
to = ["ana@example.com"]
"#;

const START: &str = "2026-11-22T12:00:00Z";

/// Three sessions of one account with a metric each, pulled.
async fn world() -> (World, Vec<Id>, Id) {
    let mut made = None;
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        let acme = account(org, "Acme");
        let of = [("EndUserAccountId", acme.into())];
        let ids = ["08", "09", "10"].map(|hour| {
            let id = ended(org, &web, &format!("2026-11-22T{hour}:00:00Z"), &of);
            metric(org, id, "AgentMessageCount", 5);
            id
        });
        made = Some((ids.to_vec(), acme));
    };
    let w = World::start(JOINED, START, fill).await;
    w.pull().await;
    // What was written in the minute of the first pull comes with the next.
    w.pull_again().await;
    let (ids, acme) = made.unwrap();
    assert_eq!((w.count("MessagingSession"), w.count("MessagingSessionMetrics")), (3, 3));
    (w, ids, acme)
}

impl World {
    async fn figures(&self) -> Vec<String> {
        super::cells(&self.table("sessions", "2026-11-23T07:00:00Z").await)
    }
}

#[tokio::test]
async fn a_deleted_session_takes_its_metrics_along_and_brings_them_back() {
    let (w, ids, _) = world().await;
    assert_eq!(w.figures().await, ["Acme | 3 | 15"]);
    w.t.org.delete(ids[1]).unwrap();
    w.pull_again().await;
    assert_eq!((w.count("MessagingSession"), w.count("MessagingSessionMetrics")), (2, 2));
    assert_eq!(w.figures().await, ["Acme | 2 | 10"]);
    w.t.org.undelete(ids[1]).unwrap();
    w.pull_again().await;
    assert_eq!((w.count("MessagingSession"), w.count("MessagingSessionMetrics")), (3, 3));
    assert_eq!(w.figures().await, ["Acme | 3 | 15"]);
}

#[tokio::test]
async fn what_is_deleted_and_restored_between_two_pulls_stays() {
    let (w, ids, _) = world().await;
    w.t.org.delete(ids[0]).unwrap();
    w.t.org.undelete(ids[0]).unwrap();
    w.pull_again().await;
    assert_eq!(w.figures().await, ["Acme | 3 | 15"]);
}

#[tokio::test]
async fn a_transaction_that_commits_late_is_found_by_the_overlap() {
    let (w, _, acme) = world().await;
    // The watermark has gone on; now rows appear that were stamped nine minutes before it.
    let watermark = w.state("MessagingSession").watermark.unwrap();
    let web = channel(&w.t.org, "Late");
    let stamp = watermark - TimeDelta::minutes(9);
    let late = [
        ("EndUserAccountId", Value::from(acme)),
        ("SystemModstamp", stamp.into()),
        ("CreatedDate", stamp.into()),
    ];
    let id = ended(&w.t.org, &web, "2026-11-22T11:00:00Z", &late);
    w.pull_again().await;
    assert_eq!(w.count("MessagingSession"), 4);
    let sql = format!("SELECT count(*) FROM MessagingSession WHERE Id = '{}'", id.as_str());
    assert_eq!(w.stored::<i64>(&sql), [1]);
    assert_eq!(w.figures().await, ["Acme | 4 | 15"]);
}

#[tokio::test]
async fn a_lookup_that_goes_leaves_the_rows_and_a_renamed_one_renames_them() {
    let (w, ids, acme) = world().await;
    w.t.org.update(acme, &[("Name", "Acme & Sons".into())]).unwrap();
    w.pull_again().await;
    assert_eq!(w.figures().await, ["Acme & Sons | 3 | 15"], "though no session changed");
    w.t.org.update(ids[0], &[("EndUserAccountId", Value::Null)]).unwrap();
    w.pull_again().await;
    assert_eq!(w.figures().await, ["Acme & Sons | 2 | 10", "(no account) | 1 | 5"]);
}

#[tokio::test]
async fn a_field_that_is_hidden_is_told_and_loaded_when_it_is_shown_again() {
    let mut web = None;
    let fill = |org: &Org| {
        let channel = channel(org, "Web");
        ended(org, &channel, "2026-11-22T10:00:00Z", &[("Origin", Value::Pick("Help"))]);
        web = Some(channel);
    };
    let w = World::start(SESSIONS, START, fill).await;
    w.t.org.faults().hide_field("MessagingSession", "Origin");
    w.pull().await;
    let state = w.state("MessagingSession");
    assert_eq!((state.records, &state.failure), (1, &None));
    assert!(state.hidden.contains(&"Origin".to_owned()), "{:?}", state.hidden);
    let origin = "SELECT Origin FROM MessagingSession ORDER BY StartTime";
    assert_eq!(w.stored::<Option<String>>(origin), [None]);
    w.t.org.forget_requests();
    w.pull_again().await;
    assert_eq!((w.asked(Call::Describe), w.statements("MessagingSession").len()), (0, 1));

    // It is shown again: found out within the hour, and older records are read once more.
    w.t.org.faults().clear();
    w.t.clock.advance(TimeDelta::minutes(61));
    w.pull().await;
    w.pull_again().await;
    let state = w.state("MessagingSession");
    assert!(!state.hidden.contains(&"Origin".to_owned()), "{:?}", state.hidden);
    assert_eq!(w.stored::<Option<String>>(origin), [Some("Help".to_owned())]);
    assert_eq!(w.count("MessagingSession"), 1);
}

/// The org's clock is off by so much: what it proves complete is by its own clock.
async fn with_a_clock_off_by(skew: TimeDelta) {
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T10:00:00Z", &[]);
    };
    let w = World::start(SESSIONS, START, fill).await;
    w.t.org.faults().clock_skew(skew);
    w.pull().await;
    let proven = w.state("MessagingSession").watermark.unwrap();
    assert_eq!(proven, utc(START) + skew - TimeDelta::minutes(1), "{skew}");
    // A record that is written now, with the stamp of the org's own clock, comes with the next pull.
    let stamp = w.t.clock.now() + skew;
    let web = channel(&w.t.org, "Later");
    let fields = [("SystemModstamp", stamp.into()), ("LastModifiedDate", stamp.into())];
    ended(&w.t.org, &web, "2026-11-22T11:00:00Z", &fields);
    w.pull_again().await;
    assert_eq!(w.count("MessagingSession"), 2, "{skew}");
}

#[tokio::test]
async fn the_orgs_own_clock_counts_ahead_or_behind() {
    with_a_clock_off_by(TimeDelta::minutes(20)).await;
    with_a_clock_off_by(TimeDelta::minutes(-20)).await;
    with_a_clock_off_by(TimeDelta::hours(3)).await;
}

#[tokio::test]
async fn a_pull_with_nothing_new_costs_one_request_and_writes_nothing() {
    let (w, _, _) = world().await;
    // Past the overlap nothing is read twice.
    w.t.clock.advance(TimeDelta::minutes(30));
    w.pull().await;
    w.t.org.forget_requests();
    w.pull_again().await;
    let datasets = w.t.app.engine().plant().datasets_in_use().len() as u64;
    assert!(datasets >= 3, "{datasets}");
    let seen: Vec<_> =
        w.t.org.seen().into_iter().map(|seen| seen.soql.unwrap_or(seen.target)).collect();
    assert_eq!(w.asked_in_all(), datasets, "{seen:#?}");
}
