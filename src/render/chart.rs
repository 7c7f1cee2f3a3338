//! Charts: a table's figures as a picture, made in process.
//!
//! Pure and the same everywhere: the font is part of the program, and nothing of the machine, the
//! network or the clock is looked at. A picture is opaque and light, whatever it lies on. It names
//! its marks and values directly; what it leaves out it says, and the table beside it has it all.

use crate::domain::chart::ChartKind;
use crate::domain::table::Table;

use super::format::Locale;
use super::palette;

mod alt;
mod bars;
mod course;
mod font;
mod histogram;
mod lines;
mod page;
mod picture;
mod plot;
mod scale;
mod spark;
mod stacked;
mod svg;
#[cfg(test)]
mod tests;

pub use course::{Course, course, course_svg};
pub use spark::{spark, spark_words};

use page::{Style, WIDTH};
use plot::Plot;

/// Highest picture, in pixels as shown. No table draws a higher one: rows and series are bounded.
pub const HEIGHT_MAX: u32 = 760;

/// A chart as a mail shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// PNG, opaque, at twice the size it is shown at.
    pub png: Vec<u8>,
    /// What is seen, in a sentence or two.
    pub alt: String,
    /// Width as shown, in pixels.
    pub width: u32,
    /// Height as shown, in pixels.
    pub height: u32,
}

/// Draws a table's chart; `None` where it has none, or nothing that can be drawn. `accent` is the
/// colour of the first series, `#rrggbb`.
pub fn draw(table: &Table, locale: Locale, accent: Option<&str>) -> Option<Drawing> {
    let Document { svg, height, alt } = document(table, locale, accent)?;
    let png = picture::png(&svg, WIDTH, height, palette::GROUND)?;
    Some(Drawing { png, alt, width: WIDTH, height })
}

/// A picture before it is pixels.
struct Document {
    svg: String,
    height: u32,
    alt: String,
}

fn document(table: &Table, locale: Locale, accent: Option<&str>) -> Option<Document> {
    let mut plot = Plot::of(table, table.chart.as_ref()?, locale)?;
    let style = Style { locale, colours: palette::series(accent) };
    let (svg, height) = match plot.kind {
        ChartKind::Bars => bars::draw(&mut plot, &style),
        ChartKind::Stacked => stacked::draw(&plot, &style),
        ChartKind::Line => lines::draw(&mut plot, &style),
        ChartKind::Histogram => histogram::draw(&plot, &style),
    };
    Some(Document { svg, height, alt: alt::words(&plot, &style) })
}
