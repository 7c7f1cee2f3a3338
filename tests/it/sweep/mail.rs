//! An SMTP session with a login, and one with STARTTLS.

use std::net::SocketAddr;
use std::sync::Arc;

use postrider::app::Limits;
use postrider::clock::{Clock as _, ManualClock};
use postrider::demo::inbox::{Inbox, InboxSettings, Mail};
use postrider::domain::delivery::Message;
use postrider::store::state::outbox::SMTP;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::time::timeout;

use super::{Act, Direction, Edit, Fault, Line, PATIENCE, Passed, Seen, Table, check_unseen, utc};

/// What is said under TLS has fewer bytes than this, in each direction.
const SAID_BYTES_MAX: u64 = 500;

/// One mail, short, with a dot that begins a line.
pub(crate) fn mail(number: u64) -> Message {
    let id = format!("{number}@sweep.example.com");
    let bytes = format!("Message-ID: <{id}>\r\nSubject: s\r\n\r\n.x\r\ny\r\n").into_bytes();
    Message { id, recipient: "ann@example.com".to_owned(), bytes }
}

pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    // A connection to each attempt.
    limits.smtp.idle = std::time::Duration::ZERO;
    limits
}

/// A line to an inbox that wants a login.
pub(crate) struct Post {
    pub(crate) inbox: Inbox,
    pub(crate) line: Line,
}

impl Post {
    pub(crate) async fn in_clear() -> Post {
        let account = Some(("reports".to_owned(), "s3cret".to_owned()));
        Post::to(InboxSettings { account, ..InboxSettings::default() }, "tls = \"none\"", limits())
            .await
    }

    pub(crate) async fn encrypted() -> Post {
        let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        let key =
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        // Every session is a whole one.
        tls.send_tls13_tickets = 0;
        let settings = InboxSettings {
            account: Some(("reports".to_owned(), "s3cret".to_owned())),
            tls: Some(Arc::new(tls)),
            ..InboxSettings::default()
        };
        let pem = signed.cert.pem();
        let keys = "tls = \"starttls\"\nca = \"file:ca.pem\"";
        Post::over(settings, keys, limits(), &[("ca.pem", &pem)]).await
    }

    /// With an inbox and keys of `[smtp]` of one's own.
    pub(crate) async fn to(settings: InboxSettings, keys: &str, limits: Limits) -> Post {
        Post::over(settings, keys, limits, &[]).await
    }

    /// A line to a mail server of another kind, without login and TLS.
    pub(crate) async fn before(server: SocketAddr, limits: Limits) -> Line {
        let config = "[smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
                      from = \"Postrider <reports@example.com>\"\n";
        Line::to(server, config, limits, &[]).await
    }

    async fn over(
        settings: InboxSettings,
        keys: &str,
        limits: Limits,
        files: &[(&str, &str)],
    ) -> Post {
        let clock = Arc::new(ManualClock::new(utc("2026-11-23T07:00:00Z")));
        let inbox_wants_login = settings.account.is_some();
        let inbox = Inbox::open(settings, clock).await.unwrap();
        let login = match inbox_wants_login {
            true => "username = \"reports\"\npassword = \"env:SMTP_PASSWORD\"",
            false => "",
        };
        let config = format!(
            "[smtp]\nhost = \"127.0.0.1\"\nport = {{port}}\n{login}\n{keys}\n\
             from = \"Postrider <reports@example.com>\"\n"
        );
        let line = Line::to(inbox.address(), &config, limits, files).await;
        Post { inbox, line }
    }

    /// What a whole session sends and gets.
    pub(super) async fn whole(&self) -> Passed {
        let delivery = self.line.owe(SMTP, mail(0));
        self.line.deliver().await;
        assert_eq!(self.line.outcomes(delivery), ["delivered"]);
        self.line.proxy.passed().remove(0)
    }

    /// Breaks one mail's first session; what was seen of it, and what had gone through.
    pub(super) async fn point(&self, act: Act, direction: Direction, at: u64) -> (Seen, Passed) {
        self.inbox.clear();
        let sent = mail(1_000 + at);
        let (outcomes, passed) =
            self.line.point(SMTP, sent.clone(), Fault { act, direction, at }).await;
        // A server whose connection was reset may still be reading what came before.
        let expected = outcomes.len() - 1 + usize::from(has_whole_dot(&passed.out));
        let mails = match timeout(PATIENCE, self.inbox.wait_for(expected)).await {
            Ok(mails) => mails,
            Err(_) => self.inbox.mails(),
        };
        for arrived in &mails {
            assert_eq!(arrived.bytes, sent.bytes, "byte {at}: what arrives twice is the same");
        }
        assert_eq!(outcomes.last().map(String::as_str), Some("delivered"), "byte {at}");
        // The last attempt was answered: it has arrived by then, once.
        let (in_all, first) = (mails.len(), outcomes[0].clone());
        let then = if outcomes.len() == 1 { in_all } else { in_all - 1 };
        (Seen { first, then, in_all }, passed)
    }
}

