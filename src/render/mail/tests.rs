mod tree;

use mail_parser::{Message as Parsed, MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::part::quoted_printable;
use super::*;
use crate::render::tests::fixtures;
use crate::render::{IncidentKind, render_digest, render_incident};

fn parsed(bytes: &[u8]) -> Parsed<'_> {
    MessageParser::default().parse(bytes).expect("a mail")
}

fn header_names(bytes: &[u8]) -> Vec<String> {
    parsed(bytes).headers().iter().map(|header| header.name().to_owned()).collect()
}

pub(super) fn rendered(subject: &str, text: &str, html: &str) -> Rendered {
    Rendered {
        images: vec![],
        attachments: vec![],
        subject: subject.to_owned(),
        html: html.to_owned(),
        text: text.to_owned(),
        language: "en-GB",
        problem: None,
    }
}

/// Lines end in CRLF, are ASCII and short; nothing else ends a line.
#[track_caller]
fn assert_lines(bytes: &[u8]) {
    assert!(bytes.is_ascii());
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.ends_with("\r\n"));
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    for line in head.split("\r\n") {
        assert!(line.len() <= 998, "header line of {}", line.len());
        assert!(line.chars().all(|c| c == '\t' || (' '..='\x7e').contains(&c)), "{line:?}");
    }
    for line in body.split("\r\n") {
        // The media type of a workbook alone is longer.
        assert!(
            line.len() <= 76 || line.starts_with("Content-Type: "),
            "body line of {}: {line}",
            line.len()
        );
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
}

#[test]
fn a_mail_reads_back_as_it_was_written() {
    let digest = render_digest(&fixtures::digest());
    let bytes = mail_bytes(&fixtures::envelope(), &digest).unwrap();
    assert_lines(&bytes);
    let mail = parsed(&bytes);
    assert_eq!(mail.subject(), Some(digest.subject.as_str()));
    assert_eq!(mail.message_id(), Some("56254fc38b31afd8e1ddfd86c6060cae@example.com"));
    assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-11-23T07:00:04Z");
    assert_eq!(mail.parts.len(), 3);
    assert!(mail.parts[0].is_content_type("multipart", "alternative"));
    assert!(mail.parts[1].is_content_type("text", "plain"));
    assert!(mail.parts[2].is_content_type("text", "html"));
    let lines = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    assert_eq!(lines(&mail.body_text(0).unwrap()), lines(&digest.text));
    assert_eq!(lines(&mail.body_html(0).unwrap()), lines(&digest.html));
    let raw = |name: &'static str| mail.header_raw(name).map(str::trim);
    assert_eq!(raw("Auto-Submitted"), Some("auto-generated"));
    assert_eq!(raw("X-Auto-Response-Suppress"), Some("All"));
    assert_eq!(raw("Content-Language"), Some("en-GB"));
    assert_eq!(raw("List-Id"), Some("<morning.postrider.example.com>"));
    assert_eq!(
        raw("List-Unsubscribe"),
        Some("<mailto:ops@example.com?subject=unsubscribe%20morning>")
    );
    assert_eq!(raw("X-Postrider-Run"), Some("morning/2026-11-23T07:00Z"));
    assert_eq!(raw("Bcc"), None);
}

#[test]
fn mails_of_an_incident_are_one_thread() {
    let root = message_id(&["incident", "7", "lead@example.com"], "example.com");
    let bytes = |kind, id: &str| {
        let envelope = Envelope {
            message_id: id.to_owned(),
            thread: Some(root.clone()),
            list: None,
            rule: Some("longest-response".to_owned()),
            ..fixtures::envelope()
        };
        mail_bytes(&envelope, &render_incident(&fixtures::incident(kind))).unwrap()
    };
    let first = bytes(IncidentKind::Fired, &root);
    assert!(parsed(&first).references().is_empty(), "the root answers nothing");
    let last = bytes(IncidentKind::Resolved, &message_id(&["other"], "example.com"));
    let mail = parsed(&last);
    assert_eq!(mail.references().as_text(), Some(root.as_str()));
    assert_eq!(mail.in_reply_to().as_text(), Some(root.as_str()));
    assert_eq!(mail.subject(), parsed(&first).subject());
    assert_eq!(mail.header_raw("X-Postrider-Rule").map(str::trim), Some("longest-response"));
}

#[test]
fn ids_depend_on_every_part() {
    let id = |parts: &[&str]| message_id(parts, "example.com");
    assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
    assert_ne!(id(&["a", "b"]), id(&["ab", ""]));
    assert_ne!(id(&["a", "b"]), id(&["b", "a"]));
    assert!(webhook_id(&["a"]).starts_with("msg_") && !webhook_id(&["a"]).contains('.'));
    assert_eq!(domain_of("Postrider <reports@example.com>"), "example.com");
    assert_eq!(domain_of("nobody"), "");
    assert!(message_id(&["a"], "").ends_with("@postrider.invalid"));
}

