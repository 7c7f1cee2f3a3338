//! Bursting: a digest that is split becomes one mail a part and reader, all of them owed in one
//! commit, or none.
//!
//! Each report is read once for all parts. Before anything is written the parts are held against the
//! whole; a part without a reader goes to the owner by name. Parts are rendered one after the other:
//! what grows with their number is the bytes that are owed, and those have a bound.

use std::collections::BTreeMap;

use super::letters::{Letters, PartOf, Post, lacking};
use super::{Made, Occasion, Stop, keep_rest};
use crate::domain::digest::sending::{Sending, decide, fingerprint};
use crate::domain::digest::split::{PARTS_MAX, Part, Parted, Partition};
use crate::domain::digest::{Digest, SendWhen, Split};
use crate::domain::table::Section;
use crate::engine::notice::OwnerNotice;
use crate::engine::tables::ReportParts;
use crate::engine::{Engine, EngineError, blocking};
use crate::render::{DigestMail, Locale, Rendered};
use crate::store::state::archive::Snapshot;
use crate::store::state::outbox::Owed;
use crate::store::state::told::Told;

/// All mails of one run together with what is kept of them, in bytes.
const BYTES_MAX: usize = 1_000_000_000;
/// Parts without a reader that are named to the owner.
const NAMED_MAX: usize = 200;

impl Engine {
    /// Makes all parts of a digest, or the one that is asked for.
    pub(super) async fn make_parts(
        &self,
        occasion: Occasion<'_>,
        split: &Split,
    ) -> Result<Made, EngineError> {
        let Occasion { digest, making, .. } = occasion;
        let slot = making.planned_at;
        let reports = self.parts(&digest.reports, &split.queries, slot, occasion.wanted()).await;
        let partition = match occasion.partition(split, &reports) {
            Ok(partition) => partition,
            Err(reason) => return Ok(occasion.stopped(&Stop::Failed(reason))),
        };
        let chosen = match occasion.chosen(&partition) {
            Ok(chosen) => chosen,
            Err(stop) => return Ok(occasion.stopped(&stop)),
        };
        let work = Work {
            before: self.told_before(occasion).await?,
            post: Post::new(occasion, self.token_key()),
            template: occasion.mail(Vec::new(), None),
            missing: reports.iter().filter_map(|report| report.as_ref().err()).cloned().collect(),
            when: occasion.obeys().then(|| digest.send_when.clone()),
            reports,
            chosen,
        };
        Ok(match blocking(move || Ok(work.done())).await? {
            Ok(drawn) => occasion.made(partition, drawn),
            Err(reason) => occasion.stopped(&Stop::Failed(reason)),
        })
    }
}

/// Mails drawn of the parts.
#[derive(Default)]
struct Drawn {
    owed: Vec<Owed>,
    /// The first that was drawn, to be looked at.
    first: Option<(Rendered, Vec<u8>)>,
    snapshots: Vec<Snapshot>,
    told: Vec<Told>,
    /// How many parts were left out, by reason.
    left_out: BTreeMap<String, usize>,
    wrong: Vec<String>,
    /// Mails that there should have been.
    wanted: usize,
}

