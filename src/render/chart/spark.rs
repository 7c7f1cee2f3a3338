//! Sparks: a few values as a word of blocks, which every mail program and plain text can show.

use crate::domain::report::Format;
use crate::render::format::Locale;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Stands for no value.
const NONE: char = '·';
/// Longer series keep their last values.
const LENGTH_MAX: usize = 60;

/// Values, oldest first, as blocks: `▂▄█·▅`.
///
/// Heights go from zero to the largest value, so that a bar of half the value is half as high; a
/// series with values below zero goes from the smallest to the largest. A value that is missing is
/// a dot, never the lowest block. A series of one and the same value is drawn at half height, of
/// zeros at the lowest. Longer series keep their last 60 values.
pub fn spark(values: &[Option<f64>]) -> String {
    let values = &values[values.len().saturating_sub(LENGTH_MAX)..];
    let known = || values.iter().filter_map(|value| value.filter(|x| x.is_finite()));
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    let floor = low.min(0.0);
    let block = |value: Option<f64>| match value.filter(|x| x.is_finite()) {
        None => NONE,
        Some(_) if low == high => BLOCKS[if low == 0.0 { 0 } else { 3 }],
        Some(x) => {
            // Halved, since the largest less the smallest number is none.
            let share = (x / 2.0 - floor / 2.0) / (high.max(0.0) / 2.0 - floor / 2.0);
            BLOCKS[((share * 7.0).round().clamp(0.0, 7.0)) as usize]
        }
    };
    values.iter().map(|value| block(*value)).collect()
}

/// The same for those who hear it: `from 12 to 30`, `from 12 to 30, 2 of 8 missing`, `no values`.
pub fn spark_words(values: &[Option<f64>], format: Format, locale: Locale) -> String {
    let values = &values[values.len().saturating_sub(LENGTH_MAX)..];
    let known: Vec<f64> = values.iter().filter_map(|v| v.filter(|x| x.is_finite())).collect();
    let told = match known.as_slice() {
        [] => return "no values".to_owned(),
        [one] => format!("only {}", locale.number(*one, format)),
        [first, .., last] => {
            let (first, last) = (locale.number(*first, format), locale.number(*last, format));
            format!("from {first} to {last}")
        }
    };
    match values.len() - known.len() {
        0 => told,
        missing => format!("{told}, {missing} of {} missing", values.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<Option<f64>> {
        text.split_whitespace().map(|word| word.parse().ok()).collect()
    }

    #[test]
    fn sparks_grow_from_zero_and_missing_is_not_low() {
        #[track_caller]
        fn check(series: &str, expected: &str) {
            assert_eq!(spark(&values(series)), expected);
        }
        check("0 1 2 3 4 5 6 7", "▁▂▃▄▅▆▇█");
        check("50 100", "▅█");
        check("96 98 100", "███");
        check("12 - 30", "▄·█");
        check("5 5 5", "▄▄▄");
        check("-5 -5", "▄▄");
        check("0 0", "▁▁");
        check("-7 0 7", "▁▅█");
        check("-10 -5", "▁▅");
        check("1e308 -1e308 0", "█▁▅");
        check("NaN inf 3", "··▄");
        check("- -", "··");
        check("", "");
        assert_eq!(spark(&[Some(1.0); 500]).chars().count(), 60);
    }

    #[test]
    fn sparks_are_told_in_the_columns_format() {
        #[track_caller]
        fn check(series: &str, format: Format, expected: &str) {
            let told = spark_words(&values(series), format, Locale::named("de-DE"));
            assert_eq!(told.replace('\u{a0}', " "), expected);
        }
        check("12 20 30", Format::Auto, "from 12 to 30");
        check("- 1200.5 - 90", Format::Auto, "from 1.200,5 to 90, 2 of 4 missing");
        check("90 150", Format::Duration, "from 1 min 30 s to 2 min 30 s");
        check("0.125", Format::Percent, "only 12,5 %");
        check("- -", Format::Auto, "no values");
        check("", Format::Auto, "no values");
    }
}
