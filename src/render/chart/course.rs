//! The course of a rule's value: a small picture of the last windows, with the levels it is compared
//! with.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::report::Format;
use crate::domain::rule::Comparison;
use crate::domain::zone::Zone;
use crate::render::palette::{self, GROUND};
use crate::render::words::{comparison, listed};
use crate::render::{Locale, format::clipped};

use super::Drawing;
use super::font::{self, Weight};
use super::page::{BASE, INK, LINE, MARGIN, MUTE, SMALL, Style, TEXT, WIDTH, ink};
use super::scale::Scale;
use super::svg::{Anchor, Sheet};

/// Height of the field.
const TALL: f64 = 120.0;
/// Where it begins.
const TOP: f64 = 48.0;
/// Words at the right take no more than this.
const WORDS_MAX: f64 = 150.0;
/// Between two of them.
const PITCH: f64 = 18.0;
/// A level this many times as far as every value is not drawn: the values would be a flat line.
const FAR: f64 = 4.0;

/// The values of the last windows of a rule, for one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The end of each window and the value in it, in order of time; `None`: there is none.
    pub points: Vec<(DateTime<Utc>, Option<f64>)>,
    /// How long each window is.
    pub window: TimeDelta,
    /// Name and breach of each level; empty where the value is not what they compare.
    pub levels: Vec<(String, Comparison)>,
    /// How values are written.
    pub format: Format,
}

/// Draws a course; `None` where fewer than two windows have a value.
pub fn course(
    course: &Course,
    zone: &Zone,
    locale: Locale,
    accent: Option<&str>,
) -> Option<Drawing> {
    let sketch = Sketch::of(course, zone, locale, accent)?;
    let (svg, height) = sketch.svg();
    let png = super::picture::png(&svg, WIDTH, height, GROUND)?;
    Some(Drawing { png, alt: sketch.alt(), width: WIDTH, height })
}

/// The same as an SVG document.
pub fn course_svg(
    course: &Course,
    zone: &Zone,
    locale: Locale,
    accent: Option<&str>,
) -> Option<String> {
    Some(Sketch::of(course, zone, locale, accent)?.svg().0)
}

struct Sketch<'a> {
    course: &'a Course,
    zone: &'a Zone,
    style: Style,
    drawn: Vec<&'a (String, Comparison)>,
    /// The values there are.
    values: Vec<f64>,
}

/// A word at the right, beside what it is about.
struct Word {
    y: f64,
    text: String,
    weight: Weight,
}

