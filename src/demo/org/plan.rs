//! What a generated org is like: how much, how long, on which channels, in what rhythm.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};

/// How to generate an org.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The generated history ends here and life goes on from here.
    pub now: DateTime<Utc>,
    /// How far the history reaches back.
    pub history: TimeDelta,
    /// Sessions of an ordinary weekday, all channels together.
    pub sessions_per_day: f64,
    /// Whether a metric that has nothing to measure is a row with 0 instead of no row.
    pub zero_metrics: bool,
    /// Share of idle sessions that a customer wakes up, so that they wait again long after their
    /// start.
    pub reopened_share: f64,
    /// How many sessions one mass update touches in one second, two days before `now`.
    pub mass_update: usize,
    /// Times of trouble on one channel.
    pub incidents: Vec<Incident>,
}

impl Plan {
    /// Four weeks of 300 sessions a day without trouble.
    pub fn new(now: DateTime<Utc>) -> Plan {
        Plan {
            now,
            history: TimeDelta::days(28),
            sessions_per_day: 300.0,
            zero_metrics: false,
            reopened_share: 0.0,
            mass_update: 2_500,
            incidents: Vec::new(),
        }
    }
}

/// A time in which nobody accepts the work of one channel.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Label of the channel, e.g. [`WHATSAPP`].
    pub channel: String,
    /// From here on customers wait; a handful comes at once.
    pub starts: DateTime<Utc>,
    /// Then everyone is accepted within a minute or two.
    pub lasts: TimeDelta,
}

impl Incident {
    /// 22 minutes of waiting on WhatsApp.
    pub fn on_whatsapp(starts: DateTime<Utc>) -> Incident {
        Incident { channel: WHATSAPP.to_owned(), starts, lasts: TimeDelta::minutes(22) }
    }
    /// Whether someone who comes to this channel now has to wait, and until when (seconds).
    pub(crate) fn holds(&self, channel: &Channel, at: i64) -> Option<i64> {
        let (starts, ends) = (self.starts.timestamp(), (self.starts + self.lasts).timestamp());
        (channel.label == self.channel && (starts..ends).contains(&at)).then_some(ends)
    }
}

/// Label of the busiest phone channel.
pub const WHATSAPP: &str = "WhatsApp Support";
/// Label of the channel on the website.
pub const WEB_CHAT: &str = "Website Chat";

/// One messaging channel of the generated org.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) label: &'static str,
    pub(crate) developer: &'static str,
    /// `MessagingChannel.MessageType`, here also the session's `ChannelType`.
    pub(crate) kind: &'static str,
    pub(crate) enhanced: bool,
    /// Part of the traffic.
    pub(crate) share: f64,
    /// How long it takes traffic.
    pub(crate) life: Life,
    /// Whether entries of its sessions exist although they say nothing of delivery.
    pub(crate) blank_entries: bool,
}

/// How long a channel takes traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Life {
    Open,
    /// Replaced early in the history; inactive from then on.
    Replaced,
    /// Until standard SMS channels were retired.
    Retired,
}

/// 14 February 2026: standard SMS channels were retired.
pub(crate) const SMS_RETIRED: i64 = 1_771_027_200;
/// 1 October 2024: sessions created from here on have metrics.
pub(crate) const METRICS_SINCE: i64 = 1_727_740_800;

/// The channels, in the order they were set up.
pub(crate) const CHANNELS: &[Channel] = &[
    channel(WEB_CHAT, "Website_Chat", "EmbeddedMessaging", true, 0.33, Life::Open),
    channel(WHATSAPP, "WhatsApp_Support", "WhatsApp", true, 0.28, Life::Open),
    channel("Facebook Fans", "Facebook_Fans", "Facebook", true, 0.12, Life::Open),
    channel("Facebook Outlet", "Facebook_Outlet", "Facebook", false, 0.13, Life::Open),
    channel("SMS Hotline", "SMS_Hotline", "Text", false, 0.10, Life::Retired),
    Channel {
        blank_entries: true,
        ..channel("LINE Beta", "LINE_Japan", "Line", true, 0.06, Life::Open)
    },
    channel("Apple Messages", "Apple_Messages", "AppleBusinessChat", true, 0.0, Life::Open),
    channel("WhatsApp (old number)", "WhatsApp_Old", "WhatsApp", false, 0.08, Life::Replaced),
];

