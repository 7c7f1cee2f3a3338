//! One HTTP exchange, bounded in time, size and redirects, with the parts of the answer we use.

use std::error::Error as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{DATE, HeaderMap};
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(120);
const REDIRECTS_MAX: usize = 3;

/// After decompression. A full page of the widest object has a few megabytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An answer of any status.
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// What the server's clock said.
    pub(super) date: Option<DateTime<Utc>>,
    /// `Sforce-Limit-Info`.
    pub(super) limits: Option<String>,
    /// How long the server asks us to stay away.
    pub(super) retry_after: Option<TimeDelta>,
    /// `Content-Type`.
    pub(super) content_type: Option<String>,
    /// The body, decompressed.
    pub(super) body: Vec<u8>,
}

/// A client that keeps to one host, uses no proxy and waits for nothing without end.
///
/// # Errors
/// The reason why TLS cannot be set up on this machine.
pub(super) fn client() -> Result<reqwest::Client, String> {
    // Whoever comes first decides for the process; ring is what everybody here asks for.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(Policy::custom(|attempt| {
            let home = attempt.previous().first().map(Url::origin);
            if attempt.previous().len() > REDIRECTS_MAX || home != Some(attempt.url().origin()) {
                // The redirect itself becomes the answer: tokens never travel to another host.
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

/// An answer of which the body is still to come.
pub(super) struct Opened {
    /// Everything but the body.
    pub(super) answer: Answer,
    /// `Sforce-Locator`: where the next page of a file is.
    pub(super) locator: Option<String>,
    /// `Sforce-NumberOfRecords`: how many records this page of a file has.
    pub(super) records: Option<u64>,
    response: reqwest::Response,
}

impl Opened {
    /// The next piece of the body, decompressed; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        self.response.chunk().await.map_err(broken)
    }

    /// The whole answer.
    pub(super) async fn whole(mut self) -> Result<Answer, Failure> {
        while let Some(piece) = self.response.chunk().await.map_err(broken)? {
            if self.answer.body.len() + piece.len() > BODY_BYTES_MAX {
                let limit = BODY_BYTES_MAX / (1024 * 1024);
                return Err(Failure::TooLarge(format!("an answer of more than {limit} MB")));
            }
            self.answer.body.extend_from_slice(&piece);
        }
        Ok(self.answer)
    }
}

/// Sends a request and reads the whole answer.
pub(super) async fn send(request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    open(request).await?.whole().await
}

/// Sends a request and reads the answer up to its body.
pub(super) async fn open(request: reqwest::RequestBuilder) -> Result<Opened, Failure> {
    let response = request.send().await.map_err(broken)?;
    let headers = response.headers();
    let answer = Answer {
        status: response.status().as_u16(),
        date: date(headers),
        limits: text(headers, "sforce-limit-info"),
        retry_after: retry_after(headers),
        content_type: text(headers, "content-type"),
        body: Vec::new(),
    };
    let locator = text(headers, "sforce-locator");
    let records = text(headers, "sforce-numberofrecords").and_then(|text| text.trim().parse().ok());
    Ok(Opened { answer, locator, records, response })
}

fn broken(err: reqwest::Error) -> Failure {
    Failure::transient(reason(&err))
}

/// An address we may send secrets to: `https`, or `http` on this machine.
///
/// # Errors
/// What is wrong with it, as a fragment.
pub(super) fn safe_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|err| format!("`{text}` is no address: {err}"))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(format!("`{text}` must begin with https://")),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

/// `Retry-After`, in seconds or as an instant by the server's own clock.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<TimeDelta> {
    let said = text(headers, "retry-after")?;
    if let Ok(seconds) = said.trim().parse::<u32>() {
        return Some(TimeDelta::seconds(seconds.into()));
    }
    let until = httpdate::parse_http_date(said.trim()).ok().map(DateTime::<Utc>::from)?;
    Some((until - date(headers)?).max(TimeDelta::zero()))
}

/// What went wrong on the way, without the address (it carries the query).
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
        for good in [
            "https://acme.my.salesforce.com",
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
    }
}
