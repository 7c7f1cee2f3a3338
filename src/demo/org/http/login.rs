//! `POST /services/oauth2/token`: the client-credentials flow. Errors are one object, not an array.

use axum::http::request::Parts;
use axum::http::{Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::answer::Answer;
use super::form;
use crate::demo::org::faults::Fault;
use crate::demo::org::{ORG_ID, Org};

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
    match field("grant_type").as_deref() {
        Some("client_credentials") => {}
        Some(_) => return refused(400, "unsupported_grant_type", "grant type not supported"),
        None => return refused(400, "invalid_request", "grant_type is a required parameter"),
    }
    let basic = parts.headers.get(header::AUTHORIZATION).and_then(|value| {
        let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        decoded.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
    });
    let (id, secret) = basic
        .or_else(|| Some((field("client_id")?, field("client_secret").unwrap_or_default())))
        .unwrap_or_default();
    if id != org.settings.client_id {
        return refused(400, "invalid_client_id", "client identifier invalid");
    }
    if secret != org.settings.client_secret {
        return refused(400, "invalid_client", "invalid client credentials");
    }
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let instance =
        org.instance_url().unwrap_or_else(|| format!("http://{}", host.unwrap_or("localhost")));
    let calls = org.faults().token_calls;
    let token = org.traffic().log_in(ORG_ID, now + org.settings.token_life, calls);
    let user = org.api_user();
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

fn refused(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": code, "error_description": description }))
}
