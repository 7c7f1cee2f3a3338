//! Pictures of tables with the awkward cases real records have.

use chrono::TimeDelta;
use resvg::tiny_skia::Pixmap;

use super::*;
use crate::domain::chart::Chart;
use crate::domain::compare::Beside;
use crate::domain::expr::Unit;
use crate::domain::goal::Goal;
use crate::domain::report::Format;
use crate::domain::table::Others;
use crate::domain::value::{Type, Value};
use crate::render::tests::fixtures::{at, column, table, text};

mod gallery;

use gallery::*;

fn gb() -> Locale {
    Locale::named("en-GB")
}

#[track_caller]
fn drawn(table: &Table) -> Drawing {
    draw(table, gb(), None).expect("it can be drawn")
}

fn pixels(drawing: &Drawing) -> Pixmap {
    Pixmap::decode_png(&drawing.png).expect("it is a PNG")
}

#[test]
fn every_picture_is_opaque_of_its_size_and_the_same_each_time() {
    for (name, table) in gallery() {
        let drawing = drawn(&table);
        let picture = pixels(&drawing);
        assert_eq!((picture.width(), picture.height()), (1200, drawing.height * 2), "{name}");
        assert_eq!((drawing.width, drawing.height <= HEIGHT_MAX), (600, true), "{name}");
        assert!(picture.pixels().iter().all(|pixel| pixel.alpha() == 255), "{name}");
        // Colour type 3: a palette, and no transparency beside it.
        assert_eq!(drawing.png[25], 3, "{name}");
        assert!(!drawing.png.windows(4).any(|chunk| chunk == b"tRNS"), "{name}");
        // Light all around, whatever lies in the middle.
        let (right, bottom) = (picture.width() - 1, picture.height() - 1);
        for (x, y) in [(0, 0), (right, 0), (0, bottom), (right, bottom)] {
            let corner = picture.pixel(x, y).unwrap();
            assert_eq!((corner.red(), corner.green(), corner.blue()), (0xFE, 0xFE, 0xFE));
        }
        assert!(drawing.png.len() < 60_000, "{name}: {} bytes", drawing.png.len());
        assert_eq!(drawn(&table), drawing, "{name}");
        assert!(drawing.alt.chars().count() <= 300, "{name}: {}", drawing.alt);
    }
}
