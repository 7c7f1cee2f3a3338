//! What a statement consists of; nothing is checked against the objects.

use super::part::DatePart;

/// A whole statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) select: Select,
    pub(crate) from: Name,
    pub(crate) alias: Option<String>,
    pub(crate) filter: Option<Condition>,
    pub(crate) group: Vec<Term>,
    pub(crate) having: Option<Condition>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<(u64, usize)>,
    pub(crate) offset: Option<(u64, usize)>,
}

/// What is selected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Select {
    /// `COUNT()`: the number alone.
    Count,
    Items(Vec<Item>),
}

/// One selected column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) what: Term,
    pub(crate) alias: Option<String>,
}

/// What is selected, grouped, compared or sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    Field(Path),
    Aggregate {
        function: Function,
        path: Path,
        at: usize,
    },
    /// A part of a date, in UTC or converted to the user's zone.
    Part {
        part: DatePart,
        converted: bool,
        path: Path,
        at: usize,
    },
    /// Fields by what a polymorphic reference points to.
    TypeOf(TypeOf),
}

impl Term {
    /// The field; of TYPEOF the relation.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Term::Field(path) | Term::Aggregate { path, .. } | Term::Part { path, .. } => path,
            Term::TypeOf(choice) => &choice.relation,
        }
    }
    /// Byte where it begins.
    pub(crate) fn at(&self) -> usize {
        match self {
            Term::Field(path) => path.at(),
            Term::Aggregate { at, .. } | Term::Part { at, .. } => *at,
            Term::TypeOf(choice) => choice.at,
        }
    }
}

/// `TYPEOF relation WHEN object THEN fields ... ELSE fields END`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeOf {
    pub(crate) relation: Path,
    pub(crate) whens: Vec<(Name, Vec<Path>)>,
    pub(crate) otherwise: Vec<Path>,
    pub(crate) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
}

/// A name with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// A dotted path; never empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path(pub(crate) Vec<Name>);

impl Path {
    pub(crate) fn at(&self) -> usize {
        self.0[0].at
    }
    pub(crate) fn last(&self) -> &Name {
        &self.0[self.0.len() - 1]
    }
}

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { what: Term, op: Op, value: Literal },
    In { what: Term, negated: bool, values: Vec<Literal> },
    Semi { path: Path, negated: bool, query: Box<Statement> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
}

/// A written value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    pub(crate) word: LiteralWord,
    pub(crate) at: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LiteralWord {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Date(chrono::NaiveDate),
    DateTime(i64),
    /// A date literal in capitals, with its number.
    Range(String, Option<i64>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) what: Term,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}
