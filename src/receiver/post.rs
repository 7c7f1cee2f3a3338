//! One POST: guarded, bounded, never redirected, never tried twice.
//!
//! Every receiver that is reached by HTTP goes through here. The address can hold a token, and
//! headers and bodies hold keys, so an answer that repeats one of them is not quoted, and the HTTP
//! client's own words are never used.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use reqwest::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    USER_AGENT,
};
use reqwest::{Body, Client, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use self::guard::{Guard, Lookup};
use super::Handover;
use super::tls::{self, TlsError, TlsFault};
use super::words::words;
use crate::clock::Clock;
use crate::domain::delivery::Outcome;

pub(super) mod classify;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod network;
mod passage;
#[cfg(test)]
mod tests;

pub use self::network::Network;
pub use self::passage::{Passage, check_url};

/// How much of an answer is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4_096;
/// The biggest body that is sent, in bytes. An endpoint with a smaller bound says so itself (413).
pub(super) const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Connections to one endpoint that wait for the next message.
const IDLE_MAX: usize = 8;
/// After so many messages a connection is closed, so that a name that leads elsewhere is noticed
/// also where there is always something to send.
const PER_CONNECTION: usize = 100;
/// What is said instead of words that repeat a secret.
const WITHHELD: &str = "(its words repeat the address or a key and are withheld)";

/// How long an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Name lookup, TCP and TLS.
    pub connect: Duration,
    /// The whole attempt, the answer included.
    pub overall: Duration,
    /// How long a connection is kept for the next message; zero: each has one of its own.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            connect: Duration::from_secs(10),
            overall: Duration::from_secs(15),
            // Shorter than any server waits, so that it is hardly ever the far side that hangs up.
            idle: Duration::from_secs(1),
        }
    }
}

impl Bounds {
    /// The same where an endpoint has a time of its own.
    fn on(self, passage: &Passage) -> Bounds {
        let overall = passage.timeout.unwrap_or(self.overall);
        // So that it is known which of them ended: who is never connected to was told nothing.
        Bounds { overall, connect: self.connect.min(overall * 2 / 3), ..self }
    }
}

/// Why an endpoint cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The address is not one that may be called.
    #[error("the address of webhook `{name}` {why}")]
    Address {
        /// The receiver.
        name: String,
        /// What is wrong, without the address.
        why: String,
    },
    /// The proxy is not one that may be asked.
    #[error("the proxy of webhook `{name}` {why}")]
    Proxy {
        /// The receiver.
        name: String,
        /// What is wrong, without the address.
        why: String,
    },
    /// A header or key cannot be sent.
    #[error("`{what}` of receiver `{name}` cannot be sent")]
    Header {
        /// The receiver.
        name: String,
        /// The header's name.
        what: String,
    },
    /// TLS cannot be set up.
    #[error("tls to webhook `{0}` cannot be set up")]
    Tls(String, #[source] TlsError),
    /// The HTTP client cannot be set up.
    #[error("the client of webhook `{0}` cannot be set up: {1}")]
    Client(String, String),
}

/// Whether a file of certificate authorities (PEM) can be used.
///
/// # Errors
/// What is wrong with it.
pub fn check_authorities(pem: &[u8]) -> Result<(), String> {
    tls::check_authorities(pem).map_err(|err| err.to_string())
}

/// Where a POST goes, and what of it must not be repeated.
pub(super) struct Endpoint<'a> {
    /// The receiver's name.
    pub(super) name: &'a str,
    /// The whole address.
    pub(super) url: &'a str,
    /// The way there.
    pub(super) passage: &'a Passage,
    /// Keys that travel in headers or bodies.
    pub(super) withheld: Vec<SecretString>,
}

/// An endpoint, ready to be posted to.
pub(super) struct Post {
    url: Url,
    http: Client,
    sent: AtomicUsize,
    withheld: Vec<SecretString>,
    clock: Arc<dyn Clock>,
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Its Retry-After header, bounded.
    pub(super) after: Option<Duration>,
    /// The beginning of its body.
    pub(super) said: String,
}

impl Post {
    /// Prepares an endpoint; nothing is sent yet.
    pub(super) fn new(
        endpoint: Endpoint<'_>,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
    ) -> Result<Post, PostError> {
        Post::asking(endpoint, clock, bounds, guard::system())
    }

