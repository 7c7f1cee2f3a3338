//! Tables as text in cells, and how they fit a width: whole, set small, or in blocks of columns.

use unicode_width::UnicodeWidthChar;

use super::Mark;

/// Widest table of a mail, in pixels: a little more than the mail's 600, which then grows with it.
const MAIL_WIDTH: f64 = 640.0;
/// What a phone leaves for a table, in pixels.
const PHONE_WIDTH: f64 = 336.0;
/// Tables with more columns than this are set smaller.
pub(super) const WIDE: usize = 6;
/// Room left and right of a cell's text, in pixels.
const PADDING: f64 = 8.0;
/// A column of text may be squeezed to this, in ems.
const TEXT_LEAST: f64 = 6.5;
/// Size of marks, as part of the cell's.
const MARK_SIZE: f64 = 0.9;
/// A table is cut into blocks of columns only where so few columns name its rows.
const NAMES_MAX: usize = 2;

/// Longer words may be broken, in characters.
const LONG_WORD: usize = 24;

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub(in crate::render) struct Cell {
    pub(in crate::render) text: String,
    /// Stands for a null.
    pub(in crate::render) muted: bool,
    pub(in crate::render) numeric: bool,
    /// Has words too long for a narrow screen: they may be broken.
    pub(in crate::render) long: bool,
    /// Comes from records: its letters say in which direction it runs.
    pub(in crate::render) own_direction: bool,
    /// Is a drawing made of letters, not to be read aloud.
    pub(in crate::render) spark: bool,
    /// Width of a bar below the figure, in pixels.
    pub(in crate::render) bar: Option<u8>,
    /// The record it names.
    pub(in crate::render) href: Option<String>,
    /// What stands below it.
    pub(in crate::render) marks: Vec<Mark>,
}

impl Cell {
    pub(in crate::render) fn plain(text: &str) -> Cell {
        Cell { text: text.to_owned(), ..Cell::default() }
    }

    /// Width of what stays on one line, in ems; long words are broken.
    fn unbroken(&self) -> f64 {
        let marks = self.marks.iter().map(|mark| widest_word(&mark.text) * MARK_SIZE);
        let text = widest_word(&self.text);
        let text = if self.numeric { text } else { text.min(TEXT_LEAST) };
        marks.fold(text, f64::max)
    }
}

/// A column's heading.
#[derive(Clone, Debug)]
pub(in crate::render) struct Head {
    pub(in crate::render) text: String,
    /// Has words too long for a narrow screen: they may be broken.
    pub(in crate::render) long: bool,
    pub(in crate::render) numeric: bool,
    /// Whether it names the row.
    pub(in crate::render) grouping: bool,
    /// What its values should be.
    pub(in crate::render) goal: Option<String>,
    /// The heading above it, that it shares with its neighbours.
    pub(in crate::render) over: Option<String>,
    /// The whole heading in one, where only one line can stand.
    pub(in crate::render) joined: String,
}

impl Head {
    /// What stands over a single value of the column: the heading with the goal.
    pub(in crate::render) fn label(&self) -> String {
        match &self.goal {
            Some(goal) => format!("{}, {goal}", self.joined),
            None => self.joined.clone(),
        }
    }
}

/// A heading over several columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct Span {
    /// `None` over columns that have no such heading: their own stands on both lines.
    pub(in crate::render) text: Option<String>,
    pub(in crate::render) columns: usize,
    /// Index of its first column.
    pub(in crate::render) first: usize,
}

/// A table's rows.
#[derive(Clone, Debug)]
pub(in crate::render) struct TableView {
    pub(in crate::render) heads: Vec<Head>,
    pub(in crate::render) rows: Vec<Vec<Cell>>,
    /// One row of figures, set large.
    pub(in crate::render) figures: bool,
    /// Whether cells carry their headings, for narrow screens.
    pub(in crate::render) labels: bool,
    /// How many rows this mail leaves out, in a sentence.
    pub(in crate::render) cut: Option<String>,
    /// What `top` left out: taken together, or in a sentence.
    pub(in crate::render) others: Option<Vec<Cell>>,
    pub(in crate::render) others_line: Option<String>,
    pub(in crate::render) total: Option<Vec<Cell>>,
    /// Of a block of columns: which ones, in words.
    pub(in crate::render) block: Option<String>,
}

impl TableView {
    /// All rows, those about many included.
    pub(in crate::render) fn all_rows(&self) -> impl Iterator<Item = &Vec<Cell>> {
        self.rows.iter().chain(&self.others).chain(&self.total)
    }

    /// Whether it is set smaller.
    pub(in crate::render) fn wide(&self) -> bool {
        self.heads.len() > WIDE
    }

    /// Cells behind the first are short enough to stay on one line where there is room.
    pub(in crate::render) fn narrow_cells(&self) -> bool {
        self.heads.iter().skip(1).all(|head| head.numeric)
    }

