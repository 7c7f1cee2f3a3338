//! The org's HTTP side: which request is what, who may ask, what it costs, and how an answer (or
//! the trouble that was switched on) goes out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, header};
use chrono::{DateTime, Utc};

use super::Org;
use super::faults::Fault;
use super::traffic::{Call, Seen};
use answer::Answer;

mod answer;
mod broken;
mod bulk;
mod jwt;
mod login;
mod meta;
mod query;
mod wire;

/// Most bytes of request line and headers together.
const HEAD_BYTES_MAX: usize = 16_384;
/// Most bytes of a request's body: a login form, or a job with a long statement.
const BODY_BYTES_MAX: usize = 262_144;

/// A request behind a login, taken apart.
pub(crate) struct Asked {
    pub(crate) call: Call,
    pub(crate) method: Method,
    pub(crate) body: Vec<u8>,
    pub(crate) token: String,
    /// E.g. `62.0`.
    pub(crate) version: String,
    /// Path below the version.
    pub(crate) path: Vec<String>,
    pub(crate) parameters: Vec<(String, String)>,
    /// Records a page may have.
    pub(crate) batch: usize,
    pub(crate) fault: Option<Fault>,
}

impl Asked {
    /// The first parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
    /// The version as a whole number.
    pub(crate) fn version_number(&self) -> u16 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }
}

/// Answers one request.
pub(crate) async fn handle(State(org): State<Arc<Org>>, request: Request) -> Response<Body> {
    let now = org.clock.now();
    org.live(now);
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let path: Vec<String> =
        parts.uri.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let parameters = form(parts.uri.query().unwrap_or(""));
    let call = classify(&parts.method, &path);
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return wire::send(Answer::html(413), None, false, now);
    };
    let soql = match call {
        Call::Query | Call::QueryAll => {
            parameters.iter().find(|(name, _)| name == "q").map(|(_, soql)| soql.clone())
        }
        call if call.is_bulk() => bulk::statement(&org, call, &path, &body),
        _ => None,
    };
    let (fault, skew) = {
        let mut faults = org.faults();
        (faults.meet(call, soql.as_deref()), faults.clock_skew)
    };
    if let Some(Fault::Slow(wait)) = fault {
        tokio::time::sleep(wait).await;
    }
    let mut answer = match (call, too_large(&parts)) {
        (_, Some(answer)) => answer,
        (Call::Token, None) => login::token(&org, &parts, &body, fault.as_ref(), now),
        (Call::Versions, None) => fault
            .as_ref()
            .and_then(|fault| broken::instead(fault, call))
            .unwrap_or_else(|| meta::versions(&org)),
        (_, None) => {
            let asked = Asked {
                call,
                method: parts.method.clone(),
                body: body.to_vec(),
                token: bearer(&parts.headers).unwrap_or_default(),
                version: path.get(2).map_or("", |version| version.trim_start_matches('v')).into(),
                path: path.get(3..).unwrap_or_default().to_vec(),
                parameters,
                batch: batch(&parts.headers),
                fault: fault.clone(),
            };
            rest(&org, &asked, now)
        }
    };
    if !matches!(call, Call::Versions | Call::Token)
        && !answer.is_html()
        && let Some(info) = org.limit_info(now)
    {
        answer = answer.with("Sforce-Limit-Info", info);
    }
    let status = answer.status;
    org.traffic().saw(Seen { call, target, soql, status, fault: fault.clone() });
    wire::send(answer, fault.as_ref(), accepts_gzip(&parts.headers), now + skew)
}

