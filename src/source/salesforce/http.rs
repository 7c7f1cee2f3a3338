//! One HTTP exchange with the parts of the answer we use, its body whole or piece by piece.

use chrono::{DateTime, TimeDelta, Utc};

use super::BOUNDS;
use super::failure::Failure;
use crate::source::web;

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
        let most = BOUNDS.body_bytes;
        while let Some(piece) = self.response.chunk().await.map_err(broken)? {
            if self.answer.body.len() + piece.len() > most {
                let limit = most / (1024 * 1024);
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
    let text = |name: &str| web::text(headers, name).map(str::to_owned);
    let answer = Answer {
        status: response.status().as_u16(),
        date: web::date(headers),
        limits: text("sforce-limit-info"),
        retry_after: web::retry_after(headers, None),
        content_type: text("content-type"),
        body: Vec::new(),
    };
    let locator = text("sforce-locator");
    let records = text("sforce-numberofrecords").and_then(|text| text.trim().parse().ok());
    Ok(Opened { answer, locator, records, response })
}

fn broken(err: reqwest::Error) -> Failure {
    Failure::transient(web::reason(&err))
}