impl Occasion<'_> {
    /// All parts, proven; or why nothing goes out.
    fn partition(
        self,
        split: &Split,
        reports: &[Result<ReportParts, Section>],
    ) -> Result<Partition, String> {
        let failed = |section: &Section| match section {
            Section::Failed { report, reason, .. } => Some(format!("report `{report}`: {reason}")),
            Section::Table(_) => None,
        };
        let required = self.digest.required.iter().filter_map(|index| reports.get(*index));
        if let Some(reason) = required.filter_map(|report| failed(report.as_ref().err()?)).next() {
            return Err(reason);
        }
        if reports.iter().all(Result::is_err) {
            let reason = reports.iter().find_map(|report| failed(report.as_ref().err()?));
            return Err(reason.unwrap_or_else(|| "it has no reports".to_owned()));
        }
        let nothing = Parted { records: 0, parts: Vec::new() };
        let counted: Vec<Parted> = reports
            .iter()
            .map(|report| report.as_ref().map_or_else(|_| nothing.clone(), |r| r.counted.clone()))
            .collect();
        let is_address = |text: &str| text.parse::<lettre::Address>().is_ok();
        let partition = Partition::new(&split.readers, &counted, &is_address);
        if partition.parts.len() > PARTS_MAX {
            let parts = partition.parts.len();
            return Err(format!("{parts} parts are more than {PARTS_MAX}"));
        }
        match partition.sums.iter().zip(&self.digest.reports).find(|((a, b), _)| a != b) {
            Some(((parts, whole), report)) => Err(format!(
                "its parts are not the whole: report `{}` counts {parts} records in parts and \
                 {whole} in all",
                report.name
            )),
            None => Ok(partition),
        }
    }

    /// The parts to be made, each with its readers: all, the one that is asked for, or the first for
    /// somebody who looks.
    fn chosen(self, partition: &Partition) -> Result<Vec<Part>, Stop> {
        let only = self.making.only.as_ref();
        let mut parts: Vec<Part> = match &self.making.part {
            None => partition.parts.clone(),
            Some(name) => {
                partition.parts.iter().filter(|part| part.name == *name).cloned().collect()
            }
        };
        if let (Some(name), true) = (&self.making.part, parts.is_empty()) {
            return Err(Stop::Failed(format!("no part is called `{name}`")));
        }
        if only.is_some() || self.preview {
            parts.truncate(1);
        }
        for part in &mut parts {
            if let Some(only) = only {
                part.readers = vec![only.clone()];
                part.orphaned = None;
            }
        }
        match parts.is_empty() {
            true => Err(Stop::Not("there are no parts".to_owned())),
            false => Ok(parts),
        }
    }

    fn made(self, partition: Partition, drawn: Drawn) -> Made {
        let locale = Locale::named(&self.plant.locale);
        let whole = self.making.only.is_none() && self.making.part.is_none() && !self.preview;
        let proof = proof(&partition, &drawn, self.digest, locale, whole);
        let outcome = match (drawn.owed.len(), drawn.wrong.is_empty()) {
            (0, _) if drawn.wanted == 0 => format!("not sent: {proof}"),
            (_, true) => format!("made: {proof}"),
            (_, false) => format!("made with faults: {proof}"),
        };
        let notice = whole.then(|| self.orphans(&partition, &proof, locale)).flatten();
        let Some((mail, payload)) = drawn.first else {
            let mut made = self.stopped(&Stop::Not(proof));
            made.notices.extend(notice);
            return made;
        };
        Made {
            run: self.run(mail.subject.clone(), outcome, &drawn.wrong),
            owed: drawn.owed,
            mail,
            payload,
            snapshots: drawn.snapshots,
            goes: true,
            notices: notice.into_iter().collect(),
            told: if self.is_news() { drawn.told } else { Vec::new() },
        }
    }

    /// The mail that lists what nobody got.
    fn orphans(self, partition: &Partition, proof: &str, locale: Locale) -> Option<OwnerNotice> {
        let orphans: Vec<&Part> = partition.orphans().collect();
        if orphans.is_empty() {
            return None;
        }
        let mut facts: Vec<(String, String)> = orphans
            .iter()
            .take(NAMED_MAX)
            .map(|part| {
                let why = part.orphaned.as_deref().unwrap_or_default();
                (part.name.clone(), format!("{}: {why}", counted(part.records, "record", locale)))
            })
            .collect();
        if orphans.len() > NAMED_MAX {
            let more = (orphans.len() - NAMED_MAX) as u64;
            facts.push(("And".into(), format!("{} more", counted(more, "part", locale))));
        }
        let parts = counted(orphans.len() as u64, "part", locale);
        let have = if orphans.len() == 1 { "has" } else { "have" };
        let title = format!("digest {}: {parts} {have} no reader", self.digest.name);
        let paragraphs = vec![
            format!("All of it: {proof}."),
            "The others got theirs. What is listed here went to nobody: name a reader for it in \
             `recipients`, or where its records name one."
                .into(),
        ];
        Some(self.notice("parts", title, paragraphs, facts))
    }
}

/// `23 mails, 1,310 of 1,310 records, 4 parts without a reader (17 records)`.
fn proof(
    partition: &Partition,
    drawn: &Drawn,
    digest: &Digest,
    locale: Locale,
    whole: bool,
) -> String {
    let mut pieces = vec![counted(drawn.owed.len() as u64, "mail", locale)];
    if whole {
        let sums = partition.sums.iter().zip(&digest.reports);
        let several = digest.reports.len() > 1;
        pieces.extend(sums.map(|((parts, whole), report)| {
            let of = format!("{} of ", locale.integer(*parts as i64));
            let records = counted(*whole, "record", locale);
            if several { format!("{}: {of}{records}", report.name) } else { of + &records }
        }));
        let (orphans, records) =
            partition.orphans().fold((0, 0), |(n, sum), part| (n + 1, sum + part.records));
        if orphans > 0 {
            let (parts, records) =
                (counted(orphans, "part", locale), counted(records, "record", locale));
            pieces.push(format!("{parts} without a reader ({records})"));
        }
    }
    for (reason, parts) in &drawn.left_out {
        pieces.push(format!("{} not sent: {reason}", counted(*parts as u64, "part", locale)));
    }
    pieces.join(", ")
}

