//! Client-credentials login. One token for all pulls, fetched by one of them while the others wait,
//! kept until the org stops taking it (it has no expiry date of its own).

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::failure::{self, Failure, TRIES_MAX, beginning};
use super::http;
use super::patience::Patience;
use super::{SalesforceAuth, SalesforceSettings};
use crate::clock::Clock;

/// A login that was refused is not tried again for this long: logins are limited, and a user who
/// fails too often is locked out.
const REFUSED_FOR: TimeDelta = TimeDelta::minutes(1);

/// A valid login, as far as known.
#[derive(Clone)]
pub(super) struct Session {
    /// The bearer token.
    pub(super) token: SecretString,
    /// Where this token is good, without a slash at the end.
    pub(super) instance: String,
    /// Tells logins apart: the first is 1.
    pub(super) number: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session #{} at {}", self.number, self.instance)
    }
}

/// Logs in when needed.
pub(super) struct Login {
    client_id: SecretString,
    client_secret: SecretString,
    token_url: Url,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    logins: u64,
    refused: Option<(DateTime<Utc>, Failure)>,
}

#[derive(Deserialize)]
struct TokenWire {
    access_token: String,
    instance_url: String,
}

impl Login {
    /// # Errors
    /// What is wrong with the address, as a fragment.
    pub(super) fn new(settings: &SalesforceSettings) -> Result<Self, String> {
        let url = http::safe_url(&settings.login_url)?;
        let token_url = url.join("/services/oauth2/token").map_err(|err| err.to_string())?;
        let (client_id, client_secret) = match &settings.auth {
            SalesforceAuth::ClientCredentials { client_id, client_secret } => {
                (client_id.clone(), client_secret.clone())
            }
            SalesforceAuth::JwtBearer { .. } => return Err("`jwt_bearer` is not known".to_owned()),
        };
        Ok(Login { client_id, client_secret, token_url, state: Mutex::default() })
    }

    /// The session to use, other than number `dead`. `saw` is told the server's clock of a login.
    pub(super) async fn session(
        &self,
        http: &reqwest::Client,
        clock: &Arc<dyn Clock>,
        dead: Option<u64>,
        saw: impl Fn(DateTime<Utc>),
    ) -> Result<Session, Failure> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session
            && Some(session.number) != dead
        {
            return Ok(session.clone());
        }
        if let Some((since, failure)) = &state.refused
            && clock.now() - *since < REFUSED_FOR
        {
            return Err(failure.clone());
        }
        let mut patience = Patience::new(clock.as_ref());
        loop {
            let failure = match self.ask(http, &saw).await {
                Ok(wire) => {
                    state.logins += 1;
                    let session = Session {
                        token: SecretString::from(wire.access_token),
                        instance: wire.instance_url,
                        number: state.logins,
                    };
                    state.refused = None;
                    state.session = Some(session.clone());
                    return Ok(session);
                }
                Err(failure) => failure,
            };
            let (tries_max, after) = match &failure {
                Failure::Transient { tries_max, after, .. } => (*tries_max, *after),
                Failure::Garbled(_) => (TRIES_MAX, None),
                _ => (0, None),
            };
            if !patience.wait(tries_max, after).await {
                state.session = None;
                if matches!(failure, Failure::Refused(_)) {
                    state.refused = Some((clock.now(), failure.clone()));
                }
                return Err(failure);
            }
        }
    }

    async fn ask(
        &self,
        http: &reqwest::Client,
        saw: &impl Fn(DateTime<Utc>),
    ) -> Result<TokenWire, Failure> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.expose_secret()),
            ("client_secret", self.client_secret.expose_secret()),
        ];
        let request = http.post(self.token_url.clone()).header("accept", "application/json");
        let answer = http::send(request.form(&form)).await?;
        answer.date.into_iter().for_each(saw);
        if answer.status != 200 {
            let failure = failure::of_login(answer.status, &answer.body);
            let failure = failure.not_before(answer.retry_after);
            return Err(failure.without(self.client_secret.expose_secret()));
        }
        let Ok(mut wire) = serde_json::from_slice::<TokenWire>(&answer.body) else {
            // Nothing of it is shown: half a token is a secret too, unless it is plainly a page.
            let text = String::from_utf8_lossy(&answer.body);
            let shown =
                if text.trim_start().starts_with('<') { beginning(&text) } else { String::new() };
            return Err(Failure::Garbled(format!("its login answered no token {shown}")));
        };
        // The token is sent there from now on.
        let instance = http::safe_url(&wire.instance_url).map_err(Failure::Refused)?;
        wire.instance_url = instance.origin().ascii_serialization();
        Ok(wire)
    }
}
