//! Headers: folding, encoded words, and the address that takes people off a list.

use lettre::message::Mailbox;
use lettre::message::header::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::{Envelope, domain_of, is_id_char, mailbox};
use crate::render::format::{clean, clipped};

/// Text of one encoded word, in bytes: behind any header's name it fits a line.
const ENCODED_WORD: usize = 30;
/// A longer word of a header is encoded, because it could not be folded.
const WORD_MAX: usize = 50;
/// Longest name of a digest or rule in a header, in characters.
const NAME_MAX: usize = 40;
/// Longest one-click address and token, in bytes: a header line holds 998.
const ONE_CLICK_MAX: usize = 800;
const TOKEN_MAX: usize = 400;

/// The headers that file a mail under its digest, and that take people off it: `List-Id`,
/// `List-Unsubscribe` by mail and, where there is an address for it, by one click (RFC 8058).
pub(super) fn list_headers(envelope: &Envelope, name: &str) -> Vec<HeaderValue> {
    let label: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(NAME_MAX)
        .collect();
    let domain: String =
        domain_of(&envelope.from).chars().filter(|c| is_id_char(*c)).take(100).collect();
    let mut headers = vec![header("List-Id", &format!("<{label}.postrider.{domain}>"))];
    let by_mail = envelope.owner.as_deref().filter(|owner| mailbox(owner).is_ok()).map(|owner| {
        let mut topic = format!("unsubscribe {}", clipped(name, NAME_MAX));
        if let Some(token) = envelope.unsubscribe_token.as_deref().filter(|token| is_token(token)) {
            topic.push(' ');
            topic.push_str(token);
        }
        format!("<mailto:{owner}?subject={}>", utf8_percent_encode(&topic, NON_ALPHANUMERIC))
    });
    let one_click = envelope.one_click.as_deref().and_then(one_click);
    let ways: Vec<String> =
        by_mail.into_iter().chain(one_click.iter().map(|url| format!("<{url}>"))).collect();
    if !ways.is_empty() {
        headers.push(header("List-Unsubscribe", &ways.join(", ")));
    }
    if one_click.is_some() {
        headers.push(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    }
    headers
}

/// A token that can stand in a subject as it is: nothing else is put there.
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.len() <= TOKEN_MAX && token.chars().all(is_id_char)
}

/// An https address as a header can carry it; `None` for any other. One click is worth nothing
/// without TLS, and mail programs refuse it.
fn one_click(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    // The comma separates addresses in this header.
    let text = url.as_str().replace(',', "%2C");
    let fits = text.len() <= ONE_CLICK_MAX
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'));
    (url.scheme() == "https" && fits).then_some(text)
}

/// A header with an unstructured value of any text: one line after unfolding, ASCII, folded at 76.
pub(super) fn header(name: &'static str, value: &str) -> HeaderValue {
    let value = clean(value);
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    let plain = |word: &&str| {
        word.bytes().all(|b| b.is_ascii_graphic()) && word.len() <= WORD_MAX && !word.contains("=?")
    };
    // Addresses and ids of machines must not be encoded, however long: they have no spaces.
    let machine = name.starts_with("List-");
    let pieces: Vec<String> = match machine || words.iter().all(plain) {
        true => words.iter().map(|word| (*word).to_owned()).collect(),
        false => encoded_words(&words.join(" ")),
    };
    folded(name, value, &pieces)
}

/// A header of addresses of ASCII letters, folded between them. One without a name has its brackets
/// too: filters take mails without them for those of machines.
pub(super) fn addresses(name: &'static str, mailboxes: &[Mailbox]) -> HeaderValue {
    let mut pieces = Vec::new();
    for (at, mailbox) in mailboxes.iter().enumerate() {
        let comma = if at + 1 < mailboxes.len() { "," } else { "" };
        if let Some(name) = &mailbox.name {
            let atom = |word: &str| {
                word.len() <= WORD_MAX && word.bytes().all(|b| b.is_ascii_alphanumeric())
            };
            match name.split(' ').all(atom) {
                true => pieces.extend(name.split(' ').map(str::to_owned)),
                false => pieces.extend(encoded_words(name)),
            }
        }
        pieces.push(format!("<{}>{comma}", mailbox.email));
    }
    folded(name, pieces.join(" "), &pieces)
}

fn folded(name: &'static str, value: String, pieces: &[String]) -> HeaderValue {
    let mut folded = String::new();
    let mut used = name.len() + 1;
    for piece in pieces {
        if used + 1 + piece.len() > 76 && !folded.is_empty() {
            folded.push_str("\r\n");
            used = 0;
        }
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(piece);
        used += piece.len() + 1;
    }
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value, folded)
}

/// RFC 2047 words: text in pieces of whole characters, base64.
fn encoded_words(text: &str) -> Vec<String> {
    use base64::Engine as _;
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let fits = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = fits.take_while(|end| *end <= ENCODED_WORD).last().unwrap_or(rest.len());
        let piece = base64::engine::general_purpose::STANDARD.encode(&rest[..end]);
        words.push(format!("=?utf-8?B?{piece}?="));
        rest = &rest[end..];
    }
    words
}
