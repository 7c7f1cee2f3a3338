//! Notices: plain mails to the owner about postrider's own troubles.

use super::format::{Locale, clean, clipped, isolated};
use super::html;
use super::incident::Fact;
use super::subject::line;
use super::text;
use super::view::Frame;
use super::{Look, Rendered};

/// Paragraphs beyond these are left out.
const PARAGRAPHS_MAX: usize = 40;
/// Longest paragraph, in characters.
const PARAGRAPH_MAX: usize = 2_000;

/// A mail to the owner.
#[derive(Clone, Debug, Default)]
pub struct NoticeMail {
    /// What happened, in a few words: subject (behind `[postrider]`) and title.
    pub title: String,
    /// What it means and what to do, each a paragraph.
    pub paragraphs: Vec<String>,
    /// Names and values, e.g. `Receiver`, `ops-hook`.
    pub facts: Vec<(String, String)>,
    /// Why its reader gets it, where that is not for being the owner.
    pub why: Option<String>,
    /// Which postrider sent it.
    pub instance: Option<String>,
    /// Locale of the mail.
    pub locale: String,
    /// The company's look; notices leave its logo out.
    pub look: Look,
}

/// A notice as its templates see it.
#[derive(Debug)]
pub(super) struct NoticeView {
    pub(super) frame: Frame,
    pub(super) paragraphs: Vec<String>,
    pub(super) facts: Vec<Fact>,
}

/// Writes a notice.
pub fn render_notice(mail: &NoticeMail) -> Rendered {
    let locale = Locale::named(&mail.locale);
    let title = line(&mail.title);
    let by = mail.instance.as_deref().map(|name| format!(" on {}", clean(name)));
    let paragraphs: Vec<String> = mail
        .paragraphs
        .iter()
        .take(PARAGRAPHS_MAX)
        .map(|paragraph| clipped(paragraph, PARAGRAPH_MAX))
        .collect();
    let facts = mail.facts.iter().take(PARAGRAPHS_MAX);
    let view = NoticeView {
        frame: Frame {
            preheader: paragraphs.first().map(|first| line(first)).unwrap_or_default(),
            footer: vec![mail.why.as_deref().map(clean).unwrap_or_else(|| {
                format!(
                    "You get this mail because you are the owner of postrider{}: it tells you of \
                     its own troubles.",
                    by.unwrap_or_default()
                )
            })],
            title,
            logo: None,
            ..Frame::of(&mail.look, locale)
        },
        paragraphs,
        facts: facts
            .map(|(name, value)| Fact {
                name: clipped(name, 60),
                value: isolated(clipped(value, PARAGRAPH_MAX)),
            })
            .collect(),
    };
    Rendered {
        subject: line(&format!("[postrider] {}", view.frame.title)),
        html: html::notice(&view),
        text: text::notice(&view),
        language: locale.language(),
        images: Vec::new(),
        attachments: Vec::new(),
        problem: None,
    }
}
