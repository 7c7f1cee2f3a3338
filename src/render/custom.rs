//! The user's own template of a digest's HTML.
//!
//! It gets plain data and no power: everything is text, escaped as it is written; there are no
//! files, no functions, no assignments; fuel and output are bounded. What it is given is told in
//! `docs/templates.md`. Where it fails, the built-in mail is sent and the failure is told.

use serde::Serialize;

use super::digest::{DigestMail, Figure};
use super::format::clean;
use super::html::DigestView;
use super::template::{self, LOOPS, Limits};
use super::view::news::NewsLine;
use super::view::{Body, Cell, Head, Mark, Picture, SectionView, TableView};

/// Largest template, in bytes.
pub const TEMPLATE_MAX: usize = 200_000;

const LIMITS: Limits = Limits {
    noun: "a mail template",
    template_max: TEMPLATE_MAX,
    fuel: 5_000_000,
    output_max: 2_000_000,
    statements: LOOPS,
    html: true,
};

/// What the template can name.
const NAMES: [&str; 19] = [
    "digest",
    "subject",
    "heading",
    "preheader",
    "language",
    "byline",
    "part",
    "intro",
    "headline",
    "banners",
    "changes",
    "changes_more",
    "calm",
    "facts",
    "sections",
    "footer",
    "imprint",
    "logo",
    "accent",
];

#[derive(Serialize)]
struct Context<'a> {
    digest: String,
    subject: &'a str,
    heading: &'a str,
    preheader: &'a str,
    language: &'a str,
    byline: &'a str,
    part: Option<&'a str>,
    intro: Option<&'a str>,
    headline: Option<HeadlineData<'a>>,
    banners: &'a [String],
    changes: Vec<ChangeData<'a>>,
    changes_more: usize,
    calm: Option<&'a str>,
    facts: &'a [String],
    sections: Vec<SectionData<'a>>,
    footer: &'a [String],
    imprint: Option<&'a str>,
    logo: Option<PictureData<'a>>,
    accent: &'a str,
}

#[derive(Serialize)]
struct HeadlineData<'a> {
    name: &'a str,
    value: &'a str,
    period: &'a str,
    change: &'a str,
    goal: &'a str,
    marks: Vec<MarkData<'a>>,
}

#[derive(Serialize)]
struct MarkData<'a> {
    text: &'a str,
    tone: &'static str,
}

#[derive(Serialize)]
struct ChangeData<'a> {
    mark: &'a str,
    tone: &'static str,
    text: &'a str,
    title: &'a str,
    link: Option<&'a str>,
}

#[derive(Serialize)]
struct PictureData<'a> {
    src: &'a str,
    alt: &'a str,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct SectionData<'a> {
    title: &'a str,
    about: Option<&'a str>,
    only: Option<&'a str>,
    caption: &'a str,
    chart: Option<PictureData<'a>>,
    /// Why there is no table: the report failed.
    failed: Option<&'a str>,
    /// What stands instead of an empty or left out table.
    sentence: Option<&'a str>,
    columns: Vec<ColumnData<'a>>,
    rows: Vec<Vec<CellData<'a>>>,
    others: Option<Vec<CellData<'a>>>,
    total: Option<Vec<CellData<'a>>>,
    /// Sentences about rows that are not shown.
    more: Vec<&'a str>,
    link: Option<&'a str>,
    restated: &'a [String],
    provisional: Option<&'a str>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct ColumnData<'a> {
    name: &'a str,
    numeric: bool,
    grouping: bool,
    goal: Option<&'a str>,
}

#[derive(Serialize)]
struct CellData<'a> {
    text: &'a str,
    numeric: bool,
    empty: bool,
    link: Option<&'a str>,
    marks: Vec<MarkData<'a>>,
}

