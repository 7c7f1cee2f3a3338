//! Notifying: what is owed becomes messages, in the transaction that stores what they are about.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Transaction;

use super::board::Board;
use super::notice::OwnerNotice;
use super::{Destination, EngineError, Mail, Plant, compose};
use crate::domain::delivery::Message;
use crate::domain::notification::{self, Decision, Notice, World};
use crate::domain::silence::{Ack, Hidden, Silence};
use crate::render::{self, Envelope, NotificationMail, Rendered};
use crate::store::Store;
use crate::store::state::outbox::{Kind, Owed, SMTP};
use crate::store::state::{
    StateError, acks, corrections, incidents, ledger, notices, occurrences, outbox, silences,
};

/// What a silence hid is told so often.
const HIDDEN_EVERY: TimeDelta = TimeDelta::weeks(1);
/// So many firings of a rule for one group in a day are flapping.
const FLAPPING: u32 = 4;
/// What people have said is kept so long after its end.
const SAID_KEPT: TimeDelta = TimeDelta::days(400);

/// A decision and the messages it makes, ready to be committed.
pub(super) struct Owing {
    pub(super) decision: Decision,
    /// The messages of each notice; none where the receiver is gone.
    letters: Vec<Vec<Owed>>,
    /// What silences hid, told to those who wrote them.
    lines: Vec<(String, DateTime<Utc>, OwnerNotice)>,
    /// The last thing that people have said which it has heard.
    heard: Option<i64>,
}

/// What the state knows beside incidents and what was told of them.
struct Known {
    silences: Vec<Silence>,
    hidden: BTreeMap<String, BTreeMap<String, Hidden>>,
    acks: BTreeMap<String, Ack>,
    told_in_part: BTreeMap<(String, String), BTreeSet<String>>,
    limits: BTreeMap<String, (u32, TimeDelta)>,
    sent: BTreeMap<String, Vec<DateTime<Utc>>>,
    depends_on: BTreeMap<String, Vec<String>>,
    said: Option<i64>,
}

impl Known {
    fn read(tx: &Transaction<'_>, plant: &Plant, now: DateTime<Utc>) -> Result<Known, StateError> {
        let (mut limits, mut sent) = (BTreeMap::new(), BTreeMap::new());
        for (name, line) in &plant.receivers {
            if let Some((limit, per)) = line.limit {
                limits.insert(name.clone(), (limit, per));
                sent.insert(name.clone(), notices::sent(tx, name, now - per)?);
            }
        }
        let depends_on = plant.rules.values().filter(|rule| !rule.depends_on.is_empty());
        Ok(Known {
            silences: silences::lately(tx, now)?,
            hidden: silences::hidden_live(tx, now)?,
            acks: acks::live(tx, now)?,
            told_in_part: notices::told_in_part(tx)?,
            limits,
            sent,
            depends_on: depends_on
                .map(|rule| (rule.name.clone(), rule.depends_on.clone()))
                .collect(),
            said: silences::said(tx)?,
        })
    }

    fn world<'a>(&'a self, board: &'a Board, plant: &'a Plant) -> World<'a> {
        World {
            silences: &self.silences,
            hidden: &self.hidden,
            acks: &self.acks,
            told_in_part: &self.told_in_part,
            limits: &self.limits,
            sent: &self.sent,
            depends_on: &self.depends_on,
            inhibitions: &plant.inhibitions,
            ..board.world(plant)
        }
    }
}

/// Whether people have said something that no decision has heard of: a silence, an acknowledgement.
pub(super) fn is_spoken_to(store: &Store) -> Result<bool, EngineError> {
    Ok(store.state.read(silences::said)?.is_some())
}

/// What would be decided now, for its reasons: nothing is written for anybody.
pub(super) fn looked_at(
    store: &Store,
    plant: &Plant,
    board: &Board,
    now: DateTime<Utc>,
) -> Result<Decision, EngineError> {
    let known = store.state.read(|tx| Known::read(tx, plant, now))?;
    Ok(notification::decide(&known.world(board, plant), now))
}

