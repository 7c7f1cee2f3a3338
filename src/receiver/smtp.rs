//! SMTP: one mail to one recipient over one transaction, each step bounded.
//!
//! Each delivery is a transaction of its own, so a refused recipient never touches another and no
//! recipient sees the others. A connection that has just been used is kept for a few seconds, so a
//! batch of mails pays for TLS and login once. The bytes go out as they were stored; only line ends
//! and dots are made safe for the wire.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use lettre::Address;
use lettre::transport::smtp::authentication::Credentials;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use self::classify::{Fault, Step, classify};
use self::idle::Idle;
use self::wire::{Connection, Failure};
use super::tls;
use super::{Handover, Receiver, tls::TlsError};
use crate::domain::delivery::{Message, Outcome};

mod classify;
mod content;
mod idle;
mod reply;
#[cfg(test)]
mod tests;
mod wire;

/// How to reach the mail server.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Host name or address.
    pub host: String,
    /// Port: 587 by default, 465 with implicit TLS.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Account, with its password.
    pub login: Option<(String, SecretString)>,
    /// Private certificate authority, PEM, besides the system's.
    pub ca: Option<Vec<u8>>,
    /// `Name <address>` of the sender.
    pub from: String,
    /// The sender's bare address, for the envelope.
    pub from_address: String,
}

/// Protection of the connection to the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// STARTTLS, required: never a fallback to clear text.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None: loopback, or a relay without credentials.
    None,
}

/// How long each step may take. The defaults are RFC 5321's where being impatient would repeat
/// mails, and shorter where it would not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Name lookup and TCP.
    pub connect: Duration,
    /// The server's first words.
    pub banner: Duration,
    /// EHLO, STARTTLS, the TLS handshake and each line of AUTH.
    pub hello: Duration,
    /// MAIL FROM.
    pub mail: Duration,
    /// RCPT TO.
    pub rcpt: Duration,
    /// DATA, until the server asks for the message.
    pub data: Duration,
    /// Writing one block of the message (64 KiB).
    pub block: Duration,
    /// The answer to the final dot.
    pub dot: Duration,
    /// RSET and QUIT, whose answers matter little.
    pub quit: Duration,
    /// The whole attempt.
    pub overall: Duration,
    /// How long a connection is kept for the next mail.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        let seconds = Duration::from_secs;
        Bounds {
            connect: seconds(30),
            banner: seconds(60),
            hello: seconds(60),
            mail: seconds(300),
            rcpt: seconds(300),
            data: seconds(120),
            block: seconds(180),
            dot: seconds(600),
            quit: seconds(5),
            overall: seconds(1_200),
            idle: seconds(5),
        }
    }
}

/// Why a mail server cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The sender's address is not an address.
    #[error("`{0}` is not a mail address")]
    Sender(String),
    /// TLS needs a name or an address to check the certificate against.
    #[error("`{0}` is neither a host name nor an address")]
    Host(String),
    /// TLS cannot be set up.
    #[error("tls to the mail server cannot be set up")]
    Tls(#[source] TlsError),
}

/// The mail server as a receiver.
pub struct Smtp {
    host: String,
    port: u16,
    protection: Protection,
    account: Option<Credentials>,
    /// The login as it is and as it travels: what the server says is never kept with one of them.
    withheld: Vec<SecretString>,
    from: Address,
    bounds: Bounds,
    idle: Arc<Idle>,
}

