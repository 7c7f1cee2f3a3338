//! The JWT bearer flow: an assertion signed with the app's key, good for three minutes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use crate::demo::org::Settings;

/// The name of the flow.
pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// An assertion may end at most this many seconds ahead.
const AHEAD_MAX: i64 = 180;
/// Clocks may differ by so many seconds.
const SKEW: i64 = 30;

/// Code and description of a refusal.
pub(super) type Refusal = (&'static str, &'static str);

/// The user an assertion is for, if the app, the signature, the audience and the time are right.
/// `own` is the address the login came to.
pub(super) fn user(
    settings: &Settings,
    assertion: &str,
    own: &str,
    now: DateTime<Utc>,
) -> Result<String, Refusal> {
    const INVALID: Refusal = ("invalid_grant", "invalid assertion");
    let (signed, signature) = assertion.rsplit_once('.').ok_or(INVALID)?;
    let (header, claims) = signed.split_once('.').ok_or(INVALID)?;
    let (header, claims) = (part(header).ok_or(INVALID)?, part(claims).ok_or(INVALID)?);
    if header["alg"] != "RS256" {
        return Err(INVALID);
    }
    if claims["iss"] != settings.client_id.as_str() {
        return Err(("invalid_client_id", "client identifier invalid"));
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| INVALID)?;
    let key = public_key(&settings.jwt_public_key).ok_or(INVALID)?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| INVALID)?;
    let is_ours = |audience: &Value| {
        let audience = audience.as_str().unwrap_or_default().trim_end_matches('/');
        audience == settings.jwt_audience || audience == own
    };
    let is_for_us = match &claims["aud"] {
        Value::Array(all) => all.iter().any(is_ours),
        one => is_ours(one),
    };
    if !is_for_us {
        return Err(("invalid_grant", "audience is invalid"));
    }
    // Some clients write the number as a text, and an org takes it.
    let ends = match &claims["exp"] {
        Value::String(text) => text.parse().ok(),
        number => number.as_f64().map(|seconds| seconds as i64),
    };
    let now = now.timestamp();
    let in_time = ends.is_some_and(|ends| ends > now - SKEW && ends <= now + AHEAD_MAX + SKEW);
    if !in_time {
        return Err(("invalid_grant", "expired authorization code"));
    }
    claims["sub"].as_str().map(str::to_owned).ok_or(INVALID)
}

fn part(encoded: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// The RSA key of a PEM, with or without the name of its algorithm around it.
fn public_key(pem: &str) -> Option<Vec<u8>> {
    let lines = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let der = STANDARD.decode(lines.collect::<String>()).ok()?;
    if pem.contains("BEGIN RSA PUBLIC KEY") {
        return Some(der);
    }
    // SubjectPublicKeyInfo: a sequence of the algorithm and the key as a string of bits.
    let (whole, _) = element(0x30, &der)?;
    let (_, rest) = element(0x30, whole)?;
    let (bits, _) = element(0x03, rest)?;
    bits.split_first().map(|(_, key)| key.to_vec())
}

/// The content of the first DER element, which has this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&own, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = bytes.iter().try_fold(0_usize, |length, &byte| {
            length.checked_mul(256)?.checked_add(usize::from(byte))
        })?;
        (length, rest)
    };
    (own == tag).then_some(())?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_both_wrappings() {
        let spki = public_key(crate::demo::org::JWT_PUBLIC_KEY).unwrap();
        let body = STANDARD.encode(&spki);
        let pkcs1 =
            format!("-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----\n");
        assert_eq!(public_key(&pkcs1), Some(spki));
        assert_eq!(public_key("nonsense"), None);
        assert_eq!(public_key("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"), None);
    }
}
