//! How an API knows us: what each request carries, the tokens of OAuth 2 client credentials, and
//! what must never be seen in a text.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::door::{Next, Patience};
use super::failure::{self, Failure};
use super::http::{self, Answer};
use super::paging::with_parameter;
use super::settings::{RestAuth, RestSettings};
use crate::clock::Clock;
use crate::source::web::Bounds;

/// A token is renewed so long before it expires.
const EARLY: TimeDelta = TimeDelta::seconds(60);

/// A login that was refused is not tried again for this long: who fails too often is locked out.
const REFUSED_FOR: TimeDelta = TimeDelta::minutes(1);

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// Fewer characters of a secret are words of any text.
const PIECE_CHARS: usize = 6;

/// Tokens of the past that are still kept out of texts.
const TOKENS_KEPT: usize = 4;

/// How an API knows us.
pub(super) struct Auth {
    kind: Kind,
    /// What must not be seen.
    secrets: Vec<SecretString>,
    tokens_seen: Mutex<Vec<SecretString>>,
}

enum Kind {
    None,
    Header(HeaderName, HeaderValue),
    Query(String, SecretString),
    OAuth2(Box<OAuth2>),
}

struct OAuth2 {
    url: Url,
    client_id: SecretString,
    client_secret: SecretString,
    scope: Option<String>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    tokens: u64,
    /// The server wants id and secret in a header and not in the form.
    by_header: bool,
    refused: Option<(DateTime<Utc>, Failure)>,
}

/// A token, as far as known a good one.
#[derive(Clone)]
pub(super) struct Token {
    value: SecretString,
    /// Tells tokens apart: the first is 1.
    pub(super) number: u64,
    renew_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token #{}", self.number)
    }
}

