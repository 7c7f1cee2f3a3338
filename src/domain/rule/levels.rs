//! Levels: which one a value reaches, which one is left, which value is worse.
//!
//! Levels are ordered by severity, not by number: `< 10` then `< 5` rise as well as `> 300` then
//! `> 900`.

use super::{Comparison, Level, Op};

/// The level an incident is at after this value; `None`: the value is clear. `current` is the
/// level it was at.
///
/// The highest level whose breach holds is reached at once. A level that was reached, and with it
/// those below, is left only when its recovery comparison holds (without one: as soon as its breach
/// no longer does). So a value between the two thresholds changes nothing.
///
/// `bounds` are between what the value lies for sure (a confidence interval). A level is reached only
/// if its breach holds for all of that; it is left by the value alone.
pub fn level_after(
    levels: &[Level],
    current: Option<usize>,
    value: f64,
    bounds: Option<(f64, f64)>,
) -> Option<usize> {
    let sure = |breach: Comparison| {
        bounds.is_none_or(|(low, high)| match breach.upward() {
            Some(true) => breach.holds(low),
            Some(false) => breach.holds(high),
            None => true,
        })
    };
    let reached = levels.iter().rposition(|level| level.breach.holds(value) && sure(level.breach));
    let kept = current.and_then(|current| {
        let held = levels.get(..=current.min(levels.len().saturating_sub(1)))?;
        held.iter().rposition(|level| match level.recover {
            Some(recover) => !recover.holds(value),
            None => level.breach.holds(value),
        })
    });
    reached.max(kept)
}

/// Whether `value` is worse than `than`: it breaches a higher level, or the same by more.
pub fn is_worse(levels: &[Level], value: f64, than: f64) -> bool {
    let (a, b) = (badness(levels, value), badness(levels, than));
    (a.0, a.1).partial_cmp(&(b.0, b.1)).is_some_and(std::cmp::Ordering::is_gt)
}

/// How bad a value is: the level it breaches (0: none, 1: the first, ...), then by how much. Of a
/// value that breaches nothing, how near it is to the first level.
pub fn badness(levels: &[Level], value: f64) -> (usize, f64) {
    match levels.iter().rposition(|level| level.breach.holds(value)) {
        Some(index) => (index + 1, levels[index].breach.excess(value)),
        None => (0, levels.first().map_or(0.0, |level| level.breach.excess(value))),
    }
}

/// A mistake in a rule's levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelMistake {
    /// Index of the level.
    pub level: usize,
    /// Whether it is about the recovery comparison rather than the breach or the name.
    pub in_recover: bool,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Everything that is wrong with a rule's levels: names given twice, levels that do not rise, a
/// recovery that holds while the breach does, or that leaves a level in the wrong direction.
pub fn mistakes(levels: &[Level]) -> Vec<LevelMistake> {
    let mut found = Vec::new();
    for (index, level) in levels.iter().enumerate() {
        let mut note = |in_recover, message, help| {
            found.push(LevelMistake { level: index, in_recover, message, help });
        };
        if levels[..index].iter().any(|before| before.name == level.name) {
            let help = "give each level its own name".to_owned();
            note(false, format!("level `{}` is there twice", level.name), help);
        }
        if let Some(before) = index.checked_sub(1).map(|before| &levels[before])
            && let Some(help) = not_rising(before.breach, level.breach)
        {
            let message = format!(
                "level `{}` (`{}`) does not rise above `{}` (`{}`)",
                level.name, level.breach, before.name, before.breach
            );
            note(false, message, help);
        }
        if let Some(recover) = level.recover
            && let Some(help) = not_recovering(level.breach, recover)
        {
            let message = format!(
                "`{recover}` cannot end level `{}`, which is reached at `{}`",
                level.name, level.breach
            );
            note(true, message, help);
        }
    }
    found
}

/// What to write where `next` is not more severe than `before`.
fn not_rising(before: Comparison, next: Comparison) -> Option<String> {
    match (direction(before), direction(next)) {
        (Some(a), Some(b)) if a != b => Some(format!(
            "all levels of a rule compare in one direction: write `{}` with a number",
            sign(before.op)
        )),
        (Some(Direction::Up), _) if next.than <= before.than => {
            Some(format!("write a number above {}, or change the order", before.than))
        }
        (Some(Direction::Down), _) if next.than >= before.than => {
            Some(format!("write a number below {}, or change the order", before.than))
        }
        _ => None,
    }
}

/// What to write where `recover` is no way back from `breach`.
fn not_recovering(breach: Comparison, recover: Comparison) -> Option<String> {
    let back = match direction(breach)? {
        Direction::Up => (Direction::Down, "<", recover.than <= breach.than),
        Direction::Down => (Direction::Up, ">", recover.than >= breach.than),
    };
    let fits = direction(recover) == Some(back.0)
        && back.2
        && !(breach.holds(recover.than) && recover.holds(recover.than));
    (!fits).then(|| format!("write e.g. `{} {}`", back.1, breach.than))
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Up,
    Down,
}

