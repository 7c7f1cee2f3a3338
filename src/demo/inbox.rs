//! A mail inbox: an SMTP server that keeps what it gets in memory, and a page to read it.
//!
//! It takes any mail from anybody who can reach it and passes none on. Tests make it misbehave at
//! any point of the conversation.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinHandle, JoinSet};

use super::shelf::Shelf;
use crate::clock::Clock;

mod letter;
mod page;
mod session;
#[cfg(test)]
mod tests;

pub use self::page::Page;

/// The most mails kept.
const MAILS_MAX: usize = 1_000;
/// The most bytes of mails kept.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// The most connections served at a time; more are told to come back.
const SESSIONS_MAX: usize = 2_000;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 2_048;

/// How an inbox is opened.
#[derive(Clone)]
pub struct InboxSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key; with it, STARTTLS is offered.
    pub tls: Option<Arc<ServerConfig>>,
    /// TLS from the first byte instead of STARTTLS.
    pub implicit_tls: bool,
    /// Name and password that must be given before a mail is taken.
    pub account: Option<(String, String)>,
}

impl Default for InboxSettings {
    /// A free port on loopback, without TLS and without login.
    fn default() -> InboxSettings {
        InboxSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            implicit_tls: false,
            account: None,
        }
    }
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// From 1, in order of arrival.
    pub number: u64,
    /// When it was taken, by the inbox's clock.
    pub received: DateTime<Utc>,
    /// The sender in the envelope.
    pub envelope_from: String,
    /// The recipients in the envelope that were not refused.
    pub recipients: Vec<String>,
    /// The subject, decoded; empty when there is none.
    pub subject: String,
    /// The mail as sent, dots undone, the last line's end included.
    pub bytes: Vec<u8>,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Who had logged in.
    pub login: Option<String>,
    /// The connection it came over, from 1.
    pub connection: usize,
}

/// A point of the conversation, for misbehaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The greeting.
    Banner,
    /// EHLO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The final dot.
    Dot,
}

/// What to do at a stage instead of what is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Answer with this line; after a 421 the connection is closed. A mail answered so at
    /// [`Stage::Dot`] is not kept.
    Answer(String),
    /// Never answer. At [`Stage::Dot`] the mail is kept.
    Stall,
    /// Close without an answer. At [`Stage::Dot`] the mail is kept.
    Close,
    /// Do what is right, so much later in real time. At [`Stage::Dot`] the mail is kept at once.
    Late(Duration),
}

/// A running inbox; dropping it closes its connections.
pub struct Inbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// What all sessions share.
struct Shared {
    settings: InboxSettings,
    clock: Arc<dyn Clock>,
    mails: Shelf<Mail>,
    connections: AtomicUsize,
    manners: Mutex<Manners>,
}

/// How the inbox misbehaves.
#[derive(Default)]
struct Manners {
    refused: BTreeMap<String, String>,
    acts: BTreeMap<Stage, (Act, u32)>,
}

impl Inbox {
    /// Opens an inbox with the default settings.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(clock: Arc<dyn Clock>) -> io::Result<Inbox> {
        Inbox::open(InboxSettings::default(), clock).await
    }

    /// Opens an inbox.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn open(settings: InboxSettings, clock: Arc<dyn Clock>) -> io::Result<Inbox> {
        let listener = listen(settings.listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            settings,
            clock,
            mails: Shelf::new(MAILS_MAX, BYTES_MAX),
            connections: AtomicUsize::new(0),
            manners: Mutex::default(),
        });
        let listening = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Inbox { shared, address, listening: Mutex::new(Some(listening)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails it holds, oldest first: the last 1000, up to 256 MiB.
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.shared.mails.all()
    }

    /// One mail by its number.
    pub fn mail(&self, number: u64) -> Option<Arc<Mail>> {
        self.shared.mails.find(number)
    }

    /// How many mails arrived since the start or the last [`Inbox::clear`].
    pub fn received(&self) -> usize {
        self.shared.mails.total()
    }

    /// How many connections were opened since the start.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until at least `count` mails arrived since the start or the last [`Inbox::clear`];
    /// those still held, oldest first. The caller bounds the wait.
    pub async fn wait_for(&self, count: usize) -> Vec<Arc<Mail>> {
        self.shared.mails.reached(count).await;
        self.mails()
    }

    /// Throws the mails away.
    pub fn clear(&self) {
        self.shared.mails.clear();
    }

    /// Answers this recipient, in any case of letters, with this line from now on.
    pub fn refuse(&self, recipient: &str, answer: &str) {
        self.shared.manners().refused.insert(recipient.to_lowercase(), answer.to_owned());
    }

    /// Misbehaves at a stage, the next `times` times it is reached.
    pub fn misbehave(&self, stage: Stage, act: Act, times: u32) {
        self.shared.manners().acts.insert(stage, (act, times));
    }

    /// Behaves well again.
    pub fn behave(&self) {
        *self.shared.manners() = Manners::default();
    }

    /// Stops listening and cuts all connections; mails stay. New connections are refused.
    pub async fn go_down(&self) {
        let listening = self.listening().take();
        if let Some(listening) = listening {
            listening.abort();
            // Once the accepting future is gone, so are the listener and all sessions.
            let _ = listening.await;
        }
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    /// When somebody else took the port meanwhile.
    pub async fn come_back(&self) -> io::Result<()> {
        self.go_down().await;
        let listener = listen(self.address)?;
        *self.listening() = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
        Ok(())
    }

    fn listening(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Some(listening) = self.listening().take() {
            listening.abort();
        }
    }
}

impl Shared {
    fn manners(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do wrong at a stage, this time.
    fn act(&self, stage: Stage) -> Option<Act> {
        let mut manners = self.manners();
        let (act, times) = manners.acts.get_mut(&stage)?;
        *times = times.checked_sub(1)?;
        Some(act.clone())
    }

    /// What to do wrong at a stage instead of what is right, once it is time for either.
    async fn wrong(&self, stage: Stage) -> Option<Act> {
        match self.act(stage)? {
            Act::Late(wait) => {
                tokio::time::sleep(wait).await;
                None
            }
            act => Some(act),
        }
    }

    /// The line for a recipient who is refused.
    fn refusal(&self, recipient: &str) -> Option<String> {
        self.manners().refused.get(&recipient.to_lowercase()).cloned()
    }
}

/// Listens with room for a burst of clients. With the usual 128, a burst makes the kernel forget
/// connections their clients believe in, and as the server speaks first both would wait for ever.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The port can be had again at once after going down.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections until it is aborted; its sessions end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        while sessions.len() >= SESSIONS_MAX {
            sessions.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
                sessions.spawn(session::serve(stream, Arc::clone(&shared), number));
            }
            // Out of descriptors: trying again at once would only keep the processor busy.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while sessions.try_join_next().is_some() {}
    }
}
