//! The first screen of a mail: what it is, whether to worry, why to believe it.

use chrono::TimeDelta;

use super::super::format::{Locale, clean, clipped};
use super::super::html::DigestView;
use super::super::sheet::Attached;
use super::super::subject::{self, Line, Subject, SubjectWords, line};
use super::super::view::news::{News, news};
use super::super::view::{self, Body, ChartView, Common, Frame, Room, SectionView};
use super::super::words::listed;
use super::DigestMail;
use super::figure::{Figure, figure, shown};

/// A mail made later than this after its slot says so.
pub(in crate::render) const LATE: TimeDelta = TimeDelta::minutes(10);
/// Sections beyond these are left out of a mail.
pub(super) const SECTIONS_SHOWN: usize = 60;
/// Files named in one line.
const FILES_NAMED: usize = 10;

/// All that the views of a mail are made of.
pub(super) struct Screen<'a> {
    pub(super) mail: &'a DigestMail,
    pub(super) locale: Locale,
    pub(super) subject: &'a Subject,
    pub(super) words: &'a SubjectWords,
    pub(super) charts: &'a [ChartView],
    pub(super) attached: &'a Attached,
}

/// What is the same whatever room there is for tables.
pub(super) struct Head {
    preheader: String,
    intro: Option<String>,
    figure: Option<Figure>,
    news: News,
    common: Common,
}

