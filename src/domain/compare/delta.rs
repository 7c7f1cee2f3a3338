//! A figure beside its baseline, and when a change is worth a flag.

use super::Delta;
use crate::domain::goal::Goal;

/// How much a column's values scatter at the least, whatever the baseline happens to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// It counts records: even of a steady stream, a mean of `m` comes with a spread of `√m`.
    Count,
    /// Anything else.
    Measure,
}

/// Fewer stretches than this show no usual spread.
const STRETCHES_MIN: usize = 4;
/// Values that happen to be equal are taken to scatter by this part of their mean.
const SPREAD_MIN: f64 = 0.01;
/// Student's t, two-sided 95 %, by degrees of freedom from 3; beyond the table it is taken to stay.
const STUDENT: [f64; 9] = [3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201];

impl Delta {
    /// A figure held against its baseline, one value a stretch; `None` where the baseline has none.
    ///
    /// The usual spread is the 95 % prediction interval of one more value like those of the
    /// baseline: `mean ± t · s · √(1 + 1/k)` of its `k` values with their standard deviation `s`. A
    /// plain `± 2 s` would be too narrow for so few: of four values it flags every sixth ordinary
    /// one. It needs four stretches; below that a standard deviation says nearly nothing, and the
    /// factor grows so large that nothing would ever be flagged. Three more things widen it, so that
    /// chance alone is not flagged: a count scatters by the root of its mean at least, other figures
    /// by one percent of it, and what the baseline itself has reached is never unusual. What has
    /// never been negative is not expected to be.
    pub fn of(value: f64, baseline: &[f64], noise: Noise, goal: Option<Goal>) -> Option<Delta> {
        if baseline.is_empty() || !value.is_finite() {
            return None;
        }
        let count = baseline.len() as f64;
        let before = baseline.iter().sum::<f64>() / count;
        let change = value - before;
        let usual = usual(baseline, before, noise);
        let better = match goal.and_then(Goal::more_is_better) {
            Some(upward) if change != 0.0 => Some((change > 0.0) == upward),
            _ => None,
        };
        Some(Delta {
            before,
            change,
            relative: (before != 0.0).then(|| change / before.abs()),
            usual,
            unusual: usual.is_some_and(|(low, high)| value < low || high < value),
            better,
        })
    }
}

fn usual(baseline: &[f64], mean: f64, noise: Noise) -> Option<(f64, f64)> {
    let freedom = baseline.len().checked_sub(1).filter(|_| STRETCHES_MIN <= baseline.len())?;
    let count = baseline.len() as f64;
    let squares: f64 = baseline.iter().map(|value| (value - mean).powi(2)).sum();
    let least = match noise {
        // Of no records at all it is that of one.
        Noise::Count => mean.abs().max(1.0).sqrt(),
        Noise::Measure => mean.abs() * SPREAD_MIN,
    };
    let deviation = (squares / freedom as f64).sqrt().max(least);
    let student = STUDENT[(freedom - 3).min(STUDENT.len() - 1)];
    let reach = student * deviation * (1.0 + 1.0 / count).sqrt();
    let least = baseline.iter().copied().fold(f64::INFINITY, f64::min);
    let most = baseline.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = (mean - reach).min(least);
    let low = if least >= 0.0 { low.max(0.0) } else { low };
    Some((low, (mean + reach).max(most)))
}
