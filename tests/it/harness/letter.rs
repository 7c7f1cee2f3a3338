//! Mails as their readers see them, parsed by a library that postrider does not use.

use mail_parser::{HeaderValue, MessageParser};
use postrider::demo::inbox::Mail;

/// One mail, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) to: String,
    pub(crate) message_id: String,
    /// Message-IDs of the thread, oldest first.
    pub(crate) references: Vec<String>,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Letter {
    pub(crate) fn read(mail: &Mail) -> Letter {
        let parsed = MessageParser::default().parse(&mail.bytes).expect("a mail");
        let to = parsed.to().and_then(|to| to.first()).and_then(|to| to.address());
        let references = match parsed.references() {
            HeaderValue::Text(one) => vec![one.to_string()],
            HeaderValue::TextList(all) => all.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let unix = |text: &str| text.replace("\r\n", "\n");
        Letter {
            subject: parsed.subject().unwrap_or_default().to_owned(),
            to: to.unwrap_or_default().to_owned(),
            message_id: parsed.message_id().unwrap_or_default().to_owned(),
            references,
            text: unix(&parsed.body_text(0).expect("a text")),
            html: unix(&parsed.body_html(0).expect("HTML")),
        }
    }

    /// The text on one line.
    pub(crate) fn words(&self) -> String {
        folded(&self.text)
    }

    /// What a reader of the HTML sees, on one line.
    pub(crate) fn seen(&self) -> String {
        seen(&self.html)
    }
}

/// What a reader of HTML sees: no tags, no styles, entities read, on one line.
pub(crate) fn seen(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text += &rest[..open];
        text.push(' ');
        let tag = &rest[open..];
        let end = match tag {
            _ if tag.starts_with("<style") => tag.find("</style>").map(|at| at + 8),
            _ if tag.starts_with("<!--") => tag.find("-->").map(|at| at + 3),
            _ => tag.find('>').map(|at| at + 1),
        };
        rest = &tag[end.unwrap_or(tag.len())..];
    }
    text += rest;
    for (entity, symbol) in
        [("&nbsp;", " "), ("&#160;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\"")]
    {
        text = text.replace(entity, symbol);
    }
    for (entity, symbol) in [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")] {
        text = text.replace(entity, symbol);
    }
    folded(&text.replace("&#38;", "&").replace("&amp;", "&"))
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
