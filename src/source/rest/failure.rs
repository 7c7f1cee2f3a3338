//! What answers mean. Pure: from status, headers and body to what can be done about it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use url::Url;

use super::body::decoded;
use super::http::Answer;
use crate::source::SourceError;
use crate::source::web::address;

/// Characters of a body that are shown.
const BODY_CHARS_SHOWN: usize = 200;

/// Where error bodies of the world have their text.
const SAID_AT: [&str; 12] = [
    "/error_description",
    "/error/message",
    "/message",
    "/detail",
    "/errors/0/message",
    "/errors/0/detail",
    "/errors/0",
    "/error/title",
    "/title",
    "/description",
    "/error",
    "/0/message",
];

/// Why a request did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Worth another try, not before so much time where the source says so.
    Transient { reason: String, after: Option<TimeDelta> },
    /// The body broke off; worth another try.
    Cut(String),
    /// The token is dead; a new one may help.
    Token(String),
    /// A person must mend it.
    Refused(String),
    /// Nothing that can be read as records.
    Unreadable(String),
    /// Not now.
    Down(String),
    /// The reader of the batches went away.
    Stopped,
}

impl Failure {
    pub(super) fn transient(reason: impl Into<String>) -> Self {
        Failure::Transient { reason: reason.into(), after: None }
    }

    /// The error of a source for people.
    pub(super) fn told(self, name: &str, clean: impl Fn(&str) -> String) -> SourceError {
        let name = name.to_owned();
        match self {
            Failure::Transient { reason, .. } | Failure::Down(reason) => {
                SourceError::Down { name, reason: clean(&reason) }
            }
            Failure::Token(reason) | Failure::Refused(reason) => {
                SourceError::Refused { name, reason: clean(&reason) }
            }
            Failure::Cut(reason) | Failure::Unreadable(reason) => {
                SourceError::Unreadable { name, reason: clean(&reason) }
            }
            Failure::Stopped => SourceError::Stopped,
        }
    }
}

/// What an answer other than 2xx to a GET means. `further`: it is not the first page of a query.
pub(super) fn of_answer(answer: &Answer, url: &Url, further: bool, now: DateTime<Utc>) -> Failure {
    let status = answer.status;
    let text = format!("{} for `{}`", said(answer), address(url));
    let after = answer.retry_after(now);
    match status {
        300..=399 => of_redirect(answer, url),
        401 => Failure::Token(text),
        403 | 429 if after.is_some() || is_spent(answer) => {
            Failure::Transient { reason: text, after: after.or_else(|| reset(answer, now)) }
        }
        403 => Failure::Refused(format!("{text}; check what the user or token of `auth` may see")),
        408 | 420 | 425 | 429 | 500..=599 => Failure::Transient { reason: text, after },
        _ if further => {
            Failure::Unreadable(format!("{text}, a further page; its cursor may have expired"))
        }
        404 | 410 => Failure::Refused(format!("{text}; check `base_url` and `path`")),
        405 | 406 | 415 => Failure::Refused(format!("{text}; check `path` and `headers`")),
        _ => Failure::Refused(format!("{text}; check `path` and `query`")),
    }
}

/// What an answer of a token endpoint other than 200 means.
pub(super) fn of_token(answer: &Answer, url: &Url, now: DateTime<Utc>) -> Failure {
    let text = format!("{} for `{}`", said(answer), address(url));
    match answer.status {
        300..=399 => of_redirect(answer, url),
        408 | 420 | 425 | 429 | 500..=599 => {
            Failure::Transient { reason: text, after: answer.retry_after(now) }
        }
        _ => Failure::Refused(format!(
            "{text}; check `token_url`, `client_id`, `client_secret` and `scope`"
        )),
    }
}

fn of_redirect(answer: &Answer, url: &Url) -> Failure {
    let target = answer.header("location").and_then(|to| url.join(to).ok());
    let from = address(url);
    Failure::Refused(match target {
        Some(target) if target.origin() != url.origin() => format!(
            "`{from}` redirects to `{}`, another host, where credentials are not sent; if that is \
             right, make it the `base_url` (a login page means that `auth` is not accepted)",
            target.origin().ascii_serialization()
        ),
        Some(_) => format!("`{from}` redirects in a circle"),
        None => format!("it answered {} for `{from}` without saying where to", answer.status),
    })
}

/// Whether the answer says that no request is left for now.
fn is_spent(answer: &Answer) -> bool {
    ["x-ratelimit-remaining", "x-rate-limit-remaining", "ratelimit-remaining"]
        .iter()
        .any(|name| answer.header(name).is_some_and(|left| left.trim() == "0"))
}

