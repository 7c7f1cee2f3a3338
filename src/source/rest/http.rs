//! One HTTP exchange, bounded in time, size and redirects. Credentials never leave the origin they
//! are for.

use std::error::Error as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::failure::Failure;

const REDIRECTS_MAX: usize = 3;

/// What one exchange may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// To connect.
    pub(super) connect: Duration,
    /// Between two pieces of an answer.
    pub(super) read: Duration,
    /// Altogether.
    pub(super) total: Duration,
    /// Bytes of a body after decompression.
    pub(super) body_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            total: Duration::from_secs(120),
            body_bytes: 64 * 1024 * 1024,
        }
    }
}

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
        self.headers.get(name)?.to_str().ok()
    }

    /// What the server's clock said.
    pub(super) fn date(&self) -> Option<DateTime<Utc>> {
        http_date(self.header(DATE.as_str())?)
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
        let text = self.header(RETRY_AFTER.as_str())?.trim();
        match text.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() => {
                Some(TimeDelta::seconds(seconds.ceil().clamp(0.0, 1e9) as i64))
            }
            _ => {
                // By the server's own clock where it tells it: ours may differ.
                let wait = http_date(text)? - self.date().unwrap_or(now);
                Some(wait.max(TimeDelta::zero()))
            }
        }
    }
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

/// A client that keeps to one origin, uses no proxy and waits for nothing without end.
///
/// # Errors
/// The reason why TLS cannot be set up on this machine.
pub(super) fn client(bounds: Bounds) -> Result<reqwest::Client, String> {
    // Whoever comes first decides for the process; ring is what everybody here asks for.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(bounds.connect)
        .read_timeout(bounds.read)
        .timeout(bounds.total)
        .redirect(Policy::custom(|attempt| {
            let home = attempt.previous().first().map(Url::origin);
            if attempt.previous().len() > REDIRECTS_MAX || home != Some(attempt.url().origin()) {
                // The redirect itself becomes the answer: credentials never travel.
                attempt.stop()
            } else {
                attempt.follow()
            }
        }))
        .no_proxy()
        .tcp_nodelay(true)
        .build()
        .map_err(|err| reason(&err))
}

/// Sends a request and reads the whole answer.
pub(super) async fn send(
    request: reqwest::RequestBuilder,
    bounds: Bounds,
) -> Result<Answer, Failure> {
    let broken = |err: reqwest::Error| Failure::transient(reason(&err));
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

/// An address we may send secrets to: `https`, or `http` on this machine.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub(super) fn safe_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(format!("`{}` must begin with https://", address(&url))),
    }
}

/// An address for people: without its query, which may hold secrets.
pub(super) fn address(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// What went wrong on the way, without the address.
fn reason(err: &reqwest::Error) -> String {
    if err.is_timeout() {
        return "no answer in time".to_owned();
    }
    // The innermost cause says what happened; the layers around it only that it did.
    let mut cause: &dyn std::error::Error = err;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let what = if err.is_connect() {
        "cannot connect"
    } else if err.is_body() || err.is_decode() {
        "the answer broke off"
    } else {
        "the connection failed"
    };
    match err.source() {
        Some(_) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_tls_or_stay_on_this_machine() {
        for good in ["https://desk.example.com/api", "http://127.0.0.1:8080", "http://localhost"] {
            assert!(safe_url(good).is_ok(), "{good}");
        }
        let bad = ["http://desk.example.com", "http://localhost.evil.com", "ftp://x", "acme", ""];
        for bad in bad {
            assert!(safe_url(bad).is_err(), "{bad}");
        }
        let said = safe_url("https://me:hunter2@desk.example.com").unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_server_may_ask_for_patience_in_seconds_or_by_date() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let check = |headers: &[(&'static str, &str)], expected: Option<i64>| {
            let headers = headers.iter().map(|(name, value)| {
                (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap())
            });
            let answer = Answer { status: 429, headers: headers.collect(), body: vec![] };
            assert_eq!(answer.retry_after(now).map(|wait| wait.num_seconds()), expected);
        };
        check(&[("retry-after", "30")], Some(30));
        check(&[("retry-after", "0.5")], Some(1));
        check(&[("retry-after", "-1")], Some(0));
        check(&[("retry-after", "Sun, 01 Mar 2026 12:02:00 GMT")], Some(120));
        let date = ("date", "Sun, 01 Mar 2026 12:01:00 GMT");
        check(&[("retry-after", "Sun, 01 Mar 2026 12:02:00 GMT"), date], Some(60));
        check(&[("retry-after", "Sun, 01 Mar 2026 11:02:00 GMT")], Some(0));
        check(&[("retry-after", "soon")], None);
        check(&[], None);
    }
}
