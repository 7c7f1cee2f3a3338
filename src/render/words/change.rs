//! Words for what stands beside a figure: its change, its goal, its trend. Each comes as word,
//! shape and tone, so that none is told by colour alone.

use crate::domain::compare::Delta;
use crate::domain::goal::{Goal, GoalState};
use crate::domain::report::Format;
use crate::domain::rule::Op;
use crate::domain::table::Column;

use super::super::format::Locale;
use super::super::palette::{LIGHT, Palette};

/// How loud a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::render) enum Tone {
    /// As usual.
    Quiet,
    /// Good news.
    Good,
    /// Worth a look.
    Care,
    /// Bad news.
    Bad,
}

impl Tone {
    /// The class that recolours it in dark mode.
    pub(in crate::render) fn class(self) -> &'static str {
        match self {
            Tone::Quiet => "m",
            Tone::Good => "gd",
            Tone::Care => "cr",
            Tone::Bad => "bd",
        }
    }

    /// Its colour on light ground.
    pub(in crate::render) fn colour(self) -> &'static str {
        self.of(&LIGHT)
    }

    /// Its word, for templates and payloads.
    pub(in crate::render) fn word(self) -> &'static str {
        match self {
            Tone::Quiet => "quiet",
            Tone::Good => "good",
            Tone::Care => "care",
            Tone::Bad => "bad",
        }
    }

    fn of(self, palette: &Palette) -> &'static str {
        match self {
            Tone::Quiet => palette.mute,
            Tone::Good => palette.ok.0,
            Tone::Care => palette.warn.0,
            Tone::Bad => palette.bad.0,
        }
    }
}

/// A change with its sign: `+6 %`, `−12 %`, `+2.1 points` for shares, `+12 from 0` where there was
/// nothing before.
pub(in crate::render) fn change(delta: &Delta, column: &Column, locale: Locale) -> String {
    let plus = if delta.change > 0.0 { "+" } else { "" };
    if column.format == Format::Percent {
        let points = delta.change * 100.0;
        if points.abs() < 0.05 {
            return "unchanged".to_owned();
        }
        return format!("{plus}{}\u{a0}points", whole(locale.decimals(points, 1), locale));
    }
    match delta.relative {
        Some(relative) if relative.abs() < 0.0005 => "unchanged".to_owned(),
        Some(relative) if relative.abs() < 0.0995 => {
            format!("{plus}{}", whole(locale.percent(relative), locale))
        }
        Some(relative) => {
            let rounded = (relative * 100.0).round() / 100.0;
            format!("{plus}{}", whole(locale.percent(rounded), locale))
        }
        None if delta.change == 0.0 => "unchanged".to_owned(),
        None => format!("{plus}{} from 0", locale.number(delta.change, column.format)),
    }
}

/// A number of one decimal without it where it is nought: `6.0 %` reads `6 %`.
fn whole(text: String, locale: Locale) -> String {
    let point: String = locale.decimals(0.0, 1).chars().filter(|c| *c != '0').collect();
    text.replacen(&format!("{point}0"), "", 1)
}

/// `▲ unusually high` with its tone; `None` for a figure that is as usual, or of which nobody knows
/// what is usual.
pub(in crate::render) fn unusual(delta: &Delta) -> Option<(&'static str, Tone)> {
    let tone = match delta.better {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Care,
    };
    let words = if delta.change < 0.0 {
        "\u{25bc}\u{a0}unusually low"
    } else {
        "\u{25b2}\u{a0}unusually high"
    };
    delta.unusual.then_some((words, tone))
}

/// `▲ high`: the same for where there is little room.
pub(in crate::render) fn brief(unusual: &str) -> String {
    unusual.replace("unusually ", "")
}

/// `usually 290 to 320`, where that is known.
pub(in crate::render) fn usual(delta: &Delta, column: &Column, locale: Locale) -> Option<String> {
    let (low, high) = delta.usual?;
    let [low, high] = [low, high].map(|x| figure(x, column, locale));
    Some(match low == high {
        true => format!("usually {low}"),
        false => format!("usually {low} to {high}"),
    })
}

/// A mean of figures, written as one of the column would be; of whole numbers without decimals.
pub(in crate::render) fn figure(x: f64, column: &Column, locale: Locale) -> String {
    let counted = matches!(column.ty, Some(crate::domain::value::Type::Integer));
    let x = if counted && column.format == Format::Auto { x.round() } else { x };
    locale.number(x, column.format)
}

/// `goal ≤ 2 min`.
pub(in crate::render) fn goal(goal: Goal, column: &Column, locale: Locale) -> String {
    let than = locale.number(goal.0.than, column.format);
    let than = if column.format == Format::Percent { whole(than, locale) } else { than };
    format!("goal {}\u{a0}{than}", sign(goal.0.op))
}

/// The sign of a comparison: `≤`.
pub(in crate::render) fn sign(op: Op) -> &'static str {
    match op {
        Op::Less => "<",
        Op::LessOrEqual => "\u{2264}",
        Op::Greater => ">",
        Op::GreaterOrEqual => "\u{2265}",
        Op::Equal => "=",
        Op::Different => "\u{2260}",
    }
}

