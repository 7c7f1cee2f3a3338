//! Lines along time or another order. What has no value has no line: a gap is never bridged. The
//! last value of each line stands at its end, with the line's name where there are several.

use crate::domain::report::Format;
use crate::render::palette::GROUND;

use super::font::{self, Weight};
use super::page::{BASE, INK, LINE, MARGIN, MUTE, Page, SMALL, Style, TEXT, WIDTH, ink};
use super::plot::{Axis, Plot};
use super::scale::Scale;
use super::svg::Anchor;

/// Height of the lines' field.
const TALL: f64 = 190.0;
/// Names at the ends take no more than this.
const ENDS_MAX: f64 = 170.0;
/// Between two names at the ends.
const END_PITCH: f64 = 19.0;
/// What stands for no value.
const NONE: &str = "\u{2013}";

/// Where the lines are.
struct Field {
    left: f64,
    right: f64,
    top: f64,
    scale: Scale,
    first: f64,
    last: f64,
}

impl Field {
    fn x(&self, at: f64) -> f64 {
        match self.first < self.last {
            true => {
                self.left + (at - self.first) / (self.last - self.first) * (self.right - self.left)
            }
            // A point alone is the last one.
            false => self.right,
        }
    }

    fn y(&self, value: f64) -> f64 {
        self.top + (1.0 - self.scale.at(value)) * TALL
    }

    fn bottom(&self) -> f64 {
        self.top + TALL
    }
}

/// The end of a line: where it is, and what stands there.
struct End {
    series: usize,
    at: (f64, f64),
    name: String,
    value: String,
    /// Where the text stands, which is beside the line or a little off.
    y: f64,
}

/// Draws the lines.
pub(super) fn draw(plot: &Plot, style: &Style) -> (String, u32) {
    let format = plot.series[0].format;
    let goal = plot.series[0].goal.filter(|goal| {
        let alike = plot.series.iter().all(|series| series.goal == Some(*goal));
        let most = (0..plot.series.len()).flat_map(|i| plot.values(i));
        alike && goal.0.than.abs() <= most.fold(0.0, |m: f64, x| m.max(x.abs())) * 2.5
    });
    let mut values: Vec<f64> = (0..plot.series.len()).flat_map(|i| plot.values(i)).collect();
    values.extend(goal.map(|goal| goal.0.than));
    let (scale, ticks) = Scale::of_line(&values, format);
    let texts: Vec<String> = ticks.iter().map(|tick| style.mark(*tick, format)).collect();
    let wide = texts.iter().map(|text| font::width(text, SMALL, Weight::Regular));
    let left = MARGIN + wide.fold(0.0, f64::max) + 12.0;

    let mut page = Page::new(plot, style, goal.map(|goal| (goal, format)));
    let mut ends: Vec<End> = (0..plot.series.len()).map(|i| end(plot, style, i)).collect();
    let taken = ends.iter().map(End::width).fold(0.0, f64::max);
    let place = |get: fn(f64, f64) -> f64, start: f64| {
        plot.marks.iter().map(|mark| mark.at).fold(start, get)
    };
    let field = Field {
        left,
        right: f64::from(WIDTH) - MARGIN - taken - 12.0,
        top: page.y + 6.0,
        scale,
        first: place(f64::min, f64::INFINITY),
        last: place(f64::max, f64::NEG_INFINITY),
    };
    for (tick, text) in ticks.iter().zip(&texts) {
        let y = field.y(*tick);
        let colour = if *tick == 0.0 { BASE } else { LINE };
        page.sheet.line((field.left, y), (field.right, y), 1.0, colour);
        let quiet = ink(SMALL, Weight::Regular, MUTE, Anchor::End);
        page.sheet.text((field.left - 9.0, y + SMALL * 0.36), quiet, text);
    }
    if let Some(goal) = goal {
        let y = field.y(goal.0.than);
        page.sheet.dashes((field.left, y), (field.right, y), INK);
    }
    for series in (0..plot.series.len()).rev() {
        line(&mut page, plot, style, &field, series);
    }
    place_ends(&mut page, plot, style, &field, &mut ends);
    page.y = field.bottom();
    names(&mut page, plot, &field);
    page.finish(plot)
}

/// One line, in pieces where values are missing; a value alone is a dot.
fn line(page: &mut Page, plot: &Plot, style: &Style, field: &Field, series: usize) {
    let colour = style.colour(plot, series);
    let step = match plot.axis {
        Axis::Time { step } => step * 1.01,
        Axis::Order | Axis::Instants => f64::INFINITY,
    };
    let mut piece: Vec<(f64, f64)> = Vec::new();
    let mut last: Option<f64> = None;
    for mark in &plot.marks {
        let joined = last.is_some_and(|last| mark.at - last <= step);
        let value = mark.value(series);
        if !joined || value.is_none() {
            finish(page, &mut piece, colour);
        }
        if let Some(value) = value {
            piece.push((field.x(mark.at), field.y(value)));
        }
        last = Some(mark.at);
    }
    finish(page, &mut piece, colour);
}

