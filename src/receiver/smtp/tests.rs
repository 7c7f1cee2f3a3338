//! The receiver against a mail server on real sockets.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use futures_util::future::{BoxFuture, join_all};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Bounds, CONNECTIONS, Login, ServerSettings, Smtp, SmtpError, SmtpSettings, SmtpTls};
use crate::clock::Clock;
use crate::demo::inbox::{Act, Inbox, InboxSettings, Stage};
use crate::domain::delivery::{Message, Outcome};
use crate::receiver::Receiver;

mod failover;
mod script;
mod tokens;
mod transactions;

const BODY: &[u8] =
    b"Subject: hello\r\n\r\nfirst line\r\n.hidden dot\r\n..two\r\n\r\n.\r\nlast\r\n";

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 1, 8, 0, 0).unwrap()
    }
    fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn a_mail_arrives_byte_for_byte_with_its_envelope() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let outcome = smtp(&inbox).deliver(&to("ann@example.com")).await;
    assert_eq!(outcome, Outcome::Delivered("250 2.0.0 kept as 1".into()));
    let mails = inbox.wait_for(1).await;
    assert_eq!(mails[0].bytes, BODY);
    assert_eq!(mails[0].envelope_from, "reports@example.org");
    assert_eq!(mails[0].recipients, ["ann@example.com"]);
    assert_eq!(mails[0].received, Stopped.now());
    assert!(!mails[0].encrypted);
}

#[tokio::test]
async fn line_ends_are_made_safe_so_that_no_text_ends_the_mail() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let smuggled = b"a\n.\nMAIL FROM:<x@y.z>\r.\r\rb\r\n.\nno line end".to_vec();
    let message = Message { bytes: smuggled, ..to("ann@example.com") };
    assert!(matches!(smtp(&inbox).deliver(&message).await, Outcome::Delivered(_)));
    let mails = inbox.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(
        mails[0].bytes,
        b"a\r\n.\r\nMAIL FROM:<x@y.z>\r\n.\r\n\r\nb\r\n.\r\nno line end\r\n"
    );
}

#[tokio::test]
async fn a_refused_recipient_touches_no_other_and_the_connection_serves_on() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    inbox.refuse("bob@example.com", "550 5.1.1 no such user");
    let smtp = smtp(&inbox);
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    assert_eq!(
        smtp.deliver(&to("bob@example.com")).await,
        Outcome::Rejected("RCPT TO: 550 5.1.1 no such user".into())
    );
    assert!(matches!(smtp.deliver(&to("cat@example.com")).await, Outcome::Delivered(_)));
    let recipients: Vec<_> = inbox.mails().iter().map(|mail| mail.recipients.clone()).collect();
    assert_eq!(recipients, [["ann@example.com"], ["cat@example.com"]]);
    assert_eq!(inbox.connections(), 1);
}

#[tokio::test]
async fn greylisting_passes_at_a_later_attempt() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    inbox.misbehave(Stage::Rcpt, Act::Answer("451 4.7.1 come back later".into()), 2);
    let smtp = smtp(&inbox);
    for _ in 0..2 {
        assert_eq!(
            smtp.deliver(&to("ann@example.com")).await,
            Outcome::Retry { after: None, reason: "RCPT TO: 451 4.7.1 come back later".into() }
        );
    }
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    assert_eq!(inbox.received(), 1);
}

#[tokio::test]
async fn a_server_that_stalls_is_bounded_at_every_stage() {
    for (stage, name) in [
        (Stage::Banner, "banner"),
        (Stage::Ehlo, "EHLO"),
        (Stage::Mail, "MAIL FROM"),
        (Stage::Rcpt, "RCPT TO"),
        (Stage::Data, "DATA"),
    ] {
        let outcome = after(stage, Act::Stall).await;
        assert_eq!(outcome.0, Outcome::ServerDown(format!("{name}: no answer within 150ms")));
        assert_eq!(outcome.1, 0);
    }
}

