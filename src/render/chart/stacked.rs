//! Bars whose parts lie one after the other, one bar a row, with the sum at its end. The names of
//! the parts stand over those of the first bar where they have room, else in a line above.

use crate::domain::report::Format;

use super::bars::{PITCH, THICK, baseline, draw_names, names_width};
use super::font::{self, Weight};
use super::page::{BASE, INK, MARGIN, MUTE, Page, SMALL, Style, TEXT, WIDTH, ink};
use super::plot::{Mark, Plot};
use super::scale::Scale;
use super::svg::{Anchor, Area};

/// Between a bar's end and its sum.
const AIR: f64 = 7.0;
/// Between two parts.
const SEAM: f64 = 1.5;
/// What stands for no value.
const NONE: &str = "\u{2013}";

/// A part of a bar: its series, and from where to where it reaches.
struct Part {
    series: usize,
    value: f64,
    from: f64,
    to: f64,
}

/// Draws the bars.
pub(super) fn draw(plot: &Plot, style: &Style) -> (String, u32) {
    let names = names_width(&plot.marks);
    let left = MARGIN + names + 12.0;
    let format = plot.series[0].format;
    let sums: Vec<String> = plot.marks.iter().map(|mark| sum(mark, style, format)).collect();
    let widths = sums.iter().map(|text| font::width(text, TEXT, Weight::Regular));
    let values = widths.fold(0.0, f64::max) + AIR;
    let room = (f64::from(WIDTH) - MARGIN - left - values).max(40.0);
    let own: Vec<_> = plot.marks.iter().filter(|mark| !mark.others).collect();
    let reach = own.iter().map(|mark| ends(mark)).fold(0.0_f64, |m, (l, h)| m.max(h).max(-l));
    let ends = plot.marks.iter().map(|mark| {
        let (low, high) = ends(mark);
        let most = if mark.others && reach > 0.0 { reach * 1.25 } else { f64::INFINITY };
        [low.max(-most), high.min(most)]
    });
    let scale = Scale::from_zero(ends.flatten());
    let to = |value: f64| left + scale.at(value) * room;

    let mut page = Page::new(plot, style, None);
    if !direct_names(&mut page, plot, &to) {
        page.legend(plot, style);
    }
    let top = page.y;
    draw_names(&mut page, &plot.marks, names, top);
    for (row, (mark, text)) in plot.marks.iter().zip(&sums).enumerate() {
        let y = top + row as f64 * PITCH;
        let mut right = to(0.0);
        for part in parts(mark) {
            let (from, until) = (to(part.from.min(part.to)), to(part.from.max(part.to)));
            let wide = (until - from - SEAM).max((until - from).min(1.0));
            let colour = style.colour(plot, part.series);
            page.sheet.fill(Area { x: from, y, width: wide, height: THICK }, colour);
            let text = style.value(part.value, plot.series[part.series].format);
            if font::width(&text, SMALL, Weight::Regular) + 8.0 <= wide {
                let inside = ink(SMALL, Weight::Regular, colour.text_on(), Anchor::Middle);
                let at = (from + wide / 2.0, y + THICK / 2.0 + SMALL * 0.36);
                page.sheet.text(at, inside, &text);
            }
            right = right.max(until);
        }
        let colour = if mark.others { MUTE } else { INK };
        let text_ink = ink(TEXT, Weight::Regular, colour, Anchor::Start);
        page.sheet.text((right + AIR, baseline(top, row)), text_ink, text);
    }
    let bottom = top + (plot.marks.len() as f64 - 1.0) * PITCH + THICK + 4.0;
    page.sheet.line((to(0.0), top - 4.0), (to(0.0), bottom), 1.0, BASE);
    page.y = top + plot.marks.len() as f64 * PITCH;
    page.finish(plot)
}

/// The parts of a bar, outward from zero to either side.
fn parts(mark: &Mark) -> Vec<Part> {
    let (mut above, mut below) = (0.0, 0.0);
    let values = mark.values.iter().enumerate().filter_map(|(i, value)| Some((i, (*value)?)));
    let part = |(series, value): (usize, f64)| {
        let end = if value < 0.0 { &mut below } else { &mut above };
        let from = *end;
        *end = (*end + value).clamp(-1e300, 1e300);
        Part { series, value, from, to: *end }
    };
    values.filter(|(_, value)| *value != 0.0).map(part).collect()
}

/// How far a bar reaches below and above zero.
fn ends(mark: &Mark) -> (f64, f64) {
    let values = mark.values.iter().flatten();
    let (low, high) =
        values.fold((0.0, 0.0), |(l, h), x| if *x < 0.0 { (l + x, h) } else { (l, h + x) });
    (f64::max(low, -1e300), f64::min(high, 1e300))
}

fn sum(mark: &Mark, style: &Style, format: Format) -> String {
    let values: Vec<f64> = mark.values.iter().copied().flatten().collect();
    match values.is_empty() {
        true => NONE.to_owned(),
        false => style.value(values.iter().sum::<f64>().clamp(-1e300, 1e300), format),
    }
}

/// Puts the names over the parts of the first bar, if each has room there and the bar has all.
fn direct_names(page: &mut Page, plot: &Plot, to: &impl Fn(f64) -> f64) -> bool {
    let Some(first) = plot.marks.first() else { return false };
    let parts = parts(first);
    if parts.len() != plot.series.len() || parts.iter().any(|part| part.value < 0.0) {
        return false;
    }
    let name = |part: &Part| plot.series[part.series].label();
    let width = |part: &Part| font::width(&name(part), SMALL, Weight::Bold);
    let last = parts.len() - 1;
    let fits = parts.iter().enumerate().all(|(i, part)| {
        let room = if i == last { f64::from(WIDTH) - MARGIN } else { to(part.to) - 8.0 };
        to(part.from) + width(part) <= room
    });
    if !fits {
        return false;
    }
    for part in &parts {
        let bold = ink(SMALL, Weight::Bold, INK, Anchor::Start);
        page.sheet.text((to(part.from), page.y + SMALL * 0.8), bold, &name(part));
    }
    page.y += 19.0;
    true
}
