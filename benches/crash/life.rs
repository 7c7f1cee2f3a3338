//! The org's records, which keep changing: sessions begin, wait, are accepted and end, metrics
//! appear, people and accounts come and change names, some records are deleted and some come back,
//! some are committed late.
//!
//! Bad minutes and good minutes take turns, so that rules fire and resolve. What a windowed rule
//! counts is never deleted, so that it can be counted again afterwards.

use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::Clock;
use postrider::demo::org::{Id, Org, Settings, Value};

use super::chance::Chance;

/// Sessions that are there before the daemon starts: its first load takes some pages.
const HISTORY: usize = 3_000;
/// Good minutes after bad ones after good ones.
const MOOD_MINUTES: i64 = 4;
/// A record is committed at most so many seconds after its stamp.
const LATE_SECONDS: u64 = 240;

/// The org and what goes on in it.
pub(crate) struct Life {
    /// The org.
    pub(crate) org: Arc<Org>,
    clock: Arc<dyn Clock>,
    chance: Chance,
    channels: Vec<Id>,
    accounts: Vec<Id>,
    people: Vec<Id>,
    open: Vec<Open>,
    /// Sessions that came to nothing: they may be deleted, and come back.
    failed: Vec<Id>,
    deleted: Vec<Id>,
}

struct Open {
    id: Id,
    waiting: bool,
}

impl Life {
    /// An org with some history.
    pub(crate) fn begin(clock: Arc<dyn Clock>, chance: Chance) -> anyhow::Result<Life> {
        let settings = Settings { daily_requests: 100_000_000, ..Settings::default() };
        let org = Org::with(settings, Arc::clone(&clock));
        let mut life = Life {
            org,
            clock,
            chance,
            channels: Vec::new(),
            accounts: Vec::new(),
            people: Vec::new(),
            open: Vec::new(),
            failed: Vec::new(),
            deleted: Vec::new(),
        };
        for name in ["Web", "SMS", "WhatsApp"] {
            let fields = [
                ("MasterLabel", name.into()),
                ("DeveloperName", name.into()),
                ("MessageType", "Text".into()),
                ("PlatformType", "Enhanced".into()),
                ("MessagingPlatformKey", name.into()),
            ];
            life.channels.push(life.org.insert("MessagingChannel", &fields)?);
        }
        for number in 0..20 {
            let name = format!("Account {number}");
            life.accounts.push(life.org.insert("Account", &[("Name", name.into())])?);
            life.person()?;
        }
        life.history()?;
        Ok(life)
    }

    fn history(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        for number in 0..HISTORY {
            let ended = now - TimeDelta::days(2) + TimeDelta::seconds(40 * number as i64);
            let began = ended - TimeDelta::minutes(10);
            let mut fields = self.session_fields("Ended", began);
            fields.push(("EndTime", ended.into()));
            fields.extend(stamps(ended));
            let session = self.org.insert("MessagingSession", &fields)?;
            self.metrics(session, 60, &stamps(ended))?;
        }
        Ok(())
    }

    /// One moment of life.
    pub(crate) fn tick(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let bad = (now.timestamp() / 60 / MOOD_MINUTES) % 2 == 1;
        let arrivals = if bad { (1, 3) } else { (0, 1) };
        for _ in 0..self.chance.between(arrivals.0, arrivals.1) {
            self.arrive(now)?;
        }
        let mut still_open = Vec::new();
        for mut session in std::mem::take(&mut self.open) {
            if session.waiting && !(bad && self.chance.percent(95)) && self.chance.percent(40) {
                self.org.update(
                    session.id,
                    &[("Status", "Active".into()), ("AcceptTime", now.into())],
                )?;
                session.waiting = false;
            } else if !session.waiting && self.chance.percent(30) {
                self.end(session.id, now, bad)?;
                continue;
            }
            still_open.push(session);
        }
        self.open = still_open;
        self.change_others(now)
    }