#[tokio::test]
async fn a_server_that_closes_is_down_at_every_stage() {
    for (stage, name) in [
        (Stage::Banner, "banner"),
        (Stage::Ehlo, "EHLO"),
        (Stage::Mail, "MAIL FROM"),
        (Stage::Rcpt, "RCPT TO"),
        (Stage::Data, "DATA"),
    ] {
        let (outcome, mails) = after(stage, Act::Close).await;
        let Outcome::ServerDown(reason) = outcome else { panic!("{stage:?}: {outcome:?}") };
        assert!(reason.starts_with(&format!("{name}: ")), "{reason}");
        assert_eq!(mails, 0);
    }
}

#[tokio::test]
async fn a_421_means_the_server_is_down_wherever_it_comes() {
    for stage in [Stage::Banner, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
        let (outcome, mails) = after(stage, Act::Answer("421 4.3.2 shutting down".into())).await;
        let Outcome::ServerDown(reason) = outcome else { panic!("{stage:?}: {outcome:?}") };
        assert!(reason.ends_with("421 4.3.2 shutting down"), "{reason}");
        assert_eq!(mails, 0);
    }
}

#[tokio::test]
async fn a_lost_answer_to_the_final_dot_is_uncertain_because_the_mail_was_kept() {
    for act in [Act::Close, Act::Stall] {
        let (outcome, mails) = after(Stage::Dot, act).await;
        let Outcome::Uncertain(reason) = outcome else { panic!("{outcome:?}") };
        assert!(reason.ends_with("(message may be sent more than once)"), "{reason}");
        assert_eq!(mails, 1);
    }
}

#[tokio::test]
async fn a_refusal_after_the_dot_is_the_servers_verdict() {
    let (outcome, mails) = after(Stage::Dot, Act::Answer("554 5.6.0 no thanks".into())).await;
    assert_eq!(outcome, Outcome::Rejected("end of message: 554 5.6.0 no thanks".into()));
    assert_eq!(mails, 0);
    let (outcome, _) = after(Stage::Dot, Act::Answer("452 4.3.1 disk full".into())).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_down_and_comes_back() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let smtp = smtp(&inbox);
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    inbox.go_down().await;
    let Outcome::ServerDown(reason) = smtp.deliver(&to("ann@example.com")).await else { panic!() };
    assert!(reason.starts_with("connect: "), "{reason}");
    inbox.come_back().await.unwrap();
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    assert_eq!(inbox.received(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_died_costs_nothing() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let smtp = smtp(&inbox);
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    for act in [Act::Close, Act::Answer("421 4.4.2 idle too long".into())] {
        // The kept connection fails at its next word; a fresh one carries the mail.
        inbox.misbehave(Stage::Mail, act, 1);
        assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    }
    assert_eq!(inbox.received(), 3);
    assert_eq!(inbox.connections(), 3);
}

#[tokio::test]
async fn many_mails_share_connections_and_all_arrive() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let smtp = smtp(&inbox);
    for _ in 0..5 {
        let messages: Vec<_> = (0..100).map(|n| to(&format!("user{n}@example.com"))).collect();
        let outcomes = join_all(messages.iter().map(|message| smtp.deliver(message))).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Delivered(_))));
    }
    assert_eq!(inbox.received(), 500);
    assert!(inbox.connections() < 500, "{} connections", inbox.connections());
}

#[tokio::test]
async fn as_many_mails_go_at_a_time_as_connections_and_who_waits_is_not_told_it_is_down() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    inbox.misbehave(Stage::Dot, Act::Stall, 1);
    let bounds = Bounds {
        dot: Duration::from_millis(300),
        overall: Duration::from_millis(150),
        ..Bounds::default()
    };
    let settings = SmtpSettings { connections: 1, ..one(settings(&inbox)) };
    let smtp = Smtp::with_bounds(settings, bounds).unwrap();
    assert_eq!(smtp.concurrency(), 1);
    let (ann, bob) = (to("ann@example.com"), to("bob@example.com"));
    let (first, second) = tokio::join!(smtp.deliver(&ann), smtp.deliver(&bob));
    assert!(matches!(first, Outcome::Uncertain(_)), "{first:?}");
    assert!(matches!(second, Outcome::Delivered(_)), "{second:?}");
}

