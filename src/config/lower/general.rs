//! `[postrider]`: what is in force for the whole config.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;

use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::{PostriderToml, Text};
use super::web::{address_trouble, resolved};
use super::{General, Names, address, word, zone};
use crate::config::{HeartbeatSettings, ReceiverSettings};
use crate::domain::delivery::Ambiguous;
use crate::domain::zone::Zone;
use crate::receiver::post::check_url;
use crate::render::Locale;

const WEEKDAYS: [(&str, u8); 7] = [
    ("monday", 1),
    ("tuesday", 2),
    ("wednesday", 3),
    ("thursday", 4),
    ("friday", 5),
    ("saturday", 6),
    ("sunday", 7),
];

const AMBIGUOUS: [(&str, Ambiguous); 2] =
    [("resend", Ambiguous::Resend), ("hold", Ambiguous::Hold)];

/// How long runs are kept where nothing is written: a year, and time to ask about it.
const ARCHIVE: TimeDelta = TimeDelta::days(400);
/// A run is looked at, sent again and compared with the next one: it is kept for some time.
const ARCHIVE_MIN: TimeDelta = TimeDelta::days(1);

/// Time between two heartbeats where nothing is written.
const HEARTBEAT_EVERY: TimeDelta = TimeDelta::minutes(5);
/// What may be written.
const HEARTBEAT_MIN: TimeDelta = TimeDelta::seconds(10);
const HEARTBEAT_MAX: TimeDelta = TimeDelta::days(1);

/// What work under way gets after a stop signal where nothing is written: well below the 90 seconds
/// after which supervisors kill.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(25);
/// What may be written.
const SHUTDOWN_GRACE_MAX: TimeDelta = TimeDelta::minutes(10);

/// Lowers it; every key has a default, and a broken one falls back to it, told.
pub(super) fn lower(
    raw: Option<Raw<'_>>,
    found: &mut Findings<'_>,
    surroundings: Surroundings<'_>,
) -> General {
    let base = found.sources().first().map(|source| source.base.clone()).unwrap_or_default();
    let mut general = General {
        zone: Zone::utc(),
        locale: "en-GB".to_owned(),
        week_starts: 1,
        state: base.join("state"),
        owner: None,
        metrics: None,
        alarm: None,
        archive: ARCHIVE,
        public_url: None,
        watch: true,
        shutdown_grace: SHUTDOWN_GRACE,
        heartbeat: None,
        ambiguous: Ambiguous::default(),
        owner_at: None,
    };
    let Some(raw) = raw else { return general };
    let file = raw.file;
    let base = &found.sources()[file].base;
    let table = raw.shape::<PostriderToml>(found, &[]);
    let wire = &table.wire;
    if let Some(zone) = zone(found, file, wire.timezone.as_ref(), &general.zone) {
        general.zone = zone;
    }
    if let Some(locale) = wire.locale.as_ref().and_then(|text| locale(found, table.at(text), text))
    {
        general.locale = locale;
    }
    if let Some(day) = wire.week_starts.as_ref().and_then(|t| word(found, file, t, &WEEKDAYS)) {
        general.week_starts = day;
    }
    if let Some(state) =
        wire.state.as_ref().and_then(|text| state(found, table.at(text), text, base))
    {
        general.state = state;
    }
    if let Some(owner) = &wire.owner {
        general.owner = address(found, file, owner);
        general.owner_at = Some(table.at(owner));
    }
    general.metrics =
        wire.metrics.as_ref().and_then(|text| metrics(found, table.at(text), text, base));
    general.alarm = wire.alarm.as_ref().map(|text| (file, text.clone()));
    if let Some(kept) = wire.archive.as_ref().and_then(|text| archive(found, table.at(text), text))
    {
        general.archive = kept;
    }
    general.public_url =
        wire.public_url.as_ref().and_then(|text| public_url(found, table.at(text), text));
    general.watch = wire.watch.unwrap_or(true);
    let grace = wire.shutdown_grace.as_ref();
    if let Some(grace) = grace.and_then(|text| shutdown_grace(found, table.at(text), text)) {
        general.shutdown_grace = grace;
    }
    general.heartbeat = heartbeat(found, &table, surroundings);
    if let Some(wanted) = wire.ambiguous.as_ref().and_then(|t| word(found, file, t, &AMBIGUOUS)) {
        general.ambiguous = wanted;
    }
    general
}

