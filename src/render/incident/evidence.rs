//! The worst records behind a value: the first few as a table, more as a file, and what is in
//! neither counted.

use crate::domain::table::{Section, Table};

use super::super::format::{Locale, clean, clipped};
use super::super::view::{self, Body, Common, Room, SectionView};
use super::super::words::{comparison, counted};
use super::super::{Attachment, sheet};
use super::view::Space;
use super::{Evidence, IncidentMail, group_words};

/// What stands over worst records.
const TITLE: &str = "The worst records";
/// Rows of one table in a mail.
const ROWS_SHOWN: usize = 10;
/// Rows of one file.
pub(super) const FILE_ROWS_MAX: usize = 1_000;
/// Largest file, in bytes: alarms are read on phones.
const FILE_BYTES_MAX: usize = 500_000;
/// Incidents of one mail with a file.
const FILES_MAX: usize = 5;

/// The files of a mail.
#[derive(Clone, Debug, Default)]
pub(in crate::render) struct Files {
    /// Whose records each holds, its name, and how many rows it has.
    held: Vec<(String, String, u64)>,
}

/// A file of records for each of the first incidents that has more of them than its table shows.
pub(in crate::render) fn files(mails: &[IncidentMail]) -> (Files, Vec<Attachment>) {
    let (mut files, mut attached) = (Files::default(), Vec::new());
    let long = mails.iter().filter_map(|mail| {
        let evidence = mail.context.evidence.as_ref()?;
        (evidence.records() > ROWS_SHOWN as u64).then_some((mail, evidence))
    });
    for (mail, evidence) in long.take(FILES_MAX) {
        let Some((rows, bytes)) = file(&evidence.table) else { continue };
        let group: Vec<&str> = mail.group.iter().map(|(_, label)| label.as_str()).collect();
        let group = group.join("-");
        let day = mail.zone.civil(mail.at).date().to_string();
        let number = match attached.len() {
            0 => String::new(),
            n => (n + 1).to_string(),
        };
        let name = sheet::file_name(&[&mail.rule, &group, &number], &day, "csv");
        files.held.push((mail.incident.clone(), name.clone(), rows));
        attached.push(Attachment { name, kind: sheet::CSV, bytes });
    }
    (files, attached)
}

/// The rows that fit, and the file; `None` where none can be written.
fn file(table: &Table) -> Option<(u64, Vec<u8>)> {
    let mut rows = FILE_ROWS_MAX.min(table.rows.len() + table.rest.len());
    while rows > 0 {
        let bytes = sheet::csv(table, true, rows).ok()?;
        if bytes.len() <= FILE_BYTES_MAX {
            return Some((rows as u64, bytes));
        }
        rows /= 2;
    }
    None
}

/// The table of an incident's worst records. `of` names the incident where there are several.
pub(in crate::render) fn section(
    mail: &IncidentMail,
    files: &Files,
    space: Space,
    of: Option<&str>,
    locale: Locale,
) -> Option<SectionView> {
    let evidence = mail.context.evidence.as_ref()?;
    let shown = evidence.table.rows.len().min(ROWS_SHOWN).min(space.rows);
    if shown == 0 {
        return None;
    }
    // What the table leaves out is told in our own words.
    let table = Table {
        rows: evidence.table.rows[..shown].to_vec(),
        beside: evidence.table.beside.iter().take(shown).cloned().collect(),
        ..headings(&evidence.table)
    };
    let room = Room { rows: shown, extras: space.labels, sections: 1 };
    let views =
        view::sections(&[Section::Table(table)], &[], room, &Common::default(), locale, mail.at);
    let mut section = views.into_iter().next()?;
    section.title = match of {
        Some(of) => format!("{TITLE}: {of}"),
        None => TITLE.to_owned(),
    };
    section.caption = caption(mail, evidence, locale);
    section.notes = notes(mail, evidence, files, shown, locale);
    if let Body::Table(table) = &mut section.body {
        table.others_line = behind(evidence, shown, locale);
    }
    Some(section)
}

/// Whether a section shows worst records.
pub(in crate::render) fn is_evidence(section: &SectionView) -> bool {
    section.title.starts_with(TITLE)
}

/// Whether a table of these stands in blocks on a narrow screen.
pub(in crate::render) fn stacks(sections: &[SectionView]) -> bool {
    sections.iter().any(|section| match &section.body {
        Body::Table(table) => table.blocks().iter().any(|block| block.stacked()),
        _ => false,
    })
}

