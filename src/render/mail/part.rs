//! Parts: the tree of a mail, and how its leaves are encoded.
//!
//! `multipart/mixed( multipart/alternative( text, multipart/related( HTML, pictures ) ), files )`,
//! with only those levels that hold more than one part.

use base64::Engine as _;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue,
};
use lettre::message::{Body, MultiPart, SinglePart};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::fingerprint;
use crate::render::{Attachment, Image, Rendered};

/// Octets of a file a line of base64 holds.
const OCTETS_A_LINE: usize = 57;
/// The right side of a picture's Content-ID. The HTML names it as `cid:NAME@postrider`.
const CID_DOMAIN: &str = "postrider";
/// Percent-encoded characters of a file's name a line holds.
const NAME_A_LINE: usize = 54;

/// The whole body of a mail. Boundaries come from its id.
pub(super) fn body(id: &str, mail: &Rendered) -> MultiPart {
    let alternative = MultiPart::alternative()
        .boundary(boundary(&[id]))
        .singlepart(text(ContentType::TEXT_PLAIN, &mail.text));
    let html = text(ContentType::TEXT_HTML, &mail.html);
    let alternative = match mail.images.as_slice() {
        [] => alternative.singlepart(html),
        images => {
            let related = MultiPart::related().boundary(boundary(&[id, "related"]));
            let pictures = images.iter().map(picture);
            alternative.multipart(pictures.fold(related.singlepart(html), MultiPart::singlepart))
        }
    };
    match mail.attachments.as_slice() {
        [] => alternative,
        files => {
            let mixed = MultiPart::mixed().boundary(boundary(&[id, "mixed"]));
            files.iter().map(file).fold(mixed.multipart(alternative), MultiPart::singlepart)
        }
    }
}

/// The `cid:` address by which the HTML shows a picture of this name.
pub fn cid(name: &str) -> String {
    format!("cid:{}@{CID_DOMAIN}", cid_name(name))
}

fn cid_name(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect()
}

/// Length of a file as a part of a mail, headers and boundary included, in bytes; never less than
/// it is.
pub(crate) fn file_len(name: &str, bytes: usize) -> usize {
    let lines = bytes.div_ceil(OCTETS_A_LINE);
    // Four characters for three octets, CRLF a line; a name is written twice, three characters an
    // octet and `filename*9*=` a line.
    lines * (OCTETS_A_LINE / 3 * 4 + 2) + 400 + name.len() * 8
}

fn boundary(parts: &[&str]) -> String {
    let parts: Vec<&str> = std::iter::once("boundary").chain(parts.iter().copied()).collect();
    format!("=_{}", &fingerprint(&parts)[..32])
}

/// A part whose bytes are those [`encoded_len`](super::encoded_len) counts.
fn text(kind: ContentType, text: &str) -> SinglePart {
    let body = Body::dangerous_pre_encoded(
        quoted_printable(text).into_bytes(),
        ContentTransferEncoding::QuotedPrintable,
    );
    SinglePart::builder().header(kind).body(body)
}

fn picture(image: &Image) -> SinglePart {
    let name = cid_name(&image.name);
    let ending = image.kind.rsplit_once('/').map_or("", |(_, ending)| ending);
    SinglePart::builder()
        .header(Kind { kind: image.kind, name: None })
        .header(ContentId(format!("<{name}@{CID_DOMAIN}>")))
        .header(Disposition { how: "inline", name: format!("{name}.{ending}") })
        .body(base64_body(&image.bytes))
}

fn file(file: &Attachment) -> SinglePart {
    let plain = ascii(&file.name);
    let name = (plain != file.name).then_some(plain);
    SinglePart::builder()
        .header(Kind { kind: file.kind, name })
        .header(Disposition { how: "attachment", name: file.name.clone() })
        .body(base64_body(&file.bytes))
}

