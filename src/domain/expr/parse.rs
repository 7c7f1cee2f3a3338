//! Text to syntax trees: `sqlparser` with bounds on size and depth, and places as byte ranges.
//!
//! Before parsing, each token's place (line and column in characters) is rewritten to its byte
//! offset, so that every span of the tree converts to a [`Range`] of the text by itself.

use std::ops::Range;

use sqlparser::ast::{self, Spanned};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

use super::Mistake;

/// Longest text of one expression or FROM clause, in bytes.
const TEXT_BYTES_MAX: usize = 32 * 1024;
/// Most tokens of one text. Chains of operators nest as deep as they are long.
const TOKENS_MAX: usize = 2000;
/// Deepest nesting the parser follows.
const DEPTH_MAX: usize = 60;
/// Longest heading, in characters.
const HEADING_MAX: usize = 200;

/// An expression with the heading it is given by `as`.
pub(crate) struct Named {
    pub(crate) expr: ast::Expr,
    pub(crate) name: Option<(String, Range<usize>)>,
}

/// One item of a `sort` text.
pub(crate) struct SortItem {
    pub(crate) expr: ast::Expr,
    pub(crate) descending: bool,
}

/// A whole text being parsed.
pub(crate) struct Text<'a> {
    text: &'a str,
    parser: Parser<'a>,
}

static DIALECT: SQLiteDialect = SQLiteDialect {};

/// The bytes of a span that went through [`Text::new`]; empty at 0 for nodes without a place.
pub(crate) fn bytes(span: Span) -> Range<usize> {
    if span == Span::empty() {
        return 0..0;
    }
    let at = |location: Location| (location.column as usize).saturating_sub(1);
    at(span.start)..at(span.end)
}

/// The bytes of a piece of syntax; of one without a place, the fallback.
pub(crate) fn place(node: &impl Spanned, fallback: &Range<usize>) -> Range<usize> {
    let range = bytes(node.span());
    if range.is_empty() { fallback.clone() } else { range }
}

impl<'a> Text<'a> {
    /// Cuts a text into tokens.
    pub(crate) fn new(text: &'a str) -> Result<Text<'a>, Mistake> {
        if text.trim().is_empty() {
            return Err(Mistake::new(0..text.len(), "nothing is written here"));
        }
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("longer than {} kB", TEXT_BYTES_MAX / 1024);
            return Err(Mistake::new(0..text.len(), message));
        }
        let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location().map_err(|err| {
            let at = ByteMap::new(text).offset(err.location).min(text.len());
            Mistake::new(at..text.len(), fragment(&err.message))
        })?;
        let significant = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        if tokens.iter().filter(significant).count() > TOKENS_MAX {
            return Err(Mistake::new(0..text.len(), format!("more than {TOKENS_MAX} words")));
        }
        let mut map = ByteMap::new(text);
        let tokens = tokens.into_iter().map(|token| map.rewrite(token)).collect();
        let parser = Parser::new(&DIALECT)
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(tokens);
        Ok(Text { text, parser })
    }

    /// One expression and nothing behind it.
    pub(crate) fn expr(mut self) -> Result<ast::Expr, Mistake> {
        let expr = self.parse(Parser::parse_expr)?;
        self.end()?;
        Ok(expr)
    }

    /// `expression`, `expression as Heading` or `expression as 'a heading'`.
    pub(crate) fn named(mut self) -> Result<Named, Mistake> {
        let expr = self.parse(Parser::parse_expr)?;
        let mut name = None;
        if self.parser.parse_keyword(Keyword::AS) {
            let token = self.parser.next_token();
            let at = bytes(token.span);
            name = match token.token {
                Token::Word(word) => Some((word.value, at)),
                Token::SingleQuotedString(heading) => Some((heading, at)),
                _ => {
                    let at = if at.is_empty() { self.text.len()..self.text.len() } else { at };
                    let message = "no heading follows `as`";
                    return Err(self
                        .mistake(at, message)
                        .with_help("write e.g. `as 'My heading'`"));
                }
            };
        }
        if let Some((heading, at)) = &name {
            let long = heading.chars().count() > HEADING_MAX;
            if heading.trim().is_empty() || long || heading.contains(char::is_control) {
                let message = "a heading is 1 to 200 characters without control characters";
                return Err(Mistake::new(at.clone(), message));
            }
        }
        self.end()?;
        Ok(Named { expr, name })
    }

    /// `a, b desc`.
    pub(crate) fn sort(mut self) -> Result<Vec<SortItem>, Mistake> {
        let items =
            self.parse(|parser| parser.parse_comma_separated(Parser::parse_order_by_expr))?;
        self.end()?;
        items.into_iter().map(sort_item).collect()
    }

    /// A FROM clause without the word `from`.
    pub(crate) fn from(mut self) -> Result<ast::TableWithJoins, Mistake> {
        let from = self.parse(Parser::parse_table_and_joins)?;
        self.end()?;
        Ok(from)
    }

