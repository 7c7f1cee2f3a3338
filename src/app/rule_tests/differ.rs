//! What a test of a rule expected against what came, in lines for people.

use chrono::{DateTime, Utc};

use crate::domain::incident::Incident;
use crate::domain::rule::trial::{ExpectedIncident, ExpectedNotice, RuleTest, When};
use crate::domain::rule::{Reading, Rule};
use crate::domain::zone::Zone;
use crate::engine::rehearse::{Notified, Timeline, Track};

/// So many readings before and after the place of a difference are shown.
const AROUND: usize = 4;

/// At most so many differences are told.
const LINES_MAX: usize = 40;

/// What differs; none: the test passed.
pub(super) fn differences(rule: &Rule, test: &RuleTest, timeline: &Timeline) -> Vec<String> {
    let differ = Differ { rule, timeline, zone: &rule.zone };
    let mut lines = Vec::new();
    if let Some(expected) = &test.incidents {
        differ.incidents(expected, &mut lines);
    }
    if let Some(expected) = &test.notices {
        differ.notices(expected, &mut lines);
    }
    if !lines.is_empty() && test.incidents.is_none() {
        let came = timeline.incidents_of(&rule.name).count();
        lines.push(format!("incidents that fired: {came}"));
    }
    let unknown = timeline.counts.get(&rule.name).map_or(0, |counts| counts.unknown);
    if unknown > 0 && !lines.is_empty() {
        lines.push(format!("at {unknown} slots nothing could be known"));
    }
    if lines.len() > LINES_MAX {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("and {more} more lines"));
    }
    lines
}

struct Differ<'a> {
    rule: &'a Rule,
    timeline: &'a Timeline,
    zone: &'a Zone,
}

