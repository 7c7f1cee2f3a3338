//! How mail servers are reached: what the config says of them, and how long each step may take.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::receiver::tls::TlsError;

/// How many connections one server is sent where the config says nothing.
pub const CONNECTIONS: usize = 8;

/// The mail servers and the sender.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// At least one, in the order in which they are asked: a later one only where those before it
    /// cannot be used.
    pub servers: Vec<ServerSettings>,
    /// `Name <address>` of the sender, as the header has it.
    pub from: String,
    /// The bare address that undeliverable mail goes back to: the sender of the envelope.
    pub envelope_from: String,
    /// The most connections to one server at the same time; at least one.
    pub connections: usize,
}

impl SmtpSettings {
    /// The server that is asked first.
    pub fn first(&self) -> Option<&ServerSettings> {
        self.servers.first()
    }
}

/// One mail server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Host name or address.
    pub host: String,
    /// Port: 587 by default, 465 with implicit TLS.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Who logs in, if anybody does.
    pub login: Option<Login>,
    /// Private certificate authority, PEM, besides the system's.
    pub ca: Option<Vec<u8>>,
}

impl ServerSettings {
    /// What people call it: `smtp.example.com:587`.
    pub fn name(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// How a server knows us.
#[derive(Clone, Debug)]
pub enum Login {
    /// By a password: AUTH PLAIN or LOGIN.
    Password {
        /// The account.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// By a token of OAuth 2: AUTH XOAUTH2.
    XOAuth2 {
        /// The account.
        user: String,
        /// Where its tokens come from.
        token: TokenSettings,
    },
}

/// Where tokens come from.
#[derive(Clone)]
pub struct TokenSettings {
    /// The token endpoint.
    pub url: String,
    /// Who asks.
    pub client_id: String,
    /// With which secret; public clients have none.
    pub client_secret: Option<SecretString>,
    /// With it a token is refreshed; without it the client asks in its own name
    /// (`client_credentials`).
    pub refresh_token: Option<SecretString>,
    /// What the token is to be good for.
    pub scope: Option<String>,
}

impl fmt::Debug for TokenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address: some providers have a tenant's key in it.
        f.debug_struct("TokenSettings")
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret)
            .field("refresh_token", &self.refresh_token)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Protection of the connection to a mail server.
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
    /// RCPT TO, each.
    pub rcpt: Duration,
    /// DATA, until the server asks for the message.
    pub data: Duration,
    /// Writing one block of the message (64 KiB).
    pub block: Duration,
    /// The answer to the final dot.
    pub dot: Duration,
    /// RSET and QUIT, whose answers matter little.
    pub quit: Duration,
    /// One server's part of an attempt.
    pub overall: Duration,
    /// How long a connection is kept for the next mail.
    pub idle: Duration,
    /// Asking for a token.
    pub token: Duration,
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
            token: seconds(30),
        }
    }
}

/// Why a mail server cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The sender's address is not an address.
    #[error("`{0}` is not a mail address")]
    Sender(String),
    /// There is no server to send through.
    #[error("there is no mail server")]
    NoServer,
    /// TLS needs a name or an address to check the certificate against.
    #[error("`{0}` is neither a host name nor an address")]
    Host(String),
    /// TLS cannot be set up.
    #[error("tls to the mail server cannot be set up")]
    Tls(#[source] TlsError),
    /// Tokens cannot be asked for.
    #[error("tokens cannot be asked for: {0}")]
    Token(String),
}
