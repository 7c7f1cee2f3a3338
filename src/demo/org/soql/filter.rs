//! Filters: checked against the fields' kinds and rights once, then applied to records.

use std::cmp::Ordering;
use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::SoqlError;
use super::lexer::plain;
use super::like::{Piece, is_like, pattern};
use super::literal;
use super::part;
use super::path::{Column, Leaf};
use super::syntax::{Condition, Literal, LiteralWord, Op, Term};
use crate::demo::org::id::Id;
use crate::demo::org::schema::{self, Kind};
use crate::demo::org::table::{Row, Tables};
use crate::demo::org::value::Cell;
use crate::demo::org::zone::Zone;

/// A checked filter.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Compare { column: Column, op: Op, value: Operand },
    Ids { column: Column, negated: bool, ids: HashSet<Id>, null: bool },
}

/// A checked value.
#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Null,
    Bool(bool),
    Number(f64),
    /// Folded to lower case.
    Text(String),
    Pattern(Vec<Piece>),
    Id(Id),
    /// Milliseconds, half-open; a point is one millisecond long.
    Instants(i64, i64),
    /// Days since 1970, half-open.
    Days(i64, i64),
}

/// Checks conditions against fields.
pub(crate) struct Checker<'a> {
    pub(crate) now: DateTime<Utc>,
    /// Zone of date literals.
    pub(crate) zone: &'a Zone,
    /// What a term means.
    pub(crate) resolve: &'a dyn Fn(&Term) -> Result<Column, SoqlError>,
    /// The ids a subquery selects.
    pub(crate) select: &'a dyn Fn(&super::syntax::Statement) -> Result<HashSet<Id>, SoqlError>,
}

impl Checker<'_> {
    pub(crate) fn check(&self, condition: &Condition) -> Result<Filter, SoqlError> {
        let all = |conditions: &[Condition]| -> Result<Vec<Filter>, SoqlError> {
            conditions.iter().map(|condition| self.check(condition)).collect()
        };
        match condition {
            Condition::And(conditions) => Ok(Filter::All(all(conditions)?)),
            Condition::Or(conditions) => Ok(Filter::Any(all(conditions)?)),
            Condition::Not(condition) => Ok(Filter::Not(Box::new(self.check(condition)?))),
            Condition::Compare { what, op, value } => {
                let column = self.filterable(what)?;
                let value = self.operand(&what.path().last().text, column.kind(), *op, value)?;
                Ok(Filter::Compare { column, op: *op, value })
            }
            Condition::In { what, negated, values } => {
                let column = self.filterable(what)?;
                let name = &what.path().last().text;
                let operands = values
                    .iter()
                    .map(|value| self.operand(name, column.kind(), Op::Eq, value))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(members(column, *negated, operands))
            }
            Condition::Semi { path, negated, query } => {
                let column = self.filterable(&Term::Field(path.clone()))?;
                if !matches!(column.kind(), Kind::Id | Kind::Reference) || path.0.len() > 1 {
                    let text = "The left operand of a semi join must be an ID of the object itself";
                    return Err(SoqlError::malformed(path.at(), text));
                }
                let ids = (self.select)(query)?;
                Ok(Filter::Ids { column, negated: *negated, ids, null: false })
            }
        }
    }

    fn filterable(&self, what: &Term) -> Result<Column, SoqlError> {
        let column = (self.resolve)(what)?;
        match column.field() {
            Some(field) if !field.has('F') => Err(SoqlError::field(
                what.path().last().at,
                format!("field '{}' can not be filtered in a query call", field.name),
            )),
            _ => Ok(column),
        }
    }

    /// A literal as the kind of what is compared needs it.
    pub(crate) fn operand(
        &self,
        name: &str,
        kind: Kind,
        op: Op,
        literal: &Literal,
    ) -> Result<Operand, SoqlError> {
        let wrong = |kind: &str, quotes: &str| {
            let message = format!(
                "value of filter criterion for field '{name}' must be of type {kind} and should \
                 {quotes}be enclosed in quotes"
            );
            SoqlError::field(literal.at, message)
        };
        let is_text = matches!(kind, Kind::Text | Kind::TextArea | Kind::Picklist);
        let no_operator = |kind: &str| {
            let message = format!("invalid operator on {kind} field");
            SoqlError { code: "INVALID_QUERY_FILTER_OPERATOR", message, at: Some(literal.at) }
        };
        if op == Op::Like && !is_text {
            return Err(no_operator(kind_name(kind)));
        }
        match (kind, &literal.word) {
            // A null flag is false.
            (Kind::Bool, LiteralWord::Null) => Ok(Operand::Bool(false)),
            (_, LiteralWord::Null) => Ok(Operand::Null),
            (Kind::Bool, LiteralWord::Bool(flag)) if matches!(op, Op::Eq | Op::Ne) => {
                Ok(Operand::Bool(*flag))
            }
            (Kind::Bool, LiteralWord::Bool(_)) => Err(no_operator("boolean")),
            (Kind::Bool, _) => Err(wrong("boolean", "not ")),
            (Kind::Int | Kind::Currency, LiteralWord::Number(number)) => {
                Ok(Operand::Number(*number))
            }
            (Kind::Int | Kind::Currency, _) => Err(wrong(kind_name(kind), "not ")),
            (Kind::DateTime, LiteralWord::DateTime(at)) => Ok(Operand::Instants(*at, at + 1)),
            (Kind::DateTime, LiteralWord::Range(word, n)) => {
                let today = self.zone.local(self.now.timestamp()).date();
                let range = literal::range(word, *n, today);
                let (from, to) = range.ok_or_else(|| wrong("dateTime", "not "))?;
                let millis = |date| self.zone.midnight(date).saturating_mul(1_000);
                Ok(Operand::Instants(millis(from), millis(to)))
            }
            (Kind::Date, LiteralWord::Date(date)) => {
                Ok(Operand::Days(part::days(*date), part::days(*date) + 1))
            }
            (Kind::Date, LiteralWord::Range(word, n)) => {
                let today = self.zone.local(self.now.timestamp()).date();
                let range = literal::range(word, *n, today);
                let (from, to) = range.ok_or_else(|| wrong("date", "not "))?;
                Ok(Operand::Days(part::days(from), part::days(to)))
            }
            (Kind::Date, _) => Err(wrong("date", "not ")),
            (Kind::DateTime, _) => Err(wrong("dateTime", "not ")),
            (Kind::Id | Kind::Reference, LiteralWord::Text(text)) => {
                Id::parse(text).map(Operand::Id).ok_or_else(|| SoqlError {
                    code: "INVALID_QUERY_FILTER_OPERATOR",
                    message: format!("invalid ID field: {text}"),
                    at: Some(literal.at),
                })
            }
            (Kind::Id | Kind::Reference, _) => Err(wrong("ID", "")),
            (_, LiteralWord::Text(text)) if op == Op::Like => Ok(Operand::Pattern(pattern(text))),
            (_, LiteralWord::Text(text)) => Ok(Operand::Text(plain(text).to_lowercase())),
            (_, _) => Err(wrong("string", "")),
        }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Reference => "id",
        Kind::Int => "int",
        Kind::Currency => "currency",
        Kind::Address => "address",
        Kind::Bool => "boolean",
        Kind::Date => "date",
        Kind::DateTime => "dateTime",
        Kind::Text | Kind::TextArea | Kind::Picklist => "string",
    }
}

