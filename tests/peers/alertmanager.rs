//! The real Alertmanager: one process a scenario, its notices caught by a webhook endpoint.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use postrider::clock::{Clock, SystemClock};
use postrider::demo::catcher::Catcher;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::scenarios::{Scenario, Step};

/// Lives through a scenario in real time; gives the notices it sent.
pub(crate) async fn play(
    program: &Path,
    folder: PathBuf,
    scenario: &Scenario,
) -> anyhow::Result<Vec<String>> {
    let catcher =
        Catcher::start("127.0.0.1:0".parse()?, Vec::new(), std::sync::Arc::new(SystemClock))
            .await?;
    let mut peer = Peer {
        program: program.to_owned(),
        port: free_port()?,
        folder,
        hook: catcher.url(),
        process: None,
        http: reqwest::Client::new(),
        firing: BTreeMap::new(),
        silences: BTreeMap::new(),
    };
    fs::create_dir_all(&peer.folder)?;
    peer.configure(scenario, false)?;
    peer.start().await?;
    let begun = Instant::now();
    for (tenths, step) in scenario.steps {
        sleep_until(begun + Duration::from_millis(u64::from(*tenths) * 100)).await;
        peer.take(scenario, *step).await?;
    }
    sleep_until(begun + Duration::from_secs(u64::from(scenario.until))).await;
    peer.end();
    catcher.hooks().iter().map(|hook| notice(&hook.json())).collect()
}

/// `A B -C`.
fn notice(payload: &Value) -> anyhow::Result<String> {
    let alerts = payload["alerts"].as_array().context("a payload has alerts")?;
    let named = |status: &str, mark: &str| {
        let of = alerts.iter().filter(|alert| alert["status"] == status);
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().map(str::to_owned);
        let mut names: Vec<String> =
            of.filter_map(name).map(|name| format!("{mark}{name}")).collect();
        names.sort();
        names
    };
    let mut words = named("firing", "");
    words.extend(named("resolved", "-"));
    Ok(words.join(" "))
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// One Alertmanager and what it was told.
struct Peer {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    hook: String,
    process: Option<Child>,
    http: reqwest::Client,
    /// When each alert that fires began.
    firing: BTreeMap<&'static str, DateTime<Utc>>,
    /// Ids of silences by alert.
    silences: BTreeMap<&'static str, String>,
}

impl Peer {
    fn configure(&self, scenario: &Scenario, reworded: bool) -> anyhow::Result<()> {
        let Scenario { group_by, wait, interval, repeat, timeout, .. } = scenario;
        // The same alerts, in other words.
        let matcher = if reworded { "team=~\"t\"" } else { "team=\"t\"" };
        let text = format!(
            "global: {{resolve_timeout: {timeout}s}}\n\
             route:\n  receiver: nobody\n  routes:\n  - matchers: ['{matcher}']\n    \
             receiver: hook\n    group_by: {group_by:?}\n    group_wait: {wait}s\n    \
             group_interval: {interval}s\n    repeat_interval: {repeat}s\n\
             inhibit_rules:\n- source_matchers: ['severity=\"critical\"']\n  \
             target_matchers: ['severity=\"warning\"']\n  equal: [team]\n\
             receivers:\n- name: nobody\n- name: hook\n  webhook_configs:\n  - url: {}\n    \
             send_resolved: true\n",
            self.hook
        );
        Ok(fs::write(self.folder.join("config.yml"), text)?)
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"))?;
        let process = Command::new(&self.program)
            .arg(format!("--config.file={}", self.folder.join("config.yml").display()))
            .arg(format!("--storage.path={}", self.folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("`{}` cannot be started", self.program.display()))?;
        self.process = Some(process);
        for _ in 0..200 {
            if self
                .http
                .get(self.url("/-/ready"))
                .send()
                .await
                .is_ok_and(|r| r.status().is_success())
            {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("Alertmanager does not get ready: see `{}`", self.folder.join("log").display())
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(self.url(path));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let response = request.send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null))
    }

    async fn take(&mut self, scenario: &Scenario, step: Step) -> anyhow::Result<()> {
        let now = SystemClock.now();
        match step {
            Step::Fire(name) => {
                self.firing.insert(name, now);
                self.report(name, now, None).await
            }
            Step::Resolve(name) => {
                let began = self.firing.remove(name).context("it fires")?;
                self.report(name, began, Some(now)).await
            }
            Step::Silence(name) => {
                let matcher = json!({ "name": "alertname", "value": name, "isRegex": false, "isEqual": true });
                let body = json!({
                    "matchers": [matcher], "createdBy": "peers", "comment": "for a while",
                    "startsAt": stamp(now), "endsAt": stamp(now + TimeDelta::hours(1)),
                });
                let answer = self.post("/api/v2/silences", &body).await?;
                let id = answer["silenceID"].as_str().context("a silence has an id")?;
                self.silences.insert(name, id.to_owned());
                Ok(())
            }
            Step::Lift(name) => {
                let id = self.silences.remove(name).context("it is silenced")?;
                let url = self.url(&format!("/api/v2/silence/{id}"));
                self.http.delete(url).send().await?.error_for_status()?;
                Ok(())
            }
            Step::Kill => {
                self.end();
                self.again().await
            }
            Step::Restart => {
                self.signal("TERM")?;
                if let Some(mut process) = self.process.take() {
                    process.wait()?;
                }
                self.again().await
            }
            Step::Reword | Step::Reload => {
                self.configure(scenario, step == Step::Reword)?;
                self.post("/-/reload", &Value::Null).await?;
                Ok(())
            }
        }
    }

    /// Starts it again; what fires is reported anew, as Prometheus does every minute.
    async fn again(&mut self) -> anyhow::Result<()> {
        self.start().await?;
        for (name, began) in self.firing.clone() {
            self.report(name, began, None).await?;
        }
        Ok(())
    }

    async fn report(
        &self,
        name: &str,
        began: DateTime<Utc>,
        ended: Option<DateTime<Utc>>,
    ) -> anyhow::Result<()> {
        let severity = if name.starts_with('C') { "critical" } else { "warning" };
        let mut alert = json!({
            "labels": { "alertname": name, "team": "t", "severity": severity },
            "startsAt": stamp(began),
        });
        if let Some(ended) = ended {
            alert["endsAt"] = stamp(ended).into();
        }
        self.post("/api/v2/alerts", &json!([alert])).await?;
        Ok(())
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let Some(process) = &self.process else { return Ok(()) };
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(process.id().to_string());
        anyhow::ensure!(kill.status()?.success(), "it could not be sent SIG{name}");
        Ok(())
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            // SIGKILL; that it has ended already is fine.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}
