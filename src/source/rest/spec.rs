//! What the config writes of one field: where it is, what it holds and how it is written there, as
//! in `/created timestamp epoch_s`.

use chrono::format::{Parsed, StrftimeItems};
use chrono::{DateTime, NaiveTime, Utc};

use super::settings::{Format, Reading};
use super::template::is_pattern;
use crate::domain::value::Type;

const TYPES: [Type; 5] = [Type::Text, Type::Integer, Type::Real, Type::Boolean, Type::Timestamp];

/// Longer pointers are mistakes.
const POINTER_BYTES_MAX: usize = 1_000;

/// Reads a field's line: `TYPE`, `POINTER TYPE` or `POINTER TYPE FORMAT`. Without a pointer the
/// field is the member `name` of the record; a pointer with spaces stands in single quotes; `#` is
/// the name that the record has in an object of records. Formats: for timestamps `epoch_s`,
/// `epoch_ms` or a chrono pattern, for text `joined ', '`, for integers `count`.
///
/// # Errors
/// What is wrong and what to write instead, as a fragment.
pub fn parse_field_spec(text: &str, name: &str) -> Result<(Reading, Type), String> {
    let (pointer, rest) = pointer_of(text.trim(), name)?;
    let (word, format) = match rest.split_once(char::is_whitespace) {
        Some((word, format)) => (word, format.trim()),
        None => (rest, ""),
    };
    let Some(ty) = TYPES.into_iter().find(|ty| ty.word() == word) else {
        let said =
            if word.is_empty() { "no type".to_owned() } else { format!("unknown type `{word}`") };
        return Err(format!(
            "{said} in `{text}`; write `text`, `integer`, `real`, `boolean` or `timestamp`, with a \
             JSON Pointer before it where the field is not called `{name}` there: `/user/name text`"
        ));
    };
    let format = format_of(format, ty)?;
    Ok((Reading { pointer, format }, ty))
}

/// The pointer at the beginning, and what follows it.
fn pointer_of<'t>(text: &'t str, name: &str) -> Result<(String, &'t str), String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let Some((pointer, rest)) = quoted.split_once('\'') else {
            return Err(format!("the pointer in `{text}` lacks its second `'`"));
        };
        check_pointer(pointer)?;
        return Ok((pointer.to_owned(), rest.trim()));
    }
    if !text.starts_with(['/', '#']) {
        return Ok((format!("/{}", escaped(name)), text));
    }
    let (pointer, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if pointer != "#" {
        check_pointer(pointer)?;
    }
    let rest = rest.trim();
    let typed = |word: &str| TYPES.iter().any(|ty| ty.word() == word);
    if !rest.is_empty() && !typed(rest.split_whitespace().next().unwrap_or_default()) {
        let spaced = rest.split_whitespace().skip(1).any(typed);
        if spaced {
            return Err(format!(
                "a pointer with spaces stands in single quotes: `'/Ticket Type' text`, not `{text}`"
            ));
        }
    }
    Ok((pointer.to_owned(), rest))
}

fn format_of(written: &str, ty: Type) -> Result<Format, String> {
    let word = written.split_whitespace().next().unwrap_or_default();
    match (word, ty) {
        ("", _) | ("rfc3339", Type::Timestamp) if written == word => Ok(Format::Plain),
        ("epoch_s", Type::Timestamp) if written == word => Ok(Format::EpochSeconds),
        ("epoch_ms", Type::Timestamp) if written == word => Ok(Format::EpochMillis),
        ("count", Type::Integer) if written == word => Ok(Format::Count),
        ("joined", Type::Text) => joined(written["joined".len()..].trim()),
        (_, Type::Timestamp) if written.contains('%') => pattern(written),
        (_, Type::Timestamp) => Err(format!(
            "`{written}` is no way a timestamp is written; write `epoch_s`, `epoch_ms` or a pattern \
             such as `%Y-%m-%d %H:%M:%S`, or nothing for RFC 3339"
        )),
        (_, Type::Text) => Err(format!(
            "`{written}` is nothing that text can be; write `joined ', '` for a list, or nothing"
        )),
        (_, Type::Integer) => Err(format!(
            "`{written}` is nothing that an integer can be; write `count` for the length of a list, \
             or nothing"
        )),
        (_, Type::Real | Type::Boolean) => {
            Err(format!("a {} is written in one way only: leave `{written}` out", ty.word()))
        }
    }
}

fn joined(rest: &str) -> Result<Format, String> {
    if rest.is_empty() {
        return Ok(Format::Joined(", ".to_owned()));
    }
    let quoted = rest.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match quoted {
        Some(separator) => Ok(Format::Joined(separator.to_owned())),
        None => {
            Err(format!("what joins a list stands in single quotes: `joined ', '`, not `{rest}`"))
        }
    }
}

fn pattern(written: &str) -> Result<Format, String> {
    if !is_pattern(written) {
        return Err(format!("`{written}` is no pattern for instants; `%Y-%m-%d %H:%M:%S` is one"));
    }
    // A known instant must survive being written and read again, to the day at least.
    let probe = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
    let read = read_pattern(&probe.format(written).to_string(), written);
    match read {
        Some(read) if read.date_naive() == probe.date_naive() => {
            Ok(Format::Pattern(written.to_owned()))
        }
        _ => Err(format!("`{written}` does not say which day is meant")),
    }
}