#[tokio::test]
async fn starttls_with_a_private_authority_protects_login_and_mail() {
    let pki = Pki::new("localhost");
    let inbox = Inbox::open(pki.inbox(false), Arc::new(Stopped)).await.unwrap();
    let smtp = Smtp::new(one(ServerSettings {
        host: "localhost".into(),
        tls: SmtpTls::StartTls,
        ca: Some(pki.ca.clone()),
        login: password("correct horse"),
        ..settings(&inbox)
    }))
    .unwrap();
    let outcome = smtp.deliver(&to("ann@example.com")).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    let mails = inbox.mails();
    assert!(mails[0].encrypted);
    assert_eq!(mails[0].login.as_deref(), Some("postrider"));
    assert_eq!(mails[0].bytes, BODY);
}

#[tokio::test]
async fn implicit_tls_works_against_an_address_too() {
    let pki = Pki::new("127.0.0.1");
    let mut with_tls = pki.inbox(true);
    with_tls.account = None;
    let inbox = Inbox::open(with_tls, Arc::new(Stopped)).await.unwrap();
    let smtp = Smtp::new(one(ServerSettings {
        tls: SmtpTls::Implicit,
        ca: Some(pki.ca.clone()),
        ..settings(&inbox)
    }))
    .unwrap();
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    assert!(inbox.mails()[0].encrypted);
}

