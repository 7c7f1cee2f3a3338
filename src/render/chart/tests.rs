//! Pictures of tables with the awkward cases real records have.

use chrono::TimeDelta;
use resvg::tiny_skia::Pixmap;
use resvg::usvg::roxmltree;

use super::super::format;
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
mod property;

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

/// What a picture's SVG holds.
struct Seen {
    /// Texts with the place and width they take.
    texts: Vec<(String, f64, f64)>,
    /// Colours of filled rectangles, in order.
    fills: Vec<String>,
    /// How many lines through points there are.
    lines: usize,
    dots: usize,
    /// Whether there is a line of dashes besides the one in the heading.
    goal: bool,
    height: u32,
    alt: String,
}

impl Seen {
    #[track_caller]
    fn of(table: &Table) -> Seen {
        Seen::told(document(table, gb(), None).expect("it can be drawn"))
    }

    fn told(document: Document) -> Seen {
        let tree = roxmltree::Document::parse(&document.svg).expect("it is XML");
        for attribute in tree.descendants().flat_map(|node| node.attributes()) {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{attribute:?}");
        }
        let all = |name: &'static str| tree.descendants().filter(move |n| n.has_tag_name(name));
        let number = |node: roxmltree::Node<'_, '_>, name: &str| -> f64 {
            node.attribute(name).and_then(|text| text.parse().ok()).expect("a number")
        };
        let texts = all("text").map(|node| {
            let text = node.text().unwrap_or_default().to_owned();
            let weight = match node.attribute("font-weight") {
                Some("600") => font::Weight::Bold,
                _ => font::Weight::Regular,
            };
            let wide = font::width(&text, number(node, "font-size"), weight);
            let x = match node.attribute("text-anchor") {
                Some("end") => number(node, "x") - wide,
                Some("middle") => number(node, "x") - wide / 2.0,
                _ => number(node, "x"),
            };
            (text, x, wide)
        });
        let fills = all("rect").filter_map(|node| node.attribute("fill")).map(str::to_owned);
        let lines = all("path").filter(|node| node.attribute("fill") == Some("none")).count();
        let dashes = all("path").filter(|node| node.attribute("stroke-dasharray").is_some());
        Seen {
            texts: texts.collect(),
            fills: fills.collect(),
            lines,
            dots: all("circle").count(),
            goal: dashes.count() > 1,
            height: document.height,
            alt: document.alt.clone(),
        }
    }

    fn has(&self, text: &str) -> bool {
        self.texts.iter().any(|(shown, ..)| format::plain(shown) == text)
    }
}

#[test]
fn what_is_seen_is_told_in_words() {
    #[track_caller]
    fn check(table: &Table, expected: &str) {
        assert_eq!(format::plain(&Seen::of(table).alt), expected);
    }
    check(
        &channels(),
        "Bars: Sessions by Channel. Largest Web chat 1,204, then WhatsApp EMEA 806 and Facebook \
         Messenger 412; 6 channels in all.",
    );
    check(&bars(&[("Web chat", int(12))]), "Bars: Sessions by Channel. Only Web chat 12.");
    check(
        &bars(&[("Web chat", int(0)), ("SMS", int(0))]),
        "Bars: Sessions by Channel. All 2 channels are 0.",
    );
    check(
        &week(),
        "Line: Sessions by day, from 120 on Mon 16 Nov to 180 on Sun 22 Nov, highest 210 on Thu \
         19 Nov.",
    );
    check(
        &gaps(),
        "Line: Answered in time by day, from 95.0% on Mon 16 Nov to 97.0% on Fri 27 Nov, highest \
         98.5% on Mon 23 Nov; 4 of 12 without a value.",
    );
    check(
        &by_day(&[None, Some(12.0)]),
        "Line: Sessions by day, only 12 on Tue 17 Nov; 1 of 2 without a value.",
    );
    check(
        &stacked(),
        "Stacked bars: Agent, Bot, then agent and Bot alone by Channel. Largest Web chat 1,204 \
         (Agent 640, Bot, then agent 320, Bot alone 244), then WhatsApp EMEA 806 and Facebook \
         Messenger 412; 4 channels in all.",
    );
    check(
        &histogram(),
        "Histogram: Sessions by Wait. Largest 60 to < 300 512, then 30 to < 60 377 and < 30 120; \
         6 ranges in all.",
    );
}

