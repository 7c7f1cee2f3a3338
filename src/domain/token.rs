//! Signed tokens: what a reader of a mail may do without a login.
//!
//! A token names one action on one digest for one recipient and carries a signature by a key that
//! never leaves the machine. It has no end: mails are read late, and leaving must always work. It
//! is text that stands in an address or a subject as it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// First byte of every token: how the rest is written.
const VERSION: u8 = 1;
/// Bytes of the signature: half of SHA-256, which nobody finds by trying.
const TAG: usize = 16;
/// Longest token that is looked at, in characters.
const LONGEST: usize = 2_000;
/// What the key is used for here, so that a signature for another use never fits.
const PURPOSE: &[u8] = b"postrider token 1";

/// Signs tokens and knows them again.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// No more of this digest.
    Unsubscribe,
    /// None of this digest for a week.
    Pause,
}

impl Action {
    fn byte(self) -> u8 {
        match self {
            Action::Unsubscribe => b'u',
            Action::Pause => b'p',
        }
    }
}

/// One action on one digest for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it allows.
    pub action: Action,
    /// The digest's name.
    pub digest: String,
    /// The recipient's address.
    pub recipient: String,
}

/// Why a text is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Cut, mistyped, or something else altogether.
    #[error("this is no token, or not all of it")]
    Malformed,
    /// It was not signed here, or was changed.
    #[error("the token was not signed by this postrider, or was changed")]
    Forged,
}

impl Key {
    /// A key of random bytes.
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Signs: letters, digits, `-` and `_` alone.
    pub fn sign(&self, token: &Token) -> String {
        let mut bytes = written(token);
        let tag = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token and makes sure that it was signed with this key. The comparison takes the same
    /// time whatever is wrong.
    ///
    /// # Errors
    /// The text is no token, or was signed by somebody else.
    pub fn verify(&self, text: &str) -> Result<Token, TokenError> {
        if text.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| TokenError::Malformed)?;
        let at = bytes.len().checked_sub(TAG).ok_or(TokenError::Malformed)?;
        let (body, tag) = bytes.split_at(at);
        self.mac(body).verify_truncated_left(tag).map_err(|_| TokenError::Forged)?;
        read(body).ok_or(TokenError::Malformed)
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.chain_update(PURPOSE).chain_update(body)
    }
}

/// Version, action, length of the digest's name, the name, the address.
fn written(token: &Token) -> Vec<u8> {
    let digest = token.digest.as_bytes();
    let length = u16::try_from(digest.len()).unwrap_or(u16::MAX);
    let digest = &digest[..usize::from(length)];
    let mut bytes = vec![VERSION, token.action.byte()];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(digest);
    bytes.extend_from_slice(token.recipient.as_bytes());
    bytes
}

fn read(body: &[u8]) -> Option<Token> {
    let (head, rest) = body.split_first_chunk::<4>()?;
    let [VERSION, action, high, low] = *head else { return None };
    let action = match action {
        b'u' => Action::Unsubscribe,
        b'p' => Action::Pause,
        _ => return None,
    };
    let (digest, recipient) =
        rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(Token { action, digest: text(digest)?, recipient: text(recipient)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new([7; 32])
    }

    fn token(digest: &str, recipient: &str) -> Token {
        let (digest, recipient) = (digest.to_owned(), recipient.to_owned());
        Token { action: Action::Unsubscribe, digest, recipient }
    }

    #[test]
    fn what_was_signed_is_read_back_and_stands_in_an_address_as_it_is() {
        for (digest, recipient) in [
            ("morning", "ana@example.com"),
            ("", ""),
            ("größe", "ünï@exämple.com"),
            ("a", "b+c=d@example.com"),
        ] {
            for action in [Action::Unsubscribe, Action::Pause] {
                let token = Token { action, ..token(digest, recipient) };
                let text = key().sign(&token);
                let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                assert!(text.bytes().all(safe), "{text}");
                assert_eq!(key().verify(&text), Ok(token.clone()));
                assert_eq!(key().verify(&format!(" {text}\n")), Ok(token), "as it is pasted");
            }
        }
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_found() {
        let text = key().sign(&token("morning", "ana@example.com"));
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let changed = URL_SAFE_NO_PAD.encode(changed);
                assert_eq!(key().verify(&changed), Err(TokenError::Forged), "byte {at}, bit {bit}");
            }
        }
        for length in 0..text.len() {
            assert!(key().verify(&text[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn the_border_between_name_and_address_is_signed_too() {
        assert_ne!(key().sign(&token("ab", "c")), key().sign(&token("a", "bc")));
    }

    #[test]
    fn another_key_and_another_text_are_refused() {
        let text = key().sign(&token("morning", "ana@example.com"));
        assert_eq!(Key::new([8; 32]).verify(&text), Err(TokenError::Forged));
        let long = "A".repeat(LONGEST + 1);
        for text in ["", "AAAA", "not a token!", "a.b.c", long.as_str()] {
            assert_eq!(key().verify(text), Err(TokenError::Malformed), "{text}");
        }
        assert!(!format!("{:?}", key()).contains('7'), "a key is never shown");
    }

    #[test]
    fn a_signed_text_of_another_version_is_no_token() {
        let mut body = written(&token("morning", "ana@example.com"));
        body[0] = 2;
        let tag = key().mac(&body).finalize().into_bytes();
        body.extend_from_slice(&tag[..TAG]);
        assert_eq!(key().verify(&URL_SAFE_NO_PAD.encode(body)), Err(TokenError::Malformed));
    }
}