    fn parse<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> Result<T, Mistake> {
        parse(&mut self.parser).map_err(|err| match err {
            ParserError::RecursionLimitExceeded => {
                Mistake::new(0..self.text.len(), "nested too deeply")
            }
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
                self.parse_mistake(&message)
            }
        })
    }

    fn end(&mut self) -> Result<(), Mistake> {
        let token = self.parser.peek_token();
        if token.token == Token::EOF {
            return Ok(());
        }
        let message = format!("`{}` is not expected here", shortened(&token.token.to_string()));
        Err(self.mistake(bytes(token.span), message))
    }

    /// The parser ends its messages with ` at Line: 1, Column: N`; N is our byte offset plus one.
    fn parse_mistake(&self, message: &str) -> Mistake {
        let (words, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
        let column = place.rsplit_once("Column: ").and_then(|(_, n)| n.parse::<usize>().ok());
        let start = match column {
            Some(column) if column > 0 => (column - 1).min(self.text.len()),
            // Without a place it is the end of the text.
            _ => self.text.len(),
        };
        let (words, found) = words.split_once(", found: ").unwrap_or((words, ""));
        let words = fragment(words).replace("expected: ", "expected ");
        match found {
            "" => self.mistake(start..self.text.len(), words),
            "EOF" => self.mistake(self.text.len()..self.text.len(), format!("{words} at the end")),
            _ => {
                let end = (start + found.len()).min(self.text.len());
                self.mistake(start..end, format!("{words}, found `{}`", shortened(found)))
            }
        }
    }

    /// A mistake at a place that may be empty or inside a character: widened to whole characters.
    fn mistake(&self, at: Range<usize>, message: impl Into<String>) -> Mistake {
        let mut start = at.start.min(self.text.len());
        if at.is_empty() {
            start = self.text[..floor(self.text, start)].trim_end().len().saturating_sub(1);
        }
        let start = floor(self.text, start);
        let mut end = at.end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        if end == start {
            end = self.text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
        }
        Mistake::new(start..end, message)
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Reads one item of a list of sort keys.
pub(crate) fn sort_item(item: ast::OrderByExpr) -> Result<SortItem, Mistake> {
    let at = bytes(item.span());
    let descending = match item.options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(_) => return Err(Mistake::new(at, "only `asc` and `desc` order rows")),
    };
    if item.options.nulls_first == Some(true) || item.with_fill.is_some() {
        return Err(Mistake::new(at, "empty values are always last"));
    }
    Ok(SortItem { expr: item.expr, descending })
}

/// A message of the parser as a fragment of ours.
fn fragment(message: &str) -> String {
    let mut chars = message.trim().trim_end_matches('.').chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "cannot be read".to_owned(),
    }
}

/// At most forty characters of a piece of text, for messages.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// Lines and columns to byte offsets, walked once from front to back.
struct ByteMap<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl<'a> ByteMap<'a> {
    fn new(text: &'a str) -> ByteMap<'a> {
        ByteMap { text, at: 0, line: 1, column: 1 }
    }

    /// The offset of a place not before the last one asked for.
    fn offset(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            let Some(next) = self.text[self.at..].chars().next() else { break };
            self.at += next.len_utf8();
            (self.line, self.column) =
                if next == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.at
    }

    fn rewrite(&mut self, token: TokenWithSpan) -> TokenWithSpan {
        let mut place = |location| Location { line: 1, column: self.offset(location) as u64 + 1 };
        let span = Span { start: place(token.span.start), end: place(token.span.end) };
        // A comment is as good as a space, and no hint in one is ever looked at.
        let token = match token.token {
            Token::Whitespace(_) => Token::Whitespace(Whitespace::Space),
            other => other,
        };
        TokenWithSpan { token, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, underlined: &str, message: &str) {
        let mistake = Text::new(text).and_then(Text::named).err().expect("a mistake");
        assert_eq!((&text[mistake.at], mistake.message.as_str()), (underlined, message));
    }

    #[test]
    fn places_are_bytes_of_the_text() {
        let text = "a.ä = 'ö\nü' and\n b.\"x y\" = 1";
        let expr = Text::new(text).and_then(Text::expr).expect("parses");
        let ast::Expr::BinaryOp { left, right, .. } = expr else { panic!("not an `and`") };
        assert_eq!(&text[bytes(left.span())], "a.ä = 'ö\nü'");
        assert_eq!(&text[bytes(right.span())], "b.\"x y\" = 1");
    }

    #[test]
    fn what_cannot_be_parsed_is_underlined() {
        check("", "", "nothing is written here");
        check("count() Sessions", "Sessions", "`Sessions` is not expected here");
        check("count() as", "s", "no heading follows `as`");
        check("count() as 7", "7", "no heading follows `as`");
        check("count() as ''", "''", "a heading is 1 to 200 characters without control characters");
        check("a.b = )", ")", "expected an expression, found `)`");
        check("a.b +", "+", "expected an expression at the end");
        check("a.b = 'open", "'open", "unterminated string literal");
        check("a.b; drop table x", ";", "`;` is not expected here");
        check("a.ü = = 1", "=", "expected an expression, found `=`");
    }

    #[test]
    fn long_and_deep_texts_are_refused() {
        let deep = format!("{}1{}", "(".repeat(500), ")".repeat(500));
        assert_eq!(Text::new(&deep).and_then(Text::expr).unwrap_err().message, "nested too deeply");
        let long = vec!["1"; 5000].join("+");
        assert_eq!(Text::new(&long).err().unwrap().message, "more than 2000 words");
    }
}
