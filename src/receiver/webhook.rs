//! Webhooks: one signed POST by the Standard Webhooks rules.
//!
//! Id and body were fixed when the message was made; time and signature are this attempt's. The
//! address can hold a token, so it appears in no text that leaves this module.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use self::classify::{classify, retry_after};
use self::guard::{Guard, parse_url};
use self::sign::{Key, signature};
use super::tls::{self, TlsFault};
use super::words::words;
use super::{Receiver, tls::TlsError};
use crate::clock::Clock;
use crate::domain::delivery::{Message, Outcome};

mod classify;
mod guard;
mod sign;
#[cfg(test)]
mod tests;

pub use self::guard::check_url;
pub use self::sign::check_secret;

/// How much of an answer is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4_096;

/// One webhook endpoint.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The receiver's name in `[receivers]`.
    pub name: String,
    /// The endpoint; an address can hold a token, so it is a secret.
    pub url: SecretString,
    /// Signing secrets (`whsec_...`), the current one first; none: unsigned.
    pub secrets: Vec<SecretString>,
}

/// How long an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Name lookup, TCP and TLS.
    pub connect: Duration,
    /// The whole attempt, the answer included.
    pub overall: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { connect: Duration::from_secs(10), overall: Duration::from_secs(15) }
    }
}

/// Why a webhook cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address is not one that may be called.
    #[error("the address of webhook `{name}` {why}")]
    Address {
        /// The receiver.
        name: String,
        /// What is wrong, without the address.
        why: String,
    },
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
    /// TLS cannot be set up.
    #[error("tls to webhook `{0}` cannot be set up")]
    Tls(String, #[source] TlsError),
    /// The HTTP client cannot be set up.
    #[error("the client of webhook `{0}` cannot be set up: {1}")]
    Client(String, String),
}

/// A webhook endpoint as a receiver.
pub struct Webhook {
    url: Url,
    keys: Vec<Key>,
    http: Client,
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
        let name = settings.name;
        let url = parse_url(settings.url.expose_secret())
            .map_err(|why| WebhookError::Address { name: name.clone(), why })?;
        let mut keys = Vec::with_capacity(settings.secrets.len());
        for (index, secret) in settings.secrets.iter().enumerate() {
            let key = Key::parse(secret.expose_secret()).map_err(|why| WebhookError::Secret {
                name: name.clone(),
                number: index + 1,
                why,
            })?;
            keys.push(key);
        }
        let tls = if url.scheme() == "https" { tls::client_config(None) } else { tls::nobody() };
        let tls = tls.map_err(|err| WebhookError::Tls(name.clone(), err))?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .no_gzip()
            .referer(false)
            // A second try is the outbox's decision, not the client's.
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(Guard::for_url(&url)))
            .connect_timeout(bounds.connect)
            .timeout(bounds.overall)
            // A kept connection that dies under a request leaves its fate unknown: take fresh ones.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|err| WebhookError::Client(name, err.without_url().to_string()))?;
        Ok(Webhook { url, keys, http, clock })
    }

    fn headers(&self, message: &Message) -> Result<HeaderMap, String> {
        let timestamp = self.clock.now().timestamp();
        let mut headers = HeaderMap::new();
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
        put(CONTENT_TYPE.as_str(), "application/json")?;
        put(USER_AGENT.as_str(), concat!("postrider/", env!("CARGO_PKG_VERSION")))?;
        Ok(headers)
    }
}

impl Receiver for Webhook {
    fn deliver<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let headers = match self.headers(message) {
                Ok(headers) => headers,
                Err(why) => return Outcome::Rejected(words(&why)),
            };
            let request = self.http.post(self.url.clone()).headers(headers);
            match request.body(message.bytes.clone()).send().await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    let after = response
                        .headers()
                        .get(RETRY_AFTER)
                        .and_then(|value| retry_after(value.to_str().ok()?, self.clock.now()));
                    let said = guard::withhold(&self.url, beginning(response).await);
                    classify(status, after, &said)
                }
                Err(err) => classify_error(&err),
            }
        })
    }
}

/// What a failed request means. The error's own text can hold the address, so it is not used.
fn classify_error(err: &reqwest::Error) -> Outcome {
    match tls::fault_in(err) {
        Some(TlsFault::Lasting(what)) if err.is_connect() => {
            return Outcome::ReceiverBroken(words(&format!("its TLS is not acceptable: {what}")));
        }
        _ => {}
    }
    if err.is_builder() {
        return Outcome::ReceiverBroken("the request cannot be made from the settings".into());
    }
    if let Some(why) = guard::refusal_in(err) {
        return Outcome::ReceiverBroken(why);
    }
    match (err.is_connect(), err.is_timeout()) {
        (true, true) => Outcome::ServerDown("no connection within the time allowed".into()),
        (true, false) => Outcome::ServerDown(words(&format!("no connection: {}", deepest(err)))),
        (false, true) => {
            Outcome::Uncertain("sent, but not answered within the time allowed".into())
        }
        (false, false) => {
            Outcome::Uncertain("sent, but the connection broke before the answer".into())
        }
    }
}

/// The innermost cause: the system's words, which know addresses of machines but no paths.
fn deepest(err: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = err;
    let mut text = String::from("it failed");
    while let Some(inner) = cause.source() {
        text = inner.to_string();
        cause = inner;
    }
    text
}

/// The first bytes of an answer's body; the status is the verdict, so a body that fails is no loss.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(block)) = response.chunk().await {
        bytes.extend_from_slice(&block);
        if bytes.len() >= ANSWER_BYTES_MAX {
            bytes.truncate(ANSWER_BYTES_MAX);
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
