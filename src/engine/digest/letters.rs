//! Letters: one mail or payload a reader, each with an id and bytes of its own that never change.
//!
//! A digest, or one part of it, is rendered once for readers inside and once for those outside whose
//! columns are shortened, whatever their number.

use std::panic::AssertUnwindSafe;

use super::Occasion;
use crate::domain::delivery::Message;
use crate::domain::digest::MaskOutside;
use crate::domain::table::Section;
use crate::domain::token::Key;
use crate::engine::archive::{made_of, pack, sign};
use crate::engine::notice::bytes_or_told;
use crate::render::mail::dkim::Signer;
use crate::render::{self, DigestMail, Envelope, NoticeMail, Rendered, Shape};
use crate::store::state::archive::Snapshot;
use crate::store::state::outbox::{Kind, Owed, SMTP};
use crate::store::state::slots::Run;

/// What all mails of one run share.
#[derive(Clone, Debug)]
pub(super) struct Post {
    /// The run, before it is known what comes of it.
    run: Run,
    /// `Name <address>` of the sender; without a mail server there is none.
    from: Option<String>,
    dkim: Vec<Signer>,
    owner: Option<String>,
    /// Signs what readers may do.
    key: Option<Key>,
    public_url: Option<String>,
    cc: Vec<String>,
    /// Whom one mail for everybody names, where there is to be one.
    together: Option<Vec<String>>,
    reply_to: Option<String>,
    mask: Option<MaskOutside>,
    webhooks: Vec<(String, Shape)>,
}

/// What became of one mail: its renderings and its letters.
#[derive(Debug)]
pub(super) struct Letters {
    /// One a reader.
    pub(super) owed: Vec<Owed>,
    /// The mail as the first kind of reader there is sees it.
    pub(super) mail: Rendered,
    /// The tables as a webhook gets them.
    pub(super) payload: Vec<u8>,
    /// What it was made of, for readers inside, and for those outside where there are any.
    pub(super) snapshots: Vec<Snapshot>,
    /// What was wrong with the definition.
    pub(super) problem: Option<String>,
}

/// Which part of a split digest a mail is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartOf<'a> {
    /// What identifies it, in the ids of its messages.
    pub(super) key: &'a str,
    /// Its name in the archive, which no other part of the run has.
    pub(super) kept_as: &'a str,
}

/// One rendering of a mail.
struct Drawn {
    mail: DigestMail,
    rendered: Rendered,
    /// Its name in the archive.
    kept_as: String,
}

impl Drawn {
    fn new(mail: DigestMail, part: &str, outside: bool) -> Drawn {
        let kept_as = match (outside, part) {
            (false, part) => part.to_owned(),
            (true, "") => "outside".to_owned(),
            (true, part) => format!("{part} (outside)"),
        };
        Drawn { rendered: rendered(&mail), mail, kept_as }
    }
}

impl Post {
    /// Of one run. Sent to one address alone, nobody else is named and no webhook is told.
    pub(super) fn new(occasion: Occasion<'_>, key: Option<Key>) -> Post {
        let Occasion { plant, digest, making, .. } = occasion;
        let alone = making.only.is_some();
        let shaped = |name: &String| {
            let shape = plant.receivers.get(name)?.destination.takes_tables()?;
            Some((name.clone(), shape.clone()))
        };
        let webhooks = digest.webhooks.iter().filter(|_| !alone).filter_map(shaped);
        Post {
            run: occasion.run(String::new(), String::new(), &[]),
            from: plant.mail.as_ref().map(|line| line.from.clone()),
            dkim: plant.mail.as_ref().map(|line| line.dkim.clone()).unwrap_or_default(),
            owner: plant.owner.clone(),
            key,
            public_url: plant.public_url.clone(),
            cc: if alone { Vec::new() } else { digest.cc.clone() },
            together: (digest.together && !alone && !digest.to.is_empty())
                .then(|| digest.to.clone()),
            reply_to: digest.reply_to.clone(),
            mask: digest.mask_outside.clone(),
            webhooks: webhooks.collect(),
        }
    }

    /// Renders a mail and addresses it. `part` says which it is of a split digest. Where nobody is
    /// to get it, it is rendered all the same, to be looked at.
    pub(super) fn letters(
        &self,
        mail: DigestMail,
        part: Option<PartOf<'_>>,
        readers: &[String],
    ) -> Letters {
        let kept_as = part.map_or("", |part| part.kept_as);
        let is_outside =
            |reader: &&String| self.mask.as_ref().is_some_and(|mask| mask.is_outside(reader));
        let (outside, inside): (Vec<&String>, Vec<&String>) = readers.iter().partition(is_outside);
        // A webhook has no address that would say whose it is: it is outside.
        let masked =
            self.mask.as_ref().filter(|_| !outside.is_empty() || !self.webhooks.is_empty());
        let masked = masked.map(|mask| {
            let sections = mask.shortened(&mail.sections);
            Drawn::new(DigestMail { sections, ..mail.clone() }, kept_as, true)
        });
        // The whole is kept of every digest: later ones are held against it.
        let wanted = !inside.is_empty() || masked.is_none() || part.is_none();
        let whole = wanted.then(|| Drawn::new(mail, kept_as, false));
        let mut owed = Vec::new();
        for (drawn, readers) in [(&whole, inside), (&masked, outside)] {
            let Some(drawn) = drawn else { continue };
            match &self.together {
                Some(named) => owed.extend(self.joint_letter(drawn, named, &readers)),
                None => {
                    owed.extend(readers.into_iter().filter_map(|to| self.letter(drawn, part, to)));
                }
            }
        }
        let drawn: Vec<Drawn> = whole.into_iter().chain(masked).collect();
        let (first, last) = drawn.first().zip(drawn.last()).expect("what is not masked is whole");
        let payload = render::digest_payload(&last.mail, &last.rendered);
        owed.extend(self.webhooks.iter().filter_map(|(name, shape)| {
            let id = render::mail::webhook_id(&[&self.run.id, name]);
            let bytes = render::digest_body(shape, &last.mail, &last.rendered)?;
            let message = Message { id, recipient: name.clone(), bytes };
            Some(self.owed(name, last, None, message))
        }));
        let mail = first.rendered.clone();
        let kept = drawn
            .into_iter()
            .map(|drawn| Snapshot { part: drawn.kept_as, ..pack(&self.run, drawn.mail) });
        let snapshots = kept.collect();
        Letters { owed, payload, snapshots, problem: mail.problem.clone(), mail }
    }

