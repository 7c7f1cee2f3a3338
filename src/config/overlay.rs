//! The overlay: the addresses and secrets of the outside world replaced by those of the demo's,
//! nothing else.

use secrecy::SecretString;

use super::{Config, ReceiverSettings, SourceSettings};
use crate::receiver::post::Passage;
use crate::receiver::smtp::{ServerSettings, SmtpTls};
use crate::source::salesforce::SalesforceAuth;

/// Where the outside world is instead.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Host and port of a mail server that takes clear text without login.
    pub smtp: (String, u16),
    /// The address of every org.
    pub login_url: String,
    /// Consumer key and secret that the org takes.
    pub credentials: (SecretString, SecretString),
    /// The address of webhooks; each receiver's is this with its name as the last part of the path.
    pub webhooks: String,
    /// The signing secret of webhooks, `whsec_...`.
    pub webhook_secret: SecretString,
    /// The folder of the state.
    pub state: std::path::PathBuf,
}

impl Config {
    /// Replaces addresses and secrets, and says what was replaced: one line each, secrets not shown.
    pub fn overlay(&mut self, overlay: &Overlay) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(smtp) = &mut self.smtp {
            let (host, port) = overlay.smtp.clone();
            let names: Vec<String> = smtp.servers.iter().map(ServerSettings::name).collect();
            let is = if names.len() == 1 { "is" } else { "are" };
            lines.push(format!(
                "[smtp] {} {is} {host}:{port}, in clear text and without login",
                names.join(", ")
            ));
            smtp.servers =
                vec![ServerSettings { host, port, tls: SmtpTls::None, login: None, ca: None }];
        }
        for (name, source) in &mut self.sources {
            let source = match source {
                SourceSettings::Salesforce(source) => source,
                SourceSettings::Rest(_) => continue,
                SourceSettings::Own(source) => {
                    source.state.clone_from(&overlay.state);
                    continue;
                }
            };
            lines.push(format!(
                "[sources.{name}] {} is {}, with its own credentials",
                source.login_url, overlay.login_url
            ));
            source.login_url.clone_from(&overlay.login_url);
            let (client_id, client_secret) = overlay.credentials.clone();
            source.auth = SalesforceAuth::ClientCredentials { client_id, client_secret };
        }
        for (name, receiver) in &mut self.receivers {
            let url = format!("{}/{name}", overlay.webhooks.trim_end_matches('/'));
            match receiver {
                ReceiverSettings::Email(_) => {}
                ReceiverSettings::Webhook(webhook) => {
                    let words = "with its own secret";
                    lines.push(format!("[receivers.{name}] the webhook is {url}, {words}"));
                    webhook.url = SecretString::from(url);
                    webhook.passage = Passage::default();
                    webhook.secrets = vec![overlay.webhook_secret.clone()];
                }
                ReceiverSettings::Vendor(hook) => {
                    lines.push(format!("[receivers.{name}] {} is {url}", hook.vendor.word()));
                    hook.url = Some(SecretString::from(url));
                    hook.passage = Passage::default();
                }
            }
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            let url = format!("{}/heartbeat", overlay.webhooks.trim_end_matches('/'));
            lines.push(format!("[postrider] the heartbeat goes to {url}"));
            heartbeat.url = SecretString::from(url);
        }
        lines.push(format!("[postrider] the state is in {}", overlay.state.display()));
        self.state.clone_from(&overlay.state);
        lines
    }
}
