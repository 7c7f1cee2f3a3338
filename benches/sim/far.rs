//! The far sides: a mail server and two endpoints that take, refuse, put off, break, and lose
//! answers, and remember everything they were sent.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use postrider::domain::delivery::{Message, Outcome};
use postrider::receiver::{Handover, Receiver};
use sha2::{Digest as _, Sha256};

use super::broken::Break;
use super::chance::Chance;
use super::fault::AtSend;
use super::machine::settle;
use super::shared::{Shared, Sim};

/// How a far side behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes everything.
    Kind,
    /// Takes most, and does anything else too.
    Moody,
    /// Cannot be reached.
    Down,
    /// Its credentials are wrong.
    Broken,
}

/// What it does to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    Take,
    /// Takes it, and the answer is lost.
    TakeUnheard,
    /// The message is lost on the way, and nobody can tell.
    LoseUnheard,
    PutOff,
    AskToWait(u64),
    Refuse,
    Down,
    Broken,
}

/// What a far side knows of one message to one recipient.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) taken: u32,
    attempts: u32,
    /// The fingerprint of its bytes.
    bytes: [u8; 32],
    /// Whether it may come again although it was taken: its answer was not heard, or what was heard
    /// could not be written down.
    in_doubt: bool,
    /// Taken and answered in the call under way.
    answered: bool,
}

/// All far sides.
#[derive(Debug)]
pub(crate) struct Far {
    seed: u64,
    pub(crate) manners: BTreeMap<String, Manner>,
    /// By message id and recipient.
    pub(crate) known: BTreeMap<(String, String), Known>,
    /// Of a broken build: what counts as sent and has not left yet.
    unsent: Vec<(String, String, Vec<u8>)>,
    pub(crate) duplicates: u64,
    pub(crate) taken: u64,
    pub(crate) attempts: u64,
}

/// An address that nobody is at.
pub(crate) const NOBODY: &str = "refused@example.com";

impl Far {
    pub(crate) fn new(seed: u64) -> Far {
        Far {
            seed,
            manners: BTreeMap::new(),
            known: BTreeMap::new(),
            unsent: Vec::new(),
            duplicates: 0,
            taken: 0,
            attempts: 0,
        }
    }

    /// The same message meets the same conduct at the same attempt, whatever else is under way.
    fn conduct(&self, receiver: &str, id: &str, to: &str, attempt: u32) -> Conduct {
        let manner = self.manners.get(receiver).copied().unwrap_or(Manner::Kind);
        let name = id.bytes().chain(to.bytes());
        let name = name.fold(u64::from(attempt), |sum, byte| {
            sum.wrapping_mul(0x0000_0100_0000_01b3) ^ u64::from(byte)
        });
        let mut chance = Chance::new(self.seed ^ name, 3);
        match manner {
            Manner::Down => Conduct::Down,
            Manner::Broken => Conduct::Broken,
            _ if to == NOBODY => Conduct::Refuse,
            Manner::Kind => Conduct::Take,
            Manner::Moody => match chance.between(0, 99) {
                0..=11 => Conduct::TakeUnheard,
                12..=17 => Conduct::LoseUnheard,
                18..=29 => Conduct::PutOff,
                30..=34 => Conduct::AskToWait(chance.between(1, 3600)),
                35..=37 => Conduct::Refuse,
                38..=43 => Conduct::Down,
                44..=45 => Conduct::Broken,
                _ => Conduct::Take,
            },
        }
    }
}

impl Shared {
    /// A message arrives and is taken.
    pub(crate) fn arrives(&mut self, id: &str, to: &str, bytes: &[u8]) {
        self.held_against_its_row(id, to, bytes);
        let key = (id.to_owned(), to.to_owned());
        let known = self.far.known.entry(key).or_default();
        known.taken += 1;
        let again = known.taken > 1;
        let doubt = std::mem::take(&mut known.in_doubt);
        self.far.taken += 1;
        self.far.duplicates += u64::from(again);
        if again && !doubt {
            let what = format!("{id} came to {to} again, though its answer was heard and kept");
            self.found(2, what);
        }
    }

    /// What leaves must be owed: a committed row, under way, with these bytes.
    fn held_against_its_row(&mut self, id: &str, to: &str, bytes: &[u8]) {
        let known = self.far.known.entry((id.to_owned(), to.to_owned())).or_default();
        let print: [u8; 32] = Sha256::digest(bytes).into();
        let first = known.bytes == [0; 32];
        if !first && known.bytes != print {
            self.found(2, format!("{id} to {to} has other bytes than before"));
            return;
        }
        known.bytes = print;
        match self.row(id, to) {
            Ok(Some(row)) if row.bytes != bytes => {
                self.found(2, format!("{id} to {to} is not sent in the bytes that are owed"));
            }
            Ok(Some(row)) if row.state == "sending" => {}
            Ok(Some(row)) => {
                self.found(1, format!("{id} to {to} leaves while it is {}", row.state));
            }
            Ok(None) => self.found(1, format!("{id} to {to} leaves and nothing committed owes it")),
            Err(err) => self.found(1, format!("{id} to {to} cannot be looked up: {err}")),
        }
    }

