//! One mail for several recipients: a verdict for each, whatever the server says and however it
//! wants to be spoken to.

use std::time::Duration;

use futures_util::future::join_all;

use super::script::{CLOSE, Manners, STALL, Server};
use super::{BODY, bare_settings, one, password};
use crate::domain::delivery::{Message, Outcome};
use crate::receiver::smtp::{Bounds, ServerSettings, Smtp, SmtpSettings};
use crate::receiver::{Handover, Receiver};

/// Commands in turn, and ahead of their answers.
const WAYS: [&[&str]; 2] = [&[], &["PIPELINING"]];

fn to(names: &[&str]) -> Vec<Message> {
    let message = |name: &&str| Message {
        id: "1.abc@postrider".into(),
        recipient: format!("{name}@example.com"),
        bytes: BODY.to_vec(),
    };
    names.iter().map(message).collect()
}

fn through(server: &Server) -> Smtp {
    Smtp::new(settings(server)).unwrap()
}

fn settings(server: &Server) -> SmtpSettings {
    one(ServerSettings { port: server.port, ..bare_settings() })
}

/// One symbol an outcome: `+` delivered, `r` retry, `X` rejected, `D` server down, `B` receiver
/// broken, `U` uncertain.
fn symbols(outcomes: &[Outcome]) -> String {
    let symbol = |outcome: &Outcome| match outcome {
        Outcome::Delivered(_) => '+',
        Outcome::Retry { .. } => 'r',
        Outcome::Rejected(_) => 'X',
        Outcome::ServerDown(_) => 'D',
        Outcome::ReceiverBroken(_) => 'B',
        Outcome::Uncertain(_) => 'U',
        Outcome::Gone(_) => 'G',
    };
    outcomes.iter().map(symbol).collect()
}

/// One attempt: its outcomes, and whether the mail may have arrived.
async fn attempt(smtp: &Smtp, messages: &[Message]) -> (String, bool) {
    let handover = Handover::default();
    let outcomes = smtp.attempt(messages, &handover).await;
    (symbols(&outcomes), handover.has_begun())
}