    /// Whether a narrow screen shows each row as a block of its own, because the columns do not fit
    /// beside each other.
    pub(in crate::render) fn stacked(&self) -> bool {
        let size = if self.figures { 17.0 } else { 13.0 };
        let width: f64 = (0..self.heads.len()).map(|i| self.column_pixels(i, size)).sum();
        self.labels && self.heads.len() > 2 && width > PHONE_WIDTH
    }

    /// The headings over headings; empty where no column has one.
    pub(in crate::render) fn spans(&self) -> Vec<Span> {
        if self.heads.iter().all(|head| head.over.is_none()) {
            return Vec::new();
        }
        let mut spans: Vec<Span> = Vec::new();
        for (first, head) in self.heads.iter().enumerate() {
            match spans.last_mut() {
                Some(span) if head.over.is_some() && span.text == head.over => span.columns += 1,
                _ => spans.push(Span { text: head.over.clone(), columns: 1, first }),
            }
        }
        spans
    }

    /// The table in blocks of columns that fit a mail, the columns that name the rows in each.
    pub(in crate::render) fn blocks(&self) -> Vec<TableView> {
        let size = if self.wide() { 13.0 } else { 14.0 };
        let pixels = |table: &TableView, column| table.column_pixels(column, size).ceil() as usize;
        self.cut_to(MAIL_WIDTH as usize, pixels)
    }

    /// The table in blocks of columns no wider than `room`, by the width of each column; one block
    /// where it fits, or cannot be cut.
    pub(in crate::render) fn cut_to(
        &self,
        room: usize,
        width: impl Fn(&TableView, usize) -> usize,
    ) -> Vec<TableView> {
        let widths: Vec<usize> = (0..self.heads.len()).map(|i| width(self, i)).collect();
        let names = self.heads.iter().take_while(|head| head.grouping).count();
        let cannot = names == 0 || names > NAMES_MAX || self.heads.len() <= names + 1;
        if widths.iter().sum::<usize>() <= room || cannot {
            return vec![self.clone()];
        }
        let named: usize = widths[..names].iter().sum();
        let mut blocks: Vec<Vec<usize>> = Vec::new();
        let mut used = usize::MAX;
        for (column, width) in widths.iter().enumerate().skip(names) {
            if used.saturating_add(*width) > room {
                blocks.push(Vec::new());
                used = named;
            }
            used += width;
            blocks.last_mut().expect("one was pushed").push(column);
        }
        let count = blocks.len();
        let cut = blocks.iter().enumerate().map(|(i, columns)| {
            let keep: Vec<usize> = (0..names).chain(columns.iter().copied()).collect();
            let mut block = self.of_columns(&keep);
            block.block = (count > 1).then(|| format!("part {} of {count}", i + 1));
            // Sentences about rows stand once.
            if i + 1 < count {
                (block.cut, block.others_line) = (None, None);
            }
            block
        });
        cut.collect()
    }

    fn of_columns(&self, keep: &[usize]) -> TableView {
        let cells =
            |row: &Vec<Cell>| keep.iter().filter_map(|i| row.get(*i).cloned()).collect::<Vec<_>>();
        TableView {
            heads: keep.iter().map(|i| self.heads[*i].clone()).collect(),
            rows: self.rows.iter().map(cells).collect(),
            others: self.others.as_ref().map(cells),
            total: self.total.as_ref().map(cells),
            ..TableView {
                heads: Vec::new(),
                rows: Vec::new(),
                others: None,
                total: None,
                cut: self.cut.clone(),
                others_line: self.others_line.clone(),
                block: None,
                ..*self
            }
        }
    }

    /// Least width of a column about, in letters of so many pixels.
    fn column_pixels(&self, column: usize, size: f64) -> f64 {
        let cells = self.all_rows().filter_map(|row| row.get(column)).map(Cell::unbroken);
        let head = &self.heads[column];
        let goal = head.goal.as_deref().map_or(0.0, widest_word);
        let text = widest_word(&head.text);
        let text = if head.long { text.min(TEXT_LEAST) } else { text };
        let head = text.max(goal) * 13.0;
        (cells.fold(0.0, f64::max) * size).max(head) + PADDING
    }
}

/// Whether a text has words too long for a narrow screen.
pub(super) fn has_long_word(text: &str) -> bool {
    text.split(' ').any(|word| word.chars().count() > LONG_WORD)
}

/// About the width of the widest word in the letters of mails, in ems. Fixed spaces join words.
fn widest_word(text: &str) -> f64 {
    let letter = |c: char| match c {
        '.' | ',' | ' ' | '\'' | '\u{a0}' | '\u{202f}' | 'i' | 'l' | 'j' | 't' => 0.28,
        c if c.is_ascii_uppercase() || matches!(c, 'm' | 'w' | '%') => 0.75,
        c => 0.55 * c.width().unwrap_or(0) as f64,
    };
    text.split(' ').map(|word| word.chars().map(letter).sum()).fold(0.0, f64::max)
}
