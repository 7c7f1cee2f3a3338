//! Mail servers, and networks before them, that do what they should not: every message ends where it
//! belongs, nothing goes out in clear, and nothing they say costs more memory than it may.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use postrider::demo::inbox::{Act, InboxSettings, Stage};
use postrider::store::state::outbox::SMTP;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::proxy::Edit;
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC, TestPostrider};
use crate::sweep::mail::{Post, limits, mail};

/// One attempt may cost this much memory, in KiB, whatever the server says.
const MEMORY_KIB_MAX: u64 = 24 * 1024;

#[tokio::test]
async fn a_network_that_strips_starttls_gets_neither_login_nor_mail() {
    let post = Post::encrypted().await;
    post.line.proxy.edit(Edit::StripStartTls);
    let delivery = post.line.owe(SMTP, mail(1));
    post.line.deliver().await;
    assert_eq!(post.line.outcomes(delivery), ["receiver broken"]);
    let passed = post.line.proxy.passed();
    let said: String = passed.iter().map(|one| String::from_utf8_lossy(&one.out)).collect();
    for word in ["AUTH", "MAIL", "RCPT", "DATA", "sweep.example.com"] {
        assert!(!said.contains(word), "`{word}` went out in clear: {said}");
    }
    assert!(said.starts_with("EHLO"), "{said}");
    // The network is mended: the same mail goes, and costs no attempt.
    post.line.proxy.edit(Edit::None);
    post.line.clock.advance(TimeDelta::minutes(6));
    post.line.deliver().await;
    assert_eq!(post.line.outcomes(delivery), ["receiver broken", "delivered"]);
    assert!(post.inbox.mails().iter().all(|mail| mail.encrypted && mail.login.is_some()));
    assert_eq!((post.inbox.received(), post.line.proxy.connections()), (1, 2));
}

#[tokio::test]
async fn of_ten_people_each_gets_the_mail_once_or_is_shown_as_refused() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let people = names.map(|name| format!("{name}@example.com"));
    let to: Vec<String> = people.iter().map(|person| format!("\"{person}\"")).collect();
    let config = format!(
        "{HEAD}{TRAFFIC}[digests.daily]\nreports = [\"traffic\"]\nschedule = \"0 8 * * *\"\n\
         to = [{}]\n",
        to.join(", ")
    );
    let t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", |org| {
        let web = channel(org, "Web");
        ended(org, &web, "2026-11-22T12:00:00Z", &[]);
    })
    .await;
    for refused in ["b", "e", "h"] {
        t.inbox.refuse(&format!("{refused}@example.com"), "550 5.1.1 no such user");
    }
    for later in ["c", "g"] {
        t.inbox.refuse(&format!("{later}@example.com"), "451 4.7.1 greylisted");
    }
    t.advance_to("2026-11-23T07:02:00Z").await;
    let people_reached = |t: &TestPostrider| {
        people.iter().map(|person| t.mails_to(person).len()).collect::<Vec<_>>()
    };
    assert_eq!(people_reached(&t), [1, 0, 0, 1, 0, 1, 0, 0, 1, 1]);
    t.inbox.behave();
    for refused in ["b", "e", "h"] {
        t.inbox.refuse(&format!("{refused}@example.com"), "550 5.1.1 no such user");
    }
    t.advance_to("2026-11-23T08:00:00Z").await;
    assert_eq!(people_reached(&t), [1, 0, 1, 1, 0, 1, 1, 0, 1, 1]);
    let states: BTreeMap<String, String> = t
        .deliveries()
        .into_iter()
        .filter(|row| people.contains(&row.recipient))
        .map(|row| (row.recipient, row.state))
        .collect();
    let of = |word: &str| states.values().filter(|state| *state == word).count();
    assert_eq!((of("delivered"), of("rejected"), states.len()), (7, 3, 10), "{states:?}");
    assert_eq!(t.letters_to("owner@example.com").len(), 1, "refusals are told once a run");
}

#[tokio::test]
async fn whatever_a_server_says_costs_bounded_memory_and_is_no_verdict_on_the_mail() {
    let endless_line =
        || b"220 ".iter().copied().chain(std::iter::repeat_n(b'x', 1 << 16)).collect();
    let endless_reply = || b"220-more\r\n".repeat(1 << 13);
    let cases: [(&str, Vec<u8>, u32); 4] = [
        ("a line without an end", endless_line(), 1 << 14),
        ("an answer without an end", endless_reply(), 1 << 14),
        ("zeros", vec![0; 1 << 16], 1 << 14),
        ("bytes that are no text", vec![0xFF; 1 << 16], 1 << 14),
    ];
    for (name, block, times) in cases {
        let server = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let far = server.local_addr().unwrap();
        let speaking = tokio::spawn(async move {
            let mut written = 0u64;
            let Ok((mut stream, _)) = server.accept().await else { return written };
            for _ in 0..times {
                if stream.write_all(&block).await.is_err() {
                    break;
                }
                written += block.len() as u64;
            }
            let _ = stream.read(&mut [0; 64]).await;
            written
        });
        let post = Post::before(far, limits()).await;
        let before = peak_kib();
        let delivery = post.owe(SMTP, mail(1));
        post.app.engine().deliver_due().await.unwrap();
        let grown = peak_kib() - before;
        assert_eq!(post.outcomes(delivery), ["server down"], "{name}");
        assert!(grown < MEMORY_KIB_MAX, "{name}: {grown} KiB more");
        // A gigabyte was on offer; it was not listened to.
        drop(post);
        assert!(speaking.await.unwrap() < 64 * 1024 * 1024, "{name}");
    }
}

#[tokio::test]
async fn a_server_that_goes_down_at_any_command_costs_no_attempt_and_gets_the_mail_later() {
    for stage in [Stage::Banner, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
        let post = Post::to(InboxSettings::default(), "tls = \"none\"", limits()).await;
        post.inbox.misbehave(stage, Act::Answer("421 4.3.2 going down".into()), 1);
        let delivery = post.line.owe(SMTP, mail(1));
        post.line.deliver().await;
        assert_eq!(post.line.outcomes(delivery), ["server down"], "{stage:?}");
        assert_eq!((post.inbox.received(), post.line.proxy.connections()), (0, 1), "{stage:?}");
        post.line.clock.advance(TimeDelta::minutes(6));
        post.line.deliver().await;
        assert_eq!(post.line.outcomes(delivery), ["server down", "delivered"], "{stage:?}");
        assert_eq!((post.inbox.received(), post.line.proxy.connections()), (1, 2), "{stage:?}");
    }
}

/// The most memory this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