/// What LINE is called since its beta ended, ten days before the end of the history.
pub(crate) const LINE_RENAMED: &str = "LINE Japan";

const fn channel(
    label: &'static str,
    developer: &'static str,
    kind: &'static str,
    enhanced: bool,
    share: f64,
    life: Life,
) -> Channel {
    Channel { label, developer, kind, enhanced, share, life, blank_entries: false }
}

impl Channel {
    /// `Standard` or `Enhanced`.
    pub(crate) fn platform(&self) -> &'static str {
        if self.enhanced { "Enhanced" } else { "Standard" }
    }
}

/// Share of a weekday's sessions that begin in each local hour, to be divided by the sum.
const RHYTHM: [f64; 24] = [
    0.4, 0.3, 0.2, 0.2, 0.3, 0.6, 1.5, 3.5, 6.5, 8.5, 9.0, 8.8, 7.5, 7.2, 8.0, 8.2, 7.8, 6.6, 5.5,
    4.5, 3.5, 2.6, 1.8, 0.9,
];

/// Share of a weekday's sessions that begin in the hour from this second on, in central Europe.
pub(crate) fn hourly_share(hour: i64) -> f64 {
    let Some(local) = DateTime::from_timestamp(hour + europe_offset(hour), 0) else { return 0.0 };
    let day = match local.weekday() {
        chrono::Weekday::Sat => 0.45,
        chrono::Weekday::Sun => 0.25,
        chrono::Weekday::Mon => 1.15,
        _ => 1.0,
    };
    day * RHYTHM[local.hour() as usize] / RHYTHM.iter().sum::<f64>()
}

/// Offset of central Europe from UTC, in seconds: summer time from the last Sunday of March to
/// that of October, 01:00 UTC. Enough for a rhythm; nothing else here needs a zone.
pub(crate) fn europe_offset(seconds: i64) -> i64 {
    let year = DateTime::from_timestamp(seconds, 0).map_or(1970, |at| at.year());
    let switch = |month: u32| {
        let last = chrono::NaiveDate::from_ymd_opt(year, month, 31).unwrap_or_default();
        let sunday = last - TimeDelta::days(i64::from(last.weekday().num_days_from_sunday()));
        sunday.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() + 3_600
    };
    if (switch(3)..switch(10)).contains(&seconds) { 7_200 } else { 3_600 }
}

/// Seconds in this hour at which a session begins whatever chance says: local and UTC midnights
/// and both sides of a change of the clocks.
pub(crate) fn edges(hour: i64) -> Vec<i64> {
    let mut edges = Vec::new();
    let offset = europe_offset(hour);
    let local = DateTime::from_timestamp(hour + offset, 0).unwrap_or_default();
    let utc = DateTime::from_timestamp(hour, 0).unwrap_or_default();
    let is_midnight = |at: DateTime<Utc>| at.hour() == 0 && at.day() % 7 == 1;
    if is_midnight(local) || is_midnight(utc) || europe_offset(hour - 1) != offset {
        edges.push(hour);
    }
    if europe_offset(hour + 3_600) != offset {
        edges.push(hour + 3_599);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_change_on_the_last_sundays() {
        check("2026-03-29T00:59:59Z", 1);
        check("2026-03-29T01:00:00Z", 2);
        check("2026-10-25T00:59:59Z", 2);
        check("2026-10-25T01:00:00Z", 1);
    }

    #[track_caller]
    fn check(at: &str, hours: i64) {
        let at: DateTime<Utc> = at.parse().unwrap();
        assert_eq!(europe_offset(at.timestamp()), hours * 3_600);
    }

    #[test]
    fn a_weekday_has_all_its_sessions_and_the_edges_of_a_change_have_theirs() {
        let start: DateTime<Utc> = "2026-03-24T23:00:00Z".parse().unwrap();
        let sum: f64 = (0..24).map(|hour| hourly_share(start.timestamp() + hour * 3_600)).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        let change: DateTime<Utc> = "2026-03-29T01:00:00Z".parse().unwrap();
        let change = change.timestamp();
        assert_eq!(edges(change), [change]);
        assert_eq!(
            edges(change - 3_600),
            [change - 3_600, change - 1],
            "UTC midnight, last second"
        );
    }
}
