//! An incident as its templates see it.

use super::super::Image;
use super::super::chart;
use super::super::format::{Locale, clean, clipped};
use super::super::mail::cid;
use super::super::palette::LIGHT;
use super::super::subject::line;
use super::super::view::{Frame, Picture};
use super::evidence::{self, Files};
use super::told::{self, FACT_MAX};
use super::{Fact, IncidentKind, IncidentMail, IncidentView, commands, group_words};

/// How much of a notification there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) struct Space {
    /// Rows of each table of incidents or records of a rule.
    pub(in crate::render) items: usize,
    /// Incidents whose worst records are shown.
    pub(in crate::render) evidence: usize,
    /// Rows of each table of worst records.
    pub(in crate::render) rows: usize,
    /// Whether cells carry the headings that narrow screens show.
    pub(in crate::render) labels: bool,
}

impl Space {
    /// As much as there is.
    pub(in crate::render) const ALL: Space =
        Space { items: usize::MAX, evidence: usize::MAX, rows: usize::MAX, labels: true };
}

/// The state of an incident: shape, words, class of colours and those for light.
type State = (&'static str, String, &'static str, (&'static str, &'static str));

fn state(mail: &IncidentMail) -> State {
    let level = clean(&mail.level);
    let (mark, words) = match mail.kind {
        // The end of the data is not the end of the trouble.
        IncidentKind::Resolved if mail.closed.is_some() => ("\u{25a0}", "Closed".to_owned()),
        IncidentKind::Fired => ("\u{25b2}", format!("Firing: {level}")),
        IncidentKind::LevelUp => ("\u{25b2}", format!("Worse: now {level}")),
        IncidentKind::Reminder => ("\u{25cf}", format!("Still firing: {level}")),
        IncidentKind::Resolved => ("\u{2713}", "Resolved".to_owned()),
        IncidentKind::Corrected if mail.is_over() => ("\u{25c6}", "Correction".to_owned()),
        IncidentKind::Corrected => ("\u{25c6}", format!("Correction: {level}")),
    };
    let (tone, colours) = match (mail.kind, mail.severe) {
        (IncidentKind::Resolved, _) if mail.closed.is_some() => ("warn", LIGHT.warn),
        (IncidentKind::Resolved, _) => ("ok", LIGHT.ok),
        (IncidentKind::Corrected, _) if mail.is_over() => ("warn", LIGHT.warn),
        (_, true) => ("bad", LIGHT.bad),
        (_, false) => ("warn", LIGHT.warn),
    };
    (mark, words, tone, colours)
}

/// An incident by itself.
pub(in crate::render) fn of_one(
    mail: &IncidentMail,
    files: &Files,
    space: Space,
    locale: Locale,
) -> IncidentView {
    let (mark, state, tone, colours) = state(mail);
    let news = told::news(mail, locale);
    let group = group_words(mail);
    let sections: Vec<_> = (space.evidence > 0)
        .then(|| evidence::section(mail, files, space, None, locale))
        .into_iter()
        .flatten()
        .collect();
    IncidentView {
        frame: Frame {
            preheader: line(&match group.is_empty() {
                true => news.clone(),
                false => format!("{group}: {news}"),
            }),
            title: clipped(&mail.title, 150),
            footer: told::footer(mail),
            // The state stands first, and an alarm is small.
            logo: None,
            stacks: evidence::stacks(&sections),
            ..Frame::of(&mail.look, locale)
        },
        mark,
        state,
        tone,
        colours,
        banners: Vec::new(),
        group,
        value: (!mail.is_over()).then(|| told::value(mail, mail.value, locale)),
        since: told::since(mail, locale),
        detail: match (mail.kind, &mail.previous_level) {
            (IncidentKind::Resolved | IncidentKind::Corrected, _) => Some(news.clone()),
            (_, Some(before)) => Some(format!("From {} to {}.", clean(before), clean(&mail.level))),
            (_, None) => None,
        },
        lines: told::lines(mail, locale),
        news,
        runbook: told::runbook(mail),
        chart: None,
        chart_of: None,
        sections,
        facts: facts(mail, locale),
        commands: commands::of_incident(mail),
        reason: clipped(&mail.reason, FACT_MAX),
        data: Vec::new(),
    }
}

fn facts(mail: &IncidentMail, locale: Locale) -> Vec<Fact> {
    told::facts(mail, locale)
}

/// The picture of an incident's value as it goes with the mail, and as the HTML shows it.
pub(in crate::render) fn course(mail: &IncidentMail, locale: Locale) -> Option<(Image, Picture)> {
    const NAME: &str = "course";
    let course = mail.context.course.as_ref()?;
    let drawing = chart::course(course, &mail.zone, locale, mail.look.accent.as_deref())?;
    let picture = Picture {
        src: cid(NAME),
        alt: clipped(&drawing.alt, 600),
        width: drawing.width,
        height: drawing.height,
    };
    Some((Image { name: NAME.to_owned(), kind: "image/png", bytes: drawing.png }, picture))
}