/// `IN` as a set of ids, else as a choice of comparisons.
fn members(column: Column, negated: bool, operands: Vec<Operand>) -> Filter {
    if operands.iter().all(|operand| matches!(operand, Operand::Id(_) | Operand::Null)) {
        let null = operands.iter().any(|operand| matches!(operand, Operand::Null));
        let ids = operands.iter().filter_map(|operand| match operand {
            Operand::Id(id) => Some(*id),
            _ => None,
        });
        return Filter::Ids { column, negated, ids: ids.collect(), null };
    }
    let any = operands
        .into_iter()
        .map(|value| Filter::Compare { column: column.clone(), op: Op::Eq, value })
        .collect();
    if negated { Filter::Not(Box::new(Filter::Any(any))) } else { Filter::Any(any) }
}

/// Compares texts without case.
pub(crate) fn compare_text(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let folded = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(folded).cmp(b.bytes().map(folded));
    }
    a.to_lowercase().cmp(&b.to_lowercase())
}

impl Filter {
    /// Whether a record passes.
    pub(crate) fn passes(&self, tables: &Tables, row: &Row) -> bool {
        match self {
            Filter::All(filters) => filters.iter().all(|filter| filter.passes(tables, row)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.passes(tables, row)),
            Filter::Not(filter) => !filter.passes(tables, row),
            Filter::Ids { column, negated, ids, null } => {
                let inside = match column.cell(tables, row) {
                    Cell::Id(id) => ids.contains(&id),
                    _ => *null,
                };
                inside != *negated
            }
            Filter::Compare { column, op, value } => holds(column.cell(tables, row), *op, value),
        }
    }

    /// Stamps (milliseconds, half-open) outside which nothing can pass.
    pub(crate) fn stamps(&self) -> (i64, i64) {
        self.span(schema::MODSTAMP)
    }

    /// Instants (milliseconds, half-open) of a field outside which nothing can pass.
    pub(crate) fn span(&self, ix: usize) -> (i64, i64) {
        let everything = (i64::MIN, i64::MAX);
        match self {
            Filter::All(filters) => filters
                .iter()
                .map(|filter| filter.span(ix))
                .fold(everything, |(a, b), (c, d)| (a.max(c), b.min(d))),
            Filter::Any(filters) => filters
                .iter()
                .map(|filter| filter.span(ix))
                .reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
                .unwrap_or(everything),
            Filter::Compare { column, op, value: Operand::Instants(from, to) }
                if column.own() == Some(ix) =>
            {
                match op {
                    Op::Eq => (*from, *to),
                    Op::Lt => (i64::MIN, *from),
                    Op::Le => (i64::MIN, *to),
                    Op::Gt => (*to, i64::MAX),
                    Op::Ge => (*from, i64::MAX),
                    Op::Ne | Op::Like => everything,
                }
            }
            _ => everything,
        }
    }

