//! Expressions: SQL text from the config, checked against a report type into a tree that cannot be
//! wrong.
//!
//! Text is parsed by `sqlparser` and then lowered into [`Expr`]: names are resolved, types agree,
//! picklist values exist, aggregates stand where they may. What remains cannot fail for reasons of
//! the config, and no text of the config is left in it but the constants. Every mistake is a
//! [`Mistake`] with the smallest piece of text it is about.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, Field};
use super::value::Value;

mod civil;
pub mod eval;
mod from;
mod functions;
mod known;
mod lower;
mod names;
mod parse;
mod text;
mod types;
mod word;

pub(crate) use civil::Civil;
pub(crate) use functions::{calls_aggregate, has_aggregate, is_share};
pub(crate) use known::Known;
pub(crate) use lower::{Grouping, LIST, Lowerer, NamedColumn, Node, Place, RowName, State};
pub(crate) use names::name_help;
pub(crate) use parse::{SortItem, Text, bytes, place};
pub(crate) use text::{like, range_of, range_text};
pub(crate) use types::condition;

/// A mistake in a piece of config text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The bytes of the text it is about.
    pub at: Range<usize>,
    /// What is wrong: a lowercase fragment that names the thing in backticks.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

impl Mistake {
    /// A mistake without help.
    pub fn new(at: Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake { at, message: message.into(), help: None }
    }

    /// The same with what to write instead.
    pub fn with_help(self, help: impl Into<String>) -> Mistake {
        Mistake { help: Some(help.into()), ..self }
    }
}

/// A primary dataset and the datasets joined to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportType {
    /// Its name in `[report_types]`.
    pub name: String,
    /// The datasets under their aliases; the first is the primary one.
    pub tables: Vec<TableRef>,
}

/// One dataset of a report type.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRef {
    /// Its name in expressions.
    pub alias: String,
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// How it is joined.
    pub join: Join,
    /// The join's condition; `None` for the primary dataset alone.
    pub on: Option<Expr>,
}

/// How a dataset is joined to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// The first one.
    Primary,
    /// *With*: rows without a partner are left out.
    Inner,
    /// *With or without*: rows without a partner stay, its fields null.
    Left,
}

/// A field of a report type: which table, which field of its dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldRef {
    /// Index into [`ReportType::tables`].
    pub table: usize,
    /// Index into [`Dataset::fields`].
    pub field: usize,
}

impl ReportType {
    /// Reads a FROM clause, e.g. `Session session left join Account account on account.Id =
    /// session.AccountId`, against the datasets that exist. All mistakes come at once.
    pub fn parse(
        name: &str,
        from_text: &str,
        datasets: &[Arc<Dataset>],
    ) -> Result<ReportType, Vec<Mistake>> {
        from::report_type(name, from_text, datasets)
    }

    /// The dataset's field behind a reference.
    pub fn field(&self, field: FieldRef) -> &Field {
        &self.tables[field.table].dataset.fields[field.field]
    }

    /// The key of the dataset under an alias.
    pub fn key(&self, table: usize) -> FieldRef {
        FieldRef { table, field: self.tables[table].dataset.key }
    }

    /// What a person would call the records of the dataset under an alias by.
    pub fn label(&self, table: usize) -> FieldRef {
        FieldRef { table, field: self.tables[table].dataset.label }
    }
}

/// A checked expression. Over one row (of joined records, or of folded ones), or after grouping
/// over one group.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// A field of a joined record.
    Field(FieldRef),
    /// Before grouping: a value of the fold (index into its keys, then its values).
    Folded(usize),
    /// After grouping: the group's key (index into [`super::query::Query::groups`]).
    Key(usize),
    /// After grouping: a field that the group's key determines (index into `carried`).
    Carried(usize),
    /// After grouping: an aggregate of the group (index into `aggregates`).
    Aggregate(usize),
    /// After grouping: the expression over the group, as a part of the same over all groups.
    Share(Box<Expr>),
    /// The slot's instant.
    AsOf,
    /// A one-place operation.
    Unary(Unary, Box<Expr>),
    /// A two-place operation.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `x between low and high`, both ends included.
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `x in (..)`, over constants.
    In(Box<Expr>, Vec<Value>),
    /// `case when .. then .. else .. end`: branches, then the else.
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// A function call.
    Call(Function, Vec<Expr>),
}

