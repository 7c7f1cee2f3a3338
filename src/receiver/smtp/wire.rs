//! One conversation with a mail server, each step bounded in time and each answer in size.
//!
//! lettre supplies the commands; the connection is ours, because lettre's has no time limit once it
//! is open, keeps what a server sent ahead of STARTTLS, and cannot tell a failure before the final
//! dot from one after it.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::commands::{Ehlo, Quit, Rset, Starttls};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::classify::{Fault, Step};
use super::offers::Offers;
use super::reply::{Parsed, Reply, parse_reply};
use super::settings::Bounds;
use crate::receiver::tls::{TlsFault, fault_in};

/// A failed step.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) fault: Fault,
}

impl Failure {
    /// A reused connection died between two messages: a fresh one may do.
    pub(super) fn is_stale(&self) -> bool {
        self.step == Step::Sender
            && match &self.fault {
                Fault::Broken(_) => true,
                Fault::Reply(reply) => reply.code == 421,
                _ => false,
            }
    }

    /// The server knows us not by what we said.
    pub(super) fn is_refused_login(&self) -> bool {
        self.step == Step::Login && matches!(&self.fault, Fault::Reply(reply) if reply.class() == 5)
    }

    /// The server said no and listens on, so the connection can carry another message.
    pub(super) fn goes_on(&self) -> bool {
        match &self.fault {
            Fault::Reply(reply) | Fault::TooMany(reply) => reply.refuses(),
            Fault::Unsendable(_) => true,
            Fault::Timeout(_) | Fault::Broken(_) | Fault::Garbage(_) | Fault::Setup(_) => false,
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open conversation.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// Received and not yet taken as an answer.
    unread: Vec<u8>,
    pub(super) offers: Offers,
    hello: ClientId,
    peer: SocketAddr,
    encrypted: bool,
    pub(super) bounds: Bounds,
    /// The end of this server's part of the attempt.
    deadline: Instant,
    pub(super) opened: Instant,
    pub(super) messages: u32,
    /// A transaction was begun and not brought to its end.
    pub(super) begun: bool,
    /// The conversation cannot go on.
    pub(super) over: bool,
}

impl Connection {
    /// Connects without TLS; nothing has been said yet.
    pub(super) async fn open(
        host: &str,
        port: u16,
        bounds: Bounds,
        deadline: Instant,
    ) -> Result<Connection, Failure> {
        let found = within(bounds.connect, deadline, connect(host, port, bounds.connect)).await;
        let (stream, own, peer) = found.map_err(|fault| Failure { step: Step::Connect, fault })?;
        let hello = match own {
            SocketAddr::V4(own) => ClientId::Ipv4(*own.ip()),
            SocketAddr::V6(own) => ClientId::Ipv6(*own.ip()),
        };
        Ok(Connection {
            stream: Box::new(stream),
            unread: Vec::new(),
            offers: Offers::default(),
            hello,
            peer,
            encrypted: false,
            bounds,
            deadline,
            opened: Instant::now(),
            messages: 0,
            begun: false,
            over: false,
        })
    }

    /// Sets the end of the attempt this connection now serves.
    pub(super) fn serve_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// From here on impatience would repeat the message: its answer gets all the time it may take.
    pub(super) fn wait_for_the_dot(&mut self) -> Duration {
        self.deadline = self.deadline.max(Instant::now() + self.bounds.dot);
        self.bounds.dot
    }

    /// Whether the far side is this machine.
    pub(super) fn is_local(&self) -> bool {
        self.peer.ip().to_canonical().is_loopback()
    }

    /// Whether the conversation is protected.
    pub(super) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Waits for the server's first words.
    pub(super) async fn greet(&mut self) -> Result<(), Failure> {
        let reply = self.answer(self.bounds.banner).await;
        expect(Step::Banner, 220..=220, reply).map(drop)
    }

    /// Introduces us and learns what the server offers.
    pub(super) async fn hello(&mut self) -> Result<(), Failure> {
        let lines = self.ask_lines(Ehlo::new(self.hello.clone()), self.bounds.hello).await;
        let (reply, lines) = match lines {
            Ok((reply, lines)) => (Ok(reply), lines),
            Err(fault) => (Err(fault), Vec::new()),
        };
        expect(Step::Hello, 250..=250, reply)?;
        self.offers = Offers::read(lines.iter().skip(1).map(String::as_str));
        Ok(())
    }

    /// Protects the conversation; a server that offers no STARTTLS is refused.
    pub(super) async fn starttls(
        &mut self,
        name: ServerName<'static>,
        tls: Arc<ClientConfig>,
    ) -> Result<(), Failure> {
        if !self.offers.starttls {
            let fault = Fault::Setup("the server does not offer STARTTLS".into());
            return Err(Failure { step: Step::StartTls, fault });
        }
        let reply = self.ask(Starttls, self.bounds.hello).await;
        expect(Step::StartTls, 220..=220, reply)?;
        // Whatever came ahead of the handshake came unprotected, perhaps from somebody else.
        if !self.unread.is_empty() {
            let fault = Fault::Garbage("the server spoke on before TLS began".into());
            return Err(Failure { step: Step::StartTls, fault });
        }
        self.handshake(name, tls).await
    }

    /// Runs the TLS handshake on the open connection.
    pub(super) async fn handshake(
        &mut self,
        name: ServerName<'static>,
        tls: Arc<ClientConfig>,
    ) -> Result<(), Failure> {
        let clear = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let handshake = async {
            TlsConnector::from(tls).connect(name, clear).await.map_err(|err| match fault_in(&err) {
                Some(TlsFault::Lasting(what)) => {
                    Fault::Setup(format!("the server's TLS is not acceptable: {what}"))
                }
                Some(TlsFault::Passing(what)) => Fault::Broken(what),
                None => broken(err),
            })
        };
        let stream = within(self.bounds.hello, self.deadline, handshake)
            .await
            .map_err(|fault| Failure { step: Step::Handshake, fault })?;
        self.stream = Box::new(stream);
        self.encrypted = true;
        Ok(())
    }

    /// Clears a refused transaction away, if there was one; whether the connection can carry
    /// another message.
    pub(super) async fn clean(&mut self) -> bool {
        if self.begun {
            let reply = self.ask(Rset, self.bounds.quit).await;
            self.begun = !matches!(reply, Ok(Reply { code: 250, .. }));
        }
        !self.begun
    }

    /// Says goodbye; whether the server answers is of no interest.
    pub(super) async fn quit(mut self) {
        let _ = self.ask(Quit, self.bounds.quit).await;
        let _ = tokio::time::timeout(self.bounds.quit, self.stream.shutdown()).await;
    }

    /// Says one thing and waits for the answer.
    pub(super) async fn ask(
        &mut self,
        command: impl Display,
        limit: Duration,
    ) -> Result<Reply, Fault> {
        self.ask_lines(command, limit).await.map(|(reply, _)| reply)
    }

    async fn ask_lines(
        &mut self,
        command: impl Display,
        limit: Duration,
    ) -> Result<(Reply, Vec<String>), Fault> {
        self.nothing_unread()?;
        let (line, deadline) = (command.to_string(), self.deadline);
        within(limit, deadline, async {
            self.stream.write_all(line.as_bytes()).await.map_err(broken)?;
            self.stream.flush().await.map_err(broken)?;
            self.read_reply().await
        })
        .await
    }

    /// Writes commands. What arrived unasked would be taken for the answer to them.
    pub(super) async fn say(&mut self, commands: &[u8], limit: Duration) -> Result<(), Fault> {
        self.nothing_unread()?;
        self.write(commands, limit).await
    }

    /// Writes what is no command.
    pub(super) async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), Fault> {
        let stream = &mut self.stream;
        within(limit, self.deadline, async {
            stream.write_all(bytes).await.map_err(broken)?;
            stream.flush().await.map_err(broken)
        })
        .await
    }

    /// Waits for an answer.
    pub(super) async fn answer(&mut self, limit: Duration) -> Result<Reply, Fault> {
        let deadline = self.deadline;
        within(limit, deadline, self.read_reply()).await.map(|(reply, _)| reply)
    }

    /// What arrived unasked: a 421 is the server's goodbye, all else is not SMTP.
    pub(super) fn nothing_unread(&self) -> Result<(), Fault> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.unread);
        Err(match text.strip_prefix("421") {
            Some(rest) => Fault::Reply(Reply { code: 421, text: rest.trim().to_owned() }),
            None => Fault::Garbage("the server spoke without being asked".into()),
        })
    }

    async fn read_reply(&mut self) -> Result<(Reply, Vec<String>), Fault> {
        let mut block = [0; 2_048];
        loop {
            match parse_reply(&self.unread) {
                Parsed::Whole { reply, lines, length } => {
                    self.unread.drain(..length);
                    return Ok((reply, lines));
                }
                Parsed::Garbage(why) => return Err(Fault::Garbage(why)),
                Parsed::Incomplete => {}
            }
            match self.stream.read(&mut block).await.map_err(broken)? {
                0 => return Err(Fault::Broken("the server closed the connection".into())),
                count => self.unread.extend_from_slice(&block[..count]),
            }
        }
    }
}