/// How long until there are requests again: the header holds an instant or a number of seconds.
fn reset(answer: &Answer, now: DateTime<Utc>) -> Option<TimeDelta> {
    let names = ["x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset"];
    let text = names.iter().find_map(|name| answer.header(name))?;
    let seconds = text.trim().parse::<i64>().ok()?;
    // Nobody waits thirty years: so large a number is an instant.
    let wait = match DateTime::from_timestamp(seconds, 0) {
        Some(at) if seconds > 1_000_000_000 => at - answer.date().unwrap_or(now),
        _ => TimeDelta::try_seconds(seconds)?,
    };
    Some(wait.max(TimeDelta::zero()))
}

/// What the source says in an answer that is an error, on one line.
fn said(answer: &Answer) -> String {
    let status = answer.status;
    let (text, _) = decoded(&answer.body, answer.charset());
    let spoken = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|json| SAID_AT.iter().find_map(|at| json.pointer(at)?.as_str().map(beginning)));
    let spoken = spoken.unwrap_or_else(|| beginning(&text));
    match spoken.as_str() {
        "" => format!("it answered {status}"),
        spoken => format!("it answered {status} (`{spoken}`)"),
    }
}

/// A body that is no JSON, for people.
pub(super) fn no_json(answer: &Answer, why: &str) -> String {
    let (text, _) = decoded(&answer.body, answer.charset());
    let kind = answer.content_type();
    let shown = beginning(&text);
    if kind.ends_with("html") || text.trim_start().starts_with('<') {
        return format!(
            "a page and no JSON, `{shown}`; check `base_url`, `path` and `auth` (a login page?)"
        );
    }
    let kind = if kind.is_empty() { String::new() } else { format!(" of the type `{kind}`") };
    format!("a body{kind} that is no JSON ({why}): `{shown}`")
}

/// The first characters of a text, on one line.
pub(super) fn beginning(text: &str) -> String {
    let mut line = String::new();
    for (count, letter) in
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).enumerate()
    {
        if count == BODY_CHARS_SHOWN {
            line.push_str("...");
            break;
        }
        if letter != ' ' || !line.ends_with(' ') {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap())
        });
        Answer { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
    }

    #[track_caller]
    fn check(answer: &Answer, further: bool, kind: &str, expected: &str) {
        let url = Url::parse("https://desk.example.com/api/tickets?token=s3cret").unwrap();
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let failure = of_answer(answer, &url, further, now);
        let (found, said) = match &failure {
            Failure::Transient { reason, after } => match after {
                Some(after) => (format!("transient {}", after.num_seconds()), reason),
                None => ("transient".to_owned(), reason),
            },
            Failure::Token(reason) => ("token".to_owned(), reason),
            Failure::Refused(reason) => ("refused".to_owned(), reason),
            Failure::Unreadable(reason) => ("unreadable".to_owned(), reason),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, kind, "{said}");
        assert!(said.contains(expected) && !said.contains("s3cret"), "{said}");
    }

    #[test]
    fn every_answer_has_a_meaning() {
        let first = |status, headers: &[(&'static str, &str)], body, kind, said| {
            check(&answer(status, headers, body), false, kind, said);
        };
        first(401, &[], r#"{"message":"Bad credentials"}"#, "token", "401 (`Bad credentials`)");
        first(403, &[], r#"{"error":{"message":"no"}}"#, "refused", "may see");
        first(403, &[("retry-after", "60")], "", "transient 60", "403 for");
        let spent = ("x-ratelimit-remaining", "0");
        let reset = ("x-ratelimit-reset", "1772366460");
        first(403, &[spent, reset], r#"{"message":"limit"}"#, "transient 60", "limit");
        first(429, &[spent, ("ratelimit-reset", "9"), ("retry-after", "7")], "", "transient 7", "");
        first(429, &[spent, ("ratelimit-reset", "9")], "", "transient 9", "");
        first(429, &[], "slow down", "transient", "slow down");
        first(420, &[], "", "transient", "420");
        first(503, &[], "<html>\n\n  down  </html>", "transient", "<html> down </html>");
        first(
            404,
            &[],
            "{}",
            "refused",
            "`https://desk.example.com/api/tickets`; check `base_url`",
        );
        first(406, &[], "", "refused", "`headers`");
        first(422, &[], r#"{"errors":[{"detail":"bad since"}]}"#, "refused", "bad since");
        check(&answer(400, &[], ""), true, "unreadable", "expired");
        check(&answer(503, &[], ""), true, "transient", "503");
        let away = ("location", "https://login.example.com/?next=s3cret");
        first(302, &[away], "", "refused", "another host");
        first(302, &[("location", "/api/tickets")], "", "refused", "in a circle");
        first(304, &[], "", "refused", "304");
    }

    #[test]
    fn a_long_body_shows_its_beginning_on_one_line() {
        let shown = beginning(&"ü\n\n".repeat(500));
        assert!(shown.chars().count() <= BODY_CHARS_SHOWN + 3 && shown.ends_with("..."));
        assert!(!shown.contains('\n') && !shown.contains("  "));
    }
}
