//! An endpoint in a process of its own that takes every POST: it reads the whole request, says 200,
//! and keeps the connection as long as the other side wants it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::ground::{self, line};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A running endpoint; it ends with this value.
pub(crate) struct Endpoint {
    child: Child,
    url: String,
}

impl Endpoint {
    pub(crate) fn start() -> anyhow::Result<Endpoint> {
        let mut child =
            ground::contestant("endpoint")?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its output is a pipe")?;
        let mut url = String::new();
        BufReader::new(out).read_line(&mut url)?;
        Ok(Endpoint { child, url: url.trim().to_owned() })
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until whoever started it is gone: then its input ends.
pub(crate) fn serve() -> anyhow::Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        line(format!("http://{}/hook", listener.local_addr()?));
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(take(stream));
        }
    })
}

async fn take(mut stream: TcpStream) {
    let mut read = Vec::with_capacity(64 * 1024);
    loop {
        let head = loop {
            match read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None if more(&mut stream, &mut read).await => {}
                None => return,
            }
        };
        let length = content_length(&read[..head]).unwrap_or(0);
        while read.len() < head + length {
            if !more(&mut stream, &mut read).await {
                return;
            }
        }
        read.drain(..head + length);
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> bool {
    matches!(stream.read_buf(read).await, Ok(1..))
}

fn content_length(head: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    value.trim().parse().ok()
}
