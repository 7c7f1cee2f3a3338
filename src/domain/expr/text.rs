//! What the report language does with text, the same inside the database and after it.

/// SQL `like`: `%` stands for any characters, `_` for one, all else for itself.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // Where to go on when the characters after the last `%` do not match here.
    let mut retry = None;
    loop {
        let text_before = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('%'), _) => {
                retry = Some((text_before.clone(), pattern.clone()));
                text = text_before;
            }
            (Some('_'), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => {
                let Some((mut from, after)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                text = from.clone();
                pattern = after.clone();
                retry = Some((from, after));
            }
        }
    }
}

/// Which of the ranges between rising bounds holds a number: 0 is below the first.
pub(crate) fn range_of(bounds: &[f64], number: f64) -> usize {
    bounds.partition_point(|bound| *bound <= number)
}

/// The text of such a range.
pub(crate) fn range_text(bounds: &[f64], index: usize) -> String {
    match (index.checked_sub(1).and_then(|below| bounds.get(below)), bounds.get(index)) {
        (None, Some(end)) => format!("< {end}"),
        (Some(start), Some(end)) => format!("{start} to < {end}"),
        (Some(start), None) => format!(">= {start}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pattern: &str, expected: bool) {
        assert_eq!(like(text, pattern), expected, "{text:?} like {pattern:?}");
    }

    #[test]
    fn like_is_exact() {
        check("", "", true);
        check("", "%", true);
        check("", "_", false);
        check("abc", "abc", true);
        check("abc", "ABC", false);
        check("abc", "a%", true);
        check("abc", "%c", true);
        check("abc", "%b%", true);
        check("abc", "a_c", true);
        check("abc", "a_", false);
        check("aXbXc", "a%X%c", true);
        check("aab", "%ab", true);
        check("mississippi", "m%iss%pi", true);
        check("mississippi", "m%iss%po", false);
        check("größe", "gr__e", true);
        check("a\0b", "a_b", true);
        check("100 %", "100%%", true);
        check(&"a".repeat(5000), &"%a".repeat(50), true);
        check(&"a".repeat(5000), &format!("{}b", "%a".repeat(50)), false);
    }

    #[test]
    fn ranges_hold_their_lower_bound() {
        let bounds = [60.0, 300.5];
        let text = |number| range_text(&bounds, range_of(&bounds, number));
        assert_eq!(text(59.9), "< 60");
        assert_eq!(text(60.0), "60 to < 300.5");
        assert_eq!(text(300.5), ">= 300.5");
    }
}