impl Screen<'_> {
    /// The head of the mail, and what was wrong with its templates.
    pub(super) fn head(&self) -> (Head, Vec<String>) {
        let Screen { mail, locale, words, .. } = *self;
        let mut problems = Vec::new();
        let mut filled = |kind: Line, name: &str, template: &str| {
            let filled = subject::fill(kind, template, words);
            filled.map_err(|problem| problems.push(format!("{name} template: {problem}"))).ok()
        };
        let preheader = mail.preheader.as_deref();
        let preheader = preheader.and_then(|t| filled(Line::Preheader, "preheader", t));
        let intro = mail.intro.as_deref().and_then(|t| filled(Line::Intro, "intro", t));
        let figure = figure(mail, locale);
        let head = Head {
            preheader: preheader.unwrap_or_else(|| self.summary(figure.as_ref())),
            intro: intro.filter(|intro| !intro.is_empty()),
            figure,
            news: news(shown(mail), locale),
            common: view::common(shown(mail), locale, mail.planned_at),
        };
        (head, problems)
    }

    /// The whole mail with this much room for its tables.
    pub(super) fn view(&self, head: &Head, room: Room) -> DigestView {
        let Screen { mail, locale, subject, .. } = *self;
        let civil = mail.zone.civil(mail.planned_at);
        let shown = shown(mail);
        let slot = mail.planned_at;
        let sections = view::sections(shown, self.charts, room, &head.common, locale, slot);
        let byline = format!(
            "{} \u{b7} {} {}, {}",
            clean(&mail.name),
            locale.day(civil.date()),
            locale.time(civil.time()),
            mail.zone.name()
        );
        let stacks = sections.iter().any(|section| match &section.body {
            Body::Table(table) => table.blocks().iter().any(|block| block.stacked()),
            _ => false,
        });
        DigestView {
            frame: Frame { stacks, ..self.frame(&head.preheader) },
            heading: subject.heading.clone(),
            byline,
            part: mail.part.as_deref().map(|part| clipped(part, 80)),
            intro: head.intro.clone(),
            figure: head.figure.clone(),
            banners: self.banners(&sections),
            news: head.news.clone(),
            facts: self.facts(&head.common),
            sections,
        }
    }

    fn frame(&self, preheader: &str) -> Frame {
        let Screen { mail, locale, subject, .. } = *self;
        Frame {
            title: subject.text.clone(),
            preheader: line(preheader),
            footer: footer(mail),
            ..Frame::of(&mail.look, locale)
        }
    }

    /// `Sessions: 1,204 (+6 %), goal ≥ 1,000 met. 1 goal missed. 3 reports.`
    fn summary(&self, figure: Option<&Figure>) -> String {
        let words = self.words;
        let mut sentences = Vec::new();
        if let Some(figure) = figure {
            let mut told = format!("{}: {}", figure.name, figure.value);
            if !figure.change.is_empty() {
                told.push_str(&format!(" ({})", figure.change));
            }
            if !figure.goal.is_empty() {
                told.push_str(&format!(", {}", figure.goal));
            }
            sentences.push(told);
        }
        match words.missed {
            0 => {}
            1 => sentences.push("1 goal missed".to_owned()),
            n => sentences.push(format!("{n} goals missed")),
        }
        match words.unusual {
            0 => {}
            1 => sentences.push("1 unusual figure".to_owned()),
            n => sentences.push(format!("{n} unusual figures")),
        }
        let sections = &self.mail.sections;
        let failed = sections.iter().filter(|section| view::table_of(section).is_none()).count();
        let reports = match sections.len() {
            1 => "1 report".to_owned(),
            n => format!("{n} reports"),
        };
        sentences.push(match failed {
            0 => reports,
            n => format!("{reports}, {n} could not be made"),
        });
        format!("{}.", sentences.join(". "))
    }

    fn banners(&self, sections: &[SectionView]) -> Vec<String> {
        let Screen { mail, locale, .. } = *self;
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
        let failed = titles(sections, |s| matches!(s.body, Body::Failed(_)));
        if !failed.is_empty() {
            banners.push(format!("Could not be made: {}.", listed(&failed)));
        }
        let provisional = titles(sections, |s| s.provisional.is_some());
        let count = sections.iter().filter(|s| s.provisional.is_some()).count();
        match (provisional.len(), sections.len()) {
            (0, _) => {}
            (_, all) if count == all => {
                banners.push("Provisional: the figures in this mail may still change.".to_owned());
            }
            (_, all) => banners.push(format!(
                "Provisional: the figures of {count} of {all} reports may still change; they are \
                 marked."
            )),
        }
        banners.extend(self.uncovered());
        banners
    }

    /// Reports whose figures cover only a part of what they are about.
    fn uncovered(&self) -> Vec<String> {
        let tables = shown(self.mail).iter().filter_map(view::table_of);
        let low = tables.filter_map(|table| {
            let sentence = table.coverage_low.first()?;
            let title = clipped(&table.title, 80);
            Some(format!("Low coverage in \u{201c}{title}\u{201d}: {}", clipped(sentence, 300)))
        });
        low.take(5).collect()
    }

    /// Why to believe it, and what else there is: quiet lines of the first screen.
    fn facts(&self, common: &Common) -> Vec<String> {
        let mut facts: Vec<String> = Vec::new();
        facts.extend(common.complete.clone());
        facts.extend(self.mail.remarks.iter().take(10).map(|remark| clipped(remark, 500)));
        let files = &self.attached.files;
        let named = files.iter().take(FILES_NAMED);
        let mut names: Vec<String> = named
            .map(|file| {
                let size = size(file.bytes.len(), self.locale);
                format!("{}\u{a0}({size})", clean(&file.name))
            })
            .collect();
        if files.len() > FILES_NAMED {
            names.push(format!("{} more", files.len() - FILES_NAMED));
        }
        if !names.is_empty() {
            facts.push(format!("Attached: {}.", listed(&names)));
        }
        facts.extend(self.attached.notices.iter().take(10).map(|notice| clipped(notice, 300)));
        facts
    }
}

/// `34 kB`.
fn size(bytes: usize, locale: Locale) -> String {
    match bytes {
        0..1_000 => format!("{bytes}\u{a0}B"),
        1_000..1_000_000 => {
            let kilobytes = i64::try_from(bytes.div_ceil(1_000)).unwrap_or(i64::MAX);
            format!("{}\u{a0}kB", locale.integer(kilobytes))
        }
        _ => format!("{}\u{a0}MB", locale.decimals(bytes as f64 / 1e6, 1)),
    }
}

fn titles(sections: &[SectionView], which: impl Fn(&SectionView) -> bool) -> Vec<String> {
    let quoted = |title: &str| format!("\u{201c}{}\u{201d}", clipped(title, 80));
    sections.iter().filter(|s| which(s)).take(5).map(|s| quoted(&s.title)).collect()
}

fn footer(mail: &DigestMail) -> Vec<String> {
    let beyond = mail.sections.len().saturating_sub(SECTIONS_SHOWN);
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
