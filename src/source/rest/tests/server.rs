//! A small HTTP server that says exactly what a test wants it to say, also what no server should.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query, as sent.
    pub(crate) path: String,
    /// First line and headers, names in lower case.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

impl Asked {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// A query parameter's value, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(&format!("http://x{}", self.path)).unwrap();
        let found = url.query_pairs().find(|(own, _)| own == name);
        found.map(|(_, value)| value.into_owned())
    }
}

/// An answer to give.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    ends: Ends,
}

/// How the body ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Well,
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// One byte at a time, with this pause.
    Drip(Duration),
}

pub(crate) fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    let headers = vec![("content-type", "application/json".to_owned())];
    Reply { status, headers, body: body.into(), ends: Ends::Well }
}

impl Reply {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.retain(|(own, _)| *own != name || name == "link");
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn cut_at(mut self, bytes: usize) -> Reply {
        self.ends = Ends::Cut(bytes);
        self
    }

    pub(crate) fn dripping(mut self, pause: Duration) -> Reply {
        self.ends = Ends::Drip(pause);
        self
    }
}

/// The address and what was asked.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts it. `answer` gets the number of each request, the request, and the server's address.
    pub(crate) async fn start(
        answer: impl Fn(usize, &Asked, &str) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, home, answer) = (asked.clone(), url.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, home, answer) = (log.clone(), home.clone(), answer.clone());
                tokio::spawn(async move { serve(stream, &log, &home, answer.as_ref()).await });
            }
        });
        Server { url, asked }
    }

    /// Everything asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Paths and queries asked so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    home: &str,
    answer: &(dyn Fn(usize, &Asked, &str) -> Reply + Send + Sync),
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(buffer[..end].to_vec()).ok()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        while buffer.len() < end + length {
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        }
        let body = String::from_utf8(buffer[end..end + length].to_vec()).ok()?;
        buffer.drain(..end + length);
        let path = head.split(' ').nth(1)?.to_owned();
        let asked = Asked { path, head, body };
        let number = {
            let mut log = log.lock().unwrap();
            log.push(asked.clone());
            log.len() - 1
        };
        speak(&mut stream, &answer(number, &asked, home)).await?;
    }
}

/// Gives an answer; `None` where the connection is over.
async fn speak(stream: &mut TcpStream, reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
    if !matches!(reply.status, 204 | 304) {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    match reply.ends {
        Ends::Well => stream.write_all(&reply.body).await.ok(),
        Ends::Cut(bytes) => {
            stream.write_all(&reply.body[..bytes]).await.ok()?;
            None
        }
        Ends::Drip(pause) => {
            for byte in &reply.body {
                stream.write_all(&[*byte]).await.ok()?;
                tokio::time::sleep(pause).await;
            }
            Some(())
        }
    }
}

/// A clock that is wherever someone waits for it to be.
pub(crate) struct LeapingClock(Mutex<DateTime<Utc>>);

impl LeapingClock {
    pub(crate) fn at(text: &str) -> Arc<LeapingClock> {
        Arc::new(LeapingClock(Mutex::new(text.parse().unwrap())))
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for LeapingClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'_, ()> {
        let mut now = self.0.lock().unwrap();
        *now = at.max(*now);
        Box::pin(std::future::ready(()))
    }
}
