//! DKIM: signatures over a mail by the domain that answers for it (RFC 6376, RFC 8463).
//!
//! Header and body are both taken relaxed. `t=` is the mail's own date and both algorithms are
//! deterministic, so the same mail and keys give the same bytes. `From` is signed once more than it is
//! there: nobody can add a second one.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

mod canonical;
#[cfg(test)]
mod tests;

use self::canonical::{Field, body_of, fields_of, relaxed_body, relaxed_field};

/// What is signed where it is there, besides everything that begins with `List-`.
const SIGNED: [&str; 11] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
];
/// How long a line of a signature may get, in bytes.
const LINE_BYTES: usize = 76;

/// Why a text cannot be the key of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing in PEM form.
    #[error("is no private key in PEM form")]
    NoKey,
    /// It could be used with its passphrase alone.
    #[error("is a key with a passphrase")]
    Locked,
    /// The half that goes into the DNS.
    #[error("is a public key")]
    Public,
    /// Receivers take no others.
    #[error("is neither an RSA key of 2048 to 4096 bits nor an Ed25519 key")]
    Kind,
}

/// Signs for a domain.
#[derive(Clone)]
pub struct Signer {
    domain: String,
    selector: String,
    key: Arc<Key>,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, selector, kind) = (&self.domain, &self.selector, self.algorithm());
        write!(f, "Signer({selector}._domainkey.{domain}, {kind})")
    }
}

/// The same if signatures of one cannot be told from those of the other.
impl PartialEq for Signer {
    fn eq(&self, other: &Signer) -> bool {
        (&self.domain, &self.selector, self.public_key())
            == (&other.domain, &other.selector, other.public_key())
    }
}

impl Eq for Signer {}

impl Signer {
    /// Reads a private key: PKCS#8 (or PKCS#1) in PEM form. Its public half is expected in the DNS at
    /// `SELECTOR._domainkey.DOMAIN`.
    ///
    /// # Errors
    /// The text is not such a key.
    pub fn new(domain: &str, selector: &str, pem: &str) -> Result<Signer, KeyError> {
        let begins = |what: &str| pem.contains(&format!("-----BEGIN {what}-----"));
        if begins("ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(KeyError::Locked);
        }
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(der)) => {
                let der = der.secret_pkcs8_der();
                let rsa = RsaKeyPair::from_pkcs8(der).ok().map(|key| Key::Rsa(Box::new(key)));
                // Without the public half too, as most tools write it.
                let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
                rsa.or_else(|| ed25519().ok().map(Key::Ed25519)).ok_or(KeyError::Kind)?
            }
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .map(|key| Key::Rsa(Box::new(key)))
                .map_err(|_| KeyError::Kind)?,
            Ok(_) => return Err(KeyError::Kind),
            Err(_) if begins("PUBLIC KEY") => return Err(KeyError::Public),
            Err(_) => return Err(KeyError::NoKey),
        };
        let (domain, selector) = (domain.to_lowercase(), selector.to_lowercase());
        Ok(Signer { domain, selector, key: Arc::new(key) })
    }

    /// The domain that answers for the mail.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    fn algorithm(&self) -> &'static str {
        match *self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn public_key(&self) -> &[u8] {
        match &*self.key {
            Key::Rsa(key) => key.public().as_ref(),
            Key::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    /// The `DKIM-Signature` of a mail, line end included.
    fn header(&self, mail: &[u8], at: DateTime<Utc>) -> String {
        let fields = fields_of(mail);
        let names = signed_names(&fields);
        let body_hash = STANDARD.encode(Sha256::digest(relaxed_body(body_of(mail))));
        let unsigned = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed;\r\n d={};\r\n s={}; t={};\r\n h={};\r\n \
             bh={body_hash};\r\n b=",
            self.algorithm(),
            self.domain,
            self.selector,
            at.timestamp(),
            folded(&names.join(":"), ':'),
        );
        let signature = STANDARD.encode(self.signature(&signed_text(&fields, &names, &unsigned)));
        format!("{unsigned}{}\r\n", folded(&signature, '\0'))
    }

    fn signature(&self, text: &[u8]) -> Vec<u8> {
        match &*self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                // The random numbers hide the key from who measures time; the result has none of them.
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                    .expect("the buffer has the length of the modulus");
                signature
            }
            Key::Ed25519(key) => key.sign(&Sha256::digest(text)).as_ref().to_vec(),
        }
    }
}

