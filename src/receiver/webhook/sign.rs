//! Signatures by Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`,
//! one for each secret, so that a receiver can change its secret without missing a message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Length of a secret once decoded, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A decoded signing secret. It has no `Debug`, so it cannot be printed.
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// Decodes `whsec_...`; the error's text completes "this secret ...".
    pub(super) fn parse(secret: &str) -> Result<Key, String> {
        let encoded = secret.trim().strip_prefix("whsec_").ok_or("does not begin with `whsec_`")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "is not base64 after `whsec_`")?;
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(format!("has {} bytes, but 24 to 64 are needed", bytes.len()));
        }
        Hmac::new_from_slice(&bytes).map(Key).map_err(|_| "is not a key".into())
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The value of `webhook-signature`: one signature for each key, in order, separated by spaces.
pub(super) fn signature(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let all: Vec<String> = keys.iter().map(|key| key.sign(id, timestamp, body)).collect();
    all.join(" ")
}

/// Whether a secret can sign: `whsec_` and the base64 of 24 to 64 bytes.
///
/// # Errors
/// What is wrong, as the end of a sentence about the secret; the secret itself is not in it.
pub fn check_secret(secret: &str) -> Result<(), String> {
    Key::parse(secret).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Key, check_secret, signature};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const EXPECTED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_test_vector_is_met() {
        assert_eq!(signed(&[SECRET]), EXPECTED);
    }

    #[test]
    fn every_secret_signs_so_that_secrets_can_change() {
        let both = signed(&[OTHER, SECRET]);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, EXPECTED);
        assert_ne!(first, EXPECTED);
        assert!(first.starts_with("v1,"));
    }

    #[test]
    fn secrets_are_checked_without_being_shown() {
        check(SECRET, None);
        check(OTHER, None);
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Some("does not begin with `whsec_`"));
        check("whsec_not base64!", Some("is not base64 after `whsec_`"));
        check("whsec_c2hvcnQ=", Some("has 5 bytes, but 24 to 64 are needed"));
        check("", Some("does not begin with `whsec_`"));
    }

    fn signed(secrets: &[&str]) -> String {
        let keys: Vec<Key> = secrets.iter().map(|secret| Key::parse(secret).unwrap()).collect();
        let body = br#"{"test": 2432232314}"#;
        signature(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    }

    #[track_caller]
    fn check(secret: &str, expected: Option<&str>) {
        assert_eq!(check_secret(secret).err().as_deref(), expected);
    }
}
