//! The catcher's own judgement of signatures; its answers are proven by the webhook receiver.

use axum::http::HeaderMap;
use secrecy::SecretString;

use super::{Signed, check};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: (&str, &str) = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
const TIME: (&str, &str) = ("webhook-timestamp", "1614265330");
const BODY: &str = r#"{"test": 2432232314}"#;
const GOOD: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

#[test]
fn only_a_signature_over_id_time_and_body_is_verified() {
    let signed = |value| ("webhook-signature", value);
    let list = format!("v1a,eA== v1,!! {GOOD}");
    verdict(&[ID, TIME, signed(GOOD)], BODY, Signed::Verified);
    verdict(&[ID, TIME, signed(&list)], BODY, Signed::Verified);
    verdict(&[ID, TIME, signed(GOOD)], "{}", Signed::Wrong);
    verdict(&[ID, ("webhook-timestamp", "1614265331"), signed(GOOD)], BODY, Signed::Wrong);
    verdict(&[("webhook-id", "msg_2"), TIME, signed(GOOD)], BODY, Signed::Wrong);
    verdict(&[TIME, signed(GOOD)], BODY, Signed::Wrong);
    verdict(&[ID, TIME, signed("")], BODY, Signed::Wrong);
    verdict(&[ID, TIME], BODY, Signed::Unsigned);
}

#[track_caller]
fn verdict(headers: &[(&'static str, &str)], body: &str, expected: Signed) {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let secrets = [SecretString::from(SECRET)];
    assert_eq!(check(&secrets, &headers, body.as_bytes()), expected);
    if expected == Signed::Verified {
        assert_eq!(check(&[], &headers, body.as_bytes()), Signed::Unchecked);
    }
}
