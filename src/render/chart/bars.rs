//! Bars that lie, one a row, with their values at their ends. Several columns stand side by side,
//! each with bars of its own; they share a scale where their values are alike.

use crate::domain::goal::Goal;
use crate::render::palette;

use super::font::{self, Weight};
use super::page::{BASE, INK, MARGIN, MUTE, Page, SMALL, Style, TEXT, WIDTH, ink};
use super::plot::{Mark, Plot};
use super::scale::Scale;
use super::svg::{Anchor, Area};

/// From one row to the next.
pub(super) const PITCH: f64 = 29.0;
/// Thickness of a bar.
pub(super) const THICK: f64 = 18.0;
/// Names take no more than this.
const NAMES_MAX: f64 = 210.0;
/// Between two columns of bars.
const GAP: f64 = 22.0;
/// Between a bar's end and its value.
const AIR: f64 = 7.0;
/// The longest bar of a column has at least so much room.
const BAR_MIN: f64 = 26.0;
/// What stands for no value.
const NONE: &str = "\u{2013}";

/// Draws the bars.
pub(super) fn draw(plot: &mut Plot, style: &Style) -> (String, u32) {
    let names = names_width(&plot.marks);
    let left = MARGIN + names + 12.0;
    let room = f64::from(WIDTH) - MARGIN - left;
    // As many columns as have room for a bar beside their values.
    while plot.series.len() > 1 && !fits(plot, style, room) {
        plot.drop_series(plot.series.len() - 1);
    }
    let one = plot.series.len() == 1;
    let goal = goal_drawn(plot).map(|goal| (goal, plot.series[0].format));
    let mut page = Page::new(plot, style, goal);
    if !one {
        page.y += 2.0;
    }
    let top = page.y + if one { 0.0 } else { 24.0 };
    let each = (room - GAP * (plot.series.len() - 1) as f64) / plot.series.len() as f64;
    draw_names(&mut page, &plot.marks, names, top);
    for series in 0..plot.series.len() {
        let x = left + (each + GAP) * series as f64;
        if !one {
            let name = font::cut(&plot.series[series].label(), SMALL, Weight::Bold, each);
            let bold = ink(SMALL, Weight::Bold, INK, Anchor::Start);
            page.sheet.text((x, page.y + SMALL * 0.8), bold, &name);
        }
        column(&mut page, plot, style, series, Place { x, top, width: each });
    }
    page.y = top + plot.marks.len() as f64 * PITCH;
    page.finish(plot)
}

/// How much room the names take, at most [`NAMES_MAX`].
pub(super) fn names_width(marks: &[Mark]) -> f64 {
    let widths = marks.iter().map(|mark| font::width(&mark.label(), TEXT, Weight::Regular));
    widths.fold(0.0, f64::max).min(NAMES_MAX)
}

/// The rows' names, cut to their room, right beside their bars.
pub(super) fn draw_names(page: &mut Page, marks: &[Mark], room: f64, top: f64) {
    for (row, mark) in marks.iter().enumerate() {
        let shown = font::showable(&mark.name).is_some() && !mark.others;
        let colour = if shown { INK } else { MUTE };
        let name = font::cut(&mark.label(), TEXT, Weight::Regular, room);
        let text = ink(TEXT, Weight::Regular, colour, Anchor::Start);
        page.sheet.text((MARGIN, baseline(top, row)), text, &name);
    }
}

/// The baseline of a row's texts.
pub(super) fn baseline(top: f64, row: usize) -> f64 {
    top + row as f64 * PITCH + THICK / 2.0 + TEXT * 0.36
}

#[derive(Clone, Copy)]
struct Place {
    x: f64,
    top: f64,
    width: f64,
}

/// The values of a series as they are written, by mark.
fn written(plot: &Plot, style: &Style, series: usize) -> Vec<String> {
    let format = plot.series[series].format;
    let text = |mark: &Mark| mark.value(series).map(|x| style.value(x, format));
    plot.marks.iter().map(|mark| text(mark).unwrap_or_else(|| NONE.to_owned())).collect()
}

/// Room for values on either side of zero, in pixels: left, right. Columns of one scale have the
/// same room.
fn sides(plot: &Plot, style: &Style, series: usize) -> (f64, f64) {
    let mut sides = (0.0, 0.0);
    for one in alike(plot, series) {
        for (text, mark) in written(plot, style, one).iter().zip(&plot.marks) {
            let wide = font::width(text, TEXT, Weight::Regular) + AIR;
            match mark.value(one) {
                Some(x) if x < 0.0 => sides.0 = f64::max(sides.0, wide),
                _ => sides.1 = f64::max(sides.1, wide),
            }
        }
    }
    sides
}

/// The columns that share a scale with this one: those of its format, where none of them would be
/// drawn too short to be read.
fn alike(plot: &Plot, series: usize) -> Vec<usize> {
    let format = plot.series[series].format;
    let alike: Vec<usize> =
        (0..plot.series.len()).filter(|i| plot.series[*i].format == format).collect();
    let all = alike.iter().map(|i| reach(plot, *i));
    let (least, most) =
        all.fold((f64::INFINITY, 0.0), |(l, m), x| (f64::min(l, x), f64::max(m, x)));
    if most * 0.1 <= least { alike } else { vec![series] }
}

