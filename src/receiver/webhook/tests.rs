//! The receiver against an endpoint on real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::{Bounds, Webhook, WebhookError, WebhookSettings};
use crate::clock::Clock;
use crate::demo::catcher::{Answer, Catcher, Signed};
use crate::domain::delivery::{Message, Outcome};
use crate::receiver::Receiver;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BODY: &[u8] = br#"{"type":"incident.firing","data":{}}"#;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2021, 2, 25, 15, 2, 10).unwrap()
    }
    fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_webhook_arrives_signed_with_its_own_id_and_this_attempts_time() {
    let catcher = catcher(&[SECRET]).await;
    let webhook = webhook(&catcher.url(), &[SECRET]);
    assert_eq!(webhook.deliver(&message()).await, Outcome::Delivered("answered 200".into()));
    let hooks = catcher.wait_for(1).await;
    assert_eq!(hooks[0].signed, Signed::Verified);
    assert_eq!(hooks[0].body, BODY);
    assert_eq!(hooks[0].header("webhook-id"), Some("msg_1"));
    assert_eq!(hooks[0].header("webhook-timestamp"), Some("1614265330"));
    assert_eq!(hooks[0].header("content-type"), Some("application/json"));
    assert!(hooks[0].header("user-agent").unwrap().starts_with("postrider/"));
    assert_eq!(hooks[0].header("x-api-key"), Some("header CANARY"));
    assert_eq!(hooks[0].json()["type"], "incident.firing");
}

#[tokio::test]
async fn secrets_can_change_without_missing_a_webhook() {
    for (known_there, known_here, signed) in [
        (&[OTHER][..], &[SECRET, OTHER][..], Signed::Verified),
        (&[SECRET], &[SECRET, OTHER], Signed::Verified),
        (&[OTHER], &[SECRET], Signed::Wrong),
        (&[SECRET], &[], Signed::Unsigned),
        (&[], &[SECRET], Signed::Unchecked),
    ] {
        let catcher = catcher(known_there).await;
        webhook(&catcher.url(), known_here).deliver(&message()).await;
        assert_eq!(catcher.hooks()[0].signed, signed);
    }
}

