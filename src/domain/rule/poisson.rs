//! How likely so few are: the Poisson distribution.
//!
//! Things that come independently of each other and with a steady rate come in numbers of this
//! distribution: sessions of an hour, calls of a minute. The point probability is computed by C.
//! Loader's saddle-point expansion (Fast and Accurate Computation of Binomial Probabilities, 2000),
//! which loses nothing where the mean is large, and summed away from the mean.

use std::f64::consts::PI;

/// Beyond it the normal distribution is as good, and a sum would be long.
const MEAN_MAX: f64 = 1e9;

/// `P(X <= count)` where X is Poisson distributed with this mean. A count that is not whole is cut.
/// `None` where one of them is negative or not a number.
pub fn at_most(count: f64, mean: f64) -> Option<f64> {
    if !(count >= 0.0 && mean >= 0.0 && mean.is_finite()) {
        return None;
    }
    let count = count.floor();
    if mean == 0.0 || count == f64::INFINITY {
        return Some(1.0);
    }
    if mean > MEAN_MAX {
        // Half of one for the continuity: both count in whole numbers.
        return Some(normal((count + 0.5 - mean) / mean.sqrt()));
    }
    let below = count < mean;
    let sum = if below { tail_below(count, mean) } else { 1.0 - tail_above(count + 1.0, mean) };
    Some(sum.clamp(0.0, 1.0))
}

/// `P(X <= k)` for `k < mean`: the terms shrink downwards.
fn tail_below(k: f64, mean: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, k);
    while n > 0.0 && term > sum * f64::EPSILON / 4.0 {
        term *= n / mean;
        sum += term;
        n -= 1.0;
    }
    sum * exactly(k, mean)
}

/// `P(X >= k)` for `k > mean`: the terms shrink upwards.
fn tail_above(k: f64, mean: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, k);
    while term > sum * f64::EPSILON / 4.0 {
        n += 1.0;
        term *= mean / n;
        sum += term;
    }
    sum * exactly(k, mean)
}

/// `P(X = k)`, `k` whole, `mean` above 0.
fn exactly(k: f64, mean: f64) -> f64 {
    if k == 0.0 {
        return (-mean).exp();
    }
    (-stirling_error(k) - deviance(k, mean)).exp() / (2.0 * PI * k).sqrt()
}

/// `ln k! - ln(√(2πk) (k/e)^k)`.
fn stirling_error(k: f64) -> f64 {
    if k < 16.0 {
        let (mut factorial, mut n) = (0.0, 2.0);
        while n <= k {
            factorial += f64::ln(n);
            n += 1.0;
        }
        return factorial - (k + 0.5) * k.ln() + k - 0.5 * (2.0 * PI).ln();
    }
    let square = k * k;
    let series = [1.0 / 12.0, 1.0 / 360.0, 1.0 / 1260.0, 1.0 / 1680.0, 1.0 / 1188.0];
    let inner = series[3] - series[4] / square;
    (series[0] - (series[1] - (series[2] - inner / square) / square) / square) / k
}

/// `k ln(k / mean) + mean - k`, exact where the two are near.
fn deviance(k: f64, mean: f64) -> f64 {
    let difference = k - mean;
    if difference.abs() >= 0.1 * (k + mean) {
        return k * (k / mean).ln() + mean - k;
    }
    let v = difference / (k + mean);
    let (mut sum, mut term, mut odd) = (difference * v, 2.0 * k * v, 1.0);
    loop {
        odd += 2.0;
        term *= v * v;
        let next = sum + term / odd;
        if next == sum {
            return sum;
        }
        sum = next;
    }
}

