//! Reads route conditions: the part of SQL that compares labels with texts.

use std::ops::Range;

use sqlparser::ast::{BinaryOperator, Expr, Spanned, UnaryOperator, Value};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::keywords::ALL_KEYWORDS;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

use super::super::expr::Mistake;
use super::RouteCondition;

/// The longest condition that is read: it bounds the depth of the tree.
const BYTES_MAX: usize = 4096;

const EXAMPLE: &str = "write e.g. `level = 'critical'` or `rule in ('slow-answer', 'no-agents')`";

impl RouteCondition {
    /// Reads a condition such as `team = 'messaging' and not level = 'warning'`: labels compared by
    /// `=`, `!=`, `in` with texts in single quotes, joined by `and`, `or`, `not` and parentheses.
    pub fn parse(text: &str) -> Result<RouteCondition, Mistake> {
        if text.trim().is_empty() {
            return Err(mistake(0..text.len(), "the condition is empty", EXAMPLE));
        }
        if text.len() > BYTES_MAX {
            let message = format!("the condition is longer than {BYTES_MAX} bytes");
            return Err(mistake(0..text.len(), message, "split it into several routes"));
        }
        let lower = Lower { text };
        lower.condition(&lower.tree()?)
    }
}

/// Whether a word is read as a label without quotes wherever it stands: it is no keyword, or one
/// that SQL never begins an expression with and that routes are full of.
pub(super) fn is_plain(word: &str) -> bool {
    matches!(word, "level" | "rule")
        || ALL_KEYWORDS.binary_search(&word.to_ascii_uppercase().as_str()).is_err()
}

fn mistake(at: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Mistake {
    Mistake { at, message: message.into(), help: Some(help.into()) }
}

struct Lower<'a> {
    text: &'a str,
}