/// Decides who is owed what, and writes the messages. Nothing is stored yet.
pub(super) fn decide(
    store: &Store,
    plant: &Plant,
    board: &Board,
    now: DateTime<Utc>,
) -> Result<Owing, EngineError> {
    let known = store.state.read(|tx| Known::read(tx, plant, now))?;
    let world = known.world(board, plant);
    let mut decision = notification::decide(&world, now);
    store.state.read(|tx| count_recent(tx, &world, &mut decision, now))?;
    let letters = compose::each(store, plant, &decision.notices, |notice, mail| {
        messages(plant, notice, mail)
    });
    let lines = store.state.read(|tx| hidden_lines(tx, plant, &known.silences, now))?;
    let weekly = known.silences.iter().filter(|silence| silence.is_live(now));
    let weekly = weekly.filter_map(|silence| spans(silence, now).last().map(|(_, to)| to));
    decision.next = weekly.chain(decision.next).filter(|at| *at > now).min();
    if !decision.notices.is_empty() || !decision.told.is_empty() {
        // What is told now has deadlines of its own (reminders, intervals): the next beat finds them.
        decision.next = Some(now);
    }
    Ok(Owing { letters, decision, lines, heard: known.said })
}

/// Flapping is said: how often the rule fired for the group within a day.
fn count_recent(
    tx: &Transaction<'_>,
    world: &World<'_>,
    decision: &mut Decision,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    let day = now - TimeDelta::days(1);
    for notice in &mut decision.notices {
        let mut most = 0;
        for item in &mut notice.items {
            let place = (item.incident.rule.as_str(), item.incident.group.key.as_str());
            // Those on the board are counted already: they are stored with the notice, or were before.
            let gone =
                notices::fired_since(tx, place, day, |id| !world.incidents.contains_key(id))?;
            item.recent = item.recent.saturating_add(u32::try_from(gone).unwrap_or(u32::MAX));
            most = most.max(item.recent);
        }
        if most >= FLAPPING {
            notice.reason += &format!("; it fired {most} times within a day");
        }
    }
    Ok(())
}

/// The stretches of a silence of which what it hid is told: a week each, the last one as long as it
/// lasted.
fn spans(
    silence: &Silence,
    now: DateTime<Utc>,
) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
    let (begin, end) = (silence.created_at, silence.end());
    let weeks = (0..6).map(move |n| begin + HIDDEN_EVERY * n);
    let spans = weeks.take_while(move |from| *from < end);
    let spans = spans.map(move |from| (from, (from + HIDDEN_EVERY).min(end)));
    // Those that are over, and the one that is under way.
    let mut ahead = false;
    spans.take_while(move |(_, to)| !std::mem::replace(&mut ahead, now < *to))
}

/// What silences hid in the stretches that are over. Owed once each: a message is known by its id.
fn hidden_lines(
    tx: &Transaction<'_>,
    plant: &Plant,
    silences: &[Silence],
    now: DateTime<Utc>,
) -> Result<Vec<(String, DateTime<Utc>, OwnerNotice)>, StateError> {
    let mut lines = Vec::new();
    for silence in silences {
        for (from, to) in spans(silence, now).filter(|(_, to)| *to <= now) {
            let sum = silences::hidden(tx, &silence.id, from, to)?;
            if sum.notices > 0 && !silences::is_told(tx, &silence.id, to)? {
                let line = OwnerNotice::of_hidden(plant, silence, sum, (from, to), now);
                lines.push((silence.id.clone(), to, line));
            }
        }
    }
    Ok(lines)
}

impl Owing {
    /// Whether there is nothing to write down.
    pub(super) fn is_nothing(&self) -> bool {
        let Decision { notices, told, threads, hidden, done, told_records, .. } = &self.decision;
        let nothing = notices.is_empty() && told.is_empty() && threads.is_empty();
        let nothing = nothing && hidden.is_empty() && done.is_empty() && told_records.is_empty();
        nothing
            && self.decision.ended_silences.is_empty()
            && self.decision.told_corrections.is_empty()
            && self.lines.is_empty()
            && self.heard.is_none()
    }

