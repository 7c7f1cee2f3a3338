//! Signatures, checked by the standards' own examples and by a verifier written from the standard.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeZone, Utc};
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use super::super::mail_bytes;
use super::super::tests::rendered;
use super::{KeyError, Signer, fields_of, relaxed_body, sign, sign_like, signed_text};
use crate::render::mail::Envelope;
use crate::render::tests::fixtures;

const RSA: &str = include_str!("tests/rsa.pem");
const RSA_PKCS1: &str = include_str!("tests/rsa-pkcs1.pem");
const RSA_SHORT: &str = include_str!("tests/rsa-short.pem");
const ED25519_KEY: &str = include_str!("tests/ed25519.pem");
const EC: &str = include_str!("tests/ec.pem");
const LOCKED: &str = include_str!("tests/locked.pem");
const PUBLIC: &str = include_str!("tests/public.pem");

fn at() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 8, 0, 0).unwrap()
}

fn both() -> [Signer; 2] {
    [
        Signer::new("Example.com", "s1", RSA).unwrap(),
        Signer::new("example.com", "s2", ED25519_KEY).unwrap(),
    ]
}

fn mail() -> Vec<u8> {
    let envelope = Envelope {
        cc: vec!["boss@example.com".into()],
        reply_to: Some("desk@example.com".into()),
        list: Some("morning".into()),
        owner: Some("ops@example.com".into()),
        ..fixtures::envelope()
    };
    mail_bytes(&envelope, &rendered("Grüße  aus  dem Bericht", "text \n\n\n", "<p>html</p>"))
        .unwrap()
}

/// The mail of RFC 8463, appendix A, with its Ed25519 key and signature.
#[test]
fn the_example_of_the_ed25519_standard_is_signed_as_it_says() {
    let secret = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    // PKCS#8 around the 32 bytes.
    let mut der = STANDARD.decode("MC4CAQAwBQYDK2VwBCIEIA==").unwrap();
    der.extend(STANDARD.decode(secret).unwrap());
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    );
    let signer = Signer::new("football.example.com", "brisbane", &pem).unwrap();
    let public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    assert_eq!(STANDARD.encode(signer.public_key()), public);
    let head = "From: Joe SixPack <joe@football.example.com>\r\n\
                To: Suzie Q <suzie@shopping.example.net>\r\n\
                Subject: Is dinner ready?\r\n\
                Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
                Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n";
    let body = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    let hash = STANDARD.encode(Sha256::digest(relaxed_body(body.as_bytes())));
    assert_eq!(hash, "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    let unsigned = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
                    d=football.example.com; i=@football.example.com;\r\n \
                    q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
                    subject : date : message-id : from : subject : date;\r\n \
                    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
    let names = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"];
    let names = names.map(str::to_owned);
    let text = signed_text(&fields_of(head.as_bytes()), &names, unsigned);
    let expected = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\
                    Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
    assert_eq!(STANDARD.encode(signer.signature(&text)), expected);
}

