//! The mail of a digest: its views, and how it is kept small enough.

use chrono::{DateTime, Utc};

use serde::{Deserialize, Serialize};

use crate::domain::digest::{Attach, Headline};
use crate::domain::table::Section;
use crate::domain::zone::Zone;

use super::format::Locale;
use super::html::{self, DigestView};
use super::mail::{cid, encoded_len};
use super::subject::subject;
use super::view::{ChartView, Room};
use super::{Look, Rendered, custom, sheet, text};

mod figure;
mod pictures;
mod screen;

pub(super) use figure::{Figure, figure, words};

/// Largest HTML part, in bytes: mail clients cut near 102 kB, counted after transfer-decoding, and
/// hide the end.
pub const HTML_BYTES_MAX: usize = 90_000;
/// Charts and a logo take at most this, as they are sent: tables and files are worth more.
pub(in crate::render) const PICTURE_BYTES: usize = 600_000;

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

/// Writes a digest's mail. Where the HTML would grow beyond [`HTML_BYTES_MAX`] it drops bars and the
/// headings for narrow screens, then rows (saying how many; totals stay whole), then whole tables.
/// A user's template that fails, or a chart that cannot be drawn, costs itself alone.
pub fn render_digest(mail: &DigestMail) -> Rendered {
    let locale = Locale::named(&mail.locale);
    let words = words(mail, locale);
    let subject = subject(&mail.subject, &words);
    let mut problems: Vec<String> = Vec::new();
    problems.extend(subject.problem.iter().map(|problem| format!("subject template: {problem}")));
    let (images, charts) = pictures::pictures(mail, locale);
    problems.extend(charts.iter().filter_map(|chart| match chart {
        ChartView::Lost(why) => Some(why.clone()),
        ChartView::Drawn(_) | ChartView::None => None,
    }));
    let attached = sheet::attached(mail);
    let screen = screen::Screen {
        mail,
        locale,
        subject: &subject,
        words: &words,
        charts: &charts,
        attached: &attached,
    };
    let (head, head_problems) = screen.head();
    problems.extend(head_problems);
    let draw = |room: Room| screen.view(&head, room);
    let own = mail.template.as_deref().and_then(|template| {
        let drawn = fit(mail, |room| {
            let view = draw(room);
            custom::digest(template, mail, &view).map(|html| (view, html))
        });
        match drawn {
            Ok((_, html)) if fits(mail, &html) => Some(html),
            Ok(_) => {
                problems.push("mail template: its HTML is too large for a mail".to_owned());
                None
            }
            Err(problem) => {
                problems.push(format!("mail template: {problem}"));
                None
            }
        }
    });
    let built_in = |room| {
        let view = draw(room);
        let html = html::digest(&view);
        Ok::<_, std::convert::Infallible>((view, html))
    };
    let Ok((view, html)) = fit(mail, built_in);
    let html = own.unwrap_or(html);
    let shown = |image: &super::Image| html.contains(&cid(&image.name));
    Rendered {
        subject: subject.text.clone(),
        text: text::digest(&view),
        language: locale.language(),
        images: images.into_iter().filter(shown).collect(),
        html,
        attachments: attached.files,
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
    }
}

/// Whether HTML is small enough: for clients as it is, for servers as it is sent (letters beyond
/// ASCII take three times their bytes).
fn fits(mail: &DigestMail, html: &str) -> bool {
    let sent_max = (2 * HTML_BYTES_MAX).min(mail.bytes_max / 2);
    // Lines end in two bytes on the way.
    html.len() + html.lines().count() <= HTML_BYTES_MAX && encoded_len(html) <= sent_max
}

/// The largest drawing within the budget.
fn fit<E>(
    mail: &DigestMail,
    draw: impl Fn(Room) -> Result<(DigestView, String), E>,
) -> Result<(DigestView, String), E> {
    let sections = figure::shown(mail).len();
    let fits = |html: &str| fits(mail, html);
    let all = draw(Room { sections, ..Room::ALL })?;
    if fits(&all.1) {
        return Ok(all);
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
        let drawn = draw(Room { rows, extras: false, sections })?;
        if fits(&drawn.1) {
            low = rows;
            best = Some(drawn);
        } else {
            high = rows - 1;
        }
    }
    if let Some(drawn) = best {
        return Ok(drawn);
    }
    // Cells so large that not one row of each fits: fewer tables, down to none.
    let mut left = sections;
    loop {
        left /= 2;
        let drawn = draw(Room { rows: 1, extras: false, sections: left })?;
        if left == 0 || fits(&drawn.1) {
            return Ok(drawn);
        }
    }
}
