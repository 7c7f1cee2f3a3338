//! What every source does over HTTP: one client that keeps to one origin and waits for nothing
//! without end, addresses that may carry secrets, and the words for what went wrong on the way.

use std::error::Error as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use url::{Host, Url};

const REDIRECTS_MAX: usize = 3;

/// More seconds than this are nonsense.
const RETRY_AFTER_MAX: f64 = 1e9;

/// What one exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// To connect.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// Altogether.
    pub total: Duration,
    /// Bytes of a body after decompression: a full page of the widest object has a few megabytes.
    pub body_bytes: usize,
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
                // The redirect itself becomes the answer: credentials never travel to another host.
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

/// An address we may send secrets to: `https`, or `http` on this machine.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub(super) fn safe_url(text: &str) -> Result<Url, String> {
    // Without the query, which may hold secrets.
    let shown = text.split('?').next().unwrap_or_default();
    let url = Url::parse(text).map_err(|err| format!("`{shown}` is no address: {err}"))?;
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

/// A header's text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What the server's clock said.
pub(super) fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    instant(headers, DATE.as_str())
}

/// A header that holds a date.
pub(super) fn instant(headers: &HeaderMap, name: &str) -> Option<DateTime<Utc>> {
    http_date(text(headers, name)?)
}

/// How long we are asked to wait, in seconds or until an instant: by the server's own clock where it
/// tells it, since ours (`now`) may differ. Nonsense is no wish.
pub(super) fn retry_after(headers: &HeaderMap, now: Option<DateTime<Utc>>) -> Option<TimeDelta> {
    let said = text(headers, RETRY_AFTER.as_str())?.trim();
    match said.parse::<f64>() {
        Ok(seconds) => {
            let meant = (0.0..=RETRY_AFTER_MAX).contains(&seconds);
            meant.then(|| TimeDelta::seconds(seconds.ceil() as i64))
        }
        Err(_) => {
            let wait = http_date(said)? - date(headers).or(now)?;
            Some(wait.max(TimeDelta::zero()))
        }
    }
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

/// What went wrong on the way, without the address.
pub(super) fn reason(err: &reqwest::Error) -> String {
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
        for good in [
            "https://acme.my.salesforce.com",
            "https://desk.example.com/api",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(safe_url(good).is_ok(), "{good}");
        }
        for bad in
            ["http://acme.my.salesforce.com", "http://localhost.evil.com", "ftp://x", "acme", ""]
        {
            assert!(safe_url(bad).is_err(), "{bad}");
        }
        let said = safe_url("http://desk.example.com/?token=hunter2").unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_server_may_ask_for_patience_in_seconds_or_by_date() {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let check = |headers: &[(&'static str, &str)], expected: Option<i64>| {
            let headers = headers.iter().map(|(name, value)| {
                (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap())
            });
            let wait = retry_after(&headers.collect(), Some(now));
            assert_eq!(wait.map(|wait| wait.num_seconds()), expected);
        };
        check(&[("retry-after", "30")], Some(30));
        check(&[("retry-after", "0.5")], Some(1));
        check(&[("retry-after", "-1")], None);
        check(&[("retry-after", "99999999999999999999")], None);
        check(&[("retry-after", "Sun, 01 Mar 2026 12:02:00 GMT")], Some(120));
        let date = ("date", "Sun, 01 Mar 2026 12:01:00 GMT");
        check(&[("retry-after", "Sun, 01 Mar 2026 12:02:00 GMT"), date], Some(60));
        check(&[("retry-after", "Sun, 01 Mar 2026 11:02:00 GMT")], Some(0));
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after", "99999999999999999999")], None);
        check(&[("retry-after", "inf")], None);
        check(&[], None);
    }
}
