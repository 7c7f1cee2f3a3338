//! Texts that a person writes: the config, schedules, periods, lengths, conditions.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use postrider::config::{self, Given, Mode};
use postrider::domain::compare::{Compare, Trend};
use postrider::domain::expr::Mistake;
use postrider::domain::period::Period;
use postrider::domain::route::RouteCondition;
use postrider::domain::rule::Comparison;
use postrider::domain::schedule::Schedule;
use postrider::domain::token::{Action, Key, Token};
use postrider::domain::zone::Zone;
use postrider::source::rest;

use super::text;

/// Zones whose clocks do strange things.
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
];

/// A whole config: loaded, or refused with problems that each say where and what.
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let env = Given::default();
    match config::load_text("config.toml", text, Path::new("/nowhere"), &env, Mode::Check) {
        Ok((_, notes)) => {
            for note in notes {
                assert!(!note.picture(false, 80).is_empty());
            }
        }
        Err(problems) => {
            assert!(!problems.0.is_empty(), "refused without a problem");
            let lines = text.split('\n').count();
            for problem in &problems.0 {
                assert!(!problem.message.trim().is_empty(), "a problem without words");
                if let Some(place) = &problem.place {
                    assert!(1 <= place.line && place.line <= lines, "{problem}: no such line");
                    assert!(1 <= place.column, "{problem}: no such column");
                }
            }
            assert!(!problems.picture(true, 60).is_empty());
        }
    }
}

/// The first byte picks a zone and a moment, the rest is a cron pattern.
pub fn schedule(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let Some(pattern) = text(rest) else { return };
    let Ok(zone) = zone(first) else { return };
    let Ok(schedule) = Schedule::parse(pattern, zone) else { return };
    let after = moment(first);
    let until = after + TimeDelta::days(400);
    let slots = schedule.slots(after, until, 200);
    assert!(slots.len() <= 200);
    let mut last = after;
    for slot in &slots {
        assert!(last < slot.planned_at && slot.planned_at <= until, "slots go forward");
        last = slot.planned_at;
    }
    if let (Some(next), Some(listed)) = (schedule.next(after), slots.first()) {
        assert!(next.planned_at <= listed.planned_at, "the next slot is the first");
    }
    // Far too long ago: bounded all the same.
    let _ = schedule.due(after - TimeDelta::days(40_000), after);
    let again = Schedule::parse(pattern, Zone::utc()).map(|again| again.identity());
    assert!(again.is_ok(), "a pattern means something in one zone and nothing in another");
}

/// Short texts: each is read by everything that reads short texts.
pub fn words(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let Some(text) = text(rest) else { return };
    if let (Ok(period), Ok(zone)) = (text.parse::<Period>(), zone(first)) {
        assert!(!period.words().is_empty());
        if let Some(window) = period.window(moment(first), &zone, first % 7 + 1) {
            assert!(window.from <= window.to, "a period ends before it begins");
            assert!(!window.describe(&zone).is_empty());
        }
    }
    if let Ok(length) = config::length(text) {
        assert!(TimeDelta::zero() < length);
    }
    let _ = text.parse::<Comparison>();
    let _ = text.parse::<Compare>();
    let _ = text.parse::<Trend>();
    match RouteCondition::parse(text) {
        Ok(condition) => {
            let _ = condition.holds(&Default::default());
            let again = RouteCondition::parse(&condition.to_string());
            assert_eq!(again.as_ref(), Ok(&condition), "a condition means what it is written as");
        }
        Err(mistake) => inside(&mistake, text),
    }
    let _ = rest::check_pointer(text);
    let _ = rest::check_template(text);
    let _ = rest::placeholders(text);
    let _ = rest::parse_field_spec(text, "name");
    token(first, text);
}

/// What is signed is known again, and nothing else is.
fn token(first: u8, text: &str) {
    let key = Key::new([first; 32]);
    let _ = key.verify(text);
    let Some((digest, recipient)) = text.split_once('\n') else { return };
    let action = if first.is_multiple_of(2) { Action::Pause } else { Action::Unsubscribe };
    let (digest, recipient) = (digest.to_owned(), recipient.to_owned());
    let token = Token { action, digest, recipient };
    if token.digest.len() + token.recipient.len() < 200 {
        assert_eq!(key.verify(&key.sign(&token)).as_ref(), Ok(&token));
    }
    assert!(Key::new([!first; 32]).verify(&key.sign(&token)).is_err());
}

/// A mistake is somewhere in its text.
pub(super) fn inside(mistake: &Mistake, text: &str) {
    assert!(!mistake.message.trim().is_empty(), "a mistake without words");
    let at = &mistake.at;
    assert!(at.start <= at.end && at.end <= text.len(), "{mistake:?} is outside its text");
    assert!(text.is_char_boundary(at.start) && text.is_char_boundary(at.end), "{mistake:?}");
}

fn zone(byte: u8) -> Result<Zone, impl std::fmt::Debug> {
    Zone::named(ZONES[usize::from(byte) % ZONES.len()])
}

/// Moments all over a year in which clocks are changed.
fn moment(byte: u8) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_454) + TimeDelta::hours(i64::from(byte) * 34)
}
