//! Vendors' endpoints: one POST each in the way that vendor wants it.
//!
//! The body was fixed when the message was made and holds no secret: who it is from and where it goes
//! (routing key, chat, token) is put in here, at each attempt, so that none of it lies in the state.
//! What an answer means is a table a vendor.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

use super::post::{Answer, Bounds, Endpoint, Passage, Post, PostError, secret_header};
use super::{Handover, Receiver};
use crate::clock::Clock;
use crate::domain::delivery::{Message, Outcome};

mod alertmanager;
mod discord;
mod pagerduty;
mod slack;
mod teams;
mod telegram;

/// Whose endpoint it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// A Slack incoming webhook.
    Slack,
    /// A Microsoft Teams channel, by the address of a workflow.
    Teams,
    /// A Discord webhook.
    Discord,
    /// A Telegram bot.
    Telegram,
    /// PagerDuty's Events API, version 2.
    PagerDuty,
    /// Prometheus' Alertmanager.
    Alertmanager,
}

impl Vendor {
    /// As `kind` has it.
    pub fn word(self) -> &'static str {
        match self {
            Vendor::Slack => "slack",
            Vendor::Teams => "teams",
            Vendor::Discord => "discord",
            Vendor::Telegram => "telegram",
            Vendor::PagerDuty => "pagerduty",
            Vendor::Alertmanager => "alertmanager",
        }
    }

    /// Where it is, if the config does not say; `None`: it must say.
    fn home(self) -> Option<&'static str> {
        match self {
            Vendor::PagerDuty => Some("https://events.pagerduty.com/v2/enqueue"),
            Vendor::Telegram => Some("https://api.telegram.org"),
            Vendor::Slack | Vendor::Teams | Vendor::Discord | Vendor::Alertmanager => None,
        }
    }

    fn sort(self, answer: &Answer) -> Outcome {
        match self {
            Vendor::Slack => slack::classify(answer),
            Vendor::Teams => teams::classify(answer),
            Vendor::Discord => discord::classify(answer),
            Vendor::Telegram => telegram::classify(answer),
            Vendor::PagerDuty => pagerduty::classify(answer),
            Vendor::Alertmanager => alertmanager::classify(answer),
        }
    }
}

/// One vendor's endpoint as configured.
#[derive(Clone, Debug)]
pub struct VendorSettings {
    /// The receiver's name in `[receivers]`.
    pub name: String,
    /// Whose it is.
    pub vendor: Vendor,
    /// Its address: of Slack, Teams and Discord the whole one, which is a secret; of Telegram and
    /// Alertmanager what comes before the path; `None`: the vendor's own.
    pub url: Option<SecretString>,
    /// What lets us in.
    pub access: Access,
    /// Telegram: the chat. PagerDuty and the others have none.
    pub chat: Option<String>,
    /// The way there.
    pub passage: Passage,
}

/// What lets us in, besides the address.
#[derive(Clone, Debug)]
pub enum Access {
    /// Nothing: the address is enough.
    Open,
    /// Telegram: the bot's token. PagerDuty: the routing key. Alertmanager: a bearer token.
    Key(SecretString),
    /// Alertmanager: a login.
    Login(String, SecretString),
}

impl VendorSettings {
    /// Every secret in it, as it is written.
    pub fn secrets(&self) -> Vec<&SecretString> {
        let access = match &self.access {
            Access::Open => None,
            Access::Key(secret) | Access::Login(_, secret) => Some(secret),
        };
        self.url.iter().chain(access).chain(&self.passage.proxy).collect()
    }

    /// Whether a secret is missing: only where a config is looked at and not acted on.
    pub fn is_unset(&self) -> bool {
        self.secrets().into_iter().any(|secret| secret.expose_secret().is_empty())
    }

    /// The address that is posted to.
    fn address(&self) -> String {
        let home = self.vendor.home().unwrap_or_default();
        let base = self.url.as_ref().map_or(home, |url| url.expose_secret().trim());
        match (self.vendor, &self.access) {
            (Vendor::Telegram, Access::Key(token)) => {
                let base = base.trim_end_matches('/');
                format!("{base}/bot{}/sendMessage", token.expose_secret())
            }
            (Vendor::Alertmanager, _) => format!("{}/api/v2/alerts", base.trim_end_matches('/')),
            _ => base.to_owned(),
        }
    }

    /// The secrets as they travel.
    fn withheld(&self) -> Vec<SecretString> {
        match &self.access {
            Access::Open => Vec::new(),
            Access::Key(key) => vec![key.clone()],
            Access::Login(user, password) => {
                vec![password.clone(), SecretString::from(basic(user, password))]
            }
        }
    }

    fn headers(&self) -> Result<HeaderMap, PostError> {
        let value = match (self.vendor, &self.access) {
            (Vendor::Alertmanager, Access::Key(token)) => {
                format!("Bearer {}", token.expose_secret())
            }
            (_, Access::Login(user, password)) => format!("Basic {}", basic(user, password)),
            _ => return Ok(HeaderMap::new()),
        };
        let header = secret_header(&self.name, "authorization", &SecretString::from(value))?;
        Ok([header].into_iter().collect())
    }

    /// What every body begins with, besides what was stored: a member of its object.
    fn member(&self) -> Option<SecretString> {
        let (name, value) = match (self.vendor, &self.access, &self.chat) {
            (Vendor::PagerDuty, Access::Key(key), _) => ("routing_key", key.expose_secret()),
            (Vendor::Telegram, _, Some(chat)) => ("chat_id", chat.as_str()),
            _ => return None,
        };
        let value = serde_json::Value::from(value);
        Some(SecretString::from(format!("\"{name}\":{value}")))
    }
}

fn basic(user: &str, password: &SecretString) -> String {
    STANDARD.encode(format!("{user}:{}", password.expose_secret()))
}

/// A vendor's endpoint as a receiver.
pub struct VendorHook {
    vendor: Vendor,
    post: Post,
    headers: HeaderMap,
    member: Option<SecretString>,
}

impl VendorHook {
    /// Makes the receiver; nothing is sent yet.
    ///
    /// # Errors
    /// When its address or its keys are not what they should be.
    pub fn new(
        settings: &VendorSettings,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Result<VendorHook, PostError> {
        let endpoint = Endpoint {
            name: &settings.name,
            url: &settings.address(),
            passage: &settings.passage,
            withheld: settings.withheld(),
        };
        Ok(VendorHook {
            vendor: settings.vendor,
            post: Post::new(endpoint, clock, bounds)?,
            headers: settings.headers()?,
            member: settings.member(),
        })
    }

    /// The stored body with what is ours alone.
    fn body(&self, stored: &[u8]) -> Vec<u8> {
        let rest = stored.strip_prefix(b"{");
        match (&self.member, rest) {
            (Some(member), Some(rest)) => {
                let comma: &[u8] = if rest.starts_with(b"}") { b"" } else { b"," };
                [b"{", member.expose_secret().as_bytes(), comma, rest].concat()
            }
            _ => stored.to_vec(),
        }
    }
}

impl Receiver for VendorHook {
    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        handover: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                let body = self.body(&message.bytes);
                let sort = |answer: &Answer| self.vendor.sort(answer);
                outcomes.push(self.post.send(&self.headers, body, handover, sort).await);
            }
            outcomes
        })
    }
}

#[cfg(test)]
mod tests;
