//! The reports of a digest: a name, or a name with what this digest asks for besides.

use std::collections::BTreeSet;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::super::super::problem::Findings;
use super::super::super::shape::{Raw, Shaped};
use super::super::super::text::At;
use super::super::super::wire::{EntryToml, Text};
use super::super::{Names, fingerprint};
use crate::domain::period::Period;
use crate::domain::query::{Part, Query};
use crate::domain::report::Report;

/// At most so many reports in one mail.
const REPORTS_MAX: usize = 50;
/// At most so many rows are shown, as in a report.
const TOP_MAX: u32 = 10_000;

/// `reports` as written, taken out of its table.
pub(super) struct Written {
    entries: Vec<Entry>,
}

enum Entry {
    Name(Text),
    Table { canonical: String, shaped: Box<Shaped<EntryToml>> },
}

/// The reports of a digest.
pub(super) struct Reports {
    /// In order.
    pub(super) reports: Vec<Arc<Report>>,
    /// Indexes of those without which no mail goes out.
    pub(super) required: BTreeSet<usize>,
}

/// Takes `reports` out of a digest's table. `None` where it is missing or no list; that is told.
pub(super) fn take(raw: &mut Raw<'_>, found: &mut Findings<'_>) -> Option<Written> {
    let Some(value) = raw.table.remove("reports") else {
        let message = format!("{} has no `reports`", raw.title);
        found.problem(raw.at.clone(), message, "write e.g. `reports = [\"q1\"]`");
        return None;
    };
    let at = At::new(raw.file, value.span());
    let DeValue::Array(list) = value.into_inner() else {
        let message = "`reports` must be a list in brackets";
        found.problem(at, message, "write e.g. `reports = [\"q1\"]`");
        return None;
    };
    if list.is_empty() || list.len() > REPORTS_MAX {
        let message = format!("a digest has 1 to {REPORTS_MAX} reports");
        found.problem(at, message, None);
    }
    let before = found.count();
    let mut entries = Vec::new();
    for (index, entry) in list.into_iter().enumerate() {
        let span = entry.span();
        match entry.into_inner() {
            DeValue::String(name) => {
                entries.push(Entry::Name(Spanned::new(span, name.into_owned())));
            }
            DeValue::Table(table) => {
                let title = format!("report {} of {}", index + 1, raw.title);
                let at = At::new(raw.file, span);
                let raw = Raw { file: raw.file, name: String::new(), title, at, table };
                let canonical = raw.canonical();
                entries.push(Entry::Table { canonical, shaped: Box::new(raw.shape(found, &[])) });
            }
            _ => {
                let help = "write `\"q1\"` or `{ report = \"q1\", where = \"...\" }`";
                found.problem(At::new(raw.file, span), "a report is a name or a table", help);
            }
        }
    }
    (found.count() == before).then_some(Written { entries })
}

impl Written {
    /// The reports; `None` where one of them is unknown or broken.
    pub(super) fn lower(
        self,
        found: &mut Findings<'_>,
        names: &Names,
        file: usize,
    ) -> Option<Reports> {
        let before = found.count();
        self.twice(found, file);
        let mut required = BTreeSet::new();
        let mut reports = Vec::new();
        for (index, entry) in self.entries.into_iter().enumerate() {
            // Every entry is looked at before one that is broken ends it.
            reports.push(match entry {
                Entry::Name(name) => names.reports.find(found, file, &name),
                Entry::Table { canonical, shaped } => {
                    if shaped.wire.required.as_ref().is_some_and(|required| *required.get_ref()) {
                        required.insert(index);
                    }
                    variant(found, names, &canonical, &shaped)
                }
            });
        }
        let reports: Option<Vec<_>> = reports.into_iter().collect();
        (found.count() == before).then_some(())?;
        Some(Reports { reports: reports?, required })
    }

