//! Views: the only types templates see. Everything is text already; templates decide where it
//! stands, not what it says.

use chrono::{DateTime, Utc};

use crate::domain::table::{Section, Table};
use crate::domain::zone::Zone;

use super::Look;
use super::format::{Locale, clean, clipped};
use super::look::{FOOTER_MAX, LOGO};
use super::mail::cid;
use super::words::change::{self, Tone};
use super::words::counted;

mod cells;
mod grid;
pub(super) mod news;

pub(super) use grid::{Cell, Head, TableView};

/// What stands around every mail.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) lang: &'static str,
    pub(super) title: String,
    pub(super) preheader: String,
    pub(super) footer: Vec<String>,
    /// The company's own last line.
    pub(super) imprint: Option<String>,
    /// The company's logo.
    pub(super) logo: Option<Picture>,
    /// Whether narrow screens show rows of tables as blocks.
    pub(super) stacks: bool,
    /// Edges and links, on light and on dark ground.
    pub(super) edge: String,
    pub(super) link: String,
    pub(super) dark: String,
}

impl Frame {
    /// An empty frame of a company's look.
    pub(super) fn of(look: &Look, locale: Locale) -> Frame {
        let shades = look.shades();
        let logo = look.logo.as_ref().map(|logo| Picture {
            src: cid(LOGO),
            alt: clipped(&logo.alt, 100),
            width: u32::from(logo.width),
            height: u32::from(logo.height),
        });
        Frame {
            lang: locale.language(),
            title: String::new(),
            preheader: String::new(),
            footer: Vec::new(),
            imprint: look.footer.as_deref().map(|footer| clipped(footer, FOOTER_MAX)),
            logo,
            stacks: false,
            edge: shades.edge,
            link: shades.link,
            dark: shades.dark,
        }
    }
}

/// A picture as the HTML shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) src: String,
    pub(super) alt: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A word beside a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) tone: Tone,
    pub(super) text: String,
}

impl Mark {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Mark {
        Mark { tone, text: text.into() }
    }
}

/// One report of a digest.
#[derive(Debug)]
pub(super) struct SectionView {
    pub(super) title: String,
    pub(super) about: Option<String>,
    /// A further condition of this digest.
    pub(super) only: Option<String>,
    /// The period with its dates and zone; empty for a report that failed.
    pub(super) caption: String,
    pub(super) chart: Option<Picture>,
    /// Why a chart that should be there is not.
    pub(super) chart_lost: Option<String>,
    pub(super) body: Body,
    /// Why the figures may still change.
    pub(super) provisional: Option<String>,
    /// Figures of the mail before that are others now.
    pub(super) restated: Vec<String>,
    /// Where the records behind it are.
    pub(super) drill: Option<String>,
    /// What the figures cover.
    pub(super) notes: Vec<String>,
}

/// What a section shows.
#[derive(Debug)]
pub(super) enum Body {
    Table(Box<TableView>),
    /// Nothing to show, in a sentence.
    Empty(String),
    /// Why there is no table.
    Failed(String),
    /// Left out, so that the mail stays small enough.
    LeftOut(String),
}

/// How much of the tables a mail has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Rows shown of each table.
    pub(super) rows: usize,
    /// Whether shares have bars, and cells the headings that narrow screens show.
    pub(super) extras: bool,
    /// Sections shown with their figures.
    pub(super) sections: usize,
}

impl Room {
    /// As much as there is.
    pub(super) const ALL: Room = Room { rows: usize::MAX, extras: true, sections: usize::MAX };
}

/// What became of a section's chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChartView {
    /// There is none.
    None,
    /// It was drawn.
    Drawn(Picture),
    /// It should be there, and why it is not.
    Lost(String),
}

/// What a mail says of all its tables, so that no table needs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Common {
    /// Up to where the data of all tables is complete, in words.
    pub(super) complete: Option<String>,
}

/// What all tables of a mail have in common.
pub(super) fn common(sections: &[Section], locale: Locale, slot: DateTime<Utc>) -> Common {
    let tables = sections.iter().filter_map(table_of);
    let mut told =
        tables.map(|table| table.complete_to.map(|at| moment(at, slot, &table.zone, locale)));
    let first = told.next().flatten();
    let complete = first.filter(|first| told.all(|other| other.as_ref() == Some(first)));
    Common { complete: complete.map(|at| format!("Data complete to {at}.")) }
}

/// The table of a section that has one.
pub(super) fn table_of(section: &Section) -> Option<&Table> {
    match section {
        Section::Table(table) => Some(table),
        Section::Failed { .. } => None,
    }
}

