//! Statement to syntax; nothing is checked against the objects here.

use super::SoqlError;
use super::lexer::{Token, Word, words};
use super::part::DatePart;
use super::syntax::{
    Condition, Function, Item, Literal, LiteralWord, Name, Op, Order, Path, Select, Statement,
    Term, TypeOf,
};

#[cfg(test)]
mod tests;

/// Longest statement.
const STATEMENT_CHARS_MAX: usize = 100_000;
/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 50;

/// Reads a statement.
pub(crate) fn parse(statement: &str) -> Result<Statement, SoqlError> {
    if statement.chars().count() > STATEMENT_CHARS_MAX {
        let text = "SOQL statements cannot be longer than 100000 characters.";
        return Err(SoqlError::plain("MALFORMED_QUERY", text));
    }
    let mut parser = Parser { tokens: words(statement)?, next: 0, depth: 0 };
    let parsed = parser.statement()?;
    match parser.peek() {
        Word::End => Ok(parsed),
        _ => Err(parser.unexpected()),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Word {
        &self.tokens[self.next].word
    }
    fn at(&self) -> usize {
        self.tokens[self.next].at
    }
    fn advance(&mut self) {
        // The end is never passed.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }
    fn unexpected(&self) -> SoqlError {
        let shown = match self.peek() {
            Word::Name(name) => format!("unexpected token: '{name}'"),
            Word::Text(text) => format!("unexpected token: '{text}'"),
            Word::Symbol(symbol) => format!("unexpected token: '{symbol}'"),
            Word::Number(number) => format!("unexpected token: '{number}'"),
            Word::Date(_) | Word::DateTime(_) => "unexpected token: a date".to_owned(),
            Word::End => "unexpected token: '<EOF>'".to_owned(),
        };
        SoqlError::malformed(self.at(), shown)
    }
    /// Whether the next word is this keyword (any case), without taking it.
    fn sees(&self, keyword: &str) -> bool {
        matches!(self.peek(), Word::Name(name) if name.eq_ignore_ascii_case(keyword))
    }
    fn take(&mut self, keyword: &str) -> bool {
        let seen = self.sees(keyword);
        if seen {
            self.advance();
        }
        seen
    }
    fn expect(&mut self, keyword: &str) -> Result<(), SoqlError> {
        if self.take(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }
    fn take_symbol(&mut self, symbol: &str) -> bool {
        let seen = matches!(self.peek(), Word::Symbol(next) if *next == symbol);
        if seen {
            self.advance();
        }
        seen
    }
    fn expect_symbol(&mut self, symbol: &str) -> Result<(), SoqlError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }
    fn name(&mut self) -> Result<Name, SoqlError> {
        let at = self.at();
        let Word::Name(text) = self.peek() else { return Err(self.unexpected()) };
        let text = text.clone();
        self.advance();
        Ok(Name { text, at })
    }
    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, SoqlError>,
    ) -> Result<Vec<T>, SoqlError> {
        let mut all = vec![one(self)?];
        while self.take_symbol(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn statement(&mut self) -> Result<Statement, SoqlError> {
        self.expect("SELECT")?;
        let select = self.select()?;
        self.expect("FROM")?;
        let from = self.name()?;
        self.take("AS");
        let clause = ["WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "WITH", "HAVING", "FOR"];
        let aliased = matches!(self.peek(), Word::Name(_)) && !clause.iter().any(|c| self.sees(c));
        let alias = if aliased { Some(self.name()?.text) } else { None };
        let filter = if self.take("WHERE") { Some(self.condition()?) } else { None };
        let mut group = Vec::new();
        if self.take("GROUP") {
            self.expect("BY")?;
            group = self.list(Self::group)?;
        }
        let having = if self.take("HAVING") { Some(self.condition()?) } else { None };
        let mut order = Vec::new();
        if self.take("ORDER") {
            self.expect("BY")?;
            order = self.list(Self::order)?;
        }
        let limit = self.bound("LIMIT")?;
        let offset = self.bound("OFFSET")?;
        Ok(Statement { select, from, alias, filter, group, having, order, limit, offset })
    }

    fn select(&mut self) -> Result<Select, SoqlError> {
        let start = self.next;
        if self.take("COUNT") && self.take_symbol("(") && self.take_symbol(")") {
            return Ok(Select::Count);
        }
        self.next = start;
        Ok(Select::Items(self.list(|parser| {
            if parser.sees("TYPEOF") {
                return Ok(Item { what: Term::TypeOf(parser.type_of()?), alias: None });
            }
            let what = parser.term()?;
            let aliased = matches!(parser.peek(), Word::Name(_)) && !parser.sees("FROM");
            let alias = if aliased { Some(parser.name()?.text) } else { None };
            Ok(Item { what, alias })
        })?))
    }

    fn term(&mut self) -> Result<Term, SoqlError> {
        let at = self.at();
        let path = self.path()?;
        if !self.take_symbol("(") {
            return Ok(Term::Field(path));
        }
        let function = match path.last().text.to_ascii_uppercase().as_str() {
            "COUNT" => Function::Count,
            "COUNT_DISTINCT" => Function::CountDistinct,
            "SUM" => Function::Sum,
            "AVG" => Function::Avg,
            "MIN" => Function::Min,
            "MAX" => Function::Max,
            name => match DatePart::named(name) {
                Some(part) => return self.part(part, at),
                None => {
                    self.next -= 1;
                    return Err(self.unexpected());
                }
            },
        };
        let path = self.path()?;
        self.expect_symbol(")")?;
        Ok(Term::Aggregate { function, path, at })
    }

    /// What follows the name of a date function and the parenthesis.
    fn part(&mut self, part: DatePart, at: usize) -> Result<Term, SoqlError> {
        let start = self.next;
        let converted = self.take("convertTimezone") && self.take_symbol("(");
        if !converted {
            self.next = start;
        }
        let path = self.path()?;
        if converted {
            self.expect_symbol(")")?;
        }
        self.expect_symbol(")")?;
        Ok(Term::Part { part, converted, path, at })
    }

    /// A field or a part of a date.
    fn group(&mut self) -> Result<Term, SoqlError> {
        let at = self.at();
        match self.term()? {
            Term::Aggregate { .. } => {
                Err(SoqlError::malformed(at, "Aggregates are not allowed in GROUP BY"))
            }
            term => Ok(term),
        }
    }

    fn type_of(&mut self) -> Result<TypeOf, SoqlError> {
        let at = self.at();
        self.expect("TYPEOF")?;
        let relation = self.path()?;
        let mut whens = Vec::new();
        while self.take("WHEN") {
            let object = self.name()?;
            self.expect("THEN")?;
            whens.push((object, self.list(Self::path)?));
        }
        if whens.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.take("ELSE") { self.list(Self::path)? } else { Vec::new() };
        self.expect("END")?;
        Ok(TypeOf { relation, whens, otherwise, at })
    }

    fn path(&mut self) -> Result<Path, SoqlError> {
        let mut names = vec![self.name()?];
        while self.take_symbol(".") {
            names.push(self.name()?);
        }
        Ok(Path(names))
    }

    fn order(&mut self) -> Result<Order, SoqlError> {
        let what = self.term()?;
        let descending = self.take("DESC");
        if !descending {
            self.take("ASC");
        }
        let mut nulls_last = false;
        if self.take("NULLS") {
            nulls_last = self.take("LAST");
            if !nulls_last {
                self.expect("FIRST")?;
            }
        }
        Ok(Order { what, descending, nulls_last })
    }

    fn bound(&mut self, keyword: &str) -> Result<Option<(u64, usize)>, SoqlError> {
        if !self.take(keyword) {
            return Ok(None);
        }
        match *self.peek() {
            Word::Number(number) if number >= 0.0 && number.fract() == 0.0 => {
                let at = self.at();
                self.advance();
                Ok(Some((number as u64, at)))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Conditions joined by all AND or all OR; the two mix only with parentheses.
    fn condition(&mut self) -> Result<Condition, SoqlError> {
        let first = self.negation()?;
        let keyword = if self.sees("AND") {
            "AND"
        } else if self.sees("OR") {
            "OR"
        } else {
            return Ok(first);
        };
        let mut all = vec![first];
        while self.take(keyword) {
            all.push(self.negation()?);
        }
        if self.sees("AND") || self.sees("OR") {
            return Err(self.unexpected());
        }
        Ok(if keyword == "AND" { Condition::And(all) } else { Condition::Or(all) })
    }

    fn negation(&mut self) -> Result<Condition, SoqlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(SoqlError::plain("QUERY_TOO_COMPLICATED", "Query is nested too deeply."));
        }
        let condition = if self.take("NOT") {
            Condition::Not(Box::new(self.negation()?))
        } else if self.take_symbol("(") {
            let inner = self.condition()?;
            self.expect_symbol(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self) -> Result<Condition, SoqlError> {
        let what = self.term()?;
        let start = self.next;
        let negated = self.take("NOT");
        if self.take("IN") {
            return self.members(what, negated);
        }
        self.next = start;
        let op = match self.peek() {
            Word::Symbol("=") => Op::Eq,
            Word::Symbol("!=" | "<>") => Op::Ne,
            Word::Symbol("<") => Op::Lt,
            Word::Symbol("<=") => Op::Le,
            Word::Symbol(">") => Op::Gt,
            Word::Symbol(">=") => Op::Ge,
            Word::Name(name) if name.eq_ignore_ascii_case("LIKE") => Op::Like,
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(Condition::Compare { what, op, value: self.literal()? })
    }

    fn members(&mut self, what: Term, negated: bool) -> Result<Condition, SoqlError> {
        self.expect_symbol("(")?;
        let condition = if self.sees("SELECT") {
            let Term::Field(path) = what else { return Err(self.unexpected()) };
            let query = Box::new(self.statement()?);
            Condition::Semi { path, negated, query }
        } else {
            Condition::In { what, negated, values: self.list(Self::literal)? }
        };
        self.expect_symbol(")")?;
        Ok(condition)
    }

    fn literal(&mut self) -> Result<Literal, SoqlError> {
        let at = self.at();
        let word = match self.peek().clone() {
            Word::Text(text) => LiteralWord::Text(text),
            Word::Number(number) => LiteralWord::Number(number),
            Word::Date(date) => LiteralWord::Date(date),
            Word::DateTime(millis) => LiteralWord::DateTime(millis),
            Word::Name(name) => match name.to_ascii_uppercase().as_str() {
                "NULL" => LiteralWord::Null,
                "TRUE" => LiteralWord::Bool(true),
                "FALSE" => LiteralWord::Bool(false),
                range if super::literal::is_range(range) => {
                    self.advance();
                    return Ok(Literal { word: self.range(range)?, at });
                }
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(Literal { word, at })
    }

    fn range(&mut self, name: &str) -> Result<LiteralWord, SoqlError> {
        let mut number = None;
        if super::literal::takes_number(name) {
            self.expect_symbol(":")?;
            match *self.peek() {
                Word::Number(n) if n.fract() == 0.0 && (0.0..=36_500.0).contains(&n) => {
                    number = Some(n as i64);
                }
                _ => return Err(self.unexpected()),
            }
            self.advance();
        }
        Ok(LiteralWord::Range(name.to_owned(), number))
    }
}