/// `✓ met` or `✗ missed` with its tone.
pub(in crate::render) fn goal_state(state: GoalState) -> (&'static str, Tone) {
    match state {
        GoalState::Met => ("\u{2713}\u{a0}met", Tone::Good),
        GoalState::Missed => ("\u{2717}\u{a0}missed", Tone::Bad),
    }
}

/// What a trend shows, for those who do not see it: `low 310, high 431`.
pub(in crate::render) fn trend(values: &[Option<f64>], column: &Column, locale: Locale) -> String {
    let known: Vec<f64> = values.iter().copied().flatten().filter(|x| x.is_finite()).collect();
    let (low, high) = known
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    match known.len() {
        0 => "no figures".to_owned(),
        _ if low == high => format!("always {}", figure(low, column, locale)),
        _ => format!("low {}, high {}", figure(low, column, locale), figure(high, column, locale)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Type;
    use crate::render::format::plain;
    use crate::render::tests::fixtures::column;

    fn delta(before: f64, now: f64) -> Delta {
        let change = now - before;
        Delta {
            before,
            change,
            relative: (before != 0.0).then(|| change / before),
            usual: None,
            unusual: false,
            better: None,
        }
    }

    #[test]
    fn changes_have_a_sign_and_few_digits() {
        #[track_caller]
        fn check(before: f64, now: f64, format: Format, locale: &str, expected: &str) {
            let column = column("Sessions", Type::Real, format);
            let told = change(&delta(before, now), &column, Locale::named(locale));
            assert_eq!(plain(&told), expected);
        }
        check(400.0, 424.0, Format::Auto, "en-GB", "+6%");
        check(412.0, 431.0, Format::Auto, "en-GB", "+4.6%");
        check(412.0, 431.0, Format::Auto, "de-DE", "+4,6 %");
        check(431.0, 300.0, Format::Auto, "en-GB", "-30%");
        check(1.0, 13.0, Format::Auto, "en-GB", "+1,200%");
        check(10.0, 10.0, Format::Auto, "en-GB", "unchanged");
        check(10_000.0, 10_001.0, Format::Auto, "en-GB", "unchanged");
        check(0.0, 12.0, Format::Auto, "en-GB", "+12 from 0");
        check(0.0, 130.0, Format::Duration, "en-GB", "+2 min 10 s from 0");
        check(0.0, 0.0, Format::Auto, "en-GB", "unchanged");
        check(0.5, 0.521, Format::Percent, "en-GB", "+2.1 points");
        check(0.5, 0.45, Format::Percent, "en-GB", "-5 points");
        check(0.5, 0.5001, Format::Percent, "en-GB", "unchanged");
    }

    #[test]
    fn unusual_figures_are_marked_by_word_shape_and_tone() {
        let high = Delta { unusual: true, better: Some(false), ..delta(10.0, 20.0) };
        assert_eq!(unusual(&high), Some(("\u{25b2}\u{a0}unusually high", Tone::Bad)));
        let low = Delta { unusual: true, better: Some(true), ..delta(10.0, 5.0) };
        assert_eq!(unusual(&low), Some(("\u{25bc}\u{a0}unusually low", Tone::Good)));
        let either = Delta { unusual: true, ..delta(10.0, 20.0) };
        assert_eq!(unusual(&either).map(|(_, tone)| tone), Some(Tone::Care));
        assert_eq!(unusual(&delta(10.0, 20.0)), None);
    }

    #[test]
    fn goals_trends_and_spreads_are_told_in_the_units_of_their_column() {
        let gb = Locale::named("en-GB");
        let wait = column("Wait", Type::Real, Format::Duration);
        assert_eq!(goal_told("<= 120", &wait, gb), "goal \u{2264} 2 min");
        let told = |goal: &str, format: Format| {
            goal_told(goal, &column("Answered", Type::Real, format), gb)
        };
        assert_eq!(told(">= 0.8", Format::Percent), "goal \u{2265} 80%");
        assert_eq!(told("< 0.125", Format::Percent), "goal < 12.5%");
        assert_eq!(told("= 2", Format::Decimals(1)), "goal = 2.0");
        let count = column("Sessions", Type::Integer, Format::Auto);
        assert_eq!(trend(&[Some(310.0), None, Some(431.0)], &count, gb), "low 310, high 431");
        assert_eq!(trend(&[Some(3.0), Some(3.0)], &count, gb), "always 3");
        assert_eq!(trend(&[None, Some(f64::NAN)], &count, gb), "no figures");
        let spread = Delta { usual: Some((289.6, 320.2)), ..delta(300.0, 431.0) };
        assert_eq!(usual(&spread, &count, gb).as_deref(), Some("usually 290 to 320"));
        let always = Delta { usual: Some((3.0, 3.0)), ..delta(3.0, 4.0) };
        assert_eq!(usual(&always, &count, gb).as_deref(), Some("usually 3"));
    }

    fn goal_told(text: &str, column: &Column, locale: Locale) -> String {
        plain(&goal(Goal(text.parse().unwrap()), column, locale))
    }
}
