//! Postrider's notifier on a virtual clock: incidents move by readings, notices are decided, and what
//! must survive a restart goes through its stored form.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use postrider::config::{self, Config, Mode};
use postrider::domain::incident::{Incident, State, step};
use postrider::domain::notification::{Decision, Notice, Thread, Told, World, decide};
use postrider::domain::route::Repeat;
use postrider::domain::rule::Reading;
use postrider::domain::rule::readings::{Group, Observation};
use postrider::domain::rule::slots::Slot;
use postrider::domain::silence::{Hidden, Silence, Worse};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::scenarios::{Scenario, Step};

/// Lives through a scenario, a tenth of a second at a time; gives the notices it sent.
pub(crate) fn play(scenario: &Scenario) -> anyhow::Result<Vec<String>> {
    let mut notifier = Notifier::new(scenario)?;
    let mut steps = scenario.steps.iter().peekable();
    for tenth in 0..scenario.until * 10 {
        notifier.now = start() + TimeDelta::milliseconds(i64::from(tenth) * 100);
        while let Some((_, step)) = steps.next_if(|(at, _)| *at <= tenth) {
            notifier.take(scenario, *step)?;
        }
        notifier.decide();
    }
    Ok(notifier.sent)
}

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// The config: a rule an alert, in the words of the scenario.
fn config(scenario: &Scenario, reworded: bool) -> anyhow::Result<Config> {
    let Scenario { group_by, wait, interval, repeat, .. } = scenario;
    let labels: Vec<&str> =
        group_by.iter().map(|label| if *label == "alertname" { "rule" } else { label }).collect();
    let when = if reworded { "team in ('t')" } else { "team = 't'" };
    let mut text = format!(
        r#"
[smtp]
host = "localhost"
from = "postrider@example.com"
tls = "none"
[sources.api]
kind = "rest"
base_url = "https://example.com"
[datasets.reading]
source = "api"
path = "/readings"
whole = true
key = "id"
fields = {{ id = "text", value = "integer" }}
[receivers.hook]
kind = "email"
to = ["ops@example.com"]
[[routes]]
when = "{when}"
to = ["hook"]
group_by = {labels:?}
wait = "{wait} s"
interval = "{interval} s"
[[routes]]
to = ["hook"]
[[inhibitions]]
when = "severity = 'critical'"
hides = "severity = 'warning'"
equal = ["team"]
"#
    );
    for name in ["A", "B", "C", "D", "E", "F", "G"] {
        let severity = severity(name);
        text += &format!(
            "[rules.{name}]\ntype = \"reading\"\nvalue = \"max(reading.value)\"\n\
             levels = [[\"warning\", \"> 0\"]]\n\
             labels = {{ team = \"t\", severity = \"{severity}\" }}\n"
        );
    }
    let read =
        config::load_text("peers.toml", &text, Path::new("."), &config::Process, Mode::Check);
    let (mut config, _) = read?;
    // The config refuses reminders every few seconds: here seconds stand for minutes.
    config.routes[0].repeat = Some(Repeat::every(TimeDelta::seconds(i64::from(*repeat))));
    Ok(config)
}

fn severity(name: &str) -> &'static str {
    if name.starts_with('C') { "critical" } else { "warning" }
}

/// As it comes back from where it is stored.
fn stored<T: Serialize + DeserializeOwned>(value: &T) -> anyhow::Result<T> {
    Ok(serde_json::from_str(&serde_json::to_string(value)?)?)
}

struct Notifier {
    config: Config,
    now: DateTime<Utc>,
    incidents: BTreeMap<String, Incident>,
    told: BTreeMap<String, BTreeMap<String, Told>>,
    threads: BTreeMap<String, BTreeMap<String, Thread>>,
    hidden: BTreeMap<String, BTreeMap<String, Hidden>>,
    silences: Vec<Silence>,
    sent: Vec<String>,
}

