//! Random timelines of values through `promtool test rules` and through the incident's state
//! machine: at every minute both must say the same of what fires.
//!
//! The two are asked the same question: a threshold on the newest value of each group, evaluated each
//! minute, a group that is missing counting as clear. What postrider does beyond that (windows,
//! levels, readings that are held) has no counterpart there and is tested elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use postrider::config::{self, Mode};
use postrider::domain::incident::{Incident, State, step};
use postrider::domain::rule::readings::{Group, Observation};
use postrider::domain::rule::slots::Slot;
use postrider::domain::rule::{Reading, Rule};
use postrider::domain::value::Value;

use crate::chance::Chance;

/// Minutes of one timeline.
const MINUTES: usize = 40;
/// Minutes of `for` and of `keep_firing_for` that are drawn.
const HOLDS: &[u64] = &[0, 1, 2, 3, 5, 8];

/// What is seen of one group: a value a minute, or nothing.
type Series = Vec<Option<i64>>;

/// One rule and what it sees.
pub(crate) struct Timeline {
    hold: u64,
    keep: u64,
    groups: Vec<Series>,
}

/// Draws timelines: values that linger on one side of the threshold and groups that come and go.
pub(crate) fn draw(count: usize, seed: u64) -> Vec<Timeline> {
    let timeline = |index| {
        let mut chance = Chance::new(seed, index as u64);
        let hold = *chance.one_of(HOLDS);
        let keep = *chance.one_of(HOLDS);
        let groups = chance.between(1, 4);
        let groups = (0..groups).map(|_| series(&mut chance)).collect();
        Timeline { hold, keep, groups }
    };
    (0..count).map(timeline).collect()
}

fn series(chance: &mut Chance) -> Series {
    let mut seen = Vec::with_capacity(MINUTES);
    while seen.len() < MINUTES {
        let stay = chance.between(1, 9) as usize;
        let value = match (chance.percent(20), chance.percent(50)) {
            (true, _) => None,
            (false, true) => Some(chance.between(11, 99) as i64),
            // The threshold itself is not above it.
            (false, false) => Some(chance.between(0, 10) as i64),
        };
        seen.extend(std::iter::repeat_n(value, stay));
    }
    seen.truncate(MINUTES);
    seen
}

/// How many timelines of one pair of holds were compared.
#[derive(Default)]
struct Row {
    timelines: usize,
    minutes: usize,
    firing: usize,
    different: Vec<String>,
}

/// The comparison, by `for` and `keep_firing_for` in minutes.
pub(crate) struct Found(BTreeMap<(u64, u64), Row>);

impl Found {
    /// Whether both said the same at every minute.
    pub(crate) fn is_equal(&self) -> bool {
        self.0.values().all(|row| row.different.is_empty())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Firing sets beside promtool, minute by minute")?;
        writeln!(f, "  for  keep  timelines  minutes  firing  different")?;
        let mut sum = Row::default();
        for ((hold, keep), row) in &self.0 {
            let Row { timelines, minutes, firing, different } = row;
            let apart = different.len();
            writeln!(
                f,
                "{hold:>5} {keep:>5} {timelines:>10} {minutes:>8} {firing:>7} {apart:>10}"
            )?;
            sum.timelines += timelines;
            sum.minutes += minutes;
            sum.firing += firing;
            sum.different.extend(different.iter().cloned());
        }
        let Row { timelines, minutes, firing, different } = &sum;
        writeln!(
            f,
            "  all       {timelines:>10} {minutes:>8} {firing:>7} {:>10}",
            different.len()
        )?;
        different.iter().try_for_each(|lines| writeln!(f, "{lines}"))
    }
}

/// Runs timelines through both.
pub(crate) fn against(
    promtool: &Path,
    folder: &Path,
    timelines: &[Timeline],
) -> anyhow::Result<Found> {
    let mut found = BTreeMap::<(u64, u64), Row>::new();
    let mut classes = BTreeMap::<(u64, u64), Vec<&Timeline>>::new();
    for timeline in timelines {
        classes.entry((timeline.hold, timeline.keep)).or_default().push(timeline);
    }
    for (holds, timelines) in classes {
        let rule = rule(holds.0, holds.1)?;
        let row = found.entry(holds).or_default();
        let mut tests = String::from("rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n");
        for (index, timeline) in timelines.iter().enumerate() {
            let firing = firing(&rule, timeline);
            row.timelines += 1;
            row.minutes += MINUTES * timeline.groups.len();
            row.firing += firing.iter().map(Vec::len).sum::<usize>();
            test(&mut tests, index, timeline, &firing)?;
        }
        let folder = folder.join(format!("for-{}-keep-{}", holds.0, holds.1));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("rules.yml"), rules(holds.0, holds.1))?;
        fs::write(folder.join("tests.yml"), tests)?;
        let ran = Command::new(promtool)
            .args(["test", "rules", "tests.yml"])
            .current_dir(&folder)
            .output()
            .with_context(|| format!("`{}` cannot be started", promtool.display()))?;
        if !ran.status.success() {
            let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
            if !said.contains("exp:") {
                bail!("promtool did not understand `{}`: {said}", folder.display());
            }
            let apart = said.split("alertname:").skip(1);
            row.different.extend(apart.map(|text| format!("for {holds:?}: {}", text.trim())));
        }
    }
    Ok(Found(found))
}

