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

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail, Quit, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::Bounds;
use super::classify::{Fault, Step};
use super::content::Content;
use super::reply::{Offers, Reply, parse_line};
use crate::receiver::Handover;
use crate::receiver::tls::{TlsFault, fault_in};

/// The longest line of an answer, in bytes (RFC 5321 allows 512).
const LINE_BYTES_MAX: usize = 4_096;
/// The longest answer, in bytes.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// How much of a message is written under one bound, in bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// A failed step.
#[derive(Debug)]
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

    /// The server answered and listens on, so the connection can carry another message.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        let in_transaction =
            matches!(self.step, Step::Sender | Step::Recipient | Step::Data | Step::Dot);
        let refused =
            matches!(&self.fault, Fault::Reply(reply) if reply.code != 421 && reply.code >= 400);
        in_transaction && (refused || matches!(self.fault, Fault::Unsendable(_)))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open conversation.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// Received and not yet taken as an answer.
    unread: Vec<u8>,
    offers: Offers,
    hello: ClientId,
    peer: SocketAddr,
    encrypted: bool,
    bounds: Bounds,
    /// The end of the whole attempt.
    deadline: Instant,
    pub(super) opened: Instant,
    pub(super) messages: u32,
    /// A transaction was begun and not brought to its end.
    begun: bool,
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
        })
    }

    /// Sets the end of the attempt this connection now serves.
    pub(super) fn serve_until(&mut self, deadline: Instant) {
        self.deadline = deadline;
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

    /// Logs in by PLAIN or LOGIN, whichever the server offers.
    pub(super) async fn login(&mut self, account: &Credentials) -> Result<(), Failure> {
        let fail = |fault| Failure { step: Step::Login, fault };
        let setup = |what: &str| fail(Fault::Setup(what.into()));
        let offered = |wanted: &&Mechanism| self.offers.logins.contains(wanted);
        let mechanism = [Mechanism::Plain, Mechanism::Login]
            .iter()
            .find(offered)
            .copied()
            .ok_or_else(|| setup("the server offers neither AUTH PLAIN nor AUTH LOGIN"))?;
        let first = Auth::new(mechanism, account.clone(), None)
            .map_err(|_| setup("the login cannot be put into AUTH"))?;
        let mut reply = self.ask(first, self.bounds.hello).await.map_err(fail)?;
        // LOGIN asks twice, for the name and for the password; more is not a login.
        for _ in 0..2 {
            if reply.code != 334 || mechanism == Mechanism::Plain {
                break;
            }
            let answer = challenge_answer(account, &reply)
                .ok_or_else(|| fail(Fault::Garbage("AUTH LOGIN asks for something else".into())))?;
            reply = self.ask(answer, self.bounds.hello).await.map_err(fail)?;
        }
        expect(Step::Login, 235..=235, Ok(reply)).map(drop)
    }

    /// One message to one recipient; the server's words when it took it.
    pub(super) async fn transfer(
        &mut self,
        from: &Address,
        to: &Address,
        bytes: &[u8],
        handover: &Handover,
    ) -> Result<String, Failure> {
        let content = Content::of(bytes);
        let parameters = self
            .parameters(from, to, &content)
            .map_err(|fault| Failure { step: Step::Sender, fault })?;
        self.begun = true;
        let mail = self.ask(Mail::new(Some(from.clone()), parameters), self.bounds.mail).await;
        expect(Step::Sender, 250..=250, mail)?;
        let rcpt = self.ask(Rcpt::new(to.clone(), Vec::new()), self.bounds.rcpt).await;
        expect(Step::Recipient, 250..=252, rcpt)?;
        let data = self.ask(Data, self.bounds.data).await;
        expect(Step::Data, 354..=354, data)?;
        self.write_content(&content.wire, handover).await?;
        let taken = self.answer(self.bounds.dot).await;
        self.messages += 1;
        let taken = expect(Step::Dot, 250..=250, taken)?;
        self.begun = false;
        Ok(taken.words())
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

    fn parameters(
        &self,
        from: &Address,
        to: &Address,
        content: &Content,
    ) -> Result<Vec<MailParameter>, Fault> {
        let mut parameters = Vec::new();
        if let Some(limit) = self.offers.size_max {
            if limit > 0 && content.wire.len() > limit {
                return Err(Fault::Unsendable(format!(
                    "the message has {} bytes, the server takes {limit}",
                    content.wire.len()
                )));
            }
            parameters.push(MailParameter::Size(content.wire.len()));
        }
        let (from, to): (&str, &str) = (from.as_ref(), to.as_ref());
        if !from.is_ascii() || !to.is_ascii() {
            if !self.offers.utf8 {
                let lack = "address needs SMTPUTF8, which the server does not offer";
                return Err(match from.is_ascii() {
                    true => Fault::Unsendable(format!("the recipient's {lack}")),
                    // No message of this sender will ever pass.
                    false => Fault::Setup(format!("the sender's {lack}")),
                });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if content.eight_bit {
            if !self.offers.eight_bit {
                return Err(Fault::Unsendable(
                    "the message needs 8BITMIME, which the server does not offer".into(),
                ));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// Writes the message and the final dot. Returning without error is the hand-over: until then
    /// the last bytes have not left, and a failure cannot have delivered anything.
    async fn write_content(&mut self, wire: &[u8], handover: &Handover) -> Result<(), Failure> {
        let (limit, deadline) = (self.bounds.block, self.deadline);
        let dot = b".\r\n".as_slice();
        for block in wire.chunks(BLOCK_BYTES).chain([dot]) {
            if block == dot {
                handover.begin();
            }
            let stream = &mut self.stream;
            let write = async {
                stream.write_all(block).await.map_err(broken)?;
                stream.flush().await.map_err(broken)
            };
            if let Err(fault) = within(limit, deadline, write).await {
                return Err(Failure { step: Step::Content, fault: self.early_answer(fault).await });
            }
        }
        Ok(())
    }

    /// A server that has had enough says so and closes: its words tell more than a broken pipe.
    async fn early_answer(&mut self, fault: Fault) -> Fault {
        match (&fault, self.answer(self.bounds.quit).await) {
            (Fault::Broken(_), Ok(reply)) if reply.code >= 400 => Fault::Reply(reply),
            _ => fault,
        }
    }

    async fn ask(&mut self, command: impl Display, limit: Duration) -> Result<Reply, Fault> {
        self.ask_lines(command, limit).await.map(|(reply, _)| reply)
    }

    async fn ask_lines(
        &mut self,
        command: impl Display,
        limit: Duration,
    ) -> Result<(Reply, Vec<String>), Fault> {
        let line = command.to_string();
        let deadline = self.deadline;
        within(limit, deadline, async {
            // An answer nobody asked for would be taken for the answer to this command.
            if !self.unread.is_empty() {
                return Err(self.unasked());
            }
            self.stream.write_all(line.as_bytes()).await.map_err(broken)?;
            self.stream.flush().await.map_err(broken)?;
            self.read_reply().await
        })
        .await
    }

    async fn answer(&mut self, limit: Duration) -> Result<Reply, Fault> {
        let deadline = self.deadline;
        within(limit, deadline, self.read_reply()).await.map(|(reply, _)| reply)
    }

    /// What arrived unasked: a 421 is the server's goodbye, all else is not SMTP.
    fn unasked(&self) -> Fault {
        let text = String::from_utf8_lossy(&self.unread);
        match text.strip_prefix("421") {
            Some(rest) => Fault::Reply(Reply { code: 421, text: rest.trim().to_owned() }),
            None => Fault::Garbage("the server spoke without being asked".into()),
        }
    }

    /// Reads one answer: lines `250-text` and a last one `250 text`, all with the same code.
    async fn read_reply(&mut self) -> Result<(Reply, Vec<String>), Fault> {
        let mut lines: Vec<String> = Vec::new();
        let (mut code, mut total) = (None, 0);
        loop {
            let line = self.read_line().await?;
            total += line.len();
            if total > REPLY_BYTES_MAX {
                return Err(Fault::Garbage("the answer is too long".into()));
            }
            let (this, last, text) = parse_line(&line)
                .ok_or_else(|| Fault::Garbage(format!("the answer is not SMTP: {line}")))?;
            if *code.get_or_insert(this) != this {
                return Err(Fault::Garbage("the answer changes its code midway".into()));
            }
            lines.push(text.to_owned());
            if last {
                return Ok((Reply { code: this, text: lines.join(" ") }, lines));
            }
        }
    }

    async fn read_line(&mut self) -> Result<String, Fault> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.unread[searched..].iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=searched + end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            searched = self.unread.len();
            if searched > LINE_BYTES_MAX {
                return Err(Fault::Garbage("the answer has an endless line".into()));
            }
            let mut block = [0; 2_048];
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

/// The next line of AUTH LOGIN, when the challenge is one of the two it may be.
fn challenge_answer(account: &Credentials, reply: &Reply) -> Option<Auth> {
    use base64::Engine as _;
    let encoded = reply.text.split_whitespace().next()?;
    let challenge = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let challenge = String::from_utf8(challenge).ok()?;
    Auth::new(Mechanism::Login, account.clone(), Some(challenge)).ok()
}

/// Lets a step end by its own bound or the attempt's, whichever is nearer.
async fn within<T>(
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

fn expect(
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
