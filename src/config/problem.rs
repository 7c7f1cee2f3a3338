//! Problems: what is wrong with a config, where, and what to write instead.
//!
//! All of them are told at once, in the order of the files and lines they are in. A [`Note`] has
//! the same shape but stops nothing. Neither ever shows a secret.

use std::fmt;
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, Severity};
use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use serde::Serialize;
use toml::Spanned;

use super::text::{At, Source, clip, inside, line_and_column, shown};
use crate::domain::expr::Mistake;

/// One mistake in a config.
#[derive(Clone, Serialize)]
pub struct Problem {
    /// The file it is in, as it was named.
    pub file: String,
    /// Where in the file; `None` where the file as a whole is meant.
    pub place: Option<Place>,
    /// What is wrong: a lowercase fragment that names the thing in backticks.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
    #[serde(skip)]
    shown: Arc<str>,
    #[serde(skip)]
    severity: Severity,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// The piece that is underlined, literal secrets starred out.
    pub piece: String,
    #[serde(skip)]
    bytes: (usize, usize),
}

/// Something worth knowing about a config that loads.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Note(pub Problem);

/// Every mistake of a config, at least one; its `Display` is the picture for people, without
/// colour.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem with a file as a whole.
    pub(super) fn of_file(file: &str, message: String, help: Option<String>) -> Problem {
        let shown = Arc::from("");
        let severity = Severity::Error;
        Problem { file: file.to_owned(), place: None, message, help, shown, severity }
    }

    /// The picture: message, the line with the piece underlined, help. `width` in columns.
    pub fn picture(&self, colour: bool, width: usize) -> String {
        let theme =
            if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_context_lines(0)
            .with_links(false);
        let mut picture = String::new();
        match handler.render_report(&mut picture, &Diagnostic(self)) {
            Ok(()) => picture,
            // A picture that cannot be drawn must not hide what it is about.
            Err(_) => format!("{self}\n"),
        }
    }
}

impl fmt::Display for Problem {
    /// One line: file, line, column, message, help.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)?;
        self.help.iter().try_for_each(|help| write!(f, " ({help})"))
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Problems {
    /// The pictures of all of them and a last line that counts them. `width` in columns.
    pub fn picture(&self, colour: bool, width: usize) -> String {
        let mut picture: String =
            self.0.iter().map(|problem| problem.picture(colour, width) + "\n").collect();
        picture += &match self.0.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        picture
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.picture(false, 100))
    }
}

impl std::error::Error for Problems {}

impl Note {
    /// The picture, as [`Problem::picture`].
    pub fn picture(&self, colour: bool, width: usize) -> String {
        self.0.picture(colour, width)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A problem as miette wants to see it.
struct Diagnostic<'a>(&'a Problem);

impl fmt::Debug for Diagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Display for Diagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.place {
            Some(_) => f.write_str(&self.0.message),
            None => write!(f, "{}: {}", self.0.file, self.0.message),
        }
    }
}

impl std::error::Error for Diagnostic<'_> {}

impl miette::Diagnostic for Diagnostic<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(self.0.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.place.as_ref().map(|_| self.0 as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (start, end) = self.0.place.as_ref()?.bytes;
        Some(Box::new(std::iter::once(LabeledSpan::underline((start, end - start)))))
    }
}

impl SourceCode for Problem {
    /// The whole line that a place is in, however few lines around it are asked for.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = &*self.shown;
        let (before, rest) =
            text.split_at_checked(span.offset()).ok_or(MietteError::OutOfBounds)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = span.offset() + rest.find('\n').unwrap_or(rest.len());
        let line = text.as_bytes().get(start..end).ok_or(MietteError::OutOfBounds)?;
        let number = before.matches('\n').count();
        let column = text[start..span.offset()].chars().count();
        let place = (start, end - start).into();
        let name = self.file.clone();
        Ok(Box::new(MietteSpanContents::new_named(name, line, place, number, column, 1)))
    }
}

/// At most so many problems are told; beyond it one says how many more there are.
const TOLD_MAX: usize = 200;

/// What was found so far while a config is read.
pub(super) struct Findings<'a> {
    sources: &'a [Source],
    found: Vec<Finding>,
}

struct Finding {
    at: At,
    severity: Severity,
    message: String,
    help: Option<String>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(sources: &'a [Source]) -> Findings<'a> {
        Findings { sources, found: Vec::new() }
    }

    /// The files.
    pub(super) fn sources(&self) -> &'a [Source] {
        self.sources
    }

    /// Notes a mistake.
    pub(super) fn problem(&mut self, at: At, message: impl Into<String>, help: impl Into<Help>) {
        self.push(at, Severity::Error, message.into(), help.into());
    }

    /// Notes something worth knowing.
    pub(super) fn note(&mut self, at: At, message: impl Into<String>, help: impl Into<Help>) {
        self.push(at, Severity::Advice, message.into(), help.into());
    }

    /// Notes a mistake inside a string, at the piece itself where that can be told.
    pub(super) fn mistake(&mut self, file: usize, text: &Spanned<String>, mistake: Mistake) {
        let Mistake { at, mut message, help } = mistake;
        let decoded = text.get_ref();
        let span = match inside(&self.sources[file].text, text.span(), decoded, at.clone()) {
            Some(span) => span,
            None => {
                let piece = decoded[clip(decoded, at)].trim();
                if !message.contains(piece) {
                    message = format!("{message}, at `{piece}`");
                }
                text.span()
            }
        };
        self.problem(At::new(file, span), message, help);
    }