fn counted(count: u64, noun: &str, locale: Locale) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", locale.integer(count as i64))
}

/// The drawing of parts, off the async threads.
struct Work {
    post: Post,
    /// A mail without sections.
    template: DigestMail,
    reports: Vec<Result<ReportParts, Section>>,
    missing: Vec<Section>,
    chosen: Vec<Part>,
    before: BTreeMap<String, String>,
    /// Where it has a say.
    when: Option<SendWhen>,
}

impl Work {
    /// One part after the other; an error is why none of them goes out.
    fn done(self) -> Result<Drawn, String> {
        let mut drawn = Drawn { wrong: lacking(&self.missing).collect(), ..Drawn::default() };
        let mut bytes = 0;
        for (part, kept_as) in self.chosen.iter().zip(kept_as(&self.chosen)) {
            let mut sections: Vec<Section> = (self.reports.iter().zip(&part.places))
                .map(|(report, place)| match report {
                    Ok(report) => report.section(*place),
                    Err(failed) => failed.clone(),
                })
                .collect();
            self.add_up(part, &sections)?;
            let before = self.before.get(&part.key).map(String::as_str);
            if let Some(reason) = self.left_out(&sections, before) {
                *drawn.left_out.entry(reason).or_default() += 1;
                continue;
            }
            keep_rest(&self.template.attach, &mut sections);
            let looked_at = drawn.first.is_none();
            if part.readers.is_empty() && !looked_at {
                continue;
            }
            let told = Told { part: part.key.clone(), fingerprint: fingerprint(&sections) };
            let mail =
                DigestMail { sections, part: Some(part.name.clone()), ..self.template.clone() };
            let which = PartOf { key: &part.key, kept_as: &kept_as };
            let letters = self.post.letters(mail, Some(which), &part.readers);
            let sent = letters.owed.iter().map(|owed| owed.message.bytes.len());
            let kept = letters.snapshots.iter().map(|snapshot| snapshot.packed.len());
            bytes += sent.chain(kept).sum::<usize>();
            if bytes > BYTES_MAX {
                return Err(format!(
                    "its mails are more than {} MB together",
                    BYTES_MAX / 1_000_000
                ));
            }
            drawn.add(part, letters, told);
        }
        Ok(drawn)
    }

    /// What is sent is what was counted.
    fn add_up(&self, part: &Part, sections: &[Section]) -> Result<(), String> {
        let records: u64 = sections
            .iter()
            .map(|section| match section {
                Section::Table(table) => table.records,
                Section::Failed { .. } => 0,
            })
            .sum();
        if records == part.records {
            return Ok(());
        }
        Err(format!("part `{}` has {records} records instead of {}", part.name, part.records))
    }

    /// Why a part is not sent, if it is not.
    fn left_out(&self, sections: &[Section], before: Option<&str>) -> Option<String> {
        match decide(self.when.as_ref()?, sections, before) {
            Sending::Not(reason) => Some(reason.to_owned()),
            Sending::Send => None,
        }
    }
}

/// A name in the archive for each part. Several are called the same where the records name several
/// addresses for one value, or where one label stands for several keys.
fn kept_as(parts: &[Part]) -> Vec<String> {
    let plain = |part: &Part| match part.name.as_str() {
        "" => "(empty)".to_owned(),
        name => name.to_owned(),
    };
    let addressed = |part: &Part| format!("{}, {}", plain(part), part.readers.join(", "));
    let exact = |part: &Part| format!("{}, {}", addressed(part), part.key);
    let count = |name: &dyn Fn(&Part) -> String| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        parts.iter().for_each(|part| *counts.entry(name(part)).or_default() += 1);
        counts
    };
    let (by_name, by_reader) = (count(&plain), count(&addressed));
    let alone = |counts: &BTreeMap<String, usize>, name: &String| counts.get(name) == Some(&1);
    let each = parts.iter().map(|part| match (plain(part), addressed(part)) {
        (name, _) if alone(&by_name, &name) => name,
        (_, name) if alone(&by_reader, &name) => name,
        _ => exact(part),
    });
    each.collect()
}

impl Drawn {
    fn add(&mut self, part: &Part, letters: Letters, told: Told) {
        let missing = part.readers.len() - letters.owed.len().min(part.readers.len());
        self.wanted += part.readers.len();
        if missing > 0 {
            self.wrong.push(format!("{missing} mails of part `{}` cannot be written", part.name));
        }
        if let Some(problem) = letters.problem.filter(|problem| !self.wrong.contains(problem)) {
            self.wrong.push(problem);
        }
        if !part.readers.is_empty() {
            self.told.push(told);
            self.snapshots.extend(letters.snapshots);
        }
        self.owed.extend(letters.owed);
        self.first.get_or_insert((letters.mail, letters.payload));
    }
}
