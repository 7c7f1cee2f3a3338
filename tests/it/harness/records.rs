//! Records made by hand, as an org would hold them.

use postrider::demo::org::{Id, Org, Value};

use super::utc;

/// A channel and somebody who writes on it.
#[derive(Clone, Copy)]
pub(crate) struct Channel {
    pub(crate) id: Id,
    pub(crate) person: Id,
}

/// An enhanced WhatsApp channel.
pub(crate) fn channel(org: &Org, label: &str) -> Channel {
    let id = org
        .insert(
            "MessagingChannel",
            &[
                ("MasterLabel", label.into()),
                ("DeveloperName", "channel".into()),
                ("MessageType", Value::Pick("WhatsApp")),
                ("PlatformType", Value::Pick("Enhanced")),
                ("MessagingPlatformKey", "+49 30 1".into()),
                ("IsActive", true.into()),
            ],
        )
        .unwrap();
    let person = org
        .insert(
            "MessagingEndUser",
            &[
                ("Name", "Ada".into()),
                ("MessagingChannelId", id.into()),
                ("MessageType", Value::Pick("WhatsApp")),
                ("MessagingPlatformKey", "+49 30 2".into()),
            ],
        )
        .unwrap();
    Channel { id, person }
}

/// An account, there since long ago.
pub(crate) fn account(org: &Org, name: &str) -> Id {
    let made = utc("2026-01-02T00:00:00Z");
    let fields =
        [("Name", name.into()), ("CreatedDate", made.into()), ("SystemModstamp", made.into())];
    org.insert("Account", &fields).unwrap()
}

/// A session that began at an instant and was written down then; `more` wins.
pub(crate) fn session(org: &Org, channel: &Channel, start: &str, more: &[(&str, Value)]) -> Id {
    let start = utc(start);
    let mut fields = vec![
        ("MessagingChannelId", channel.id.into()),
        ("MessagingEndUserId", channel.person.into()),
        ("Status", Value::Pick("Active")),
        ("StartTime", start.into()),
        ("CreatedDate", start.into()),
        ("LastModifiedDate", start.into()),
        ("SystemModstamp", start.into()),
    ];
    fields.extend(more.iter().cloned());
    org.insert("MessagingSession", &fields).unwrap()
}

/// A session that began at an instant and has ended a quarter of an hour later.
pub(crate) fn ended(org: &Org, channel: &Channel, start: &str, more: &[(&str, Value)]) -> Id {
    let end = utc(start) + chrono::TimeDelta::minutes(15);
    let mut fields = vec![
        ("Status", Value::Pick("Ended")),
        ("EndTime", end.into()),
        ("AcceptTime", (utc(start) + chrono::TimeDelta::minutes(1)).into()),
        ("AgentType", Value::Pick("Agent")),
        ("LastModifiedDate", end.into()),
        ("SystemModstamp", end.into()),
    ];
    fields.extend(more.iter().cloned());
    session(org, channel, start, &fields)
}

/// A metric of a session, written down now.
pub(crate) fn metric(org: &Org, session: Id, kind: &'static str, value: i64) -> Id {
    let fields = [
        ("MessagingSessionId", session.into()),
        ("MessagingSessionMetricType", Value::Pick(kind)),
        ("MessagingSessionMetricValue", value.into()),
    ];
    org.insert("MessagingSessionMetrics", &fields).unwrap()
}

/// A metric of a session, written down at an instant.
pub(crate) fn metric_at(org: &Org, session: Id, kind: &'static str, value: i64, at: &str) -> Id {
    let id = metric(org, session, kind, value);
    let at = utc(at);
    let stamps = [("CreatedDate", at.into()), ("SystemModstamp", at.into())];
    org.update(id, &stamps).unwrap();
    id
}
