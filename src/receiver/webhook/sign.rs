//! Signatures by Standard Webhooks over `id.timestamp.body`, one for each secret, so that a receiver
//! can change its secret without missing a message: `v1,` and the base64 of HMAC-SHA256 for a secret
//! that both sides know (`whsec_`), `v1a,` and that of Ed25519 for one of ours alone (`whsk_`), whose
//! public half (`whpk_`) the receiver checks with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::Sha256;

/// Length of a shared secret once decoded, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Length of an Ed25519 seed, and of a public key, in bytes.
const HALF_BYTES: usize = 32;

/// A decoded signing secret. It has no `Debug`, so it cannot be printed.
pub(super) enum Key {
    /// v1: both sides have it.
    Shared(Hmac<Sha256>),
    /// v1a: the far side has the public half.
    Pair(Box<Ed25519KeyPair>),
}

impl Key {
    /// Decodes `whsec_...` or `whsk_...`; the error's text completes "this secret ...".
    pub(super) fn parse(secret: &str) -> Result<Key, String> {
        let secret = secret.trim();
        if let Some(encoded) = secret.strip_prefix("whsk_") {
            return pair(encoded).map(Box::new).map(Key::Pair);
        }
        if secret.starts_with("whpk_") {
            return Err("is the public half of a key pair: the receiver's, not ours".into());
        }
        let encoded = secret
            .strip_prefix("whsec_")
            .ok_or("does not begin with `whsec_`, nor with `whsk_`")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "is not base64 after `whsec_`")?;
        if !KEY_BYTES.contains(&bytes.len()) {
            return Err(format!("has {} bytes, but 24 to 64 are needed", bytes.len()));
        }
        Hmac::new_from_slice(&bytes).map(Key::Shared).map_err(|_| "is not a key".into())
    }

    fn sign(&self, content: &[u8]) -> String {
        match self {
            Key::Shared(mac) => {
                let mut mac = mac.clone();
                mac.update(content);
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Key::Pair(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(content))),
        }
    }
}

/// The seed alone, or the seed and its public key as most libraries keep them.
fn pair(encoded: &str) -> Result<Ed25519KeyPair, String> {
    let bytes = STANDARD.decode(encoded).map_err(|_| "is not base64 after `whsk_`")?;
    match bytes.len() {
        HALF_BYTES => Ed25519KeyPair::from_seed_unchecked(&bytes),
        length if length == 2 * HALF_BYTES => {
            let (seed, public) = bytes.split_at(HALF_BYTES);
            Ed25519KeyPair::from_seed_and_public_key(seed, public)
        }
        length => return Err(format!("has {length} bytes, but 32 or 64 are needed")),
    }
    .map_err(|_| "is not an Ed25519 key: its halves do not belong together".into())
}

/// The value of `webhook-signature`: one signature for each key, in order, separated by spaces.
pub(super) fn signature(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut content = format!("{id}.{timestamp}.").into_bytes();
    content.extend_from_slice(body);
    let all: Vec<String> = keys.iter().map(|key| key.sign(&content)).collect();
    all.join(" ")
}

/// Whether a secret can sign: `whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and that of an
/// Ed25519 seed, with its public key or without.
///
/// # Errors
/// What is wrong, as the end of a sentence about the secret; the secret itself is not in it.
pub fn check_secret(secret: &str) -> Result<(), String> {
    Key::parse(secret).map(drop)
}

/// What a receiver checks the signatures of a secret with, to be handed to it: `whpk_...` for a key
/// pair (`whsk_...`); `None` for a shared secret, which has no public half.
///
/// # Errors
/// As [`check_secret`].
pub fn public_key(secret: &str) -> Result<Option<String>, String> {
    Ok(match Key::parse(secret)? {
        Key::Shared(_) => None,
        Key::Pair(pair) => Some(format!("whpk_{}", STANDARD.encode(pair.public_key()))),
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::{Key, check_secret, public_key, signature};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const EXPECTED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    // Seed and public key of the first test in RFC 8032, 7.1.
    const SEED: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    const BOTH: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    const PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    // Made by Python's `cryptography` 48.0.0 (OpenSSL) from that seed.
    const ASYMMETRIC: &str = "v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw==";

    #[test]
    fn the_published_test_vector_is_met() {
        assert_eq!(signed(&[SECRET]), EXPECTED);
    }

    #[test]
    fn an_asymmetric_signature_is_the_one_that_another_library_makes() {
        assert_eq!(signed(&[SEED]), ASYMMETRIC);
        assert_eq!(signed(&[BOTH]), ASYMMETRIC);
        assert_eq!(public_key(SEED), Ok(Some(PUBLIC.to_owned())));
        assert_eq!(public_key(BOTH), Ok(Some(PUBLIC.to_owned())));
        assert_eq!(public_key(SECRET), Ok(None));
        let public = STANDARD.decode(PUBLIC.trim_start_matches("whpk_")).unwrap();
        let made = STANDARD.decode(ASYMMETRIC.trim_start_matches("v1a,")).unwrap();
        let verified = |content: &str| {
            UnparsedPublicKey::new(&ED25519, &public).verify(content.as_bytes(), &made)
        };
        let content = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        assert_eq!(verified(content), Ok(()));
        assert!(verified(&content.replace("1614265330", "1614265331")).is_err());
    }

    #[test]
    fn every_secret_signs_so_that_secrets_can_change() {
        let all = signed(&[OTHER, SECRET, SEED]);
        let all: Vec<&str> = all.split(' ').collect();
        assert_eq!(all[1..], [EXPECTED, ASYMMETRIC]);
        assert!(all[0].starts_with("v1,") && all[0] != EXPECTED, "{all:?}");
    }

    #[test]
    fn secrets_are_checked_without_being_shown() {
        check(SECRET, None);
        check(OTHER, None);
        check(SEED, None);
        check(BOTH, None);
        let neither = "does not begin with `whsec_`, nor with `whsk_`";
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Some(neither));
        check("whsec_not base64!", Some("is not base64 after `whsec_`"));
        check("whsec_c2hvcnQ=", Some("has 5 bytes, but 24 to 64 are needed"));
        check("", Some(neither));
        check("whsk_not base64!", Some("is not base64 after `whsk_`"));
        check("whsk_c2hvcnQ=", Some("has 5 bytes, but 32 or 64 are needed"));
        check(PUBLIC, Some("is the public half of a key pair: the receiver's, not ours"));
        let torn = BOTH.replace("XWpgB", "XWpgC");
        check(&torn, Some("is not an Ed25519 key: its halves do not belong together"));
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
