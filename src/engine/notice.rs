//! Notices to the owner about postrider's own troubles: told once each, through the outbox like
//! everything else, by mail and by a second route that needs no mail server.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Transaction;

use super::{Destination, Engine, EngineError, Plant};
use crate::domain::dataset::Dataset;
use crate::domain::delivery::Message;
use crate::domain::silence::{HiddenSum, Silence};
use crate::render::mail::dkim::{self, Signer};
use crate::render::{self, Envelope, NoticeMail, Rendered};
use crate::store::state::outbox::{self, Kind, Owed, SMTP};
use crate::store::state::{StateError, ledger, sources};

/// A trouble to be told: what identifies it (told once), and the words.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Same identity, same message: it is owed once.
    pub(super) identity: Vec<String>,
    /// What it is about, for the ledger.
    pub(super) subject: String,
    /// What happened, in a few words.
    pub(super) title: String,
    /// What it means and what to do.
    pub(super) paragraphs: Vec<String>,
    /// Names and values.
    pub(super) facts: Vec<(String, String)>,
}

impl Trouble {
    /// Whether it tells that an earlier one of the same subject is over.
    fn is_over(&self) -> bool {
        let kind = self.identity.first().map_or("", String::as_str);
        matches!(kind, "answers" | "source back" | "state writable")
    }

    fn mail(&self, plant: &Plant) -> NoticeMail {
        NoticeMail {
            title: self.title.clone(),
            paragraphs: self.paragraphs.clone(),
            facts: self.facts.clone(),
            why: None,
            instance: None,
            locale: plant.locale.clone(),
            look: plant.look.clone(),
        }
    }
}

/// The message to the alarm's receiver, unless that is what the trouble is about.
fn alarm(plant: &Plant, trouble: &Trouble, now: DateTime<Utc>) -> Option<Owed> {
    let name = plant.alarm.as_ref().filter(|name| **name != trouble.subject)?;
    let Destination::Post(shape, _) = &plant.receivers.get(name)?.destination else { return None };
    let mut parts: Vec<&str> = trouble.identity.iter().map(String::as_str).collect();
    parts.extend(["alarm", name]);
    let id = render::mail::webhook_id(&parts);
    let mail = trouble.mail(plant);
    let (about, over) = (trouble.subject.as_str(), trouble.is_over());
    let bytes = render::trouble_body(shape, &render::Trouble { mail: &mail, about, at: now, over });
    Some(Owed {
        kind: Kind::Notice,
        origin: trouble.subject.clone(),
        receiver: name.clone(),
        subject: render::render_notice(&mail).subject,
        message: Message { id, recipient: name.clone(), bytes },
        made_of: None,
    })
}

/// The message to the owner, if there is an owner and a mail server.
fn owed(plant: &Plant, trouble: &Trouble, now: DateTime<Utc>) -> Option<Owed> {
    owed_to(plant, plant.owner.as_ref()?, trouble, now)
}

/// The message to an address, if there is a mail server.
fn owed_to(plant: &Plant, owner: &str, trouble: &Trouble, now: DateTime<Utc>) -> Option<Owed> {
    let line = plant.mail.as_ref()?;
    let rendered = render::render_notice(&trouble.mail(plant));
    let mut parts: Vec<&str> = trouble.identity.iter().map(String::as_str).collect();
    parts.push(owner);
    let id = render::mail::message_id(&parts, render::mail::domain_of(&line.from));
    let envelope = Envelope {
        from: line.from.clone(),
        to: owner.to_owned(),
        message_id: id.clone(),
        date: now,
        ..Envelope::default()
    };
    let bytes = bytes_or_told(&line.dkim, &envelope, &rendered)?;
    Some(Owed {
        kind: Kind::Notice,
        origin: trouble.subject.clone(),
        receiver: SMTP.to_owned(),
        subject: rendered.subject.clone(),
        message: Message { id, recipient: owner.to_owned(), bytes },
        made_of: None,
    })
}

