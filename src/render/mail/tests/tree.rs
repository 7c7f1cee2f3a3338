//! The tree of parts, the names of files, and the addresses beside the recipient's.

use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::{assert_lines, parsed, rendered};
use crate::render::mail::{cid, file_len, mail_bytes};
use crate::render::tests::fixtures;
use crate::render::{Attachment, Envelope, EnvelopeError, Image, Rendered};

fn picture(name: &str) -> Image {
    Image { name: name.to_owned(), kind: "image/png", bytes: (0..=255).cycle().take(700).collect() }
}

fn file(name: &str, bytes: usize) -> Attachment {
    let bytes = (0..=255).cycle().take(bytes).collect();
    Attachment { name: name.to_owned(), kind: "application/json", bytes }
}

fn with(images: Vec<Image>, attachments: Vec<Attachment>) -> Rendered {
    Rendered { images, attachments, ..rendered("s", "text", "<p>html</p>") }
}

fn bytes(mail: &Rendered) -> Vec<u8> {
    mail_bytes(&fixtures::envelope(), mail).unwrap()
}

/// The media types of a mail's parts, outermost first, each with its depth.
#[track_caller]
fn check(mail: &Rendered, expected: &[&str]) {
    fn walk(mail: &mail_parser::Message<'_>, part: usize, depth: usize, out: &mut Vec<String>) {
        let found = &mail.parts[part];
        let kind = found.content_type().unwrap();
        let name = found.attachment_name().map(|name| format!(" {name}")).unwrap_or_default();
        let kind = format!("{}/{}", kind.ctype(), kind.subtype().unwrap());
        out.push(format!("{}{kind}{name}", " ".repeat(depth)));
        if let PartType::Multipart(parts) = &found.body {
            parts.iter().for_each(|part| walk(mail, *part as usize, depth + 1, out));
        }
    }
    let bytes = bytes(mail);
    assert_lines(&bytes);
    let read = parsed(&bytes);
    let mut found = Vec::new();
    walk(&read, 0, 0, &mut found);
    assert_eq!(found, expected);
    assert_eq!(super::mail_bytes(&fixtures::envelope(), mail).unwrap(), bytes);
}

#[test]
fn a_mail_has_only_the_levels_it_needs() {
    check(&with(vec![], vec![]), &["multipart/alternative", " text/plain", " text/html"]);
    check(
        &with(vec![picture("logo")], vec![]),
        &[
            "multipart/alternative",
            " text/plain",
            " multipart/related",
            "  text/html",
            "  image/png logo.png",
        ],
    );
    check(
        &with(vec![], vec![file("a.csv", 10)]),
        &[
            "multipart/mixed",
            " multipart/alternative",
            "  text/plain",
            "  text/html",
            " application/json a.csv",
        ],
    );
    check(
        &with(vec![picture("logo"), picture("chart-1")], vec![file("a.csv", 0), file("b.csv", 1)]),
        &[
            "multipart/mixed",
            " multipart/alternative",
            "  text/plain",
            "  multipart/related",
            "   text/html",
            "   image/png logo.png",
            "   image/png chart-1.png",
            " application/json a.csv",
            " application/json b.csv",
        ],
    );
}

#[test]
fn pictures_and_files_come_back_to_the_byte_and_under_their_names() {
    let mail = with(
        vec![picture("chart-1")],
        vec![file("a.csv", 0), file("b.csv", 57), file("c.csv", 1_000)],
    );
    let bytes = bytes(&mail);
    let read = parsed(&bytes);
    let files: Vec<(&str, &[u8])> = read
        .attachments()
        .filter(|part| part.content_disposition().unwrap().is_attachment())
        .map(|part| (part.attachment_name().unwrap(), part.contents()))
        .collect();
    let expected: Vec<(&str, &[u8])> =
        mail.attachments.iter().map(|file| (file.name.as_str(), file.bytes.as_slice())).collect();
    assert!(files == expected);
    let picture = read.parts.iter().find(|part| part.content_id().is_some()).unwrap();
    assert!(picture.contents() == mail.images[0].bytes);
    assert_eq!(format!("cid:{}", picture.content_id().unwrap()), cid("chart-1"));
    assert_eq!(cid("chart-1"), "cid:chart-1@postrider");
    assert!(picture.content_disposition().unwrap().is_inline());
}

#[test]
fn names_of_files_survive_every_script_and_change_no_header() {
    #[track_caller]
    fn check(name: &str) {
        let bytes = bytes(&with(vec![], vec![file(name, 3)]));
        assert_lines(&bytes);
        let read = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(read.parts.len(), 5, "{name}");
        assert_eq!(read.parts[4].attachment_name(), Some(name));
        assert_eq!(read.parts[4].headers.len(), 3, "{name}");
    }
    check("morning_2026-11-23.xlsx");
    check("two words.csv");
    check("Übersicht.csv");
    check("Žluťoučký-kůň_a_velmi-dlouhé-jméno-souboru_2026-11-23.xlsx");
    check("株式会社テスト_株式会社テスト_株式会社テスト_2026.csv");
    check("شركة-الأمل.csv");
    check("\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}.csv");
    check("a\"; filename=\"b.csv");
    check("a\r\nBcc: x@example.com.csv");
    check("100 % sure.csv");
}

