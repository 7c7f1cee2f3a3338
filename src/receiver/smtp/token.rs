//! Tokens of OAuth 2 for AUTH XOAUTH2: asked for, kept until shortly before they expire, never shown.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Client, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::classify::Fault;
use super::login::Credentials;
use super::settings::{SmtpError, TokenSettings};
use crate::receiver::tls::{self, TlsFault};
use crate::receiver::words::words;

/// The largest answer of a token endpoint, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A token that says nothing of its life lives so long.
const LIFE: Duration = Duration::from_secs(600);
/// Longer than this no token is believed to live.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// A token is renewed so long before it expires, or after four fifths of a shorter life.
const EARLY: Duration = Duration::from_secs(300);
/// Tokens of the past that are still kept out of texts.
const SEEN_MAX: usize = 4;
/// The longest explanation that is quoted, in characters.
const EXPLANATION_MAX: usize = 200;

/// The tokens of one account.
pub(super) struct Tokens {
    url: Url,
    client_id: String,
    client_secret: Option<SecretString>,
    scope: Option<String>,
    http: Client,
    limit: Duration,
    state: tokio::sync::Mutex<State>,
    /// What must not be seen.
    secrets: Mutex<VecDeque<SecretString>>,
}

struct State {
    /// The configured one, or the one that came in its place.
    refresh_token: Option<SecretString>,
    token: Option<(SecretString, Instant)>,
}

/// A token, and whether it has just been asked for.
pub(super) struct Given {
    pub(super) token: SecretString,
    pub(super) fresh: bool,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<Seconds>,
    refresh_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Some endpoints write the number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Tokens {
    /// Prepares asking; nothing is sent yet.
    pub(super) fn new(settings: &TokenSettings, limit: Duration) -> Result<Tokens, SmtpError> {
        // Without the address: it may hold a key.
        let url: Url = (settings.url.parse())
            .map_err(|_| SmtpError::Token("`token_url` is not an address on the web".into()))?;
        let tls = if url.scheme() == "https" { tls::client_config(None) } else { tls::nobody() };
        let http = Client::builder()
            .tls_backend_preconfigured(tls.map_err(SmtpError::Tls)?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .no_gzip()
            .referer(false)
            .retry(reqwest::retry::never())
            .timeout(limit)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|err| SmtpError::Token(err.without_url().to_string()))?;
        let secrets = [&settings.client_secret, &settings.refresh_token];
        let secrets = secrets.into_iter().flatten().cloned().collect();
        Ok(Tokens {
            url,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            scope: settings.scope.clone(),
            http,
            limit,
            state: tokio::sync::Mutex::new(State {
                refresh_token: settings.refresh_token.clone(),
                token: None,
            }),
            secrets: Mutex::new(secrets),
        })
    }

    /// The token that is good now. Whoever comes while one is asked for waits for that one.
    pub(super) async fn current(&self, deadline: Instant) -> Result<Given, Fault> {
        let until = deadline.min(Instant::now() + self.limit * 2);
        let timeout = |_| Fault::Broken("the token endpoint gives no answer".into());
        let mut state = tokio::time::timeout_at(until, self.state.lock()).await.map_err(timeout)?;
        if let Some((token, renew_at)) = &state.token
            && Instant::now() < *renew_at
        {
            return Ok(Given { token: token.clone(), fresh: false });
        }
        state.token = None;
        let asked = tokio::time::timeout_at(until, self.ask(&state)).await.map_err(timeout)?;
        let (answer, asked_at) = asked?;
        let token = answer
            .access_token
            .filter(|token| is_token(token))
            .ok_or_else(|| Fault::Setup("the token endpoint's answer holds no token".into()))?;
        let token = SecretString::from(token);
        self.remember(&token);
        if let Some(refresh) = answer.refresh_token.filter(|_| state.refresh_token.is_some()) {
            let refresh = SecretString::from(refresh);
            self.remember(&refresh);
            state.refresh_token = Some(refresh);
        }
        let life = life(answer.expires_in);
        let renew_at = asked_at + (life * 4 / 5).max(life.saturating_sub(EARLY));
        state.token = Some((token.clone(), renew_at));
        Ok(Given { token, fresh: true })
    }

    /// A token that was refused is not given again.
    pub(super) async fn forget(&self, refused: &SecretString) {
        let mut state = self.state.lock().await;
        let same =
            |(token, _): &(SecretString, _)| token.expose_secret() == refused.expose_secret();
        if state.token.as_ref().is_some_and(same) {
            state.token = None;
        }
    }

    /// Whether a text repeats a token or what it was asked for with, also in the form that AUTH has.
    pub(super) fn are_in(&self, user: &str, text: &str) -> bool {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().any(|secret| {
            let credentials = Credentials::Token { user: user.to_owned(), token: secret.clone() };
            credentials.forms().iter().any(|form| text.contains(form.expose_secret()))
        })
    }

    fn remember(&self, secret: &SecretString) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |other: &SecretString| other.expose_secret() == secret.expose_secret();
        if secrets.iter().any(known) {
            return;
        }
        // Those of the config come first, and stay.
        let kept = usize::from(self.client_secret.is_some()) + 1;
        if secrets.len() >= kept + SEEN_MAX {
            secrets.remove(kept);
        }
        secrets.push_back(secret.clone());
    }