impl Notifier {
    fn new(scenario: &Scenario) -> anyhow::Result<Notifier> {
        Ok(Notifier {
            config: config(scenario, false)?,
            now: start(),
            incidents: BTreeMap::new(),
            told: BTreeMap::new(),
            threads: BTreeMap::new(),
            hidden: BTreeMap::new(),
            silences: Vec::new(),
            sent: Vec::new(),
        })
    }

    fn take(&mut self, scenario: &Scenario, what: Step) -> anyhow::Result<()> {
        match what {
            Step::Fire(name) => self.read(name, 1.0),
            Step::Resolve(name) => self.read(name, 0.0),
            Step::Silence(name) => {
                self.silences.push(Silence {
                    id: name.to_owned(),
                    condition: format!("rule = '{name}'"),
                    author: "peers".to_owned(),
                    reason: "for a while".to_owned(),
                    created_at: self.now,
                    ends_at: self.now + TimeDelta::hours(1),
                    until_resolved: false,
                    ended_at: None,
                    unless: Worse::NEVER,
                });
                Ok(())
            }
            Step::Lift(name) => {
                let mut all = self.silences.iter_mut();
                let silence = all.find(|silence| silence.id == name).context("it is silenced")?;
                silence.ended_at = Some(self.now);
                Ok(())
            }
            Step::Kill | Step::Restart => self.again(),
            Step::Reword | Step::Reload => {
                self.config = config(scenario, what == Step::Reword)?;
                Ok(())
            }
        }
    }

    /// A reading of an alert's rule moves its incident.
    fn read(&mut self, name: &str, value: f64) -> anyhow::Result<()> {
        let rule = self.config.rules.get(name).context("the rule is there")?;
        let open = self.incidents.values().find(|open| open.rule == name && open.is_open());
        let slot = Slot { at: self.now, window: None, reach: TimeDelta::seconds(1) };
        let seen = Observation::of(Group::all(), Reading::Value(value));
        let moved = step(rule, open, &seen, &slot);
        let mut incident = moved.incident.context("a breach or an end")?;
        incident.moved_at = Some(self.now);
        self.incidents.insert(incident.id.clone(), incident);
        Ok(())
    }

    /// Started again: only what was stored is there.
    fn again(&mut self) -> anyhow::Result<()> {
        self.incidents = stored(&self.incidents)?;
        self.told = stored(&self.told)?;
        self.threads = stored(&self.threads)?;
        self.hidden = stored(&self.hidden)?;
        self.silences = stored(&self.silences)?;
        Ok(())
    }

    fn decide(&mut self) {
        let world = World {
            silences: &self.silences,
            hidden: &self.hidden,
            threads: &self.threads,
            inhibitions: &self.config.inhibitions,
            ..World::of(&self.incidents, &self.told, &self.config.routes)
        };
        let Decision { notices, told, threads, hidden, done, .. } = decide(&world, self.now);
        self.sent.extend(notices.iter().map(words));
        for told in told {
            let of_incident = self.told.entry(told.incident.clone()).or_default();
            of_incident.insert(told.receiver.clone(), told);
        }
        for thread in threads {
            let of_thread = self.threads.entry(thread.thread.clone()).or_default();
            of_thread.insert(thread.receiver.clone(), thread);
        }
        for hidden in hidden {
            let by_silence = self.hidden.entry(hidden.silence.clone()).or_default();
            by_silence.insert(hidden.incident.clone(), hidden);
        }
        for id in done {
            self.incidents.remove(&id);
            self.told.remove(&id);
        }
    }
}

/// `A B -C`, as of Alertmanager.
fn words(notice: &Notice) -> String {
    let named = |open: bool, mark: &str| {
        let of = notice.items.iter().map(|item| &item.incident);
        let of = of.filter(|incident| (incident.state != State::Resolved) == open);
        let mut names: Vec<String> =
            of.map(|incident| format!("{mark}{}", incident.rule)).collect();
        names.sort();
        names
    };
    let mut words = named(true, "");
    words.extend(named(false, "-"));
    words.join(" ")
}