impl<'a> Sketch<'a> {
    fn of(
        course: &'a Course,
        zone: &'a Zone,
        locale: Locale,
        accent: Option<&str>,
    ) -> Option<Sketch<'a>> {
        let values: Vec<f64> = (course.points.iter())
            .filter_map(|(_, value)| value.filter(|x| x.abs() < 1e300))
            .collect();
        if values.len() < 2 {
            return None;
        }
        let style = Style { locale, colours: palette::series(accent) };
        let most = values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let near = |(_, level): &&(String, Comparison)| level.than.abs() <= most * FAR;
        let drawn: Vec<&(String, Comparison)> = course.levels.iter().filter(near).collect();
        Some(Sketch { course, zone, style, drawn, values })
    }

    fn svg(&self) -> (String, u32) {
        let Sketch { course, style, .. } = self;
        let format = course.format;
        let mut all = self.values.clone();
        all.extend(self.drawn.iter().map(|(_, level)| level.than));
        let (scale, ticks) = Scale::of_line(&all, format);
        let ticks: Vec<(f64, String)> =
            ticks.into_iter().map(|tick| (tick, style.mark(tick, format))).collect();
        let wide = ticks.iter().map(|(_, text)| font::width(text, SMALL, Weight::Regular));
        let left = MARGIN + wide.fold(0.0, f64::max) + 12.0;
        let y = |value: f64| TOP + (1.0 - scale.at(value)) * TALL;
        let mut words = self.words(y);
        let taken = words.iter().map(|word| font::width(&word.text, SMALL, word.weight));
        let right = f64::from(WIDTH) - MARGIN - taken.fold(0.0, f64::max).min(WORDS_MAX) - 12.0;
        let last = (course.points.len() - 1).max(1) as f64;
        let x = |place: usize| left + place as f64 / last * (right - left);

        let mut sheet = Sheet::new(WIDTH);
        let bold = ink(TEXT, Weight::Bold, INK, Anchor::Start);
        sheet.text((MARGIN, MARGIN + TEXT * 0.8), bold, &self.heading());
        for (tick, text) in &ticks {
            let colour = if *tick == 0.0 { BASE } else { LINE };
            sheet.line((left, y(*tick)), (right, y(*tick)), 1.0, colour);
            let quiet = ink(SMALL, Weight::Regular, MUTE, Anchor::End);
            sheet.text((left - 9.0, y(*tick) + SMALL * 0.36), quiet, text);
        }
        for (_, level) in &self.drawn {
            sheet.dashes((left, y(level.than)), (right, y(level.than)), INK);
        }
        let colour = style.colours[0];
        let mut piece: Vec<(f64, f64)> = Vec::new();
        let end = course.points.len();
        for place in 0..=end {
            match course.points.get(place).and_then(|(_, value)| *value) {
                Some(value) => piece.push((x(place), y(value))),
                None => {
                    match piece.as_slice() {
                        [one] => sheet.dot(*one, 3.0, colour, GROUND),
                        points => sheet.through(points, colour),
                    }
                    piece.clear();
                }
            }
        }
        if let Some((_, Some(value))) = course.points.last() {
            sheet.dot((x(end - 1), y(*value)), 4.0, colour, GROUND);
        }
        place_apart(&mut words);
        for word in &words {
            let ink = ink(SMALL, word.weight, INK, Anchor::Start);
            let text = font::cut(&word.text, SMALL, word.weight, WORDS_MAX);
            sheet.text((right + 10.0, word.y + SMALL * 0.36), ink, &text);
        }
        self.times(&mut sheet, left, right);
        let height = (TOP + TALL + 42.0).ceil() as u32;
        (sheet.finish(height), height)
    }

    fn heading(&self) -> String {
        let (count, length) = (self.course.points.len(), self.length());
        format!("The last {count} windows of {length}")
    }

    fn length(&self) -> String {
        self.style.locale.duration(self.course.window.num_seconds() as f64)
    }

    fn words(&self, y: impl Fn(f64) -> f64) -> Vec<Word> {
        let format = self.course.format;
        let level = |(name, level): &&(String, Comparison)| Word {
            y: y(level.than),
            text: format!("{} {}", clipped(name, 20), self.style.value(level.than, format)),
            weight: Weight::Regular,
        };
        let mut words: Vec<Word> = self.drawn.iter().map(level).collect();
        if let Some((_, Some(value))) = self.course.points.last() {
            let text = self.style.value(*value, format);
            words.push(Word { y: y(*value), text, weight: Weight::Bold });
        }
        words
    }

    /// The ends of the first window, of one in the middle and of the last.
    fn times(&self, sheet: &mut Sheet, left: f64, right: f64) {
        let points = &self.course.points;
        let last = points.len() - 1;
        for place in [0, last / 2, last] {
            let at = left + place as f64 / last.max(1) as f64 * (right - left);
            sheet.line((at, TOP + TALL), (at, TOP + TALL + 4.0), 1.0, BASE);
            let text = self.moment(points[place].0);
            let wide = font::width(&text, SMALL, Weight::Regular);
            let middle = at.clamp(MARGIN + wide / 2.0, f64::from(WIDTH) - MARGIN - wide / 2.0);
            let quiet = ink(SMALL, Weight::Regular, MUTE, Anchor::Middle);
            sheet.text((middle, TOP + TALL + 21.0), quiet, &text);
        }
    }

    /// A time of day where all windows end within a day, else with its date.
    fn moment(&self, at: DateTime<Utc>) -> String {
        let points = &self.course.points;
        let civil = self.zone.civil(at);
        let (first, last) = (points[0].0, points[points.len() - 1].0);
        match last - first < TimeDelta::days(1) {
            true => self.style.locale.time(civil.time()),
            false => self.style.locale.stamp(civil),
        }
    }

    /// `Line: the value in the last 24 windows of 30 min, from 2 min at 02:00 to 16 min 2 s at
    /// 13:30, highest 20 min 1 s at 12:30. Levels: warning above 5 min.`
    fn alt(&self) -> String {
        let Sketch { course, style: Style { locale, .. }, .. } = self;
        let known: Vec<(DateTime<Utc>, f64)> =
            course.points.iter().filter_map(|(at, value)| Some((*at, (*value)?))).collect();
        let told = |(at, value): (DateTime<Utc>, f64)| {
            format!("{} at {}", locale.number(value, course.format), self.moment(at))
        };
        let (Some(first), Some(last)) = (known.first(), known.last()) else {
            return String::new();
        };
        let (count, length) = (course.points.len(), self.length());
        let mut text = format!(
            "Line: the value in the last {count} windows of {length}, from {} to {}",
            told(*first),
            told(*last)
        );
        let highest = known.iter().fold(*first, |a, b| if a.1 < b.1 { *b } else { a });
        if first.1 < highest.1 && last.1 < highest.1 {
            text.push_str(&format!(", highest {}", told(highest)));
        }
        let missing = course.points.len() - known.len();
        if missing > 0 {
            text.push_str(&format!("; {missing} without a value"));
        }
        text.push('.');
        let levels = course.levels.iter().take(4).map(|(name, level)| {
            format!("{} {}", clipped(name, 20), comparison(*level, course.format, *locale))
        });
        let levels: Vec<String> = levels.collect();
        if !levels.is_empty() {
            text.push_str(&format!(" Levels: {}.", listed(&levels)));
        }
        text
    }
}

