//! Reports with earlier figures beside them, over the real app: every figure is counted again here,
//! from the org's raw records, over stretches written out by hand.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::demo::org::{Org, Value as Raw};
use postrider::domain::compare::Delta;
use postrider::domain::table::{Section, Table};
use postrider::domain::value::Value;
use postrider::engine::tables::Wanted;

use crate::harness::records::{Channel, account, channel, ended, metric_at};
use crate::harness::{HEAD, TestPostrider, utc};

/// Monday, eight in the morning in Berlin.
const SLOT: &str = "2026-11-23T07:00:00Z";
const HOME: &str = "https://acme.my.salesforce.com";

const REPORTS: &str = r#"
[calendars.office]
holidays = ["2026-11-11"]

[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
  left join Account account on account.Id = session.EndUserAccountId
  left join MessagingSessionMetrics mean on mean.MessagingSessionId = session.Id
        and mean.MessagingSessionMetricType = 'AverageAgentResponseTime'
"""

[reports.week]
type = "sessions"
period = "last 7 days"
date = "session.StartTime"
group_by = ["channel as Channel"]
columns = [
  "count() as Sessions",
  "avg(mean.MessagingSessionMetricValue) as Mean",
  "count(mean.MessagingSessionMetricValue) as Measured",
]
sort = "Channel"
total = true
compare = "last 5 weeks"
calendar = "office"
trend = "Sessions over 4 periods"
goals = { Mean = "<= 100", Sessions = ">= 1" }
drill = "https://acme.my.salesforce.com/lightning/o/MessagingSession/list"

[reports.previous]
type = "sessions"
period = "last 7 days"
date = "session.StartTime"
columns = ["count() as Sessions", "p95(mean.MessagingSessionMetricValue) as Slowest"]
compare = "previous period"
min_values = 1000

[reports.days]
type = "sessions"
period = "last 7 days"
date = "session.StartTime"
group_by = ["day(session.StartTime) as Day"]
columns = ["count() as Sessions"]
compare = "previous period"

[reports.by-agent]
type = "sessions"
period = "last 7 days"
date = "session.StartTime"
group_by = ["channel as Channel"]
pivot_by = "session.AgentType as Agent"
columns = ["count() as Sessions", "count(mean.MessagingSessionMetricValue) as Measured"]
sort = "Channel"
total = true
compare = "previous period"
trend = "Sessions over 2 periods"

[reports.latest]
type = "sessions"
period = "last 7 days"
date = "session.StartTime"
columns = ["session as Session", "account as Account", "channel as Channel", "session.StartTime as Started"]
sort = "Started desc, Session"
top = 4
mask = ["Channel"]

[digests.all]
reports = ["week", "previous", "days", "by-agent", "latest"]
schedule = "0 8 * * mon"
to = ["ana@example.com"]
"#;

/// Weeks from Monday to Monday in Berlin, newest first. The clocks were put back on 25 October.
const WEEKS: [(&str, &str); 6] = [
    ("2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z"),
    ("2026-11-08T23:00:00Z", "2026-11-15T23:00:00Z"),
    ("2026-11-01T23:00:00Z", "2026-11-08T23:00:00Z"),
    ("2026-10-25T23:00:00Z", "2026-11-01T23:00:00Z"),
    ("2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"),
    ("2026-10-11T22:00:00Z", "2026-10-18T22:00:00Z"),
];

/// Seven weeks of sessions, a few a day, on three channels; one channel is new since two weeks and
/// busy since one. Some begin at the very edges of the weeks.
fn fill(org: &Org) {
    let channels = ["Chat", "Text", "WhatsApp"].map(|name| channel(org, name));
    let twins = [account(org, "Acme"), account(org, "Acme")];
    let begin = utc("2026-10-05T00:00:00Z");
    let mut number = 0_i64;
    for day in 0..49_i64 {
        for (place, channel) in channels.iter().enumerate() {
            let place = place as i64;
            let (count, new) = ((day * 5 + place * 3) % 4, place == 2);
            let count = match day {
                ..35 if new => 0,
                42.. if new => 9,
                _ => count,
            };
            for index in 0..count {
                number += 1;
                let at = begin + TimeDelta::minutes(day * 1440 + (number * 37) % 1440);
                let twin = twins[(number % 2) as usize];
                one(org, channel, at, number, &[("EndUserAccountId", twin.into())], index % 3 != 0);
            }
        }
    }
    for (week, (from, to)) in WEEKS.iter().enumerate() {
        for at in [utc(from), utc(to) - TimeDelta::seconds(1)] {
            one(org, &channels[week % 2], at, 500 + week as i64, &[], true);
        }
    }
}

fn one(
    org: &Org,
    channel: &Channel,
    at: DateTime<Utc>,
    number: i64,
    more: &[(&str, Raw)],
    measured: bool,
) {
    let agent = [("AgentType", Raw::Pick(if number % 3 == 0 { "BotToAgent" } else { "Agent" }))];
    let fields: Vec<(&str, Raw)> = agent.into_iter().chain(more.iter().cloned()).collect();
    let id = ended(org, channel, &at.to_rfc3339(), &fields);
    if measured {
        let written = (at + TimeDelta::minutes(16)).to_rfc3339();
        metric_at(org, id, "AverageAgentResponseTime", 20 + number % 71, &written);
    }
}

async fn started(head: &str) -> TestPostrider {
    let t = TestPostrider::start(&format!("{head}{REPORTS}"), "2026-11-23T06:50:00Z", fill).await;
    t.beat().await;
    t.clock.set(utc("2026-11-23T07:05:00Z"));
    t.beat().await;
    t
}

async fn table(t: &TestPostrider, name: &str, wanted: Wanted) -> Table {
    let report = t.app.config().reports[name].clone();
    let sections = t.app.engine().sections_with(&[report], utc(SLOT), wanted).await;
    match sections.into_iter().next() {
        Some(Section::Table(table)) => table,
        other => panic!("{name}: {other:?}"),
    }
}

/// What is counted of a channel in a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    sessions: i64,
    measured: i64,
    sum: i64,
}

impl Counts {
    fn mean(self) -> Option<f64> {
        (self.measured > 0).then(|| self.sum as f64 / self.measured as f64)
    }
}

/// By the channel's Id; under the empty text over all of them.
fn counted(org: &Org, (from, to): (&str, &str)) -> BTreeMap<String, Counts> {
    let mut values: BTreeMap<String, i64> = BTreeMap::new();
    for metric in org.records("MessagingSessionMetrics") {
        let session = metric.reference("MessagingSessionId").unwrap().to_string();
        values.insert(session, metric.int("MessagingSessionMetricValue").unwrap());
    }
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for session in org.records("MessagingSession") {
        let start = session.at("StartTime").unwrap();
        if start < utc(from) || utc(to) <= start {
            continue;
        }
        let channel = session.reference("MessagingChannelId").unwrap().to_string();
        for group in [channel, String::new()] {
            let counts = counts.entry(group).or_default();
            counts.sessions += 1;
            if let Some(value) = values.get(&session.id().to_string()) {
                counts.measured += 1;
                counts.sum += value;
            }
        }
    }
    counts
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// Mean, change and relative change of a delta, held against those of a baseline.
#[track_caller]
fn same(delta: Option<&Delta>, now: Option<f64>, baseline: &[f64], what: &str) {
    let (Some(now), false) = (now, baseline.is_empty()) else {
        assert_eq!(delta, None, "{what}");
        return;
    };
    let delta = delta.unwrap_or_else(|| panic!("{what}: no change"));
    let mean = baseline.iter().sum::<f64>() / baseline.len() as f64;
    assert!(near(delta.before, mean), "{what}: {delta:?}, not {mean}");
    assert!(near(delta.change, now - mean), "{what}: {delta:?}");
    match delta.relative {
        None => assert!(mean == 0.0, "{what}"),
        Some(relative) => assert!(near(relative, (now - mean) / mean), "{what}: {delta:?}"),
    }
    assert_eq!(delta.usual.is_some(), baseline.len() >= 4, "{what}");
}

#[tokio::test]
async fn every_change_and_trend_is_that_of_the_raw_records() {
    let t = started(HEAD).await;
    let table = table(&t, "week", Wanted::default()).await;
    assert_eq!(table.provisional, None);
    let compared = table.compared.as_ref().unwrap();
    // Week 1 holds 11 November.
    let expected = "the same 7 days of the last 5 weeks (1 left out: 11 Nov is a holiday)";
    assert_eq!(compared.words, expected);
    let windows: Vec<_> = compared.windows.iter().map(|window| (window.from, window.to)).collect();
    assert_eq!(windows, WEEKS[2..].iter().map(|(a, b)| (utc(a), utc(b))).collect::<Vec<_>>());

    let weeks: Vec<_> = WEEKS.iter().map(|week| counted(&t.org, *week)).collect();
    let names: BTreeMap<String, String> = (t.org.records("MessagingChannel").iter())
        .map(|it| (it.text("MasterLabel").unwrap().to_owned(), it.id().to_string()))
        .collect();
    assert_eq!(table.rows.len(), 3);
    let total = table.total.as_ref().zip(table.beside_total.as_ref());
    let rows = table.rows.iter().zip(&table.beside).chain(total);
    let mut unusual = Vec::new();
    for (row, beside) in rows {
        let name = row[0].text().unwrap_or("Total");
        let id = names.get(name).cloned().unwrap_or_default();
        let of = |week: usize| weeks[week].get(&id).copied().unwrap_or_default();
        let now = of(0);
        assert_eq!(row[1], Value::Integer(now.sessions), "{name}");
        assert_eq!(row[2].number().is_some(), now.mean().is_some());
        assert!(near(row[2].number().unwrap(), now.mean().unwrap()), "{name}");
        // What was not there then is 0 where it is counted, and no value where it is measured.
        let sessions: Vec<f64> = (2..6).map(|week| of(week).sessions as f64).collect();
        let means: Vec<f64> = (2..6).filter_map(|week| of(week).mean()).collect();
        let measured: Vec<f64> = (2..6).map(|week| of(week).measured as f64).collect();
        assert_eq!(beside.deltas.len(), 4);
        assert_eq!(beside.deltas[0], None);
        let delta = |column: usize| beside.deltas[column].as_ref();
        same(delta(1), Some(now.sessions as f64), &sessions, &format!("{name}, Sessions"));
        same(delta(2), now.mean(), &means, &format!("{name}, Mean"));
        same(delta(3), Some(now.measured as f64), &measured, &format!("{name}, Measured"));
        assert_eq!(delta(3).unwrap().better, None, "no goal says which way is better");
        let more = delta(1).filter(|delta| delta.change != 0.0).map(|delta| delta.change > 0.0);
        assert_eq!(delta(1).unwrap().better, more, "{name}");
        unusual.extend(delta(1).filter(|delta| delta.unusual).map(|_| name.to_owned()));
        let trend: Vec<f64> = (0..4).rev().map(|week| of(week).sessions as f64).collect();
        let points: Vec<f64> = beside.trend.iter().map(|point| point.unwrap()).collect();
        assert_eq!(points, trend, "{name}");
        if !id.is_empty() {
            let link = format!("{HOME}/lightning/r/MessagingChannel/{id}/view");
            assert_eq!(beside.links, [Some(link), None, None, None]);
        }
    }
    // A good part has no metrics: that is told before the figures as well.
    let Counts { sessions, measured, .. } = weeks[0][""];
    assert!((measured as f64) < 0.8 * sessions as f64, "{measured} of {sessions}");
    let [low] = table.coverage_low.as_slice() else { panic!("{:?}", table.coverage_low) };
    assert!(low.contains(&format!(" of {sessions} ended sessions")), "{low}");
    assert!(table.coverage.contains(low));
    // Nine sessions a day on a channel that had none; the others go on as they did.
    assert_eq!(unusual, ["WhatsApp", "Total"]);
    assert_eq!(table.trend, Some(1));
    assert_eq!(table.columns[2].goal.map(|goal| goal.0.to_string()).as_deref(), Some("<= 100"));
    assert_eq!(table.drill.as_deref(), Some(&*format!("{HOME}/lightning/o/MessagingSession/list")));
}

#[tokio::test]
async fn what_the_first_load_did_not_reach_is_left_out_and_never_nothing() {
    let head =
        HEAD.replace("pull_every = \"5 min\"", "pull_every = \"5 min\"\nhistory = \"30 days\"");
    let t = started(&head).await;
    let table = table(&t, "week", Wanted::default()).await;
    let compared = table.compared.as_ref().unwrap();
    assert_eq!(
        compared.words,
        "the same 7 days of the last 5 weeks (3 left out: 11 Nov is a holiday; records reach back \
         to 24 Oct 2026)"
    );
    assert_eq!((compared.windows.len(), compared.left_out.len()), (2, 3));
    assert!(table.beside.iter().all(|beside| beside.trend.iter().all(Option::is_some)));
}

#[tokio::test]
async fn a_report_without_groups_is_compared_and_one_by_days_day_by_day() {
    let t = started(HEAD).await;
    let figures = table(&t, "previous", Wanted::default()).await;
    let (now, before) = (counted(&t.org, WEEKS[0])[""], counted(&t.org, WEEKS[1])[""]);
    assert_eq!(figures.rows[0][0], Value::Integer(now.sessions));
    let delta = figures.beside[0].deltas[0].as_ref();
    same(delta, Some(now.sessions as f64), &[before.sessions as f64], "Sessions");
    // Too few for a percentile: it is not shown, which is said.
    assert_eq!((&figures.rows[0][1], &figures.beside[0].deltas[1]), (&Value::Null, &None));
    let said = "One percentile of fewer than 1000 values is not shown.";
    assert!(figures.coverage.iter().any(|line| line == said), "{:?}", figures.coverage);

    let days = table(&t, "days", Wanted::default()).await;
    assert_eq!(days.rows.len(), 7);
    for (day, beside) in (0_i64..).zip(&days.beside) {
        let of = |week: usize| {
            let from = utc(WEEKS[week].0) + TimeDelta::days(day);
            let day = (from.to_rfc3339(), (from + TimeDelta::days(1)).to_rfc3339());
            counted(&t.org, (&day.0, &day.1)).get("").copied().unwrap_or_default().sessions as f64
        };
        same(beside.deltas[1].as_ref(), Some(of(0)), &[of(1)], &format!("day {day}"));
    }
}

#[tokio::test]
async fn of_a_pivoted_report_what_is_over_everything_is_compared() {
    let t = started(HEAD).await;
    let table = table(&t, "by-agent", Wanted::default()).await;
    let names: Vec<(&str, Option<&str>)> =
        table.columns.iter().map(|c| (c.name.as_str(), c.pivot.as_deref())).collect();
    let (agent, bot, total) = (Some("Agent"), Some("Bot & Agent"), Some("Total"));
    assert_eq!(
        names,
        [
            ("Channel", None),
            ("Agent: Sessions", agent),
            ("Agent: Measured", agent),
            ("Bot & Agent: Sessions", bot),
            ("Bot & Agent: Measured", bot),
            ("Total: Sessions", total),
            ("Total: Measured", total),
        ]
    );
    assert_eq!(
        (table.place(0), table.place(1), table.place(2), table.place(3)),
        (Some(0), None, Some(5), Some(6))
    );
    let (now, before) = (counted(&t.org, WEEKS[0]), counted(&t.org, WEEKS[1]));
    let row = table.total.as_ref().unwrap();
    let parts = row[1].number().unwrap() + row[3].number().unwrap();
    assert_eq!((row[5].number(), parts), (Some(now[""].sessions as f64), now[""].sessions as f64));
    let beside = table.beside_total.as_ref().unwrap();
    assert!(beside.deltas[..5].iter().all(Option::is_none));
    let was = before[""].sessions as f64;
    same(beside.deltas[5].as_ref(), row[5].number(), &[was], "Total: Sessions");
    assert_eq!(beside.trend, [Some(was), row[5].number()]);
    assert_eq!(table.trend, Some(5));
    assert_eq!(table.beside.len(), 3);
    assert!(table.beside.iter().all(|beside| beside.links.len() == 7 && beside.links[0].is_some()));
}

#[tokio::test]
async fn records_of_a_list_lead_to_their_pages_and_those_of_one_name_are_told_apart() {
    let t = started(HEAD).await;
    let all = table(&t, "latest", Wanted { rest_max: 1000, ..Wanted::default() }).await;
    assert_eq!(all.rows.len(), 4);
    let few = counted(&t.org, WEEKS[0])[""].sessions as usize;
    assert_eq!((all.rest.len(), all.others.as_ref().unwrap().rows), (few - 4, few as u64 - 4));
    assert!(table(&t, "latest", Wanted::default()).await.rest.is_empty());
    let sessions: BTreeMap<String, _> = (t.org.records("MessagingSession").into_iter())
        .map(|it| (it.id().to_string(), it))
        .collect();
    let mut accounts = std::collections::BTreeSet::new();
    for (row, beside) in all.rows.iter().zip(&all.beside) {
        let id = |link: &Option<String>, object: &str| {
            let link = link.as_deref().unwrap();
            let id = link.strip_prefix(&format!("{HOME}/lightning/r/{object}/")).unwrap();
            id.strip_suffix("/view").unwrap().to_owned()
        };
        let session = &sessions[&id(&beside.links[0], "MessagingSession")];
        assert_eq!(session.text("Name"), row[0].text());
        match session.reference("EndUserAccountId") {
            Some(account) => {
                let account = account.to_string();
                assert_eq!(id(&beside.links[1], "Account"), account);
                let name = row[1].text().unwrap();
                let end = name.strip_prefix("Acme (").unwrap().strip_suffix(')').unwrap();
                assert!(account.ends_with(end) && end.len() >= 4, "{name} is {account}");
                accounts.insert(name.to_owned());
            }
            None => assert_eq!((row[1].text(), &beside.links[1]), (Some("(no account)"), &None)),
        }
        // What is shortened leads nowhere.
        assert_eq!((&row[2], &beside.links[2], &beside.links[3]), (&masked(&row[2]), &None, &None));
    }
    assert_eq!(accounts.len(), 2, "{accounts:?}");
}

fn masked(value: &Value) -> Value {
    Value::Text(value.text().unwrap().chars().take(1).chain(['\u{2026}']).collect())
}
