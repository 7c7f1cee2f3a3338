//! One mail to some recipients in one transaction, with a verdict for each of them.
//!
//! Where the server takes commands ahead of its answers (PIPELINING), all of them up to DATA leave in
//! one write. The final dot's answer holds for everybody who was not refused before.

use std::fmt::Write as _;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{MailBodyParameter, MailParameter};

use super::classify::{Fault, Step};
use super::content::Content;
use super::wire::{Connection, Failure, expect};
use crate::receiver::Handover;

/// How much of a message is written under one bound, in bytes.
const BLOCK_BYTES: usize = 64 * 1024;
/// The most recipients named ahead of their answers: those must fit into the buffers between us.
const AHEAD_MAX: usize = 100;
const DOT: &[u8] = b".\r\n";

/// A mail and whom it is for.
#[derive(Clone, Copy)]
pub(super) struct Mailing<'a> {
    /// The sender of the envelope.
    pub(super) from: &'a Address,
    /// At least one.
    pub(super) to: &'a [Address],
    pub(super) content: &'a Content,
}

/// What one recipient's mail came to: the server's words where it took it.
pub(super) type Verdict = Result<String, Failure>;

/// Who of the recipients is refused so far, and why.
struct Refused(Vec<Option<Failure>>);

impl Refused {
    fn all(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// Notes what the server said to a recipient. `Err`: the conversation cannot go on.
    fn note(&mut self, at: usize, reply: Result<(), Failure>, taken: usize) -> Result<(), Failure> {
        match reply {
            Ok(()) => Ok(()),
            Err(Failure { step, fault: Fault::Reply(reply) }) if reply.refuses() => {
                let fault = match taken > 0 && reply.is_about_their_number() {
                    true => Fault::TooMany(reply),
                    false => Fault::Reply(reply),
                };
                self.0[at] = Some(Failure { step, fault });
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Connection {
    /// Sends a mail. A verdict for each recipient, in their order.
    pub(super) async fn transfer(
        &mut self,
        mailing: Mailing<'_>,
        handover: &Handover,
    ) -> Vec<Verdict> {
        let mut refused = Refused(vec![None; mailing.to.len()]);
        let end = self.transaction(mailing, &mut refused, handover).await;
        self.over |= end.as_ref().is_err_and(|failure| !failure.goes_on());
        let verdict = |refused: Option<Failure>| refused.map_or_else(|| end.clone(), Err);
        refused.0.into_iter().map(verdict).collect()
    }

    /// The fate of all who were not refused by themselves.
    async fn transaction(
        &mut self,
        mailing: Mailing<'_>,
        refused: &mut Refused,
        handover: &Handover,
    ) -> Verdict {
        let parameters = self
            .parameters(mailing, refused)
            .map_err(|fault| Failure { step: Step::Sender, fault })?;
        if refused.all() {
            return Err(nobody_left());
        }
        self.begun = true;
        let mail = Mail::new(Some(mailing.from.clone()), parameters).to_string();
        match self.offers.pipelining {
            true => self.commands_ahead(&mail, mailing.to, refused).await?,
            false => self.commands_in_turn(mail, mailing.to, refused).await?,
        }
        self.write_content(&mailing.content.wire, handover).await?;
        let limit = self.wait_for_the_dot();
        let taken = self.answer(limit).await;
        self.messages += 1;
        let taken = expect(Step::Dot, 250..=250, taken)?;
        self.begun = false;
        Ok(taken.words())
    }

    /// Each command after the answer to the one before. Without error the server wants the message.
    async fn commands_in_turn(
        &mut self,
        mail: String,
        to: &[Address],
        refused: &mut Refused,
    ) -> Result<(), Failure> {
        let mail = self.ask(mail, self.bounds.mail).await;
        expect(Step::Sender, 250..=250, mail)?;
        let mut taken = 0;
        for (at, to) in to.iter().enumerate() {
            if refused.0[at].is_some() {
                continue;
            }
            let rcpt = self.ask(Rcpt::new(to.clone(), Vec::new()), self.bounds.rcpt).await;
            refused.note(at, expect(Step::Recipient, 250..=252, rcpt).map(drop), taken)?;
            taken += usize::from(refused.0[at].is_none());
        }
        if taken == 0 {
            return Err(nobody_left());
        }
        let data = self.ask(Data, self.bounds.data).await;
        expect(Step::Data, 354..=354, data).map(drop)
    }

    /// All commands in one write, or a few where there are many recipients; then the answers. Without
    /// error the server wants the message.
    async fn commands_ahead(
        &mut self,
        mail: &str,
        to: &[Address],
        refused: &mut Refused,
    ) -> Result<(), Failure> {
        let named: Vec<usize> = (0..to.len()).filter(|at| refused.0[*at].is_none()).collect();
        let windows = named.chunks(AHEAD_MAX).count();
        let (mut sender, mut taken) = (Ok(()), 0);
        for (window, ahead) in named.chunks(AHEAD_MAX).enumerate() {
            let mut commands = String::new();
            if window == 0 {
                commands.push_str(mail);
            }
            for at in ahead {
                // Writing to a string cannot fail.
                let _ = write!(commands, "{}", Rcpt::new(to[*at].clone(), Vec::new()));
            }
            if window + 1 == windows {
                let _ = write!(commands, "{Data}");
            }
            let step = if window == 0 { Step::Sender } else { Step::Recipient };
            let written = self.say(commands.as_bytes(), self.bounds.mail).await;
            if let Err(fault) = written {
                return Err(Failure { step, fault: self.early_answer(fault).await });
            }
            if window == 0 {
                let reply = self.answer(self.bounds.mail).await;
                sender = expect(Step::Sender, 250..=250, reply).map(drop);
                if let Err(failure) = &sender
                    && !failure.goes_on()
                {
                    return sender;
                }
            }
            for at in ahead {
                let reply = self.answer(self.bounds.rcpt).await;
                let reply = expect(Step::Recipient, 250..=252, reply).map(drop);
                if sender.is_err() {
                    // It follows from the sender's refusal, whatever it is.
                    if reply.is_err_and(|failure| !failure.goes_on()) {
                        self.over = true;
                        return sender;
                    }
                    continue;
                }
                refused.note(*at, reply, taken)?;
                taken += usize::from(refused.0[*at].is_none());
            }
            if sender.is_err() && window + 1 < windows {
                return sender;
            }
        }
        let data = self.answer(self.bounds.data).await;
        let data = expect(Step::Data, 354..=354, data).map(drop);
        if sender.is_ok() && taken > 0 {
            return data;
        }
        match data {
            Err(failure) => self.over |= !failure.goes_on(),
            // It wants a message for nobody: a dot alone is none.
            Ok(()) => self.nothing_for_nobody(sender.is_err()).await,
        }
        sender.and(Err(nobody_left()))
    }

    /// Ends a transaction in which the server wants a message although it refused everybody. Where it
    /// refused the sender it may have noted recipients all the same, and would send them nothing but a
    /// dot: then the connection ends instead.
    async fn nothing_for_nobody(&mut self, sender_refused: bool) {
        if sender_refused {
            self.over = true;
            return;
        }
        let ended = match self.say(DOT, self.bounds.block).await {
            Ok(()) => self.answer(self.bounds.data).await,
            Err(fault) => Err(fault),
        };
        match ended {
            Ok(reply) if reply.code != 421 => self.begun = false,
            _ => self.over = true,
        }
    }

    fn parameters(
        &self,
        mailing: Mailing<'_>,
        refused: &mut Refused,
    ) -> Result<Vec<MailParameter>, Fault> {
        let content = mailing.content;
        let mut parameters = Vec::new();
        if let Some(limit) = self.offers.size_max {
            if limit > 0 && content.wire.len() > limit {
                return Err(Fault::Unsendable(format!(
                    "the message has {} bytes, the server takes {limit}",
                    content.wire.len()
                )));
            }
            parameters.push(MailParameter::Size(content.wire.len()));
        }
        let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        let lack = "address needs SMTPUTF8, which the server does not offer";
        if !is_ascii(mailing.from) && !self.offers.utf8 {
            // No message of this sender will ever pass.
            return Err(Fault::Setup(format!("the sender's {lack}")));
        }
        let mut utf8 = !is_ascii(mailing.from);
        for (at, _) in mailing.to.iter().enumerate().filter(|(_, to)| !is_ascii(to)) {
            if self.offers.utf8 {
                utf8 = true;
            } else {
                let fault = Fault::Unsendable(format!("the recipient's {lack}"));
                refused.0[at] = Some(Failure { step: Step::Recipient, fault });
            }
        }
        if utf8 {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if content.eight_bit {
            if !self.offers.eight_bit {
                return Err(Fault::Unsendable(
                    "the message needs 8BITMIME, which the server does not offer".into(),
                ));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// Writes the message and the final dot. Returning without error is the hand-over: until then
    /// the last bytes have not left, and a failure cannot have delivered anything.
    async fn write_content(&mut self, wire: &[u8], handover: &Handover) -> Result<(), Failure> {
        let fail = |fault| Failure { step: Step::Content, fault };
        // What was said ahead of the message would be taken for the answer to it.
        self.nothing_unread().map_err(fail)?;
        for block in wire.chunks(BLOCK_BYTES).chain([DOT]) {
            if block == DOT {
                handover.begin();
            }
            if let Err(fault) = self.write(block, self.bounds.block).await {
                return Err(fail(self.early_answer(fault).await));
            }
        }
        Ok(())
    }

    /// A server that has had enough says so and closes: its words tell more than a broken pipe.
    async fn early_answer(&mut self, fault: Fault) -> Fault {
        self.over = true;
        let limit: Duration = self.bounds.quit;
        match (&fault, self.answer(limit).await) {
            (Fault::Broken(_), Ok(reply)) if reply.code >= 400 => Fault::Reply(reply),
            _ => fault,
        }
    }
}

/// Everybody was refused by themselves: nobody's verdict is this one.
fn nobody_left() -> Failure {
    Failure {
        step: Step::Recipient,
        fault: Fault::Unsendable("every recipient was refused".into()),
    }
}
