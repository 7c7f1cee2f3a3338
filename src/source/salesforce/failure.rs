//! What the org's answers mean. Pure: from status and body to what can be done about it.

use std::borrow::Cow;

use chrono::TimeDelta;
use serde::Deserialize;

use crate::source::SourceError;

/// Why a request did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Worth another try, at most so many in all, and not before so much time has passed.
    Transient { reason: String, tries_max: u32, after: Option<TimeDelta> },
    /// The body was no answer; worth another try.
    Garbled(String),
    /// The body is larger than any answer; worth one more try, in case it was an accident.
    TooLarge(String),
    /// The token is dead; a new one may help.
    Session(String),
    /// The locator is gone: ask the query again.
    LocatorLost(String),
    /// The org took too long: ask for less.
    QueryTimeout,
    /// A field we ask for does not exist for us.
    UnknownField(String),
    /// There is nothing at the address: no such object, version, locator.
    NotFound(String),
    /// The statement is not one the org can answer.
    Query(String),
    /// The org's requests of the day are used up.
    QuotaSpent,
    /// Final.
    Refused(String),
    /// Final, already told in full.
    Final(SourceError),
}

/// Tries of one request, the first included.
pub(super) const TRIES_MAX: u32 = 5;

const BODY_CHARS_SHOWN: usize = 200;

impl Failure {
    pub(super) fn transient(reason: impl Into<String>) -> Self {
        Failure::Transient { reason: reason.into(), tries_max: TRIES_MAX, after: None }
    }

    /// The same, tried again no sooner than the far side asks for.
    pub(super) fn not_before(mut self, wait: Option<TimeDelta>) -> Self {
        if let Failure::Transient { after, .. } = &mut self {
            *after = wait.or(*after);
        }
        self
    }

    /// The same without a secret, in case the far side repeats what we sent.
    pub(super) fn without(self, secret: &str) -> Self {
        let clean = |text: String| text.replace(secret, "***");
        match self {
            Failure::Transient { reason, tries_max, after } => {
                Failure::Transient { reason: clean(reason), tries_max, after }
            }
            Failure::Garbled(text) => Failure::Garbled(clean(text)),
            Failure::TooLarge(text) => Failure::TooLarge(clean(text)),
            Failure::Session(text) => Failure::Session(clean(text)),
            Failure::LocatorLost(text) => Failure::LocatorLost(clean(text)),
            Failure::UnknownField(text) => Failure::UnknownField(clean(text)),
            Failure::NotFound(text) => Failure::NotFound(clean(text)),
            Failure::Query(text) => Failure::Query(clean(text)),
            Failure::Refused(text) => Failure::Refused(clean(text)),
            Failure::QueryTimeout | Failure::QuotaSpent | Failure::Final(_) => self,
        }
    }
}

/// What an error body says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The error's code; empty where the body has none.
    pub(super) code: String,
    /// The message, or the beginning of the body.
    pub(super) message: String,
}

impl Said {
    /// Reads an error body of any shape: REST's array, OAuth's object, a page of HTML, nothing.
    pub(super) fn read(body: &[u8]) -> Said {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "errorCode", alias = "error")]
            code: Option<String>,
            #[serde(alias = "error_description")]
            message: Option<String>,
        }
        let wire = serde_json::from_slice::<Vec<Wire>>(body)
            .ok()
            .and_then(|list| list.into_iter().next())
            .or_else(|| serde_json::from_slice::<Wire>(body).ok());
        match wire {
            Some(Wire { code, message }) if code.is_some() || message.is_some() => {
                let message = message.map(|text| beginning(&text)).unwrap_or_default();
                Said { code: code.unwrap_or_default(), message }
            }
            _ => Said { code: String::new(), message: beginning(&String::from_utf8_lossy(body)) },
        }
    }

    fn text(&self, status: u16) -> String {
        let said = match (self.code.as_str(), self.message.as_str()) {
            ("", "") => return format!("it answered {status} without a word"),
            ("", message) => message.to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        format!("it answered {status}, {said}")
    }
}

/// A body without a secret, in case the far side repeats what we sent: taken out before the body is
/// cut, or half of it could remain.
pub(super) fn scrubbed<'b>(body: &'b [u8], secret: &str) -> Cow<'b, [u8]> {
    let found = !secret.is_empty() && body.windows(secret.len()).any(|at| at == secret.as_bytes());
    match found {
        true => {
            let text = String::from_utf8_lossy(body).replace(secret, "***");
            Cow::Owned(text.into_bytes())
        }
        false => Cow::Borrowed(body),
    }
}

