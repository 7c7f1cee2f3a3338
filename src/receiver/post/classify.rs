//! What an endpoint's answer means. Pure, so that the whole table is one test.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Answer;
use crate::domain::delivery::{Outcome, RETRY_AFTER_MAX};
use crate::receiver::words::words;

/// Sorts an answer by its status alone: what Standard Webhooks ask for, and what holds for a vendor
/// that says nothing else.
pub(in crate::receiver) fn classify(answer: &Answer) -> Outcome {
    let Answer { status, after, .. } = *answer;
    let reason = reason(answer);
    match status {
        200..=299 => Outcome::Delivered(words(&format!("answered {status}"))),
        // Following would hand the message to somebody the config does not name.
        300..=399 => Outcome::Retry {
            after: None,
            reason: words(&format!("answered {status}: redirects are not followed")),
        },
        // Standard Webhooks: it wants none any more, and is not asked again.
        410 => Outcome::Gone(reason),
        401 | 403 => Outcome::ReceiverBroken(reason),
        408 | 425 | 429 | 500..=599 => Outcome::Retry { after, reason },
        400..=499 => Outcome::Rejected(reason),
        _ => Outcome::Retry { after: None, reason },
    }
}

/// The answer in words, fit for logs.
pub(in crate::receiver) fn reason(answer: &Answer) -> String {
    let Answer { status, said, .. } = answer;
    words(&match said.trim() {
        "" => format!("answered {status}"),
        said => format!("answered {status}: {said}"),
    })
}

/// Reads a Retry-After header: seconds, or an HTTP date against `now`. What cannot be read is as
/// good as absent; what is beyond [`RETRY_AFTER_MAX`] is cut to it.
pub(super) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean longer than is honoured.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let at = DateTime::<Utc>::from(httpdate::parse_http_date(value).ok()?);
        (at - now).to_std().unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{TimeZone, Utc};

    use super::{Answer, classify, retry_after};
    use crate::domain::delivery::Outcome;

    fn sorted(status: u16, after: Option<Duration>, said: &str) -> Outcome {
        classify(&Answer { status, after, said: said.to_owned() })
    }

    #[test]
    fn every_status_has_one_meaning() {
        // D delivered, R retry, X rejected, B receiver broken, G gone.
        for (statuses, meaning) in [
            (&[200, 201, 202, 204, 299][..], 'D'),
            (&[300, 301, 302, 303, 304, 307, 308], 'R'),
            (&[401, 403], 'B'),
            (&[410], 'G'),
            (&[408, 425, 429, 500, 502, 503, 504, 599], 'R'),
            (&[400, 402, 404, 405, 409, 413, 415, 422, 451], 'X'),
            (&[100, 199, 600, 999], 'R'),
        ] {
            for &status in statuses {
                assert_eq!(meaning_of(&sorted(status, None, "")), meaning, "{status}");
            }
        }
    }

    #[test]
    fn the_wait_asked_for_goes_with_a_retry_and_words_are_kept() {
        let after = Some(Duration::from_secs(7));
        assert_eq!(
            sorted(429, after, " slow\ndown "),
            Outcome::Retry { after, reason: "answered 429: slow\\ndown".into() }
        );
        assert_eq!(sorted(404, after, ""), Outcome::Rejected("answered 404".into()));
        assert_eq!(sorted(200, None, "ok"), Outcome::Delivered("answered 200".into()));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Thu, 25 Feb 2021 15:03:10 GMT", Some(60));
        check("Thu, 25 Feb 2021 15:00:00 GMT", Some(0));
        check("Fri, 25 Feb 2022 15:00:00 GMT", Some(86_400));
        check("99999999999999999999999", Some(86_400));
        check("-5", None);
        check("", None);
        check("soon", None);
    }

    #[track_caller]
    fn check(value: &str, seconds: Option<u64>) {
        let now = Utc.with_ymd_and_hms(2021, 2, 25, 15, 2, 10).unwrap();
        assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
    }

    fn meaning_of(outcome: &Outcome) -> char {
        match outcome {
            Outcome::Delivered(_) => 'D',
            Outcome::Retry { .. } => 'R',
            Outcome::Rejected(_) => 'X',
            Outcome::ReceiverBroken(_) => 'B',
            Outcome::ServerDown(_) => 'S',
            Outcome::Uncertain(_) => 'U',
            Outcome::Gone(_) => 'G',
        }
    }
}