/// A mail's bytes, signed; an address that cannot be one is told in the log, and costs that mail alone.
pub(super) fn bytes_or_told(
    signers: &[Signer],
    envelope: &Envelope,
    rendered: &Rendered,
) -> Option<Vec<u8>> {
    match render::mail_bytes(envelope, rendered) {
        Ok(bytes) => Some(dkim::sign(bytes, signers, envelope.date)),
        Err(err) => {
            tracing::error!(error = %err, "a mail cannot be written");
            None
        }
    }
}

/// A notice with the trouble it tells: both are written down in the transaction that finds it.
///
/// It goes to the owner by mail and to the alarm's receiver, so that no trouble is told by what it
/// breaks alone.
#[derive(Debug)]
pub(super) struct OwnerNotice {
    owed: Vec<Owed>,
    trouble: Trouble,
}

impl OwnerNotice {
    /// A notice of any trouble.
    pub(super) fn new(plant: &Plant, trouble: Trouble, now: DateTime<Utc>) -> OwnerNotice {
        let both = [owed(plant, &trouble, now), alarm(plant, &trouble, now)];
        OwnerNotice { owed: both.into_iter().flatten().collect(), trouble }
    }

    /// To the alarm alone: a mail about the mail server would wait for it.
    fn by_alarm(plant: &Plant, trouble: Trouble, now: DateTime<Utc>) -> OwnerNotice {
        OwnerNotice { owed: alarm(plant, &trouble, now).into_iter().collect(), trouble }
    }

    fn of_link(plant: &Plant, receiver: &str, trouble: Trouble, now: DateTime<Utc>) -> OwnerNotice {
        match receiver {
            SMTP => OwnerNotice::by_alarm(plant, trouble, now),
            _ => OwnerNotice::new(plant, trouble, now),
        }
    }

    /// A receiver gives no answer, and has not for some time.
    pub(super) fn of_silence(
        plant: &Plant,
        receiver: &str,
        reason: &str,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let trouble = Trouble {
            identity: vec!["silent".into(), receiver.into(), since.to_rfc3339()],
            subject: receiver.to_owned(),
            title: match receiver {
                SMTP => "the mail server gives no answer".to_owned(),
                name => format!("receiver {name} gives no answer"),
            },
            paragraphs: vec![
                "What is owed to it waits, with no attempt counted, and goes out when it is back: \
                 it is asked every five minutes at least."
                    .into(),
            ],
            facts: vec![
                ("Receiver".into(), receiver.into()),
                ("Since".into(), civil(plant, since)),
                ("It said".into(), reason.into()),
            ],
        };
        OwnerNotice::of_link(plant, receiver, trouble, now)
    }

    /// A receiver that gave no answer, and of which that was told, takes messages again.
    pub(super) fn of_answer(
        plant: &Plant,
        receiver: &str,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let trouble = Trouble {
            identity: vec!["answers".into(), receiver.into(), since.to_rfc3339()],
            subject: receiver.to_owned(),
            title: match receiver {
                SMTP => "the mail server answers again".to_owned(),
                name => format!("receiver {name} answers again"),
            },
            paragraphs: vec!["What waited for it goes out now.".into()],
            facts: vec![
                ("Receiver".into(), receiver.into()),
                ("Silent since".into(), civil(plant, since)),
            ],
        };
        OwnerNotice::of_link(plant, receiver, trouble, now)
    }