/// Base64 in lines of 76.
fn base64_body(bytes: &[u8]) -> Body {
    let mut out = String::with_capacity(file_len("", bytes.len()));
    for line in bytes.chunks(OCTETS_A_LINE) {
        base64::engine::general_purpose::STANDARD.encode_string(line, &mut out);
        out.push_str("\r\n");
    }
    Body::dangerous_pre_encoded(out.into_bytes(), ContentTransferEncoding::Base64)
}

/// `Content-Type` of a file. A name with other letters than ASCII stands here once more without
/// them, for programs that cannot read it in `Content-Disposition`.
#[derive(Clone)]
struct Kind {
    kind: &'static str,
    name: Option<String>,
}

/// `Content-ID`.
#[derive(Clone)]
struct ContentId(String);

/// `Content-Disposition` with a file's name, other letters than ASCII as RFC 2231 wants them. Not
/// in both ways: many programs take the first they find.
#[derive(Clone)]
struct Disposition {
    how: &'static str,
    name: String,
}

impl Header for Kind {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Type")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Err("media types are written, not read".into())
    }

    fn display(&self) -> HeaderValue {
        let value = match &self.name {
            Some(name) => format!("{};\r\n name=\"{name}\"", self.kind),
            None => self.kind.to_owned(),
        };
        HeaderValue::dangerous_new_pre_encoded(Self::name(), value.clone(), value)
    }
}

impl Header for ContentId {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-ID")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Err("ids are written, not read".into())
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::dangerous_new_pre_encoded(Self::name(), self.0.clone(), self.0.clone())
    }
}

impl Header for Disposition {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Err("dispositions are written, not read".into())
    }

    fn display(&self) -> HeaderValue {
        let value = disposition(self.how, &self.name);
        HeaderValue::dangerous_new_pre_encoded(Self::name(), value.clone(), value)
    }
}

fn disposition(how: &str, name: &str) -> String {
    let plain = ascii(name);
    if plain == name {
        return format!("{how};\r\n filename=\"{plain}\"");
    }
    let mut out = how.to_owned();
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    if encoded.len() <= NAME_A_LINE {
        out.push_str(&format!(";\r\n filename*=utf-8''{encoded}"));
        return out;
    }
    // In pieces of whole characters: not every program joins them before it decodes them.
    let mut pieces = vec![String::new()];
    for c in name.chars() {
        let c = utf8_percent_encode(c.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string();
        match pieces.last_mut() {
            Some(piece) if piece.len() + c.len() <= NAME_A_LINE => piece.push_str(&c),
            _ => pieces.push(c),
        }
    }
    for (number, piece) in pieces.iter().enumerate() {
        let charset = if number == 0 { "utf-8''" } else { "" };
        out.push_str(&format!(";\r\n filename*{number}*={charset}{piece}"));
    }
    out
}

/// A file's name in the letters that stand in a header as they are.
fn ascii(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    name.chars().map(|c| if safe(c) { c } else { '_' }).collect()
}

/// Quoted-printable: lines of at most 76 characters, CRLF, no blank before a line's end. Control
/// characters other than line ends and tabs are dropped.
pub(super) fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for line in text.lines() {
        let mut used = 0;
        // Dropped first: what then stands last on the line must not be a blank.
        let dropped = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        let bytes: Vec<u8> = line.bytes().filter(|byte| !dropped(byte)).collect();
        for (at, byte) in bytes.iter().enumerate() {
            let last = at + 1 == bytes.len();
            let plain = match byte {
                b'=' => false,
                b' ' | b'\t' => !last,
                // A lone dot, or `From ` at a line's beginning, means something to mail servers.
                b'.' => used > 0,
                b'F' => used > 0 || !bytes[at..].starts_with(b"From "),
                0x21..=0x7e => true,
                _ => false,
            };
            let width = if plain { 1 } else { 3 };
            if used + width > 75 && !(last && used + width <= 76) {
                out.push_str("=\r\n");
                used = 0;
            }
            match plain {
                true => out.push(char::from(*byte)),
                false => out.push_str(&format!("={byte:02X}")),
            }
            used += width;
        }
        out.push_str("\r\n");
    }
    out
}
