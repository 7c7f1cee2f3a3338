//! What the org's answers mean. Pure: from status and body to what can be done about it.

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
        (_, "MALFORMED_QUERY" | "QUERY_TOO_COMPLICATED" | "EXCEEDED_ID_LIMIT") => {
            Failure::Query(text)
        }
        (_, "INVALID_FIELD") => Failure::UnknownField(text),
        (_, "INVALID_TYPE") => Failure::Refused(format!(
            "{text}; the integration user may lack a permission (for conversation entries: \
             Access Conversation Entries)"
        )),
        (404 | 410, _) => Failure::NotFound(text),
        (414 | 431, _) => Failure::Refused(format!("{text}; the request is too large")),
        (_, "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION") => {
            Failure::transient(text)
        }
        _ => of_any(status, text),
    }
}

/// What an answer of the token endpoint other than 200 means.
pub(super) fn of_login(status: u16, body: &[u8]) -> Failure {
    let said = Said::read(body);
    let text = said.text(status);
    let hint = match (said.code.as_str(), said.message.as_str()) {
        (_, message) if message.contains("not supported on this domain") => {
            "`login_url` must be the org's My Domain, not login.salesforce.com"
        }
        (_, message) if message.contains("client credentials user") => {
            "choose the user the app runs as, in its client credentials settings"
        }
        ("invalid_client_id" | "invalid_client" | "invalid_client_credentials", _) => {
            "check `client_id` and `client_secret`"
        }
        ("unsupported_grant_type", _) => "enable the client credentials flow of the app",
        ("inactive_user" | "inactive_org", _) => "the integration user or the org is inactive",
        ("rate_limit_exceeded", _) => return Failure::transient(text),
        _ if status < 400 => "check `login_url`",
        _ => "check the app's client credentials flow",
    };
    match of_any(status, text) {
        Failure::Refused(text) => Failure::Refused(format!("{text}; {hint}")),
        failure => failure,
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
mod tests {
    use super::*;

    fn kind(failure: &Failure) -> &'static str {
        match failure {
            Failure::Transient { tries_max: 3, .. } => "transient, short",
            Failure::Transient { .. } => "transient",
            Failure::Garbled(_) => "garbled",
            Failure::Session(_) => "session",
            Failure::LocatorLost(_) => "locator",
            Failure::QueryTimeout => "timeout",
            Failure::UnknownField(_) => "field",
            Failure::NotFound(_) => "not found",
            Failure::Query(_) => "query",
            Failure::QuotaSpent => "quota",
            Failure::Refused(_) => "refused",
            Failure::Final(_) => "final",
        }
    }

    #[track_caller]
    fn rest(status: u16, body: &str, expected: &str, says: &str) {
        let failure = of_rest(status, body.as_bytes());
        assert_eq!(kind(&failure), expected, "{failure:?}");
        assert!(format!("{failure:?}").contains(says), "{failure:?}");
    }

    #[track_caller]
    fn login(status: u16, body: &str, expected: &str, says: &str) {
        let failure = of_login(status, body.as_bytes());
        assert_eq!(kind(&failure), expected, "{failure:?}");
        assert!(format!("{failure:?}").contains(says), "{failure:?}");
    }

    fn error(code: &str, message: &str) -> String {
        format!(r#"[{{"message":"{message}","errorCode":"{code}"}}]"#)
    }

    #[test]
    fn every_answer_of_the_query_interface_has_a_meaning() {
        let expired = error("INVALID_SESSION_ID", "Session expired or invalid");
        rest(401, &expired, "session", "");
        let hopeless =
            error("INVALID_SESSION_ID", "This session is not valid for use with the REST API");
        rest(401, &hopeless, "refused", "IP ranges");
        rest(400, &error("INVALID_QUERY_LOCATOR", "invalid query locator"), "locator", "");
        let slow = error("QUERY_TIMEOUT", "Your query request was running for too long.");
        rest(400, &slow, "timeout", "");
        rest(403, &error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), "quota", "");
        rest(
            403,
            &error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit"),
            "transient",
            "",
        );
        rest(400, &error("INVALID_FIELD", "No such column 'X'"), "field", "No such column 'X'");
        rest(
            400,
            &error("MALFORMED_QUERY", "unexpected token: FRM"),
            "query",
            "unexpected token: FRM",
        );
        rest(
            400,
            &error("INVALID_TYPE", "sObject type 'ConversationEntry' is not supported."),
            "refused",
            "Access Conversation Entries",
        );
        rest(400, &error("A_CODE_OF_NEXT_YEAR", "so it is"), "refused", "A_CODE_OF_NEXT_YEAR");
        rest(403, &error("API_DISABLED_FOR_ORG", "not enabled"), "refused", "API_DISABLED");
        rest(
            404,
            &error("NOT_FOUND", "The requested resource does not exist"),
            "not found",
            "NOT_FOUND",
        );
        rest(406, "", "transient", "406 without a word");
        rest(420, "<html>Host not found</html>", "transient, short", "Host not found");
        rest(429, "", "transient", "");
        rest(431, "<html>\n<b>Request Header\nToo Large</b></html>", "refused", "Header Too Large");
        rest(500, &error("UNKNOWN_EXCEPTION", "An unexpected error occurred"), "transient", "");
        rest(503, &error("SERVER_UNAVAILABLE", "Server too busy"), "transient", "Server too busy");
        rest(502, "<html>bad gateway</html>", "transient", "bad gateway");
        rest(302, "", "transient", "302");
        rest(400, r#"{"error":"x"}"#, "refused", "x");
        rest(400, r#"[]"#, "refused", "[]");
    }

    #[test]
    fn every_answer_of_the_token_endpoint_has_a_meaning() {
        login(
            400,
            r#"{"error":"invalid_grant","error_description":"request not supported on this domain"}"#,
            "refused",
            "My Domain",
        );
        login(400, r#"{"error":"invalid_client"}"#, "refused", "client_secret");
        login(
            400,
            r#"{"error":"invalid_grant","error_description":"no client credentials user enabled"}"#,
            "refused",
            "runs as",
        );
        login(503, "<html>maintenance</html>", "transient", "maintenance");
        login(400, r#"{"error":"rate_limit_exceeded"}"#, "transient", "");
        login(401, "", "refused", "401");
    }

    #[test]
    fn a_long_body_shows_its_beginning_on_one_line() {
        let said = Said::read(format!("<html>\n\n{}</html>", "ü ".repeat(500)).as_bytes());
        assert_eq!(said.message.chars().count(), BODY_CHARS_SHOWN + 3);
        assert!(!said.message.contains('\n'));
    }
}
