//! The report's chart, as the spreadsheet's own: it follows the cells it is drawn from.

use rust_xlsxwriter::{Chart as Drawing, ChartLine, ChartSolidFill, ChartType, Color, Worksheet};

use super::cells::Measure;
use super::text;
use crate::domain::chart::ChartKind;
use crate::domain::table::Table;
use crate::render::sheet::SheetError;
use crate::render::sheet::layout::{Kind, Layout};

/// Rows that are drawn: more are not read by anybody.
const POINTS_MAX: usize = 100;
/// Columns that are drawn.
const SERIES_MAX: usize = 12;

/// Puts the table's chart beside it, if it has one and there is something to draw.
pub(super) fn insert(
    page: &mut Worksheet,
    layout: &Layout<'_>,
    sheet: &str,
    columns: &[Measure],
    accent: Option<&str>,
) -> Result<(), SheetError> {
    let table = layout.table;
    let Some(chart) = &table.chart else { return Ok(()) };
    let at = |of: usize| {
        let place = columns.iter().position(|c| c.of.of == of && c.of.kind == Kind::Value);
        place.map(|place| place as u16)
    };
    let drawn: Vec<u16> =
        values(table, &chart.values).into_iter().filter_map(at).take(SERIES_MAX).collect();
    let points = table.rows.len().min(layout.len()).min(POINTS_MAX) as u32;
    let (Some(by), false, true) = (at(chart.by), drawn.is_empty(), points > 0) else {
        return Ok(());
    };
    let mut drawing = Drawing::new(match chart.kind {
        ChartKind::Bars => ChartType::Bar,
        ChartKind::Stacked => ChartType::BarStacked,
        ChartKind::Line => ChartType::Line,
        ChartKind::Histogram => ChartType::Column,
    });
    for (number, column) in drawn.iter().enumerate() {
        let series = drawing.add_series();
        series
            .set_name((sheet, 0, *column))
            .set_categories((sheet, 1, by, points, by))
            .set_values((sheet, 1, *column, points, *column));
        if chart.kind == ChartKind::Histogram {
            series.set_gap(10);
        }
        if let (0, Some(colour)) = (number, accent.and_then(colour)) {
            match chart.kind {
                ChartKind::Line => series.set_format(ChartLine::new().set_color(colour)),
                _ => series.set_format(ChartSolidFill::new().set_color(colour)),
            };
        }
    }
    // A name that begins with `=`, or ends like `Sheet!A1`, would be read as a range of cells.
    let title = text(&table.title);
    drawing.title().set_name(format!("{} ", title.trim_start_matches(['=', ' '])).as_str());
    if drawn.len() == 1 {
        drawing.legend().set_hidden();
    }
    if matches!(chart.kind, ChartKind::Bars | ChartKind::Stacked) {
        // The first row on top, as in the table.
        drawing.x_axis().set_reverse();
    }
    drawing.set_width(640).set_height(360).set_alt_text(&title);
    page.insert_chart(1, columns.len() as u16 + 2, &drawing)?;
    Ok(())
}

/// The columns that are drawn: all that came of a pivot, its totals left out.
fn values(table: &Table, of: &[usize]) -> Vec<usize> {
    let pivoted = |column: &crate::domain::table::Column| {
        column.numeric && column.pivot.as_deref().is_some_and(|value| value != "Total")
    };
    let all = table.columns.iter().enumerate();
    let found: Vec<usize> = all.filter(|(_, column)| pivoted(column)).map(|(at, _)| at).collect();
    if found.is_empty() { of.to_vec() } else { found }
}

fn colour(accent: &str) -> Option<Color> {
    let digits = accent.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    u32::from_str_radix(digits, 16).ok().map(Color::RGB)
}