fn classify(method: &Method, path: &[String]) -> Call {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["services", "oauth2", "token"] => Call::Token,
        ["services", "data"] => Call::Versions,
        ["services", "data", _, "query"] => Call::Query,
        ["services", "data", _, "queryAll"] => Call::QueryAll,
        ["services", "data", _, "query" | "queryAll", _] => Call::QueryMore,
        ["services", "data", _, "sobjects"] => Call::Objects,
        ["services", "data", _, "sobjects", _, "describe"] => Call::Describe,
        ["services", "data", _, "sobjects", _, "deleted"] => Call::Deleted,
        ["services", "data", _, "sobjects", _, "updated"] => Call::Updated,
        ["services", "data", _, "limits"] => Call::Limits,
        ["services", "data", _, "jobs", "query"] if method == Method::POST => Call::BulkCreate,
        ["services", "data", _, "jobs", "query"] => Call::BulkList,
        ["services", "data", _, "jobs", "query", _] => match *method {
            Method::PATCH => Call::BulkAbort,
            Method::DELETE => Call::BulkDelete,
            _ => Call::BulkJob,
        },
        ["services", "data", _, "jobs", "query", _, "results"] => Call::BulkResults,
        ["services", "data", _, "jobs", "query", _, "resultPages"] => Call::BulkPages,
        _ => Call::Other,
    }
}

/// 414 or 431, as a page, if the head of the request is too large.
fn too_large(parts: &Parts) -> Option<Answer> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > HEAD_BYTES_MAX {
        return Some(Answer::html(414));
    }
    // Name, colon, space, value, line end.
    let headers: usize =
        parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (target + headers > HEAD_BYTES_MAX).then(|| Answer::html(431))
}

/// Everything behind a login.
fn rest(org: &Arc<Org>, asked: &Asked, now: DateTime<Utc>) -> Answer {
    if let Some(fault) = &asked.fault {
        if *fault == Fault::TokenExpired {
            org.traffic().expire(&asked.token);
        }
        if let Some(answer) = broken::instead(fault, asked.call) {
            return answer;
        }
    }
    if !org.traffic().admit(&asked.token, now, org.settings.token_life) {
        return Answer::error(401, "INVALID_SESSION_ID", "Session expired or invalid");
    }
    if org.traffic().used(now, 1) > org.settings.daily_requests {
        let text = "TotalRequests Limit exceeded.";
        return Answer::error(403, "REQUEST_LIMIT_EXCEEDED", text);
    }
    let known = org.settings.versions.contains(&asked.version_number());
    if !known || !asked.version.ends_with(".0") {
        return Answer::not_found();
    }
    if asked.call.is_bulk() {
        return bulk::answer(org, asked, now);
    }
    if asked.method != Method::GET && asked.call != Call::Other {
        let text = format!("HTTP Method '{}' not allowed. Allowed are GET", asked.method);
        return Answer::error(405, "METHOD_NOT_ALLOWED", &text);
    }
    match asked.call {
        Call::Query => query::first(org, asked, false, now),
        Call::QueryAll => query::first(org, asked, true, now),
        Call::QueryMore => query::more(org, asked, now),
        Call::Objects => meta::objects(org, asked),
        Call::Describe => meta::describe(org, asked),
        Call::Deleted => meta::deleted(org, asked, now),
        Call::Updated => meta::updated(org, asked, now),
        Call::Limits => meta::limits(org, now),
        _ => Answer::not_found(),
    }
}

/// Decodes `a=b&c=d`: a plus is a space.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    matches!(scheme.to_ascii_lowercase().as_str(), "bearer" | "oauth")
        .then(|| token.trim().to_owned())
}

/// Page size from `Sforce-Query-Options: batchSize=n`, within 200 and 2,000.
fn batch(headers: &HeaderMap) -> usize {
    headers
        .get("sforce-query-options")
        .and_then(|header| header.to_str().ok())
        .and_then(|options| {
            let mut options = options.split([',', ';']).filter_map(|one| one.split_once('='));
            let (_, size) =
                options.find(|(name, _)| name.trim().eq_ignore_ascii_case("batchSize"))?;
            size.trim().parse::<usize>().ok()
        })
        .map_or(2_000, |size| size.clamp(200, 2_000))
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.to_ascii_lowercase().contains("gzip"))
}