/// One-place operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `not`, three-valued.
    Not,
    /// Minus.
    Negate,
    /// `is null`.
    IsNull,
    /// The same number as a real: branches of one type make whole numbers so.
    Real,
}

/// Two-place operations; null in gives null out, but for `and` and `or` (three-valued).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the operations")]
pub enum Binary {
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Add,
    Subtract,
    Multiply,
    /// Real division; by zero it is null.
    Divide,
    /// SQL `like`: `%` and `_`, case-sensitive.
    Like,
}

/// Scalar functions.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// The first that is not null.
    Coalesce,
    /// Lower case, by Unicode.
    Lower,
    /// `seconds(a, b)`: from a to b, in seconds.
    Seconds,
    /// The calendar unit that holds an instant, in the report's zone.
    Calendar(Unit),
    /// `bucket(x, 60, 300)`: the text of the range that holds x (`< 60`, `60 to < 300`, `>= 300`).
    Bucket(Vec<f64>),
}

/// Calendar units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// A civil day: its first instant.
    Day,
    /// A civil week, from the configured first weekday: its first instant.
    Week,
    /// A civil month: its first instant.
    Month,
    /// The hour of the civil day, 0 to 23.
    Hour,
    /// The weekday, 1 (Monday) to 7 (Sunday).
    Weekday,
}

/// An aggregate over the rows of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// What is computed.
    pub kind: AggregateKind,
    /// Of what; `None` for `count()`.
    pub of: Option<Expr>,
    /// `order by` of `first`, most significant first; true means largest first. Nulls are last
    /// either way.
    pub order: Vec<(Expr, bool)>,
    /// `filter (where ..)`.
    pub filter: Option<Expr>,
}

/// Which aggregate.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the SQL aggregates")]
pub enum AggregateKind {
    Count,
    CountDistinct,
    Sum,
    Average,
    Min,
    Max,
    /// The exact percentile by linear interpolation (type 7), at a fraction of one; `median` is 0.5.
    Percentile(f64),
    /// The value in the first row by [`Aggregate::order`]; a null there is an answer.
    First,
}

impl Expr {
    /// The expressions it is made of, in the order written.
    pub fn parts(&self) -> Vec<&Expr> {
        match self {
            Expr::Literal(_)
            | Expr::Field(_)
            | Expr::Folded(_)
            | Expr::Key(_)
            | Expr::Carried(_)
            | Expr::Aggregate(_)
            | Expr::AsOf => vec![],
            Expr::Share(x) | Expr::Unary(_, x) | Expr::In(x, _) => vec![x],
            Expr::Binary(_, a, b) => vec![a, b],
            Expr::Between(x, low, high) => vec![x, low, high],
            Expr::Case(branches, otherwise) => {
                let branches = branches.iter().flat_map(|(when, then)| [when, then]);
                branches.chain(otherwise.as_deref()).collect()
            }
            Expr::Call(_, args) => args.iter().collect(),
        }
    }

    /// Calls `visit` for this expression and every one below it.
    pub fn walk(&self, visit: &mut impl FnMut(&Expr)) {
        visit(self);
        self.parts().into_iter().for_each(|part| part.walk(visit));
    }

    /// Adds the fields it reads to a set.
    pub fn fields_into(&self, into: &mut BTreeSet<FieldRef>) {
        self.walk(&mut |expr| {
            if let Expr::Field(field) = expr {
                into.insert(*field);
            }
        });
    }

    /// The conditions that all have to hold for it to hold, where it is a chain of `and`.
    pub fn conjuncts(&self) -> Vec<&Expr> {
        let (mut found, mut open) = (Vec::new(), vec![self]);
        while let Some(expr) = open.pop() {
            match expr {
                Expr::Binary(Binary::And, a, b) => open.extend([b.as_ref(), a.as_ref()]),
                other => found.push(other),
            }
        }
        found
    }
}

impl Aggregate {
    /// Adds the fields it reads to a set.
    pub fn fields_into(&self, into: &mut BTreeSet<FieldRef>) {
        let order = self.order.iter().map(|(expr, _)| expr);
        for expr in self.of.iter().chain(order).chain(&self.filter) {
            expr.fields_into(into);
        }
    }
}