#[tokio::test]
async fn answers_are_sorted_and_the_wait_asked_for_is_kept() {
    let after = |seconds| Some(Duration::from_secs(seconds));
    let retry = |after, reason: &str| Outcome::Retry { after, reason: reason.into() };
    check(Answer::with_header(429, "retry-after", "120"), retry(after(120), "answered 429")).await;
    check(
        Answer::with_header(503, "retry-after", "Thu, 25 Feb 2021 15:03:10 GMT"),
        retry(after(60), "answered 503"),
    )
    .await;
    check(Answer::status(500), retry(None, "answered 500")).await;
    check(Answer::status(410), Outcome::Gone("answered 410".into())).await;
    check(Answer::status(401), Outcome::ReceiverBroken("answered 401".into())).await;
    check(Answer::status(404), Outcome::Rejected("answered 404".into())).await;
    check(Answer::status(204), Outcome::Delivered("answered 204".into())).await;
    let said = |body: &str| Answer::Status { status: 400, headers: Vec::new(), body: body.into() };
    check(said("bad\tblocks\n"), Outcome::Rejected("answered 400: bad\\tblocks".into())).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (catcher, elsewhere) = (catcher(&[]).await, catcher(&[]).await);
    catcher.answer(Answer::with_header(302, "location", &elsewhere.url()));
    let outcome = webhook(&catcher.url(), &[]).deliver(&message()).await;
    let reason = "answered 302: redirects are not followed".to_owned();
    assert_eq!(outcome, Outcome::Retry { after: None, reason });
    assert_eq!((catcher.received(), elsewhere.received()), (1, 0));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_uncertain_because_the_webhook_was_taken() {
    for (answer, expected) in [
        (Answer::Stall, "sent, but not answered within the time allowed"),
        (Answer::Close, "sent, but the connection broke before the answer"),
        (
            Answer::After(Duration::from_secs(60), Box::new(Answer::status(200))),
            "sent, but not answered within the time allowed",
        ),
    ] {
        let catcher = catcher(&[]).await;
        catcher.answer(answer);
        let outcome = impatient(&catcher.url()).deliver(&message()).await;
        assert_eq!(outcome, Outcome::Uncertain(expected.into()));
        assert_eq!(catcher.received(), 1, "one attempt is one request");
    }
}

#[tokio::test]
async fn an_answer_with_an_endless_body_is_read_only_at_its_beginning() {
    let catcher = catcher(&[]).await;
    let body = "x".repeat(5_000_000);
    catcher.answer(Answer::Status { status: 500, headers: Vec::new(), body });
    let outcome = webhook(&catcher.url(), &[]).deliver(&message()).await;
    let Outcome::Retry { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason.chars().count(), 512);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_down() {
    // A port that was free a moment ago and has nobody behind it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    drop(listener);
    let outcome = webhook(&url, &[]).deliver(&message()).await;
    let Outcome::ServerDown(reason) = outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("no connection: "), "{reason}");
}

#[tokio::test]
async fn an_endpoint_that_never_finishes_tls_is_down_not_uncertain() {
    // The kernel accepts for a listener that nobody serves.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    let bounds = Bounds { connect: Duration::from_millis(150), ..Bounds::default() };
    let webhook = Webhook::with_bounds(settings(&url, &[]), Arc::new(Stopped), bounds).unwrap();
    let outcome = webhook.deliver(&message()).await;
    let expected = "no connection within the time allowed".to_owned();
    assert_eq!(outcome, Outcome::ServerDown(expected));
}

#[tokio::test]
async fn tls_that_cannot_be_trusted_breaks_the_receiver() {
    // The catcher speaks no TLS at all.
    let catcher = catcher(&[]).await;
    let url = catcher.url().replace("http://", "https://");
    let outcome = webhook(&url, &[]).deliver(&message()).await;
    let Outcome::ReceiverBroken(reason) = outcome else { panic!("{outcome:?}") };
    assert!(reason.starts_with("its TLS is not acceptable"), "{reason}");
    assert_eq!(catcher.received(), 0);
}

#[tokio::test]
async fn address_and_secrets_are_in_no_text() {
    let mut texts = Vec::new();
    let catcher = catcher(&[]).await;
    let canary = format!("{}/CANARY-path?token=CANARY-token", catcher.url());
    let echo = "Cannot POST /hook/CANARY-path?token=CANARY-token";
    for answer in [
        Answer::status(200),
        Answer::status(302),
        Answer::Status { status: 404, headers: Vec::new(), body: echo.into() },
        Answer::Status { status: 400, headers: Vec::new(), body: "no header CANARY".into() },
        Answer::Stall,
        Answer::Close,
    ] {
        catcher.answer(answer);
        texts.push(format!("{:?}", impatient(&canary).deliver(&message()).await));
    }
    let nobody = "http://127.0.0.1:1/CANARY-path?token=CANARY-token";
    texts.push(format!("{:?}", webhook(nobody, &[]).deliver(&message()).await));
    let https = canary.replace("http://", "https://");
    texts.push(format!("{:?}", webhook(&https, &[]).deliver(&message()).await));
    texts.push(format!("{:?}", settings(&canary, &["whsec_CANARY"])));
    for (url, secrets) in [
        (canary.as_str(), &["whsec_CANARY"][..]),
        ("http://example.com/CANARY", &[]),
        ("CANARY", &[]),
    ] {
        let err = made(url, secrets).err().unwrap();
        texts.push(format!("{err} {err:?}"));
    }
    for text in texts {
        assert!(!text.contains("CANARY"), "{text}");
    }
}

#[tokio::test]
async fn an_id_that_is_no_header_never_reaches_the_wire() {
    let catcher = catcher(&[]).await;
    let message = Message { id: "a\r\nx-forged: 1".into(), ..message() };
    let outcome = webhook(&catcher.url(), &[]).deliver(&message).await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(catcher.received(), 0);
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let secret = made("https://example.com/hook", &[SECRET, "whsec_"]).err().unwrap();
    assert!(matches!(&secret, WebhookError::Secret { number: 2, .. }), "{secret}");
    assert_eq!(
        made("http://example.com/hook", &[]).err().unwrap().to_string(),
        "the address of webhook `ops-hook` uses `http`; `https` is needed, except to this machine"
    );
}

async fn check(answer: Answer, expected: Outcome) {
    let catcher = catcher(&[]).await;
    catcher.answer(answer.clone());
    let outcome = webhook(&catcher.url(), &[]).deliver(&message()).await;
    assert_eq!(outcome, expected, "{answer:?}");
}

async fn catcher(secrets: &[&str]) -> Catcher {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    Catcher::start(listen, secrets, Arc::new(Stopped)).await.unwrap()
}

fn webhook(url: &str, secrets: &[&str]) -> Webhook {
    made(url, secrets).unwrap()
}

fn made(url: &str, secrets: &[&str]) -> Result<Webhook, WebhookError> {
    Webhook::new(settings(url, secrets), Arc::new(Stopped))
}

/// A sender that waits long enough for loopback, and no longer.
fn impatient(url: &str) -> Webhook {
    let bounds = Bounds { overall: Duration::from_millis(700), ..Bounds::default() };
    Webhook::with_bounds(settings(url, &[]), Arc::new(Stopped), bounds).unwrap()
}

fn settings(url: &str, secrets: &[&str]) -> WebhookSettings {
    WebhookSettings {
        name: "ops-hook".into(),
        url: SecretString::from(url),
        secrets: secrets.iter().map(|secret| SecretString::from(*secret)).collect(),
        headers: vec![("x-api-key".into(), SecretString::from("header CANARY"))],
        passage: Default::default(),
    }
}

fn message() -> Message {
    Message { id: "msg_1".into(), recipient: "ops-hook".into(), bytes: BODY.to_vec() }
}
