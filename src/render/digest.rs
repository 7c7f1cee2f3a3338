//! The mail of a digest: its views, and how it is kept small enough.

use chrono::{DateTime, TimeDelta, Utc};

use serde::{Deserialize, Serialize};

use crate::domain::digest::{Attach, Headline};
use crate::domain::table::Section;
use crate::domain::zone::Zone;

use super::format::{Locale, clean, clipped};
use super::html::{self, DigestView};
use super::mail::encoded_len;
use super::subject::{Subject, SubjectWords, line, subject};
use super::text;
use super::view::{self, Body, Frame, Room, SectionView};
use super::words::listed;
use super::{Look, Rendered};

/// Largest HTML part, in bytes as it is sent: mail clients cut near 102 kB and hide the end.
pub const HTML_BYTES_MAX: usize = 90_000;
/// Sections beyond these are left out of a mail.
const SECTIONS_MAX: usize = 60;
/// A mail made later than this after its slot says so.
const LATE: TimeDelta = TimeDelta::minutes(10);

/// One digest for one slot: all that its bytes are made of. It is stored with the run, so that the
/// same bytes can be made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestMail {
    /// The digest's name.
    pub name: String,
    /// Template of the subject.
    pub subject: String,
    /// Template of the line that inboxes show behind the subject.
    pub preheader: Option<String>,
    /// A sentence under the title.
    pub intro: Option<String>,
    /// Which figure the subject and the first line carry.
    pub headline: Option<Headline>,
    /// The reports' tables, in the digest's order.
    pub sections: Vec<Section>,
    /// The slot.
    pub planned_at: DateTime<Utc>,
    /// When the mail was made; well after the slot it says so.
    pub made_at: DateTime<Utc>,
    /// The zone of the schedule.
    pub zone: Zone,
    /// The schedule in words, e.g. `weekdays at 08:00`: see [`super::words::schedule`].
    pub schedule: String,
    /// A sentence about slots that were missed before this one.
    pub missed: Option<String>,
    /// Id of the run.
    pub run: String,
    /// Locale of numbers and dates.
    pub locale: String,
    /// Which postrider sent it.
    pub instance: Option<String>,
    /// Address of the person who looks after it.
    pub owner: Option<String>,
    /// Of a digest that is split: whose part this is.
    pub part: Option<String>,
    /// Sentences about the whole mail, for its first screen: which parts went to whom, what is
    /// missing.
    pub remarks: Vec<String>,
    /// What is attached.
    pub attach: Vec<Attach>,
    /// Largest mail, in bytes as it is sent.
    pub bytes_max: usize,
    /// The company's look.
    pub look: Look,
    /// The user's own template of the HTML.
    pub template: Option<String>,
}

/// Writes a digest's mail. Where the HTML would grow beyond [`HTML_BYTES_MAX`] it drops bars, then
/// rows (saying how many; totals stay whole), then whole tables.
pub fn render_digest(mail: &DigestMail) -> Rendered {
    let locale = Locale::named(&mail.locale);
    let subject = subject(&mail.subject, &subject_words(mail, locale));
    let draw = |room: Room| {
        let view = digest_view(mail, room, locale, &subject);
        let html = html::digest(&view);
        (view, html)
    };
    let (view, html) = fit(mail, draw);
    Rendered {
        subject: subject.text,
        text: text::digest(&view),
        html,
        language: locale.language(),
        images: Vec::new(),
        attachments: super::sheet::attached(mail).files,
        problem: subject.problem.map(|problem| format!("subject template: {problem}")),
    }
}

/// The largest drawing within the budget.
fn fit(mail: &DigestMail, draw: impl Fn(Room) -> (DigestView, String)) -> (DigestView, String) {
    let sections = mail.sections.len().min(SECTIONS_MAX);
    let fits = |html: &str| encoded_len(html) <= HTML_BYTES_MAX;
    let all = draw(Room { sections, ..Room::ALL });
    if fits(&all.1) {
        return all;
    }
    let rows = mail.sections.iter().map(|section| match section {
        Section::Table(table) => table.rows.len(),
        Section::Failed { .. } => 0,
    });
    let most = rows.max().unwrap_or(0);
    // Rows by halving: the most that fit, at least one.
    let (mut low, mut high) = (0, most);
    let mut best = None;
    while low < high {
        let rows = low + (high - low).div_ceil(2);
        let drawn = draw(Room { rows, bars: false, sections });
        if fits(&drawn.1) {
            low = rows;
            best = Some(drawn);
        } else {
            high = rows - 1;
        }
    }
    if let Some(drawn) = best {
        return drawn;
    }
    // Cells so large that not one row of each fits: fewer tables, down to none.
    let mut left = sections;
    loop {
        left /= 2;
        let drawn = draw(Room { rows: 1, bars: false, sections: left });
        if left == 0 || fits(&drawn.1) {
            return drawn;
        }
    }
}

