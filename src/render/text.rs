//! Plain text: the twin of the HTML part, written from the same views.
//!
//! Lines keep within 78 columns as a terminal counts them, wide and combining characters included.
//! A table that does not fit is written as one block a row.

use askama::Template;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::format::plain;
use super::html::DigestView;
use super::incident::{Fact, IncidentView};
use super::notice::NoticeView;
use super::view::{Body, Cell, Head, SectionView, TableView};

/// Columns of a line.
pub(super) const LINE: usize = 78;
/// Between two columns.
const GAP: usize = 2;
/// A column of text is not squeezed below this.
const TEXT_MIN: usize = 12;
/// Lines one cell may take.
const CELL_LINES: usize = 3;
/// Addresses of records below one table.
const LINKS_MAX: usize = 10;

#[derive(Template)]
#[template(path = "mail/digest.txt", escape = "none")]
struct DigestText<'a> {
    m: &'a DigestView,
}

#[derive(Template)]
#[template(path = "mail/incident.txt", escape = "none")]
struct IncidentText<'a> {
    m: &'a IncidentView,
    facts: Vec<String>,
}

#[derive(Template)]
#[template(path = "mail/notice.txt", escape = "none")]
struct NoticeText<'a> {
    m: &'a NoticeView,
    facts: Vec<String>,
}

/// The text of a digest.
pub(super) fn digest(view: &DigestView) -> String {
    finish(&DigestText { m: view })
}

/// The text of a notification.
pub(super) fn incident(view: &IncidentView) -> String {
    finish(&IncidentText { m: view, facts: listing(&view.facts) })
}

/// The text of a notice.
pub(super) fn notice(view: &NoticeView) -> String {
    finish(&NoticeText { m: view, facts: listing(&view.facts) })
}

