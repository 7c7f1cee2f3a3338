//! Every shipped report over a generated org, pulled through the real app, against the same figures
//! computed by hand from the org's raw records. The instants of the periods are written out, so that
//! nothing of the product says what a week is; in each the clocks change.

use chrono::TimeDelta;
use postrider::clock::{Clock as _, ManualClock};
use postrider::demo::org::{Org, Plan, Record, Value as Raw};
use postrider::domain::table::{Section, Table};
use postrider::domain::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::harness::{TestPostrider, utc};
use answers::Asked;
use facts::Facts;
use shape::Expected;

mod answers;
mod facts;
mod shape;
mod stats;

const CONFIG: &str = include_str!("../../config.toml");

/// A zone, a Monday's slot in it, and what its week and month are then.
struct Place {
    zone: &'static str,
    /// Monday, 08:00.
    slot: &'static str,
    /// The seven days before that Monday; their last Sunday has 25 hours.
    week: (&'static str, &'static str),
    /// The first of the month.
    month: &'static str,
    /// How far the first load reaches back: 13 months of 31 days.
    loaded: &'static str,
}

const BERLIN: Place = Place {
    zone: "Europe/Berlin",
    slot: "2026-10-26T07:00:00Z",
    week: ("2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"),
    month: "2026-09-30T22:00:00Z",
    loaded: "17 Sep 2025",
};

const NEW_YORK: Place = Place {
    zone: "America/New_York",
    slot: "2026-11-02T13:00:00Z",
    week: ("2026-10-26T04:00:00Z", "2026-11-02T05:00:00Z"),
    month: "2026-11-01T04:00:00Z",
    loaded: "24 Sep 2025",
};

#[tokio::test]
async fn the_first_org_in_berlin() {
    check(1, &BERLIN).await;
}

#[tokio::test]
async fn the_second_org_in_berlin() {
    check(2, &BERLIN).await;
}

#[tokio::test]
async fn the_third_org_in_berlin() {
    check(3, &BERLIN).await;
}

#[tokio::test]
async fn the_first_org_in_new_york() {
    check(1, &NEW_YORK).await;
}

#[tokio::test]
async fn the_second_org_in_new_york() {
    check(2, &NEW_YORK).await;
}

#[tokio::test]
async fn the_third_org_in_new_york() {
    check(3, &NEW_YORK).await;
}

