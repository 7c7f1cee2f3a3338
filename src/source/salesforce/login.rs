//! Logging in, by client credentials or by a signed assertion. One token for all pulls, fetched by
//! one of them while the others wait, kept until the org stops taking it (it has no expiry date of
//! its own). What cannot succeed is not tried again soon.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::failure::{self, Failure, Flow, TRIES_MAX, beginning};
use super::http;
use super::jwt::Signer;
use super::patience::Patience;
use super::{Salesforce, SalesforceAuth, SalesforceSettings};
use crate::source::web;

/// A login that was refused is not tried again for this long: logins are limited, and a user who
/// fails too often is locked out.
const REFUSED_FOR: TimeDelta = TimeDelta::minutes(1);

/// Clocks that differ by more than this make an assertion too old or too new.
const SKEW_MAX: TimeDelta = TimeDelta::seconds(60);

/// Where everybody logs in, and no org of its own.
const SHARED_HOSTS: [&str; 2] = ["login.salesforce.com", "test.salesforce.com"];

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
    credentials: Credentials,
    token_url: Url,
    state: Mutex<State>,
}

enum Credentials {
    Client { id: SecretString, secret: SecretString },
    Jwt(Box<Signer>),
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
    /// What is wrong with the address or the key, as a fragment.
    pub(super) fn new(settings: &SalesforceSettings) -> Result<Self, String> {
        let url = web::safe_url(&settings.login_url)?;
        let token_url = url.join("/services/oauth2/token").map_err(|err| err.to_string())?;
        let credentials = match &settings.auth {
            SalesforceAuth::ClientCredentials { client_id, client_secret } => {
                if let Some(host) = url.host_str().filter(|host| SHARED_HOSTS.contains(host)) {
                    return Err(format!(
                        "`login_url` must be the org's My Domain, not {host}: client credentials \
                         are good nowhere else"
                    ));
                }
                Credentials::Client { id: client_id.clone(), secret: client_secret.clone() }
            }
            SalesforceAuth::JwtBearer { client_id, username, private_key, audience } => {
                Credentials::Jwt(Box::new(Signer::new(client_id, username, private_key, audience)?))
            }
        };
        Ok(Login { credentials, token_url, state: Mutex::default() })
    }

