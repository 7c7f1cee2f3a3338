//! The far sides: a mail server and a webhook endpoint whose every message is written down here, and
//! what they do wrong on purpose.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use postrider::demo::catcher::{Answer, Catcher, Signed};
use postrider::demo::inbox::{Act, Inbox, Stage};

use super::chance::Chance;

/// Nobody of this name exists: the mail server always says so.
pub(crate) const REFUSED: &str = "gone@example.com";

/// A message that came.
pub(crate) struct Arrival {
    /// Message-ID or webhook-id.
    pub(crate) id: String,
    /// The envelope's recipient; nothing for a webhook.
    pub(crate) recipient: Option<String>,
    /// As it came.
    pub(crate) bytes: Vec<u8>,
    /// Whether the far side has it now; false where it answered that it does not take it.
    pub(crate) taken: bool,
}

/// Both far sides and what they got.
pub(crate) struct Sink {
    /// The mail server.
    pub(crate) inbox: Inbox,
    /// The webhook endpoint.
    pub(crate) catcher: Catcher,
    /// Everything that came, in order of each side.
    pub(crate) arrivals: Vec<Arrival>,
    last_mail: u64,
    last_hook: u64,
    chance: Chance,
}

impl Sink {
    /// Two sides that got nothing yet.
    pub(crate) fn new(inbox: Inbox, catcher: Catcher, chance: Chance) -> Sink {
        let mut sink =
            Sink { inbox, catcher, arrivals: Vec::new(), last_mail: 0, last_hook: 0, chance };
        sink.behave();
        sink
    }

    /// Writes down what came since the last time. To be called before the far sides forget: they
    /// hold the last thousand.
    pub(crate) fn write_down(&mut self) -> anyhow::Result<()> {
        let last = self.last_mail;
        for mail in self.inbox.mails().iter().filter(|mail| mail.number > last) {
            ensure!(
                mail.number == self.last_mail + 1,
                "mails were forgotten before they were read"
            );
            self.last_mail = mail.number;
            ensure!(mail.recipients.len() == 1, "a mail came for {:?}", mail.recipients);
            self.arrivals.push(Arrival {
                id: message_id(&mail.bytes).unwrap_or_default(),
                recipient: mail.recipients.first().cloned(),
                bytes: mail.bytes.clone(),
                taken: true,
            });
        }
        let last = self.last_hook;
        for hook in self.catcher.hooks().iter().filter(|hook| hook.number > last) {
            ensure!(
                hook.number == self.last_hook + 1,
                "hooks were forgotten before they were read"
            );
            self.last_hook = hook.number;
            ensure!(hook.signed == Signed::Verified, "a webhook came unsigned: {:?}", hook.headers);
            self.arrivals.push(Arrival {
                id: hook.header("webhook-id").unwrap_or_default().to_owned(),
                recipient: None,
                bytes: hook.body.clone(),
                taken: takes(&hook.answered),
            });
        }
        Ok(())
    }

    /// Perhaps does the next thing wrong: loses an answer, has no time, breaks off,
    /// answers late.
    pub(crate) fn misbehave(&mut self) {
        let say = |line: &str| Act::Answer(line.to_owned());
        let late = Duration::from_millis(self.chance.between(20, 400));
        match self.chance.between(0, 99) {
            0..=7 => self.inbox.misbehave(Stage::Dot, Act::Close, 1),
            8..=10 => self.inbox.misbehave(Stage::Dot, say("451 4.3.0 not now"), 1),
            11..=12 => self.inbox.misbehave(Stage::Rcpt, say("450 4.2.0 greylisted"), 1),
            13 => self.inbox.misbehave(Stage::Mail, say("421 4.3.2 going down"), 1),
            14 => self.inbox.misbehave(Stage::Banner, Act::Close, 1),
            15..=22 => self.catcher.answer(Answer::Close),
            23..=26 => self.catcher.answer(Answer::status(500)),
            27 => self.catcher.answer(Answer::with_header(503, "retry-after", "20")),
            // Before it is handed over, and after.
            28..=43 => self.inbox.misbehave(Stage::Rcpt, Act::Late(late), 3),
            44..=59 => self.inbox.misbehave(Stage::Dot, Act::Late(late), 3),
            60..=79 => {
                self.catcher.answer(Answer::After(late, Box::new(Answer::status(200))));
            }
            _ => {}
        }
    }

    /// Does everything right from now on (answers already planned for webhooks are still given).
    pub(crate) fn behave(&mut self) {
        self.inbox.behave();
        self.inbox.refuse(REFUSED, "550 5.1.1 nobody of this name");
    }

    /// The ids of what came, whether taken or not.
    pub(crate) fn ids(&self) -> BTreeSet<&str> {
        self.arrivals.iter().map(|arrival| arrival.id.as_str()).collect()
    }
}

/// Whether a webhook answered like this was taken: yes where the answer was lost.
fn takes(answer: &Answer) -> bool {
    match answer {
        Answer::Status { status, .. } => (200..300).contains(status),
        Answer::After(_, then) => takes(then),
        Answer::Stall | Answer::Close => true,
    }
}

/// The Message-ID of a mail, without angle brackets.
fn message_id(mail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(mail);
    let head = text.split("\r\n\r\n").next()?;
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:"))?;
    Some(line.split_once('<')?.1.split_once('>')?.0.to_owned())
}
