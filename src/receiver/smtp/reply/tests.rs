//! Answers, and bytes that are none.

use proptest::prelude::*;

use super::{LINE_BYTES_MAX, Parsed, REPLY_BYTES_MAX, Reply, parse_line, parse_reply};

#[test]
fn lines_are_code_separator_and_text() {
    for (line, expected) in [
        ("250 ok", Some((250, true, "ok"))),
        ("250-more to come", Some((250, false, "more to come"))),
        ("250", Some((250, true, ""))),
        ("250 ", Some((250, true, ""))),
        ("250x", None),
        ("25", None),
        ("+50 ok", None),
        ("199 ok", None),
        ("600 ok", None),
        ("é50 ok", None),
        ("250é", None),
        ("", None),
    ] {
        assert_eq!(parse_line(line), expected, "{line:?}");
    }
}

#[test]
fn enhanced_codes_are_read_only_where_they_are_ones() {
    for (text, expected) in [
        ("5.1.1 no", Some((5, 1, 1))),
        ("4.7.650 wait", Some((4, 7, 650))),
        ("5.1.1", Some((5, 1, 1))),
        ("1.2.3 version", None),
        ("5.1 no", None),
        ("5.1.1.1 no", None),
        ("5.1.1000 no", None),
        ("", None),
    ] {
        let reply = Reply { code: 550, text: text.into() };
        assert_eq!(reply.enhanced(), expected, "{text:?}");
    }
}

#[test]
fn an_answer_is_read_off_the_beginning() {
    whole(b"250 ok\r\n", 250, "ok", 8);
    whole(b"250 ok\n", 250, "ok", 7);
    whole(b"250\r\n", 250, "", 5);
    whole(b"250-a\r\n250-b\r\n250 c\r\n354 next\r\n", 250, "a b c", 21);
    whole(b"550 caf\xe9\r\n", 550, "caf\u{fffd}", 10);
    for part in ["", "2", "250", "250 ok", "250-a\r\n", "250-a\r\n250", "junk without an end"] {
        assert_eq!(parse_reply(part.as_bytes()), Parsed::Incomplete, "{part:?}");
    }
    garbage(b"HTTP/1.1 400 Bad Request\r\n", "the answer is not SMTP: HTTP/1.1 400 Bad Request");
    garbage(b"\r\n", "the answer is not SMTP: ");
    garbage(b"220-a\r\n250 b\r\n", "the answer changes its code midway");
    garbage(&[b'x'; LINE_BYTES_MAX + 1], "the answer has an endless line");
    garbage(&b"250-a\r\n".repeat(REPLY_BYTES_MAX), "the answer is too long");
}

#[track_caller]
fn whole(bytes: &[u8], code: u16, text: &str, taken: usize) {
    match parse_reply(bytes) {
        Parsed::Whole { reply, length, .. } => {
            assert_eq!(reply, Reply { code, text: text.into() });
            assert_eq!(length, taken);
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn garbage(bytes: &[u8], expected: &str) {
    assert_eq!(parse_reply(bytes), Parsed::Garbage(expected.into()));
}

/// Bytes as servers send them, and worse.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(b"250 ".to_vec()),
        Just(b"250-".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(vec![0]),
        Just(vec![b'a'; LINE_BYTES_MAX]),
        proptest::collection::vec(any::<u8>(), 0..40),
        "[2-5][0-9]{2}[ -][ -~]{0,60}\r\n".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Any bytes mean something, and what an answer keeps is no longer than what was received.
    #[test]
    fn no_bytes_confuse_the_reader(bytes in soup()) {
        match parse_reply(&bytes) {
            Parsed::Incomplete => prop_assert!(bytes.len() <= REPLY_BYTES_MAX),
            Parsed::Whole { reply, lines, length } => {
                prop_assert!((200..600).contains(&reply.code));
                prop_assert!(length <= bytes.len() && length <= REPLY_BYTES_MAX);
                prop_assert!(bytes[length - 1] == b'\n');
                prop_assert_eq!(&reply.text, &lines.join(" "));
                // A byte that is not text stands as a mark of three bytes.
                prop_assert!(reply.text.len() <= length * 3);
                prop_assert!(reply.words().chars().count() <= 512);
            }
            Parsed::Garbage(why) => prop_assert!(why.len() <= LINE_BYTES_MAX * 3 + 100),
        }
    }

    /// How the bytes come in pieces changes nothing: what is garbage or whole stays so.
    #[test]
    fn more_bytes_never_take_an_answer_back(bytes in soup(), more in soup()) {
        let before = parse_reply(&bytes);
        let after = parse_reply(&[bytes, more].concat());
        match before {
            Parsed::Incomplete => {}
            Parsed::Garbage(_) => prop_assert!(matches!(after, Parsed::Garbage(_))),
            whole => prop_assert_eq!(whole, after),
        }
    }

    /// An answer is read as it was written.
    #[test]
    fn answers_are_read_as_they_were_written(
        code in 200_u16..600,
        texts in proptest::collection::vec("[!-~][ -~]{0,70}[!-~]", 1..30),
    ) {
        let last = texts.len() - 1;
        let line = |(index, text): (usize, &String)| {
            format!("{code}{}{text}\r\n", if index == last { ' ' } else { '-' })
        };
        let wire: String = texts.iter().enumerate().map(line).collect();
        match parse_reply(wire.as_bytes()) {
            Parsed::Whole { reply, lines, length } => {
                prop_assert_eq!(reply.code, code);
                prop_assert_eq!(lines, texts);
                prop_assert_eq!(length, wire.len());
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
