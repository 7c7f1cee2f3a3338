//! SMTP: one mail to one recipient over one transaction, each step bounded.

use secrecy::SecretString;

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
