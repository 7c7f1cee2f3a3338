//! `[digests]`: scheduled mails made of reports.

use std::sync::Arc;

use super::super::problem::Findings;
use super::super::secret::Surroundings;
use super::super::shape::{Raw, Shaped};
use super::super::text::At;
use super::super::units;
use super::super::wire::{DigestToml, Text};
use super::{Names, address, fingerprint, general, receivers, twice, word};
use crate::domain::digest::{Attach, Digest, SendWhen};
use crate::domain::report::Report;
use crate::render::subject::{Line, default_template};

mod figures;
mod lines;
mod mask;
mod readers;
mod reports;
mod schedule;
mod split;
mod table;
mod template;

/// Keys that are taken out of the table before it is shaped.
const APART: [&str; 3] = ["reports", "recipients", "mask_outside"];
/// Bounds of `max_size`, in bytes: below the first not even a mail of one table has room.
const BYTES_MIN: usize = 200_000;
const BYTES_MAX: usize = 50_000_000;

/// Lowers one digest. Places that ask for mail are added to `mails`.
pub(super) fn lower(
    mut raw: Raw<'_>,
    found: &mut Findings<'_>,
    names: &Names,
    surroundings: Surroundings<'_>,
    mails: &mut Vec<(At, String)>,
) -> Option<Digest> {
    let (canonical, file) = (raw.canonical(), raw.file);
    let before = found.count();
    let written = reports::take(&mut raw, found);
    let recipients = split::take(&mut raw, found);
    let mask = raw.take(found, "mask_outside");
    let table = raw.shape::<DigestToml>(found, &APART);
    let wire = &table.wire;
    let reports = written.and_then(|written| written.lower(found, names, file));
    let known = reports.as_ref().map(|reports| reports.reports.as_slice());
    let headline = wire.headline.as_ref().map(|text| figures::headline(found, file, text, known));
    let send_when =
        wire.send_when.as_ref().map(|text| figures::send_when(found, file, text, known));
    let subject = subject(found, &table, known);
    let line = |found: &mut Findings<'_>, text: &Option<Text>, line| {
        let text = text.as_ref()?;
        Some(lines::template(found, file, text, line, wire.headline.is_some(), known))
    };
    let preheader = line(found, &wire.preheader, Line::Preheader);
    let intro = line(found, &wire.intro, Line::Intro);
    let template = template::template(found, &table, surroundings);
    let schedule = schedule::schedule(found, names, &table);
    let wait_up_to = (wire.wait_up_to.as_ref())
        .and_then(|text| found.value(table.at(text), units::duration(text.get_ref())));
    let whole = match wire.split_by {
        None => readers::whole(found, names, &table, mails),
        Some(_) => Some(readers::Whole::default()),
    };
    let split = split::lower(found, &table, recipients, known, surroundings, mails);
    let masked = mask.is_some();
    let mask_outside = mask.and_then(|raw| mask::lower(raw, found, known));
    let together = together(found, &table, whole.as_ref(), masked);
    let reply_to = wire.reply_to.as_ref().and_then(|text| address(found, file, text));
    let attach = attach(found, &table);
    let locale =
        (wire.locale.as_ref()).and_then(|text| general::locale(found, table.at(text), text));
    let bytes_max = bytes_max(found, &table);
    never(found, &table, send_when.as_ref().and_then(Option::as_ref));
    (found.count() == before).then_some(())?;
    let (schedule, whole, reports, template) = (schedule?, whole?, reports?, template?);
    let readers = split.as_ref().map(|split| format!("{:?}", split.readers)).unwrap_or_default();
    let own = template.as_deref().map_or("", String::as_str);
    // What its reports ask is part of what it is.
    let asked = reports.reports.iter().map(|report| report.hash.as_str());
    let asked = asked.collect::<Vec<_>>().join(" ");
    let hash = fingerprint(&[&canonical, schedule.zone.name(), &readers, own, &asked]);
    Some(Digest {
        subject,
        preheader,
        headline: match headline {
            Some(headline) => Some(headline?),
            None => None,
        },
        intro,
        reports: reports.reports,
        required: reports.required,
        schedule,
        wait_up_to: wait_up_to.unwrap_or(Digest::WAIT_UP_TO),
        to: whole.to,
        cc: whole.cc,
        bcc: whole.bcc,
        together,
        send_when: match send_when {
            Some(send_when) => send_when?,
            None => SendWhen::Always,
        },
        split,
        mask_outside,
        reply_to,
        attach,
        locale,
        template,
        bytes_max,
        webhooks: whole.webhooks,
        hash,
        name: table.name,
    })
}

