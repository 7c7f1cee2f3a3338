//! A small HTTP server that says exactly what a test wants it to say, and a small org behind it
//! that answers the queries of a pull.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Path and query, as sent.
    pub(super) path: String,
    /// Headers, lower case.
    pub(super) head: String,
    /// The body.
    pub(super) body: String,
}

impl Asked {
    /// The statement asked, decoded.
    pub(super) fn soql(&self) -> Option<String> {
        let (_, query) =
            self.path.split_once("/queryAll?q=").or_else(|| self.path.split_once("/query?q="))?;
        assert!(!query.contains([' ', '+', '\'', '<']), "not encoded: {query}");
        Some(percent_encoding::percent_decode_str(query).decode_utf8().unwrap().into_owned())
    }

    /// The method, lower case.
    pub(super) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Whether it is a login.
    pub(super) fn is_login(&self) -> bool {
        self.path == "/services/oauth2/token"
    }

    /// The bearer token.
    pub(super) fn token(&self) -> &str {
        let (_, rest) = self.head.split_once("bearer ").unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }
}

/// An answer to give.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// How many bytes of the body are sent before the connection breaks.
    pub(super) cut: Option<usize>,
}

pub(super) fn reply(status: u16, body: impl Into<String>) -> Reply {
    Reply { status, headers: vec![], body: body.into().into_bytes(), cut: None }
}

impl Reply {
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// Compresses the body; a cut counts in compressed bytes.
    pub(super) fn gzipped(mut self) -> Reply {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.body).unwrap();
        self.body = encoder.finish().unwrap();
        self.with("content-encoding", "gzip")
    }

    pub(super) fn cut_at(mut self, bytes: usize) -> Reply {
        self.cut = Some(bytes);
        self
    }
}

/// The address and what was asked.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts it. `answer` gets each request and its address.
    pub(super) async fn start(
        answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static,
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
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn logins(&self) -> usize {
        self.asked().iter().filter(|asked| asked.is_login()).count()
    }

    pub(super) fn queries(&self) -> Vec<String> {
        self.asked().iter().filter_map(Asked::soql).collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    home: &str,
    answer: &(dyn Fn(&Asked, &str) -> Reply + Send + Sync),
) -> Option<()> {
    // Head and body are two writes: without this each answer waits for the client's late ACK.
    stream.set_nodelay(true).ok()?;
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
        let length = head.to_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").and_then(|text| text.trim().parse().ok())
        });
        while buffer.len() < end + length.unwrap_or(0) {
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        }
        let body = String::from_utf8(buffer[end..end + length.unwrap_or(0)].to_vec()).ok()?;
        buffer.drain(..end + length.unwrap_or(0));
        let path = head.split(' ').nth(1)?.to_owned();
        let asked = Asked { path, head: head.to_lowercase(), body };
        let reply = answer(&asked, home);
        log.lock().unwrap().push(asked);
        let mut out =
            format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            out += &format!("{name}: {value}\r\n");
        }
        out += "\r\n";
        let sent = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
        stream.write_all(out.as_bytes()).await.ok()?;
        stream.write_all(sent).await.ok()?;
        if reply.cut.is_some() {
            return None;
        }
    }
}

/// A clock that is wherever someone waits for it to be.
pub(super) struct LeapingClock(Mutex<DateTime<Utc>>);

impl LeapingClock {
    pub(super) fn at(text: &str) -> Arc<LeapingClock> {
        Arc::new(LeapingClock(Mutex::new(text.parse().unwrap())))
    }

    pub(super) fn advance(&self, by: TimeDelta) {
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

/// Records that answer the queries of a pull as an org does, page by page.
pub(super) struct SmallOrg {
    /// Key and stamp.
    pub(super) records: Vec<(String, DateTime<Utc>)>,
    pub(super) page: usize,
}

impl SmallOrg {
    /// The page asked for; a locator is the statement's condition and an offset, in hex.
    pub(super) fn answer(&self, asked: &Asked) -> Reply {
        let (soql, offset) = match asked.soql() {
            Some(soql) => (soql, 0),
            None => {
                let locator = asked.path.rsplit('/').next().unwrap();
                let (hex, offset) = locator.split_once('-').unwrap();
                let bytes = (0..hex.len() / 2)
                    .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap());
                (String::from_utf8(bytes.collect()).unwrap(), offset.parse().unwrap())
            }
        };
        let mut found: Vec<_> =
            self.records.iter().filter(|(key, at)| matches(&soql, key, *at)).collect();
        found.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        let end = found.len().min(offset + self.page);
        let records: Vec<_> = found[offset..end].iter().map(|(key, at)| record(key, *at)).collect();
        let hex: String = soql.bytes().map(|byte| format!("{byte:02x}")).collect();
        let next = (end < found.len()).then(|| format!("/services/data/v62.0/query/{hex}-{end}"));
        reply(200, page(&records, next.as_deref()))
    }
}

pub(super) fn record(key: &str, at: DateTime<Utc>) -> String {
    let stamp = at.format("%Y-%m-%dT%H:%M:%S%.3f%z");
    format!(
        r#"{{"attributes":{{"type":"X"}},"Id":"{key}","SystemModstamp":"{stamp}","IsDeleted":false}}"#
    )
}

pub(super) fn page(records: &[String], next: Option<&str>) -> String {
    let next_field = next.map(|next| format!(r#","nextRecordsUrl":"{next}""#)).unwrap_or_default();
    // How many there are in all is not known here, where more are to come.
    let total = match next {
        Some(_) => String::new(),
        None => format!(r#""totalSize":{},"#, records.len()),
    };
    format!(r#"{{{total}"done":{}{next_field},"records":[{}]}}"#, next.is_none(), records.join(","))
}

/// Whether a record is in the span a statement asks for.
pub(super) fn matches(soql: &str, key: &str, at: DateTime<Utc>) -> bool {
    let after = |mark: &str| -> Option<&str> {
        let (_, rest) = soql.split_once(mark)?;
        rest.split([' ', ')']).next()
    };
    let instant = |mark: &str| after(mark).map(|text| text.parse::<DateTime<Utc>>().unwrap());
    let last = after("Id > ").map(|quoted| quoted.trim_matches('\''));
    let tie = instant("SystemModstamp = ");
    let behind = match (tie, last) {
        (Some(tie), Some(last)) => at > tie || (at == tie && key > last),
        _ => true,
    };
    behind
        && instant("SystemModstamp >= ").is_none_or(|begin| at >= begin)
        && instant("SystemModstamp < ").is_none_or(|end| at < end)
}
