//! Instants as Salesforce writes them: `2024-10-01T00:00:00.000+0000` over REST (an offset without
//! a colon, so not RFC 3339), with `Z` elsewhere, with `+02:00` from forgiving proxies. Written by
//! hand because a first load reads tens of millions of them.

use chrono::{DateTime, SecondsFormat, Utc};

/// Milliseconds since 1970 UTC; `None` where the text is no instant (a bare date is none: it does
/// not say in which zone).
pub(super) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (stamp, rest) = bytes.split_at_checked(19)?;
    let separators = [stamp[4], stamp[7], stamp[13], stamp[16]] == [b'-', b'-', b':', b':'];
    if !separators || !matches!(stamp[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = i64::from(two(stamp, 0)?) * 100 + i64::from(two(stamp, 2)?);
    let (month, day) = (two(stamp, 5)?, two(stamp, 8)?);
    let (hour, minute, second) = (two(stamp, 11)?, two(stamp, 14)?, two(stamp, 17)?);
    // A leap second reads as the first of the next minute.
    if day == 0 || day > days_in(year, month)? || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (millis, rest) = fraction(rest)?;
    let offset_minutes = offset(rest)?;
    let minutes =
        days_from_civil(year, month, day) * 1440 + i64::from(hour) * 60 + i64::from(minute)
            - offset_minutes;
    Some((minutes * 60 + i64::from(second)) * 1000 + millis)
}

/// Milliseconds since 1970 UTC of the first moment of a bare date, in UTC: the only zone that
/// moves no date to another day for somebody who reads it as it was written.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    match text.as_bytes() {
        bytes if bytes.len() == 10 && text.is_ascii() => parse(&format!("{text}T00:00:00Z")),
        _ => None,
    }
}

/// An instant as SOQL wants it: UTC with `Z`, milliseconds only where there are any.
pub(super) fn literal(at: DateTime<Utc>) -> String {
    let format = match at.timestamp_subsec_millis() {
        0 => SecondsFormat::Secs,
        _ => SecondsFormat::Millis,
    };
    at.to_rfc3339_opts(format, true)
}

fn two(bytes: &[u8], at: usize) -> Option<u32> {
    let (tens, ones) = (bytes[at].wrapping_sub(b'0'), bytes[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// The milliseconds of `.123456`, and what follows it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let millis = (0..3).fold(0, |sum, place| {
        let digit = if place < count { digits[place] - b'0' } else { 0 };
        sum * 10 + i64::from(digit)
    });
    Some((millis, &digits[count..]))
}

/// Minutes east of UTC.
fn offset(rest: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match rest {
        b"Z" | b"z" => return Some(0),
        [sign, digits @ ..] => match digits {
            [_, _] => (sign, two(digits, 0)?, 0),
            [_, _, _, _] => (sign, two(digits, 0)?, two(digits, 2)?),
            [_, _, b':', _, _] => (sign, two(digits, 0)?, two(digits, 3)?),
            _ => return None,
        },
        [] => return None,
    };
    let east = i64::from(hours) * 60 + i64::from(minutes);
    match sign {
        _ if hours > 18 || minutes > 59 => None,
        b'+' => Some(east),
        b'-' => Some(-east),
        _ => None,
    }
}

fn days_in(year: i64, month: u32) -> Option<u32> {
    match month {
        4 | 6 | 9 | 11 => Some(30),
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar: years counted from March, so that the leap day
/// is the last day of its year.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, rfc3339: &str) {
        let expected = DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp_millis();
        assert_eq!(parse(text), Some(expected), "{text}");
    }

    #[test]
    fn every_shape_an_org_sends_is_read() {
        check("2024-10-01T00:00:00.000+0000", "2024-10-01T00:00:00Z");
        check("2024-10-01T00:00:00.123+0000", "2024-10-01T00:00:00.123Z");
        check("2024-10-01T00:00:00Z", "2024-10-01T00:00:00Z");
        check("2024-10-01T00:00:00.5Z", "2024-10-01T00:00:00.5Z");
        check("2024-10-01T00:00:00.123456789Z", "2024-10-01T00:00:00.123Z");
        check("2024-10-01T02:00:00+02:00", "2024-10-01T00:00:00Z");
        check("2024-09-30T19:30:00.000-0430", "2024-10-01T00:00:00Z");
        check("2024-10-01T05:00:00+05", "2024-10-01T00:00:00Z");
        check("2024-02-29T23:59:59.999+0000", "2024-02-29T23:59:59.999Z");
        check("1700-01-01T00:00:00.000+0000", "1700-01-01T00:00:00Z");
        check("4000-12-31T23:59:59.000+0000", "4000-12-31T23:59:59Z");
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_instant_is_not_read() {
        for text in [
            "",
            "2024-10-01",
            "2024-10-01T00:00:00",
            "2024-10-01T00:00:00.Z",
            "2024-13-01T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-10-00T00:00:00Z",
            "2024-10-01T24:00:00Z",
            "2024-10-01T00:60:00Z",
            "2024-10-01T00:00:00+00000",
            "2024-10-01T00:00:00+9900",
            "2024/10/01T00:00:00Z",
            "2024-10-01X00:00:00Z",
            "2024-1O-01T00:00:00Z",
            "2024-10-01T00:00:00.000+0000 ",
            "äöüäöüäöüäöüäöüäöü",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_its_first_moment_in_utc() {
        assert_eq!(parse_date("1970-01-02"), Some(86_400_000));
        assert_eq!(parse_date("2024-02-29"), parse("2024-02-29T00:00:00Z"));
        for text in ["", "2023-02-29", "2024-2-29", "2024/02/29", "2024-02-29Z", "äöüäö"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(ms in -8_520_336_000_000i64..64_092_211_200_000) {
            let at = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::milliseconds(ms);
            prop_assert_eq!(parse(&literal(at)), Some(ms));
            prop_assert_eq!(parse(&at.format("%Y-%m-%dT%H:%M:%S%.3f%z").to_string()), Some(ms));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