#[test]
fn without_anything_to_draw_there_is_no_picture() {
    #[track_caller]
    fn check(table: Table) {
        assert_eq!(draw(&table, gb(), None), None);
    }
    check(Table { chart: None, ..channels() });
    check(bars(&[]));
    check(bars(&[("Web chat", Value::Null), ("SMS", text("12"))]));
    check(bars(&[("Web chat", Value::Real(f64::MAX))]));
    let named =
        |values: &[usize], by| Some(Chart { kind: ChartKind::Bars, values: values.to_vec(), by });
    check(Table { chart: named(&[1], 9), ..channels() });
    check(Table { chart: named(&[9], 0), ..channels() });
    check(Table { chart: named(&[], 0), ..channels() });
}

#[test]
fn marks_values_and_goals_are_written_on_the_picture() {
    let seen = Seen::of(&goal());
    for text in
        ["Typical", "by Channel", "Web chat", "1 min 24 s", "3 min 20 s", "goal \u{2264} 2 min"]
    {
        assert!(seen.has(text), "{text} in {:?}", seen.texts);
    }
    assert!(seen.goal);
    let mut far = goal();
    far.columns[1].goal = Some(Goal("<= 12000".parse().unwrap()));
    assert!(!Seen::of(&far).goal, "a goal far off would leave the bars no room");
    let german = document(&waits(), Locale::named("de-DE"), None).expect("it can be drawn");
    assert!(Seen::told(german).has("1.204"));
}

#[test]
fn a_name_the_font_cannot_show_is_its_row_and_never_a_box() {
    let seen = Seen::of(&strange());
    assert!(seen.has("row 1") && seen.has("row 2") && seen.has("Launch"), "{:?}", seen.texts);
    assert!(seen.has("<script>&\"'"), "{:?}", seen.texts);
    assert!(seen.alt.contains("微信客服"), "{}", seen.alt);
    for (name, table) in gallery() {
        for (text, ..) in Seen::of(&table).texts {
            assert!(text.chars().all(font::shows), "{name}: {text}");
        }
    }
}

#[test]
fn rows_beyond_the_bound_are_one_bar_only_where_sums_are_proven() {
    let seen = Seen::of(&accounts());
    let rest = palette::REST.to_string();
    assert!(seen.has("Others (967)") && seen.has("6,126"), "{:?}", seen.texts);
    assert_eq!(seen.fills.iter().filter(|fill| **fill == rest).count(), 1);
    assert_eq!(seen.fills.len(), 20);
    // Without a total nothing says that these values may be added.
    let seen = Seen::of(&Table { total: None, ..accounts() });
    assert!(seen.has("967 more in the table."), "{:?}", seen.texts);
    assert!(!seen.fills.contains(&rest));
    assert!(seen.alt.ends_with("967 more in the table."), "{}", seen.alt);
    // What `top` left out was taken together by whoever counted it.
    let mut short = accounts();
    short.rows.truncate(10);
    let seen = Seen::of(&Table { total: None, ..short });
    assert!(seen.has("Others (961)") && seen.has("5,120"), "{:?}", seen.texts);
}

#[test]
fn a_gap_is_never_bridged() {
    // 2 before the first gap, one alone, 3 and 2: three lines and a dot; and a dot at the end.
    let seen = Seen::of(&gaps());
    assert_eq!((seen.lines, seen.dots), (3, 2));
    // A day without a row is a gap as one without a value is.
    let mut missing = week();
    missing.rows.remove(3);
    assert_eq!(Seen::of(&missing).lines, 2);
    assert_eq!(Seen::of(&week()).lines, 1);
    // The rows may come in any order.
    let mut reversed = gaps();
    reversed.rows.reverse();
    let svg = |table: &Table| document(table, gb(), None).map(|document| document.svg);
    assert_eq!(svg(&reversed), svg(&gaps()));
    let mut unsorted = histogram();
    unsorted.rows.rotate_left(2);
    assert_eq!(svg(&unsorted), svg(&histogram()));
}