    /// Notes several mistakes of one string; gives the value where there are none.
    pub(super) fn mistakes<T>(
        &mut self,
        file: usize,
        text: &Spanned<String>,
        parsed: Result<T, Vec<Mistake>>,
    ) -> Option<T> {
        let mistakes = match parsed {
            Ok(value) => return Some(value),
            Err(mistakes) => mistakes,
        };
        mistakes.into_iter().for_each(|mistake| self.mistake(file, text, mistake));
        None
    }

    /// The value, or the reason there is none noted at `at`.
    pub(super) fn value<T>(&mut self, at: At, parsed: Result<T, impl fmt::Display>) -> Option<T> {
        parsed.map_err(|err| self.problem(at, err.to_string(), None)).ok()
    }

    /// The same for reasons that say after a semicolon what to write instead.
    pub(super) fn mended<T>(&mut self, at: At, parsed: Result<T, String>) -> Option<T> {
        let reason = match parsed {
            Ok(value) => return Some(value),
            Err(reason) => reason,
        };
        match reason.split_once("; ") {
            Some((message, help)) => self.problem(at, message, help),
            None => self.problem(at, reason, None),
        }
        None
    }

    /// `file:line` of a place, for messages that name a second one.
    pub(super) fn file_and_line(&self, at: &At) -> String {
        let source = &self.sources[at.file];
        format!("{}:{}", source.name, line_and_column(&source.text, at.start).0)
    }

    /// How many mistakes were found so far.
    pub(super) fn count(&self) -> usize {
        self.found.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// Notes where there is no mistake; all mistakes otherwise.
    pub(super) fn finish(mut self) -> Result<Vec<Note>, Problems> {
        let failed = self.count() > 0;
        if failed {
            self.found.retain(|finding| finding.severity == Severity::Error);
        }
        self.found.sort_by(|a, b| (&a.at, &a.message).cmp(&(&b.at, &b.message)));
        self.found.dedup_by(|a, b| a.at == b.at && a.message == b.message);
        let more = self.found.len().saturating_sub(TOLD_MAX);
        self.found.truncate(TOLD_MAX);
        let texts: Vec<Arc<str>> =
            self.sources.iter().map(|source| Arc::from(shown(&source.text))).collect();
        let mut told: Vec<Problem> = (self.found.into_iter())
            .map(|finding| {
                let file = finding.at.file;
                finding.told(&self.sources[file].name, &texts[file])
            })
            .collect();
        if !failed {
            return Ok(told.into_iter().map(Note).collect());
        }
        if more > 0 {
            let file = self.sources.first().map_or("", |source| &source.name);
            told.push(Problem::of_file(file, format!("{more} more problems are not shown"), None));
        }
        Err(Problems(told))
    }

    fn push(&mut self, at: At, severity: Severity, message: String, help: Help) {
        self.found.push(Finding { at, severity, message, help: help.0 });
    }
}

impl Finding {
    fn told(self, file: &str, shown: &Arc<str>) -> Problem {
        let span = first_line(shown, clip(shown, self.at.start..self.at.end));
        let (line, column) = line_and_column(shown, span.start);
        let piece = shown[span.clone()].to_owned();
        let place = Place { line, column, piece, bytes: (span.start, span.end) };
        Problem {
            file: file.to_owned(),
            place: (!shown.is_empty()).then_some(place),
            message: self.message,
            help: self.help,
            shown: shown.clone(),
            severity: self.severity,
        }
    }
}

/// The part of the range in the first line of it that is not blank: a string of twenty lines is
/// underlined at its beginning, not drawn whole.
fn first_line(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let piece = &text[range.clone()];
    let start = range.start + (piece.len() - piece.trim_start().len());
    let rest = &text[start..range.end];
    let end =
        start + rest.find('\n').map_or(rest.len(), |newline| rest[..newline].trim_end().len());
    if start < end { start..end } else { range }
}

/// What to write instead; from text, or nothing.
pub(super) struct Help(Option<String>);

impl From<Option<String>> for Help {
    fn from(help: Option<String>) -> Help {
        Help(help)
    }
}

impl From<&str> for Help {
    fn from(help: &str) -> Help {
        Help(Some(help.to_owned()))
    }
}

impl From<String> for Help {
    fn from(help: String) -> Help {
        Help(Some(help))
    }
}

/// The candidate that was probably meant, if any is near enough.
pub(super) fn closest<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let written = written.to_lowercase();
    (candidates.into_iter())
        .map(|candidate| {
            (strsim::damerau_levenshtein(&written, &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| {
            let longer = written.chars().count().max(candidate.chars().count());
            *distance <= (longer / 3).max(1) && *distance < longer
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or else the list of what there is.
pub(crate) fn suggestion<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str> + Clone,
) -> Option<String> {
    if let Some(candidate) = closest(written, candidates.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let names: Vec<String> =
        candidates.into_iter().take(24).map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => None,
        [only] => Some(format!("there is only {only}")),
        several => Some(format!("there are {}", several.join(", "))),
    }
}
