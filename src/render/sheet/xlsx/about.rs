//! The sheet `About`: what the workbook is of, and what its figures cover.

use rust_xlsxwriter::{Format as Style, FormatAlign, Url, Worksheet};

use super::cells::text;
use super::in_all;
use crate::domain::table::{Section, Table};
use crate::render::digest::DigestMail;
use crate::render::format::{Locale, plain};
use crate::render::sheet::SheetError;
use crate::render::sheet::layout::{Kind, Layout};

/// Writes the sheet; `sheets` are the names of the tables' own, `rows_max` the most rows they have.
pub(super) fn write(
    page: &mut Worksheet,
    mail: &DigestMail,
    sheets: &[Option<String>],
    rows_max: usize,
) -> Result<(), SheetError> {
    page.set_name("About")?;
    page.set_column_width(0, 22)?.set_column_width(1, 96)?;
    let locale = Locale::named(&mail.locale);
    let mut lines = Lines { page, row: 0 };
    let moment = |at| {
        let civil = mail.zone.civil(at);
        let (date, time) = (locale.day(civil.date()), locale.time(civil.time()));
        plain(&format!("{date} {time}, {}", mail.zone.name()))
    };
    lines.title(&mail.name)?;
    lines.optional("About", mail.intro.as_deref())?;
    lines.optional("Part", mail.part.as_deref())?;
    lines.line("Planned for", &moment(mail.planned_at))?;
    lines.line("Made at", &moment(mail.made_at))?;
    lines.line("Sent", &mail.schedule)?;
    lines.line("Run", &mail.run)?;
    lines.optional("Instance", mail.instance.as_deref())?;
    lines.optional("Missed", mail.missed.as_deref())?;
    for remark in &mail.remarks {
        lines.line("Remark", remark)?;
    }
    let reading = "Lengths of time add up (they are fractions of a day, shown as hours, minutes \
                   and seconds; columns with (s) in the heading are seconds). Shares are fractions \
                   shown as percent. Totals and Others stand below each table, outside it.";
    lines.line("How to read it", reading)?;
    for (section, sheet) in mail.sections.iter().zip(sheets) {
        lines.row += 1;
        match section {
            Section::Table(table) => {
                lines.heading(sheet.as_deref(), &table.title)?;
                about_table(&mut lines, table, locale, rows_max)?;
            }
            Section::Failed { title, reason, .. } => {
                lines.heading(None, title)?;
                lines.line("Could not be made", reason)?;
            }
        }
    }
    Ok(())
}

fn about_table(
    lines: &mut Lines<'_>,
    table: &Table,
    locale: Locale,
    rows_max: usize,
) -> Result<(), SheetError> {
    lines.line("Report", &table.report)?;
    lines.optional("About", table.about.as_deref())?;
    let period = match table.window {
        Some(window) => format!("{}: {}", table.period, locale.window(window, &table.zone)),
        None => table.period.clone(),
    };
    lines.line("Period", &plain(&period))?;
    lines.line("Time zone", table.zone.name())?;
    lines.optional("Only", table.only.as_deref())?;
    if let Some(compared) = &table.compared {
        lines.line("Compared with", &compared.words)?;
        for (window, reason) in &compared.left_out {
            let window = plain(&locale.window(*window, &table.zone));
            lines.line("Left out", &format!("{window}: {reason}"))?;
        }
    }
    for column in &Layout::new(table, 0)?.columns {
        let of = &table.columns[column.of];
        if let (Kind::Goal, Some(goal)) = (column.kind, of.goal) {
            lines.line("Goal", &format!("{} {}", of.name, goal.0))?;
        }
    }
    let count = |n: usize| plain(&locale.integer(n as i64));
    let here = (table.rows.len() + table.rest.len()).min(rows_max);
    let rows = match in_all(table) {
        all if all > here => format!("the first {} of {}", count(here), count(all)),
        all => count(all),
    };
    lines.line("Rows", &rows)?;
    lines.line("Records counted", &count(table.records as usize))?;
    if table.truncated {
        lines.line("Bound", "More rows exist than are read; totals are of those read.")?;
    }
    for sentence in &table.coverage {
        lines.line("Coverage", sentence)?;
    }
    let complete = match table.complete_to {
        Some(at) => {
            let civil = table.zone.civil(at).format("%Y-%m-%d %H:%M:%S");
            format!("{civil}, {}", table.zone.name())
        }
        None => "not known: a dataset has never been pulled".to_owned(),
    };
    lines.line("Data complete to", &complete)?;
    lines.optional("Provisional", table.provisional.as_deref())?;
    let drill = table.drill.as_deref().filter(|drill| drill.starts_with("https://"));
    lines.optional("Records", drill)
}

/// Lines of a name and a text.
struct Lines<'p> {
    page: &'p mut Worksheet,
    row: u32,
}

impl Lines<'_> {
    fn title(&mut self, words: &str) -> Result<(), SheetError> {
        let style = Style::new().set_bold().set_font_size(16);
        self.page.write_string_with_format(self.row, 0, text(words), &style)?;
        self.row += 1;
        Ok(())
    }

    /// The question, with a way to its sheet.
    fn heading(&mut self, sheet: Option<&str>, question: &str) -> Result<(), SheetError> {
        let style = Style::new().set_bold().set_font_size(12).set_text_wrap();
        self.page.write_string_with_format(self.row, 1, text(question), &style)?;
        if let Some(sheet) = sheet {
            let way = Url::new(format!("internal:'{sheet}'!A1"));
            self.page.write_url_with_text(self.row, 0, way, sheet)?;
        }
        self.row += 1;
        Ok(())
    }

    fn line(&mut self, name: &str, words: &str) -> Result<(), SheetError> {
        let top = Style::new().set_align(FormatAlign::Top);
        let grey = top.clone().set_font_color(0x55_55_55);
        self.page.write_string_with_format(self.row, 0, name, &grey)?;
        self.page.write_string_with_format(self.row, 1, text(words), &top.set_text_wrap())?;
        self.row += 1;
        Ok(())
    }

    fn optional(&mut self, name: &str, words: Option<&str>) -> Result<(), SheetError> {
        words.map_or(Ok(()), |words| self.line(name, words))
    }
}
