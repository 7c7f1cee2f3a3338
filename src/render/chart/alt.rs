//! What a picture shows, in a sentence or two, for those who do not see it.

use crate::domain::chart::ChartKind;
use crate::render::format::{clipped, isolated};
use crate::render::words::listed;

use super::page::Style;
use super::plot::{Axis, Mark, Plot};

/// Longest text, in characters.
const ALT_MAX: usize = 300;
/// Longest name in it, in characters.
const NAME_MAX: usize = 48;

/// The words of a picture.
pub(super) fn words(plot: &Plot, style: &Style) -> String {
    let kind = match (plot.kind, plot.series.len()) {
        (ChartKind::Bars, _) => "Bars",
        (ChartKind::Stacked, _) => "Stacked bars",
        (ChartKind::Line, 1) => "Line",
        (ChartKind::Line, _) => "Lines",
        (ChartKind::Histogram, _) => "Histogram",
    };
    let names = || listed(&plot.series.iter().map(|s| name(&s.name)).collect::<Vec<_>>());
    let measure = plot.measure.as_deref().map_or_else(names, name);
    let by = match plot.axis {
        Axis::Time { .. } => name(&plot.by).to_lowercase(),
        _ => name(&plot.by),
    };
    let title = format!("{kind}: {measure} by {by}");
    let teller = Teller { plot, style };
    let mut text = match plot.kind {
        ChartKind::Line => teller.lines(title),
        _ => teller.bars(title),
    };
    for note in &plot.notes {
        let longer = format!("{text} {note}");
        if longer.chars().count() <= ALT_MAX {
            text = longer;
        }
    }
    clipped_isolates(text)
}

/// A cut that leaves no isolate open.
fn clipped_isolates(text: String) -> String {
    let Some((cut, _)) = text.char_indices().nth(ALT_MAX) else { return text };
    let mut kept: String = text[..cut].chars().take(ALT_MAX - 2).collect();
    let count = |c: char| kept.chars().filter(|k| *k == c).count();
    let open = count('\u{2068}') > count('\u{2069}');
    kept.push('\u{2026}');
    if open {
        kept.push('\u{2069}');
    }
    kept
}

/// A whole sentence; dates of some languages end with its full stop.
fn ended(mut sentence: String) -> String {
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

fn name(text: &str) -> String {
    isolated(clipped(text, NAME_MAX))
}

struct Teller<'a> {
    plot: &'a Plot,
    style: &'a Style,
}

