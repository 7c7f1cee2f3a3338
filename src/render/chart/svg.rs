//! SVG by hand: a sheet onto which shapes and texts are put.
//!
//! Whatever a record holds can only become text: every text is escaped here, colours are numbers,
//! and nothing refers to anything outside.

use std::fmt::Write as _;

use crate::render::palette::Colour;

use super::font::Weight;

/// A sheet of paper, in pixels as shown.
#[derive(Debug)]
pub(super) struct Sheet {
    width: u32,
    body: String,
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) colour: Colour,
    pub(super) anchor: Anchor,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Sheet {
    pub(super) fn new(width: u32) -> Sheet {
        Sheet { width, body: String::new() }
    }

    /// A filled rectangle; without area nothing is drawn.
    pub(super) fn fill(&mut self, area: Area, colour: Colour) {
        let Area { x, y, width, height } = area;
        if width <= 0.0 || height <= 0.0 {
            return;
        }
        self.put(format_args!(
            r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" fill="{colour}"/>"#
        ));
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: Colour) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!(
            r#"<path d="M{x1:.2} {y1:.2}L{x2:.2} {y2:.2}" stroke="{colour}" stroke-width="{width}"/>"#
        ));
    }

    /// A straight line of dashes: what should be, not what is.
    pub(super) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!(
            r#"<path d="M{x1:.2} {y1:.2}L{x2:.2} {y2:.2}" stroke="{colour}" stroke-width="1.5" stroke-dasharray="4 3"/>"#
        ));
    }

    /// A line through points.
    pub(super) fn through(&mut self, points: &[(f64, f64)], colour: Colour) {
        if points.len() < 2 {
            return;
        }
        let mut path = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let command = if i == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{x:.2} {y:.2}");
        }
        self.put(format_args!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.25" stroke-linejoin="round" stroke-linecap="round"/>"#
        ));
    }

    /// A dot, with a rim that keeps it apart from what it lies on.
    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, colour: Colour, rim: Colour) {
        let (x, y) = at;
        self.put(format_args!(
            r#"<circle cx="{x:.2}" cy="{y:.2}" r="{radius}" fill="{colour}" stroke="{rim}" stroke-width="1.5"/>"#
        ));
    }

    /// A text on its baseline.
    pub(super) fn text(&mut self, at: (f64, f64), ink: Ink, text: &str) {
        if text.is_empty() {
            return;
        }
        let (x, y) = at;
        let Ink { size, weight, colour, anchor } = ink;
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (family, number, text) = (weight.family(), weight.number(), escaped(text));
        self.put(format_args!(
            r#"<text x="{x:.2}" y="{y:.2}" font-family="{family}" font-weight="{number}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    /// The whole document, so high.
    pub(super) fn finish(self, height: u32) -> String {
        let Sheet { width, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">{body}</svg>"
        )
    }

    fn put(&mut self, shape: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(shape);
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_never_becomes_markup() {
        let mut sheet = Sheet::new(600);
        let ink = Ink {
            size: 14.0,
            weight: Weight::Regular,
            colour: Colour(0, 0, 0),
            anchor: Anchor::Start,
        };
        let text = "</text><image href='http://x/'/>&amp;\u{7}\"";
        sheet.text((0.0, 0.0), ink, text);
        let svg = sheet.finish(10);
        let tree = resvg::usvg::roxmltree::Document::parse(&svg).unwrap();
        let elements = tree.descendants().filter(|node| node.is_element());
        let names: Vec<_> = elements.map(|node| node.tag_name().name()).collect();
        assert_eq!(names, ["svg", "text"]);
        let read =
            tree.descendants().find_map(|node| node.is_text().then(|| node.text())).flatten();
        assert_eq!(read, Some(text.replace('\u{7}', " ").as_str()));
    }
}