    /// What a silence hid in a stretch of time: to its author where that is an address, else to the
    /// owner.
    pub(super) fn of_hidden(
        plant: &Plant,
        silence: &Silence,
        sum: HiddenSum,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let ends = match silence.is_live(now) {
            true => format!("It ends on {}.", civil(plant, silence.end())),
            false => format!("It ended on {}.", civil(plant, silence.end())),
        };
        let count = |n: u64, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        let title = format!("silence {} hid {}", silence.id, count(sum.notices, "notice"));
        let trouble = Trouble {
            identity: vec!["hidden".into(), silence.id.clone(), to.to_rfc3339()],
            subject: format!("silence {}", silence.id),
            title,
            paragraphs: vec![format!(
                "About {}; of what it covered {} got worse than it was, and was told. {ends}",
                count(sum.incidents, "incident"),
                sum.worse
            )],
            facts: vec![
                ("Hides".into(), silence.condition.clone()),
                ("Author".into(), silence.author.clone()),
                ("Reason".into(), silence.reason.clone()),
                ("From".into(), civil(plant, from)),
                ("To".into(), civil(plant, to)),
            ],
        };
        let author = Some(&silence.author).filter(|author| author.contains('@'));
        let owed = match author {
            Some(author) => owed_to(plant, author, &trouble, now),
            None => owed(plant, &trouble, now),
        };
        OwnerNotice { owed: owed.into_iter().collect(), trouble }
    }

    /// A webhook or the mail server refuses us as a whole. (Where it is the mail server, the mail
    /// waits with the others and the ledger and `status` say so.)
    pub(super) fn of_receiver(
        plant: &Plant,
        receiver: &str,
        reason: &str,
        since: DateTime<Utc>,
    ) -> OwnerNotice {
        let trouble = Trouble {
            identity: vec!["receiver".into(), receiver.into(), since.to_rfc3339()],
            subject: receiver.to_owned(),
            title: format!("receiver {receiver} is broken"),
            paragraphs: vec![
                "It takes no message until somebody mends it. Messages to it are kept, no attempt \
                 is counted, and it is tried again every five minutes."
                    .into(),
                "After mending it, `postrider outbox retry --state pending` tries at once.".into(),
            ],
            facts: vec![("Receiver".into(), receiver.into()), ("It said".into(), reason.into())],
        };
        OwnerNotice::new(plant, trouble, since)
    }

    /// A message has ended without reaching its recipient.
    pub(super) fn of_delivery(
        plant: &Plant,
        row: &outbox::Delivery,
        reason: &str,
        now: DateTime<Utc>,
    ) -> OwnerNotice {
        let digest = row.kind == Kind::Digest;
        let mut facts = vec![
            ("Subject".into(), row.subject.clone()),
            ("Recipient".into(), row.recipient.clone()),
            ("The far side said".into(), reason.to_owned()),
        ];
        facts.extend(digest.then(|| ("Run".into(), row.origin.clone())));
        let trouble = Trouble {
            // Of a run once, however many of its messages fail; and again after sending them again.
            identity: match digest {
                true => {
                    let owed_at = row.created_at.timestamp_millis().to_string();
                    vec!["run".into(), row.origin.clone(), owed_at]
                }
                false => vec!["delivery".into(), row.message_id.clone()],
            },
            subject: row.receiver.clone(),
            title: format!("a {} did not reach {}", row.kind.word(), row.recipient),
            paragraphs: match digest {
                true => vec![
                    "Those it reached are not affected, and get nothing twice. It is told once a \
                     run: others may have failed with it."
                        .into(),
                    format!(
                        "`postrider runs show {0}` says who got it. After mending the cause, \
                         `postrider resend {0} --failed` sends it to the others.",
                        row.origin
                    ),
                ],
                false => vec![format!(
                    "The other recipients are not affected. After mending the cause, `postrider \
                     outbox retry {}` sends it again.",
                    row.id
                )],
            },
            facts,
        };
        OwnerNotice::new(plant, trouble, now)
    }

    /// The messages alone, for who tells them past the outbox.
    pub(super) fn owed(self) -> Vec<Owed> {
        self.owed
    }

    /// Owes it and writes it down.
    pub(super) fn owe(&self, tx: &Transaction<'_>, now: DateTime<Utc>) -> Result<(), StateError> {
        let mut news = self.owed.is_empty();
        for owed in &self.owed {
            news |= outbox::owe(tx, owed, now)?;
        }
        match news {
            true => ledger::note(tx, now, "trouble", &self.trouble.subject, &self.trouble.title),
            false => Ok(()),
        }
    }
}