/// Reads an instant by a chrono pattern: in UTC where it has no offset, midnight where it has no
/// time.
pub(super) fn read_pattern(text: &str, pattern: &str) -> Option<DateTime<Utc>> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, StrftimeItems::new(pattern)).ok()?;
    if let Ok(at) = parsed.to_datetime() {
        return Some(at.to_utc());
    }
    if let Ok(at) = parsed.to_naive_datetime_with_offset(0) {
        return Some(at.and_utc());
    }
    let timed = parsed.hour_mod_12().is_some() || parsed.minute().is_some();
    let day = parsed.to_naive_date().ok().filter(|_| !timed)?;
    Some(day.and_time(NaiveTime::MIN).and_utc())
}

/// Checks a JSON Pointer (RFC 6901): empty, or names that each follow a `/`, where `~0` is `~` and
/// `~1` is `/`.
///
/// # Errors
/// What is wrong and what to write instead, as a fragment.
pub fn check_pointer(pointer: &str) -> Result<(), String> {
    if pointer.len() > POINTER_BYTES_MAX {
        return Err(format!("a JSON Pointer of more than {POINTER_BYTES_MAX} bytes"));
    }
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(format!(
            "`{pointer}` is no JSON Pointer: write `/{}`",
            pointer.trim_start_matches('$').trim_start_matches('.').replace('.', "/")
        ));
    }
    let wrong = pointer.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
    match wrong {
        true => Err(format!(
            "`{pointer}` is no JSON Pointer: a `~` is written `~0`, a `/` in a name `~1`"
        )),
        false => Ok(()),
    }
}

/// The names a pointer goes through.
pub(super) fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// A name as a token of a pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pointer: &str, ty: Type, format: Format) {
        let (reading, found) = parse_field_spec(text, "a/b").unwrap();
        assert_eq!((reading.pointer.as_str(), found, reading.format), (pointer, ty, format));
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let said = parse_field_spec(text, "created").unwrap_err();
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_field_says_where_it_is_and_what_it_holds() {
        check("text", "/a~1b", Type::Text, Format::Plain);
        check("/user/name text", "/user/name", Type::Text, Format::Plain);
        check("'/Ticket Type' text", "/Ticket Type", Type::Text, Format::Plain);
        check("# text", "#", Type::Text, Format::Plain);
        check("/c timestamp", "/c", Type::Timestamp, Format::Plain);
        check("/c timestamp rfc3339", "/c", Type::Timestamp, Format::Plain);
        check("/c  timestamp  epoch_s", "/c", Type::Timestamp, Format::EpochSeconds);
        check("timestamp epoch_ms", "/a~1b", Type::Timestamp, Format::EpochMillis);
        let pattern = |text: &str| Format::Pattern(text.to_owned());
        check("/d timestamp %Y-%m-%d", "/d", Type::Timestamp, pattern("%Y-%m-%d"));
        check("/d timestamp %d.%m.%Y %H:%M", "/d", Type::Timestamp, pattern("%d.%m.%Y %H:%M"));
        let joined = |text: &str| Format::Joined(text.to_owned());
        check("/tags text joined ', '", "/tags", Type::Text, joined(", "));
        check("/tags text joined '|'", "/tags", Type::Text, joined("|"));
        check("/tags text joined", "/tags", Type::Text, joined(", "));
        check("/comments integer count", "/comments", Type::Integer, Format::Count);
        check("/x real", "/x", Type::Real, Format::Plain);
        check("/x boolean", "/x", Type::Boolean, Format::Plain);
    }

    #[test]
    fn mistakes_in_a_field_are_told_with_what_to_write_instead() {
        refused("", "no type in ``");
        refused("string", "unknown type `string`");
        refused("/x", "no type in `/x`");
        refused("/x varchar", "unknown type `varchar`");
        refused("user.name text", "unknown type `user.name`");
        refused("/Ticket Type text", "single quotes");
        refused("'/Ticket Type text", "second `'`");
        refused("'x' text", "write `/x`");
        refused("/a~b text", "`~0`");
        refused("timestamp iso", "`epoch_s`");
        refused("timestamp %Q", "no pattern");
        refused("timestamp %H:%M", "which day");
        refused("text epoch_s", "joined");
        refused("text joined ,", "single quotes");
        refused("integer sum", "`count`");
        refused("real count", "leave `count` out");
    }

    #[test]
    fn pointers_are_checked_and_taken_apart() {
        assert_eq!(check_pointer(""), Ok(()));
        assert_eq!(check_pointer("/a/0/b~1c"), Ok(()));
        assert!(check_pointer("$.data.items").unwrap_err().contains("`/data/items`"));
        assert!(check_pointer("/~2").is_err());
        assert_eq!(tokens("/a/b~1c/~0"), ["a", "b/c", "~"]);
        assert!(tokens("").is_empty());
        assert_eq!(tokens("/"), [""]);
    }

    #[test]
    fn instants_by_pattern_are_utc_unless_they_say_otherwise() {
        let check = |text: &str, pattern: &str, expected: &str| {
            let read = read_pattern(text, pattern).map(|at| at.to_rfc3339());
            assert_eq!(read.as_deref(), Some(expected).filter(|text| !text.is_empty()), "{text}");
        };
        check("2026-03-01", "%Y-%m-%d", "2026-03-01T00:00:00+00:00");
        check("01.03.2026 14:05", "%d.%m.%Y %H:%M", "2026-03-01T14:05:00+00:00");
        check("2026-03-01 14:05:06 +0200", "%F %T %z", "2026-03-01T12:05:06+00:00");
        check("2026-03-01T14:05:06.25", "%FT%T%.f", "2026-03-01T14:05:06.250+00:00");
        check("1772359200", "%s", "2026-03-01T10:00:00+00:00");
        check("2026-02-30", "%Y-%m-%d", "");
        check("soon", "%Y-%m-%d", "");
    }
}
