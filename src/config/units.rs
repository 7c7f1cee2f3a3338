//! Lengths of time as people write them: `30 s`, `5 min`, `1 h 30 min`, `2 days`, `13 months`; and
//! sizes: `500 kB`, `10 MB`.

use chrono::TimeDelta;

/// Ten years: nothing in a config is longer.
const SECONDS_MAX: i64 = 10 * 366 * 86_400;

/// A length of time. Days are 24 hours; months and years are refused, since they are not a length.
pub(super) fn duration(text: &str) -> Result<TimeDelta, String> {
    parse(text, false)
}

/// A length of time longer than nothing.
pub(super) fn duration_above_zero(text: &str) -> Result<TimeDelta, String> {
    match duration(text)? {
        length if length > TimeDelta::zero() => Ok(length),
        _ => Err(format!("`{text}` is no time at all")),
    }
}

/// How far back: as [`duration`], and months (of 31 days) and years (of 366), so that what is kept
/// reaches at least as far as was asked.
pub(super) fn reach(text: &str) -> Result<TimeDelta, String> {
    match parse(text, true)? {
        length if length > TimeDelta::zero() => Ok(length),
        _ => Err(format!("`{text}` is no time at all")),
    }
}

fn parse(text: &str, calendar: bool) -> Result<TimeDelta, String> {
    let mut rest = text.trim();
    let mut seconds: i64 = 0;
    if rest.is_empty() {
        return Err("no length of time: write e.g. `5 min`".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..digits]
            .parse()
            .map_err(|_| format!("`{text}` is not a length of time: write e.g. `5 min`"))?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = unit(&rest[..letters], calendar)?;
        rest = rest[letters..].trim_start();
        seconds = number
            .checked_mul(unit)
            .and_then(|part| seconds.checked_add(part))
            .filter(|seconds| *seconds <= SECONDS_MAX)
            .ok_or_else(|| format!("`{text}` is longer than ten years"))?;
    }
    Ok(TimeDelta::seconds(seconds))
}

fn unit(word: &str, calendar: bool) -> Result<i64, String> {
    Ok(match word {
        "s" | "sec" | "second" | "seconds" => 1,
        "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "week" | "weeks" => 7 * 86_400,
        "month" | "months" if calendar => 31 * 86_400,
        "year" | "years" if calendar => 366 * 86_400,
        "month" | "months" | "year" | "years" => {
            return Err(format!("`{word}` are not equally long: write `days`"));
        }
        "" => return Err("a number without a unit: write e.g. `5 min`".to_owned()),
        "m" => return Err("`m` could be minutes or months: write `min`".to_owned()),
        _ => {
            return Err(format!("`{word}` is not a unit of time: write `s`, `min`, `h` or `days`"));
        }
    })
}

/// A size in bytes: `500 kB`, `10 MB`. Units are decimal, as mail servers count.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let written = text.trim();
    let digits = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
    let unit = match written[digits..].trim_start() {
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        _ => return Err(format!("`{text}` is not a size: write e.g. `10 MB`")),
    };
    written[..digits]
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("`{text}` is not a size: write e.g. `10 MB`"))
}

/// A length in the largest unit that divides it, e.g. `90 min`, for messages.
pub(super) fn words(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    for (unit, word) in [(86_400, "days"), (3600, "h"), (60, "min")] {
        if seconds != 0 && seconds % unit == 0 {
            return format!("{} {word}", seconds / unit);
        }
    }
    format!("{seconds} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        check("30 s", Ok(30));
        check("5 min", Ok(300));
        check("5min", Ok(300));
        check("4 h", Ok(4 * 3600));
        check("1 h 30 min", Ok(5400));
        check("2 days", Ok(2 * 86_400));
        check("1 week", Ok(7 * 86_400));
        check("0 s", Ok(0));
        check(" 1 minute ", Ok(60));
        check("5 m", Err("`m` could be minutes or months: write `min`"));
        check("5", Err("a number without a unit: write e.g. `5 min`"));
        check("", Err("no length of time: write e.g. `5 min`"));
        check("min", Err("`min` is not a length of time: write e.g. `5 min`"));
        check("-5 min", Err("`-5 min` is not a length of time: write e.g. `5 min`"));
        check("1.5 h", Err("a number without a unit: write e.g. `5 min`"));
        check("3 moons", Err("`moons` is not a unit of time: write `s`, `min`, `h` or `days`"));
        check("2 months", Err("`months` are not equally long: write `days`"));
        check("4000 days", Err("`4000 days` is longer than ten years"));
        check(
            "99999999999999999999 s",
            Err("`99999999999999999999 s` is not a length of time: write e.g. `5 min`"),
        );
        check(
            "9223372036854775807 days",
            Err("`9223372036854775807 days` is longer than ten years"),
        );
    }

    #[track_caller]
    fn check(text: &str, expected: Result<i64, &str>) {
        let seconds = duration(text).map(|length| length.num_seconds());
        assert_eq!(seconds.as_ref().map_err(String::as_str), expected.as_ref().map_err(|err| *err));
    }

    #[test]
    fn a_reach_knows_months_and_is_never_shorter_than_asked() {
        assert_eq!(reach("13 months"), Ok(TimeDelta::days(13 * 31)));
        assert_eq!(reach("2 years"), Ok(TimeDelta::days(732)));
        assert!(reach("0 days").is_err());
        assert!(duration_above_zero("0 min").is_err());
    }

    #[test]
    fn a_length_in_words_is_the_shortest_exact_one() {
        for text in ["90 min", "2 days", "45 s", "4 h"] {
            assert_eq!(words(duration(text).unwrap()), text);
        }
    }
}