/// The HTML that a template makes of a mail; an error says what is wrong with it.
pub(super) fn digest(
    template: &str,
    mail: &DigestMail,
    view: &DigestView,
) -> Result<String, String> {
    let frame = &view.frame;
    let context = Context {
        digest: clean(&mail.name),
        subject: &frame.title,
        heading: &view.heading,
        preheader: &frame.preheader,
        language: frame.lang,
        byline: &view.byline,
        part: view.part.as_deref(),
        intro: view.intro.as_deref(),
        headline: view.figure.as_ref().map(headline),
        banners: &view.banners,
        changes: view.news.lines.iter().map(change).collect(),
        changes_more: view.news.more,
        calm: view.news.calm.as_deref(),
        facts: &view.facts,
        sections: view.sections.iter().map(section).collect(),
        footer: &frame.footer,
        imprint: frame.imprint.as_deref(),
        logo: frame.logo.as_ref().map(picture),
        accent: &frame.edge,
    };
    let words = minijinja::Value::from(minijinja::value::Serde(context));
    let html = template::fill(template, words, &LIMITS).map_err(|failure| failure.message)?;
    match html.trim().is_empty() {
        true => Err("the mail template makes nothing".to_owned()),
        false => Ok(html),
    }
}

/// Whether a template can be used at all, for checking a config: the error says what is wrong.
pub fn check(template: &str) -> Result<(), String> {
    let names = template::names(template, &LIMITS).map_err(|failure| failure.message)?;
    match names.iter().find(|(name, _)| !NAMES.contains(&name.as_str())) {
        Some((name, _)) => {
            Err(format!("a mail template knows no `{name}`; it knows {}", NAMES.join(", ")))
        }
        None => Ok(()),
    }
}

fn headline(figure: &Figure) -> HeadlineData<'_> {
    HeadlineData {
        name: &figure.name,
        value: &figure.value,
        period: &figure.period,
        change: &figure.change,
        goal: &figure.goal,
        marks: marks(&figure.marks),
    }
}

fn marks(marks: &[Mark]) -> Vec<MarkData<'_>> {
    marks.iter().map(|mark| MarkData { text: &mark.text, tone: mark.tone.word() }).collect()
}

fn change(line: &NewsLine) -> ChangeData<'_> {
    ChangeData {
        mark: line.mark,
        tone: line.tone.word(),
        text: &line.text,
        title: &line.title,
        link: line.href.as_deref(),
    }
}

fn picture(picture: &Picture) -> PictureData<'_> {
    let Picture { src, alt, width, height } = picture;
    PictureData { src, alt, width: *width, height: *height }
}

fn section(view: &SectionView) -> SectionData<'_> {
    let (mut failed, mut sentence, mut table) = (None, None, None);
    match &view.body {
        Body::Table(found) => table = Some(&**found),
        Body::Failed(reason) => failed = Some(reason.as_str()),
        Body::Empty(words) | Body::LeftOut(words) => sentence = Some(words.as_str()),
    }
    let more = table.into_iter().flat_map(|t| [&t.cut, &t.others_line]).flatten();
    SectionData {
        title: &view.title,
        about: view.about.as_deref(),
        only: view.only.as_deref(),
        caption: &view.caption,
        chart: view.chart.as_ref().map(picture),
        failed,
        sentence,
        columns: table.map(columns).unwrap_or_default(),
        rows: table.map(|t| t.rows.iter().map(|row| cells(row)).collect()).unwrap_or_default(),
        others: table.and_then(|t| t.others.as_deref().map(cells)),
        total: table.and_then(|t| t.total.as_deref().map(cells)),
        more: more.map(String::as_str).collect(),
        link: view.drill.as_deref(),
        restated: &view.restated,
        provisional: view.provisional.as_deref(),
        notes: &view.notes,
    }
}

fn columns(table: &TableView) -> Vec<ColumnData<'_>> {
    let column = |head| {
        let Head { joined, numeric, grouping, goal, .. }: &Head = head;
        ColumnData { name: joined, numeric: *numeric, grouping: *grouping, goal: goal.as_deref() }
    };
    table.heads.iter().map(column).collect()
}

fn cells(row: &[Cell]) -> Vec<CellData<'_>> {
    row.iter()
        .map(|cell| CellData {
            text: &cell.text,
            numeric: cell.numeric,
            empty: cell.muted,
            link: cell.href.as_deref(),
            marks: marks(&cell.marks),
        })
        .collect()
}
