//! The org's raw records as plain values, joined by hand: what the figures are computed from.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use postrider::demo::org::{Org, Record};

/// All records that exist: those in the bin are no records.
pub(super) struct Facts {
    pub(super) channels: Vec<Channel>,
    pub(super) sessions: Vec<Session>,
    pub(super) works: Vec<Work>,
    pub(super) people: Vec<Person>,
    pub(super) entries: Vec<Entry>,
    /// Accounts by id: their names.
    pub(super) accounts: BTreeMap<String, String>,
    /// How many records lie in the bin.
    pub(super) binned: usize,
    /// Sessions that lie in the bin.
    pub(super) binned_sessions: BTreeSet<String>,
}

pub(super) struct Channel {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) kind: String,
    pub(super) standard: bool,
}

/// A session with its metrics beside it.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) name: String,
    /// Index of its channel.
    pub(super) channel: usize,
    pub(super) account: Option<String>,
    pub(super) ended: bool,
    /// Neither ended nor failed.
    pub(super) open: bool,
    pub(super) agent_type: Option<String>,
    pub(super) ended_by: Option<String>,
    pub(super) start: DateTime<Utc>,
    pub(super) end: Option<DateTime<Utc>>,
    pub(super) sent: Option<f64>,
    pub(super) received: Option<f64>,
    pub(super) mean: Option<f64>,
    pub(super) longest: Option<f64>,
}

/// An assignment of a session.
pub(super) struct Work {
    pub(super) id: String,
    /// Index of its session.
    pub(super) session: usize,
    pub(super) is_bot: bool,
    pub(super) status: String,
    pub(super) requested: Option<DateTime<Utc>>,
    pub(super) accepted: Option<DateTime<Utc>>,
    pub(super) answer: Option<f64>,
    pub(super) handled: Option<f64>,
}

pub(super) struct Person {
    pub(super) name: String,
    pub(super) channel: usize,
    pub(super) account: Option<String>,
    pub(super) consent: Option<String>,
}

/// A message of a session.
pub(super) struct Entry {
    pub(super) session: usize,
    pub(super) sender: String,
    pub(super) code: Option<String>,
}

impl Facts {
    /// Reads the org, not what was pulled from it.
    pub(super) fn of(org: &Org) -> Facts {
        let mut binned = 0;
        let mut all = |object: &str| -> Vec<Record> {
            let (gone, there): (Vec<_>, Vec<_>) =
                org.records(object).into_iter().partition(Record::is_deleted);
            binned += gone.len();
            there
        };
        let channels: Vec<Channel> = all("MessagingChannel").iter().map(channel).collect();
        let place: BTreeMap<&str, usize> =
            channels.iter().zip(0..).map(|(one, at)| (one.id.as_str(), at)).collect();
        let accounts: BTreeMap<String, String> = all("Account")
            .iter()
            .map(|record| (text(record, "Id"), text(record, "Name")))
            .collect();
        // An account that is gone is no account.
        let account = |record: &Record, field: &str| {
            let id = record.text(field).map(str::to_owned);
            id.filter(|id| accounts.contains_key(id))
        };
        let mut metrics: BTreeMap<(String, String), f64> = BTreeMap::new();
        for record in all("MessagingSessionMetrics") {
            let kind = text(&record, "MessagingSessionMetricType");
            let value = record.int("MessagingSessionMetricValue").unwrap() as f64;
            let twice = metrics.insert((text(&record, "MessagingSessionId"), kind), value);
            assert_eq!(twice, None, "a session has each metric once");
        }
        let sessions: Vec<Session> = all("MessagingSession")
            .iter()
            .map(|record| {
                let metric =
                    |kind: &str| metrics.get(&(text(record, "Id"), kind.to_owned())).copied();
                Session {
                    id: text(record, "Id"),
                    name: text(record, "Name"),
                    channel: place[record.text("MessagingChannelId").unwrap()],
                    account: account(record, "EndUserAccountId"),
                    ended: record.text("Status") == Some("Ended"),
                    open: !matches!(record.text("Status"), Some("Ended" | "Error")),
                    agent_type: record.text("AgentType").map(str::to_owned),
                    ended_by: record.text("EndedByType").map(str::to_owned),
                    start: record.at("StartTime").unwrap(),
                    end: record.at("EndTime"),
                    sent: metric("AgentMessageCount"),
                    received: metric("EndUserMessageCount"),
                    mean: metric("AverageAgentResponseTime"),
                    longest: metric("MaxAgentResponseTime"),
                }
            })
            .collect();
        let of: BTreeMap<&str, usize> =
            sessions.iter().zip(0..).map(|(one, at)| (one.id.as_str(), at)).collect();
        let works = all("AgentWork").iter().filter_map(|record| work(record, &of)).collect();
        let entries = all("ConversationEntry")
            .iter()
            .filter_map(|record| {
                Some(Entry {
                    session: *of.get(record.text("ConversationId")?)?,
                    sender: text(record, "ActorType"),
                    code: record.text("MessageStatusCode").map(str::to_owned),
                })
            })
            .collect();
        let people = all("MessagingEndUser")
            .iter()
            .map(|record| Person {
                name: text(record, "Name"),
                channel: place[record.text("MessagingChannelId").unwrap()],
                account: account(record, "AccountId"),
                consent: record.text("MessagingConsentStatus").map(str::to_owned),
            })
            .collect();
        let binned_sessions = org.records("MessagingSession").into_iter();
        let binned_sessions = binned_sessions.filter(Record::is_deleted);
        let binned_sessions = binned_sessions.map(|record| text(&record, "Id")).collect();
        Facts { works, entries, people, sessions, channels, accounts, binned, binned_sessions }
    }

    /// Whether no record changed in the last two minutes: a pull now sees them all.
    pub(super) fn quiet(org: &Org, now: DateTime<Utc>) -> bool {
        const PULLED: &[&str] = &[
            "MessagingSession",
            "MessagingSessionMetrics",
            "MessagingEndUser",
            "MessagingChannel",
            "Account",
            "AgentWork",
            "ConversationEntry",
        ];
        let since = now - TimeDelta::minutes(2);
        let mut records = PULLED.iter().flat_map(|object| org.records(object));
        records.all(|record| record.at("SystemModstamp").unwrap() < since)
    }
}

fn text(record: &Record, field: &str) -> String {
    record.text(field).unwrap_or_else(|| panic!("no {field}: {record:?}")).to_owned()
}

fn channel(record: &Record) -> Channel {
    Channel {
        id: text(record, "Id"),
        label: text(record, "MasterLabel"),
        kind: text(record, "MessageType"),
        standard: record.text("PlatformType") == Some("Standard"),
    }
}

/// Work on a session that exists; reps also work on cases.
fn work(record: &Record, sessions: &BTreeMap<&str, usize>) -> Option<Work> {
    Some(Work {
        id: text(record, "Id"),
        session: *sessions.get(record.text("WorkItemId")?)?,
        is_bot: record.text("BotId").is_some(),
        status: text(record, "Status"),
        requested: record.at("RequestDateTime"),
        accepted: record.at("AcceptDateTime"),
        answer: record.int("SpeedToAnswer").map(|seconds| seconds as f64),
        handled: record.int("HandleTime").map(|seconds| seconds as f64),
    })
}
