//! The page over real sockets: mails put in by SMTP, webhooks by HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chrono::{DateTime, TimeZone, Utc};
use futures_util::future::BoxFuture;
use reqwest::{Client, Response};
use secrecy::SecretString;

use super::Page;
use crate::clock::Clock;
use crate::demo::catcher::Catcher;
use crate::demo::inbox::Inbox;
use crate::domain::delivery::{Message, Outcome};
use crate::receiver::Receiver;
use crate::receiver::smtp::{ServerSettings, Smtp, SmtpSettings, SmtpTls};
use crate::receiver::webhook::{Webhook, WebhookSettings};

const HTML_MAIL: &str = "From: Postrider <reports@example.org>\r\nTo: ann@example.com\r\n\
    Subject: Chats <b>&</b> waits\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain\r\n\r\nplain <i>words</i>\r\n\
    --a\r\nContent-Type: text/html\r\n\r\n\
    <html><head></head><body><script>alert(1)</script><h1>Chats</h1></body></html>\r\n\
    --a--\r\n\
    --m\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"../x.html\"\r\n\
    \r\n<script>attached</script>\r\n--m--\r\n";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 1, 8, 0, 0).unwrap()
    }
    fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

struct Site {
    page: Page,
    inbox: Arc<Inbox>,
    catcher: Arc<Catcher>,
    http: Client,
}

impl Site {
    async fn start() -> Site {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let inbox = Arc::new(Inbox::start(Arc::new(Stopped)).await.unwrap());
        let secrets = vec![SecretString::from(SECRET)];
        let catcher = Arc::new(Catcher::start(any, secrets, Arc::new(Stopped)).await.unwrap());
        let shown = Some(Arc::clone(&catcher));
        let page = Page::start(any, Arc::clone(&inbox), shown).await.unwrap();
        // Any settings will do: the page is served without TLS.
        let tls = crate::receiver::test_tls();
        let http = Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        Site { page, inbox, catcher, http }
    }

    async fn mail(&self, text: &str) {
        let smtp = Smtp::new(SmtpSettings {
            servers: vec![ServerSettings {
                host: "127.0.0.1".into(),
                port: self.inbox.address().port(),
                tls: SmtpTls::None,
                login: None,
                ca: None,
            }],
            from: "reports@example.org".into(),
            envelope_from: "reports@example.org".into(),
            connections: 1,
        })
        .unwrap();
        let message = Message {
            id: "1".into(),
            recipient: "ann@example.com".into(),
            bytes: text.as_bytes().to_vec(),
        };
        assert!(matches!(smtp.deliver(&message).await, Outcome::Delivered(_)));
    }

    async fn hook(&self, body: &str) {
        let settings = WebhookSettings {
            name: "hook".into(),
            url: self.catcher.url().into(),
            secrets: vec![SECRET.into()],
            headers: Vec::new(),
            passage: Default::default(),
        };
        let webhook = Webhook::new(settings, Arc::new(Stopped)).unwrap();
        let message = Message {
            id: "msg_1".into(),
            recipient: "hook".into(),
            bytes: body.as_bytes().to_vec(),
        };
        assert!(matches!(webhook.deliver(&message).await, Outcome::Delivered(_)));
    }

    async fn fetch(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.page.url().trim_end_matches('/'));
        self.http.get(url).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let response = self.fetch(path).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.text().await.unwrap()
    }
}

#[tokio::test]
async fn the_list_shows_mails_and_webhooks_and_knows_when_nothing_came() {
    let site = Site::start().await;
    let empty = site.text("/").await;
    assert!(empty.contains("No mail yet.") && empty.contains("No webhook yet."), "{empty}");
    assert!(empty.starts_with("<!doctype html>\n<html lang=\"en\">"));

    site.mail(HTML_MAIL).await;
    site.hook(r#"{"type":"incident.firing"}"#).await;
    let page = site.text("/").await;
    for part in [
        "<title>Inbox (1 mail, 1 webhook) - postrider demo</title>",
        "href=\"/mail/1\"",
        "Chats &#60;b&#62;&#38;&#60;/b&#62; waits",
        "ann@example.com",
        "<time datetime=\"2026-03-01T08:00:00Z\">",
        "href=\"/hook/1\"",
        "incident.firing",
        "signature verified",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }

    let list = site.text("/list?at=/mail/1").await;
    assert!(list.contains("href=\"/mail/1\" aria-current=\"page\""), "{list}");
    let seen = list.split('"').nth(1).unwrap();
    let again = site.fetch(&format!("/list?at=/mail/1&seen={seen}")).await;
    assert_eq!(again.status(), 204);
    site.mail("Subject: second\r\n\r\nx\r\n").await;
    assert!(site.text(&format!("/list?seen={seen}")).await.contains("second"));
}

#[tokio::test]
async fn a_mail_is_read_as_html_text_or_source_and_can_do_nothing() {
    let site = Site::start().await;
    site.mail(HTML_MAIL).await;
    let page = site.text("/mail/1").await;
    assert!(page.contains("<iframe class=\"body\" src=\"/mail/1/html\""), "{page}");
    assert!(page.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
    assert!(!page.contains("<script>alert(1)"), "{page}");

    let html = site.fetch("/mail/1/html").await;
    let policy = html.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"));
    assert!(html.text().await.unwrap().contains("<head><base target=\"_blank\"></head>"));

    let text = site.text("/mail/1?view=text").await;
    assert!(text.contains("plain &#60;i&#62;words&#60;/i&#62;"), "{text}");
    let source = site.text("/mail/1?view=source").await;
    assert!(source.contains("&#60;script&#62;alert(1)"), "{source}");
    assert_eq!(site.text("/mail/1/source").await, HTML_MAIL);
}

#[tokio::test]
async fn attachments_are_saved_under_a_harmless_name_and_never_shown() {
    let site = Site::start().await;
    site.mail(HTML_MAIL).await;
    let page = site.text("/mail/1").await;
    assert!(page.contains("../x.html"), "{page}");
    let part = site.fetch("/mail/1/attachment/0").await;
    assert_eq!(part.headers()["content-disposition"], "attachment; filename=\"-x.html\"");
    assert_eq!(part.headers()["x-content-type-options"], "nosniff");
    assert!(part.text().await.unwrap().contains("attached"));
}

#[tokio::test]
async fn a_webhook_is_shown_with_its_json_spread_out() {
    let site = Site::start().await;
    site.hook(r#"{"type":"digest","data":{"a":"<b>"}}"#).await;
    let page = site.text("/hook/1").await;
    for part in
        ["msg_1", "signature verified", "webhook-timestamp", "&#34;a&#34;: &#34;&#60;b&#62;&#34;"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_and_every_page_is_locked_down() {
    let site = Site::start().await;
    site.mail("Subject: plain\r\n\r\nx\r\n").await;
    for path in ["/mail/7", "/hook/7", "/mail/1/html", "/mail/1/attachment/0", "/nowhere"] {
        assert_eq!(site.fetch(path).await.status(), 404, "{path}");
    }
    for path in ["/", "/list", "/mail/1", "/mail/7", "/style.css", "/script.js"] {
        let response = site.fetch(path).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    let page = site.text("/mail/1").await;
    assert!(page.contains("<pre class=\"body\""), "plain mails are shown as text: {page}");
}
