//! HTML: the templates of `templates/mail`, filled with views.
//!
//! Every text is escaped by the templates; none is marked safe. The mail must be complete from
//! inline styles and attributes alone, since some clients drop the style element.

use askama::Template;

use super::digest::Figure;
use super::incident::IncidentView;
use super::notice::NoticeView;
use super::palette::{DARK, LIGHT, Palette};
use super::view::news::News;
use super::view::{Body, Frame, SectionView};

/// A digest as its templates see it.
#[derive(Debug)]
pub(super) struct DigestView {
    pub(super) frame: Frame,
    /// The subject, with the spaces that keep figures and units together.
    pub(super) heading: String,
    /// Which digest, for when.
    pub(super) byline: String,
    /// Of a digest that is split: whose part it is.
    pub(super) part: Option<String>,
    pub(super) intro: Option<String>,
    pub(super) figure: Option<Figure>,
    pub(super) banners: Vec<String>,
    pub(super) news: News,
    /// Quiet lines of the first screen.
    pub(super) facts: Vec<String>,
    pub(super) sections: Vec<SectionView>,
}

#[derive(Template)]
#[template(path = "mail/digest.html")]
struct DigestHtml<'a> {
    frame: &'a Frame,
    p: &'a Palette,
    d: &'a Palette,
    m: &'a DigestView,
}

#[derive(Template)]
#[template(path = "mail/incident.html")]
struct IncidentHtml<'a> {
    frame: &'a Frame,
    p: &'a Palette,
    d: &'a Palette,
    m: &'a IncidentView,
}

#[derive(Template)]
#[template(path = "mail/notice.html")]
struct NoticeHtml<'a> {
    frame: &'a Frame,
    p: &'a Palette,
    d: &'a Palette,
    m: &'a NoticeView,
}

/// The HTML of a digest.
pub(super) fn digest(view: &DigestView) -> String {
    written(&DigestHtml { frame: &view.frame, p: &LIGHT, d: &DARK, m: view })
}

/// The HTML of a notification.
pub(super) fn incident(view: &IncidentView) -> String {
    written(&IncidentHtml { frame: &view.frame, p: &LIGHT, d: &DARK, m: view })
}

/// The HTML of a notice.
pub(super) fn notice(view: &NoticeView) -> String {
    written(&NoticeHtml { frame: &view.frame, p: &LIGHT, d: &DARK, m: view })
}

fn written(template: &impl Template) -> String {
    template.render().expect("templates only write text into a string")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::render::DigestMail;
    use crate::render::view::news::News;

    /// A mail without sections.
    pub(in crate::render) fn view_of(mail: &DigestMail) -> DigestView {
        DigestView {
            frame: Frame::of(&mail.look, crate::render::Locale::named(&mail.locale)),
            heading: mail.name.clone(),
            byline: String::new(),
            part: None,
            intro: None,
            figure: None,
            banners: Vec::new(),
            news: News::default(),
            facts: Vec::new(),
            sections: Vec::new(),
        }
    }
}