#[test]
fn what_is_no_address_or_id_is_refused() {
    #[track_caller]
    fn check(change: impl Fn(&mut Envelope), expected: EnvelopeError) {
        let mut envelope = fixtures::envelope();
        change(&mut envelope);
        assert_eq!(mail_bytes(&envelope, &rendered("s", "t", "h")), Err(expected));
    }
    let address = |text: &str| EnvelopeError::Address(text.to_owned());
    check(|e| e.to = "nobody".into(), address("nobody"));
    check(
        |e| e.to = "a@b.example\r\nBcc: c@d.example".into(),
        address("a@b.example  Bcc: c@d.example"),
    );
    check(|e| e.from = String::new(), address(""));
    let id = |text: &str| EnvelopeError::Id(text.to_owned());
    check(|e| e.message_id = "a b@c".into(), id("a b@c"));
    check(|e| e.message_id = "a@b>\r\nX: y".into(), id("a@b>  X: y"));
    check(|e| e.thread = Some("none".into()), id("none"));
}

#[test]
fn subjects_that_look_encoded_or_cannot_be_folded_are_encoded() {
    for subject in [
        "=?utf-8?Q?Bcc:_x?= plain",
        "Übersicht für Größe \u{1f600}: 12 offen, 3 überfällig, und noch eine ganze Menge mehr Text",
        &"x".repeat(150),
        "plain words",
    ] {
        let bytes = mail_bytes(&fixtures::envelope(), &rendered(subject, "t", "h")).unwrap();
        assert_eq!(parsed(&bytes).subject(), Some(subject));
        let head = String::from_utf8(bytes).unwrap();
        let head = head.split_once("\r\n\r\n").unwrap().0.to_owned();
        assert!(head.split("\r\n").all(|line| line.len() <= 78), "{head}");
    }
}

#[test]
fn quoted_printable_keeps_lines_short_and_lone_dots_apart() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(quoted_printable(text), expected);
    }
    check("a=b", "a=3Db\r\n");
    check(".\n..\nFrom me\nFro", "=2E\r\n=2E.\r\n=46rom me\r\nFro\r\n");
    check("blank \ntab\t\n", "blank=20\r\ntab=09\r\n");
    check("tab\t\r\r\nx", "tab=09\r\nx\r\n");
    check("ü\0\u{7f}x", "=C3=BCx\r\n");
    check("a\r\nb\rc", "a\r\nbc\r\n");
    check(&"x".repeat(76), &format!("{}\r\n", "x".repeat(76)));
    check(&"x".repeat(77), &format!("{}=\r\nxx\r\n", "x".repeat(75)));
}

/// Texts full of what means something in a mail.
fn hostile() -> impl Strategy<Value = String> {
    let sharp = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\0",
        "\t",
        " ",
        "=",
        "?",
        "=?utf-8?B?",
        "?=",
        ":",
        "<",
        ">",
        "\"",
        "\\",
        "(",
        ",",
        ";",
        "@",
        ".",
        "\r\nBcc: x@example.com\r\n",
        "\r\n\r\n",
        "--=_",
        "\u{85}",
        "\u{202e}",
    ]);
    let piece = prop_oneof![
        sharp.prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        "[a-z]{1,80}",
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_changes_the_headers_or_breaks_a_line(
        subject in hostile(),
        text in hostile(),
        html in hostile(),
        name in hostile(),
        run in hostile(),
        rule in hostile(),
    ) {
        let base = Envelope { rule: Some("r".into()), ..fixtures::envelope() };
        let expected = header_names(&mail_bytes(&base, &rendered("s", "t", "h")).unwrap());
        let envelope =
            Envelope { run: Some(run), rule: Some(rule), list: Some(name), ..base.clone() };
        let mail = rendered(&subject, &text, &html);
        let bytes = mail_bytes(&envelope, &mail).unwrap();
        assert_lines(&bytes);
        prop_assert_eq!(header_names(&bytes), expected);
        let read = parsed(&bytes);
        prop_assert_eq!(read.subject().unwrap_or_default(), line(&subject));
        prop_assert_eq!(read.parts.len(), 3);
        let shown = |c: &char| !c.is_ascii_control() || *c == '\t';
        let shown: String = text.chars().filter(shown).collect();
        let body = read.body_text(0).unwrap_or_default().replace("\r\n", "");
        prop_assert_eq!(body, shown);
        prop_assert_eq!(mail_bytes(&envelope, &mail).unwrap(), bytes);
    }

    #[test]
    fn no_senders_name_changes_the_headers(name in hostile()) {
        let base = fixtures::envelope();
        let expected = header_names(&mail_bytes(&base, &rendered("s", "t", "h")).unwrap());
        for from in [format!("{name} <a@example.com>"), format!("\"{name}\" <a@example.com>")] {
            let envelope = Envelope { from, ..base.clone() };
            if let Ok(bytes) = mail_bytes(&envelope, &rendered("s", "t", "h")) {
                assert_lines(&bytes);
                prop_assert_eq!(header_names(&bytes), expected.clone());
            }
        }
    }
}
