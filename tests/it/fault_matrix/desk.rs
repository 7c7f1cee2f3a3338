//! A small helpdesk with a JSON API: tickets by pages of two, each page with the cursor of the next,
//! behind OAuth 2 logins; and everything that can be wrong with it.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use serde_json::{Value, json};

use postrider::clock::{Clock as _, ManualClock};

use super::Far;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The token in use is dead.
    TokenDead,
    /// So is every other.
    EveryToken,
    /// A page of HTML with this status.
    Html(u16),
    /// 429, to be left alone for ten minutes.
    Busy,
    /// The connection ends in the middle of the body.
    Reset,
    /// The body comes byte by byte.
    Drip,
    /// The compressed body ends in the middle.
    TornGzip,
    /// So many bytes of blanks in a right answer.
    Bomb(usize),
    /// The cursor is always a new one.
    Endless,
    /// The cursor is always the same.
    Circle,
    /// Lists within lists, so deep.
    Deep(usize),
    /// Latin-1, and saying so.
    Latin,
    /// Latin-1, said to be UTF-8.
    FalseUtf8,
    /// Everything but the records.
    NoRecords,
    /// Cursors are not known any more.
    CursorGone,
}

/// The helpdesk.
pub(super) struct Desk {
    url: String,
    state: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    wrong: Option<Wrong>,
    requests: u64,
    tokens: u64,
    /// The only token that is good.
    good: u64,
    /// How often the tickets were changed.
    changes: u32,
    cursors: u64,
}

impl Far for Desk {
    fn change(&self) {
        self.books().changes += 1;
    }
    fn requests(&self) -> u64 {
        self.books().requests
    }
    fn forget(&self) {
        self.books().requests = 0;
    }
    fn calm(&self) {
        self.books().wrong = None;
    }
}

impl Desk {
    /// Opens it on a free port.
    pub(super) async fn open(clock: Arc<ManualClock>) -> Desk {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Books::default()));
        let shared = (Arc::clone(&state), clock);
        let router = Router::new().fallback(answer).with_state(shared);
        tokio::spawn(axum::serve(listener, router).into_future());
        Desk { url, state }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Makes something wrong.
    pub(super) fn arm(&self, wrong: Wrong) {
        let mut books = self.books();
        books.good += u64::from(wrong == Wrong::TokenDead);
        books.wrong = Some(wrong);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.state.lock().unwrap()
    }
}

type Shared = (Arc<Mutex<Books>>, Arc<ManualClock>);

async fn answer(State((state, clock)): State<Shared>, request: Request) -> Response<Body> {
    let mut answer = answered(&mut state.lock().unwrap(), &request);
    // Its clock is the test's.
    let date = httpdate::fmt_http_date(clock.now().into());
    answer.headers_mut().insert("date", date.parse().unwrap());
    answer
}

fn answered(books: &mut Books, request: &Request) -> Response<Body> {
    books.requests += 1;
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    if request.uri().path() == "/token" {
        books.tokens += 1;
        books.good = books.tokens;
        let token = format!("t{}", books.tokens);
        return whole(200, json!({ "access_token": token, "expires_in": 86_400 }).to_string());
    }
    let is_good = header("authorization") == format!("Bearer t{}", books.good);
    if !is_good || books.wrong == Some(Wrong::EveryToken) {
        return whole(401, json!({ "message": "Bad credentials" }).to_string());
    }
    let query = request.uri().query().unwrap_or_default();
    let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="));
    let gzip = header("accept-encoding").contains("gzip");
    broken(books, cursor, gzip)
}

fn broken(books: &mut Books, cursor: Option<&str>, gzip: bool) -> Response<Body> {
    let mut page = page(books, cursor);
    match books.wrong {
        Some(Wrong::Html(status)) => return html(status),
        Some(Wrong::Busy) => {
            let mut answer = html(429);
            answer.headers_mut().insert("retry-after", "600".parse().unwrap());
            return answer;
        }
        Some(Wrong::CursorGone) if cursor.is_some() => {
            return whole(410, json!({ "message": "cursor expired" }).to_string());
        }
        Some(Wrong::Endless | Wrong::Circle) => {
            books.cursors += u64::from(books.wrong == Some(Wrong::Endless));
            page["after"] = format!("again-{}", books.cursors).into();
        }
        Some(Wrong::NoRecords) => {
            page.as_object_mut().unwrap().remove("tickets");
        }
        _ => {}
    }
    let mut body = page.to_string().into_bytes();
    match books.wrong {
        Some(Wrong::Deep(deep)) => {
            let lists = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
            whole(200, format!("{{\"tickets\":{lists},\"after\":null}}"))
        }
        Some(Wrong::Latin) => typed(latin(&body), "application/json; charset=iso-8859-1"),
        Some(Wrong::FalseUtf8) => typed(latin(&body), "application/json; charset=utf-8"),
        Some(Wrong::Reset) => {
            let length = body.len();
            body.truncate(length / 2);
            let cut = Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted));
            let pieces = stream::iter([Ok(body), cut]);
            Response::builder()
                .header("content-length", length)
                .body(Body::from_stream(pieces))
                .unwrap()
        }
        Some(Wrong::Drip) => {
            let drops = stream::unfold(body.into_iter(), |mut bytes| async move {
                let byte = bytes.next()?;
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Ok::<_, std::io::Error>(vec![byte]), bytes))
            });
            Response::new(Body::from_stream(drops))
        }
        Some(Wrong::TornGzip) if gzip => {
            let mut packed = packed(&body);
            packed.truncate(packed.len() / 2);
            Response::builder().header("content-encoding", "gzip").body(Body::from(packed)).unwrap()
        }
        Some(Wrong::Bomb(bytes)) if gzip => {
            body.splice(1..1, std::iter::repeat_n(b' ', bytes));
            let packed = packed(&body);
            Response::builder().header("content-encoding", "gzip").body(Body::from(packed)).unwrap()
        }
        _ => typed(body, "application/json"),
    }
}

/// Two of the six tickets.
fn page(books: &Books, cursor: Option<&str>) -> Value {
    let first = cursor.and_then(|cursor| cursor.parse::<usize>().ok()).unwrap_or(0);
    let status = if books.changes == 0 { "open" } else { "solved" };
    let tickets: Vec<Value> = (first..6.min(first + 2))
        .map(|id| {
            json!({
                "id": format!("T{id}"),
                "status": status,
                "from": "Jürgen Müller",
                "updated_at": format!("2026-11-22T11:{:02}:00Z", id + books.changes as usize * 10),
            })
        })
        .collect();
    let after = (first + 2 < 6).then(|| (first + 2).to_string());
    json!({ "tickets": tickets, "after": after })
}

fn whole(status: u16, body: String) -> Response<Body> {
    let mut answer = typed(body.into_bytes(), "application/json");
    *answer.status_mut() = status.try_into().unwrap();
    answer
}

fn html(status: u16) -> Response<Body> {
    let page = b"<html><body>Something went wrong</body></html>".to_vec();
    let mut answer = typed(page, "text/html");
    *answer.status_mut() = status.try_into().unwrap();
    answer
}

fn typed(body: Vec<u8>, kind: &str) -> Response<Body> {
    Response::builder().header("content-type", kind).body(Body::from(body)).unwrap()
}

/// Characters as single bytes.
fn latin(body: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap();
    text.chars().map(|letter| u8::try_from(letter).unwrap()).collect()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