    /// One message at one far side.
    fn attempt(&mut self, receiver: &str, message: &Message, handover: &Handover) -> Outcome {
        let to = message.recipient.as_str();
        self.far.attempts += 1;
        let key = (message.id.clone(), to.to_owned());
        let known = self.far.known.entry(key.clone()).or_default();
        known.attempts += 1;
        let nth = known.attempts;
        let (id, bytes) = self.as_sent(message, nth);
        let conduct = self.far.conduct(receiver, &id, to, nth);
        self.trace.note(format_args!("attempt {nth} at {id} to {to}: {conduct:?}"));
        self.held_against_its_row(&id, to, &bytes);
        if self.broken(Break::RecordedBeforeSent) {
            self.far.unsent.push((id, to.to_owned(), bytes));
            return Outcome::Delivered("250 ok".to_owned());
        }
        let dies = self.fault.send();
        if dies == Some(AtSend::Before) {
            self.trace.note("dies before it has left");
            self.fault.die();
            return Outcome::ServerDown("nobody hears this".to_owned());
        }
        let takes = matches!(conduct, Conduct::Take | Conduct::TakeUnheard);
        if takes || conduct == Conduct::LoseUnheard {
            handover.begin();
        }
        if takes {
            self.arrives(&id, to, &bytes);
        }
        let unheard = conduct == Conduct::TakeUnheard;
        let known = self.far.known.entry(key).or_default();
        if takes {
            known.in_doubt = unheard;
            known.answered = !unheard;
        }
        if dies == Some(AtSend::After) {
            self.trace.note("dies before the answer is heard");
            self.fault.die();
        }
        self.answer(conduct)
    }

    fn answer(&self, conduct: Conduct) -> Outcome {
        let said = |text: &str| text.to_owned();
        match conduct {
            Conduct::Take => Outcome::Delivered(said("250 ok")),
            Conduct::TakeUnheard | Conduct::LoseUnheard => {
                Outcome::Uncertain(said("the answer was lost"))
            }
            Conduct::PutOff if self.broken(Break::RetryIsDelivered) => {
                Outcome::Delivered(said("451 later"))
            }
            Conduct::PutOff => Outcome::Retry { after: None, reason: said("451 later") },
            Conduct::AskToWait(seconds) => {
                let after = Some(Duration::from_secs(seconds));
                Outcome::Retry { after, reason: said("429") }
            }
            Conduct::Refuse => Outcome::Rejected(said("550 no")),
            Conduct::Down => Outcome::ServerDown(said("connection refused")),
            Conduct::Broken => Outcome::ReceiverBroken(said("535 no")),
        }
    }

    /// A message as a broken build would send it.
    fn as_sent(&self, message: &Message, nth: u32) -> (String, Vec<u8>) {
        let (mut id, mut bytes) = (message.id.clone(), message.bytes.clone());
        if self.broken(Break::NewIdEachAttempt) && nth > 1 {
            id = format!("{nth}.{id}");
        }
        if self.broken(Break::NewBytesEachAttempt) && nth > 1 {
            bytes.extend(format!("attempt {nth}").bytes());
        }
        (id, bytes)
    }

    /// After a call: what was taken and heard is written down, unless something went wrong.
    pub(crate) fn call_ended(&mut self, went_wrong: bool) {
        let heard = self.far.known.iter_mut().filter(|(_, known)| known.answered);
        let heard: Vec<_> = heard
            .map(|(key, known)| {
                known.answered = false;
                key.clone()
            })
            .collect();
        for (id, to) in heard {
            let state = match self.row(&id, &to) {
                Ok(Some(row)) => row.state,
                Ok(None) => "gone".to_owned(),
                Err(err) => err.to_string(),
            };
            match (state.as_str(), went_wrong) {
                ("delivered", _) => {}
                (_, true) => {
                    if let Some(known) = self.far.known.get_mut(&(id, to)) {
                        known.in_doubt = true;
                    }
                }
                (state, false) => {
                    self.found(2, format!("{id} to {to} was taken, and its row is {state}"));
                }
            }
        }
        for (id, to, bytes) in std::mem::take(&mut self.far.unsent) {
            // Of a broken build: it leaves now, if there is somebody left to send it.
            if !went_wrong {
                let known = self.far.known.entry((id, to)).or_default();
                known.taken += 1;
                known.bytes = Sha256::digest(&bytes).into();
            }
        }
    }
}

/// One far side as the engine sees it.
pub(crate) struct Door {
    pub(crate) name: String,
    pub(crate) sim: Sim,
    /// The process it belongs to.
    pub(crate) life: u32,
}

impl Receiver for Door {
    fn attempt<'a>(
        &'a self,
        messages: &'a [Message],
        handover: &'a Handover,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                // What was handed to the process's own threads before has its effect first.
                settle();
                let mut sim = self.sim.lock();
                let gone = sim.fault.dead() || sim.life != self.life;
                outcomes.push(match gone {
                    true => Outcome::ServerDown("the process is gone".to_owned()),
                    false => sim.attempt(&self.name, message, handover),
                });
            }
            outcomes
        })
    }
}