fn direction(comparison: Comparison) -> Option<Direction> {
    match comparison.op {
        Op::Greater | Op::GreaterOrEqual => Some(Direction::Up),
        Op::Less | Op::LessOrEqual => Some(Direction::Down),
        Op::Equal | Op::Different => None,
    }
}

fn sign(op: Op) -> &'static str {
    if matches!(op, Op::Greater | Op::GreaterOrEqual) { ">" } else { "<" }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    /// Values one after another; the level after each: `-` none, then `0`, `1`, ...
    #[track_caller]
    fn check(levels: &[(&str, &str, Option<&str>)], values: &[f64], expected: &str) {
        let levels = sample::rule(levels).levels;
        let mut current = None;
        let mut seen = String::new();
        for &value in values {
            current = level_after(&levels, current, value, None);
            seen.push(current.map_or('-', |level| char::from(b'0' + level as u8)));
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_level_is_left_only_when_its_recovery_holds() {
        let rising = [("warning", "> 300", Some("< 240")), ("critical", "> 900", Some("< 700"))];
        check(&rising, &[200.0, 260.0, 301.0, 260.0, 240.0, 239.0, 260.0], "--000--");
        check(&rising, &[950.0, 800.0, 700.0, 699.0, 260.0, 100.0], "11100-");
        check(&rising, &[950.0, 100.0], "1-");
        let falling = [("low", "< 10", Some("> 15")), ("none", "<= 0", Some("> 5"))];
        check(&falling, &[20.0, 12.0, 9.0, 12.0, 15.0, 15.5], "--000-");
        check(&falling, &[0.0, 4.0, 5.0, 6.0, 14.0, 16.0], "11100-");
    }

    #[test]
    fn without_recovery_a_level_ends_with_its_breach() {
        let rising = [("warning", "> 300", None), ("critical", "> 900", None)];
        check(&rising, &[300.0, 301.0, 901.0, 900.0, 300.0], "-010-");
        check(&[("odd", "!= 100", None)], &[100.0, 99.0, 101.0, 100.0], "-00-");
    }

    #[test]
    fn worse_is_a_higher_level_first_and_then_a_larger_excess() {
        let rising = sample::rule(&[("warning", "> 300", None), ("critical", "> 900", None)]);
        assert!(is_worse(&rising.levels, 901.0, 900.0));
        assert!(is_worse(&rising.levels, 250.0, 200.0));
        assert!(!is_worse(&rising.levels, 400.0, 400.0));
        let falling = sample::rule(&[("low", "< 10", None), ("none", "< 1", None)]);
        assert!(is_worse(&falling.levels, 0.0, 5.0));
        assert!(is_worse(&falling.levels, 11.0, 20.0));
    }

    #[track_caller]
    fn check_mistakes(levels: &[(&str, &str, Option<&str>)], expected: &[&str]) {
        let found = mistakes(&sample::rule(levels).levels);
        let found: Vec<String> = found
            .iter()
            .map(|m| {
                let place = if m.in_recover { "recover" } else { "level" };
                format!("{place} {}: {}; {}", m.level, m.message, m.help)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn levels_that_cannot_work_are_named_with_their_mend() {
        check_mistakes(
            &[("warning", "> 300", Some("< 240")), ("critical", "> 900", Some("<= 900"))],
            &[],
        );
        check_mistakes(&[("low", "< 10", Some(">= 10")), ("none", "< 1", Some("> 5"))], &[]);
        check_mistakes(
            &[("warning", "> 300", None), ("critical", "> 200", None)],
            &["level 1: level `critical` (`> 200`) does not rise above `warning` (`> 300`); \
               write a number above 300, or change the order"],
        );
        check_mistakes(
            &[("a", "< 10", None), ("a", "> 5", None)],
            &[
                "level 1: level `a` is there twice; give each level its own name",
                "level 1: level `a` (`> 5`) does not rise above `a` (`< 10`); all levels of a rule \
                 compare in one direction: write `<` with a number",
            ],
        );
        check_mistakes(
            &[("warning", "> 300", Some("> 240"))],
            &["recover 0: `> 240` cannot end level `warning`, which is reached at `> 300`; \
               write e.g. `< 300`"],
        );
        check_mistakes(
            &[("warning", "> 300", Some("< 400"))],
            &["recover 0: `< 400` cannot end level `warning`, which is reached at `> 300`; \
               write e.g. `< 300`"],
        );
        check_mistakes(
            &[("warning", ">= 300", Some("<= 300"))],
            &["recover 0: `<= 300` cannot end level `warning`, which is reached at `>= 300`; \
               write e.g. `< 300`"],
        );
    }
}
