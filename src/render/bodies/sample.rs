//! A notice that nothing has happened for: to try a receiver with.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::notification::Notice;

/// A notice as it is stored, with everything that has a default left out.
const STORED: &str = include_str!("notice.json");

/// A notice of one incident of a rule that does not exist: that it fires, or that it is over.
pub fn sample_notice(receiver: &str, at: DateTime<Utc>, over: bool) -> Notice {
    let mut notice: Notice = serde_json::from_str(STORED).expect("the sample is a stored notice");
    let stamp = at.timestamp_millis();
    let id = &crate::render::mail::webhook_id(&["sample", receiver, &stamp.to_string()])[4..20];
    notice.receiver = receiver.to_owned();
    notice.thread = id.to_owned();
    notice.seq = if over { 2 } else { 1 };
    notice.key = format!("{id}/{}/{receiver}", notice.seq);
    notice.at = at;
    for item in &mut notice.items {
        let incident = &mut item.incident;
        incident.id = id.to_owned();
        incident.began = at - TimeDelta::minutes(5);
        incident.fired_at = Some(at);
        (incident.level_since, incident.last_read_at) = (incident.began, at);
        (incident.held.since, incident.held.last) = (incident.began, at);
        item.duration = TimeDelta::minutes(5);
    }
    if over {
        use crate::domain::incident::{Reason, Resolution, State};
        use crate::domain::notification::{Change, Kind};
        notice.kind = Kind::Resolved;
        notice.reason = "a trial by hand is over".to_owned();
        for item in &mut notice.items {
            item.change = Change::Resolved;
            item.incident.state = State::Resolved;
            item.incident.value = Some(40.0);
            item.incident.resolved = Some(Resolution { at, reason: Reason::Cleared });
        }
    }
    notice
}