#[tokio::test]
async fn a_certificate_of_a_stranger_or_for_another_host_breaks_the_receiver() {
    let (pki, stranger) = (Pki::new("localhost"), Pki::new("localhost"));
    let other_host = Pki::new("mail.example.com");
    for (server, trusted) in [(&pki, &stranger), (&other_host, &other_host)] {
        for implicit in [false, true] {
            let inbox = Inbox::open(server.inbox(implicit), Arc::new(Stopped)).await.unwrap();
            let smtp = Smtp::new(one(ServerSettings {
                host: "localhost".into(),
                tls: if implicit { SmtpTls::Implicit } else { SmtpTls::StartTls },
                ca: Some(trusted.ca.clone()),
                ..settings(&inbox)
            }))
            .unwrap();
            let outcome = smtp.deliver(&to("ann@example.com")).await;
            let Outcome::ReceiverBroken(reason) = outcome else { panic!("{outcome:?}") };
            assert!(reason.contains("certificate"), "{reason}");
            assert_eq!(inbox.received(), 0);
        }
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_clear() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let smtp =
        Smtp::new(one(ServerSettings { tls: SmtpTls::StartTls, ..settings(&inbox) })).unwrap();
    assert_eq!(
        smtp.deliver(&to("ann@example.com")).await,
        Outcome::ReceiverBroken("the server does not offer STARTTLS".into())
    );
    assert_eq!(inbox.received(), 0);
}

#[tokio::test]
async fn tls_to_a_server_that_speaks_none_is_a_broken_receiver() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let smtp =
        Smtp::new(one(ServerSettings { tls: SmtpTls::Implicit, ..settings(&inbox) })).unwrap();
    let outcome = smtp.deliver(&to("ann@example.com")).await;
    assert!(matches!(outcome, Outcome::ReceiverBroken(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_starttls_answer_with_words_after_it_is_not_trusted() {
    let pki = Pki::new("localhost");
    let port =
        scripted("220 hi\r\n", &["250-x\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"]).await;
    let smtp = Smtp::new(one(ServerSettings {
        host: "localhost".into(),
        port,
        tls: SmtpTls::StartTls,
        ca: Some(pki.ca.clone()),
        ..bare_settings()
    }))
    .unwrap();
    assert_eq!(
        smtp.deliver(&to("ann@example.com")).await,
        Outcome::ServerDown("STARTTLS: the server spoke on before TLS began".into())
    );
}

#[tokio::test]
async fn a_wrong_password_breaks_the_receiver_and_is_shown_nowhere() {
    let account = Some(("postrider".to_owned(), "correct horse".to_owned()));
    let inbox = Inbox::open(InboxSettings { account, ..Default::default() }, Arc::new(Stopped))
        .await
        .unwrap();
    let with_login = ServerSettings { login: password("CANARY-password"), ..settings(&inbox) };
    assert!(!format!("{with_login:?}").contains("CANARY"));
    let outcome = Smtp::new(one(with_login)).unwrap().deliver(&to("ann@example.com")).await;
    assert_eq!(outcome, Outcome::ReceiverBroken("AUTH: 535 5.7.8 authentication failed".into()));
    // Without a login at all the server says so at MAIL FROM.
    assert_eq!(
        Smtp::new(one(settings(&inbox))).unwrap().deliver(&to("ann@example.com")).await,
        Outcome::ReceiverBroken("MAIL FROM: 530 5.7.0 log in first".into())
    );
}

#[tokio::test]
async fn login_works_by_the_old_way_too() {
    let hello = "250-x\r\n250 AUTH LOGIN\r\n";
    let script =
        [hello, "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 in\r\n", "421 enough\r\n"];
    let port = scripted("220 hi\r\n", &script).await;
    let login = password("correct horse");
    let smtp = Smtp::new(one(ServerSettings { port, login, ..bare_settings() })).unwrap();
    assert_eq!(
        smtp.deliver(&to("ann@example.com")).await,
        Outcome::ServerDown("MAIL FROM: 421 enough".into())
    );
}

#[tokio::test]
async fn answers_that_are_not_smtp_are_bounded() {
    let endless = "x".repeat(100_000);
    let lines = "220-more\r\n".repeat(50_000);
    for (banner, expected) in [
        (
            "HTTP/1.1 400 Bad Request\r\n",
            "banner: the answer is not SMTP: HTTP/1.1 400 Bad Request",
        ),
        (endless.as_str(), "banner: the answer has an endless line"),
        (lines.as_str(), "banner: the answer is too long"),
        ("220-a\r\n250 b\r\n", "banner: the answer changes its code midway"),
        ("\0\u{fffd}\x1b[2J\r\n", "banner: the answer is not SMTP: \\u{0}\u{fffd}\\u{1b}[2J"),
        ("220 hi\r\n250 unasked\r\n", "EHLO: the server spoke without being asked"),
    ] {
        let port = scripted(banner, &[]).await;
        let smtp = Smtp::new(one(ServerSettings { port, ..bare_settings() })).unwrap();
        let outcome = smtp.deliver(&to("ann@example.com")).await;
        assert_eq!(outcome, Outcome::ServerDown(expected.into()));
    }
}

#[tokio::test]
async fn words_of_the_server_cannot_forge_lines_and_are_cut() {
    let long = format!("550 \x1b[31m{}\r\n", "é".repeat(1_500));
    let port = scripted("220 hi\r\n", &["250 x\r\n", "250 ok\r\n", &long]).await;
    let smtp = Smtp::new(one(ServerSettings { port, ..bare_settings() })).unwrap();
    let Outcome::Rejected(reason) = smtp.deliver(&to("ann@example.com")).await else { panic!() };
    assert!(reason.starts_with("RCPT TO: 550 \\u{1b}[31mé"), "{reason}");
    assert_eq!(reason.chars().count(), 512);
}

#[tokio::test]
async fn what_the_server_cannot_carry_is_rejected_before_it_is_sent() {
    let port = scripted("220 hi\r\n", &["250-x\r\n250 SIZE 20\r\n", "250 ok\r\n"]).await;
    let smtp = Smtp::new(one(ServerSettings { port, ..bare_settings() })).unwrap();
    let Outcome::Rejected(reason) = smtp.deliver(&to("ann@example.com")).await else { panic!() };
    assert!(reason.ends_with("the server takes 20"), "{reason}");

    let port = scripted("220 hi\r\n", &["250 x\r\n", "250 ok\r\n"]).await;
    let smtp = Smtp::new(one(ServerSettings { port, ..bare_settings() })).unwrap();
    let Outcome::Rejected(reason) = smtp.deliver(&to("jörg@example.com")).await else { panic!() };
    assert!(reason.contains("SMTPUTF8"), "{reason}");
}

#[tokio::test]
async fn a_sender_the_server_cannot_carry_breaks_the_receiver_not_the_message() {
    let port = scripted("220 hi\r\n", &["250 x\r\n"]).await;
    let envelope_from = "jörg@example.com".to_owned();
    let server = ServerSettings { port, ..bare_settings() };
    let smtp = Smtp::new(SmtpSettings { envelope_from, ..one(server) }).unwrap();
    let outcome = smtp.deliver(&to("ann@example.com")).await;
    assert!(matches!(outcome, Outcome::ReceiverBroken(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_lost_inside_the_message_cannot_have_delivered_it() {
    // Each answer belongs to EHLO, MAIL, RCPT and DATA; then the server is gone.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut command = [0; 4_096];
        for answer in ["220 hi\r\n", "250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read(&mut command).await;
        }
    });
    let smtp = Smtp::new(one(ServerSettings { port, ..bare_settings() })).unwrap();
    // More than the sockets' buffers hold, so writing must fail.
    let message = Message { bytes: vec![b'x'; 30_000_000], ..to("ann@example.com") };
    let Outcome::ServerDown(reason) = smtp.deliver(&message).await else { panic!() };
    assert!(reason.starts_with("message: "), "{reason}");
}

#[tokio::test]
async fn international_addresses_and_eight_bit_text_pass_where_the_server_takes_them() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let bytes = "Subject: grüße\r\n\r\nschön\r\n".as_bytes().to_vec();
    let message = Message { bytes: bytes.clone(), ..to("jörg@exämple.com") };
    let outcome = smtp(&inbox).deliver(&message).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    assert_eq!(inbox.mails()[0].recipients, ["jörg@exämple.com"]);
    assert_eq!(inbox.mails()[0].bytes, bytes);
}

#[tokio::test]
async fn a_recipient_that_is_no_address_never_reaches_the_wire() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    for recipient in ["", "ann", "a@b\r\nRCPT TO:<c@d>", "a@b>\u{7f}", "a b@c.d", "<a@b.c>"] {
        let outcome = smtp(&inbox).deliver(&to(recipient)).await;
        assert!(matches!(outcome, Outcome::Rejected(_)), "{recipient:?}: {outcome:?}");
    }
    assert_eq!(inbox.connections(), 0);
}

#[tokio::test]
async fn the_whole_attempt_has_a_bound_of_its_own() {
    let bounds = Bounds { overall: Duration::from_millis(120), ..Bounds::default() };
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    inbox.misbehave(Stage::Data, Act::Stall, 1);
    let smtp = Smtp::with_bounds(one(settings(&inbox)), bounds).unwrap();
    let Outcome::ServerDown(reason) = smtp.deliver(&to("ann@example.com")).await else { panic!() };
    assert!(reason.starts_with("DATA: no answer within "), "{reason}");
}

#[test]
fn settings_that_cannot_work_are_refused_at_once() {
    let made = |change: fn(&mut ServerSettings)| {
        let mut settings = bare_settings();
        change(&mut settings);
        Smtp::new(one(settings)).err()
    };
    assert!(made(|_| ()).is_none());
    let sender = SmtpSettings { envelope_from: "nobody".into(), ..one(bare_settings()) };
    assert!(matches!(Smtp::new(sender).err(), Some(SmtpError::Sender(_))));
    let nowhere = SmtpSettings { servers: Vec::new(), ..one(bare_settings()) };
    assert!(matches!(Smtp::new(nowhere).err(), Some(SmtpError::NoServer)));
    let ca = |s: &mut ServerSettings| {
        s.tls = SmtpTls::StartTls;
        s.ca = Some(b"no pem".to_vec());
    };
    assert!(matches!(made(ca), Some(SmtpError::Tls(_))));
    let host = |s: &mut ServerSettings| {
        s.tls = SmtpTls::StartTls;
        s.host = "not a host".into();
    };
    assert!(matches!(made(host), Some(SmtpError::Host(_))));
}

/// One delivery to a fresh inbox that misbehaves at a stage, and how many mails it kept.
async fn after(stage: Stage, act: Act) -> (Outcome, usize) {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let impatient = if act == Act::Stall { Some(stage) } else { None };
    inbox.misbehave(stage, act, u32::MAX);
    let smtp = Smtp::with_bounds(one(settings(&inbox)), bounds(impatient)).unwrap();
    let outcome = smtp.deliver(&to("ann@example.com")).await;
    (outcome, inbox.received())
}

/// A server that says its banner, then one line of the script for each command, then nothing.
async fn scripted(banner: &str, answers: &[&str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let banner = banner.to_owned();
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The client may have had enough before all is written.
        let _ = stream.write_all(banner.as_bytes()).await;
        let mut command = [0; 4_096];
        for answer in answers {
            if matches!(stream.read(&mut command).await, Ok(0) | Err(_)) {
                return;
            }
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        while matches!(stream.read(&mut command).await, Ok(1..)) {}
    });
    port
}

fn smtp(inbox: &Inbox) -> Smtp {
    Smtp::new(one(settings(inbox))).unwrap()
}

fn settings(inbox: &Inbox) -> ServerSettings {
    ServerSettings { port: inbox.address().port(), ..bare_settings() }
}

fn bare_settings() -> ServerSettings {
    ServerSettings { host: "127.0.0.1".into(), port: 1, tls: SmtpTls::None, login: None, ca: None }
}

/// A receiver's settings with one server.
fn one(server: ServerSettings) -> SmtpSettings {
    SmtpSettings {
        servers: vec![server],
        from: "Reports <reports@example.org>".into(),
        envelope_from: "reports@example.org".into(),
        connections: CONNECTIONS,
    }
}

fn password(password: &str) -> Option<Login> {
    Some(Login::Password { user: "postrider".into(), password: SecretString::from(password) })
}

/// The usual bounds, but for one stage that is given up quickly.
fn bounds(impatient: Option<Stage>) -> Bounds {
    let mut bounds = Bounds::default();
    let bound = match impatient {
        None => return bounds,
        Some(Stage::Banner) => &mut bounds.banner,
        Some(Stage::Ehlo | Stage::StartTls | Stage::Auth) => &mut bounds.hello,
        Some(Stage::Mail) => &mut bounds.mail,
        Some(Stage::Rcpt) => &mut bounds.rcpt,
        Some(Stage::Data) => &mut bounds.data,
        Some(Stage::Dot) => &mut bounds.dot,
    };
    *bound = Duration::from_millis(150);
    bounds
}

fn to(recipient: &str) -> Message {
    Message { id: "1.abc@postrider".into(), recipient: recipient.into(), bytes: BODY.to_vec() }
}

/// An authority of our own and a server certificate by it.
struct Pki {
    ca: Vec<u8>,
    server: Arc<ServerConfig>,
}

impl Pki {
    fn new(host: &str) -> Pki {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .unwrap();
        Pki { ca: ca_certificate.pem().into_bytes(), server: Arc::new(server) }
    }

    /// An inbox with this certificate and an account.
    fn inbox(&self, implicit_tls: bool) -> InboxSettings {
        InboxSettings {
            tls: Some(Arc::clone(&self.server)),
            implicit_tls,
            account: Some(("postrider".into(), "correct horse".into())),
            ..InboxSettings::default()
        }
    }
}
