//! How an answer goes out: compressed where it is asked for, in pieces where it is large, and
//! broken as a fault wants it.

use std::io::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{self, Stream, StreamExt as _};

use super::answer::{Answer, Content};
use crate::demo::org::faults::Fault;

/// Shorter bodies are not worth compressing.
const GZIP_BYTES_MIN: usize = 512;
/// Compressed pieces are handed on when they are at least so long.
const GZIP_PIECE_BYTES: usize = 16 * 1_024;

type Pieces = Box<dyn Iterator<Item = Vec<u8>> + Send>;

/// Puts an answer on the wire. `date` is what the `Date` header says.
pub(super) fn send(
    mut answer: Answer,
    fault: Option<&Fault>,
    accepts_gzip: bool,
    date: DateTime<Utc>,
) -> Response<Body> {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header(header::CONTENT_TYPE, media(&answer, fault))
        .header(header::DATE, httpdate::fmt_http_date(date.into()))
        .header(header::CACHE_CONTROL, "no-cache,must-revalidate,max-age=0,no-store,private");
    for (name, value) in &answer.headers {
        response = response.header(*name, value.as_str());
    }
    if answer.status == 401 {
        response = response.header(header::WWW_AUTHENTICATE, "Token");
    }
    if answer.status == 204 {
        return response.body(Body::empty()).expect("our own headers are valid");
    }
    match fault {
        Some(Fault::TruncatedJson) => answer.content.keep(2, 3),
        Some(Fault::Disconnect | Fault::TruncatedGzip) => answer.content.keep(1, 2),
        Some(Fault::WrongCharset) => answer.content.make_latin(),
        _ => {}
    }
    let gzip = accepts_gzip && answer.content.is_worth_compressing();
    if gzip {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    let torn = fault == Some(&Fault::TruncatedGzip);
    let plain = match answer.content {
        Content::Whole(body) => Box::new(std::iter::once(body)) as Pieces,
        Content::Csv(csv) => csv,
        Content::Lazy(pieces) => pieces,
    };
    let pieces = if gzip { Box::new(Gzip::new(plain, torn)) } else { plain };
    let body = match fault {
        Some(Fault::Disconnect) => Body::from_stream(broken(pieces)),
        Some(Fault::Drip(pause)) => Body::from_stream(dripping(pieces, *pause)),
        _ => whole_if_small(pieces),
    };
    response.body(body).expect("our own headers are valid")
}

fn media(answer: &Answer, fault: Option<&Fault>) -> &'static str {
    match fault {
        Some(Fault::WrongCharset) => "application/json;charset=ISO-8859-1",
        _ => answer.kind.media(),
    }
}

impl Content {
    /// Keeps the first part of the body: `share` of `of` parts.
    fn keep(&mut self, share: usize, of: usize) {
        match self {
            Content::Whole(body) => body.truncate(body.len() * share / of),
            Content::Csv(csv) => csv.halve(),
            Content::Lazy(_) => {}
        }
    }

    /// Characters as single bytes, as far as that goes: what is not ASCII is no UTF-8 any more.
    fn make_latin(&mut self) {
        if let Content::Whole(body) = self {
            let text = String::from_utf8_lossy(body);
            *body = text.chars().map(|char| u8::try_from(char).unwrap_or(b'?')).collect();
        }
    }

    fn is_worth_compressing(&self) -> bool {
        match self {
            Content::Whole(body) => body.len() >= GZIP_BYTES_MIN,
            Content::Csv(_) | Content::Lazy(_) => true,
        }
    }
}

/// A body of one piece has a length; others are sent as they are made.
fn whole_if_small(mut pieces: Pieces) -> Body {
    let first = pieces.next().unwrap_or_default();
    match pieces.next() {
        None => Body::from(first),
        Some(second) => {
            let all = [first, second].into_iter().chain(pieces);
            Body::from_stream(stream::iter(all.map(Ok::<_, std::io::Error>)))
        }
    }
}

/// The pieces, then the connection dies.
fn broken(pieces: Pieces) -> impl Stream<Item = Result<Vec<u8>, std::io::Error>> {
    // The pause lets what there is out before the connection dies.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
    });
    stream::iter(pieces.map(Ok)).chain(end)
}

/// The body byte by byte, with a pause before each.
fn dripping(
    pieces: Pieces,
    pause: Duration,
) -> impl Stream<Item = Result<Vec<u8>, std::io::Error>> {
    stream::unfold(pieces.flatten(), move |mut bytes| async move {
        let byte = bytes.next()?;
        tokio::time::sleep(pause).await;
        Some((Ok(vec![byte]), bytes))
    })
}

/// Pieces compressed one after the other.
struct Gzip {
    plain: Pieces,
    /// `None`: the end was written.
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// Breaks off before the end.
    torn: bool,
}

impl Gzip {
    fn new(plain: Pieces, torn: bool) -> Gzip {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        Gzip { plain, encoder: Some(encoder), torn }
    }
}

impl Iterator for Gzip {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut encoder = self.encoder.take()?;
        // Writing into memory cannot fail.
        for piece in self.plain.by_ref() {
            let _ = encoder.write_all(&piece);
            if encoder.get_ref().len() >= GZIP_PIECE_BYTES {
                let compressed = std::mem::take(encoder.get_mut());
                self.encoder = Some(encoder);
                return Some(compressed);
            }
        }
        if self.torn {
            let _ = encoder.flush();
            return Some(std::mem::take(encoder.get_mut()));
        }
        Some(encoder.finish().unwrap_or_default())
    }
}