/// The subject's template, or that of a digest that has none.
fn subject(
    found: &mut Findings<'_>,
    table: &Shaped<DigestToml>,
    known: Option<&[Arc<Report>]>,
) -> String {
    let has_headline = table.wire.headline.is_some();
    match &table.wire.subject {
        Some(text) => lines::template(found, table.file, text, Line::Subject, has_headline, known),
        None => default_template(has_headline).to_owned(),
    }
}

/// Whether one mail names everybody; what makes every reader's mail another one is refused beside it.
fn together(
    found: &mut Findings<'_>,
    table: &Shaped<DigestToml>,
    whole: Option<&readers::Whole>,
    masked: bool,
) -> bool {
    let Some(written) = table.wire.together.as_ref().filter(|written| *written.get_ref()) else {
        return false;
    };
    let help = "leave out one of them";
    if table.wire.split_by.is_some() {
        let message = "one mail for everybody of a digest that is split";
        found.problem(table.at(written), message, help);
    }
    if masked {
        let message = "one mail for everybody, of which some see less (`mask_outside`)";
        found.problem(table.at(written), message, help);
    }
    let named = whole.into_iter().flat_map(|whole| whole.to.iter().chain(&whole.cc));
    receivers::can_be_named(found, table.at(written), named.map(String::as_str));
    true
}

/// What is attached, each file once.
fn attach(found: &mut Findings<'_>, table: &Shaped<DigestToml>) -> Vec<Attach> {
    let wire = &table.wire;
    let bom = wire.csv_bom.as_ref().is_some_and(|bom| *bom.get_ref());
    let words = [("csv", Attach::Csv { bom }), ("xlsx", Attach::Xlsx), ("json", Attach::Json)];
    twice(found, table.file, &wire.attach, "file");
    let attach: Vec<Attach> =
        wire.attach.iter().filter_map(|text| word(found, table.file, text, &words)).collect();
    if let (Some(text), false) = (&wire.csv_bom, attach.contains(&Attach::Csv { bom })) {
        let help = "write `attach = [\"csv\"]`";
        found.problem(table.at(text), "there is no CSV that it could begin", help);
    }
    attach
}

fn bytes_max(found: &mut Findings<'_>, table: &Shaped<DigestToml>) -> usize {
    let size = table.wire.max_size.as_ref().and_then(|text| {
        let size = found.value(table.at(text), units::size(text.get_ref()))?;
        if !(BYTES_MIN..=BYTES_MAX).contains(&size) {
            let message = "the largest mail must be from 200 kB to 50 MB";
            found.problem(table.at(text), message, "leave it out for 10 MB");
        }
        Some(size)
    });
    size.unwrap_or(Digest::BYTES_MAX)
}

/// A digest that could never go out.
fn never(found: &mut Findings<'_>, table: &Shaped<DigestToml>, when: Option<&SendWhen>) {
    if let (Some(text), Some(SendWhen::NoRows), Some(_)) =
        (&table.wire.send_when, when, &table.wire.split_by)
    {
        let help = "a part without rows is none: leave out `split_by`";
        found.problem(table.at(text), "no part of a digest that is split has `no rows`", help);
    }
}