fn finish(page: &mut Page, piece: &mut Vec<(f64, f64)>, colour: crate::render::palette::Colour) {
    match piece.as_slice() {
        [one] => page.sheet.dot(*one, 3.0, colour, GROUND),
        points => page.sheet.through(points, colour),
    }
    piece.clear();
}

/// The end of a line: its last value, and none where its last mark has none.
fn end(plot: &Plot, style: &Style, series: usize) -> End {
    let format: Format = plot.series[series].format;
    let known = plot.marks.iter().rev().find_map(|mark| Some((mark.at, mark.value(series)?)));
    let last = plot.marks.last().and_then(|mark| mark.value(series));
    let value = last.map_or_else(|| NONE.to_owned(), |x| style.value(x, format));
    let room = ENDS_MAX - font::width(&value, SMALL, Weight::Bold) - 6.0;
    let name = match plot.series.len() {
        1 => String::new(),
        _ => font::cut(&plot.series[series].label(), SMALL, Weight::Regular, room.max(30.0)),
    };
    End { series, at: known.unwrap_or((f64::NAN, f64::NAN)), name, value, y: 0.0 }
}

impl End {
    fn width(&self) -> f64 {
        let gap = if self.name.is_empty() { 0.0 } else { 5.0 };
        let name = font::width(&self.name, SMALL, Weight::Regular);
        name + gap + font::width(&self.value, self.size(), Weight::Bold)
    }

    fn size(&self) -> f64 {
        if self.name.is_empty() { TEXT } else { SMALL }
    }
}

/// Dots at the ends, and texts beside them, pushed apart where they would lie on one another.
fn place_ends(page: &mut Page, plot: &Plot, style: &Style, field: &Field, ends: &mut Vec<End>) {
    ends.retain(|end| end.at.0.is_finite());
    for end in ends.iter_mut() {
        end.at = (field.x(end.at.0), field.y(end.at.1));
        end.y = end.at.1;
    }
    ends.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.series.cmp(&b.series)));
    let mut least = field.top;
    for end in ends.iter_mut() {
        end.y = end.y.max(least);
        least = end.y + END_PITCH;
    }
    let mut most = field.bottom();
    for end in ends.iter_mut().rev() {
        end.y = end.y.min(most);
        most = end.y - END_PITCH;
    }
    for end in ends.iter() {
        let colour = style.colour(plot, end.series);
        page.sheet.dot(end.at, 4.0, colour, GROUND);
        let begin = field.right + 12.0;
        if 2.0 < (end.y - end.at.1).abs() || end.at.0 + 1.0 < field.right {
            // The text is not beside its dot: a hairline leads there.
            let (from, to) = ((end.at.0 + 5.0, end.at.1), (begin - 3.0, end.y));
            page.sheet.line(from, to, 1.0, colour);
        }
        let baseline = end.y + end.size() * 0.36;
        let name = ink(end.size(), Weight::Regular, INK, Anchor::Start);
        page.sheet.text((begin, baseline), name, &end.name);
        let value = ink(end.size(), Weight::Bold, INK, Anchor::End);
        page.sheet.text((begin + end.width(), baseline), value, &end.value);
    }
}

/// The names of the marks below: the last one always, and as many others, evenly, as have room.
fn names(page: &mut Page, plot: &Plot, field: &Field) {
    let labels: Vec<String> = plot.marks.iter().map(|mark| mark.label()).collect();
    let labels: Vec<String> =
        labels.iter().map(|label| font::cut(label, SMALL, Weight::Regular, 140.0)).collect();
    let widest = labels.iter().map(|label| font::width(label, SMALL, Weight::Regular));
    let room = widest.fold(0.0, f64::max) + 18.0;
    let last = labels.len().saturating_sub(1);
    let fitting = ((field.right - field.left) / room).floor().max(1.0) as usize;
    let least = last.div_ceil(fitting).max(1);
    // The first one too, where the way between divides evenly.
    let even = (least..=least * 2).find(|every| last > 0 && last.is_multiple_of(*every));
    let every = even.unwrap_or(least);
    let mut before = f64::INFINITY;
    for i in (0..labels.len()).rev().step_by(every) {
        let x = field.x(plot.marks[i].at);
        // Time may lie unevenly.
        if before - x < room {
            continue;
        }
        before = x;
        let wide = font::width(&labels[i], SMALL, Weight::Regular);
        let middle = x.clamp(MARGIN + wide / 2.0, f64::from(WIDTH) - MARGIN - wide / 2.0);
        page.sheet.line((x, field.bottom()), (x, field.bottom() + 4.0), 1.0, BASE);
        let quiet = ink(SMALL, Weight::Regular, MUTE, Anchor::Middle);
        page.sheet.text((middle, field.bottom() + 19.0), quiet, &labels[i]);
    }
    page.y += 26.0;
}