/// Asks all shipped reports of one org in one zone and compares every cell.
async fn check(seed: u64, place: &Place) {
    let slot = utc(place.slot);
    let loaded_at = slot - TimeDelta::hours(20);
    let clock = Arc::new(ManualClock::new(loaded_at));
    let plan = Plan {
        history: TimeDelta::days(27),
        sessions_per_day: 90.0,
        // Both ways in which an org may say that there was nothing to measure.
        zero_metrics: seed == 2,
        mass_update: 300,
        ..Plan::new(loaded_at)
    };
    let org = Org::generate(seed, plan, Arc::clone(&clock) as Arc<_>);
    add_traps(&org, place);
    let config = CONFIG.replace("\"Europe/Berlin\"", &format!("\"{}\"", place.zone));
    assert!(config.contains(place.zone));
    let test = TestPostrider::over(&config, clock, org).await;
    pull(&test).await;

    // The first load is done; what comes now is changes, losses among them.
    clock_to(&test, slot + TimeDelta::minutes(2));
    lose_records(&test.org);
    while !Facts::quiet(&test.org, test.clock.now()) {
        clock_to(&test, test.clock.now() + TimeDelta::minutes(1));
    }
    pull(&test).await;

    let facts = Facts::of(&test.org);
    let asked = Asked {
        facts: &facts,
        week: (utc(place.week.0), utc(place.week.1)),
        month: (utc(place.month), slot),
        loaded: place.loaded,
    };
    assert_traps(&asked);
    let expected: BTreeMap<_, _> =
        asked.all().into_iter().map(|(name, table)| (name, table.shown())).collect();
    let config = test.app.config();
    // Those on postrider's own alerts are `hygiene`'s.
    let own =
        |name: &str| ["alerts-by-rule", "alerts-never", "notices-by-receiver"].contains(&name);
    let shipped = || config.reports.iter().filter(|(name, _)| !own(name));
    let names: Vec<&str> = shipped().map(|(name, _)| name.as_str()).collect();
    let mut known: Vec<&str> = expected.keys().copied().collect();
    known.sort_unstable();
    assert_eq!(names, known, "every shipped report is checked");
    let reports: Vec<_> = shipped().map(|(_, report)| report.clone()).collect();
    let mut wrong = Vec::new();
    for section in test.app.engine().sections(&reports, slot).await {
        match section {
            Section::Table(table) => {
                wrong.extend(differences(&table, &expected[table.report.as_str()]));
            }
            Section::Failed { report, reason, .. } => wrong.push(format!("`{report}`: {reason}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Lets the org live until then.
fn clock_to(test: &TestPostrider, at: chrono::DateTime<chrono::Utc>) {
    test.clock.set(at);
    test.org.live(at);
}

async fn pull(test: &TestPostrider) {
    let engine = test.app.engine();
    let pulled = test.patiently(engine.pull_due("salesforce")).await.unwrap();
    assert_eq!(pulled, 7, "all datasets that reports read");
}

/// Sessions at the very edges of the periods, records last touched years ago, a name twice.
fn add_traps(org: &Org, place: &Place) {
    let first = |object: &str| org.records(object).into_iter().next().unwrap();
    let (channel, person) = (first("MessagingChannel"), first("MessagingEndUser"));
    let (from, to) = (utc(place.week.0), utc(place.week.1));
    let second = TimeDelta::seconds(1);
    let month = utc(place.month);
    for start in [from - second, from, to - second, to, month - second, month] {
        let fields = [
            ("Status", "Ended".into()),
            ("AgentType", "Agent".into()),
            ("EndedByType", "Agent".into()),
            ("StartTime", start.into()),
            ("EndTime", start.into()),
            ("MessagingChannelId", channel.id().into()),
            ("MessagingEndUserId", person.id().into()),
        ];
        let session = org.insert("MessagingSession", &fields).unwrap();
        for (kind, value) in [
            ("AgentMessageCount", 7),
            ("EndUserMessageCount", 9),
            ("AverageAgentResponseTime", 33),
            ("MaxAgentResponseTime", 77),
        ] {
            let fields: [(&str, Raw); 3] = [
                ("MessagingSessionId", session.into()),
                ("MessagingSessionMetricType", kind.into()),
                ("MessagingSessionMetricValue", value.into()),
            ];
            org.insert("MessagingSessionMetrics", &fields).unwrap();
        }
    }
    // Who is known for years is known still, however far back the first load reaches.
    let years_ago = utc(place.slot) - TimeDelta::days(1_500);
    for object in ["Account", "MessagingEndUser", "MessagingChannel"] {
        for record in org.records(object).iter().step_by(3) {
            org.update(record.id(), &[("SystemModstamp", years_ago.into())]).unwrap();
        }
    }
}

/// One record of each kind goes into the bin after it was pulled.
fn lose_records(org: &Org) {
    let there = |object: &str| {
        org.records(object).into_iter().filter(|record| !record.is_deleted()).collect::<Vec<_>>()
    };
    let sessions = there("MessagingSession");
    for session in sessions.iter().rev().filter(ended).take(3) {
        org.delete(session.id()).unwrap();
    }
    let account = there("Account").into_iter().find(|it| it.text("Name") == Some("Café Zentral"));
    org.delete(account.unwrap().id()).unwrap();
    for object in ["AgentWork", "MessagingEndUser", "ConversationEntry"] {
        org.delete(there(object).pop().unwrap().id()).unwrap();
    }
}

fn ended(session: &&Record) -> bool {
    session.text("Status") == Some("Ended")
}

/// What makes a careless reader wrong is there to be found.
fn assert_traps(asked: &Asked<'_>) {
    let facts = asked.facts;
    let week =
        |session: &&facts::Session| asked.week.0 <= session.start && session.start < asked.week.1;
    let sessions: Vec<_> = facts.sessions.iter().filter(week).collect();
    assert!(sessions.len() > 300, "{}", sessions.len());
    assert!(sessions.iter().any(|one| one.start == asked.week.0));
    assert!(sessions.iter().any(|one| one.account.is_none()));
    assert!(sessions.iter().any(|one| one.ended && one.agent_type.is_none()), "nobody came");
    assert!(sessions.iter().any(|one| one.ended && one.ended_by.is_none()), "not recorded");
    assert!(sessions.iter().any(|one| !one.ended));
    assert!(facts.binned > 5 && !facts.binned_sessions.is_empty());
    let idle = |at: usize| sessions.iter().all(|one| one.channel != at);
    assert!((0..facts.channels.len()).any(idle), "a channel without sessions");
    let acme: Vec<_> = facts.accounts.iter().filter(|(_, name)| *name == "Acme GmbH").collect();
    assert_eq!(acme.len(), 2, "two accounts of one name");
    assert!(
        acme.iter().all(|(id, _)| sessions.iter().any(|one| one.account.as_ref() == Some(*id)))
    );
    let handed_on =
        |one: &usize| facts.works.iter().filter(|work| work.session == *one).count() > 1;
    assert!((0..facts.sessions.len()).any(|one| handed_on(&one)));
    assert!(facts.works.iter().any(|work| work.is_bot));
    assert!(facts.entries.iter().any(|entry| entry.code.is_some()));
}

/// What a table says otherwise than it must.
fn differences(table: &Table, expected: &Expected) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut note = |what: &str, found: String, due: String| {
        wrong.push(format!("`{}`, {what}:\nfound {found}\ninstead of {due}", table.report));
    };
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    if columns != expected.columns {
        note("columns", format!("{columns:?}"), format!("{:?}", expected.columns));
    }
    if table.coverage != expected.coverage {
        note("coverage", format!("{:?}", table.coverage), format!("{:?}", expected.coverage));
    }
    let count = table.others.as_ref().map(|others| others.rows);
    let due = expected.others.as_ref().map(|(rows, _)| *rows);
    if count != due {
        note("rows left out", format!("{count:?}"), format!("{due:?}"));
    }
    if table.records != expected.records as u64 {
        note("records", table.records.to_string(), expected.records.to_string());
    }
    if table.provisional.is_some() || table.truncated {
        note("state", format!("{:?}, {}", table.provisional, table.truncated), "final".to_owned());
    }
    let others = table.others.as_ref().and_then(|others| others.values.clone());
    let due_others = expected.others.as_ref().and_then(|(_, values)| values.clone());
    let mut found: Vec<_> = table.rows.iter().map(|row| Some(row.clone())).collect();
    let mut due: Vec<_> = expected.rows.iter().map(|row| Some(row.clone())).collect();
    found.extend([others, table.total.clone()]);
    due.extend([due_others, expected.total.clone()]);
    if found.len() != due.len() {
        note("number of rows", format!("{found:#?}"), format!("{due:#?}"));
    }
    for (at, (found, due)) in found.iter().zip(&due).enumerate() {
        let same = match (found, due) {
            (Some(found), Some(due)) => {
                found.len() == due.len() && found.iter().zip(due).all(|(a, b)| equal(a, b))
            }
            (found, due) => found.is_none() && due.is_none(),
        };
        if !same {
            note(&format!("row {at}"), format!("{found:?}"), format!("{due:?}"));
        }
    }
    wrong
}

/// Numbers to nine digits; everything else exactly.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => a == b,
    }
}
