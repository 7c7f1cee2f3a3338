//! `POST /services/oauth2/token`: the flows without a person, client credentials and JWT bearer.
//! Errors are one object, not an array.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::answer::Answer;
use super::{form, jwt};
use crate::demo::org::faults::Fault;
use crate::demo::org::{Id, ORG_ID, Org, Record};

/// Answers a login.
pub(crate) fn token(
    org: &Org,
    parts: &Parts,
    body: &[u8],
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Answer {
    match fault {
        Some(Fault::Html(status)) => return Answer::html(*status),
        Some(Fault::HtmlOk) => return Answer::html(200),
        Some(Fault::Busy { status, retry_after }) => {
            return Answer::html(*status).with("Retry-After", *retry_after);
        }
        Some(Fault::Unavailable) => return Answer::html(503),
        Some(Fault::Error { status, code, message: "" }) => {
            return Answer::json(*status, &json!({ "error": code }));
        }
        Some(Fault::Error { status, code, message }) => return refused(*status, code, message),
        _ => {}
    }
    if parts.method != Method::POST {
        return refused(400, "invalid_request", "must use HTTP POST");
    }
    let fields = form(&String::from_utf8_lossy(body));
    let field =
        |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = format!("http://{}", host.unwrap_or("localhost"));
    let logged_in = match field("grant_type").as_deref() {
        Some("client_credentials") => {
            let (id, secret) = basic(&parts.headers)
                .or_else(|| Some((field("client_id")?, field("client_secret").unwrap_or_default())))
                .unwrap_or_default();
            credentials(org, &id, &secret)
        }
        Some(jwt::GRANT) => {
            let assertion = field("assertion").unwrap_or_default();
            let by_skewed_clock = now + org.faults().clock_skew;
            jwt::user(&org.settings, &assertion, &own, by_skewed_clock)
                .and_then(|username| approved(org, &username))
        }
        Some(_) => Err(("unsupported_grant_type", "grant type not supported")),
        None => Err(("invalid_request", "grant_type is a required parameter")),
    };
    let user = match logged_in {
        Ok(user) => user,
        Err((code, description)) => return refused(400, code, description),
    };
    let instance = org.instance_url().unwrap_or(own);
    let calls = org.faults().token_calls;
    let token = org.traffic().log_in(ORG_ID, now + org.settings.token_life, calls);
    Answer::json(
        200,
        &json!({
            "access_token": token,
            "signature": STANDARD.encode(now.timestamp_millis().to_be_bytes()),
            "scope": "api",
            "instance_url": instance,
            "id": format!("{instance}/id/{ORG_ID}/{user}"),
            "token_type": "Bearer",
            "issued_at": now.timestamp_millis().to_string(),
        }),
    )
}

/// Key and secret of a `Basic` header.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

/// The app's own user, if key and secret are right.
fn credentials(org: &Org, id: &str, secret: &str) -> Result<Id, jwt::Refusal> {
    if id != org.settings.client_id {
        return Err(("invalid_client_id", "client identifier invalid"));
    }
    if secret != org.settings.client_secret {
        return Err(("invalid_client", "invalid client credentials"));
    }
    Ok(org.api_user())
}

/// The user of this name, if an admin approved the app for them. An unknown user gets the same
/// answer as one who is not approved.
fn approved(org: &Org, username: &str) -> Result<Id, jwt::Refusal> {
    const REFUSED: jwt::Refusal = ("invalid_grant", "user hasn't approved this consumer");
    let known = |name: &String| name.eq_ignore_ascii_case(username);
    if !org.settings.jwt_users.iter().any(known) {
        return Err(REFUSED);
    }
    let mut users = org.records("User").into_iter();
    let is_meant = |user: &Record| {
        user.text("Username").is_some_and(|name| name.eq_ignore_ascii_case(username))
    };
    let user = users.find(is_meant).ok_or(REFUSED)?;
    if !user.flag("IsActive") {
        return Err(("inactive_user", "user is inactive"));
    }
    Ok(user.id())
}

fn refused(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": code, "error_description": description }))
}
