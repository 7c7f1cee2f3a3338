//! A mail taken apart for reading.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders};

/// What a reader sees of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    /// `Name <address>`, as the headers say.
    pub(super) from: String,
    pub(super) to: String,
    /// RFC 3339, as the headers say; empty when they do not.
    pub(super) date: String,
    /// The HTML body, images of the mail itself put in; `None` when it has none.
    pub(super) html: Option<String>,
    /// The plain text body; `None` when it has none.
    pub(super) text: Option<String>,
    pub(super) attachments: Vec<Attachment>,
}

/// A part to be saved rather than shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attachment {
    /// Its place among the mail's attachments, from 0.
    pub(super) index: u32,
    pub(super) name: String,
    /// `type/subtype`.
    pub(super) mime: String,
    pub(super) bytes: Vec<u8>,
}

/// The subject alone, without taking the body apart.
pub(super) fn subject(bytes: &[u8]) -> String {
    let message = MessageParser::new().with_minimal_headers().parse_headers(bytes);
    message.and_then(|message| message.subject().map(str::to_owned)).unwrap_or_default()
}

/// Takes a mail apart; what cannot be read is empty.
pub(super) fn open(bytes: &[u8]) -> Letter {
    let Some(message) = MessageParser::default().parse(bytes) else { return Letter::default() };
    let html = message.html_bodies().find(|part| part.is_text_html());
    let text = message.text_bodies().find(|part| part.is_text() && !part.is_text_html());
    Letter {
        subject: message.subject().unwrap_or_default().to_owned(),
        from: names(message.from()),
        to: names(message.to()),
        date: message.date().map(|date| date.to_rfc3339()).unwrap_or_default(),
        html: html.and_then(MessagePart::text_contents).map(|html| with_images(html, &message)),
        text: text.and_then(MessagePart::text_contents).map(str::to_owned),
        attachments: attachments(&message),
    }
}

fn attachments(message: &Message<'_>) -> Vec<Attachment> {
    (0..)
        .zip(message.attachments())
        .map(|(index, part)| Attachment {
            index,
            name: part.attachment_name().unwrap_or("unnamed").to_owned(),
            mime: mime(part),
            bytes: part.contents().to_vec(),
        })
        .collect()
}

/// Puts the mail's own images in the place of their `cid:` addresses.
fn with_images(html: &str, message: &Message<'_>) -> String {
    let mut images: Vec<(&str, &MessagePart<'_>)> = message
        .parts
        .iter()
        .filter_map(|part| Some((part.content_id()?, part)))
        .filter(|(_, part)| mime(part).starts_with("image/"))
        .collect();
    // `cid:chart1` is the beginning of `cid:chart10`.
    images.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
    images.into_iter().fold(html.to_owned(), |html, (id, part)| {
        let address = format!("data:{};base64,{}", mime(part), STANDARD.encode(part.contents()));
        html.replace(&format!("cid:{id}"), &address)
    })
}

fn mime(part: &MessagePart<'_>) -> String {
    let kind = part.content_type().map(|kind| {
        (kind.ctype().to_ascii_lowercase(), kind.subtype().unwrap_or_default().to_ascii_lowercase())
    });
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
    };
    match kind {
        Some((kind, subtype)) if token(&kind) && token(&subtype) => format!("{kind}/{subtype}"),
        _ => "application/octet-stream".into(),
    }
}

fn names(address: Option<&Address<'_>>) -> String {
    let names: Vec<Cow<'_, str>> = address
        .into_iter()
        .flat_map(Address::iter)
        .map(|found| {
            let address = found.address().unwrap_or_default();
            match found.name() {
                Some(name) => Cow::Owned(format!("{name} <{address}>")),
                None => Cow::Borrowed(address),
            }
        })
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{open, subject};

    const MAIL: &[u8] = b"From: Postrider <reports@example.org>\r\n\
        To: Ann <ann@example.com>, bob@example.com\r\n\
        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
        Date: Sun, 1 Mar 2026 09:00:00 +0100\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=m\r\n\r\n\
        --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
        --a\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\nsch=C3=B6n\r\n\
        --a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
        --r\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
        <img src=\"cid:chart1\"><img src=\"cid:chart10\"><img src=\"cid:gone\">\r\n\
        --r\r\nContent-Type: image/png\r\nContent-ID: <chart1>\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nb25l\r\n\
        --r\r\nContent-Type: image/png\r\nContent-ID: <chart10>\r\n\
        Content-Transfer-Encoding: base64\r\n\r\ndGVu\r\n\
        --r--\r\n--a--\r\n\
        --m\r\nContent-Type: text/csv; name=\"chats.csv\"\r\n\
        Content-Disposition: attachment; filename=\"chats.csv\"\r\n\r\na,b\r\n\
        --m--\r\n";

    #[test]
    fn a_mail_is_taken_apart_with_its_images_in_place() {
        let letter = open(MAIL);
        assert_eq!(letter.subject, "Grüße");
        assert_eq!(subject(MAIL), "Grüße");
        assert_eq!(letter.from, "Postrider <reports@example.org>");
        assert_eq!(letter.to, "Ann <ann@example.com>, bob@example.com");
        assert_eq!(letter.date, "2026-03-01T09:00:00+01:00");
        assert_eq!(letter.text.as_deref().map(str::trim_end), Some("schön"));
        let html = letter.html.unwrap();
        assert!(html.contains("src=\"data:image/png;base64,b25l\""), "{html}");
        assert!(html.contains("src=\"data:image/png;base64,dGVu\""), "{html}");
        assert!(html.contains("src=\"cid:gone\""), "{html}");
        let csv = letter.attachments.iter().find(|part| part.name == "chats.csv").unwrap();
        assert_eq!((csv.mime.as_str(), csv.bytes.trim_ascii()), ("text/csv", &b"a,b"[..]));
    }

    #[test]
    fn plain_mails_have_no_html_and_broken_ones_nothing() {
        let letter = open(b"Subject: hi\r\n\r\n<b>text</b>\r\n");
        assert_eq!(letter.html, None);
        assert_eq!(letter.text.as_deref().map(str::trim_end), Some("<b>text</b>"));
        let letter = open(b"\xff\xfe");
        assert_eq!((letter.subject.as_str(), letter.html), ("", None));
        assert_eq!(subject(b""), "");
    }
}