/// The farthest value of a column's own rows.
fn reach(plot: &Plot, series: usize) -> f64 {
    let rows = plot.marks.iter().filter(|mark| !mark.others);
    rows.filter_map(|mark| mark.value(series)).fold(0.0, |m: f64, x| m.max(x.abs()))
}

fn fits(plot: &Plot, style: &Style, room: f64) -> bool {
    let count = plot.series.len();
    let each = (room - GAP * (count - 1) as f64) / count as f64;
    (0..count).all(|series| {
        let (left, right) = sides(plot, style, series);
        each - left - right >= BAR_MIN
    })
}

/// The goal of the only column, where it is near enough to the values for its line to leave them
/// room.
fn goal_drawn(plot: &Plot) -> Option<Goal> {
    let [series] = plot.series.as_slice() else { return None };
    let largest = plot.values(0).fold(0.0, |m: f64, x| m.max(x.abs()));
    series.goal.filter(|goal| goal.0.than.abs() <= largest * 2.5)
}

/// The scale of one column, and of those like it.
fn scale(plot: &Plot, series: usize) -> Scale {
    let alike = alike(plot, series);
    let most = alike.iter().map(|i| reach(plot, *i)).fold(0.0, f64::max);
    let values = alike.iter().flat_map(|i| plot.marks.iter().map(move |mark| (mark, *i)));
    let mut values: Vec<f64> = values
        .filter_map(|(mark, i)| {
            let value = mark.value(i)?;
            // What is left over may be far more than any row: then it does not set the scale.
            let bound = if mark.others && most > 0.0 { most * 1.25 } else { f64::INFINITY };
            Some(value.clamp(-bound, bound))
        })
        .collect();
    values.extend(goal_drawn(plot).map(|goal| goal.0.than));
    Scale::from_zero(values)
}

fn column(page: &mut Page, plot: &Plot, style: &Style, series: usize, place: Place) {
    let Place { x, top, width } = place;
    let scale = scale(plot, series);
    let (left, right) = sides(plot, style, series);
    let (begin, room) = (x + left, (width - left - right).max(1.0));
    let to = |value: f64| begin + scale.at(value) * room;
    let zero = to(0.0);
    let colour = style.colours[0];
    let bottom = top + (plot.marks.len() as f64 - 1.0) * PITCH + THICK + 4.0;
    let goal = goal_drawn(plot).map(|goal| to(goal.0.than));
    let mut texts = Vec::with_capacity(plot.marks.len());
    for (row, (mark, text)) in plot.marks.iter().zip(written(plot, style, series)).enumerate() {
        let y = top + row as f64 * PITCH;
        let value = mark.value(series);
        let end = value.map_or(zero, to);
        let (from, until) = (zero.min(end), zero.max(end));
        let colour = if mark.others { palette::REST } else { colour };
        // What is not nothing is seen.
        let wide = if value.is_some_and(|x| x != 0.0) { (until - from).max(1.0) } else { 0.0 };
        let from = if value.is_some_and(|x| x < 0.0) { until - wide } else { from };
        page.sheet.fill(Area { x: from, y, width: wide, height: THICK }, colour);
        let beyond = value.is_some_and(|x| x < scale.low || scale.high < x);
        if beyond {
            break_mark(page, from + wide * 0.8, y);
        }
        let quiet = mark.others || value.is_none();
        let colour = if quiet { MUTE } else { INK };
        let (at, anchor) = match value {
            Some(x) if x < 0.0 => (from - AIR, Anchor::End),
            _ => (from + wide + AIR, Anchor::Start),
        };
        texts.push((at, row, ink(TEXT, Weight::Regular, colour, anchor), text));
    }
    if let Some(goal) = goal {
        page.sheet.dashes((goal, top - 6.0), (goal, bottom + 2.0), INK);
    }
    for (at, row, ink, text) in texts {
        let wide = font::width(&text, TEXT, Weight::Regular);
        let from = if ink.anchor == Anchor::End { at - wide } else { at };
        if goal.is_some_and(|goal| from - 4.0 < goal && goal < from + wide + 4.0) {
            // The line of the goal makes room for the value.
            let y = baseline(top, row) - TEXT;
            let behind = Area { x: from - 3.0, y, width: wide + 6.0, height: TEXT * 1.4 };
            page.sheet.fill(behind, palette::GROUND);
        }
        page.sheet.text((at, baseline(top, row)), ink, &text);
    }
    page.sheet.line((zero, top - 4.0), (zero, bottom), 1.0, BASE);
}

/// Two strokes through a bar that is longer than it is drawn.
fn break_mark(page: &mut Page, x: f64, y: f64) {
    for shift in [0.0, 6.0] {
        let (from, to) = ((x + shift - 3.0, y + THICK + 1.0), (x + shift + 3.0, y - 1.0));
        page.sheet.line(from, to, 2.5, palette::GROUND);
    }
}
