//! Bars that stand, in the order of their ranges, with how many on top of them.

use super::font::{self, Weight};
use super::page::{BASE, INK, LINE, MARGIN, MUTE, Page, SMALL, Style, WIDTH, ink};
use super::plot::Plot;
use super::scale::Scale;
use super::svg::{Anchor, Area};

/// Height of the tallest bar.
const TALL: f64 = 170.0;
/// Widest bar.
const BAR_MAX: f64 = 72.0;
/// Widest name of a bar, where bars are too many for names of their own.
const NAME_MAX: f64 = 120.0;
/// Room for a value on top of a bar.
const VALUE: f64 = 20.0;
/// What stands for no value.
const NONE: &str = "\u{2013}";

/// Draws the bars.
pub(super) fn draw(plot: &Plot, style: &Style) -> (String, u32) {
    let format = plot.series[0].format;
    let values: Vec<f64> = plot.values(0).collect();
    let (mut scale, marks) = (Scale::from_zero(values.iter().copied()), plot.marks.len());
    let texts: Vec<String> = plot
        .marks
        .iter()
        .map(|mark| mark.value(0).map_or_else(|| NONE.to_owned(), |x| style.value(x, format)))
        .collect();
    let widest = |texts: &[String]| {
        texts.iter().map(|text| font::width(text, SMALL, Weight::Regular)).fold(0.0, f64::max)
    };
    let right = f64::from(WIDTH) - MARGIN;
    // Values on the bars where there is room, else an axis.
    let pitch = |left: f64| ((right - left) / marks as f64).min(BAR_MAX + 24.0);
    let direct = widest(&texts) + 4.0 <= pitch(MARGIN);
    let (of_axis, ticks) = Scale::of_line(&[&values[..], &[0.0]].concat(), format);
    let mut left = MARGIN;
    if !direct {
        scale = of_axis;
        let texts: Vec<String> = ticks.iter().map(|tick| style.mark(*tick, format)).collect();
        left += widest(&texts) + 10.0;
    }
    let mut page = Page::new(plot, style, None);
    let top = page.y + if direct { VALUE } else { 6.0 };
    let below = if direct && scale.low < 0.0 { VALUE } else { 0.0 };
    let y = |value: f64| top + (1.0 - scale.at(value)) * TALL;
    if !direct {
        for tick in &ticks {
            page.sheet.line((left, y(*tick)), (right, y(*tick)), 1.0, LINE);
            let quiet = ink(SMALL, Weight::Regular, MUTE, Anchor::End);
            let text = style.mark(*tick, format);
            page.sheet.text((left - 8.0, y(*tick) + SMALL * 0.36), quiet, &text);
        }
    }
    let pitch = pitch(left);
    // Ranges touch one another: a hair between their bars.
    let wide = (pitch - 3.0).clamp(1.0, BAR_MAX);
    for (i, (mark, text)) in plot.marks.iter().zip(&texts).enumerate() {
        let middle = left + (i as f64 + 0.5) * pitch;
        let value = mark.value(0).unwrap_or(0.0);
        let (zero, end) = (y(0.0), y(value));
        let tall = if value == 0.0 { 0.0 } else { (zero - end).abs().max(1.0) };
        let area = Area { x: middle - wide / 2.0, y: zero.min(end), width: wide, height: tall };
        page.sheet.fill(area, style.colours[0]);
        if direct {
            let at = if value < 0.0 { end + SMALL + 3.0 } else { end - 6.0 };
            let colour = if mark.value(0).is_none() { MUTE } else { INK };
            page.sheet.text(
                (middle, at),
                ink(SMALL, Weight::Regular, colour, Anchor::Middle),
                text,
            );
        }
    }
    let end = left + pitch * marks as f64;
    page.sheet.line((left, y(0.0)), (end, y(0.0)), 1.0, BASE);
    page.y = top + TALL + below;
    names(&mut page, plot, left, pitch);
    page.finish(plot)
}

/// The names below the bars: whole where they fit, on two lines where they do not, and of many
/// narrow bars every second, third, ... one.
fn names(page: &mut Page, plot: &Plot, left: f64, pitch: f64) {
    let labels: Vec<String> = plot.marks.iter().map(|mark| mark.label()).collect();
    let width = |text: &str| font::width(text, SMALL, Weight::Regular);
    let widest = labels.iter().map(|label| width(label)).fold(0.0, f64::max);
    let room = pitch - 4.0;
    let quiet = ink(SMALL, Weight::Regular, INK, Anchor::Middle);
    let middle = |i: usize| left + (i as f64 + 0.5) * pitch;
    let mut lines = 1.0;
    if widest <= room || labels.len() <= 8 {
        for (i, label) in labels.iter().enumerate() {
            let (first, second) = match width(label) <= room {
                true => (label.clone(), String::new()),
                false => halves(label, room),
            };
            page.sheet.text((middle(i), page.y + 18.0), quiet, &first);
            page.sheet.text((middle(i), page.y + 34.0), quiet, &second);
            if !second.is_empty() {
                lines = 2.0;
            }
        }
    } else {
        let every = ((widest.min(NAME_MAX) + 8.0) / pitch).ceil().max(1.0) as usize;
        for (i, label) in labels.iter().enumerate().step_by(every) {
            let room = (every as f64 * pitch).min(NAME_MAX);
            let label = font::cut(label, SMALL, Weight::Regular, room);
            let half = width(&label) / 2.0;
            let at = middle(i).clamp(MARGIN + half, f64::from(WIDTH) - MARGIN - half);
            page.sheet.text((at, page.y + 18.0), quiet, &label);
        }
    }
    page.y += 8.0 + 16.0 * lines;
}

/// A text on two lines, each cut to the room.
fn halves(text: &str, room: f64) -> (String, String) {
    let mut first = String::new();
    let mut rest = text;
    for word in text.split(' ') {
        let longer = if first.is_empty() { word.to_owned() } else { format!("{first} {word}") };
        if room < font::width(&longer, SMALL, Weight::Regular) {
            break;
        }
        rest = rest.strip_prefix(word).unwrap_or(rest).trim_start();
        first = longer;
    }
    if first.is_empty() {
        return (font::cut(text, SMALL, Weight::Regular, room), String::new());
    }
    (first, font::cut(rest, SMALL, Weight::Regular, room))
}
