//! Placeholders in paths and query values: `{watermark}`, `{from}`, `{to}` and `{now}`, each with
//! an optional way to write the instant, as in `{watermark:epoch_s}`. `{{` and `}}` are braces.

use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, DurationRound, SecondsFormat, TimeDelta, Utc};

const NAMES: [&str; 4] = ["watermark", "from", "to", "now"];

/// The instants that placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Where the pull begins.
    pub(super) watermark: DateTime<Utc>,
    /// Where the window begins.
    pub(super) from: DateTime<Utc>,
    /// Where the window ends.
    pub(super) to: DateTime<Utc>,
    /// Now.
    pub(super) now: DateTime<Utc>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// Text as it stands.
    Text(String),
    /// An instant: its name (one of [`NAMES`]) and how it is written.
    Instant(&'static str, Style),
}

/// How an instant is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Style {
    /// RFC 3339 in seconds, `Z`.
    Rfc3339,
    /// Seconds since 1970 UTC.
    EpochSeconds,
    /// Milliseconds since 1970 UTC.
    EpochMillis,
    /// A chrono pattern, in UTC.
    Pattern(String),
}

/// Checks the placeholders of a path or a query value.
///
/// # Errors
/// What is wrong and what to write instead, as a fragment.
pub fn check_template(text: &str) -> Result<(), String> {
    parse(text).map(drop)
}

/// The names of the placeholders in a path or a query value: `watermark`, `from`, `to`, `now`.
///
/// # Errors
/// As [`check_template`].
pub fn placeholders(text: &str) -> Result<Vec<&'static str>, String> {
    let pieces = parse(text)?.into_iter();
    Ok(pieces
        .filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Instant(name, _) => Some(name),
        })
        .collect())
}

/// The pieces of a template.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            plain.push_str(brace);
            rest = after;
            continue;
        }
        let Some((inside, after)) = rest.split_once('}').filter(|_| brace == "{") else {
            return Err(format!(
                "a lone `{brace}` in `{text}`; write `{brace}{brace}` where the brace itself is meant"
            ));
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(instant(inside)?);
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn instant(inside: &str) -> Result<Piece, String> {
    let (name, style) = match inside.split_once(':') {
        Some((name, style)) => (name, Some(style)),
        None => (inside, None),
    };
    let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
        return Err(format!(
            "unknown placeholder `{{{inside}}}`; there are `{{watermark}}`, `{{from}}`, `{{to}}` and \
             `{{now}}`, each also as in `{{watermark:epoch_s}}`"
        ));
    };
    let style = match style {
        None | Some("rfc3339") => Style::Rfc3339,
        Some("epoch_s") => Style::EpochSeconds,
        Some("epoch_ms") => Style::EpochMillis,
        Some("date") => Style::Pattern("%Y-%m-%d".to_owned()),
        Some(pattern) if pattern.contains('%') && is_pattern(pattern) => {
            Style::Pattern(pattern.to_owned())
        }
        Some(other) => {
            return Err(format!(
                "`{other}` is no way to write an instant; write `epoch_s`, `epoch_ms`, `date` or a \
                 pattern such as `%Y-%m-%dT%H:%M:%SZ`"
            ));
        }
    };
    Ok(Piece::Instant(known, style))
}

/// Whether chrono can write it.
pub(super) fn is_pattern(pattern: &str) -> bool {
    StrftimeItems::new(pattern).all(|item| !matches!(item, Item::Error))
}

/// The text of a template. `encode` is given each instant's text.
pub(super) fn fill(pieces: &[Piece], times: &Times, encode: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Instant(name, style) => out.push_str(&encode(&written(name, style, times))),
        }
    }
    out
}

fn written(name: &str, style: &Style, times: &Times) -> String {
    let at = match name {
        "watermark" => times.watermark,
        "from" => times.from,
        "now" => times.now,
        // Rounded up, everything else down: a window must not end before it should because its end
        // is written in days.
        _ => ceiling(times.to, grain(style)),
    };
    write_instant(at, style)
}

