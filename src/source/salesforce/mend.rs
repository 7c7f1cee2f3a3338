//! Mends a JSON body whose text was cut in the middle of a character: lone halves of surrogate
//! pairs, raw control characters inside strings, bytes that are no UTF-8. Only asked where a body
//! could not be read.

use std::borrow::Cow;

/// The body with what is broken replaced, and how many places; `None` where nothing of the kind is
/// wrong with it.
pub(in crate::source) fn mended(body: &[u8]) -> Option<(Vec<u8>, u64)> {
    let text = String::from_utf8_lossy(body);
    let mut count = match &text {
        Cow::Borrowed(_) => 0,
        Cow::Owned(text) => text.matches('\u{fffd}').count() as u64,
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let (mut at, mut inside) = (0, false);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let taken = match rest[0] {
            b'"' => {
                inside = !inside;
                1
            }
            b'\\' if inside => match surrogate(rest) {
                Some(0xD800..=0xDBFF) if matches!(surrogate(&rest[6..]), Some(0xDC00..=0xDFFF)) => {
                    12
                }
                Some(0xD800..=0xDFFF) => {
                    out.extend_from_slice(b"\\ufffd");
                    count += 1;
                    at += 6;
                    continue;
                }
                _ => 2.min(rest.len()),
            },
            control @ 0..0x20 if inside => {
                out.extend_from_slice(format!("\\u{control:04x}").as_bytes());
                count += 1;
                at += 1;
                continue;
            }
            _ => 1,
        };
        out.extend_from_slice(&rest[..taken]);
        at += taken;
    }
    (count > 0).then_some((out, count))
}

/// The code unit of a `\uXXXX` at the beginning.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], expected: Option<&str>) {
        let mended = mended(body).map(|(body, _)| String::from_utf8(body).unwrap());
        assert_eq!(mended.as_deref(), expected);
    }

    #[test]
    fn halves_of_characters_are_replaced_and_whole_ones_kept() {
        check(br#"{"a":"x\ud83d"}"#, Some(r#"{"a":"x\ufffd"}"#));
        check(br#"{"a":"\ude00x"}"#, Some(r#"{"a":"\ufffdx"}"#));
        check(br#"{"a":"\ud83d\ud83d\ude00"}"#, Some(r#"{"a":"\ufffd\ud83d\ude00"}"#));
        check(br#"{"a":"\ud83d\ude00"}"#, None);
        check(br#"{"a":"\\ud83d"}"#, None);
        check(b"{\"a\":\"x\x00y\n\"}\n", Some("{\"a\":\"x\\u0000y\\u000a\"}\n"));
        check(b"{\"a\":\"\xff\"}", Some("{\"a\":\"\u{fffd}\"}"));
        check(br#"{"a":"\"#, None);
    }
}