/// Written, in plain letters, without blanks at line ends and with at most one blank line in a row.
fn finish(template: &impl Template) -> String {
    let text = template.render().expect("templates only write text into a string");
    let mut out = String::with_capacity(text.len());
    let mut blank = true;
    for line in plain(&text).lines() {
        let line = line.trim_end();
        if line.is_empty() && blank {
            continue;
        }
        blank = line.is_empty();
        out.push_str(line);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// A paragraph broken into lines.
pub(super) fn wrap(text: &str) -> String {
    wrapped(&plain(text), LINE).join("\n")
}

/// A paragraph behind its name: `Name: text`; behind a mark, `! text`.
pub(super) fn labelled(name: &str, text: &str) -> String {
    let colon = if name == "!" { "" } else { ":" };
    wrap(&format!("{name}{colon} {text}"))
}

/// A paragraph behind a mark, its further lines below its first letter.
pub(super) fn item(mark: &str, text: &str) -> String {
    let indent = " ".repeat(mark.width() + 1);
    let lines = wrapped(&plain(text), LINE - indent.len());
    format!("{mark} {}", lines.join(&format!("\n{indent}")))
}

/// A line below a heading, as long as the heading.
pub(super) fn underline(text: &str, with: &str) -> String {
    let longest = wrapped(&plain(text), LINE).iter().map(|line| line.width()).max();
    with.repeat(longest.unwrap_or(0))
}

/// The body of a section: table, sentence or reason.
pub(super) fn section(section: &SectionView) -> String {
    match &section.body {
        Body::Table(view) => table(view),
        Body::Empty(sentence) | Body::LeftOut(sentence) => sentence.clone(),
        Body::Failed(reason) => wrap(&format!("This report could not be made: {reason}")),
    }
}

/// Names and values, the values in one column.
fn listing(facts: &[Fact]) -> Vec<String> {
    let names = facts.iter().map(|fact| plain(&fact.name).width());
    let width = names.max().unwrap_or(0).min(24);
    let mut lines = Vec::new();
    for fact in facts {
        let name = wrapped(&plain(&fact.name), width.max(1));
        let value = wrapped(&plain(&fact.value), LINE - width - GAP);
        for i in 0..name.len().max(value.len()) {
            let left = name.get(i).map_or("", String::as_str);
            let right = value.get(i).map_or("", String::as_str);
            lines.push(format!("{}{}{right}", left, " ".repeat(width + GAP - left.width())));
        }
    }
    lines
}

/// A table in aligned columns; where it is too wide in several, each with some of its columns, or
/// as blocks, one a row.
pub(super) fn table(view: &TableView) -> String {
    if layout(view).is_some() {
        return one_table(view);
    }
    let least = |view: &TableView, column: usize| column_width(view, column).0 + 1;
    let parts = view.cut_to(LINE, least);
    if parts.len() > 1 && parts.iter().all(|part| layout(part).is_some()) {
        let parts = parts.iter().map(|part| {
            let name = part.block.as_deref().unwrap_or_default();
            format!("({name})\n{}", one_table(part))
        });
        return parts.collect::<Vec<_>>().join("\n\n");
    }
    one_table(view)
}

fn one_table(view: &TableView) -> String {
    let mut lines = match layout(view) {
        Some(layout) => aligned(view, &layout),
        None => blocks(view),
    };
    // Sentences about rows that are not shown stand below the rows and above `Others` and `Total`.
    let last = usize::from(view.others.is_some()) + usize::from(view.total.is_some());
    let after = lines.len() - last.min(lines.len());
    let sentences = [&view.cut, &view.others_line].into_iter().flatten().cloned();
    let rows: Vec<String> = sentences.collect();
    for (i, sentence) in rows.into_iter().enumerate() {
        lines.insert(after + i, sentence);
    }
    lines.join("\n")
}

/// Addresses of the records that cells name, as lines of their own; the first few.
pub(super) fn links(section: &SectionView) -> String {
    let Body::Table(table) = &section.body else { return String::new() };
    let all: Vec<(&Cell, &String)> =
        table.rows.iter().flatten().filter_map(|cell| Some((cell, cell.href.as_ref()?))).collect();
    let mut lines: Vec<String> = all
        .iter()
        .take(LINKS_MAX)
        .map(|(cell, href)| format!("{}:\n  {href}", take_width(&shown(cell), LINE - 1)))
        .collect();
    if all.len() > LINKS_MAX {
        lines.push(format!("and {} more links in the HTML part", all.len() - LINKS_MAX));
    }
    lines.join("\n")
}

/// Least width of a column, and the width that its cells need to stand unbroken.
fn column_width(view: &TableView, column: usize) -> (usize, usize) {
    let head = &view.heads[column];
    let words = |text: &str| text.split(' ').map(str::width).max().unwrap_or(0);
    let cells = || view.all_rows().filter_map(|row| row.get(column));
    let values = cells().map(|cell| shown(cell).width()).max().unwrap_or(0);
    let broken = cells().map(|cell| words(&shown(cell))).max().unwrap_or(0).min(TEXT_MIN);
    let marks = cells().flat_map(|cell| &cell.marks).map(|mark| words(&mark.text)).max();
    let goal = head.goal.as_deref().map_or(0, |goal| words(&plain(goal)));
    let heading = words(&plain(&head.joined)).max(goal);
    let least = if head.numeric { values } else { broken };
    let marks = marks.unwrap_or(0);
    (least.max(marks).max(heading).max(1), values.max(marks).max(1))
}

/// Where the columns of a table stand.
struct Layout {
    widths: Vec<usize>,
    gap: usize,
}

/// The layout of a table; `None` if it does not fit a line. Columns move together before words of
/// headings are broken.
fn layout(view: &TableView) -> Option<Layout> {
    let tried = [(GAP, false), (1, false), (1, true)];
    tried.into_iter().find_map(|(gap, break_headings)| {
        widths(view, gap, break_headings).map(|widths| Layout { widths, gap })
    })
}

fn widths(view: &TableView, gap: usize, break_headings: bool) -> Option<Vec<usize>> {
    let columns = view.heads.len();
    let room = LINE.checked_sub(gap * columns.saturating_sub(1))?;
    let cells: Vec<usize> = (0..columns).map(|i| column_width(view, i).1).collect();
    let numeric = |i: usize| view.heads[i].numeric;
    let longest = |text: &str| plain(text).split(' ').map(str::width).max().unwrap_or(0);
    let word = |head: &Head| longest(&head.joined).max(head.goal.as_deref().map_or(0, longest));
    let mut widths: Vec<usize> =
        view.heads.iter().zip(&cells).map(|(head, cell)| word(head).max(*cell)).collect();
    // Text gives way first, the widest most; then headings of figures; figures never.
    while widths.iter().sum::<usize>() > room {
        let text = (0..columns).filter(|i| !numeric(*i) && widths[*i] > TEXT_MIN);
        let heading =
            (0..columns).filter(|i| break_headings && numeric(*i) && widths[*i] > cells[*i].max(4));
        let widest = text.max_by_key(|i| widths[*i]).or(heading.max_by_key(|i| widths[*i]))?;
        widths[widest] -= 1;
    }
    // What is left lets headings and marks stand on fewer lines.
    let mut left = room - widths.iter().sum::<usize>();
    for (i, head) in view.heads.iter().enumerate() {
        let marks = view.all_rows().filter_map(|row| row.get(i)).flat_map(|cell| &cell.marks);
        let marks = marks.map(|mark| plain(&mark.text).width()).max().unwrap_or(0);
        let heading = plain(&head.joined).width().max(marks);
        let wanted = heading.min(24).saturating_sub(widths[i]).min(left);
        widths[i] += wanted;
        left -= wanted;
    }
    Some(widths)
}

fn aligned(view: &TableView, layout: &Layout) -> Vec<String> {
    let widths = &layout.widths;
    let heads: Vec<(Vec<String>, bool)> = view
        .heads
        .iter()
        .zip(widths)
        .map(|(head, width)| {
            let mut lines = wrapped(&plain(&head.joined), *width);
            lines.extend(head.goal.iter().flat_map(|goal| wrapped(&plain(goal), *width)));
            (lines, head.numeric)
        })
        .collect();
    let mut lines = vec![];
    let height = heads.iter().map(|(lines, _)| lines.len()).max().unwrap_or(0);
    // Headings stand on the line above the figures, whatever their height.
    let heads = heads.into_iter().map(|(mut lines, numeric)| {
        let above = height - lines.len();
        lines.splice(0..0, vec![String::new(); above]);
        (lines, numeric)
    });
    lines.extend(side_by_side(&heads.collect::<Vec<_>>(), layout));
    lines.push(
        "-".repeat(widths.iter().sum::<usize>() + layout.gap * widths.len().saturating_sub(1)),
    );
    for row in view.all_rows() {
        let cells: Vec<(Vec<String>, bool)> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| {
                let mut lines = cell_lines(&shown(cell), *width);
                let marks = cell.marks.iter();
                // Fixed spaces keep a shape and its word together.
                lines.extend(marks.flat_map(|mark| wrapped(&mark.text, *width)));
                (lines, cell.numeric)
            })
            .collect();
        lines.push(side_by_side(&cells, layout).join("\n"));
    }
    lines
}

/// At most [`CELL_LINES`] lines; what is cut ends in an ellipsis.
fn cell_lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = wrapped(text, width);
    if lines.len() > CELL_LINES {
        lines.truncate(CELL_LINES);
        if let Some(last) = lines.last_mut() {
            *last = format!("{}\u{2026}", take_width(last, width - 1));
        }
    }
    lines
}