/// Sections as they are shown in this much room, each with its chart. Times of the day of `slot`
/// are told without their date.
pub(super) fn sections(
    sections: &[Section],
    charts: &[ChartView],
    room: Room,
    common: &Common,
    locale: Locale,
    slot: DateTime<Utc>,
) -> Vec<SectionView> {
    let views = sections.iter().enumerate().map(|(i, section)| match section {
        Section::Failed { title, reason, .. } => SectionView {
            body: Body::Failed(clipped(reason, 500)),
            ..bare(clean(title), String::new())
        },
        Section::Table(table) if i < room.sections => {
            let (chart, chart_lost) = match charts.get(i) {
                Some(ChartView::Drawn(picture)) => (Some(picture.clone()), None),
                Some(ChartView::Lost(why)) => (None, Some(why.clone())),
                Some(ChartView::None) | None => (None, None),
            };
            SectionView {
                about: table.about.as_deref().map(|about| clipped(about, 500)),
                only: table.only.as_deref().map(|only| clipped(only, 300)),
                chart,
                chart_lost,
                body: cells::body(table, room, locale),
                provisional: table.provisional.as_deref().map(|why| clipped(why, 300)),
                restated: restated(table, locale),
                drill: table.drill.clone().filter(|address| is_link(address)),
                notes: notes(table, common, locale, slot),
                ..bare(clipped(&table.title, 200), caption(table, locale))
            }
        }
        Section::Table(table) => SectionView {
            body: Body::LeftOut("Left out, because this mail would be too large.".to_owned()),
            drill: table.drill.clone().filter(|address| is_link(address)),
            ..bare(clipped(&table.title, 200), caption(table, locale))
        },
    });
    views.collect()
}

fn bare(title: String, caption: String) -> SectionView {
    SectionView {
        title,
        about: None,
        only: None,
        caption,
        chart: None,
        chart_lost: None,
        body: Body::Empty(String::new()),
        provisional: None,
        restated: Vec::new(),
        drill: None,
        notes: Vec::new(),
    }
}

/// Whether an address may stand in a link: of the web, and without what could end it.
pub(super) fn is_link(address: &str) -> bool {
    let web = address.starts_with("https://") || address.starts_with("http://");
    web && address.len() <= 2_000
        && !address.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
        && url::Url::parse(address).is_ok()
}

/// `last 7 days: Mon 16 Nov to Sun 22 Nov 2026, Europe/Berlin`.
fn caption(table: &Table, locale: Locale) -> String {
    let zone = table.zone.name();
    match table.window {
        None => format!("{}, {zone}", clean(&table.period)),
        Some(window) => {
            let range = locale.window(window, &table.zone);
            format!("{}: {range}, {zone}", clean(&table.period))
        }
    }
}

/// `since the mail of Mon 16 Nov 2026: Sessions 412 → 431 (+4.6 %)`, one line a figure.
pub(super) fn restated(table: &Table, locale: Locale) -> Vec<String> {
    let lines = table.restated.iter().take(10).filter_map(|restated| {
        let column = table.columns.get(restated.column)?;
        let slot = locale.day(table.zone.civil(restated.slot).date());
        let [before, now] =
            [restated.before, restated.now].map(|x| change::figure(x, column, locale));
        let delta = crate::domain::compare::Delta {
            before: restated.before,
            change: restated.now - restated.before,
            relative: (restated.before != 0.0)
                .then(|| (restated.now - restated.before) / restated.before.abs()),
            usual: None,
            unusual: false,
            better: None,
        };
        let period = locale.window(restated.window, &table.zone);
        Some(format!(
            "since the mail of {slot}: {} of {period} {before} \u{2192} {now} ({})",
            clipped(&column.name, 60),
            change::change(&delta, column, locale)
        ))
    });
    lines.collect()
}

fn notes(table: &Table, common: &Common, locale: Locale, slot: DateTime<Utc>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if table.records > 0 || !table.rows.is_empty() {
        notes.push(format!("Based on {}.", counted(table.records, "record", locale)));
    }
    if table.truncated {
        notes.push("There are more rows than are read: totals are of those read.".to_owned());
    }
    notes.extend(table.coverage.iter().map(|sentence| clipped(sentence, 500)));
    if let Some(compared) = &table.compared {
        notes.push(format!("Changes are against {}.", clipped(&compared.words, 200)));
        let left_out = compared.left_out.iter().take(5).map(|(window, why)| {
            format!("{} ({})", locale.window(*window, &table.zone), clipped(why, 100))
        });
        let left_out: Vec<String> = left_out.collect();
        if !left_out.is_empty() {
            notes.push(format!("Not compared with {}.", super::words::listed(&left_out)));
        }
    }
    notes.extend(cells::legend(table).map(str::to_owned));
    match table.complete_to {
        Some(_) if common.complete.is_some() => {}
        Some(at) => {
            notes.push(format!("Data complete to {}.", moment(at, slot, &table.zone, locale)));
        }
        None => notes.push("The data has never been read to its end.".to_owned()),
    }
    notes
}

/// An instant in a zone, without its date when that is the day of the slot.
pub(super) fn moment(
    at: DateTime<Utc>,
    slot: DateTime<Utc>,
    zone: &Zone,
    locale: Locale,
) -> String {
    let civil = zone.civil(at);
    match civil.date() == zone.civil(slot).date() {
        true => locale.time(civil.time()),
        false => locale.stamp(civil),
    }
}