    /// One reader's mail; `None` where there is no mail server, or where the address is none, which
    /// is told.
    fn letter(&self, drawn: &Drawn, part: Option<PartOf<'_>>, reader: &str) -> Option<Owed> {
        let from = self.from.as_ref()?;
        let mut identity = vec![self.run.id.as_str()];
        identity.extend(part.map(|part| part.key));
        identity.push(reader);
        let id = render::mail::message_id(&identity, render::mail::domain_of(from));
        let named = |address: &&String| !address.eq_ignore_ascii_case(reader);
        let mut envelope = Envelope {
            to: reader.to_owned(),
            cc: self.cc.iter().filter(named).cloned().collect(),
            ..self.envelope(from, &id)
        };
        if let Some(key) = &self.key {
            sign(&mut envelope, key, self.public_url.as_deref(), &self.run.digest);
        }
        let bytes = bytes_or_told(&self.dkim, &envelope, &drawn.rendered)?;
        let message = Message { id, recipient: reader.to_owned(), bytes };
        Some(self.owed(SMTP, drawn, Some(&envelope), message))
    }

    /// One mail for all readers that names those in `named` and those in `cc`: one id, the same bytes
    /// for everybody. It has no link by which one of them could leave.
    fn joint_letter(&self, drawn: &Drawn, named: &[String], readers: &[&String]) -> Vec<Owed> {
        let (Some(from), Some((first, others))) = (&self.from, named.split_first()) else {
            return Vec::new();
        };
        let id = render::mail::message_id(&[&self.run.id], render::mail::domain_of(from));
        let envelope = Envelope {
            to: first.clone(),
            together: others.to_vec(),
            cc: self.cc.clone(),
            ..self.envelope(from, &id)
        };
        let Some(bytes) = bytes_or_told(&self.dkim, &envelope, &drawn.rendered) else {
            return Vec::new();
        };
        let owed = |reader: &&String| {
            let (id, recipient, bytes) = (id.clone(), (*reader).clone(), bytes.clone());
            self.owed(SMTP, drawn, Some(&envelope), Message { id, recipient, bytes })
        };
        readers.iter().map(owed).collect()
    }

    /// What the mails of this run have in common.
    fn envelope(&self, from: &str, id: &str) -> Envelope {
        Envelope {
            from: from.to_owned(),
            message_id: id.to_owned(),
            reply_to: self.reply_to.clone(),
            date: self.run.made_at,
            list: Some(self.run.digest.clone()),
            owner: self.owner.clone(),
            run: Some(self.run.id.clone()),
            ..Envelope::default()
        }
    }

    fn owed(
        &self,
        receiver: &str,
        drawn: &Drawn,
        envelope: Option<&Envelope>,
        message: Message,
    ) -> Owed {
        Owed {
            kind: Kind::Digest,
            origin: self.run.id.clone(),
            receiver: receiver.to_owned(),
            subject: drawn.rendered.subject.clone(),
            message,
            made_of: Some(made_of(Some(&drawn.kept_as), envelope)),
        }
    }
}

/// What a digest's mail lacks: reports that could not be made, each with its reason.
pub(super) fn lacking(sections: &[Section]) -> impl Iterator<Item = String> {
    sections.iter().filter_map(|section| match section {
        Section::Failed { title, reason, .. } => Some(format!("{title}: {reason}")),
        Section::Table(_) => None,
    })
}

/// The mail as everybody gets it. A defect in the rendering must not cost the mail: then it is a
/// plain one that says so.
fn rendered(mail: &DigestMail) -> Rendered {
    let drawn = std::panic::catch_unwind(AssertUnwindSafe(|| render::render_digest(mail)));
    drawn.unwrap_or_else(|_| {
        let title = format!("digest {} could not be written", mail.name);
        let plain = NoticeMail {
            title: title.clone(),
            paragraphs: vec![
                "Its reports were answered, but writing them as a mail failed. This is a defect of \
                 postrider; the log says more. The next digest is tried as usual."
                    .into(),
            ],
            facts: vec![("Run".into(), mail.run.clone())],
            why: None,
            instance: mail.instance.clone(),
            locale: mail.locale.clone(),
            look: mail.look.clone(),
        };
        Rendered { problem: Some(title), ..render::render_notice(&plain) }
    })
}