impl Engine {
    /// Writes a trouble of the engine itself into the ledger, as far as that is possible.
    pub async fn remember_trouble(&self, part: &str, text: &str) {
        let (now, part, text) = (self.clock.now(), part.to_owned(), text.to_owned());
        let written = self.write(move |tx| ledger::note(tx, now, "trouble", &part, &text)).await;
        if let Err(err) = written {
            tracing::error!(error = %err, "the ledger cannot be written");
        }
    }

    /// The records file was damaged: it was set aside and everything is loaded again.
    pub async fn tell_records_set_aside(&self, name: &str, why: &str) -> Result<(), EngineError> {
        let plant = self.plant();
        let trouble = Trouble {
            identity: vec!["records".into(), name.into()],
            subject: "records".into(),
            title: "the records were damaged and are loaded again".into(),
            paragraphs: vec![
                "The file of records was set aside, and the sources are read from the beginning. \
                 Until that is done, digests say so and rules see nothing. Nothing that was owed is \
                 lost: that is kept in another file."
                    .into(),
            ],
            facts: vec![("Set aside as".into(), name.into()), ("Why".into(), why.into())],
        };
        let now = self.clock.now();
        let notice = OwnerNotice::new(&plant, trouble, now);
        self.write(move |tx| notice.owe(tx, now)).await
    }

    /// The state is not the one that the daemon before this one left: it ends earlier, or is new.
    pub async fn tell_state_older(
        &self,
        seen: Option<DateTime<Utc>>,
        said: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let (plant, now) = (self.plant(), self.clock.now());
        let ends = match seen {
            Some(seen) => civil(&plant, seen),
            None => "it is new".to_owned(),
        };
        let trouble = Trouble {
            identity: vec!["state older".into(), said.to_rfc3339(), now.to_rfc3339()],
            subject: "state".into(),
            title: "the state has lost what was written last".into(),
            paragraphs: vec![
                "An older copy was put in its place, or a file beside it (`state.db-wal`) was taken \
                 away. What was owed and not sent in between is not sent; what was sent in between \
                 may be sent once more, with the same ids; digests of that time are made again as \
                 `missed` says."
                    .into(),
            ],
            facts: vec![
                ("The daemon wrote it up to".into(), civil(&plant, said)),
                ("It ends".into(), ends),
            ],
        };
        let notice = OwnerNotice::new(&plant, trouble, now);
        self.write(move |tx| notice.owe(tx, now)).await
    }

    /// A source gives nothing of some datasets: what is down is remembered, and one notice names
    /// everything that is blind. Without what was `said` the owner knows of the outage already.
    pub(super) async fn tell_source_down(
        &self,
        plant: &Plant,
        down: &[Arc<Dataset>],
        since: DateTime<Utc>,
        said: Option<Said>,
    ) -> Result<(), EngineError> {
        let now = self.clock.now();
        let notice = said.map(|said| source_down(plant, down, since, &said, now));
        let names: Vec<String> = down.iter().map(|dataset| dataset.name.clone()).collect();
        self.write(move |tx| {
            for name in &names {
                sources::went_down(tx, name, since)?;
            }
            notice.map_or(Ok(()), |notice| notice.owe(tx, now))
        })
        .await
    }

    /// A dataset gives data again. Told, by whichever process, when it was the last of its outage.
    pub(super) async fn tell_source_back(
        &self,
        plant: &Plant,
        dataset: &Dataset,
    ) -> Result<(), EngineError> {
        let (name, now) = (dataset.name.clone(), self.clock.now());
        let since = self.state(move |tx| sources::down_since(tx, &name)).await?;
        let Some(since) = since else { return Ok(()) };
        let (name, source) = (dataset.name.clone(), &dataset.source);
        let civil = plant.zone.civil(since).format("%Y-%m-%d %H:%M");
        let trouble = Trouble {
            identity: vec!["source back".into(), source.clone(), since.to_rfc3339()],
            subject: source.clone(),
            title: format!("source {source} gives data again"),
            paragraphs: vec![format!(
                "It gave nothing since {civil} ({}). The missed slots of rules are evaluated now, in \
                 order; what they would have told is told with its own times.",
                plant.zone.name()
            )],
            facts: Vec::new(),
        };
        let notice = OwnerNotice::new(plant, trouble, now);
        self.write(move |tx| match sources::came_back(tx, &name, since)? {
            true => notice.owe(tx, now),
            false => Ok(()),
        })
        .await
    }
}