enum Protection {
    StartTls(ServerName<'static>, Arc<ClientConfig>),
    Implicit(ServerName<'static>, Arc<ClientConfig>),
    None,
}

impl Smtp {
    /// Makes the receiver; no connection is opened yet.
    ///
    /// # Errors
    /// When sender, host or certificate authority are not what they should be.
    pub fn new(settings: SmtpSettings) -> Result<Smtp, SmtpError> {
        Smtp::with_bounds(settings, Bounds::default())
    }

    /// As [`Smtp::new`], with bounds of one's own.
    ///
    /// # Errors
    /// As [`Smtp::new`].
    pub fn with_bounds(settings: SmtpSettings, bounds: Bounds) -> Result<Smtp, SmtpError> {
        let from = address(&settings.from_address)
            .ok_or_else(|| SmtpError::Sender(settings.from_address.clone()))?;
        let host = bare_host(&settings.host).to_owned();
        let secured = || {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| SmtpError::Host(settings.host.clone()))?;
            let config = tls::client_config(settings.ca.as_deref()).map_err(SmtpError::Tls)?;
            Ok((name, Arc::new(config)))
        };
        let protection = match settings.tls {
            SmtpTls::StartTls => secured().map(|(name, tls)| Protection::StartTls(name, tls))?,
            SmtpTls::Implicit => secured().map(|(name, tls)| Protection::Implicit(name, tls))?,
            SmtpTls::None => Protection::None,
        };
        let withheld = settings.login.as_ref().map_or_else(Vec::new, forms);
        let account = settings
            .login
            .map(|(name, password)| Credentials::new(name, password.expose_secret().to_owned()));
        let idle = Arc::new(Idle::new(bounds.idle));
        Ok(Smtp { host, port: settings.port, protection, account, withheld, from, bounds, idle })
    }

    async fn transaction(&self, message: &Message, handover: &Handover) -> Result<String, Failure> {
        let to = address(&message.recipient).ok_or_else(|| {
            let what = format!("`{}` is not a mail address", message.recipient);
            Failure { step: Step::Prepare, fault: Fault::Unsendable(what) }
        })?;
        let deadline = Instant::now() + self.bounds.overall;
        if let Some(connection) = self.kept(deadline).await {
            match self.transfer(connection, &to, &message.bytes, handover).await {
                // It died while it waited for us; nothing has been handed over.
                Err(failure) if failure.is_stale() => {}
                result => return result,
            }
        }
        let connection = self.connect(deadline).await?;
        self.transfer(connection, &to, &message.bytes, handover).await
    }

    /// A connection that has carried a mail before and can carry another.
    async fn kept(&self, deadline: Instant) -> Option<Connection> {
        let mut connection = self.idle.take()?;
        connection.serve_until(deadline);
        connection.clean().await.then_some(connection)
    }

    async fn transfer(
        &self,
        mut connection: Connection,
        to: &Address,
        bytes: &[u8],
        handover: &Handover,
    ) -> Result<String, Failure> {
        let result = connection.transfer(&self.from, to, bytes, handover).await;
        if result.as_ref().err().is_none_or(Failure::leaves_connection_usable) {
            self.idle.park(connection);
        }
        result
    }

    /// The server's words, unless they repeat the login.
    fn withhold(&self, said: String) -> String {
        match self.withheld.iter().any(|secret| said.contains(secret.expose_secret())) {
            true => "(its words repeat the password and are withheld)".to_owned(),
            false => said,
        }
    }

    /// A connection that is ready for a message.
    async fn connect(&self, deadline: Instant) -> Result<Connection, Failure> {
        let mut connection = Connection::open(&self.host, self.port, self.bounds, deadline).await?;
        match self.introduce(&mut connection).await {
            Ok(()) => Ok(connection),
            Err(failure) => {
                // Its answer is not waited for: the verdict is already known.
                if matches!(failure.fault, Fault::Reply(_) | Fault::Setup(_)) {
                    tokio::spawn(connection.quit());
                }
                Err(failure)
            }
        }
    }

    async fn introduce(&self, connection: &mut Connection) -> Result<(), Failure> {
        if let Protection::Implicit(name, tls) = &self.protection {
            connection.handshake(name.clone(), Arc::clone(tls)).await?;
        }
        connection.greet().await?;
        connection.hello().await?;
        if let Protection::StartTls(name, tls) = &self.protection {
            connection.starttls(name.clone(), Arc::clone(tls)).await?;
            connection.hello().await?;
        }
        if let Some(account) = &self.account {
            if !connection.is_encrypted() && !connection.is_local() {
                let what = "the login would be sent without TLS to another machine";
                return Err(Failure { step: Step::Login, fault: Fault::Setup(what.into()) });
            }
            connection.login(account).await?;
        }
        Ok(())
    }
}

impl Receiver for Smtp {
    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        handover: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                outcomes.push(match self.transaction(message, handover).await {
                    Ok(words) => Outcome::Delivered(self.withhold(words)),
                    Err(failure) => {
                        classify(failure.step, &failure.fault).map_words(|said| self.withhold(said))
                    }
                });
            }
            outcomes
        })
    }
}

/// A password as it is, and as AUTH LOGIN and AUTH PLAIN carry it.
fn forms((user, password): &(String, SecretString)) -> Vec<SecretString> {
    let password = password.expose_secret();
    let plain = STANDARD.encode(format!("\0{user}\0{password}"));
    let forms = [password.to_owned(), STANDARD.encode(password), plain];
    // A very short one would withhold everything.
    forms.into_iter().filter(|form| form.len() >= 4).map(SecretString::from).collect()
}

/// Reads an address for the envelope. What could end a command early is refused whatever the
/// parser thinks of it.
fn address(text: &str) -> Option<Address> {
    let breaks = |symbol: char| symbol.is_control() || matches!(symbol, '<' | '>' | ' ');
    if text.chars().any(breaks) {
        return None;
    }
    text.parse().ok()
}

/// `[::1]` as `::1`.
fn bare_host(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .filter(|host| host.parse::<IpAddr>().is_ok())
        .unwrap_or(host)
}
