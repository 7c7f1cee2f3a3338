//! XLSX, for people: see [`super::xlsx`].

use std::collections::BTreeMap;

use rust_xlsxwriter::{
    ConditionalFormatCell, ConditionalFormatCellRule, DocProperties, ExcelDateTime,
    Format as Style, Sparkline, Table as TableObject, TableColumn, TableStyle, Url, Workbook,
    Worksheet,
};

use super::SheetError;
use super::layout::{Kind, Layout};
use crate::domain::goal::{Goal, GoalState};
use crate::domain::rule::Op;
use crate::domain::table::{Section, Table};
use crate::domain::value::Value;
use crate::render::digest::DigestMail;
use crate::render::format::clean;

mod about;
mod cells;
mod chart;

use cells::{Measure, SECONDS_A_DAY, Scale, text};

/// Rows of a sheet, the heading, the total and a free one included.
const ROWS_MAX: usize = 1_048_576 - 8;
/// Columns of a sheet.
const COLUMNS_MAX: usize = 16_000;
/// Rows whose cells are measured for the widths.
const MEASURED_ROWS: usize = 300;
/// Links of a sheet: a spreadsheet refuses files with more than 65,530.
const LINKS_MAX: usize = 60_000;

pub(super) fn written(mail: &DigestMail, rows_max: usize) -> Result<Vec<u8>, SheetError> {
    let mut book = Workbook::new();
    // The only clock in the file; the slot has one answer.
    let created = ExcelDateTime::from_timestamp(mail.planned_at.timestamp())?;
    let properties = DocProperties::new()
        .set_title(text(&mail.name))
        .set_author("postrider")
        .set_comment(text(&format!("Run {}", mail.run)))
        .set_creation_datetime(&created);
    book.set_properties(&properties);
    let sheets = sheet_names(mail);
    let kept = rows_max.min(ROWS_MAX);
    about::write(book.add_worksheet(), mail, &sheets, kept)?;
    for (at, (section, sheet)) in mail.sections.iter().zip(&sheets).enumerate() {
        if let (Section::Table(table), Some(sheet)) = (section, sheet) {
            let page = book.add_worksheet();
            page.set_name(sheet)?;
            let layout = Layout::new(table, kept)?;
            Page { layout, sheet, number: at + 1, accent: mail.look.accent.as_deref() }
                .write(page)?;
        }
    }
    Ok(book.save_to_buffer()?)
}

/// A sheet name for each table: its report's name, unique, without what a spreadsheet forbids.
fn sheet_names(mail: &DigestMail) -> Vec<Option<String>> {
    let mut taken = vec!["about".to_owned(), "history".to_owned()];
    let named = |section: &Section| match section {
        Section::Table(table) => Some(table.report.clone()),
        Section::Failed { .. } => None,
    };
    let names = mail.sections.iter().map(named);
    let free = |name: String| {
        let kept: String = clean(&name)
            .chars()
            .map(|c| if "[]:*?/\\'".contains(c) || c.is_control() { '-' } else { c })
            .collect();
        let kept = if kept.trim().is_empty() { "Report".to_owned() } else { kept };
        let mut found = cut(&kept, 31);
        for number in 2.. {
            if !taken.contains(&found.to_lowercase()) {
                break;
            }
            let tail = format!(" ({number})");
            found = format!("{}{tail}", cut(&kept, 31 - tail.len()));
        }
        taken.push(found.to_lowercase());
        found
    };
    let mut free = free;
    names.map(|name| name.map(&mut free)).collect()
}

/// At most so many UTF-16 units: that is how a spreadsheet counts.
fn cut(name: &str, units: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.len_utf16();
        used <= units
    };
    name.chars().take_while(fits).collect::<String>().trim().to_owned()
}

/// The sheet of one table.
struct Page<'a> {
    layout: Layout<'a>,
    sheet: &'a str,
    /// Of the report in the digest, from 1.
    number: usize,
    accent: Option<&'a str>,
}