#[test]
fn the_length_of_a_file_in_a_mail_is_never_underrated() {
    let without = bytes(&with(vec![], vec![file("x", 0)])).len();
    for name in ["a.csv", &"ü".repeat(30), &"株".repeat(20), &"\u{1f600}".repeat(15)] {
        for length in [0, 1, 56, 57, 58, 5_000] {
            let two = with(vec![], vec![file("x", 0), file(name, length)]);
            let grown = bytes(&two).len() - without;
            let said = file_len(name, length);
            assert!(grown <= said && said < grown + 800, "{name} {length}: {grown}, said {said}");
        }
    }
}

#[test]
fn further_recipients_are_named_once_and_answers_go_where_they_should() {
    let envelope = Envelope {
        to: "B Two <b@example.com>".to_owned(),
        cc: vec!["a@example.com".into(), "b@example.com".into(), "Ü <u@example.com>".into()],
        reply_to: Some("Team <team@example.com>".to_owned()),
        ..fixtures::envelope()
    };
    let bytes = mail_bytes(&envelope, &rendered("s", "t", "h")).unwrap();
    assert_lines(&bytes);
    let read = parsed(&bytes);
    let addresses = |list: &mail_parser::Address<'_>| -> Vec<String> {
        list.iter().map(|one| one.address().unwrap().to_owned()).collect()
    };
    assert_eq!(addresses(read.to().unwrap()), ["b@example.com"]);
    assert_eq!(addresses(read.cc().unwrap()), ["a@example.com", "u@example.com"]);
    assert_eq!(addresses(read.reply_to().unwrap()), ["team@example.com"]);
    assert!(read.bcc().is_none());

    let many = (0..200).map(|n| format!("somebody-with-a-long-name-{n}@department.example.com"));
    let envelope = Envelope { cc: many.collect(), ..fixtures::envelope() };
    let bytes = mail_bytes(&envelope, &rendered("s", "t", "h")).unwrap();
    assert_lines(&bytes);
    let head = String::from_utf8(bytes.clone()).unwrap();
    assert!(head.lines().all(|line| line.len() <= 78));
    assert_eq!(addresses(parsed(&bytes).cc().unwrap()), envelope.cc);

    let bad = Envelope { cc: vec!["a@b.example\r\nX: y".into()], ..fixtures::envelope() };
    let refused = mail_bytes(&bad, &rendered("s", "t", "h")).unwrap_err();
    assert_eq!(refused, EnvelopeError::Address("a@b.example  X: y".into()));
}

#[test]
fn one_click_takes_a_recipient_off_where_the_address_is_safe() {
    #[track_caller]
    fn check(
        one_click: Option<&str>,
        token: Option<&str>,
        owner: bool,
        expected: [Option<&str>; 2],
    ) {
        let envelope = Envelope {
            one_click: one_click.map(str::to_owned),
            unsubscribe_token: token.map(str::to_owned),
            owner: owner.then(|| "ops@example.com".to_owned()),
            ..fixtures::envelope()
        };
        let bytes = mail_bytes(&envelope, &rendered("s", "t", "h")).unwrap();
        assert_lines(&bytes);
        let read = parsed(&bytes);
        let raw =
            |name| read.header_raw(name).map(|value| value.replace("\r\n ", " ").trim().to_owned());
        let found = [raw("List-Unsubscribe"), raw("List-Unsubscribe-Post")];
        assert_eq!(found.each_ref().map(Option::as_deref), expected);
    }
    let by_mail = "<mailto:ops@example.com?subject=unsubscribe%20morning>";
    let by_both = "<mailto:ops@example.com?subject=unsubscribe%20morning%20abc%2Ddef%2E1>, \
                   <https://reports.example.com/u/abc?x=1%2C2>";
    let post = Some("List-Unsubscribe=One-Click");
    check(None, None, true, [Some(by_mail), None]);
    check(
        Some("https://reports.example.com/u/abc?x=1,2"),
        Some("abc-def.1"),
        true,
        [Some(by_both), post],
    );
    check(Some("https://a.example/u"), None, false, [Some("<https://a.example/u>"), post]);
    check(Some("http://a.example/u"), None, false, [None, None]);
    check(Some("javascript:alert(1)"), None, true, [Some(by_mail), None]);
    check(Some("https://a.example/u>\r\nBcc: b@example.com"), None, false, {
        // What a browser would make of it: line ends are no part of an address.
        [Some("<https://a.example/u%3EBcc:%20b@example.com>"), post]
    });
    check(None, Some("a\r\nb"), true, [Some(by_mail), None]);
    check(Some(&format!("https://a.example/{}", "x".repeat(900))), None, false, [None, None]);
}
