//! Each vendor's endpoint on a real socket: path, headers and body as they are published, secrets put
//! in at the attempt alone and repeated nowhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::super::{Access, Vendor, VendorHook, VendorSettings};
use crate::clock::Clock;
use crate::domain::delivery::{Message, Outcome};
use crate::receiver::Receiver;
use crate::receiver::post::Bounds;

const TOKEN: &str = "123456789:CANARYtokenCANARYtoken";
const KEY: &str = "CANARY7890CANARY7890CANARY789012";

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
    fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: String,
}

/// The far side: it keeps what comes and answers as told, else with 200.
#[derive(Clone, Default)]
struct Far {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl Far {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let far = self.clone();
        let catch = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let body = String::from_utf8_lossy(&body).into_owned();
            let path = uri.path_and_query().unwrap().to_string();
            far.seen.lock().unwrap().push(Seen { method, path, headers, body });
            let answer = far.answers.lock().unwrap().pop_front();
            let (status, said) = answer.unwrap_or((200, r#"{"ok":true}"#.to_owned()));
            async move { (StatusCode::from_u16(status).unwrap(), said) }
        };
        let router = Router::new().fallback(catch);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn answer(&self, status: u16, said: impl Into<String>) {
        self.answers.lock().unwrap().push_back((status, said.into()));
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn settings(vendor: Vendor, url: &str, access: Access) -> VendorSettings {
    VendorSettings {
        name: "ops".into(),
        vendor,
        url: Some(SecretString::from(url)),
        access,
        chat: (vendor == Vendor::Telegram).then(|| "-100123".to_owned()),
        passage: Default::default(),
    }
}

fn hook(settings: &VendorSettings) -> VendorHook {
    VendorHook::new(settings, Arc::new(Stopped), Bounds::default()).unwrap()
}

fn message(bytes: &str) -> Message {
    Message { id: "msg_1".into(), recipient: "ops".into(), bytes: bytes.as_bytes().to_vec() }
}

/// What arrives of a stored body: the path behind the host, the Authorization header and the body;
/// twice the same.
async fn check(
    vendor: Vendor,
    path: &str,
    access: Access,
    stored: &str,
    expected: (&str, Option<&str>, &str),
) {
    let far = Far::default();
    let url = far.start().await;
    let hook = hook(&settings(vendor, &format!("{url}{path}"), access));
    for _ in 0..2 {
        let outcome = hook.deliver(&message(stored)).await;
        assert_eq!(outcome, Outcome::Delivered("answered 200".into()), "{vendor:?}");
    }
    let seen = far.seen();
    assert_eq!(seen.len(), 2);
    for one in &seen {
        let header = |name: &str| one.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(one.method, Method::POST);
        assert_eq!((one.path.as_str(), header("authorization"), one.body.as_str()), expected);
        assert_eq!(header("content-type"), Some("application/json"));
        assert!(header("user-agent").unwrap().starts_with("postrider/"));
        assert_eq!(header("webhook-id"), None, "that is of Standard Webhooks");
        serde_json::from_str::<serde::de::IgnoredAny>(&one.body).expect("JSON");
    }
}

#[tokio::test]
async fn each_vendor_is_posted_to_where_and_as_it_publishes() {
    let open = || Access::Open;
    let key = |text: &str| Access::Key(SecretString::from(text));
    // https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    let body = r#"{"blocks":[],"text":"a"}"#;
    let path = "/services/T000/B000/XXXX";
    check(Vendor::Slack, path, open(), body, (path, None, body)).await;
    // The address of a workflow carries its signature:
    // https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
    let path = "/workflows/x/triggers/manual/paths/invoke?api-version=1&sig=abc%2F";
    check(Vendor::Teams, path, open(), body, (path, None, body)).await;
    // https://discord.com/developers/docs/resources/webhook#execute-webhook
    let path = "/api/webhooks/1/token";
    check(Vendor::Discord, path, open(), body, (path, None, body)).await;
    // https://core.telegram.org/bots/api#making-requests
    let path = format!("/bot{TOKEN}/sendMessage");
    let sent = r#"{"chat_id":"-100123","parse_mode":"HTML","text":"a"}"#;
    let body = r#"{"parse_mode":"HTML","text":"a"}"#;
    check(Vendor::Telegram, "/", key(TOKEN), body, (&path, None, sent)).await;
    // https://developer.pagerduty.com/docs/send-alert-event
    let body = r#"{"dedup_key":"a","event_action":"resolve"}"#;
    let sent = format!(r#"{{"routing_key":"{KEY}","dedup_key":"a","event_action":"resolve"}}"#);
    check(Vendor::PagerDuty, "/v2/enqueue", key(KEY), body, ("/v2/enqueue", None, &sent)).await;
    // https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
    let (body, path) = ("[]", "/am/api/v2/alerts");
    check(Vendor::Alertmanager, "/am/", open(), body, (path, None, body)).await;
    let bearer = Some("Bearer secret-token");
    check(Vendor::Alertmanager, "/am", key("secret-token"), body, (path, bearer, body)).await;
    let login = Access::Login("ada".into(), SecretString::from("pass word"));
    let basic = Some("Basic YWRhOnBhc3Mgd29yZA==");
    check(Vendor::Alertmanager, "/am", login, body, (path, basic, body)).await;
}

#[tokio::test]
async fn no_key_or_address_is_in_any_text() {
    let login = Access::Login("ada".into(), SecretString::from("CANARYpassword"));
    let key = |text: &str| Access::Key(SecretString::from(text));
    let mut texts = Vec::new();
    for (vendor, access) in [
        (Vendor::Slack, Access::Open),
        (Vendor::Teams, Access::Open),
        (Vendor::Discord, Access::Open),
        (Vendor::Telegram, key(TOKEN)),
        (Vendor::PagerDuty, key(KEY)),
        (Vendor::Alertmanager, key("CANARYbearer")),
        (Vendor::Alertmanager, login),
    ] {
        let far = Far::default();
        let url = format!("{}/CANARYpath/?sig=CANARYquery", far.start().await);
        let settings = settings(vendor, url.trim_end_matches("?sig=CANARYquery"), access);
        let endpoint = hook(&settings);
        for status in [200, 302, 400, 401, 404, 429, 500] {
            let echo = format!(
                "{TOKEN} {KEY} CANARYpath CANARYbearer CANARYpassword YWRhOkNBTkFSWXBhc3N3b3Jk"
            );
            far.answer(status, echo);
            texts.push(format!("{:?}", endpoint.deliver(&message("{}")).await));
        }
        let gone = VendorSettings {
            url: Some(SecretString::from("http://127.0.0.1:1/CANARYpath")),
            ..settings.clone()
        };
        texts.push(format!("{:?}", hook(&gone).deliver(&message("{}")).await));
        texts.push(format!("{settings:?} {settings:#?}"));
        let wrong = VendorSettings {
            url: Some(SecretString::from("http://example.com/CANARYpath")),
            ..settings
        };
        let err = VendorHook::new(&wrong, Arc::new(Stopped), Bounds::default()).err().unwrap();
        texts.push(format!("{err} {err:?}"));
    }
    for text in texts {
        assert!(!text.contains("CANARY") && !text.contains("YWRhOkNB"), "{text}");
    }
}

#[tokio::test]
async fn what_a_vendor_says_is_told_and_its_wait_is_kept() {
    let far = Far::default();
    let url = far.start().await;
    let telegram = hook(&settings(
        Vendor::Telegram,
        &url,
        Access::Key(SecretString::from("123456789:AAAAAAAAAAAAAAAAAAAAAAAA")),
    ));
    far.answer(
        429,
        r#"{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":35}}"#,
    );
    let Outcome::Retry { after, reason } = telegram.deliver(&message("{}")).await else {
        panic!("a wait")
    };
    assert_eq!(after, Some(std::time::Duration::from_secs(35)));
    assert!(reason.contains("Too Many Requests"), "{reason}");
}