impl Auth {
    /// # Errors
    /// What is wrong with the settings, as a fragment without the secret.
    pub(super) fn new(settings: &RestSettings) -> Result<Auth, String> {
        let bearer = |value: &SecretString| sensitive(&format!("Bearer {}", value.expose_secret()));
        let mut secrets: Vec<SecretString> =
            settings.headers.iter().map(|(_, value)| value.clone()).collect();
        let kind = match &settings.auth {
            RestAuth::None => Kind::None,
            RestAuth::Bearer(value) => {
                secrets.push(value.clone());
                Kind::Header(AUTHORIZATION, bearer(value)?)
            }
            RestAuth::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose_secret());
                let encoded = BASE64_STANDARD.encode(pair);
                let header = sensitive(&format!("Basic {encoded}"))?;
                secrets.extend([password.clone(), SecretString::from(encoded)]);
                Kind::Header(AUTHORIZATION, header)
            }
            RestAuth::Header { name, value } => {
                secrets.push(value.clone());
                Kind::Header(header_name(name)?, sensitive(value.expose_secret())?)
            }
            RestAuth::Query { name, value } => {
                secrets.push(value.clone());
                Kind::Query(name.clone(), value.clone())
            }
            RestAuth::OAuth2 { token_url, client_id, client_secret, scope } => {
                secrets.push(client_secret.clone());
                Kind::OAuth2(Box::new(OAuth2 {
                    url: http::safe_url(token_url)?,
                    client_id: client_id.clone(),
                    client_secret: client_secret.clone(),
                    scope: scope.clone(),
                    state: tokio::sync::Mutex::default(),
                }))
            }
        };
        Ok(Auth { kind, secrets, tokens_seen: Mutex::default() })
    }

    /// A request for an address, with what makes the source know us.
    pub(super) fn get(
        &self,
        http: &reqwest::Client,
        url: &Url,
        token: Option<&Token>,
    ) -> Result<reqwest::RequestBuilder, Failure> {
        Ok(match (&self.kind, token) {
            (Kind::None, _) => http.get(url.clone()),
            (Kind::Header(name, value), _) => http.get(url.clone()).header(name, value),
            (Kind::Query(name, value), _) => {
                http.get(with_parameter(url, name, value.expose_secret()))
            }
            (Kind::OAuth2(_), None) => http.get(url.clone()),
            (Kind::OAuth2(_), Some(token)) => {
                let value = sensitive(&format!("Bearer {}", token.value.expose_secret()))
                    .map_err(|_| Failure::Refused("its token cannot be sent".to_owned()))?;
                http.get(url.clone()).header(AUTHORIZATION, value)
            }
        })
    }

    /// The token to use, other than number `dead`; `None` where none is needed. `sent` is called
    /// for each request made for it. One caller fetches while the others wait.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
        bounds: Bounds,
        clock: &dyn Clock,
        dead: Option<u64>,
        sent: impl Fn(),
    ) -> Result<Option<Token>, Failure> {
        let Kind::OAuth2(oauth) = &self.kind else { return Ok(None) };
        let mut state = oauth.state.lock().await;
        let now = clock.now();
        let good = |token: &&Token| {
            Some(token.number) != dead && token.renew_at.is_none_or(|renew| now < renew)
        };
        if let Some(token) = state.token.as_ref().filter(good) {
            return Ok(Some(token.clone()));
        }
        if let Some((since, failure)) = &state.refused
            && now - *since < REFUSED_FOR
        {
            return Err(failure.clone());
        }
        let mut patience = Patience::new(clock);
        loop {
            let failure = match oauth.ask(http, bounds, clock, &mut state, &sent).await {
                Ok(token) => {
                    state.refused = None;
                    state.token = Some(token.clone());
                    self.saw(token.value.clone());
                    return Ok(Some(token));
                }
                Err(failure) => failure,
            };
            let again = match &failure {
                Failure::Transient { after, .. } => patience.wait(*after).await,
                _ => Next::GiveUp,
            };
            if again != Next::Try {
                state.token = None;
                if matches!(failure, Failure::Refused(_)) {
                    state.refused = Some((clock.now(), failure.clone()));
                }
                return Err(failure);
            }
        }
    }

    /// Whether a new token may help where one was refused.
    pub(super) fn can_renew(&self) -> bool {
        matches!(self.kind, Kind::OAuth2(_))
    }

    /// A text without any secret, in case the far side repeats what we sent. What is shown of it is
    /// cut, perhaps within a secret: then the piece that is left goes too.
    pub(super) fn clean(&self, text: &str) -> String {
        let tokens = self.tokens_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for secret in self.secrets.iter().chain(tokens.iter()) {
            let secret = secret.expose_secret();
            // Shorter ones are words of any text (a header `Accept: *`).
            if secret.len() < 4 || secret.starts_with("application/") {
                continue;
            }
            let in_query: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let in_path = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            for written in [secret, &in_query, &in_path] {
                text = without_piece(text.replace(written, HIDDEN), written);
            }
        }
        text
    }

    fn saw(&self, token: SecretString) {
        let mut tokens = self.tokens_seen.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_KEPT {
            tokens.remove(0);
        }
        tokens.push(token);
    }
}

impl OAuth2 {
    async fn ask(
        &self,
        http: &reqwest::Client,
        bounds: Bounds,
        clock: &dyn Clock,
        state: &mut State,
        sent: &impl Fn(),
    ) -> Result<Token, Failure> {
        sent();
        let mut answer = http::send(self.request(http, state.by_header), bounds).await?;
        let shy = matches!(answer.status, 400 | 401)
            && String::from_utf8_lossy(&answer.body).contains("invalid_client");
        if shy && !state.by_header {
            // Some servers take id and secret by header only, as the standard lets them.
            sent();
            answer = http::send(self.request(http, true), bounds).await?;
            state.by_header = answer.status == 200;
        }
        if answer.status != 200 {
            return Err(failure::of_token(&answer, &self.url, clock.now()));
        }
        let (value, lives) = token_of(&answer)?;
        state.tokens += 1;
        let now = clock.now();
        // A token that lives shortly is used for most of its life.
        let renew_at = lives.map(|lives| now + (lives - EARLY).max(lives * 3 / 4));
        Ok(Token { value, number: state.tokens, renew_at })
    }

