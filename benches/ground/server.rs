//! A static server of recorded pages, in a process of its own so that its cost is not counted as
//! anybody's: the token endpoint, `queryAll` (which gives the first page of the object asked for) and
//! the pages behind it. Files go from the page cache to the socket without a copy in between.
//!
//! What a query asks for is not looked at, save one thing: changes after the org was recorded are
//! none, so that a daemon which has read everything stays idle.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use percent_encoding::percent_decode_str;

use super::org::END;
use super::pages::DATA;

/// Headers of a request are bounded as an org bounds them.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;

/// A running server; it ends with this value.
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
}

impl Server {
    /// Starts this program again as a server of a folder.
    pub(crate) fn start(pages: &Path) -> anyhow::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--as", "server", "--folder"])
            .arg(pages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let out = child.stdout.take().expect("the child's output is a pipe");
        BufReader::new(out).read_line(&mut url)?;
        Ok(Server { child, url: url.trim().to_owned() })
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until whoever started it is gone: then its input ends.
pub(crate) fn serve(pages: PathBuf) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    super::line(&url);
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let site = Arc::new(Site { pages, url, requests: AtomicU64::new(0) });
    for stream in listener.incoming() {
        let (stream, site) = (stream?, Arc::clone(&site));
        // A connection that breaks off is the client's affair.
        std::thread::spawn(move || site.converse(stream));
    }
    Ok(())
}

struct Site {
    pages: PathBuf,
    url: String,
    requests: AtomicU64,
}

enum Body {
    Text(String),
    File(File, u64),
}

impl Site {
    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        while let Some(target) = request(&mut reader)? {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let (status, body) = match self.answer(&target) {
                Some(body) => ("200 OK", body),
                None => ("404 Not Found", Body::Text("[]".to_owned())),
            };
            let length = match &body {
                Body::Text(text) => text.len() as u64,
                Body::File(_, length) => *length,
            };
            let date = httpdate::fmt_http_date(now());
            let used = self.requests.load(Ordering::Relaxed);
            let head = format!(
                "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\nSforce-Limit-Info: api-usage={used}/5000000\r\n\r\n"
            );
            stream.write_all(head.as_bytes())?;
            match body {
                Body::Text(text) => stream.write_all(text.as_bytes())?,
                Body::File(mut file, _) => {
                    // Becomes `sendfile`.
                    io::copy(&mut file, &mut stream)?;
                }
            }
        }
        Ok(())
    }

    fn answer(&self, target: &str) -> Option<Body> {
        if target == "/services/oauth2/token" {
            let url = &self.url;
            return Some(Body::Text(format!(
                "{{\"access_token\":\"00Dbench\",\"instance_url\":\"{url}\",\"token_type\":\"Bearer\"}}"
            )));
        }
        if target == "/hook" {
            return Some(Body::Text("{}".to_owned()));
        }
        let rest = target.strip_prefix(DATA)?;
        if rest == "/limits" {
            return Some(Body::Text("{}".to_owned()));
        }
        if let Some(query) = rest.strip_prefix("/queryAll?q=") {
            let soql = percent_decode_str(query).decode_utf8().ok()?;
            if asks_for_later(&soql) {
                let none = "{\"totalSize\":0,\"done\":true,\"records\":[]}";
                return Some(Body::Text(none.to_owned()));
            }
            let object = soql.split_once(" FROM ")?.1.split(' ').next()?;
            return self.page(object, "0");
        }
        let (object, page) = rest.strip_prefix("/query/")?.split_once('-')?;
        self.page(object, page)
    }

    fn page(&self, object: &str, page: &str) -> Option<Body> {
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !plain(object) || !plain(page) {
            return None;
        }
        let file = File::open(self.pages.join(object).join(format!("{page}.json"))).ok()?;
        let length = file.metadata().ok()?.len();
        Some(Body::File(file, length))
    }
}

/// Whether only changes after the recording are asked for.
fn asks_for_later(soql: &str) -> bool {
    let end = chrono::DateTime::from_timestamp_millis(END).unwrap_or_default();
    let since = soql.split_once("SystemModstamp >= ").map(|(_, rest)| rest.split(' ').next());
    let since = since.flatten().and_then(|text| text.parse::<chrono::DateTime<chrono::Utc>>().ok());
    since.is_some_and(|since| end <= since)
}

/// The target of the next request; `None` when the client has hung up. A body is read and dropped.
fn request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut head = reader.take(REQUEST_BYTES_MAX);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(Some(target))
}

#[expect(clippy::disallowed_methods, reason = "the server stands for a foreign machine")]
fn now() -> SystemTime {
    SystemTime::now()
}