    /// The session to use, other than number `dead`.
    pub(super) async fn session(
        &self,
        org: &Salesforce,
        dead: Option<u64>,
    ) -> Result<Session, Failure> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session
            && Some(session.number) != dead
        {
            return Ok(session.clone());
        }
        if let Some((since, failure)) = &state.refused
            && org.clock.now() - *since < REFUSED_FOR
        {
            return Err(failure.clone());
        }
        state.session = None;
        match self.tokens(org).await {
            Ok(wire) => {
                state.logins += 1;
                let session = Session {
                    token: SecretString::from(wire.access_token),
                    instance: wire.instance_url,
                    number: state.logins,
                };
                state.refused = None;
                state.session = Some(session.clone());
                Ok(session)
            }
            Err(failure) => {
                if matches!(failure, Failure::Refused(_)) {
                    state.refused = Some((org.clock.now(), failure.clone()));
                }
                Err(failure)
            }
        }
    }

    /// Asks for a token until there is one or no hope.
    async fn tokens(&self, org: &Salesforce) -> Result<TokenWire, Failure> {
        let mut patience = Patience::new(org.clock.as_ref());
        let mut corrected = false;
        loop {
            let believed = org.seen().ahead.unwrap_or_default();
            let failure = match self.ask(org).await {
                Ok(wire) => return Ok(wire),
                Err(failure) => failure,
            };
            let (tries_max, after) = match &failure {
                Failure::Transient { tries_max, after, .. } => (*tries_max, *after),
                Failure::Garbled(_) => (TRIES_MAX, None),
                Failure::Refused(reason) if self.is_dated() => {
                    let ahead = org.seen().ahead.unwrap_or_default();
                    let skew = skew(ahead);
                    if !corrected && (ahead - believed).abs() > SKEW_MAX {
                        // The refusal told the org's clock: an assertion of its own time may do.
                        corrected = true;
                        if let Some(skew) = skew {
                            let source = &org.settings.name;
                            tracing::warn!(source, "{skew}: logging in by the org's clock");
                        }
                        continue;
                    }
                    let skew = skew.map(|skew| format!("; {skew}")).unwrap_or_default();
                    return Err(Failure::Refused(format!("{reason}{skew}")));
                }
                _ => (0, None),
            };
            if !patience.wait(tries_max, after).await {
                return Err(failure);
            }
        }
    }

    /// Whether a login depends on clocks.
    fn is_dated(&self) -> bool {
        matches!(self.credentials, Credentials::Jwt(_))
    }

    /// One try.
    async fn ask(&self, org: &Salesforce) -> Result<TokenWire, Failure> {
        let request = org.http.post(self.token_url.clone()).header("accept", "application/json");
        let (request, flow, secret) = match &self.credentials {
            Credentials::Client { id, secret } => {
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", id.expose_secret()),
                    ("client_secret", secret.expose_secret()),
                ];
                (request.form(&form), Flow::ClientCredentials, secret.clone())
            }
            Credentials::Jwt(signer) => {
                let now = org.clock.now() + org.seen().ahead.unwrap_or_default();
                let assertion = signer.assertion(now).map_err(Failure::Refused)?;
                let form = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", assertion.expose_secret()),
                ];
                (request.form(&form), Flow::JwtBearer, assertion)
            }
        };
        org.spend();
        let answer = http::send(request).await?;
        org.heard(answer.date, None);
        if answer.status != 200 {
            let secret = secret.expose_secret();
            let body = failure::scrubbed(&answer.body, secret);
            let failure = failure::of_login(flow, answer.status, &body);
            return Err(failure.not_before(answer.retry_after).without(secret));
        }
        let Ok(mut wire) = serde_json::from_slice::<TokenWire>(&answer.body) else {
            // Nothing of it is shown: half a token is a secret too, unless it is plainly a page.
            let text = String::from_utf8_lossy(&answer.body);
            let shown =
                if text.trim_start().starts_with('<') { beginning(&text) } else { String::new() };
            return Err(Failure::Garbled(format!("its login answered no token {shown}")));
        };
        // The token is sent there from now on.
        let instance = web::safe_url(&wire.instance_url).map_err(Failure::Refused)?;
        wire.instance_url = instance.origin().ascii_serialization();
        Ok(wire)
    }
}

/// How far our clock is off, for people; `None` where it is not worth a word. `ahead` is the org's
/// clock minus ours.
fn skew(ahead: TimeDelta) -> Option<String> {
    if ahead.abs() <= SKEW_MAX {
        return None;
    }
    let amount = match ahead.abs() {
        long if long >= TimeDelta::hours(48) => format!("{} days", long.num_days()),
        long if long >= TimeDelta::minutes(120) => format!("{} h", long.num_hours()),
        // Rounded: headers have whole seconds, and the answer took some time.
        short => format!("{} min", (short + TimeDelta::seconds(30)).num_minutes()),
    };
    let side = if ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
    Some(format!("our clock is {amount} {side} the org's: set this machine's clock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: i64, says: Option<&str>) {
        let told = skew(TimeDelta::seconds(seconds));
        let told = told.as_deref().map(|text| text.split(':').next().unwrap_or_default());
        assert_eq!(told, says);
    }

    #[test]
    fn clocks_that_differ_are_told_in_round_numbers() {
        check(0, None);
        check(60, None);
        check(-60, None);
        check(61, Some("our clock is 1 min behind the org's"));
        check(419, Some("our clock is 7 min behind the org's"));
        check(-420, Some("our clock is 7 min ahead of the org's"));
        check(7200, Some("our clock is 2 h behind the org's"));
        check(-86_400 * 3, Some("our clock is 3 days ahead of the org's"));
    }
}
