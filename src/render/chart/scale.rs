//! Scales: from values to places, and the round values an axis is marked at.

use crate::domain::report::Format;

/// Steps of an axis of seconds: people count them by 60, 60, 24 and 7.
const SECONDS: [f64; 22] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    432_000.0,
    604_800.0,
    1_209_600.0,
];
/// An axis never has more marks.
const MARKS_MAX: usize = 12;

/// A stretch of values, laid on 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Scale {
    /// From zero to the farthest of some values, to both sides where there are any.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, high) =
            values.into_iter().fold((0.0_f64, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
        // All zero: anything but nothing, so that zero has a place.
        if low == high { Scale { low: 0.0, high: 1.0 } } else { Scale { low, high } }
    }

    /// Where a value lies; outside the scale it lies at its end.
    pub(super) fn at(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The scale of a line. It starts at zero, but for values that all lie so close together, far
    /// from it, that their course would be a flat line. It ends at round values, which are its
    /// marks.
    pub(super) fn of_line(values: &[f64], format: Format) -> (Scale, Vec<f64>) {
        let mut whole = Scale::from_zero(values.iter().copied());
        let (low, high) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
        let far = low.abs().min(high.abs());
        if low < high && low.signum() == high.signum() && high - low < far * 0.25 {
            whole = Scale { low, high };
        }
        let integers = matches!(format, Format::Auto) && values.iter().all(|x| x.fract() == 0.0);
        let step = step((whole.high - whole.low) / 3.0, format, integers);
        let (first, last) = ((whole.low / step).floor(), (whole.high / step).ceil());
        let count = ((last - first) as usize).min(MARKS_MAX);
        let marks: Vec<f64> = (0..=count).map(|i| (first + i as f64) * step).collect();
        if marks.len() < 2 || marks.iter().any(|mark| !mark.is_finite()) {
            return (whole, vec![whole.low, whole.high]);
        }
        let high = marks.last().copied().unwrap_or(whole.high);
        (Scale { low: marks[0], high: high.max(whole.high) }, marks)
    }
}

/// The smallest round step that is not below this.
fn step(least: f64, format: Format, integers: bool) -> f64 {
    if matches!(format, Format::Duration)
        && let Some(step) = SECONDS.iter().find(|step| least <= **step && 0.5 <= least)
    {
        return *step;
    }
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| least <= *step);
    let step = step.unwrap_or(least);
    if integers { step.max(1.0) } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_hold_every_value() {
        #[track_caller]
        fn check(values: &[f64], format: Format, expected: &[f64]) {
            let (scale, marks) = Scale::of_line(values, format);
            assert_eq!(marks.len(), expected.len(), "{marks:?}");
            for (mark, expected) in marks.iter().zip(expected) {
                assert!((mark - expected).abs() <= expected.abs() * 1e-9, "{marks:?}");
            }
            for value in values {
                assert!(scale.low <= *value && *value <= scale.high);
            }
        }
        check(&[0.0, 210.0], Format::Auto, &[0.0, 100.0, 200.0, 300.0]);
        check(&[120.0, 180.0, 90.0], Format::Auto, &[0.0, 100.0, 200.0]);
        check(&[1.0, 2.0], Format::Auto, &[0.0, 1.0, 2.0]);
        check(&[0.0, 0.0], Format::Auto, &[0.0, 1.0]);
        check(&[0.95, 0.99], Format::Percent, &[0.94, 0.96, 0.98, 1.0]);
        check(&[30.0, 170.0], Format::Duration, &[0.0, 60.0, 120.0, 180.0]);
        check(&[9_000.0], Format::Duration, &[0.0, 3_600.0, 7_200.0, 10_800.0]);
        check(&[-50.0, 100.0], Format::Auto, &[-50.0, 0.0, 50.0, 100.0]);
        check(&[1e-9], Format::Auto, &[0.0, 5e-10, 1e-9]);
        check(&[1e300], Format::Auto, &[0.0, 5e299, 1e300]);
    }

    #[test]
    fn places_stay_on_the_picture() {
        let scale = Scale::from_zero([-1.0, 3.0]);
        assert_eq!((scale.at(-1.0), scale.at(0.0), scale.at(3.0)), (0.0, 0.25, 1.0));
        assert_eq!((scale.at(-9.0), scale.at(9.0)), (0.0, 1.0));
        assert_eq!(Scale::from_zero([0.0]).at(0.0), 0.0);
    }
}
