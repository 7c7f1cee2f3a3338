//! One rule over lines that show what the test wants, and what is told of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use postrider::clock::{Clock, ManualClock};
use postrider::config::{self, Config, Given, Mode, Overlay};
use postrider::demo::catcher::{Answer, Signed};
use postrider::demo::org::{self, Org};
use postrider::domain::silence::{Silence, Worse};
use postrider::store::state::silences;
use serde_json::{Value as Json, json};

use crate::harness::sources::{Api, Asked, Reply};
use crate::harness::{HEAD, HOOK_SECRET, Letter, TestPostrider, utc};

/// Values by line, minute by minute: each in a window of its own.
pub(super) const LINES: &str = r#"
[sources.desk]
kind = "rest"
base_url = "API"
pull_every = "1 min"

[datasets.samples]
source = "desk"
path = "/samples"
query = { since = "{watermark}" }
key = "id"
updated = "at"
created = "at"
fields = { id = "text", at = "timestamp", line = "text", value = "real" }

[rules.slow]
title = "A line is slow"
type = "samples"
date = "samples.at"
group_by = ["samples.line as Line"]
value = "max(samples.value)"
window = "1 min"
every = "1 min"
settle = "0 s"
levels = [["warning", "> 10"], ["critical", "> 100"]]
"#;

pub(super) const TO_BOTH: &str = "[[routes]]\nto = [\"ops-mail\", \"ops-hook\"]\n";
pub(super) const TO_HOOK: &str = "[[routes]]\nto = [\"ops-hook\"]\n";

/// When each story begins, on a Monday; times of day below are of its day.
const BEGIN: &str = "09:00";

