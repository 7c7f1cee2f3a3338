//! The generated org: deterministic, lifelike, full of awkward cases, and alive.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::*;
use crate::demo::org::schema::{self, Kind, objects};

const NOW: &str = "2025-11-12T10:30:00Z";

fn small(days: i64) -> Plan {
    Plan {
        history: TimeDelta::days(days),
        sessions_per_day: 120.0,
        mass_update: 50,
        ..Plan::new(NOW.parse().unwrap())
    }
}

fn generated(plan: Plan) -> (Arc<Org>, Arc<Standing>) {
    let clock = Standing::at(NOW);
    (Org::generate(7, plan, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn everything(org: &Org) -> Vec<Record> {
    objects().iter().flat_map(|object| org.records(object.name)).collect()
}

#[test]
fn life_is_the_same_however_often_one_looks() {
    let (once, _) = generated(small(3));
    let (often, clock) = generated(small(3));
    let (other, _) =
        (Org::generate(8, small(3), Arc::clone(&clock) as Arc<dyn Clock>), Arc::clone(&clock));
    assert_ne!(everything(&once), everything(&other));
    let start: DateTime<Utc> = NOW.parse().unwrap();
    let until = start + TimeDelta::hours(7);
    let mut now = start;
    while now < until {
        now += TimeDelta::seconds(97);
        often.live(now.min(until));
    }
    once.live(until);
    assert_eq!(everything(&once), everything(&often));
    let fresh =
        once.records("MessagingSession").iter().filter(|s| s.at("StartTime") > Some(start)).count();
    assert!(fresh > 10, "{fresh}");
}

#[test]
fn what_appears_later_is_never_stamped_earlier() {
    let (org, _) = generated(small(2));
    let mut now: DateTime<Utc> = NOW.parse().unwrap();
    for _ in 0..60 {
        let before: HashMap<Id, Record> =
            everything(&org).into_iter().map(|record| (record.id(), record)).collect();
        let earlier = now;
        now += TimeDelta::minutes(3);
        org.live(now);
        for record in everything(&org) {
            if before.get(&record.id()) != Some(&record) {
                let stamp = record.at("SystemModstamp").unwrap();
                assert!(earlier < stamp && stamp <= now, "{record:?}");
            }
        }
    }
}

#[test]
fn every_value_fits_its_field() {
    let (org, _) = generated(small(6));
    let known: HashSet<Id> = everything(&org).iter().map(Record::id).collect();
    for record in everything(&org) {
        let object = schema::object_named(record.object()).unwrap();
        for field in &object.fields {
            let value = record.value(field.name);
            let place = format!("{}.{} = {value:?}", object.name, field.name);
            match value {
                Value::Null => assert!(field.has('N'), "{place}"),
                Value::Bool(_) => assert_eq!(field.kind, Kind::Bool, "{place}"),
                Value::Int(number) => {
                    assert!(
                        field.kind == Kind::Int && (0..1_000_000_000).contains(number),
                        "{place}"
                    );
                }
                Value::Hundredths(_) => assert_eq!(field.kind, Kind::Currency, "{place}"),
                Value::Day(_) => assert_eq!(field.kind, Kind::Date, "{place}"),
                Value::At(_) => assert_eq!(field.kind, Kind::DateTime, "{place}"),
                Value::Id(id) => {
                    assert!(matches!(field.kind, Kind::Id | Kind::Reference), "{place}");
                    let type_name = schema::type_of(id.prefix()).unwrap();
                    assert!(
                        field.kind == Kind::Id || field.targets.contains(&type_name),
                        "{place}"
                    );
                    let outside = type_name == "BotDefinition";
                    assert!(outside || known.contains(id), "{place}");
                }
                Value::Pick(_) | Value::Text(_) => {
                    let text = record.text(field.name).unwrap();
                    if field.kind == Kind::Picklist {
                        assert!(field.picks.iter().any(|(pick, _)| *pick == text), "{place}");
                    } else {
                        assert!(matches!(field.kind, Kind::Text | Kind::TextArea), "{place}");
                        assert!(text.chars().count() <= field.length as usize, "{place}");
                    }
                }
            }
        }
    }
}

/// Sessions with their channel's platform.
fn sessions(org: &Org) -> Vec<(Record, bool)> {
    let channels: HashMap<Id, bool> = org
        .records("MessagingChannel")
        .iter()
        .map(|channel| (channel.id(), channel.text("PlatformType") == Some("Enhanced")))
        .collect();
    let with_platform = |session: Record| {
        let enhanced = channels[&session.reference("MessagingChannelId").unwrap()];
        (session, enhanced)
    };
    org.records("MessagingSession").into_iter().map(with_platform).collect()
}

fn counts(records: &[Record], field: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record.text(field).unwrap_or("null").to_owned()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn metrics_are_there_for_ended_enhanced_sessions_alone() {
    let (org, _) = generated(small(10));
    let mut types: HashMap<Id, BTreeMap<String, (i64, DateTime<Utc>)>> = HashMap::new();
    for metric in org.records("MessagingSessionMetrics") {
        let kind = metric.text("MessagingSessionMetricType").unwrap().to_owned();
        let value = metric.int("MessagingSessionMetricValue").unwrap();
        let session = types.entry(metric.reference("MessagingSessionId").unwrap()).or_default();
        let twice = session.insert(kind, (value, metric.at("CreatedDate").unwrap()));
        assert_eq!(twice, None);
    }
    let (mut with_first, mut without_agent) = (0, 0);
    for (session, enhanced) in sessions(&org) {
        let ended = session.text("Status") == Some("Ended");
        let own = types.get(&session.id());
        assert_eq!(own.is_some(), enhanced && ended, "{session:?}");
        assert_eq!(session.text("EndedByType").is_some(), enhanced && ended, "{session:?}");
        assert_eq!(
            session.at("EndTime").is_some(),
            matches!(session.text("Status"), Some("Ended" | "Error"))
        );
        assert_eq!(
            session.int("AgentMessageCount").is_some(),
            !enhanced && session.at("EndTime").is_some()
        );
        let Some(own) = own else { continue };
        for (_, created) in own.values() {
            assert_eq!(Some(*created), session.at("EndTime"));
        }
        with_first += usize::from(own.contains_key("ServiceRepFirstResponseTime"));
        match (own.get("AverageAgentResponseTime"), own.get("MaxAgentResponseTime")) {
            (Some((mean, _)), Some((longest, _))) => {
                let lasted = session.at("EndTime").unwrap() - session.at("StartTime").unwrap();
                assert!(mean <= longest && *longest <= lasted.num_seconds(), "{session:?}");
            }
            (None, None) => without_agent += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(with_first > 50 && without_agent > 50, "{with_first} {without_agent}");
    let zeros = Plan { zero_metrics: true, ..small(2) };
    let (org, _) = generated(zeros);
    let metrics = org.records("MessagingSessionMetrics");
    let zero = metrics.iter().filter(|metric| {
        metric.text("MessagingSessionMetricType") == Some("MaxAgentResponseTime")
            && metric.int("MessagingSessionMetricValue") == Some(0)
    });
    assert!(zero.count() > 5);
}

#[test]
fn the_awkward_cases_are_there() {
    let (org, _) = generated(Plan { sessions_per_day: 300.0, mass_update: 2_500, ..small(28) });
    let all = org.records("MessagingSession");
    assert!((5_000..11_000).contains(&all.len()), "{}", all.len());
    let has = |field: &str, values: &[&str]| {
        let counts = counts(&all, field);
        for value in values {
            assert!(
                counts.get(*value).is_some_and(|count| *count > 0),
                "{field} {value}: {counts:?}"
            );
        }
    };
    has("Status", &["Active", "Inactive", "Ended", "Error", "New"]);
    has("AgentType", &["Agent", "Bot", "BotToAgent", "System", "null"]);
    has("EndedByType", &["Agent", "Bot", "EndUser", "System", "null"]);
    has("Origin", &["InboundInitiated", "TriggeredOutbound"]);
    has("EndUserAccountId", &["null"]);
    let work = org.records("AgentWork");
    let status = counts(&work, "Status");
    for wanted in
        ["Closed", "Declined", "DeclinedOnPushTimeout", "Canceled", "Transferred", "Opened"]
    {
        assert!(status.contains_key(wanted), "{wanted}: {status:?}");
    }
    let mut per_session: HashMap<Id, usize> = HashMap::new();
    for row in work.iter().filter(|row| row.int("HandleTime").is_some()) {
        *per_session.entry(row.reference("WorkItemId").unwrap()).or_insert(0) += 1;
    }
    for rows in 2..=4 {
        assert!(per_session.values().any(|count| *count == rows), "{rows} assignments");
    }
    assert!(work.iter().any(|row| row.reference("BotId").is_some()));
    assert!(work.iter().any(|row| row.reference("WorkItemId").unwrap().prefix() == *b"500"));
    let channels = counts(&all, "ChannelName");
    assert!(!channels.contains_key("Apple Messages"), "{channels:?}");
    assert!(channels["SMS Hotline"] > 100 && channels["WhatsApp (old number)"] > 5, "{channels:?}");
    let inactive: Vec<_> = org
        .records("MessagingChannel")
        .into_iter()
        .filter(|channel| !channel.flag("IsActive"))
        .map(|channel| channel.text("MasterLabel").unwrap().to_owned())
        .collect();
    assert_eq!(inactive, ["WhatsApp (old number)"]);
    assert!(all.iter().any(Record::is_deleted));
    assert!(org.records("MessagingSessionMetrics").iter().any(Record::is_deleted));
    let failed = org
        .records("ConversationEntry")
        .iter()
        .filter(|entry| entry.text("MessageStatusCode").is_some())
        .count();
    assert!(failed > 20, "{failed}");
    let mut stamps: HashMap<DateTime<Utc>, usize> = HashMap::new();
    for session in &all {
        *stamps.entry(session.at("SystemModstamp").unwrap()).or_insert(0) += 1;
    }
    assert!(stamps.values().any(|count| *count > 2_000));
    let start = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
    for edge in ["2025-10-26T00:59:59Z", "2025-10-26T01:00:00Z", "2025-10-31T23:00:00Z"] {
        assert!(all.iter().any(|session| session.at("StartTime") == start(edge)), "{edge}");
    }
    let names = counts(&org.records("Account"), "Name");
    assert_eq!(names["Acme GmbH"], 2);
    assert!(names.keys().any(|name| name.starts_with("=cmd")));
}

#[test]
fn sessions_before_october_2024_have_no_metrics() {
    let plan = Plan { now: "2024-10-03T12:00:00Z".parse().unwrap(), ..small(6) };
    let (org, _) = generated(plan);
    let since: DateTime<Utc> = "2024-10-01T00:00:00Z".parse().unwrap();
    let measured: HashSet<Id> = org
        .records("MessagingSessionMetrics")
        .iter()
        .filter_map(|metric| metric.reference("MessagingSessionId"))
        .collect();
    let (mut before, mut after) = (0, 0);
    for (session, enhanced) in sessions(&org) {
        if !enhanced || session.text("Status") != Some("Ended") {
            continue;
        }
        match session.at("CreatedDate").unwrap() < since {
            true => {
                before += 1;
                assert!(!measured.contains(&session.id()));
            }
            false => after += usize::from(measured.contains(&session.id())),
        }
    }
    assert!(before > 50 && after > 50, "{before} {after}");
}

/// The longest a waiting customer of each channel waits now, in seconds.
fn waiting(org: &Org, now: DateTime<Utc>) -> BTreeMap<String, i64> {
    let mut longest = BTreeMap::new();
    for session in org.records("MessagingSession") {
        if session.text("Status") == Some("Waiting") && !session.is_deleted() {
            let waits = (now - session.at("StartTime").unwrap()).num_seconds();
            let known = longest.entry(session.text("ChannelName").unwrap().to_owned()).or_insert(0);
            *known = waits.max(*known);
        }
    }
    longest
}

#[test]
fn an_incident_makes_one_channel_wait_and_then_it_is_over() {
    let start: DateTime<Utc> = NOW.parse().unwrap();
    let incident = Incident::on_whatsapp(start + TimeDelta::minutes(20));
    let (org, _) =
        generated(Plan { sessions_per_day: 300.0, incidents: vec![incident.clone()], ..small(2) });
    let (mut above, mut first, mut last) = (0, None, None);
    for minute in 0..120 {
        let now = start + TimeDelta::minutes(minute);
        org.live(now);
        for (channel, longest) in waiting(&org, now) {
            if longest > 180 {
                assert_eq!(channel, WHATSAPP, "{longest} s at {now}");
            }
            if longest > 600 {
                above += 1;
                first = first.or(Some(minute));
                last = Some(minute);
            }
        }
    }
    assert!((11..=14).contains(&above), "{above} minutes");
    assert_eq!(first, Some(31));
    assert!(last.unwrap() <= 44, "{last:?}");
    let late = org
        .records("MessagingSessionMetrics")
        .iter()
        .filter(|metric| {
            metric.text("MessagingSessionMetricType") == Some("MaxAgentResponseTime")
                && metric.int("MessagingSessionMetricValue") > Some(900)
        })
        .count();
    assert!(late >= 3, "{late}");
}

#[test]
fn a_customer_who_comes_back_waits_again() {
    let (org, _) = generated(Plan { reopened_share: 1.0, ..small(4) });
    let mut now: DateTime<Utc> = NOW.parse().unwrap();
    let mut longest = 0;
    for _ in 0..400 {
        now += TimeDelta::minutes(1);
        org.live(now);
        longest = waiting(&org, now).into_values().max().unwrap_or(0).max(longest);
    }
    assert!(longest > 900, "{longest}");
}

#[tokio::test]
async fn time_passing_makes_records_appear_over_the_socket() {
    let (org, clock) = generated(small(2));
    let serving = org.start().await.unwrap();
    let mut client = Client::of(&serving).await;
    let soql = format!(
        "SELECT Id, Status, SystemModstamp FROM MessagingSession WHERE SystemModstamp > {NOW} \
         ORDER BY SystemModstamp, Id"
    );
    assert_eq!(client.ids(&soql).await, Vec::<String>::new());
    clock.advance(TimeDelta::minutes(30));
    let soon = client.ids(&soql).await.len();
    clock.advance(TimeDelta::hours(3));
    client.log_in().await;
    let later = client.ids(&soql).await.len();
    assert!(0 < soon && soon < later, "{soon} {later}");
}

#[tokio::test]
async fn a_large_org_is_paged_completely_in_order() {
    let (org, _) = generated(Plan { sessions_per_day: 200.0, ..small(12) });
    let serving = org.start().await.unwrap();
    let client = Client::of(&serving).await;
    let window = "WHERE SystemModstamp >= 2025-11-01T00:00:00Z AND SystemModstamp < \
                  2025-11-12T10:30:01Z ORDER BY SystemModstamp, Id";
    for object in ["MessagingSession", "MessagingSessionMetrics", "ConversationEntry"] {
        let seen = client.ids(&format!("SELECT Id FROM {object} {window}")).await;
        let from: DateTime<Utc> = "2025-11-01T00:00:00Z".parse().unwrap();
        let mut expected: Vec<_> = org
            .records(object)
            .iter()
            .map(|record| (record.at("SystemModstamp").unwrap(), record.id()))
            .filter(|(stamp, _)| *stamp >= from)
            .collect();
        expected.sort_unstable();
        let expected: Vec<String> = expected.iter().map(|(_, id)| id.to_string()).collect();
        assert_eq!(seen, expected, "{object}");
    }
}