fn digest_view(mail: &DigestMail, room: Room, locale: Locale, subject: &Subject) -> DigestView {
    let civil = mail.zone.civil(mail.planned_at);
    let figure = figure(mail, locale);
    let beyond = mail.sections.len().saturating_sub(SECTIONS_MAX);
    let shown = &mail.sections[..mail.sections.len() - beyond];
    let sections = view::sections(shown, room, locale, mail.planned_at);
    let preheader = match &figure {
        Some(figure) => format!("{}: {}. {}", figure.name, figure.value, summary(&sections)),
        None => summary(&sections),
    };
    let byline = format!(
        "{} \u{b7} {} {}, {}",
        clean(&mail.name),
        locale.day(civil.date()),
        locale.time(civil.time()),
        mail.zone.name()
    );
    DigestView {
        frame: Frame {
            lang: locale.language(),
            title: subject.text.clone(),
            preheader: line(&preheader),
            footer: footer(mail, beyond),
        },
        heading: subject.heading.clone(),
        byline,
        intro: mail.intro.as_deref().map(|intro| clipped(intro, 1_000)),
        figure,
        banners: banners(mail, &sections, locale),
        sections,
    }
}

/// The figure of the subject and the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// What it is.
    pub(super) name: String,
    /// How much.
    pub(super) value: String,
    /// Of which time.
    pub(super) period: String,
}

/// The headline as written by the locale; `None` if the digest has none. One that could not be made
/// says so instead of a number.
pub(super) fn figure(mail: &DigestMail, locale: Locale) -> Option<Figure> {
    let headline = mail.headline.as_ref()?;
    Some(match mail.sections.get(headline.report) {
        Some(Section::Table(table)) => {
            let column = table.columns.get(headline.column)?;
            let value = table
                .figure(headline.column)
                .and_then(|value| locale.value(value, column, &table.zone));
            Figure {
                name: clipped(&column.name, 60),
                value: value.unwrap_or_else(|| "no figure".to_owned()),
                period: clean(&table.period),
            }
        }
        Some(Section::Failed { title, .. }) => Figure {
            name: clipped(title, 60),
            value: "no figure".to_owned(),
            period: String::new(),
        },
        None => return None,
    })
}

/// What the subject's template can name.
fn subject_words(mail: &DigestMail, locale: Locale) -> SubjectWords {
    let civil = mail.zone.civil(mail.planned_at);
    let headline = figure(mail, locale);
    let period = mail.headline.as_ref().and_then(|headline| mail.sections.get(headline.report));
    let tables = period.into_iter().chain(&mail.sections);
    let period = tables.into_iter().find_map(|section| match section {
        Section::Table(table) => Some(clean(&table.period)),
        Section::Failed { .. } => None,
    });
    SubjectWords {
        digest: clean(&mail.name),
        period: period.unwrap_or_default(),
        headline: headline.map(|f| format!("{} {}", f.name, f.value)).unwrap_or_default(),
        date: locale.day(civil.date()),
        time: locale.time(civil.time()),
        ..SubjectWords::default()
    }
}

/// `13 reports, 1 could not be made.`
fn summary(sections: &[SectionView]) -> String {
    let failed = sections.iter().filter(|s| matches!(s.body, Body::Failed(_))).count();
    let reports = match sections.len() {
        1 => "1 report".to_owned(),
        n => format!("{n} reports"),
    };
    match failed {
        0 => format!("{reports}."),
        n => format!("{reports}, {n} could not be made."),
    }
}

fn banners(mail: &DigestMail, sections: &[SectionView], locale: Locale) -> Vec<String> {
    let mut banners = Vec::new();
    let late = mail.made_at - mail.planned_at;
    if late > LATE {
        let planned = view::moment(mail.planned_at, mail.made_at, &mail.zone, locale);
        let made = view::moment(mail.made_at, mail.planned_at, &mail.zone, locale);
        let by = locale.duration(late.num_seconds() as f64);
        banners.push(format!(
            "This mail is late by {by}: planned for {planned}, made at {made}. Its periods are \
             those of the planned time."
        ));
    }
    banners.extend(mail.missed.as_deref().map(|missed| clipped(missed, 500)));
    let failed: Vec<String> = titles(sections, |s| matches!(s.body, Body::Failed(_)));
    if !failed.is_empty() {
        banners.push(format!("Could not be made: {}.", listed(&failed)));
    }
    let provisional = titles(sections, |s| s.provisional.is_some());
    match (provisional.len(), sections.len()) {
        (0, _) => {}
        (n, all) if n == all => {
            banners.push("Provisional: the figures in this mail may still change.".to_owned());
        }
        (n, all) => banners.push(format!(
            "Provisional: the figures of {n} of {all} reports may still change; they are marked."
        )),
    }
    banners
}

fn titles(sections: &[SectionView], which: impl Fn(&SectionView) -> bool) -> Vec<String> {
    let quoted = |title: &str| format!("\u{201c}{}\u{201d}", clipped(title, 80));
    sections.iter().filter(|s| which(s)).take(5).map(|s| quoted(&s.title)).collect()
}

fn footer(mail: &DigestMail, beyond: usize) -> Vec<String> {
    let mut footer = Vec::new();
    if beyond > 0 {
        footer.push(format!("{beyond} more reports have no room in one mail."));
    }
    let by = mail.instance.as_deref().map(|name| format!(" on {}", clean(name)));
    footer.push(format!(
        "You get this mail because your address is on the digest \u{201c}{}\u{201d}, sent {} \
         ({}) by postrider{}.",
        clean(&mail.name),
        clean(&mail.schedule),
        mail.zone.name(),
        by.unwrap_or_default()
    ));
    if let Some(owner) = &mail.owner {
        footer.push(format!("To stop or change it, write to {}.", clean(owner)));
    }
    footer.push(format!("Run {}.", clean(&mail.run)));
    footer
}