impl Teller<'_> {
    fn value(&self, series: usize, x: f64) -> String {
        self.style.locale.number(x, self.plot.series[series].format)
    }

    /// `Bars: Sessions by Channel. Largest Web chat 1,204, then WhatsApp 800 and SMS 12; 14 channels
    /// in all.`
    fn bars(&self, title: String) -> String {
        let plot = self.plot;
        let all = match plot.marks_in_all {
            n if n > 3 => format!("; {} in all", self.counted(n)),
            _ => String::new(),
        };
        if plot.kind == ChartKind::Stacked {
            return format!("{title}. {}{all}.", self.stacked());
        }
        if plot.series.len() == 1 {
            return format!("{title}. {}{all}.", self.largest(0, 3));
        }
        let mut text = title;
        for (i, series) in plot.series.iter().enumerate() {
            let told = self.largest(i, 2);
            let more = format!(". {}: {}", name(&series.name), lower_first(&told));
            if text.chars().count() + more.chars().count() + all.chars().count() < ALT_MAX {
                text.push_str(&more);
            }
        }
        format!("{text}{all}.")
    }

    /// The marks with the largest values of a series.
    fn largest(&self, series: usize, count: usize) -> String {
        let mut known: Vec<(&Mark, f64)> =
            self.rows().filter_map(|m| Some((m, m.value(series)?))).collect();
        known.sort_by(|a, b| b.1.total_cmp(&a.1));
        let told =
            |(mark, x): &(&Mark, f64)| format!("{} {}", name(&mark.name), self.value(series, *x));
        match known.as_slice() {
            [] => "No values".to_owned(),
            [one] => format!("Only {}", told(one)),
            [first, .., last] if first.1 == last.1 => {
                let all = self.counted(known.len() as u64);
                format!("All {all} are {}", self.value(series, first.1))
            }
            [first, rest @ ..] => {
                let rest: Vec<String> = rest.iter().take(count - 1).map(told).collect();
                format!("Largest {}, then {}", told(first), listed(&rest))
            }
        }
    }

    fn stacked(&self) -> String {
        let sum = |mark: &Mark| mark.values.iter().flatten().sum::<f64>();
        let mut known: Vec<(&Mark, f64)> = self
            .rows()
            .filter(|mark| mark.values.iter().any(Option::is_some))
            .map(|mark| (mark, sum(mark)))
            .collect();
        known.sort_by(|a, b| b.1.total_cmp(&a.1));
        let Some((first, whole)) = known.first() else { return "No values".to_owned() };
        let parts = first.values.iter().enumerate().filter_map(|(i, value)| {
            let text = self.value(i, (*value)?);
            Some(format!("{} {text}", name(&self.plot.series[i].name)))
        });
        let parts: Vec<String> = parts.collect();
        let mut text = format!(
            "Largest {} {} ({})",
            name(&first.name),
            self.value(0, *whole),
            parts.join(", ")
        );
        let then: Vec<String> = known[1..]
            .iter()
            .take(2)
            .map(|(mark, x)| format!("{} {}", name(&mark.name), self.value(0, *x)))
            .collect();
        if !then.is_empty() {
            text = format!("{text}, then {}", listed(&then));
        }
        text
    }

    fn rows(&self) -> impl Iterator<Item = &Mark> {
        self.plot.marks.iter().filter(|mark| !mark.others)
    }

    /// `Line: Sessions by day, from 120 on Mon 16 Nov to 180 on Sun 22 Nov, highest 210 on Thu 19
    /// Nov.`
    fn lines(&self, title: String) -> String {
        let plot = self.plot;
        let course = |series: usize| {
            let known = plot.marks.iter().filter_map(|mark| Some((mark, mark.value(series)?)));
            let known: Vec<(&Mark, f64)> = known.collect();
            let (first, last) = (known.first()?, known.last()?);
            let told = |(mark, x): &(&Mark, f64)| {
                format!("{}{}", self.value(series, *x), self.where_is(mark))
            };
            if known.len() == 1 {
                return Some(format!("only {}", told(first)));
            }
            let mut highest = first;
            for mark in &known {
                if highest.1 < mark.1 {
                    highest = mark;
                }
            }
            let mut text = format!("from {} to {}", told(first), told(last));
            if first.1 < highest.1 && last.1 < highest.1 {
                text = format!("{text}, highest {}", told(highest));
            }
            Some(text)
        };
        if plot.series.len() == 1 {
            let text = course(0).unwrap_or_else(|| "no values".to_owned());
            let missing = plot.marks.iter().filter(|mark| mark.value(0).is_none()).count();
            let missing = match missing {
                0 => String::new(),
                n => format!("; {n} of {} without a value", plot.marks.len()),
            };
            return ended(format!("{title}, {text}{missing}"));
        }
        let mut text = format!("{title}.");
        for (i, series) in plot.series.iter().enumerate() {
            let Some(told) = course(i) else { continue };
            let more = ended(format!(" {} {told}", name(&series.name)));
            if text.chars().count() + more.chars().count() <= ALT_MAX {
                text.push_str(&more);
            }
        }
        text
    }

    fn where_is(&self, mark: &Mark) -> String {
        match self.plot.axis {
            Axis::Time { .. } | Axis::Instants => format!(" on {}", name(&mark.name)),
            Axis::Order => format!(" ({})", name(&mark.name)),
        }
    }

    /// `14 channels`, where the heading is a plain word.
    fn counted(&self, n: u64) -> String {
        let number = self.style.locale.integer(i64::try_from(n).unwrap_or(i64::MAX));
        let by = &self.plot.by;
        let plain = by.bytes().all(|b| b.is_ascii_alphabetic()) && by.len() > 2;
        let word = match by.to_ascii_lowercase() {
            _ if self.plot.kind == ChartKind::Histogram => "ranges".to_owned(),
            _ if !plain => "rows".to_owned(),
            word if ["s", "x", "ch", "sh"].iter().any(|end| word.ends_with(end)) => {
                format!("{word}es")
            }
            word => match word.strip_suffix('y') {
                Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
                _ => format!("{word}s"),
            },
        };
        format!("{number} {word}")
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
