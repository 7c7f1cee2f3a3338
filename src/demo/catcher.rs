//! A webhook catcher: it keeps what is posted to `/hook`, checks the signature by itself, and
//! answers as told.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Router, serve};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::cut::{Cut, CutListener};
use super::shelf::Shelf;
use crate::clock::Clock;

mod cut;
#[cfg(test)]
mod tests;

/// The most webhooks kept.
const HOOKS_MAX: usize = 1_000;
/// The most bytes of webhooks kept.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// The biggest body taken, in bytes.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the catcher found about a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// One of the signatures is by one of the catcher's secrets.
    Verified,
    /// There are signatures, and none is by the catcher's secrets.
    Wrong,
    /// There are signatures, and the catcher has no secret to check them with.
    Unchecked,
    /// There is no signature.
    Unsigned,
}

/// A webhook that was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// From 1, in order of arrival.
    pub number: u64,
    /// When it came, by the catcher's clock.
    pub received: DateTime<Utc>,
    /// All headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body as posted.
    pub body: Vec<u8>,
    /// What the signature is worth.
    pub signed: Signed,
    /// How it is answered.
    pub answered: Answer,
}

impl Hook {
    /// The first header of a name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, `Null` when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// How to answer one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With a status, headers and a body.
    Status {
        /// 100 to 999.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body's text.
        body: String,
    },
    /// As the inner answer says, after this long.
    After(Duration, Box<Answer>),
    /// Never.
    Stall,
    /// By closing the connection.
    Close,
}

impl Answer {
    /// A bare status.
    pub fn status(status: u16) -> Answer {
        Answer::Status { status, headers: Vec::new(), body: String::new() }
    }

    /// A status with one header.
    pub fn with_header(status: u16, name: &str, value: &str) -> Answer {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Answer::Status { status, headers, body: String::new() }
    }
}

/// A running catcher; dropping it stops it.
pub struct Catcher {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    secrets: Vec<SecretString>,
    hooks: Shelf<Hook>,
    answers: Mutex<VecDeque<Answer>>,
}

impl Catcher {
    /// Listens at an address (port 0 takes a free one) and checks signatures against `secrets`
    /// (`whsec_...`). Each webhook is answered with 200 until [`Catcher::answer`] says otherwise.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start(
        listen: SocketAddr,
        secrets: Vec<SecretString>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Catcher> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let hooks = Shelf::new(HOOKS_MAX, BYTES_MAX);
        let shared = Arc::new(Shared { clock, secrets, hooks, answers: Mutex::default() });
        let router = Router::new()
            .route("/hook", post(catch))
            .route("/hook/{*rest}", post(catch))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Cut>();
        let serving = tokio::spawn(async move {
            // Serving ends only with the task.
            let _ = serve(CutListener(listener), router).await;
        });
        Ok(Catcher { shared, address, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to post to. Any path below it is caught too.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The webhooks it holds, oldest first: the last 1000, up to 64 MiB.
    pub fn hooks(&self) -> Vec<Arc<Hook>> {
        self.shared.hooks.all()
    }

    /// One webhook by its number.
    pub fn hook(&self, number: u64) -> Option<Arc<Hook>> {
        self.shared.hooks.find(number)
    }

    /// How many webhooks arrived since the start or the last [`Catcher::clear`].
    pub fn received(&self) -> usize {
        self.shared.hooks.total()
    }

    /// Waits until at least `count` webhooks arrived since the start or the last
    /// [`Catcher::clear`]; those still held, oldest first. The caller bounds the wait.
    pub async fn wait_for(&self, count: usize) -> Vec<Arc<Hook>> {
        self.shared.hooks.reached(count).await;
        self.hooks()
    }

    /// Throws the webhooks away.
    pub fn clear(&self) {
        self.shared.hooks.clear();
    }

    /// Answers the next webhook that has no answer planned yet; later ones get 200 again.
    pub fn answer(&self, answer: Answer) {
        self.shared.answers().push_back(answer);
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn answers(&self) -> MutexGuard<'_, VecDeque<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn catch(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed = check(&shared.secrets, &headers, &body);
    let received = shared.clock.now();
    let listed: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let mut answer = shared.answers().pop_front().unwrap_or_else(|| Answer::status(200));
    shared.hooks.add(body.len(), |number| Hook {
        number,
        received,
        headers: listed,
        body: body.to_vec(),
        signed,
        answered: answer.clone(),
    });
    loop {
        match answer {
            Answer::After(wait, then) => {
                tokio::time::sleep(wait).await;
                answer = *then;
            }
            Answer::Stall => std::future::pending().await,
            Answer::Close => {
                cut.cut();
                return StatusCode::OK.into_response();
            }
            Answer::Status { status, headers, body } => return response(status, headers, body),
        }
    }
}

fn response(status: u16, headers: Vec<(String, String)>, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Checks Standard Webhooks signatures, written apart from the sender's code so that the two prove
/// each other. Times are not compared: the demo's clock runs faster than the world's.
fn check(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Signed {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(signatures) = text("webhook-signature") else { return Signed::Unsigned };
    if secrets.is_empty() {
        return Signed::Unchecked;
    }
    let (Some(id), Some(timestamp)) = (text("webhook-id"), text("webhook-timestamp")) else {
        return Signed::Wrong;
    };
    let mut content = format!("{id}.{timestamp}.").into_bytes();
    content.extend_from_slice(body);
    let verified = secrets.iter().any(|secret| {
        signatures.split(' ').any(|signature| is_by(secret, signature, &content).unwrap_or(false))
    });
    if verified { Signed::Verified } else { Signed::Wrong }
}

fn is_by(secret: &SecretString, signature: &str, content: &[u8]) -> Option<bool> {
    let key = STANDARD.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
    let given = STANDARD.decode(signature.strip_prefix("v1,")?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(content);
    Some(mac.verify_slice(&given).is_ok())
}
