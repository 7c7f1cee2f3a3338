//! Webhooks: one signed POST by the Standard Webhooks rules.
//!
//! Id and body were fixed when the message was made; time and signature are this attempt's. The
//! address can hold a token, so it appears in no text that leaves this module.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

use self::sign::{Key, signature};
use super::post::{Endpoint, Passage, Post, PostError, classify, secret_header};
use super::words::words;
use super::{Handover, Receiver};
use crate::clock::Clock;
use crate::domain::delivery::{Message, Outcome};

mod sign;
#[cfg(test)]
mod tests;

pub use self::sign::{check_secret, public_key};
pub use super::post::Bounds;

/// One webhook endpoint.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The receiver's name in `[receivers]`.
    pub name: String,
    /// The endpoint; an address can hold a token, so it is a secret.
    pub url: SecretString,
    /// Signing secrets (`whsec_...`, `whsk_...`), the current one first; none: unsigned.
    pub secrets: Vec<SecretString>,
    /// Further headers.
    pub headers: Vec<(String, SecretString)>,
    /// The way there.
    pub passage: Passage,
}

impl WebhookSettings {
    /// Every secret in it, as it is written.
    pub fn all_secrets(&self) -> Vec<&SecretString> {
        let headers = self.headers.iter().map(|(_, value)| value);
        let proxy = &self.passage.proxy;
        std::iter::once(&self.url).chain(&self.secrets).chain(headers).chain(proxy).collect()
    }
}

/// Why a webhook cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The endpoint cannot be used.
    #[error(transparent)]
    Post(#[from] PostError),
    /// A signing secret is not one.
    #[error("secret {number} of webhook `{name}` {why}")]
    Secret {
        /// The receiver.
        name: String,
        /// Which one, from 1.
        number: usize,
        /// What is wrong, without the secret.
        why: String,
    },
}

/// A webhook endpoint as a receiver.
pub struct Webhook {
    post: Post,
    keys: Vec<Key>,
    own: HeaderMap,
    clock: Arc<dyn Clock>,
}

impl Webhook {
    /// Makes the receiver; nothing is sent yet.
    ///
    /// # Errors
    /// When address or secrets are not what they should be.
    pub fn new(settings: WebhookSettings, clock: Arc<dyn Clock>) -> Result<Webhook, WebhookError> {
        Webhook::with_bounds(settings, clock, Bounds::default())
    }

    /// As [`Webhook::new`], with bounds of one's own.
    ///
    /// # Errors
    /// As [`Webhook::new`].
    pub fn with_bounds(
        settings: WebhookSettings,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Result<Webhook, WebhookError> {
        let WebhookSettings { name, url, secrets, headers, passage } = settings;
        let mut keys = Vec::with_capacity(secrets.len());
        for (index, secret) in secrets.iter().enumerate() {
            let key = Key::parse(secret.expose_secret()).map_err(|why| WebhookError::Secret {
                name: name.clone(),
                number: index + 1,
                why,
            })?;
            keys.push(key);
        }
        let own: Result<HeaderMap, PostError> =
            headers.iter().map(|(header, value)| secret_header(&name, header, value)).collect();
        let own = own?;
        let values = headers.into_iter().map(|(_, value)| value);
        let url = url.expose_secret();
        let bare = |secret: &SecretString| {
            let text = secret.expose_secret();
            SecretString::from(text.split_once('_').map_or(text, |(_, bare)| bare))
        };
        let withheld = secrets.iter().map(bare).chain(values).collect();
        let endpoint = Endpoint { name: &name, url, passage: &passage, withheld };
        let post = Post::new(endpoint, Arc::clone(&clock), bounds)?;
        Ok(Webhook { post, keys, own, clock })
    }

    fn headers(&self, message: &Message) -> Result<HeaderMap, String> {
        let timestamp = self.clock.now().timestamp();
        let mut headers = self.own.clone();
        let mut put = |name: &'static str, value: &str| match value.parse() {
            Ok(value) => {
                headers.insert(name, value);
                Ok(())
            }
            Err(_) => Err(format!("the message's `{name}` cannot be sent as a header")),
        };
        put("webhook-id", &message.id)?;
        put("webhook-timestamp", &timestamp.to_string())?;
        if !self.keys.is_empty() {
            put(
                "webhook-signature",
                &signature(&self.keys, &message.id, timestamp, &message.bytes),
            )?;
        }
        Ok(headers)
    }
}

impl Receiver for Webhook {
    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        handover: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                outcomes.push(match self.headers(message) {
                    Ok(headers) => {
                        let (body, sort) = (message.bytes.clone(), classify::classify);
                        self.post.send(&headers, body, handover, sort).await
                    }
                    Err(why) => Outcome::Rejected(words(&why)),
                });
            }
            outcomes
        })
    }
}