/// The dead man's switch. An address that leads nowhere is no switch, which `run` refuses.
fn heartbeat(
    found: &mut Findings<'_>,
    table: &Shaped<PostriderToml>,
    surroundings: Surroundings<'_>,
) -> Option<HeartbeatSettings> {
    let wire = &table.wire;
    let every = match &wire.heartbeat_every {
        None => Some(HEARTBEAT_EVERY),
        Some(text) => heartbeat_every(found, table.at(text), text),
    };
    let Some(text) = &wire.heartbeat else {
        if let Some(every) = &wire.heartbeat_every {
            let help = "write `heartbeat = \"env:HEARTBEAT_URL\"` beside it";
            found.problem(table.at(every), "`heartbeat_every` without `heartbeat`", help);
        }
        return None;
    };
    let url = surroundings.secret(found, table.file, text)?;
    if !resolved(&url) {
        return None;
    }
    if let Err(trouble) = check_url(url.expose_secret(), false) {
        let message = format!("the address in `{}` {trouble}", text.get_ref());
        found.problem(table.at(text), message, None);
        return None;
    }
    Some(HeartbeatSettings { url, every: every? })
}

fn heartbeat_every(found: &mut Findings<'_>, at: At, text: &Text) -> Option<TimeDelta> {
    let every = found.value(at.clone(), units::duration_above_zero(text.get_ref()))?;
    if !(HEARTBEAT_MIN..=HEARTBEAT_MAX).contains(&every) {
        let message = format!("`{}` is no time between two heartbeats", text.get_ref());
        found.problem(at, message, "write 10 seconds to a day, e.g. `5 min`");
        return None;
    }
    Some(every)
}

/// How long a stop waits for what is under way.
fn shutdown_grace(found: &mut Findings<'_>, at: At, text: &Text) -> Option<Duration> {
    let grace = found.value(at.clone(), units::duration_above_zero(text.get_ref()))?;
    match grace.to_std() {
        Ok(short) if grace <= SHUTDOWN_GRACE_MAX => Some(short),
        _ => {
            let message = format!("`{}` is too long for a stop", text.get_ref());
            found.problem(at, message, "write up to 10 minutes, e.g. `25 s`");
            None
        }
    }
}

/// The receiver that is told of postrider's own troubles, once receivers are known. It must not
/// depend on what most often breaks: the mail server.
pub(super) fn alarm(found: &mut Findings<'_>, names: &Names) -> Option<String> {
    let (file, text) = names.general.alarm.as_ref()?;
    match names.receivers.find(found, *file, text)? {
        ReceiverSettings::Webhook(_) | ReceiverSettings::Vendor(_) => Some(text.get_ref().clone()),
        ReceiverSettings::Email(_) => {
            let message = format!("receiver `{}` is a mail address", text.get_ref());
            let help = "the owner is told by mail already: name a webhook, which is told also \
                        when the mail server is down";
            found.problem(At::new(*file, text.span()), message, help);
            None
        }
    }
}

/// How long runs are kept.
fn archive(found: &mut Findings<'_>, at: At, text: &Text) -> Option<TimeDelta> {
    let kept = found.value(at.clone(), units::reach(text.get_ref()))?;
    if kept < ARCHIVE_MIN {
        let message = format!("`{}` is too short", text.get_ref());
        found.problem(at, message, "runs are kept for a day at least, e.g. `400 days`");
        return None;
    }
    Some(kept)
}

/// Where the console is. It goes into mails: no secrets, nothing behind the path.
fn public_url(found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    let written = text.get_ref();
    let bare = url::Url::parse(written).is_ok_and(|url| {
        url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let trouble = address_trouble(written)
        .or((!bare).then_some("must end with its path, and hold no name or password"));
    if let Some(trouble) = trouble {
        let message = format!("the address {trouble}");
        found.problem(at, message, "write it as e.g. `https://reports.example.com`");
        return None;
    }
    Some(written.trim_end_matches('/').to_owned())
}

/// A language with a country that figures can be written for.
pub(super) fn locale(found: &mut Findings<'_>, at: At, text: &Text) -> Option<String> {
    match Locale::known(text.get_ref()) {
        Ok(_) => Some(text.get_ref().clone()),
        Err(unknown) => {
            found.problem(at, unknown.to_string(), unknown.advice());
            None
        }
    }
}

/// `sqlite:FOLDER`, relative to the file it is written in.
fn state(found: &mut Findings<'_>, at: At, text: &Text, base: &Path) -> Option<PathBuf> {
    match text.get_ref().strip_prefix("sqlite:") {
        Some(folder) if !folder.trim().is_empty() && !folder.contains('\0') => {
            Some(base.join(folder))
        }
        _ => {
            let message = format!("`{}` is not a place for the state", text.get_ref());
            found.problem(at, message, "write `sqlite:` and a folder, e.g. `sqlite:state`");
            None
        }
    }
}

/// `file:PATH`, relative to the file it is written in.
fn metrics(found: &mut Findings<'_>, at: At, text: &Text, base: &Path) -> Option<PathBuf> {
    match text.get_ref().strip_prefix("file:") {
        Some(path) if !path.trim().is_empty() && !path.contains('\0') => Some(base.join(path)),
        _ => {
            let message = format!("`{}` is not a place for metrics", text.get_ref());
            found.problem(at, message, "write `file:` and a path, e.g. `file:metrics.prom`");
            None
        }
    }
}
