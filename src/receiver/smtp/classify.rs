//! What a failed step of a mail transaction means. Pure, so that the whole table is one test.

use std::time::Duration;

use super::reply::Reply;
use crate::domain::delivery::Outcome;
use crate::receiver::words::words;

/// Where in the conversation something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Name lookup and TCP.
    Connect,
    /// The server's first words.
    Banner,
    /// EHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, up to the permission to send.
    Data,
    /// The message, up to but without the final dot.
    Content,
    /// The final dot is on its way: the message is handed over.
    Dot,
}

impl Step {
    /// The step as people who read mail logs call it.
    fn name(self) -> &'static str {
        match self {
            Step::Connect => "connect",
            Step::Banner => "banner",
            Step::Hello => "EHLO",
            Step::StartTls => "STARTTLS",
            Step::Handshake => "TLS handshake",
            Step::Login => "AUTH",
            Step::Sender => "MAIL FROM",
            Step::Recipient => "RCPT TO",
            Step::Data => "DATA",
            Step::Content => "message",
            Step::Dot => "end of message",
        }
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server said something other than what lets the transaction go on.
    Reply(Reply),
    /// The transaction has recipients enough: this one goes with the next.
    TooMany(Reply),
    /// Nothing came within the step's bound.
    Timeout(Duration),
    /// The connection could not be made or broke; the system's words.
    Broken(String),
    /// What came is not SMTP.
    Garbage(String),
    /// The settings or the server's set-up forbid going on, until somebody mends them.
    Setup(String),
    /// This message cannot be sent to this recipient through this server.
    Unsendable(String),
}

/// What the failure of one step means for this message and for the server.
pub(super) fn classify(step: Step, fault: &Fault) -> Outcome {
    let said = |words: &str| self::words(&format!("{}: {words}", step.name()));
    match fault {
        Fault::Reply(reply) => classify_reply(step, reply, said(&reply.words())),
        Fault::TooMany(reply) => Outcome::Retry { after: None, reason: said(&reply.words()) },
        Fault::Timeout(bound) => lost(step, said(&format!("no answer within {bound:?}"))),
        Fault::Broken(what) | Fault::Garbage(what) => lost(step, said(what)),
        Fault::Setup(what) => Outcome::ReceiverBroken(words(what)),
        Fault::Unsendable(what) => Outcome::Rejected(words(what)),
    }
}

/// The connection is of no more use. Only the final dot makes that ambiguous.
fn lost(step: Step, reason: String) -> Outcome {
    match step {
        Step::Dot => {
            Outcome::Uncertain(words(&format!("{reason} (message may be sent more than once)")))
        }
        _ => Outcome::ServerDown(reason),
    }
}

