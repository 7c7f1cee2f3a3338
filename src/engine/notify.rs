//! Notifying: what is owed becomes messages, in the transaction that stores what they are about.

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::board::Board;
use super::{Destination, EngineError, Plant, compose};
use crate::domain::delivery::Message;
use crate::domain::notification::{self, Decision, Notice};
use crate::render::{self, Envelope, NotificationMail, Rendered};
use crate::store::Store;
use crate::store::state::outbox::{Kind, Owed, SMTP};
use crate::store::state::{StateError, incidents, ledger, notices, outbox};

/// A decision and the messages it makes, ready to be committed.
pub(super) struct Owing {
    pub(super) decision: Decision,
    /// The messages of each notice; none where the receiver is gone.
    letters: Vec<Vec<Owed>>,
}

/// Decides who is owed what, and writes the messages. Nothing is stored yet.
pub(super) fn decide(
    store: &Store,
    plant: &Plant,
    board: &Board,
    now: DateTime<Utc>,
) -> Result<Owing, EngineError> {
    let decision = notification::decide(&board.world(plant), now);
    let letters = decision.notices.iter().map(|notice| {
        let mail = compose::compose(store, plant, notice)?;
        Ok(messages(plant, notice, &mail))
    });
    let letters = letters.collect::<Result<_, EngineError>>()?;
    Ok(Owing { letters, decision })
}

impl Owing {
    /// Whether there is nothing to write down.
    pub(super) fn is_nothing(&self) -> bool {
        let Decision { notices, told, done, told_records, .. } = &self.decision;
        notices.is_empty() && told.is_empty() && done.is_empty() && told_records.is_empty()
    }

    /// Owes the messages and writes down what was decided.
    pub(super) fn commit(
        &self,
        tx: &Transaction<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        for (notice, messages) in self.decision.notices.iter().zip(&self.letters) {
            for message in messages {
                outbox::owe(tx, message, now)?;
                outbox::tells(tx, &message.message.id, &notice.key)?;
            }
            let lost = if messages.is_empty() { " (not sent: the receiver is gone)" } else { "" };
            let (word, receiver, why) = (notice.kind.word(), &notice.receiver, &notice.reason);
            let text = format!("{word} to `{receiver}`: {why}{lost}");
            ledger::note(tx, now, "notification", notice.rule(), &text)?;
            notices::put(tx, notice)?;
        }
        for told in &self.decision.told {
            incidents::put_told(tx, told)?;
        }
        for id in &self.decision.done {
            incidents::done(tx, id)?;
        }
        Ok(())
    }
}

/// One message a recipient of the notice's receiver, each with an id and bytes that never change.
pub(super) fn messages(plant: &Plant, notice: &Notice, mail: &NotificationMail) -> Vec<Owed> {
    let rendered = render::render_notification(mail);
    let owe = |receiver: &str, message: Message| Owed {
        kind: Kind::Notification,
        origin: notice.thread.clone(),
        receiver: receiver.to_owned(),
        subject: rendered.subject.clone(),
        message,
        made_of: None,
    };
    let Some(line) = plant.receivers.get(&notice.receiver) else {
        // A receiver that a reload took away: nobody is there to be told.
        return Vec::new();
    };
    match (&line.destination, &plant.mail) {
        (Destination::Post(shape, _), _) => {
            let bodies = render::bodies(shape, notice, mail, &rendered).into_iter();
            let message = |(suffix, bytes): (String, Vec<u8>)| {
                let parts = [notice.key.as_str(), suffix.as_str()];
                let id = render::mail::webhook_id(&parts[..1 + usize::from(!suffix.is_empty())]);
                Message { id, recipient: notice.receiver.clone(), bytes }
            };
            bodies.map(|body| owe(&notice.receiver, message(body))).collect()
        }
        (Destination::Mail(addresses), Some(line)) => {
            let letters = addresses.iter().filter_map(|to| {
                let (id, bytes) = letter(plant, &line.from, to, notice, &rendered)?;
                Some(owe(SMTP, Message { id, recipient: to.clone(), bytes }))
            });
            letters.collect()
        }
        (Destination::Mail(_), None) => Vec::new(),
    }
}

/// The mail to one address: its id and its bytes.
fn letter(
    plant: &Plant,
    from: &str,
    to: &str,
    notice: &Notice,
    rendered: &Rendered,
) -> Option<(String, Vec<u8>)> {
    let domain = render::mail::domain_of(from);
    let id = render::mail::message_id(&[&notice.key, to], domain);
    let envelope = Envelope {
        cc: Vec::new(),
        reply_to: None,
        unsubscribe_token: None,
        one_click: None,
        from: from.to_owned(),
        to: to.to_owned(),
        message_id: id.clone(),
        date: notice.at,
        thread: Some(render::mail::message_id(&[&notice.thread, to], domain)),
        list: Some(notice.rule().to_owned()),
        owner: plant.owner.clone(),
        run: None,
        rule: Some(notice.rule().to_owned()),
    };
    let bytes = super::notice::bytes_or_told(&envelope, rendered)?;
    Some((id, bytes))
}