type Samples = Arc<Mutex<Vec<(DateTime<Utc>, &'static str, f64)>>>;

/// A running postrider and the API it asks.
pub(super) struct Story {
    pub(super) t: TestPostrider,
    pub(super) api: Api,
    samples: Samples,
    pub(super) config: String,
}

impl Story {
    /// The rule `slow` with further lines, and what follows it.
    pub(super) async fn begin(rule: &str, rest: &str) -> Story {
        Story::begin_at(at(BEGIN), &format!("{LINES}{rule}{rest}")).await
    }

    /// The same at another instant.
    pub(super) async fn begin_at(begin: DateTime<Utc>, config: &str) -> Story {
        let config = format!("{HEAD}{config}");
        let clock = Arc::new(ManualClock::new(begin));
        let api = Api::start(Arc::clone(&clock) as Arc<dyn Clock>).await;
        let samples = Samples::default();
        let (shown, now) = (Arc::clone(&samples), Arc::clone(&clock));
        api.tells("/samples", move |asked| answer(&shown.lock().unwrap(), asked, now.now()));
        let config = config.replace("API", &api.url());
        let org = Org::empty(Arc::clone(&clock) as Arc<dyn Clock>);
        let t = TestPostrider::over(&config, clock, org).await;
        t.beat().await;
        Story { t, api, samples, config }
    }

    /// From a time of day on, what a line shows in the middle of each minute.
    pub(super) fn shows(&self, line: &'static str, from: &str, values: &[f64]) {
        self.shows_every(TimeDelta::minutes(1), line, at(from), values);
    }

    /// From an instant on, what a line shows in the middle of each stretch of time.
    pub(super) fn shows_every(
        &self,
        every: TimeDelta,
        line: &'static str,
        from: DateTime<Utc>,
        values: &[f64],
    ) {
        let mut samples = self.samples.lock().unwrap();
        for (number, value) in (0..).zip(values) {
            samples.push((from + every * number + every / 2, line, *value));
        }
    }

    /// Turns the clock in steps to an instant, with whatever is due at each.
    pub(super) async fn steps_to(&self, step: TimeDelta, end: &str) {
        while self.t.clock.now() < utc(end) {
            self.t.clock.set((self.t.clock.now() + step).min(utc(end)));
            self.t.beat().await;
        }
    }

    /// A config with a file beside it.
    pub(super) fn read(&self, text: &str, name: &str, content: &str) -> Result<Config, String> {
        let mut env = Given::default();
        for (name, value) in [
            ("SF_ID", org::CLIENT_ID),
            ("SF_SECRET", org::CLIENT_SECRET),
            ("HOOK_URL", "https://hooks.example.com/1"),
            ("HOOK_SECRET", HOOK_SECRET),
        ] {
            env.variables.insert(name.into(), value.into());
        }
        env.files.insert(Path::new(".").join(name), content.to_owned());
        let loaded = config::load_text("config.toml", text, Path::new("."), &env, Mode::Run);
        let (mut config, _) = loaded.map_err(|problems| problems.to_string())?;
        let t = &self.t;
        config.overlay(&Overlay {
            smtp: (t.inbox.address().ip().to_string(), t.inbox.address().port()),
            login_url: t.my_domain(),
            credentials: (org::CLIENT_ID.into(), org::CLIENT_SECRET.into()),
            webhooks: t.catcher.url(),
            webhook_secret: HOOK_SECRET.into(),
            state: t.app.engine().store().state.folder().to_owned(),
        });
        Ok(config)
    }

    pub(super) async fn until(&self, time: &str) {
        self.t.advance(at(time) - self.t.clock.now()).await;
    }

    /// The process ends without a word and another one begins at a time of day on the same state.
    pub(super) async fn killed_until(&mut self, time: &str) {
        self.t.clock.set(at(time));
        let config = self.config.clone();
        self.t.restart(&config).await;
        self.t.beat().await;
    }

    /// Silences the rule from a time of day on, for two hours; the silence's id.
    pub(super) fn silenced(&self, time: &str) -> String {
        let silence = Silence {
            id: "5110ce00".to_owned(),
            condition: "rule = 'slow'".to_owned(),
            author: "ana@example.com".to_owned(),
            reason: "it is known".to_owned(),
            created_at: at(time),
            ends_at: at(time) + TimeDelta::hours(2),
            until_resolved: false,
            ended_at: None,
            unless: Worse::NEVER,
        };
        self.t.app.engine().store().state.write(|tx| silences::put(tx, &silence)).unwrap();
        silence.id
    }

    /// Ends a silence now.
    pub(super) fn heard(&self, id: &str) {
        let (state, now) = (&self.t.app.engine().store().state, self.t.clock.now());
        state.write(|tx| silences::end(tx, id, now)).unwrap().expect("a silence");
    }

    /// What the webhook took: kind and line, oldest first.
    pub(super) fn told(&self) -> Vec<(String, String)> {
        let taken = |answer: &Answer| matches!(answer, Answer::Status { status: 200, .. });
        let hooks = self.t.catcher.hooks();
        assert!(hooks.iter().all(|hook| hook.signed == Signed::Verified));
        let hooks = hooks.iter().filter(|hook| taken(&hook.answered));
        hooks
            .map(|hook| {
                let said = hook.json();
                let kind = said["type"].as_str().unwrap().replace("incident.", "");
                (kind, said["data"]["group"][0]["value"].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// What the last webhook says.
    pub(super) fn last(&self) -> Json {
        self.t.catcher.hooks().last().expect("a webhook").json()["data"].clone()
    }

    pub(super) fn letters(&self) -> Vec<Letter> {
        self.t.letters_to("ops@example.com")
    }

    /// Nobody got a message twice, or two messages of one id.
    #[track_caller]
    pub(super) fn nothing_twice(&self) {
        let hooks = self.t.catcher.hooks();
        let of_hooks = hooks.iter().map(|hook| hook.header("webhook-id").unwrap().to_owned());
        let of_mails = self.t.inbox.mails();
        let of_mails = of_mails.iter().map(|mail| Letter::read(mail).message_id);
        let all: Vec<String> = of_hooks.chain(of_mails).collect();
        let different: BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:#?}");
    }
}

/// What the API gives: what has happened by now, since the instant it is asked for.
fn answer(samples: &[(DateTime<Utc>, &str, f64)], asked: &Asked, now: DateTime<Utc>) -> Reply {
    let since = utc(&asked.query["since"]);
    let visible = samples.iter().filter(|(at, _, _)| since <= *at && *at <= now);
    let record = |(at, line, value): &(DateTime<Utc>, &str, f64)| {
        let id = format!("{line} {}", at.timestamp());
        json!({ "id": id, "at": at.to_rfc3339(), "line": line, "value": value })
    };
    Reply::json(&visible.map(record).collect())
}

pub(super) fn at(time: &str) -> DateTime<Utc> {
    utc(&format!("2026-11-23T{time}:00Z"))
}

pub(super) fn instant(time: &str) -> Json {
    format!("2026-11-23T{time}:00.000Z").into()
}

/// So many minutes of one value.
pub(super) fn minutes(count: usize, value: f64) -> Vec<f64> {
    vec![value; count]
}

pub(super) fn of(kinds: &[&str], line: &str) -> Vec<(String, String)> {
    kinds.iter().map(|kind| ((*kind).to_owned(), line.to_owned())).collect()
}