impl Differ<'_> {
    fn incidents(&self, expected: &[ExpectedIncident], lines: &mut Vec<String>) {
        let mut left: Vec<&Incident> = self.timeline.incidents_of(&self.rule.name).collect();
        let mut missing: Vec<&ExpectedIncident> = Vec::new();
        for expected in expected {
            match left.iter().position(|came| is_expected(expected, came)) {
                Some(index) => {
                    left.remove(index);
                }
                None => missing.push(expected),
            }
        }
        for expected in missing {
            let group = expected.group.join(", ");
            // Of the same group, the one that began nearest: the two are told beside each other.
            let near = left.iter().enumerate().filter(|(_, came)| came.group.name() == group);
            let near = near.min_by_key(|(_, came)| {
                let fired = came.fired_at.unwrap_or(came.began);
                (fired - expected.fired.at).abs()
            });
            let near = near.map(|(index, _)| index);
            lines.push(format!("expected  {}", self.expected(expected)));
            match near.map(|index| left.remove(index)) {
                Some(came) => {
                    lines.push(format!("came      {}", self.came(came)));
                    let at = came.fired_at.unwrap_or(came.began);
                    let wrong = match expected.fired.is(at) {
                        true => came.resolved.map_or(at, |resolved| resolved.at),
                        false => at,
                    };
                    self.readings(&group, wrong, lines);
                }
                None => {
                    lines.push("came      nothing".to_owned());
                    self.readings(&group, expected.fired.at, lines);
                }
            }
        }
        for came in left {
            lines.push("expected  nothing".to_owned());
            lines.push(format!("came      {}", self.came(came)));
            self.readings(&came.group.name(), came.fired_at.unwrap_or(came.began), lines);
        }
    }

    fn notices(&self, expected: &[ExpectedNotice], lines: &mut Vec<String>) {
        let mut left: Vec<&Notified> = self.timeline.notices.iter().collect();
        let mut missing = Vec::new();
        for expected in expected {
            match left.iter().position(|came| is_told(expected, came)) {
                Some(index) => {
                    left.remove(index);
                }
                None => missing.push(expected),
            }
        }
        for notice in missing {
            let because = notice.because.as_ref().map(|text| format!(": ... {text} ..."));
            lines.push(format!(
                "expected  {} {} to `{}`{}",
                self.when(notice.at),
                notice.kind.word(),
                notice.to,
                because.unwrap_or_default()
            ));
        }
        for notice in left {
            let groups = match notice.groups.join("; ") {
                groups if groups.is_empty() => String::new(),
                groups => format!(" of {groups}"),
            };
            lines.push(format!(
                "came      {} {} to `{}`{groups}: {}",
                self.time(notice.at),
                notice.kind.word(),
                notice.receiver,
                notice.reason
            ));
        }
    }

    fn expected(&self, incident: &ExpectedIncident) -> String {
        let mut parts = vec![named(&incident.group.join(", ")).to_owned()];
        parts.extend(incident.began.map(|at| format!("began {}", self.when(at))));
        parts.push(format!("fired {}", self.when(incident.fired)));
        parts.extend(incident.level.as_ref().map(|level| format!("level {level}")));
        parts.push(match incident.resolved {
            Some(at) => format!("resolved {}", self.when(at)),
            None => "still open".to_owned(),
        });
        parts.extend(incident.because.as_ref().map(|text| format!("because ... {text} ...")));
        parts.join(", ")
    }

    fn came(&self, incident: &Incident) -> String {
        let mut parts = vec![named(&incident.group.name()).to_owned()];
        parts.push(format!("began {}", self.time(incident.began)));
        parts.extend(incident.fired_at.map(|at| format!("fired {}", self.time(at))));
        parts.push(format!("level {}", incident.peak.name));
        match incident.resolved {
            Some(resolved) => {
                parts.push(format!("resolved {}", self.time(resolved.at)));
                parts.push(format!("because {}", resolved.reason.words()));
            }
            None => parts.push("still open".to_owned()),
        }
        parts.join(", ")
    }

    /// What was read of a group around an instant.
    fn readings(&self, group: &str, at: DateTime<Utc>, lines: &mut Vec<String>) {
        let tracks = &self.timeline.tracks;
        let track: Option<&Track> =
            tracks.groups.values().find(|track| track.group.name() == group);
        let Some(track) = track else {
            let groups: Vec<String> =
                tracks.groups.values().take(5).map(|track| track.group.name()).collect();
            lines.push(match groups.is_empty() {
                true => "readings  none at all".to_owned(),
                false => {
                    format!("readings  none of {}; there are {}", named(group), groups.join("; "))
                }
            });
            return;
        };
        let around = tracks.around(track, at, AROUND);
        let texts: Vec<String> = (around.iter())
            .map(|(at, reading)| format!("{} {}", self.clock(*at), self::reading(*reading)))
            .collect();
        let texts = if texts.is_empty() { "none there".to_owned() } else { texts.join("  ") };
        lines.push(format!("readings  {texts}"));
        let levels: Vec<String> = (self.rule.levels.iter())
            .map(|level| format!("{} {}", level.name, level.breach))
            .collect();
        let hold = match self.rule.hold.is_none() {
            true => String::new(),
            false => format!(", for {}", self.rule.hold),
        };
        lines.push(format!("levels    {}{hold}", levels.join(", ")));
    }

    fn when(&self, when: When) -> String {
        self.time(when.at)
    }

    /// The time alone where the test is of one day.
    fn time(&self, at: DateTime<Utc>) -> String {
        let one_day = self.zone.date(self.timeline.from) == self.zone.date(self.timeline.to);
        let form = match (one_day, self.zone.civil(at).format("%S").to_string() == "00") {
            (true, true) => "%H:%M",
            (true, false) => "%H:%M:%S",
            (false, true) => "%Y-%m-%d %H:%M",
            (false, false) => "%Y-%m-%d %H:%M:%S",
        };
        self.zone.civil(at).format(form).to_string()
    }

    fn clock(&self, at: DateTime<Utc>) -> String {
        self.zone.civil(at).format("%H:%M").to_string()
    }
}

fn named(group: &str) -> &str {
    if group.is_empty() { "the incident" } else { group }
}

/// A reading in a word.
pub(super) fn reading(reading: Reading) -> String {
    match reading {
        Reading::Value(value) => format!("{}", (value * 1e6).round() / 1e6),
        Reading::Empty => "empty".to_owned(),
        Reading::Gone => "gone".to_owned(),
        Reading::Unknown => "unknown".to_owned(),
    }
}

fn is_expected(expected: &ExpectedIncident, came: &Incident) -> bool {
    let shown = came.group.shown.iter().map(|(_, value)| value);
    let is = |expected: Option<When>, came: Option<DateTime<Utc>>| match (expected, came) {
        (Some(expected), Some(came)) => expected.is(came),
        (expected, came) => expected.is_none() && came.is_none(),
    };
    let words = came.resolved.map_or("", |resolved| resolved.reason.words());
    expected.group.iter().eq(shown)
        && expected.began.is_none_or(|began| began.is(came.began))
        && is(Some(expected.fired), came.fired_at)
        && expected.level.as_ref().is_none_or(|level| *level == came.peak.name)
        && is(expected.resolved, came.resolved.map(|resolved| resolved.at))
        && expected.because.as_ref().is_none_or(|text| words.contains(text.as_str()))
}

fn is_told(expected: &ExpectedNotice, came: &Notified) -> bool {
    expected.at.is(came.at)
        && expected.to == came.receiver
        && expected.kind == came.kind
        && expected.because.as_ref().is_none_or(|text| came.reason.contains(text.as_str()))
}