    /// Notes entries that are written twice.
    fn twice(&self, found: &mut Findings<'_>, file: usize) {
        let mut seen = BTreeSet::new();
        for entry in &self.entries {
            let (written, at, name) = match entry {
                Entry::Name(name) => {
                    let at = At::new(file, name.span());
                    (name.get_ref().clone(), at, Some(name.get_ref().as_str()))
                }
                Entry::Table { canonical, shaped } => {
                    let name = shaped.wire.report.as_ref().map(|name| name.get_ref().as_str());
                    (canonical.clone(), shaped.at.clone(), name)
                }
            };
            if !seen.insert(written) {
                let message = format!("report `{}` is written twice", name.unwrap_or_default());
                found.problem(at, message, "remove one of them");
            }
        }
    }
}

/// A report with what one digest asks for besides: same name, other question.
fn variant(
    found: &mut Findings<'_>,
    names: &Names,
    canonical: &str,
    entry: &Shaped<EntryToml>,
) -> Option<Arc<Report>> {
    let wire = &entry.wire;
    let before = found.count();
    let period = wire.period.as_ref().map(|text| period(found, entry, text));
    let top = wire.top.as_ref().and_then(|top| match *top.get_ref() {
        rows @ 1..=TOP_MAX => usize::try_from(rows).ok(),
        _ => {
            let message = format!("`top` must be from 1 to {TOP_MAX}");
            found.problem(entry.at(top), message, "leave it out for that of the report");
            None
        }
    });
    let name = entry.required(found, "report", &wire.report, "\"q1\"")?;
    let base = names.reports.find(found, entry.file, name)?;
    let query = wire.r#where.as_ref().map(|text| filtered(found, entry.file, &base, text));
    let mut report = Report::clone(&base);
    if let (Some(text), Some(Some(period))) = (&wire.period, period) {
        if report.query.date.is_none() && period.words() != "all time" {
            let message = format!("the period `{}` of which field?", text.get_ref());
            let help = format!("the report `{}` has no `date`", base.name);
            found.problem(entry.at(text), message, help);
        }
        let compared = report
            .compare
            .is_some_and(|compare| found.mended(entry.at(text), compare.fits(&period)).is_none());
        if !compared && report.trend.is_some() && period.days_about().is_none() {
            let message = format!("the report `{}` has a `trend`, and all time none", base.name);
            found.problem(entry.at(text), message, "write a period, e.g. `last 7 days`");
        }
        report.period = period;
    }
    (found.count() == before).then_some(())?;
    if let Some(query) = query {
        report.query = query?;
    }
    if top.is_some() {
        let mut query = Query::clone(&report.query);
        query.top = top;
        report.query = Arc::new(query);
    }
    let written = |text: &Option<Text>| text.as_ref().map(|text| text.get_ref().clone());
    report.title = written(&wire.title).unwrap_or(report.title);
    report.about = written(&wire.about).or(report.about);
    report.only = written(&wire.r#where);
    // A test is of the report itself.
    report.tests = Vec::new();
    report.hash = fingerprint(&[&base.hash, canonical]);
    Some(Arc::new(report))
}

fn period(found: &mut Findings<'_>, entry: &Shaped<EntryToml>, text: &Text) -> Option<Period> {
    found.value(entry.at(text), text.get_ref().parse::<Period>())
}

/// The query of a report with a further condition; its mistakes are where it is written.
fn filtered(
    found: &mut Findings<'_>,
    file: usize,
    base: &Report,
    text: &Text,
) -> Option<Arc<Query>> {
    match base.query.with(Some(text.get_ref()), &[]) {
        Ok(query) => Some(Arc::new(query)),
        Err(mistakes) => {
            // The rest of the query was right by itself: what else is wrong follows from this.
            let (mine, rest): (Vec<_>, Vec<_>) =
                mistakes.into_iter().partition(|(part, _)| *part == Part::Only);
            let told = if mine.is_empty() { rest } else { mine };
            told.into_iter().for_each(|(_, mistake)| found.mistake(file, text, mistake));
            None
        }
    }
}