/// Moves words off one another, and all of them onto the field.
fn place_apart(words: &mut [Word]) {
    words.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut least = TOP;
    for word in words.iter_mut() {
        word.y = word.y.max(least);
        least = word.y + PITCH;
    }
    let mut most = TOP + TALL;
    for word in words.iter_mut().rev() {
        word.y = word.y.min(most);
        most = word.y - PITCH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Option<f64>]) -> Course {
        let at = |n: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(30 * n);
        Course {
            points: (1..).map(at).zip(values.iter().copied()).collect(),
            window: TimeDelta::minutes(30),
            levels: vec![("warning".into(), "> 300".parse().unwrap())],
            format: Format::Duration,
        }
    }

    #[track_caller]
    fn alt(values: &[Option<f64>]) -> Option<String> {
        let drawing = course(&of(values), &Zone::utc(), Locale::named("en-GB"), None)?;
        assert!(drawing.height < super::super::HEIGHT_MAX && drawing.png.starts_with(b"\x89PNG"));
        Some(crate::render::format::plain(&drawing.alt))
    }

    #[test]
    fn a_course_is_told_by_its_ends_its_highest_and_its_levels() {
        assert_eq!(
            alt(&[Some(60.0), Some(600.0), Some(420.0)]).as_deref(),
            Some(
                "Line: the value in the last 3 windows of 30 min, from 1 min at 00:30 to 7 min at \
                 01:30, highest 10 min at 01:00. Levels: warning above 5 min."
            )
        );
        assert_eq!(
            alt(&[Some(60.0), None, Some(420.0)]).as_deref(),
            Some(
                "Line: the value in the last 3 windows of 30 min, from 1 min at 00:30 to 7 min at \
                 01:30; 1 without a value. Levels: warning above 5 min."
            )
        );
    }

    #[test]
    fn one_value_is_no_course_and_odd_ones_are_drawn() {
        assert_eq!(alt(&[None, Some(1.0)]), None);
        assert_eq!(alt(&[]), None);
        assert!(alt(&[Some(0.0), Some(0.0)]).is_some());
        assert!(alt(&[Some(-5.0), Some(f64::MAX), Some(1e299)]).is_some());
    }

    #[test]
    fn a_level_far_off_does_not_flatten_the_line() {
        let course = of(&[Some(2.0), Some(3.0)]);
        let near = course_svg(&course, &Zone::utc(), Locale::named("en-GB"), None).unwrap();
        assert!(!near.contains("warning"));
        let course = of(&[Some(200.0), Some(300.0)]);
        let near = course_svg(&course, &Zone::utc(), Locale::named("en-GB"), None).unwrap();
        assert!(near.contains("warning"));
    }
}
