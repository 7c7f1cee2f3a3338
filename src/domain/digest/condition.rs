//! Conditions over figures: `q1.Sessions > 100 and q2.'95 % under' > 60`.
//!
//! A figure is a total of one of the digest's reports. Logic has three values: what compares a
//! figure that is null is unknown, and stays so unless the other side of an `and` or `or` decides.
//! Text is parsed once, when the config is read; what remains cannot fail.

use std::fmt;
use std::ops::Range;

use super::Headline;
use crate::domain::expr::Mistake;
use crate::domain::table::Section;

/// Longest condition, in bytes, and how deep it may nest.
const TEXT_BYTES_MAX: usize = 4_096;
const DEPTH_MAX: usize = 30;

/// A checked condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// As written.
    pub text: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Compare(Operand, Op, Operand),
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operand {
    Number(f64),
    Figure(Headline),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Different,
}

/// A figure as it is written in a text: `report.Column` or `report.'A column'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureName {
    /// The report's name; `name#2` is the second of that name.
    pub report: String,
    /// The column's heading.
    pub column: String,
    /// The bytes of the report's name.
    pub report_at: Range<usize>,
    /// The bytes of the column, quotes included.
    pub column_at: Range<usize>,
}

impl FigureName {
    /// Reads a text that is one figure and nothing else.
    ///
    /// # Errors
    /// The text is none; the mistake says where.
    pub fn parse(text: &str) -> Result<FigureName, Mistake> {
        let whole = || {
            Mistake::new(0..text.len(), format!("`{text}` is not a figure of a report"))
                .with_help("write a report and one of its columns, e.g. `q1.'Mean of sessions'`")
        };
        let mut words = Words { text, at: 0 };
        match (words.next().map_err(|_| whole())?, words.next().map_err(|_| whole())?) {
            (Some((Word::Figure(name), _)), None) => Ok(name),
            _ => Err(whole()),
        }
    }
}

impl Condition {
    /// Parses a condition; `figure` says which total a name means, or what is wrong with it.
    ///
    /// # Errors
    /// Every name that means nothing, or the first mistake of the text itself.
    pub fn parse(
        text: &str,
        figure: &mut dyn FnMut(&FigureName) -> Result<Headline, Mistake>,
    ) -> Result<Condition, Vec<Mistake>> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a condition is at most {TEXT_BYTES_MAX} bytes long");
            return Err(vec![Mistake::new(0..text.len(), message)]);
        }
        let mut words = Words { text, at: 0 };
        let mut all = Vec::new();
        loop {
            match words.next() {
                Ok(Some(word)) => all.push(word),
                Ok(None) => break,
                Err(mistake) => return Err(vec![mistake]),
            }
        }
        let mut parser =
            Parser { text, words: all, next: 0, depth: 0, figure, mistakes: Vec::new() };
        let test = parser.any().and_then(|test| match parser.peek() {
            None => Ok(test),
            Some(_) => Err(parser.unexpected("`and`, `or` or the end")),
        });
        let mut mistakes = parser.mistakes;
        match test {
            Ok(test) if mistakes.is_empty() => Ok(Condition { text: text.to_owned(), test }),
            Ok(_) => Err(mistakes),
            Err(mistake) => {
                mistakes.push(mistake);
                Err(mistakes)
            }
        }
    }

    /// Whether it holds; `None` where a figure that decides it is null or not there.
    pub fn holds(&self, sections: &[Section]) -> Option<bool> {
        self.test.holds(sections)
    }
}