    /// The only ids that can pass, if the filter names them.
    pub(crate) fn ids(&self) -> Option<Vec<Id>> {
        let is_id = |column: &Column| column.own() == Some(schema::ID);
        match self {
            Filter::All(filters) => filters.iter().find_map(Filter::ids),
            Filter::Compare { column, op: Op::Eq, value: Operand::Id(id) } if is_id(column) => {
                Some(vec![*id])
            }
            Filter::Ids { column, negated: false, ids, .. } if is_id(column) => {
                let mut ids: Vec<Id> = ids.iter().copied().collect();
                ids.sort_unstable();
                Some(ids)
            }
            _ => None,
        }
    }
}

/// Whether a value stands to a checked one as the operator wants it.
pub(crate) fn holds(cell: Cell<'_>, op: Op, value: &Operand) -> bool {
    let ordering = match (cell, value) {
        (Cell::Null, Operand::Null) => return op == Op::Eq,
        (_, Operand::Null) => return op == Op::Ne,
        // A null flag is false; any other null differs from every value and has no order.
        (Cell::Null, Operand::Bool(flag)) => flag.cmp(&false),
        (Cell::Null, _) => return op == Op::Ne,
        (Cell::Bool(own), Operand::Bool(flag)) => own.cmp(flag),
        (Cell::Int(own), Operand::Number(number)) => (own as f64).total_cmp(number),
        (Cell::Hundredths(own), Operand::Number(number)) => (own as f64 / 100.0).total_cmp(number),
        (Cell::Text(own), Operand::Text(text)) => compare_text(own, text),
        (Cell::Text(own), Operand::Pattern(pieces)) => return is_like(pieces, own),
        (Cell::Id(own), Operand::Id(id)) => own.cmp(id),
        (Cell::At(seconds), Operand::Instants(from, to)) => {
            let millis = seconds.saturating_mul(1_000);
            if millis < *from {
                Ordering::Less
            } else if millis < *to {
                Ordering::Equal
            } else {
                Ordering::Greater
            }
        }
        (Cell::Day(days), Operand::Days(from, to)) => {
            if days < *from {
                Ordering::Less
            } else if days < *to {
                Ordering::Equal
            } else {
                Ordering::Greater
            }
        }
        _ => return false,
    };
    agrees(ordering, op)
}

/// Whether an operator is content with how two values compare.
pub(crate) fn agrees(ordering: Ordering, op: Op) -> bool {
    match op {
        Op::Eq => ordering.is_eq(),
        Op::Ne => ordering.is_ne(),
        Op::Lt => ordering.is_lt(),
        Op::Le => ordering.is_le(),
        Op::Gt => ordering.is_gt(),
        Op::Ge => ordering.is_ge(),
        Op::Like => false,
    }
}

/// Orders two values of a column: nulls first, picklists in setup order, texts without case.
pub(crate) fn order(column: &Column, a: Cell<'_>, b: Cell<'_>) -> Ordering {
    match (a, b) {
        (Cell::Null, Cell::Null) => Ordering::Equal,
        (Cell::Null, _) => Ordering::Less,
        (_, Cell::Null) => Ordering::Greater,
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(&b),
        (Cell::Int(a), Cell::Int(b)) | (Cell::Hundredths(a), Cell::Hundredths(b)) => a.cmp(&b),
        (Cell::At(a), Cell::At(b)) | (Cell::Day(a), Cell::Day(b)) => a.cmp(&b),
        (Cell::Id(a), Cell::Id(b)) => a.cmp(&b),
        (Cell::Text(a), Cell::Text(b)) => match column.leaf {
            Leaf::Field { object, ix } if object.fields[ix].kind == Kind::Picklist => {
                let field = &object.fields[ix];
                field.rank(a).cmp(&field.rank(b))
            }
            _ => compare_text(a, b),
        },
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_differ_from_everything_and_have_no_order() {
        let text = Operand::Text("x".into());
        assert!(holds(Cell::Null, Op::Ne, &text));
        assert!(!holds(Cell::Null, Op::Eq, &text));
        assert!(!holds(Cell::Null, Op::Lt, &Operand::Number(5.0)));
        assert!(holds(Cell::Null, Op::Eq, &Operand::Bool(false)));
        assert!(holds(Cell::Text("ENDED"), Op::Eq, &Operand::Text("ended".into())));
    }

    #[test]
    fn day_ranges_compare_before_inside_and_after() {
        let day = Operand::Instants(86_400_000, 172_800_000);
        assert!(holds(Cell::At(86_400), Op::Eq, &day));
        assert!(!holds(Cell::At(86_400), Op::Gt, &day));
        assert!(holds(Cell::At(172_800), Op::Gt, &day));
        assert!(holds(Cell::At(86_399), Op::Lt, &day));
        assert!(holds(Cell::At(172_799), Op::Le, &day));
    }
}
