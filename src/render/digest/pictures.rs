//! The pictures of a mail: its logo and its charts. One that cannot be drawn costs itself alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::domain::table::{Section, Table};

use super::super::Image;
use super::super::chart::{self, Drawing};
use super::super::format::{Locale, clipped};
use super::super::mail::{cid, file_len};
use super::super::view::{ChartView, Picture};
use super::{DigestMail, PICTURE_BYTES};

/// Charts take at most this part of the largest mail: its tables and files are worth more.
const SHARE: usize = 2;

/// The pictures, and for each section what became of its chart.
pub(super) fn pictures(mail: &DigestMail, locale: Locale) -> (Vec<Image>, Vec<ChartView>) {
    let mut images: Vec<Image> = mail.look.image().into_iter().collect();
    let mut left = PICTURE_BYTES.min(mail.bytes_max / SHARE);
    left = images.iter().fold(left, |left: usize, image: &Image| left.saturating_sub(sent(image)));
    let accent = mail.look.accent.as_deref();
    let charts = mail.sections.iter().enumerate().map(|(i, section)| {
        let Section::Table(table) = section else { return ChartView::None };
        match drawn(table, locale, accent) {
            Ok(None) => ChartView::None,
            Ok(Some(drawing)) => {
                let name = format!("chart-{}", i + 1);
                let bytes = file_len(&name, drawing.png.len());
                if bytes > left {
                    return ChartView::Lost("Its chart has no room in this mail.".to_owned());
                }
                left -= bytes;
                let picture = Picture {
                    src: cid(&name),
                    alt: clipped(&drawing.alt, 600),
                    width: drawing.width,
                    height: drawing.height,
                };
                images.push(Image { name, kind: "image/png", bytes: drawing.png });
                ChartView::Drawn(picture)
            }
            Err(()) => ChartView::Lost(format!(
                "The chart of \u{201c}{}\u{201d} could not be drawn; its figures are in the table.",
                clipped(&table.title, 80)
            )),
        }
    });
    let charts = charts.collect();
    (images, charts)
}

/// A picture's bytes as they are sent.
fn sent(image: &Image) -> usize {
    file_len(&image.name, image.bytes.len())
}

/// A table's chart. A defect in the drawing must not cost the mail.
fn drawn(table: &Table, locale: Locale, accent: Option<&str>) -> Result<Option<Drawing>, ()> {
    if table.chart.is_none() || table.rows.is_empty() {
        return Ok(None);
    }
    guarded(|| chart::draw(table, locale, accent))
}

fn guarded<T>(draw: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(draw)).map_err(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_that_panics_is_a_failed_drawing() {
        assert_eq!(guarded(|| -> u8 { panic!("a defect") }), Err(()));
        assert_eq!(guarded(|| 1), Ok(1));
    }
}