fn side_by_side(cells: &[(Vec<String>, bool)], layout: &Layout) -> Vec<String> {
    let height = cells.iter().map(|(lines, _)| lines.len()).max().unwrap_or(0);
    let rows = (0..height).map(|y| {
        let mut out = String::new();
        for (i, ((lines, numeric), width)) in cells.iter().zip(&layout.widths).enumerate() {
            let text = lines.get(y).map_or("", String::as_str);
            let pad = " ".repeat(width.saturating_sub(text.width()));
            if i > 0 {
                out.push_str(&" ".repeat(layout.gap));
            }
            match numeric {
                true => out.extend([pad.as_str(), text]),
                false => out.extend([text, pad.as_str()]),
            }
        }
        out.trim_end().to_owned()
    });
    rows.collect()
}

/// One block a row: `Heading: value` on lines of their own.
fn blocks(view: &TableView) -> Vec<String> {
    view.all_rows()
        .map(|row| {
            let mut lines = Vec::new();
            for (i, (head, cell)) in view.heads.iter().zip(row).enumerate() {
                let mut text = shown(cell);
                if text.is_empty() {
                    continue;
                }
                let marks: Vec<String> = cell.marks.iter().map(|mark| plain(&mark.text)).collect();
                if !marks.is_empty() {
                    text = format!("{text} ({})", marks.join("; "));
                }
                let indent = if i == 0 { "" } else { "  " };
                let line = format!("{}: {text}", plain(&head.joined));
                for (n, piece) in wrapped(&line, LINE - 4).into_iter().enumerate() {
                    lines.push(format!("{indent}{}{piece}", if n == 0 { "" } else { "  " }));
                }
            }
            lines.join("\n")
        })
        .collect()
}

fn shown(cell: &Cell) -> String {
    plain(&cell.text)
}

/// Text broken at spaces into lines of this width; a longer word is broken inside. At least one
/// line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word;
        loop {
            let last = lines.last_mut().expect("there is always a line");
            let used = if last.is_empty() { 0 } else { last.width() + 1 };
            if used + word.width() <= width {
                if used > 0 {
                    last.push(' ');
                }
                last.push_str(word);
                break;
            }
            if used > 0 {
                lines.push(String::new());
                continue;
            }
            let piece = take_width(word, width);
            last.push_str(piece);
            word = &word[piece.len()..];
            if word.is_empty() {
                break;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// The longest beginning of a text that is at most so wide, and at least one character.
fn take_width(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width && at > 0 {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests;
