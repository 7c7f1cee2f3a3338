//! The value of a rule over a stretch of time: as blocks in the terminal, and as a picture.

use std::path::Path;

use anyhow::{anyhow, bail};
use chrono::{DateTime, Utc};

use crate::cli::print;
use crate::domain::incident::Incident;
use crate::domain::rule::levels::badness;
use crate::domain::rule::{Reading, Rule};
use crate::engine::rehearse::{Timeline, Track};
use crate::render::Locale;
use crate::render::chart::{Course, course, course_svg, spark};
use crate::render::format::plain;

/// So many columns of blocks.
const COLUMNS: usize = 60;
/// At most so many groups are drawn in the terminal.
const GROUPS_MAX: usize = 8;
/// So many points of a line.
const POINTS: usize = 180;

/// What a file is drawn as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Svg,
    Png,
}

/// What is drawn into a file of this name.
pub(super) fn kind(path: &Path) -> anyhow::Result<Kind> {
    match path.extension().and_then(|ext| ext.to_str()) {
        Some("svg") => Ok(Kind::Svg),
        Some("png") => Ok(Kind::Png),
        _ => bail!("a chart is drawn into a .svg or a .png, not `{}`", path.display()),
    }
}

/// Rows of blocks, a group each, the worst first; below each where it fired.
pub(super) fn lines(rule: &Rule, timeline: &Timeline, locale: Locale) -> Vec<String> {
    let tracks = worst_first(rule, timeline);
    let mut lines = Vec::new();
    let width = tracks.iter().take(GROUPS_MAX).map(|track| name(track).chars().count()).max();
    let width = width.unwrap_or(0);
    for track in tracks.iter().take(GROUPS_MAX) {
        let values = buckets(rule, timeline, track, COLUMNS);
        let known = values.iter().copied().map(|(_, value)| value).collect::<Vec<_>>();
        let worst = known.iter().flatten().copied().reduce(|a, b| worse(rule, a, b));
        let worst = worst.map_or_else(String::new, |x| plain(&locale.number(x, rule.format)));
        lines.push(format!("{:width$}  {}  worst {worst}", name(track), spark(&known)));
        let marks = fired(timeline, track, &values);
        if marks.contains('▲') {
            lines.push(format!("{:width$}  {}", "", marks.trim_end()));
        }
    }
    if tracks.len() > GROUPS_MAX {
        lines.push(format!("... and {} more", print::count(tracks.len() - GROUPS_MAX, "group")));
    }
    if timeline.tracks.cut {
        lines.push("too many readings: the later ones are not drawn".to_owned());
    }
    if let (Some(first), Some(last)) = (timeline.tracks.slots.first(), timeline.tracks.slots.last())
        && !lines.is_empty()
    {
        let (first, last) = (print::civil(*first, &rule.zone), print::civil(*last, &rule.zone));
        lines.push(format!("{:width$}  {first} to {last}; ▲ an incident fired, ─ it lasted", ""));
    }
    lines
}

/// The picture of a group.
pub(super) fn drawn(
    path: &Path,
    rule: &Rule,
    timeline: &Timeline,
    group: Option<&str>,
    locale: Locale,
    accent: Option<&str>,
) -> anyhow::Result<Vec<u8>> {
    let tracks = worst_first(rule, timeline);
    let track = match group {
        Some(wanted) => {
            tracks.iter().find(|track| track.group.name() == wanted).ok_or_else(|| {
                let names: Vec<String> = tracks.iter().take(20).map(|track| name(track)).collect();
                anyhow!("no group is called `{wanted}`; there are {}", names.join("; "))
            })?
        }
        None => tracks.first().ok_or_else(|| anyhow!("there is no value to draw"))?,
    };
    let levels = rule.levels.iter().map(|level| (level.name.clone(), level.breach));
    let drawn = Course {
        points: buckets(rule, timeline, track, POINTS),
        window: rule.window.unwrap_or_default(),
        levels: levels.collect(),
        format: rule.format,
    };
    let zone = &rule.zone;
    let bytes = match kind(path)? {
        Kind::Svg => course_svg(&drawn, zone, locale, accent).map(String::into_bytes),
        Kind::Png => course(&drawn, zone, locale, accent).map(|drawing| drawing.png),
    };
    bytes.ok_or_else(|| anyhow!("fewer than two windows of `{}` have a value", name(track)))
}

fn name(track: &Track) -> String {
    match track.group.name() {
        name if name.is_empty() => "(all)".to_owned(),
        name => name.chars().take(30).collect(),
    }
}

/// Groups with values, the one with the worst first.
fn worst_first<'t>(rule: &Rule, timeline: &'t Timeline) -> Vec<&'t Track> {
    let mut tracks: Vec<((usize, f64), &Track)> = (timeline.tracks.groups.values())
        .filter_map(|track| {
            let worst = track.values().map(|(value, _)| value).reduce(|a, b| worse(rule, a, b))?;
            Some((badness(&rule.levels, worst), track))
        })
        .collect();
    tracks.sort_by(|(a, at), (b, bt)| {
        let worse = b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal);
        worse.then_with(|| at.group.key.cmp(&bt.group.key))
    });
    tracks.into_iter().map(|(_, track)| track).collect()
}

fn worse(rule: &Rule, a: f64, b: f64) -> f64 {
    if badness(&rule.levels, b) > badness(&rule.levels, a) { b } else { a }
}

/// The worst value of each of so many stretches, with the end of each.
fn buckets(
    rule: &Rule,
    timeline: &Timeline,
    track: &Track,
    count: usize,
) -> Vec<(DateTime<Utc>, Option<f64>)> {
    let slots = &timeline.tracks.slots;
    let size = slots.len().div_ceil(count).max(1);
    let chunks = slots.chunks(size).enumerate();
    let of = |(index, chunk): (usize, &[DateTime<Utc>])| {
        let values =
            (index * size..index * size + chunk.len()).filter_map(|slot| match track.at(slot) {
                Some(Reading::Value(value)) if value.is_finite() => Some(value),
                _ => None,
            });
        Some((*chunk.last()?, values.reduce(|a, b| worse(rule, a, b))))
    };
    chunks.filter_map(of).collect()
}

/// Where incidents fired and lasted, below the blocks.
fn fired(timeline: &Timeline, track: &Track, values: &[(DateTime<Utc>, Option<f64>)]) -> String {
    let of_group = |incident: &&Incident| incident.group.key == track.group.key;
    let incidents: Vec<&Incident> = timeline.incidents.iter().filter(of_group).collect();
    let mut before = timeline.from;
    let mut marks = String::new();
    for (end, _) in values {
        let within = |at: DateTime<Utc>| at <= *end && (before < at || before == timeline.from);
        let fires = incidents.iter().any(|incident| incident.fired_at.is_some_and(within));
        let lasts = incidents.iter().any(|incident| {
            let over = incident.resolved.map_or(timeline.to, |resolved| resolved.at);
            incident.fired_at.is_some_and(|fired| fired <= *end) && before < over
        });
        marks.push(match (fires, lasts) {
            (true, _) => '▲',
            (false, true) => '─',
            (false, false) => ' ',
        });
        before = *end;
    }
    marks
}