    async fn ask(&self, state: &State) -> Result<(Answer, Instant), Fault> {
        let asked_at = Instant::now();
        let mut form = vec![("client_id", self.client_id.as_str())];
        match &state.refresh_token {
            Some(token) => {
                form.push(("grant_type", "refresh_token"));
                form.push(("refresh_token", token.expose_secret()));
            }
            None => form.push(("grant_type", "client_credentials")),
        }
        if let Some(secret) = &self.client_secret {
            form.push(("client_secret", secret.expose_secret()));
        }
        if let Some(scope) = &self.scope {
            form.push(("scope", scope));
        }
        let request = self.http.post(self.url.clone()).header(ACCEPT, "application/json");
        let response = request.form(&form).send().await.map_err(|err| unreachable(&err))?;
        let status = response.status().as_u16();
        let body = whole(response).await?;
        let answer: Result<Answer, _> = serde_json::from_slice(&body);
        match (status, answer) {
            (200..=299, Ok(answer)) => Ok((answer, asked_at)),
            (200..=299, Err(_)) => {
                Err(Fault::Setup("the token endpoint's answer is not the JSON it should be".into()))
            }
            (408 | 425 | 429 | 500.., answer) => Err(Fault::Broken(refusal(status, answer.ok()))),
            (_, answer) => Err(Fault::Setup(refusal(status, answer.ok()))),
        }
    }
}

/// A token that can stand in a header.
fn is_token(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= 16 * 1024
        && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn life(written: Option<Seconds>) -> Duration {
    let seconds = match written {
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => text.trim().parse().ok(),
        None => None,
    };
    let life = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    life.unwrap_or(LIFE).min(LIFE_MAX)
}

/// What the endpoint refused with, in its words; whoever tells them looks for secrets first.
fn refusal(status: u16, answer: Option<Answer>) -> String {
    let mut text = format!("the token endpoint answered {status}");
    let (error, explanation) = match answer {
        Some(answer) => (answer.error, answer.error_description),
        None => (None, None),
    };
    for said in [error, explanation].into_iter().flatten() {
        text += ": ";
        text.extend(said.chars().take(EXPLANATION_MAX));
    }
    words(&text)
}

/// A request that had no answer. The client's own words can hold the address.
fn unreachable(err: &reqwest::Error) -> Fault {
    match tls::fault_in(err) {
        Some(TlsFault::Lasting(what)) if err.is_connect() => {
            Fault::Setup(format!("the token endpoint's TLS is not acceptable: {what}"))
        }
        _ if err.is_timeout() => Fault::Broken("the token endpoint gives no answer".into()),
        _ => Fault::Broken("the token endpoint cannot be reached".into()),
    }
}

async fn whole(mut response: Response) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(block) = response.chunk().await.map_err(|err| unreachable(&err))? {
        bytes.extend_from_slice(&block);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(Fault::Setup("the token endpoint's answer is too long".into()));
        }
    }
    Ok(bytes)
}