fn has_whole_dot(out: &[u8]) -> bool {
    out.windows(5).any(|bytes| bytes == b"\r\n.\r\n")
}

/// What the bytes that went through say about where the session was broken.
pub(super) fn check(at: u64, seen: &Seen, passed: &Passed) {
    let (whole_dot, back) = (has_whole_dot(&passed.out), String::from_utf8_lossy(&passed.back));
    let mut answers = back.split_inclusive("\r\n").filter(|line| line.ends_with("\r\n"));
    let asked_for = answers.any(|line| line.starts_with("354 "));
    let answered = answers.any(|line| line.starts_with("250 "));
    let expected: &[&str] = match (asked_for, whole_dot, answered) {
        (_, _, true) => &["delivered"],
        (false, _, _) => &["server down"],
        (true, true, false) => &["uncertain"],
        // Its last bytes had left or not, and never came.
        (true, false, false) => &["uncertain", "server down"],
    };
    assert!(expected.contains(&seen.first.as_str()), "byte {at}: {seen}, not {expected:?}");
    assert_eq!(seen.then, usize::from(whole_dot), "byte {at}: {seen}");
    check_unseen(at, seen);
}

fn gone(passed: &Passed, direction: Direction) -> u64 {
    match direction {
        Direction::Out => passed.out.len() as u64,
        Direction::Back => passed.back.len() as u64,
    }
}

async fn sweep_in_clear(act: Act, direction: Direction) {
    sweep_edited(act, direction, Edit::None).await;
}

async fn sweep_edited(act: Act, direction: Direction, edit: Edit) {
    let post = Post::in_clear().await;
    post.line.proxy.edit(edit);
    let (mut table, mut at) = (Table::default(), 0);
    loop {
        let (seen, passed) = post.point(act, direction, at).await;
        check(at, &seen, &passed);
        table.add(at, seen);
        // The whole session went through: there is no byte left to break it at.
        if gone(&passed, direction) < at {
            break;
        }
        at += 1;
    }
    table.print(&format!("SMTP, {act:?}, {direction:?}, {edit:?}"));
    table.has_everything();
}

/// At every byte of what is said under TLS; of the handshake before it, at every fifth.
async fn sweep_encrypted(act: Act, direction: Direction) {
    let post = Post::encrypted().await;
    let handshake_bytes = gone(&post.whole().await, direction).saturating_sub(SAID_BYTES_MAX);
    let (mut table, mut at) = (Table::default(), 0);
    loop {
        let (seen, passed) = post.point(act, direction, at).await;
        check_unseen(at, &seen);
        table.add(at, seen);
        if gone(&passed, direction) < at {
            break;
        }
        at += if at < handshake_bytes { 5 } else { 1 };
    }
    table.print(&format!("SMTP with STARTTLS, {act:?}, {direction:?}"));
    table.has_everything();
}

#[tokio::test]
async fn every_byte_to_the_server_closed() {
    sweep_in_clear(Act::Cut, Direction::Out).await;
}

#[tokio::test]
async fn every_byte_from_the_server_closed() {
    sweep_in_clear(Act::Cut, Direction::Back).await;
}

#[tokio::test]
async fn every_byte_to_the_server_reset() {
    sweep_in_clear(Act::Reset, Direction::Out).await;
}

#[tokio::test]
async fn every_byte_from_the_server_reset() {
    sweep_in_clear(Act::Reset, Direction::Back).await;
}

#[tokio::test]
async fn every_byte_to_the_server_closed_under_tls() {
    sweep_encrypted(Act::Cut, Direction::Out).await;
}

#[tokio::test]
async fn every_byte_from_the_server_closed_under_tls() {
    sweep_encrypted(Act::Cut, Direction::Back).await;
}

#[tokio::test]
async fn every_byte_to_a_server_that_takes_commands_in_groups() {
    sweep_edited(Act::Cut, Direction::Out, Edit::OfferPipelining).await;
}

#[tokio::test]
async fn every_byte_from_a_server_that_takes_commands_in_groups() {
    sweep_edited(Act::Cut, Direction::Back, Edit::OfferPipelining).await;
}

#[tokio::test]
async fn without_a_fault_the_proxy_changes_nothing() {
    let post = Post::in_clear().await;
    let whole = post.whole().await;
    let mails = timeout(PATIENCE, post.inbox.wait_for(1)).await.unwrap();
    let [mail]: &[Arc<Mail>] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    assert_eq!(mail.bytes, self::mail(0).bytes);
    assert!(whole.out.ends_with(b"QUIT\r\n"), "{}", String::from_utf8_lossy(&whole.out));
    assert!(post.line.clock.now() >= utc("2026-11-23T07:00:00Z"));
}