#[tokio::test]
async fn of_ten_recipients_three_are_refused_two_wait_and_five_have_it_once() {
    for offers in WAYS {
        let mut manners = Manners::offering(offers);
        for name in ["RCPT TO:<b@", "RCPT TO:<e@", "RCPT TO:<j@"] {
            manners = manners.rule(name, "550 5.1.1 no such user");
        }
        for name in ["RCPT TO:<a@", "RCPT TO:<g@"] {
            manners = manners.rule(name, "451 4.7.1 greylisted");
        }
        let server = Server::start(manners).await;
        let smtp = through(&server);
        let messages = to(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        let handover = Handover::default();
        let outcomes = smtp.attempt(&messages, &handover).await;
        assert_eq!(symbols(&outcomes), "rX++X+r++X", "{offers:?}");
        assert!(handover.has_begun());
        assert_eq!(outcomes[1], Outcome::Rejected("RCPT TO: 550 5.1.1 no such user".into()));
        assert_eq!(outcomes[2], Outcome::Delivered("250 queued".into()));
        let names = ["c", "d", "f", "h", "i"].map(|name| format!("{name}@example.com"));
        assert_eq!(server.recipients(), [names], "one mail to those five, {offers:?}");
        let text = server.heard(|heard| heard.mails[0].1.clone());
        assert_eq!(text.as_bytes(), BODY);
        assert_eq!(server.heard(|heard| heard.ahead), 0, "{offers:?}");
    }
}

#[tokio::test]
async fn commands_leave_in_one_write_where_the_server_takes_them_so() {
    let manners = Manners { answers_late: true, ..Manners::offering(&["PIPELINING"]) };
    let server = Server::start(manners).await;
    let smtp = through(&server);
    assert_eq!(attempt(&smtp, &to(&["a", "b", "c"])).await.0, "+++");
    assert_eq!(attempt(&smtp, &to(&["d"])).await.0, "+");
    assert_eq!(server.heard(|heard| heard.connections), 1);
}

#[tokio::test]
async fn several_hundred_recipients_are_named_in_windows() {
    let server =
        Server::start(Manners::offering(&["PIPELINING"]).rule("RCPT TO:<r7@", "550 no")).await;
    let names: Vec<String> = (0..350).map(|n| format!("r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (outcomes, _) = attempt(&through(&server), &to(&names)).await;
    assert_eq!(outcomes, format!("{}X{}", "+".repeat(7), "+".repeat(342)));
    assert_eq!(server.recipients()[0].len(), 349);
}

#[tokio::test]
async fn every_answer_at_every_command_has_its_meaning() {
    // The command, the answer to it, and what two recipients come to. `b@` is asked for second.
    for (command, answer, expected) in [
        ("BANNER", "421 4.3.2 full", "DD"),
        ("BANNER", "554 go away", "DD"),
        ("BANNER", CLOSE, "DD"),
        ("EHLO", "421 4.3.2 closing", "DD"),
        ("EHLO", "451 later", "DD"),
        ("EHLO", "550 5.7.1 not you", "BB"),
        ("EHLO", CLOSE, "DD"),
        ("AUTH", "421 4.3.2 closing", "DD"),
        ("AUTH", "454 4.7.0 temporary", "DD"),
        ("AUTH", "535 5.7.8 wrong", "BB"),
        ("AUTH", "530 5.7.0 no", "BB"),
        ("AUTH", CLOSE, "DD"),
        ("MAIL", "421 4.3.2 closing", "DD"),
        ("MAIL", "450 4.7.1 later", "rr"),
        ("MAIL", "550 5.7.1 not as that sender", "BB"),
        ("MAIL", "552 5.3.4 too big", "XX"),
        ("MAIL", "250 2.1.0 ok\r\n250 twice", "DD"),
        ("MAIL", "nonsense", "DD"),
        ("MAIL", CLOSE, "DD"),
        ("RCPT TO:<b", "421 4.3.2 closing", "DD"),
        ("RCPT TO:<b", "450 4.2.0 greylisted", "+r"),
        ("RCPT TO:<b", "451 4.7.1 greylisted", "+r"),
        ("RCPT TO:<b", "452 4.2.2 full", "+r"),
        ("RCPT TO:<b", "452 4.5.3 too many", "+r"),
        ("RCPT TO:<b", "552 too many", "+r"),
        ("RCPT TO:<b", "552 5.2.2 full", "+r"),
        ("RCPT TO:<b", "550 5.2.2 full", "+r"),
        ("RCPT TO:<b", "550 5.1.1 no", "+X"),
        ("RCPT TO:<b", "550 4.2.1 in fact for now", "+r"),
        ("RCPT TO:<b", "551 not here", "+X"),
        ("RCPT TO:<b", "553 5.1.3 bad", "+X"),
        ("RCPT TO:<b", "530 5.7.0 log in", "+B"),
        ("RCPT TO:<b", "354 what", "DD"),
        ("RCPT TO:<b", CLOSE, "DD"),
        ("RCPT TO:<a", "550 5.1.1 no", "X+"),
        // Nobody is in the transaction yet: it is not about their number.
        ("RCPT TO:<a", "452 4.5.3 too many", "r+"),
        ("RCPT", "550 5.1.1 no", "XX"),
        ("RCPT", "451 4.3.0 later", "rr"),
        ("DATA", "421 4.3.2 closing", "DD"),
        ("DATA", "451 4.3.0 later", "rr"),
        ("DATA", "554 5.6.0 no", "XX"),
        ("DATA", "250 what", "DD"),
        // The second answer would be taken for the one to the message.
        ("DATA", "354 go\r\n250 queued", "DD"),
        ("DATA", CLOSE, "DD"),
        (".", "421 4.3.2 closing", "DD"),
        (".", "452 4.3.1 disk full", "rr"),
        (".", "552 5.3.4 too big", "XX"),
        (".", "554 5.6.0 no", "XX"),
        (".", "354 what", "UU"),
        (".", "nonsense", "UU"),
        (".", CLOSE, "UU"),
    ] {
        for offers in WAYS {
            let what = format!("{command} {answer:?} {offers:?}");
            let mut manners = Manners::offering(offers).rule_times(command, answer, 2);
            manners.offers.push("AUTH PLAIN");
            let server = Server::start(manners).await;
            let login = password("correct horse");
            let settings = ServerSettings { port: server.port, login, ..bare_settings() };
            let bounds = Bounds { idle: Duration::ZERO, ..Bounds::default() };
            let smtp = Smtp::with_bounds(one(settings), bounds).unwrap();
            let (outcomes, begun) = attempt(&smtp, &to(&["a", "b"])).await;
            assert_eq!(outcomes, expected, "{what}");
            // Whether the dot was on its way.
            assert_eq!(begun, command == "." || expected.contains('+'), "{what}");
            let expected = usize::from(expected.contains('+'));
            assert_eq!(server.taken(), expected, "{what}");
        }
    }
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up_at_every_command() {
    let limit = Duration::from_millis(100);
    for offers in WAYS {
        for (command, expected) in
            [("MAIL", "DD"), ("RCPT TO:<b", "DD"), ("DATA", "DD"), (".", "UU")]
        {
            let server = Server::start(Manners::offering(offers).rule(command, STALL)).await;
            let bounds =
                Bounds { mail: limit, rcpt: limit, data: limit, dot: limit, ..Bounds::default() };
            let smtp = Smtp::with_bounds(settings(&server), bounds).unwrap();
            assert_eq!(attempt(&smtp, &to(&["a", "b"])).await.0, expected, "{command} {offers:?}");
        }
    }
}

#[tokio::test]
async fn who_is_over_the_limit_goes_with_the_next_transaction() {
    for answer in ["452 4.5.3 too many recipients", "552 too many recipients", "452 enough"] {
        for offers in WAYS {
            let manners = Manners { recipients: Some((4, answer)), ..Manners::offering(offers) }
                .rule("RCPT TO:<b@", "550 5.1.1 no such user");
            let server = Server::start(manners).await;
            let smtp = through(&server);
            let messages = to(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]);
            let (outcomes, _) = attempt(&smtp, &messages).await;
            assert_eq!(outcomes, "+X+++++++++", "{answer} {offers:?}");
            let counts: Vec<usize> = server.recipients().iter().map(Vec::len).collect();
            assert_eq!(counts, [4, 4, 2]);
            assert_eq!(server.heard(|heard| heard.connections), 1);
        }
    }
}

#[tokio::test]
async fn who_is_over_the_limit_waits_where_the_mail_of_the_others_was_not_taken() {
    for (command, answer, expected) in [
        (".", "554 5.6.0 no", "XXr"),
        (".", "452 4.3.1 full", "rrr"),
        (".", CLOSE, "UUr"),
        ("DATA", CLOSE, "DDr"),
    ] {
        let manners = Manners { recipients: Some((2, "452 4.5.3 enough")), ..Manners::default() };
        let server = Server::start(manners.rule(command, answer)).await;
        let (outcomes, _) = attempt(&through(&server), &to(&["a", "b", "c"])).await;
        assert_eq!(outcomes, expected, "{command} {answer}");
        assert_eq!(server.heard(|heard| heard.connections), 1);
    }
    // The second transaction fails: that is its own affair.
    let manners = Manners { recipients: Some((2, "452 4.5.3 enough")), ..Manners::default() };
    let manners = manners.rule_times(".", "250 queued", 1).rule(".", CLOSE);
    let server = Server::start(manners).await;
    assert_eq!(attempt(&through(&server), &to(&["a", "b", "c"])).await.0, "++U");
}

#[tokio::test]
async fn a_server_that_wants_a_message_for_nobody_gets_a_dot_and_serves_on() {
    for dot in ["554 5.5.1 no valid recipients", "250 ok"] {
        let manners = Manners::offering(&["PIPELINING"])
            .rule_times("RCPT", "550 5.1.1 no", 2)
            .rule_times("DATA", "354 go", 1)
            .rule_times(".", dot, 1);
        let server = Server::start(manners).await;
        let smtp = through(&server);
        assert_eq!(attempt(&smtp, &to(&["a", "b"])).await, ("XX".into(), false), "{dot}");
        assert_eq!(attempt(&smtp, &to(&["c"])).await, ("+".into(), true), "{dot}");
        assert_eq!(server.heard(|heard| heard.connections), 1);
        let last = server.heard(|heard| heard.mails.last().cloned()).unwrap();
        assert_eq!(last, (vec!["c@example.com".into()], String::from_utf8(BODY.to_vec()).unwrap()));
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_sender_and_takes_recipients_gets_no_dot() {
    let manners = Manners::offering(&["PIPELINING"])
        .rule_times("MAIL", "550 5.7.1 no", 1)
        .rule_times("RCPT", "250 ok", 1)
        .rule_times("DATA", "354 go", 1);
    let server = Server::start(manners).await;
    let smtp = through(&server);
    assert_eq!(attempt(&smtp, &to(&["a"])).await, ("B".into(), false));
    // On a new connection.
    assert_eq!(attempt(&smtp, &to(&["a"])).await, ("+".into(), true));
    assert_eq!(server.heard(|heard| heard.connections), 2);
    assert_eq!(server.taken(), 1);
}

#[tokio::test]
async fn a_refusal_stays_where_the_connection_is_lost_afterwards() {
    for (command, expected) in [("DATA", "DXD"), (".", "UXU")] {
        for offers in WAYS {
            let manners =
                Manners::offering(offers).rule("RCPT TO:<b", "550 5.1.1 no").rule(command, CLOSE);
            let server = Server::start(manners).await;
            let (outcomes, _) = attempt(&through(&server), &to(&["a", "b", "c"])).await;
            assert_eq!(outcomes, expected, "{command} {offers:?}");
        }
    }
}

#[tokio::test]
async fn addresses_the_server_cannot_carry_stop_nobody_else() {
    for offers in WAYS {
        let server = Server::start(Manners::offering(offers)).await;
        let messages = to(&["a", "jörg", "b", "no address"]);
        assert_eq!(attempt(&through(&server), &messages).await.0, "+X+X", "{offers:?}");
        assert_eq!(server.recipients(), [["a@example.com", "b@example.com"]]);
        // Nobody is left: nothing is said.
        assert_eq!(attempt(&through(&server), &to(&["jörg"])).await, ("X".into(), false));
    }
    let server = Server::start(Manners::offering(&["SMTPUTF8", "8BITMIME", "SIZE 1000"])).await;
    assert_eq!(attempt(&through(&server), &to(&["a", "jörg"])).await.0, "++");
    let mail = server.heard(|heard| heard.commands[1].clone());
    assert_eq!(mail, format!("MAIL FROM:<reports@example.org> SIZE={} SMTPUTF8", BODY.len() + 3));
}

#[tokio::test]
async fn no_server_has_more_connections_than_it_should() {
    let server = Server::start(Manners::default()).await;
    let smtp = Smtp::new(SmtpSettings { connections: 3, ..settings(&server) }).unwrap();
    for _ in 0..3 {
        let messages = to(&["a"; 40]);
        let attempts = messages.iter().map(|message| smtp.deliver(message));
        let outcomes = join_all(attempts).await;
        assert_eq!(symbols(&outcomes), "+".repeat(40));
    }
    assert_eq!(server.taken(), 120);
    assert!(server.most_open() <= 3, "{} at the same time", server.most_open());
}

#[tokio::test]
async fn the_envelope_has_a_sender_of_its_own() {
    let server = Server::start(Manners::default()).await;
    let envelope_from = "bounces@example.org".to_owned();
    let smtp = Smtp::new(SmtpSettings { envelope_from, ..settings(&server) }).unwrap();
    assert_eq!(attempt(&smtp, &to(&["a"])).await.0, "+");
    assert_eq!(server.heard(|heard| heard.commands[1].clone()), "MAIL FROM:<bounces@example.org>");
}
