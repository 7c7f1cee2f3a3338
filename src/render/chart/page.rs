//! What all pictures share: measures, inks, the heading and the notes.

use crate::domain::goal::Goal;
use crate::domain::report::Format;
use crate::render::format::Locale;
use crate::render::palette::{self, Colour};
use crate::render::words::change::sign;

use super::font::{self, Weight};
use super::plot::{Plot, Series};
use super::svg::{Anchor, Area, Ink, Sheet};

/// Width of every picture, in pixels as shown.
pub(super) const WIDTH: u32 = 600;
/// Free space around.
pub(super) const MARGIN: f64 = 16.0;
/// Size of names and values.
pub(super) const TEXT: f64 = 15.0;
/// Size of what stands at axes and below.
pub(super) const SMALL: f64 = 13.5;
/// Widest value.
const VALUE_MAX: f64 = 150.0;
/// Height of the heading with the space below it.
const HEADING: f64 = 36.0;
/// Height of a line of notes.
const NOTE: f64 = 21.0;

/// Names and values.
pub(super) const INK: Colour = Colour(0x1F, 0x29, 0x33);
/// What is of lesser weight.
pub(super) const MUTE: Colour = Colour(0x52, 0x60, 0x6D);
/// Hairlines.
pub(super) const LINE: Colour = Colour(0xE1, 0xE6, 0xEB);
/// The line that everything stands on.
pub(super) const BASE: Colour = Colour(0x9A, 0xA5, 0xB1);

/// What a picture looks like, whatever is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) locale: Locale,
    pub(super) colours: [Colour; 5],
}

impl Style {
    /// The colour of a series; of what is left over a grey.
    pub(super) fn colour(&self, plot: &Plot, series: usize) -> Colour {
        match plot.series.get(series) {
            Some(Series { others: true, .. }) => palette::REST,
            _ => self.colours[series % self.colours.len()],
        }
    }

    /// A value as the mail writes it; one that would be too wide by its power of ten.
    pub(super) fn value(&self, x: f64, format: Format) -> String {
        let text = self.locale.number(x, format);
        if font::width(&text, TEXT, Weight::Bold) <= VALUE_MAX {
            return text;
        }
        let sign = if x < 0.0 { "\u{2212}" } else { "" };
        format!("{sign}{:.2e}", x.abs()).replace('.', &self.decimal().to_string())
    }

    /// A value at an axis: as the mail writes it, but for a fraction that says nothing.
    pub(super) fn mark(&self, x: f64, format: Format) -> String {
        let text = self.value(x, format);
        if format != Format::Percent || text.contains('e') {
            return text;
        }
        text.replacen(&format!("{}0", self.decimal()), "", 1)
    }

    fn decimal(&self) -> char {
        // `0.5`: the sign behind the only digit of a whole.
        self.locale.decimals(0.5, 1).chars().nth(1).unwrap_or('.')
    }

    /// A goal in signs: `≤ 2 min`.
    pub(super) fn goal(&self, goal: Goal, format: Format) -> String {
        format!("{} {}", sign(goal.0.op), self.value(goal.0.than, format))
    }
}

/// An ink.
pub(super) fn ink(size: f64, weight: Weight, colour: Colour, anchor: Anchor) -> Ink {
    Ink { size, weight, colour, anchor }
}

/// The picture under work: a sheet and how far down it is filled.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) sheet: Sheet,
    pub(super) y: f64,
}

impl Page {
    /// A page with its heading: what is measured in bold, by what, and the goal where it can be
    /// drawn.
    pub(super) fn new(plot: &Plot, style: &Style, goal: Option<(Goal, Format)>) -> Page {
        let mut page = Page { sheet: Sheet::new(WIDTH), y: MARGIN };
        let (right, baseline) = (f64::from(WIDTH) - MARGIN, MARGIN + TEXT * 0.8);
        let mut room = right - MARGIN;
        if let Some((goal, format)) = goal {
            let text = format!("goal {}", style.goal(goal, format));
            let quiet = ink(SMALL, Weight::Regular, MUTE, Anchor::End);
            page.sheet.text((right, baseline), quiet, &text);
            let begin = right - font::width(&text, SMALL, Weight::Regular) - 6.0;
            let middle = baseline - SMALL * 0.36;
            page.sheet.dashes((begin - 18.0, middle), (begin, middle), INK);
            room = begin - 18.0 - 16.0 - MARGIN;
        }
        let measure = plot.measure.as_deref().and_then(font::showable).unwrap_or_default();
        let measure = font::cut(&measure, TEXT, Weight::Bold, room * 0.75);
        let bold = ink(TEXT, Weight::Bold, INK, Anchor::Start);
        page.sheet.text((MARGIN, baseline), bold, &measure);
        let begin = match measure.as_str() {
            "" => 0.0,
            measure => font::width(measure, TEXT, Weight::Bold) + 5.0,
        };
        if let Some(by) = font::showable(&plot.by) {
            let by = if measure.is_empty() { format!("By {by}") } else { format!("by {by}") };
            let by = font::cut(&by, TEXT, Weight::Regular, room - begin);
            let quiet = ink(TEXT, Weight::Regular, MUTE, Anchor::Start);
            page.sheet.text((MARGIN + begin, baseline), quiet, &by);
        }
        page.y += HEADING;
        page
    }

    /// Names of the series with their colours, on as many lines as they need.
    pub(super) fn legend(&mut self, plot: &Plot, style: &Style) {
        let right = f64::from(WIDTH) - MARGIN;
        let mut x = MARGIN;
        for (i, series) in plot.series.iter().enumerate() {
            let name = font::cut(&series.label(), SMALL, Weight::Regular, 240.0);
            let wide = 17.0 + font::width(&name, SMALL, Weight::Regular);
            if x > MARGIN && x + wide > right {
                x = MARGIN;
                self.y += NOTE;
            }
            let square = Area { x, y: self.y, width: 11.0, height: 11.0 };
            self.sheet.fill(square, style.colour(plot, i));
            let text = ink(SMALL, Weight::Regular, INK, Anchor::Start);
            self.sheet.text((x + 17.0, self.y + 10.0), text, &name);
            x += wide + 18.0;
        }
        self.y += NOTE + 4.0;
    }

    /// The document and its height, with the notes at its foot.
    pub(super) fn finish(mut self, plot: &Plot) -> (String, u32) {
        if !plot.notes.is_empty() {
            let text = plot.notes.join(" ");
            let room = f64::from(WIDTH) - 2.0 * MARGIN;
            let text = font::cut(&text, SMALL, Weight::Regular, room);
            let quiet = ink(SMALL, Weight::Regular, MUTE, Anchor::Start);
            self.sheet.text((MARGIN, self.y + SMALL), quiet, &text);
            self.y += NOTE;
        }
        let height = (self.y + MARGIN - 2.0).ceil() as u32;
        (self.sheet.finish(height), height)
    }
}