impl Page<'_> {
    fn write(&self, page: &mut Worksheet) -> Result<(), SheetError> {
        let table = self.layout.table;
        let columns: Vec<Measure> = self.measures();
        let rows = self.layout.len() as u32;
        let last = columns.len().saturating_sub(1) as u16;
        for (at, column) in (0..).zip(&columns) {
            page.write_string_with_format(0, at, &column.heading, &heading())?;
            page.set_column_width(at, column.width())?;
        }
        let mut links = 0;
        for (at, row) in (1..).zip(self.layout.rows()) {
            for (column, measure) in (0..).zip(&columns) {
                let cell = self.layout.cell(&measure.of, row);
                let link = super::layout::link(row.1, measure.of.of).filter(|_| links < LINKS_MAX);
                match (link, measure.of.kind) {
                    (Some(link), Kind::Value) => {
                        links += 1;
                        let words = measure.words(&cell, &table.zone);
                        page.write_url_with_text(at, column, Url::new(link), &words)?;
                    }
                    _ => measure.write(page, at, column, &cell, &table.zone)?,
                }
            }
        }
        if rows > 0 && !columns.is_empty() {
            page.add_table(0, 0, rows, last, &self.object(&columns))?;
            self.goals(page, &columns, rows)?;
            self.sparklines(page, &columns, rows)?;
            chart::insert(page, &self.layout, self.sheet, &columns, self.accent)?;
        }
        self.foot(page, &columns, rows)?;
        let names = columns.iter().take_while(|column| self.names_row(column)).count();
        page.set_freeze_panes(1, names.min(3) as u16)?;
        page.set_landscape().set_print_fit_to_pages(1, 0);
        page.set_repeat_rows(0, 0)?;
        Ok(())
    }

    fn names_row(&self, column: &Measure) -> bool {
        column.of.kind == Kind::Value && self.layout.column(&column.of).grouping
    }

    /// The sheet's columns: links are on the cells, so they need none of their own.
    fn measures(&self) -> Vec<Measure> {
        let columns = self.layout.columns.iter().filter(|column| column.kind != Kind::Link);
        let mut measures: Vec<Measure> = columns
            .take(COLUMNS_MAX)
            .map(|column| {
                let cells = || self.layout.rows().map(|row| self.layout.cell(column, row));
                Measure::new(column.clone(), self.layout.column(column), cells())
            })
            .collect();
        for measure in &mut measures {
            let rows = self.layout.rows().take(MEASURED_ROWS);
            for row in rows {
                let cell = self.layout.cell(&measure.of, row);
                measure.widen(&cell, &self.layout.table.zone);
            }
        }
        measures
    }

    /// The table object: sorting, filtering, pivoting and growing come with it.
    fn object(&self, columns: &[Measure]) -> TableObject {
        let columns: Vec<TableColumn> = columns
            .iter()
            .map(|column| {
                TableColumn::new().set_header(&column.heading).set_header_format(heading())
            })
            .collect();
        TableObject::new()
            .set_name(format!("report_{}", self.number))
            .set_style(TableStyle::Light1)
            .set_columns(&columns)
    }

    /// Goals: the word stands in the column beside it, the colour helps to find it.
    fn goals(
        &self,
        page: &mut Worksheet,
        columns: &[Measure],
        rows: u32,
    ) -> Result<(), SheetError> {
        for (at, measure) in (0..).zip(columns) {
            let Some(goal) = self.layout.column(&measure.of).goal else { continue };
            if measure.of.kind != Kind::Value || !columns.iter().any(|c| c.is_goal_of(measure)) {
                continue;
            }
            for state in [GoalState::Missed, GoalState::Met] {
                page.add_conditional_format(1, at, rows, at, &rule(goal, state, measure.scale))?;
            }
        }
        Ok(())
    }

    fn sparklines(
        &self,
        page: &mut Worksheet,
        columns: &[Measure],
        rows: u32,
    ) -> Result<(), SheetError> {
        let is_trend = |column: &&Measure| matches!(column.of.kind, Kind::Trend(_));
        let (Some(first), Some(last)) = (
            columns.iter().position(|column| is_trend(&column)),
            columns.iter().rposition(|column| is_trend(&column)),
        ) else {
            return Ok(());
        };
        let at = columns.len() as u16;
        page.write_string_with_format(0, at, "Trend", &heading())?;
        for row in 1..=rows {
            let range = (self.sheet, row, first as u16, row, last as u16);
            page.add_sparkline(row, at, &Sparkline::new().set_range(range))?;
        }
        Ok(())
    }

    /// `Others` and the total, below the table and outside it.
    fn foot(&self, page: &mut Worksheet, columns: &[Measure], rows: u32) -> Result<(), SheetError> {
        let table = self.layout.table;
        let mut at = rows + 2;
        if let Some(others) = &table.others {
            let words = format!("Others ({})", others.rows);
            self.foot_row(page, columns, at, &words, others.values.as_deref(), None)?;
            at += 1;
        }
        if let Some(total) = &table.total {
            let beside = table.beside_total.as_ref();
            self.foot_row(page, columns, at, "Total", Some(total), beside)?;
        }
        Ok(())
    }

    fn foot_row(
        &self,
        page: &mut Worksheet,
        columns: &[Measure],
        at: u32,
        words: &str,
        values: Option<&[Value]>,
        beside: Option<&crate::domain::compare::Beside>,
    ) -> Result<(), SheetError> {
        let table = self.layout.table;
        // The words take a cell that has no value: that of a group, or one behind the last.
        let free = values.and_then(|values| values.first()).is_none_or(Value::is_null);
        let label = if free { 0 } else { columns.len() as u16 };
        page.write_string_with_format(at, label, words, &Style::new().set_bold())?;
        let Some(values) = values else { return Ok(()) };
        for (column, measure) in (0..).zip(columns) {
            let cell = self.layout.cell(&measure.of, (values, beside));
            if column != label {
                measure.bold().write(page, at, column, &cell, &table.zone)?;
            }
        }
        Ok(())
    }
}

