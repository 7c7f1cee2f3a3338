//! The org of this bench, in a process of its own: the demo org with a history of sessions and six
//! metrics each, spread over ten months.

use std::io;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::{Clock, SystemClock};
use postrider::demo::org::{Id, Org, Settings, Value};
use tokio::net::TcpListener;

use super::ground;

/// Metrics a session has.
pub(crate) const METRICS: [&str; 6] = [
    "AgentMessageCount",
    "EndUserMessageCount",
    "AverageAgentResponseTime",
    "AverageEndUserResponseTime",
    "MaxAgentResponseTime",
    "MaxEndUserResponseTime",
];

/// The history ends this long ago, so that nothing of it is new.
const AGO: TimeDelta = TimeDelta::days(1);
const SPREAD: TimeDelta = TimeDelta::days(300);

/// The value of a session's metric.
pub(crate) fn value(session: u64, metric: u64) -> i64 {
    ((session * 31 + metric * 7) % 977) as i64
}

/// Builds the org and serves it until whoever started it is gone.
pub(crate) fn serve(sessions: u64) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = Settings { daily_requests: 100_000_000, ..Settings::default() };
    let org = Org::with(settings, Arc::clone(&clock));
    fill(&org, sessions, clock.now())?;
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        ground::line(format!("http://{}", listener.local_addr()?));
        org.serve(listener, std::future::pending()).await?;
        Ok(())
    })
}

fn fill(org: &Org, sessions: u64, now: DateTime<Utc>) -> anyhow::Result<()> {
    let began = now - AGO - SPREAD;
    let at = |session: u64| began + SPREAD * session as i32 / sessions.max(1) as i32;
    let channel = [
        ("MasterLabel", Value::Pick("Web")),
        ("DeveloperName", Value::Pick("web")),
        ("MessageType", Value::Pick("EmbeddedMessaging")),
        ("PlatformType", Value::Pick("Enhanced")),
        ("MessagingPlatformKey", Value::Pick("web")),
    ];
    let channel = org.insert("MessagingChannel", &channel)?;
    let person = [
        ("Name", Value::Pick("Somebody")),
        ("MessagingChannelId", channel.into()),
        ("MessageType", Value::Pick("EmbeddedMessaging")),
        ("MessagingPlatformKey", Value::Pick("somebody")),
    ];
    let person = org.insert("MessagingEndUser", &person)?;
    let session = |number: u64| {
        let start = at(number);
        let end = start + TimeDelta::minutes(12);
        let mut fields = vec![
            ("MessagingChannelId", channel.into()),
            ("MessagingEndUserId", person.into()),
            ("Status", Value::Pick("Ended")),
            ("AgentType", Value::Pick("Agent")),
            ("Origin", Value::Pick("InboundInitiated")),
            ("ChannelType", Value::Pick("EmbeddedMessaging")),
            ("EndedByType", Value::Pick(["Agent", "EndUser", "System"][number as usize % 3])),
            ("StartTime", start.into()),
            ("AcceptTime", (start + TimeDelta::seconds(40)).into()),
            ("EndTime", end.into()),
        ];
        fields.extend(stamps(end));
        fields
    };
    let made: Vec<Id> = org.load("MessagingSession", (0..sessions).map(session))?;
    let metrics = made.iter().zip(0..).flat_map(|(session, number)| {
        let ended = at(number) + TimeDelta::minutes(12);
        METRICS.iter().zip(0..).map(move |(kind, which)| {
            let mut fields = vec![
                ("MessagingSessionId", Value::Id(*session)),
                ("MessagingSessionMetricType", Value::Pick(kind)),
                ("MessagingSessionMetricValue", value(number, which).into()),
            ];
            fields.extend(stamps(ended));
            fields
        })
    });
    org.load("MessagingSessionMetrics", metrics)?;
    Ok(())
}

fn stamps(at: DateTime<Utc>) -> [(&'static str, Value); 3] {
    [("CreatedDate", at.into()), ("LastModifiedDate", at.into()), ("SystemModstamp", at.into())]
}