    /// Owes the messages and writes down what was decided.
    pub(super) fn commit(
        &self,
        tx: &Transaction<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StateError> {
        let decision = &self.decision;
        for (notice, messages) in decision.notices.iter().zip(&self.letters) {
            for message in messages {
                if !outbox::owe(tx, message, now)? {
                    tracing::error!(notice = notice.key, "owed before: its key was given twice");
                }
                outbox::tells(tx, &message.message.id, &notice.key)?;
            }
            let lost = if messages.is_empty() { " (not sent: the receiver is gone)" } else { "" };
            let (word, receiver, why) = (notice.kind.word(), &notice.receiver, &notice.reason);
            let text = format!("{word} to `{receiver}`: {why}{lost}");
            ledger::note(tx, now, "notification", notice.rule(), &text)?;
            notices::put(tx, notice)?;
        }
        for told in &decision.told {
            incidents::put_told(tx, told)?;
        }
        for thread in &decision.threads {
            notices::put_thread(tx, thread)?;
        }
        for id in &decision.done {
            incidents::done(tx, id)?;
        }
        for (rule, record, receiver) in &decision.told_in_part {
            notices::put_told_in_part(tx, rule, record, receiver)?;
        }
        for (rule, record) in &decision.told_records {
            occurrences::told(tx, rule, record)?;
        }
        for (incident, number) in &decision.told_corrections {
            corrections::told(tx, incident, *number)?;
        }
        self.commit_silences(tx, now)?;
        self.heard.map_or(Ok(()), |heard| silences::heard(tx, heard))
    }

    fn commit_silences(&self, tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<(), StateError> {
        for hidden in &self.decision.hidden {
            silences::put_hidden(tx, hidden)?;
        }
        for id in &self.decision.ended_silences {
            if silences::end(tx, id, now)?.is_some() {
                let text = format!("silence {id} ended: nothing that it hides is open");
                ledger::note(tx, now, "silence", id, &text)?;
            }
        }
        for (id, to, line) in &self.lines {
            line.owe(tx, now)?;
            silences::told(tx, id, *to)?;
        }
        if !self.lines.is_empty() {
            silences::prune(tx, now - SAID_KEPT)?;
            acks::prune(tx, now - SAID_KEPT)?;
        }
        Ok(())
    }
}

/// One message a recipient of the notice's receiver, each with an id and bytes that never change.
pub(super) fn messages(plant: &Plant, notice: &Notice, mail: &NotificationMail) -> Vec<Owed> {
    let rendered = render::render_notification(mail);
    if let Some(problem) = &rendered.problem {
        tracing::error!(notice = notice.key, problem, "a notice goes out in plain words");
    }
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
        (Destination::Mail(addresses), Some(server)) => {
            let letters = letters_to(line.together, addresses).filter_map(|to| {
                let (id, bytes) = letter(plant, server, to, notice, &rendered)?;
                let message = |to: &String| {
                    let (id, recipient, bytes) = (id.clone(), to.clone(), bytes.clone());
                    owe(SMTP, Message { id, recipient, bytes })
                };
                Some(to.iter().map(message).collect::<Vec<_>>())
            });
            letters.flatten().collect()
        }
        (Destination::Mail(_), None) => Vec::new(),
    }
}

/// The addresses of each mail: one for everybody, or one each.
pub(super) fn letters_to(together: bool, addresses: &[String]) -> impl Iterator<Item = &[String]> {
    let each = if together { addresses.len() } else { 1 };
    addresses.chunks(each.max(1))
}

/// What a mail's id is made of besides what it is about: who it is to, or nobody in particular.
pub(super) fn identity<'a>(about: &[&'a str], to: &'a [String]) -> Vec<&'a str> {
    let alone = to.first().filter(|_| to.len() == 1);
    about.iter().copied().chain(alone.map(String::as_str)).collect()
}

/// The mail to one address, or to some that it names: its id and its bytes.
fn letter(
    plant: &Plant,
    line: &Mail,
    to: &[String],
    notice: &Notice,
    rendered: &Rendered,
) -> Option<(String, Vec<u8>)> {
    let domain = render::mail::domain_of(&line.from);
    let (first, others) = to.split_first()?;
    let id = render::mail::message_id(&identity(&[&notice.key], to), domain);
    let envelope = Envelope {
        cc: Vec::new(),
        reply_to: None,
        unsubscribe_token: None,
        one_click: None,
        from: line.from.clone(),
        to: first.clone(),
        together: others.to_vec(),
        message_id: id.clone(),
        date: notice.at,
        thread: Some(render::mail::message_id(&identity(&[&notice.thread], to), domain)),
        list: Some(notice.rule().to_owned()),
        owner: plant.owner.clone(),
        run: None,
        rule: Some(notice.rule().to_owned()),
    };
    let bytes = super::notice::bytes_or_told(&line.dkim, &envelope, rendered)?;
    Some((id, bytes))
}
