//! Which files go with a mail: all of them, with fewer rows, or not at all. Never more than the
//! mail may weigh, and never less than that without saying so.

use crate::domain::digest::Attach;
use crate::domain::table::Section;
use crate::render::Attachment;
use crate::render::digest::{DigestMail, HTML_BYTES_MAX, PICTURE_BYTES};
use crate::render::format::{Locale, plain};
use crate::render::mail::file_len;

use super::name::{dates, distinct};
use super::xlsx::{in_all, rows_in_all};
use super::{Attached, SheetError, file_name};

/// Room kept for the HTML and the text, as they are sent.
const BODY_BYTES: usize = 3 * HTML_BYTES_MAX;
/// Room kept for headers, the boundaries between parts included.
const HEADER_BYTES: usize = 40_000;
/// How often rows are taken away before a file is left out.
const TRIES: usize = 8;
/// Reports named in a notice.
const NAMED_MAX: usize = 3;

/// Makes the files a digest asks for, within what the mail may weigh ([`DigestMail::bytes_max`],
/// counted as it is sent) less the room its text and pictures need.
///
/// In this order: all files whole; all files with the same bound on the rows of each report; the
/// files that still have no room left out, the last first. What is missing is told with its true
/// number. A file that cannot be written is left out and told as well.
pub fn attached(mail: &DigestMail) -> Attached {
    let room = room(mail);
    let wanted = wanted(mail);
    let most = rows_in_all(mail).values().copied().max().unwrap_or(0);
    let mut rows_max = usize::MAX;
    let mut made = make(mail, &wanted, rows_max);
    for _ in 0..TRIES {
        let length = length(&made);
        if length <= room || rows_max == 1 {
            break;
        }
        // In proportion, and a little less: headings do not shrink.
        let rows = rows_max.min(most) as f64 * room as f64 / length as f64 * 0.95;
        rows_max = (rows as usize).max(1);
        made = make(mail, &wanted, rows_max);
    }
    let mut attached = Attached::default();
    let mut left = room;
    for (wanted, file) in made {
        match file {
            Err(err) => {
                attached.notices.push(format!("{} could not be written: {err}.", wanted.name))
            }
            Ok(file) => {
                let length = file_len(&file.name, file.bytes.len());
                if length > left {
                    let size = size(mail.bytes_max);
                    attached.notices.push(format!(
                        "{} is not attached: this mail would be larger than {size}.",
                        file.name
                    ));
                    continue;
                }
                left -= length;
                attached.notices.extend(notice(mail, &wanted, rows_max));
                attached.files.push(file);
            }
        }
    }
    attached
}

/// A file that was asked for.
#[derive(Clone, Debug)]
struct Wanted {
    attach: Attach,
    name: String,
    /// Indexes of the sections in it.
    sections: Vec<usize>,
}

type Made = (Wanted, Result<Attachment, SheetError>);

fn room(mail: &DigestMail) -> usize {
    let charts = mail.sections.iter().any(|section| match section {
        Section::Table(table) => table.chart.is_some(),
        Section::Failed { .. } => false,
    });
    let pictures = if charts || mail.look.logo.is_some() { PICTURE_BYTES } else { 0 };
    mail.bytes_max.saturating_sub(BODY_BYTES + pictures + HEADER_BYTES)
}

/// The files by name, in the order they were asked for; each kind once.
fn wanted(mail: &DigestMail) -> Vec<Wanted> {
    let slot = mail.zone.civil(mail.planned_at).date();
    let part = mail.part.as_deref().unwrap_or_default();
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut want = |attach: Attach, stem: &str, dates: String, ending, sections: Vec<usize>| {
        let name = distinct(file_name(&[stem, part], &dates, ending), &names);
        names.push(name.clone());
        wanted.push(Wanted { attach, name, sections });
    };
    let tables = || {
        mail.sections.iter().enumerate().filter_map(|(at, section)| match section {
            Section::Table(table) => Some((at, table)),
            Section::Failed { .. } => None,
        })
    };
    let all: Vec<usize> = tables().map(|(at, _)| at).collect();
    let mut seen = Vec::new();
    for attach in &mail.attach {
        let kind = std::mem::discriminant(attach);
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind);
        match attach {
            Attach::Csv { .. } => {
                for (at, table) in tables() {
                    let dates = dates(table.window, &table.zone, slot);
                    want(*attach, &table.report, dates, "csv", vec![at]);
                }
            }
            Attach::Xlsx => want(*attach, &mail.name, slot.to_string(), "xlsx", all.clone()),
            Attach::Json => want(*attach, &mail.name, slot.to_string(), "json", all.clone()),
        }
    }
    wanted
}

fn make(mail: &DigestMail, wanted: &[Wanted], rows_max: usize) -> Vec<Made> {
    wanted.iter().map(|wanted| (wanted.clone(), file(mail, wanted, rows_max))).collect()
}

fn file(mail: &DigestMail, wanted: &Wanted, rows_max: usize) -> Result<Attachment, SheetError> {
    let (kind, bytes) = match wanted.attach {
        Attach::Csv { bom } => {
            let section = wanted.sections.first().and_then(|at| mail.sections.get(*at));
            let Some(Section::Table(table)) = section else {
                unreachable!("a CSV file is wanted for tables alone")
            };
            (super::CSV, super::csv(table, bom, rows_max)?)
        }
        Attach::Xlsx => (super::XLSX, super::xlsx(mail, rows_max)?),
        Attach::Json => (super::JSON, super::json(mail, rows_max)),
    };
    Ok(Attachment { name: wanted.name.clone(), kind, bytes })
}

fn length(made: &[Made]) -> usize {
    let files = made.iter().filter_map(|(_, file)| file.as_ref().ok());
    files.map(|file| file_len(&file.name, file.bytes.len())).sum()
}

/// What a file does not have, with the true number.
fn notice(mail: &DigestMail, wanted: &Wanted, rows_max: usize) -> Option<String> {
    let locale = Locale::named(&mail.locale);
    let count = |n: usize| plain(&locale.integer(n as i64));
    let mut short = Vec::new();
    let mut by_size = false;
    for section in wanted.sections.iter().filter_map(|at| mail.sections.get(*at)) {
        let Section::Table(table) = section else { continue };
        let here = match wanted.attach {
            // As a webhook gets it: the rows of the mail.
            Attach::Json => table.rows.len(),
            Attach::Csv { .. } | Attach::Xlsx => table.rows.len() + table.rest.len(),
        };
        let all = if wanted.attach == Attach::Json { here } else { in_all(table) };
        let kept = here.min(rows_max);
        if kept < all {
            by_size |= kept < here;
            short.push(format!("{} of {} rows of {}", count(kept), count(all), table.report));
        }
    }
    let more = short.len().saturating_sub(NAMED_MAX);
    short.truncate(NAMED_MAX);
    let mut named = crate::render::words::listed(&short);
    if named.is_empty() {
        return None;
    }
    if more > 0 {
        named.push_str(&format!(", and fewer rows of {more} more reports"));
    }
    let why = match by_size {
        true => {
            format!(": with all of them this mail would be larger than {}", size(mail.bytes_max))
        }
        false => String::new(),
    };
    Some(format!("{} has the first {named}{why}. Totals are over all rows.", wanted.name))
}

fn size(bytes: usize) -> String {
    match bytes {
        b if b >= 1_000_000 => format!("{} MB", b as f64 / 1e6),
        b => format!("{} kB", b as f64 / 1e3),
    }
}