impl Test {
    fn holds(&self, sections: &[Section]) -> Option<bool> {
        match self {
            Test::Compare(left, op, right) => {
                Some(op.holds(left.value(sections)?, right.value(sections)?))
            }
            Test::Not(test) => test.holds(sections).map(|holds| !holds),
            Test::And(left, right) => match (left.holds(sections), right.holds(sections)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Test::Or(left, right) => match (left.holds(sections), right.holds(sections)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

impl Operand {
    fn value(self, sections: &[Section]) -> Option<f64> {
        match self {
            Operand::Number(number) => Some(number),
            Operand::Figure(Headline { report, column }) => match sections.get(report)? {
                Section::Table(table) => table.figure(column)?.number(),
                Section::Failed { .. } => None,
            },
        }
    }
}

impl Op {
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Op::Less => left < right,
            Op::LessOrEqual => left <= right,
            Op::Greater => left > right,
            Op::GreaterOrEqual => left >= right,
            Op::Equal => left == right,
            Op::Different => left != right,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Number(f64),
    Figure(FigureName),
    Op(Op),
    And,
    Or,
    Not,
    Open,
    Close,
}

/// Cuts a text into words.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Result<Option<(Word, Range<usize>)>, Mistake> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.len() - rest.trim_start().len();
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let signs = [
            ("<=", Word::Op(Op::LessOrEqual)),
            (">=", Word::Op(Op::GreaterOrEqual)),
            ("!=", Word::Op(Op::Different)),
            ("<>", Word::Op(Op::Different)),
            ("<", Word::Op(Op::Less)),
            (">", Word::Op(Op::Greater)),
            ("=", Word::Op(Op::Equal)),
            ("(", Word::Open),
            (")", Word::Close),
        ];
        if let Some((sign, word)) = signs.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
            self.at = start + sign.len();
            return Ok(Some((word, start..self.at)));
        }
        let word = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        if let Some(after) = rest[word..].strip_prefix('.')
            && word > 0
            && !is_fraction(&rest[..word], after)
        {
            let column_at = start + word + 1;
            let (column, length) = column(after).ok_or_else(|| {
                Mistake::new(start..column_at, "no column follows the report")
                    .with_help("write e.g. `q1.Sessions` or `q1.'95 % under'`")
            })?;
            self.at = column_at + length;
            let name = FigureName {
                report: rest[..word].to_owned(),
                column,
                report_at: start..start + word,
                column_at: column_at..self.at,
            };
            return Ok(Some((Word::Figure(name), start..self.at)));
        }
        let known = match rest[..word].to_ascii_lowercase().as_str() {
            "and" => Some(Word::And),
            "or" => Some(Word::Or),
            "not" => Some(Word::Not),
            _ => None,
        };
        if let Some(known) = known {
            self.at = start + word;
            return Ok(Some((known, start..self.at)));
        }
        let number = rest.find(|c: char| !(is_name(c) || c == '.')).unwrap_or(rest.len());
        match rest[..number].parse::<f64>() {
            Ok(value) if value.is_finite() && starts_number(first) => {
                self.at = start + number;
                Ok(Some((Word::Number(value), start..self.at)))
            }
            _ => {
                let end = number.max(first.len_utf8());
                let message = format!("`{}` is neither a figure nor a number", &rest[..end]);
                Err(Mistake::new(start..start + end, message)
                    .with_help("write e.g. `q1.Sessions > 100`"))
            }
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '#')
}

/// Whether a word and what follows its dot are a number such as `1.5`.
fn is_fraction(word: &str, after: &str) -> bool {
    !word.contains(|c: char| c.is_ascii_alphabetic())
        && after.chars().next().is_none_or(|c| c.is_ascii_digit() || c.is_whitespace())
}

fn starts_number(c: char) -> bool {
    c.is_ascii_digit() || c == '-'
}

/// A column's heading, bare or in quotes, and how many bytes it takes.
fn column(text: &str) -> Option<(String, usize)> {
    if let Some(inside) = text.strip_prefix('\'') {
        let mut heading = String::new();
        let mut letters = inside.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            match letter {
                // As in SQL, a quote inside quotes is written twice.
                '\'' if letters.peek().is_some_and(|(_, next)| *next == '\'') => {
                    heading.push('\'');
                    letters.next();
                }
                '\'' => return (!heading.is_empty()).then_some((heading, at + 2)),
                _ => heading.push(letter),
            }
        }
        return None;
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), end))
}

struct Parser<'t, 'f> {
    text: &'t str,
    words: Vec<(Word, Range<usize>)>,
    next: usize,
    depth: usize,
    figure: &'f mut dyn FnMut(&FigureName) -> Result<Headline, Mistake>,
    mistakes: Vec<Mistake>,
}

impl Parser<'_, '_> {
    fn peek(&self) -> Option<&Word> {
        self.words.get(self.next).map(|(word, _)| word)
    }

    fn take(&mut self, wanted: &Word) -> bool {
        let found = self.peek() == Some(wanted);
        self.next += usize::from(found);
        found
    }

    fn unexpected(&self, wanted: &str) -> Mistake {
        match self.words.get(self.next) {
            Some((_, at)) => {
                let piece = &self.text[at.clone()];
                Mistake::new(at.clone(), format!("{wanted} is expected instead of `{piece}`"))
            }
            None => {
                let end = self.text.trim_end().len();
                Mistake::new(end.saturating_sub(1)..end, format!("{wanted} is expected at the end"))
            }
        }
        .with_help("write e.g. `q1.Sessions > 100 and q2.'95 % under' > 60`")
    }

    fn any(&mut self) -> Result<Test, Mistake> {
        let mut test = self.all()?;
        while self.take(&Word::Or) {
            test = Test::Or(Box::new(test), Box::new(self.all()?));
        }
        Ok(test)
    }

    fn all(&mut self) -> Result<Test, Mistake> {
        let mut test = self.one()?;
        while self.take(&Word::And) {
            test = Test::And(Box::new(test), Box::new(self.one()?));
        }
        Ok(test)
    }

    fn one(&mut self) -> Result<Test, Mistake> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Mistake::new(0..self.text.len(), "nested too deep"));
        }
        let test = if self.take(&Word::Not) {
            Test::Not(Box::new(self.one()?))
        } else if self.take(&Word::Open) {
            let test = self.any()?;
            if !self.take(&Word::Close) {
                return Err(self.unexpected("`)`"));
            }
            test
        } else {
            let left = self.operand()?;
            let Some(Word::Op(op)) = self.peek().cloned() else {
                return Err(self.unexpected("a comparison"));
            };
            self.next += 1;
            Test::Compare(left, op, self.operand()?)
        };
        self.depth -= 1;
        Ok(test)
    }

    fn operand(&mut self) -> Result<Operand, Mistake> {
        let operand = match self.peek().cloned() {
            Some(Word::Number(number)) => Operand::Number(number),
            Some(Word::Figure(name)) => match (self.figure)(&name) {
                Ok(figure) => Operand::Figure(figure),
                Err(mistake) => {
                    self.mistakes.push(mistake);
                    // The rest is read for its own mistakes.
                    Operand::Number(0.0)
                }
            },
            _ => return Err(self.unexpected("a figure or a number")),
        };
        self.next += 1;
        Ok(operand)
    }
}

#[cfg(test)]
#[path = "condition/tests.rs"]
mod tests;