/// The rule as Prometheus reads it.
fn rules(hold: u64, keep: u64) -> String {
    format!(
        "groups:\n- name: g\n  rules:\n  - alert: high\n    expr: m > 10\n    for: {hold}m\n    \
         keep_firing_for: {keep}m\n"
    )
}

/// The rule as postrider reads it.
fn rule(hold: u64, keep: u64) -> anyhow::Result<Rule> {
    let text = format!(
        r#"
[sources.api]
kind = "rest"
base_url = "https://example.com"
[datasets.reading]
source = "api"
path = "/readings"
whole = true
key = "id"
fields = {{ id = "text", name = "text", value = "integer" }}
[rules.high]
type = "reading"
group_by = ["reading.name as Name"]
value = "max(reading.value)"
every = "1 min"
levels = [["warning", "> 10"]]
for = "{hold} min"
keep_firing_for = "{keep} min"
[receivers.ops]
kind = "email"
to = ["ops@example.com"]
[smtp]
host = "localhost"
from = "postrider@example.com"
tls = "none"
"#
    );
    let (config, _) =
        config::load_text("peers.toml", &text, Path::new("."), &config::Process, Mode::Check)?;
    let rule = config.rules.get("high").context("the rule is there")?;
    Ok(Rule::clone(rule))
}

/// The groups that fire at each minute, by postrider.
fn firing(rule: &Rule, timeline: &Timeline) -> Vec<Vec<usize>> {
    let mut open: Vec<Option<Incident>> = vec![None; timeline.groups.len()];
    let mut firing = Vec::with_capacity(MINUTES);
    for minute in 0..MINUTES {
        let at = start() + TimeDelta::minutes(minute as i64);
        let slot = Slot { at, window: None, reach: TimeDelta::minutes(1) };
        for (index, series) in timeline.groups.iter().enumerate() {
            let group = Group::of(["Name"], &[Value::Text(name(index))], &[]);
            let reading =
                series[minute].map_or(Reading::Gone, |value| Reading::Value(value as f64));
            let seen = Observation::of(group, reading);
            let moved = step(rule, open[index].as_ref(), &seen, &slot);
            open[index] = moved.incident.filter(Incident::is_open);
        }
        let fires =
            |incident: &Incident| matches!(incident.state, State::Firing | State::Recovering);
        let all = open.iter().enumerate();
        firing.push(
            all.filter(|(_, open)| open.as_ref().is_some_and(fires)).map(|(i, _)| i).collect(),
        );
    }
    firing
}

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn name(index: usize) -> String {
    format!("g{index}")
}

/// One test as promtool reads it: what it sees, and what must fire at each minute.
fn test(
    to: &mut String,
    index: usize,
    timeline: &Timeline,
    firing: &[Vec<usize>],
) -> Result<(), fmt::Error> {
    writeln!(to, "- name: timeline {index}\n  interval: 1m\n  input_series:")?;
    for (group, series) in timeline.groups.iter().enumerate() {
        // `stale`, not `_`: the latter keeps the last value for five minutes.
        let word =
            |value: &Option<i64>| value.map_or("stale".to_owned(), |value| value.to_string());
        let values: Vec<String> = series.iter().map(word).collect();
        let name = name(group);
        writeln!(to, "  - series: 'm{{name=\"{name}\"}}'\n    values: '{}'", values.join(" "))?;
    }
    writeln!(to, "  alert_rule_test:")?;
    for (minute, groups) in firing.iter().enumerate() {
        writeln!(to, "  - eval_time: {minute}m\n    alertname: high\n    exp_alerts:")?;
        if groups.is_empty() {
            to.truncate(to.len() - 1);
            writeln!(to, " []")?;
        }
        for group in groups {
            writeln!(to, "    - exp_labels: {{name: {}}}", name(*group))?;
        }
    }
    Ok(())
}