/// The first characters of a text, on one line.
pub(super) fn beginning(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(BODY_CHARS_SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// What an answer of the REST interface other than 200 means.
pub(super) fn of_rest(status: u16, body: &[u8]) -> Failure {
    let said = Said::read(body);
    let text = said.text(status);
    match (status, said.code.as_str()) {
        (401, _) if is_hopeless(&said.message) => Failure::Refused(format!(
            "{text}; a new login cannot mend this: check the IP ranges, session policy and \
             permission sets of the integration user"
        )),
        (401, _) => Failure::Session(text),
        (_, "INVALID_QUERY_LOCATOR") => Failure::LocatorLost(text),
        (_, "QUERY_TIMEOUT") => Failure::QueryTimeout,
        (_, "REQUEST_LIMIT_EXCEEDED") if said.message.contains("Concurrent") => {
            Failure::transient(text)
        }
        (_, "REQUEST_LIMIT_EXCEEDED") => Failure::QuotaSpent,
        (
            _,
            "MALFORMED_QUERY"
            | "QUERY_TOO_COMPLICATED"
            | "EXCEEDED_ID_LIMIT"
            | "INVALID_QUERY_FILTER_OPERATOR"
            | "EXTERNAL_OBJECT_UNSUPPORTED_EXCEPTION",
        ) => Failure::Query(text),
        (_, "INVALID_FIELD") => Failure::UnknownField(text),
        (_, "INVALID_TYPE") => Failure::Refused(format!("{text}; {}", unseen(&said.message))),
        (404 | 410, _) => Failure::NotFound(text),
        (414 | 431, _) => Failure::Refused(format!("{text}; the request is too large")),
        (_, "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION") => {
            Failure::transient(text)
        }
        _ => of_any(status, text),
    }
}

/// What may be missing where the org does not know an object that a text names.
pub(super) fn unseen(text: &str) -> &'static str {
    let names = |object: &str| text.contains(object);
    if names("ConversationEntry") {
        "the integration user may lack the permission `Access Conversation Entries`"
    } else if names("AgentWork") {
        "Omni-Channel may be off, or the integration user may not read its objects"
    } else if names("Messaging") {
        "Messaging may be off, or the integration user may not read its objects"
    } else {
        "check its spelling (custom objects end in `__c`) and that the integration user's profile or \
         permission sets may read it"
    }
}

/// How we log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// By id and secret.
    ClientCredentials,
    /// By a signed assertion.
    JwtBearer,
}

/// What an answer of the token endpoint other than 200 means.
pub(super) fn of_login(flow: Flow, status: u16, body: &[u8]) -> Failure {
    let said = Said::read(body);
    let text = said.text(status);
    if said.code == "rate_limit_exceeded" {
        return Failure::transient(text);
    }
    match of_any(status, text) {
        Failure::Refused(text) => {
            Failure::Refused(format!("{text}; {}", login_hint(flow, status, &said)))
        }
        failure => failure,
    }
}

/// What a person can do about a refused login.
fn login_hint(flow: Flow, status: u16, said: &Said) -> &'static str {
    let message = said.message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    let client = flow == Flow::ClientCredentials;
    match said.code.as_str() {
        _ if says("not supported on this domain") => {
            "`login_url` must be the org's My Domain, not login.salesforce.com"
        }
        _ if says("client credentials user") => {
            "choose the user the app runs as, in its client credentials settings"
        }
        _ if says("rate exceeded") => "too many logins of this user: wait for them to be forgotten",
        "inactive_user" | "inactive_org" => "the integration user or the org is inactive",
        "unsupported_grant_type" if client => "enable the client credentials flow of the app",
        "unsupported_grant_type" => "enable the JWT bearer flow of the app",
        "invalid_client_id" | "invalid_client" | "invalid_client_credentials" if client => {
            "check `client_id` and `client_secret`"
        }
        _ if says("approved") => {
            "set the app's permitted users to `Admin approved users are pre-authorized` and give \
             the integration user its permission set or profile"
        }
        _ if says("audience") => {
            "`audience` must be https://login.salesforce.com, https://test.salesforce.com for a \
             sandbox, or the address of the site"
        }
        "invalid_client_id" | "invalid_client" | "invalid_client_credentials" => {
            "check `client_id`, and that the app is one of this org"
        }
        _ if says("expired") || says("future") => {
            "the assertion is not of the org's time: check this machine's clock"
        }
        _ if says("assertion") || says("signature") || says("certificate") => {
            "`private_key` does not fit the certificate given to the app, or `username` is nobody \
             of this org"
        }
        _ if status < 400 => "check `login_url`",
        _ if client => "check the app's client credentials flow",
        _ => "check `username`, `audience` and the app's JWT bearer flow",
    }
}

/// By status alone.
fn of_any(status: u16, text: String) -> Failure {
    match status {
        // The edge does not know the host (yet): a short hope.
        420 => Failure::Transient { reason: text, tries_max: 3, after: None },
        // 406 is undocumented and passes; so do redirects to a page about maintenance.
        300..=399 | 406 | 408 | 425 | 429 | 500..=599 => Failure::transient(text),
        _ => Failure::Refused(text),
    }
}

/// The same error code as an expired session, and yet no login helps.
fn is_hopeless(message: &str) -> bool {
    ["not valid for use with the REST API", "not attached to Agent"]
        .iter()
        .any(|known| message.contains(known))
}

#[cfg(test)]
mod tests;
