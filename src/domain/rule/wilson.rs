//! How sure a share is: the Wilson score interval.
//!
//! Of `n` trials `x` succeeded. The interval holds the shares that a score test at this confidence
//! would not refuse, given that outcome. Unlike the interval around the share itself it says
//! something for few trials and for shares near 0 and 1 (E. B. Wilson, JASA 22, 1927, 209-212).

use std::f64::consts::{PI, SQRT_2};

/// The bounds of the two-sided Wilson score interval of `x` out of `n`, without continuity
/// correction. `confidence` is that of the interval, e.g. 0.95. `None` where this is no share: `n`
/// not above 0, or `x` not within `0..=n`. A confidence of 0 gives the share itself, twice.
pub fn bounds(x: f64, n: f64, confidence: f64) -> Option<(f64, f64)> {
    if !(n > 0.0 && (0.0..=n).contains(&x)) {
        return None;
    }
    let (share, z) = (x / n, quantile(confidence));
    let square = z * z;
    let centre = (share + square / (2.0 * n)) / (1.0 + square / n);
    let half = z * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt() / (1.0 + square / n);
    Some(((centre - half).clamp(0.0, share), (centre + half).clamp(share, 1.0)))
}

/// The z for which a standard normal variable lies within `-z..z` with this probability.
fn quantile(confidence: f64) -> f64 {
    // Beyond eight deviations doubles do not tell a probability from 1.
    let (mut low, mut high) = (0.0_f64, 8.0_f64);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if within(middle) < confidence { low = middle } else { high = middle }
    }
    low
}

/// The probability that a standard normal variable lies within `-z..z`: `erf(z / √2)`, by the series
/// of G. Marsaglia, Journal of Statistical Software 11 (4), 2004.
fn within(z: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (z, z, 1.0);
    while term > sum * f64::EPSILON / 4.0 && term > 0.0 {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    (SQRT_2 / PI.sqrt()) * sum * (-z * z / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        // Abramowitz & Stegun, Handbook of Mathematical Functions, table 26.5.
        for (confidence, z) in [
            (0.5, 0.674_489_750_196_081_7),
            (0.8, 1.281_551_565_544_600_5),
            (0.9, 1.644_853_626_951_472_7),
            (0.95, 1.959_963_984_540_054),
            (0.99, 2.575_829_303_548_901),
            (0.999, 3.290_526_731_491_895),
            (0.9999, 3.890_591_886_413_094),
        ] {
            assert!(
                (quantile(confidence) - z).abs() < 1e-12,
                "{confidence}: {}",
                quantile(confidence)
            );
        }
        assert!(quantile(0.0) < 1e-15);
    }

    #[track_caller]
    fn check(x: f64, n: f64, low: f64, high: f64) {
        let bounds = bounds(x, n, 0.95).expect("a share");
        assert!((bounds.0 - low).abs() < 5e-5 && (bounds.1 - high).abs() < 5e-5, "{bounds:?}");
    }

    /// R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in
    /// Medicine 17 (1998), 857-872, table I, method 3.
    #[test]
    fn bounds_are_the_published_ones() {
        check(81.0, 263.0, 0.2553, 0.3662);
        check(15.0, 148.0, 0.0624, 0.1605);
        check(0.0, 20.0, 0.0, 0.1611);
        check(1.0, 29.0, 0.0061, 0.1718);
        // Failures and successes change places.
        check(20.0, 20.0, 1.0 - 0.1611, 1.0);
    }

    #[test]
    fn what_is_no_share_has_no_bounds() {
        for (x, n) in [(1.0, 0.0), (3.0, 2.0), (-1.0, 2.0), (f64::NAN, 2.0), (1.0, f64::NAN)] {
            assert_eq!(bounds(x, n, 0.95), None);
        }
        assert_eq!(
            bounds(1.0, 4.0, 0.0).map(|(low, high)| (low > 0.2499, high < 0.2501)),
            Some((true, true))
        );
    }

    proptest! {
        #[test]
        fn bounds_hold_the_share_and_narrow_with_more_trials(
            x in 0_u32..1000, more in 0_u32..1_000_000, confidence in 0.5_f64..0.9999,
        ) {
            let (x, n) = (f64::from(x), f64::from(x) + f64::from(more) + 1.0);
            let (low, high) = bounds(x, n, confidence).expect("a share");
            prop_assert!(0.0 <= low && low <= x / n && x / n <= high && high <= 1.0);
            let (low_ten, high_ten) = bounds(x * 10.0, n * 10.0, confidence).expect("a share");
            prop_assert!(high_ten - low_ten <= high - low + 1e-12);
        }
    }
}