/// Tries the addresses of a name in turn, each with its share of the time that is left, so that one
/// that swallows packets does not hide the others.
async fn connect(
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<(TcpStream, SocketAddr, SocketAddr), Fault> {
    let until = Instant::now() + limit;
    let addresses: Vec<_> = lookup_host((host, port)).await.map_err(broken)?.collect();
    let mut last = Fault::Broken("the host name has no address".into());
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / left;
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without this each command waits for the far side's delayed acknowledgement.
                stream.set_nodelay(true).map_err(broken)?;
                let (own, peer) = (stream.local_addr(), stream.peer_addr());
                return Ok((stream, own.map_err(broken)?, peer.map_err(broken)?));
            }
            Ok(Err(err)) => last = broken(err),
            Err(_) => last = Fault::Timeout(share),
        }
    }
    Err(last)
}

/// Lets a step end by its own bound or the attempt's, whichever is nearer.
pub(super) async fn within<T>(
    limit: Duration,
    deadline: Instant,
    step: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let begun = Instant::now();
    let until = (begun + limit).min(deadline);
    match tokio::time::timeout_at(until, step).await {
        Ok(result) => result,
        Err(_) => Err(Fault::Timeout(until - begun)),
    }
}

/// The answer, if its code is one of those that let the conversation go on.
pub(super) fn expect(
    step: Step,
    codes: std::ops::RangeInclusive<u16>,
    reply: Result<Reply, Fault>,
) -> Result<Reply, Failure> {
    match reply {
        Ok(reply) if codes.contains(&reply.code) => Ok(reply),
        Ok(reply) => Err(Failure { step, fault: Fault::Reply(reply) }),
        Err(fault) => Err(Failure { step, fault }),
    }
}

fn broken(err: io::Error) -> Fault {
    Fault::Broken(err.to_string())
}