/// The probability of a standard normal variable below `z`, by its continued fraction or series.
fn normal(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z < -5.0 {
        // Laplace's continued fraction for the tail.
        let fraction = (1..=60).rev().fold(-z, |rest, n| -z + f64::from(n) / rest);
        return density / fraction;
    }
    if z > 5.0 {
        return 1.0 - normal(-z);
    }
    let (mut sum, mut term, mut odd) = (z, z, 1.0);
    while term.abs() > f64::EPSILON / 4.0 * sum.abs() {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 + sum * density
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Relative to the smaller tail, so that rare chances are told as exactly as common ones.
    #[track_caller]
    fn check(count: f64, mean: f64, expected: f64, tolerance: f64) {
        let chance = at_most(count, mean).expect("a chance");
        let scale = expected.min(1.0 - expected).max(f64::MIN_POSITIVE);
        assert!(((chance - expected) / scale).abs() < tolerance, "{chance} for {expected}");
    }

    /// Printed to four or five places in E. C. Molina, Poisson's Exponential Binomial Limit (1942),
    /// table II, and in the tables of most textbooks, e.g. W. Feller's.
    #[test]
    fn chances_are_the_published_ones() {
        for (count, mean, expected) in [
            (2.0, 5.0, 0.1247),
            (0.0, 0.5, 0.6065),
            (3.0, 2.5, 0.7576),
            (10.0, 10.0, 0.5830),
            (15.0, 20.0, 0.1565),
            (0.0, 3.0, 0.0498),
            (4.0, 10.0, 0.0293),
        ] {
            let chance = at_most(count, mean).expect("a chance");
            assert!((chance - expected).abs() < 5.1e-5, "{count} of {mean}: {chance}");
        }
    }

    /// The regularized upper incomplete gamma function Q(count + 1, mean) with 40 digits.
    #[test]
    fn chances_are_exact_for_large_means_and_far_tails() {
        check(0.0, 10.0, 4.539_992_976_248_485e-5, 1e-13);
        check(12.0, 48.0, 5.883_306_425_402_256e-10, 1e-12);
        check(70.0, 100.0, 9.714_440_282_773_882e-4, 1e-12);
        check(100.0, 100.0, 0.526_562_198_529_998_5, 1e-12);
        check(900.0, 1000.0, 6.977_673_277_963_068e-4, 1e-12);
        check(9_700.0, 1e4, 1.312_856_777_471_316_5e-3, 1e-11);
        check(1e6, 1e6, 0.500_265_961_486_283_6, 1e-10);
        check(997_000.0, 1e6, 1.346_203_718_241_104_7e-3, 1e-10);
        check(1_003_000.0, 1e6, 0.998_646_409_870_898_7, 1e-8);
        check(99_970_000.0, 1e8, 1.349_528_699_851_059e-3, 1e-8);
        check(999_900_000.0, 1e9, 7.826_161_253_353_164e-4, 1e-7);
        // Three deviations below: 0.00135 by any table of the normal distribution.
        check(1e10 - 3e5, 1e10, 1.349_9e-3, 1e-3);
    }

    #[test]
    fn the_edges_are_chances_too() {
        for (count, mean, expected) in [
            (0.0, 0.0, Some(1.0)),
            (f64::INFINITY, 3.0, Some(1.0)),
            (0.0, 1e5, Some(0.0)),
            (1e12, 3.0, Some(1.0)),
            (-1.0, 3.0, None),
            (1.0, -3.0, None),
            (1.0, f64::INFINITY, None),
            (f64::NAN, 3.0, None),
        ] {
            assert_eq!(at_most(count, mean), expected, "{count} of {mean}");
        }
        // Not whole: two and a half come no oftener than two.
        assert_eq!(at_most(2.9, 5.0), at_most(2.0, 5.0));
    }

    proptest! {
        #[test]
        fn more_are_likelier_and_a_larger_mean_makes_few_rarer(
            count in 0.0_f64..1e5, more in 0.0_f64..100.0, mean in 0.001_f64..1e5,
        ) {
            let chance = at_most(count, mean).expect("a chance");
            prop_assert!((0.0..=1.0).contains(&chance));
            prop_assert!(at_most(count + more, mean).expect("a chance") >= chance - 1e-12);
            prop_assert!(at_most(count, mean * 1.1).expect("a chance") <= chance + 1e-12);
        }
    }
}
