//! One HTTP exchange, bounded in time and size.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use url::Url;

use super::failure::Failure;
use crate::source::web::{self, Bounds};

/// An answer of any status.
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// The body, decompressed.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        web::text(&self.headers, name)
    }

    /// What the server's clock said.
    pub(super) fn date(&self) -> Option<DateTime<Utc>> {
        web::date(&self.headers)
    }

    /// The kind of the body, without parameters; empty where it is not told.
    pub(super) fn content_type(&self) -> &str {
        let kind = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim()
    }

    /// How the body's text is encoded, where that is told.
    pub(super) fn charset(&self) -> Option<&str> {
        let parameters = self.header(CONTENT_TYPE.as_str())?.split(';').skip(1);
        parameters
            .filter_map(|parameter| parameter.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("charset"))
            .map(|(_, value)| value.trim_matches('"'))
    }

    /// How long we are asked to wait.
    pub(super) fn retry_after(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        web::retry_after(&self.headers, Some(now))
    }
}

/// Sends a request and reads the whole answer.
pub(super) async fn send(
    request: reqwest::RequestBuilder,
    bounds: Bounds,
) -> Result<Answer, Failure> {
    let broken = |err: reqwest::Error| Failure::transient(web::reason(&err));
    let mut response = request.send().await.map_err(broken)?;
    let mut answer = Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if answer.body.len() + chunk.len() > bounds.body_bytes {
            let limit = bounds.body_bytes / (1024 * 1024);
            return Err(Failure::Unreadable(format!(
                "an answer of more than {limit} MB: ask for smaller pages"
            )));
        }
        answer.body.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// An address of the web.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub(super) fn web_url(text: &str) -> Result<Url, String> {
    // Without the query, which may hold secrets.
    let shown = text.split('?').next().unwrap_or_default();
    let url = Url::parse(text).map_err(|err| format!("`{shown}` is no address: {err}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{shown}` must begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong in an address; write `auth = { basic = { username \
                    = ..., password = ... } }`"
            .to_owned());
    }
    Ok(url)
}

/// An address of the web we may send secrets to: `https`, or `http` on this machine.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub(super) fn safe_url(text: &str) -> Result<Url, String> {
    web_url(text)?;
    web::safe_url(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_the_web_and_holds_no_password() {
        assert!(web_url("http://desk.example.com").is_ok());
        for bad in ["http://desk.example.com", "https://me@desk.example.com", "ftp://x", "acme"] {
            assert!(safe_url(bad).is_err(), "{bad}");
        }
        let said = safe_url("https://me:hunter2@desk.example.com").unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }
}