    fn request(&self, http: &reqwest::Client, by_header: bool) -> reqwest::RequestBuilder {
        let (id, secret) = (self.client_id.expose_secret(), self.client_secret.expose_secret());
        let mut form = vec![("grant_type", "client_credentials")];
        if let Some(scope) = &self.scope {
            form.push(("scope", scope));
        }
        let request = http.post(self.url.clone()).header("accept", "application/json");
        if by_header {
            let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            return request.basic_auth(encoded(id), Some(encoded(secret))).form(&form);
        }
        form.extend([("client_id", id), ("client_secret", secret)]);
        request.form(&form)
    }
}

/// The token in an answer, and how long it lives.
fn token_of(answer: &Answer) -> Result<(SecretString, Option<TimeDelta>), Failure> {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(token) = json.get("access_token").and_then(Value::as_str) else {
        // Nothing of it is shown: half a token is a secret too, unless it is plainly a page.
        let text = String::from_utf8_lossy(&answer.body);
        let page = text.trim_start().starts_with('<');
        let shown = if page { failure::beginning(&text) } else { String::new() };
        return Err(Failure::Refused(format!("`token_url` answered no `access_token` {shown}")));
    };
    let lives = json.get("expires_in").and_then(|value| match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    let lives = lives.filter(|lives: &f64| *lives > 0.0);
    let lives = lives.map(|lives| TimeDelta::seconds(lives.min(1e9) as i64));
    Ok((SecretString::from(token), lives))
}

/// The name of a header.
///
/// # Errors
/// That it is none.
pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{name}` is no name of a header"))
}

/// A value that logs of the HTTP client do not show.
///
/// # Errors
/// That it cannot be sent, without it.
pub(super) fn sensitive(value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
        "a secret or header has characters that cannot be sent (a line end?)".to_owned()
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A text without beginnings of a secret where the text, or a piece shown in it, was cut.
fn without_piece(text: String, secret: &str) -> String {
    let Some((end, _)) = secret.char_indices().nth(PIECE_CHARS) else { return text };
    let mut clean = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(&secret[..end]) {
        let same = rest[at..].chars().zip(secret.chars()).take_while(|(a, b)| a == b);
        let after = at + same.map(|(a, _)| a.len_utf8()).sum::<usize>();
        let cut = ["`", "..."].iter().any(|end| rest[after..].starts_with(end));
        let cut = cut || rest[after..].is_empty();
        clean.push_str(if cut { &rest[..at] } else { &rest[..after] });
        clean.push_str(if cut { HIDDEN } else { "" });
        rest = &rest[after..];
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_text_shows_a_secret_however_it_is_written() {
        let settings = RestSettings {
            name: "desk".to_owned(),
            base_url: "https://desk.example.com".to_owned(),
            auth: RestAuth::Basic {
                username: "me".to_owned(),
                password: SecretString::from("a-b +c/d"),
            },
            headers: vec![("X-Key".to_owned(), SecretString::from("k3y!"))],
            pull_every: TimeDelta::minutes(5),
            history: None,
            rate: None,
            datasets: BTreeMap::new(),
        };
        let auth = Auth::new(&settings).unwrap();
        auth.saw(SecretString::from("t0ken"));
        for text in
            ["a-b +c/d", "a-b+%2Bc%2Fd", "a%2Db%20%2Bc%2Fd", "bWU6YS1iICtjL2Q=", "k3y!", "t0ken"]
        {
            assert_eq!(auth.clean(&format!("x={text}.")), "x=***.", "{text}");
        }
        (0..9).for_each(|at| auth.saw(SecretString::from(format!("token{at}"))));
        assert_eq!(auth.clean("token4 token8"), "token4 ***");
        // Cut within the secret, and words that only begin like it.
        auth.saw(SecretString::from("tickets+key"));
        for (text, clean) in [
            ("it said `x=tickets+k`", "it said `x=***`"),
            ("x=tickets%2Bk...", "x=***..."),
            ("tickets tickets+", "tickets ***"),
            ("`ticke` of tickets. tickets", "`ticke` of tickets. ***"),
            ("tickets+key tickets", "*** ***"),
        ] {
            assert_eq!(auth.clean(text), clean);
        }
    }
}
