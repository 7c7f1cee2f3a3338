//! Several servers: the next one is asked where one cannot be used, and never for what may have
//! arrived.

use super::script::{CLOSE, Manners, Server};
use super::{bare_settings, one, password, to};
use crate::domain::delivery::{Message, Outcome};
use crate::receiver::smtp::{ServerSettings, Smtp, SmtpSettings};
use crate::receiver::{Handover, Receiver};

/// A port nobody listens on.
async fn nobody() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn through(ports: &[u16]) -> Smtp {
    let servers = ports.iter().map(|port| ServerSettings {
        port: *port,
        login: password("correct horse"),
        ..bare_settings()
    });
    Smtp::new(SmtpSettings { servers: servers.collect(), ..one(bare_settings()) }).unwrap()
}

fn polite() -> Manners {
    Manners::offering(&["AUTH PLAIN", "PIPELINING"])
}

fn connections(server: &Server) -> usize {
    server.heard(|heard| heard.connections)
}

#[tokio::test]
async fn the_next_server_takes_what_the_first_cannot() {
    for trouble in [
        polite().rule("BANNER", "421 4.3.2 full"),
        polite().rule("AUTH", "535 5.7.8 wrong"),
        polite().rule("MAIL", "550 5.7.1 not as that sender"),
        polite().rule("RCPT", CLOSE),
        polite().rule("DATA", CLOSE),
        Manners::default(),
    ] {
        let (first, second) = (Server::start(trouble).await, Server::start(polite()).await);
        let smtp = through(&[first.port, second.port]);
        let outcome = smtp.deliver(&to("ann@example.com")).await;
        let expected = format!("127.0.0.1:{}: 250 queued", second.port);
        assert_eq!(outcome, Outcome::Delivered(expected));
        // The first one rests, so the next mail does not wait for it.
        assert!(matches!(smtp.deliver(&to("bob@example.com")).await, Outcome::Delivered(_)));
        assert_eq!((connections(&first), first.taken(), second.taken()), (1, 0, 2));
    }
}

#[tokio::test]
async fn the_first_server_is_asked_as_long_as_it_works() {
    let (first, second) = (Server::start(polite()).await, Server::start(polite()).await);
    let smtp = through(&[first.port, second.port]);
    for _ in 0..3 {
        assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    }
    // What is refused by one is refused: another one is not tried for a better answer.
    let refusing = Server::start(polite().rule("RCPT", "550 5.1.1 no")).await;
    let outcome = through(&[refusing.port, second.port]).deliver(&to("ann@example.com")).await;
    let expected = format!("127.0.0.1:{}: RCPT TO: 550 5.1.1 no", refusing.port);
    assert_eq!(outcome, Outcome::Rejected(expected));
    assert_eq!((first.taken(), connections(&second)), (3, 0));
}

#[tokio::test]
async fn without_any_server_the_words_are_those_of_all() {
    let wrong = Server::start(polite().rule("AUTH", "535 5.7.8 wrong")).await;
    let other = Server::start(polite().rule("AUTH", "535 5.7.8 no")).await;
    let outcome = through(&[wrong.port, other.port]).deliver(&to("ann@example.com")).await;
    let expected = format!(
        "127.0.0.1:{}: AUTH: 535 5.7.8 wrong; 127.0.0.1:{}: AUTH: 535 5.7.8 no",
        wrong.port, other.port
    );
    assert_eq!(outcome, Outcome::ReceiverBroken(expected));
    // One that is down may come back by itself.
    let down = nobody().await;
    for ports in [[down, wrong.port], [wrong.port, down]] {
        let smtp = through(&ports);
        // Also when both rest.
        for _ in 0..2 {
            let Outcome::ServerDown(words) = smtp.deliver(&to("ann@example.com")).await else {
                panic!("{ports:?}")
            };
            assert!(words.contains("AUTH: 535") && words.contains("connect: "), "{words}");
        }
    }
}

#[tokio::test]
async fn a_resting_server_is_asked_when_no_other_is_left() {
    let (first, second) = (
        Server::start(polite().rule_times("BANNER", "421 4.3.2 full", 1)).await,
        Server::start(polite().rule_times("BANNER", "421 4.3.2 full", 1)).await,
    );
    let smtp = through(&[first.port, second.port]);
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::ServerDown(_)));
    assert!(matches!(smtp.deliver(&to("ann@example.com")).await, Outcome::Delivered(_)));
    // It works, so it rests no more.
    assert!(matches!(smtp.deliver(&to("bob@example.com")).await, Outcome::Delivered(_)));
    assert_eq!((first.taken(), second.taken()), (2, 0));
}

#[tokio::test]
async fn what_may_have_arrived_never_goes_to_another_server() {
    let first = Server::start(polite().rule(".", CLOSE)).await;
    let second = Server::start(polite()).await;
    let handover = Handover::default();
    let smtp = through(&[first.port, second.port]);
    let outcomes = smtp.attempt(&[to("ann@example.com")], &handover).await;
    let Outcome::Uncertain(words) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(words.contains(&format!("127.0.0.1:{}: end of message", first.port)), "{words}");
    assert!(handover.has_begun());
    assert_eq!(connections(&second), 0);
}

#[tokio::test]
async fn a_verdict_of_the_first_server_stands_when_the_others_go_to_the_second() {
    let first =
        Server::start(polite().rule("RCPT TO:<bob", "550 5.1.1 no").rule("DATA", CLOSE)).await;
    let second = Server::start(polite()).await;
    let messages: Vec<Message> =
        ["ann", "bob", "cat"].iter().map(|name| to(&format!("{name}@example.com"))).collect();
    let smtp = through(&[first.port, second.port]);
    let outcomes = smtp.attempt(&messages, &Handover::default()).await;
    assert!(matches!(outcomes[0], Outcome::Delivered(_)), "{outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Rejected(_)), "{outcomes:?}");
    assert!(matches!(outcomes[2], Outcome::Delivered(_)), "{outcomes:?}");
    assert_eq!(second.recipients(), [["ann@example.com", "cat@example.com"]]);
    // The first one rests, although it had a verdict for one.
    assert!(matches!(smtp.deliver(&messages[0]).await, Outcome::Delivered(_)));
    assert_eq!((connections(&first), second.taken()), (1, 2));
}