#[test]
fn a_zone_has_its_own_days() {
    // The day's first instant is the evening before in UTC; clocks change on 25 October.
    let mut autumn = week();
    for (row, instant) in autumn.rows.iter_mut().zip([
        "2026-10-23T22:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
        "2026-10-26T23:00:00Z",
    ]) {
        row[0] = Value::Timestamp(at(instant));
    }
    autumn.rows.truncate(4);
    let seen = Seen::of(&autumn);
    assert_eq!(seen.lines, 1, "a day of 25 hours is no gap");
    assert!(seen.has("Tue 27 Oct"), "{:?}", seen.texts);
}

#[test]
fn the_largest_series_are_drawn_and_the_rest_is_told() {
    let names = ["A", "B", "C", "D", "E", "F", "G"];
    let mut columns = vec![column("*Channel", Type::Text, Format::Auto)];
    for name in names {
        columns.push(column(name, Type::Integer, Format::Auto));
    }
    let row = |name: &str| {
        let mut row = vec![text(name)];
        row.extend([1, 20, 3, 40, 50, 60, 7].map(int));
        row
    };
    let of = |kind| Table {
        chart: Some(Chart { kind, values: (1..8).collect(), by: 0 }),
        ..table("r", "How many?", columns.clone(), vec![row("x"), row("y")])
    };
    let seen = Seen::of(&of(ChartKind::Stacked));
    for text in ["B", "D", "E", "F", "Others (3)", "181"] {
        assert!(seen.has(text), "{text} in {:?}", seen.texts);
    }
    let seen = Seen::of(&of(ChartKind::Line));
    assert!(seen.has("G") && !seen.has("A") && !seen.has("C"), "{:?}", seen.texts);
    assert!(seen.has("2 more in the table."), "{:?}", seen.texts);
    let seen = Seen::of(&of(ChartKind::Bars));
    assert!(seen.has("2 more columns in the table."), "{:?}", seen.texts);
}

#[test]
fn a_pivoted_table_is_drawn_by_the_measure_that_is_named() {
    let mut columns = vec![column("*Channel", Type::Text, Format::Auto)];
    for pivot in ["Agent", "Bot", "Total"] {
        for name in ["Sessions", "Users"] {
            let mut column = column(&format!("{pivot}: {name}"), Type::Integer, Format::Auto);
            column.pivot = Some(pivot.to_owned());
            columns.push(column);
        }
    }
    let row = vec![text("Web chat"), int(1), int(20), int(2), int(30), int(3), int(50)];
    let table = Table {
        chart: Some(Chart { kind: ChartKind::Stacked, values: vec![2], by: 0 }),
        ..table("r", "How many?", columns, vec![row])
    };
    let seen = Seen::of(&table);
    for text in ["Users", "Agent", "Bot", "20", "30", "50"] {
        assert!(seen.has(text), "{text} in {:?}", seen.texts);
    }
    assert!(seen.alt.starts_with("Stacked bars: Users by Channel."), "{}", seen.alt);
}

#[test]
fn earlier_values_beside_the_rows_become_lines() {
    let seen = Seen::of(&trend());
    assert_eq!(seen.lines, 5);
    for text in ["Web chat", "1,204", "last 7 days", "7 periods before", "1 more in the table."] {
        assert!(seen.has(text), "{text} in {:?}", seen.texts);
    }
}

#[test]
fn a_companys_colour_is_that_of_the_first_series() {
    let fills = |accent| {
        let document = document(&channels(), gb(), accent).expect("it can be drawn");
        Seen::told(document).fills
    };
    assert!(fills(Some("#b00020")).iter().all(|fill| fill == "#B00020"));
    assert_eq!(fills(Some("#\"/><image")), fills(None));
}