fn write_instant(at: DateTime<Utc>, style: &Style) -> String {
    match style {
        Style::Rfc3339 => at.to_rfc3339_opts(SecondsFormat::Secs, true),
        Style::EpochSeconds => at.timestamp().to_string(),
        Style::EpochMillis => at.timestamp_millis().to_string(),
        Style::Pattern(pattern) => {
            let mut text = String::new();
            // Fails only for patterns that `is_pattern` refuses.
            let _ = write!(text, "{}", at.format(pattern));
            text
        }
    }
}

/// The smallest difference that the style can write.
fn grain(style: &Style) -> TimeDelta {
    match style {
        Style::EpochMillis => TimeDelta::milliseconds(1),
        Style::Rfc3339 | Style::EpochSeconds => TimeDelta::seconds(1),
        Style::Pattern(_) => {
            let base = DateTime::UNIX_EPOCH;
            let same =
                |by: TimeDelta| write_instant(base, style) == write_instant(base + by, style);
            let steps = [
                // Not 12 hours: a pattern may write them as 12 by the clock.
                (TimeDelta::hours(13), TimeDelta::days(1)),
                (TimeDelta::minutes(31), TimeDelta::hours(1)),
                (TimeDelta::seconds(31), TimeDelta::minutes(1)),
            ];
            let coarse = steps.into_iter().find(|(probe, _)| same(*probe));
            coarse.map_or(TimeDelta::seconds(1), |(_, grain)| grain)
        }
    }
}

fn ceiling(at: DateTime<Utc>, grain: TimeDelta) -> DateTime<Utc> {
    match at.duration_trunc(grain) {
        Ok(floor) if floor < at => floor + grain,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> Times {
        let at = |text: &str| text.parse().unwrap();
        Times {
            watermark: at("2026-03-01T10:00:00.500Z"),
            from: at("2026-03-01T10:00:00Z"),
            to: at("2026-03-02T10:00:00.500Z"),
            now: at("2026-03-02T12:00:00Z"),
        }
    }

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let pieces = parse(template).unwrap();
        assert_eq!(fill(&pieces, &times(), str::to_owned), expected);
    }

    #[track_caller]
    fn refused(template: &str, expected: &str) {
        let said = check_template(template).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn instants_are_written_as_the_source_wants_them() {
        check("{watermark}", "2026-03-01T10:00:00Z");
        check("a={watermark:epoch_s}&b", "a=1772359200&b");
        check("{watermark:epoch_ms}", "1772359200500");
        check("{from:date}", "2026-03-01");
        check("{now:%d.%m.%Y %H:%M}", "02.03.2026 12:00");
        check("{{\"a\":{from:epoch_s}}}", "{\"a\":1772359200}");
        check("500", "500");
        check("", "");
    }

    #[test]
    fn a_windows_end_is_rounded_up_to_what_can_be_written() {
        check("{to}", "2026-03-02T10:00:01Z");
        check("{to:epoch_s}", "1772445601");
        check("{to:epoch_ms}", "1772445600500");
        check("{to:date}", "2026-03-03");
        check("{to:%Y-%m-%d %H}", "2026-03-02 11");
        check("{to:%Y-%m-%dT%H:%MZ}", "2026-03-02T10:01Z");
        check("{to:%I:%M:%S %p}", "10:00:01 AM");
    }

    #[test]
    fn mistakes_are_told_with_what_to_write_instead() {
        refused("{since}", "unknown placeholder `{since}`");
        refused("{watermark:iso}", "`iso` is no way to write an instant");
        refused("{watermark:%Q}", "`%Q` is no way");
        refused("{watermark", "a lone `{`");
        refused("a}", "write `}}`");
        assert_eq!(placeholders("/{from}/{to:date}").unwrap(), ["from", "to"]);
    }
}
