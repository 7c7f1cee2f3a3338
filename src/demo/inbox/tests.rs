//! The inbox under many clients at once, and its manners.

use std::sync::Arc;

use chrono::{DateTime, TimeZone, Utc};
use futures_util::future::{BoxFuture, join_all};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Act, Inbox, InboxSettings, Stage};
use crate::clock::Clock;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 1, 8, 0, 0).unwrap()
    }
    fn sleep_until(&self, _: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A client that speaks line by line.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(inbox: &Inbox) -> Client {
        Client(BufReader::new(TcpStream::connect(inbox.address()).await.unwrap()))
    }

    /// The last line of the next answer; empty when the inbox is gone.
    async fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).await;
            if read.is_err() || line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn say(&mut self, text: &str) -> String {
        self.0.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        self.answer().await
    }
}

#[tokio::test]
async fn five_hundred_open_conversations_are_carried_at_once() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let mut clients = join_all((0..500).map(|_| Client::connect(&inbox))).await;
    // All greet before any goes on, so all are open together.
    let greetings = join_all(clients.iter_mut().map(Client::answer)).await;
    assert!(greetings.iter().all(|line| line.starts_with("220 ")));
    let sends = clients.iter_mut().enumerate().map(|(number, client)| async move {
        client.say("EHLO x").await;
        client.say("MAIL FROM:<a@b.c>").await;
        client.say(&format!("RCPT TO:<user{number}@b.c>")).await;
        client.say("DATA").await;
        client.say(&format!("Subject: {number}\r\n\r\n..\r\n.")).await
    });
    let answers = join_all(sends).await;
    assert!(answers.iter().all(|line| line.starts_with("250 ")), "{:?}", answers.first());
    assert_eq!(inbox.wait_for(500).await.len(), 500);
    let mut recipients: Vec<_> =
        inbox.mails().iter().map(|mail| mail.recipients[0].clone()).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!(recipients.len(), 500);
    assert_eq!(inbox.mails()[0].bytes.last_chunk(), Some(b"\r\n.\r\n"));
}

#[tokio::test]
async fn commands_out_of_order_are_refused() {
    let account = Some(("ann".to_owned(), "pw".to_owned()));
    let inbox = Inbox::open(InboxSettings { account, ..Default::default() }, Arc::new(Stopped))
        .await
        .unwrap();
    let mut client = Client::connect(&inbox).await;
    client.answer().await;
    for (say, expected) in [
        ("NOOP", "250"),
        ("WHAT", "500"),
        ("EHLO x", "250"),
        ("STARTTLS", "502"),
        ("MAIL FROM:<a@b.c>", "530"),
        ("AUTH CRAM-MD5", "504"),
        ("AUTH PLAIN AGFubgBubw==", "535"),
        ("AUTH PLAIN AGFubgBwdw==", "235"),
        ("RCPT TO:<a@b.c>", "503"),
        ("MAIL FROM:<a@b.c> SIZE=99999999999", "552"),
        ("MAIL a@b.c", "501"),
        ("MAIL FROM:<>", "250"),
        ("MAIL FROM:<>", "503"),
        ("DATA", "503"),
        ("RCPT TO:<>", "501"),
        ("RCPT TO:<a@b.c>", "250"),
        ("RSET", "250"),
        ("DATA", "503"),
        ("QUIT", "221"),
    ] {
        let answer = client.say(say).await;
        assert!(answer.starts_with(expected), "{say}: {answer}");
    }
    assert_eq!(client.answer().await, "");
}

#[tokio::test]
async fn only_a_dot_between_two_full_line_ends_ends_a_mail() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    let mut client = Client::connect(&inbox).await;
    client.answer().await;
    for say in ["EHLO x", "MAIL FROM:<a@b.c>", "RCPT TO:<a@b.c>", "DATA"] {
        client.say(say).await;
    }
    let answer = client.say("a\n.\nb\n.\r\nc\r\n.\nd\r\n.").await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert_eq!(inbox.mails()[0].bytes, b"a\n.\nb\n.\r\nc\r\n\nd\r\n");
}

#[tokio::test]
async fn misbehaving_lasts_as_long_as_told() {
    let inbox = Inbox::start(Arc::new(Stopped)).await.unwrap();
    inbox.misbehave(Stage::Mail, Act::Answer("450 4.7.1 later".into()), 2);
    inbox.refuse("Bob@example.com", "550 5.1.1 who");
    let mut client = Client::connect(&inbox).await;
    client.answer().await;
    for (say, expected) in [
        ("MAIL FROM:<a@b.c>", "450"),
        ("MAIL FROM:<a@b.c>", "450"),
        ("MAIL FROM:<a@b.c>", "250"),
        ("RCPT TO:<bob@EXAMPLE.com>", "550"),
    ] {
        assert!(client.say(say).await.starts_with(expected));
    }
    inbox.behave();
    assert!(client.say("RCPT TO:<bob@example.com>").await.starts_with("250"));
    inbox.go_down().await;
    assert_eq!(client.answer().await, "");
    assert!(TcpStream::connect(inbox.address()).await.is_err());
}