/// Why a source gives nothing.
pub(super) enum Said {
    /// It fails.
    Down(String),
    /// Our share of its requests is spent.
    Spent {
        /// In its words.
        reason: String,
        /// When it is asked again.
        again: DateTime<Utc>,
    },
}

fn source_down(
    plant: &Plant,
    down: &[Arc<Dataset>],
    since: DateTime<Utc>,
    said: &Said,
    now: DateTime<Utc>,
) -> OwnerNotice {
    const BLIND: &str = "Until it is back, open incidents stay as they are, none is resolved and none \
                         begins. Digests go out marked provisional.";
    let (digests, rules) = blind(plant, down);
    let blind = super::blind::sentence(plant, rules.len(), since);
    let blind = blind.map_or(BLIND.to_owned(), |blind| format!("{blind}. {BLIND}"));
    let names: Vec<String> = down.iter().map(|dataset| dataset.name.clone()).collect();
    let source = down.first().map_or("", |dataset| dataset.source.as_str());
    let civil = |at| plant.zone.civil(at).format("%Y-%m-%d %H:%M").to_string();
    let (reason, title, goes_on) = match said {
        Said::Down(reason) => (
            reason,
            match names.as_slice() {
                [one] => format!("source {source} gives no {one}"),
                _ => format!("source {source} gives no data"),
            },
            "It is tried again every five minutes.".to_owned(),
        ),
        Said::Spent { reason, again } => (
            reason,
            format!("source {source}: the share of requests for postrider is spent"),
            format!(
                "Nothing is asked for before {} ({}); it goes on when others use less, or when our \
                 own requests are a day old. What rules need comes first then. A larger \
                 `quota_share` or a longer `pull_every` helps.",
                civil(*again),
                plant.zone.name()
            ),
        ),
    };
    let trouble = Trouble {
        identity: vec!["source".into(), source.into(), names.join(","), since.to_rfc3339()],
        subject: source.into(),
        title,
        paragraphs: vec![format!("{blind} {goes_on}")],
        facts: vec![
            ("It said".into(), reason.clone()),
            ("Since".into(), civil(since)),
            ("Datasets".into(), listed(&names)),
            ("Digests affected".into(), listed(&digests)),
            ("Rules blind".into(), listed(&rules)),
        ],
    };
    OwnerNotice::new(plant, trouble, now)
}

/// The digests and rules that read one of some datasets.
fn blind(plant: &Plant, down: &[Arc<Dataset>]) -> (Vec<String>, Vec<String>) {
    let reads = |query: &crate::domain::query::Query| {
        let read = query.reads();
        down.iter().any(|dataset| read.contains_key(&dataset.name))
    };
    let digests = plant
        .digests
        .values()
        .filter(|digest| digest.reports.iter().any(|report| reads(&report.query)));
    let rules = plant.rules.values().filter(|rule| reads(&rule.query));
    (digests.map(|d| d.name.clone()).collect(), rules.map(|r| r.name.clone()).collect())
}

/// An instant as the owner reads it.
pub(super) fn civil(plant: &Plant, at: DateTime<Utc>) -> String {
    format!("{} ({})", plant.zone.civil(at).format("%Y-%m-%d %H:%M"), plant.zone.name())
}

/// At most so many names are listed; the others are counted.
const LISTED_MAX: usize = 50;

fn listed(names: &[String]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        1..=LISTED_MAX => names.join(", "),
        all => format!("{} and {} more", names[..LISTED_MAX].join(", "), all - LISTED_MAX),
    }
}
