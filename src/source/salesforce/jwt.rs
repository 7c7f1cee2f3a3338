//! The assertion of the JWT bearer flow: who we are, for whom, until when, signed with RS256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// How long an assertion is good: a minute less than the longest an org takes, since our clock may be
/// that much ahead before anybody notices.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(120);

/// Makes assertions for one user of one app.
pub(super) struct Signer {
    key: RsaKeyPair,
    client_id: SecretString,
    username: String,
    audience: String,
}

impl Signer {
    /// Reads the key, an RSA key in PEM.
    ///
    /// # Errors
    /// What is wrong with the key and what to do; never a part of it.
    pub(super) fn new(
        client_id: &SecretString,
        username: &str,
        private_key: &SecretString,
        audience: &str,
    ) -> Result<Signer, String> {
        let key = read_key(private_key.expose_secret())?;
        let (username, audience) = (username.to_owned(), audience.to_owned());
        Ok(Signer { key, client_id: client_id.clone(), username, audience })
    }

    /// An assertion made at an instant of the org's clock.
    ///
    /// # Errors
    /// Says that the key cannot sign.
    pub(super) fn assertion(&self, now: DateTime<Utc>) -> Result<SecretString, String> {
        let claims = json!({
            "iss": self.client_id.expose_secret(),
            "sub": self.username,
            "aud": self.audience,
            // In seconds: milliseconds are read as some time in the far future, and refused.
            "exp": (now + GOOD_FOR).timestamp(),
        });
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let mut token = format!("{}.{}", encode(r#"{"alg":"RS256"}"#), encode(&claims.to_string()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| "the private key cannot sign".to_owned())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(SecretString::from(token))
    }
}

fn read_key(pem: &str) -> Result<RsaKeyPair, String> {
    // A key that came through an environment variable often has its line ends written out.
    let unfolded = (!pem.trim().contains('\n')).then(|| pem.replace("\\n", "\n"));
    let pem = unfolded.as_deref().unwrap_or(pem);
    let plain = "write it without one: `openssl pkey -in key.pem -out plain.pem`";
    if pem.contains("ENCRYPTED") {
        return Err(format!("`private_key` is locked with a passphrase: {plain}"));
    }
    let rejected = |err: ring::error::KeyRejected| {
        let why = match err.to_string().as_str() {
            "TooSmall" => "it has less than 2048 bits".to_owned(),
            other => other.to_owned(),
        };
        format!("`private_key` is an RSA key that cannot be used: {why}")
    };
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs1(key)) => {
            RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(rejected)
        }
        Ok(PrivateKeyDer::Pkcs8(key)) => match RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()) {
            Err(err) if err.to_string() == "WrongAlgorithm" => Err(not_rsa()),
            read => read.map_err(rejected),
        },
        Ok(_) => Err(not_rsa()),
        Err(_) if pem.contains("BEGIN CERTIFICATE") || pem.contains("BEGIN PUBLIC KEY") => Err(
            "`private_key` holds what the app was given, the public half: the private key is the \
             other file"
                .to_owned(),
        ),
        Err(_) => Err("`private_key` is no private key in PEM: such a file begins with \
                       `-----BEGIN PRIVATE KEY-----`"
            .to_owned()),
    }
}

fn not_rsa() -> String {
    "`private_key` must be an RSA key: the org takes no other".to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// Made for these tests; they open nothing.
    pub(in super::super) const KEY: &str = include_str!("jwt/keys/pkcs8.pem");
    const PKCS1: &str = include_str!("jwt/keys/pkcs1.pem");
    const EC: &str = include_str!("jwt/keys/ec.pem");
    const SMALL: &str = include_str!("jwt/keys/small.pem");

    /// The claims of an assertion; panics where header or signature are not right.
    #[track_caller]
    pub(in super::super) fn verified(assertion: &str) -> Value {
        let key = read_key(KEY).unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref())
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        assert_eq!(decode(header), br#"{"alg":"RS256"}"#);
        serde_json::from_slice(&decode(claims)).unwrap()
    }

    fn signer(pem: &str) -> Result<Signer, String> {
        let secret = |text: &str| SecretString::from(text.to_owned());
        Signer::new(&secret("3MVG9"), "ann@acme.com", &secret(pem), "https://login.salesforce.com")
    }

    #[test]
    fn an_assertion_says_who_for_whom_until_when_and_is_signed() {
        let now = "2026-03-01T12:00:00.900Z".parse().unwrap();
        let one_line = KEY.trim().replace('\n', "\\n");
        let windows = KEY.replace('\n', "\r\n");
        let with_certificate = format!("Bag Attributes\n{KEY}");
        for pem in [KEY, PKCS1, &one_line, &windows, &with_certificate] {
            let assertion = signer(pem).unwrap().assertion(now).unwrap();
            let claims = verified(assertion.expose_secret());
            let exp = now.timestamp() + 120;
            let expected = json!({
                "iss": "3MVG9", "sub": "ann@acme.com", "aud": "https://login.salesforce.com",
                "exp": exp,
            });
            assert_eq!(claims, expected);
        }
    }

    #[track_caller]
    fn refused(pem: &str, says: &str) {
        let told = signer(pem).err().unwrap();
        assert!(told.contains(says), "{told}");
        let part = pem.lines().nth(1).unwrap_or("?");
        assert!(!told.contains(part), "{told}");
    }

    #[test]
    fn keys_that_cannot_sign_are_told_apart() {
        refused(EC, "must be an RSA key");
        refused(&EC.replace("PRIVATE", "EC PRIVATE"), "must be an RSA key");
        refused(SMALL, "less than 2048 bits");
        refused(&KEY.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE"), "passphrase");
        refused(&PKCS1.replace("MII", "Proc-Type: 4,ENCRYPTED\n\nMII"), "passphrase");
        refused(&KEY.replace("PRIVATE KEY", "CERTIFICATE"), "the public half");
        refused(&PKCS1.replace("RSA PRIVATE", "PRIVATE"), "cannot be used");
        refused(&KEY[..KEY.len() / 2], "no private key in PEM");
        refused("s3cr3t", "no private key in PEM");
        refused("", "no private key in PEM");
    }
}