    fn arrive(&mut self, now: DateTime<Utc>) -> anyhow::Result<()> {
        let waiting = self.chance.percent(70);
        let mut fields = self.session_fields(if waiting { "Waiting" } else { "Active" }, now);
        if self.chance.percent(10) {
            let late = TimeDelta::seconds(self.chance.between(1, LATE_SECONDS) as i64);
            fields.push(("SystemModstamp", (now - late).into()));
        }
        let id = self.org.insert("MessagingSession", &fields)?;
        self.open.push(Open { id, waiting });
        Ok(())
    }

    fn end(&mut self, session: Id, now: DateTime<Utc>, bad: bool) -> anyhow::Result<()> {
        let by = *self.chance.one_of(&["Agent", "EndUser", "System"]);
        let fields =
            [("Status", "Ended".into()), ("EndTime", now.into()), ("EndedByType", by.into())];
        self.org.update(session, &fields)?;
        let longest = match bad && self.chance.percent(70) {
            true => self.chance.between(301, 2_000),
            false => self.chance.between(20, 290),
        };
        self.metrics(session, longest, &[])
    }

    fn metrics(
        &mut self,
        session: Id,
        longest: u64,
        more: &[(&'static str, Value)],
    ) -> anyhow::Result<()> {
        let messages = self.chance.between(1, 30);
        for (kind, value) in [("MaxAgentResponseTime", longest), ("AgentMessageCount", messages)] {
            let mut fields = vec![
                ("MessagingSessionId", session.into()),
                ("MessagingSessionMetricType", kind.into()),
                ("MessagingSessionMetricValue", Value::Int(value as i64)),
            ];
            fields.extend(more.iter().cloned());
            self.org.insert("MessagingSessionMetrics", &fields)?;
        }
        Ok(())
    }

    fn change_others(&mut self, now: DateTime<Utc>) -> anyhow::Result<()> {
        if self.chance.percent(10) {
            let account = *self.chance.one_of(&self.accounts);
            let name = format!("Renamed {}", self.chance.between(0, 999));
            self.org.update(account, &[("Name", name.into())])?;
        }
        if self.chance.percent(10) {
            self.person()?;
        }
        if self.chance.percent(8) {
            let mut fields = self.session_fields("Error", now);
            // Before the windows of all rules.
            fields.extend(stamps(now - TimeDelta::minutes(9)));
            self.failed.push(self.org.insert("MessagingSession", &fields)?);
        }
        if self.chance.percent(6)
            && let Some(id) = self.failed.pop()
        {
            self.org.delete(id)?;
            self.deleted.push(id);
        }
        if self.chance.percent(2)
            && let Some(id) = self.deleted.pop()
        {
            self.org.undelete(id).context("what is in the bin can be taken out")?;
        }
        Ok(())
    }

    fn person(&mut self) -> anyhow::Result<()> {
        let number = self.people.len();
        let channel = *self.chance.one_of(&self.channels);
        let fields = [
            ("Name", format!("Person {number}").into()),
            ("MessagingChannelId", channel.into()),
            ("MessageType", "Text".into()),
            ("MessagingPlatformKey", format!("key {number}").into()),
        ];
        self.people.push(self.org.insert("MessagingEndUser", &fields)?);
        Ok(())
    }

    fn session_fields(
        &mut self,
        status: &'static str,
        began: DateTime<Utc>,
    ) -> Vec<(&'static str, Value)> {
        vec![
            ("MessagingChannelId", (*self.chance.one_of(&self.channels)).into()),
            ("MessagingEndUserId", (*self.chance.one_of(&self.people)).into()),
            ("EndUserAccountId", (*self.chance.one_of(&self.accounts)).into()),
            ("Status", status.into()),
            ("StartTime", began.into()),
        ]
    }
}

/// The stamps of a record made at another instant than now.
fn stamps(at: DateTime<Utc>) -> [(&'static str, Value); 3] {
    [("CreatedDate", at.into()), ("LastModifiedDate", at.into()), ("SystemModstamp", at.into())]
}
