//! Doors for fuzzers: what an endpoint answers.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use super::Answer;
use super::classify::{classify, retry_after};
use crate::domain::delivery::{Outcome, RETRY_AFTER_MAX};

/// Two bytes of status, a Retry-After up to a line's end, and what it said.
pub fn answer(data: &[u8]) {
    let Some((status, rest)) = data.split_at_checked(2) else { return };
    let status = u16::from_be_bytes([status[0], status[1]]) % 1_000;
    let text = String::from_utf8_lossy(rest);
    let (after, said) = text.split_once('\n').unwrap_or((text.as_ref(), ""));
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_514);
    let after = retry_after(after, now);
    assert!(after.is_none_or(|after| after <= RETRY_AFTER_MAX), "waits longer than is honoured");
    let outcome = classify(&Answer { status, after, said: said.to_owned() });
    assert_eq!(matches!(outcome, Outcome::Delivered(_)), (200..300).contains(&status));
    if let Outcome::Retry { after, .. } = &outcome {
        assert!(after.is_none_or(|after| after <= Duration::from_secs(24 * 3600)));
    }
    let _ = outcome.map_words(|words| {
        assert!(!words.chars().any(char::is_control), "{words:?} has control characters");
        assert!(words.chars().count() <= 1_000, "{} characters are told", words.len());
        words
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every seed, and each of its beginnings.
    #[track_caller]
    fn check(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files = std::fs::read_dir(folder).unwrap();
        let mut count = 0;
        for file in files {
            let seed = std::fs::read(file.unwrap().path()).unwrap();
            (0..=seed.len()).for_each(|end| run(&seed[..end]));
            count += 1;
        }
        assert!(count >= 5, "{target} has {count} seeds");
    }

    #[test]
    fn whatever_comes_is_read_or_refused_with_a_reason() {
        check("answers", answer);
    }
}