fn heading() -> Style {
    Style::new().set_bold().set_text_wrap()
}

/// Colours the cells in a state of a goal.
fn rule(goal: Goal, state: GoalState, scale: Scale) -> ConditionalFormatCell {
    use ConditionalFormatCellRule as Rule;
    let than = match scale {
        Scale::Days => goal.0.than / SECONDS_A_DAY,
        Scale::Plain => goal.0.than,
    };
    let comparison = match state {
        GoalState::Met => goal.0,
        GoalState::Missed => goal.0.negation(),
    };
    let rule = match comparison.op {
        Op::Less => Rule::LessThan(than),
        Op::LessOrEqual => Rule::LessThanOrEqualTo(than),
        Op::Greater => Rule::GreaterThan(than),
        Op::GreaterOrEqual => Rule::GreaterThanOrEqualTo(than),
        Op::Equal => Rule::EqualTo(than),
        Op::Different => Rule::NotEqualTo(than),
    };
    let style = match state {
        GoalState::Met => Style::new().set_background_color(0xE3_F1_E5).set_font_color(0x1B_5E_20),
        GoalState::Missed => {
            Style::new().set_background_color(0xFB_E3_E1).set_font_color(0x9B_1C_1C).set_bold()
        }
    };
    ConditionalFormatCell::new().set_rule(rule).set_format(style)
}

/// How many rows each table has in all, by index of its section: those that no file has included.
pub(super) fn rows_in_all(mail: &DigestMail) -> BTreeMap<usize, usize> {
    let count = |(at, section): (usize, &Section)| match section {
        Section::Table(table) => Some((at, in_all(table))),
        Section::Failed { .. } => None,
    };
    mail.sections.iter().enumerate().filter_map(count).collect()
}

/// How many rows a table has, those behind `top` included.
pub(super) fn in_all(table: &Table) -> usize {
    let others = table.others.as_ref().map_or(0, |others| others.rows as usize);
    table.rows.len() + others.max(table.rest.len())
}