    /// As [`Post::new`], with names looked up by `lookup`.
    fn asking(
        endpoint: Endpoint<'_>,
        clock: Arc<dyn Clock>,
        bounds: Bounds,
        lookup: Lookup,
    ) -> Result<Post, PostError> {
        let Endpoint { passage, withheld, .. } = endpoint;
        let name = endpoint.name.to_owned();
        let url = passage
            .parse(endpoint.url)
            .map_err(|why| PostError::Address { name: name.clone(), why })?;
        let proxy =
            passage.parse_proxy().map_err(|why| PostError::Proxy { name: name.clone(), why })?;
        let tls = match url.scheme() {
            "https" => tls::client_config(passage.ca.as_deref()),
            _ => tls::nobody(),
        };
        let tls = tls.map_err(|err| PostError::Tls(name.clone(), err))?;
        let guard = match &proxy {
            // It is the proxy that is connected to, and that looks up the endpoint's name.
            Some(proxy) => Guard::of_proxy(proxy, passage, lookup),
            None => Guard::of(&url, passage, lookup),
        };
        let bounds = bounds.on(passage);
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_gzip()
            .referer(false)
            // A second try is the outbox's decision, not the client's.
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(guard))
            .connect_timeout(bounds.connect)
            .timeout(bounds.overall)
            .pool_idle_timeout(bounds.idle)
            .pool_max_idle_per_host(if bounds.idle.is_zero() { 0 } else { IDLE_MAX })
            // Those of the environment are not meant for us.
            .no_proxy();
        let builder = match proxy.map(reqwest::Proxy::all).transpose() {
            Ok(proxy) => proxy.into_iter().fold(builder, reqwest::ClientBuilder::proxy),
            Err(err) => {
                return Err(PostError::Client(name, err.without_url().to_string()));
            }
        };
        let http = builder
            .build()
            .map_err(|err| PostError::Client(name, err.without_url().to_string()))?;
        // A very short one would withhold everything.
        let withheld = withheld.into_iter().chain(passage.withheld());
        let withheld = withheld.filter(|secret| secret.expose_secret().len() >= 4).collect();
        Ok(Post { url, http, sent: AtomicUsize::new(0), withheld, clock })
    }

    /// Posts JSON once; `sort` says what the answer means. Its reason is checked for secrets here.
    pub(super) async fn send(
        &self,
        headers: &HeaderMap,
        body: Vec<u8>,
        handover: &Handover,
        sort: impl FnOnce(&Answer) -> Outcome,
    ) -> Outcome {
        if body.len() > BODY_BYTES_MAX {
            return Outcome::Rejected(format!(
                "its body has {} bytes, and no more than {BODY_BYTES_MAX} are sent",
                body.len()
            ));
        }
        let request = self.http.post(self.url.clone()).headers(common()).headers(headers.clone());
        // The body has one length, told beforehand: without it the request is none.
        let mut request = request.header(CONTENT_LENGTH, body.len());
        if self.sent.fetch_add(1, Ordering::Relaxed) % PER_CONNECTION == PER_CONNECTION - 1 {
            request = request.header(CONNECTION, HeaderValue::from_static("close"));
        }
        match request.body(handed_over(body, handover.clone())).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                let after = response.headers().get(RETRY_AFTER).and_then(|value| {
                    classify::retry_after(value.to_str().ok()?, self.clock.now())
                });
                let answer = Answer { status, after, said: beginning(response).await };
                let outcome = sort(&answer);
                match self.repeats(&answer.said) {
                    true => because(outcome, format!("answered {status}: {WITHHELD}")),
                    false => outcome,
                }
            }
            Err(err) => classify_error(&err, handover.has_begun()),
        }
    }

    /// Whether an answer repeats a part of the address or one of the keys.
    fn repeats(&self, said: &str) -> bool {
        guard::repeats_address(&self.url, said)
            || self.withheld.iter().any(|secret| said.contains(secret.expose_secret()))
    }
}

/// A body that is handed over when the client takes it: when there is a connection, and the head of
/// the request is written to it.
fn handed_over(body: Vec<u8>, handover: Handover) -> Body {
    Body::wrap_stream(stream::once(async move {
        handover.begin();
        Ok::<_, Infallible>(body)
    }))
}

/// Headers of every POST; a receiver's own come after them and win.
fn common() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("postrider/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers
}

/// A header whose value is a secret.
pub(super) fn secret_header(
    receiver: &str,
    name: &str,
    value: &SecretString,
) -> Result<(HeaderName, HeaderValue), PostError> {
    let wrong = || PostError::Header { name: receiver.to_owned(), what: name.to_owned() };
    let key: HeaderName = name.parse().map_err(|_| wrong())?;
    let mut value: HeaderValue = value.expose_secret().parse().map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((key, value))
}

/// The same outcome for another reason.
fn because(outcome: Outcome, reason: String) -> Outcome {
    match outcome {
        // What it said to a delivered message is not quoted in any case.
        Outcome::Delivered(words) => Outcome::Delivered(words),
        other => other.map_words(|_| reason),
    }
}

/// What a failed request means; `sent`: its body may have left. The error's own text can hold the
/// address, so it is not used.
fn classify_error(err: &reqwest::Error, sent: bool) -> Outcome {
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
    match (err.is_connect() || !sent, err.is_timeout()) {
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