/// The mail with a signature by each of the signers above it, the first one's first.
pub fn sign(mail: Vec<u8>, signers: &[Signer], at: DateTime<Utc>) -> Vec<u8> {
    let headers: String = signers.iter().map(|signer| signer.header(&mail, at)).collect();
    above(&headers, mail)
}

/// The mail with the signatures that `sent` had: made again where the key is still here, taken over
/// where it is not. (Keys are changed every few months; mails are kept for longer.)
pub fn sign_like(sent: &[u8], mail: Vec<u8>, signers: &[Signer], at: DateTime<Utc>) -> Vec<u8> {
    let fields = fields_of(sent);
    let signatures = fields.iter().take_while(|field| field.is_named("dkim-signature"));
    let again = signatures.map(|field| {
        let text = String::from_utf8_lossy(field.whole);
        let has = |tag: String| text.split(';').any(|part| part.trim() == tag);
        let same = |signer: &&Signer| {
            has(format!("d={}", signer.domain)) && has(format!("s={}", signer.selector))
        };
        match signers.iter().find(same) {
            Some(signer) => signer.header(&mail, at),
            None => text.into_owned(),
        }
    });
    let headers: String = again.collect();
    above(&headers, mail)
}

fn above(headers: &str, mail: Vec<u8>) -> Vec<u8> {
    match headers.is_empty() {
        true => mail,
        false => [headers.as_bytes(), &mail].concat(),
    }
}

/// The names of what is signed, as often as it is there, and `From` once more.
fn signed_names(fields: &[Field<'_>]) -> Vec<String> {
    let mut names = vec!["from".to_owned()];
    let mut lists: Vec<String> = Vec::new();
    for field in fields {
        let name = field.name.to_lowercase();
        if name.starts_with("list-") && !lists.contains(&name) {
            lists.push(name);
        }
    }
    for name in SIGNED.iter().map(|name| (*name).to_owned()).chain(lists) {
        let count = fields.iter().filter(|field| field.is_named(&name)).count();
        names.extend(std::iter::repeat_n(name, count));
    }
    names
}

/// What a signature is over: the named fields, the lowest of a name first, then the signature's own
/// field with nothing after `b=`.
fn signed_text(fields: &[Field<'_>], names: &[String], unsigned: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let before = names[..at].iter().filter(|other| *other == name).count();
        let mut same = fields.iter().rev().filter(|field| field.is_named(name));
        // One that is not there is signed as nothing.
        if let Some(field) = same.nth(before) {
            text.extend(relaxed_field(field));
        }
    }
    let own = fields_of(unsigned.as_bytes());
    let own = own.first().map(relaxed_field).unwrap_or_default();
    text.extend_from_slice(own.strip_suffix(b"\r\n").unwrap_or(&own));
    text
}

/// A long value over several lines, broken behind `after`, or anywhere if that is NUL.
fn folded(value: &str, after: char) -> String {
    let (mut text, mut length) = (String::with_capacity(value.len() + value.len() / 32), 0);
    let pieces: Vec<&str> = match after {
        '\0' => value
            .as_bytes()
            .chunks(LINE_BYTES - 4)
            .map(|piece| std::str::from_utf8(piece).expect("base64 is ASCII"))
            .collect(),
        after => value.split_inclusive(after).collect(),
    };
    for piece in pieces {
        if length > 0 && length + piece.len() > LINE_BYTES - 4 {
            text.push_str("\r\n  ");
            length = 0;
        }
        text.push_str(piece);
        length += piece.len();
    }
    text
}