#[test]
fn each_key_signs_and_each_signature_verifies() {
    let signed = sign(mail(), &both(), at());
    assert_eq!(verify(&signed), ["rsa-sha256 example.com s1", "ed25519-sha256 example.com s2"]);
    // Below the signatures the mail is as it was.
    assert!(signed.ends_with(&mail()));
    let text = String::from_utf8(signed).unwrap();
    let expected = "h=from:from:to:cc:subject:date:message-id:reply-to:mime-version:\r\n  \
                    content-type:list-";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("t=1772352000;"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
}

#[test]
fn what_a_server_may_change_does_not_matter_and_what_it_must_not_does() {
    let signed = String::from_utf8(sign(mail(), &both(), at())).unwrap();
    let harmless = [
        signed.replacen("Subject: ", "SUBJECT:   ", 1),
        format!("Received: by mx.example.net\r\n{signed}"),
        format!("{signed}\r\n\r\n"),
        signed.replacen("MIME-Version: 1.0", "MIME-Version:\r\n\t1.0", 1),
    ];
    for changed in harmless {
        assert_ne!(changed, signed);
        assert_eq!(verify(changed.as_bytes()).len(), 2, "{changed}");
    }
    let harmful = [
        signed.replacen("Message-ID: <", "Message-ID: <x", 1),
        signed.replacen("\r\nTo: ", "\r\nTo: eve@example.com, ", 1),
        signed.replacen("html", "HTML", 1),
        format!("{signed}more\r\n"),
        // A second sender, above and below.
        signed.replacen("\r\nTo: ", "\r\nFrom: eve@example.com\r\nTo: ", 1),
        signed.replacen("\r\nFrom: ", "\r\nFrom: eve@example.com\r\nFrom: ", 1),
        signed.replacen("List-Id", "X-List-Id", 1),
        signed.replacen("t=1772352000", "t=1772352001", 2),
    ];
    for changed in harmful {
        assert_ne!(changed, signed);
        assert_eq!(verify(changed.as_bytes()), Vec::<String>::new(), "{changed}");
    }
}

#[test]
fn the_same_mail_is_signed_with_the_same_bytes_and_without_keys_not_at_all() {
    assert_eq!(sign(mail(), &both(), at()), sign(mail(), &both(), at()));
    assert_eq!(sign(mail(), &[], at()), mail());
}

#[test]
fn a_mail_made_again_has_the_signatures_it_had() {
    let [rsa, ed25519] = both();
    let sent = sign(mail(), &[rsa.clone(), ed25519.clone()], at());
    for keys in
        [vec![rsa.clone(), ed25519.clone()], vec![ed25519.clone(), rsa.clone()], vec![rsa], vec![]]
    {
        // A key that is gone leaves its signature as it was; the order is that of then.
        assert_eq!(sign_like(&sent, mail(), &keys, at()), sent);
    }
    // Another key of the same name.
    let other = Signer::new("example.com", "s1", ED25519_KEY).unwrap();
    assert_ne!(sign_like(&sent, mail(), &[other, ed25519.clone()], at()), sent);
    // Sent before there were keys.
    assert_eq!(sign_like(&mail(), mail(), &[ed25519], at()), mail());
}

#[test]
fn only_private_keys_that_receivers_take_are_keys() {
    let made = |pem: &str| Signer::new("example.com", "s1", pem).map(|signer| signer.algorithm());
    assert_eq!(made(RSA), Ok("rsa-sha256"));
    assert_eq!(made(RSA_PKCS1), Ok("rsa-sha256"));
    assert_eq!(made(ED25519_KEY), Ok("ed25519-sha256"));
    assert_eq!(made(RSA_SHORT), Err(KeyError::Kind));
    assert_eq!(made(EC), Err(KeyError::Kind));
    assert_eq!(made(LOCKED), Err(KeyError::Locked));
    assert_eq!(made(PUBLIC), Err(KeyError::Public));
    assert_eq!(made("swordfish"), Err(KeyError::NoKey));
    assert_eq!(made(""), Err(KeyError::NoKey));
    let shown = format!("{:?}", both());
    assert_eq!(
        shown,
        "[Signer(s1._domainkey.example.com, rsa-sha256), \
         Signer(s2._domainkey.example.com, ed25519-sha256)]"
    );
}

/// The signatures of a mail that are right: algorithm, domain and selector of each. Written from the
/// standard, over text and with none of the signer's code.
fn verify(mail: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(mail).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", "\u{1} ").replace("\r\n\t", "\u{1}\t");
    let fields: Vec<(String, String)> = (unfolded.split("\r\n"))
        .filter_map(|field| field.split_once(':'))
        .map(|(name, value)| (name.trim().to_lowercase(), value.replace('\u{1}', "")))
        .collect();
    let squeezed = |value: &str| {
        value.split([' ', '\t']).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let mut right = Vec::new();
    for (_, value) in fields.iter().filter(|(name, _)| name == "dkim-signature") {
        let tags: BTreeMap<&str, String> = (value.split(';'))
            .filter_map(|tag| tag.split_once('='))
            .map(|(tag, value)| (tag.trim(), value.replace([' ', '\t'], "")))
            .collect();
        let lines: Vec<String> = body
            .split("\r\n")
            .map(|line| {
                let begin = if line.starts_with([' ', '\t']) { " " } else { "" };
                format!("{begin}{}", squeezed(line)).trim_end().to_owned()
            })
            .collect();
        let body = lines.join("\r\n");
        let body = body.trim_end_matches("\r\n");
        let body = if body.is_empty() { String::new() } else { format!("{body}\r\n") };
        let hash = STANDARD.encode(Sha256::digest(body.as_bytes()));
        let mut left = fields.clone();
        let mut signed = String::new();
        for name in tags["h"].split(':') {
            if let Some(at) = left.iter().rposition(|(field, _)| field == name) {
                let (field, value) = left.remove(at);
                signed += &format!("{field}:{}\r\n", squeezed(&value));
            }
        }
        let own = value.rsplit_once("b=").map_or("", |(own, _)| own);
        signed += &format!(
            "dkim-signature:{}b=",
            squeezed(&format!("{own}\u{2}")).trim_end_matches('\u{2}')
        );
        let signature = STANDARD.decode(&tags["b"]).unwrap();
        let [rsa, ed25519] = both();
        let known = match tags["a"].as_str() {
            "rsa-sha256" => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa.public_key())
                .verify(signed.as_bytes(), &signature),
            _ => UnparsedPublicKey::new(&ED25519, ed25519.public_key())
                .verify(&Sha256::digest(signed.as_bytes()), &signature),
        };
        if known.is_ok() && hash == tags["bh"] {
            right.push(format!("{} {} {}", tags["a"], tags["d"], tags["s"]));
        }
    }
    right
}
