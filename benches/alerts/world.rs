//! A store of many records whose end moves on, minute by minute, as pulls would move it; and the
//! config of any number of rules over it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use postrider::app::{App, Limits};
use postrider::clock::{Clock, ManualClock};
use postrider::config::{self, Given, Mode, Overlay};
use postrider::domain::dataset::Pulled;
use postrider::engine::Engine;
use secrecy::SecretString;

use crate::batches;
use crate::ground::org::{END, METRIC_TYPES, Object, Org};

/// Where nobody answers.
const NOWHERE: &str = "http://127.0.0.1:9";
const SECRET: &str = "whsec_YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNo";
/// The objects that rules read.
const READ: [Object; 3] = [Object::Session, Object::Metrics, Object::Channel];
/// The head of every config here.
const HEAD: &str = r#"
[postrider]
timezone = "Europe/Berlin"

[smtp]
host = "127.0.0.1"
tls = "none"
from = "Postrider <reports@example.com>"

[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = { flow = "client_credentials", client_id = "env:SF_ID", client_secret = "env:SF_SECRET" }
pull_every = "1 min"

[receivers.hook]
kind = "webhook"
url = "env:HOOK_URL"
secrets = ["env:HOOK_SECRET"]

[report_types.metrics]
from = """
  MessagingSessionMetrics metric
  join MessagingSession session on session.Id = metric.MessagingSessionId
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""

[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
"""
"#;

/// Rules of so many shapes of question, each with levels of its own.
pub(crate) fn many_rules(rules: u64, shapes: u64) -> String {
    let mut text = HEAD.to_owned();
    for rule in 0..rules {
        let shape = rule % shapes;
        let metric = METRIC_TYPES[(shape % 6) as usize];
        let window = ["30 min", "1 h", "2 h", "6 h"][(shape / 6 % 4) as usize];
        let group = ["group_by = [\"channel as Channel\"]", ""][(shape / 24 % 2) as usize];
        let value = ["max", "avg", "count"][(rule / shapes % 3) as usize];
        // Some breach all the time, most do not, some now and then.
        let threshold = [10, 100, 600, 1200, 2000, 3000, 5000, 9000, 20000, 50000];
        let threshold = threshold[(rule / shapes % 10) as usize];
        let _ = write!(
            text,
            "[rules.r{rule}]\ntitle = \"Rule {rule}\"\ntype = \"metrics\"\n\
             date = \"metric.CreatedDate\"\n\
             where = \"metric.MessagingSessionMetricType = '{metric}' and \
             metric.MessagingSessionMetricValue >= {shape}\"\n{group}\n\
             value = \"{value}(metric.MessagingSessionMetricValue)\"\nwindow = \"{window}\"\n\
             every = \"1 min\"\nlevels = [[\"warning\", \"> {threshold}\"], \
             [\"critical\", \"> {}\"]]\n",
            threshold * 2
        );
    }
    text + "[[routes]]\nto = [\"hook\"]\n"
}

/// Rules that follow so many groups each: a session is a group, and the window holds that many.
pub(crate) fn many_groups(rules: u64, groups: u64, org: Org, level: &str, route: &str) -> String {
    let year = 365.0 * 24.0 * 60.0;
    let minutes = (year * groups as f64 / org.sessions as f64).ceil() as u64;
    let mut text = HEAD.to_owned();
    for rule in 0..rules {
        let _ = write!(
            text,
            "[rules.r{rule}]\ntitle = \"Rule {rule}\"\ntype = \"sessions\"\n\
             date = \"session.StartTime\"\ngroup_by = [\"session as Session\"]\n\
             value = \"count() + {rule}\"\nwindow = \"{minutes} min\"\nevery = \"1 min\"\n\
             max_groups = {}\nlevels = [[\"warning\", \"{level}\"]]\n",
            (groups + groups / 10).min(10_000)
        );
    }
    text + "[[routes]]\nto = [\"hook\"]\n" + route
}

/// Postrider over the store.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) clock: Arc<ManualClock>,
    org: Org,
    /// Sessions stored so far.
    sessions: u64,
}

impl World {
    /// Loads the org's records; the clock stands at their end.
    pub(crate) fn load(text: &str, org: Org, folder: &Path) -> anyhow::Result<World> {
        let clock = Arc::new(ManualClock::new(instant(END)));
        let app = app(text, folder, NOWHERE, &clock)?;
        let world = World { app, clock, org, sessions: org.sessions };
        for object in READ {
            batches::load(world.engine().store(), org, object, &*world.dataset(object)?)?;
        }
        Ok(world)
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        self.app.engine()
    }

    /// The same state, with receivers that are somewhere.
    pub(crate) fn with_receivers(
        &mut self,
        text: &str,
        folder: &Path,
        at: &str,
    ) -> anyhow::Result<()> {
        self.app = app(text, folder, at, &self.clock)?;
        Ok(())
    }

    fn dataset(&self, object: Object) -> anyhow::Result<Arc<postrider::domain::dataset::Dataset>> {
        let plant = self.engine().plant();
        let found = plant.datasets.iter().find(|dataset| dataset.name == object.name());
        found.cloned().with_context(|| format!("no dataset `{}`", object.name()))
    }

    /// What a minute brings: sessions, the metrics of those that are an hour old, and the watermark.
    pub(crate) fn pull(&mut self, to: DateTime<Utc>) -> anyhow::Result<()> {
        let year = 365.0 * 24.0 * 60.0;
        let rate = self.org.sessions as f64 / year;
        let minutes = (to - instant(END)).num_seconds() as f64 / 60.0;
        let until = self.org.sessions + (rate * minutes) as u64;
        let old = self.sessions;
        self.sessions = until.max(old);
        for (object, range) in [
            (Object::Session, old..self.sessions),
            (Object::Metrics, old * 6..self.sessions * 6),
            (Object::Channel, 0..0),
        ] {
            let dataset = self.dataset(object)?;
            let store = self.engine().store();
            let mut load = store.begin_load(&dataset.name, to)?;
            let count = range.end - range.start;
            if count > 0 {
                load.append(&batches::batch(self.org, object, &dataset, range))?;
            }
            load.finish(&Pulled { records: count, ..Pulled::nothing(to) }, to)?;
        }
        Ok(())
    }

    pub(crate) fn turn(&self, by: TimeDelta) -> DateTime<Utc> {
        self.clock.set(self.clock.now() + by);
        self.clock.now()
    }
}

fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn app(
    text: &str,
    folder: &Path,
    receivers: &str,
    clock: &Arc<ManualClock>,
) -> anyhow::Result<App> {
    let mut env = Given::default();
    for (name, value) in
        [("SF_ID", "id"), ("SF_SECRET", "secret"), ("HOOK_URL", receivers), ("HOOK_SECRET", SECRET)]
    {
        env.variables.insert(name.into(), value.into());
    }
    let loaded = config::load_text("config.toml", text, Path::new(""), &env, Mode::Check);
    let (mut config, _) = loaded.map_err(|problems| anyhow::anyhow!("{problems}"))?;
    config.overlay(&Overlay {
        smtp: ("127.0.0.1".to_owned(), 9),
        login_url: NOWHERE.to_owned(),
        credentials: ("id".into(), "secret".into()),
        webhooks: receivers.to_owned(),
        webhook_secret: SecretString::from(SECRET),
        state: folder.to_owned(),
    });
    App::build(config, Arc::clone(clock) as Arc<dyn Clock>, Limits::default())
}
