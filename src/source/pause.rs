//! The pause between two tries of a request: longer each time, and never at the same moment as
//! others.

use chrono::TimeDelta;

const FIRST: TimeDelta = TimeDelta::seconds(1);
const LONGEST: TimeDelta = TimeDelta::seconds(30);

/// How long to wait after so many tries.
pub(super) fn after(tries: u32) -> TimeDelta {
    pause(tries, chance())
}

/// Doubling, and somewhere in its upper half.
fn pause(tries: u32, chance: f64) -> TimeDelta {
    let doubled = FIRST * 2i32.saturating_pow(tries.saturating_sub(1).min(20));
    let full = doubled.min(LONGEST).num_milliseconds() as f64;
    TimeDelta::milliseconds((full * (0.5 + chance / 2.0)) as i64)
}

/// Between 0 and 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the waits are merely not spread.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_bounds() {
        let millis = |tries, chance| pause(tries, chance).num_milliseconds();
        assert_eq!([millis(1, 0.0), millis(1, 1.0)], [500, 1000]);
        assert_eq!([millis(2, 1.0), millis(3, 1.0), millis(4, 1.0)], [2000, 4000, 8000]);
        assert_eq!(millis(60, 1.0), 30_000);
    }
}