fn classify_reply(step: Step, reply: &Reply, reason: String) -> Outcome {
    use Step::{Banner, Connect, Content, Data, Dot, Handshake, Hello, Login};
    use Step::{Recipient, Sender, StartTls};

    let full = matches!(reply.enhanced(), Some((_, 2, 2)))
        || (reply.code == 552 && reply.enhanced().is_none());
    let too_big = matches!(reply.enhanced(), Some((5, 3, 4) | (5, 2, 3)));
    match (step, reply.code, reply.class()) {
        // The server closes, whatever was asked.
        (_, 421, _) => Outcome::ServerDown(reason),
        // It wants a login first: no message will pass without one.
        (_, 530, 5) => Outcome::ReceiverBroken(reason),
        (Connect | Banner | Handshake, _, _) => Outcome::ServerDown(reason),
        (Hello | StartTls | Login, _, 5) => Outcome::ReceiverBroken(reason),
        (Hello | StartTls | Login, _, _) => Outcome::ServerDown(reason),
        (Sender, _, 5) if too_big => Outcome::Rejected(reason),
        (Sender, _, 5) => Outcome::ReceiverBroken(reason),
        // That the commands came in the wrong order says nothing of the recipient.
        (Recipient, 503, 5) => Outcome::Retry { after: None, reason },
        // A mailbox that is full today is emptied tomorrow.
        (Recipient, _, 5) if full => Outcome::Retry { after: None, reason },
        (Recipient | Data | Content | Dot, _, 5) => Outcome::Rejected(reason),
        (Sender | Recipient | Data | Content | Dot, _, 4) => Outcome::Retry { after: None, reason },
        // Neither yes nor no where one of them was due.
        (step, _, _) => lost(step, reason),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Step::{self, *};
    use super::{Fault, Reply, classify};
    use crate::domain::delivery::Outcome;

    const ALL: [Step; 11] =
        [Connect, Banner, Hello, StartTls, Handshake, Login, Sender, Recipient, Data, Content, Dot];

    #[test]
    fn every_answer_at_every_step_has_one_meaning() {
        // One symbol for each step that is answered, in the order of the conversation:
        // D server down, B receiver broken, R retry, X rejected, U uncertain.
        let steps = [Banner, Hello, StartTls, Login, Sender, Recipient, Data, Content, Dot];
        for (answer, expected) in [
            ("421 4.3.2 closing", "DDDDDDDDD"),
            ("421", "DDDDDDDDD"),
            ("450 4.2.0 greylisted", "DDDDRRRRR"),
            ("451 4.7.1 try later", "DDDDRRRRR"),
            ("452 4.5.3 too many recipients", "DDDDRRRRR"),
            ("454 4.7.0 temporary", "DDDDRRRRR"),
            ("500 5.5.2 what", "DBBBBXXXX"),
            ("503 5.5.1 out of order", "DBBBBRXXX"),
            ("530 5.7.0 log in", "BBBBBBBBB"),
            ("535 5.7.8 wrong password", "DBBBBXXXX"),
            ("550 5.1.1 no such user", "DBBBBXXXX"),
            ("550 5.7.1 sender refused", "DBBBBXXXX"),
            ("550 5.2.2 mailbox full", "DBBBBRXXX"),
            ("552 mailbox full", "DBBBBRXXX"),
            ("552 5.3.4 message too big", "DBBBXXXXX"),
            ("554 5.6.0 no thanks", "DBBBBXXXX"),
            // A softer enhanced code wins, a harder one does not.
            ("550 4.2.1 in fact for now", "DDDDRRRRR"),
            ("450 5.1.1 in fact for good", "DDDDRRRRR"),
            // Neither yes nor no.
            ("354 go on", "DDDDDDDDU"),
            ("250 ok", "DDDDDDDDU"),
        ] {
            let (code, text) = answer.split_once(' ').unwrap_or((answer, ""));
            let reply = Reply { code: code.parse().unwrap(), text: text.into() };
            let meanings: String =
                steps.iter().map(|&step| meaning(step, Fault::Reply(reply.clone()))).collect();
            assert_eq!(meanings, expected, "{answer}");
        }
    }

    #[test]
    fn a_lost_connection_is_ambiguous_only_after_the_final_dot() {
        for step in ALL {
            let expected = if step == Dot { 'U' } else { 'D' };
            assert_eq!(meaning(step, Fault::Timeout(Duration::from_secs(60))), expected);
            assert_eq!(meaning(step, Fault::Broken("reset".into())), expected);
            assert_eq!(meaning(step, Fault::Garbage("what".into())), expected);
            assert_eq!(meaning(step, Fault::Setup("certificate".into())), 'B');
            assert_eq!(meaning(step, Fault::Unsendable("too big".into())), 'X');
        }
    }

    #[test]
    fn reasons_name_the_step_and_keep_the_words() {
        let reply = Reply { code: 550, text: "5.1.1 no\r\nsuch user".into() };
        assert_eq!(
            classify(Recipient, &Fault::Reply(reply)),
            Outcome::Rejected("RCPT TO: 550 5.1.1 no\\r\\nsuch user".into())
        );
        assert_eq!(
            classify(Dot, &Fault::Timeout(Duration::from_secs(600))),
            Outcome::Uncertain(
                "end of message: no answer within 600s (message may be sent more than once)".into()
            )
        );
    }

    #[track_caller]
    fn meaning(step: Step, fault: Fault) -> char {
        match classify(step, &fault) {
            Outcome::Delivered(_) => '!',
            Outcome::Retry { after: None, .. } => 'R',
            Outcome::Retry { .. } => 'r',
            Outcome::Rejected(_) => 'X',
            Outcome::ServerDown(_) => 'D',
            Outcome::ReceiverBroken(_) => 'B',
            Outcome::Uncertain(_) => 'U',
            Outcome::Gone(_) => 'G',
        }
    }
}