/// A table without its rows: they may be many.
fn headings(table: &Table) -> Table {
    Table {
        report: table.report.clone(),
        definition: String::new(),
        title: table.title.clone(),
        about: None,
        window: table.window,
        period: table.period.clone(),
        zone: table.zone.clone(),
        columns: table.columns.clone(),
        rows: Vec::new(),
        others: None,
        rest: Vec::new(),
        total: None,
        empty: table.empty.clone(),
        list: true,
        records: table.records,
        truncated: table.truncated,
        coverage: Vec::new(),
        coverage_low: Vec::new(),
        complete_to: table.complete_to,
        provisional: None,
        compared: None,
        trend: None,
        beside: Vec::new(),
        beside_total: None,
        chart: None,
        drill: None,
        only: None,
        restated: Vec::new(),
    }
}

/// `Worst first, of Mon 23 Nov 2026, 14:00 to 14:30`.
fn caption(mail: &IncidentMail, evidence: &Evidence, locale: Locale) -> String {
    match evidence.table.window {
        Some(window) => format!("Worst first, of {}", locale.window(window, &mail.zone)),
        None => format!("Worst first, at {}", locale.stamp(mail.zone.civil(mail.at))),
    }
}

/// `and 23 more records, together 41 min`.
fn behind(evidence: &Evidence, shown: usize, locale: Locale) -> Option<String> {
    let hidden = evidence.records().saturating_sub(shown as u64);
    if hidden == 0 {
        return None;
    }
    let more = format!("and {}", counted(hidden, "more record", locale));
    let together = evidence.sum.zip(evidence.measure).map(|(sum, column)| {
        let format = evidence.table.columns[column].format;
        let rest = (sum - shown_sum(evidence, column, shown)).max(0.0);
        format!(", together {}", locale.number(rest, format))
    });
    Some(format!("{more}{}", together.unwrap_or_default()))
}

fn shown_sum(evidence: &Evidence, column: usize, shown: usize) -> f64 {
    let rows = evidence.table.rows.iter().take(shown);
    rows.filter_map(|row| row.get(column)?.number()).sum()
}

/// How much of the trouble is shown, how many records are beyond the threshold, where the file is.
fn notes(
    mail: &IncidentMail,
    evidence: &Evidence,
    files: &Files,
    shown: usize,
    locale: Locale,
) -> Vec<String> {
    let records = evidence.records();
    let count = |n: u64| locale.integer(i64::try_from(n).unwrap_or(i64::MAX));
    let mut notes = Vec::new();
    if let (Some(beyond), Some(threshold)) = (evidence.beyond, mail.threshold) {
        let share = locale.percent(beyond as f64 / records.max(1) as f64);
        notes.push(format!(
            "{} of {} {} {} ({share}).",
            count(beyond),
            counted(records, "record", locale),
            if beyond == 1 { "is" } else { "are" },
            comparison(threshold, mail.format, locale)
        ));
    }
    if let (Some(sum), Some(column)) = (evidence.sum.filter(|sum| *sum > 0.0), evidence.measure)
        && (shown as u64) < records
    {
        let part = locale.percent((shown_sum(evidence, column, shown) / sum).clamp(0.0, 1.0));
        let name = clipped(&evidence.table.columns[column].name, 60);
        notes.push(format!(
            "The {} shown have {part} of all \u{201c}{name}\u{201d}.",
            count(shown as u64)
        ));
    }
    if evidence.table.truncated {
        notes.push("There are more records than are read: counts are of those read.".to_owned());
    }
    let held = files.held.iter().find(|(incident, ..)| *incident == mail.incident);
    notes.extend(held.map(|(_, name, rows)| match *rows < records {
        true => format!("Attached: {}, the first {}.", clean(name), count(*rows)),
        false => format!("Attached: {}, all {}.", clean(name), count(*rows)),
    }));
    notes
}

/// What a mail says of the records it has no room for.
pub(in crate::render) fn unshown(
    mails: &[IncidentMail],
    space: Space,
    locale: Locale,
) -> Option<String> {
    let with = mails.iter().filter(|mail| mail.context.evidence.is_some());
    let left = with.skip(space.evidence).count() as u64;
    let names = |mail: &IncidentMail| group_words(mail);
    match left {
        0 => None,
        1 if mails.len() == 1 => Some("The worst records have no room in this mail.".to_owned()),
        _ => {
            let first = mails.iter().find(|mail| mail.context.evidence.is_some()).map(names);
            let first = first.filter(|first| !first.is_empty() && space.evidence == 1);
            let shown = first.map(|first| format!(" Those of {first} are shown."));
            Some(format!(
                "The worst records of {} have no room in this mail.{}",
                counted(left, "more incident", locale),
                shown.unwrap_or_default()
            ))
        }
    }
}