impl Lower<'_> {
    fn tree(&self) -> Result<Expr, Mistake> {
        let dialect = SQLiteDialect {};
        let tokens =
            Tokenizer::new(&dialect, self.text).tokenize_with_location().map_err(|err| {
                let at = self.offset(err.location);
                mistake(at..self.text.len(), err.message.to_lowercase(), EXAMPLE)
            })?;
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let tree = parser.parse_expr().map_err(|err| self.syntax(&parser, err))?;
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            let at = self.range(rest.span).start..self.text.trim_end().len();
            let message = format!("`{}` is too much", &self.text[at.clone()]);
            return Err(mistake(at, message, "join conditions by `and` or `or`"));
        }
        Ok(tree)
    }

    /// What the parser did not understand, at the token it stopped at.
    fn syntax(&self, parser: &Parser<'_>, err: ParserError) -> Mistake {
        let message = match err {
            ParserError::RecursionLimitExceeded => {
                let help = "split it into several routes";
                return mistake(0..self.text.len(), "the condition is nested too deeply", help);
            }
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        };
        // The parser writes the place into its message: `.. at Line: 1, Column: 9`.
        let (message, place) = message.rsplit_once(" at Line: ").unwrap_or((&message, ""));
        let mut numbers = place.split(", Column: ").map(|number| number.parse().ok());
        let at = match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(line), Some(column)) => self.word_at(self.offset(Location { line, column })),
            _ => match parser.peek_token_ref().token {
                Token::EOF => self.word_at(self.text.trim_end().len()),
                _ => self.range(parser.peek_token_ref().span),
            },
        };
        mistake(at, message.replace("Expected: ", "expected ").to_lowercase(), EXAMPLE)
    }

    fn condition(&self, expr: &Expr) -> Result<RouteCondition, Mistake> {
        match expr {
            Expr::Nested(inner) => self.condition(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                Ok(RouteCondition::Not(Box::new(self.condition(expr)?)))
            }
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                let (a, b) = (self.condition(left)?, self.condition(right)?);
                Ok(RouteCondition::And(Box::new(a), Box::new(b)))
            }
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
                let (a, b) = (self.condition(left)?, self.condition(right)?);
                Ok(RouteCondition::Or(Box::new(a), Box::new(b)))
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                self.comparison(left, true, right)
            }
            Expr::BinaryOp { left, op: BinaryOperator::NotEq, right } => {
                self.comparison(left, false, right)
            }
            Expr::InList { list, .. } if list.is_empty() => {
                Err(self.wrong(expr, "`PIECE` is in an empty list", EXAMPLE))
            }
            Expr::InList { expr, list, negated } => {
                let texts: Result<Vec<String>, Mistake> =
                    list.iter().map(|item| self.literal(item)).collect();
                let inside = RouteCondition::In(self.label(expr)?, texts?);
                Ok(if *negated { RouteCondition::Not(Box::new(inside)) } else { inside })
            }
            Expr::BinaryOp {
                op:
                    BinaryOperator::Lt
                    | BinaryOperator::LtEq
                    | BinaryOperator::Gt
                    | BinaryOperator::GtEq,
                ..
            } => Err(self.wrong(
                expr,
                "`PIECE` asks for an order, and labels have none",
                "name the levels, e.g. `level in ('warning', 'critical')`",
            )),
            Expr::Identifier(_) => Err(self.wrong(
                expr,
                "`PIECE` is compared with nothing",
                "write e.g. `PIECE = 'some text'`",
            )),
            other => Err(self.wrong(other, "`PIECE` cannot stand in a route", EXAMPLE)),
        }
    }

    fn comparison(
        &self,
        left: &Expr,
        equal: bool,
        right: &Expr,
    ) -> Result<RouteCondition, Mistake> {
        // `'critical' = level` is legal SQL as well.
        let (label, text) =
            if is_text(left) && !is_text(right) { (right, left) } else { (left, right) };
        Ok(RouteCondition::Label(self.label(label)?, equal, self.literal(text)?))
    }

    fn label(&self, expr: &Expr) -> Result<String, Mistake> {
        match expr {
            Expr::Identifier(name) => Ok(name.value.clone()),
            Expr::Nested(inner) => self.label(inner),
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(name) => {
                    let help = format!("write the label without quotes or as \"{name}\"");
                    Err(self.wrong(expr, "PIECE is a text, not a label", &help))
                }
                _ => Err(self.wrong(expr, "`PIECE` is not a label", EXAMPLE)),
            },
            Expr::CompoundIdentifier(_) => Err(self.wrong(
                expr,
                "`PIECE` is a field, not a label",
                "labels are `rule`, `level`, the headings of the rule's groups and its `labels`",
            )),
            _ => Err(self.wrong(expr, "`PIECE` is not a label", EXAMPLE)),
        }
    }

    fn literal(&self, expr: &Expr) -> Result<String, Mistake> {
        match expr {
            Expr::Nested(inner) => self.literal(inner),
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Ok(text.clone()),
                _ => Err(self.wrong(
                    expr,
                    "`PIECE` is not a text",
                    "write `'PIECE'`: labels are texts",
                )),
            },
            Expr::Identifier(name) => {
                let help = format!("write '{}' in single quotes", name.value);
                Err(self.wrong(expr, "`PIECE` is a label where a text should stand", &help))
            }
            _ => Err(self.wrong(expr, "`PIECE` is not a text", "write a text in single quotes")),
        }
    }

    /// A mistake at an expression; `PIECE` stands for its text.
    fn wrong(&self, expr: &Expr, message: &str, help: &str) -> Mistake {
        let at = self.range(expr.span());
        let piece = self.text[at.clone()].trim();
        mistake(at, message.replace("PIECE", piece), help.replace("PIECE", piece))
    }

    /// The bytes of a span; of an empty one (the parser does not know every place) all of them.
    fn range(&self, span: Span) -> Range<usize> {
        if span.start.line == 0 {
            return 0..self.text.len();
        }
        let (from, to) = (self.offset(span.start), self.offset(span.end));
        if from < to { from..to } else { self.word_at(from) }
    }

    /// The byte offset of a place in lines and characters, both from 1.
    fn offset(&self, at: Location) -> usize {
        let mut lines = self.text.split_inclusive('\n');
        let before: usize =
            lines.by_ref().take(at.line.saturating_sub(1) as usize).map(str::len).sum();
        let line = lines.next().unwrap_or("");
        let column = at.column.saturating_sub(1) as usize;
        before + line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset)
    }

    /// From an offset to the end of the word there; at the end of the text, its last word.
    fn word_at(&self, from: usize) -> Range<usize> {
        let text = self.text.trim_end();
        if from >= text.len() {
            let start = text
                .rfind(char::is_whitespace)
                .map_or(0, |space| space + text[space..].chars().next().map_or(1, char::len_utf8));
            return start..text.len();
        }
        let mut ends = text[from..].char_indices().skip(1);
        let length =
            ends.find(|(_, c)| c.is_whitespace()).map_or(text.len() - from, |(end, _)| end);
        from..from + length
    }
}

fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}
